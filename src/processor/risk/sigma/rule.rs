//! A detection rule: selections, and a condition over them.

use super::super::event::Reads;
use super::condition::{self, Condition};
use super::document::Head;
use super::field::{Dialect, Unit};
use super::scope::Scope;
use super::test::{self, Item, Test};
use super::yaml::{Node, Read, Wrong};

/// A detection rule, ready to run.
#[derive(Debug)]
pub(super) struct Rule {
    /// The file it stands in.
    pub(super) file: String,
    pub(super) head: Head,
    pub(super) scope: Scope,
    pub(super) body: Body,
    /// It serves correlations only and is not reported by itself.
    pub(super) quiet: bool,
}

/// Selections and the condition over them.
#[derive(Debug)]
pub(super) struct Body {
    pub(super) selections: Vec<Selection>,
    pub(super) condition: Condition,
}

/// What a selection asks for.
#[derive(Debug)]
pub(super) enum Selection {
    /// All of these; the flag denies one.
    All(Vec<(Item, bool)>),
    /// Any of these.
    Any(Vec<Selection>),
}

impl Selection {
    pub(super) fn matches(&self, unit: Unit<'_, '_>) -> bool {
        match self {
            Self::All(items) => items.iter().all(|(item, denied)| item.matches(unit) != *denied),
            Self::Any(selections) => selections.iter().any(|selection| selection.matches(unit)),
        }
    }
}

impl Selection {
    /// Notes what it looks at.
    fn note(&self, reads: &mut Reads) {
        match self {
            Self::All(items) => items.iter().for_each(|(item, _)| {
                item.field.note(reads);
                item.tests.iter().for_each(|test| {
                    if let Test::Ref(field, _) = test {
                        field.note(reads);
                    }
                });
            }),
            Self::Any(selections) => selections.iter().for_each(|selection| selection.note(reads)),
        }
    }
}

impl Body {
    /// Notes what its selections look at.
    pub(super) fn note(&self, reads: &mut Reads) {
        self.selections.iter().for_each(|selection| selection.note(reads));
    }

    pub(super) fn matches(&self, unit: Unit<'_, '_>) -> bool {
        self.condition.holds(&mut |place| self.selections[place].matches(unit))
    }

    /// Joins a filter's condition to it: both must hold.
    pub(super) fn narrow(&mut self, selections: Vec<Selection>, mut condition: Condition) {
        condition.shift(self.selections.len());
        self.selections.extend(selections);
        let own = std::mem::replace(&mut self.condition, Condition::Or(vec![]));
        self.condition = Condition::And(vec![own, condition]);
    }
}

/// Reads the selections and the condition under `node`; the members of `skip` are neither.
pub(super) fn body(node: &Node, dialect: Dialect, skip: &[&str]) -> Read<Body> {
    let mut names = vec![];
    let mut selections = vec![];
    for entry in node.entries().iter().filter(|entry| entry.key != "condition" && !skip.contains(&entry.key.as_str())) {
        if entry.key == "timeframe" {
            return Err(Wrong::new(
                entry.line,
                "`timeframe` is an old form of correlations, which stand in documents of their own now",
            ));
        }
        names.push(entry.key.clone());
        selections.push(selection(&entry.value, dialect)?);
    }
    let Some(condition) = node.get("condition") else { return Err(Wrong::new(node.line, "`condition` is missing")) };
    let mut any = vec![];
    for text in condition.items() {
        any.push(condition::parse(text.text().unwrap_or_default(), &names, text.line)?);
    }
    let condition = if any.len() == 1 { any.remove(0) } else { Condition::Or(any) };
    Ok(Body { selections, condition })
}

fn selection(node: &Node, dialect: Dialect) -> Read<Selection> {
    if node.is_map() {
        let mut items = vec![];
        for entry in node.entries() {
            items.push(test::item(entry, dialect)?);
        }
        items.sort_by_key(|(item, _)| item.cost());
        return Ok(Selection::All(items));
    }
    let mut any = vec![];
    for item in node.items() {
        any.push(match item.is_map() {
            true => selection(item, dialect)?,
            false => Selection::All(vec![(test::keyword(item)?, false)]),
        });
    }
    if any.is_empty() { Err(Wrong::new(node.line, "a selection has no fields")) } else { Ok(Selection::Any(any)) }
}
