//! HEADER of a message, and how severities of OTLP become those of syslog.

use super::config::Config;
use crate::otlp::record::{Record, plain};
use crate::stdx::calendar;

/// What stands where nothing is known.
pub(super) const NIL: &str = "-";

/// Where the fields of a header come from.
#[derive(Debug)]
pub(super) struct Sources {
    facility: u8,
    hostname: Vec<String>,
    app_name: Vec<String>,
    proc_id: Vec<String>,
    msg_id: Vec<String>,
}

impl Sources {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            facility: config.facility as u8,
            hostname: config.hostname_from.clone(),
            app_name: config.app_name_from.clone(),
            proc_id: config.proc_id_from.clone(),
            msg_id: config.msg_id_from.clone(),
        }
    }

    /// From `<` to the space before STRUCTURED-DATA.
    pub(super) fn header(&self, record: &Record<'_>) -> String {
        let priority = self.facility * 8 + severity(record);
        let time = record.time_ns().map_or_else(|| NIL.to_owned(), calendar::rfc3339_micros);
        let field = |names: &[String], chars_max| field(first(record, names).as_deref().unwrap_or(""), chars_max);
        let (hostname, app_name) = (field(&self.hostname, 255), field(&self.app_name, 48));
        let (proc_id, msg_id) = (field(&self.proc_id, 128), field(&self.msg_id, 32));
        format!("<{priority}>1 {time} {hostname} {app_name} {proc_id} {msg_id} ")
    }
}

/// The first of these attributes or fields that is there, as text.
pub(super) fn first(record: &Record<'_>, names: &[String]) -> Option<String> {
    names.iter().find_map(|name| record.lookup(name)).map(plain)
}

/// A field has printable ASCII only, and a largest length.
fn field(text: &str, chars_max: usize) -> String {
    let printable = |c: char| if c.is_ascii_graphic() { c } else { '_' };
    let field: String = text.chars().take(chars_max).map(printable).collect();
    if field.is_empty() { NIL.to_owned() } else { field }
}

/// The reverse of the table in OTLP's data model, appendix B. A record without a severity number may have syslog's own word in
/// its text; one without any is a notice. A span has failed or not.
fn severity(record: &Record<'_>) -> u8 {
    if record.member("signal") == Some("\"span\"") {
        let failed = record.member("status").is_some_and(|status| status.contains("\"code\":2"));
        return if failed { 3 } else { 6 };
    }
    match record.member("severity_number").and_then(|number| number.parse().ok()).unwrap_or(0_u32) {
        1..=8 => 7,
        9 => 6,
        10..=12 => 5,
        13..=16 => 4,
        17 => 3,
        18 => 2,
        19..=20 => 1,
        21..=24 => 0,
        _ => by_word(&record.member("severity_text").map(plain).unwrap_or_default()),
    }
}

fn by_word(word: &str) -> u8 {
    const WORDS: [&[&str]; 8] = [
        &["emerg", "emergency", "panic", "fatal"],
        &["alert"],
        &["crit", "critical"],
        &["err", "error"],
        &["warn", "warning"],
        &["notice"],
        &["info", "informational"],
        &["debug", "trace"],
    ];
    let found = WORDS.iter().position(|words| words.iter().any(|known| word.eq_ignore_ascii_case(known)));
    found.and_then(|at| u8::try_from(at).ok()).unwrap_or(5)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(line: &str) -> String {
        Sources::new(&Config::default()).header(&Record::parse(line.as_bytes()).unwrap())
    }

    #[test]
    fn a_header_has_what_the_record_says() {
        let line = r#"{"attributes":{"process.pid":7},"event_name":"tool.call","resource":{"attributes":{"host.name":"h1","service.name":"a b\u00e9"}},"severity_number":9,"signal":"log","time_unix_nano":"1769854500123456789"}"#;
        assert_eq!(header(line), "<166>1 2026-01-31T10:15:00.123456Z h1 a_b_ 7 tool.call ");
        assert_eq!(header("{}"), "<165>1 - - - - - ");
        let observed = r#"{"observed_time_unix_nano":"1769854500123456789"}"#;
        assert_eq!(header(observed), "<165>1 2026-01-31T10:15:00.123456Z - - - - ");
    }

    #[test]
    fn a_field_is_no_longer_than_it_may_be() {
        assert_eq!(field(&"x".repeat(300), 48).len(), 48);
        assert_eq!(field("a\nb\u{7f}c d", 48), "a_b_c_d");
        assert_eq!(field("", 48), "-");
    }

    #[test]
    fn every_severity_has_its_place() {
        let wanted = [5, 7, 7, 7, 7, 7, 7, 7, 7, 6, 5, 5, 5, 4, 4, 4, 4, 3, 2, 1, 1, 0, 0, 0, 0, 5];
        for (number, wanted) in wanted.into_iter().enumerate() {
            let line = format!(r#"{{"severity_number":{number}}}"#);
            assert_eq!(severity(&Record::parse(line.as_bytes()).unwrap()), wanted, "{number}");
        }
        for (line, wanted) in [
            (r#"{"severity_text":"WARNING"}"#, 4),
            (r#"{"severity_text":"whatever"}"#, 5),
            (r#"{"signal":"span","status":{"code":2}}"#, 3),
            (r#"{"signal":"span"}"#, 6),
        ] {
            assert_eq!(severity(&Record::parse(line.as_bytes()).unwrap()), wanted, "{line}");
        }
    }
}
