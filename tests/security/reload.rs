//! Another configuration under load: nothing is lost, nothing comes twice, no connection is dropped; what is wrong changes nothing.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread::JoinHandle;

use telseal::stdx::tasks::thread;

use crate::pki::{Pki, has_tools, shown_serial};
use crate::process::{Site, Telseal, assert_verified, eventually, files_below};
use crate::sender;
use crate::tls::{Open, SERVER_NAMES, publish};

const SENDERS: u64 = 4;
const RECORDS: u64 = 50;

const BEFORE: &str = "
receivers:
  otlp:
    protocols:
      http: {endpoint: $HTTP, tls: {cert_file: $DIR/live/tls.crt, key_file: $DIR/live/tls.key, reload_interval: 50ms}}
processors:
  attributes: {actions: [{key: version, value: one, action: upsert}]}
  seal: {}
exporters:
  file/kept: {path: $DIR/out/kept.ndjson}
  file/gone: {path: $DIR/out/gone.ndjson}
service:
  data_dir: $DATA
  telemetry: {metrics: {endpoint: $ADMIN}}
  pipelines:
    logs: {receivers: [otlp], processors: [attributes, seal], exporters: [file/kept, file/gone]}
";

/// Changes a processor, takes an exporter away, adds one, changes how one delivers, and adds a pipeline.
const CHANGES: [(&str, &str); 5] = [
    ("value: one", "value: two"),
    ("file/gone: {path: $DIR/out/gone.ndjson}", "file/new: {path: $DIR/out/new.ndjson}"),
    ("exporters: [file/kept, file/gone]", "exporters: [file/kept, file/new]"),
    ("out/kept.ndjson}", "out/kept.ndjson, batch: {max_bytes: 64 KiB}}"),
    ("  pipelines:\n", "  pipelines:\n    traces: {receivers: [otlp], exporters: [file/new]}\n"),
];

fn changed(site: &Site, changes: &[(&str, &str)]) {
    let mut text = fs::read_to_string(site.config()).unwrap();
    for (from, to) in changes {
        let fill = |text: &str| text.replace("$DIR", &site.dir().display().to_string());
        assert!(text.contains(&fill(from)), "{from}");
        text = text.replacen(&fill(from), &fill(to), 1);
    }
    fs::write(site.config(), text).unwrap();
}

fn hang_up(telseal: &Telseal) {
    assert!(Command::new("kill").args(["-HUP", &telseal.pid().to_string()]).status().unwrap().success());
}

/// How often a configuration was read again with this outcome.
fn reloads(site: &Site, outcome: &str) -> f64 {
    let page = site.get("/metrics").unwrap().text();
    let label = format!("telseal_config_reloads_total{{outcome=\"{outcome}\"}} ");
    page.lines().find_map(|line| line.strip_prefix(&label)?.parse().ok()).unwrap_or(0.0)
}

/// Senders that each keep one connection, and send until they are told to stop.
struct Load {
    stop: Arc<AtomicBool>,
    /// Requests answered.
    sent: Arc<AtomicU64>,
    senders: Vec<JoinHandle<u64>>,
}

impl Load {
    fn start(port: u16, ca: &str) -> Self {
        let (stop, sent) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let sender = |index: u64| {
            let (stop, sent, mut open) = (stop.clone(), sent.clone(), Open::new(port, ca));
            let send = move || {
                let mut requests = 0;
                while !stop.load(Relaxed) {
                    assert_eq!(open.post(&body(index, requests)), "HTTP/1.1 200 OK");
                    requests += 1;
                    sent.fetch_add(1, Relaxed);
                }
                requests
            };
            thread("sender", send).unwrap()
        };
        let senders = (0..SENDERS).map(sender).collect();
        Self { stop, sent, senders }
    }

    /// Waits until so many more requests were answered.
    fn more(&self, requests: u64) {
        let until = self.sent.load(Relaxed) + requests;
        eventually("senders are answered", || (self.sent.load(Relaxed) >= until).then_some(()));
    }

    /// The names of all records that were acknowledged.
    fn end(self) -> Vec<String> {
        self.stop.store(true, Relaxed);
        let requests =
            self.senders.into_iter().map(|sender| sender.join().expect("every request is answered with 200"));
        let names = requests.enumerate().flat_map(|(index, requests)| {
            (0..requests).flat_map(move |request| (0..RECORDS).map(move |record| name(index as u64, request, record)))
        });
        let mut names: Vec<String> = names.collect();
        names.sort();
        names
    }
}

fn name(sender: u64, request: u64, record: u64) -> String {
    format!("s{sender}-{request}-{record}.")
}

fn body(sender: u64, request: u64) -> String {
    let record = |record| format!(r#"{{"body":{{"stringValue":"{}"}}}}"#, name(sender, request, record));
    let records = (0..RECORDS).map(record).collect::<Vec<_>>().join(",");
    format!(r#"{{"resourceLogs":[{{"scopeLogs":[{{"logRecords":[{records}]}}]}}]}}"#)
}

/// The records in the files of an exporter, in order: name and version.
fn delivered(site: &Site, exporter: &str) -> Vec<(String, String)> {
    let text: String = files_below(&site.dir().join("out"))
        .iter()
        .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(exporter)))
        .map(|path| fs::read_to_string(path).unwrap())
        .collect();
    let record = |line: &str| {
        let from = line.find("\"s").map(|at| at + 1)?;
        let name = line[from..].split('"').next()?;
        let version = if line.contains("\"two\"") { "two" } else { "one" };
        name.ends_with('.').then(|| (name.to_owned(), version.to_owned()))
    };
    text.lines().filter_map(record).collect()
}

fn names(records: &[(String, String)]) -> Vec<String> {
    let mut names: Vec<String> = records.iter().map(|(name, _)| name.clone()).collect();
    names.sort();
    names
}

#[test]
fn a_reload_under_load_loses_nothing_and_drops_no_connection() {
    if !has_tools() {
        return;
    }
    let site = Site::new(BEFORE, &[]);
    let pki = Pki::new(site.dir(), "authority");
    pki.sign("first", "/CN=first", SERVER_NAMES);
    publish(&site, &pki, "first");
    let telseal = site.start();
    let load = Load::start(site.http, &pki.path("ca.pem"));
    load.more(100);
    pki.sign("second", "/CN=second", SERVER_NAMES);
    publish(&site, &pki, "second");
    changed(&site, &CHANGES);
    hang_up(&telseal);
    eventually("the new configuration is in force", || (reloads(&site, "applied") == 1.0).then_some(()));
    let second = pki.serial("second.pem");
    eventually("the new certificate is shown", || (shown_serial(site.http) == second).then_some(()));
    load.more(100);
    // Back, and forth, and back: while everything is busy.
    for round in 0..4 {
        let backwards: Vec<_> = CHANGES.iter().map(|(from, to)| (*to, *from)).collect();
        if round % 2 == 0 {
            changed(&site, &backwards)
        } else {
            changed(&site, &CHANGES)
        }
        hang_up(&telseal);
        let wanted = f64::from(round + 2);
        eventually("it is in force", || (reloads(&site, "applied") == wanted).then_some(()));
        load.more(20);
    }
    let sent = load.end();
    site.wait_until_delivered();
    assert_eq!(site.metric("telseal_pipeline_unaccounted_records"), 0.0);
    assert_eq!(site.metric("telseal_exporter_unaccounted_records"), 0.0);
    let ended = telseal.terminate();
    assert!(ended.status.success(), "{}", ended.output);
    let kept = delivered(&site, "kept");
    assert_eq!(names(&kept).len(), sent.len());
    assert_eq!(names(&kept), sent, "each record once, through every change");
    let mut versions: BTreeMap<&str, usize> = BTreeMap::new();
    kept.iter().for_each(|(_, version)| *versions.entry(version).or_default() += 1);
    assert!(versions["one"] >= 5000 && versions["two"] >= 5000, "{versions:?}");
    // The new one got the ledger from its beginning, up to where it was taken away the last time; the other one as well.
    for other in ["new", "gone"] {
        let there = names(&delivered(&site, other));
        assert!(there.windows(2).all(|two| two[0] != two[1]), "nothing comes twice");
        assert!(there.iter().all(|name| sent.binary_search(name).is_ok()));
        assert!(there.len() >= 5000, "{other}: {}", there.len());
    }
    assert_verified(&site);
    let ledger: String =
        site.files("logs/ledger", ".ndjson").iter().map(|file| fs::read_to_string(file).unwrap()).collect();
    let entries: Vec<&str> = ledger.lines().filter(|line| line.contains(r#""audit.control":"config""#)).collect();
    assert_eq!(entries.len(), 6);
    assert!(!entries[0].contains(r#""reload":1"#) && entries[1..].iter().all(|line| line.contains(r#""reload":1"#)));
    println!("{} records acknowledged and delivered over 5 reloads", sent.len());
}

const SMALL: &str = "
receivers: {otlp: {protocols: {http: {endpoint: $HTTP}}}}
processors: {attributes: {actions: [{key: version, value: one, action: upsert}]}}
exporters: {file: {path: $DIR/out/kept.ndjson}}
service:
  data_dir: $DATA
  telemetry: {metrics: {endpoint: $ADMIN}}
  pipelines: {logs: {receivers: [otlp], processors: [attributes], exporters: [file]}}
";

fn reload(site: &Site, headers: &[(&str, &str)]) -> sender::Answer {
    sender::post(site.admin, "/reload", headers, b"").unwrap()
}

#[test]
fn whatever_is_wrong_with_a_configuration_the_old_one_stays_in_force() {
    let site = Site::new(SMALL, &[]);
    let telseal = site.start();
    assert_eq!((reload(&site, &[]).status, reload(&site, &[]).text()), (200, "unchanged\n".to_owned()));
    let good = fs::read_to_string(site.config()).unwrap();
    let folder = site.dir().join("folder");
    fs::create_dir(&folder).unwrap();
    for (from, to, said) in [
        ("upsert", "upsret", "upsert"),
        ("exporters: {file", "exporters: {nothing: {}, file", "nothing"),
        (&format!("127.0.0.1:{}", site.http), "127.0.0.1:1", "restart to apply: receivers.otlp cannot change"),
        ("data_dir: ", "data_dir: /tmp/other", "restart to apply: service.data_dir cannot change"),
        ("[attributes], exporters", "[attributes], storage: disk, exporters", "service.pipelines.logs.storage"),
    ] {
        assert!(good.contains(from), "{from}");
        fs::write(site.config(), good.replacen(from, to, 1)).unwrap();
        let answer = reload(&site, &[]);
        assert_eq!(answer.status, 422, "{to}: {}", answer.text());
        assert!(
            answer.text().contains(said) && answer.text().contains("the old configuration stays"),
            "{}",
            answer.text()
        );
        assert_eq!(site.metric("telseal_config_reload_failed"), 1.0);
    }
    fs::remove_file(site.config()).unwrap();
    assert_eq!(reload(&site, &[]).status, 422);
    assert_eq!(
        sender::post(site.http, "/v1/logs", &[("content-type", sender::JSON)], body(0, 0).as_bytes()).unwrap().status,
        200
    );
    fs::write(site.config(), good.replacen("value: one", "value: two", 1)).unwrap();
    let answer = reload(&site, &[]);
    assert_eq!((answer.status, answer.text()), (200, "applied: processors.attributes changed\n".to_owned()));
    assert_eq!(site.metric("telseal_config_reload_failed"), 0.0);
    assert_eq!(
        sender::post(site.http, "/v1/logs", &[("content-type", sender::JSON)], body(0, 1).as_bytes()).unwrap().status,
        200
    );
    let ended = telseal.terminate();
    assert!(ended.output.contains("the new configuration is refused, the old one stays in force"), "{}", ended.output);
    let versions: Vec<_> = delivered(&site, "kept").into_iter().map(|(_, version)| version).collect();
    assert_eq!(versions, [vec!["one"; 50], vec!["two"; 50]].concat());
}

#[test]
fn a_page_in_a_browser_cannot_ask_for_a_reload_and_get_is_none() {
    let site = Site::new(SMALL, &[]);
    let _telseal = site.start();
    assert_eq!(reload(&site, &[("origin", "http://evil.example")]).status, 403);
    assert_eq!(reload(&site, &[("sec-fetch-site", "cross-site")]).status, 403);
    assert_eq!(site.get("/reload").unwrap().status, 405);
    assert_eq!(reloads(&site, "unchanged"), 0.0);
}

#[test]
fn an_authenticator_guards_metrics_and_reloads_and_probes_need_none() {
    const TOKEN: &str = "0123456789abcdef-ops";
    let guarded = SMALL.replace("{endpoint: $ADMIN}", "{endpoint: $ADMIN, auth: {authenticator: bearertokenauth}}");
    let guarded = guarded.replace(
        "exporters: {file",
        &format!("extensions: {{bearertokenauth: {{token: {TOKEN}}}}}\nexporters: {{file"),
    );
    let site = Site::new(&guarded, &[]);
    let _telseal = site.start();
    let bearer = format!("Bearer {TOKEN}");
    let known = [("authorization", bearer.as_str())];
    for headers in [&[][..], &[("authorization", "Bearer 0123456789abcdef-opt")]] {
        let answer = reload(&site, headers);
        assert_eq!((answer.status, answer.header("www-authenticate")), (401, Some("Bearer realm=\"telseal\"")));
    }
    assert_eq!((site.get("/metrics").unwrap().status, site.get("/nothing").unwrap().status), (401, 401));
    assert_eq!((site.get("/readyz").unwrap().status, site.get("/healthz").unwrap().status), (200, 200));
    assert_eq!((reload(&site, &known).status, reload(&site, &known).text()), (200, "unchanged\n".to_owned()));
    let page = sender::exchange(
        site.admin,
        format!("GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: {bearer}\r\n\r\n").as_bytes(),
    );
    assert!(page.unwrap().text().contains("telseal_auth_failures_total"));
}

#[test]
fn a_swapped_link_is_taken_up_as_kubernetes_makes_it() {
    let site = Site::new(SMALL, &[]);
    let text = fs::read_to_string(site.config()).unwrap();
    let publish = |name: &str, text: &str| {
        let version = site.dir().join(name);
        fs::create_dir(&version).unwrap();
        fs::write(version.join("telseal.yaml"), text).unwrap();
        symlink(&version, site.dir().join("..data_tmp")).unwrap();
        fs::rename(site.dir().join("..data_tmp"), site.dir().join("..data")).unwrap();
    };
    publish("version-1", &text);
    fs::remove_file(site.config()).unwrap();
    symlink("..data/telseal.yaml", site.config()).unwrap();
    let telseal = site.start_with(&["--watch-config"]);
    publish("version-2", &text.replacen("value: one", "value: [", 1));
    eventually("the broken one is refused", || (reloads(&site, "refused") == 1.0).then_some(()));
    publish("version-3", &text.replacen("value: one", "value: two", 1));
    eventually("the good one is in force", || (reloads(&site, "applied") == 1.0).then_some(()));
    assert_eq!((reloads(&site, "refused"), reloads(&site, "unchanged")), (1.0, 0.0), "each content is looked at once");
    assert!(telseal.terminate().status.success());
}
