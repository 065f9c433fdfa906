//! Durations as people write them: `30s`, `1m30s`, `250ms`.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Deserializer, de};

/// A length of time. In YAML: numbers with `ms`, `s`, `m`, `h` or `d`, which may follow each other (`1h30m`); `0` needs no unit.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Span(pub Duration);

impl Span {
    /// That many milliseconds.
    #[must_use]
    pub const fn millis(n: u64) -> Self {
        Self(Duration::from_millis(n))
    }

    /// That many seconds.
    #[must_use]
    pub const fn secs(n: u64) -> Self {
        Self(Duration::from_secs(n))
    }

    /// Reads `1m30s` and the like; `None` when the text is no duration.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut rest = text.trim();
        if rest == "0" {
            return Some(Self(Duration::ZERO));
        }
        let mut total = Duration::ZERO;
        loop {
            let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
            let number: f64 = rest[..digits].parse().ok()?;
            rest = &rest[digits..];
            let letters = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
            let unit = match &rest[..letters] {
                "ms" => 0.001,
                "s" => 1.0,
                "m" => 60.0,
                "h" => 3_600.0,
                "d" => 86_400.0,
                _ => return None,
            };
            total = total.checked_add(Duration::try_from_secs_f64(number * unit).ok()?)?;
            rest = rest[letters..].trim_start();
            if rest.is_empty() {
                return Some(Self(total));
            }
        }
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Span;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a duration such as `30s` or `250ms`")
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Span, E> {
                if number == 0 {
                    Ok(Span::default())
                } else {
                    Err(E::invalid_value(de::Unexpected::Unsigned(number), &self))
                }
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Span, E> {
                Span::parse(text).ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
            }
        }
        input.deserialize_any(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::Span;

    #[test]
    fn reads_durations_as_people_write_them() {
        for (text, millis) in
            [("0", 0), ("30s", 30_000), ("250ms", 250), ("1m30s", 90_000), ("1.5h", 5_400_000), ("2d", 172_800_000)]
        {
            assert_eq!(Span::parse(text), Some(Span::millis(millis)), "{text}");
        }
        for text in ["", "5", "s", "5 parsecs", "-1s", "1s x"] {
            assert_eq!(Span::parse(text), None, "{text}");
        }
    }
}
