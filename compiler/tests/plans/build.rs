//! Plans by hand.

use std::sync::Arc;

use bson::Bson;
use indexmap::IndexMap;
use mqlc_compiler::names::Path;
use mqlc_compiler::plan::{
    AggregateCall, ArrayFact, Cardinality, Column, ColumnId, Columns, CompareOp, FunctionCall,
    Join, JoinKind, Literal, Origin, Output, OutputNode, Pattern, Plan, Predicate, Rel, RowKind,
    Scalar, Search, SearchMeta, SearchStage, SetOp, SortKey, Source, SourceId, SubKind, SubPlan,
    Terminal,
};
use mqlc_compiler::queryset::{ArithmeticOp, Value};
use mqlc_compiler::rewrite;
use mqlc_compiler::schema::{FieldKind, FieldType, Schema, StorageFamily};
use mqlc_compiler::target::Target;

use super::{data, in_order, interpret, library, promised_order, values};

/// A plan in the making.
pub struct Build {
    pub schema: Schema,
    pub columns: Columns,
}

pub fn ty(kind: FieldKind) -> Arc<FieldType> {
    Arc::new(FieldType::new(kind))
}
pub fn bool_type() -> Arc<FieldType> {
    ty(FieldKind::BooleanField)
}
pub fn int_type() -> Arc<FieldType> {
    ty(FieldKind::BigIntegerField)
}
pub fn text_type() -> Arc<FieldType> {
    ty(FieldKind::CharField)
}

impl Build {
    pub fn new() -> Self {
        Build {
            schema: library(),
            columns: Columns::default(),
        }
    }

    /// A use of a collection.
    pub fn source(&mut self, model: &str) -> SourceId {
        self.source_as(model, model)
    }

    /// A use of a collection under another name.
    pub fn source_as(&mut self, model: &str, name: &str) -> SourceId {
        let model = self
            .schema
            .find(&format!("lib.{model}"))
            .expect("a model of the library");
        self.columns.add_source(Source {
            name: name.into(),
            model: model.id,
            collection: model.collection.clone(),
            stored: Arc::new([]),
        })
    }

    /// A stored column, by its key in the document.
    pub fn column(&mut self, source: SourceId, path: &str) -> ColumnId {
        let model = self.columns.source(source).expect("a source").model;
        let field = self
            .schema
            .model(model)
            .expect("its model")
            .fields
            .iter()
            .find(|f| f.column == path)
            .unwrap_or_else(|| panic!("no field is stored as {path}"));
        let key = self.schema.key_target(field.id).expect("a key's target");
        let array = match key.ty.kind.family() {
            StorageFamily::Array => ArrayFact::Yes,
            StorageFamily::Json => ArrayFact::Maybe,
            _ => ArrayFact::No,
        };
        let column = Column {
            name: path.into(),
            ty: key.ty.clone(),
            nullable: field.null(),
            array,
            origin: Origin::Stored {
                source,
                path: Path::key(path),
                field: Some(field.id),
            },
        };
        self.columns.stored(source, &Path::key(path), || column)
    }

    /// A computed column that can be NULL.
    pub fn computed(&mut self, name: &str, ty: Arc<FieldType>) -> ColumnId {
        self.columns.add(Column {
            name: name.into(),
            ty,
            nullable: true,
            array: ArrayFact::No,
            origin: Origin::Computed,
        })
    }

    /// A computed column that is never NULL.
    pub fn counted(&mut self, name: &str) -> ColumnId {
        self.columns.add(Column {
            name: name.into(),
            ty: int_type(),
            nullable: false,
            array: ArrayFact::No,
            origin: Origin::Computed,
        })
    }

    /// The plan whose rows are some columns.
    pub fn rows<const N: usize>(self, rel: Rel, columns: [ColumnId; N]) -> Case {
        self.rows_of(rel, &columns)
    }

    pub fn rows_of(self, rel: Rel, columns: &[ColumnId]) -> Case {
        let output = self.output(columns);
        self.done(rel, Terminal::Rows { output })
    }

    pub fn row<const N: usize>(self, rel: Rel, columns: [ColumnId; N]) -> Case {
        let output = self.output(&columns);
        self.done(rel, Terminal::Aggregate { output })
    }

    fn output(&self, columns: &[ColumnId]) -> Output {
        Output {
            kind: RowKind::Values,
            nodes: columns
                .iter()
                .map(|id| OutputNode::Column {
                    name: self.columns.get(*id).expect("a column").name.clone(),
                    column: *id,
                })
                .collect(),
            prefetched: Vec::new(),
        }
    }

    pub fn done(self, rel: Rel, terminal: Terminal) -> Case {
        Case {
            schema: self.schema,
            plan: Plan {
                columns: self.columns,
                rel,
                terminal,
                hint: None,
                collation: None,
            },
        }
    }

    pub fn count(self, rel: Rel) -> Case {
        self.done(rel, Terminal::Count { limit: None })
    }

    pub fn exists(self, rel: Rel) -> Case {
        self.done(rel, Terminal::Exists)
    }
}

/// A plan to be rewritten.
pub struct Case {
    pub schema: Schema,
    pub plan: Plan,
}

impl Case {
    /// The rule changes the plan to this text, and no row.
    #[track_caller]
    pub fn fires(self, rule: &str, after: &str) {
        let mut plan = self.plan.clone();
        let changed = rewrite::apply(rule, &mut plan, &self.schema, &Target::default())
            .unwrap_or_else(|e| panic!("{e}"));
        assert!(changed, "{rule} does not fire on\n{}", self.plan);
        assert_eq!(plan.to_string(), after);
        self.same_rows(&plan);
    }

    /// The rule leaves the plan alone.
    #[track_caller]
    pub fn stays(self, rule: &str) {
        let before = self.plan.to_string();
        let mut plan = self.plan;
        let changed = rewrite::apply(rule, &mut plan, &self.schema, &Target::default())
            .unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(plan.to_string(), before, "{rule} fires");
        assert!(!changed, "{rule} says that it fires");
    }

    #[track_caller]
    fn same_rows(&self, after: &Plan) {
        for seed in 0..40 {
            let data = data(seed);
            assert_eq!(
                interpret(after, &data),
                interpret(&self.plan, &data),
                "rows differ with data {seed}:\n{}=>\n{after}{data:?}",
                self.plan
            );
            assert!(
                in_order(&values(after, &data), &promised_order(&self.plan)),
                "the order is lost:\n{}=>\n{after}",
                self.plan
            );
        }
    }
}

/// Whatever can stand for a value.
pub trait Operand {
    fn scalar(self) -> Scalar;
}
impl Operand for Scalar {
    fn scalar(self) -> Scalar {
        self
    }
}
impl Operand for ColumnId {
    fn scalar(self) -> Scalar {
        Scalar::Column(self)
    }
}
fn literal(value: Bson, kind: FieldKind) -> Scalar {
    Scalar::from(Literal {
        value,
        ty: ty(kind),
    })
}
impl Operand for i64 {
    fn scalar(self) -> Scalar {
        literal(Bson::Int64(self), FieldKind::BigIntegerField)
    }
}
impl Operand for f64 {
    fn scalar(self) -> Scalar {
        literal(Bson::Double(self), FieldKind::FloatField)
    }
}
impl Operand for &str {
    fn scalar(self) -> Scalar {
        literal(Bson::String(self.to_owned()), FieldKind::CharField)
    }
}
impl Operand for bool {
    fn scalar(self) -> Scalar {
        literal(Bson::Boolean(self), FieldKind::BooleanField)
    }
}
impl Operand for bson::DateTime {
    fn scalar(self) -> Scalar {
        literal(Bson::DateTime(self), FieldKind::DateTimeField)
    }
}

pub fn value(v: impl Operand) -> Scalar {
    v.scalar()
}
pub fn null() -> Scalar {
    literal(Bson::Null, FieldKind::BigIntegerField)
}
pub fn plus(a: impl Operand, b: impl Operand) -> Scalar {
    Scalar::Arithmetic {
        op: ArithmeticOp::Add,
        lhs: Box::new(a.scalar()),
        rhs: Box::new(b.scalar()),
        ty: int_type(),
    }
}
pub fn call(function: &str, args: Vec<Scalar>, ty: Arc<FieldType>) -> Scalar {
    FunctionCall {
        function: function.to_owned(),
        args,
        options: IndexMap::new(),
        ty,
    }
    .into()
}
pub fn call_with(
    function: &str,
    args: Vec<Scalar>,
    options: &[(&str, Value)],
    ty: Arc<FieldType>,
) -> Scalar {
    FunctionCall {
        function: function.to_owned(),
        args,
        options: options
            .iter()
            .map(|(k, v)| ((*k).to_owned(), v.clone()))
            .collect(),
        ty,
    }
    .into()
}
pub fn as_value(p: Predicate) -> Scalar {
    Scalar::Predicate(Box::new(p))
}
pub fn case(condition: Predicate, then: impl Operand, otherwise: impl Operand) -> Scalar {
    Scalar::Case {
        when: vec![(condition, then.scalar())],
        otherwise: Box::new(otherwise.scalar()),
        ty: int_type(),
    }
}

fn compare(op: CompareOp, a: impl Operand, b: impl Operand) -> Predicate {
    Predicate::Compare {
        op,
        lhs: a.scalar(),
        rhs: b.scalar(),
    }
}
pub fn eq(a: impl Operand, b: impl Operand) -> Predicate {
    compare(CompareOp::Eq, a, b)
}
pub fn ne(a: impl Operand, b: impl Operand) -> Predicate {
    compare(CompareOp::Ne, a, b)
}
pub fn lt(a: impl Operand, b: impl Operand) -> Predicate {
    compare(CompareOp::Lt, a, b)
}
pub fn lte(a: impl Operand, b: impl Operand) -> Predicate {
    compare(CompareOp::Lte, a, b)
}
pub fn gt(a: impl Operand, b: impl Operand) -> Predicate {
    compare(CompareOp::Gt, a, b)
}
pub fn gte(a: impl Operand, b: impl Operand) -> Predicate {
    compare(CompareOp::Gte, a, b)
}
pub fn contains(a: impl Operand, b: impl Operand) -> Predicate {
    Predicate::Like {
        pattern: Pattern::Contains,
        insensitive: false,
        lhs: a.scalar(),
        rhs: b.scalar(),
    }
}
pub fn member<const N: usize>(a: impl Operand, list: [Scalar; N]) -> Predicate {
    Predicate::In {
        lhs: a.scalar(),
        list: list.into(),
    }
}
pub fn in_ints<const N: usize>(a: impl Operand, list: [i64; N]) -> Predicate {
    Predicate::In {
        lhs: a.scalar(),
        list: list.into_iter().map(Operand::scalar).collect(),
    }
}
pub fn is_null(a: impl Operand) -> Predicate {
    Predicate::IsNull(a.scalar())
}
pub fn not_null(a: impl Operand) -> Predicate {
    not(is_null(a))
}
pub fn boolean(a: impl Operand) -> Predicate {
    Predicate::Bool(a.scalar())
}
pub fn and<const N: usize>(list: [Predicate; N]) -> Predicate {
    Predicate::And(list.into())
}
pub fn or<const N: usize>(list: [Predicate; N]) -> Predicate {
    Predicate::Or(list.into())
}
pub fn not(p: Predicate) -> Predicate {
    Predicate::Not(Box::new(p))
}
pub fn unknown() -> Predicate {
    Predicate::Const(None)
}

pub fn subplan(kind: SubKind, rel: Rel, columns: Vec<Scalar>) -> Box<SubPlan> {
    Box::new(SubPlan {
        kind,
        rel,
        columns,
        ty: int_type(),
    })
}
pub fn exists(rel: Rel) -> Predicate {
    Predicate::Exists(subplan(SubKind::Exists, rel, Vec::new()))
}
pub fn in_query(lhs: impl Operand, rel: Rel, column: impl Operand) -> Predicate {
    Predicate::InSubquery {
        lhs: vec![lhs.scalar()],
        query: subplan(SubKind::Set, rel, vec![column.scalar()]),
    }
}
pub fn scalar_query(rel: Rel, column: impl Operand) -> Scalar {
    Scalar::Subquery(subplan(SubKind::Scalar, rel, vec![column.scalar()]))
}

pub fn scan(source: SourceId) -> Rel {
    Rel::Scan(source)
}
pub fn search(source: SourceId, score: ColumnId, spec: bson::Document) -> Rel {
    Rel::Search(Box::new(Search {
        source,
        stage: SearchStage::Text,
        spec,
        columns: vec![(score, SearchMeta::Score)],
    }))
}
pub fn filter(input: Rel, predicate: Predicate) -> Rel {
    Rel::Filter {
        input: Box::new(input),
        predicate,
    }
}
pub fn extend<const N: usize>(input: Rel, columns: [(ColumnId, Scalar); N]) -> Rel {
    Rel::Extend {
        input: Box::new(input),
        columns: columns.into(),
    }
}
fn join(
    input: Rel,
    source: SourceId,
    on: (ColumnId, ColumnId),
    kind: JoinKind,
    cardinality: Cardinality,
) -> Rel {
    Rel::Join(Box::new(Join {
        input,
        source,
        kind,
        on: vec![(Scalar::Column(on.0), on.1)],
        condition: None,
        cardinality,
    }))
}
pub fn inner_one(input: Rel, source: SourceId, lhs: ColumnId, rhs: ColumnId) -> Rel {
    join(input, source, (lhs, rhs), JoinKind::Inner, Cardinality::One)
}
pub fn inner_many(input: Rel, source: SourceId, lhs: ColumnId, rhs: ColumnId) -> Rel {
    join(
        input,
        source,
        (lhs, rhs),
        JoinKind::Inner,
        Cardinality::Many,
    )
}
pub fn left_one(input: Rel, source: SourceId, lhs: ColumnId, rhs: ColumnId) -> Rel {
    join(input, source, (lhs, rhs), JoinKind::Left, Cardinality::One)
}
pub fn left_many(input: Rel, source: SourceId, lhs: ColumnId, rhs: ColumnId) -> Rel {
    join(input, source, (lhs, rhs), JoinKind::Left, Cardinality::Many)
}
pub fn on_condition(mut rel: Rel, condition: Predicate) -> Rel {
    if let Rel::Join(join) = &mut rel {
        join.condition = Some(condition);
    }
    rel
}
pub fn sort<const N: usize>(input: Rel, keys: [SortKey; N]) -> Rel {
    Rel::Sort {
        input: Box::new(input),
        keys: keys.into(),
    }
}
pub fn asc(a: impl Operand) -> SortKey {
    SortKey {
        scalar: a.scalar(),
        desc: false,
        nulls: None,
    }
}
pub fn desc(a: impl Operand) -> SortKey {
    SortKey {
        scalar: a.scalar(),
        desc: true,
        nulls: None,
    }
}
pub fn slice(input: Rel, skip: u64, limit: u64) -> Rel {
    Rel::Slice {
        input: Box::new(input),
        skip,
        limit: Some(limit),
    }
}
pub fn distinct<const N: usize>(input: Rel, columns: [ColumnId; N]) -> Rel {
    Rel::Distinct {
        input: Box::new(input),
        columns: columns.into(),
        carried: Vec::new(),
    }
}
pub fn aggregate<const K: usize, const C: usize, const A: usize>(
    input: Rel,
    keys: [(ColumnId, Scalar); K],
    carried: [SourceId; C],
    aggregates: [(ColumnId, AggregateCall); A],
) -> Rel {
    Rel::Aggregate {
        input: Box::new(input),
        keys: keys.into(),
        carried: carried.into(),
        aggregates: aggregates.into(),
    }
}
pub fn agg(function: &str, args: Vec<Scalar>) -> AggregateCall {
    AggregateCall::new(function, args, int_type())
}
pub fn agg_where(function: &str, args: Vec<Scalar>, condition: Predicate) -> AggregateCall {
    AggregateCall {
        filter: Some(condition),
        ..agg(function, args)
    }
}
pub fn set_op<const N: usize>(
    op: SetOp,
    inputs: [(Rel, Vec<Scalar>); N],
    columns: Vec<ColumnId>,
) -> Rel {
    Rel::SetOp {
        op,
        inputs: inputs.into(),
        columns,
    }
}

/// Books, with a key and a column that tells nothing apart.
pub fn books(b: &mut Build) -> (SourceId, ColumnId, ColumnId) {
    let book = b.source("Book");
    (book, b.column(book, "_id"), b.column(book, "pages"))
}

/// Books and their authors, with the columns that join them.
#[derive(Clone, Copy)]
pub struct Written {
    pub book: SourceId,
    pub author: SourceId,
    pub pages: ColumnId,
    pub fk: ColumnId,
    pub pk: ColumnId,
    pub country: ColumnId,
}

/// Books, and the authors that they refer to.
pub fn written(b: &mut Build) -> Written {
    let (book, author) = (b.source("Book"), b.source("Author"));
    Written {
        book,
        author,
        pages: b.column(book, "pages"),
        fk: b.column(book, "author_id"),
        pk: b.column(author, "_id"),
        country: b.column(author, "country"),
    }
}

impl Written {
    /// Books with their author.
    pub fn with_author(&self) -> Rel {
        inner_one(scan(self.book), self.author, self.fk, self.pk)
    }

    /// The same rows by a column, with aggregates.
    pub fn by<const A: usize>(
        &self,
        key: ColumnId,
        aggregates: [(ColumnId, AggregateCall); A],
    ) -> Rel {
        aggregate(self.with_author(), [(key, value(key))], [], aggregates)
    }
}

/// Authors and books, with the columns that join them.
#[derive(Clone, Copy)]
pub struct Authors {
    pub author: SourceId,
    pub book: SourceId,
    pub pk: ColumnId,
    pub name: ColumnId,
    pub id: ColumnId,
    pub fk: ColumnId,
}

/// Authors, and books by their author.
pub fn authors(b: &mut Build) -> Authors {
    let (author, book) = (b.source("Author"), b.source("Book"));
    Authors {
        author,
        book,
        pk: b.column(author, "_id"),
        name: b.column(author, "name"),
        id: b.column(book, "_id"),
        fk: b.column(book, "author_id"),
    }
}

impl Authors {
    /// Authors with each of their books.
    pub fn of_books(&self) -> Rel {
        inner_many(scan(self.author), self.book, self.pk, self.fk)
    }

    /// Authors with their books, or none.
    pub fn with_books(&self) -> Rel {
        left_many(scan(self.author), self.book, self.pk, self.fk)
    }

    /// Rows by author, with an aggregate.
    pub fn by_author(&self, rows: Rel, n: ColumnId, call: AggregateCall) -> Rel {
        aggregate(
            rows,
            [(self.pk, value(self.pk))],
            [self.author],
            [(n, call)],
        )
    }
}
