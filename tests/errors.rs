//! Every error code has a section in `docs/errors.md`, a fixture in `fixtures/errors` and a snapshot of what is printed.
//!
//! A fixture is named `E0301-what-it-shows` and is a queryset text (`.q`), Queryset JSON (`.json`), a models.py (`.py`)
//! or a JSON schema (`.schema.json`). Querysets are asked of `fixtures/schemas/library.py`.
// Tests may stop where they fail.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod support;

use std::collections::BTreeMap;

use mqlc::compiler::definitions::DefinitionOptions;
use mqlc::compiler::queryset::Statement;
use mqlc::compiler::schema::{Schema, SchemaSpec};
use mqlc::compiler::text;
use mqlc::{Code, Compiler, Error};
use support::Library;

/// Codes that nothing outside can provoke, and why.
const SILENT: [(Code, &str); 4] = [
    (
        Code::EmptyResultSet,
        "querysets without rows compile to no command; the code is for embedders",
    ),
    (
        Code::ProtectedError,
        "whether such a row is there shows when the program runs: executors have it as `Error::Refused`",
    ),
    (
        Code::RestrictedError,
        "whether such a row is there shows when the program runs: executors have it as `Error::Refused`",
    ),
    (Code::Internal, "a bug of mqlc, by definition"),
];

struct Fixture {
    /// File name without its extension.
    name: String,
    kind: Kind,
    source: String,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Text,
    Json,
    Models,
    Schema,
}

fn fixtures() -> Vec<Fixture> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(support::path("fixtures/errors")).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            continue;
        }
        let file = path.file_name().unwrap().to_str().unwrap();
        let (name, kind) = [
            (".schema.json", Kind::Schema),
            (".json", Kind::Json),
            (".py", Kind::Models),
            (".q", Kind::Text),
        ]
        .into_iter()
        .find_map(|(end, kind)| Some((file.strip_suffix(end)?.to_owned(), kind)))
        .unwrap_or_else(|| panic!("{file} is no fixture"));
        let source = std::fs::read_to_string(&path).unwrap();
        found.push(Fixture { name, kind, source });
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found
}

/// The refusal of a fixture.
fn refusal(library: &Library, fixture: &Fixture) -> Error {
    let compiler = Compiler::new(library.schema.clone());
    let refused = match fixture.kind {
        Kind::Schema => SchemaSpec::from_json(&fixture.source)
            .and_then(Schema::new)
            .map(|_| ()),
        Kind::Models => text::parse_models("fixture", &fixture.source)
            .and_then(|models| Schema::new(models.spec))
            .and_then(|schema| {
                let options = DefinitionOptions {
                    validators: true,
                    ..DefinitionOptions::default()
                };
                Compiler::new(schema).definitions(&options)
            })
            .map(|_| ()),
        Kind::Json => Statement::from_json(&fixture.source)
            .and_then(|statement| compiler.compile(&statement))
            .map(|_| ()),
        Kind::Text => {
            text::parse(&library.schema, &fixture.source, &library.params).and_then(|parsed| {
                let statement = parsed.statement.expect("a fixture ends with a query");
                match compiler.compile(&statement) {
                    Ok(_) => Ok(()),
                    Err(error) => Err(parsed.places.locate(error)),
                }
            })
        }
    };
    match refused {
        Ok(()) => panic!("{} is not refused", fixture.name),
        Err(error) => error,
    }
}

/// What is printed, and that the code is the one that the name of the fixture says.
#[test]
fn every_fixture_prints_its_error() {
    let library = Library::load();
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.set_snapshot_path(support::path("fixtures/errors/snapshots"));
    settings.bind(|| {
        for fixture in fixtures() {
            let error = refusal(&library, &fixture);
            assert_eq!(
                Some(error.code().number()),
                fixture.name.split('-').next(),
                "{}: {error}",
                fixture.name
            );
            assert!(!error.message().is_empty());
            insta::assert_snapshot!(fixture.name.clone(), error.render(&fixture.source));
        }
    });
}

/// A refusal of a text shows its place, and one of JSON its path.
#[test]
fn every_refusal_has_a_place() {
    let library = Library::load();
    let without: Vec<String> = fixtures()
        .iter()
        .filter(|fixture| {
            let error = refusal(&library, fixture);
            match fixture.kind {
                Kind::Text | Kind::Models => error.span().is_none() && error.path().is_empty(),
                // A key that the statement itself lacks has no place but the whole.
                Kind::Json | Kind::Schema => {
                    error.path().is_empty()
                        && !error.message().contains("line ")
                        && !error.message().contains("a statement needs")
                }
            }
        })
        .map(|fixture| fixture.name.clone())
        .collect();
    assert!(without.is_empty(), "without a place: {without:?}");
}

/// Codes, fixtures and sections agree.
#[test]
fn every_code_has_a_fixture_and_a_section() {
    let page = std::fs::read_to_string(support::path("docs/errors.md")).unwrap();
    let mut sections: BTreeMap<&str, (&str, &str)> = BTreeMap::new();
    for section in page.split("\n### ").skip(1) {
        let (head, body) = section.split_once('\n').unwrap();
        let (number, name) = head.split_once(' ').unwrap();
        assert!(
            sections.insert(number, (name, body)).is_none(),
            "{number} has two sections"
        );
    }
    let fixtures = fixtures();
    for code in Code::ALL {
        let number = code.number();
        let (name, body) = sections
            .remove(number)
            .unwrap_or_else(|| panic!("docs/errors.md has no section {number}"));
        assert_eq!(name, format!("{code:?}"), "the section {number}");
        let django = match code.django_class() {
            "" => "Django: none.".to_owned(),
            class => format!("Django: `{class}`."),
        };
        assert!(
            body.contains(&django),
            "the section {number} does not say {django:?}"
        );
        let silent = SILENT.iter().any(|(silent, _)| silent == code);
        let fixed = fixtures.iter().any(|f| f.name.starts_with(number));
        assert!(
            fixed || silent,
            "{number} has no fixture in fixtures/errors"
        );
        assert!(
            !(fixed && silent),
            "{number} has a fixture: it is no longer silent"
        );
        assert!(
            silent || body.contains("```console"),
            "the section {number} shows no example"
        );
    }
    assert!(sections.is_empty(), "sections of no code: {sections:?}");
}
