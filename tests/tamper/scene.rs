//! The ledger that every row starts from, and the tools to damage it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::forge::locked::{Chest, body_key};
use crate::forge::{About, Forge, Form, Hash, Key, LOG, erasable, sha256};
use crate::table::BUILT;

pub(crate) const ORIGIN: &str = "example.org/seal/tamper";

/// Numbers of entries in the scene's ledger.
pub(crate) mod at {
    /// First record of segment 0, which is compressed.
    pub(crate) const FIRST: u64 = 2;
    /// A record in the middle of the first group of records.
    pub(crate) const MIDDLE: u64 = 4;
    /// The last record of the first group.
    pub(crate) const LAST: u64 = 6;
    /// The `gap` in segment 0.
    pub(crate) const GAP: u64 = 7;
    /// First of the four records of segment 1, which is a sidecar: their bodies are gone by order.
    pub(crate) const PRUNED: u64 = 9;
    /// First record of segment 2, which is plain.
    pub(crate) const PLAIN: u64 = 14;
    /// A record of segment 2 that was erased by order.
    pub(crate) const ERASED: u64 = 16;
    /// A record of segment 2 with erasable attributes, of which one was erased by order.
    pub(crate) const FIELDS: u64 = 17;
    /// The `retention` in segment 3, which is open.
    pub(crate) const RETENTION: u64 = 19;
    /// The first record of the last group of segment 3.
    pub(crate) const OPEN: u64 = 22;
    /// The last record of all.
    pub(crate) const NEWEST: u64 = 24;
}

/// What is done to the bytes of a file.
type Damage = Box<dyn Fn(&mut Vec<u8>)>;

/// A ledger on its way to be damaged, and how it is verified.
pub(crate) struct Scene {
    pub(crate) forge: Forge,
    /// Damage to bytes, done after everything else, by file.
    bytes: BTreeMap<String, Damage>,
    gone: Vec<String>,
    anchors: Vec<String>,
    arguments: Vec<String>,
    /// The body keys that the verifier is given.
    body_keys: Vec<Hash>,
    /// The segment that is verified alone.
    only: Option<usize>,
    key: Key,
}

fn body(n: u64) -> String {
    format!(
        r#"{{"attributes":{{"count":{n},"path":"/é","ratio":1.0}},"body":"run {n}","resource":{{"attributes":{{"host":"h"}}}},"severity_number":9,"signal":"log"}}"#
    )
}

fn fields() -> (String, [String; 2]) {
    let salt = |n: u8| sha256(&[&[n]])[..16].try_into().unwrap();
    let (prompt, shown) = erasable(salt(1), r#""prompt""#, r#""the prompt""#);
    let (user, known) = erasable(salt(2), r#""user""#, r#""ann""#);
    (format!(r#"{{"attributes":{{{prompt},{user}}},"signal":"log"}}"#), [shown, known])
}

fn records(forge: &mut Forge, count: u64) {
    for _ in 0..count {
        let body = body(forge.size());
        forge.record(&body);
    }
}

/// Four segments (compressed, sidecar, plain, open), three epochs, holes by order.
fn honest(mut forge: Forge) -> Forge {
    forge.control("config", r#""binary":"telseal","config":"00","heartbeat_seconds":60,"rules":"""#);
    forge.checkpoint(true);
    records(&mut forge, 5);
    forge.checkpoint(false);
    forge.control("gap", r#""cause":"overrun","count":3,"from_ns":"1","to_ns":"2""#);
    forge.rotate(true);
    forge.roll();
    records(&mut forge, 4);
    forge.checkpoint(false);
    forge.control("heartbeat", r#""received":9,"refused":0,"sealed":9"#);
    forge.checkpoint(true);
    forge.roll();
    records(&mut forge, 3);
    let (line, [shown, _]) = fields();
    let disclosures = if BUILT.fields { format!("[{shown}]") } else { String::new() };
    forge.entry(0, &line, &About { flags: 4, disclosures: &disclosures, ..LOG });
    forge.checkpoint(false);
    forge.rotate(false);
    forge.roll();
    let order = r#"{"actor":"ops","count":4,"first":9,"from_ns":"1","last":12,"policy":"p","ticket":"t","to_ns":"2"}"#;
    forge.order("retention", order);
    forge.order("erasure", r#"{"actor":"dpo","basis":"b","request":"r","seqs":[16]}"#);
    forge.order("erasure", r#"{"actor":"dpo","basis":"b","fields":["user"],"request":"r","seqs":[17]}"#);
    forge.checkpoint(false);
    records(&mut forge, 3);
    forge.checkpoint(true);
    if BUILT.holes {
        forge.stub(at::ERASED);
    }
    if BUILT.compressed {
        forge.segments[0].form = Form::Zst;
        forge.segments[1].form = Form::Seal;
    }
    forge
}

impl Scene {
    pub(crate) fn new() -> Self {
        let forge = honest(Forge::new(ORIGIN));
        let key = forge.root.clone();
        Self {
            forge,
            bytes: BTreeMap::new(),
            gone: vec![],
            anchors: vec![],
            arguments: vec![],
            body_keys: vec![],
            only: None,
            key,
        }
    }

    /// Another ledger under the same origin and keys, with the same records.
    pub(crate) fn twin() -> Forge {
        honest(Forge::with_nonce(ORIGIN, [7; 16]))
    }

    /// Encrypts all bodies, and gives the key to the verifier.
    pub(crate) fn encrypt(&mut self) {
        let key = body_key("a");
        for segment in 0..self.forge.segments.len() {
            if self.forge.segments[segment].form != Form::Seal {
                self.forge.lock(segment, &key);
            }
        }
        self.body_keys = vec![key];
    }

    /// The same, and the verifier has these keys.
    pub(crate) fn encrypt_for(&mut self, keys: &[&str]) {
        self.encrypt();
        self.give(keys);
    }

    /// The verifier has these keys.
    pub(crate) fn give(&mut self, keys: &[&str]) {
        self.body_keys = keys.iter().map(|key| body_key(key)).collect();
    }

    /// Where the lines of bodies are in a segment.
    pub(crate) fn boxes(&mut self, segment: usize) -> Vec<usize> {
        let lines = self.lines(segment);
        (0..lines.len()).filter(|line| lines[*line].starts_with("{\"audit.bodies\"")).collect()
    }

    /// Changes a line of the key file of a segment.
    pub(crate) fn edit_keys(&mut self, segment: usize, change: impl FnOnce(&mut String)) {
        let name = self.forge.key_file(segment);
        let mut text = String::from_utf8(self.forge.beside.remove(&name).unwrap()).unwrap();
        change(&mut text);
        self.forge.beside.insert(name, text.into_bytes());
    }

    /// Another box in the place of the first one of a segment, by somebody who has the key.
    pub(crate) fn forge_box(&mut self, segment: usize, pack: impl FnOnce(&mut Chest) -> Vec<u8>) {
        let lines = Self::new().forge.segments[segment].lines.clone();
        let records: Vec<String> = lines.into_iter().filter(|line| !line.starts_with("{\"audit.")).take(2).collect();
        let mut one = self.forge.box_of(&records);
        let packed = pack(&mut one);
        let line = self.forge.bodies_line(segment, &one, &packed);
        let at = self.boxes(segment)[0];
        self.lines(segment)[at] = line;
    }

    /// Replaces a part of the line of an entry, once.
    pub(crate) fn edit(&mut self, seq: u64, from: &str, to: &str) {
        let line = self.forge.line(seq);
        assert!(line.contains(from), "{from} is not in {line}");
        *line = line.replacen(from, to, 1);
    }

    /// The same in any line: of a segment, from the top, the header is 0.
    pub(crate) fn edit_line(&mut self, segment: usize, line: usize, from: &str, to: &str) {
        let line = &mut self.forge.segments[segment].lines[line];
        assert!(line.contains(from), "{from} is not in {line}");
        *line = line.replacen(from, to, 1);
    }

    /// Changes the base64 after `key` in a line so that the decoded bytes differ in one bit.
    pub(crate) fn flip_in_line(&mut self, segment: usize, line: usize, key: &str, byte: usize) {
        let line = &mut self.forge.segments[segment].lines[line];
        flip(line, key, byte);
    }

    pub(crate) fn flip_in(&mut self, seq: u64, key: &str, byte: usize) {
        flip(self.forge.line(seq), key, byte);
    }

    /// Flips the lowest bit of a byte of an entry, in its line only.
    pub(crate) fn entry_bit(&mut self, seq: u64, byte: usize) {
        self.flip_in(seq, "\"entry\":\"", byte);
    }

    pub(crate) fn remove(&mut self, seq: u64) {
        let (s, l) = self.forge.place(seq);
        self.forge.segments[s].lines.remove(l);
    }

    pub(crate) fn swap(&mut self, left: u64, right: u64) {
        let (left, right) = (self.forge.place(left), self.forge.place(right));
        let line = std::mem::take(&mut self.forge.segments[left.0].lines[left.1]);
        let line = std::mem::replace(&mut self.forge.segments[right.0].lines[right.1], line);
        self.forge.segments[left.0].lines[left.1] = line;
    }

    /// Puts a copy of an entry's line behind that of another one.
    pub(crate) fn copy_behind(&mut self, from: u64, behind: u64) {
        let line = self.forge.line(from).clone();
        self.insert_behind(behind, line);
    }

    pub(crate) fn insert_behind(&mut self, seq: u64, line: String) {
        let (s, l) = self.forge.place(seq);
        self.forge.segments[s].lines.insert(l + 1, line);
    }

    /// The lines of a segment.
    pub(crate) fn lines(&mut self, segment: usize) -> &mut Vec<String> {
        &mut self.forge.segments[segment].lines
    }

    /// Goes back to the state before the last group of records, and lets somebody go on from there who has all keys.
    pub(crate) fn rewrite(&mut self, go_on: impl FnOnce(&mut Forge)) {
        let mut forge = Forge::new(ORIGIN);
        let honest = std::mem::replace(&mut self.forge, forge.clone());
        forge.segments = honest.segments.clone();
        let (segment, line) = honest.place(at::OPEN);
        forge.segments[segment].lines.truncate(line);
        (forge.keys, forge.certs) = (honest.keys.clone(), honest.certs.clone());
        forge.restore(&honest, usize::try_from(at::OPEN).unwrap());
        forge.history = 1;
        go_on(&mut forge);
        self.forge = forge;
    }

    /// Damages the bytes of a file.
    pub(crate) fn file(&mut self, segment: usize, damage: impl Fn(&mut Vec<u8>) + 'static) {
        let name = self.forge.segments[segment].name();
        self.bytes.insert(name, Box::new(damage));
    }

    /// Takes a segment's file away.
    pub(crate) fn lose(&mut self, segment: usize) {
        self.gone.push(self.forge.segments[segment].name());
    }

    /// Renames a segment's file.
    pub(crate) fn rename(&mut self, segment: usize, first: u64) {
        self.forge.segments[segment].first = first;
    }

    /// Gives the verifier a checkpoint from elsewhere.
    pub(crate) fn anchor(&mut self, note: String) {
        self.anchors.push(note);
    }

    pub(crate) fn option(&mut self, option: &str) {
        self.arguments.push(option.to_owned());
    }

    pub(crate) fn only(&mut self, segment: usize) {
        self.only = Some(segment);
    }

    /// The root key that the verifier is given, if not the right one.
    pub(crate) fn given_key(&mut self, key: Key) {
        self.key = key;
    }

    pub(crate) fn has_arguments(&self) -> bool {
        !self.arguments.is_empty()
            || !self.anchors.is_empty()
            || self.only.is_some()
            || self.key.vkey() != self.forge.root.vkey()
    }

    /// Writes the ledger into `dir/ledger`, anchors into `dir`.
    pub(crate) fn write(&self, dir: &Path) {
        let ledger = dir.join("ledger");
        self.forge.write(&ledger);
        for (name, damage) in &self.bytes {
            let mut bytes = std::fs::read(ledger.join(name)).unwrap();
            damage(&mut bytes);
            std::fs::write(ledger.join(name), bytes).unwrap();
        }
        for name in &self.gone {
            std::fs::remove_file(ledger.join(name)).unwrap();
        }
        let keys: String = self.body_keys.iter().map(|key| STANDARD.encode(key) + "\n").collect();
        if !keys.is_empty() {
            let path = dir.join("body.key");
            std::fs::write(&path, keys).unwrap();
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
        }
        for (n, note) in self.anchors.iter().enumerate() {
            std::fs::write(dir.join(format!("anchor-{n}")), note).unwrap();
        }
    }

    /// What the verifiers are called with.
    pub(crate) fn arguments(&self, dir: &Path) -> Vec<OsString> {
        let ledger = dir.join("ledger");
        let path = self.only.map_or_else(|| ledger.clone(), |n| ledger.join(self.forge.segments[n].name()));
        let mut all: Vec<OsString> = vec![path.into(), "--key".into(), self.key.vkey().into()];
        for n in 0..self.anchors.len() {
            all.extend(["--anchor".into(), dir.join(format!("anchor-{n}")).into_os_string()]);
        }
        if !self.body_keys.is_empty() {
            all.extend(["--encryption-key".into(), dir.join("body.key").into_os_string()]);
        }
        all.extend(self.arguments.iter().map(OsString::from));
        all
    }
}

pub(crate) fn flip(line: &mut String, key: &str, byte: usize) {
    let start = line.rfind(key).unwrap_or_else(|| panic!("{key} is not in {line}")) + key.len();
    let end = start + line[start..].find(['"', '\\']).unwrap();
    let mut bytes = STANDARD.decode(&line[start..end]).unwrap();
    bytes[byte] ^= 1;
    line.replace_range(start..end, &STANDARD.encode(bytes));
}

/// Every file below a folder.
pub(crate) fn files_of(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.insert(path.strip_prefix(dir).unwrap().to_owned(), std::fs::read(&path).unwrap());
            }
        }
    }
    files
}
