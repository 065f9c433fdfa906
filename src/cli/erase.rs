//! `telseal erase`: records, or single fields of them, go by a signed order; everything still verifies.

use clap::Args;

use crate::cli::failed::Result;
use crate::cli::target::TargetArgs;
use crate::cli::{Exit, failed, say};
use crate::ledger::retain::{Erasure, copies};

/// The options of `telseal erase`.
#[derive(Debug, Args)]
pub(super) struct EraseArgs {
    #[command(flatten)]
    target: TargetArgs,
    /// The records: `n` in their seals, separated by commas; at most 10000
    #[arg(long, value_name = "N,..", value_delimiter = ',', required = true)]
    seq: Vec<u64>,
    /// Erase only these attributes, separated by commas; they must have been sealed as `erasable`
    #[arg(long, value_name = "NAME,..", value_delimiter = ',')]
    fields: Vec<String>,
    /// On whose request; sealed with the order
    #[arg(long, value_name = "TEXT")]
    request: String,
    /// By which law or contract; sealed with the order
    #[arg(long, value_name = "TEXT")]
    basis: String,
    /// Say what would go, and who may hold copies, and write nothing
    #[arg(long)]
    dry_run: bool,
}

pub(super) fn erase(args: &EraseArgs) -> Exit {
    failed::end(run(args))
}

fn run(args: &EraseArgs) -> Result<Exit> {
    let erasure = Erasure {
        seqs: args.seq.iter().copied().collect(),
        fields: args.fields.clone(),
        actor: args.target.actor.clone(),
        basis: args.basis.clone(),
        request: args.request.clone(),
    };
    let target = args.target.open(&erasure.seqs)?;
    let draft = erasure.draft(&target.survey)?;
    let copies = copies(&target.dir, &target.survey)?;
    let mut out = if args.dry_run {
        format!("would erase from {} records of {}\n", erasure.seqs.len(), target.dir.display())
    } else {
        let done = target.execute(&[draft])?;
        format!("erased {} records and {} fields in {}\n", done.records, done.fields, target.dir.display())
    };
    for (name, count) in &copies {
        out.push_str(&format!("  copies      the destination of exporter {name} got {count} of these records\n"));
    }
    out.push_str("  copies      backups and exports of this ledger, if there are any\n");
    say(out);
    Ok(Exit::Ok)
}
