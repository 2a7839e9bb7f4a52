//! `$dateAdd` and `$dateSubtract`.
use super::calendar::days_in_month;
use super::{Civil, DAY, Unit, Zone, days_from_civil};
use crate::memory::error::EngineError;

/// Adds an amount of a unit. Months, quarters and years keep the day or take the last of a shorter month; days and
/// weeks keep the local time; smaller units are exact.
///
/// # Errors
/// 5166406 when the result is no date any more.
pub fn add_units(ms: i64, unit: Unit, amount: i64, zone: &Zone) -> Result<i64, EngineError> {
    shift(ms, unit, amount, zone).ok_or_else(|| {
        EngineError::location(5_976_500, format!("invalid date add amount: {amount}"))
    })
}

/// As [`add_units`]; `None` on overflow.
pub fn shift(ms: i64, unit: Unit, amount: i64, zone: &Zone) -> Option<i64> {
    if amount == 0 {
        return Some(ms);
    }
    if let Some(months) = unit.months() {
        let civil = Civil::new(ms, zone);
        let total = amount
            .checked_mul(months)?
            .checked_add(civil.year.checked_mul(12)?)?
            .checked_add(civil.month - 1)?;
        let (year, month) = (total.div_euclid(12), total.rem_euclid(12) + 1);
        if year.abs() > 300_000_000 {
            return None;
        }
        let day = civil.day.min(days_in_month(year, month));
        let local = days_from_civil(year, month, day)
            .checked_mul(DAY)?
            .checked_add(civil.time)?;
        return Some(zone.to_utc(local));
    }
    let step = amount.checked_mul(unit.millis()?)?;
    match unit {
        Unit::Week | Unit::Day if !zone.is_utc() => {
            let local = ms.checked_add(zone.offset_at(ms))?.checked_add(step)?;
            Some(zone.to_utc(local))
        }
        _ => ms.checked_add(step),
    }
}
