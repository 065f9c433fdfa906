//! Which lines a `400` is about. Loki stores the good lines of a request and describes the others in words:
//! <https://grafana.com/docs/loki/latest/operations/request-validation-rate-limits/>, texts in `pkg/validation/validate.go` and
//! `pkg/ingester/stream.go` (Loki 2.9 to 3.x).
//!
//! What a text says of one line holds for all that are no better (older, longer), so they are found without asking again. A text
//! that is not understood names nobody; the payload is then halved until the bad line stands alone.

use std::collections::BTreeSet;

use super::push::{Entry, Push, Stream};
use crate::exporter::Refusal;
use crate::stdx::calendar;

/// Why lines were refused. The text of the answer repeats labels, so it is not passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Reason {
    TooOld,
    Behind,
    TooNew,
    TooLong,
    Metadata,
    Labels,
}

impl Reason {
    const fn words(self) -> &'static str {
        match self {
            Self::TooOld => "its time is older than Loki's `reject_old_samples_max_age`",
            Self::Behind => "its time is too far behind the newest of its stream",
            Self::TooNew => "its time is in the future, beyond Loki's `creation_grace_period`",
            Self::TooLong => "the line is longer than Loki's `max_line_size`",
            Self::Metadata => "it has more structured metadata than Loki's limits allow",
            Self::Labels => "its labels are beyond Loki's limits",
        }
    }
}

const NANOS: u64 = 1_000_000_000;

/// The records among `places` that the text is about. `name` is the host that answered.
pub(super) fn refused(text: &str, name: &str, push: &Push, places: &[u64]) -> Vec<Refusal> {
    let mut found: Vec<(Reason, Vec<u64>)> = Vec::new();
    let mut taken = BTreeSet::new();
    for complaint in complaints(text) {
        for (place, entry) in places.iter().zip(push.chosen(places)) {
            let stream = &push.streams[entry.stream];
            if complaint.is_about(text, stream, entry) && taken.insert(*place) {
                match found.iter_mut().find(|(reason, _)| *reason == complaint.reason) {
                    Some((_, records)) => records.push(*place),
                    None => found.push((complaint.reason, vec![*place])),
                }
            }
        }
    }
    let refusal = |(reason, mut records): (Reason, Vec<u64>)| {
        records.sort_unstable();
        Refusal { records, cause: format!("{name} answered 400: {}", reason.words()) }
    };
    found.into_iter().map(refusal).collect()
}

/// What one piece of the text says.
#[derive(Debug, PartialEq, Eq)]
struct Complaint {
    reason: Reason,
    test: Test,
}

#[derive(Debug, PartialEq, Eq)]
enum Test {
    /// Before this second.
    Before(u64),
    /// At this nanosecond.
    At(u64),
    /// Within this second.
    Within(u64),
    /// At this second or later.
    From(u64),
    /// More bytes of line.
    Longer(usize),
    /// More bytes of metadata.
    Larger(usize),
    /// More pairs of metadata.
    More(usize),
    /// All of the stream.
    All,
}

impl Complaint {
    fn is_about(&self, text: &str, stream: &Stream, entry: &Entry) -> bool {
        let second = entry.time / NANOS;
        let fits = match self.test {
            Test::Before(at) => second < at,
            Test::At(nanos) => entry.time == nanos,
            Test::Within(at) => second == at,
            Test::From(at) => second >= at,
            Test::Longer(max) => entry.line_len > max,
            Test::Larger(max) => entry.metadata.1 > max,
            Test::More(max) => entry.metadata.0 > max,
            Test::All => true,
        };
        fits && is_named(text, stream)
    }
}

/// True when all labels of a stream stand in the text; Loki adds some of its own, so that the selectors differ.
fn is_named(text: &str, stream: &Stream) -> bool {
    let inner = stream.labels.trim_start_matches('{').trim_end_matches('}');
    text.contains(inner) || inner.split("\", ").all(|label| text.contains(label.trim_end_matches('"')))
}

fn complaints(text: &str) -> Vec<Complaint> {
    let mut found = Vec::new();
    let mut each = |words: &str, reason: Reason, read: &dyn Fn(&str) -> Option<Test>| {
        for (at, _) in text.match_indices(words) {
            found.extend(read(&text[at + words.len()..]).map(|test| Complaint { reason, test }));
        }
    };
    each("ignored, reason: 'entry too far behind", Reason::Behind, &|rest| cutoff(rest).map(Test::Before));
    each("entry with timestamp ", Reason::Behind, &|rest| {
        let is_order = rest.split('\n').next()?.contains("ignored, reason: 'entry ");
        is_order.then(|| go_time(rest)).flatten().map(Test::At)
    });
    each("timestamp too old: ", Reason::TooOld, &|rest| cutoff(rest).map(Test::Before));
    each("timestamp too old: ", Reason::TooOld, &|rest| seconds(rest).map(Test::Within));
    each("timestamp too new: ", Reason::TooNew, &|rest| seconds(rest).map(Test::From));
    each("Max entry size '", Reason::TooLong, &|rest| number(rest).map(Test::Longer));
    each("structured metadata too large: '", Reason::Metadata, &|rest| after(rest, "limit: '").map(Test::Larger));
    each("too many structured metadata labels: '", Reason::Metadata, &|rest| after(rest, "limit: '").map(Test::More));
    for words in [" label names; limit ", "has label name too long: ", "has label value too long: "] {
        each(words, Reason::Labels, &|_| Some(Test::All));
    }
    each("has duplicate label name: ", Reason::Labels, &|_| Some(Test::All));
    found
}

/// The second of `oldest acceptable timestamp is: …` in the same sentence.
fn cutoff(rest: &str) -> Option<u64> {
    const WORDS: &str = "oldest acceptable timestamp is: ";
    let line = rest.split('\n').next()?;
    seconds(&line[line.find(WORDS)? + WORDS.len()..])
}

fn number(text: &str) -> Option<usize> {
    text.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

fn after(text: &str, words: &str) -> Option<usize> {
    number(&text[text.find(words)? + words.len()..])
}

/// The second of `2026-01-31T10:15:00Z`. Other zones are not read: Loki writes UTC, unless it was told otherwise.
fn seconds(text: &str) -> Option<u64> {
    let (second, rest) = date_time(text, 'T')?;
    rest.starts_with('Z').then_some(second)
}

/// The nanosecond of `2026-01-31 10:15:00.123456789 +0000 UTC`, as Go prints a time.
fn go_time(text: &str) -> Option<u64> {
    let (second, rest) = date_time(text, ' ')?;
    let (fraction, rest) = match rest.strip_prefix('.') {
        Some(rest) => rest.split_at(rest.find(' ')?),
        None => ("", rest),
    };
    let nanos: u64 = format!("{fraction:0<9}").parse().ok().filter(|nanos| *nanos < NANOS)?;
    rest.starts_with(" +0000").then_some(second * NANOS + nanos)
}

fn date_time(text: &str, between: char) -> Option<(u64, &str)> {
    let digits = |range: std::ops::Range<usize>| text.get(range)?.parse::<u64>().ok();
    let marks = [(4, '-'), (7, '-'), (10, between), (13, ':'), (16, ':')];
    if !marks.iter().all(|(at, mark)| text.get(*at..=*at) == Some(mark.encode_utf8(&mut [0; 4]))) {
        return None;
    }
    let day = calendar::days(digits(0..4)?, digits(5..7).filter(|m| (1..=12).contains(m))?, digits(8..10)?);
    let second = day * 86_400 + digits(11..13)? * 3_600 + digits(14..16)? * 60 + digits(17..19)?;
    Some((second, text.get(19..)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exporter::loki::push::Push;
    use crate::exporter::loki::tests::{push_of, record};

    /// Lines of two streams at seconds 1 to 5 of 1970-01-02, one a stream and second.
    fn push() -> Push {
        let records = |service: &str| {
            (1..=5).map(|n| record(service, (86_400 + n) * NANOS + n, &"x".repeat(n as usize))).collect::<Vec<_>>()
        };
        push_of(&[records("a"), records("b")].concat())
    }

    fn found(text: &str) -> Vec<u64> {
        let places: Vec<u64> = (0..10).collect();
        let mut found: Vec<u64> =
            refused(text, "host", &push(), &places).into_iter().flat_map(|refusal| refusal.records).collect();
        found.sort_unstable();
        found
    }

    #[test]
    fn the_lines_that_lokis_texts_are_about_are_found() {
        let b = r#"{cluster="c", service_name="b"}"#;
        for (text, wanted) in [
            (format!("entry for stream '{b}' has timestamp too old: 1970-01-02T00:00:02Z, oldest acceptable timestamp is: 1970-01-02T00:00:04Z"), vec![5, 6, 7]),
            (format!("entry for stream '{b}' has timestamp too old: 1970-01-02T00:00:02Z"), vec![6]),
            (format!("2 errors like: entry for stream '{b}' has timestamp too new: 1970-01-02T00:00:04Z"), vec![8, 9]),
            (format!("entry with timestamp 1970-01-02 00:00:03.000000003 +0000 UTC ignored, reason: 'entry out of order',\nuser 'fake', total ignored: 1 out of 5 for stream: {b}"), vec![7]),
            (format!("entry with timestamp 1970-01-02 00:00:01.000000001 +0000 UTC ignored, reason: 'entry too far behind, entry timestamp is: 1970-01-02T00:00:01Z, oldest acceptable timestamp is: 1970-01-02T00:00:03Z',\nuser 'fake', total ignored: 2 out of 5 for stream: {b}"), vec![5, 6]),
            (format!("Max entry size '3' bytes exceeded for stream '{b}' while adding an entry with length '4' bytes"), vec![8, 9]),
            (format!("entry for stream '{b}' has 20 label names; limit 15"), vec![5, 6, 7, 8, 9]),
            (format!("stream '{b}' has too many structured metadata labels: '1', limit: '0'"), vec![5, 6, 7, 8, 9]),
            ("entry with timestamp 1970-01-02 00:00:03.000000003 +0000 UTC ignored, reason: 'Per stream rate limit exceeded'".to_owned(), vec![]),
            ("{cluster=\"c\", service_name=\"z\"} timestamp too new: 1970-01-02T00:00:01Z".to_owned(), vec![]),
            ("<html>timestamp too old: yesterday, Max entry size 'é' bytes".to_owned(), vec![]),
            (String::new(), vec![]),
        ] {
            assert_eq!(found(&text), wanted, "{text}");
        }
    }

    #[test]
    fn a_cause_has_no_word_of_the_answer() {
        let text = "Max entry size '3' bytes exceeded for stream '{service_name=\"a\"}'";
        let refusals = refused(text, "host", &push(), &[3]);
        assert_eq!(refusals.len(), 1);
        assert_eq!(refusals[0].cause, "host answered 400: the line is longer than Loki's `max_line_size`");
    }
}
