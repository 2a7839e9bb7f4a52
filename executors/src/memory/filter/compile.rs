//! From filter documents to the tree.
use bson::{Bson, Document};

use super::bits::{Bits, Test};
use super::schema::Schema;
use super::{Comparison, Condition, Hint, InSet, Node, Pred, TypeSet};
use crate::memory::error::EngineError;
use crate::memory::expr::{Expr, Scope};
use crate::memory::geo::Geo;
use crate::memory::pattern::Pattern;
use crate::memory::value::{Path, Regex, Value, compare, num, type_named, type_numbered};

type Compiled<T> = Result<T, EngineError>;

/// MongoDB refuses deeper filters as well.
const MAX_DEPTH: usize = 100;

fn bad<T>(message: impl Into<String>) -> Compiled<T> {
    Err(EngineError::bad_value(message))
}

/// A filter on documents.
pub(super) fn document(spec: &Document, scope: &Scope, depth: usize) -> Compiled<Node> {
    if depth > MAX_DEPTH {
        return bad("exceeded depth limit when converting BSON to a filter");
    }
    let mut nodes = Vec::with_capacity(spec.len());
    for (key, value) in spec {
        if let Some(name) = key.strip_prefix('$') {
            match top_level(name, value, scope, depth)? {
                Some(node) => nodes.push(node),
                None => continue,
            }
        } else {
            nodes.push(field(Some(&Path::lenient(key)?), value, scope, depth)?);
        }
    }
    Ok(and(nodes))
}

fn and(mut nodes: Vec<Node>) -> Node {
    match (nodes.len(), nodes.pop()) {
        (1, Some(only)) => only,
        (_, Some(last)) => {
            nodes.push(last);
            Node::And(nodes)
        }
        (_, None) => Node::Constant(true),
    }
}

fn not(node: Node) -> Node {
    Node::Not(Box::new(node))
}

fn clauses(name: &str, value: &Bson, scope: &Scope, depth: usize) -> Compiled<Vec<Node>> {
    let Bson::Array(items) = value else {
        return bad(format!(
            "${name} argument must be an array, but was {value}"
        ));
    };
    if items.is_empty() {
        return bad("$and/$or/$nor must be a nonempty array");
    }
    let clause = |item: &Bson| match item {
        Bson::Document(d) => document(d, scope, depth + 1),
        _ => bad("$or/$and/$nor entries need to be full objects"),
    };
    items.iter().map(clause).collect()
}

fn top_level(name: &str, value: &Bson, scope: &Scope, depth: usize) -> Compiled<Option<Node>> {
    Ok(Some(match name {
        "and" => and(clauses(name, value, scope, depth)?),
        "or" => Node::Or(clauses(name, value, scope, depth)?),
        "nor" => not(Node::Or(clauses(name, value, scope, depth)?)),
        "comment" => return Ok(None),
        "expr" => Node::Expr(Box::new(condition(value, scope)?)),
        "jsonSchema" => match value {
            Bson::Document(d) => Node::Schema(Box::new(Schema::compile(d)?)),
            _ => return Err(EngineError::type_mismatch("$jsonSchema must be an object")),
        },
        "alwaysTrue" | "alwaysFalse" => match Value::from_bson(value).as_i64() {
            Some(1) => Node::Constant(name == "alwaysTrue"),
            _ => {
                return Err(EngineError::failed_to_parse(format!(
                    "${name} must be an integer value of 1"
                )));
            }
        },
        "sampleRate" => match Value::from_bson(value).as_f64() {
            // Drawn by the expression's generator, so that runs repeat.
            Some(x) if (0.0..=1.0).contains(&x) => {
                let less = bson::doc! {"$lt": [{"$rand": {}}, x]};
                Node::Expr(Box::new(condition(&Bson::Document(less), scope)?))
            }
            _ => return bad("numeric argument to $sampleRate must be in [0, 1]"),
        },
        "text" => Node::Text(Box::new(super::TextQuery::compile(value)?)),
        "where" => return bad(format!("${name} is not supported by this engine")),
        _ => {
            return bad(format!(
                "unknown top level operator: ${name}. If you have a field name that starts with a '$' symbol, consider using $getField or $setField."
            ));
        }
    }))
}

fn condition(value: &Bson, scope: &Scope) -> Compiled<Condition> {
    let mut hints = Vec::new();
    find_hints(value, scope, &mut hints, 0);
    Ok(Condition {
        expr: Expr::compile(value, scope)?,
        hints,
    })
}

/// Finds `$eq` and `$in` between a field path and what does not depend on the document, at the top or under `$and`.
fn find_hints(value: &Bson, scope: &Scope, out: &mut Vec<Hint>, depth: usize) {
    let Bson::Document(d) = value else { return };
    let (Some((op, Bson::Array(args))), 1) = (d.iter().next(), d.len()) else {
        return;
    };
    match (op.as_str(), args.as_slice()) {
        ("$and", args) if depth < MAX_DEPTH => args
            .iter()
            .for_each(|a| find_hints(a, scope, out, depth + 1)),
        ("$eq", [a, b]) => {
            out.extend(hint(a, b, false, scope).or_else(|| hint(b, a, false, scope)));
        }
        ("$in", [a, b]) => out.extend(hint(a, b, true, scope)),
        _ => {}
    }
}

fn hint(path: &Bson, value: &Bson, any_of: bool, scope: &Scope) -> Option<Hint> {
    let Bson::String(text) = path else {
        return None;
    };
    if text.starts_with("$$") || depends_on_document(value) {
        return None;
    }
    let path = Path::parse(text.strip_prefix('$')?).ok()?;
    Some(Hint {
        path,
        value: Expr::compile(value, scope).ok()?,
        any_of,
    })
}

/// Whether an expression, as it is written, reads the document (or draws by chance).
pub(crate) fn depends_on_document(value: &Bson) -> bool {
    match value {
        Bson::String(s) => {
            s.starts_with("$$ROOT")
                || s.starts_with("$$CURRENT")
                || (s.starts_with('$') && !s.starts_with("$$"))
        }
        Bson::Array(items) => items.iter().any(depends_on_document),
        Bson::Document(d) => d
            .iter()
            .filter(|(k, _)| !matches!(k.as_str(), "$literal" | "$const"))
            .any(|(k, v)| k == "$rand" || depends_on_document(v)),
        _ => false,
    }
}

/// One field and what is asked of it. `path` is `None` for the value itself.
fn field(path: Option<&Path>, value: &Bson, scope: &Scope, depth: usize) -> Compiled<Node> {
    match value {
        Bson::Document(d) if is_operators(d) => operators(path, d, scope, depth),
        Bson::RegularExpression(r) => {
            Ok(leaf(path, regex(r.pattern.as_str(), r.options.as_str())?))
        }
        Bson::Undefined => bad("cannot compare to undefined"),
        other => Ok(leaf(
            path,
            Pred::Compare(Comparison::Eq, Value::from_bson(other)),
        )),
    }
}

/// Whether a document holds operators rather than being a value to equal: its first key decides (but not for the
/// fields of a DBRef).
fn is_operators(d: &Document) -> bool {
    d.keys()
        .next()
        .is_some_and(|k| k.starts_with('$') && !matches!(k.as_str(), "$ref" | "$id" | "$db"))
}

fn leaf(path: Option<&Path>, pred: Pred) -> Node {
    Node::Leaf(path.cloned(), pred)
}

fn regex(pattern: &str, options: &str) -> Compiled<Pred> {
    if pattern.contains('\0') {
        return bad("Regular expression cannot contain an embedded null byte");
    }
    let mut sorted: Vec<char> = options.chars().collect();
    sorted.sort_unstable();
    let source = Regex {
        pattern: pattern.into(),
        options: sorted.into_iter().collect::<String>().into(),
    };
    Ok(Pred::Regex(Pattern::compile(pattern, options)?, source))
}

/// A document of operators on one path or value.
pub(super) fn operators(
    path: Option<&Path>,
    spec: &Document,
    scope: &Scope,
    depth: usize,
) -> Compiled<Node> {
    if depth > MAX_DEPTH {
        return bad("exceeded depth limit when converting BSON to a filter");
    }
    if path.is_none() && !is_operators(spec) {
        return document(spec, scope, depth);
    }
    let mut nodes = Vec::with_capacity(spec.len());
    for (op, arg) in spec {
        let Some(name) = op.strip_prefix('$') else {
            return bad(format!("unknown operator: {op}"));
        };
        match name {
            "options" if spec.contains_key("$regex") => {}
            "options" => return bad("$options needs a $regex"),
            "maxDistance" | "minDistance"
                if spec.contains_key("$near") || spec.contains_key("$nearSphere") => {}
            "not" => nodes.push(negation(path, arg, scope, depth)?),
            "comment" => {}
            "and" | "or" | "nor" if path.is_none() => {
                if let Some(node) = top_level(name, arg, scope, depth)? {
                    nodes.push(node);
                }
            }
            _ => nodes.push(operator(path, name, arg, spec, scope, depth)?),
        }
    }
    Ok(and(nodes))
}

fn negation(path: Option<&Path>, arg: &Bson, scope: &Scope, depth: usize) -> Compiled<Node> {
    match arg {
        Bson::RegularExpression(r) => Ok(not(leaf(
            path,
            regex(r.pattern.as_str(), r.options.as_str())?,
        ))),
        Bson::Document(d) if d.is_empty() => bad("$not cannot be empty"),
        Bson::Document(d) if !is_operators(d) => bad(format!(
            "unknown operator: {}",
            d.keys().next().map_or("", String::as_str)
        )),
        Bson::Document(d) => Ok(not(operators(path, d, scope, depth + 1)?)),
        _ => bad("$not needs a regex or a document"),
    }
}

fn comparison(op: Comparison, arg: &Bson) -> Compiled<Pred> {
    match arg {
        Bson::Undefined => bad("cannot compare to undefined"),
        Bson::RegularExpression(_) if op != Comparison::Eq => {
            bad("Can't have RegEx as arg to predicate over field")
        }
        other => Ok(Pred::Compare(op, Value::from_bson(other))),
    }
}

fn operator(
    path: Option<&Path>,
    name: &str,
    arg: &Bson,
    siblings: &Document,
    scope: &Scope,
    depth: usize,
) -> Compiled<Node> {
    let pred = match name {
        "eq" => comparison(Comparison::Eq, arg)?,
        "lt" => comparison(Comparison::Lt, arg)?,
        "lte" => comparison(Comparison::Lte, arg)?,
        "gt" => comparison(Comparison::Gt, arg)?,
        "gte" => comparison(Comparison::Gte, arg)?,
        "ne" => {
            if matches!(arg, Bson::RegularExpression(_)) {
                return bad("Can't have regex as arg to $ne.");
            }
            return Ok(not(leaf(path, comparison(Comparison::Eq, arg)?)));
        }
        "in" => Pred::In(in_set(name, arg)?),
        "nin" => return Ok(not(leaf(path, Pred::In(in_set(name, arg)?)))),
        "exists" => {
            let node = leaf(path, Pred::Exists);
            return Ok(if Value::from_bson(arg).truthy() {
                node
            } else {
                not(node)
            });
        }
        "type" => Pred::Type(type_set(arg)?),
        "regex" => regex_operator(arg, siblings)?,
        "mod" => modulo(arg)?,
        "size" => Pred::Size(size(arg)?),
        "all" => return all(path, arg, scope, depth),
        "elemMatch" => elem_match(arg, scope, depth)?,
        "bitsAllSet" => Pred::Bits(Bits::compile(Test::AllSet, arg)?),
        "bitsAllClear" => Pred::Bits(Bits::compile(Test::AllClear, arg)?),
        "bitsAnySet" => Pred::Bits(Bits::compile(Test::AnySet, arg)?),
        "bitsAnyClear" => Pred::Bits(Bits::compile(Test::AnyClear, arg)?),
        "geoWithin" | "geoIntersects" | "near" | "nearSphere" | "within" => {
            Pred::Geo(Box::new(Geo::compile(&format!("${name}"), arg, siblings)?))
        }
        _ => return bad(format!("unknown operator: ${name}")),
    };
    Ok(leaf(path, pred))
}

fn in_set(name: &str, arg: &Bson) -> Compiled<InSet> {
    let Bson::Array(items) = arg else {
        return bad(format!("${name} needs an array"));
    };
    let mut set = InSet {
        values: Vec::with_capacity(items.len()),
        patterns: Vec::new(),
        null: false,
    };
    for item in items {
        match item {
            Bson::Document(d) if is_operators(d) => {
                return bad(format!("cannot nest $ under ${name}"));
            }
            Bson::Undefined => return bad("cannot compare to undefined"),
            Bson::RegularExpression(r) => {
                set.patterns
                    .push(Pattern::compile(r.pattern.as_str(), r.options.as_str())?);
                set.values.push(Value::from_bson(item));
            }
            other => {
                set.null |= matches!(other, Bson::Null);
                set.values.push(Value::from_bson(other));
            }
        }
    }
    set.values.sort_by(|a, b| compare(a.view(), b.view()));
    set.values.dedup();
    Ok(set)
}

/// The argument of `$type` or `bsonType`: a name, a number or an array of them.
///
/// # Errors
/// `BadValue` for an unknown type, `FailedToParse` for an empty array.
pub fn type_set(arg: &Bson) -> Result<TypeSet, EngineError> {
    let mut set = TypeSet::default();
    match arg {
        Bson::Array(items) if items.is_empty() => {
            return Err(EngineError::failed_to_parse(
                "$type must match at least one type",
            ));
        }
        Bson::Array(items) => items.iter().try_for_each(|item| one_type(item, &mut set))?,
        other => one_type(other, &mut set)?,
    }
    Ok(set)
}

fn one_type(arg: &Bson, set: &mut TypeSet) -> Compiled<()> {
    match arg {
        Bson::String(name) if name == "number" => {
            [1, 16, 18, 19].into_iter().for_each(|n| set.add(n))
        }
        Bson::String(name) => match type_named(name) {
            Some((_, number)) => set.add(number),
            None => return bad(format!("Unknown type name alias: {name}")),
        },
        other => {
            let value = Value::from_bson(other);
            if !value.is_number() {
                return Err(EngineError::type_mismatch(
                    "type must be represented as a number or a string",
                ));
            }
            let number = value.as_i64().and_then(|n| i32::try_from(n).ok());
            match number.and_then(type_numbered) {
                Some((_, number)) => set.add(number),
                None => return bad(format!("Invalid numerical type code: {other}")),
            }
        }
    }
    Ok(())
}

fn regex_operator(arg: &Bson, siblings: &Document) -> Compiled<Pred> {
    let options = match siblings.get("$options") {
        None => None,
        Some(Bson::String(s)) => Some(s.as_str()),
        Some(_) => return bad("$options has to be a string"),
    };
    match arg {
        Bson::String(s) => regex(s, options.unwrap_or_default()),
        Bson::RegularExpression(r) => match options {
            Some(_) if !r.options.as_str().is_empty() => Err(EngineError::location(
                51075,
                "options set in both $regex and $options",
            )),
            Some(o) => regex(r.pattern.as_str(), o),
            None => regex(r.pattern.as_str(), r.options.as_str()),
        },
        _ => bad("$regex has to be a string"),
    }
}

fn modulo(arg: &Bson) -> Compiled<Pred> {
    let Bson::Array(items) = arg else {
        return bad("malformed mod, needs to be an array");
    };
    let [divisor, remainder] = items.as_slice() else {
        let what = if items.len() < 2 {
            "not enough"
        } else {
            "too many"
        };
        return bad(format!("malformed mod, {what} elements"));
    };
    let whole = |b: &Bson, what: &str| {
        match Value::from_bson(b) {
            Value::Double(x) => num::exact_i64(x.trunc()),
            Value::Decimal(d) => d.truncated().exact_i64(),
            v => v.as_i64(),
        }
        .ok_or_else(|| {
            EngineError::bad_value(format!("malformed mod, {what} value is invalid: {b}"))
        })
    };
    let (divisor, remainder) = (whole(divisor, "divisor")?, whole(remainder, "remainder")?);
    if divisor == 0 {
        return bad("divisor cannot be 0");
    }
    Ok(Pred::Mod(divisor, remainder))
}

fn size(arg: &Bson) -> Compiled<usize> {
    let value = Value::from_bson(arg);
    if !value.is_number() {
        return bad(format!(
            "Failed to parse $size. Expected a number in: $size: {arg}"
        ));
    }
    match value.as_i64() {
        Some(n) => usize::try_from(n).or_else(|_| {
            bad(format!(
                "Failed to parse $size. Expected a non-negative number in: $size: {arg}"
            ))
        }),
        None => bad(format!(
            "Failed to parse $size. Expected an integer: $size: {arg}"
        )),
    }
}

fn all(path: Option<&Path>, arg: &Bson, scope: &Scope, depth: usize) -> Compiled<Node> {
    let Bson::Array(items) = arg else {
        return bad("$all needs an array");
    };
    if items.is_empty() {
        return Ok(Node::Constant(false));
    }
    let is_elem = |b: &Bson| matches!(b, Bson::Document(d) if d.keys().next().is_some_and(|k| k == "$elemMatch"));
    let elems = items.first().is_some_and(is_elem);
    let mut nodes = Vec::with_capacity(items.len());
    for item in items {
        match item {
            Bson::Document(d) if is_elem(item) && elems => {
                let Some(inner) = d.get("$elemMatch") else {
                    continue;
                };
                nodes.push(leaf(path, elem_match(inner, scope, depth)?));
            }
            _ if elems => return bad("$all/$elemMatch has to be consistent"),
            Bson::Document(d) if is_operators(d) => return bad("no $ expressions in $all"),
            other => nodes.push(field(path, other, scope, depth)?),
        }
    }
    Ok(and(nodes))
}

fn elem_match(arg: &Bson, scope: &Scope, depth: usize) -> Compiled<Pred> {
    let Bson::Document(d) = arg else {
        return bad("$elemMatch needs an Object");
    };
    let logical = |k: &String| {
        matches!(
            k.as_str(),
            "$and" | "$or" | "$nor" | "$where" | "$expr" | "$comment" | "$jsonSchema"
        )
    };
    let value_form = is_operators(d) && !d.keys().next().is_some_and(logical);
    if value_form {
        return Ok(Pred::ElemMatchValue(Box::new(operators(
            None,
            d,
            scope,
            depth + 1,
        )?)));
    }
    let node = document(d, scope, depth + 1)?;
    if holds_expr(&node) {
        return bad("$expr can only be applied to the top-level document");
    }
    Ok(Pred::ElemMatch(Box::new(node)))
}

pub(super) fn holds_expr(node: &Node) -> bool {
    match node {
        Node::Expr(_) => true,
        Node::And(nodes) | Node::Or(nodes) => nodes.iter().any(holds_expr),
        Node::Not(node) => holds_expr(node),
        _ => false,
    }
}
