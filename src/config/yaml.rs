//! YAML text to a tree that remembers where everything was written. The only module that knows the YAML crate.
//!
//! It reads the event stream of `serde_saphyr`'s parser rather than its serde front: the tree keeps line, column,
//! quoting and key order, so substitution and every later message work on the document as it was written.
//! Hostile documents meet a budget: size, depth, and what aliases may add up to.

use std::collections::HashMap;

use serde_saphyr::granit_parser::{self as granit, Event, Parser, ScalarStyle, ScanError, Tag};

use super::message;
use crate::stdx::problem::{At, Problem, Problems};

/// No configuration is larger; a document beyond it is a mistake (a data file, a device) or an attack.
pub(super) const DOCUMENT_BYTES_MAX: usize = 1 << 20;
const DEPTH_MAX: usize = 64;
/// Values and bytes of text that all aliases together may repeat.
const ALIAS_COST_MAX: usize = 1 << 20;

/// Line and column, both from 1.
pub(super) type Place = (usize, usize);

/// A value of the document.
#[derive(Debug, Clone)]
pub(super) struct Yaml {
    pub(super) place: Place,
    pub(super) data: Data,
}

/// What a value is.
#[derive(Debug, Clone)]
pub(super) enum Data {
    Scalar(Scalar),
    List(Vec<Yaml>),
    Map(Vec<Entry>),
    /// A list item that was taken out; those after it keep their numbers.
    Removed,
}

/// One `key: value`.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) place: Place,
    pub(super) value: Yaml,
}

/// Text, and how it was written.
#[derive(Debug, Clone)]
pub(super) struct Scalar {
    pub(super) text: String,
    pub(super) form: Form,
    /// The text came from the environment or a file, wholly or in part.
    pub(super) substituted: bool,
}

/// How a scalar was written, which decides what types it can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// May be a number, a boolean, null or text.
    Plain,
    /// Text, whatever it looks like.
    Text,
}

impl Yaml {
    /// The mapping of no entries, at this place.
    pub(super) const fn empty_map(place: Place) -> Self {
        Self { place, data: Data::Map(Vec::new()) }
    }

    /// True for `key:` with nothing after it, `~` and `null`.
    pub(super) fn is_null(&self) -> bool {
        matches!(&self.data, Data::Scalar(scalar) if scalar.is_null())
    }

    /// The entries of a mapping; nothing, for anything else.
    pub(super) fn entries(&self) -> &[Entry] {
        match &self.data {
            Data::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The value under `key`.
    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        self.entries().iter().find(|entry| entry.key == key).map(|entry| &entry.value)
    }
}

impl Scalar {
    pub(super) fn is_null(&self) -> bool {
        self.form == Form::Plain
            && !self.substituted
            && matches!(self.text.as_str(), "" | "~" | "null" | "Null" | "NULL")
    }
}

/// Reads one document. A syntax error ends the reading; duplicate keys and the like are noted and passed over.
pub(super) fn parse(text: &str, problems: &mut Problems) -> Option<Yaml> {
    if text.len() > DOCUMENT_BYTES_MAX {
        problems.0.push(message::document_too_large(text.len(), DOCUMENT_BYTES_MAX).at(&At::new(""), None));
        return None;
    }
    let mut builder = Builder::new(text, problems);
    match builder.document() {
        Ok(tree) => tree,
        Err(problem) => {
            problems.0.push(problem);
            None
        }
    }
}

struct Anchor {
    tree: Yaml,
    cost: usize,
    depth: usize,
}

/// Builds the tree from events. `Err` is a problem after which nothing more can be read.
struct Builder<'t, 'p> {
    text: &'t str,
    events: Parser<'t, granit::StrInput<'t>>,
    anchors: HashMap<usize, Anchor>,
    alias_budget: usize,
    problems: &'p mut Problems,
}

type Stop<T> = Result<T, Problem>;

impl<'t, 'p> Builder<'t, 'p> {
    fn new(text: &'t str, problems: &'p mut Problems) -> Self {
        let options = granit::options! { emit_comments: false, flow_nesting_limit: 128, block_nesting_limit: 128 };
        let events = Parser::new_from_str_with_options(text, options);
        Self { text, events, anchors: HashMap::new(), alias_budget: ALIAS_COST_MAX, problems }
    }

    fn next(&mut self) -> Stop<Option<(Event<'t>, Place)>> {
        match self.events.next() {
            None => Ok(None),
            Some(Ok((event, span))) => Ok(Some((event, (span.start.line(), span.start.col() + 1)))),
            Some(Err(error)) => Err(syntax(&error, self.text)),
        }
    }

    fn document(&mut self) -> Stop<Option<Yaml>> {
        let mut tree = None;
        while let Some((event, place)) = self.next()? {
            match event {
                Event::StreamStart | Event::StreamEnd | Event::DocumentEnd | Event::Comment(..) => {}
                Event::DocumentStart(..) if tree.is_some() => {
                    return Err(message::second_document().at(&At::new(""), Some(place)));
                }
                Event::DocumentStart(..) => {}
                event => tree = Some(self.value(event, place, &At::new(""), 0)?),
            }
        }
        Ok(tree)
    }

    fn value(&mut self, event: Event<'t>, place: Place, at: &At, depth: usize) -> Stop<Yaml> {
        if depth > DEPTH_MAX {
            return Err(message::nested_too_deeply(DEPTH_MAX).at(&At::new(""), Some(place)));
        }
        let (data, anchor) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                let form = self.form(style, tag.as_deref(), at, place);
                (Data::Scalar(Scalar { text: text.into_owned(), form, substituted: false }), anchor)
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.refuse_tag(tag.as_deref(), at, place);
                (Data::List(self.list(at, depth)?), anchor)
            }
            Event::MappingStart(_, anchor, tag) => {
                self.refuse_tag(tag.as_deref(), at, place);
                (Data::Map(self.map(at, depth)?), anchor)
            }
            Event::Alias(id) => return self.alias(id, place, at, depth),
            _ => return Err(message::syntax("unexpected end of the document").at(at, Some(place))),
        };
        let tree = Yaml { place, data };
        if anchor != 0 {
            self.anchor(anchor, &tree, at)?;
        }
        Ok(tree)
    }

    /// Keeps the tree for its aliases. Keeping costs as much as repeating: anchors may stand inside anchors.
    fn anchor(&mut self, id: usize, tree: &Yaml, at: &At) -> Stop<()> {
        let cost = cost(tree);
        let left = self.alias_budget.checked_sub(cost);
        self.alias_budget = left.ok_or_else(|| message::aliases_too_large().at(at, Some(tree.place)))?;
        self.anchors.insert(id, Anchor { cost, depth: height(tree), tree: tree.clone() });
        Ok(())
    }

    fn list(&mut self, at: &At, depth: usize) -> Stop<Vec<Yaml>> {
        let mut items = Vec::new();
        while let Some((event, place)) = self.next()? {
            if matches!(event, Event::SequenceEnd) {
                break;
            }
            items.push(self.value(event, place, &at.item(items.len()), depth + 1)?);
        }
        Ok(items)
    }

    fn map(&mut self, at: &At, depth: usize) -> Stop<Vec<Entry>> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut merged = Vec::new();
        while let Some((event, place)) = self.next()? {
            if matches!(event, Event::MappingEnd) {
                break;
            }
            let key = self.key(event, place, at, depth)?;
            let Some((event, value_place)) = self.next()? else { break };
            let below = key.as_ref().map_or_else(|| at.clone(), |(key, _)| at.key(key));
            let value = self.value(event, value_place, &below, depth + 1)?;
            match key {
                Some((key, Form::Plain)) if key == "<<" => merged.push((value, place)),
                Some((key, _)) => self.insert(&mut entries, Entry { key, place, value }, &below),
                None => {}
            }
        }
        for (value, place) in merged {
            self.merge(&mut entries, value, place, at);
        }
        Ok(entries)
    }

    /// The key's text; `None` (and a problem) when it is no scalar.
    fn key(&mut self, event: Event<'t>, place: Place, at: &At, depth: usize) -> Stop<Option<(String, Form)>> {
        let tree = self.value(event, place, at, depth + 1)?;
        if let Data::Scalar(scalar) = tree.data {
            return Ok(Some((scalar.text, scalar.form)));
        }
        self.problems.0.push(message::key_not_text().at(at, Some(place)));
        Ok(None)
    }

    fn insert(&mut self, entries: &mut Vec<Entry>, entry: Entry, at: &At) {
        match entries.iter().find(|earlier| earlier.key == entry.key) {
            Some(earlier) => self.problems.0.push(message::duplicate_key(earlier.place).at(at, Some(entry.place))),
            None => entries.push(entry),
        }
    }

    /// `<<`: entries of another mapping, or of several, which those written here override.
    fn merge(&mut self, entries: &mut Vec<Entry>, value: Yaml, place: Place, at: &At) {
        match value.data {
            Data::Map(others) => {
                let new: Vec<Entry> =
                    others.into_iter().filter(|other| entries.iter().all(|entry| entry.key != other.key)).collect();
                entries.extend(new);
            }
            Data::List(maps) => maps.into_iter().for_each(|map| self.merge(entries, map, place, at)),
            _ => self.problems.0.push(message::merge_not_mapping().at(&at.key("<<"), Some(place))),
        }
    }

    fn alias(&mut self, id: usize, place: Place, at: &At, depth: usize) -> Stop<Yaml> {
        let Some(anchor) = self.anchors.get(&id) else {
            return Err(message::alias_inside_itself().at(at, Some(place)));
        };
        if depth + anchor.depth > DEPTH_MAX {
            return Err(message::nested_too_deeply(DEPTH_MAX).at(&At::new(""), Some(place)));
        }
        let Some(left) = self.alias_budget.checked_sub(anchor.cost) else {
            return Err(message::aliases_too_large().at(at, Some(place)));
        };
        self.alias_budget = left;
        Ok(Yaml { place, data: anchor.tree.data.clone() })
    }

    fn form(&mut self, style: ScalarStyle, tag: Option<&Tag>, at: &At, place: Place) -> Form {
        let text = tag.is_some_and(|tag| tag.core_suffix() == Some("str"));
        self.refuse_tag(tag, at, place);
        if style == ScalarStyle::Plain && !text { Form::Plain } else { Form::Text }
    }

    fn refuse_tag(&mut self, tag: Option<&Tag>, at: &At, place: Place) {
        if let Some(tag) = tag.filter(|tag| tag.core_suffix().is_none() && tag.original() != "!") {
            self.problems.0.push(message::unknown_tag(&tag.original()).at(at, Some(place)));
        }
    }
}

/// What repeating this tree costs: one for each value, one for each byte of text.
fn cost(tree: &Yaml) -> usize {
    1 + match &tree.data {
        Data::Removed => 0,
        Data::Scalar(scalar) => scalar.text.len(),
        Data::List(items) => items.iter().map(cost).sum(),
        Data::Map(entries) => entries.iter().map(|entry| 1 + entry.key.len() + cost(&entry.value)).sum(),
    }
}

/// How many levels are below the tree's top.
fn height(tree: &Yaml) -> usize {
    match &tree.data {
        Data::Scalar(_) | Data::Removed => 0,
        Data::List(items) => items.iter().map(|item| 1 + height(item)).max().unwrap_or(0),
        Data::Map(entries) => entries.iter().map(|entry| 1 + height(&entry.value)).max().unwrap_or(0),
    }
}

/// The parser's complaint in our form, with the hint that fits the usual mistakes.
fn syntax(error: &ScanError, text: &str) -> Problem {
    let mark = error.marker();
    let line = text.lines().nth(mark.line().saturating_sub(1)).unwrap_or_default();
    let said = if error.info().is_empty() { format!("{:?}", error.kind()) } else { error.info() };
    let said = match error.kind() {
        granit::ErrorKind::UnknownAnchor => message::unknown_anchor(),
        granit::ErrorKind::RecursionLimitExceeded => message::nested_too_deeply(DEPTH_MAX),
        _ if indented_by_tab(line) => message::tab_indentation(),
        _ if line.contains("${") => message::unquoted_substitution(&said),
        _ => message::syntax(&said),
    };
    said.at(&At::new(""), Some((mark.line().max(1), mark.col() + 1)))
}

fn indented_by_tab(line: &str) -> bool {
    line.chars().take_while(|c| c.is_whitespace()).any(|c| c == '\t')
}

/// A number as YAML's core schema writes it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Number {
    Unsigned(u64),
    Signed(i64),
    Float(f64),
}

/// The number this plain text is, if it is one. Digits after a leading zero are decimal, as in YAML 1.2.
pub(super) fn number(text: &str) -> Option<Number> {
    let radix = |digits: &str, radix| u64::from_str_radix(digits, radix).ok().map(Number::Unsigned);
    if let Some(digits) = text.strip_prefix("0x") {
        return radix(digits, 16);
    }
    if let Some(digits) = text.strip_prefix("0o") {
        return radix(digits, 8);
    }
    match text.strip_prefix(['+', '-']).unwrap_or(text) {
        ".inf" | ".Inf" | ".INF" if text.starts_with('-') => return Some(Number::Float(f64::NEG_INFINITY)),
        ".inf" | ".Inf" | ".INF" => return Some(Number::Float(f64::INFINITY)),
        ".nan" | ".NaN" | ".NAN" => return Some(Number::Float(f64::NAN)),
        // Rust also reads `inf` and `nan`, which are words here.
        digits if !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') => return None,
        _ => {}
    }
    (text.parse().ok().map(Number::Unsigned))
        .or_else(|| text.parse().ok().map(Number::Signed))
        .or_else(|| text.parse().ok().map(Number::Float))
}

/// The boolean this plain text is, if it is one: YAML 1.2 leaves `yes` and `on` words.
pub(super) fn boolean(text: &str) -> Option<bool> {
    match text {
        "true" | "True" | "TRUE" => Some(true),
        "false" | "False" | "FALSE" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{Number, number};

    #[test]
    fn numbers_are_those_of_yaml_1_2() {
        let unsigned = Number::Unsigned;
        for (text, expected) in [
            ("0", unsigned(0)),
            ("+5", unsigned(5)),
            ("00123", unsigned(123)),
            ("0o17", unsigned(15)),
            ("0x1F", unsigned(31)),
            ("-5", Number::Signed(-5)),
            ("1.5", Number::Float(1.5)),
            (".5", Number::Float(0.5)),
            ("1e3", Number::Float(1000.0)),
            ("-.inf", Number::Float(f64::NEG_INFINITY)),
        ] {
            assert_eq!(number(text), Some(expected), "{text}");
        }
        for text in ["", "-", ".", "inf", "nan", "1_000", "0b1", "1:30", "30s", "0x", "--1", "infinity"] {
            assert_eq!(number(text), None, "{text}");
        }
    }
}
