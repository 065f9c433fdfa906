//! What a verification says, in numbers and in words.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::super::bodies::KeyId;
use super::super::note::VerifyingKey;
use super::facts::Gap;

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
    /// How many of them were packed.
    pub packed: u64,
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
    /// The first and the last epoch.
    pub epochs: (u32, u32),
    /// The size of the last checkpoint that the root key signed too; 0 when there is none.
    pub root_signed: u64,
    /// How many records follow that one.
    pub records_after_root: u64,
    /// How often a process began.
    pub starts: u64,
    /// How often that was after an end that was not orderly.
    pub unclean_starts: u64,
    /// The last entry is the orderly end of a run.
    pub is_ended: bool,
    /// How often the ledger says that it lives, as it says itself.
    pub heartbeat_seconds: Option<u64>,
    /// The longest time without an entry while a process ran, in nanoseconds.
    pub silence_ns: u64,
    /// When that time began.
    pub silent_since_ns: u64,
    /// How many bodies are encrypted and were not opened: nothing is proven about them.
    pub bodies_locked: u64,
    /// A key that would open some of them.
    pub missing_key: Option<KeyId>,
    /// How many records lack their body, each by an order.
    pub bodies_gone: u64,
    /// How many erasable fields are gone, each by an order.
    pub fields_gone: u64,
    /// Records that the ledger itself says are missing, by cause.
    pub gaps: BTreeMap<String, Gap>,
}

impl LedgerReport {
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
        writeln!(f, "{} {}", if self.bodies_locked == 0 { "verified" } else { "incomplete" }, self.path.display())?;
        writeln!(f, "  ledger      {} ({})", self.key.origin(), self.stream)?;
        writeln!(
            f,
            "  entries     {} to {last}: {} records, {} events of the ledger",
            self.first, self.records, self.controls
        )?;
        let packed = if self.packed > 0 { format!(" ({} packed)", self.packed) } else { String::new() };
        writeln!(
            f,
            "  files       {} segments{packed}, {} checkpoints, {} bytes",
            self.segments, self.checkpoints, self.bytes
        )?;
        writeln!(f, "  sealed      {} to {}", Utc(self.first_sealed_at_ns), Utc(self.last_sealed_at_ns))?;
        writeln!(f, "  head        {} at size {}", STANDARD.encode(self.root), self.size)?;
        self.signed(f)?;
        self.runs(f)?;
        self.gone(f)?;
        writeln!(f, "  key         sha256 {}", self.key.fingerprint())?;
        let what = if self.bodies_locked == 0 { "line" } else { "entry" };
        writeln!(
            f,
            "  proven      every {what} is as it was sealed, none is missing between these entries, all are in order"
        )?;
        self.not_proven(f)
    }
}

impl LedgerReport {
    /// What was not opened, and why.
    #[must_use]
    pub fn locked(&self) -> String {
        let key = self.missing_key.map(|key| format!(" under the key {key}")).unwrap_or_default();
        format!(
            "{} bodies are encrypted{key} and were not opened (--encryption-key names the file that has it)",
            self.bodies_locked
        )
    }

    fn signed(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, last) = self.epochs;
        let epochs = if first == last { format!("epoch {first}") } else { format!("epochs {first} to {last}") };
        match self.root_signed {
            0 => {
                writeln!(f, "  signed      by {epochs}; the root key certified the first and signed no checkpoint here")
            }
            size => writeln!(
                f,
                "  signed      by {epochs}; by the root key up to size {size}, {} records follow",
                self.records_after_root
            ),
        }
    }

    fn runs(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.starts > 0 {
            let end = if self.is_ended { "the last one ended in order" } else { "the last one has no end here" };
            writeln!(f, "  runs        {} starts, {} after an unclean end; {end}", self.starts, self.unclean_starts)?;
        }
        let Some(heartbeat) = self.heartbeat_seconds else { return Ok(()) };
        let longest = self.silence_ns / 1_000_000_000;
        // A second for the clock, as much again for a slow disk.
        let verdict = if longest > heartbeat.saturating_mul(2).max(heartbeat + 2) {
            format!(": LONGER than that, from {}", Utc(self.silent_since_ns))
        } else {
            String::new()
        };
        writeln!(
            f,
            "  silence     {longest} s at most without an entry while running, heartbeat {heartbeat} s{verdict}"
        )
    }

    fn gone(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (cause, Gap { entries, records }) in &self.gaps {
            writeln!(f, "  gap         {records} records by {cause}, declared in {entries} entries")?;
        }
        if self.bodies_gone > 0 {
            writeln!(
                f,
                "  bodies      {} records lack their body, each by an order of the root key",
                self.bodies_gone
            )?;
        }
        if self.fields_gone > 0 {
            writeln!(f, "  fields      {} erasable fields are gone, each by an order", self.fields_gone)?;
        }
        Ok(())
    }

    fn not_proven(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.bodies_locked > 0 {
            writeln!(f, "  not proven  that the bodies are there and are what was sealed: {}", self.locked())?;
        }
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

impl Report {
    /// Why it is not all that there is to prove, if bodies were not opened.
    #[must_use]
    pub fn locked(&self) -> Option<String> {
        let locked = self.ledgers.iter().find(|ledger| ledger.bodies_locked > 0);
        locked.map(|ledger| format!("{}: {}", ledger.path.display(), ledger.locked()))
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.ledgers.iter().try_for_each(|ledger| ledger.fmt(f))
    }
}

/// Nanoseconds since 1970 as `2026-11-21T10:02:11Z`.
pub(super) struct Utc(pub(super) u64);

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
