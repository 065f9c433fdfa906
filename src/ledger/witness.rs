//! A C2SP witness (`tlog-witness`): it cosigns a ledger's checkpoint when that continues the last one it cosigned.
//!
//! So two states of a ledger that contradict each other cannot both be cosigned, and a ledger that was cut off or rolled
//! back is found by whoever asks a witness. For each ledger one file is kept, `<SHA-256 of the origin>.checkpoint`; it is on
//! disk before the answer goes out. A checkpoint of the same size with another root is kept beside it as `.conflict`: it
//! is the proof that somebody signed two histories. Trusted are root keys, so what is submitted must be signed by one.

mod submit;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

pub use self::submit::{Request, SubmitError, cosigned, latest_root_signed, request};
use super::cosign::cosign;
use super::hash::sha256;
use super::note::{Checkpoint, Note, SigningKey, Verdict, VerifyingKey};
use super::proof::is_consistent;
use super::scan::{base64_exact, decimal};
use crate::stdx::durable::{self, Error, Mode};

/// The largest request: a proof has at most 63 hashes, the rest is signatures.
pub const REQUEST_BYTES_MAX: usize = 64 << 10;

/// The most lines of a consistency proof.
const PROOF_LINES_MAX: usize = 63;

/// What a body of a 409 is.
const SIZE: &str = "text/x.tlog.size";
const TEXT: &str = "text/plain; charset=utf-8";

/// What is answered to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The type of the body.
    pub content_type: &'static str,
    /// The body.
    pub body: String,
}

/// A witness with its key, the ledgers it knows, and what it has seen of them.
#[derive(Debug)]
pub struct Witness {
    key: SigningKey,
    logs: BTreeMap<String, Vec<VerifyingKey>>,
    dir: PathBuf,
    /// Comparing with what was cosigned and writing it down is one step.
    turn: Mutex<()>,
}

/// A request, taken apart.
struct Submitted<'a> {
    old: u64,
    proof: Vec<[u8; 32]>,
    note: Note<'a>,
    origin: &'a str,
    checkpoint: Checkpoint,
}

impl Witness {
    /// A witness that keeps what it has seen in `dir`, which is made where it is missing.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn new(key: SigningKey, logs: Vec<VerifyingKey>, dir: &Path) -> durable::Result<Self> {
        durable::create_dir(dir)?;
        let mut by_origin: BTreeMap<String, Vec<VerifyingKey>> = BTreeMap::new();
        for log in logs {
            by_origin.entry(log.origin().to_owned()).or_default().push(log);
        }
        Ok(Self { key, logs: by_origin, dir: dir.to_owned(), turn: Mutex::new(()) })
    }

    /// Answers `POST /add-checkpoint` at this time, in seconds since 1970.
    pub fn add_checkpoint(&self, body: &str, now_seconds: u64) -> Reply {
        self.try_add(body, now_seconds).unwrap_or_else(|reply| reply)
    }

    fn try_add(&self, body: &str, now_seconds: u64) -> Result<Reply, Reply> {
        let submitted = Submitted::parse(body).ok_or_else(|| reply(400, "not an add-checkpoint request"))?;
        let keys = self.logs.get(submitted.origin).ok_or_else(|| reply(404, "this log is not known here"))?;
        if !keys.iter().any(|key| submitted.note.verdict(key) == Verdict::Signed) {
            return Err(reply(403, "no signature of a known key of this log"));
        }
        if submitted.old > submitted.checkpoint.size {
            return Err(reply(400, "the old size is larger than the checkpoint's"));
        }
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        self.check(&submitted)?;
        let failed = |_| reply(500, "the checkpoint could not be written down");
        let text = submitted.note.text;
        let line = cosign(&self.key, text, now_seconds).ok_or_else(|| reply(500, "the key cannot sign"))?;
        let kept = format!("{text}\n{}", signatures(body));
        durable::write_atomic(&self.path(submitted.origin, "checkpoint"), kept.as_bytes(), Mode::Shared)
            .map_err(failed)?;
        Ok(Reply { status: 200, content_type: TEXT, body: line })
    }

    /// Compares with what was cosigned last.
    fn check(&self, submitted: &Submitted<'_>) -> Result<(), Reply> {
        let last = self.last(submitted.origin).map_err(|_| reply(500, "what was seen before cannot be read"))?;
        let known = last.map_or(0, |checkpoint| checkpoint.size);
        let stale = || Reply { status: 409, content_type: SIZE, body: format!("{known}\n") };
        if submitted.old != known {
            return Err(stale());
        }
        let Some(last) = last else {
            return if submitted.proof.is_empty() { Ok(()) } else { Err(reply(422, "a proof from nothing is empty")) };
        };
        let now = &submitted.checkpoint;
        if last.size == now.size && last.root != now.root {
            self.keep_conflict(submitted);
            return Err(stale());
        }
        if is_consistent((last.size, &last.root), (now.size, &now.root), &submitted.proof) {
            return Ok(());
        }
        Err(reply(422, "the consistency proof does not hold"))
    }

    /// Two signed histories: the first one that was found is kept. That it is refused does not depend on it.
    fn keep_conflict(&self, submitted: &Submitted<'_>) {
        let path = self.path(submitted.origin, "conflict");
        let signed = submitted.note.signatures.iter().map(|signature| signature.name).collect::<Vec<_>>().join(" ");
        let text = format!("{}\nsigned by: {signed}\n", submitted.note.text);
        if let Err(error) = durable::create_new(&path, text.as_bytes(), Mode::Shared) {
            tracing::warn!(%error, "a conflicting checkpoint is not kept");
        }
        tracing::error!(origin = submitted.origin, size = submitted.checkpoint.size, "this log signed two histories");
    }

    /// What was cosigned last for a log.
    ///
    /// # Errors
    /// When the disk refuses, or the file is damaged.
    pub fn last(&self, origin: &str) -> durable::Result<Option<Checkpoint>> {
        let path = self.path(origin, "checkpoint");
        let Some(bytes) = durable::read(&path, REQUEST_BYTES_MAX as u64)? else { return Ok(None) };
        let text = String::from_utf8(bytes).ok();
        let note = text.as_deref().and_then(Note::parse);
        let found = note.and_then(|note| Checkpoint::parse(note.text)).filter(|(found, _)| *found == origin);
        found
            .map(|(_, checkpoint)| Some(checkpoint))
            .ok_or_else(|| Error::content("use", &path, "not the checkpoint of this log"))
    }

    fn path(&self, origin: &str, extension: &str) -> PathBuf {
        let name: String = sha256(origin.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
        self.dir.join(format!("{name}.{extension}"))
    }
}

impl<'a> Submitted<'a> {
    fn parse(body: &'a str) -> Option<Self> {
        let (head, note) = body.split_once("\n\n")?;
        let mut lines = head.split('\n');
        let old = decimal(lines.next()?.strip_prefix("old ")?.as_bytes())?;
        let proof: Vec<[u8; 32]> =
            lines.take(PROOF_LINES_MAX + 1).map(|line| base64_exact(line.as_bytes())).collect::<Option<_>>()?;
        let note = Note::parse(note)?;
        let (origin, checkpoint) = Checkpoint::parse(note.text)?;
        (proof.len() <= PROOF_LINES_MAX).then_some(Self { old, proof, note, origin, checkpoint })
    }
}

/// The signature lines of a request.
fn signatures(body: &str) -> &str {
    body.rsplit_once("\n\n").map_or("", |(_, lines)| lines)
}

fn reply(status: u16, what: &str) -> Reply {
    Reply { status, content_type: TEXT, body: format!("{what}\n") }
}

#[cfg(test)]
mod tests;
