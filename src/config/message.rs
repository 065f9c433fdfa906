//! Every sentence the configuration can answer with, in one place: lower case, no full stop, what is wrong and what to do.
//!
//! One function a message; `tests/config/<function>.bad.yaml` shows each of them, and a test holds the two lists together.

use super::yaml::Place;
use crate::otlp::Signal;
use crate::stdx::bytesize::ByteSize;
use crate::stdx::problem::{At, Problem};

/// A message without its place.
pub(super) struct Message {
    text: String,
    hint: Option<String>,
}

impl Message {
    fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), hint: None }
    }

    fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    fn maybe(self, hint: Option<String>) -> Self {
        Self { hint, ..self }
    }

    /// The message at its path; the place is looked up later where it is not known yet.
    pub(super) fn at(self, at: &At, place: Option<Place>) -> Problem {
        Problem { path: at.path().to_owned(), place, message: self.text, hint: self.hint }
    }
}

/// `did you mean`, or all there is.
fn meant(word: &str, known: &[&str]) -> Option<String> {
    match crate::stdx::problem::did_you_mean(word, known.iter().copied()) {
        Some(known) => Some(format!("did you mean `{known}`?")),
        None if known.is_empty() => None,
        None if known.len() == 1 => Some(format!("there is only {}", quoted(known))),
        None => Some(format!("expected one of {}", quoted(known))),
    }
}

fn quoted(words: &[&str]) -> String {
    // An empty word is an old spelling that still works; nobody needs to be told of it.
    words.iter().filter(|word| !word.is_empty()).map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

// The file and its text.

pub(super) fn file_unreadable(cause: &str) -> Message {
    Message::new(format!("cannot read the configuration: {cause}"))
}

pub(super) fn file_not_utf8() -> Message {
    Message::new("what stands here is not UTF-8").hint("save the file as UTF-8")
}

pub(super) fn document_too_large(bytes: usize, max: usize) -> Message {
    Message::new(format!("{bytes} bytes are too many for a configuration, the maximum is {max}"))
}

pub(super) fn document_empty() -> Message {
    Message::new("the configuration is empty").hint("it needs `receivers`, `exporters` and `service.pipelines`")
}

pub(super) fn document_not_mapping(found: &str) -> Message {
    Message::new(format!("expected `key: value` lines at the top, found {found}"))
}

pub(super) fn section_not_mapping() -> Message {
    Message::new("expected `type/name: ..` lines")
}

pub(super) fn syntax(cause: &str) -> Message {
    Message::new(format!("not valid YAML: {cause}"))
}

pub(super) fn tab_indentation() -> Message {
    Message::new("not valid YAML: a tab in the indentation").hint("indent with spaces")
}

pub(super) fn unquoted_substitution(cause: &str) -> Message {
    Message::new(format!("not valid YAML: {cause}"))
        .hint("inside [..] and {..} a value with `${..}` needs quotes: \"${env:NAME}\"")
}

pub(super) fn second_document() -> Message {
    Message::new("a second document starts here").hint("the configuration is one document: remove the `---`")
}

pub(super) fn nested_too_deeply(max: usize) -> Message {
    Message::new(format!("nested more than {max} levels deep"))
}

pub(super) fn duplicate_key(first: Place) -> Message {
    Message::new("the key is written twice").hint(format!("it is first written at {}:{}", first.0, first.1))
}

pub(super) fn key_not_text() -> Message {
    Message::new("a key must be plain text, not a list or a mapping")
}

pub(super) fn merge_not_mapping() -> Message {
    Message::new("only a mapping can be merged").hint("write `<<: *name` with `&name` at a mapping")
}

pub(super) fn unknown_anchor() -> Message {
    Message::new("the alias names no anchor").hint("define it earlier as `&name`, or quote a text that starts with `*`")
}

pub(super) fn alias_inside_itself() -> Message {
    Message::new("the alias stands inside the value it repeats")
}

pub(super) fn aliases_too_large() -> Message {
    Message::new("the aliases repeat too much").hint("write the values out, or name fewer of them")
}

pub(super) fn unknown_tag(tag: &str) -> Message {
    Message::new(format!("the tag `{tag}` has no meaning here")).hint("remove it, or quote a text that starts with `!`")
}

// `${..}`.

pub(super) fn env_not_set(name: &str) -> Message {
    Message::new(format!("the environment variable `{name}` is not set"))
        .hint(format!("set it, or give a default: `${{env:{name}:-value}}`"))
}

pub(super) fn env_not_utf8(name: &str) -> Message {
    Message::new(format!("the environment variable `{name}` is not UTF-8"))
}

pub(super) fn env_bad_name(name: &str) -> Message {
    Message::new(format!("`{name}` is no name of an environment variable"))
        .hint("letters, digits and `_`, as in `${env:API_TOKEN}`")
}

pub(super) fn substitution_file(path: &str, cause: &str) -> Message {
    Message::new(format!("cannot read the file `{path}`: {cause}"))
}

pub(super) fn substitution_scheme(written: &str) -> Message {
    Message::new(format!("`${{{written}}}` is neither `${{env:NAME}}` nor `${{file:path}}`"))
        .maybe(bare_name(written).then(|| format!("did you mean `${{env:{written}}}`?")))
}

fn bare_name(text: &str) -> bool {
    super::env::is_name(text.split(":-").next().unwrap_or_default())
}

pub(super) fn substitution_unclosed() -> Message {
    Message::new("`${` without its `}`").hint("write `$$` for a plain `$`")
}

// Types and keys.

pub(super) fn wrong_type(found: &str, expected: &str) -> Message {
    let hint = match (expected, found) {
        ("a list", "text") => Some("write it in brackets: `[..]`"),
        _ if expected.starts_with("a duration") && found.starts_with("the number") => Some("add the unit, as in `10s`"),
        _ => None,
    };
    Message::new(format!("expected {expected}, found {found}")).maybe(hint.map(str::to_owned))
}

pub(super) fn quoted_number(found: &str, expected: &str) -> Message {
    wrong_type(found, expected).hint("remove the quotes")
}

pub(super) fn unknown_key(key: &str, known: &[&str]) -> Message {
    Message::new(format!("unknown key `{key}`"))
        .maybe(foreign_key(key).map(str::to_owned).or_else(|| meant(key, known)))
}

/// Keys of Collector configurations that have their answer elsewhere here.
fn foreign_key(key: &str) -> Option<&'static str> {
    match key {
        "sending_queue" => Some(
            "there is no queue to size: the pipeline's own storage holds what is not delivered; see `hold_bytes_max`",
        ),
        "connectors" => Some("telseal has no connectors: give a pipeline several exporters"),
        _ => None,
    }
}

pub(super) fn unknown_word(word: &str, known: &[&str]) -> Message {
    Message::new(format!("`{word}` is not known here")).maybe(meant(word, known))
}

pub(super) fn missing_key(key: &str) -> Message {
    Message::new(format!("the key `{key}` is missing"))
}

/// What a component's own type had to say.
pub(super) fn invalid(said: &str) -> Message {
    Message::new(said)
}

// Components.

pub(super) fn bad_id(id: &str) -> Message {
    Message::new(format!("`{id}` is no name for a component"))
        .hint("write `type` or `type/name`; a name is letters, digits, `_`, `-` and `.`")
}

pub(super) fn unknown_kind(family: &str, kind: &str, known: &[&str]) -> Message {
    let hint = foreign_kind(kind).map(str::to_owned).or_else(|| meant(kind, known));
    Message::new(format!("no {family} is called `{kind}`")).maybe(hint)
}

/// Components of Collector configurations that are not components here.
fn foreign_kind(kind: &str) -> Option<&'static str> {
    match kind {
        "batch" => Some("remove it: batching belongs to the exporter, under its key `batch`"),
        "memory_limiter" => Some("remove it: memory is always limited, by `service.in_flight_bytes_max`"),
        "transform" => Some("use `enrich`, `redact` or `filter`"),
        "k8sattributes" => Some("use `enrich` with `detectors: [k8s]`: the API server is never asked"),
        "logging" => Some("use `debug`"),
        "health_check" | "healthcheckv2" => Some("remove it: health is at `service.telemetry.metrics.endpoint`"),
        "file_storage" => Some("remove it: storage is the pipeline's own, under its key `storage`"),
        "oauth2client" => Some("exporters take credentials in `headers`"),
        _ => None,
    }
}

pub(super) fn undefined_component(family: &str, id: &str, defined: &[&str]) -> Message {
    let hint = match defined {
        [] => Some(format!("define it under `{family}s`")),
        _ => meant(id, defined),
    };
    Message::new(format!("no {family} named `{id}`")).maybe(hint)
}

pub(super) fn unused_component(family: &str, id: &str) -> Message {
    Message::new(format!("no pipeline uses the {family} `{id}`")).hint("name it in a pipeline, or remove it")
}

pub(super) fn signal_refused(id: &str, signal: Signal, why: &str) -> Message {
    Message::new(format!("`{id}` takes no {signal}")).hint(why)
}

pub(super) fn listed_twice(id: &str) -> Message {
    Message::new(format!("`{id}` is listed twice"))
}

// Pipelines.

pub(super) fn no_pipelines() -> Message {
    Message::new("there is no pipeline").hint("add one: `logs: {receivers: [..], exporters: [..]}`")
}

pub(super) fn unknown_signal(signal: &str) -> Message {
    Message::new(format!("`{signal}` is no signal")).maybe(meant(signal, &["logs", "metrics", "traces"]))
}

pub(super) fn bad_pipeline_name(name: &str) -> Message {
    Message::new(format!("`{name}` is no name for a pipeline"))
        .hint("a name is letters, digits, `_`, `-` and `.`, as in `logs/audit`: it becomes a folder")
}

pub(super) fn no_receivers() -> Message {
    Message::new("the pipeline has no receivers")
}

pub(super) fn no_exporters() -> Message {
    Message::new("the pipeline has no exporters")
}

pub(super) fn seal_not_last() -> Message {
    Message::new("nothing may come after `seal`")
        .hint("move the seal to the end: what is sealed is not changed any more")
}

pub(super) fn seal_twice() -> Message {
    Message::new("a pipeline has one `seal`")
}

pub(super) fn processor_order(id: &str, earlier: &str) -> Message {
    Message::new(format!("`{id}` may not come after `{earlier}`")).hint("the order is enrich, redact, risk_tag, seal")
}

pub(super) fn message_never_fits(largest: ByteSize, receiver: &str) -> Message {
    Message::new(format!("a request of {largest} would never fit, and `{receiver}` takes them"))
        .hint("raise this, or lower the receiver's largest message")
}

pub(super) fn larger_than(max: ByteSize) -> Message {
    Message::new(format!("must be at most {max}"))
}

pub(super) fn durable_in_memory() -> Message {
    Message::new("`ack: durable` needs a disk").hint("set `storage: disk`, or `ack: accepted`")
}

pub(super) fn seal_in_memory() -> Message {
    Message::new("a sealed pipeline needs a disk").hint("set `storage: disk`, or leave `storage` out")
}

pub(super) fn accepted_with_seal() -> Message {
    Message::new("a sealed pipeline answers only what is on disk").hint("set `ack: durable`, or leave `ack` out")
}

pub(super) fn drop_with_seal() -> Message {
    Message::new("a sealed pipeline drops nothing").hint("set `when_full: refuse`, or leave `when_full` out")
}

pub(super) fn empty_path() -> Message {
    Message::new("the path is empty").hint("leave the key out for `./telseal-data`")
}

pub(super) fn zero_not_allowed() -> Message {
    Message::new("must be more than 0")
}

pub(super) fn multiplier_too_small() -> Message {
    Message::new("must be at least 1").hint("2 doubles the wait with each try")
}

pub(super) fn interval_order() -> Message {
    Message::new("must not be shorter than `initial_interval`")
}

// Senders.

pub(super) fn unused_extension(id: &str) -> Message {
    Message::new(format!("no receiver names `{id}`: it recognises nobody")).hint(format!(
        "write `auth: {{authenticator: {id}}}` under a protocol of a receiver, or take the extension out"
    ))
}

pub(super) fn nobody_identified(receiver: &str) -> Message {
    Message::new(format!("senders of `{receiver}` need not prove who they are, so none of them could be let in"))
        .hint("set `auth.authenticator` or `tls.client_ca_file` under each of its protocols")
}

// Addresses and files.

pub(super) fn address_without_port(address: &str) -> Message {
    Message::new(format!("`{address}` is not an address with a port")).hint("write host:port, as in `127.0.0.1:4317`")
}

pub(super) fn address_taken(address: &str, by: &str) -> Message {
    Message::new(format!("`{address}` is also the address of `{by}`")).hint("give each its own port")
}

pub(super) fn file_taken(path: &str, by: &str) -> Message {
    Message::new(format!("`{path}` is also written by `{by}`")).hint("give each exporter its own file")
}
