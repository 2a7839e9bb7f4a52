//! `$graphLookup`: breadth first, every document once.
use std::collections::HashSet;
use std::sync::Arc;

use bson::Bson;

use super::foreign::{Foreign, Namespace, local_values};
use super::{Compiling, Context, Held, Source, Stage, StagePlan, Starting};
use crate::memory::error::EngineError;
use crate::memory::expr::{Env, Expr};
use crate::memory::filter::Filter;
use crate::memory::value::{Document, Key, Path, Value, ValueRef};

/// A compiled `$graphLookup`.
#[derive(Clone, Debug)]
pub struct GraphLookup {
    from: Namespace,
    start_with: Expr,
    connect_from: Path,
    connect_to: Path,
    into: Path,
    max_depth: Option<u64>,
    depth_field: Option<Path>,
    restrict: Option<Filter>,
}

fn fail<T>(code: i32, message: impl Into<String>) -> Result<T, EngineError> {
    Err(EngineError::location(code, message))
}

impl GraphLookup {
    /// Reads the specification.
    ///
    /// # Errors
    /// 40100 to 40105 and `FailedToParse` as MongoDB.
    pub fn compile(spec: &Bson, compiling: &Compiling<'_>) -> Result<Self, EngineError> {
        let Bson::Document(d) = spec else {
            return Err(EngineError::failed_to_parse(
                "the $graphLookup stage specification must be an object",
            ));
        };
        let text = |key: &str| match d.get(key) {
            Some(Bson::String(s)) => Ok(Some(s.as_str())),
            Some(_) if key == "from" => Err(EngineError::failed_to_parse(
                "$graphLookup 'from' must be a string",
            )),
            Some(other) => fail(
                40103,
                format!(
                    "expected string as argument for {key}, found: {}",
                    Value::from_bson(other).type_name()
                ),
            ),
            None => Ok(None),
        };
        const KNOWN: [&str; 8] = [
            "from",
            "startWith",
            "connectFromField",
            "connectToField",
            "as",
            "maxDepth",
            "depthField",
            "restrictSearchWithMatch",
        ];
        if let Some(unknown) = d.keys().find(|k| !KNOWN.contains(&k.as_str())) {
            return fail(
                40104,
                format!("unknown argument to $graphLookup: {unknown}"),
            );
        }
        let max_depth = match d.get("maxDepth") {
            None => None,
            Some(v) => {
                let value = Value::from_bson(v);
                if !value.is_number() {
                    return fail(40100, "maxDepth must be numeric");
                }
                if value.as_f64().is_some_and(|n| n < 0.0) {
                    return fail(40101, "maxDepth requires a nonnegative argument");
                }
                match value.as_i64().map(u64::try_from) {
                    Some(Ok(n)) => Some(n),
                    _ => {
                        return fail(40102, "maxDepth could not be represented as a long");
                    }
                }
            }
        };
        let restrict = match d.get("restrictSearchWithMatch") {
            None => None,
            Some(Bson::Document(f)) => {
                let filter = Filter::compile(f, compiling.scope)?;
                if filter.near().is_some() {
                    return fail(5_626_500, "$near is not allowed in restrictSearchWithMatch");
                }
                Some(filter)
            }
            Some(_) => return fail(40185, "restrictSearchWithMatch must be an object"),
        };
        let path = |key: &str| text(key)?.map(Path::parse).transpose();
        let depth_field = path("depthField")?;
        let (from, from_field, to_field, into) = (
            text("from")?,
            path("connectFromField")?,
            path("connectToField")?,
            path("as")?,
        );
        if from.is_none() {
            return Err(EngineError::failed_to_parse(
                "missing 'from' option to $graphLookup stage specification",
            ));
        }
        let (Some(from), Some(start), Some(connect_from), Some(connect_to), Some(into)) =
            (from, d.get("startWith"), from_field, to_field, into)
        else {
            return fail(
                40105,
                "$graphLookup requires 'from', 'as', 'startWith', 'connectFromField', and 'connectToField' to be specified.",
            );
        };
        Ok(Self {
            from: Namespace::new(from.to_owned()),
            start_with: Expr::compile(start, compiling.scope)?,
            connect_from,
            connect_to,
            into,
            max_depth,
            depth_field,
            restrict,
        })
    }
}

impl StagePlan for GraphLookup {
    fn start(&self, input: Source, starting: &Starting<'_>) -> Result<Source, EngineError> {
        Ok(Box::new(Search {
            input,
            plan: self.clone(),
            context: Arc::clone(starting.context),
            foreign: None,
        }))
    }
}

struct Search {
    input: Source,
    plan: GraphLookup,
    context: Arc<Context>,
    foreign: Option<Foreign>,
}

impl Search {
    fn run(&mut self, doc: &Document, env: &mut Env<'_>) -> Result<Value, EngineError> {
        let plan = &self.plan;
        env.set_root(doc.clone());
        let mut frontier: Vec<Value> = match plan.start_with.eval(env)? {
            Value::Array(items) => items.into_vec(),
            other => vec![other.or_null()],
        };
        let foreign = match &self.foreign {
            Some(foreign) => foreign,
            None => self.foreign.insert(Foreign::open(
                Some(&plan.from),
                &plan.connect_to,
                &self.context,
                env,
            )?),
        };
        let mut asked: HashSet<Key> = HashSet::new();
        let mut seen: HashSet<Key> = HashSet::new();
        let mut found = Vec::new();
        let (mut depth, mut held) = (0_u64, Held::new("$graphLookup"));
        while !frontier.is_empty() && plan.max_depth.is_none_or(|max| depth <= max) {
            frontier.retain(|v| asked.insert(Key(v.clone())));
            let mut next = Vec::new();
            for other in foreign.matching(&frontier, env) {
                if let Some(filter) = &plan.restrict
                    && !filter.matches(other.view(), env)?
                {
                    continue;
                }
                if !seen.insert(Key(other.get("_id"))) {
                    continue;
                }
                held.add(other.held_bytes(), env)?;
                if has_value(&other, &plan.connect_from) {
                    next.extend(local_values(&other, &plan.connect_from));
                }
                found.push(Value::Document(match &plan.depth_field {
                    Some(path) => other.with_path(
                        path.parts(),
                        Value::Int64(i64::try_from(depth).unwrap_or(i64::MAX)),
                    ),
                    None => other,
                }));
            }
            frontier = next;
            depth += 1;
        }
        Ok(Value::array(found))
    }
}

/// Missing fields connect to nothing.
fn has_value(doc: &Document, path: &Path) -> bool {
    !matches!(path.get_ref(doc.view()), Some(ValueRef::Missing))
        && !matches!(path.get(doc.view()), Value::Array(a) if a.is_empty())
}

impl Stage for Search {
    fn next(&mut self, env: &mut Env<'_>) -> Result<Option<Document>, EngineError> {
        let Some(doc) = self.input.next(env)? else {
            return Ok(None);
        };
        let found = self.run(&doc, env)?;
        Ok(Some(doc.with_path(self.plan.into.parts(), found)))
    }
}
