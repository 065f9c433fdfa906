//! `telseal validate`: every problem of a configuration, each with its place; nothing is opened or bound.

use std::path::Path;

use crate::cli::{Exit, load, say};

pub(super) fn validate(path: &Path) -> Exit {
    match load(path) {
        Ok(_) => {
            say(format!("{}: ok\n", path.display()));
            Exit::Ok
        }
        Err(exit) => exit,
    }
}
