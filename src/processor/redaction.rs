//! `redaction`: the Collector's processor of that name, for configurations that move over. Attributes by lists of keys,
//! values by regular expressions.
//!
//! It has the Collector's option names and none of its holes: every string of every signal is looked at (keys, bodies,
//! nested values, names, span events, links, exemplars), an allowed value does not excuse a blocked key, and a hash is
//! keyed. `docs/redaction-compat.md` lists each difference. What `redact` knows, this does not: validators, JSON inside
//! strings, rules by name. A pipeline may have both.

mod pass;
mod rules;
mod summary;
mod url;

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::otlp::DecodeError;
use crate::otlp::model::Batch;
use crate::processor::condition::check_regex;
use crate::processor::enrich::{HMAC_KEY_BYTES_MIN, check_hmac_key};
use crate::processor::{Outcome, Processor};
use crate::stdx::problem::{At, Problems, did_you_mean};
use crate::stdx::secret::Secret;

use pass::Pass;
use rules::Rules;

/// What to delete and mask.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Every key may stay. Default: false: only `allowed_keys` may, all other attributes are deleted.
    pub allow_all_keys: bool,
    /// Keys of attributes, and of entries in a log record's body, that may stay. Default: none.
    pub allowed_keys: Vec<String>,
    /// Keys whose attribute passes as it is, whatever it holds. Default: none.
    pub ignored_keys: Vec<String>,
    /// The same, by regular expressions that are found in the key. Default: none.
    pub ignored_key_patterns: Vec<String>,
    /// Regular expressions: where one is found in a key, at any depth, the whole value is masked. Default: none.
    pub blocked_key_patterns: Vec<String>,
    /// Regular expressions: what they find in a string is masked. Default: none.
    pub blocked_values: Vec<String>,
    /// Regular expressions: what a blocked value finds inside of what one of these finds stays. Default: none.
    pub allowed_values: Vec<String>,
    /// Numbers are looked at, too; one that holds a blocked value becomes a string. Default: true; the Collector has
    /// false.
    pub redact_all_types: bool,
    /// Masks are keyed hashes in hexadecimal, by which equal values can be told equal: `hmac-sha256` or `hmac-sha512`.
    /// Default: none, a mask is `****`.
    pub hash_function: String,
    /// The key of the hash: at least 32 bytes for `hmac-sha256`, 64 for `hmac-sha512`. Default: none.
    pub hmac_key: Option<Secret>,
    /// What is written on the record about it: `silent` nothing, `info` counts, `debug` counts and keys. Default: `silent`.
    pub summary: Summary,
    /// Takes ids out of the paths of URLs. Default: off.
    pub url_sanitizer: UrlSanitizer,
    /// Not known to telseal: refused, so that nobody relies on it.
    pub db_sanitizer: Option<IgnoredAny>,
}

/// Takes ids out of the paths of URLs.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct UrlSanitizer {
    /// Whether it runs. Default: false.
    pub enabled: bool,
    /// Attributes whose value is a URL or the path of one. Default: none.
    pub attributes: Vec<String>,
    /// Also in the names of spans, where a word is a URL or begins with `/`. Default: true.
    pub sanitize_span_name: bool,
}

impl Default for UrlSanitizer {
    fn default() -> Self {
        Self { enabled: false, attributes: vec![], sanitize_span_name: true }
    }
}

/// What is written on the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Summary {
    /// Nothing.
    #[default]
    #[serde(alias = "")]
    Silent,
    /// Counts.
    Info,
    /// Counts and the keys.
    Debug,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            allow_all_keys: false,
            allowed_keys: vec![],
            ignored_keys: vec![],
            ignored_key_patterns: vec![],
            blocked_key_patterns: vec![],
            blocked_values: vec![],
            allowed_values: vec![],
            redact_all_types: true,
            hash_function: String::new(),
            hmac_key: None,
            summary: Summary::Silent,
            url_sanitizer: UrlSanitizer::default(),
            db_sanitizer: None,
        }
    }
}

const KEYED: [&str; 2] = ["hmac-sha256", "hmac-sha512"];
const UNKEYED: [&str; 3] = ["md5", "sha1", "sha3"];

impl Config {
    /// Finds what cannot work.
    pub fn check(&self, at: &At, problems: &mut Problems) {
        if !self.allow_all_keys && self.allowed_keys.is_empty() {
            let hint = "list `allowed_keys`, or set `allow_all_keys: true`";
            problems.add_hint(at, "no key is allowed: every attribute would be deleted", hint);
        }
        for (key, list) in self.patterns() {
            for (index, pattern) in list.iter().enumerate() {
                check_regex(pattern, &at.key(key).item(index), problems);
            }
        }
        self.check_hash(at, problems);
        if self.db_sanitizer.is_some() {
            let hint = "take it out and write `blocked_values`, or add the processor `redact`";
            problems.add_hint(&at.key("db_sanitizer"), "telseal has no such sanitizer", hint);
        }
    }

    fn patterns(&self) -> [(&'static str, &[String]); 4] {
        [
            ("ignored_key_patterns", &self.ignored_key_patterns),
            ("blocked_key_patterns", &self.blocked_key_patterns),
            ("blocked_values", &self.blocked_values),
            ("allowed_values", &self.allowed_values),
        ]
    }

    fn check_hash(&self, at: &At, problems: &mut Problems) {
        let here = at.key("hash_function");
        let key = self.hmac_key.as_ref();
        match self.hash_function.as_str() {
            "" if key.is_some() => {
                problems.add_hint(&at.key("hmac_key"), "a key without `hash_function`", "set it to `hmac-sha256`");
            }
            "" => {}
            word if KEYED.contains(&word) => {
                let bytes_min = if word == KEYED[1] { 2 * HMAC_KEY_BYTES_MIN } else { HMAC_KEY_BYTES_MIN };
                check_hmac_key(key, bytes_min, &at.key("hmac_key"), problems);
                if key.is_none() {
                    problems.add_hint(&at.key("hmac_key"), "the hash needs a key", "`hmac_key: ${env:NAME}`");
                }
            }
            word if UNKEYED.contains(&word) => problems.add_hint(
                &here,
                format!("`{word}` is no protection: whoever guesses a value can prove it"),
                "use `hmac-sha256` with `hmac_key`",
            ),
            word => {
                let meant = did_you_mean(word, KEYED).unwrap_or(KEYED[0]);
                problems.add_hint(&here, format!("no hash function `{word}`"), format!("did you mean `{meant}`?"));
            }
        }
    }
}

/// The processor.
#[derive(Debug)]
pub struct Redaction(Rules);

impl Redaction {
    /// Makes a checked configuration ready to run.
    ///
    /// # Errors
    /// When a pattern is no regular expression, or all of them together are too large.
    pub fn new(config: &Config) -> Result<Self, regex::Error> {
        Rules::new(config).map(Self)
    }
}

impl Processor for Redaction {
    fn process<'a>(&'a self, batch: &mut Batch<'a>) -> Result<Outcome, DecodeError> {
        let mut pass = Pass::new(&self.0, batch.signal, batch.arena());
        let mut changed = 0;
        for owner in batch.owners() {
            pass.entity(owner)?;
        }
        for record in batch.records() {
            changed += pass.record(record)?;
        }
        batch.rewrite_rest(&mut pass)?;
        pass.publish();
        Ok(Outcome { changed, ..Outcome::default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(yaml: &str) -> Vec<String> {
        let config: Config = serde_saphyr::from_str(yaml).unwrap();
        let mut problems = Problems::default();
        config.check(&At::new("r"), &mut problems);
        problems.0.into_iter().map(|p| format!("{}: {}", p.path, p.message)).collect()
    }

    #[test]
    fn a_configuration_of_the_collector_has_no_problem() {
        let yaml = "{allow_all_keys: false, allowed_keys: [description, group], ignored_keys: [safe], \
                    ignored_key_patterns: ['^safe_'], blocked_key_patterns: ['.*token.*'], \
                    blocked_values: ['4[0-9]{12}(?:[0-9]{3})?'], allowed_values: ['.+@mycompany.com'], \
                    redact_all_types: true, hash_function: hmac-sha256, \
                    hmac_key: 0123456789abcdef0123456789abcdef, summary: debug}";
        assert_eq!(problems(yaml), Vec::<String>::new());
    }

    #[test]
    fn what_would_protect_nothing_is_refused() {
        assert_eq!(problems("{}"), ["r: no key is allowed: every attribute would be deleted"]);
        let of = |rest: &str| problems(&format!("{{allow_all_keys: true, {rest}}}")).join("|");
        for unkeyed in ["md5", "sha1", "sha3"] {
            assert!(of(&format!("hash_function: {unkeyed}")).contains("is no protection"), "{unkeyed}");
        }
        assert!(of("hash_function: hmac-sha256").contains("r.hmac_key: the hash needs a key"));
        assert!(of("hash_function: hmac-sha512, hmac_key: 0123456789abcdef0123456789abcdef").contains("64 bytes"));
        assert!(of("hmac_key: 0123456789abcdef0123456789abcdef").contains("without `hash_function`"));
        assert!(of("blocked_values: ['(']").contains("r.blocked_values[0]: not a regular expression"));
        assert!(of("db_sanitizer: {sql: {enabled: true}}").contains("no such sanitizer"));
        assert_eq!(of("url_sanitizer: {enabled: true, attributes: [url.full]}"), "");
    }
}
