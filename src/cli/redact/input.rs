//! Lines with a limit.

use std::io::{self, BufRead};

/// The longest line that is looked at, in bytes.
pub(in crate::cli) const LINE_BYTES_MAX: usize = 16 << 20;

/// A line, without what ends it.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::cli) enum Line {
    Text(String),
    /// It was longer than [`LINE_BYTES_MAX`]: none of it was kept.
    TooLong,
}

/// Reads the next line. Bytes that are not UTF-8 become U+FFFD.
pub(in crate::cli) fn next(input: &mut impl BufRead) -> io::Result<Option<Line>> {
    let mut line = Vec::new();
    let (mut any, mut long) = (false, false);
    loop {
        let buffer = input.fill_buf()?;
        if buffer.is_empty() {
            break;
        }
        any = true;
        let end = memchr::memchr(b'\n', buffer);
        let taken = end.unwrap_or(buffer.len());
        long |= line.len() + taken > LINE_BYTES_MAX;
        if long {
            line.clear();
        } else {
            line.extend_from_slice(&buffer[..taken]);
        }
        input.consume(end.map_or(taken, |end| end + 1));
        if end.is_some() {
            break;
        }
    }
    if !any {
        return Ok(None);
    }
    if long {
        return Ok(Some(Line::TooLong));
    }
    let text = String::from_utf8(line).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
    Ok(Some(Line::Text(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_one_by_one_and_long_ones_not_at_all() {
        let long = "x".repeat(LINE_BYTES_MAX + 1);
        let text = format!("a\r\n\n{long}\nlast");
        let mut input = io::BufReader::with_capacity(7, text.as_bytes());
        let text = |text: &str| Some(Line::Text(text.to_owned()));
        assert_eq!(next(&mut input).unwrap(), text("a\r"));
        assert_eq!(next(&mut input).unwrap(), text(""));
        assert_eq!(next(&mut input).unwrap(), Some(Line::TooLong));
        assert_eq!(next(&mut input).unwrap(), text("last"));
        assert_eq!(next(&mut input).unwrap(), None);
        assert_eq!(next(&mut &b"\xff\n"[..]).unwrap(), text("\u{fffd}"));
    }
}
