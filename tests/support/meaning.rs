//! What OTLP bytes mean, decoded a second time and without thought for speed: two requests mean the same when the
//! texts made here are equal. Fields are those of the schema's table; the rules are protobuf's and those of the document.

use std::collections::BTreeMap;

use telseal::otlp::Signal;
use telseal::otlp::schema::{self, Card, Field, Kind, MEMBERS, Message, OWNER};
use telseal::otlp::wire::{Cursor, WireValue};

#[derive(Debug, Clone, PartialEq)]
enum Meaning {
    Absent,
    Null,
    Text(Vec<u8>),
    Bytes(Vec<u8>),
    Bool(bool),
    Int(i64),
    Word(u64),
    Double(u64),
    List(Vec<Meaning>),
    Map(BTreeMap<Vec<u8>, Meaning>),
    Fields(BTreeMap<&'static str, Meaning>),
    /// With fields that the schema does not know.
    Also(Vec<u8>, Box<Meaning>),
}

use Meaning::{Absent, Also, Bool, Bytes, Double, Fields, Int, List, Map, Null, Text, Word};

fn also(unknown: Vec<u8>, meaning: Meaning) -> Meaning {
    if unknown.is_empty() { meaning } else { Also(unknown, Box::new(meaning)) }
}

/// Fields by number, in order.
type Numbered<'a> = Vec<(u32, WireValue<'a>)>;

/// Every field of the parts, in order, and the raw bytes of those that `known` does not know.
fn fields<'a>(parts: &[&'a [u8]], known: impl Fn(u32) -> bool) -> Option<(Numbered<'a>, Vec<u8>)> {
    let (mut found, mut unknown) = (vec![], vec![]);
    for part in parts {
        let mut cursor = Cursor::new(part);
        while let Some(field) = cursor.next_field().ok()? {
            if known(field.number) {
                found.push((field.number, field.value));
            } else {
                unknown.extend_from_slice(field.raw);
            }
        }
    }
    Some((found, unknown))
}

fn content(value: WireValue<'_>) -> Option<&[u8]> {
    if let WireValue::Bytes(bytes) = value { Some(bytes) } else { None }
}

/// The meaning of each record; of metrics, of the request.
pub(crate) fn records(signal: Signal, request: &[u8]) -> Option<Vec<String>> {
    if signal == Signal::Metrics {
        return Some(vec![format!("{:?}", message(&schema::METRICS_REQUEST, &[request])?)]);
    }
    let mut all = vec![];
    for (_, group) in fields(&[request], |number| number == 1)?.0 {
        let group = content(group)?;
        let resource = owner(&schema::RESOURCE, group)?;
        for (_, scope) in fields(&[group], |number| number == MEMBERS)?.0 {
            let inner = owner(&schema::SCOPE, content(scope)?)?;
            for (_, record) in fields(&[content(scope)?], |number| number == MEMBERS)?.0 {
                let record = message(schema::record(signal), &[content(record)?])?;
                all.push(format!("{signal:?} {resource:?} {inner:?} {record:?}"));
            }
        }
    }
    Some(all)
}

/// Resource or scope of a group: itself, the schema_url, and what is unknown around it.
fn owner(message_: &'static Message, group: &[u8]) -> Option<Meaning> {
    let (found, unknown) = fields(&[group], |number| number <= 3)?;
    let of = |wanted| {
        found
            .iter()
            .filter(move |(number, _)| *number == wanted)
            .map(|(_, value)| content(*value))
            .collect::<Option<Vec<_>>>()
    };
    let (parts, urls) = (of(OWNER)?, of(3)?);
    let owner = if parts.is_empty() { Absent } else { message(message_, &parts)? };
    let url = urls.last().copied().unwrap_or_default().to_vec();
    Some(also(unknown, List(vec![owner, Text(url)])))
}

fn message(message_: &'static Message, parts: &[&[u8]]) -> Option<Meaning> {
    let (found, unknown) = fields(parts, |number| message_.field(number).is_some())?;
    let mut of_field: BTreeMap<&'static str, Vec<WireValue<'_>>> = BTreeMap::new();
    for (number, value) in found {
        let field = message_.field(number)?;
        if field.is_alternative() {
            let rivals = message_.fields.iter().filter(|rival| rival.is_alternative() && rival.number != number);
            rivals.for_each(|rival| drop(of_field.remove(rival.name)));
        }
        of_field.entry(field.name).or_default().push(value);
    }
    let mut all = BTreeMap::new();
    for field in message_.fields {
        if let Some(values) = of_field.get(field.name)
            && let Some(meaning) = of(field, values)?
        {
            all.insert(field.name, meaning);
        }
    }
    Some(also(unknown, Fields(all)))
}

/// The meaning of a field that is there; `Some(None)` when it need not be.
fn of(field: &Field, values: &[WireValue<'_>]) -> Option<Option<Meaning>> {
    let contents = || values.iter().map(|value| content(*value)).collect::<Option<Vec<_>>>();
    let each = |one: fn(&'static Message, &[&[u8]]) -> Option<Meaning>, inner| {
        contents()?.into_iter().map(|part| one(inner, &[part])).collect::<Option<Vec<_>>>().map(List)
    };
    Some(match field.kind {
        Kind::Attributes => Some(map(&contents()?)?),
        Kind::Value => Some(value(&contents()?)?),
        Kind::Message(inner) if field.card == Card::Many => Some(each(message, inner)?),
        Kind::Message(inner) => Some(message(inner, &contents()?)?),
        Kind::Strings => Some(List(contents()?.into_iter().map(|text| Text(text.to_vec())).collect())),
        Kind::PackedFixed64 | Kind::PackedUint64 | Kind::PackedDouble => numbers(field.kind, values)?,
        kind => scalar(kind, *values.last()?, field.card == Card::One)?,
    })
}

#[expect(clippy::cast_possible_truncation, reason = "32-bit fields keep their low bits")]
fn scalar(kind: Kind, value: WireValue<'_>, bare: bool) -> Option<Option<Meaning>> {
    let meaning = match (kind, value) {
        (Kind::Str, WireValue::Bytes(text)) => Text(text.to_vec()),
        (Kind::Id, WireValue::Bytes(id)) => Bytes(id.to_vec()),
        (Kind::Bool, WireValue::Varint(number)) => Bool(number != 0),
        (Kind::Uint32, WireValue::Varint(number)) => Word(u64::from(number as u32)),
        (Kind::Enum, WireValue::Varint(number)) => Int(i64::from(number as i32)),
        (Kind::Sint32, WireValue::Varint(number)) => {
            let number = number as u32;
            Int(i64::from((number >> 1).cast_signed() ^ -((number & 1).cast_signed())))
        }
        (Kind::Fixed32, WireValue::Fixed32(number)) => Word(number.into()),
        (Kind::Fixed64, WireValue::Fixed64(number)) => Word(number),
        (Kind::Sfixed64, WireValue::Fixed64(number)) => Int(number.cast_signed()),
        (Kind::Double, WireValue::Fixed64(bits)) => Double(bits),
        _ => return None,
    };
    let defaults = [Text(vec![]), Bytes(vec![]), Bool(false), Word(0), Int(0), Double(0)];
    Some(if bare && defaults.contains(&meaning) { None } else { Some(meaning) })
}

fn numbers(kind: Kind, values: &[WireValue<'_>]) -> Option<Option<Meaning>> {
    let mut all = vec![];
    for value in values {
        match value {
            WireValue::Varint(number) | WireValue::Fixed64(number) => all.push(*number),
            WireValue::Bytes(packed) if matches!(kind, Kind::PackedUint64) => {
                let mut cursor = Cursor::new(packed);
                while !cursor.is_empty() {
                    all.push(cursor.varint().ok()?);
                }
            }
            WireValue::Bytes(packed) if packed.len().is_multiple_of(8) => {
                all.extend(packed.as_chunks().0.iter().map(|chunk| u64::from_le_bytes(*chunk)));
            }
            _ => return None,
        }
    }
    let one = |number| if matches!(kind, Kind::PackedDouble) { Double(number) } else { Word(number) };
    Some(if all.is_empty() { None } else { Some(List(all.into_iter().map(one).collect())) })
}

/// Pairs as a map: of a key that stands twice the last counts.
fn map(pairs: &[&[u8]]) -> Option<Meaning> {
    let mut all = BTreeMap::new();
    for pair in pairs {
        let (found, unknown) = fields(&[pair], |number| number <= 2)?;
        let (mut key, mut parts) = (vec![], vec![]);
        for (number, value) in found {
            if number == 1 {
                key = content(value)?.to_vec();
            } else {
                parts.push(content(value)?);
            }
        }
        let meaning = if parts.is_empty() { Some(Absent) } else { value(&parts) };
        all.insert(key, meaning.map(|meaning| List(vec![also(unknown, Null), meaning])));
    }
    let all = all.into_iter().map(|(key, meaning)| Some((key, meaning?)));
    Some(Map(all.collect::<Option<_>>()?))
}

/// An `AnyValue`: the last member counts, but lists and maps that follow each other are one.
fn value(parts: &[&[u8]]) -> Option<Meaning> {
    let (found, unknown) = fields(parts, |number| (1..=7).contains(&number))?;
    let mut last: Numbered<'_> = vec![];
    for member in found {
        if last.first().is_some_and(|(number, _)| *number != member.0) {
            last.clear();
        }
        last.push(member);
    }
    let Some((number, newest)) = last.last().copied() else { return Some(also(unknown, Null)) };
    let meaning = match (number, newest) {
        (1, WireValue::Bytes(text)) => Text(text.to_vec()),
        (2, WireValue::Varint(number)) => Bool(number != 0),
        (3, WireValue::Varint(number)) => Int(number.cast_signed()),
        (4, WireValue::Fixed64(bits)) => Double(bits),
        (7, WireValue::Bytes(bytes)) => Bytes(bytes.to_vec()),
        (5 | 6, WireValue::Bytes(_)) => {
            // What does not count is not looked at either: so does the writer.
            list_or_map(number, &last.iter().filter_map(|(_, value)| content(*value)).collect::<Vec<_>>())?
        }
        _ => return None,
    };
    Some(also(unknown, meaning))
}

fn list_or_map(number: u32, parts: &[&[u8]]) -> Option<Meaning> {
    let (members, unknown) = fields(parts, |number| number == 1)?;
    let members = members.into_iter().map(|(_, value)| content(value)).collect::<Option<Vec<_>>>()?;
    let meaning = if number == 5 {
        List(members.iter().map(|member| value(&[member])).collect::<Option<_>>()?)
    } else {
        map(&members)?
    };
    Some(also(unknown, meaning))
}
