//! Accumulators of `$group`, `$bucket`, `$bucketAuto` and of windows, and the core of their forms as expressions.
mod order;
mod percentile;
mod state;

use bson::Bson;

use super::error::{Code, EngineError};
use super::expr::{Context, Env, Expr, Fields, Scope, count};
use super::value::{DocBuilder, Value, ValueRef};
pub(crate) use order::SortBy;
pub(crate) use percentile::Percentile;
use state::Body;
pub(crate) use state::Input;
pub use state::State;

/// Which accumulator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    Sum,
    Avg,
    Count,
    Min,
    Max,
    First,
    Last,
    Push,
    AddToSet,
    StdDevPop,
    StdDevSamp,
    MergeObjects,
    FirstN,
    LastN,
    MinN,
    MaxN,
    Top,
    TopN,
    Bottom,
    BottomN,
    Percentile,
    ConcatArrays,
    SetUnion,
}

const OPS: &[(&str, Op)] = &[
    ("$sum", Op::Sum),
    ("$avg", Op::Avg),
    ("$count", Op::Count),
    ("$min", Op::Min),
    ("$max", Op::Max),
    ("$first", Op::First),
    ("$last", Op::Last),
    ("$push", Op::Push),
    ("$addToSet", Op::AddToSet),
    ("$stdDevPop", Op::StdDevPop),
    ("$stdDevSamp", Op::StdDevSamp),
    ("$mergeObjects", Op::MergeObjects),
    ("$firstN", Op::FirstN),
    ("$lastN", Op::LastN),
    ("$minN", Op::MinN),
    ("$maxN", Op::MaxN),
    ("$top", Op::Top),
    ("$topN", Op::TopN),
    ("$bottom", Op::Bottom),
    ("$bottomN", Op::BottomN),
    ("$percentile", Op::Percentile),
    ("$median", Op::Percentile),
    ("$concatArrays", Op::ConcatArrays),
    ("$setUnion", Op::SetUnion),
];

/// A compiled accumulator: which one and its argument expressions.
#[derive(Clone, Debug)]
pub struct Accumulator {
    op: Op,
    argument: Expr,
    n: Option<Expr>,
    sort: Option<SortBy>,
    percentile: Option<Percentile>,
}

impl Accumulator {
    /// Whether there is an accumulator of that name.
    pub(crate) fn exists(name: &str) -> bool {
        OPS.iter().any(|(n, _)| *n == name)
    }

    /// Compiles `{name: argument}` (the name with `$`).
    ///
    /// # Errors
    /// 15952 for an unknown accumulator; what the argument's compilation gives.
    pub fn compile(name: &str, argument: &Bson, scope: &Scope) -> Result<Self, EngineError> {
        if name == "$accumulator" {
            return Err(EngineError::new(
                Code::NotImplemented,
                "$accumulator needs a JavaScript engine, which the embedded engine does not have",
            ));
        }
        let Some((_, op)) = OPS.iter().find(|(n, _)| *n == name) else {
            return Err(EngineError::location(
                15952,
                format!("unknown group operator '{name}'"),
            ));
        };
        let cx = Context::new(scope);
        let mut this = Self {
            op: *op,
            argument: Expr::literal(Value::Null),
            n: None,
            sort: None,
            percentile: None,
        };
        match op {
            Op::Count => match argument {
                Bson::Document(d) if d.is_empty() => {}
                _ => {
                    return Err(EngineError::type_mismatch(
                        "$count takes no arguments, i.e. $count:{}",
                    ));
                }
            },
            Op::FirstN | Op::LastN | Op::MinN | Op::MaxN => {
                let form = if matches!(op, Op::MinN | Op::MaxN) {
                    5_787_900
                } else {
                    5_787_801
                };
                let fields = Fields::new(name, argument, &["input", "n"], form, 5_787_901)?;
                this.n = Some(constant_count(fields.required("n", 5_787_906, cx)?)?);
                this.argument = fields.required("input", 5_787_907, cx)?;
            }
            Op::Top | Op::TopN | Op::Bottom | Op::BottomN => {
                let many = matches!(op, Op::TopN | Op::BottomN);
                let known: &[&str] = if many {
                    &["n", "output", "sortBy"]
                } else {
                    &["output", "sortBy"]
                };
                let fields = Fields::new(name, argument, known, 5_788_001, 5_788_002)?;
                if many {
                    this.n = Some(constant_count(fields.required("n", 5_788_003, cx)?)?);
                }
                this.argument = fields.required("output", 5_788_004, cx)?;
                this.sort = match fields.require("sortBy", 5_788_005)? {
                    Bson::Document(d) => Some(SortBy::compile(d)?),
                    _ => {
                        return Err(EngineError::location(
                            5_788_604,
                            format!("{name} expected 'sortBy' to be an object"),
                        ));
                    }
                };
            }
            Op::Percentile => this.percentile = Some(Percentile::compile(name, argument, cx)?),
            _ => this.argument = cx.compile(argument)?,
        }
        Ok(this)
    }

    /// Whether `n`, if there is one, is the same everywhere.
    pub fn has_constant_count(&self) -> bool {
        self.n.as_ref().is_none_or(|n| n.as_literal().is_some())
    }

    /// The state of a new group.
    pub fn new_state(&self) -> State {
        let n = match &self.n {
            Some(e) => e.as_literal().and_then(|v| count(v).ok()).unwrap_or(0),
            None => 1,
        };
        State::new(match self.op {
            Op::Sum => Body::Counter(0),
            Op::Avg => Body::Avg(Box::default(), 0),
            Op::Count => Body::Count(0),
            Op::Min | Op::Max => Body::Extreme {
                best: Value::Missing,
                max: self.op == Op::Max,
            },
            Op::First => Body::First(None),
            Op::Last => Body::Last(Value::Missing),
            Op::Push | Op::ConcatArrays => Body::List(Vec::new()),
            Op::AddToSet | Op::SetUnion => Body::Set {
                seen: std::collections::HashSet::default(),
                items: Vec::new(),
            },
            Op::StdDevPop | Op::StdDevSamp => Body::StdDev(state::Deviation::default()),
            Op::MergeObjects => Body::Merge(DocBuilder::new()),
            Op::FirstN => Body::FirstN(n, Vec::new()),
            Op::LastN => Body::LastN(n, std::collections::VecDeque::new()),
            Op::MinN | Op::MaxN => Body::ExtremeN {
                n,
                max: self.op == Op::MaxN,
                items: Vec::new(),
            },
            Op::Top | Op::TopN | Op::Bottom | Op::BottomN => Body::Ranked {
                n,
                bottom: matches!(self.op, Op::Bottom | Op::BottomN),
                items: std::collections::VecDeque::new(),
            },
            Op::Percentile => Body::Numbers(Vec::new()),
        })
    }

    /// The argument, when a value of it is all that the accumulator needs of a document.
    pub(crate) fn plain_argument(&self) -> Option<&Expr> {
        let fixed = self.n.as_ref().is_none_or(|n| n.as_literal().is_some());
        (fixed && self.sort.is_none() && self.percentile.is_none()).then_some(&self.argument)
    }

    /// Takes a value of [`Accumulator::plain_argument`] in, without making it one's own where that is not needed.
    #[inline]
    pub(crate) fn push_view(
        &self,
        state: &mut State,
        v: ValueRef<'_>,
        env: &mut Env<'_>,
    ) -> Result<(), EngineError> {
        if state.take(v, env.collation()) {
            return Ok(());
        }
        let input = Input {
            value: v.to_value(),
            key: None,
        };
        self.push(state, input, env)
    }

    /// What the environment's document brings in.
    pub(crate) fn input(&self, env: &mut Env<'_>) -> Result<Input, EngineError> {
        let e = match &self.percentile {
            Some(p) => &p.input,
            None => &self.argument,
        };
        let value = e.eval(env)?;
        let key = self
            .sort
            .as_ref()
            .map(|s| s.key(ValueRef::Document(env.root().view())));
        Ok(Input { value, key })
    }

    /// Takes an input in.
    pub(crate) fn push(
        &self,
        state: &mut State,
        input: Input,
        env: &mut Env<'_>,
    ) -> Result<(), EngineError> {
        // A count that depends on variables is known with the first document.
        if let Some(e) = &self.n
            && e.as_literal().is_none()
        {
            match &mut state.body {
                Body::FirstN(n, _)
                | Body::LastN(n, _)
                | Body::ExtremeN { n, .. }
                | Body::Ranked { n, .. }
                    if *n == 0 =>
                {
                    *n = count(&e.eval(env)?)?;
                }
                _ => {}
            }
        }
        match self.op {
            Op::ConcatArrays => state.push_all(&input.value, "$concatArrays", env.collation()),
            Op::SetUnion => state.push_all(&input.value, "$setUnion", env.collation()),
            _ => state.push(input, self.sort.as_ref(), env.collation()),
        }
    }

    /// Which accumulator this is.
    pub(crate) fn op(&self) -> Op {
        self.op
    }

    /// Takes the environment's document into account.
    ///
    /// # Errors
    /// What evaluating the argument gives.
    pub fn add(&self, state: &mut State, env: &mut Env<'_>) -> Result<(), EngineError> {
        let input = self.input(env)?;
        self.push(state, input, env)
    }

    /// The result.
    ///
    /// # Errors
    /// What the accumulator gives at its end.
    pub fn finish(&self, state: State, env: &mut Env<'_>) -> Result<Value, EngineError> {
        Ok(match state.body {
            Body::Counter(n) | Body::Count(n) => Value::int(n),
            Body::Sum(sum) => sum.value(),
            Body::Avg(_, 0) => Value::Null,
            Body::Avg(sum, n) => sum.mean(n),
            Body::Extreme { best, .. } => best.or_null(),
            Body::First(v) => v.unwrap_or(Value::Null).or_null(),
            Body::Last(v) => v.or_null(),
            Body::List(items) | Body::Set { items, .. } => Value::array(items),
            Body::StdDev(d) => d.finish(self.op == Op::StdDevSamp),
            Body::Merge(doc) => doc.value(),
            Body::FirstN(_, items) | Body::ExtremeN { items, .. } => Value::array(items),
            Body::LastN(_, items) => Value::array(items.into()),
            Body::Ranked { items, .. } => {
                let mut outputs = items.into_iter().map(|(_, v)| v.or_null());
                if matches!(self.op, Op::Top | Op::Bottom) {
                    outputs.next().unwrap_or(Value::Null)
                } else {
                    Value::array(outputs.collect())
                }
            }
            Body::Numbers(numbers) => match &self.percentile {
                Some(p) => p.result(numbers, env)?,
                None => Value::Null,
            },
        })
    }

    /// An accumulator over values that are at hand (the forms as expressions).
    pub(crate) fn over(op: Op) -> Self {
        Self {
            op,
            argument: Expr::literal(Value::Null),
            n: None,
            sort: None,
            percentile: None,
        }
    }
}

/// Checks a count at once when it is constant.
fn constant_count(e: Expr) -> Result<Expr, EngineError> {
    if let Some(v) = e.as_literal() {
        count(v)?;
    }
    Ok(e)
}
