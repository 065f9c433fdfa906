//! Protobuf's wire format: a cursor that reads fields as slices of what it was given, and the few writers we need.
//!
//! Every read is checked against the bytes that are really there, so a length that lies costs nothing: no buffer is
//! ever sized by a number from the wire.

use std::ops::Range;

use bumpalo::collections::Vec as ArenaVec;

use crate::otlp::DecodeError;

/// A position in the bytes of one message.
#[derive(Debug, Clone, Copy)]
pub struct Cursor<'a>(&'a [u8]);

/// One field as it stands on the wire.
#[derive(Debug, Clone, Copy)]
pub struct Field<'a> {
    /// The field number.
    pub number: u32,
    /// What it holds.
    pub value: WireValue<'a>,
    /// Tag and value as received.
    pub raw: &'a [u8],
}

/// The four shapes a value has on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WireValue<'a> {
    /// Wire type 0.
    Varint(u64),
    /// Wire type 1: `fixed64`, `sfixed64`, `double`.
    Fixed64(u64),
    /// Wire type 2: strings, bytes, messages, packed lists.
    Bytes(&'a [u8]),
    /// Wire type 5: `fixed32`.
    Fixed32(u32),
}

impl WireValue<'_> {
    /// The number that stands for this shape in a tag.
    #[must_use]
    pub const fn wire_type(&self) -> u8 {
        match self {
            Self::Varint(_) => 0,
            Self::Fixed64(_) => 1,
            Self::Bytes(_) => 2,
            Self::Fixed32(_) => 5,
        }
    }
}

impl<'a> Cursor<'a> {
    /// At the start of a message.
    #[inline]
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The next field, or `None` at the end of the message.
    ///
    /// # Errors
    /// When the bytes are no field.
    #[inline]
    pub fn next_field(&mut self) -> Result<Option<Field<'a>>, DecodeError> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let start = self.0;
        let tag = u32::try_from(self.varint()?).map_err(|_| DecodeError::Tag)?;
        let number = tag >> 3;
        if number == 0 {
            return Err(DecodeError::Tag);
        }
        let value = match tag & 7 {
            0 => WireValue::Varint(self.varint()?),
            1 => WireValue::Fixed64(u64::from_le_bytes(self.array()?)),
            2 => WireValue::Bytes(self.delimited()?),
            5 => WireValue::Fixed32(u32::from_le_bytes(self.array()?)),
            _ => return Err(DecodeError::Tag),
        };
        let raw = &start[..start.len() - self.0.len()];
        Ok(Some(Field { number, value, raw }))
    }

    /// A varint, as in packed lists.
    ///
    /// # Errors
    /// When it is truncated or longer than 64 bits.
    #[inline]
    pub fn varint(&mut self) -> Result<u64, DecodeError> {
        match self.0 {
            [byte, rest @ ..] if *byte < 0x80 => {
                self.0 = rest;
                Ok(u64::from(*byte))
            }
            _ => self.long_varint(),
        }
    }

    fn long_varint(&mut self) -> Result<u64, DecodeError> {
        let mut value = 0;
        for (index, byte) in self.0.iter().take(10).enumerate() {
            if index == 9 && *byte > 1 {
                return Err(DecodeError::Varint);
            }
            value |= u64::from(byte & 0x7f) << (7 * index);
            if *byte < 0x80 {
                self.0 = &self.0[index + 1..];
                return Ok(value);
            }
        }
        Err(if self.0.len() < 10 { DecodeError::Truncated } else { DecodeError::Varint })
    }

    /// Eight bytes of a packed list of `fixed64` or `double`.
    ///
    /// # Errors
    /// When fewer are left.
    #[inline]
    pub fn fixed64(&mut self) -> Result<u64, DecodeError> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    /// True at the end of the bytes.
    #[inline]
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (head, rest) = self.0.split_first_chunk::<N>().ok_or(DecodeError::Truncated)?;
        self.0 = rest;
        Ok(*head)
    }

    #[inline]
    fn delimited(&mut self) -> Result<&'a [u8], DecodeError> {
        let len = usize::try_from(self.varint()?).map_err(|_| DecodeError::Truncated)?;
        let (head, rest) = self.0.split_at_checked(len).ok_or(DecodeError::Truncated)?;
        self.0 = rest;
        Ok(head)
    }
}

/// The bytes as text.
///
/// # Errors
/// When they are not UTF-8; `message` names where they stand.
#[inline]
pub fn text<'a>(bytes: &'a [u8], message: &'static str) -> Result<&'a str, DecodeError> {
    std::str::from_utf8(bytes).map_err(|_| DecodeError::Utf8 { message })
}

/// Reads the many short strings of one message as text.
///
/// Checking each costs more in calls than in bytes: a third of the time to open a log record. Tags and short lengths
/// are ASCII, so whole stretches of a message are UTF-8, strings and all that is between them. Such a stretch is checked
/// at once, and the strings in it are taken from it. No byte is looked at more than three times.
#[derive(Debug)]
pub struct Texts<'a> {
    message: &'a [u8],
    /// The stretch of `message` that was checked last.
    checked: &'a str,
}

impl<'a> Texts<'a> {
    /// For the strings that lie in `message`.
    #[inline]
    #[must_use]
    pub const fn new(message: &'a [u8]) -> Self {
        Self { message, checked: "" }
    }

    /// The bytes as text; best asked in the order in which they stand in the message.
    ///
    /// # Errors
    /// When they are not UTF-8; `message` names where they stand.
    #[inline]
    pub fn read(&mut self, bytes: &'a [u8], message: &'static str) -> Result<&'a str, DecodeError> {
        match within(self.checked.as_bytes(), bytes).and_then(|range| self.checked.get(range)) {
            Some(text) => Ok(text),
            None => self.read_on(bytes, message),
        }
    }

    fn read_on(&mut self, bytes: &'a [u8], message: &'static str) -> Result<&'a str, DecodeError> {
        if let Some(range) = within(self.message, bytes)
            && within(self.checked.as_bytes(), &bytes[..bytes.len().min(1)]).is_none()
        {
            self.checked = valid_prefix(&self.message[range.start..], bytes.len());
            if let Some(text) = self.checked.get(..bytes.len()) {
                return Ok(text);
            }
        }
        text(bytes, message)
    }
}

/// A long prefix that is UTF-8: where the first `wanted` bytes are ASCII, what else of it is, for that is seen fastest.
fn valid_prefix(bytes: &[u8], wanted: usize) -> &str {
    let (blocks, _) = bytes.as_chunks::<32>();
    let whole = 32 * blocks.iter().take_while(|block| block.is_ascii()).count();
    let ascii = whole + bytes[whole..].iter().take_while(|byte| byte.is_ascii()).count();
    let bytes = if ascii >= wanted.max(1) { &bytes[..ascii] } else { bytes };
    match std::str::from_utf8(bytes) {
        Ok(valid) => valid,
        Err(error) => std::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default(),
    }
}

/// Where `part` lies in `whole`, by address.
#[inline]
fn within(whole: &[u8], part: &[u8]) -> Option<Range<usize>> {
    let start = part.as_ptr().addr().checked_sub(whole.as_ptr().addr())?;
    let end = start.checked_add(part.len())?;
    (end <= whole.len()).then_some(start..end)
}

/// How many bytes `value` takes as a varint.
#[inline]
#[must_use]
pub const fn varint_len(value: u64) -> usize {
    ((64 - (value | 1).leading_zeros() as usize) * 9 + 64) / 64
}

/// What the writers append to: a vector on the heap or in an arena.
pub trait Out {
    /// Appends one byte.
    fn byte(&mut self, byte: u8);
    /// Appends bytes.
    fn bytes(&mut self, bytes: &[u8]);
}

impl Out for Vec<u8> {
    #[inline]
    fn byte(&mut self, byte: u8) {
        self.push(byte);
    }

    #[inline]
    fn bytes(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

impl Out for ArenaVec<'_, u8> {
    #[inline]
    fn byte(&mut self, byte: u8) {
        self.push(byte);
    }

    #[inline]
    fn bytes(&mut self, bytes: &[u8]) {
        self.extend_from_slice_copy(bytes);
    }
}

/// Appends a varint.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "the low seven bits are what is meant")]
pub fn put_varint(out: &mut impl Out, mut value: u64) {
    while value >= 0x80 {
        out.byte(value as u8 | 0x80);
        value >>= 7;
    }
    out.byte(value as u8);
}

/// Appends a tag.
#[inline]
pub fn put_tag(out: &mut impl Out, number: u32, wire_type: u8) {
    put_varint(out, u64::from(number) << 3 | u64::from(wire_type));
}

/// Appends a whole length-delimited field.
#[inline]
pub fn put_bytes(out: &mut impl Out, number: u32, bytes: &[u8]) {
    put_tag(out, number, 2);
    put_varint(out, bytes.len() as u64);
    out.bytes(bytes);
}

/// How many bytes [`put_bytes`] appends for `len` bytes.
#[inline]
#[must_use]
pub const fn field_len(number: u32, len: usize) -> usize {
    varint_len((number as u64) << 3) + varint_len(len as u64) + len
}

/// Appends a length-delimited field whose content `fill` writes. The length is not known before: one byte is kept for
/// it, and what needs more moves the content.
pub fn put_message<E>(
    out: &mut Vec<u8>,
    number: u32,
    fill: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
) -> Result<(), E> {
    put_message_sized(out, number, 1, fill)
}

/// The same for content that is probably large: three bytes are kept, enough for 2 MiB without a move.
pub fn put_large_message<E>(
    out: &mut Vec<u8>,
    number: u32,
    fill: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
) -> Result<(), E> {
    put_message_sized(out, number, 3, fill)
}

fn put_message_sized<E>(
    out: &mut Vec<u8>,
    number: u32,
    kept: usize,
    fill: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
) -> Result<(), E> {
    put_tag(out, number, 2);
    let length_at = out.len();
    out.resize(length_at + kept, 0);
    fill(out)?;
    let content_at = length_at + kept;
    let len = (out.len() - content_at) as u64;
    let needed = varint_len(len);
    if needed != kept {
        let end = out.len();
        if needed > kept {
            out.resize(end + needed - kept, 0);
        }
        out.copy_within(content_at..end, length_at + needed);
        out.truncate(end + needed - kept);
    }
    write_varint(&mut out[length_at..length_at + needed], len);
    Ok(())
}

#[expect(clippy::cast_possible_truncation, reason = "the low seven bits are what is meant")]
fn write_varint(place: &mut [u8], mut value: u64) {
    let last = place.len() - 1;
    for (index, byte) in place.iter_mut().enumerate() {
        *byte = value as u8 & 0x7f | if index < last { 0x80 } else { 0 };
        value >>= 7;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_length_that_lies_is_an_error_and_allocates_nothing() {
        let body = [0x0a, 0x80, 0x80, 0x80, 0x32, 1, 2, 3, 4, 5];
        assert_eq!(Cursor::new(&body).next_field().unwrap_err(), DecodeError::Truncated);
    }

    #[test]
    fn varints_end_where_they_must() {
        assert_eq!(Cursor::new(&[0x80]).varint(), Err(DecodeError::Truncated));
        assert_eq!(Cursor::new(&[0xff; 11]).varint(), Err(DecodeError::Varint));
        assert_eq!(Cursor::new(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]).varint(), Ok(u64::MAX));
    }

    #[test]
    fn groups_and_field_zero_are_refused() {
        for tag in [0x0b, 0x0c, 0x02, 0x0e, 0x0f] {
            assert_eq!(Cursor::new(&[tag, 0]).next_field().unwrap_err(), DecodeError::Tag);
        }
    }

    #[test]
    fn strings_of_a_message_are_text_exactly_when_each_is() {
        let pieces: [&[u8]; 7] = [b"plain", b"", "ünï".as_bytes(), b"\xff", b"\xc3", b"\xbc", "☃".as_bytes()];
        for seed in 0..4096_usize {
            let chosen: Vec<&[u8]> = (0..5).map(|at| pieces[seed / 7_usize.pow(at) % 7]).collect();
            let message = chosen.concat();
            let (mut texts, mut start) = (Texts::new(&message), 0);
            for piece in chosen {
                let bytes = &message[start..start + piece.len()];
                assert_eq!(texts.read(bytes, "M"), text(bytes, "M"), "{message:02x?} {start}");
                start += piece.len();
            }
            assert_eq!(texts.read(&message, "M"), text(&message, "M"));
            assert_eq!(texts.read(pieces[3], "M"), text(pieces[3], "M"));
        }
    }

    proptest! {
        #[test]
        fn varints_round_trip(value: u64) {
            let mut out = vec![];
            put_varint(&mut out, value);
            prop_assert_eq!(out.len(), varint_len(value));
            prop_assert_eq!(Cursor::new(&out).varint(), Ok(value));
        }

        #[test]
        fn a_message_of_any_length_gets_the_length_it_has(len in prop_oneof![0..300_usize, 16_000..17_000_usize], kept in 1..4_usize) {
            let mut out = vec![9];
            put_message_sized(&mut out, 5, kept, |out| { out.resize(out.len() + len, 7); Ok::<(), ()>(()) }).unwrap();
            let field = Cursor::new(&out[1..]).next_field().unwrap().unwrap();
            prop_assert_eq!(field.number, 5);
            prop_assert_eq!(field.value, WireValue::Bytes(&vec![7; len]));
            prop_assert_eq!(field.raw.len(), out.len() - 1);
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
            let mut cursor = Cursor::new(&bytes);
            while let Ok(Some(_)) = cursor.next_field() {}
        }
    }
}
