//! Which stream a record belongs to: the labels of its resource, within Loki's limits, and its tenant.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::names::valid;
use super::push::{Rest, Stream, text_of};
use crate::otlp::DecodeError;
use crate::otlp::model::Entity;
use crate::stdx::bytesize::ByteSize;

/// Resource attributes that Loki's OTLP endpoint makes labels of, when nothing else is configured:
/// `default_resource_attributes_as_index_labels` at <https://grafana.com/docs/loki/latest/configure/#distributor>.
pub(super) const DEFAULT_LABELS: [&str; 18] = [
    "service.name",
    "service.namespace",
    "service.instance.id",
    "deployment.environment",
    "deployment.environment.name",
    "cloud.region",
    "cloud.availability_zone",
    "k8s.cluster.name",
    "k8s.namespace.name",
    "k8s.pod.name",
    "k8s.container.name",
    "container.name",
    "k8s.replicaset.name",
    "k8s.deployment.name",
    "k8s.statefulset.name",
    "k8s.daemonset.name",
    "k8s.cronjob.name",
    "k8s.job.name",
];

/// The longest name of a tenant: <https://grafana.com/docs/mimir/latest/configure/about-tenant-ids/>, which Loki shares.
const TENANT_BYTES_MAX: usize = 150;

/// What Loki takes, with its defaults from `limits_config` at
/// <https://grafana.com/docs/loki/latest/configure/#limits_config>. Raise them here when the server's were raised.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Labels of a stream; attributes beyond become structured metadata. Default: `15`.
    pub max_label_names_per_series: usize,
    /// Bytes of a label's name. Default: `1024`.
    pub max_label_name_length: usize,
    /// Bytes of a label's value; a longer one becomes structured metadata. Default: `2048`.
    pub max_label_value_length: usize,
    /// Bytes of a line; a longer one goes to the dead-letter folder. `0`: no limit. Default: `256 KiB`.
    pub max_line_size: ByteSize,
    /// Bytes of an entry's structured metadata; a record with more is sent as a canonical line. Default: `64 KiB`.
    pub max_structured_metadata_size: ByteSize,
    /// Pairs of an entry's structured metadata; a record with more is sent as a canonical line. Default: `128`.
    pub max_structured_metadata_entries_count: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_label_names_per_series: 15,
            max_label_name_length: 1024,
            max_label_value_length: 2048,
            max_line_size: ByteSize(256 << 10),
            max_structured_metadata_size: ByteSize(64 << 10),
            max_structured_metadata_entries_count: 128,
        }
    }
}

impl Limits {
    /// True for metadata of that count and length.
    pub(super) fn allow(&self, (count, len): (usize, usize)) -> bool {
        count <= self.max_structured_metadata_entries_count && len <= self.max_structured_metadata_size.as_usize()
    }
}

/// A tenant from a resource attribute.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TenantFrom {
    /// The resource attribute.
    pub attribute: String,
    /// What every tenant begins with: data cannot choose a tenant outside of it.
    pub prefix: String,
}

/// How streams are chosen.
#[derive(Debug)]
pub(super) struct Rules {
    pub(super) tenant_id: String,
    pub(super) tenant_from: Option<TenantFrom>,
    pub(super) resource_labels: Vec<String>,
    pub(super) external_labels: BTreeMap<String, String>,
    pub(super) limits: Limits,
}

/// The stream of a resource, and its attributes that are no labels.
pub(super) fn streams_of<'a>(rules: &Rules, resource: &Entity<'a>) -> Result<(Stream, Rest<'a>), DecodeError> {
    let mut labels = rules.external_labels.clone();
    let mut used = Vec::new();
    for key in &rules.resource_labels {
        let Some(value) = resource.get(key) else { continue };
        let (name, value) = (valid(key), text_of(&value)?);
        let fits = name.len() <= rules.limits.max_label_name_length
            && value.len() <= rules.limits.max_label_value_length
            && labels.len() < rules.limits.max_label_names_per_series;
        if fits && !value.is_empty() && !labels.contains_key(&name) {
            labels.insert(name, value);
            used.push(key.as_str());
        }
    }
    if labels.is_empty() {
        // As Loki's OTLP endpoint does it: a stream without a label is refused.
        labels.insert("service_name".to_owned(), "unknown_service".to_owned());
    }
    let rest = resource.attributes().iter().filter(|attribute| !used.contains(&attribute.key)).copied().collect();
    let pairs: Vec<_> = labels.into_iter().collect();
    let labels = selector(&pairs);
    Ok((Stream { tenant: tenant(rules, resource), pairs, labels }, rest))
}

/// The tenant of a resource: what its attribute says behind the prefix, or else the configured one.
fn tenant(rules: &Rules, resource: &Entity<'_>) -> String {
    let chosen = rules.tenant_from.as_ref().and_then(|from| {
        let name = format!("{}{}", from.prefix, resource.get(&from.attribute)?.as_str()?);
        is_tenant(&name).then_some(name)
    });
    chosen.unwrap_or_else(|| rules.tenant_id.clone())
}

/// True for names of tenants that Loki takes.
pub(super) fn is_tenant(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "!-_.*'()".contains(c);
    !name.is_empty() && name.len() <= TENANT_BYTES_MAX && name.chars().all(allowed) && name != "." && name != ".."
}

/// Labels as Prometheus writes them.
fn selector(pairs: &[(String, String)]) -> String {
    let mut out = String::from("{");
    for (at, (name, value)) in pairs.iter().enumerate() {
        out.push_str(if at == 0 { "" } else { ", " });
        out.push_str(name);
        out.push_str("=\"");
        for c in value.chars() {
            match c {
                '"' => out.push_str("\\\""),
                '\\' => out.push_str("\\\\"),
                '\n' => out.push_str("\\n"),
                '\r' => out.push_str("\\r"),
                '\t' => out.push_str("\\t"),
                c if c.is_control() => out.push_str(&format!("\\u{:04x}", u32::from(c))),
                c => out.push(c),
            }
        }
        out.push('"');
    }
    out.push('}');
    out
}

#[cfg(test)]
mod tests {
    use bumpalo::Bump;

    use super::*;
    use crate::otlp::schema;
    use crate::otlp::value::Value;

    fn rules() -> Rules {
        Rules {
            tenant_id: "fallback".to_owned(),
            tenant_from: Some(TenantFrom { attribute: "team".to_owned(), prefix: "t-".to_owned() }),
            resource_labels: DEFAULT_LABELS.iter().map(|&label| label.to_owned()).collect(),
            external_labels: BTreeMap::from([("job".to_owned(), "telseal".to_owned())]),
            limits: Limits { max_label_names_per_series: 3, ..Limits::default() },
        }
    }

    fn stream(attributes: &[(&str, Value<'_>)]) -> (Stream, Vec<String>) {
        let arena = Bump::new();
        let mut resource = Entity::open(&schema::RESOURCE, &[], &arena).unwrap();
        attributes.iter().for_each(|(key, value)| resource.push(key, *value));
        let (stream, rest) = streams_of(&rules(), &resource).unwrap();
        (stream, rest.iter().map(|attribute| attribute.key.to_owned()).collect())
    }

    #[test]
    fn labels_are_the_allowed_attributes_within_the_limits() {
        let long = "x".repeat(2049);
        let (found, rest) = stream(&[
            ("host.name", Value::Str("h")),
            ("k8s.pod.name", Value::Str("p")),
            ("service.name", Value::Str("a \"b\"\\\n\u{1}")),
            ("service.namespace", Value::Str(&long)),
            ("cloud.region", Value::Int(7)),
        ]);
        assert_eq!(found.labels, r#"{cloud_region="7", job="telseal", service_name="a \"b\"\\\n\u0001"}"#);
        assert_eq!(rest, ["host.name", "k8s.pod.name", "service.namespace"]);
    }

    #[test]
    fn a_tenant_from_data_stays_behind_its_prefix() {
        for (team, tenant) in [
            (Value::Str("red"), "t-red"),
            (Value::Str("../x"), "fallback"),
            (Value::Str("a|b"), "fallback"),
            (Value::Str(""), "t-"),
            (Value::Int(5), "fallback"),
        ] {
            assert_eq!(stream(&[("team", team)]).0.tenant, tenant);
        }
        assert_eq!(stream(&[]).0.tenant, "fallback");
    }
}
