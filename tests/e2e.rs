//! The real binary from end to end: what passes unchanged, what a ledger proves, what the command line says, and what
//! never appears anywhere. How it behaves on bad days is in `faults.rs`.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test's helpers fail the test")]
#![expect(clippy::disallowed_methods, clippy::print_stdout, reason = "tests write files and show what telseal said")]

#[path = "e2e/airgap.rs"]
mod airgap;
#[path = "e2e/anchors.rs"]
mod anchors;
#[path = "e2e/books.rs"]
mod books;
#[path = "e2e/canary.rs"]
mod canary;
#[path = "e2e/cases.rs"]
mod cases;
#[path = "e2e/cli.rs"]
mod cli;
#[path = "e2e/dead_letters.rs"]
mod dead_letters;
#[path = "e2e/encryption.rs"]
mod encryption;
#[path = "e2e/integrity.rs"]
mod integrity;
#[path = "e2e/passthrough.rs"]
mod passthrough;
#[path = "e2e/requests.rs"]
mod requests;
#[path = "e2e/secrets.rs"]
mod secrets;
#[path = "e2e/surroundings.rs"]
mod surroundings;
#[path = "e2e/unknown.rs"]
mod unknown;
#[path = "e2e/views.rs"]
mod views;
#[path = "e2e/watch.rs"]
mod watch;
#[path = "e2e/witness.rs"]
mod witness;

#[expect(dead_code, reason = "other tests use the rest")]
#[path = "support/destination.rs"]
mod destination;
#[path = "support/process.rs"]
mod process;
#[path = "support/sender.rs"]
mod sender;
#[path = "support/telemetry.rs"]
mod telemetry;
#[path = "support/walk.rs"]
mod walk;
