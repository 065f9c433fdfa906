//! What follows from what was read: kinds, hosts, MCP servers, one word for each decision, the commands of a command line.

use crate::otlp::DecodeError;
use crate::processor::risk::event::Field;
use crate::processor::risk::shell;

use super::{Sender, View};

/// Words by which vendors say that a tool may run.
const ACCEPTS: &[&str] = &[
    "accept",
    "accepted",
    "approved",
    "approve",
    "approved_for_session",
    "approved_execpolicy_amendment",
    "allow",
    "allowed",
    "auto_accept",
    "yes",
    "proceed",
];
/// Words by which they say that it may not.
const REJECTS: &[&str] = &[
    "reject",
    "rejected",
    "denied",
    "deny",
    "abort",
    "aborted",
    "block",
    "blocked",
    "no",
    "cancel",
    "cancelled",
    "timed_out",
];

impl<'a> View<'_, '_, 'a> {
    /// Completes the event.
    pub(super) fn derive(&mut self, sender: &Sender<'_, 'a>) -> Result<(), DecodeError> {
        self.event_name();
        let has_calls = !self.calls.is_empty();
        let called = self.event.first(Field::ToolName).unwrap_or_default();
        let mut kind = if called.is_empty() { None } else { self.see_tool(called) };
        let of_calls = self.open_calls()?;
        let tool = self.event.first(Field::ToolName).unwrap_or_default();
        if called.is_empty() || of_calls == Some("command") {
            kind = of_calls;
        }
        let arguments = std::mem::take(&mut self.arguments);
        let shell = match kind {
            Some("command") => Shell::Is,
            None if !called.is_empty() => Shell::MayBe,
            _ => Shell::IsNot,
        };
        arguments.into_iter().try_for_each(|value| self.arguments(value, shell))?;
        if !tool.is_empty() && kind.is_none() && !self.event.values(Field::McpServer).is_empty() {
            kind = Some("mcp");
            self.event.push(Field::McpTool, tool);
        }
        self.only_program();
        self.kinds(tool, kind, has_calls);
        self.files(kind);
        self.hosts();
        self.words_of_decision();
        self.truncated();
        self.commands();
        self.contents();
        self.acts();
        for attribute in &sender.resource {
            self.event.push_attribute(attribute.key, attribute.value);
        }
        Ok(())
    }

    /// A tool: what it does, and its server and name there if it is one of an MCP server.
    pub(super) fn see_tool(&mut self, tool: &'a str) -> Option<&'a str> {
        self.event.push(Field::ToolName, tool);
        let Some((server, name)) = mcp_tool(tool) else { return self.agents.tool_kind(tool) };
        self.event.push(Field::McpServer, server);
        self.event.push(Field::McpTool, name);
        Some("mcp")
    }

    fn event_name(&mut self) {
        if let Some(name) = self.event.first(Field::EventName) {
            let name = self.vendor.bare(name);
            self.event.set(Field::EventName, self.vendor.event(name));
        }
        let known = self.known
            || self.event.first(Field::ToolName).is_some()
            || !self.arguments.is_empty()
            || !self.calls.is_empty();
        if known {
            self.event.push(Field::Vendor, &self.vendor.name);
        }
    }

    fn only_program(&mut self) {
        if let Some(program) =
            self.program.filter(|_| self.event.values(Field::CommandLine).is_empty() && self.words.is_empty())
        {
            self.event.push(Field::CommandLine, program);
        }
    }

    /// The kinds of the event: those of its name, and for a tool those of what it does.
    fn kinds(&mut self, tool: &'a str, tool_kind: Option<&'a str>, has_calls: bool) {
        let name = self.event.first(Field::EventName).unwrap_or_default();
        let from_condition: Vec<&str> = self.event.values(Field::Kind).to_vec();
        self.event.clear_field(Field::Kind);
        let named = self.vendor.kinds(name);
        let mut is_tool = !tool.is_empty() && (named.is_empty() || has_calls);
        for kind in named.iter().map(String::as_str).chain(from_condition) {
            if kind == "tool" {
                is_tool = true;
            } else {
                self.event.push(Field::Kind, kind);
            }
        }
        let runs = !self.event.values(Field::CommandLine).is_empty() || !self.words.is_empty();
        if is_tool {
            self.event.push(Field::ToolKind, tool_kind.unwrap_or("other"));
            match tool_kind {
                Some("file_write" | "file_read") => self.event.push(Field::Kind, "file"),
                Some(kind @ ("network" | "mcp")) => self.event.push(Field::Kind, kind),
                _ => {}
            }
        }
        if runs && !matches!(tool_kind, Some("file_write" | "file_read")) {
            self.event.push(Field::Kind, "command");
        }
        if !self.event.values(Field::UrlFull).is_empty() {
            self.event.push(Field::Kind, "network");
        }
        if !self.event.values(Field::FilePath).is_empty() {
            self.event.push(Field::Kind, "file");
        }
        if is_tool && self.event.values(Field::Kind).is_empty() {
            self.event.push(Field::Kind, "tool");
        }
    }

    fn files(&mut self, tool_kind: Option<&str>) {
        if self.event.values(Field::FilePath).is_empty() {
            return;
        }
        match self.event.first(Field::FileOp) {
            Some("update") => self.event.set(Field::FileOp, "write"),
            Some(_) => {}
            None => match tool_kind {
                Some("file_write") => self.event.push(Field::FileOp, "write"),
                Some("file_read") => self.event.push(Field::FileOp, "read"),
                _ if !self.event.values(Field::FileContent).is_empty() => self.event.push(Field::FileOp, "write"),
                _ => {}
            },
        }
    }

    fn hosts(&mut self) {
        for place in 0..self.event.values(Field::UrlFull).len() {
            let url = self.event.values(Field::UrlFull)[place];
            let Some((_, rest)) = url.split_once("://") else { continue };
            let rest = rest.split(['/', '?', '#']).next().unwrap_or_default();
            let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
            let host = if host.starts_with('[') { host } else { host.split(':').next().unwrap_or_default() };
            self.event.push(Field::UrlHost, self.arena.alloc_str(&host.to_ascii_lowercase()));
        }
    }

    fn words_of_decision(&mut self) {
        let Some(word) = self.event.first(Field::Decision) else { return };
        let lower = word.to_ascii_lowercase();
        if ACCEPTS.contains(&&*lower) {
            self.event.set(Field::Decision, "accept");
        } else if REJECTS.contains(&&*lower) {
            self.event.set(Field::Decision, "reject");
        }
        // Gemini CLI tells by one word who decided.
        if lower == "auto_accept" && self.event.values(Field::DecisionSource).is_empty() {
            self.event.push(Field::DecisionSource, "auto_accept");
        }
    }

    /// Input that the producer cut.
    fn truncated(&mut self) {
        let cut = |text: &&str| {
            text.ends_with('\u{2026}')
                || text.ends_with("[truncated]")
                || text.ends_with("[TRUNCATED]")
                || text.ends_with("...(truncated)")
        };
        let fields = [Field::CommandLine, Field::Arguments, Field::Prompt, Field::FileContent];
        if fields.iter().any(|field| self.event.values(*field).iter().any(cut)) {
            self.event.set(Field::Truncated, "true");
        }
    }

    fn commands(&mut self) {
        let is_file = self.event.has(Field::ToolKind, "file_write") || self.event.has(Field::ToolKind, "file_read");
        for place in 0..self.event.values(Field::CommandLine).len() {
            let line = self.event.values(Field::CommandLine)[place];
            if !is_file && !self.event.values(Field::CommandLine)[..place].contains(&line) {
                shell::analyse(line, self.event, self.arena);
            }
        }
        for words in std::mem::take(&mut self.words) {
            self.event.push(Field::CommandLine, self.arena.alloc_str(&words.join(" ")));
            shell::analyse_words(words, self.event, self.arena);
        }
        if self.event.commands().iter().any(|command| command.program == "git") {
            self.event.push(Field::Kind, "git");
        }
    }

    fn contents(&mut self) {
        if let Some(content) = self.content
            && self.event.has(Field::Kind, "prompt")
        {
            self.event.push(Field::Prompt, content);
        }
    }

    fn acts(&mut self) {
        let kinds = self.event.values(Field::Kind);
        // Any web server reports addresses and paths; an agent has a tool, a command or a mode.
        let shows = [Field::ToolName, Field::CommandLine, Field::ModeTo, Field::McpTool];
        let agent = self.known || shows.iter().any(|field| !self.event.values(*field).is_empty());
        self.seen.acts |= agent
            && kinds.iter().any(|kind| {
                matches!(*kind, "command" | "file" | "network" | "permission" | "mcp" | "git" | "config" | "tool")
            });
        self.seen.blank &= kinds.is_empty();
    }
}

/// Whether arguments that are plain text are a command line.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Shell {
    /// The tool is a shell.
    Is,
    /// Nothing is known about the tool.
    MayBe,
    /// The tool does something else.
    IsNot,
}

/// Server and tool of `mcp__server__tool`.
fn mcp_tool(name: &str) -> Option<(&str, &str)> {
    let rest = name.strip_prefix("mcp__").or_else(|| name.strip_prefix("mcp_"))?;
    rest.split_once("__").or_else(|| rest.split_once('_'))
}
