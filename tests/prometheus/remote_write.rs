//! Remote write into a real Prometheus.

use serde_json::json;
use telseal::exporter::outbound::Endpoints;
use telseal::exporter::prometheusremotewrite::{Config, PrometheusRemoteWrite};
use telseal::exporter::{ExportError, Exporter};

use crate::{KINDS, LABELS, ago, answers, backend, every_kind, payload};

fn exporter(address: &str) -> PrometheusRemoteWrite {
    let config = Config {
        endpoint: Endpoints::one(format!("http://{address}")),
        external_labels: [("region".to_owned(), "eu".to_owned()), ("n".to_owned(), "yields".to_owned())].into(),
        send_metadata: true,
        ..Config::default()
    };
    PrometheusRemoteWrite::new("prometheusremotewrite", &config).unwrap()
}

#[tokio::test]
async fn prometheus_holds_every_kind_of_metric_and_deltas_as_totals() {
    let Some(prometheus) = backend::start("").await else { return };
    let exporter = exporter(&prometheus.address);
    exporter.export(&payload(&every_kind(30, 20), KINDS)).await.unwrap();
    exporter.export(&payload(&every_kind(20, 10), KINDS)).await.unwrap();
    for (query, wanted) in answers(2) {
        let found = prometheus.query(query).await;
        assert!(found.len() == 1 && (found[0].1 - wanted).abs() < 1e-6, "{query}: {found:?}, not {wanted}");
    }
    let labelled = prometheus.query(&format!("sum_up_total{}", LABELS.replace('}', r#",region="eu"}"#))).await;
    assert_eq!(labelled.len(), 1, "{:?}", prometheus.query("sum_up_total").await);
    let target = prometheus.query(r#"target_info{job="shop",instance="i-1",host_name="h1"}"#).await;
    assert_eq!(target.len(), 1);
    for series in ["sum_up_total", r#"hist_seconds_bucket{le="2.5"}"#] {
        let exemplars = prometheus.exemplars(series).await;
        let labels =
            json!({"trace_id": "0102030405060708090a0b0c0d0e0f10", "span_id": "0102030405060708", "user": "u1"});
        assert_eq!(exemplars[0]["exemplars"][0]["labels"], labels, "{series}: {exemplars}");
    }
}

#[tokio::test]
async fn only_what_prometheus_refuses_is_put_aside_and_the_rest_is_there() {
    let Some(prometheus) = backend::start("").await else { return };
    let exporter = exporter(&prometheus.address);
    let gauge = |name: &str, seconds: u64| json!({"name": name, "gauge": {"dataPoints": [{"timeUnixNano": ago(seconds), "asInt": "1"}]}});
    let mut metrics: Vec<_> = (0..20).map(|index| gauge(&format!("good_{index}"), 5)).collect();
    exporter.export(&payload(&json!(metrics), 20)).await.unwrap();
    // A year old: out of bounds once the head has newer samples.
    metrics = (0..20).map(|index| gauge(&format!("better_{index}"), 3)).collect();
    metrics[7] = gauge("bad", 31_536_000);
    metrics[9] = json!({"name": "vague", "sum": {"dataPoints": [{"timeUnixNano": ago(3), "asInt": "1"}]}});
    let error = exporter.export(&payload(&json!(metrics), 20)).await.unwrap_err();
    let ExportError::Partial { refused } = error else { panic!("{error}") };
    let places: Vec<_> = refused.iter().map(|refusal| refusal.records.clone()).collect();
    assert!(
        refused.iter().any(|it| it.cause.ends_with("400 Bad Request (too old)") && it.records == [7]),
        "{refused:?}"
    );
    assert!(refused.iter().any(|it| it.cause.contains("temporality") && it.records == [9]), "{refused:?}");
    assert_eq!(places.len(), 2);
    assert_eq!(prometheus.query(r#"count({__name__=~"better_.*"})"#).await[0].1, 18.0);
}
