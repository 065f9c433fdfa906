//! What a ledger says of the process that writes it: that it started, with what; that it lives; what it knows to be
//! missing.

use super::control::Control;
use super::entry::Kind;
use super::options::{Applied, Named, Options};
use super::writer::{Ledger, LedgerError};
use crate::stdx::json::write_str;
use crate::stdx::segments::Cut;

/// What the pipeline counted since the process started.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counters {
    /// Records that came through the door.
    pub received: u64,
    /// Records sealed.
    pub sealed: u64,
    /// Records given back to their sender.
    pub refused: u64,
    /// Records taken out, by reason, in the order of the reasons.
    pub dropped: Vec<(String, u64)>,
}

/// Records that are known to be missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeclaredGap {
    /// Why.
    pub cause: String,
    /// How many.
    pub count: u64,
    /// Since when, in nanoseconds since 1970.
    pub from_ns: u64,
    /// Until when.
    pub to_ns: u64,
}

/// What the first entries of a run say: that the last one did not end in order, and what is in force now.
pub(super) fn beginning(cuts: &[Cut], was_orderly: bool, options: &Options) -> Vec<Control> {
    let mut controls: Vec<Control> = cuts.iter().map(unclean_start).collect();
    if controls.is_empty() && !was_orderly {
        let nothing = Control::new(Kind::UncleanStart).number("cut_bytes", 0).number("offset", 0);
        controls.push(nothing.text("segment", ""));
    }
    controls.push(config(options, false));
    controls
}

/// What is in force from here on: since the start, or since a reload.
fn config(options: &Options, is_reload: bool) -> Control {
    let mut config = Control::new(Kind::Config)
        .text("binary", concat!("telseal ", env!("CARGO_PKG_VERSION")))
        .text("config", &options.config_digest)
        .number("heartbeat_seconds", options.heartbeat_seconds)
        .json("processors", &list(&options.processors));
    if is_reload {
        config = config.number("reload", 1);
    }
    config.json("rule_sets", &list(&options.rule_sets)).text("rules", &options.rules)
}

impl Ledger {
    /// Says that another configuration is in force from here on.
    ///
    /// # Errors
    /// As [`Ledger::append`].
    pub fn configure(&mut self, applied: Applied) -> Result<(), LedgerError> {
        self.options.apply(applied);
        self.append_control(config(&self.options, true))
    }
}

/// `[{"name":..,"sha256":..},..]`.
fn list(named: &[Named]) -> Vec<u8> {
    let mut out = vec![b'['];
    for (index, Named { name, sha256 }) in named.iter().enumerate() {
        out.extend_from_slice(if index == 0 { b"{\"name\":" } else { b",{\"name\":" });
        write_str(&mut out, name);
        out.extend_from_slice(b",\"sha256\":");
        write_str(&mut out, sha256);
        out.push(b'}');
    }
    out.push(b']');
    out
}

fn unclean_start(cut: &Cut) -> Control {
    let name = cut.path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    Control::new(Kind::UncleanStart).number("cut_bytes", cut.bytes).number("offset", cut.offset).text("segment", &name)
}

pub(super) fn heartbeat(counters: &Counters) -> Control {
    let mut control = Control::new(Kind::Heartbeat);
    // Sorted, as all members are: `dropped.<reason>` before `received`.
    for (reason, count) in &counters.dropped {
        control = control.number(&format!("dropped.{reason}"), *count);
    }
    control.number("received", counters.received).number("refused", counters.refused).number("sealed", counters.sealed)
}

pub(super) fn gap(gap: &DeclaredGap) -> Control {
    Control::new(Kind::Gap)
        .text("cause", &gap.cause)
        .number("count", gap.count)
        .text("from_ns", &gap.from_ns.to_string())
        .text("to_ns", &gap.to_ns.to_string())
}
