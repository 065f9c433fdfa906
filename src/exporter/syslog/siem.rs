//! CEF (ArcSight) and LEEF 2.0 (QRadar): a header between bars, then keys with values from a table.
//!
//! <https://www.microfocus.com/documentation/arcsight/arcsight-smartconnectors-8.4/pdfdoc/cef-implementation-standard/cef-implementation-standard.pdf>,
//! <https://www.ibm.com/docs/en/dsm?topic=leef-overview>. What the table does not name stands in the structured data.

use super::config::{Config, Format};
use super::header::first;
use super::seal::Seal;
use super::structured::push_visible;
use crate::otlp::ocsf::{Severity, severity};
use crate::otlp::record::{Record, plain};

type Row = (&'static str, &'static [&'static str]);

const USERS: &[&str] = &["user.email", "user.name", "user.id", "enduser.id", "audit.actor.id", "user.account_uuid"];
const SESSIONS: &[&str] = &["session.id", "gen_ai.conversation.id", "conversation.id", "session_id"];
const COMMANDS: &[&str] = &["process.command_line", "full_command", "bash_command", "shell.command", "command_line"];
const TOOLS: &[&str] = &["gen_ai.tool.name", "tool_name", "tool.name", "function_name"];
const ADDRESSES: &[&str] = &["client.address", "source.address", "net.peer.ip"];

/// What CEF's keys are made of, unless the configuration says otherwise.
const CEF: &[Row] = &[
    ("act", TOOLS),
    ("cat", &["risk.categories"]),
    ("cs1", SESSIONS),
    ("cs2", COMMANDS),
    ("cs3", &["risk.level"]),
    ("cs4", &["risk.rules"]),
    ("cs5", &["service.name"]),
    ("cs6", &["trace_id"]),
    ("dvchost", &["host.name"]),
    ("filePath", &["file.path", "file_path"]),
    ("request", &["url.full"]),
    ("requestMethod", &["http.request.method"]),
    ("sproc", &["process.executable.name", "process.executable.path"]),
    ("spid", &["process.pid"]),
    ("src", ADDRESSES),
    ("suser", USERS),
];

/// What LEEF's keys are made of, unless the configuration says otherwise.
const LEEF: &[Row] = &[
    ("cat", &["risk.categories"]),
    ("commandLine", COMMANDS),
    ("filePath", &["file.path", "file_path"]),
    ("identHostName", &["host.name"]),
    ("riskLevel", &["risk.level"]),
    ("riskRules", &["risk.rules"]),
    ("serviceName", &["service.name"]),
    ("sessionId", SESSIONS),
    ("src", ADDRESSES),
    ("tool", TOOLS),
    ("traceId", &["trace_id"]),
    ("url", &["url.full"]),
    ("usrName", USERS),
];

/// True for what can be a key in both formats.
pub(super) fn is_key(key: &str) -> bool {
    !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// What both formats are made with.
#[derive(Debug)]
pub(super) struct Siem {
    is_cef: bool,
    vendor: String,
    product: String,
    /// Keys, each with the attributes or fields it may be taken from.
    table: Vec<(String, Vec<String>)>,
}

impl Siem {
    pub(super) fn new(config: &Config) -> Self {
        let is_cef = config.format == Format::Cef;
        let defaults = (if is_cef { CEF } else { LEEF }).iter();
        let own = |key: &str| config.mapping.contains_key(key);
        let mut table: Vec<_> = config.mapping.clone().into_iter().filter(|(_, from)| !from.is_empty()).collect();
        table.extend(
            defaults
                .filter(|(key, _)| !own(key))
                .map(|(key, from)| ((*key).to_owned(), from.iter().map(|&name| name.to_owned()).collect())),
        );
        Self { is_cef, vendor: config.vendor.clone(), product: config.product.clone(), table }
    }

    /// Appends a record.
    pub(super) fn write(&self, out: &mut Vec<u8>, record: &Record<'_>, seal: Option<&Seal>) {
        if self.is_cef { self.cef(out, record, seal) } else { self.leef(out, record, seal) }
    }

    fn cef(&self, out: &mut Vec<u8>, record: &Record<'_>, seal: Option<&Seal>) {
        let name = event(record);
        out.extend_from_slice(b"CEF:0|");
        for field in [&*self.vendor, &*self.product, env!("CARGO_PKG_VERSION"), &*name, &*name] {
            cef_header(out, field);
            out.push(b'|');
        }
        out.extend_from_slice(scale(severity(record), 0).to_string().as_bytes());
        out.push(b'|');
        let mut pairs = Pairs { out, is_first: true, is_cef: true };
        if let Some(time) = record.time_ns() {
            pairs.add("rt", &(time / 1_000_000).to_string());
        }
        if let Some(seal) = seal {
            pairs.add("externalId", &format!("{}/{}", seal.stream, seal.number));
        }
        for (key, from) in &self.table {
            if let Some(value) = first(record, from) {
                pairs.add(key, &value);
                // These keys mean nothing but for the label beside them.
                if is_custom(key) {
                    let name = from.iter().find(|name| record.lookup(name).is_some());
                    pairs.add(&format!("{key}Label"), name.map_or("", String::as_str));
                }
            }
        }
        if let Some(body) = body(record) {
            pairs.add("msg", &body);
        }
    }

    fn leef(&self, out: &mut Vec<u8>, record: &Record<'_>, seal: Option<&Seal>) {
        out.extend_from_slice(b"LEEF:2.0|");
        for field in [&*self.vendor, &*self.product, env!("CARGO_PKG_VERSION"), &event(record)] {
            leef_header(out, field);
            out.push(b'|');
        }
        out.extend_from_slice(b"x09|");
        let mut pairs = Pairs { out, is_first: true, is_cef: false };
        if let Some(time) = record.time_ns() {
            pairs.add("devTime", &(time / 1_000_000).to_string());
        }
        pairs.add("sev", &scale(severity(record), 1).to_string());
        if let Some(seal) = seal {
            pairs.add("sealStream", &seal.stream);
            pairs.add("sealNumber", &seal.number.to_string());
        }
        for (key, from) in &self.table {
            if let Some(value) = first(record, from) {
                pairs.add(key, &value);
            }
        }
        if let Some(body) = body(record) {
            pairs.add("msg", &body);
        }
    }
}

/// Writes keys with values.
struct Pairs<'o> {
    out: &'o mut Vec<u8>,
    is_first: bool,
    is_cef: bool,
}

impl Pairs<'_> {
    fn add(&mut self, key: &str, value: &str) {
        if !std::mem::take(&mut self.is_first) {
            self.out.push(if self.is_cef { b' ' } else { b'\t' });
        }
        self.out.extend_from_slice(key.as_bytes());
        self.out.push(b'=');
        for c in value.chars() {
            if self.is_cef && matches!(c, '\\' | '=') {
                self.out.push(b'\\');
            }
            push_visible(self.out, c);
        }
    }
}

fn cef_header(out: &mut Vec<u8>, text: &str) {
    for c in text.chars() {
        if matches!(c, '\\' | '|') {
            out.push(b'\\');
        }
        push_visible(out, if c.is_control() { ' ' } else { c });
    }
}

/// LEEF has no way to write a bar in its header.
fn leef_header(out: &mut Vec<u8>, text: &str) {
    text.chars().for_each(|c| push_visible(out, if c == '|' || c.is_control() { '_' } else { c }));
}

/// `cs1`, `cn2`, `flexString1` and the like.
fn is_custom(key: &str) -> bool {
    ["cs", "cn", "cfp", "c6a", "deviceCustomDate", "flexString", "flexNumber", "flexDate"].iter().any(|prefix| {
        key.strip_prefix(prefix).is_some_and(|rest| rest.len() == 1 && rest.as_bytes()[0].is_ascii_digit())
    })
}

/// What the record calls itself, or else its signal.
fn event(record: &Record<'_>) -> String {
    let signal = || record.member("signal").map(plain);
    record.name().filter(|name| !name.is_empty()).or_else(signal).unwrap_or_else(|| "record".to_owned())
}

fn body(record: &Record<'_>) -> Option<String> {
    record.member("body").filter(|body| *body != "null").map(plain)
}

/// A severity from `lowest` to 10.
fn scale(severity: Severity, lowest: u8) -> u8 {
    match severity {
        Severity::Unknown => lowest,
        Severity::Informational => 1,
        Severity::Low => 3,
        Severity::Medium => 5,
        Severity::High => 8,
        Severity::Critical => 9,
        Severity::Fatal => 10,
    }
}

#[cfg(test)]
mod tests {
    use super::super::seal::tests::LINE;
    use super::*;

    fn written(config: &str, line: &str) -> String {
        let config: Config = serde_json::from_str(config).unwrap();
        let record = Record::parse(line.as_bytes()).unwrap();
        let mut out = vec![];
        Siem::new(&config).write(&mut out, &record, Seal::of(line, &record).as_ref());
        String::from_utf8(out).unwrap().replace(env!("CARGO_PKG_VERSION"), "V")
    }

    const EVENT: &str = r#"{"attributes":{"command_line":"a=b\\c|d\ne\tf","risk.level":"high","user.email":"u@x"},"body":"b=1\\2|3\n4","event_name":"tool|call\\x\ny","severity_number":9,"time_unix_nano":"1795341600123456789"}"#;

    #[test]
    fn cef_has_its_escapes() {
        assert_eq!(
            written(r#"{"format": "cef"}"#, EVENT),
            concat!(
                r"CEF:0|telseal|telseal|V|tool\|call\\x y|tool\|call\\x y|8|rt=1795341600123 ",
                r"cs2=a\=b\\c|d\ne\tf cs2Label=command_line cs3=high cs3Label=risk.level suser=u@x msg=b\=1\\2|3\n4"
            )
        );
        assert_eq!(written(r#"{"format": "cef"}"#, "{}"), "CEF:0|telseal|telseal|V|record|record|0|");
    }

    #[test]
    fn leef_has_its_escapes() {
        assert_eq!(
            written(r#"{"format": "leef"}"#, EVENT),
            "LEEF:2.0|telseal|telseal|V|tool_call\\x_y|x09|devTime=1795341600123\tsev=8\tcommandLine=a=b\\c|d\\ne\\tf\triskLevel=high\tusrName=u@x\tmsg=b=1\\2|3\\n4"
        );
    }

    #[test]
    fn a_sealed_record_says_where_it_stands_in_its_ledger() {
        let id = "76652f01-fc4a-8a26-a42e-6b4cc965bbe6";
        assert!(written(r#"{"format": "cef"}"#, LINE).contains(&format!(" externalId={id}/11 ")));
        assert!(written(r#"{"format": "leef"}"#, LINE).contains(&format!("\tsealStream={id}\tsealNumber=11\t")));
    }

    #[test]
    fn the_configuration_adds_replaces_and_takes_out_keys() {
        let config = r#"{"format": "cef", "vendor": "A|B", "product": "P", "mapping": {
            "suser": ["user.name", "user.email"], "cs3": [], "cn1": ["resource.port"], "deviceZone": ["scope.name"]}}"#;
        let line = r#"{"attributes":{"risk.level":"high","user.email":"e","user.name":"n"},"resource":{"attributes":{"port":7}},"scope":{"name":"z"}}"#;
        assert_eq!(
            written(config, line),
            r"CEF:0|A\|B|P|V|record|record|8|cn1=7 cn1Label=resource.port deviceZone=z suser=n"
        );
    }
}
