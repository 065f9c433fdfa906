//! Wild but valid requests, straight to the wire by the schema: fields in any order, standing twice, unknown fields in
//! every message, list, map, value and pair, bytes that hold text. And the way to every message of the schema.

use telseal::otlp::Signal;
use telseal::otlp::schema::{self, Kind, Message};
use telseal::otlp::wire::{put_bytes, put_tag, put_varint};

/// What must not be left anywhere after a rewrite that masks it.
pub(crate) const PLANTED: &str = "PLANTED";

const TEXTS: [&str; 9] = [
    "",
    "a",
    "b",
    "PLANTED",
    "before PLANTED",
    "PLANTED after",
    "ünï PLANTED ☃",
    "{\"a\":\"PLANTED\"}",
    "service.name",
];
/// Not all of these are text as a whole.
const BLOBS: [&[u8]; 6] = [b"", b"\xff\x00", b"PLANTED", b"\xff\xfe PLANTED \xff", b"a\xc3PLANTED", b"\x0a\x03abc"];

const IDS: [&[u8]; 5] = [b"", b"PLANTED", b"id is PLANTED as", &[0xee; 16], &[0xdd; 8]];

/// A small generator of numbers; a seed gives the same request again.
pub(crate) struct Wild(u64);

impl Wild {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    pub(crate) fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        usize::try_from(self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33).unwrap() % n
    }

    fn text(&mut self) -> &'static [u8] {
        TEXTS[self.below(TEXTS.len())].as_bytes()
    }

    fn blob(&mut self) -> &'static [u8] {
        BLOBS[self.below(BLOBS.len())]
    }

    pub(crate) fn request(&mut self, signal: Signal) -> Vec<u8> {
        let mut out = vec![];
        self.message(schema::request(signal), 0, &mut out);
        out
    }

    pub(crate) fn message(&mut self, message: &'static Message, level: usize, out: &mut Vec<u8>) {
        let fields = if level < 3 { 1 + self.below(4) } else { self.below(7) };
        for _ in 0..fields {
            if self.below(12) == 0 {
                self.unknown(200, out);
            } else {
                let field = &message.fields[self.below(message.fields.len())];
                self.field(field, level, out);
            }
        }
    }

    fn field(&mut self, field: &schema::Field, level: usize, out: &mut Vec<u8>) {
        let number = field.number;
        match field.kind {
            Kind::Str | Kind::Strings => put_bytes(out, number, self.text()),
            Kind::Id => put_bytes(out, number, IDS[self.below(IDS.len())]),
            Kind::Bool | Kind::Uint32 | Kind::Enum | Kind::Sint32 => {
                put_tag(out, number, 0);
                put_varint(out, u64::try_from(self.below(300)).unwrap());
            }
            Kind::Fixed32 => {
                put_tag(out, number, 5);
                out.extend_from_slice(&[1, 2, 3, 4]);
            }
            Kind::Fixed64 | Kind::Sfixed64 | Kind::Double => {
                put_tag(out, number, 1);
                out.extend_from_slice(&[1, 2, 3, 4, 5, 6, 7, 8]);
            }
            Kind::PackedFixed64 | Kind::PackedDouble => put_bytes(out, number, &[7; 24][..8 * self.below(4)]),
            Kind::PackedUint64 => put_bytes(out, number, &[0x81, 2, 3, 4][..2 * self.below(3)]),
            Kind::Message(inner) => self.nested(number, out, |wild, out| wild.message(inner, level + 1, out)),
            Kind::Value => self.nested(number, out, |wild, out| wild.value(0, out)),
            Kind::Attributes => self.nested(number, out, |wild, out| wild.pair(0, out)),
        }
    }

    fn nested(&mut self, number: u32, out: &mut Vec<u8>, fill: impl FnOnce(&mut Self, &mut Vec<u8>)) {
        let mut content = vec![];
        fill(self, &mut content);
        put_bytes(out, number, &content);
    }

    fn unknown(&mut self, number: u32, out: &mut Vec<u8>) {
        match self.below(5) {
            0 => {
                put_tag(out, number, 0);
                put_varint(out, 1 << 40);
            }
            1 => {
                put_tag(out, number, 5);
                out.extend_from_slice(b"abcd");
            }
            _ => put_bytes(out, number, self.blob()),
        }
    }

    /// How often a field stands that should stand once.
    fn times(&mut self) -> usize {
        [0, 1, 1, 1, 1, 1, 2, 3][self.below(8)]
    }

    fn pair(&mut self, depth: usize, out: &mut Vec<u8>) {
        for _ in 0..self.times() {
            put_bytes(out, 1, self.text());
        }
        for _ in 0..self.times() {
            self.nested(2, out, |wild, out| wild.value(depth, out));
        }
        if self.below(10) == 0 {
            self.unknown(203, out);
        }
    }

    fn value(&mut self, depth: usize, out: &mut Vec<u8>) {
        for _ in 0..self.times() {
            match self.below(if depth < 3 { 9 } else { 6 }) {
                0 => out.extend_from_slice(&[0x10, 1]),
                1 => out.extend_from_slice(&[0x18, 0x80, 1]),
                2 | 3 => put_bytes(out, 1, self.text()),
                4 => put_bytes(out, 7, self.blob()),
                5 => self.unknown(201, out),
                6 => self.nested(6, out, |wild, out| wild.list(out, |wild, out| wild.pair(depth + 1, out))),
                _ => self.nested(5, out, |wild, out| wild.list(out, |wild, out| wild.value(depth + 1, out))),
            }
        }
    }

    fn list(&mut self, out: &mut Vec<u8>, mut member: impl FnMut(&mut Self, &mut Vec<u8>)) {
        for _ in 0..self.below(4) {
            self.nested(1, out, &mut member);
        }
        if self.below(8) == 0 {
            self.unknown(202, out);
        }
    }
}

/// Every message of a signal, with the numbers of the fields that lead to it.
pub(crate) fn messages(signal: Signal) -> Vec<(Vec<u32>, &'static Message)> {
    let mut found = vec![(vec![], schema::request(signal))];
    let mut next = 0;
    while let Some((path, message)) = found.get(next).cloned() {
        next += 1;
        for field in message.fields {
            if let Kind::Message(inner) = field.kind {
                found.push(([&path[..], &[field.number]].concat(), inner));
            }
        }
    }
    found
}

/// `content` as the message at the end of `path`.
pub(crate) fn wrapped(path: &[u32], content: &[u8]) -> Vec<u8> {
    let mut bytes = content.to_vec();
    for number in path.iter().rev() {
        let mut outer = vec![];
        put_bytes(&mut outer, *number, &bytes);
        bytes = outer;
    }
    bytes
}
