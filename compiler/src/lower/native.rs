//! Conditions on keys of JSON and on arrays in the match language, so that indexes can serve them.
//!
//! The match language enters arrays wherever a path meets one, which a key of JSON or an array as a whole must not do.
//! Each form excludes that where the facts do not: `{"meta.lang": "en"}` would also be true of `{lang: ["en"]}` and of
//! `[{lang: "en"}]`.

use bson::Bson;

use super::Lowerer;
use super::filter::constant;
use super::scope::{Val, is_path_key};
use crate::error::Result;
use crate::mql::{Expr, FieldOp, Filter};
use crate::plan::{ArrayFact, CompareOp, JsonStep, Scalar};
use crate::schema::StorageFamily;

impl Lowerer<'_> {
    /// `op` of a key inside JSON and literals: equality with a single value, or one of several. Order and inequality are
    /// those of whole values, which the match language does not have.
    pub fn json_is_one_of(&mut self, lhs: &Scalar, values: &[Bson]) -> Result<Option<Filter>> {
        if values.is_empty() || !values.iter().all(is_plain) {
            return Ok(None);
        }
        let op = match values {
            [one] => FieldOp::Eq(one.clone()),
            many => FieldOp::In(many.to_vec()),
        };
        self.json_leaf(lhs, op)
    }

    /// A key inside JSON is JSON's null.
    pub fn json_is_null(&mut self, lhs: &Scalar) -> Result<Option<Filter>> {
        self.json_leaf(lhs, FieldOp::Type(vec!["null"]))
    }

    /// A key inside JSON is there.
    pub fn json_is_there(&mut self, lhs: &Scalar) -> Result<Option<Filter>> {
        let Some((base, path)) = self.json_path(lhs)? else {
            return Ok(None);
        };
        let there = Filter::field(path.clone(), FieldOp::Exists(true));
        Ok(Some(Filter::all(vec![
            there,
            no_array_before(&base, &path),
        ])))
    }

    /// A key inside JSON is not there: nor is it in JSON's null, or in an array.
    pub fn json_is_missing(&mut self, lhs: &Scalar) -> Result<Option<Filter>> {
        let Some((base, path)) = self.json_path(lhs)? else {
            return Ok(None);
        };
        let mut ways = vec![Filter::field(path.clone(), FieldOp::Exists(false))];
        for prefix in prefixes(&base, &path) {
            ways.push(Filter::field(prefix, FieldOp::Type(vec!["array"])));
        }
        Ok(Some(Filter::any(ways)))
    }

    fn json_leaf(&mut self, lhs: &Scalar, op: FieldOp) -> Result<Option<Filter>> {
        let Some((base, path)) = self.json_path(lhs)? else {
            return Ok(None);
        };
        let leaf = Filter::Field {
            path: path.clone(),
            ops: vec![op, not_array()],
        };
        Ok(Some(Filter::all(vec![leaf, no_array_before(&base, &path)])))
    }

    /// The path of a key inside stored JSON, and of the JSON itself. Numbers could be indexes of arrays.
    fn json_path(&mut self, scalar: &Scalar) -> Result<Option<(String, String)>> {
        let Scalar::Json {
            base,
            steps,
            text: false,
        } = scalar
        else {
            return Ok(None);
        };
        let mut keys = Vec::with_capacity(steps.len());
        for step in steps {
            match step {
                JsonStep::Key(key) if is_path_key(key) && key.parse::<u64>().is_err() => {
                    keys.push(key.as_str());
                }
                _ => return Ok(None),
            }
        }
        if !matches!(**base, Scalar::Column(_)) || keys.is_empty() {
            return Ok(None);
        }
        let val = self.operand(base)?;
        Ok(val.path().map(|base| {
            let path = format!("{base}.{}", keys.join("."));
            (base, path)
        }))
    }

    /// What is true wherever a value inside JSON, under numbers too, equals a literal: a path takes a number as a key and
    /// as a place. It is more than that, for it enters arrays, but it rules most documents out without an expression.
    pub fn json_within_arrays(&mut self, lhs: &Scalar, value: &Bson) -> Result<Option<Filter>> {
        let Scalar::Json {
            base,
            steps,
            text: false,
        } = lhs
        else {
            return Ok(None);
        };
        if !is_plain(value) || !matches!(**base, Scalar::Column(_)) {
            return Ok(None);
        }
        let mut keys = Vec::with_capacity(steps.len());
        for step in steps {
            match step {
                JsonStep::Key(key) if is_path_key(key) => keys.push(key.to_string()),
                JsonStep::Index(n) if *n >= 0 => keys.push(n.to_string()),
                _ => return Ok(None),
            }
        }
        let val = self.operand(base)?;
        Ok(val.path().map(|base| {
            let path = format!("{base}.{}", keys.join("."));
            Filter::field(path, FieldOp::Eq(value.clone()))
        }))
    }

    /// An element of a stored array of single values, at a known place: a path of its own.
    pub fn element(&mut self, scalar: &Scalar) -> Result<Option<Val>> {
        let Scalar::Call(call) = scalar else {
            return Ok(None);
        };
        let ([array, Scalar::Literal(index)], "ArrayIndex") =
            (call.args.as_slice(), call.function.as_str())
        else {
            return Ok(None);
        };
        let n = match index.value {
            Bson::Int32(n) => i64::from(n),
            Bson::Int64(n) => n,
            _ => return Ok(None),
        };
        let val = self.operand(array)?;
        let Expr::Field(path) = &val.expr else {
            return Ok(None);
        };
        if n < 0 || !has_plain_elements(&val) {
            return Ok(None);
        }
        let keys = path.then(n.to_string());
        Ok(Some(Val {
            expr: Expr::Field(keys),
            ty: call.ty.clone(),
            nullable: true,
            array: ArrayFact::No,
        }))
    }

    /// The number of elements of a stored array against a literal.
    pub fn length(&mut self, op: CompareOp, lhs: &Scalar, rhs: &Val) -> Result<Option<Filter>> {
        let Scalar::Call(call) = lhs else {
            return Ok(None);
        };
        let ([array], "ArrayLength") = (call.args.as_slice(), call.function.as_str()) else {
            return Ok(None);
        };
        let n = match rhs.literal() {
            Some(Bson::Int32(n)) => i64::from(*n),
            Some(Bson::Int64(n)) => *n,
            _ => return Ok(None),
        };
        let val = self.operand(array)?;
        let (ArrayFact::Yes, Some(path)) = (val.array, val.path()) else {
            return Ok(None);
        };
        if !(0..=i64::from(i32::MAX)).contains(&n) {
            return Ok(None);
        }
        let array = || FieldOp::Type(vec!["array"]);
        // There is an element at a position: only where elements have no keys that look like one.
        let at = |i: i64, there: bool| {
            has_places(&val).then(|| Filter::field(format!("{path}.{i}"), FieldOp::Exists(there)))
        };
        // A condition beside it may say already that there is a length.
        let is_array = self.assumed.contains(lhs);
        let shorter = |n: i64| {
            let rest = at(n - 1, false)?;
            if is_array {
                return Some(rest);
            }
            Some(Filter::all(vec![
                Filter::field(path.clone(), array()),
                rest,
            ]))
        };
        Ok(match (op, n) {
            (CompareOp::Eq, _) => Some(Filter::field(path.clone(), FieldOp::Size(n))),
            (CompareOp::Ne, _) => Some(Filter::Field {
                path: path.clone(),
                ops: vec![array(), FieldOp::Not(vec![FieldOp::Size(n)])],
            }),
            (CompareOp::Gte, 0) => Some(Filter::field(path.clone(), array())),
            (CompareOp::Gt, 0) | (CompareOp::Gte, 1)
                if val.family() == StorageFamily::EmbeddedArray && !has_places(&val) =>
            {
                Some(Filter::Field {
                    path: path.clone(),
                    ops: vec![array(), FieldOp::Ne(Bson::Array(Vec::new()))],
                })
            }
            (CompareOp::Lt, 1) | (CompareOp::Lte, 0) => {
                Some(Filter::field(path.clone(), FieldOp::Size(0)))
            }
            (CompareOp::Gt, _) => at(n, true),
            (CompareOp::Gte, _) => at(n - 1, true),
            (CompareOp::Lt, 0) => Some(constant(false)),
            (CompareOp::Lt, _) => shorter(n),
            (CompareOp::Lte, _) => shorter(n + 1),
        })
    }
}

/// An array is equal to a literal as a whole: no element can be equal to it.
pub(super) fn whole_array(op: CompareOp, path: &str, val: &Val, value: &Bson) -> Option<Filter> {
    let Bson::Array(items) = value else {
        return None;
    };
    if val.array != ArrayFact::Yes || !has_plain_elements(val) || !items.iter().all(is_plain) {
        return None;
    }
    let ops = match op {
        CompareOp::Eq => vec![FieldOp::Eq(value.clone())],
        CompareOp::Ne => vec![FieldOp::Type(vec!["array"]), FieldOp::Ne(value.clone())],
        _ => return None,
    };
    Some(Filter::Field {
        path: path.to_owned(),
        ops,
    })
}

/// A number after the path of an array is a place in it, and nothing else.
pub(super) fn has_places(val: &Val) -> bool {
    match val.family() {
        StorageFamily::EmbeddedArray => val.ty.places,
        _ => has_plain_elements(val),
    }
}

/// The elements of an array are single values.
fn has_plain_elements(val: &Val) -> bool {
    let base = val.ty.base.as_ref().map(|base| base.kind.family());
    val.family() == StorageFamily::Array
        && base.is_some_and(|family| {
            !matches!(
                family,
                StorageFamily::Array
                    | StorageFamily::Json
                    | StorageFamily::Embedded
                    | StorageFamily::EmbeddedArray
                    | StorageFamily::Geo
            )
        })
}

fn is_plain(value: &Bson) -> bool {
    matches!(
        value,
        Bson::String(_)
            | Bson::Int32(_)
            | Bson::Int64(_)
            | Bson::Double(_)
            | Bson::Boolean(_)
            | Bson::Decimal128(_)
            | Bson::DateTime(_)
    )
}

fn not_array() -> FieldOp {
    FieldOp::Not(vec![FieldOp::Type(vec!["array"])])
}

/// No array stands on the way to a path: neither the JSON itself nor a key before the last is one.
fn no_array_before(base: &str, path: &str) -> Filter {
    Filter::all(
        prefixes(base, path)
            .map(|prefix| Filter::field(prefix, not_array()))
            .collect(),
    )
}

/// The JSON itself and the keys before the last.
fn prefixes<'p>(base: &str, path: &'p str) -> impl Iterator<Item = &'p str> {
    path.match_indices('.')
        .map(|(at, _)| at)
        .filter({
            let n = base.len();
            move |at| *at >= n
        })
        .filter_map(|at| path.get(..at))
}
