//! Every parser that reads what others wrote, on inputs that were good and then were changed by chance: none panics, and
//! what each promises of its answers holds.
//!
//! Each parser has a test of its own. By default each takes two seconds; `FUZZ_SECONDS=600 cargo test --release --test fuzz`
//! runs as long as that, `FUZZ_SEED` begins elsewhere. A failure names the seed and shows the input. The ledger's files have
//! `tests/tamper/random.rs`, canonical lines `tests/line_fuzz.rs`.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test says what it expects by failing")]
#![expect(clippy::disallowed_methods, reason = "a long run is asked for in the environment")]

#[path = "fuzz/answers.rs"]
mod answers;
#[expect(dead_code, reason = "other tests use the rest")]
#[path = "support/arbitrary.rs"]
mod arbitrary;
#[path = "fuzz/configurations.rs"]
mod configurations;
#[expect(dead_code, reason = "other tests use the rest")]
#[path = "support/fake.rs"]
mod fake;
#[path = "fuzz/ledger_texts.rs"]
mod ledger_texts;
#[path = "fuzz/mutate.rs"]
mod mutate;
#[path = "fuzz/requests.rs"]
mod requests;
#[path = "fuzz/texts.rs"]
mod texts;
