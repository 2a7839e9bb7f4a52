//! Names of indexes that were given none: those that Django makes, so that a database which the official backend has set
//! up keeps its indexes.

use md5::{Digest, Md5};

/// Longest name (Django: `DatabaseSchemaEditor._create_index_name`, where the database sets no limit).
const MAX_LENGTH: usize = 200;

/// The name of what an option of a field, `unique_together` or the primary key makes (Django: `_create_index_name`).
pub(super) fn of_columns(collection: &str, columns: &[String], suffix: &str) -> String {
    let mut parts = vec![collection];
    parts.extend(columns.iter().map(String::as_str));
    let end = format!("{}{suffix}", digest(&parts, 8));
    let columns = columns.join("_");
    let whole = format!("{collection}_{columns}_{end}");
    if whole.chars().count() <= MAX_LENGTH {
        return whole;
    }
    let other = ((MAX_LENGTH - end.len()) / 2).saturating_sub(1);
    let name = format!(
        "{}_{}_{end}",
        first(collection, other),
        first(&columns, other)
    );
    match name.chars().next() {
        Some(c) if c == '_' || c.is_ascii_digit() => {
            let kept = name.chars().count().saturating_sub(1);
            format!("D{}", first(&name, kept))
        }
        _ => name,
    }
}

/// The name of a member of `Meta.indexes` (Django: `Index.set_name_with_model`); columns carry `-` where they are
/// descending.
pub(super) fn of_index(collection: &str, columns: &[String]) -> String {
    let mut parts = vec![collection];
    parts.extend(columns.iter().map(String::as_str));
    parts.push("idx");
    let column = columns.first().map(String::as_str).unwrap_or_default();
    let column = column.strip_prefix('-').unwrap_or(column);
    let name = format!(
        "{}_{}_{}_idx",
        first(collection, 11),
        first(column, 7),
        digest(&parts, 6)
    );
    match name.chars().next() {
        Some(c) if c == '_' || c.is_ascii_digit() => format!("D{}", name.get(1..).unwrap_or("")),
        _ => name,
    }
}

/// The first digits of the MD5 digest of some texts (Django: `names_digest`).
fn digest(parts: &[&str], length: usize) -> String {
    let mut hash = Md5::new();
    for part in parts {
        hash.update(part.as_bytes());
    }
    let digits = hash
        .finalize()
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect::<String>();
    first(&digits, length)
}

fn first(text: &str, length: usize) -> String {
    text.chars().take(length).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(columns: &[&str]) -> Vec<String> {
        columns.iter().map(|c| (*c).to_owned()).collect()
    }

    /// What Django's functions of the same purpose answer.
    #[test]
    fn names_are_djangos() {
        assert_eq!(
            of_columns("library_book", &own(&["title"]), ""),
            "library_book_title_fccd0c46"
        );
        assert_eq!(
            of_columns("library_stock", &own(&["store_id", "book_id"]), "_uniq"),
            "library_stock_store_id_book_id_5d098891_uniq"
        );
        assert_eq!(
            of_index("library_book", &own(&["-published", "title"])),
            "library_boo_publish_2073da_idx"
        );
        assert_eq!(of_index("1_books", &own(&["_x"])), "D_books__x_a961b3_idx");
        let long = "c".repeat(150);
        assert_eq!(
            of_columns(&long, &own(&[&long]), "_uniq"),
            "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc_cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc_baaab067_uniq"
        );
    }
}
