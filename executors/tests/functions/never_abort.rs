//! No function aborts a query, whatever stored values of its arguments' types it meets.

use super::*;
use FieldKind as K;
use mqlc_compiler::functions::Kind;

/// Values that a field of a kind can hold, edges first.
fn samples(kind: K) -> Vec<Bson> {
    let mut values = match kind {
        K::IntegerField => vec![
            Bson::Int64(0),
            Bson::Int64(1),
            Bson::Int64(-1),
            Bson::Int64(7),
        ],
        K::BigIntegerField => vec![Bson::Int64(i64::from(i32::MAX) + 1), Bson::Int64(-7)],
        K::FloatField => vec![
            Bson::Double(0.0),
            Bson::Double(-1.5),
            Bson::Double(1e300),
            Bson::Double(f64::NAN),
            Bson::Double(f64::INFINITY),
        ],
        K::DecimalField => vec![dec("0"), dec("-0.5"), dec("1E+30"), dec("2")],
        K::CharField => ["", "a", "É€\u{1F600}", "12", "$x", "  "]
            .iter()
            .map(|s| Bson::from(*s))
            .collect(),
        K::BooleanField => vec![Bson::Boolean(true), Bson::Boolean(false)],
        K::DateTimeField => vec![
            // a day from the border: in some zones the first day lies before the year 1
            at("0001-01-02T00:00:00Z"),
            at("2024-02-29T23:59:59.999Z"),
            at("9999-12-29T23:59:59Z"),
        ],
        K::DateField => vec![at("0001-01-01T00:00:00Z"), at("2024-02-29T00:00:00Z")],
        K::TimeField => vec![at("0001-01-01T00:00:00Z"), at("0001-01-01T23:59:59.999Z")],
        K::DurationField => vec![Bson::Int64(0), Bson::Int64(-86_400_001)],
        K::JSONField => vec![
            Bson::from("a"),
            Bson::Int64(1),
            Bson::Array(vec![Bson::Int64(1)]),
            Bson::Document(doc! { "a": 1 }),
            Bson::Boolean(true),
        ],
        K::ArrayField => vec![
            Bson::Array(vec![]),
            Bson::Array(vec![Bson::Int64(1), Bson::Null]),
        ],
        K::UUIDField => vec![Bson::from("aaaaaaaabbbb4ccc8dddeeeeeeeeeeee")],
        _ => vec![],
    };
    values.push(Bson::Null);
    values
}

const KINDS: [K; 12] = [
    K::IntegerField,
    K::BigIntegerField,
    K::FloatField,
    K::DecimalField,
    K::CharField,
    K::BooleanField,
    K::DateTimeField,
    K::DateField,
    K::TimeField,
    K::DurationField,
    K::JSONField,
    K::UUIDField,
];

/// Documents over one or two fields, and those in which they are missing.
fn documents(kinds: &[K]) -> Vec<Document> {
    let mut documents = vec![Document::new()];
    for (i, kind) in kinds.iter().enumerate() {
        let mut more = Vec::new();
        for document in &documents {
            for value in samples(*kind) {
                let mut document = document.clone();
                document.insert(format!("a{i}"), value);
                more.push(document);
            }
        }
        documents.extend(more);
    }
    documents
}

/// What the arguments of functions that want certain types are.
fn fits(name: &str, kinds: &[K]) -> bool {
    let textual = |k: K| {
        matches!(
            k,
            K::CharField | K::JSONField | K::UUIDField | K::IntegerField
        )
    };
    let number = |k: K| {
        matches!(
            k,
            K::IntegerField | K::FloatField | K::DecimalField | K::JSONField
        )
    };
    let math = [
        "Abs", "Ceil", "Floor", "Sign", "ATan", "Cos", "Sin", "Tan", "Cot", "Degrees", "Radians",
        "Exp", "ACos", "ASin", "Ln", "Sqrt", "ATan2", "Log", "Mod", "Power",
    ];
    match name {
        _ if math.contains(&name) => kinds.iter().all(|k| number(*k)),
        "Chr" => kinds[0] == K::IntegerField,
        "Left" | "Right" | "Repeat" | "Substr" => {
            textual(kinds[0]) && kinds[1..].iter().all(|k| *k == K::IntegerField)
        }
        "LPad" | "RPad" => {
            textual(kinds[0])
                && kinds[1] == K::IntegerField
                && kinds.get(2).is_some_and(|k| *k == K::CharField)
        }
        "Replace" => kinds.iter().all(|k| *k == K::CharField),
        "Round" => number(kinds[0]) && kinds.get(1).is_none_or(|k| *k == K::IntegerField),
        _ => true,
    }
}

/// Calls a function on all documents over fields of the kinds.
fn run(
    name: &str,
    kinds: &[K],
    options: &[(&str, &str)],
    to: K,
    failures: &mut Vec<String>,
) -> usize {
    let args: Vec<LoweredArg> = kinds
        .iter()
        .enumerate()
        .map(|(i, k)| field(&format!("a{i}"), *k))
        .collect();
    let Ok(expr) = lower(name, &args, options, &FieldType::new(to)) else {
        return 0;
    };
    let rejects_null = Registry::django().null_rule(name).rejects_null();
    let documents = documents(kinds);
    for document in &documents {
        let is_null = |i: usize| matches!(document.get(format!("a{i}")), None | Some(Bson::Null));
        match eval(&expr, document) {
            Err(error) => failures.push(format!("{name} {kinds:?} {document}: {error}")),
            Ok(value) => {
                let any_null = (0..kinds.len()).any(is_null);
                if rejects_null && any_null && !value.is_nullish() {
                    failures.push(format!("{name} {kinds:?} {document}: {value:?} for NULL"));
                }
            }
        }
    }
    documents.len()
}

fn report(count: usize, failures: &[String]) {
    let shown: Vec<&String> = failures.iter().take(12).collect();
    assert!(
        failures.is_empty(),
        "{} of {count} fail: {shown:#?}",
        failures.len()
    );
    assert!(count > 100, "only {count} evaluations");
}

#[test]
fn scalar_functions() {
    let registry = Registry::django();
    let mut failures = Vec::new();
    let mut count = 0;
    for function in registry.iter() {
        let Kind::Scalar(_) = function.kind else {
            continue;
        };
        if function.name.starts_with("Array")
            || function.name == "Cast"
            || function.options.contains(&"tzinfo")
        {
            continue;
        }
        let arity = function.arity.min..=function.arity.max.unwrap_or(function.arity.min).min(3);
        for n in arity {
            let mut combinations: Vec<Vec<K>> = vec![Vec::new()];
            for i in 0..n {
                // all kinds for the first argument, a few for the others
                let kinds: &[K] = if i == 0 {
                    &KINDS
                } else {
                    &[K::IntegerField, K::CharField, K::FloatField]
                };
                combinations = combinations
                    .into_iter()
                    .flat_map(|c| kinds.iter().map(move |k| [c.clone(), vec![*k]].concat()))
                    .collect();
            }
            for kinds in combinations
                .iter()
                .filter(|k| k.is_empty() || fits(function.name, k))
            {
                let to = kinds.first().copied().unwrap_or(K::FloatField);
                count += run(function.name, kinds, &[], to, &mut failures);
            }
        }
    }
    report(count, &failures);
}

#[test]
fn casts() {
    let mut failures = Vec::new();
    let mut count = 0;
    for from in KINDS {
        for to in KINDS {
            count += run("Cast", &[from], &[], to, &mut failures);
        }
    }
    report(count, &failures);
}

#[test]
fn dates() {
    let mut failures = Vec::new();
    let mut count = 0;
    let parts = [
        "year",
        "iso_year",
        "month",
        "day",
        "week",
        "week_day",
        "iso_week_day",
        "quarter",
        "hour",
        "minute",
        "second",
    ];
    let zones = [None, Some("America/St_Johns"), Some("-09:30")];
    for from in [
        K::DateTimeField,
        K::DateField,
        K::TimeField,
        K::DurationField,
    ] {
        for zone in zones
            .into_iter()
            .filter(|z| z.is_none() || from == K::DateTimeField)
        {
            for part in parts {
                let mut options = vec![("lookup_name", part)];
                options.extend(zone.map(|z| ("tzinfo", z)));
                count += run("Extract", &[from], &options, K::IntegerField, &mut failures);
            }
            for kind in [
                "year", "quarter", "month", "week", "day", "hour", "minute", "second", "date",
                "time",
            ] {
                for to in [K::DateTimeField, K::DateField, K::TimeField] {
                    let mut options = vec![("kind", kind)];
                    options.extend(zone.map(|z| ("tzinfo", z)));
                    let sensible = match (from, to) {
                        (K::DateTimeField, _) => true,
                        (a, b) => a == b,
                    };
                    if sensible {
                        count += run("Trunc", &[from], &options, to, &mut failures);
                    }
                }
            }
        }
    }
    report(count, &failures);
}

#[test]
fn arithmetic() {
    use mqlc_compiler::queryset::ArithmeticOp;
    let mut failures = Vec::new();
    let mut count = 0;
    for (op, sign) in ArithmeticOp::ALL {
        for a in KINDS {
            for b in KINDS {
                let Some(to) = mqlc_compiler::functions::combined_type(op, Some(a), Some(b)) else {
                    continue;
                };
                let (l, r) = (field("a0", a), field("a1", b));
                let expr = Registry::django()
                    .lower_arithmetic(op, &l, &r, &FieldType::new(to), &server())
                    .unwrap();
                for document in documents(&[a, b]) {
                    count += 1;
                    if let Err(error) = eval(&expr, &document) {
                        failures.push(format!("{a:?} {sign} {b:?} {document}: {error}"));
                    }
                }
            }
        }
    }
    report(count, &failures);
}
