//! Lookups: from `lhs`, names and a right-hand side to a predicate.

use super::operand::{is_integer, null_literal};
use crate::functions::{LeftSide, Lookup, Meaning};

use bson::Bson;
use indexmap::IndexMap;

use super::expr::plain;
use super::filter::truth_of;
use super::query::QueryId;
use super::{Binder, Bound, Rhs};
use crate::error::{Code, Error, Result};
use crate::functions::Call as FunctionCall;
use crate::plan::{CompareOp, Literal, Pattern, Predicate, Scalar, SubKind};
use crate::queryset::Value;
use crate::schema::{FieldKind, StorageFamily};

/// A lookup as predicate.
pub(super) struct Condition {
    pub predicate: Predicate,
    /// `Some(true)` and `Some(false)` for `isnull`.
    pub is_null: Option<bool>,
    /// The right side is `None` and means JSON's null.
    pub json_null: bool,
}

impl From<Predicate> for Condition {
    fn from(predicate: Predicate) -> Self {
        Condition {
            predicate,
            is_null: None,
            json_null: false,
        }
    }
}

impl Binder<'_> {
    /// A left side, as lookups see it.
    pub(super) fn left_side(lhs: &Bound) -> LeftSide<'_> {
        match &lhs.scalar {
            _ if lhs.relation.is_some() => LeftSide::Row,
            Scalar::List(_) => LeftSide::Row,
            Scalar::Json { text: true, .. } => LeftSide::JsonText(&lhs.ty),
            _ => LeftSide::Value(&lhs.ty),
        }
    }

    /// Applies transforms and the last lookup.
    pub(super) fn build_lookup(
        &mut self,
        q: QueryId,
        lookups: &[&str],
        lhs: Bound,
        rhs: Rhs,
    ) -> Result<Condition> {
        let mut lhs = lhs;
        let (last, transforms) = match lookups.split_last() {
            Some((last, transforms)) => (Some(last), transforms),
            None => (None, lookups),
        };
        for (i, name) in transforms.iter().enumerate() {
            if self.enters_elements(&lhs, name)? {
                return self.element_lookup(q, lookups.get(i..).unwrap_or(&[]), &lhs, rhs);
            }
            lhs = self.try_transform(lhs, name, lookups)?;
        }
        let found = match last {
            None => None,
            Some(last) => {
                if self.enters_elements(&lhs, last)? {
                    return self.element_lookup(q, &[last], &lhs, rhs);
                }
                let found = self.registry.lookup(Self::left_side(&lhs), last);
                if found.is_none() {
                    lhs = self.try_transform(lhs, last, lookups)?;
                }
                found
            }
        };
        let lookup = found
            .or_else(|| self.registry.lookup(Self::left_side(&lhs), "exact"))
            .ok_or_else(|| {
                Error::unsupported("a path without a lookup", "the registry has no `exact`")
            })?;
        self.apply_lookup(q, lookup, lhs, rhs)
    }

    fn apply_lookup(
        &mut self,
        q: QueryId,
        lookup: Lookup,
        lhs: Bound,
        rhs: Rhs,
    ) -> Result<Condition> {
        if let Meaning::Function(function) = lookup.meaning {
            return self.registered_lookup(function, &lhs, rhs);
        }
        if let Rhs::Value(Value::Null) = rhs {
            let json = Self::is_json(&lhs);
            match lookup.meaning {
                Meaning::Member | Meaning::Between => {
                    return Err(
                        Error::new(Code::TypeError, "'NoneType' object is not iterable")
                            .with_hint("write isnull=True, or a list"),
                    );
                }
                Meaning::Compare(CompareOp::Eq) if json => {}
                Meaning::Compare(CompareOp::Eq)
                | Meaning::Like {
                    pattern: Pattern::Exact,
                    ..
                } => return self.is_null(lhs, true),
                _ => {
                    return Err(Error::new(
                        Code::ValueError,
                        "Cannot use None as a query value",
                    ));
                }
            }
        }
        match lookup.meaning {
            Meaning::IsNull => {
                let Rhs::Value(Value::Bool(wanted)) = rhs else {
                    return Err(Error::new(
                        Code::ValueError,
                        "The QuerySet value for an isnull lookup must be True or False.",
                    ));
                };
                self.is_null(lhs, wanted)
            }
            Meaning::Compare(op) => self.compare(q, op, lookup.name, lhs, rhs),
            Meaning::Member => self.in_lookup(q, lhs, rhs),
            Meaning::Between => self.range(lhs, rhs),
            Meaning::Special(name) => self.special(name, &lhs, rhs),
            Meaning::Keys { all } => self.has_keys(lookup.name, all, &lhs, rhs),
            Meaning::Like {
                pattern,
                insensitive,
            } => self.pattern(lookup.name, (pattern, insensitive), lhs, rhs),
            Meaning::Function(function) => self.registered_lookup(function, &lhs, rhs),
            Meaning::Search => self.search_lookup(q, &lhs, rhs).map(Condition::from),
        }
    }

    /// JSON that is not taken as text.
    fn is_json(lhs: &Bound) -> bool {
        lhs.ty.kind.family() == StorageFamily::Json
            && !matches!(lhs.scalar, Scalar::Json { text: true, .. })
    }

    /// A lookup that is a registered function of both sides.
    fn registered_lookup(&mut self, function: &str, lhs: &Bound, rhs: Rhs) -> Result<Condition> {
        let rhs = match rhs {
            Rhs::Value(value) => {
                let value = match &value {
                    Value::List(_) | Value::Dict(_) | Value::Null => value,
                    scalar => self.prepare(&lhs.ty, scalar).unwrap_or(value),
                };
                self.literal(&value)?
            }
            Rhs::Scalar(bound) => bound,
            Rhs::Query { id, .. } => {
                let plan = self.finish_subquery(id, SubKind::Scalar, None)?;
                let ty = plan.ty.clone();
                Bound::of(Scalar::Subquery(Box::new(plan)), ty)
            }
            Rhs::List(_) => {
                return Err(Error::unsupported(
                    "a list of expressions on the right of a registered lookup",
                    "its function takes one value",
                ));
            }
        };
        let call = FunctionCall::new(function, [Self::arg(lhs), Self::arg(&rhs)]);
        let scalar = self.registry.resolve(call, &self.context())?;
        let bound = self.typed(scalar)?;
        if bound.ty.kind != FieldKind::BooleanField {
            return Err(Error::new(
                Code::TypeError,
                format!("the lookup's function {function} gives no boolean"),
            ));
        }
        Ok(truth_of(bound.scalar).into())
    }

    /// `isnull`, of a key in JSON: whether it is there.
    fn is_null(&mut self, lhs: Bound, wanted: bool) -> Result<Condition> {
        let test = |scalar: Scalar| {
            let test = Predicate::IsNull(scalar);
            if wanted { test } else { test.negate() }
        };
        let predicate = match lhs.scalar {
            Scalar::List(parts) => {
                // A row value is NULL if a part is (composite keys have no NULL parts).
                let tests: Vec<Predicate> = parts.into_iter().map(Predicate::IsNull).collect();
                let any = Predicate::Or(tests);
                if wanted { any } else { any.negate() }
            }
            Scalar::Literal(literal) => {
                Predicate::Const(Some((literal.value == Bson::Null) == wanted))
            }
            scalar => test(scalar),
        };
        Ok(Condition {
            predicate,
            is_null: Some(wanted),
            json_null: false,
        })
    }

    fn compare(
        &mut self,
        q: QueryId,
        op: CompareOp,
        name: &str,
        lhs: Bound,
        rhs: Rhs,
    ) -> Result<Condition> {
        let json = Self::is_json(&lhs);
        if let Scalar::List(parts) = &lhs.scalar {
            return self.tuple_compare(q, op, name, parts.clone(), &lhs, rhs);
        }
        let rhs = match rhs {
            Rhs::Value(value) => {
                if !json && let Some(outcome) = self.out_of_range(&lhs, op, &value) {
                    return Ok(self.folded(&lhs, outcome).into());
                }
                if json && op == CompareOp::Eq && matches!(value, Value::Null | Value::JsonNull) {
                    return Ok(Condition {
                        predicate: Predicate::Lookup {
                            name: "json_is_json_null".to_owned(),
                            lhs: lhs.scalar,
                            rhs: null_literal(),
                        },
                        is_null: None,
                        json_null: value == Value::Null,
                    });
                }
                let value = match (op, &value) {
                    // `>= 1.5` means `>= 2` for whole numbers (IntegerFieldFloatRounding).
                    (CompareOp::Gte | CompareOp::Lt, Value::Float(f))
                        if is_integer(&lhs.ty) && f.is_finite() =>
                    {
                        Value::Float(f.ceil())
                    }
                    _ => value,
                };
                self.rhs_literal(&lhs, &value)?
            }
            Rhs::Scalar(bound) => {
                if let Scalar::List(_) = bound.scalar {
                    return Err(Error::new(
                        Code::ValueError,
                        "CompositePrimaryKey cannot be used as a lookup value.",
                    ));
                }
                self.adopt(&lhs, bound)
            }
            Rhs::Query { id, explicit } => {
                self.check_one(id, name, explicit)?;
                let received = self.q(id)?.selected.as_ref().map_or(1, Vec::len);
                if received > 1 && !explicit && name == "exact" {
                    return Err(Error::new(
                        Code::ValueError,
                        format!(
                            "The QuerySet value for the exact lookup must have 1 selected fields (received {received})"
                        ),
                    ));
                }
                if name == "exact" && !explicit && self.q(id)?.selected.is_none() {
                    self.select_pk(id)?;
                }
                let sub = self.finish_subquery(id, SubKind::Scalar, None)?;
                Scalar::Subquery(Box::new(sub))
            }
            Rhs::List(items) => {
                let bound = self.list_value(&lhs, items)?;
                bound.scalar
            }
        };
        if op == CompareOp::Eq
            && lhs.ty.kind == FieldKind::BooleanField
            && let Scalar::Literal(literal) = &rhs
            && let Bson::Boolean(wanted) = literal.value
            && !matches!(lhs.scalar, Scalar::Column(_))
        {
            let truth = truth_of(lhs.scalar);
            return Ok(if wanted { truth } else { truth.negate() }.into());
        }
        let (lhs, rhs) = self.comparable(lhs.scalar, rhs)?;
        Ok(Predicate::Compare { op, lhs, rhs }.into())
    }

    fn pattern(
        &mut self,
        name: &str,
        (pattern, insensitive): (Pattern, bool),
        lhs: Bound,
        rhs: Rhs,
    ) -> Result<Condition> {
        let text = plain(FieldKind::TextField);
        let rhs = match rhs {
            Rhs::Value(value) => {
                let mut text_value = super::prep::python_str(&value);
                if lhs.ty.kind == FieldKind::UUIDField && pattern != Pattern::Regex {
                    text_value = text_value.replace('-', "");
                }
                Scalar::from(Literal {
                    value: Bson::String(text_value),
                    ty: text,
                })
            }
            Rhs::Scalar(bound) if lhs.ty.kind == FieldKind::UUIDField => {
                // UUIDs are stored without hyphens (Django: `UUIDTextMixin`).
                let text = |value: &str| crate::functions::Arg {
                    scalar: Scalar::from(Literal {
                        value: Bson::String(value.to_owned()),
                        ty: text.clone(),
                    }),
                    ty: Some(text.clone()),
                };
                self.registry.resolve(
                    crate::functions::Call {
                        name: "Replace".to_owned(),
                        args: vec![Self::arg(&bound), text("-"), text("")],
                        options: IndexMap::new(),
                        output: Some(plain(FieldKind::TextField)),
                    },
                    &self.context(),
                )?
            }
            Rhs::Scalar(bound) => bound.scalar,
            Rhs::Query { id, .. } => {
                Scalar::Subquery(Box::new(self.finish_subquery(id, SubKind::Scalar, None)?))
            }
            Rhs::List(_) => {
                return Err(Error::new(
                    Code::TypeError,
                    format!("the {name} lookup needs one value"),
                ));
            }
        };
        let lhs = match lhs.scalar {
            Scalar::Json { base, steps, .. } => Scalar::Json {
                base,
                steps,
                text: true,
            },
            other => other,
        };
        Ok(Predicate::Like {
            pattern,
            insensitive,
            lhs,
            rhs,
        }
        .into())
    }
}
