//! Words: quotes and escapes undone, braces and unquoted values taken apart.

use bumpalo::Bump;
use bumpalo::collections::Vec as ArenaVec;

use super::{Trick, Walker};

/// Marks in a word under construction: unquoted `{`, `,`, `}`, and places where it falls apart.
pub(super) const OPEN: char = '\u{e000}';
const COMMA: char = '\u{e001}';
const CLOSE: char = '\u{e002}';
pub(super) const SPLIT: char = '\u{e003}';
/// More words than this do not come of one word's braces.
const BRACE_WORDS_MAX: usize = 256;

/// The words of a command, as far as read.
pub(super) struct Words<'a> {
    pub(super) list: ArenaVec<'a, &'a str>,
    /// Commands of the substitutions in these words: first and end.
    pub(super) feeds: Vec<(usize, usize)>,
    /// The value of an assignment does not fall apart.
    pub(super) whole: bool,
}

impl<'a> Words<'a> {
    pub(super) fn new(arena: &'a Bump) -> Self {
        Self { list: ArenaVec::new_in(arena), feeds: Vec::new(), whole: false }
    }
}

/// A word under construction.
#[derive(Default)]
pub(super) struct Piece {
    pub(super) text: String,
    /// It was quoted somewhere: an empty word counts, and it is no reserved word.
    pub(super) quoted: bool,
    /// Quotes or escapes stand between two letters.
    pub(super) broken: bool,
    /// A variable's value or a substitution's output stands in it.
    pub(super) resolved: bool,
    /// Such a value is a part of a word.
    pub(super) pieced: bool,
    braces: usize,
    marked: bool,
}

impl Piece {
    /// Adds a value: an unquoted one falls apart at white space.
    pub(super) fn value(&mut self, value: &str, quoted: bool) {
        self.resolved = true;
        if quoted {
            return self.text.push_str(value);
        }
        for (place, part) in value.split([' ', '\t', '\n']).enumerate() {
            if place > 0 {
                self.text.push(SPLIT);
                self.marked = true;
            }
            self.text.push_str(part);
        }
    }

    pub(super) fn split(&mut self) {
        self.text.push(SPLIT);
        self.marked = true;
    }

    fn ends_with_letter(&self) -> bool {
        self.text.as_bytes().last().is_some_and(u8::is_ascii_alphanumeric)
    }
}

/// Ends a word.
pub(super) const fn is_delimiter(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | b';' | b'&' | b'|' | b'(' | b')' | b'<' | b'>')
}

/// Means itself.
const fn is_plain(byte: u8) -> bool {
    !is_delimiter(byte) && !matches!(byte, b'\'' | b'"' | b'`' | b'$' | b'\\' | b'{' | b'}')
}

impl<'a> Walker<'a, '_> {
    /// Reads the word here, if there is one; it may become several, or none.
    pub(super) fn word(&mut self, words: &mut Words<'a>) -> bool {
        let (bytes, start) = (self.text.as_bytes(), self.at);
        let len = bytes[start..].iter().position(|byte| !is_plain(*byte)).unwrap_or(bytes.len() - start);
        self.at += len;
        let end = bytes.get(self.at).copied();
        if end.is_none_or(is_delimiter) && !self.looking_at("<(") && !self.looking_at(">(") {
            if len > 0 {
                words.list.push(&self.text[start..self.at]);
            }
            return len > 0;
        }
        if len > 0 && end.is_some_and(is_delimiter) {
            words.list.push(&self.text[start..self.at]);
            return true;
        }
        let mut piece = Piece { text: self.text[start..self.at].to_owned(), ..Piece::default() };
        self.rest_of_word(&mut piece, words);
        self.close(piece, words);
        true
    }

    fn rest_of_word(&mut self, piece: &mut Piece, words: &mut Words<'a>) {
        while let Some(byte) = self.peek() {
            let place = self.at;
            let after_letter = piece.ends_with_letter();
            match byte {
                b'\'' | b'"' | b'\\' => {
                    self.quoted(byte, piece, words);
                    let letter = |at: usize| self.text.as_bytes().get(at).is_some_and(u8::is_ascii_alphanumeric);
                    piece.broken |= after_letter && (letter(self.at) || letter(place + 1));
                }
                b'`' => self.backticks(piece, words, words.whole),
                b'$' => self.dollar(piece, words, words.whole),
                b'{' => self.mark(piece, OPEN, true),
                b'}' if piece.braces > 0 => self.mark(piece, CLOSE, false),
                b',' if piece.braces > 0 => {
                    piece.text.push(COMMA);
                    self.at += 1;
                }
                b'<' | b'>' if piece.text.is_empty() && self.text.as_bytes().get(place + 1) == Some(&b'(') => {
                    self.substitution(piece, words, false);
                }
                byte if is_delimiter(byte) => return,
                _ => self.plain_run(piece),
            }
        }
    }

    fn mark(&mut self, piece: &mut Piece, mark: char, opens: bool) {
        piece.text.push(mark);
        piece.marked = true;
        piece.braces = if opens { piece.braces + 1 } else { piece.braces - 1 };
        self.at += 1;
    }

    fn plain_run(&mut self, piece: &mut Piece) {
        let rest = self.rest();
        let commas = piece.braces > 0;
        let ends = |byte: &u8| !is_plain(*byte) || (commas && *byte == b',');
        let len = rest.as_bytes().iter().position(ends).unwrap_or(rest.len()).max(1);
        piece.text.push_str(&rest[..len]);
        self.at += len;
    }

    fn quoted(&mut self, quote: u8, piece: &mut Piece, words: &mut Words<'a>) {
        self.at += 1;
        match quote {
            b'\'' => {
                piece.quoted = true;
                let rest = self.rest();
                let len = memchr::memchr(b'\'', rest.as_bytes());
                piece.text.push_str(&rest[..len.unwrap_or(rest.len())]);
                self.at += len.map_or(rest.len(), |len| len + 1);
                if len.is_none() {
                    self.unclosed(rest);
                }
            }
            b'"' => {
                piece.quoted = true;
                self.double_quoted(piece, words);
            }
            _ => self.escaped(piece),
        }
    }

    /// A backslash was read; what follows means itself.
    fn escaped(&mut self, piece: &mut Piece) {
        let Some(character) = self.rest().chars().next() else { return };
        self.at += character.len_utf8();
        if character != '\n' {
            piece.text.push(character);
            piece.quoted = true;
        }
    }

    fn double_quoted(&mut self, piece: &mut Piece, words: &mut Words<'a>) {
        let start = self.at;
        loop {
            let rest = self.rest();
            let special = |byte: &u8| matches!(byte, b'"' | b'\\' | b'$' | b'`');
            let len = rest.as_bytes().iter().position(special).unwrap_or(rest.len());
            piece.text.push_str(&rest[..len]);
            self.at += len;
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return;
                }
                Some(b'\\') => self.escaped_in_quotes(piece),
                Some(b'$') => self.dollar(piece, words, true),
                Some(_) => self.backticks(piece, words, true),
                None => return self.unclosed(&self.text[start..]),
            }
        }
    }

    fn escaped_in_quotes(&mut self, piece: &mut Piece) {
        self.at += 1;
        match self.peek() {
            Some(b'\n') => self.at += 1,
            Some(byte @ (b'"' | b'\\' | b'$' | b'`')) => {
                piece.text.push(char::from(byte));
                self.at += 1;
            }
            _ => piece.text.push('\\'),
        }
    }

    /// A quote without its end: what stands behind it may be commands.
    fn unclosed(&mut self, rest: &'a str) {
        let first = !self.partial;
        self.partial = true;
        if first {
            self.script(rest, self.parent);
        }
    }

    fn close(&mut self, piece: Piece, words: &mut Words<'a>) {
        self.spend(piece.text.len());
        if words.list.is_empty() {
            self.see_program(&piece);
        } else if piece.broken && piece.text.starts_with(['/', '~', '.']) && !piece.text.contains(' ') {
            self.tricks.add(Trick::SplitWord);
        }
        if !piece.marked {
            if piece.quoted || !piece.text.is_empty() {
                words.list.push(self.arena.alloc_str(&piece.text));
            }
            return;
        }
        let mut made = Vec::new();
        self.partial |= !braces(&piece.text, &mut made);
        for word in made.iter().flat_map(|word| word.split(SPLIT)).filter(|word| !word.is_empty() || piece.quoted) {
            if !self.spend(word.len()) {
                return;
            }
            words.list.push(self.arena.alloc_str(word));
        }
    }

    /// How a program's name is put together.
    fn see_program(&mut self, piece: &Piece) {
        let name = piece.text.split(SPLIT).next().unwrap_or_default();
        if name.contains('=') {
            return;
        }
        if piece.broken && !name.contains(' ') {
            self.tricks.add(Trick::SplitWord);
        }
        if piece.pieced && !name.contains('/') {
            self.tricks.add(Trick::Variable);
        }
        if piece.braces == 0 && piece.text.contains(OPEN) && piece.text.contains(COMMA) {
            self.tricks.add(Trick::Brace);
        }
    }
}

/// Takes `{a,b}` apart, depth first, into words in order; false when there are too many.
fn braces(text: &str, out: &mut Vec<String>) -> bool {
    let mut waiting = vec![text.to_owned()];
    while let Some(word) = waiting.pop() {
        match alternatives(&word) {
            Some((before, inner, after)) => {
                if waiting.len() + inner.len() + out.len() > BRACE_WORDS_MAX {
                    out.push(plain(&word));
                    return false;
                }
                waiting.extend(inner.iter().rev().map(|part| [before, part, after].concat()));
            }
            None => out.push(plain(&word)),
        }
    }
    true
}

/// The first complete group with a comma: what stands before it, its parts, what stands after it.
fn alternatives(word: &str) -> Option<(&str, Vec<&str>, &str)> {
    for (open, _) in word.match_indices(OPEN).take(8) {
        let (mut depth, mut parts, mut from) = (0_usize, Vec::new(), open + OPEN.len_utf8());
        for (at, mark) in word[from..].match_indices([OPEN, COMMA, CLOSE]) {
            let at = at + open + OPEN.len_utf8();
            let mark = mark.chars().next();
            match mark {
                Some(OPEN) => depth += 1,
                Some(COMMA) if depth == 0 => {
                    parts.push(&word[from..at]);
                    from = at + COMMA.len_utf8();
                }
                Some(CLOSE) if depth > 0 => depth -= 1,
                Some(CLOSE) if !parts.is_empty() => {
                    parts.push(&word[from..at]);
                    return Some((&word[..open], parts, &word[at + CLOSE.len_utf8()..]));
                }
                Some(CLOSE) => break,
                _ => {}
            }
        }
    }
    None
}

/// The marks that meant nothing are the characters they stand for.
fn plain(word: &str) -> String {
    word.replace(OPEN, "{").replace(COMMA, ",").replace(CLOSE, "}")
}
