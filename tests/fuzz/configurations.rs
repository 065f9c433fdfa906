//! What operators write: configurations and rules.

use std::borrow::Cow;

use telseal::config;
use telseal::processor::risk::packs;
use telseal::processor::risk::sigma::{Source, compile};

use crate::mutate::fuzz_text;

const YAML_WORDS: [&str; 28] = [
    "\n",
    "\n  ",
    "\n- ",
    ": ",
    "{",
    "}",
    "[",
    "]",
    "&a ",
    "*a",
    "<<: ",
    "!!str ",
    "|\n",
    ">-\n",
    "\"",
    "'",
    "#",
    "---\n",
    "~",
    "null",
    "true",
    "-1",
    "1e9",
    "999999999999999999999",
    "10 MiB",
    "5s",
    "${env:X}",
    "${file:/x}",
];
const SIGMA_WORDS: [&str; 16] = [
    "|contains",
    "|re: ",
    "|endswith|all",
    "|base64offset",
    "|cidr",
    "condition: ",
    "1 of ",
    "all of them",
    " and not ",
    "(",
    ")",
    "*",
    "\\",
    "detection:",
    "timespan: 1h",
    "group-by:",
];

#[test]
fn configurations() {
    let seeds = [
        include_str!("../../examples/agent-audit.yaml"),
        include_str!("../../examples/gateway.yaml"),
        include_str!("../../examples/from-a-collector.yaml"),
        include_str!("../../examples/enrich.yaml"),
        include_str!("../../examples/siem-splunk/telseal.yaml"),
        include_str!("../../examples/s3-evidence/telseal.yaml"),
    ];
    fuzz_text(&seeds, &YAML_WORDS, |text| {
        let lines = text.lines().count();
        let read = config::parse_with(text, &|_| Some("value".into()), &|_| Ok(b"text\n".to_vec()));
        if let Err(problems) = read {
            assert!(!problems.is_empty(), "what is wrong has a reason");
            assert!(!config::render("telseal.yaml", &problems).is_empty());
            assert!(
                problems.iter().all(|problem| problem.place.is_none_or(|(line, _)| line > 0 && line <= lines + 1)),
                "{problems:?}"
            );
        }
    });
}

#[test]
fn rules() {
    let shipped = packs::sources();
    let seeds: Vec<&str> = shipped.iter().flat_map(|source| source.text.split("\n---\n")).collect();
    let words: Vec<&str> = YAML_WORDS.iter().chain(&SIGMA_WORDS).copied().collect();
    fuzz_text(&seeds, &words, |text| {
        let source = Source { name: "rules.yml".to_owned(), text: Cow::Owned(text.to_owned()) };
        let compiled = compile("fuzz@1", &[source], &[]);
        assert!(compiled.findings.iter().all(|finding| finding.file == "rules.yml" && finding.line > 0));
    });
}
