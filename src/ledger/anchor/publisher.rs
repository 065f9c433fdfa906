//! Brings checkpoints to the anchors while the ledger is written: on a thread of its own, since a volume may hang, and no
//! sender shall wait for it. Newer checkpoints replace older ones that still wait: only the newest matters.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use super::{Anchor, Rollback};
use crate::ledger::control::Control;
use crate::ledger::entry::Kind;
use crate::ledger::hash::Hash;
use crate::ledger::note::{is_checkpoint, parse_checkpoint_line};
use crate::ledger::walk::{Folder, Item, SegmentReader, WalkError};
use crate::ledger::writer::LedgerError;
use crate::stdx::tasks;

/// How long the end of the ledger waits for the last checkpoint to arrive.
const LAST_WAIT: Duration = Duration::from_secs(5);

/// Where checkpoints are kept outside the ledger, and how often.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    /// Folders, best on other volumes.
    pub dirs: Vec<PathBuf>,
    /// The shortest time between two checkpoints in one folder.
    pub every: Duration,
    /// Go on although an anchor says that the ledger was set back; why.
    pub accept_rollback: Option<String>,
}

/// The anchors of one open ledger.
#[derive(Debug, Default)]
pub(in crate::ledger) struct Publisher {
    every_ns: u64,
    due_ns: u64,
    /// The newest checkpoint, while no anchor has it.
    waiting: Option<(String, u64)>,
    way: Option<SyncSender<(String, u64)>>,
    ended: Option<Receiver<()>>,
}

impl Publisher {
    /// Compares every anchor with the ledger of `size` entries in `dir`. What was accepted although it does not fit is
    /// given back as entries for the ledger.
    ///
    /// # Errors
    /// When an anchor cannot be read, or has a checkpoint that the ledger does not continue.
    pub(in crate::ledger) fn open(
        settings: &Settings,
        (dir, size): (&Path, u64),
        (pipeline, origin): (&str, &str),
    ) -> Result<(Self, Vec<Control>), LedgerError> {
        if settings.dirs.is_empty() {
            return Ok((Self::default(), Vec::new()));
        }
        let mut gaps = Vec::new();
        let mut anchors = Vec::new();
        for folder in &settings.dirs {
            let anchor = Anchor::open(folder, origin)?;
            match (anchor.guard(size, |size| root_at(dir, size)), &settings.accept_rollback) {
                (Ok(()), _) => {}
                (Err(rollback), Some(reason)) => gaps.push(gap(&rollback, size, reason)),
                (Err(rollback), None) => return Err(LedgerError::Rollback(rollback)),
            }
            anchors.push(anchor);
        }
        let every_ns = u64::try_from(settings.every.as_nanos()).unwrap_or(u64::MAX);
        let (way, checkpoints) = sync_channel(1);
        let (end, ended) = sync_channel(1);
        let pipeline = pipeline.to_owned();
        let work = move || {
            run(&pipeline, anchors, &checkpoints);
            let _ = end.send(());
        };
        tasks::thread("anchors", work).map_err(|error| LedgerError::NoThread(error.to_string()))?;
        Ok((Self { every_ns, due_ns: 0, waiting: None, way: Some(way), ended: Some(ended) }, gaps))
    }

    /// A group was committed: `written` ends with its checkpoint.
    pub(in crate::ledger) fn committed(&mut self, written: &[u8], now_ns: u64) {
        let Some(way) = &self.way else { return };
        let Some(note) = last_note(written) else { return };
        if now_ns < self.due_ns {
            self.waiting = Some((note, now_ns));
            return;
        }
        match way.try_send((note, now_ns)) {
            Ok(()) => (self.due_ns, self.waiting) = (now_ns.saturating_add(self.every_ns), None),
            Err(TrySendError::Full(late) | TrySendError::Disconnected(late)) => self.waiting = Some(late),
        }
    }
}

/// The last checkpoint of a run must not be missing.
impl Drop for Publisher {
    fn drop(&mut self) {
        if let (Some(way), Some(last)) = (self.way.take(), self.waiting.take()) {
            let _ = way.try_send(last);
        }
        if let Some(ended) = &self.ended {
            let _ = ended.recv_timeout(LAST_WAIT);
        }
    }
}

fn run(pipeline: &str, mut anchors: Vec<Anchor>, checkpoints: &Receiver<(String, u64)>) {
    let mut failing = vec![false; anchors.len()];
    while let Ok((note, now_ns)) = checkpoints.recv() {
        for (anchor, failing) in anchors.iter_mut().zip(&mut failing) {
            let published = anchor.publish(&note, now_ns);
            say(pipeline, anchor, failing, published);
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a gauge is a double")]
fn say(pipeline: &str, anchor: &Anchor, failing: &mut bool, published: Result<(), crate::stdx::durable::Error>) {
    let labels = [("pipeline", pipeline.to_owned()), ("anchor", anchor.dir.display().to_string())];
    match published {
        Ok(()) => {
            let size = anchor.last().map_or(0, |last| last.checkpoint.size);
            metrics::gauge!("telseal_ledger_anchored_entries", &labels).set(size as f64);
            *failing = false;
        }
        Err(error) => {
            metrics::counter!("telseal_ledger_anchor_failures_total", &labels).increment(1);
            if !std::mem::replace(failing, true) {
                tracing::error!(pipeline, %error, "cannot anchor the ledger's checkpoints; what is sealed now could be cut off unseen");
            }
        }
    }
}

fn gap(rollback: &Rollback, size: u64, reason: &str) -> Control {
    let anchored = match rollback {
        Rollback::Truncated { anchored, .. } => *anchored,
        Rollback::Forked { size, .. } => *size,
    };
    Control::new(Kind::Gap)
        .number("anchored", anchored)
        .text("cause", "rollback")
        .number("count", anchored.saturating_sub(size))
        .text("reason", reason)
}

fn last_note(written: &[u8]) -> Option<String> {
    let lines = written.strip_suffix(b"\n")?;
    let start = memchr::memrchr(b'\n', lines).map_or(0, |at| at + 1);
    let line = &lines[start..];
    if is_checkpoint(line) { parse_checkpoint_line(line) } else { None }
}

/// The root in the ledger's own checkpoint over `size` entries.
fn root_at(dir: &Path, size: u64) -> Option<Hash> {
    let read = || -> Result<Option<Hash>, WalkError> {
        let folder = Folder::find(dir)?;
        let Some(segment) = size.checked_sub(1).and_then(|last| folder.segment_of(last)) else { return Ok(None) };
        let mut lines = SegmentReader::open(&segment.path)?;
        while let Some(item) = lines.next_item()? {
            if let Item::Checkpoint(note) = item
                && let Some(found) = super::Anchored::parse(&note)
                && found.checkpoint.size == size
            {
                return Ok(Some(found.checkpoint.root));
            }
        }
        Ok(None)
    };
    read().ok().flatten()
}
