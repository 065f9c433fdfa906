//! Every shipped rule is sound, complete, and does what its examples say.

use super::super::event::{Level, RuleEngine};
use super::*;

#[test]
fn every_rule_fires_on_its_examples_and_on_no_counterexample() {
    let compiled = load(&[], &[]);
    assert!(compiled.findings.is_empty(), "{}", shown(&compiled.findings));
    let examined = compiled.ruleset.examine();
    assert!(examined.findings.is_empty(), "{}", shown(&examined.findings));
    assert!(examined.rules >= 80, "{} rules", examined.rules);
}

fn shown(findings: &[super::super::sigma::Finding]) -> String {
    findings.iter().map(|finding| format!("{finding}\n")).collect()
}

#[test]
fn every_rule_says_why_and_what_it_is_about() {
    for rule in load(&[], &[]).ruleset.rules() {
        assert!(rule.reason.ends_with('.') && rule.reason.len() < 140, "{}", rule.id);
        assert!(!rule.categories.is_empty(), "{}", rule.id);
        assert!(!rule.techniques.is_empty() || rule.level < Level::Medium, "{}: no ATT&CK technique", rule.id);
        assert!(rule.techniques.is_empty() || !rule.tactics.is_empty(), "{}: no ATT&CK tactic", rule.id);
    }
}
