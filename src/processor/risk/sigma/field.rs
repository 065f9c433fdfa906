//! Field names of rules, and where their values are.
//!
//! A rule of category `command` or `process_creation` looks at one simple command at a time, together with the event it is
//! part of; every other rule looks at the event. A name that is none of ours is an attribute of the record, so that rules
//! on a vendor's own names work too.

use std::ops::ControlFlow;

use super::super::effects;
use super::super::event::{Command, Event, Field, Reads, RuleInfo};
use super::words;
use crate::otlp::value::Value;

/// What a rule looks at: an event, or one of its commands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Unit<'u, 'a> {
    pub(super) event: &'u Event<'a>,
    pub(super) command: Option<usize>,
    /// Rules that have fired on it: for rules of category `risk`.
    pub(super) fired: &'u [&'u RuleInfo],
}

impl<'u, 'a> Unit<'u, 'a> {
    /// The event as a whole.
    pub(super) fn of(event: &'u Event<'a>) -> Self {
        Self { event, command: None, fired: &[] }
    }

    pub(super) fn command(&self) -> Option<&'u Command<'a>> {
        self.event.commands().get(self.command?)
    }
}

/// Which kind of log a rule is written for, as far as field names go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    /// `product: ai_agent`.
    Agent,
    /// `product: ai_agent`, `category: command`.
    AgentCommand,
    /// `category: process_creation`.
    Process,
    /// `category: file_event` and the like.
    File,
    /// `category: network_connection`, `dns_query`, `proxy`.
    Network,
}

impl Dialect {
    /// The rule looks at each command by itself.
    pub(super) const fn by_command(self) -> bool {
        matches!(self, Self::AgentCommand | Self::Process)
    }
}

/// Where a rule's field is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum FieldRef {
    /// A field of the event.
    Event(Field),
    /// A field of the command.
    Command(OfCommand),
    /// An attribute of the record.
    Attribute(String),
    /// Ids of rules that have fired, and what they are about.
    FiredRules,
    FiredCategories,
    /// Several of them, each of which may match.
    AnyOf(Vec<FieldRef>),
    /// No field was named: every text there is.
    Anything,
}

macro_rules! of_command {
    ($($variant:ident = $name:literal, $doc:literal;)*) => {
        /// A field of one simple command.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum OfCommand {
            $(#[doc = $doc] $variant,)*
        }

        impl OfCommand {
            /// All of them with their names and meanings, in the order of the reference.
            pub(super) const ALL: &'static [(Self, &'static str, &'static str)] =
                &[$((Self::$variant, $name, $doc),)*];
        }
    };
}

of_command! {
    Program = "program", "The program without its folder: `curl`.";
    Path = "program.path", "The program as written; a bare name also as `/usr/bin/NAME`.";
    Text = "command", "The command as text, quotes removed: `git push -f origin main`.";
    Args = "args", "Every argument.";
    Flags = "flags", "Arguments that start with `-`. `-rf` also counts as `-r` and `-f`, `--force=x` also as `--force`.";
    Words = "words", "Arguments that do not start with `-`, and the values of `--name=value`.";
    Verb = "verb", "The first word, the first two and the first three: `s3`, `s3 rm`. Global options and their values are skipped.";
    PipesTo = "pipes_to", "Programs that read this one's output, down the pipe and inside wrappers.";
    CodeTo = "pipes_to.code", "Those of them that run what they read: `sh`, `python3 -`; not `python3 -m json.tool`.";
    PipesFrom = "pipes_from", "Programs whose output this one reads.";
    Parents = "parents", "Programs that run this one: `sudo`, `sh`, `xargs`.";
    Children = "children", "Programs that this one runs, or whose output it takes as text.";
    Redirects = "redirects", "Redirections as operator and target: `>/etc/passwd`.";
    Writes = "writes", "Files and folders that it writes: by redirections, `tee`, `cp`, `mv`, `ln`, `install`, `dd`, `sed -i`, `curl -o` and their like.";
    Deletes = "deletes", "Files and folders that it removes, moves away or empties: by `rm`, `shred`, `truncate`, `mv`, `find -delete`.";
    Reads = "reads", "Files that redirections read, and the texts of here-documents.";
    ParentText = "parent.command", "The command that runs this one, as text.";
    ParentPath = "parent.path", "The program that runs this one, as `program.path`.";
}

impl OfCommand {
    fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known, _)| *known == name).map(|(field, ..)| *field)
    }
}

impl FieldRef {
    /// The field of that name; whether it exists in records only these will tell.
    pub(super) fn parse(name: &str, dialect: Dialect) -> Self {
        let foreign = match dialect {
            Dialect::Agent => match name {
                "risk.rules" => Some(Self::FiredRules),
                "risk.categories" => Some(Self::FiredCategories),
                _ => None,
            },
            Dialect::AgentCommand => OfCommand::parse(name).map(Self::Command),
            Dialect::Process => process_field(name),
            Dialect::File => file_field(name),
            Dialect::Network => network_field(name),
        };
        foreign.or_else(|| Field::parse(name).map(Self::Event)).unwrap_or_else(|| Self::Attribute(name.to_owned()))
    }

    /// Shows the values to `visit` until it breaks off.
    pub(super) fn each(&self, unit: Unit<'_, '_>, visit: &mut dyn FnMut(&str) -> ControlFlow<()>) -> ControlFlow<()> {
        match self {
            Self::Event(field) => unit.event.values(*field).iter().try_for_each(|value| visit(value)),
            Self::Command(field) => match unit.command() {
                Some(command) => each_of_command(*field, unit, command, visit),
                None => ControlFlow::Continue(()),
            },
            Self::Attribute(name) => match unit.event.attribute(name) {
                Some(value) => each_of_value(value, visit),
                None => ControlFlow::Continue(()),
            },
            Self::FiredRules => unit.fired.iter().try_for_each(|rule| visit(&rule.id)),
            Self::FiredCategories => {
                unit.fired.iter().flat_map(|rule| &rule.categories).try_for_each(|name| visit(name))
            }
            Self::AnyOf(fields) => fields.iter().try_for_each(|field| field.each(unit, visit)),
            Self::Anything => anything(unit, visit),
        }
    }

    /// True when a value satisfies `test`.
    pub(super) fn any(&self, unit: Unit<'_, '_>, mut test: impl FnMut(&str) -> bool) -> bool {
        let mut visit = |value: &str| if test(value) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
        self.each(unit, &mut visit).is_break()
    }

    /// Notes what is looked at.
    pub(super) fn note(&self, reads: &mut Reads) {
        match self {
            Self::Event(field) => reads.add_field(*field),
            Self::Attribute(name) => reads.add_attribute(name),
            Self::AnyOf(fields) => fields.iter().for_each(|field| field.note(reads)),
            Self::Anything => reads.everything = true,
            Self::Command(_) | Self::FiredRules | Self::FiredCategories => {}
        }
    }

    /// The fields that rules for literals are kept under: with their values the index is asked.
    pub(super) fn texts(&self) -> Vec<Self> {
        match self {
            Self::AnyOf(fields) => fields.clone(),
            other => vec![other.clone()],
        }
    }
}

/// Sigma's names for processes.
fn process_field(name: &str) -> Option<FieldRef> {
    use OfCommand::{ParentPath, ParentText, Path, Text};
    Some(match name {
        "Image" | "NewProcessName" | "ProcessPath" | "exe" => FieldRef::Command(Path),
        "CommandLine" | "ProcessCommandLine" => {
            FieldRef::AnyOf(vec![FieldRef::Command(Text), FieldRef::Event(Field::CommandLine)])
        }
        "ParentImage" | "ParentProcessName" => FieldRef::Command(ParentPath),
        "ParentCommandLine" => FieldRef::Command(ParentText),
        "CurrentDirectory" => FieldRef::Event(Field::CurrentDirectory),
        "User" | "TargetUser" | "SubjectUserName" => {
            FieldRef::AnyOf(vec![FieldRef::Event(Field::UserId), FieldRef::Event(Field::UserEmail)])
        }
        _ => return None,
    })
}

fn file_field(name: &str) -> Option<FieldRef> {
    Some(match name {
        "TargetFilename" | "FileName" | "ObjectName" => FieldRef::Event(Field::FilePath),
        "User" => FieldRef::Event(Field::UserId),
        _ => return None,
    })
}

fn network_field(name: &str) -> Option<FieldRef> {
    Some(match name {
        "DestinationHostname" | "QueryName" | "query" | "cs-host" | "r-dns" => {
            FieldRef::AnyOf(vec![FieldRef::Event(Field::UrlHost), FieldRef::Event(Field::CmdHost)])
        }
        "c-uri" | "cs-uri" => FieldRef::Event(Field::UrlFull),
        "Initiated" => FieldRef::Attribute(name.to_owned()),
        _ => return None,
    })
}

type Visit<'v> = &'v mut dyn FnMut(&str) -> ControlFlow<()>;

fn each_of_command(field: OfCommand, unit: Unit<'_, '_>, command: &Command<'_>, visit: Visit<'_>) -> ControlFlow<()> {
    let commands = unit.event.commands();
    let me = unit.command.unwrap_or(usize::MAX);
    let parent = command.parent.and_then(|parent| commands.get(parent));
    match field {
        OfCommand::Program => visit(command.program),
        OfCommand::Path => path(command, visit),
        OfCommand::Text => visit(command.text),
        OfCommand::Args => command.argv.iter().skip(1).try_for_each(|word| visit(word)),
        OfCommand::Flags => words::flags(command.argv, visit),
        OfCommand::Words => words::words(command.argv, visit),
        OfCommand::Verb => words::verbs(command, visit),
        OfCommand::PipesTo => words::downstream(commands, me, &mut |command| visit(command.program)),
        OfCommand::CodeTo => words::downstream(commands, me, &mut |command| {
            if words::runs_input(command) { visit(command.program) } else { ControlFlow::Continue(()) }
        }),
        OfCommand::PipesFrom => words::upstream(commands, me, visit),
        OfCommand::Parents => words::parents(commands, command).try_for_each(|parent| visit(parent.program)),
        OfCommand::Children => {
            commands.iter().filter(|child| child.parent == Some(me)).try_for_each(|child| visit(child.program))
        }
        OfCommand::Redirects => {
            command.redirects.iter().try_for_each(|to| visit(&format!("{}{}", to.operator, to.target)))
        }
        OfCommand::Writes => {
            let mut writes = command.redirects.iter().filter(|to| to.operator.contains('>'));
            writes.try_for_each(|to| visit(to.target))?;
            effects::written(command, visit)
        }
        OfCommand::Deletes => effects::deleted(command, visit),
        OfCommand::Reads => {
            let mut reads = command.redirects.iter().filter(|from| from.operator.contains('<'));
            reads.try_for_each(|from| visit(from.target))
        }
        OfCommand::ParentText => parent.map_or(ControlFlow::Continue(()), |parent| visit(parent.text)),
        OfCommand::ParentPath => parent.map_or(ControlFlow::Continue(()), |parent| path(parent, visit)),
    }
}

/// The program as written. Rules for processes end in `/NAME`, and a bare name was looked up in a folder too.
fn path(command: &Command<'_>, visit: Visit<'_>) -> ControlFlow<()> {
    visit(command.path)?;
    if command.path.contains('/') || command.program.is_empty() {
        return ControlFlow::Continue(());
    }
    ["/usr/bin/", "/bin/", "/usr/sbin/", "/sbin/"]
        .iter()
        .try_for_each(|folder| visit(&format!("{folder}{}", command.program)))
}

/// The texts in a value; of a list or map all of them, one level deep.
fn each_of_value(value: Value<'_>, visit: Visit<'_>) -> ControlFlow<()> {
    match value {
        Value::Array(_) => value.items().filter_map(Result::ok).try_for_each(|item| scalar(item, visit)),
        Value::Map(_) => value.entries().filter_map(Result::ok).try_for_each(|entry| scalar(entry.value, visit)),
        other => scalar(other, visit),
    }
}

fn scalar(value: Value<'_>, visit: Visit<'_>) -> ControlFlow<()> {
    match value {
        Value::Str(text) => visit(text),
        Value::Int(number) => visit(&number.to_string()),
        Value::Double(number) => visit(&number.to_string()),
        Value::Bool(truth) => visit(if truth { "true" } else { "false" }),
        _ => ControlFlow::Continue(()),
    }
}

fn anything(unit: Unit<'_, '_>, visit: Visit<'_>) -> ControlFlow<()> {
    if let Some(command) = unit.command() {
        visit(command.text)?;
    }
    Field::ALL.iter().try_for_each(|field| unit.event.values(*field).iter().try_for_each(|value| visit(value)))?;
    unit.event.attributes().iter().try_for_each(|(_, value)| each_of_value(*value, visit))
}
