//! A second writer of ledgers, made from `docs/seal-format.md` alone, with keys, salts and times that never change: the
//! same calls make the same bytes. It is also the attacker's workshop: whoever stole a key can write with it here.
//!
//! It shares nothing with `src/ledger`, so that a misreading there does not hide itself.

#[path = "locked.rs"]
pub(crate) mod locked;

use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The 14 kinds of entries, by number.
pub(crate) const KINDS: [&str; 14] = [
    "record",
    "genesis",
    "heartbeat",
    "key_rotate",
    "gap",
    "retention",
    "erasure",
    "hold",
    "anchor",
    "config",
    "export",
    "unclean_start",
    "end",
    "session",
];

pub(crate) type Hash = [u8; 32];

pub(crate) fn sha256(parts: &[&[u8]]) -> Hash {
    digest(&SHA256, &parts.concat()).as_ref().try_into().unwrap()
}

pub(crate) fn b64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn json_string(text: &str) -> String {
    serde_json::to_string(text).unwrap()
}

/// A key whose private half everybody knows: `SHA-256("telseal test key " || label)`.
#[derive(Clone)]
pub(crate) struct Key {
    pub(crate) name: String,
    pub(crate) seed: Hash,
    pair: Rc<Ed25519KeyPair>,
}

impl Key {
    pub(crate) fn new(name: &str, label: &str) -> Self {
        let seed = sha256(&[b"telseal test key ", label.as_bytes()]);
        let pair = Rc::new(Ed25519KeyPair::from_seed_unchecked(&seed).unwrap());
        Self { name: name.to_owned(), seed, pair }
    }

    /// A key that somebody else made, in PKCS#8.
    pub(crate) fn from_pkcs8(name: &str, pkcs8: &[u8]) -> Self {
        Self { name: name.to_owned(), seed: [0; 32], pair: Rc::new(Ed25519KeyPair::from_pkcs8(pkcs8).unwrap()) }
    }

    pub(crate) fn public(&self) -> Vec<u8> {
        [&[1], self.pair.public_key().as_ref()].concat()
    }

    pub(crate) fn hash(&self) -> [u8; 4] {
        sha256(&[self.name.as_bytes(), b"\n", &self.public()])[..4].try_into().unwrap()
    }

    pub(crate) fn vkey(&self) -> String {
        format!("{}+{}+{}", self.name, hex(&self.hash()), b64(&self.public()))
    }

    pub(crate) fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.pair.sign(message).as_ref().try_into().unwrap()
    }

    /// One signature line of a note.
    fn line(&self, text: &str) -> String {
        let signature = [self.hash().as_slice(), &self.sign(text.as_bytes())].concat();
        format!("\u{2014} {} {}\n", self.name, b64(&signature))
    }
}

/// A note of this text by these keys.
pub(crate) fn note(text: &str, keys: &[&Key]) -> String {
    let lines: String = keys.iter().map(|key| key.line(text)).collect();
    format!("{text}\n{lines}")
}

/// How a segment is stored.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Form {
    Plain,
    Zst,
    Seal,
}

impl Form {
    pub(crate) fn extension(self) -> &'static str {
        match self {
            Self::Plain => "ndjson",
            Self::Zst => "ndjson.zst",
            Self::Seal => "seal.zst",
        }
    }
}

/// The lines of one segment, without their ends.
#[derive(Clone)]
pub(crate) struct Segment {
    pub(crate) first: u64,
    pub(crate) lines: Vec<String>,
    pub(crate) form: Form,
}

impl Segment {
    pub(crate) fn name(&self) -> String {
        format!("{:020}.{}", self.first, self.form.extension())
    }

    pub(crate) fn text(&self) -> String {
        self.lines.iter().map(|line| format!("{line}\n")).collect()
    }

    /// The file's bytes. Compressed ones have a frame for each half.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        match self.form {
            Form::Plain => self.text().into_bytes(),
            Form::Zst => frames(&self.lines),
            Form::Seal => frames(&self.lines.iter().map(|line| as_stub(line)).collect::<Vec<_>>()),
        }
    }
}

fn frames(lines: &[String]) -> Vec<u8> {
    let frame = |lines: &[String]| {
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        if text.is_empty() { vec![] } else { zstd::bulk::compress(text.as_bytes(), 3).unwrap() }
    };
    let (left, right) = lines.split_at(lines.len() / 2);
    [frame(left), frame(right)].concat()
}

/// A record's line as its stub; any other line as it is.
pub(crate) fn as_stub(line: &str) -> String {
    if line.starts_with("{\"audit.") { line.to_owned() } else { stub_of(line) }
}

/// The stub of any sealed line.
pub(crate) fn stub_of(line: &str) -> String {
    format!("{{\"audit.entry\":\"{}\"}}", b64(&entry_of(line)))
}

/// The entry in a sealed line, which is the last text of 172 characters of base64 in it.
pub(crate) fn entry_of(line: &str) -> [u8; 128] {
    let at = line.rfind("\"entry\":\"").unwrap() + 9;
    STANDARD.decode(&line[at..at + 172]).unwrap().try_into().unwrap()
}

/// What one entry was made of.
#[derive(Clone)]
pub(crate) struct Made {
    pub(crate) body: String,
    pub(crate) salt: [u8; 16],
    pub(crate) entry: [u8; 128],
    pub(crate) leaf: Hash,
}

/// What a record is, beside its body.
#[derive(Clone, Copy)]
pub(crate) struct About<'a> {
    pub(crate) signal: u8,
    pub(crate) flags: u16,
    pub(crate) risk: u8,
    /// `[["salt","name",value],..]`, or nothing.
    pub(crate) disclosures: &'a str,
}

pub(crate) const LOG: About<'static> = About { signal: 1, flags: 0, risk: 0, disclosures: "" };
const CONTROL: About<'static> = About { signal: 0, ..LOG };

/// Changes an entry before it is chained, as no honest writer does.
pub(crate) type Twist = fn(&mut [u8; 128]);

/// A ledger in the making.
#[derive(Clone)]
pub(crate) struct Forge {
    pub(crate) origin: String,
    pub(crate) root: Key,
    pub(crate) keys: Vec<Key>,
    pub(crate) certs: Vec<String>,
    pub(crate) stream: [u8; 16],
    pub(crate) nonce: [u8; 16],
    pub(crate) epoch: u32,
    pub(crate) frontier: Vec<Hash>,
    pub(crate) made: Vec<Made>,
    pub(crate) records: u64,
    pub(crate) signed: u64,
    pub(crate) segments: Vec<Segment>,
    /// For the next entry only.
    pub(crate) twist: Option<Twist>,
    /// Tells apart the salts of two histories of one ledger.
    pub(crate) history: u8,
    /// Files beside the segments.
    pub(crate) beside: BTreeMap<String, Vec<u8>>,
    /// Salt and time of the next entry, if somebody else chose them.
    pub(crate) given: Option<([u8; 16], u64)>,
}

const START_NS: u64 = 1_700_000_000_000_000_000;

impl Forge {
    /// A ledger with its genesis, not yet signed.
    pub(crate) fn new(origin: &str) -> Self {
        Self::with_nonce(origin, sha256(&[b"nonce ", origin.as_bytes()])[..16].try_into().unwrap())
    }

    /// The same under the same keys, but another one.
    pub(crate) fn with_nonce(origin: &str, nonce: [u8; 16]) -> Self {
        let mut forge = Self::bare(origin, Key::new(origin, &format!("{origin} root")), nonce);
        forge.certify(true);
        forge.genesis();
        forge
    }

    /// A ledger without an entry.
    pub(crate) fn bare(origin: &str, root: Key, nonce: [u8; 16]) -> Self {
        let mut stream: [u8; 16] = sha256(&[origin.as_bytes(), &nonce])[..16].try_into().unwrap();
        stream[6] = stream[6] & 0x0f | 0x80;
        stream[8] = stream[8] & 0x3f | 0x80;
        Self {
            origin: origin.to_owned(),
            root,
            keys: vec![],
            certs: vec![],
            stream,
            nonce,
            epoch: 0,
            frontier: vec![],
            made: vec![],
            records: 0,
            signed: 0,
            segments: vec![Segment { first: 0, lines: vec![], form: Form::Plain }],
            twist: None,
            history: 0,
            beside: BTreeMap::new(),
            given: None,
        }
    }

    fn genesis(&mut self) {
        let cert = json_string(&self.certs[0]);
        let (nonce, origin, vkey) = (b64(&self.nonce), &self.origin, self.root.vkey());
        let rest = format!(r#""cert":{cert},"nonce":"{nonce}","origin":"{origin}","v":1,"vkey":"{vkey}""#);
        self.control("genesis", &rest);
    }

    pub(crate) fn size(&self) -> u64 {
        self.made.len() as u64
    }

    pub(crate) fn stream_text(&self) -> String {
        let h = hex(&self.stream);
        format!("{}-{}-{}-{}-{}", &h[..8], &h[8..12], &h[12..16], &h[16..20], &h[20..])
    }

    pub(crate) fn epoch_key(&self, n: usize) -> Key {
        let name = format!("{}/epoch/{n}", self.origin);
        Key::new(&name, &name)
    }

    /// Makes and certifies the next epoch key, which comes into force with the entry after the next one, or with the first.
    pub(crate) fn certify(&mut self, with_root: bool) {
        self.certify_key(self.epoch_key(self.keys.len()), with_root);
    }

    pub(crate) fn certify_key(&mut self, key: Key, with_root: bool) {
        let n = self.keys.len();
        let first = if n == 0 { 0 } else { self.size() + 1 };
        let text = self.cert_text(n, first, &key);
        let root = if with_root { vec![&self.root] } else { vec![] };
        let signers: Vec<&Key> = root.into_iter().chain(self.keys.last()).collect();
        self.certs.push(note(&text, &signers));
        self.keys.push(key);
    }

    pub(crate) fn cert_text(&self, n: usize, first: u64, key: &Key) -> String {
        format!("telseal epoch/v1\n{}\n{}\n{n}\n{first}\n{}\n", self.origin, self.stream_text(), key.vkey())
    }

    /// Seals a record.
    pub(crate) fn record(&mut self, body: &str) -> u64 {
        self.entry(0, body, &LOG)
    }

    /// Seals an event; `rest` are its members after the name.
    pub(crate) fn control(&mut self, name: &str, rest: &str) -> u64 {
        let kind = KINDS.iter().position(|kind| *kind == name).unwrap();
        let comma = if rest.is_empty() { "" } else { "," };
        self.entry(u8::try_from(kind).unwrap(), &format!(r#"{{"audit.control":"{name}"{comma}{rest}}}"#), &CONTROL)
    }

    /// Seals an order of this kind, signed by `key`.
    pub(crate) fn order_by(&mut self, key: &Key, kind: &str, order: &str) -> u64 {
        let signed = format!("telseal order/v1\n{}\n{order}", self.stream_text());
        self.control(kind, &format!(r#""order":{order},"sig":"{}""#, b64(&key.sign(signed.as_bytes()))))
    }

    pub(crate) fn order(&mut self, kind: &str, order: &str) -> u64 {
        self.order_by(&self.root.clone(), kind, order)
    }

    /// Ends the epoch.
    pub(crate) fn rotate(&mut self, with_root: bool) {
        self.certify(with_root);
        let cert = json_string(self.certs.last().unwrap());
        self.control("key_rotate", &format!(r#""cert":{cert},"reason":"age""#));
        self.checkpoint(with_root);
        self.epoch += 1;
    }

    /// Ends the epoch with a certificate that somebody made, for a key of his.
    pub(crate) fn rotate_with(&mut self, key: Key, cert: &str) {
        self.control("key_rotate", &format!(r#""cert":{},"reason":"age""#, json_string(cert)));
        self.checkpoint(false);
        self.keys.push(key);
        self.certs.push(cert.to_owned());
        self.epoch += 1;
    }

    /// The same ledger from its first entry on, under this certificate: its genesis, one record, signed.
    pub(crate) fn reborn(&self, cert: &str) -> Self {
        let mut forge = Self::new(&self.origin);
        forge.root = self.root.clone();
        forge.restore(self, 0);
        forge.segments[0].lines.clear();
        forge.certs[0] = cert.to_owned();
        forge.genesis();
        forge.record(r#"{"body":"reborn"}"#);
        forge.checkpoint(true);
        forge
    }

    /// Takes over the state of another one when it had `size` entries, all signed.
    pub(crate) fn restore(&mut self, other: &Self, size: usize) {
        (self.made, self.frontier, self.records) = (vec![], vec![], 0);
        for made in &other.made[..size] {
            self.grow(made.leaf);
            self.made.push(made.clone());
            self.records += u64::from(made.entry[4] == 0);
            self.epoch = u32::from_be_bytes(made.entry[108..112].try_into().unwrap()) + u32::from(made.entry[4] == 3);
        }
        self.signed = size as u64;
    }

    /// Ends the segment; how it is stored is decided later.
    pub(crate) fn roll(&mut self) {
        self.segments.push(Segment { first: self.size(), lines: vec![], form: Form::Plain });
    }

    pub(crate) fn salt(&self, seq: u64) -> [u8; 16] {
        sha256(&[b"salt ", &[self.history], &seq.to_be_bytes(), &self.stream])[..16].try_into().unwrap()
    }

    pub(crate) fn time(seq: u64) -> u64 {
        START_NS + seq * 1_000_000_000
    }

    /// Seals anything.
    pub(crate) fn entry(&mut self, kind: u8, body: &str, about: &About<'_>) -> u64 {
        if self.segments.last().unwrap().lines.is_empty() {
            let header = self.header();
            self.push(header);
        }
        let seq = self.size();
        let (salt, time) = self.given.take().unwrap_or((self.salt(seq), Self::time(seq)));
        let commit = sha256(&[b"CR/1\0", &salt, body.as_bytes()]);
        let mut entry = self.encode(kind, about, time, &commit, body.len());
        if let Some(twist) = self.twist.take() {
            twist(&mut entry);
        }
        let leaf = sha256(&[&[0], &entry]);
        self.grow(leaf);
        self.records += u64::from(kind == 0);
        self.made.push(Made { body: body.to_owned(), salt, entry, leaf });
        let line = self.sealed_line(seq, about.disclosures);
        self.push(line);
        seq
    }

    fn encode(&self, kind: u8, about: &About<'_>, time: u64, commit: &Hash, body_len: usize) -> [u8; 128] {
        let seq = self.size();
        let parts: [&[u8]; 14] = [
            b"SEL1",
            &[kind, about.signal],
            &about.flags.to_be_bytes(),
            &self.stream,
            &seq.to_be_bytes(),
            &time.to_be_bytes(),
            &self.made.last().map_or([0; 32], |made| made.leaf),
            commit,
            &u32::try_from(body_len).unwrap().to_be_bytes(),
            &self.epoch.to_be_bytes(),
            &[about.risk],
            &self.signed.to_be_bytes(),
            &[0; 7],
            &[],
        ];
        parts.concat().try_into().unwrap()
    }

    pub(crate) fn sealed_line(&self, seq: u64, disclosures: &str) -> String {
        let made = &self.made[usize::try_from(seq).unwrap()];
        let open = made.body.strip_suffix('}').unwrap();
        let disclosures =
            if disclosures.is_empty() { String::new() } else { format!(r#""disclosures":{disclosures},"#) };
        let (entry, salt) = (b64(&made.entry), b64(&made.salt));
        let stream = self.stream_text();
        format!(
            r#"{open},"audit.seal":{{{disclosures}"entry":"{entry}","n":{seq},"salt":"{salt}","stream":"{stream}","v":1}}}}"#
        )
    }

    fn grow(&mut self, leaf: Hash) {
        let mut hash = leaf;
        let mut size = self.size();
        while size & 1 == 1 {
            hash = sha256(&[&[1], &self.frontier.pop().unwrap(), &hash]);
            size >>= 1;
        }
        self.frontier.push(hash);
    }

    pub(crate) fn root_hash(&self) -> Hash {
        let mut hashes = self.frontier.iter().rev();
        let Some(last) = hashes.next() else { return sha256(&[]) };
        hashes.fold(*last, |right, left| sha256(&[&[1], left, &right]))
    }

    pub(crate) fn checkpoint_text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size(), b64(&self.root_hash()))
    }

    /// The note of a checkpoint over everything so far.
    pub(crate) fn checkpoint_note(&self, with_root: bool) -> String {
        let mut keys = vec![&self.keys[self.epoch as usize]];
        if with_root {
            keys.push(&self.root);
        }
        note(&self.checkpoint_text(), &keys)
    }

    /// Signs everything so far.
    pub(crate) fn checkpoint(&mut self, with_root: bool) {
        let note = self.checkpoint_note(with_root);
        self.push_checkpoint(&note);
    }

    pub(crate) fn push_checkpoint(&mut self, note: &str) {
        self.push(format!("{{\"audit.checkpoint\":\"{}\"}}", note.replace('\n', "\\n")));
        self.signed = self.size();
    }

    pub(crate) fn push(&mut self, line: String) {
        self.segments.last_mut().unwrap().lines.push(line);
    }

    /// The header of a segment that begins here.
    pub(crate) fn header(&self) -> String {
        self.header_by(&self.keys[self.epoch as usize])
    }

    pub(crate) fn header_by(&self, key: &Key) -> String {
        let frontier: Vec<String> = self.frontier.iter().map(|hash| format!("\"{}\"", b64(hash))).collect();
        let prev_leaf = self.made.last().map_or([0; 32], |made| made.leaf);
        let inner = format!(
            r#"{{"audit.segment":{{"cert":{},"epoch":{},"first":{},"frontier":[{}],"prev_leaf":"{}","records":{},"stream":"{}","v":1,"vkey":"{}"}}"#,
            json_string(&self.certs[self.epoch as usize]),
            self.epoch,
            self.size(),
            frontier.join(","),
            b64(&prev_leaf),
            self.records,
            self.stream_text(),
            self.root.vkey(),
        );
        let signature = key.sign(format!("telseal segment/v1\n{inner}").as_bytes());
        format!("{inner},\"sig\":\"{}\"}}", b64(&signature))
    }

    /// Where the line of an entry is: segment and line, from 0.
    pub(crate) fn place(&self, seq: u64) -> (usize, usize) {
        let needle = format!(",\"n\":{seq},\"salt\":");
        for (s, segment) in self.segments.iter().enumerate() {
            if let Some(l) = segment.lines.iter().position(|line| line.contains(&needle)) {
                return (s, l);
            }
        }
        panic!("no line of entry {seq}")
    }

    pub(crate) fn line(&mut self, seq: u64) -> &mut String {
        let (s, l) = self.place(seq);
        &mut self.segments[s].lines[l]
    }

    /// Replaces a line by its stub.
    pub(crate) fn stub(&mut self, seq: u64) {
        let line = self.line(seq);
        *line = stub_of(line);
    }

    /// Writes the folder.
    #[expect(clippy::disallowed_methods, reason = "a test writes files")]
    pub(crate) fn write(&self, dir: &Path) {
        std::fs::create_dir_all(dir).unwrap();
        for segment in self.segments.iter().filter(|segment| !segment.lines.is_empty()) {
            std::fs::write(dir.join(segment.name()), segment.bytes()).unwrap();
        }
        for (name, bytes) in &self.beside {
            std::fs::write(dir.join(name), bytes).unwrap();
        }
        std::fs::write(dir.join("key.pub"), format!("{}\n", self.root.vkey())).unwrap();
    }
}

/// An erasable attribute: the member as it stands in the line, and its disclosure.
pub(crate) fn erasable(salt: [u8; 16], name: &str, value: &str) -> (String, String) {
    let digest = sha256(&[b"SD/1\0", &salt, format!("{name}:{value}").as_bytes()]);
    (format!("{name}:{{\"$sd\":\"{}\"}}", b64(&digest)), format!("[\"{}\",{name},{value}]", b64(&salt)))
}

/// The inclusion path of RFC 6962 for a leaf.
pub(crate) fn inclusion(leaves: &[Hash], index: usize) -> Vec<Hash> {
    if leaves.len() < 2 {
        return vec![];
    }
    let split = leaves.len().next_power_of_two() / 2;
    let (left, right) = leaves.split_at(split);
    let (mut path, sibling) =
        if index < split { (inclusion(left, index), right) } else { (inclusion(right, index - split), left) };
    path.push(tree(sibling));
    path
}

/// The tree hash of RFC 6962, word by word.
pub(crate) fn tree(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => sha256(&[]),
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
            sha256(&[&[1], &tree(left), &tree(right)])
        }
    }
}
