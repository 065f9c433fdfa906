//! What a simple command prints, where that follows from its words and its input: `echo`, `printf`, decoders, filters.

use bumpalo::Bump;

use crate::processor::risk::event::Field;

use super::{Trick, Walker, decode};

/// Text that a command prints.
#[derive(Debug, Clone, Copy)]
pub(super) struct Out<'a> {
    /// As far as it is known.
    pub(super) text: &'a str,
    /// Nothing else is printed.
    pub(super) complete: bool,
}

impl Default for Out<'_> {
    fn default() -> Self {
        Self { text: "", complete: true }
    }
}

impl<'a> Out<'a> {
    /// Nothing is known.
    pub(super) const UNKNOWN: Self = Self { text: "", complete: false };

    const fn known(text: &'a str) -> Self {
        Self { text, complete: true }
    }

    /// What is printed when `other` runs next.
    pub(super) fn then(self, other: Self, arena: &'a Bump) -> Self {
        let complete = self.complete && other.complete;
        let text = match (self.text, other.text) {
            ("", text) | (text, "") => text,
            (first, second) => {
                let mut text = bumpalo::collections::String::with_capacity_in(first.len() + second.len(), arena);
                text.push_str(first);
                text.push_str(second);
                text.into_bump_str()
            }
        };
        Self { text, complete }
    }
}

impl<'a> Walker<'a, '_> {
    /// What this program prints for these words and this input.
    pub(super) fn output(&mut self, program: &str, argv: &[&'a str], stdin: Out<'a>) -> Out<'a> {
        let words = argv.get(1..).unwrap_or_default();
        match program {
            "echo" => self.echo(words),
            "printf" => self.printf(words),
            "" | ":" | "true" | "cd" | "export" | "set" | "unset" | "alias" | "local" | "declare" | "readonly"
            | "mkdir" | "touch" | "sleep" | "chmod" | "shopt" => Out::default(),
            "which" | "type" => words.last().map_or(Out::UNKNOWN, |word| Out::known(word)),
            "command" if words.first().is_some_and(|word| word.eq_ignore_ascii_case("-v")) => {
                words.last().map_or(Out::UNKNOWN, |word| Out::known(word))
            }
            "basename" => words.first().map_or(Out::UNKNOWN, |word| Out::known(base(word))),
            "cat" | "tee" | "sponge" | "pv" | "nl" | "head" | "tail" | "sort" | "uniq" | "strings" => {
                self.copied(words, stdin)
            }
            "dirname" => {
                let parent = words.first().and_then(|word| word.trim_end_matches('/').rsplit_once('/'));
                parent.map_or(Out::UNKNOWN, |(parent, _)| Out::known(if parent.is_empty() { "/" } else { parent }))
            }
            "find" => self.found(words),
            // The folders themselves, not what is in them.
            "ls" if words.iter().any(|word| word.starts_with('-') && !word.starts_with("--") && word.contains('d')) => {
                let named: Vec<&str> =
                    words.iter().filter(|word| !word.starts_with('-')).map(|word| word.trim_end_matches('/')).collect();
                Out { text: self.join(&named, "\n"), complete: false }
            }
            _ => self.filtered(program, words, stdin),
        }
    }

    /// `find /` without a condition prints, among others, where it starts.
    fn found(&mut self, words: &[&'a str]) -> Out<'a> {
        let narrow = [
            "-name", "-iname", "-path", "-ipath", "-regex", "-iregex", "-mtime", "-mmin", "-newer", "-size", "-user",
            "-empty",
        ];
        let starts: Vec<&str> = words.iter().take_while(|word| !word.starts_with('-')).copied().collect();
        if words.iter().any(|word| narrow.contains(word))
            || !starts.iter().any(|start| start.starts_with(['/', '~', '$']))
        {
            return Out::UNKNOWN;
        }
        Out { text: self.join(&starts, "\n"), complete: false }
    }

    /// Programs that pass their input on, or read a small file that was written on this line.
    fn copied(&mut self, words: &[&'a str], stdin: Out<'a>) -> Out<'a> {
        let named: Vec<&str> = words.iter().filter(|word| !word.starts_with('-')).copied().collect();
        match named[..] {
            [] => stdin,
            [file] => match self.file(file) {
                Some(text) => Out::known(text),
                None => Out { complete: false, ..stdin },
            },
            _ => Out { complete: false, ..stdin },
        }
    }

    pub(super) fn file(&self, path: &str) -> Option<&'a str> {
        let path = path.strip_prefix("./").unwrap_or(path);
        self.files.iter().rev().find(|(known, _)| *known == path).map(|(_, text)| *text)
    }

    fn filtered(&mut self, program: &str, words: &[&'a str], stdin: Out<'a>) -> Out<'a> {
        if stdin.text.is_empty() {
            return self.decoded_file(program, words);
        }
        let has = |flags: &[&str]| words.iter().any(|word| flags.contains(word));
        let decoded = match program {
            "base64" | "gbase64" if has(&["-d", "-D", "--decode", "-di", "-id", "--d", "-dw0"]) => {
                decode::base64(stdin.text)
            }
            "base32" if has(&["-d", "-D", "--decode"]) => decode::base32(stdin.text),
            "openssl" if has(&["base64", "-base64", "-a"]) && has(&["-d"]) => decode::base64(stdin.text),
            "xxd" if words.iter().any(|word| word.starts_with('-') && word.contains('r')) => {
                decode::hexadecimal(stdin.text)
            }
            "basenc" if has(&["-d"]) && has(&["--base64", "--base64url"]) => decode::base64(stdin.text),
            "basenc" if has(&["-d"]) => decode::hexadecimal(stdin.text),
            "rev" => {
                self.tricks.add(Trick::Reversed);
                Some(lines(stdin.text, |line| line.chars().rev().collect()))
            }
            "python3" | "python" if has(&["base64"]) && has(&["-d", "-u"]) => decode::base64(stdin.text),
            "perl" | "python3" | "python" | "ruby"
                if words
                    .iter()
                    .any(|word| word.contains("hex(") || word.contains("unhexlify") || word.contains("fromhex")) =>
            {
                decode::hexadecimal(stdin.text)
            }
            "tac" => Some(stdin.text.lines().rev().collect::<Vec<_>>().join("\n")),
            "tr" => Some(transliterated(stdin.text, words)),
            "sed" => substituted(stdin.text, words),
            "xargs" if words.is_empty() => Some(stdin.text.split_ascii_whitespace().collect::<Vec<_>>().join(" ")),
            _ => None,
        };
        match decoded {
            Some(text) => self.made(text, !matches!(program, "tr" | "sed" | "xargs" | "tac")),
            None => Out::UNKNOWN,
        }
    }

    /// `base64 -d FILE`, where the file was written on this line.
    fn decoded_file(&mut self, program: &str, words: &[&'a str]) -> Out<'a> {
        let file = words.iter().rev().find(|word| !word.starts_with('-')).and_then(|word| self.file(word));
        match file {
            Some(text) if matches!(program, "base64" | "base32" | "xxd") && !text.is_empty() => {
                let flags: Vec<&'a str> = words.iter().filter(|word| word.starts_with('-')).copied().collect();
                self.filtered(program, &flags, Out::known(text))
            }
            _ => Out::UNKNOWN,
        }
    }

    /// Text that a decoder gave.
    pub(super) fn made(&mut self, text: String, hidden: bool) -> Out<'a> {
        if !self.spend(text.len()) {
            return Out::UNKNOWN;
        }
        let text = self.arena.alloc_str(&text);
        if hidden {
            self.tricks.add(Trick::Encoded);
            self.event.push(Field::CmdDecoded, text);
        }
        Out::known(text)
    }

    fn echo(&mut self, words: &[&'a str]) -> Out<'a> {
        let is_option =
            |word: &&&str| word.len() > 1 && word.starts_with('-') && word[1..].bytes().all(|b| b"neE".contains(&b));
        let options = words.iter().take_while(is_option).count();
        let (options, words) = words.split_at(options);
        let joined = self.join(words, " ");
        if options.iter().any(|option| option.contains('e')) && joined.contains('\\') {
            return self.unescaped(joined);
        }
        if options.iter().any(|option| option.contains('n')) {
            Out::known(joined)
        } else {
            Out::known(self.join(&[joined, "\n"], ""))
        }
    }

    fn unescaped(&mut self, text: &str) -> Out<'a> {
        let (text, hidden) = decode::escapes(text);
        if hidden {
            self.tricks.add(Trick::Escape);
        }
        self.made(text, hidden)
    }

    /// `printf` with `%s`, `%b`, `%c`, `%d`, `%x`; the format is used again while words are left.
    pub(super) fn printf(&mut self, words: &[&'a str]) -> Out<'a> {
        let words = if words.first() == Some(&"--") { &words[1..] } else { words };
        let Some((format, mut words)) = words.split_first() else { return Out::default() };
        if *format == "-v" {
            return Out::UNKNOWN;
        }
        let mut text = String::new();
        loop {
            let before = words.len();
            format_once(format, &mut words, &mut text);
            if words.is_empty() || words.len() == before || text.len() > super::TEXT_BYTES_MAX {
                break;
            }
        }
        self.unescaped(&text)
    }
}

/// Puts words into one turn of a format.
fn format_once(format: &str, words: &mut &[&str], out: &mut String) {
    let mut rest = format;
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let len = rest.bytes().take_while(|byte| byte.is_ascii_digit() || b"-+ #0.*".contains(byte)).count();
        let Some(kind) = rest[len..].chars().next() else { break };
        rest = &rest[len + kind.len_utf8()..];
        if kind == '%' {
            out.push('%');
        } else if let Some((word, others)) = words.split_first() {
            out.push_str(word);
            *words = others;
        }
    }
    out.push_str(rest);
}

fn lines(text: &str, change: impl Fn(&str) -> String) -> String {
    text.lines().map(change).collect::<Vec<_>>().join("\n")
}

fn transliterated(text: &str, words: &[&str]) -> String {
    let deletes = words.contains(&"-d");
    let sets: Vec<&&str> = words.iter().filter(|word| !word.starts_with('-') || word.len() > 3).collect();
    match sets[..] {
        [from] if deletes => decode::translate(text, from, ""),
        [from, to, ..] => decode::translate(text, from, to),
        _ => text.to_owned(),
    }
}

/// `sed s/a/b/g` with plain text for a pattern.
fn substituted(text: &str, words: &[&str]) -> Option<String> {
    let script = words.iter().find(|word| word.starts_with('s') && word.len() > 3)?;
    let mark = script[1..].chars().next()?;
    let mut parts = script[2..].split(mark);
    let (from, to) = (parts.next()?, parts.next()?);
    let plain = !from.is_empty() && !from.contains(['.', '*', '[', '\\', '^', '$']);
    plain.then(|| text.replace(from, to))
}

/// The last part of a path.
pub(super) fn base(path: &str) -> &str {
    let path = path.trim_end_matches('/');
    path.rsplit_once('/').map_or(path, |(_, last)| last)
}
