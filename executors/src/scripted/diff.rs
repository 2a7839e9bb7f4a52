//! The difference of two documents, line by line.

use bson::{Bson, Document};

/// A document over several lines.
pub(super) fn pretty(document: &Document) -> String {
    let json = Bson::Document(document.clone()).into_relaxed_extjson();
    serde_json::to_string_pretty(&json).unwrap_or_else(|_| document.to_string())
}

/// Lines of both, those of one side only marked `-` and `+`; long common parts are left out.
pub(super) fn diff(expected: &Document, came: &Document) -> String {
    let (expected, came) = (pretty(expected), pretty(came));
    if expected == came {
        return format!("  the same text, but other number types\n{came}");
    }
    similar::TextDiff::from_lines(&expected, &came)
        .unified_diff()
        .context_radius(3)
        .to_string()
}
