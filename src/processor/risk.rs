//! `risk_tag`: says what an AI agent's action means, as attributes on the log record or span.
//!
//! Each record becomes an [`event::Event`] (`view`, by the tables of `agents`): what kind of action, which tool, which command
//! lines with every program in them (`shell`), files, hosts, decisions. Sigma rules fire on it (`sigma`, `packs`), and their
//! levels and the circumstances give a score (`score`, `context`). Every action gets a verdict (`verdict`); any other record
//! only if a rule fires on it. An action that no rule fires on has level `info` and score 0: it was looked at, and nothing was
//! found. Attributes of these names that a sender wrote move to `risk.reported.*`.
//!
//! Limits: those of `shell`; 64 events of a span; JSON in arguments 96 levels deep.

mod agents;
pub mod assess;
pub mod context;
mod effects;
pub mod event;
mod incident;
mod memo;
pub mod memory;
mod modes;
pub mod packs;
mod patch;
pub mod score;
pub mod shell;
pub mod sigma;
mod verdict;
mod view;
mod work;

use std::sync::{Arc, PoisonError, RwLock};

use bumpalo::Bump;
use metrics::counter;
use serde::Deserialize;

use crate::otlp::model::{Batch, Entity};
use crate::otlp::wire::{put_bytes, put_tag, put_varint};
use crate::otlp::{DecodeError, Signal};
use crate::processor::{Outcome, Processor};
use crate::stdx::clock;
use crate::stdx::problem::{At, Problems, did_you_mean};

use agents::{Agents, Target};
use context::Context;
use event::{Field, Reads, RuleEngine};
use memo::Memo;
use memory::{Memory, Pending};
use modes::Modes;
use verdict::{OWN, Style};
use view::Sender;
use work::Work;

pub use agents::{Recognise, Table, When};
pub use verdict::Compat;

/// Which rules run, and which attributes hold what they look at.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Ids of rules that are switched off. The digest in `risk.ruleset` changes with them. Default: none.
    pub disabled_rules: Vec<String>,
    /// Folders of Sigma rules, or single files, beside the rules that come with telseal. Read at the start and again
    /// whenever they change; rules that are wrong leave the old ones in force. Default: none.
    pub rules: Vec<String>,
    /// More attributes to look at, beside the known ones of Claude Code, Codex, Gemini CLI, Copilot and Droid.
    pub attributes: Attributes,
    /// Tables of other agents, or additions to the shipped ones, in the form of `config/agents/*.yaml`. Default: none.
    pub agents: Vec<Table>,
    /// Circumstances that change the score.
    pub context: Context,
    /// Names of other products under which the verdict is written too: `ocsf`, `splunk`, `ecs`. Default: none.
    pub compat: Vec<Compat>,
    /// Raises the severity of log records: medium to `WARN`, high to `ERROR`, critical to `FATAL`. It is never lowered.
    /// Default: false.
    pub raise_severity: bool,
}

/// Attribute names by what they hold.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Attributes {
    /// Command lines. Default: none besides the known ones.
    pub command: Vec<String>,
    /// Paths of files that a tool reads or writes.
    pub file: Vec<String>,
    /// Addresses that a tool fetches.
    pub url: Vec<String>,
    /// Names of tools.
    pub tool: Vec<String>,
    /// Arguments of a tool call: a JSON object as a string, or a map.
    pub arguments: Vec<String>,
    /// What the agent itself says about the risk.
    pub reported_level: Vec<String>,
}

impl Config {
    /// Finds what cannot work.
    pub fn check(&self, at: &At, problems: &mut Problems) {
        if !self.disabled_rules.is_empty() {
            let loaded = packs::load(&[], &[]);
            let known: Vec<&str> = loaded.ruleset.rules().iter().map(|rule| &*rule.id).collect();
            for (index, id) in self.disabled_rules.iter().enumerate() {
                check_rule(id, &known, &at.key("disabled_rules").item(index), problems);
            }
        }
        for (index, _) in self.rules.iter().enumerate().filter(|(_, path)| path.is_empty()) {
            problems.add(&at.key("rules").item(index), "the path is empty");
        }
        self.attributes.check(&at.key("attributes"), problems);
        for (index, table) in self.agents.iter().enumerate() {
            table.check(&at.key("agents").item(index), problems);
        }
        self.context.check(&at.key("context"), problems);
    }
}

fn check_rule(id: &str, known: &[&str], at: &At, problems: &mut Problems) {
    if known.contains(&id) {
        return;
    }
    let message = format!("no rule named `{id}`");
    match did_you_mean(id, known.iter().copied()) {
        Some(meant) => problems.add_hint(at, message, format!("did you mean `{meant}`?")),
        None => problems.add(at, message),
    }
}

impl Attributes {
    fn check(&self, at: &At, problems: &mut Problems) {
        for (name, keys, _) in self.lists() {
            for (index, _) in keys.iter().enumerate().filter(|(_, key)| key.is_empty()) {
                problems.add(&at.key(name).item(index), "the name of the attribute is empty");
            }
        }
    }

    fn lists(&self) -> [(&'static str, &[String], Target); 6] {
        [
            ("command", &self.command, Target::Field(Field::CommandLine)),
            ("file", &self.file, Target::Field(Field::FilePath)),
            ("url", &self.url, Target::Field(Field::UrlFull)),
            ("tool", &self.tool, Target::Field(Field::ToolName)),
            ("arguments", &self.arguments, Target::Arguments),
            ("reported_level", &self.reported_level, Target::Field(Field::ReportedLevel)),
        ]
    }
}

/// The rules in force, with the verdicts that they gave.
#[derive(Debug)]
struct Ruling {
    engine: Arc<dyn RuleEngine>,
    /// What rules and circumstances look at.
    reads: Reads,
    memo: Memo,
}

impl Ruling {
    fn new(engine: Arc<dyn RuleEngine>) -> Self {
        let mut reads = engine.reads().clone();
        context::ENVIRONMENTS.iter().for_each(|name| reads.add_attribute(name));
        Self { engine, reads, memo: Memo::default() }
    }
}

/// The processor.
#[derive(Debug)]
pub struct RiskTag {
    agents: Agents,
    ruling: RwLock<Arc<Ruling>>,
    context: Context,
    style: Style,
    modes: Modes,
    memory: Arc<Memory>,
}

impl RiskTag {
    /// Reads the shipped tables and rules.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        Self::with_rules(config, Arc::new(packs::load(&config.disabled_rules, &[]).ruleset))
    }

    /// The same with other rules.
    #[must_use]
    pub fn with_rules(config: &Config, engine: Arc<dyn RuleEngine>) -> Self {
        let lists = config.attributes.lists();
        let more: Vec<(&str, Target)> =
            lists.iter().flat_map(|(_, names, target)| names.iter().map(move |name| (&**name, *target))).collect();
        Self {
            agents: Agents::new(&config.agents, &more, &OWN.map(|(own, _)| own)),
            ruling: RwLock::new(Arc::new(Ruling::new(engine))),
            context: config.context.clone(),
            style: Style { compat: config.compat.clone(), raise_severity: config.raise_severity },
            modes: Modes::default(),
            memory: Arc::default(),
        }
    }

    /// The same, but it goes on with what another one remembers.
    #[must_use]
    pub fn with_memory(self, memory: Arc<Memory>) -> Self {
        Self { memory, ..self }
    }

    /// Other rules from the next batch on.
    pub fn replace_rules(&self, engine: Arc<dyn RuleEngine>) {
        *self.ruling.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(Ruling::new(engine));
    }

    /// What it remembers between batches.
    #[must_use]
    pub fn memory(&self) -> Arc<Memory> {
        Arc::clone(&self.memory)
    }

    /// Reports what the records of this batch, with those before it, mean together.
    fn correlate<'a>(
        &self,
        batch: &mut Batch<'a>,
        pending: Vec<Pending<'_>>,
        work: &Work<'a>,
    ) -> Result<u64, DecodeError> {
        if pending.is_empty() {
            return Ok(0);
        }
        let (arena, engine) = (batch.arena(), &*work.ruling.engine);
        let mut added = 0;
        for (at, report) in self.memory.take(pending, engine, work.now) {
            counter!("telseal_risk_incidents_total", "rule" => report.rule.id.clone()).increment(1);
            let Some(group) = batch.groups.get_mut(at[0]) else { continue };
            if batch.signal == Signal::Logs {
                incident::add(&report, engine.ruleset(), work.now, group, arena)?;
                added += 1;
            } else if let Some(record) = group.scopes.get_mut(at[1]).and_then(|scope| scope.records.get_mut(at[2])) {
                incident::note(&report, record, arena);
            }
        }
        Ok(added)
    }

    fn ruling(&self) -> Arc<Ruling> {
        Arc::clone(&self.ruling.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Field numbers of `LogRecord`.
const SEVERITY_NUMBER: u32 = 2;
const SEVERITY_TEXT: u32 = 3;

/// Raises the severity of a log record to this one, if it is lower.
fn raise<'a>(record: &mut Entity<'a>, to: Option<(u64, &str)>, arena: &'a Bump) -> Result<(), DecodeError> {
    let Some((number, text)) = to else { return Ok(()) };
    if let Some(crate::otlp::wire::WireValue::Varint(now)) = record.field(SEVERITY_NUMBER)?
        && now >= number
    {
        return Ok(());
    }
    let mut fields = vec![];
    put_tag(&mut fields, SEVERITY_NUMBER, 0);
    put_varint(&mut fields, number);
    put_bytes(&mut fields, SEVERITY_TEXT, text.as_bytes());
    record.replace_fields(&[SEVERITY_NUMBER, SEVERITY_TEXT], &fields, arena)
}

impl Processor for RiskTag {
    fn process<'a>(&'a self, batch: &mut Batch<'a>) -> Result<Outcome, DecodeError> {
        let mut outcome = Outcome::default();
        if batch.signal == Signal::Metrics {
            return Ok(outcome);
        }
        let arena = batch.arena();
        let mut work = Work::new(self, clock::unix_nanos(), arena);
        let mut pending = vec![];
        for (g, group) in batch.groups.iter_mut().enumerate() {
            let resource = &group.resource;
            for (s, scope) in group.scopes.iter_mut().enumerate() {
                let sender = Sender::new(&self.agents, resource, &scope.scope, &work.ruling.reads)?;
                for (r, record) in scope.records.iter_mut().enumerate() {
                    outcome.changed += u64::from(work.tag(record, &sender)?);
                    pending.extend(work.pending([g, s, r], batch.signal));
                }
            }
        }
        outcome.added = self.correlate(batch, pending, &work)?;
        work.report();
        Ok(outcome)
    }
}

#[cfg(test)]
mod tests {
    use super::{Config, RiskTag};
    use crate::stdx::problem::{At, Problems};

    fn problems(yaml: &str) -> Vec<(String, Option<String>)> {
        let config: Config = serde_saphyr::from_str(yaml).unwrap();
        let mut problems = Problems::default();
        config.check(&At::new("r"), &mut problems);
        problems.0.into_iter().map(|problem| (format!("{}: {}", problem.path, problem.message), problem.hint)).collect()
    }

    #[test]
    fn unknown_rules_and_empty_names_are_found() {
        assert_eq!(problems("{disabled_rules: [AG-SHELL-001], attributes: {tool: [acme.tool]}}"), []);
        assert_eq!(
            problems("{disabled_rules: [AG-SHEL-001], attributes: {file: [a, '']}}"),
            [
                (
                    "r.disabled_rules[0]: no rule named `AG-SHEL-001`".into(),
                    Some("did you mean `AG-SHELL-001`?".into())
                ),
                ("r.attributes.file[1]: the name of the attribute is empty".into(), None),
            ]
        );
    }

    #[test]
    fn names_of_other_products_are_known_ones() {
        assert!(serde_saphyr::from_str::<Config>("{compat: [ocsf, splunk, ecs], raise_severity: true}").is_ok());
        assert!(serde_saphyr::from_str::<Config>("{compat: [qradar]}").is_err());
    }

    #[test]
    fn rules_can_be_replaced_while_it_runs() {
        let tag = RiskTag::new(&Config::default());
        let before = tag.ruling().engine.ruleset().to_owned();
        tag.replace_rules(std::sync::Arc::new(super::packs::load(&["AG-SHELL-001".into()], &[]).ruleset));
        assert_ne!(tag.ruling().engine.ruleset(), before);
    }
}
