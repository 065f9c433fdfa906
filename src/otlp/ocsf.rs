//! OCSF 1.9 events with the `record_integrity` profile: what a SIEM that speaks OCSF takes without a parser.
//!
//! A record that says which command ran is a Process Activity (1007), everything else an API Activity (6003). What OCSF has
//! no place for stands in `unmapped`; the canonical line is `raw_data`, so that nothing is lost. `attestation.fingerprint`
//! is the leaf of the record's entry, which commits to `raw_data` with the salt in `unmapped`; OCSF hashes its own form of
//! an event, so the algorithm is given as "other" and named.

use crate::otlp::record::{Record, plain};
use crate::stdx::json::{write_base64, write_hex, write_str, write_u64};

const VERSION: &str = "1.9.0";
const FINGERPRINT: &str = "telseal leaf: SHA-256(0x00 || entry)";

/// Attributes that hold a command as it was run.
const COMMANDS: [&str; 5] = ["process.command_line", "full_command", "bash_command", "shell.command", "command_line"];
const SESSIONS: [&str; 3] = ["session.id", "gen_ai.conversation.id", "conversation.id"];
const TOOLS: [&str; 4] = ["gen_ai.tool.name", "tool_name", "tool.name", "function_name"];

/// A record on its way to OCSF.
#[derive(Debug, Clone, Copy)]
pub struct Event<'a> {
    /// The record, with the values of its erasable fields where they are at hand.
    pub record: &'a Record<'a>,
    /// Its canonical line, as it was sealed where it was.
    pub canonical: &'a str,
    /// What proves it.
    pub seal: Option<&'a Seal<'a>>,
}

/// The seal of a record, as far as OCSF has places for it.
#[derive(Debug, Clone, Copy)]
pub struct Seal<'a> {
    /// The ledger's origin, where it is known.
    pub origin: Option<&'a str>,
    /// The ledger.
    pub stream: &'a str,
    /// The place in it.
    pub seq: u64,
    /// In nanoseconds since 1970.
    pub sealed_at_ns: u64,
    /// The leaf of the entry.
    pub leaf: [u8; 32],
    /// The leaf of the entry before.
    pub prev_leaf: [u8; 32],
    /// The entry.
    pub entry: &'a [u8],
    /// The salt of its commitment.
    pub salt: &'a [u8],
}

/// Appends the event, without an end of line.
pub fn write_event(out: &mut Vec<u8>, of: &Event<'_>) {
    let Event { record, canonical, seal } = *of;
    let command = record.first_of(&COMMANDS);
    let mut event = Object::open(out);
    actor(event.name("actor"), record);
    let name = record.name().unwrap_or_else(|| "record".to_owned());
    class(&mut event, command.is_some(), &name);
    if command.is_none() {
        api(event.name("api"), record, &name);
    }
    if let Some(seal) = seal {
        attestation(event.name("attestation"), seal);
    }
    if let Some(command) = &command {
        device(event.name("device"), record);
        let mut process = Object::open(event.name("process"));
        process.text("cmd_line", command);
        process.number_of("pid", record.first_of(&["process.pid"]));
        process.close();
    } else {
        endpoint(event.name("src_endpoint"), record);
    }
    if let Some(body) = record.member("body").filter(|body| *body != "null") {
        event.text("message", &plain(body));
    }
    metadata(event.name("metadata"), seal);
    event.text("raw_data", canonical);
    let severity = severity(record);
    event.text("severity", severity.caption());
    event.number("severity_id", severity as u64);
    let time = record.time_ns().or(seal.map(|seal| seal.sealed_at_ns)).unwrap_or(0);
    event.number("time", time / 1_000_000);
    unmapped(event.name("unmapped"), record, seal);
    event.close();
}

/// Category, class, type and activity.
fn class(event: &mut Object<'_>, is_process: bool, name: &str) {
    let (category, category_name, class, class_name, activity, activity_name) = match is_process {
        true => (1, "System Activity", 1007, "Process Activity", 1, "Launch"),
        false => (6, "Application Activity", 6003, "API Activity", 99, name),
    };
    event.number("activity_id", activity);
    event.text("activity_name", activity_name);
    event.text("category_name", category_name);
    event.number("category_uid", category);
    event.text("class_name", class_name);
    event.number("class_uid", class);
    event.number("type_uid", class * 100 + activity);
}

/// Who did it: the user, the session, the application that says so.
fn actor(out: &mut Vec<u8>, record: &Record<'_>) {
    let mut actor = Object::open(out);
    actor.text_of("app_name", record.first_of(&["service.name"]));
    actor.object_of("session", &[("uid", record.first_of(&SESSIONS))]);
    actor.object_of(
        "user",
        &[
            ("email_addr", record.first_of(&["user.email"])),
            ("name", record.first_of(&["user.name"])),
            ("uid", record.first_of(&["user.id", "enduser.id", "audit.actor.id", "user.account_uuid"])),
        ],
    );
    actor.close();
}

fn api(out: &mut Vec<u8>, record: &Record<'_>, name: &str) {
    let mut api = Object::open(out);
    api.text("operation", &record.first_of(&TOOLS).unwrap_or_else(|| name.to_owned()));
    let service = [("name", record.first_of(&["service.name"])), ("version", record.first_of(&["service.version"]))];
    api.object_of("service", &service);
    api.close();
}

fn device(out: &mut Vec<u8>, record: &Record<'_>) {
    let mut device = Object::open(out);
    device.text("hostname", &record.first_of(&["host.name"]).unwrap_or_else(|| "unknown".to_owned()));
    device.number("type_id", 0);
    device.text_of("uid", record.first_of(&["host.id"]));
    device.close();
}

fn endpoint(out: &mut Vec<u8>, record: &Record<'_>) {
    let mut endpoint = Object::open(out);
    let hostname = record.first_of(&["host.name", "service.instance.id", "service.name"]);
    endpoint.text("hostname", &hostname.unwrap_or_else(|| "unknown".to_owned()));
    endpoint.text_of("ip", record.first_of(&["client.address", "source.address", "net.peer.ip"]));
    endpoint.close();
}

fn metadata(out: &mut Vec<u8>, seal: Option<&Seal<'_>>) {
    let mut metadata = Object::open(out);
    metadata.text_of("log_name", seal.and_then(|seal| seal.origin).map(str::to_owned));
    if let Some(seal) = seal {
        metadata.number("logged_time", seal.sealed_at_ns / 1_000_000);
    }
    let product = [
        ("name", Some("telseal".to_owned())),
        ("vendor_name", Some("telseal".to_owned())),
        ("version", Some(env!("CARGO_PKG_VERSION").to_owned())),
    ];
    metadata.object_of("product", &product);
    if let Some(seal) = seal {
        metadata.name("profiles").extend_from_slice(b"[\"record_integrity\"]");
        metadata.number("sequence", seal.seq);
        metadata.text("uid", &format!("{}/{}", seal.stream, seal.seq));
    }
    metadata.text("version", VERSION);
    metadata.close();
}

fn attestation(out: &mut Vec<u8>, seal: &Seal<'_>) {
    let mut attestation = Object::open(out);
    attestation.text_of("authority_uid", seal.origin.map(str::to_owned));
    attestation.text("chain_uid", seal.stream);
    fingerprint(attestation.name("fingerprint"), &seal.leaf);
    if let Some(before) = seal.seq.checked_sub(1) {
        let mut previous = Object::open(attestation.name("prev_event"));
        fingerprint(previous.name("fingerprint"), &seal.prev_leaf);
        previous.text("uid", &format!("{}/{before}", seal.stream));
        previous.close();
    }
    attestation.text("uid", &seal.seq.to_string());
    attestation.close();
}

fn fingerprint(out: &mut Vec<u8>, leaf: &[u8; 32]) {
    let mut fingerprint = Object::open(out);
    fingerprint.text("algorithm", FINGERPRINT);
    fingerprint.number("algorithm_id", 99);
    let value = fingerprint.name("value");
    value.push(b'"');
    write_hex(value, leaf);
    value.push(b'"');
    fingerprint.close();
}

/// All attributes, and what the fingerprint is checked with.
fn unmapped(out: &mut Vec<u8>, record: &Record<'_>, seal: Option<&Seal<'_>>) {
    let mut unmapped = Object::open(out);
    let mut attributes = Object::open(unmapped.name("attributes"));
    for (name, value) in record.attributes() {
        attributes.name(name).extend_from_slice(value.as_bytes());
    }
    attributes.close();
    for (name, bytes) in
        seal.into_iter().flat_map(|seal| [("audit.seal.entry", seal.entry), ("audit.seal.salt", seal.salt)])
    {
        let value = unmapped.name(name);
        value.push(b'"');
        write_base64(value, bytes);
        value.push(b'"');
    }
    unmapped.close();
}

/// How bad it is, in OCSF's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Nobody says.
    Unknown,
    /// Nothing to be done.
    Informational,
    /// A user decides.
    Low,
    /// Something is to be done.
    Medium,
    /// At once.
    High,
    /// At once, and it is large.
    Critical,
    /// Too late.
    Fatal,
}

impl Severity {
    /// The caption.
    #[must_use]
    pub const fn caption(self) -> &'static str {
        match self {
            Self::Unknown => "Unknown",
            Self::Informational => "Informational",
            Self::Low => "Low",
            Self::Medium => "Medium",
            Self::High => "High",
            Self::Critical => "Critical",
            Self::Fatal => "Fatal",
        }
    }
}

/// The worse of what the record and `risk_tag` say.
#[must_use]
pub fn severity(record: &Record<'_>) -> Severity {
    let number = record.member("severity_number").and_then(|number| number.parse().ok()).unwrap_or(0_u64);
    let by_number = match number {
        0 => Severity::Unknown,
        1..=12 => Severity::Informational,
        13..=16 => Severity::Medium,
        17..=20 => Severity::High,
        _ => Severity::Fatal,
    };
    let by_risk = match record.first_of(&["risk.level"]).as_deref() {
        Some("info") => Severity::Informational,
        Some("low") => Severity::Low,
        Some("medium") => Severity::Medium,
        Some("high") => Severity::High,
        Some("critical") => Severity::Critical,
        _ => Severity::Unknown,
    };
    by_number.max(by_risk)
}

/// A JSON object in the making.
struct Object<'o> {
    out: &'o mut Vec<u8>,
    is_empty: bool,
}

impl<'o> Object<'o> {
    fn open(out: &'o mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { out, is_empty: true }
    }

    /// Writes a name; the caller writes the value.
    fn name(&mut self, name: &str) -> &mut Vec<u8> {
        if !std::mem::take(&mut self.is_empty) {
            self.out.push(b',');
        }
        write_str(self.out, name);
        self.out.push(b':');
        self.out
    }

    fn text(&mut self, name: &str, value: &str) {
        write_str(self.name(name), value);
    }

    fn number(&mut self, name: &str, value: u64) {
        write_u64(self.name(name), value);
    }

    fn text_of(&mut self, name: &str, value: Option<String>) {
        if let Some(value) = value {
            self.text(name, &value);
        }
    }

    fn number_of(&mut self, name: &str, value: Option<String>) {
        if let Some(value) = value.and_then(|value| value.parse().ok()) {
            self.number(name, value);
        }
    }

    /// An object of texts, if there is any.
    fn object_of(&mut self, name: &str, members: &[(&str, Option<String>)]) {
        if members.iter().any(|(_, value)| value.is_some()) {
            let mut object = Object::open(self.name(name));
            for (name, value) in members {
                object.text_of(name, value.clone());
            }
            object.close();
        }
    }

    fn close(self) {
        self.out.push(b'}');
    }
}
