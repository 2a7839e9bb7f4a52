//! Search expressions, as data: the class, the operator of `$search` that it is, what it takes (MongoDB Search manual, "Operators
//! and Collectors"). A search is no function of a row: the binder makes a stage of it, and its value is the score.

use crate::plan::SearchMeta;
use crate::schema::FieldKind;

/// A class with the operator that it is.
#[derive(Debug)]
pub(crate) struct Operator {
    /// The name of the class.
    pub class: &'static str,
    /// The operator of `$search`.
    pub name: &'static str,
    /// Arguments in order.
    pub args: &'static [Parameter],
    /// Further parameters, by name.
    pub options: &'static [Parameter],
}

/// A parameter.
#[derive(Debug)]
pub(crate) struct Parameter {
    /// Its name in Python.
    pub option: &'static str,
    /// Its name in the operator.
    pub name: &'static str,
    /// What it takes.
    pub takes: Takes,
}

/// What a parameter takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Takes {
    /// Paths of fields.
    Path,
    /// A text, or several.
    Query,
    /// A value as the field stores it.
    Value,
    /// Several of them.
    Values,
    /// A text.
    Text,
    /// One of these texts.
    Choice(&'static [&'static str]),
    /// A whole number, at least so much.
    Int(i128),
    /// `True` or `False`.
    Flag,
    /// An object as the server takes it.
    Object,
    /// One or more objects as the server takes them.
    Objects,
    /// How the score is changed: an object with one of `SCORES`.
    Score,
    /// Another search expression.
    Operator,
}

/// What may change a score.
pub(crate) const SCORES: &[&str] = &["boost", "constant", "function", "embedded"];

const fn p(option: &'static str, name: &'static str, takes: Takes) -> Parameter {
    Parameter {
        option,
        name,
        takes,
    }
}

const PATH: Parameter = p("path", "path", Takes::Path);
const QUERY: Parameter = p("query", "query", Takes::Query);
const SCORE: Parameter = p("score", "score", Takes::Score);
const FUZZY: Parameter = p("fuzzy", "fuzzy", Takes::Object);
const SYNONYMS: Parameter = p("synonyms", "synonyms", Takes::Text);
const ANALYZED: Parameter = p("allow_analyzed_field", "allowAnalyzedField", Takes::Flag);

const fn op(
    class: &'static str,
    name: &'static str,
    args: &'static [Parameter],
    options: &'static [Parameter],
) -> Operator {
    Operator {
        class,
        name,
        args,
        options,
    }
}

/// Every operator with a class of its own; `compound` and `geoWithin` are put together by hand.
pub(crate) const OPERATORS: &[Operator] = &[
    op(
        "SearchAutocomplete",
        "autocomplete",
        &[PATH, QUERY],
        &[
            FUZZY,
            p(
                "token_order",
                "tokenOrder",
                Takes::Choice(&["any", "sequential"]),
            ),
            SCORE,
        ],
    ),
    op(
        "SearchEmbeddedDocument",
        "embeddedDocument",
        &[PATH, p("operator", "operator", Takes::Operator)],
        &[SCORE],
    ),
    op(
        "SearchEquals",
        "equals",
        &[PATH, p("value", "value", Takes::Value)],
        &[SCORE],
    ),
    op("SearchExists", "exists", &[PATH], &[SCORE]),
    op(
        "SearchGeoShape",
        "geoShape",
        &[PATH],
        &[
            p(
                "relation",
                "relation",
                Takes::Choice(&["contains", "disjoint", "intersects", "within"]),
            ),
            p("geometry", "geometry", Takes::Object),
            SCORE,
        ],
    ),
    op(
        "SearchGeoWithin",
        "geoWithin",
        &[PATH],
        &[
            p("kind", "", Takes::Choice(&["box", "circle", "geometry"])),
            p("geo_object", "", Takes::Object),
            SCORE,
        ],
    ),
    op(
        "SearchIn",
        "in",
        &[PATH, p("value", "value", Takes::Values)],
        &[SCORE],
    ),
    op(
        "SearchMoreLikeThis",
        "moreLikeThis",
        &[p("documents", "like", Takes::Objects)],
        &[SCORE],
    ),
    op(
        "SearchPhrase",
        "phrase",
        &[PATH, QUERY],
        &[p("slop", "slop", Takes::Int(0)), SYNONYMS, SCORE],
    ),
    op(
        "SearchQueryString",
        "queryString",
        &[
            p("path", "defaultPath", Takes::Path),
            p("query", "query", Takes::Text),
        ],
        &[SCORE],
    ),
    op(
        "SearchRange",
        "range",
        &[PATH],
        &[
            p("lt", "lt", Takes::Value),
            p("lte", "lte", Takes::Value),
            p("gt", "gt", Takes::Value),
            p("gte", "gte", Takes::Value),
            SCORE,
        ],
    ),
    op("SearchRegex", "regex", &[PATH, QUERY], &[ANALYZED, SCORE]),
    op(
        "SearchText",
        "text",
        &[PATH, QUERY],
        &[
            FUZZY,
            p(
                "match_criteria",
                "matchCriteria",
                Takes::Choice(&["all", "any"]),
            ),
            SYNONYMS,
            SCORE,
        ],
    ),
    op(
        "SearchWildcard",
        "wildcard",
        &[PATH, QUERY],
        &[ANALYZED, SCORE],
    ),
];

/// What any text search may say of its stage (MongoDB Search manual, "$search", "Fields").
pub(crate) const STAGE: &[Parameter] = &[
    p("index", "index", Takes::Text),
    p("highlight", "highlight", Takes::Object),
    p("count", "count", Takes::Object),
    p("sort", "sort", Takes::Object),
    p("search_after", "searchAfter", Takes::Text),
    p("search_before", "searchBefore", Takes::Text),
    p("concurrent", "concurrent", Takes::Flag),
    p("score_details", "scoreDetails", Takes::Flag),
    p("tracking", "tracking", Takes::Object),
];

/// `CompoundExpression`: its clauses, in Python and in the operator.
pub(crate) const CLAUSES: &[(&str, &str)] = &[
    ("must", "must"),
    ("must_not", "mustNot"),
    ("should", "should"),
    ("filter", "filter"),
];

/// The class of `compound`.
pub(crate) const COMPOUND: &str = "CompoundExpression";
/// What `&`, `|` and `~` of search expressions are.
pub(crate) const COMBINED: &str = "CombinedSearchExpression";
/// The class of `$vectorSearch`; with fields for arguments it is PostgreSQL's.
pub(crate) const VECTOR: &str = "SearchVector";
/// The class of `$rankFusion`.
pub(crate) const RANK_FUSION: &str = "SearchRankFusion";

/// What a search tells beside its score: class, what it is, its type.
pub(crate) const METAS: &[(&str, SearchMeta, FieldKind)] = &[
    (
        "SearchHighlights",
        SearchMeta::Highlights,
        FieldKind::JSONField,
    ),
    (
        "SearchScoreDetails",
        SearchMeta::Details,
        FieldKind::JSONField,
    ),
    (
        "SearchSequenceToken",
        SearchMeta::Sequence,
        FieldKind::TextField,
    ),
];

/// The operator of a class.
pub(crate) fn operator(class: &str) -> Option<&'static Operator> {
    OPERATORS.iter().find(|operator| operator.class == class)
}

/// Whether a class is a text search: with others it makes a compound.
pub(crate) fn is_text_search(class: &str) -> bool {
    matches!(class, COMPOUND | COMBINED) || operator(class).is_some()
}
