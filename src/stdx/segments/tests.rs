//! Segments of fixed lines, `record <n>` of 16 bytes: recovery, rollover, readers, trimming.

#![expect(clippy::disallowed_methods, reason = "these tests damage files on purpose")]

use std::fs;

use super::*;
use crate::stdx::durable::faults::{ROOM_BYTES, TRUNCATE_FAILS};

const UNIT: u64 = 16;

/// A unit is 16 bytes; what is left over is torn.
struct Units;

impl Format for Units {
    type Error = Error;

    fn records_before(&mut self, _: &Path, first: u64) -> Result<u64> {
        Ok(first)
    }

    fn recover(&mut self, path: &Path, first: u64) -> Result<Whole> {
        let units = durable::ReadFile::open(path)?.bytes_len()? / UNIT;
        Ok(Whole { bytes: units * UNIT, records: first + units })
    }
}

fn unit(n: u64) -> Vec<u8> {
    format!("record {n:>8}\n").into_bytes()
}

fn open(dir: &Path) -> (Segments, Vec<Cut>) {
    Segments::open(dir, &Options { extension: "data", packed_extension: None, segment_bytes_max: 5 * UNIT }, &mut Units)
        .unwrap()
}

fn append(segments: &mut Segments, count: u64) -> Result<()> {
    if segments.is_full() {
        segments.roll(segments.end().record)?;
    }
    let from = segments.end().record;
    let units: Vec<Vec<u8>> = (from..from + count).map(unit).collect();
    let mut parts: Vec<IoSlice<'_>> = units.iter().map(|unit| IoSlice::new(unit)).collect();
    segments.append(&mut parts, count)
}

fn read_all(reader: &mut SegmentsReader, mut at: Position) -> Vec<u8> {
    let mut found = Vec::new();
    while let Some(piece) = reader.read(at, 40).unwrap() {
        let records = piece.bytes.len() as u64 / UNIT;
        let bytes = records * UNIT;
        found.extend_from_slice(&piece.bytes[..usize::try_from(bytes).unwrap()]);
        at = Position { record: piece.start.record + records, offset: piece.start.offset + bytes, ..piece.start };
    }
    assert_eq!(at, reader.end());
    found
}

fn units(range: std::ops::Range<u64>) -> Vec<u8> {
    range.flat_map(unit).collect()
}

#[test]
fn readers_see_what_is_committed_across_segments_and_restarts() {
    let dir = tempfile::tempdir().unwrap();
    let mut written = 0;
    for _ in 0..3 {
        let (mut segments, cuts) = open(dir.path());
        assert_eq!((segments.end().record, cuts), (written, vec![]));
        let mut reader = segments.reader();
        for count in [1, 3, 2, 7, 1] {
            append(&mut segments, count).unwrap();
            written += count;
            assert_eq!(read_all(&mut reader.clone(), Position::default()), units(0..written));
        }
        assert_eq!(read_all(&mut reader, segments.end()), b"");
        assert_eq!(reader.bytes_between(Position::default(), segments.end()), written * UNIT);
    }
    assert!(list(dir.path(), "data").unwrap().len() > 4);
}

#[test]
fn a_tail_torn_at_every_offset_is_cut_to_the_last_whole_unit() {
    let dir = tempfile::tempdir().unwrap();
    let (mut segments, _) = open(dir.path());
    append(&mut segments, 5).unwrap();
    append(&mut segments, 3).unwrap();
    let last = path_of(dir.path(), segments.end().segment, "data");
    drop(segments);
    let content = fs::read(&last).unwrap();
    for length in (0..=content.len()).rev() {
        fs::write(&last, &content[..length]).unwrap();
        let (segments, cuts) = open(dir.path());
        let torn = length as u64 % UNIT;
        assert_eq!(cuts.iter().map(|cut| cut.bytes).sum::<u64>(), torn, "at {length}");
        assert_eq!(segments.end().record, 5 + length as u64 / UNIT);
        assert_eq!(read_all(&mut segments.reader(), Position::default()), units(0..segments.end().record));
        assert_eq!(last.exists(), length as u64 >= UNIT, "an empty last segment is removed");
    }
}

#[test]
fn a_failed_write_is_cut_off_now_or_before_the_next_one() {
    let dir = tempfile::tempdir().unwrap();
    let (mut segments, _) = open(dir.path());
    append(&mut segments, 2).unwrap();
    for truncation_fails in [false, true] {
        let before = segments.end();
        ROOM_BYTES.set(Some(20));
        TRUNCATE_FAILS.set(truncation_fails);
        assert!(append(&mut segments, 2).unwrap_err().is_full());
        ROOM_BYTES.set(None);
        assert_eq!(segments.end(), before);
        assert_eq!(append(&mut segments, 1).is_err(), truncation_fails);
        TRUNCATE_FAILS.set(false);
    }
    append(&mut segments, 1).unwrap();
    assert_eq!(read_all(&mut segments.reader(), Position::default()), units(0..4));
}

#[test]
fn a_file_that_something_else_cut_short_is_not_written_on() {
    let dir = tempfile::tempdir().unwrap();
    let (mut segments, _) = open(dir.path());
    append(&mut segments, 2).unwrap();
    ROOM_BYTES.set(Some(0));
    TRUNCATE_FAILS.set(true);
    append(&mut segments, 1).unwrap_err();
    ROOM_BYTES.set(None);
    TRUNCATE_FAILS.set(false);
    fs::write(path_of(dir.path(), 0, "data"), unit(0)).unwrap();
    let error = append(&mut segments, 1).unwrap_err().to_string();
    assert!(error.ends_with("it has 16 bytes where 32 were committed; something else cut it"), "{error}");
}

#[test]
fn trimming_deletes_whole_older_segments_and_readers_are_moved_on() {
    let dir = tempfile::tempdir().unwrap();
    let (mut segments, _) = open(dir.path());
    for _ in 0..4 {
        append(&mut segments, 5).unwrap();
    }
    let reader = segments.reader();
    let middle = Position { segment: 10, offset: UNIT, record: 11 };
    assert_eq!(segments.trim(middle).unwrap(), 10 * UNIT);
    assert_eq!(reader.oldest(), Position { segment: 10, offset: 0, record: 10 });
    assert_eq!(reader.seek(Position::default()), reader.oldest());
    assert_eq!(reader.seek(middle), middle);
    assert_eq!(reader.next_segment(middle), Some(Position { segment: 15, offset: 0, record: 15 }));
    let beyond = Position { segment: 99, offset: 0, record: 99 };
    assert_eq!(reader.seek(beyond), segments.end());
    assert!(reader.clone().read(Position::default(), 10).unwrap_err().to_string().contains("does not exist any more"));
    segments.trim(beyond).unwrap();
    assert_eq!(list(dir.path(), "data").unwrap().len(), 1, "the last one is never deleted");
    drop(segments);
    let (segments, _) = open(dir.path());
    assert_eq!(segments.end().record, 20, "numbers go on after a trim and a restart");
}
