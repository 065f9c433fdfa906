//! Detectors: what is known of the surroundings, as attributes of the resource. They are read once at start, by the
//! service; here is what they are called and how they are chosen.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;

use crate::processor::scalar::Scalar;
use crate::stdx::problem::{At, Problems};

/// Where to look for facts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Detector {
    /// `OTEL_RESOURCE_ATTRIBUTES` and `OTEL_SERVICE_NAME` of telseal's environment.
    Env,
    /// `host.name`, `host.arch`, `os.type`, `os.description` of this machine.
    System,
    /// `telseal.version` and `telseal.process.pid`, which always replace what is there: they say who took the record.
    Process,
    /// `container.id`, from the kernel's files about telseal's own process. Docker, containerd, CRI-O and Podman.
    #[serde(alias = "container")]
    Docker,
    /// The pod, from downward API files and environment variables; the API server is never asked.
    #[serde(rename = "k8s", alias = "kubernetes")]
    K8s,
    /// AWS EC2 instance metadata (IMDSv2), asked over the network at start.
    #[serde(alias = "aws")]
    Ec2,
    /// Google Compute Engine metadata, asked over the network at start.
    Gcp,
    /// Azure instance metadata, asked over the network at start.
    Azure,
}

/// Attributes found by each detector, in order.
pub type Detected = BTreeMap<Detector, Vec<(String, Scalar)>>;

/// What `k8s` reads besides the environment.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct K8s {
    /// The folder of the downward API volume, with files such as `labels`, `annotations`, `name`, `namespace`, `uid`,
    /// `node_name`. Default: `/etc/podinfo`.
    pub dir: PathBuf,
    /// Labels of the pod to take, as `k8s.pod.label.NAME`; `*` for all. Default: all.
    pub labels: Vec<String>,
    /// Annotations of the pod to take, as `k8s.pod.annotation.NAME`; `*` for all. Default: none, since tools keep whole
    /// configurations in them.
    pub annotations: Vec<String>,
}

impl Default for K8s {
    fn default() -> Self {
        Self { dir: PathBuf::from("/etc/podinfo"), labels: vec!["*".to_owned()], annotations: vec![] }
    }
}

/// Finds a detector that is listed twice.
pub(super) fn check(detectors: &[Detector], at: &At, problems: &mut Problems) {
    for (index, detector) in detectors.iter().enumerate() {
        if detectors[..index].contains(detector) {
            problems.add(&at.item(index), "this detector is listed already");
        }
    }
}

/// What the detectors say, each key once: the first detector that knows it wins. True where it replaces what is there.
pub(super) fn chosen(detectors: &[Detector], replace: bool, detected: &Detected) -> Vec<(String, Scalar, bool)> {
    let mut chosen: Vec<(String, Scalar, bool)> = Vec::new();
    for detector in detectors {
        for (key, value) in detected.get(detector).into_iter().flatten() {
            if !chosen.iter().any(|(known, ..)| known == key) {
                chosen.push((key.clone(), value.clone(), replace || *detector == Detector::Process));
            }
        }
    }
    chosen
}
