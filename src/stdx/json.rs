//! JSON as tokens over borrowed bytes: a reader that builds nothing, and in `write` a writer with the fewest escapes.
//!
//! The reader is strict (RFC 8259: no trailing commas, no lone surrogates, no control characters in strings) and hands
//! out every token with its place in the input, so that a caller can copy everything and replace only some strings.
//! It does not recurse; who walks nested values sets the limit. Errors name an offset, never a value.

pub mod write;

use std::ops::Range;

use thiserror::Error;

pub use write::{write_base64, write_f64, write_hex, write_i64, write_str, write_u64, write_utf8};

/// Where and why the input is not the JSON that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{what} at byte {at}")]
pub struct Error {
    /// Offset into the input.
    pub at: usize,
    /// What is wrong.
    pub what: &'static str,
}

/// Reads one JSON text, front to back.
///
/// ```
/// use telseal::stdx::json::{Reader, Value};
///
/// let mut reader = Reader::new(br#"{"a":[1,"x"]}"#)?;
/// assert!(matches!(reader.value()?, Value::Object));
/// while let Some(key) = reader.next_member()? {
///     assert_eq!(key.plain(), Some("a"));
///     assert!(matches!(reader.value()?, Value::Array));
///     while reader.next_element()? {
///         reader.skip_value(8)?;
///     }
/// }
/// reader.end()?;
/// # Ok::<(), telseal::stdx::json::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    text: &'a str,
    at: usize,
    /// A `{` or `[` was just read: no comma may come before its first entry.
    fresh: bool,
}

/// A scalar, or the opening of a container, whose entries are then pulled by [`Reader::next_member`] or
/// [`Reader::next_element`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    /// `{` was read.
    Object,
    /// `[` was read.
    Array,
    /// A string.
    Str(Text<'a>),
    /// A number, as it is written.
    Number(&'a str),
    /// `true` or `false`.
    Bool(bool),
    /// `null`.
    Null,
}

/// A string token. Its escapes are known to be good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Text<'a> {
    raw: &'a str,
    escaped: bool,
    at: usize,
}

impl<'a> Text<'a> {
    /// What stands between the quotes.
    #[inline]
    #[must_use]
    pub const fn raw(&self) -> &'a str {
        self.raw
    }

    /// The string, where no escape has to be undone.
    #[inline]
    #[must_use]
    pub const fn plain(&self) -> Option<&'a str> {
        if self.escaped { None } else { Some(self.raw) }
    }

    /// The place of the token in the input, quotes included.
    #[must_use]
    pub const fn range(&self) -> Range<usize> {
        self.at - 1..self.at + self.raw.len() + 1
    }

    /// The rest of the string after an unescaped prefix.
    #[must_use]
    pub fn after(&self, prefix: &str) -> Option<Self> {
        let raw = self.raw.strip_prefix(prefix)?;
        Some(Self { raw, escaped: self.escaped, at: self.at + prefix.len() })
    }

    /// Appends the string, escapes undone.
    pub fn unescape(&self, out: &mut Vec<u8>) {
        let mut rest = self.raw.as_bytes();
        while let Some(at) = memchr::memchr(b'\\', rest).filter(|_| self.escaped) {
            out.extend_from_slice(&rest[..at]);
            let Some((character, len)) = escape(&rest[at..]) else { break };
            out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            rest = &rest[at + len..];
        }
        out.extend_from_slice(rest);
    }

    /// The string, borrowed where possible; `buffer` is overwritten.
    pub fn read<'b>(&self, buffer: &'b mut String) -> &'b str
    where
        'a: 'b,
    {
        if let Some(plain) = self.plain() {
            return plain;
        }
        let mut bytes = std::mem::take(buffer).into_bytes();
        bytes.clear();
        self.unescape(&mut bytes);
        *buffer = String::from_utf8(bytes).unwrap_or_default();
        buffer
    }
}

impl<'a> Reader<'a> {
    /// At the start of a text.
    ///
    /// # Errors
    /// When the bytes are not UTF-8.
    pub fn new(bytes: &'a [u8]) -> Result<Self, Error> {
        let text = std::str::from_utf8(bytes).map_err(|e| Error { at: e.valid_up_to(), what: "not UTF-8" })?;
        Ok(Self::over(text))
    }

    /// At the start of a text known to be UTF-8.
    #[must_use]
    pub const fn over(text: &'a str) -> Self {
        Self { text, at: 0, fresh: false }
    }

    /// How far it has read.
    #[inline]
    #[must_use]
    pub const fn offset(&self) -> usize {
        self.at
    }

    /// The input between two offsets that were given out.
    #[must_use]
    pub fn slice(&self, range: Range<usize>) -> &'a str {
        self.text.get(range).unwrap_or_default()
    }

    /// What has not been read.
    #[inline]
    #[must_use]
    pub fn rest(&self) -> &'a [u8] {
        &self.text.as_bytes()[self.at..]
    }

    /// Steps over `value`, a whole value the caller knows, if it comes next. Meant for long values that repeat.
    #[inline]
    pub fn take(&mut self, value: &[u8]) -> bool {
        let found = self.rest().starts_with(value);
        if found {
            self.at += value.len();
            self.fresh = false;
        }
        found
    }

    /// The next value.
    ///
    /// # Errors
    /// When none stands here.
    #[inline]
    pub fn value(&mut self) -> Result<Value<'a>, Error> {
        self.fresh = false;
        match self.peek() {
            Some(b'"') => self.string().map(Value::Str),
            Some(b'{') => Ok(self.open(Value::Object)),
            Some(b'[') => Ok(self.open(Value::Array)),
            Some(b'-' | b'0'..=b'9') => self.number().map(Value::Number),
            Some(b't') => self.word("true", Value::Bool(true)),
            Some(b'f') => self.word("false", Value::Bool(false)),
            Some(b'n') => self.word("null", Value::Null),
            Some(_) => self.fail("expected a JSON value"),
            None => self.fail("the text ends where a value should stand"),
        }
    }

    /// In an object: the next key, its colon read, or `None` when the object ended.
    ///
    /// # Errors
    /// When neither stands here.
    #[inline]
    pub fn next_member(&mut self) -> Result<Option<Text<'a>>, Error> {
        if !self.next_entry(b'}')? {
            return Ok(None);
        }
        if self.peek() != Some(b'"') {
            return self.fail("expected a key in quotes");
        }
        let key = self.string()?;
        if self.peek() != Some(b':') {
            return self.fail("expected a colon");
        }
        self.at += 1;
        Ok(Some(key))
    }

    /// In an array: whether another element comes, or the array ended.
    ///
    /// # Errors
    /// When neither stands here.
    #[inline]
    pub fn next_element(&mut self) -> Result<bool, Error> {
        self.next_entry(b']')
    }

    /// Checks that nothing but white space is left.
    ///
    /// # Errors
    /// When something is.
    pub fn end(&mut self) -> Result<(), Error> {
        match self.peek() {
            None => Ok(()),
            Some(_) => self.fail("something follows the JSON value"),
        }
    }

    /// Reads over one value of any kind, nested at most `depth` deep, and returns its place.
    ///
    /// # Errors
    /// When it is not valid, or nested deeper.
    pub fn skip_value(&mut self, depth: usize) -> Result<Range<usize>, Error> {
        self.peek();
        let start = self.at;
        let mut open: Vec<bool> = Vec::new();
        loop {
            match self.value()? {
                Value::Object if open.len() < depth => open.push(true),
                Value::Array if open.len() < depth => open.push(false),
                Value::Object | Value::Array => return self.fail("nested too deep"),
                _ => {}
            }
            if !self.climb(&mut open)? {
                return Ok(start..self.at);
            }
        }
    }

    /// Leaves the containers that end here; whether another value of an open one comes.
    fn climb(&mut self, open: &mut Vec<bool>) -> Result<bool, Error> {
        while let Some(object) = open.last() {
            let more = if *object { self.next_member()?.is_some() } else { self.next_element()? };
            if more {
                return Ok(true);
            }
            open.pop();
        }
        Ok(false)
    }

    /// An error at the present place.
    ///
    /// # Errors
    /// Always.
    pub fn fail<T>(&self, what: &'static str) -> Result<T, Error> {
        Err(Error { at: self.at, what })
    }

    #[inline]
    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// The next byte that is no white space.
    #[inline]
    fn peek(&mut self) -> Option<u8> {
        loop {
            match self.byte() {
                Some(b' ' | b'\t' | b'\n' | b'\r') => self.at += 1,
                other => return other,
            }
        }
    }

    #[inline]
    fn open(&mut self, container: Value<'a>) -> Value<'a> {
        self.at += 1;
        self.fresh = true;
        container
    }

    #[inline]
    fn next_entry(&mut self, close: u8) -> Result<bool, Error> {
        let first = std::mem::take(&mut self.fresh);
        match self.peek() {
            Some(byte) if byte == close => {
                self.at += 1;
                Ok(false)
            }
            Some(_) if first => Ok(true),
            Some(b',') => {
                self.at += 1;
                Ok(true)
            }
            Some(_) => self.fail("expected a comma or the end of the list"),
            None => self.fail("the text ends inside a list or an object"),
        }
    }

    fn word(&mut self, word: &'static str, value: Value<'a>) -> Result<Value<'a>, Error> {
        if !self.rest().starts_with(word.as_bytes()) {
            return self.fail("expected true, false or null");
        }
        self.at += word.len();
        Ok(value)
    }

    #[inline]
    fn string(&mut self) -> Result<Text<'a>, Error> {
        let at = self.at + 1;
        self.at = at;
        let mut escaped = false;
        loop {
            self.at += write::clean_prefix(self.rest());
            match self.byte() {
                Some(b'"') => break,
                Some(b'\\') => {
                    let Some((_, len)) = escape(self.rest()) else { return self.fail("a bad escape") };
                    escaped = true;
                    self.at += len;
                }
                Some(_) => return self.fail("a control character in a string"),
                None => return self.fail("the text ends inside a string"),
            }
        }
        let raw = self.slice(at..self.at);
        self.at += 1;
        Ok(Text { raw, escaped, at })
    }

    fn number(&mut self) -> Result<&'a str, Error> {
        let start = self.at;
        self.at += usize::from(self.byte() == Some(b'-'));
        let leading_zero = self.byte() == Some(b'0');
        let whole = self.digits()?;
        if leading_zero && whole > 1 {
            return self.fail("a number starts with zero");
        }
        if self.byte() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.byte(), Some(b'e' | b'E')) {
            self.at += 1;
            self.at += usize::from(matches!(self.byte(), Some(b'+' | b'-')));
            self.digits()?;
        }
        Ok(self.slice(start..self.at))
    }

    fn digits(&mut self) -> Result<usize, Error> {
        let count = self.rest().iter().take_while(|byte| byte.is_ascii_digit()).count();
        if count == 0 {
            return self.fail("expected a digit");
        }
        self.at += count;
        Ok(count)
    }
}

/// The character that the escape at the start of `bytes` stands for, and how long the escape is.
fn escape(bytes: &[u8]) -> Option<(char, usize)> {
    let character = match bytes.get(1)? {
        b'"' => '"',
        b'\\' => '\\',
        b'/' => '/',
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'u' => return unicode(bytes),
        _ => return None,
    };
    Some((character, 2))
}

/// `\uXXXX`, or two of them that form one character. A surrogate that stands alone is no character.
fn unicode(bytes: &[u8]) -> Option<(char, usize)> {
    let first = four_digits(bytes.get(2..6)?)?;
    if let Some(character) = char::from_u32(first) {
        return Some((character, 6));
    }
    let second = bytes.get(6..12)?.strip_prefix(b"\\u").and_then(four_digits)?;
    let low = second.checked_sub(0xdc00).filter(|low| *low < 0x400)?;
    let high = first.checked_sub(0xd800).filter(|high| *high < 0x400)?;
    char::from_u32(0x1_0000 + (high << 10 | low)).map(|character| (character, 12))
}

fn four_digits(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |number, digit| Some(number << 4 | char::from(*digit).to_digit(16)?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BAD: &str = concat!(
        r#" ~{~[~]~{]~[}~[1,]~{"a":1,}~[,1]~[1 2]~{"a" 1}~{a:1}~{1:1}~{"a":}~[1,,2]~--1~'a'~/**/1~"a" "b"~1 1~{} []"#,
        r#"~"~"a~"\~"\x"~"\u12"~"\u12g4"~"\ud800"~"\udc00"~"\ud800x"~"\ud800\u0041"~"\u+123""#,
        "~01~-~1.~.5~1e~1e+~+1~0x1~NaN~Infinity~nul~truE~-01"
    );
    const GOOD: &str = concat!(
        r#"null~ true ~false~""~[]~{}~[[],{}]~ { "a" : [ 1 , null ] , "" : { } } ~"\u0000\ud83d\ude00\/"~"é""#,
        "~0~-0~-0.0e-1~1E+2~123456789012345678901234567890~\"\u{7f}\""
    );

    fn whole(text: &[u8]) -> Result<(), Error> {
        let mut reader = Reader::new(text)?;
        reader.skip_value(64)?;
        reader.end()
    }

    #[test]
    fn what_rfc_8259_forbids_is_an_error() {
        for bad in BAD.split('~') {
            assert!(whole(bad.as_bytes()).is_err(), "{bad}");
        }
        for bad in ["", "\"a\nb\"", "\"\t\""] {
            assert!(whole(bad.as_bytes()).is_err(), "{bad}");
        }
        assert_eq!(whole(b"\"\xff\"").unwrap_err().what, "not UTF-8");
    }

    #[test]
    fn what_rfc_8259_allows_is_read() {
        for good in GOOD.split('~') {
            whole(good.as_bytes()).unwrap_or_else(|e| panic!("{good}: {e}"));
        }
    }

    #[test]
    fn deep_nesting_ends_in_an_error_and_not_on_the_stack() {
        let error = whole("[".repeat(1_000_000).as_bytes()).unwrap_err();
        assert_eq!(error.what, "nested too deep");
    }

    #[test]
    fn a_caller_can_copy_everything_and_replace_some_strings() {
        let text = r#"{ "k\n" : ["secret", 1, "x"] }"#;
        let mut reader = Reader::over(text);
        let (mut out, mut copied) = (String::new(), 0);
        assert_eq!(reader.value(), Ok(Value::Object));
        let key = reader.next_member().unwrap().unwrap();
        assert_eq!((key.plain(), key.read(&mut String::new())), (None, "k\n"));
        assert_eq!(reader.value(), Ok(Value::Array));
        while reader.next_element().unwrap() {
            if let Value::Str(found) = reader.value().unwrap()
                && found.plain() == Some("secret")
            {
                out += reader.slice(copied..found.range().start);
                out += "\"***\"";
                copied = found.range().end;
            }
        }
        assert_eq!(reader.next_member(), Ok(None));
        reader.end().unwrap();
        out += reader.slice(copied..text.len());
        assert_eq!(out, r#"{ "k\n" : ["***", 1, "x"] }"#);
    }

    proptest! {
        #[test]
        fn agrees_with_serde_json_on_what_is_json(text in r#"[\[\]{}",:0-9eE+.\\ua-fnrtl \n-]{0,24}"#) {
            let theirs = serde_json::from_str::<serde_json::Value>(&text);
            match whole(text.as_bytes()) {
                Ok(()) => prop_assert!(theirs.is_ok() || theirs.unwrap_err().to_string().contains("out of range")),
                Err(_) => prop_assert!(theirs.is_err()),
            }
        }

        #[test]
        fn strings_come_back_as_serde_json_reads_and_writes_them(text: String) {
            let theirs = serde_json::to_string(&text).unwrap();
            let mut ours = vec![];
            write_str(&mut ours, &text);
            prop_assert_eq!(std::str::from_utf8(&ours).unwrap(), &theirs);
            let Value::Str(read) = Reader::new(&ours).unwrap().value().unwrap() else { panic!("a string") };
            let mut buffer = String::new();
            prop_assert_eq!(read.read(&mut buffer), text);
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
            let _ = whole(&bytes);
        }
    }
}
