// SPDX-License-Identifier: AGPL-3.0-or-later
//! `date` and `date-time` (RFC 9051 §9), as days and as milliseconds.

use hearth_types::Timestamp;

use super::cursor::{Bad, Cursor, Parsed};

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const SECONDS_PER_DAY: i64 = 86_400;

/// A calendar day, counted from 1970-01-01, without a time zone (RFC 9051 §6.4.4: "disregarding time and timezone").
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(pub i32);

impl Day {
    /// The day of a calendar date; `None` when there is no such date.
    pub fn new(year: i32, month: u32, day: u32) -> Option<Self> {
        let found = Self(days_from_civil(year, month, day));
        (found.civil() == (year, month, day)).then_some(found)
    }

    /// The first moment of the day in UTC.
    pub fn start(self) -> Timestamp {
        Timestamp::from_secs(i64::from(self.0) * SECONDS_PER_DAY)
    }

    /// The day in which a moment lies, in UTC.
    pub fn of(time: Timestamp) -> Self {
        Self(i32::try_from(time.secs().div_euclid(SECONDS_PER_DAY)).unwrap_or(i32::MAX))
    }

    /// Year, month and day of the month.
    pub fn civil(self) -> (i32, u32, u32) {
        civil_from_days(self.0)
    }
}

/// Howard Hinnant's `days_from_civil` (public domain, chrono-compatible date algorithms).
fn days_from_civil(year: i32, month: u32, day: u32) -> i32 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let shifted_month = (i32::try_from(month).unwrap_or(1) + 9) % 12;
    let day_of_year = (153 * shifted_month + 2) / 5 + i32::try_from(day).unwrap_or(1) - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

fn civil_from_days(days: i32) -> (i32, u32, u32) {
    let shifted = i64::from(days) + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (i32::try_from(year).unwrap_or(i32::MAX), u32::try_from(month).unwrap_or(1), u32::try_from(day).unwrap_or(1))
}

/// date = date-text / DQUOTE date-text DQUOTE
pub fn parse_date(cursor: &mut Cursor<'_>) -> Parsed<Day> {
    let quoted = cursor.eat(b'"');
    let day = cursor.number()?;
    let day = date_after_day(cursor, day)?;
    if quoted {
        cursor.expect(b'"', "a date does not end")?;
    }
    Ok(day)
}

fn date_after_day(cursor: &mut Cursor<'_>, day: u32) -> Parsed<Day> {
    cursor.expect(b'-', "a date is written 1-Feb-1994")?;
    let name = cursor.take_while(|byte| byte.is_ascii_alphabetic(), "a month is missing")?;
    let month = MONTHS.iter().position(|month| month.as_bytes().eq_ignore_ascii_case(name)).ok_or(Bad("there is no such month"))?;
    cursor.expect(b'-', "a date is written 1-Feb-1994")?;
    let year = digits(cursor, 4)?;
    let month = u32::try_from(month).unwrap_or(0) + 1;
    Day::new(i32::try_from(year).unwrap_or(0), month, day).ok_or(Bad("there is no such date"))
}

fn digits(cursor: &mut Cursor<'_>, count: usize) -> Parsed<u32> {
    let before = cursor.rest().len();
    let number = cursor.number()?;
    if before - cursor.rest().len() == count { Ok(number) } else { Err(Bad("a date or time has too few or too many digits")) }
}

/// date-time = DQUOTE date-day-fixed "-" date-month "-" date-year SP time SP zone DQUOTE
pub fn parse_date_time(cursor: &mut Cursor<'_>) -> Parsed<Timestamp> {
    cursor.expect(b'"', "a date and time is quoted")?;
    cursor.eat(b' ');
    let day = cursor.number()?;
    let date = date_after_day(cursor, day)?;
    cursor.space()?;
    let hour = digits(cursor, 2)?;
    cursor.expect(b':', "a time is written 21:52:25")?;
    let minute = digits(cursor, 2)?;
    cursor.expect(b':', "a time is written 21:52:25")?;
    let second = digits(cursor, 2)?;
    cursor.space()?;
    let east = match (cursor.eat(b'+'), cursor.eat(b'-')) {
        (true, false) => 1,
        (false, true) => -1,
        _ => return Err(Bad("a time zone is written +0100")),
    };
    let zone = digits(cursor, 4)?;
    cursor.expect(b'"', "a date and time does not end")?;
    // RFC 9051 §9 with RFC 3339: a leap second is the 60th.
    if hour > 23 || minute > 59 || second > 60 || zone % 100 > 59 || zone > 2359 {
        return Err(Bad("there is no such time"));
    }
    let zone_seconds = i64::from(zone / 100 * 60 + zone % 100) * 60 * east;
    let seconds = date.start().secs() + i64::from((hour * 60 + minute) * 60 + second) - zone_seconds;
    Ok(Timestamp::from_secs(seconds))
}

/// The text of a date-time, as a client reads it in INTERNALDATE: `17-Jul-1996 02:44:25 -0700`.
pub fn parse_internal_date(text: &str) -> Option<Timestamp> {
    let quoted = format!("\"{text}\"");
    let mut cursor = Cursor::new(quoted.as_bytes());
    let time = parse_date_time(&mut cursor).ok()?;
    cursor.is_at_end().then_some(time)
}

/// date-text
pub fn encode_date(out: &mut Vec<u8>, date: Day) {
    let (year, month, day) = date.civil();
    out.extend_from_slice(format!("{day}-{}-{year:04}", month_name(month)).as_bytes());
}

/// date-time, quoted, in UTC.
pub fn encode_date_time(out: &mut Vec<u8>, time: Timestamp) {
    let (year, month, day) = Day::of(time).civil();
    let second = time.secs().rem_euclid(SECONDS_PER_DAY);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    let text = format!("\"{day:2}-{}-{year:04} {hour:02}:{minute:02}:{second:02} +0000\"", month_name(month));
    out.extend_from_slice(text.as_bytes());
}

fn month_name(month: u32) -> &'static str {
    month.checked_sub(1).and_then(|at| MONTHS.get(at as usize)).copied().unwrap_or("Jan")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days() {
        for (text, day) in
            [("1-Jan-1970", 0), ("\"17-Jul-1996\"", 9694), ("29-Feb-2000", 11016), ("31-dec-1969", -1), ("01-Mar-2024", 19783)]
        {
            assert_eq!(parse_date(&mut Cursor::new(text.as_bytes())), Ok(Day(day)), "{text}");
        }
        for text in ["29-Feb-2001", "0-Jan-2000", "1-Foo-2000", "1-Jan-20", "32-Jan-2000", "1 Jan 2000"] {
            assert!(parse_date(&mut Cursor::new(text.as_bytes())).is_err(), "{text}");
        }
        for day in -200_000..200_000 {
            let (year, month, of_month) = Day(day).civil();
            assert_eq!(Day::new(year, month, of_month), Some(Day(day)));
        }
    }

    #[test]
    fn moments() {
        let parse = |text: &str| parse_date_time(&mut Cursor::new(text.as_bytes()));
        assert_eq!(parse("\"17-Jul-1996 02:44:25 -0700\""), Ok(Timestamp::from_secs(837_596_665)));
        assert_eq!(parse("\" 1-Jan-1970 01:00:00 +0100\""), Ok(Timestamp::from_secs(0)));
        for text in ["\"17-Jul-1996 24:00:00 +0000\"", "\"17-Jul-1996 2:44:25 +0000\"", "\"17-Jul-1996 02:44:25\"", "\"x\""] {
            assert!(parse(text).is_err(), "{text}");
        }
        for secs in [0, 837_596_665, 1_700_000_000, -5] {
            let mut text = Vec::new();
            encode_date_time(&mut text, Timestamp::from_secs(secs));
            assert_eq!(parse_date_time(&mut Cursor::new(&text)), Ok(Timestamp::from_secs(secs)));
        }
    }
}
