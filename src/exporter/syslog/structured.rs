//! STRUCTURED-DATA: the whole record but its body, in elements whose names end with the organisation's number.
//!
//! A parameter's name has 32 characters at most. Attributes with longer or other names stand together in the parameter `more`, as
//! JSON. Control characters are written as JSON writes them, so that nothing in a value can pass for a new line.

use super::seal::Seal;
use crate::otlp::line::SEAL;
use crate::otlp::record::{Record, plain};
use crate::stdx::json::{write_hex, write_str};

const NAME_CHARS_MAX: usize = 32;
/// The longest ending of an element's name, `.attributes`, leaves this much for the configured one.
const ID_CHARS_MAX: usize = 16;
/// The parameter for what has no name that fits.
const MORE: &str = "more";
/// Members of a record that stand elsewhere.
const ELSEWHERE: [&str; 5] = ["attributes", "body", "resource", "scope", SEAL];

/// The names of elements: what stands before and behind the `@`.
#[derive(Debug)]
pub(super) struct Ids {
    name: String,
    number: String,
}

/// True for `name@number` with room for the endings.
pub(super) fn is_id(text: &str) -> bool {
    let Some((name, number)) = text.split_once('@') else { return false };
    let named = !name.is_empty() && name.len() <= ID_CHARS_MAX && name.chars().all(|c| c.is_ascii_alphanumeric());
    named
        && (1..=10).contains(&number.len())
        && number.len() + name.len() < 21
        && number.chars().all(|c| c.is_ascii_digit())
}

impl Ids {
    pub(super) fn new(id: &str) -> Self {
        let (name, number) = id.split_once('@').unwrap_or((id, "32473"));
        Self { name: name.to_owned(), number: number.to_owned() }
    }

    /// The elements of a record that say anything, what is needed most first.
    pub(super) fn elements(&self, record: &Record<'_>, seal: Option<&Seal>) -> Vec<Vec<u8>> {
        let mut elements = vec![];
        if let Some(seal) = seal {
            let mut element = self.element(".seal");
            element.param("stream", &seal.stream);
            element.param("number", &seal.number.to_string());
            let mut leaf = Vec::with_capacity(64);
            write_hex(&mut leaf, &seal.leaf);
            element.param("leaf", &String::from_utf8_lossy(&leaf));
            elements.extend(element.end());
        }
        let mut own = self.element("");
        own.members(record.members().iter().filter(|(name, _)| !ELSEWHERE.contains(&name.as_str())), "");
        own.members(record.resource_rest(), "resource.");
        own.members(record.scope_rest(), "scope.");
        elements.extend(own.end());
        for (ending, members) in [
            (".attributes", record.attributes()),
            (".resource", record.resource_attributes()),
            (".scope", record.scope_attributes()),
        ] {
            let mut element = self.element(ending);
            element.members(members, "");
            elements.extend(element.end());
        }
        elements
    }

    fn element(&self, ending: &str) -> Element {
        let out = format!("[{}{ending}@{}", self.name, self.number).into_bytes();
        Element { empty: out.len(), out, more: vec![] }
    }
}

/// An element in the making.
struct Element {
    out: Vec<u8>,
    empty: usize,
    more: Vec<u8>,
}

impl Element {
    fn members<'m, 'a: 'm>(&mut self, members: impl IntoIterator<Item = &'m (String, &'a str)>, prefix: &str) {
        for (name, value) in members {
            let name = format!("{prefix}{name}");
            if is_name(&name) {
                self.param(&name, &plain(value));
                continue;
            }
            self.more.push(if self.more.is_empty() { b'{' } else { b',' });
            write_str(&mut self.more, &name);
            self.more.push(b':');
            self.more.extend_from_slice(value.as_bytes());
        }
    }

    fn param(&mut self, name: &str, value: &str) {
        self.out.push(b' ');
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"=\"");
        for c in value.chars() {
            if matches!(c, '"' | '\\' | ']') {
                self.out.push(b'\\');
            }
            push_visible(&mut self.out, c);
        }
        self.out.push(b'"');
    }

    fn end(mut self) -> Option<Vec<u8>> {
        if !self.more.is_empty() {
            self.more.push(b'}');
            let more = std::mem::take(&mut self.more);
            self.param(MORE, &String::from_utf8_lossy(&more));
        }
        (self.out.len() > self.empty).then_some(())?;
        self.out.push(b']');
        Some(self.out)
    }
}

fn is_name(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_graphic() && !matches!(c, '=' | ']' | '"');
    (1..=NAME_CHARS_MAX).contains(&name.len()) && name != MORE && name.chars().all(allowed)
}

/// Appends a character; a control character as JSON writes it.
pub(super) fn push_visible(out: &mut Vec<u8>, c: char) {
    match c {
        '\n' => out.extend_from_slice(b"\\n"),
        '\r' => out.extend_from_slice(b"\\r"),
        '\t' => out.extend_from_slice(b"\\t"),
        c if c.is_control() => out.extend_from_slice(format!("\\u{:04x}", u32::from(c)).as_bytes()),
        c => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::seal::tests::LINE;
    use super::*;

    fn elements(line: &str) -> String {
        let record = Record::parse(line.as_bytes()).unwrap();
        let seal = Seal::of(line, &record);
        String::from_utf8(Ids::new("otel@32473").elements(&record, seal.as_ref()).concat()).unwrap()
    }

    #[test]
    fn everything_but_the_body_stands_somewhere() {
        let line = r#"{"attributes":{"a":1,"b":{"$double":"NaN"},"l":[1,"x"]},"body":"B","dropped_attributes_count":1,"event_name":"e","flags":1,"observed_time_unix_nano":"2","resource":{"attributes":{"service.name":"s"},"dropped_attributes_count":2,"schema_url":"u"},"scope":{"attributes":{"k":true},"name":"n","schema_url":"v","version":"1"},"severity_number":9,"severity_text":"INFO","signal":"log","span_id":"0102","time_unix_nano":"1","trace_id":"03"}"#;
        assert_eq!(
            elements(line),
            concat!(
                r#"[otel@32473 dropped_attributes_count="1" event_name="e" flags="1" observed_time_unix_nano="2" severity_number="9" severity_text="INFO" signal="log" span_id="0102" time_unix_nano="1" trace_id="03" resource.schema_url="u" scope.name="n" scope.schema_url="v" scope.version="1" more="{\"resource.dropped_attributes_count\":2}"]"#,
                r#"[otel.attributes@32473 a="1" b="NaN" l="[1,\"x\"\]"]"#,
                r#"[otel.resource@32473 service.name="s"][otel.scope@32473 k="true"]"#,
            )
        );
        assert_eq!(elements("{}"), "");
    }

    #[test]
    fn three_characters_are_escaped_and_control_characters_made_visible() {
        let line = r#"{"attributes":{"a":"q\"b\\c]d\ne\u001bf\u0085=","t":"tab\tend\r"}}"#;
        assert_eq!(elements(line), r#"[otel.attributes@32473 a="q\"b\\c\]d\ne\u001bf\u0085=" t="tab\tend\r"]"#);
    }

    #[test]
    fn names_that_do_not_fit_stand_together_as_json() {
        let long = "x".repeat(33);
        let line = format!(r#"{{"attributes":{{"a b":1,"a=b":2,"more":3,"{long}":4,"{}":5,"é":"]"}}}}"#, &long[1..]);
        let wanted = format!(
            r#"[otel.attributes@32473 {}="5" more="{{\"a b\":1,\"a=b\":2,\"more\":3,\"{long}\":4,\"é\":\"\]\"}}"]"#,
            &long[1..]
        );
        assert_eq!(elements(&line), wanted);
    }

    #[test]
    fn a_sealed_record_says_where_it_stands_in_its_ledger() {
        let seal = r#"[otel.seal@32473 stream="76652f01-fc4a-8a26-a42e-6b4cc965bbe6" number="11" leaf=""#;
        let found = elements(LINE);
        assert!(found.starts_with(seal) && !found.contains("audit.seal"), "{found}");
    }

    #[test]
    fn an_id_has_a_number_and_room_for_endings() {
        for (id, is) in [("otel@32473", true), ("a@1", true), ("otel", false), ("@1", false), ("a b@1", false)] {
            assert_eq!(is_id(id), is, "{id}");
        }
        for (id, is) in
            [("a@", false), ("a@x", false), ("abcdefghijklmnop@123", true), ("abcdefghijklmnop@12345", false)]
        {
            assert_eq!(is_id(id), is, "{id}");
        }
        for ending in ["", ".attributes", ".seal"] {
            assert!(Ids::new("abcdefghijklmnop@123").element(ending).out.len() <= NAME_CHARS_MAX + 1);
        }
    }
}
