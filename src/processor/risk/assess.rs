//! A verdict about one command line or one event, with everything that led to it: for the command line tool and for tests.

use bumpalo::Bump;

use super::context::Circumstance;
use super::event::{Command, Event, Field, Hits, Level, RuleInfo};
use super::view::plan::Plans;
use super::view::{Outline, Reader, Sender};
use super::{RiskTag, score, shell};
use crate::otlp::model::Batch;
use crate::otlp::value::{Value, put_pair};
use crate::otlp::wire::put_bytes;
use crate::otlp::{DecodeError, Signal};

/// A verdict and its reasons.
#[derive(Debug, Clone, PartialEq)]
pub struct Assessment {
    /// How bad it is.
    pub level: Level,
    /// 0 to 100.
    pub score: i64,
    /// The rules that fired, worst first.
    pub rules: Vec<RuleInfo>,
    /// What changed the score besides.
    pub circumstances: Vec<Circumstance>,
    /// Fields of the event, with their values.
    pub fields: Vec<(&'static str, Vec<String>)>,
    /// The simple commands.
    pub commands: Vec<Part>,
    /// Which rules were in force.
    pub ruleset: String,
}

/// A simple command of the line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Its words, quotes removed.
    pub text: String,
    /// Its redirections.
    pub redirects: Vec<String>,
    /// The command that runs it.
    pub parent: Option<usize>,
    /// The command that reads its output.
    pub pipes_to: Option<usize>,
}

impl RiskTag {
    /// Judges a command line that an agent's shell would run.
    #[must_use]
    pub fn assess_command(&self, line: &str) -> Assessment {
        let arena = Bump::new();
        let mut event = Event::default();
        let line = arena.alloc_str(line);
        event.push(Field::Kind, "command");
        event.push(Field::ToolKind, "command");
        event.push(Field::CommandLine, line);
        shell::analyse(line, &mut event, &arena);
        if event.commands().iter().any(|command| command.program == "git") {
            event.push(Field::Kind, "git");
        }
        self.assess(&event)
    }

    /// Judges an event given by its attributes; `resource` are those of its resource, `scope` the name of its scope.
    ///
    /// # Errors
    /// When a value is no `AnyValue`.
    pub fn assess_event(
        &self,
        attributes: &[(&str, Value<'_>)],
        resource: &[(&str, Value<'_>)],
        scope: &str,
    ) -> Result<Assessment, DecodeError> {
        let request = log_request(attributes, resource, scope);
        let arena = Bump::new();
        let batch = Batch::open(Signal::Logs, &request, &arena)?;
        let (mut event, mut plans, engine) = (Event::default(), Plans::default(), self.ruling());
        let reader = Reader { agents: &self.agents, reads: &engine.reads };
        for group in &batch.groups {
            for scope in &group.scopes {
                let sender = Sender::new(&self.agents, &group.resource, &scope.scope, reader.reads)?;
                for record in &scope.records {
                    let outline = Outline::new(&self.agents, &sender, record)?;
                    let plan = plans.of(outline.vendor, record.attributes(), reader.reads);
                    reader.read(&sender, &outline, plan, record, &mut event, &arena)?;
                }
            }
        }
        Ok(self.assess(&event))
    }

    fn assess(&self, event: &Event<'_>) -> Assessment {
        let (ruling, mut hits) = (self.ruling(), Hits::default());
        let engine = &*ruling.engine;
        engine.evaluate(event, &mut hits, &mut vec![]);
        let (score, level) = score::verdict(engine.rules(), &hits, &self.context, event);
        let texts = |field: Field| event.values(field).iter().map(|value| (*value).to_owned()).collect::<Vec<_>>();
        Assessment {
            level,
            score,
            rules: hits.iter().filter_map(|place| engine.rules().get(place)).cloned().collect(),
            circumstances: if hits.is_empty() { vec![] } else { self.context.circumstances(event).collect() },
            fields: Field::ALL
                .iter()
                .map(|field| (field.name(), texts(*field)))
                .filter(|(_, values)| !values.is_empty())
                .collect(),
            commands: event.commands().iter().map(Part::new).collect(),
            ruleset: engine.ruleset().to_owned(),
        }
    }
}

impl Assessment {
    /// What a rule adds to the score by itself.
    #[must_use]
    pub fn contribution(rule: &RuleInfo) -> f64 {
        score::base(rule.level)
    }
}

impl Part {
    fn new(command: &Command<'_>) -> Self {
        Self {
            text: command.text.to_owned(),
            redirects: command.redirects.iter().map(|redirect| [redirect.operator, redirect.target].concat()).collect(),
            parent: command.parent,
            pipes_to: command.pipes_to,
        }
    }
}

/// A request with one log record.
fn log_request(attributes: &[(&str, Value<'_>)], resource: &[(&str, Value<'_>)], scope: &str) -> Vec<u8> {
    let (mut record, mut owner, mut library) = (vec![], vec![], vec![]);
    attributes.iter().for_each(|(key, value)| put_pair(&mut record, 6, key, value));
    resource.iter().for_each(|(key, value)| put_pair(&mut owner, 1, key, value));
    put_bytes(&mut library, 1, scope.as_bytes());
    let (mut scope_logs, mut group, mut request) = (vec![], vec![], vec![]);
    put_bytes(&mut scope_logs, 1, &library);
    put_bytes(&mut scope_logs, 2, &record);
    put_bytes(&mut group, 1, &owner);
    put_bytes(&mut group, 2, &scope_logs);
    put_bytes(&mut request, 1, &group);
    request
}
