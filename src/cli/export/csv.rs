//! One row a record, for people with a spreadsheet: RFC 4180, CRLF at the end of each row, UTF-8 without a mark.
//!
//! A spreadsheet runs what begins like a formula, and what stands in a record was chosen by who sent it. So a field that
//! begins with `=`, `+`, `-`, `@`, a tab or a line end gets an apostrophe before it, which spreadsheets do not show. A row
//! can be found in the ledger by `sequence`, and compared by `leaf_sha256`.

use super::format::{Exported, Format};
use crate::cli::failed::Result;
use crate::cli::moment;
use crate::otlp::record::plain;
use crate::stdx::json::write_hex;

/// The names of the columns, in order: the first row.
const COLUMNS: [&str; 20] = [
    "sequence",
    "sealed_at",
    "time",
    "signal",
    "severity_number",
    "severity_text",
    "event_name",
    "body",
    "service_name",
    "user",
    "session_id",
    "risk_level",
    "risk_score",
    "trace_id",
    "span_id",
    "attributes",
    "resource",
    "scope",
    "stream_id",
    "leaf_sha256",
];

const USERS: [&str; 6] = ["user.email", "user.name", "user.id", "enduser.id", "audit.actor.id", "user.account_uuid"];
const SESSIONS: [&str; 4] = ["session.id", "gen_ai.conversation.id", "conversation.id", "session_id"];

pub(super) struct Csv;

impl Format for Csv {
    fn begin(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(COLUMNS.join(",").as_bytes());
        out.extend_from_slice(b"\r\n");
    }

    fn record(&mut self, exported: &Exported<'_>, out: &mut Vec<u8>) -> Result<()> {
        let (entry, record) = (exported.entry, exported.record);
        let member = |name: &str| record.member(name).map(plain).unwrap_or_default();
        let first_of = |names: &[&str]| record.first_of(names).unwrap_or_default();
        let mut leaf = Vec::with_capacity(64);
        write_hex(&mut leaf, exported.leaf);
        let fields: [String; COLUMNS.len()] = [
            entry.seq.to_string(),
            moment::text(entry.sealed_at_ns),
            record.time_ns().map(moment::text).unwrap_or_default(),
            member("signal"),
            member("severity_number"),
            member("severity_text"),
            record.name().unwrap_or_default(),
            member("body"),
            first_of(&["service.name"]),
            first_of(&USERS),
            first_of(&SESSIONS),
            first_of(&["risk.level"]),
            first_of(&["risk.score"]),
            member("trace_id"),
            member("span_id"),
            member("attributes"),
            member("resource"),
            member("scope"),
            entry.stream.to_string(),
            String::from_utf8(leaf).unwrap_or_default(),
        ];
        for (index, field) in fields.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            push_field(out, field);
        }
        out.extend_from_slice(b"\r\n");
        Ok(())
    }
}

/// One field, guarded, and in quotes where it needs them.
fn push_field(out: &mut Vec<u8>, field: &str) {
    let is_formula = field.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠']);
    let must_quote =
        is_formula || field.contains(['"', ',', '\r', '\n']) || field.starts_with(' ') || field.ends_with(' ');
    if !must_quote {
        out.extend_from_slice(field.as_bytes());
        return;
    }
    out.push(b'"');
    if is_formula {
        out.push(b'\'');
    }
    out.extend_from_slice(field.replace('"', "\"\"").as_bytes());
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_field_is_a_formula_and_none_breaks_out_of_its_column() {
        for (field, expected) in [
            ("plain", "plain"),
            ("", ""),
            ("a,b", "\"a,b\""),
            ("say \"x\"", "\"say \"\"x\"\"\""),
            ("two\r\nlines", "\"two\r\nlines\""),
            ("=HYPERLINK(\"http://x\",\"y\")", "\"'=HYPERLINK(\"\"http://x\"\",\"\"y\"\")\""),
            ("+1", "\"'+1\""),
            ("-2+3", "\"'-2+3\""),
            ("@SUM(A1)", "\"'@SUM(A1)\""),
            ("\t=1", "\"'\t=1\""),
            ("\r=1", "\"'\r=1\""),
            ("＝1", "\"'＝1\""),
            (" =1", "\" =1\""),
        ] {
            let mut out = Vec::new();
            push_field(&mut out, field);
            assert_eq!(String::from_utf8(out).unwrap(), expected, "{field:?}");
        }
    }
}
