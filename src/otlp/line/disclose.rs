//! Erasable fields: a line in which some attributes, or the body, are only promised, and their values carried beside it.
//!
//! In the line stands `"name":{"$sd":"<digest>"}`. In the seal stands a disclosure, `["<salt>","name",value]`, from which the
//! digest can be made again. A disclosure can be taken away, by erasure or for one destination, and the line with its
//! digests stays what was sealed. Looked at are the members of `attributes` and of `resource.attributes`, and `body`.
//! What the digest is, the ledger knows.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::ops::Range;

use memchr::memmem;

use crate::otlp::line::write::write_key;
use crate::otlp::line::{SEAL, Text};
use crate::otlp::{DEPTH_MAX, DecodeError};
use crate::stdx::json::{Reader, Value, write_base64};

/// The member that stands for a promised value.
const PROMISE: &[u8] = b"{\"$sd\":\"";
/// The member of a seal that holds the disclosures.
const DISCLOSURES: &str = "disclosures";
const DEPTH_READ_MAX: usize = 3 * DEPTH_MAX + 8;

/// The fields that a pipeline seals in this way.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Erasable {
    /// Their names as JSON, quotes included.
    names: Vec<Vec<u8>>,
}

/// How one value is promised.
#[derive(Debug, Clone, Copy)]
pub struct Promise {
    /// What makes the digest impossible to guess.
    pub salt: [u8; 16],
    /// Over the salt and the member, `"name":value`.
    pub digest: [u8; 32],
}

impl Erasable {
    /// Attributes with these names; `body` means the body of log records as well.
    pub fn new<'n>(names: impl IntoIterator<Item = &'n str>) -> Self {
        let json = |name| {
            let mut json = Vec::new();
            write_key(&mut json, name);
            json
        };
        Self { names: names.into_iter().map(json).collect() }
    }

    /// True when there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    fn has(&self, name: &str) -> bool {
        self.names.iter().any(|known| known == name.as_bytes())
    }

    /// Replaces the erasable values of a canonical line by promises, and returns the disclosures: a JSON array, empty
    /// text when there are none.
    ///
    /// # Errors
    /// When the line is no canonical line, or `promise` cannot make one.
    pub fn conceal(
        &self,
        line: &mut Vec<u8>,
        start: usize,
        promise: &mut dyn FnMut(&[u8]) -> Option<Promise>,
    ) -> Result<Vec<u8>, DecodeError> {
        let mut disclosures = Vec::new();
        let text = utf8(&line[start..])?;
        let rewritten = rewrite(text, &mut |name, value, member| {
            if !self.has(name) {
                return Ok(Fate::Stays);
            }
            let Promise { salt, digest } = promise(member).ok_or(DecodeError::Line("no random numbers"))?;
            push_disclosure(&mut disclosures, &salt, name, value);
            Ok(Fate::Becomes(promised(&digest).into()))
        })?;
        if let Some(rewritten) = rewritten {
            line.truncate(start);
            line.extend_from_slice(&rewritten);
            disclosures.push(b']');
        }
        Ok(disclosures)
    }
}

/// The sealed lines with all values in their places that a disclosure is there for. A promise without disclosure goes.
/// The seal stays as it is.
///
/// # Errors
/// When a line is no sealed line.
pub fn reveal(lines: &[u8]) -> Result<Cow<'_, [u8]>, DecodeError> {
    if memmem::find(lines, PROMISE).is_none() {
        return Ok(Cow::Borrowed(lines));
    }
    each_line(lines, |line, out| {
        let mut left = disclosures(line)?;
        let rewritten = rewrite(line, &mut |name, value, _| {
            if !value.as_bytes().starts_with(PROMISE) {
                return Ok(Fate::Stays);
            }
            let at = left.iter().position(|disclosure| disclosure.name == name);
            let found = at.and_then(|at| left.remove(at));
            Ok(found.map_or(Fate::Goes, |found| Fate::Becomes(found.value.as_bytes().into())))
        })?;
        out.extend_from_slice(rewritten.as_deref().unwrap_or(line.as_bytes()));
        Ok(())
    })
    .map(Cow::Owned)
}

/// The sealed lines without the disclosures of these fields.
///
/// # Errors
/// When a line is no sealed line.
pub fn withhold<'l>(lines: &'l [u8], fields: &Erasable) -> Result<Cow<'l, [u8]>, DecodeError> {
    if fields.is_empty() {
        return Ok(Cow::Borrowed(lines));
    }
    withhold_if(lines, &mut |one| fields.has(one.name))
}

/// The same of the fields for which `hide` is true; it gets each as a JSON object of one member.
///
/// # Errors
/// When a line is no sealed line.
pub fn withhold_where<'l>(lines: &'l [u8], hide: &mut dyn FnMut(&str) -> bool) -> Result<Cow<'l, [u8]>, DecodeError> {
    withhold_if(lines, &mut |one| hide(&format!("{{{}:{}}}", one.name, one.value)))
}

fn withhold_if<'l>(
    lines: &'l [u8],
    hide: &mut dyn FnMut(&Disclosure<'_>) -> bool,
) -> Result<Cow<'l, [u8]>, DecodeError> {
    if memmem::find(lines, PROMISE).is_none() {
        return Ok(Cow::Borrowed(lines));
    }
    each_line(lines, |line, out| {
        let found = disclosures(line)?;
        let Some(place) = found.front().map(|disclosure| disclosure.list.clone()) else {
            out.extend_from_slice(line.as_bytes());
            return Ok(());
        };
        let mut kept = Vec::new();
        for one in &found {
            if hide(one) {
                continue;
            }
            kept.push(if kept.is_empty() { b'[' } else { b',' });
            kept.extend_from_slice(one.json.as_bytes());
        }
        out.extend_from_slice(&line.as_bytes()[..place.start]);
        if kept.is_empty() {
            // Without disclosures the seal has no such member.
            let member = format!("\"{DISCLOSURES}\":").len();
            out.truncate(out.len() - member);
            out.extend_from_slice(&line.as_bytes()[place.end + 1..]);
        } else {
            out.extend_from_slice(&kept);
            out.push(b']');
            out.extend_from_slice(&line.as_bytes()[place.end..]);
        }
        Ok(())
    })
    .map(Cow::Owned)
}

/// A list of disclosures without the values: what is needed, beside the record, to make the digests again.
pub(super) fn without_values(disclosures: &str) -> Result<String, DecodeError> {
    let mut out = String::from("[");
    for one in list(&mut Reader::over(disclosures))? {
        let comma = if out.len() > 1 { "," } else { "" };
        out += &format!("{comma}[{},{}]", one.salt, one.name);
    }
    Ok(out + "]")
}

fn utf8(bytes: &[u8]) -> Result<&str, DecodeError> {
    std::str::from_utf8(bytes).map_err(|_| DecodeError::Line("not UTF-8"))
}

fn each_line(
    lines: &[u8],
    mut line: impl FnMut(&str, &mut Vec<u8>) -> Result<(), DecodeError>,
) -> Result<Vec<u8>, DecodeError> {
    let mut out = Vec::with_capacity(lines.len());
    for text in utf8(lines)?.split_terminator('\n') {
        line(text, &mut out)?;
        out.push(b'\n');
    }
    Ok(out)
}

fn promised(digest: &[u8; 32]) -> Vec<u8> {
    let mut value = PROMISE.to_vec();
    write_base64(&mut value, digest);
    value.extend_from_slice(b"\"}");
    value
}

fn push_disclosure(out: &mut Vec<u8>, salt: &[u8; 16], name: &str, value: &str) {
    out.extend_from_slice(if out.is_empty() { b"[[\"" } else { b",[\"" });
    write_base64(out, salt);
    out.extend_from_slice(b"\",");
    out.extend_from_slice(name.as_bytes());
    out.push(b',');
    out.extend_from_slice(value.as_bytes());
    out.push(b']');
}

/// One disclosure in a seal.
#[derive(Debug)]
struct Disclosure<'l> {
    /// As JSON, quotes included.
    salt: &'l str,
    /// As JSON, quotes included.
    name: &'l str,
    /// As JSON.
    value: &'l str,
    /// The whole of it.
    json: &'l str,
    /// Where the list of all of them lies in the line.
    list: Range<usize>,
}

/// The disclosures in the seal of a line, in order.
fn disclosures(line: &str) -> Result<VecDeque<Disclosure<'_>>, DecodeError> {
    let mut reader = Reader::over(line);
    let mut found = VecDeque::new();
    open(&mut reader)?;
    while let Some(key) = reader.next_member()? {
        if key.raw() != SEAL {
            reader.skip_value(DEPTH_READ_MAX)?;
            continue;
        }
        open(&mut reader)?;
        while let Some(key) = reader.next_member()? {
            if key.raw() == DISCLOSURES {
                found = list(&mut reader)?;
            } else {
                reader.skip_value(DEPTH_READ_MAX)?;
            }
        }
    }
    Ok(found)
}

fn list<'l>(reader: &mut Reader<'l>) -> Result<VecDeque<Disclosure<'l>>, DecodeError> {
    let mut found = VecDeque::new();
    let start = reader.offset();
    array(reader)?;
    while reader.next_element()? {
        let at = reader.offset();
        array(reader)?;
        let mut parts = Vec::with_capacity(3);
        while reader.next_element()? {
            let range = reader.skip_value(DEPTH_READ_MAX)?;
            parts.push(reader.slice(range));
        }
        let [salt, name, value] = parts[..] else {
            return Err(DecodeError::Line("a disclosure is not salt, name and value"));
        };
        found.push_back(Disclosure { salt, name, value, json: reader.slice(at..reader.offset()), list: 0..0 });
    }
    let end = reader.offset();
    found.iter_mut().for_each(|one| one.list = start..end);
    Ok(found)
}

fn open(reader: &mut Reader<'_>) -> Result<(), DecodeError> {
    match reader.value()? {
        Value::Object => Ok(()),
        _ => Err(DecodeError::Line("expected an object")),
    }
}

fn array(reader: &mut Reader<'_>) -> Result<(), DecodeError> {
    match reader.value()? {
        Value::Array => Ok(()),
        _ => Err(DecodeError::Line("expected a list")),
    }
}

/// What becomes of a member.
enum Fate<'l> {
    Stays,
    Becomes(Cow<'l, [u8]>),
    Goes,
}

/// Decides about one member, given its name, its value and all of it, as JSON.
type Judge<'j, 'l> = dyn FnMut(&'l str, &'l str, &'l [u8]) -> Result<Fate<'l>, DecodeError> + 'j;

/// Goes over the members that can be erasable. `None`: all stay.
fn rewrite<'l>(line: &'l str, judge: &mut Judge<'_, 'l>) -> Result<Option<Vec<u8>>, DecodeError> {
    let mut walk = Walk { line, reader: Reader::over(line), copied: 0, out: Vec::new(), judge };
    open(&mut walk.reader)?;
    while let Some(key) = walk.reader.next_member()? {
        match key.raw() {
            "attributes" => walk.attributes()?,
            "body" => walk.member(&key)?,
            "resource" => walk.resource()?,
            _ => {
                walk.reader.skip_value(DEPTH_READ_MAX)?;
            }
        }
    }
    if walk.copied == 0 {
        return Ok(None);
    }
    walk.out.extend_from_slice(&line.as_bytes()[walk.copied..]);
    Ok(Some(walk.out))
}

struct Walk<'l, 'j, 'k> {
    line: &'l str,
    reader: Reader<'l>,
    /// How far the line is in `out`.
    copied: usize,
    out: Vec<u8>,
    judge: &'k mut Judge<'j, 'l>,
}

impl<'l> Walk<'l, '_, '_> {
    fn resource(&mut self) -> Result<(), DecodeError> {
        open(&mut self.reader)?;
        while let Some(key) = self.reader.next_member()? {
            if key.raw() == "attributes" {
                self.attributes()?;
            } else {
                self.reader.skip_value(DEPTH_READ_MAX)?;
            }
        }
        Ok(())
    }

    fn attributes(&mut self) -> Result<(), DecodeError> {
        open(&mut self.reader)?;
        while let Some(key) = self.reader.next_member()? {
            self.member(&key)?;
        }
        Ok(())
    }

    fn member(&mut self, key: &Text<'l>) -> Result<(), DecodeError> {
        let name = key.range();
        let value = self.reader.skip_value(DEPTH_READ_MAX)?;
        let member = name.start..value.end;
        let text = |range: &Range<usize>| &self.line[range.clone()];
        match (self.judge)(text(&name), text(&value), text(&member).as_bytes())? {
            Fate::Stays => {}
            Fate::Becomes(json) => {
                self.copy_to(value.start, value.end);
                self.out.extend_from_slice(&json);
            }
            Fate::Goes => {
                self.copy_to(member.start, member.end);
                if self.out.last() == Some(&b',') {
                    self.out.pop();
                } else if self.line.as_bytes().get(self.copied) == Some(&b',') {
                    self.copied += 1;
                }
            }
        }
        Ok(())
    }

    /// Copies up to `end` and goes on from `next`.
    fn copy_to(&mut self, end: usize, next: usize) {
        self.out.extend_from_slice(&self.line.as_bytes()[self.copied..end]);
        self.copied = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = r#"{"attributes":{"$$odd":1,"a":"x","prompt":{"text":"hi, \"you\""}},"body":"b","resource":{"attributes":{"user.email":"e"},"schema_url":"s"},"signal":"log"}"#;

    fn promise(member: &[u8]) -> Option<Promise> {
        let mut digest = [7; 32];
        digest[0] = u8::try_from(member.len()).unwrap();
        Some(Promise { salt: [1; 16], digest })
    }

    /// Concealed, with a seal as the ledger writes it.
    fn sealed(names: &[&str]) -> String {
        let mut line = b"before".to_vec();
        line.extend_from_slice(LINE.as_bytes());
        let fields = Erasable::new(names.iter().copied());
        let disclosures = fields.conceal(&mut line, 6, &mut promise).unwrap();
        let line = String::from_utf8(line).unwrap().strip_prefix("before").unwrap().to_owned();
        let disclosures = match String::from_utf8(disclosures).unwrap() {
            none if none.is_empty() => none,
            some => format!("\"disclosures\":{some},"),
        };
        let open = line.strip_suffix('}').unwrap();
        format!("{open},\"audit.seal\":{{{disclosures}\"entry\":\"e\",\"n\":1}}}}\n")
    }

    #[test]
    fn erasable_values_stand_beside_the_line_and_come_back() {
        let line = sealed(&["prompt", "user.email", "body", "$odd", "absent"]);
        assert!(!line.contains("\"b\",\"resource"), "{line}");
        assert_eq!(line.matches("{\"$sd\":\"").count(), 4, "{line}");
        assert!(line.contains(r#""disclosures":[["AQEBAQEBAQEBAQEBAQEBAQ==","$$odd",1],["#), "{line}");
        let revealed = reveal(line.as_bytes()).unwrap();
        let open = LINE.strip_suffix('}').unwrap();
        assert!(revealed.starts_with(open.as_bytes()), "{}", String::from_utf8_lossy(&revealed));
        serde_json::from_slice::<serde_json::Value>(&revealed).unwrap();
    }

    #[test]
    fn a_line_without_erasable_fields_is_left_alone() {
        let line = sealed(&["absent"]);
        assert!(line.starts_with(LINE.strip_suffix('}').unwrap()), "{line}");
        assert!(matches!(reveal(line.as_bytes()).unwrap(), Cow::Borrowed(_)));
    }

    #[test]
    fn what_is_withheld_is_gone_and_the_promise_stays() {
        let line = sealed(&["prompt", "user.email"]);
        let one = withhold(line.as_bytes(), &Erasable::new(["prompt"])).unwrap().into_owned();
        let text = String::from_utf8(one.clone()).unwrap();
        assert!(!text.contains("you") && text.contains("\"user.email\",\"e\"]]"), "{text}");
        assert_eq!(text.split("audit.seal").next(), line.split("audit.seal").next());
        let revealed = String::from_utf8(reveal(&one).unwrap().into_owned()).unwrap();
        assert!(
            revealed.starts_with(
                r#"{"attributes":{"$$odd":1,"a":"x"},"body":"b","resource":{"attributes":{"user.email":"e"}"#
            ),
            "{revealed}"
        );
        let both = withhold(line.as_bytes(), &Erasable::new(["prompt", "user.email"])).unwrap();
        let text = String::from_utf8(both.into_owned()).unwrap();
        assert!(text.ends_with("\"audit.seal\":{\"entry\":\"e\",\"n\":1}}\n"), "{text}");
        let revealed = String::from_utf8(reveal(text.as_bytes()).unwrap().into_owned()).unwrap();
        assert!(revealed.contains(r#""resource":{"attributes":{},"schema_url""#), "{revealed}");
    }

    #[test]
    fn first_and_only_members_can_go() {
        let line = r#"{"attributes":{"a":{"$sd":"x"},"b":{"$sd":"y"}},"body":{"$sd":"z"},"signal":"log"}"#;
        let revealed = String::from_utf8(reveal(format!("{line}\n").as_bytes()).unwrap().into_owned()).unwrap();
        assert_eq!(revealed, "{\"attributes\":{},\"signal\":\"log\"}\n");
    }
}
