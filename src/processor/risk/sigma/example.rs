//! Examples of rules: every rule can be asked whether it fires on what it names as hits, and on none of its misses.

use bumpalo::Bump;

use super::super::event::{Event, Field};
use super::super::shell;
use super::field::Dialect;
use super::rule::Rule;
use super::yaml::Node;
use super::{Finding, Ruleset};
use crate::otlp::value::Value;

/// How many examples were run, and which of them went wrong.
#[derive(Debug, Default)]
pub struct Examined {
    /// Rules that were looked at.
    pub rules: usize,
    /// Examples that were run.
    pub examples: usize,
    /// What went wrong: an error for an example, a remark for a rule without one.
    pub findings: Vec<Finding>,
}

impl Ruleset {
    /// Runs the examples of every rule against that rule.
    #[must_use]
    pub fn examine(&self) -> Examined {
        let mut examined = Examined::default();
        let mut arena = Bump::new();
        for (place, rule) in self.rules.iter().enumerate() {
            examined.rules += 1;
            if rule.head.examples.hits.is_empty() && !rule.quiet {
                examined.find(rule, rule.head.line, false, "has no example that it must fire on".into());
            }
            for (nodes, expected) in [(&rule.head.examples.hits, true), (&rule.head.examples.misses, false)] {
                for node in nodes {
                    examined.examples += 1;
                    if self.fires(place, node, &arena) != expected {
                        let verb = if expected { "does not fire on" } else { "fires on" };
                        examined.find(rule, node.line, true, format!("{verb} its example `{}`", shown(node)));
                    }
                    arena.reset();
                }
            }
        }
        examined.findings.sort();
        examined
    }

    /// Whether the rule fires on the example, both by itself and through the index.
    fn fires(&self, place: usize, node: &Node, arena: &Bump) -> bool {
        let rule = &self.rules[place];
        let event = event(node, rule, arena);
        let mut indexed = false;
        self.each_match(&event, |found| indexed |= found == place);
        indexed
    }
}

impl Examined {
    fn find(&mut self, rule: &Rule, line: usize, is_error: bool, message: String) {
        let message = format!("{}: {message}", rule.head.info.id);
        self.findings.push(Finding { file: rule.file.clone(), line, is_error, message });
    }
}

/// The event that an example stands for.
fn event<'a>(node: &Node, rule: &Rule, arena: &'a Bump) -> Event<'a> {
    let mut event = Event::default();
    if let Some(kind) = rule.scope.kind {
        event.push(Field::Kind, kind);
    }
    if let Some(vendor) = &rule.scope.vendor {
        event.push(Field::Vendor, arena.alloc_str(vendor));
    }
    match node.text() {
        Some(text) => event.push(main_field(rule), arena.alloc_str(text)),
        None => node.entries().iter().for_each(|entry| {
            for value in entry.value.items().iter().filter_map(Node::text) {
                push(&mut event, arena.alloc_str(&entry.key), arena.alloc_str(value));
            }
        }),
    }
    if rule.scope.file_ops.len() == 3 && event.first(Field::FileOp).is_none() {
        event.push(Field::FileOp, "write");
    }
    for line in event.values(Field::CommandLine).to_vec() {
        shell::analyse(line, &mut event, arena);
    }
    event
}

fn push<'a>(event: &mut Event<'a>, key: &'a str, value: &'a str) {
    match Field::parse(key) {
        Some(field) => event.push(field, value),
        None => event.push_attribute(key, Value::Str(value)),
    }
}

/// What an example is that is just text.
fn main_field(rule: &Rule) -> Field {
    match (rule.scope.dialect, rule.scope.kind) {
        (Dialect::File, _) | (_, Some("file")) => Field::FilePath,
        (Dialect::Network, _) | (_, Some("network")) => Field::UrlFull,
        (_, Some("prompt")) => Field::Prompt,
        (_, Some("mcp")) => Field::McpTool,
        (_, Some("permission")) => Field::ModeTo,
        _ => Field::CommandLine,
    }
}

fn shown(node: &Node) -> String {
    match node.text() {
        Some(text) => text.to_owned(),
        None => {
            let pairs = node.entries().iter().map(|entry| format!("{}: {}", entry.key, shown(&entry.value)));
            pairs.collect::<Vec<_>>().join(", ")
        }
    }
}
