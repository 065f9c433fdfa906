//! Whatever a text is made of, twice as much of it is twice the work, and what would be more is not scanned but replaced.
//!
//! The work is counted, not timed: every byte that a detector, a decoder or a walk over words looks at is a step.

use super::*;
use crate::otlp::wire::put_bytes;
use crate::processor::redact::detector::bytes::steps;
use crate::stdx::bytesize::ByteSize;

/// What texts are made of that were written to be slow, by the family of detectors that they are made for.
const PIECES: &[(&str, &[&str])] = &[
    (
        "secrets in a format",
        &["eyJ", "eyJhbGciOiJIUzI1NiJ9.", "sk-", "sk-ant-", "AKIA", "xoxb-", "ghp_", "github_pat_", "SK0", "hf_a"],
    ),
    (
        "private keys",
        &["-----BEGIN", "-----BEGIN PRIVATE KEY", "-----BEGIN PRIVATE KEY-----\n", "-----END", "Private-Lines: "],
    ),
    (
        "assignments",
        &[
            "password",
            "password=",
            "token:",
            "token: x ",
            "token=",
            "key",
            "api_key=\"",
            "'secret':'\\",
            "\\\"password\\\":",
            "--token ",
            "password=[REDACTED:jwt]",
            "[REDACTED:",
            "_pass",
            "secret secret_",
        ],
    ),
    ("headers", &["bearer ", "basic YTpi", "authorization:", "authorization: basic ", "cookie: a=b; ", "set-cookie:"]),
    (
        "commands",
        &["curl ", "curl -u a", "mysql -p", "machine login ", "docker login ", "password '", "$2a$", ":5432:"],
    ),
    ("URLs", &["://", "://a:a@", "://a:b/", "http://a:", "a://b:c#"]),
    ("addresses", &["a@", "a.", "@", "a@a.", "a@a@", "%@", "a'@b.c"]),
    (
        "numbers",
        &[
            "4",
            "4111 ",
            "4111-",
            "1111111111111a",
            "123-45-",
            "999-99-9999-",
            "0.4",
            "+4",
            "+49 ",
            "(415) ",
            "1-800-",
            "4,",
            "12 ",
        ],
    ),
    ("accounts", &["DE89", "DE89 ", "DE893704004405320130", "GB29 NWBK "]),
    (
        "words of context",
        &["phone ", "tel 1", "pan ", "passport A1", "ssn 1-", "nhs number ", "dob 1/", "pantel", "tel 1\\n", "pan 4a"],
    ),
    ("JSON", &["{\"a\":[", "[", "[[1],", "{\"password\":", "\"{\\\"a\\\":", "{\"a\":\"b\",", "[\"--password\","]),
    ("escapes", &["\\u0041", "\\x41", "\\n", "\\\\", "\\\"", "\\ud83d", "%41", "%2541", "%25", "%C3%A9", "%", "\\u00"]),
    ("base64", &["aGVsbG8gd29ybGQs", "YUdWc2JHOGdkMjl5YkdRcw", "aGVsbG8gd29ybGQs/", "aGVs-", "QUtJQQ", "/"]),
];

const LEN: usize = 4096;

fn steps_of(redact: &Redact, text: &str) -> usize {
    steps::taken();
    drop(redact.text(text));
    steps::taken()
}

/// The same within a record: what the prefilter does, and what it leads to.
fn steps_of_record(redact: &Redact, text: &str) -> usize {
    let mut request = Vec::new();
    Value::Str(text).put(&mut request);
    for number in [5, 2, 2, 1] {
        let inner = std::mem::take(&mut request);
        put_bytes(&mut request, number, &inner);
    }
    let arena = Bump::new();
    let mut batch = Batch::open(Signal::Logs, &request, &arena).unwrap();
    steps::taken();
    redact.process(&mut batch).unwrap();
    steps::taken()
}

/// So many bytes of a piece.
fn text_of(piece: &str, len: usize) -> String {
    piece.repeat(len / piece.len())
}

#[test]
fn twice_the_text_is_twice_the_work_whatever_it_is_made_of() {
    let redact = Redact::new(&Config { profile: "strict".to_owned(), ..Config::default() }).unwrap();
    let agent = Redact::new(&Config::default()).unwrap();
    let mut slow = vec![];
    for (family, piece) in PIECES.iter().flat_map(|(family, pieces)| pieces.iter().map(move |piece| (family, piece))) {
        for (name, steps) in [
            ("text", &(|text: &str| steps_of(&redact, text)) as &dyn Fn(&str) -> usize),
            ("record", &|text: &str| steps_of_record(&agent, text)),
        ] {
            let [one, two, four] = [LEN, 2 * LEN, 4 * LEN].map(|len| steps(&text_of(piece, len)));
            // A tenth more than in proportion, for what starts and ends a text.
            if two * 10 > one * 22 + LEN || four * 10 > one * 44 + LEN {
                slow.push(format!("{family}, {piece:?}, as {name}: {one}, {two}, {four} steps"));
            }
        }
    }
    assert!(slow.is_empty(), "{slow:#?}");
}

#[test]
fn what_is_too_long_nested_or_costly_is_replaced_as_a_whole() {
    let config = Config { value_bytes_max: ByteSize(64), ..Config::default() };
    let small = Redact::new(&config).unwrap();
    assert_eq!(small.text(&"a ".repeat(32)).0, "a ".repeat(32));
    assert_eq!(small.text(&"a ".repeat(33)).0, "[REDACTED:unscanned]");
    let redact = Redact::new(&Config::default()).unwrap();
    let escaped = (0..6).fold("\\u0062ob@example.com".to_owned(), |text, _| text.replace('\\', "\\u005c"));
    for text in [escaped, "a@b.io ".repeat(100_000)] {
        let (out, found) = redact.text(&text);
        let whole = out == "[REDACTED:unscanned]" && found[0].rule == "unscanned";
        assert!(whole || (!out.contains("ob@example") && !out.contains("a@b.io")), "{out:.80}");
    }
}
