//! What several test files share.

pub mod normal;
pub mod statements;
pub mod texts;
