//! Runs recorded cases against mqlc.
fn main() {}
