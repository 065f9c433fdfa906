//! Writes what passes to telseal's own event output (target `telseal::debug`), for the first look at a new pipeline.
//!
//! It takes everything and keeps nothing. Records are shown only when asked for, since they may be personal.

use std::sync::Arc;

use serde::Deserialize;
use tracing::info;

use crate::exporter::{ExportError, Exporter, Payload};
use crate::stdx::problem::{At, Problems};

/// Settings of a `debug` exporter.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// `basic`: one line a payload, with its counts. `normal`: also the beginning of each record. `detailed`: also
    /// each record in full. Default: `basic`.
    pub verbosity: Verbosity,
    /// How many records of one payload are shown. Default: `100`.
    pub records_max: usize,
}

/// How much is shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verbosity {
    /// Counts.
    #[default]
    Basic,
    /// Counts and the beginning of each record.
    Normal,
    /// Counts and each record.
    Detailed,
}

impl Default for Config {
    fn default() -> Self {
        Self { verbosity: Verbosity::Basic, records_max: 100 }
    }
}

impl Config {
    /// Nothing can be wrong with these settings by themselves.
    pub fn check(&self, _: &At, _: &mut Problems) {}
}

/// How much of a record `normal` shows.
const BEGINNING_CHARS: usize = 256;

/// The exporter.
#[derive(Debug)]
pub struct Debug {
    id: Arc<str>,
    config: Config,
}

impl Debug {
    /// An exporter with these settings, named `id` in what it writes.
    #[must_use]
    pub fn new(id: &str, config: &Config) -> Self {
        Self { id: id.into(), config: config.clone() }
    }

    fn show_records(&self, payload: &Payload) {
        let lines = match payload.to_lines() {
            Ok(lines) => lines,
            Err(error) => {
                return info!(target: "telseal::debug", exporter = %self.id, %error, "records cannot be shown");
            }
        };
        let mut lines = lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        for line in lines.by_ref().take(self.config.records_max) {
            let record = String::from_utf8_lossy(line);
            let end = match self.config.verbosity {
                Verbosity::Detailed => record.len(),
                _ => record.char_indices().nth(BEGINNING_CHARS).map_or(record.len(), |(at, _)| at),
            };
            info!(target: "telseal::debug", exporter = %self.id, record = &record[..end], "record");
        }
        let hidden = lines.count();
        if hidden > 0 {
            info!(target: "telseal::debug", exporter = %self.id, hidden, "more records than records_max");
        }
    }
}

impl Exporter for Debug {
    async fn export(&self, payload: &Payload) -> Result<(), ExportError> {
        info!(
            target: "telseal::debug",
            exporter = %self.id,
            signal = payload.signal().name(),
            records = payload.records(),
            bytes = payload.bytes_len(),
            sealed = payload.lines().is_some(),
            "payload"
        );
        if self.config.verbosity != Verbosity::Basic {
            self.show_records(payload);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::Mutex;

    use super::*;
    use crate::otlp::Signal;

    /// What the subscriber of this test has written.
    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn shown(verbosity: Verbosity, records_max: usize) -> Vec<String> {
        let written = Written::default();
        let writer = written.clone();
        let subscriber =
            tracing_subscriber::fmt().without_time().with_ansi(false).with_writer(move || writer.clone()).finish();
        let lines = format!("{}\n{{\"second\":1}}\n", "x".repeat(1000));
        let payload = Payload::from_lines(Signal::Logs, lines.into(), 2);
        let exporter = Debug::new("debug/mine", &Config { verbosity, records_max });
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        tracing::subscriber::with_default(subscriber, || runtime.block_on(exporter.export(&payload))).unwrap();
        let bytes = written.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap().lines().map(str::to_owned).collect()
    }

    #[test]
    fn basic_shows_counts_and_no_record() {
        let lines = shown(Verbosity::Basic, 100);
        assert_eq!(lines.len(), 1);
        for part in ["debug/mine", "logs", "records=2", "bytes=1014", "sealed=true"] {
            assert!(lines[0].contains(part), "{lines:?}");
        }
        assert!(!lines[0].contains("xx"));
    }

    #[test]
    fn normal_shows_beginnings_and_detailed_everything() {
        let normal = shown(Verbosity::Normal, 100);
        assert_eq!(normal.len(), 3);
        assert!(normal[1].contains(&"x".repeat(256)) && !normal[1].contains(&"x".repeat(257)));
        let detailed = shown(Verbosity::Detailed, 1);
        assert!(detailed[1].contains(&"x".repeat(1000)));
        assert!(detailed[2].contains("hidden=1") && detailed.len() == 3, "{detailed:?}");
    }
}
