#![no_main]
//! Queryset JSON and schema JSON: what is decoded is encoded to the same.

use libfuzzer_sys::fuzz_target;
use mqlc::prelude::{SchemaSpec, Statement};

fuzz_target!(|text: &str| {
    if let Ok(statement) = Statement::from_json(text) {
        let json = statement.to_json();
        let again = Statement::from_json(&json).expect("what was written is read");
        assert_eq!(again.to_json(), json);
    }
    let _ = SchemaSpec::from_json(text);
});
