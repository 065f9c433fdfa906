//! The one thread a pipeline on disk: it decides the order, appends, waits for the disk once a group, and only then
//! wakes the senders of the group.
//!
//! What a crash means at each step:
//! - before the write: nothing of the group exists, no sender was told otherwise;
//! - during the write: the torn end is cut off at the next start, no sender was told otherwise;
//! - after the write, before `fsync` returned: the group may or may not be there, its senders come again: duplicates;
//! - after that: the group is there.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use crate::pipeline::Refused;
use crate::pipeline::chain::Processed;
use crate::pipeline::cursor::Cursors;
use crate::pipeline::store::Writer;
use crate::stdx::tasks;

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

/// The way to the sequencer. When all clones are gone it commits the last group and ends.
#[derive(Clone)]
pub(super) struct Sequencer(mpsc::Sender<Append>);

impl Sequencer {
    /// Starts the thread. It trims what all `cursors` have passed.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(super) fn start(pipeline: &str, writer: Writer, cursors: Cursors) -> std::io::Result<Self> {
        let (sender, receiver) = mpsc::channel(WAITING_MAX);
        let pipeline: Arc<str> = pipeline.into();
        tasks::thread(&format!("seq-{pipeline}"), move || run(&pipeline, writer, &cursors, receiver))?;
        Ok(Self(sender))
    }

    /// Stores what one request left; resolves when it is on disk.
    ///
    /// # Errors
    /// When it could not be written: nothing of it is stored.
    pub(super) async fn append(&self, processed: Processed) -> Result<(), Refused> {
        let (done, answer) = oneshot::channel();
        self.0.try_send(Append { processed, done }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => full(format!("{WAITING_MAX} requests wait for the disk")),
            mpsc::error::TrySendError::Closed(_) => Refused::Closed,
        })?;
        answer.await.unwrap_or(Err(Refused::Closed))
    }
}

fn full(reason: String) -> Refused {
    Refused::Full { retry_after: RETRY_AFTER, reason }
}

fn run(pipeline: &str, mut writer: Writer, cursors: &Cursors, mut waiting: mpsc::Receiver<Append>) {
    let mut failing = false;
    while let Some(first) = waiting.blocking_recv() {
        let (group, senders) = gather(first, &mut waiting);
        let written = writer.append(group);
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
        writer.trim(cursors, failing);
    }
}

/// The first request and all that wait behind it, up to the size of a group.
fn gather(
    first: Append,
    waiting: &mut mpsc::Receiver<Append>,
) -> (Vec<Processed>, Vec<oneshot::Sender<Result<(), Refused>>>) {
    let mut bytes = first.processed.bytes_len();
    let (mut group, mut senders) = (vec![first.processed], vec![first.done]);
    while bytes < GROUP_BYTES_MAX
        && let Ok(next) = waiting.try_recv()
    {
        bytes += next.processed.bytes_len();
        group.push(next.processed);
        senders.push(next.done);
    }
    (group, senders)
}
