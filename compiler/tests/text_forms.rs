//! The forms of calls that Django's documentation shows, on models of our own: each is read and compiled as its canonical
//! text says, or refused with the class that Django itself raises.
//!
//! `text/forms.txt` holds blocks: `# ok` or `# ClassOfTheRefusal`, the text, and for those that are read `= canonical text`.

#![allow(clippy::unwrap_used, clippy::panic)] // a test

use std::sync::Arc;

use mqlc_compiler::Compiler;
use mqlc_compiler::queryset::Statement;
use mqlc_compiler::schema::Schema;
use mqlc_compiler::text;

const MODELS: &str = include_str!("text/forms.py");
const FORMS: &str = include_str!("text/forms.txt");

fn shop() -> (Schema, text::Params) {
    let models =
        text::parse_models("shop", MODELS).unwrap_or_else(|e| panic!("{}", e.render(MODELS)));
    let mut params = text::Params {
        app: Some("shop".to_owned()),
        now: Some("2024-05-05T10:00:00Z".parse().unwrap()),
        extras: Arc::new(models.extras),
        ..text::Params::default()
    };
    for (name, model, pk) in [
        ("art", "Article", 1),
        ("mk", "Maker", 2),
        ("per", "Person", 3),
        ("lab", "Label", 4),
        ("orde", "Order", 5),
        ("note", "Note", 6),
        ("cit", "City", 7),
        ("spec", "Special", 8),
    ] {
        let instance = text::ParamValue::Instance {
            model: format!("shop.{model}"),
            pk: pk.into(),
        };
        params.names.insert(name.to_owned(), instance);
    }
    (Schema::new(models.spec).unwrap(), params)
}

fn text_of(statement: &Statement) -> String {
    statement.to_text().replace('\n', " ")
}

/// Every form is read as it stands there, its canonical text says the same, and it compiles; or it is refused with
/// its class.
#[test]
fn forms_are_read_or_refused() {
    let (schema, params) = shop();
    let compiler = Compiler::new(schema.clone());
    let mut failures = Vec::new();
    let mut count = 0;
    for block in FORMS.trim().split("\n\n") {
        count += 1;
        let (expected, rest) = block.split_once('\n').unwrap();
        let expected = expected.strip_prefix("# ").unwrap();
        let (source, canonical) = match rest.rsplit_once("\n= ") {
            Some((source, canonical)) => (source, Some(canonical)),
            None => (rest, None),
        };
        let statement = match text::parse(&schema, source, &params) {
            Ok(parsed) => parsed.statement.unwrap(),
            Err(error) => {
                if error.code().django_class() != expected {
                    failures.push(format!("expected {expected}\n{}", error.render(source)));
                }
                continue;
            }
        };
        if let Some(canonical) = canonical {
            let shown = text_of(&statement);
            if shown != canonical {
                failures.push(format!(
                    "{source}\n  expected {canonical}\n  found    {shown}"
                ));
                continue;
            }
            match text::parse(&schema, canonical, &params) {
                Ok(again)
                    if again.statement.as_ref().map(text_of).as_deref() == Some(canonical) => {}
                Ok(again) => failures.push(format!(
                    "{canonical} is another statement: {}",
                    again.statement.map_or_else(String::new, |s| s.to_json())
                )),
                Err(error) => failures.push(error.render(canonical)),
            }
        }
        let writes = ["create(", "delete()", "bulk_create("]
            .iter()
            .any(|w| source.contains(w));
        match (compiler.compile(&statement), expected) {
            (Ok(_), "ok") => {}
            (Ok(_), _) => failures.push(format!("{source}\n  compiles, expected {expected}")),
            (Err(_), "ok") if writes => {}
            (Err(error), _) if error.code().django_class() == expected => {}
            (Err(error), _) => failures.push(format!("{source}\n  expected {expected}, {error}")),
        }
    }
    assert!(count > 900, "{count} forms");
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}
