//! The configuration file: YAML in the OpenTelemetry Collector's shape, read, checked, and handed on as plain types.
//!
//! Three stages: text becomes a tree that knows its positions (`yaml`), in which `${..}` is substituted (`env`); the tree
//! becomes typed values, each component on its own (`load`, `de`, `family`); the whole is checked (`check`). Nothing is
//! opened, bound or created: the same functions serve `telseal validate`. Every finding has a path, a place and mostly
//! a hint, all are reported at once, and none shows a secret. This is the only module that reads the environment.

mod check;
mod de;
mod delivery;
mod env;
mod family;
mod id;
mod load;
mod locate;
mod message;
mod service;
mod yaml;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::{self, Read as _};
use std::path::Path;

pub use delivery::{Batch, Delivery, Redaction, Retry};
pub use family::{ExporterConfig, ExtensionConfig, ProcessorConfig, ReceiverConfig};
pub use id::Id;
pub use load::digest;
pub use service::{Ack, Format, Level, Logs, Metrics, Pipeline, PipelineId, Service, Storage, Telemetry, WhenFull};

use crate::stdx::problem::{At, Problem};

/// A configuration without problems.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// What listens.
    pub receivers: BTreeMap<Id, ReceiverConfig>,
    /// What data passes.
    pub processors: BTreeMap<Id, ProcessorConfig>,
    /// Where it goes, and how it is delivered there.
    pub exporters: BTreeMap<Id, (ExporterConfig, Delivery)>,
    /// What recognises senders.
    pub extensions: BTreeMap<Id, ExtensionConfig>,
    /// How all of it runs.
    pub service: Service,
    /// SHA-256 of the text it was read from, in hex.
    pub digest: String,
}

/// Reads the configuration file at `path`.
///
/// # Errors
/// Everything that is wrong with it, in the order of the text.
pub fn load(path: &Path) -> Result<Config, Vec<Problem>> {
    parse(&read(path)?)
}

/// Reads another YAML file than a configuration, with the same messages. Nothing in it is substituted.
///
/// # Errors
/// Everything that is wrong with it, in the order of the text.
pub fn load_as<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, Vec<Problem>> {
    load::typed(&read(path)?)
}

/// Reads a configuration from its text, with this process's environment.
///
/// # Errors
/// Everything that is wrong with it, in the order of the text.
pub fn parse(text: &str) -> Result<Config, Vec<Problem>> {
    load::parse(text, env::Surroundings::of_process())
}

/// Reads a configuration from its text; `${env:..}` and `${file:..}` ask these functions.
///
/// # Errors
/// Everything that is wrong with it, in the order of the text.
pub fn parse_with(
    text: &str,
    env: &dyn Fn(&str) -> Option<OsString>,
    file: &dyn Fn(&str) -> io::Result<Vec<u8>>,
) -> Result<Config, Vec<Problem>> {
    load::parse(text, env::Surroundings { env, file })
}

/// Whether a variable such as `NO_COLOR` is set and not empty in this process's environment.
#[must_use]
pub fn is_in_environment(name: &str) -> bool {
    (env::Surroundings::of_process().env)(name).is_some_and(|value| !value.is_empty())
}

/// A variable of this process's environment, where it is set and text.
#[must_use]
pub fn variable(name: &str) -> Option<String> {
    (env::Surroundings::of_process().env)(name)?.into_string().ok()
}

/// The problems as lines to print, each ended by a line feed: `file:line:column: path: message`, then its hint.
#[must_use]
pub fn render(file: &str, problems: &[Problem]) -> String {
    let mut out = String::new();
    for problem in problems {
        out.push_str(file);
        if let Some((line, column)) = problem.place {
            let _ = write!(out, ":{line}:{column}");
        }
        if !problem.path.is_empty() {
            let _ = write!(out, ": {}", problem.path);
        }
        let _ = writeln!(out, ": {}", problem.message);
        if let Some(hint) = &problem.hint {
            let _ = writeln!(out, "  hint: {hint}");
        }
    }
    out
}

/// The file's text. A device or a data file is refused before it fills the memory.
fn read(path: &Path) -> Result<String, Vec<Problem>> {
    let whole = |message: message::Message| vec![message.at(&At::new(""), None)];
    let max = yaml::DOCUMENT_BYTES_MAX;
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(max as u64 + 1).read_to_end(&mut bytes))
        .map_err(|error| whole(message::file_unreadable(&env::cause(&error))))?;
    let end = std::str::from_utf8(&bytes).map_or_else(|error| error.valid_up_to(), str::len);
    let before = String::from_utf8_lossy(&bytes[..end]).into_owned();
    if end == bytes.len() {
        return Ok(before);
    }
    let line = before.rsplit('\n').next().unwrap_or_default();
    let place = (before.matches('\n').count() + 1, line.chars().count() + 1);
    Err(vec![message::file_not_utf8().at(&At::new(""), Some(place))])
}
