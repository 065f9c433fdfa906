//! `syslog` into rsyslog: over TCP, UDP and TLS, a recorded agent session arrives as rsyslog understands it, and a restart of
//! rsyslog costs nothing.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use telseal::otlp::Signal;

use crate::backend::{self, Backend};
use crate::process::{Site, Telseal, eventually, files_below};
use crate::sender;

const RSYSLOG: &str = r#"
global(workDirectory="$DIR" maxMessageSize="64k"
  defaultNetstreamDriverCAFile="$CERTIFICATES/authority.pem"
  defaultNetstreamDriverCertFile="$CERTIFICATES/server.pem"
  defaultNetstreamDriverKeyFile="$CERTIFICATES/server.key")
module(load="imudp")
module(load="imtcp" $TLS)
input(type="imtcp" address="127.0.0.1" port="$PORT")
input(type="imudp" address="127.0.0.1" port="$PORT")
template(name="record" type="list" option.jsonf="on") {
  property(outname="facility" name="syslogfacility-text" format="jsonf")
  property(outname="severity" name="syslogseverity-text" format="jsonf")
  property(outname="hostname" name="hostname" format="jsonf")
  property(outname="app" name="app-name" format="jsonf")
  property(outname="msgid" name="msgid" format="jsonf")
  property(outname="time" name="timereported" dateformat="rfc3339" format="jsonf")
  property(outname="data" name="structured-data" format="jsonf")
  property(outname="msg" name="msg" format="jsonf")
}
action(type="omfile" file="$DIR/out.json" template="record")
"#;

const TELSEAL: &str = "
receivers: {otlp: {protocols: {http: {endpoint: $HTTP}}}}
$PROCESSORS
exporters:
  syslog:
    endpoint: 127.0.0.1:$PORT
    $TRANSPORT
    format: $FORMAT
    retry_on_failure: {initial_interval: 20ms, max_interval: 100ms}
service:
  data_dir: $DATA
  telemetry: {metrics: {endpoint: $ADMIN}}
  pipelines:
    logs: {receivers: [otlp], processors: [$SEAL], exporters: [syslog], storage: disk}
";

const TLS: &str = r#"streamDriver.name="gtls" streamDriver.mode="1" streamDriver.authMode="anon""#;

fn certificates() -> String {
    format!("{}/tests/conformance/certificates", env!("CARGO_MANIFEST_DIR"))
}

fn start(tls: &str) -> Option<Backend> {
    backend::start("rsyslog", |port, dir: &Path| {
        let text = RSYSLOG.replace("$DIR", &dir.display().to_string()).replace("$PORT", &port.to_string());
        let text = text.replace("$TLS", tls).replace("$CERTIFICATES", &certificates());
        fs::write(dir.join("rsyslog.conf"), text).unwrap();
        let path = |name: &str| dir.join(name).display().to_string();
        vec!["-f".to_owned(), path("rsyslog.conf"), "-i".to_owned(), path("pid")]
    })
}

fn site(rsyslog: &Backend, transport: &str, format: &str, seal: bool) -> Site {
    let processors = if seal { "processors: {seal: {}}" } else { "" };
    let words = [
        ("$PORT", &*rsyslog.port.to_string()),
        ("$TRANSPORT", transport),
        ("$FORMAT", format),
        ("$PROCESSORS", processors),
        ("$SEAL", if seal { "seal" } else { "" }),
    ];
    Site::new(TELSEAL, &words)
}

/// What rsyslog has written, once it is so many records.
fn records(rsyslog: &Backend, count: usize) -> Vec<Value> {
    eventually("rsyslog has the records", || {
        let text = fs::read_to_string(rsyslog.dir().join("out.json")).ok()?;
        let records: Vec<Value> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        (records.len() >= count).then_some(records)
    })
}

fn msg(record: &Value) -> &str {
    record["msg"].as_str().unwrap().trim_start_matches([' ', '\u{feff}'])
}

/// Sends the recorded session; how many records it has.
fn send_session(site: &Site) -> (Telseal, usize) {
    let telseal = site.start();
    let body = include_bytes!("../../examples/session/logs.json");
    let answer = sender::post(site.http, &sender::path(Signal::Logs), &[("content-type", sender::JSON)], body).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    let request = telseal::otlp::json::to_protobuf(Signal::Logs, body).unwrap();
    (telseal, usize::try_from(telseal::otlp::count(Signal::Logs, &request).unwrap()).unwrap())
}

#[test]
fn rsyslog_understands_every_part_of_a_message_over_each_transport() {
    let clear = "tls: {insecure: true}".to_owned();
    let trusted = format!("tls: {{ca_file: '{}/authority.pem', server_name_override: collector.test}}", certificates());
    for (tls, transport) in [
        ("", clear.clone()),
        ("", format!("{clear}\n    confirm: write")),
        ("", format!("{clear}\n    enable_octet_counting: false")),
        ("", "network: udp\n    max_message_bytes: 60KiB".to_owned()),
        (TLS, trusted),
    ] {
        let Some(rsyslog) = start(tls) else { return };
        let site = site(&rsyslog, &transport, "plain", false);
        let (telseal, count) = send_session(&site);
        let records = records(&rsyslog, count);
        assert_eq!(records.len(), count, "{transport}");
        let names = |log: &Value| log["attributes"].as_array().unwrap().clone();
        let sent: Value = serde_json::from_str(include_str!("../../examples/session/logs.json")).unwrap();
        let logs = sent["resourceLogs"][0]["scopeLogs"].as_array().unwrap().iter();
        for log in logs.flat_map(|scope| scope["logRecords"].as_array().unwrap()) {
            let there = |record: &&Value| {
                let data = record["data"].as_str().unwrap();
                names(log).iter().all(|attribute| {
                    let value = attribute["value"]["stringValue"].as_str().unwrap_or("");
                    let escaped =
                        value.replace('\\', r"\\").replace('"', "\\\"").replace(']', r"\]").replace('\n', r"\n");
                    data.contains(attribute["key"].as_str().unwrap()) && data.contains(&escaped)
                })
            };
            assert!(records.iter().any(|record| there(&record)), "{transport}: not there: {log}");
        }
        assert!(records.iter().all(|record| record["facility"] == "local4" && record["time"].is_string()));
        assert!(records.iter().all(|record| record["app"] != "-" && record["data"] != "-"), "{:?}", records[0]);
        telseal.terminate();
    }
}

#[test]
fn sealed_lines_are_in_rsyslog_byte_for_byte() {
    let Some(rsyslog) = start("") else { return };
    let site = site(&rsyslog, "tls: {insecure: true}", "json", true);
    let (telseal, count) = send_session(&site);
    let there: BTreeSet<String> = records(&rsyslog, count).iter().map(|record| msg(record).to_owned()).collect();
    telseal.terminate();
    let segments = files_below(site.data_dir()).into_iter().filter(|path| path.to_string_lossy().ends_with(".ndjson"));
    let lines =
        segments.flat_map(|path| fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect::<Vec<_>>());
    let sealed: BTreeSet<String> = lines.filter(|line| line.contains("\"signal\":")).collect();
    assert_eq!(there, sealed);
}

#[test]
fn nothing_is_lost_while_rsyslog_is_started_again_and_again() {
    const RECORDS: usize = 400;
    let Some(mut rsyslog) = start("") else { return };
    let site = site(&rsyslog, "tls: {insecure: true}", "plain", false);
    let telseal = site.start();
    for number in 0..RECORDS {
        let record = format!(r#"{{"body":{{"stringValue":"r{number:06}-"}}}}"#);
        let body = format!(r#"{{"resourceLogs":[{{"scopeLogs":[{{"logRecords":[{record}]}}]}}]}}"#);
        let headers = [("content-type", sender::JSON)];
        let answer = sender::post(site.http, &sender::path(Signal::Logs), &headers, body.as_bytes()).unwrap();
        assert_eq!(answer.status, 200);
        if number % 100 == 50 {
            rsyslog.terminate();
            std::thread::sleep(Duration::from_millis(50));
            rsyslog.start_again();
        }
    }
    site.wait_until_delivered();
    let bodies = || -> BTreeSet<String> { records(&rsyslog, 0).iter().map(|record| msg(record).to_owned()).collect() };
    eventually("rsyslog has them all", || (bodies().len() == RECORDS).then_some(()));
    telseal.terminate();
}
