//! The lists of a configuration, compiled: what a key may do, and what of a text is masked.

use std::borrow::Cow;
use std::collections::HashSet;
use std::ops::Range;

use aws_lc_rs::hmac;
use regex::{Regex, RegexSet};

use super::{Config, Summary, url};
use crate::otlp::value::Value;
use crate::processor::scalar;
use crate::stdx::json::write::write_hex;

/// What stands for a masked text where nothing is hashed.
const MASK: &str = "****";

/// A configuration, ready to run.
#[derive(Debug)]
pub(super) struct Rules {
    allowed_keys: Option<HashSet<String>>,
    ignored_keys: HashSet<String>,
    ignored_key_patterns: RegexSet,
    blocked_key_patterns: RegexSet,
    blocked: RegexSet,
    blocked_values: Vec<Regex>,
    allowed_values: Vec<Regex>,
    pub(super) all_types: bool,
    hash: Option<hmac::Key>,
    pub(super) summary: Summary,
    urls: HashSet<String>,
    urls_in_names: bool,
}

/// What came of a text.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Scan {
    /// The masked text, if anything was masked.
    pub(super) masked: Option<String>,
    /// How often each blocked value masked something.
    pub(super) by: Vec<(usize, u64)>,
    /// An allowed value kept something from being masked.
    pub(super) spared: bool,
}

impl Rules {
    /// # Errors
    /// When a pattern is no regular expression, or all of them together are too large.
    pub(super) fn new(config: &Config) -> Result<Self, regex::Error> {
        let compile = |list: &[String]| list.iter().map(|pattern| Regex::new(pattern)).collect::<Result<Vec<_>, _>>();
        let algorithm = if config.hash_function == super::KEYED[1] { hmac::HMAC_SHA512 } else { hmac::HMAC_SHA256 };
        let sanitizer = &config.url_sanitizer;
        let key = config.hmac_key.as_ref().filter(|_| !config.hash_function.is_empty());
        Ok(Self {
            allowed_keys: (!config.allow_all_keys).then(|| config.allowed_keys.iter().cloned().collect()),
            ignored_keys: config.ignored_keys.iter().cloned().collect(),
            ignored_key_patterns: RegexSet::new(&config.ignored_key_patterns)?,
            blocked_key_patterns: RegexSet::new(&config.blocked_key_patterns)?,
            blocked: RegexSet::new(&config.blocked_values)?,
            blocked_values: compile(&config.blocked_values)?,
            allowed_values: compile(&config.allowed_values)?,
            all_types: config.redact_all_types,
            hash: key.map(|key| hmac::Key::new(algorithm, key.reveal().as_bytes())),
            summary: config.summary,
            urls: sanitizer.attributes.iter().filter(|_| sanitizer.enabled).cloned().collect(),
            urls_in_names: sanitizer.enabled && sanitizer.sanitize_span_name,
        })
    }

    /// How many blocked values there are, and how many patterns for keys.
    pub(super) fn sizes(&self) -> (usize, usize) {
        (self.blocked_values.len(), self.blocked_key_patterns.len())
    }

    /// An attribute, or an entry of a body, with this key passes as it is.
    pub(super) fn is_ignored(&self, key: &str) -> bool {
        (!self.ignored_keys.is_empty() && self.ignored_keys.contains(key))
            || (!self.ignored_key_patterns.is_empty() && self.ignored_key_patterns.is_match(key))
    }

    /// It goes: its key is not allowed.
    pub(super) fn is_removed(&self, key: &str) -> bool {
        self.allowed_keys.as_ref().is_some_and(|allowed| !allowed.contains(key)) && !self.is_ignored(key)
    }

    /// Its value is masked: the first pattern that is found in the key.
    pub(super) fn blocked_key(&self, key: &str) -> Option<usize> {
        if self.blocked_key_patterns.is_empty() {
            return None;
        }
        self.blocked_key_patterns.matches(key).iter().next()
    }

    /// The URL without ids, if the value under this key is one and has any.
    pub(super) fn url(&self, key: &str, text: &str) -> Option<String> {
        if self.urls.is_empty() || !self.urls.contains(key) { None } else { url::sanitized(text) }
    }

    /// The same for the URLs in the name of a span.
    pub(super) fn name(&self, name: &str) -> Option<String> {
        if self.urls_in_names && name.contains('/') { url::sanitized_words(name) } else { None }
    }

    /// What stands for a whole value.
    pub(super) fn mask_of(&self, value: Value<'_>) -> String {
        let mut buffer = String::new();
        let bytes = match value {
            Value::Bytes(bytes) | Value::Array(bytes) | Value::Map(bytes) | Value::Unknown(bytes) => bytes,
            scalar => scalar::text_of(scalar, &mut buffer).as_bytes(),
        };
        self.mask(bytes).into_owned()
    }

    fn mask(&self, bytes: &[u8]) -> Cow<'static, str> {
        let Some(key) = &self.hash else { return Cow::Borrowed(MASK) };
        let mut hex = Vec::new();
        write_hex(&mut hex, hmac::sign(key, bytes).as_ref());
        Cow::Owned(String::from_utf8_lossy(&hex).into_owned())
    }

    /// Masks what the blocked values find. All of them look at the text as it came: none sees another's mask, and what
    /// overlaps is masked once.
    pub(super) fn scan(&self, text: &str) -> Scan {
        let mut scan = Scan::default();
        let hits = self.blocked.matches(text);
        if !hits.matched_any() {
            return scan;
        }
        let allowed = spans(self.allowed_values.iter(), text);
        let is_allowed =
            |found: &Range<usize>| allowed.iter().any(|span| span.start <= found.start && found.end <= span.end);
        let mut spans: Vec<Range<usize>> = Vec::new();
        for number in &hits {
            let before = spans.len();
            for found in self.blocked_values[number].find_iter(text).map(|found| found.range()) {
                match is_allowed(&found) {
                    true => scan.spared = true,
                    false if found.is_empty() => {}
                    false => spans.push(found),
                }
            }
            if spans.len() > before {
                scan.by.push((number, (spans.len() - before) as u64));
            }
        }
        scan.masked = self.replaced(text, spans);
        scan
    }

    fn replaced(&self, text: &str, mut spans: Vec<Range<usize>>) -> Option<String> {
        if spans.is_empty() {
            return None;
        }
        spans.sort_unstable_by_key(|span| span.start);
        spans.dedup_by(|next, kept| {
            let overlaps = next.start < kept.end;
            kept.end = if overlaps { kept.end.max(next.end) } else { kept.end };
            overlaps
        });
        let mut out = String::with_capacity(text.len());
        let mut passed = 0;
        for span in spans {
            out.push_str(&text[passed..span.start]);
            out.push_str(&self.mask(text[span.clone()].as_bytes()));
            passed = span.end;
        }
        out.push_str(&text[passed..]);
        Some(out)
    }
}

/// What the patterns find; parts that follow each other without a gap are not joined.
fn spans<'r>(patterns: impl Iterator<Item = &'r Regex>, text: &str) -> Vec<Range<usize>> {
    patterns.flat_map(|pattern| pattern.find_iter(text).map(|found| found.range()).collect::<Vec<_>>()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(yaml: &str) -> Rules {
        Rules::new(&serde_saphyr::from_str(&format!("{{allow_all_keys: true, {yaml}}}")).unwrap()).unwrap()
    }

    #[test]
    fn patterns_look_at_the_text_as_it_came_and_overlaps_are_masked_once() {
        let rules = rules(r"blocked_values: ['\d{4}', '34\w+', 'x*', '\*+']");
        assert_eq!(rules.scan("a1234bc d").masked.as_deref(), Some("a**** d"));
        assert_eq!(rules.scan("nothing").masked, None);
        assert_eq!(rules.scan("1234 5678").masked.as_deref(), Some("**** ****"));
    }

    #[test]
    fn an_allowed_value_spares_only_what_lies_inside_of_it() {
        let rules = rules(r"blocked_values: ['[\w.]+@[\w.]+'], allowed_values: ['[\w.]+@example\.com\b']");
        let scan = rules.scan("a@example.com b@evil.org");
        assert_eq!(scan.masked.as_deref(), Some("a@example.com ****"));
        assert!(scan.spared);
        assert_eq!(scan.by, [(0, 1)]);
    }

    #[test]
    fn a_keyed_hash_stands_for_equal_texts_equally() {
        let rules = rules(
            "hash_function: hmac-sha256, hmac_key: 0123456789abcdef0123456789abcdef, blocked_values: ['[a-z]+@x']",
        );
        let masked = |text: &str| rules.scan(text).masked.unwrap();
        assert_eq!(masked("a@x"), rules.mask_of(Value::Str("a@x")));
        assert_ne!(masked("a@x"), masked("b@x"));
        assert_eq!(masked("a@x").len(), 64);
        // printf 'a@x' | openssl dgst -sha256 -hmac 0123456789abcdef0123456789abcdef
        assert_eq!(masked("a@x"), EXPECTED);
    }

    const EXPECTED: &str = "aa6ab3ec2459e7e87600aa00ebafa5fbbfc4b494dee32e72507ca8cdc0a372d1";

    #[test]
    fn an_ignored_key_needs_not_be_allowed() {
        let yaml = "{allowed_keys: [a_token, b], ignored_keys: [c_token], blocked_key_patterns: [token]}";
        let rules = Rules::new(&serde_saphyr::from_str(yaml).unwrap()).unwrap();
        assert!(rules.is_ignored("c_token") && !rules.is_removed("c_token"));
        assert!(rules.is_removed("d_token") && !rules.is_removed("a_token") && !rules.is_removed("b"));
        assert_eq!((rules.blocked_key("a_token"), rules.blocked_key("b")), (Some(0), None));
    }
}
