//! The `otlp_file` receiver: files that the exporter `file` (or `awss3`, or a Collector's file exporter) has written somewhere else,
//! read in the order of their names, once each.
//!
//! Talks to: the local disk. What a pipeline has stored is noted on disk, with the place in the file, before the next piece is read: after a
//! crash one piece may come twice, none is left out. A pipeline that is full is waited for. A file that cannot be read, or is not
//! what its `.sha256` says, is left alone, said once, and read again when it changes. Files that are still being written (`.part`,
//! `.tmp`) are passed over. Memory: one piece of a file, 2 MiB of whole lines, or one line or request that is longer.

mod positions;
mod source;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use serde::Deserialize;
use tokio::sync::watch;

use super::door::{Door, Meters};
use super::guard::Guard;
use super::otlp::Surroundings;
use super::quota::Limits;
use super::status::{Failure, Kind};
use crate::otlp::Signal;
use crate::stdx::durable;
use crate::stdx::duration::Span;
use crate::stdx::problem::{At, Problems};
use crate::stdx::tasks;
use positions::Positions;
use source::{Piece, Source};

/// How long a full pipeline, or a budget that is used up, is left alone at least.
const FULL_WAIT: Duration = Duration::from_millis(200);

/// Settings of an `otlp_file` receiver.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Files to read: paths whose last part may have `*` in it (`/media/disk/*.ndjson.zst`), or folders, of which every file that ends
    /// in `.ndjson`, `.json` or `.binpb` is read, compressed (`.zst`, `.gz`) or not.
    pub include: Vec<PathBuf>,
    /// How often to look for new files, and for more in those that grow. Default: `1s`.
    pub poll_interval: Span,
    /// Read a file only when its SHA-256 is the one in the file beside it that has `.sha256` behind its name, where there is one.
    /// Default: `true`.
    pub verify_sha256: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self { include: Vec::new(), poll_interval: Span::secs(1), verify_sha256: true }
    }
}

impl Config {
    /// Notes everything that is wrong with these settings.
    pub fn check(&self, at: &At, problems: &mut Problems) {
        if self.include.is_empty() {
            problems.add_hint(at, "needs `include`", "for example `include: [/media/disk/]`");
        }
        for (index, path) in self.include.iter().enumerate() {
            let folder = path.parent().map(|folder| folder.to_string_lossy().into_owned()).unwrap_or_default();
            if path.as_os_str().is_empty() || folder.contains('*') {
                problems.add(&at.key("include").item(index), "must be a path with `*` in its last part only");
            }
        }
        if self.poll_interval == Span::default() {
            problems.add(&at.key("poll_interval"), "must be more than 0");
        }
    }
}

/// The receiver. It reads nothing before it is served.
#[derive(Debug)]
pub struct OtlpFile {
    id: String,
    config: Config,
    positions: Positions,
}

impl OtlpFile {
    /// The receiver `id`, which keeps its place below `data_dir`.
    ///
    /// # Errors
    /// When its folder cannot be used.
    pub fn open(id: &str, config: &Config, data_dir: &Path) -> durable::Result<Self> {
        let dir = data_dir.join("receivers");
        durable::create_dir(&dir)?;
        let positions = Positions::load(dir.join(id.replace('/', "-")))?;
        Ok(Self { id: id.to_owned(), config: config.clone(), positions })
    }

    /// Reads until it is to stop. Holds no route afterwards.
    pub async fn serve(mut self, around: Surroundings) {
        let meters = Meters::new(&self.id, "file");
        let door = Door::new(meters, Guard::new(None, &Limits::default()), 1, around.routes, around.budget);
        let mut stop = around.stop;
        let mut seen = BTreeMap::new();
        while !*stop.borrow() {
            let files = self.config.files();
            for path in files {
                // What did not change since it was read, or refused, needs no second look.
                let state = state_of(&path);
                if *stop.borrow() || seen.get(&path) == Some(&state) {
                    continue;
                }
                match self.read(&door, &path, &stop).await {
                    // It goes on with the next start.
                    Ok(false) => return,
                    Ok(true) => {}
                    Err(error) => {
                        tracing::error!(receiver = self.id, path = %path.display(), error, "this file is left alone");
                    }
                }
                seen.insert(path, state);
            }
            tokio::select! {
                () = tokio::time::sleep(self.config.poll_interval.0) => {}
                _ = stop.wait_for(|stop| *stop) => {}
            }
        }
    }

    /// Reads what is new in a file. False when it was interrupted.
    async fn read(&mut self, door: &Arc<Door>, path: &Path, stop: &watch::Receiver<bool>) -> Result<bool, String> {
        let from = self.positions.of(path);
        let (path, verify) = (path.to_owned(), self.config.verify_sha256);
        let opened = {
            let path = path.clone();
            tasks::blocking(move || Source::open(&path, from, verify)).await
        };
        let Some(mut source) = opened.map_err(|error| error.to_string())?? else { return Ok(true) };
        loop {
            let next = tasks::blocking(move || {
                let piece = source.next();
                (source, piece)
            });
            let piece;
            (source, piece) = next.await.map_err(|error| error.to_string())?;
            let Some(Piece { signal, request, place }) = piece? else { break };
            if !submit(door, signal, request, stop).await? {
                return Ok(false);
            }
            self.positions.set(&path, place).map_err(|error| error.to_string())?;
        }
        if source.began_at() != self.positions.of(&path) {
            tracing::info!(receiver = self.id, path = %path.display(), "file read");
        }
        Ok(true)
    }
}

/// The length of a file and the time of its last change.
fn state_of(path: &Path) -> Option<(u64, SystemTime)> {
    let found = std::fs::metadata(path).ok()?;
    Some((found.len(), found.modified().ok()?))
}

/// Hands a request to the pipelines; waits as long as they are full. False when the receiver is to stop before that.
async fn submit(
    door: &Arc<Door>,
    signal: Signal,
    request: Bytes,
    stop: &watch::Receiver<bool>,
) -> Result<bool, String> {
    // What is stored must be noted: it is not broken off in the middle.
    while !*stop.borrow() {
        let wait = match try_submit(door, signal, request.clone()).await {
            Ok(()) => return Ok(true),
            Err(Failure { kind: Kind::Full | Kind::Closed, retry_after, .. }) => retry_after,
            Err(failure) => return Err(failure.message.into_owned()),
        };
        let _ =
            tokio::time::timeout(wait.unwrap_or_default().max(FULL_WAIT), stop.clone().wait_for(|stop| *stop)).await;
    }
    Ok(false)
}

async fn try_submit(door: &Arc<Door>, signal: Signal, request: Bytes) -> Result<(), Failure> {
    // Nobody has sent it: whoever can put a file there may write.
    let (head, ()) = http::Request::new(()).into_parts();
    let guest = door.enter(signal, &head).await?;
    let mut permit = guest.permit()?;
    permit.grow_to(request.len())?;
    let receipt = guest.submit(request, permit, &head).await?;
    if receipt.rejected > 0 {
        tracing::warn!(records = receipt.rejected, reason = receipt.reason, "records of a file were refused");
    }
    Ok(())
}

impl Config {
    /// The files there are, in the order of their names.
    fn files(&self) -> Vec<PathBuf> {
        let mut found: Vec<PathBuf> = self.include.iter().flat_map(|path| listed(path)).collect();
        found.sort();
        found.dedup();
        found
    }
}

fn listed(path: &Path) -> Vec<PathBuf> {
    if path.is_dir() {
        let files = durable::list(path).unwrap_or_default().into_iter();
        return files.filter(|file| file.is_file() && source::Kind::of(file).is_some()).collect();
    }
    let pattern = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    if !pattern.contains('*') {
        return if path.is_file() { vec![path.to_owned()] } else { Vec::new() };
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let fits = |file: &PathBuf| {
        let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        file.is_file() && source::Kind::of(file).is_some() && is_like(&name, &pattern)
    };
    durable::list(folder).unwrap_or_default().into_iter().filter(fits).collect()
}

/// Whether a name fits a pattern in which `*` stands for anything.
fn is_like(name: &str, pattern: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else { return name == pattern };
    let Some(name) = name.strip_prefix(start) else { return false };
    (0..=name.len()).filter(|at| name.is_char_boundary(*at)).any(|at| is_like(&name[at..], rest))
}

#[cfg(test)]
mod tests {
    use super::is_like;

    #[test]
    fn a_star_stands_for_anything() {
        for (name, pattern, wanted) in [
            ("a.ndjson", "*.ndjson", true),
            ("a.ndjson.zst", "*.ndjson", false),
            ("logs-1.json", "logs*1.*", true),
            ("x", "x", true),
            ("xy", "x", false),
            ("", "*", true),
        ] {
            assert_eq!(is_like(name, pattern), wanted, "{name} {pattern}");
        }
    }
}
