//! `telseal prove`: one entry with all that proves it, small enough for a mail.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::cli::body_keys::{BodyKeys, bodiless};
use crate::cli::failed::{Failed, Result};
use crate::cli::{Exit, complain, failed, say};
use crate::ledger::prove::{Proof, ProveError, prove as make, prove_against};
use crate::ledger::walk::Folder;
use crate::stdx::durable::{self, Mode};

/// Far more than a checkpoint with many cosignatures.
const ANCHOR_BYTES_MAX: u64 = 64 << 10;

/// The options of `telseal prove`.
#[derive(Debug, Args)]
pub(super) struct ProveArgs {
    /// A sealed pipeline's folder, or a data directory with one, or one segment file
    path: PathBuf,
    /// The number of the entry: `n` in its seal
    #[arg(long, value_name = "N")]
    seq: u64,
    /// Prove it against this checkpoint, such as one that `telseal anchor` had cosigned; default: the first one that covers the
    /// entry and that the root key signed
    #[arg(long, value_name = "FILE")]
    anchor: Option<PathBuf>,
    /// The file to write, by custom `*.tlog-proof`; without it, standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Put the record's canonical line into the proof; without it the line must be handed over beside it
    #[arg(long)]
    with_line: bool,
    #[command(flatten)]
    bodies: BodyKeys,
}

pub(super) fn prove(args: &ProveArgs) -> Exit {
    failed::end(run(args))
}

fn run(args: &ProveArgs) -> Result<Exit> {
    let folder = Folder::find(&args.path)?.with_keys(args.bodies.read()?);
    let proof = match &args.anchor {
        None => make(&folder, args.seq)?,
        Some(path) => prove_against(&folder, args.seq, &read_anchor(path)?)?,
    };
    let has_line = proof.line.is_some();
    let proof = if args.with_line { proof } else { Proof { line: None, ..proof } };
    let text = proof.to_string();
    let Some(out) = &args.out else {
        say(text);
        return Ok(Exit::Ok);
    };
    durable::write_atomic(out, text.as_bytes(), Mode::Private)?;
    let line = match (has_line, args.with_line) {
        (false, _) => format!("{}; the proof shows that the entry was there", bodiless(&folder, args.seq)?),
        (true, true) => "in the proof".to_owned(),
        (true, false) => {
            "not in the proof: hand over the sealed line, or what `telseal bytes --line` prints, beside it".to_owned()
        }
    };
    complain(format!(
        "proved entry {}\n  proof       {}, {} bytes\n  line        {line}\n",
        args.seq,
        out.display(),
        text.len()
    ));
    Ok(Exit::Ok)
}

fn read_anchor(path: &Path) -> Result<String> {
    let bytes = durable::read(path, ANCHOR_BYTES_MAX)?;
    let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    text.ok_or_else(|| Failed::usage(format!("--anchor {}: there is no checkpoint", path.display())))
}

impl From<ProveError> for Failed {
    fn from(error: ProveError) -> Self {
        match error {
            ProveError::Walk(error) => error.into(),
            ProveError::Absent(_) => Self::inconclusive(error.to_string()),
            ProveError::Broken { .. } => Self::violation(error.to_string()),
        }
    }
}
