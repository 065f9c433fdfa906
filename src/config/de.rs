//! From the tree to typed values: a serde `Deserializer` whose errors know their path, place and, when apt, a hint.
//!
//! A quoted scalar is text; a plain one is what its target wants, so `00123` stays text where text is wanted. Text from
//! the environment or a file is never shown in an error. `key:` with nothing after it is an empty mapping or list, and an
//! error where a word or number is wanted.

use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;

use super::message::{self, Message};
use super::yaml::{Data, Entry, Form, Number, Place, Scalar, Yaml, boolean, number};
use crate::stdx::problem::{At, Problem};

/// Reads a `T`; the error's path starts below `at`.
pub(super) fn read<T: de::DeserializeOwned>(yaml: &Yaml) -> Result<T, Error> {
    T::deserialize(De(yaml))
}

/// A step from a value to one inside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    Key(String),
    Item(usize),
}

/// What was wrong, and where: `steps` leads from the value that was read, inside out.
#[derive(Debug)]
pub(super) struct Error(Box<Inner>);

#[derive(Debug)]
struct Inner {
    what: What,
    place: Option<Place>,
    steps: Vec<Step>,
}

#[derive(Debug)]
enum What {
    Type { found: String, expected: String, unquote: bool },
    Word { word: String, known: Vec<&'static str> },
    UnknownKey { key: String, known: Vec<&'static str> },
    MissingKey(&'static str),
    Said(String),
}

impl Error {
    fn new(what: What) -> Self {
        Self(Box::new(Inner { what, place: None, steps: Vec::new() }))
    }

    /// The way from the value that was read to the culprit.
    pub(super) fn steps(&self) -> Vec<Step> {
        self.0.steps.iter().rev().cloned().collect()
    }

    /// The key that is missing, when that is what is wrong.
    pub(super) const fn missing(&self) -> Option<&'static str> {
        match self.0.what {
            What::MissingKey(key) => Some(key),
            _ => None,
        }
    }

    /// The finding, at its place below `at`.
    ///
    /// `also_known` are keys of the value that was read which its type does not have.
    pub(super) fn problem(&self, at: &At, also_known: &[&'static str]) -> Problem {
        let at = self.0.steps.iter().rev().fold(at.clone(), |at, step| match step {
            Step::Key(key) => at.key(key),
            Step::Item(index) => at.item(*index),
        });
        let also_known = if self.0.steps.len() == 1 { also_known } else { &[] };
        self.message(also_known).at(&at, self.0.place)
    }

    fn message(&self, also_known: &[&'static str]) -> Message {
        match &self.0.what {
            What::Type { found, expected, unquote: true } => message::quoted_number(found, expected),
            What::Type { found, expected, .. } => message::wrong_type(found, expected),
            What::Word { word, known } => message::unknown_word(word, known),
            What::UnknownKey { key, known } => message::unknown_key(key, &[known, also_known].concat()),
            What::MissingKey(key) => message::missing_key(key),
            What::Said(said) => message::invalid(said),
        }
    }

    fn below(mut self, step: Step) -> Self {
        self.0.steps.push(step);
        self
    }

    fn or_place(mut self, place: Place) -> Self {
        self.0.place.get_or_insert(place);
        self
    }

    /// At the scalar it is about: its place, and a second look at what may be shown of it.
    fn at_scalar(mut self, scalar: &Scalar, place: Place) -> Self {
        let What::Type { found, expected, unquote } = &mut self.0.what else { return self.or_place(place) };
        if scalar.is_null() {
            // Its place is its key's, which the loader finds.
            "nothing".clone_into(found);
            return self;
        }
        *unquote = scalar.form == Form::Text
            && (expected.contains("number") && number(&scalar.text).is_some()
                || expected == BOOLEAN && boolean(&scalar.text).is_some());
        if scalar.substituted {
            "what was substituted here".clone_into(found);
        } else if *unquote {
            *found = format!("the text `{}`", scalar.text);
        }
        self.or_place(place)
    }
}

const BOOLEAN: &str = "`true` or `false`";

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message(&[]).at(&At::new(""), None).message)
    }
}

impl std::error::Error for Error {}

impl de::Error for Error {
    fn custom<T: fmt::Display>(said: T) -> Self {
        Self::new(What::Said(said.to_string()))
    }

    fn invalid_type(found: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        let expected = expected_words(&expected.to_string());
        // A text where a mapping or list belongs may be a misplaced secret: only short words are shown.
        let structure = expected.starts_with("key: value") || expected.starts_with("a list");
        let found = match found {
            de::Unexpected::Str(_) if structure => "text".to_owned(),
            found => found_words(found),
        };
        Self::new(What::Type { found, expected, unquote: false })
    }

    fn invalid_value(found: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::new(What::Type {
            found: found_words(found),
            expected: expected_words(&expected.to_string()),
            unquote: false,
        })
    }

    fn unknown_variant(word: &str, known: &'static [&'static str]) -> Self {
        Self::new(What::Word { word: word.to_owned(), known: known.to_vec() })
    }

    fn unknown_field(key: &str, known: &'static [&'static str]) -> Self {
        Self::new(What::UnknownKey { key: key.to_owned(), known: known.to_vec() })
    }

    fn missing_field(key: &'static str) -> Self {
        Self::new(What::MissingKey(key))
    }
}

fn found_words(found: de::Unexpected<'_>) -> String {
    use de::Unexpected as U;
    match found {
        U::Bool(value) => format!("`{value}`"),
        U::Unsigned(number) => format!("the number {number}"),
        U::Signed(number) => format!("the number {number}"),
        U::Float(number) => format!("the number {number}"),
        U::Str(text) if text.len() <= 32 => format!("`{text}`"),
        U::Str(_) => "a longer text".to_owned(),
        U::Seq => "a list".to_owned(),
        U::Map => "a mapping".to_owned(),
        U::Unit | U::Option => "nothing".to_owned(),
        _ => "something else".to_owned(),
    }
}

/// Rust's words for types in the reader's.
fn expected_words(expected: &str) -> String {
    match expected {
        "a boolean" => BOOLEAN.to_owned(),
        "a string" | "str" | "string" => "text".to_owned(),
        "u8" | "u16" | "u32" | "u64" | "usize" => {
            let max = match expected {
                "u8" => " up to 255",
                "u16" => " up to 65535",
                "u32" => " up to 4294967295",
                _ => "",
            };
            format!("a whole number{max}")
        }
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number".to_owned(),
        "f32" | "f64" => "a number".to_owned(),
        "a map" => "key: value lines".to_owned(),
        "a sequence" => "a list".to_owned(),
        "path string" => "a path".to_owned(),
        "string or map" => "one word".to_owned(),
        other if other.starts_with("struct ") => "key: value lines".to_owned(),
        other if other.starts_with("enum ") || other.starts_with("variant") => "one word".to_owned(),
        other if other.starts_with("tuple") => "a list".to_owned(),
        other => other.to_owned(),
    }
}

#[derive(Clone, Copy)]
struct De<'de>(&'de Yaml);

impl<'de> De<'de> {
    /// Puts this value's place on an error that has none yet.
    fn placed<T>(self, result: Result<T, Error>) -> Result<T, Error> {
        result.map_err(|error| match &self.0.data {
            Data::Scalar(scalar) => error.at_scalar(scalar, self.0.place),
            // The place of a mapping or list is its key's: the loader finds it by the path.
            _ => error,
        })
    }

    fn any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match &self.0.data {
            Data::Scalar(scalar) => resolve(scalar, visitor),
            Data::List(items) => visitor.visit_seq(Items { rest: items, index: 0 }),
            Data::Map(entries) => visitor.visit_map(Entries { rest: entries, value: None }),
            Data::Removed => visitor.visit_unit(),
        }
    }
}

/// A scalar by its looks (YAML's core schema).
fn resolve<'de, V: Visitor<'de>>(scalar: &'de Scalar, visitor: V) -> Result<V::Value, Error> {
    let text = scalar.text.as_str();
    if scalar.form == Form::Text {
        return visitor.visit_borrowed_str(text);
    }
    if scalar.is_null() {
        return visitor.visit_unit();
    }
    if let Some(value) = boolean(text) {
        return visitor.visit_bool(value);
    }
    match number(text) {
        Some(Number::Unsigned(number)) => visitor.visit_u64(number),
        Some(Number::Signed(number)) => visitor.visit_i64(number),
        Some(Number::Float(number)) => visitor.visit_f64(number),
        None => visitor.visit_borrowed_str(text),
    }
}

/// Text as written for targets that want text, whatever it looks like.
macro_rules! text_targets {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            self.placed(match &self.0.data {
                Data::Scalar(scalar) if !scalar.is_null() => visitor.visit_borrowed_str(&scalar.text),
                _ => self.any(visitor),
            })
        }
    )*};
}

impl<'de> Deserializer<'de> for De<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.placed(self.any(visitor))
    }

    text_targets! { deserialize_str deserialize_string deserialize_char deserialize_identifier }

    /// An explicit `null` is none. `key:` alone is not: the inner type decides (a mapping takes it as empty).
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match &self.0.data {
            Data::Scalar(scalar) if scalar.is_null() && !scalar.text.is_empty() => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let entries = if self.0.is_null() { Some(&[][..]) } else { None };
        self.placed(match entries {
            Some(rest) => visitor.visit_map(Entries { rest, value: None }),
            None => self.any(visitor),
        })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        // A derived struct also reads a list, by the order of its fields: never what the writer meant.
        if let Data::List(_) = self.0.data {
            return Err(de::Error::invalid_type(de::Unexpected::Seq, &"key: value lines"));
        }
        self.deserialize_map(visitor)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.placed(if self.0.is_null() { visitor.visit_seq(Items { rest: &[], index: 0 }) } else { self.any(visitor) })
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.placed(match &self.0.data {
            Data::Scalar(scalar) if !scalar.is_null() => {
                visitor.visit_enum(IntoDeserializer::<Error>::into_deserializer(scalar.text.as_str()))
            }
            Data::Map(entries) if entries.len() == 1 => {
                visitor.visit_enum(de::value::MapAccessDeserializer::new(Entries { rest: entries, value: None }))
            }
            _ => self.any(visitor),
        })
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 bytes byte_buf unit unit_struct tuple tuple_struct
    }
}

struct Items<'de> {
    rest: &'de [Yaml],
    index: usize,
}

impl<'de> de::SeqAccess<'de> for Items<'de> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        while let Some((first, rest)) = self.rest.split_first() {
            let index = self.index;
            (self.rest, self.index) = (rest, index + 1);
            if !matches!(first.data, Data::Removed) {
                return seed.deserialize(De(first)).map(Some).map_err(|error| error.below(Step::Item(index)));
            }
        }
        Ok(None)
    }
}

struct Entries<'de> {
    rest: &'de [Entry],
    value: Option<&'de Entry>,
}

impl<'de> de::MapAccess<'de> for Entries<'de> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        let Some((first, rest)) = self.rest.split_first() else { return Ok(None) };
        (self.rest, self.value) = (rest, Some(first));
        let key = de::value::BorrowedStrDeserializer::<Error>::new(&first.key);
        seed.deserialize(key).map(Some).map_err(|error| error.or_place(first.place).below(Step::Key(first.key.clone())))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        let Some(entry) = self.value.take() else { return Err(de::Error::custom("a value was read twice")) };
        let result = seed.deserialize(De(&entry.value));
        result.map_err(|error| error.below(Step::Key(entry.key.clone())))
    }
}
