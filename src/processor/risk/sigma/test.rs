//! One test of a field's values, and how a rule's modifiers choose it.

use std::net::IpAddr;
use std::sync::OnceLock;

use regex::bytes::{Regex, RegexBuilder};

use super::field::{Dialect, FieldRef, OfCommand, Unit};
use super::pattern::{self, Part, Pattern, around, parts};
use super::yaml::{Node, Read, Wrong};
use super::{encode, witness, yaml};

/// What one regular expression may take when it is compiled.
const REGEX_BYTES_MAX: usize = 1 << 20;
/// What its lazily built automaton may take.
const REGEX_CACHE_BYTES_MAX: usize = 256 << 10;

/// A field and what its values are tested for.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) field: FieldRef,
    pub(super) tests: Vec<Test>,
    /// Every test must be passed, not just one.
    pub(super) all: bool,
}

/// A test of one value.
#[derive(Debug)]
pub(super) enum Test {
    Text(Pattern),
    Regex(Expression),
    Cidr(IpAddr, u8),
    Compare(Ordering, f64),
    /// Another field has the same value, or holds, starts or ends it.
    Ref(FieldRef, Place),
    /// The field is there, or is not.
    Exists(bool),
}

/// Which numbers pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ordering {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Ordering {
    pub(super) fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "lt" => Self::Less,
            "lte" => Self::LessOrEqual,
            "gt" => Self::Greater,
            "gte" => Self::GreaterOrEqual,
            _ => return None,
        })
    }

    pub(super) fn holds(self, value: f64, bound: f64) -> bool {
        match self {
            Self::Less => value < bound,
            Self::LessOrEqual => value <= bound,
            Self::Greater => value > bound,
            Self::GreaterOrEqual => value >= bound,
        }
    }
}

/// Where in the value a text must stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Place {
    #[default]
    Whole,
    Anywhere,
    Start,
    End,
}

/// Regular expressions of which one must match, compiled when they are first needed: most never are.
#[derive(Debug)]
pub(super) struct Expression {
    pub(super) sources: Vec<String>,
    /// The words that match, where the expressions are a list of words.
    words: Option<Vec<String>>,
    compiled: OnceLock<Vec<Regex>>,
}

impl Expression {
    fn new(source: String, line: usize) -> Read<Self> {
        if let Err(error) = regex_syntax::Parser::new().parse(&source) {
            return Err(Wrong::new(line, regex_problem(&source, &error)));
        }
        Ok(Self::of(vec![source]))
    }

    fn of(sources: Vec<String>) -> Self {
        let listed: Option<Vec<_>> = sources.iter().map(|source| witness::words_of(source)).collect();
        let exact = listed.filter(|all| all.iter().flatten().all(|(_, version)| !version));
        let words = exact.map(|all| all.into_iter().flatten().map(|(word, _)| word).collect());
        Self { sources, words, compiled: OnceLock::new() }
    }

    fn matches(&self, text: &str) -> bool {
        match &self.words {
            Some(words) => words.iter().any(|word| word == text),
            None => self.compiled.get_or_init(|| self.compile()).iter().any(|regex| regex.is_match(text.as_bytes())),
        }
    }

    /// Builds one automaton for all of them, or one for each where that would be too large.
    fn compile(&self) -> Vec<Regex> {
        let joined: Vec<String> = self.sources.iter().map(|source| format!("(?:{source})")).collect();
        match build(&joined.join("|")) {
            Ok(all) => vec![all],
            Err(_) => self.sources.iter().filter_map(|source| build(source).ok()).collect(),
        }
    }
}

/// What is written in ASCII is meant so, as in PCRE without flags, unless it names other characters: `\w` of all letters of the
/// world takes a hundred times the memory.
fn build(source: &str) -> Result<Regex, regex::Error> {
    let with = |unicode| {
        let mut builder = RegexBuilder::new(source);
        builder.unicode(unicode).size_limit(REGEX_BYTES_MAX).dfa_size_limit(REGEX_CACHE_BYTES_MAX).build()
    };
    with(!source.is_ascii()).or_else(|_| with(true))
}

/// Expressions of which one suffices become one.
fn joined(tests: Vec<Test>) -> Vec<Test> {
    let mut sources = vec![];
    let mut others = vec![];
    for test in tests {
        match test {
            Test::Regex(expression) => sources.extend(expression.sources),
            other => others.push(other),
        }
    }
    if !sources.is_empty() {
        others.push(Test::Regex(Expression::of(sources)));
    }
    others
}

fn regex_problem(source: &str, error: &regex_syntax::Error) -> String {
    let said = match error {
        regex_syntax::Error::Parse(error) => error.kind().to_string(),
        regex_syntax::Error::Translate(error) => error.kind().to_string(),
        _ => "it cannot be read".into(),
    };
    format!("regular expression `{source}`: {said}")
}

impl Test {
    pub(super) fn passes(&self, value: &str, unit: Unit<'_, '_>) -> bool {
        match self {
            Self::Text(pattern) => pattern.matches(value),
            Self::Regex(expression) => expression.matches(value),
            Self::Cidr(network, bits) => value.parse().is_ok_and(|address| contains(*network, *bits, address)),
            Self::Compare(ordering, bound) => value.parse().is_ok_and(|number| ordering.holds(number, *bound)),
            Self::Ref(other, place) => other.any(unit, |other| stands(value, other, *place)),
            Self::Exists(there) => *there,
        }
    }
}

impl Item {
    /// What it costs to ask, roughly: of several the cheapest is asked first.
    pub(super) fn cost(&self) -> u8 {
        let is_slow = |test: &Test| match test {
            Test::Regex(expression) => expression.words.is_none(),
            Test::Text(_) | Test::Exists(_) => false,
            Test::Cidr(..) | Test::Compare(..) | Test::Ref(..) => true,
        };
        let field = match &self.field {
            FieldRef::Command(OfCommand::Program) => 0,
            FieldRef::Command(OfCommand::PipesTo | OfCommand::CodeTo | OfCommand::PipesFrom) => 2,
            FieldRef::Anything | FieldRef::Attribute(_) => 3,
            _ => 1,
        };
        field + if self.tests.iter().any(is_slow) { 4 } else { 0 }
    }

    pub(super) fn matches(&self, unit: Unit<'_, '_>) -> bool {
        if self.tests.iter().any(|test| matches!(test, Test::Exists(_))) {
            return self.existence(unit);
        }
        if self.all {
            return self.tests.iter().all(|test| self.field.any(unit, |value| test.passes(value, unit)));
        }
        self.field.any(unit, |value| self.tests.iter().any(|test| test.passes(value, unit)))
    }

    #[cold]
    fn existence(&self, unit: Unit<'_, '_>) -> bool {
        let one = |test: &Test| match test {
            Test::Exists(there) => self.field.any(unit, |value| !value.is_empty()) == *there,
            test => self.field.any(unit, |value| test.passes(value, unit)),
        };
        if self.all { self.tests.iter().all(one) } else { self.tests.iter().any(one) }
    }
}

fn stands(value: &str, own: &str, place: Place) -> bool {
    let (value, own) = (value.as_bytes(), own.as_bytes());
    match place {
        Place::Whole => value.eq_ignore_ascii_case(own),
        Place::Anywhere => pattern::find(value, own, false).is_some(),
        Place::Start => pattern::starts(value, own, false),
        Place::End => pattern::ends(value, own, false),
    }
}

fn contains(network: IpAddr, bits: u8, address: IpAddr) -> bool {
    let number = |address: IpAddr| match address {
        IpAddr::V4(v4) => (u128::from(v4.to_bits()) << 96, 32),
        IpAddr::V6(v6) => (v6.to_bits(), 128),
    };
    let ((own, own_len), (other, other_len)) = (number(network), number(address));
    own_len == other_len && (own ^ other).checked_shr(128 - u32::from(bits)).unwrap_or(0) == 0
}

/// The modifiers of a field, read.
#[derive(Debug, Default)]
struct Modifiers {
    place: Place,
    all: bool,
    cased: bool,
    negate: bool,
    windash: bool,
    utf16: Option<(bool, bool)>,
    base64: Option<bool>,
    regex: Option<String>,
    cidr: bool,
    exists: bool,
    compare: Option<Ordering>,
    fieldref: bool,
}

impl Modifiers {
    fn parse<'k>(words: impl Iterator<Item = &'k str>, line: usize) -> Read<Self> {
        let mut own = Self::default();
        for word in words {
            own.add(word).map_err(|message| Wrong::new(line, message))?;
        }
        Ok(own)
    }

    fn add(&mut self, word: &str) -> Result<(), String> {
        match word {
            "contains" => self.place = Place::Anywhere,
            "startswith" => self.place = Place::Start,
            "endswith" => self.place = Place::End,
            "all" => self.all = true,
            "cased" => self.cased = true,
            "neq" => self.negate = true,
            "windash" => self.windash = true,
            "wide" | "utf16le" => self.utf16 = Some((false, false)),
            "utf16be" => self.utf16 = Some((true, false)),
            "utf16" => self.utf16 = Some((false, true)),
            "base64" => self.base64 = Some(false),
            "base64offset" => self.base64 = Some(true),
            "re" => self.regex = Some(String::new()),
            "i" | "m" | "s" => match &mut self.regex {
                Some(flags) => flags.push_str(word),
                None => return Err(format!("modifier `{word}` stands behind `re` only")),
            },
            "cidr" => self.cidr = true,
            "exists" => self.exists = true,
            "fieldref" => self.fieldref = true,
            "expand" => {
                return Err(
                    "modifier `expand` needs a processing pipeline, which fills in the values: write them out".into()
                );
            }
            other => match Ordering::parse(other) {
                Some(ordering) => self.compare = Some(ordering),
                None => return Err(format!("modifier `{other}` is not known")),
            },
        }
        Ok(())
    }

    fn tests(&self, value: &Node, dialect: Dialect) -> Read<Vec<Test>> {
        if value.is_null() {
            return Ok(vec![Test::Exists(false)]);
        }
        let Some(text) = value.text() else {
            return Err(Wrong::new(value.line, "a field's value must be text, a number or a list of them"));
        };
        let wrong = |message: String| Wrong::new(value.line, message);
        Ok(vec![if let Some(flags) = &self.regex {
            let source = if flags.is_empty() { text.to_owned() } else { format!("(?{flags}){text}") };
            Test::Regex(Expression::new(source, value.line)?)
        } else if self.cidr {
            cidr(text).ok_or_else(|| wrong(format!("`{text}` is no network such as `10.0.0.0/8`")))?
        } else if self.exists {
            Test::Exists(matches!(text, "true" | "True" | "yes"))
        } else if let Some(ordering) = self.compare {
            Test::Compare(ordering, text.parse().map_err(|_| wrong(format!("`{text}` is no number")))?)
        } else if self.fieldref {
            Test::Ref(FieldRef::parse(text, dialect), self.place)
        } else if text.is_empty() {
            Test::Exists(false)
        } else {
            return Ok(self.patterns(text));
        }])
    }

    fn patterns(&self, text: &str) -> Vec<Test> {
        let spellings = if self.windash { encode::windash(text) } else { vec![text.to_owned()] };
        let (before, after) = match self.place {
            Place::Whole => (false, false),
            Place::Anywhere => (true, true),
            Place::Start => (false, true),
            Place::End => (true, false),
        };
        let encoded = spellings.iter().flat_map(|text| self.encode(text));
        encoded.map(|parts| Test::Text(Pattern::new(around(parts, before, after), self.cased))).collect()
    }

    fn encode(&self, text: &str) -> Vec<Vec<Part>> {
        if self.utf16.is_none() && self.base64.is_none() {
            return vec![parts(text)];
        }
        let bytes = match self.utf16 {
            Some((big, mark)) => encode::utf16(text, big, mark),
            None => text.as_bytes().to_vec(),
        };
        let texts = match self.base64 {
            None => vec![String::from_utf8_lossy(&bytes).into_owned()],
            Some(false) => vec![encode::base64(&bytes)],
            Some(true) => encode::base64_offsets(&bytes),
        };
        texts.into_iter().map(|text| vec![Part::Literal(text)]).collect()
    }
}

fn cidr(text: &str) -> Option<Test> {
    let (address, bits) = text.split_once('/').unwrap_or((text, ""));
    let address: IpAddr = address.parse().ok()?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    let bits = if bits.is_empty() { most } else { bits.parse().ok()? };
    (bits <= most).then_some(Test::Cidr(address, bits))
}

/// Reads `field|modifier|..: values`. True when what it says is to be denied.
pub(super) fn item(entry: &yaml::Entry, dialect: Dialect) -> Read<(Item, bool)> {
    let mut words = entry.key.split('|');
    let name = words.next().unwrap_or_default();
    let mut modifiers = Modifiers::parse(words, entry.line)?;
    let field = if name.is_empty() { FieldRef::Anything } else { FieldRef::parse(name, dialect) };
    if field == FieldRef::Anything && modifiers.place == Place::Whole {
        modifiers.place = Place::Anywhere;
    }
    if entry.value.is_map() {
        return Err(Wrong::new(
            entry.line,
            format!("`{}` holds a mapping: a field has values, a selection has fields", entry.key),
        ));
    }
    let mut tests = vec![];
    for value in entry.value.items() {
        tests.extend(modifiers.tests(value, dialect)?);
    }
    if tests.is_empty() {
        return Err(Wrong::new(entry.line, format!("`{}` has no value", entry.key)));
    }
    let tests = if modifiers.all { tests } else { joined(tests) };
    Ok((Item { field, tests, all: modifiers.all }, modifiers.negate))
}

/// Words that are looked for everywhere.
pub(super) fn keyword(value: &Node) -> Read<Item> {
    let modifiers = Modifiers { place: Place::Anywhere, ..Modifiers::default() };
    Ok(Item { field: FieldRef::Anything, tests: modifiers.tests(value, Dialect::Agent)?, all: false })
}

#[cfg(test)]
mod tests {
    use super::super::super::event::{Event, Field};
    use super::super::yaml::documents;
    use super::*;

    fn fires(rule: &str, value: &str) -> bool {
        let document = &documents(rule).unwrap()[0];
        let (item, negate) = item(&document.entries()[0], Dialect::Agent).unwrap();
        let mut event = Event::default();
        event.push(Field::CommandLine, value);
        event.push(Field::Prompt, "rm");
        item.matches(Unit::of(&event)) != negate
    }

    fn wrong(rule: &str) -> String {
        item(&documents(rule).unwrap()[0].entries()[0], Dialect::Agent).unwrap_err().message
    }

    #[test]
    fn every_modifier_does_what_sigma_says() {
        for (rule, yes, no) in [
            ("command_line: 'rm *'", "RM -rf", "xrm -rf"),
            ("command_line|contains: [a, b]", "xBx", "xcx"),
            ("command_line|contains|all: [a, b]", "b-a", "a"),
            ("command_line|startswith: rm", "rm x", "x rm"),
            ("command_line|endswith: rm", "x rm", "rm x"),
            ("command_line|cased: Rm", "Rm", "rm"),
            ("command_line|re: '^r.m$'", "rxm", "RXM"),
            ("command_line|re|i: '^r.m$'", "RXM", "RXXM"),
            ("command_line|re|i|s: '^r.m$'", "R\nM", "R\n\nM"),
            ("command_line|re|m: '^m$'", "r\nm", "r\nmm"),
            ("command_line|cidr: 10.0.0.0/8", "10.200.3.4", "11.0.0.1"),
            ("command_line|cidr: 'fd00::/8'", "fd00:1::2", "10.0.0.1"),
            ("command_line|exists: true", "x", ""),
            ("command_line|exists: false", "", "x"),
            ("command_line:", "", "x"),
            ("command_line: ''", "", "x"),
            ("command_line|gt: 5", "5.5", "5"),
            ("command_line|lte: 5", "5", "six"),
            ("command_line|fieldref: prompt", "RM", "rmx"),
            ("command_line|fieldref|startswith: prompt", "rmx", "xrm"),
            ("command_line|fieldref|contains: prompt", "xrmx", "x"),
            ("command_line|neq: rm", "mv", "rm"),
            ("command_line|contains|windash: ' -enc'", "x /enc", "x enc"),
            ("command_line|base64: ab", "YWI", "YWJj"),
            ("command_line|base64offset|contains: /bin/sh", "xyL2Jpbi9za", "/bin/sh"),
            ("command_line|wide|base64offset|contains: ab", "eABhAGIA", "ab"),
            ("command_line: 123", "123", "1234"),
            ("'|all': [ab, rm]", "xabx", "x"),
        ] {
            assert!(fires(rule, yes), "{rule} on {yes:?}");
            assert!(!fires(rule, no), "{rule} on {no:?}");
        }
    }

    #[test]
    fn mistakes_are_named() {
        for (rule, message) in [
            ("command_line|nope: x", "`nope` is not known"),
            ("command_line|i: x", "behind `re`"),
            ("command_line|expand: '%x%'", "processing pipeline"),
            ("command_line|re: '('", "regular expression `(`"),
            ("command_line|re: '(?=x)'", "look-around"),
            ("command_line|cidr: 10.0.0.0/40", "no network"),
            ("command_line|gt: many", "no number"),
            ("command_line: []", "has no value"),
            ("command_line: {a: b}", "holds a mapping"),
        ] {
            assert!(wrong(rule).contains(message), "{rule}: {}", wrong(rule));
        }
    }
}
