//! The table of operators.
use bson::Bson;

use super::{
    Comparison, Context, Expr, Result, accumulate, arith, array, array_form, collections, control,
    convert, date, date_math, hash, math, object, regex, string, trig,
};
use crate::memory::value::{Collation, Value};

/// How an operator is read and run.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Unary(fn(Value) -> Result<Value>),
    Binary(fn(Value, Value) -> Result<Value>),
    Compare(Comparison),
    /// At least, at most, function.
    Nary(usize, usize, fn(Vec<Value>) -> Result<Value>),
    /// The same, where the collation counts.
    Collated(
        usize,
        usize,
        fn(Vec<Value>, Option<&Collation>) -> Result<Value>,
    ),
    /// Reads its own argument.
    Special(fn(&str, &Bson, Context<'_>) -> Result<Expr>),
}

use Kind::{Binary, Collated, Compare, Nary, Special, Unary};

const ANY: usize = usize::MAX;

/// In the order of names.
const OPERATORS: &[(&str, Kind)] = &[
    ("$_internalSortKey", Special(control::meta)),
    ("$abs", Unary(math::abs)),
    ("$accumulator", Special(control::unavailable)),
    ("$acos", Unary(trig::acos)),
    ("$acosh", Unary(trig::acosh)),
    ("$add", Special(add)),
    ("$allElementsTrue", Unary(collections::all_true)),
    ("$and", Special(control::and)),
    ("$anyElementTrue", Unary(collections::any_true)),
    ("$arrayElemAt", Binary(array::element_at)),
    ("$arrayToObject", Unary(array::array_to_object)),
    ("$asin", Unary(trig::asin)),
    ("$asinh", Unary(trig::asinh)),
    ("$atan", Unary(trig::atan)),
    ("$atan2", Binary(trig::atan2)),
    ("$atanh", Unary(trig::atanh)),
    ("$avg", Special(accumulate::compile)),
    ("$binarySize", Unary(string::binary_size)),
    ("$bitAnd", Nary(0, ANY, arith::bit_and)),
    ("$bitNot", Unary(arith::bit_not)),
    ("$bitOr", Nary(0, ANY, arith::bit_or)),
    ("$bitXor", Nary(0, ANY, arith::bit_xor)),
    ("$bsonSize", Unary(object::bson_size)),
    ("$ceil", Unary(math::ceil)),
    ("$cmp", Compare(Comparison::Cmp)),
    ("$concat", Nary(0, ANY, string::concat)),
    ("$concatArrays", Nary(0, ANY, array::concat_arrays)),
    ("$cond", Special(control::cond)),
    ("$const", Special(control::literal)),
    ("$convert", Special(convert::compile)),
    ("$cos", Unary(trig::cos)),
    ("$cosh", Unary(trig::cosh)),
    ("$createObjectId", Special(hash::create_object_id)),
    ("$dateAdd", Special(date_math::compile_add)),
    ("$dateDiff", Special(date_math::compile_diff)),
    ("$dateFromParts", Special(date_math::compile_from_parts)),
    ("$dateFromString", Special(date::compile_from_string)),
    ("$dateSubtract", Special(date_math::compile_add)),
    ("$dateToParts", Special(date::compile_to_parts)),
    ("$dateToString", Special(date::compile_to_string)),
    ("$dateTrunc", Special(date_math::compile_trunc)),
    ("$dayOfMonth", Special(date::compile_part)),
    ("$dayOfWeek", Special(date::compile_part)),
    ("$dayOfYear", Special(date::compile_part)),
    ("$degreesToRadians", Unary(trig::degrees_to_radians)),
    ("$divide", Binary(arith::divide)),
    ("$eq", Compare(Comparison::Eq)),
    ("$exp", Unary(math::exp)),
    ("$filter", Special(array_form::compile_filter)),
    ("$first", Unary(array::first)),
    ("$firstN", Special(array_form::compile_take)),
    ("$floor", Unary(math::floor)),
    ("$function", Special(control::unavailable)),
    ("$getField", Special(object::compile_get)),
    ("$gt", Compare(Comparison::Gt)),
    ("$gte", Compare(Comparison::Gte)),
    ("$hash", Special(hash::compile)),
    ("$hexHash", Special(hash::compile)),
    ("$hour", Special(date::compile_part)),
    ("$ifNull", Special(control::if_null)),
    ("$in", Collated(2, 2, collections::contains)),
    ("$indexOfArray", Collated(2, 4, collections::index_of_array)),
    ("$indexOfBytes", Nary(2, 4, string::index_of_bytes)),
    ("$indexOfCP", Nary(2, 4, string::index_of_cp)),
    ("$isArray", Unary(array::is_array)),
    ("$isNumber", Unary(object::is_number)),
    ("$isoDayOfWeek", Special(date::compile_part)),
    ("$isoWeek", Special(date::compile_part)),
    ("$isoWeekYear", Special(date::compile_part)),
    ("$last", Unary(array::last)),
    ("$lastN", Special(array_form::compile_take)),
    ("$let", Special(control::let_in)),
    ("$literal", Special(control::literal)),
    ("$ln", Unary(math::ln)),
    ("$log", Binary(math::log)),
    ("$log10", Unary(math::log10)),
    ("$lt", Compare(Comparison::Lt)),
    ("$lte", Compare(Comparison::Lte)),
    ("$ltrim", Special(string::compile_trim)),
    ("$map", Special(array_form::compile_map)),
    ("$max", Special(accumulate::compile)),
    ("$maxN", Special(array_form::compile_take)),
    ("$median", Special(accumulate::compile_percentile)),
    ("$mergeObjects", Nary(0, ANY, object::merge_objects)),
    ("$meta", Special(control::meta)),
    ("$millisecond", Special(date::compile_part)),
    ("$min", Special(accumulate::compile)),
    ("$minN", Special(array_form::compile_take)),
    ("$minute", Special(date::compile_part)),
    ("$mod", Binary(arith::modulo)),
    ("$month", Special(date::compile_part)),
    ("$multiply", Special(multiply)),
    ("$ne", Compare(Comparison::Ne)),
    ("$not", Unary(control::not)),
    ("$objectToArray", Unary(array::object_to_array)),
    ("$or", Special(control::or)),
    ("$percentile", Special(accumulate::compile_percentile)),
    ("$pow", Binary(math::pow)),
    ("$radiansToDegrees", Unary(trig::radians_to_degrees)),
    ("$rand", Special(control::rand)),
    ("$range", Nary(2, 3, array::range)),
    ("$reduce", Special(array_form::compile_reduce)),
    ("$regexFind", Special(regex::compile)),
    ("$regexFindAll", Special(regex::compile)),
    ("$regexMatch", Special(regex::compile)),
    ("$replaceAll", Special(string::compile_replace)),
    ("$replaceOne", Special(string::compile_replace)),
    ("$reverseArray", Unary(array::reverse)),
    ("$round", Nary(1, 2, math::round)),
    ("$rtrim", Special(string::compile_trim)),
    ("$sampleRate", Special(control::sample_rate)),
    ("$second", Special(date::compile_part)),
    (
        "$setDifference",
        Collated(2, 2, collections::set_difference),
    ),
    ("$setEquals", Collated(2, ANY, collections::set_equals)),
    ("$setField", Special(object::compile_set)),
    (
        "$setIntersection",
        Collated(0, ANY, collections::set_intersection),
    ),
    ("$setIsSubset", Collated(2, 2, collections::set_is_subset)),
    ("$setUnion", Collated(0, ANY, collections::set_union)),
    ("$sigmoid", Unary(math::sigmoid)),
    ("$sin", Unary(trig::sin)),
    ("$sinh", Unary(trig::sinh)),
    ("$size", Unary(array::size)),
    ("$slice", Nary(2, 3, array::slice)),
    ("$sortArray", Special(array_form::compile_sort)),
    ("$split", Binary(string::split)),
    ("$sqrt", Unary(math::sqrt)),
    ("$stdDevPop", Special(accumulate::compile)),
    ("$stdDevSamp", Special(accumulate::compile)),
    ("$strLenBytes", Unary(string::len_bytes)),
    ("$strLenCP", Unary(string::len_cp)),
    ("$strcasecmp", Binary(string::strcasecmp)),
    ("$substr", Nary(3, 3, string::substr_bytes)),
    ("$substrBytes", Nary(3, 3, string::substr_bytes)),
    ("$substrCP", Nary(3, 3, string::substr_cp)),
    ("$subtract", Binary(arith::subtract)),
    ("$sum", Special(accumulate::compile)),
    ("$switch", Special(control::switch)),
    ("$tan", Unary(trig::tan)),
    ("$tanh", Unary(trig::tanh)),
    ("$toBool", Special(convert::compile_to)),
    ("$toDate", Special(convert::compile_to)),
    ("$toDecimal", Special(convert::compile_to)),
    ("$toDouble", Special(convert::compile_to)),
    ("$toHashedIndexKey", Unary(hash::index_key)),
    ("$toInt", Special(convert::compile_to)),
    ("$toLong", Special(convert::compile_to)),
    ("$toLower", Unary(string::to_lower)),
    ("$toObjectId", Special(convert::compile_to)),
    ("$toString", Special(convert::compile_to)),
    ("$toUUID", Special(convert::compile_to)),
    ("$toUpper", Unary(string::to_upper)),
    ("$trim", Special(string::compile_trim)),
    ("$trunc", Nary(1, 2, math::trunc)),
    ("$tsIncrement", Unary(date::ts_increment)),
    ("$tsSecond", Unary(date::ts_second)),
    ("$type", Unary(object::type_of)),
    ("$unsetField", Special(object::compile_unset)),
    ("$week", Special(date::compile_part)),
    ("$year", Special(date::compile_part)),
    ("$zip", Special(array_form::compile_zip)),
];

/// The operator of a name.
pub(super) fn find(name: &str) -> Option<Kind> {
    let at = OPERATORS.binary_search_by(|(n, _)| (*n).cmp(name)).ok()?;
    OPERATORS.get(at).map(|(_, k)| *k)
}

fn add(_name: &str, argument: &Bson, cx: Context<'_>) -> Result<Expr> {
    pairwise(cx, cx.arguments(argument)?, arith::add_two, arith::add_many)
}

fn multiply(_name: &str, argument: &Bson, cx: Context<'_>) -> Result<Expr> {
    pairwise(
        cx,
        cx.arguments(argument)?,
        arith::multiply_two,
        arith::multiply_many,
    )
}

/// Two operands, the usual case, need no list.
fn pairwise(
    cx: Context<'_>,
    args: Vec<Expr>,
    two: fn(Value, Value) -> Result<Value>,
    many: fn(Vec<Value>) -> Result<Value>,
) -> Result<Expr> {
    use super::Node;
    cx.fold(match <[Expr; 2]>::try_from(args) {
        Ok(pair) => Node::Binary(two, Box::new(pair)),
        Err(args) => Node::Nary(many, args.into()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Look-ups search by halves: the table must be in order.
    #[test]
    fn the_table_is_sorted() {
        assert!(OPERATORS.is_sorted_by(|a, b| a.0 < b.0));
    }
}
