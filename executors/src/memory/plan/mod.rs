//! The planner: which index, if any, gives the documents of a filter in the order of a sort.
//!
//! An index holds an entry for every value that the match language finds at its paths, so a predicate on one path is
//! answered by the entries inside its bounds; the whole filter is then checked on every document that they lead to.
mod bounds;
mod hint;
mod scan;

use std::sync::Arc;

pub use bounds::{Bound, Interval};
pub use hint::Hint;
pub use scan::{CollectionScan, Examined, IndexScan, locate_key};

use super::error::{Code, EngineError};
use super::expr::Env;
use super::filter::{Comparison, Filter, Node, Pred};
use super::stage::SortSpec;
use super::storage::{Collection, Index, IndexSpec};
use super::value::{Path, Value};

/// Bounds on the fields of an index: equal values for the first fields, then an interval on the next one.
#[derive(Clone, Debug, Default)]
pub struct Range {
    /// What the first fields equal.
    pub prefix: Vec<Value>,
    /// Bounds on the field after those.
    pub interval: Option<Interval>,
    /// Or bounds on the whole key.
    pub between: Option<Arc<Between>>,
}

/// Bounds on whole keys.
#[derive(Clone, Debug)]
pub struct Between {
    /// The first key that is inside.
    pub min: Option<Vec<Value>>,
    /// The first key that is not any more.
    pub max: Option<Vec<Value>>,
}

/// How to read a collection.
#[derive(Clone, Debug)]
pub enum Access {
    /// Every document, in order of insertion.
    Scan {
        /// Or in the opposite order.
        reverse: bool,
    },
    /// The entries of one index within some ranges.
    Index {
        /// Which index of the collection.
        index: usize,
        /// The ranges, in the index's order.
        ranges: Vec<Range>,
        /// Whether to go backward.
        reverse: bool,
        /// Whether the order of the index is asked for; else documents may come in any order.
        ordered: bool,
    },
}

/// A way to read, and whether the documents come sorted.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The way.
    pub access: Access,
    /// Whether no sort is needed.
    pub sorted: bool,
}

impl Plan {
    /// The same where nobody asks for an order.
    fn in_any_order(mut self, any: bool) -> Self {
        if let Access::Index { ordered, .. } = &mut self.access {
            *ordered = !any;
        }
        self
    }
}

/// No more ranges than this in one scan.
const MAX_RANGES: usize = 2000;

fn flatten<'f>(node: &'f Node, out: &mut Vec<&'f Node>) {
    match node {
        Node::And(nodes) => nodes.iter().for_each(|n| flatten(n, out)),
        other => out.push(other),
    }
}

/// Chooses how to read a collection for filters that must all hold.
///
/// # Errors
/// `BadValue` for a hint that names no index, `NoQueryExecutionPlans` for one that cannot answer the filters.
pub fn choose(
    collection: &Collection,
    filters: &[Arc<Filter>],
    sort: Option<&SortSpec>,
    hint: Option<&Hint>,
    env: &mut Env<'_>,
) -> Result<Plan, EngineError> {
    if let Some((path, geo)) = filters.iter().find_map(|f| f.near()) {
        measurable(collection, path, geo.index_kinds())?;
    }
    let mut nodes = Vec::new();
    filters.iter().for_each(|f| flatten(f.node(), &mut nodes));
    let conditions = bounds::collect(&nodes, env);
    let scan = Plan {
        access: Access::Scan {
            reverse: matches!(hint, Some(Hint::Natural { reverse: true })),
        },
        sorted: sort.is_none_or(|s| s.parts.is_empty()),
    };
    if let Some(hint) = hint {
        let Some(at) = hint.index(collection)? else {
            return Ok(scan);
        };
        return match collection.indexes().get(at) {
            Some(index) if hint.is_between() => between(at, index, hint, sort, env),
            // Indexes that are only listed have no entries: the collection is read.
            Some(index) if index.spec.fields.is_empty() => Ok(scan),
            Some(index) => with_index(at, index, &nodes, &conditions, sort, true, env)
                .map(|c| c.plan)
                .ok_or_else(|| hint::no_plan(collection)),
            None => Ok(scan),
        };
    }
    if conditions.is_empty() && scan.sorted {
        return Ok(scan);
    }
    let mut candidates: Vec<Candidate> = Vec::new();
    for (at, index) in collection.indexes().iter().enumerate() {
        candidates.extend(with_index(at, index, &nodes, &conditions, sort, false, env));
    }
    let Some(best) = best_shape(&candidates) else {
        return Ok(scan);
    };
    if best.one || !best.bounded {
        return Ok(best.plan.clone().in_any_order(scan.sorted));
    }
    // Bounds of one kind may hold for few documents or for most of them.
    let rivals: Vec<&Candidate> = candidates
        .iter()
        .filter(|c| c.bounded && c.plan.sorted == best.plan.sorted)
        .collect();
    let chosen = smallest(collection, &rivals).unwrap_or(best);
    Ok(chosen.plan.clone().in_any_order(scan.sorted))
}

/// Refuses a `$near` without a geospatial index of its kind: a server sorts by distance with one only.
///
/// # Errors
/// `NoQueryExecutionPlans` without one.
pub fn measurable(collection: &Collection, path: &Path, kinds: &[&str]) -> Result<(), EngineError> {
    let path = path.to_string();
    let fits = |spec: &IndexSpec| {
        let kind = spec.key.get_str(&path);
        !spec.hidden && kind.is_ok_and(|k| kinds.contains(&k))
    };
    if collection.indexes().iter().any(|i| fits(&i.spec)) {
        return Ok(());
    }
    Err(EngineError::new(
        Code::NoQueryExecutionPlans,
        format!(
            "error processing query: ns={} planner returned error :: caused by :: unable to find index for $geoNear query",
            collection.namespace
        ),
    ))
}

/// Reads an index between the keys of the hint.
fn between(
    at: usize,
    index: &Index,
    hint: &Hint,
    sort: Option<&SortSpec>,
    env: &Env<'_>,
) -> Result<Plan, EngineError> {
    let range = hint.range(&index.spec, env.collation())?;
    let wanted = sort.filter(|s| !s.parts.is_empty());
    let direction = wanted.and_then(|s| in_order(index, 0, s, env));
    Ok(Plan {
        access: Access::Index {
            index: at,
            ranges: vec![range],
            reverse: direction.unwrap_or(false),
            ordered: true,
        },
        sorted: wanted.is_none() || direction.is_some(),
    })
}

/// An index that serves.
struct Candidate {
    /// How good the kinds of its bounds are.
    score: u32,
    plan: Plan,
    /// There are bounds.
    bounded: bool,
    /// At most one document is within them.
    one: bool,
}

/// The first with the best kinds of bounds.
fn best_shape(candidates: &[Candidate]) -> Option<&Candidate> {
    candidates
        .iter()
        .reduce(|a, b| if b.score > a.score { b } else { a })
}

/// The candidate with the fewest entries within its bounds, which are counted as far as it takes to see which one that is.
/// None where all have many.
fn smallest<'c>(collection: &Collection, candidates: &[&'c Candidate]) -> Option<&'c Candidate> {
    if candidates.len() < 2 {
        return None;
    }
    for limit in [32, 256, 2048, 16_384] {
        let counts = candidates.iter().filter_map(|c| {
            let Access::Index { index, ranges, .. } = &c.plan.access else {
                return None;
            };
            let n = scan::entries(collection.indexes().get(*index)?, ranges, limit);
            (n < limit).then_some((n, std::cmp::Reverse(c.score), *c))
        });
        if let Some((.., best)) = counts.min_by_key(|(n, score, _)| (*n, *score)) {
            return Some(best);
        }
    }
    None
}

fn with_index(
    at: usize,
    index: &Index,
    nodes: &[&Node],
    conditions: &[bounds::Condition],
    sort: Option<&SortSpec>,
    forced: bool,
    env: &Env<'_>,
) -> Option<Candidate> {
    let spec = &index.spec;
    if spec.hidden || spec.fields.is_empty() {
        return None;
    }
    let same_collation = spec.collation.as_ref() == env.collation();
    if !implied(spec, nodes, conditions) {
        return None;
    }
    let mut ranges = vec![Range::default()];
    let (mut score, mut points, mut single) = (0_u32, 0_usize, true);
    for field in &spec.fields {
        let mut here = conditions
            .iter()
            .filter(|c| c.path == field.path && (!c.scalar_only || !index.multikey));
        let usable = |v: &Value| same_collation || !bounds::has_text(v);
        if let Some(values) = here.clone().find_map(|c| c.points.as_ref())
            && values.iter().all(usable)
            && values.len() * ranges.len() <= MAX_RANGES
            && !(spec.sparse && values.iter().any(Value::is_nullish))
        {
            single &= values.len() == 1;
            let fold = |v: &Value| {
                spec.collation
                    .as_ref()
                    .map_or_else(|| v.clone(), |c| c.fold(v))
            };
            let mut values: Vec<Value> = values.iter().map(fold).collect();
            values.sort_by(|a, b| super::value::compare(a.view(), b.view()));
            values.dedup();
            if !field.ascending {
                values.reverse();
            }
            ranges = ranges
                .into_iter()
                .flat_map(|r| {
                    values.iter().map(move |v| {
                        let mut r = r.clone();
                        r.prefix.push(v.clone());
                        r
                    })
                })
                .collect();
            score += if values.len() == 1 { 12 } else { 10 };
            points += 1;
            continue;
        }
        if spec.hashed {
            break;
        }
        let mut interval: Option<Interval> = None;
        let mut pattern: Option<&Value> = None;
        for condition in &mut here {
            let Some(bounds) = &condition.interval else {
                continue;
            };
            if !same_collation && bounds.has_text()
                || spec.collation.is_some() && condition.pattern.is_some()
            {
                continue;
            }
            let folded = match &spec.collation {
                Some(c) => bounds.fold(c),
                None => bounds.clone(),
            };
            pattern = pattern.or(condition.pattern.as_ref());
            // Two bounds on an array may hold for different elements: only one of them limits the scan then.
            interval = Some(match interval {
                Some(old) if !index.multikey => old.and(folded),
                Some(old) => old,
                None => folded,
            });
        }
        if let Some(interval) = interval {
            ranges
                .iter_mut()
                .for_each(|r| r.interval = Some(interval.clone()));
            if let Some(pattern) = pattern {
                ranges = with_pattern(ranges, pattern, field.ascending);
            }
            score += 6;
        }
        break;
    }
    let bounded = score > 0;
    let mut reverse = false;
    let mut sorted = sort.is_none_or(|s| s.parts.is_empty());
    if let Some(sort) = sort
        && !sorted
        && single
        && let Some(direction) = in_order(index, points, sort, env)
    {
        sorted = true;
        reverse = direction;
        score += 3;
    }
    if score == 0 && !forced {
        return None;
    }
    let one = spec.unique && points == spec.fields.len() && single;
    if one {
        score += 20;
    }
    Some(Candidate {
        score,
        plan: Plan {
            access: Access::Index {
                index: at,
                ranges,
                reverse,
                ordered: true,
            },
            sorted,
        },
        bounded,
        one,
    })
}

/// After each range of strings that start alike, the regular expression itself: a stored one matches too.
fn with_pattern(ranges: Vec<Range>, pattern: &Value, ascending: bool) -> Vec<Range> {
    let both = |strings: Range| {
        let mut same = Range {
            prefix: strings.prefix.clone(),
            ..Range::default()
        };
        same.prefix.push(pattern.clone());
        if ascending {
            [strings, same]
        } else {
            [same, strings]
        }
    };
    ranges.into_iter().flat_map(both).collect()
}

/// As [`order`], for an index whose entries are in the order of the documents at all.
fn in_order(index: &Index, points: usize, sort: &SortSpec, env: &Env<'_>) -> Option<bool> {
    let spec = &index.spec;
    let plain = spec.collation.as_ref() == env.collation()
        && !index.multikey
        && !spec.sparse
        && !spec.hashed;
    plain.then(|| order(spec, points, sort)).flatten()
}

/// Whether the index, after its first `points` fields that are fixed, is in the order of the sort; `Some(true)` when
/// it must be read backward.
fn order(spec: &IndexSpec, points: usize, sort: &SortSpec) -> Option<bool> {
    let mut fields = spec.fields.iter().skip(points);
    let mut reverse = None;
    for part in &sort.parts {
        if spec.fields.iter().take(points).any(|f| f.path == part.path) {
            continue;
        }
        let field = fields.next()?;
        let backward = field.ascending != part.ascending;
        if field.path != part.path || reverse.is_some_and(|r| r != backward) {
            return None;
        }
        reverse = Some(backward);
    }
    Some(reverse.unwrap_or(false))
}

/// Whether every document of the filter is in the index.
fn implied(spec: &IndexSpec, nodes: &[&Node], conditions: &[bounds::Condition]) -> bool {
    let Some((_, partial)) = &spec.partial else {
        return true;
    };
    let mut wanted = Vec::new();
    flatten(partial.node(), &mut wanted);
    wanted.into_iter().all(|node| {
        let text = format!("{node:?}");
        if nodes.iter().any(|n| format!("{n:?}") == text) {
            return true;
        }
        let Node::Leaf(Some(path), pred) = node else {
            return false;
        };
        let mut about = conditions
            .iter()
            .filter(|c| c.path == *path && !c.scalar_only);
        match pred {
            Pred::Exists => about.any(|c| match &c.points {
                Some(points) => !points.iter().any(Value::is_nullish),
                None => c.interval.is_some(),
            }),
            pred => about.any(|c| {
                if let Some(points) = &c.points {
                    return points.iter().all(|v| pred.matches_single(v.view(), None));
                }
                // What is beyond the end of a range is within the partial index, if the end is.
                let end = c.interval.as_ref().filter(|_| c.pattern.is_none());
                let end = end.and_then(|interval| match pred {
                    Pred::Compare(Comparison::Gt | Comparison::Gte, _) => Some(&interval.low),
                    Pred::Compare(Comparison::Lt | Comparison::Lte, _) => Some(&interval.high),
                    _ => None,
                });
                match end {
                    Some(Bound::Value(v, _)) => pred.matches_single(v.view(), None),
                    _ => false,
                }
            }),
        }
    })
}
