//! The seal at the end of a sealed line, as far as other formats have places for it.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::otlp::line::SEAL;
use crate::otlp::ocsf;
use crate::otlp::record::{Record, plain};
use crate::stdx::json::{Reader, Value};

/// Where an entry has what is needed of it; docs/seal-format.md is the format.
const ENTRY_BYTES: usize = 128;
const SEALED_AT: std::ops::Range<usize> = 32..40;
const PREV_LEAF: std::ops::Range<usize> = 40..72;

/// A seal.
#[derive(Debug, Default)]
pub(super) struct Seal {
    /// The canonical line, as it was sealed.
    pub(super) canonical: String,
    pub(super) stream: String,
    pub(super) number: u64,
    pub(super) leaf: [u8; 32],
    sealed_at_ns: u64,
    prev_leaf: [u8; 32],
    entry: Vec<u8>,
    salt: Vec<u8>,
}

impl Seal {
    /// The seal of a line, if it has one.
    pub(super) fn of(line: &str, record: &Record<'_>) -> Option<Self> {
        let raw = record.member(SEAL)?;
        let rest = raw.len() + r#","audit.seal":}"#.len();
        let mut seal =
            Self { canonical: format!("{}}}", line.get(..line.len().checked_sub(rest)?)?), ..Self::default() };
        let mut reader = Reader::over(raw);
        (reader.value().ok()? == Value::Object).then_some(())?;
        while let Some(key) = reader.next_member().ok()? {
            let value = reader.skip_value(crate::otlp::DEPTH_MAX * 4).ok()?;
            let text = plain(reader.slice(value));
            match key.raw() {
                "entry" => seal.entry = STANDARD.decode(text).ok()?,
                "n" => seal.number = text.parse().ok()?,
                "salt" => seal.salt = STANDARD.decode(text).ok()?,
                "stream" => seal.stream = text,
                _ => {}
            }
        }
        (seal.entry.len() == ENTRY_BYTES).then_some(())?;
        seal.sealed_at_ns = u64::from_be_bytes(seal.entry[SEALED_AT].try_into().ok()?);
        seal.prev_leaf = seal.entry[PREV_LEAF].try_into().ok()?;
        seal.leaf = digest(&SHA256, &[&[0], seal.entry.as_slice()].concat()).as_ref().try_into().ok()?;
        Some(seal)
    }

    /// The same for OCSF. The ledger's origin is in no line.
    pub(super) fn for_ocsf(&self) -> ocsf::Seal<'_> {
        ocsf::Seal {
            origin: None,
            stream: &self.stream,
            seq: self.number,
            sealed_at_ns: self.sealed_at_ns,
            leaf: self.leaf,
            prev_leaf: self.prev_leaf,
            entry: &self.entry,
            salt: &self.salt,
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// The example of docs/seal-format.md.
    pub(in crate::exporter::syslog) const LINE: &str = r#"{"attributes":{"session.id":"s-1"},"body":"run \"ls\"","resource":{"attributes":{"service.name":"agent"}},"severity_number":9,"signal":"log","time_unix_nano":"1700000000000000001","audit.seal":{"entry":"U0VMMQABAAB2ZS8B/EqKJqQua0zJZbvmAAAAAAAAAAsXl50AxdCuANY6GXEa+0zU2+KOjxLtgoczUXJyqrPEfYwIqddyoeaVVIbe5syKyKw0og8yPClLsq1SE2h55fFTcji3RpAGJwYAAAC0AAAAAQAAAAAAAAAACQAAAAAAAAA=","n":11,"salt":"0YQG5IwsC6H8nrKZ7HExtQ==","stream":"76652f01-fc4a-8a26-a42e-6b4cc965bbe6","v":1}}"#;

    #[test]
    fn the_seal_of_a_line_is_what_the_format_says() {
        let record = Record::parse(LINE.as_bytes()).unwrap();
        let seal = Seal::of(LINE, &record).unwrap();
        assert_eq!((seal.number, seal.stream.as_str()), (11, "76652f01-fc4a-8a26-a42e-6b4cc965bbe6"));
        assert_eq!(seal.canonical.len(), 180, "the length that the entry has");
        assert!(seal.canonical.ends_with(r#""time_unix_nano":"1700000000000000001"}"#));
        assert_eq!(seal.sealed_at_ns / 1_000_000_000, 1_700_000_011);
        assert_eq!(seal.salt.len(), 16);
        let unsealed = r#"{"body":"audit.seal"}"#;
        assert!(Seal::of(unsealed, &Record::parse(unsealed.as_bytes()).unwrap()).is_none());
    }
}
