//! What an agent did, as rules see it: fields with values, and the simple commands of its command lines.
//!
//! One [`Event`] serves a whole batch: it is cleared between records and keeps its memory. Every text borrows from the
//! request or from the batch's arena, so that filling it copies nothing but what had to be unescaped.

use super::sigma::correlation::Heard;
use super::sigma::correlation::incident::Incident;
use super::sigma::correlation::state::State;
use crate::otlp::value::Value;

/// How bad it is. The order is the order of badness.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Worth knowing.
    Info,
    /// Ordinary, with some reach.
    Low,
    /// Somebody should look at it some time.
    Medium,
    /// Somebody should look at it today.
    High,
    /// Somebody should look at it now.
    Critical,
}

impl Level {
    /// All of them, from harmless to worst.
    pub const ALL: [Self; 5] = [Self::Info, Self::Low, Self::Medium, Self::High, Self::Critical];

    /// The word in `risk.level`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }

    /// The level of that name; `informational` is how Sigma says `info`. Case does not matter.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let known = Self::ALL.into_iter().find(|level| level.name().eq_ignore_ascii_case(name));
        known.or_else(|| name.eq_ignore_ascii_case("informational").then_some(Self::Info))
    }
}

/// Declares the fields once: variant, name, what it holds.
macro_rules! fields {
    ($($variant:ident = $name:literal, $doc:literal;)*) => {
        /// One field of an [`Event`].
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum Field {
            $(#[doc = $doc] $variant,)*
        }

        impl Field {
            /// All fields, in the order of the reference.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name that rules use.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// One sentence on what it holds.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self {
                    $(Self::$variant => $doc,)*
                }
            }
        }
    };
}

fields! {
    Kind = "event.kind", "`command`, `file`, `network`, `permission`, `prompt`, `mcp`, `session`, `git`, `config`, `tool`, `model` or `hook`; a command that runs git is also `git`.";
    Vendor = "vendor", "`claude_code`, `codex`, `gemini_cli`, `copilot`, `droid`, or `genai` for any other.";
    EventName = "event.name", "The event's name without the vendor's prefix: `tool_result`.";
    ToolName = "tool.name", "The tool, as the vendor calls it.";
    ToolKind = "tool.kind", "What the tool does: `command`, `file_write`, `file_read`, `network`, `mcp`, `agent` or `other`.";
    Arguments = "tool.arguments", "The arguments of the tool call as they were sent, when they are text.";
    ToolResult = "tool.result", "What the tool gave back.";
    CommandName = "command.name", "A command of the agent itself, such as a slash command.";
    CommandLine = "command_line", "The command line as it was sent.";
    CurrentDirectory = "cwd", "The folder the command runs in.";
    FilePath = "file.path", "The path of a file that a tool touches.";
    FileOp = "file.op", "`read`, `write`, `create` or `delete`.";
    FileContent = "file.content", "What is written into the file.";
    UrlFull = "url.full", "An address that a tool fetches.";
    UrlHost = "url.host", "Its host, in lower case.";
    McpServer = "mcp.server", "The MCP server.";
    McpTool = "mcp.tool", "The tool of the MCP server.";
    McpStatus = "mcp.status", "What came of the connection to an MCP server.";
    McpTransport = "mcp.transport", "How it is connected: `stdio`, `sse`, `http`.";
    Decision = "decision", "`accept`, `reject`, `ask`, `modify` or the vendor's own word.";
    DecisionSource = "decision.source", "Who decided: `config`, `hook`, `user_permanent`, ..";
    ModeFrom = "mode.from", "The permission mode before.";
    ModeTo = "mode.to", "The permission or approval mode that is in force from now on.";
    ModeActive = "mode.active", "The permission mode in which the event happened.";
    Unattended = "unattended", "`true` when nobody sits in front of the agent.";
    SandboxPolicy = "sandbox.policy", "The sandbox a session starts with.";
    SessionId = "session.id", "The agent's session or conversation.";
    UserId = "user.id", "The user or account.";
    UserEmail = "user.email", "The user's address.";
    Success = "success", "`true` or `false`.";
    Outcome = "outcome", "How it ended, in the vendor's word.";
    Error = "error", "The error message.";
    Truncated = "truncated", "`true` when the producer or telseal cut the input.";
    ReportedLevel = "risk.reported.level", "What the agent itself said about the risk.";
    Sequence = "event.sequence", "The producer's own number of the event.";
    Prompt = "prompt", "What the user asked.";
    Model = "model", "The language model.";
    AgentVersion = "agent.version", "The version of the agent.";
    HookName = "hook.name", "The hook or plugin.";
    CmdProgram = "cmd.programs", "Every program that would run, without its folder.";
    CmdArgv = "cmd.argv", "Every simple command as text, quotes removed: `curl -s http://x`.";
    CmdPipesTo = "cmd.pipes_to", "Programs that read from a pipe.";
    CmdRedirect = "cmd.redirects", "Redirections as operator and target: `>/etc/passwd`.";
    CmdHost = "cmd.hosts", "Hosts that arguments name, in lower case.";
    CmdPath = "cmd.paths", "Paths that arguments name.";
    CmdDecoded = "cmd.decoded", "Text that was hidden: decoded base64, hex, escapes.";
    CmdParse = "cmd.parse", "`ok`, or `partial` when the command line could not be read to its end.";
    CmdTrick = "cmd.tricks", "How the command line hides what it does: `ifs`, `homoglyph`, `invisible`, `encoded`, `split_word`, `glob_program`, `brace`, `variable`, `eval`, `escape`.";
    CmdFlow = "cmd.flows", "What passes between commands of the line: `fetched_run`, a file is fetched and then run.";
}

impl Field {
    /// The field of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|field| field.name() == name)
    }
}

/// A simple command: one program with its arguments, after wrappers such as `sudo` or `sh -c` were taken off. The wrappers
/// are commands too, and parents of what they run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Command<'a> {
    /// The program without its folder: `curl`. Empty when it cannot be known.
    pub program: &'a str,
    /// The program as written, quotes removed: `/usr/bin/curl`.
    pub path: &'a str,
    /// Its words, the program first.
    pub argv: &'a [&'a str],
    /// The words joined by spaces.
    pub text: &'a str,
    /// Redirections.
    pub redirects: &'a [Redirect<'a>],
    /// The command that runs this one, by its place in the list: `sudo`, `sh`, `xargs`.
    pub parent: Option<usize>,
    /// The command that reads this one's output, by its place in the list.
    pub pipes_to: Option<usize>,
    /// How many wrappers and substitutions it lies in.
    pub depth: u8,
}

/// A redirection of a simple command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Redirect<'a> {
    /// `>`, `>>`, `<`, `<<<`, `>&`, ..
    pub operator: &'a str,
    /// The file, or the text of a here-document.
    pub target: &'a str,
}

/// How far back a repeated value is looked for: enough for what repeats, and little for a command line of 50,000 paths.
const REPEATS_SEEN: usize = 16;

/// What an agent did.
#[derive(Debug)]
pub struct Event<'a> {
    values: Vec<Vec<&'a str>>,
    commands: Vec<Command<'a>>,
    attributes: Vec<(&'a str, Value<'a>)>,
    /// When it happened, Unix nanoseconds; 0 when unknown.
    pub time_unix_nano: u64,
}

impl Default for Event<'_> {
    fn default() -> Self {
        Self {
            values: Field::ALL.iter().map(|_| Vec::new()).collect(),
            commands: Vec::new(),
            attributes: Vec::new(),
            time_unix_nano: 0,
        }
    }
}

impl<'a> Event<'a> {
    /// Forgets everything, keeps the memory.
    pub fn clear(&mut self) {
        self.values.iter_mut().for_each(Vec::clear);
        self.commands.clear();
        self.attributes.clear();
        self.time_unix_nano = 0;
    }

    /// The values of a field; several mean that any may match.
    #[inline]
    #[must_use]
    pub fn values(&self, field: Field) -> &[&'a str] {
        &self.values[field as usize]
    }

    /// The first value of a field.
    #[inline]
    #[must_use]
    pub fn first(&self, field: Field) -> Option<&'a str> {
        self.values(field).first().copied()
    }

    /// True when the field has this value.
    #[must_use]
    pub fn has(&self, field: Field, value: &str) -> bool {
        self.values(field).contains(&value)
    }

    /// Adds a value, unless it was among the last few. An empty text says nothing and is passed over.
    pub fn push(&mut self, field: Field, value: &'a str) {
        let values = &mut self.values[field as usize];
        if !value.is_empty() && !values.iter().rev().take(REPEATS_SEEN).any(|known| *known == value) {
            values.push(value);
        }
    }

    /// Sets the only value.
    pub fn set(&mut self, field: Field, value: &'a str) {
        self.values[field as usize].clear();
        self.push(field, value);
    }

    /// Forgets the values of a field.
    pub fn clear_field(&mut self, field: Field) {
        self.values[field as usize].clear();
    }

    /// A raw attribute of the record, else of its resource: for rules on the vendor's own names.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<Value<'a>> {
        self.attributes.iter().find(|(key, _)| *key == name).map(|(_, value)| *value)
    }

    /// The raw attributes of the record and its resource.
    #[must_use]
    pub fn attributes(&self) -> &[(&'a str, Value<'a>)] {
        &self.attributes
    }

    /// Adds a raw attribute. The first of a name counts, so the record's come before the resource's.
    pub fn push_attribute(&mut self, key: &'a str, value: Value<'a>) {
        self.attributes.push((key, value));
    }

    /// Every simple command of its command lines, outermost first.
    #[inline]
    #[must_use]
    pub fn commands(&self) -> &[Command<'a>] {
        &self.commands
    }

    /// Adds a simple command; gives its place in the list.
    pub fn push_command(&mut self, command: Command<'a>) -> usize {
        self.commands.push(command);
        self.commands.len() - 1
    }

    /// A command, to complete what only later words tell.
    pub(super) fn command_mut(&mut self, place: usize) -> Option<&mut Command<'a>> {
        self.commands.get_mut(place)
    }
}

/// Rules that fired, by their place in [`RuleEngine::rules`]; sorted, each once.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Hits {
    rules: Vec<u32>,
    /// Places of rules that correlations listen to.
    pub(super) listened: Vec<u32>,
}

impl Hits {
    /// Forgets everything, keeps the memory.
    pub fn clear(&mut self) {
        self.rules.clear();
        self.listened.clear();
    }

    /// No rule fired.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// How many fired.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rules.len()
    }

    /// Adds a rule.
    pub fn insert(&mut self, rule: usize) {
        let rule = u32::try_from(rule).unwrap_or(u32::MAX);
        if let Err(place) = self.rules.binary_search(&rule) {
            self.rules.insert(place, rule);
        }
    }

    /// The rules, first to last.
    pub fn iter(&self) -> impl Iterator<Item = usize> {
        self.rules.iter().map(|rule| *rule as usize)
    }
}

/// What is to be said about a rule that fired.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleInfo {
    /// Its stable id: `AG-SHELL-001`, or the UUID of a foreign rule.
    pub id: String,
    /// Its title.
    pub title: String,
    /// How bad it is.
    pub level: Level,
    /// What happened and why it matters, in one sentence for people.
    pub reason: String,
    /// What it is about.
    pub categories: Vec<String>,
    /// MITRE ATT&CK tactics, as in `defense-evasion`.
    pub tactics: Vec<String>,
    /// MITRE ATT&CK techniques, as in `T1059.004`.
    pub techniques: Vec<String>,
}

/// What rules look at: an attribute that no rule names need not be shown to them, and a verdict does not depend on it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reads {
    /// Attributes that rules name, sorted.
    attributes: Vec<String>,
    /// Fields of the event, as bits.
    fields: u64,
    /// A rule looks for words everywhere.
    pub everything: bool,
    /// Fields that correlations group by or count.
    pub(super) heard: Vec<Field>,
}

impl Reads {
    /// A rule names this attribute.
    pub fn add_attribute(&mut self, name: &str) {
        if let Err(place) = self.attributes.binary_search_by(|known| known.as_str().cmp(name)) {
            self.attributes.insert(place, name.to_owned());
        }
    }

    /// A rule names this field.
    pub fn add_field(&mut self, field: Field) {
        self.fields |= 1 << field as u8;
    }

    /// Whether rules, or the circumstances that count, look at an attribute.
    #[must_use]
    pub fn has_attribute(&self, name: &str) -> bool {
        self.everything || self.attributes.binary_search_by(|known| known.as_str().cmp(name)).is_ok()
    }

    /// Whether rules look at a field.
    #[must_use]
    pub const fn has_field(&self, field: Field) -> bool {
        self.everything || self.fields & (1 << field as u8) != 0
    }
}

// A set of fields is one word.
const _: () = assert!(Field::ALL.len() <= 64);

/// Decides which rules fire on an event, and what several events mean together.
pub trait RuleEngine: Send + Sync + std::fmt::Debug {
    /// Adds the rules that fire, and what correlations hear of it. The result does not depend on the order of rules, fields or
    /// values.
    fn evaluate(&self, event: &Event<'_>, hits: &mut Hits, heard: &mut Vec<Heard>);

    /// Adds what correlations hear of rules that fired.
    fn hear(&self, hits: &Hits, event: &Event<'_>, heard: &mut Vec<Heard>);

    /// The rules, worst first and then by id; a rule's place is its number in [`Hits`].
    fn rules(&self) -> &[RuleInfo];

    /// `name@version+sha256:8`: which rules are in force, by name and by content.
    fn ruleset(&self) -> &str;

    /// Takes in what was heard of an event that happened at `time` and arrived `now`, both Unix nanoseconds.
    fn correlate(&self, heard: &[Heard], time: u64, now: u64, state: &mut State) -> Vec<Incident>;

    /// What is to be said about the correlation that fired.
    fn incident_rule(&self, incident: &Incident) -> Option<&RuleInfo>;

    /// The longest time that a correlation looks back.
    fn look_back_nanos(&self) -> u64;

    /// What its rules and correlations look at.
    fn reads(&self) -> &Reads;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_is_found_by_its_name() {
        for field in Field::ALL {
            assert_eq!(Field::parse(field.name()), Some(*field));
        }
        assert_eq!(Field::parse("nothing"), None);
        assert_eq!(Field::ALL.iter().enumerate().find(|(place, field)| **field as usize != *place), None);
    }

    #[test]
    fn a_value_stands_once_and_an_empty_one_not_at_all() {
        let mut event = Event::default();
        ["a", "", "b", "a"].into_iter().for_each(|value| event.push(Field::UrlHost, value));
        assert_eq!(event.values(Field::UrlHost), ["a", "b"]);
        event.set(Field::UrlHost, "c");
        assert_eq!(event.values(Field::UrlHost), ["c"]);
        event.clear();
        assert_eq!(event.first(Field::UrlHost), None);
    }

    #[test]
    fn hits_come_out_in_order_and_once() {
        let mut hits = Hits::default();
        [300, 3, 64, 3].into_iter().for_each(|rule| hits.insert(rule));
        assert_eq!(hits.iter().collect::<Vec<_>>(), [3, 64, 300]);
    }

    #[test]
    fn sigma_levels_are_ours() {
        assert_eq!(Level::parse("informational"), Some(Level::Info));
        assert_eq!(Level::parse("High"), Some(Level::High));
        assert_eq!(Level::parse("severe"), None);
    }
}
