//! Which records a command is about: `--since`, `--until`, `--where`.

use clap::Args;

use crate::cli::failed::{Failed, Result};
use crate::cli::moment;
use crate::otlp::record::{Record, plain};

/// The options of every command that takes a part of the records.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct SelectArgs {
    /// Only records from this moment on: 2026-11-22, or 2026-11-22T10:15:00Z. It is the record's own time that counts; of a
    /// record without one, when it was sealed
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Only records before this moment
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Only records with this value: `session.id=abc`, `resource.service.name=api`, `severity_text=ERROR`. A bare KEY is a
    /// member of the record, an attribute, or an attribute of the resource. Different keys must all fit; of one key given
    /// several times, one
    #[arg(long = "where", value_name = "KEY=VALUE")]
    wheres: Vec<String>,
}

/// Which records were asked for.
#[derive(Debug, Clone, Default)]
pub(super) struct Select {
    since_ns: Option<u64>,
    until_ns: Option<u64>,
    wheres: Vec<(String, Vec<String>)>,
}

impl SelectArgs {
    /// Reads the options.
    pub(super) fn select(&self) -> Result<Select> {
        let moment = |option: &str, text: &Option<String>| match text {
            None => Ok(None),
            Some(text) => moment::parse(text).map(Some).ok_or_else(|| {
                Failed::usage(format!("--{option} `{text}` is no moment: write 2026-11-22 or 2026-11-22T10:15:00Z"))
            }),
        };
        let mut select = Select {
            since_ns: moment("since", &self.since)?,
            until_ns: moment("until", &self.until)?,
            wheres: Vec::new(),
        };
        for text in &self.wheres {
            let (key, value) = text
                .split_once('=')
                .filter(|(key, _)| !key.is_empty())
                .ok_or_else(|| Failed::usage(format!("--where `{text}` is not KEY=VALUE")))?;
            match select.wheres.iter_mut().find(|(known, _)| known == key) {
                Some((_, values)) => values.push(value.to_owned()),
                None => select.wheres.push((key.to_owned(), vec![value.to_owned()])),
            }
        }
        Ok(select)
    }
}

impl Select {
    /// True when everything was asked for.
    pub(super) fn is_all(&self) -> bool {
        self.since_ns.is_none() && self.until_ns.is_none() && self.wheres.is_empty()
    }

    /// True for a record that was asked for.
    pub(super) fn takes(&self, record: &Record<'_>, sealed_at_ns: u64) -> bool {
        let time = record.time_ns().unwrap_or(sealed_at_ns);
        let has = |(key, values): &(String, Vec<String>)| {
            record.lookup(key).map(plain).is_some_and(|found| values.contains(&found))
        };
        self.since_ns.is_none_or(|since| time >= since)
            && self.until_ns.is_none_or(|until| time < until)
            && self.wheres.iter().all(has)
    }

    /// The options as they were understood, for reports: one JSON object.
    pub(super) fn to_json(&self) -> Vec<u8> {
        use crate::stdx::json::write_str;
        let mut out = b"{".to_vec();
        for (name, moment) in [("since", self.since_ns), ("until", self.until_ns)] {
            if let Some(moment) = moment {
                out.extend_from_slice(format!("\"{name}\":\"{}\",", moment::text(moment)).as_bytes());
            }
        }
        out.extend_from_slice(b"\"where\":{");
        for (index, (key, values)) in self.wheres.iter().enumerate() {
            out.extend_from_slice(if index > 0 { b"," } else { b"" });
            write_str(&mut out, key);
            for (index, value) in values.iter().enumerate() {
                out.extend_from_slice(if index > 0 { b"," } else { b":[" });
                write_str(&mut out, value);
            }
            out.push(b']');
        }
        out.extend_from_slice(b"}}");
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn select(since: Option<&str>, until: Option<&str>, wheres: &[&str]) -> Result<Select> {
        let own = |text: Option<&str>| text.map(str::to_owned);
        let wheres = wheres.iter().map(|text| (*text).to_owned()).collect();
        SelectArgs { since: own(since), until: own(until), wheres }.select()
    }

    #[test]
    fn a_record_is_taken_when_everything_fits() {
        let line = br#"{"attributes":{"session.id":"s1"},"severity_number":9,"time_unix_nano":"1795341600000000000"}"#;
        let record = Record::parse(line).unwrap();
        for (since, until, wheres, expected) in [
            (None, None, &[][..], true),
            (Some("2026-11-22T10:00:00Z"), None, &[][..], true),
            (None, Some("2026-11-22T10:00:00Z"), &[][..], false),
            (Some("2026-11-23"), None, &[][..], false),
            (None, None, &["session.id=s1", "severity_number=9"][..], true),
            (None, None, &["session.id=s1", "severity_number=10"][..], false),
            (None, None, &["session.id=s2", "session.id=s1"][..], true),
            (None, None, &["absent="][..], false),
        ] {
            let select = select(since, until, wheres).unwrap();
            assert_eq!(select.takes(&record, 0), expected, "{select:?}");
        }
        let timeless = Record::parse(br#"{"body":"x"}"#).unwrap();
        let select = select(Some("2026-11-22"), None, &["body=x"]).unwrap();
        assert!(!select.takes(&timeless, 5) && select.takes(&timeless, u64::MAX));
        assert_eq!(select.to_json(), br#"{"since":"2026-11-22T00:00:00.000000000Z","where":{"body":["x"]}}"#);
    }

    #[test]
    fn what_cannot_be_read_is_a_mistake_of_the_command_line() {
        use crate::cli::Exit;
        for (since, wheres) in [(Some("yesterday"), &[][..]), (None, &["novalue"][..]), (None, &["=x"][..])] {
            assert_eq!(select(since, None, wheres).unwrap_err().exit, Exit::Usage);
        }
    }
}
