//! The configuration as its users meet it: what a bad file says, what a good one means.
//!
//! `tests/config/<message>.bad.yaml` begins with `# expect: ` lines, the exact output for it. After a change of wording,
//! `UPDATE=1 cargo test --test config` rewrites them: read the difference before committing it.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test's helpers fail the test")]

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use telseal::config::{self, Ack, Config, ExporterConfig, Id, PipelineId, Storage, WhenFull};
use telseal::otlp::Signal;
use telseal::stdx::bytesize::ByteSize;
use telseal::stdx::problem::Problem;

const TOKEN: &str = "hunter2-is-the-token";

fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn env(name: &str) -> Option<OsString> {
    let value = match name {
        "TOKEN" => TOKEN,
        "PORT" => "4317",
        "EMPTY" => "",
        "ZEROS" => "00123",
        "FOLDER" => "/creds",
        "INJECTION" => "x, evil: {}\nservice: {}",
        #[cfg(unix)]
        "BYTES" => return Some(std::os::unix::ffi::OsStringExt::from_vec(vec![0xff, 0xfe])),
        _ => return None,
    };
    Some(value.into())
}

fn file(path: &str) -> io::Result<Vec<u8>> {
    match path {
        "/creds/token" => Ok(format!("{TOKEN}\n").into_bytes()),
        "/creds/bytes" => Ok(vec![0xff]),
        _ => Err(io::ErrorKind::NotFound.into()),
    }
}

fn parse(text: &str) -> Result<Config, Vec<Problem>> {
    config::parse_with(text, &env, &file)
}

fn good(text: &str) -> Config {
    parse(text).unwrap_or_else(|problems| panic!("{}", config::render("good", &problems)))
}

fn said(text: &str) -> String {
    config::render("c", &parse(text).expect_err("the text has a problem"))
}

fn files(folder: &str, ending: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(root(folder)).unwrap_or_else(|error| panic!("{folder}: {error}"));
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.to_string_lossy().ends_with(ending));
    files.sort();
    files
}

fn name(path: &Path) -> String {
    path.file_name().unwrap().to_string_lossy().into_owned()
}

fn expected(text: &str) -> String {
    text.lines().map_while(|line| line.strip_prefix("# expect: ")).map(|line| format!("{line}\n")).collect()
}

/// The file with the expectation that is true for it. Its own lines move the places, so it is tried until it holds.
fn updated(file: &str, text: &str) -> String {
    let body: String =
        text.lines().skip_while(|line| line.starts_with("# expect: ")).map(|l| format!("{l}\n")).collect();
    let mut text = body.clone();
    for _ in 0..3 {
        let said = parse(&text).map_or_else(|problems| config::render(file, &problems), |_| String::new());
        text = said.lines().map(|line| format!("# expect: {line}\n")).collect::<String>() + &body;
    }
    text
}

#[test]
fn every_bad_file_gets_exactly_its_messages() {
    let mut wrong = String::new();
    for path in files("tests/config", ".bad.yaml") {
        let text = std::fs::read_to_string(&path).unwrap();
        let file = name(&path);
        if std::env::var_os("UPDATE").is_some() {
            #[expect(clippy::disallowed_methods, reason = "a fixture on request")]
            std::fs::write(&path, updated(&file, &text)).unwrap();
            continue;
        }
        let said = parse(&text).map_or_else(|problems| config::render(&file, &problems), |_| "no problem\n".into());
        assert!(!said.contains(TOKEN), "{file} shows a secret");
        if said != expected(&text) {
            wrong += &format!("--- {file} expects\n{}--- but gets\n{said}", expected(&text));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn every_message_has_a_bad_file_and_every_bad_file_a_message() {
    // Not reachable with a file of their own here: each has a test below.
    const ELSEWHERE: [&str; 3] = ["file_unreadable", "file_not_utf8", "document_too_large"];
    let messages = std::fs::read_to_string(root("src/config/message.rs")).unwrap();
    let messages: BTreeSet<String> = messages
        .lines()
        .filter(|line| line.ends_with("-> Message {"))
        .filter_map(|line| Some(line.strip_prefix("pub(super) fn ")?.split_once('(')?.0.to_owned()))
        .filter(|message| !ELSEWHERE.contains(&message.as_str()))
        .collect();
    let shown: BTreeSet<String> = files("tests/config", ".bad.yaml")
        .iter()
        .map(|path| name(path).split('.').next().unwrap().to_owned())
        // What a component says of itself.
        .filter(|stem| stem != "component")
        .collect();
    assert!(messages.len() > 40, "the messages are read from the code: {}", messages.len());
    assert_eq!(messages, shown);
}

const BASE: &str = "
receivers: {otlp: {protocols: {grpc: }}}
exporters: {debug: }
";

/// `BASE` and a `service` with these lines, two columns in.
fn with_service(lines: &str) -> String {
    format!("{BASE}service:\n{lines}\n  pipelines: {{logs: {{receivers: [otlp], exporters: [debug]}}}}\n")
}

fn data_dir(value: &str) -> String {
    good(&with_service(&format!("  data_dir: {value}"))).service.data_dir.display().to_string()
}

fn id(text: &str) -> Id {
    Id::parse(text).unwrap()
}

#[test]
fn every_shipped_configuration_loads() {
    let mut texts: Vec<(String, String)> = Vec::new();
    let cases = |path: &PathBuf| name(path).ends_with(".cases.yaml");
    for path in files("config", ".yaml").into_iter().chain(files("examples", ".yaml")).filter(|path| !cases(path)) {
        texts.push((name(&path), std::fs::read_to_string(&path).unwrap()));
    }
    assert!(texts.len() >= 4, "the folders are found");
    if let Ok(readme) = std::fs::read_to_string(root("README.md")) {
        let blocks = readme.split("```yaml\n").skip(1).filter_map(|rest| rest.split_once("```"));
        // A fragment is not a configuration: only blocks that have pipelines are.
        let whole = blocks.map(|(block, _)| block).filter(|block| block.contains("pipelines:"));
        texts.extend(whole.enumerate().map(|(n, block)| (format!("README.md, block {n}"), block.to_owned())));
    }
    // They work where nothing is set: every variable has a default. Files they name are there.
    let env = |_: &str| None;
    let file = |_: &str| Ok(b"some-value\n".to_vec());
    for (name, text) in texts {
        if let Err(problems) = config::parse_with(&text, &env, &file) {
            panic!("{}", config::render(&name, &problems));
        }
    }
}

#[test]
fn the_sidecar_configuration_means_what_it_says() {
    let config = good(&std::fs::read_to_string(root("config/sidecar.yaml")).unwrap());
    let pipelines = &config.service.pipelines;
    let of = |signal| &pipelines[&PipelineId { signal, name: None }];
    let logs = of(Signal::Logs);
    assert_eq!(logs.processors, ["enrich", "redact", "risk_tag", "seal"].map(id));
    assert_eq!(
        (logs.sealed, logs.storage, logs.ack, logs.when_full),
        (true, Storage::Disk, Ack::Durable, WhenFull::Refuse)
    );
    assert_eq!(logs.hold_bytes_max, ByteSize::mib(4096));
    let traces = of(Signal::Traces);
    assert_eq!((traces.sealed, traces.storage, traces.ack), (false, Storage::Memory, Ack::Accepted));
    assert_eq!(traces.exporters, [id("otlp_grpc/next")]);
    let metrics = of(Signal::Metrics);
    assert_eq!((metrics.storage, metrics.hold_bytes_max), (Storage::Memory, ByteSize::mib(32)));
    assert_eq!(
        config.exporters.keys().map(ToString::to_string).collect::<Vec<_>>(),
        ["otlp_grpc/next", "otlp_http/next"]
    );
}

#[test]
fn what_is_left_out_has_its_default() {
    let config = good(&with_service(""));
    let service = &config.service;
    assert_eq!(service.data_dir, Path::new("./telseal-data"));
    assert_eq!(service.telemetry.metrics.endpoint.as_deref(), Some("127.0.0.1:8888"));
    assert_eq!(service.shutdown_timeout.0.as_secs(), 10);
    assert_eq!(service.in_flight_bytes_max, ByteSize::mib(32));
    let (_, delivery) = &config.exporters[&id("debug")];
    assert!(delivery.retry_on_failure.enabled && delivery.retry_on_failure.max_elapsed_time.0.is_zero());
    assert_eq!(delivery.batch.max_bytes, ByteSize::mib(2));
}

#[test]
fn the_admin_endpoint_is_turned_off_by_null_or_an_empty_text() {
    for value in ["null", "~", "\"\""] {
        let config = good(&with_service(&format!("  telemetry: {{metrics: {{endpoint: {value}}}}}")));
        assert_eq!(config.service.telemetry.metrics.endpoint, None, "{value}");
    }
}

#[test]
fn the_collectors_names_of_exporters_are_known() {
    let config = good(
        "
receivers: {otlp: {protocols: {http: }}}
exporters:
  otlphttp: {endpoint: 'http://localhost:4318'}
  otlp/next: {endpoint: 'http://localhost:4317', retry_on_failure: {max_elapsed_time: 5m}}
service:
  pipelines: {logs: {receivers: [otlp], exporters: [otlphttp, otlp/next]}}
",
    );
    assert!(matches!(config.exporters[&id("otlphttp")].0, ExporterConfig::OtlpHttp(_)));
    let (exporter, delivery) = &config.exporters[&id("otlp/next")];
    assert!(matches!(exporter, ExporterConfig::OtlpGrpc(_)));
    assert_eq!(delivery.retry_on_failure.max_elapsed_time.0.as_secs(), 300);
}

#[test]
fn a_disk_pipeline_without_a_seal_is_durable() {
    let config = good(&format!(
        "{BASE}service: {{pipelines: {{traces/a: {{receivers: [otlp], exporters: [debug], storage: disk, when_full: drop_oldest}}}}}}"
    ));
    let (pipeline, settings) = config.service.pipelines.iter().next().unwrap();
    assert_eq!(pipeline.to_string(), "traces/a");
    assert_eq!((settings.ack, settings.when_full), (Ack::Durable, WhenFull::DropOldest));
    assert_eq!(settings.hold_bytes_max, ByteSize::mib(4096));
}

#[test]
fn anchors_aliases_and_merges_are_followed() {
    let config = good(
        "
receivers: {otlp: {protocols: {grpc: }}}
exporters:
  otlp_http/a: &next {endpoint: 'http://a:4318', compression: none, batch: {max_bytes: 1 MiB}}
  otlp_http/b: {<<: *next, endpoint: 'http://b:4318'}
  otlp_http/c: {<<: [*next], batch: {max_bytes: 3 MiB}}
service:
  pipelines:
    logs: &all {receivers: [otlp], exporters: [otlp_http/a, otlp_http/b, otlp_http/c]}
    traces: *all
",
    );
    let max = |name| config.exporters[&id(name)].1.batch.max_bytes;
    assert_eq!((max("otlp_http/b"), max("otlp_http/c")), (ByteSize::mib(1), ByteSize::mib(3)));
    assert_ne!(config.exporters[&id("otlp_http/a")].0, config.exporters[&id("otlp_http/b")].0);
    assert_eq!(config.exporters[&id("otlp_http/a")].0, config.exporters[&id("otlp_http/c")].0);
    assert_eq!(config.service.pipelines.len(), 2);
}

#[test]
fn substitution_gives_text_where_text_is_wanted_and_numbers_where_numbers_are() {
    assert_eq!(data_dir("${env:ZEROS}"), "00123");
    assert_eq!(data_dir("'${env:FOLDER}/data'"), "/creds/data");
    assert_eq!(data_dir("${env:ABSENT:-./here}"), "./here");
    assert_eq!(data_dir("${env:EMPTY:-./here}"), "./here");
    assert_eq!(data_dir("${env:ABSENT:-${env:FOLDER}}"), "/creds");
    assert_eq!(data_dir("a$$b$c$${env:FOLDER}"), "a$b$c${env:FOLDER}");
    assert_eq!(data_dir("${file:/creds/token}"), TOKEN);
    assert_eq!(data_dir("${file:${env:FOLDER}/token}"), TOKEN);
    let config = good(&with_service("  in_flight_bytes_max: ${env:LIMIT:-30000000}"));
    assert_eq!(config.service.in_flight_bytes_max, ByteSize(30_000_000));
    let config = good(&with_service("  in_flight_bytes_max: ${env:LIMIT:-64} MiB"));
    assert_eq!(config.service.in_flight_bytes_max, ByteSize::mib(64));
}

#[test]
fn a_substituted_value_cannot_add_structure() {
    assert_eq!(data_dir("${env:INJECTION}"), "x, evil: {}\nservice: {}");
    assert_eq!(data_dir("\"${env:INJECTION}\""), "x, evil: {}\nservice: {}");
    let said = said(&format!("{BASE}service: '${{env:INJECTION}}'"));
    assert!(said.contains("service: expected key: value lines, found what was substituted here"), "{said}");
}

#[test]
fn no_message_and_no_debug_output_shows_a_substituted_value() {
    let text = with_service("  telemetry: {metrics: {endpoint: \"${env:TOKEN}\"}, logs: {level: \"${env:TOKEN}\"}}\n  in_flight_bytes_max: ${file:/creds/token}")
        .replace("[debug]", "[\"${env:TOKEN}\"]");
    let said = said(&text);
    assert!(!said.contains(TOKEN), "{said}");
    assert!(said.contains("no exporter named `${env:TOKEN}`"), "{said}");
    assert!(said.contains("`${env:TOKEN}` is not an address"), "{said}");
    assert!(said.contains("logs.level: `${env:TOKEN}` is not known here"), "{said}");

    let config = good(
        "
receivers: {otlp: {protocols: {grpc: }}}
exporters: {otlp_http: {endpoint: 'http://a:4318', headers: {authorization: 'Bearer ${env:TOKEN}'}}}
service: {pipelines: {logs: {receivers: [otlp], exporters: [otlp_http]}}}
",
    );
    assert!(!format!("{config:?}").contains(TOKEN));
}

#[test]
fn problems_come_in_the_order_of_the_text() {
    let problems = parse("sevice: {}\nreceivers: {x: {}}\nexporters: [1]\n").unwrap_err();
    let places: Vec<_> = problems.iter().map(|problem| problem.place.unwrap()).collect();
    assert!(places.len() >= 4 && places.is_sorted(), "{problems:?}");
}

#[test]
fn a_file_that_cannot_be_read_is_one_message() {
    let folder = tempfile::tempdir().unwrap();
    let said = |path: &Path| config::render("c.yaml", &config::load(path).unwrap_err());
    assert_eq!(said(&folder.path().join("absent")), "c.yaml: cannot read the configuration: there is no such file\n");
    assert_eq!(said(folder.path()), "c.yaml: cannot read the configuration: it is a folder\n");
    assert_eq!(
        said(&root("tests/config/latin1.not_yaml")),
        "c.yaml:1:13: what stands here is not UTF-8\n  hint: save the file as UTF-8\n"
    );
    if Path::new("/dev/zero").exists() {
        let said = said(Path::new("/dev/zero"));
        assert_eq!(said, "c.yaml: 1048577 bytes are too many for a configuration, the maximum is 1048576\n");
    }
}

#[test]
fn a_byte_order_mark_and_windows_line_ends_are_no_problem() {
    good(&format!("\u{feff}{}", with_service("  data_dir: x").replace('\n', "\r\n")));
}

#[test]
fn hostile_documents_end_in_a_message() {
    for text in [
        "[".repeat(100_000),
        "a: ".repeat(100_000),
        "{a: ".repeat(10_000),
        "- ".repeat(100_000),
        "? ".repeat(10_000),
        "&a ".repeat(10_000),
        format!("a: &a [{}]\nb: [{}]\n", "x,".repeat(10_000), "*a,".repeat(10_000)),
        "!".repeat(1000),
        "a: |\n".to_owned() + &" x\n".repeat(200_000),
        "\0\u{1}\u{7f}".to_owned(),
        "%YAML 9.9\n---\na".to_owned(),
    ] {
        assert!(parse(&text).is_err(), "{}", &text[..20.min(text.len())]);
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(512))]
    #[test]
    fn no_text_makes_it_panic_and_every_problem_is_inside_the_text(
        cuts in proptest::collection::vec((proptest::prelude::any::<proptest::sample::Index>(), "[ \\t\\n:{}\\[\\],&*!|>'\"$#%a-]{0,3}"), 1..4),
    ) {
        let mut text: Vec<char> = std::fs::read_to_string(root("config/sidecar.yaml")).unwrap().chars().collect();
        for (at, replacement) in cuts {
            let at = at.index(text.len());
            text.splice(at..(at + 1), replacement.chars());
        }
        let text: String = text.into_iter().collect();
        if let Err(problems) = parse(&text) {
            assert!(!problems.is_empty());
            let lines = text.lines().count();
            for problem in problems {
                let (line, column) = problem.place.unwrap();
                assert!(line >= 1 && line <= lines + 1 && column >= 1, "{problem:?}");
            }
        }
    }
}
