//! OTLP/JSON: one `Export*ServiceRequest` a line, as the collector's file exporter writes them. The seal of a record is
//! among its attributes (`audit.sequence.*`, `audit.seal.*`); metrics have no place for it.

use super::format::{Exported, Format};
use crate::cli::Exit;
use crate::cli::failed::{Failed, Result};
use crate::otlp::line::{reveal, to_otlp};
use crate::otlp::{Signal, json};

/// A request is written when its lines have so many bytes, or are so many.
const REQUEST_BYTES: usize = 1 << 20;
const REQUEST_RECORDS: usize = 1000;

#[derive(Default)]
pub(super) struct Otlp {
    signal: Option<Signal>,
    lines: Vec<u8>,
    count: usize,
}

impl Format for Otlp {
    fn record(&mut self, exported: &Exported<'_>, out: &mut Vec<u8>) -> Result<()> {
        let signal = exported
            .record
            .signal()
            .ok_or_else(|| Failed::new(Exit::Runtime, format!("entry {}: of no signal", exported.entry.seq)))?;
        let is_full = self.lines.len() >= REQUEST_BYTES || self.count >= REQUEST_RECORDS;
        if is_full || self.signal != Some(signal) {
            self.end(out)?;
        }
        self.signal = Some(signal);
        self.lines.extend_from_slice(exported.sealed.line);
        self.lines.push(b'\n');
        self.count += 1;
        Ok(())
    }

    fn end(&mut self, out: &mut Vec<u8>) -> Result<()> {
        let Some(signal) = self.signal.take() else { return Ok(()) };
        let broken = |error| Failed::new(Exit::Runtime, format!("cannot write the records as OTLP: {error}"));
        let lines = reveal(&self.lines).map_err(broken)?;
        let request = to_otlp(signal, &lines).map_err(broken)?;
        json::from_protobuf(signal, &request, out).map_err(broken)?;
        out.push(b'\n');
        self.lines.clear();
        self.count = 0;
        Ok(())
    }
}
