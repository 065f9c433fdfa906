//! The objects of one roll, from the first record to the plan: one object for each place that records go to.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::config::{Config, Marshaler};
use super::plan::{Object, Plan, hex};
use super::scratch::Encoder;
use crate::exporter::outbound::unreadable;
use crate::exporter::partition::{Key, Partition, strftime};
use crate::exporter::roll::{Log, Roll};
use crate::exporter::{ExportError, Payload};
use crate::otlp;
use crate::stdx::durable::{self, Mode};
use crate::stdx::json::{write_str, write_u64};

/// With more places than this a roll is complete, however small its objects: each has a compressor open, about 1 MiB.
const OBJECTS_MAX: usize = 32;

/// What is gathered of one log.
#[derive(Default)]
pub(super) struct Gathering {
    objects: BTreeMap<Key, Open>,
    /// The payload that is in already although its gathering failed.
    taken: Option<Payload>,
    /// Set when the roll is complete; nothing is added then.
    pub(super) plan: Option<Plan>,
}

struct Open {
    name: String,
    encoder: Encoder,
    records: u64,
    numbers: Option<(u64, u64)>,
}

/// What names are made of.
pub(super) struct Naming {
    config: Config,
    partition: Partition,
    bytes_max: u64,
}

impl Naming {
    pub(super) fn new(config: &Config) -> Self {
        let bytes_max = config.rotation.max_megabytes << 20;
        Self { config: config.clone(), partition: config.partition(), bytes_max }
    }

    /// The folder of objects with this key, ended by a slash where it is not empty.
    fn folder(&self, key: &Key) -> String {
        let uploader = &self.config.s3uploader;
        let prefix = key.group.as_deref().unwrap_or(&uploader.s3_prefix);
        let time = strftime(&uploader.s3_partition_format, key.seconds);
        joined(&[&uploader.s3_base_prefix, prefix, &time])
    }

    /// The folder of what is said about objects. Query engines pass over names that begin with `_`.
    fn own_folder(&self, name: &str) -> String {
        joined(&[&self.config.s3uploader.s3_base_prefix, &self.config.s3uploader.s3_prefix, name])
    }

    fn key(&self, folder: &str, log: &str, object: &Sealed, extension: &str) -> String {
        let Sealed { first, last, sha256, .. } = object;
        let prefix = &self.config.s3uploader.file_prefix;
        format!("{folder}{prefix}{}_{first:020}-{last:020}_{}.{extension}", log.replace('/', "-"), hex(&sha256[..8]))
    }

    fn extension(&self) -> String {
        format!("{}{}", self.config.marshaler.extension(), self.config.s3uploader.compression.extension())
    }

    fn encode(&self, payload: &Payload) -> Result<Vec<u8>, ExportError> {
        let request = || payload.otlp().map_err(|error| unreadable(&error));
        Ok(match self.config.marshaler {
            Marshaler::Ndjson => payload.to_lines().map_err(|error| unreadable(&error))?.into(),
            Marshaler::OtlpProto => request()?.into(),
            Marshaler::OtlpJson => {
                let request = request()?;
                let mut out = Vec::with_capacity(request.len() * 2);
                otlp::json::from_protobuf(payload.signal(), &request, &mut out).map_err(|error| unreadable(&error))?;
                out.push(b'\n');
                out
            }
        })
    }
}

fn joined(parts: &[&str]) -> String {
    let parts = parts.iter().flat_map(|part| part.split('/')).filter(|part| !part.is_empty());
    parts.fold(String::new(), |path, part| path + part + "/")
}

/// An object as far as it is known before it has a name.
struct Sealed {
    file: String,
    bytes: u64,
    sha256: [u8; 32],
    records: u64,
    first: u64,
    last: u64,
}

impl Sealed {
    fn named(self, key: String) -> Object {
        let Self { file, bytes, sha256, records, first, last } = self;
        Object { file, key, bytes, sha256, records, first, last, upload_id: None, is_done: false }
    }
}

impl Gathering {
    /// One that goes on with a plan of an earlier run.
    pub(super) fn of(plan: Plan) -> Self {
        Self { plan: Some(plan), ..Self::default() }
    }

    /// Adds a payload. True when the roll is large enough.
    pub(super) fn add(&mut self, log: &Log, payload: &Payload, naming: &Naming) -> Result<bool, ExportError> {
        if !self.taken.as_ref().is_some_and(|taken| taken.is_same(payload)) {
            self.take(log, payload, naming)?;
        }
        self.taken = Some(payload.clone());
        for open in self.objects.values_mut() {
            open.encoder.scratch().drain().map_err(|error| super::classified(&error))?;
        }
        self.taken = None;
        let largest = self.objects.values_mut().map(|open| open.encoder.scratch().bytes_len()).max().unwrap_or(0);
        Ok(largest >= naming.bytes_max || self.objects.len() > OBJECTS_MAX)
    }

    /// Either all of the payload is in afterwards or nothing.
    fn take(&mut self, log: &Log, payload: &Payload, naming: &Naming) -> Result<(), ExportError> {
        let parts = naming.partition.split(payload).map_err(|error| unreadable(&error))?;
        let encode = |(key, part): (Key, Payload)| Ok((naming.encode(&part)?, key, part));
        let parts = parts.into_iter().map(encode).collect::<Result<Vec<_>, ExportError>>()?;
        for (_, key, _) in &parts {
            self.open(log, key, naming).map_err(|error| super::classified(&error))?;
        }
        for (bytes, key, part) in parts {
            let Some(open) = self.objects.get_mut(&key) else { continue };
            open.encoder.write(&bytes).map_err(|error| super::classified(&error))?;
            open.records += part.records();
            open.numbers = merged(open.numbers, numbers(&part));
        }
        Ok(())
    }

    fn open(&mut self, log: &Log, key: &Key, naming: &Naming) -> durable::Result<()> {
        if self.objects.contains_key(key) {
            return Ok(());
        }
        durable::create_dir(&log.dir)?;
        if self.objects.is_empty() {
            // What could not be removed when it was settled.
            clear(&log.dir)?;
        }
        let name = self.objects.len().to_string();
        let encoder = Encoder::new(log.dir.join(&name), naming.config.s3uploader.compression)?;
        self.objects.insert(key.clone(), Open { name, encoder, records: 0, numbers: None });
        Ok(())
    }

    /// The plan, on disk; made at the first call.
    pub(super) fn plan(&mut self, log: &Log, roll: &Roll, naming: &Naming) -> durable::Result<Plan> {
        if let Some(plan) = &self.plan {
            return Ok(plan.clone());
        }
        let mut objects = Vec::new();
        for (key, open) in std::mem::take(&mut self.objects) {
            let ended = Open { encoder: open.encoder.end()?, ..open };
            self.objects.insert(key, ended);
        }
        for (key, open) in &mut self.objects {
            let sealed = open.seal(roll)?;
            let name = naming.key(&naming.folder(key), &log.pipeline, &sealed, &naming.extension());
            objects.push(sealed.named(name));
        }
        if naming.config.manifest {
            objects.extend(about(log, roll, naming, &objects)?);
        }
        let plan = Plan { roll: roll.clone(), objects };
        plan.store(&log.dir)?;
        Ok(self.plan.insert(plan).clone())
    }

    /// Notes how far the plan is; on disk where a later run has to know it.
    pub(super) fn change(&mut self, log: &Log, plan: Plan) -> Result<(), ExportError> {
        let upload_ids = |plan: &Plan| plan.objects.iter().map(|object| object.upload_id.clone()).collect::<Vec<_>>();
        if self.plan.as_ref().is_none_or(|known| upload_ids(known) != upload_ids(&plan)) {
            plan.store(&log.dir).map_err(|error| super::classified(&error))?;
        }
        self.plan = Some(plan);
        Ok(())
    }
}

impl Open {
    fn seal(&mut self, roll: &Roll) -> durable::Result<Sealed> {
        let scratch = self.encoder.scratch();
        let sha256 = scratch.seal()?;
        debug_assert!(scratch.path().ends_with(&self.name), "a scratch file has its number as its name");
        let (first, last) = self.numbers.unwrap_or((roll.from.record, roll.to.record.saturating_sub(1)));
        let bytes = scratch.bytes_len();
        Ok(Sealed { file: self.name.clone(), bytes, sha256, records: self.records, first, last })
    }
}

/// The manifest, and the checkpoint where there is one.
fn about(log: &Log, roll: &Roll, naming: &Naming, objects: &[Object]) -> durable::Result<Vec<Object>> {
    let first = objects.iter().map(|object| object.first).min().unwrap_or(0);
    let last = objects.iter().map(|object| object.last).max().unwrap_or(0);
    let write = |file: &str, text: &[u8]| -> durable::Result<Sealed> {
        let path: PathBuf = log.dir.join(file);
        durable::write_atomic(&path, text, Mode::Private)?;
        let mut sha256 = [0; 32];
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text);
        sha256.copy_from_slice(digest.as_ref());
        Ok(Sealed { file: file.to_owned(), bytes: text.len() as u64, sha256, records: 0, first, last })
    };
    let manifest = write("manifest", &manifest(log, roll, naming, objects))?;
    let key = naming.key(&naming.own_folder("_manifests"), &log.pipeline, &manifest, "manifest.json");
    let mut about = vec![manifest.named(key)];
    if let Some(note) = &roll.checkpoint {
        let checkpoint = write("checkpoint", note.as_bytes())?;
        let key = naming.key(&naming.own_folder("_checkpoints"), &log.pipeline, &checkpoint, "checkpoint");
        about.push(checkpoint.named(key));
    }
    Ok(about)
}

fn manifest(log: &Log, roll: &Roll, naming: &Naming, objects: &[Object]) -> Vec<u8> {
    let mut out = b"{\"manifest\":\"telseal/s3/v1\",\"pipeline\":".to_vec();
    write_str(&mut out, &log.pipeline);
    out.extend_from_slice(b",\"bucket\":");
    write_str(&mut out, &naming.config.s3uploader.s3_bucket);
    out.extend_from_slice(b",\"records\":");
    write_u64(&mut out, roll.records);
    out.extend_from_slice(b",\"objects\":[");
    for (at, object) in objects.iter().enumerate() {
        out.extend_from_slice(if at == 0 { b"{\"key\":" } else { b",{\"key\":" });
        write_str(&mut out, &object.key);
        out.extend_from_slice(b",\"sha256\":");
        write_str(&mut out, &object.hash());
        for (name, number) in
            [("bytes", object.bytes), ("records", object.records), ("first", object.first), ("last", object.last)]
        {
            out.push(b',');
            write_str(&mut out, name);
            out.push(b':');
            write_u64(&mut out, number);
        }
        out.push(b'}');
    }
    out.push(b']');
    if let Some(note) = &roll.checkpoint {
        out.extend_from_slice(b",\"checkpoint\":");
        write_str(&mut out, note);
    }
    out.extend_from_slice(b"}\n");
    out
}

/// The numbers in the seals of the first and the last line, where there are lines.
fn numbers(payload: &Payload) -> Option<(u64, u64)> {
    let lines = payload.lines()?.strip_suffix(b"\n")?;
    let first = &lines[..memchr::memchr(b'\n', lines).unwrap_or(lines.len())];
    let last = &lines[memchr::memrchr(b'\n', lines).map_or(0, |end| end + 1)..];
    Some((number(first)?, number(last)?))
}

/// The number of a sealed line: what stands behind the last `"n":`.
fn number(line: &[u8]) -> Option<u64> {
    const NAME: &[u8] = b"\",\"n\":";
    let digits = &line[memchr::memmem::rfind(line, NAME)? + NAME.len()..];
    let end = digits.iter().position(|byte| !byte.is_ascii_digit())?;
    std::str::from_utf8(&digits[..end]).ok()?.parse().ok()
}

fn merged(one: Option<(u64, u64)>, other: Option<(u64, u64)>) -> Option<(u64, u64)> {
    match (one, other) {
        (Some((first, last)), Some((earlier, later))) => Some((first.min(earlier), last.max(later))),
        (one, other) => one.or(other),
    }
}

/// Removes everything in the scratch folder of a log.
pub(super) fn clear(dir: &Path) -> durable::Result<()> {
    Plan::clear(dir)
}
