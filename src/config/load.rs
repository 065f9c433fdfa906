//! From the tree to a `Config`: every component on its own, so that one broken key hides no other.
//!
//! Serde stops at its first error. Here the key it stopped at is noted, taken out, and the rest is read again, until it
//! reads. What was read from a mapping with errors is used for further checks, never for running.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;

use super::check::{self, Cross};
use super::de::{self, Step};
use super::delivery::Delivery;
use super::env::{self, Hidden, Surroundings};
use super::family::{ExporterConfig, ExtensionConfig, Family, ProcessorConfig, ReceiverConfig};
use super::id::Id;
use super::message::Message;
use super::service::{PipelineId, Raw, Service};
use super::yaml::{self, Data, Entry, Yaml};
use super::{Config, Pipeline, locate, message};
use crate::stdx::problem::{At, Problem, Problems};

/// Errors reported from one component: more would not be read.
const ERRORS_MAX: usize = 32;

pub(super) fn parse(text: &str, from: Surroundings<'_>) -> Result<Config, Vec<Problem>> {
    let mut problems = Problems::default();
    let Some(mut tree) = document(text, &mut problems) else {
        problems.0.sort_by_key(|problem| problem.place);
        return Err(problems.0);
    };
    let already = problems.0.len();
    let hidden = env::substitute(&mut tree, from, &mut problems);
    let unsubstituted: Vec<String> = problems.0[already..].iter().map(|problem| problem.path.clone()).collect();
    let first_readings = problems.0.len();
    let config = config(&tree, &mut problems);
    if problems.is_empty() {
        return Ok(Config { digest: digest(text), ..config });
    }
    let mut index = 0;
    problems.0.retain(|problem| {
        index += 1;
        // What could not be substituted is reported once, not again for not being a number or a name.
        index <= first_readings || !unsubstituted.contains(&problem.path)
    });
    Err(finish(&tree, problems.0, &hidden))
}

/// A document that is no configuration, as a `T`: the same messages, nothing substituted.
pub(super) fn typed<T: DeserializeOwned>(text: &str) -> Result<T, Vec<Problem>> {
    let mut problems = Problems::default();
    let tree = document(text, &mut problems);
    let read = tree.as_ref().map(|tree| read::<T>(tree, &At::new(""), &[], &mut problems));
    match (read.and_then(|read| read.value.filter(|_| read.clean)), tree) {
        (Some(value), _) if problems.is_empty() => Ok(value),
        (_, Some(tree)) => Err(finish(&tree, problems.0, &[])),
        (_, None) => Err(problems.0),
    }
}

/// The document's tree, when it is a mapping.
fn document(text: &str, problems: &mut Problems) -> Option<Yaml> {
    let tree = yaml::parse(text.strip_prefix('\u{feff}').unwrap_or(text), problems);
    let root = At::new("");
    let start = Some((1, 1));
    match tree {
        None if problems.is_empty() => problems.0.push(message::document_empty().at(&root, start)),
        None => {}
        Some(tree) if tree.is_null() => problems.0.push(message::document_empty().at(&root, start)),
        Some(Yaml { data: Data::Map(entries), .. }) => return Some(Yaml { place: (1, 1), data: Data::Map(entries) }),
        Some(Yaml { data: Data::List(_), place }) => {
            problems.0.push(message::document_not_mapping("a list").at(&root, Some(place)));
        }
        Some(Yaml { place, .. }) => {
            problems.0.push(message::document_not_mapping("text").at(&root, Some(place)));
        }
    }
    None
}

/// Gives every problem its place, hides what was substituted, sorts by place.
fn finish(tree: &Yaml, mut problems: Vec<Problem>, hidden: &[Hidden]) -> Vec<Problem> {
    for problem in &mut problems {
        problem.place.get_or_insert_with(|| locate::place(tree, &problem.path));
        env::hide(problem, hidden);
    }
    problems.sort_by_key(|problem| problem.place);
    problems.dedup();
    problems
}

fn config(tree: &Yaml, problems: &mut Problems) -> Config {
    unknown_sections(tree, problems);
    let receivers = section::<ReceiverConfig>(tree, problems);
    let processors = section::<ProcessorConfig>(tree, problems);
    let exporters = section::<ExporterConfig>(tree, problems);
    let extensions = section::<ExtensionConfig>(tree, problems);
    let service = tree.get("service").cloned().unwrap_or_else(|| Yaml::empty_map(tree.place));
    let raw = read::<Raw>(&service, &At::new("service"), &[], problems).value.unwrap_or_default();
    let cross = Cross {
        tree,
        receivers: &receivers,
        processors: &processors,
        exporters: &exporters,
        extensions: &extensions,
        raw: &raw,
    };
    let pipelines = check::all(&cross, problems);
    Config {
        receivers: receivers.read.into_iter().map(|(id, (config, _))| (id, config)).collect(),
        processors: processors.read.into_iter().map(|(id, (config, _))| (id, config)).collect(),
        exporters: exporters.read,
        extensions: extensions.read.into_iter().map(|(id, (config, _))| (id, config)).collect(),
        service: service_of(raw, pipelines),
        digest: String::new(),
    }
}

/// SHA-256 in hex: what a ledger says about the configuration in force. It is over the text as given, so that a secret from the
/// environment is not in it.
#[must_use]
pub fn digest(text: &str) -> String {
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes());
    hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn service_of(raw: Raw, pipelines: BTreeMap<PipelineId, Pipeline>) -> Service {
    let mut telemetry = raw.telemetry;
    telemetry.metrics.endpoint = telemetry.metrics.endpoint.filter(|endpoint| !endpoint.is_empty());
    Service {
        data_dir: raw.data_dir,
        telemetry,
        shutdown_timeout: raw.shutdown_timeout,
        in_flight_bytes_max: raw.in_flight_bytes_max,
        pipelines,
    }
}

fn unknown_sections(tree: &Yaml, problems: &mut Problems) {
    const KNOWN: [&str; 5] = ["receivers", "processors", "exporters", "extensions", "service"];
    for entry in tree.entries().iter().filter(|entry| !KNOWN.contains(&entry.key.as_str())) {
        problems.0.push(message::unknown_key(&entry.key, &KNOWN).at(&At::new(&entry.key), Some(entry.place)));
    }
}

/// The components of one section: what is defined, and what of it could be read.
pub(super) struct Section<F> {
    /// Keys as written, also of components with errors, so that their users are not blamed.
    pub(super) defined: Vec<String>,
    /// It is a mapping, or missing. When it is not, nobody can be blamed for naming what is not there.
    pub(super) legible: bool,
    pub(super) read: BTreeMap<Id, (F, Delivery)>,
}

type Component<F> = (Id, (F, Delivery));

/// One component's mapping on its way to its type.
pub(super) struct Reading<'p> {
    yaml: Yaml,
    at: At,
    also_known: &'static [&'static str],
    problems: &'p mut Problems,
}

impl Reading<'_> {
    /// The component's configuration; `None` when it had errors, which are noted.
    pub(super) fn read<T: DeserializeOwned>(&mut self) -> Option<T> {
        let read = read::<T>(&self.yaml, &self.at, self.also_known, self.problems);
        read.value.filter(|_| read.clean)
    }
}

fn section<F: Family>(tree: &Yaml, problems: &mut Problems) -> Section<F> {
    let mut section = Section { defined: Vec::new(), legible: true, read: BTreeMap::new() };
    let Some(written) = tree.get(F::SECTION).filter(|written| !written.is_null()) else { return section };
    section.legible = matches!(written.data, Data::Map(_));
    if !section.legible {
        problems.0.push(message::section_not_mapping().at(&At::new(F::SECTION), None));
    }
    for entry in written.entries() {
        section.defined.push(entry.key.clone());
        let at = At::new(F::SECTION).key(&entry.key);
        match component::<F>(entry, &at, problems) {
            Ok(Some((id, component))) => drop(section.read.insert(id, component)),
            Ok(None) => {}
            Err(message) => problems.0.push(message.at(&at, Some(entry.place))),
        }
    }
    section
}

/// One component with its delivery; none when it had errors of its own.
fn component<F: Family>(entry: &Entry, at: &At, problems: &mut Problems) -> Result<Option<Component<F>>, Message> {
    let id = Id::parse(&entry.key).ok_or_else(|| message::bad_id(&entry.key))?;
    let (own, shared) = split(&entry.value, F::SHARED_KEYS);
    let mut reading = Reading { yaml: own, at: at.clone(), also_known: F::SHARED_KEYS, problems };
    let Some(config) = F::read(&id.kind, &mut reading) else {
        return Err(message::unknown_kind(F::NAME, &id.kind, F::KINDS));
    };
    let delivery = read::<Delivery>(&shared, at, &[], problems);
    let delivery = delivery.value.filter(|_| delivery.clean);
    if let Some(config) = &config {
        config.check(at, problems);
    }
    if let Some(delivery) = &delivery {
        delivery.check(at, problems);
    }
    Ok(config.zip(delivery).map(|component| (id, component)))
}

/// The component's own keys, and those of the delivery loop.
fn split(yaml: &Yaml, shared_keys: &[&str]) -> (Yaml, Yaml) {
    let Data::Map(entries) = &yaml.data else { return (yaml.clone(), Yaml::empty_map(yaml.place)) };
    let (shared, own) = entries.iter().cloned().partition(|entry| shared_keys.contains(&entry.key.as_str()));
    let with = |entries| Yaml { place: yaml.place, data: Data::Map(entries) };
    (with(own), with(shared))
}

/// What came of reading a value: `clean` is false when a part had to be taken out.
struct Read<T> {
    value: Option<T>,
    clean: bool,
}

fn read<T: DeserializeOwned>(yaml: &Yaml, at: &At, also_known: &[&'static str], problems: &mut Problems) -> Read<T> {
    let mut left = yaml.clone();
    let mut removed: Vec<Vec<Step>> = Vec::new();
    for _ in 0..ERRORS_MAX {
        let error = match de::read::<T>(&left) {
            Ok(value) => return Read { value: Some(value), clean: removed.is_empty() },
            Err(error) => error,
        };
        let steps = error.steps();
        let taken_out = error.missing().is_some_and(|key| {
            let missing = [steps.as_slice(), &[Step::Key(key.to_owned())]].concat();
            removed.contains(&missing)
        });
        if !taken_out {
            problems.0.push(error.problem(at, also_known));
        }
        if !remove(&mut left, &steps) {
            break;
        }
        removed.push(steps);
    }
    Read { value: None, clean: false }
}

/// Takes out what the steps lead to; false when it is the whole, or is out already.
fn remove(tree: &mut Yaml, steps: &[Step]) -> bool {
    let Some((last, way)) = steps.split_last() else { return false };
    let parent = way.iter().try_fold(tree, |tree, step| match (step, &mut tree.data) {
        (Step::Key(key), Data::Map(entries)) => {
            entries.iter_mut().find(|entry| entry.key == *key).map(|entry| &mut entry.value)
        }
        (Step::Item(index), Data::List(items)) => items.get_mut(*index),
        _ => None,
    });
    match (last, parent.map(|parent| &mut parent.data)) {
        (Step::Key(key), Some(Data::Map(entries))) => {
            let before = entries.len();
            entries.retain(|entry| entry.key != *key);
            entries.len() < before
        }
        (Step::Item(index), Some(Data::List(items))) => items.get_mut(*index).is_some_and(|item| {
            let before = std::mem::replace(&mut item.data, Data::Removed);
            !matches!(before, Data::Removed)
        }),
        _ => false,
    }
}
