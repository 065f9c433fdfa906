//! Dates of the Gregorian calendar in UTC, for file names and HTTP headers. No time zones, no leap seconds.

/// Days since 1970-01-01 of a date from 1970 on (Hinnant's `days_from_civil`).
#[must_use]
pub fn days(year: u64, month: u64, day: u64) -> u64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year / 400, year % 400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day.saturating_sub(1);
    (era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year).saturating_sub(719_468)
}

/// Year, month and day of a day since 1970-01-01 (Hinnant's `civil_from_days`).
#[must_use]
pub fn date(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + u64::from(month <= 2), month, day)
}

/// A moment as `20260131T101500.123Z`: sorts by time, fits into a file name.
#[must_use]
pub fn compact(unix_millis: u64) -> String {
    let (seconds, millis) = (unix_millis / 1_000, unix_millis % 1_000);
    let (year, month, day) = date(seconds / 86_400);
    let (hour, minute, second) = (seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}.{millis:03}Z")
}

/// A moment as RFC 3339 has it, with as many digits as syslog takes: `2026-01-31T10:15:00.123456Z`.
#[must_use]
pub fn rfc3339_micros(unix_nanos: u64) -> String {
    let (seconds, micros) = (unix_nanos / 1_000_000_000, unix_nanos / 1_000 % 1_000_000);
    let (year, month, day) = date(seconds / 86_400);
    let (hour, minute, second) = (seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micros:06}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_of_a_thousand_years_comes_back() {
        let mut before = (1969, 12, 31);
        for day in 0..366_000 {
            let (year, month, of_month) = date(day);
            assert!((year, month, of_month) > before);
            assert_eq!(days(year, month, of_month), day);
            before = (year, month, of_month);
        }
    }

    #[test]
    fn moments_are_written_as_in_iso_8601() {
        for (millis, text) in [
            (0, "19700101T000000.000Z"),
            (951_782_399_999, "20000228T235959.999Z"),
            (951_782_400_000, "20000229T000000.000Z"),
            (1_769_854_500_123, "20260131T101500.123Z"),
        ] {
            assert_eq!(compact(millis), text);
        }
    }

    #[test]
    fn moments_of_syslog_have_microseconds() {
        for (nanos, text) in [
            (0, "1970-01-01T00:00:00.000000Z"),
            (1_769_854_500_123_456_789, "2026-01-31T10:15:00.123456Z"),
            (u64::MAX, "2554-07-21T23:34:33.709551Z"),
        ] {
            assert_eq!(rfc3339_micros(nanos), text);
        }
    }
}
