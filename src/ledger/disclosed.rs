//! Fields that can be erased alone: checks that each disclosure is what the line promised under that name, and tells which
//! promises nobody keeps any more.
//!
//! In the canonical line such a field is `"name":{"$sd":"<base64>"}`; a disclosure is `["<salt>","name",value]`.

use std::collections::BTreeMap;

use memchr::memmem;

use super::checker::Fault;
use super::drafts::field_digest;
use super::scan::{base64_exact, base64_len, push_base64};
use crate::stdx::json::{Error, Reader, Value};

/// The flag of an entry whose line has such fields.
pub(super) const ERASABLE: u16 = 4;

/// How deep the disclosed values may be nested, with all wrappers of a canonical line.
const DEPTH_MAX: usize = 512;

const PROMISE: &[u8] = b":{\"$sd\":\"";

/// Promises of a line, by name (JSON, with its quotes) and digest: the name again, and how often each is made.
type Promises<'a> = BTreeMap<Vec<u8>, (&'a [u8], usize)>;

/// The names (JSON, with their quotes) of the fields that the line promises and nothing discloses; or what is wrong with a
/// disclosure.
pub(super) fn closed<'a>(open_body: &'a [u8], disclosures: &[u8]) -> Result<Vec<&'a [u8]>, (Fault, &'static str)> {
    let mut left = promises(open_body);
    if !disclosures.is_empty() {
        let keeps = |salt: &str, name: &str, value: &str| keep(&mut left, salt, name, value);
        let all = each(disclosures, keeps).map_err(|_| (Fault::Malformed, "the disclosures are malformed"))?;
        all.then_some(()).ok_or((Fault::Modified, "a disclosure is not what the line promises"))?;
    }
    Ok(left.into_values().flat_map(|(name, count)| std::iter::repeat_n(name, count)).collect())
}

fn promises(open_body: &[u8]) -> Promises<'_> {
    let mut found = Promises::new();
    for at in memmem::find_iter(open_body, PROMISE) {
        let digest = open_body[at + PROMISE.len()..].split_at_checked(base64_len(32));
        if let (Some(name), Some((digest, rest))) = (name_before(open_body, at), digest)
            && rest.starts_with(b"\"}")
        {
            found.entry([name, digest].concat()).or_insert((name, 0)).1 += 1;
        }
    }
    found
}

/// The JSON string that ends at `end`. Inside a string every quote has a backslash; before its first one there is none.
fn name_before(line: &[u8], end: usize) -> Option<&[u8]> {
    let mut at = end.checked_sub(1)?;
    loop {
        at = memchr::memrchr(b'"', &line[..at])?;
        if at == 0 || line[at - 1] != b'\\' {
            return Some(&line[at..end]);
        }
    }
}

/// True when exactly one promise is kept by it, which then is none any more.
fn keep(left: &mut Promises<'_>, salt: &str, name: &str, value: &str) -> bool {
    let salt = salt.as_bytes().strip_prefix(b"\"").and_then(|salt| salt.strip_suffix(b"\""));
    let Some(salt) = salt.and_then(base64_exact::<16>) else { return false };
    let mut promise = name.as_bytes().to_vec();
    push_base64(&mut promise, &field_digest(&salt, &[name.as_bytes(), b":", value.as_bytes()].concat()));
    left.remove(&promise).is_some_and(|(_, count)| count == 1)
}

/// A name as it is, of which the JSON stands in the line.
pub(super) fn plain_name(name: &[u8]) -> String {
    let text = std::str::from_utf8(name).unwrap_or_default();
    match Reader::over(text).value() {
        Ok(Value::Str(name)) => name.read(&mut String::new()).to_owned(),
        _ => text.to_owned(),
    }
}

/// Hands over salt, name and value of each, as JSON; false when one was refused.
pub(super) fn each(disclosures: &[u8], mut visit: impl FnMut(&str, &str, &str) -> bool) -> Result<bool, Error> {
    let mut reader = Reader::new(disclosures)?;
    let Value::Array = reader.value()? else { return reader.fail("no list") };
    let mut all = true;
    let mut canonical = b"[".to_vec();
    while reader.next_element()? {
        let Value::Array = reader.value()? else { return reader.fail("no list") };
        let mut parts = Vec::with_capacity(3);
        while reader.next_element()? {
            let range = reader.skip_value(DEPTH_MAX)?;
            parts.push(reader.slice(range));
        }
        let [salt, name, value] = parts[..] else { return reader.fail("not three parts") };
        all &= visit(salt, name, value);
        let comma = if canonical.len() > 1 { "," } else { "" };
        canonical.extend_from_slice(format!("{comma}[{salt},{name},{value}]").as_bytes());
    }
    reader.end()?;
    canonical.push(b']');
    // White space would be a second spelling.
    Ok(all && canonical == disclosures)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn promise(salt: &[u8; 16], member: &str) -> String {
        let name = &member[..member.rfind("\":").unwrap() + 1];
        let mut text = format!("{name}:{{\"$sd\":\"").into_bytes();
        push_base64(&mut text, &field_digest(salt, member.as_bytes()));
        String::from_utf8(text).unwrap() + "\"}"
    }

    fn names(found: Result<Vec<&[u8]>, (Fault, &'static str)>) -> Option<Vec<String>> {
        Some(found.ok()?.into_iter().map(|name| String::from_utf8(name.to_vec()).unwrap()).collect())
    }

    #[test]
    fn a_disclosure_must_be_what_was_promised_under_that_name_and_the_rest_is_closed() {
        let (salt, odd) = ([3; 16], r#""a \"q\"":1"#);
        let fields = [promise(&salt, r#""a":"x""#), promise(&salt, r#""b":[1]"#), promise(&salt, odd)];
        let body = format!(r#"{{"attributes":{{{}"#, fields.join(","));
        let salt = "AwMDAwMDAwMDAwMDAwMDAw==";
        let one = |name: &str, value: &str| format!(r#"["{salt}","{name}",{value}]"#);
        let check = |list: &[String]| {
            let list = if list.is_empty() { String::new() } else { format!("[{}]", list.join(",")) };
            names(closed(body.as_bytes(), list.as_bytes()))
        };
        let (a, b, c) = (one("a", "\"x\""), one("b", "[1]"), one(r#"a \"q\""#, "1"));
        assert_eq!(check(&[]).unwrap(), [r#""a \"q\"""#, "\"a\"", "\"b\""]);
        assert_eq!(check(&[a.clone(), c.clone()]).unwrap(), ["\"b\""]);
        assert_eq!(check(&[a.clone(), b.clone(), c]).unwrap(), [""; 0]);
        assert_eq!(check(&[a.clone(), a]), None, "twice");
        for (name, value) in [("a", "\"y\""), ("b", "\"x\""), ("a", " \"x\""), ("c", "1")] {
            assert_eq!(check(&[one(name, value)]), None, "{name} {value}");
        }
        for broken in ["[", "[1]", "[[1]]", "[[1,2,3]]", "[] ]", "{}", &format!("[{b} ]"), &format!("[{b},]")] {
            assert!(closed(body.as_bytes(), broken.as_bytes()).is_err(), "{broken}");
        }
    }
}
