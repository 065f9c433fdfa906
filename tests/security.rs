//! TLS, client certificates and credentials of the listeners, tried with clients that others wrote: `openssl s_client`,
//! `curl`, and the OpenTelemetry SDK for Python. Without a client its test is skipped and says so.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test's helpers fail the test")]
#![expect(clippy::disallowed_methods, clippy::print_stdout, reason = "tests write files and say why they are skipped")]

#[expect(dead_code, reason = "other tests use the rest")]
#[path = "support/destination.rs"]
mod destination;
#[expect(dead_code, reason = "other tests use the rest")]
#[path = "support/process.rs"]
mod process;
#[path = "support/sdk.rs"]
mod sdk;
#[expect(dead_code, reason = "other tests use the rest")]
#[path = "support/sender.rs"]
mod sender;

#[expect(dead_code, reason = "other tests use the rest")]
#[path = "support/telemetry.rs"]
mod telemetry;

#[path = "security/auth.rs"]
mod auth;
#[path = "security/clients.rs"]
mod clients;
#[path = "security/issuer.rs"]
mod issuer;
#[path = "security/oidc.rs"]
mod oidc;
#[path = "security/pki.rs"]
mod pki;
#[path = "security/reload.rs"]
mod reload;
#[path = "security/tls.rs"]
mod tls;

use std::process::Command;

use process::{Site, Telseal, eventually};
use sdk::{or_skip, python, root};

/// Waits until the admin port says so many records were accepted, over both protocols.
fn accepted(site: &Site, records: f64) {
    eventually("the records are accepted", || {
        (site.metric("telseal_receiver_accepted_records_total") >= records).then_some(())
    });
}

/// What the Python SDK says of sending one record: `SUCCESS` or `FAILURE`; nothing where there is no SDK.
fn python_sends(protocol: &str, endpoint: &str, arguments: &[&str]) -> Option<String> {
    let python = or_skip(python())?;
    let mut command = Command::new(python);
    command.arg(root("tests/sdk/python/secure.py")).args([protocol, endpoint]).args(arguments);
    // Where these are set they outweigh what the SDK was told.
    command.env_remove("REQUESTS_CA_BUNDLE").env_remove("CURL_CA_BUNDLE");
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    assert!(!said.is_empty(), "the SDK: {}", process::said(&output));
    Some(said)
}

/// Ends telseal and returns what it said.
fn ended(telseal: Telseal) -> String {
    let ended = telseal.terminate();
    assert_eq!(ended.status.code(), Some(0), "{}", ended.output);
    ended.output
}

/// Everything in the files of the site's folder whose names begin like this.
fn written(site: &Site, beginning: &str) -> String {
    let mut files = process::files_below(site.dir());
    files.retain(|path| path.file_name().unwrap().to_string_lossy().starts_with(beginning));
    files.iter().map(|path| String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned()).collect()
}
