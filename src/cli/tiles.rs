//! `telseal tiles`: the ledger's tree as a C2SP transparency log that any web server can serve.

use std::path::PathBuf;

use clap::Args;

use crate::cli::failed::{Failed, Result};
use crate::cli::{Exit, complain, failed};
use crate::ledger::tiles::{Tiles, TilesError};
use crate::ledger::walk::Folder;

/// The options of `telseal tiles`.
#[derive(Debug, Args)]
pub(super) struct TilesArgs {
    /// A sealed pipeline's folder, or a data directory with one
    path: PathBuf,
    /// Where to write `checkpoint` and `tile/`. Default: into the ledger's folder
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Write the bundles of entries as well (130 bytes an entry), which monitors and `fsck` of other tools read
    #[arg(long)]
    entries: bool,
}

pub(super) fn tiles(args: &TilesArgs) -> Exit {
    failed::end(run(args))
}

fn run(args: &TilesArgs) -> Result<Exit> {
    let folder = Folder::find(&args.path)?;
    let out = args.out.as_ref().unwrap_or(&folder.dir);
    let indexed = Tiles::open(out)?.update(&folder, args.entries)?;
    complain(format!("tiles for {} entries in {}, {} of them new\n", indexed.size, out.display(), indexed.added));
    Ok(Exit::Ok)
}

impl From<TilesError> for Failed {
    fn from(error: TilesError) -> Self {
        match error {
            TilesError::Walk(error) => error.into(),
            TilesError::File(error) => error.into(),
            TilesError::NoCheckpoint => Self::inconclusive(error.to_string()),
            TilesError::Foreign { .. } => Self::violation(error.to_string()),
        }
    }
}
