//! The schema and the parameters that the tests of texts share.

#![allow(dead_code, clippy::unwrap_used, clippy::panic)] // not every test file uses all of it

use std::sync::Arc;

use mqlc_compiler::schema::Schema;
use mqlc_compiler::{Error, text};

/// models.py of the tests.
pub const MODELS: &str = include_str!("library.py");

/// The schema of [`MODELS`], and parameters: stored instances `book`, `author` and `request.user`, the value `limit`, a time.
pub fn library() -> (Schema, text::Params) {
    let models =
        text::parse_models("library", MODELS).unwrap_or_else(|e| panic!("{}", e.render(MODELS)));
    let mut params = text::Params {
        app: Some("library".to_owned()),
        now: Some("2025-06-15T12:34:56.789012Z".parse().unwrap()),
        extras: Arc::new(models.extras),
        ..text::Params::default()
    };
    for (name, model, pk) in [
        ("book", "library.Book", 7),
        ("author", "library.Author", 3),
        ("tag", "library.Tag", 5),
        ("request.user", "auth.User", 1),
    ] {
        let instance = text::ParamValue::Instance {
            model: model.to_owned(),
            pk: pk.into(),
        };
        params.names.insert(name.to_owned(), instance);
    }
    params
        .names
        .insert("limit".to_owned(), text::ParamValue::Value(10.into()));
    (Schema::new(models.spec).unwrap(), params)
}

/// The statement of a text as JSON.
pub fn json(source: &str) -> String {
    let (schema, params) = library();
    match text::parse(&schema, source, &params) {
        Ok(parsed) => parsed
            .statement
            .map_or_else(|| "none".to_owned(), |s| s.to_json()),
        Err(error) => panic!("{}", error.render(source)),
    }
}

/// The error of a text.
pub fn error(source: &str) -> Error {
    let (schema, params) = library();
    match text::parse(&schema, source, &params) {
        Ok(parsed) => panic!("{source}: {:?}", parsed.statement),
        Err(error) => error,
    }
}
