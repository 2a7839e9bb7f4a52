//! Conditions on the elements of arrays of embedded documents: `tags__name="x"` is true if any element's name is.
//!
//! Conditions of one `filter()` on one array are about the same element, those of chained calls each about some element;
//! an excluded condition holds for no element. `tags__0__name` looks at one position, `tags__0_2__name` at a slice.

use std::sync::Arc;

use super::lookup::Condition;
use super::query::QueryId;
use super::{Binder, Bound, Rhs};
use crate::error::{Code, Error, Result};
use crate::names::{Name, Path};
use crate::plan::{
    AnyElement, ArrayFact, Column, ColumnId, Node, Origin, Predicate, Rel, Scalar, Source,
    SourceId, SubKind, SubPlan, visit,
};
use crate::schema::{FieldKind, FieldRef, FieldType, StorageFamily};

/// What the columns of an array's elements are read from.
pub(super) struct Elements {
    array: Scalar,
    range: Option<(u64, u64)>,
    source: SourceId,
}

/// A field found among the embedded models that a value can be.
pub(super) struct Inner {
    pub reference: FieldRef,
    pub key: String,
    pub ty: Arc<FieldType>,
    /// Every document of the models has a value.
    pub required: bool,
}

impl Binder<'_> {
    /// Whether a name after an array of embedded documents leads into its elements.
    pub(super) fn enters_elements(&self, lhs: &Bound, name: &str) -> Result<bool> {
        if lhs.ty.kind.family() != StorageFamily::EmbeddedArray || lhs.relation.is_some() {
            return Ok(false);
        }
        Ok(positions(name).is_some() || self.inner_field(&lhs.ty.models, name)?.is_some())
    }

    pub(super) fn inner_field(&self, models: &[String], name: &str) -> Result<Option<Inner>> {
        for label in models {
            let model = self.schema.find(label)?;
            for reference in &model.all_fields {
                let field = self.schema.field(*reference)?;
                if (field.name == name || field.attname == name) && field.is_concrete() {
                    let mut ty = (*self.schema.key_target(*reference)?.ty).clone();
                    let required = !field.ty.null && models.len() == 1;
                    ty.null = true;
                    return Ok(Some(Inner {
                        reference: *reference,
                        key: field.column.to_string(),
                        ty: Arc::new(ty),
                        required,
                    }));
                }
            }
        }
        Ok(None)
    }

    /// A condition on the elements: positions, names into the element, then lookups.
    pub(super) fn element_lookup(
        &mut self,
        q: QueryId,
        names: &[&str],
        lhs: &Bound,
        rhs: Rhs,
    ) -> Result<Condition> {
        let mut given = Vec::new();
        let listed = names.last() == Some(&"in");
        let rhs = self.given_by(rhs, listed, &mut given)?;
        let mut rest = names;
        let range = rest.first().and_then(|name| positions(name));
        if range.is_some() {
            rest = rest.get(1..).unwrap_or(&[]);
        }
        let element = self.element_of(lhs, range)?;
        let mut path = Vec::new();
        let mut models = lhs.ty.models.clone();
        let mut found: Option<Inner> = None;
        let mut required = true;
        while let Some((name, after)) = rest.split_first() {
            let Some(inner) = self.inner_field(&models, name)? else {
                break;
            };
            rest = after;
            required &= inner.required;
            path.push(inner.key.clone());
            models.clone_from(&inner.ty.models);
            let goes_on = inner.ty.kind.family() == StorageFamily::Embedded;
            found = Some(inner);
            if !goes_on {
                break;
            }
        }
        let Some(inner) = found else {
            return Err(match rest.first() {
                Some(name) => {
                    let mut choices = Vec::new();
                    for label in &models {
                        choices.extend(self.schema.find(label)?.names.keys().cloned());
                    }
                    Error::new(
                        Code::UnsupportedLookup,
                        format!("Unsupported lookup '{name}' for an element of an array"),
                    )
                    .with_choices(choices)
                }
                None => Error::unsupported(
                    "a comparison of whole elements",
                    "elements are compared by their fields",
                ),
            });
        };
        let array = array_fact(&inner.ty);
        let column = Column {
            name: path.join(".").into(),
            ty: inner.ty.clone(),
            nullable: !required,
            array,
            origin: Origin::Stored {
                source: element,
                path: Path::of(&path),
                field: Some(inner.reference),
            },
        };
        let id = self.columns.stored(element, &Path::of(&path), || column);
        let bound = Bound {
            scalar: Scalar::Column(id),
            ty: inner.ty,
            relation: None,
            field: Some(inner.reference),
        };
        let is_column =
            |s: &Scalar| required && matches!(s, Scalar::Column(column) if *column == id);
        let test = match self.build_lookup(q, rest, bound, rhs)?.predicate {
            Predicate::IsNull(s) if is_column(&s) => Predicate::FALSE,
            Predicate::Not(inner) if matches!(&*inner, Predicate::IsNull(s) if is_column(s)) => {
                Predicate::TRUE
            }
            test => test,
        };
        let predicate = match test {
            Predicate::Const(Some(false)) => Predicate::FALSE,
            test => Predicate::AnyElement(Box::new(AnyElement {
                array: lhs.scalar.clone(),
                range,
                element,
                given,
                test,
            })),
        };
        Ok(Condition {
            predicate,
            // Two-valued: nothing is added where it is negated.
            is_null: Some(false),
            json_null: false,
        })
    }

    /// What the columns of an array's elements are read from: the same for all conditions on it.
    fn element_of(&mut self, lhs: &Bound, range: Option<(u64, u64)>) -> Result<SourceId> {
        let known = self
            .elements
            .iter()
            .find(|known| known.array == lhs.scalar && known.range == range);
        if let Some(known) = known {
            return Ok(known.source);
        }
        let model = match lhs.ty.models.first() {
            Some(label) => self.schema.find(label)?.id,
            None => {
                return Err(Error::internal(
                    "an array of embedded documents without model",
                ));
            }
        };
        let element = self.columns.add_source(Source {
            name: "element".into(),
            model,
            collection: Name::default(),
            stored: Arc::new([]),
        });
        self.elements.push(Elements {
            array: lhs.scalar.clone(),
            range,
            source: element,
        });
        Ok(element)
    }

    /// What an element is compared with and belongs to the document around it, as columns that stand for it. A queryset is
    /// a value, or for `in` (`listed`) the array of its values.
    fn given_by(
        &mut self,
        rhs: Rhs,
        listed: bool,
        given: &mut Vec<(ColumnId, Scalar)>,
    ) -> Result<Rhs> {
        let scalar = match rhs {
            Rhs::Value(_) => return Ok(rhs),
            Rhs::List(items) => {
                let items: Result<Vec<Rhs>> = items
                    .into_iter()
                    .map(|item| self.given_by(item, false, given))
                    .collect();
                return Ok(Rhs::List(items?));
            }
            Rhs::Query { id, explicit } if listed => {
                if !explicit && self.q(id)?.selected.is_none() {
                    self.select_pk(id)?;
                }
                self.q_mut(id)?.clear_ordering(false, true);
                let mut sub = self.finish_subquery(id, SubKind::Array, None)?;
                self.as_members(&mut sub);
                Scalar::Subquery(Box::new(sub))
            }
            Rhs::Query { id, explicit } => {
                self.check_one(id, "exact", explicit)?;
                let sub = self.finish_subquery(id, SubKind::Scalar, None)?;
                Scalar::Subquery(Box::new(sub))
            }
            Rhs::Scalar(bound) => match bound.scalar {
                Scalar::Subquery(mut sub) if listed && sub.kind == SubKind::Scalar => {
                    let mut array = FieldType::new(FieldKind::ArrayField);
                    array.base = Some(sub.ty);
                    array.null = true;
                    sub.ty = Arc::new(array);
                    sub.kind = SubKind::Array;
                    self.as_members(&mut sub);
                    Scalar::Subquery(sub)
                }
                scalar if self.is_constant(&scalar) => {
                    return Ok(Rhs::Scalar(Bound { scalar, ..bound }));
                }
                scalar => scalar,
            },
        };
        let ty = scalar.ty(&self.columns)?;
        let id = self.columns.add(Column {
            name: "given".into(),
            ty: ty.clone(),
            nullable: true,
            array: array_fact(&ty),
            origin: Origin::Computed,
        });
        given.push((id, scalar));
        Ok(Rhs::Scalar(Bound::of(Scalar::Column(id), ty)))
    }

    /// The list of a subquery with each value once and without NULL: whether an element is in it is all that is asked, and
    /// a condition on elements that is unknown is not true.
    fn as_members(&self, sub: &mut SubPlan) {
        let [Scalar::Column(id)] = *sub.columns.as_slice() else {
            return;
        };
        let Ok(column) = self.columns.get(id) else {
            return;
        };
        if column.array != ArrayFact::No {
            return;
        }
        let rel = std::mem::replace(&mut sub.rel, Rel::Empty);
        sub.rel = Rel::Distinct {
            input: Box::new(Rel::Filter {
                input: Box::new(rel),
                predicate: Predicate::IsNull(Scalar::Column(id)).negate(),
            }),
            columns: vec![id],
            carried: Vec::new(),
        };
    }

    /// Reads neither columns nor other documents.
    fn is_constant(&self, scalar: &Scalar) -> bool {
        let mut subquery = false;
        visit(Node::Scalar(scalar), &mut |node, _| {
            subquery |= matches!(node, Node::SubPlan(_));
            !subquery
        });
        !subquery && self.columns_in(scalar).is_empty()
    }
}

/// Whether values of the type can be arrays.
fn array_fact(ty: &FieldType) -> ArrayFact {
    match ty.kind.family() {
        StorageFamily::Json | StorageFamily::Geo => ArrayFact::Maybe,
        StorageFamily::Array | StorageFamily::EmbeddedArray => ArrayFact::Yes,
        _ => ArrayFact::No,
    }
}

/// `0` or `0_2`: the first position, and the one after the last.
fn positions(name: &str) -> Option<(u64, u64)> {
    let number = |text: &str| -> Option<u64> {
        let all = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let number: u64 = all.then(|| text.parse().ok())??;
        (number <= u64::from(u32::MAX)).then_some(number)
    };
    match name.split_once('_') {
        Some((start, stop)) => Some((number(start)?, number(stop)?)),
        None => {
            let at = number(name)?;
            Some((at, at + 1))
        }
    }
}

/// Conditions that stand together are about the same element.
pub(super) fn same_element(predicate: Predicate) -> Predicate {
    let (parts, and) = match predicate {
        Predicate::And(parts) => (parts, true),
        Predicate::Or(parts) => (parts, false),
        other => return other,
    };
    let mut out: Vec<Predicate> = Vec::with_capacity(parts.len());
    for part in parts {
        let part = same_element(part);
        let Predicate::AnyElement(any) = part else {
            out.push(part);
            continue;
        };
        let twin = out.iter_mut().find_map(|p| match p {
            Predicate::AnyElement(other)
                if other.element == any.element
                    && other.array == any.array
                    && other.range == any.range =>
            {
                Some(other)
            }
            _ => None,
        });
        match twin {
            None => out.push(Predicate::AnyElement(any)),
            Some(twin) => {
                twin.given.extend(any.given);
                let first = std::mem::replace(&mut twin.test, Predicate::TRUE);
                twin.test = if and {
                    first.and(any.test)
                } else {
                    match first {
                        Predicate::Or(mut parts) => {
                            parts.push(any.test);
                            Predicate::Or(parts)
                        }
                        first => Predicate::Or(vec![first, any.test]),
                    }
                };
                // Arrays inside the elements are shared in the same way.
                let test = std::mem::replace(&mut twin.test, Predicate::TRUE);
                twin.test = same_element(test);
            }
        }
    }
    match (out.len(), out.pop()) {
        (1, Some(only)) => only,
        (_, last) => {
            out.extend(last);
            if and {
                Predicate::And(out)
            } else {
                Predicate::Or(out)
            }
        }
    }
}
