//! Where processors, logs and exporters meet. Receivers see [`Intake`], [`Receipt`] and [`Refused`] of it, no more.

pub mod account;
pub mod admission;
pub mod chain;
mod checkpoints;
pub mod cursor;
pub mod delivery;
mod exports;
pub mod lens;
mod lull;
mod open;
pub mod recent;
pub mod rejected;
mod sealer;
mod sequencer;
mod sessions;
pub mod store;
mod ticks;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use thiserror::Error;

pub use admission::{Budget, Permit};
pub use open::{OpenError, Pipeline, Settings};

use crate::otlp::Signal;
use crate::otlp::sender::Sender;

/// One OTLP request on its way into a pipeline.
#[derive(Debug)]
pub struct Request {
    /// Which message `body` is.
    pub signal: Signal,
    /// The `Export*ServiceRequest` in protobuf, decompressed.
    pub body: Bytes,
    /// How many records it holds, as [`crate::otlp::count`] says; never 0.
    pub records: u64,
    /// The bytes it holds of the process-wide budget; given back when the pipeline has stored it.
    pub permit: Permit,
    /// What is known of who sent it, as far as the pipeline's processors ask.
    pub sender: Sender,
}

/// Exists only after the records are stored as the pipeline's `ack` promises.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Receipt {
    /// Records that were refused one by one while the rest was taken: OTLP's `partial_success`.
    pub rejected: u64,
    /// Why, for the sender's operator.
    pub reason: Option<String>,
}

/// Why a pipeline did not take a request. Maps one to one to gRPC codes and HTTP statuses in `receiver`.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Refused {
    /// No room now: the sender keeps the data and comes back after `retry_after`.
    #[error("full: {reason}")]
    Full {
        /// When to come back.
        retry_after: Duration,
        /// Which limit was met.
        reason: String,
    },
    /// The bytes are not what they claim to be; sending them again will not help.
    #[error("{reason}")]
    Invalid {
        /// What is wrong with them.
        reason: String,
    },
    /// The pipeline is shutting down; the sender should try elsewhere or later.
    #[error("shutting down")]
    Closed,
}

/// The future an intake answers with.
pub type Submitting<'a> = Pin<Box<dyn Future<Output = Result<Receipt, Refused>> + Send + 'a>>;

/// What stands behind an [`Intake`]: a pipeline, or a test.
pub trait Submit: Send + Sync + 'static {
    /// Takes the request through processors and storage. Resolves when the pipeline's `ack` level is reached.
    fn submit(&self, request: Request) -> Submitting<'_>;
}

/// The door of a pipeline. Cloning is cheap; when the last clone is gone the pipeline drains.
#[derive(Clone)]
pub struct Intake(Arc<dyn Submit>);

impl Intake {
    /// A door to `behind`.
    #[must_use]
    pub fn new(behind: impl Submit) -> Self {
        Self(Arc::new(behind))
    }

    /// Takes the request through processors and storage.
    ///
    /// # Errors
    /// [`Refused`] says whether to come back. Nothing of a refused request was stored.
    pub async fn submit(&self, request: Request) -> Result<Receipt, Refused> {
        self.0.submit(request).await
    }
}

impl std::fmt::Debug for Intake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Intake")
    }
}
