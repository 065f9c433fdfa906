//! The three kinds of log behind one interface: a ring in memory, a spool on disk, a sealed ledger on disk.

use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;

use crate::exporter::Payload;
use crate::ledger::{self, Ledger, LedgerError, LedgerReader};
use crate::otlp::Signal;
use crate::pipeline::Refused;
use crate::pipeline::account::Account;
use crate::pipeline::chain::Processed;
use crate::pipeline::checkpoints::Checkpoints;
use crate::pipeline::cursor::Cursors;
use crate::pipeline::open::{RETRY_AFTER, Settings};
use crate::pipeline::recent::{self, Recent};
use crate::pipeline::sealer::Sealer;
use crate::pipeline::sequencer::Sequencer;
use crate::spool::disk::{Disk, DiskReader, SpoolError};
use crate::spool::{Item, Memory};
use crate::stdx::durable;
use crate::stdx::host;
use crate::stdx::segments::{Position, SegmentsReader};
use crate::stdx::tasks;

/// Which kind of log a pipeline has.
#[derive(Debug, Clone)]
pub enum Kind {
    /// A bounded ring in memory.
    Memory,
    /// Frames of OTLP bytes in files.
    Spool,
    /// Sealed lines in files.
    Ledger(Box<LedgerSettings>),
}

/// What a sealing pipeline's log is.
#[derive(Debug, Clone)]
pub struct LedgerSettings {
    /// The ledger's own.
    pub options: ledger::Options,
    /// An exporter wants OTLP: the newest requests are kept as that.
    pub keep_otlp: bool,
    /// How often a checkpoint goes to the exporters as a record; `None`: never. Only logs have such records.
    pub checkpoint_records: Option<Duration>,
}

/// The way into the log.
pub(super) enum Store {
    Memory { ring: Memory, drop_oldest: bool },
    Disk(Sequencer),
}

impl Store {
    /// Opens the log, and starts its sequencer where it is on disk.
    pub(super) fn open(
        settings: &Settings,
        cursors: &Cursors,
        account: &Arc<Account>,
    ) -> Result<(Self, Reader), String> {
        let signal = settings.signal;
        let (writer, reader) = match &settings.storage {
            Kind::Memory => {
                let ring = Memory::new(settings.hold_bytes_max);
                let reader = Reader::Memory(ring.clone(), signal);
                return Ok((Self::Memory { ring, drop_oldest: settings.drop_oldest }, reader));
            }
            Kind::Spool => open_spool(settings).map_err(|error| error.to_string())?,
            Kind::Ledger(ledger) => open_ledger(settings, ledger, account).map_err(|error| error.to_string())?,
        };
        let sequencer = Sequencer::start(&settings.id, writer, cursors.clone(), account.clone());
        let sequencer = sequencer.map_err(|error| error.to_string())?;
        Ok((Self::Disk(sequencer), reader))
    }

    /// Says that records were dropped on their way here.
    pub(super) fn note_drop(&self) {
        if let Self::Disk(sequencer) = self {
            sequencer.note_drop();
        }
    }

    /// Has a ledger say that another configuration is in force; other logs have nothing to say.
    pub(super) async fn configure(&self, applied: ledger::Applied) -> Result<(), String> {
        match self {
            Self::Memory { .. } => Ok(()),
            Self::Disk(sequencer) => sequencer.configure(applied).await,
        }
    }

    /// Stores what a request left; resolves as the pipeline's `ack` promises.
    pub(super) async fn append(&self, processed: Processed) -> Result<(), Refused> {
        match (self, processed) {
            (Self::Memory { ring, drop_oldest }, Processed::Otlp(bytes, records)) => {
                let item = Item { bytes, records: u32::try_from(records).unwrap_or(u32::MAX) };
                append_to_ring(ring, item, *drop_oldest)
            }
            // Cannot be: `Pipeline::open` refuses `seal` in memory.
            (Self::Memory { .. }, _) => Err(Refused::Closed),
            (Self::Disk(sequencer), processed) => sequencer.append(processed).await,
        }
    }
}

impl Drop for Store {
    /// Readers of a ring must learn that nothing more will come; those of files see their writer go.
    fn drop(&mut self) {
        if let Self::Memory { ring, .. } = self {
            ring.close();
        }
    }
}

fn append_to_ring(ring: &Memory, item: Item, drop_oldest: bool) -> Result<(), Refused> {
    let items = [item];
    loop {
        match ring.append(&items) {
            Ok(()) => return Ok(()),
            // It will never fit: neither shall the sender try for ever, nor everything else go for it.
            Err(error) if error.wanted_bytes > error.bytes_max => {
                return Err(Refused::Invalid { reason: "the request is larger than hold_bytes_max".to_owned() });
            }
            // Nothing to drop: the exporters were faster, and now there is room.
            Err(_) if drop_oldest => drop(ring.drop_oldest()),
            Err(error) => return Err(Refused::Full { retry_after: RETRY_AFTER, reason: error.to_string() }),
        }
    }
}

fn open_spool(settings: &Settings) -> Result<(Writer, Reader), SpoolError> {
    // Small segments where room is short: the oldest can only go as a whole.
    let segment_bytes_max = (64 << 20).min(settings.hold_bytes_max / 8).max(1 << 20);
    let (spool, reader, cut) = Disk::open(&settings.dir.join("spool"), segment_bytes_max)?;
    say_cut(&settings.id, &cut);
    let hold_bytes_max = settings.drop_oldest.then_some(settings.hold_bytes_max);
    let writer = Writer::Spool { spool, reader: reader.clone(), hold_bytes_max };
    Ok((writer, Reader::Spool(reader, settings.signal)))
}

fn open_ledger(
    settings: &Settings,
    LedgerSettings { options, keep_otlp, checkpoint_records }: &LedgerSettings,
    account: &Arc<Account>,
) -> Result<(Writer, Reader), LedgerError> {
    let (ledger, reader, recovery) = Ledger::open(&settings.dir.join("ledger"), options)?;
    say_cut(&settings.id, &recovery.cuts);
    let room = recent::bytes_max(host::memory_limit());
    // Also where no exporter wants OTLP now: one that does may be added by a reload.
    let recent = Recent::new(settings.signal, &ledger.stream().to_string(), room);
    let reader = Reader::Ledger(reader, settings.signal, Some(recent.clone()));
    let every = checkpoint_records.filter(|_| settings.signal == Signal::Logs);
    let checkpoints = every.map(|every| Checkpoints::new(every, &ledger, *keep_otlp, account.clone()));
    Ok((Writer::Ledger(Box::new(Sealer::new(ledger, recent, checkpoints))), reader))
}

fn say_cut(pipeline: &str, cuts: &[crate::stdx::segments::Cut]) {
    for cut in cuts {
        let path = cut.path.display();
        tracing::warn!(pipeline, %path, offset = cut.offset, bytes = cut.bytes, "cut off a torn end; it was never acknowledged");
    }
}

/// What the sequencer writes to.
pub(super) enum Writer {
    /// With a `hold_bytes_max` its oldest segments go beyond that, delivered or not.
    Spool {
        spool: Disk,
        reader: DiskReader,
        hold_bytes_max: Option<u64>,
    },
    Ledger(Box<Sealer>),
}

/// A group could not be stored; nothing of it is.
#[derive(Debug, Error)]
pub(super) enum StoreError {
    #[error(transparent)]
    Spool(#[from] SpoolError),
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

impl Writer {
    /// The ledger, where it is one.
    pub(super) fn ledger(&self) -> Option<&Ledger> {
        match self {
            Self::Ledger(sealer) => Some(&sealer.ledger),
            Self::Spool { .. } => None,
        }
    }

    /// The ledger and what goes along, where it is one.
    pub(super) fn sealer(&mut self) -> Option<&mut Sealer> {
        match self {
            Self::Ledger(sealer) => Some(sealer),
            Self::Spool { .. } => None,
        }
    }

    /// Nothing more will come.
    pub(super) fn end(self) -> Result<(), LedgerError> {
        match self {
            Self::Ledger(sealer) => sealer.end(),
            Self::Spool { .. } => Ok(()),
        }
    }

    /// Appends the group and waits for the disk, once.
    pub(super) fn append(&mut self, group: Vec<Processed>) -> Result<(), StoreError> {
        match self {
            Self::Spool { spool, .. } => {
                let items: Vec<_> = group
                    .into_iter()
                    .filter_map(|one| match one {
                        Processed::Otlp(bytes, records) => {
                            Some(Item { bytes, records: u32::try_from(records).unwrap_or(u32::MAX) })
                        }
                        _ => None,
                    })
                    .collect();
                Ok(spool.append(&items)?)
            }
            Self::Ledger(sealer) => Ok(sealer.append(group)?),
        }
    }

    /// Deletes what all exporters have passed; a ledger is evidence and stays, but is packed. `all` gives back the segment being
    /// written as well, for a disk that is full.
    pub(super) fn trim(&mut self, cursors: &Cursors, all: bool) {
        let (spool, reader, hold_bytes_max) = match self {
            Self::Spool { spool, reader, hold_bytes_max } => (spool, reader, hold_bytes_max),
            Self::Ledger(sealer) => {
                let keep = cursors.slowest().unwrap_or(sealer.ledger.end());
                return sealer.pass(keep);
            }
        };
        let keep = hold_bytes_max.map_or_else(Position::default, |hold| newest(reader.segments(), hold));
        let keep = cursors.slowest().unwrap_or_default().max(keep);
        let keep = if all { spool.roll_behind(keep) } else { Ok(keep) };
        if let Err(error) = keep.and_then(|keep| spool.trim(keep)) {
            tracing::warn!(%error, "cannot delete delivered records");
        }
    }
}

/// The oldest place with at most `bytes` behind it, at the beginning of a segment.
fn newest(segments: &SegmentsReader, bytes: u64) -> Position {
    let (mut place, end) = (segments.oldest(), segments.end());
    while segments.bytes_between(place, end) > bytes
        && let Some(next) = segments.next_segment(place)
    {
        place = next;
    }
    place
}

/// A read of the log.
#[derive(Debug)]
pub struct Chunk {
    /// Some records.
    pub payload: Payload,
    /// The place after them.
    pub next: Position,
}

/// Reads the log from a cursor. Clone it per exporter.
#[derive(Debug, Clone)]
pub enum Reader {
    /// See [`Kind::Memory`].
    Memory(Memory, Signal),
    /// See [`Kind::Spool`].
    Spool(DiskReader, Signal),
    /// See [`Kind::Ledger`]. The newest requests for an exporter of OTLP.
    Ledger(LedgerReader, Signal, Option<Recent>),
}

/// The log could not be read: damage, or a disk that refuses.
#[derive(Debug, Error)]
pub enum ReadError {
    /// In the spool.
    #[error(transparent)]
    Spool(#[from] SpoolError),
    /// In the ledger.
    #[error(transparent)]
    Ledger(#[from] durable::Error),
    /// The read was lost: a defect of ours, or the process is ending.
    #[error("a read of the log did not end")]
    Lost,
}

impl ReadError {
    /// Where to read on, when trying again will not help: the records before that are damaged.
    #[must_use]
    pub const fn read_on(&self) -> Option<Position> {
        match self {
            Self::Spool(SpoolError::Damaged { next, .. }) => Some(*next),
            _ => None,
        }
    }
}

impl Reader {
    /// The reader of an exporter: the newest requests as OTLP are for one that wants OTLP.
    #[must_use]
    pub fn of_exporter(&self, wants_otlp: bool) -> Self {
        match self {
            Self::Ledger(reader, signal, _) if !wants_otlp => Self::Ledger(reader.clone(), *signal, None),
            other => other.clone(),
        }
    }

    /// Waits until there is a record after `position`; false when no more will come.
    pub async fn wait(&mut self, position: Position) -> bool {
        match self {
            Self::Memory(reader, _) => reader.wait(position).await,
            Self::Spool(reader, _) => reader.wait(position).await,
            Self::Ledger(reader, ..) => reader.wait(position).await,
        }
    }

    /// Waits until the log is closed: all is stored that ever will be.
    pub async fn closed(&mut self) {
        let never = Position { record: u64::MAX, ..Position::default() };
        while self.wait(never).await {}
    }

    /// Some records after `from`: up to `bytes_max`, but at least one. `None` at the end.
    ///
    /// # Errors
    /// When the files cannot be read.
    pub async fn read(&mut self, from: Position, bytes_max: usize) -> Result<Option<Chunk>, ReadError> {
        match self {
            Self::Memory(reader, signal) => Ok(reader.read(from, bytes_max).map(|chunk| Chunk {
                payload: Payload::from_otlp(*signal, chunk.frames, chunk.records),
                next: chunk.next,
            })),
            Self::Spool(reader, signal) => {
                let chunk = on_disk(reader, move |reader| reader.read(from, bytes_max)).await?;
                Ok(chunk.map(|chunk| Chunk {
                    payload: Payload::from_otlp(*signal, chunk.frames, chunk.records),
                    next: chunk.next,
                }))
            }
            Self::Ledger(reader, signal, recent) => {
                if let Some(chunk) = recent.as_ref().and_then(|recent| recent.read(from, bytes_max)) {
                    return Ok(Some(chunk));
                }
                let chunk = on_disk(reader, move |reader| reader.read(from, bytes_max)).await?;
                Ok(chunk.map(|chunk| Chunk {
                    payload: Payload::from_lines(*signal, chunk.lines, chunk.records),
                    next: chunk.next,
                }))
            }
        }
    }

    /// The signed checkpoint over the records before `position`, where the log is a ledger.
    pub async fn checkpoint(&mut self, position: Position) -> Option<String> {
        let Self::Ledger(reader, ..) = self else { return None };
        on_disk(reader, move |reader| reader.checkpoint_over(position)).await.ok().flatten()
    }

    /// The oldest place that can be read.
    #[must_use]
    pub fn oldest(&self) -> Position {
        match self {
            Self::Memory(reader, _) => reader.oldest(),
            _ => self.segments().map(SegmentsReader::oldest).unwrap_or_default(),
        }
    }

    /// The place nearest to `wanted` that can be read, after a restart.
    #[must_use]
    pub fn seek(&self, wanted: Position) -> Position {
        self.segments().map_or(wanted, |segments| segments.seek(wanted))
    }

    /// How many records and bytes lie after `position`.
    #[must_use]
    pub fn behind(&self, position: Position) -> (u64, u64) {
        let position = position.max(self.oldest());
        let (end, bytes) = match self {
            Self::Memory(reader, _) => {
                let end = reader.end();
                (end, reader.bytes_between(position, end))
            }
            _ => self.segments().map(|s| (s.end(), s.bytes_between(position, s.end()))).unwrap_or_default(),
        };
        let records = end.record.saturating_sub(position.record);
        // A ledger's own lines behind the last record are nobody's to deliver.
        (records, if records == 0 { 0 } else { bytes })
    }

    /// How much of the log lies between two places.
    #[must_use]
    pub fn bytes_between(&self, from: Position, to: Position) -> u64 {
        match self {
            Self::Memory(reader, _) => reader.bytes_between(from, to),
            _ => self.segments().map_or(0, |segments| segments.bytes_between(from, to)),
        }
    }

    /// How many bytes the slowest exporter has before it.
    #[must_use]
    pub fn held(&self, cursors: &Cursors) -> u64 {
        cursors.slowest().map_or(0, |slowest| self.behind(slowest).1)
    }

    /// Lets go of what is in memory and all exporters have passed. On disk the sequencer does that.
    pub fn trim(&self, cursors: &Cursors) {
        match (self, cursors.slowest()) {
            (Self::Memory(reader, _), Some(passed)) => drop(reader.trim(passed)),
            (Self::Ledger(_, _, Some(recent)), Some(passed)) => recent.pass(passed),
            _ => {}
        }
    }

    /// True where what was appended survives this process.
    #[must_use]
    pub const fn is_durable(&self) -> bool {
        !matches!(self, Self::Memory(..))
    }

    fn segments(&self) -> Option<&SegmentsReader> {
        match self {
            Self::Memory(..) => None,
            Self::Spool(reader, _) => Some(reader.segments()),
            Self::Ledger(reader, ..) => Some(reader.segments()),
        }
    }
}

/// Reads outside the async workers: the disk may be slow. A copy of the reader goes there and comes back with the file
/// it has opened; if it does not come back, the next read begins with the reader as it was.
async fn on_disk<R, T, E>(
    reader: &mut R,
    read: impl FnOnce(&mut R) -> Result<T, E> + Send + 'static,
) -> Result<T, ReadError>
where
    R: Clone + Send + 'static,
    T: Send + 'static,
    E: Send + 'static,
    ReadError: From<E>,
{
    let mut copy = reader.clone();
    let done = tasks::blocking(move || {
        let answer = read(&mut copy);
        (copy, answer)
    });
    let (copy, answer) = done.await.map_err(|_| ReadError::Lost)?;
    *reader = copy;
    Ok(answer?)
}
