//! `telseal retain`: old bodies go by a signed order, and everything still verifies.

use std::collections::BTreeSet;

use clap::Args;

use crate::cli::failed::Result;
use crate::cli::target::{Target, TargetArgs};
use crate::cli::{Exit, failed, say};
use crate::ledger::retain::{Done, Plan, Retention, exporters};
use crate::stdx::clock::unix_nanos;
use crate::stdx::duration::Span;

/// The options of `telseal retain`.
#[derive(Debug, Args)]
pub(super) struct RetainArgs {
    #[command(flatten)]
    target: TargetArgs,
    /// Whole closed segments whose last entry was sealed longer ago than this, such as `2557d` (7 years)
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    older_than: Span,
    /// The policy that asks for it; sealed with the order
    #[arg(long, value_name = "TEXT", default_value = "")]
    policy: String,
    /// The ticket that it was decided in; sealed with the order
    #[arg(long, value_name = "TEXT", default_value = "")]
    ticket: String,
    /// Say what would go, and write nothing
    #[arg(long)]
    dry_run: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

fn duration(text: &str) -> std::result::Result<Span, String> {
    Span::parse(text).ok_or_else(|| "expected a duration such as `90d` or `2557d`".to_owned())
}

pub(super) fn retain(args: &RetainArgs) -> Exit {
    failed::end(run(args))
}

fn run(args: &RetainArgs) -> Result<Exit> {
    let target = args.target.open(&BTreeSet::new())?;
    let age_ns = u64::try_from(args.older_than.0.as_nanos()).unwrap_or(u64::MAX);
    let request = Retention {
        before_ns: unix_nanos().saturating_sub(age_ns),
        actor: args.target.actor.clone(),
        policy: args.policy.clone(),
        ticket: args.ticket.clone(),
    };
    let places = exporters(&target.dir)?;
    let passed = places.iter().map(|(_, place)| place.map_or(0, |place| place.record)).min();
    let plan = request.plan(&target.survey, passed)?;
    let done = if args.dry_run || plan.drafts.is_empty() { Done::default() } else { target.execute(&plan.drafts)? };
    say(if args.json { json(&plan, done, args.dry_run) } else { report(&target, &plan, done, args.dry_run) });
    Ok(Exit::Ok)
}

fn report(target: &Target, plan: &Plan, done: Done, is_dry: bool) -> String {
    use std::fmt::Write;
    let mut out = format!("retention of {}\n", target.dir.display());
    let verb = if is_dry { "would lose" } else { "lost" };
    let _ = match (plan.segments.first(), plan.segments.last()) {
        (Some((first, _)), Some((_, last))) => writeln!(
            out,
            "  segments    {} {verb} their bodies, between entries {first} and {last}\n  records     {}\n  freed       {} bytes",
            plan.segments.len(),
            plan.records,
            done.freed_bytes
        ),
        _ => writeln!(out, "  segments    none is due"),
    };
    for (first, last, hold) in &plan.held {
        let _ = writeln!(out, "  kept        entries {first} to {last}: the hold {hold}");
    }
    for (first, last) in &plan.needed {
        let _ = writeln!(out, "  kept        entries {first} to {last}: an exporter has not passed them");
    }
    out
}

fn json(plan: &Plan, done: Done, is_dry: bool) -> String {
    let ranges = |ranges: &[(u64, u64)]| {
        let ranges: Vec<String> = ranges.iter().map(|(first, last)| format!("[{first},{last}]")).collect();
        ranges.join(",")
    };
    let held: Vec<(u64, u64)> = plan.held.iter().map(|(first, last, _)| (*first, *last)).collect();
    format!(
        "{{\"dry_run\":{is_dry},\"freed_bytes\":{},\"held\":[{}],\"needed\":[{}],\"records\":{},\"segments\":[{}]}}\n",
        done.freed_bytes,
        ranges(&held),
        ranges(&plan.needed),
        plan.records,
        ranges(&plan.segments)
    )
}
