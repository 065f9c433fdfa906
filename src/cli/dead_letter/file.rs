//! Dead-letter files: where they lie, and their letters one after the other.

use std::fs;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use super::letter::Letter;
use crate::cli::failed::{Failed, Result};
use crate::cli::redact::input::{self, Line};

/// A dead-letter file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct File {
    pub(super) path: PathBuf,
}

impl File {
    /// Visits its letters until `visit` says false. A line that is no letter is an error, but for a last one that a crash
    /// cut in half.
    pub(super) fn each(&self, mut visit: impl FnMut(Letter) -> Result<bool>) -> Result<()> {
        let failed = |error: &dyn std::fmt::Display| Failed::runtime(format!("{}: {error}", self.path.display()));
        let file = fs::File::open(&self.path).map_err(|error| failed(&error))?;
        let len = file.metadata().map_err(|error| failed(&error))?.len();
        // What is appended meanwhile is for the next time.
        let mut input = BufReader::new(file.take(len));
        let mut number = 0;
        while let Some(line) = input::next(&mut input).map_err(|error| failed(&error))? {
            number += 1;
            let Line::Text(line) = line else { return Err(failed(&format!("line {number} is too long"))) };
            match Letter::read(&line) {
                Ok(letter) => {
                    if !visit(letter)? {
                        return Ok(());
                    }
                }
                Err(_) if line.is_empty() || !line.ends_with('}') => {}
                Err(error) => return Err(failed(&format!("line {number} is no dead letter: {error}"))),
            }
        }
        Ok(())
    }
}

/// The dead-letter files at a path: itself, or those of a pipeline's folder, or of all pipelines of a data directory.
pub(super) fn files(path: &Path) -> Result<Vec<File>> {
    if path.is_file() {
        return Ok(vec![File { path: path.to_owned() }]);
    }
    let mut found = letters_in(&path.join("rejected"))?;
    for folder in entries(path)? {
        found.extend(letters_in(&folder.join("rejected"))?);
    }
    Ok(found)
}

fn letters_in(folder: &Path) -> Result<Vec<File>> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let is_file = |path: &PathBuf| path.extension().is_some_and(|ending| ending == "ndjson");
    Ok(entries(folder)?.into_iter().filter(is_file).map(|path| File { path }).collect())
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let failed = |error: std::io::Error| Failed::runtime(format!("cannot read {}: {error}", folder.display()));
    let entries = fs::read_dir(folder).map_err(failed)?.collect::<std::io::Result<Vec<_>>>().map_err(failed)?;
    let mut paths: Vec<_> = entries.into_iter().map(|entry| entry.path()).collect();
    paths.sort();
    Ok(paths)
}
