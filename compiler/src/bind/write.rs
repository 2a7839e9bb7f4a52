//! Writes: `update()`.

use std::sync::Arc;

use indexmap::IndexMap;

use super::query::QueryId;
use super::{Binder, Definition, Resolve};
use crate::error::{Code, Error, Result};
use crate::functions::Arg;
use crate::names::Path;
use crate::plan::{
    ArrayFact, Assignment, Column, ColumnId, Definitions, Literal, Origin, Rel, Scalar, SourceId,
    Terminal, substitute_scalar,
};
use crate::queryset::{Expr, Value};
use crate::schema::{Field, FieldKind, FieldType, ModelId, NameTarget, StorageFamily};

impl Binder<'_> {
    /// `update(...)`: the rows, and what their documents are set to.
    pub(super) fn updated(
        &mut self,
        q: QueryId,
        values: &IndexMap<String, Expr>,
    ) -> Result<(Rel, Terminal)> {
        self.refuse_combined(q, "update")?;
        let query = self.q(q)?;
        if query.is_sliced() {
            let message = "Cannot update a query once a slice has been taken.";
            return Err(Error::new(Code::TypeError, message));
        }
        if !query.distinct_fields.is_empty() {
            let message = "Cannot call update() after .distinct(*fields).";
            return Err(Error::new(Code::TypeError, message));
        }
        let schema = self.schema;
        let model = schema.model(query.model)?;
        self.q_mut(q)?.clear_ordering(true, true);
        // An update changes each row that fits once, alike or not.
        self.q_mut(q)?.distinct = false;
        let alias = self.initial_alias(q)?;
        let source = self.q(q)?.alias(alias)?.source;
        let concrete = self.schema.model(model.concrete)?;
        let mut assignments: Vec<(ModelId, Assignment)> = Vec::new();
        for (name, expr) in values {
            let field = match model.names.get(name) {
                Some(NameTarget::Field(id)) => schema.field(*id)?,
                Some(NameTarget::Reverse(_)) => return Err(not_updatable(name)),
                None => {
                    let message = format!("{} has no field named '{name}'", model.name());
                    return Err(Error::new(Code::FieldDoesNotExist, message));
                }
            };
            if !field.is_concrete() || field.is_multi_valued() {
                return Err(not_updatable(name));
            }
            if field.primary_key {
                return Err(later(
                    "update() of a primary key",
                    "a document's _id cannot change",
                ));
            }
            let value = self
                .assigned(q, field, expr)
                .map_err(|e| e.inside(name).inside("update").inside("do"))?;
            let owner = self.schema.model(field.id.model)?;
            let at = match assignments.iter().position(|(m, _)| *m == owner.concrete) {
                Some(at) => at,
                None => {
                    let key = self.key_in(source, concrete.id, owner.concrete)?;
                    let assignment = Assignment {
                        collection: owner.collection.to_string(),
                        key: Scalar::Column(key),
                        values: Vec::new(),
                    };
                    assignments.push((owner.concrete, assignment));
                    assignments.len() - 1
                }
            };
            if let Some((_, assignment)) = assignments.get_mut(at) {
                assignment.values.push((field.column.to_string(), value));
            }
        }
        // Rows are counted where they are stored themselves.
        assignments.sort_by_key(|(owner, _)| *owner != concrete.id);
        let assignments: Vec<Assignment> = assignments.into_iter().map(|(_, a)| a).collect();
        let mut select = Vec::new();
        for assignment in &assignments {
            select.push(assignment.key.clone());
            select.extend(assignment.values.iter().map(|(_, scalar)| scalar.clone()));
        }
        let rel = self.finish_rows(q, &select)?;
        let terminal = Terminal::Update {
            source,
            assignments,
        };
        Ok((rel, terminal))
    }

    /// The column in which documents of a model have the key of their part in the collection of `owner`: the model itself
    /// or one of its parents.
    fn key_in(&mut self, source: SourceId, model: ModelId, owner: ModelId) -> Result<ColumnId> {
        let links = self.schema.parent_links(model, owner).unwrap_or_default();
        match links.first() {
            Some(link) => self.column(source, *link),
            None => self.document_key(source, model),
        }
    }

    /// The `_id` of documents, also where the model's key is another.
    pub(super) fn document_key(&mut self, source: SourceId, model: ModelId) -> Result<ColumnId> {
        let model = self.schema.model(model)?;
        let key = self.schema.field(model.pk)?;
        if key.is_concrete() {
            return self.column(source, key.id);
        }
        let path = Path::key("_id");
        let column = Column {
            name: "_id".into(),
            nullable: false,
            ty: Arc::new(FieldType::new(FieldKind::ObjectIdField)),
            array: ArrayFact::No,
            origin: Origin::Stored {
                source,
                path: path.clone(),
                field: None,
            },
        };
        Ok(self.columns.stored(source, &path, || column))
    }

    /// What a column is set to by an expression.
    pub(super) fn assigned(&mut self, q: QueryId, field: &Field, expr: &Expr) -> Result<Scalar> {
        let ty = self.key_type(&field.ty)?;
        if let Expr::Value(value) = expr {
            if matches!(value, Value::Expr(_)) {
                return Err(later(
                    "a computed value among the literals",
                    "it is an expression",
                ));
            }
            let value = self.store(&ty, &self.prepare(&ty, value)?)?;
            return Ok(Scalar::from(Literal {
                value,
                ty: Arc::new(ty),
            }));
        }
        let mut cx = Resolve {
            allow_joins: false,
            ..Resolve::annotation()
        };
        let bound = match (self.resolve(q, expr, &mut cx), expr) {
            // What an operation gives is asked for only where nothing else says it: here the field does.
            (Err(e), Expr::Combined { .. }) if e.code() == Code::FieldError => {
                let typed = Expr::Wrap {
                    expr: Box::new(expr.clone()),
                    output: Box::new(ty.clone()),
                };
                self.resolve(q, &typed, &mut cx)
            }
            (resolved, _) => resolved,
        }?;
        let arg = Self::arg(&bound);
        let scalar = bound.scalar;
        for (refused, what) in [
            (self.contains_aggregate(q, &scalar), "Aggregate functions"),
            (self.contains_window(q, &scalar), "Window expressions"),
        ] {
            if refused {
                let message = format!("{what} are not allowed in this query ({})", field.name);
                return Err(Error::new(Code::FieldError, message));
            }
        }
        let scalar = self.inlined(scalar)?;
        if self
            .columns_in(&scalar)
            .into_iter()
            .any(|id| self.is_search_column(q, id))
        {
            return Err(Error::unsupported(
                "what a search tells as a new value",
                "an update reads stored documents, which do not know how they were found",
            ));
        }
        self.check_no_joins(q, &scalar)?;
        let from = arg.ty.as_ref().map(|ty| ty.kind.family());
        if from.is_some_and(|from| is_converted(from, ty.kind.family())) {
            return Ok(self.registry.cast(Arg { scalar, ..arg }, Arc::new(ty)));
        }
        Ok(scalar)
    }

    /// A value with annotations replaced by what they stand for: an update reads the stored documents.
    fn inlined(&self, mut scalar: Scalar) -> Result<Scalar> {
        for _ in 0..MAX_INLINED {
            let mut definitions = Definitions::new();
            for id in self.columns_in(&scalar) {
                if let Some((_, Definition::Computed(definition))) = self.definitions.get(&id) {
                    definitions.insert(id, definition.clone());
                }
            }
            if definitions.is_empty() {
                return Ok(scalar);
            }
            substitute_scalar(&mut scalar, &definitions);
        }
        Err(Error::new(
            Code::Limit,
            "annotations refer to each other too deeply",
        ))
    }
}

/// Whether a database converts a value when it is stored in a column of another type (PostgreSQL: the assignment casts of numbers,
/// texts and days), so that documents have the types that their columns say.
fn is_converted(from: StorageFamily, to: StorageFamily) -> bool {
    use StorageFamily::{Bool, Date, DateTime, Decimal, Double, Int, Long, Text};
    match to {
        Int | Long => matches!(from, Double | Decimal),
        Double => matches!(from, Int | Long | Decimal),
        Decimal => matches!(from, Int | Long | Double),
        Text => matches!(from, Int | Long | Double | Decimal | Bool),
        Date => from == DateTime,
        _ => false,
    }
}

/// Annotations of annotations beyond which an update is refused.
const MAX_INLINED: usize = 64;

fn later(what: &str, because: &str) -> Error {
    Error::unsupported(what, because).at("/do")
}

fn not_updatable(name: &str) -> Error {
    let message = format!(
        "Cannot update model field {name} (only non-relations and foreign keys permitted)."
    );
    Error::new(Code::FieldError, message)
}
