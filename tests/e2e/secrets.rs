//! No planted secret appears in any byte that the process writes: not on disk, not downstream, not on its standard output
//! or error, not in `/metrics`, not in an answer.
//!
//! Secrets are put together here from halves, so that this file itself sets off no scanner.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{ArrayValue, KeyValue, KeyValueList};
use opentelemetry_proto::tonic::logs::v1::{ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::{ResourceMetrics, ScopeMetrics};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans};
use prost::Message;
use telseal::otlp::{Signal, json};

use crate::destination::Destination;
use crate::process::{Site, assert_verified, eventually, files_below};
use crate::sender::{Answer, JSON, PROTOBUF, call, exchange, path, post, send};
use crate::telemetry::{Item, Record, SIGNALS, attribute, records, request};
use crate::unknown::with_unknown_fields;
use crate::walk::{Met, walk};

/// Every kind of place to write to: two ledgers and a spool, files, standard output, a destination that takes everything
/// and one that refuses everything, so that there are dead letters.
const TEMPLATE: &str = "
receivers: {otlp: {protocols: {grpc: {endpoint: $GRPC}, http: {endpoint: $HTTP}}}}
processors: {redact: {profile: ai-agent}, risk_tag: {}, seal: {}}
exporters:
  otlp_http/next: {endpoint: $NEXT, compression: none}
  otlp_grpc/refuses: {endpoint: $REFUSES, compression: none, tls: {insecure: true}}
  file: {path: $DIR/out.ndjson}
  debug: {verbosity: detailed}
service:
  data_dir: $DATA
  telemetry: {metrics: {endpoint: $ADMIN}, logs: {level: trace, format: json}}
  pipelines:
    logs: {receivers: [otlp], processors: [redact, risk_tag, seal], exporters: &all [otlp_http/next, otlp_grpc/refuses, debug, file]}
    traces: {receivers: [otlp], processors: [redact, risk_tag, seal], exporters: [otlp_http/next, otlp_grpc/refuses, debug]}
    metrics: {receivers: [otlp], processors: [redact], exporters: [otlp_http/next, otlp_grpc/refuses, debug], storage: disk}
";

/// A text with a secret in it, and the part that must never be seen.
pub(crate) struct Secret {
    pub(crate) text: String,
    pub(crate) hidden: String,
}

fn secret(before: &str, halves: [&str; 2], after: &str) -> Secret {
    let hidden = halves.concat();
    Secret { text: format!("{before}{hidden}{after}"), hidden }
}

/// Secrets that are known by how they look.
fn secrets() -> Vec<Secret> {
    let claims = "eyJzdWIiOiJ0ZWxzZWFsLXRlc3QiLCJleHAiOjE3OTIwMDAwMDB9";
    let key = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj";
    vec![
        secret("mail ", ["zaphod.beeblebrox", "@heartofgold.example.com"], " now"),
        secret("card ", ["4111 1111 ", "1111 1111"], " exp"),
        secret("card ", ["55555555", "55554444"], ""),
        secret("ssn ", ["536-22", "-8744"], "."),
        secret("aws ", ["AKIA", "Z7QRSTUVWXY23456"], " key"),
        secret("aws_secret_access_key=", ["wJalrXUtnFEMIK7MDENG", "bPxRfiCYzKq83mTdLw9a"], ""),
        secret("git ", ["ghp_", "R8mK2xVq7LwTz5NcYb3HdJf6GsPa1UeQo9Xi"], ""),
        secret(
            "git ",
            ["github_pat_", "11ABCDEFG0aBcDeFgHiJkL_mNoPqRsTuVwXyZ0123456789aBcDeFgHiJkLmNoPqRsTuVwXyZ012"],
            "",
        ),
        secret("slack ", ["xoxb-", "263594206564-2343594206574-FGqddMF8t08v8N7Oq4i57vs1"], ""),
        secret(
            "claude ",
            ["sk-ant-", "api03-Zk9vQ2xLw8Rt5Nc7Yb3Hd6Jf1Gs4Pa0UeQo9XiKm2Vq7LwTz5NcYb3HdJf6GsPa1UeQo9XiR8mK2xVqAA"],
            "",
        ),
        secret("openai ", ["sk-", "proj-Zk9vQ2xLw8Rt5Nc7Yb3Hd6Jf1Gs4T3BlbkFJPa0UeQo9XiKm2Vq7LwTz5NcYb3HdJf6"], ""),
        secret(
            "jwt ",
            ["eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.", &format!("{claims}.c2lnbmF0dXJlLXRoYXQtaXMtbG9uZy1lbm91Z2g")],
            "",
        ),
        secret("-----BEGIN PRIVATE KEY-----\n", [key, "9Qd7kVxUzR1m"], "\n-----END PRIVATE KEY-----\n"),
        secret("Authorization: Bearer ", ["tkn0Zk9vQ2xLw8Rt5", "Nc7Yb3Hd6Jf1Gs4Pa0"], ""),
        secret("Authorization: Basic ", ["emFwaG9kOmRvbnQt", "cGFuaWMtNDItdG93ZWw="], ""),
        secret("https://zaphod:", ["donTpanic42", "Towel9"], "@db.example.com:5432/shop?x=1"),
        secret("curl -d password=", ["h2g2Vogon", "Poetry77"], " https://example.com"),
        secret("{\"outer\":{\"client_secret\":\"", ["magrathea", "Builds4Planets"], "\",\"ok\":1}}"),
    ]
}

/// Attributes whose key says that the value is a secret, with values of each type; and what must not be seen.
fn by_key() -> (Vec<KeyValue>, Vec<&'static str>) {
    let hidden = vec!["slartibartfastFjord", "8151623424815162", "trillianAstraKeeps", "marvinParanoidBrain"];
    let string = |index: usize| Some(Value::StringValue(hidden[index].to_owned()));
    let map = KeyValueList { values: vec![attribute("inner", string(2))] };
    let list = ArrayValue { values: vec![crate::telemetry::text(hidden[3])] };
    let attributes = vec![
        attribute("db.password", string(0)),
        attribute("user.api_key", Some(Value::IntValue(8_151_623_424_815_162))),
        attribute("client_secret", Some(Value::KvlistValue(map))),
        attribute("http.request.header.authorization", Some(Value::ArrayValue(list))),
    ];
    (attributes, hidden)
}

/// Puts the secret into every string of the record. Keys stay different from each other.
pub(crate) fn plant(record: &mut Record, secret: &Secret) {
    let mut number = 0;
    walk(record, &mut |met| match met {
        Met::Text(text) => text.clone_from(&secret.text),
        Met::Key(key) => {
            number += 1;
            *key = format!("{number} {}", secret.text);
        }
        Met::Bytes(_) | Met::List(_) => {}
    });
}

/// Puts the secret where no text should be: bytes, ids, and fields that nobody knows.
fn smuggle(mut record: Record, secret: &Secret) -> Vec<u8> {
    walk(&mut record, &mut |met| {
        if let Met::Bytes(bytes) = met {
            *bytes = [b"\xff", secret.text.as_bytes(), b"\xfe"].concat();
        }
    });
    with_unknown_fields(&wrap(record), |_| secret.text.clone())
}

fn plant_by_key(record: &mut Record) {
    walk(record, &mut |met| {
        if let Met::List(attributes) = met {
            attributes.extend(by_key().0);
        }
    });
}

/// A request of this one record.
pub(crate) fn wrap(record: Record) -> Vec<u8> {
    macro_rules! wrap {
        ($request:ident { $groups:ident: $group:ident { $scopes:ident: $scope:ident { $items:ident } } }, $item:expr) => {{
            let scope = $scope { scope: record.scope, $items: vec![$item], schema_url: record.scope_schema_url };
            let group =
                $group { resource: record.resource, $scopes: vec![scope], schema_url: record.resource_schema_url };
            $request { $groups: vec![group] }.encode_to_vec()
        }};
    }
    match record.item {
        Item::Log(log) => {
            wrap!(
                ExportLogsServiceRequest { resource_logs: ResourceLogs { scope_logs: ScopeLogs { log_records } } },
                log
            )
        }
        Item::Span(span) => {
            wrap!(
                ExportTraceServiceRequest { resource_spans: ResourceSpans { scope_spans: ScopeSpans { spans } } },
                span
            )
        }
        Item::Metric(metric) => wrap!(
            ExportMetricsServiceRequest {
                resource_metrics: ResourceMetrics { scope_metrics: ScopeMetrics { metrics } }
            },
            metric
        ),
    }
}

/// One request for each record of the samples with each secret everywhere in it.
fn planted(signal: Signal) -> Vec<Vec<u8>> {
    let sample = records(signal, &request(signal));
    let everywhere = secrets().into_iter().flat_map(|secret| {
        let plant = move |mut record: Record| {
            plant(&mut record, &secret);
            wrap(record)
        };
        sample.clone().into_iter().map(plant).collect::<Vec<_>>()
    });
    let by_key = sample.clone().into_iter().map(|mut record| {
        plant_by_key(&mut record);
        wrap(record)
    });
    everywhere.chain(by_key).collect()
}

/// What must never be seen, and every way in which JSON or a URL may spell it.
fn hidden() -> BTreeSet<String> {
    let by_look = secrets().into_iter().map(|secret| secret.hidden);
    let found: Vec<String> = by_look.chain(by_key().1.into_iter().map(str::to_owned)).collect();
    let spelled = found.iter().flat_map(|text| [text.clone(), text.replace('/', "\\/"), text.replace(' ', "%20")]);
    spelled.collect()
}

fn assert_clean(what: &str, bytes: &[u8]) {
    for secret in hidden() {
        if let Some(place) = memchr::memmem::find(bytes, secret.as_bytes()) {
            let around = &bytes[place.saturating_sub(120)..(place + secret.len() + 40).min(bytes.len())];
            panic!("{what}: `{secret}` at byte {place}: ..{}..", String::from_utf8_lossy(around));
        }
    }
}

fn assert_clean_answer(what: &str, answer: Option<Answer>) {
    let answer = answer.unwrap_or_else(|| panic!("{what}: no answer"));
    assert_clean(what, answer.head.as_bytes());
    assert_clean(what, &answer.body);
}

pub(crate) fn start() -> (Site, Destination, Destination) {
    let (next, refuses) = (Destination::start(), Destination::start());
    refuses.answer_always(400);
    let site = Site::new(TEMPLATE, &[("$NEXT", &next.url()), ("$REFUSES", &refuses.url())]);
    (site, next, refuses)
}

/// Ends telseal and looks at everything that it ever wrote.
fn assert_nothing_leaked(site: &Site, telseal: crate::process::Telseal, next: &Destination) {
    eventually("everything is delivered or put aside", || {
        (site.metric("telseal_exporter_lag_records") == 0.0).then_some(())
    });
    assert_clean("/metrics", &site.get("/metrics").unwrap().body);
    assert_clean("/readyz", &site.get("/readyz").unwrap().body);
    assert!(site.metric("telseal_pipeline_unaccounted_records").abs() < f64::EPSILON);
    let ended = telseal.terminate();
    assert_clean("standard output and error", ended.output.as_bytes());
    for file in files_below(site.dir()).into_iter().filter(|file| *file != site.config()) {
        assert_clean(&file.display().to_string(), &fs::read(&file).unwrap());
    }
    for got in next.got() {
        assert_clean("downstream", &got.body);
        assert_clean("headers downstream", format!("{:?}", got.headers).as_bytes());
    }
}

fn name(file: &Path) -> &str {
    file.file_name().and_then(|name| name.to_str()).unwrap_or_default()
}

/// A search that finds nothing proves nothing unless there was something to find.
#[test]
fn the_secrets_are_planted_in_many_places() {
    let hidden = hidden();
    for signal in SIGNALS {
        for body in planted(signal) {
            let text = String::from_utf8_lossy(&body).into_owned();
            let places: usize = hidden.iter().map(|secret| text.matches(&**secret).count()).sum();
            assert!(places >= 3, "{}: {places} places in {text}", signal.name());
        }
    }
}

#[test]
fn no_secret_planted_in_any_string_is_written_anywhere() {
    let (site, next, _refuses) = start();
    let telseal = site.start();
    for signal in SIGNALS {
        for (index, body) in planted(signal).into_iter().enumerate() {
            let answer = if index % 3 == 0 {
                let mut text = vec![];
                json::from_protobuf(signal, &body, &mut text).unwrap();
                post(site.http, &path(signal), &[("content-type", JSON)], &text)
            } else {
                send(site.http, signal, &body)
            };
            let answer = answer.expect("an answer");
            assert_eq!(answer.status, 200, "{}", answer.text());
            assert_clean_answer("an answer", Some(answer));
        }
    }
    eventually("dead letters of all signals", || {
        SIGNALS
            .iter()
            .all(|signal| !site.files(&format!("{}/rejected", signal.name()), ".ndjson").is_empty())
            .then_some(())
    });
    assert!(site.metric("telseal_redactions_total") > 1000.0, "the secrets were planted, and found");
    assert_nothing_leaked(&site, telseal, &next);
    assert!(files_below(site.dir()).iter().any(|file| name(file).starts_with("out")), "the file exporter wrote");
    assert_verified(&site);
}

/// Path, headers and body.
type Posted = (String, Vec<(&'static str, String)>, Vec<u8>);

/// Requests that cannot be taken, each with the secret where a message about it might quote it.
fn malformed(secret: &str) -> Vec<Posted> {
    let logs = path(Signal::Logs);
    let record = |value: &str| wrap_body(value).into_bytes();
    let of = |kind: &'static str, body: Vec<u8>| (logs.clone(), vec![("content-type", kind.to_owned())], body);
    let mut cut = request(Signal::Logs);
    cut.extend_from_slice(secret.as_bytes());
    let mut not_text = vec![0x0a, u8::try_from(secret.len() + 2).unwrap_or(127), 0xff];
    not_text.extend_from_slice(secret.as_bytes());
    let quoted = json_string(secret);
    let headers = ["authorization", "x-api-key", "cookie", "user-agent", "traceparent", "baggage"];
    let mut cases = vec![
        of(PROTOBUF, cut),
        of(PROTOBUF, not_text),
        of(PROTOBUF, secret.as_bytes().to_vec()),
        of(JSON, secret.as_bytes().to_vec()),
        of(JSON, format!("{{{quoted}: 1}}").into_bytes()),
        of(JSON, format!("{{\"resourceLogs\": {quoted}}}").into_bytes()),
        of(JSON, record(&format!("\"severityNumber\": {quoted}"))),
        of(JSON, record(&format!("\"traceId\": {quoted}"))),
        of(JSON, record(&format!("\"timeUnixNano\": {quoted}"))),
        of(JSON, record(&format!("\"body\": {{\"intValue\": {quoted}}}"))),
        of(JSON, record(&format!("\"body\": {{\"bytesValue\": {quoted}}}"))),
        of(JSON, record(&format!("\"body\": {{\"stringValue\": {quoted}"))),
        (logs.clone(), vec![("content-type", secret.to_owned())], request(Signal::Logs)),
        (logs.clone(), vec![("content-type", PROTOBUF.to_owned()), ("content-encoding", secret.to_owned())], vec![]),
        (format!("/v1/{}", url(secret)), vec![("content-type", PROTOBUF.to_owned())], vec![]),
        (format!("{logs}?token={}", url(secret)), vec![("content-type", PROTOBUF.to_owned())], vec![1]),
    ];
    for encoding in ["gzip", "zstd", "deflate", "snappy"] {
        let headers = vec![("content-type", PROTOBUF.to_owned()), ("content-encoding", encoding.to_owned())];
        cases.push((logs.clone(), headers, secret.as_bytes().to_vec()));
    }
    for header in headers {
        let headers = vec![("content-type", PROTOBUF.to_owned()), (header, secret.to_owned())];
        cases.push((logs.clone(), headers, request(Signal::Logs)));
    }
    cases
}

fn wrap_body(members: &str) -> String {
    format!("{{\"resourceLogs\":[{{\"scopeLogs\":[{{\"logRecords\":[{{{members}}}]}}]}}]}}")
}

fn json_string(text: &str) -> String {
    serde_json::to_string(text).expect("a string")
}

/// Spaces and the like would end a request line.
fn url(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_ascii_alphanumeric() || "-._~:@=&".contains(c) { c.to_string() } else { "%20".into() })
        .collect()
}

#[test]
fn no_secret_smuggled_in_as_bytes_or_in_unknown_fields_is_written_anywhere() {
    let (site, next, _refuses) = start();
    let telseal = site.start();
    for signal in SIGNALS {
        let sample = records(signal, &request(signal));
        for secret in secrets() {
            for record in &sample {
                let body = smuggle(record.clone(), &secret);
                assert_clean_answer("an answer", send(site.http, signal, &body));
            }
        }
    }
    assert!(site.metric("telseal_pipeline_appended_records_total") > 100.0, "most of it was taken");
    assert_nothing_leaked(&site, telseal, &next);
}

#[test]
fn no_secret_in_a_malformed_request_or_a_header_is_written_anywhere() {
    let (site, next, _refuses) = start();
    let telseal = site.start();
    for secret in secrets() {
        // A header is one line.
        let line = secret.text.replace(['\n', '\r'], " ");
        for (index, (path, headers, body)) in malformed(&line).into_iter().enumerate() {
            let headers: Vec<(&str, &str)> = headers.iter().map(|(key, value)| (*key, &**value)).collect();
            let answer = post(site.http, &path, &headers, &body);
            assert_clean_answer(&format!("the answer to malformed request {index}"), answer);
        }
        let junk = format!("{line}\r\n\r\n");
        if let Some(answer) = exchange(site.http, junk.as_bytes()) {
            assert_clean_answer("the answer to no HTTP at all", Some(answer));
        }
        let metadata = [("authorization", &*line), ("x-api-key", &*line), ("user-agent", &*line)];
        for body in [request(Signal::Traces), secret.text.clone().into_bytes()] {
            let called = call(site.grpc, Signal::Traces, &metadata, &body);
            assert_clean("the answer to a gRPC call", called.metadata.as_bytes());
        }
    }
    assert_nothing_leaked(&site, telseal, &next);
}
