//! Every string and every list of attributes of a record, to change them all the same way.

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::{Exemplar, metric};

use crate::telemetry::{Item, Record};

/// Something that was met on the way.
pub(crate) enum Met<'a> {
    /// A string that is no attribute's key.
    Text(&'a mut String),
    /// The key of an attribute or of an entry of a map.
    Key(&'a mut String),
    /// Bytes: a value or an id.
    Bytes(&'a mut Vec<u8>),
    /// A list of attributes or entries, after what is in it.
    List(&'a mut Vec<KeyValue>),
}

type Visit<'v> = &'v mut dyn FnMut(Met<'_>);

/// Shows `visit` everything in the record.
pub(crate) fn walk(record: &mut Record, visit: Visit<'_>) {
    visit(Met::Text(&mut record.resource_schema_url));
    visit(Met::Text(&mut record.scope_schema_url));
    if let Some(resource) = &mut record.resource {
        list(&mut resource.attributes, visit);
        for entity in &mut resource.entity_refs {
            visit(Met::Text(&mut entity.schema_url));
            visit(Met::Text(&mut entity.r#type));
            entity.id_keys.iter_mut().chain(&mut entity.description_keys).for_each(|key| visit(Met::Text(key)));
        }
    }
    if let Some(scope) = &mut record.scope {
        visit(Met::Text(&mut scope.name));
        visit(Met::Text(&mut scope.version));
        list(&mut scope.attributes, visit);
    }
    item(&mut record.item, visit);
}

fn item(item: &mut Item, visit: Visit<'_>) {
    match item {
        Item::Log(log) => {
            visit(Met::Bytes(&mut log.trace_id));
            visit(Met::Bytes(&mut log.span_id));
            visit(Met::Text(&mut log.severity_text));
            visit(Met::Text(&mut log.event_name));
            log.body.iter_mut().for_each(|body| value(body, visit));
            list(&mut log.attributes, visit);
        }
        Item::Span(span) => {
            visit(Met::Bytes(&mut span.trace_id));
            visit(Met::Bytes(&mut span.span_id));
            visit(Met::Bytes(&mut span.parent_span_id));
            visit(Met::Text(&mut span.name));
            visit(Met::Text(&mut span.trace_state));
            span.status.iter_mut().for_each(|status| visit(Met::Text(&mut status.message)));
            list(&mut span.attributes, visit);
            for event in &mut span.events {
                visit(Met::Text(&mut event.name));
                list(&mut event.attributes, visit);
            }
            for link in &mut span.links {
                visit(Met::Bytes(&mut link.trace_id));
                visit(Met::Bytes(&mut link.span_id));
                visit(Met::Text(&mut link.trace_state));
                list(&mut link.attributes, visit);
            }
        }
        Item::Metric(metric) => {
            visit(Met::Text(&mut metric.name));
            visit(Met::Text(&mut metric.description));
            visit(Met::Text(&mut metric.unit));
            list(&mut metric.metadata, visit);
            metric.data.iter_mut().for_each(|data| points(data, visit));
        }
    }
}

fn points(data: &mut metric::Data, visit: Visit<'_>) {
    macro_rules! each {
        ($points:expr) => {
            for point in $points {
                list(&mut point.attributes, visit);
                exemplars(&mut point.exemplars, visit);
            }
        };
    }
    match data {
        metric::Data::Gauge(gauge) => each!(&mut gauge.data_points),
        metric::Data::Sum(sum) => each!(&mut sum.data_points),
        metric::Data::Histogram(histogram) => each!(&mut histogram.data_points),
        metric::Data::ExponentialHistogram(histogram) => each!(&mut histogram.data_points),
        metric::Data::Summary(summary) => {
            summary.data_points.iter_mut().for_each(|point| list(&mut point.attributes, visit));
        }
    }
}

fn exemplars(exemplars: &mut [Exemplar], visit: Visit<'_>) {
    for exemplar in exemplars {
        visit(Met::Bytes(&mut exemplar.trace_id));
        visit(Met::Bytes(&mut exemplar.span_id));
        list(&mut exemplar.filtered_attributes, visit);
    }
}

fn list(attributes: &mut Vec<KeyValue>, visit: Visit<'_>) {
    for attribute in attributes.iter_mut() {
        visit(Met::Key(&mut attribute.key));
        attribute.value.iter_mut().for_each(|inner| value(inner, visit));
    }
    visit(Met::List(attributes));
}

fn value(any: &mut AnyValue, visit: Visit<'_>) {
    match &mut any.value {
        Some(Value::StringValue(text)) => visit(Met::Text(text)),
        Some(Value::BytesValue(bytes)) => visit(Met::Bytes(bytes)),
        Some(Value::ArrayValue(array)) => array.values.iter_mut().for_each(|inner| value(inner, visit)),
        Some(Value::KvlistValue(map)) => list(&mut map.values, visit),
        _ => {}
    }
}

/// What sealing may change is put aside: attributes stand in the order of their keys, and those of the seal are gone.
pub(crate) fn without_order_and_seal(record: &mut Record) {
    walk(record, &mut |met| {
        if let Met::List(attributes) = met {
            attributes.retain(|attribute| !attribute.key.starts_with("audit."));
            attributes.sort_by(|one, other| one.key.cmp(&other.key));
        }
    });
}
