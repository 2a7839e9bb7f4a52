//! Accumulators of `$group`, `$bucket`, `$bucketAuto` (and of windows that move forward only).
use bson::Bson;

use super::error::EngineError;
use super::expr::{Env, Expr, Scope};
use super::value::Value;

/// A compiled accumulator: which one and its argument expressions.
#[derive(Clone, Debug)]
pub struct Accumulator {
    argument: Expr,
}

/// What one accumulator holds for one group.
#[derive(Clone, Debug, Default)]
pub struct State {
    first: Option<Value>,
}

impl Accumulator {
    /// Compiles `{name: argument}` (the name with `$`).
    ///
    /// # Errors
    /// 15952 for an unknown accumulator; what the argument's compilation gives.
    pub fn compile(name: &str, argument: &Bson, scope: &Scope) -> Result<Self, EngineError> {
        if name != "$first" {
            return Err(EngineError::location(
                15952,
                format!("unknown group operator '{name}'"),
            ));
        }
        Ok(Self {
            argument: Expr::compile(argument, scope)?,
        })
    }

    /// The state of a new group.
    pub fn new_state(&self) -> State {
        State::default()
    }

    /// Whether the group's remaining documents cannot change the result (`$first`): lets `$group` read less.
    pub fn is_settled(&self, state: &State) -> bool {
        state.first.is_some()
    }

    /// Takes the environment's document into account.
    ///
    /// # Errors
    /// What evaluating the argument gives.
    pub fn add(&self, state: &mut State, env: &mut Env<'_>) -> Result<(), EngineError> {
        if state.first.is_none() {
            state.first = Some(self.argument.eval(env)?);
        }
        Ok(())
    }

    /// The result.
    ///
    /// # Errors
    /// What the accumulator gives at its end.
    pub fn finish(&self, state: State, _env: &mut Env<'_>) -> Result<Value, EngineError> {
        Ok(state.first.unwrap_or(Value::Null).or_null())
    }
}

impl State {
    /// About how many bytes the state holds beyond its own size (0 for counters): for the memory limit.
    pub fn byte_size(&self) -> usize {
        0
    }
}
