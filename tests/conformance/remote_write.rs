//! Remote write keeps the contract of all exporters over HTTP, with a payload of metrics.

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;
use opentelemetry_proto::tonic::metrics::v1::{Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics};
use prost::Message;
use telseal::exporter::Payload;
use telseal::exporter::outbound::Endpoints;
use telseal::exporter::prometheusremotewrite::{Config, PrometheusRemoteWrite};
use telseal::otlp::Signal;
use telseal::stdx::duration::Span;
use telseal::stdx::secret::Secret;

use crate::http::{cases, decompressed, serve};
use crate::{CREDENTIAL, Outcome, TELEMETRY, check_payload, closed_port};

/// One data point, named after what must not get into a message.
fn payload() -> Payload {
    let point = NumberDataPoint { time_unix_nano: 1, value: Some(Value::AsInt(1)), ..NumberDataPoint::default() };
    let data = Some(Data::Gauge(Gauge { data_points: vec![point] }));
    let metric = Metric { name: TELEMETRY.to_owned(), data, ..Metric::default() };
    let scope_metrics = vec![ScopeMetrics { metrics: vec![metric], ..ScopeMetrics::default() }];
    let resource_metrics = vec![ResourceMetrics { scope_metrics, ..ResourceMetrics::default() }];
    let bytes = ExportMetricsServiceRequest { resource_metrics }.encode_to_vec();
    Payload::from_otlp(Signal::Metrics, vec![bytes.into()], 1)
}

fn exporter(port: u16) -> PrometheusRemoteWrite {
    let config = Config {
        endpoint: Endpoints::one(format!("http://127.0.0.1:{port}")),
        headers: [("authorization".to_owned(), Secret::new(format!("Bearer {CREDENTIAL}")))].into(),
        timeout: Span::secs(1),
        ..Config::default()
    };
    PrometheusRemoteWrite::new("prometheusremotewrite", &config).unwrap()
}

#[tokio::test]
async fn prometheusremotewrite_keeps_the_contract() {
    for (case, script, wanted) in cases() {
        // OTLP's partial success is none here.
        let wanted = if case == "200 and partial success" { Outcome::Delivered { rejected: 0 } } else { wanted };
        let (port, requests) = serve(script).await;
        check_payload(case, &exporter(port), &payload(), wanted).await;
        let seen = requests.try_recv().expect(case);
        assert_eq!(seen.line, "POST /api/v1/write HTTP/1.1", "{case}");
        assert!(String::from_utf8_lossy(&decompressed(&seen)).contains("telemetry_hunter2"), "{case}");
        assert!(seen.headers.values().any(|value| value.contains(CREDENTIAL)), "{case}: the header is missing");
        assert!(requests.try_recv().is_err(), "{case}: sent more than once");
    }
    check_payload("connection refused", &exporter(closed_port()), &payload(), Outcome::Retry(None)).await;
}
