//! Lines that wait for their number: made by the requests' own tasks, in parallel.
//!
//! Everything that costs time per byte happens here (writing the line, hashing it); what is left to the one writer is
//! the chain.

use super::hash::commit;
use super::writer::LedgerError;

/// Salts are drawn this many at a time, from the system: one call for many records, and no generator of our own to
/// seed at start.
const SALTS_AT_ONCE: usize = 64;

/// What is known about one line before it has a number.
#[derive(Debug, Clone)]
pub(super) struct Draft {
    /// Where the line ends, and its disclosures begin.
    pub(super) body_end: usize,
    pub(super) end: usize,
    pub(super) salt: [u8; 16],
    pub(super) commit: [u8; 32],
    pub(super) signal: u8,
    pub(super) flags: u16,
    pub(super) risk: u8,
}

/// Canonical lines, one after the other without line ends, with salt and commitment each. Behind a line with erasable
/// fields stand their disclosures, a JSON array that is carried beside what is sealed.
#[derive(Debug, Default)]
pub struct Drafts {
    bytes: Vec<u8>,
    lines: Vec<Draft>,
    salts: Vec<[u8; 16]>,
}

impl Drafts {
    /// Room for so many lines with so many bytes together.
    #[must_use]
    pub fn with_capacity(lines: usize, bytes: usize) -> Self {
        Self { bytes: Vec::with_capacity(bytes), lines: Vec::with_capacity(lines), salts: Vec::new() }
    }

    /// Where the next line is to be written: append one JSON object (`{..}`, at least one member, no end of line),
    /// then call [`Drafts::finish_line`]. What is already there must not be touched.
    pub fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Ends the line: draws its salt and computes its commitment. `signal`, `flags` and `risk` go into the entry.
    ///
    /// # Errors
    /// When the system has no random numbers, or what was written is no object or longer than the ledger reads back;
    /// the line is then taken back.
    pub fn finish_line(&mut self, signal: u8, flags: u16, risk: u8) -> Result<(), LedgerError> {
        let line = &self.bytes[self.start()..];
        let fits = line.len() + super::entry::SEAL_BYTES_MAX <= super::LINE_BYTES_MAX;
        if !fits || line.len() < 3 || !line.starts_with(b"{") || !line.ends_with(b"}") {
            self.cancel_line();
            return Err(LedgerError::NotALine);
        }
        let salt = self.next_salt()?;
        let commit = commit(&salt, &self.bytes[self.start()..], b"");
        let end = self.bytes.len();
        self.lines.push(Draft { body_end: end, end, salt, commit, signal, flags, risk });
        Ok(())
    }

    /// Adds the disclosures of the line that was just finished: a JSON array.
    pub fn disclose(&mut self, disclosures: &[u8]) {
        if let Some(draft) = self.lines.last_mut() {
            self.bytes.extend_from_slice(disclosures);
            draft.end = self.bytes.len();
        }
    }

    /// Takes back what was written since the last line.
    pub fn cancel_line(&mut self) {
        self.bytes.truncate(self.start());
    }

    /// How many lines there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// True without lines.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// How many bytes the lines have together.
    #[must_use]
    pub fn bytes_len(&self) -> usize {
        self.start()
    }

    /// Each line, its disclosures, and what is known about it.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8], &Draft)> {
        let starts = std::iter::once(0).chain(self.lines.iter().map(|draft| draft.end));
        starts
            .zip(&self.lines)
            .map(|(start, draft)| (&self.bytes[start..draft.body_end], &self.bytes[draft.body_end..draft.end], draft))
    }

    fn start(&self) -> usize {
        self.lines.last().map_or(0, |draft| draft.end)
    }

    fn next_salt(&mut self) -> Result<[u8; 16], LedgerError> {
        if self.salts.is_empty() {
            let wanted = (self.lines.capacity() - self.lines.len()).clamp(1, SALTS_AT_ONCE);
            let mut random = [0; 16 * SALTS_AT_ONCE];
            getrandom::fill(&mut random[..16 * wanted]).map_err(|_| LedgerError::NoRandom)?;
            self.salts.extend(random[..16 * wanted].as_chunks::<16>().0);
        }
        self.salts.pop().ok_or(LedgerError::NoRandom)
    }
}

/// The digest that promises an erasable field: over a salt and the member, `"name":value`.
#[must_use]
pub fn field_digest(salt: &[u8; 16], member: &[u8]) -> [u8; 32] {
    super::hash::sha256(&[b"SD/1\0", salt.as_slice(), member].concat())
}

/// Random bytes for salts and nonces that are not drawn in bulk.
///
/// # Errors
/// When the system has none.
pub fn random16() -> Result<[u8; 16], LedgerError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|_| LedgerError::NoRandom)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_has_its_own_salt_and_the_commitment_of_the_format() {
        let mut drafts = Drafts::with_capacity(1, 10);
        for i in 0..200_u32 {
            drafts.buffer().extend_from_slice(format!(r#"{{"n":{i}}}"#).as_bytes());
            drafts.finish_line(1, 2, 3).unwrap();
        }
        let mut salts: Vec<[u8; 16]> = drafts.iter().map(|(.., draft)| draft.salt).collect();
        let (line, _, draft) = drafts.iter().nth(7).unwrap();
        assert_eq!(line, br#"{"n":7}"#);
        let expected = super::super::hash::sha256(&[b"CR/1\0", draft.salt.as_slice(), line].concat());
        assert_eq!(draft.commit, expected);
        salts.sort_unstable();
        salts.dedup();
        assert_eq!(salts.len(), 200);
    }

    #[test]
    fn what_is_no_line_is_refused_and_taken_back() {
        let mut drafts = Drafts::with_capacity(1, 10);
        for wrong in ["", "{}", "[1,2]", r#"{"a":1"#] {
            drafts.buffer().extend_from_slice(wrong.as_bytes());
            assert!(matches!(drafts.finish_line(0, 0, 0), Err(LedgerError::NotALine)), "{wrong}");
        }
        drafts.buffer().extend_from_slice(b"{\"half");
        drafts.cancel_line();
        assert!(drafts.is_empty() && drafts.buffer().is_empty());
    }
}
