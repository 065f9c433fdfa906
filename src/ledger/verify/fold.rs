//! From what each segment proves to what the ledger proves: continuity, what was asked for, and what lacks its body.

use std::path::Path;
use std::sync::atomic::Ordering::Relaxed;

use super::super::chain::Chain;
use super::super::checker::{Fault, Finding, check_continuity};
use super::super::files::Form;
use super::super::note::VerifyingKey;
use super::super::order::Authority;
use super::facts::Facts;
use super::report::LedgerReport;
use super::segment::{self, Question, Segment};
use super::{Anchor, Found, VerifyError, VerifyOptions, anchor, violation};
use crate::stdx::clock::unix_nanos;
use crate::stdx::tasks;

/// Verifies what belongs to one ledger.
pub(super) fn verify(path: &Path, found: &Found, options: &VerifyOptions) -> Result<LedgerReport, VerifyError> {
    let (key, key_from) = found.key(options)?;
    let anchors = anchor::of_ledger(&options.anchors, &key)?;
    let mut sizes: Vec<u64> = anchors.iter().map(|anchor| anchor.checkpoint.size).collect();
    sizes.dedup();
    let question = Question { root: &key, sizes: &sizes, keyring: &options.keyring, progress: &options.progress };
    let bytes = found.files.iter().filter_map(|file| file.path.metadata().ok()).map(|file| file.len()).sum();
    options.progress.total.fetch_add(bytes, Relaxed);
    let threads = options.threads.or_else(|| std::thread::available_parallelism().ok().map(usize::from)).unwrap_or(1);
    let checked = tasks::in_parallel(
        found.files.len(),
        threads,
        |index| segment::check(&found.files[index], &question),
        Result::is_ok,
    );
    let mut whole = Whole::default();
    let count = found.files.len();
    for (index, checked) in checked.into_iter().enumerate() {
        whole.add(found, index, index + 1 == count, checked?)?;
    }
    let Some(end) = whole.end.clone().filter(|_| whole.facts.checkpoints > 0) else {
        return Err(VerifyError::Inconclusive(format!("no checkpoint in {}", path.display())));
    };
    let rest = whole.check_rest(path, found, &anchors, &end, options);
    match (whole.doubt.take(), rest) {
        // A violation is more than a doubt.
        (_, Err(violation @ VerifyError::Violation(_))) => Err(violation),
        (Some(doubt), _) => Err(doubt),
        (None, rest) => rest.map(|()| report(path, whole, &end, (key, key_from))),
    }
}

/// The segments so far, as one.
#[derive(Debug, Default)]
struct Whole {
    stream: String,
    first: u64,
    end: Option<Chain>,
    facts: Facts,
    segments: u64,
    packed: u64,
    bytes: u64,
    in_flight_bytes: u64,
    first_epoch: u32,
    roots: Vec<(u64, [u8; 32])>,
    /// The keys of the epochs that were seen at the end of a segment.
    keys: Vec<VerifyingKey>,
    /// Why nothing can be concluded, unless something is wrong.
    doubt: Option<VerifyError>,
}

impl Whole {
    fn add(&mut self, found: &Found, index: usize, is_last: bool, next: segment::Found) -> Result<(), VerifyError> {
        let file = &found.files[index];
        let segment = match next {
            segment::Found::Segment(segment) => *segment,
            segment::Found::Nothing(_) if !is_last => {
                let what = "the file has no whole segment header, and segments follow it";
                return Err(violation(&file.path, 1, Finding::new(Fault::Malformed, None, what)));
            }
            segment::Found::Nothing(bytes) => {
                return self.add_nothing(&file.path, bytes, is_last && index > 0, found);
            }
        };
        let named = found.is_folder.then_some(file.first);
        check_place(&segment, named, self.end.as_ref())?;
        if self.end.is_none() {
            self.begin(&segment)?;
        }
        match &segment.tail {
            Some(tail) if is_last && segment.form == Form::Plain => {
                if found.is_in_use() {
                    self.in_flight_bytes = tail.bytes;
                } else {
                    self.doubt = Some(tail.violation(&segment.path, &segment.end).into_doubt());
                }
            }
            Some(tail) => return Err(tail.violation(&segment.path, &segment.end)),
            None => {}
        }
        self.segments += 1;
        self.packed += u64::from(segment.form != Form::Plain);
        self.bytes += segment.bytes;
        self.roots.extend(segment.roots);
        self.keys.extend([segment.start.epoch.key.clone(), segment.end.epoch.key.clone()]);
        self.keys.dedup();
        self.facts.join(segment.facts);
        self.end = Some(segment.end);
        Ok(())
    }

    fn begin(&mut self, segment: &Segment) -> Result<(), VerifyError> {
        self.stream = segment.start.stream.to_string();
        self.first = segment.start.size();
        self.first_epoch = segment.start.epoch.epoch;
        if segment.is_linked {
            return Ok(());
        }
        Err(VerifyError::Inconclusive(format!(
            "{}: the root key did not sign the certificate of this segment's key, only the epoch before it did; verify \
             the whole folder",
            segment.path.display()
        )))
    }

    /// The last file of a ledger may be one that a crash left without its first group.
    fn add_nothing(&mut self, path: &Path, bytes: u64, may_be: bool, found: &Found) -> Result<(), VerifyError> {
        if !may_be {
            return Err(VerifyError::Inconclusive(format!("no checkpoint in {}", path.display())));
        }
        if bytes > 0 && !found.is_in_use() {
            let what = format!("{bytes} bytes that no checkpoint covers, and no process is writing");
            self.doubt = Some(violation(path, 1, Finding::new(Fault::Unsigned, None, what)).into_doubt());
            return Ok(());
        }
        self.in_flight_bytes = bytes;
        Ok(())
    }

    /// What can be said when all segments fit together.
    fn check_rest(
        &self,
        path: &Path,
        found: &Found,
        anchors: &[&Anchor],
        end: &Chain,
        options: &VerifyOptions,
    ) -> Result<(), VerifyError> {
        self.check_holes(path, found.is_folder)?;
        for anchor in anchors {
            anchor.check(path, end, &self.roots, self.first, &self.keys)?;
        }
        check_wishes(path, end, &self.facts, options)
    }

    /// Every record without a body must be covered by an order.
    fn check_holes(&self, path: &Path, is_folder: bool) -> Result<(), VerifyError> {
        let mut authority = Authority::default();
        self.facts.orders.iter().for_each(|order| authority.add(order));
        let body = self.facts.holes.iter().find_map(|range| authority.first_body(*range));
        let field = self
            .facts
            .closed
            .iter()
            .find_map(|(name, ranges)| ranges.iter().find_map(|range| authority.first_field(name, *range)));
        let (seq, what) = match (body, field) {
            (Some(seq), _) => (seq, "the record's body is gone, and no order allows that"),
            (None, Some(seq)) => (seq, "a field of the record is gone, and no order allows that"),
            (None, None) => return Ok(()),
        };
        let found = violation(path, 0, Finding::new(Fault::UnauthorisedHole, seq, what));
        // The order may stand in a part that is not here.
        Err(if is_folder { found } else { found.into_doubt() })
    }
}

/// A folder must be complete, and its names are part of it.
fn check_place(segment: &Segment, named: Option<u64>, before: Option<&Chain>) -> Result<(), VerifyError> {
    let first = segment.start.size();
    let fail = |finding| Err(violation(&segment.path, 1, finding));
    if let Some(before) = before {
        check_continuity(before, &segment.start).or_else(fail)?;
    } else if named.is_some() && first > 0 {
        let what = format!("the folder begins with entry {first}: the segments before it are gone");
        return fail(Finding::new(Fault::Missing, 0, what));
    }
    match named {
        Some(name) if name != first => {
            let what = format!("the file is named {name}, but begins with entry {first}");
            fail(Finding::new(Fault::Modified, None, what))
        }
        _ => Ok(()),
    }
}

/// What the caller asked for, beyond integrity.
fn check_wishes(path: &Path, end: &Chain, facts: &Facts, options: &VerifyOptions) -> Result<(), VerifyError> {
    let fail = |fault, what| Err(violation(path, 0, Finding::new(fault, None, what)));
    let size = end.size();
    if let Some(expected) = options.expect_size.filter(|expected| *expected > size) {
        return fail(Fault::Truncated, format!("{size} entries, at least {expected} were expected"));
    }
    let age_seconds = unix_nanos().saturating_sub(end.sealed_at_ns) / 1_000_000_000;
    if let Some(limit) = options.max_age_seconds.filter(|limit| age_seconds > *limit) {
        let what = format!("the last signature is {age_seconds} s old, at most {limit} s were allowed");
        return fail(Fault::Stale, what).map_err(VerifyError::into_doubt);
    }
    if options.no_gaps && !facts.gaps.is_empty() {
        let records: u64 = facts.gaps.values().map(|gap| gap.records).sum();
        let what = format!("{}: the ledger declares gaps of {records} records, and none are accepted", path.display());
        return Err(VerifyError::Inconclusive(what));
    }
    Ok(())
}

fn report(path: &Path, whole: Whole, end: &Chain, (key, key_from): (VerifyingKey, super::KeyFrom)) -> LedgerReport {
    let facts = whole.facts;
    let (root_records, root_signed) = facts.root_signed.unwrap_or_default();
    LedgerReport {
        path: path.to_owned(),
        stream: whole.stream,
        first: whole.first,
        size: end.size(),
        records: facts.records,
        controls: facts.controls,
        segments: whole.segments,
        packed: whole.packed,
        checkpoints: facts.checkpoints,
        bytes: whole.bytes,
        in_flight_bytes: whole.in_flight_bytes,
        root: end.checkpoint().root,
        first_sealed_at_ns: facts.sealed_at_ns().0,
        last_sealed_at_ns: end.sealed_at_ns,
        epochs: (whole.first_epoch, end.epoch.epoch),
        root_signed,
        records_after_root: end.records - root_records.min(end.records),
        starts: facts.starts,
        unclean_starts: facts.unclean_starts,
        is_ended: facts.is_ended(),
        heartbeat_seconds: facts.heartbeat_seconds,
        silence_ns: facts.silence.0,
        silent_since_ns: facts.silence.1,
        bodies_locked: facts.locked,
        missing_key: facts.missing_key,
        bodies_gone: facts.holes.iter().map(|(first, last)| last - first + 1).sum(),
        fields_gone: facts.closed.values().flatten().map(|(first, last)| last - first + 1).sum(),
        gaps: facts.gaps,
        key,
        key_from,
    }
}
