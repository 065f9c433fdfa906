//! The members of one of the ledger's own events, or of an order in it.

use crate::stdx::json::{Reader, Text, Value};

/// How deep values may be nested.
const DEPTH_MAX: usize = 8;

/// The members of a JSON object.
#[derive(Debug)]
pub(super) struct Members<'a> {
    reader: Reader<'a>,
    found: Vec<(Text<'a>, std::ops::Range<usize>)>,
}

impl<'a> Members<'a> {
    /// Reads an object; `None` when it is none, or has a name twice.
    pub(super) fn read(object: &'a [u8]) -> Option<Self> {
        let mut reader = Reader::new(object).ok()?;
        let mut found: Vec<(Text<'a>, _)> = Vec::new();
        matches!(reader.value().ok()?, Value::Object).then_some(())?;
        while let Some(name) = reader.next_member().ok()? {
            found.iter().all(|(known, _)| known.raw() != name.raw()).then_some(())?;
            found.push((name, reader.skip_value(DEPTH_MAX).ok()?));
        }
        reader.end().ok()?;
        Some(Self { reader, found })
    }

    /// A member as it is written.
    pub(super) fn raw(&self, name: &str) -> Option<&'a str> {
        let (_, place) = self.found.iter().find(|(known, _)| known.plain() == Some(name))?;
        Some(self.reader.slice(place.clone()))
    }

    /// A member that is a whole number without a sign.
    pub(super) fn number(&self, name: &str) -> Option<u64> {
        self.raw(name)?.parse().ok()
    }

    /// A member that is a text.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        match Reader::over(self.raw(name)?).value().ok()? {
            Value::Str(text) => Some(text.read(&mut String::new()).to_owned()),
            _ => None,
        }
    }

    /// A member that is a list of texts.
    pub(super) fn texts(&self, name: &str) -> Option<Vec<String>> {
        let mut reader = Reader::over(self.raw(name)?);
        matches!(reader.value().ok()?, Value::Array).then_some(())?;
        let mut texts = Vec::new();
        while reader.next_element().ok()? {
            let Value::Str(text) = reader.value().ok()? else { return None };
            texts.push(text.read(&mut String::new()).to_owned());
        }
        Some(texts)
    }

    /// A member that is a list of whole numbers.
    pub(super) fn numbers(&self, name: &str) -> Option<Vec<u64>> {
        let mut reader = Reader::over(self.raw(name)?);
        matches!(reader.value().ok()?, Value::Array).then_some(())?;
        let mut numbers = Vec::new();
        while reader.next_element().ok()? {
            let Value::Number(number) = reader.value().ok()? else { return None };
            numbers.push(number.parse().ok()?);
        }
        Some(numbers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_found_by_name_and_kind() {
        let members = Members::read(br#"{"a":7,"b":"x\ny","c":[1,2],"d":{"e":1}}"#).unwrap();
        assert_eq!((members.number("a"), members.text("b").as_deref()), (Some(7), Some("x\ny")));
        assert_eq!((members.numbers("c"), members.raw("d")), (Some(vec![1, 2]), Some(r#"{"e":1}"#)));
        assert_eq!((members.number("b"), members.text("a"), members.number("x")), (None, None, None));
        for wrong in [r#"{"a":1,"a":2}"#, r#"{"a":1"#, "[1]", r#"{"a":1}}"#] {
            assert!(Members::read(wrong.as_bytes()).is_none(), "{wrong}");
        }
    }
}
