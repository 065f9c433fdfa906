//! What a verification says, in numbers and in words.

use std::fmt;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::super::chain::Chain;
use super::super::checker::Checked;
use super::super::note::VerifyingKey;

/// Where the public key came from: how much the proof is worth depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyFrom {
    /// The caller had it from elsewhere.
    Caller,
    /// It lay in the ledger's folder.
    Folder,
    /// The segment itself names it.
    Segment,
}

/// What is proven about one ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerReport {
    /// The folder or file.
    pub path: PathBuf,
    /// The id of the ledger.
    pub stream: String,
    /// The number of the first entry.
    pub first: u64,
    /// The number after the last signed entry.
    pub size: u64,
    /// How many of the entries are records.
    pub records: u64,
    /// How many are the ledger's own events.
    pub controls: u64,
    /// How many segments were read.
    pub segments: u64,
    /// How many checkpoints were checked.
    pub checkpoints: u64,
    /// How many bytes are proven.
    pub bytes: u64,
    /// Bytes after the last checkpoint that a living process is just writing; nothing is proven about them.
    pub in_flight_bytes: u64,
    /// The root of the tree at the last checkpoint.
    pub root: [u8; 32],
    /// When the first entry was sealed, by the sealing machine's clock.
    pub first_sealed_at_ns: u64,
    /// When the last entry was sealed.
    pub last_sealed_at_ns: u64,
    /// The key that signed.
    pub key: VerifyingKey,
    /// Where that key came from.
    pub key_from: KeyFrom,
    /// Seen since the last checkpoint: records and controls.
    unsigned: (u64, u64),
}

impl LedgerReport {
    pub(super) fn new(path: &Path, key: VerifyingKey, key_from: KeyFrom) -> Self {
        Self {
            path: path.to_owned(),
            stream: String::new(),
            first: 0,
            size: 0,
            records: 0,
            controls: 0,
            segments: 0,
            checkpoints: 0,
            bytes: 0,
            in_flight_bytes: 0,
            root: [0; 32],
            first_sealed_at_ns: 0,
            last_sealed_at_ns: 0,
            key,
            key_from,
            unsigned: (0, 0),
        }
    }

    /// Takes a good line into account. Entries count when a checkpoint covers them.
    pub(super) fn count(&mut self, checked: &Checked<'_>, chain: &Chain) {
        match checked {
            Checked::Record { entry, .. } => self.entry(entry.sealed_at_ns, (1, 0)),
            Checked::Control { entry, .. } => self.entry(entry.sealed_at_ns, (0, 1)),
            Checked::Checkpoint { .. } => {
                let (records, controls) = std::mem::take(&mut self.unsigned);
                self.records += records;
                self.controls += controls;
                self.checkpoints += 1;
                self.size = chain.size();
                self.last_sealed_at_ns = chain.sealed_at_ns;
                self.root = chain.checkpoint().root;
            }
        }
    }

    fn entry(&mut self, sealed_at_ns: u64, (record, control): (u64, u64)) {
        if self.first_sealed_at_ns == 0 {
            self.first_sealed_at_ns = sealed_at_ns;
        }
        self.unsigned = (self.unsigned.0 + record, self.unsigned.1 + control);
    }

    fn key_origin(&self) -> &'static str {
        match self.key_from {
            KeyFrom::Caller => "the key was given by the caller",
            KeyFrom::Folder => "that the key is the right one: it lay beside the files (compare the fingerprint)",
            KeyFrom::Segment => "that the key is the right one: the segment itself names it (compare the fingerprint)",
        }
    }
}

impl fmt::Display for LedgerReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let last = self.size.saturating_sub(1);
        writeln!(f, "verified {}", self.path.display())?;
        writeln!(f, "  ledger      {} ({})", self.key.origin(), self.stream)?;
        writeln!(
            f,
            "  entries     {} to {last}: {} records, {} events of the ledger",
            self.first, self.records, self.controls
        )?;
        writeln!(
            f,
            "  files       {} segments, {} checkpoints, {} bytes",
            self.segments, self.checkpoints, self.bytes
        )?;
        writeln!(f, "  sealed      {} to {}", Utc(self.first_sealed_at_ns), Utc(self.last_sealed_at_ns))?;
        writeln!(f, "  head        {} at size {}", STANDARD.encode(self.root), self.size)?;
        writeln!(f, "  key         sha256 {}", self.key.fingerprint())?;
        writeln!(
            f,
            "  proven      every line is as it was sealed, none is missing between these entries, all are in order"
        )?;
        if self.key_from != KeyFrom::Caller {
            writeln!(f, "  not proven  {}", self.key_origin())?;
        }
        writeln!(
            f,
            "  not proven  that nothing followed: entries cut off after an older checkpoint show only beside a head kept elsewhere"
        )?;
        writeln!(f, "  not proven  the times: they are those of the sealing machine's clock")?;
        if self.in_flight_bytes > 0 {
            writeln!(f, "  in flight   {} bytes after the last checkpoint, being written now", self.in_flight_bytes)?;
        }
        Ok(())
    }
}

/// What is proven about everything that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// One report a ledger.
    pub ledgers: Vec<LedgerReport>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.ledgers.iter().try_for_each(|ledger| ledger.fmt(f))
    }
}

/// Nanoseconds since 1970 as `2026-11-21T10:02:11Z`.
struct Utc(u64);

impl fmt::Display for Utc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0 / 1_000_000_000;
        let (year, month, day) = civil(seconds / 86_400);
        let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
    }
}

/// The Gregorian date of a day since 1970-01-01. Years are counted from March, so that the leap day is a year's last.
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let (month, next_year) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (era * 400 + year + next_year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_printed_as_everyone_writes_them() {
        for (seconds, expected) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_700_000_000, "2023-11-14T22:13:20Z"),
            (4_107_542_399, "2100-02-28T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(Utc(seconds * 1_000_000_000).to_string(), expected);
        }
    }
}
