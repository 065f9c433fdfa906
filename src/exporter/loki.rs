//! Log lines for Grafana Loki, and for what speaks its push API: <https://grafana.com/docs/loki/latest/reference/loki-http-api/#ingest-logs>.
//!
//! Where each field goes is in docs/exporters/loki.md. Tried again: every answer that is not about the data. A `400` costs the lines
//! that its text is about, or else is halved. Loki stores the good lines of a request that it answers with `400` or `429`, and gets
//! them again; it ignores a line that it has. Metrics have no place in Loki. Requests are at most 3 MiB before compression, since
//! Loki's parts pass on no more than 4 MiB to each other.

mod form;
mod names;
mod push;
mod refusal;
mod stream;

use std::collections::BTreeMap;

use reqwest::header::{HeaderMap, HeaderValue};
use serde::Deserialize;

use crate::exporter::classify::Verdict;
use crate::exporter::outbound::{Endpoints, Outbound, Settings, described, unreadable, verdict};
use crate::exporter::parts::{Parcel, Plans, Sent};
use crate::exporter::{ExportError, Exporter, Payload, Refusal};
use crate::http::client::{Address, Answer, BuildError, Compression, Headers, Tls};
use crate::otlp::Signal;
use crate::stdx::duration::Span;
use crate::stdx::problem::{At, Problems};

use push::Push;
use stream::{DEFAULT_LABELS, Rules, is_tenant};

pub use form::Encoding;
pub use stream::{Limits, TenantFrom};

const PATH: &str = "/loki/api/v1/push";
const EXAMPLE: &str = "http://127.0.0.1:3100";
const TENANT: &str = "x-scope-orgid";
/// The default of `grpc_server_max_recv_msg_size` is 4 MiB, and Loki's own form is a little larger.
const REQUEST_BYTES_MAX: usize = 3 << 20;

/// Settings of a `loki` exporter.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// URL of Loki, or a list of URLs of which the first that works is used. Without a path: `/loki/api/v1/push`.
    pub endpoint: Endpoints,
    /// The tenant, sent as `X-Scope-OrgID`. Default: none.
    pub tenant_id: String,
    /// Takes the tenant from a resource attribute, behind a fixed prefix. A resource without a usable one has `tenant_id`.
    pub tenant_from: Option<TenantFrom>,
    /// Resource attributes that become labels; all else is structured metadata. Default: those of Loki's OTLP endpoint.
    pub resource_labels: Vec<String>,
    /// Labels of every stream.
    pub external_labels: BTreeMap<String, String>,
    /// `protobuf` or `json`. Default: `protobuf`.
    pub encoding: Encoding,
    /// `snappy` for protobuf, `gzip` or `none` for JSON. Default: `snappy`, of JSON `gzip`.
    pub compression: Option<Compression>,
    /// The limits of the server.
    pub limits: Limits,
    /// Headers of every request. Values never appear in messages; take them from `${env:NAME}` or `${file:path}`.
    pub headers: Headers,
    /// How long a request may take, answer included. Default: `30s`.
    pub timeout: Span,
    /// TLS, for `https://`.
    pub tls: Tls,
    /// `http://` proxy to go through. The environment's `HTTPS_PROXY` is not read; write `${env:HTTPS_PROXY}`.
    pub proxy_url: Address,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            endpoint: Endpoints::default(),
            tenant_id: String::new(),
            tenant_from: None,
            resource_labels: DEFAULT_LABELS.iter().map(|&label| label.to_owned()).collect(),
            external_labels: BTreeMap::new(),
            encoding: Encoding::default(),
            compression: None,
            limits: Limits::default(),
            headers: Headers::new(),
            timeout: Span::secs(30),
            tls: Tls::default(),
            proxy_url: Address::default(),
        }
    }
}

impl Config {
    /// Why a pipeline of this signal cannot go to Loki.
    #[must_use]
    pub fn refuses(signal: Signal) -> Option<&'static str> {
        (signal == Signal::Metrics)
            .then_some("Loki stores log lines: send metrics to Prometheus, Mimir or an `otlp_http` backend")
    }

    /// Notes everything that is wrong with these settings.
    pub fn check(&self, at: &At, problems: &mut Problems) {
        self.settings(&[]).check(at, EXAMPLE, problems);
        self.check_tenant(at, problems);
        self.check_labels(at, problems);
        let compression = self.compression();
        let fits = match self.encoding {
            Encoding::Protobuf => compression == Compression::Snappy,
            Encoding::Json => matches!(compression, Compression::Gzip | Compression::None),
        };
        if !fits {
            let hint = "Loki reads protobuf with `snappy`, and JSON with `gzip` or `none`";
            problems.add_hint(&at.key("compression"), "does not go with this `encoding`", hint);
        }
    }

    fn check_tenant(&self, at: &At, problems: &mut Problems) {
        let allowed = "letters, digits and `!-_.*'()`, up to 150 of them";
        if !self.tenant_id.is_empty() && !is_tenant(&self.tenant_id) {
            problems.add_hint(&at.key("tenant_id"), "is no tenant that Loki takes", allowed);
        }
        let Some(from) = &self.tenant_from else { return };
        let at_from = at.key("tenant_from");
        if from.attribute.is_empty() {
            problems.add(&at_from.key("attribute"), "must not be empty");
        }
        if !is_tenant(&from.prefix) {
            let hint = "data must not choose any tenant: give them a prefix, for example `team-`";
            problems.add_hint(&at_from.key("prefix"), "is no beginning of a tenant", hint);
        }
        if self.tenant_id.is_empty() {
            let hint = "records without a usable attribute need a tenant, too";
            problems.add_hint(&at.key("tenant_id"), "is needed beside `tenant_from`", hint);
        }
    }

    fn check_labels(&self, at: &At, problems: &mut Problems) {
        let at_external = at.key("external_labels");
        for (name, value) in &self.external_labels {
            if names::valid(name) != *name {
                problems.add(&at_external.key(name), "is no name of a label: letters, digits and `_`, no digit first");
            }
            if value.is_empty() || value.len() > self.limits.max_label_value_length {
                problems.add(&at_external.key(name), "must have a value within `limits.max_label_value_length`");
            }
        }
        let max = self.limits.max_label_names_per_series;
        if max == 0 {
            problems.add(&at.key("limits").key("max_label_names_per_series"), "must be more than 0");
        } else if self.external_labels.len() > max {
            problems.add(&at_external, format!("has more labels than `limits.max_label_names_per_series`, {max}"));
        }
    }

    fn compression(&self) -> Compression {
        self.compression.unwrap_or(match self.encoding {
            Encoding::Protobuf => Compression::Snappy,
            Encoding::Json => Compression::Gzip,
        })
    }

    fn settings<'c>(&'c self, fixed: &'c [(&'static str, &'c str)]) -> Settings<'c> {
        Settings {
            endpoints: &self.endpoint,
            path: PATH,
            headers: &self.headers,
            timeout: self.timeout,
            tls: &self.tls,
            proxy_url: &self.proxy_url,
            compression: self.compression(),
            fixed,
            has_credentials: false,
        }
    }
}

/// The exporter.
#[derive(Debug)]
pub struct Loki {
    outbound: Outbound,
    rules: Rules,
    encoding: Encoding,
    plans: Plans,
}

impl Loki {
    /// An exporter with these settings, named `id` in messages. Reads certificate files, opens no connection.
    ///
    /// # Errors
    /// When a certificate file cannot be read or a setting is not valid.
    pub fn new(id: &str, config: &Config) -> Result<Self, BuildError> {
        let fixed = [("content-type", config.encoding.content_type())];
        let outbound = config.settings(&fixed).build(id)?;
        let rules = Rules {
            tenant_id: config.tenant_id.clone(),
            tenant_from: config.tenant_from.clone(),
            resource_labels: config.resource_labels.clone(),
            external_labels: config.external_labels.clone(),
            limits: config.limits.clone(),
        };
        Ok(Self { outbound, rules, encoding: config.encoding, plans: Plans::default() })
    }
}

impl Exporter for Loki {
    async fn export(&self, payload: &Payload) -> Result<(), ExportError> {
        if payload.signal() == Signal::Metrics {
            return Err(ExportError::Permanent { cause: "Loki takes no metrics".to_owned() });
        }
        let push = Push::encode(payload, &self.rules, self.encoding).map_err(|error| unreadable(&error))?;
        self.plans.send(payload, &Requests { loki: self, push }).await
    }
}

/// The requests of one payload.
struct Requests<'l> {
    loki: &'l Loki,
    push: Push,
}

impl Parcel for Requests<'_> {
    fn parts(&self) -> Vec<Vec<u64>> {
        self.push.parts(REQUEST_BYTES_MAX)
    }

    fn refused(&self) -> Vec<Refusal> {
        self.push.refused.clone()
    }

    async fn send(&self, places: &[u64]) -> Sent {
        let outbound = &self.loki.outbound;
        let sent = match outbound.compressed(self.push.request(places)) {
            Ok(body) => outbound.send(body, &tenant_header(self.push.tenant(places))).await,
            Err(error) => Err(error),
        };
        match sent {
            Ok((answer, name)) => self.judge(&answer, name, places),
            Err(error) => Sent::Failed(error),
        }
    }
}

impl Requests<'_> {
    fn judge(&self, answer: &Answer, name: &str, places: &[u64]) -> Sent {
        let text = String::from_utf8_lossy(&answer.body);
        let verdict = if is_too_large(answer.status, &text) { Verdict::Permanent } else { verdict(answer) };
        if answer.status == 400 {
            let refused = refusal::refused(&text, name, &self.push, places);
            if !refused.is_empty() {
                return Sent::Refused(refused);
            }
        }
        verdict.result(|| described(name, answer.status)).map_or_else(Sent::Failed, |()| Sent::Taken)
    }
}

/// Loki's parts speak gRPC with each other. A request too large for that is answered with 500, and would be for ever.
fn is_too_large(status: u16, text: &str) -> bool {
    status == 500 && text.contains("ResourceExhausted") && text.contains("larger than max")
}

fn tenant_header(tenant: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if let (false, Ok(value)) = (tenant.is_empty(), HeaderValue::from_str(tenant)) {
        headers.insert(TENANT, value);
    }
    headers
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::otlp::json::to_protobuf;

    fn config(json: &str) -> Config {
        serde_json::from_str(json).unwrap()
    }

    /// A record with its resource.
    pub(super) fn record(service: &str, time: u64, body: &str) -> serde_json::Value {
        json!({
            "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": service}}]},
            "scopeLogs": [{"logRecords": [{
                "timeUnixNano": time.to_string(), "body": {"stringValue": body},
                "attributes": [{"key": "k", "value": {"intValue": 1}}],
            }]}],
        })
    }

    /// The entries of such records.
    pub(super) fn push_of(records: &[serde_json::Value]) -> Push {
        let request = json!({"resourceLogs": records}).to_string();
        let bytes = to_protobuf(Signal::Logs, request.as_bytes()).unwrap();
        let payload = Payload::from_otlp(Signal::Logs, vec![bytes.into()], records.len() as u64);
        let loki = Loki::new("loki", &config(r#"{"endpoint": "http://127.0.0.1:1"}"#)).unwrap();
        Push::encode(&payload, &loki.rules, loki.encoding).unwrap()
    }

    #[test]
    fn what_is_wrong_is_found_with_its_place() {
        for (json, wanted) in [
            (r#"{"endpoint": "http://127.0.0.1:3100", "tenant_id": "a-b", "external_labels": {"job": "x"}}"#, ""),
            (r#"{"endpoint": ["http://a", "http://b"], "encoding": "json", "compression": "none"}"#, ""),
            ("{}", "x"),
            (r#"{"endpoint": "http://a", "compression": "gzip"}"#, "x.compression"),
            (r#"{"endpoint": "http://a", "encoding": "json", "compression": "zstd"}"#, "x.compression"),
            (r#"{"endpoint": "http://a", "tenant_id": "a/b"}"#, "x.tenant_id"),
            (
                r#"{"endpoint": "http://a", "tenant_from": {"attribute": "", "prefix": ""}}"#,
                "x.tenant_from.attribute x.tenant_from.prefix x.tenant_id",
            ),
            (
                r#"{"endpoint": "http://a", "external_labels": {"a.b": "x", "c": ""}}"#,
                "x.external_labels.a.b x.external_labels.c",
            ),
        ] {
            let mut problems = Problems::default();
            config(json).check(&At::new("x"), &mut problems);
            let paths: Vec<_> = problems.0.iter().map(|problem| problem.path.as_str()).collect();
            assert_eq!(paths.join(" "), wanted, "{json}");
        }
    }

    #[test]
    fn a_stream_keeps_its_order_across_resources_and_scopes() {
        let push = push_of(&[record("a", 3, "1"), record("b", 2, "2"), record("a", 1, "3"), record("a", 9, "4")]);
        assert_eq!(push.streams.len(), 2);
        let places: Vec<u64> = (0..4).collect();
        let times: Vec<_> = push.chosen(&places).filter(|entry| entry.stream == 0).map(|entry| entry.time).collect();
        assert_eq!(times, [3, 1, 9]);
        assert_eq!(push.parts(usize::MAX), [places]);
        assert_eq!(push.parts(1).len(), 4);
    }

    #[test]
    fn a_request_too_large_for_lokis_insides_is_halved_instead_of_sent_forever() {
        let text = "rpc error: code = ResourceExhausted desc = trying to send message larger than max (5 vs. 4)";
        assert!(is_too_large(500, text));
        assert!(!is_too_large(500, "rpc error: code = Unavailable") && !is_too_large(503, text));
    }
}
