//! Checking the disclosures of a line: each must be what the line promised, under the name where it promised it.

use memchr::memmem;

use super::drafts::field_digest;
use super::scan::{base64_exact, push_base64};
use crate::stdx::json::{Error, Reader, Value};

/// How deep the disclosed values may be nested, with all wrappers of a canonical line.
const DEPTH_MAX: usize = 512;

/// How many promises of the line have been kept: `Ok` with the number of disclosures, or what is wrong with one.
pub(super) fn check(open_body: &[u8], disclosures: &[u8]) -> Result<usize, &'static str> {
    if disclosures.is_empty() {
        return Ok(0);
    }
    let mut count = 0;
    each(disclosures, |salt, name, value| {
        count += 1;
        is_promised(open_body, salt, name, value)
    })
    .map_err(|_| "the disclosures are malformed")?
    .then_some(count)
    .ok_or("a disclosure is not what the line promises")
}

/// How many promises a line has.
pub(super) fn promises(open_body: &[u8]) -> usize {
    memmem::find_iter(open_body, b":{\"$sd\":\"").count()
}

fn is_promised(open_body: &[u8], salt: &str, name: &str, value: &str) -> bool {
    let salt = salt.as_bytes().strip_prefix(b"\"").and_then(|salt| salt.strip_suffix(b"\""));
    let Some(salt) = salt.and_then(base64_exact::<16>) else { return false };
    let member = [name.as_bytes(), b":", value.as_bytes()].concat();
    let mut promise = [name.as_bytes(), b":{\"$sd\":\""].concat();
    push_base64(&mut promise, &field_digest(&salt, &member));
    promise.extend_from_slice(b"\"}");
    memmem::find_iter(open_body, &promise).count() == 1
}

/// Hands over salt, name and value of each, as JSON; false when one was refused.
fn each(disclosures: &[u8], mut visit: impl FnMut(&str, &str, &str) -> bool) -> Result<bool, Error> {
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
        let name = member.split_once(':').unwrap().0;
        let mut text = format!("{name}:{{\"$sd\":\"").into_bytes();
        push_base64(&mut text, &field_digest(salt, member.as_bytes()));
        String::from_utf8(text).unwrap() + "\"}"
    }

    #[test]
    fn a_disclosure_must_be_what_was_promised_under_that_name() {
        let salt = [3; 16];
        let body = format!(r#"{{"attributes":{{{},{}"#, promise(&salt, r#""a":"x""#), promise(&salt, r#""b":[1]"#));
        let salt = "AwMDAwMDAwMDAwMDAwMDAw==";
        let with = |name: &str, value: &str| format!(r#"[["{salt}","{name}",{value}]]"#);
        assert_eq!(promises(body.as_bytes()), 2);
        assert_eq!(check(body.as_bytes(), b""), Ok(0));
        assert_eq!(check(body.as_bytes(), with("a", "\"x\"").as_bytes()), Ok(1));
        assert_eq!(check(body.as_bytes(), with("b", "[1]").as_bytes()), Ok(1));
        for (name, value) in [("a", "\"y\""), ("b", "\"x\""), ("a", " \"x\""), ("c", "1")] {
            assert!(check(body.as_bytes(), with(name, value).as_bytes()).is_err(), "{name} {value}");
        }
        let spaced = format!(r#"[["{salt}","b",[1]] ]"#);
        assert!(check(body.as_bytes(), spaced.as_bytes()).is_err());
        for broken in ["[", "[1]", "[[1]]", "[[1,2,3]]", "[] ]", "{}"] {
            assert!(check(body.as_bytes(), broken.as_bytes()).is_err(), "{broken}");
        }
    }
}
