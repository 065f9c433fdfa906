//! A ledger's way to one witness: submits a checkpoint, sends the consistency proof that is asked for, checks the cosignature.
//!
//! It blocks, so it belongs on a thread of its own, and must not be used on a thread that runs async tasks. What a witness
//! answers without a cosignature is not signed: over plain HTTP somebody on the way can claim a larger size.

use std::time::Duration;

use super::submit::{SubmitError, cosigned, request};
use crate::http::client::{Address, Answer, Client, Options, Route, Tls};
use crate::ledger::cosign::WitnessKey;
use crate::ledger::note::Checkpoint;
use crate::ledger::walk::Folder;

/// How often a witness may answer that it has seen another size: others submit checkpoints of the same ledger meanwhile.
const ROUNDS_MAX: u32 = 4;

/// A witness, as a ledger knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Where it is: `/add-checkpoint` below this address is called.
    pub url: Address,
    /// The key with which it cosigns.
    pub key: WitnessKey,
}

/// Why a witness did not cosign.
#[derive(Debug, thiserror::Error)]
pub enum PeerError {
    /// The way to it cannot be set up.
    #[error("{0}")]
    Setup(String),
    /// No whole answer came.
    #[error("{0}")]
    NoAnswer(String),
    /// It is no witness of this ledger, or it failed.
    #[error("the witness answered {status}: {what}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// What that means here.
        what: String,
    },
    /// The ledger has not what is to be sent, the witness has seen more of it, or the cosignature does not fit.
    #[error(transparent)]
    Submit(#[from] SubmitError),
    /// The witness has seen something else.
    #[error("forked: the witness has seen another history of this ledger than the one of {size} entries that is here")]
    Forked {
        /// How large the ledger is that does not continue what was seen.
        size: u64,
    },
}

/// The connection to one witness, and what it has seen as far as is known.
#[derive(Debug)]
pub struct PeerClient {
    client: Client,
    route: Route,
    runtime: tokio::runtime::Runtime,
    key: WitnessKey,
    seen: u64,
}

impl PeerClient {
    /// The way to this witness; each request may take `timeout`. Opens no connection.
    ///
    /// # Errors
    /// [`PeerError::Setup`] when the address is none or the system gives no TLS or timer.
    pub fn new(peer: &Peer, timeout: Duration) -> Result<Self, PeerError> {
        let failed = |error: &dyn std::error::Error| PeerError::Setup(error.to_string());
        let address = Address::new(format!("{}/add-checkpoint", peer.url.reveal().trim_end_matches('/')));
        let url = address.url().ok_or_else(|| PeerError::Setup(format!("`{}` is no address", peer.url)))?;
        let (tls, direct) = (Tls::default(), Address::default());
        let options = Options { url: &url, tls: &tls, proxy_url: &direct, timeout, http2_only: false, keepalive: None };
        let client = Client::new(&options).map_err(|error| failed(&error))?;
        let fixed = [("content-type", "text/plain; charset=utf-8")];
        let route = Route::new(url.clone(), &tls, &fixed, &Default::default()).map_err(|error| failed(&error))?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        Ok(Self { client, route, runtime: runtime.map_err(|error| failed(&error))?, key: peer.key.clone(), seen: 0 })
    }

    /// Has a checkpoint cosigned, which the root key must have signed. The answer is the note with the cosignature, and its
    /// time in seconds since 1970.
    ///
    /// # Errors
    /// When it does not come about; [`PeerError::is_contradiction`] tells whether the witness remembers something else.
    pub fn cosign(&mut self, folder: &Folder, checkpoint: &Checkpoint, note: &str) -> Result<(String, u64), PeerError> {
        for _ in 0..ROUNDS_MAX {
            let body = request(folder, self.seen, checkpoint, note)?.body;
            let sent = self.runtime.block_on(self.client.post(&self.route, body));
            let answer = sent.map_err(|error| PeerError::NoAnswer(error.to_string()))?;
            if answer.status != 409 {
                let done = cosigned(note, &accepted(&answer, checkpoint)?, &self.key)?;
                self.seen = checkpoint.size;
                return Ok(done);
            }
            self.seen = self.other_size(&answer, checkpoint)?;
        }
        Err(PeerError::Refused { status: 409, what: "it has seen another size each time it was asked".to_owned() })
    }

    /// The size that a witness says it has seen, when the ledger can continue from there.
    fn other_size(&self, answer: &Answer, checkpoint: &Checkpoint) -> Result<u64, PeerError> {
        let text = std::str::from_utf8(&answer.body).ok().and_then(|text| text.trim_end().parse().ok());
        let no_size = || PeerError::Refused { status: 409, what: "without a size".to_owned() };
        let seen: u64 = text.ok_or_else(no_size)?;
        if seen > checkpoint.size {
            return Err(SubmitError::Truncated { seen, size: checkpoint.size }.into());
        }
        // It was told this very size, and refuses all the same.
        if seen == self.seen { Err(PeerError::Forked { size: checkpoint.size }) } else { Ok(seen) }
    }
}

/// The body of a good answer.
fn accepted(answer: &Answer, checkpoint: &Checkpoint) -> Result<String, PeerError> {
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    let what = match answer.status {
        200 => return Ok(text),
        422 => return Err(PeerError::Forked { size: checkpoint.size }),
        404 => "it does not know this ledger: give it the root key with --log".to_owned(),
        403 => "it knows this ledger under another root key".to_owned(),
        _ => text.lines().next().unwrap_or_default().chars().take(200).collect(),
    };
    Err(PeerError::Refused { status: answer.status, what })
}

impl PeerError {
    /// True when the witness remembers more than there is, or something else: the ledger was cut off, set back or
    /// rewritten.
    #[must_use]
    pub fn is_contradiction(&self) -> bool {
        matches!(self, Self::Forked { .. } | Self::Submit(SubmitError::Truncated { .. }))
    }
}
