//! What functions answer.

use super::*;
use FieldKind as K;

/// Equal as rows are compared: numbers by value, doubles nearly.
fn same(found: &Bson, expected: &Bson) -> bool {
    let number = |b: &Bson| match b {
        Bson::Int32(n) => Some(f64::from(*n)),
        Bson::Int64(n) => Some(*n as f64),
        Bson::Double(n) => Some(*n),
        Bson::Decimal128(n) => n.to_string().parse().ok(),
        _ => None,
    };
    match (number(found), number(expected)) {
        (Some(a), Some(b)) => a == b || (a - b).abs() <= 1e-9 * a.abs().max(b.abs()),
        _ => found == expected,
    }
}

/// A function of one field `x`, its options, and pairs of values.
struct Table {
    what: String,
    expr: Expr,
}

fn of(name: &str, kind: K, rest: &[LoweredArg], options: &[(&str, &str)], to: K) -> Table {
    let mut args = vec![field("x", kind)];
    args.extend(rest.iter().cloned());
    Table {
        what: format!("{name}({})", kind.name()),
        expr: lower(name, &args, options, &FieldType::new(to)).unwrap(),
    }
}

impl Table {
    fn is(self, cases: &[(Bson, Bson)]) -> Self {
        for (input, expected) in cases {
            let found = eval(&self.expr, &doc! { "x": input.clone() }).map(bson_of);
            match &found {
                Ok(found) if same(found, expected) => {}
                _ => panic!("{} of {input}: {found:?}, not {expected}", self.what),
            }
        }
        self
    }

    /// NULL and missing give NULL.
    fn strict(self) {
        for document in [doc! { "x": Bson::Null }, doc! {}] {
            let found = eval(&self.expr, &document).map(bson_of);
            assert_eq!(found, Ok(Bson::Null), "{} of {document}", self.what);
        }
    }
}

fn s(text: &str) -> Bson {
    Bson::from(text)
}

fn n(number: i64) -> Bson {
    Bson::Int64(number)
}

fn f(number: f64) -> Bson {
    Bson::Double(number)
}

const NULL: Bson = Bson::Null;

#[test]
fn texts() {
    let c = K::CharField;
    let int = |v: i64| literal(v, K::IntegerField);
    let txt = |v: &str| literal(v, K::CharField);
    of("Lower", c, &[], &[], c)
        .is(&[(s("AbÉ"), s("abÉ")), (s(""), s(""))])
        .strict();
    of("Upper", c, &[], &[], c)
        .is(&[(s("abc"), s("ABC"))])
        .strict();
    of("Length", c, &[], &[], K::IntegerField)
        .is(&[(s("Éa\u{1F600}"), n(3)), (s(""), n(0))])
        .strict();
    of("Trim", c, &[], &[], c)
        .is(&[(s("  a b \t"), s("a b \t"))])
        .strict();
    of("LTrim", c, &[], &[], c)
        .is(&[(s("  a "), s("a "))])
        .strict();
    of("RTrim", c, &[], &[], c)
        .is(&[(s("  a "), s("  a"))])
        .strict();
    of("Reverse", c, &[], &[], c)
        .is(&[(s("abÉ"), s("Éba")), (s(""), s(""))])
        .strict();
    of("Left", c, &[int(2)], &[], c)
        .is(&[(s("Éab"), s("Éa")), (s("a"), s("a"))])
        .strict();
    of("Right", c, &[int(2)], &[], c)
        .is(&[(s("abÉ"), s("bÉ")), (s("a"), s("a"))])
        .strict();
    of("Substr", c, &[int(2)], &[], c)
        .is(&[(s("abc"), s("bc")), (s("a"), s(""))])
        .strict();
    of("Substr", c, &[int(2), int(1)], &[], c)
        .is(&[(s("abc"), s("b"))])
        .strict();
    of("LPad", c, &[int(5), txt("xy")], &[], c)
        .is(&[
            (s("ab"), s("xyxab")),
            (s("abcdef"), s("abcde")),
            (s("abcde"), s("abcde")),
        ])
        .strict();
    of("RPad", c, &[int(5), txt("xy")], &[], c)
        .is(&[(s("ab"), s("abxyx")), (s("abcdef"), s("abcde"))])
        .strict();
    of("RPad", c, &[int(0), txt("xy")], &[], c).is(&[(s("ab"), s(""))]);
    of("LPad", c, &[int(5), txt("")], &[], c).is(&[(s("ab"), s("ab"))]);
    of("Repeat", c, &[int(3)], &[], c)
        .is(&[(s("ab"), s("ababab"))])
        .strict();
    of("Repeat", c, &[int(0)], &[], c).is(&[(s("ab"), s(""))]);
    of("Repeat", c, &[int(12)], &[], c).is(&[(s("a"), s("aaaaaaaaaaaa"))]);
    of("Replace", c, &[txt("a"), txt("xy")], &[], c)
        .is(&[(s("banana"), s("bxynxynxy"))])
        .strict();
    of("Replace", c, &[txt(""), txt("xy")], &[], c)
        .is(&[(s("banana"), s("banana"))])
        .strict();
    of("StrIndex", c, &[txt("É")], &[], K::IntegerField)
        .is(&[(s("abÉÉ"), n(3)), (s("x"), n(0))])
        .strict();
    of("Concat", c, &[txt("-"), int(3)], &[], c).is(&[(s("a"), s("a-3")), (NULL, s("-3"))]);
    of("Chr", K::IntegerField, &[], &[], c)
        .is(&[
            (n(65), s("A")),
            (n(0xE9), s("é")),
            (n(0x20AC), s("€")),
            (n(0x1F600), s("\u{1F600}")),
            (n(-1), NULL),
            (n(0x11_0000), NULL),
        ])
        .strict();
    of("Ord", c, &[], &[], K::IntegerField)
        .is(&[
            (s("A"), n(65)),
            (s("éx"), n(0xE9)),
            (s("€"), n(0x20AC)),
            (s("\u{1F600}"), n(0x1F600)),
            (s(""), n(0)),
        ])
        .strict();
}

#[test]
fn texts_with_computed_counts() {
    let run = |name: &str, count: i64, expected: &str| {
        let args = [field("x", K::CharField), field("n", K::IntegerField)];
        let expr = lower(name, &args, &[], &FieldType::new(K::CharField)).unwrap();
        let found = eval(&expr, &doc! { "x": "abcd", "n": count }).map(bson_of);
        assert_eq!(found, Ok(s(expected)), "{name} {count}");
        for document in [
            doc! { "x": "abcd" },
            doc! { "n": 1 },
            doc! { "x": Bson::Null, "n": 1 },
        ] {
            assert_eq!(
                eval(&expr, &document).map(bson_of),
                Ok(NULL),
                "{name} of {document}"
            );
        }
    };
    run("Left", 2, "ab");
    run("Left", 0, "");
    run("Left", -3, "");
    run("Right", 3, "bcd");
    run("Right", 0, "");
    run("Right", 9, "abcd");
    run("Substr", 3, "cd");
    run("Substr", -1, "abcd");
    run("Repeat", 2, "abcdabcd");
    run("Repeat", -2, "");
}

#[test]
fn numbers() {
    let (i, d, dc) = (K::IntegerField, K::FloatField, K::DecimalField);
    let int = |v: i64| literal(v, K::IntegerField);
    of("Abs", i, &[], &[], i).is(&[(n(-3), n(3))]).strict();
    of("Ceil", d, &[], &[], d)
        .is(&[(f(-12.5), f(-12.0)), (f(21.33), f(22.0))])
        .strict();
    of("Floor", dc, &[], &[], dc)
        .is(&[(dec("-12.9"), dec("-13"))])
        .strict();
    of("Sign", dc, &[], &[], dc)
        .is(&[(dec("-12.9"), dec("-1")), (dec("0.00"), dec("0"))])
        .strict();
    of("ACos", d, &[], &[], d)
        .is(&[
            (f(0.5), f(0.5_f64.acos())),
            (f(2.0), NULL),
            (f(-1.0), f(std::f64::consts::PI)),
        ])
        .strict();
    of("ASin", dc, &[], &[], dc)
        .is(&[(dec("0.4"), f(0.4_f64.asin())), (dec("1.01"), NULL)])
        .strict();
    of("ATan", i, &[], &[], d)
        .is(&[(n(-20), f(-1.5208379310729538))])
        .strict();
    of("ATan2", d, &[literal(2.0, d)], &[], d)
        .is(&[(f(1.0), f(1.0_f64.atan2(2.0)))])
        .strict();
    of("Cos", d, &[], &[], d)
        .is(&[(f(1.0), f(1.0_f64.cos())), (f(f64::INFINITY), NULL)])
        .strict();
    of("Sin", i, &[], &[], d)
        .is(&[(n(15), f(0.6502878401571168))])
        .strict();
    of("Tan", dc, &[], &[], dc)
        .is(&[(dec("-12.90"), f((-12.9_f64).tan()))])
        .strict();
    of("Cot", d, &[], &[], d)
        .is(&[(f(2.0), f(1.0 / 2.0_f64.tan())), (f(0.0), NULL)])
        .strict();
    of("Degrees", i, &[], &[], d)
        .is(&[(n(-1), f(-57.29577951308232))])
        .strict();
    of("Radians", i, &[], &[], d)
        .is(&[(n(180), f(std::f64::consts::PI))])
        .strict();
    of("Exp", i, &[], &[], d)
        .is(&[(n(-1), f(0.36787944117144233))])
        .strict();
    of("Ln", i, &[], &[], d)
        .is(&[(n(0), NULL), (n(-4), NULL), (n(1), f(0.0))])
        .strict();
    of("Sqrt", i, &[], &[], d)
        .is(&[(n(16), f(4.0)), (n(-1), NULL)])
        .strict();
    let base = literal(2_i64, i);
    let log = lower("Log", &[base, field("x", i)], &[], &FieldType::new(d)).unwrap();
    for (x, expected) in [(n(8), f(3.0)), (n(0), NULL), (NULL, NULL)] {
        assert!(same(
            &bson_of(eval(&log, &doc! { "x": x }).unwrap()),
            &expected
        ));
    }
    of("Log", i, &[literal(8_i64, i)], &[], d)
        .is(&[(n(2), f(3.0)), (n(1), NULL), (n(0), NULL)])
        .strict();
    of("Mod", dc, &[int(3)], &[], dc)
        .is(&[(dec("-7.5"), dec("-1.5"))])
        .strict();
    of("Mod", i, &[int(0)], &[], d).is(&[(n(7), NULL)]).strict();
    of("Power", d, &[literal(-1_i64, i)], &[], d)
        .is(&[(f(4.0), f(0.25)), (f(0.0), NULL)])
        .strict();
    of("Power", d, &[field("e", d)], &[], d)
        .is(&[(f(4.0), NULL)])
        .strict();
    of("Pi", i, &[], &[], d).is(&[(n(1), f(std::f64::consts::PI))]);
}

#[test]
fn halves_round_away_from_zero() {
    let places = |p: i64| literal(p, K::IntegerField);
    let dc = K::DecimalField;
    of("Round", dc, &[places(0)], &[], dc)
        .is(&[
            (dec("2.5"), dec("3")),
            (dec("-2.5"), dec("-3")),
            (dec("3.5"), dec("4")),
            (dec("2.4999"), dec("2")),
        ])
        .strict();
    of("Round", dc, &[places(2)], &[], dc)
        .is(&[(dec("1.005"), dec("1.01")), (dec("-1.005"), dec("-1.01"))])
        .strict();
    of("Round", dc, &[places(-1)], &[], dc)
        .is(&[(dec("25"), dec("30")), (dec("24.9"), dec("20"))])
        .strict();
    let d = K::FloatField;
    of("Round", d, &[places(2)], &[], d)
        .is(&[
            (f(1.005), f(1.01)),
            (f(2.675), f(2.68)),
            (f(-0.125), f(-0.13)),
        ])
        .strict();
    of("Round", d, &[places(0)], &[], d)
        .is(&[(f(0.5), f(1.0)), (f(1.5), f(2.0)), (f(-0.5), f(-1.0))])
        .strict();
    let i = K::IntegerField;
    of("Round", i, &[places(2)], &[], i)
        .is(&[(n(25), n(25))])
        .strict();
    of("Round", i, &[places(-1)], &[], i)
        .is(&[(n(25), n(30)), (n(-25), n(-30)), (n(24), n(20))])
        .strict();
    of("Round", dc, &[field("p", i)], &[], dc)
        .is(&[(dec("1.25"), NULL)])
        .strict();
    let args = [field("x", dc), field("p", i)];
    let expr = lower("Round", &args, &[], &FieldType::new(dc)).unwrap();
    for (p, expected) in [(1_i64, "1.3"), (0, "1"), (-1, "0"), (200, "1.25")] {
        let found = eval(&expr, &doc! { "x": dec("1.25"), "p": p })
            .map(bson_of)
            .unwrap();
        assert!(same(&found, &dec(expected)), "{p}: {found}");
    }
}

#[test]
fn choices() {
    let c = K::CharField;
    let b = || field("b", c);
    let run = |name: &str, document: Document| {
        let expr = lower(name, &[field("x", c), b()], &[], &FieldType::new(c)).unwrap();
        bson_of(eval(&expr, &document).unwrap())
    };
    assert_eq!(run("Coalesce", doc! { "b": "y" }), s("y"));
    assert_eq!(run("Coalesce", doc! {}), NULL);
    assert_eq!(run("Greatest", doc! { "x": "a", "b": "y" }), s("y"));
    assert_eq!(run("Greatest", doc! { "x": "a" }), s("a"));
    assert_eq!(run("Greatest", doc! { "b": Bson::Null }), NULL);
    assert_eq!(run("Least", doc! { "x": "a", "b": "y" }), s("a"));
    assert_eq!(run("Least", doc! { "b": "y" }), s("y"));
    assert_eq!(run("NullIf", doc! { "x": "a", "b": "a" }), NULL);
    assert_eq!(run("NullIf", doc! { "x": "a" }), s("a"));
    assert_eq!(run("NullIf", doc! { "b": "a" }), NULL);
}

#[test]
fn moments_in_zones() {
    let t = K::DateTimeField;
    let zone = ("tzinfo", "Australia/Melbourne");
    let india = ("tzinfo", "+05:30");
    let moment = || at("2015-12-31T20:15:40.321Z");
    let part = |part: &'static str, options: &[(&str, &str)]| {
        let mut options = options.to_vec();
        options.push(("lookup_name", part));
        of("Extract", t, &[], &options, K::IntegerField)
    };
    part("year", &[]).is(&[(moment(), n(2015))]).strict();
    part("year", &[zone]).is(&[(moment(), n(2016))]).strict();
    part("hour", &[india]).is(&[(moment(), n(1))]).strict();
    part("minute", &[india]).is(&[(moment(), n(45))]).strict();
    part("iso_year", &[zone])
        .is(&[(moment(), n(2015))])
        .strict();
    part("week", &[zone]).is(&[(moment(), n(53))]).strict();
    part("week_day", &[zone]).is(&[(moment(), n(6))]).strict();
    part("iso_week_day", &[zone])
        .is(&[(moment(), n(5))])
        .strict();
    part("quarter", &[]).is(&[(moment(), n(4))]).strict();
    part("quarter", &[zone]).is(&[(moment(), n(1))]).strict();
    part("second", &[]).is(&[(moment(), n(40))]).strict();
    let trunc = |kind: &'static str, options: &[(&str, &str)], to: K| {
        let mut options = options.to_vec();
        options.push(("kind", kind));
        of("Trunc", t, &[], &options, to)
    };
    trunc("year", &[zone], t)
        .is(&[(moment(), at("2015-12-31T13:00:00Z"))])
        .strict();
    trunc("week", &[], t)
        .is(&[(moment(), at("2015-12-28T00:00:00Z"))])
        .strict();
    trunc("date", &[zone], K::DateField)
        .is(&[(moment(), at("2016-01-01T00:00:00Z"))])
        .strict();
    trunc("date", &[india], K::DateField)
        .is(&[(moment(), at("2016-01-01T00:00:00Z"))])
        .strict();
    trunc("date", &[], K::DateField)
        .is(&[(moment(), at("2015-12-31T00:00:00Z"))])
        .strict();
    trunc("month", &[zone], K::DateField)
        .is(&[(moment(), at("2016-01-01T00:00:00Z"))])
        .strict();
    trunc("quarter", &[], K::DateField)
        .is(&[(moment(), at("2015-10-01T00:00:00Z"))])
        .strict();
    trunc("time", &[zone], K::TimeField)
        .is(&[(moment(), at("0001-01-01T07:15:40.321Z"))])
        .strict();
    trunc("time", &[india], K::TimeField)
        .is(&[(moment(), at("0001-01-01T01:45:40.321Z"))])
        .strict();
    trunc("hour", &[india], K::TimeField)
        .is(&[(moment(), at("0001-01-01T01:00:00Z"))])
        .strict();
    trunc("second", &[], t)
        .is(&[(moment(), at("2015-12-31T20:15:40Z"))])
        .strict();
    let day = at("2015-02-28T00:00:00Z");
    of(
        "Trunc",
        K::DateField,
        &[],
        &[("kind", "month")],
        K::DateField,
    )
    .is(&[(day, at("2015-02-01T00:00:00Z"))])
    .strict();
    let clock = || at("0001-01-01T10:20:30.400Z");
    of(
        "Trunc",
        K::TimeField,
        &[],
        &[("kind", "minute")],
        K::TimeField,
    )
    .is(&[(clock(), at("0001-01-01T10:20:00Z"))])
    .strict();
    of(
        "Extract",
        K::TimeField,
        &[],
        &[("lookup_name", "hour")],
        K::IntegerField,
    )
    .is(&[(clock(), n(10))])
    .strict();
    let duration = n(-(86_400_000 + 7_200_000));
    let of_duration = |part: &'static str| {
        of(
            "Extract",
            K::DurationField,
            &[],
            &[("lookup_name", part)],
            K::IntegerField,
        )
    };
    of_duration("day").is(&[(duration.clone(), n(-1))]).strict();
    of_duration("hour").is(&[(duration, n(-2))]).strict();
}

#[test]
fn casts() {
    let cast = |from: K, to: K| of("Cast", from, &[], &[], to);
    cast(K::IntegerField, K::CharField)
        .is(&[(n(-12), s("-12"))])
        .strict();
    cast(K::BooleanField, K::CharField)
        .is(&[(Bson::Boolean(true), s("true"))])
        .strict();
    cast(K::FloatField, K::CharField)
        .is(&[(f(1.5), s("1.5"))])
        .strict();
    cast(K::DecimalField, K::TextField)
        .is(&[(dec("1.50"), s("1.50"))])
        .strict();
    cast(K::DateField, K::CharField)
        .is(&[(at("2018-09-28T00:00:00Z"), s("2018-09-28"))])
        .strict();
    cast(K::DateTimeField, K::CharField)
        .is(&[
            (at("2018-09-28T12:42:10Z"), s("2018-09-28 12:42:10")),
            (at("2018-09-28T12:42:10.234Z"), s("2018-09-28 12:42:10.234")),
        ])
        .strict();
    cast(K::TimeField, K::CharField)
        .is(&[(at("0001-01-01T12:42:10Z"), s("12:42:10"))])
        .strict();
    cast(K::CharField, K::IntegerField)
        .is(&[(s(" 12 "), n(12)), (s("x"), NULL), (s("1.5"), NULL)])
        .strict();
    cast(K::FloatField, K::IntegerField)
        .is(&[
            (f(2.5), n(2)),
            (f(3.7), n(4)),
            (f(f64::NAN), NULL),
            (f(1e300), NULL),
        ])
        .strict();
    cast(K::DecimalField, K::IntegerField)
        .is(&[(dec("2.5"), n(3)), (dec("-2.5"), n(-3))])
        .strict();
    cast(K::BooleanField, K::IntegerField)
        .is(&[(Bson::Boolean(true), n(1))])
        .strict();
    cast(K::CharField, K::FloatField)
        .is(&[(s("1.5"), f(1.5)), (s("abc"), NULL)])
        .strict();
    cast(K::CharField, K::DecimalField)
        .is(&[(s("1.50"), dec("1.50")), (s("abc"), NULL)])
        .strict();
    cast(K::FloatField, K::DecimalField)
        .is(&[(f(1.5), dec("1.5"))])
        .strict();
    cast(K::IntegerField, K::BooleanField)
        .is(&[(n(0), Bson::Boolean(false)), (n(7), Bson::Boolean(true))])
        .strict();
    cast(K::CharField, K::BooleanField)
        .is(&[
            (s("T"), Bson::Boolean(true)),
            (s("off"), Bson::Boolean(false)),
            (s("maybe"), NULL),
        ])
        .strict();
    cast(K::DateTimeField, K::DateField)
        .is(&[(at("2018-09-28T12:42:10Z"), at("2018-09-28T00:00:00Z"))])
        .strict();
    cast(K::DateField, K::DateTimeField)
        .is(&[(at("2018-09-28T00:00:00Z"), at("2018-09-28T00:00:00Z"))])
        .strict();
    cast(K::DateTimeField, K::TimeField)
        .is(&[(
            at("2018-09-28T12:42:10.234Z"),
            at("0001-01-01T12:42:10.234Z"),
        )])
        .strict();
    cast(K::CharField, K::DateField)
        .is(&[
            (s("2018-09-28"), at("2018-09-28T00:00:00Z")),
            (s("soon"), NULL),
        ])
        .strict();
    cast(K::CharField, K::DateTimeField)
        .is(&[
            (s("2018-09-28 12:42:10"), at("2018-09-28T12:42:10Z")),
            (s("soon"), NULL),
        ])
        .strict();
    cast(K::CharField, K::TimeField)
        .is(&[
            (s("12:42:10"), at("0001-01-01T12:42:10Z")),
            (s("soon"), NULL),
        ])
        .strict();
    cast(K::CharField, K::UUIDField)
        .is(&[
            (
                s("AAAAAAAA-bbbb-4ccc-8ddd-eeeeeeeeeeee"),
                s("aaaaaaaabbbb4ccc8dddeeeeeeeeeeee"),
            ),
            (s("none"), NULL),
        ])
        .strict();
    cast(K::CharField, K::ObjectIdField)
        .is(&[(s("none"), NULL)])
        .strict();
    let mut short = FieldType::new(K::CharField);
    short.max_length = Some(2);
    let expr = lower("Cast", &[field("x", K::TextField)], &[], &short).unwrap();
    assert_eq!(eval(&expr, &doc! { "x": "Éab" }).map(bson_of), Ok(s("Éa")));
    assert_eq!(eval(&expr, &doc! {}).map(bson_of), Ok(NULL));
    let mut places = FieldType::new(K::DecimalField);
    places.decimal_places = Some(1);
    let expr = lower("Cast", &[field("x", K::FloatField)], &[], &places).unwrap();
    assert!(same(
        &bson_of(eval(&expr, &doc! { "x": 2.25 }).unwrap()),
        &dec("2.3")
    ));
}

#[test]
fn json_and_arrays() {
    let c = K::CharField;
    let int = |v: i64| literal(v, K::IntegerField);
    let key = |v: &str| literal(v, c);
    let json = |name: &str, args: &[LoweredArg]| {
        let expr = lower(name, args, &[], &FieldType::new(K::JSONField)).unwrap();
        bson_of(
            eval(
                &expr,
                &doc! { "x": "v", "d": dec("1.5"), "t": at("2018-09-28T12:42:10Z") },
            )
            .unwrap(),
        )
    };
    assert_eq!(
        json(
            "JSONObject",
            &[
                key("a"),
                field("x", c),
                key("b"),
                field("missing", c),
                key("d"),
                field("d", K::DecimalField)
            ]
        ),
        Bson::Document(doc! { "a": "v", "b": Bson::Null, "d": 1.5 })
    );
    assert_eq!(
        json("JSONObject", &[key("$a.b"), field("x", c)]),
        Bson::Document(doc! { "$a.b": "v" })
    );
    assert_eq!(json("JSONObject", &[]), Bson::Document(doc! {}));
    assert_eq!(
        json("JSONArray", &[field("x", c), int(1), field("missing", c)]),
        Bson::Array(vec![s("v"), n(1), NULL])
    );
    let list = |v: &[i32]| Bson::Array(v.iter().map(|v| Bson::Int32(*v)).collect());
    let a = K::ArrayField;
    of("ArrayLength", a, &[], &[], K::IntegerField)
        .is(&[(list(&[1, 2]), n(2)), (list(&[]), n(0))])
        .strict();
    of("ArrayIndex", a, &[int(1)], &[], K::IntegerField)
        .is(&[(list(&[1, 2]), n(2)), (list(&[1]), NULL)])
        .strict();
    of("ArraySlice", a, &[int(1), int(3)], &[], a)
        .is(&[
            (list(&[1, 2, 3, 4]), list(&[2, 3])),
            (list(&[1]), list(&[])),
        ])
        .strict();
    of("ArraySlice", a, &[int(0), int(2)], &[], a)
        .is(&[(list(&[1, 2, 3]), list(&[1, 2]))])
        .strict();
    of("ArraySlice", a, &[int(2)], &[], a)
        .is(&[(list(&[1, 2, 3]), list(&[3]))])
        .strict();
    of("ArraySlice", a, &[int(2), int(2)], &[], a)
        .is(&[(list(&[1, 2, 3]), list(&[]))])
        .strict();
}

#[test]
fn identifiers_and_hashes() {
    let uuid = |name: &str| {
        let expr = lower(name, &[], &[], &FieldType::new(K::UUIDField)).unwrap();
        match bson_of(eval(&expr, &doc! {}).unwrap()) {
            Bson::String(text) => text,
            other => panic!("{other}"),
        }
    };
    let four = uuid("UUID4");
    assert_eq!((four.len(), &four[12..13]), (32, "4"));
    let seven = uuid("UUID7");
    assert_eq!((seven.len(), &seven[12..13]), (32, "7"));
    assert_eq!(i64::from_str_radix(&seven[..12], 16), Ok(1_700_000_000_000));
    let now = lower("Now", &[], &[], &FieldType::new(K::DateTimeField)).unwrap();
    assert_eq!(
        eval(&now, &doc! {}).map(bson_of),
        Ok(Bson::DateTime(bson::DateTime::from_millis(
            1_700_000_000_000
        )))
    );
}

#[test]
fn arithmetic() {
    use mqlc_compiler::queryset::ArithmeticOp as Op;
    let run = |op: Op, a: (K, Bson), b: (K, Bson), to: K| {
        let (l, r) = (field("a", a.0), field("b", b.0));
        let expr = Registry::django()
            .lower_arithmetic(op, &l, &r, &FieldType::new(to), &server())
            .unwrap();
        for document in [
            doc! { "a": a.1.clone() },
            doc! { "b": b.1.clone() },
            doc! { "a": Bson::Null, "b": b.1.clone() },
        ] {
            assert_eq!(
                eval(&expr, &document).map(bson_of),
                Ok(NULL),
                "{} of {document}",
                op.sign()
            );
        }
        bson_of(eval(&expr, &doc! { "a": a.1, "b": b.1 }).unwrap())
    };
    let (i, d, dc, u) = (
        K::IntegerField,
        K::FloatField,
        K::DecimalField,
        K::DurationField,
    );
    let check =
        |found: Bson, expected: Bson| assert!(same(&found, &expected), "{found} is not {expected}");
    check(run(Op::Add, (i, n(1)), (i, n(2)), i), n(3));
    check(run(Op::Div, (i, n(7)), (i, n(2)), i), n(3));
    check(run(Op::Div, (i, n(-7)), (i, n(2)), i), n(-3));
    check(run(Op::Div, (i, n(7)), (i, n(0)), i), NULL);
    check(
        run(
            Op::Div,
            (K::BigIntegerField, n(9_007_199_254_740_993)),
            (i, n(1)),
            i,
        ),
        n(9_007_199_254_740_993),
    );
    check(run(Op::Div, (d, f(7.0)), (i, n(2)), d), f(3.5));
    check(run(Op::Div, (dc, dec("7")), (i, n(0)), dc), NULL);
    check(run(Op::Mod, (i, n(-7)), (i, n(3)), i), n(-1));
    check(run(Op::Mod, (i, n(7)), (i, n(0)), i), NULL);
    check(run(Op::Pow, (i, n(2)), (i, n(10)), i), n(1024));
    check(run(Op::Pow, (i, n(0)), (i, n(-1)), i), NULL);
    check(run(Op::Pow, (d, f(-8.0)), (d, f(0.5)), d), NULL);
    check(run(Op::BitAnd, (i, n(12)), (i, n(10)), i), n(8));
    check(run(Op::BitOr, (i, n(12)), (i, n(10)), i), n(14));
    check(run(Op::BitXor, (i, n(12)), (i, n(10)), i), n(6));
    check(run(Op::ShiftLeft, (i, n(3)), (i, n(2)), i), n(12));
    check(run(Op::ShiftRight, (i, n(-3)), (i, n(1)), i), n(-2));
    let day = at("2010-06-23T00:00:00Z");
    check(
        run(
            Op::Add,
            (K::DateField, day.clone()),
            (u, n(3_600_000)),
            K::DateTimeField,
        ),
        at("2010-06-23T01:00:00Z"),
    );
    check(
        run(
            Op::Add,
            (u, n(3_600_000)),
            (K::DateField, day.clone()),
            K::DateTimeField,
        ),
        at("2010-06-23T01:00:00Z"),
    );
    check(
        run(
            Op::Sub,
            (K::DateTimeField, at("2010-06-23T01:00:00Z")),
            (K::DateField, day),
            u,
        ),
        n(3_600_000),
    );
    let clock = |text: &str| (K::TimeField, at(&format!("0001-01-01T{text}Z")));
    check(
        run(Op::Add, clock("23:00:00"), (u, n(7_200_000)), K::TimeField),
        clock("01:00:00").1,
    );
    check(
        run(Op::Sub, clock("01:00:00"), (u, n(7_200_000)), K::TimeField),
        clock("23:00:00").1,
    );
    check(
        run(
            Op::Add,
            clock("01:00:00"),
            (u, n(-90_000_000)),
            K::TimeField,
        ),
        clock("00:00:00").1,
    );
    check(
        run(Op::Sub, clock("01:00:00"), clock("03:00:00"), u),
        n(-7_200_000),
    );
    check(run(Op::Mul, (u, n(1000)), (d, f(1.5)), u), n(1500));
    check(run(Op::Div, (u, n(1000)), (i, n(3)), u), n(333));
    check(run(Op::Mul, (i, n(3)), (i, n(4)), dc), dec("12"));
    check(run(Op::Add, (K::JSONField, n(3)), (i, n(4)), i), n(7));
    check(run(Op::Add, (K::JSONField, s("3")), (i, n(4)), i), NULL);
}
