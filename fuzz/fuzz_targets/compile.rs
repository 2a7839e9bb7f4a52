#![no_main]
//! Random statements whose names and types fit, compiled and run: no panic, no internal error, no refusal by the engine, and
//! the same with all rules switched off. The generator is that of the property tests.

#[path = "../../tests/properties/dice.rs"]
mod dice;
#[path = "../../tests/properties/literal.rs"]
mod literal;
#[path = "../../tests/properties/statement/mod.rs"]
mod statement;
#[path = "../../tests/properties/texts.rs"]
mod texts;

use std::sync::{Arc, LazyLock};

use libfuzzer_sys::fuzz_target;
use mqlc::compiler::text;
use mqlc::prelude::{Compiler, Schema, Target};
use mqlc::{Code, Error};

static SCHEMA: LazyLock<Arc<Schema>> = LazyLock::new(|| {
    let models = text::parse_models("p", include_str!("../../tests/properties/models.py"));
    Arc::new(Schema::new(models.expect("the models").spec).expect("the schema"))
});

fuzz_target!(|choices: &[u8]| {
    let hostile = choices.first().is_some_and(|b| b % 2 == 1);
    let statement = statement::statement_with(choices, hostile);
    for off in ["", "all"] {
        let target = Target {
            disabled_rules: vec![off.to_owned()],
            ..Target::default()
        };
        let compiler = Compiler::new(SCHEMA.clone()).target(target);
        let internal = |e: &Error| e.code() == Code::Internal;
        if let Err(error) = compiler.compile(&statement) {
            assert!(!internal(&error), "{}\n{error}", statement.to_text());
        }
    }
});
