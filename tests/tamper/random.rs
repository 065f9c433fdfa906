//! Damage by chance: whatever is done to the files, the ledger does not verify, and both verifiers say the same.
//!
//! `FUZZ_SECONDS` runs as long as that, `FUZZ_SEED` begins elsewhere.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::forge::Form;
use crate::scene::Scene;
use crate::{python, python_verifier, telseal};

/// A small generator of numbers.
struct Chance(u64);

impl Chance {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % n
    }
}

/// The text of a segment with one thing done to it, and what.
fn damaged(text: &[u8], chance: &mut Chance) -> (Vec<u8>, &'static str) {
    let mut out = text.to_vec();
    let at = chance.below(out.len());
    let mut lines: Vec<Vec<u8>> = text.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
    let (one, two) = (chance.below(lines.len()), chance.below(lines.len()));
    let what = match chance.below(8) {
        0 => {
            out[at] ^= 1 << chance.below(8);
            return (out, "a bit flipped");
        }
        1 => {
            out.remove(at);
            return (out, "a byte taken out");
        }
        2 => {
            out.insert(at, b"0\"{}\n,a="[chance.below(8)]);
            return (out, "a byte put in");
        }
        3 => {
            out.truncate(at);
            return (out, "cut");
        }
        4 => {
            lines.remove(one);
            "a line taken out"
        }
        5 => {
            let line = lines[one].clone();
            lines.insert(two, line);
            "a line copied"
        }
        6 => {
            lines.swap(one, two);
            "two lines exchanged"
        }
        _ => {
            out[at] = out[chance.below(out.len())];
            return (out, "a byte from elsewhere");
        }
    };
    (lines.concat(), what)
}

/// What a verifier may say.
fn allowed(honest: &[u8], damaged: &[u8], is_last: bool) -> &'static [i32] {
    match honest.strip_prefix(damaged) {
        Some([]) => &[0],
        // Cut between two groups, or inside one: nothing inside can show the first.
        Some(_) if is_last => &[0, 4, 6],
        _ => &[4],
    }
}

fn path_of(dir: &Path, scene: &Scene, segment: usize) -> PathBuf {
    dir.join("ledger").join(scene.forge.segments[segment].name())
}

/// What is wrong with the answers to one piece of damage, if anything.
fn round(seed: u64, python: Option<&Path>) -> Option<String> {
    let mut chance = Chance(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let dir = tempfile::tempdir().unwrap();
    let mut scene = Scene::new();
    if chance.below(3) == 0 {
        scene.encrypt();
    }
    let segment = chance.below(scene.forge.segments.len());
    let plain = scene.forge.segments[segment].form != Form::Seal;
    if plain {
        scene.forge.segments[segment].form = Form::Plain;
    }
    scene.write(dir.path());
    let path = path_of(dir.path(), &scene, segment);
    let honest = std::fs::read(&path).unwrap();
    // Of a compressed file the bytes are damaged, not what they hold.
    let (changed, what) = damaged(&honest, &mut chance);
    std::fs::write(&path, &changed).unwrap();
    let answers = [Some(telseal(&scene, dir.path())), python.map(|python| python_verifier(python, &scene, dir.path()))];
    let is_last = segment + 1 == scene.forge.segments.len();
    let exits: Vec<i32> = answers.iter().flatten().map(|(exit, _)| *exit).collect();
    let fine = exits.iter().all(|exit| allowed(&honest, &changed, is_last).contains(exit));
    let agree = exits.windows(2).all(|pair| pair[0] == pair[1]);
    (!fine || !agree).then(|| format!("seed {seed}, segment {segment}, {what}: {exits:?}: {answers:?}"))
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

#[test]
fn damage_by_chance_is_found_and_both_verifiers_agree() {
    let python = python::or_skip();
    let first = number("FUZZ_SEED").unwrap_or(1);
    let until = number("FUZZ_SECONDS").map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let (mut seed, mut wrong) = (first, vec![]);
    while until.map_or(seed < first + 60, |until| Instant::now() < until) {
        wrong.extend(round(seed, python.as_deref()));
        seed += 1;
    }
    println!("seeds {first} to {}{}", seed - 1, if python.is_some() { ", both verifiers" } else { "" });
    assert!(wrong.is_empty(), "{} times:\n{}", wrong.len(), wrong.join("\n"));
}
