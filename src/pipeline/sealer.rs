//! The sealed ledger of a pipeline with what goes along: the newest requests as OTLP, and the sessions that are open.

use std::time::Instant;

use bytes::Bytes;

use crate::ledger::retain::Job;
use crate::ledger::{Control, Drafts, Ledger, LedgerError, Sealed};
use crate::pipeline::chain::Processed;
use crate::pipeline::checkpoints::Checkpoints;
use crate::pipeline::lull::Lull;
use crate::pipeline::recent::Recent;
use crate::pipeline::sessions::{Marks, Sessions};
use crate::stdx::segments::Position;

/// What the sequencer of a sealing pipeline writes to.
#[derive(Debug)]
pub(super) struct Sealer {
    pub(super) ledger: Ledger,
    /// Empty where no exporter wants OTLP.
    recent: Recent,
    sessions: Sessions,
    retention: Option<Job>,
    checkpoints: Option<Checkpoints>,
    /// Where the slowest exporter was when somebody looked last.
    keep: Position,
    lull: Lull,
}

/// Closed segments wait for a moment of rest, but not more of them than this: 1 GiB.
const UNPACKED_BYTES_MAX: u64 = 1 << 30;

impl Sealer {
    pub(super) fn new(ledger: Ledger, recent: Recent, checkpoints: Option<Checkpoints>) -> Self {
        let retention = ledger.retention().cloned().map(Job::new);
        Self {
            ledger,
            recent,
            sessions: Sessions::default(),
            retention,
            checkpoints,
            keep: Position::default(),
            lull: Lull::new(Instant::now()),
        }
    }

    /// Seals a group, and behind it a checkpoint that is due as a record; waits for the disk once.
    pub(super) fn append(&mut self, mut group: Vec<Processed>) -> Result<(), LedgerError> {
        let checkpoint = self.due_checkpoint();
        let made = checkpoint.as_ref().map_or(0, Processed::records);
        group.extend(checkpoint);
        self.seal_with(group, made)
    }

    fn due_checkpoint(&mut self) -> Option<Processed> {
        self.checkpoints.as_mut()?.next(&self.ledger)
    }

    /// Seals a group of which so many records were made here.
    fn seal_with(&mut self, group: Vec<Processed>, made: u64) -> Result<(), LedgerError> {
        self.seal_group(group)?;
        if let Some(checkpoints) = &self.checkpoints {
            checkpoints.stored(made);
        }
        Ok(())
    }

    fn seal_group(&mut self, group: Vec<Processed>) -> Result<(), LedgerError> {
        let (drafts, requests): (Vec<Drafts>, Vec<_>) = group
            .into_iter()
            .filter_map(|one| match one {
                Processed::Drafts { drafts, otlp, marks, .. } => Some((drafts, (otlp, marks))),
                _ => None,
            })
            .unzip();
        let (recent, begin) = (&self.recent, self.ledger.end());
        // Exporters are woken after this: they shall find the requests here, and not have to read the ledger.
        let keep = |((otlp, marks), sealed): ((Option<Bytes>, Marks), Sealed)| {
            let first = sealed.first;
            if let Some(otlp) = otlp {
                recent.keep(otlp, sealed);
            }
            (marks, first)
        };
        let marks: Vec<_> =
            self.ledger.append_then(&drafts, |sealed| requests.into_iter().zip(sealed).map(keep).collect())?;
        self.lull.wrote(bytes_between(begin, self.ledger.end()), Instant::now());
        let now_ns = self.ledger.now_ns();
        for (marks, first) in marks {
            let over = self.sessions.seal(&marks, first, now_ns);
            self.seal_later(over);
        }
        Ok(())
    }

    /// Every exporter has passed what lies before `keep`.
    pub(super) fn pass(&mut self, keep: Position) {
        self.recent.pass(keep);
        self.keep = keep;
        if self.lull.is_on(Instant::now()) || self.ledger.unpacked_bytes() > UNPACKED_BYTES_MAX {
            self.ledger.close_behind(keep);
        }
    }

    /// The manifests of sessions that are over go with the next group or heartbeat.
    pub(super) fn close_idle_sessions(&mut self) {
        let over = self.sessions.idle(self.ledger.now_ns());
        self.seal_later(over);
    }

    /// Does what commands ask of a running ledger (what cannot be done is said, and asked again), and goes on with retention.
    pub(super) fn serve(&mut self) {
        if let Some(job) = &mut self.retention {
            job.step(&mut self.ledger, self.keep);
        }
        if let Err(error) = self.ledger.serve_requests() {
            tracing::warn!(%error, "cannot read the requests to this ledger");
        }
        if let Some(checkpoint) = self.due_checkpoint() {
            let made = checkpoint.records();
            if let Err(error) = self.seal_with(vec![checkpoint], made) {
                tracing::warn!(%error, "cannot seal the checkpoint that is due as a record");
            }
        }
    }

    /// Nothing more will come.
    pub(super) fn end(mut self) -> Result<(), LedgerError> {
        // Its thread must not work in the folder after the end.
        self.retention = None;
        let open = self.sessions.end();
        self.seal_later(open);
        if let Some(last) = self.checkpoints.as_mut().and_then(|checkpoints| checkpoints.last(&self.ledger)) {
            let made = last.records();
            self.seal_with(vec![last], made)?;
        }
        self.ledger.finish()
    }

    fn seal_later(&mut self, manifests: Vec<Control>) {
        manifests.into_iter().for_each(|manifest| self.ledger.seal_with_next(manifest));
    }
}

/// How much a group wrote: of one that began a segment, what lies in that one.
fn bytes_between(begin: Position, end: Position) -> u64 {
    end.offset - if begin.segment == end.segment { begin.offset } else { 0 }
}
