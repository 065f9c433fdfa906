//! A value written in YAML, kept as JSON text.

use std::fmt;

use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::otlp::plain::Comma;
use crate::stdx::json::{write_f64, write_i64, write_str, write_u64};

/// JSON text without white space.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Json(String);

impl Json {
    pub(super) fn text(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        let mut out = Vec::new();
        Write(&mut out).deserialize(input)?;
        Ok(Self(String::from_utf8_lossy(&out).into_owned()))
    }
}

struct Write<'o>(&'o mut Vec<u8>);

impl<'de> DeserializeSeed<'de> for Write<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, input: D) -> Result<(), D::Error> {
        input.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Write<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.0.extend_from_slice(b"null");
        Ok(())
    }

    fn visit_none<E: Error>(self) -> Result<(), E> {
        self.visit_unit()
    }

    fn visit_bool<E>(self, truth: bool) -> Result<(), E> {
        self.0.extend_from_slice(if truth { b"true" } else { b"false" });
        Ok(())
    }

    fn visit_i64<E>(self, number: i64) -> Result<(), E> {
        write_i64(self.0, number);
        Ok(())
    }

    fn visit_u64<E>(self, number: u64) -> Result<(), E> {
        write_u64(self.0, number);
        Ok(())
    }

    fn visit_f64<E>(self, number: f64) -> Result<(), E> {
        write_f64(self.0, number);
        Ok(())
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        write_str(self.0, text);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let mut comma = Comma::default();
        self.0.push(b'[');
        loop {
            let before = self.0.len();
            comma.put(self.0);
            if items.next_element_seed(Write(self.0))?.is_none() {
                self.0.truncate(before);
                self.0.push(b']');
                return Ok(());
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let mut comma = Comma::default();
        self.0.push(b'{');
        while let Some(key) = members.next_key::<String>()? {
            comma.put(self.0);
            write_str(self.0, &key);
            self.0.push(b':');
            members.next_value_seed(Write(self.0))?;
        }
        self.0.push(b'}');
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_value_is_kept() {
        for text in [r#"{"a":[1,-2,1.5,"x\n",true,null,{}],"b":[]}"#, r#""text""#, "[]", "18446744073709551615"] {
            assert_eq!(serde_json::from_str::<Json>(text).unwrap().text(), text);
        }
    }
}
