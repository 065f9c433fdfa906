//! Fields that can be erased alone: the sealed line holds a salted digest of each, the seal beside it discloses them.
//!
//! In the canonical line an erasable attribute is `"name":{"$sd":"<base64>"}` with SHA-256 over `SD/1`, a zero byte, 16
//! bytes of salt and the bytes `"name":value` as they would stand there. A disclosure is `["<salt>","name",value]`.

use super::hash::sha256;
use super::scan::{base64_exact, base64_len, push_base64};
use crate::stdx::json::{Error, Reader, Value};

/// The flag of an entry whose line has such fields.
pub const ERASABLE: u16 = 4;

/// How deep a disclosed value may be nested.
const DEPTH_MAX: usize = 128;

const DIGEST: &[u8] = b"{\"$sd\":\"";

/// The digest of a field; `name` and `value` as JSON.
#[must_use]
pub fn digest(salt: &[u8; 16], name: &str, value: &str) -> [u8; 32] {
    field_digest(salt, &[name.as_bytes(), b":", value.as_bytes()].concat())
}

/// The same over the whole member, `"name":value`.
#[must_use]
pub fn field_digest(salt: &[u8; 16], member: &[u8]) -> [u8; 32] {
    sha256(&[b"SD/1\0", salt.as_slice(), member].concat())
}

/// Checks that every disclosure of the list (a JSON array, or nothing) fits one digest of that name in the line, and no two
/// the same. The names of the fields whose digests are left undisclosed; `None` when a disclosure does not fit, or is spelt
/// with white space.
pub(super) fn undisclosed(line: &[u8], list: &[u8]) -> Option<Vec<String>> {
    let mut found = if list.is_empty() { Vec::new() } else { places(line, list)? };
    let disclosed = found.len();
    found.sort_unstable();
    found.dedup();
    (found.len() == disclosed).then_some(())?;
    let ends = memchr::memmem::find_iter(line, DIGEST).filter_map(|at| at.checked_sub(1));
    let names = ends.filter_map(|end| name_before(line, end));
    Some(names.filter(|(start, _)| found.binary_search(start).is_err()).map(|(_, name)| name).collect())
}

/// Where the member's name that ends before `end` begins, and what it says.
fn name_before(line: &[u8], end: usize) -> Option<(usize, String)> {
    let text = line.get(..end)?.strip_suffix(b"\"")?;
    let is_escaped = |at: usize| text[..at].iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 1;
    let start = memchr::memrchr_iter(b'"', text).find(|at| !is_escaped(*at))?;
    let written = std::str::from_utf8(&line[start..end]).ok()?;
    match Reader::over(written).value().ok()? {
        Value::Str(name) => Some((start, name.read(&mut String::new()).to_owned())),
        _ => None,
    }
}

/// Where the digest of each disclosure stands in the line.
fn places(line: &[u8], list: &[u8]) -> Option<Vec<usize>> {
    let mut reader = Reader::new(list).ok()?;
    matches!(reader.value().ok()?, Value::Array).then_some(())?;
    let mut places = Vec::new();
    let mut spelt = b"[".to_vec();
    while reader.next_element().ok()? {
        let (salt, name, value) = disclosure(&mut reader).ok()??;
        spelt.extend_from_slice(if spelt.len() == 1 { b"[\"" } else { b",[\"" });
        push_base64(&mut spelt, &salt);
        spelt.extend_from_slice(format!("\",{name},{value}]").as_bytes());
        let mut wanted = [name.as_bytes(), b":", DIGEST].concat();
        wanted.reserve(base64_len(32));
        push_base64(&mut wanted, &digest(&salt, name, value));
        wanted.extend_from_slice(b"\"}");
        let mut hits = memchr::memmem::find_iter(line, &wanted);
        let place = hits.next()?;
        hits.next().is_none().then_some(())?;
        places.push(place);
    }
    reader.end().ok()?;
    spelt.push(b']');
    (spelt == list && !places.is_empty()).then_some(places)
}

type Disclosure<'a> = ([u8; 16], &'a str, &'a str);

/// Salt, name and value of the next disclosure, the last two as they are written.
fn disclosure<'a>(reader: &mut Reader<'a>) -> Result<Option<Disclosure<'a>>, Error> {
    let Value::Array = reader.value()? else { return Ok(None) };
    if !reader.next_element()? {
        return Ok(None);
    }
    let Value::Str(salt) = reader.value()? else { return Ok(None) };
    if !reader.next_element()? {
        return Ok(None);
    }
    let Value::Str(name) = reader.value()? else { return Ok(None) };
    if !reader.next_element()? {
        return Ok(None);
    }
    let value = reader.skip_value(DEPTH_MAX)?;
    let is_end = !reader.next_element()?;
    let (name, value) = (reader.slice(name.range()), reader.slice(value));
    Ok(base64_exact(salt.raw().as_bytes()).filter(|_| is_end).map(|salt| (salt, name, value)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(bytes: &[u8]) -> String {
        let mut out = Vec::new();
        push_base64(&mut out, bytes);
        String::from_utf8(out).unwrap()
    }

    fn sealed(fields: &[(&str, &str)]) -> (String, Vec<String>) {
        let salt = |n: usize| [n as u8; 16];
        let digests = fields
            .iter()
            .enumerate()
            .map(|(n, (name, value))| format!("{name}:{{\"$sd\":\"{}\"}}", encoded(&digest(&salt(n), name, value))));
        let line = format!("{{\"attributes\":{{{}}}", digests.collect::<Vec<_>>().join(","));
        let disclosures = fields.iter().enumerate();
        let disclosures = disclosures.map(|(n, (name, value))| format!("[\"{}\",{name},{value}]", encoded(&salt(n))));
        (line, disclosures.collect())
    }

    #[test]
    fn disclosures_fit_their_digests_and_what_is_not_disclosed_is_counted() {
        let fields = [("\"user.email\"", "\"a@b.example\""), ("\"a \\\"q\\\"\"", "{\"x\":[1,2.0]}"), ("\"n\"", "1")];
        let (line, all) = sealed(&fields);
        let list = |disclosures: &[&str]| format!("[{}]", disclosures.join(","));
        let left = |line: &str, list: &str| undisclosed(line.as_bytes(), list.as_bytes()).unwrap();
        assert!(left(&line, &list(&[&all[0], &all[1], &all[2]])).is_empty());
        assert_eq!(left(&line, &list(&[&all[1]])), ["user.email", "n"]);
        assert_eq!(left(&line, ""), ["user.email", "a \"q\"", "n"]);
        assert!(left("{\"a\":1", "").is_empty());
    }

    #[test]
    fn a_changed_doubled_or_foreign_disclosure_is_refused() {
        let (line, all) = sealed(&[("\"n\"", "1"), ("\"m\"", "true")]);
        for wrong in [
            all[0].replace(",1]", ",1.0]"),
            all[0].replace("\"n\"", "\"m\""),
            all[0].replace("AAAA", "BAAA"),
            format!("{},{}", all[0], all[0]),
            all[0].replace(']', ",2]"),
            "[]".to_owned(),
            String::new(),
            format!(" {}", all[0]),
            "7".to_owned(),
            format!("{},", all[0]),
        ] {
            assert_eq!(undisclosed(line.as_bytes(), format!("[{wrong}]").as_bytes()), None, "{wrong}");
        }
    }
}
