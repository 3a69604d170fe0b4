//! Times as programs write them: RFC 3339 with what Python, JavaScript, Go and Java add or leave out.

use jiff::{
    civil::DateTime,
    fmt::temporal::{Pieces, PiecesOffset},
    tz::Offset,
};

/// How many years the calendar takes to repeat itself.
const CALENDAR_YEARS: i64 = 400;
const MAX_YEAR: i64 = 9_999;
const DAY_SECONDS: i32 = 86_400;
/// The end of that year.
pub(super) const LATEST_MS: u64 = 253_402_300_799_999;

/// Parses a time into milliseconds of the Unix epoch; one without a zone is UTC. A time before the epoch is 0, one
/// after [`MAX_YEAR`] is the end of that year.
pub(super) fn read(text: &str) -> Option<u64> {
    let text = with_sign(text);
    let (year, text) = with_small_year(&text)?;
    let pieces = Pieces::parse(&text).ok()?;
    let offset = match pieces.offset() {
        // RFC 3339 has hours up to 23; the parser takes 25.
        Some(PiecesOffset::Numeric(offset)) if offset.offset().seconds().abs() >= DAY_SECONDS => {
            return None;
        }
        Some(PiecesOffset::Numeric(offset)) => offset.offset(),
        // The name of a zone would need a database of zones.
        None if pieces.time_zone_annotation().is_some() => return None,
        _ => Offset::UTC,
    };
    let time = DateTime::from_parts(pieces.date(), pieces.time().unwrap_or_default());
    if year < 0 {
        return Some(0);
    }
    if year > MAX_YEAR {
        return Some(LATEST_MS);
    }
    // The last day of that year has no timestamp, which leaves room for zones.
    let ms = offset
        .to_timestamp(time)
        .map(jiff::Timestamp::as_millisecond);
    Some(ms.map_or(LATEST_MS, |ms| u64::try_from(ms).unwrap_or(0)))
}

/// In a query `+` is a space: a zone whose `+` was not encoded arrives as ` 01:00`. A space between date and
/// time comes before it.
fn with_sign(text: &str) -> String {
    let has_time = |before: &str| before.contains(['T', 't', ' ']);
    match text.rsplit_once(' ') {
        Some((before, zone))
            if has_time(before) && zone.starts_with(|c: char| c.is_ascii_digit()) =>
        {
            format!("{before}+{zone}")
        }
        _ => text.to_owned(),
    }
}

/// The year, and the text with a year of four digits: JavaScript and Java write years with a sign or more
/// digits, which the parser does not accept. Leap years stay leap years.
fn with_small_year(text: &str) -> Option<(i64, String)> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let digits = unsigned.bytes().take_while(u8::is_ascii_digit).count();
    let is_long = unsigned[digits..].starts_with('-') && (4..=9).contains(&digits);
    if !is_long || (digits == 4 && unsigned.len() == text.len()) {
        return Some((0, text.to_owned()));
    }
    let (year, rest) = unsigned.split_at(digits);
    let year: i64 = year.parse().ok()?;
    let year = if text.starts_with('-') { -year } else { year };
    let small = if (0..=MAX_YEAR).contains(&year) {
        year
    } else {
        year.rem_euclid(CALENDAR_YEARS)
    };
    Some((year, format!("{small:04}{rest}")))
}
