//! Moments as people write them, to nanoseconds since 1970 and back.

use crate::stdx::calendar;

const SECOND: u64 = 1_000_000_000;

/// Reads `2026-11-22`, `2026-11-22T10:15:00Z`, with a fraction of a second and an offset such as `+01:00`.
pub(super) fn parse(text: &str) -> Option<u64> {
    let (date, time) = match text.split_once(['T', 't', ' ']) {
        Some((date, time)) => (date, Some(time)),
        None => (text, None),
    };
    let days = day(date)?;
    let (within, offset) = time.map_or(Some((0, 0)), time_of_day)?;
    let seconds = (days * 86_400).checked_add_signed(-offset)?;
    seconds.checked_mul(SECOND)?.checked_add(within)
}

fn day(text: &str) -> Option<u64> {
    let mut parts = text.split('-');
    let (year, month, day) = (number(parts.next()?, 4)?, number(parts.next()?, 2)?, number(parts.next()?, 2)?);
    let days = calendar::days(year, month, day);
    (year >= 1970 && parts.next().is_none() && calendar::date(days) == (year, month, day)).then_some(days)
}

/// Nanoseconds since midnight, and the offset from UTC in seconds.
fn time_of_day(text: &str) -> Option<(u64, i64)> {
    let zone = text.find(['Z', 'z', '+', '-'])?;
    let (time, zone) = text.split_at(zone);
    let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let mut parts = time.split(':');
    let (hour, minute) = (number(parts.next()?, 2)?, number(parts.next()?, 2)?);
    let second = parts.next().map_or(Some(0), |second| number(second, 2))?;
    let digits = fraction.len();
    let nanos = number(fraction, digits)?.checked_mul(10_u64.checked_pow(9_u32.checked_sub(digits as u32)?)?)?;
    let fits = parts.next().is_none() && hour < 24 && minute < 60 && second < 61;
    fits.then_some(())?;
    Some(((hour * 3600 + minute * 60 + second) * SECOND + nanos, offset(zone)?))
}

fn offset(zone: &str) -> Option<i64> {
    if zone.eq_ignore_ascii_case("z") {
        return Some(0);
    }
    let (hours, minutes) = zone[1..].split_once(':')?;
    let (hours, minutes) = (number(hours, 2)?, number(minutes, 2)?);
    let seconds = i64::try_from(hours * 3600 + minutes * 60).ok().filter(|_| hours < 24 && minutes < 60)?;
    Some(if zone.starts_with('-') { -seconds } else { seconds })
}

fn number(text: &str, digits: usize) -> Option<u64> {
    let fits = text.len() == digits && !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    fits.then(|| text.parse().ok()).flatten()
}

/// Writes `2026-11-22T10:15:00.123456789Z`: always nine digits, so that text sorts as time does.
pub(super) fn text(unix_nanos: u64) -> String {
    let (seconds, nanos) = (unix_nanos / SECOND, unix_nanos % SECOND);
    let (year, month, day) = calendar::date(seconds / 86_400);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{nanos:09}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_come_back_in_every_spelling() {
        let moment = 1_795_342_500_u64 * SECOND;
        assert_eq!(text(moment), "2026-11-22T10:15:00.000000000Z");
        for written in
            ["2026-11-22T10:15:00Z", "2026-11-22 10:15Z", "2026-11-22T11:15:00+01:00", "2026-11-22t05:45:00.0-04:30"]
        {
            assert_eq!(parse(written), Some(moment), "{written}");
        }
        assert_eq!(parse("2026-11-22").map(text).as_deref(), Some("2026-11-22T00:00:00.000000000Z"));
        assert_eq!(parse("2026-11-22T00:00:00.5Z").map(|at| at % SECOND), Some(SECOND / 2));
    }

    #[test]
    fn what_is_no_moment_is_refused() {
        for wrong in [
            "",
            "now",
            "2026-13-01",
            "2026-02-30",
            "1969-12-31",
            "2026-1-1",
            "2026-11-22T10:15:00",
            "2026-11-22T25:00:00Z",
            "2026-11-22T10:15:00.Z",
            "2026-11-22T10:15:00+1",
            "2026-11-22T10:15:00.0000000000Z",
            "20261122",
            "2026-11-22T10:15:00\u{e9}",
            "9999999999-01-01",
        ] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
