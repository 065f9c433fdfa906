//! What is no secret although it stands where one may: references, stand-ins, key words, labels, code.

use crate::processor::redact::detector::assignment::Operator;
use crate::processor::redact::detector::bytes::{has_at, run_end};
use crate::processor::redact::detector::format;
use crate::processor::redact::names;

const NAME_LEN_MAX: usize = 64;
/// Values are judged by their head.
const HEAD_LEN: usize = 256;

/// A reference to a value kept elsewhere, a placeholder, or stars.
pub(in super::super) fn is_reference(value: &[u8]) -> bool {
    match value {
        [b'$' | b'#' | b'%', b'{' | b'(', ..] | [b'{', b'{', ..] => true,
        [b'{', name @ .., b'}'] | [b'%', name @ .., b'%'] | [b'@', name @ .., b'@'] if name.len() <= NAME_LEN_MAX => {
            name.iter().all(|byte| is_name(*byte))
        }
        [b'$', name @ ..] if name.len() <= NAME_LEN_MAX => is_variable(name),
        [b':' | b'@', name @ ..] if name.len() <= NAME_LEN_MAX => {
            speaks(name) && name.iter().all(|byte| is_name(*byte))
        }
        [b'%', b's' | b'd' | b'v' | b'q'] => true,
        [b'<', .., b'>'] => value.len() <= NAME_LEN_MAX,
        [first @ (b'*' | b'.' | b'x' | b'X'), rest @ ..] => {
            (matches!(first, b'*' | b'.') || rest.len() >= 3)
                && rest.len() <= NAME_LEN_MAX
                && rest.iter().all(|byte| byte == first)
        }
        _ => KEPT_ELSEWHERE.iter().any(|head| has_at(value, 0, head)),
    }
}

/// What a value starts with that only says where the secret is.
const KEPT_ELSEWHERE: &[&str] = &[
    "arn:",
    "op://",
    "vault:",
    "ssm:",
    "env:",
    "file:",
    "keyring:",
    "projects/",
    "kubernetes.io/",
    "http://",
    "https://",
    "!ref",
    "!sub",
    "!vault",
    "!secret",
    "!getatt",
    "enc[",
    "\u{2022}\u{2022}",
    "~/",
    "./",
    "../",
];

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-')
}

/// `$TOKEN`, `$token2` when it speaks of one, `$dbPass`: a password such as `$ecret123` is none.
fn is_variable(name: &[u8]) -> bool {
    let upper = |byte: &u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || *byte == b'_';
    let plain = |byte: &u8| byte.is_ascii_alphabetic() || *byte == b'_';
    !name.is_empty() && (name.iter().all(upper) || name.iter().all(plain))
}

/// A reference, or what people write where a secret belongs: `<password>`, `your-password`, `changeme`, `xxxx`, `?`.
pub(in super::super) fn is_stand_in(value: &[u8]) -> bool {
    let head = &value[..value.len().min(HEAD_LEN)];
    let silent =
        value.len() <= NAME_LEN_MAX && !head.iter().any(|byte| byte.is_ascii_alphanumeric() || !byte.is_ascii());
    silent || is_reference(value) || format::names_a_stand_in(head)
}

/// Key words, types, and the words with which people go on after `password:`.
const NO_VALUES: &[&str] = &[
    "true",
    "false",
    "null",
    "none",
    "nil",
    "undefined",
    "yes",
    "no",
    "on",
    "off",
    "string",
    "str",
    "&str",
    "text",
    "bytes",
    "int",
    "number",
    "any",
    "char",
    "varchar",
    "bool",
    "boolean",
    "object",
    "required",
    "optional",
    "invalid",
    "missing",
    "incorrect",
    "expired",
    "wrong",
    "failed",
    "empty",
    "unset",
    "not",
    "must",
    "is",
    "are",
    "the",
    "a",
    "an",
    "and",
    "or",
    "for",
    "from",
    "in",
    "to",
    "with",
    "if",
    "should",
    "can",
    "cannot",
    "was",
    "has",
    "flag",
    "option",
    "argument",
    "env",
    "default",
    "hidden",
    "redacted",
    "-",
    "--",
    "...",
    "=",
];

/// True when the value of a key that names a secret is none: a reference, a stand-in, a type, a form's label.
pub(in super::super) fn is_harmless(value: &[u8]) -> bool {
    is_stand_in(value) || is_word(value) || is_label(value)
}

/// True for a word that goes on after a name without being a value.
pub(super) fn is_word(value: &[u8]) -> bool {
    NO_VALUES.iter().any(|word| value.eq_ignore_ascii_case(word.as_bytes()))
        || is_number_type(value)
        || is_short_hex(value)
}

/// `u32`, `__u64`, `int32_t`, `float64`.
fn is_number_type(value: &[u8]) -> bool {
    let name = value.strip_prefix(b"__").unwrap_or(value);
    let name = name.strip_suffix(b"_t").unwrap_or(name);
    let digits = name.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    let kinds: [&[u8]; 8] = [b"u", b"i", b"f", b"s", b"int", b"uint", b"float", b"usize"];
    kinds.contains(&&name[..name.len() - digits]) && digits <= 3
}

/// `0x0017`
fn is_short_hex(value: &[u8]) -> bool {
    value.len() <= 10 && value.strip_prefix(b"0x").is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
}

/// True when the text itself names a secret: `new_password`.
fn speaks(value: &[u8]) -> bool {
    let lower = value[..value.len().min(HEAD_LEN)].to_ascii_lowercase();
    names::WORDS.iter().any(|word| memchr::memmem::find(&lower, word.as_bytes()).is_some())
}

/// `Enter your password`, `API key`: what a form shows for the name.
pub(super) fn is_label(value: &[u8]) -> bool {
    let head = &value[..value.len().min(HEAD_LEN)];
    let written = head.first().is_some_and(u8::is_ascii_uppercase) || head.contains(&b' ');
    written && !head.iter().any(u8::is_ascii_digit) && speaks(head)
}

/// Calls (`get_token()`), indexes (`row[2]`), paths of names (`config.secret`), names of variables, generic types.
/// `next` is what stands behind the value.
pub(super) fn is_code(value: &[u8], operator: Operator, next: Option<u8>) -> bool {
    let name =
        run_end(value, 0, |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b':' | b'!' | b'?'));
    let called = name > 0 && matches!(value.get(name), Some(b'(' | b'['));
    let scoped = [
        "os.environ",
        "process.env",
        "self.",
        "this.",
        "std::",
        "env.",
        "secrets.",
        "Option<",
        "Optional[",
        "var.",
        "local.",
        "await",
    ];
    let bare = name == value.len() && !value.iter().any(u8::is_ascii_digit) && value[0] != b'!';
    called || scoped.iter().any(|head| has_at(value, 0, head)) || (bare && is_variable_of(value, operator, next))
}

fn is_variable_of(value: &[u8], operator: Operator, next: Option<u8>) -> bool {
    let dotted = value.contains(&b'.');
    let camel = value.windows(2).any(|pair| pair[0].is_ascii_lowercase() && pair[1].is_ascii_uppercase());
    let ends = matches!(next, Some(b';' | b')' | b',' | b'}'));
    match operator {
        Operator::Loose => dotted || value.contains(&b'_') || camel || ends || speaks(value),
        Operator::Colon => (dotted && speaks(value)) || ((speaks(value) || dotted || camel) && ends),
        Operator::Tight => (speaks(value) || dotted) && matches!(next, Some(b')' | b',')),
        Operator::Compare | Operator::Flag | Operator::Tag => false,
    }
}

/// A path such as `/etc/ssl/server.key`: what holds a key is no key.
pub(super) fn is_path(value: &[u8]) -> bool {
    let inside = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'.' | b'_' | b'-');
    let files = [".pem", ".key", ".crt", ".pub", ".json", ".txt", ".yaml", ".yml", ".p12", ".jks", ".env"];
    let file = files.iter().any(|file| value.ends_with(file.as_bytes()));
    value.len() <= HEAD_LEN
        && value.iter().all(inside)
        && (file || (value[0] == b'/' && value.len() != 40 && !value.iter().any(u8::is_ascii_digit)))
}
