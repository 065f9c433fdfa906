//! One string: names of secrets, texts within texts, actions, and that redacting twice is redacting once.

use std::sync::LazyLock;

use proptest::prelude::*;

use super::*;
use crate::processor::redact::action::Ends;
use crate::processor::redact::keys::tests::key;
use crate::processor::redact::text::tests::pieces;

pub(in super::super) static ALL: LazyLock<Rulebook> = LazyLock::new(|| Rulebook::new(&Config::default()).unwrap());

fn redacted_by(rules: &Rulebook, text: &str) -> String {
    rules.redact(text).map_or_else(|| text.to_owned(), |redacted| redacted.text)
}

pub(in super::super) fn redacted(text: &str) -> String {
    redacted_by(&ALL, text)
}

#[track_caller]
pub(in super::super) fn masks(text: &str, expected: &str) {
    assert_eq!(redacted(text), expected);
    assert_eq!(redacted(expected), expected, "the second time");
}

/// The findings: what they cover, and by which detector.
fn findings(text: &str) -> Vec<(&str, &str)> {
    let edits = ALL.edits("", text).unwrap();
    edits.into_iter().map(|edit| (&text[edit.span], ALL.name(edit.id))).collect()
}

fn with(actions: &[(&str, Action)]) -> Rulebook {
    let actions = actions.iter().map(|(name, action)| ((*name).to_owned(), *action)).collect();
    Rulebook::new(&Config { actions, keys: vec![key("k3"), key("k2")], ..Config::default() }).unwrap()
}

#[test]
fn values_of_secret_names_keep_schemes_and_masks() {
    let secret = |name, text| ALL.redact_secret(name, text).map(|redacted| redacted.text);
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
fn extra_names_are_secret_names() {
    let rules = Rulebook::new(&Config { secret_names: vec!["Tenant-PIN".to_owned()], ..Config::default() }).unwrap();
    assert_eq!(rules.secrecy("x.tenant-pin"), Some(Strength::Strong));
    assert_eq!(ALL.secrecy("x.tenant-pin"), None);
    assert_eq!(redacted_by(&rules, r#"{"tenant-pin":1}"#), r#"{"tenant-pin":"[REDACTED:secret-key-name]"}"#);
}

#[test]
fn escapes_are_undone_only_where_that_shows_a_secret() {
    masks("to bob\\u0040example.com \\u0041", "to [REDACTED:email] \\u0041");
    masks("a\\u0020b", "a\\u0020b");
    masks("\\u005cu005cu005cu005cu0040", UNSCANNED);
    masks(r"https:\/\/bob:hunter2@db\/x", r"https:\/\/bob:[REDACTED:url-credentials]@db\/x");
    masks("mail=bob%40example.com&x=%20", "mail=[REDACTED:email]&x=%20");
    masks("mail=bob%2540example.com&x=1", "mail=[REDACTED:email]&x=1");
}

#[test]
fn base64_with_a_finding_is_masked_as_a_whole() {
    masks("x Ym9iQGV4YW1wbGUuY29tIGFuZCBhbGljZQ== y", "x [REDACTED:email] y");
    masks(r#"{"data":"Ym9iQGV4YW1wbGUuY29tIGFuZCBhbGljZQ=="}"#, r#"{"data":"[REDACTED:email]"}"#);
    // Base64 of base64.
    masks("x WW05aVFHVjRZVzF3YkdVdVkyOXRJR0Z1WkNCaGJHbGpaUT09 y", "x [REDACTED:email] y");
    masks("bm90aGluZyB0byBzZWUgaGVyZSwgbW92ZSBvbg==", "bm90aGluZyB0byBzZWUgaGVyZSwgbW92ZSBvbg==");
}

#[test]
fn findings_are_where_the_text_has_them() {
    assert_eq!(findings("to bob\\u0040example.com!"), [("bob\\u0040example.com", "email")]);
    assert_eq!(findings(r#"{"a":"x\nbob@example.com"}"#), [("bob@example.com", "email")]);
    assert_eq!(findings(r#"{"a":"{\"b\":\"bob\\u0040example.com\"}"}"#), [("bob\\\\u0040example.com", "email")]);
    assert_eq!(findings(r#"{"password":"hunter2"}"#), [("hunter2", "secret-key-name")]);
    assert_eq!(findings(r#"{"password":["hunter2"]}"#), [("[\"hunter2\"]", "secret-key-name")]);
    assert_eq!(findings(r#"{"authorization":"Bearer abc"}"#), [("abc", "bearer-credentials")]);
    assert_eq!(findings("q=bob%40example.com&y"), [("bob%40example.com", "email")]);
    let token = format!("ghp_{}", "a1B2".repeat(9));
    assert_eq!(findings(&format!("GITHUB_TOKEN={token} x")), [(&*token, "github-token")]);
    let key = "-----BEGIN PRIVATE KEY-----\\nMIIEvQ\\n-----END PRIVATE KEY-----\\n";
    assert_eq!(findings(&format!("{{\"k\":\"{key}\"}}")), [(key.trim_end_matches("\\n"), "private-key")]);
}

#[test]
fn each_action_does_what_it_says() {
    let text = "mail Bob@example.com card 4111 1111 1111 1111 x";
    let made = |actions: &[(&str, Action)]| {
        let rules = with(actions);
        let once = redacted_by(&rules, text);
        assert_eq!(redacted_by(&rules, &once), once, "the second time");
        once
    };
    let ends = Action::Partial(Ends { first: 6, last: 4 });
    assert_eq!(made(&[("payment-card", ends)]), "mail [REDACTED:email] card 4111 11** **** 1111 x");
    assert_eq!(made(&[("default", Action::Drop)]), "");
    assert_eq!(made(&[("email", Action::Keep)]), "mail Bob@example.com card [REDACTED:payment-card] x");
    let hashed = made(&[("personal", Action::Hash)]);
    let same = redacted_by(&with(&[("personal", Action::Hash)]), "4111-1111-1111-1111, bob@EXAMPLE.com");
    let (card, mail) = same.split_once(", ").unwrap();
    assert_eq!(hashed, format!("mail {mail} card {card} x"));
    let rules = with(&[("email", Action::Tokenize)]);
    let tokens = redacted_by(&rules, text);
    let token = tokens.split(' ').nth(1).unwrap();
    assert_eq!(rules.detokenize(token).unwrap(), "Bob@example.com");
    assert_eq!(redacted_by(&rules, &format!("password={token}")), format!("password={token}"));
}

#[test]
fn actions_reach_into_json_and_keep_it_json() {
    let rules = with(&[("email", Action::Hash), ("payment-card", Action::Drop), ("secret", Action::Drop)]);
    let text = r#"{"a":"x bob@example.com","n":4111111111111111,"s":"pan 4111111111111111","password":{"a":1}}"#;
    let once = redacted_by(&rules, text);
    let value: serde_json::Value = serde_json::from_str(&once).unwrap();
    assert!(value["a"].as_str().unwrap().starts_with("x email:k3:"));
    assert_eq!((value["n"].as_str(), value["s"].as_str(), value["password"].as_str()), (Some(""), Some(""), Some("")));
}

#[test]
fn a_pseudonym_of_a_stranger_is_a_text_like_any_other() {
    let rules = with(&[("email", Action::Hash)]);
    let forged = "password=email:k3:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    assert_eq!(redacted_by(&rules, forged), "password=[REDACTED:secret-assignment]");
}

#[test]
fn a_text_larger_than_the_cap_is_not_scanned() {
    let rules =
        Rulebook::new(&Config { value_bytes_max: crate::stdx::bytesize::ByteSize(8), ..Config::default() }).unwrap();
    assert_eq!(redacted_by(&rules, "12345678"), "12345678");
    let redacted = rules.redact("123456789").unwrap();
    assert_eq!((&*redacted.text, redacted.ids.len()), (UNSCANNED, 0));
}

#[test]
fn a_text_that_costs_more_than_its_budget_is_not_scanned() {
    let rules = &*ALL;
    assert_eq!(rules.guarded("x", |_| Err(Unscanned)), Err(Unscanned));
    assert_eq!(rules.guarded("x", |_| panic!("a detector failed")), Err(Unscanned));
    let mut nested = "bob@example.com".to_owned();
    for _ in 0..12 {
        nested = serde_json::json!({ "a": nested, "b": "\\u0041".repeat(50) }).to_string();
    }
    let out = redacted(&nested);
    assert!(!out.contains("bob@example.com"));
}

#[test]
fn own_detectors_find_and_their_masks_are_masks() {
    let own = crate::processor::redact::user::UserDetector {
        id: "badge".to_owned(),
        regex: "B-[0-9]{4}".to_owned(),
        ..Default::default()
    };
    let rules = Rulebook::new(&Config { detectors: vec![own], ..Config::default() }).unwrap();
    let once = redacted_by(&rules, "badge B-1234, password=[REDACTED:badge]");
    assert_eq!(once, "badge [REDACTED:badge], password=[REDACTED:badge]");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]
    #[test]
    fn redacting_twice_is_redacting_once(text in pieces(), wrap in 0..6_u8) {
        let text = match wrap {
            0 => text,
            1 => serde_json::json!({ "a": [text, {"token": 1}] }).to_string(),
            2 => serde_json::json!({ text.clone(): serde_json::json!([text]).to_string() }).to_string(),
            3 => text.replace('@', "%40").replace('=', "%3D"),
            4 => serde_json::json!(text).to_string().replace('/', "\\/"),
            _ => format!("{{\"a\":\"{text}"),
        };
        let once = redacted(&text);
        prop_assert_eq!(redacted(&once), once);
    }

    #[test]
    fn actions_come_to_rest_too(text in pieces()) {
        static RULES: LazyLock<Rulebook> = LazyLock::new(|| with(&[("email", Action::Hash), ("payment-card", Action::Partial(Ends { first: 6, last: 4 })), ("us-ssn", Action::Tokenize)]));
        let rules = &*RULES;
        let once = redacted_by(rules, &text);
        prop_assert_eq!(redacted_by(rules, &once), once);
    }
}
