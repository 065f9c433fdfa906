//! All that is needed to redact one string: the rules in force, the names of secrets, JSON inside.

use aho_corasick::BuildError;

use crate::processor::redact::Config;
use crate::processor::redact::detector::{Id, UNSCANNED, aws, bearer, ids, mask_len};
use crate::processor::redact::json;
use crate::processor::redact::names::{self, Strength};
use crate::processor::redact::prefilter::Prefilter;
use crate::processor::redact::text::{Counts, Scanner};

/// JSON in a string in JSON in a string: so deep and no deeper.
const NESTED_MAX: usize = 4;
const DECODES_MAX: usize = 3;

/// A configuration, ready to run.
#[derive(Debug)]
pub(super) struct Rulebook {
    pub(super) scanner: Scanner,
    pub(super) prefilter: Prefilter,
    keys: Vec<String>,
}

impl Rulebook {
    /// # Errors
    /// When the automatons would be too large.
    pub(super) fn new(config: &Config) -> Result<Self, BuildError> {
        let rules = config.detectors();
        let scanner = Scanner::new(&rules, &config.allowed)?;
        let prefilter = Prefilter::new(&rules, &config.keys)?;
        Ok(Self { scanner, prefilter, keys: config.keys.clone() })
    }

    /// The redacted text; `None` when there is nothing to mask.
    pub(super) fn redact(&self, text: &str, counts: &mut Counts) -> Option<String> {
        self.redact_nested("", text, 0, counts)
    }

    /// The same for a text under a key that may be the context of what it holds.
    pub(super) fn redact_under(&self, key: &str, text: &str, counts: &mut Counts) -> Option<String> {
        self.redact_nested(key, text, 0, counts)
    }

    pub(super) fn redact_nested(&self, key: &str, text: &str, nested: usize, counts: &mut Counts) -> Option<String> {
        if nested < NESTED_MAX
            && json::is_likely(text)
            && let Ok(redacted) = json::redact(self, text, nested, counts)
        {
            return redacted;
        }
        let masked = self.scanner.redact_under(key, text, counts);
        self.redact_escaped(masked.as_deref().unwrap_or(text), counts).or(masked)
    }

    /// Text that is no JSON (any more, when it was cut off) may still spell characters as `\u0040`.
    fn redact_escaped(&self, text: &str, counts: &mut Counts) -> Option<String> {
        let mut decoded = decode(text)?;
        for _ in 1..DECODES_MAX {
            let Some(again) = decode(&decoded) else {
                return self.scanner.redact(&decoded, counts);
            };
            decoded = again;
        }
        if decode(&decoded).is_none() {
            return self.scanner.redact(&decoded, counts);
        }
        counts.unscanned += 1;
        Some(UNSCANNED.to_owned())
    }

    /// How sure it is that a value under this name is a secret. `None`: it is not.
    pub(super) fn secrecy(&self, name: &str) -> Option<Strength> {
        // `[REDACTED:github-token]` is no name.
        let name = name.rfind("[REDACTED:").map_or(name, |at| &name[at + mask_len(&name.as_bytes()[at..])..]);
        if !self.scanner.has(ids::SECRET_KEY_NAME) {
            return None;
        }
        let extra = || self.keys.iter().any(|key| names::is_named(name.as_bytes(), key)).then_some(Strength::Strong);
        names::secrecy(name.as_bytes()).or_else(extra)
    }

    /// What stands for a text whose name says that it is a secret, and by which rule.
    pub(super) fn secret_text(&self, name: &str, text: &str) -> Option<(String, Id)> {
        let bytes = text.as_bytes();
        let path = names::is_path_name(name.as_bytes()) && text.starts_with(['/', '~', '.']);
        if path || mask_len(bytes) == bytes.len() || self.scanner.allows(text) {
            return None;
        }
        if names::is_named(name.as_bytes(), "authorization")
            && let Some(header) = self.header(text)
        {
            return header;
        }
        let key =
            aws::is_secret(bytes) && names::is_aws(name.as_bytes()) && self.scanner.has(ids::AWS_SECRET_ACCESS_KEY);
        let id = if key { ids::AWS_SECRET_ACCESS_KEY } else { ids::SECRET_KEY_NAME };
        Some((id.mask().to_owned(), id))
    }

    /// A header's value with its scheme kept; the inner `None` when the credentials are masked already.
    fn header(&self, text: &str) -> Option<Option<(String, Id)>> {
        let (scheme, credentials) = bearer::scheme_of(text)?;
        let id = if scheme.trim_ascii().eq_ignore_ascii_case("basic") {
            ids::BASIC_CREDENTIALS
        } else {
            ids::BEARER_CREDENTIALS
        };
        let masked = mask_len(credentials.as_bytes()) == credentials.len();
        self.scanner.has(id).then(|| (!masked).then(|| (format!("{scheme}{}", id.mask()), id)))
    }

    /// True for an option of a command that takes a secret: `--password`.
    pub(super) fn is_option(&self, text: &str) -> bool {
        self.scanner.has(ids::SECRET_ASSIGNMENT) && text.starts_with('-') && names::secrecy(text.as_bytes()).is_some()
    }

    /// What stands for the text behind such an option.
    pub(super) fn option_value(&self, text: &str, counts: &mut Counts) -> Option<String> {
        if text.is_empty()
            || text.starts_with('-')
            || mask_len(text.as_bytes()) == text.len()
            || self.scanner.allows(text)
        {
            return self.redact(text, counts);
        }
        counts.add(ids::SECRET_ASSIGNMENT);
        Some(ids::SECRET_ASSIGNMENT.mask().to_owned())
    }
}

/// The text with `\u0020` to `\u007e` undone; `None` when it has none.
fn decode(text: &str) -> Option<String> {
    let mut out: Option<String> = None;
    let mut passed = 0;
    for at in memchr::memmem::find_iter(text.as_bytes(), b"\\u00") {
        let printable = |code: &u8| (0x20..0x7f).contains(code);
        let code = text.get(at + 4..at + 6).and_then(|hex| u8::from_str_radix(hex, 16).ok()).filter(printable);
        let Some(code) = code.filter(|_| at >= passed) else { continue };
        let out = out.get_or_insert_default();
        out.push_str(&text[passed..at]);
        out.push(char::from(code));
        passed = at + 6;
    }
    out.map(|out| out + &text[passed..])
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::LazyLock;

    use proptest::prelude::*;

    use super::*;
    use crate::processor::redact::text::tests::pieces;

    pub(in super::super) static ALL: LazyLock<Rulebook> = LazyLock::new(|| Rulebook::new(&Config::default()).unwrap());

    pub(in super::super) fn redacted(text: &str) -> String {
        ALL.redact(text, &mut Counts::default()).unwrap_or_else(|| text.to_owned())
    }

    #[track_caller]
    pub(in super::super) fn masks(text: &str, expected: &str) {
        assert_eq!(redacted(text), expected);
        assert_eq!(redacted(expected), expected, "the second time");
    }

    #[test]
    fn values_of_secret_names_keep_schemes_and_masks() {
        let secret = |name, text| ALL.secret_text(name, text).map(|(masked, _)| masked);
        let mask = |id: Id| Some(id.mask().to_owned());
        assert_eq!(secret("password", "x"), mask(ids::SECRET_KEY_NAME));
        assert_eq!(secret("password", "[REDACTED:email]"), None);
        assert_eq!(secret("process.pwd", "/home/agent"), None);
        assert_eq!(secret("authorization", "x"), mask(ids::SECRET_KEY_NAME));
        assert_eq!(secret("authorization", "Basic eA==").as_deref(), Some("Basic [REDACTED:basic-credentials]"));
        assert_eq!(secret("authorization", "Basic [REDACTED:basic-credentials]"), None);
        let key = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
        assert_eq!(secret("aws_secret_access_key", key), mask(ids::AWS_SECRET_ACCESS_KEY));
    }

    #[test]
    fn extra_keys_are_secret_names() {
        let rules = Rulebook::new(&Config { keys: vec!["Tenant-PIN".to_owned()], ..Config::default() }).unwrap();
        assert_eq!(rules.secrecy("x.tenant-pin"), Some(Strength::Strong));
        assert_eq!(ALL.secrecy("x.tenant-pin"), None);
        let masked = rules.redact(r#"{"tenant-pin":1}"#, &mut Counts::default());
        assert_eq!(masked.as_deref(), Some(r#"{"tenant-pin":"[REDACTED:secret-key-name]"}"#));
    }

    #[test]
    fn escapes_are_undone_only_where_that_shows_a_secret() {
        masks("to bob\\u0040example.com", "to [REDACTED:email]");
        masks("a\\u0020b", "a\\u0020b");
        masks("\\u005cu005cu005cu005cu0040", UNSCANNED);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1500))]
        #[test]
        fn redacting_twice_is_redacting_once(text in pieces(), wrap in 0..4_u8) {
            let text = match wrap {
                0 => text,
                1 => serde_json::json!({ "a": [text, {"token": 1}] }).to_string(),
                2 => serde_json::json!({ text.clone(): serde_json::json!([text]).to_string() }).to_string(),
                _ => format!("{{\"a\":\"{text}"),
            };
            let once = redacted(&text);
            prop_assert_eq!(redacted(&once), once);
        }
    }
}
