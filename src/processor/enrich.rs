//! `enrich`: adds, changes and deletes attributes, as the Collector's `attributes` and `resource` processors do.
//!
//! Actions run in the order written, on the resource, the scope or the record (log record, span, data point). Values
//! are written in the configuration, taken from another attribute, or facts about the host that are read once at
//! start. The environment is read by the configuration (`value: ${env:REGION}`), never here.

use serde::Deserialize;
use tracing::warn;

use crate::otlp::model::{Batch, Entity};
use crate::otlp::value::Value;
use crate::otlp::{DecodeError, Signal};
use crate::processor::scalar::{Context, Scalar};
use crate::processor::{Outcome, Processor};
use crate::stdx::host;
use crate::stdx::problem::{At, Problems};

/// What to add, change and delete.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Inserts `host.name`, `host.arch` and `os.type` of this machine on the resource, unless the sender has said
    /// them. Default: false.
    pub host: bool,
    /// Writes which telseal took the record, as `telseal.version` and `telseal.process.pid` on the resource. These
    /// are not `process.*`: that is the sender's own process. Default: false.
    pub process: bool,
    /// The actions, in order, after `host` and `process`. Default: none.
    pub actions: Vec<Action>,
}

/// One action on one attribute.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Action {
    /// The attribute.
    pub key: String,
    /// `insert`, `update`, `upsert` or `delete`.
    pub action: Verb,
    /// `resource`, `scope` or `record`. Default: `record`, the log record, span or data point.
    #[serde(default)]
    pub context: Context,
    /// The value: a string, boolean or number, which keeps its YAML type.
    #[serde(default)]
    pub value: Option<Scalar>,
    /// Takes the value of this attribute of the same context; does nothing where it is missing.
    #[serde(default)]
    pub from_attribute: Option<String>,
    /// Takes a fact about this machine: `host.name`, `host.arch`, `os.type`, `process.pid` (of telseal) or
    /// `telseal.version`.
    #[serde(default)]
    pub from: Option<Fact>,
}

/// What an action does. The words mean what they mean in the Collector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verb {
    /// Adds the attribute where it is missing.
    Insert,
    /// Changes the attribute where it is there.
    Update,
    /// Adds or changes it.
    Upsert,
    /// Removes it.
    Delete,
}

/// Something known about this machine and process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum Fact {
    /// The name of the host.
    #[serde(rename = "host.name")]
    HostName,
    /// The processor architecture, in the words of the semantic conventions: `amd64`, `arm64`, ..
    #[serde(rename = "host.arch")]
    HostArch,
    /// `linux`, `darwin`, `windows`, ..
    #[serde(rename = "os.type")]
    OsType,
    /// The process id of telseal.
    #[serde(rename = "process.pid")]
    ProcessPid,
    /// The version of telseal.
    #[serde(rename = "telseal.version")]
    Version,
}

impl Config {
    /// Finds what cannot work.
    pub fn check(&self, at: &At, problems: &mut Problems) {
        if self.actions.is_empty() && !self.host && !self.process {
            problems.add_hint(at, "nothing to do", "set `actions`, `host: true` or `process: true`");
        }
        for (index, action) in self.actions.iter().enumerate() {
            action.check(&at.key("actions").item(index), problems);
        }
    }
}

impl Action {
    fn check(&self, at: &At, problems: &mut Problems) {
        if self.key.is_empty() {
            problems.add(&at.key("key"), "the key is empty");
        }
        if self.from_attribute.as_deref() == Some("") {
            problems.add(&at.key("from_attribute"), "the name of the attribute is empty");
        }
        match (self.action, self.values()) {
            (Verb::Delete, 0) | (Verb::Insert | Verb::Update | Verb::Upsert, 1) => {}
            (Verb::Delete, _) => problems.add_hint(at, "`delete` takes no value", "remove it, or use `update`"),
            (_, 0) => problems.add_hint(at, "no value", "set one of `value`, `from_attribute` and `from`"),
            _ => problems.add_hint(at, "more than one value", "keep one of `value`, `from_attribute` and `from`"),
        }
    }

    fn values(&self) -> usize {
        let given = [self.value.is_some(), self.from_attribute.is_some(), self.from.is_some()];
        given.into_iter().filter(|given| *given).count()
    }
}

/// The processor.
#[derive(Debug)]
pub struct Enrich {
    resource: Vec<Step>,
    scope: Vec<Step>,
    record: Vec<Step>,
}

/// An action whose facts are known.
#[derive(Debug)]
struct Step {
    key: String,
    verb: Verb,
    supply: Supply,
}

#[derive(Debug)]
enum Supply {
    Nothing,
    Fixed(Scalar),
    Attribute(String),
}

impl Enrich {
    /// Reads the facts about this machine, once.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        Self::with_host_name(config, host::name().as_deref())
    }

    fn with_host_name(config: &Config, host_name: Option<&str>) -> Self {
        let mut enrich = Self { resource: vec![], scope: vec![], record: vec![] };
        for action in detectors(config).iter().chain(&config.actions) {
            let Some(supply) = Supply::new(action, host_name) else {
                warn!(key = action.key, "the host has no name that telseal can read: this enrich action does nothing");
                continue;
            };
            enrich.steps(action.context).push(Step { key: action.key.clone(), verb: action.action, supply });
        }
        enrich
    }

    fn steps(&mut self, context: Context) -> &mut Vec<Step> {
        match context {
            Context::Resource => &mut self.resource,
            Context::Scope => &mut self.scope,
            Context::Record => &mut self.record,
        }
    }
}

/// What `host` and `process` stand for.
fn detectors(config: &Config) -> Vec<Action> {
    let on_resource = |key: &str, action, fact| Action {
        key: key.to_owned(),
        action,
        context: Context::Resource,
        value: None,
        from_attribute: None,
        from: Some(fact),
    };
    let mut actions = vec![];
    if config.host {
        actions.push(on_resource("host.name", Verb::Insert, Fact::HostName));
        actions.push(on_resource("host.arch", Verb::Insert, Fact::HostArch));
        actions.push(on_resource("os.type", Verb::Insert, Fact::OsType));
    }
    if config.process {
        actions.push(on_resource("telseal.version", Verb::Upsert, Fact::Version));
        actions.push(on_resource("telseal.process.pid", Verb::Upsert, Fact::ProcessPid));
    }
    actions
}

impl Supply {
    /// `None` where the fact is not known here.
    fn new(action: &Action, host_name: Option<&str>) -> Option<Self> {
        Some(match (&action.value, &action.from_attribute, action.from) {
            (Some(value), ..) => Self::Fixed(value.clone()),
            (_, Some(key), _) => Self::Attribute(key.clone()),
            (.., Some(fact)) => Self::Fixed(fact.value(host_name)?),
            (None, None, None) => Self::Nothing,
        })
    }

    fn value<'a>(&'a self, entity: &Entity<'a>) -> Option<Value<'a>> {
        match self {
            Self::Nothing => None,
            Self::Fixed(value) => Some(value.value()),
            Self::Attribute(key) => entity.get(key),
        }
    }
}

impl Fact {
    fn value(self, host_name: Option<&str>) -> Option<Scalar> {
        Some(match self {
            Self::HostName => Scalar::Str(host_name?.to_owned()),
            Self::HostArch => Scalar::Str(host::arch().to_owned()),
            Self::OsType => Scalar::Str(host::os().to_owned()),
            Self::ProcessPid => Scalar::Int(i64::from(std::process::id())),
            Self::Version => Scalar::Str(env!("CARGO_PKG_VERSION").to_owned()),
        })
    }
}

impl Step {
    /// True when the entity is different now.
    fn run<'a>(&'a self, entity: &mut Entity<'a>) -> bool {
        if self.verb == Verb::Delete {
            return entity.remove(&self.key);
        }
        let Some(value) = self.supply.value(entity) else { return false };
        match (self.verb, entity.get(&self.key)) {
            (Verb::Insert | Verb::Upsert, None) => entity.push(&self.key, value),
            (Verb::Update | Verb::Upsert, Some(old)) if old != value => entity.set(&self.key, value),
            _ => return false,
        }
        true
    }
}

/// Runs the steps in order; true when the entity is different now.
fn run<'a>(steps: &'a [Step], entity: &mut Entity<'a>) -> bool {
    steps.iter().fold(false, |changed, step| step.run(entity) | changed)
}

impl Processor for Enrich {
    fn process<'a>(&'a self, batch: &mut Batch<'a>) -> Result<Outcome, DecodeError> {
        let (signal, arena) = (batch.signal, batch.arena());
        let mut changed = 0;
        for group in &mut batch.groups {
            let resource = run(&self.resource, &mut group.resource);
            for scope in &mut group.scopes {
                let owner = run(&self.scope, &mut scope.scope) | resource;
                if !owner && self.record.is_empty() {
                    continue;
                }
                for record in &mut scope.records {
                    let mut each = |record: &mut Entity<'a>| {
                        changed += u64::from(run(&self.record, record) | owner);
                        Ok(())
                    };
                    match signal {
                        Signal::Metrics => record.each_point(arena, &mut each)?,
                        Signal::Logs | Signal::Traces => each(record)?,
                    }
                }
            }
        }
        Ok(Outcome { changed, ..Outcome::default() })
    }
}

#[cfg(test)]
mod tests {
    use super::Config;
    use crate::stdx::problem::{At, Problems};

    fn problems(yaml: &str) -> Vec<String> {
        let config: Config = serde_saphyr::from_str(yaml).unwrap();
        let mut problems = Problems::default();
        config.check(&At::new("processors.enrich"), &mut problems);
        problems.0.into_iter().map(|p| format!("{}: {}", p.path, p.message)).collect()
    }

    #[test]
    fn a_complete_configuration_has_no_problem() {
        let yaml = "host: true\nprocess: true\nactions:\n- {key: a, value: 1, action: insert, context: resource}\n\
                    - {key: b, from_attribute: a, action: upsert}\n- {key: c, from: host.name, action: update}\n\
                    - {key: d, action: delete, context: scope}\n";
        assert_eq!(problems(yaml), Vec::<String>::new());
    }

    #[test]
    fn every_bad_action_is_named() {
        let yaml = "actions:\n- {key: a, action: insert}\n- {key: b, action: delete, value: 1}\n\
                    - {key: '', action: upsert, value: 1}\n- {key: d, action: upsert, value: 1, from: os.type}\n";
        assert_eq!(
            problems(yaml),
            [
                "processors.enrich.actions[0]: no value",
                "processors.enrich.actions[1]: `delete` takes no value",
                "processors.enrich.actions[2].key: the key is empty",
                "processors.enrich.actions[3]: more than one value",
            ]
        );
        assert_eq!(problems("{}"), ["processors.enrich: nothing to do"]);
    }

    #[test]
    fn unknown_words_are_refused_while_reading() {
        for yaml in ["action: []", "actions: [{key: a, action: hash}]", "actions: [{key: a, action: insert, valu: 1}]"]
        {
            assert!(serde_saphyr::from_str::<Config>(yaml).is_err(), "{yaml}");
        }
    }
}
