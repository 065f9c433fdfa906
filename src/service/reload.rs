//! Another configuration for a running service: on SIGHUP, on a request to the admin port, or when the file changes.
//!
//! The whole new configuration is read, checked and built beside the old one. Whatever is wrong with it, the old graph stays as it
//! is. Then the two are joined: processors whose settings are the same go on with what they remember, exporters whose settings are
//! the same go on where they are; the others end after the payload under way, and their successors begin at the same cursor.
//! Listeners, logs, ledgers and connections stay. Requests under way finish with the processors that they began with. A ledger says
//! which configuration is in force before the first record that passed it.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use metrics::{counter, gauge};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::config::{Config, Id, PipelineId};
use crate::extension::Authenticator;
use crate::pipeline::Pipeline;
use crate::service::build::{self, failed};
use crate::service::exporters::{self, AnyExporter};
use crate::service::processors::Processors;
use crate::service::{Running, StartError, applied, changes, close, extensions};
use crate::stdx::durable::{self, Lock};
use crate::stdx::live::{Version, version};
use crate::stdx::tasks::{Tasks, blocking};

/// How long an exporter that changes may take for the payload under way.
const GRACE: Duration = Duration::from_secs(10);
/// How often the file is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(3);
/// Who asks while so many wait is told to wait.
const WAITING_MAX: usize = 8;
/// The most of the file that is looked at.
const FILE_BYTES_MAX: u64 = 16 << 20;

/// Reads the configuration; what is wrong with it, as text for people.
pub type Source = Arc<dyn Fn() -> Result<Config, String> + Send + Sync>;

/// What became of it, or why everything stays as it was.
pub type Answer = Result<Outcome, String>;

/// What became of a reload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The configuration is the one in force.
    Unchanged,
    /// It is in force now. What changed; nothing for a comment.
    Applied(Vec<String>),
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unchanged => f.write_str("unchanged"),
            Self::Applied(changes) if changes.is_empty() => f.write_str("applied, nothing is done differently"),
            Self::Applied(changes) => write!(f, "applied: {}", changes.join(", ")),
        }
    }
}

/// Somebody wants the configuration to be read again.
pub struct Ask {
    why: &'static str,
    answer: oneshot::Sender<Answer>,
}

/// The way to ask a service.
#[derive(Debug, Clone)]
pub struct Reloader(mpsc::Sender<Ask>);

/// What a service that can be asked is given.
pub struct Reloads {
    source: Source,
    reloader: Reloader,
    asks: mpsc::Receiver<Ask>,
}

impl Reloads {
    /// Reloads from this source.
    #[must_use]
    pub fn new(source: Source) -> Self {
        let (sender, asks) = mpsc::channel(WAITING_MAX);
        Self { source, reloader: Reloader(sender), asks }
    }

    /// The way to ask.
    #[must_use]
    pub fn reloader(&self) -> Reloader {
        self.reloader.clone()
    }

    /// The next who asks.
    pub(super) async fn next(&mut self) -> Ask {
        match self.asks.recv().await {
            Some(ask) => ask,
            None => std::future::pending().await,
        }
    }
}

impl Reloader {
    /// Has the configuration read again, and says what came of it.
    ///
    /// # Errors
    /// Why everything stays as it was.
    pub async fn ask(&self, why: &'static str) -> Answer {
        let (answer, answered) = oneshot::channel();
        let ending = || "telseal is shutting down".to_owned();
        self.0.send(Ask { why, answer }).await.map_err(|_| ending())?;
        answered.await.unwrap_or_else(|_| Err(ending()))
    }

    /// Asks whenever the content of the file has changed and stayed the same for a while, so that half an edit is not taken
    /// for a whole one. Links on the way may be swapped, as Kubernetes does. Never returns.
    pub async fn follow(&self, path: &Path) {
        let mut in_force = look(path).await;
        let mut seen = in_force;
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let now = look(path).await;
            if now.is_some() && now == seen && now != in_force {
                in_force = now;
                let _ = self.ask("the file has changed").await;
            }
            seen = now;
        }
    }
}

async fn look(path: &Path) -> Version {
    let path = path.to_owned();
    let read = blocking(move || durable::read(&path, FILE_BYTES_MAX).ok().flatten()).await;
    read.ok().flatten().and_then(|bytes| version(&bytes))
}

/// Everything that is new, beside the old.
struct Next {
    config: Config,
    exporters: BTreeMap<Id, AnyExporter>,
    processors: Processors,
    authenticators: BTreeMap<String, Arc<Authenticator>>,
    /// Pipelines that there were not.
    opened: BTreeMap<PipelineId, Arc<Pipeline>>,
    data_dir: Option<Lock>,
}

/// A delivery loop that is to end.
struct Leaving {
    pipeline: Arc<Pipeline>,
    exporter: Id,
    /// No other begins in its place.
    for_good: bool,
}

impl Running {
    /// Reads the configuration and takes it up, or says why not.
    pub(super) async fn reload(&mut self, reloads: &Reloads, ask: Ask) {
        let source = Arc::clone(&reloads.source);
        let read = blocking(move || source()).await.unwrap_or_else(|error| Err(error.to_string()));
        let answer = match read {
            Ok(config) => self.take_up(config).await,
            Err(problems) => Err(problems),
        };
        say(ask.why, &answer);
        let _ = ask.answer.send(answer);
    }

    async fn take_up(&mut self, config: Config) -> Answer {
        if config == self.graph.config {
            return Ok(Outcome::Unchanged);
        }
        let keys = changes::that_need_a_restart(&self.graph.config, &config);
        if !keys.is_empty() {
            return Err(format!("restart to apply: {} cannot change while telseal runs", keys.join(", ")));
        }
        let changes = changes::between(&self.graph.config, &config);
        let next = self.prepare(config).map_err(|error| error.0)?;
        let reserved = self.reserve(&next).map_err(|error| error.0)?;
        if let Err(error) = self.tell_ledgers(&next).await {
            release(&reserved);
            return Err(error.0);
        }
        self.join(next).await;
        Ok(Outcome::Applied(changes))
    }

    /// Builds what is new. Nothing of the running graph is touched.
    fn prepare(&self, config: Config) -> Result<Next, StartError> {
        let (graph, fitted) = (&self.graph, build::fit(&config));
        let exporters = exporters::build(&fitted, Some((&graph.config, &graph.exporters)))?;
        let processors = Processors::build(&fitted, &graph.processors, true)?;
        let authenticators = extensions::build(&fitted, Some((&graph.config, &graph.authenticators)))?;
        let data_dir = if graph.data_dir.is_none() { build::lock_data_dir(&fitted)? } else { None };
        let mut opened = BTreeMap::new();
        for id in fitted.service.pipelines.keys().filter(|id| !graph.pipelines.contains_key(id)) {
            if graph.ending.iter().any(|(other, pipeline)| other == id && !pipeline.is_closed()) {
                return Err(StartError(format!("service.pipelines.{id}: requests are still under way in the old one")));
            }
            opened.insert(id.clone(), Arc::new(build::pipeline(id, &fitted, &processors, &exporters)?));
        }
        Ok(Next { config, exporters, processors, authenticators, opened, data_dir })
    }

    /// Has logs wait for exporters that they do not have yet. Gives back which those are.
    fn reserve(&self, next: &Next) -> Result<Vec<(Arc<Pipeline>, String)>, StartError> {
        let mut reserved = Vec::new();
        for (id, pipeline) in &self.graph.pipelines {
            let Some(own) = next.config.service.pipelines.get(id) else { continue };
            let before = &self.graph.config.service.pipelines[id].exporters;
            for exporter in own.exporters.iter().filter(|exporter| !before.contains(exporter)) {
                if let Err(error) = pipeline.reserve(&exporter.to_string()) {
                    release(&reserved);
                    return Err(failed(error));
                }
                reserved.push((Arc::clone(pipeline), exporter.to_string()));
            }
        }
        Ok(reserved)
    }

    /// Each ledger that stays says what is in force from here on. The last step that can fail.
    async fn tell_ledgers(&self, next: &Next) -> Result<(), StartError> {
        for (id, pipeline) in &self.graph.pipelines {
            if next.config.service.pipelines.get(id).is_some_and(|own| own.sealed) {
                pipeline.configure(applied::of(id, &next.config)?).await.map_err(failed)?;
            }
        }
        Ok(())
    }

    /// Joins the new with the old. Nothing here depends on a disk or a network that may fail.
    async fn join(&mut self, next: Next) {
        let leaving = self.leaving(&next);
        let Next { config, exporters, processors, authenticators, opened, data_dir } = next;
        let old = std::mem::replace(&mut self.graph.config, config);
        let old_exporters = std::mem::replace(&mut self.graph.exporters, exporters);
        self.graph.processors = processors;
        self.graph.authenticators = authenticators;
        self.graph.data_dir = self.graph.data_dir.take().or(data_dir);
        self.rechain();
        self.graph.pipelines.extend(opened);
        let gone = self.take_out_pipelines();
        for (id, routes) in &self.routes {
            routes.send_replace(self.graph.routes(id));
        }
        self.shown.send_replace(self.graph.shown());
        self.end_pipelines(gone).await;
        detach(&leaving).await;
        for (id, exporter) in old_exporters {
            let is_same = self.graph.config.exporters.get(&id).is_some_and(|(own, _)| *own == old.exporters[&id].0);
            if !is_same {
                close(&id.to_string(), &exporter).await;
            }
        }
        self.attach();
        for Leaving { pipeline, exporter, .. } in leaving.iter().filter(|leaving| leaving.for_good) {
            pipeline.release(&exporter.to_string());
        }
        self.upkeep.follow(&mut self.graph).await;
    }

    /// The delivery loops that end, of pipelines that stay.
    fn leaving(&self, next: &Next) -> Vec<Leaving> {
        let (was, is) = (&self.graph.config, &next.config);
        let mut leaving = Vec::new();
        for (id, pipeline) in &self.graph.pipelines {
            let Some(own) = is.service.pipelines.get(id) else { continue };
            for exporter in &was.service.pipelines[id].exporters {
                let for_good = !own.exporters.contains(exporter);
                if for_good || was.exporters.get(exporter) != is.exporters.get(exporter) {
                    leaving.push(Leaving { pipeline: Arc::clone(pipeline), exporter: exporter.clone(), for_good });
                }
            }
        }
        leaving
    }

    fn rechain(&self) {
        let graph = &self.graph;
        for (id, pipeline) in &graph.pipelines {
            if !graph.config.service.pipelines.contains_key(id) {
                continue;
            }
            let chain = build::chain(id, &graph.config, &graph.processors, &graph.exporters);
            if let Err(error) = pipeline.rechain(chain) {
                tracing::error!(%error, "BUG: a pipeline does not take its processors");
            }
        }
    }

    fn attach(&self) {
        let graph = &self.graph;
        for (id, pipeline) in &graph.pipelines {
            if let Err(error) = build::attach(id, &graph.config, pipeline, &graph.exporters, &graph.deadlines) {
                tracing::error!(%error, "an exporter cannot begin; its records are kept, restart telseal");
            }
        }
    }

    fn take_out_pipelines(&mut self) -> Vec<(PipelineId, Arc<Pipeline>)> {
        let config = &self.graph.config;
        let (stay, gone) = std::mem::take(&mut self.graph.pipelines)
            .into_iter()
            .partition(|(id, _)| config.service.pipelines.contains_key(id));
        self.graph.pipelines = stay;
        let gone: BTreeMap<_, _> = gone;
        gone.into_iter().collect()
    }

    /// Pipelines that are no longer there deliver what they have, as at the end of telseal.
    async fn end_pipelines(&mut self, gone: Vec<(PipelineId, Arc<Pipeline>)>) {
        self.graph.ending.retain(|(_, pipeline)| !pipeline.is_closed());
        let mut draining = Tasks::new();
        for (id, pipeline) in gone {
            self.graph.ending.push((id, Arc::clone(&pipeline)));
            let at = Instant::now() + self.shutdown_timeout;
            draining.spawn(async move { _ = pipeline.drain(at).await });
        }
        draining.join(self.shutdown_timeout + GRACE).await;
    }
}

async fn detach(leaving: &[Leaving]) {
    let mut ending = Tasks::new();
    for Leaving { pipeline, exporter, .. } in leaving {
        let (pipeline, exporter) = (Arc::clone(pipeline), exporter.to_string());
        ending.spawn(async move { pipeline.detach(&exporter, GRACE).await });
    }
    ending.join(GRACE + GRACE).await;
}

fn release(reserved: &[(Arc<Pipeline>, String)]) {
    reserved.iter().for_each(|(pipeline, exporter)| pipeline.release(exporter));
}

fn say(why: &'static str, answer: &Answer) {
    let outcome = match answer {
        Ok(Outcome::Unchanged) => "unchanged",
        Ok(Outcome::Applied(_)) => "applied",
        Err(_) => "refused",
    };
    counter!("telseal_config_reloads_total", "outcome" => outcome).increment(1);
    gauge!("telseal_config_reload_failed").set(f64::from(u8::from(answer.is_err())));
    match answer {
        Ok(outcome) => tracing::info!(why, %outcome, "configuration read again"),
        Err(problems) => tracing::error!(why, problems, "the new configuration is refused, the old one stays in force"),
    }
}
