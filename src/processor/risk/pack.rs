//! The rules that come with telseal, as data: what each looks for, how bad it is and why, with examples.
//!
//! A rule says what an action means, not that it is forbidden. Every example is a test. Patterns are regular expressions
//! over ASCII, case sensitive unless `(?i)` says otherwise, with a few words of our own (see [`WORDS`]). They are
//! looked for anywhere in a command line, so that `sudo sh -c '...'` and `cd x && ...` hide nothing.

mod cloud;
mod code;
mod exfil;
mod guard;
mod privilege;
mod secret;
mod shell;

/// The name of the whole pack in `risk.ruleset`.
pub const NAME: &str = "telseal-agent";

/// Its version: raised with every change of a rule.
pub const VERSION: &str = "1.0.0";

pub use super::event::Level;

/// What a pattern is looked for in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// A command line.
    Command,
    /// The path of a file that a tool reads or writes.
    File,
    /// The path of a file that a tool writes.
    Write,
    /// An address that a tool fetches.
    Url,
    /// A permission, approval or sandbox mode that is now in force.
    Mode,
    /// Who allowed or refused a tool.
    DecisionSource,
    /// What kind of event the record reports, without the vendor's prefix: the whole word, no expression.
    Event,
}

/// One rule.
#[derive(Debug)]
pub struct Rule {
    /// Its stable id.
    pub id: &'static str,
    /// How bad it is.
    pub level: Level,
    /// What happened and why it matters, in one sentence for people.
    pub reason: &'static str,
    /// What it is about.
    pub categories: &'static [&'static str],
    /// MITRE ATT&CK techniques.
    pub attack: &'static [&'static str],
    /// The rule fires when any of these is found.
    pub patterns: &'static [(Target, &'static str)],
    /// What it must fire on.
    pub hits: &'static [(Target, &'static str)],
    /// What it must not fire on.
    pub misses: &'static [(Target, &'static str)],
}

/// Words that patterns use, and the expressions they stand for.
///
/// `{start}`: what may stand before a program's name, absolute paths and quotes included. `{args}`: the rest of the same
/// simple command. `{end}`: the end of a word. `{shell}`: a shell or interpreter. `{reader}`: programs that show or
/// copy a file's content.
pub const WORDS: &[(&str, &str)] = &[
    ("{start}", r#"(?:^|[\s;&|(){}"'`/\\=])"#),
    ("{args}", r"[^;&|\n]*"),
    ("{end}", r#"(?:$|[\s;&|(){}"'`<>\\,])"#),
    ("{shell}", r"(?:(?:ba|z|da|k|a|fi)?sh|python[0-9.]*|perl|ruby|node|php)"),
    (
        "{reader}",
        "(?:cat|tac|less|more|head|tail|nl|bat|base64|xxd|od|hexdump|strings|grep|egrep|rg|awk|sed|cut|sort|jq|yq|cp|mv|\
         scp|rsync|curl|wget|nc|tar|zip|gzip|gpg|openssl|source|python[0-9.]*|perl|ruby|node|vi|vim|nano|dd|tee|diff)",
    ),
];

const FILES: [&[Rule]; 7] =
    [shell::RULES, secret::RULES, exfil::RULES, privilege::RULES, code::RULES, guard::RULES, cloud::RULES];

/// How many rules there are.
pub const COUNT: usize = {
    let (mut count, mut file) = (0, 0);
    while file < FILES.len() {
        count += FILES[file].len();
        file += 1;
    }
    count
};

/// All rules.
pub fn rules() -> impl Iterator<Item = &'static Rule> {
    FILES.into_iter().flatten()
}
