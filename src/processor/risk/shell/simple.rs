//! Simple commands: assignments, words, redirections; and what becomes of them.

use crate::processor::risk::event::{Command, Field, Redirect};

use super::output::{Out, base};
use super::word::Words;
use super::{COMMANDS_MAX, Ran, Trick, Walker, facts, remember};

/// What was read of a simple command.
struct Read<'a> {
    words: Words<'a>,
    assignments: Vec<&'a str>,
    redirects: Vec<Redirect<'a>>,
    /// A here-document or here-string.
    input: Option<Out<'a>>,
}

impl<'a> Walker<'a, '_> {
    /// A simple command, or the definition of a function.
    pub(super) fn simple(&mut self, stdin: Out<'a>) -> Ran<'a> {
        let first = self.event.commands().len();
        let mut read = Read { words: Words::new(self.arena), assignments: vec![], redirects: vec![], input: None };
        while self.part(&mut read) {}
        if self.peek() == Some(b'(') && read.words.list.len() == 1 && self.function_head() {
            return self.function(read.words.list[0], first);
        }
        self.finish(read, stdin)
    }

    /// Reads one part; false at the end of the command.
    fn part(&mut self, read: &mut Read<'a>) -> bool {
        self.skip_blanks();
        match self.peek() {
            None => false,
            Some(b'<' | b'>') if !(self.looking_at("<(") || self.looking_at(">(")) => self.redirect(read, None),
            Some(b'&') if self.looking_at("&>") => {
                self.at += 1;
                self.redirect(read, Some("&"))
            }
            Some(b'(') => self.array(read),
            Some(_) => self.argument(read),
        }
    }

    fn argument(&mut self, read: &mut Read<'a>) -> bool {
        let start = self.at;
        let assignment = read.words.list.is_empty() && self.assignment_here();
        let already = read.words.list.len();
        read.words.whole = assignment;
        if !self.word(&mut read.words) {
            return false;
        }
        read.words.whole = false;
        let made = read.words.list.len() - already;
        let raw = &self.text[start..self.at];
        if assignment && made == 1 {
            read.assignments.extend(read.words.list.pop());
        } else if made == 1 && matches!(self.peek(), Some(b'<' | b'>')) && raw.bytes().all(|byte| byte.is_ascii_digit())
        {
            let number = read.words.list.pop();
            return self.redirect(read, number);
        }
        true
    }

    /// `NAME=` or `NAME+=` stands here, unquoted.
    fn assignment_here(&self) -> bool {
        let bytes = self.rest().as_bytes();
        let name =
            bytes.iter().position(|byte| !(byte.is_ascii_alphanumeric() || *byte == b'_')).unwrap_or(bytes.len());
        let named = name > 0 && !bytes[0].is_ascii_digit();
        named && (bytes[name..].starts_with(b"=") || bytes[name..].starts_with(b"+="))
    }

    /// `NAME=(a b)`; any other parenthesis ends the command.
    fn array(&mut self, read: &mut Read<'a>) -> bool {
        if !read.assignments.last().is_some_and(|last| last.ends_with('=')) || !read.words.list.is_empty() {
            return false;
        }
        self.at += 1;
        let mut words = Words::new(self.arena);
        loop {
            self.skip_lines();
            if !self.word(&mut words) {
                break;
            }
        }
        let closed = self.take(")");
        self.partial |= !closed;
        let value = self.join(&words.list, " ");
        let name = read.assignments.pop().unwrap_or_default();
        let whole = self.join(&[name, value], "");
        read.assignments.push(whole);
        closed
    }

    /// `()` of a function's definition.
    fn function_head(&mut self) -> bool {
        let before = self.at;
        self.at += 1;
        self.skip_blanks();
        if self.take(")") {
            return true;
        }
        self.at = before;
        false
    }

    pub(super) fn function(&mut self, name: &'a str, first: usize) -> Ran<'a> {
        self.skip_lines();
        if self.enter() {
            let start = self.at;
            self.command(Out::default());
            self.depth -= 1;
            remember(&mut self.functions, name, &self.text[start..self.at]);
        }
        if self.event.commands()[first..].iter().any(|command| command.program == name && command.pipes_to.is_some()) {
            self.tricks.add(Trick::SelfCall);
        }
        Ran { head: None, out: Out::default() }
    }

    /// A redirection stands here, behind its number if it has one.
    fn redirect(&mut self, read: &mut Read<'a>, number: Option<&'a str>) -> bool {
        let operators = ["<<<", "<<-", "<<", "<>", "<&", "<", ">>", ">&", ">|", ">"];
        let Some(operator) = operators.into_iter().find(|operator| self.looking_at(operator)) else { return false };
        self.at += operator.len();
        let mut target = Words::new(self.arena);
        target.whole = true;
        let start = {
            self.skip_blanks();
            self.at
        };
        self.word(&mut target);
        read.words.feeds.append(&mut target.feeds);
        let mut text = self.join(&target.list, " ");
        match operator {
            "<<" | "<<-" => {
                let raw = &self.text[start..self.at];
                text = self.document(text, operator == "<<-");
                if !raw.contains(['\'', '"', '\\']) && (text.contains("$(") || text.contains('`')) {
                    self.commands_in(text);
                }
                read.input = Some(Out { text, complete: true });
            }
            "<<<" => read.input = Some(Out { text: self.join(&[text, "\n"], ""), complete: true }),
            _ => {}
        }
        let operator = number.map_or(operator, |number| self.join(&[number, operator], ""));
        read.redirects.push(Redirect { operator, target: text });
        true
    }

    /// Substitutions inside a here-document run.
    fn commands_in(&mut self, text: &'a str) {
        let saved = (self.text, self.at, self.documents.take());
        if !self.enter() {
            return;
        }
        (self.text, self.at) = (text, 0);
        while let Some(len) = memchr::memchr2(b'$', b'`', self.rest().as_bytes()) {
            self.at += len;
            let mut words = Words::new(self.arena);
            let (before, mut piece) = (self.at, super::word::Piece::default());
            if self.looking_at("`") {
                self.backticks(&mut piece, &mut words, true)
            } else {
                self.dollar(&mut piece, &mut words, true)
            }
            self.at = self.at.max(before + 1);
            while !self.text.is_char_boundary(self.at) {
                self.at += 1;
            }
        }
        (self.text, self.at, self.documents) = saved;
        self.depth -= 1;
    }

    /// The body of a here-document that ends with this word. It begins on the next line, behind those that begin before it.
    fn document(&mut self, end: &str, tabs: bool) -> &'a str {
        let (line_end, body) = self.documents.unwrap_or_else(|| {
            let end = memchr::memchr(b'\n', self.rest().as_bytes()).map_or(self.text.len(), |len| self.at + len);
            (end, (end + 1).min(self.text.len()))
        });
        let rest = &self.text[body..];
        let (mut len, mut next) = (rest.len(), rest.len());
        let mut at = 0;
        for line in rest.split_inclusive('\n') {
            let bare = line.trim_end_matches(['\n', '\r']);
            if (if tabs { bare.trim_start_matches('\t') } else { bare }) == end {
                (len, next) = (at, at + line.len());
                break;
            }
            at += line.len();
        }
        self.partial |= len == next && line_end == self.text.len();
        self.documents = Some((line_end, body + next));
        &rest[..len]
    }

    /// Redirections behind a group.
    pub(super) fn redirects_only(&mut self) -> Vec<Redirect<'a>> {
        let mut read = Read { words: Words::new(self.arena), assignments: vec![], redirects: vec![], input: None };
        loop {
            self.skip_blanks();
            let here = match self.peek() {
                Some(b'<' | b'>') => None,
                Some(b'&') if self.looking_at("&>") => {
                    self.at += 1;
                    Some("&")
                }
                Some(b'1' | b'2')
                    if self.text.as_bytes().get(self.at + 1).is_some_and(|byte| matches!(byte, b'<' | b'>')) =>
                {
                    let number = &self.text[self.at..=self.at];
                    self.at += 1;
                    Some(number)
                }
                _ => return read.redirects,
            };
            if !self.redirect(&mut read, here) {
                return read.redirects;
            }
        }
    }

    fn finish(&mut self, read: Read<'a>, stdin: Out<'a>) -> Ran<'a> {
        let Read { words, assignments, redirects, input } = read;
        for assignment in &assignments {
            self.assign(assignment);
            self.run_setting(assignment);
        }
        let stdin = input.unwrap_or(stdin);
        let redirects = self.arena.alloc_slice_copy(&redirects);
        let (feeds, mut argv) = (words.feeds, words.list);
        let mut parent = self.parent;
        if assignments.iter().any(|text| text.starts_with(|first: char| first.is_ascii_uppercase()))
            || (argv.is_empty() && !redirects.is_empty())
        {
            let program = if argv.is_empty() { if assignments.is_empty() { ":" } else { "export" } } else { "env" };
            let mut all = vec![program];
            all.extend(&assignments);
            let place =
                self.push(self.arena.alloc_slice_copy(&all), if argv.is_empty() { redirects } else { &[] }, parent);
            parent = place.or(parent);
        }
        if argv.is_empty() {
            return Ran { head: None, out: Out::default() };
        }
        if argv[0].starts_with(['$', '`']) && !feeds.is_empty() {
            // What a substitution prints is run: that is `eval`.
            argv.insert(0, "eval");
            let place = self.push(argv.into_bump_slice(), redirects, parent);
            place.into_iter().for_each(|place| feeds.iter().for_each(|(first, end)| self.feed(*first, *end, place)));
            return Ran { head: place, out: Out::UNKNOWN };
        }
        self.put_alias(&mut argv);
        let before = self.event.commands().len();
        let argv = argv.into_bump_slice();
        let mut ran = self.run(argv, redirects, parent, stdin);
        self.run_receivers(argv, ran.out, before);
        let targets: Vec<&'a str> = redirects.iter().map(|redirect| redirect.target).collect();
        self.run_receivers(&targets, ran.out, before);
        self.feed_substitutions(&feeds, before);
        if let Some(redirect) = redirects.iter().find(|redirect| matches!(redirect.operator, ">" | ">>" | ">|" | "1>"))
        {
            self.written(redirect.target, ran.out);
            ran.out = Out::default();
        }
        ran
    }

    /// Settings whose value a program runs.
    fn run_setting(&mut self, assignment: &'a str) {
        const RUN: &[&str] = &[
            "GIT_SSH_COMMAND",
            "GIT_EDITOR",
            "GIT_PAGER",
            "GIT_SEQUENCE_EDITOR",
            "GIT_EXTERNAL_DIFF",
            "PAGER",
            "MANPAGER",
            "EDITOR",
            "VISUAL",
            "PROMPT_COMMAND",
            "LESSOPEN",
            "BROWSER",
            "SUDO_ASKPASS",
            "GIT_ASKPASS",
        ];
        if let Some((name, value)) = assignment.split_once('=')
            && value.contains(' ')
            && RUN.contains(&name)
        {
            self.script(value, self.parent);
        }
    }

    /// `tee >(sh)` and `> >(sh)` give a shell what is printed.
    fn run_receivers(&mut self, words: &[&'a str], out: Out<'a>, place: usize) {
        for word in words {
            let inner = word.strip_prefix(">(").and_then(|rest| rest.strip_suffix(')')).unwrap_or_default();
            let program = inner.split_ascii_whitespace().next().map(base).unwrap_or_default();
            if super::wrappers::SHELLS.contains(&program) && !out.text.is_empty() {
                self.script(out.text, Some(place));
            }
        }
    }

    /// A name that `alias` gave to something else on this line.
    fn put_alias(&mut self, argv: &mut bumpalo::collections::Vec<'a, &'a str>) {
        let Some(value) = argv
            .first()
            .and_then(|name| self.variables.iter().find(|(known, _)| known.strip_prefix("alias ") == Some(name)))
        else {
            return;
        };
        let words: Vec<&'a str> = value.1.split_ascii_whitespace().chain(argv.iter().skip(1).copied()).collect();
        argv.clear();
        argv.extend(words);
    }

    /// Text that goes into a file, kept in case the file is run.
    fn written(&mut self, path: &'a str, out: Out<'a>) {
        if !out.text.is_empty() {
            self.event.push(Field::FileContent, out.text);
            remember(&mut self.files, path.strip_prefix("./").unwrap_or(path), out.text);
        }
    }

    /// A shell that takes its commands from a substitution reads what the substitution prints.
    fn feed_substitutions(&mut self, feeds: &[(usize, usize)], command: usize) {
        let Some(outer) = self.event.commands().get(command) else { return };
        let runs = outer.path.contains("$(") || outer.path.contains('`') || super::wrappers::runs_text(outer.program);
        let reader =
            self.event.commands()[command..].iter().rposition(|inner| super::wrappers::runs_text(inner.program));
        if runs || reader.is_some() {
            feeds.iter().for_each(|(first, end)| self.feed(*first, *end, command + reader.unwrap_or(0)));
        }
    }

    pub(super) fn assign(&mut self, text: &'a str) {
        let Some((name, value)) = text.split_once('=') else { return };
        match name.strip_suffix('+') {
            Some(name) => {
                let before = self.variable(name).unwrap_or_default();
                let value = self.join(&[before, value], "");
                self.set_variable(name, value);
            }
            None => self.set_variable(name, value),
        }
    }

    /// Puts a command into the list; `None` when the list is full.
    pub(super) fn push(
        &mut self,
        argv: &'a [&'a str],
        redirects: &'a [Redirect<'a>],
        parent: Option<usize>,
    ) -> Option<usize> {
        if self.event.commands().len() >= COMMANDS_MAX {
            self.partial = true;
            return None;
        }
        let written = argv.first().copied().unwrap_or_default();
        let path = self.known_program(written);
        let argv = if path == written { argv } else { self.renamed(argv, path) };
        let text = self.join(argv, " ");
        let command =
            Command { program: base(path), path, argv, text, redirects, parent, pipes_to: None, depth: self.depth };
        Some(self.event.push_command(command))
    }

    fn renamed(&self, argv: &[&'a str], path: &'a str) -> &'a [&'a str] {
        let argv = self.arena.alloc_slice_copy(argv);
        argv[0] = path;
        argv
    }

    /// `/bin/c?t` can only mean `cat`.
    fn known_program(&mut self, path: &'a str) -> &'a str {
        if !path.contains(['?', '*', '[']) {
            return path;
        }
        let pattern = base(path);
        let found = facts::PROGRAMS.iter().find(|program| facts::glob(pattern, program));
        let Some(program) = found.filter(|_| pattern != "*" && pattern.len() > 1) else { return path };
        self.tricks.add(Trick::GlobProgram);
        let folder = &path[..path.len() - pattern.len()];
        self.join(&[folder, program], "")
    }

    /// Runs a program: notes the command, then what it runs in turn.
    pub(super) fn run(
        &mut self,
        argv: &'a [&'a str],
        redirects: &'a [Redirect<'a>],
        parent: Option<usize>,
        stdin: Out<'a>,
    ) -> Ran<'a> {
        let argv = self.tidied(argv);
        let Some(place) = self.push(argv, redirects, parent) else { return Ran { head: None, out: Out::UNKNOWN } };
        let program = self.event.commands()[place].program;
        self.changed_folder(place, program, argv);
        let inner = if self.enter() {
            let inner = self.unwrap(place, program, argv, stdin);
            self.depth -= 1;
            inner
        } else {
            None
        };
        match inner {
            Some(inner) => Ran { head: inner.head.or(Some(place)), out: inner.out },
            None => Ran { head: Some(place), out: self.output(program, argv, stdin) },
        }
    }

    /// Paths that go in circles are made straight, and patterns that can only mean a well-known file are that file:
    /// `/etc/./x/../shadow` and `/etc/sh*w` are `/etc/shadow`.
    fn tidied(&mut self, argv: &'a [&'a str]) -> &'a [&'a str] {
        let crooked = |word: &&str| {
            word.starts_with(['/', '~'])
                && (word.contains("//") || word.contains("/.") || word.contains(['?', '*', '[']))
        };
        if !argv.iter().any(crooked) {
            return argv;
        }
        let arena = self.arena;
        let straight = |word: &&'a str| match facts::one_file(word) {
            Some(file) => file,
            None if crooked(word) => &*arena.alloc_str(&facts::straight(word)),
            None => *word,
        };
        arena.alloc_slice_fill_iter(argv.iter().map(straight))
    }

    /// After `cd /`, a star means everything below `/`: such a command is noted a second time with whole paths.
    fn changed_folder(&mut self, place: usize, program: &str, argv: &'a [&'a str]) {
        if matches!(program, "cd" | "pushd") {
            let target = argv.iter().skip(1).find(|word| !word.starts_with('-'));
            self.cwd = Some(target.copied().unwrap_or("~"));
            return;
        }
        let Some(cwd) = self.cwd.filter(|cwd| cwd.starts_with(['/', '~', '$']) || *cwd == "..") else { return };
        let private = [".ssh", ".aws", ".kube", ".gnupg", ".docker", ".azure", "gcloud", "/etc", "/root"];
        let private = private.iter().any(|folder| cwd.contains(folder));
        let relative = |word: &str| {
            matches!(word, "*" | "." | "./*" | "./" | ".*" | "{*,.*}")
                || (private && !word.starts_with(['/', '~', '$', '-']))
        };
        if !private && !matches!(program, "rm" | "chmod" | "chown" | "shred" | "find" | "mv" | "tar")
            || !argv.iter().skip(1).any(|word| relative(word))
        {
            return;
        }
        let mut whole = Vec::with_capacity(argv.len());
        for (number, word) in argv.iter().enumerate() {
            let below = match *word {
                "." | "./" => "",
                ".*" | "{*,.*}" => "*",
                word => word.trim_start_matches("./"),
            };
            whole.push(if number > 0 && relative(word) {
                self.join(&[cwd.trim_end_matches('/'), below], "/")
            } else {
                word
            });
        }
        let parent = self.event.commands()[place].parent;
        self.push(self.arena.alloc_slice_copy(&whole), &[], parent);
    }
}
