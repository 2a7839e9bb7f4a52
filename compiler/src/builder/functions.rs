//! Database functions, as a table: Rust name, Django's class, parameters.

use indexmap::IndexMap;

use super::Operand;
use crate::queryset::{Expr, Func, Value};
use crate::schema::FieldType;

/// A function by the name of its class: for registered ones and those without a shorthand here.
///
/// ```
/// use mqlc_compiler::builder::*;
/// assert_eq!(func("Lower", ["name"]), lower("name"));
/// ```
pub fn func<T: Operand>(name: impl Into<String>, args: impl IntoIterator<Item = T>) -> Func {
    call(
        name.into(),
        args.into_iter().map(Operand::operand).collect(),
    )
}

fn call(name: impl Into<String>, args: Vec<Expr>) -> Func {
    Func {
        name: name.into(),
        args,
        options: IndexMap::new(),
        output: None,
    }
}

impl Func {
    /// `output_field=`.
    #[must_use]
    pub fn output(mut self, output: impl Into<FieldType>) -> Self {
        self.output = Some(Box::new(output.into()));
        self
    }

    /// A parameter that is no expression, by its name in Django.
    #[must_use]
    pub fn option(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.options.insert(name.into(), value.into());
        self
    }

    /// `tzinfo=`: the name of a zone, `UTC` or `+01:00`.
    #[must_use]
    pub fn tz(self, zone: impl Into<String>) -> Self {
        self.option("tzinfo", zone.into())
    }

    /// One more argument.
    #[must_use]
    pub fn arg(mut self, arg: impl Operand) -> Self {
        self.args.push(arg.operand());
        self
    }
}

macro_rules! functions {
    ($($name:ident $class:literal ($($param:ident),*);)*) => {$(
        #[doc = concat!("`", $class, "(", $(stringify!($param), ", ",)* ")` of Django.")]
        pub fn $name($($param: impl Operand),*) -> Func {
            call($class, vec![$($param.operand()),*])
        }
    )*};
}

/// Functions of any number of arguments of one type; [`Func::arg`] adds others.
macro_rules! variadic {
    ($($name:ident $class:literal;)*) => {$(
        #[doc = concat!("`", $class, "(...)` of Django.")]
        pub fn $name<T: Operand>(args: impl IntoIterator<Item = T>) -> Func {
            func($class, args)
        }
    )*};
}

functions! {
    // comparison and conversion
    collate_with "Collate" (expression);
    nullif "NullIf" (first, second);

    // dates and times
    now "Now" ();
    extract_year "ExtractYear" (expression);
    extract_iso_year "ExtractIsoYear" (expression);
    extract_quarter "ExtractQuarter" (expression);
    extract_month "ExtractMonth" (expression);
    extract_week "ExtractWeek" (expression);
    extract_week_day "ExtractWeekDay" (expression);
    extract_iso_week_day "ExtractIsoWeekDay" (expression);
    extract_day "ExtractDay" (expression);
    extract_hour "ExtractHour" (expression);
    extract_minute "ExtractMinute" (expression);
    extract_second "ExtractSecond" (expression);
    trunc_year "TruncYear" (expression);
    trunc_quarter "TruncQuarter" (expression);
    trunc_month "TruncMonth" (expression);
    trunc_week "TruncWeek" (expression);
    trunc_day "TruncDay" (expression);
    trunc_hour "TruncHour" (expression);
    trunc_minute "TruncMinute" (expression);
    trunc_second "TruncSecond" (expression);
    trunc_date "TruncDate" (expression);
    trunc_time "TruncTime" (expression);

    // mathematics
    abs "Abs" (expression);
    acos "ACos" (expression);
    asin "ASin" (expression);
    atan "ATan" (expression);
    atan2 "ATan2" (first, second);
    ceil "Ceil" (expression);
    cos "Cos" (expression);
    cot "Cot" (expression);
    degrees "Degrees" (expression);
    exp "Exp" (expression);
    floor "Floor" (expression);
    ln "Ln" (expression);
    log "Log" (base, expression);
    modulo "Mod" (dividend, divisor);
    pi "Pi" ();
    power "Power" (base, exponent);
    radians "Radians" (expression);
    random "Random" ();
    round_to "Round" (expression, precision);
    sign "Sign" (expression);
    sin "Sin" (expression);
    sqrt "Sqrt" (expression);
    tan "Tan" (expression);

    // text
    chr "Chr" (expression);
    left "Left" (expression, length);
    length "Length" (expression);
    lower "Lower" (expression);
    lpad "LPad" (expression, length, fill);
    ltrim "LTrim" (expression);
    md5 "MD5" (expression);
    ord "Ord" (expression);
    repeat "Repeat" (expression, number);
    replace "Replace" (expression, text, replacement);
    reverse "Reverse" (expression);
    right "Right" (expression, length);
    rpad "RPad" (expression, length, fill);
    rtrim "RTrim" (expression);
    sha1 "SHA1" (expression);
    sha224 "SHA224" (expression);
    sha256 "SHA256" (expression);
    sha384 "SHA384" (expression);
    sha512 "SHA512" (expression);
    str_index "StrIndex" (expression, text);
    substr_from "Substr" (expression, position);
    substr "Substr" (expression, position, length);
    trim "Trim" (expression);
    upper "Upper" (expression);
    uuid4 "UUID4" ();
    uuid7 "UUID7" ();

    // windows
    cume_dist "CumeDist" ();
    dense_rank "DenseRank" ();
    first_value "FirstValue" (expression);
    last_value "LastValue" (expression);
    nth_value "NthValue" (expression, nth);
    ntile "Ntile" (buckets);
    percent_rank "PercentRank" ();
    rank "Rank" ();
    row_number "RowNumber" ();
}

variadic! {
    coalesce "Coalesce";
    concat "Concat";
    greatest "Greatest";
    json_array "JSONArray";
    least "Least";
}

/// `Cast(expression, output_field)`.
///
/// ```
/// use mqlc_compiler::builder::*;
/// assert_eq!(
///     Expr::from(cast("pages", FieldKind::FloatField)).to_json(),
///     r#"{"func":{"name":"Cast","args":[{"f":"pages"}],"output":{"type":"FloatField"}}}"#,
/// );
/// ```
pub fn cast(expression: impl Operand, output: impl Into<FieldType>) -> Func {
    call("Cast", vec![expression.operand()]).output(output)
}

/// `Collate(expression, collation)`.
pub fn collate(expression: impl Operand, collation: impl Into<String>) -> Func {
    collate_with(expression).option("collation", collation.into())
}

/// `Round(expression)`, to an integer.
pub fn round(expression: impl Operand) -> Func {
    round_to(expression, 0)
}

/// `Extract(expression, lookup_name)`.
pub fn extract(expression: impl Operand, lookup_name: impl Into<String>) -> Func {
    call("Extract", vec![expression.operand()]).option("lookup_name", lookup_name.into())
}

/// `Trunc(expression, kind)`.
pub fn trunc(expression: impl Operand, kind: impl Into<String>) -> Func {
    call("Trunc", vec![expression.operand()]).option("kind", kind.into())
}

/// `JSONObject(key=expression, ...)`.
///
/// ```
/// use mqlc_compiler::builder::*;
/// assert_eq!(
///     Expr::from(json_object([("a", "name")])).to_json(),
///     r#"{"func":{"name":"JSONObject","args":[{"value":"a"},{"f":"name"}]}}"#,
/// );
/// ```
pub fn json_object<K: Into<String>, T: Operand>(entries: impl IntoIterator<Item = (K, T)>) -> Func {
    let pair = |(key, expr): (K, T)| [Expr::from(key.into()), expr.operand()];
    call("JSONObject", entries.into_iter().flat_map(pair).collect())
}

/// `Lag(expression, offset)`; [`Func::arg`] adds a default.
pub fn lag(expression: impl Operand, offset: u32) -> Func {
    call("Lag", vec![expression.operand(), offset.into()])
}

/// `Lead(expression, offset)`; [`Func::arg`] adds a default.
pub fn lead(expression: impl Operand, offset: u32) -> Func {
    call("Lead", vec![expression.operand(), offset.into()])
}
