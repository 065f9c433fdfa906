//! Which attribute of which agent holds what: tables read from YAML, those shipped in `config/agents/` and the user's own.
//!
//! A table has a vendor, how it is recognised, the kinds of its events, the fields of its attributes, conditions on
//! attributes, members of tool arguments, and tools by what they do. `common.yaml` is what every vendor shares.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::event::Field;
use crate::stdx::problem::{At, Problems, did_you_mean};

/// The tables that are shipped. The first is what all vendors share.
const SHIPPED: [(&str, &str); 6] = [
    ("common", include_str!("../../../config/agents/common.yaml")),
    ("claude_code", include_str!("../../../config/agents/claude_code.yaml")),
    ("codex", include_str!("../../../config/agents/codex.yaml")),
    ("gemini_cli", include_str!("../../../config/agents/gemini_cli.yaml")),
    ("copilot", include_str!("../../../config/agents/copilot.yaml")),
    ("droid", include_str!("../../../config/agents/droid.yaml")),
];

/// One agent's telemetry, as data.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Table {
    /// What the agent is called in `vendor` and in metrics. A name that is shipped adds to what is shipped.
    pub vendor: String,
    /// How its records are recognised.
    pub recognise: Recognise,
    /// Kinds by event name, without the prefix. Kinds: `command`, `file`, `network`, `permission`, `prompt`, `mcp`, `session`, `git`,
    /// `config`, `hook`, `model`, and `tool` for a call whose tool tells.
    pub events: BTreeMap<String, Vec<String>>,
    /// Fields by attribute: names of fields, or `arguments`, `messages`, `program`, `patch`, `content`, `ignore`.
    pub attributes: BTreeMap<String, Vec<String>>,
    /// Conditions on attributes.
    pub when: Vec<When>,
    /// Fields by member of tool arguments.
    pub members: BTreeMap<String, Vec<String>>,
    /// Tools by what they do: `command`, `file_write`, `file_read`, `network`, `agent`.
    pub tools: BTreeMap<String, Vec<String>>,
}

/// How an agent's records are recognised; any of these suffices.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Recognise {
    /// Values of the resource's `service.name`.
    pub service: Vec<String>,
    /// What the name of the instrumentation scope begins with.
    pub scope: Vec<String>,
    /// What the event's name begins with; a prefix that ends in a dot is taken off.
    pub events: Vec<String>,
}

/// A field that follows from an attribute's value.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct When {
    /// The attribute.
    pub attribute: String,
    /// The values that count.
    pub is: Vec<String>,
    /// The field that is set.
    pub field: String,
    /// What it is set to.
    pub value: String,
}

impl Table {
    /// Finds what cannot work.
    pub fn check(&self, at: &At, problems: &mut Problems) {
        if self.vendor.is_empty() {
            problems.add_hint(at, "`vendor` is missing", "give the agent a short name, as in `vendor: acme`");
        }
        for (section, targets) in [("attributes", &self.attributes), ("members", &self.members)] {
            for (name, words) in targets {
                words.iter().for_each(|word| check_target(word, &at.key(section).key(name), problems));
            }
        }
        for (index, when) in self.when.iter().enumerate() {
            check_target(&when.field, &at.key("when").item(index).key("field"), problems);
        }
        for (name, kinds) in &self.events {
            kinds.iter().for_each(|kind| check_word(kind, KINDS, &at.key("events").key(name), problems));
        }
        for kind in self.tools.keys() {
            check_word(kind, TOOL_KINDS, &at.key("tools").key(kind), problems);
        }
    }
}

const KINDS: &[&str] =
    &["command", "file", "network", "permission", "prompt", "mcp", "session", "git", "config", "hook", "model", "tool"];
const TOOL_KINDS: &[&str] = &["command", "file_write", "file_read", "network", "agent", "mcp", "other"];

fn check_word(word: &str, known: &[&str], at: &At, problems: &mut Problems) {
    if !known.contains(&word) {
        problems.add_hint(at, format!("no kind named `{word}`"), format!("one of: {}", known.join(", ")));
    }
}

fn check_target(word: &str, at: &At, problems: &mut Problems) {
    if Target::parse(word).is_some() {
        return;
    }
    let known = Field::ALL.iter().map(|field| field.name());
    match did_you_mean(word, known) {
        Some(meant) => problems.add_hint(at, format!("no field named `{word}`"), format!("did you mean `{meant}`?")),
        None => problems.add(at, format!("no field named `{word}`")),
    }
}

/// What an attribute or a member of arguments is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    /// A field, as it stands.
    Field(Field),
    /// Tool arguments: JSON in a string, a map, or plain text.
    Arguments,
    /// Messages of a model, in which calls of tools may stand.
    Messages,
    /// The name of a program: a command line only when there is no better one.
    Program,
    /// Text that may be a patch, which names files; else nothing is known about it.
    Patch,
    /// Text that is a prompt when the event is one.
    Content,
    /// Nothing.
    Ignore,
    /// A condition, by its place in the table.
    When(usize),
    /// A name that `risk_tag` writes itself.
    Own,
}

impl Target {
    fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "arguments" => Self::Arguments,
            "messages" => Self::Messages,
            "program" => Self::Program,
            "patch" => Self::Patch,
            "content" => Self::Content,
            "ignore" => Self::Ignore,
            name => Self::Field(Field::parse(name)?),
        })
    }
}

/// Names by length, so that a name that means nothing costs next to nothing.
#[derive(Debug, Clone, Default)]
pub(super) struct Names(Vec<Vec<(Box<str>, Vec<Target>)>>);

impl Names {
    fn add(&mut self, name: &str, targets: impl IntoIterator<Item = Target>) {
        if self.0.len() <= name.len() {
            self.0.resize(name.len() + 1, vec![]);
        }
        let same_len = &mut self.0[name.len()];
        match same_len.iter_mut().find(|(known, _)| **known == *name) {
            Some((_, known)) => known.extend(targets),
            None => same_len.push((name.into(), targets.into_iter().collect())),
        }
    }

    fn add_if_new(&mut self, name: &str, targets: &[Target]) {
        if self.get(name).is_empty() {
            self.add(name, targets.iter().copied());
        }
    }

    fn each(&self) -> impl Iterator<Item = (&str, &[Target])> {
        self.0.iter().flatten().map(|(name, targets)| (&**name, &targets[..]))
    }

    /// What a name is good for.
    #[inline]
    pub(super) fn get(&self, name: &str) -> &[Target] {
        let last = name.as_bytes().last();
        let Some(same_len) = self.0.get(name.len()) else { return &[] };
        let found = same_len.iter().find(|(known, _)| known.as_bytes().last() == last && **known == *name);
        found.map_or(&[], |(_, targets)| targets)
    }
}

/// One vendor, ready to be asked.
#[derive(Debug, Clone)]
pub(super) struct Vendor {
    pub(super) name: String,
    /// Its place among all vendors.
    pub(super) place: usize,
    recognise: Recognise,
    events: BTreeMap<String, Vec<String>>,
    pub(super) names: Names,
    pub(super) conditions: Vec<When>,
}

/// All vendors.
#[derive(Debug)]
pub(super) struct Agents {
    /// The first is `genai`: any agent that is not known better.
    vendors: Vec<Vendor>,
    pub(super) members: Names,
    tools: BTreeMap<String, String>,
}

impl Agents {
    /// The shipped tables, the user's, and attributes named in the configuration.
    pub(super) fn new(own: &[Table], more: &[(&str, Target)], written: &[&str]) -> Self {
        let mut agents = Self { vendors: vec![], members: Names::default(), tools: BTreeMap::new() };
        let shipped = SHIPPED.iter().map(|(_, text)| serde_saphyr::from_str(text).unwrap_or_default());
        for table in shipped.collect::<Vec<Table>>().iter().chain(own) {
            agents.add(table);
        }
        let common = agents.vendors[0].clone();
        for vendor in &mut agents.vendors {
            more.iter().for_each(|(name, target)| vendor.names.add(name, [*target]));
            written.iter().for_each(|name| vendor.names.add(name, [Target::Own]));
            if vendor.name != common.name {
                vendor.inherit(&common);
            }
        }
        agents
    }

    fn add(&mut self, table: &Table) {
        let place = self.vendors.iter().position(|vendor| vendor.name == table.vendor).unwrap_or_else(|| {
            self.vendors.push(Vendor::new(&table.vendor, self.vendors.len()));
            self.vendors.len() - 1
        });
        self.vendors[place].add(table);
        for (name, words) in &table.members {
            self.members.add(name, words.iter().filter_map(|word| Target::parse(word)));
        }
        for (kind, names) in &table.tools {
            self.tools.extend(names.iter().map(|name| (name.to_lowercase(), kind.clone())));
        }
    }

    /// Any agent that is not known better.
    pub(super) fn other(&self) -> &Vendor {
        &self.vendors[0]
    }

    /// The vendor of that service, scope or event.
    pub(super) fn recognise(&self, service: &str, scope: &str) -> Option<&Vendor> {
        let known = |vendor: &&Vendor| {
            vendor.recognise.service.iter().any(|name| name == service)
                || (!scope.is_empty() && vendor.recognise.scope.iter().any(|name| scope.starts_with(&**name)))
        };
        self.vendors.iter().skip(1).chain(self.vendors.first()).find(known)
    }

    /// The vendor whose events are named so.
    pub(super) fn of_event(&self, event: &str) -> Option<&Vendor> {
        self.vendors.iter().find(|vendor| vendor.recognise.events.iter().any(|prefix| event.starts_with(&**prefix)))
    }

    /// What a tool does; nothing when it is not known.
    pub(super) fn tool_kind(&self, tool: &str) -> Option<&str> {
        match self.tools.get(tool) {
            Some(kind) => Some(kind),
            None if tool.bytes().any(|byte| byte.is_ascii_uppercase()) => {
                self.tools.get(&tool.to_lowercase()).map(|kind| &**kind)
            }
            None => None,
        }
    }
}

impl Vendor {
    fn new(name: &str, place: usize) -> Self {
        Self {
            name: name.to_owned(),
            place,
            recognise: Recognise::default(),
            events: BTreeMap::new(),
            names: Names::default(),
            conditions: vec![],
        }
    }

    fn add(&mut self, table: &Table) {
        self.recognise.service.extend(table.recognise.service.iter().cloned());
        self.recognise.scope.extend(table.recognise.scope.iter().cloned());
        self.recognise.events.extend(table.recognise.events.iter().cloned());
        self.events.extend(table.events.iter().map(|(name, kinds)| (name.clone(), kinds.clone())));
        for (name, words) in &table.attributes {
            self.names.add(name, words.iter().filter_map(|word| Target::parse(word)));
        }
        for when in &table.when {
            self.names.add(&when.attribute, [Target::When(self.conditions.len())]);
            self.conditions.push(when.clone());
        }
    }

    /// Takes over what it does not say itself.
    fn inherit(&mut self, common: &Self) {
        let own = self.conditions.len();
        self.conditions.extend(common.conditions.iter().cloned());
        for (name, targets) in common.names.each() {
            let moved: Vec<Target> = targets
                .iter()
                .map(|target| if let Target::When(place) = target { Target::When(place + own) } else { *target })
                .collect();
            self.names.add_if_new(name, &moved);
        }
        for (name, kinds) in &common.events {
            self.events.entry(name.clone()).or_insert_with(|| kinds.clone());
        }
    }

    /// The event's name without the vendor's prefix.
    pub(super) fn bare<'e>(&self, event: &'e str) -> &'e str {
        let prefixes = self.recognise.events.iter().filter(|prefix| prefix.ends_with('.'));
        prefixes.filter_map(|prefix| event.strip_prefix(&**prefix)).next().unwrap_or(event)
    }

    /// The event's name: of `execute_tool Bash` the first word, where only that is known.
    pub(super) fn event<'e>(&self, name: &'e str) -> &'e str {
        let first = name.split_once(' ').map(|(first, _)| first).filter(|_| !self.events.contains_key(name));
        first.filter(|first| self.events.contains_key(*first)).unwrap_or(name)
    }

    /// The kinds of an event; spans say more behind the first word, as in `execute_tool Bash`.
    pub(super) fn kinds(&self, event: &str) -> &[String] {
        let first = || event.split_once(' ').and_then(|(first, _)| self.events.get(first));
        self.events.get(event).or_else(first).map_or(&[], |kinds| kinds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shipped_table_is_sound() {
        for (name, text) in SHIPPED {
            let table: Table = serde_saphyr::from_str(text).unwrap();
            let mut problems = Problems::default();
            table.check(&At::new(name), &mut problems);
            let found: Vec<String> =
                problems.0.iter().map(|problem| format!("{}: {}", problem.path, problem.message)).collect();
            assert!(found.is_empty(), "{found:#?}");
        }
    }

    #[test]
    fn a_table_of_the_user_adds_to_what_is_shipped() {
        let own: Table = serde_saphyr::from_str(
            "{vendor: codex, attributes: {acme.cmd: [command_line]}, tools: {command: [AcmeShell]}}",
        )
        .unwrap();
        let agents = Agents::new(&[own], &[], &[]);
        let codex = agents.recognise("codex_cli_rs", "").unwrap();
        assert_eq!(codex.names.get("acme.cmd"), [Target::Field(Field::CommandLine)]);
        assert_eq!(codex.names.get("output"), [Target::Field(Field::ToolResult)]);
        assert_eq!(agents.tool_kind("acmeshell"), Some("command"));
    }

    #[test]
    fn vendors_are_recognised_by_service_scope_and_event() {
        let agents = Agents::new(&[], &[], &[]);
        let name = |vendor: Option<&Vendor>| vendor.map(|vendor| vendor.name.clone());
        assert_eq!(name(agents.recognise("claude-code", "")).as_deref(), Some("claude_code"));
        assert_eq!(name(agents.recognise("x", "com.anthropic.claude_code.events")).as_deref(), Some("claude_code"));
        assert_eq!(name(agents.recognise("x", "y")), None);
        assert_eq!(name(agents.of_event("droid.tool.call")).as_deref(), Some("droid"));
        assert_eq!(agents.of_event("gemini_cli.tool_call").unwrap().bare("gemini_cli.tool_call"), "tool_call");
    }

    #[test]
    fn what_cannot_work_is_found() {
        let table: Table = serde_saphyr::from_str(
            "{attributes: {a: [comand_line]}, events: {e: [comand]}, tools: {x: [y]}, when: [{field: nothing}]}",
        )
        .unwrap();
        let mut problems = Problems::default();
        table.check(&At::new("t"), &mut problems);
        let paths: Vec<&str> = problems.0.iter().map(|problem| &*problem.path).collect();
        assert_eq!(paths, ["t", "t.attributes.a", "t.when[0].field", "t.events.e", "t.tools.x"]);
    }
}
