//! `service`: pipelines, where data rests, telseal's own telemetry, and the limits of the whole process.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use serde::Deserialize;

use super::id::Id;
use super::message::{self, Message};
use crate::extension::Allow;
use crate::http::server::Tls;
use crate::otlp::Signal;
use crate::receiver::otlp::Auth;
use crate::stdx::bytesize::ByteSize;
use crate::stdx::duration::Span;

/// The section `service`, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Service {
    /// The folder of ledgers, spools, cursors and dead letters. Default: `./telseal-data`.
    pub data_dir: PathBuf,
    /// What telseal tells about itself.
    pub telemetry: Telemetry,
    /// How long an orderly end may take. Default: `10s`.
    pub shutdown_timeout: Span,
    /// How much data may be between the receivers and the pipelines' storage. Default: `32 MiB`.
    pub in_flight_bytes_max: ByteSize,
    /// What runs.
    pub pipelines: BTreeMap<PipelineId, Pipeline>,
}

/// A pipeline's key: its signal, and a name where a signal has several pipelines.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PipelineId {
    /// What flows in it.
    pub signal: Signal,
    /// The part after the slash.
    pub name: Option<String>,
}

/// What a pipeline is made of, every default resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pipeline {
    /// Where data comes from; at least one.
    pub receivers: Vec<Id>,
    /// What it passes, in this order.
    pub processors: Vec<Id>,
    /// Where it goes; at least one.
    pub exporters: Vec<Id>,
    /// Its last processor is `seal`.
    pub sealed: bool,
    /// Where it rests until it is delivered. Default: `disk` with `seal`, else `memory`.
    pub storage: Storage,
    /// When the sender is answered. Default: `durable` on disk, `accepted` in memory.
    pub ack: Ack,
    /// How much may rest. Default: `4 GiB` on disk, `32 MiB` in memory.
    pub hold_bytes_max: ByteSize,
    /// What happens beyond that. Default: `refuse`.
    pub when_full: WhenFull,
    /// Which senders may write it. Default: all.
    pub allow: Allow,
}

/// Where a pipeline's data rests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Storage {
    /// A ledger or spool under `data_dir`; survives the process and the machine's power.
    Disk,
    /// A bounded ring; lost with the process.
    Memory,
}

/// When the sender gets its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ack {
    /// When the data is on disk, after fsync.
    Durable,
    /// When the pipeline has taken it.
    Accepted,
}

/// What a pipeline does when `hold_bytes_max` is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhenFull {
    /// New data is refused; the sender is told when to come back.
    Refuse,
    /// The oldest undelivered data makes room, and is counted.
    DropOldest,
}

/// What telseal tells about itself.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Telemetry {
    /// Its own messages, on standard error.
    pub logs: Logs,
    /// Its metrics and health.
    pub metrics: Metrics,
}

/// Telseal's own messages.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Logs {
    /// The least important that is written. Default: `info`.
    pub level: Level,
    /// For people or for machines. Default: `text`.
    pub format: Format,
}

/// How important a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Everything.
    Trace,
    /// What a developer wants to know.
    Debug,
    /// What happens in normal work.
    #[default]
    Info,
    /// What may need attention.
    Warn,
    /// What does need it.
    Error,
}

impl Level {
    /// The level's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Trace => "trace",
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

/// How a message is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// One readable line each.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Where `/metrics`, `/healthz`, `/readyz` and `/reload` are served.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Metrics {
    /// Host and port, or `unix:///path`; `null` or empty turns them off. Default: `127.0.0.1:8888`.
    pub endpoint: Option<String>,
    /// TLS and client certificates. Default: plain text.
    pub tls: Option<Tls>,
    /// Who may read `/metrics` and ask for `/reload`. Default: whoever reaches the port may read.
    pub auth: Option<Auth>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self { endpoint: Some("127.0.0.1:8888".to_owned()), tls: None, auth: None }
    }
}

/// `service` as it is written, before defaults that depend on other keys.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Raw {
    pub(super) data_dir: PathBuf,
    pub(super) telemetry: Telemetry,
    pub(super) shutdown_timeout: Span,
    pub(super) in_flight_bytes_max: ByteSize,
    /// As in the Collector; extensions run where a receiver names them.
    pub(super) extensions: Vec<String>,
    pub(super) pipelines: BTreeMap<String, RawPipeline>,
}

impl Default for Raw {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::from("./telseal-data"),
            telemetry: Telemetry::default(),
            shutdown_timeout: Span::secs(10),
            in_flight_bytes_max: ByteSize::mib(32),
            extensions: vec![],
            pipelines: BTreeMap::new(),
        }
    }
}

/// A pipeline as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawPipeline {
    pub(super) receivers: Vec<String>,
    pub(super) processors: Vec<String>,
    pub(super) exporters: Vec<String>,
    pub(super) storage: Option<Storage>,
    pub(super) ack: Option<Ack>,
    pub(super) hold_bytes_max: Option<ByteSize>,
    pub(super) when_full: Option<WhenFull>,
    pub(super) allow: Allow,
}

impl RawPipeline {
    pub(super) fn storage(&self, sealed: bool) -> Storage {
        self.storage.unwrap_or(if sealed { Storage::Disk } else { Storage::Memory })
    }

    /// With the defaults that depend on the other keys. Nothing is checked here.
    pub(super) fn resolve(&self, sealed: bool) -> Pipeline {
        let storage = self.storage(sealed);
        let (ack, hold) = match storage {
            Storage::Disk => (Ack::Durable, ByteSize::mib(4 << 10)),
            Storage::Memory => (Ack::Accepted, ByteSize::mib(32)),
        };
        let ids = |written: &[String]| written.iter().filter_map(|id| Id::parse(id)).collect();
        Pipeline {
            receivers: ids(&self.receivers),
            processors: ids(&self.processors),
            exporters: ids(&self.exporters),
            sealed,
            storage,
            ack: self.ack.unwrap_or(ack),
            hold_bytes_max: self.hold_bytes_max.unwrap_or(hold),
            when_full: self.when_full.unwrap_or(WhenFull::Refuse),
            allow: self.allow.clone(),
        }
    }
}

impl PipelineId {
    /// Reads `logs` or `logs/audit`.
    pub(super) fn parse(key: &str) -> Result<Self, Message> {
        let (signal, name) = key.split_once('/').map_or((key, None), |(signal, name)| (signal, Some(name)));
        let signal = Signal::from_name(signal).ok_or_else(|| message::unknown_signal(signal))?;
        match name {
            Some(name) if !super::id::is_name(name) => Err(message::bad_pipeline_name(name)),
            name => Ok(Self { signal, name: name.map(str::to_owned) }),
        }
    }
}

impl fmt::Display for PipelineId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{}/{name}", self.signal),
            None => write!(f, "{}", self.signal),
        }
    }
}
