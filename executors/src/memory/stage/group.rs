//! `$group`: by hash, groups in the order in which they first appear.
use std::hash::{Hash, Hasher};

use bson::Bson;
use indexmap::{Equivalent, IndexMap};

use super::{Source, Stage, StagePlan, Starting, memory_error};
use crate::memory::accumulator::{Accumulator, State};
use crate::memory::error::EngineError;
use crate::memory::expr::{Env, Expr, Scope};
use crate::memory::value::{DocBuilder, Document, Key, Str, Value, ValueRef, equal, hash_value};

/// A borrowed [`Key`].
pub struct KeyRef<'a>(pub ValueRef<'a>);

impl Hash for KeyRef<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        hash_value(self.0, state);
    }
}

impl Equivalent<Key> for KeyRef<'_> {
    fn equivalent(&self, key: &Key) -> bool {
        equal(self.0, key.0.view())
    }
}

/// A hash map by MongoDB's equality.
pub type KeyMap<V> = IndexMap<Key, V, ahash::RandomState>;

/// Output fields and their accumulators: shared by `$group` and the bucket stages.
#[derive(Clone, Debug)]
pub struct Outputs {
    fields: Vec<(Str, Accumulator)>,
}

impl Outputs {
    /// Reads fields `{name: {$accumulator: argument}}`.
    ///
    /// # Errors
    /// 40234, 40235, 40236, 40238 as MongoDB; what accumulators give.
    pub fn compile<'s>(
        spec: impl IntoIterator<Item = (&'s String, &'s Bson)>,
        scope: &Scope,
    ) -> Result<Self, EngineError> {
        let mut fields = Vec::new();
        for (name, value) in spec {
            if name.contains('.') {
                return Err(EngineError::location(
                    40235,
                    format!("The field name '{name}' cannot contain '.'"),
                ));
            }
            let Bson::Document(d) = value else {
                return Err(EngineError::location(
                    40234,
                    format!("The field '{name}' must be an accumulator object"),
                ));
            };
            if name.starts_with('$') {
                return Err(EngineError::location(
                    40236,
                    format!("The field name '{name}' cannot be an operator name"),
                ));
            }
            let mut entries = d.iter();
            let (Some((operator, argument)), None) = (entries.next(), entries.next()) else {
                return Err(EngineError::location(
                    40238,
                    format!("The field '{name}' must specify one accumulator"),
                ));
            };
            if !operator.starts_with('$') {
                return Err(EngineError::location(
                    40234,
                    format!("The field '{name}' must be an accumulator object"),
                ));
            }
            fields.push((
                name.as_str().into(),
                Accumulator::compile(operator, argument, scope)?,
            ));
        }
        Ok(Self { fields })
    }

    /// The states of a new group.
    pub fn start(&self) -> Box<[State]> {
        self.fields.iter().map(|(_, a)| a.new_state()).collect()
    }

    /// Adds the environment's document to a group.
    ///
    /// # Errors
    /// What the accumulators give.
    #[inline]
    pub fn add(&self, states: &mut [State], env: &mut Env<'_>) -> Result<(), EngineError> {
        for ((_, accumulator), state) in self.fields.iter().zip(states) {
            accumulator.add(state, env)?;
        }
        Ok(())
    }

    /// The group's document.
    ///
    /// # Errors
    /// What the accumulators give.
    pub fn finish(
        &self,
        id: Value,
        states: Box<[State]>,
        env: &mut Env<'_>,
    ) -> Result<Document, EngineError> {
        let mut out = DocBuilder::with_capacity(self.fields.len() + 1);
        out.push("_id", id);
        for ((name, accumulator), state) in self.fields.iter().zip(states) {
            let value = accumulator.finish(state, env)?;
            out.push(name.clone(), value);
        }
        Ok(out.build())
    }
}

/// A compiled `$group`.
#[derive(Clone, Debug)]
pub struct Group {
    id: Expr,
    outputs: Outputs,
}

impl Group {
    /// Reads the specification.
    ///
    /// # Errors
    /// 15947 for no object, 15955 without `_id`; those of [`Outputs::compile`].
    pub fn compile(spec: &Bson, scope: &Scope) -> Result<Self, EngineError> {
        let Bson::Document(d) = spec else {
            return Err(EngineError::location(
                15947,
                "a group's fields must be specified in an object",
            ));
        };
        let outputs = Outputs::compile(d.iter().filter(|(k, _)| *k != "_id"), scope)?;
        let Some(id) = d.get("_id") else {
            return Err(EngineError::location(
                15955,
                "a group specification must include an _id",
            ));
        };
        Ok(Self {
            id: Expr::compile(id, scope)?,
            outputs,
        })
    }
}

impl StagePlan for Group {
    fn start(&self, input: Source, starting: &Starting<'_>) -> Result<Source, EngineError> {
        Ok(Box::new(Grouping {
            input: Some(input),
            plan: self.clone(),
            groups: Vec::new().into_iter(),
            memory_limit: starting.context.memory_limit,
        }))
    }
}

struct Grouping {
    input: Option<Source>,
    plan: Group,
    groups: std::vec::IntoIter<(Value, Box<[State]>)>,
    memory_limit: usize,
}

impl Grouping {
    fn consume(&mut self, mut input: Source, env: &mut Env<'_>) -> Result<(), EngineError> {
        // A group keeps the first form of its key; with a collation, equality is that of the folded key.
        let mut groups: KeyMap<(Option<Value>, Box<[State]>)> = KeyMap::default();
        let collation = env.collation();
        let mut bytes = 0_usize;
        while let Some(doc) = input.next(env)? {
            env.tick()?;
            env.set_root(doc);
            let id = self.plan.id.eval(env)?.or_null();
            let (key, shown) = match collation {
                Some(c) => (c.fold(&id), Some(id)),
                None => (id, None),
            };
            let at = match groups.get_index_of(&KeyRef(key.view())) {
                Some(at) => at,
                None => {
                    bytes = bytes.saturating_add(key.view().byte_size() + 64);
                    groups
                        .insert_full(Key(key), (shown, self.plan.outputs.start()))
                        .0
                }
            };
            if let Some((_, (_, states))) = groups.get_index_mut(at) {
                self.plan.outputs.add(states, env)?;
            }
            if bytes > self.memory_limit {
                return Err(memory_error("$group", self.memory_limit));
            }
        }
        let rows: Vec<_> = groups
            .into_iter()
            .map(|(key, (shown, states))| (shown.unwrap_or(key.0), states))
            .collect();
        let held: usize = rows
            .iter()
            .flat_map(|(_, s)| s.iter().map(State::byte_size))
            .sum();
        if held > self.memory_limit {
            return Err(memory_error("$group", self.memory_limit));
        }
        self.groups = rows.into_iter();
        Ok(())
    }
}

impl Stage for Grouping {
    fn next(&mut self, env: &mut Env<'_>) -> Result<Option<Document>, EngineError> {
        if let Some(input) = self.input.take() {
            self.consume(input, env)?;
        }
        match self.groups.next() {
            Some((id, states)) => self.plan.outputs.finish(id, states, env).map(Some),
            None => Ok(None),
        }
    }
}
