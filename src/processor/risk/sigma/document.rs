//! A document of a rule file: a detection rule, a correlation or a filter, with what they have in common.

use super::super::event::{Level, RuleInfo};
use super::scope::{self, Scope};
use super::yaml::{Node, Read, Wrong};

/// What every document has.
#[derive(Debug)]
pub(super) struct Head {
    /// What is written into records.
    pub(super) info: RuleInfo,
    /// Everything by which other documents may refer to it.
    pub(super) names: Vec<String>,
    /// The line it starts on.
    pub(super) line: usize,
    /// The rule without its examples, the same however its members are ordered.
    pub(super) canonical: String,
    /// What it must fire on, and what not.
    pub(super) examples: Examples,
}

/// Examples of a rule: a text in the main field of its category, or fields by name.
#[derive(Debug, Default)]
pub(super) struct Examples {
    pub(super) hits: Vec<Node>,
    pub(super) misses: Vec<Node>,
}

/// Keys that a document may have at its top, by Sigma's specification and ours.
const KEYS: &[&str] = &[
    "title",
    "id",
    "name",
    "related",
    "taxonomy",
    "status",
    "description",
    "license",
    "author",
    "references",
    "date",
    "modified",
    "logsource",
    "detection",
    "fields",
    "falsepositives",
    "level",
    "tags",
    "scope",
    "correlation",
    "filter",
    "telseal",
    "custom",
    "generate",
    "aliases",
    "regression_tests_path",
    "simulation",
    "sigma-version",
    "minimum_sigma_version",
];
const OWN_KEYS: &[&str] = &["reason", "category", "categories", "examples"];

/// Reads what all documents have in common.
pub(super) fn head(document: &Node) -> Read<Head> {
    if !document.is_map() {
        return Err(Wrong::new(document.line, "a rule must be a mapping with `title`, `logsource` and `detection`"));
    }
    known(document, KEYS, "a rule")?;
    let Some(title) = document.str("title") else { return Err(Wrong::new(document.line, "`title` is missing")) };
    let own = document.get("telseal");
    if let Some(own) = own {
        known(own, OWN_KEYS, "`telseal`")?;
    }
    let (id, name) = (document.str("id"), document.str("name"));
    let names: Vec<String> = [id, name].into_iter().flatten().map(str::to_owned).collect();
    let mut canonical = String::new();
    document.canonical(&mut canonical);
    let (tactics, techniques) = attack(&document.strs("tags"));
    let info = RuleInfo {
        id: name.or(id).unwrap_or(title).to_owned(),
        title: title.to_owned(),
        level: level(document)?,
        reason: own.and_then(|own| own.str("reason")).map_or_else(|| sentence(title), str::to_owned),
        categories: categories(own),
        tactics,
        techniques,
    };
    Ok(Head { info, names, line: document.line, canonical, examples: examples(own) })
}

/// Unknown keys are most often misspelt ones, and a misspelt key is a rule that does not do what it says.
fn known(node: &Node, keys: &[&str], what: &str) -> Read<()> {
    match node.entries().iter().find(|entry| !keys.contains(&entry.key.as_str()) && !entry.key.starts_with("x-")) {
        None => Ok(()),
        Some(entry) => {
            let meant = crate::stdx::problem::did_you_mean(&entry.key, keys.iter().copied());
            let hint = meant.map_or(String::new(), |meant| format!(", did you mean `{meant}`?"));
            Err(Wrong::new(entry.line, format!("{what} has no key `{}`{hint}", entry.key)))
        }
    }
}

fn level(document: &Node) -> Read<Level> {
    let Some(node) = document.get("level") else { return Ok(Level::Medium) };
    let word = node.text().unwrap_or_default();
    Level::parse(word).ok_or_else(|| {
        Wrong::new(node.line, format!("level `{word}` is not known: informational, low, medium, high or critical"))
    })
}

fn sentence(title: &str) -> String {
    let end = if title.ends_with(['.', '!', '?']) { "" } else { "." };
    format!("{title}{end}")
}

fn categories(own: Option<&Node>) -> Vec<String> {
    let Some(own) = own else { return vec![] };
    let mut all = own.strs("category");
    all.extend(own.strs("categories"));
    all
}

fn examples(own: Option<&Node>) -> Examples {
    let Some(own) = own.and_then(|own| own.get("examples")) else { return Examples::default() };
    let list = |key| own.get(key).map_or(vec![], |list| list.items().to_vec());
    Examples { hits: list("hits"), misses: list("misses") }
}

/// Tactics and techniques among the tags: `attack.defense-evasion`, `attack.t1059.004`.
fn attack(tags: &[String]) -> (Vec<String>, Vec<String>) {
    let (mut tactics, mut techniques) = (vec![], vec![]);
    for tag in tags.iter().filter_map(|tag| tag.strip_prefix("attack.")) {
        let number = tag.strip_prefix(['t', 'T']).filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
        match number {
            Some(_) => techniques.push(tag.to_uppercase()),
            None if tag.starts_with(['g', 's', 'm']) && tag[1..].starts_with(|c: char| c.is_ascii_digit()) => {}
            None => tactics.push(tag.replace('_', "-")),
        }
    }
    (tactics, techniques)
}

/// Where the rule looks, or why no event of an agent is what it is written for.
pub(super) fn logsource(document: &Node) -> Read<Result<Scope, String>> {
    let Some(source) = document.get("logsource") else {
        return Err(Wrong::new(document.line, "`logsource` is missing"));
    };
    let [product, category, service] = ["product", "category", "service"].map(|key| source.str(key));
    match scope::scope(product, category, service) {
        Ok(scope) => Ok(Ok(scope)),
        Err(scope::Unfit::Unknown(message)) => Err(Wrong::new(source.line, message)),
        Err(scope::Unfit::Foreign(message)) => Ok(Err(message)),
    }
}
