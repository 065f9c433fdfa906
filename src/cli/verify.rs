//! `telseal verify`: what a ledger proves, or the first thing that is wrong with it.
//!
//! The report goes to standard output. What is wrong, and why nothing can be said, goes to standard error; the exit code
//! tells these apart.

use std::path::Path;

use crate::cli::key::read_key;
use crate::cli::{Exit, complain, say};
use crate::ledger::{VerifyError, VerifyOptions, verify as check};

pub(super) fn verify(path: &Path, key: Option<&str>) -> Exit {
    let key = match key.map(read_key).transpose() {
        Ok(key) => key,
        Err(failed) => return end(failed.exit, &failed.message),
    };
    match check(path, &VerifyOptions { key }) {
        Ok(report) => {
            say(report.to_string());
            Exit::Ok
        }
        Err(error) => end(exit_of(&error), &error.to_string()),
    }
}

fn end(exit: Exit, message: &str) -> Exit {
    complain(format!("telseal: {message}\n"));
    exit
}

const fn exit_of(error: &VerifyError) -> Exit {
    match error {
        VerifyError::Violation(_) => Exit::Integrity,
        VerifyError::Inconclusive(_) | VerifyError::Doubt(_) => Exit::Inconclusive,
        VerifyError::File(_) => Exit::Runtime,
    }
}
