//! The names of a file: while it is written, and once it is whole.

use std::path::{Path, PathBuf};

use crate::stdx::durable::{self, Error};
use crate::stdx::{calendar, clock};

/// Where files of one series are.
#[derive(Debug)]
pub(super) struct Place {
    folder: PathBuf,
    stem: String,
    extension: String,
}

impl Place {
    /// A series of files in a folder.
    pub(super) fn in_folder(folder: &Path, stem: &str, extension: &str) -> Self {
        Self { folder: folder.to_owned(), stem: stem.to_owned(), extension: extension.to_owned() }
    }

    /// A series with the stem and extension of a path; where it has none, the extension is `extension`.
    pub(super) fn named(path: &Path, extension: &str) -> Self {
        let text = |part: Option<&std::ffi::OsStr>| part.map(|part| part.to_string_lossy().into_owned());
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let stem = text(path.file_stem()).unwrap_or_default();
        Self::in_folder(folder, &stem, &text(path.extension()).unwrap_or_else(|| extension.to_owned()))
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The file that is being written.
    pub(super) fn part(&self) -> PathBuf {
        self.folder.join(format!("{}.{}.part", self.stem, self.extension))
    }

    /// A name that no file has yet: the time of its end.
    pub(super) fn next(&self) -> durable::Result<PathBuf> {
        let mut unix_millis = clock::unix_nanos() / 1_000_000;
        loop {
            let moment = calendar::compact(unix_millis);
            let path = self.folder.join(format!("{}-{moment}.{}", self.stem, self.extension));
            let is_taken = |end: &str| {
                let path = super::handover::with_end(&path, end);
                path.try_exists().map_err(|cause| Error::new("look for", &path, cause))
            };
            if !is_taken("")? && !is_taken(".zst")? && !is_taken(".gz")? {
                return Ok(path);
            }
            unix_millis += 1;
        }
    }

    /// The whole files of the series, oldest first.
    pub(super) fn finished(&self) -> durable::Result<Vec<PathBuf>> {
        let mut found = durable::list(&self.folder)?;
        found.retain(|path| path.file_name().is_some_and(|name| self.is_finished(&name.to_string_lossy())));
        Ok(found)
    }

    /// Closed files that are not compressed, oldest first.
    pub(super) fn plain(&self) -> durable::Result<Vec<PathBuf>> {
        let mut found = self.finished()?;
        found.retain(|path| path.to_string_lossy().ends_with(&format!(".{}", self.extension)));
        Ok(found)
    }

    /// Strict, because what it finds may be removed.
    fn is_finished(&self, name: &str) -> bool {
        let name = name.strip_suffix(".zst").or_else(|| name.strip_suffix(".gz")).unwrap_or(name);
        let moment = name
            .strip_prefix(&self.stem)
            .and_then(|rest| rest.strip_prefix('-'))
            .and_then(|rest| rest.strip_suffix(&self.extension))
            .and_then(|rest| rest.strip_suffix('.'));
        let digits =
            |moment: &str| moment.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect::<String>();
        moment.is_some_and(|moment| digits(moment) == "00000000T000000.000Z")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_configured_path() {
        let place = Place::named(Path::new("out/audit.log.ndjson"), "json");
        assert_eq!(place.part(), Path::new("out/audit.log.ndjson.part"));
        let next = place.next().unwrap();
        let name = next.file_name().unwrap().to_string_lossy();
        assert!(name.starts_with("audit.log-2") && name.ends_with("Z.ndjson"), "{name}");
        assert!(place.is_finished(&name));
        assert_eq!(Place::named(Path::new("audit"), "json").part(), Path::new("./audit.json.part"));
    }

    #[test]
    fn only_files_of_the_series_are_its_own() {
        let place = Place::in_folder(Path::new("out"), "logs", "json");
        assert!(place.is_finished("logs-20260131T101500.123Z.json"));
        assert!(place.is_finished("logs-20260131T101500.123Z.json.zst"));
        assert!(!place.is_finished("logs-20260131T101500.123Z.json.zst.sha256"));
        for name in
            ["logs.json.part", "logs-mine.json", "logs-20260131T101500.123Z.ndjson", "alogs-20260131T101500.123Z.json"]
        {
            assert!(!place.is_finished(name), "{name}");
        }
    }
}
