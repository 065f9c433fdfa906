//! The reference of all detectors, `docs/redact-detectors.md`, and their families: both come out of the table.

use std::fmt::Write as _;

use crate::processor::redact::detector::{Class, Confidence, DETECTORS, Detector, Family, Find, Shape};

/// The line of the table of precision and recall to which a detector belongs; `other` for names that are none.
///
/// What has its own promise (`email`, `payment-card`, `iban`, `us-ssn`) stands apart from its family.
pub fn family(detector: &str) -> &'static str {
    match DETECTORS.iter().find(|known| known.id == detector) {
        Some(known) if ["email", "payment-card", "iban", "us-ssn"].contains(&known.id) => known.id,
        Some(known) if known.id.starts_with("phone") => "phone",
        Some(known) => name(known.family),
        None => "other",
    }
}

const fn name(family: Family) -> &'static str {
    match family {
        Family::KnownSecret => "known-secret",
        Family::GenericSecret => "generic-secret",
        Family::Contact => "contact",
        Family::Financial => "financial",
        Family::GovernmentId => "government-id",
        Family::Health => "health",
        Family::Network => "network",
        Family::Identity => "identity",
    }
}

const HEAD: &str = "# What `redact` finds\n\n\
    Written by `UPDATE=1 cargo test --lib the_reference`, from the table of detectors; do not edit.\n\n\
    A *format* is literals and runs: `{url:22}` is 22 letters, digits, `-` or `_`; `hex` is small, `HEX` any case, `lower` and \
    `upper` have digits too. In a *shape* `9` is a digit and `A` a capital letter. A detector that is found *near words* needs \
    one of its words within 40 bytes before or 28 bytes after the value, or in the key above it. Digits are ASCII digits: \
    numbers in full-width or other digits are not found. In examples `«` and `»` stand around what is masked.\n\n\
    Tokens are not matched when they are stand-ins: `xxxxx`, `your…`, `changeme`, or hardly any different characters.\n";

/// The reference, as Markdown.
pub fn reference() -> String {
    let mut out = String::from(HEAD);
    let mut families: Vec<Family> = DETECTORS.iter().map(|detector| detector.family).collect();
    families.sort();
    families.dedup();
    let _ = write!(out, "\n{} detectors.\n", DETECTORS.len());
    for family in families {
        let _ = write!(
            out,
            "\n## {}\n\n| id | what | class | confidence | profiles | found by | example |\n|---|---|---|---|---|---|---|\n",
            name(family)
        );
        for detector in DETECTORS.iter().filter(|detector| detector.family == family) {
            row(&mut out, detector);
        }
    }
    out
}

fn row(out: &mut String, detector: &Detector) {
    let class = match detector.class {
        Class::Secret => "secret",
        Class::Personal => "personal",
    };
    let confidence = match detector.confidence {
        Confidence::High => "high",
        Confidence::Medium => "medium",
        Confidence::Low => "low",
    };
    let profiles = detector.profiles.join(", ");
    let (id, title, found, example) = (detector.id, detector.title, found(detector), example(detector));
    let _ = writeln!(out, "| `{id}` | {title} | {class} | {confidence} | {profiles} | {found} | {example} |");
}

fn found(detector: &Detector) -> String {
    match detector.find {
        Find::Formats(formats) => format!("format {}", listed(formats)),
        Find::Anchors(anchors, _) => format!("from {}", listed(anchors)),
        Find::Digits(Shape::Like(patterns), _) => format!("shape {}", listed(patterns)),
        Find::Digits(Shape::Long, _) => "13 digits and more".to_owned(),
        Find::Digits(Shape::Any, _) => "digits".to_owned(),
        Find::Near(_) => format!("near words {}", listed(detector.context)),
        Find::Key => "key above the value".to_owned(),
    }
}

fn listed(texts: &[&str]) -> String {
    texts.iter().map(|text| code(text)).collect::<Vec<_>>().join(", ")
}

/// The example with the secret cut in its middle: a whole one would alarm every scanner that reads the page.
fn example(detector: &Detector) -> String {
    let text = detector.hits.first().copied().unwrap_or_default();
    let Some((head, (secret, tail))) =
        text.split_once('«').and_then(|(head, rest)| Some((head, rest.split_once('»')?)))
    else {
        return code(text);
    };
    let all: Vec<char> = secret.chars().collect();
    if all.len() <= 24 {
        return code(text);
    }
    let (first, last): (String, String) = (all[..12].iter().collect(), all[all.len() - 4..].iter().collect());
    code(&format!("{head}«{first}…{last}»{tail}"))
}

/// A span of code in a cell of a table.
fn code(text: &str) -> String {
    let text = text.replace('\n', "\\n").replace('|', "\\|");
    if text.contains('`') { format!("`` {text} ``") } else { format!("`{text}`") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "the page is rewritten on demand")]
    fn the_reference_in_docs_is_that_of_the_table() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/redact-detectors.md");
        if std::env::var("UPDATE").is_ok() {
            std::fs::write(path, reference()).unwrap();
        }
        assert!(std::fs::read_to_string(path).unwrap() == reference(), "run with UPDATE=1 to write {path} anew");
    }

    #[test]
    fn families_are_names_of_rows() {
        assert_eq!((family("email"), family("phone"), family("github-token")), ("email", "phone", "known-secret"));
        assert_eq!((family("in-pan"), family("unscanned")), ("government-id", "other"));
    }
}
