//! What processors need of the world and may not fetch themselves: what detectors find, and the lookup tables, which are
//! looked at again while the service runs.
//!
//! At start a table that cannot be read is an error. Later the old version stays in force, which a warning and a metric
//! say. To replace a file, write another one beside it and rename: a half-written file may read as a short table.

use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

use metrics::{counter, gauge};
use tracing::{info, warn};

use crate::config::Id;
use crate::processor::enrich::{self, Findings, Live, Lookup, Table};
use crate::service::{StartError, detect};
use crate::stdx::tasks::blocking;

/// Finds out what the processor `id` asks for, and what of that is to be looked at again.
pub(super) fn find(id: &Id, enrich: &enrich::Config) -> Result<(Findings, Vec<Reload>), StartError> {
    let (mut tables, mut reloads) = (Vec::new(), Vec::new());
    for (index, lookup) in enrich.lookups.iter().enumerate() {
        let (table, stamp) = read(lookup).map_err(|error| {
            let path = lookup.file.display();
            StartError(format!("processors.{id}.lookups[{index}].file: cannot use {path}: {error}"))
        })?;
        publish(lookup, &table);
        let live = Arc::new(Live::new(table));
        tables.push(Arc::clone(&live));
        if !lookup.reload_interval.0.is_zero() {
            reloads.push(Reload { lookup: lookup.clone(), live, stamp });
        }
    }
    Ok((Findings { detected: detect::detect(enrich), tables }, reloads))
}

/// What tells one version of a file from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    modified: (i64, i64),
    changed: (i64, i64),
    len: u64,
    inode: (u64, u64),
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        Self {
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
            len: metadata.len(),
            inode: (metadata.dev(), metadata.ino()),
        }
    }

    fn at(path: &Path) -> Option<Self> {
        fs::metadata(path).ok().map(|metadata| Self::of(&metadata))
    }
}

/// The table as the file has it now.
fn read(lookup: &Lookup) -> Result<(Table, Stamp), String> {
    let content = || -> io::Result<(Vec<u8>, Stamp)> {
        let file = File::open(&lookup.file)?;
        let stamp = Stamp::of(&file.metadata()?);
        let mut content = Vec::new();
        file.take(lookup.bytes_max.0.saturating_add(1)).read_to_end(&mut content)?;
        Ok((content, stamp))
    };
    let (content, stamp) = content().map_err(|error| error.to_string())?;
    Ok((lookup.read(&content).map_err(|error| error.to_string())?, stamp))
}

#[expect(clippy::cast_precision_loss, reason = "a gauge is a double")]
fn publish(lookup: &Lookup, table: &Table) {
    gauge!("telseal_enrich_table_rows", "table" => lookup.file.display().to_string()).set(table.len() as f64);
}

/// A table that is looked at again.
pub(super) struct Reload {
    lookup: Lookup,
    live: Arc<Live>,
    stamp: Stamp,
}

impl Reload {
    /// Looks at the file for ever.
    pub(super) async fn run(mut self) {
        loop {
            tokio::time::sleep(self.lookup.reload_interval.0).await;
            match blocking(move || self.again()).await {
                Ok(reload) => self = reload,
                Err(_) => return,
            }
        }
    }

    /// Takes the new version, if there is one. One that cannot be used is reported once.
    fn again(mut self) -> Self {
        let Some(stamp) = Stamp::at(&self.lookup.file) else {
            // A file that is being replaced may be missing for a moment, and one that is gone is reported once.
            if self.stamp.len != u64::MAX {
                self.stamp.len = u64::MAX;
                self.failed("there is no such file, or its folder cannot be read");
            }
            return self;
        };
        if stamp == self.stamp {
            return self;
        }
        match read(&self.lookup) {
            Ok((table, stamp)) => self.taken(table, stamp),
            Err(error) => {
                self.stamp = stamp;
                self.failed(&error);
            }
        }
        self
    }

    fn taken(&mut self, table: Table, stamp: Stamp) {
        info!(file = %self.lookup.file.display(), rows = table.len(), "lookup table reloaded");
        publish(&self.lookup, &table);
        self.count("ok");
        self.live.swap(table);
        self.stamp = stamp;
    }

    fn failed(&self, error: &str) {
        warn!(file = %self.lookup.file.display(), error, "lookup table cannot be reloaded, the old one stays in force");
        self.count("failed");
    }

    fn count(&self, result: &'static str) {
        let table = self.lookup.file.display().to_string();
        counter!("telseal_enrich_table_reloads_total", "table" => table, "result" => result).increment(1);
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn lookup(content: &str) -> (tempfile::TempDir, Lookup) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("teams.csv");
        put(&file, content);
        (folder, Lookup { file, key: "user".into(), ..Lookup::default() })
    }

    #[expect(clippy::disallowed_methods, reason = "a test's file")]
    fn put(file: &Path, content: &str) {
        let new = file.with_extension("new");
        fs::write(&new, content).unwrap();
        fs::rename(new, file).unwrap();
    }

    fn reload(lookup: &Lookup) -> Reload {
        let (table, stamp) = read(lookup).unwrap();
        Reload { lookup: lookup.clone(), live: Arc::new(Live::new(table)), stamp }
    }

    #[test]
    fn a_changed_file_is_taken_and_an_unchanged_one_is_not_read() {
        let (_folder, lookup) = lookup("user,team\na,x\n");
        let mut reload = reload(&lookup).again();
        let before = reload.live.current();
        reload = reload.again();
        assert!(Arc::ptr_eq(&before, &reload.live.current()));
        put(&lookup.file, "user,team\na,x\nb,y\n");
        assert_eq!(reload.again().live.current().len(), 2);
    }

    #[test]
    fn a_broken_or_missing_file_leaves_the_old_table_in_force() {
        let (_folder, lookup) = lookup("user,team\na,x\n");
        let mut reload = reload(&lookup);
        put(&lookup.file, "user,team\na\n");
        reload = reload.again();
        assert_eq!(reload.live.current().len(), 1);
        #[expect(clippy::disallowed_methods, reason = "a test's file")]
        fs::remove_file(&lookup.file).unwrap();
        reload = reload.again();
        assert_eq!(reload.live.current().len(), 1);
        put(&lookup.file, "user,team\na,x\nb,y\nc,z\n");
        assert_eq!(reload.again().live.current().len(), 3);
    }

    #[test]
    fn a_file_that_is_too_large_is_not_read_to_its_end() {
        let (_folder, mut lookup) = lookup("user,team\na,x\n");
        lookup.bytes_max = crate::stdx::bytesize::ByteSize(8);
        assert!(read(&lookup).unwrap_err().starts_with("larger than bytes_max"));
    }
}
