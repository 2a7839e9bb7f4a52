//! Search expressions of MongoDB Search and Vector Search.
//!
//! ```
//! use mqlc_compiler::builder::*;
//!
//! // What names "sea", better if it is about stars; never what is out of print.
//! let search = compound()
//!     .must(search_text("title", "sea").option("match_criteria", "all"))
//!     .should(search_phrase("subtitle", "under the stars"))
//!     .must_not(search_equals("in_print", false));
//! let books = Query::from("library.Book")
//!     .annotate("score", search)
//!     .order_by([desc("score")])
//!     .slice(..10);
//! assert_eq!(
//!     books.rows().to_text(),
//!     concat!(
//!         "Book.objects.annotate(score=CompoundExpression(",
//!         r#"must=[SearchText("title", "sea", match_criteria="all")], "#,
//!         r#"must_not=[SearchEquals("in_print", False)], "#,
//!         r#"should=[SearchPhrase("subtitle", "under the stars")]))"#,
//!         r#".order_by(F("score").desc())[:10]"#,
//!     ),
//! );
//! ```
//!
//! As an annotation a search is its score; as a condition it selects. [`Func::option`] gives what else the class takes:
//! `fuzzy`, `score`, `index`...

use indexmap::IndexMap;

use super::{Operand, func};
use crate::functions::search::{CLAUSES, COMBINED, COMPOUND, RANK_FUSION, VECTOR};
use crate::queryset::{Expr, Func, Q, Value};

/// `SearchText(path, query)`: words.
///
/// ```
/// use mqlc_compiler::builder::*;
/// let query = Query::from("library.Book").filter(search_text("title", "sea"));
/// assert_eq!(query.rows().to_text(), r#"Book.objects.filter(SearchText("title", "sea"))"#);
/// ```
pub fn search_text(path: impl Operand, query: impl Into<Value>) -> Func {
    two("SearchText", path, query)
}

/// `SearchPhrase(path, query)`: words in their order.
pub fn search_phrase(path: impl Operand, query: impl Into<Value>) -> Func {
    two("SearchPhrase", path, query)
}

/// `SearchAutocomplete(path, query)`: words that are not written to their ends.
pub fn search_autocomplete(path: impl Operand, query: impl Into<Value>) -> Func {
    two("SearchAutocomplete", path, query)
}

/// `SearchQueryString(path, query)`: a query in Lucene's language.
pub fn search_query_string(path: impl Operand, query: impl Into<Value>) -> Func {
    two("SearchQueryString", path, query)
}

/// `SearchRegex(path, query)`: a regular expression.
pub fn search_regex(path: impl Operand, query: impl Into<Value>) -> Func {
    two("SearchRegex", path, query)
}

/// `SearchWildcard(path, query)`: a text with `*` and `?`.
pub fn search_wildcard(path: impl Operand, query: impl Into<Value>) -> Func {
    two("SearchWildcard", path, query)
}

/// `SearchEquals(path, value)`.
pub fn search_equals(path: impl Operand, value: impl Into<Value>) -> Func {
    two("SearchEquals", path, value)
}

/// `SearchIn(path, [value, ...])`.
pub fn search_in(path: impl Operand, values: impl Into<Value>) -> Func {
    two("SearchIn", path, values)
}

/// `SearchExists(path)`: the document has the field.
pub fn search_exists(path: impl Operand) -> Func {
    func("SearchExists", [path])
}

/// `SearchRange(path, ...)`: options `lt`, `lte`, `gt`, `gte` are the bounds.
pub fn search_range(path: impl Operand) -> Func {
    func("SearchRange", [path])
}

/// `SearchEmbeddedDocument(path, search)`: a search among the documents of an array, each by itself.
pub fn search_embedded(path: impl Operand, search: Func) -> Func {
    func("SearchEmbeddedDocument", [path.operand(), search.into()])
}

/// `SearchVector(path, query_vector, limit=limit)`: the nearest vectors. Options `num_candidates`, `exact`, `index`;
/// [`Func::arg`] adds a condition that the rows must satisfy.
///
/// ```
/// use mqlc_compiler::builder::*;
/// let near = search_vector("plot", [0.5, 0.25], 10).arg(f("pages").lt(300));
/// let query = Query::from("library.Book").annotate("score", near);
/// assert_eq!(
///     query.rows().to_text(),
///     r#"Book.objects.annotate(score=SearchVector("plot", [0.5, 0.25], filter=Q(pages__lt=300), limit=10))"#,
/// );
/// ```
pub fn search_vector(path: impl Operand, vector: impl Into<Value>, limit: u32) -> Func {
    two(VECTOR, path, vector).option("limit", limit)
}

/// `SearchHighlights(path)`: where the texts hold what was searched for.
pub fn search_highlights(path: impl Operand) -> Func {
    func("SearchHighlights", [path])
}

/// `SearchRankFusion(name=search, ...)`: the results of several searches, ranked together. Options `weights` and `limit`.
///
/// ```
/// use mqlc_compiler::builder::*;
/// let both = rank_fusion([
///     ("words", search_text("title", "sea")),
///     ("near", search_vector("plot", [0.5, 0.25], 10)),
/// ]);
/// assert_eq!(
///     Query::from("library.Book").annotate("rank", both).rows().to_text(),
///     concat!(
///         r#"Book.objects.annotate(rank=SearchRankFusion(words=SearchText("title", "sea"), "#,
///         r#"near=SearchVector("plot", [0.5, 0.25], limit=10)))"#,
///     ),
/// );
/// ```
pub fn rank_fusion<N: Into<String>>(searches: impl IntoIterator<Item = (N, Func)>) -> Func {
    let (names, searches): (Vec<String>, Vec<Func>) = searches
        .into_iter()
        .map(|(name, search)| (name.into(), search))
        .unzip();
    func(RANK_FUSION, searches).option("names", names)
}

fn two(class: &str, path: impl Operand, value: impl Into<Value>) -> Func {
    func(class, [path.operand(), Expr::Value(value.into())])
}

/// `CompoundExpression` in the making.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Compound {
    /// Searches of each clause, in the order of `CLAUSES`.
    clauses: [Vec<Func>; 4],
    options: IndexMap<String, Value>,
}

/// `CompoundExpression(...)`: searches that must match, must not, or make the score better.
#[must_use]
pub fn compound() -> Compound {
    Compound::default()
}

impl Compound {
    /// One more search that must match, and counts.
    #[must_use]
    pub fn must(self, search: impl Into<Func>) -> Self {
        self.with(0, search.into())
    }

    /// One more search that must not match.
    #[must_use]
    pub fn must_not(self, search: impl Into<Func>) -> Self {
        self.with(1, search.into())
    }

    /// One more search that may match, and counts then.
    #[must_use]
    pub fn should(self, search: impl Into<Func>) -> Self {
        self.with(2, search.into())
    }

    /// One more search that must match, and does not count.
    #[must_use]
    pub fn filter(self, search: impl Into<Func>) -> Self {
        self.with(3, search.into())
    }

    /// A parameter that is no search: `minimum_should_match`, `score`, `index`.
    #[must_use]
    pub fn option(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.options.insert(name.into(), value.into());
        self
    }

    fn with(mut self, clause: usize, search: Func) -> Self {
        if let Some(searches) = self.clauses.get_mut(clause) {
            searches.push(search);
        }
        self
    }
}

impl From<Compound> for Func {
    fn from(compound: Compound) -> Self {
        let mut out = func(COMPOUND, Vec::<Expr>::new());
        for ((name, _), searches) in CLAUSES.iter().zip(compound.clauses) {
            if !searches.is_empty() {
                out = out.option(*name, Value::from(searches.len() as u64));
                out.args.extend(searches.into_iter().map(Expr::from));
            }
        }
        out.options.extend(compound.options);
        out
    }
}

impl From<Compound> for Expr {
    fn from(compound: Compound) -> Self {
        Func::from(compound).into()
    }
}

impl From<Compound> for Q {
    fn from(compound: Compound) -> Self {
        Func::from(compound).into()
    }
}

impl Operand for Compound {
    fn operand(self) -> Expr {
        self.into()
    }
}

fn combined(operator: &str, searches: Vec<Func>) -> Func {
    func(COMBINED, searches).option("operator", operator)
}

/// `a & b` of search expressions: both match.
pub fn search_and(a: impl Into<Func>, b: impl Into<Func>) -> Func {
    combined("and", vec![a.into(), b.into()])
}

/// `a | b` of search expressions: one matches.
pub fn search_or(a: impl Into<Func>, b: impl Into<Func>) -> Func {
    combined("or", vec![a.into(), b.into()])
}

/// `~a` of a search expression: it does not match.
///
/// ```
/// use mqlc_compiler::builder::*;
/// let search = search_and(search_text("title", "sea"), search_not(search_text("title", "storm")));
/// assert_eq!(
///     Query::from("library.Book").filter(search).rows().to_text(),
///     r#"Book.objects.filter(SearchText("title", "sea") & ~SearchText("title", "storm"))"#,
/// );
/// ```
pub fn search_not(a: impl Into<Func>) -> Func {
    combined("not", vec![a.into()])
}
