//! Why an offline command did not do what was asked: the exit code and the sentence.

use crate::cli::{Exit, complain};
use crate::ledger::VerifyError;
use crate::ledger::replay::ReplayError;
use crate::ledger::walk::WalkError;
use crate::stdx::durable;

/// The end of a command that failed.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) exit: Exit,
    pub(super) message: String,
}

pub(super) type Result<T> = std::result::Result<T, Failed>;

impl Failed {
    pub(super) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into() }
    }

    /// The command line is wrong.
    pub(super) fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// A file or a destination failed.
    pub(super) fn runtime(message: impl Into<String>) -> Self {
        Self::new(Exit::Runtime, message)
    }

    /// What was looked at is not what was sealed.
    pub(super) fn violation(message: impl Into<String>) -> Self {
        Self::new(Exit::Integrity, message)
    }

    /// Nothing can be said.
    pub(super) fn inconclusive(message: impl Into<String>) -> Self {
        Self::new(Exit::Inconclusive, format!("cannot conclude: {}", message.into()))
    }
}

/// Says why, if there is something to say, and gives the exit code.
pub(super) fn end(result: Result<Exit>) -> Exit {
    match result {
        Ok(exit) => exit,
        Err(failed) => {
            complain(format!("telseal: {}\n", failed.message));
            failed.exit
        }
    }
}

impl From<durable::Error> for Failed {
    fn from(error: durable::Error) -> Self {
        Self::new(Exit::Runtime, error.to_string())
    }
}

impl From<WalkError> for Failed {
    fn from(error: WalkError) -> Self {
        match &error {
            WalkError::File(_) => Self::new(Exit::Runtime, error.to_string()),
            WalkError::NoLedger(_) => Self::inconclusive(error.to_string()),
            WalkError::Several { .. } => Self::usage(error.to_string()),
            WalkError::Malformed { .. } => Self::violation(error.to_string()),
        }
    }
}

impl From<VerifyError> for Failed {
    fn from(error: VerifyError) -> Self {
        let exit = match &error {
            VerifyError::Violation(_) => Exit::Integrity,
            VerifyError::Inconclusive(_) | VerifyError::Doubt(_) => Exit::Inconclusive,
            VerifyError::File(_) => Exit::Runtime,
        };
        Self::new(exit, error.to_string())
    }
}

impl<E: Into<Failed>> From<ReplayError<E>> for Failed {
    fn from(error: ReplayError<E>) -> Self {
        match error {
            ReplayError::Walk(error) => error.into(),
            ReplayError::Changed { .. } => Self::violation(error.to_string()),
            ReplayError::Visit(error) => error.into(),
        }
    }
}
