//! Building the graph, from the end to the front.

use std::collections::BTreeMap;
use std::sync::Arc;

use metrics_exporter_prometheus::PrometheusHandle;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::config::{self, Config, Delivery, Id, PipelineId, ReceiverConfig, Redaction};
use crate::extension::Authenticator;
use crate::http::server;
use crate::ledger;
use crate::ledger::cosign::WitnessKey;
use crate::ledger::witness::Peer;
use crate::otlp::Signal;
use crate::otlp::line::Erasable;
use crate::otlp::sender::Wanted;
use crate::pipeline::chain::{Chain, Seal};
use crate::pipeline::lens::Lens;
use crate::pipeline::{Budget, Pipeline, Settings, delivery, store};
use crate::processor::filter::Filter;
use crate::processor::redact::{self, Redact};
use crate::processor::seal;
use crate::receiver::otlp::Otlp;
use crate::receiver::otlp_file::OtlpFile;
use crate::receiver::{Route, Routes};
use crate::service::applied;
use crate::service::exporters::{self, AnyExporter};
use crate::service::extensions;
use crate::service::graph::Graph;
use crate::service::memory;
use crate::service::processors::{Processors, seal_of};
use crate::service::{Service, StartError};
use crate::stdx::durable::{self, Lock};
use crate::stdx::host;

/// When everything must have ended, once that is known.
pub(super) type Deadline = watch::Receiver<Option<Instant>>;

pub(super) fn build(config: Config, metrics: Option<PrometheusHandle>) -> Result<Service, StartError> {
    let fitted = fit(&config);
    let (deadline, deadlines) = watch::channel(None);
    let data_dir = lock_data_dir(&fitted)?;
    let exporters = exporters::build(&fitted, None)?;
    let processors = Processors::build(&fitted, &Processors::default(), true)?;
    let mut pipelines = BTreeMap::new();
    for id in fitted.service.pipelines.keys() {
        let pipeline = pipeline(id, &fitted, &processors, &exporters)?;
        attach(id, &fitted, &pipeline, &exporters, &deadlines)?;
        pipelines.insert(id.clone(), Arc::new(pipeline));
    }
    let authenticators = extensions::build(&fitted, None)?;
    let (mut receivers, mut files) = (Vec::new(), Vec::new());
    for (id, written) in &fitted.receivers {
        let name = id.to_string();
        match written {
            ReceiverConfig::Otlp(own) => receivers.push((id.clone(), Otlp::bind(&name, own).map_err(failed)?)),
            ReceiverConfig::OtlpFile(own) => {
                let opened = OtlpFile::open(&name, own, &fitted.service.data_dir).map_err(failed)?;
                files.push((id.clone(), opened));
            }
        }
    }
    let admin = admin(&fitted, metrics)?;
    let (budget, shutdown_timeout) =
        (Budget::new(fitted.service.in_flight_bytes_max), fitted.service.shutdown_timeout.0);
    let ending = Vec::new();
    let graph = Graph { config, exporters, processors, pipelines, authenticators, ending, data_dir, deadlines };
    Ok(Service { graph, receivers, files, admin, budget, shutdown_timeout, deadline })
}

/// The configuration with limits that fit into the memory there is.
pub(super) fn fit(config: &Config) -> Config {
    let mut fitted = config.clone();
    if let Some(limit) = host::memory_limit() {
        memory::fit(&mut fitted, limit);
    }
    fitted
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
pub(super) fn lock_data_dir(config: &Config) -> Result<Option<Lock>, StartError> {
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

/// Opens a pipeline. No exporter is attached to it yet.
pub(super) fn pipeline(
    id: &PipelineId,
    config: &Config,
    processors: &Processors,
    exporters: &BTreeMap<Id, AnyExporter>,
) -> Result<Pipeline, StartError> {
    let own = &config.service.pipelines[id];
    let seal = seal_of(id, config);
    let ledger = seal.map(|seal| ledger_options(id, seal, config)).transpose()?;
    let settings = Settings {
        id: id.to_string(),
        signal: id.signal,
        dir: config.service.data_dir.join(id.to_string().replace('/', "-")),
        storage: storage(own, ledger, keep_otlp(own, exporters), seal),
        hold_bytes_max: own.hold_bytes_max.0,
        drop_oldest: own.when_full == config::WhenFull::DropOldest,
    };
    Pipeline::open(settings, chain(id, config, processors, exporters)).map_err(failed)
}

/// What a pipeline does with its records.
pub(super) fn chain(
    id: &PipelineId,
    config: &Config,
    processors: &Processors,
    exporters: &BTreeMap<Id, AnyExporter>,
) -> Chain {
    let keep_otlp = keep_otlp(&config.service.pipelines[id], exporters);
    let erasable = |seal: &seal::Config| Erasable::new(seal.erasable.iter().map(String::as_str));
    let seal = seal_of(id, config).map(|seal| Seal { keep_otlp, erasable: erasable(seal) });
    Chain::new(id.signal, processors.steps(id, config), seal)
}

fn keep_otlp(own: &config::Pipeline, exporters: &BTreeMap<Id, AnyExporter>) -> bool {
    own.exporters.iter().any(|id| exporters[id].wants_otlp())
}

/// Starts the delivery loops of a pipeline that do not run.
pub(super) fn attach(
    id: &PipelineId,
    config: &Config,
    pipeline: &Pipeline,
    exporters: &BTreeMap<Id, AnyExporter>,
    deadlines: &Deadline,
) -> Result<(), StartError> {
    for exporter in &config.service.pipelines[id].exporters {
        let settings = delivery_settings(&config.exporters[exporter].1)?;
        let name = exporter.to_string();
        exporters[exporter].attach(&name, pipeline, settings, deadlines.clone()).map_err(failed)?;
    }
    Ok(())
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
    let applied = applied::of(id, config)?;
    Ok(ledger::Options {
        origin: seal.origin.clone(),
        segment_bytes_max: seal.segment_bytes_max.0,
        root: root.map_or(ledger::RootKey::Folder, ledger::RootKey::File),
        epoch_seconds: seal.keys.epoch.rotate.0.as_secs(),
        epoch_entries: seal.keys.epoch.entries,
        anchors: anchors(seal)?,
        compression: seal.compression == seal::Compression::Zstd,
        heartbeat_seconds: seal.heartbeat.0.as_secs(),
        config_digest: applied.config_digest,
        // Rules of one's own stand in the configuration; the others come with the binary.
        rules: concat!("builtin ", env!("CARGO_PKG_VERSION")).to_owned(),
        processors: applied.processors,
        rule_sets: applied.rule_sets,
        encryption: encryption(&seal.encryption)?,
        retention: retention(&seal.retention),
        ..ledger::Options::new(id.to_string())
    })
}

fn encryption(own: &seal::Encryption) -> Result<ledger::Keyring, StartError> {
    own.key_file.as_deref().map_or_else(|| Ok(ledger::Keyring::default()), ledger::Keyring::read).map_err(failed)
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
        redact: own.redact.as_ref().map(redaction).transpose()?.map(Arc::new),
        withhold: Erasable::new(own.withhold.iter().map(String::as_str)),
    })
}

/// What is redacted for one exporter says nothing on the records: most of them leave as they were sealed.
fn redaction(own: &Redaction) -> Result<Redact, StartError> {
    Redact::new(&redact::Config { provenance: false, ..own.0.clone() }).map_err(failed)
}

/// Where a receiver's requests go.
pub(super) fn routes(
    receiver: &Id,
    config: &Config,
    pipelines: &BTreeMap<PipelineId, Arc<Pipeline>>,
    authenticators: &BTreeMap<String, Arc<Authenticator>>,
) -> Routes {
    let mut routes = Routes { authenticators: authenticators.clone(), ..Routes::default() };
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
