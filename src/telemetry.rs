//! telseal's telemetry of itself: events on standard error, metrics for `/metrics`.
//!
//! Own metrics are named `telseal_*`; [`METRICS`] is the whole list, and the README's table is checked against it.

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use thiserror::Error;
use tracing_subscriber::EnvFilter;

/// What a metric is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
}

/// Every metric: name, kind, what it says.
pub const METRICS: &[(&str, Kind, &str)] = &[
    ("telseal_pipeline_received_records_total", Kind::Counter, "records that came through a pipeline's door"),
    ("telseal_pipeline_appended_records_total", Kind::Counter, "records stored by a pipeline"),
    ("telseal_pipeline_refused_records_total", Kind::Counter, "records given back to their sender, who keeps them"),
    ("telseal_pipeline_added_records_total", Kind::Counter, "records made by a processor: incidents"),
    ("telseal_pipeline_dropped_records_total", Kind::Counter, "records taken out by a processor, by reason"),
    ("telseal_pipeline_unaccounted_records", Kind::Gauge, "records received that are nowhere: 0, or a defect"),
    ("telseal_processor_changed_records_total", Kind::Counter, "records a processor changed"),
    ("telseal_exporter_delivered_records_total", Kind::Counter, "records a destination confirmed"),
    ("telseal_exporter_rejected_records_total", Kind::Counter, "records a destination refused in a partial success"),
    (
        "telseal_exporter_skipped_points_total",
        Kind::Counter,
        "data points that have no place at a destination, by reason",
    ),
    ("telseal_exporter_retries_total", Kind::Counter, "exports that failed and are tried again"),
    ("telseal_exporter_dead_lettered_records_total", Kind::Counter, "records put aside because no try would succeed"),
    ("telseal_ledger_anchor_failures_total", Kind::Counter, "checkpoints that an anchor did not take"),
    (
        "telseal_ledger_witness_contradicts",
        Kind::Gauge,
        "1 while a witness remembers more of the ledger, or another one",
    ),
    ("telseal_ledger_anchored_entries", Kind::Gauge, "entries of the ledger that an anchor vouches for"),
    ("telseal_ledger_retention_records_total", Kind::Counter, "records whose bodies were deleted by `seal.retention`"),
    (
        "telseal_exporter_filtered_records_total",
        Kind::Counter,
        "records that an exporter is not to get: `min_risk`, `filter`",
    ),
    ("telseal_exporter_overrun_records_total", Kind::Counter, "oldest records given up under when_full: drop_oldest"),
    ("telseal_exporter_damaged_records_total", Kind::Counter, "stored records that could not be read again"),
    ("telseal_exporter_unaccounted_records", Kind::Gauge, "records a cursor passed that are nowhere: 0, or a defect"),
    ("telseal_exporter_lag_records", Kind::Gauge, "records stored and not yet delivered"),
    ("telseal_exporter_lag_bytes", Kind::Gauge, "their size as stored"),
    ("telseal_exporter_paused", Kind::Gauge, "1 while a credential or an address must be mended"),
    ("telseal_syslog_cut_records_total", Kind::Counter, "records that a `syslog` exporter sent without their end"),
    ("telseal_prometheus_series", Kind::Gauge, "series that a `prometheus` exporter keeps"),
    ("telseal_prometheus_rejected_points_total", Kind::Counter, "data points not shown on the page, by reason"),
    ("telseal_prometheus_help_conflicts_total", Kind::Counter, "metrics described differently than the one shown"),
    ("telseal_config_reloads_total", Kind::Counter, "configurations read again, by outcome"),
    (
        "telseal_config_reload_failed",
        Kind::Gauge,
        "1 while the newest configuration was refused and an older one is in force",
    ),
    ("telseal_in_flight_bytes", Kind::Gauge, "bytes of requests under way"),
    ("telseal_enrich_lookups_total", Kind::Counter, "keys looked up in a table, by result"),
    ("telseal_enrich_table_rows", Kind::Gauge, "rows of a lookup table in force"),
    ("telseal_enrich_table_reloads_total", Kind::Counter, "lookup tables read again, by result"),
    ("telseal_redactions_total", Kind::Counter, "findings replaced, by rule and position"),
    ("telseal_risk_records_total", Kind::Counter, "records tagged, by level"),
    ("telseal_risk_incidents_total", Kind::Counter, "incidents reported by correlations, by rule"),
    ("telseal_risk_state_entries", Kind::Gauge, "windows and sessions that correlations remember"),
    ("telseal_risk_state_evicted_total", Kind::Counter, "windows and sessions given up to keep memory bounded"),
    (
        "telseal_risk_rules_reloads_total",
        Kind::Counter,
        "times that changed rules were read again, by outcome: ok, refused",
    ),
    ("telseal_risk_events_total", Kind::Counter, "verdicts, by level, category of the worst rule, and agent"),
    ("telseal_receiver_accepted_records_total", Kind::Counter, "records taken from senders"),
    ("telseal_receiver_refused_records_total", Kind::Counter, "records not taken, by reason"),
    ("telseal_receiver_refused_requests_total", Kind::Counter, "requests not taken, by reason"),
    ("telseal_receiver_requests_total", Kind::Counter, "requests by answer"),
    ("telseal_auth_failures_total", Kind::Counter, "senders that were not recognised, by authenticator and reason"),
    ("telseal_auth_reloads_total", Kind::Counter, "credentials read again, by authenticator and result"),
    ("telseal_tls_handshake_failures_total", Kind::Counter, "TLS handshakes that failed, by listener and reason"),
    ("telseal_tls_reloads_total", Kind::Counter, "certificates read again, by listener and result"),
    (
        "telseal_tls_certificate_expiry_timestamp_seconds",
        Kind::Gauge,
        "when a listener's certificate ends, in seconds since 1970",
    ),
];

/// Own telemetry could not be set up.
#[derive(Debug, Error)]
#[error("cannot set up own telemetry: {0}")]
pub struct SetupError(String);

/// Sends events of `level` and above to standard error, as text or as one JSON object a line. Libraries are heard from
/// `warn` on.
///
/// # Errors
/// When the process has a subscriber already.
pub fn start_events(level: &str, json: bool) -> Result<(), SetupError> {
    let filter = EnvFilter::builder().parse_lossy(format!("warn,telseal={level}"));
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    let started = if json { subscriber.json().flatten_event(true).try_init() } else { subscriber.try_init() };
    started.map_err(|error| SetupError(error.to_string()))
}

/// Collects metrics from now on; the handle renders them.
///
/// # Errors
/// When the process collects metrics already.
pub fn start_metrics() -> Result<PrometheusHandle, SetupError> {
    let handle = PrometheusBuilder::new().install_recorder().map_err(|error| SetupError(error.to_string()))?;
    for (name, kind, help) in METRICS {
        match kind {
            Kind::Counter => metrics::describe_counter!(*name, *help),
            Kind::Gauge => metrics::describe_gauge!(*name, *help),
        }
    }
    Ok(handle)
}
