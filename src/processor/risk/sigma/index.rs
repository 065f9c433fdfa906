//! Which rules may fire on an event: those whose programs run and whose texts occur in it, found by one scan of its texts.

use std::collections::{BTreeMap, HashMap};
use std::sync::OnceLock;

use aho_corasick::{AhoCorasick, AhoCorasickKind};

use super::super::event::{Command, Event, Field};
use super::rule::Rule;
use super::witness::{Kind, Spot, Witness, witness};

/// What the automaton over all texts may take before a slower, smaller one is built.
const DFA_TEXT_BYTES_MAX: usize = 32 << 10;

/// Rules by their place, as bits.
#[derive(Debug, Clone, Default)]
pub(super) struct Bits(Vec<u64>);

impl Bits {
    pub(super) fn new(len: usize) -> Self {
        Self(vec![0; len.div_ceil(64)])
    }

    /// True when it was not there.
    pub(super) fn insert(&mut self, place: usize) -> bool {
        let Some(word) = self.0.get_mut(place / 64) else { return false };
        let before = std::mem::replace(word, *word | 1 << (place % 64));
        before != *word
    }

    fn remove(&mut self, place: usize) {
        if let Some(word) = self.0.get_mut(place / 64) {
            *word &= !(1 << (place % 64));
        }
    }

    fn set(&mut self, other: &Self) {
        self.0.clone_from(&other.0);
    }
}

/// Those that are in all of these, first to last.
fn in_all<'b>(all: [&'b Bits; 3]) -> impl Iterator<Item = usize> + 'b {
    let [one, two, three] = all.map(|bits| &bits.0);
    one.iter().zip(two).zip(three).enumerate().flat_map(|(at, ((one, two), three))| {
        let mut rest = one & two & three;
        std::iter::from_fn(move || {
            let next = (rest != 0).then(|| at * 64 + rest.trailing_zeros() as usize)?;
            rest &= rest - 1;
            Some(next)
        })
    })
}

/// Whose witness something is: a rule, and whether as its program or as its text.
type Owner = (u32, bool);

/// The witnesses of a set of rules.
#[derive(Debug, Default)]
pub(super) struct Index {
    programs: HashMap<Box<str>, Vec<Owner>>,
    /// Texts in lower case, and for each where it must stand and whose witness it is.
    texts: Vec<Box<str>>,
    owners: Vec<Vec<(Spot, u32)>>,
    /// Finds the texts; built when it is first needed.
    automaton: OnceLock<Option<AhoCorasick>>,
    /// Fields that are scanned.
    fields: Vec<Field>,
    /// Rules that ask for no program, and rules that ask for no text.
    any_program: Bits,
    any_text: Bits,
    /// Rules that look at each command by itself, and those that look at the event.
    by_command: Bits,
    by_event: Bits,
    /// Rules about what others have found.
    pub(super) second: Vec<usize>,
}

/// Rules that may fire, in memory that is used again.
#[derive(Debug, Default)]
pub(super) struct Candidates {
    /// By texts, whatever command is looked at.
    event: Bits,
    /// With the command last asked for.
    texts: Bits,
    programs: Bits,
    /// Which texts occur in each command, one after the other, and where those of each end.
    hits: Vec<u32>,
    ends: Vec<usize>,
    seen: Bits,
}

impl Candidates {
    /// Rules that look at the event as a whole.
    pub(super) fn of_event<'c>(&'c self, index: &'c Index) -> impl Iterator<Item = usize> + 'c {
        in_all([&self.event, &index.by_event, &index.by_event])
    }

    /// Rules that look at the command last asked for.
    pub(super) fn of_command<'c>(&'c self, index: &'c Index) -> impl Iterator<Item = usize> + 'c {
        in_all([&self.texts, &self.programs, &index.by_command])
    }
}

impl Index {
    pub(super) fn new(rules: &[Rule]) -> Self {
        let empty = || Bits::new(rules.len());
        let mut index =
            Self { any_program: empty(), any_text: empty(), by_command: empty(), by_event: empty(), ..Self::default() };
        let mut texts: BTreeMap<String, Vec<(Spot, u32)>> = BTreeMap::new();
        for (place, rule) in rules.iter().enumerate() {
            if rule.scope.is_second() {
                index.second.push(place);
                continue;
            }
            let by_command = rule.scope.dialect.by_command();
            if by_command { &mut index.by_command } else { &mut index.by_event }.insert(place);
            index.rule(place, rule, by_command, &mut texts);
        }
        index.fields.sort_unstable();
        index.fields.dedup();
        for (text, owners) in texts {
            index.texts.push(text.into());
            index.owners.push(owners);
        }
        index
    }

    /// Enters a rule: by its programs and by its texts, as far as it asks for them.
    fn rule(&mut self, place: usize, rule: &Rule, by_command: bool, texts: &mut BTreeMap<String, Vec<(Spot, u32)>>) {
        let of = |kind| witness(&rule.body, rule.scope.dialect, kind);
        let programs = if by_command { of(Kind::Program) } else { None };
        let (mut own, mut as_program) = (of(Kind::Text), false);
        match programs {
            Some(all) => all.into_iter().for_each(|(_, name)| self.add_program(name, place, true)),
            None => {
                self.any_program.insert(place);
                // Either would do: a program in one branch of the rule, a text in another.
                own = own.or_else(|| of(Kind::Either));
                as_program = own.is_some();
            }
        }
        let Some(own) = own else {
            self.any_text.insert(place);
            return;
        };
        self.add_texts(own, place, as_program, texts);
    }

    fn add_texts(
        &mut self,
        own: Witness,
        place: usize,
        as_program: bool,
        texts: &mut BTreeMap<String, Vec<(Spot, u32)>>,
    ) {
        for (spot, text) in own {
            match spot {
                Spot::Program if as_program => {
                    self.add_program(text, place, false);
                    continue;
                }
                Spot::Program => continue,
                Spot::Field(field) => self.fields.push(field),
                Spot::Command => {}
            }
            let owners = texts.entry(text).or_default();
            let owner = (spot, number(place));
            if !owners.contains(&owner) {
                owners.push(owner);
            }
        }
    }

    fn add_program(&mut self, name: String, place: usize, as_program: bool) {
        let owners = self.programs.entry(name.into()).or_default();
        if !owners.contains(&(number(place), as_program)) {
            owners.push((number(place), as_program));
        }
    }

    /// Rules that may fire whatever command is looked at. Each text is scanned once: a command's is also `cmd.argv`, and a line
    /// of one command is that command.
    pub(super) fn event(&self, event: &Event<'_>) -> Candidates {
        let mut found =
            Candidates { event: self.any_text.clone(), seen: Bits::new(self.texts.len()), ..Candidates::default() };
        for command in event.commands() {
            let from = found.hits.len();
            self.scan(command.text, &mut found);
            self.enter(Spot::Field(Field::CmdArgv), from, &mut found);
            found.ends.push(found.hits.len());
        }
        let end = found.hits.len();
        for field in &self.fields {
            if *field == Field::CmdArgv && end > 0 {
                continue;
            }
            for text in event.values(*field) {
                match event.commands() {
                    [only] if only.text == *text => self.enter(Spot::Field(*field), 0, &mut found),
                    _ => {
                        self.scan(text, &mut found);
                        self.enter(Spot::Field(*field), end, &mut found);
                        found.hits.truncate(end);
                    }
                }
            }
        }
        found
    }

    /// Notes the owners of the texts hit since `from` that ask for them in this spot.
    fn enter(&self, spot: Spot, from: usize, found: &mut Candidates) {
        for hit in &found.hits[from..] {
            for (_, place) in self.owners[*hit as usize].iter().filter(|(own, _)| *own == spot) {
                found.event.insert(*place as usize);
            }
        }
    }

    /// Adds those that may fire on this command, which is number `number`.
    pub(super) fn command(&self, number: usize, command: &Command<'_>, found: &mut Candidates) {
        found.texts.set(&found.event);
        found.programs.set(&self.any_program);
        self.program(command.program, found);
        let stem = stem(command.program);
        if stem.len() < command.program.len() {
            self.program(stem, found);
        }
        let end = found.hits.len();
        if command.path.len() > command.program.len() {
            self.scan(command.path, found);
        }
        command.redirects.iter().for_each(|to| self.scan(to.target, found));
        let from = number.checked_sub(1).map_or(0, |before| found.ends[before]);
        for hit in found.hits[from..found.ends[number]].iter().chain(&found.hits[end..]) {
            for (_, place) in self.owners[*hit as usize].iter().filter(|(own, _)| *own == Spot::Command) {
                found.texts.insert(*place as usize);
            }
        }
        found.hits.truncate(end);
    }

    fn program(&self, program: &str, found: &mut Candidates) {
        for (place, as_program) in self.of_program(program) {
            let bits = if *as_program { &mut found.programs } else { &mut found.texts };
            bits.insert(*place as usize);
        }
    }

    fn of_program(&self, program: &str) -> &[Owner] {
        let found = self.programs.get(program);
        let found = match found {
            None if program.bytes().any(|byte| byte.is_ascii_uppercase() || !byte.is_ascii()) => {
                self.programs.get(&*program.to_lowercase())
            }
            found => found,
        };
        found.map_or(&[], Vec::as_slice)
    }

    /// Rules that are evaluated on every event, for want of a witness.
    #[cfg(test)]
    pub(super) fn always(&self) -> Vec<usize> {
        let by_command = in_all([&self.any_text, &self.any_program, &self.by_command]);
        by_command.chain(in_all([&self.any_text, &self.by_event, &self.by_event])).collect()
    }

    /// Adds the texts that occur, each once.
    fn scan(&self, text: &str, found: &mut Candidates) {
        let Some(automaton) = self.automaton.get_or_init(|| self.build()) else {
            // Too many texts to be searched at once: as if all of them occurred.
            found.hits.extend((0..self.texts.len()).map(number));
            return;
        };
        let from = found.hits.len();
        for hit in automaton.find_overlapping_iter(text) {
            if found.seen.insert(hit.pattern().as_usize()) {
                found.hits.push(hit.pattern().as_u32());
            }
        }
        for hit in &found.hits[from..] {
            found.seen.remove(*hit as usize);
        }
    }

    fn build(&self) -> Option<AhoCorasick> {
        let bytes: usize = self.texts.iter().map(|text| text.len()).sum();
        let kind = if bytes <= DFA_TEXT_BYTES_MAX { AhoCorasickKind::DFA } else { AhoCorasickKind::ContiguousNFA };
        let mut builder = AhoCorasick::builder();
        builder.ascii_case_insensitive(true).kind(Some(kind));
        builder.build(self.texts.iter().map(|text| text.as_bytes())).ok()
    }
}

/// The name of a program without a version at its end.
pub(super) fn stem(program: &str) -> &str {
    program.trim_end_matches(|last: char| last.is_ascii_digit() || last == '.')
}

#[expect(clippy::cast_possible_truncation, reason = "a set holds far fewer rules than 2^32")]
const fn number(place: usize) -> u32 {
    place as u32
}
