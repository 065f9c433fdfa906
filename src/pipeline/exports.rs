//! The exporters of a pipeline: each with its books, its cursor and, while it is attached, its delivery loop.
//!
//! A loop can be ended and another begun in its place while the pipeline works: the cursor stays, and holds the log, until
//! [`Exports::release`] says that nobody will go on from there.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::pipeline::account::ExportAccount;
use crate::pipeline::cursor::{Cursors, Place};
use crate::stdx::segments::{CursorFile, Position};
use crate::stdx::tasks::Tasks;

/// All exporters that a pipeline has, or had since it was opened.
#[derive(Debug, Default)]
pub(super) struct Exports(Mutex<Vec<Export>>);

#[derive(Debug)]
struct Export {
    account: Arc<ExportAccount>,
    index: usize,
    began: Position,
    file: Option<CursorFile>,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Its place is taken, so that the log waits for it.
    Waiting(Position),
    Attached(Loop),
    /// The log does not wait for it any more; it was here.
    Away(Position),
}

#[derive(Debug)]
struct Loop {
    task: Tasks,
    leave: watch::Sender<Option<Instant>>,
}

/// What a new loop begins with.
pub(super) struct Seat {
    pub(super) account: Arc<ExportAccount>,
    pub(super) place: Place,
}

impl Exports {
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Export>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with<T>(&self, exporter: &str, act: impl FnOnce(&mut Export) -> T) -> Option<T> {
        self.lock().iter_mut().find(|export| export.account.exporter() == exporter).map(act)
    }

    /// True when it is, or was, one of the pipeline's exporters.
    pub(super) fn knows(&self, exporter: &str) -> bool {
        self.with(exporter, |_| ()).is_some()
    }

    /// Adds an exporter whose loop will begin at `position`.
    pub(super) fn add(&self, account: ExportAccount, cursors: &Cursors, position: Position, file: Option<CursorFile>) {
        let (index, state) = (cursors.add(position), State::Waiting(position));
        self.lock().push(Export { account: Arc::new(account), index, began: position, file, state });
    }

    /// Has the log wait again for an exporter that was taken away.
    pub(super) fn wait_again(&self, exporter: &str, cursors: &Cursors) {
        self.with(exporter, |export| {
            if let State::Away(position) = export.state {
                export.place(cursors, position);
                export.state = State::Waiting(position);
            }
        });
    }

    /// What a new loop of an exporter begins with; nothing while another runs.
    pub(super) fn seat(&self, exporter: &str, cursors: &Cursors) -> Option<Seat> {
        self.with(exporter, |export| {
            let State::Waiting(position) = export.state else { return None };
            Some(Seat { account: export.account.clone(), place: export.place(cursors, position) })
        })?
    }

    /// A loop runs from here on, until `leave` says otherwise.
    pub(super) fn attached(&self, exporter: &str, task: Tasks, leave: watch::Sender<Option<Instant>>) {
        self.with(exporter, |export| export.state = State::Attached(Loop { task, leave }));
    }

    /// Ends the loop of an exporter after the payload under way, or after `grace`. The log goes on waiting for it.
    pub(super) async fn detach(&self, exporter: &str, cursors: &Cursors, grace: Duration) {
        let taken = self.with(exporter, |export| {
            let position = cursors.at(export.index).unwrap_or_default();
            match std::mem::replace(&mut export.state, State::Waiting(position)) {
                State::Attached(running) => Some((export.index, running)),
                other => {
                    export.state = other;
                    None
                }
            }
        });
        let Some((index, Loop { mut task, leave })) = taken.flatten() else { return };
        leave.send_replace(Some(Instant::now() + grace));
        // A moment more to write the cursor down.
        if task.join(grace + Duration::from_secs(1)).await > 0 {
            tracing::warn!(exporter, "its delivery loop does not end and is cut off");
        }
        drop(task);
        let position = cursors.at(index).unwrap_or_default();
        self.with(exporter, |export| export.state = State::Waiting(position));
    }

    /// The log no longer waits for an exporter without a loop.
    pub(super) fn release(&self, exporter: &str, cursors: &Cursors) {
        self.with(exporter, |export| {
            if matches!(export.state, State::Waiting(_)) {
                export.state = State::Away(cursors.remove(export.index).unwrap_or_default());
                export.account.retire();
            }
        });
    }

    /// The books of those that are attached, with the numbers of their cursors.
    pub(super) fn accounts(&self) -> Vec<(usize, Arc<ExportAccount>)> {
        let is_there = |export: &&Export| !matches!(export.state, State::Away(_));
        self.lock().iter().filter(is_there).map(|export| (export.index, export.account.clone())).collect()
    }

    /// Waits for all loops until `deadline`, and cuts off the others.
    pub(super) async fn join(&self, deadline: Instant) {
        let loops: Vec<Loop> = {
            let mut exports = self.lock();
            let running = exports.iter_mut().filter(|export| matches!(export.state, State::Attached(_)));
            let end =
                |export: &mut Export| match std::mem::replace(&mut export.state, State::Waiting(Position::default())) {
                    State::Attached(running) => Some(running),
                    _ => None,
                };
            running.filter_map(end).collect()
        };
        for Loop { mut task, leave } in loops {
            task.join(deadline.saturating_duration_since(Instant::now())).await;
            drop(leave);
        }
    }
}

impl Export {
    fn place(&self, cursors: &Cursors, position: Position) -> Place {
        Place::new(
            cursors.clone(),
            self.index,
            position,
            (self.began, self.account.passed.load(Relaxed)),
            self.file.clone(),
        )
    }
}
