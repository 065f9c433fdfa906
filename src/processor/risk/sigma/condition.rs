//! Conditions of rules: `selection and not 1 of filter_*`, over selections that are known by name.

use super::yaml::{Read, Wrong};

/// How deep parentheses and `not` may nest.
const DEPTH_MAX: usize = 64;

/// A condition whose leaves are selections by their place in the rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Condition {
    Selection(usize),
    And(Vec<Condition>),
    Or(Vec<Condition>),
    Not(Box<Condition>),
    /// At least so many of these.
    AtLeast(usize, Vec<usize>),
}

/// Reads a condition.
pub(super) fn parse(text: &str, names: &[String], line: usize) -> Read<Condition> {
    let spaced = text.replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    if words.iter().any(|word| word.contains('|')) {
        return Err(Wrong::new(
            line,
            "conditions with `|` are an old form of correlations, which stand in documents of their own now",
        ));
    }
    let mut parser = Parser { words: &words, at: 0, names, line };
    let condition = parser.or(0)?;
    match words.get(parser.at) {
        None => Ok(condition),
        Some(word) => Err(parser.wrong(format!("`{word}` was not expected here"))),
    }
}

struct Parser<'p> {
    words: &'p [&'p str],
    at: usize,
    names: &'p [String],
    line: usize,
}

impl Parser<'_> {
    fn wrong(&self, message: impl std::fmt::Display) -> Wrong {
        Wrong::new(self.line, format!("condition: {message}"))
    }

    fn take(&mut self, word: &str) -> bool {
        let found = self.words.get(self.at).is_some_and(|next| next.eq_ignore_ascii_case(word));
        self.at += usize::from(found);
        found
    }

    fn or(&mut self, depth: usize) -> Read<Condition> {
        let mut any = vec![self.and(depth)?];
        while self.take("or") {
            any.push(self.and(depth)?);
        }
        Ok(one(any, Condition::Or))
    }

    fn and(&mut self, depth: usize) -> Read<Condition> {
        let mut all = vec![self.not(depth)?];
        while self.take("and") {
            all.push(self.not(depth)?);
        }
        Ok(one(all, Condition::And))
    }

    fn not(&mut self, depth: usize) -> Read<Condition> {
        if depth > DEPTH_MAX {
            return Err(self.wrong("nested too deeply"));
        }
        if self.take("not") {
            return Ok(Condition::Not(Box::new(self.not(depth + 1)?)));
        }
        if self.take("(") {
            let inner = self.or(depth + 1)?;
            return if self.take(")") { Ok(inner) } else { Err(self.wrong("a parenthesis is not closed")) };
        }
        let Some(word) = self.words.get(self.at) else { return Err(self.wrong("it ends too early")) };
        self.at += 1;
        if self.words.get(self.at).is_some_and(|next| next.eq_ignore_ascii_case("of")) {
            return self.quantity(word);
        }
        self.selection(word)
    }

    fn selection(&self, word: &str) -> Read<Condition> {
        match self.names.iter().position(|name| name == word) {
            Some(place) => Ok(Condition::Selection(place)),
            None => Err(self.wrong(format!("there is no selection `{word}`"))),
        }
    }

    /// `1 of x*`, `all of them`.
    fn quantity(&mut self, count: &str) -> Read<Condition> {
        self.at += 1;
        let Some(pattern) = self.words.get(self.at) else { return Err(self.wrong("it ends too early")) };
        self.at += 1;
        let chosen = self.chosen(pattern);
        if chosen.is_empty() {
            return Err(self.wrong(format!("no selection is named `{pattern}`")));
        }
        let all = || chosen.iter().copied().map(Condition::Selection).collect();
        match count.to_ascii_lowercase().as_str() {
            "all" => Ok(one(all(), Condition::And)),
            "1" | "any" => Ok(one(all(), Condition::Or)),
            _ => match count.parse() {
                Ok(count) if count > 0 => Ok(Condition::AtLeast(count, chosen)),
                _ => Err(self.wrong(format!("`{count} of` is not known: write `1 of`, `all of` or a number"))),
            },
        }
    }

    /// `them` is every selection whose name does not start with `_`.
    fn chosen(&self, pattern: &str) -> Vec<usize> {
        let fits = |name: &str| match pattern.split_once('*') {
            _ if pattern == "them" => !name.starts_with('_'),
            Some((before, after)) => {
                name.len() >= before.len() + after.len() && name.starts_with(before) && name.ends_with(after)
            }
            None => name == pattern,
        };
        (0..self.names.len()).filter(|place| fits(&self.names[*place])).collect()
    }
}

fn one(mut conditions: Vec<Condition>, many: impl FnOnce(Vec<Condition>) -> Condition) -> Condition {
    match conditions.pop() {
        Some(only) if conditions.is_empty() => only,
        Some(last) => {
            conditions.push(last);
            many(conditions)
        }
        None => many(conditions),
    }
}

impl Condition {
    /// Moves every selection, for conditions that are joined.
    pub(super) fn shift(&mut self, by: usize) {
        match self {
            Self::Selection(place) => *place += by,
            Self::And(all) | Self::Or(all) => all.iter_mut().for_each(|inner| inner.shift(by)),
            Self::Not(inner) => inner.shift(by),
            Self::AtLeast(_, places) => places.iter_mut().for_each(|place| *place += by),
        }
    }

    /// What it says, given which selections hold.
    pub(super) fn holds(&self, selection: &mut dyn FnMut(usize) -> bool) -> bool {
        match self {
            Self::Selection(place) => selection(*place),
            Self::And(all) => all.iter().all(|inner| inner.holds(selection)),
            Self::Or(any) => any.iter().any(|inner| inner.holds(selection)),
            Self::Not(inner) => !inner.holds(selection),
            Self::AtLeast(count, places) => {
                places.iter().filter(|place| selection(**place)).take(*count).count() == *count
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 5] = ["sel_a", "sel_b", "filter_x", "other", "_hidden"];

    fn holds(text: &str, held: &[&str]) -> bool {
        let names = NAMES.map(str::to_owned);
        parse(text, &names, 1).unwrap().holds(&mut |place| held.contains(&NAMES[place]))
    }

    #[test]
    fn conditions_bind_as_sigma_says() {
        for (text, yes, no) in [
            ("sel_a", &["sel_a"][..], &["sel_b"][..]),
            ("sel_a and not filter_x", &["sel_a"], &["sel_a", "filter_x"]),
            ("sel_a or sel_b and other", &["sel_a"], &["sel_b"]),
            ("(sel_a or sel_b) and other", &["sel_b", "other"], &["sel_a"]),
            ("1 of sel_*", &["sel_b"], &["other"]),
            ("all of sel_*", &["sel_a", "sel_b"], &["sel_a"]),
            ("2 of them", &["sel_a", "other"], &["sel_a", "_hidden"]),
            ("1 of them and not 1 of filter_*", &["other"], &["other", "filter_x"]),
            ("ALL OF sel_* AND NOT other", &["sel_a", "sel_b"], &["sel_a", "sel_b", "other"]),
            ("not not sel_a", &["sel_a"], &[]),
        ] {
            assert!(holds(text, yes), "{text} given {yes:?}");
            assert!(!holds(text, no), "{text} given {no:?}");
        }
    }

    #[test]
    fn mistakes_are_named() {
        let names = NAMES.map(str::to_owned);
        for (text, message) in [
            ("sel_c", "no selection `sel_c`"),
            ("sel_a and", "ends too early"),
            ("(sel_a", "not closed"),
            ("sel_a sel_b", "`sel_b` was not expected"),
            ("1 of nope_*", "no selection is named `nope_*`"),
            ("some of them", "`some of` is not known"),
            ("sel_a | count() > 5", "old form"),
        ] {
            let wrong = parse(text, &names, 7).unwrap_err();
            assert!(wrong.line == 7 && wrong.message.contains(message), "{text}: {wrong:?}");
        }
        assert!(parse(&format!("{}sel_a", "not ".repeat(100)), &names, 1).is_err());
    }
}
