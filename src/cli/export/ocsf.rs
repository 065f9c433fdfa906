//! OCSF events, one a line: the mapping is in [`crate::otlp::ocsf`].

use super::format::{Exported, Format};
use crate::cli::failed::Result;
use crate::otlp::ocsf::{Event, Seal, write_event};

pub(super) struct Ocsf {
    origin: String,
}

impl Ocsf {
    pub(super) fn new(origin: &str) -> Self {
        Self { origin: origin.to_owned() }
    }
}

impl Format for Ocsf {
    fn record(&mut self, exported: &Exported<'_>, out: &mut Vec<u8>) -> Result<()> {
        let (entry, sealed) = (exported.entry, exported.sealed);
        let stream = entry.stream.to_string();
        let seal = Seal {
            origin: Some(&self.origin),
            stream: &stream,
            seq: entry.seq,
            sealed_at_ns: entry.sealed_at_ns,
            leaf: *exported.leaf,
            prev_leaf: entry.prev_leaf,
            entry: &sealed.entry,
            salt: &sealed.salt,
        };
        let canonical = [sealed.open_body, b"}"].concat();
        let canonical = String::from_utf8_lossy(&canonical);
        write_event(out, &Event { record: exported.record, canonical: &canonical, seal: Some(&seal) });
        out.push(b'\n');
        Ok(())
    }
}
