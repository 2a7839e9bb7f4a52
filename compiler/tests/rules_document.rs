//! `docs/rules.md` says what the rules say of themselves. `UPDATE=1` writes it anew.

/// The document is up to date.
#[test]
fn the_document_is_up_to_date() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/rules.md");
    let text = mqlc_compiler::rewrite::document();
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &text).expect("docs can be written");
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == text,
        "docs/rules.md is not what the rules say: run this test with UPDATE=1"
    );
}
