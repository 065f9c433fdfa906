//! Numbers, enums, ids and bytes of OTLP/JSON, in all the spellings that count.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::{Done, Walk, boolean, expected};
use crate::otlp::json::JsonError;
use crate::otlp::schema::{Field, Kind};
use crate::stdx::json::Value;

const ANY_PADDING: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, ANY_PADDING);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, ANY_PADDING);

const TRACE_ID_LEN: usize = 16;
const SPAN_ID_LEN: usize = 8;

const SEVERITIES: [&str; 6] = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"];
const KINDS: [&str; 6] = ["UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER"];
const CODES: [&str; 3] = ["UNSET", "OK", "ERROR"];
const TEMPORALITIES: [&str; 3] = ["UNSPECIFIED", "DELTA", "CUMULATIVE"];

impl<'j> Walk<'j> {
    pub(super) fn scalar(&mut self, field: &'static Field, value: Value<'j>) -> Done {
        let number = field.number;
        match field.kind {
            Kind::Str => return self.string(number, value),
            Kind::Id => return self.id(field, value),
            Kind::Bool => {
                let value = boolean(value)?;
                self.builder.varint(number, value.into());
            }
            Kind::Enum => {
                let value = self.enumerated(field, value)?;
                self.builder.varint(number, i64::from(value).cast_unsigned());
            }
            Kind::Uint32 => {
                let value: u32 = self.integer(value, "an unsigned integer of 32 bits")?;
                self.builder.varint(number, value.into());
            }
            Kind::Sint32 => {
                let value: i32 = self.integer(value, "an integer of 32 bits")?;
                self.builder.varint(number, (value << 1 ^ value >> 31).cast_unsigned().into());
            }
            Kind::Fixed32 => {
                let value = self.integer(value, "an unsigned integer of 32 bits")?;
                self.builder.fixed32(number, value);
            }
            Kind::Sfixed64 => {
                let value: i64 = self.integer(value, "an integer of 64 bits")?;
                self.builder.fixed64(number, value.cast_unsigned());
            }
            Kind::Double => {
                let value = self.double(value)?;
                self.builder.fixed64(number, value.to_bits());
            }
            _ => {
                let value = self.integer(value, "an unsigned integer of 64 bits")?;
                self.builder.fixed64(number, value);
            }
        }
        Ok(())
    }

    /// A number, or a string that holds one.
    pub(super) fn integer<T: TryFrom<i128>>(&mut self, value: Value<'j>, what: &str) -> Result<T, JsonError> {
        let number = match value {
            Value::Number(text) => whole(text),
            Value::Str(text) => whole(self.read(&text)),
            _ => None,
        };
        number.and_then(|number| T::try_from(number).ok()).map_or_else(|| expected(what), Ok)
    }

    pub(super) fn double(&mut self, value: Value<'j>) -> Result<f64, JsonError> {
        let number = match value {
            Value::Number(text) => finite(text),
            Value::Str(text) => match self.read(&text) {
                "NaN" => Some(f64::NAN),
                "Infinity" => Some(f64::INFINITY),
                "-Infinity" => Some(f64::NEG_INFINITY),
                text => finite(text),
            },
            _ => None,
        };
        number.map_or_else(|| expected("a double"), Ok)
    }

    fn enumerated(&mut self, field: &Field, value: Value<'j>) -> Result<i32, JsonError> {
        const WHAT: &str = "a number or a name of the enum";
        let Value::Str(text) = value else { return self.integer(value, WHAT) };
        match enum_number(field.name, self.read(&text)) {
            Some(number) => Ok(number),
            None => self.integer(value, WHAT),
        }
    }

    fn id(&mut self, field: &Field, value: Value<'j>) -> Done {
        let len = if field.name == "trace_id" { TRACE_ID_LEN } else { SPAN_ID_LEN };
        let id = match value {
            Value::Str(text) => hex(self.read(&text), len),
            _ => None,
        };
        let Some((id, len)) = id else { return expected(&format!("{} hexadecimal digits", 2 * len)) };
        let open = self.builder.open(field.number);
        self.builder.raw().extend_from_slice(&id[..len]);
        self.builder.close(open);
        Ok(())
    }

    pub(super) fn bytes(&mut self, number: u32, value: Value<'j>) -> Done {
        let Value::Str(text) = value else { return expected("a string of base64") };
        let open = self.builder.open(number);
        let text = text.read(&mut self.buffer);
        let engine = if text.contains(['-', '_']) { &URL_SAFE } else { &STANDARD };
        if engine.decode_vec(text, self.builder.raw()).is_err() {
            return expected("base64");
        }
        self.builder.close(open);
        Ok(())
    }
}

/// An integer in decimal; with point or exponent where its value is still whole, as some languages print it.
fn whole(text: &str) -> Option<i128> {
    if let Ok(number) = text.parse::<u64>() {
        return Some(number.into());
    }
    if let Ok(number) = text.parse::<i64>() {
        return Some(number.into());
    }
    let number = finite(text).filter(|number| number.fract() == 0.0 && number.abs() <= 1e20)?;
    #[expect(clippy::cast_possible_truncation, reason = "whole and in range")]
    Some(number as i128)
}

/// A number that a double can hold. Words that std would read are none.
fn finite(text: &str) -> Option<f64> {
    let plain = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E'));
    text.parse::<f64>().ok().filter(|number| plain && number.is_finite())
}

/// An id of `len` bytes, or none at all.
fn hex(text: &str, len: usize) -> Option<([u8; TRACE_ID_LEN], usize)> {
    let mut id = [0; TRACE_ID_LEN];
    if text.is_empty() {
        return Some((id, 0));
    }
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if pairs.len() != len || !rest.is_empty() {
        return None;
    }
    for (byte, [high, low]) in id.iter_mut().zip(pairs) {
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Some((id, len))
}

const fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

fn enum_number(field: &str, name: &str) -> Option<i32> {
    let index = |names: &[&str], prefix: &str| {
        let name = name.strip_prefix(prefix)?;
        names.iter().position(|known| *known == name).and_then(|index| i32::try_from(index).ok())
    };
    match field {
        "severity_number" => severity(name.strip_prefix("SEVERITY_NUMBER_")?),
        "kind" => index(&KINDS, "SPAN_KIND_"),
        "code" => index(&CODES, "STATUS_CODE_"),
        _ => index(&TEMPORALITIES, "AGGREGATION_TEMPORALITY_"),
    }
}

/// `TRACE` is 1, `TRACE2` is 2, and so on in fours.
fn severity(name: &str) -> Option<i32> {
    if name == "UNSPECIFIED" {
        return Some(0);
    }
    let (word, step) = match name.as_bytes().last()? {
        digit @ b'2'..=b'4' => (&name[..name.len() - 1], i32::from(digit - b'1')),
        _ => (name, 0),
    };
    let level = SEVERITIES.iter().position(|known| *known == word)?;
    i32::try_from(level).ok().map(|level| 4 * level + step + 1)
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::logs::v1::SeverityNumber;
    use opentelemetry_proto::tonic::metrics::v1::AggregationTemporality;
    use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
    use opentelemetry_proto::tonic::trace::v1::status::StatusCode;

    use super::*;

    #[test]
    fn enum_names_are_those_of_opentelemetry_proto() {
        for number in 0..=24 {
            let name = SeverityNumber::try_from(number).unwrap().as_str_name();
            assert_eq!(enum_number("severity_number", name), Some(number), "{name}");
        }
        for number in 0..=5 {
            let name = SpanKind::try_from(number).unwrap().as_str_name();
            assert_eq!(enum_number("kind", name), Some(number), "{name}");
        }
        for number in 0..=2 {
            let name = StatusCode::try_from(number).unwrap().as_str_name();
            assert_eq!(enum_number("code", name), Some(number), "{name}");
            let name = AggregationTemporality::try_from(number).unwrap().as_str_name();
            assert_eq!(enum_number("aggregation_temporality", name), Some(number), "{name}");
        }
        for wrong in
            ["", "INFO", "SEVERITY_NUMBER_INFO1", "SEVERITY_NUMBER_INFO5", "SEVERITY_NUMBER_", "severity_number_info"]
        {
            assert_eq!(enum_number("severity_number", wrong), None, "{wrong}");
        }
    }

    #[test]
    fn integers_are_read_in_every_spelling_that_is_whole() {
        for (text, number) in [
            ("0", 0),
            ("18446744073709551615", i128::from(u64::MAX)),
            ("-9223372036854775808", i128::from(i64::MIN)),
            ("1.0", 1),
            ("1.7e18", 1_700_000_000_000_000_000),
            ("-2e0", -2),
        ] {
            assert_eq!(whole(text), Some(number), "{text}");
        }
        for text in ["", " 1", "1.5", "1e-1", "1e400", "NaN", "inf", "0x1", "99999999999999999999999"] {
            assert_eq!(whole(text), None, "{text}");
        }
    }
}
