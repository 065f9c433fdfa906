//! The page as length-delimited `io.prometheus.client.MetricFamily` messages: the only format that holds native histograms.

use super::{Family, Series, pairs};
use crate::exporter::prom::Type;
use crate::exporter::prom::exemplar::Exemplar;
use crate::exporter::prom::labels::put_label;
use crate::exporter::prom::name::{escaped_label, is_legacy_label};
use crate::exporter::prom::value::{Classic, EXPOSED, Value, put_double};
use crate::otlp::wire::{put_bytes, put_tag, put_varint};

/// Appends one family.
pub(super) fn family<'s>(
    name: &str,
    family: &Family,
    shown: impl Iterator<Item = (&'s Box<[u8]>, &'s Series)>,
    utf8: bool,
    timestamps: bool,
    out: &mut Vec<u8>,
) {
    let (mut message, mut metric, mut inner) = (Vec::new(), Vec::new(), Vec::new());
    put_bytes(&mut message, 1, name.as_bytes());
    put_bytes(&mut message, 2, if family.help.is_empty() { super::NO_HELP } else { &family.help }.as_bytes());
    put_tag(&mut message, 3, 0);
    put_varint(&mut message, type_number(family.kind));
    for (labels, series) in shown {
        metric.clear();
        inner.clear();
        put_labels(labels, utf8, &mut metric);
        let number = value(family.kind, series, &mut inner);
        put_bytes(&mut metric, number, &inner);
        if timestamps && series.last.time > 0 {
            put_tag(&mut metric, 6, 0);
            put_varint(&mut metric, series.last.time / 1_000_000);
        }
        put_bytes(&mut message, 4, &metric);
    }
    put_varint(out, message.len() as u64);
    out.extend_from_slice(&message);
}

/// `MetricType`.
const fn type_number(kind: Type) -> u64 {
    match kind {
        Type::Counter => 0,
        Type::Gauge => 1,
        Type::Summary => 2,
        Type::Histogram => 4,
    }
}

/// Labels are kept in this very form.
fn put_labels(labels: &[u8], utf8: bool, out: &mut Vec<u8>) {
    if utf8 || pairs(labels).all(|(name, _)| is_legacy_label(name)) {
        out.extend_from_slice(labels);
    } else {
        pairs(labels).for_each(|(name, value)| put_label(out, &escaped_label(name), value));
    }
}

/// Appends the content of the value; returns the number of its field.
fn value(kind: Type, series: &Series, out: &mut Vec<u8>) -> u32 {
    match &series.last.value {
        Value::Number(number) if kind == Type::Counter => {
            put_double(out, 1, *number);
            if let Some(exemplar) = series.exemplars.last() {
                put_exemplar(2, exemplar, out);
            }
            put_time(3, series.last.start, out);
            3
        }
        Value::Number(number) => {
            put_double(out, 1, *number);
            2
        }
        Value::Summary { count, sum, quantiles } => {
            put_tag(out, 1, 0);
            put_varint(out, *count);
            put_double(out, 2, *sum);
            for (quantile, value) in quantiles {
                let mut inner = Vec::new();
                put_double(&mut inner, 1, *quantile);
                put_double(&mut inner, 2, *value);
                put_bytes(out, 3, &inner);
            }
            put_time(4, series.last.start, out);
            4
        }
        Value::Classic(classic) => {
            put_classic(classic, series, out);
            put_time(15, series.last.start, out);
            7
        }
        Value::Native(native) => {
            native.put(&EXPOSED, out);
            put_time(15, series.last.start, out);
            for exemplar in series.exemplars.iter().filter(|it| it.millis > 0) {
                put_exemplar(16, exemplar, out);
            }
            7
        }
    }
}

fn put_classic(classic: &Classic, series: &Series, out: &mut Vec<u8>) {
    put_tag(out, 1, 0);
    put_varint(out, classic.count);
    put_double(out, 2, classic.sum.unwrap_or(f64::NAN));
    let (mut below, mut lower, mut inner) = (0_u64, f64::NEG_INFINITY, Vec::new());
    for (bound, count) in classic.bounds.iter().copied().chain([f64::INFINITY]).zip(&classic.counts) {
        below = below.saturating_add(*count);
        inner.clear();
        put_tag(&mut inner, 1, 0);
        put_varint(&mut inner, below);
        put_double(&mut inner, 2, bound);
        if let Some(exemplar) = series.exemplars.iter().rev().find(|it| it.value > lower && it.value <= bound) {
            put_exemplar(3, exemplar, &mut inner);
        }
        put_bytes(out, 3, &inner);
        lower = bound;
    }
}

fn put_exemplar(number: u32, exemplar: &Exemplar, out: &mut Vec<u8>) {
    let mut inner = Vec::new();
    exemplar.labels.iter().for_each(|(name, value)| put_label(&mut inner, name, value));
    put_double(&mut inner, 2, exemplar.value);
    put_time(3, exemplar.millis.unsigned_abs().saturating_mul(1_000_000), &mut inner);
    put_bytes(out, number, &inner);
}

/// A `google.protobuf.Timestamp`; 0 is not said.
fn put_time(number: u32, nanos: u64, out: &mut Vec<u8>) {
    if nanos > 0 {
        let mut inner = Vec::new();
        put_tag(&mut inner, 1, 0);
        put_varint(&mut inner, nanos / 1_000_000_000);
        put_tag(&mut inner, 2, 0);
        put_varint(&mut inner, nanos % 1_000_000_000);
        put_bytes(out, number, &inner);
    }
}
