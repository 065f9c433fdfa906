//! `telseal anchor`: has a witness cosign the ledger's newest checkpoint, and keeps the cosigned one beside the ledger.
//!
//! A witness that has seen more than the ledger has, or something else, is proof that the ledger was cut off, rolled back or
//! rewritten: exit code 4. The checkpoint that is kept is an anchor for `telseal verify --anchor`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::cli::failed::{Failed, Result};
use crate::cli::key::read_key;
use crate::cli::{Exit, complain, failed, moment};
use crate::http::client::Address;
use crate::ledger::cosign::WitnessKey;
use crate::ledger::keys::read_public_key;
use crate::ledger::note::VerifyingKey;
use crate::ledger::walk::{Folder, root_key_of};
use crate::ledger::witness::{Peer, PeerClient, PeerError, SubmitError, latest_root_signed};
use crate::stdx::durable::{self, Mode};

/// How long a witness may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The folder of a ledger in which anchors are kept.
const ANCHORS_DIR: &str = "anchors";

/// The options of `telseal anchor`.
#[derive(Debug, Args)]
pub(super) struct AnchorArgs {
    /// A sealed pipeline's folder, or a data directory with one
    path: PathBuf,
    /// The witness: `/add-checkpoint` below this address is called
    #[arg(long, value_name = "URL")]
    witness: String,
    /// The witness's key, as `telseal keys init --witness` prints it
    #[arg(long, value_name = "VKEY")]
    witness_key: String,
    /// The ledger's root key; default: what lies beside it
    #[arg(long, value_name = "VKEY|FILE")]
    key: Option<String>,
    /// Where to keep the cosigned checkpoint. Default: `anchors/` in the ledger's folder
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub(super) fn anchor(args: &AnchorArgs) -> Exit {
    failed::end(run(args))
}

fn run(args: &AnchorArgs) -> Result<Exit> {
    let no_key = || Failed::usage(format!("--witness-key `{}` is no key of a witness", args.witness_key));
    let witness = WitnessKey::parse(args.witness_key.trim()).ok_or_else(no_key)?;
    let folder = Folder::find(&args.path)?;
    let root = root_key(args, &folder)?;
    let (checkpoint, note) = latest_root_signed(&folder, &root)?;
    let url = Address::new(&args.witness);
    if url.url().is_none() {
        return Err(Failed::usage(format!("--witness `{url}` is no address")));
    }
    let mut peer = PeerClient::new(&Peer { url, key: witness.clone() }, TIMEOUT)?;
    let (text, seconds) = peer.cosign(&folder, &checkpoint, &note)?;
    let out = args.out.clone().unwrap_or_else(|| folder.dir.join(ANCHORS_DIR).join(file_name(&witness)));
    if let Some(dir) = out.parent().filter(|dir| !dir.as_os_str().is_empty()) {
        durable::create_dir(dir)?;
    }
    durable::write_atomic(&out, text.as_bytes(), Mode::Shared)?;
    let at = moment::text(seconds.saturating_mul(1_000_000_000));
    complain(format!(
        "cosigned {} entries of {}\n  witness     {} at {at}\n  anchor      {}\n",
        checkpoint.size,
        root.origin(),
        witness.name(),
        out.display()
    ));
    Ok(Exit::Ok)
}

fn root_key(args: &AnchorArgs, folder: &Folder) -> Result<VerifyingKey> {
    if let Some(key) = &args.key {
        return read_key(key);
    }
    if let Some(key) = read_public_key(&folder.dir)? {
        return Ok(key);
    }
    let first = folder.segments.first().ok_or_else(|| Failed::inconclusive("no segments"))?;
    Ok(root_key_of(&first.path)?)
}

/// A name that no witness can lead out of its folder.
fn file_name(witness: &WitnessKey) -> String {
    let safe = |c: char| if c.is_ascii_alphanumeric() || c == '.' || c == '-' { c } else { '-' };
    format!("{}.checkpoint", witness.name().chars().map(safe).collect::<String>().trim_start_matches('.'))
}

impl From<PeerError> for Failed {
    fn from(error: PeerError) -> Self {
        match error {
            PeerError::Submit(error) => error.into(),
            PeerError::Forked { .. } => Self::violation(error.to_string()),
            PeerError::Refused { status: 403 | 404, .. } => Self::inconclusive(error.to_string()),
            PeerError::Setup(_) | PeerError::NoAnswer(_) | PeerError::Refused { .. } => {
                Self::new(Exit::Runtime, error.to_string())
            }
        }
    }
}

impl From<SubmitError> for Failed {
    fn from(error: SubmitError) -> Self {
        match error {
            SubmitError::Walk(error) => error.into(),
            SubmitError::Truncated { .. } => Self::violation(error.to_string()),
            SubmitError::NoCheckpoint | SubmitError::Pruned(_) => Self::inconclusive(error.to_string()),
            SubmitError::NoCosignature(_) => Self::new(Exit::Runtime, error.to_string()),
        }
    }
}
