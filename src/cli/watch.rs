//! `telseal watch`: follows a ledger while it is written, and says at once when something is wrong with it.
//!
//! A line for each advance goes to standard output, alarms to standard error. The first thing that is wrong ends it with exit
//! code 4; that nothing can be concluded, or a silence, is said once and the watch goes on, unless it was to look only once.

use std::path::PathBuf;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::Args;

use crate::cli::body_keys::BodyKeys;
use crate::cli::failed::{Failed, Result};
use crate::cli::key::read_key;
use crate::cli::{Exit, complain, failed, moment, say};
use crate::ledger::verify::{Follow, LedgerReport};
use crate::ledger::walk::Folder;
use crate::ledger::{Anchor, VerifyError, VerifyOptions};
use crate::stdx::clock::unix_nanos;
use crate::stdx::duration::Span;

/// After how many times the ledger's own interval of heartbeats without an entry a silence is no delay any more.
const HEARTBEATS_MISSED: u64 = 3;

/// What `--help` says first.
pub(super) const ABOUT: &str = "\
Follow a ledger while it is written, and raise an alarm when something is wrong

Verifies the whole ledger first, then what is new: each look must come out at a tree that contains the one seen before, so \
what is cut off, rewritten or set back while it is watched is found, also when the ledger that is there then is whole in \
itself. Prints a line for each advance. Says so when the ledger has been silent for three of its heartbeats without having \
ended in order.

Exit codes: 4 the files are not what was sealed, which ends the watch. With --once: 0 verified, 6 silent or cannot \
conclude; 1 the disk refused; 2 usage.";

/// The options of `telseal watch`.
#[derive(Debug, Args)]
pub(super) struct WatchArgs {
    /// A data directory with one sealed pipeline, a pipeline's folder, or a ledger's folder
    path: PathBuf,
    /// How often to look
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = interval)]
    interval: Span,
    /// A file with checkpoints of the ledger that are kept elsewhere; it may grow while it is watched (repeatable)
    #[arg(long, value_name = "FILE")]
    anchor: Vec<PathBuf>,
    /// Trust only this root key: the verifier key text, as in `key.pub`, or a file that holds it
    #[arg(long, value_name = "VKEY|FILE")]
    key: Option<String>,
    #[command(flatten)]
    bodies: BodyKeys,
    /// Look once, and end
    #[arg(long)]
    once: bool,
}

fn interval(text: &str) -> std::result::Result<Span, String> {
    let span = Span::parse(text).filter(|span| !span.0.is_zero());
    span.ok_or_else(|| "expected a duration such as `5s` or `1m`".to_owned())
}

pub(super) fn watch(args: &WatchArgs) -> Exit {
    failed::end(run(args))
}

fn run(args: &WatchArgs) -> Result<Exit> {
    let key = args.key.as_deref().map(read_key).transpose()?;
    let folder = Folder::find(&args.path)?;
    if folder.is_one_file {
        return Err(Failed::usage("a folder can be watched, not one segment: use `telseal verify`"));
    }
    let keyring = args.bodies.read()?;
    let options = VerifyOptions { key, keyring, may_be_locked: true, ..VerifyOptions::default() };
    let mut follow = Follow::new(&folder.dir, options);
    let mut said = String::new();
    loop {
        let alarm = look(args, &mut follow)?;
        if let Some(alarm) = alarm.as_ref().filter(|alarm| **alarm != said) {
            complain(format!("telseal: {alarm}\n"));
        }
        if args.once {
            return Ok(if alarm.is_some() { Exit::Inconclusive } else { Exit::Ok });
        }
        said = alarm.unwrap_or_default();
        std::thread::sleep(args.interval.0);
    }
}

/// One look. What is said of it, when that is no reason to end.
fn look(args: &WatchArgs, follow: &mut Follow) -> Result<Option<String>> {
    let mut anchors = Vec::new();
    for path in &args.anchor {
        anchors.extend(Anchor::read(path)?);
    }
    match follow.look(&anchors) {
        Ok(true) => follow.seen().into_iter().for_each(|seen| say(advance(seen))),
        Ok(false) => {}
        Err(error @ (VerifyError::Inconclusive(_) | VerifyError::Doubt(_))) => return Ok(Some(error.to_string())),
        Err(error) => return Err(error.into()),
    }
    let locked = |seen: &LedgerReport| {
        (seen.bodies_locked > 0)
            .then(|| "bodies are encrypted and are not opened: only their entries are watched".to_owned())
    };
    Ok(follow.seen().and_then(|seen| silence(seen, unix_nanos()).or_else(|| locked(seen))))
}

fn advance(seen: &LedgerReport) -> String {
    let (at, head) = (moment::text(seen.last_sealed_at_ns), STANDARD.encode(seen.root));
    let ended = if seen.is_ended { " (the run ended in order)" } else { "" };
    format!("{at} {} entries, head {head}{ended}\n", seen.size)
}

/// A ledger that did not end, and says nothing, though it said how often it would.
fn silence(seen: &LedgerReport, now_ns: u64) -> Option<String> {
    let limit = Duration::from_secs(seen.heartbeat_seconds?.saturating_mul(HEARTBEATS_MISSED));
    let silent = Duration::from_nanos(now_ns.saturating_sub(seen.last_sealed_at_ns));
    // Without the time itself: it is said once a silence.
    (!seen.is_ended && silent > limit).then(|| {
        format!(
            "stale: no entry since {}, though a heartbeat is due every {} s: nobody writes, or what was written is not here",
            moment::text(seen.last_sealed_at_ns),
            seen.heartbeat_seconds.unwrap_or_default()
        )
    })
}
