//! Lookups: from `lhs`, names and a right-hand side to a predicate.

use std::sync::Arc;

use bson::Bson;
use indexmap::IndexMap;

use super::expr::plain;
use super::filter::{conjunction, truth_of};
use super::path::JoinInfo;
use super::query::{QueryId, Rows};
use super::{Binder, Bound, Rhs};
use crate::diagnostic::closest;
use crate::error::{Code, Error, Result};
use crate::functions::Call as FunctionCall;
use crate::plan::{
    ArrayFact, Column, CompareOp, JsonStep, Literal, Origin, Pattern, Predicate, Scalar, SubKind,
};
use crate::queryset::Value;
use crate::schema::{FieldKind, FieldType, ModelId, StorageFamily};

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

/// Lookups that every field has.
const COMMON: [&str; 16] = [
    "exact",
    "iexact",
    "gt",
    "gte",
    "lt",
    "lte",
    "in",
    "contains",
    "icontains",
    "startswith",
    "istartswith",
    "endswith",
    "iendswith",
    "range",
    "isnull",
    "regex",
];

/// Lookups of relations.
const RELATED: [&str; 7] = ["exact", "in", "gt", "gte", "lt", "lte", "isnull"];

/// Lookups of JSON values beyond the common ones.
const JSON: [&str; 4] = ["has_key", "has_keys", "has_any_keys", "contained_by"];

/// Lookups of arrays beyond the common ones.
const ARRAY: [&str; 2] = ["contained_by", "overlap"];

impl Binder<'_> {
    fn has_lookup(&self, lhs: &Bound, name: &str) -> bool {
        if lhs.relation.is_some() {
            return RELATED.contains(&name);
        }
        if let Scalar::List(_) = lhs.scalar {
            return RELATED.contains(&name);
        }
        if name == "iregex"
            || COMMON.contains(&name)
            || self.registry.lookup(&lhs.ty, name).is_some()
        {
            return true;
        }
        match lhs.ty.kind.family() {
            StorageFamily::Json => {
                JSON.contains(&name) && !matches!(lhs.scalar, Scalar::Json { text: true, .. })
            }
            StorageFamily::Array | StorageFamily::EmbeddedArray => ARRAY.contains(&name),
            _ => false,
        }
    }

    /// Applies transforms and the last lookup.
    pub(super) fn build_lookup(
        &mut self,
        q: QueryId,
        lookups: &[String],
        lhs: Bound,
        rhs: Rhs,
    ) -> Result<Condition> {
        let mut lhs = lhs;
        let exact = "exact".to_owned();
        let (last, transforms) = match lookups.split_last() {
            Some((last, transforms)) => (last, transforms),
            None => (&exact, lookups),
        };
        for (i, name) in transforms.iter().enumerate() {
            if self.enters_elements(&lhs, name)? {
                return self.element_lookup(q, lookups.get(i..).unwrap_or(&[]), &lhs, rhs);
            }
            lhs = self.try_transform(lhs, name, lookups)?;
        }
        if !lookups.is_empty() && self.enters_elements(&lhs, last)? {
            return self.element_lookup(q, std::slice::from_ref(last), &lhs, rhs);
        }
        let name = if self.has_lookup(&lhs, last) {
            last.as_str()
        } else {
            lhs = self.try_transform(lhs, last, lookups)?;
            "exact"
        };
        self.apply_lookup(q, name, lhs, rhs)
    }

    /// A transform by its name in a path: a registered one, a JSON key, an embedded field, an array index.
    pub(super) fn try_transform(
        &mut self,
        lhs: Bound,
        name: &str,
        lookups: &[String],
    ) -> Result<Bound> {
        if lhs.relation.is_none()
            && let Some(transform) = self
                .registry
                .transform(&lhs.ty, name, self.schema.settings())
        {
            let scalar = transform.apply(Self::arg(&lhs), self.registry, &self.context())?;
            return self.typed(scalar);
        }
        match lhs.ty.kind.family() {
            StorageFamily::Json if lhs.relation.is_none() => {
                let step = match name.parse::<i64>() {
                    Ok(index) => JsonStep::Index(index),
                    Err(_) => JsonStep::Key(name.to_owned()),
                };
                let scalar = match lhs.scalar {
                    Scalar::Json {
                        base,
                        mut steps,
                        text,
                    } => {
                        steps.push(step);
                        Scalar::Json { base, steps, text }
                    }
                    base => Scalar::Json {
                        base: Box::new(base),
                        steps: vec![step],
                        text: false,
                    },
                };
                let mut ty = FieldType::new(FieldKind::JSONField);
                ty.null = true;
                return Ok(Bound::of(scalar, Arc::new(ty)));
            }
            StorageFamily::Embedded if lhs.relation.is_none() => {
                if let Some(bound) = self.embedded_field(&lhs, name)? {
                    return Ok(bound);
                }
            }
            _ => {}
        }
        let kind = match &lhs.relation {
            Some(relation) => self.schema.field(relation.by.field)?.ty.kind.name(),
            None => lhs.ty.kind.name(),
        };
        let unsupported = match lookups.iter().position(|l| l == name) {
            Some(i) => lookups.get(i..).unwrap_or(&[]).join("__"),
            None => name.to_owned(),
        };
        let mut choices: Vec<String> = if lhs.relation.is_some() {
            RELATED.iter().map(|s| (*s).to_owned()).collect()
        } else {
            COMMON.iter().map(|s| (*s).to_owned()).collect()
        };
        if lhs.relation.is_none() {
            choices.extend(self.registry.lookup_names(&lhs.ty));
        }
        for label in &lhs.ty.models {
            choices.extend(self.schema.find(label)?.names.keys().cloned());
        }
        choices.extend(
            self.registry
                .transform_names(&lhs.ty, self.schema.settings()),
        );
        // A name after a relation was more probably meant as a field than as a lookup.
        let mut meant: Vec<&str> = choices.iter().map(String::as_str).collect();
        if let Some(relation) = &lhs.relation
            && let Some(to) = self.schema.field(relation.by.field)?.to
            && !relation.by.reverse
        {
            meant.extend(self.schema.model(to)?.names.keys().map(String::as_str));
        }
        let hint = closest(name, meant).map(|choice| format!("did you mean '{choice}'?"));
        let error = Error::new(
            Code::UnsupportedLookup,
            format!(
                "Unsupported lookup '{unsupported}' for {kind} or join on the field not permitted"
            ),
        )
        .with_choices(choices);
        Err(match hint {
            Some(hint) => error.with_hint(hint),
            None => error,
        })
    }

    /// A field of an embedded document.
    fn embedded_field(&mut self, lhs: &Bound, name: &str) -> Result<Option<Bound>> {
        let Scalar::Column(id) = lhs.scalar else {
            return Ok(None);
        };
        let Origin::Stored { source, path, .. } = self.columns.get(id)?.origin.clone() else {
            return Ok(None);
        };
        for label in &lhs.ty.models {
            let model = self.schema.find(label)?;
            for reference in &model.all_fields {
                let field = self.schema.field(*reference)?;
                if (field.name == name || field.attname == name) && field.is_concrete() {
                    let mut path = path.clone();
                    path.push(field.column.clone());
                    let mut ty = (*self.schema.key_target(*reference)?.ty).clone();
                    ty.null = true;
                    let ty = Arc::new(ty);
                    let array = match ty.kind.family() {
                        StorageFamily::Json | StorageFamily::Geo => ArrayFact::Maybe,
                        StorageFamily::Array | StorageFamily::EmbeddedArray => ArrayFact::Yes,
                        _ => ArrayFact::No,
                    };
                    let column = Column {
                        name: path.join("."),
                        ty: ty.clone(),
                        nullable: true,
                        array,
                        origin: Origin::Stored {
                            source,
                            path: path.clone(),
                            field: Some(*reference),
                        },
                    };
                    let id = self.columns.stored(source, &path, || column);
                    return Ok(Some(Bound {
                        scalar: Scalar::Column(id),
                        ty,
                        relation: None,
                        field: Some(*reference),
                    }));
                }
            }
        }
        Ok(None)
    }

    fn apply_lookup(&mut self, q: QueryId, name: &str, lhs: Bound, rhs: Rhs) -> Result<Condition> {
        let json = lhs.ty.kind.family() == StorageFamily::Json
            && !matches!(lhs.scalar, Scalar::Json { text: true, .. });
        let array = matches!(
            lhs.ty.kind.family(),
            StorageFamily::Array | StorageFamily::EmbeddedArray
        );
        if lhs.relation.is_none()
            && !matches!(lhs.scalar, Scalar::List(_))
            && let Some(function) = self.registry.lookup(&lhs.ty, name)
        {
            let function = function.name;
            return self.registered_lookup(q, function, &lhs, rhs);
        }
        if let Rhs::Value(Value::Null) = rhs
            && name == "in"
        {
            return Err(
                Error::new(Code::TypeError, "'NoneType' object is not iterable")
                    .with_hint("write isnull=True, or a list"),
            );
        }
        if let Rhs::Value(Value::Null) = rhs
            && !(json && name == "exact")
        {
            if name != "exact" && name != "iexact" {
                return Err(Error::new(
                    Code::ValueError,
                    "Cannot use None as a query value",
                ));
            }
            return self.is_null(lhs, true);
        }
        match name {
            "isnull" => {
                let Rhs::Value(Value::Bool(wanted)) = rhs else {
                    return Err(Error::new(
                        Code::ValueError,
                        "The QuerySet value for an isnull lookup must be True or False.",
                    ));
                };
                self.is_null(lhs, wanted)
            }
            "exact" | "gt" | "gte" | "lt" | "lte" => self.compare(q, name, lhs, rhs, json),
            "in" => self.in_lookup(q, lhs, rhs),
            "range" => self.range(lhs, rhs),
            "contains" | "contained_by" if json => self.special(&format!("json_{name}"), &lhs, rhs),
            "has_key" | "has_keys" | "has_any_keys" => self.has_keys(name, &lhs, rhs),
            "contains" | "contained_by" | "overlap" if array => {
                self.special(&format!("array_{name}"), &lhs, rhs)
            }
            _ => self.pattern(name, lhs, rhs),
        }
    }

    /// A lookup that is a registered function of both sides.
    fn registered_lookup(
        &mut self,
        q: QueryId,
        function: &str,
        lhs: &Bound,
        rhs: Rhs,
    ) -> Result<Condition> {
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
        let _ = q;
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
        name: &str,
        lhs: Bound,
        rhs: Rhs,
        json: bool,
    ) -> Result<Condition> {
        let op = match name {
            "gt" => CompareOp::Gt,
            "gte" => CompareOp::Gte,
            "lt" => CompareOp::Lt,
            "lte" => CompareOp::Lte,
            _ => CompareOp::Eq,
        };
        if let Scalar::List(parts) = &lhs.scalar {
            return self.tuple_compare(q, op, name, parts.clone(), &lhs, rhs);
        }
        let rhs = match rhs {
            Rhs::Value(value) => {
                if !json && let Some(outcome) = self.out_of_range(&lhs, op, &value) {
                    return Ok(self.folded(&lhs, outcome).into());
                }
                if json && name == "exact" && matches!(value, Value::Null | Value::JsonNull) {
                    return Ok(Condition {
                        predicate: Predicate::Lookup {
                            name: "json_is_json_null".to_owned(),
                            lhs: lhs.scalar,
                            rhs: null_literal(),
                            options: IndexMap::new(),
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

    pub(super) fn check_one(&self, id: QueryId, name: &str, explicit: bool) -> Result<()> {
        if explicit || name != "exact" {
            return Ok(());
        }
        if !self.q(id)?.has_limit_one() {
            return Err(Error::new(
                Code::ValueError,
                "The QuerySet value for an exact lookup must be limited to one result using slicing.",
            ));
        }
        Ok(())
    }

    /// Selects the primary key, as a queryset on the right of `in` does that selects nothing itself.
    fn select_pk(&mut self, id: QueryId) -> Result<()> {
        let query = self.q_mut(id)?;
        query.default_columns = false;
        query.mask = Some(indexmap::IndexSet::new());
        query.rows = Rows::List {
            flat: true,
            named: false,
        };
        if query.combined.is_some() {
            let inner = query
                .combined
                .as_ref()
                .map(|c| c.queries.clone())
                .unwrap_or_default();
            for inner in inner {
                if self.q(inner)?.selected.is_none() {
                    self.select_pk(inner)?;
                }
            }
        }
        self.set_selection(id, &["pk".to_owned()])
    }

    fn in_lookup(&mut self, q: QueryId, lhs: Bound, rhs: Rhs) -> Result<Condition> {
        // One by one: lists may be long.
        let items: Box<dyn Iterator<Item = Rhs>> = match rhs {
            Rhs::Query { id, explicit } => return self.in_query(&lhs, id, explicit),
            Rhs::Value(Value::List(values)) => Box::new(values.into_iter().map(Rhs::Value)),
            Rhs::Value(Value::Str(text)) => {
                let chars: Vec<char> = text.chars().collect();
                let values = chars.into_iter().map(|c| Value::Str(c.to_string()));
                Box::new(values.map(Rhs::Value))
            }
            Rhs::Value(Value::Dict(map)) => {
                Box::new(map.into_iter().map(|(k, _)| Rhs::Value(Value::Str(k))))
            }
            Rhs::List(items) => Box::new(items.into_iter()),
            Rhs::Value(_) if matches!(lhs.scalar, Scalar::List(_)) => {
                return Err(Error::new(
                    Code::ValueError,
                    "'in' lookup of 'pk' must be a tuple or a list",
                ));
            }
            Rhs::Value(other) => {
                return Err(Error::new(
                    Code::TypeError,
                    format!("'{}' object is not iterable", python_class(&other)),
                ));
            }
            Rhs::Scalar(bound) => match bound.scalar {
                Scalar::Subquery(sub) => {
                    let lhs = vec![lhs.scalar];
                    let mut sub = sub;
                    sub.kind = SubKind::Set;
                    return Ok(Predicate::InSubquery { lhs, query: sub }.into());
                }
                Scalar::List(list) => {
                    let mut items = Vec::with_capacity(list.len());
                    for scalar in list {
                        items.push(Rhs::Scalar(self.typed(scalar)?));
                    }
                    Box::new(items.into_iter())
                }
                _ if bound.ty.kind.family() == StorageFamily::Array => {
                    return Ok(Predicate::Lookup {
                        name: "in_array".to_owned(),
                        lhs: lhs.scalar,
                        rhs: bound.scalar,
                        options: IndexMap::new(),
                    }
                    .into());
                }
                scalar => Box::new(std::iter::once(Rhs::Scalar(self.typed(scalar)?))),
            },
        };
        if let Scalar::List(parts) = &lhs.scalar {
            return self.tuple_in(q, parts.clone(), &lhs, items.collect());
        }
        let mut list: Vec<Scalar> = Vec::with_capacity(items.size_hint().0);
        for item in items {
            match item {
                Rhs::Value(Value::Null) => {}
                Rhs::Value(value) => {
                    if self.out_of_range(&lhs, CompareOp::Eq, &value).is_some() {
                        continue;
                    }
                    let literal = self.rhs_literal(&lhs, &value)?;
                    list.push(literal);
                }
                Rhs::Scalar(bound) => {
                    let scalar = self.adopt(&lhs, bound);
                    list.push(scalar);
                }
                Rhs::Query { id, .. } => {
                    let sub = self.finish_subquery(id, SubKind::Scalar, None)?;
                    list.push(Scalar::Subquery(Box::new(sub)));
                }
                Rhs::List(items) => {
                    let bound = self.list_value(&lhs, items)?;
                    list.push(bound.scalar);
                }
            }
        }
        if list.is_empty() {
            return Ok(self.folded(&lhs, false).into());
        }
        Ok(Predicate::In {
            lhs: lhs.scalar,
            list,
        }
        .into())
    }

    pub(super) fn in_query(
        &mut self,
        lhs: &Bound,
        id: QueryId,
        explicit: bool,
    ) -> Result<Condition> {
        let lhs_parts = match &lhs.scalar {
            Scalar::List(parts) => parts.clone(),
            scalar => vec![scalar.clone()],
        };
        let selects = self.q(id)?.selected.is_some();
        if !explicit && !selects {
            match &lhs.relation {
                Some(relation) => {
                    let query_model = self.q(id)?.model;
                    let names: Vec<String> = relation
                        .targets
                        .iter()
                        .map(|t| self.schema.field(*t).map(|f| (f, f.name.clone())))
                        .collect::<Result<Vec<_>>>()?
                        .into_iter()
                        .map(|(f, name)| if f.primary_key { "pk".to_owned() } else { name })
                        .collect();
                    let own = lhs.field.is_some_and(|f| {
                        self.schema.field(f).is_ok_and(|f| f.primary_key)
                            && self
                                .schema
                                .model(query_model)
                                .is_ok_and(|m| m.concrete == f.model)
                    });
                    if own || names.iter().any(|n| n == "pk") && names.len() == 1 {
                        self.select_pk(id)?;
                    } else {
                        self.select_names(id, &names)?;
                    }
                }
                None => self.select_pk(id)?,
            }
        }
        let query = self.q_mut(id)?;
        query.clear_ordering(false, true);
        let (rel, columns) = self.finish_values(id)?;
        if columns.len() != lhs_parts.len() {
            return Err(Error::new(
                Code::ValueError,
                format!(
                    "The QuerySet value for the 'in' lookup must have {} selected fields (received {})",
                    lhs_parts.len(),
                    columns.len()
                ),
            ));
        }
        let mut fitting = Vec::with_capacity(columns.len());
        let mut fitting_lhs = Vec::with_capacity(columns.len());
        for (l, c) in lhs_parts.into_iter().zip(columns) {
            let (l, c) = self.comparable(l, c)?;
            fitting_lhs.push(l);
            fitting.push(c);
        }
        let ty = match fitting.first() {
            Some(scalar) => scalar.ty(&self.columns)?,
            None => plain(FieldKind::IntegerField),
        };
        Ok(Predicate::InSubquery {
            lhs: fitting_lhs,
            query: Box::new(crate::plan::SubPlan {
                kind: SubKind::Set,
                rel,
                columns: fitting,
                ty,
            }),
        }
        .into())
    }

    fn select_names(&mut self, id: QueryId, names: &[String]) -> Result<()> {
        let query = self.q_mut(id)?;
        query.default_columns = false;
        query.mask = Some(indexmap::IndexSet::new());
        query.rows = Rows::List {
            flat: false,
            named: false,
        };
        self.set_selection(id, names)
    }

    fn range(&mut self, lhs: Bound, rhs: Rhs) -> Result<Condition> {
        let items: Vec<Rhs> = match rhs {
            Rhs::Value(Value::List(values)) => values.into_iter().map(Rhs::Value).collect(),
            Rhs::List(items) => items,
            Rhs::Value(other) => {
                return Err(Error::new(
                    Code::TypeError,
                    format!("'{}' object is not iterable", python_class(&other)),
                ));
            }
            _ => {
                return Err(Error::new(
                    Code::ValueError,
                    "a range needs two values: its first and its last",
                ));
            }
        };
        let mut bounds = Vec::with_capacity(2);
        for item in items {
            bounds.push(match item {
                Rhs::Value(Value::Null) => null_literal(),
                Rhs::Value(value) => self.rhs_literal(&lhs, &value)?,
                Rhs::Scalar(bound) => self.adopt(&lhs, bound),
                Rhs::Query { id, .. } => {
                    Scalar::Subquery(Box::new(self.finish_subquery(id, SubKind::Scalar, None)?))
                }
                Rhs::List(_) => {
                    return Err(Error::new(
                        Code::ValueError,
                        "a range needs two values: its first and its last",
                    ));
                }
            });
        }
        let mut bounds = bounds.into_iter();
        let (Some(low), Some(high), None) = (bounds.next(), bounds.next(), bounds.next()) else {
            return Err(Error::new(
                Code::ValueError,
                "a range needs two values: its first and its last",
            ));
        };
        Ok(conjunction(vec![
            Predicate::Compare {
                op: CompareOp::Gte,
                lhs: lhs.scalar.clone(),
                rhs: low,
            },
            Predicate::Compare {
                op: CompareOp::Lte,
                lhs: lhs.scalar,
                rhs: high,
            },
        ])
        .into())
    }

    fn pattern(&mut self, name: &str, lhs: Bound, rhs: Rhs) -> Result<Condition> {
        let (pattern, insensitive) = match name {
            "iexact" => (Pattern::Exact, true),
            "contains" => (Pattern::Contains, false),
            "icontains" => (Pattern::Contains, true),
            "startswith" => (Pattern::StartsWith, false),
            "istartswith" => (Pattern::StartsWith, true),
            "endswith" => (Pattern::EndsWith, false),
            "iendswith" => (Pattern::EndsWith, true),
            "regex" => (Pattern::Regex, false),
            _ => (Pattern::Regex, true),
        };
        let text = plain(FieldKind::TextField);
        let rhs = match rhs {
            Rhs::Value(value) => {
                let mut text_value = super::prep::python_str(&value);
                if lhs.ty.kind == FieldKind::UUIDField && pattern != Pattern::Regex {
                    text_value = text_value.replace('-', "");
                }
                Scalar::Literal(Literal {
                    value: Bson::String(text_value),
                    ty: text,
                })
            }
            Rhs::Scalar(bound) if lhs.ty.kind == FieldKind::UUIDField => {
                // UUIDs are stored without hyphens (Django: `UUIDTextMixin`).
                let text = |value: &str| crate::functions::Arg {
                    scalar: Scalar::Literal(Literal {
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

    /// A plain value as a literal of the left-hand side's type.
    pub(super) fn rhs_literal(&self, lhs: &Bound, value: &Value) -> Result<Scalar> {
        if *value == Value::Null {
            return Ok(null_literal());
        }
        let ty = match &lhs.relation {
            Some(relation) => match relation.targets.last() {
                Some(target) => self.schema.key_target(*target)?.ty.clone(),
                None => lhs.ty.clone(),
            },
            None => lhs.ty.clone(),
        };
        let prepared = self.prepare(&ty, value).map_err(|e| {
            let field = lhs.field.and_then(|field| self.schema.field(field).ok());
            super::prep::named(e, field.map_or("", |field| &field.name))
        })?;
        let stored = self.store(&ty, &prepared)?;
        Ok(Scalar::Literal(Literal { value: stored, ty }))
    }

    /// An expression on the right; an untyped NULL stays NULL, other literals stay as they are.
    fn adopt(&self, _lhs: &Bound, bound: Bound) -> Scalar {
        bound.scalar
    }

    /// Casts the sides of a comparison to each other where their stored types cannot be equal: keys as text.
    pub(super) fn comparable(&self, lhs: Scalar, rhs: Scalar) -> Result<(Scalar, Scalar)> {
        let (Scalar::Column(_) | Scalar::Subquery(_), Scalar::Column(_) | Scalar::Subquery(_)) =
            (&lhs, &rhs)
        else {
            return Ok((lhs, rhs));
        };
        let l = lhs.ty(&self.columns)?;
        let r = rhs.ty(&self.columns)?;
        let text = |ty: &FieldType| ty.kind.family() == StorageFamily::Text;
        let key = |ty: &FieldType| {
            matches!(
                ty.kind.family(),
                StorageFamily::Int
                    | StorageFamily::Long
                    | StorageFamily::ObjectId
                    | StorageFamily::Uuid
            )
        };
        Ok(if text(&l) && key(&r) {
            let rhs = self.registry.cast(
                crate::functions::Arg {
                    scalar: rhs,
                    ty: Some(r),
                },
                l,
            );
            (lhs, rhs)
        } else if key(&l) && text(&r) {
            let lhs = self.registry.cast(
                crate::functions::Arg {
                    scalar: lhs,
                    ty: Some(l),
                },
                r,
            );
            (lhs, rhs)
        } else {
            (lhs, rhs)
        })
    }

    /// Whether a whole number beyond the field's range decides a comparison (`IntegerFieldOverflow`).
    fn out_of_range(&self, lhs: &Bound, op: CompareOp, value: &Value) -> Option<bool> {
        let Value::Int(value) = value else {
            return None;
        };
        let (low, high) = integer_range(&lhs.ty)?;
        if *value < low {
            return Some(matches!(op, CompareOp::Gt | CompareOp::Gte));
        }
        if *value > high {
            return Some(matches!(op, CompareOp::Lt | CompareOp::Lte));
        }
        None
    }

    /// A decided condition, as Django folds it: true or false for every row.
    fn folded(&self, _lhs: &Bound, outcome: bool) -> Predicate {
        Predicate::Const(Some(outcome))
    }

    /// Querysets on the right of a relation must be of its model.
    pub(super) fn check_related(&self, info: &JoinInfo, value: &Rhs) -> Result<()> {
        let super::path::FinalField::Relation(by) = info.end else {
            return Ok(());
        };
        let Rhs::Query {
            id,
            explicit: false,
        } = value
        else {
            return Ok(());
        };
        let query = self.q(*id)?;
        if query.selected.is_some() {
            return Ok(());
        }
        let fits = |target: ModelId| -> Result<bool> {
            Ok(self.schema.parent_links(query.model, target).is_some()
                || self.schema.parent_links(target, query.model).is_some())
        };
        let field = self.schema.field(by.field)?;
        if fits(info.model)? || field.primary_key && fits(by.field.model)? {
            return Ok(());
        }
        let name = |label: &str| label.rsplit('.').next().unwrap_or(label).to_owned();
        Err(Error::new(
            Code::ValueError,
            format!(
                "Cannot use QuerySet for \"{}\": Use a QuerySet for \"{}\".",
                name(&self.schema.model(query.model)?.label),
                name(&self.schema.model(info.model)?.label)
            ),
        ))
    }
}

/// NULL.
pub(super) fn null_literal() -> Scalar {
    Bound::untyped_null().scalar
}

fn is_integer(ty: &FieldType) -> bool {
    integer_range(ty).is_some()
}

/// Smallest and largest value of an integer field (Django: `integer_field_range` of PostgreSQL).
fn integer_range(ty: &FieldType) -> Option<(i128, i128)> {
    Some(match ty.kind {
        FieldKind::SmallIntegerField | FieldKind::SmallAutoField => (-32_768, 32_767),
        FieldKind::IntegerField | FieldKind::AutoField => (-2_147_483_648, 2_147_483_647),
        FieldKind::BigIntegerField | FieldKind::BigAutoField => {
            (i128::from(i64::MIN), i128::from(i64::MAX))
        }
        FieldKind::PositiveSmallIntegerField => (0, 32_767),
        FieldKind::PositiveIntegerField => (0, 2_147_483_647),
        FieldKind::PositiveBigIntegerField => (0, i128::from(i64::MAX)),
        _ => return None,
    })
}

/// Name of a value's Python class, for messages.
pub(super) fn python_class(value: &Value) -> &'static str {
    match value {
        Value::Null => "NoneType",
        Value::Bool(_) => "bool",
        Value::Int(_) => "int",
        Value::Float(_) => "float",
        Value::Str(_) => "str",
        Value::List(_) => "list",
        Value::Dict(_) => "dict",
        Value::DateTime(_) | Value::NaiveDateTime(_) => "datetime.datetime",
        Value::Date(_) => "datetime.date",
        Value::Time(_) => "datetime.time",
        Value::Duration(_) => "datetime.timedelta",
        Value::Decimal(_) => "decimal.Decimal",
        Value::Uuid(_) => "UUID",
        Value::ObjectId(_) => "ObjectId",
        Value::Binary { .. } => "bytes",
        _ => "object",
    }
}
