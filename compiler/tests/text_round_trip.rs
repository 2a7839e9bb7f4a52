//! The canonical text of a statement is read as the same statement.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod support;

use mqlc_compiler::Code;
use mqlc_compiler::queryset::{Do, Statement};
use mqlc_compiler::schema::Schema;
use mqlc_compiler::text::{Params, parse};
use proptest::prelude::*;
use support::{normal, texts};

/// Why a text was not read.
enum Unread {
    /// Django's own constructors refuse it: random statements may hold what no queryset can.
    Refused,
    /// It should have been.
    Failed(String),
}

/// Reads the text of a statement.
fn reread(schema: &Schema, statement: &Statement) -> Result<Statement, Unread> {
    let text = statement.to_text_in(schema);
    let parsed = parse(schema, &text, &Params::default()).map_err(|e| match e.code() {
        Code::ValueError | Code::TypeError => Unread::Refused,
        _ => Unread::Failed(format!("{e}\n{text}")),
    })?;
    parsed.statement.ok_or(Unread::Failed(text))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, max_shrink_iters: 4000, ..ProptestConfig::default() })]

    /// Whatever Python can express comes back as it was.
    #[test]
    fn arbitrary_statements(statement in texts::statement()) {
        let schema = Schema::from_json(texts::SCHEMA).unwrap();
        match reread(&schema, &statement) {
            Ok(again) => prop_assert_eq!(
                normal::statement(again).to_json(),
                normal::statement(statement.clone()).to_json(),
                "{}",
                statement
            ),
            Err(Unread::Refused) => {}
            Err(Unread::Failed(error)) => prop_assert!(false, "{}", error),
        }
    }
}

/// Recorded statements, with the schemas they were recorded under, if a corpus is at hand. Statements that Django
/// refuses are left out: texts may be refused earlier.
#[test]
fn corpus() {
    let Ok(root) = std::env::var("MQLC_CORPUS") else {
        return;
    };
    let (mut same, mut skipped, mut failures) = (0, 0, Vec::new());
    let mut schemas = std::collections::HashMap::new();
    for file in std::fs::read_dir(format!("{root}/cases")).unwrap() {
        for line in std::fs::read_to_string(file.unwrap().path())
            .unwrap()
            .lines()
        {
            let case: serde_json::Value = serde_json::from_str(line).unwrap();
            let Ok(statement) = Statement::from_json(&case["statement"].to_string()) else {
                continue;
            };
            // Rows of inserts get the defaults of fields that they leave out.
            if case["expect"]["error"].is_string() || matches!(statement.action, Do::Insert(_)) {
                skipped += 1;
                continue;
            }
            let name = case["schema"].as_str().unwrap().to_owned();
            let schema = schemas.entry(name.clone()).or_insert_with(|| {
                Schema::from_json(
                    &std::fs::read_to_string(format!("{root}/schema/{name}.json")).unwrap(),
                )
                .unwrap()
            });
            match reread(schema, &statement) {
                Ok(again) => {
                    let (ours, theirs) = (
                        normal::statement(statement.clone()),
                        normal::statement(again),
                    );
                    if ours == theirs {
                        same += 1;
                    } else {
                        failures.push(format!(
                            "{}\n  {}\n  {}\n  {}",
                            case["id"],
                            statement.to_text_in(schema),
                            ours.to_json(),
                            theirs.to_json()
                        ));
                    }
                }
                Err(Unread::Refused) => failures.push(format!("{}\n  refused", case["id"])),
                Err(Unread::Failed(error)) => failures.push(format!("{}\n  {error}", case["id"])),
            }
        }
    }
    println!(
        "{same} the same, {skipped} left out, {} differ",
        failures.len()
    );
    for failure in failures.iter().take(400) {
        println!("{}", failure.chars().take(1500).collect::<String>());
    }
    // Some have no text: filters of related managers, names that Python gave to a queryset among `values_list()`.
    assert!(failures.len() * 100 < same, "{} of {same}", failures.len());
}
