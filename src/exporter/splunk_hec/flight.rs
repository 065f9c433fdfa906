//! One payload on its way: what is still to be sent, what waits for its acknowledgement, what was refused.
//!
//! It is kept between two tries of the same payload, so that only what was not confirmed is sent again.

use std::collections::{BTreeSet, VecDeque};
use std::fmt;

use tokio::time::Instant;

use crate::exporter::splunk_hec::encode::Encoded;
use crate::exporter::splunk_hec::parts::Part;
use crate::exporter::{ExportError, Payload, Refusal};

/// How many unfinished payloads are remembered: one for each pipeline that names the exporter, and some to spare.
const KEPT_MAX: usize = 16;

/// See the module.
pub(super) struct Flight {
    payload: Payload,
    pub(super) todo: VecDeque<Part>,
    pub(super) waiting: Vec<Waiting>,
    pub(super) unsent_records: u64,
    refused: Vec<Refusal>,
    /// Something of it is confirmed, refused or under way: it can no longer be refused as a whole.
    touched: bool,
}

/// A request that was taken and not acknowledged yet.
pub(super) struct Waiting {
    pub(super) part: Part,
    /// The endpoint.
    pub(super) at: usize,
    pub(super) channel: String,
    pub(super) ack_id: u64,
    pub(super) since: Instant,
}

/// Without the data.
impl fmt::Debug for Flight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flight")
            .field("todo", &self.todo.len())
            .field("waiting", &self.waiting.len())
            .finish_non_exhaustive()
    }
}

impl Flight {
    /// A payload of which nothing was sent yet.
    pub(super) fn new(payload: &Payload, encoded: Encoded) -> Self {
        let Encoded { parts, refused, unsent_records } = encoded;
        let touched = parts.len() > 1 || !refused.is_empty();
        let (payload, todo) = (payload.clone(), parts.into());
        Self { payload, todo, waiting: Vec::new(), unsent_records, refused, touched }
    }

    /// True when all of it can still be refused as one.
    pub(super) fn is_whole(&self) -> bool {
        !self.touched
    }

    /// Part of it met its fate.
    pub(super) fn touch(&mut self) {
        self.touched = true;
    }

    /// These records will never be taken.
    pub(super) fn refuse(&mut self, part: Part, cause: &str) {
        self.touched = true;
        let records = part.into_records();
        match self.refused.iter_mut().find(|refusal| refusal.cause == cause) {
            Some(known) => known.records.extend(records),
            None => self.refused.push(Refusal { records, cause: cause.to_owned() }),
        }
    }

    /// All of it met its fate.
    pub(super) fn result(self) -> Result<(), ExportError> {
        let mut seen = BTreeSet::new();
        let mut refused = self.refused;
        for refusal in &mut refused {
            // A data point may be several events.
            refusal.records.retain(|record| seen.insert(*record));
            refusal.records.sort_unstable();
        }
        refused.retain(|refusal| !refusal.records.is_empty());
        if refused.is_empty() { Ok(()) } else { Err(ExportError::Partial { refused }) }
    }
}

/// Payloads that will be tried again.
#[derive(Debug, Default)]
pub(super) struct Flights(Vec<Flight>);

impl Flights {
    /// What is left of this very payload.
    pub(super) fn take(&mut self, payload: &Payload) -> Option<Flight> {
        let place = self.0.iter().position(|flight| flight.payload.is_same(payload))?;
        Some(self.0.remove(place))
    }

    /// Keeps it for the next try. The oldest is forgotten when there are too many, and would then be sent as a whole.
    pub(super) fn keep(&mut self, flight: Flight) {
        if self.0.len() == KEPT_MAX {
            self.0.remove(0);
        }
        self.0.push(flight);
    }
}
