//! The time of a line.

use std::{
    fmt,
    time::{SystemTime, UNIX_EPOCH},
};

/// `2026-11-22T00:43:57.120Z` (RFC 3339). A clock that is before 1970 shows its beginning.
pub(super) struct Utc(pub(super) SystemTime);

impl fmt::Display for Utc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let since = self.0.duration_since(UNIX_EPOCH).unwrap_or_default();
        let (days, second) = (since.as_secs() / DAY, since.as_secs() % DAY);
        let (year, month, day) = date(days);
        let (hour, minute) = (second / 3600, second / 60 % 60);
        write!(f, "{year}-{month:02}-{day:02}T{hour:02}:{minute:02}:{:02}", second % 60)?;
        write!(f, ".{:03}Z", since.subsec_millis())
    }
}

/// The year, the month and the day of it, so many days after the first one of 1970.
fn date(mut days: u64) -> (u64, usize, u64) {
    let is_leap =
        |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let mut year = 1970;
    while days >= 365 + u64::from(is_leap(year)) {
        days -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    let mut month = 0;
    let of_month = |month: usize| MONTHS[month] + u64::from(month == 1 && is_leap(year));
    while days >= of_month(month) {
        days -= of_month(month);
        month += 1;
    }
    (year, month + 1, days + 1)
}

/// In seconds.
const DAY: u64 = 24 * 60 * 60;

/// How many days each has where the year is no leap year.
const MONTHS: [u64; 12] = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_time_is_written_as_rfc_3339_has_it() {
        // `date -u -d @.. +%FT%TZ`
        for (seconds, expected) in [
            (0, "1970-01-01T00:00:00.007Z"),
            (951_782_399, "2000-02-28T23:59:59.007Z"),
            (951_782_400, "2000-02-29T00:00:00.007Z"),
            (1_709_251_199, "2024-02-29T23:59:59.007Z"),
            (1_709_251_200, "2024-03-01T00:00:00.007Z"),
            (1_798_761_599, "2026-12-31T23:59:59.007Z"),
            (4_107_542_400, "2100-03-01T00:00:00.007Z"),
        ] {
            let time = UNIX_EPOCH + Duration::from_secs(seconds) + Duration::from_millis(7);
            assert_eq!(Utc(time).to_string(), expected);
        }
    }
}
