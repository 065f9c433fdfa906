//! `telseal verify-proof`: what one proof proves, without the ledger it came from.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::cli::failed::{Failed, Result};
use crate::cli::key::read_key;
use crate::cli::moment;
use crate::cli::{Exit, failed, say};
use crate::ledger::LINE_BYTES_MAX;
use crate::ledger::entry::Kind;
use crate::ledger::note::{Note, VerifyingKey};
use crate::ledger::policy::{self, Policy};
use crate::ledger::prove::{Fault, Proof, Proven};
use crate::stdx::durable;
use crate::stdx::json::write_str;

/// The largest proof: a line of the largest size in base64 twice over would not be one to hand over.
const PROOF_BYTES_MAX: u64 = 64 << 20;

/// The options of `telseal verify-proof`.
#[derive(Debug, Args)]
pub(super) struct VerifyProofArgs {
    /// The proof, as `telseal prove` writes it
    file: PathBuf,
    /// The ledger's root key, obtained from elsewhere: the verifier key text, as in `key.pub`, or a file that holds it
    #[arg(long, value_name = "VKEY|FILE")]
    key: Option<String>,
    /// A C2SP tlog-policy: the keys of the ledgers that are trusted, and which witnesses must have cosigned
    #[arg(long, value_name = "FILE", conflicts_with = "key")]
    policy: Option<PathBuf>,
    /// The record: its sealed line, or its canonical line
    #[arg(long, value_name = "FILE")]
    line: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub(super) fn verify_proof(args: &VerifyProofArgs) -> Exit {
    failed::end(run(args))
}

fn run(args: &VerifyProofArgs) -> Result<Exit> {
    let text = read_text(&args.file, PROOF_BYTES_MAX)?;
    let proof = Proof::parse(&text).map_err(|fault| violation(&args.file, fault))?;
    let policy = args.policy.as_deref().map(read_policy).transpose()?;
    let keys = match (&args.key, &policy) {
        (Some(key), _) => vec![read_key(key)?],
        (None, Some(policy)) => policy.logs.clone(),
        (None, None) => return Err(Failed::inconclusive("whose key signed is unknown: give --key or --policy")),
    };
    let (key, proven) = check(&proof, &keys).map_err(|fault| violation(&args.file, fault))?;
    if let Some(path) = &args.line {
        let line = durable::read(path, LINE_BYTES_MAX as u64)?;
        let line = line.ok_or_else(|| Failed::usage(format!("--line {}: no such file", path.display())))?;
        proof.check_line(&line).map_err(|fault| violation(path, fault))?;
    }
    let note = Note::parse(&proof.note).ok_or_else(|| violation(&args.file, Fault::Malformed))?;
    let cosigners = policy.as_ref().map(|policy| policy.cosigners(&note)).unwrap_or_default();
    if policy.as_ref().is_some_and(|policy| !policy.is_quorum(&cosigners)) {
        let text = format!("the quorum of the policy is unmet: {} of its witnesses cosigned", cosigners.len());
        return Err(Failed::inconclusive(text));
    }
    let has_line = proof.line.is_some() || args.line.is_some();
    let said = Said { proof: &proof, proven: &proven, key, cosigners, has_line };
    say(if args.json { said.json() } else { said.text() });
    Ok(Exit::Ok)
}

/// The key that vouches for the proof. With several the last fault is told, unless one is of the right ledger.
fn check<'k>(proof: &Proof, keys: &'k [VerifyingKey]) -> std::result::Result<(&'k VerifyingKey, Proven), Fault> {
    let mut fault = Fault::WrongLedger;
    for key in keys {
        match proof.check(key) {
            Ok(proven) => return Ok((key, proven)),
            Err(Fault::WrongLedger) => {}
            Err(other) => fault = other,
        }
    }
    Err(fault)
}

fn violation(path: &Path, fault: Fault) -> Failed {
    Failed::violation(format!("{}: {fault}", path.display()))
}

fn read_text(path: &Path, bytes_max: u64) -> Result<String> {
    let bytes = durable::read(path, bytes_max)?;
    let bytes =
        bytes.ok_or_else(|| Failed::new(Exit::Runtime, format!("cannot open {}: no such file", path.display())))?;
    String::from_utf8(bytes).map_err(|_| Failed::violation(format!("{}: malformed: not UTF-8", path.display())))
}

fn read_policy(path: &Path) -> Result<Policy> {
    let text = read_text(path, policy::BYTES_MAX)?;
    Policy::parse(&text).map_err(|error| Failed::usage(format!("--policy {}: {error}", path.display())))
}

struct Said<'a> {
    proof: &'a Proof,
    proven: &'a Proven,
    key: &'a VerifyingKey,
    cosigners: BTreeSet<&'a str>,
    has_line: bool,
}

impl Said<'_> {
    fn text(&self) -> String {
        let Proven { entry, checkpoint, by_root } = self.proven;
        let what = if entry.kind == Kind::Record { "record" } else { entry.kind.name() };
        let signer = if *by_root { "the root key" } else { "an epoch's key, certified by the root key" };
        let mut out = format!("verified entry {} of {}\n", entry.seq, self.key.origin());
        let mut line = |name: &str, text: &str| out += &format!("  {name:<11} {text}\n");
        line("ledger", &entry.stream.to_string());
        line("entry", &format!("a {what}, sealed at {} by that machine's clock", moment::text(entry.sealed_at_ns)));
        line("checkpoint", &format!("over {} entries, signed by {signer}", checkpoint.size));
        line("key", &format!("sha256 {}", self.key.fingerprint()));
        if !self.cosigners.is_empty() {
            line("witnesses", &self.cosigners.iter().copied().collect::<Vec<_>>().join(", "));
        }
        if self.has_line {
            line("proven", "the line is the one that was sealed, and it is in the ledger");
        } else {
            line("proven", "the entry is in the ledger");
            line("not proven", "what the record says: give --line");
        }
        line("not proven", "that the ledger is whole around it: that takes the ledger and `telseal verify`");
        out
    }

    fn json(&self) -> String {
        let Proven { entry, checkpoint, by_root } = self.proven;
        let mut out = b"{\"cosigners\":[".to_vec();
        for (index, name) in self.cosigners.iter().enumerate() {
            out.extend_from_slice(if index > 0 { b"," } else { b"" });
            write_str(&mut out, name);
        }
        let facts = format!(
            "],\"exit\":0,\"index\":{},\"kind\":\"{}\",\"line\":{},\"root_signed\":{by_root},\"sealed_at\":\"{}\",\"size\":{},\"stream\":\"{}\",\"vkey\":",
            self.proof.index,
            entry.kind.name(),
            self.has_line,
            moment::text(entry.sealed_at_ns),
            checkpoint.size,
            entry.stream,
        );
        out.extend_from_slice(facts.as_bytes());
        write_str(&mut out, &self.key.to_string());
        out.extend_from_slice(b"}\n");
        String::from_utf8(out).unwrap_or_default()
    }
}
