//! The catalogue of evidence names files and tests; every one of them exists.

#![expect(clippy::unwrap_used, reason = "a test's helpers fail the test")]

use std::fs;
use std::path::Path;

/// Every file and test that a document names in backticks, as `folder/file.ext` or `folder/file.rs::test`.
fn named(document: &str) -> Vec<(String, Option<String>)> {
    let spans = document.split('`').skip(1).step_by(2);
    let paths = spans.filter(|span| is_path(span.split("::").next().unwrap()));
    paths
        .map(|span| {
            let mut parts = span.split("::");
            (parts.next().unwrap().to_owned(), parts.next().map(str::to_owned))
        })
        .collect()
}

/// A file of this repository, rather than a command, a key or a file of a data directory.
fn is_path(text: &str) -> bool {
    let ours = ["docs/", "src/", "tests/", "tools/", "examples/", "docker/", "config/"];
    let at_the_root = ["ARCHITECTURE.md", "README.md", "SECURITY.md", "clippy.toml", "deny.toml"];
    at_the_root.contains(&text) || (ours.iter().any(|folder| text.starts_with(folder)) && !text.contains([' ', '*']))
}

#[test]
fn every_file_and_test_that_the_catalogue_names_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let documents = ["soc2.md", "controls.md", "notes.md", "runbooks.md"].map(|name| format!("docs/compliance/{name}"));
    let (mut wrong, mut seen) = (Vec::new(), 0);
    for document in documents.iter().map(String::as_str).chain(["SECURITY.md"]) {
        for (path, test) in named(&fs::read_to_string(root.join(document)).unwrap()) {
            seen += 1;
            let Ok(text) = fs::read_to_string(root.join(&path)) else {
                wrong.push(format!("{document}: there is no {path}"));
                continue;
            };
            if let Some(test) = test.filter(|test| !text.contains(&format!("fn {test}("))) {
                wrong.push(format!("{document}: {path} has no test {test}"));
            }
        }
    }
    assert!(seen > 50, "only {seen} names were found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn links_between_the_documents_lead_somewhere() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/compliance");
    let runbooks = fs::read_to_string(folder.join("runbooks.md")).unwrap();
    let anchors: Vec<String> = runbooks
        .lines()
        .filter_map(|line| line.strip_prefix("## "))
        .map(|title| title.to_lowercase().replace(' ', "-"))
        .collect();
    for document in ["soc2.md", "controls.md"] {
        let text = fs::read_to_string(folder.join(document)).unwrap();
        let links: Vec<&str> = text.split("(runbooks.md#").skip(1).filter_map(|rest| rest.split(')').next()).collect();
        assert!(!links.is_empty());
        for link in links {
            assert!(anchors.iter().any(|anchor| anchor == link), "{document}: no runbook `{link}` among {anchors:?}");
        }
    }
}
