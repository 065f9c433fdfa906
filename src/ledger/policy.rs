//! Whom a verifier trusts, as C2SP `tlog-policy` writes it: `log`, `witness`, `group`, `quorum`.
//!
//! ```text
//! log <vkey> [<url>]
//! witness <name> <vkey> [<url>]
//! group <name> all|any|<k> <member>..
//! quorum <name>|none
//! ```
//!
//! Limits: 256 lines of each kind, 64 KiB. Keys: Ed25519 (logs: kind 1, witnesses: kind 4).

use std::collections::{BTreeMap, BTreeSet};

use super::cosign::WitnessKey;
use super::note::{Note, VerifyingKey};

/// The largest policy that is read, in bytes.
pub const BYTES_MAX: u64 = 64 * 1024;

const EACH_MAX: usize = 256;

/// A policy: known logs, known witnesses, and how many of them must agree.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Policy {
    /// The logs, that is the ledgers, by their root keys.
    pub logs: Vec<VerifyingKey>,
    /// The witnesses by the names that this policy gives them.
    pub witnesses: BTreeMap<String, WitnessKey>,
    groups: BTreeMap<String, Group>,
    quorum: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Group {
    needed: usize,
    members: Vec<String>,
}

/// A line of a policy that cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct PolicyError {
    /// The line, from 1; 0 for the file as a whole.
    pub line: usize,
    /// What is wrong with it.
    pub what: String,
}

impl Policy {
    /// Reads the text of a policy.
    ///
    /// # Errors
    /// The first line that is not as the format wants it.
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        let mut reading = Reading::default();
        for (index, line) in text.split('\n').enumerate() {
            reading.line(line).map_err(|what| PolicyError { line: index + 1, what })?;
        }
        let fail = |what: &str| Err(PolicyError { line: 0, what: what.to_owned() });
        if !reading.has_quorum {
            return fail("there is no quorum line");
        }
        Ok(reading.policy)
    }

    /// True when no witness is needed.
    #[must_use]
    pub fn needs_no_witness(&self) -> bool {
        self.quorum.is_none()
    }

    /// Which witnesses cosigned the note, by the names that the policy gives them.
    #[must_use]
    pub fn cosigners(&self, note: &Note<'_>) -> BTreeSet<&str> {
        let cosigned = self.witnesses.iter().filter(|(_, key)| key.cosigned_at(note).is_some());
        cosigned.map(|(name, _)| name.as_str()).collect()
    }

    /// True when so many witnesses agree as the policy wants.
    #[must_use]
    pub fn is_quorum(&self, cosigners: &BTreeSet<&str>) -> bool {
        self.quorum.as_ref().is_none_or(|name| self.is_witnessed(name, cosigners))
    }

    /// A group refers to names before it only, so this ends; and each name has one place, so it is linear.
    fn is_witnessed(&self, name: &str, cosigners: &BTreeSet<&str>) -> bool {
        match self.groups.get(name) {
            None => cosigners.contains(name),
            Some(group) => {
                let count = group.members.iter().filter(|member| self.is_witnessed(member, cosigners)).count();
                count >= group.needed
            }
        }
    }
}

/// A policy of which some lines were read.
#[derive(Default)]
struct Reading {
    policy: Policy,
    has_quorum: bool,
    /// Names that are members of a group already.
    placed: BTreeSet<String>,
}

impl Reading {
    fn line(&mut self, line: &str) -> Result<(), String> {
        if line.chars().any(|c| c.is_ascii_control() && c != '\t') {
            return Err("a control character".to_owned());
        }
        let words: Vec<&str> = line.split([' ', '\t']).filter(|word| !word.is_empty()).collect();
        match words.as_slice() {
            [] => Ok(()),
            [first, ..] if first.starts_with('#') => Ok(()),
            ["log", key] | ["log", key, _] => self.log(key),
            ["witness", name, key] | ["witness", name, key, _] => self.witness(name, key),
            ["group", name, needed, members @ ..] => self.group(name, needed, members),
            ["quorum", name] => self.quorum(name),
            [first, ..] => Err(format!("not a line of a policy: `{first}` with {} words", words.len())),
        }
    }

    fn log(&mut self, key: &str) -> Result<(), String> {
        let key = VerifyingKey::parse(key).ok_or("not an Ed25519 verifier key of a log")?;
        if self.policy.logs.iter().any(|known| known.fingerprint() == key.fingerprint()) {
            return Err("this key of a log stands here twice".to_owned());
        }
        limit(self.policy.logs.len())?;
        self.policy.logs.push(key);
        Ok(())
    }

    fn witness(&mut self, name: &str, key: &str) -> Result<(), String> {
        let key = WitnessKey::parse(key).ok_or("not an Ed25519 verifier key of a witness")?;
        self.check_new(name)?;
        if self.policy.witnesses.values().any(|known| known.public() == key.public()) {
            return Err("this key of a witness stands here twice".to_owned());
        }
        limit(self.policy.witnesses.len())?;
        self.policy.witnesses.insert(name.to_owned(), key);
        Ok(())
    }

    fn group(&mut self, name: &str, needed: &str, members: &[&str]) -> Result<(), String> {
        self.check_new(name)?;
        limit(self.policy.groups.len())?;
        for member in members {
            self.check_known(member)?;
            if !self.placed.insert((*member).to_owned()) {
                return Err(format!("`{member}` is a member already"));
            }
        }
        let count = members.len();
        let needed = match needed {
            "all" => count,
            "any" => 1,
            number => number
                .parse()
                .ok()
                .filter(|_| !number.starts_with(['+', '0']))
                .ok_or("expected all, any or a number")?,
        };
        if needed == 0 || needed > count {
            return Err(format!("{needed} of {count} members cannot be reached, or is nothing"));
        }
        let members = members.iter().map(|member| (*member).to_owned()).collect();
        self.policy.groups.insert(name.to_owned(), Group { needed, members });
        Ok(())
    }

    fn quorum(&mut self, name: &str) -> Result<(), String> {
        if std::mem::replace(&mut self.has_quorum, true) {
            return Err("a second quorum line".to_owned());
        }
        if name != "none" {
            self.check_known(name)?;
            self.policy.quorum = Some(name.to_owned());
        }
        Ok(())
    }

    fn is_known(&self, name: &str) -> bool {
        self.policy.witnesses.contains_key(name) || self.policy.groups.contains_key(name)
    }

    fn check_known(&self, name: &str) -> Result<(), String> {
        if self.is_known(name) { Ok(()) } else { Err(format!("`{name}` is not defined above")) }
    }

    fn check_new(&self, name: &str) -> Result<(), String> {
        if name == "none" || self.is_known(name) { Err(format!("the name `{name}` is taken")) } else { Ok(()) }
    }
}

fn limit(count: usize) -> Result<(), String> {
    if count < EACH_MAX { Ok(()) } else { Err(format!("more than {EACH_MAX} of a kind")) }
}

#[cfg(test)]
mod tests {
    use super::super::cosign::{cosign, witness_key};
    use super::super::note::SigningKey;
    use super::*;

    fn key(n: u8) -> SigningKey {
        SigningKey::from_seed(&[n; 32], &format!("w.example/{n}")).unwrap()
    }

    /// The example of the specification, with real keys.
    fn example() -> String {
        let mut text = format!("# whom we trust\n\n  log\t{}  https://log.example/ \n", key(9).verifying());
        for n in 1..=6 {
            let name = if n < 4 { format!("X{n}") } else { format!("Y{}", n - 3) };
            text += &format!("witness {name} {}\n", witness_key(&key(n)).unwrap());
        }
        text + "group X 2 X1 X2 X3\ngroup Y any Y1 Y2 Y3\ngroup XY all X Y\nquorum XY\n"
    }

    #[test]
    fn a_quorum_is_met_by_the_right_witnesses_only() {
        let policy = Policy::parse(&example()).unwrap();
        assert_eq!((policy.logs.len(), policy.witnesses.len(), policy.needs_no_witness()), (1, 6, false));
        let text = "x\n1\nsFodV/vSp5O8n9a8QpW6PRY97tfOSW5bsc2Xl/EQi08=\n";
        for (signers, expected) in [
            (&[][..], false),
            (&[1, 2][..], false),
            (&[1, 4][..], false),
            (&[1, 3, 5][..], true),
            (&[4, 5, 6][..], false),
            (&[1, 2, 3, 4, 5, 6][..], true),
            (&[1, 1, 7, 4][..], false),
        ] {
            let lines: String = signers.iter().map(|n| cosign(&key(*n), text, 5).unwrap()).collect();
            let note = format!("{text}\n{lines}— other AAAAAA==\n");
            let note = Note::parse(&note).unwrap();
            assert_eq!(policy.is_quorum(&policy.cosigners(&note)), expected, "{signers:?}");
        }
    }

    #[test]
    fn no_witness_is_a_quorum_that_is_always_met() {
        let policy = Policy::parse("quorum none\n").unwrap();
        assert!(policy.needs_no_witness() && policy.is_quorum(&BTreeSet::new()));
    }

    #[test]
    fn what_the_format_forbids_is_refused_with_its_line() {
        let witness = witness_key(&key(1)).unwrap().to_string();
        let log = key(1).verifying().to_string();
        let one = format!("witness a {witness}\n");
        for (text, line) in [
            (String::new(), 0),
            (one.clone(), 0),
            ("quorum a".to_owned(), 1),
            ("quorum none\nquorum none".to_owned(), 2),
            (format!("log {witness}\nquorum none"), 1),
            (format!("witness a {log}\nquorum none"), 1),
            (format!("witness none {witness}\nquorum none"), 1),
            (format!("log {log}\nlog {log}\nquorum none"), 2),
            (format!("{one}witness b {witness}\nquorum none"), 2),
            (format!("{one}group a any a\nquorum a"), 2),
            (format!("{one}group g 2 a\nquorum g"), 2),
            (format!("{one}group g 0 a\nquorum g"), 2),
            (format!("{one}group g any\nquorum g"), 2),
            (format!("{one}group g any b\nquorum g"), 2),
            (format!("{one}group g any a\ngroup h any a\nquorum h"), 3),
            (format!("{one}group g all g\nquorum g"), 2),
            ("quorum none\r\n".to_owned(), 1),
            ("frobnicate\nquorum none".to_owned(), 1),
        ] {
            assert_eq!(Policy::parse(&text).map_err(|error| error.line), Err(line), "{text:?}");
        }
    }
}
