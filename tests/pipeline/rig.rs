//! A pipeline in a folder of its own, with scripted destinations.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, any_value};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use prost::Message;
use telseal::exporter::{ExportError, Exporter, Payload, Refusal};
use telseal::otlp::sender::Sender;
use telseal::otlp::{self, Signal};
use telseal::pipeline::account::ExportAccount;
use telseal::pipeline::chain::{Chain, Seal, Step};
use telseal::pipeline::store::{Kind, LedgerSettings};
use telseal::pipeline::{Budget, Intake, OpenError, Pipeline, Receipt, Refused, Request, Settings, delivery};
use telseal::stdx::bytesize::ByteSize;
use tokio::sync::watch;
use tokio::time::Instant;

/// What a destination says to an export.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Say {
    Yes,
    /// Yes, but it throws so many records away.
    YesBut(u64),
    Retry(Option<Duration>),
    Permanent,
    /// Yes, but never the record at this place.
    AllBut(usize),
    Pause,
    /// Never answers.
    Hang,
    Panic,
}

type Script = Box<dyn FnMut(&[String]) -> Say + Send>;

/// A destination that does what it is told and remembers what it took.
pub(crate) struct Scripted {
    script: Mutex<Script>,
    takes: Duration,
    wants_otlp: bool,
    pub(crate) taken: Mutex<Vec<String>>,
    pub(crate) calls: Mutex<Vec<(Instant, usize)>>,
    rejected: AtomicU64,
    /// How many payloads were lines read from a ledger.
    pub(crate) read_back: AtomicU64,
}

impl Scripted {
    pub(crate) fn new(script: impl FnMut(&[String]) -> Say + Send + 'static) -> Arc<Self> {
        Self::slow(Duration::ZERO, script)
    }

    pub(crate) fn slow(takes: Duration, script: impl FnMut(&[String]) -> Say + Send + 'static) -> Arc<Self> {
        Self::build(takes, false, script)
    }

    /// One that asks for OTLP, which a sealed pipeline keeps of its newest requests.
    pub(crate) fn of_otlp(script: impl FnMut(&[String]) -> Say + Send + 'static) -> Arc<Self> {
        Self::build(Duration::ZERO, true, script)
    }

    fn build(takes: Duration, wants_otlp: bool, script: impl FnMut(&[String]) -> Say + Send + 'static) -> Arc<Self> {
        let script = Mutex::new(Box::new(script) as Script);
        let (taken, calls) = (Mutex::default(), Mutex::default());
        Arc::new(Self {
            script,
            takes,
            wants_otlp,
            taken,
            calls,
            rejected: AtomicU64::new(0),
            read_back: AtomicU64::new(0),
        })
    }

    /// Takes everything.
    pub(crate) fn healthy() -> Arc<Self> {
        Self::new(|_| Say::Yes)
    }

    /// Asks everybody to come back, for ever.
    pub(crate) fn down() -> Arc<Self> {
        Self::new(|_| Say::Retry(None))
    }

    /// From now on it does something else.
    pub(crate) fn now(&self, script: impl FnMut(&[String]) -> Say + Send + 'static) {
        *self.script.lock().unwrap() = Box::new(script);
    }

    pub(crate) fn taken(&self) -> Vec<String> {
        self.taken.lock().unwrap().clone()
    }

    pub(crate) fn calls(&self) -> Vec<(Instant, usize)> {
        self.calls.lock().unwrap().clone()
    }
}

impl Exporter for Scripted {
    async fn export(&self, payload: &Payload) -> Result<(), ExportError> {
        let mut records = names(&payload.otlp().unwrap());
        assert_eq!(records.len() as u64, payload.records(), "a payload says how many records it has");
        self.read_back.fetch_add(u64::from(payload.lines().is_some()), Relaxed);
        self.calls.lock().unwrap().push((Instant::now(), records.len()));
        let say = (self.script.lock().unwrap())(&records);
        if self.takes > Duration::ZERO {
            tokio::time::sleep(self.takes).await;
        }
        let cause = || format!("scripted refusal of {} records", records.len());
        match say {
            Say::Yes => {}
            Say::YesBut(rejected) => drop(self.rejected.fetch_add(rejected, Relaxed)),
            Say::Retry(after) => return Err(ExportError::Retry { after, cause: cause() }),
            Say::Permanent => return Err(ExportError::Permanent { cause: cause() }),
            Say::AllBut(place) => {
                let refusal = Refusal { records: vec![place as u64], cause: cause() };
                records.remove(place);
                self.taken.lock().unwrap().extend(records);
                return Err(ExportError::Partial { refused: vec![refusal] });
            }
            Say::Pause => return Err(ExportError::Pause { cause: cause() }),
            Say::Hang => std::future::pending().await,
            Say::Panic => panic!("scripted panic of a destination"),
        }
        self.taken.lock().unwrap().extend(records);
        Ok(())
    }

    fn wants_otlp(&self) -> bool {
        self.wants_otlp
    }

    fn rejected_records(&self) -> u64 {
        self.rejected.load(Relaxed)
    }
}

/// A request whose records have these bodies.
pub(crate) fn request(names: &[String]) -> Bytes {
    let record = |name: &String| LogRecord {
        body: Some(AnyValue { value: Some(any_value::Value::StringValue(name.clone())) }),
        time_unix_nano: 1,
        ..LogRecord::default()
    };
    let scope_logs = vec![ScopeLogs { log_records: names.iter().map(record).collect(), ..ScopeLogs::default() }];
    let resource_logs = vec![ResourceLogs { scope_logs, ..ResourceLogs::default() }];
    ExportLogsServiceRequest { resource_logs }.encode_to_vec().into()
}

/// The bodies of a request's records.
pub(crate) fn names(otlp: &[u8]) -> Vec<String> {
    let request = ExportLogsServiceRequest::decode(otlp).unwrap();
    let scopes = request.resource_logs.into_iter().flat_map(|resource| resource.scope_logs);
    let body = |record: LogRecord| match record.body.and_then(|body| body.value) {
        Some(any_value::Value::StringValue(name)) => name,
        other => panic!("no name: {other:?}"),
    };
    scopes.flat_map(|scope| scope.log_records).map(body).collect()
}

/// `r000000`, and so on.
pub(crate) fn named(numbers: std::ops::Range<u64>) -> Vec<String> {
    numbers.map(|number| format!("r{number:06}")).collect()
}

/// Short waits, never given up.
pub(crate) fn quick() -> delivery::Settings {
    let (initial_wait, max_wait) = (Duration::from_millis(1), Duration::from_millis(5));
    delivery::Settings { initial_wait, max_wait, ..delivery::Settings::default() }
}

/// A sealed log that keeps OTLP for who wants it.
pub(crate) fn ledger(segment_bytes_max: u64) -> Kind {
    Kind::Ledger(Box::new(LedgerSettings {
        options: telseal::ledger::Options { segment_bytes_max, ..telseal::ledger::Options::new("logs") },
        keep_otlp: true,
        checkpoint_records: None,
    }))
}

/// What a pipeline is made of.
pub(crate) struct Plan {
    pub(crate) storage: Kind,
    pub(crate) hold_bytes_max: u64,
    pub(crate) drop_oldest: bool,
    pub(crate) steps: Vec<Step>,
    pub(crate) exporters: Vec<(&'static str, Arc<Scripted>, delivery::Settings)>,
}

impl Plan {
    pub(crate) fn memory(exporter: &Arc<Scripted>) -> Self {
        Self::of(Kind::Memory, exporter)
    }

    pub(crate) fn spool(exporter: &Arc<Scripted>) -> Self {
        Self::of(Kind::Spool, exporter)
    }

    pub(crate) fn ledger(exporter: &Arc<Scripted>) -> Self {
        Self::of(ledger(64 << 20), exporter)
    }

    pub(crate) fn of(storage: Kind, exporter: &Arc<Scripted>) -> Self {
        let exporters = vec![("otlp_http/next", exporter.clone(), quick())];
        Self { storage, hold_bytes_max: 64 << 20, drop_oldest: false, steps: vec![], exporters }
    }

    pub(crate) fn with(mut self, settings: delivery::Settings) -> Self {
        self.exporters[0].2 = settings;
        self
    }

    pub(crate) fn holding(mut self, hold_bytes_max: u64, drop_oldest: bool) -> Self {
        (self.hold_bytes_max, self.drop_oldest) = (hold_bytes_max, drop_oldest);
        self
    }

    pub(crate) fn and(mut self, id: &'static str, exporter: &Arc<Scripted>) -> Self {
        self.exporters.push((id, exporter.clone(), quick()));
        self
    }
}

/// A running pipeline.
pub(crate) struct Rig {
    pub(crate) pipeline: Pipeline,
    pub(crate) dir: PathBuf,
    pub(crate) budget: Budget,
    stop: watch::Sender<Option<Instant>>,
    next: AtomicU64,
}

impl Rig {
    pub(crate) fn try_start(dir: &Path, plan: Plan) -> Result<Self, OpenError> {
        let seal = matches!(plan.storage, Kind::Ledger(_)).then_some(Seal { keep_otlp: true, ..Seal::default() });
        let dir = dir.join("logs");
        let settings = Settings {
            id: "logs".to_owned(),
            signal: Signal::Logs,
            dir: dir.clone(),
            storage: plan.storage,
            hold_bytes_max: plan.hold_bytes_max,
            drop_oldest: plan.drop_oldest,
        };
        let pipeline = Pipeline::open(settings, Chain::new(Signal::Logs, plan.steps, seal))?;
        let (stop, stopped) = watch::channel(None);
        for (id, exporter, settings) in plan.exporters {
            pipeline.attach(id, exporter, settings, stopped.clone())?;
        }
        Ok(Self { pipeline, dir, budget: Budget::new(ByteSize::mib(64)), stop, next: AtomicU64::new(0) })
    }

    /// Attaches an exporter while the pipeline works.
    pub(crate) fn attach(&self, id: &str, exporter: &Arc<Scripted>) {
        self.pipeline.attach(id, exporter.clone(), quick(), self.stop.subscribe()).unwrap();
    }

    pub(crate) fn start(dir: &Path, plan: Plan) -> Self {
        Self::try_start(dir, plan).unwrap()
    }

    pub(crate) fn intake(&self) -> Intake {
        self.pipeline.intake().unwrap()
    }

    pub(crate) fn request(&self, body: Bytes) -> Request {
        let records = otlp::count(Signal::Logs, &body).unwrap();
        let permit = self.budget.reserve(body.len()).unwrap();
        Request { signal: Signal::Logs, body, records, permit, sender: Sender::default() }
    }

    /// One request with so many records, numbered on.
    pub(crate) async fn submit(&self, records: u64) -> Result<Receipt, Refused> {
        let first = self.next.fetch_add(records, Relaxed);
        let result = self.submit_names(&named(first..first + records)).await;
        if result.is_err() {
            self.next.fetch_sub(records, Relaxed);
        }
        result
    }

    pub(crate) async fn submit_names(&self, names: &[String]) -> Result<Receipt, Refused> {
        self.intake().submit(self.request(request(names))).await
    }

    pub(crate) fn export(&self) -> Arc<ExportAccount> {
        self.pipeline.exports()[0].clone()
    }

    /// Waits until every exporter is at the end.
    pub(crate) async fn rest(&self) {
        self.until("an exporter does not come to the end", |rig| {
            rig.pipeline.exports().iter().all(|export| export.lag_records.load(Relaxed) == 0)
        })
        .await;
        for export in self.pipeline.exports() {
            assert_eq!(export.lag_bytes.load(Relaxed), 0, "nothing to deliver is no byte to deliver");
        }
    }

    /// The same, where destinations fail for minutes of virtual time.
    pub(crate) async fn rest_long(&self) {
        for _ in 0..1000 {
            if self.pipeline.exports().iter().all(|export| export.lag_records.load(Relaxed) == 0) {
                return;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        panic!("an exporter does not come to the end: {:?}", self.pipeline.exports());
    }

    pub(crate) async fn until(&self, or: &str, what: impl Fn(&Self) -> bool) {
        for _ in 0..20_000 {
            if what(self) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        panic!("{or}: {:?}", self.pipeline.exports());
    }

    /// Every record is somewhere, and nothing is held that should have been let go.
    pub(crate) fn check_books(&self) {
        assert_eq!(self.pipeline.account().unaccounted(), 0, "{:?}", self.pipeline.account());
        for export in self.pipeline.exports() {
            assert_eq!(export.unaccounted(), 0, "{export:?}");
        }
        assert_eq!(self.budget.in_flight(), 0, "permits are given back");
    }

    /// Shutdown begins: the loops know, the door is still open.
    pub(crate) fn begin_stop(&self, timeout: Duration) -> Instant {
        let deadline = Instant::now() + timeout;
        self.stop.send_replace(Some(deadline));
        deadline
    }

    /// An orderly end; what is left.
    pub(crate) async fn stop(self, timeout: Duration) -> u64 {
        let deadline = self.begin_stop(timeout);
        let left = self.pipeline.drain(deadline).await;
        self.check_books();
        left
    }

    /// A copy of the folder as it is at this moment, as a crash would leave it.
    pub(crate) fn crash(&self) -> tempfile::TempDir {
        copy_of(&self.dir)
    }

    pub(crate) fn dead_letters(&self) -> Vec<serde_json::Value> {
        dead_letters(&self.dir.join("rejected/otlp_http-next.ndjson"))
    }
}

/// What a crash at this moment would leave. A copy takes a while: where files came or went meanwhile (a segment that was packed),
/// it is no moment, and another is made.
pub(crate) fn copy_of(pipeline: &Path) -> tempfile::TempDir {
    for _ in 0..100 {
        let (copy, before) = (tempfile::tempdir().unwrap(), names_below(pipeline));
        copy_dir(pipeline, &copy.path().join("logs"));
        if names_below(pipeline) == before {
            return copy;
        }
    }
    panic!("{}: files come and go without end", pipeline.display());
}

fn names_below(dir: &Path) -> std::collections::BTreeSet<std::path::PathBuf> {
    let mut names = std::collections::BTreeSet::new();
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            names.extend(names_below(&path));
        }
        names.insert(path);
    }
    names
}

fn copy_dir(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => copy_dir(&entry.path(), &target),
            // A temporary or trimmed file may be gone by now.
            _ => drop(std::fs::copy(entry.path(), target)),
        }
    }
}

pub(crate) fn dead_letters(path: &Path) -> Vec<serde_json::Value> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
}

/// The name of the record in a dead letter.
pub(crate) fn name_in(letter: &serde_json::Value) -> String {
    let line = format!("{}\n", letter["line"]);
    let [name] = names(&otlp::line::to_otlp(Signal::Logs, line.as_bytes()).unwrap()).try_into().unwrap();
    name
}

/// What this thread's events say, as text.
#[derive(Clone, Default)]
pub(crate) struct Events(Arc<Mutex<Vec<u8>>>);

impl Events {
    pub(crate) fn collect() -> (Self, tracing::subscriber::DefaultGuard) {
        let events = Self::default();
        let writer = events.clone();
        let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
        (events, tracing::subscriber::set_default(subscriber))
    }

    pub(crate) fn count(&self, words: &str) -> usize {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap().matches(words).count()
    }
}

impl Write for Events {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
