//! Reading dates: by a format, or freely (ISO 8601 and the common written forms).
use super::format::{Format, MONTHS, Piece};
use super::{IsoParts, Parts, TimeOfDay, Zone, days_from_civil};
use crate::memory::error::{Code, EngineError};

fn failure(text: &str, why: &str) -> EngineError {
    EngineError::new(
        Code::ConversionFailure,
        format!("Error parsing date string '{text}'; {why}"),
    )
}

/// What has been read so far.
#[derive(Default)]
struct Read {
    year: Option<i64>,
    month: Option<i64>,
    day: Option<i64>,
    day_of_year: Option<i64>,
    iso_year: Option<i64>,
    iso_week: Option<i64>,
    iso_day: Option<i64>,
    time: Option<TimeOfDay>,
    zone: Option<Zone>,
}

impl Read {
    fn time(&mut self) -> &mut TimeOfDay {
        self.time.get_or_insert_default()
    }

    fn finish(self, text: &str, zone: Option<&Zone>) -> Result<i64, EngineError> {
        let zone = match (&self.zone, zone) {
            (Some(_), Some(given)) if !given.is_utc() => {
                return Err(failure(
                    text,
                    "you cannot pass in a date/time string with time zone information together with a timezone argument",
                ));
            }
            (Some(own), _) => own,
            (None, given) => given.unwrap_or(&Zone::Utc),
        };
        let time = self.time.unwrap_or_default();
        let ranges = [
            (self.month, 1, 12),
            (self.day, 1, 31),
            (Some(time.hour), 0, 24),
            (Some(time.minute), 0, 59),
            (Some(time.second), 0, 60),
            (self.day_of_year, 1, 366),
            (self.iso_week, 1, 53),
            (self.iso_day, 1, 7),
        ];
        if ranges
            .iter()
            .any(|(v, low, high)| v.is_some_and(|v| v < *low || v > *high))
        {
            return Err(failure(text, "the parsed date was invalid"));
        }
        let incomplete = || {
            failure(
                text,
                "an incomplete date/time string has been found, with elements missing",
            )
        };
        let natural = self.year.is_some() || self.month.is_some() || self.day.is_some();
        let iso = self.iso_year.is_some() || self.iso_week.is_some() || self.iso_day.is_some();
        if natural && iso {
            return Err(failure(
                text,
                "Mixing of ISO dates with natural dates is not allowed",
            ));
        }
        let ms = if let Some(year) = self.iso_year {
            IsoParts {
                year,
                week: self.iso_week.unwrap_or(1),
                day: self.iso_day.unwrap_or(1),
                time,
            }
            .to_utc(zone)
        } else {
            let year = self.year.ok_or_else(incomplete)?;
            let (month, day) = match self.day_of_year {
                Some(day) => (1, day),
                None => (
                    self.month.ok_or_else(incomplete)?,
                    self.day.ok_or_else(incomplete)?,
                ),
            };
            if self.day_of_year.is_none()
                && days_from_civil(year, month, day) >= days_from_civil(year, month + 1, 1)
            {
                return Err(failure(text, "The parsed date was invalid"));
            }
            Parts {
                year,
                month,
                day,
                time,
            }
            .to_utc(zone)
        };
        ms.ok_or_else(|| failure(text, "the date is out of range"))
    }
}

/// A text being read.
struct Cursor<'t> {
    rest: &'t str,
}

impl<'t> Cursor<'t> {
    fn eat(&mut self, text: &str) -> bool {
        match self.rest.strip_prefix(text) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn take_while(&mut self, max: usize, f: impl Fn(char) -> bool) -> &'t str {
        let end = self
            .rest
            .char_indices()
            .take(max)
            .find(|(_, c)| !f(*c))
            .map_or_else(
                || {
                    self.rest
                        .char_indices()
                        .nth(max)
                        .map_or(self.rest.len(), |(i, _)| i)
                },
                |(i, _)| i,
            );
        let (head, tail) = self.rest.split_at_checked(end).unwrap_or((self.rest, ""));
        self.rest = tail;
        head
    }

    fn digits(&mut self, max: usize) -> Option<(i64, usize)> {
        let text = self.take_while(max, |c| c.is_ascii_digit());
        Some((text.parse().ok()?, text.len()))
    }

    fn number(&mut self, max: usize) -> Option<i64> {
        self.digits(max).map(|(n, _)| n)
    }

    /// Digits after a decimal point, as milliseconds (further ones are dropped).
    fn fraction(&mut self) -> Option<i64> {
        let text = self.take_while(12, |c| c.is_ascii_digit());
        if text.is_empty() {
            return None;
        }
        let three: String = text.chars().chain("000".chars()).take(3).collect();
        three.parse().ok()
    }

    fn month_name(&mut self) -> Option<i64> {
        let word = self.take_while(9, |c| c.is_ascii_alphabetic());
        month_by_name(word)
    }

    /// `Z`, an offset, an abbreviation, or both (`GMT+02:00`).
    fn zone(&mut self) -> Option<Zone> {
        self.take_while(8, |c| c == ' ');
        if !matches!(self.peek()?, '+' | '-') {
            let name = self.take_while(5, |c| c.is_ascii_alphabetic());
            let ms = abbreviation(name)?;
            let further = ms == 0 && name.len() == 3 && matches!(self.peek(), Some('+' | '-'));
            if !further {
                return Some(Zone::Fixed(ms));
            }
        }
        let sign = self.take_while(1, |_| true);
        let (hours, len) = self.digits(4)?;
        let text = match len {
            1 | 2 => {
                let minutes = if self.eat(":") { self.number(2)? } else { 0 };
                format!("{sign}{hours:02}{minutes:02}")
            }
            _ => format!("{sign}{hours:04}"),
        };
        Zone::parse(&text).ok()
    }
}

/// Abbreviations of zones, with their hours east of UTC; single letters are the military ones.
const ABBREVIATIONS: &[(&str, i64)] = &[
    ("UTC", 0),
    ("GMT", 0),
    ("WET", 0),
    ("WEST", 1),
    ("BST", 1),
    ("CET", 1),
    ("CEST", 2),
    ("EET", 2),
    ("EEST", 3),
    ("MSK", 3),
    ("JST", 9),
    ("EST", -5),
    ("EDT", -4),
    ("CST", -6),
    ("CDT", -5),
    ("MST", -7),
    ("MDT", -6),
    ("PST", -8),
    ("PDT", -7),
    ("AKST", -9),
    ("AKDT", -8),
    ("HST", -10),
];

fn abbreviation(name: &str) -> Option<i64> {
    const HOUR: i64 = 3_600_000;
    if let [letter] = name.as_bytes() {
        let letter = i64::from(letter.to_ascii_uppercase());
        let hours = match letter {
            // A to I, K to M go east, N to Y west; J is local time.
            65..=73 => letter - 64,
            75..=77 => letter - 65,
            78..=89 => 77 - letter,
            90 => 0,
            _ => return None,
        };
        return Some(hours * HOUR);
    }
    ABBREVIATIONS
        .iter()
        .find(|(n, _)| n.eq_ignore_ascii_case(name))
        .map(|(_, hours)| hours * HOUR)
}

fn month_by_name(word: &str) -> Option<i64> {
    if word.len() < 3 {
        return None;
    }
    let word = word.to_ascii_lowercase();
    let at = MONTHS.iter().position(|m| {
        let m = m.to_ascii_lowercase();
        m == word
            || (word.len() == 3 && m.starts_with(&word))
            || (word == "sept" && m == "september")
    })?;
    i64::try_from(at).ok().map(|m| m + 1)
}

/// Reads a date by a format. `zone` applies when the text names none.
///
/// # Errors
/// `ConversionFailure`.
pub fn parse_with(text: &str, format: &Format, zone: Option<&Zone>) -> Result<i64, EngineError> {
    let mut c = Cursor { rest: text };
    let mut read = Read::default();
    for piece in &format.pieces {
        let ok = match piece {
            Piece::Text(t) => c.eat(t),
            Piece::Field(f) => field(*f, &mut c, &mut read).is_some(),
        };
        if !ok {
            return Err(failure(text, "the string does not match the format"));
        }
    }
    if !c.rest.is_empty() {
        return Err(failure(text, "Trailing data"));
    }
    read.finish(text, zone)
}

fn field(f: char, c: &mut Cursor<'_>, read: &mut Read) -> Option<()> {
    match f {
        'Y' => read.year = Some(c.number(4)?),
        'm' => read.month = Some(c.number(2)?),
        'd' => read.day = Some(c.number(2)?),
        'H' => read.time().hour = c.number(2)?,
        'M' => read.time().minute = c.number(2)?,
        'S' => read.time().second = c.number(2)?,
        'L' => {
            let text = c.take_while(3, |c| c.is_ascii_digit());
            let padded: String = text.chars().chain("000".chars()).take(3).collect();
            read.time().millisecond = if text.is_empty() {
                None
            } else {
                padded.parse().ok()
            }?;
        }
        'j' => read.day_of_year = Some(c.number(3)?),
        'G' => read.iso_year = Some(c.number(4)?),
        'V' => read.iso_week = Some(c.number(2)?),
        'u' => read.iso_day = Some(c.number(1)?),
        'b' | 'B' => read.month = Some(c.month_name()?),
        'z' => read.zone = Some(c.zone()?),
        'Z' => {
            let sign = if c.eat("-") {
                -1
            } else {
                i64::from(c.eat("+")).max(1)
            };
            read.zone = Some(Zone::Fixed(sign * c.number(4)? * 60_000));
        }
        _ => return None,
    }
    Some(())
}

/// Reads a date in ISO 8601 or a common written form (`10 Mar 2024 7:30 pm`). `zone` applies when the text names none.
///
/// # Errors
/// `ConversionFailure`.
pub fn parse_date(text: &str, zone: Option<&Zone>) -> Result<i64, EngineError> {
    let mut c = Cursor {
        rest: text.trim_matches(' '),
    };
    let mut read = Read::default();
    if c.rest.is_empty() {
        return Err(failure(
            text,
            "an incomplete date/time string has been found",
        ));
    }
    if free(&mut c, &mut read).is_none() || !c.rest.is_empty() {
        return Err(failure(text, "Unexpected character"));
    }
    read.finish(text, zone)
}

fn free(c: &mut Cursor<'_>, read: &mut Read) -> Option<()> {
    date(c, read)?;
    if c.rest.is_empty() {
        return Some(());
    }
    let _separator = c.eat("T") || c.eat("t");
    c.take_while(8, |c| c == ' ' || c == ',');
    if c.peek().is_some_and(|p| p.is_ascii_digit()) {
        clock(c, read)?;
    } else if c.eat("noon") {
        read.time().hour = 12;
    } else if c.eat("midnight") {
        read.time();
    }
    c.take_while(8, |c| c == ' ');
    if !c.rest.is_empty() {
        read.zone = Some(c.zone()?);
    }
    Some(())
}

fn date(c: &mut Cursor<'_>, read: &mut Read) -> Option<()> {
    if c.peek()?.is_ascii_alphabetic() {
        // "March 10, 2024", perhaps after the day's name.
        let word = c.take_while(10, |c| c.is_ascii_alphabetic());
        let month = match month_by_name(word) {
            Some(m) => m,
            None if super::Weekday::parse(word).is_some() => {
                c.take_while(4, |c| matches!(c, ',' | ' ' | '.'));
                if c.peek()?.is_ascii_digit() {
                    return date(c, read);
                }
                c.month_name()?
            }
            None => return None,
        };
        c.take_while(4, |c| matches!(c, ',' | ' ' | '.' | '-'));
        read.month = Some(month);
        read.day = Some(c.number(2)?);
        c.take_while(2, |c| c.is_ascii_alphabetic());
        c.take_while(4, |c| matches!(c, ',' | ' ' | '.' | '-'));
        read.year = Some(c.number(4)?);
        return Some(());
    }
    let (first, len) = c.digits(8)?;
    if len == 8 {
        read.year = Some(first / 10_000);
        read.month = Some(first / 100 % 100);
        read.day = Some(first % 100);
        return Some(());
    }
    if len == 4 && c.eat("-W") {
        read.iso_year = Some(first);
        read.iso_week = Some(c.number(2)?);
        if c.eat("-") {
            read.iso_day = Some(c.number(1)?);
        }
        return Some(());
    }
    let separator = c.take_while(1, |c| matches!(c, '-' | '/' | '.' | ' '));
    if len == 4 && c.peek()?.is_ascii_alphabetic() {
        // "2024-Mar-10"
        read.year = Some(first);
        read.month = Some(c.month_name()?);
        c.take_while(1, |c| matches!(c, '-' | '/' | '.' | ' '));
        read.day = Some(c.number(2)?);
        return Some(());
    }
    if c.peek()?.is_ascii_alphabetic() {
        // "10 March 2024", "10-Mar-2024".
        read.day = Some(first);
        read.month = Some(c.month_name()?);
        c.take_while(2, |c| matches!(c, '-' | '/' | '.' | ' ' | ','));
        let (year, digits) = c.digits(4)?;
        read.year = (digits == 4).then_some(year);
        return Some(());
    }
    if separator.is_empty() || separator == " " {
        return None;
    }
    let (second, second_len) = c.digits(3)?;
    if len == 4 {
        read.year = Some(first);
        if second_len == 3 {
            read.day_of_year = Some(second);
            return Some(());
        }
        read.month = Some(second);
        // "2024-03" is the first of the month.
        read.day = Some(if c.eat(separator) { c.number(2)? } else { 1 });
        return Some(());
    }
    if !c.eat(separator) {
        return None;
    }
    let (year, digits) = c.digits(4)?;
    let year = match digits {
        4 => year,
        // Two digits are of 1970 to 2069.
        2 if separator == "/" => year + if year < 70 { 2000 } else { 1900 },
        _ => return None,
    };
    if len > 2 {
        return None;
    }
    // "03/10/2024" is American, "10-03-2024" and "10.03.2024" are not.
    let (month, day) = if separator == "/" {
        (first, second)
    } else {
        (second, first)
    };
    read.year = Some(year);
    read.month = Some(month);
    read.day = Some(day);
    Some(())
}

fn clock(c: &mut Cursor<'_>, read: &mut Read) -> Option<()> {
    let mut time = TimeOfDay::default();
    let (first, len) = c.digits(6)?;
    match len {
        1 | 2 => {
            time.hour = first;
            if c.eat(":") {
                time.minute = c.number(2)?;
                if c.eat(":") || c.eat(".") {
                    time.second = c.number(2)?;
                }
            }
        }
        4 => (time.hour, time.minute) = (first / 100, first % 100),
        6 => {
            (time.hour, time.minute, time.second) =
                (first / 10_000, first / 100 % 100, first % 100);
        }
        _ => return None,
    }
    if c.eat(".") || c.eat(",") {
        time.millisecond = c.fraction()?;
    }
    let rest = c.rest.trim_start_matches(' ');
    let half = rest.get(..2).map(str::to_ascii_lowercase);
    match half.as_deref() {
        Some("am" | "pm") if (1..=12).contains(&time.hour) => {
            let afternoon = half.as_deref() == Some("pm");
            time.hour = time.hour % 12 + if afternoon { 12 } else { 0 };
            c.rest = rest.get(2..).unwrap_or_default();
        }
        _ => {}
    }
    // 24:00 is the midnight that ends the day.
    if time.hour == 24 && (time.minute, time.second, time.millisecond) != (0, 0, 0) {
        return None;
    }
    read.time = Some(time);
    Some(())
}
