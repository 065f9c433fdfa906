//! A spool over its life: groups, restarts, torn writes, damaged frames, full disks.

#![expect(clippy::disallowed_methods, reason = "these tests damage files on purpose")]

use std::fs;

use super::*;
use crate::stdx::durable::faults::ROOM_BYTES;

fn fast_dir() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

fn item(n: u32) -> Item {
    let text = format!("request {n} {}", "x".repeat(n as usize % 40));
    Item { bytes: Bytes::from(text), records: n % 3 + 1 }
}

fn items(range: std::ops::Range<u32>) -> Vec<Item> {
    range.map(item).collect()
}

/// Everything that can be read, in steps of `bytes_max`, over damaged frames; and how many of those there were.
fn read_all(reader: &mut DiskReader, bytes_max: usize) -> (Vec<Bytes>, usize) {
    let (mut at, mut found, mut damaged) = (reader.segments().oldest(), Vec::new(), 0);
    loop {
        match reader.read(at, bytes_max) {
            Ok(Some(chunk)) => {
                assert_eq!(chunk.next.record - at.record, chunk.records);
                found.extend(chunk.frames);
                at = chunk.next;
            }
            Ok(None) => break,
            Err(SpoolError::Damaged { next, .. }) => {
                assert!(next > at);
                (at, damaged) = (next, damaged + 1);
            }
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(at.record, reader.segments().end().record);
    assert_eq!(reader.segments().bytes_between(at, reader.segments().end()), 0);
    (found, damaged)
}

fn bodies(range: std::ops::Range<u32>) -> Vec<Bytes> {
    range.map(|n| item(n).bytes).collect()
}

#[test]
fn requests_come_back_across_segments_restarts_and_read_sizes() {
    let dir = fast_dir();
    let mut n = 0;
    for _ in 0..3 {
        let (mut spool, mut reader, cuts) = Disk::open(dir.path(), 300).unwrap();
        assert_eq!(cuts, []);
        for count in [1, 4, 2, 9] {
            spool.append(&items(n..n + count)).unwrap();
            n += count;
        }
        spool.append(&[Item { bytes: Bytes::from_static(b"empty"), records: 0 }]).unwrap();
        assert_eq!(spool.end().record, (0..n).map(|n| u64::from(item(n).records)).sum::<u64>());
        for bytes_max in [1, 50, 1000, 1 << 20] {
            assert_eq!(read_all(&mut reader, bytes_max), (bodies(0..n), 0), "{bytes_max}");
        }
    }
    let (mut spool, mut reader, _) = Disk::open(dir.path(), 300).unwrap();
    let before = segments::list(dir.path(), EXTENSION).unwrap().len();
    assert!(spool.trim(spool.end()).unwrap() > 0 && before > 3);
    assert_eq!(segments::list(dir.path(), EXTENSION).unwrap().len(), 1);
    assert!(read_all(&mut reader, 1000).0.len() < 20);
}

#[test]
fn a_torn_write_at_every_offset_is_cut_to_the_last_whole_frame() {
    let dir = fast_dir();
    let (mut spool, ..) = Disk::open(dir.path(), 1 << 20).unwrap();
    let mut ends = vec![0];
    for n in 0..5 {
        spool.append(&[item(n)]).unwrap();
        ends.push(spool.end().offset);
    }
    drop(spool);
    let path = path_of(dir.path(), 0, EXTENSION);
    let content = fs::read(&path).unwrap();
    for length in 0..=content.len() {
        for zeros in [0, 30] {
            fs::write(&path, [&content[..length], &vec![0; zeros]].concat()).unwrap();
            let (mut spool, mut reader, cuts) = Disk::open(dir.path(), 1 << 20).unwrap();
            let whole = ends.iter().rposition(|end| *end <= length as u64).unwrap();
            let cut = (length + zeros) as u64 - ends[whole];
            assert_eq!(cuts.iter().map(|cut| cut.bytes).sum::<u64>(), cut, "at {length}");
            let whole = u32::try_from(whole).unwrap();
            spool.append(&[item(whole)]).unwrap();
            assert_eq!(read_all(&mut reader, 100), (bodies(0..whole + 1), 0), "at {length}");
        }
    }
}

#[test]
fn a_flipped_byte_anywhere_costs_its_own_frame_and_names_it() {
    let dir = fast_dir();
    let (mut spool, mut reader, _) = Disk::open(dir.path(), 1 << 20).unwrap();
    spool.append(&items(0..4)).unwrap();
    let path = path_of(dir.path(), 0, EXTENSION);
    let content = fs::read(&path).unwrap();
    let second = HEADER_BYTES + item(0).bytes.len();
    for at in second..second + HEADER_BYTES + item(1).bytes.len() {
        let mut changed = content.clone();
        changed[at] ^= 0x10;
        fs::write(&path, &changed).unwrap();
        let at_second = reader.read(Position::default(), 1).unwrap().unwrap().next;
        let error = reader.read(at_second, 1 << 20).unwrap_err().to_string();
        assert_eq!(error, format!("{}: damaged frame at byte {second}", path.display()));
        let (found, damaged) = read_all(&mut reader, 1 << 20);
        assert_eq!((damaged, &found[0]), (1, &item(0).bytes));
        // A length that leads nowhere costs the rest of the segment.
        let is_length = at < second + 4;
        assert_eq!(found.len(), if is_length { 1 } else { 3 }, "byte {at}");
    }
    changed_tail_survives_a_restart(dir.path(), &content, second);
}

fn changed_tail_survives_a_restart(dir: &Path, content: &[u8], second: usize) {
    let mut changed = content.to_vec();
    changed[second + HEADER_BYTES] ^= 1;
    fs::write(path_of(dir, 0, EXTENSION), &changed).unwrap();
    let (_, mut reader, cuts) = Disk::open(dir, 1 << 20).unwrap();
    assert_eq!(cuts, [], "good frames behind a damaged one are not cut off");
    assert_eq!(read_all(&mut reader, 1 << 20).0.len(), 3);
}

#[test]
fn a_full_disk_refuses_the_whole_group_and_the_spool_goes_on_when_there_is_room() {
    let dir = fast_dir();
    let (mut spool, mut reader, _) = Disk::open(dir.path(), 500).unwrap();
    for n in 0..30 {
        ROOM_BYTES.set(Some(n as usize * 3));
        assert!(spool.append(&items(n..n + 3)).unwrap_err().is_full());
        ROOM_BYTES.set(None);
        assert_eq!(read_all(&mut reader, 100), (bodies(0..n), 0));
        spool.append(&[item(n)]).unwrap();
    }
    drop(spool);
    assert_eq!(Disk::open(dir.path(), 500).unwrap().2, []);
}
