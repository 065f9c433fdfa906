//! Every answer that the protocol has, and a ledger that is witnessed as it grows.

use super::super::cosign::witness_key;
use super::super::keys::read_public_key;
use super::super::walk::Folder;
use super::super::walk::tests::ledger_of;
use super::*;

struct Rig {
    ledger: tempfile::TempDir,
    state: tempfile::TempDir,
}

fn key() -> SigningKey {
    SigningKey::from_seed(&[5; 32], "w.example/1").unwrap()
}

impl Rig {
    fn new(records: u64) -> Self {
        let rig = Self { ledger: tempfile::tempdir().unwrap(), state: tempfile::tempdir().unwrap() };
        rig.grow(records);
        rig
    }

    /// More records. Opening a ledger changes its epoch, which the root key signs.
    fn grow(&self, records: u64) {
        ledger_of(self.ledger.path(), records, 4000);
    }

    fn folder(&self) -> Folder {
        Folder::find(self.ledger.path()).unwrap()
    }

    fn root(&self) -> VerifyingKey {
        read_public_key(self.ledger.path()).unwrap().unwrap()
    }

    fn witness(&self) -> Witness {
        Witness::new(key(), vec![self.root()], self.state.path()).unwrap()
    }

    /// What a request from `old` is answered with.
    fn submit(&self, old: u64) -> Reply {
        let folder = self.folder();
        let (checkpoint, note) = latest_root_signed(&folder, &self.root()).unwrap();
        let request = request(&folder, old, &checkpoint, &note).unwrap();
        self.witness().add_checkpoint(&request.body, 1_700_000_000)
    }

    fn size(&self) -> u64 {
        latest_root_signed(&self.folder(), &self.root()).unwrap().0.size
    }
}

#[test]
fn a_growing_ledger_is_cosigned_again_and_again() {
    let rig = Rig::new(1);
    let mut old = 0;
    for more in [1, 3, 14, 40, 2] {
        let reply = rig.submit(old);
        assert_eq!(reply.status, 200, "{} from {old}", reply.body);
        let (_, note) = latest_root_signed(&rig.folder(), &rig.root()).unwrap();
        let (joined, seconds) = cosigned(&note, &reply.body, &witness_key(&key()).unwrap()).unwrap();
        assert_eq!(seconds, 1_700_000_000);
        assert!(joined.starts_with(&note) && joined.ends_with(&reply.body));
        old = rig.size();
        // The same again, and a client that does not know what the witness has seen.
        assert_eq!(rig.submit(old).status, 200);
        if old > 1 {
            let stale = rig.submit(1);
            assert_eq!((stale.status, stale.content_type, stale.body), (409, SIZE, format!("{old}\n")));
        }
        rig.grow(more);
    }
}

#[test]
fn what_the_protocol_refuses_is_refused_with_its_status() {
    let rig = Rig::new(6);
    let (checkpoint, note) = latest_root_signed(&rig.folder(), &rig.root()).unwrap();
    let witness = rig.witness();
    let hash = STANDARD_ZEROS;
    for (body, status) in [
        (String::new(), 400),
        (format!("old x\n\n{note}"), 400),
        (format!("old 01\n\n{note}"), 400),
        (format!("old 0\nnot base64\n\n{note}"), 400),
        (format!("old 0\n{}\n{note}", format!("{hash}\n").repeat(64)), 400),
        (format!("old {}\n\n{note}", checkpoint.size + 1), 400),
        (format!("old 0\n{hash}\n\n{note}"), 422),
        (format!("old 0\n\n{}", note.replace("— telseal", "— other")), 403),
        (format!("old 1\n\n{note}"), 409),
    ] {
        let reply = witness.add_checkpoint(&body, 1);
        assert_eq!(reply.status, status, "{body:?}: {}", reply.body);
    }
    let nobody = Witness::new(key(), vec![], rig.state.path()).unwrap();
    assert_eq!(nobody.add_checkpoint(&format!("old 0\n\n{note}"), 1).status, 404);
    assert_eq!(witness.last(rig.root().origin()).unwrap(), None);
}

const STANDARD_ZEROS: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

#[test]
fn a_ledger_that_was_rolled_back_and_went_on_differently_is_not_cosigned() {
    let rig = Rig::new(3);
    let copy = tempfile::tempdir().unwrap();
    for path in durable::list(rig.ledger.path()).unwrap() {
        let bytes = durable::read(&path, 1 << 20).unwrap().unwrap();
        durable::write_atomic(&copy.path().join(path.file_name().unwrap()), &bytes, Mode::Private).unwrap();
    }
    rig.grow(5);
    assert_eq!(rig.submit(0).status, 200);
    let seen = rig.size();
    // The copy is the older state. What the witness has seen is more than it has.
    let rolled = Rig { ledger: copy, state: tempfile::tempdir().unwrap() };
    let (checkpoint, note) = latest_root_signed(&rolled.folder(), &rolled.root()).unwrap();
    assert!(matches!(request(&rolled.folder(), seen, &checkpoint, &note), Err(SubmitError::Truncated { .. })));
    // It goes on, with other records, beyond what the witness has seen.
    rolled.grow(9);
    rolled.grow(1);
    let (checkpoint, note) = latest_root_signed(&rolled.folder(), &rolled.root()).unwrap();
    assert!(checkpoint.size > seen);
    let request = request(&rolled.folder(), seen, &checkpoint, &note).unwrap();
    assert_eq!(rig.witness().add_checkpoint(&request.body, 1).status, 422);
    assert_eq!(rig.witness().last(rig.root().origin()).unwrap().unwrap().size, seen);
}

#[test]
fn two_histories_of_one_size_are_refused_and_the_proof_of_it_is_kept() {
    let rig = Rig::new(2);
    let log = SigningKey::from_seed(&[9; 32], "two.example/faces").unwrap();
    let witness = Witness::new(key(), vec![log.verifying().clone()], rig.state.path()).unwrap();
    let note = |root: u8| {
        super::super::note::sign_note(&Checkpoint { size: 7, root: [root; 32] }.text("two.example/faces"), &[&log])
    };
    assert_eq!(witness.add_checkpoint(&format!("old 0\n\n{}", note(1)), 1).status, 200);
    let refused = witness.add_checkpoint(&format!("old 7\n\n{}", note(2)), 1);
    assert_eq!((refused.status, refused.body.as_str()), (409, "7\n"));
    assert_eq!(witness.last("two.example/faces").unwrap().unwrap().root, [1; 32]);
    let kept = durable::list(rig.state.path()).unwrap();
    assert!(kept.iter().any(|path| path.extension().is_some_and(|extension| extension == "conflict")), "{kept:?}");
}
