//! A page that a real Prometheus scrapes, and that promtool finds nothing wrong with.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;
use telseal::exporter::Exporter;
use telseal::exporter::prometheus::{Config, Prometheus};
use telseal::stdx::duration::Span;

use crate::backend::{self, get, program};
use crate::{KINDS, LABELS, ago, answers, every_kind, payload};

const OPEN_METRICS: &str = "accept: application/openmetrics-text;version=1.0.0\r\n";
const NATIVE: &str =
    "accept: application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited\r\n";

fn exporter(more: impl FnOnce(&mut Config)) -> (Prometheus, String) {
    let mut config = Config { endpoint: "127.0.0.1:0".to_owned(), ..Config::default() };
    more(&mut config);
    let exporter = Prometheus::new("prometheus", &config).unwrap();
    let address = exporter.address().to_owned();
    (exporter, address)
}

async fn page(address: &str, headers: &str) -> String {
    let (status, body) = get(address, "/metrics", headers).await.unwrap();
    assert_eq!(status, 200);
    String::from_utf8_lossy(&body).into_owned()
}

fn gauge(name: &str, value: &str, attribute: &str) -> serde_json::Value {
    let attributes = [json!({"key": "a", "value": {"stringValue": attribute}})];
    json!([{"name": name, "gauge": {"dataPoints": [{"timeUnixNano": ago(1), "asInt": value, "attributes": attributes}]}}])
}

#[tokio::test]
async fn prometheus_scrapes_every_kind_of_metric_and_deltas_as_totals() {
    let (exporter, address) = exporter(|config| config.const_labels = [("region".to_owned(), "eu".to_owned())].into());
    exporter.export(&payload(&every_kind(30, 20), KINDS)).await.unwrap();
    exporter.export(&payload(&every_kind(20, 10), KINDS)).await.unwrap();
    assert_eq!(exporter.rejected_records(), 0);
    let scrape = format!("{{job_name: t, honor_labels: true, static_configs: [{{targets: ['{address}']}}]}}");
    let Some(prometheus) = backend::start(&scrape).await else { return };
    let began = Instant::now();
    while prometheus.query("sum_up_total").await.is_empty() {
        assert!(began.elapsed() < Duration::from_secs(30), "nothing was scraped in half a minute");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    for (query, wanted) in answers(2) {
        let found = prometheus.query(query).await;
        assert!(found.len() == 1 && (found[0].1 - wanted).abs() < 1e-6, "{query}: {found:?}, not {wanted}");
    }
    let labelled = prometheus.query(&format!("sum_up_total{}", LABELS.replace('}', r#",region="eu"}"#))).await;
    assert_eq!(labelled.len(), 1, "{:?}", prometheus.query("sum_up_total").await);
    assert_eq!(prometheus.query(r#"target_info{job="shop",instance="i-1",host_name="h1"}"#).await.len(), 1);
    let exemplars = prometheus.exemplars("sum_up_total").await;
    assert_eq!(exemplars[0]["exemplars"][0]["labels"]["user"], "u1", "{exemplars}");
}

#[tokio::test]
async fn promtool_finds_nothing_wrong_with_the_page() {
    let Some(promtool) = program("promtool") else { return };
    let (exporter, address) = exporter(|_| {});
    exporter.export(&payload(&every_kind(30, 20), KINDS)).await.unwrap();
    let mut child = Command::new(promtool)
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(page(&address, "").await.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success() && said.is_empty(), "{said}");
}

#[tokio::test]
async fn the_same_page_comes_in_three_formats_with_exemplars_where_they_can_be() {
    let (exporter, address) = exporter(|config| config.send_timestamps = true);
    exporter.export(&payload(&every_kind(30, 20), KINDS)).await.unwrap();
    let text = page(&address, "").await;
    assert!(text.contains("# TYPE sum_up_total counter\n# HELP sum_up_total "), "{text}");
    assert!(!text.contains("trace_id") && !text.contains("# EOF"), "{text}");
    let open = page(&address, OPEN_METRICS).await;
    assert!(open.contains("# TYPE sum_up counter\n") && open.ends_with("# EOF\n"), "{open}");
    assert!(
        open.contains(r#"# {span_id="0102030405060708",trace_id="0102030405060708090a0b0c0d0e0f10",user="u1"} 2 "#),
        "{open}"
    );
    assert!(open.contains(r#"le="1.0""#) && text.contains(r#"le="1""#), "{open}");
    assert!(page(&address, NATIVE).await.contains("delta_exp"));
    assert_eq!(get(&address, "/", "").await.unwrap().0, 404);
}

#[tokio::test]
async fn names_stay_as_they_are_for_who_can_read_them_and_are_escaped_for_others() {
    use telseal::exporter::prom::name::Strategy::NoTranslation;
    let (exporter, address) = exporter(|config| config.translation_strategy = Some(NoTranslation));
    exporter.export(&payload(&gauge("my.gauge", "1", "b\"c"), 1)).await.unwrap();
    let quoted = page(&address, "accept: text/plain;version=1.0.0;escaping=allow-utf-8\r\n").await;
    assert!(quoted.contains("# TYPE \"my.gauge\" gauge\n") && quoted.contains(r#"{"my.gauge",a="b\"c","#), "{quoted}");
    let escaped = page(&address, "").await;
    assert!(escaped.contains(r#"my_gauge{a="b\"c","#), "{escaped}");
}

#[tokio::test]
async fn new_series_beyond_the_cap_are_rejected_and_the_others_go_on() {
    let (exporter, address) = exporter(|config| config.max_series = 3);
    for (value, label) in [("1", "x"), ("2", "y"), ("3", "z"), ("4", "x")] {
        exporter.export(&payload(&gauge("g", value, label), 1)).await.unwrap();
    }
    // `target_info` is one of the three.
    assert_eq!(exporter.rejected_records(), 1);
    let text = page(&address, "").await;
    assert!(text.contains(r#"a="x""#) && text.contains("} 4\n") && !text.contains(r#"a="z""#), "{text}");
}

#[tokio::test]
async fn a_name_has_one_type_and_one_description() {
    let (exporter, address) = exporter(|_| {});
    exporter.export(&payload(&gauge("g", "1", "x"), 1)).await.unwrap();
    let summary = json!([{"name": "g", "description": "other", "summary": {"dataPoints": [{"timeUnixNano": ago(1), "count": "1"}]}}]);
    exporter.export(&payload(&summary, 1)).await.unwrap();
    assert_eq!(exporter.rejected_records(), 1);
    let text = page(&address, "").await;
    assert_eq!(text.matches("# TYPE g ").count(), 1, "{text}");
}

#[tokio::test]
async fn what_comes_late_or_ends_is_not_shown_and_what_expires_goes_on_where_it_was() {
    let (exporter, address) = exporter(|config| config.metric_expiration = Span::millis(300));
    let delta = |start: u64, end: u64, flags: u32| {
        let point = json!({"startTimeUnixNano": ago(start), "timeUnixNano": ago(end), "asInt": "3", "flags": flags});
        payload(
            &json!([{"name": "d", "sum": {"aggregationTemporality": 1, "isMonotonic": true, "dataPoints": [point]}}]),
            1,
        )
    };
    exporter.export(&delta(90, 80, 0)).await.unwrap();
    exporter.export(&delta(95, 90, 0)).await.unwrap();
    assert_eq!(exporter.rejected_records(), 1);
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(!page(&address, "").await.contains("d_total"));
    exporter.export(&delta(80, 70, 0)).await.unwrap();
    assert!(page(&address, "").await.contains("} 6\n"));
    exporter.export(&delta(70, 60, 1)).await.unwrap();
    assert!(!page(&address, "").await.contains("d_total"));
}

#[test]
fn the_example_is_valid() {
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/metrics.yaml");
    let output = Command::new(env!("CARGO_BIN_EXE_telseal")).args(["validate", "--config", example]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
