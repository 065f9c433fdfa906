//! Bodies that go, and bodies that must stay: retention of whole segments, erasure of records and of single fields, holds.
//!
//! The order of steps is always the same: the caller has verified everything; the order is signed by the root key, sealed and
//! covered by a checkpoint; only then do files change ([`finish`]). The file `orders/pending` says that this may be unfinished:
//! the next opening of the ledger then does the rest. Every step may be killed and is done again. The ledger must not be in
//! use by another process. What a file system or a disk keeps of older blocks is beyond our reach.

mod carry;
mod job;
mod survey;

use std::collections::BTreeSet;
use std::path::Path;

pub use self::carry::Done;
pub use self::job::{Job, Policy};
pub use self::survey::{SegmentFacts, Survey};
use super::bodies::Keyring;
use super::entry::Kind;
use super::keys::{ROOT_KEY_FILE, RootKey};
use super::note::VerifyingKey;
use super::options::Options;
use super::walk::WalkError;
use super::writer::{Ledger, LedgerError};
use crate::stdx::durable::{self, Mode};
use crate::stdx::json::write::{write_str, write_u64};
use crate::stdx::segments::{Cursor, CursorFile, Position};

/// The folder of requests and of what is not finished, in a ledger's folder.
pub const ORDERS_DIR: &str = "orders";
/// The most records that one erasure names: its order is one line.
pub const ERASED_MAX: usize = 10_000;
const PENDING_FILE: &str = "pending";

/// Why nothing, or not everything, was done.
#[derive(Debug, thiserror::Error)]
pub enum RetainError {
    /// The ledger refused.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// Its lines could not be read.
    #[error(transparent)]
    Walk(#[from] WalkError),
    /// The disk refused.
    #[error(transparent)]
    File(#[from] durable::Error),
    /// It must stay.
    #[error("record {seq} must stay: the hold {hold} covers {first} to {last}; release it first (nothing was written)")]
    Held {
        /// The first record that is held.
        seq: u64,
        /// The id of the hold.
        hold: String,
        /// Its first record.
        first: u64,
        /// Its last record.
        last: u64,
    },
    /// What was asked for makes no sense here.
    #[error("{0} (nothing was written)")]
    Refused(String),
}

/// An order that waits for its seal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// Retention, erasure or hold.
    pub kind: Kind,
    /// The JSON object that the root key signs.
    pub order: Vec<u8>,
}

/// Who wants whole segments deleted, and why.
#[derive(Debug, Clone, Default)]
pub struct Retention {
    /// Segments whose last entry was sealed before this moment, in nanoseconds since 1970.
    pub before_ns: u64,
    /// Who decided.
    pub actor: String,
    /// By which policy.
    pub policy: String,
    /// By which ticket.
    pub ticket: String,
}

/// What a retention would do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// The orders.
    pub drafts: Vec<Draft>,
    /// The first and last number of each segment whose bodies go.
    pub segments: Vec<(u64, u64)>,
    /// How many records lose their bodies.
    pub records: u64,
    /// Segments that are old enough but held, by first and last number, with the hold's id.
    pub held: Vec<(u64, u64, String)>,
    /// Segments that are old enough, but an exporter has not passed them yet.
    pub needed: Vec<(u64, u64)>,
}

impl Retention {
    /// Which segments go. Those stay that the slowest exporter, after `passed` records, has not passed.
    ///
    /// # Errors
    /// When a text cannot stand in an order.
    pub fn plan(&self, survey: &Survey, passed: Option<u64>) -> Result<Plan, RetainError> {
        self.plan_but(survey, |segment| passed.is_some_and(|passed| passed < segment.records_before + segment.records))
    }

    /// The same; those stay that are `needed`.
    fn plan_but(&self, survey: &Survey, needed: impl Fn(&SegmentFacts) -> bool) -> Result<Plan, RetainError> {
        check_texts(&[("actor", &self.actor), ("policy", &self.policy), ("ticket", &self.ticket)])?;
        let mut plan = Plan::default();
        let mut run: Vec<&SegmentFacts> = Vec::new();
        for segment in survey.closed() {
            let is_old = segment.bodies > 0 && segment.to_ns < self.before_ns;
            let goes = is_old && takes(survey, segment, &needed, &mut plan);
            if !goes {
                self.order(&mut plan, &std::mem::take(&mut run));
                continue;
            }
            run.push(segment);
        }
        self.order(&mut plan, &run);
        Ok(plan)
    }

    fn order(&self, plan: &mut Plan, run: &[&SegmentFacts]) {
        let (Some(first), Some(last)) = (run.first(), run.last()) else { return };
        let count = run.iter().map(|segment| segment.bodies).sum();
        plan.records += count;
        plan.segments.extend(run.iter().map(|segment| (segment.first, segment.last)));
        let order = Object::new()
            .text("actor", &self.actor)
            .number("count", count)
            .number("first", first.first)
            .text("from_ns", &first.from_ns.to_string())
            .number("last", last.last)
            .text("policy", &self.policy)
            .text("ticket", &self.ticket)
            .text("to_ns", &last.to_ns.to_string());
        plan.drafts.push(Draft { kind: Kind::Retention, order: order.end() });
    }
}

/// True when nothing keeps an old segment.
fn takes(survey: &Survey, segment: &SegmentFacts, needed: impl Fn(&SegmentFacts) -> bool, plan: &mut Plan) -> bool {
    let range = (segment.first, segment.last);
    if let Some((hold, _)) = survey.authority.hold_over(range) {
        plan.held.push((range.0, range.1, hold.to_owned()));
        return false;
    }
    if needed(segment) {
        plan.needed.push(range);
        return false;
    }
    true
}

/// Who wants records or fields erased, and why.
#[derive(Debug, Clone, Default)]
pub struct Erasure {
    /// The numbers of the records.
    pub seqs: BTreeSet<u64>,
    /// The names of erasable attributes; none for whole records.
    pub fields: Vec<String>,
    /// Who decided.
    pub actor: String,
    /// By which law.
    pub basis: String,
    /// On whose request.
    pub request: String,
}

impl Erasure {
    /// The order. The survey must have looked at these records.
    ///
    /// # Errors
    /// When one of them is held, is no record, or has none of the fields.
    pub fn draft(&self, survey: &Survey) -> Result<Draft, RetainError> {
        check_texts(&[("actor", &self.actor), ("basis", &self.basis), ("request", &self.request)])?;
        for name in &self.fields {
            check_texts(&[("field", name)])?;
        }
        if self.seqs.is_empty() || self.seqs.len() > ERASED_MAX {
            return Err(RetainError::Refused(format!("one erasure names 1 to {ERASED_MAX} records")));
        }
        for seq in &self.seqs {
            self.check(survey, *seq)?;
        }
        let mut object = Object::new().text("actor", &self.actor).text("basis", &self.basis);
        if !self.fields.is_empty() {
            object = object.list("fields", &self.fields, |out, name| write_str(out, name));
        }
        let seqs: Vec<u64> = self.seqs.iter().copied().collect();
        let object = object.text("request", &self.request).list("seqs", &seqs, |out, seq| write_u64(out, *seq));
        Ok(Draft { kind: Kind::Erasure, order: object.end() })
    }

    fn check(&self, survey: &Survey, seq: u64) -> Result<(), RetainError> {
        let refused = |what: String| Err(RetainError::Refused(what));
        if let Some((hold, (first, last))) = survey.authority.hold_over((seq, seq)) {
            return Err(RetainError::Held { seq, hold: hold.to_owned(), first, last });
        }
        match survey.records.get(&seq) {
            None => refused(format!("entry {seq} is no record of this ledger")),
            Some((_, None)) => refused(format!("the body of record {seq} is gone already")),
            Some((_, Some(names))) => match self.fields.iter().find(|field| !names.contains(*field)) {
                Some(field) => refused(format!("record {seq} has no erasable field `{field}` that is still there")),
                None => Ok(()),
            },
        }
    }
}

/// An order that records `first` to `last` must stay, until it is released.
///
/// # Errors
/// When a text cannot stand in an order, the range is empty, or a hold of this id is in force.
pub fn hold(
    survey: &Survey,
    id: &str,
    (first, last): (u64, u64),
    actor: &str,
    reason: &str,
) -> Result<Draft, RetainError> {
    check_texts(&[("actor", actor), ("id", id), ("reason", reason)])?;
    if first > last || id.is_empty() {
        return Err(RetainError::Refused("a hold has an id, and its last record is not before its first".to_owned()));
    }
    if let Some((first, last)) = survey.authority.holds().get(id) {
        return Err(RetainError::Refused(format!("the hold {id} is in force already, over {first} to {last}")));
    }
    let object = Object::new().text("actor", actor).number("first", first).text("hold", id).number("last", last);
    Ok(Draft { kind: Kind::Hold, order: object.text("reason", reason).end() })
}

/// The end of a hold.
///
/// # Errors
/// When no hold of this id is in force.
pub fn release(survey: &Survey, id: &str, actor: &str) -> Result<Draft, RetainError> {
    check_texts(&[("actor", actor), ("id", id)])?;
    if !survey.authority.holds().contains_key(id) {
        return Err(RetainError::Refused(format!("no hold {id} is in force")));
    }
    let object = Object::new().text("actor", actor).text("hold", id).raw("release", b"true");
    Ok(Draft { kind: Kind::Hold, order: object.end() })
}

/// Seals the orders and does what they say. The caller holds the folder's lock and has verified it.
///
/// # Errors
/// When the root key is not at hand (then nothing was written), the ledger or the disk refuses. What was ordered before that is
/// finished by the next opening of the ledger.
pub fn execute(dir: &Path, options: &Options, drafts: &[Draft]) -> Result<Done, RetainError> {
    let key_file = match &options.root {
        RootKey::Folder => Some(dir.join(ROOT_KEY_FILE)),
        RootKey::File(path) => Some(path.clone()),
        RootKey::Signer(_) => None,
    };
    if key_file.is_some_and(|path| !path.exists()) {
        return Err(LedgerError::NoRootKey.into());
    }
    let (mut ledger, ..) = Ledger::open(dir, options)?;
    let root = ledger.verifying_key().clone();
    if drafts.iter().any(|draft| draft.kind != Kind::Hold) {
        durable::create_dir(&dir.join(ORDERS_DIR))?;
        durable::write_atomic(&dir.join(ORDERS_DIR).join(PENDING_FILE), b"\n", Mode::Shared)?;
        // What is still being written cannot be written anew.
        ledger.begin_segment()?;
    }
    for draft in drafts {
        ledger.append_order(draft.kind, &draft.order)?;
    }
    ledger.finish()?;
    finish(dir, &root, &options.encryption)
}

/// Does what sealed orders allow and is not done yet. Without `orders/pending` there is nothing to do.
///
/// # Errors
/// When lines cannot be read or the disk refuses; it is tried again the next time.
pub fn finish(dir: &Path, root: &VerifyingKey, keyring: &Keyring) -> Result<Done, RetainError> {
    let pending = dir.join(ORDERS_DIR).join(PENDING_FILE);
    if !pending.exists() {
        return Ok(Done::default());
    }
    let survey = Survey::read(dir, root, keyring, &BTreeSet::new())?;
    let done = carry::carry_out(dir, &survey, keyring)?;
    durable::remove(&pending)?;
    Ok(done)
}

/// The exporters of a ledger in its pipeline's folder, and where they are; `None` for one that is at the very beginning.
///
/// # Errors
/// When the disk refuses.
pub fn exporters(dir: &Path) -> durable::Result<Vec<(CursorFile, Option<Position>)>> {
    let cursors = dir.parent().unwrap_or(dir).join("cursors");
    if !cursors.is_dir() {
        return Ok(Vec::new());
    }
    let files = durable::list(&cursors)?.into_iter().filter(|path| path.extension().is_none_or(|end| end != "tmp"));
    let place = |path| {
        let file = CursorFile::new(path);
        let place = match file.load()? {
            Cursor::At(position) => Some(position),
            Cursor::Missing | Cursor::Damaged => None,
        };
        Ok((file, place))
    };
    files.map(place).collect()
}

/// Who may hold copies of these records: the exporters that have passed one of them, and how many they have passed.
///
/// # Errors
/// When the disk refuses.
pub fn copies(dir: &Path, survey: &Survey) -> durable::Result<Vec<(String, u64)>> {
    let mut found = Vec::new();
    for (file, place) in exporters(dir)? {
        let passed = place.map_or(0, |place| place.record);
        let count = survey.records.values().filter(|(before, _)| *before < passed).count() as u64;
        if count > 0 {
            let name = file.path().file_name().map(|name| name.to_string_lossy().into_owned());
            found.push((name.unwrap_or_default(), count));
        }
    }
    Ok(found)
}

/// Texts of orders stand in them without escapes.
fn check_texts(texts: &[(&str, &str)]) -> Result<(), RetainError> {
    let is_odd = |c: char| c.is_control() || c == '"' || c == '\\';
    match texts.iter().find(|(_, text)| text.contains(is_odd)) {
        Some((name, _)) => Err(RetainError::Refused(format!(
            "the {name} has a quote, a backslash or a control character, which an order cannot have"
        ))),
        None => Ok(()),
    }
}

/// A JSON object, of which the caller gives the members in the order of their names.
struct Object(Vec<u8>);

impl Object {
    fn new() -> Self {
        Self(vec![b'{'])
    }

    fn name(&mut self, name: &str) -> &mut Vec<u8> {
        if self.0.len() > 1 {
            self.0.push(b',');
        }
        write_str(&mut self.0, name);
        self.0.push(b':');
        &mut self.0
    }

    fn text(mut self, name: &str, text: &str) -> Self {
        write_str(self.name(name), text);
        self
    }

    fn number(mut self, name: &str, number: u64) -> Self {
        write_u64(self.name(name), number);
        self
    }

    fn raw(mut self, name: &str, value: &[u8]) -> Self {
        self.name(name).extend_from_slice(value);
        self
    }

    fn list<T>(mut self, name: &str, values: &[T], write: impl Fn(&mut Vec<u8>, &T)) -> Self {
        let out = self.name(name);
        for (index, value) in values.iter().enumerate() {
            out.push(if index == 0 { b'[' } else { b',' });
            write(out, value);
        }
        out.push(b']');
        self
    }

    fn end(mut self) -> Vec<u8> {
        self.0.push(b'}');
        self.0
    }
}

#[cfg(test)]
mod tests;
