//! The table, and each detector alone: its examples are found, whole and nothing else; what it should pass, passes.

use super::*;
use crate::processor::redact::Config;
use crate::processor::redact::rulebook::Rulebook;
use crate::processor::redact::rulebook::tests::redacted;

/// An example without its marks, and what it becomes.
pub(in super::super) fn example(text: &str, mask: &str) -> (String, String) {
    let mut masked = String::new();
    for (index, piece) in text.split(['«', '»']).enumerate() {
        masked.push_str(if index % 2 == 1 { mask } else { piece });
    }
    (text.replace(['«', '»'], ""), masked)
}

/// Only this detector.
fn alone(detector: &Detector) -> Rulebook {
    let others = DETECTORS.iter().filter(|other| other.id != detector.id).map(|other| other.id.to_owned());
    let rules = crate::processor::redact::Rules { enabled: vec![detector.id.to_owned()], disabled: others.collect() };
    Rulebook::new(&Config { rules, ..Config::default() }).unwrap()
}

#[test]
fn ids_are_unique_and_fit_into_masks() {
    let mut names: Vec<_> = DETECTORS.iter().map(|detector| detector.id).collect();
    let fits = |name: &str| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    assert!(names.iter().all(|name| fits(name)));
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), DETECTORS.len());
    assert!(names.len() >= 120, "{}", names.len());
    assert_eq!(ids::SECRET_KEY_NAME.name(), "secret-key-name");
}

#[test]
fn exactly_the_detectors_that_need_context_have_words_for_it() {
    for detector in DETECTORS {
        assert_eq!(matches!(detector.find, Find::Near(_)), !detector.context.is_empty(), "{}", detector.id);
        assert!(!detector.hits.is_empty() && !detector.misses.is_empty(), "{}", detector.id);
        assert!(detector.literals().iter().all(|literal| literal.len() > 1 || literal == "@"), "{}", detector.id);
    }
}

#[test]
fn every_example_of_a_detector_is_masked_exactly_by_it_alone() {
    let mut wrong = vec![];
    for detector in DETECTORS {
        let rules = alone(detector);
        let mask = format!("[REDACTED:{}]", detector.id);
        for (text, masked) in detector.hits.iter().map(|hit| example(hit, &mask)) {
            let found = rules.redact(&text).map_or_else(|| text.clone(), |redacted| redacted.text);
            if found != masked {
                wrong.push(format!("{}: `{text}` became `{found}`", detector.id));
            }
        }
        for text in detector.misses {
            if let Some(found) = rules.redact(text).map(|redacted| redacted.text) {
                wrong.push(format!("{}: `{text}` became `{found}`", detector.id));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_example_of_the_default_profile_is_masked_whole_by_all_together() {
    let mut wrong = vec![];
    for detector in DETECTORS.iter().filter(|detector| detector.profiles.contains(&"ai-agent")) {
        for hit in detector.hits {
            let secret = hit.split(['«', '»']).nth(1).unwrap();
            let (text, _) = example(hit, "");
            if redacted(&text).contains(secret) {
                wrong.push(format!("{}: `{text}` became `{}`", detector.id, redacted(&text)));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn only_our_own_masks_are_masks() {
    assert_eq!(mask_len(b"[REDACTED:jwt] rest"), 14);
    assert_eq!(mask_len(UNSCANNED.as_bytes()), UNSCANNED.len());
    assert_eq!(mask_len(b"[REDACTED:hunter2]"), 0);
}
