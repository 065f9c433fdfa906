//! Words that several processors have in their configuration: a typed value, and where an attribute lives.
//!
//! A YAML value keeps its type: `8` is an integer, `"8"` a string, `true` a boolean, `0.5` a double.

use std::fmt::{self, Write as _};

use crate::otlp::value::Value;
use serde::de::{self, Deserialize, Deserializer, Visitor};

/// A value as written in the configuration.
#[derive(Debug, Clone, PartialEq)]
pub enum Scalar {
    /// `"text"`, or any word that is nothing else.
    Str(String),
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number with a point or an exponent.
    Double(f64),
}

/// Where an attribute lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Context {
    /// The resource: who sends.
    Resource,
    /// The instrumentation scope: which library of the sender.
    Scope,
    /// The log record, the span, or each data point of a metric.
    #[default]
    Record,
}

impl Scalar {
    /// The same as an attribute's value.
    #[must_use]
    pub fn value(&self) -> Value<'_> {
        match self {
            Self::Str(text) => Value::Str(text),
            Self::Bool(value) => Value::Bool(*value),
            Self::Int(value) => Value::Int(*value),
            Self::Double(value) => Value::Double(*value),
        }
    }
}

/// The text of a scalar, as the Collector writes it; that of a list, a map or bytes is empty.
#[must_use]
pub fn text_of<'t>(value: Value<'t>, buffer: &'t mut String) -> &'t str {
    // Writing to a string cannot fail.
    match value {
        Value::Str(text) => return text,
        Value::Bool(value) => return if value { "true" } else { "false" },
        Value::Int(number) => drop(write!(buffer, "{number}")),
        Value::Double(number) => drop(write!(buffer, "{number}")),
        Value::Null | Value::Bytes(_) | Value::Array(_) | Value::Map(_) | Value::Unknown(_) => {}
    }
    buffer
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ScalarVisitor)
    }
}

struct ScalarVisitor;

impl Visitor<'_> for ScalarVisitor {
    type Value = Scalar;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string, a boolean or a number")
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Scalar, E> {
        Ok(Scalar::Bool(value))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Scalar, E> {
        Ok(Scalar::Int(value))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Scalar, E> {
        i64::try_from(value).map(Scalar::Int).map_err(|_| E::custom("a whole number goes up to 9223372036854775807"))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Scalar, E> {
        Ok(Scalar::Double(value))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Scalar, E> {
        Ok(Scalar::Str(value.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::{Context, Scalar};

    fn scalar(yaml: &str) -> Scalar {
        serde_saphyr::from_str(yaml).unwrap()
    }

    #[test]
    fn a_yaml_value_keeps_its_type() {
        assert_eq!(scalar("8"), Scalar::Int(8));
        assert_eq!(scalar("\"8\""), Scalar::Str("8".into()));
        assert_eq!(scalar("-3"), Scalar::Int(-3));
        assert_eq!(scalar("true"), Scalar::Bool(true));
        assert_eq!(scalar("'true'"), Scalar::Str("true".into()));
        assert_eq!(scalar("0.5"), Scalar::Double(0.5));
        assert_eq!(scalar("prod"), Scalar::Str("prod".into()));
        assert_eq!(scalar("1.2.3"), Scalar::Str("1.2.3".into()));
    }

    #[test]
    fn lists_maps_and_huge_numbers_are_no_scalars() {
        assert!(serde_saphyr::from_str::<Scalar>("[1]").is_err());
        assert!(serde_saphyr::from_str::<Scalar>("{a: 1}").is_err());
        assert!(serde_saphyr::from_str::<Scalar>("9223372036854775808").is_err());
    }

    #[test]
    fn contexts_are_named_as_in_the_documentation() {
        assert_eq!(serde_saphyr::from_str::<Context>("scope").unwrap(), Context::Scope);
        assert_eq!(Context::default(), Context::Record);
    }
}
