//! A disk that gives back something else than was written: a torn end is cut off and reported, a damaged block costs what
//! stood in it, and a log that lost its end loses nothing new.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;

use crate::destination::Destination;
use crate::process::eventually;
use crate::{SEALED, SPOOL, end_well, send_acknowledged, site, wait_for_all};

/// Kills telseal with the destination down, damages the end of the newest segment, and expects that only the damage goes.
fn survives(storage: &str, folder: &str, ending: &str, damage: impl Fn(&Path)) {
    let mut destination = Destination::start_down();
    let site = site(storage, &destination);
    let telseal = site.start();
    send_acknowledged(&site, 0..30);
    telseal.kill();
    let newest = site.files(folder, ending).pop().expect("a segment");
    damage(&newest);
    let telseal = site.start();
    let name = newest.file_name().unwrap().to_str().unwrap();
    let said = telseal.stderr();
    assert!(said.contains("cut off a torn end") && said.contains(name), "{said}");
    destination.up();
    send_acknowledged(&site, 30..40);
    let arrived = wait_for_all(&destination, &(0..40).collect());
    assert_eq!(arrived.len(), 40, "nothing but what was sent");
    end_well(&site, telseal, storage);
}

fn append(path: &Path, bytes: &[u8]) {
    OpenOptions::new().append(true).open(path).unwrap().write_all(bytes).unwrap();
}

#[test]
fn a_torn_last_write_of_a_ledger_is_cut_off_and_reported() {
    survives(SEALED, "logs/ledger", ".ndjson", |newest| append(newest, b"{\"body\":\"half a li"));
    survives(SEALED, "logs/ledger", ".ndjson", |newest| append(newest, &[0; 5000]));
    // A whole line, and half of it again, that no checkpoint covers.
    survives(SEALED, "logs/ledger", ".ndjson", |newest| {
        let text = fs::read_to_string(newest).unwrap();
        let line = text.lines().rfind(|line| line.contains("record 29")).unwrap();
        append(newest, format!("{line}\n{}", &line[..line.len() / 2]).as_bytes());
    });
}

#[test]
fn a_torn_last_write_of_a_spool_is_cut_off_and_reported() {
    survives(SPOOL, "logs/spool", ".spool", |newest| append(newest, b"\x01\x02half a frame"));
    survives(SPOOL, "logs/spool", ".spool", |newest| append(newest, &[0; 5000]));
    survives(SPOOL, "logs/spool", ".spool", |newest| {
        let bytes = fs::read(newest).unwrap();
        append(newest, &bytes[bytes.len() - 40..bytes.len() - 3]);
    });
}

#[test]
fn a_damaged_block_of_a_spool_costs_one_request_which_is_counted() {
    let mut destination = Destination::start_down();
    let site = site(SPOOL, &destination);
    let telseal = site.start();
    send_acknowledged(&site, 0..30);
    telseal.kill();
    let segment = site.files("logs/spool", ".spool").pop().expect("a segment");
    let mut bytes = fs::read(&segment).unwrap();
    let place = bytes.windows(9).position(|window| window == b"record 12").expect("the record");
    bytes[place] ^= 1;
    fs::write(&segment, bytes).unwrap();
    let telseal = site.start();
    destination.up();
    let wanted = (0..30).filter(|number| *number != 12).collect();
    wait_for_all(&destination, &wanted);
    eventually("the loss is counted", || (site.metric("telseal_exporter_damaged_records_total") == 1.0).then_some(()));
    let name = segment.file_name().unwrap().to_str().unwrap();
    assert!(telseal.stderr().contains(name), "{}", telseal.stderr());
    end_well(&site, telseal, SPOOL);
}

/// What a disk that lied about `fsync` leaves behind after a power failure: a cursor beyond the end of the log.
#[test]
fn a_log_that_is_shorter_than_a_cursor_loses_nothing_new() {
    for (storage, folder, ending) in [(SEALED, "logs/ledger", ".ndjson"), (SPOOL, "logs/spool", ".spool")] {
        let destination = Destination::start();
        let site = site(storage, &destination);
        let telseal = site.start();
        send_acknowledged(&site, 0..10);
        wait_for_all(&destination, &(0..10).collect());
        let newest = site.files(folder, ending).pop().expect("a segment");
        let before = fs::read(&newest).unwrap();
        send_acknowledged(&site, 10..50);
        wait_for_all(&destination, &(0..50).collect());
        end_well(&site, telseal, storage);
        fs::write(&newest, before).unwrap();
        let telseal = site.start();
        send_acknowledged(&site, 50..60);
        let wanted = (0..60).collect();
        wait_for_all(&destination, &wanted);
        end_well(&site, telseal, storage);
    }
}
