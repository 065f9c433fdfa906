//! The file beside an export: what was exported, and what proves it.

use aws_lc_rs::digest::{Context, SHA256};

use crate::cli::select::Select;
use crate::stdx::json::{write_str, write_u64};

/// A running SHA-256.
#[derive(Clone)]
pub(super) struct Digest(Context);

impl Default for Digest {
    fn default() -> Self {
        Self(Context::new(&SHA256))
    }
}

impl Digest {
    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// As `sha256sum` prints it.
    pub(super) fn hex(self) -> String {
        self.0.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// What there is to say about an export.
pub(super) struct Facts<'a> {
    pub(super) checkpoint: &'a str,
    pub(super) count: u64,
    pub(super) bodiless: u64,
    pub(super) first: Option<u64>,
    pub(super) last: Option<u64>,
    pub(super) format: &'a str,
    pub(super) select: &'a Select,
    pub(super) sha256: &'a str,
    pub(super) stream: &'a str,
    pub(super) vkey: &'a str,
}

/// One JSON object, its members in the order of their names, and a line end.
pub(super) fn render(facts: &Facts<'_>) -> Vec<u8> {
    let mut out = Vec::with_capacity(1024);
    number(&mut out, b"{\"bodies_absent\":", facts.bodiless);
    text(&mut out, b",\"checkpoint\":", facts.checkpoint);
    number(&mut out, b",\"count\":", facts.count);
    for (name, seq) in [(&b",\"first\":"[..], facts.first), (b",\"last\":", facts.last)] {
        if let Some(seq) = seq {
            number(&mut out, name, seq);
        }
    }
    text(&mut out, b",\"format\":", facts.format);
    out.extend_from_slice(b",\"selection\":");
    out.extend_from_slice(&facts.select.to_json());
    text(&mut out, b",\"sha256\":", facts.sha256);
    text(&mut out, b",\"stream\":", facts.stream);
    text(&mut out, b",\"telseal\":", env!("CARGO_PKG_VERSION"));
    number(&mut out, b",\"v\":", 1);
    text(&mut out, b",\"vkey\":", facts.vkey);
    out.extend_from_slice(b"}\n");
    out
}

fn number(out: &mut Vec<u8>, name: &[u8], value: u64) {
    out.extend_from_slice(name);
    write_u64(out, value);
}

fn text(out: &mut Vec<u8>, name: &[u8], value: &str) {
    out.extend_from_slice(name);
    write_str(out, value);
}
