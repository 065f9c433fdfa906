//! One clear message and the right exit code for each mistake at the command line, in the configuration, and in the
//! surroundings.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output};

use crate::destination::Destination;
use crate::process::{Site, said, telseal};

const TEMPLATE: &str = "
receivers: {otlp: {protocols: {grpc: {endpoint: $GRPC}, http: {endpoint: $HTTP}}}}
exporters: {otlp_http/next: {endpoint: $NEXT}}
service:
  data_dir: $DATA
  telemetry: {metrics: {endpoint: $ADMIN}}
  pipelines:
    logs: {receivers: [otlp], exporters: [otlp_http/next], storage: disk}
";

fn site(template: &str) -> Site {
    Site::new(template, &[("$NEXT", "http://127.0.0.1:9")])
}

/// Asserts the exit code and that standard error has all of these; standard output is empty.
fn assert_says(output: &Output, code: i32, words: &[&str]) {
    let text = said(output);
    assert_eq!(output.status.code(), Some(code), "{text}");
    assert!(output.stdout.is_empty(), "errors go to standard error:\n{text}");
    for word in words {
        assert!(text.contains(word), "no `{word}` in:\n{text}");
    }
    assert!(!text.contains("panicked") && !text.contains("RUST_BACKTRACE"), "{text}");
}

#[test]
fn a_wrong_command_line_exits_with_2_and_names_the_argument() {
    assert_says(&telseal(["run", "--frobnicate"]), 2, &["--frobnicate"]);
    assert_says(&telseal(["frobnicate"]), 2, &["frobnicate"]);
    assert_says(&telseal(["run"]), 2, &["--config"]);
    assert_says(&telseal::<&str>([]), 2, &["Usage"]);
    assert_says(&telseal(["verify"]), 2, &["PATH"]);
}

#[test]
fn help_and_version_exit_with_0() {
    for argument in ["--help", "--version"] {
        let output = telseal([argument]);
        assert_eq!(output.status.code(), Some(0));
        assert!(said(&output).contains("telseal"));
    }
}

#[test]
fn completions_and_manual_pages_know_the_commands_and_their_shells_read_them() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = telseal(["completions", shell]);
        let script = said(&output);
        assert!(
            output.status.success() && script.contains("dead-letter") && script.contains("watch-config"),
            "{shell}"
        );
        if shell == "bash" {
            let dir = tempfile::tempdir().unwrap();
            fs::write(dir.path().join("telseal"), script).unwrap();
            let asks = "source ./telseal; COMP_WORDS=(telseal va); COMP_CWORD=1; _telseal telseal va telseal; echo ${COMPREPLY[*]}";
            let asked = Command::new("bash").args(["-c", asks]).current_dir(dir.path()).output().unwrap();
            assert_eq!(said(&asked).trim(), "validate");
        }
    }
    assert_says(&telseal(["completions", "tcsh"]), 2, &["tcsh", "bash"]);
    assert!(said(&telseal(["man"])).contains(".TH telseal 1"));
    let dir = tempfile::tempdir().unwrap();
    assert!(telseal([Path::new("man"), Path::new("--out"), dir.path()]).status.success());
    let page = fs::read_to_string(dir.path().join("telseal-run.1")).unwrap();
    assert!(page.contains("watch") && page.contains(".TH"), "{page}");
    assert_says(&telseal(["man", "--out", "/no/such/folder"]), 1, &["/no/such/folder"]);
}

/// A configuration with one mistake: where in the text it is, and what must be said about it.
const MISTAKES: [(&str, &str, &str, &[&str]); 6] = [
    ("storage: disk", "storage: disk, flavour: x", "flavour", &["service.pipelines.logs", "flavour"]),
    (
        "exporters: {otlp",
        "processors: {redact: {}}\nexporters: {otlp",
        "redact",
        &["processors.redact", "no pipeline uses"],
    ),
    ("[otlp_http/next]", "[otlp_htp/next]", "otlp_htp/next", &["exporters[0]", "did you mean `otlp_http/next`"]),
    ("storage: disk", "storage: paper", "paper", &["service.pipelines.logs.storage", "paper"]),
    ("endpoint: $NEXT", "endpoint: \"\"", "otlp_http/next", &["exporters.otlp_http/next", "endpoint"]),
    ("[otlp_http/next]", "[otlp_http/next", "", &[]),
];

/// The text of the configuration at the place that a message begins with: `file:line:column: `.
fn text_at<'t>(message: &str, file: &str, text: &'t str) -> &'t str {
    let place = message.strip_prefix(file).and_then(|rest| rest.strip_prefix(':'));
    let numbers = place.unwrap_or_else(|| panic!("no file at the start of: {message}")).split(':').take(2);
    let numbers: Vec<usize> = numbers.filter_map(|number| number.parse().ok()).collect();
    let [line, column] = numbers[..] else { panic!("no line and column in: {message}") };
    &text.lines().nth(line - 1).unwrap_or_default()[column - 1..]
}

#[test]
fn a_wrong_configuration_exits_with_3_and_says_file_line_column_path_and_message() {
    for (right, wrong, place, words) in MISTAKES {
        let text = TEMPLATE.replacen(right, wrong, 1);
        assert_ne!(text, TEMPLATE, "the mistake is made");
        let site = site(&text);
        let file = site.config().display().to_string();
        let written = fs::read_to_string(site.config()).unwrap();
        for command in ["run", "validate"] {
            let output = telseal([command, "--config", &file]);
            assert_says(&output, 3, words);
            let text = said(&output);
            let about = words.first().copied().unwrap_or_default();
            let line = text.lines().find(|line| line.contains(about)).unwrap_or_default();
            let at = text_at(line, &file, &written);
            assert!(at.starts_with(place), "{line}: that place is {at:?}");
        }
        assert!(!site.data_dir().exists(), "a wrong configuration leaves nothing behind");
    }
}

#[test]
fn a_configuration_that_cannot_be_read_exits_with_3_and_names_it() {
    let site = site(TEMPLATE);
    let missing = site.dir().join("missing.yaml").display().to_string();
    assert_says(&telseal(["run", "--config", &missing]), 3, &[&missing, "there is no such file"]);
    let folder = site.dir().display().to_string();
    assert_says(&telseal(["validate", "--config", &folder]), 3, &[&folder]);
}

#[test]
fn a_good_configuration_is_validated_without_a_trace() {
    let site = site(TEMPLATE);
    let output = telseal(["validate", "--config", &site.config().display().to_string()]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(!site.data_dir().exists());
}

#[test]
fn a_port_in_use_exits_with_1_and_names_the_port_and_the_key() {
    for (key, port_of) in [
        ("receivers.otlp.protocols.grpc.endpoint", (|site| site.grpc) as fn(&Site) -> u16),
        ("receivers.otlp.protocols.http.endpoint", |site| site.http),
        ("service.telemetry.metrics.endpoint", |site| site.admin),
    ] {
        let site = site(TEMPLATE);
        let address = format!("127.0.0.1:{}", port_of(&site));
        let _taken = TcpListener::bind(&address).unwrap();
        let ended = site.launch().wait();
        assert_eq!(ended.status.code(), Some(1), "{}", ended.output);
        for word in [key, &address, "in use"] {
            assert!(ended.output.contains(word), "no `{word}` in:\n{}", ended.output);
        }
    }
}

#[test]
fn a_data_dir_that_cannot_be_written_exits_with_1_and_names_it() {
    let site = site(&TEMPLATE.replace("$DATA", "$DIR/file/data"));
    fs::write(site.dir().join("file"), "not a folder").unwrap();
    let ended = site.launch().wait();
    assert_eq!(ended.status.code(), Some(1), "{}", ended.output);
    let path = site.dir().join("file/data").display().to_string();
    assert!(ended.output.contains(&path), "{}", ended.output);
    // Nothing that root may not do either: the kernel's own file system takes no folders.
    let site = self::site(&TEMPLATE.replace("$DATA", "/proc/telseal-data"));
    let ended = site.launch().wait();
    assert_eq!(ended.status.code(), Some(1), "{}", ended.output);
    assert!(ended.output.contains("/proc/telseal-data"), "{}", ended.output);
}

#[test]
fn a_second_process_on_the_same_data_dir_is_refused_and_told_who_has_it() {
    let next = Destination::start();
    let site = Site::new(TEMPLATE, &[("$NEXT", &next.url())]);
    let first = site.start();
    let data_dir = site.data_dir().display().to_string();
    let other = Site::new(&TEMPLATE.replace("$DATA", &data_dir), &[("$NEXT", &next.url())]);
    let ended = other.launch().wait();
    assert_eq!(ended.status.code(), Some(1), "{}", ended.output);
    for word in [&data_dir, &first.pid().to_string()] {
        assert!(ended.output.contains(word), "no `{word}` in:\n{}", ended.output);
    }
    assert_eq!(site.get("/readyz").expect("the first goes on").status, 200);
    first.kill();
    // The lock goes with the process that held it.
    assert_eq!(other.start().terminate().status.code(), Some(0));
}

#[test]
fn healthcheck_says_whether_a_record_would_be_taken() {
    let destination = Destination::start();
    let site = Site::new(TEMPLATE, &[("$NEXT", &destination.url())]);
    let admin = format!("127.0.0.1:{}", site.admin);
    let nobody = telseal(["healthcheck", "--endpoint", &admin]);
    assert_says(&nobody, 1, &[&admin, "cannot connect"]);
    let running = site.start();
    for extra in [None, Some("--live")] {
        let output = telseal(["healthcheck", "--endpoint", &admin].into_iter().chain(extra));
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    }
    drop(running);
    assert_says(&telseal(["healthcheck", "--endpoint", "no port"]), 1, &["`no port` is not HOST:PORT"]);
}
