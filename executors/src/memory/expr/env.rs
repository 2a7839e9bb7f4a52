//! What an expression is evaluated on.
use std::sync::Arc;

use super::Slot;
use super::budget::Budget;
use crate::memory::error::EngineError;
use crate::memory::value::{Collation, Document, Value};

/// What stays the same during one command.
#[derive(Clone, Debug)]
pub struct Evaluation {
    /// `$$NOW`, milliseconds since the epoch.
    pub now: i64,
    /// Seed of `$rand` and `$sample`: the same seed gives the same draws.
    pub seed: u64,
    /// How strings compare.
    pub collation: Option<Collation>,
    /// How long it may take.
    pub budget: Option<Arc<Budget>>,
    /// How many bytes one stage may hold.
    pub memory_limit: usize,
}

impl Default for Evaluation {
    fn default() -> Self {
        Self {
            now: 0,
            seed: 0,
            collation: None,
            budget: None,
            memory_limit: usize::MAX,
        }
    }
}

/// Between two looks at the clock.
const TICKS: u32 = 128;

/// The environment of one evaluation: the document and the variables. Reused from document to document.
#[derive(Clone, Debug)]
pub struct Env<'e> {
    evaluation: &'e Evaluation,
    root: Document,
    slots: Vec<Value>,
    random: u64,
    ticks: u32,
}

impl<'e> Env<'e> {
    /// An environment without a document.
    pub fn new(evaluation: &'e Evaluation) -> Self {
        Self {
            evaluation,
            root: Document::empty(),
            slots: Vec::new(),
            random: evaluation.seed,
            ticks: 0,
        }
    }

    /// With variables already bound (those of an enclosing pipeline): slot `i` is `slots[i]`.
    pub fn with_slots(evaluation: &'e Evaluation, slots: Vec<Value>) -> Self {
        Self {
            slots,
            ..Self::new(evaluation)
        }
    }

    /// To be called in every loop over documents, elements or index entries: looks at the clock now and then.
    ///
    /// # Errors
    /// `MaxTimeMSExpired`.
    #[inline]
    pub fn tick(&mut self) -> Result<(), EngineError> {
        match self.ticks.checked_sub(1) {
            Some(left) => {
                self.ticks = left;
                Ok(())
            }
            None => self.look(),
        }
    }

    #[cold]
    fn look(&mut self) -> Result<(), EngineError> {
        self.ticks = TICKS;
        match &self.evaluation.budget {
            Some(budget) => budget.check(),
            None => Ok(()),
        }
    }

    /// What stays the same during the command.
    pub fn evaluation(&self) -> &'e Evaluation {
        self.evaluation
    }

    /// How strings compare.
    pub fn collation(&self) -> Option<&'e Collation> {
        self.evaluation.collation.as_ref()
    }

    /// `$$ROOT` (and `$$CURRENT` unless the scope says otherwise).
    #[inline]
    pub fn root(&self) -> &Document {
        &self.root
    }

    /// Moves on to another document.
    #[inline]
    pub fn set_root(&mut self, root: Document) {
        self.root = root;
    }

    /// A variable; missing when it was never bound.
    #[inline]
    pub fn get(&self, slot: Slot) -> &Value {
        static MISSING: Value = Value::Missing;
        self.slots.get(slot.0).unwrap_or(&MISSING)
    }

    /// Binds a variable.
    #[inline]
    pub fn set(&mut self, slot: Slot, value: Value) {
        if slot.0 >= self.slots.len() {
            self.slots.resize(slot.0 + 1, Value::Missing);
        }
        if let Some(place) = self.slots.get_mut(slot.0) {
            *place = value;
        }
    }

    /// All the variables, to hand to an inner pipeline.
    pub fn slots(&self) -> &[Value] {
        &self.slots
    }

    /// The next 64 random bits (SplitMix64 from the seed).
    pub fn random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}
