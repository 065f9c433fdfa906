//! `telseal witness`: cosigns the checkpoints of other ledgers, so that none of them can have two histories.
//!
//! Plain HTTP, as the protocol has it: everything in it is signed. Limits: 64 connections, requests of 64 KiB.

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use clap::Args;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::cli::failed::{Failed, Result};
use crate::cli::key::read_key;
use crate::cli::{Exit, complain, failed};
use crate::http::server::{Bound, Options};
use crate::ledger::keys::read_key_file;
use crate::ledger::witness::{REQUEST_BYTES_MAX, Reply, Witness};
use crate::stdx::{clock, durable, tasks};

/// The options of `telseal witness`.
#[derive(Debug, Args)]
pub(super) struct WitnessArgs {
    /// Where to listen
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7380")]
    listen: String,
    /// The witness's key: Ed25519 in PKCS#8, as `telseal keys init --witness` makes it
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// The name under which it cosigns
    #[arg(long, value_name = "NAME")]
    name: String,
    /// A ledger to cosign: its root key, as in `key.pub`, or a file that holds it. Can be given several times
    #[arg(long = "log", value_name = "VKEY|FILE", required = true)]
    logs: Vec<String>,
    /// Where to keep what was cosigned. Without it a witness knows nothing, so do not lose it
    #[arg(long, value_name = "DIR")]
    state: PathBuf,
}

pub(super) fn witness(args: &WitnessArgs) -> Exit {
    failed::end(run(args))
}

fn run(args: &WitnessArgs) -> Result<Exit> {
    let key = read_key_file(&args.key, &args.name)?;
    let key = key.ok_or_else(|| Failed::usage(format!("--key {}: no such file", args.key.display())))?;
    let logs = args.logs.iter().map(|log| read_key(log)).collect::<Result<Vec<_>>>()?;
    let witness = Arc::new(Witness::new(key, logs, &args.state)?);
    let _lock = durable::lock_dir(&args.state).map_err(|error| Failed::new(Exit::Runtime, error.to_string()))?;
    let failed = |error: &dyn std::error::Error| Failed::new(Exit::Runtime, error.to_string());
    let bound = Bound::bind(&args.listen, "--listen").map_err(|error| failed(&error))?;
    complain(format!("cosigning as {} on {}\n", args.name, bound.local()));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| failed(&error))?;
    runtime.block_on(serve(bound, witness)).map_err(|error| failed(&error))?;
    Ok(Exit::Ok)
}

/// Answers until SIGTERM or SIGINT.
async fn serve(bound: Bound, witness: Arc<Witness>) -> std::io::Result<()> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let (stop, stopped) = watch::channel(false);
    let handler = move |request: Request<Incoming>| answer(witness.clone(), request);
    let mut serving = std::pin::pin!(bound.serve(Options::default(), handler, stopped));
    tokio::select! {
        () = &mut serving => return Ok(()),
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    let _ = stop.send(true);
    serving.await;
    Ok(())
}

async fn answer(witness: Arc<Witness>, request: Request<Incoming>) -> Response<Full<Bytes>> {
    if request.uri().path() != "/add-checkpoint" {
        return plain(StatusCode::NOT_FOUND, "there is /add-checkpoint\n");
    }
    if request.method() != Method::POST {
        return plain(StatusCode::METHOD_NOT_ALLOWED, "only POST is answered here\n");
    }
    let Ok(body) = Limited::new(request.into_body(), REQUEST_BYTES_MAX).collect().await else {
        return plain(StatusCode::BAD_REQUEST, "the request is cut, or too large\n");
    };
    let Ok(body) = String::from_utf8(body.to_bytes().to_vec()) else {
        return plain(StatusCode::BAD_REQUEST, "not UTF-8\n");
    };
    let answered = tasks::blocking(move || witness.add_checkpoint(&body, clock::unix_nanos() / 1_000_000_000)).await;
    answered.map_or_else(|_| plain(StatusCode::INTERNAL_SERVER_ERROR, "stopping\n"), respond)
}

fn plain(status: StatusCode, text: &'static str) -> Response<Full<Bytes>> {
    respond(Reply { status: status.as_u16(), content_type: "text/plain; charset=utf-8", body: text.to_owned() })
}

fn respond(reply: Reply) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(reply.body)));
    *response.status_mut() = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(reply.content_type));
    response
}
