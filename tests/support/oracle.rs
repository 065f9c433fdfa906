//! The same reading and editing of requests on opentelemetry-proto's own types: what the telemetry model is compared with.

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{Exemplar, Metric};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use telseal::otlp::Signal;

/// A request as opentelemetry-proto understands it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Request {
    Logs(ExportLogsServiceRequest),
    Metrics(ExportMetricsServiceRequest),
    Traces(ExportTraceServiceRequest),
}

/// Sees every string, with where it stands, and may replace it; may replace the value of a key as a whole.
pub(crate) trait Editor {
    fn pair(&mut self, key: &str) -> Option<String>;
    fn text(&mut self, place: &str, text: &str) -> Option<String>;
}

/// The parts of a request that hold a list of attributes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Owners,
    Records,
    Points,
}

/// Runs `$body` with the groups, the field of the scopes and the field of the records of whichever signal.
macro_rules! each_scope {
    ($request:expr, |$group:ident, $scope:ident, $records:ident| $body:block, $before:block) => {
        match $request {
            Request::Logs(request) => {
                for $group in &mut request.resource_logs {
                    $before
                    for $scope in &mut $group.scope_logs {
                        let $records = &mut $scope.log_records;
                        $body
                    }
                }
            }
            Request::Metrics(request) => {
                for $group in &mut request.resource_metrics {
                    $before
                    for $scope in &mut $group.scope_metrics {
                        let $records = &mut $scope.metrics;
                        $body
                    }
                }
            }
            Request::Traces(request) => {
                for $group in &mut request.resource_spans {
                    $before
                    for $scope in &mut $group.scope_spans {
                        let $records = &mut $scope.spans;
                        $body
                    }
                }
            }
        }
    };
}

impl Request {
    pub(crate) fn decode(signal: Signal, bytes: &[u8]) -> Result<Self, prost::DecodeError> {
        Ok(match signal {
            Signal::Logs => Self::Logs(ExportLogsServiceRequest::decode(bytes)?),
            Signal::Metrics => Self::Metrics(ExportMetricsServiceRequest::decode(bytes)?),
            Signal::Traces => Self::Traces(ExportTraceServiceRequest::decode(bytes)?),
        })
    }

    /// Encoded: for comparisons, since NaN is not equal to itself.
    pub(crate) fn encode(&self) -> Vec<u8> {
        match self {
            Self::Logs(request) => request.encode_to_vec(),
            Self::Metrics(request) => request.encode_to_vec(),
            Self::Traces(request) => request.encode_to_vec(),
        }
    }

    /// Log records, spans or data points.
    pub(crate) fn count(&self) -> u64 {
        let mut copy = self.clone();
        let mut count = 0;
        match &mut copy {
            Self::Metrics(_) => copy.each_attributes(Part::Points, &mut |_| count += 1),
            _ => copy.each_attributes(Part::Records, &mut |_| count += 1),
        }
        count
    }

    /// One request for each record, with its resource and scope.
    pub(crate) fn singles(&self) -> Vec<Vec<u8>> {
        let mut singles = vec![];
        let records = {
            let mut count = 0;
            self.clone().each_attributes(Part::Records, &mut |_| count += 1);
            count
        };
        for wanted in 0..records {
            let (mut single, mut index) = (self.clone(), 0);
            single.retain(&mut || {
                index += 1;
                index - 1 == wanted
            });
            singles.push(single.encode());
        }
        singles
    }

    /// Keeps records as `keep` says, one after the other; scopes and groups without any go.
    pub(crate) fn retain(&mut self, keep: &mut dyn FnMut() -> bool) {
        each_scope!(&mut *self, |group, scope, records| { records.retain(|_| keep()) }, {});
        match self {
            Self::Logs(request) => {
                request.resource_logs.iter_mut().for_each(|g| g.scope_logs.retain(|s| !s.log_records.is_empty()));
                request.resource_logs.retain(|group| !group.scope_logs.is_empty());
            }
            Self::Metrics(request) => {
                request.resource_metrics.iter_mut().for_each(|g| g.scope_metrics.retain(|s| !s.metrics.is_empty()));
                request.resource_metrics.retain(|group| !group.scope_metrics.is_empty());
            }
            Self::Traces(request) => {
                request.resource_spans.iter_mut().for_each(|g| g.scope_spans.retain(|s| !s.spans.is_empty()));
                request.resource_spans.retain(|group| !group.scope_spans.is_empty());
            }
        }
    }

    /// Visits lists of attributes in the order of the request. A resource or scope that is not there has an empty one.
    pub(crate) fn each_attributes(&mut self, part: Part, visit: &mut dyn FnMut(&mut Vec<KeyValue>)) {
        each_scope!(
            &mut *self,
            |group, scope, records| {
                if part == Part::Owners {
                    let absent = scope.scope.is_none();
                    let owner = scope.scope.get_or_insert_default();
                    visit(&mut owner.attributes);
                    if absent && owner.attributes.is_empty() {
                        scope.scope = None;
                    }
                } else {
                    records.iter_mut().for_each(|record| record.visit(part, visit));
                }
            },
            {
                if part == Part::Owners {
                    let absent = group.resource.is_none();
                    let owner = group.resource.get_or_insert_default();
                    visit(&mut owner.attributes);
                    if absent && owner.attributes.is_empty() {
                        group.resource = None;
                    }
                }
            }
        );
    }

    /// Shows every string to `editor`. A pair without a value has an empty one afterwards, which means the same.
    pub(crate) fn edit(&mut self, editor: &mut dyn Editor) {
        each_scope!(
            &mut *self,
            |group, scope, records| {
                text("schema_url", &mut scope.schema_url, editor);
                scope.scope.iter_mut().for_each(|scope| edit_scope(scope, editor));
                records.iter_mut().for_each(|record| record.edit(editor));
            },
            {
                text("schema_url", &mut group.schema_url, editor);
                group.resource.iter_mut().for_each(|resource| edit_resource(resource, editor));
            }
        );
    }
}

/// A log record, span or metric.
trait Record {
    fn visit(&mut self, part: Part, visit: &mut dyn FnMut(&mut Vec<KeyValue>));
    fn edit(&mut self, editor: &mut dyn Editor);
}

impl Record for opentelemetry_proto::tonic::logs::v1::LogRecord {
    fn visit(&mut self, part: Part, visit: &mut dyn FnMut(&mut Vec<KeyValue>)) {
        if part == Part::Records {
            visit(&mut self.attributes);
        }
    }

    fn edit(&mut self, editor: &mut dyn Editor) {
        text("severity_text", &mut self.severity_text, editor);
        text("event_name", &mut self.event_name, editor);
        id("trace_id", &mut self.trace_id, editor);
        id("span_id", &mut self.span_id, editor);
        self.body.iter_mut().for_each(|body| value("body", body, editor));
        pairs(&mut self.attributes, editor);
    }
}

impl Record for Span {
    fn visit(&mut self, part: Part, visit: &mut dyn FnMut(&mut Vec<KeyValue>)) {
        if part == Part::Records {
            visit(&mut self.attributes);
        }
    }

    fn edit(&mut self, editor: &mut dyn Editor) {
        text("name", &mut self.name, editor);
        text("trace_state", &mut self.trace_state, editor);
        id("trace_id", &mut self.trace_id, editor);
        id("span_id", &mut self.span_id, editor);
        id("parent_span_id", &mut self.parent_span_id, editor);
        pairs(&mut self.attributes, editor);
        for event in &mut self.events {
            text("name", &mut event.name, editor);
            pairs(&mut event.attributes, editor);
        }
        for link in &mut self.links {
            id("trace_id", &mut link.trace_id, editor);
            id("span_id", &mut link.span_id, editor);
            text("trace_state", &mut link.trace_state, editor);
            pairs(&mut link.attributes, editor);
        }
        self.status.iter_mut().for_each(|status| text("message", &mut status.message, editor));
    }
}

/// Runs `$body` for each data point of whichever kind; `$exemplars` for those that have exemplars.
macro_rules! each_point {
    ($data:expr, |$point:ident| $body:block, $exemplars:block) => {
        match $data {
            Some(Data::Gauge(data)) => data.data_points.iter_mut().for_each(|$point| { $body $exemplars }),
            Some(Data::Sum(data)) => data.data_points.iter_mut().for_each(|$point| { $body $exemplars }),
            Some(Data::Histogram(data)) => data.data_points.iter_mut().for_each(|$point| { $body $exemplars }),
            Some(Data::ExponentialHistogram(data)) => {
                data.data_points.iter_mut().for_each(|$point| { $body $exemplars });
            }
            Some(Data::Summary(data)) => data.data_points.iter_mut().for_each(|$point| $body),
            None => {}
        }
    };
}

impl Record for Metric {
    fn visit(&mut self, part: Part, visit: &mut dyn FnMut(&mut Vec<KeyValue>)) {
        if part == Part::Records {
            visit(&mut self.metadata);
        } else {
            each_point!(&mut self.data, |point| { visit(&mut point.attributes) }, {});
        }
    }

    fn edit(&mut self, editor: &mut dyn Editor) {
        text("name", &mut self.name, editor);
        text("description", &mut self.description, editor);
        text("unit", &mut self.unit, editor);
        pairs(&mut self.metadata, editor);
        each_point!(&mut self.data, |point| { pairs(&mut point.attributes, editor) }, {
            point.exemplars.iter_mut().for_each(|exemplar| edit_exemplar(exemplar, editor));
        });
    }
}

fn edit_exemplar(exemplar: &mut Exemplar, editor: &mut dyn Editor) {
    id("trace_id", &mut exemplar.trace_id, editor);
    id("span_id", &mut exemplar.span_id, editor);
    pairs(&mut exemplar.filtered_attributes, editor);
}

fn edit_resource(resource: &mut Resource, editor: &mut dyn Editor) {
    pairs(&mut resource.attributes, editor);
    for entity in &mut resource.entity_refs {
        text("schema_url", &mut entity.schema_url, editor);
        text("type", &mut entity.r#type, editor);
        entity.id_keys.iter_mut().for_each(|key| text("id_keys", key, editor));
        entity.description_keys.iter_mut().for_each(|key| text("description_keys", key, editor));
    }
}

fn edit_scope(scope: &mut InstrumentationScope, editor: &mut dyn Editor) {
    text("name", &mut scope.name, editor);
    text("version", &mut scope.version, editor);
    pairs(&mut scope.attributes, editor);
}

fn text(field: &str, text: &mut String, editor: &mut dyn Editor) {
    if let Some(new) = editor.text(&format!("field {field}"), text) {
        *text = new;
    }
}

fn id(field: &str, id: &mut Vec<u8>, editor: &mut dyn Editor) {
    if matches!(id.len(), 8 | 16) && std::str::from_utf8(id).is_err() {
        return;
    }
    if let Some(new) = loose(&format!("field {field}"), id, editor) {
        *id = new;
    }
}

fn loose(place: &str, bytes: &[u8], editor: &mut dyn Editor) -> Option<Vec<u8>> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return editor.text(place, text).map(String::into_bytes);
    }
    let (mut out, mut replaced) = (vec![], false);
    for chunk in bytes.utf8_chunks() {
        let new = if chunk.valid().len() < 6 { None } else { editor.text(place, chunk.valid()) };
        replaced |= new.is_some();
        out.extend_from_slice(new.as_deref().unwrap_or(chunk.valid()).as_bytes());
        out.extend_from_slice(chunk.invalid());
    }
    replaced.then_some(out)
}

fn pairs(pairs: &mut [KeyValue], editor: &mut dyn Editor) {
    for pair in pairs {
        if let Some(new) = editor.pair(&pair.key) {
            pair.value = Some(AnyValue { value: Some(Value::StringValue(new)) });
        } else if let Some(held) = &mut pair.value {
            value(&pair.key, held, editor);
        }
        if let Some(new) = editor.text("key", &pair.key) {
            pair.key = new;
        }
        pair.value.get_or_insert_default();
    }
}

fn value(key: &str, any: &mut AnyValue, editor: &mut dyn Editor) {
    let place = format!("value {key}");
    match &mut any.value {
        Some(Value::StringValue(text)) => *text = editor.text(&place, text).unwrap_or_else(|| std::mem::take(text)),
        Some(Value::BytesValue(bytes)) => {
            if let Some(new) = loose(&place, bytes, editor) {
                let value =
                    String::from_utf8(new).map_or_else(|e| Value::BytesValue(e.into_bytes()), Value::StringValue);
                any.value = Some(value);
            }
        }
        Some(Value::ArrayValue(list)) => list.values.iter_mut().for_each(|item| value(key, item, editor)),
        Some(Value::KvlistValue(map)) => pairs(&mut map.values, editor),
        _ => {}
    }
}
