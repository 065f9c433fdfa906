//! What Splunk's answers mean for the data: codes 0 to 28, by the table in "Troubleshoot HTTP Event Collector" (Splunk
//! Enterprise 10) and what Splunk Enterprise 10.4 and Splunk Cloud 10.5 were seen to answer.
//!
//! - An answer may name one event as `invalid-event-number`, counted from 0: those before it are indexed, it and those after
//!   it are not. Splunk Cloud names event 0 in a request that is too large for it.
//! - 28 is how Splunk Cloud says 10. 24 and 25 are successes with a warning.
//! - Code 7 (index) names no event that could be trusted, so a request is for one index only.

use crate::exporter::classify::{self, Verdict};
use crate::exporter::outbound::verdict;
use crate::http::client::Answer;
use crate::stdx::json::{self, Reader, Value};

/// How deep an answer may nest before it is no answer of Splunk.
const DEPTH_MAX: usize = 8;

/// What an answer says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Reply {
    /// Splunk's code, when the body is Splunk's.
    pub(super) code: Option<u16>,
    /// The first event that was not taken.
    pub(super) invalid_event: Option<usize>,
    /// What to ask for an acknowledgement with.
    pub(super) ack_id: Option<u64>,
}

/// What it means for the events of the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// All were taken.
    Taken,
    /// Those before this one were taken, this one never will be.
    BadEvent(usize),
    /// The index does not exist, or the token may not write to it.
    BadIndex,
    /// As for every destination.
    Other(Verdict),
}

impl Reply {
    /// Reads the body of an answer; what is not Splunk's says nothing.
    pub(super) fn read(body: &[u8]) -> Self {
        Self::parse(body).unwrap_or_default()
    }

    fn parse(body: &[u8]) -> Result<Self, json::Error> {
        let mut reply = Self::default();
        let mut reader = Reader::new(body)?;
        if reader.value()? != Value::Object {
            return Ok(reply);
        }
        while let Some(key) = reader.next_member()? {
            match key.plain() {
                Some("code") => reply.code = number(&mut reader)?,
                Some("invalid-event-number") => reply.invalid_event = number(&mut reader)?,
                Some("ackId") => reply.ack_id = number(&mut reader)?,
                _ => {
                    reader.skip_value(DEPTH_MAX)?;
                }
            }
        }
        reader.end()?;
        Ok(reply)
    }

    /// What the answer means.
    pub(super) fn meaning(&self, answer: &Answer) -> Meaning {
        let by_status = verdict(answer);
        let Some(code) = self.code else { return Meaning::Other(by_status) };
        match (code, self.invalid_event) {
            (0 | 17 | 24 | 25, _) if by_status == Verdict::Taken => Meaning::Taken,
            (5 | 6 | 12 | 13 | 15, Some(number)) => Meaning::BadEvent(number),
            (5 | 6 | 12 | 13 | 15, None) => Meaning::Other(Verdict::Permanent),
            (7, _) => Meaning::BadIndex,
            (1..=4 | 10 | 11 | 14 | 16 | 21 | 22 | 28, _) => Meaning::Other(Verdict::Pause),
            (8 | 9 | 18..=20 | 23 | 26 | 27, _) => Meaning::Other(match by_status {
                Verdict::Retry(after) => Verdict::Retry(after),
                // The code is right even where something between us and Splunk changed the status.
                _ => Verdict::Retry(None),
            }),
            _ => Meaning::Other(by_status),
        }
    }

    /// The code with its text, for messages. The text is ours: what Splunk writes may repeat the data.
    pub(super) fn described(&self) -> String {
        match self.code {
            Some(code) => format!(" (HEC code {code}, {})", text(code)),
            None => String::new(),
        }
    }
}

/// The acknowledged ids in an answer to a question for acknowledgements.
///
/// # Errors
/// When it is no such answer.
pub(super) fn acknowledged(body: &[u8]) -> Result<Vec<u64>, json::Error> {
    let mut found = Vec::new();
    let mut reader = Reader::new(body)?;
    if reader.value()? != Value::Object {
        return Err(json::Error { at: 0, what: "no object" });
    }
    while let Some(key) = reader.next_member()? {
        if key.plain() != Some("acks") {
            reader.skip_value(DEPTH_MAX)?;
            continue;
        }
        if reader.value()? != Value::Object {
            return Err(json::Error { at: 0, what: "`acks` is no object" });
        }
        while let Some(id) = reader.next_member()? {
            let id = id.plain().and_then(|id| id.parse().ok());
            if let (Some(id), Value::Bool(true)) = (id, scalar(&mut reader)?) {
                found.push(id);
            }
        }
    }
    Ok(found)
}

fn number<N: std::str::FromStr>(reader: &mut Reader<'_>) -> Result<Option<N>, json::Error> {
    Ok(match scalar(reader)? {
        Value::Number(digits) => digits.parse().ok(),
        Value::Str(text) => text.plain().and_then(|digits| digits.parse().ok()),
        _ => None,
    })
}

/// A value that should be a scalar.
fn scalar<'a>(reader: &mut Reader<'a>) -> Result<Value<'a>, json::Error> {
    let mark = reader.clone();
    let value = reader.value()?;
    if matches!(value, Value::Object | Value::Array) {
        *reader = mark;
        reader.skip_value(DEPTH_MAX)?;
    }
    Ok(value)
}

const fn text(code: u16) -> &'static str {
    match code {
        0 => "success",
        1 | 22 => "token disabled",
        2 => "token is required",
        3 => "invalid authorization",
        4 | 21 => "invalid token",
        5 => "no data",
        6 => "invalid data format",
        7 => "incorrect index",
        8 => "internal server error",
        9 => "server is busy",
        10 | 28 => "data channel is missing",
        11 => "invalid data channel",
        12 => "event field is required",
        13 => "event field cannot be blank",
        14 => "acknowledgement is disabled",
        15 => "error in handling indexed fields",
        16 => "query string authorization is not enabled",
        17 => "healthy",
        18 => "unhealthy, queues are full",
        19 => "unhealthy, acknowledgement service unavailable",
        20 => "unhealthy, queues are full, acknowledgement service unavailable",
        23 => "server is shutting down",
        24 => "queue is approaching its limit",
        25 => "acknowledgement channel is approaching its limit",
        26 => "queue is full",
        27 => "acknowledgement channel is full",
        _ => "unknown",
    }
}

/// What the answer to a health check means: an address without such a page is no reason not to send.
pub(super) fn health(answer: &Answer) -> Verdict {
    if matches!(answer.status, 404 | 405) {
        return Verdict::Taken;
    }
    match Reply::read(&answer.body).meaning(answer) {
        Meaning::Taken => Verdict::Taken,
        Meaning::Other(verdict) => verdict,
        Meaning::BadEvent(_) | Meaning::BadIndex => classify::http(answer.status, None),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::HeaderMap;

    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        let body = Bytes::copy_from_slice(body.as_bytes());
        Answer { status, headers: HeaderMap::new(), trailers: HeaderMap::new(), body }
    }

    fn meaning(status: u16, body: &str) -> Meaning {
        Reply::read(body.as_bytes()).meaning(&answer(status, body))
    }

    #[test]
    fn every_code_of_the_table_has_its_meaning() {
        const STATUSES: [u16; 29] = [
            200, 403, 401, 401, 403, 400, 400, 400, 500, 503, 400, 400, 400, 400, 400, 400, 400, 200, 503, 503, 503,
            400, 400, 503, 200, 200, 429, 429, 400,
        ];
        for (code, status) in STATUSES.into_iter().enumerate() {
            let wanted = match code {
                0 | 17 | 24 | 25 => Meaning::Taken,
                5 | 6 | 12 | 13 | 15 => Meaning::Other(Verdict::Permanent),
                7 => Meaning::BadIndex,
                8 | 9 | 18 | 19 | 20 | 23 | 26 | 27 => Meaning::Other(Verdict::Retry(None)),
                _ => Meaning::Other(Verdict::Pause),
            };
            let body = format!(r#"{{"text":"words","code":{code}}}"#);
            assert_eq!(meaning(status, &body), wanted, "{code}");
            assert_ne!(text(u16::try_from(code).unwrap()), "unknown");
        }
        assert_eq!(meaning(404, r#"{"text":"x","code":404}"#), Meaning::Other(Verdict::Pause));
        assert_eq!(meaning(400, "<html>"), Meaning::Other(Verdict::Permanent));
        assert_eq!(meaning(200, r#"{"text":"x","code":9}"#), Meaning::Other(Verdict::Retry(None)));
        assert_eq!(meaning(400, r#"{"text":"x","code":6,"invalid-event-number":3}"#), Meaning::BadEvent(3));
    }

    #[test]
    fn numbers_are_read_and_garbage_says_nothing() {
        let reply = Reply::read(br#"{"text":"Success","code":0,"ackId":18446744073709551615,"more":{"a":[1]}}"#);
        assert_eq!(reply, Reply { code: Some(0), invalid_event: None, ack_id: Some(u64::MAX) });
        for garbage in ["", "[]", "{", "null", r#"{"code":{}}"#, r#"{"code":-1,"ackId":1.5}"#, "\u{0}"] {
            assert_eq!(Reply::read(garbage.as_bytes()), Reply::default(), "{garbage}");
        }
    }

    #[test]
    fn only_what_is_true_is_acknowledged() {
        let body = br#"{"acks":{"0":true,"1":false,"2":"true","x":true,"7":true,"8":{"a":true}},"more":1}"#;
        assert_eq!(acknowledged(body).unwrap(), [0, 7]);
        for garbage in ["", "[]", "<html>", r#"{"acks":[true]}"#, r#"{"acks":{"0":true"#] {
            assert!(acknowledged(garbage.as_bytes()).is_err(), "{garbage}");
        }
        assert!(acknowledged(b"{}").unwrap().is_empty());
    }

    #[test]
    fn health_is_what_splunk_says_or_nothing() {
        assert_eq!(health(&answer(200, r#"{"text":"HEC is healthy","code":17}"#)), Verdict::Taken);
        assert_eq!(health(&answer(503, r#"{"text":"x","code":18}"#)), Verdict::Retry(None));
        assert_eq!(health(&answer(400, r#"{"text":"Invalid token","code":21}"#)), Verdict::Pause);
        assert_eq!(health(&answer(404, "")), Verdict::Taken);
    }
}
