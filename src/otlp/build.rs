//! Writes protobuf whose lengths are not known in advance, in linear time however deep it nests.
//!
//! One byte is kept for each length. Where that is too little the place is noted, and all notes are worked in by one
//! copy at the end: moving the content on the spot would move it again at each level above.

use crate::otlp::wire::{put_tag, put_varint, varint_len};
use crate::stdx::json::Text;

/// A message in the making.
#[derive(Debug, Default)]
pub struct Builder {
    bytes: Vec<u8>,
    /// Messages that are open, or longer than one length byte can say, by place.
    gaps: Vec<Gap>,
    /// What the lengths of closed messages will add to `bytes`.
    grown: usize,
}

/// A length byte that may have to become a longer varint.
#[derive(Debug, Clone, Copy)]
struct Gap {
    at: usize,
    len: usize,
}

/// A message that was opened; must be closed in turn.
#[derive(Debug)]
#[must_use]
pub struct Open {
    gap: usize,
    grown: usize,
}

/// A place to go back to.
#[derive(Debug, Clone, Copy)]
pub struct Mark {
    bytes: usize,
    gaps: usize,
    grown: usize,
}

impl Builder {
    /// Expects about `len` bytes.
    #[must_use]
    pub fn with_capacity(len: usize) -> Self {
        Self { bytes: Vec::with_capacity(len), gaps: Vec::with_capacity(16), grown: 0 }
    }

    /// Begins a length-delimited field; what is written until [`Self::close`] is its content.
    #[inline]
    pub fn open(&mut self, number: u32) -> Open {
        put_tag(&mut self.bytes, number, 2);
        let open = Open { gap: self.gaps.len(), grown: self.grown };
        self.gaps.push(Gap { at: self.bytes.len(), len: 0 });
        self.bytes.push(0);
        open
    }

    /// Ends it.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "below 128")]
    #[expect(clippy::needless_pass_by_value, reason = "what is closed cannot be closed again")]
    pub fn close(&mut self, open: Open) {
        let Some(gap) = self.gaps.get_mut(open.gap) else { return };
        let len = self.bytes.len() - gap.at - 1 + self.grown - open.grown;
        if len < 0x80 {
            // Everything inside is shorter still, so this is the last gap.
            self.bytes[gap.at] = len as u8;
            self.gaps.truncate(open.gap);
        } else {
            gap.len = len;
            self.grown += varint_len(len as u64) - 1;
        }
    }

    /// Where it stands.
    #[inline]
    #[must_use]
    pub fn mark(&self) -> Mark {
        Mark { bytes: self.bytes.len(), gaps: self.gaps.len(), grown: self.grown }
    }

    /// Forgets what was written since. Messages opened before `mark` must still be open.
    pub fn rewind(&mut self, mark: Mark) {
        self.bytes.truncate(mark.bytes);
        self.gaps.truncate(mark.gaps);
        self.grown = mark.grown;
    }

    /// For whole fields and packed numbers; nothing but appending is allowed.
    #[inline]
    pub fn raw(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// A string field.
    #[inline]
    pub fn text(&mut self, number: u32, text: &Text<'_>) {
        if let Some(plain) = text.plain() {
            put_tag(&mut self.bytes, number, 2);
            put_varint(&mut self.bytes, plain.len() as u64);
            self.bytes.extend_from_slice(plain.as_bytes());
        } else {
            let open = self.open(number);
            text.unescape(&mut self.bytes);
            self.close(open);
        }
    }

    /// A varint field.
    #[inline]
    pub fn varint(&mut self, number: u32, value: u64) {
        put_tag(&mut self.bytes, number, 0);
        put_varint(&mut self.bytes, value);
    }

    /// A `fixed64`, `sfixed64` or `double` field.
    #[inline]
    pub fn fixed64(&mut self, number: u32, bits: u64) {
        put_tag(&mut self.bytes, number, 1);
        self.bytes.extend_from_slice(&bits.to_le_bytes());
    }

    /// A `fixed32` field.
    #[inline]
    pub fn fixed32(&mut self, number: u32, bits: u32) {
        put_tag(&mut self.bytes, number, 5);
        self.bytes.extend_from_slice(&bits.to_le_bytes());
    }

    /// The bytes. Every message must be closed.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        if self.gaps.is_empty() {
            return self.bytes;
        }
        let mut out = Vec::with_capacity(self.bytes.len() + self.grown);
        let mut copied = 0;
        for gap in &self.gaps {
            out.extend_from_slice(&self.bytes[copied..gap.at]);
            put_varint(&mut out, gap.len as u64);
            copied = gap.at + 1;
        }
        out.extend_from_slice(&self.bytes[copied..]);
        out
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::otlp::wire::{Cursor, WireValue};

    /// Nested messages, each with some bytes before and after the inner one.
    fn nest(builder: &mut Builder, sizes: &[(usize, usize)]) {
        let Some(((before, after), inner)) = sizes.split_first() else { return };
        let open = builder.open(3);
        builder.text(1, &text(&"b".repeat(*before)));
        nest(builder, inner);
        builder.text(2, &text(&"a".repeat(*after)));
        builder.close(open);
    }

    fn text(plain: &str) -> Text<'_> {
        let quoted: &'static str = Box::leak(format!("\"{plain}\"").into_boxed_str());
        match crate::stdx::json::Reader::over(quoted).value() {
            Ok(crate::stdx::json::Value::Str(text)) => text,
            other => panic!("{other:?}"),
        }
    }

    fn check(bytes: &[u8], sizes: &[(usize, usize)]) {
        let Some(((before, after), inner)) = sizes.split_first() else { return assert!(bytes.is_empty()) };
        let mut cursor = Cursor::new(bytes);
        let WireValue::Bytes(content) = cursor.next_field().unwrap().unwrap().value else { panic!("a message") };
        assert!(cursor.next_field().unwrap().is_none());
        let mut cursor = Cursor::new(content);
        assert_eq!(cursor.next_field().unwrap().unwrap().value, WireValue::Bytes("b".repeat(*before).as_bytes()));
        if !inner.is_empty() {
            check(cursor.next_field().unwrap().unwrap().raw, inner);
        }
        assert_eq!(cursor.next_field().unwrap().unwrap().value, WireValue::Bytes("a".repeat(*after).as_bytes()));
        assert!(cursor.next_field().unwrap().is_none());
    }

    proptest! {
        #[test]
        fn every_length_is_right_however_it_nests(sizes in proptest::collection::vec((0..300_usize, 0..300_usize), 0..12)) {
            let mut builder = Builder::default();
            nest(&mut builder, &sizes);
            check(&builder.finish(), &sizes);
        }
    }

    #[test]
    fn a_rewind_leaves_no_trace() {
        let mut builder = Builder::default();
        let outer = builder.open(1);
        builder.varint(2, 7);
        let mark = builder.mark();
        nest(&mut builder, &[(200, 200), (5, 5)]);
        builder.rewind(mark);
        builder.close(outer);
        assert_eq!(builder.finish(), [0x0a, 2, 0x10, 7]);
    }
}
