//! The sealed ledger of a pipeline with what goes along: the newest requests as OTLP, and the sessions that are open.

use crate::ledger::{Control, Drafts, Ledger, LedgerError};
use crate::pipeline::chain::Processed;
use crate::pipeline::recent::Recent;
use crate::pipeline::sessions::Sessions;
use crate::stdx::segments::Position;

/// What the sequencer of a sealing pipeline writes to.
#[derive(Debug)]
pub(super) struct Sealer {
    pub(super) ledger: Ledger,
    /// Where an exporter wants OTLP.
    recent: Option<Recent>,
    sessions: Sessions,
}

impl Sealer {
    pub(super) fn new(ledger: Ledger, recent: Option<Recent>) -> Self {
        Self { ledger, recent, sessions: Sessions::default() }
    }

    /// Seals a group and waits for the disk, once.
    pub(super) fn append(&mut self, group: Vec<Processed>) -> Result<(), LedgerError> {
        let (drafts, requests): (Vec<Drafts>, Vec<_>) = group
            .into_iter()
            .filter_map(|one| match one {
                Processed::Drafts { drafts, otlp, marks, .. } => Some((drafts, (otlp, marks))),
                _ => None,
            })
            .unzip();
        let sealed = self.ledger.append(&drafts)?;
        let now_ns = self.ledger.now_ns();
        for ((otlp, marks), sealed) in requests.into_iter().zip(sealed) {
            let over = self.sessions.seal(marks, sealed.first, now_ns);
            self.seal_later(over);
            if let (Some(recent), Some(otlp)) = (self.recent.as_ref(), otlp) {
                recent.keep(otlp, sealed);
            }
        }
        Ok(())
    }

    /// Every exporter has passed what lies before `keep`.
    pub(super) fn pass(&mut self, keep: Position) {
        if let Some(recent) = &self.recent {
            recent.pass(keep);
        }
        self.ledger.close_behind(keep);
    }

    /// The manifests of sessions that are over go with the next group or heartbeat.
    pub(super) fn close_idle_sessions(&mut self) {
        let over = self.sessions.idle(self.ledger.now_ns());
        self.seal_later(over);
    }

    /// Does what commands ask of a running ledger. What cannot be done is said, and asked again.
    pub(super) fn serve_requests(&mut self) {
        if let Err(error) = self.ledger.serve_requests() {
            tracing::warn!(%error, "cannot read the requests to this ledger");
        }
    }

    /// Nothing more will come.
    pub(super) fn end(mut self) -> Result<(), LedgerError> {
        let open = self.sessions.end();
        self.seal_later(open);
        self.ledger.finish()
    }

    fn seal_later(&mut self, manifests: Vec<Control>) {
        manifests.into_iter().for_each(|manifest| self.ledger.seal_with_next(manifest));
    }
}
