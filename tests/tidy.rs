//! The house rules that the compiler does not know: floors, sizes, words of introduction, and lists that must agree.

#![expect(clippy::unwrap_used, reason = "a rule that cannot be checked fails the test")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Top-level modules by floor; a module may import from lower floors only, never from its own.
const FLOORS: &[&[&str]] = &[
    &["stdx"],
    &["http", "telemetry", "otlp"],
    &["processor", "exporter", "extension", "ledger", "spool"],
    &["pipeline"],
    &["receiver"],
    &["config"],
    &["service"],
    &["cli", "main"],
];

const FILE_LINES_MAX: usize = 600;
const FUNCTION_LINES_MAX: usize = 100;

fn sources(dir: &str) -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = vec![];
    let mut folders = vec![root.join(dir)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                found.push((path.strip_prefix(root).unwrap().to_owned(), text));
            }
        }
    }
    found.sort();
    found
}

fn floor(module: &str) -> Option<usize> {
    FLOORS.iter().position(|modules| modules.contains(&module))
}

/// The top-level module a file of `src` belongs to.
fn module_of(path: &Path) -> String {
    let below = path.strip_prefix("src").unwrap();
    below.components().next().unwrap().as_os_str().to_str().unwrap().trim_end_matches(".rs").to_owned()
}

/// Every `crate::NAME` in the text outside comments.
fn imports(text: &str) -> BTreeSet<String> {
    let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    let mut names = BTreeSet::new();
    for line in code {
        for part in line.split("crate::").skip(1) {
            let name: String = part.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            names.insert(name);
        }
    }
    names
}

#[test]
fn imports_go_down_floors_only() {
    let mut wrong = vec![];
    for (path, text) in sources("src") {
        let module = module_of(&path);
        if module == "lib" {
            continue;
        }
        let own =
            floor(&module).unwrap_or_else(|| panic!("{} is on no floor: add `{module}` to FLOORS", path.display()));
        for import in imports(&text) {
            if let Some(other) = floor(&import)
                && import != module
                && other >= own
            {
                wrong.push(format!("{} imports crate::{import}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "imports that do not go down:\n{}", wrong.join("\n"));
}

#[test]
fn files_introduce_themselves_and_stay_short() {
    let mut wrong = vec![];
    for (path, text) in ["src", "tests", "benches"].into_iter().flat_map(sources) {
        if !text.starts_with("//!") {
            wrong.push(format!("{} does not start with `//!`", path.display()));
        }
        let lines = text.lines().count();
        if lines > FILE_LINES_MAX {
            wrong.push(format!("{} has {lines} lines, {FILE_LINES_MAX} are allowed", path.display()));
        }
        for word in ["FIX", "TO"].map(|start| if start == "FIX" { "FIXME" } else { "TODO" }) {
            if text.contains(word) && !path.ends_with("tidy.rs") {
                wrong.push(format!("{} says {word}", path.display()));
            }
        }
        if path.file_name().is_some_and(|name| name == "mod.rs") {
            wrong.push(format!("{}: write foo.rs beside foo/", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn functions_stay_short() {
    let mut wrong = vec![];
    for (path, text) in ["src", "tests", "benches"].into_iter().flat_map(sources) {
        let mut open: Option<(usize, usize, &str)> = None;
        for (number, line) in text.lines().enumerate() {
            let indent = line.len() - line.trim_start().len();
            let trimmed = line.trim_start();
            let starts = [
                "fn ",
                "pub fn ",
                "async fn ",
                "pub async fn ",
                "pub(crate) fn ",
                "pub(super) fn ",
                "const fn ",
                "pub const fn ",
            ];
            if starts.iter().any(|start| trimmed.starts_with(start)) && !trimmed.ends_with(';') {
                open = Some((number, indent, trimmed));
            } else if trimmed == "}"
                && let Some((start, at, name)) = open
                && at == indent
            {
                if number - start > FUNCTION_LINES_MAX {
                    wrong.push(format!("{}:{}: {name} has {} lines", path.display(), start + 1, number - start));
                }
                open = None;
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_metric_is_declared_once_and_in_the_readme() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = fs::read_to_string(root.join("README.md")).unwrap();
    let declared: BTreeSet<&str> = telseal::telemetry::METRICS.iter().map(|(name, _, _)| *name).collect();
    assert_eq!(declared.len(), telseal::telemetry::METRICS.len(), "a metric is declared twice");
    for name in &declared {
        assert!(readme.contains(name), "README.md does not have {name}");
    }
    for (path, text) in sources("src") {
        for part in text.split("\"telseal_").skip(1) {
            let name = format!("telseal_{}", part.split('"').next().unwrap());
            assert!(declared.contains(name.as_str()), "{}: {name} is not in telemetry::METRICS", path.display());
        }
    }
}
