//! The match language: filters compiled into a tree of predicates over paths.
//!
//! Matching reads documents in place. Array traversal, the difference between null and missing, and type bracketing
//! are here; expressions come in only through `$expr`.
mod bits;
mod compile;
mod pred;
mod schema;
mod text;
mod visit;

use super::error::EngineError;
use super::expr::{Env, Expr, Scope};
use super::geo::Geo;
use super::value::{Collation, DocRef, Document, Path, ValueRef};
pub(crate) use compile::depends_on_document;
pub use compile::type_set;
pub use pred::{Comparison, InSet, Pred, TypeSet};
use schema::Schema;
pub use text::{TextQuery, words};
pub use visit::{visit, visit_value};

/// A compiled filter.
#[derive(Clone, Debug)]
pub struct Filter {
    root: Node,
    /// Whether a `$near` is in it.
    near: bool,
}

/// A node of the filter tree.
#[derive(Clone, Debug)]
pub enum Node {
    /// Everything or nothing.
    Constant(bool),
    /// All hold.
    And(Vec<Node>),
    /// At least one holds.
    Or(Vec<Node>),
    /// Does not hold.
    Not(Box<Node>),
    /// Some value at the path satisfies the predicate (the value itself when there is no path).
    Leaf(Option<Path>, Pred),
    /// An aggregation expression is true.
    Expr(Box<Condition>),
    /// The document satisfies a JSON schema.
    Schema(Box<Schema>),
    /// The document has the words of `$text`.
    Text(Box<TextQuery>),
}

/// `$expr`, and what it says about single paths, for planners.
#[derive(Clone, Debug)]
pub struct Condition {
    /// The expression.
    pub expr: Expr,
    /// Conditions that must hold for it to be true.
    pub hints: Vec<Hint>,
}

/// A field path that must equal a value (one of the values), where that needs no document to compute.
#[derive(Clone, Debug)]
pub struct Hint {
    /// The path.
    pub path: Path,
    /// The value, or the array of values.
    pub value: Expr,
    /// Whether the value is an array of choices.
    pub any_of: bool,
}

impl Filter {
    /// Compiles a filter document.
    ///
    /// # Errors
    /// `BadValue`, `FailedToParse` and the like, as MongoDB's parser; what `$expr` gives when it compiles.
    pub fn compile(spec: &bson::Document, scope: &Scope) -> Result<Self, EngineError> {
        let root = compile::document(spec, scope, 0)?;
        near_at_top(&root, true)?;
        let near = root.near().is_some();
        Ok(Self { root, near })
    }

    /// Compiles the condition of `$pull` or of an array filter: operators on the value itself, or a filter on it.
    ///
    /// # Errors
    /// As [`Filter::compile`].
    pub fn compile_value(spec: &bson::Document, scope: &Scope) -> Result<Self, EngineError> {
        Ok(Self {
            root: compile::operators(None, spec, scope, 0)?,
            near: false,
        })
    }

    /// A filter from a tree.
    pub fn of(root: Node) -> Self {
        let near = root.near().is_some();
        Self { root, near }
    }

    /// A filter that everything passes.
    pub fn all() -> Self {
        Self {
            root: Node::Constant(true),
            near: false,
        }
    }

    /// The tree, for planning.
    pub fn node(&self) -> &Node {
        &self.root
    }

    /// The `$text` of the filter, if there is one.
    pub fn text(&self) -> Option<&TextQuery> {
        match &self.root {
            Node::Text(text) => Some(text),
            Node::And(nodes) => nodes.iter().find_map(|n| match n {
                Node::Text(text) => Some(&**text),
                _ => None,
            }),
            _ => None,
        }
    }

    /// Whether there is an `$expr` in it.
    pub fn has_expr(&self) -> bool {
        compile::holds_expr(&self.root)
    }

    /// Whether everything passes.
    pub fn is_all(&self) -> bool {
        match &self.root {
            Node::Constant(b) => *b,
            Node::And(nodes) => nodes.is_empty(),
            _ => false,
        }
    }

    /// Whether the document passes.
    ///
    /// # Errors
    /// What evaluating `$expr` gives.
    #[inline]
    pub fn matches(&self, doc: DocRef<'_>, env: &mut Env<'_>) -> Result<bool, EngineError> {
        self.root.matches(doc, env)
    }

    /// Whether a value passes a filter from [`Filter::compile_value`].
    pub fn matches_value(&self, value: ValueRef<'_>, collation: Option<&Collation>) -> bool {
        self.root.matches_value(value, collation)
    }

    /// The index in the outermost array that the match went through: what a positional `$` stands for.
    pub fn position(&self, doc: &Document, collation: Option<&Collation>) -> Option<usize> {
        self.root.position(doc.view(), collation)
    }

    /// The `$near` predicate and its path, if there is one.
    pub fn near(&self) -> Option<(&Path, &Geo)> {
        self.root.near().filter(|_| self.near)
    }

    /// Refuses a `$near` where nothing sorts by distance.
    ///
    /// # Errors
    /// 5626500.
    pub fn without_near(self) -> Result<Self, EngineError> {
        if !self.near {
            return Ok(self);
        }
        Err(EngineError::location(
            5_626_500,
            "$geoNear, $near, and $nearSphere are not allowed in this context, as these operators require sorting geospatial data. If you do not need sort, consider using $geoWithin instead.",
        ))
    }
}

/// `$near` sorts: it may stand beside other conditions, not inside of them.
fn near_at_top(node: &Node, top: bool) -> Result<(), EngineError> {
    match node {
        Node::Leaf(_, Pred::Geo(geo)) if geo.sorts() && !top => {
            Err(EngineError::bad_value("geoNear must be top-level expr"))
        }
        Node::Leaf(_, Pred::ElemMatch(inner) | Pred::ElemMatchValue(inner)) => {
            near_at_top(inner, false)
        }
        Node::And(nodes) => nodes.iter().try_for_each(|n| near_at_top(n, top)),
        Node::Or(nodes) => nodes.iter().try_for_each(|n| near_at_top(n, false)),
        Node::Not(node) => near_at_top(node, false),
        _ => Ok(()),
    }
}

/// Whether all alternatives are equalities of one path.
fn one_in(nodes: &[Node]) -> bool {
    let path = |n: &Node| match n {
        Node::Leaf(Some(path), Pred::Compare(Comparison::Eq, _) | Pred::In(_)) => {
            Some(path.clone())
        }
        _ => None,
    };
    let first = nodes.first().and_then(path);
    first.is_some() && nodes.iter().all(|n| path(n) == first)
}

impl Node {
    #[inline]
    fn matches(&self, doc: DocRef<'_>, env: &mut Env<'_>) -> Result<bool, EngineError> {
        match self {
            Self::Leaf(Some(path), pred) => Ok(pred.matches_at(path, doc, env.collation())),
            Self::Leaf(None, pred) => {
                Ok(pred.matches_single(ValueRef::Document(doc), env.collation()))
            }
            Self::Constant(b) => Ok(*b),
            Self::And(nodes) => {
                for node in nodes {
                    let holds = match node {
                        Self::Leaf(Some(path), pred) => pred.matches_at(path, doc, env.collation()),
                        other => other.matches(doc, env)?,
                    };
                    if !holds {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Self::Or(nodes) => {
                for node in nodes {
                    if node.matches(doc, env)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Self::Not(node) => Ok(!node.matches(doc, env)?),
            Self::Expr(condition) => {
                env.set_root(doc.to_document());
                Ok(condition.expr.eval(env)?.truthy())
            }
            Self::Schema(schema) => Ok(schema.matches(ValueRef::Document(doc))),
            Self::Text(text) => Ok(text.score(doc).is_some()),
        }
    }

    /// Matches a subdocument, where there is no `$expr`.
    fn matches_document(&self, doc: DocRef<'_>, collation: Option<&Collation>) -> bool {
        match self {
            Self::Leaf(Some(path), pred) => pred.matches_at(path, doc, collation),
            Self::Leaf(None, pred) => pred.matches_single(ValueRef::Document(doc), collation),
            Self::Constant(b) => *b,
            Self::And(nodes) => nodes.iter().all(|n| n.matches_document(doc, collation)),
            Self::Or(nodes) => nodes.iter().any(|n| n.matches_document(doc, collation)),
            Self::Not(node) => !node.matches_document(doc, collation),
            Self::Expr(_) => false,
            Self::Schema(schema) => schema.matches(ValueRef::Document(doc)),
            Self::Text(text) => text.score(doc).is_some(),
        }
    }

    fn matches_value(&self, value: ValueRef<'_>, collation: Option<&Collation>) -> bool {
        match self {
            Self::Leaf(None, pred) => pred.matches_single(value, collation),
            Self::Leaf(Some(_), _) => match value {
                ValueRef::Document(d) => self.matches_document(d, collation),
                ValueRef::Array(a) => self.matches_document(a.as_document().view(), collation),
                _ => false,
            },
            Self::Constant(b) => *b,
            Self::And(nodes) => nodes.iter().all(|n| n.matches_value(value, collation)),
            Self::Or(nodes) => nodes.iter().any(|n| n.matches_value(value, collation)),
            Self::Not(node) => !node.matches_value(value, collation),
            Self::Expr(_) => false,
            Self::Schema(schema) => schema.matches(value),
            Self::Text(text) => value.as_document().is_some_and(|d| text.score(d).is_some()),
        }
    }

    fn position(&self, doc: DocRef<'_>, collation: Option<&Collation>) -> Option<usize> {
        match self {
            Self::Leaf(Some(path), pred) => pred.position_at(path.parts(), doc, collation),
            Self::And(nodes) => nodes.iter().rev().find_map(|n| n.position(doc, collation)),
            // Alternatives do not say where they matched, except equalities of one path: they are one `$in`.
            Self::Or(nodes) => match nodes.as_slice() {
                [only] => only.position(doc, collation),
                nodes if one_in(nodes) => nodes
                    .iter()
                    .filter_map(|n| n.position(doc, collation))
                    .min(),
                _ => None,
            },
            _ => None,
        }
    }

    fn near(&self) -> Option<(&Path, &Geo)> {
        match self {
            Self::Leaf(Some(path), Pred::Geo(geo)) if geo.sorts() => Some((path, geo)),
            Self::And(nodes) => nodes.iter().find_map(Self::near),
            _ => None,
        }
    }
}
