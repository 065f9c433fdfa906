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
use crate::http::client::{Address, Answer, Client, Options, Route, Tls};
use crate::ledger::cosign::WitnessKey;
use crate::ledger::keys::read_public_key;
use crate::ledger::note::{Checkpoint, VerifyingKey};
use crate::ledger::walk::{Folder, root_key_of};
use crate::ledger::witness::{SubmitError, cosigned, latest_root_signed, request};
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
    let post = Post::new(&args.witness)?;
    let mut answer = post.send(request(&folder, 0, &checkpoint, &note)?.body)?;
    if let Some(seen) = seen(&answer, &checkpoint)? {
        answer = post.send(request(&folder, seen, &checkpoint, &note)?.body)?;
    }
    let body = accepted(&answer, &checkpoint)?;
    let (text, seconds) = cosigned(&note, &body, &witness)?;
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

/// What the witness has seen, when that is not what was assumed.
fn seen(answer: &Answer, checkpoint: &Checkpoint) -> Result<Option<u64>> {
    if answer.status != 409 {
        return Ok(None);
    }
    let text = std::str::from_utf8(&answer.body).ok().and_then(|text| text.trim_end().parse().ok());
    let seen: u64 = text.ok_or_else(|| Failed::new(Exit::Runtime, "the witness answered 409 without a size"))?;
    if seen > checkpoint.size {
        return Err(SubmitError::Truncated { seen, size: checkpoint.size }.into());
    }
    Ok(Some(seen))
}

/// The body of a good answer.
fn accepted(answer: &Answer, checkpoint: &Checkpoint) -> Result<String> {
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    match answer.status {
        200 => Ok(text),
        409 | 422 => Err(Failed::violation(format!(
            "forked: the witness has seen another history of this ledger than the one of {} entries that is here",
            checkpoint.size
        ))),
        404 => Err(Failed::inconclusive("the witness does not know this ledger: give it the root key with --log")),
        403 => Err(Failed::inconclusive("the witness knows this ledger under another root key")),
        status => Err(Failed::new(Exit::Runtime, format!("the witness answered {status}: {}", text.trim_end()))),
    }
}

/// The way to a witness.
struct Post {
    client: Client,
    route: Route,
    runtime: tokio::runtime::Runtime,
}

impl Post {
    fn new(witness: &str) -> Result<Self> {
        let failed = |error: &dyn std::error::Error| Failed::new(Exit::Runtime, error.to_string());
        let address = Address::new(format!("{}/add-checkpoint", witness.trim_end_matches('/')));
        let url = address.url().ok_or_else(|| Failed::usage(format!("--witness `{witness}` is no address")))?;
        let (tls, direct) = (Tls::default(), Address::default());
        let options =
            Options { url: &url, tls: &tls, proxy_url: &direct, timeout: TIMEOUT, http2_only: false, keepalive: None };
        let client = Client::new(&options).map_err(|error| failed(&error))?;
        let fixed = [("content-type", "text/plain; charset=utf-8")];
        let route = Route::new(url.clone(), &tls, &fixed, &Default::default()).map_err(|error| failed(&error))?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        Ok(Self { client, route, runtime: runtime.map_err(|error| failed(&error))? })
    }

    fn send(&self, body: String) -> Result<Answer> {
        let answer = self.runtime.block_on(self.client.post(&self.route, body));
        answer.map_err(|error| Failed::new(Exit::Runtime, error.to_string()))
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
