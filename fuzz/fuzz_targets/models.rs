#![no_main]
//! models.py: read or refused, and a schema that is sound or refused.

use libfuzzer_sys::fuzz_target;
use mqlc::compiler::text;
use mqlc::prelude::Schema;

fuzz_target!(|source: &str| {
    match text::parse_models("app", source) {
        Ok(models) => drop(Schema::new(models.spec)),
        Err(error) => drop(error.render(source)),
    }
});
