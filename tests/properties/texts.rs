//! Texts of data and literals.

/// Texts that look like other things.
pub const TEXTS: [&str; 12] = [
    "a", "b", "A", "ab", "", "é", " a ", "$a", "a.b", "10", "%", "É",
];

/// Texts that would do harm if they were read as anything but texts; one for each of [`TEXTS`]
/// (where only the empty text is empty: a pattern of nothing asks for no pattern).
pub const HOSTILE: [&str; 12] = [
    "$title",
    "$$ROOT",
    "a.b.c",
    "\0",
    "",
    "^a(.*",
    "$",
    "$where",
    ".",
    "\\Q.\\E",
    "{\"$gt\": 1}",
    "${x}'\"",
];
