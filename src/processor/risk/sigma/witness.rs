//! What must occur in an event for a rule to fire at all: the program, or one of a few texts.
//!
//! An event is scanned once for the texts of all rules; only rules whose witness occurs are evaluated. A rule without
//! a witness (only short texts, only denials) is evaluated always.

use regex_syntax::hir::{Class, Hir, HirKind, Look};

use super::super::event::Field;
use super::condition::Condition;
use super::field::{Dialect, FieldRef, OfCommand};
use super::index::stem;
use super::rule::{Body, Selection};
use super::test::{Item, Test};

/// Where a witness stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Spot {
    /// It is the program of the command.
    Program,
    /// It occurs in the command's text, path or redirections.
    Command,
    /// It occurs in a value of this field.
    Field(Field),
}

/// Any of these: a rule fires only where one occurs. Texts are in lower case.
pub(super) type Witness = Vec<(Spot, String)>;

/// Which witnesses are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Programs only.
    Program,
    /// Texts only.
    Text,
    /// Whatever will occur most rarely.
    Either,
}

/// Shorter texts occur everywhere.
const LETTERS_MIN: usize = 2;
/// More alternatives cost more memory than they save time.
const TEXTS_MAX: usize = 400;

/// The witness of a rule, if it has one of this kind.
pub(super) fn witness(body: &Body, dialect: Dialect, kind: Kind) -> Option<Witness> {
    of_condition(&body.condition, body, (dialect, kind)).filter(|witness| witness.len() <= TEXTS_MAX)
}

/// How the rule is written, and what is asked for.
type Wanted = (Dialect, Kind);

fn of_condition(condition: &Condition, body: &Body, wanted: Wanted) -> Option<Witness> {
    match condition {
        Condition::Selection(place) => of_selection(&body.selections[*place], wanted),
        Condition::And(all) => best(all.iter().map(|inner| of_condition(inner, body, wanted))),
        Condition::Or(any) => union(any.iter().map(|inner| of_condition(inner, body, wanted))),
        Condition::Not(_) => None,
        Condition::AtLeast(_, places) => {
            union(places.iter().map(|place| of_selection(&body.selections[*place], wanted)))
        }
    }
}

fn of_selection(selection: &Selection, wanted: Wanted) -> Option<Witness> {
    match selection {
        Selection::All(items) => {
            best(items.iter().filter(|(_, denied)| !denied).map(|(item, _)| of_item(item, wanted)))
        }
        Selection::Any(selections) => union(selections.iter().map(|inner| of_selection(inner, wanted))),
    }
}

fn of_item(item: &Item, wanted: Wanted) -> Option<Witness> {
    let fields = item.field.texts();
    let each = item.tests.iter().map(|test| union(fields.iter().map(|field| of_test(test, field, wanted))));
    if item.all { best(each) } else { union(each) }
}

fn of_test(test: &Test, field: &FieldRef, (dialect, kind): Wanted) -> Option<Witness> {
    let programs = if kind == Kind::Text { None } else { programs(test, field) };
    if programs.is_some() || kind == Kind::Program {
        return programs.map(|all| all.into_iter().map(|name| (Spot::Program, name)).collect());
    }
    if kind == Kind::Text && matches!(field, FieldRef::Command(OfCommand::Program | OfCommand::Path)) {
        return None;
    }
    let spot = spot(field, dialect)?;
    let literals = match test {
        Test::Text(pattern) => vec![verbatim(field, pattern.literal()?)?.to_owned()],
        Test::Regex(expression) if is_verbatim(field) => {
            let mut all = vec![];
            for source in &expression.sources {
                all.extend(required(&regex_syntax::Parser::new().parse(source).ok()?)?);
            }
            all
        }
        _ => return None,
    };
    literals.into_iter().map(|text| usable(&text).map(|text| (spot, text))).collect()
}

/// The programs that a test of the program's name or path allows, when they can be listed; without a version behind them.
fn programs(test: &Test, field: &FieldRef) -> Option<Vec<String>> {
    match (test, field) {
        (Test::Text(pattern), FieldRef::Command(OfCommand::Program)) => Some(vec![pattern.exact()?.to_owned()]),
        (Test::Text(pattern), FieldRef::Command(OfCommand::Path)) => {
            let path = pattern.suffix().or(pattern.exact())?;
            Some(vec![basename(path)?.to_owned()])
        }
        (Test::Regex(expression), FieldRef::Command(OfCommand::Program)) => {
            let mut all = vec![];
            for source in &expression.sources {
                let bare = |(word, version): (String, bool)| {
                    if version { stem(&word).to_lowercase() } else { word.to_lowercase() }
                };
                all.extend(words_of(source)?.into_iter().map(bare));
            }
            Some(all)
        }
        _ => None,
    }
}

/// `/curl` and `/usr/bin/curl` name a program; `curl` alone may be the end of another.
fn basename(path: &str) -> Option<&str> {
    let (_, name) = path.rsplit_once('/')?;
    (!name.is_empty()).then_some(name)
}

/// The texts in which the values of the field occur as they are.
fn spot(field: &FieldRef, dialect: Dialect) -> Option<Spot> {
    match field {
        FieldRef::Event(field) => Some(Spot::Field(*field)),
        FieldRef::Command(
            OfCommand::Program
            | OfCommand::Path
            | OfCommand::Text
            | OfCommand::Args
            | OfCommand::Words
            | OfCommand::Flags
            | OfCommand::Verb
            | OfCommand::Writes
            | OfCommand::Deletes
            | OfCommand::Reads,
        ) if dialect.by_command() => Some(Spot::Command),
        _ => None,
    }
}

fn is_verbatim(field: &FieldRef) -> bool {
    !matches!(field, FieldRef::Command(OfCommand::Flags | OfCommand::Verb | OfCommand::Path))
}

/// The part of the literal that stands in the command as it is: `-f` may have been `-rf`, and an option may stand
/// between the words of a verb.
fn verbatim<'l>(field: &FieldRef, literal: &'l str) -> Option<&'l str> {
    match field {
        FieldRef::Command(OfCommand::Flags) => literal.starts_with("--").then_some(literal),
        FieldRef::Command(OfCommand::Verb) => literal.split(' ').max_by_key(|word| word.len()),
        FieldRef::Command(OfCommand::Path) => None,
        _ => Some(literal),
    }
}

/// The longest run of ASCII, in lower case: the scan knows the case of no other letters.
fn usable(text: &str) -> Option<String> {
    let longest = text.split(|c: char| !c.is_ascii()).max_by_key(|run| run.len())?;
    (longest.len() >= LETTERS_MIN).then(|| longest.to_ascii_lowercase())
}

/// Every alternative must have one.
fn union(all: impl Iterator<Item = Option<Witness>>) -> Option<Witness> {
    let mut joined = vec![];
    for one in all {
        joined.extend(one?);
    }
    (!joined.is_empty()).then_some(joined)
}

/// The one that will occur most rarely.
fn best(all: impl Iterator<Item = Option<Witness>>) -> Option<Witness> {
    all.flatten().max_by_key(worth)
}

fn worth(witness: &Witness) -> (usize, std::cmp::Reverse<usize>) {
    let each = witness.iter().map(|(spot, text)| match spot {
        Spot::Program if text.len() > 1 => 6,
        _ => text.len().min(12),
    });
    (each.min().unwrap_or(0), std::cmp::Reverse(witness.len()))
}

/// Stands for any digits and dots at the end of a word.
const VERSION: char = '\0';
/// More words than this are not listed.
const WORDS_MAX: usize = 100;

/// All words that an expression for whole words allows, and whether digits and dots may follow each. Nothing when it allows
/// others, or parts of words.
pub(super) fn words_of(source: &str) -> Option<Vec<(String, bool)>> {
    let hir = regex_syntax::Parser::new().parse(source).ok()?;
    let HirKind::Concat(parts) = hir.kind() else { return None };
    let [first, inner @ .., last] = &parts[..] else { return None };
    let is = |part: &Hir, look| matches!(part.kind(), HirKind::Look(own) if *own == look);
    let words = if is(first, Look::Start) && is(last, Look::End) { product(inner)? } else { return None };
    let read = |word: String| match word.find(VERSION) {
        None => Some((word, false)),
        Some(at) if at + VERSION.len_utf8() == word.len() => Some((word[..at].to_owned(), true)),
        Some(_) => None,
    };
    words.into_iter().map(read).collect()
}

fn product(parts: &[Hir]) -> Option<Vec<String>> {
    let mut words = vec![String::new()];
    for part in parts {
        let ends = choices(part)?;
        if words.len() * ends.len() > WORDS_MAX {
            return None;
        }
        words = words.iter().flat_map(|word| ends.iter().map(move |end| format!("{word}{end}"))).collect();
    }
    Some(words)
}

/// All texts that a part of an expression allows.
fn choices(hir: &Hir) -> Option<Vec<String>> {
    match hir.kind() {
        HirKind::Empty => Some(vec![String::new()]),
        HirKind::Literal(literal) => Some(vec![String::from_utf8(literal.0.to_vec()).ok()?]),
        HirKind::Capture(capture) => choices(&capture.sub),
        HirKind::Concat(parts) => product(parts),
        HirKind::Alternation(parts) => {
            let mut all = vec![];
            for part in parts {
                all.extend(choices(part)?);
            }
            (all.len() <= WORDS_MAX).then_some(all)
        }
        HirKind::Repetition(repeated) if is_version(&repeated.sub) => Some(vec![VERSION.to_string()]),
        HirKind::Repetition(repeated) if (repeated.min, repeated.max) == (0, Some(1)) => {
            let mut all = choices(&repeated.sub)?;
            all.push(String::new());
            Some(all)
        }
        HirKind::Class(Class::Unicode(class)) => {
            let count: usize = class.ranges().iter().map(regex_syntax::hir::ClassUnicodeRange::len).sum();
            let letters = || class.ranges().iter().flat_map(|range| range.start()..=range.end());
            (count <= 16 && letters().all(|letter| letter.is_ascii())).then(|| letters().map(String::from).collect())
        }
        _ => None,
    }
}

/// Digits and dots only.
fn is_version(hir: &Hir) -> bool {
    let HirKind::Class(Class::Unicode(class)) = hir.kind() else { return false };
    let is_digit = |letter: char| letter == '.' || letter.is_ascii_digit();
    class.ranges().iter().all(|range| (range.start()..=range.end()).all(is_digit))
}

/// Texts of which one occurs in every match.
fn required(hir: &Hir) -> Option<Vec<String>> {
    match hir.kind() {
        HirKind::Literal(literal) => Some(vec![String::from_utf8_lossy(&literal.0).into_owned()]),
        HirKind::Capture(capture) => required(&capture.sub),
        HirKind::Repetition(repetition) if repetition.min > 0 => required(&repetition.sub),
        HirKind::Concat(parts) => concat(parts),
        HirKind::Alternation(parts) => {
            let mut all = vec![];
            for part in parts {
                all.extend(required(part)?);
            }
            Some(all)
        }
        _ => None,
    }
}

/// Letters in a row make one text, also those of either case.
fn concat(parts: &[Hir]) -> Option<Vec<String>> {
    let mut choices: Vec<Vec<String>> = vec![];
    let mut run = String::new();
    for part in parts {
        match letters(part) {
            Some(letters) => run.push_str(&letters),
            None => {
                choices.push(vec![std::mem::take(&mut run)]);
                choices.extend(required(part));
            }
        }
    }
    choices.push(vec![run]);
    let shortest = |choice: &Vec<String>| choice.iter().map(|text| text.len().min(12)).min().unwrap_or(0);
    choices.into_iter().max_by_key(shortest).filter(|choice| shortest(choice) >= LETTERS_MIN)
}

/// The text of a literal, or the letter of a class of its two cases.
fn letters(hir: &Hir) -> Option<String> {
    match hir.kind() {
        HirKind::Literal(literal) => Some(String::from_utf8_lossy(&literal.0).into_owned()),
        HirKind::Class(Class::Unicode(class)) => {
            let mut seen = class.ranges().iter().filter(|range| range.start().is_ascii());
            let first = seen.next().filter(|range| range.start() == range.end())?.start();
            let same = |range: &regex_syntax::hir::ClassUnicodeRange| {
                range.start() == range.end() && range.start().eq_ignore_ascii_case(&first)
            };
            // Letters with a case outside ASCII (the Kelvin sign, the long s) are left out: an index of ASCII misses them.
            let pair = class.ranges().iter().all(same);
            pair.then(|| first.to_string())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::rule::body;
    use super::super::yaml::documents;
    use super::*;

    fn witness_of(detection: &str) -> Option<Vec<String>> {
        let body = body(&documents(detection).unwrap()[0], Dialect::AgentCommand, &[]).unwrap();
        witness(&body, Dialect::AgentCommand, Kind::Either).map(|all| all.into_iter().map(|(_, text)| text).collect())
    }

    #[test]
    fn the_rarest_text_is_chosen() {
        for (detection, expected) in [
            ("a: {program: [rm, unlink], args: /}\ncondition: a", Some(vec!["rm", "unlink"])),
            ("a: {flags: -f, args|contains: sudoers}\ncondition: a", Some(vec!["sudoers"])),
            ("a: {flags: -f}\ncondition: a", None),
            ("a: {flags: --force}\ncondition: a", Some(vec!["--force"])),
            ("a: {verb: s3 remove}\ncondition: a", Some(vec!["remove"])),
            ("a: {pipes_to: sh}\ncondition: a", None),
            ("a: {args: xyz}\nb: {program: abc}\ncondition: a or b", Some(vec!["xyz", "abc"])),
            ("a: {args: xyz}\nb: {program: abc}\ncondition: a and not b", Some(vec!["xyz"])),
            ("a: {args|re: '(^|/)(foo|barb)[0-9]+$'}\ncondition: a", Some(vec!["foo", "barb"])),
            ("a: {args|re: '(?i)drop\\s+table'}\ncondition: a", Some(vec!["table"])),
            ("a: {args|contains: ['é-long', 'xyz']}\ncondition: a", Some(vec!["-long", "xyz"])),
            ("a: {'args|contains|all': [ab, abcdef]}\ncondition: a", Some(vec!["abcdef"])),
        ] {
            let expected = expected.map(|texts| texts.into_iter().map(str::to_owned).collect::<Vec<_>>());
            assert_eq!(witness_of(detection), expected, "{detection}");
        }
    }
}
