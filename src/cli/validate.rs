//! `telseal validate`: every problem of a configuration, each with its place; nothing is opened or bound.

use std::path::Path;

use crate::cli::{Exit, complain, say};
use crate::config;

pub(super) fn validate(path: &Path) -> Exit {
    match config::load(path) {
        Ok(_) => {
            say(format!("{}: ok\n", path.display()));
            Exit::Ok
        }
        Err(problems) => {
            complain(config::render(&path.display().to_string(), &problems));
            Exit::Config
        }
    }
}
