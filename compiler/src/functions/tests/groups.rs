//! Aggregates and window functions as accumulators, passes and finishing expressions.

use super::*;
use crate::functions::{Grouped, LoweredAggregate, LoweredKey, LoweredWindow, Over, Windowed};
use crate::mql::{WindowOutput, WindowRange};
use crate::plan::WindowFrame;
use crate::queryset::{FrameUnit, NullsOrder};
use FieldKind as K;

/// An aggregate to lower, with its parts.
struct Case {
    function: &'static str,
    args: Vec<LoweredArg>,
    distinct: bool,
    filter: Option<Expr>,
    order: Vec<LoweredKey>,
    options: IndexMap<String, Value>,
    ty: FieldType,
}

fn case(function: &'static str, args: &[LoweredArg], kind: FieldKind) -> Case {
    Case {
        function,
        args: args.to_vec(),
        distinct: false,
        filter: None,
        order: Vec::new(),
        options: IndexMap::new(),
        ty: FieldType::new(kind),
    }
}

impl Case {
    fn distinct(mut self) -> Self {
        self.distinct = true;
        self
    }

    fn filter(mut self) -> Self {
        self.filter = Some(Expr::field(["ok"]));
        self
    }

    fn order(mut self, key: LoweredKey) -> Self {
        self.order.push(key);
        self
    }

    fn call(&self) -> LoweredAggregate<'_> {
        LoweredAggregate {
            function: self.function,
            args: &self.args,
            distinct: self.distinct,
            filter: self.filter.clone(),
            order: &self.order,
            options: &self.options,
            ty: &self.ty,
            never_null: false,
            always_there: false,
        }
    }

    fn group(&self) -> String {
        let grouped =
            Registry::django().lower_aggregate(&self.call(), &mut names(), &Target::server(8, 0));
        match grouped {
            Ok(grouped) => format!("{} {}", self.function, show_group(&grouped)),
            Err(error) => format!("{} {error}", self.function),
        }
    }

    fn window(&self, order: &[LoweredKey], frame: Option<WindowFrame>) -> String {
        let window = LoweredWindow {
            call: self.call(),
            frame,
            order,
        };
        match Registry::django().lower_window(&window, &mut names(), &Target::server(8, 0)) {
            Ok(windowed) => format!("{}{}", self.function, show_window(&windowed)),
            Err(error) => format!("{}\n  {error}", self.function),
        }
    }
}

fn names() -> impl FnMut() -> String {
    let mut next = 0;
    move || {
        next += 1;
        format!("x{next}")
    }
}

fn show_group(grouped: &Grouped) -> String {
    let fields: Vec<_> = grouped
        .fields
        .iter()
        .map(|(name, a)| format!("{name}: {{{}: {}}}", a.op, arguments(&a.args)))
        .collect();
    if grouped.is_plain() {
        return fields.join(", ");
    }
    format!("{} => {}", fields.join(", "), show(&grouped.value))
}

fn show_bound(bound: Option<&Bson>) -> String {
    match bound {
        None => "unbounded".to_owned(),
        Some(Bson::Int32(0)) => "current".to_owned(),
        Some(n) => n.to_string(),
    }
}

fn show_output((name, output): &(String, WindowOutput)) -> String {
    let window = match &output.window {
        None => String::new(),
        Some(WindowRange {
            range,
            start,
            end,
            unit,
        }) => format!(
            " {}[{}, {}]{}",
            if *range { "range" } else { "documents" },
            show_bound(start.as_ref()),
            show_bound(end.as_ref()),
            unit.map(|u| format!(" {u}")).unwrap_or_default(),
        ),
    };
    format!("{name}: {}: {}{window}", output.op, arguments(&output.args))
}

fn show_window(windowed: &Windowed) -> String {
    let mut out = String::new();
    for pass in &windowed.passes {
        for (name, value) in &pass.set {
            out += &format!("\n  set {name}: {}", show(value));
        }
        let over = match &pass.over {
            Over::Peers { number } => format!("peers by {number}"),
            Over::Sorted { field } => format!("sorted by {field}"),
            other => format!("{other:?}").to_lowercase(),
        };
        let outputs: Vec<_> = pass.outputs.iter().map(show_output).collect();
        out += &format!("\n  {over}: {}", outputs.join(", "));
    }
    format!("{out}\n  => {}", show(&windowed.value))
}

fn key(name: &str, kind: FieldKind, nullable: bool) -> LoweredKey {
    LoweredKey {
        expr: Expr::field([name]),
        desc: false,
        nulls: None,
        ty: ty(kind),
        nullable,
    }
}

fn certain(name: &str, kind: FieldKind) -> LoweredArg {
    LoweredArg {
        nullable: false,
        ..field(name, kind)
    }
}

#[test]
fn aggregates() {
    let n = || field("n", K::IntegerField);
    let a = || field("a", K::CharField);
    let delimiter = || literal("; ", K::CharField);
    let with_nulls = LoweredKey {
        desc: true,
        nulls: Some(NullsOrder::Last),
        ..key("k", K::IntegerField, true)
    };
    let mut sample = case("Variance", &[n()], K::FloatField);
    sample
        .options
        .insert("sample".to_owned(), Value::Bool(true));
    insta::assert_snapshot!(
        [
            case("Count", &[], K::IntegerField).group(),
            case("Count", &[n()], K::IntegerField).group(),
            case("Count", &[certain("n", K::IntegerField)], K::IntegerField)
                .filter()
                .group(),
            case("Count", &[n()], K::IntegerField)
                .distinct()
                .filter()
                .group(),
            case("Sum", &[certain("n", K::IntegerField)], K::IntegerField).group(),
            case("Sum", &[n()], K::IntegerField).group(),
            case("Sum", &[n()], K::IntegerField).distinct().group(),
            case("Avg", &[n()], K::FloatField).group(),
            case("Avg", &[field("u", K::DurationField)], K::DurationField).group(),
            case("Avg", &[n()], K::DecimalField).distinct().group(),
            case("Max", &[a()], K::CharField).filter().group(),
            case("StdDev", &[field("d", K::DecimalField)], K::DecimalField).group(),
            sample.group(),
            case("BoolOr", &[field("b", K::BooleanField)], K::BooleanField).group(),
            case("BitXor", &[n()], K::IntegerField).group(),
            case("BitAnd", &[n()], K::IntegerField).group(),
            case("ArrayAgg", &[a()], K::ArrayField).group(),
            case("ArrayAgg", &[a()], K::ArrayField)
                .filter()
                .order(with_nulls)
                .group(),
            case("ArrayAgg", &[a()], K::ArrayField).distinct().group(),
            case("StringAgg", &[a(), delimiter()], K::TextField).group(),
            case("StringAgg", &[a(), delimiter()], K::TextField)
                .order(key("k", K::CharField, false))
                .group(),
            case("RegrSlope", &[n(), n()], K::FloatField).group(),
        ]
        .join("\n")
    );
}

#[test]
fn windows() {
    let n = || field("n", K::IntegerField);
    let frame = |unit, start, end| Some(WindowFrame { unit, start, end });
    let one = [key("k", K::IntegerField, false)];
    let date = [key("d", K::DateField, false)];
    let down = [LoweredKey {
        desc: true,
        ..key("k", K::IntegerField, false)
    }];
    let two = [
        key("k", K::IntegerField, false),
        key("t", K::CharField, true),
    ];
    let plain = |name| case(name, &[], K::IntegerField);
    let sum = || case("Sum", &[n()], K::IntegerField);
    insta::assert_snapshot!(
        [
            plain("RowNumber").window(&one, None),
            plain("Rank").window(&one, None),
            plain("Rank").window(&two, None),
            plain("Rank").window(&[], None),
            plain("DenseRank").window(&one, None),
            plain("DenseRank").window(&two, None),
            plain("PercentRank").window(&one, None),
            plain("CumeDist").window(&two, None),
            case("Ntile", &[literal(4_i64, K::IntegerField)], K::IntegerField).window(&one, None),
            case(
                "Lag",
                &[n(), literal(2_i64, K::IntegerField)],
                K::IntegerField
            )
            .window(&one, None),
            case(
                "Lead",
                &[
                    n(),
                    literal(1_i64, K::IntegerField),
                    field("m", K::IntegerField)
                ],
                K::IntegerField
            )
            .window(&one, None),
            case("FirstValue", &[n()], K::IntegerField).window(&two, None),
            case("LastValue", &[n()], K::IntegerField).window(&two, None),
            case("LastValue", &[n()], K::IntegerField).window(&one, None),
            case(
                "NthValue",
                &[n(), literal(2_i64, K::IntegerField)],
                K::IntegerField
            )
            .window(&one, None),
            case(
                "NthValue",
                &[n(), literal(2_i64, K::IntegerField)],
                K::IntegerField
            )
            .window(&one, frame(FrameUnit::Rows, Some(-1), Some(1))),
            sum().window(&[], None),
            sum().window(&one, None),
            sum().window(&date, None),
            sum().window(&down, None),
            sum().window(&two, frame(FrameUnit::Rows, None, Some(0))),
            sum().window(&two, frame(FrameUnit::Range, None, None)),
            sum().window(&two, frame(FrameUnit::Range, Some(0), None)),
            sum().window(&two, frame(FrameUnit::Range, Some(0), Some(0))),
            sum().window(&one, frame(FrameUnit::Range, Some(-2), Some(2))),
            sum().window(&down, frame(FrameUnit::Range, Some(-2), Some(2))),
            sum().window(&two, frame(FrameUnit::Range, Some(-2), Some(2))),
        ]
        .join("\n")
    );
}
