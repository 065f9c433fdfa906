//! `telseal test` and `telseal pipe`: the processors of a configuration, without a running service.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

use crate::process::{said, telseal};

const CONFIG: &str = "
receivers: {otlp: {protocols: {http: {endpoint: 127.0.0.1:4318}}}}
processors:
  redact: {profile: ai-agent}
exporters: {debug: {}}
service:
  pipelines:
    logs: {receivers: [otlp], processors: [redact], exporters: [debug]}
";

const SECRET: &str = "AKIAQ3EGRPLJDN4TXY7W";

fn folder(cases: &str) -> (TempDir, PathBuf) {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("telseal.yaml"), CONFIG).unwrap();
    let path = dir.path().join("cases.yaml");
    fs::write(&path, format!("config: telseal.yaml\ncases:\n{cases}")).unwrap();
    (dir, path)
}

fn case(expect: &str) -> String {
    format!(
        "  - name: a key in a command
    given:
      resourceLogs:
        - resource: {{attributes: [{{key: service.name, value: {{stringValue: agent}}}}]}}
          scopeLogs:
            - logRecords:
                - body: {{stringValue: 'export AWS_ACCESS_KEY_ID={SECRET}'}}
                  severityText: INFO
                  attributes: [{{key: n, value: {{intValue: 5}}}}, {{key: ratio, value: {{doubleValue: 0.5}}}}]
    expect: {{{expect}}}
"
    )
}

fn run(expect: &str) -> (Output, String) {
    let (_dir, path) = folder(&case(expect));
    let output = telseal([&"test".into(), &path.into_os_string()]);
    let text = said(&output);
    (output, text)
}

#[test]
fn a_case_that_holds_passes() {
    let (output, text) = run(&format!(
        "records: 1, dropped: 0, added: 0, anywhere: ['export AWS'], nowhere: [{SECRET}], \
         each: {{attributes: {{n: 5, ratio: 0.5}}, absent: [other], resource: {{service.name: agent}}, severity_text: INFO}}"
    ));
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert_eq!(text, "ok      a key in a command\n1 passed, 0 failed\n");
}

#[test]
fn each_expectation_can_fail_and_says_what_was_found() {
    for (expect, said) in [
        ("records: 2", "records: 1, expected 2"),
        ("dropped: 1", "dropped: 0, expected 1"),
        ("added: 1", "added: 0, expected 1"),
        ("anywhere: [unheard]", "anywhere: `unheard` stands nowhere"),
        ("nowhere: [export]", "nowhere[0]: it stands in the output"),
        ("each: {attributes: {n: '5'}}", "each: record 0: attributes: `n` is 5, expected \"5\""),
        ("each: {attributes: {m: 1}}", "attributes: `m` is not there, expected 1"),
        ("each: {absent: [n]}", "absent: `n` is there"),
        ("each: {severity_text: WARN}", "severity_text: `INFO`, expected `WARN`"),
        ("some: {resource: {service.name: x}}", "some: at best resource: `service.name` is \"agent\", expected \"x\""),
    ] {
        let (output, text) = run(expect);
        assert_eq!(output.status.code(), Some(1), "{expect}: {text}");
        assert!(text.contains(said), "{expect}: no `{said}` in\n{text}");
        assert!(text.ends_with("0 passed, 1 failed\n") && !text.contains(SECRET), "{expect}: {text}");
    }
}

#[test]
fn a_file_of_cases_that_is_wrong_is_told_with_its_place() {
    let (_dir, path) = folder("  - {name: x, given: {}, expect: {record: 1}}\n");
    let output = telseal([&"test".into(), &path.clone().into_os_string()]);
    assert_eq!(output.status.code(), Some(3));
    let text = said(&output);
    assert!(text.contains("cases.yaml:3:") && text.contains("did you mean `records`?"), "{text}");
}

#[test]
fn a_pipe_prints_what_a_pipeline_would_store() {
    let (dir, _) = folder("");
    let mut child = Command::new(env!("CARGO_BIN_EXE_telseal"))
        .args(["pipe", "--counts", "--config"])
        .arg(dir.path().join("telseal.yaml"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let request =
        format!(r#"{{"resourceLogs":[{{"scopeLogs":[{{"logRecords":[{{"body":{{"stringValue":"{SECRET}"}}}}]}}]}}]}}"#);
    let spans = r#"{"resourceSpans":[]}"#;
    child.stdin.take().unwrap().write_all(format!("{request}\n\nno json\n{spans}\n").as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1), "two lines could not be taken");
    let (out, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(out.starts_with("{\"resourceLogs\"") && out.matches('\n').count() == 1 && !out.contains(SECRET), "{out}");
    for said in [
        "line 1: 1 in, 1 out, 1 changed by redact\n",
        "standard input:3: not OTLP/JSON",
        "standard input:4: no pipeline takes traces",
    ] {
        assert!(errors.contains(said), "no `{said}` in\n{errors}");
    }
}
