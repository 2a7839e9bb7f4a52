//! The expressions that functions become.

use super::*;
use FieldKind as K;

/// One line a case.
fn table(lines: &[String]) -> String {
    lines.join("\n")
}

#[test]
fn text_functions() {
    let a = || field("a", K::CharField);
    let int = |n: i64| literal(n, K::IntegerField);
    let txt = |s: &str| literal(s, K::CharField);
    let n = || field("n", K::IntegerField);
    let one = |name: &str, args: &[LoweredArg]| {
        format!("{name} {}", lower(name, args, &[], K::CharField))
    };
    let mut certain = a();
    certain.nullable = false;
    insta::assert_snapshot!(table(&[
        one("Lower", &[a()]),
        one("Lower", &[certain]),
        one("Length", &[a()]),
        one("Trim", &[a()]),
        one("Reverse", &[a()]),
        one("Concat", &[a(), txt("-"), n()]),
        one("Left", &[a(), int(3)]),
        one("Right", &[a(), n()]),
        one("Substr", &[a(), int(2), int(5)]),
        one("Substr", &[a(), n()]),
        one("LPad", &[a(), int(4), txt("xy")]),
        one("RPad", &[a(), n(), field("b", K::CharField)]),
        one("Repeat", &[a(), int(3)]),
        one("Repeat", &[a(), n()]),
        one("Replace", &[a(), txt("x"), txt("")]),
        one("StrIndex", &[a(), field("b", K::CharField)]),
        one("Upper", &[field("j", K::JSONField)]),
        one("MD5", &[a()]),
    ]));
}

#[test]
fn math_functions() {
    let n = || field("n", K::IntegerField);
    let f = || field("f", K::FloatField);
    let d = || field("d", K::DecimalField);
    let int = |n: i64| literal(n, K::IntegerField);
    let one =
        |name: &str, args: &[LoweredArg], kind| format!("{name} {}", lower(name, args, &[], kind));
    insta::assert_snapshot!(table(&[
        one("Abs", &[n()], K::IntegerField),
        one("Sign", &[d()], K::DecimalField),
        one("ACos", &[d()], K::DecimalField),
        one("Cos", &[f()], K::FloatField),
        one("Cot", &[n()], K::FloatField),
        one("Ln", &[n()], K::FloatField),
        one("Sqrt", &[n()], K::FloatField),
        one("Log", &[int(2), n()], K::FloatField),
        one("Mod", &[n(), int(3)], K::FloatField),
        one("Mod", &[n(), f()], K::FloatField),
        one("Power", &[n(), int(2)], K::FloatField),
        one("Power", &[n(), int(-1)], K::FloatField),
        one("Power", &[f(), f()], K::FloatField),
        one("Round", &[d(), int(1)], K::DecimalField),
        one("Round", &[f(), int(0)], K::FloatField),
        one("Round", &[n(), int(2)], K::IntegerField),
        one("Round", &[n(), int(-1)], K::IntegerField),
        one("Round", &[d(), n()], K::DecimalField),
        one("Pi", &[], K::FloatField),
        one("Random", &[], K::FloatField),
    ]));
}

#[test]
fn date_functions() {
    let t = || field("t", K::DateTimeField);
    let d = || field("d", K::DateField);
    let c = || field("c", K::TimeField);
    let one = |name: &str, arg: LoweredArg, options: &[(&str, &str)], kind| {
        format!("{name} {}", lower(name, &[arg], options, kind))
    };
    let int = K::IntegerField;
    let chicago = ("tzinfo", "America/Chicago");
    let india = ("tzinfo", "+05:30");
    insta::assert_snapshot!(table(&[
        one("Extract", t(), &[("lookup_name", "year"), chicago], int),
        one("Extract", d(), &[("lookup_name", "iso_year")], int),
        one("Extract", d(), &[("lookup_name", "quarter")], int),
        one(
            "Extract",
            field("u", K::DurationField),
            &[("lookup_name", "hour")],
            int
        ),
        one("Trunc", t(), &[("kind", "week"), chicago], K::DateTimeField),
        one("Trunc", t(), &[("kind", "date"), chicago], K::DateField),
        one("Trunc", t(), &[("kind", "date"), india], K::DateField),
        one("Trunc", t(), &[("kind", "date")], K::DateField),
        one("Trunc", t(), &[("kind", "month"), india], K::DateField),
        one("Trunc", t(), &[("kind", "time"), india], K::TimeField),
        one("Trunc", t(), &[("kind", "hour")], K::TimeField),
        one("Trunc", d(), &[("kind", "quarter")], K::DateField),
        one("Trunc", c(), &[("kind", "minute")], K::TimeField),
        lower("Now", &[], &[], K::DateTimeField),
    ]));
}

#[test]
fn casts() {
    let one = |from: K, to: K| {
        let shown = lower("Cast", &[field("x", from)], &[], to);
        format!("{} -> {}: {shown}", from.name(), to.name())
    };
    insta::assert_snapshot!(table(&[
        one(K::IntegerField, K::CharField),
        one(K::DateTimeField, K::CharField),
        one(K::CharField, K::IntegerField),
        one(K::FloatField, K::IntegerField),
        one(K::DecimalField, K::IntegerField),
        one(K::BooleanField, K::IntegerField),
        one(K::CharField, K::BooleanField),
        one(K::CharField, K::DecimalField),
        one(K::IntegerField, K::FloatField),
        one(K::DateTimeField, K::DateField),
        one(K::DateTimeField, K::TimeField),
        one(K::CharField, K::DateField),
        one(K::CharField, K::UUIDField),
        one(K::DateField, K::IntegerField),
        one(K::CharField, K::JSONField),
    ]));
}

#[test]
fn the_rest() {
    let a = || field("a", K::CharField);
    let b = || field("b", K::CharField);
    let n = || field("n", K::IntegerField);
    let txt = |s: &str| literal(s, K::CharField);
    let int = |n: i64| literal(n, K::IntegerField);
    let list = || field("l", K::ArrayField);
    let one =
        |name: &str, args: &[LoweredArg], kind| format!("{name} {}", lower(name, args, &[], kind));
    insta::assert_snapshot!(table(&[
        one("Coalesce", &[a(), b(), txt("x"), n()], K::CharField),
        one("Greatest", &[a(), b()], K::CharField),
        one("NullIf", &[a(), b()], K::CharField),
        one(
            "JSONObject",
            &[txt("name"), a(), txt("n"), n()],
            K::JSONField
        ),
        one("JSONObject", &[txt("$a.b"), a()], K::JSONField),
        one("JSONArray", &[a(), int(1)], K::JSONField),
        one("ArrayLength", &[list()], K::IntegerField),
        one("ArrayIndex", &[list(), int(2)], K::IntegerField),
        one("ArraySlice", &[list(), int(1), int(3)], K::ArrayField),
        one("ArraySlice", &[list(), int(0), int(3)], K::ArrayField),
        one("ArraySlice", &[list(), int(3), int(3)], K::ArrayField),
    ]));
}

#[test]
fn arithmetic() {
    use crate::queryset::ArithmeticOp as Op;
    let n = || field("n", K::IntegerField);
    let m = || field("m", K::BigIntegerField);
    let f = || field("f", K::FloatField);
    let d = || field("d", K::DecimalField);
    let t = || field("t", K::TimeField);
    let u = || field("u", K::DurationField);
    let day = || field("day", K::DateField);
    let int = |n: i64| literal(n, K::IntegerField);
    let one = |op: Op, a: LoweredArg, b: LoweredArg, kind| {
        let expr = Registry::django().lower_arithmetic(
            op,
            &a,
            &b,
            &FieldType::new(kind),
            &Target::server(8, 0),
        );
        format!("{} {}", op.sign(), show(&expr.unwrap()))
    };
    insta::assert_snapshot!(table(&[
        one(Op::Add, n(), int(1), K::IntegerField),
        one(Op::Div, n(), int(2), K::IntegerField),
        one(Op::Div, n(), m(), K::IntegerField),
        one(Op::Div, f(), n(), K::FloatField),
        one(Op::Div, d(), int(0), K::DecimalField),
        one(Op::Mod, n(), int(3), K::IntegerField),
        one(Op::Pow, n(), int(2), K::IntegerField),
        one(Op::BitXor, n(), int(2), K::IntegerField),
        one(Op::ShiftLeft, n(), int(2), K::IntegerField),
        one(Op::ShiftRight, n(), n(), K::IntegerField),
        one(Op::Add, day(), u(), K::DateTimeField),
        one(Op::Sub, day(), day(), K::DurationField),
        one(Op::Add, t(), u(), K::TimeField),
        one(Op::Mul, u(), f(), K::DurationField),
        one(Op::Mul, u(), int(2), K::DurationField),
        one(Op::Div, u(), int(2), K::DurationField),
        one(
            Op::Add,
            n(),
            literal(Bson::Null, K::IntegerField),
            K::IntegerField
        ),
        one(Op::Add, field("j", K::JSONField), int(1), K::IntegerField),
        one(Op::Mul, n(), n(), K::DecimalField),
    ]));
}

#[test]
fn what_a_version_lacks_is_refused_with_the_version_that_has_it() {
    let a = field("a", K::CharField);
    let error = |name, version| {
        lower_for(version, name, std::slice::from_ref(&a), &[], K::CharField)
            .unwrap_err()
            .to_string()
    };
    insta::assert_snapshot!(table(&[
        error("MD5", (8, 0)),
        error("SHA512", (8, 3)),
        error("Ord", (7, 0)),
    ]));
    assert!(lower_for((8, 3), "SHA256", &[a], &[], K::CharField).is_ok());
}

/// Where the target allows server-side JavaScript every hash is computed there, unless the server has it itself.
#[test]
fn hashes_in_javascript() {
    let mut target = Target::server(8, 0);
    target.javascript = true;
    let ty = FieldType::new(K::CharField);
    let hash = |name: &str, target: &Target| {
        let args = [field("a", K::CharField)];
        let call = LoweredCall {
            function: name,
            args: &args,
            options: &IndexMap::new(),
            ty: &ty,
        };
        show(&Registry::django().lower_call(&call, target).unwrap())
    };
    for name in ["MD5", "SHA1", "SHA224", "SHA256", "SHA384", "SHA512"] {
        let shown = hash(name, &target);
        assert!(
            shown.starts_with("{$function: {body: \"function(s)"),
            "{shown}"
        );
        assert!(
            !shown.contains("START") && !shown.contains("WORDS"),
            "{shown}"
        );
        assert!(shown.ends_with("args: [$a], lang: \"js\"}}"), "{shown}");
    }
    target.version = crate::target::ServerVersion::new(8, 3);
    assert!(hash("SHA256", &target).contains("$hexHash"));
    assert!(hash("SHA384", &target).contains("$function"));
}
