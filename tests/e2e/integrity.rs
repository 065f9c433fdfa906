//! What `telseal verify` proves: every flipped byte, deleted line and swapped pair of lines, in closed and in active segments,
//! is found and named.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use crate::destination::Destination;
use crate::process::{Site, assert_verified, said, telseal};
use crate::sender::send;
use crate::telemetry::{numbered, request};
use telseal::otlp::Signal;

const TEMPLATE: &str = "
receivers: {otlp: {protocols: {http: {endpoint: $HTTP}}}}
processors: {seal: {segment_bytes_max: 64 KiB, compression: none}}
exporters: {otlp_http/next: {endpoint: $NEXT, compression: none}}
service:
  data_dir: $DATA
  telemetry: {metrics: {endpoint: $ADMIN}}
  pipelines:
    logs: {receivers: [otlp], processors: [seal], exporters: [otlp_http/next]}
    traces: {receivers: [otlp], processors: [seal], exporters: [otlp_http/next]}
";

/// A site with a ledger of several segments, ended in order.
fn sealed() -> Site {
    let next = Destination::start();
    let site = Site::new(TEMPLATE, &[("$NEXT", &next.url())]);
    let telseal = site.start();
    for number in 0..40 {
        let body = if number == 20 { request(Signal::Logs) } else { numbered(number * 10..number * 10 + 10) };
        assert_eq!(send(site.http, Signal::Logs, &body).expect("an answer").status, 200);
    }
    assert_eq!(send(site.http, Signal::Traces, &request(Signal::Traces)).expect("an answer").status, 200);
    site.wait_until_delivered();
    assert_eq!(telseal.terminate().status.code(), Some(0));
    site
}

/// The segments of the log records' ledger, the active one last.
fn segments(site: &Site) -> Vec<PathBuf> {
    let segments = site.files("logs/ledger", ".ndjson");
    assert!(segments.len() >= 3, "closed segments and an active one: {segments:?}");
    segments
}

/// `verify` over the whole data folder must say that it is not intact, and where.
fn assert_found(site: &Site, segment: &Path, what: &str) {
    assert_found_as(4, site, segment, what);
}

fn assert_found_as(code: i32, site: &Site, segment: &Path, what: &str) {
    let output = site.verify();
    assert_eq!(output.status.code(), Some(code), "{what}:\n{}", said(&output));
    let name = segment.file_name().unwrap().to_str().unwrap();
    assert!(said(&output).contains(name), "{what}: does not name {name}:\n{}", said(&output));
}

/// Changes a segment for as long as `check` runs.
fn with_changed(segment: &Path, bytes: &[u8], check: impl FnOnce()) {
    let original = fs::read(segment).unwrap();
    assert_ne!(original, bytes, "a change");
    fs::write(segment, bytes).unwrap();
    check();
    fs::write(segment, original).unwrap();
}

#[test]
fn one_flipped_byte_anywhere_is_found() {
    let site = sealed();
    assert_verified(&site);
    let segments = segments(&site);
    for segment in [&segments[0], &segments[1], segments.last().unwrap()] {
        let original = fs::read(segment).unwrap();
        // A stride without a common factor with the lines' lengths meets every part of a line, and both ends.
        let places =
            (0..original.len()).step_by(original.len() / 23 + 1).chain([original.len() - 2, original.len() - 1]);
        for place in places {
            let mut bytes = original.clone();
            bytes[place] ^= 1;
            // Without the last end of line the last checkpoint is half a line, as a crash would leave it.
            let is_torn = Some(segment) == segments.last() && place + 1 == original.len();
            let code = if is_torn { 6 } else { 4 };
            with_changed(segment, &bytes, || {
                assert_found_as(code, &site, segment, &format!("byte {place} of {segment:?}"));
            });
        }
    }
    assert_verified(&site);
}

#[test]
fn every_flipped_byte_of_a_line_and_its_checkpoint_is_found() {
    let site = sealed();
    let segment = segments(&site).pop().unwrap();
    let original = fs::read(&segment).unwrap();
    // The last two lines: a record and the checkpoint that covers it.
    let begin = original[..original.len() - 1].iter().enumerate().rev().filter(|(_, byte)| **byte == b'\n').nth(1);
    let begin = begin.map_or(0, |(at, _)| at + 1);
    for place in begin..original.len() {
        let mut bytes = original.clone();
        bytes[place] ^= 0x20;
        fs::write(&segment, &bytes).unwrap();
        let found = telseal::ledger::verify::verify(&segment, &telseal::ledger::verify::VerifyOptions::default());
        assert!(found.is_err(), "byte {place} ({:?}) changed unseen", char::from(original[place]));
    }
}

/// The segment's lines, each with its end.
fn lines(segment: &Path) -> Vec<String> {
    fs::read_to_string(segment).unwrap().split_inclusive('\n').map(str::to_owned).collect()
}

#[test]
fn a_deleted_line_is_found() {
    let site = sealed();
    let segments = segments(&site);
    for segment in [&segments[0], &segments[1], segments.last().unwrap()] {
        let lines = lines(segment);
        for gone in (0..lines.len()).step_by(lines.len() / 7 + 1) {
            let mut fewer = lines.clone();
            fewer.remove(gone);
            let what = format!("without line {} of {segment:?}", gone + 1);
            with_changed(segment, fewer.concat().as_bytes(), || assert_found(&site, segment, &what));
        }
    }
}

#[test]
fn swapped_lines_are_found() {
    let site = sealed();
    let segments = segments(&site);
    for segment in [&segments[0], &segments[1], segments.last().unwrap()] {
        let lines = lines(segment);
        for first in (0..lines.len() - 1).step_by(lines.len() / 7 + 1) {
            let mut swapped = lines.clone();
            swapped.swap(first, first + 1);
            let what = format!("lines {} and {} of {segment:?} swapped", first + 1, first + 2);
            with_changed(segment, swapped.concat().as_bytes(), || assert_found(&site, segment, &what));
        }
    }
}

#[test]
fn a_missing_segment_is_found() {
    let site = sealed();
    let segments = segments(&site);
    for gone in &segments[..segments.len() - 1] {
        let elsewhere = site.dir().join("elsewhere");
        fs::rename(gone, &elsewhere).unwrap();
        let output = site.verify();
        assert_eq!(output.status.code(), Some(4), "without {gone:?}:\n{}", said(&output));
        fs::rename(&elsewhere, gone).unwrap();
    }
    assert_verified(&site);
}

fn verify(path: &Path, more: &[&str]) -> Output {
    telseal([&["verify", path.to_str().unwrap()], more].concat())
}

#[test]
fn a_data_folder_a_pipeline_and_a_segment_can_be_verified_on_their_own() {
    let site = sealed();
    let segments = segments(&site);
    for path in [site.data_dir(), &site.data_dir().join("logs"), &site.data_dir().join("logs/ledger"), &segments[1]] {
        let output = verify(path, &[]);
        assert_eq!(output.status.code(), Some(0), "{path:?}:\n{}", said(&output));
    }
    let key = site.data_dir().join("logs/ledger/key.pub");
    let output = verify(&site.data_dir().join("logs"), &["--key", key.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let other_key = site.data_dir().join("traces/ledger/key.pub");
    let output = verify(&site.data_dir().join("logs"), &["--key", other_key.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(4), "signed by another key:\n{}", said(&output));
}

#[test]
fn where_nothing_can_be_proven_verify_says_so() {
    let site = Site::new("", &[]);
    let output = verify(&site.dir().join("missing"), &[]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    let output = verify(site.dir(), &[]);
    assert_eq!(output.status.code(), Some(6), "no ledger there:\n{}", said(&output));
}

#[test]
fn a_ledger_in_use_verifies_too() {
    let next = Destination::start();
    let site = Site::new(TEMPLATE, &[("$NEXT", &next.url())]);
    let _telseal = site.start();
    for number in 0..20 {
        assert_eq!(send(site.http, Signal::Logs, &numbered([number])).expect("an answer").status, 200);
        assert_verified(&site);
    }
}

#[test]
fn the_signing_key_is_readable_by_its_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let site = sealed();
    let mode = fs::metadata(site.data_dir().join("logs/ledger/root.key")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}
