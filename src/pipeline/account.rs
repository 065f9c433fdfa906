//! The books of a pipeline: every record that came in, or was made here, is stored, dropped for a reason, refused, or still under way.
//!
//! The numbers are kept where the records pass and compared only when somebody asks, so a forgotten one shows as
//! `telseal_pipeline_unaccounted_records` that is not 0.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

use crate::ledger::Counters;

/// What happened to the records of one pipeline since the process started.
#[derive(Debug, Default)]
pub struct Account {
    pipeline: String,
    received: AtomicU64,
    under_way: AtomicU64,
    appended: AtomicU64,
    refused: AtomicU64,
    /// Made here: incidents.
    added: AtomicU64,
    /// By reason: the filter, a record too large to seal.
    dropped: Mutex<BTreeMap<&'static str, u64>>,
    changed: Mutex<BTreeMap<String, u64>>,
}

impl Account {
    /// Empty books for a pipeline.
    #[must_use]
    pub fn new(pipeline: &str) -> Self {
        Self { pipeline: pipeline.to_owned(), ..Self::default() }
    }

    /// Records came through the door. What becomes of them is said to the entry; one that is forgotten, because a
    /// processor panicked, counts as refused: its sender got no receipt.
    pub fn receive(&self, records: u64) -> UnderWay<'_> {
        self.received.fetch_add(records, Relaxed);
        self.under_way.fetch_add(records, Relaxed);
        UnderWay { account: self, records, appended: None }
    }

    /// Processors added records.
    pub fn add(&self, records: u64) {
        self.added.fetch_add(records, Relaxed);
    }

    /// Records were made and stored behind the door.
    pub fn make(&self, records: u64) {
        self.appended.fetch_add(records, Relaxed);
        self.added.fetch_add(records, Relaxed);
    }

    /// Records were taken out for a reason.
    pub fn drop_records(&self, reason: &'static str, records: u64) {
        *lock(&self.dropped).entry(reason).or_default() += records;
    }

    /// A processor changed records.
    pub fn change(&self, processor: &str, records: u64) {
        let mut changed = lock(&self.changed);
        match changed.get_mut(processor) {
            Some(count) => *count += records,
            None => drop(changed.insert(processor.to_owned(), records)),
        }
    }

    /// Records changed, by processor.
    #[must_use]
    pub fn changed(&self) -> BTreeMap<String, u64> {
        lock(&self.changed).clone()
    }

    /// Records received that are nowhere. 0, or a defect of ours; it may flicker while requests are under way.
    #[must_use]
    pub fn unaccounted(&self) -> i64 {
        let dropped: u64 = lock(&self.dropped).values().sum();
        let known = self.appended.load(Relaxed) + self.refused.load(Relaxed) + self.under_way.load(Relaxed) + dropped;
        (self.received.load(Relaxed) + self.added.load(Relaxed)).cast_signed() - known.cast_signed()
    }

    /// Records stored.
    #[must_use]
    pub fn appended(&self) -> u64 {
        self.appended.load(Relaxed)
    }

    /// Everything that a heartbeat tells.
    #[must_use]
    pub fn counters(&self) -> Counters {
        let dropped = lock(&self.dropped).iter().map(|(reason, records)| ((*reason).to_owned(), *records)).collect();
        Counters {
            received: self.received.load(Relaxed),
            sealed: self.appended.load(Relaxed),
            refused: self.refused.load(Relaxed),
            dropped,
        }
    }

    /// Writes the numbers to the metrics.
    #[expect(clippy::cast_precision_loss, reason = "a gauge is a double")]
    pub fn publish(&self) {
        let pipeline = || self.pipeline.clone();
        metrics::counter!("telseal_pipeline_received_records_total", "pipeline" => pipeline())
            .absolute(self.received.load(Relaxed));
        metrics::counter!("telseal_pipeline_appended_records_total", "pipeline" => pipeline())
            .absolute(self.appended.load(Relaxed));
        metrics::counter!("telseal_pipeline_added_records_total", "pipeline" => pipeline())
            .absolute(self.added.load(Relaxed));
        metrics::counter!("telseal_pipeline_refused_records_total", "pipeline" => pipeline())
            .absolute(self.refused.load(Relaxed));
        for (reason, records) in &*lock(&self.dropped) {
            metrics::counter!("telseal_pipeline_dropped_records_total", "pipeline" => pipeline(), "reason" => *reason)
                .absolute(*records);
        }
        for (processor, records) in &*lock(&self.changed) {
            metrics::counter!(
                "telseal_processor_changed_records_total", "pipeline" => pipeline(), "processor" => processor.clone()
            )
            .absolute(*records);
        }
        metrics::gauge!("telseal_pipeline_unaccounted_records", "pipeline" => pipeline())
            .set(self.unaccounted() as f64);
    }
}

/// Records between the door and the log.
#[derive(Debug)]
pub struct UnderWay<'a> {
    account: &'a Account,
    records: u64,
    appended: Option<u64>,
}

impl UnderWay<'_> {
    /// `appended` of them are stored. What is missing was noted by [`Account::drop_records`].
    pub fn settle(mut self, appended: u64) {
        self.appended = Some(appended);
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        match self.appended {
            Some(appended) => self.account.appended.fetch_add(appended, Relaxed),
            None => self.account.refused.fetch_add(self.records, Relaxed),
        };
        self.account.under_way.fetch_sub(self.records, Relaxed);
    }
}

/// The books of one exporter of one pipeline.
#[derive(Debug, Default)]
pub struct ExportAccount {
    pipeline: String,
    exporter: String,
    /// Records the destination confirmed.
    pub delivered: AtomicU64,
    /// Records the destination threw away from payloads it took (OTLP's `partial_success`). The exporter itself
    /// publishes them.
    pub rejected: AtomicU64,
    /// Exports that failed and were or will be tried again.
    pub retries: AtomicU64,
    /// Records put aside with their reason.
    pub dead_lettered: AtomicU64,
    /// Records this exporter is not to see (`min_risk`, `filter`).
    pub filtered: AtomicU64,
    /// Records given up because `hold_bytes_max` was reached and `when_full` is `drop_oldest`.
    pub overrun: AtomicU64,
    /// Records that could not be read back: damage on disk.
    pub damaged: AtomicU64,
    /// Records the cursor went past since the start, or will when the payload under way is done: the sum of all of the
    /// above that are records, or a defect of ours.
    pub passed: AtomicU64,
    /// Records stored and not yet delivered, when last asked.
    pub lag_records: AtomicU64,
    /// Their size as stored.
    pub lag_bytes: AtomicU64,
    /// True while the exporter waits for an operator: a credential or an address is wrong.
    pub paused: AtomicBool,
    /// True from a failed try to the next that works, so that an outage is said once.
    pub failing: AtomicBool,
}

impl ExportAccount {
    /// Empty books.
    #[must_use]
    pub fn new(pipeline: &str, exporter: &str) -> Self {
        Self { pipeline: pipeline.to_owned(), exporter: exporter.to_owned(), ..Self::default() }
    }

    /// The exporter's id.
    #[must_use]
    pub fn exporter(&self) -> &str {
        &self.exporter
    }

    /// Records the cursor went past that are nowhere. 0, or a defect of ours.
    #[must_use]
    pub fn unaccounted(&self) -> i64 {
        let fates =
            [&self.delivered, &self.rejected, &self.dead_lettered, &self.filtered, &self.overrun, &self.damaged];
        let known: u64 = fates.iter().map(|fate| fate.load(Relaxed)).sum();
        self.passed.load(Relaxed).cast_signed() - known.cast_signed()
    }

    /// Says a last time how it was, for an exporter that is taken away: nothing waits for it.
    pub fn retire(&self) {
        self.lag_records.store(0, Relaxed);
        self.lag_bytes.store(0, Relaxed);
        self.paused.store(false, Relaxed);
        self.publish();
    }

    /// Writes the numbers to the metrics.
    #[expect(clippy::cast_precision_loss, reason = "a gauge is a double")]
    pub fn publish(&self) {
        let labels = || [("pipeline", self.pipeline.clone()), ("exporter", self.exporter.clone())];
        let counter = |name, value: &AtomicU64| metrics::counter!(name, &labels()).absolute(value.load(Relaxed));
        counter("telseal_exporter_delivered_records_total", &self.delivered);
        counter("telseal_exporter_retries_total", &self.retries);
        counter("telseal_exporter_dead_lettered_records_total", &self.dead_lettered);
        counter("telseal_exporter_filtered_records_total", &self.filtered);
        counter("telseal_exporter_overrun_records_total", &self.overrun);
        counter("telseal_exporter_damaged_records_total", &self.damaged);
        let gauge = |name, value: f64| metrics::gauge!(name, &labels()).set(value);
        gauge("telseal_exporter_lag_records", self.lag_records.load(Relaxed) as f64);
        gauge("telseal_exporter_unaccounted_records", self.unaccounted() as f64);
        gauge("telseal_exporter_lag_bytes", self.lag_bytes.load(Relaxed) as f64);
        gauge("telseal_exporter_paused", f64::from(u8::from(self.paused.load(Relaxed))));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::Account;

    #[test]
    fn every_record_is_accounted_for_and_a_forgotten_one_shows() {
        let account = Account::new("logs");
        let entry = account.receive(10);
        assert_eq!(account.unaccounted(), 0);
        account.drop_records("filter", 3);
        entry.settle(7);
        assert_eq!(account.unaccounted(), 0);
        drop(account.receive(6));
        assert_eq!(account.unaccounted(), 0);
        account.receive(5).settle(4);
        assert_eq!(account.unaccounted(), 1);
    }
}
