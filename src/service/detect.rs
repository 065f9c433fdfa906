//! What `enrich`'s detectors find: the kernel's files, downward API files, the environment (through `config`), and the
//! cloud's metadata service where it was asked for. All of it once, at start. A detector that finds nothing says so in
//! one warning and adds nothing.

mod cloud;
mod container;
mod kubernetes;

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use tracing::warn;

use crate::config;
use crate::processor::enrich::{Config, Detected, Detector};
use crate::processor::scalar::Scalar;
use crate::stdx::{host, percent};

/// Attributes, in order.
type Found = Vec<(String, Scalar)>;

/// The largest file that is read here.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Where facts come from; a test has its own.
struct World<'w> {
    root: PathBuf,
    env: &'w dyn Fn(&str) -> Option<String>,
}

impl World<'_> {
    /// The text of a file, by its path on this machine.
    fn file(&self, path: impl AsRef<Path>) -> Option<String> {
        let path = path.as_ref();
        let path = self.root.join(path.strip_prefix("/").unwrap_or(path));
        let mut text = String::new();
        File::open(path).ok()?.take(FILE_BYTES_MAX).read_to_string(&mut text).ok()?;
        Some(text)
    }

    /// A variable that is set and not empty.
    fn variable(&self, name: &str) -> Option<String> {
        (self.env)(name).filter(|value| !value.is_empty())
    }
}

/// What the detectors of this processor find.
pub(super) fn detect(config: &Config) -> Detected {
    let world = World { root: PathBuf::from("/"), env: &config::variable };
    let mut detected = Detected::new();
    for detector in &config.detectors {
        let found = match detector {
            Detector::Env => env(&world),
            Detector::System => system(&world),
            Detector::Process => process(),
            Detector::Docker => container::find(&world),
            Detector::K8s => kubernetes::find(&world, &config.k8s),
            Detector::Ec2 | Detector::Gcp | Detector::Azure => cloud::find(*detector, &world, config.timeout.0),
        };
        if found.is_empty() {
            warn!(?detector, "the detector finds nothing here");
        }
        detected.insert(*detector, found);
    }
    detected
}

fn text(key: &str, value: impl Into<String>) -> (String, Scalar) {
    (key.to_owned(), Scalar::Str(value.into()))
}

/// `OTEL_RESOURCE_ATTRIBUTES`, as the SDKs read it; `OTEL_SERVICE_NAME` outweighs what it says.
fn env(world: &World<'_>) -> Found {
    let mut found: Found =
        world.variable("OTEL_SERVICE_NAME").map(|name| text("service.name", name)).into_iter().collect();
    let pairs = world.variable("OTEL_RESOURCE_ATTRIBUTES").unwrap_or_default();
    for pair in pairs.split(',').filter(|pair| !pair.trim().is_empty()) {
        let read = pair.split_once('=').and_then(|(key, value)| {
            Some((percent::decode(key.trim())?.into_owned(), percent::decode(value.trim())?.into_owned()))
        });
        match read {
            Some((key, value)) if !key.is_empty() => found.push(text(&key, value)),
            // The SDKs take nothing at all then, so that a part is not mistaken for the whole.
            _ => {
                warn!("OTEL_RESOURCE_ATTRIBUTES is not a list of key=value, none of it is taken");
                found.retain(|(key, _)| key == "service.name");
                return found;
            }
        }
    }
    found
}

fn system(world: &World<'_>) -> Found {
    let mut found = Found::new();
    found.extend(host::name().map(|name| text("host.name", name)));
    found.push(text("host.arch", host::arch()));
    found.push(text("os.type", host::os()));
    let release = world.file("/etc/os-release").or_else(|| world.file("/usr/lib/os-release")).unwrap_or_default();
    let of = |name: &str| {
        let line = release.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='))?;
        Some(line.trim().trim_matches('"').to_owned()).filter(|value| !value.is_empty())
    };
    found.extend(of("PRETTY_NAME").map(|name| text("os.description", name)));
    found.extend(of("VERSION_ID").map(|version| text("os.version", version)));
    found
}

fn process() -> Found {
    vec![
        text("telseal.version", env!("CARGO_PKG_VERSION")),
        ("telseal.process.pid".to_owned(), Scalar::Int(i64::from(std::process::id()))),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A world of these variables and the files below `root`.
    pub(super) fn world<'w>(root: &Path, env: &'w dyn Fn(&str) -> Option<String>) -> World<'w> {
        World { root: root.to_owned(), env }
    }

    #[expect(clippy::disallowed_methods, reason = "a test's file")]
    pub(super) fn put(root: &Path, path: &str, content: &str) {
        let path = root.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    fn env_with(attributes: &str, name: &str) -> Found {
        let env = |variable: &str| match variable {
            "OTEL_RESOURCE_ATTRIBUTES" => Some(attributes.to_owned()),
            "OTEL_SERVICE_NAME" => Some(name.to_owned()),
            _ => None,
        };
        super::env(&world(Path::new("/nowhere"), &env))
    }

    #[test]
    fn resource_attributes_are_read_as_the_sdks_read_them() {
        let found = env_with("deployment.environment.name=prod, team=a%2Cb,service.name=x", "svc");
        let expected = [
            text("service.name", "svc"),
            text("deployment.environment.name", "prod"),
            text("team", "a,b"),
            text("service.name", "x"),
        ];
        assert_eq!(found, expected);
        assert_eq!(env_with("", ""), []);
        assert_eq!(env_with("a=1,broken", "svc"), [text("service.name", "svc")]);
    }

    #[test]
    fn the_system_is_described_by_its_own_files() {
        let root = tempfile::tempdir().unwrap();
        put(root.path(), "etc/os-release", "NAME=Debian\nPRETTY_NAME=\"Debian GNU/Linux 13\"\nVERSION_ID=\"13\"\n");
        let found = system(&world(root.path(), &|_| None));
        assert!(found.contains(&text("os.description", "Debian GNU/Linux 13")));
        assert!(found.contains(&text("os.version", "13")));
        assert!(found.contains(&text("os.type", "linux")) || !cfg!(target_os = "linux"));
    }
}
