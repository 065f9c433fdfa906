//! A pipeline at work: its door, its log, its exporters' loops.

use std::fmt;
use std::future::Future as _;
use std::path::PathBuf;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use thiserror::Error;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::exporter::{Exporter, Log};
use crate::ledger::Applied;
use crate::otlp::Signal;
use crate::pipeline::account::{Account, ExportAccount};
use crate::pipeline::chain::{Chain, Ran};
use crate::pipeline::cursor::Cursors;
use crate::pipeline::delivery::{self, Delivery, Rolling, Stop};
use crate::pipeline::exports::{Exports, Seat};
use crate::pipeline::rejected::Rejected;
use crate::pipeline::store::{self, Reader, Store};
use crate::pipeline::{Intake, Receipt, Refused, Request, Submit, Submitting};
use crate::stdx::live::Live;
use crate::stdx::segments::{Cursor, CursorFile, Position};
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
    exports: Exports,
    /// Nothing when the pipeline drains.
    door: Mutex<Option<Arc<Door>>>,
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
            chain: Live::new(chain, None),
            store,
            reader: reader.clone(),
            cursors: cursors.clone(),
            account: account.clone(),
            hold_bytes_max: settings.hold_bytes_max,
            drop_oldest: settings.drop_oldest,
        };
        let door = Mutex::new(Some(Arc::new(door)));
        Ok(Self { settings, account, reader, cursors, exports: Exports::default(), door })
    }

    /// Starts the delivery loop of an exporter, at the place where it was when telseal ended or when it was detached.
    ///
    /// # Errors
    /// When the cursor's folder cannot be used. Never after [`Pipeline::reserve`] or [`Pipeline::detach`].
    pub fn attach<E: Exporter>(
        &self,
        id: &str,
        exporter: Arc<E>,
        settings: delivery::Settings,
        shutdown: watch::Receiver<Option<Instant>>,
    ) -> Result<(), OpenError> {
        self.reserve(id)?;
        let Some(Seat { account, place }) = self.exports.seat(id, &self.cursors) else { return Ok(()) };
        let rejected = Rejected::new(self.settings.dir.join("rejected"), id);
        let reader = self.reader.of_exporter(exporter.wants_otlp());
        let rolling = exporter.rolls_every().map(|_| self.rolling(id));
        let (leave, left) = watch::channel(None);
        let stop = Stop::new(shutdown, left);
        let delivery = Delivery { exporter, settings, reader, place, rejected, account, rolling, stop };
        let mut task = Tasks::new();
        task.spawn(delivery.run());
        self.exports.attached(id, task, leave);
        Ok(())
    }

    /// Has the log wait for an exporter that will be attached.
    ///
    /// # Errors
    /// When the cursor's folder cannot be used.
    pub fn reserve(&self, id: &str) -> Result<(), OpenError> {
        if self.exports.knows(id) {
            self.exports.wait_again(id, &self.cursors);
            return Ok(());
        }
        let (position, file) = self.place(id)?;
        self.exports.add(ExportAccount::new(&self.settings.id, id), &self.cursors, position, file);
        Ok(())
    }

    /// Ends the delivery loop of an exporter after the payload under way, or after `grace`. The log goes on waiting for it.
    pub async fn detach(&self, id: &str, grace: Duration) {
        self.exports.detach(id, &self.cursors, grace).await;
    }

    /// The log no longer waits for a detached exporter. On disk its cursor stays, for the day on which it comes back.
    pub fn release(&self, id: &str) {
        self.exports.release(id, &self.cursors);
    }

    /// Other processors from the next request on; requests under way finish with the old ones. Whether the pipeline seals
    /// cannot be changed. A ledger is to say so first, by [`Pipeline::configure`].
    ///
    /// # Errors
    /// When the pipeline drains, or would seal other records than before. Nothing has changed then.
    pub fn rechain(&self, chain: Chain) -> Result<(), OpenError> {
        let door = self.door().ok_or_else(|| self.failed("it is shutting down"))?;
        if chain.is_sealed() != door.chain.current().is_sealed() {
            return Err(self.failed("what is sealed stays sealed, and nothing else is, until the next start"));
        }
        door.chain.set(chain);
        Ok(())
    }

    /// Has the ledger say that another configuration is in force from here on; other logs have nothing to say.
    ///
    /// # Errors
    /// When that cannot be written.
    pub async fn configure(&self, applied: Applied) -> Result<(), OpenError> {
        let door = self.door().ok_or_else(|| self.failed("it is shutting down"))?;
        door.store.configure(applied).await.map_err(|cause| self.failed(cause))
    }

    fn failed(&self, cause: impl fmt::Display) -> OpenError {
        OpenError { pipeline: self.settings.id.clone(), cause: cause.to_string() }
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

    /// Where an exporter begins, and the file that knows.
    fn place(&self, exporter: &str) -> Result<(Position, Option<CursorFile>), OpenError> {
        let oldest = self.reader.oldest();
        if !self.reader.is_durable() {
            return Ok((oldest, None));
        }
        let dir = self.settings.dir.join("cursors");
        crate::stdx::durable::create_dir(&dir).map_err(|error| self.failed(error))?;
        let file = CursorFile::new(dir.join(exporter.replace('/', "-")));
        let position = match file.load().map_err(|error| self.failed(error))? {
            Cursor::At(position) => self.reader.seek(position),
            Cursor::Missing => oldest,
            Cursor::Damaged => {
                tracing::warn!(exporter, path = %file.path().display(), "cursor is damaged, delivering from the oldest record");
                oldest
            }
        };
        Ok((position, Some(file)))
    }

    /// The door. Clones of it keep the pipeline open.
    #[must_use]
    pub fn intake(&self) -> Option<Intake> {
        self.door().map(|door| Intake::new(Arc::clone(&door)))
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
    pub fn exports(&self) -> Vec<Arc<ExportAccount>> {
        let fresh = |(index, export): (usize, Arc<ExportAccount>)| {
            let (records, bytes) = self.reader.behind(self.cursors.at(index).unwrap_or_default());
            export.lag_records.store(records, Relaxed);
            export.lag_bytes.store(bytes, Relaxed);
            export
        };
        self.exports.accounts().into_iter().map(fresh).collect()
    }

    /// Closes the door, commits the last group, and waits for the delivery loops until `deadline`. Returns how many
    /// records no destination has confirmed, for the exporter that is furthest behind, and says what became of them.
    pub async fn drain(&self, deadline: Instant) -> u64 {
        drop(self.door.lock().unwrap_or_else(PoisonError::into_inner).take());
        let last = deadline + Duration::from_secs(1);
        // Loops that ended early, because their destination is down, do not say that the last group is on disk.
        if tokio::time::timeout_at(last, self.reader.clone().closed()).await.is_err() {
            tracing::warn!(pipeline = self.settings.id, "requests are still under way at the shutdown deadline");
        }
        self.exports.join(last).await;
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

    /// True when all is stored that ever will be, and nothing writes to the log any more.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        let mut reader = self.reader.clone();
        let mut closed = std::pin::pin!(reader.closed());
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        closed.as_mut().poll(&mut context).is_ready()
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

    fn door(&self) -> Option<Arc<Door>> {
        self.door.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// What stands behind a pipeline's [`Intake`].
struct Door {
    chain: Live<Chain>,
    store: Store,
    reader: Reader,
    cursors: Cursors,
    account: Arc<Account>,
    hold_bytes_max: u64,
    drop_oldest: bool,
}

impl Submit for Arc<Door> {
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
        let chain = self.chain.current();
        let Ran { processed, added, dropped, rejected } = chain
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
