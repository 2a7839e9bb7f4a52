//! Dates: time zones, parts, units, formats. Values are milliseconds since the epoch.
