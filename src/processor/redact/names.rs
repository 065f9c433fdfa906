//! Which names are names of secrets: `DB_PASSWORD`, `x-api-key`, `clientSecret`, but not `input_tokens`.
//!
//! A name is judged by its end, so that `password_policy` and `token.type` are none. All of it is plain suffixes in any
//! case: the prefilter relies on each secret name holding one of [`WORDS`].

/// How sure a name is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Strength {
    /// The word also means other things: `token`. A number is no secret then.
    Weak,
    /// Nothing but a secret is called that.
    Strong,
}

/// The words on which names hang, as prefilter and assignments look for them.
pub(super) const WORDS: &[&str] = &[
    "passw",
    "passphrase",
    "passcode",
    "_pass",
    "pwd",
    "secret",
    "token",
    "cookie",
    "authorization",
    "credential",
    "key",
];

const STRONG: &[&str] = &[
    "password",
    "passwords",
    "passwd",
    "passphrase",
    "passcode",
    "_pass",
    "pwd",
    "secret",
    "secrets",
    "apikeys",
    "credential",
    "credentials",
];
const WEAK: &[&str] = &["token", "cookie", "cookies", "authorization"];
/// What makes a `key` a secret one.
const KEY_KINDS: &[&str] =
    &["api", "access", "private", "secret", "encryption", "signing", "auth", "master", "hmac", "ssh"];
/// What makes a `key` a secret one or the name of an entry: `STORAGE_KEY = "theme"`.
const DOUBTFUL_KEY_KINDS: &[&str] =
    &["account", "shared", "storage", "subscription", "license", "app", "application", "admin", "deploy"];
/// What makes a `token` none.
const HARMLESS_TOKENS: &[&str] = &[
    "page",
    "next",
    "continuation",
    "cursor",
    "paging",
    "pagination",
    "sync",
    "resume",
    "cancellation",
    "max",
    "pad",
    "eos",
    "bos",
    "unk",
    "sep",
    "mask",
    "image",
    "first",
    "last",
    "per",
];
/// Words after the name that leave it a secret's name.
const QUALIFIERS: &[&str] =
    &["value", "base", "text", "string", "plain", "plaintext", "raw", "hash", "base64", "b64", "current", "new", "old"];

/// Judges a name. `None`: not a secret's.
pub(super) fn secrecy(name: &[u8]) -> Option<Strength> {
    let name = stem(name);
    if STRONG.iter().any(|word| ends_with(name, word)) {
        return Some(Strength::Strong);
    }
    if let Some(head) = strip(name, "key") {
        let doubtful = || follows(head, DOUBTFUL_KEY_KINDS).then_some(Strength::Weak);
        return follows(head, KEY_KINDS).then_some(Strength::Strong).or_else(doubtful);
    }
    if let Some(head) = strip(name, "token") {
        return (!follows(head, HARMLESS_TOKENS)).then_some(Strength::Weak);
    }
    WEAK.iter().any(|word| ends_with(name, word)).then_some(Strength::Weak)
}

/// True when the name is `extra`, or ends with it after a separator.
pub(super) fn is_named(name: &[u8], extra: &str) -> bool {
    strip(name, extra).is_some_and(|head| head.last().is_none_or(|byte| !byte.is_ascii_alphanumeric()))
}

/// True for `PWD`, which is a folder more often than a password.
pub(super) fn is_path_name(name: &[u8]) -> bool {
    ends_with(name, "pwd")
}

/// True for the names by which a value of the right shape is a secret key of AWS.
pub(super) fn is_aws(name: &[u8]) -> bool {
    let name = name.to_ascii_lowercase();
    let has = |word: &str| memchr::memmem::find(&name, word.as_bytes()).is_some();
    has("secret") && (has("access") || has("aws") || has("key"))
}

/// The name without the separators, digits and qualifiers at its end.
fn stem(mut name: &[u8]) -> &[u8] {
    for _ in 0..3 {
        while let [head @ .., last] = name
            && !last.is_ascii_alphabetic()
            && last.is_ascii()
        {
            name = head;
        }
        let Some(head) = QUALIFIERS.iter().find_map(|word| qualified(name, word)) else { break };
        name = head;
    }
    name
}

/// What stands before a qualifier that is a word of its own: after a separator, or by its capital.
fn qualified<'a>(name: &'a [u8], word: &str) -> Option<&'a [u8]> {
    let head = strip(name, word)?;
    let capital = name[head.len()].is_ascii_uppercase() && head.last().is_some_and(u8::is_ascii_lowercase);
    (capital || head.last().is_some_and(u8::is_ascii_punctuation)).then_some(head)
}

fn follows(head: &[u8], kinds: &[&str]) -> bool {
    let head = without_separators(head);
    kinds.iter().any(|kind| ends_with(head, kind))
}

/// Two separators at most may stand within a name such as `api_key`: characters that JSON never escapes.
fn without_separators(mut head: &[u8]) -> &[u8] {
    for _ in 0..2 {
        if let [rest @ .., last] = head
            && matches!(last, b'_' | b'-' | b'.' | b' ')
        {
            head = rest;
        }
    }
    head
}

/// True when these bytes, which stand before `key`, make it a secret one.
pub(super) fn makes_key_secret(head: &[u8]) -> bool {
    follows(head, KEY_KINDS) || follows(head, DOUBTFUL_KEY_KINDS)
}

fn ends_with(name: &[u8], word: &str) -> bool {
    strip(name, word).is_some()
}

fn strip<'a>(name: &'a [u8], word: &str) -> Option<&'a [u8]> {
    let (head, tail) = name.split_at_checked(name.len().checked_sub(word.len())?)?;
    tail.eq_ignore_ascii_case(word.as_bytes()).then_some(head)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_secrets_are_recognised() {
        for name in [
            "password",
            "db.password",
            "DB_PASSWORD",
            "userPassword",
            "passWord",
            "password2",
            "password_hash",
            "passwd",
            "MYSQL_PASS",
            "client_secret",
            "clientSecret",
            "secretValue",
            "api_key",
            "apikey",
            "apiKey",
            "APIKey",
            "x-api-key",
            "api.key",
            "AWS_SECRET_ACCESS_KEY",
            "private-key",
            "accesskey",
            "credentials",
            "PGPASSWORD",
        ] {
            assert_eq!(secrecy(name.as_bytes()), Some(Strength::Strong), "{name}");
        }
        for name in [
            "token",
            "access_token",
            "session_token",
            "authToken",
            "GITHUB_TOKEN",
            "http.request.header.authorization",
            "set-cookie",
            "Cookie",
            "proxy-authorization",
        ] {
            assert_eq!(secrecy(name.as_bytes()), Some(Strength::Weak), "{name}");
        }
    }

    #[test]
    fn names_of_other_things_are_not() {
        for name in [
            "",
            "gen_ai.usage.input_tokens",
            "token_count",
            "token.type",
            "max_token",
            "next_page_token",
            "nextPageToken",
            "password_policy",
            "secretary",
            "public_key",
            "key",
            "cache.key",
            "monkey",
            "cookie_count",
            "session.id",
            "AWS_ACCESS_KEY_ID",
            "private_key_id",
            "tokenizer",
            "bypass",
            "compass",
            "credentials_path",
            "keyboard",
        ] {
            assert_eq!(secrecy(name.as_bytes()), None, "{name}");
        }
    }

    #[test]
    fn extra_names_match_whole_words() {
        assert!(is_named(b"Tenant.Pin", "pin") && is_named(b"PIN", "pin") && is_named(b"card_pin", "pin"));
        assert!(!is_named(b"spin", "pin") && !is_named(b"pins", "pin"));
    }

    #[test]
    fn every_secret_name_holds_a_word() {
        for word in STRONG.iter().chain(WEAK) {
            assert!(WORDS.iter().any(|anchor| word.contains(anchor)), "{word}");
        }
    }
}
