//! From the bytes of a request to the bytes that are stored: all processors, then the canonical lines where the
//! pipeline seals. One synchronous call on the request's own task; requests run it in parallel.

use std::sync::Arc;

use bumpalo::Bump;
use bytes::Bytes;

use crate::ledger::{Drafts, field_digest, random16};
use crate::otlp::line::{ERASABLE_FIELDS, Erasable, LineWriter, Part, Promise, each_part};
use crate::otlp::model::{Batch, Entity};
use crate::otlp::sender::Sender;
use crate::otlp::value::joined;
use crate::otlp::{self, DecodeError, Signal, schema};
use crate::pipeline::account::Account;
use crate::pipeline::sessions::Marks;
use crate::processor::Processor;

/// The processors of one pipeline, in order.
pub struct Chain {
    signal: Signal,
    steps: Vec<Step>,
    seal: Option<Seal>,
}

/// What a sealing pipeline needs besides lines.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seal {
    /// An exporter wants OTLP.
    pub keep_otlp: bool,
    /// Fields that are sealed so that each can be erased.
    pub erasable: Erasable,
}

/// A processor under the id that the configuration gives it.
pub struct Step {
    /// The id, for metrics.
    pub id: String,
    /// The processor.
    pub processor: Arc<dyn Processor>,
}

/// What is to be stored.
#[derive(Debug)]
pub enum Processed {
    /// Every record was dropped.
    Nothing,
    /// OTLP bytes, and how many records they hold.
    Otlp(Bytes, u64),
    /// Lines ready to be sealed.
    Drafts {
        /// The lines.
        drafts: Drafts,
        /// How many records they hold.
        records: u64,
        /// Which sessions the lines belong to.
        marks: Marks,
        /// The same as OTLP, where an exporter wants that and every record became a line.
        otlp: Option<Bytes>,
    },
}

impl Processed {
    /// How many records it holds.
    #[must_use]
    pub const fn records(&self) -> u64 {
        match self {
            Self::Nothing => 0,
            Self::Otlp(_, records) | Self::Drafts { records, .. } => *records,
        }
    }

    /// Its size, about as stored.
    #[must_use]
    pub fn bytes_len(&self) -> usize {
        match self {
            Self::Nothing => 0,
            Self::Otlp(bytes, _) => bytes.len(),
            Self::Drafts { drafts, .. } => drafts.bytes_len(),
        }
    }
}

/// A request that went through the chain.
#[derive(Debug)]
pub struct Ran {
    /// What is to be stored.
    pub processed: Processed,
    /// Records that processors added.
    pub added: u64,
    /// Records a processor took out.
    pub dropped: Option<(&'static str, u64)>,
    /// Records that cannot be sealed, and why; the sender is told.
    pub rejected: Option<(u64, String)>,
}

impl From<Processed> for Ran {
    fn from(processed: Processed) -> Self {
        Self { processed, added: 0, dropped: None, rejected: None }
    }
}

/// The longest line that is sealed. Larger records are refused one by one; a request as a whole may be larger.
const LINE_BYTES_MAX: usize = 16 << 20;

/// Attributes of these families say something about a seal. What a sender claims there is kept, but under
/// `audit.upstream.`, so that it cannot pass for ours.
const SEAL_NAMES: [&str; 3] = ["audit.sequence.", "audit.integrity.", "audit.seal."];

impl Chain {
    /// A chain of `steps`; with `seal` lines are made of what comes out.
    #[must_use]
    pub fn new(signal: Signal, steps: Vec<Step>, seal: Option<Seal>) -> Self {
        Self { signal, steps, seal }
    }

    /// True when lines to be sealed come out of it.
    #[must_use]
    pub const fn is_sealed(&self) -> bool {
        self.seal.is_some()
    }

    /// Takes a request of `records` records through the chain.
    ///
    /// # Errors
    /// When the bytes are not what they claim to be: nothing is stored.
    pub fn run(&self, body: &Bytes, records: u64, sender: &Sender, account: &Account) -> Result<Ran, DecodeError> {
        if self.steps.is_empty() && self.seal.is_none() {
            return Ok(Processed::Otlp(body.clone(), records).into());
        }
        if let (true, Some(seal)) = (self.steps.is_empty(), &self.seal)
            && let Some(ran) = draft_as_received(self.signal, records, body, seal)?
        {
            return Ok(ran);
        }
        let arena = Bump::with_capacity(body.len());
        let mut batch = Batch::open(self.signal, body, &arena)?;
        batch.sender = sender;
        let (mut reason, mut added) = (None, 0);
        for step in &self.steps {
            let outcome = step.processor.process(&mut batch)?;
            account.change(&step.id, outcome.changed);
            added += outcome.added;
            reason = outcome.dropped.first().map(|(reason, _)| *reason).or(reason);
        }
        let left = if reason.is_some() { left_in(&mut batch)? } else { records + added };
        let dropped = reason.map(|reason| (reason, (records + added).saturating_sub(left)));
        let ran = match (left, &self.seal) {
            (0, _) => Processed::Nothing.into(),
            (_, Some(seal)) => draft(&mut batch, left, body, seal)?,
            (_, None) => Processed::Otlp(encoded(&batch, body), left).into(),
        };
        Ok(Ran { dropped, added, ..ran })
    }
}

/// How many records the batch still holds; for metrics: data points.
fn left_in(batch: &mut Batch<'_>) -> Result<u64, DecodeError> {
    let metrics = batch.signal == Signal::Metrics;
    batch.records().map(|record| if metrics { otlp::count::points(record.raw()) } else { Ok(1) }).sum()
}

/// The batch as a request; the very bytes received where nothing was edited.
fn encoded(batch: &Batch<'_>, body: &Bytes) -> Bytes {
    if !batch.is_edited() {
        return body.clone();
    }
    let mut out = Vec::with_capacity(body.len() + body.len() / 4);
    batch.encode(&mut out);
    Bytes::from(out)
}

/// One line a record; for metrics one line a request, since no metrics backend can carry a seal a point. A record
/// that cannot be written as a line is refused alone.
fn draft(batch: &mut Batch<'_>, records: u64, body: &Bytes, seal: &Seal) -> Result<Ran, DecodeError> {
    let mut drafting = Drafting::new(batch.signal, records, body, &seal.erasable);
    if batch.signal == Signal::Metrics {
        let arena = batch.arena();
        batch.records().for_each(|metric| move_upstream_claims(metric, arena));
        let request = encoded(batch, body);
        drafting.line(records, 0, |out| LineWriter::default().metrics(&request, out))?;
    } else {
        drafting.records(batch)?;
    }
    Ok(drafting.finish(records, seal.keep_otlp, || encoded(batch, body)))
}

/// The same for logs and spans that no processor looks at: one record after the other is opened and written, which spares the
/// index over all of them. `None` when the request has to be edited after all: something in it claims to be sealed, or hides a
/// value behind another.
fn draft_as_received(signal: Signal, records: u64, body: &Bytes, seal: &Seal) -> Result<Option<Ran>, DecodeError> {
    if signal == Signal::Metrics {
        return Ok(None);
    }
    let (mut drafting, mut writer) = (Drafting::new(signal, records, body, &seal.erasable), LineWriter::default());
    let (mut arena, mut is_clean) = (Bump::new(), true);
    each_part(body, &mut writer, |writer, part| {
        arena.reset();
        match part {
            Part::Owner(message, pieces) => {
                is_clean &= !Entity::open(message, joined(pieces, &arena), &arena)?.is_edited();
            }
            Part::Record(record) => {
                let record = Entity::open(schema::record(signal), record, &arena)?;
                is_clean &= !record.is_edited() && !record.attributes().iter().any(|known| is_claim(known.key));
                if is_clean {
                    drafting.record(writer, &record)?;
                }
            }
        }
        Ok(())
    })?;
    Ok(is_clean.then(|| drafting.finish(records, seal.keep_otlp, || body.clone())))
}

/// Lines of one request, as they are written.
struct Drafting<'s> {
    signal: Signal,
    erasable: &'s Erasable,
    drafts: Drafts,
    marks: Marks,
    rejected: Option<(u64, String)>,
}

impl<'s> Drafting<'s> {
    fn new(signal: Signal, records: u64, body: &Bytes, erasable: &'s Erasable) -> Self {
        let lines = usize::try_from(records).unwrap_or(usize::MAX).min(body.len());
        let drafts = Drafts::with_capacity(lines, body.len() * 3);
        Self { signal, erasable, drafts, marks: Marks::default(), rejected: None }
    }

    /// What came of a request of so many records. `otlp` is the request as exporters are to get it.
    fn finish(self, records: u64, keep_otlp: bool, otlp: impl FnOnce() -> Bytes) -> Ran {
        let Self { signal, erasable, drafts, marks, rejected } = self;
        let left = records - rejected.as_ref().map_or(0, |(records, _)| *records);
        // A sealed line of metrics is one record, its request has many points: the books would mix them. What proves an
        // erasable field is in the ledger only.
        let keep_otlp = keep_otlp && rejected.is_none() && signal != Signal::Metrics && erasable.is_empty();
        let otlp = keep_otlp.then(otlp);
        let processed =
            if left == 0 { Processed::Nothing } else { Processed::Drafts { drafts, records: left, marks, otlp } };
        Ran { processed, added: 0, dropped: None, rejected }
    }

    fn records(&mut self, batch: &mut Batch<'_>) -> Result<(), DecodeError> {
        let mut writer = LineWriter::default();
        let (mut edited, arena) = (Vec::new(), batch.arena());
        for group in &mut batch.groups {
            writer.resource(&parts_of(&group.resource, &mut edited), group.rest())?;
            for scope in &mut group.scopes {
                writer.scope(&parts_of(&scope.scope, &mut edited), scope.rest())?;
                for record in &mut scope.records {
                    move_upstream_claims(record, arena);
                    self.record(&mut writer, record)?;
                }
            }
        }
        Ok(())
    }

    fn record(&mut self, writer: &mut LineWriter, record: &Entity<'_>) -> Result<(), DecodeError> {
        let (signal, risk, index) = (self.signal, risk_code(record), self.drafts.len());
        self.line(1, risk, |out| writer.entity(signal, record, out))?;
        if self.drafts.len() > index {
            self.marks.see(record, index as u64, risk);
        }
        Ok(())
    }

    /// Adds a line that stands for `records`, or notes why it cannot be one.
    fn line(
        &mut self,
        records: u64,
        risk: u8,
        write: impl FnOnce(&mut Vec<u8>) -> Result<u16, DecodeError>,
    ) -> Result<(), DecodeError> {
        let before = self.drafts.bytes_len();
        match write(self.drafts.buffer()) {
            Ok(_) if self.drafts.buffer().len() - before > LINE_BYTES_MAX => {
                self.reject(records, format!("a record is longer than {LINE_BYTES_MAX} bytes as a line"));
            }
            Ok(flags) => {
                if let Err(reason) = self.finish_line(before, flags, risk) {
                    self.reject(records, reason);
                }
            }
            Err(DecodeError::TooDeep) => self.reject(records, DecodeError::TooDeep.to_string()),
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Ends the line that begins at `start`; erasable fields become promises first.
    fn finish_line(&mut self, start: usize, flags: u16, risk: u8) -> Result<(), String> {
        let signal = signal_code(self.signal);
        if self.erasable.is_empty() || self.signal == Signal::Metrics {
            return self.drafts.finish_line(signal, flags, risk).map_err(|error| error.to_string());
        }
        let disclosures =
            self.erasable.conceal(self.drafts.buffer(), start, &mut promise).map_err(|error| error.to_string())?;
        let flags = if disclosures.is_empty() { flags } else { flags | ERASABLE_FIELDS };
        self.drafts.finish_line(signal, flags, risk).map_err(|error| error.to_string())?;
        self.drafts.disclose(&disclosures);
        Ok(())
    }

    fn reject(&mut self, records: u64, reason: String) {
        self.drafts.cancel_line();
        self.rejected.get_or_insert((0, reason)).0 += records;
    }
}

fn promise(member: &[u8]) -> Option<Promise> {
    let salt = random16().ok()?;
    Some(Promise { salt, digest: field_digest(&salt, member) })
}

/// A resource or scope as the line writer wants it: nothing where there is none.
fn parts_of<'s>(owner: &Entity<'s>, scratch: &'s mut Vec<u8>) -> Vec<&'s [u8]> {
    if owner.is_absent() { Vec::new() } else { vec![bytes_of(owner, scratch)] }
}

/// The record's bytes: as received, or written to `scratch` where it was edited.
fn bytes_of<'s>(record: &Entity<'s>, scratch: &'s mut Vec<u8>) -> &'s [u8] {
    if !record.is_edited() {
        return record.raw();
    }
    scratch.clear();
    record.put(scratch);
    scratch
}

/// The signal as the ledger's entries name it.
const fn signal_code(signal: Signal) -> u8 {
    match signal {
        Signal::Logs => 1,
        Signal::Metrics => 2,
        Signal::Traces => 3,
    }
}

/// The level that `risk_tag` gave, as the ledger's entries name it: 0 for none.
pub(super) fn risk_code(record: &Entity<'_>) -> u8 {
    match record.get("risk.level").and_then(|level| level.as_str()) {
        Some("info") => 1,
        Some("low") => 2,
        Some("medium") => 3,
        Some("high") => 4,
        Some("critical") => 5,
        _ => 0,
    }
}

fn move_upstream_claims<'a>(record: &mut Entity<'a>, arena: &'a Bump) {
    record.rename_each(|key| is_claim(key).then(|| &*arena.alloc_str(&key.replacen("audit.", "audit.upstream.", 1))));
}

fn is_claim(key: &str) -> bool {
    key.starts_with("audit.") && SEAL_NAMES.iter().any(|family| key.starts_with(family))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::otlp::value::{Value, put_pair};
    use crate::otlp::wire::put_bytes;
    use crate::processor::Outcome;

    /// A step that does nothing: with it, every record is opened before the first is written.
    struct Nothing;

    impl Processor for Nothing {
        fn process<'a>(&'a self, _: &mut Batch<'a>) -> Result<Outcome, DecodeError> {
            Ok(Outcome::default())
        }
    }

    fn message(fields: &[(u32, &[u8])]) -> Vec<u8> {
        let mut out = Vec::new();
        fields.iter().for_each(|(number, bytes)| put_bytes(&mut out, *number, bytes));
        out
    }

    fn pair(number: u32, key: &str, value: &Value<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        put_pair(&mut out, number, key, value);
        out
    }

    /// A value behind which another one stands: only the second counts, the first must not go anywhere.
    fn hiding(number: u32) -> Vec<u8> {
        let value = |text: &[u8]| message(&[(1, text)]);
        message(&[(number, &message(&[(1, b"key"), (2, &value(b"hidden")), (2, &value(b"seen"))]))])
    }

    /// A request of two records with these fields, below this resource and this scope.
    fn request(resource: &[Vec<u8>], scope: &[u8], fields: &[Vec<u8>]) -> Vec<u8> {
        let record = [pair(6, "z", &Value::Str("1")), fields.concat(), pair(6, "a", &Value::Int(300))].concat();
        let scope_group = message(&[(1, scope), (2, &record), (2, &record), (3, b"url")]);
        let owners = resource.iter().map(|part| message(&[(1, part)])).collect::<Vec<_>>().concat();
        message(&[(1, &[owners, message(&[(2, &scope_group)])].concat())])
    }

    /// The lines, end to end, and what exporters of OTLP get; or how it failed.
    fn run(steps: Vec<Step>, body: &Bytes) -> Result<(usize, Vec<u8>, Option<Bytes>), String> {
        let chain = Chain::new(Signal::Logs, steps, Some(Seal { keep_otlp: true, ..Seal::default() }));
        let ran = chain.run(body, 2, Sender::unknown(), &Account::new("logs")).map_err(|error| error.to_string())?;
        match ran.processed {
            Processed::Drafts { mut drafts, otlp, .. } => Ok((drafts.len(), drafts.buffer().clone(), otlp)),
            other => Err(format!("{other:?} {:?}", ran.rejected)),
        }
    }

    #[test]
    fn records_that_no_step_looks_at_become_the_lines_and_the_otlp_that_others_become() {
        let good = pair(6, "name", &Value::Str("a \"value\" and é"));
        let resource = pair(1, "host.name", &Value::Str("h"));
        let claim = pair(6, "audit.sequence.number", &Value::Int(7));
        let deep = (0..200).fold(message(&[(1, b"x")]), |value, _| message(&[(5, &message(&[(1, &value)]))]));
        let cases = [
            ("plain", vec![resource.clone()], message(&[(1, b"lib")]), vec![good.clone()]),
            ("nothing around it", vec![], vec![], vec![]),
            ("a resource in two parts", vec![resource.clone(), pair(1, "b", &Value::Bool(true))], vec![], vec![]),
            ("a claim", vec![resource.clone()], vec![], vec![good.clone(), claim]),
            ("a hidden value", vec![resource.clone()], vec![], vec![hiding(6)]),
            ("a hidden value of the resource", vec![hiding(1)], vec![], vec![good.clone()]),
            ("a hidden value of the scope", vec![resource.clone()], hiding(3), vec![good.clone()]),
            ("too deep", vec![resource.clone()], vec![], vec![message(&[(5, &deep)])]),
            ("no text", vec![resource], vec![], vec![message(&[(6, &message(&[(1, b"\xff")]))])]),
            ("no resource", vec![b"\xff".to_vec()], vec![], vec![good]),
        ];
        for (what, resource, scope, fields) in cases {
            let body = Bytes::from(request(&resource, &scope, &fields));
            let step = Step { id: "nothing".to_owned(), processor: Arc::new(Nothing) };
            let (straight, opened) = (run(Vec::new(), &body), run(vec![step], &body));
            assert_eq!(straight, opened, "{what}");
            if let Ok((lines, _, otlp)) = straight {
                assert_eq!(lines, 2, "{what}");
                let otlp = otlp.unwrap();
                assert!(!otlp.windows(6).any(|window| window == b"hidden"), "{what}");
                assert_eq!(otlp == body, !what.contains("hidden") && !what.contains("claim"), "{what}");
            }
        }
    }
}
