//! The other side: what a ledger sends to a witness, and what it does with the answer.

use super::super::cosign::WitnessKey;
use super::super::note::{Checkpoint, Note, Verdict, VerifyingKey};
use super::super::proof::{Collect, Plan};
use super::super::walk::{Folder, Item, WalkError, leaf};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Why nothing could be submitted, or an answer not be taken.
#[derive(Debug, thiserror::Error)]
pub enum SubmitError {
    /// The ledger could not be read.
    #[error(transparent)]
    Walk(#[from] WalkError),
    /// The ledger has no checkpoint that its root key signed.
    #[error("the root key signed no checkpoint of this ledger")]
    NoCheckpoint,
    /// The witness has seen more than there is.
    #[error("truncated: the witness has seen {seen} entries, the last checkpoint of the root key here covers {size}")]
    Truncated {
        /// What the witness has seen.
        seen: u64,
        /// What is here.
        size: u64,
    },
    /// A part of the ledger that the proof needs is not here.
    #[error("the entries from {0} on that the proof needs are not here")]
    Pruned(u64),
    /// The answer has no cosignature of this witness.
    #[error("the answer has no valid cosignature of {0}")]
    NoCosignature(String),
}

/// The newest checkpoint that the root key signed, and its note.
///
/// # Errors
/// When the ledger cannot be read, or has none.
pub fn latest_root_signed(folder: &Folder, root: &VerifyingKey) -> Result<(Checkpoint, String), SubmitError> {
    for segment in folder.segments.iter().rev() {
        let mut reader = folder.open(&segment.path)?;
        let mut found = None;
        while let Some(item) = reader.next_item()? {
            let Item::Checkpoint(note) = item else { continue };
            let checkpoint = Note::parse(&note)
                .filter(|note| note.verdict(root) == Verdict::Signed)
                .and_then(|note| Checkpoint::parse(note.text))
                .map(|(_, checkpoint)| checkpoint);
            found = checkpoint.map(|checkpoint| (checkpoint, note)).or(found);
        }
        if let Some(found) = found {
            return Ok(found);
        }
    }
    Err(SubmitError::NoCheckpoint)
}

/// What is posted to `add-checkpoint`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The body.
    pub body: String,
}

/// The request for a checkpoint, to a witness that has seen `old` entries.
///
/// # Errors
/// When the witness has seen more, or the ledger does not have what the proof needs.
pub fn request(folder: &Folder, old: u64, checkpoint: &Checkpoint, note: &str) -> Result<Request, SubmitError> {
    let truncated = || SubmitError::Truncated { seen: old, size: checkpoint.size };
    let plan = Plan::consistency(old, checkpoint.size).ok_or_else(truncated)?;
    let mut lines = String::new();
    if old > 0 && old < checkpoint.size {
        for hash in consistency(folder, old, checkpoint.size, &plan)? {
            lines += &STANDARD.encode(hash);
            lines.push('\n');
        }
    }
    Ok(Request { body: format!("old {old}\n{lines}\n{note}") })
}

/// One pass from the segment that holds the last of the old entries on.
fn consistency(folder: &Folder, old: u64, size: u64, plan: &Plan) -> Result<Vec<[u8; 32]>, SubmitError> {
    let segments = folder.from(old - 1);
    let first = segments.first().ok_or(SubmitError::Pruned(old - 1))?;
    let frontier = folder.open(&first.path)?.header()?.frontier;
    if frontier.size() >= old {
        return Err(SubmitError::Pruned(old - 1));
    }
    let mut collect = Collect::new(&frontier, plan.nodes());
    'all: for segment in segments {
        let mut reader = folder.open(&segment.path)?;
        while let Some(item) = reader.next_item()? {
            if collect.size() >= size {
                break 'all;
            }
            if let Some(entry) = item.entry() {
                collect.push(leaf(entry));
            }
        }
    }
    plan.hashes(|node| collect.root_of(node).ok_or(SubmitError::Pruned(old - 1)))
}

/// The checkpoint with the cosignatures of an answer, when one of them is of this witness and fits; and its time, in seconds
/// since 1970.
///
/// # Errors
/// [`SubmitError::NoCosignature`] otherwise.
pub fn cosigned(note: &str, answer: &str, witness: &WitnessKey) -> Result<(String, u64), SubmitError> {
    let refused = || SubmitError::NoCosignature(witness.name().to_owned());
    let joined = format!("{note}{answer}");
    let parsed = Note::parse(&joined).ok_or_else(refused)?;
    let seconds = witness.cosigned_at(&parsed).ok_or_else(refused)?;
    Ok((joined, seconds))
}
