//! Checkpoints as ordinary records: every so often, and at the end of a run, a log record with the newest signed checkpoint
//! goes the way of all others. A copy in any destination then remembers how long the ledger was, as an anchor does.
//!
//! The record is sealed, and so covered by the next checkpoint; none follows where nothing else was sealed since the last one.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::ledger::Ledger;
use crate::otlp::json::to_protobuf;
use crate::otlp::sender::Sender;
use crate::otlp::{DecodeError, Signal};
use crate::pipeline::account::Account;
use crate::pipeline::chain::{Chain, Processed, Seal};
use crate::stdx::json::write_str;

/// The name of the event.
const EVENT: &str = "audit.checkpoint";

/// Makes the records of one pipeline.
pub(super) struct Checkpoints {
    every: Duration,
    due: Instant,
    /// How many records there were when the last one had been made, itself included.
    records: u64,
    chain: Chain,
    account: Arc<Account>,
}

impl fmt::Debug for Checkpoints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checkpoints")
            .field("every", &self.every)
            .field("records", &self.records)
            .finish_non_exhaustive()
    }
}

impl Checkpoints {
    /// One record each `every`. Where an exporter wants OTLP they are kept as that too.
    pub(super) fn new(every: Duration, ledger: &Ledger, keep_otlp: bool, account: Arc<Account>) -> Self {
        let chain = Chain::new(Signal::Logs, Vec::new(), Some(Seal { keep_otlp, ..Seal::default() }));
        Self { every, due: Instant::now() + every, records: ledger.records(), chain, account }
    }

    /// The next record, when it is time.
    pub(super) fn next(&mut self, ledger: &Ledger) -> Option<Processed> {
        if Instant::now() < self.due {
            return None;
        }
        self.due = Instant::now() + self.every;
        self.last(ledger)
    }

    /// The next record, if anything was sealed since the last one.
    pub(super) fn last(&mut self, ledger: &Ledger) -> Option<Processed> {
        if ledger.records() <= self.records || ledger.checkpoint().is_empty() {
            return None;
        }
        match self.record(ledger) {
            Ok(processed) => {
                self.records = ledger.records() + processed.records();
                Some(processed)
            }
            Err(error) => {
                tracing::error!(%error, "BUG: a checkpoint is no record");
                None
            }
        }
    }

    /// It is stored.
    pub(super) fn stored(&self, records: u64) {
        self.account.make(records);
    }

    fn record(&self, ledger: &Ledger) -> Result<Processed, DecodeError> {
        let request = to_protobuf(Signal::Logs, &request(ledger)).map_err(|_| DecodeError::Line("it is no OTLP"))?;
        Ok(self.chain.run(&Bytes::from(request), 1, &Sender::default(), &self.account)?.processed)
    }
}

/// The record as OTLP/JSON. The checkpoint itself is its body.
fn request(ledger: &Ledger) -> Vec<u8> {
    let mut out =
        br#"{"resourceLogs":[{"scopeLogs":[{"scope":{"name":"telseal"},"logRecords":[{"timeUnixNano":""#.to_vec();
    out.extend_from_slice(
        format!(r#"{}","severityNumber":9,"severityText":"INFO","eventName":"{EVENT}","#, ledger.now_ns()).as_bytes(),
    );
    out.extend_from_slice(br#""body":{"stringValue":"#);
    write_str(&mut out, ledger.checkpoint());
    out.extend_from_slice(br#"},"attributes":[{"key":"audit.checkpoint.size","value":{"intValue":""#);
    out.extend_from_slice(ledger.checkpoint().lines().nth(1).unwrap_or_default().as_bytes());
    out.extend_from_slice(br#""}},{"key":"audit.checkpoint.origin","value":{"stringValue":"#);
    write_str(&mut out, ledger.verifying_key().origin());
    out.extend_from_slice(br#"}},{"key":"audit.checkpoint.stream_id","value":{"stringValue":"#);
    write_str(&mut out, &ledger.stream().to_string());
    out.extend_from_slice(b"}}]}]}]}]}");
    out
}
