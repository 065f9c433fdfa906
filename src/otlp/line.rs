//! CR/1, the canonical line: one JSON object per log record or span, and one per request of metrics. What is hashed is
//! what is shipped.
//!
//! - Members stand in the byte order of their names, without white space. Names are those of the .proto files; a field
//!   with its default value is left out. `resource` and `scope` carry the `schema_url` of their group; `signal` is
//!   `log`, `span` or `metrics`. Metrics have one member `request` instead of a record.
//! - Attributes are an object with its keys in byte order. Of a key that stands twice the last value counts
//!   ([`DUPLICATE_KEYS`]). A key that starts with `$` is written with one `$` more, so every other `$` is ours.
//! - Strings have the escapes of RFC 8785. Integers up to 2^53-1 are literals, larger ones `{"$int":"…"}`. Doubles have the
//!   fewest digits that read back, always with a point or an exponent, which is used below 1e-4 and from 1e16 on;
//!   `{"$double":"NaN"}`, `Infinity`, `-Infinity` and `-0.0` for the rest, and `NaN:<16 hex digits>` where the bits
//!   are not those of the usual NaN. Bytes are `{"$bytes":"<base64>"}`, an empty value is `null`. Fields of 64 bits are decimal
//!   strings, ids lower-case hexadecimal.
//! - What the schema does not know is kept as base64 of its wire bytes ([`UNKNOWN_FIELDS`]): `$unknown` in a message or
//!   map, `{"$unknown":…,"$value":…}` around a value, `{"$array":[…],"$unknown":…}` for a list, `{"$entry":…,"$value":…}` for an
//!   attribute, `$envelope` in `resource` and `scope` for the group around them. `{"$absent":true}` is an attribute
//!   without even an empty value, `"$absent":true` in `resource` a group that has a `schema_url` but no resource.
//!
//! So different records have different lines, and a line reads back as what was written. Not kept: empty groups, where one group
//! of equal resource ended and the next began, the order of attributes, and unknown fields of the request itself.

mod canonical;
mod disclose;
mod read;
mod shape;
mod splice;
mod write;

use crate::otlp::DecodeError;
use crate::stdx::json::{self, Text};

pub use canonical::canonical;
pub use disclose::{Erasable, Promise, reveal, withhold, withhold_where};
pub use read::to_otlp;
pub use splice::{SEAL_BYTES, SealView, put_with_seals};
pub use write::{LineWriter, Part, each_part, write_request};

/// Flag: a key stood twice among attributes or in a map; the last value was kept.
pub const DUPLICATE_KEYS: u16 = 1;
/// Flag: the record has fields that this version does not know. They are in the line.
pub const UNKNOWN_FIELDS: u16 = 2;
/// Flag: the line promises fields whose values are carried beside it.
pub const ERASABLE_FIELDS: u16 = 4;

/// The member that a sealed line ends with.
pub const SEAL: &str = "audit.seal";
/// Attribute that carries the seal's stream in OTLP.
pub const STREAM_ID: &str = "audit.sequence.stream_id";
/// Attribute that carries the seal's place in the stream in OTLP.
pub const NUMBER: &str = "audit.sequence.number";
/// Attribute that carries the seal's entry in OTLP.
pub const ENTRY: &str = "audit.seal.entry";
/// Attribute that carries the seal's salt in OTLP.
pub const SALT: &str = "audit.seal.salt";
/// Attribute that carries salt and name of each erasable field that is disclosed, as JSON, in OTLP.
pub const DISCLOSED: &str = "audit.seal.disclosed";

const UNKNOWN: &str = "$unknown";
const VALUE: &str = "$value";
const ARRAY: &str = "$array";
const INT: &str = "$int";
const DOUBLE: &str = "$double";
const BYTES: &str = "$bytes";
const PAIR: &str = "$entry";
const ABSENT: &str = "$absent";
const ENVELOPE: &str = "$envelope";
const SCHEMA_URL: &str = "schema_url";

/// The largest integer that every JSON reader keeps exact.
const INT_MAX: u64 = (1 << 53) - 1;
/// The bits of the usual NaN.
const NAN: u64 = 0x7ff8_0000_0000_0000;

impl From<json::Error> for DecodeError {
    fn from(error: json::Error) -> Self {
        Self::Line(error.what)
    }
}
