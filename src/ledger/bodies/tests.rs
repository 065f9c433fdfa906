//! A ledger whose bodies rest encrypted does all that one in clear does, shows nothing without the key, and notices what is
//! done to what is encrypted.

#![expect(clippy::disallowed_methods, reason = "these tests damage files on purpose")]

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use super::*;
use crate::ledger::checker::Fault;
use crate::ledger::entry::Kind;
use crate::ledger::note::VerifyingKey;
use crate::ledger::prove::prove;
use crate::ledger::retain::{Erasure, Retention, Survey, execute};
use crate::ledger::verify::{Report, VerifyError, VerifyOptions, verify};
use crate::ledger::walk::Folder;
use crate::ledger::{Drafts, EXTENSION, Ledger, LedgerReader, Options, close, field_digest, files};
use crate::stdx::segments::{Position, path_of};

thread_local! {
    static IN_FORCE: RefCell<Keyring> = RefCell::default();
}

/// What tests of other modules encrypt with: nothing, but within [`encrypted`].
pub(in crate::ledger) fn encryption() -> Keyring {
    IN_FORCE.with_borrow(Clone::clone)
}

/// Runs a test of another module once more, with bodies encrypted.
pub(in crate::ledger) fn encrypted(test: impl FnOnce()) {
    let rig = Rig::new();
    IN_FORCE.set(rig.keyring());
    test();
    IN_FORCE.take();
}

/// Keys are where bodies are, and nowhere else.
pub(in crate::ledger) fn check_keys(dir: &Path) {
    for file in files::list(dir).unwrap() {
        let may_be = file.form != files::Form::Stubs && !encryption().is_empty();
        assert!(may_be || keys_in(dir, file.first) == 0, "{}", file.path.display());
    }
}

/// A folder for a ledger, and a file of keys.
struct Rig {
    dir: tempfile::TempDir,
    file: tempfile::TempDir,
}

impl Rig {
    fn new() -> Self {
        let rig = Self { dir: tempfile::tempdir().unwrap(), file: tempfile::tempdir().unwrap() };
        add_key(&rig.key_file()).unwrap();
        rig
    }

    fn key_file(&self) -> PathBuf {
        self.file.path().join("bodies.key")
    }

    fn keyring(&self) -> Keyring {
        Keyring::read(&self.key_file()).unwrap()
    }

    fn options(&self) -> Options {
        Options { segment_bytes_max: 6000, encryption: self.keyring(), ..Options::new("logs") }
    }

    fn open(&self) -> (Ledger, LedgerReader) {
        let (ledger, reader, _) = Ledger::open(self.dir.path(), &self.options()).unwrap();
        (ledger, reader)
    }

    /// So many records in groups of three, ended in order.
    fn with_records(records: usize) -> Self {
        let rig = Self::new();
        let (mut ledger, _) = rig.open();
        fill(&mut ledger, 0..records);
        ledger.finish().unwrap();
        rig
    }

    fn check(&self, keyring: Keyring) -> Result<Report, VerifyError> {
        verify(self.dir.path(), &VerifyOptions { keyring, ..VerifyOptions::default() })
    }

    fn finding(&self) -> Fault {
        match self.check(self.keyring()) {
            Err(VerifyError::Violation(found)) => found.fault,
            other => panic!("{other:?}"),
        }
    }

    /// The first segment.
    fn first(&self) -> PathBuf {
        path_of(self.dir.path(), 0, EXTENSION)
    }

    /// Changes the text of a file.
    fn edit(path: &Path, change: impl FnOnce(String) -> String) {
        fs::write(path, change(fs::read_to_string(path).unwrap())).unwrap();
    }
}

fn line(n: usize) -> String {
    format!(r#"{{"body":"record {n} of the secret"}}"#)
}

fn group(records: impl IntoIterator<Item = usize>) -> Drafts {
    let mut drafts = Drafts::with_capacity(3, 200);
    for n in records {
        drafts.buffer().extend_from_slice(line(n).as_bytes());
        drafts.finish_line(1, 0, 0).unwrap();
    }
    drafts
}

/// Groups of two requests, of one and two records.
fn fill(ledger: &mut Ledger, records: std::ops::Range<usize>) {
    for first in records.clone().step_by(3) {
        let end = (first + 3).min(records.end);
        ledger.append(&[group(first..first + 1), group(first + 1..end)]).unwrap();
    }
}

fn bodies(reader: &mut LedgerReader, mut at: Position, bytes_max: usize) -> Vec<String> {
    let mut found = Vec::new();
    while let Some(chunk) = reader.read(at, bytes_max).unwrap() {
        let lines = std::str::from_utf8(&chunk.lines).unwrap().lines();
        let before = found.len();
        found.extend(lines.map(|line| line.split_once(",\"audit.seal\"").unwrap().0.to_owned() + "}"));
        assert_eq!((found.len() - before) as u64, chunk.records);
        at = chunk.next;
    }
    found
}

fn lines(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(line).collect()
}

fn close_all(ledger: &mut Ledger) {
    while let Some(packing) = ledger.segments.to_pack(ledger.end()) {
        close::close(&packing.path(), packing.first(), &AtomicBool::new(false)).unwrap();
        packing.finish().unwrap();
    }
}

/// All bytes of all files of the ledger, unpacked.
fn at_rest(dir: &Path) -> Vec<u8> {
    let mut all = Vec::new();
    for path in crate::stdx::durable::list(dir).unwrap().into_iter().filter(|path| path.is_file()) {
        let bytes = fs::read(&path).unwrap();
        let is_packed = path.extension().is_some_and(|end| end == "zst");
        all.extend(if is_packed { zstd::decode_all(bytes.as_slice()).unwrap() } else { bytes });
    }
    all
}

fn keys_in(dir: &Path, segment: u64) -> usize {
    fs::read_to_string(path_of(dir, segment, KEYS_EXTENSION)).unwrap_or_default().lines().count()
}

#[test]
fn bodies_are_delivered_verified_and_proven_with_the_key_and_nowhere_in_clear() {
    let rig = Rig::new();
    let (mut ledger, mut reader) = rig.open();
    fill(&mut ledger, 0..40);
    for bytes_max in [1, 700, 1 << 20] {
        assert_eq!(bodies(&mut reader, Position::default(), bytes_max), lines(0..40), "{bytes_max}");
    }
    close_all(&mut ledger);
    assert_eq!(bodies(&mut reader, Position::default(), 900), lines(0..40));
    ledger.finish().unwrap();
    let (mut ledger, mut reader) = rig.open();
    fill(&mut ledger, 40..50);
    assert_eq!(bodies(&mut reader, Position::default(), 900), lines(0..50));
    ledger.finish().unwrap();
    let report = &rig.check(rig.keyring()).unwrap().ledgers[0];
    assert_eq!((report.records, report.bodies_gone, report.bodies_locked), (50, 0, 0));
    assert!(report.segments > 2 && report.packed > 1);
    assert!(!at_rest(rig.dir.path()).windows(6).any(|text| text == b"secret"));
    // A record can be proven with its body; without the key, the entry alone.
    let folder = Folder::find(rig.dir.path()).unwrap();
    let found = |seq| prove(&folder.clone().with_keys(rig.keyring()), seq).unwrap().line.unwrap();
    assert_eq!(found(2), line(0));
    assert_eq!((prove(&folder, 2).unwrap().line, folder.missing_key(2).unwrap()), (None, rig.keyring().in_use()));
}

#[test]
fn every_place_that_a_request_was_given_is_one_to_read_on_from() {
    let rig = Rig::new();
    let (mut ledger, mut reader) = rig.open();
    let mut ends = Vec::new();
    for n in 0..9 {
        let sealed = ledger.append(&[group([2 * n]), group([2 * n + 1])]).unwrap();
        ends.extend(sealed.into_iter().map(|sealed| sealed.end));
    }
    for (index, end) in ends.into_iter().enumerate() {
        assert_eq!(bodies(&mut reader, end, 300), lines(index + 1..18), "{index}");
    }
}

#[test]
fn without_the_key_everything_but_the_bodies_is_verified() {
    let rig = Rig::with_records(20);
    assert!(matches!(rig.check(Keyring::default()), Err(VerifyError::Inconclusive(_))));
    let other = Rig::new().keyring();
    for keyring in [Keyring::default(), other] {
        let options = VerifyOptions { keyring, may_be_locked: true, ..VerifyOptions::default() };
        let report = verify(rig.dir.path(), &options).unwrap();
        assert_eq!((report.ledgers[0].bodies_locked, report.ledgers[0].bodies_gone), (20, 0));
        assert_eq!(report.ledgers[0].missing_key, rig.keyring().in_use());
        let said = report.to_string();
        assert!(said.contains("not proven  that the bodies are there") && said.starts_with("incomplete"), "{said}");
        assert!(report.to_json().contains(r#""bodies_locked":20"#) && report.to_json().contains("inconclusive"));
    }
    // Nor does a process start that would have to cut or deliver what it cannot read.
    let options = Options { encryption: Keyring::default(), ..rig.options() };
    let error = Ledger::open(rig.dir.path(), &options).unwrap_err().to_string();
    assert!(error.contains("encrypted under the key"), "{error}");
}

#[test]
fn a_change_of_the_body_key_wraps_keys_anew_and_touches_no_segment() {
    let rig = Rig::new();
    let (mut ledger, mut reader) = rig.open();
    fill(&mut ledger, 0..20);
    close_all(&mut ledger);
    let segments = |dir: &Path| -> Vec<(PathBuf, Vec<u8>)> {
        files::list(dir).unwrap().into_iter().map(|file| (file.path.clone(), fs::read(&file.path).unwrap())).collect()
    };
    let (before, old) = (segments(rig.dir.path()), rig.keyring());
    let new = add_key(&rig.key_file()).unwrap();
    assert_eq!(rig.keyring().ids(), [new, old.in_use().unwrap()]);
    ledger.rewrap().unwrap();
    assert_eq!(ledger.answer().body_key, Some(new));
    let done = rewrap_all(rig.dir.path(), &rig.keyring()).unwrap();
    assert!(done.keys > 0 && done.kept == 1, "{done:?}");
    assert_eq!(rewrap_all(rig.dir.path(), &rig.keyring()).unwrap(), Rewrapped { keys: 0, kept: done.keys + 1 });
    assert_eq!(segments(rig.dir.path()), before);
    // The old key goes, while the ledger is open.
    Rig::edit(&rig.key_file(), |text| text.lines().take(2).map(|line| format!("{line}\n")).collect());
    assert_eq!(rig.keyring().ids(), [new]);
    ledger.rewrap().unwrap();
    fill(&mut ledger, 20..40);
    assert_eq!(bodies(&mut reader, Position::default(), 500), lines(0..40));
    ledger.finish().unwrap();
    assert_eq!(rig.check(rig.keyring()).unwrap().ledgers[0].records, 40);
    let options = VerifyOptions { keyring: old, may_be_locked: true, ..VerifyOptions::default() };
    assert_eq!(verify(rig.dir.path(), &options).unwrap().ledgers[0].bodies_locked, 40);
}

#[test]
fn an_encrypted_ledger_may_begin_in_clear() {
    let rig = Rig::new();
    let clear = Options { encryption: Keyring::default(), ..rig.options() };
    let (mut ledger, ..) = Ledger::open(rig.dir.path(), &clear).unwrap();
    fill(&mut ledger, 0..5);
    ledger.finish().unwrap();
    let (mut ledger, mut reader) = rig.open();
    fill(&mut ledger, 5..20);
    for bytes_max in [1, 900, 1 << 20] {
        assert_eq!(bodies(&mut reader, Position::default(), bytes_max), lines(0..20));
    }
    ledger.finish().unwrap();
    assert_eq!(rig.check(rig.keyring()).unwrap().ledgers[0].records, 20);
}

#[test]
fn large_requests_take_several_boxes() {
    let rig = Rig::new();
    let (mut ledger, mut reader) = rig.open();
    let noise = |n: usize| -> String {
        let mut random = crate::ledger::hash::sha256(&n.to_be_bytes());
        let mut text = Vec::new();
        while text.len() < 700_000 {
            random = crate::ledger::hash::sha256(&random);
            push_base64(&mut text, &random);
        }
        format!(r#"{{"body":"{}"}}"#, String::from_utf8(text).unwrap())
    };
    let mut drafts = Drafts::with_capacity(5, 4 << 20);
    for n in 0..5 {
        drafts.buffer().extend_from_slice(noise(n).as_bytes());
        drafts.finish_line(1, 0, 0).unwrap();
    }
    ledger.append(&[drafts, group([1])]).unwrap();
    let text = fs::read_to_string(rig.first()).unwrap();
    assert_eq!(text.matches("{\"audit.bodies\":").count(), 6);
    let expected: Vec<String> = (0..5).map(noise).chain([line(1)]).collect();
    assert!(bodies(&mut reader, Position::default(), 1000) == expected);
    ledger.finish().unwrap();
    rig.check(rig.keyring()).unwrap();
}

/// A ledger of thirty records that has ended, and its root key.
fn ended(packed: bool) -> (Rig, VerifyingKey) {
    let rig = Rig::new();
    let (mut ledger, _) = rig.open();
    fill(&mut ledger, 0..30);
    if packed {
        close_all(&mut ledger);
    }
    let root = ledger.verifying_key().clone();
    ledger.finish().unwrap();
    (rig, root)
}

#[test]
fn retention_destroys_the_keys_with_the_bodies() {
    for packed in [false, true] {
        let (rig, root) = ended(packed);
        let survey = Survey::read(rig.dir.path(), &root, &rig.keyring(), &BTreeSet::new()).unwrap();
        let all = Retention { before_ns: u64::MAX, actor: "x".to_owned(), ..Retention::default() };
        let plan = all.plan(&survey, None).unwrap();
        let (first, last) = plan.segments[0];
        assert_eq!((first, keys_in(rig.dir.path(), first)), (0, 1));
        let done = execute(rig.dir.path(), &rig.options(), &plan.drafts).unwrap();
        assert!(done.segments > 1 && keys_in(rig.dir.path(), 0) == 0 && last > 0);
        let report = rig.check(rig.keyring()).unwrap().ledgers.remove(0);
        assert_eq!(report.bodies_gone, plan.records);
        // What goes on does so from the next segment.
        let (_, mut reader) = rig.open();
        let oldest = reader.segments().oldest();
        let left = bodies(&mut reader, oldest, 500);
        assert_eq!(left.len() as u64, 30 - plan.records);
    }
}

#[test]
fn erasure_writes_the_segment_anew_under_another_key() {
    for packed in [false, true] {
        let (rig, root) = ended(packed);
        let key = |rig: &Rig| fs::read_to_string(path_of(rig.dir.path(), 0, KEYS_EXTENSION)).unwrap();
        let before = key(&rig);
        let erasure =
            Erasure { seqs: [3, 5].into(), actor: "x".into(), basis: "b".into(), request: "r".into(), fields: vec![] };
        let survey = Survey::read(rig.dir.path(), &root, &rig.keyring(), &erasure.seqs).unwrap();
        let done = execute(rig.dir.path(), &rig.options(), &[erasure.draft(&survey).unwrap()]).unwrap();
        assert_eq!(done.records, 2);
        let after = key(&rig);
        assert_eq!((before.lines().count(), after.lines().count()), (1, 1));
        assert_ne!(before.split("\"id\"").nth(1).unwrap()[..20], after.split("\"id\"").nth(1).unwrap()[..20]);
        let report = rig.check(rig.keyring()).unwrap().ledgers.remove(0);
        assert_eq!((report.bodies_gone, report.bodies_locked, report.records), (2, 0, 30));
        let (_, mut reader) = rig.open();
        let left: Vec<String> =
            lines(0..30).into_iter().enumerate().filter(|(n, _)| ![1, 3].contains(n)).map(|(_, line)| line).collect();
        assert_eq!(bodies(&mut reader, Position::default(), 600), left);
        assert!(!at_rest(rig.dir.path()).windows(6).any(|text| text == b"secret"));
    }
}

#[test]
fn a_field_can_be_erased_from_an_encrypted_record() {
    let rig = Rig::new();
    let (mut ledger, _) = rig.open();
    let mut drafts = Drafts::with_capacity(1, 200);
    let digest = field_digest(&[7; 16], br#""user":"ann""#);
    let promise = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, digest);
    drafts.buffer().extend_from_slice(format!(r#"{{"attributes":{{"user":{{"$sd":"{promise}"}}}}}}"#).as_bytes());
    drafts.finish_line(1, 4, 0).unwrap();
    drafts.disclose(br#"[["BwcHBwcHBwcHBwcHBwcHBw==","user","ann"]]"#);
    ledger.append(&[drafts]).unwrap();
    fill(&mut ledger, 0..9);
    let root = ledger.verifying_key().clone();
    ledger.finish().unwrap();
    let erasure = Erasure { seqs: [2].into(), fields: vec!["user".into()], ..Erasure::default() };
    let survey = Survey::read(rig.dir.path(), &root, &rig.keyring(), &erasure.seqs).unwrap();
    let done = execute(rig.dir.path(), &rig.options(), &[erasure.draft(&survey).unwrap()]).unwrap();
    assert_eq!(done.fields, 1);
    let report = rig.check(rig.keyring()).unwrap().ledgers.remove(0);
    assert_eq!((report.fields_gone, report.bodies_gone), (1, 0));
}

/// Puts another character of base64 in the place of one that is `back` before the end of the first box.
fn flip(text: &str, start: &str, back: usize) -> String {
    let at = text.find(start).unwrap() + start.len();
    let end = at + text[at..].find('"').unwrap() - back;
    let other = if &text[end..=end] == "A" { "B" } else { "A" };
    format!("{}{other}{}", &text[..end], &text[end + 1..])
}

#[test]
fn what_is_done_to_bodies_or_their_keys_is_found() {
    let fault = |change: &dyn Fn(&Rig)| {
        let rig = Rig::with_records(20);
        rig.check(rig.keyring()).unwrap();
        change(&rig);
        rig.finding()
    };
    let keys = |rig: &Rig| path_of(rig.dir.path(), 0, KEYS_EXTENSION);
    assert_eq!(fault(&|rig| Rig::edit(&rig.first(), |text| flip(&text, "\"box\":\"", 9))), Fault::Modified);
    assert_eq!(
        fault(&|rig| Rig::edit(&rig.first(), |text| text.replacen("\"first\":2,\"key\"", "\"first\":3,\"key\"", 1))),
        Fault::Modified
    );
    assert_eq!(
        fault(&|rig| Rig::edit(&rig.first(), |text| text.replacen("\"count\":1", "\"count\":2", 1))),
        Fault::Modified
    );
    assert_eq!(
        fault(&|rig| Rig::edit(&rig.first(), |text| text.replacen("\"box\":\"", "\"box\":\"AAAA", 1))),
        Fault::Modified
    );
    assert_eq!(fault(&|rig| Rig::edit(&keys(rig), |text| flip(&text, "\"wrapped\":\"", 9))), Fault::Modified);
    assert_eq!(fault(&|rig| Rig::edit(&keys(rig), |text| text.replace("audit.key", "audit.kex"))), Fault::Malformed);
    // Without its key a body is gone, and no order says that it may be.
    assert_eq!(fault(&|rig| fs::remove_file(keys(rig)).unwrap()), Fault::UnauthorisedHole);
    // The key of another segment.
    let other = |rig: &Rig| files::list(rig.dir.path()).unwrap()[1].first;
    let with_key_of_other = |rig: &Rig| {
        let of_other = fs::read_to_string(path_of(rig.dir.path(), other(rig), KEYS_EXTENSION)).unwrap();
        let id = |text: &str| text.split('"').nth(5).unwrap().to_owned();
        let (own, id_of_other) = (id(&fs::read_to_string(keys(rig)).unwrap()), id(&of_other));
        Rig::edit(&rig.first(), |text| text.replace(&own, &id_of_other));
        fs::write(keys(rig), of_other).unwrap();
    };
    assert_eq!(fault(&with_key_of_other), Fault::Modified);
    // Bodies lines exchanged, doubled, taken out; lines locked that have no bodies.
    let boxes = |rig: &Rig, change: &dyn Fn(Vec<String>, Vec<usize>) -> Vec<String>| {
        Rig::edit(&rig.first(), |text| {
            let all: Vec<String> = text.lines().map(str::to_owned).collect();
            let at = (0..all.len()).filter(|n| all[*n].starts_with("{\"audit.bodies\"")).collect();
            change(all, at).into_iter().map(|line| line + "\n").collect()
        });
    };
    let swapped = |mut all: Vec<String>, at: Vec<usize>| {
        all.swap(at[0], at[2]);
        all
    };
    let doubled = |mut all: Vec<String>, at: Vec<usize>| {
        all.insert(at[0], all[at[0]].clone());
        all
    };
    let gone = |mut all: Vec<String>, at: Vec<usize>| {
        all.remove(at[1]);
        all
    };
    let stubbed = |mut all: Vec<String>, at: Vec<usize>| {
        all[at[0] + 1] = all[at[0] + 1].replace("audit.locked", "audit.entry");
        all
    };
    assert_eq!(fault(&|rig| boxes(rig, &swapped)), Fault::Modified);
    assert_eq!(fault(&|rig| boxes(rig, &doubled)), Fault::Malformed);
    assert_eq!(fault(&|rig| boxes(rig, &gone)), Fault::Malformed);
    assert_eq!(fault(&|rig| boxes(rig, &stubbed)), Fault::Malformed);
}

#[test]
fn a_file_of_keys_that_others_can_read_or_that_has_none_is_refused() {
    let rig = Rig::new();
    let said = |rig: &Rig| Keyring::read(&rig.key_file()).unwrap_err().to_string();
    fs::set_permissions(rig.key_file(), fs::Permissions::from_mode(0o644)).unwrap();
    assert!(said(&rig).contains("mode 0644"), "{}", said(&rig));
    fs::set_permissions(rig.key_file(), fs::Permissions::from_mode(0o600)).unwrap();
    Rig::edit(&rig.key_file(), |text| text + "short\n");
    assert!(said(&rig).contains("line 3 is no base64 of 32 bytes"), "{}", said(&rig));
    assert!(!said(&rig).contains("short"));
    Rig::edit(&rig.key_file(), |_| "# nothing\n\n".to_owned());
    assert!(said(&rig).contains("no key in it"), "{}", said(&rig));
    assert!(add_key(&rig.key_file()).is_err(), "it is kept as it is");
}

#[test]
fn keys_are_never_printed() {
    let rig = Rig::with_records(3);
    let (ledger, reader) = rig.open();
    let said = format!("{ledger:?}{reader:?}{:?}", rig.keyring());
    let text = fs::read_to_string(rig.key_file()).unwrap();
    assert!(!said.contains(text.lines().last().unwrap()));
}

#[test]
fn the_ledgers_own_events_stay_in_clear() {
    let rig = Rig::new();
    let (mut ledger, _) = rig.open();
    fill(&mut ledger, 0..3);
    ledger.append_order(Kind::Hold, br#"{"actor":"x","first":1,"hold":"h","last":9,"reason":"r"}"#).unwrap();
    ledger.finish().unwrap();
    let text = fs::read_to_string(rig.first()).unwrap();
    assert!(text.contains(r#""hold":"h""#) && text.contains("{\"audit.control\":\"genesis\""));
}
