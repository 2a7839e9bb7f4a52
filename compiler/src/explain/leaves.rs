//! The leaves of filters: which an index can serve, and why others cannot be.

use bson::Bson;

use super::indexes::Asked;
use crate::mql::{Args, Expr, FieldOp, Filter};

/// A condition that no index serves where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaf {
    /// The condition, as it is sent.
    pub condition: String,
    /// The collection whose documents it is asked of, if it is still theirs.
    pub collection: Option<String>,
    /// Why.
    pub reason: String,
}

/// What a leaf is for an index.
enum Use {
    Equality(String),
    Range(String),
    /// Conditions on one element of an array, by whole paths.
    Element(Asked),
    None(String),
}

/// Sorts the leaves of a filter over the documents of a collection into what an index can answer, and the rest with
/// the reason.
pub(super) fn sort_out(filter: &Filter, asked: &mut Asked, rest: &mut Vec<(String, String)>) {
    match filter {
        Filter::And(items) => items.iter().for_each(|f| sort_out(f, asked, rest)),
        Filter::Field { path, ops } => {
            let uses: Vec<Use> = ops.iter().map(|op| field(path, op)).collect();
            if ops.iter().any(finds_null) {
                add(&mut asked.nulls, path);
            }
            let mut served = false;
            for used in &uses {
                match used {
                    Use::Equality(path) => {
                        served = true;
                        add(&mut asked.equality, path);
                    }
                    Use::Range(path) => {
                        served = true;
                        add(&mut asked.range, path);
                    }
                    Use::Element(one) => {
                        served = true;
                        one.equality
                            .iter()
                            .for_each(|path| add(&mut asked.equality, path));
                        one.range
                            .iter()
                            .for_each(|path| add(&mut asked.range, path));
                        asked.elements.push(one.clone());
                    }
                    Use::None(_) => {}
                }
            }
            if !served && let Some(Use::None(reason)) = uses.into_iter().next() {
                rest.push((filter.to_string(), reason));
            }
        }
        Filter::Expr(expr) => expression(expr, asked, rest),
        Filter::Or(items) => alternatives(filter, items, asked, rest),
        Filter::Nor(_) => rest.push((filter.to_string(), NEGATION.to_owned())),
        Filter::Raw(_) => rest.push((filter.to_string(), "a filter as it was given".to_owned())),
        Filter::True | Filter::False => {}
    }
    asked.range.retain(|path| !asked.equality.contains(path));
}

/// Alternatives on one path are ranges of one index, and equalities on one path its values; others need an index each.
fn alternatives(
    filter: &Filter,
    items: &[Filter],
    asked: &mut Asked,
    rest: &mut Vec<(String, String)>,
) {
    // What every alternative asks, and the first that each does.
    let mut shared: Option<Asked> = None;
    let mut paths: Vec<String> = Vec::new();
    for item in items {
        let (mut of_one, mut unserved) = (Asked::default(), Vec::new());
        sort_out(item, &mut of_one, &mut unserved);
        match of_one.equality.first().or(of_one.range.first()) {
            Some(path) => add(&mut paths, path),
            None => {
                rest.push((
                    filter.to_string(),
                    format!(
                        "an alternative without an index makes the server read everything: {item}"
                    ),
                ));
                return;
            }
        }
        match &mut shared {
            None => shared = Some(of_one),
            Some(shared) => shared.keep(&of_one),
        }
    }
    let shared = shared.unwrap_or_default();
    if !shared.equality.is_empty() {
        let Asked {
            equality,
            range,
            nulls,
            ..
        } = shared;
        nulls.iter().for_each(|path| add(&mut asked.nulls, path));
        equality
            .iter()
            .for_each(|path| add(&mut asked.equality, path));
        range.iter().for_each(|path| add(&mut asked.range, path));
        return;
    }
    if let Some(path) = shared.range.first() {
        if shared.nulls.contains(path) {
            add(&mut asked.nulls, path);
        }
        add(&mut asked.range, path);
        return;
    }
    let reason = format!(
        "each alternative needs an index of its own ({}); then all of them are read",
        paths.join(", ")
    );
    rest.push((filter.to_string(), reason));
}

/// Whether documents without a value are asked for.
fn finds_null(op: &FieldOp) -> bool {
    match op {
        FieldOp::Eq(value) | FieldOp::Gte(value) | FieldOp::Lte(value) => *value == Bson::Null,
        FieldOp::In(values) => values.contains(&Bson::Null),
        FieldOp::Exists(there) => !there,
        _ => false,
    }
}

fn add(list: &mut Vec<String>, path: &str) {
    if !list.iter().any(|p| p == path) {
        list.push(path.to_owned());
    }
}

const NEGATION: &str =
    "a negation keeps all but a few documents: an index would be read almost as a whole";

fn field(path: &str, op: &FieldOp) -> Use {
    let none = |reason: &str| Use::None(reason.to_owned());
    match op {
        FieldOp::Eq(_) | FieldOp::In(_) | FieldOp::InParameter(_) | FieldOp::All(_) => {
            Use::Equality(path.to_owned())
        }
        FieldOp::Lt(_) | FieldOp::Lte(_) | FieldOp::Gt(_) | FieldOp::Gte(_) => {
            Use::Range(path.to_owned())
        }
        FieldOp::Regex { pattern, options } => {
            if options.contains('i') {
                none("a pattern without regard to case: an index is in the order of case")
            } else if !pattern.starts_with('^') && !pattern.starts_with("\\A") {
                none(
                    "a pattern that is not anchored at the beginning: only a prefix is a range of an index",
                )
            } else if prefix(pattern).is_empty() {
                none(
                    "a pattern that does not begin with plain text: only a prefix is a range of an index",
                )
            } else {
                Use::Range(path.to_owned())
            }
        }
        FieldOp::Ne(Bson::Null) => none(
            "a test for NOT NULL keeps whatever is there; an index helps only where that is little",
        ),
        FieldOp::Ne(_) | FieldOp::Nin(_) => none(NEGATION),
        FieldOp::Not(inner) => match inner.as_slice() {
            [FieldOp::Lt(_) | FieldOp::Lte(_) | FieldOp::Gt(_) | FieldOp::Gte(_)] => {
                Use::Range(path.to_owned())
            }
            _ => none(NEGATION),
        },
        FieldOp::Exists(_) => {
            none("an index does not tell a missing key from null, so documents are read to see")
        }
        // An index is in the order of types, but for an array it has the elements.
        FieldOp::Type(types) => match types.as_slice() {
            ["null"] => Use::Equality(path.to_owned()),
            [one] if *one != "array" => Use::Range(path.to_owned()),
            _ => none("an index of an array has its elements, not that it is one"),
        },
        FieldOp::Size(_) => none("an index of an array has its elements, not their number"),
        FieldOp::Mod(..) => none("a remainder is spread over the whole index"),
        FieldOp::ElemMatch(inner) => {
            let (mut asked, mut rest) = (Asked::default(), Vec::new());
            sort_out(inner, &mut asked, &mut rest);
            if asked.is_empty() {
                return none("no condition on the elements is one that an index answers");
            }
            for inner in asked.equality.iter_mut().chain(&mut asked.range) {
                *inner = format!("{path}.{inner}");
            }
            Use::Element(asked)
        }
        FieldOp::ElemMatchValue(inner) => match inner.first() {
            Some(op) => field(path, op),
            None => none("no condition on the elements"),
        },
        FieldOp::Other(name, _) => Use::None(format!("{name} needs an index of its own kind")),
    }
}

/// The plain text that an anchored pattern begins with.
fn prefix(pattern: &str) -> String {
    let rest = pattern
        .strip_prefix('^')
        .or_else(|| pattern.strip_prefix("\\A"))
        .unwrap_or(pattern);
    let mut out = String::new();
    let mut chars = rest.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some(escaped) if !escaped.is_ascii_alphanumeric() => out.push(escaped),
                _ => break,
            },
            '*' | '?' | '{' => {
                out.pop();
                break;
            }
            '.' | '[' | '(' | '|' | '+' | '$' => break,
            other => out.push(other),
        }
    }
    out
}

/// `$expr`: a comparison of a field with a constant or a variable can use an index, all else cannot.
fn expression(expr: &Expr, asked: &mut Asked, rest: &mut Vec<(String, String)>) {
    if let Expr::Op("$and", Args::List(items)) = expr {
        items.iter().for_each(|x| expression(x, asked, rest));
        return;
    }
    if let Expr::Op(op, Args::List(pair)) = expr
        && let [a, b] = pair.as_slice()
    {
        let given = |x: &Expr| match x {
            Expr::Literal(_) => true,
            Expr::Var { name, .. } => name != "ROOT" && name != "CURRENT",
            _ => false,
        };
        let path = match (a, b) {
            (Expr::Field(path), other) | (other, Expr::Field(path)) if given(other) => {
                Some(path.join("."))
            }
            _ => None,
        };
        match (path, *op) {
            (Some(path), "$eq") => return add(&mut asked.equality, &path),
            (Some(path), "$lt" | "$lte" | "$gt" | "$gte") => return add(&mut asked.range, &path),
            _ => {}
        }
    }
    let text = Filter::Expr(expr.clone()).to_string();
    rest.push((text, computed(expr)));
}

/// Why an expression cannot be answered by an index.
fn computed(expr: &Expr) -> String {
    let mut fields: Vec<String> = Vec::new();
    let mut operators: Vec<&'static str> = Vec::new();
    let mut stack = vec![expr];
    while let Some(x) = stack.pop() {
        match x {
            Expr::Field(path) => add(&mut fields, &path.join(".")),
            Expr::Op(op, _) if !operators.contains(op) => operators.push(op),
            _ => {}
        }
        x.children(&mut |child| stack.push(child));
    }
    let of = match fields.as_slice() {
        [] => String::new(),
        [one] => format!(" of {one}"),
        many => format!(" of {}", many.join(" and ")),
    };
    let has = |names: &[&str]| operators.iter().copied().find(|op| names.contains(op));
    if let Some(op) = has(DATE_PARTS) {
        return format!("a part of a date ({op}{of}) that is no range of time");
    }
    if has(&["$getField"]).is_some() {
        return format!("a key inside JSON{of}, reached without entering arrays");
    }
    if has(&["$regexMatch", "$indexOfBytes", "$indexOfCP", "$regexFind"]).is_some() {
        return format!("a search for text that is computed{of}");
    }
    if has(&[
        "$in",
        "$setIsSubset",
        "$setIntersection",
        "$anyElementTrue",
        "$map",
        "$filter",
    ])
    .is_some()
        && fields.len() < 2
    {
        return format!("a test of a list as a whole{of}");
    }
    let plain = operators.iter().all(|op| {
        matches!(
            *op,
            "$eq" | "$ne" | "$lt" | "$lte" | "$gt" | "$gte" | "$and" | "$or" | "$not"
        )
    });
    if plain && fields.len() > 1 {
        return format!("a comparison{of} with each other: known only when the document is read");
    }
    let function = operators.iter().find(|op| {
        !matches!(
            **op,
            "$eq"
                | "$ne"
                | "$lt"
                | "$lte"
                | "$gt"
                | "$gte"
                | "$and"
                | "$or"
                | "$not"
                | "$let"
                | "$cond"
                | "$in"
        )
    });
    match function {
        Some(op) => format!("computed ({op}{of}): an index holds what is stored"),
        None => format!("an expression{of}: an index holds what is stored"),
    }
}

const DATE_PARTS: &[&str] = &[
    "$year",
    "$month",
    "$dayOfMonth",
    "$dayOfWeek",
    "$dayOfYear",
    "$hour",
    "$minute",
    "$second",
    "$millisecond",
    "$isoWeek",
    "$isoWeekYear",
    "$isoDayOfWeek",
    "$week",
    "$dateTrunc",
    "$dateToString",
    "$dateToParts",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn leaves(filter: &Filter) -> (Asked, Vec<String>) {
        let (mut asked, mut rest) = (Asked::default(), Vec::new());
        sort_out(filter, &mut asked, &mut rest);
        (asked, rest.into_iter().map(|(_, reason)| reason).collect())
    }

    fn regex(pattern: &str, options: &str) -> Filter {
        Filter::field(
            "a",
            FieldOp::Regex {
                pattern: pattern.to_owned(),
                options: options.to_owned(),
            },
        )
    }

    /// A prefix is a range; other patterns are not.
    #[test]
    fn patterns() {
        assert_eq!(leaves(&regex("^The", "")).0.range, ["a"]);
        for (pattern, options, reason) in [
            ("The", "", "not anchored"),
            ("^The", "i", "without regard to case"),
            ("^(a|b)", "", "plain text"),
            ("^a*", "", "plain text"),
        ] {
            let (asked, reasons) = leaves(&regex(pattern, options));
            assert!(asked.is_empty(), "{pattern}");
            assert!(
                reasons.iter().any(|r| r.contains(reason)),
                "{pattern}: {reasons:?}"
            );
        }
    }

    /// A negation beside a range on the same path is read with it.
    #[test]
    fn negations() {
        let alone = Filter::field("a", FieldOp::Ne(Bson::Int32(3)));
        assert_eq!(leaves(&alone).1.len(), 1);
        let beside = Filter::Field {
            path: "a".to_owned(),
            ops: vec![FieldOp::Gt(Bson::Int32(1)), FieldOp::Ne(Bson::Int32(3))],
        };
        let (asked, reasons) = leaves(&beside);
        assert_eq!((asked.range.len(), reasons.len()), (1, 0));
    }

    fn at_least(path: &str, n: i32) -> Filter {
        Filter::field(path, FieldOp::Gte(Bson::Int32(n)))
    }

    fn is(path: &str, n: i32) -> Filter {
        Filter::field(path, FieldOp::Eq(Bson::Int32(n)))
    }

    /// What all alternatives compare for equality has several values, what all of them ask is a range; else each needs an
    /// index of its own.
    #[test]
    fn shared_by_alternatives() {
        let both = |n| Filter::And(vec![is("a", n), at_least("b", n)]);
        let asked = leaves(&Filter::Or(vec![both(1), both(2)])).0;
        assert_eq!(
            (asked.equality, asked.range),
            (vec!["a".to_owned()], vec!["b".to_owned()])
        );
        let asked = leaves(&Filter::Or(vec![is("a", 1), at_least("a", 3)])).0;
        assert_eq!(
            (asked.equality.len(), asked.range),
            (0, vec!["a".to_owned()])
        );
        let (asked, reasons) = leaves(&Filter::Or(vec![is("a", 1), is("b", 3)]));
        assert!(asked.is_empty() && reasons.iter().any(|r| r.contains("of its own (a, b)")));
    }

    /// Conditions on one element are one index; conditions on several elements only one of them.
    #[test]
    fn elements() {
        let inner = Filter::And(vec![is("x", 1), at_least("y", 2)]);
        let one = Filter::field("a", FieldOp::ElemMatch(Box::new(inner)));
        let several = Filter::And(vec![is("a.y", 1), at_least("a.x", 2)]);
        for (filter, equality, range) in [(one, "a.x", vec!["a.y"]), (several, "a.y", vec![])] {
            let (mut asked, _) = leaves(&filter);
            asked.narrow(|column| column == "a");
            assert_eq!(
                (asked.equality, asked.range),
                (
                    vec![equality.to_owned()],
                    range.iter().map(|s| (*s).to_owned()).collect()
                )
            );
        }
    }

    /// A variable is as good as a constant; another field is not, nor is a function.
    #[test]
    fn expressions() {
        let eq = |a: Expr, b: Expr| Filter::Expr(Expr::list("$eq", [a, b]));
        let (asked, rest) = leaves(&eq(Expr::field(["a"]), Expr::var("v")));
        assert_eq!((asked.equality, rest.len()), (vec!["a".to_owned()], 0));
        let (_, rest) = leaves(&eq(Expr::field(["a"]), Expr::field(["b"])));
        assert!(rest.iter().any(|r| r.contains("each other")), "{rest:?}");
        let month = Expr::one("$month", Expr::field(["d"]));
        let (_, rest) = leaves(&eq(month, Expr::lit(3)));
        assert!(rest.iter().any(|r| r.contains("$month of d")), "{rest:?}");
    }
}
