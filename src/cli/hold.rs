//! `telseal hold`: records that must not be deleted, until that is released.

use std::collections::BTreeSet;

use clap::Args;

use crate::cli::failed::{Failed, Result};
use crate::cli::target::TargetArgs;
use crate::cli::{Exit, failed, say};
use crate::ledger::retain;

/// The options of `telseal hold`. Without any, the holds in force are listed.
#[derive(Debug, Args)]
pub(super) struct HoldArgs {
    #[command(flatten)]
    target: TargetArgs,
    /// The first entry that must stay: `n` in its seal
    #[arg(long, value_name = "N", requires = "last")]
    first: Option<u64>,
    /// The last entry that must stay; it may lie in the future
    #[arg(long, value_name = "N", requires = "first")]
    last: Option<u64>,
    /// Why; sealed with the order
    #[arg(long, value_name = "TEXT", requires = "first")]
    reason: Option<String>,
    /// The name of the hold. Default: `hold-<number of the order's entry>`, or near it
    #[arg(long, requires = "first")]
    id: Option<String>,
    /// End the hold of this name
    #[arg(long, value_name = "ID", conflicts_with = "first")]
    release: Option<String>,
}

pub(super) fn hold(args: &HoldArgs) -> Exit {
    failed::end(run(args))
}

fn run(args: &HoldArgs) -> Result<Exit> {
    let target = args.target.open(&BTreeSet::new())?;
    let actor = args.target.actor.as_str();
    if let Some(id) = &args.release {
        target.execute(&[retain::release(&target.survey, id, actor)?])?;
        say(format!("released {id}: its records may be deleted by later orders\n"));
        return Ok(Exit::Ok);
    }
    let (Some(first), Some(last)) = (args.first, args.last) else {
        let holds = target.survey.holds();
        let lines = holds.iter().map(|(id, first, last)| format!("{id}  entries {first} to {last}\n"));
        say(if holds.is_empty() { "no hold is in force\n".to_owned() } else { lines.collect() });
        return Ok(Exit::Ok);
    };
    let reason = args.reason.as_deref().ok_or_else(|| Failed::usage("a hold needs its --reason"))?;
    let id = args.id.clone().unwrap_or_else(|| format!("hold-{}", target.survey.size()));
    target.execute(&[retain::hold(&target.survey, &id, (first, last), actor, reason)?])?;
    say(format!("hold {id}: entries {first} to {last} must stay; end it with --release {id}\n"));
    Ok(Exit::Ok)
}
