//! What Datadog makes of a resource: the name of the host, and tags.
//! <https://docs.datadoghq.com/opentelemetry/config/hostname_tagging/>,
//! <https://docs.datadoghq.com/opentelemetry/mapping/semantic_mapping/>

use crate::otlp::DecodeError;
use crate::otlp::model::Entity;
use crate::otlp::plain::write_text;

/// Resource attributes that name a host, the best first.
const HOSTS: [&str; 4] = ["datadog.host.name", "host.name", "k8s.node.name", "host.id"];

/// Tags of unified service tagging, of containers and of clouds, by the resource attribute they come from.
const TAGS: [(&str, &str); 21] = [
    ("deployment.environment.name", "env"),
    ("deployment.environment", "env"),
    ("service.name", "service"),
    ("service.version", "version"),
    ("container.id", "container_id"),
    ("container.name", "container_name"),
    ("container.image.name", "image_name"),
    ("container.runtime", "runtime"),
    ("cloud.provider", "cloud_provider"),
    ("cloud.region", "region"),
    ("cloud.availability_zone", "zone"),
    ("k8s.cluster.name", "kube_cluster_name"),
    ("k8s.namespace.name", "kube_namespace"),
    ("k8s.pod.name", "pod_name"),
    ("k8s.container.name", "kube_container_name"),
    ("k8s.deployment.name", "kube_deployment"),
    ("k8s.replicaset.name", "kube_replica_set"),
    ("k8s.statefulset.name", "kube_stateful_set"),
    ("k8s.daemonset.name", "kube_daemon_set"),
    ("k8s.job.name", "kube_job"),
    ("k8s.cronjob.name", "kube_cronjob"),
];

/// The host of a resource.
pub(super) fn hostname(resource: &Entity<'_>, default: &str) -> String {
    let named = HOSTS.iter().filter_map(|key| resource.get(key)?.as_str()).find(|name| !name.is_empty());
    named.unwrap_or(default).to_owned()
}

/// The tags of a resource. Of two attributes that stand for one tag the first in the list counts.
pub(super) fn tags(resource: &Entity<'_>) -> Result<Vec<String>, DecodeError> {
    let mut found: Vec<(&str, String)> = vec![];
    for (key, tag) in TAGS {
        let Some(value) = resource.get(key) else { continue };
        let mut text = Vec::new();
        write_text(&mut text, &value)?;
        if !text.is_empty() && found.iter().all(|(known, _)| *known != tag) {
            found.push((tag, clean(&String::from_utf8_lossy(&text))));
        }
    }
    Ok(found.into_iter().map(|(tag, value)| format!("{tag}:{value}")).collect())
}

/// A comma would begin the next tag. Datadog itself makes the rest lower-case and replaces what a tag cannot have.
pub(super) fn clean(value: &str) -> String {
    value.replace([',', '\n'], "_")
}
