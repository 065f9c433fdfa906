//! The file exporter on a real folder: what is confirmed is there in full, whatever happens in between.

#![expect(clippy::unwrap_used, reason = "a test says what it expects by failing")]
#![expect(clippy::disallowed_methods, reason = "what others do to the files of the exporter")]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use prost::Message;
use telseal::exporter::file::{Config, File, Format, Rotation};
use telseal::exporter::{ExportError, Exporter, Payload};
use telseal::otlp::Signal;
use telseal::stdx::duration::Span;
use tempfile::TempDir;

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn config(path: &Path) -> Config {
    Config { path: path.to_owned(), ..Config::default() }
}

/// A sealed payload of one line.
fn line(text: &str) -> Payload {
    Payload::from_lines(Signal::Logs, format!("{text}\n").into(), 1)
}

fn frame(text: &str) -> Payload {
    Payload::from_otlp(Signal::Traces, vec![text.to_owned().into()], 1)
}

/// Names and contents, with digits made alike.
fn listed(folder: &Path) -> Vec<(String, String)> {
    let mut found: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.sort();
    let shown = |path: PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy().replace(|c: char| c.is_ascii_digit(), "0");
        (name, fs::read_to_string(path).unwrap())
    };
    found.into_iter().map(shown).collect()
}

fn files(wanted: &[(&str, &str)]) -> Vec<(String, String)> {
    wanted.iter().map(|(name, content)| ((*name).to_owned(), (*content).to_owned())).collect()
}

#[tokio::test]
async fn closing_renames_the_whole_file_into_place() {
    let folder = folder();
    let exporter = File::new(&config(&folder.path().join("new/audit.ndjson")));
    exporter.export(&line("one")).await.unwrap();
    exporter.export(&line("two")).await.unwrap();
    assert_eq!(listed(&folder.path().join("new")), files(&[("audit.ndjson.part", "one\ntwo\n")]));
    exporter.close().await.unwrap();
    assert_eq!(listed(&folder.path().join("new")), files(&[("audit-00000000T000000.000Z.ndjson", "one\ntwo\n")]));
    exporter.close().await.unwrap();
    assert_eq!(listed(&folder.path().join("new")).len(), 1);
}

#[tokio::test]
async fn a_folder_gets_one_file_a_signal() {
    let folder = folder();
    let exporter = File::new(&config(&folder.path().join("")));
    exporter.export(&line("one")).await.unwrap();
    exporter.export(&Payload::from_lines(Signal::Traces, "two\n".into(), 1)).await.unwrap();
    assert_eq!(listed(folder.path()), files(&[("logs.ndjson.part", "one\n"), ("traces.ndjson.part", "two\n")]));
}

/// A request of two log records, as an unsealed pipeline hands it over.
fn unsealed() -> Payload {
    let log_records = (1..=2).map(|time_unix_nano| LogRecord { time_unix_nano, ..LogRecord::default() }).collect();
    let scope_logs = vec![ScopeLogs { log_records, ..ScopeLogs::default() }];
    let resource_logs = vec![ResourceLogs { scope_logs, ..ResourceLogs::default() }];
    let request = ExportLogsServiceRequest { resource_logs }.encode_to_vec();
    Payload::from_otlp(Signal::Logs, vec![request.into()], 2)
}

#[tokio::test]
async fn records_that_are_not_sealed_have_the_same_lines_without_a_seal() {
    let folder = folder();
    let exporter = File::new(&config(&folder.path().join("a")));
    exporter.export(&unsealed()).await.unwrap();
    let content = fs::read(folder.path().join("a.ndjson.part")).unwrap();
    assert_eq!(content.iter().filter(|byte| **byte == b'\n').count(), 2);
    let back = telseal::otlp::line::to_otlp(Signal::Logs, &content).unwrap();
    let read = |bytes: &[u8]| ExportLogsServiceRequest::decode(bytes).unwrap().resource_logs[0].scope_logs.clone();
    assert_eq!(read(&back), read(&unsealed().otlp().unwrap()));
}

#[tokio::test]
async fn json_is_one_request_a_line() {
    let folder = folder();
    let exporter = File::new(&Config { format: Format::Json, ..config(&folder.path().join("a.json")) });
    exporter.export(&unsealed()).await.unwrap();
    exporter.export(&unsealed()).await.unwrap();
    let content = fs::read(folder.path().join("a.json.part")).unwrap();
    let lines: Vec<&[u8]> = content.split_inclusive(|byte| *byte == b'\n').collect();
    assert_eq!(lines.len(), 2);
    for line in lines {
        let back = telseal::otlp::json::to_protobuf(Signal::Logs, line).unwrap();
        let wanted = ExportLogsServiceRequest::decode(unsealed().otlp().unwrap());
        assert_eq!(ExportLogsServiceRequest::decode(&*back), wanted);
    }
}

#[tokio::test]
async fn a_payload_that_would_make_the_file_too_large_begins_the_next_one_and_is_not_divided() {
    let folder = folder();
    let rotation = Rotation { max_megabytes: 1, ..Rotation::default() };
    let exporter = File::new(&Config { rotation, ..config(&folder.path().join("a.ndjson")) });
    let sizes = [600_000, 400_000, 100_000, 3_000_000, 1];
    for (size, letter) in sizes.into_iter().zip(["a", "b", "c", "d", "e"]) {
        exporter.export(&line(&letter.repeat(size))).await.unwrap();
    }
    exporter.close().await.unwrap();
    let lengths: Vec<usize> = listed(folder.path()).iter().map(|(_, content)| content.len()).collect();
    assert_eq!(lengths, [1_000_002, 100_001, 3_000_001, 2]);
}

#[tokio::test]
async fn a_file_that_is_old_enough_is_closed_although_nothing_more_comes() {
    let folder = folder();
    let rotation = Rotation { max_age: Span::millis(300), ..Rotation::default() };
    let exporter = File::new(&Config { rotation, ..config(&folder.path().join("a.ndjson")) });
    exporter.export(&line("one")).await.unwrap();
    let closed = files(&[("a-00000000T000000.000Z.ndjson", "one\n")]);
    for _ in 0..100 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        if listed(folder.path()) == closed {
            return;
        }
    }
    panic!("{:?}", listed(folder.path()));
}

#[tokio::test]
async fn only_as_many_files_are_kept_as_configured_and_strangers_are_left_alone() {
    let folder = folder();
    fs::write(folder.path().join("a-notes.ndjson"), "mine").unwrap();
    let rotation = Rotation { max_backups: 2, ..Rotation::default() };
    let exporter = File::new(&Config { rotation, ..config(&folder.path().join("a.ndjson")) });
    for text in ["one", "two", "three", "four"] {
        exporter.export(&line(text)).await.unwrap();
        exporter.close().await.unwrap();
    }
    let contents: Vec<String> = listed(folder.path()).into_iter().map(|(_, content)| content).collect();
    assert_eq!(contents, ["three\n", "four\n", "mine"]);
}

#[tokio::test]
async fn after_a_crash_the_file_goes_on_and_half_a_line_is_cut_off() {
    for (left, wanted) in [
        ("", "new\n"),
        ("old\n", "old\nnew\n"),
        ("old\nhal", "old\nnew\n"),
        ("hal", "new\n"),
        (&format!("old\n{}", "x".repeat(200_000)), "old\nnew\n"),
        (&format!("{}\nhal", "x".repeat(200_000)), &format!("{}\nnew\n", "x".repeat(200_000))),
    ] {
        let folder = folder();
        fs::write(folder.path().join("a.ndjson.part"), left).unwrap();
        let exporter = File::new(&config(&folder.path().join("a.ndjson")));
        exporter.export(&line("new")).await.unwrap();
        assert_eq!(listed(folder.path()), files(&[("a.ndjson.part", wanted)]));
    }
}

#[tokio::test]
async fn after_a_crash_half_a_frame_is_cut_off() {
    let whole = b"\0\0\0\x03old".as_slice();
    for torn in [b"".as_slice(), b"\0", b"\0\0\0\x05hal", b"\xff\xff\xff\xffhal", b"\0\0\0\0\0\0\0\0"] {
        let folder = folder();
        fs::write(folder.path().join("traces.binpb.part"), [whole, torn].concat()).unwrap();
        let exporter = File::new(&Config { format: Format::Proto, ..config(&folder.path().join("")) });
        exporter.export(&frame("newer")).await.unwrap();
        let content = fs::read(folder.path().join("traces.binpb.part")).unwrap();
        assert_eq!(content, [whole, b"\0\0\0\x05newer"].concat(), "{torn:?}");
    }
}

#[tokio::test]
async fn what_a_crash_has_left_is_handed_over_at_the_next_orderly_end() {
    let folder = folder();
    fs::write(folder.path().join("a.ndjson.part"), "old\nhal").unwrap();
    File::new(&config(&folder.path().join("a.ndjson"))).close().await.unwrap();
    assert_eq!(listed(folder.path()), files(&[("a-00000000T000000.000Z.ndjson", "old\n")]));
}

#[tokio::test]
async fn a_file_that_somebody_removes_or_moves_away_is_begun_again() {
    let folder = folder();
    let part = folder.path().join("a.ndjson.part");
    let exporter = File::new(&config(&folder.path().join("a.ndjson")));
    exporter.export(&line("one")).await.unwrap();
    fs::remove_file(&part).unwrap();
    exporter.export(&line("two")).await.unwrap();
    assert_eq!(fs::read_to_string(&part).unwrap(), "two\n");
    fs::rename(&part, folder.path().join("moved")).unwrap();
    exporter.export(&line("three")).await.unwrap();
    assert_eq!(listed(folder.path()), files(&[("a.ndjson.part", "three\n"), ("moved", "two\n")]));
    fs::remove_dir_all(folder.path()).unwrap();
    exporter.export(&line("four")).await.unwrap();
    assert_eq!(listed(folder.path()), files(&[("a.ndjson.part", "four\n")]));
}

#[tokio::test]
async fn two_exporters_never_write_one_file() {
    let folder = folder();
    let path = folder.path().join("a.ndjson");
    let (first, second) = (File::new(&config(&path)), File::new(&config(&path)));
    first.export(&line("one")).await.unwrap();
    let error = second.export(&line("two")).await.unwrap_err();
    assert!(matches!(&error, ExportError::Retry { cause, .. } if cause.contains("another exporter")), "{error:?}");
    first.close().await.unwrap();
    second.export(&line("two")).await.unwrap();
    let wanted = [("a-00000000T000000.000Z.ndjson", "one\n"), ("a.ndjson.part", "two\n")];
    assert_eq!(listed(folder.path()), files(&wanted));
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_pauses_and_names_the_path() {
    let folder = folder();
    fs::write(folder.path().join("file"), "").unwrap();
    for path in ["file/a.ndjson", "file/deeper/a.ndjson"] {
        let path = folder.path().join(path);
        let error = File::new(&config(&path)).export(&line("one")).await.unwrap_err();
        let named = path.parent().unwrap().to_string_lossy().into_owned();
        assert!(matches!(&error, ExportError::Pause { cause } if cause.contains(&named)), "{error:?}");
    }
}

#[tokio::test]
async fn a_full_disk_is_tried_again_and_leaves_no_half_line() {
    // The kernel's own full disk; where it is missing there is nothing to test with.
    let full = Path::new("/dev/full");
    if !full.exists() {
        return;
    }
    let folder = folder();
    std::os::unix::fs::symlink(full, folder.path().join("a.ndjson.part")).unwrap();
    let exporter = File::new(&config(&folder.path().join("a.ndjson")));
    let error = exporter.export(&line("one")).await.unwrap_err();
    assert!(matches!(error, ExportError::Retry { .. }), "{error:?}");
    fs::remove_file(folder.path().join("a.ndjson.part")).unwrap();
    exporter.export(&line("one")).await.unwrap();
    assert_eq!(listed(folder.path()), files(&[("a.ndjson.part", "one\n")]));
}
