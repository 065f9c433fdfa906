//! What a processor is: a pure, synchronous function over an opened batch.
//!
//! A processor does no input or output and cannot wait, so every request runs its chain on its own task, in parallel
//! with all others; order is decided later, by the sequencer.

mod condition;
pub mod enrich;
pub mod filter;
pub mod matching;
pub mod redact;
pub mod redaction;
pub mod risk;
pub mod scalar;
pub mod seal;

use crate::otlp::DecodeError;
use crate::otlp::model::Batch;

/// One step of a pipeline.
pub trait Processor: Send + Sync + 'static {
    /// Edits the batch in place. Text it adds may borrow from the processor's own configuration.
    ///
    /// # Errors
    /// When the bytes are not what they claim to be: the whole request is refused, nothing of it is stored.
    fn process<'a>(&'a self, batch: &mut Batch<'a>) -> Result<Outcome, DecodeError>;
}

impl<P: Processor> Processor for std::sync::Arc<P> {
    fn process<'a>(&'a self, batch: &mut Batch<'a>) -> Result<Outcome, DecodeError> {
        (**self).process(batch)
    }
}

/// What a processor did to a batch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Records it changed.
    pub changed: u64,
    /// Records it added.
    pub added: u64,
    /// Records it took out, by reason.
    pub dropped: Vec<(&'static str, u64)>,
}
