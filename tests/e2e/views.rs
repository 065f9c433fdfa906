//! What single exporters get to see: records of some risk, what a filter leaves, and records without some fields. The ledger has everything, and
//! every copy verifies against it.

use telseal::otlp::{Signal, json};

use crate::destination::{Destination, Got};
use crate::process::{Site, assert_verified};
use crate::sender::send;
use crate::telemetry::records;

const TEMPLATE: &str = "
receivers: {otlp: {protocols: {http: {endpoint: $HTTP}}}}
processors:
  risk_tag: {}
  seal: {erasable: [user.email]}
exporters:
  otlp_http/siem: {endpoint: $SIEM, compression: none, min_risk: high}
  otlp_http/some:
    endpoint: $SOME
    compression: none
    filter: {keep: [{key: tool_input, matches: git}, {key: tool_input, matches: rm}], drop: [{key: risk.level, equals: critical}]}
  otlp_http/all: {endpoint: $ALL, compression: none, withhold: [user.email]}
  otlp_http/less: {endpoint: $LESS, compression: none, redact: pii}
service:
  data_dir: $DATA
  telemetry: {metrics: {endpoint: $ADMIN}}
  pipelines:
    logs: {receivers: [otlp], processors: [risk_tag, seal], exporters: [otlp_http/siem, otlp_http/some, otlp_http/all, otlp_http/less]}
";

/// One log record a command.
fn commands(commands: &[&str]) -> Vec<u8> {
    let text = |key: &str, value: &str| serde_json::json!({"key": key, "value": {"stringValue": value}});
    let record = |command: &&str| {
        let arguments = serde_json::json!({ "command": command }).to_string();
        let attributes =
            [text("tool_name", "Bash"), text("tool_input", &arguments), text("user.email", "ada@example.com")];
        serde_json::json!({"body": {"stringValue": "claude_code.tool_result"}, "attributes": attributes})
    };
    let records: Vec<_> = commands.iter().map(record).collect();
    let request = serde_json::json!({"resourceLogs": [{"scopeLogs": [{"logRecords": records}]}]}).to_string();
    json::to_protobuf(Signal::Logs, request.as_bytes()).unwrap()
}

fn all_text(got: &[Got]) -> String {
    got.iter().map(|got| format!("{:?}", records(Signal::Logs, &got.body))).collect()
}

/// All records, and no address in any: where it stood in an erasable field the seal is still there, elsewhere it is not.
fn assert_less(got: &[Got]) {
    let records: Vec<String> =
        got.iter().flat_map(|got| records(Signal::Logs, &got.body)).map(|record| format!("{record:?}")).collect();
    assert_eq!(records.len(), 5);
    for record in records {
        assert!(!record.contains("ada@example.com") && !record.contains("bob@"), "{record}");
        let redacted = record.contains("[REDACTED:email]");
        assert_eq!(redacted, record.contains("mail "), "{record}");
        assert_eq!(redacted, !record.contains("audit.seal.entry"), "{record}");
        assert!(record.contains("audit.sequence.number"), "{record}");
    }
}

#[test]
fn an_exporter_gets_the_risky_records_only_and_another_all_without_a_field() {
    let [siem, some, all, less] = [(); 4].map(|()| Destination::start());
    let site = Site::new(
        TEMPLATE,
        &[("$SIEM", &siem.url()), ("$SOME", &some.url()), ("$ALL", &all.url()), ("$LESS", &less.url())],
    );
    let telseal = site.start();
    let sent = commands(&["ls -la", "rm -rf / --no-preserve-root", "git status"]);
    assert_eq!(send(site.http, Signal::Logs, &sent).expect("an answer").status, 200);
    assert_eq!(
        send(site.http, Signal::Logs, &commands(&["pwd", "mail bob@example.org"])).expect("an answer").status,
        200
    );
    site.wait_until_delivered();
    assert!(site.metric("telseal_exporter_unaccounted_records").abs() < f64::EPSILON);
    assert_eq!(telseal.terminate().status.code(), Some(0));
    assert_less(&less.got());
    let (siem, some, all) = (all_text(&siem.got()), all_text(&some.got()), all_text(&all.got()));
    assert!(
        some.contains("git status") && !["ls -la", "no-preserve-root", "pwd"].iter().any(|one| some.contains(one)),
        "{some}"
    );
    assert!(siem.contains("no-preserve-root") && siem.contains("ada@example.com"), "{siem}");
    assert!(!siem.contains("git status") && !siem.contains("pwd"), "{siem}");
    assert!(["ls -la", "no-preserve-root", "git status", "pwd"].iter().all(|one| all.contains(one)), "{all}");
    assert!(!all.contains("ada@example.com"), "{all}");
    assert_verified(&site);
}
