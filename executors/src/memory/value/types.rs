//! BSON's types by name and number.

/// Every type, as `$type` and `$convert` name it.
const TYPES: [(&str, i32); 21] = [
    ("double", 1),
    ("string", 2),
    ("object", 3),
    ("array", 4),
    ("binData", 5),
    ("undefined", 6),
    ("objectId", 7),
    ("bool", 8),
    ("date", 9),
    ("null", 10),
    ("regex", 11),
    ("dbPointer", 12),
    ("javascript", 13),
    ("symbol", 14),
    ("javascriptWithScope", 15),
    ("int", 16),
    ("timestamp", 17),
    ("long", 18),
    ("decimal", 19),
    ("minKey", -1),
    ("maxKey", 127),
];

/// A type of BSON by its name.
pub fn type_named(name: &str) -> Option<(&'static str, i32)> {
    TYPES.iter().find(|(n, _)| *n == name).copied()
}

/// A type of BSON by its number.
pub fn type_numbered(number: i32) -> Option<(&'static str, i32)> {
    TYPES.iter().find(|(_, n)| *n == number).copied()
}
