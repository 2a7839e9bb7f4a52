//! The operators of the aggregation language, as data: where each may stand, what it takes, which server version brought it
//! (MongoDB manual, "Aggregation Operators").

use super::Args;
use crate::target::ServerVersion;

/// Where an operator may stand, as a set of bits.
type Places = u8;
const EXPR: Places = 1;
/// In `$group` and in `$setWindowFields`.
const GROUP: Places = 2 | 4;
const WINDOW: Places = 4;
const ANY: Places = EXPR | GROUP;

/// The place of an operator in a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// In an expression.
    Expression,
    /// Of a field of `$group`.
    Accumulator,
    /// Of an output of `$setWindowFields`.
    Window,
}

impl Place {
    /// In words.
    pub(super) fn what(self) -> &'static str {
        match self {
            Place::Expression => "expression",
            Place::Accumulator => "accumulator of a group",
            Place::Window => "function of a window",
        }
    }

    fn bit(self) -> Places {
        match self {
            Place::Expression => EXPR,
            Place::Accumulator => 2,
            Place::Window => WINDOW,
        }
    }
}

/// No limit to the number of arguments.
const MANY: u8 = u8::MAX;

/// What an operator takes.
#[derive(Debug, Clone, Copy)]
struct Arity {
    /// Number of arguments in a list, at least and at most; a single one needs no list.
    list: Option<(u8, u8)>,
    /// Arguments by name: those that must be there, and the others.
    named: Option<(&'static [&'static str], &'static [&'static str])>,
}

const fn args(least: u8, most: u8) -> Arity {
    Arity {
        list: Some((least, most)),
        named: None,
    }
}

const fn named(required: &'static [&'static str], others: &'static [&'static str]) -> Arity {
    Arity {
        list: None,
        named: Some((required, others)),
    }
}

const fn either(
    least: u8,
    most: u8,
    required: &'static [&'static str],
    others: &'static [&'static str],
) -> Arity {
    Arity {
        list: Some((least, most)),
        named: Some((required, others)),
    }
}

/// A row of the table.
#[derive(Debug)]
pub(super) struct Operator {
    name: &'static str,
    places: Places,
    arity: Arity,
    /// The version that brought it.
    pub since: ServerVersion,
    /// Of null and of nothing it makes null (MongoDB manual: "If the argument resolves to a value of null or refers to a missing
    /// field, returns null"), or it always has a value.
    pub is_never_missing: bool,
}

const fn row(name: &'static str, places: Places, arity: Arity, since: ServerVersion) -> Operator {
    Operator {
        name,
        places,
        arity,
        since,
        is_never_missing: false,
    }
}

const fn v(major: u16, minor: u16) -> ServerVersion {
    ServerVersion::new(major, minor)
}

/// Older than every target.
const OLD: ServerVersion = v(0, 0);

/// Every operator, by name.
#[rustfmt::skip] // one a line
const OPERATORS: &[Operator] = &[
    row("$abs", EXPR, args(1, 1), OLD).never_missing(),
    row("$accumulator", GROUP, named(&["accumulate", "accumulateArgs", "merge", "lang", "init"], &["initArgs", "finalize"]), OLD),
    row("$acos", EXPR, args(1, 1), OLD),
    row("$acosh", EXPR, args(1, 1), OLD),
    row("$add", EXPR, args(0, MANY), OLD).never_missing(),
    row("$addToSet", GROUP, args(1, 1), OLD),
    row("$allElementsTrue", EXPR, args(1, 1), OLD),
    row("$and", EXPR, args(0, MANY), OLD).never_missing(),
    row("$anyElementTrue", EXPR, args(1, 1), OLD),
    row("$arrayElemAt", EXPR, args(2, 2), OLD),
    row("$arrayToObject", EXPR, args(1, 1), OLD),
    row("$asin", EXPR, args(1, 1), OLD),
    row("$asinh", EXPR, args(1, 1), OLD),
    row("$atan", EXPR, args(1, 1), OLD),
    row("$atan2", EXPR, args(2, 2), OLD),
    row("$atanh", EXPR, args(1, 1), OLD),
    row("$avg", ANY, args(1, MANY), OLD),
    row("$binarySize", EXPR, args(1, 1), OLD),
    row("$bitAnd", EXPR, args(0, MANY), v(6, 3)),
    row("$bitNot", EXPR, args(1, 1), v(6, 3)),
    row("$bitOr", EXPR, args(0, MANY), v(6, 3)),
    row("$bitXor", EXPR, args(0, MANY), v(6, 3)),
    row("$bottom", GROUP, named(&["sortBy", "output"], &[]), v(5, 2)),
    row("$bottomN", GROUP, named(&["sortBy", "output", "n"], &[]), v(5, 2)),
    row("$bsonSize", EXPR, args(1, 1), OLD),
    row("$ceil", EXPR, args(1, 1), OLD).never_missing(),
    row("$cmp", EXPR, args(2, 2), OLD),
    row("$concat", EXPR, args(0, MANY), OLD).never_missing(),
    row("$concatArrays", ANY, args(0, MANY), OLD),
    row("$cond", EXPR, either(3, 3, &["if", "then", "else"], &[]), OLD),
    row("$convert", EXPR, named(&["input", "to"], &["onError", "onNull", "format", "byteOrder", "base"]), OLD),
    row("$cos", EXPR, args(1, 1), OLD),
    row("$cosh", EXPR, args(1, 1), OLD),
    row("$count", GROUP, either(0, 0, &[], &[]), OLD),
    row("$covariancePop", WINDOW, args(2, 2), OLD),
    row("$covarianceSamp", WINDOW, args(2, 2), OLD),
    row("$dateAdd", EXPR, named(&["startDate", "unit", "amount"], &["timezone"]), OLD).never_missing(),
    row("$dateDiff", EXPR, named(&["startDate", "endDate", "unit"], &["timezone", "startOfWeek"]), OLD).never_missing(),
    row("$dateFromParts", EXPR, named(&[], &["year", "month", "day", "hour", "minute", "second", "millisecond", "isoWeekYear", "isoWeek", "isoDayOfWeek", "timezone"]), OLD),
    row("$dateFromString", EXPR, named(&["dateString"], &["format", "timezone", "onError", "onNull"]), OLD),
    row("$dateSubtract", EXPR, named(&["startDate", "unit", "amount"], &["timezone"]), OLD).never_missing(),
    row("$dateToParts", EXPR, named(&["date"], &["timezone", "iso8601"]), OLD),
    row("$dateToString", EXPR, named(&["date"], &["format", "timezone", "onNull"]), OLD).never_missing(),
    row("$dateTrunc", EXPR, named(&["date", "unit"], &["binSize", "timezone", "startOfWeek"]), OLD).never_missing(),
    row("$dayOfMonth", EXPR, either(1, 1, &["date"], &["timezone"]), OLD).never_missing(),
    row("$dayOfWeek", EXPR, either(1, 1, &["date"], &["timezone"]), OLD).never_missing(),
    row("$dayOfYear", EXPR, either(1, 1, &["date"], &["timezone"]), OLD).never_missing(),
    row("$degreesToRadians", EXPR, args(1, 1), OLD),
    row("$denseRank", WINDOW, either(0, 0, &[], &[]), OLD),
    row("$derivative", WINDOW, named(&["input"], &["unit"]), OLD),
    row("$divide", EXPR, args(2, 2), OLD).never_missing(),
    row("$documentNumber", WINDOW, either(0, 0, &[], &[]), OLD),
    row("$eq", EXPR, args(2, 2), OLD).never_missing(),
    row("$exp", EXPR, args(1, 1), OLD).never_missing(),
    row("$expMovingAvg", WINDOW, named(&["input"], &["N", "alpha"]), OLD),
    row("$filter", EXPR, named(&["input", "cond"], &["as", "limit"]), OLD),
    row("$first", ANY, args(1, 1), OLD),
    row("$firstN", ANY, named(&["input", "n"], &[]), v(5, 2)),
    row("$floor", EXPR, args(1, 1), OLD).never_missing(),
    row("$function", EXPR, named(&["body", "args", "lang"], &[]), OLD),
    row("$getField", EXPR, either(1, 1, &["field"], &["input"]), OLD),
    row("$gt", EXPR, args(2, 2), OLD).never_missing(),
    row("$gte", EXPR, args(2, 2), OLD).never_missing(),
    row("$hash", EXPR, named(&["input", "algorithm"], &[]), v(8, 3)),
    row("$hexHash", EXPR, named(&["input", "algorithm"], &[]), v(8, 3)),
    row("$hour", EXPR, either(1, 1, &["date"], &["timezone"]), OLD).never_missing(),
    row("$ifNull", EXPR, args(2, MANY), OLD),
    row("$in", EXPR, args(2, 2), OLD).never_missing(),
    row("$indexOfArray", EXPR, args(2, 4), OLD),
    row("$indexOfBytes", EXPR, args(2, 4), OLD),
    row("$indexOfCP", EXPR, args(2, 4), OLD).never_missing(),
    row("$integral", WINDOW, named(&["input"], &["unit"]), OLD),
    row("$isArray", EXPR, args(1, 1), OLD),
    row("$isNumber", EXPR, args(1, 1), OLD),
    row("$isoDayOfWeek", EXPR, either(1, 1, &["date"], &["timezone"]), OLD),
    row("$isoWeek", EXPR, either(1, 1, &["date"], &["timezone"]), OLD).never_missing(),
    row("$isoWeekYear", EXPR, either(1, 1, &["date"], &["timezone"]), OLD).never_missing(),
    row("$last", ANY, args(1, 1), OLD),
    row("$lastN", ANY, named(&["input", "n"], &[]), v(5, 2)),
    row("$let", EXPR, named(&["vars", "in"], &[]), OLD),
    row("$linearFill", WINDOW, args(1, 1), v(5, 3)),
    row("$literal", EXPR, args(1, 1), OLD),
    row("$ln", EXPR, args(1, 1), OLD).never_missing(),
    row("$locf", WINDOW, args(1, 1), v(5, 2)),
    row("$log", EXPR, args(2, 2), OLD),
    row("$log10", EXPR, args(1, 1), OLD).never_missing(),
    row("$lt", EXPR, args(2, 2), OLD).never_missing(),
    row("$lte", EXPR, args(2, 2), OLD).never_missing(),
    row("$ltrim", EXPR, named(&["input"], &["chars"]), OLD),
    row("$map", EXPR, named(&["input", "in"], &["as"]), OLD),
    row("$max", ANY, args(1, MANY), OLD),
    row("$maxN", ANY, named(&["input", "n"], &[]), v(5, 2)),
    row("$median", ANY, named(&["input", "method"], &[]), v(7, 0)),
    row("$mergeObjects", ANY, args(0, MANY), OLD),
    row("$meta", EXPR, args(1, 1), OLD),
    row("$millisecond", EXPR, either(1, 1, &["date"], &["timezone"]), OLD),
    row("$min", ANY, args(1, MANY), OLD),
    row("$minN", ANY, named(&["input", "n"], &[]), v(5, 2)),
    row("$minute", EXPR, either(1, 1, &["date"], &["timezone"]), OLD).never_missing(),
    row("$mod", EXPR, args(2, 2), OLD).never_missing(),
    row("$month", EXPR, either(1, 1, &["date"], &["timezone"]), OLD).never_missing(),
    row("$multiply", EXPR, args(0, MANY), OLD).never_missing(),
    row("$ne", EXPR, args(2, 2), OLD).never_missing(),
    row("$not", EXPR, args(1, 1), OLD).never_missing(),
    row("$objectToArray", EXPR, args(1, 1), OLD),
    row("$or", EXPR, args(0, MANY), OLD).never_missing(),
    row("$percentile", ANY, named(&["input", "p", "method"], &[]), v(7, 0)),
    row("$pow", EXPR, args(2, 2), OLD).never_missing(),
    row("$push", GROUP, args(1, 1), OLD),
    row("$radiansToDegrees", EXPR, args(1, 1), OLD),
    row("$rand", EXPR, either(0, 0, &[], &[]), OLD),
    row("$range", EXPR, args(2, 3), OLD),
    row("$rank", WINDOW, either(0, 0, &[], &[]), OLD),
    row("$reduce", EXPR, named(&["input", "initialValue", "in"], &[]), OLD),
    row("$regexFind", EXPR, named(&["input", "regex"], &["options"]), OLD),
    row("$regexFindAll", EXPR, named(&["input", "regex"], &["options"]), OLD),
    row("$regexMatch", EXPR, named(&["input", "regex"], &["options"]), OLD),
    row("$replaceAll", EXPR, named(&["input", "find", "replacement"], &[]), OLD),
    row("$replaceOne", EXPR, named(&["input", "find", "replacement"], &[]), OLD),
    row("$reverseArray", EXPR, args(1, 1), OLD),
    row("$round", EXPR, args(1, 2), OLD).never_missing(),
    row("$rtrim", EXPR, named(&["input"], &["chars"]), OLD),
    row("$sampleRate", EXPR, args(1, 1), OLD),
    row("$second", EXPR, either(1, 1, &["date"], &["timezone"]), OLD).never_missing(),
    row("$setDifference", EXPR, args(2, 2), OLD),
    row("$setEquals", EXPR, args(0, MANY), OLD),
    row("$setField", EXPR, named(&["field", "input", "value"], &[]), OLD),
    row("$setIntersection", EXPR, args(0, MANY), OLD),
    row("$setIsSubset", EXPR, args(2, 2), OLD),
    row("$setUnion", ANY, args(0, MANY), OLD),
    row("$shift", WINDOW, named(&["output", "by"], &["default"]), OLD),
    row("$sin", EXPR, args(1, 1), OLD),
    row("$sinh", EXPR, args(1, 1), OLD),
    row("$size", EXPR, args(1, 1), OLD).never_missing(),
    row("$slice", EXPR, args(2, 3), OLD),
    row("$sortArray", EXPR, named(&["input", "sortBy"], &[]), v(5, 2)),
    row("$split", EXPR, args(2, 2), OLD),
    row("$sqrt", EXPR, args(1, 1), OLD).never_missing(),
    row("$stdDevPop", ANY, args(1, MANY), OLD),
    row("$stdDevSamp", ANY, args(1, MANY), OLD),
    row("$strLenBytes", EXPR, args(1, 1), OLD),
    row("$strLenCP", EXPR, args(1, 1), OLD).never_missing(),
    row("$strcasecmp", EXPR, args(2, 2), OLD),
    row("$substr", EXPR, args(3, 3), OLD),
    row("$substrBytes", EXPR, args(3, 3), OLD),
    row("$substrCP", EXPR, args(3, 3), OLD).never_missing(),
    row("$subtract", EXPR, args(2, 2), OLD).never_missing(),
    row("$sum", ANY, args(1, MANY), OLD),
    row("$switch", EXPR, named(&["branches"], &["default"]), OLD),
    row("$tan", EXPR, args(1, 1), OLD),
    row("$tanh", EXPR, args(1, 1), OLD),
    row("$toArray", EXPR, args(1, 1), v(8, 0)),
    row("$toBool", EXPR, args(1, 1), OLD),
    row("$toDate", EXPR, args(1, 1), OLD).never_missing(),
    row("$toDecimal", EXPR, args(1, 1), OLD).never_missing(),
    row("$toDouble", EXPR, args(1, 1), OLD).never_missing(),
    row("$toHashedIndexKey", EXPR, args(1, 1), OLD),
    row("$toInt", EXPR, args(1, 1), OLD).never_missing(),
    row("$toLong", EXPR, args(1, 1), OLD).never_missing(),
    row("$toLower", EXPR, args(1, 1), OLD).never_missing(),
    row("$toObject", EXPR, args(1, 1), v(8, 0)),
    row("$toObjectId", EXPR, args(1, 1), OLD),
    row("$toString", EXPR, args(1, 1), OLD).never_missing(),
    row("$toUUID", EXPR, args(1, 1), v(8, 0)),
    row("$toUpper", EXPR, args(1, 1), OLD).never_missing(),
    row("$top", GROUP, named(&["sortBy", "output"], &[]), v(5, 2)),
    row("$topN", GROUP, named(&["sortBy", "output", "n"], &[]), v(5, 2)),
    row("$trim", EXPR, named(&["input"], &["chars"]), OLD),
    row("$trunc", EXPR, args(1, 2), OLD).never_missing(),
    row("$tsIncrement", EXPR, args(1, 1), v(5, 1)),
    row("$tsSecond", EXPR, args(1, 1), v(5, 1)),
    row("$type", EXPR, args(1, 1), OLD).never_missing(),
    row("$unsetField", EXPR, named(&["field", "input"], &[]), OLD),
    row("$week", EXPR, either(1, 1, &["date"], &["timezone"]), OLD),
    row("$year", EXPR, either(1, 1, &["date"], &["timezone"]), OLD).never_missing(),
    row("$zip", EXPR, named(&["inputs"], &["useLongestLength", "defaults"]), OLD),
];

/// An operator by its name, with `$`.
pub(super) fn operator(name: &str) -> Option<&'static Operator> {
    let at = OPERATORS.binary_search_by(|o| o.name.cmp(name)).ok()?;
    OPERATORS.get(at)
}

impl Operator {
    const fn never_missing(self) -> Operator {
        Operator {
            is_never_missing: true,
            ..self
        }
    }

    /// Whether it may stand there.
    pub(super) fn stands(&self, place: Place) -> bool {
        self.places & place.bit() != 0
    }

    /// Whether it takes these arguments.
    pub(super) fn takes(&self, args: &Args) -> bool {
        let count = |n: usize| {
            self.arity.list.is_some_and(|(least, most)| {
                n >= usize::from(least) && (most == MANY || n <= usize::from(most))
            })
        };
        match args {
            Args::One(_) => count(1),
            Args::List(items) => count(items.len()),
            Args::Named(given) => self.arity.named.is_some_and(|(required, others)| {
                required
                    .iter()
                    .all(|name| given.iter().any(|(g, _)| g == name))
                    && given
                        .iter()
                        .all(|(g, _)| required.contains(g) || others.contains(g))
            }),
            // Names of the query's own: nothing but documents has them.
            Args::Document(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mql::Expr;

    /// The table is searched by halves.
    #[test]
    fn the_table_is_in_order() {
        assert!(OPERATORS.is_sorted_by(|a, b| a.name < b.name));
        assert!(OPERATORS.iter().all(|o| o.name.starts_with('$')));
    }

    /// A known operator takes as many arguments as the manual says, by name where it has names.
    #[test]
    fn arguments_are_counted() {
        let takes = |name: &str, args: Args| operator(name).is_some_and(|o| o.takes(&args));
        let x = || Expr::lit(1);
        assert!(takes("$eq", Args::List(vec![x(), x()])));
        assert!(!takes("$eq", Args::List(vec![x()])));
        assert!(!takes("$eq", Args::One(Box::new(x()))));
        assert!(takes("$not", Args::One(Box::new(x()))));
        assert!(takes("$add", Args::List(vec![x(), x(), x()])));
        assert!(takes("$cond", Args::List(vec![x(), x(), x()])));
        assert!(takes(
            "$map",
            Args::Named(vec![("input", x()), ("in", x())])
        ));
        assert!(!takes("$map", Args::Named(vec![("input", x())])));
        assert!(!takes(
            "$map",
            Args::Named(vec![("input", x()), ("in", x()), ("each", x())])
        ));
        assert!(operator("$equals").is_none());
    }

    /// Accumulators stand in groups, window operators over windows only.
    #[test]
    fn operators_have_their_places() {
        let stands = |name: &str, place| operator(name).is_some_and(|o| o.stands(place));
        assert!(stands("$sum", Place::Expression) && stands("$sum", Place::Accumulator));
        assert!(!stands("$push", Place::Expression) && stands("$push", Place::Window));
        assert!(!stands("$rank", Place::Accumulator) && stands("$rank", Place::Window));
        assert!(!stands("$eq", Place::Accumulator));
    }
}
