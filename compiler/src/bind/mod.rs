//! From names to columns: Django's rules for relations, grouping and types.
//!
//! The binder applies the calls of a statement to a `query::Query`, as Django's `sql.Query` does, and then
//! builds the relational operators from it. Queries live in an arena, so that a subquery can reach the outer ones.
//!
//! | file | holds |
//! |---|---|
//! | `query`, `aliases` | the state of a queryset: aliases, join types; sets of aliases |
//! | `path`, `reference` | from a path of names to joins, and to columns |
//! | `calls`, `values`, `loading`, `combine` | queryset methods; `values()`; `select_related()` and `only()`; `&`, `\|`, `^` |
//! | `filter`, `exclusion` | conditions and anti-joins |
//! | `lookup`, `membership`, `tuple`, `key`, `element` | lookups; `in` and `range`; those of composite keys, of JSON and arrays, of elements |
//! | `transform` | names in lookup paths that are no lookups |
//! | `operand`, `prep` | the values that lookups compare with |
//! | `expr`, `call`, `aggregate`, `subquery`, `annotation` | expressions; annotations and filtered relations |
//! | `search` | searches, which a query begins with |
//! | `collation` | the one collation of a statement |
//! | `column` | columns that are defined here, and what they depend on |
//! | `related` | `select_related`, `defer`, `only` |
//! | `ordering` | order keys, default ordering through relations |
//! | `finish`, `sources`, `grouping`, `having`, `combined` | from the state to relational operators: joins, groups; combinations |
//! | `terminal` | rows, count, exists, aggregate |
//! | `bulk_update` | `bulk_update()` |
//! | `upsert` | `get()`, `get_or_create()`, `update_or_create()` |
//! | `write`, `insert`, `constant`, `delete` | updates, new rows and their computed values, deletes with what hangs on the rows |
//! | `prefetch` | follow-up queries |

mod aggregate;
mod aliases;
mod annotation;
mod bulk_update;
mod call;
mod calls;
mod collation;
mod column;
mod combine;
mod combined;
mod constant;
mod delete;
mod element;
mod exclusion;
mod expr;
mod filter;
mod finish;
mod grouping;
mod having;
mod insert;
mod key;
mod loading;
mod lookup;
mod membership;
mod operand;
mod ordering;
mod path;
mod prefetch;
mod prep;
mod query;
mod reference;
mod related;
mod search;
mod sources;
mod subquery;
mod terminal;
mod transform;
mod tuple;
mod upsert;
mod values;
mod write;

pub(crate) use operand::integer_range;

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::sync::Arc;

use crate::error::{Code, Error, Result};
use crate::functions::{Arg, Context, Registry};
use crate::plan::facts::ColumnSet;
use crate::plan::{AggregateCall, ColumnId, Columns, Plan, Rel, Scalar, SortKey, WindowCall};
use crate::queryset::{Statement, Value};
use crate::schema::{FieldRef, FieldType, Schema};

use filter::Reuse;
use query::{JoinField, Query, QueryId};

/// Statements nested deeper than this are refused before recursion can exhaust the stack.
const MAX_DEPTH: usize = 200;

/// Binds a statement to a schema.
///
/// # Errors
/// Whatever Django refuses, with its class.
pub fn bind(schema: &Schema, registry: &Registry, statement: &Statement) -> Result<Plan> {
    let mut binder = Binder {
        schema,
        registry,
        columns: Columns::default(),
        queries: Vec::new(),
        definitions: BTreeMap::new(),
        outer_reuse: Vec::new(),
        summaries: Vec::new(),
        spanning: ColumnSet::new(),
        collation: None,
        depth: 0,
        lenient: false,
        parameters: 0,
        elements: Vec::new(),
        nested: HashMap::new(),
    };
    binder.statement(statement)
}

/// How a column that is not stored comes about.
#[derive(Debug, Clone)]
enum Definition {
    /// An expression.
    Computed(Scalar),
    /// An aggregate over a group.
    Aggregate(AggregateCall),
    /// A window function.
    Window {
        call: WindowCall,
        partition: Vec<Scalar>,
        order: Vec<SortKey>,
    },
}

struct Binder<'s> {
    schema: &'s Schema,
    registry: &'s Registry,
    columns: Columns,
    queries: Vec<Rc<Query>>,
    /// Of every column that is not stored: the query that defines it, and how.
    definitions: BTreeMap<ColumnId, (QueryId, Definition)>,
    /// Aliases of outer queries that references from a subquery may reuse.
    outer_reuse: Vec<(QueryId, Reuse)>,
    /// Results of the `aggregate()` being bound: other results may use them, but not aggregate them again.
    summaries: Vec<ColumnId>,
    /// Columns that an `OuterRef` reaches by a path over relations.
    spanning: ColumnSet,
    /// The collation that the statement names.
    collation: Option<String>,
    depth: usize,
    /// In the terms of an ordering and on the right of lookups Django asks no expression for its type.
    lenient: bool,
    parameters: u32,
    /// The elements of arrays of embedded documents that conditions are about, one source an array.
    elements: Vec<element::Elements>,
    /// Rows of combinations inside others, until the outer one takes them.
    nested: HashMap<QueryId, Rel>,
}

/// A bound expression with what lookups and functions must know of it.
#[derive(Debug, Clone)]
struct Bound {
    scalar: Scalar,
    ty: Arc<FieldType>,
    /// The relation whose key it is, if the path ends at a relation.
    relation: Option<Relation>,
    /// The field, if it is one.
    field: Option<FieldRef>,
}

/// A relation at the end of a path.
#[derive(Debug, Clone)]
struct Relation {
    targets: path::Targets,
    by: JoinField,
}

/// The right-hand side of a lookup.
#[derive(Debug, Clone)]
enum Rhs {
    /// A plain value.
    Value(Value),
    /// Several, some of them expressions.
    List(Vec<Rhs>),
    /// An expression.
    Scalar(Bound),
    /// A queryset; `explicit` for `Subquery(...)`.
    Query { id: QueryId, explicit: bool },
}

/// How references are resolved.
#[derive(Debug, Clone)]
struct Resolve {
    allow_joins: bool,
    reuse: Reuse,
    /// Inside `aggregate()`: references are to the rows, not into them.
    summarize: bool,
}

impl Resolve {
    /// For annotations: every join may be reused.
    fn annotation() -> Self {
        Resolve {
            allow_joins: true,
            reuse: None,
            summarize: false,
        }
    }
}

impl Binder<'_> {
    fn enter(&mut self) -> Result<()> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(Error::new(
                Code::Limit,
                format!("the statement is nested deeper than {MAX_DEPTH} levels"),
            ));
        }
        Ok(())
    }

    fn leave(&mut self) {
        self.depth = self.depth.saturating_sub(1);
    }

    fn context(&self) -> Context<'_> {
        Context {
            columns: &self.columns,
            settings: self.schema.settings(),
            lenient: self.lenient,
        }
    }

    /// A bound expression as an argument of a registered function.
    fn arg(bound: &Bound) -> Arg {
        match &bound.scalar {
            Scalar::Literal(literal) if literal.value == bson::Bson::Null && bound.is_untyped() => {
                Arg::untyped_null()
            }
            scalar => Arg {
                scalar: scalar.clone(),
                ty: Some(bound.ty.clone()),
            },
        }
    }
}
