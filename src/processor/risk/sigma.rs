//! Sigma: rules as security teams write them, over what agents do.
//!
//! Detection rules of Sigma 2.1 with log source `product: ai_agent`, and those for `process_creation` and files on Linux
//! and macOS, run on an [`Event`]; correlations and filters are documents of their own. Rules are read from YAML, checked
//! as a whole, and evaluated behind an index, so that most events meet no rule at all. No input or output happens here:
//! texts come in, findings go out.

mod condition;
pub mod correlation;
mod document;
mod encode;
mod example;
mod field;
mod index;
mod pattern;
mod rule;
mod scope;
mod test;
mod witness;
mod words;
mod yaml;

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};

use super::event::{Event, Hits, Reads, RuleEngine, RuleInfo};
use correlation::incident::Incident;
use correlation::state::State;
use correlation::{Correlation, Correlations, Heard};
use document::Head;
use field::Unit;
use index::Index;
use rule::Rule;
use yaml::{Node, Read, Wrong};

pub use example::Examined;
pub use yaml::FILE_BYTES_MAX;

/// The text of a rule file.
#[derive(Debug, Clone)]
pub struct Source {
    /// Its name in findings: the path.
    pub name: String,
    /// Its content: YAML, one document or several.
    pub text: Cow<'static, str>,
}

/// Something that is wrong with a rule, or worth knowing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// The file's name.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The rule cannot run as it is written. Otherwise it was passed over, for it is for other logs.
    pub is_error: bool,
    /// What it is: lower case, no full stop.
    pub message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}: {}", self.file, self.line, self.message)
    }
}

/// A set of rules, ready to run.
#[derive(Debug)]
pub struct Ruleset {
    name: String,
    rules: Vec<Rule>,
    infos: Vec<RuleInfo>,
    index: Index,
    correlations: Correlations,
    reads: Reads,
}

/// What came of reading rule files: the rules that can run, and what is wrong with the others.
#[derive(Debug)]
pub struct Compiled {
    /// The rules that can run.
    pub ruleset: Ruleset,
    /// By file and line.
    pub findings: Vec<Finding>,
}

impl Compiled {
    /// Nothing is wrong with any rule.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        !self.findings.iter().any(|finding| finding.is_error)
    }
}

/// The most rules in a set. `SigmaHQ` has about 3,500 in all.
pub const RULES_MAX: usize = 10_000;

/// The fields of one command, with their meanings, for rules of category `command`.
pub fn command_fields() -> impl Iterator<Item = (&'static str, &'static str)> {
    field::OfCommand::ALL.iter().map(|(_, name, meaning)| (*name, *meaning))
}

/// Reads rule files. `name` stands before the digest in `risk.ruleset`; rules whose id is in `disabled` are left out.
#[must_use]
pub fn compile(name: &str, sources: &[Source], disabled: &[String]) -> Compiled {
    let mut reading = Reading::default();
    for source in sources {
        reading.file(source);
    }
    reading.finish(name, disabled)
}

/// Documents as they are read.
#[derive(Debug, Default)]
struct Reading {
    rules: Vec<Rule>,
    filters: Vec<(String, Filter)>,
    correlations: Vec<Correlation>,
    names: HashMap<String, (String, usize)>,
    findings: Vec<Finding>,
}

/// A Sigma filter: what rules are not to fire on.
#[derive(Debug)]
struct Filter {
    head: Head,
    scope: scope::Scope,
    /// Names of rules; empty for every rule of the scope.
    rules: Vec<String>,
    node: Node,
}

impl Reading {
    fn find(&mut self, file: &str, line: usize, is_error: bool, message: String) {
        self.findings.push(Finding { file: file.to_owned(), line, is_error, message });
    }

    fn file(&mut self, source: &Source) {
        match yaml::documents(&source.text) {
            Ok(documents) => documents.into_iter().for_each(|document| self.document(&source.name, document)),
            Err(wrong) => self.find(&source.name, wrong.line, true, wrong.message),
        }
    }

    fn document(&mut self, file: &str, document: Node) {
        let line = document.line;
        let done = if document.get("correlation").is_some() {
            self.correlation(file, &document)
        } else if document.get("filter").is_some() {
            self.filter(file, document)
        } else if document.get("detection").is_some() {
            self.rule(file, &document)
        } else {
            Err(Wrong::new(line, "a rule must have `detection`, `correlation` or `filter`"))
        };
        if let Err(wrong) = done {
            self.find(file, wrong.line, true, wrong.message);
        }
    }

    fn rule(&mut self, file: &str, document: &Node) -> Read<()> {
        let head = document::head(document)?;
        let scope = match document::logsource(document)? {
            Ok(scope) => scope,
            Err(why) => {
                self.find(file, head.line, false, format!("passed over: {why}"));
                return Ok(());
            }
        };
        let Some(detection) = document.get("detection") else { return Ok(()) };
        let body = rule::body(detection, scope.dialect, &[])?;
        self.claim(file, &head)?;
        if self.rules.len() >= RULES_MAX {
            return Err(Wrong::new(head.line, format!("more than {RULES_MAX} rules")));
        }
        self.rules.push(Rule { file: file.to_owned(), head, scope, body, quiet: false });
        Ok(())
    }

    fn filter(&mut self, file: &str, document: Node) -> Read<()> {
        let head = document::head(&document)?;
        let scope = match document::logsource(&document)? {
            Ok(scope) => scope,
            Err(why) => {
                self.find(file, head.line, false, format!("passed over: {why}"));
                return Ok(());
            }
        };
        let Some(node) = document.get("filter").cloned() else { return Ok(()) };
        let rules: Vec<String> = node.strs("rules").into_iter().filter(|name| name != "any").collect();
        rule::body(&node, scope.dialect, &["rules"])?;
        self.claim(file, &head)?;
        self.filters.push((file.to_owned(), Filter { head, scope, rules, node }));
        Ok(())
    }

    fn correlation(&mut self, file: &str, document: &Node) -> Read<()> {
        let head = document::head(document)?;
        let correlation = correlation::read(file, document, head)?;
        self.claim(file, &correlation.head)?;
        self.correlations.push(correlation);
        Ok(())
    }

    /// Rules that only serve correlations are not reported, unless one of these says `generate`.
    fn hush(&mut self) {
        let mut quiet: HashMap<String, bool> = HashMap::new();
        for correlation in &self.correlations {
            for name in &correlation.rules {
                *quiet.entry(name.clone()).or_insert(true) &= !correlation.generate;
            }
        }
        let is_quiet = |head: &Head| head.names.iter().any(|name| quiet.get(name) == Some(&true));
        self.rules.iter_mut().for_each(|rule| rule.quiet = is_quiet(&rule.head));
        self.correlations.iter_mut().for_each(|correlation| correlation.quiet = is_quiet(&correlation.head));
        for correlation in &self.correlations {
            for name in correlation.rules.iter().filter(|name| !self.names.contains_key(*name)) {
                let message = format!("the correlation names a rule that there is not: `{name}`");
                let (file, line) = (correlation.file.clone(), correlation.head.line);
                self.findings.push(Finding { file, line, is_error: true, message });
            }
        }
    }

    /// Names are unique.
    fn claim(&mut self, file: &str, head: &Head) -> Read<()> {
        for name in head.names.iter().chain(head.names.is_empty().then_some(&head.info.id)) {
            if let Some((other, line)) = self.names.get(name) {
                return Err(Wrong::new(head.line, format!("`{name}` stands twice, first in {other}:{line}")));
            }
            self.names.insert(name.clone(), (file.to_owned(), head.line));
        }
        Ok(())
    }

    fn apply_filters(&mut self) {
        for (file, filter) in std::mem::take(&mut self.filters) {
            let named = |rule: &Rule| filter.rules.is_empty() || rule.head.is_one_of(&filter.rules);
            let mut found = false;
            for rule in self.rules.iter_mut().filter(|rule| filter.scope.covers(&rule.scope) && named(rule)) {
                found = true;
                // Read before without a mistake.
                if let Ok(body) = rule::body(&filter.node, filter.scope.dialect, &["rules"]) {
                    rule.body.narrow(body.selections, body.condition);
                    rule.head.canonical += &filter.head.canonical;
                }
            }
            if !found && !filter.rules.is_empty() {
                let message = format!("the filter names no rule of its log source: {}", filter.rules.join(", "));
                self.find(&file, filter.head.line, true, message);
            }
        }
    }

    fn finish(mut self, name: &str, disabled: &[String]) -> Compiled {
        self.apply_filters();
        self.hush();
        let mut rules = self.rules;
        rules.retain(|rule| !rule.head.is_one_of(disabled));
        rules.sort_by(|a, b| {
            let (a, b) = ((a.quiet, &a.head.info), (b.quiet, &b.head.info));
            a.0.cmp(&b.0).then(b.1.level.cmp(&a.1.level)).then_with(|| a.1.id.cmp(&b.1.id))
        });
        let mut correlations = self.correlations;
        correlations.retain(|correlation| !correlation.head.is_one_of(disabled));
        correlations.sort_by(|a, b| a.info().id.cmp(&b.info().id));
        let infos = rules.iter().filter(|rule| !rule.quiet).map(|rule| rule.head.info.clone()).collect();
        let digest = digest_of(rules.iter().map(|rule| &rule.head).chain(correlations.iter().map(|one| &one.head)));
        let index = Index::new(&rules);
        let correlations = connected(&rules, correlations);
        self.findings.sort();
        let mut reads = Reads::default();
        rules.iter().for_each(|rule| rule.body.note(&mut reads));
        correlations.note(&mut reads);
        let ruleset = Ruleset { name: format!("{name}+sha256:{digest}"), rules, infos, index, correlations, reads };
        Compiled { ruleset, findings: self.findings }
    }
}

/// Correlations with the places of what they listen to.
fn connected(rules: &[Rule], correlations: Vec<Correlation>) -> Correlations {
    let mut places: HashMap<String, usize> = HashMap::new();
    let heads = rules.iter().map(|rule| &rule.head).chain(correlations.iter().map(|one| &one.head));
    for (place, head) in heads.enumerate() {
        places.extend(head.names.iter().map(|name| (name.clone(), place)));
    }
    Correlations::new(correlations, rules.len(), |name| places.get(name).copied())
}

impl Head {
    fn is_one_of(&self, names: &[String]) -> bool {
        names.iter().any(|name| *name == self.info.id || self.names.contains(name))
    }
}

/// The first four bytes of SHA-256 over all rules, which come in an order of their own.
fn digest_of<'h>(heads: impl Iterator<Item = &'h Head>) -> String {
    let mut texts: Vec<&str> = heads.map(|head| head.canonical.as_str()).collect();
    texts.sort_unstable();
    let digest = digest(&SHA256, texts.join("\n").as_bytes());
    digest.as_ref().iter().take(4).map(|byte| format!("{byte:02x}")).collect()
}

impl Ruleset {
    /// How many rules it has, those that serve correlations only included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rules.len()
    }

    /// True without any rule.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Every rule and correlation that is reported, with its file.
    pub fn reference(&self) -> impl Iterator<Item = (&str, &RuleInfo)> {
        let rules = self.rules.iter().filter(|rule| !rule.quiet).map(|rule| (&*rule.file, &rule.head.info));
        let correlations = self.correlations.all.iter().filter(|one| !one.quiet);
        rules.chain(correlations.map(|one| (&*one.file, one.info())))
    }

    /// What is to be said about its correlations.
    pub fn correlations(&self) -> impl Iterator<Item = &RuleInfo> {
        self.correlations.all.iter().filter(|correlation| !correlation.quiet).map(Correlation::info)
    }

    /// Shows the place of every rule that fires; one that fires on several commands is shown several times.
    fn each_match(&self, event: &Event<'_>, mut fires: impl FnMut(usize)) {
        let mut found = self.index.event(event);
        for place in found.of_event(&self.index) {
            let rule = &self.rules[place];
            if rule.scope.has(event) && rule.body.matches(Unit::of(event)) {
                fires(place);
            }
        }
        for (number, command) in event.commands().iter().enumerate() {
            self.index.command(number, command, &mut found);
            for place in found.of_command(&self.index) {
                let rule = &self.rules[place];
                let unit = Unit { command: Some(number), ..Unit::of(event) };
                if rule.scope.has(event) && rule.body.matches(unit) {
                    fires(place);
                }
            }
        }
    }

    /// Shows the place of every rule that is about the rules that have fired.
    fn each_second(&self, event: &Event<'_>, hits: &Hits, mut fires: impl FnMut(usize)) {
        let fired: Vec<&RuleInfo> = hits.iter().filter_map(|place| self.infos.get(place)).collect();
        let unit = Unit { fired: &fired, ..Unit::of(event) };
        for place in &self.index.second {
            let rule = &self.rules[*place];
            if rule.scope.has(event) && rule.body.matches(unit) {
                fires(*place);
            }
        }
    }
}

impl RuleEngine for Ruleset {
    fn evaluate(&self, event: &Event<'_>, hits: &mut Hits, heard: &mut Vec<Heard>) {
        let first = |place: usize, hits: &mut Hits| {
            if place < self.infos.len() {
                hits.insert(place);
            }
            let listened = u32::try_from(place).unwrap_or(u32::MAX);
            if self.correlations.listens(place) && !hits.listened.contains(&listened) {
                hits.listened.push(listened);
            }
        };
        self.each_match(event, |place| first(place, hits));
        if !hits.is_empty() && !self.index.second.is_empty() {
            let before = hits.clone();
            self.each_second(event, &before, |place| first(place, hits));
        }
        self.hear(hits, event, heard);
    }

    fn hear(&self, hits: &Hits, event: &Event<'_>, heard: &mut Vec<Heard>) {
        if !hits.listened.is_empty() {
            heard.extend(self.correlations.hear(&hits.listened, event));
        }
    }

    fn rules(&self) -> &[RuleInfo] {
        &self.infos
    }

    fn ruleset(&self) -> &str {
        &self.name
    }

    fn correlate(&self, heard: &[Heard], time: u64, now: u64, state: &mut State) -> Vec<Incident> {
        let mut incidents = vec![];
        state.hear(&self.correlations, heard, time, now, &mut incidents);
        incidents
    }

    fn incident_rule(&self, incident: &Incident) -> Option<&RuleInfo> {
        self.correlations.all.get(incident.correlation).map(Correlation::info)
    }

    fn look_back_nanos(&self) -> u64 {
        self.correlations.all.iter().map(|correlation| correlation.span_nanos).max().unwrap_or(0)
    }

    fn reads(&self) -> &Reads {
        &self.reads
    }
}

#[cfg(test)]
mod tests;
