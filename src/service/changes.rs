//! What differs between two configurations, as far as it matters for a reload.

use std::collections::BTreeMap;

use crate::config::{Config, ExporterConfig, Pipeline};
use crate::service::processors::seal_of;

/// The keys of changes that a running service cannot take up.
pub(super) fn that_need_a_restart(old: &Config, new: &Config) -> Vec<String> {
    let mut keys = changed("receivers", &old.receivers, &new.receivers);
    let (was, is) = (&old.service, &new.service);
    let differ = [
        ("data_dir", was.data_dir != is.data_dir),
        ("in_flight_bytes_max", was.in_flight_bytes_max != is.in_flight_bytes_max),
        ("shutdown_timeout", was.shutdown_timeout != is.shutdown_timeout),
        ("telemetry.logs", was.telemetry.logs != is.telemetry.logs),
        ("telemetry.metrics", was.telemetry.metrics != is.telemetry.metrics),
    ];
    keys.extend(differ.iter().filter(|(_, differs)| *differs).map(|(key, _)| format!("service.{key}")));
    for (id, was) in &was.pipelines {
        let Some(is) = is.pipelines.get(id) else { continue };
        keys.extend(of_log(was, is).map(|key| format!("service.pipelines.{id}.{key}")));
        let sealed_otherwise = was.sealed && is.sealed && seal_of(id, old) != seal_of(id, new);
        let seal = is.processors.last().filter(|_| sealed_otherwise);
        keys.extend(seal.map(|seal| format!("processors.{seal}")));
    }
    keys.extend(listening(old, new));
    keys.dedup();
    keys
}

/// The parts that differ, each with what becomes of it.
pub(super) fn between(old: &Config, new: &Config) -> Vec<String> {
    let mut all = told("processors", &old.processors, &new.processors);
    all.extend(told("exporters", &old.exporters, &new.exporters));
    all.extend(told("extensions", &old.extensions, &new.extensions));
    all.extend(told("service.pipelines", &old.service.pipelines, &new.service.pipelines));
    all
}

/// What a log is made of cannot change under it.
fn of_log(was: &Pipeline, is: &Pipeline) -> impl Iterator<Item = &'static str> {
    let differ = [
        ("processors (`seal`)", was.sealed != is.sealed),
        ("storage", was.storage != is.storage),
        ("ack", was.ack != is.ack),
        ("hold_bytes_max", was.hold_bytes_max != is.hold_bytes_max),
        ("when_full", was.when_full != is.when_full),
    ];
    differ.into_iter().filter(|(_, differs)| *differs).map(|(key, _)| key)
}

/// An exporter that listens holds its port, and what it has summed up, until it ends.
fn listening<'c>(old: &'c Config, new: &'c Config) -> impl Iterator<Item = String> + 'c {
    old.exporters.iter().filter_map(|(id, (was, _))| {
        let (is, _) = new.exporters.get(id)?;
        (matches!(was, ExporterConfig::Prometheus(_)) && was != is).then(|| format!("exporters.{id}"))
    })
}

fn told<K: Ord + std::fmt::Display, V: PartialEq>(
    section: &str,
    old: &BTreeMap<K, V>,
    new: &BTreeMap<K, V>,
) -> Vec<String> {
    let what = |key: String| {
        let has = |all: &BTreeMap<K, V>| all.keys().any(|id| key == format!("{section}.{id}"));
        let became = if !has(new) {
            "removed"
        } else if has(old) {
            "changed"
        } else {
            "added"
        };
        format!("{key} {became}")
    };
    changed(section, old, new).into_iter().map(what).collect()
}

fn changed<K: Ord + std::fmt::Display, V: PartialEq>(
    section: &str,
    old: &BTreeMap<K, V>,
    new: &BTreeMap<K, V>,
) -> Vec<String> {
    let gone = old.keys().filter(|id| !new.contains_key(id));
    let other = new.iter().filter(|(id, value)| old.get(id) != Some(value)).map(|(id, _)| id);
    gone.chain(other).map(|id| format!("{section}.{id}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: &str = "
receivers: {otlp: {protocols: {http: {endpoint: '127.0.0.1:0'}}}}
processors: {filter: {drop: [{severity_below: info}]}, seal: {}}
exporters: {debug: {}, file: {path: out.ndjson}, prometheus: {endpoint: '127.0.0.1:0'}}
service:
  data_dir: d
  pipelines:
    logs: {receivers: [otlp], processors: [filter, seal], exporters: [debug, file]}
    metrics: {receivers: [otlp], exporters: [prometheus]}
    traces: {receivers: [otlp], processors: [seal], exporters: [debug]}
";

    fn keys(from: &str, to: &str) -> Vec<String> {
        let new = BASE.replacen(from, to, 1);
        assert_ne!(new, BASE, "{from}");
        let parse = |text: &str| {
            crate::config::parse(text).unwrap_or_else(|problems| panic!("{}", crate::config::render("c", &problems)))
        };
        that_need_a_restart(&parse(BASE), &parse(&new))
    }

    #[test]
    fn what_cannot_change_while_it_runs_is_named() {
        for (from, to, key) in [
            ("'127.0.0.1:0'}}}}", "'127.0.0.1:1'}}}}", "receivers.otlp"),
            ("data_dir: d", "data_dir: e", "service.data_dir"),
            ("data_dir: d", "data_dir: d\n  shutdown_timeout: 3s", "service.shutdown_timeout"),
            ("data_dir: d", "data_dir: d\n  in_flight_bytes_max: 64 MiB", "service.in_flight_bytes_max"),
            ("data_dir: d", "data_dir: d\n  telemetry: {logs: {level: warn}}", "service.telemetry.logs"),
            ("data_dir: d", "data_dir: d\n  telemetry: {metrics: {endpoint: ''}}", "service.telemetry.metrics"),
            ("[filter, seal]", "[filter]", "service.pipelines.logs.processors (`seal`)"),
            ("exporters: [prometheus]", "exporters: [prometheus], storage: disk", "service.pipelines.metrics.storage"),
            (
                "exporters: [debug, file]",
                "exporters: [debug, file], hold_bytes_max: 64 MiB",
                "service.pipelines.logs.hold_bytes_max",
            ),
            ("seal: {}", "seal: {origin: x}", "processors.seal"),
            ("prometheus: {endpoint: '127.0.0.1:0'}", "prometheus: {endpoint: '127.0.0.1:1'}", "exporters.prometheus"),
        ] {
            let found = keys(from, to);
            assert!(found.iter().any(|found| found == key), "{to}: {found:?}");
        }
    }

    #[test]
    fn the_rest_can() {
        for (from, to) in [
            ("below: info", "below: warn"),
            ("out.ndjson", "other.ndjson"),
            ("[debug, file]", "[file, debug]"),
            ("exporters: [debug, file]", "exporters: [debug, file], allow: {subjects: []}"),
            ("pipelines:", "pipelines:\n    traces/b: {receivers: [otlp], exporters: [debug]}"),
        ] {
            assert_eq!(keys(from, to), Vec::<String>::new(), "{to}");
        }
    }
}
