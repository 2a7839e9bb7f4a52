//! Properties of whole statements: random ones about random documents, through the compiler and the embedded engine,
//! against an interpreter of plans that knows SQL and nothing of MongoDB's languages.
//!
//! `PROPTEST_CASES` deepens all of them.
// Tests may stop where they fail.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss
)]

#[path = "properties/chooses.rs"]
mod chooses;
#[path = "properties/data.rs"]
mod data;
#[path = "properties/dice.rs"]
mod dice;
#[allow(dead_code)]
#[path = "../compiler/tests/plans/interpret/mod.rs"]
mod interpret;
#[path = "properties/literal.rs"]
mod literal;
#[path = "properties/run.rs"]
mod run;
#[path = "properties/statement/mod.rs"]
mod statement;
mod support;
#[path = "properties/texts.rs"]
mod texts;

use std::collections::{BTreeMap, BTreeSet};

use indexmap::IndexMap;
use mqlc::Compiler;
use mqlc::compiler::queryset::{Call, Do, Expr, OrderTerm, Q, Statement, ValuesFields};
use mqlc::compiler::rewrite;
use mqlc::compiler::schema::{FieldKind, FieldType};
use mqlc::compiler::storage;
use mqlc::compiler::target::Target;
use mqlc::compiler::text;
use mqlc::executors::Execute;
use proptest::prelude::*;

use data::SOUND;
use dice::Dice;
use run::{Verdict, compare, rows_of, schema, world};
use statement::{Ty, multi_valued, single_valued, statement, statement_with};

/// How many cases; more with `PROPTEST_CASES`.
fn config(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases: std::env::var("PROPTEST_CASES")
            .ok()
            .and_then(|n| n.parse().ok())
            .unwrap_or(cases),
        failure_persistence: None,
        max_shrink_iters: 20_000,
        ..ProptestConfig::default()
    }
}

fn choices() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..120)
}

proptest! {
    #![proptest_config(config(400))]

    /// The rows of a compiled program are those of its plan, also with literals that look like something else.
    #[test]
    fn rows_are_those_of_the_plan(choices in choices(), seed in 0_u64..40, hostile in any::<bool>()) {
        let statement = statement_with(&choices, hostile);
        compare(&statement, seed, &[]).map_err(TestCaseError::fail)?;
    }

    /// So they are with any rules switched off.
    #[test]
    fn rules_can_be_off(choices in choices(), seed in 0_u64..40, off in any::<u64>(), one in any::<prop::sample::Index>()) {
        let statement = statement(&choices);
        let names: Vec<&str> = rewrite::rules().map(|r| r.name).collect();
        let some = names.iter().enumerate().filter(|(i, _)| off >> (i % 64) & 1 == 1);
        let some: Vec<&str> = some.map(|(_, name)| *name).collect();
        for off in [some, vec![names[one.index(names.len())]], vec!["all"]] {
            compare(&statement, seed, &off).map_err(|e| TestCaseError::fail(format!("without {off:?}\n{e}")))?;
        }
    }

    /// Compiling is a function of the statement: the same bytes each time, and for its JSON and its text.
    #[test]
    fn statements_go_round(choices in choices(), seed in 0_u64..40, hostile in any::<bool>()) {
        let statement = statement_with(&choices, hostile);
        prop_assert_eq!(Statement::from_json(&statement.to_json()), Ok(statement.clone()));
        let compiled = |statement: &Statement| commands(statement, &[]);
        let first = compiled(&statement);
        prop_assert_eq!(&compiled(&statement), &first);
        let source = statement.to_text();
        let params = text::Params { app: Some("p".to_owned()), ..text::Params::default() };
        let read = match text::parse(&schema(), &source, &params) {
            Ok(parsed) => parsed.statement.expect("a statement"),
            // What Django refuses when the call is made.
            Err(_) if first.is_err() => return Ok(()),
            Err(e) => return Err(TestCaseError::fail(e.render(&source))),
        };
        // Expressions among the names of values() have no names of their own in a text.
        let unnamed = statement.calls.iter().any(|call| match call {
            Call::Values(fields) | Call::ValuesList { fields, .. } => !fields.exprs.is_empty(),
            _ => false,
        });
        if !unnamed {
            prop_assert_eq!(rows_of(&read, seed), rows_of(&statement, seed), "{}", source);
        }
        // Texts do not tell all nestings of conditions apart, but what is read once is read again.
        let again = text::parse(&schema(), &read.to_text(), &params).expect("a text of a statement");
        let again = again.statement.expect("a statement");
        prop_assert_eq!(compiled(&again), compiled(&read), "{}", source);
    }

    /// `filter(p)`, `filter(~p)` and the rows where `p` is unknown: on single-valued paths no row is in the first two, one
    /// that is in neither is unknown, `p` is true or false as a value exactly where a filter says so.
    #[test]
    fn conditions_divide_rows(choices in choices(), seed in SOUND..SOUND + 40) {
        let (model, q) = single_valued(&choices);
        // Django joins INNER what a filter's right side reads, also where a choice would do without it: such rows are not
        // in the filter, though the condition as a value is true of them.
        prop_assume!(!chooses::among_joined(&q));
        let keys = |calls: Vec<Call>| keys(model, calls, seed);
        let not = Q::Not(Box::new(q.clone()));
        let (Some(yes), Some(no), Some(out), Some(all)) = (
            keys(vec![Call::Filter(q.clone())]),
            keys(vec![Call::Filter(not)]),
            keys(vec![Call::Exclude(q.clone())]),
            keys(vec![]),
        ) else {
            return Ok(());
        };
        prop_assert_eq!(&out, &no, "exclude(p) is filter(~p): {:?}", q);
        prop_assert!(yes.is_disjoint(&no), "{:?}", q);
        let value = |wanted: Option<bool>| {
            let condition = Expr::Wrap { expr: Box::new(Expr::Q(Box::new(q.clone()))), output: Box::new(FieldType::new(FieldKind::BooleanField)) };
            let test = match wanted {
                Some(wanted) => Q::lookup("truth", Expr::Value(wanted.into())),
                None => Q::lookup("truth__isnull", Expr::Value(true.into())),
            };
            keys(vec![Call::Annotate(IndexMap::from([("truth".to_owned(), condition)])), Call::Filter(test)])
        };
        let (Some(t), Some(f), Some(unknown)) = (value(Some(true)), value(Some(false)), value(None)) else {
            return Ok(());
        };
        prop_assert_eq!(&yes, &t, "filter(p) is where p is true: {:?}", q);
        prop_assert!(f.is_subset(&no), "where p is false, ~p is true: {:?}", q);
        let mut either = yes;
        either.extend(no);
        for key in all {
            prop_assert!(either.contains(&key) || unknown.contains(&key), "{} is in none: {:?}", key, q);
        }
    }

    /// On a relation to many, `exclude()` leaves out exactly the rows that `filter()` finds by any related row.
    #[test]
    fn exclude_is_an_anti_join(choices in choices(), seed in SOUND..SOUND + 40) {
        let (model, q) = multi_valued(&choices);
        let keys = |calls: Vec<Call>| keys(model, calls, seed);
        let (Some(yes), Some(no), Some(all)) = (
            keys(vec![Call::Filter(q.clone())]),
            keys(vec![Call::Exclude(q.clone())]),
            keys(vec![]),
        ) else {
            return Ok(());
        };
        prop_assert!(yes.is_disjoint(&no), "{:?}", q);
        prop_assert_eq!(yes.union(&no).cloned().collect::<BTreeSet<_>>(), all, "{:?}", q);
    }

    /// Literals change no shape: two statements that differ in literals only give the same pipelines but for literals.
    #[test]
    fn values_change_no_shape(choices in choices()) {
        let (plain, hostile) = (statement_with(&choices, false), statement_with(&choices, true));
        for off in [&["all"][..], READ_VALUES] {
            let (Ok(a), Ok(b)) = (shape_of(&plain, off), shape_of(&hostile, off)) else {
                return Ok(());
            };
            prop_assert_eq!(a, b, "{}\n{}", plain.to_text(), hostile.to_text());
        }
    }
}

/// Rules that look at the values of literals, as their descriptions say.
const READ_VALUES: &[&str] = &[
    "constant_folding",
    "in_list",
    "or_to_in",
    "ranges",
    "subsumption",
    "date_ranges",
    "nothing",
    "sum_of_nothing",
    "first_row",
];

/// The commands of a statement as texts.
fn commands(statement: &Statement, off: &[&str]) -> Result<Vec<String>, String> {
    let compiled = compiler(off)
        .compile(statement)
        .map_err(|e| e.message().to_owned())?;
    let steps = compiled.program.steps.iter();
    Ok(steps.map(|step| format!("{step:?}")).collect())
}

fn compiler(off: &[&str]) -> Compiler {
    let disabled_rules = off.iter().map(|s| (*s).to_owned()).collect();
    Compiler::new(schema()).target(Target {
        disabled_rules,
        ..Target::default()
    })
}

/// The commands of a statement without their literals.
fn shape_of(statement: &Statement, off: &[&str]) -> Result<String, String> {
    let compiled = compiler(off)
        .compile(statement)
        .map_err(|e| e.message().to_owned())?;
    let steps: Vec<String> = compiled
        .program
        .steps
        .iter()
        .map(|step| erased(&format!("{:?}", step.command)))
        .collect();
    Ok(steps.join("\n"))
}

/// A tree's debug form with nothing between the parentheses of what holds literals.
fn erased(text: &str) -> String {
    const HOLDERS: [&str; 10] = [
        "Literal(", "Eq(", "Ne(", "Lt(", "Lte(", "Gt(", "Gte(", "In(", "Nin(", "All(",
    ];
    let bytes = text.as_bytes();
    let mut out = String::new();
    let mut at = 0;
    while at < text.len() {
        let starts = !out.ends_with(|c: char| c.is_alphanumeric());
        if starts && let Some(holder) = HOLDERS.iter().find(|h| text[at..].starts_with(**h)) {
            out += holder;
            at = skip(bytes, at + holder.len());
            continue;
        }
        if starts && text[at..].starts_with("pattern: \"") {
            out += "pattern: ";
            at += "pattern: ".len();
            at = skip_text(bytes, at);
            continue;
        }
        let c = text[at..].chars().next().expect("a letter");
        out.push(c);
        at += c.len_utf8();
    }
    out
}

/// The place of the parenthesis that closes.
fn skip(bytes: &[u8], mut at: usize) -> usize {
    let mut depth = 0;
    loop {
        match bytes[at] {
            b'"' => {
                at = skip_text(bytes, at);
                continue;
            }
            b'(' => depth += 1,
            b')' if depth == 0 => return at,
            b')' => depth -= 1,
            _ => {}
        }
        at += 1;
    }
}

fn skip_text(bytes: &[u8], mut at: usize) -> usize {
    at += 1;
    while bytes[at] != b'"' {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    at + 1
}

/// Primary keys of the rows that calls leave, if they are compiled.
fn keys(model: &str, mut calls: Vec<Call>, seed: u64) -> Option<BTreeSet<String>> {
    calls.push(Call::ValuesList {
        fields: ValuesFields {
            fields: vec!["pk".to_owned()],
            exprs: IndexMap::new(),
        },
        flat: true,
        named: false,
    });
    let statement = Statement {
        model: model.to_owned(),
        calls,
        action: Do::Rows,
    };
    let compiled = compiler(&[]).compile(&statement).ok()?;
    let rows = support::wait(world(seed).executor.rows(&compiled)).expect("rows");
    Some(rows.iter().map(|r| format!("{r:?}")).collect())
}

/// Names of annotations that look like paths and operators are names.
#[test]
fn hostile_names_are_names() {
    for name in [
        "$x", "a.b", "_id", "$$ROOT", "count", "é", "x.$y", "0", "__proto",
    ] {
        for value in texts::HOSTILE {
            let value = Expr::Value(value.into());
            let named = Call::Annotate(IndexMap::from([(name.to_owned(), value)]));
            let statement = Statement {
                model: "p.Tag".to_owned(),
                calls: vec![named, Call::OrderBy(vec![OrderTerm::Name("pk".to_owned())])],
                action: Do::Rows,
            };
            compare(&statement, 3, &[]).unwrap_or_else(|e| panic!("{name}: {e}"));
        }
    }
}

/// Updates store their values as they are, whatever they look like.
#[test]
fn hostile_values_are_stored() {
    let schema = schema();
    for (field, ty) in [
        ("title", Ty::Text),
        ("pages", Ty::Int),
        ("rating", Ty::Float),
        ("price", Ty::Dec),
        ("published", Ty::Date),
        ("added", Ty::DateTime),
        ("keywords", Ty::Texts),
        ("marks", Ty::Ints),
        ("meta", Ty::Json),
    ] {
        let model = schema.find("p.Book").expect("the model");
        let field = model
            .fields
            .iter()
            .find(|f| f.name == field)
            .expect("a field");
        for choice in 0..12 {
            let list = [choice, choice, choice + 1];
            let mut choices = dice::Choices::new(&list);
            choices.hostile = true;
            let value = literal::literal(&mut choices, ty);
            let stored = storage::to_bson(&schema, &field.ty, &value).expect("a value");
            let world = run::load(data::data(&schema, 3));
            let update = Statement {
                model: "p.Book".to_owned(),
                calls: Vec::new(),
                action: Do::Update(IndexMap::from([(
                    field.name.clone(),
                    Expr::Value(value.clone()),
                )])),
            };
            let compiled = compiler(&[]).compile(&update).expect("an update");
            support::wait(world.executor.execute(&compiled)).expect("a write");
            let find = bson::doc! {"find": &model.collection};
            let reply = world
                .executor
                .engine()
                .run_command("test", find)
                .expect("a reply");
            let batch = reply.get_document("cursor").expect("a cursor");
            for document in batch.get_array("firstBatch").expect("documents") {
                let found = document.as_document().and_then(|d| d.get(&field.column));
                assert_eq!(found, Some(&stored), "{}: {value:?}", field.name);
            }
        }
    }
}

/// Statements that once went wrong, in every world, with all rules and with none.
#[test]
fn what_was_found_stays_mended() {
    let params = text::Params {
        app: Some("p".to_owned()),
        ..text::Params::default()
    };
    for line in include_str!("properties/found.txt").lines() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let parsed = text::parse(&schema(), line, &params);
        let parsed = parsed.unwrap_or_else(|e| panic!("{}", e.render(line)));
        let statement = parsed.statement.expect("a statement");
        for seed in 0..40 {
            for off in [&[][..], &["all"]] {
                compare(&statement, seed, off).unwrap_or_else(|e| panic!("{seed} {off:?}\n{e}"));
            }
        }
    }
}

/// Random statements mean something: most are compiled and have one answer.
#[test]
fn random_statements_mean_something() {
    let mut dice = Dice::new(11);
    let mut verdicts: BTreeMap<String, u32> = BTreeMap::new();
    let (mut same, mut all) = (0, 0);
    for _ in 0..400 {
        let choices: Vec<u8> = (0..120).map(|_| dice.roll(256) as u8).collect();
        let verdict = match compare(&statement(&choices), 3, &[]) {
            Ok(Verdict::Refused(code, message)) => format!("{code:?} {message}"),
            Ok(verdict) => format!("{verdict:?}"),
            Err(_) => "different".to_owned(),
        };
        all += 1;
        same += u32::from(verdict == "Same");
        *verdicts.entry(verdict).or_default() += 1;
    }
    println!("{verdicts:#?}");
    assert!(same * 10 > all * 6, "{verdicts:#?}");
}

/// Rows are the interpreter's, on statements from a generator without shrinking, so that several failures are shown at once, each in
/// its simplest form: `SURVEY=<cases> SEED=<n> cargo test --test properties survey`.
#[test]
fn survey() {
    let number = |name: &str, default: u64| {
        std::env::var(name)
            .ok()
            .and_then(|n| n.parse().ok())
            .unwrap_or(default)
    };
    let mut dice = Dice::new(number("SEED", 5));
    let mut found = 0;
    for _ in 0..number("SURVEY", 300) {
        let mut choices: Vec<u8> = (0..120).map(|_| dice.roll(256) as u8).collect();
        let seed = dice.roll(40);
        let fails = |choices: &[u8]| compare(&statement(choices), seed, &[]).is_err();
        if !fails(&choices) {
            continue;
        }
        let mut size = 60;
        while size > 0 {
            let mut at = 0;
            while at < choices.len() {
                let stop = (at + size).min(choices.len());
                let mut shorter = choices.clone();
                shorter.drain(at..stop);
                if fails(&shorter) {
                    choices = shorter;
                } else {
                    at += size;
                }
            }
            size /= 2;
        }
        for i in 0..choices.len() {
            for smaller in (0..choices[i]).filter(|n| *n < 16) {
                let mut simpler = choices.clone();
                simpler[i] = smaller;
                if fails(&simpler) {
                    choices = simpler;
                    break;
                }
            }
        }
        let difference = compare(&statement(&choices), seed, &[]).unwrap_err();
        println!("==== {choices:?} seed {seed}\n{difference}\n");
        found += 1;
        if found >= number("MOST", 12) {
            break;
        }
    }
    assert_eq!(found, 0, "rows differ");
}
