//! Percent-decoding: `%20` and its like, as W3C baggage and `OTEL_RESOURCE_ATTRIBUTES` use it.

use std::borrow::Cow;

/// The text that was encoded; `None` when an escape is not two hexadecimal digits, or the bytes are no UTF-8.
#[must_use]
pub fn decode(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains('%') {
        return Some(Cow::Borrowed(text));
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut parts = text.split('%');
    bytes.extend_from_slice(parts.next()?.as_bytes());
    for part in parts {
        let digits = part.get(..2).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        bytes.extend_from_slice(&part.as_bytes()[2..]);
    }
    String::from_utf8(bytes).ok().map(Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::decode;

    #[test]
    fn escapes_are_undone() {
        assert_eq!(decode("a%20b%C3%A9%25").as_deref(), Some("a bé%"));
        assert_eq!(decode("plain").as_deref(), Some("plain"));
    }

    #[test]
    fn what_is_no_escape_is_no_text() {
        for bad in ["%", "%4", "%zz", "%+1", "a%ff"] {
            assert_eq!(decode(bad), None, "{bad}");
        }
    }
}
