//! The table of manipulations. To add one, add a line: a name, what is done to the ledger of `scene.rs`, the finding (`|`
//! between words that are all right, nothing where only the exit code counts), and the exit code of `docs/seal-format.md`, 14.1.

use crate::forge::locked::{body_key, key_id, locked_line, stored};
use crate::forge::{Form, Key, note, stub_of};
use crate::scene::{ORIGIN, Scene, at, flip};

/// One manipulation.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) does: fn(&mut Scene),
    pub(crate) findings: &'static str,
    pub(crate) exit: i32,
}

const fn row(name: &'static str, does: fn(&mut Scene), findings: &'static str, exit: i32) -> Row {
    Row { name, does, findings, exit }
}

/// Rules that are younger than the Python verifier: it gives another exit code here. Take a row off this list when it
/// follows.
pub(crate) const YOUNGER_THAN_PYTHON: &[&str] = &[];

const ORDER: &str = "missing|reordered|inserted|duplicated";
const OTHER_KEY: &str = "wrong-key|wrong-epoch|unsigned";

/// Somebody else's key.
fn thief(name: &str) -> Key {
    Key::new(name, "thief")
}

/// All rows.
pub(crate) fn rows() -> impl Iterator<Item = &'static Row> {
    let sections = [
        (true, LINES),
        (BUILT.holes, HOLES),
        (BUILT.fields, FIELDS),
        (BUILT.compressed, COMPRESSED),
        (BUILT.anchors, ANCHORS),
        (BUILT.limits, LIMITS),
        (true, ENCRYPTED),
    ];
    sections.into_iter().filter(|(built, _)| *built).flat_map(|(_, rows)| rows)
}

/// What `telseal verify` can do by now; the rest of the table waits for it.
pub(crate) struct Built {
    pub(crate) holes: bool,
    pub(crate) fields: bool,
    pub(crate) compressed: bool,
    pub(crate) anchors: bool,
    pub(crate) limits: bool,
}

pub(crate) const BUILT: Built = Built { holes: true, fields: true, compressed: true, anchors: true, limits: true };

#[rustfmt::skip]
const LINES: &[Row] = &[
    row("nothing at all", |_| {}, "", 0),

    // Bodies
    row("a letter of a body", |s| s.edit(at::PLAIN, "run 14", "ran 14"), "modified", 4),
    row("a letter of a body in a compressed segment", |s| s.edit(at::MIDDLE, "run 4", "ran 4"), "modified", 4),
    row("a letter of the resource", |s| s.edit(at::PLAIN, r#""host":"h""#, r#""host":"i""#), "modified", 4),
    row("a digit of the severity", |s| s.edit(at::PLAIN, r#""severity_number":9"#, r#""severity_number":5"#), "modified", 4),
    row("the signal of a line", |s| s.edit(at::PLAIN, r#""signal":"log""#, r#""signal":"lag""#), "modified", 4),
    row("an integer becomes a double", |s| s.edit(at::PLAIN, r#""count":14"#, r#""count":14.0"#), "modified", 4),
    row("a double becomes an integer", |s| s.edit(at::PLAIN, r#""ratio":1.0"#, r#""ratio":1"#), "modified", 4),
    row("a number becomes a string of equal length", |s| s.edit(at::PLAIN, r#""ratio":1.0"#, r#""ratio":"1""#), "modified", 4),
    row("the order of keys", |s| s.edit(at::PLAIN, r#""count":14,"path":"/é""#, r#""path":"/é","count":14"#), "modified", 4),
    row("an escape more", |s| s.edit(at::PLAIN, "/é", r"/\u00e9"), "modified", 4),
    row("another escape of equal meaning", |s| s.edit(at::PLAIN, "/é", r"\/é"), "modified", 4),
    row("white space between members", |s| s.edit(at::PLAIN, r#","body":"#, r#", "body":"#), "modified", 4),
    row("a member added", |s| s.edit(at::PLAIN, r#""body":"#, r#""aside":1,"body":"#), "modified", 4),
    row("a member taken out", |s| s.edit(at::PLAIN, r#","severity_number":9"#, ""), "modified", 4),
    row("two bodies exchanged, seals kept", |s| { s.edit(at::PLAIN, "run 14", "run xx"); s.edit(at::PLAIN + 1, "run 15", "run 14"); s.edit(at::PLAIN, "run xx", "run 15"); }, "modified", 4),
    row("the body of an event of the ledger's own", |s| s.edit(at::GAP, r#""count":3"#, r#""count":0"#), "modified", 4),
    row("a record dressed as an event", |s| s.edit(at::PLAIN, r#"{"attributes""#, r#"{"audit.control":"gap","attributes""#), "modified|malformed", 4),

    // Seals
    row("a bit of a salt", |s| s.flip_in(at::PLAIN, "\"salt\":\"", 3), "modified", 4),
    row("the number beside the entry", |s| s.edit(at::PLAIN, "\"n\":14", "\"n\":15"), "modified|missing|reordered", 4),
    row("the stream beside the entry", |s| s.edit(at::PLAIN, "\"stream\":\"", "\"stream\":\"0"), "malformed", 4),
    row("another version of the seal", |s| s.edit(at::PLAIN, "\"v\":1}}", "\"v\":2}}"), "malformed", 4),
    row("a seal with a member more", |s| s.edit(at::PLAIN, "\"v\":1}}", "\"v\":1,\"w\":1}}"), "malformed", 4),
    row("a line without its seal", |s| { let line = s.forge.line(at::PLAIN); let cut = line.find(",\"audit.seal\"").unwrap(); line.truncate(cut); line.push('}'); }, "malformed", 4),
    row("an entry in another spelling of base64", |s| { let line = s.forge.line(at::PLAIN); let end = line.find("=\",\"n\":").unwrap(); let last = line.as_bytes()[end - 1]; let next = if last == b'A' { "B" } else { "/" }; line.replace_range(end - 1..end, next); }, "malformed|modified", 4),
    row("entry: magic", |s| s.entry_bit(at::PLAIN, 0), "malformed", 4),
    row("entry: kind", |s| s.entry_bit(at::PLAIN, 4), "modified|malformed", 4),
    row("entry: signal", |s| s.entry_bit(at::PLAIN, 5), "modified", 4),
    row("entry: flags", |s| s.entry_bit(at::PLAIN, 7), "modified", 4),
    row("entry: stream", |s| s.entry_bit(at::PLAIN, 8), "modified|inserted", 4),
    row("entry: seq", |s| s.entry_bit(at::PLAIN, 31), "", 4),
    row("entry: time", |s| s.entry_bit(at::PLAIN, 39), "modified", 4),
    row("entry: link to the entry before", |s| s.entry_bit(at::PLAIN, 40), "modified", 4),
    row("entry: commitment", |s| s.entry_bit(at::PLAIN, 72), "modified", 4),
    row("entry: length of the body", |s| s.entry_bit(at::PLAIN, 107), "modified|malformed", 4),
    row("entry: epoch", |s| s.entry_bit(at::PLAIN, 111), "modified|wrong-epoch", 4),
    row("entry: risk", |s| s.entry_bit(at::PLAIN, 112), "modified", 4),
    row("entry: size of the last checkpoint", |s| s.entry_bit(at::PLAIN, 120), "modified|missing", 4),
    row("entry: reserved bytes", |s| s.entry_bit(at::PLAIN, 127), "malformed", 4),
    row("entry: time, of the last one before a checkpoint", |s| s.entry_bit(at::NEWEST, 39), "modified", 4),

    row("an event under another name than its kind, by a stolen key", |s| s.rewrite(|f| { f.entry(2, r#"{"audit.control":"gap","count":1}"#, &CONTROL); f.checkpoint(false); }), "malformed", 4),
    row("a second genesis, by a stolen key", |s| s.rewrite(|f| { let body = f.made[0].body.clone(); f.entry(1, &body, &CONTROL); f.checkpoint(false); }), "malformed", 4),
    row("a kind that this version does not know, by a stolen key", |s| s.rewrite(|f| { f.twist = Some(|entry| entry[4] = 14); f.record("{\"body\":1}"); f.checkpoint(false); }), "malformed", 4),
    row("a record that names a later checkpoint, by a stolen key", |s| s.rewrite(|f| { f.twist = Some(|entry| entry[120] += 1); f.record("{\"body\":1}"); f.checkpoint(false); }), "missing", 4),
    row("a record with another number, by a stolen key", |s| s.rewrite(|f| { f.twist = Some(|entry| entry[31] += 1); f.record("{\"body\":1}"); f.checkpoint(false); }), "", 4),
    row("a record with another length, by a stolen key", |s| s.rewrite(|f| { f.twist = Some(|entry| entry[107] -= 1); f.record("{\"body\":1}"); f.checkpoint(false); }), "modified|malformed", 4),
    row("a record with another link, by a stolen key", |s| s.rewrite(|f| { f.twist = Some(|entry| entry[40] ^= 1); f.record("{\"body\":1}"); f.checkpoint(false); }), "modified", 4),

    // Places
    row("two records exchanged", |s| s.swap(at::FIRST, at::FIRST + 1), ORDER, 4),
    row("two records of two segments exchanged", |s| s.swap(at::MIDDLE, at::PLAIN), ORDER, 4),
    row("the first record gone", |s| s.remove(at::FIRST), ORDER, 4),
    row("a record in the middle gone", |s| s.remove(at::MIDDLE), ORDER, 4),
    row("the last record of a group gone", |s| s.remove(at::LAST), ORDER, 4),
    row("the last record of all gone", |s| s.remove(at::NEWEST), ORDER, 4),
    row("the genesis gone", |s| s.remove(0), "", 4),
    row("a gap's entry gone", |s| s.remove(at::GAP), ORDER, 4),
    row("a group with its checkpoint gone", |s| { s.lines(0).drain(4..10); }, ORDER, 4),
    row("a record twice", |s| s.copy_behind(at::MIDDLE, at::MIDDLE), ORDER, 4),
    row("an old record again, later", |s| s.copy_behind(at::MIDDLE, at::PLAIN), ORDER, 4),
    row("a group twice", |s| { let group = s.lines(0)[4..10].to_vec(); s.lines(0).splice(10..10, group); }, ORDER, 4),
    row("a record of another ledger", |s| { let mut other = crate::forge::Forge::new("example.org/seal/other"); other.record("{\"body\":\"x\"}"); let line = other.line(1).clone(); s.insert_behind(at::MIDDLE, line); }, "", 4),
    row("a record of another ledger in the place of one of ours", |s| { let mut other = crate::forge::Forge::new("example.org/seal/other"); for n in 0..6 { other.record(&format!("{{\"body\":{n}}}")); } let line = other.line(at::MIDDLE).clone(); *s.forge.line(at::MIDDLE) = line; }, "", 4),
    row("a record of a twin under the same keys, in the place of ours", |s| { let line = Scene::twin().line(at::MIDDLE).clone(); *s.forge.line(at::MIDDLE) = line; }, "", 4),
    row("an empty line", |s| s.insert_behind(at::MIDDLE, String::new()), "malformed|inserted", 4),
    row("a line of something else", |s| s.insert_behind(at::MIDDLE, "{\"hello\":1}".into()), "malformed|inserted", 4),
    row("carriage returns", |s| s.lines(2).iter_mut().for_each(|line| line.push('\r')), "malformed", 4),

    // Checkpoints
    row("a checkpoint gone", |s| { s.lines(0).remove(9); }, "missing|modified", 4),
    row("the first checkpoint gone", |s| { s.lines(0).remove(3); }, "missing|modified|unsigned", 4),
    row("a checkpoint twice", |s| { let line = s.lines(0)[9].clone(); s.lines(0).insert(9, line); }, ORDER, 4),
    row("an old checkpoint replayed", |s| { let line = s.lines(0)[3].clone(); s.lines(0)[9] = line; }, ORDER, 4),
    row("a later checkpoint too early", |s| { let line = s.lines(3).last().unwrap().clone(); s.lines(3)[4] = line; }, ORDER, 4),
    row("a bit of a checkpoint's root", |s| { let line = s.lines(0)[9].clone(); let root = line.split("\\n").nth(2).unwrap().to_owned(); let other = format!("{}{}", if root.starts_with('A') { "B" } else { "A" }, &root[1..]); s.edit_line(0, 9, &root, &other); }, "modified", 4),
    row("a checkpoint's size", |s| s.edit_line(0, 9, "\\n7\\n", "\\n6\\n"), "modified|reordered", 4),
    row("a checkpoint's origin", |s| s.edit_line(0, 9, "tamper\\n", "temper\\n"), "wrong-key", 4),
    row("a bit of a checkpoint's signature", |s| { let name = format!("{ORIGIN}/epoch/0 "); s.flip_in_line(0, 9, &name, 20); }, "modified", 4),
    row("a bit of the root's signature", |s| { let name = format!("\u{2014} {ORIGIN} "); s.flip_in_line(0, 3, &name, 20); }, "modified", 4),
    row("a checkpoint by a foreign key of the same name", |s| s.rewrite(|f| { f.record("{\"body\":1}"); let key = thief(&f.keys[2].name); let note = note(&f.checkpoint_text(), &[&key]); f.push_checkpoint(&note); }), OTHER_KEY, 4),
    row("a checkpoint by the root alone", |s| s.rewrite(|f| { f.record("{\"body\":1}"); let note = note(&f.checkpoint_text(), &[&f.root]); f.push_checkpoint(&note); }), OTHER_KEY, 4),
    row("a checkpoint with a line of an unknown key, inside a segment", |s| s.rewrite(|f| { f.record("{\"body\":1}"); let note = note(&f.checkpoint_text(), &[&f.keys[2], &thief("w.example")]); f.push_checkpoint(&note); }), "malformed|wrong-key", 4),
    row("a checkpoint without a signature", |s| s.rewrite(|f| { f.record("{\"body\":1}"); let note = format!("{}\n", f.checkpoint_text()); f.push_checkpoint(&note); }), "malformed", 4),
    row("a checkpoint with an extension line", |s| s.rewrite(|f| { f.record("{\"body\":1}"); let note = note(&format!("{}more\n", f.checkpoint_text()), &[&f.keys[2]]); f.push_checkpoint(&note); }), "malformed", 4),
    row("a checkpoint over another tree, signed", |s| s.rewrite(|f| { f.record("{\"body\":1}"); let note = note(&format!("{ORIGIN}\n23\n{}\n", crate::forge::b64(&[7; 32])), &[&f.keys[2]]); f.push_checkpoint(&note); }), "modified", 4),

    row("a checkpoint of a twin under the same keys", |s| { let line = Scene::twin().segments[0].lines[9].clone(); s.lines(0)[9] = line; }, "", 4),

    // Segments
    row("a segment of a twin under the same keys, in the place of ours", |s| s.forge.segments[3] = Scene::twin().segments[3].clone(), "", 4),
    row("the first segment of a twin under the same keys", |s| s.forge.segments[0] = Scene::twin().segments[0].clone(), "", 4),
    row("a whole twin under the same keys: only an anchor can tell", |s| s.forge = Scene::twin(), "", 0),
    row("the first segment gone", |s| s.lose(0), "missing", 4),
    row("a segment in the middle gone", |s| s.lose(2), "missing", 4),
    row("the last group gone, and nobody kept an anchor: nothing can show it", |s| { let end = s.lines(3).len(); s.lines(3).truncate(end - 4); }, "", 0),
    row("two segments exchange their names", |s| { s.rename(2, 19); s.rename(3, 14); }, ORDER, 4),
    row("a segment under another number", |s| s.rename(3, 20), "modified|missing", 4),
    row("a segment without its header", |s| { s.lines(2).remove(0); }, "malformed", 4),
    row("a header twice", |s| { let header = s.lines(2)[0].clone(); s.lines(2).insert(1, header); }, "malformed|inserted", 4),
    row("a header in the middle", |s| { let header = s.lines(3)[0].clone(); s.lines(2).push(header); }, "malformed", 4),
    row("a segment of another ledger in the place of ours", |s| { let mut other = crate::forge::Forge::new("example.org/seal/other"); other.checkpoint(true); s.forge.segments[3].lines = other.segments[0].lines.clone(); }, "wrong-key", 4),
    row("a header's first number", |s| s.edit_line(2, 0, "\"first\":14", "\"first\":13"), "modified|malformed", 4),
    row("a header's frontier", |s| s.flip_in_line(2, 0, "\"frontier\":[\"", 0), "modified", 4),
    row("a header's link", |s| s.flip_in_line(2, 0, "\"prev_leaf\":\"", 0), "modified", 4),
    row("a header's count of records", |s| s.edit_line(2, 0, "\"records\":9", "\"records\":8"), "modified", 4),
    row("a header's signature", |s| s.flip_in_line(2, 0, "\"sig\":\"", 0), "modified", 4),
    row("a header's epoch", |s| s.edit_line(2, 0, "\"epoch\":1", "\"epoch\":2"), "modified|malformed|wrong-epoch", 4),
    row("a header that names another root key", |s| { let (from, to) = (s.forge.root.vkey(), thief(ORIGIN).vkey()); s.edit_line(2, 0, &from, &to); }, "wrong-key", 4),
    row("a segment that ends without a checkpoint", |s| { s.lines(1).pop(); }, "unsigned|missing", 4),
    row("a header with another state, signed with a stolen key", |s| s.rewrite(|f| { f.records += 1; f.roll(); f.record("{\"body\":1}"); f.checkpoint(false); }), "modified", 4),

    // Epochs
    row("entries go on with the key of the epoch before", |s| s.rewrite(|f| { f.epoch = 1; f.record("{\"body\":1}"); f.checkpoint(false); }), "wrong-epoch", 4),
    row("a checkpoint by the key of the epoch before", |s| s.rewrite(|f| { f.record("{\"body\":1}"); let note = note(&f.checkpoint_text(), &[&f.keys[1]]); f.push_checkpoint(&note); }), "wrong-epoch", 4),
    row("a checkpoint by the key of the next epoch", |s| s.rewrite(|f| { f.record("{\"body\":1}"); f.certify(false); let note = note(&f.checkpoint_text(), &[&f.keys[3]]); f.push_checkpoint(&note); }), "wrong-epoch", 4),
    row("a change of the key that the old one did not certify", |s| s.rewrite(|f| { let key = f.epoch_key(3); let text = f.cert_text(3, f.size() + 1, &key); let cert = note(&text, &[&thief(&f.keys[2].name)]); f.rotate_with(key, &cert); f.record("{\"body\":1}"); f.checkpoint(false); }), OTHER_KEY, 4),
    row("a change of the key that only the root certified", |s| s.rewrite(|f| { let key = f.epoch_key(3); let text = f.cert_text(3, f.size() + 1, &key); let cert = note(&text, &[&f.root]); f.rotate_with(key, &cert); f.record("{\"body\":1}"); f.checkpoint(false); }), OTHER_KEY, 4),
    row("an epoch is left out", |s| s.rewrite(|f| { let key = f.epoch_key(4); let text = f.cert_text(4, f.size() + 1, &key); let cert = note(&text, &[&f.keys[2]]); f.rotate_with(key, &cert); }), "wrong-epoch", 4),
    row("a certificate for another place", |s| s.rewrite(|f| { let key = f.epoch_key(3); let text = f.cert_text(3, f.size() + 5, &key); let cert = note(&text, &[&f.keys[2]]); f.rotate_with(key, &cert); }), "wrong-epoch", 4),
    row("a change of the key without a checkpoint of its own", |s| s.rewrite(|f| { f.certify(false); let cert = crate::forge::json_string(f.certs.last().unwrap()); f.control("key_rotate", &format!("\"cert\":{cert},\"reason\":\"age\"")); f.record("{\"body\":1}"); f.checkpoint(false); }), "wrong-epoch", 4),
    row("the first segment under a certificate that the root did not sign", |s| { let text = s.forge.cert_text(0, 0, &s.forge.keys[0].clone()); s.forge = s.forge.reborn(&note(&text, &[&thief(ORIGIN)])); }, "", 4),
    row("a whole other ledger by a thief with a root key of his own", |s| { let right = s.forge.root.clone(); let mut forge = crate::forge::Forge::new(ORIGIN); forge.root = thief(ORIGIN); let text = forge.cert_text(0, 0, &forge.keys[0].clone()); let cert = note(&text, &[&forge.root]); s.forge = forge.reborn(&cert); s.given_key(right); }, "wrong-key", 4),
    row("the wrong root key given", |s| s.given_key(thief(ORIGIN)), "wrong-key", 4),

    // What cannot be concluded
    row("killed while writing: whole lines that continue the chain", |s| { s.forge.record("{\"body\":1}"); }, "", 6),
    row("killed while writing: a line that is not whole", |s| { s.forge.record("{\"body\":1}"); s.file(3, |bytes| bytes.truncate(bytes.len() - 40)); }, "", 6),
    row("killed while writing: a piece of the last segment's header", |s| { s.forge.segments.push(crate::forge::Segment { first: 25, lines: vec!["{\"audit.seg".into()], form: Form::Plain }); s.file(4, |bytes| { bytes.pop(); }); }, "", 6),
    row("killed before the last segment had a byte", |s| { s.forge.segments.push(crate::forge::Segment { first: 25, lines: vec!["x".into()], form: Form::Plain }); s.file(4, Vec::clear); }, "", 0),
    row("a closed segment cut inside its header", |s| s.file(2, |bytes| bytes.truncate(300)), "", 4),
    row("an unsigned tail that does not continue the chain", |s| { s.forge.record("{\"body\":1}"); let seq = s.forge.size() - 1; s.edit(seq, "\"body\":1", "\"body\":2"); }, "modified", 4),
    row("a torn line in a closed segment", |s| s.file(2, |bytes| bytes.truncate(bytes.len() - 40)), "", 4),
    row("a single segment whose certificate the root signed", |s| s.only(0), "", 0),
    row("a single segment whose certificate only the epoch before signed", |s| s.only(3), "", 6),
    row("a single segment with a letter changed", |s| { s.edit(at::MIDDLE, "run 4", "ran 4"); s.only(0); }, "modified", 4),
];

/// Bodies that are gone, and the orders for that.
#[rustfmt::skip]
const HOLES: &[Row] = &[
    row("a body deleted without an order", |s| s.forge.stub(at::PLAIN), "unauthorised-hole", 4),
    row("an event of the ledger deleted", |s| { let stub = stub_of(s.forge.line(at::GAP)); *s.forge.line(at::GAP) = stub; }, "malformed|unauthorised-hole", 4),
    row("a body deleted without an order, and a crash", |s| { s.forge.stub(at::PLAIN); s.forge.record("{\"body\":1}"); }, "unauthorised-hole", 4),
    row("nothing but sidecars", |s| s.forge.segments.iter_mut().for_each(|segment| segment.form = Form::Seal), "unauthorised-hole", 4),
    row("a sidecar without an order for all of it", |s| s.forge.segments[2].form = Form::Seal, "unauthorised-hole", 4),
    row("another record erased than ordered", |s| s.forge.stub(at::ERASED - 1), "unauthorised-hole", 4),
    row("an order that nobody carried out yet", |s| s.forge.segments[1].form = Form::Plain, "", 0),
    row("a stub with a bit changed", |s| { let line = s.lines(2)[3].clone(); let other = line.replacen("U0VMMQ", "U0VMMR", 1); s.lines(2)[3] = other; }, "", 4),
    row("an order widened", |s| s.edit(at::RETENTION, "\"last\":12", "\"last\":17"), "modified", 4),
    row("an order by the epoch key", |s| s.rewrite(|f| { let key = f.keys[2].clone(); f.order_by(&key, "erasure", ERASE_14); f.checkpoint(false); f.stub(at::PLAIN); }), "wrong-key", 4),
    row("an order by somebody", |s| s.rewrite(|f| { f.order_by(&thief(ORIGIN), "erasure", ERASE_14); f.checkpoint(false); f.stub(at::PLAIN); }), "wrong-key", 4),
    row("an order by somebody, not carried out", |s| s.rewrite(|f| { f.order_by(&thief(ORIGIN), "retention", RETAIN_14); f.checkpoint(false); }), "wrong-key", 4),
    row("an order without its signature", |s| s.rewrite(|f| { f.control("erasure", &format!("\"order\":{ERASE_14}")); f.checkpoint(false); }), "malformed", 4),
    row("an order over a range that ends before it begins", |s| s.rewrite(|f| { f.order("retention", &RETAIN_14.replace("\"last\":14", "\"last\":13")); f.checkpoint(false); }), "malformed", 4),
    row("a hold that holds nothing", |s| s.rewrite(|f| { f.order("hold", r#"{"actor":"legal","hold":"h-1","release":false}"#); f.checkpoint(false); }), "malformed", 4),
    row("an order of one kind under the name of another", |s| s.rewrite(|f| { f.order("hold", ERASE_14); f.checkpoint(false); }), "malformed", 4),
    row("an order with a fraction in its numbers", |s| s.rewrite(|f| { f.order("erasure", &ERASE_14.replace("[14]", "[14.0]")); f.checkpoint(false); }), "malformed", 4),
    row("an order that names a member twice", |s| s.rewrite(|f| { f.order("erasure", r#"{"request":"r","seqs":[14],"seqs":[15]}"#); f.checkpoint(false); }), "malformed", 4),
    row("an order of another ledger, replayed", |s| s.rewrite(|f| { let mut other = crate::forge::Forge::new("example.org/seal/other"); other.root = f.root.clone(); let n = other.order("erasure", ERASE_14); let body = other.made[usize::try_from(n).unwrap()].body.clone(); f.entry(6, &body, &CONTROL); f.checkpoint(false); f.stub(at::PLAIN); }), "wrong-key", 4),
    row("an order by the root", |s| s.rewrite(|f| { f.order("erasure", ERASE_14); f.checkpoint(false); f.stub(at::PLAIN); }), "", 0),
    row("a deletion under hold", |s| s.rewrite(|f| { f.order("hold", HOLD_14); f.order("erasure", ERASE_14); f.checkpoint(false); f.stub(at::PLAIN); }), "unauthorised-hole", 4),
    row("a retention under hold", |s| s.rewrite(|f| { f.order("hold", HOLD_14); f.order("retention", RETAIN_14); f.checkpoint(false); f.stub(at::PLAIN); }), "unauthorised-hole", 4),
    row("a hold that is released too late", |s| s.rewrite(|f| { f.order("hold", HOLD_14); f.order("erasure", ERASE_14); f.order("hold", RELEASE); f.checkpoint(false); f.stub(at::PLAIN); }), "unauthorised-hole", 4),
    row("another hold released", |s| s.rewrite(|f| { f.order("hold", HOLD_14); f.order("hold", &RELEASE.replace("h-1", "h-2")); f.order("erasure", ERASE_14); f.checkpoint(false); f.stub(at::PLAIN); }), "unauthorised-hole", 4),
    row("a hold that was released before", |s| s.rewrite(|f| { f.order("hold", HOLD_14); f.order("hold", RELEASE); f.order("erasure", ERASE_14); f.checkpoint(false); f.stub(at::PLAIN); }), "", 0),
    row("a deletion before the hold", |s| s.rewrite(|f| { f.order("erasure", ERASE_14); f.order("hold", HOLD_14); f.checkpoint(false); f.stub(at::PLAIN); }), "", 0),
    row("an order that covers what comes after it", |s| s.rewrite(|f| { f.order("erasure", &ERASE_14.replace("[14]", "[23]")); f.record("{\"body\":1}"); f.checkpoint(false); f.stub(23); }), "unauthorised-hole", 4),
    row("the last segment gone, with the orders in it", |s| s.lose(3), "unauthorised-hole", 4),
    row("a single segment with holes, and no orders at hand", |s| s.only(1), "", 6),
    row("entry: risk, in a sidecar", |s| s.entry_bit(at::PRUNED + 1, 112), "modified", 4),
];

/// Erasable attributes.
#[rustfmt::skip]
const FIELDS: &[Row] = &[
    row("a disclosed value changed", |s| s.edit(at::FIELDS, "the prompt", "the promise"), "modified|malformed", 4),
    row("a disclosed value under another name", |s| s.edit(at::FIELDS, "\",\"prompt\",", "\",\"user\","), "modified", 4),
    row("a disclosure twice", |s| { let line = s.forge.line(at::FIELDS).clone(); let from = line.find("[[").unwrap() + 1; let to = line.find("]]").unwrap() + 1; let one = line[from..to].to_owned(); s.edit(at::FIELDS, &one, &format!("{one},{one}")); }, "modified", 4),
    row("an erasable attribute closed without an order", |s| { let line = s.forge.line(at::FIELDS).clone(); let from = line.find("\"disclosures\"").unwrap(); let to = line.find("\"entry\"").unwrap(); let all = line[from..to].to_owned(); s.edit(at::FIELDS, &all, ""); }, "unauthorised-hole", 4),
];

/// Segments in zstd.
#[rustfmt::skip]
const COMPRESSED: &[Row] = &[
    row("garbage after the last frame", |s| s.file(0, |bytes| bytes.extend(b"garbage")), "malformed", 4),
    row("zeros after the last frame", |s| s.file(0, |bytes| bytes.extend([0; 16])), "malformed", 4),
    row("a skippable frame after the last", |s| s.file(0, |bytes| bytes.extend([0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, 1, 2, 3, 4])), "malformed", 4),
    row("a skippable frame before the first", |s| s.file(0, |bytes| { bytes.splice(0..0, [0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0]); }), "malformed", 4),
    row("an empty frame", |s| s.file(0, |bytes| bytes.extend(zstd::bulk::compress(b"", 3).unwrap())), "malformed", 4),
    row("a frame cut short", |s| s.file(0, |bytes| bytes.truncate(bytes.len() - 5)), "malformed", 4),
    row("a byte inside a frame", |s| s.file(0, |bytes| bytes[60] ^= 0x55), "", 4),
    row("a frame more, with a line", |s| s.file(0, |bytes| bytes.extend(zstd::bulk::compress(b"{\"x\":1}\n", 3).unwrap())), "malformed", 4),
    row("a plain file under a compressed name", |s| { let text = s.forge.segments[0].text(); s.file(0, move |bytes| *bytes = text.clone().into_bytes()); }, "malformed", 4),
    row("all segments compressed", |s| s.forge.segments.iter_mut().filter(|segment| segment.form == Form::Plain).for_each(|segment| segment.form = Form::Zst), "", 0),
    row("compressed again, in one frame, by somebody else", |s| { let text = s.forge.segments[0].text(); s.file(0, move |bytes| *bytes = zstd::bulk::compress(text.as_bytes(), 12).unwrap()); }, "", 0),
    row("compressed again, in frames that end inside lines", |s| { let text = s.forge.segments[0].text().into_bytes(); s.file(0, move |bytes| *bytes = text.chunks(999).flat_map(|part| zstd::bulk::compress(part, 1).unwrap()).collect()); }, "", 0),
    row("everything decompressed", |s| s.forge.segments[0].form = Form::Plain, "", 0),
];

/// Checkpoints kept elsewhere.
#[rustfmt::skip]
const ANCHORS: &[Row] = &[
    row("an anchor that fits", |s| { let note = s.forge.checkpoint_note(true); s.anchor(note); }, "", 0),
    row("an anchor with a cosignature of an unknown witness", |s| { let note = note(&s.forge.checkpoint_text(), &[&s.forge.keys[2], &s.forge.root, &thief("w.example")]); s.anchor(note); }, "", 0),
    row("the last group gone, and an anchor of it", |s| { let note = s.forge.checkpoint_note(true); s.anchor(note); let end = s.lines(3).len(); s.lines(3).truncate(end - 4); }, "truncated", 4),
    row("an older copy of the whole folder, and a newer anchor", |s| { s.forge.record("{\"body\":1}"); s.forge.checkpoint(false); let note = s.forge.checkpoint_note(false); s.anchor(note); let end = s.lines(3).len(); s.lines(3).truncate(end - 2); }, "truncated", 4),
    row("the tail rewritten with the stolen current key: nothing inside can show it", |s| s.rewrite(|f| { for n in 0..3 { f.record(&format!("{{\"body\":{n}}}")); } f.checkpoint(false); }), "", 0),
    row("the tail rewritten with the stolen current key, and an anchor", |s| { let note = s.forge.checkpoint_note(true); s.anchor(note); s.rewrite(|f| { for n in 0..3 { f.record(&format!("{{\"body\":{n}}}")); } f.checkpoint(false); }); }, "forked", 4),
    row("the tail rewritten and longer, and an anchor", |s| { let note = s.forge.checkpoint_note(true); s.anchor(note); s.rewrite(|f| { for n in 0..9 { f.record(&format!("{{\"body\":{n}}}")); } f.checkpoint(false); }); }, "forked", 4),
    row("an anchor of another ledger", |s| { let mut other = crate::forge::Forge::new("example.org/seal/other"); other.checkpoint(true); let note = other.checkpoint_note(true); s.anchor(note); }, "", 6),
    row("an anchor that no known key signed, with the right root", |s| { let note = note(&s.forge.checkpoint_text(), &[&thief(ORIGIN)]); s.anchor(note); }, "", 0),
    row("an anchor that no known key signed, with another root", |s| { let note = note(&format!("{ORIGIN}\n23\n{}\n", crate::forge::b64(&[7; 32])), &[&thief(ORIGIN)]); s.anchor(note); }, "forked", 4),
    row("an anchor whose signature by the root does not fit", |s| { let note = s.forge.checkpoint_note(true).replace("\n25\n", "\n26\n"); s.anchor(note); }, "", 6),
    row("the tail rewritten, an anchor, and a crash", |s| { let note = s.forge.checkpoint_note(true); s.anchor(note); s.rewrite(|f| { for n in 0..3 { f.record(&format!("{{\"body\":{n}}}")); } f.checkpoint(false); f.record("{\"body\":1}"); }); }, "forked", 4),
    row("a whole twin under the same keys, and an anchor of ours", |s| { let note = s.forge.checkpoint_note(true); s.anchor(note); s.forge = Scene::twin(); }, "forked", 4),
    row("an anchor between two checkpoints", |s| { let mut f = crate::forge::Forge::new(ORIGIN); f.restore(&s.forge, 4); f.keys = s.forge.keys.clone(); let note = f.checkpoint_note(true); s.anchor(note); }, "", 0),
];

/// What the caller demands.
#[rustfmt::skip]
const LIMITS: &[Row] = &[
    row("a ledger whose last entry is old, and a limit for that", |s| { s.option("--max-age"); s.option("3600s"); }, "stale", 6),
    row("an old last entry, and a ledger smaller than expected", |s| { s.option("--max-age"); s.option("3600s"); s.option("--expect-size"); s.option("1000"); }, "truncated", 4),
    row("a ledger smaller than expected", |s| { s.option("--expect-size"); s.option("1000"); }, "truncated", 4),
    row("declared gaps where none are allowed", |s| s.option("--no-gaps"), "", 6),
];

/// Bodies that rest encrypted. The open segment 2 has two boxes, segments 0 and 3 one or two each.
#[rustfmt::skip]
const ENCRYPTED: &[Row] = &[
    row("bodies encrypted, and the key", Scene::encrypt, "", 0),
    row("bodies encrypted, and the key among others", |s| s.encrypt_for(&["x", "a", "y"]), "", 0),
    row("bodies encrypted, and no key", |s| s.encrypt_for(&[]), "", 6),
    row("bodies encrypted, and another key", |s| s.encrypt_for(&["x"]), "", 6),
    row("bodies encrypted, everything compressed", |s| { s.encrypt(); s.forge.segments.iter_mut().filter(|segment| segment.form == Form::Plain).for_each(|segment| segment.form = Form::Zst); }, "", 0),
    row("keys wrapped anew, and the new key", |s| { s.encrypt_for(&["b"]); for n in [0, 2, 3] { s.forge.wrap(n, &body_key("b")); } }, "", 0),
    row("keys wrapped anew, and the old key", |s| { s.encrypt(); for n in [0, 2, 3] { s.forge.wrap(n, &body_key("b")); } }, "", 6),
    row("a single encrypted segment", |s| { s.encrypt(); s.only(0); }, "", 0),
    row("an encrypted ledger, killed while writing", |s| { s.forge.record("{\"body\":1}"); s.encrypt(); }, "", 6),
    row("a bit of encrypted bodies", |s| { s.encrypt(); let at = s.boxes(2)[0]; s.flip_in_line(2, at, "\"box\":\"", 50); }, "modified", 4),
    row("a bit of encrypted bodies, in a compressed segment", |s| { s.encrypt(); let at = s.boxes(0)[0]; s.flip_in_line(0, at, "\"box\":\"", 50); }, "modified", 4),
    row("a bit of encrypted bodies, and no key: nothing can show it", |s| { s.encrypt_for(&[]); let at = s.boxes(2)[0]; s.flip_in_line(2, at, "\"box\":\"", 50); }, "", 6),
    row("a bit of a nonce", |s| { s.encrypt(); let at = s.boxes(2)[0]; s.flip_in_line(2, at, "\"box\":\"", 0); }, "modified", 4),
    row("two boxes of a segment exchanged", |s| { s.encrypt(); let at = s.boxes(2); s.lines(2).swap(at[0], at[1]); }, "modified", 4),
    row("two boxes exchanged, and no key", |s| { s.encrypt_for(&[]); let at = s.boxes(2); s.lines(2).swap(at[0], at[1]); }, "modified|malformed", 4),
    row("what is in a box, in another one", |s| { s.encrypt(); let at = s.boxes(2); let of = |line: &str| line.split("\"box\":\"").nth(1).unwrap().to_owned(); let (one, two) = (of(&s.lines(2)[at[0]]), of(&s.lines(2)[at[1]])); s.edit_line(2, at[0], &one, &two); }, "modified", 4),
    row("a box of another segment", |s| { s.encrypt(); let (at, other) = (s.boxes(2)[0], s.boxes(3)[0]); let line = s.lines(3)[other].clone(); s.lines(2)[at] = line; }, "modified|unauthorised-hole", 4),
    row("a box of a twin under the same keys", |s| { s.encrypt(); let mut twin = Scene::twin(); twin.lock(2, &body_key("a")); let at = s.boxes(2)[0]; s.lines(2)[at] = twin.segments[2].lines[at].clone(); }, "modified", 4),
    row("a box gone", |s| { s.encrypt(); let at = s.boxes(2)[0]; s.lines(2).remove(at); }, "malformed", 4),
    row("a box gone, and no key", |s| { s.encrypt_for(&[]); let at = s.boxes(2)[0]; s.lines(2).remove(at); }, "malformed", 4),
    row("a box twice", |s| { s.encrypt(); let at = s.boxes(2)[0]; let line = s.lines(2)[at].clone(); s.lines(2).insert(at, line); }, "malformed", 4),
    row("a box before the checkpoint that it stood behind, and no key", |s| { s.encrypt_for(&[]); let at = *s.boxes(3).last().unwrap(); s.lines(3).swap(at - 1, at); }, "malformed", 4),
    row("how many lines a box opens", |s| { s.encrypt(); let at = s.boxes(2)[1]; s.edit_line(2, at, "\"count\":1", "\"count\":2"); }, "modified", 4),
    row("how many lines a box opens, and no key", |s| { s.encrypt_for(&[]); let at = s.boxes(2)[0]; s.edit_line(2, at, "\"count\":2", "\"count\":3"); }, "malformed", 4),
    row("which lines a box opens, and no key", |s| { s.encrypt_for(&[]); let at = s.boxes(2)[0]; s.edit_line(2, at, "\"first\":14", "\"first\":15"); }, "modified", 4),
    row("a box in another spelling", |s| { s.encrypt_for(&[]); let at = s.boxes(2)[0]; s.edit_line(2, at, ",\"first\"", ", \"first\""); }, "malformed", 4),
    row("an encrypted line gone", |s| { s.encrypt(); let at = s.boxes(2)[0]; s.lines(2).remove(at + 1); }, ORDER_OR_MODIFIED, 4),
    row("two encrypted lines exchanged", |s| { s.encrypt(); let at = s.boxes(2)[0]; s.lines(2).swap(at + 1, at + 2); }, ORDER_OR_MODIFIED, 4),
    row("an encrypted line as if its body were gone", |s| { s.encrypt(); let at = s.boxes(2)[0]; s.edit_line(2, at + 1, "audit.locked", "audit.entry"); }, "malformed|modified", 4),
    row("an encrypted line as if its body were gone, and no key", |s| { s.encrypt_for(&[]); let at = s.boxes(2)[0]; s.edit_line(2, at + 1, "audit.locked", "audit.entry"); }, "malformed|modified", 4),
    row("a bit of an encrypted line's entry, and no key", |s| { s.encrypt_for(&[]); let at = s.boxes(2)[0]; s.flip_in_line(2, at + 1, "\"audit.locked\":\"", 39); }, "modified", 4),
    row("one of the ledger's own events encrypted", |s| { s.encrypt_for(&[]); let line = locked_line(s.forge.line(at::GAP)); *s.forge.line(at::GAP) = line; }, "malformed", 4),
    row("the keys of a segment gone", |s| { s.encrypt(); let name = s.forge.key_file(2); s.forge.beside.remove(&name); }, "unauthorised-hole", 4),
    row("the keys of a segment gone, and no key", |s| { s.encrypt_for(&[]); let name = s.forge.key_file(2); s.forge.beside.remove(&name); }, "unauthorised-hole", 4),
    row("a single encrypted segment without its keys", |s| { s.encrypt(); s.only(0); let name = s.forge.key_file(0); s.forge.beside.remove(&name); }, "", 6),
    row("a bit of a wrapped key", |s| { s.encrypt(); s.edit_keys(2, |line| flip(line, "\"wrapped\":\"", 20)); }, "modified", 4),
    row("the keys of another segment", |s| { s.encrypt(); let other = s.forge.beside[&s.forge.key_file(3)].clone(); let name = s.forge.key_file(2); s.forge.beside.insert(name, other); }, "unauthorised-hole", 4),
    row("the key of another segment under this one's id", |s| { s.encrypt(); let (own, other) = (s.forge.data_key(2), s.forge.data_key(3)); let line = s.forge.key_line(3, &body_key("a")).replace(&key_id(&other), &key_id(&own)); s.edit_keys(2, |text| *text = line + "\n"); }, "modified", 4),
    row("a key said to be wrapped under another one", |s| { s.encrypt_for(&["a", "b"]); let (from, to) = (key_id(&body_key("a")), key_id(&body_key("b"))); s.edit_keys(2, |line| *line = line.replace(&from, &to)); }, "modified", 4),
    row("a file of keys in another spelling", |s| { s.encrypt_for(&[]); s.edit_keys(2, |line| *line = line.replace("\"v\":1", "\"v\":2")); }, "malformed", 4),
    row("a file of keys cut short", |s| { s.encrypt_for(&[]); s.edit_keys(2, |line| { line.pop(); }); }, "malformed", 4),
    row("another body in a box, by who has the key", |s| { s.encrypt(); s.forge_box(2, |one| { let at = one.text.len() - 40; one.text[at] ^= 1; stored(&one.text) }); }, "modified", 4),
    row("another salt in a box, by who has the key", |s| { s.encrypt(); s.forge_box(2, |one| { one.text[0] ^= 1; stored(&one.text) }); }, "modified", 4),
    row("more in a box than its lines, by who has the key", |s| { s.encrypt(); s.forge_box(2, |one| { one.text.extend(b"more"); stored(&one.text) }); }, "malformed", 4),
    row("less in a box than its lines, by who has the key", |s| { s.encrypt(); s.forge_box(2, |one| { one.text.truncate(one.text.len() - 9); stored(&one.text) }); }, "modified", 4),
    row("a box that unpacks to another length, by who has the key", |s| { s.encrypt(); s.forge_box(2, |one| stored(&[one.text.as_slice(), b"x"].concat())); }, "malformed", 4),
    row("a box with two frames, by who has the key", |s| { s.encrypt(); s.forge_box(2, |one| [stored(&one.text[..50]), stored(&one.text[50..])].concat()); }, "malformed", 4),
    row("a box that is no frame, by who has the key", |s| { s.encrypt(); s.forge_box(2, |one| one.text.clone()); }, "malformed", 4),
    row("an encrypted segment cut in a box", |s| { s.encrypt(); s.file(2, |bytes| bytes.truncate(1900)); }, "", 4),
    row("a letter of a body, in clear beside encrypted ones", |s| { s.edit(at::PLAIN, "run 14", "ran 14"); for n in [0, 3] { s.forge.lock(n, &body_key("a")); } s.give(&["a"]); }, "modified", 4),
    row("some segments encrypted, others in clear", |s| { s.forge.lock(3, &body_key("a")); s.give(&["a"]); }, "", 0),
];

const ORDER_OR_MODIFIED: &str = "missing|reordered|inserted|duplicated|modified";
const CONTROL: crate::forge::About<'static> = crate::forge::About { signal: 0, flags: 0, risk: 0, disclosures: "" };
const ERASE_14: &str = r#"{"actor":"dpo","basis":"b","request":"r","seqs":[14]}"#;
const RETAIN_14: &str =
    r#"{"actor":"ops","count":1,"first":14,"from_ns":"1","last":14,"policy":"p","ticket":"t","to_ns":"2"}"#;
const HOLD_14: &str = r#"{"actor":"legal","first":14,"hold":"h-1","last":15,"reason":"r"}"#;
const RELEASE: &str = r#"{"actor":"legal","hold":"h-1","release":true}"#;
