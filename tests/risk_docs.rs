//! `docs/risk-rules.md` is written from the rules and the fields. `UPDATE=1 cargo test --test risk_docs` writes it anew.

#![expect(clippy::disallowed_methods, reason = "a reference that cannot be compared fails the test")]

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use telseal::processor::risk::event::{Field, RuleInfo};
use telseal::processor::risk::packs;
use telseal::processor::risk::sigma::command_fields;

fn reference() -> String {
    let ruleset = packs::load(&[], &[]).ruleset;
    let mut rules: Vec<(&str, &RuleInfo)> = ruleset.reference().collect();
    rules.sort_by(|a, b| (a.0, &a.1.id).cmp(&(b.0, &b.1.id)));
    let mut out = String::from(
        "# Rules of `risk_tag`\n\nWritten from the rules by `tests/risk_docs.rs`; how rules are written stands in \
         [sigma.md](sigma.md).\n",
    );
    let _ = writeln!(out, "\n{} rules and correlations come with telseal.", rules.len());
    let mut file = "";
    for (own, rule) in rules {
        if own != file {
            let _ = write!(out, "\n## `{own}`\n\n| id | level | what it means | ATT&CK |\n|---|---|---|---|\n");
            file = own;
        }
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} |",
            rule.id,
            rule.level.name(),
            rule.reason.replace('|', "\\|"),
            rule.techniques.join(", ")
        );
    }
    out += "\n## Fields of an event\n\n| field | what it holds |\n|---|---|\n";
    Field::ALL.iter().for_each(|field| {
        let _ = writeln!(out, "| `{}` | {} |", field.name(), field.meaning());
    });
    out += "| `risk.rules` | Ids of rules that have fired, for rules of category `risk`. |\n";
    out += "| `risk.categories` | What those are about, for rules of category `risk`. |\n";
    out += "\n## Fields of one command\n\nFor rules of category `command`, beside those of the event.\n\n| field | what it \
            holds |\n|---|---|\n";
    command_fields().for_each(|(name, meaning)| {
        let _ = writeln!(out, "| `{name}` | {meaning} |");
    });
    out
}

#[test]
fn the_reference_of_rules_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/risk-rules.md");
    let expected = reference();
    if std::env::var_os("UPDATE").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, &expected).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert!(found == expected, "docs/risk-rules.md is not what the rules say: UPDATE=1 cargo test --test risk_docs");
}
