//! When a delivery loop is to end: with telseal, or alone, because a reload takes its exporter away or puts another in its place.

use tokio::sync::watch;
use tokio::time::Instant;

/// What a loop looks at.
#[derive(Debug)]
pub struct Stop {
    shutdown: watch::Receiver<Option<Instant>>,
    leave: watch::Receiver<Option<Instant>>,
}

/// What a wait brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Begun {
    Shutdown,
    Leave,
    /// Whoever would have said so is gone.
    Nobody,
}

impl Stop {
    /// `shutdown` is set when telseal shuts down, to the moment at which the loop must end. `leave` is set when only this loop
    /// is to end, after the payload under way, to the moment at which that is given up.
    #[must_use]
    pub fn new(shutdown: watch::Receiver<Option<Instant>>, leave: watch::Receiver<Option<Instant>>) -> Self {
        Self { shutdown, leave }
    }

    /// True when no other payload is to be begun.
    pub(super) fn is_leaving(&self) -> bool {
        self.leave.borrow().is_some()
    }

    /// True when shutdown has begun.
    pub(super) fn is_shutdown(&self) -> bool {
        self.shutdown.borrow().is_some()
    }

    /// Resolves at the moment at which a call under way is given up.
    pub(super) async fn deadline(&mut self) {
        tokio::select! {
            () = reached(&mut self.shutdown) => {}
            () = reached_if_said(&mut self.leave) => {}
        }
    }

    /// Resolves when no other payload is to be begun: at once for a loop that leaves, at the deadline of shutdown.
    pub(super) async fn no_more(&mut self) {
        tokio::select! {
            () = reached(&mut self.shutdown) => {}
            () = said(&mut self.leave) => {}
        }
    }

    /// Resolves when one of the two begins.
    pub(super) async fn begun(&mut self) -> Begun {
        tokio::select! {
            begun = self.shutdown.wait_for(Option::is_some) => if begun.is_ok() { Begun::Shutdown } else { Begun::Nobody },
            () = said(&mut self.leave) => Begun::Leave,
        }
    }
}

/// At the moment that is said; at once, when nobody can say it any more.
async fn reached(when: &mut watch::Receiver<Option<Instant>>) {
    let at = match when.wait_for(Option::is_some).await {
        Ok(at) => *at,
        Err(_) => return,
    };
    if let Some(at) = at {
        tokio::time::sleep_until(at).await;
    }
}

/// When a moment is said; never, when nobody can say it any more.
async fn said(when: &mut watch::Receiver<Option<Instant>>) {
    if when.wait_for(Option::is_some).await.is_err() {
        std::future::pending::<()>().await;
    }
}

async fn reached_if_said(when: &mut watch::Receiver<Option<Instant>>) {
    said(when).await;
    reached(when).await;
}
