//! The same question in text, JSON and Rust is the same statement, and its rows are right: pages after a row, and conditions
//! on the elements of arrays.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)] // helpers of tests

use std::sync::Arc;

use mqlc::executors::{MemoryExecutor, Outcome};
use mqlc::prelude::*;

struct World {
    compiler: Compiler,
    params: text::Params,
    executor: MemoryExecutor,
}

fn world() -> World {
    let source = std::fs::read_to_string("fixtures/schemas/library.py").unwrap();
    let models = text::parse_models("library", &source).unwrap();
    World {
        compiler: Compiler::new(Schema::new(models.spec).unwrap()),
        params: text::Params {
            app: Some("library".to_owned()),
            extras: Arc::new(models.extras),
            ..text::Params::default()
        },
        executor: MemoryExecutor::load("fixtures/data/library").unwrap(),
    }
}

impl World {
    fn text(&self, source: &str) -> Statement {
        text::parse(self.compiler.schema(), source, &self.params)
            .unwrap_or_else(|e| panic!("{}", e.render(source)))
            .statement
            .unwrap()
    }

    /// Rows as JSON values of Queryset JSON, in their order.
    fn rows(&self, statement: &Statement) -> Vec<String> {
        let compiled = self.compiler.compile(statement).unwrap();
        let outcome =
            futures_executor::block_on((&self.executor as &dyn Executor).execute(&compiled));
        match outcome.unwrap() {
            Outcome::Rows(rows) => rows.iter().map(|row| format!("{row:?}")).collect(),
            other => panic!("{other:?}"),
        }
    }
}

/// The pages of an order, each found from the last row of the one before, are the order itself: no row is lost or comes
/// twice, whatever is NULL.
#[test]
fn pages_are_the_whole_order() {
    let world = world();
    for (names, order) in [
        (["pages", "pk"], r#""pages", "pk""#),
        (["-pages", "pk"], r#""-pages", "pk""#),
        (["-rating", "-pk"], r#""-rating", "-pk""#),
        (["rating", "-pk"], r#""rating", "-pk""#),
    ] {
        let bare: Vec<String> = names
            .iter()
            .map(|n| format!("\"{}\"", n.trim_start_matches('-')))
            .collect();
        let values = bare.join(", ");
        let whole = world.text(&format!("Book.objects.order_by({order}).values({values})"));
        let expected = world.rows(&whole);
        assert!(expected.len() > 10);
        let compiled = world.compiler.compile(&whole).unwrap();
        let outcome =
            futures_executor::block_on((&world.executor as &dyn Executor).execute(&compiled));
        let Outcome::Rows(rows) = outcome.unwrap() else {
            panic!("no rows")
        };
        let keys: Vec<Vec<Value>> = rows
            .iter()
            .map(|row| match row {
                RowValue::Object(row) => names
                    .iter()
                    .map(|n| match row.get(n.trim_start_matches('-')) {
                        Some(RowValue::Value(value)) => value.clone(),
                        other => panic!("{other:?}"),
                    })
                    .collect(),
                other => panic!("{other:?}"),
            })
            .collect();
        for (at, last) in keys.iter().enumerate() {
            let pairs = names.iter().map(|n| (*n).to_owned()).zip(last.clone());
            let page = Query::from("library.Book").page_after(pairs).values(
                bare.iter()
                    .map(|b| b.trim_matches('"').to_owned())
                    .collect::<Vec<_>>(),
            );
            assert_eq!(
                world.rows(&page.into()),
                expected[at + 1..],
                "{order} after row {at}"
            );
        }
    }
}

#[test]
fn a_page_in_three_front_ends() {
    let world = world();
    let pairs = world.text(r#"Book.objects.page_after(("-pages", 300), ("pk", 7))[:5]"#);
    let values = world.text(r#"Book.objects.order_by("-pages", "pk").page_after(300, 7)[:5]"#);
    let built: Statement = Query::from("library.Book")
        .page_after([("-pages", 300), ("pk", 7)])
        .slice(..5)
        .into();
    let json = Statement::from_json(
        r#"{"model": "library.Book", "calls": [{"page_after": [["-pages", 300], ["pk", 7]]}, {"slice": [null, 5]}], "do": "rows"}"#,
    )
    .unwrap();
    assert_eq!(pairs, built);
    assert_eq!(json, built);
    assert_eq!(world.rows(&values), world.rows(&built));
    // An index on the first key is a range, not an offset.
    let compiled = world.compiler.compile(&built).unwrap();
    assert_eq!(compiled.program.steps.len(), 1);
}

/// One `filter()` is about one element, chained calls each about some element, `exclude()` about none.
#[test]
fn elements_of_arrays() {
    let world = world();
    let keys = |source: &str| {
        let statement = world.text(source);
        assert_eq!(
            Statement::from_json(&statement.to_json()).unwrap(),
            statement
        );
        world.rows(&statement).len()
    };
    let all = keys("Profile.objects.all()");
    let same = keys(r#"Profile.objects.filter(awards__name="Booker", awards__year__gte=1990)"#);
    let some =
        keys(r#"Profile.objects.filter(awards__name="Booker").filter(awards__year__gte=1990)"#);
    assert_eq!((same, some), (1, 2));
    let built: Statement = Query::from("library.Profile")
        .filter(q("awards__name", "Booker") & f("awards__year").gte(1990))
        .into();
    assert_eq!(world.rows(&built).len(), same);
    // What is excluded and what is found are everything, arrays that are NULL or empty included.
    for condition in [
        r#"awards__name="Booker""#,
        "awards__year__range=(1960, 1989)",
        "awards__year__in=[2017]",
        r#"awards__name__iregex="^no.el$""#,
        "awards__0__year__gt=2000",
        "awards__1_3__year=1975",
    ] {
        let found = keys(&format!("Profile.objects.filter({condition})"));
        let left = keys(&format!("Profile.objects.exclude({condition})"));
        assert!(found > 0, "{condition}");
        assert_eq!(found + left, all, "{condition}");
    }
    // Either of two conditions on an element, as a disjunction of conditions on some element.
    assert_eq!(
        keys(r#"Profile.objects.filter(Q(awards__name="Hugo") | Q(awards__year=1970))"#),
        keys(
            r#"Profile.objects.filter(awards__name="Hugo").union(Profile.objects.filter(awards__year=1970))"#
        ),
    );
    let error = world
        .compiler
        .compile(&world.text("Profile.objects.filter(awards__yaer=1)"))
        .unwrap_err();
    assert!(error.to_string().contains("year"), "{error}");
}
