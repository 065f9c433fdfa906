//! `telseal bytes`: exactly what was hashed for an entry, so that any other tool can hash it as well.

use std::io::Write as _;
use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::Args;

use crate::cli::body_keys::{BodyKeys, bodiless};
use crate::cli::failed::{Failed, Result};
use crate::cli::{Exit, complain, failed, say};
use crate::ledger::entry::Entry;
use crate::ledger::prove::{Proof, prove};
use crate::ledger::walk::{Folder, leaf};
use crate::stdx::json::{write_hex, write_str};

/// The options of `telseal bytes`.
#[derive(Debug, Args)]
pub(super) struct BytesArgs {
    /// A sealed pipeline's folder, or a data directory with one, or one segment file
    path: PathBuf,
    /// The number of the entry: `n` in its seal
    #[arg(long, value_name = "N")]
    seq: u64,
    /// Only the canonical line, without what is hashed before it, and without a line end
    #[arg(long, conflicts_with_all = ["entry", "json"])]
    line: bool,
    /// The 128 bytes of the entry, which the leaf of the tree is made from
    #[arg(long, conflicts_with = "json")]
    entry: bool,
    #[command(flatten)]
    bodies: BodyKeys,
    /// Print one JSON object: line, salt, entry, and the hashes that must come out
    #[arg(long)]
    json: bool,
}

pub(super) fn bytes(args: &BytesArgs) -> Exit {
    failed::end(run(args))
}

fn run(args: &BytesArgs) -> Result<Exit> {
    let folder = Folder::find(&args.path)?.with_keys(args.bodies.read()?);
    let proof = prove(&folder, args.seq)?;
    if args.entry {
        write(&proof.entry)?;
        complain(format!("the leaf is SHA-256 of a zero byte and these 128: {}\n", hex(&leaf(&proof.entry))));
        return Ok(Exit::Ok);
    }
    let Some((line, salt)) = proof.line.as_ref().zip(proof.salt.as_ref()) else {
        return Err(Failed::inconclusive(bodiless(&folder, args.seq)?));
    };
    if args.json {
        say(json(&proof, line, salt));
        return Ok(Exit::Ok);
    }
    if args.line {
        write(line.as_bytes())?;
        return Ok(Exit::Ok);
    }
    write(&[b"CR/1\0", salt.as_slice(), line.as_bytes()].concat())?;
    complain(format!(
        "entry {}\n  hashed      CR/1, a zero byte, the 16 bytes of the salt, the {} bytes of the canonical line\n  salt        {}\n  sha256      {}\n",
        args.seq,
        line.len(),
        hex(salt),
        hex(&commit(&proof))
    ));
    Ok(Exit::Ok)
}

fn write(bytes: &[u8]) -> Result<()> {
    let mut out = std::io::stdout().lock();
    let written = out.write_all(bytes).and_then(|()| out.flush());
    written.map_err(|error| Failed::new(Exit::Runtime, format!("cannot write to standard output: {error}")))
}

fn commit(proof: &Proof) -> [u8; 32] {
    Entry::decode(&proof.entry).map(|entry| entry.commit).unwrap_or_default()
}

fn hex(bytes: &[u8]) -> String {
    let mut out = Vec::with_capacity(64);
    write_hex(&mut out, bytes);
    String::from_utf8(out).unwrap_or_default()
}

fn json(proof: &Proof, line: &str, salt: &[u8; 16]) -> String {
    let mut out = format!(
        "{{\"commit_sha256\":\"{}\",\"entry\":\"{}\",\"leaf_sha256\":\"{}\",\"line\":",
        hex(&commit(proof)),
        STANDARD.encode(proof.entry),
        hex(&leaf(&proof.entry)),
    )
    .into_bytes();
    write_str(&mut out, line);
    out.extend_from_slice(format!(",\"salt\":\"{}\",\"seq\":{}}}\n", STANDARD.encode(salt), proof.index).as_bytes());
    String::from_utf8(out).unwrap_or_default()
}
