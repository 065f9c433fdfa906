//! OCSF 1.9 events with the `record_integrity` profile: what a SIEM that speaks OCSF takes without a parser.
//!
//! A record that says which command ran is a Process Activity (1007), everything else an API Activity (6003). What OCSF has
//! no place for stands in `unmapped`; the canonical line is `raw_data`, so that nothing is lost. `attestation.fingerprint`
//! is the leaf of the record's entry, which commits to `raw_data` with the salt in `unmapped`; OCSF hashes its own form of
//! an event, so the algorithm is given as "other" and named.

use super::format::{Exported, Format};
use crate::cli::failed::Result;
use crate::cli::record::{Record, plain};
use crate::ledger::entry::Entry;
use crate::stdx::json::{write_base64, write_hex, write_str, write_u64};

const VERSION: &str = "1.9.0";
const FINGERPRINT: &str = "telseal leaf: SHA-256(0x00 || entry)";

/// Attributes that hold a command as it was run.
const COMMANDS: [&str; 5] = ["process.command_line", "full_command", "bash_command", "shell.command", "command_line"];
const SESSIONS: [&str; 3] = ["session.id", "gen_ai.conversation.id", "conversation.id"];
const TOOLS: [&str; 4] = ["gen_ai.tool.name", "tool_name", "tool.name", "function_name"];

pub(super) struct Ocsf {
    origin: String,
}

impl Ocsf {
    pub(super) fn new(origin: &str) -> Self {
        Self { origin: origin.to_owned() }
    }
}

impl Format for Ocsf {
    fn record(&mut self, exported: &Exported<'_>, out: &mut Vec<u8>) -> Result<()> {
        let (entry, record) = (exported.entry, exported.record);
        let command = record.first_of(&COMMANDS);
        let mut event = Object::open(out);
        actor(event.name("actor"), record);
        let name = record.name().unwrap_or_else(|| "record".to_owned());
        class(&mut event, command.is_some(), &name);
        if command.is_none() {
            api(event.name("api"), record, &name);
        }
        attestation(event.name("attestation"), exported, &self.origin);
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
        metadata(event.name("metadata"), entry, &self.origin);
        let canonical = [exported.sealed.open_body, b"}"].concat();
        event.text("raw_data", &String::from_utf8_lossy(&canonical));
        let (id, caption) = severity(record);
        event.text("severity", caption);
        event.number("severity_id", id);
        event.number("time", record.time_ns().unwrap_or(entry.sealed_at_ns) / 1_000_000);
        unmapped(event.name("unmapped"), exported);
        event.close();
        out.push(b'\n');
        Ok(())
    }
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

fn metadata(out: &mut Vec<u8>, entry: &Entry, origin: &str) {
    let mut metadata = Object::open(out);
    metadata.text("log_name", origin);
    metadata.number("logged_time", entry.sealed_at_ns / 1_000_000);
    let product = [
        ("name", Some("telseal".to_owned())),
        ("vendor_name", Some("telseal".to_owned())),
        ("version", Some(env!("CARGO_PKG_VERSION").to_owned())),
    ];
    metadata.object_of("product", &product);
    metadata.name("profiles").extend_from_slice(b"[\"record_integrity\"]");
    metadata.number("sequence", entry.seq);
    metadata.text("uid", &format!("{}/{}", entry.stream, entry.seq));
    metadata.text("version", VERSION);
    metadata.close();
}

fn attestation(out: &mut Vec<u8>, exported: &Exported<'_>, origin: &str) {
    let entry = exported.entry;
    let mut attestation = Object::open(out);
    attestation.text("authority_uid", origin);
    attestation.text("chain_uid", &entry.stream.to_string());
    fingerprint(attestation.name("fingerprint"), exported.leaf);
    if let Some(before) = entry.seq.checked_sub(1) {
        let mut previous = Object::open(attestation.name("prev_event"));
        fingerprint(previous.name("fingerprint"), &entry.prev_leaf);
        previous.text("uid", &format!("{}/{before}", entry.stream));
        previous.close();
    }
    attestation.text("uid", &entry.seq.to_string());
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
fn unmapped(out: &mut Vec<u8>, exported: &Exported<'_>) {
    let mut unmapped = Object::open(out);
    let mut attributes = Object::open(unmapped.name("attributes"));
    for (name, value) in exported.record.attributes() {
        attributes.name(name).extend_from_slice(value.as_bytes());
    }
    attributes.close();
    for (name, bytes) in
        [("audit.seal.entry", exported.sealed.entry.as_slice()), ("audit.seal.salt", &exported.sealed.salt)]
    {
        let value = unmapped.name(name);
        value.push(b'"');
        write_base64(value, bytes);
        value.push(b'"');
    }
    unmapped.close();
}

/// The worse of what the record and `risk_tag` say.
fn severity(record: &Record<'_>) -> (u64, &'static str) {
    let number = record.member("severity_number").and_then(|number| number.parse().ok()).unwrap_or(0_u64);
    let by_number = match number {
        0 => 0,
        1..=12 => 1,
        13..=16 => 3,
        17..=20 => 4,
        _ => 6,
    };
    let by_risk = match record.first_of(&["risk.level"]).as_deref() {
        Some("info") => 1,
        Some("low") => 2,
        Some("medium") => 3,
        Some("high") => 4,
        Some("critical") => 5,
        _ => 0,
    };
    let id: u64 = by_number.max(by_risk);
    let captions = ["Unknown", "Informational", "Low", "Medium", "High", "Critical", "Fatal"];
    (id, usize::try_from(id).ok().and_then(|id| captions.get(id)).copied().unwrap_or("Unknown"))
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
