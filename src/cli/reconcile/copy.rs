//! Finds sealed records in what other programs made of them.
//!
//! A line of a copy may be a sealed line; an object around one; an object with one as a string; or OTLP/JSON with the seals
//! as attributes. Each find is graded by itself, from the entry and the salt that it carries.

use std::ops::Range;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::ledger::entry::{ENTRY_BYTES, Entry};
use crate::ledger::field_digest;
use crate::ledger::walk::{is_committed, is_disclosed, leaf, parse_sealed};
use crate::otlp::line::{self, LineWriter, canonical, write_request};
use crate::otlp::record::{Record, plain};
use crate::otlp::{Signal, json, schema};
use crate::stdx::json::{Reader, Value};

/// How many wrappers there may be around a sealed line.
const WRAPPERS_MAX: usize = 12;
/// Deeper than a record nests.
const DEPTH_MAX: usize = 320;

/// How exactly a copy is what was sealed. The best comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Grade {
    /// A: byte for byte.
    Exact,
    /// B: the same record in other words.
    Same,
    /// C: it is there; whether it is unchanged cannot be checked.
    Presence,
    /// It carries a seal that it does not fit.
    Altered,
}

/// A record in a copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Copied {
    pub(super) seq: u64,
    /// The first half of the leaf of the entry it carries; enough to tell entries apart.
    pub(super) leaf: Option<[u8; 16]>,
    pub(super) grade: Grade,
}

/// A find: the ledger it names, and the record.
pub(super) struct Found {
    pub(super) stream: String,
    pub(super) copied: Copied,
}

/// Finds every sealed record in a line of a copy.
pub(super) fn read(line: &[u8], found: &mut Vec<Found>) {
    text(line, 0, found);
}

/// The number and the reason of a dead letter of this ledger.
pub(super) fn refused(line: &[u8], stream: &str) -> Option<(u64, String)> {
    let letter = Record::parse(line).ok()?;
    let mut found = Vec::new();
    text(letter.member("line")?.as_bytes(), 0, &mut found);
    let found = found.pop().filter(|found| found.stream == stream)?;
    let member = |name: &str| letter.member(name).map(plain).unwrap_or_default();
    Some((found.copied.seq, format!("{}: {}", member("exporter"), member("reason"))))
}

/// What may be a sealed line as it was.
fn text(line: &[u8], depth: usize, found: &mut Vec<Found>) {
    if let Some(sealed) = parse_sealed(line).filter(|sealed| sealed.is_genuine())
        && let Some(entry) = Entry::decode(&sealed.entry)
    {
        found.push(of_entry(&entry, &sealed.entry, Grade::Exact));
    } else if let Ok(text) = std::str::from_utf8(line) {
        value(text, depth, found);
    }
}

/// Looks for records in any JSON value.
fn value(raw: &str, depth: usize, found: &mut Vec<Found>) {
    if depth > WRAPPERS_MAX {
        return;
    }
    let mut reader = Reader::over(raw);
    match reader.value() {
        Ok(Value::Object) => object(raw, depth, found),
        Ok(Value::Array) => {
            while let Ok(true) = reader.next_element() {
                let Ok(place) = reader.skip_value(DEPTH_MAX) else { return };
                value(reader.slice(place), depth + 1, found);
            }
        }
        Ok(Value::Str(inner)) if inner.raw().contains(line::SEAL) && inner.raw().starts_with('{') => {
            text(inner.read(&mut String::new()).as_bytes(), depth + 1, found);
        }
        _ => {}
    }
}

fn object(raw: &str, depth: usize, found: &mut Vec<Found>) {
    let Ok(record) = Record::parse(raw.as_bytes()) else { return };
    if let Some(seal) = record.member(line::SEAL).filter(|seal| seal.starts_with('{')) {
        found.extend(with_seal(raw, seal));
        return;
    }
    for (name, signal) in [("resourceLogs", Signal::Logs), ("resourceSpans", Signal::Traces)] {
        if record.member(name).is_some() {
            otlp(raw, signal, found);
            return;
        }
    }
    let flat = |name: &str| record.member(name).or_else(|| record.attribute(name)).map(plain);
    if let (Some(stream), Some(seq)) = (flat(line::STREAM_ID), flat(line::NUMBER).and_then(|seq| seq.parse().ok())) {
        found.push(Found { stream, copied: Copied { seq, leaf: None, grade: Grade::Presence } });
        return;
    }
    for (_, inner) in record.members() {
        if inner.starts_with(['{', '[', '"']) {
            value(inner, depth + 1, found);
        }
    }
}

/// A record with its seal as a member, in other words than it was sealed in.
fn with_seal(raw: &str, seal: &str) -> Option<Found> {
    let seal = Record::parse(seal.as_bytes()).ok()?;
    let stream = plain(seal.member("stream")?);
    let seq = seal.member("n")?.parse().ok()?;
    let is_body = |path: &[String], name: &str| !(path.is_empty() && name == line::SEAL);
    // Stores add members of their own (`_time`, `@timestamp`, `host`) beside those of the record.
    let is_ours = |path: &[String], name: &str| !path.is_empty() || is_member(name);
    let disclosures = seal.member("disclosures").map(|list| canonical(list.as_bytes(), &|_, _| true));
    let disclosures = disclosures.transpose().ok()?.unwrap_or_default();
    let bodies = || {
        let read = [canonical(raw.as_bytes(), &is_body), canonical(raw.as_bytes(), &is_ours)];
        read.into_iter().flatten().filter(|body| is_disclosed(body, &disclosures))
    };
    Some(graded(stream, seq, bytes(seal.member("entry")), bytes(seal.member("salt")), bodies))
}

/// True for the names that the members of a canonical line can have.
fn is_member(name: &str) -> bool {
    let known = [Signal::Logs, Signal::Traces].into_iter().flat_map(|signal| schema::record(signal).fields);
    ["resource", "scope", "signal", "request", "$unknown"].contains(&name) || known.into_iter().any(|f| f.name == name)
}

/// Records with their seals among the attributes.
fn otlp(raw: &str, signal: Signal, found: &mut Vec<Found>) {
    let Ok(request) = json::to_protobuf(signal, raw.as_bytes()) else { return };
    // What was read up to a record that is broken counts; the broken one is missing.
    let _ = write_request(&mut LineWriter::default(), signal, &request, &mut |line, _| {
        found.extend(with_attributes(line));
    });
}

fn with_attributes(line: &[u8]) -> Option<Found> {
    let record = Record::parse(line).ok()?;
    let attribute = |name: &str| record.attribute(name);
    let (stream, seq) = (plain(attribute(line::STREAM_ID)?), plain(attribute(line::NUMBER)?).parse().ok()?);
    let seals = [line::STREAM_ID, line::NUMBER, line::ENTRY, line::SALT, line::DISCLOSED];
    let is_body = |path: &[String], name: &str| !(path == ["attributes"] && seals.contains(&name));
    let disclosed = attribute(line::DISCLOSED).map(plain);
    let promised = |body: Vec<u8>| disclosed.as_ref().map_or(Some(body.clone()), |list| promise_again(body, list));
    let bodies = || canonical(line, &is_body).into_iter().filter_map(promised);
    Some(graded(stream, seq, bytes(attribute(line::ENTRY)), bytes(attribute(line::SALT)), bodies))
}

/// Puts the promises back in the place of the values that were disclosed: `disclosed` lists salt and name of each.
fn promise_again(mut body: Vec<u8>, disclosed: &str) -> Option<Vec<u8>> {
    let mut reader = Reader::new(disclosed.as_bytes()).ok()?;
    (reader.value().ok()? == Value::Array).then_some(())?;
    while reader.next_element().ok()? {
        (reader.value().ok()? == Value::Array && reader.next_element().ok()?).then_some(())?;
        let salt = bytes::<16>(Some(next_value(&mut reader)?))?;
        reader.next_element().ok()?.then_some(())?;
        let name = next_value(&mut reader)?;
        (!reader.next_element().ok()?).then_some(())?;
        let place = value_place(&body, &plain(name))?;
        let member = [name.as_bytes(), b":", &body[place.clone()]].concat();
        let promise = format!("{{\"$sd\":\"{}\"}}", STANDARD.encode(field_digest(&salt, &member)));
        body.splice(place, promise.into_bytes());
    }
    Some(body)
}

fn next_value<'a>(reader: &mut Reader<'a>) -> Option<&'a str> {
    let place = reader.skip_value(DEPTH_MAX).ok()?;
    Some(reader.slice(place))
}

/// Where the value of an attribute stands in a canonical line: of the record, or of its resource.
fn value_place(body: &[u8], name: &str) -> Option<Range<usize>> {
    let record = Record::parse(body).ok()?;
    // In a line a key that starts with `$` has one `$` more, which `Record` takes away.
    let name = if name.starts_with("$$") { &name[1..] } else { name };
    let value = record.attribute(name).or_else(|| record.resource(name))?;
    let start = value.as_ptr().addr().checked_sub(body.as_ptr().addr())?;
    Some(start..start + value.len())
}

/// Grades a copy whose words are not those that were sealed.
fn graded<B: Iterator<Item = Vec<u8>>>(
    stream: String,
    seq: u64,
    entry: Option<[u8; ENTRY_BYTES]>,
    salt: Option<[u8; 16]>,
    bodies: impl Fn() -> B,
) -> Found {
    let decoded = entry.as_ref().and_then(|bytes| Some((bytes, Entry::decode(bytes)?)));
    let Some((bytes, entry)) = decoded else {
        return Found { stream, copied: Copied { seq, leaf: None, grade: Grade::Presence } };
    };
    let is_own = entry.seq == seq && entry.stream.to_string() == stream;
    let grade = match salt {
        _ if !is_own => Grade::Altered,
        None => Grade::Presence,
        Some(salt) if bodies().any(|body| is_committed(&entry, &salt, &body)) => Grade::Same,
        Some(_) => Grade::Altered,
    };
    Found { stream, ..of_entry(&Entry { seq, ..entry }, bytes, grade) }
}

fn of_entry(entry: &Entry, bytes: &[u8; ENTRY_BYTES], grade: Grade) -> Found {
    Found {
        stream: entry.stream.to_string(),
        copied: Copied { seq: entry.seq, leaf: Some(short(&leaf(bytes))), grade },
    }
}

/// The first half of a leaf.
pub(super) fn short(leaf: &[u8; 32]) -> [u8; 16] {
    let mut short = [0; 16];
    short.copy_from_slice(&leaf[..16]);
    short
}

/// Bytes in a JSON value: base64 as a string, or as CR/1 wraps it.
fn bytes<const N: usize>(raw: Option<&str>) -> Option<[u8; N]> {
    let raw = raw?;
    let inner = raw.strip_prefix("{\"$bytes\":").and_then(|inner| inner.strip_suffix('}')).unwrap_or(raw);
    STANDARD.decode(plain(inner)).ok()?.try_into().ok()
}
