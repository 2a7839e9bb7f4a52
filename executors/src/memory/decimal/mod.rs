//! Arithmetic of Decimal128 (34 digits, round half to even) over `value::Decimal`.
