//! The sealed lines, byte by byte: the exact copy.

use super::format::{Exported, Format};
use crate::cli::failed::Result;

pub(super) struct Ndjson;

impl Format for Ndjson {
    fn record(&mut self, record: &Exported<'_>, out: &mut Vec<u8>) -> Result<()> {
        out.extend_from_slice(record.sealed.line);
        out.push(b'\n');
        Ok(())
    }
}
