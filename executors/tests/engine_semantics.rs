//! Corners of expressions, filters and updates, with the results that MongoDB's manual and server give; types count.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]
use bson::{Bson, DateTime, Decimal128, Document, bson, doc};
use mqlc_executors::memory::Engine;

fn dec(text: &str) -> Bson {
    Bson::Decimal128(text.parse::<Decimal128>().unwrap())
}

fn date(text: &str) -> Bson {
    Bson::DateTime(DateTime::parse_rfc3339_str(text).unwrap())
}

fn long(n: i64) -> Bson {
    Bson::Int64(n)
}

/// Evaluates an expression on a document; the code of the error otherwise. `Missing` is an empty text.
fn eval(expr: Bson, document: Document) -> Result<Bson, i32> {
    let engine = Engine::new();
    engine
        .run_command("test", doc! {"insert": "c", "documents": [document]})
        .unwrap();
    let command =
        doc! {"aggregate": "c", "pipeline": [{"$replaceWith": {"r": expr}}], "cursor": {}};
    let reply = engine.run_command("test", command).map_err(|e| e.code)?;
    let rows = reply
        .get_document("cursor")
        .unwrap()
        .get_array("firstBatch")
        .unwrap();
    Ok(rows[0]
        .as_document()
        .unwrap()
        .get("r")
        .cloned()
        .unwrap_or(Bson::Undefined))
}

fn check(cases: Vec<(Bson, Result<Bson, i32>)>) {
    let document = doc! {
        "_id": 1, "n": Bson::Null, "s": "abc", "i": 7, "arr": [1, 2, 3], "nested": [{"a": 1}, {"a": [2, 3]}, {"b": 4}, 5], "o": {"x": 1, "y": {"z": 2}},
        "d": date("2024-02-29T12:34:56.789Z"), "old": date("1969-12-31T23:59:59.999Z"),
    };
    let mut wrong = Vec::new();
    for (expr, expected) in cases {
        let found = eval(expr.clone(), document.clone());
        let same = match (&found, &expected) {
            // Decimals are equal only with the same exponent.
            (Ok(a), Ok(b)) => format!("{a:?}") == format!("{b:?}"),
            (a, b) => a == b,
        };
        if !same {
            wrong.push(format!("{expr}\n   is {found:?}\n  not {expected:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

const MISSING: Bson = Bson::Undefined;
const NULL: Bson = Bson::Null;

/// Types widen from int to long to double to decimal, and no further than they must.
#[test]
fn arithmetic() {
    check(vec![
        (bson!({"$add": [2_147_483_647, 1]}), Ok(long(2_147_483_648))),
        (
            bson!({"$add": [i64::MAX, 1]}),
            Ok(bson!(9_223_372_036_854_775_808.0)),
        ),
        (bson!({"$add": [1, dec("0.10")]}), Ok(dec("1.10"))),
        (bson!({"$add": []}), Ok(bson!(0))),
        (
            bson!({"$add": ["$d", 1]}),
            Ok(date("2024-02-29T12:34:56.790Z")),
        ),
        (bson!({"$add": ["$d", "$d"]}), Err(16612)),
        (bson!({"$add": ["$s", 1]}), Err(14)),
        (bson!({"$add": ["$none", 1]}), Ok(NULL)),
        (
            bson!({"$subtract": ["$d", "$old"]}),
            Ok(long(1_709_210_096_790)),
        ),
        (
            bson!({"$subtract": ["$d", 1000]}),
            Ok(date("2024-02-29T12:34:55.789Z")),
        ),
        (
            bson!({"$subtract": [-2_147_483_648, 1]}),
            Ok(long(-2_147_483_649)),
        ),
        (bson!({"$subtract": [1, "$d"]}), Err(14)),
        (
            bson!({"$multiply": [65536, 65536]}),
            Ok(long(4_294_967_296)),
        ),
        (bson!({"$multiply": [1.5, 2]}), Ok(bson!(3.0))),
        (bson!({"$multiply": []}), Ok(bson!(1))),
        (bson!({"$divide": [6, 3]}), Ok(bson!(2.0))),
        (
            bson!({"$divide": [dec("1"), 3]}),
            Ok(dec("0.3333333333333333333333333333333333")),
        ),
        (bson!({"$divide": [1, 0]}), Err(2)),
        (bson!({"$mod": [-7, 3]}), Ok(bson!(-1))),
        (bson!({"$mod": [7.5, 2]}), Ok(bson!(1.5))),
        (bson!({"$mod": [7, 0]}), Err(16610)),
        (bson!({"$mod": [dec("7.5"), 2]}), Ok(dec("1.5"))),
        (bson!({"$abs": (i64::MIN)}), Err(28680)),
        (bson!({"$abs": -2_147_483_648}), Ok(long(2_147_483_648))),
        (bson!({"$ceil": dec("-1.5")}), Ok(dec("-1"))),
        (bson!({"$floor": -1.5}), Ok(bson!(-2.0))),
        (bson!({"$floor": 3}), Ok(bson!(3))),
        (bson!({"$round": [2.5]}), Ok(bson!(2.0))),
        (bson!({"$round": [3.5, 0]}), Ok(bson!(4.0))),
        (bson!({"$round": [1234, -2]}), Ok(bson!(1200))),
        (bson!({"$round": [1250, -2]}), Ok(bson!(1200))),
        (bson!({"$round": [dec("1.255"), 2]}), Ok(dec("1.26"))),
        (bson!({"$trunc": [-1.999, 2]}), Ok(bson!(-1.99))),
        (bson!({"$trunc": [12345, -3]}), Ok(bson!(12000))),
        (bson!({"$pow": [2, 10]}), Ok(bson!(1024))),
        (bson!({"$pow": [2, 40]}), Ok(long(1_099_511_627_776))),
        (bson!({"$pow": [2, -1]}), Ok(bson!(0.5))),
        (bson!({"$pow": [0, -1]}), Err(28764)),
        (
            bson!({"$pow": [2, 63]}),
            Ok(bson!(9_223_372_036_854_775_808.0)),
        ),
        (bson!({"$sqrt": -1}), Err(28714)),
        (bson!({"$sqrt": 16}), Ok(bson!(4.0))),
        (bson!({"$ln": 0}), Err(28766)),
        (bson!({"$log10": 1000}), Ok(bson!(3.0))),
        (bson!({"$log": [8, 2]}), Ok(bson!(3.0))),
        (bson!({"$log": [8, 1]}), Err(28759)),
        (bson!({"$exp": 0}), Ok(bson!(1.0))),
        (bson!({"$bitAnd": [6, long(3)]}), Ok(long(2))),
        (bson!({"$bitOr": []}), Ok(bson!(0))),
        (bson!({"$bitAnd": []}), Ok(bson!(-1))),
        (bson!({"$bitXor": [5, 1]}), Ok(bson!(4))),
        (bson!({"$bitNot": 0}), Ok(bson!(-1))),
        (bson!({"$cmp": [dec("1.0"), 1]}), Ok(bson!(0))),
        (bson!({"$sum": [1, "x", 2.5, [3]]}), Ok(bson!(3.5))),
        (bson!({"$sum": "$arr"}), Ok(bson!(6))),
        (bson!({"$avg": ["x"]}), Ok(NULL)),
        (bson!({"$avg": [1, 2]}), Ok(bson!(1.5))),
        (bson!({"$max": [1, "a", null]}), Ok(bson!("a"))),
        (bson!({"$min": [null, 3, 2]}), Ok(bson!(2))),
        (bson!({"$stdDevSamp": [1]}), Ok(NULL)),
        (bson!({"$stdDevPop": [1, 3]}), Ok(bson!(1.0))),
    ]);
}

/// Strings by code point and by byte, their bounds, and what is refused.
#[test]
fn strings() {
    check(vec![
        (bson!({"$strLenCP": "é€😀"}), Ok(bson!(3))),
        (bson!({"$strLenBytes": "é€😀"}), Ok(bson!(9))),
        (bson!({"$strLenCP": null}), Err(34471)),
        (bson!({"$substrCP": ["é€😀", 1, 5]}), Ok(bson!("€😀"))),
        (bson!({"$substrCP": ["abc", -1, 2]}), Err(34455)),
        (bson!({"$substrBytes": ["é", 1, 1]}), Err(28656)),
        (bson!({"$substrBytes": ["abc", 1, -1]}), Ok(bson!("bc"))),
        (bson!({"$substrBytes": ["$none", 0, 1]}), Ok(bson!(""))),
        (bson!({"$indexOfCP": ["😀b😀", "b"]}), Ok(bson!(1))),
        (bson!({"$indexOfBytes": ["😀b", "b"]}), Ok(bson!(4))),
        (bson!({"$indexOfCP": ["abc", "c", 0, 2]}), Ok(bson!(-1))),
        (bson!({"$indexOfCP": ["$none", "c"]}), Ok(NULL)),
        (bson!({"$indexOfCP": ["abc", "$none"]}), Err(40094)),
        (
            bson!({"$split": ["a,b,,c", ","]}),
            Ok(bson!(["a", "b", "", "c"])),
        ),
        (bson!({"$split": ["abc", ""]}), Err(40087)),
        (bson!({"$concat": ["a", null]}), Ok(NULL)),
        (bson!({"$concat": ["a", 1]}), Err(16702)),
        (bson!({"$concat": []}), Ok(bson!(""))),
        (bson!({"$toUpper": null}), Ok(bson!(""))),
        (bson!({"$toUpper": "éa"}), Ok(bson!("éA"))),
        (bson!({"$toLower": 12}), Ok(bson!("12"))),
        (bson!({"$trim": {"input": "  x\u{a0}\n"}}), Ok(bson!("x"))),
        (
            bson!({"$ltrim": {"input": "xxabxx", "chars": "x"}}),
            Ok(bson!("abxx")),
        ),
        (bson!({"$trim": {"input": 5}}), Err(50699)),
        (
            bson!({"$replaceAll": {"input": "aaa", "find": "aa", "replacement": "b"}}),
            Ok(bson!("ba")),
        ),
        (
            bson!({"$replaceOne": {"input": "abab", "find": "", "replacement": "-"}}),
            Ok(bson!("-abab")),
        ),
        (
            bson!({"$replaceAll": {"input": 1, "find": "a", "replacement": "b"}}),
            Err(51746),
        ),
        (bson!({"$strcasecmp": ["A", "b"]}), Ok(bson!(-1))),
        (bson!({"$strcasecmp": [null, ""]}), Ok(bson!(0))),
        (
            bson!({"$regexMatch": {"input": "ABC", "regex": "b", "options": "i"}}),
            Ok(bson!(true)),
        ),
        (
            bson!({"$regexFind": {"input": "xay", "regex": "(a)(z)?"}}),
            Ok(bson!({"match": "a", "idx": 1, "captures": ["a", null]})),
        ),
        (
            bson!({"$regexFindAll": {"input": "éaéa", "regex": "a"}}),
            Ok(
                bson!([{"match": "a", "idx": 1, "captures": []}, {"match": "a", "idx": 3, "captures": []}]),
            ),
        ),
        (
            bson!({"$regexFind": {"input": "$none", "regex": "a"}}),
            Ok(NULL),
        ),
        (
            bson!({"$regexMatch": {"input": 5, "regex": "a"}}),
            Err(51104),
        ),
        (
            bson!({"$regexMatch": {"input": "a", "regex": "("}}),
            Err(51111),
        ),
    ]);
}

/// Arrays: negative indexes, ends, null and what is no array.
#[test]
fn arrays() {
    check(vec![
        (bson!({"$arrayElemAt": ["$arr", -1]}), Ok(bson!(3))),
        (bson!({"$arrayElemAt": ["$arr", 9]}), Ok(MISSING)),
        (bson!({"$arrayElemAt": ["$arr", 1.5]}), Err(28691)),
        (bson!({"$arrayElemAt": ["$i", 0]}), Err(28689)),
        (bson!({"$slice": ["$arr", -2]}), Ok(bson!([2, 3]))),
        (bson!({"$slice": ["$arr", 1, 1]}), Ok(bson!([2]))),
        (bson!({"$slice": ["$arr", -9, 2]}), Ok(bson!([1, 2]))),
        (bson!({"$slice": ["$arr", 1, 0]}), Err(28729)),
        (bson!({"$size": "$none"}), Err(17124)),
        (bson!({"$first": "$arr"}), Ok(bson!(1))),
        (bson!({"$last": [[]]}), Ok(MISSING)),
        (bson!({"$first": "$n"}), Ok(NULL)),
        (bson!({"$first": "$i"}), Err(28689)),
        (bson!({"$concatArrays": ["$arr", null]}), Ok(NULL)),
        (bson!({"$concatArrays": ["$arr", 1]}), Err(28664)),
        (bson!({"$reverseArray": "$none"}), Ok(NULL)),
        (bson!({"$reverseArray": 1}), Err(34435)),
        (bson!({"$range": [0, 5, 2]}), Ok(bson!([0, 2, 4]))),
        (bson!({"$range": [5, 0, -2]}), Ok(bson!([5, 3, 1]))),
        (bson!({"$range": [0, 5, 0]}), Err(34449)),
        (bson!({"$range": [0, 5.5]}), Err(34446)),
        (bson!({"$in": [2, "$arr"]}), Ok(bson!(true))),
        (bson!({"$in": [2, "$i"]}), Err(40081)),
        (bson!({"$indexOfArray": ["$arr", 2, 2]}), Ok(bson!(-1))),
        (bson!({"$indexOfArray": ["$none", 2]}), Ok(NULL)),
        (bson!({"$indexOfArray": ["$i", 2]}), Err(40090)),
        (
            bson!({"$zip": {"inputs": [[1, 2], [3]]}}),
            Ok(bson!([[1, 3]])),
        ),
        (
            bson!({"$zip": {"inputs": [[1, 2], [3]], "useLongestLength": true, "defaults": [0, 9]}}),
            Ok(bson!([[1, 3], [2, 9]])),
        ),
        (bson!({"$zip": {"inputs": [[1], null]}}), Ok(NULL)),
        (
            bson!({"$arrayToObject": [[["a", 1], ["b", 2]]]}),
            Ok(bson!({"a": 1, "b": 2})),
        ),
        (
            bson!({"$arrayToObject": {"$literal": [{"k": "a", "v": 1}, {"k": "a", "v": 2}]}}),
            Ok(bson!({"a": 2})),
        ),
        (
            bson!({"$objectToArray": "$o"}),
            Ok(bson!([{"k": "x", "v": 1}, {"k": "y", "v": {"z": 2}}])),
        ),
        (bson!({"$objectToArray": 5}), Err(40390)),
        (
            bson!({"$filter": {"input": "$arr", "cond": {"$gt": ["$$this", 1]}, "limit": 1}}),
            Ok(bson!([2])),
        ),
        (
            bson!({"$map": {"input": "$nested.a", "in": "$$this"}}),
            Ok(bson!([1, [2, 3]])),
        ),
        (
            bson!({"$reduce": {"input": [], "initialValue": 5, "in": 1}}),
            Ok(bson!(5)),
        ),
        (
            bson!({"$reduce": {"input": null, "initialValue": 5, "in": 1}}),
            Ok(NULL),
        ),
        (
            bson!({"$sortArray": {"input": [3, 1, 2], "sortBy": -1}}),
            Ok(bson!([3, 2, 1])),
        ),
        (
            bson!({"$sortArray": {"input": [{"a": 2}, {"a": 1}], "sortBy": {"a": 1}}}),
            Ok(bson!([{"a": 1}, {"a": 2}])),
        ),
        (
            bson!({"$firstN": {"n": 2, "input": "$arr"}}),
            Ok(bson!([1, 2])),
        ),
        (
            bson!({"$maxN": {"n": 2, "input": [1, null, 3]}}),
            Ok(bson!([3, 1])),
        ),
        (bson!({"$firstN": {"n": 0, "input": "$arr"}}), Err(5787908)),
        (bson!({"$setUnion": [[2, 1], [1, 3]]}), Ok(bson!([1, 2, 3]))),
        (
            bson!({"$setIntersection": [[1, 2], [2.0, 3]]}),
            Ok(bson!([2])),
        ),
        (bson!({"$setDifference": [[1, 2, 1], [2]]}), Ok(bson!([1]))),
        (bson!({"$setIsSubset": [[1, 1], [1, 2]]}), Ok(bson!(true))),
        (bson!({"$setEquals": [[1, 2], [2, 1, 1]]}), Ok(bson!(true))),
        (bson!({"$setUnion": [[1], null]}), Ok(NULL)),
        (bson!({"$allElementsTrue": [[]]}), Ok(bson!(true))),
        (bson!({"$anyElementTrue": [[]]}), Ok(bson!(false))),
        (bson!({"$isArray": "$arr"}), Ok(bson!(true))),
        (bson!("$nested.a"), Ok(bson!([1, [2, 3]]))),
        (bson!("$arr.0"), Ok(bson!([]))),
        (bson!(["$none", 1]), Ok(bson!([null, 1]))),
    ]);
}

/// Conversions by pair of types; what cannot be converted, `onError`, `onNull`.
#[test]
fn conversions() {
    check(vec![
        (bson!({"$toInt": "12"}), Ok(bson!(12))),
        (bson!({"$toInt": "12.5"}), Err(241)),
        (bson!({"$toInt": 12.9}), Ok(bson!(12))),
        (bson!({"$toInt": 2_147_483_648_i64}), Err(241)),
        (bson!({"$toInt": true}), Ok(bson!(1))),
        (bson!({"$toInt": " 1"}), Err(241)),
        (bson!({"$toLong": "$d"}), Ok(long(1_709_210_096_789))),
        (bson!({"$toLong": "0x10"}), Err(241)),
        (bson!({"$toDouble": "1e3"}), Ok(bson!(1000.0))),
        (bson!({"$toDouble": "$d"}), Ok(bson!(1_709_210_096_789.0))),
        (bson!({"$toDecimal": 0.1}), Ok(dec("0.100000000000000"))),
        (bson!({"$toDecimal": "1E+3"}), Ok(dec("1E+3"))),
        (bson!({"$toDecimal": true}), Ok(dec("1"))),
        (bson!({"$toBool": "false"}), Ok(bson!(true))),
        (bson!({"$toBool": 0.0}), Ok(bson!(false))),
        (bson!({"$toBool": "$d"}), Ok(bson!(true))),
        (bson!({"$toString": 1.0}), Ok(bson!("1"))),
        (bson!({"$toString": 1.5e300}), Ok(bson!("1.5e+300"))),
        (bson!({"$toString": dec("1.50")}), Ok(bson!("1.50"))),
        (
            bson!({"$toString": "$d"}),
            Ok(bson!("2024-02-29T12:34:56.789Z")),
        ),
        (bson!({"$toString": true}), Ok(bson!("true"))),
        (
            bson!({"$toDate": "2024-02-29"}),
            Ok(date("2024-02-29T00:00:00Z")),
        ),
        (
            bson!({"$toDate": long(-1)}),
            Ok(date("1969-12-31T23:59:59.999Z")),
        ),
        (bson!({"$toDate": 1}), Err(241)),
        (
            bson!({"$toDate": 1.9}),
            Ok(date("1970-01-01T00:00:00.001Z")),
        ),
        (bson!({"$toDate": "no"}), Err(241)),
        (bson!({"$toObjectId": "5ab9cbfa31c2ab715d42129"}), Err(241)),
        (bson!({"$toInt": null}), Ok(NULL)),
        (
            bson!({"$convert": {"input": "x", "to": "int", "onError": "bad"}}),
            Ok(bson!("bad")),
        ),
        (
            bson!({"$convert": {"input": null, "to": "int", "onNull": 0}}),
            Ok(bson!(0)),
        ),
        (bson!({"$convert": {"input": 1, "to": null}}), Ok(NULL)),
        (bson!({"$convert": {"input": 1, "to": "nope"}}), Err(2)),
        (bson!({"$convert": {"input": "7", "to": 16}}), Ok(bson!(7))),
        (bson!({"$type": "$none"}), Ok(bson!("missing"))),
        (bson!({"$type": dec("1")}), Ok(bson!("decimal"))),
        (bson!({"$isNumber": "1"}), Ok(bson!(false))),
    ]);
}

/// Dates: parts before 1970, ISO weeks, leap days, daylight saving, units.
#[test]
fn dates() {
    let paris = |spec: Document| Bson::Document(spec);
    check(vec![
        (bson!({"$year": "$old"}), Ok(bson!(1969))),
        (bson!({"$millisecond": "$old"}), Ok(bson!(999))),
        (bson!({"$dayOfYear": "$d"}), Ok(bson!(60))),
        (bson!({"$dayOfWeek": "$d"}), Ok(bson!(5))),
        (bson!({"$isoDayOfWeek": "$d"}), Ok(bson!(4))),
        (
            bson!({"$isoWeek": date("2021-01-03T00:00:00Z")}),
            Ok(bson!(53)),
        ),
        (
            bson!({"$isoWeekYear": date("2021-01-03T00:00:00Z")}),
            Ok(long(2020)),
        ),
        (bson!({"$week": date("2021-01-02T00:00:00Z")}), Ok(bson!(0))),
        (
            bson!({"$hour": {"date": "$d", "timezone": "Europe/Paris"}}),
            Ok(bson!(13)),
        ),
        (
            bson!({"$hour": {"date": "$d", "timezone": "+05:30"}}),
            Ok(bson!(18)),
        ),
        (
            bson!({"$hour": {"date": "$d", "timezone": "Nowhere/Land"}}),
            Err(40485),
        ),
        (bson!({"$year": "$n"}), Ok(NULL)),
        (bson!({"$year": "$s"}), Err(16006)),
        (
            bson!({"$dateAdd": {"startDate": date("2024-01-31T00:00:00Z"), "unit": "month", "amount": 1}}),
            Ok(date("2024-02-29T00:00:00Z")),
        ),
        (
            bson!({"$dateAdd": {"startDate": date("2024-02-29T00:00:00Z"), "unit": "year", "amount": 1}}),
            Ok(date("2025-02-28T00:00:00Z")),
        ),
        (
            bson!({"$dateSubtract": {"startDate": date("2024-03-31T00:00:00Z"), "unit": "quarter", "amount": 1}}),
            Ok(date("2023-12-31T00:00:00Z")),
        ),
        (
            paris(
                doc! {"$dateAdd": {"startDate": date("2024-03-30T12:00:00Z"), "unit": "day", "amount": 1, "timezone": "Europe/Paris"}},
            ),
            Ok(date("2024-03-31T11:00:00Z")),
        ),
        (
            paris(
                doc! {"$dateAdd": {"startDate": date("2024-03-30T12:00:00Z"), "unit": "hour", "amount": 24, "timezone": "Europe/Paris"}},
            ),
            Ok(date("2024-03-31T12:00:00Z")),
        ),
        (
            bson!({"$dateDiff": {"startDate": date("2023-12-31T23:59:59Z"), "endDate": date("2024-01-01T00:00:00Z"), "unit": "year"}}),
            Ok(long(1)),
        ),
        (
            bson!({"$dateDiff": {"startDate": date("2024-01-07T00:00:00Z"), "endDate": date("2024-01-08T00:00:00Z"), "unit": "week", "startOfWeek": "monday"}}),
            Ok(long(1)),
        ),
        (
            bson!({"$dateDiff": {"startDate": "$old", "endDate": "$d", "unit": "day"}}),
            Ok(long(19783)),
        ),
        (
            bson!({"$dateTrunc": {"date": "$d", "unit": "week"}}),
            Ok(date("2024-02-25T00:00:00Z")),
        ),
        (
            bson!({"$dateTrunc": {"date": "$d", "unit": "hour", "binSize": 5}}),
            Ok(date("2024-02-29T10:00:00Z")),
        ),
        (
            bson!({"$dateTrunc": {"date": "$old", "unit": "month"}}),
            Ok(date("1969-12-01T00:00:00Z")),
        ),
        (
            bson!({"$dateToString": {"date": "$d", "format": "%Y-%j %U %u %w %G-%V %L %%"}}),
            Ok(bson!("2024-060 08 4 5 2024-09 789 %")),
        ),
        (
            bson!({"$dateToString": {"date": "$d"}}),
            Ok(bson!("2024-02-29T12:34:56.789Z")),
        ),
        (
            bson!({"$dateToString": {"date": "$d", "format": "%d %b %B %z %Z", "timezone": "+02:00"}}),
            Ok(bson!("29 Feb February +0200 120")),
        ),
        (
            bson!({"$dateToString": {"date": null, "onNull": "none"}}),
            Ok(bson!("none")),
        ),
        (
            bson!({"$dateFromString": {"dateString": "2024-02-29T10:00:00+02:00"}}),
            Ok(date("2024-02-29T08:00:00Z")),
        ),
        (
            bson!({"$dateFromString": {"dateString": "29/02/2024", "format": "%d/%m/%Y"}}),
            Ok(date("2024-02-29T00:00:00Z")),
        ),
        (
            bson!({"$dateFromString": {"dateString": "2023-02-29"}}),
            Err(241),
        ),
        (
            bson!({"$dateFromString": {"dateString": "x", "onError": 0}}),
            Ok(bson!(0)),
        ),
        (
            bson!({"$dateFromParts": {"year": 2024, "month": 14, "day": 0}}),
            Ok(date("2025-01-31T00:00:00Z")),
        ),
        (
            bson!({"$dateFromParts": {"isoWeekYear": 2020, "isoWeek": 53, "isoDayOfWeek": 7}}),
            Ok(date("2021-01-03T00:00:00Z")),
        ),
        (
            bson!({"$dateFromParts": {"year": 2024, "hour": -1}}),
            Ok(date("2023-12-31T23:00:00Z")),
        ),
        (
            bson!({"$dateToParts": {"date": "$d", "iso8601": true}}),
            Ok(
                bson!({"isoWeekYear": 2024, "isoWeek": 9, "isoDayOfWeek": 4, "hour": 12, "minute": 34, "second": 56, "millisecond": 789}),
            ),
        ),
    ]);
}

/// Conditions, variables, objects.
#[test]
fn conditions_and_objects() {
    check(vec![
        (bson!({"$cond": ["$none", 1, 2]}), Ok(bson!(2))),
        (bson!({"$cond": [{"$literal": ""}, 1, 2]}), Ok(bson!(1))),
        (bson!({"$ifNull": ["$none", "$n", 3]}), Ok(bson!(3))),
        (bson!({"$ifNull": ["$none", "$none"]}), Ok(MISSING)),
        (
            bson!({"$switch": {"branches": [{"case": false, "then": 1}]}}),
            Err(40066),
        ),
        (
            bson!({"$switch": {"branches": [{"case": 1, "then": 1}], "default": 2}}),
            Ok(bson!(1)),
        ),
        (bson!({"$and": []}), Ok(bson!(true))),
        (bson!({"$or": []}), Ok(bson!(false))),
        (bson!({"$not": [null]}), Ok(bson!(true))),
        (
            bson!({"$let": {"vars": {"x": 1}, "in": {"$add": ["$$x", "$i"]}}}),
            Ok(bson!(8)),
        ),
        (bson!({"$let": {"vars": {"X": 1}, "in": 1}}), Err(9)),
        (bson!("$$nope"), Err(17276)),
        (bson!({"$gt": [null, "$none"]}), Ok(bson!(true))),
        (bson!({"$eq": ["$none", null]}), Ok(bson!(false))),
        (bson!({"$lt": [[1, 2], [1, 3]]}), Ok(bson!(true))),
        (
            bson!({"$lt": [{"a": 1}, {"a": 1, "b": 0}]}),
            Ok(bson!(true)),
        ),
        (
            bson!({"$mergeObjects": [{"a": 1}, null, {"a": 2}]}),
            Ok(bson!({"a": 2})),
        ),
        (bson!({"$mergeObjects": [1]}), Err(40400)),
        (
            bson!({"$getField": {"field": {"$literal": "a.b"}, "input": {"$literal": {"a.b": 1}}}}),
            Ok(bson!(1)),
        ),
        (
            bson!({"$getField": {"field": "z", "input": 5}}),
            Ok(MISSING),
        ),
        (
            bson!({"$setField": {"field": "q", "input": "$o", "value": "$$REMOVE"}}),
            Ok(bson!({"x": 1, "y": {"z": 2}})),
        ),
        (
            bson!({"$unsetField": {"field": "x", "input": "$o"}}),
            Ok(bson!({"y": {"z": 2}})),
        ),
        (bson!({"$bsonSize": "$n"}), Ok(NULL)),
        (bson!({"$binarySize": "abc"}), Ok(bson!(3))),
        (bson!({"$literal": "$x"}), Ok(bson!("$x"))),
        (bson!({"$nope": 1}), Err(168)),
        (bson!({"$add": [1], "a": 1}), Err(15983)),
        (bson!({"a": 1, "$add": [1]}), Err(16410)),
        (bson!({"$abs": [1, 2]}), Err(16020)),
    ]);
}

/// The documents that a filter finds, by `_id`; the error's code otherwise.
fn found(documents: &[Document], filter: Document) -> Result<Vec<i32>, i32> {
    let engine = Engine::new();
    engine
        .run_command(
            "test",
            doc! {"insert": "c", "documents": documents.to_vec()},
        )
        .unwrap();
    let reply = engine
        .run_command(
            "test",
            doc! {"find": "c", "filter": filter, "sort": {"_id": 1}},
        )
        .map_err(|e| e.code)?;
    let rows = reply
        .get_document("cursor")
        .unwrap()
        .get_array("firstBatch")
        .unwrap();
    Ok(rows
        .iter()
        .map(|d| d.as_document().unwrap().get_i32("_id").unwrap())
        .collect())
}

/// Null, missing and arrays in the match language; numbers across types; what is refused.
#[test]
fn filters() {
    let documents = [
        doc! {"_id": 1, "a": 1},
        doc! {"_id": 2, "a": Bson::Null},
        doc! {"_id": 3},
        doc! {"_id": 4, "a": [1, 2, 3]},
        doc! {"_id": 5, "a": [[1, 2], 3]},
        doc! {"_id": 6, "a": {"b": 1}},
        doc! {"_id": 7, "a": [{"b": 1}, {"b": 2}, {"c": 3}]},
        doc! {"_id": 8, "a": []},
        doc! {"_id": 9, "a": f64::NAN},
        doc! {"_id": 10, "a": "abc"},
        doc! {"_id": 11, "a": dec("1.0")},
        doc! {"_id": 12, "a": [Bson::Null]},
    ];
    let cases: Vec<(Document, Result<Vec<i32>, i32>)> = vec![
        (doc! {"a": 1}, Ok(vec![1, 4, 11])),
        (doc! {"a": null}, Ok(vec![2, 3, 12])),
        (
            doc! {"a": {"$ne": null}},
            Ok(vec![1, 4, 5, 6, 7, 8, 9, 10, 11]),
        ),
        (doc! {"a": {"$exists": false}}, Ok(vec![3])),
        (doc! {"a": {"$type": "null"}}, Ok(vec![2, 12])),
        (doc! {"a": {"$type": "array"}}, Ok(vec![4, 5, 7, 8, 12])),
        (doc! {"a": {"$type": "number"}}, Ok(vec![1, 4, 5, 9, 11])),
        (doc! {"a": [1, 2]}, Ok(vec![5])),
        (doc! {"a": []}, Ok(vec![8])),
        (doc! {"a.0": 1}, Ok(vec![4])),
        (doc! {"a.0.1": 2}, Ok(vec![5])),
        (doc! {"a.b": 1}, Ok(vec![6, 7])),
        (doc! {"a.b": null}, Ok(vec![1, 2, 3, 7, 9, 10, 11])),
        (doc! {"a.1.b": 2}, Ok(vec![7])),
        (doc! {"a": {"$gt": 1}}, Ok(vec![4, 5])),
        (doc! {"a": {"$gte": f64::NAN}}, Ok(vec![9])),
        (doc! {"a": {"$lt": 2}}, Ok(vec![1, 4, 11])),
        (doc! {"a": {"$lt": "b"}}, Ok(vec![10])),
        (doc! {"a": {"$in": [null, "abc"]}}, Ok(vec![2, 3, 10, 12])),
        (doc! {"a": {"$nin": [1, null]}}, Ok(vec![5, 6, 7, 8, 9, 10])),
        (
            doc! {"a": {"$not": {"$gt": 1}}},
            Ok(vec![1, 2, 3, 6, 7, 8, 9, 10, 11, 12]),
        ),
        (doc! {"a": {"$size": 0}}, Ok(vec![8])),
        (doc! {"a": {"$size": -1}}, Err(2)),
        (doc! {"a": {"$all": [1, 3]}}, Ok(vec![4])),
        (doc! {"a": {"$all": []}}, Ok(vec![])),
        (
            doc! {"a": {"$elemMatch": {"$gt": 1, "$lt": 3}}},
            Ok(vec![4]),
        ),
        (doc! {"a": {"$elemMatch": {"b": {"$gt": 1}}}}, Ok(vec![7])),
        (doc! {"a": {"$mod": [2, 1]}}, Ok(vec![1, 4, 5, 11])),
        (doc! {"a": {"$mod": [0, 1]}}, Err(2)),
        (doc! {"a": {"$regex": "B", "$options": "i"}}, Ok(vec![10])),
        (doc! {"a": {"$bitsAllSet": 1}}, Ok(vec![1, 4, 5, 11])),
        (doc! {"$nor": [{"a": {"$exists": true}}]}, Ok(vec![3])),
        (doc! {"$and": []}, Err(2)),
        (doc! {"a": {"$nope": 1}}, Err(2)),
        (doc! {"$nope": 1}, Err(2)),
        (doc! {"a": {"$in": 1}}, Err(2)),
        (
            doc! {"$expr": {"$gt": ["$a", 1]}},
            Ok(vec![4, 5, 6, 7, 8, 10, 12]),
        ),
        (doc! {"$expr": {"$eq": ["$a", null]}}, Ok(vec![2])),
        (
            doc! {"$jsonSchema": {"required": ["a"], "properties": {"a": {"bsonType": "string"}}}},
            Ok(vec![10]),
        ),
    ];
    let mut wrong = Vec::new();
    for (filter, expected) in cases {
        let got = found(&documents, filter.clone());
        if got != expected {
            wrong.push(format!("{filter}\n   is {got:?}\n  not {expected:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Updates of paths, arrays and types, and what is refused.
#[test]
fn updates() {
    let before = doc! {"_id": 1, "i": 1, "s": "x", "arr": [1, 2, 3, 2], "docs": [{"k": 1, "v": 1}, {"k": 2, "v": 2}], "o": {"a": 1}};
    let with = |change: Document| {
        let mut d = before.clone();
        for (k, v) in change {
            d.insert(k, v);
        }
        d
    };
    let plain = doc! {"_id": 1};
    let cases: Vec<(Document, Document, Result<Document, i32>)> = vec![
        (
            plain.clone(),
            doc! {"$inc": {"i": 2_147_483_647}},
            Ok(with(doc! {"i": 2_147_483_648_i64})),
        ),
        (plain.clone(), doc! {"$inc": {"s": 1}}, Err(14)),
        (
            plain.clone(),
            doc! {"$inc": {"new.deep": 1.5}},
            Ok(with(doc! {"new": {"deep": 1.5}})),
        ),
        (
            plain.clone(),
            doc! {"$mul": {"none": 5_i64}},
            Ok(with(doc! {"none": 0_i64})),
        ),
        (
            plain.clone(),
            doc! {"$min": {"i": 0.5}},
            Ok(with(doc! {"i": 0.5})),
        ),
        (plain.clone(), doc! {"$max": {"i": 1.0}}, Ok(before.clone())),
        (plain.clone(), doc! {"$set": {"s.x": 1}}, Err(28)),
        (plain.clone(), doc! {"$set": {"_id": 2}}, Err(66)),
        (
            plain.clone(),
            doc! {"$set": {"arr.5": 9}},
            Ok(with(doc! {"arr": [1, 2, 3, 2, null, 9]})),
        ),
        (plain.clone(), doc! {"$set": {"a": 1, "a.b": 2}}, Err(40)),
        (
            plain.clone(),
            doc! {"$unset": {"arr.1": ""}},
            Ok(with(doc! {"arr": [1, null, 3, 2]})),
        ),
        (
            plain.clone(),
            doc! {"$push": {"arr": {"$each": [0, 9], "$position": 1, "$slice": 4}}},
            Ok(with(doc! {"arr": [1, 0, 9, 2]})),
        ),
        (
            plain.clone(),
            doc! {"$push": {"arr": {"$each": [0], "$sort": -1, "$slice": -2}}},
            Ok(with(doc! {"arr": [1, 0]})),
        ),
        (plain.clone(), doc! {"$push": {"s": 1}}, Err(2)),
        (
            plain.clone(),
            doc! {"$addToSet": {"arr": {"$each": [2.0, 7]}}},
            Ok(with(doc! {"arr": [1, 2, 3, 2, 7]})),
        ),
        (
            plain.clone(),
            doc! {"$pop": {"arr": -1}},
            Ok(with(doc! {"arr": [2, 3, 2]})),
        ),
        (plain.clone(), doc! {"$pop": {"arr": 2}}, Err(9)),
        (
            plain.clone(),
            doc! {"$pull": {"arr": {"$gte": 2}}},
            Ok(with(doc! {"arr": [1]})),
        ),
        (
            plain.clone(),
            doc! {"$pull": {"docs": {"k": 1}}},
            Ok(with(doc! {"docs": [{"k": 2, "v": 2}]})),
        ),
        (
            plain.clone(),
            doc! {"$pullAll": {"arr": [2]}},
            Ok(with(doc! {"arr": [1, 3]})),
        ),
        (
            plain.clone(),
            doc! {"$bit": {"i": {"or": 6}}},
            Ok(with(doc! {"i": 7})),
        ),
        (
            plain.clone(),
            doc! {"$rename": {"none": "x"}},
            Ok(before.clone()),
        ),
        (
            plain.clone(),
            doc! {"$set": {"docs.$[].v": 0}},
            Ok(with(doc! {"docs": [{"k": 1, "v": 0}, {"k": 2, "v": 0}]})),
        ),
        (
            doc! {"docs.k": 2},
            doc! {"$inc": {"docs.$.v": 10}},
            Ok(with(doc! {"docs": [{"k": 1, "v": 1}, {"k": 2, "v": 12}]})),
        ),
        (plain.clone(), doc! {"$set": {"docs.$.v": 1}}, Err(2)),
        (plain.clone(), doc! {"$nope": {"a": 1}}, Err(9)),
        (plain.clone(), doc! {"$set": {"": 1}}, Err(56)),
        (plain.clone(), doc! {"s": 1, "$set": {"a": 1}}, Err(52)),
        (
            plain,
            doc! {"replaced": true},
            Ok(doc! {"_id": 1, "replaced": true}),
        ),
    ];
    let mut wrong = Vec::new();
    for (query, update, expected) in cases {
        let engine = Engine::new();
        engine
            .run_command("test", doc! {"insert": "c", "documents": [before.clone()]})
            .unwrap();
        let command =
            doc! {"findAndModify": "c", "query": query, "update": update.clone(), "new": true};
        let got = engine
            .run_command("test", command)
            .map(|r| r.get_document("value").unwrap().clone())
            .map_err(|e| e.code);
        if got != expected {
            wrong.push(format!("{update}\n   is {got:?}\n  not {expected:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Stages that tell of the server run without a collection.
#[test]
fn stages_about_the_server() {
    let engine = Engine::new();
    for (stage, rows) in [
        ("$currentOp", 1),
        ("$listLocalSessions", 0),
        ("$querySettings", 0),
    ] {
        let reply = engine
            .run_command(
                "admin",
                doc! {"aggregate": 1, "pipeline": [{stage: {}}, {"$match": {}}], "cursor": {}},
            )
            .unwrap();
        let batch = reply
            .get_document("cursor")
            .unwrap()
            .get_array("firstBatch")
            .unwrap();
        assert_eq!(batch.len(), rows, "{stage}");
    }
}
