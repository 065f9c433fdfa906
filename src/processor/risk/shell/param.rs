//! What begins with `$` or a backtick: variables, `$'..'`, substitutions.

use super::output::Out;
use super::word::{Piece, SPLIT, Words};
use super::{End, Trick, Walker, decode};

impl<'a> Walker<'a, '_> {
    /// A dollar sign stands here.
    pub(super) fn dollar(&mut self, piece: &mut Piece, words: &mut Words<'a>, quoted: bool) {
        let start = self.at;
        let next = self.text.as_bytes().get(start + 1).copied();
        match next {
            Some(b'(') if self.looking_at("$((") => self.arithmetic(piece),
            Some(b'(') => self.substitution(piece, words, quoted),
            Some(b'[') if !quoted => self.plain_dollar(piece),
            Some(b'{') => self.braced(piece, words, quoted),
            Some(b'\'') if !quoted || words.whole => self.ansi(piece),
            Some(b'"') if !quoted || words.whole => self.at += 1,
            Some(byte) if byte.is_ascii_alphabetic() || byte == b'_' => {
                self.at += 1;
                let name = self.plain_name();
                self.put_variable(piece, name, start, quoted);
            }
            Some(b'@' | b'*' | b'0'..=b'9' | b'!' | b'#' | b'?' | b'-' | b'$') => {
                self.at += 2;
                self.put_special(piece, start);
            }
            _ => self.plain_dollar(piece),
        }
    }

    fn plain_dollar(&mut self, piece: &mut Piece) {
        piece.text.push('$');
        self.at += 1;
    }

    /// `$((1 + 2))` stays as it is.
    fn arithmetic(&mut self, piece: &mut Piece) {
        let rest = self.rest();
        let len = rest.find("))").map(|len| len + 2);
        self.partial |= len.is_none();
        let len = len.unwrap_or(rest.len());
        piece.text.push_str(&rest[..len]);
        self.at += len;
    }

    /// `$(..)`, `<(..)` or `>(..)` stands here: its commands are read, and its output is put in where it is known.
    pub(super) fn substitution(&mut self, piece: &mut Piece, words: &mut Words<'a>, quoted: bool) {
        let (start, first) = (self.at, self.event.commands().len());
        let process = !self.looking_at("$");
        if !self.enter() {
            let rest = self.rest();
            piece.text.push_str(rest);
            self.at = self.text.len();
            return;
        }
        self.at += 2;
        let ran = self.list(End::Parenthesis);
        self.depth -= 1;
        let raw = &self.text[start..self.at];
        self.put_output(piece, words, first, (ran.out, raw, quoted, process));
    }

    fn put_output(
        &mut self,
        piece: &mut Piece,
        words: &mut Words<'a>,
        first: usize,
        (out, raw, quoted, process): (Out<'a>, &str, bool, bool),
    ) {
        let text = out.text.trim_end_matches('\n');
        if !process && out.complete && (!text.is_empty() || first == self.event.commands().len()) {
            piece.value(text, quoted);
        } else if !process && out.complete && self.only_says_nothing(first) {
            // `r$(true)m` is `rm`.
            piece.resolved = true;
        } else if self.spend(raw.len()) {
            if process && !text.is_empty() {
                // A shell that is given this name reads the text.
                super::remember(&mut self.files, self.arena.alloc_str(raw), text);
            }
            piece.text.push_str(raw);
            piece.quoted = true;
            words.feeds.push((first, self.event.commands().len()));
        }
    }

    fn only_says_nothing(&self, first: usize) -> bool {
        self.event.commands()[first..].iter().all(|command| matches!(command.program, ":" | "true" | "echo" | "printf"))
    }

    /// A backtick stands here.
    pub(super) fn backticks(&mut self, piece: &mut Piece, words: &mut Words<'a>, quoted: bool) {
        let start = self.at;
        let inner = &self.text.as_bytes()[start + 1..];
        let Some(len) = closing(inner) else {
            self.at = self.text.len();
            let rest = &self.text[start + 1..];
            piece.text.push_str(rest);
            if !self.partial {
                self.partial = true;
                self.script(rest, self.parent);
            }
            return;
        };
        self.at = start + len + 2;
        let (raw, inner) = (&self.text[start..self.at], &self.text[start + 1..=start + len]);
        let inner = if inner.contains('\\') { self.arena.alloc_str(&unescaped(inner)) } else { inner };
        let first = self.event.commands().len();
        let ran = self.script(inner, self.parent);
        self.put_output(piece, words, first, (ran.out, raw, quoted, false));
    }

    fn put_variable(&mut self, piece: &mut Piece, name: &'a str, start: usize, quoted: bool) {
        if name == "IFS" {
            return self.put_ifs(piece, quoted);
        }
        match self.value_of(name) {
            Some(value) => self.put_value(piece, value, quoted),
            None => self.put_unknown(piece, name, start),
        }
    }

    fn put_ifs(&mut self, piece: &mut Piece, quoted: bool) {
        match self.variable("IFS") {
            Some(value) if !value.trim().is_empty() => piece.value(value, quoted),
            _ if quoted => piece.text.push(' '),
            _ => {
                self.tricks.add(Trick::Ifs);
                piece.split();
            }
        }
    }

    fn put_value(&mut self, piece: &mut Piece, value: &str, quoted: bool) {
        if !self.spend(value.len()) {
            return;
        }
        let next = self.peek().is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'$');
        let before = piece.text.as_bytes().last().is_some_and(u8::is_ascii_alphanumeric);
        if (next || before) && !value.is_empty() && !value.contains(['/', '.', '-']) && value.len() <= 8 {
            piece.pieced = true;
        }
        match self.variable("IFS").filter(|marks| !quoted && !marks.trim().is_empty()) {
            Some(marks) => piece.value(&value.replace(|c| marks.contains(c), " "), quoted),
            None => piece.value(value, quoted),
        }
    }

    /// A variable set on this line, or one whose value everybody knows.
    fn value_of(&self, name: &str) -> Option<&'a str> {
        let known = || match name {
            "SHELL" | "BASH" => Some("/bin/sh"),
            _ => None,
        };
        self.variable(name).or_else(known)
    }

    /// A value that is not known stays as written, unless it only serves to break a word: `c${u}at`.
    fn put_unknown(&mut self, piece: &mut Piece, name: &str, start: usize) {
        let bytes = self.text.as_bytes();
        let letter = |at: Option<usize>| at.and_then(|at| bytes.get(at)).is_some_and(u8::is_ascii_lowercase);
        let short = name.len() <= 2 && !name.bytes().any(|byte| byte.is_ascii_uppercase());
        if short && letter(start.checked_sub(1)) && letter(Some(self.at)) {
            self.tricks.add(Trick::Variable);
            return;
        }
        piece.text.push_str(&self.text[start..self.at]);
    }

    /// `$@` and `$1` inside a word say nothing on a command line; where `sh -c` or `set` gave them, they are known.
    fn put_special(&mut self, piece: &mut Piece, start: usize) {
        let raw = &self.text[start..self.at];
        let name = &raw[1..];
        let known = self.variable(if name == "*" { "@" } else { name });
        if let Some(value) = known {
            return self.put_value(piece, value, false);
        }
        let bytes = self.text.as_bytes();
        let letter = |at: Option<usize>| at.and_then(|at| bytes.get(at)).is_some_and(u8::is_ascii_alphanumeric);
        let (before, after) = (letter(start.checked_sub(1)), letter(Some(self.at)));
        match name {
            "0" => piece.text.push_str(if piece.text.is_empty() { "bash" } else { raw }),
            "@" | "*" if before => self.tricks.add(Trick::Variable),
            "@" | "*" | "!" | "1" | "2" | "3" | "4" | "5" | "6" | "7" | "8" | "9" if before && after => {
                self.tricks.add(Trick::Variable);
            }
            "1" | "2" | "3" | "4" | "5" | "6" | "7" | "8" | "9" if piece.text.ends_with(SPLIT) => {}
            _ => piece.text.push_str(raw),
        }
    }

    /// `${..}` stands here.
    fn braced(&mut self, piece: &mut Piece, words: &mut Words<'a>, quoted: bool) {
        let start = self.at;
        let inner = &self.text.as_bytes()[start + 2..];
        let Some(len) = closing_brace(inner) else {
            self.partial = true;
            piece.text.push_str(self.rest());
            self.at = self.text.len();
            return;
        };
        self.at = start + 2 + len + 1;
        let inner = &self.text[start + 2..start + 2 + len];
        let name_len = inner.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_').count();
        let (name, operation) = inner.split_at(name_len);
        if inner.contains("$(") || inner.contains('`') {
            self.inner_commands(inner);
        }
        if operation.is_empty() && !name.is_empty() && !name.starts_with(|first: char| first.is_ascii_digit()) {
            return self.put_variable(piece, name, start, quoted);
        }
        self.operated(piece, (inner, name, operation), start, quoted || words.whole);
    }

    /// Commands inside `${x:-$(..)}` run as well.
    fn inner_commands(&mut self, inner: &'a str) {
        let places = inner.match_indices(['$', '`']).filter(|(at, _)| !inner[*at..].starts_with("${")).take(1);
        for (at, _) in places {
            self.script(&inner[at..], self.parent);
        }
    }

    fn operated(
        &mut self,
        piece: &mut Piece,
        (inner, name, operation): (&'a str, &'a str, &'a str),
        start: usize,
        quoted: bool,
    ) {
        if let Some(name) = inner.strip_prefix('!') {
            let value = self.variable(name).and_then(|name| self.value_of(name));
            return match value {
                Some(value) => {
                    self.tricks.add(Trick::Variable);
                    self.put_value(piece, value, quoted);
                }
                None => piece.text.push_str(&self.text[start..self.at]),
            };
        }
        if name == "IFS" {
            return self.put_ifs(piece, quoted);
        }
        if name == "0"
            && let Some(value) = decode::operation(Some("-bash"), operation)
        {
            self.tricks.add(Trick::Variable);
            return self.put_value(piece, &value, quoted);
        }
        if name.is_empty() || name.starts_with(|first: char| first.is_ascii_digit()) {
            let special = operation.is_empty() || matches!(operation, "@" | "*");
            let letter = |at: usize| self.text.as_bytes().get(at).is_some_and(|byte| byte.is_ascii_alphanumeric());
            if special && start > 0 && letter(start - 1) && letter(self.at) {
                return self.tricks.add(Trick::Variable);
            }
            return piece.text.push_str(&self.text[start..self.at]);
        }
        let known = self.value_of(name).or_else(|| slash(name, operation));
        match decode::operation(known, operation) {
            Some(value) => {
                let list = matches!(operation, "[@]" | "[*]");
                if operation.starts_with(":=") {
                    self.set_variable(name, self.arena.alloc_str(&value));
                }
                if operation == "[*]" && quoted && self.variable("IFS") == Some("") {
                    return self.put_value(piece, &value.replace(' ', ""), true);
                }
                if known.is_some() && !list && !operation.starts_with([':', '#', '%']) || operation.starts_with(":0") {
                    self.tricks.add(Trick::Variable);
                }
                self.put_value(piece, &value, quoted && !list);
            }
            None => piece.text.push_str(&self.text[start..self.at]),
        }
    }

    /// `$'..'` stands here.
    fn ansi(&mut self, piece: &mut Piece) {
        self.at += 2;
        let rest = self.rest();
        let len = closing_quote(rest.as_bytes());
        self.partial |= len.is_none();
        let inner = &rest[..len.unwrap_or(rest.len())];
        self.at += len.map_or(rest.len(), |len| len + 1);
        let (text, hidden) = decode::escapes(inner);
        if hidden {
            self.tricks.add(Trick::Escape);
        }
        piece.text.push_str(&text);
        piece.quoted = true;
    }
}

/// `${PATH:0:1}` and `${HOME%%u*}` are ways to write a slash.
fn slash(name: &str, operation: &str) -> Option<&'static str> {
    let first = matches!(operation, ":0:1" | "::1");
    (first && matches!(name, "PATH" | "HOME" | "PWD" | "SHELL" | "OLDPWD")).then_some("/")
}

/// Where the backtick closes.
fn closing(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        at += memchr::memchr2(b'`', b'\\', bytes.get(at..)?)?;
        if bytes[at] == b'`' {
            return Some(at);
        }
        at += 2;
    }
}

fn closing_quote(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        at += memchr::memchr2(b'\'', b'\\', bytes.get(at..)?)?;
        if bytes[at] == b'\'' {
            return Some(at);
        }
        at += 2;
    }
}

/// Where `${` closes, behind inner braces.
fn closing_brace(bytes: &[u8]) -> Option<usize> {
    let (mut depth, mut at) = (0_usize, 0);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'\\' => at += 1,
            b'{' => depth += 1,
            b'}' if depth == 0 => return Some(at),
            b'}' => depth -= 1,
            b'\n' if at > 4096 => return None,
            _ => {}
        }
        at += 1;
    }
    None
}

/// Inside backticks a backslash protects `` ` ``, `$` and itself.
fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match characters.peek() {
            Some(next @ ('`' | '$' | '\\')) if character == '\\' => {
                out.push(*next);
                characters.next();
            }
            _ => out.push(character),
        }
    }
    out
}
