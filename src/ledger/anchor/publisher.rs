//! Brings checkpoints to the anchors while the ledger is written: on threads of their own, since a volume or a witness may
//! hang, and no sender shall wait for it. Newer checkpoints replace older ones that still wait: only the newest matters.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use super::{Anchor, Rollback, cosigner};
use crate::ledger::control::Control;
use crate::ledger::entry::Kind;
use crate::ledger::hash::Hash;
use crate::ledger::note::{VerifyingKey, is_checkpoint, parse_checkpoint_line};
use crate::ledger::walk::{Folder, Item, WalkError};
use crate::ledger::witness::Peer;
use crate::ledger::writer::LedgerError;
use crate::stdx::tasks;

/// How long the end of the ledger waits for the last checkpoint to arrive.
const LAST_WAIT: Duration = Duration::from_secs(5);

/// Where checkpoints are kept outside the ledger, and how often.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    /// Folders, best on other volumes.
    pub dirs: Vec<PathBuf>,
    /// Witnesses that cosign.
    pub witnesses: Vec<Peer>,
    /// The shortest time between two checkpoints in one folder, or for one witness.
    pub every: Duration,
    /// Go on although an anchor says that the ledger was set back; why.
    pub accept_rollback: Option<String>,
}

/// The anchors of one open ledger.
#[derive(Debug, Default)]
pub(in crate::ledger) struct Publisher {
    every_ns: u64,
    lanes: Vec<Lane>,
}

/// The way to a thread that brings checkpoints somewhere.
#[derive(Debug)]
pub(super) struct Lane {
    /// Witnesses take what the root key signed, folders take all.
    for_witness: bool,
    due_ns: u64,
    /// The newest checkpoint, while no anchor has it.
    waiting: Option<(String, u64)>,
    way: Option<SyncSender<(String, u64)>>,
    ended: Receiver<()>,
    is_warned: bool,
}

impl Publisher {
    /// Compares every anchor with the ledger of `size` entries in `dir`. What was accepted although it does not fit is
    /// given back as entries for the ledger. Waits at most [`cosigner::GUARD_WAIT`] for a witness.
    ///
    /// # Errors
    /// When an anchor cannot be read, or has a checkpoint that the ledger does not continue.
    pub(in crate::ledger) fn open(
        settings: &Settings,
        (dir, size): (&Path, u64),
        (pipeline, root): (&str, &VerifyingKey),
    ) -> Result<(Self, Vec<Control>), LedgerError> {
        let mut gaps = Vec::new();
        let mut judge = |found: Result<(), Rollback>| match (found, &settings.accept_rollback) {
            (Ok(()), _) => Ok(()),
            (Err(rollback), Some(reason)) => {
                gaps.push(gap(&rollback, size, reason));
                Ok(())
            }
            (Err(rollback), None) => Err(LedgerError::Rollback(rollback)),
        };
        let mut anchors = Vec::new();
        for folder in &settings.dirs {
            let anchor = Anchor::open(folder, root.origin())?;
            judge(anchor.guard(size, |size| root_at(dir, size)))?;
            anchors.push(anchor);
        }
        let mut lanes = Vec::new();
        if !anchors.is_empty() {
            let pipeline = pipeline.to_owned();
            lanes.push(Lane::start("anchors", false, move |notes| run(&pipeline, anchors, &notes))?);
        }
        for (lane, found) in cosigner::start(&settings.witnesses, (dir, size), (pipeline, root))? {
            judge(found)?;
            lanes.push(lane);
        }
        let every_ns = u64::try_from(settings.every.as_nanos()).unwrap_or(u64::MAX);
        Ok((Self { every_ns, lanes }, gaps))
    }

    /// True when a witness is due a checkpoint, which the root key must sign.
    pub(in crate::ledger) fn wants_root(&self, now_ns: u64) -> bool {
        self.lanes.iter().any(|lane| lane.for_witness && now_ns >= lane.due_ns)
    }

    /// A group was committed: `written` ends with its checkpoint.
    pub(in crate::ledger) fn committed(&mut self, written: &[u8], now_ns: u64) {
        if self.lanes.is_empty() {
            return;
        }
        let Some(note) = last_note(written) else { return };
        let is_root_signed = note.matches("\n— ").count() > 1;
        for lane in &mut self.lanes {
            if is_root_signed || !lane.for_witness {
                lane.offer(note.clone(), now_ns, self.every_ns);
            } else if now_ns >= lane.due_ns {
                lane.lacks_root(now_ns.saturating_add(self.every_ns));
            }
        }
    }
}

impl Lane {
    /// Starts a thread that does `work` with what it is sent.
    pub(super) fn start(
        name: &str,
        for_witness: bool,
        work: impl FnOnce(Receiver<(String, u64)>) + Send + 'static,
    ) -> Result<Self, LedgerError> {
        let (way, checkpoints) = sync_channel(1);
        let (end, ended) = sync_channel(1);
        let body = move || {
            work(checkpoints);
            let _ = end.send(());
        };
        tasks::thread(name, body).map_err(|error| LedgerError::NoThread(error.to_string()))?;
        Ok(Self { for_witness, due_ns: 0, waiting: None, way: Some(way), ended, is_warned: false })
    }

    fn offer(&mut self, note: String, now_ns: u64, every_ns: u64) {
        let Some(way) = &self.way else { return };
        if now_ns < self.due_ns {
            self.waiting = Some((note, now_ns));
            return;
        }
        let due_ns = now_ns.saturating_add(every_ns);
        match way.try_send((note, now_ns)) {
            Ok(()) => (self.due_ns, self.waiting) = (due_ns, None),
            Err(TrySendError::Full(late) | TrySendError::Disconnected(late)) => {
                self.waiting = Some(late);
                // A witness that hangs must not have the root key sign every group.
                self.due_ns = if self.for_witness { due_ns } else { self.due_ns };
            }
        }
    }

    fn lacks_root(&mut self, due_ns: u64) {
        self.due_ns = due_ns;
        if !std::mem::replace(&mut self.is_warned, true) {
            tracing::warn!("the root key is not at hand: no checkpoint can be cosigned by a witness");
        }
    }
}

/// The last checkpoint of a run must not be missing.
impl Drop for Publisher {
    fn drop(&mut self) {
        for lane in &mut self.lanes {
            if let (Some(way), Some(last)) = (lane.way.take(), lane.waiting.take()) {
                let _ = way.try_send(last);
            }
        }
        for lane in &self.lanes {
            let _ = lane.ended.recv_timeout(LAST_WAIT);
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
        let mut lines = folder.open(&segment.path)?;
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
