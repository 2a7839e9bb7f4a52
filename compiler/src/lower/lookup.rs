//! Lookups of JSON values and arrays.
//!
//! Containment is PostgreSQL's (`@>`, documentation section "jsonb Containment and Existence"): objects by key, arrays by
//! element in any order, an array may contain a plain value at the top. NULL elements of arrays are equal to nothing.

use bson::{Bson, Document};

use super::Lowerer;
use super::filter::constant;
use super::leaf::and;
use super::scope::{Val, get_field, if_there, is_path_key};
use super::truth::junction;
use crate::error::{Error, Result};
use crate::mql::{Expr, FieldOp, Filter};
use crate::plan::Scalar;
use crate::queryset::Value;
use crate::schema::StorageFamily;

impl Lowerer<'_> {
    /// A lookup in the match language, where it has a form.
    pub fn native_lookup(
        &mut self,
        name: &str,
        lhs: &Scalar,
        rhs: &Scalar,
        want: bool,
    ) -> Result<Option<Filter>> {
        if name == "json_is_json_null" && want {
            return self.json_is_null(lhs);
        }
        let Scalar::Literal(literal) = rhs else {
            return Ok(None);
        };
        let Bson::Array(values) = &literal.value else {
            return Ok(None);
        };
        let plain = |v: &Bson| !matches!(v, Bson::Array(_) | Bson::Document(_));
        if !values.iter().all(plain) {
            return Ok(None);
        }
        let (path, key) = match self.values_of_elements(lhs)? {
            Some((path, key)) => (path, Some(key)),
            None => match self.operand(lhs)?.path() {
                Some(path) => (path, None),
                None => return Ok(None),
            },
        };
        let nulls = values.contains(&Bson::Null);
        let known: Vec<Bson> = values
            .iter()
            .filter(|v| **v != Bson::Null)
            .cloned()
            .collect();
        let array = FieldOp::Type(vec!["array"]);
        let ops = match (name, want) {
            ("array_contains", true) if nulls => return Ok(Some(constant(false))),
            ("array_contains", false) if nulls => vec![array],
            ("array_contains", true) if known.is_empty() => vec![array],
            ("array_contains", false) if known.is_empty() => return Ok(Some(constant(false))),
            ("array_contains", true) => match known.as_slice() {
                [one] => vec![FieldOp::Eq(one.clone())],
                _ => vec![FieldOp::All(known)],
            },
            ("array_contains", false) => match known.as_slice() {
                [one] => vec![array, FieldOp::Ne(one.clone())],
                _ => vec![array, FieldOp::Not(vec![FieldOp::All(known)])],
            },
            ("array_overlap", true) if known.is_empty() => return Ok(Some(constant(false))),
            ("array_overlap", true) => vec![FieldOp::In(known)],
            ("array_overlap", false) => vec![array, FieldOp::Nin(known)],
            ("array_contained_by", true) => vec![
                array,
                FieldOp::Not(vec![FieldOp::ElemMatchValue(vec![FieldOp::Nin(known)])]),
            ],
            ("array_contained_by", false) => {
                vec![FieldOp::ElemMatchValue(vec![FieldOp::Nin(known)])]
            }
            _ => return Ok(None),
        };
        Ok(Some(match key {
            None => Filter::Field { path, ops },
            Some(key) => by_key(&path, &key, ops),
        }))
    }

    /// The paths of an array of documents and of single values in them, for the values of all its elements. In the match
    /// language a path leads into every element.
    fn values_of_elements(&mut self, lhs: &Scalar) -> Result<Option<(String, String)>> {
        let Scalar::Call(call) = lhs else {
            return Ok(None);
        };
        let ([array], "ElementValues", Some(Value::Str(key))) = (
            call.args.as_slice(),
            call.function.as_str(),
            call.options.get("path"),
        ) else {
            return Ok(None);
        };
        let single = call
            .ty
            .base
            .as_ref()
            .is_some_and(|base| has_text(base.kind.family()));
        let numbered = |key: &str| key.bytes().all(|b| b.is_ascii_digit());
        if !single || !key.split('.').all(|k| is_path_key(k) && !numbered(k)) {
            return Ok(None);
        }
        let path = self.operand(array)?.path();
        Ok(path.map(|path| (path, key.clone())))
    }

    /// A lookup as an expression: true where it is true (or false, as wanted).
    pub fn lookup_expr(
        &mut self,
        name: &str,
        lhs: &Scalar,
        rhs: &Scalar,
        want: bool,
    ) -> Result<Expr> {
        let val = self.operand(lhs)?;
        let test = match name {
            "json_is_json_null" => {
                let ty = Expr::one("$type", if_there(val.expr.clone()));
                // Where the key is not there, the comparison is unknown.
                let absent = Expr::Literal(Bson::Array(vec!["missing".into(), "null".into()]));
                return Ok(if want {
                    Expr::list("$eq", [ty, Expr::lit("null")])
                } else {
                    not(Expr::list("$in", [ty, absent]))
                });
            }
            "json_contains" => contains(&val.expr, &literal_of(name, rhs)?, true, 0)?,
            "json_contained_by" => contained(&val.expr, &literal_of(name, rhs)?, true, 0)?,
            "array_contains" | "array_contained_by" | "array_overlap" => {
                // What is no array is an error: the conditions beside it may be asked later.
                let array = self.scalar(lhs)?;
                return self.array_expr(name, array, rhs, want);
            }
            "in_array" => {
                let list = self.scalar(rhs)?;
                let mut guards = Vec::new();
                // NULL is not in a list without NULL.
                let without =
                    want && matches!(rhs, Scalar::Column(id) if self.without_null.contains(*id));
                for (side, known) in [(&val, without), (&list, false)] {
                    if side.nullable && !known {
                        guards.push(side.is_not_null());
                    }
                }
                let test = Expr::list("$in", [val.expr, list.expr]);
                return Ok(guarded(guards, test, want));
            }
            _ => {
                return Err(Error::unsupported(
                    format!("the lookup {name}"),
                    "it has no form in MongoDB's languages",
                ));
            }
        };
        Ok(guarded(vec![val.is_not_null()], test, want))
    }

    fn array_expr(&mut self, name: &str, lhs: Val, rhs: &Scalar, want: bool) -> Result<Expr> {
        let rhs = self.scalar(rhs)?;
        // A list that is written out is an array, and whether it has a null is known.
        let guards = [&lhs, &rhs]
            .into_iter()
            .filter(|side| side.nullable)
            .map(|side| Expr::one("$isArray", side.expr.clone()))
            .collect();
        let nulls = |list: &Expr| match list {
            Expr::Literal(Bson::Array(items)) => Expr::lit(items.contains(&Bson::Null)),
            _ => Expr::list("$in", [Expr::null(), list.clone()]),
        };
        let test = match name {
            "array_contains" => {
                let subset = Expr::list("$setIsSubset", [rhs.expr.clone(), lhs.expr]);
                junction(vec![subset, not(nulls(&rhs.expr))], true)
            }
            "array_contained_by" => {
                let subset = Expr::list("$setIsSubset", [lhs.expr.clone(), rhs.expr]);
                junction(vec![subset, not(nulls(&lhs.expr))], true)
            }
            _ => {
                let common = Expr::list("$setIntersection", [lhs.expr, rhs.expr]);
                let values = Expr::list(
                    "$setDifference",
                    [common, Expr::Literal(Bson::Array(vec![Bson::Null]))],
                );
                Expr::list("$ne", [values, Expr::Array(Vec::new())])
            }
        };
        // Operators on sets fail on what is no array: the guards decide first.
        let outcome = if want { test } else { not(test) };
        Ok(Expr::cond(
            junction(guards, true),
            outcome,
            Expr::lit(false),
        ))
    }
}

/// `test`, or its opposite, where the guards hold.
fn guarded(mut guards: Vec<Expr>, test: Expr, want: bool) -> Expr {
    guards.push(if want { test } else { not(test) });
    and(guards)
}

fn not(expr: Expr) -> Expr {
    match expr {
        Expr::Literal(Bson::Boolean(known)) => Expr::lit(!known),
        other => Expr::list("$not", [other]),
    }
}

fn literal_of(name: &str, rhs: &Scalar) -> Result<Bson> {
    match rhs {
        Scalar::Literal(literal) => Ok(literal.value.clone()),
        _ => Err(Error::unsupported(
            format!("the lookup {name} with an expression on its right"),
            "containment is spelled out for a known value only",
        )),
    }
}

/// Documents nested deeper than this are refused as right sides.
const DEPTH: usize = 32;

fn deeper(depth: usize) -> Result<usize> {
    if depth >= DEPTH {
        return Err(Error::new(
            crate::error::Code::Limit,
            "the value of a containment lookup is nested too deeply",
        ));
    }
    Ok(depth + 1)
}

fn is_object(expr: &Expr) -> Expr {
    Expr::list(
        "$eq",
        [Expr::one("$type", expr.clone()), Expr::lit("object")],
    )
}

/// `expr @> value`.
fn contains(expr: &Expr, value: &Bson, top: bool, depth: usize) -> Result<Expr> {
    let depth = deeper(depth)?;
    Ok(match value {
        Bson::Document(document) => {
            let mut all = vec![is_object(expr)];
            for (key, inner) in document {
                all.push(contains(&key_of(expr, key), inner, false, depth)?);
            }
            and(all)
        }
        Bson::Array(items) => {
            let element = format!("e{depth}");
            let mut all = Vec::with_capacity(items.len());
            for item in items {
                let test = contains(&Expr::var(element.clone()), item, false, depth)?;
                all.push(any_element(expr, &element, test));
            }
            Expr::cond(
                Expr::one("$isArray", expr.clone()),
                junction(all, true),
                Expr::lit(false),
            )
        }
        scalar => {
            let equal = Expr::list("$eq", [expr.clone(), Expr::Literal(scalar.clone())]);
            if !top {
                return Ok(equal);
            }
            let among = Expr::cond(
                Expr::one("$isArray", expr.clone()),
                Expr::list("$in", [Expr::Literal(scalar.clone()), expr.clone()]),
                Expr::lit(false),
            );
            Expr::list("$or", [equal, among])
        }
    })
}

/// `expr <@ value`.
fn contained(expr: &Expr, value: &Bson, top: bool, depth: usize) -> Result<Expr> {
    let depth = deeper(depth)?;
    Ok(match value {
        Bson::Document(document) => contained_in_object(expr, document, depth)?,
        Bson::Array(items) => {
            let element = format!("e{depth}");
            let mut any = Vec::with_capacity(items.len());
            for item in items {
                any.push(contained(&Expr::var(element.clone()), item, false, depth)?);
            }
            let every = all_elements(expr.clone(), &element, junction(any, false));
            let other = if top {
                let plain: Vec<Bson> = items
                    .iter()
                    .filter(|v| !matches!(v, Bson::Document(_) | Bson::Array(_)))
                    .cloned()
                    .collect();
                Expr::list("$in", [expr.clone(), Expr::Literal(Bson::Array(plain))])
            } else {
                Expr::lit(false)
            };
            Expr::cond(Expr::one("$isArray", expr.clone()), every, other)
        }
        scalar => Expr::list("$eq", [expr.clone(), Expr::Literal(scalar.clone())]),
    })
}

fn contained_in_object(expr: &Expr, document: &Document, depth: usize) -> Result<Expr> {
    let pair = format!("p{depth}");
    let part = |name: &str| Expr::Var {
        name: pair.clone(),
        path: vec![name.to_owned()],
    };
    let mut branches = Vec::with_capacity(document.len());
    for (key, inner) in document {
        let same = Expr::list("$eq", [part("k"), Expr::lit(key.as_str())]);
        branches.push(and(vec![same, contained(&part("v"), inner, false, depth)?]));
    }
    let every = all_elements(
        Expr::one("$objectToArray", expr.clone()),
        &pair,
        junction(branches, false),
    );
    Ok(Expr::cond(is_object(expr), every, Expr::lit(false)))
}

fn any_element(list: &Expr, name: &str, test: Expr) -> Expr {
    Expr::one("$anyElementTrue", mapped(list.clone(), name, test))
}

fn all_elements(list: Expr, name: &str, test: Expr) -> Expr {
    Expr::one("$allElementsTrue", mapped(list, name, test))
}

fn mapped(list: Expr, name: &str, body: Expr) -> Expr {
    Expr::named(
        "$map",
        [("input", list), ("as", Expr::lit(name)), ("in", body)],
    )
}

/// A key of an object; of anything else nothing.
fn key_of(expr: &Expr, key: &str) -> Expr {
    get_field(expr.clone(), key)
}

/// Conditions on the values of the elements of an array: those on the array itself stay with it.
fn by_key(path: &str, key: &str, ops: Vec<FieldOp>) -> Filter {
    let inner = |ops: Vec<FieldOp>| FieldOp::ElemMatch(Box::new(field_ops(key, ops)));
    let mut own = Vec::new();
    let mut of_values = Vec::new();
    for op in ops {
        match op {
            FieldOp::Type(_) => own.push(op),
            FieldOp::ElemMatchValue(ops) => own.push(inner(ops)),
            FieldOp::Not(ops) if matches!(ops.as_slice(), [FieldOp::ElemMatchValue(_)]) => {
                let ops = ops.into_iter().map(|op| match op {
                    FieldOp::ElemMatchValue(ops) => inner(ops),
                    op => op,
                });
                own.push(FieldOp::Not(ops.collect()));
            }
            op => of_values.push(op),
        }
    }
    let mut parts = Vec::new();
    if !own.is_empty() {
        parts.push(field_ops(path, own));
    }
    if !of_values.is_empty() {
        parts.push(field_ops(&format!("{path}.{key}"), of_values));
    }
    Filter::all(parts)
}

fn field_ops(path: &str, ops: Vec<FieldOp>) -> Filter {
    Filter::Field {
        path: path.to_owned(),
        ops,
    }
}

/// Whether a value of the family can be searched by patterns of text.
pub(super) fn has_text(family: StorageFamily) -> bool {
    !matches!(
        family,
        StorageFamily::Json
            | StorageFamily::Array
            | StorageFamily::Embedded
            | StorageFamily::EmbeddedArray
            | StorageFamily::Geo
    )
}
