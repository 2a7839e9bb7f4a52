//! The names that a text may use without defining them: Django's expressions, functions, lookups and fields, the MongoDB
//! backend's, and a little of Python. Data only; what they do is written where their role is.
//!
//! Order and defaults of parameters are those of the classes' constructors in Django 5.2.

use super::names::P::{Expr, Maybe, Opt, Output, Rest, Val, WithInt, WithText};
use crate::schema::FieldKind;

/// A known name.
#[derive(Debug, PartialEq)]
pub(super) struct Builtin {
    pub(super) name: &'static str,
    pub(super) role: Role,
}

/// What a name is.
#[derive(Debug, PartialEq)]
pub(super) enum Role {
    /// A database function with its parameters.
    Func(&'static [P]),
    /// An aggregate with its expressions; further parameters are options.
    Aggregate(&'static [P]),
    /// A search expression of the MongoDB backend: the first parameters are arguments, the rest options.
    Search(&'static [&'static str], &'static [&'static str]),
    /// A lookup class, with its name in paths.
    Lookup(&'static str),
    /// A field class.
    Field(FieldKind),
    Special(Special),
    Python(Python),
}

/// A parameter of a function.
#[derive(Debug, PartialEq)]
pub(super) enum P {
    /// An expression; a string names a field.
    Expr(&'static str),
    /// An expression; a string is itself.
    Val(&'static str),
    /// An expression that may be left out.
    Maybe(&'static str),
    /// An expression with a default.
    WithInt(&'static str, i64),
    /// An expression with a default.
    WithText(&'static str, &'static str),
    /// Any number of expressions, at least so many.
    Rest(usize),
    /// A parameter that is no expression.
    Opt(&'static str),
    /// `output_field` at this position.
    Output,
}

/// Names with a form of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Special {
    F,
    Q,
    Value,
    OuterRef,
    Subquery,
    ArraySubquery,
    Exists,
    Case,
    When,
    ExpressionWrapper,
    FilteredRelation,
    OrderBy,
    Window,
    RowRange,
    ValueRange,
    WindowFrameExclusion,
    Prefetch,
    JsonObject,
    Collate,
    KeyText,
    KeyTransform,
    KeyTextTransform,
    RawMql,
    /// `Func(..., function="LOWER")`.
    Sql,
    Compound,
    RankFusion,
    GetUserModel,
    GetModel,
    GetObject,
    GetList,
    PrefetchRelatedObjects,
    /// Known, and without a form in a statement: the reason.
    Refused(&'static str),
}

/// Python's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Python {
    Date,
    DateTime,
    Time,
    TimeDelta,
    TimeZone,
    UtcNow,
    LocalDate,
    Utc,
    CurrentZone,
    MakeAware,
    ZoneInfo,
    Decimal,
    Uuid,
    RandomUuid,
    ObjectId,
    Compile,
    Len,
    Ord,
    Chr,
    Int,
    Float,
    Str,
    Bool,
    List,
    Tuple,
    Set,
    Dict,
    Range,
    Abs,
    Min,
    Max,
    Sum,
    Round,
    Sorted,
    Print,
    Reduce,
    Operator(&'static str),
    RegexFlag(&'static str),
    Super,
    Translate,
}

const fn b(name: &'static str, role: Role) -> Builtin {
    Builtin { name, role }
}

const ONE: &[P] = &[Expr("expression")];
const EXTRACT: &[P] = &[Expr("expression"), Opt("lookup_name"), Opt("tzinfo")];
const TRUNC: &[P] = &[Expr("expression"), Output, Opt("tzinfo")];
const SAMPLE: &[P] = &[Expr("expression"), Opt("sample")];
const PAIR: &[P] = &[Expr("y"), Expr("x")];
const PAIR_SAMPLE: &[P] = &[Expr("y"), Expr("x"), Opt("sample")];

macro_rules! table {
    ($($role:expr => $($name:literal),+;)*) => {
        &[$($(b($name, $role),)+)*]
    };
}

/// Every known name.
static NAMES: &[Builtin] = table! {
    Role::Func(ONE) =>
        "Abs", "ACos", "ASin", "ATan", "Ceil", "Chr", "Cos", "Cot", "Degrees", "Exp", "FirstValue", "Floor", "LTrim",
        "LastValue", "Length", "Ln", "Lower", "MD5", "Ord", "RTrim", "Radians", "Reverse", "SHA1", "SHA224", "SHA256",
        "SHA384", "SHA512", "Sign", "Sin", "Sqrt", "Tan", "Trim", "Upper";
    Role::Func(&[]) =>
        "CumeDist", "DenseRank", "Now", "PercentRank", "Pi", "Random", "Rank", "RowNumber", "TransactionNow",
        "RandomUUID", "UUID4", "UUID7";
    Role::Func(EXTRACT) =>
        "ExtractDay", "ExtractHour", "ExtractIsoWeekDay", "ExtractIsoYear", "ExtractMinute", "ExtractMonth",
        "ExtractQuarter", "ExtractSecond", "ExtractWeek", "ExtractWeekDay", "ExtractYear", "Extract";
    Role::Func(TRUNC) =>
        "TruncDate", "TruncDay", "TruncHour", "TruncMinute", "TruncMonth", "TruncQuarter", "TruncSecond", "TruncTime",
        "TruncWeek", "TruncYear";
    Role::Func(&[Expr("expression"), Opt("kind"), Output, Opt("tzinfo")]) => "Trunc";
    Role::Func(&[Expr("expression1"), Expr("expression2")]) =>
        "ATan2", "Log", "Mod", "NullIf", "Power", "StrIndex";
    Role::Func(&[Expr("expression"), Val("string")]) => "TrigramSimilarity", "TrigramDistance";
    Role::Func(&[Val("string"), Expr("expression")]) =>
        "TrigramWordSimilarity", "TrigramWordDistance", "TrigramStrictWordSimilarity", "TrigramStrictWordDistance";
    Role::Func(&[Expr("expression"), Expr("length")]) => "Left", "Right";
    Role::Func(&[Expr("expression"), Expr("length"), WithText("fill_text", " ")]) => "LPad", "RPad";
    Role::Func(&[Expr("expression"), Expr("number")]) => "Repeat";
    Role::Func(&[Expr("expression"), Expr("text"), WithText("replacement", "")]) => "Replace";
    Role::Func(&[Expr("expression"), Expr("pos"), Maybe("length")]) => "Substr";
    Role::Func(&[Expr("expression"), WithInt("precision", 0)]) => "Round";
    Role::Func(&[Expr("expression"), Output]) => "Cast";
    Role::Func(&[Expr("expression"), WithInt("offset", 1), Maybe("default")]) => "Lag", "Lead";
    Role::Func(&[Expr("expression"), WithInt("nth", 1)]) => "NthValue";
    Role::Func(&[WithInt("num_buckets", 1)]) => "Ntile";
    Role::Func(&[Rest(2)]) => "Coalesce", "Concat", "Greatest", "Least";
    Role::Func(&[Expr("left"), Expr("right")]) => "ConcatPair";
    Role::Func(&[Rest(0)]) => "JSONArray";
    Role::Func(&[Rest(1), Opt("config"), Opt("weight")]) => "SearchVector";
    Role::Func(&[Val("value"), Output, Opt("config"), Opt("search_type"), Opt("invert")]) => "SearchQuery";
    Role::Func(&[
        Expr("vector"), Val("query"), Opt("weights"), Opt("normalization"), Opt("cover_density"),
    ]) => "SearchRank";
    Role::Func(&[
        Expr("expression"), Val("query"), Opt("config"), Opt("start_sel"), Opt("stop_sel"), Opt("max_words"),
        Opt("min_words"), Opt("short_word"), Opt("highlight_all"), Opt("max_fragments"), Opt("fragment_delimiter"),
    ]) => "SearchHeadline";

    Role::Aggregate(ONE) =>
        "Count", "Sum", "Avg", "Min", "Max", "ArrayAgg", "JSONBAgg", "JSONArrayAgg", "BitAnd", "BitOr", "BitXor", "BoolAnd", "BoolOr",
        "AnyValue";
    Role::Aggregate(SAMPLE) => "StdDev", "Variance";
    Role::Aggregate(&[Expr("expression"), Expr("delimiter")]) => "StringAgg";
    Role::Aggregate(PAIR) =>
        "Corr", "RegrAvgX", "RegrAvgY", "RegrCount", "RegrIntercept", "RegrR2", "RegrSXX", "RegrSXY", "RegrSYY",
        "RegrSlope";
    Role::Aggregate(PAIR_SAMPLE) => "CovarPop";

    Role::Search(&["path", "value"], &["score"]) => "SearchEquals";
    Role::Search(&["path", "query"], &["fuzzy", "token_order", "score"]) => "SearchAutocomplete";
    Role::Search(&["path"], &["score"]) => "SearchExists";
    Role::Search(&["path", "value"], &["score"]) => "SearchIn";
    Role::Search(&["path", "query"], &["slop", "synonyms", "score"]) => "SearchPhrase";
    Role::Search(&["path", "query"], &["score"]) => "SearchQueryString";
    Role::Search(&["path", "operator"], &["score"]) => "SearchEmbeddedDocument";
    Role::Search(&["documents"], &["score"]) => "SearchMoreLikeThis";
    Role::Search(&["path"], &["lt", "lte", "gt", "gte", "score"]) => "SearchRange";
    Role::Search(&["path", "query"], &["allow_analyzed_field", "score"]) => "SearchRegex", "SearchWildcard";
    Role::Search(&["path", "query"], &["fuzzy", "match_criteria", "synonyms", "score"]) => "SearchText";
    Role::Search(&["path"], &["relation", "geometry", "score"]) => "SearchGeoShape";
    Role::Search(&["path"], &["kind", "geo_object", "score"]) => "SearchGeoWithin";
    Role::Search(&["definition"], &[]) => "SearchScoreOption";
    Role::Search(&["path"], &["max_chars_to_examine", "max_num_passages"]) => "SearchHighlights";
    Role::Func(&[]) => "SearchScoreDetails", "SearchSequenceToken";
    Role::Special(Special::RankFusion) => "SearchRankFusion";
    Role::Special(Special::Compound) => "CompoundExpression";

    Role::Lookup("exact") => "Exact";
    Role::Lookup("iexact") => "IExact";
    Role::Lookup("gt") => "GreaterThan";
    Role::Lookup("gte") => "GreaterThanOrEqual";
    Role::Lookup("lt") => "LessThan";
    Role::Lookup("lte") => "LessThanOrEqual";
    Role::Lookup("in") => "In";
    Role::Lookup("contains") => "Contains";
    Role::Lookup("icontains") => "IContains";
    Role::Lookup("startswith") => "StartsWith";
    Role::Lookup("istartswith") => "IStartsWith";
    Role::Lookup("endswith") => "EndsWith";
    Role::Lookup("iendswith") => "IEndsWith";
    Role::Lookup("range") => "Range";
    Role::Lookup("isnull") => "IsNull";
    Role::Lookup("regex") => "Regex";
    Role::Lookup("iregex") => "IRegex";
    Role::Lookup("has_key") => "HasKey";
    Role::Lookup("has_keys") => "HasKeys";
    Role::Lookup("has_any_keys") => "HasAnyKeys";
    Role::Lookup("exact") => "TupleExact";
    Role::Lookup("gt") => "TupleGreaterThan";
    Role::Lookup("gte") => "TupleGreaterThanOrEqual";
    Role::Lookup("lt") => "TupleLessThan";
    Role::Lookup("lte") => "TupleLessThanOrEqual";
    Role::Lookup("in") => "TupleIn";
    Role::Lookup("isnull") => "TupleIsNull";

    Role::Special(Special::F) => "F";
    Role::Special(Special::Q) => "Q";
    Role::Special(Special::Value) => "Value";
    Role::Special(Special::OuterRef) => "OuterRef";
    Role::Special(Special::Subquery) => "Subquery";
    Role::Special(Special::ArraySubquery) => "ArraySubquery";
    Role::Special(Special::Exists) => "Exists";
    Role::Special(Special::Case) => "Case";
    Role::Special(Special::When) => "When";
    Role::Special(Special::ExpressionWrapper) => "ExpressionWrapper";
    Role::Special(Special::FilteredRelation) => "FilteredRelation";
    Role::Special(Special::OrderBy) => "OrderBy";
    Role::Special(Special::Window) => "Window";
    Role::Special(Special::RowRange) => "RowRange";
    Role::Special(Special::ValueRange) => "ValueRange";
    Role::Special(Special::WindowFrameExclusion) => "WindowFrameExclusion";
    Role::Special(Special::Prefetch) => "Prefetch";
    Role::Special(Special::JsonObject) => "JSONObject";
    Role::Special(Special::Collate) => "Collate";
    Role::Special(Special::KeyText) => "KT";
    Role::Special(Special::KeyTransform) => "KeyTransform";
    Role::Special(Special::KeyTextTransform) => "KeyTextTransform";
    Role::Special(Special::RawMql) => "RawMQL";
    Role::Special(Special::GetUserModel) => "get_user_model";
    Role::Special(Special::GetModel) => "get_model";
    Role::Special(Special::GetObject) => "get_object_or_404", "aget_object_or_404";
    Role::Special(Special::GetList) => "get_list_or_404", "aget_list_or_404";
    Role::Special(Special::PrefetchRelatedObjects) => "prefetch_related_objects", "aprefetch_related_objects";
    Role::Special(Special::Sql) => "Func", "Aggregate";
    Role::Special(Special::Refused("its SQL template has no meaning for MongoDB")) => "Transform", "Lookup", "CombinedExpression";
    Role::Special(Special::Refused("MongoDB computes no geometries: it stores, indexes and selects by them")) =>
        "AsGeoJSON", "AsGML", "AsKML", "AsSVG", "AsWKB", "AsWKT", "Azimuth", "BoundingCircle", "Centroid", "Envelope",
        "Extent", "Extent3D", "ForcePolygonCW", "FromWKB", "FromWKT", "GeoHash", "Intersection", "MakeLine", "MakeValid",
        "MemSize", "NumGeometries", "NumPoints", "Perimeter", "PointOnSurface", "SnapToGrid", "SymDifference", "Union";
    Role::Special(Special::Refused("raw SQL has no meaning for MongoDB")) => "RawSQL";
    Role::Special(Special::Refused("its querysets are of several models, which a statement cannot hold")) => "GenericPrefetch";
    Role::Special(Special::Refused("full text search configurations are a feature of PostgreSQL")) => "SearchConfig";

    Role::Python(Python::Date) => "date";
    Role::Python(Python::Time) => "time";
    Role::Python(Python::TimeDelta) => "timedelta";
    Role::Python(Python::UtcNow) => "now", "localtime";
    Role::Python(Python::LocalDate) => "localdate", "today";
    Role::Python(Python::Utc) => "utc", "UTC";
    Role::Python(Python::CurrentZone) => "get_current_timezone", "get_default_timezone";
    Role::Python(Python::MakeAware) => "make_aware";
    Role::Python(Python::ZoneInfo) => "ZoneInfo";
    Role::Python(Python::Decimal) => "Decimal", "Decimal128";
    Role::Python(Python::Uuid) => "UUID";
    Role::Python(Python::RandomUuid) => "uuid4", "uuid1", "uuid7";
    Role::Python(Python::ObjectId) => "ObjectId";
    Role::Python(Python::Compile) => "compile";
    Role::Python(Python::Len) => "len";
    Role::Python(Python::Ord) => "ord";
    Role::Python(Python::Chr) => "chr";
    Role::Python(Python::Int) => "int";
    Role::Python(Python::Float) => "float";
    Role::Python(Python::Str) => "str";
    Role::Python(Python::Bool) => "bool";
    Role::Python(Python::List) => "list";
    Role::Python(Python::Tuple) => "tuple";
    Role::Python(Python::Set) => "set", "frozenset";
    Role::Python(Python::Dict) => "dict";
    Role::Python(Python::Range) => "range";
    Role::Python(Python::Abs) => "abs";
    Role::Python(Python::Min) => "min";
    Role::Python(Python::Max) => "max";
    Role::Python(Python::Sum) => "sum";
    Role::Python(Python::Round) => "round";
    Role::Python(Python::Sorted) => "sorted";
    Role::Python(Python::Print) => "print";
    Role::Python(Python::Reduce) => "reduce";
    Role::Python(Python::Operator("|")) => "or_", "ior";
    Role::Python(Python::Operator("&")) => "and_", "iand";
    Role::Python(Python::Operator("^")) => "xor", "ixor";
    Role::Python(Python::Operator("+")) => "add", "iadd";
    Role::Python(Python::Operator("-")) => "sub";
    Role::Python(Python::Operator("*")) => "mul";
    Role::Python(Python::RegexFlag("i")) => "IGNORECASE", "I";
    Role::Python(Python::RegexFlag("m")) => "MULTILINE", "M";
    Role::Python(Python::RegexFlag("s")) => "DOTALL", "S";
    Role::Python(Python::RegexFlag("x")) => "VERBOSE", "X";
    Role::Python(Python::Super) => "super";
    Role::Python(Python::Translate) => "gettext", "gettext_lazy", "_", "pgettext_lazy", "ngettext_lazy";
};

/// Field classes and the two classes of `datetime` whose names are modules too.
static FIELDS: &[Builtin] = &{
    const fn field(kind: FieldKind, name: &'static str) -> Builtin {
        b(name, Role::Field(kind))
    }
    use FieldKind as K;
    [
        field(K::AutoField, "AutoField"),
        field(K::BigAutoField, "BigAutoField"),
        field(K::SmallAutoField, "SmallAutoField"),
        field(K::ObjectIdAutoField, "ObjectIdAutoField"),
        field(K::ObjectIdField, "ObjectIdField"),
        field(K::IntegerField, "IntegerField"),
        field(K::BigIntegerField, "BigIntegerField"),
        field(K::SmallIntegerField, "SmallIntegerField"),
        field(K::PositiveIntegerField, "PositiveIntegerField"),
        field(K::PositiveBigIntegerField, "PositiveBigIntegerField"),
        field(K::PositiveSmallIntegerField, "PositiveSmallIntegerField"),
        field(K::FloatField, "FloatField"),
        field(K::DecimalField, "DecimalField"),
        field(K::CharField, "CharField"),
        field(K::TextField, "TextField"),
        field(K::EmailField, "EmailField"),
        field(K::URLField, "URLField"),
        field(K::SlugField, "SlugField"),
        field(K::FileField, "FileField"),
        field(K::FilePathField, "FilePathField"),
        field(K::ImageField, "ImageField"),
        field(K::GenericIPAddressField, "GenericIPAddressField"),
        field(K::IPAddressField, "IPAddressField"),
        field(K::CommaSeparatedIntegerField, "CommaSeparatedIntegerField"),
        field(K::BooleanField, "BooleanField"),
        field(K::NullBooleanField, "NullBooleanField"),
        field(K::BinaryField, "BinaryField"),
        field(K::DateField, "DateField"),
        field(K::DateTimeField, "DateTimeField"),
        field(K::TimeField, "TimeField"),
        field(K::DurationField, "DurationField"),
        field(K::UUIDField, "UUIDField"),
        field(K::JSONField, "JSONField"),
        field(K::ForeignKey, "ForeignKey"),
        field(K::OneToOneField, "OneToOneField"),
        field(K::ForeignObject, "ForeignObject"),
        field(K::ManyToManyField, "ManyToManyField"),
        field(K::GenericForeignKey, "GenericForeignKey"),
        field(K::GenericRelation, "GenericRelation"),
        field(K::CompositePrimaryKey, "CompositePrimaryKey"),
        field(K::ArrayField, "ArrayField"),
        field(K::ListField, "ListField"),
        field(K::SetField, "SetField"),
        field(K::DictField, "DictField"),
        field(K::EmbeddedModelField, "EmbeddedModelField"),
        field(K::EmbeddedModelArrayField, "EmbeddedModelArrayField"),
        field(
            K::PolymorphicEmbeddedModelField,
            "PolymorphicEmbeddedModelField",
        ),
        field(
            K::PolymorphicEmbeddedModelArrayField,
            "PolymorphicEmbeddedModelArrayField",
        ),
        field(K::GeometryField, "GeometryField"),
        field(K::PointField, "PointField"),
        field(K::LineStringField, "LineStringField"),
        field(K::PolygonField, "PolygonField"),
        field(K::MultiPointField, "MultiPointField"),
        field(K::MultiLineStringField, "MultiLineStringField"),
        field(K::MultiPolygonField, "MultiPolygonField"),
        field(K::GeometryCollectionField, "GeometryCollectionField"),
    ]
};

/// `datetime` and `timezone`, when they are called.
pub(super) static DATETIME: Builtin = b("datetime", Role::Python(Python::DateTime));
/// As [`DATETIME`].
pub(super) static TIMEZONE: Builtin = b("timezone", Role::Python(Python::TimeZone));

/// Modules by the names that people bind them to.
const MODULES: &[&str] = &[
    "aggregates",
    "apps",
    "bson",
    "contrib",
    "datetime",
    "db",
    "decimal",
    "django",
    "django_mongodb_backend",
    "expressions",
    "fields",
    "functions",
    "functools",
    "json",
    "lookups",
    "models",
    "operator",
    "postgres",
    "re",
    "search",
    "settings",
    "timezone",
    "utils",
    "uuid",
    "zoneinfo",
];

/// A known name that is no module.
pub(super) fn find(name: &str) -> Option<&'static Builtin> {
    NAMES.iter().chain(FIELDS).find(|b| b.name == name)
}

/// Names that could have been meant.
pub(super) fn all() -> impl Iterator<Item = &'static str> {
    NAMES.iter().chain(FIELDS).map(|b| b.name)
}

/// Whether a bare name is a module.
pub(super) fn is_module(name: &str) -> bool {
    MODULES.contains(&name)
}

/// Methods of the class `datetime`, which its module stands for.
pub(super) fn is_datetime_method(name: &str) -> bool {
    matches!(
        name,
        "now" | "utcnow" | "today" | "combine" | "fromisoformat" | "strptime" | "fromtimestamp"
    )
}
