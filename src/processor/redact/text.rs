//! The exact pass over one text: all rules, one walk for their anchors, one for digits.
//!
//! Findings that overlap are masked together. The masked text is scanned again until nothing is found, so redacting
//! twice is redacting once; a text that does not come to rest is replaced as a whole.

use std::ops::Range;

use aho_corasick::{AhoCorasick, AhoCorasickKind, BuildError};

use crate::processor::redact::rules::{COUNT, Find, Id, Rule, UNSCANNED, Verdict};

const ROUNDS_MAX: usize = 4;

/// Findings by rule, and texts that could not be scanned.
pub(super) type Counts = [u64; COUNT + 1];

/// Where [`Counts`] has the texts that could not be scanned.
pub(super) const UNSCANNED_COUNT: usize = COUNT;

/// The rules in force, ready to run.
#[derive(Debug)]
pub(super) struct Scanner {
    anchors: AhoCorasick,
    /// The rule of each anchor.
    owners: Vec<(Id, Finder)>,
    digits: Vec<Finder>,
    allowed: Vec<String>,
    in_force: [bool; COUNT],
}

type Finder = fn(&[u8], usize) -> Verdict;

#[derive(Debug, Clone, PartialEq, Eq)]
struct Finding {
    span: Range<usize>,
    id: Id,
}

impl Scanner {
    /// # Errors
    /// When the automaton would be too large.
    pub(super) fn new(rules: &[&'static Rule], allowed: &[String]) -> Result<Self, BuildError> {
        let (mut literals, mut owners, mut digits) = (Vec::new(), Vec::new(), Vec::new());
        let mut in_force = [false; COUNT];
        for rule in rules {
            in_force[rule.id as usize] = true;
            match rule.find {
                Find::Anchors(anchors, find) => {
                    literals.extend_from_slice(anchors);
                    owners.extend(anchors.iter().map(|_| (rule.id, find)));
                }
                Find::Digits(find) => digits.push(find),
                Find::Key => {}
            }
        }
        let anchors =
            AhoCorasick::builder().ascii_case_insensitive(true).kind(Some(AhoCorasickKind::DFA)).build(literals)?;
        Ok(Self { anchors, owners, digits, allowed: allowed.to_vec(), in_force })
    }

    /// True when the rule is in force.
    pub(super) fn has(&self, id: Id) -> bool {
        self.in_force[id as usize]
    }

    /// True for a value that the configuration lets pass.
    pub(super) fn allows(&self, value: &str) -> bool {
        self.allowed.iter().any(|allowed| allowed == value)
    }

    /// The masked text; `None` when there is nothing to mask.
    pub(super) fn redact(&self, text: &str, counts: &mut Counts) -> Option<String> {
        let mut masked = self.once(text, counts)?;
        for _ in 1..ROUNDS_MAX {
            match self.once(&masked, counts) {
                Some(again) => masked = again,
                None => return Some(masked),
            }
        }
        if self.findings(&masked).is_empty() {
            return Some(masked);
        }
        Some(unscanned(counts))
    }

    fn once(&self, text: &str, counts: &mut Counts) -> Option<String> {
        let findings = self.findings(text);
        if findings.is_empty() {
            return None;
        }
        for finding in &findings {
            counts[finding.id as usize] += 1;
        }
        Some(apply(text, &findings).unwrap_or_else(|| unscanned(counts)))
    }

    /// What is to be masked: in order, apart from each other.
    fn findings(&self, text: &str) -> Vec<Finding> {
        let mut found = Vec::new();
        self.at_anchors(text, &mut found);
        if !self.digits.is_empty() {
            self.at_digits(text.as_bytes(), &mut found);
        }
        if !self.allowed.is_empty() {
            found.retain(|finding| !text.get(finding.span.clone()).is_some_and(|value| self.allows(value)));
        }
        merged(found)
    }

    fn at_anchors(&self, text: &str, found: &mut Vec<Finding>) {
        let mut resume = [0; COUNT];
        for anchor in self.anchors.find_overlapping_iter(text) {
            let (rule, find) = self.owners[anchor.pattern().as_usize()];
            let resume = &mut resume[rule as usize];
            if anchor.start() < *resume {
                continue;
            }
            match find(text.as_bytes(), anchor.start()) {
                Verdict::Hit(span, id) => {
                    *resume = span.end;
                    found.push(Finding { span, id });
                }
                Verdict::Miss(until) => *resume = until,
            }
        }
    }

    fn at_digits(&self, text: &[u8], found: &mut Vec<Finding>) {
        let mut at = 0;
        while let Some(run) = text[at..].iter().position(u8::is_ascii_digit) {
            at += run;
            let mut end = at + text[at..].iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len() - at);
            for find in &self.digits {
                if let Verdict::Hit(span, id) = find(text, at) {
                    end = end.max(span.end);
                    found.push(Finding { span, id });
                }
            }
            at = end;
        }
    }
}

fn unscanned(counts: &mut Counts) -> String {
    counts[UNSCANNED_COUNT] += 1;
    UNSCANNED.to_owned()
}

/// Sorted, and overlapping ones made one, under the name that comes first.
fn merged(mut found: Vec<Finding>) -> Vec<Finding> {
    found.sort_by_key(|finding| finding.span.start);
    found.dedup_by(|next, last| {
        let overlap = next.span.start < last.span.end;
        if overlap {
            last.span.end = last.span.end.max(next.span.end);
            last.id = last.id.min(next.id);
        }
        overlap
    });
    found
}

fn apply(text: &str, findings: &[Finding]) -> Option<String> {
    let mut out = String::with_capacity(text.len() + 16 * findings.len());
    let mut passed = 0;
    for finding in findings {
        out.push_str(text.get(passed..finding.span.start)?);
        out.push_str(finding.id.mask());
        passed = finding.span.end;
    }
    out.push_str(text.get(passed..)?);
    Some(out)
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::LazyLock;

    use proptest::prelude::*;

    use super::*;
    use crate::processor::redact::Config;

    pub(in super::super) static ALL: LazyLock<Scanner> =
        LazyLock::new(|| Scanner::new(&Config::default().rules(), &[]).unwrap());

    pub(in super::super) fn redacted(text: &str) -> String {
        ALL.redact(text, &mut Counts::default()).unwrap_or_else(|| text.to_owned())
    }

    #[track_caller]
    pub(in super::super) fn masks(text: &str, expected: &str) {
        assert_eq!(redacted(text), expected);
        assert_eq!(redacted(expected), expected, "the second time");
    }

    #[track_caller]
    pub(in super::super) fn passes(text: &str) {
        assert_eq!(redacted(text), text);
    }

    #[test]
    fn overlapping_findings_are_masked_together_under_the_more_telling_name() {
        let token = format!("ghp_{}", "a1B2".repeat(9));
        masks(&format!("GITHUB_TOKEN={token} x"), "GITHUB_TOKEN=[REDACTED:github-token] x");
        masks(
            &format!("https://x-access-token:{token}@github.com/example/api.git"),
            "https://x-access-token:[REDACTED:github-token]@github.com/example/api.git",
        );
        masks("https://bob:pw@example.com/", "https://bob:[REDACTED:url-credentials]@example.com/");
    }

    #[test]
    fn a_secret_beside_a_mask_is_no_mask() {
        masks("password=[REDACTED:jwt]hunter2", "password=[REDACTED:secret-assignment]");
        masks("password=\"[REDACTED:hunter2]\"", "password=\"[REDACTED:secret-assignment]\"");
    }

    #[test]
    fn allowed_values_pass_and_only_they() {
        let scanner = Scanner::new(&Config::default().rules(), &["bob@example.com".to_owned()]).unwrap();
        let mut counts = Counts::default();
        let text = scanner.redact("bob@example.com, eve@example.com", &mut counts);
        assert_eq!(text.as_deref(), Some("bob@example.com, [REDACTED:email]"));
        assert_eq!(counts[Id::Email as usize], 1);
    }

    #[test]
    fn the_scan_is_linear_on_texts_made_to_be_slow() {
        for piece in [
            "eyJ",
            "sk-",
            "a@",
            "://a:a@",
            "://a:b/",
            "password",
            "token:",
            "token=",
            "key",
            "4111 ",
            "4111-",
            "-----BEGIN PRIVATE KEY",
            "bearer ",
            "basic YTpi",
            "AKIA",
            "xoxb-",
            "\\\"password\\\":",
            "4",
            "123-45-",
            "a.",
            "authorization:",
            "ghp_",
            "'secret':'\\",
            "1111111111111a",
            "password=[REDACTED:jwt]",
            "--token ",
            "[REDACTED:",
        ] {
            let text = piece.repeat((1 << 16) / piece.len());
            let start = std::time::Instant::now();
            redacted(&text);
            let took = start.elapsed();
            assert!(took.as_millis() < 2_000, "{piece}: {took:?} for 64 KiB");
        }
    }

    pub(in super::super) fn pieces() -> impl Strategy<Value = String> {
        let token = format!("ghp_{}", "a1B2".repeat(9));
        let piece = prop_oneof![
            "\\PC{0,12}",
            "[ =:\"'\\\\@.,/{}<>\\[\\]-]{0,4}",
            prop::sample::select(vec![
                "password",
                "token",
                "api_key",
                "--secret ",
                "Authorization: ",
                "Bearer ",
                "Basic ",
                "dXNlcjpwYXNz",
                "https://u:",
                "@host.io",
                "bob@example.com",
                "4111111111111111",
                "4111 1111 ",
                "123-45-6789",
                "AKIAIOSFODNN7EXAMPLE",
                "sk-ant-",
                "sk-",
                "eyJ",
                "xoxb-",
                "-----BEGIN PRIVATE KEY-----",
                "-----END",
                "[REDACTED:email]",
                "[REDACTED:unscanned]",
                "hunter2",
                "abc123def456",
                "cookie",
            ])
            .prop_map(str::to_owned),
            Just(token),
        ];
        prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn redacting_twice_is_redacting_once(text in pieces()) {
            let once = redacted(&text);
            prop_assert!(text.contains(UNSCANNED) || !once.contains(UNSCANNED));
            prop_assert_eq!(redacted(&once), once.clone());
            prop_assert!(once.len() <= text.len() * 30 + 30);
        }
    }
}
