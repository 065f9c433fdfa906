//! Syslog as the RFCs have it, and nothing else: frames (RFC 6587, 3.4.1), messages (RFC 5424, 6), datagrams.

use std::collections::BTreeMap;

/// A message, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) facility: u8,
    pub(crate) severity: u8,
    pub(crate) timestamp: Option<String>,
    pub(crate) hostname: Option<String>,
    pub(crate) app_name: Option<String>,
    pub(crate) proc_id: Option<String>,
    pub(crate) msg_id: Option<String>,
    /// Parameters of elements.
    pub(crate) data: BTreeMap<String, BTreeMap<String, String>>,
    /// MSG without the mark.
    pub(crate) text: String,
    /// MSG has the mark before UTF-8.
    pub(crate) is_marked: bool,
}

/// The messages of a stream.
pub(crate) fn frames(mut stream: &[u8]) -> Vec<Message> {
    let mut messages = vec![];
    while !stream.is_empty() {
        let space = stream.iter().position(|byte| *byte == b' ').expect("a length and a space");
        let digits = std::str::from_utf8(&stream[..space]).unwrap();
        assert!(digits.as_bytes()[0].is_ascii_digit() && !digits.starts_with('0'), "MSG-LEN {digits}");
        let len: usize = digits.parse().unwrap();
        let rest = &stream[space + 1..];
        assert!(rest.len() >= len, "the last message is cut");
        messages.push(message(&rest[..len]));
        stream = &rest[len..];
    }
    messages
}

/// One message.
pub(crate) fn message(bytes: &[u8]) -> Message {
    let text = std::str::from_utf8(bytes).expect("UTF-8");
    let rest = text.strip_prefix('<').expect("PRI");
    let (priority, rest) = rest.split_once('>').expect("PRI");
    assert!((1..=3).contains(&priority.len()) && (priority == "0" || !priority.starts_with('0')), "PRI {priority}");
    let priority: u8 = priority.parse().unwrap();
    assert!(priority <= 191);
    let rest = rest.strip_prefix("1 ").expect("VERSION and SP");
    let mut rest = rest;
    let mut field = |chars_max: usize| {
        let (field, after) = rest.split_once(' ').expect("SP");
        rest = after;
        assert!((1..=chars_max).contains(&field.len()), "`{field}` has more than {chars_max} characters, or none");
        assert!(field.bytes().all(|byte| (33..=126).contains(&byte)), "`{field}`");
        (field != "-").then(|| field.to_owned())
    };
    let timestamp = field(32);
    let (hostname, app_name, proc_id, msg_id) = (field(255), field(48), field(128), field(32));
    timestamp.iter().for_each(|text| check_timestamp(text));
    let (data, rest) = structured(rest);
    let rest = match rest {
        "" => "",
        rest => rest.strip_prefix(' ').expect("SP before MSG"),
    };
    let is_marked = rest.starts_with('\u{feff}');
    let text = rest.trim_start_matches('\u{feff}').to_owned();
    assert!(!text.chars().any(char::is_control) || text.starts_with("LEEF:"), "control characters in {text:?}");
    let (facility, severity) = (priority / 8, priority % 8);
    Message { facility, severity, timestamp, hostname, app_name, proc_id, msg_id, data, text, is_marked }
}

fn check_timestamp(text: &str) {
    let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    let (date, fraction) = shape.split_once('.').expect("a fraction");
    assert_eq!(date, "0000-00-00T00:00:00");
    assert!(fraction.ends_with('Z') && (2..=7).contains(&fraction.len()), "{text}");
}

type Data = BTreeMap<String, BTreeMap<String, String>>;

fn structured(text: &str) -> (Data, &str) {
    if let Some(rest) = text.strip_prefix('-') {
        return (Data::new(), rest);
    }
    let (mut data, mut rest) = (Data::new(), text);
    while let Some(after) = rest.strip_prefix('[') {
        let (id, after) = name(after);
        assert!(id.contains('@'), "names without a number are IANA's: {id}");
        let mut parameters = BTreeMap::new();
        rest = after;
        while let Some(after) = rest.strip_prefix(' ') {
            let (name, after) = name(after);
            let (value, after) = value(after.strip_prefix("=\"").expect("=\""));
            assert!(parameters.insert(name.to_owned(), value).is_none(), "{name} stands twice");
            rest = after;
        }
        rest = rest.strip_prefix(']').expect("the end of an element");
        assert!(data.insert(id.to_owned(), parameters).is_none(), "{id} stands twice");
    }
    assert!(!data.is_empty(), "STRUCTURED-DATA");
    (data, rest)
}

fn name(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_graphic() || "= ]\"".contains(c)).expect("the end of a name");
    assert!((1..=32).contains(&end), "SD-NAME `{}`", &text[..end]);
    text.split_at(end)
}

fn value(text: &str) -> (String, &str) {
    let (mut value, mut chars) = (String::new(), text.char_indices());
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return (value, &text[at + 1..]),
            ']' => panic!("a bracket that is not escaped"),
            '\\' => match chars.next().expect("an escape").1 {
                escaped @ ('"' | '\\' | ']') => value.push(escaped),
                // "A backslash followed by none of the three is a regular backslash."
                other => value.extend(['\\', other]),
            },
            c => {
                assert!(!c.is_control(), "a control character in {value:?}");
                value.push(c);
            }
        }
    }
    panic!("a value without an end")
}
