//! A pipeline at work: its door, its log, its exporters' loops.

use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use thiserror::Error;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::exporter::{Exporter, Log};
use crate::otlp::Signal;
use crate::pipeline::account::{Account, ExportAccount};
use crate::pipeline::chain::{Chain, Ran};
use crate::pipeline::cursor::{Cursors, Place};
use crate::pipeline::delivery::{self, Delivery, Rolling};
use crate::pipeline::rejected::Rejected;
use crate::pipeline::store::{self, Reader, Store};
use crate::pipeline::{Intake, Receipt, Refused, Request, Submit, Submitting};
use crate::stdx::segments::{Cursor, CursorFile};
use crate::stdx::tasks::Tasks;

/// How long senders are asked to wait when exporters are too far behind.
pub(super) const RETRY_AFTER: Duration = Duration::from_secs(5);

/// What a pipeline is, besides its processors and exporters.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Its key in the configuration: `logs`, `traces/agents`.
    pub id: String,
    /// Which signal it carries.
    pub signal: Signal,
    /// Its folder below `data_dir`.
    pub dir: PathBuf,
    /// Where it keeps records until they are delivered.
    pub storage: store::Kind,
    /// How far the slowest exporter may be behind.
    pub hold_bytes_max: u64,
    /// Beyond that: true gives up the oldest records, false refuses new ones.
    pub drop_oldest: bool,
}

/// A pipeline could not be opened, or an exporter not be attached to it.
#[derive(Debug, Error)]
#[error("pipeline `{pipeline}`: {cause}")]
pub struct OpenError {
    pipeline: String,
    cause: String,
}

/// A pipeline at work.
pub struct Pipeline {
    settings: Settings,
    account: Arc<Account>,
    reader: Reader,
    cursors: Cursors,
    exports: Vec<Arc<ExportAccount>>,
    running: Mutex<Running>,
}

struct Running {
    door: Option<Intake>,
    deliveries: Option<Tasks>,
}

impl fmt::Debug for Pipeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pipeline").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Pipeline {
    /// Opens the log; what an unclean end left half written is cut off and said.
    ///
    /// # Errors
    /// When the folder cannot be used, or its content is damaged.
    pub fn open(settings: Settings, chain: Chain) -> Result<Self, OpenError> {
        let cursors = Cursors::default();
        let fail = |cause: String| OpenError { pipeline: settings.id.clone(), cause };
        if chain.is_sealed() != matches!(settings.storage, store::Kind::Ledger(_)) {
            return Err(fail("what is sealed is stored in a ledger, and nothing else is".to_owned()));
        }
        let account = Arc::new(Account::new(&settings.id));
        let (store, reader) = Store::open(&settings, &cursors, &account).map_err(fail)?;
        let door = Door {
            chain,
            store,
            reader: reader.clone(),
            cursors: cursors.clone(),
            account: account.clone(),
            hold_bytes_max: settings.hold_bytes_max,
            drop_oldest: settings.drop_oldest,
        };
        let running = Running { door: Some(Intake::new(door)), deliveries: Some(Tasks::new()) };
        Ok(Self { settings, account, reader, cursors, exports: Vec::new(), running: Mutex::new(running) })
    }

    /// Starts the delivery loop of an exporter, at the place where it was when telseal ended.
    ///
    /// # Errors
    /// When the cursor's folder cannot be used.
    pub fn attach<E: Exporter>(
        &mut self,
        id: &str,
        exporter: Arc<E>,
        settings: delivery::Settings,
        stop: watch::Receiver<Option<Instant>>,
    ) -> Result<(), OpenError> {
        let place = self.place(id)?;
        let account = Arc::new(ExportAccount::new(&self.settings.id, id));
        self.exports.push(account.clone());
        let rejected = Rejected::new(self.settings.dir.join("rejected"), id);
        let reader = self.reader.of_exporter(exporter.wants_otlp());
        let rolling = exporter.rolls_every().map(|_| self.rolling(id));
        let delivery = Delivery { exporter, settings, reader, place, rejected, account, rolling, stop };
        if let Some(deliveries) = &mut self.running().deliveries {
            deliveries.spawn(delivery.run());
        }
        Ok(())
    }

    /// Where an exporter of rolls gathers. It holds up the log for as long as it gathers, so it may not wait until the log is
    /// full.
    fn rolling(&self, exporter: &str) -> Rolling {
        let log = Log {
            pipeline: self.settings.id.clone(),
            dir: self.settings.dir.join("rolls").join(exporter.replace('/', "-")),
            is_durable: self.reader.is_durable(),
        };
        Rolling::new(log, self.settings.hold_bytes_max / 4)
    }

    fn place(&self, exporter: &str) -> Result<Place, OpenError> {
        let (cursors, oldest) = (self.cursors.clone(), self.reader.oldest());
        if !self.reader.is_durable() {
            return Ok(Place::new(cursors, oldest));
        }
        let fail = |cause: crate::stdx::durable::Error| OpenError {
            pipeline: self.settings.id.clone(),
            cause: cause.to_string(),
        };
        let dir = self.settings.dir.join("cursors");
        crate::stdx::durable::create_dir(&dir).map_err(fail)?;
        let file = CursorFile::new(dir.join(exporter.replace('/', "-")));
        Ok(match file.load().map_err(fail)? {
            Cursor::At(position) => Place::kept(cursors, self.reader.seek(position), file, Some(position)),
            Cursor::Missing => Place::kept(cursors, oldest, file, None),
            Cursor::Damaged => {
                tracing::warn!(exporter, path = %file.path().display(), "cursor is damaged, delivering from the oldest record");
                Place::kept(cursors, oldest, file, None)
            }
        })
    }

    /// The door. Clones of it keep the pipeline open.
    #[must_use]
    pub fn intake(&self) -> Option<Intake> {
        self.running().door.clone()
    }

    /// Which signal it carries.
    #[must_use]
    pub fn signal(&self) -> Signal {
        self.settings.signal
    }

    /// The books of what came in.
    #[must_use]
    pub fn account(&self) -> &Account {
        &self.account
    }

    /// The books of each exporter, in the order of [`Pipeline::attach`]; how far behind they are is up to date.
    #[must_use]
    pub fn exports(&self) -> &[Arc<ExportAccount>] {
        for (index, export) in self.exports.iter().enumerate() {
            let position = self.cursors.at(index).unwrap_or_default();
            let (records, bytes) = self.reader.behind(position);
            export.lag_records.store(records, Relaxed);
            export.lag_bytes.store(bytes, Relaxed);
        }
        &self.exports
    }

    /// Closes the door, commits the last group, and waits for the delivery loops until `deadline`. Returns how many
    /// records no destination has confirmed, for the exporter that is furthest behind, and says what became of them.
    pub async fn drain(&self, deadline: Instant) -> u64 {
        let deliveries = {
            let mut running = self.running();
            running.door = None;
            running.deliveries.take()
        };
        let last = deadline + Duration::from_secs(1);
        // Loops that ended early, because their destination is down, do not say that the last group is on disk.
        if tokio::time::timeout_at(last, self.reader.clone().closed()).await.is_err() {
            tracing::warn!(pipeline = self.settings.id, "requests are still under way at the shutdown deadline");
        }
        if let Some(mut deliveries) = deliveries {
            deliveries.join(last.saturating_duration_since(Instant::now())).await;
        }
        let left = self.exports().iter().map(|export| self.left(export)).max().unwrap_or(0);
        if left == 0 {
            tracing::info!(pipeline = self.settings.id, records = self.account.appended(), "drained");
        }
        left
    }

    fn left(&self, export: &ExportAccount) -> u64 {
        let left = export.lag_records.load(Relaxed);
        if left > 0 {
            let fate = if self.reader.is_durable() {
                "stay on disk, delivery goes on at the next start"
            } else {
                "were in memory and are lost"
            };
            tracing::warn!(
                pipeline = self.settings.id,
                exporter = export.exporter(),
                records = left,
                "undelivered records {fate}"
            );
        }
        left
    }

    /// Writes the books to the metrics.
    pub fn publish(&self) {
        self.account.publish();
        self.exports().iter().for_each(|export| export.publish());
    }

    /// Why a record would not be accepted now; `None` when it would.
    #[must_use]
    pub fn why_not_ready(&self) -> Option<String> {
        let held = self.reader.held(&self.cursors);
        (held >= self.settings.hold_bytes_max && !self.settings.drop_oldest).then(|| {
            format!("pipeline `{}` holds {held} undelivered bytes, hold_bytes_max is reached", self.settings.id)
        })
    }

    fn running(&self) -> std::sync::MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What stands behind a pipeline's [`Intake`].
struct Door {
    chain: Chain,
    store: Store,
    reader: Reader,
    cursors: Cursors,
    account: Arc<Account>,
    hold_bytes_max: u64,
    drop_oldest: bool,
}

impl Submit for Door {
    fn submit(&self, request: Request) -> Submitting<'_> {
        Box::pin(async move {
            let entry = self.account.receive(request.records);
            // Dropped on an error: the records go back to their sender.
            let (appended, receipt) = self.store(request).await?;
            entry.settle(appended);
            Ok(receipt)
        })
    }
}

impl Door {
    /// Through the processors and into the log. How many records were stored, and what to tell the sender.
    async fn store(&self, request: Request) -> Result<(u64, Receipt), Refused> {
        self.has_room()?;
        let Ran { processed, added, dropped, rejected } = self
            .chain
            .run(&request.body, request.records, &request.sender, &self.account)
            .map_err(|error| Refused::Invalid { reason: error.to_string() })?;
        let records = processed.records();
        if records > 0 {
            self.store.append(processed).await?;
        }
        // Only now: a request that was refused comes again, and its drops with it.
        self.account.add(added);
        if let Some((reason, records)) = dropped {
            self.drop_records(reason, records);
        }
        let Some((rejected, reason)) = rejected else { return Ok((records, Receipt::default())) };
        self.drop_records("rejected", rejected);
        Ok((records, Receipt { rejected, reason: Some(reason) }))
    }

    fn drop_records(&self, reason: &'static str, records: u64) {
        self.account.drop_records(reason, records);
        self.store.note_drop();
    }

    fn has_room(&self) -> Result<(), Refused> {
        if self.drop_oldest {
            return Ok(());
        }
        let held = self.reader.held(&self.cursors);
        if held < self.hold_bytes_max {
            return Ok(());
        }
        let reason = format!("an exporter is {held} bytes behind, hold_bytes_max is reached");
        Err(Refused::Full { retry_after: RETRY_AFTER, reason })
    }
}
