//! What an answer means for the data: taken, try again, never, or wait for a human.
//!
//! One table for all exporters, pure. The rule behind it: data is put aside only when the answer is about this very
//! data. A server that is broken (every 5xx, also 500 and gRPC `INTERNAL`, which the Collector gives up on) is asked
//! again; a wrong address, credential or encoding pauses the exporter, because the next payload would fare no better.

use std::time::Duration;

use crate::exporter::ExportError;
use crate::http::client::Failure;
use crate::otlp::wire::{Cursor, WireValue};
use crate::stdx::{calendar, clock};

/// The longest wait a server can ask for: a mistaken date must not stop an exporter for a year.
pub const WAIT_MAX: Duration = Duration::from_secs(3600);

/// What is to be done with the payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It was taken.
    Taken,
    /// Later may work; the server may have said when.
    Retry(Option<Duration>),
    /// Not this payload, ever.
    Permanent,
    /// Nothing wrong with the payload: an address, a credential or a setting is.
    Pause,
}

impl Verdict {
    /// The error of this verdict, or `Ok`.
    ///
    /// # Errors
    /// Unless the payload was taken.
    pub fn result(self, cause: impl FnOnce() -> String) -> Result<(), ExportError> {
        match self {
            Self::Taken => Ok(()),
            Self::Retry(after) => Err(ExportError::Retry { after, cause: cause() }),
            Self::Permanent => Err(ExportError::Permanent { cause: cause() }),
            Self::Pause => Err(ExportError::Pause { cause: cause() }),
        }
    }
}

impl From<Failure> for ExportError {
    fn from(failure: Failure) -> Self {
        Self::Retry { after: None, cause: failure.to_string() }
    }
}

/// An HTTP answer, by its status and its `Retry-After` header.
#[must_use]
pub fn http(status: u16, retry_after: Option<&str>) -> Verdict {
    match status {
        200..300 => Verdict::Taken,
        408 | 425 | 429 | 500.. => {
            Verdict::Retry(retry_after.and_then(|text| wait(text, clock::unix_nanos() / 1_000_000_000)))
        }
        // Redirects (never followed), credentials, addresses, methods, media types, headers: no payload would fare better.
        0..=399 | 401..=407 | 410 | 411 | 414 | 415 | 421 | 426 | 431 => Verdict::Pause,
        _ => Verdict::Permanent,
    }
}

/// A gRPC answer, by its code, its message and the `RetryInfo` in its details.
///
/// `RESOURCE_EXHAUSTED` without `RetryInfo` means "give up" in the OTLP specification; we never drop for want of a
/// hint, so it is asked again. The exception are servers that say with it that the message is too large for them.
#[must_use]
pub fn grpc(code: i32, message: &str, retry_after: Option<Duration>) -> Verdict {
    match code {
        0 => Verdict::Taken,
        8 | 11 if retry_after.is_none() && is_too_large(message) => Verdict::Permanent,
        3 | 6 | 9 => Verdict::Permanent,
        5 | 7 | 12 | 16 => Verdict::Pause,
        _ => Verdict::Retry(retry_after),
    }
}

/// The words of grpc-go and C-core, grpc-java, and tonic.
fn is_too_large(message: &str) -> bool {
    ["larger than max", "exceeds maximum size", "length too large"].iter().any(|words| message.contains(words))
}

/// The name of a gRPC code.
#[must_use]
pub fn grpc_name(code: i32) -> &'static str {
    const NAMES: [&str; 17] = [
        "OK",
        "CANCELLED",
        "UNKNOWN",
        "INVALID_ARGUMENT",
        "DEADLINE_EXCEEDED",
        "NOT_FOUND",
        "ALREADY_EXISTS",
        "PERMISSION_DENIED",
        "RESOURCE_EXHAUSTED",
        "FAILED_PRECONDITION",
        "ABORTED",
        "OUT_OF_RANGE",
        "UNIMPLEMENTED",
        "INTERNAL",
        "UNAVAILABLE",
        "DATA_LOSS",
        "UNAUTHENTICATED",
    ];
    usize::try_from(code).ok().and_then(|code| NAMES.get(code)).copied().unwrap_or("a code that gRPC does not have")
}

/// The delay in the `google.rpc.RetryInfo` of a `google.rpc.Status`.
#[must_use]
pub fn retry_info(status: &[u8]) -> Option<Duration> {
    let mut details = Cursor::new(status);
    while let Some(field) = details.next_field().ok()? {
        let (3, WireValue::Bytes(any)) = (field.number, field.value) else { continue };
        if bytes_of(any, 1).is_some_and(|url| url.ends_with(b"/google.rpc.RetryInfo")) {
            let delay = bytes_of(any, 2).and_then(|info| bytes_of(info, 1)).unwrap_or_default();
            let nanos = u32::try_from(varint_of(delay, 2)).ok()?;
            return Some(
                Duration::new(varint_of(delay, 1), 0).saturating_add(Duration::from_nanos(nanos.into())).min(WAIT_MAX),
            );
        }
    }
    None
}

fn bytes_of(message: &[u8], number: u32) -> Option<&[u8]> {
    let mut cursor = Cursor::new(message);
    while let Some(field) = cursor.next_field().ok()? {
        if let (true, WireValue::Bytes(bytes)) = (field.number == number, field.value) {
            return Some(bytes);
        }
    }
    None
}

fn varint_of(message: &[u8], number: u32) -> u64 {
    let mut cursor = Cursor::new(message);
    while let Ok(Some(field)) = cursor.next_field() {
        if let (true, WireValue::Varint(value)) = (field.number == number, field.value) {
            return value;
        }
    }
    0
}

/// `Retry-After`: seconds, or a date.
fn wait(text: &str, now_seconds: u64) -> Option<Duration> {
    let text = text.trim();
    let seconds = match text.parse::<u64>() {
        Ok(seconds) => seconds,
        Err(_) => unix_seconds(text)?.saturating_sub(now_seconds),
    };
    Some(Duration::from_secs(seconds).min(WAIT_MAX))
}

/// A date in the form every server sends: `Sun, 06 Nov 1994 08:49:37 GMT`.
fn unix_seconds(date: &str) -> Option<u64> {
    const MONTHS: &str = "JanFebMarAprMayJunJulAugSepOctNovDec";
    let mut words = date.split_once(", ")?.1.split(' ');
    let day: u64 = words.next()?.parse().ok()?;
    let month = MONTHS.find(words.next().filter(|word| word.len() == 3)?).filter(|at| at % 3 == 0)? as u64 / 3 + 1;
    let year: u64 = words.next()?.parse().ok().filter(|year| (1970..10_000).contains(year))?;
    let mut clock = words.next()?.split(':').map(|part| part.parse::<u64>().ok().filter(|part| *part < 61));
    let (hour, minute, second) = (clock.next()??, clock.next()??, clock.next()??);
    (words.next()? == "GMT").then(|| calendar::days(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::otlp::wire::{put_bytes, put_tag, put_varint};

    #[test]
    fn only_answers_about_the_data_put_it_aside() {
        for status in [200, 201, 202, 204] {
            assert_eq!(http(status, None), Verdict::Taken, "{status}");
        }
        for status in [408, 429, 500, 501, 502, 503, 504, 507, 520, 599] {
            assert_eq!(http(status, None), Verdict::Retry(None), "{status}");
        }
        for status in [400, 413, 422, 418] {
            assert_eq!(http(status, None), Verdict::Permanent, "{status}");
        }
        for status in [101, 301, 302, 307, 308, 401, 402, 403, 404, 405, 407, 410, 415] {
            assert_eq!(http(status, None), Verdict::Pause, "{status}");
        }
    }

    #[test]
    fn grpc_codes_fall_into_the_same_classes() {
        let retry = Some(Duration::from_secs(7));
        for code in [1, 2, 4, 8, 10, 11, 13, 14, 15, 99, -1] {
            assert_eq!(grpc(code, "", retry), Verdict::Retry(retry), "{code}");
            assert_eq!(grpc(code, "", None), Verdict::Retry(None), "{code}");
        }
        for code in [3, 6, 9] {
            assert_eq!(grpc(code, "", retry), Verdict::Permanent, "{code}");
        }
        for code in [5, 7, 12, 16] {
            assert_eq!(grpc(code, "", None), Verdict::Pause, "{code}");
        }
        assert_eq!(grpc(0, "", None), Verdict::Taken);
    }

    #[test]
    fn a_message_too_large_for_the_server_is_bisected_instead_of_sent_forever() {
        for (code, message) in [
            (8, "grpc: received message larger than max (5000000 vs. 4194304)"),
            (8, "gRPC message exceeds maximum size 4194304: 5000000"),
            (11, "Error, decoded message length too large: found 5000000 bytes, the limit is: 4194304 bytes"),
        ] {
            assert_eq!(grpc(code, message, None), Verdict::Permanent, "{message}");
        }
        assert_eq!(grpc(14, "larger than max", None), Verdict::Retry(None));
    }

    #[test]
    fn retry_after_is_seconds_or_a_date_and_never_more_than_an_hour() {
        let now = 784_111_777; // Sun, 06 Nov 1994 08:49:37 GMT, the example of RFC 9110
        for (text, seconds) in [
            ("7", Some(7)),
            (" 0 ", Some(0)),
            ("999999999", Some(3600)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(0)),
            ("Sun, 06 Nov 1994 08:50:07 GMT", Some(30)),
            ("Thu, 01 Jan 1970 00:00:00 GMT", Some(0)),
            ("Fri, 31 Dec 9999 23:59:59 GMT", Some(3600)),
            ("Sun, 06 anF 1994 08:49:37 GMT", None),
            ("Sun, 06 Nov 1994", None),
            ("-1", None),
            ("soon", None),
            ("", None),
        ] {
            assert_eq!(wait(text, now), seconds.map(Duration::from_secs), "{text}");
        }
        assert_eq!(unix_seconds("Sun, 06 Nov 1994 08:49:37 GMT"), Some(now));
        assert_eq!(unix_seconds("Tue, 29 Feb 2000 00:00:00 GMT"), Some(951_782_400));
    }

    #[test]
    fn retry_info_is_found_among_the_details() {
        let mut delay = vec![];
        put_tag(&mut delay, 1, 0);
        put_varint(&mut delay, 7);
        put_tag(&mut delay, 2, 0);
        put_varint(&mut delay, 500_000_000);
        let mut info = vec![];
        put_bytes(&mut info, 1, &delay);
        let mut status = vec![8, 8];
        for (kind, value) in [("Help", b"".as_slice()), ("RetryInfo", &info)] {
            let mut any = vec![];
            put_bytes(&mut any, 1, format!("type.googleapis.com/google.rpc.{kind}").as_bytes());
            put_bytes(&mut any, 2, value);
            put_bytes(&mut status, 3, &any);
        }
        assert_eq!(retry_info(&status), Some(Duration::from_millis(7500)));
        for end in 0..status.len() {
            assert_eq!(retry_info(&status[..end]), None);
        }
        assert_eq!(retry_info(&[8, 8]), None);
    }
}
