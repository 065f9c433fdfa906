//! What deploys telseal is sound: units, manifests and the configurations in them, checked by the tools that will read them.
//!
//! A tool that is not there skips its check, with the reason; `TELSEAL_REQUIRE_DEPLOYMENT=1` makes that a failure. Python's
//! `kubernetes-validate`, which has the schemas of Kubernetes with it, is installed on first use into `target`.

#![expect(clippy::unwrap_used, reason = "a test's helpers fail the test")]
#![expect(clippy::disallowed_methods, clippy::print_stdout, reason = "tests write files and say why they are skipped")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// What a tool printed, or why the check is skipped.
fn run(command: &mut Command) -> Result<Output, String> {
    command.output().map_err(|error| format!("{}: {error}", command.get_program().to_string_lossy()))
}

fn or_skip<T>(result: Result<T, String>) -> Option<T> {
    result
        .inspect_err(|reason| {
            assert!(std::env::var_os("TELSEAL_REQUIRE_DEPLOYMENT").is_none_or(|value| value != "1"), "{reason}");
            println!("skipped: {reason}");
        })
        .ok()
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned()
}

#[test]
fn configurations_that_are_deployed_are_valid() {
    for path in [
        "docker/telseal.yaml",
        "docker/compose-telseal.yaml",
        "examples/systemd/telseal.yaml",
        "examples/kubernetes/sidecar/telseal.yaml",
        "examples/kubernetes/gateway/telseal.yaml",
    ] {
        let text = fs::read_to_string(root(path)).unwrap();
        if let Err(problems) = telseal::config::parse_with(&text, &|_| None, &|_| Ok(b"token\n".to_vec())) {
            panic!("{}", telseal::config::render(path, &problems));
        }
    }
}

#[test]
fn systemd_accepts_the_unit_and_rates_it_as_safe() {
    let unit = root("examples/systemd/telseal.service");
    // The binary is not installed where the tests run.
    let dir = TempDir::new().unwrap();
    let copy = dir.path().join("telseal.service");
    fs::write(&copy, fs::read_to_string(&unit).unwrap().replace("/usr/bin/telseal", "/bin/true")).unwrap();
    let Some(verified) = or_skip(run(Command::new("systemd-analyze").arg("verify").arg(&copy))) else { return };
    assert!(verified.status.success() && text(&verified).is_empty(), "{}", text(&verified));
    // Exposure in tenths: 20 is 2.0.
    let rating = ["security", "--offline=true", "--no-pager", "--threshold=20"];
    let rated = run(Command::new("systemd-analyze").args(rating).arg(&unit)).unwrap();
    if text(&rated).contains("unrecognized option") {
        println!("skipped: this systemd rates no unit that is not installed");
        return;
    }
    assert!(rated.status.success(), "{}", text(&rated));
}

/// A Python with `kubernetes-validate`.
fn validator() -> Result<PathBuf, String> {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("kubernetes-validate");
    let tool = dir.join("bin/kubernetes-validate");
    if tool.is_file() {
        return Ok(tool);
    }
    let done = |output: Output| if output.status.success() { Ok(()) } else { Err(text(&output)) };
    done(run(Command::new("python3").args(["-m", "venv"]).arg(&dir))?)?;
    let pip = [
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--retries=1",
        "kubernetes-validate==1.37.0",
    ];
    done(run(Command::new(dir.join("bin/python")).args(pip))?)?;
    Ok(tool)
}

/// Each manifest of several is what Kubernetes takes, by its own schemas.
fn assert_valid(validator: &Path, manifests: &[u8]) {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("manifests.yaml");
    fs::write(&file, manifests).unwrap();
    let validated = run(Command::new(validator).arg("--strict").arg(&file)).unwrap();
    assert!(validated.status.success(), "{}", text(&validated));
    let passed = text(&validated).matches("passed for resource").count();
    assert!(passed >= 3, "only {passed} resources were looked at:\n{}", text(&validated));
}

#[test]
fn manifests_are_what_kubernetes_takes() {
    let Some(validator) = or_skip(validator()) else { return };
    for shape in ["sidecar", "gateway"] {
        let kustomize = run(Command::new("kubectl").arg("kustomize").arg(root("examples/kubernetes").join(shape)));
        let Some(built) = or_skip(kustomize) else { return };
        assert!(built.status.success(), "{}", text(&built));
        assert_valid(&validator, &built.stdout);
    }
}

/// What the chart makes of its values and these.
fn chart(values: &[&str]) -> Result<Output, String> {
    let template = ["template", "site", "--kube-version", "1.33"];
    run(Command::new("helm").args(template).arg(root("examples/kubernetes/helm")).args(values))
}

#[test]
fn the_chart_makes_what_kubernetes_and_telseal_take() {
    let Some(validator) = or_skip(validator()) else { return };
    let less = ["--set", "networkPolicy.enabled=false", "--set", "podDisruptionBudget.enabled=false"];
    let more = ["--set", "secrets={siem,tls}", "--set", "image.digest=sha256:00", "--set", "storage.className=fast"];
    for values in [&[][..], &less, &more] {
        let Some(made) = or_skip(chart(values)) else { return };
        assert!(made.status.success(), "{}", text(&made));
        assert_valid(&validator, &made.stdout);
    }
    let Some(made) = or_skip(chart(&["-s", "templates/configmap.yaml"])) else { return };
    let map = text(&made);
    let (_, config) = map.split_once("telseal.yaml: |\n").unwrap();
    let config: String =
        config.lines().map(|line| line.strip_prefix("    ").unwrap_or(line).to_owned() + "\n").collect();
    if let Err(problems) = telseal::config::parse(&config) {
        panic!("{}", telseal::config::render("values.yaml", &problems));
    }
}

#[test]
fn alerts_fire_on_a_bad_day_and_not_on_an_ordinary_one() {
    let folder = root("examples/monitoring");
    let test = run(Command::new("promtool").args(["test", "rules", "rules.test.yml"]).current_dir(&folder));
    let Some(tested) = or_skip(test) else { return };
    assert!(tested.status.success(), "{}", text(&tested));
}

#[test]
fn alerts_and_the_dashboard_ask_for_metrics_that_there_are() {
    let readme = fs::read_to_string(root("README.md")).unwrap();
    for path in ["examples/monitoring/rules.yml", "examples/monitoring/dashboard.json"] {
        let asked = fs::read_to_string(root(path)).unwrap();
        let names: Vec<&str> = asked
            .split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
            .filter(|word| word.starts_with("telseal_"))
            .collect();
        assert!(names.len() > 10, "{path} asks for nothing");
        let unknown: Vec<_> = names.iter().filter(|name| !readme.contains(&format!("`{name}`"))).collect();
        assert!(unknown.is_empty(), "{path}: {unknown:?} are not in the README's table of metrics");
    }
}
