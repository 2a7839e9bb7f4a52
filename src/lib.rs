//! The MQL compiler: Django-like querysets in, MongoDB commands and rows out.
pub use mqlc_compiler as compiler;
pub use mqlc_executors as executors;
