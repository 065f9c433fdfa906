//! What telseal's own ledger writes, taken apart and written again by the second writer with the same keys, salts and
//! times, comes out as the same bytes.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use telseal::ledger::entry::Kind;
use telseal::ledger::{Control, Drafts, Ledger, Options};

use crate::forge::{About, Forge, Key, entry_of};

const ORIGIN: &str = "example.org/seal/own";

fn clock() -> u64 {
    static NOW: AtomicU64 = AtomicU64::new(1_700_000_000_000_000_000);
    NOW.fetch_add(1_000_000_007, Ordering::Relaxed)
}

fn drafts(count: usize) -> Drafts {
    let mut drafts = Drafts::with_capacity(count, 100);
    for n in 0..count {
        drafts.buffer().extend_from_slice(format!(r#"{{"body":"{n} \" ☃ {}"}}"#, "x".repeat(300)).as_bytes());
        drafts.finish_line(1, u16::from(n == 3) * 3, u8::try_from(n % 6).unwrap()).unwrap();
    }
    drafts
}

/// A ledger of several segments and epochs; and the keys of its epochs, which it destroyed itself.
fn written(dir: &Path) -> Vec<Key> {
    let options = Options { origin: Some(ORIGIN.into()), segment_bytes_max: 8000, clock, ..Options::new("logs") };
    let (mut ledger, ..) = Ledger::open(dir, &options).unwrap();
    let mut keys = vec![];
    let mut keep = |n: usize| {
        let pkcs8 = fs::read(dir.join("epoch.key")).unwrap();
        keys.push(Key::from_pkcs8(&format!("{ORIGIN}/epoch/{n}"), &pkcs8));
    };
    for n in 0..6 {
        keep(n);
        ledger.append(&[drafts(5), drafts(1), drafts(7)]).unwrap();
        ledger.append_control(Control::new(Kind::Heartbeat).number("received", 13)).unwrap();
        ledger.append(&[drafts(n)]).unwrap();
        ledger.append_order(Kind::Hold, br#"{"actor":"a","first":1,"hold":"h","last":2,"reason":"r"}"#).unwrap();
        ledger.rotate().unwrap();
    }
    keep(6);
    keys
}

/// Writes again what the lines say, one by one.
struct Again {
    forge: Forge,
    keys: Vec<Key>,
    rotated: bool,
}

impl Again {
    fn line(&mut self, line: &str) {
        if line.starts_with("{\"audit.segment\"") {
            if self.forge.size() > 0 {
                self.forge.roll();
            }
        } else if line.starts_with("{\"audit.checkpoint\"") {
            self.forge.checkpoint(line.matches('\u{2014}').count() == 2);
            self.forge.epoch += u32::from(std::mem::take(&mut self.rotated));
        } else {
            self.entry(line);
        }
    }

    fn entry(&mut self, line: &str) {
        let entry = entry_of(line);
        let seal = &serde_json::from_str::<Value>(line).unwrap()["audit.seal"];
        let salt = STANDARD.decode(seal["salt"].as_str().unwrap()).unwrap().try_into().unwrap();
        self.forge.given = Some((salt, u64::from_be_bytes(entry[32..40].try_into().unwrap())));
        let body = format!("{}}}", &line[..line.rfind(",\"audit.seal\":").unwrap()]);
        if matches!(entry[4], 1 | 3) {
            let key = self.keys[self.forge.keys.len()].clone();
            let with_root = body.matches('\u{2014}').count() == 2 || entry[4] == 1;
            self.forge.certify_key(key, with_root);
            let cert: Value = serde_json::from_str(&body).unwrap();
            assert_eq!(cert["cert"].as_str(), self.forge.certs.last().map(String::as_str));
            self.rotated = entry[4] == 3;
        }
        let flags = u16::from_be_bytes([entry[6], entry[7]]);
        let about = About { signal: entry[5], flags, risk: entry[112], disclosures: "" };
        self.forge.entry(entry[4], &body, &about);
    }
}

#[test]
fn two_writers_make_the_same_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let keys = written(dir.path());
    let root = Key::from_pkcs8(ORIGIN, &fs::read(dir.path().join("root.key")).unwrap());
    let mut names: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.retain(|path| path.extension().is_some_and(|extension| extension == "ndjson"));
    names.sort();
    assert!(names.len() >= 4, "{names:?}");
    let texts: Vec<String> = names.iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    let genesis: Value = serde_json::from_str(texts[0].lines().nth(1).unwrap()).unwrap();
    let nonce = STANDARD.decode(genesis["nonce"].as_str().unwrap()).unwrap().try_into().unwrap();
    let mut again = Again { forge: Forge::bare(ORIGIN, root, nonce), keys, rotated: false };
    texts.iter().flat_map(|text| text.lines()).for_each(|line| again.line(line));
    for (segment, text) in again.forge.segments.iter().zip(&texts) {
        for (made, found) in segment.lines.iter().zip(text.lines()) {
            assert_eq!(made, found);
        }
        assert_eq!(segment.text(), *text, "{}", segment.name());
    }
    let said = again.forge.segments.iter().map(|segment| segment.name());
    assert!(said.eq(names.iter().map(|path| path.file_name().unwrap().to_string_lossy().into_owned())));
    assert_eq!(again.forge.epoch, 6);
}
