//! What the exporters for Prometheus have in common: how OTLP becomes metric names, labels and values.
//!
//! Sources: "Prometheus and OpenMetrics Compatibility" of the OpenTelemetry specification
//! (<https://opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics/>) and the names that Prometheus' own OTLP
//! receiver gives (`translation_strategy`).

pub mod delta;
pub mod exemplar;
pub mod labels;
pub mod name;
pub mod value;

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::otlp::points::{Data, Kind, Metric, Point, Temporality};
use crate::stdx::problem::{At, Problems};
use labels::Promoted;
use name::{Strategy, Translation};

/// What Prometheus calls the kinds of metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// Only goes up, until it starts again.
    Counter,
    /// A current value.
    Gauge,
    /// A histogram, classic or native.
    Histogram,
    /// Quantiles.
    Summary,
}

impl Type {
    /// The word in the text formats.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
            Self::Summary => "summary",
        }
    }

    /// What the points of a metric are for Prometheus.
    #[must_use]
    pub const fn of(kind: Kind) -> Self {
        match kind {
            Kind::Sum { is_monotonic: true, .. } => Self::Counter,
            Kind::Gauge | Kind::Sum { .. } => Self::Gauge,
            Kind::Histogram(_) | Kind::Exponential(_) => Self::Histogram,
            Kind::Summary => Self::Summary,
        }
    }
}

/// The settings of names and labels that both exporters have, under the Collector's names.
#[derive(Debug, Clone, Copy)]
pub struct Shape<'c> {
    /// Put before every metric name.
    pub namespace: &'c str,
    /// How names become Prometheus'.
    pub translation_strategy: Option<Strategy>,
    /// Whether units and `_total` are added, where no strategy says it.
    pub add_metric_suffixes: bool,
    /// Labels of every series.
    pub constant: &'c BTreeMap<String, String>,
    /// Which attributes of the resource become labels of its series.
    pub promoted: &'c Promoted,
    /// Leaves the scope's name, version and attributes away.
    pub without_scope: bool,
}

/// `resource_to_telemetry_conversion`, the Collector's older way to say which attributes are promoted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ResourceConversion {
    /// All attributes of the resource become labels of every series. Default: `false`.
    pub enabled: bool,
    /// But `service.name`, `service.namespace` and `service.instance.id`, which are `job` and `instance` already.
    pub exclude_service_attributes: bool,
}

impl Shape<'_> {
    /// How names are made.
    #[must_use]
    pub fn translation(&self) -> Translation {
        let default = if self.add_metric_suffixes {
            Strategy::UnderscoreEscapingWithSuffixes
        } else {
            Strategy::UnderscoreEscapingWithoutSuffixes
        };
        Translation { strategy: self.translation_strategy.unwrap_or(default), namespace: self.namespace.to_owned() }
    }

    /// Notes labels that cannot be: `key` is the name of the setting.
    pub fn check(&self, key: &str, at: &At, problems: &mut Problems) {
        for (name, value) in self.constant {
            let at = at.key(key).key(name);
            if name.is_empty() || name.starts_with("__") {
                problems.add(&at, "is no name for a label: it must not be empty or begin with `__`");
            } else if value.is_empty() {
                problems.add(&at, "has no value: an empty label is none");
            }
        }
    }
}

/// Why a point cannot be a sample; `None` when it can.
#[must_use]
pub fn unfit(metric: &Metric<'_, '_>, point: &Point<'_>) -> Option<&'static str> {
    if metric.name.is_empty() {
        return Some("the metric has no name");
    }
    if metric.kind.temporality() == Some(Temporality::Unspecified) {
        return Some("the metric has no aggregation temporality");
    }
    if point.has_no_value() {
        return None;
    }
    match &point.data {
        Data::Number(None) => Some("the data point has no value"),
        Data::Histogram(it) if it.counts.len() != it.bounds.len() + 1 && !it.counts.is_empty() => {
            Some("the histogram has not one bucket more than bounds")
        }
        Data::Histogram(it) if !it.bounds.is_sorted_by(|a, b| a < b) => Some("the histogram's bounds do not ascend"),
        Data::Exponential(it) if it.scale < value::SCHEMA_MIN => {
            Some("the exponential histogram is coarser than native histograms can be (scale below -4)")
        }
        Data::Exponential(it) if it.positive.counts.len() + it.negative.counts.len() > value::BUCKETS_MAX => {
            Some("the exponential histogram has more than 10000 buckets")
        }
        _ => None,
    }
}
