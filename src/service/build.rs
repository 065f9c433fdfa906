//! Building the graph, from the end to the front.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use metrics_exporter_prometheus::PrometheusHandle;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::config::{self, Config, Delivery, Id, PipelineId, ProcessorConfig, ReceiverConfig};
use crate::http::server;
use crate::ledger;
use crate::ledger::cosign::WitnessKey;
use crate::ledger::witness::Peer;
use crate::otlp::Signal;
use crate::otlp::line::Erasable;
use crate::otlp::sender::Wanted;
use crate::pipeline::chain::{Chain, Seal, Step};
use crate::pipeline::lens::Lens;
use crate::pipeline::{Budget, Pipeline, Settings, delivery, store};
use crate::processor::{
    Processor, enrich::Enrich, enrich::Findings, filter::Filter, redact::Redact, redaction::Redaction, seal,
};
use crate::receiver::otlp::Otlp;
use crate::receiver::otlp_file::OtlpFile;
use crate::receiver::{Route, Routes};
use crate::service::applied;
use crate::service::exporters::{self, AnyExporter};
use crate::service::extensions;
use crate::service::memory;
use crate::service::rules::Keeper;
use crate::service::surroundings::{self, Surroundings};
use crate::service::{Service, StartError};
use crate::stdx::durable::{self, Lock};
use crate::stdx::host;

/// When everything must have ended, once that is known.
pub(super) type Deadline = watch::Receiver<Option<Instant>>;

pub(super) fn build(mut config: Config, metrics: Option<PrometheusHandle>) -> Result<Service, StartError> {
    if let Some(limit) = host::memory_limit() {
        memory::fit(&mut config, limit);
    }
    let (deadline, deadlines) = watch::channel(None);
    let data_dir = lock_data_dir(&config)?;
    let exporters = exporters::build(&config)?;
    let Surroundings { findings, reloads } = surroundings::gather(&config)?;
    let (mut pipelines, mut keepers) = (BTreeMap::new(), Vec::new());
    for id in config.service.pipelines.keys() {
        pipelines.insert(id.clone(), pipeline(id, &config, &findings, &exporters, &deadlines, &mut keepers)?);
    }
    let authenticators = extensions::build(&config)?;
    let (mut receivers, mut files) = (Vec::new(), Vec::new());
    for (id, written) in &config.receivers {
        let name = id.to_string();
        let routes = Routes { authenticators: authenticators.clone(), ..routes(id, &config, &pipelines) };
        match written {
            ReceiverConfig::Otlp(own) => {
                let bound = Otlp::bind(&name, own).map_err(failed)?;
                receivers.push((name, bound, routes));
            }
            ReceiverConfig::OtlpFile(own) => {
                files.push((OtlpFile::open(&name, own, &config.service.data_dir).map_err(failed)?, routes));
            }
        }
    }
    let admin = admin(&config, metrics)?;
    Ok(Service {
        receivers,
        files,
        pipelines: pipelines.into_values().collect(),
        exporters: exporters.into_iter().map(|(id, exporter)| (id.to_string(), exporter)).collect(),
        admin,
        keepers,
        authenticators: authenticators.into_values().collect(),
        budget: Budget::new(config.service.in_flight_bytes_max),
        shutdown_timeout: config.service.shutdown_timeout.0,
        deadline,
        reloads,
        _data_dir: data_dir,
    })
}

/// The admin port, unless it is turned off.
fn admin(
    config: &Config,
    metrics: Option<PrometheusHandle>,
) -> Result<Option<(server::Bound, PrometheusHandle)>, StartError> {
    const KEY: &str = "service.telemetry.metrics";
    let own = &config.service.telemetry.metrics;
    let (Some(address), Some(metrics)) = (&own.endpoint, metrics) else { return Ok(None) };
    let bound = server::Bound::bind(address, &format!("{KEY}.endpoint")).map_err(failed)?;
    Ok(Some((bound.secured(own.tls.as_ref(), &format!("{KEY}.tls")).map_err(failed)?, metrics)))
}

pub(super) fn failed(error: impl std::fmt::Display) -> StartError {
    StartError(error.to_string())
}

/// One process a data directory; a configuration that stores nothing on disk needs none.
fn lock_data_dir(config: &Config) -> Result<Option<Lock>, StartError> {
    let on_disk = |pipeline: &config::Pipeline| pipeline.storage == config::Storage::Disk;
    let gathers = config.exporters.values().any(|(exporter, _)| exporter.gathers());
    let replays = config.receivers.values().any(|receiver| matches!(receiver, ReceiverConfig::OtlpFile(_)));
    if !gathers && !replays && !config.service.pipelines.values().any(on_disk) {
        return Ok(None);
    }
    let dir = &config.service.data_dir;
    durable::create_dir(dir).map_err(failed)?;
    durable::lock_dir(dir).map(Some).map_err(failed)
}

fn pipeline(
    id: &PipelineId,
    config: &Config,
    findings: &BTreeMap<Id, Findings>,
    exporters: &BTreeMap<Id, AnyExporter>,
    deadlines: &Deadline,
    keepers: &mut Vec<Keeper>,
) -> Result<Pipeline, StartError> {
    let own = &config.service.pipelines[id];
    let on_disk = own.storage == config::Storage::Disk;
    let state = on_disk.then_some(&*config.service.data_dir);
    let (steps, seal) = steps(id, config, findings, state, keepers)?;
    let keep_otlp = own.exporters.iter().any(|id| exporters[id].wants_otlp());
    let ledger = seal.map(|seal| ledger_options(id, seal, config)).transpose()?;
    let settings = Settings {
        id: id.to_string(),
        signal: id.signal,
        dir: config.service.data_dir.join(id.to_string().replace('/', "-")),
        storage: storage(own, ledger, keep_otlp, seal),
        hold_bytes_max: own.hold_bytes_max.0,
        drop_oldest: own.when_full == config::WhenFull::DropOldest,
    };
    let chain = Chain::new(
        id.signal,
        steps,
        seal.map(|seal| Seal { keep_otlp, erasable: Erasable::new(seal.erasable.iter().map(String::as_str)) }),
    );
    let mut pipeline = Pipeline::open(settings, chain).map_err(failed)?;
    for exporter in &own.exporters {
        let settings = delivery_settings(&config.exporters[exporter].1)?;
        let name = exporter.to_string();
        let stop = deadlines.clone();
        exporters[exporter].attach(&name, &mut pipeline, settings, stop).map_err(failed)?;
    }
    Ok(pipeline)
}

/// The processors of a pipeline, and the settings of `seal` where it ends in that. What processors remember lies in the folder
/// `state`.
pub(super) fn steps<'c>(
    pipeline: &PipelineId,
    config: &'c Config,
    findings: &BTreeMap<Id, Findings>,
    state: Option<&Path>,
    keepers: &mut Vec<Keeper>,
) -> Result<(Vec<Step>, Option<&'c seal::Config>), StartError> {
    let own = &config.service.pipelines[pipeline];
    let mut steps = Vec::new();
    let mut sealing = None;
    for id in &own.processors {
        let written = &config.processors[id];
        if let (Some(own), Some(findings)) = (written.enrich(), findings.get(id)) {
            let processor = Box::new(Enrich::new(&own, findings).map_err(failed)?);
            steps.push(Step { id: id.to_string(), processor });
            continue;
        }
        let processor: Box<dyn Processor> = match written {
            ProcessorConfig::Redact(own) => Box::new(Redact::new(own).map_err(failed)?),
            ProcessorConfig::Redaction(own) => Box::new(Redaction::new(own).map_err(failed)?),
            ProcessorConfig::RiskTag(own) => {
                let keeper = Keeper::open(&format!("{pipeline}/{id}"), own, state)?;
                let processor = Box::new(keeper.processor());
                keepers.push(keeper);
                processor
            }
            ProcessorConfig::Filter(own) => Box::new(Filter::new(own).map_err(failed)?),
            ProcessorConfig::Seal(own) => {
                sealing = Some(own);
                continue;
            }
            // These were built above.
            ProcessorConfig::Enrich(_)
            | ProcessorConfig::Attributes(_)
            | ProcessorConfig::Resource(_)
            | ProcessorConfig::ResourceDetection(_) => continue,
        };
        steps.push(Step { id: id.to_string(), processor });
    }
    Ok((steps, sealing))
}

fn storage(
    own: &config::Pipeline,
    ledger: Option<ledger::Options>,
    keep_otlp: bool,
    seal: Option<&seal::Config>,
) -> store::Kind {
    let checkpoint_records = seal.map(|seal| seal.checkpoint_records.0).filter(|every| !every.is_zero());
    match (own.storage, ledger) {
        (config::Storage::Memory, _) => store::Kind::Memory,
        (config::Storage::Disk, None) => store::Kind::Spool,
        (config::Storage::Disk, Some(options)) => {
            store::Kind::Ledger(Box::new(store::LedgerSettings { options, keep_otlp, checkpoint_records }))
        }
    }
}

fn ledger_options(id: &PipelineId, seal: &seal::Config, config: &Config) -> Result<ledger::Options, StartError> {
    let root = seal.keys.root.file.clone();
    Ok(ledger::Options {
        origin: seal.origin.clone(),
        segment_bytes_max: seal.segment_bytes_max.0,
        root: root.map_or(ledger::RootKey::Folder, ledger::RootKey::File),
        epoch_seconds: seal.keys.epoch.rotate.0.as_secs(),
        epoch_entries: seal.keys.epoch.entries,
        anchors: anchors(seal)?,
        compression: seal.compression == seal::Compression::Zstd,
        heartbeat_seconds: seal.heartbeat.0.as_secs(),
        config_digest: config.digest.clone(),
        // Rules of one's own stand in the configuration; the others come with the binary.
        rules: concat!("builtin ", env!("CARGO_PKG_VERSION")).to_owned(),
        processors: applied::processors(id, config),
        rule_sets: applied::rule_sets(id, config)?,
        retention: retention(&seal.retention),
        ..ledger::Options::new(id.to_string())
    })
}

fn retention(own: &seal::Retention) -> Option<ledger::retain::Policy> {
    (!own.older_than.0.is_zero()).then(|| ledger::retain::Policy {
        older_than: own.older_than.0,
        every: own.check_interval.0,
        name: own.policy.clone(),
    })
}

fn anchors(seal: &seal::Config) -> Result<ledger::anchor::Settings, StartError> {
    let (folders, witnesses): (Vec<_>, Vec<_>) = seal.anchors.iter().partition(|anchor| anchor.witness.is_empty());
    Ok(ledger::anchor::Settings {
        dirs: folders.into_iter().map(|anchor| anchor.dir.clone()).collect(),
        witnesses: witnesses.into_iter().map(witness).collect::<Result<_, _>>()?,
        every: seal.anchor_interval.0,
        accept_rollback: seal.accept_rollback.clone(),
    })
}

fn witness(anchor: &seal::Anchor) -> Result<Peer, StartError> {
    let no_key = || failed(format!("seal.anchors: the vkey of the witness {} does not fit its hash", anchor.witness));
    let key = WitnessKey::parse(&anchor.vkey).ok_or_else(no_key)?;
    Ok(Peer { url: anchor.witness.clone(), key })
}

fn delivery_settings(own: &Delivery) -> Result<delivery::Settings, StartError> {
    let retry = &own.retry_on_failure;
    Ok(delivery::Settings {
        retry: retry.enabled,
        initial_wait: retry.initial_interval.0,
        max_wait: retry.max_interval.0,
        multiplier: retry.multiplier,
        give_up_after: Some(retry.max_elapsed_time.0).filter(|limit| !limit.is_zero()),
        batch_bytes_max: own.batch.max_bytes.as_usize(),
        lens: lens(own)?,
    })
}

/// What an exporter gets to see.
pub(crate) fn lens(own: &Delivery) -> Result<Lens, StartError> {
    Ok(Lens {
        min_risk: own.min_risk.map_or(0, |risk| risk as u8),
        filter: own.filter.as_ref().map(Filter::new).transpose().map_err(failed)?.map(Arc::new),
        withhold: Erasable::new(own.withhold.iter().map(String::as_str)),
    })
}

/// Where a receiver's requests go.
fn routes(receiver: &Id, config: &Config, pipelines: &BTreeMap<PipelineId, Pipeline>) -> Routes {
    let mut routes = Routes::default();
    for (id, own) in &config.service.pipelines {
        if !own.receivers.contains(receiver) {
            continue;
        }
        let into = match id.signal {
            Signal::Logs => &mut routes.logs,
            Signal::Metrics => &mut routes.metrics,
            Signal::Traces => &mut routes.traces,
        };
        into.extend(pipelines[id].intake().map(|intake| Route { intake, allow: own.allow.clone() }));
        routes.wanted.merge(wanted(own, config));
    }
    routes
}

/// What the processors of a pipeline ask of its requests.
fn wanted(own: &config::Pipeline, config: &Config) -> Wanted {
    let mut wanted = Wanted::default();
    for enrich in own.processors.iter().filter_map(|id| config.processors[id].enrich()) {
        wanted.merge(enrich.wanted());
    }
    wanted
}
