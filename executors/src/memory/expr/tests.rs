//! Operators by example. The recorded cases of whole pipelines are run by the engine's own tests.
use bson::{Bson, bson, doc};

use super::*;
use crate::memory::value::Document;

fn eval_on(doc: bson::Document, spec: &Bson) -> Result<Value> {
    let evaluation = Evaluation {
        now: 1_700_000_000_000,
        ..Evaluation::default()
    };
    let mut env = Env::new(&evaluation);
    env.set_root(Document::from_bson(&doc));
    Expr::compile(spec, &Scope::new())?.eval(&mut env)
}

#[track_caller]
fn gives(spec: Bson, want: Bson) {
    let got = eval_on(doc! {"a": 7, "s": "x", "arr": [1, 2, 3]}, &spec).unwrap();
    assert_eq!(got.to_bson(), want, "{spec}");
}

#[track_caller]
fn fails(spec: Bson, code: i32) {
    let got = eval_on(doc! {"a": 7}, &spec).unwrap_err();
    assert_eq!(got.code, code, "{spec}: {got}");
}

/// Nesting is limited, so that no specification overflows the stack.
#[test]
fn depth_is_limited() {
    let mut spec = Bson::Int32(1);
    for _ in 0..500 {
        spec = Bson::Document(doc! {"$not": [spec]});
    }
    let e = Expr::compile(&spec, &Scope::new()).unwrap_err();
    assert_eq!(e.code, 15);
}

/// Ints widen to long and on to double; decimals win over all.
#[test]
fn numbers_promote() {
    gives(bson!({"$add": [i32::MAX, 1]}), bson!(2_147_483_648_i64));
    gives(
        bson!({"$multiply": [i64::MAX, 2]}),
        bson!(1.844_674_407_370_955_2e19),
    );
    gives(bson!({"$subtract": [3, 2.5]}), bson!(0.5));
    gives(bson!({"$divide": [6, 3]}), bson!(2.0));
    fails(bson!({"$add": [1, "x"]}), 14);
    fails(bson!({"$divide": [1, 0]}), 2);
}

/// The variables of one `$let` do not see each other, and inner ones do not disturb outer ones.
#[test]
fn variables_are_scoped() {
    gives(
        bson!({"$let": {"vars": {"x": 1, "y": {"$let": {"vars": {"z": 5}, "in": "$$z"}}}, "in": {"$add": ["$$x", "$$y"]}}}),
        bson!(6),
    );
    fails(
        bson!({"$let": {"vars": {"x": 1, "y": "$$x"}, "in": 1}}),
        17276,
    );
    gives(
        bson!({"$map": {"input": "$arr", "as": "x", "in": {"$reduce": {"input": "$arr", "initialValue": "$$x", "in": {"$add": ["$$value", "$$this"]}}}}}),
        bson!([7, 8, 9]),
    );
}

/// What a branch that is not taken would fail with does not matter, unless it is known ahead: constants are computed
/// when a pipeline is compiled, as a server's optimizer does.
#[test]
fn branches_are_lazy() {
    gives(
        bson!({"$cond": [true, 1, {"$divide": [{"$size": "$arr"}, 0]}]}),
        bson!(1),
    );
    gives(
        bson!({"$or": [{"$divide": [{"$size": "$arr"}, 0]}, true]}),
        bson!(true),
    );
    fails(bson!({"$cond": [true, 1, {"$divide": [1, 0]}]}), 2);
    fails(bson!({"$or": [true, {"$divide": [1, 0]}]}), 2);
    fails(bson!({"$ifNull": [1, {"$divide": [1, 0]}]}), 2);
}

/// Literals hold whatever looks like an operator or a path.
#[test]
fn literals_are_not_read() {
    gives(
        bson!({"$literal": {"$add": [1, "$a"]}}),
        bson!({"$add": [1, "$a"]}),
    );
}

/// Binary data: encodings, subtypes; numbers are no bytes yet.
#[test]
fn binary_conversions() {
    let uuid = "867dee52-c331-484e-92d1-c56479b8e67e";
    gives(bson!({"$toString": {"$toUUID": uuid}}), bson!(uuid));
    gives(
        bson!({"$convert": {"input": {"$convert": {"input": "SGk=", "to": "binData", "format": "base64"}}, "to": "string", "format": "utf8"}}),
        bson!("Hi"),
    );
    fails(bson!({"$convert": {"input": 258, "to": "binData"}}), 241);
    fails(
        bson!({"$convert": {"input": "!!", "to": "binData", "format": "base64"}}),
        241,
    );
}
