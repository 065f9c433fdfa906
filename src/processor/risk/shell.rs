//! What a command line would run: reads it as a POSIX shell or bash does, takes wrappers off, undoes what hides.
//!
//! [`analyse`] walks the text once, front to back, and puts every simple command it meets into the [`Event`]: those in
//! lists, pipelines, groups, loops, substitutions and here-documents, and those that `sudo`, `sh -c`, `xargs`, `ssh`,
//! `find -exec`, `eval` and their like would start. Variables set on the way are put in where they are used; the output of
//! `echo`, `printf`, `base64 -d` and the like is worked out, so that text piped into a shell is read as well.
//!
//! It is not a shell. What cannot be known stays as written. What cannot be read sets `cmd.parse` to `partial`, and text
//! behind an unclosed quote is read a second time as commands: a broken line never looks more harmless than a whole one.
//!
//! Limits: [`TEXT_BYTES_MAX`] of input, [`WORK_FACTOR`] times the input of text made from it, [`DEPTH_MAX`] of nesting,
//! [`COMMANDS_MAX`] commands. Beyond them the rest is left unread and `cmd.parse` says `partial`. Time is linear in the
//! input for fixed limits.

mod decode;
mod facts;
mod flow;
mod fold;
mod output;
mod param;
mod payload;
mod simple;
mod unwrap;
mod word;
mod wrappers;

use bumpalo::Bump;

use super::event::{Event, Field};
use output::Out;

/// The longest command line that is read.
pub const TEXT_BYTES_MAX: usize = 256 * 1024;
/// How much text may come of decoding and substitution, as a multiple of the input (and 16 KiB besides).
pub const WORK_FACTOR: usize = 8;
/// How deep substitutions, groups and wrappers may nest.
pub const DEPTH_MAX: u8 = 24;
/// How many simple commands are kept.
pub const COMMANDS_MAX: usize = 4096;

const WORK_BASE_BYTES: usize = 16 * 1024;
/// How many variables and small files are remembered.
const NAMES_MAX: usize = 64;

/// Reads one command line and adds what it finds to the event: its commands and the `cmd.*` fields.
pub fn analyse<'a>(line: &'a str, event: &mut Event<'a>, arena: &'a Bump) {
    let mut walker = Walker::new(line.len(), event, arena);
    let first = walker.event.commands().len();
    let (head, cut) = cut(line, TEXT_BYTES_MAX);
    walker.partial |= cut;
    walker.script(head, None);
    let (partial, tricks) = (walker.partial, walker.tricks);
    facts::collect(event, first, arena);
    flow::collect(event, first);
    event.push(Field::CmdParse, if partial { "partial" } else { "ok" });
    tricks.names().for_each(|name| event.push(Field::CmdTrick, name));
}

/// Adds a program started without a shell, given as its words.
pub fn analyse_words<'a>(words: &[&'a str], event: &mut Event<'a>, arena: &'a Bump) {
    let mut walker = Walker::new(words.iter().map(|word| word.len() + 1).sum(), event, arena);
    let first = walker.event.commands().len();
    walker.run(arena.alloc_slice_copy(words), &[], None, Out::default());
    let (partial, tricks) = (walker.partial, walker.tricks);
    facts::collect(event, first, arena);
    flow::collect(event, first);
    event.push(Field::CmdParse, if partial { "partial" } else { "ok" });
    tricks.names().for_each(|name| event.push(Field::CmdTrick, name));
}

/// The start of a text, at most so long, and whether something was cut off.
fn cut(text: &str, bytes_max: usize) -> (&str, bool) {
    if text.len() <= bytes_max {
        return (text, false);
    }
    let end = (0..=bytes_max).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    (&text[..end], true)
}

/// Ways to hide what a command line does, as a set.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Tricks(u16);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Trick {
    Ifs,
    Homoglyph,
    Invisible,
    Encoded,
    SplitWord,
    GlobProgram,
    Brace,
    Variable,
    Escape,
    SelfCall,
    Reversed,
}

const TRICK_NAMES: [&str; 11] = [
    "ifs",
    "homoglyph",
    "invisible",
    "encoded",
    "split_word",
    "glob_program",
    "brace",
    "variable",
    "escape",
    "self_call",
    "reversed",
];

impl Tricks {
    fn add(&mut self, trick: Trick) {
        self.0 |= 1 << trick as u8;
    }

    fn names(self) -> impl Iterator<Item = &'static str> {
        TRICK_NAMES.into_iter().enumerate().filter(move |(place, _)| self.0 & (1 << place) != 0).map(|(_, name)| name)
    }
}

/// What ends a list of commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Text,
    Parenthesis,
    /// A reserved word at the place of a command: `}`, `done`, `fi`, `esac`.
    Word(&'static str),
}

/// What came of a part of the line: which commands, and what they would print.
#[derive(Debug, Clone, Copy)]
struct Ran<'a> {
    /// The command that would read a pipe into this part.
    head: Option<usize>,
    out: Out<'a>,
}

/// The reader: a place in a text, and what is known so far.
struct Walker<'a, 'e> {
    arena: &'a Bump,
    event: &'e mut Event<'a>,
    text: &'a str,
    at: usize,
    /// Where the line ends on which here-documents began, and where their bodies end.
    documents: Option<(usize, usize)>,
    /// The wrapper that runs this text.
    parent: Option<usize>,
    variables: Vec<(&'a str, &'a str)>,
    /// Functions, with the text of their bodies.
    functions: Vec<(&'a str, &'a str)>,
    /// Small files written on the way, with their text.
    files: Vec<(&'a str, &'a str)>,
    /// The folder that `cd` went to.
    cwd: Option<&'a str>,
    depth: u8,
    /// Bytes of made text that are still allowed.
    work: usize,
    partial: bool,
    tricks: Tricks,
}

impl<'a, 'e> Walker<'a, 'e> {
    fn new(len: usize, event: &'e mut Event<'a>, arena: &'a Bump) -> Self {
        Self {
            arena,
            event,
            text: "",
            at: 0,
            documents: None,
            parent: None,
            variables: Vec::new(),
            functions: Vec::new(),
            files: Vec::new(),
            cwd: None,
            depth: 0,
            work: len.min(TEXT_BYTES_MAX) * WORK_FACTOR + WORK_BASE_BYTES,
            partial: false,
            tricks: Tricks::default(),
        }
    }

    /// Reads another text as commands that `parent` runs.
    fn script(&mut self, text: &'a str, parent: Option<usize>) -> Ran<'a> {
        let nothing = Ran { head: None, out: Out::UNKNOWN };
        if !self.enter() || !self.spend(text.len()) {
            return nothing;
        }
        let text = fold::fold(text, &mut self.tricks, self.arena);
        let saved = (self.text, self.at, self.documents.take(), self.parent);
        (self.text, self.at, self.parent) = (text, 0, parent);
        let ran = self.list(End::Text);
        (self.text, self.at, self.documents, self.parent) = saved;
        self.depth -= 1;
        ran
    }

    /// One level deeper, if that is allowed; the caller goes back up.
    fn enter(&mut self) -> bool {
        let allowed = self.depth < DEPTH_MAX;
        self.depth += u8::from(allowed);
        self.partial |= !allowed;
        allowed
    }

    /// Takes bytes of the allowance for made text.
    fn spend(&mut self, bytes: usize) -> bool {
        match self.work.checked_sub(bytes) {
            Some(rest) => self.work = rest,
            None => {
                self.work = 0;
                self.partial = true;
                return false;
            }
        }
        true
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn looking_at(&self, text: &str) -> bool {
        self.text.as_bytes()[self.at..].starts_with(text.as_bytes())
    }

    fn take(&mut self, text: &str) -> bool {
        let found = self.looking_at(text);
        self.at += if found { text.len() } else { 0 };
        found
    }

    /// Steps over blanks, continued lines and comments.
    fn skip_blanks(&mut self) {
        loop {
            match self.peek() {
                Some(b' ' | b'\t' | b'\r') => self.at += 1,
                Some(b'\\') if self.looking_at("\\\n") => self.at += 2,
                Some(b'\\') if self.looking_at("\\\r\n") => self.at += 3,
                Some(b'#') => {
                    self.at =
                        memchr::memchr(b'\n', self.rest().as_bytes()).map_or(self.text.len(), |len| self.at + len);
                }
                _ => return,
            }
        }
    }

    /// Steps over a line's end, and over the here-documents that follow it.
    fn newline(&mut self) {
        match self.documents.take() {
            Some((end, resume)) if self.at >= end => self.at = resume,
            documents => {
                self.documents = documents;
                self.at += 1;
            }
        }
    }

    /// Steps over blanks and line ends.
    fn skip_lines(&mut self) {
        self.skip_blanks();
        while self.peek() == Some(b'\n') {
            self.newline();
            self.skip_blanks();
        }
    }

    /// Commands up to `end`, which is consumed.
    fn list(&mut self, end: End) -> Ran<'a> {
        let mut all = Ran { head: None, out: Out::default() };
        let mut pattern = end == End::Word("esac");
        loop {
            self.skip_blanks();
            match self.peek() {
                None => {
                    self.partial |= end != End::Text;
                    return all;
                }
                Some(b'\n') => self.newline(),
                Some(b')') if end == End::Parenthesis => {
                    self.at += 1;
                    return all;
                }
                Some(b')') => {
                    self.partial = true;
                    self.at += 1;
                }
                Some(b';') => {
                    pattern |= self.looking_at(";;") && end == End::Word("esac");
                    self.at += 1;
                }
                Some(b'&') if !self.looking_at("&>") => self.at += 1,
                Some(b'|') => self.at += 1,
                Some(_) => {
                    if let End::Word(word) = end
                        && self.reserved() == word
                    {
                        self.at += word.len();
                        return all;
                    }
                    if std::mem::take(&mut pattern) {
                        self.skip_pattern();
                        continue;
                    }
                    let before = self.at;
                    let ran = self.pipeline();
                    all.head = all.head.or(ran.head);
                    all.out = all.out.then(ran.out, self.arena);
                    self.at += usize::from(self.at == before);
                }
            }
        }
    }

    /// The pattern of a `case` branch, up to its parenthesis.
    fn skip_pattern(&mut self) {
        let found = memchr::memchr2(b')', b'\n', self.rest().as_bytes());
        self.partial |= found.is_none();
        self.at = found.map_or(self.text.len(), |len| self.at + len + 1);
    }

    fn pipeline(&mut self) -> Ran<'a> {
        let (mut from, mut stdin, mut head) = (self.event.commands().len(), Out::default(), None);
        let mut feeding: Option<(usize, usize)> = None;
        loop {
            let ran = self.command(stdin);
            head = head.or(ran.head);
            if let (Some((first, end)), Some(reader)) = (feeding, ran.head) {
                self.feed(first, end, reader);
            }
            self.skip_blanks();
            if self.looking_at("||") || !(self.take("|&") || self.take("|")) {
                return Ran { head, out: ran.out };
            }
            self.skip_lines();
            stdin = ran.out;
            feeding = Some((from, self.event.commands().len()));
            from = self.event.commands().len();
        }
    }

    /// What these commands print, `reader` reads.
    fn feed(&mut self, first: usize, end: usize, reader: usize) {
        for place in first..end {
            if let Some(command) = self.event.command_mut(place)
                && command.pipes_to.is_none()
                && place != reader
            {
                command.pipes_to = Some(reader);
            }
        }
    }

    /// The reserved word here, if any.
    fn reserved(&self) -> &'static str {
        let bytes = self.rest().as_bytes();
        let len = bytes.iter().take(9).position(|byte| {
            matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | b';' | b'&' | b'|' | b'(' | b')' | b'<' | b'>')
        });
        let word = &bytes[..len.unwrap_or(bytes.len())];
        RESERVED.iter().find(|known| known.as_bytes() == word).copied().unwrap_or_default()
    }

    /// One command of a pipeline, simple or compound.
    fn command(&mut self, stdin: Out<'a>) -> Ran<'a> {
        let word = loop {
            self.skip_blanks();
            match self.reserved() {
                word @ ("then" | "elif" | "else" | "do" | "!" | "coproc") => self.at += word.len(),
                word => break word,
            }
        };
        if self.peek() == Some(b'(') && !self.looking_at("((") {
            self.at += 1;
            return self.group(End::Parenthesis, stdin);
        }
        if self.take("((") {
            let len = self.rest().find("))");
            self.partial |= len.is_none();
            self.at = len.map_or(self.text.len(), |len| self.at + len + 2);
            return Ran { head: None, out: Out::default() };
        }
        self.compound(word, stdin)
    }

    fn compound(&mut self, word: &'static str, stdin: Out<'a>) -> Ran<'a> {
        let end = match word {
            "{" => "}",
            "if" => "fi",
            "while" | "until" | "for" | "select" => "done",
            "case" => "esac",
            "function" => {
                self.at += word.len();
                self.skip_blanks();
                let name = self.plain_name();
                self.skip_blanks();
                if self.take("(") {
                    self.skip_blanks();
                    self.take(")");
                }
                return self.function(name, self.event.commands().len());
            }
            "}" | "fi" | "done" | "esac" => {
                self.partial = true;
                self.at += word.len();
                return Ran { head: None, out: Out::default() };
            }
            _ => return self.simple(stdin),
        };
        self.at += word.len();
        match word {
            "for" | "select" => self.loop_head(),
            "case" => self.case_head(),
            _ => {}
        }
        self.group(End::Word(end), stdin)
    }

    /// A group of commands and the redirections behind it.
    fn group(&mut self, end: End, stdin: Out<'a>) -> Ran<'a> {
        if !self.enter() {
            self.at = self.text.len();
            return Ran { head: None, out: Out::UNKNOWN };
        }
        let mut ran = self.list(end);
        self.depth -= 1;
        let redirects = self.redirects_only();
        if !redirects.is_empty() {
            // The group's own redirections stand at a command that does nothing.
            self.push(self.arena.alloc_slice_copy(&[":"]), self.arena.alloc_slice_copy(&redirects), self.parent);
        }
        if !stdin.text.is_empty() && ran.out.text.is_empty() {
            ran.out = Out { complete: false, ..stdin };
        }
        ran
    }

    /// `for NAME in WORDS`: the name stands for all of the words.
    fn loop_head(&mut self) {
        self.skip_blanks();
        if self.looking_at("((") {
            return;
        }
        let name = self.plain_name();
        self.skip_lines();
        if self.reserved() != "in" {
            return;
        }
        self.at += 2;
        let mut words = word::Words::new(self.arena);
        loop {
            self.skip_blanks();
            if !self.word(&mut words) {
                break;
            }
        }
        let value = self.join(&words.list, " ");
        self.set_variable(name, value);
    }

    fn case_head(&mut self) {
        let mut words = word::Words::new(self.arena);
        self.skip_blanks();
        self.word(&mut words);
        self.skip_lines();
        if self.reserved() == "in" {
            self.at += 2;
        }
        self.skip_blanks();
        if self.peek() == Some(b'\n') {
            self.newline();
        }
    }

    /// Letters, digits and underscores.
    fn plain_name(&mut self) -> &'a str {
        let rest = self.rest();
        let len = rest.bytes().position(|byte| !(byte.is_ascii_alphanumeric() || byte == b'_')).unwrap_or(rest.len());
        self.at += len;
        &rest[..len]
    }

    fn set_variable(&mut self, name: &'a str, value: &'a str) {
        remember(&mut self.variables, name, value);
    }

    fn variable(&self, name: &str) -> Option<&'a str> {
        self.variables.iter().rev().find(|(known, _)| *known == name).map(|(_, value)| *value)
    }

    fn join(&mut self, words: &[&str], between: &str) -> &'a str {
        let len = words.iter().map(|word| word.len() + between.len()).sum();
        if !self.spend(len) {
            return "";
        }
        let mut text = bumpalo::collections::String::with_capacity_in(len, self.arena);
        for (place, word) in words.iter().enumerate() {
            text.push_str(if place > 0 { between } else { "" });
            text.push_str(word);
        }
        text.into_bump_str()
    }
}

/// Sets the value of a name; the oldest goes when there are too many.
fn remember<'a>(list: &mut Vec<(&'a str, &'a str)>, name: &'a str, value: &'a str) {
    match list.iter_mut().find(|(known, _)| *known == name) {
        Some(known) => known.1 = value,
        None => {
            if list.len() == NAMES_MAX {
                list.remove(0);
            }
            list.push((name, value));
        }
    }
}

const RESERVED: &[&str] = &[
    "if", "then", "elif", "else", "fi", "while", "until", "for", "select", "do", "done", "case", "esac", "in", "{",
    "}", "!", "function", "coproc",
];

#[cfg(test)]
mod tests;
