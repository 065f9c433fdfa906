//! `telseal keys`: a root key for a ceremony, its public half for those who verify, a new epoch on demand.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use crate::cli::body_keys::BodyKeys;
use crate::cli::failed::{Failed, Result};
use crate::cli::offline::{self, Refused};
use crate::cli::{Exit, complain, failed, say};
use crate::ledger::bodies::{Rewrapped, add_key, rewrap_all};
use crate::ledger::cosign::witness_key;
use crate::ledger::keys::{create_key_file, read_key_file, read_public_key};
use crate::ledger::note::{VerifyingKey, is_origin};
use crate::ledger::request::Request;
use crate::ledger::walk::Folder;
use crate::ledger::{LedgerError, RootKey};
use crate::stdx::json::write_str;

/// What `telseal keys` can do.
#[derive(Debug, Subcommand)]
pub(super) enum KeysCommand {
    /// Make a root key before there is a ledger: an Ed25519 key in PKCS#8, mode 0600
    ///
    /// Configure it as `seal: {origin: ORIGIN, keys: {root: {file: FILE}}}`. It is needed when the ledger is made; afterwards it
    /// can be taken away, and checkpoints then bear no signature of the root key.
    Init(InitArgs),
    /// Print the public half: the verifier key, its line for a C2SP tlog-policy, its fingerprint
    Export(ExportArgs),
    /// Begin a new epoch now and wipe the key that signed until now; a running telseal is asked to do it
    Rotate(RotateArgs),
    /// Make a key for encryption at rest: a new file, mode 0600, or, where the file exists, a new key in front of the others
    ///
    /// Configure it as `seal: {encryption: {key_file: FILE}}`. The first key of the file is in use, the others open what is older.
    Encryption(EncryptionArgs),
    /// Put the first key of the file in force: every segment's own key is wrapped under it, no body is written anew
    ///
    /// A running telseal is asked to read its file again, and goes on. When this has succeeded, older keys may be taken off the
    /// file.
    Rewrap(RewrapArgs),
}

/// The options of `telseal keys init`.
#[derive(Debug, Args)]
pub(super) struct InitArgs {
    /// The file to make; it must not exist
    file: PathBuf,
    /// The name of the ledger, by custom an address without scheme: acme.example/audit/eu1
    #[arg(long, value_name = "NAME")]
    origin: String,
    /// The key is for a witness that cosigns the ledgers of others, not for a ledger
    #[arg(long)]
    witness: bool,
}

/// The options of `telseal keys export`.
#[derive(Debug, Args)]
pub(super) struct ExportArgs {
    /// A sealed pipeline's folder, or a data directory with one
    path: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// The options of `telseal keys rotate`.
#[derive(Debug, Args)]
pub(super) struct RotateArgs {
    /// A sealed pipeline's folder, or a data directory with one
    path: PathBuf,
    /// Where the root key is, if it is at hand and not in the ledger's folder
    #[arg(long, value_name = "FILE")]
    root_key: Option<PathBuf>,
    #[command(flatten)]
    bodies: BodyKeys,
}

/// The options of `telseal keys encryption`.
#[derive(Debug, Args)]
pub(super) struct EncryptionArgs {
    /// The file of keys
    file: PathBuf,
}

/// The options of `telseal keys rewrap`.
#[derive(Debug, Args)]
pub(super) struct RewrapArgs {
    /// A sealed pipeline's folder, or a data directory with one
    path: PathBuf,
    #[command(flatten)]
    bodies: BodyKeys,
}

pub(super) fn keys(command: &KeysCommand) -> Exit {
    failed::end(match command {
        KeysCommand::Init(args) => init(args),
        KeysCommand::Export(args) => export(args),
        KeysCommand::Rotate(args) => rotate(args),
        KeysCommand::Encryption(args) => encryption(args),
        KeysCommand::Rewrap(args) => rewrap(args),
    })
}

fn init(args: &InitArgs) -> Result<Exit> {
    if !is_origin(&args.origin) {
        let rule = "1 to 255 bytes, without spaces, quotes, backslashes and `+`";
        return Err(Failed::usage(format!("--origin `{}` is no name of a ledger: {rule}", args.origin)));
    }
    create_key_file(&args.file)?;
    let key = read_key_file(&args.file, &args.origin)?;
    let key = key.ok_or_else(|| Failed::new(Exit::Runtime, format!("{} is gone", args.file.display())))?;
    if args.witness {
        let vkey = witness_key(&key).map(|key| key.to_string()).unwrap_or_default();
        say(format!("vkey        {vkey}\npolicy.txt  witness {} {vkey}\n", args.origin));
    } else {
        say(public_text(key.verifying()));
    }
    Ok(Exit::Ok)
}

fn export(args: &ExportArgs) -> Result<Exit> {
    let folder = Folder::find(&args.path)?;
    let key = match read_public_key(&folder.dir)?.filter(|_| !folder.is_one_file) {
        Some(key) => key,
        None => named_key(&folder)?,
    };
    say(if args.json { public_json(&key) } else { public_text(&key) });
    Ok(Exit::Ok)
}

/// The key that the first segment names.
fn named_key(folder: &Folder) -> Result<VerifyingKey> {
    let path = folder.segments.first().map(|segment| segment.path.as_path()).unwrap_or_else(|| Path::new(""));
    Ok(crate::ledger::walk::root_key_of(path)?)
}

fn public_text(key: &VerifyingKey) -> String {
    format!("vkey        {key}\npolicy.txt  log {key}\nsha256      {}\n", key.fingerprint())
}

fn public_json(key: &VerifyingKey) -> String {
    let mut out = b"{\"origin\":".to_vec();
    write_str(&mut out, key.origin());
    out.extend_from_slice(b",\"policy\":");
    write_str(&mut out, &format!("log {key}"));
    out.extend_from_slice(format!(",\"sha256\":\"{}\",\"vkey\":", key.fingerprint()).as_bytes());
    write_str(&mut out, &key.to_string());
    out.extend_from_slice(b"}\n");
    String::from_utf8(out).unwrap_or_default()
}

fn rotate(args: &RotateArgs) -> Result<Exit> {
    let folder = Folder::find(&args.path)?.with_keys(args.bodies.read()?);
    let root = args.root_key.clone().map_or(RootKey::Folder, RootKey::File);
    let epoch = offline::request(&folder, root, Request::Rotate)?.epoch;
    complain(format!("epoch {epoch} signs from now on; the key of epoch {} is wiped\n", epoch.saturating_sub(1)));
    Ok(Exit::Ok)
}

fn encryption(args: &EncryptionArgs) -> Result<Exit> {
    let key = add_key(&args.file)?;
    complain(format!("the key {key} is the first one of {} now\n", args.file.display()));
    Ok(Exit::Ok)
}

fn rewrap(args: &RewrapArgs) -> Result<Exit> {
    let keyring = args.bodies.need()?;
    let folder = Folder::find(&args.path)?.with_keys(keyring.clone());
    let key = keyring.in_use().map(|key| key.to_string()).unwrap_or_default();
    let _lock = if folder.is_in_use() {
        // From here on it wraps new keys under this one as well; the older ones are ours to do.
        let there = offline::request(&folder, RootKey::Folder, Request::Rewrap)?.body_key;
        if there != keyring.in_use() {
            let there = there.map(|key| key.to_string()).unwrap_or_default();
            let what = format!("the running telseal has the key {there} in use, not {key}: it reads another file");
            return Err(Failed::new(Exit::Runtime, what));
        }
        None
    } else {
        Some(offline::alone(&folder)?)
    };
    let Rewrapped { keys, kept } = rewrap_all(&folder.dir, &keyring)?;
    complain(format!(
        "{keys} keys of segments are wrapped under the key {key} now, {kept} were already; older keys may go\n"
    ));
    Ok(Exit::Ok)
}

impl From<LedgerError> for Failed {
    fn from(error: LedgerError) -> Self {
        let exit = match error {
            LedgerError::Integrity { .. } => Exit::Integrity,
            LedgerError::Locked { .. } => Exit::Inconclusive,
            _ => Exit::Runtime,
        };
        Self::new(exit, error.to_string())
    }
}

impl From<Refused> for Failed {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Ledger(error) => error.into(),
            Refused::Walk(error) => error.into(),
            Refused::OneFile => Self::usage(refused.to_string()),
            other => Self::new(Exit::Runtime, other.to_string()),
        }
    }
}
