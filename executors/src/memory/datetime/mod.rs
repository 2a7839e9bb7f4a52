//! Dates: time zones, parts, units, formats. Values are milliseconds since the epoch, UTC.
//!
//! The calendar is the proleptic Gregorian one over the whole range of 64-bit milliseconds; time zones come from the
//! bundled tz database (outside the years that it covers, the offset at its nearest end holds).
mod add;
mod calendar;
mod diff;
mod format;
mod from_parts;
mod parse;
mod trunc;
mod unit;
mod zone;

pub use add::{add_units, shift};
pub use calendar::{Civil, IsoDate, days_from_civil, iso_week_monday};
pub use diff::diff;
pub use format::{Format, ISO, ISO_UTC};
pub use from_parts::{IsoParts, Parts, TimeOfDay};
pub use parse::{parse_date, parse_with};
pub use trunc::trunc;
pub use unit::{Unit, Weekday};
pub use zone::Zone;

use super::error::EngineError;

/// Milliseconds of a day.
pub const DAY: i64 = 86_400_000;

/// Adds an amount of a unit, in a time zone (UTC when `None`): what `$densify` steps with.
///
/// # Errors
/// An unknown unit or zone; overflow.
pub fn add(ms: i64, unit: &str, amount: i64, tz: Option<&str>) -> Result<i64, EngineError> {
    let unit = Unit::parse(unit)?;
    let zone = tz.map_or(Ok(Zone::Utc), Zone::parse)?;
    add_units(ms, unit, amount, &zone)
}

#[cfg(test)]
mod tests;
