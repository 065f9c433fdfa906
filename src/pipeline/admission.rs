//! One number bounds the memory of everything under way: bytes are reserved before they are read, and given back
//! when the pipeline has stored them.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::pipeline::Refused;
use crate::stdx::bytesize::ByteSize;

/// How long a sender that met the limit is asked to wait.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The process-wide allowance of bytes under way. Cloning shares it.
#[derive(Debug, Clone)]
pub struct Budget {
    free: Arc<Semaphore>,
    max: usize,
}

/// Bytes held of the budget; dropping it gives them back.
#[derive(Debug)]
pub struct Permit {
    budget: Budget,
    held: Option<OwnedSemaphorePermit>,
}

impl Budget {
    /// An allowance of `max` bytes (at most 4 GiB).
    #[must_use]
    pub fn new(max: ByteSize) -> Self {
        let max = max.as_usize().min(Semaphore::MAX_PERMITS).min(u32::MAX as usize);
        Self { free: Arc::new(Semaphore::new(max)), max }
    }

    /// Takes `bytes`, or says at once that there is no room: a request never waits here with its sender on the line.
    ///
    /// # Errors
    /// [`Refused::Full`] when the allowance is used up for now.
    pub fn reserve(&self, bytes: usize) -> Result<Permit, Refused> {
        let mut permit = Permit { budget: self.clone(), held: None };
        permit.grow_to(bytes)?;
        Ok(permit)
    }

    /// Bytes held by requests under way.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.max.saturating_sub(self.free.available_permits())
    }

    /// The whole allowance.
    #[must_use]
    pub fn max(&self) -> usize {
        self.max
    }
}

impl Permit {
    /// Bytes held.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.held.as_ref().map_or(0, OwnedSemaphorePermit::num_permits)
    }

    /// Takes what is missing to hold `bytes`: a body turned out longer than announced.
    ///
    /// # Errors
    /// [`Refused::Full`] when the allowance is used up for now; what was held stays held.
    pub fn grow_to(&mut self, bytes: usize) -> Result<(), Refused> {
        let Some(more) = bytes.checked_sub(self.bytes()).filter(|more| *more > 0) else { return Ok(()) };
        let more = u32::try_from(more).unwrap_or(u32::MAX);
        let got = Arc::clone(&self.budget.free).try_acquire_many_owned(more).map_err(|_| self.full())?;
        match &mut self.held {
            Some(held) => held.merge(got),
            held => *held = Some(got),
        }
        Ok(())
    }

    fn full(&self) -> Refused {
        Refused::Full {
            retry_after: RETRY_AFTER,
            reason: format!("in_flight_bytes_max of {} is in use", ByteSize(self.budget.max as u64)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Budget;
    use crate::pipeline::Refused;
    use crate::stdx::bytesize::ByteSize;

    #[test]
    fn bytes_are_refused_beyond_the_limit_and_come_back_when_dropped() {
        let budget = Budget::new(ByteSize(100));
        let mut first = budget.reserve(60).expect("room");
        assert!(matches!(budget.reserve(50), Err(Refused::Full { .. })));
        first.grow_to(100).expect("room for the rest");
        assert!(matches!(first.grow_to(101), Err(Refused::Full { .. })));
        assert_eq!(budget.in_flight(), 100);
        drop(first);
        assert_eq!(budget.in_flight(), 0);
        assert!(matches!(budget.reserve(101), Err(Refused::Full { .. })));
    }
}
