//! Settings of a `syslog` exporter, in the Collector's words where it has them.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::siem;
use super::structured::is_id;
use crate::exporter::outbound::Endpoints;
use crate::http::client::Tls;
use crate::otlp::Signal;
use crate::stdx::bytesize::ByteSize;
use crate::stdx::duration::Span;
use crate::stdx::problem::{At, Problems};

/// What IPv4 carries in one datagram.
const DATAGRAM_BYTES_MAX: u64 = 65_507;
/// Below this no receiver may cut (RFC 5424, 6.1), and little of a record would be left.
const MESSAGE_BYTES_MIN: u64 = 480;
/// How many endpoints may stand in for each other.
const ENDPOINTS_MAX: usize = 16;

/// Settings of a `syslog` exporter.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// `host` or `host:port`, or a list of them of which the first that works is used.
    pub endpoint: Endpoints,
    /// The port of endpoints that name none. Default: 6514 with TLS, else 514.
    pub port: Option<u16>,
    /// `tcp` or `udp`. Default: `tcp`.
    pub network: Network,
    /// `rfc5424`, there is no other. Default: `rfc5424`.
    pub protocol: Protocol,
    /// TCP: each message begins with its length (RFC 6587, 3.4.1). `false`: it ends with a line feed. Default: `true`.
    pub enable_octet_counting: bool,
    /// TLS, which is spoken over TCP unless `insecure: true`.
    pub tls: Tls,
    /// When a payload over TCP counts as delivered. Default: `close`.
    pub confirm: Confirm,
    /// How long one payload may take, connection included. Default: `30s`.
    pub timeout: Span,
    /// The facility of all messages, by its name in rsyslog. Default: `local4`.
    pub facility: Facility,
    /// Attributes of the record or its resource, or fields of the record, of which the first that is there becomes
    /// HOSTNAME. Default: `host.name`.
    pub hostname_from: Vec<String>,
    /// The same for APP-NAME. Default: `service.name`.
    pub app_name_from: Vec<String>,
    /// The same for PROCID. Default: `process.pid`.
    pub proc_id_from: Vec<String>,
    /// The same for MSGID. Default: `event_name`, `event.name`, and of spans `name`.
    pub msg_id_from: Vec<String>,
    /// What stands in MSG. Default: `plain`.
    pub format: Format,
    /// Keys of CEF or LEEF, each with the attributes or fields of which the first that is there gives the value. Stand beside, and in
    /// front of, the default table. An empty list takes a key out.
    pub mapping: BTreeMap<String, Vec<String>>,
    /// The vendor in the header of CEF and LEEF. Default: `telseal`.
    pub vendor: String,
    /// The product in the header of CEF and LEEF. Default: `telseal`.
    pub product: String,
    /// STRUCTURED-DATA.
    pub structured_data: StructuredData,
    /// `plain`: MSG that is not ASCII begins with the mark that RFC 5424 wants before UTF-8. Default: `true`.
    pub utf8_bom: bool,
    /// The longest message. Default: 2048 bytes over UDP, else 64 KiB.
    pub max_message_bytes: Option<ByteSize>,
    /// What is done with a longer one. Default: `cut` over UDP, else `reject`.
    pub too_long: Option<TooLong>,
}

/// What carries messages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Network {
    /// TCP, with or without TLS.
    #[default]
    Tcp,
    /// UDP: what is lost, nobody notices.
    Udp,
}

/// Which syslog.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// RFC 5424.
    #[default]
    Rfc5424,
}

/// When a payload counts as delivered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Confirm {
    /// When the receiver has read it to its end and closed the connection.
    #[default]
    Close,
    /// When it is written to a connection, which stays open. What is on the way when the receiver dies is lost.
    Write,
}

/// What is done with a message that is too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TooLong {
    /// Structured data is left out, then the end of MSG, and that is counted.
    Cut,
    /// The record goes to the dead letters.
    Reject,
}

/// What stands in MSG.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// The body as text.
    #[default]
    Plain,
    /// The canonical line; the sealed line where the pipeline seals.
    Json,
    /// ArcSight's Common Event Format.
    Cef,
    /// QRadar's Log Event Extended Format 2.0.
    Leef,
    /// An OCSF event.
    Ocsf,
}

/// Settings of STRUCTURED-DATA.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StructuredData {
    /// Whether there is any. Default: `true`, with `json` and `ocsf` `false`, since all is in MSG there.
    pub enabled: Option<bool>,
    /// The name of the elements: `name@number`, where the number is your organisation's private enterprise number. Default: `otel@32473`, the
    /// number that is set aside for examples.
    pub id: String,
}

impl Default for StructuredData {
    fn default() -> Self {
        Self { enabled: None, id: "otel@32473".to_owned() }
    }
}

/// A facility, by its name in rsyslog. The number is the protocol's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names are all there is to say")]
pub enum Facility {
    Kern,
    User,
    Mail,
    Daemon,
    Auth,
    Syslog,
    Lpr,
    News,
    Uucp,
    Cron,
    Authpriv,
    Ftp,
    Ntp,
    Audit,
    Alert,
    Clock,
    Local0,
    Local1,
    Local2,
    Local3,
    #[default]
    Local4,
    Local5,
    Local6,
    Local7,
}

impl Default for Config {
    fn default() -> Self {
        let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        Self {
            endpoint: Endpoints::default(),
            port: None,
            network: Network::default(),
            protocol: Protocol::default(),
            enable_octet_counting: true,
            tls: Tls::default(),
            confirm: Confirm::default(),
            timeout: Span::secs(30),
            facility: Facility::default(),
            hostname_from: names(&["host.name"]),
            app_name_from: names(&["service.name"]),
            proc_id_from: names(&["process.pid"]),
            msg_id_from: names(&["event_name", "event.name", "name"]),
            format: Format::default(),
            mapping: BTreeMap::new(),
            vendor: "telseal".to_owned(),
            product: "telseal".to_owned(),
            structured_data: StructuredData::default(),
            utf8_bom: true,
            max_message_bytes: None,
            too_long: None,
        }
    }
}

impl Config {
    /// Why a pipeline of this signal cannot go to syslog.
    #[must_use]
    pub fn refuses(signal: Signal) -> Option<&'static str> {
        (signal == Signal::Metrics)
            .then_some("syslog carries events: send metrics to Prometheus or an `otlp_http` backend")
    }

    /// Notes everything that is wrong with these settings.
    pub fn check(&self, at: &At, problems: &mut Problems) {
        self.check_endpoints(at, problems);
        self.tls.check(self.is_encrypted(), &at.key("tls"), problems);
        if self.timeout == Span::default() {
            problems.add(&at.key("timeout"), "must be more than 0");
        }
        if self.network == Network::Udp {
            self.check_udp(at, problems);
        } else if self.is_encrypted() && !self.enable_octet_counting {
            let hint = "RFC 5425 knows messages with their length only; leave it out";
            problems.add_hint(&at.key("enable_octet_counting"), "must be `true` with TLS", hint);
        }
        if self.max_message_bytes() < MESSAGE_BYTES_MIN {
            problems.add(&at.key("max_message_bytes"), format!("must be at least {MESSAGE_BYTES_MIN}"));
        }
        if !is_id(&self.structured_data.id) {
            let hint = "a name of up to 16 letters and digits, `@`, and a private enterprise number: `otel@32473`";
            problems.add_hint(&at.key("structured_data").key("id"), "is no name for structured data", hint);
        }
        self.check_mapping(at, problems);
    }

    fn check_endpoints(&self, at: &At, problems: &mut Problems) {
        let addresses = self.endpoint.addresses();
        if addresses.iter().all(|address| address.is_empty()) {
            problems.add_hint(at, "needs an `endpoint`", "for example `endpoint: siem.example.com`");
            return;
        }
        if addresses.len() > ENDPOINTS_MAX {
            let message = format!("has {} endpoints, {ENDPOINTS_MAX} are allowed", addresses.len());
            problems.add(&at.key("endpoint"), message);
        }
        for address in addresses {
            if host_and_port(address.reveal()).is_none() {
                let hint = "a host, and a port where it is not the usual one: `siem.example.com:6514`";
                problems.add_hint(&at.key("endpoint"), format!("`{address}` is no host"), hint);
            }
        }
    }

    fn check_udp(&self, at: &At, problems: &mut Problems) {
        if self.confirm != Confirm::default() {
            problems.add(&at.key("confirm"), "has no effect over UDP");
        }
        if !self.enable_octet_counting {
            problems.add(&at.key("enable_octet_counting"), "has no effect over UDP: a datagram is a message");
        }
        if self.max_message_bytes() > DATAGRAM_BYTES_MAX {
            let message = format!("must be at most {DATAGRAM_BYTES_MAX}: a datagram holds no more");
            problems.add(&at.key("max_message_bytes"), message);
        }
    }

    fn check_mapping(&self, at: &At, problems: &mut Problems) {
        let at = at.key("mapping");
        if !matches!(self.format, Format::Cef | Format::Leef) && !self.mapping.is_empty() {
            problems.add(&at, "has no effect: it is for `format: cef` and `format: leef`");
        }
        for key in self.mapping.keys().filter(|key| !siem::is_key(key)) {
            problems.add_hint(&at.key(key), "is no key of an event", "letters, digits and `_`");
        }
    }

    /// Whether TLS is spoken.
    pub(super) fn is_encrypted(&self) -> bool {
        self.network == Network::Tcp && !self.tls.insecure
    }

    /// Hosts and ports.
    pub(super) fn endpoints(&self) -> Vec<(String, u16)> {
        let port = self.port.unwrap_or(if self.is_encrypted() { 6514 } else { 514 });
        let parsed = self.endpoint.addresses().iter().filter_map(|address| host_and_port(address.reveal()));
        parsed.map(|(host, own)| (host.to_owned(), own.unwrap_or(port))).collect()
    }

    /// The longest message.
    pub(super) fn max_message_bytes(&self) -> u64 {
        let default = if self.network == Network::Udp { 2048 } else { 64 << 10 };
        self.max_message_bytes.map_or(default, |bytes| bytes.0)
    }

    /// Whether a longer one is cut.
    pub(super) fn cuts(&self) -> bool {
        let default = if self.network == Network::Udp { TooLong::Cut } else { TooLong::Reject };
        self.too_long.unwrap_or(default) == TooLong::Cut
    }

    /// Whether there is structured data.
    pub(super) fn has_structured_data(&self) -> bool {
        self.structured_data.enabled.unwrap_or(!matches!(self.format, Format::Json | Format::Ocsf))
    }
}

/// `host`, `host:port`, `[::1]:port`, `::1`.
fn host_and_port(text: &str) -> Option<(&str, Option<u16>)> {
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, "")) => (host, None),
        Some((host, rest)) => (host, Some(rest.strip_prefix(':')?)),
        None if text.matches(':').count() > 1 => (text, None),
        None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
    };
    let allowed = |c: char| c.is_ascii_alphanumeric() || ".-_:%".contains(c);
    let port = port.map(|port| port.parse().ok().filter(|port| *port > 0).ok_or(())).transpose().ok()?;
    (!host.is_empty() && host.chars().all(allowed)).then_some((host, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems_of(json: &str) -> String {
        let config: Config = serde_json::from_str(json).unwrap();
        let mut problems = Problems::default();
        config.check(&At::new("x"), &mut problems);
        problems.0.iter().map(|problem| problem.path.as_str()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn what_is_wrong_is_found_with_its_place() {
        for (json, wanted) in [
            (r#"{"endpoint": "siem.example.com"}"#, ""),
            (r#"{"endpoint": ["siem-a:6514", "[::1]:6514", "::1"], "facility": "audit"}"#, ""),
            (r#"{"endpoint": "a", "network": "udp", "format": "cef", "mapping": {"cs1": ["x"]}}"#, ""),
            ("{}", "x"),
            (r#"{"endpoint": "tcp://a:1"}"#, "x.endpoint"),
            (r#"{"endpoint": "a:0"}"#, "x.endpoint"),
            (r#"{"endpoint": "a", "timeout": "0s"}"#, "x.timeout"),
            (r#"{"endpoint": "a", "network": "udp", "tls": {"ca_file": "x"}}"#, "x.tls.ca_file"),
            (
                r#"{"endpoint": "a", "network": "udp", "confirm": "write", "enable_octet_counting": false, "max_message_bytes": "64KiB"}"#,
                "x.confirm x.enable_octet_counting x.max_message_bytes",
            ),
            (r#"{"endpoint": "a", "enable_octet_counting": false}"#, "x.enable_octet_counting"),
            (r#"{"endpoint": "a", "enable_octet_counting": false, "tls": {"insecure": true}}"#, ""),
            (r#"{"endpoint": "a", "max_message_bytes": "100B"}"#, "x.max_message_bytes"),
            (r#"{"endpoint": "a", "structured_data": {"id": "otel"}}"#, "x.structured_data.id"),
            (r#"{"endpoint": "a", "mapping": {"cs1": ["x"]}}"#, "x.mapping"),
            (r#"{"endpoint": "a", "format": "leef", "mapping": {"a=b": ["x"]}}"#, "x.mapping.a=b"),
        ] {
            assert_eq!(problems_of(json), wanted, "{json}");
        }
    }

    #[test]
    fn ports_are_the_protocols_unless_told_otherwise() {
        let endpoints = |json: &str| serde_json::from_str::<Config>(json).unwrap().endpoints();
        for (json, wanted) in [
            (r#"{"endpoint": "a"}"#, ("a", 6514)),
            (r#"{"endpoint": "a", "tls": {"insecure": true}}"#, ("a", 514)),
            (r#"{"endpoint": "a", "network": "udp"}"#, ("a", 514)),
            (r#"{"endpoint": "a", "port": 601}"#, ("a", 601)),
            (r#"{"endpoint": "[::1]:7", "port": 601}"#, ("::1", 7)),
        ] {
            assert_eq!(endpoints(json), [(wanted.0.to_owned(), wanted.1)], "{json}");
        }
    }
}
