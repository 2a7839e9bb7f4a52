//! Types and refusals, as Django 5.2 decides them.

use super::*;
use crate::functions::{AggregateRequest, combined_type, infer};
use crate::queryset::ArithmeticOp as Op;
use FieldKind as K;

#[test]
fn combinations_have_djangos_types() {
    let cases = [
        (
            Op::Add,
            K::IntegerField,
            K::IntegerField,
            Some(K::IntegerField),
        ),
        (
            Op::Add,
            K::BigAutoField,
            K::SmallIntegerField,
            Some(K::IntegerField),
        ),
        (
            Op::Add,
            K::PositiveIntegerField,
            K::PositiveIntegerField,
            Some(K::PositiveIntegerField),
        ),
        (
            Op::Sub,
            K::PositiveIntegerField,
            K::PositiveIntegerField,
            Some(K::IntegerField),
        ),
        (
            Op::Add,
            K::PositiveBigIntegerField,
            K::PositiveBigIntegerField,
            Some(K::IntegerField),
        ),
        (Op::Div, K::IntegerField, K::FloatField, Some(K::FloatField)),
        (Op::Pow, K::IntegerField, K::FloatField, None),
        (
            Op::Mul,
            K::DecimalField,
            K::IntegerField,
            Some(K::DecimalField),
        ),
        (Op::Mul, K::DecimalField, K::FloatField, None),
        (
            Op::BitAnd,
            K::IntegerField,
            K::PositiveSmallIntegerField,
            Some(K::IntegerField),
        ),
        (Op::BitAnd, K::FloatField, K::IntegerField, None),
        (
            Op::Add,
            K::DateField,
            K::DurationField,
            Some(K::DateTimeField),
        ),
        (
            Op::Add,
            K::DurationField,
            K::DateTimeField,
            Some(K::DateTimeField),
        ),
        (Op::Add, K::DurationField, K::TimeField, Some(K::TimeField)),
        (
            Op::Sub,
            K::DateTimeField,
            K::DateField,
            Some(K::DurationField),
        ),
        (Op::Sub, K::TimeField, K::TimeField, Some(K::DurationField)),
        (Op::Sub, K::DurationField, K::DateField, None),
        (Op::Add, K::DateField, K::DateField, None),
        (Op::Mul, K::DurationField, K::IntegerField, None),
        (Op::Add, K::CharField, K::CharField, None),
        (Op::Add, K::BooleanField, K::IntegerField, None),
    ];
    for (op, lhs, rhs, expected) in cases {
        let found = combined_type(op, Some(lhs), Some(rhs));
        assert_eq!(found, expected, "{lhs:?} {} {rhs:?}", op.sign());
    }
    assert_eq!(
        combined_type(Op::Add, None, Some(K::FloatField)),
        Some(K::FloatField)
    );
    assert_eq!(combined_type(Op::BitOr, None, Some(K::IntegerField)), None);
}

#[test]
fn types_that_do_not_combine_are_refused_in_djangos_words() {
    let columns = columns();
    let settings = Settings::default();
    let cx = Context {
        columns: &columns,
        settings: &settings,
        lenient: false,
    };
    let registry = Registry::django();
    let combine =
        |op, l, r| registry.combine(op, column(&columns, l), column(&columns, r), None, &cx);
    assert_eq!(
        said(&combine(Op::Add, K::IntegerField, K::CharField).unwrap_err()),
        "FieldError: Cannot infer type of '+' expression involving these types: IntegerField, CharField. You must set output_field."
    );
    assert_eq!(
        said(&combine(Op::Mod, K::DateField, K::IntegerField).unwrap_err()),
        "FieldError: Cannot infer type of '%%' expression involving these types: DateField, IntegerField. You must set output_field."
    );
    // with an output field nothing is inferred
    let wrapped = registry
        .combine(
            Op::Mul,
            column(&columns, K::DurationField),
            column(&columns, K::FloatField),
            Some(ty(K::DurationField)),
            &cx,
        )
        .unwrap();
    assert_eq!(wrapped.ty(&columns).unwrap().kind, K::DurationField);
    let negated = registry
        .negate(column(&columns, K::FloatField), None, &cx)
        .unwrap();
    assert_eq!(negated.ty(&columns).unwrap().kind, K::FloatField);
}

#[test]
fn mixed_types_are_refused_and_subclasses_are_not_mixed() {
    let some = |k| Some(ty(k));
    assert_eq!(
        infer(&[None, some(K::TextField), None])
            .unwrap()
            .unwrap()
            .kind,
        K::TextField
    );
    assert!(infer(&[None, None]).unwrap().is_none());
    assert_eq!(
        infer(&[some(K::EmailField), some(K::CharField)])
            .unwrap()
            .unwrap()
            .kind,
        K::EmailField
    );
    let error = infer(&[some(K::CharField), some(K::EmailField)]).unwrap_err();
    assert_eq!(
        said(&error),
        "FieldError: Expression contains mixed types: CharField, EmailField. You must set output_field."
    );
    assert_eq!(
        resolve("Coalesce", &[K::DateTimeField, K::DateField])
            .unwrap()
            .1,
        K::DateTimeField
    );
    assert!(resolve("Coalesce", &[K::TextField, K::CharField]).is_err());
    assert!(resolve("Concat", &[K::CharField, K::TextField]).is_err());
    assert_eq!(
        resolve("Concat", &[K::CharField, K::CharField, K::CharField])
            .unwrap()
            .1,
        K::CharField
    );
}

#[test]
fn functions_have_the_types_of_their_classes() {
    let cases: &[(&str, &[K], K)] = &[
        ("Length", &[K::TextField], K::IntegerField),
        ("Lower", &[K::SlugField], K::SlugField),
        ("Upper", &[K::IntegerField], K::IntegerField),
        ("Abs", &[K::SmallIntegerField], K::SmallIntegerField),
        ("Ceil", &[K::DecimalField], K::DecimalField),
        ("Sqrt", &[K::IntegerField], K::FloatField),
        ("Sqrt", &[K::DecimalField], K::DecimalField),
        (
            "Power",
            &[K::IntegerField, K::DecimalField],
            K::DecimalField,
        ),
        ("Power", &[K::FloatField, K::IntegerField], K::FloatField),
        ("Mod", &[K::FloatField, K::FloatField], K::FloatField),
        ("Round", &[K::DecimalField], K::DecimalField),
        ("Pi", &[], K::FloatField),
        ("Random", &[], K::FloatField),
        ("Now", &[], K::DateTimeField),
        ("JSONObject", &[], K::JSONField),
        ("StrIndex", &[K::CharField, K::CharField], K::IntegerField),
        ("NullIf", &[K::DateField, K::DateField], K::DateField),
        ("Greatest", &[K::FloatField, K::FloatField], K::FloatField),
        ("ExtractYear", &[K::DateField], K::IntegerField),
        ("TruncMonth", &[K::DateTimeField], K::DateTimeField),
        ("TruncMonth", &[K::DateField], K::DateField),
        ("TruncDate", &[K::DateTimeField], K::DateField),
        ("TruncTime", &[K::DateTimeField], K::TimeField),
        ("TruncHour", &[K::TimeField], K::TimeField),
        ("MD5", &[K::CharField], K::CharField),
        ("UUID4", &[], K::UUIDField),
    ];
    for (name, kinds, expected) in cases {
        let found = resolve(name, kinds).map(|(_, kind)| kind);
        assert_eq!(
            found.as_ref().ok(),
            Some(expected),
            "{name}({kinds:?}): {found:?}"
        );
    }
}

#[test]
fn wrong_calls_are_refused_in_djangos_words() {
    let int = |n: i64| Arg::literal(n, K::IntegerField);
    let with = |name: &str, kinds: &[K], args: Vec<Arg>| {
        let result = resolve_call(name, kinds, |mut call| {
            call.args.extend(args);
            call
        });
        said(&result.unwrap_err())
    };
    let cases = [
        (
            with("Coalesce", &[K::CharField], vec![]),
            "ValueError: Coalesce must take at least two expressions",
        ),
        (
            with("Greatest", &[K::CharField], vec![]),
            "ValueError: Greatest must take at least two expressions",
        ),
        (
            with("Concat", &[K::CharField], vec![]),
            "ValueError: Concat must take at least two expressions",
        ),
        (
            with("NullIf", &[K::CharField], vec![]),
            "TypeError: 'NullIf' takes exactly 2 arguments (1 given)",
        ),
        (
            with("Length", &[], vec![]),
            "TypeError: 'Length' takes exactly 1 argument (0 given)",
        ),
        (
            with("Left", &[K::CharField], vec![int(0)]),
            "ValueError: 'length' must be greater than 0.",
        ),
        (
            with("Right", &[K::CharField], vec![int(0)]),
            "ValueError: 'length' must be greater than 0.",
        ),
        (
            with("Substr", &[K::CharField], vec![int(0)]),
            "ValueError: 'pos' must be greater than 0",
        ),
        (
            with("LPad", &[K::CharField], vec![int(-1)]),
            "ValueError: 'length' must be greater or equal to 0.",
        ),
        (
            with("Repeat", &[K::CharField], vec![int(-1)]),
            "ValueError: 'number' must be greater or equal to 0.",
        ),
        (
            with("ExtractHour", &[K::DateField], vec![]),
            "ValueError: Cannot extract time component 'hour' from DateField 'DateField'.",
        ),
        (
            with("ExtractYear", &[K::DurationField], vec![]),
            "ValueError: Cannot extract component 'year' from DurationField 'DurationField'.",
        ),
        (
            with("ExtractYear", &[K::CharField], vec![]),
            "ValueError: Extract input expression must be DateField, DateTimeField, TimeField, or DurationField.",
        ),
        (
            with("Extract", &[K::DateField], vec![]),
            "ValueError: lookup_name must be provided",
        ),
        (
            with("TruncYear", &[K::CharField], vec![]),
            "TypeError: 'CharField' isn't a DateField, TimeField, or DateTimeField.",
        ),
        (
            with("TruncHour", &[K::DateField], vec![]),
            "ValueError: Cannot truncate DateField 'DateField' to DateTimeField.",
        ),
        (
            with("TruncTime", &[K::DateField], vec![]),
            "ValueError: Cannot truncate DateField 'DateField' to TimeField.",
        ),
        (
            with("TruncYear", &[K::TimeField], vec![]),
            "ValueError: Cannot truncate TimeField 'TimeField' to DateTimeField.",
        ),
        (
            with("TruncDate", &[K::TimeField], vec![]),
            "ValueError: Cannot truncate TimeField 'TimeField' to DateField.",
        ),
    ];
    for (found, expected) in cases {
        assert_eq!(found, expected);
    }
    let to_integer = resolve_call("TruncYear", &[K::DateTimeField], |c| {
        c.output(Some(ty(K::IntegerField)))
    });
    assert_eq!(
        said(&to_integer.unwrap_err()),
        "ValueError: output_field must be either DateField, TimeField, or DateTimeField"
    );
    let collation = resolve_call("Collate", &[K::CharField], |c| {
        c.option("collation", "a; b")
    });
    assert_eq!(
        said(&collation.unwrap_err()),
        "ValueError: Invalid collation name: 'a; b'."
    );
    assert!(resolve("Nonsense", &[]).unwrap_err().choices().len() > 100);
}

#[test]
fn zones_are_put_into_calls_on_datetimes_only() {
    let zone = |name: &str, kind: K, given: Option<&str>| {
        let resolved = resolve_call(name, &[kind], |c| match given {
            Some(zone) => c.option("tzinfo", zone),
            None => c,
        });
        match resolved {
            Ok((Scalar::Call(call), _)) => {
                let crate::plan::FunctionCall {
                    function, options, ..
                } = *call;
                let options: Vec<String> = options
                    .iter()
                    .map(|(k, v)| match v {
                        Value::Str(v) => format!("{k}={v}"),
                        other => format!("{k}={other:?}"),
                    })
                    .collect();
                format!("{function} {}", options.join(" "))
            }
            Ok((other, _)) => format!("{other:?}"),
            Err(error) => said(&error),
        }
    };
    assert_eq!(
        zone("ExtractYear", K::DateTimeField, None),
        "Extract lookup_name=year tzinfo=America/Chicago"
    );
    assert_eq!(
        zone("ExtractYear", K::DateTimeField, Some("UTC")),
        "Extract lookup_name=year"
    );
    assert_eq!(
        zone("ExtractYear", K::DateField, None),
        "Extract lookup_name=year"
    );
    assert_eq!(zone("TruncHour", K::TimeField, None), "Trunc kind=hour");
    assert_eq!(
        zone("TruncDay", K::DateTimeField, Some("UTC+05:30")),
        "Trunc kind=day tzinfo=+05:30"
    );
    assert_eq!(
        zone("TruncDay", K::DateTimeField, Some("-0800")),
        "Trunc kind=day tzinfo=-08:00"
    );
    assert_eq!(
        zone("ExtractYear", K::DateField, Some("Europe/Paris")),
        "ValueError: tzinfo can only be used with DateTimeField."
    );
    assert_eq!(
        zone("TruncDay", K::DateTimeField, Some("Mars/Base")),
        "ValueError: Unknown time zone: 'Mars/Base'"
    );
}

/// Resolves an aggregate over one column.
fn aggregate(name: &str, kind: K, change: impl FnOnce(&mut AggregateRequest)) -> Result<K> {
    let columns = columns();
    let settings = Settings::default();
    let cx = Context {
        columns: &columns,
        settings: &settings,
        lenient: false,
    };
    let mut request = AggregateRequest {
        name: name.to_owned(),
        args: vec![column(&columns, kind)],
        distinct: false,
        filter: None,
        default: None,
        order: Vec::new(),
        options: IndexMap::new(),
        output: None,
    };
    change(&mut request);
    Registry::django()
        .aggregate(request, &cx)
        .map(|r| r.ty.kind)
}

#[test]
fn aggregates_have_djangos_types() {
    let cases = [
        ("Count", K::CharField, K::IntegerField),
        ("Sum", K::IntegerField, K::IntegerField),
        ("Sum", K::DurationField, K::DurationField),
        ("Avg", K::IntegerField, K::FloatField),
        ("Avg", K::DecimalField, K::DecimalField),
        ("Avg", K::DurationField, K::DurationField),
        ("Max", K::DateField, K::DateField),
        ("StdDev", K::IntegerField, K::FloatField),
        ("Variance", K::DecimalField, K::DecimalField),
        ("ArrayAgg", K::CharField, K::ArrayField),
        ("StringAgg", K::CharField, K::TextField),
        ("JSONBAgg", K::CharField, K::JSONField),
        ("BoolAnd", K::IntegerField, K::BooleanField),
        ("BitXor", K::IntegerField, K::IntegerField),
        ("Rank", K::IntegerField, K::IntegerField),
    ];
    for (name, kind, expected) in cases {
        let found = aggregate(name, kind, |r| {
            if name == "StringAgg" {
                r.options.insert("delimiter".to_owned(), Value::from(";"));
            }
            if name == "Rank" {
                r.args.clear();
            }
        });
        assert_eq!(
            found.as_ref().ok(),
            Some(&expected),
            "{name}({kind:?}): {found:?}"
        );
    }
}

#[test]
fn aggregates_refuse_what_django_refuses() {
    let distinct =
        |name| said(&aggregate(name, K::IntegerField, |r| r.distinct = true).unwrap_err());
    assert_eq!(distinct("Max"), "TypeError: Max does not allow distinct.");
    assert!(aggregate("Sum", K::IntegerField, |r| r.distinct = true).is_ok());
    let default = aggregate("Count", K::IntegerField, |r| {
        r.default = Some(Arg::literal(1_i64, K::IntegerField));
    });
    assert_eq!(
        said(&default.unwrap_err()),
        "TypeError: Count does not allow default."
    );
    let star = aggregate("Count", K::IntegerField, |r| {
        r.args.clear();
        r.filter = Some(crate::plan::Predicate::TRUE);
    });
    assert_eq!(
        said(&star.unwrap_err()),
        "ValueError: Star cannot be used with filter. Please specify a field."
    );
    let registry = Registry::django();
    assert_eq!(
        said(&registry.check_window("Lower").unwrap_err()),
        "ValueError: Expression 'Lower' isn't compatible with OVER clauses."
    );
    assert!(registry.check_window("Sum").is_ok());
    let lag = aggregate("Lag", K::IntegerField, |r| {
        r.args.push(Arg::literal(0_i64, K::IntegerField))
    });
    assert_eq!(
        said(&lag.unwrap_err()),
        "ValueError: Lag requires a positive integer for the offset."
    );
    let ntile = aggregate("Ntile", K::IntegerField, |r| {
        r.args = vec![Arg::literal(0_i64, K::IntegerField)]
    });
    assert_eq!(
        said(&ntile.unwrap_err()),
        "ValueError: num_buckets must be greater than 0."
    );
}

#[test]
fn transforms_belong_to_field_classes() {
    let registry = Registry::django();
    let settings = Settings::default();
    let known = |kind, name| {
        registry
            .transform(&FieldType::new(kind), name, &settings)
            .map(|t| t.function)
    };
    assert_eq!(known(K::DateField, "year"), Some("ExtractYear"));
    assert_eq!(known(K::DateTimeField, "year"), Some("ExtractYear"));
    assert_eq!(known(K::DateTimeField, "hour"), Some("ExtractHour"));
    assert_eq!(known(K::DateField, "hour"), None);
    assert_eq!(known(K::TimeField, "minute"), Some("ExtractMinute"));
    assert_eq!(known(K::TimeField, "year"), None);
    assert_eq!(known(K::DateTimeField, "date"), Some("TruncDate"));
    assert_eq!(known(K::DateField, "date"), None);
    assert_eq!(known(K::CharField, "lower"), None);
    assert_eq!(known(K::ArrayField, "len"), Some("ArrayLength"));
    assert_eq!(known(K::ArrayField, "0"), Some("ArrayIndex"));
    assert_eq!(known(K::ArrayField, "1_3"), Some("ArraySlice"));
    assert_eq!(known(K::ArrayField, "-1"), None);
    let mut settings = Settings::default();
    let names = IndexMap::from([("lower".to_owned(), "Lower".to_owned())]);
    settings.lookups.insert("CharField".to_owned(), names);
    let lower = |kind| {
        registry
            .transform(&FieldType::new(kind), "lower", &settings)
            .map(|t| t.function)
    };
    assert_eq!(lower(K::CharField), Some("Lower"));
    assert_eq!(lower(K::EmailField), Some("Lower"));
    assert_eq!(lower(K::TextField), None);
    assert_eq!(
        registry.transform_names(&FieldType::new(K::TimeField), &settings),
        ["hour", "minute", "second"]
    );
}

#[test]
fn slices_are_functions() {
    let columns = columns();
    let settings = Settings::default();
    let cx = Context {
        columns: &columns,
        settings: &settings,
        lenient: false,
    };
    let registry = Registry::django();
    let slice = |kind, start, stop| registry.slice(column(&columns, kind), start, stop, &cx);
    match slice(K::CharField, 2, Some(5)).unwrap() {
        Scalar::Call(call) => {
            assert_eq!((call.function.as_str(), call.args.len()), ("Substr", 3));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(
        said(&slice(K::IntegerField, 0, None).unwrap_err()),
        "NotSupportedError: This field does not support slicing."
    );
}

#[test]
fn rules_for_null_follow_from_the_rows() {
    let registry = Registry::django();
    let nullable = |name, args: &[bool]| registry.nullable(name, args.iter().copied());
    assert!(!nullable("Lower", &[false]));
    assert!(nullable("Lower", &[true]));
    assert!(nullable("Ln", &[false]));
    assert!(!nullable("Coalesce", &[true, false]));
    assert!(!nullable("Concat", &[true, true]));
    assert!(!nullable("Count", &[true]));
    assert!(nullable("Sum", &[false]));
    assert_eq!(registry.empty_value("Count"), Bson::Int64(0));
    assert_eq!(registry.empty_value("Sum"), Bson::Null);
}

#[test]
fn constants_fold_to_what_the_server_would_answer() {
    let registry = Registry::django();
    let fold = |name, value: Bson| {
        registry.fold(
            name,
            &[&value],
            &IndexMap::new(),
            &FieldType::new(K::CharField),
        )
    };
    assert_eq!(fold("Lower", Bson::from("ÉA")), Some(Bson::from("Éa")));
    assert_eq!(fold("Length", Bson::from("Éa")), Some(Bson::Int64(2)));
    assert_eq!(fold("Sqrt", Bson::Null), Some(Bson::Null));
    assert_eq!(fold("Random", Bson::Null), None);
}
