//! `enrich`: adds, changes and deletes attributes, as the Collector's `attributes` and `resource` processors do.
//!
//! Actions run in the order written, on the resource, the scope or the record (log record, span, data point). Values
//! are written in the configuration, taken from another attribute, or facts about the host that are read once at
//! start. The environment is read by the configuration (`value: ${env:REGION}`), never here.

use serde::Deserialize;

use crate::processor::scalar::{Context, Scalar};
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
