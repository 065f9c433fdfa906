//! Lookup tables: from the value of one attribute to further attributes, as a CSV or JSON file says.
//!
//! The service reads the file, at start and whenever it has changed; here it is parsed and asked. A table is swapped as
//! a whole: a batch sees one version of it. What is wrong with a file is said by line, never with its content.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use bumpalo::Bump;
use metrics::{Counter, counter};
use serde::Deserialize;
use thiserror::Error;

use super::action::{Verb, set};
use super::rows;
use crate::otlp::model::Entity;
use crate::otlp::value::Value;
use crate::processor::condition::{self, Condition, Sight, Test};
use crate::processor::scalar::{self, Context, Scalar};
use crate::stdx::bytesize::ByteSize;
use crate::stdx::duration::Span;
use crate::stdx::problem::{At, Problems};

/// One table and how it is used.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Lookup {
    /// The file. `.json`: an object of objects, by key, or a list of objects. Anything else: CSV (RFC 4180) with a header
    /// line. Needed.
    pub file: PathBuf,
    /// The attribute whose value is looked up. Needed.
    pub key: String,
    /// `resource`, `scope` or `record`: where the key is, and where the attributes go. Default: `record`.
    pub context: Context,
    /// The column with the keys; in a JSON list the member. Default: the first column, and for a JSON list `key`.
    pub column: Option<String>,
    /// Which columns to set, and as which attributes. Default: every other column, under its own name.
    pub attributes: BTreeMap<String, String>,
    /// What to set where the key is not in the table. Default: nothing.
    pub default: BTreeMap<String, Scalar>,
    /// `insert`, `update` or `upsert`. Default: `insert`.
    pub action: Verb,
    /// Upper and lower case are one. Default: false.
    pub ignore_case: bool,
    /// Runs only where one of these conditions is true. Default: always.
    pub when: Vec<Condition>,
    /// How often the file is looked at. Default: 10s. 0s: at start only.
    pub reload_interval: Span,
    /// The largest file. Default: 16 MiB.
    pub bytes_max: ByteSize,
    /// The most rows. Default: 100000.
    pub rows_max: usize,
}

impl Default for Lookup {
    fn default() -> Self {
        Self {
            file: PathBuf::new(),
            key: String::new(),
            context: Context::default(),
            column: None,
            attributes: BTreeMap::new(),
            default: BTreeMap::new(),
            action: Verb::Insert,
            ignore_case: false,
            when: vec![],
            reload_interval: Span(Duration::from_secs(10)),
            bytes_max: ByteSize::mib(16),
            rows_max: 100_000,
        }
    }
}

impl Lookup {
    /// Finds what cannot work. Opens nothing.
    pub(super) fn check(&self, at: &At, problems: &mut Problems) {
        if self.file.as_os_str().is_empty() {
            problems.add(&at.key("file"), "the path is empty");
        }
        if self.key.is_empty() {
            problems.add_hint(&at.key("key"), "no key", "the attribute whose value is looked up");
        }
        if !matches!(self.action, Verb::Insert | Verb::Update | Verb::Upsert) {
            problems.add(&at.key("action"), "a lookup can `insert`, `update` or `upsert`");
        }
        if self.rows_max == 0 || self.bytes_max == ByteSize(0) {
            problems.add(at, "`rows_max` and `bytes_max` must be above 0");
        }
        super::action::check_when(&self.when, self.context, &at.key("when"), problems);
    }

    /// Reads the content of the file.
    ///
    /// # Errors
    /// Says where the file is wrong, without its content.
    pub fn read(&self, content: &[u8]) -> Result<Table, TableError> {
        if content.len() as u64 > self.bytes_max.0 {
            return Err(TableError::TooLarge(self.bytes_max));
        }
        let text = std::str::from_utf8(content).map_err(|_| TableError::Utf8)?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut builder = Builder { lookup: self, table: Table::default(), names: HashMap::new() };
        if self.file.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json")) {
            rows::json(text, self.column.as_deref().unwrap_or("key"), &mut |row| builder.add(row))?;
        } else {
            rows::csv(text, self.column.as_deref(), &mut |row| builder.add(row))?;
        }
        Ok(builder.table)
    }
}

/// Why a file is no table.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TableError {
    /// It has more bytes than allowed.
    #[error("larger than bytes_max, {0}")]
    TooLarge(ByteSize),
    /// It has more rows than allowed.
    #[error("more rows than rows_max, {0}")]
    TooMany(usize),
    /// It is no text.
    #[error("not UTF-8")]
    Utf8,
    /// A line is wrong.
    #[error("line {line}: {what}")]
    Line {
        /// From 1.
        line: usize,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The column with the keys is missing.
    #[error("no column named `{0}`")]
    Column(String),
}

/// One row as read.
pub(super) struct Row<'t> {
    pub(super) line: usize,
    pub(super) key: &'t str,
    pub(super) cells: &'t [(&'t str, Scalar)],
}

/// A table in memory.
#[derive(Debug, Default)]
pub struct Table {
    rows: HashMap<String, Box<[(u32, Scalar)]>>,
    attributes: Vec<String>,
}

impl Table {
    /// How many keys it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// True when it has no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    fn get(&self, key: &str) -> Option<impl Iterator<Item = (&str, &Scalar)>> {
        let row = self.rows.get(key)?;
        Some(row.iter().map(|(index, value)| (self.attributes[*index as usize].as_str(), value)))
    }
}

struct Builder<'l> {
    lookup: &'l Lookup,
    table: Table,
    /// The number of each attribute.
    names: HashMap<String, u32>,
}

impl Builder<'_> {
    fn add(&mut self, row: Row<'_>) -> Result<(), TableError> {
        let fail = |what| TableError::Line { line: row.line, what };
        if row.key.is_empty() {
            return Err(fail("the key is empty"));
        }
        if self.table.rows.len() == self.lookup.rows_max {
            return Err(TableError::TooMany(self.lookup.rows_max));
        }
        let key = if self.lookup.ignore_case { row.key.to_lowercase() } else { row.key.to_owned() };
        let mut cells = Vec::with_capacity(row.cells.len());
        for (column, value) in row.cells {
            let attribute = match self.lookup.attributes.get(*column) {
                Some(attribute) => attribute.as_str(),
                None if self.lookup.attributes.is_empty() => column,
                None => continue,
            };
            cells.push((self.number(attribute), value.clone()));
        }
        match self.table.rows.insert(key, cells.into_boxed_slice()) {
            None => Ok(()),
            Some(_) => Err(fail("the key stands in the table already")),
        }
    }

    fn number(&mut self, attribute: &str) -> u32 {
        if let Some(number) = self.names.get(attribute) {
            return *number;
        }
        let number = u32::try_from(self.table.attributes.len()).unwrap_or(u32::MAX);
        self.table.attributes.push(attribute.to_owned());
        self.names.insert(attribute.to_owned(), number);
        number
    }
}

/// The version of a table that is in force.
#[derive(Debug, Default)]
pub struct Live(RwLock<Arc<Table>>);

impl Live {
    /// A table in force.
    #[must_use]
    pub fn new(table: Table) -> Self {
        Self(RwLock::new(Arc::new(table)))
    }

    /// Puts another version in force. Batches under way go on with the old one.
    pub fn swap(&self, table: Table) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(table);
    }

    /// The version in force.
    #[must_use]
    pub fn current(&self) -> Arc<Table> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A lookup, ready to run.
pub(super) struct Searcher {
    config: Lookup,
    live: Arc<Live>,
    when: Vec<Test>,
    hits: Counter,
    misses: Counter,
}

impl std::fmt::Debug for Searcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Searcher").field("config", &self.config).finish_non_exhaustive()
    }
}

/// How often a key was there, and how often not.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) hits: u64,
    pub(super) misses: u64,
}

impl Searcher {
    /// # Errors
    /// When a pattern is no regular expression.
    pub(super) fn new(config: &Lookup, live: Arc<Live>) -> Result<Self, regex::Error> {
        let tally = |result: &'static str| {
            let table = config.file.display().to_string();
            counter!("telseal_enrich_lookups_total", "table" => table, "result" => result)
        };
        let when = config.when.iter().map(Test::new).collect::<Result<_, _>>()?;
        Ok(Self { config: config.clone(), live, when, hits: tally("hit"), misses: tally("miss") })
    }

    pub(super) fn table(&self) -> Arc<Table> {
        self.live.current()
    }

    pub(super) fn count(&self, tally: &Tally) {
        if tally.hits > 0 {
            self.hits.increment(tally.hits);
        }
        if tally.misses > 0 {
            self.misses.increment(tally.misses);
        }
    }

    /// Whether its conditions let it run.
    pub(super) fn is_due(&self, sight: &Sight<'_, '_>) -> Result<bool, crate::otlp::DecodeError> {
        condition::any(&self.when, sight)
    }

    /// True when the entity is different now.
    pub(super) fn run<'a>(
        &'a self,
        table: &Table,
        entity: &mut Entity<'a>,
        arena: &'a Bump,
        tally: &mut Tally,
    ) -> bool {
        let Some(value) = entity.get(&self.config.key) else { return false };
        let mut buffer = String::new();
        let key = scalar::text_of(value, &mut buffer);
        if key.is_empty() {
            return false;
        }
        let folded = if self.config.ignore_case { Some(key.to_lowercase()) } else { None };
        let mut changed = false;
        match table.get(folded.as_deref().unwrap_or(key)) {
            Some(cells) => {
                tally.hits += 1;
                for (attribute, value) in cells {
                    let value = match value {
                        Scalar::Str(text) => Value::Str(arena.alloc_str(text)),
                        Scalar::Bool(value) => Value::Bool(*value),
                        Scalar::Int(number) => Value::Int(*number),
                        Scalar::Double(number) => Value::Double(*number),
                    };
                    changed |= set(self.config.action, arena.alloc_str(attribute), value, entity);
                }
            }
            None => {
                tally.misses += 1;
                for (attribute, value) in &self.config.default {
                    changed |= set(self.config.action, attribute, value.value(), entity);
                }
            }
        }
        changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lookup(yaml: &str) -> Lookup {
        serde_saphyr::from_str(&format!("{{file: t.csv, key: k, {yaml}}}")).unwrap()
    }

    fn failure(yaml: &str, text: &str) -> String {
        lookup(yaml).read(text.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn a_table_has_limits_and_no_contradictions() {
        assert_eq!(failure("rows_max: 1", "k,x\na,1\nb,2\n"), "more rows than rows_max, 1");
        assert_eq!(failure("", "k,x\na,1\na,2\n"), "line 3: the key stands in the table already");
        assert_eq!(failure("ignore_case: true", "k,x\na,1\nA,2\n"), "line 3: the key stands in the table already");
        assert_eq!(failure("", "k,x\n,2\n"), "line 2: the key is empty");
        assert_eq!(failure("bytes_max: 4", "k,x\na,1\n"), "larger than bytes_max, 4 B");
        assert_eq!(lookup("").read(b"k\n\xff").unwrap_err(), TableError::Utf8);
    }

    #[test]
    fn errors_show_nothing_of_the_table() {
        for text in ["k,x\nsecret,1,2\n", "k,x\nsecret,\"1\n", "k,x\nsecret,1\nsecret,2\n"] {
            assert!(!failure("", text).contains("secret"));
        }
    }

    #[test]
    fn columns_are_chosen_and_renamed() {
        let table = lookup("column: id, attributes: {x: team}").read(b"x,y,id\n1,2,a\n").unwrap();
        let cells: Vec<_> = table.get("a").unwrap().collect();
        assert_eq!(cells, [("team", &Scalar::Str("1".into()))]);
        assert_eq!((table.len(), table.is_empty(), table.get("b").is_none()), (1, false, true));
    }
}
