//! What no component can see alone: references, order in a pipeline, addresses and files used twice, settings that exclude
//! each other. Pure: it opens and resolves nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::family::{ExporterConfig, ExtensionConfig, Family, ProcessorConfig, ReceiverConfig};
use super::id::Id;
use super::load::Section;
use super::message::{self, Message};
use super::service::{Ack, Pipeline, PipelineId, Raw, RawPipeline, Storage, WhenFull};
use super::yaml::{Data, Yaml};
use crate::http::server::unix_path;
use crate::otlp::Signal;
use crate::stdx::bytesize::ByteSize;
use crate::stdx::problem::{At, Problems};

/// What the permits of `pipeline::admission` can count.
const IN_FLIGHT_MAX: ByteSize = ByteSize::mib(4095);

/// Everything that was read.
pub(super) struct Cross<'a> {
    pub(super) tree: &'a Yaml,
    pub(super) receivers: &'a Section<ReceiverConfig>,
    pub(super) processors: &'a Section<ProcessorConfig>,
    pub(super) exporters: &'a Section<ExporterConfig>,
    pub(super) extensions: &'a Section<ExtensionConfig>,
    pub(super) raw: &'a Raw,
}

/// Notes what is wrong and returns the pipelines with their defaults resolved.
pub(super) fn all(cross: &Cross<'_>, problems: &mut Problems) -> BTreeMap<PipelineId, Pipeline> {
    let mut check = Check { cross, problems };
    check.limits();
    check.admin_tls();
    check.addresses();
    check.files();
    check.unused(cross.receivers);
    check.unused(cross.processors);
    check.unused(cross.exporters);
    check.authenticators();
    check.pipelines()
}

struct Check<'a, 'p> {
    cross: &'a Cross<'a>,
    problems: &'p mut Problems,
}

impl Check<'_, '_> {
    fn say(&mut self, at: &At, message: Message) {
        self.problems.0.push(message.at(at, None));
    }

    fn limits(&mut self) {
        if self.cross.raw.data_dir.as_os_str().is_empty() {
            self.say(&At::new("service.data_dir"), message::empty_path());
        }
        let at = At::new("service.in_flight_bytes_max");
        let max = self.cross.raw.in_flight_bytes_max;
        if max == ByteSize(0) {
            return self.say(&at, message::zero_not_allowed());
        }
        if max > IN_FLIGHT_MAX {
            return self.say(&at, message::larger_than(IN_FLIGHT_MAX));
        }
        let largest = self.cross.receivers.read.iter().map(|(id, (config, _))| (config.message_bytes_max(), id)).max();
        if let Some((largest, id)) = largest.filter(|(largest, _)| *largest > max) {
            self.say(&at, message::message_never_fits(largest, &id.to_string()));
        }
    }

    fn admin_tls(&mut self) {
        if let Some(tls) = &self.cross.raw.telemetry.metrics.tls {
            tls.check(&At::new("service.telemetry.metrics.tls"), self.problems);
        }
    }

    // Addresses and files.

    fn addresses(&mut self) {
        let mut taken: Vec<(Address, Listener)> = Vec::new();
        for listener in listeners(self.cross) {
            let Some(address) = Address::parse(&listener.written) else {
                // A receiver says itself what is wrong with its address.
                if listener.owner == ADMIN {
                    self.say(&listener.at, message::address_without_port(&listener.written));
                }
                continue;
            };
            // One that gives the same text to two of its own keys says that itself, too.
            let own = |other: &Listener| other.owner == listener.owner && other.written == listener.written;
            let by = taken.iter().find(|(other, by)| other.collides(&address) && !own(by));
            if let Some((_, by)) = by {
                self.say(&listener.at, message::address_taken(&listener.written, by.at.path()));
            }
            taken.push((address, listener));
        }
    }

    fn files(&mut self) {
        let mut taken: BTreeMap<String, String> = BTreeMap::new();
        for (id, (config, _)) in &self.cross.exporters.read {
            let ExporterConfig::File(file) = config else { continue };
            let path = file.path.display().to_string();
            let at = At::new("exporters").key(id).key("path");
            match taken.get(&path) {
                Some(by) => self.say(&at, message::file_taken(&path, by)),
                None => drop(taken.insert(path, id.to_string())),
            }
        }
    }

    // Components and their users.

    fn unused<F: Family>(&mut self, section: &Section<F>) {
        let used = used(self.cross.tree, F::SECTION);
        let unused = section.defined.iter().filter(|key| !used.contains(key.as_str()) && Id::parse(key).is_some());
        for key in unused {
            self.say(&At::new(F::SECTION).key(key), message::unused_component(F::NAME, key));
        }
    }

    fn references<F: Family>(&mut self, at: &At, ids: &[String], section: &Section<F>) {
        let at = at.key(F::SECTION);
        let defined: Vec<&str> = section.defined.iter().map(String::as_str).collect();
        for (index, id) in ids.iter().enumerate() {
            if !defined.contains(&id.as_str()) {
                if !section.legible {
                    continue;
                }
                self.say(&at.item(index), message::undefined_component(F::NAME, id, &defined));
            } else if ids[..index].contains(id) {
                self.say(&at.item(index), message::listed_twice(id));
            }
        }
    }

    /// Authenticators must exist, and an extension that guards nothing is a mistake that nobody would see.
    fn authenticators(&mut self) {
        let section = self.cross.extensions;
        let defined: Vec<&str> = section.defined.iter().map(String::as_str).collect();
        let mut used = BTreeSet::new();
        let admin = self.cross.raw.telemetry.metrics.auth.iter().map(|auth| auth.authenticator.clone());
        let admin = admin.map(|id| (At::new("service.telemetry.metrics.auth.authenticator"), id));
        let receivers = self.cross.receivers.read.iter().flat_map(|(id, (config, _))| {
            let at = At::new("receivers").key(id);
            config.authenticators().into_iter().map(move |(key, authenticator)| (at.key(key), authenticator))
        });
        for (at, authenticator) in receivers.chain(admin).collect::<Vec<_>>() {
            if section.legible && !defined.contains(&authenticator.as_str()) {
                self.say(&at, message::undefined_component(ExtensionConfig::NAME, &authenticator, &defined));
            }
            used.insert(authenticator);
        }
        for (index, id) in
            self.cross.raw.extensions.iter().enumerate().filter(|(_, id)| !defined.contains(&id.as_str()))
        {
            let at = At::new("service.extensions").item(index);
            self.say(&at, message::undefined_component(ExtensionConfig::NAME, id, &defined));
        }
        // A receiver with errors may be the one that names it.
        if self.cross.receivers.read.len() == self.cross.receivers.defined.len() {
            for id in section.read.keys().map(ToString::to_string).filter(|id| !used.contains(id)) {
                self.say(&At::new("extensions").key(&id), message::unused_extension(&id));
            }
        }
    }

    // Pipelines.

    fn pipelines(&mut self) -> BTreeMap<PipelineId, Pipeline> {
        let mut pipelines = BTreeMap::new();
        let at = At::new("service.pipelines");
        let written = self.cross.tree.get("service").and_then(|service| service.get("pipelines"));
        if written.is_none_or(|written| written.is_null() || matches!(&written.data, Data::Map(map) if map.is_empty()))
        {
            self.say(&at, message::no_pipelines());
        }
        for (key, raw) in &self.cross.raw.pipelines {
            let at = at.key(key);
            let sealed = self.pipeline(&at, raw, written.and_then(|written| written.get(key)));
            match PipelineId::parse(key) {
                Ok(id) => {
                    self.signals(&at, id.signal, &raw.exporters);
                    pipelines.insert(id, raw.resolve(sealed));
                }
                Err(message) => self.say(&at, message),
            }
        }
        pipelines
    }

    /// What an exporter has no place for.
    fn signals(&mut self, at: &At, signal: Signal, exporters: &[String]) {
        for (index, id) in exporters.iter().enumerate() {
            let config = Id::parse(id).and_then(|id| self.cross.exporters.read.get(&id));
            if let Some(why) = config.and_then(|(config, _)| config.refuses(signal)) {
                self.say(&at.key("exporters").item(index), message::signal_refused(id, signal, why));
            }
        }
    }

    /// Checks one pipeline; true when it is sealed.
    fn pipeline(&mut self, at: &At, raw: &RawPipeline, written: Option<&Yaml>) -> bool {
        let lists = |key| written.and_then(|written| written.get(key)).is_some_and(|list| !is_empty_list(list));
        if !lists("receivers") {
            self.say(&at.key("receivers"), message::no_receivers());
        }
        if !lists("exporters") {
            self.say(&at.key("exporters"), message::no_exporters());
        }
        self.references(at, &raw.receivers, self.cross.receivers);
        self.references(at, &raw.processors, self.cross.processors);
        self.references(at, &raw.exporters, self.cross.exporters);
        let sealed = self.order(&at.key("processors"), &raw.processors);
        self.storage(at, raw, sealed);
        self.allow(&at.key("allow"), raw);
        sealed
    }

    /// Where senders have no names, nobody would be let in.
    fn allow(&mut self, at: &At, raw: &RawPipeline) {
        if raw.allow.is_everybody() {
            return;
        }
        for (id, (config, _)) in &self.cross.receivers.read {
            if raw.receivers.contains(&id.to_string()) && !config.identifies() {
                self.say(at, message::nobody_identified(&id.to_string()));
            }
        }
    }

    /// The order of processors: what is stored or sealed must be redacted, what is redacted must not be added to.
    fn order(&mut self, at: &At, processors: &[String]) -> bool {
        let mut latest: Option<(usize, &str)> = None;
        let mut sealed = false;
        for (index, id) in processors.iter().enumerate() {
            let rank = rank(id);
            match (rank, latest) {
                (Some(SEAL), _) if sealed => self.say(&at.item(index), message::seal_twice()),
                _ if sealed => self.say(&at.item(index), message::seal_not_last()),
                (Some(rank), Some((before, earlier))) if rank < before => {
                    self.say(&at.item(index), message::processor_order(id, earlier));
                }
                (Some(rank), _) => latest = Some((rank, id)),
                (None, _) => {}
            }
            sealed |= rank == Some(SEAL);
        }
        sealed
    }

    fn storage(&mut self, at: &At, raw: &RawPipeline, sealed: bool) {
        let storage = raw.storage(sealed);
        if sealed && storage == Storage::Memory {
            self.say(&at.key("storage"), message::seal_in_memory());
        } else if storage == Storage::Memory && raw.ack == Some(Ack::Durable) {
            self.say(&at.key("ack"), message::durable_in_memory());
        }
        if sealed && raw.ack == Some(Ack::Accepted) {
            self.say(&at.key("ack"), message::accepted_with_seal());
        }
        if sealed && raw.when_full == Some(WhenFull::DropOldest) {
            self.say(&at.key("when_full"), message::drop_with_seal());
        }
        if raw.hold_bytes_max == Some(ByteSize(0)) {
            self.say(&at.key("hold_bytes_max"), message::zero_not_allowed());
        }
    }
}

fn is_empty_list(list: &Yaml) -> bool {
    list.is_null() || matches!(&list.data, Data::List(items) if items.is_empty())
}

/// Every component of that section that any pipeline names, also in pipelines with errors.
fn used<'t>(tree: &'t Yaml, section: &str) -> BTreeSet<&'t str> {
    let pipelines = tree.get("service").and_then(|service| service.get("pipelines"));
    let lists = pipelines.into_iter().flat_map(Yaml::entries).filter_map(|entry| entry.value.get(section));
    let ids = lists.flat_map(|list| match &list.data {
        Data::List(items) => items.as_slice(),
        _ => std::slice::from_ref(list),
    });
    ids.filter_map(|id| if let Data::Scalar(scalar) = &id.data { Some(scalar.text.as_str()) } else { None }).collect()
}

const SEAL: usize = 3;

/// Where a processor belongs in a pipeline; `None` for those that fit anywhere before the seal.
fn rank(id: &str) -> Option<usize> {
    match Id::parse(id)?.kind.as_str() {
        "enrich" | "attributes" | "resource" | "resourcedetection" => Some(0),
        "redact" | "redaction" => Some(1),
        "risk_tag" => Some(2),
        "seal" => Some(SEAL),
        _ => None,
    }
}

/// Something that will listen.
struct Listener {
    owner: String,
    /// The key of its address.
    at: At,
    written: String,
}

/// The owner of the admin port.
const ADMIN: &str = "service";

fn listeners(cross: &Cross<'_>) -> Vec<Listener> {
    let mut all = Vec::new();
    for (id, (config, _)) in &cross.receivers.read {
        let (at, owner) = (At::new("receivers").key(id), id.to_string());
        let listeners = config.listeners().into_iter();
        all.extend(listeners.map(|(key, written)| Listener { owner: owner.clone(), at: at.key(key), written }));
    }
    let admin = cross.raw.telemetry.metrics.endpoint.iter().filter(|endpoint| !endpoint.is_empty());
    let at = At::new("service.telemetry.metrics.endpoint");
    all.extend(admin.map(|written| Listener { owner: ADMIN.to_owned(), at: at.clone(), written: written.clone() }));
    all
}

/// An address to listen at.
enum Address {
    Inet { host: String, port: u16 },
    Unix(PathBuf),
}

impl Address {
    /// Reads `host:port`, `[v6]:port` and `unix:PATH`.
    fn parse(text: &str) -> Option<Self> {
        if let Some(path) = unix_path(text) {
            return (!path.as_os_str().is_empty()).then(|| Self::Unix(path.to_owned()));
        }
        let (host, port) = text.rsplit_once(':')?;
        let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let host = bracketed.unwrap_or(host);
        if host.is_empty() || (bracketed.is_none() && host.contains([':', '/'])) {
            return None;
        }
        let host = if host == "localhost" { "127.0.0.1" } else { host };
        Some(Self::Inet { host: host.to_owned(), port: port.parse().ok()? })
    }

    /// The same port at the same host, or at all of them, or the same socket. Port 0 is a free one each time.
    fn collides(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Unix(path), Self::Unix(other)) => path == other,
            (Self::Inet { host, port }, Self::Inet { host: other, port: other_port }) => {
                let everywhere = |host: &str| matches!(host, "0.0.0.0" | "::");
                *port != 0 && port == other_port && (host == other || everywhere(host) || everywhere(other))
            }
            _ => false,
        }
    }
}
