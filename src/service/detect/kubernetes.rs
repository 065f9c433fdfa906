//! The pod that telseal runs in, as Kubernetes tells it without its API: files of a downward API volume, environment
//! variables from `fieldRef`, and the namespace file of the service account.
//!
//! There is no fixed name for any of these but the last. Read are the names that the OpenTelemetry documentation and
//! Helm charts use; a file outweighs a variable.

use super::{Found, World, text};
use crate::processor::enrich::K8s;

/// The attribute, the file in the volume, and the variables that may hold it.
const FACTS: &[(&str, &str, &[&str])] = &[
    ("k8s.pod.name", "name", &["K8S_POD_NAME", "POD_NAME", "MY_POD_NAME", "KUBE_POD_NAME"]),
    ("k8s.pod.uid", "uid", &["K8S_POD_UID", "POD_UID", "MY_POD_UID"]),
    ("k8s.pod.ip", "ip", &["K8S_POD_IP", "POD_IP", "MY_POD_IP"]),
    (
        "k8s.namespace.name",
        "namespace",
        &["K8S_NAMESPACE_NAME", "K8S_NAMESPACE", "K8S_POD_NAMESPACE", "POD_NAMESPACE", "MY_POD_NAMESPACE"],
    ),
    ("k8s.node.name", "node_name", &["K8S_NODE_NAME", "NODE_NAME", "MY_NODE_NAME", "KUBE_NODE_NAME"]),
    ("k8s.container.name", "container_name", &["K8S_CONTAINER_NAME", "CONTAINER_NAME"]),
    ("k8s.cluster.name", "cluster_name", &["K8S_CLUSTER_NAME", "CLUSTER_NAME"]),
    ("k8s.deployment.name", "deployment_name", &["K8S_DEPLOYMENT_NAME"]),
];

const NAMESPACE_FILE: &str = "/var/run/secrets/kubernetes.io/serviceaccount/namespace";

pub(super) fn find(world: &World<'_>, config: &K8s) -> Found {
    let mut found = Found::new();
    for (attribute, file, variables) in FACTS {
        let line = |text: String| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        let value = world.file(config.dir.join(file)).and_then(line);
        let value = value.or_else(|| variables.iter().find_map(|name| world.variable(name)));
        let value = match *attribute {
            "k8s.namespace.name" => value.or_else(|| world.file(NAMESPACE_FILE).and_then(line)),
            _ => value,
        };
        found.extend(value.map(|value| text(attribute, value)));
    }
    for (file, wanted, kind) in
        [("labels", &config.labels, "label"), ("annotations", &config.annotations, "annotation")]
    {
        let content = world.file(config.dir.join(file)).unwrap_or_default();
        let pairs = content.lines().filter_map(pair);
        let wanted = |name: &str| wanted.iter().any(|word| word == "*" || word == name);
        found.extend(
            pairs.filter(|(name, _)| wanted(name)).map(|(name, value)| text(&format!("k8s.pod.{kind}.{name}"), value)),
        );
    }
    found
}

/// A line of the files for labels and annotations: `key="value"`, the value with the escapes of Go.
fn pair(line: &str) -> Option<(&str, String)> {
    let (name, quoted) = line.split_once('=')?;
    let inside = quoted.trim_end().strip_prefix('"')?.strip_suffix('"')?;
    let mut value = String::with_capacity(inside.len());
    let mut characters = inside.chars();
    while let Some(character) = characters.next() {
        value.push(match character {
            '\\' => match characters.next()? {
                'n' => '\n',
                't' => '\t',
                'r' => '\r',
                'u' => escaped(&mut characters, 4)?,
                'U' => escaped(&mut characters, 8)?,
                'x' => escaped(&mut characters, 2)?,
                other => other,
            },
            other => other,
        });
    }
    (!name.is_empty()).then_some((name, value))
}

/// A character by its number, in so many hexadecimal digits.
fn escaped(characters: &mut std::str::Chars<'_>, digits: usize) -> Option<char> {
    let mut number = 0;
    for _ in 0..digits {
        number = number * 16 + characters.next()?.to_digit(16)?;
    }
    char::from_u32(number)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::super::tests::{put, world};
    use super::*;

    #[test]
    fn a_pod_is_described_by_files_and_variables() {
        let root = tempfile::tempdir().unwrap();
        put(root.path(), "etc/podinfo/labels", "app=\"web\"\ntier=\"a \\\"b\\\"\\n\"\n");
        put(root.path(), "etc/podinfo/annotations", "owner=\"team-a\"\nlast-applied=\"{..}\"\n");
        put(root.path(), "etc/podinfo/uid", "abc-1\n");
        put(root.path(), NAMESPACE_FILE.trim_start_matches('/'), "payments");
        let env = |name: &str| match name {
            "POD_NAME" => Some("web-0".to_owned()),
            "POD_UID" => Some("from the environment".to_owned()),
            "NODE_NAME" => Some(String::new()),
            _ => None,
        };
        let config = K8s { annotations: vec!["owner".into()], ..K8s::default() };
        let expected = [
            text("k8s.pod.name", "web-0"),
            text("k8s.pod.uid", "abc-1"),
            text("k8s.namespace.name", "payments"),
            text("k8s.pod.label.app", "web"),
            text("k8s.pod.label.tier", "a \"b\"\n"),
            text("k8s.pod.annotation.owner", "team-a"),
        ];
        assert_eq!(find(&world(root.path(), &env), &config), expected);
    }

    #[test]
    fn labels_may_be_chosen_and_the_folder_be_another() {
        let root = tempfile::tempdir().unwrap();
        put(root.path(), "podinfo/labels", "app=\"web\"\ntier=\"a\"\nbroken\n");
        let config = K8s { dir: PathBuf::from("/podinfo"), labels: vec!["tier".into()], annotations: vec![] };
        assert_eq!(find(&world(root.path(), &|_| None), &config), [text("k8s.pod.label.tier", "a")]);
    }
}
