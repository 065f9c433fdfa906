//! Has a witness cosign checkpoints while the ledger is written. One thread a witness: one that hangs holds up nobody.
//!
//! What was cosigned is appended to `<ledger>/anchors/<witness>-<hash>-<year>-<month>.checkpoints`, a file like those of anchor
//! folders. It lies beside the ledger, so it proves nothing when both were set back: what counts is the witness's memory, which
//! is asked at every start. A submission reads the ledger's last segment again from where the witness's last checkpoint lies.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use super::publisher::Lane;
use super::{Anchor, Anchored, Rollback};
use crate::ledger::note::VerifyingKey;
use crate::ledger::walk::Folder;
use crate::ledger::witness::{Peer, PeerClient, PeerError, SubmitError, latest_root_signed};
use crate::ledger::writer::LedgerError;
use crate::stdx::durable;

/// The folder of a ledger in which cosigned checkpoints are kept.
const ANCHORS_DIR: &str = "anchors";
/// How long one request to a witness may take: less than the end of a ledger waits for its last checkpoint.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(4);
/// How long the start of a ledger waits for what a witness remembers.
pub(super) const GUARD_WAIT: Duration = Duration::from_secs(5);

/// Why a checkpoint was not cosigned, or not kept.
#[derive(Debug, thiserror::Error)]
enum CosignError {
    #[error(transparent)]
    Peer(#[from] PeerError),
    #[error(transparent)]
    File(#[from] durable::Error),
}

impl From<SubmitError> for CosignError {
    fn from(error: SubmitError) -> Self {
        Self::Peer(error.into())
    }
}

/// The way to a thread, and what its witness remembers against the ledger.
type Started = (Lane, Result<(), Rollback>);

/// What one thread has.
#[derive(Debug)]
struct Cosigner {
    pipeline: String,
    dir: PathBuf,
    root: VerifyingKey,
    name: String,
    client: PeerClient,
    kept: Anchor,
    is_failing: bool,
    is_contradicted: bool,
}

/// Starts a thread for each witness, and asks it about the ledger of `size` entries in `dir`; of a new one there is nothing to
/// ask. A witness that does not answer is named in a warning.
///
/// # Errors
/// When the folder of anchors cannot be used, or the system gives no thread.
pub(super) fn start(
    witnesses: &[Peer],
    (dir, size): (&Path, u64),
    (pipeline, root): (&str, &VerifyingKey),
) -> Result<Vec<Started>, LedgerError> {
    let mut started = Vec::new();
    for peer in witnesses {
        let mut cosigner = Cosigner::new(peer, dir, (pipeline, root))?;
        let (answer, answered) = sync_channel(1);
        let name = cosigner.name.clone();
        let lane = Lane::start("witness", true, move |notes| cosigner.run((size > 0).then_some(answer), &notes))?;
        started.push((lane, name, answered));
    }
    // All were asked at once, so that several that are away cost the time of one.
    let wait = |(lane, name, answered): (Lane, String, Receiver<_>)| {
        let found = if size > 0 { answered.recv_timeout(GUARD_WAIT).ok() } else { Some(Ok(())) };
        (lane, judged(found, pipeline, &name, size))
    };
    Ok(started.into_iter().map(wait).collect())
}

/// Only a contradiction keeps a ledger from starting.
fn judged(found: Option<Result<(), CosignError>>, pipeline: &str, witness: &str, size: u64) -> Result<(), Rollback> {
    let path = PathBuf::from(witness);
    match found {
        Some(Ok(())) => return Ok(()),
        Some(Err(CosignError::Peer(PeerError::Forked { size }))) => return Err(Rollback::Forked { path, size }),
        Some(Err(CosignError::Peer(PeerError::Submit(SubmitError::Truncated { seen, .. })))) => {
            return Err(Rollback::Truncated { path, anchored: seen, found: size });
        }
        Some(Err(error)) => {
            tracing::warn!(pipeline, witness, %error, "cannot ask the witness whether the ledger was set back");
        }
        None => tracing::warn!(pipeline, witness, "the witness does not say in time whether the ledger was set back"),
    }
    Ok(())
}

impl Cosigner {
    fn new(peer: &Peer, dir: &Path, (pipeline, root): (&str, &VerifyingKey)) -> Result<Self, LedgerError> {
        let anchors = dir.join(ANCHORS_DIR);
        durable::create_dir(&anchors)?;
        let client = PeerClient::new(peer, REQUEST_TIMEOUT);
        Ok(Self {
            pipeline: pipeline.to_owned(),
            dir: dir.to_owned(),
            root: root.clone(),
            name: peer.url.to_string(),
            client: client.map_err(|error| LedgerError::Witness(error.to_string()))?,
            kept: Anchor::open(&anchors, peer.key.name())?,
            is_failing: false,
            is_contradicted: false,
        })
    }

    fn run(&mut self, guard: Option<SyncSender<Result<(), CosignError>>>, notes: &Receiver<(String, u64)>) {
        if let Some(guard) = guard {
            let _ = guard.send(self.guard());
        }
        while let Ok((note, now_ns)) = notes.recv() {
            let cosigned = self.cosign(&note, now_ns);
            self.say(cosigned);
        }
    }

    /// Submits what the root key signed last: a witness that remembers something else says so.
    fn guard(&mut self) -> Result<(), CosignError> {
        let folder = Folder::find(&self.dir).map_err(SubmitError::from)?;
        let (checkpoint, note) = latest_root_signed(&folder, &self.root)?;
        self.client.cosign(&folder, &checkpoint, &note)?;
        Ok(())
    }

    fn cosign(&mut self, note: &str, now_ns: u64) -> Result<(), CosignError> {
        let Some(anchored) = Anchored::parse(note) else { return Ok(()) };
        let folder = Folder::find(&self.dir).map_err(SubmitError::from)?;
        let (cosigned, _) = self.client.cosign(&folder, &anchored.checkpoint, note)?;
        Ok(self.kept.publish(&cosigned, now_ns)?)
    }

    #[expect(clippy::cast_precision_loss, reason = "a gauge is a double")]
    fn say(&mut self, cosigned: Result<(), CosignError>) {
        let labels = [("pipeline", self.pipeline.clone()), ("anchor", self.name.clone())];
        let (pipeline, witness) = (&*self.pipeline, &*self.name);
        let Err(error) = cosigned else {
            let size = self.kept.last().map_or(0, |last| last.checkpoint.size);
            metrics::gauge!("telseal_ledger_anchored_entries", &labels).set(size as f64);
            metrics::gauge!("telseal_ledger_witness_contradicts", &labels).set(0.0);
            (self.is_failing, self.is_contradicted) = (false, false);
            return;
        };
        metrics::counter!("telseal_ledger_anchor_failures_total", &labels).increment(1);
        if matches!(&error, CosignError::Peer(error) if error.is_contradiction()) {
            metrics::gauge!("telseal_ledger_witness_contradicts", &labels).set(1.0);
            if !std::mem::replace(&mut self.is_contradicted, true) {
                tracing::error!(pipeline, witness, %error, "the witness remembers another ledger than this one");
            }
        } else if !std::mem::replace(&mut self.is_failing, true) {
            tracing::warn!(pipeline, witness, %error, "the ledger's checkpoints are not cosigned");
        }
    }
}
