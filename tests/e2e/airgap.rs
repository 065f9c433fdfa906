//! A disk that is carried: the files of one telseal, read by another one on the other side.

use std::fs;
use std::path::PathBuf;

use telseal::otlp::Signal;

use crate::process::{Site, eventually, files_below};
use crate::sender::send;
use crate::telemetry::numbered;

const HERE: &str = "
receivers: {otlp: {protocols: {http: {endpoint: $HTTP}}}}
processors: {seal: {}}
exporters: {file: {path: $DIR/out/, format: $FORMAT, compression: $COMPRESSION, sha256: true}}
service:
  data_dir: $DATA
  telemetry: {metrics: {endpoint: $ADMIN}}
  pipelines:
    logs: {receivers: [otlp], processors: [seal], exporters: [file]}
";

const THERE: &str = "
receivers: {otlp_file: {include: [$OUT], poll_interval: 20ms}}
processors: {seal: {}}
exporters: {file: {path: $DIR/copy/}}
service:
  data_dir: $DATA
  telemetry: {metrics: {endpoint: $ADMIN}}
  pipelines:
    logs: {receivers: [otlp_file], processors: [seal], exporters: [file]}
";

fn carried(format: &str, compression: &str, numbers: std::ops::Range<u64>) -> Site {
    let site = Site::new(HERE, &[("$FORMAT", format), ("$COMPRESSION", compression)]);
    let telseal = site.start();
    for number in numbers {
        assert_eq!(send(site.http, Signal::Logs, &numbered([number])).expect("an answer").status, 200);
    }
    site.wait_until_delivered();
    telseal.terminate();
    site
}

fn out(site: &Site) -> Vec<PathBuf> {
    files_below(&site.dir().join("out"))
}

/// What the other side has stored.
fn lines(site: &Site) -> Vec<String> {
    let files = files_below(&site.dir().join("copy"));
    files
        .iter()
        .flat_map(|path| fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect::<Vec<_>>())
        .collect()
}

fn received(site: &Site) -> u64 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count")]
    let received = site.metric("telseal_pipeline_received_records_total") as u64;
    received
}

#[test]
fn a_carried_disk_is_read_once_in_every_form_and_over_restarts() {
    for (format, compression, end) in
        [("ndjson", "zstd", ".ndjson.zst"), ("json", "gzip", ".json.gz"), ("proto", "none", ".binpb")]
    {
        let here = carried(format, compression, 0..20);
        let files = out(&here);
        let names: Vec<String> = files.iter().map(|path| path.display().to_string()).collect();
        assert!(names.len() == 2 && names[0].ends_with(end) && names[1] == format!("{}.sha256", names[0]), "{names:?}");
        let there = Site::new(THERE, &[("$OUT", &here.dir().join("out").display().to_string())]);
        let telseal = there.start();
        eventually("all is read", || (received(&there) == 20).then_some(()));
        there.wait_until_delivered();
        // Time for the exporter's cursor, so that a file that comes twice would be the receiver's doing.
        std::thread::sleep(std::time::Duration::from_millis(500));
        telseal.kill();
        let telseal = there.start();
        std::thread::sleep(std::time::Duration::from_millis(200));
        assert_eq!(received(&there), 0, "{format}: read again after a restart");
        telseal.terminate();
        let lines = lines(&there);
        assert_eq!(lines.len(), 20, "{format}");
        assert!(
            lines.iter().all(|line| line.contains("audit.upstream.sequence.number") || line.contains("audit.upstream")),
            "{}",
            lines[0]
        );
    }
}

#[test]
fn a_file_that_was_changed_on_the_way_is_not_read() {
    let here = carried("ndjson", "none", 0..3);
    let file = out(&here).remove(0);
    let mut bytes = fs::read(&file).unwrap();
    let at = bytes.len() / 2;
    bytes[at] ^= 1;
    fs::write(&file, &bytes).unwrap();
    let there = Site::new(THERE, &[("$OUT", &here.dir().join("out").display().to_string())]);
    let telseal = there.start();
    eventually("it is said", || telseal.stderr().contains("not what its .sha256 says").then_some(()));
    assert_eq!(received(&there), 0);
    bytes[at] ^= 1;
    fs::write(&file, &bytes).unwrap();
    eventually("the good file is read", || (received(&there) == 3).then_some(()));
    telseal.terminate();
}
