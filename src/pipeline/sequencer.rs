//! The one thread a pipeline on disk: it decides the order, appends, waits for the disk once a group, and only then
//! wakes the senders of the group.
//!
//! What a crash means at each step:
//! - before the write: nothing of the group exists, no sender was told otherwise;
//! - during the write: the torn end is cut off at the next start, no sender was told otherwise;
//! - after the write, before `fsync` returned: the group may or may not be there, its senders come again: duplicates;
//! - after that: the group is there.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use crate::ledger::Applied;
use crate::pipeline::Refused;
use crate::pipeline::account::Account;
use crate::pipeline::chain::Processed;
use crate::pipeline::cursor::Cursors;
use crate::pipeline::store::Writer;
use crate::pipeline::ticks::Ticks;
use crate::stdx::tasks::{self, Received, TimedReceiver};

/// Requests waiting for the sequencer, at most; more are refused, which is the same as a full budget.
const WAITING_MAX: usize = 1024;
/// A group is closed at this size even when more requests wait: it bounds how long the first one waits.
const GROUP_BYTES_MAX: usize = 8 << 20;
/// How long senders are asked to wait after a write failed.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// What one request wants stored.
struct Append {
    processed: Processed,
    done: oneshot::Sender<Result<(), Refused>>,
}

/// Another configuration is to be in force.
struct Configure {
    applied: Applied,
    done: oneshot::Sender<Result<(), String>>,
}

enum Message {
    Append(Append),
    /// Records were dropped: a ledger says so within a second.
    Dropped,
    Configure(Configure),
}

/// The way to the sequencer. When all clones are gone it commits the last group and ends.
#[derive(Clone)]
pub(super) struct Sequencer {
    sender: mpsc::Sender<Message>,
    /// The thread knows that there are drops to tell.
    knows_drops: Arc<AtomicBool>,
}

impl Sequencer {
    /// Starts the thread. It trims what all `cursors` have passed.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(super) fn start(
        pipeline: &str,
        writer: Writer,
        cursors: Cursors,
        account: Arc<Account>,
    ) -> std::io::Result<Self> {
        let (sender, receiver) = mpsc::channel(WAITING_MAX);
        let waiting = TimedReceiver::new(receiver)?;
        let pipeline: Arc<str> = pipeline.into();
        let knows_drops = Arc::new(AtomicBool::new(false));
        let ticks = Ticks::new(&writer, account, knows_drops.clone());
        tasks::thread(&format!("seq-{pipeline}"), move || run(&pipeline, writer, &cursors, waiting, ticks))?;
        Ok(Self { sender, knows_drops })
    }

    /// Says that records were dropped on their way. When the channel is full the next drop tells as well.
    pub(super) fn note_drop(&self) {
        if !self.knows_drops.swap(true, Relaxed) && self.sender.try_send(Message::Dropped).is_err() {
            self.knows_drops.store(false, Relaxed);
        }
    }

    /// Has the ledger say that another configuration is in force; resolves when that is on disk. What is appended afterwards
    /// stands behind it.
    ///
    /// # Errors
    /// When it could not be written.
    pub(super) async fn configure(&self, applied: Applied) -> Result<(), String> {
        let (done, answer) = oneshot::channel();
        let ended = || "the sequencer has ended".to_owned();
        self.sender.send(Message::Configure(Configure { applied, done })).await.map_err(|_| ended())?;
        answer.await.unwrap_or_else(|_| Err(ended()))
    }

    /// Stores what one request left; resolves when it is on disk.
    ///
    /// # Errors
    /// When it could not be written: nothing of it is stored.
    pub(super) async fn append(&self, processed: Processed) -> Result<(), Refused> {
        let (done, answer) = oneshot::channel();
        self.sender.try_send(Message::Append(Append { processed, done })).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => full(format!("{WAITING_MAX} requests wait for the disk")),
            mpsc::error::TrySendError::Closed(_) => Refused::Closed,
        })?;
        answer.await.unwrap_or(Err(Refused::Closed))
    }
}

fn full(reason: String) -> Refused {
    Refused::Full { retry_after: RETRY_AFTER, reason }
}

/// Without its thread a pipeline on disk refuses everything until the next start. Somebody must know.
struct Alarm<'a>(&'a str);

impl Drop for Alarm<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            tracing::error!(pipeline = self.0, "BUG: the sequencer died; every record is refused, restart telseal");
        }
    }
}

fn run(pipeline: &str, mut writer: Writer, cursors: &Cursors, mut waiting: TimedReceiver<Message>, mut ticks: Ticks) {
    let _alarm = Alarm(pipeline);
    let mut failing = false;
    loop {
        let first = match waiting.recv_timeout(ticks.rest()) {
            Received::Message(Message::Append(first)) => first,
            Received::Message(Message::Dropped) => {
                ticks.dropped();
                continue;
            }
            Received::Message(Message::Configure(configure)) => {
                configure.carry_out(&mut writer);
                continue;
            }
            Received::TimedOut => {
                ticks.tick(&mut writer);
                writer.trim(cursors, failing);
                continue;
            }
            Received::Closed => break,
        };
        let Group { processed, senders, has_drops, configure } = gather(first, &mut waiting);
        let written = writer.append(processed);
        if written.is_err() != failing {
            failing = written.is_err();
            match &written {
                Err(error) => tracing::error!(pipeline, %error, "cannot store records, senders are asked to wait"),
                Ok(()) => tracing::info!(pipeline, "records are stored again"),
            }
        }
        let answer = written.map_err(|error| full(error.to_string()));
        for sender in senders {
            let _ = sender.send(answer.clone());
        }
        configure.into_iter().for_each(|configure| configure.carry_out(&mut writer));
        ticks.after_group(&mut writer, answer.is_ok(), has_drops);
        writer.trim(cursors, failing);
    }
    ticks.end(&mut writer);
    if let Err(error) = writer.end() {
        tracing::warn!(pipeline, %error, "cannot seal the orderly end; the next start will say so");
    }
}

/// Requests that are stored together.
struct Group {
    processed: Vec<Processed>,
    senders: Vec<oneshot::Sender<Result<(), Refused>>>,
    has_drops: bool,
    configure: Vec<Configure>,
}

impl Configure {
    fn carry_out(self, writer: &mut Writer) {
        let sealer = writer.sealer();
        let written = sealer.map_or(Ok(()), |sealer| sealer.ledger.configure(self.applied));
        let _ = self.done.send(written.map_err(|error| error.to_string()));
    }
}

/// The first request and all that wait behind it, up to the size of a group.
fn gather(first: Append, waiting: &mut TimedReceiver<Message>) -> Group {
    let mut bytes = first.processed.bytes_len();
    let mut group =
        Group { processed: vec![first.processed], senders: vec![first.done], has_drops: false, configure: Vec::new() };
    while bytes < GROUP_BYTES_MAX
        && let Some(next) = waiting.try_recv()
    {
        let next = match next {
            Message::Append(next) => next,
            Message::Dropped => {
                group.has_drops = true;
                continue;
            }
            Message::Configure(configure) => {
                group.configure.push(configure);
                continue;
            }
        };
        bytes += next.processed.bytes_len();
        group.processed.push(next.processed);
        group.senders.push(next.done);
    }
    group
}
