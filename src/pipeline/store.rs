//! The three kinds of log behind one interface: a ring in memory, a spool on disk, a sealed ledger on disk.

use std::path::Path;
use std::sync::Arc;

use crate::exporter::Payload;
use crate::ledger::{self, Ledger, LedgerReader};
use crate::otlp::Signal;
use crate::pipeline::chain::Processed;
use crate::pipeline::cursor::Cursors;
use crate::pipeline::open::Settings;
use crate::pipeline::sequencer::Sequencer;
use crate::pipeline::Refused;
use crate::spool::disk::{Spool, SpoolReader};
use crate::spool::memory::{Memory, MemoryReader};
use crate::stdx::segments::Position;
use crate::stdx::tasks;
