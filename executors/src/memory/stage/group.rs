//! `$group`: by hash, groups in the order in which they first appear.
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use bson::Bson;
use indexmap::{Equivalent, IndexMap};

use super::pick::{MOST, Origin, Picks};
use super::{Held, Source, Stage, StagePlan, Starting, needs};
use crate::memory::accumulator::{Accumulator, State};
use crate::memory::error::EngineError;
use crate::memory::expr::{Env, Expr, Scope};
use crate::memory::value::{
    DocBuilder, DocRef, Document, Key, Part, Str, Value, ValueRef, equal, hash_value,
};

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
            let several = matches!(argument, Bson::Array(items) if items.len() > 1);
            if several && Accumulator::exists(operator) {
                return Err(EngineError::location(
                    40237,
                    format!("The {operator} accumulator is a unary operator"),
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

    /// Adds the environment's document to a group; tells by how many bytes that has grown.
    ///
    /// # Errors
    /// What the accumulators give.
    #[inline]
    pub fn add(&self, states: &mut [State], env: &mut Env<'_>) -> Result<usize, EngineError> {
        let mut grown = 0_usize;
        for ((_, accumulator), state) in self.fields.iter().zip(states) {
            let before = state.byte_size();
            accumulator.add(state, env)?;
            grown += state.byte_size().saturating_sub(before);
        }
        Ok(grown)
    }

    /// How each accumulator gets its values.
    fn feeds(&self, picks: &mut Picks) -> Vec<Feed> {
        let feed = |(_, accumulator): &(Str, Accumulator)| match accumulator.plain_argument() {
            Some(e) => match picks.origin(e) {
                Origin::Expr(_) => Feed::Whole,
                origin => Feed::Value(origin),
            },
            None => Feed::Whole,
        };
        self.fields.iter().map(feed).collect()
    }

    /// Adds a document to a group; tells by how many bytes that has grown.
    #[inline]
    fn feed(
        &self,
        states: &mut [State],
        feeds: &[Feed],
        doc: DocRef<'_>,
        picked: &[ValueRef<'_>; MOST],
        env: &mut Env<'_>,
    ) -> Result<usize, EngineError> {
        let mut grown = 0_usize;
        for (((_, accumulator), state), feed) in self.fields.iter().zip(states).zip(feeds) {
            let before = state.byte_size();
            match feed {
                Feed::Value(origin) => {
                    origin.with(doc, picked, env, |v, env| {
                        accumulator.push_view(state, v, env)
                    })?;
                }
                Feed::Whole => accumulator.add(state, env)?,
            }
            grown += state.byte_size().saturating_sub(before);
        }
        Ok(grown)
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

/// How an accumulator gets its values.
#[derive(Clone, Debug)]
enum Feed {
    /// Its argument is read in place.
    Value(Origin),
    /// It evaluates what it needs on the environment's document.
    Whole,
}

/// A compiled `$group`.
#[derive(Clone, Debug)]
pub struct Group {
    outputs: Outputs,
    picks: Picks,
    id: Origin,
    feeds: Vec<Feed>,
    /// Whether something is evaluated on the environment's document.
    reads_env: bool,
    needs: Option<Vec<Part>>,
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
        let mut picks = Picks::default();
        let id = picks.origin(&Expr::compile(id, scope)?);
        let feeds = outputs.feeds(&mut picks);
        let reads_env = id.reads_env() || feeds.iter().any(|f| matches!(f, Feed::Whole));
        Ok(Self {
            outputs,
            picks,
            id,
            feeds,
            reads_env,
            needs: needs::of_expression(spec)?,
        })
    }
}

impl StagePlan for Group {
    fn start(&self, input: Source, _: &Starting<'_>) -> Result<Source, EngineError> {
        Ok(Box::new(Grouping {
            input: Some(input),
            plan: Arc::new(self.clone()),
            groups: Vec::new().into_iter(),
        }))
    }

    fn needs(&self) -> Option<&[Part]> {
        self.needs.as_deref()
    }
}

struct Grouping {
    input: Option<Source>,
    plan: Arc<Group>,
    groups: std::vec::IntoIter<(Value, Box<[State]>)>,
}

impl Grouping {
    fn consume(&mut self, mut input: Source, env: &mut Env<'_>) -> Result<(), EngineError> {
        // A group keeps the first form of its key; with a collation, equality is that of the folded key.
        let mut groups: KeyMap<(Option<Value>, Box<[State]>)> = KeyMap::default();
        let plan = Arc::clone(&self.plan);
        let mut held = Held::new("$group");
        input.each(env, &mut |doc, env| {
            let picked = plan.picks.of(doc);
            if plan.reads_env {
                env.set_root(doc.to_document());
            }
            let at = plan.id.with(doc, &picked, env, |id, env| {
                let id = if id.is_missing() { ValueRef::Null } else { id };
                let folded = env.collation().map(|c| c.fold(&id.to_value()));
                let key = folded.as_ref().map_or(id, Value::view);
                if let Some(at) = groups.get_index_of(&KeyRef(key)) {
                    return Ok(at);
                }
                held.add(key.byte_size() + 64, env)?;
                let shown = folded.is_some().then(|| id.to_value());
                let start = (shown, plan.outputs.start());
                Ok(groups.insert_full(Key(key.to_value()), start).0)
            })?;
            if let Some((_, (_, states))) = groups.get_index_mut(at) {
                let grown = plan.outputs.feed(states, &plan.feeds, doc, &picked, env)?;
                held.add(grown, env)?;
            }
            Ok(())
        })?;
        let rows: Vec<_> = groups
            .into_iter()
            .map(|(key, (shown, states))| (shown.unwrap_or(key.0), states))
            .collect();
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
