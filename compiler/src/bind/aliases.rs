//! Sets of aliases, and votes on them.

use super::query::AliasId;
use crate::bits::Bits;

/// A set of aliases.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct AliasSet(Bits);

/// Its place among the bits: a query has never as many aliases as would not fit.
fn bit(id: AliasId) -> u32 {
    u32::try_from(id).unwrap_or(u32::MAX)
}

impl AliasSet {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn insert(&mut self, id: AliasId) -> bool {
        self.0.insert(bit(id))
    }

    pub fn remove(&mut self, id: AliasId) {
        self.0.remove(bit(id));
    }

    pub fn contains(&self, id: AliasId) -> bool {
        self.0.contains(bit(id))
    }

    /// In the order of their numbers.
    pub fn iter(&self) -> impl Iterator<Item = AliasId> + '_ {
        self.0.iter().map(|id| id as AliasId)
    }
}

impl Extend<AliasId> for AliasSet {
    fn extend<T: IntoIterator<Item = AliasId>>(&mut self, ids: T) {
        for id in ids {
            self.insert(id);
        }
    }
}

impl FromIterator<AliasId> for AliasSet {
    fn from_iter<T: IntoIterator<Item = AliasId>>(ids: T) -> Self {
        let mut set = Self::new();
        set.extend(ids);
        set
    }
}
