//! The pipeline under bad destinations, bad disks, bad ends: whatever happens, every record that was acknowledged is
//! delivered, still stored, or counted under a reason.
//!
//! Destinations are scripted and in this process; time is virtual where only the delivery loops are looked at.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test says what it expects by failing, and damages files on purpose"
)]

#[path = "pipeline/books.rs"]
mod books;
#[path = "pipeline/delivery.rs"]
mod delivery;
#[path = "pipeline/disk.rs"]
mod disk;
#[path = "pipeline/memory.rs"]
mod memory;
#[path = "pipeline/reload.rs"]
mod reload;
#[path = "pipeline/rig.rs"]
mod rig;
#[path = "pipeline/rolling.rs"]
mod rolling;
#[path = "pipeline/sequencer.rs"]
mod sequencer;
#[path = "pipeline/shutdown.rs"]
mod shutdown;
#[path = "pipeline/simulation.rs"]
mod simulation;
