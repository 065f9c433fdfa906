//! `secret-assignment`: a value given to a name of a secret, in whatever notation: `password=..`, `--token x`,
//! `"api_key": "…"` (also with escaped quotes), `export FOO_SECRET=..`, `<password>..</password>`.
//!
//! The name decides how much doubt is allowed: `password: x` is a secret, `token: x` is more often a compiler's
//! message. References (`$TOKEN`, `${..}`, `<token>`), key words, types and calls are no values.

use std::ops::Range;

use crate::processor::redact::detector::bytes::{before, run_end, run_end_within, run_start_within};
use crate::processor::redact::detector::value::{is_code, is_label, is_path, is_word};
use crate::processor::redact::detector::{Class, Confidence, Detector, Family, Find, SECRET, Verdict, mask_len};
use crate::processor::redact::names::{self, Strength};

pub(super) use crate::processor::redact::detector::value::{is_reference, is_stand_in};

pub(super) static DETECTOR: Detector = Detector {
    id: "secret-assignment",
    title: "values given to names of secrets, in any notation",
    class: Class::Secret,
    family: Family::GenericSecret,
    confidence: Confidence::Medium,
    profiles: SECRET,
    find: Find::Anchors(ANCHORS, find),
    context: &[],
    hits: &["password=«hunter2» next"],
    misses: &["password=$PASSWORD"],
};

pub(super) static KEY_NAME: Detector = Detector {
    id: "secret-key-name",
    title: "values under keys that are names of secrets",
    class: Class::Secret,
    family: Family::GenericSecret,
    confidence: Confidence::Medium,
    profiles: SECRET,
    find: Find::Key,
    context: &[],
    hits: &[r#"{"db":{"password":"«hunter2»"}}"#],
    misses: &[r#"{"input_tokens":"12"}"#],
};

const ANCHORS: &[&str] = names::WORDS;

const NAME_LEN_MAX: usize = 64;
const GAP_LEN_MAX: usize = 8;
/// A value this long is one without looking at its letters.
const LOOK_LEN_MAX: usize = 256;
/// The longest type that is looked over.
const LABEL_LEN_MAX: usize = 40;
/// A password of digits is longer than a length, a port or an age.
const NUMBER_LEN_MIN: usize = 4;

/// What stands between name and value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    /// `name=value`.
    Tight,
    /// `name = value`, `:=`, `=>`.
    Loose,
    /// `==`.
    Compare,
    /// `name: value`.
    Colon,
    /// `--name value`.
    Flag,
    /// `<name>value<`.
    Tag,
}

/// An assignment whose value is a secret.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) name: Range<usize>,
    pub(super) value: Range<usize>,
}

fn find(text: &[u8], at: usize) -> Verdict {
    match parse(text, at) {
        Some(found) => Verdict::Hit(found.value),
        None => Verdict::NO,
    }
}

/// The assignment to the name around `at`.
pub(super) fn parse(text: &[u8], at: usize) -> Option<Found> {
    let in_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    let start = run_start_within(text, at, NAME_LEN_MAX, in_name);
    let end = run_end_within(text, at, NAME_LEN_MAX, in_name);
    let name = &text[start..end];
    // Headers have their own rules, and the user of a URL is no name.
    if name.len() < 3 || text[..start].ends_with(b"://") || names::is_named(name, "authorization") || is_cookie(name) {
        return None;
    }
    // `arn:…:secret:name` is a path.
    if before(text, start) == Some(b':') && text.get(end) == Some(&b':') {
        return None;
    }
    let strength = names::secrecy(name)?;
    let flag = name.starts_with(b"-") || memchr::memmem::find(name, b"--").is_some();
    let (operator, value) = match text.get(end) {
        Some(b'>') if before(text, start) == Some(b'<') => (Operator::Tag, end + 1),
        _ => operator(text, end, flag)?,
    };
    let value = match open_quote(text, value) {
        Some(quote) => quoted(text, &quote, strength)?,
        None => unquoted(text, value, strength, operator).or_else(|| default(text, value, strength, operator))?,
    };
    let path = names::is_path_name(name) && matches!(text[value.start], b'/' | b'~' | b'.');
    (!path).then_some(Found { name: start..end, value })
}

/// Headers of cookies have a detector of their own.
fn is_cookie(name: &[u8]) -> bool {
    ["cookie", "set-cookie"].iter().any(|header| name.eq_ignore_ascii_case(header.as_bytes()))
}

/// The operator behind a name that ends at `at`, and where its value starts. `flag`: the name is an option of a command.
pub(super) fn operator(text: &[u8], at: usize, flag: bool) -> Option<(Operator, usize)> {
    let closed = close_quote(text, at);
    let quoted = closed > at;
    let closed = if quoted && text.get(closed) == Some(&b']') { closed + 1 } else { closed };
    let gap = gap_end(text, closed);
    let (operator, end) = match text.get(gap..)? {
        [b'=', b'=', ..] => (Operator::Compare, gap + 2),
        [b':', b'=', b' ', ..] | [b'=', b'>', ..] => (Operator::Loose, gap + 2),
        [b':', b':', ..] => return None,
        // `${PASSWORD:-default}`
        [b':', b'-' | b'=', ..] => (Operator::Tight, gap + 2),
        [b'=', ..] if gap == closed && !matches!(text.get(gap + 1), Some(b' ')) => (Operator::Tight, gap + 1),
        [b'=', ..] => (Operator::Loose, gap + 1),
        [b'%', b'3', b'D' | b'd', ..] => (Operator::Tight, gap + 3),
        [b':', ..] => (Operator::Colon, gap + 1),
        [b',', ..] if flag && quoted => (Operator::Flag, gap + 1),
        _ if flag && gap > closed => (Operator::Flag, gap),
        _ => return None,
    };
    Some((operator, list_start(text, gap_end(text, end))))
}

/// The first value of a list is the value.
fn list_start(text: &[u8], at: usize) -> usize {
    let first = gap_end(text, at + 1);
    if text.get(at) == Some(&b'[') && matches!(text.get(first), Some(b'"' | b'\'' | b'\\')) { first } else { at }
}

fn gap_end(text: &[u8], at: usize) -> usize {
    run_end_within(text, at, GAP_LEN_MAX, |byte| matches!(byte, b' ' | b'\t'))
}

fn close_quote(text: &[u8], at: usize) -> usize {
    let quote = run_end_within(text, at, GAP_LEN_MAX, |byte| byte == b'\\');
    if matches!(text.get(quote), Some(b'"' | b'\'' | b'`')) { quote + 1 } else { at }
}

/// A quote that opens a value.
#[derive(Debug, Clone, Copy)]
pub(super) struct Quote {
    byte: u8,
    /// How many backslashes stand before it.
    escapes: usize,
    /// Where the text within starts.
    pub(super) content: usize,
}

pub(super) fn open_quote(text: &[u8], at: usize) -> Option<Quote> {
    // b"..", f"..", r"..", u".."
    let prefixed = matches!(text.get(at..), Some([b'b' | b'f' | b'r' | b'u', b'"' | b'\'', ..]));
    let at = at + usize::from(prefixed);
    let quote = run_end_within(text, at, GAP_LEN_MAX, |byte| byte == b'\\');
    match text.get(quote).copied() {
        Some(byte @ (b'"' | b'\'' | b'`')) => Some(Quote { byte, escapes: quote - at, content: quote + 1 }),
        _ => None,
    }
}

fn quoted(text: &[u8], quote: &Quote, strength: Strength) -> Option<Range<usize>> {
    let value = quote.content..quote_end(text, quote);
    let content = &text[value.clone()];
    if mask_len(content) == content.len() || is_stand_in(content) || is_label(content) || is_path(content) {
        return None;
    }
    // `token: "COMMA"` is a parser's.
    let token = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~+/=:|%,;!#*@$".contains(byte) || *byte == b'\\';
    let convincing = content.len() > LOOK_LEN_MAX || (looks_secret(content) && content.iter().all(token));
    (strength == Strength::Strong || convincing).then_some(value)
}

/// The value behind a type: `password: &str = "…"`.
fn default(text: &[u8], at: usize, strength: Strength, operator: Operator) -> Option<Range<usize>> {
    let kind = run_end_within(text, at, LABEL_LEN_MAX, |byte| {
        byte.is_ascii_alphanumeric()
            || matches!(byte, b'&' | b'<' | b'>' | b'_' | b'|' | b' ' | b'[' | b']' | b'\'' | b':')
    });
    let typed =
        operator == Operator::Colon && kind > at && text.get(kind) == Some(&b'=') && text.get(kind + 1) != Some(&b'=');
    let quote = typed.then(|| open_quote(text, gap_end(text, kind + 1))).flatten()?;
    quoted(text, &quote, strength)
}

/// A text without its closing quote ends with the line.
fn quote_end(text: &[u8], quote: &Quote) -> usize {
    let mut escapes = 0;
    for (index, byte) in text[quote.content..].iter().enumerate() {
        let closes = if quote.escapes == 0 { escapes % 2 == 0 } else { escapes <= quote.escapes };
        if *byte == b'\n' || (*byte == quote.byte && closes) {
            return quote.content + index - if quote.escapes == 0 { 0 } else { escapes };
        }
        escapes = if *byte == b'\\' { escapes + 1 } else { 0 };
    }
    text.len()
}

/// The value is judged by its head, so that a text full of names costs no more than one name.
fn unquoted(text: &[u8], at: usize, strength: Strength, operator: Operator) -> Option<Range<usize>> {
    let rest = at + mask_len(&text[at..]);
    let head = run_end_within(text, rest, LOOK_LEN_MAX, is_unquoted);
    if head == rest {
        return None;
    }
    let value = without_commas(&text[at..head]);
    let nested = value.starts_with(b"{") || (value.starts_with(b"[") && operator != Operator::Tight);
    let harmless = value.is_empty()
        || nested
        || is_stand_in(value)
        || is_word(value)
        || is_path(value)
        || is_code(value, operator, text.get(at + value.len()).copied())
        || (operator == Operator::Colon && goes_on(text, at..at + value.len()));
    if harmless || !is_convincing(value, strength, operator) {
        return None;
    }
    let end = run_end(text, head, is_unquoted);
    Some(at..at + without_commas(&text[at..end]).len())
}

/// `SECRETS: Kind = …` has a type there, and `pwd: expected bytes` a sentence.
fn goes_on(text: &[u8], value: Range<usize>) -> bool {
    let next = gap_end(text, value.end);
    let typed = text.get(next) == Some(&b'=')
        && text[value.clone()].iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
    let sentence = next > value.end && text.get(next).is_some_and(u8::is_ascii_lowercase);
    typed || (sentence && text[value].iter().all(u8::is_ascii_lowercase))
}

fn without_commas(mut value: &[u8]) -> &[u8] {
    while let [head @ .., b','] = value {
        value = head;
    }
    value
}

fn is_unquoted(byte: u8) -> bool {
    !matches!(
        byte,
        0..=b' ' | b'"' | b'\'' | b'`' | b'\\' | b';' | b'&' | b'|' | b'<' | b'>' | b')' | b'}' | b']' | 0x7f
    )
}

fn is_convincing(value: &[u8], strength: Strength, operator: Operator) -> bool {
    let number = value.iter().all(u8::is_ascii_digit);
    match (strength, operator) {
        (_, Operator::Compare) => false,
        _ if number && value.len() < NUMBER_LEN_MIN => false,
        (Strength::Weak, _) if number => false,
        (_, Operator::Flag) => value[0] != b'-',
        (_, Operator::Tight | Operator::Tag) | (Strength::Strong, _) => true,
        (Strength::Weak, _) => looks_secret(value),
    }
}

/// Letters and digits mixed, and long enough not to be a word.
pub(super) fn looks_secret(value: &[u8]) -> bool {
    value.len() >= 32
        || (value.len() >= 8 && value.iter().any(u8::is_ascii_digit) && value.iter().any(u8::is_ascii_alphabetic))
}

#[cfg(test)]
mod tests {
    use crate::processor::redact::text::tests::{masks, passes};

    const MASK: &str = "[REDACTED:secret-assignment]";

    #[test]
    fn values_are_masked_in_every_notation() {
        for (head, value, tail) in [
            ("password=", "hunter2", " next"),
            ("export FOO_SECRET=", "a,b-c", "\n"),
            ("--token ", "abc123", " --x"),
            ("--token=", "abc", ""),
            ("login --password ", "correct-horse", ""),
            ("\"api_key\": \"", "q w e", "\","),
            ("{\\\"password\\\":\\\"", "a b", "\\\"}"),
            ("password: ", "hunter2", ", user"),
            ("secret = ", "abc", "\n"),
            ("?access_token=", "abcdef", "&x=1"),
            ("clientSecret: '", "x y", "'"),
            ("<password>", "hunter2", "</password>"),
            ("config[\"password\"] = \"", "pw", "\""),
            ("\"--password\", \"", "pw", "\""),
            ("token: ", "abc123def456", ""),
            ("MYSQL_PASS=", "pw", " mysql"),
            ("password%3D", "hunter2", "&"),
            ("let password: &str = \"", "hunter2", "\";"),
            ("password: str = '", "hunter2", "'"),
            ("password = ", "hunter2", ";"),
            ("password: ", "correcthorse", "\n"),
            ("password = ", "swordfish", "\n"),
            ("password=\"", "cut off", ""),
            ("PGPASSWORD=\\\"", "x", "\\\" psql"),
            ("\\npassword=", "x1", "\\n"),
        ] {
            masks(&format!("{head}{value}{tail}"), &format!("{head}{MASK}{tail}"));
        }
    }

    #[test]
    fn references_words_and_code_pass() {
        for text in [
            "password=$PASSWORD",
            "--token ${TOKEN}",
            "token = get_token()",
            "secret: <secret>",
            "password: required",
            "unexpected token: foo",
            "let token = lexer.next();",
            "fn f(password: &str)",
            "password: Option<String>",
            "token: 5",
            "api_key=os.environ[\"X\"]",
            "PWD=/home/agent",
            "password=",
            "password",
            "--token",
            "input_tokens=12",
            "login(user=user, password=password)",
            "password = new_password",
            "self.password = password;",
            "const token = await getToken()",
            "password: newPassword,",
            "apiKey: config.apiKey",
            "\"password\": \"Enter your password\"",
            "token: \"COMMA\"",
            "private_key: /etc/ssl/server",
            "ssh_key = ~/.ssh/id_rsa",
            "secret: arn:aws:secretsmanager:eu-west-1:1:secret:x",
            "password = row[2]",
            "password=$password",
            "password: {password}",
            "password = ?",
            "VALUES (:password)",
            "password: 8",
            "api_key: https://console.example.com/keys",
            "const SECRETS: RapidSecrets = RapidSecrets::seed(1);",
            "FLAGS_PASS: u32 = 2;",
            "log_passwd: __u32,",
            "pwd: expected bytes",
            "MasterSecret => 0x0017,",
            "_token = r'(?:[a-z1]+)'",
            "password = \":****\"",
            "token_count: 12345678",
            "use the --token flag",
            "secret=***",
            "password: {",
            "max_token=abc123def456",
        ] {
            passes(text);
        }
    }
}
