//! Aggregates over groups on the embedded engine.

use super::*;
use FieldKind as K;
use mqlc_compiler::functions::{LoweredAggregate, LoweredKey};
use mqlc_executors::memory::accumulator::Accumulator;

/// An aggregate with its parts.
struct Case {
    args: Vec<LoweredArg>,
    distinct: bool,
    filter: bool,
    order: Vec<LoweredKey>,
    sample: bool,
}

fn case(args: &[LoweredArg]) -> Case {
    Case {
        args: args.to_vec(),
        distinct: false,
        filter: false,
        order: Vec::new(),
        sample: false,
    }
}

impl Case {
    fn over(&self, function: &str, kind: K, rows: &[Document]) -> Bson {
        let mut next = 0;
        let mut names = || {
            next += 1;
            format!("x{next}")
        };
        let mut options = IndexMap::new();
        if self.sample {
            options.insert("sample".to_owned(), Literal::Bool(true));
        }
        let ty = FieldType::new(kind);
        let call = LoweredAggregate {
            function,
            args: &self.args,
            distinct: self.distinct,
            filter: self.filter.then(|| Expr::field(["ok"])),
            order: &self.order,
            options: &options,
            ty: &ty,
            never_null: false,
            always_there: false,
        };
        let grouped = Registry::django()
            .lower_aggregate(&call, &mut names, &server())
            .unwrap();
        let evaluation = Evaluation {
            seed: 1,
            ..Evaluation::default()
        };
        let mut env = Env::new(&evaluation);
        let mut out = Document::new();
        for (name, accumulator) in &grouped.fields {
            let compiled =
                Accumulator::compile(accumulator.op, &arguments(&accumulator.args), &Scope::new())
                    .unwrap();
            let mut state = compiled.new_state();
            for row in rows {
                env.set_root(Stored::from_bson(row));
                compiled.add(&mut state, &mut env).unwrap();
            }
            out.insert(name, bson_of(compiled.finish(state, &mut env).unwrap()));
        }
        bson_of(eval(&grouped.value, &out).unwrap())
    }
}

fn rows() -> Vec<Document> {
    vec![
        doc! { "n": 3_i64, "s": "c", "ok": true, "k": 2, "b": true },
        doc! { "n": Bson::Null, "s": Bson::Null, "ok": true, "k": 1, "b": Bson::Null },
        doc! { "n": 5_i64, "s": "a", "ok": false, "k": 3, "b": false },
        doc! { "ok": Bson::Null, "k": 0 },
        doc! { "n": 3_i64, "s": "b", "ok": true, "k": 5, "b": true },
    ]
}

fn number(value: &Bson) -> f64 {
    match value {
        Bson::Int32(n) => f64::from(*n),
        Bson::Int64(n) => *n as f64,
        Bson::Double(n) => *n,
        Bson::Decimal128(n) => n.to_string().parse().unwrap(),
        other => panic!("{other}"),
    }
}

#[test]
fn numbers() {
    let n = || case(&[field("n", K::IntegerField)]);
    let distinct = || Case {
        distinct: true,
        ..n()
    };
    let filtered = || Case {
        filter: true,
        ..n()
    };
    let i = K::IntegerField;
    let is = |case: &Case, function: &str, kind: K, expected: f64| {
        let found = number(&case.over(function, kind, &rows()));
        assert!(
            (found - expected).abs() < 1e-9,
            "{function}: {found}, not {expected}"
        );
    };
    is(&case(&[]), "Count", i, 5.0);
    is(&n(), "Count", i, 3.0);
    is(&distinct(), "Count", i, 2.0);
    is(&filtered(), "Count", i, 2.0);
    is(&n(), "Sum", i, 11.0);
    is(&distinct(), "Sum", i, 8.0);
    is(&filtered(), "Sum", i, 6.0);
    is(&n(), "Avg", K::FloatField, 11.0 / 3.0);
    is(&distinct(), "Avg", K::FloatField, 4.0);
    is(&n(), "Min", i, 3.0);
    is(&n(), "Max", i, 5.0);
    is(&filtered(), "Max", i, 3.0);
    is(&n(), "StdDev", K::FloatField, (8.0_f64 / 9.0).sqrt());
    is(&n(), "Variance", K::FloatField, 8.0 / 9.0);
    is(
        &Case {
            sample: true,
            ..n()
        },
        "Variance",
        K::FloatField,
        4.0 / 3.0,
    );
    is(&n(), "BitAnd", i, 1.0);
    is(&n(), "BitOr", i, 7.0);
    is(&n(), "BitXor", i, 5.0);
    is(&n(), "AnyValue", i, 3.0);
}

#[test]
fn nothing_is_null_and_a_count_of_nothing_is_zero() {
    let none = [doc! { "ok": false }, doc! { "n": Bson::Null, "ok": true }];
    for rows in [&none[..], &[]] {
        for filter in [false, true] {
            let case = Case {
                filter,
                ..case(&[field("n", K::IntegerField)])
            };
            for function in [
                "Sum", "Avg", "Min", "Max", "StdDev", "BitAnd", "BitXor", "BoolOr",
            ] {
                assert_eq!(
                    case.over(function, K::IntegerField, rows),
                    Bson::Null,
                    "{function}"
                );
            }
            assert_eq!(number(&case.over("Count", K::IntegerField, rows)), 0.0);
            let distinct = Case {
                distinct: true,
                ..case
            };
            assert_eq!(number(&distinct.over("Count", K::IntegerField, rows)), 0.0);
            assert_eq!(distinct.over("Sum", K::IntegerField, rows), Bson::Null);
        }
    }
    let texts = case(&[field("s", K::CharField), literal(";", K::CharField)]);
    assert_eq!(texts.over("StringAgg", K::TextField, &none), Bson::Null);
}

#[test]
fn booleans() {
    let b = case(&[field("b", K::BooleanField)]);
    assert_eq!(
        b.over("BoolAnd", K::BooleanField, &rows()),
        Bson::Boolean(false)
    );
    assert_eq!(
        b.over("BoolOr", K::BooleanField, &rows()),
        Bson::Boolean(true)
    );
}

#[test]
fn lists_and_texts() {
    let key = |desc: bool| LoweredKey {
        expr: Expr::field(["k"]),
        desc,
        nulls: None,
        ty: ty(K::IntegerField),
        nullable: false,
    };
    let s = || case(&[field("s", K::CharField)]);
    let t = || case(&[field("s", K::CharField), literal(";", K::CharField)]);
    let texts = |texts: &[Option<&str>]| {
        Bson::Array(
            texts
                .iter()
                .map(|t| t.map_or(Bson::Null, Bson::from))
                .collect(),
        )
    };
    let a = K::ArrayField;
    assert_eq!(
        s().over("ArrayAgg", a, &rows()),
        texts(&[Some("c"), None, Some("a"), None, Some("b")])
    );
    let ordered = Case {
        order: vec![key(true)],
        ..s()
    };
    assert_eq!(
        ordered.over("ArrayAgg", a, &rows()),
        texts(&[Some("b"), Some("a"), Some("c"), None, None])
    );
    let filtered = Case {
        filter: true,
        order: vec![key(false)],
        ..s()
    };
    assert_eq!(
        filtered.over("ArrayAgg", a, &rows()),
        texts(&[None, Some("c"), Some("b")])
    );
    let distinct = Case {
        distinct: true,
        ..s()
    };
    assert_eq!(
        distinct.over("ArrayAgg", a, &rows()),
        texts(&[None, Some("a"), Some("b"), Some("c")])
    );
    assert_eq!(
        t().over("StringAgg", K::TextField, &rows()),
        Bson::from("c;a;b")
    );
    let ordered = Case {
        order: vec![key(true)],
        ..t()
    };
    assert_eq!(
        ordered.over("StringAgg", K::TextField, &rows()),
        Bson::from("b;a;c")
    );
}

#[test]
fn regressions() {
    // y = 2 x + 1, with two rows that lack a value
    let rows: Vec<Document> = vec![
        doc! { "x": 1, "y": 3 },
        doc! { "x": 2, "y": 5 },
        doc! { "x": 4, "y": 9 },
        doc! { "x": 7 },
        doc! { "y": 7 },
    ];
    let yx = case(&[field("y", K::IntegerField), field("x", K::IntegerField)]);
    let is = |function: &str, expected: f64| {
        let found = number(&yx.over(function, K::FloatField, &rows));
        assert!(
            (found - expected).abs() < 1e-9,
            "{function}: {found}, not {expected}"
        );
    };
    is("RegrCount", 3.0);
    is("RegrSlope", 2.0);
    is("RegrIntercept", 1.0);
    is("RegrR2", 1.0);
    is("Corr", 1.0);
    is("RegrAvgX", 7.0 / 3.0);
    is("RegrAvgY", 17.0 / 3.0);
    is("CovarPop", 28.0 / 9.0);
    assert_eq!(yx.over("Corr", K::FloatField, &[]), Bson::Null);
}
