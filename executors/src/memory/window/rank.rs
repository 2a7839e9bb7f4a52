//! `$rank`, `$denseRank`, `$documentNumber`: the place of a document in its partition.
use bson::Bson;

use super::SortPart;
use crate::memory::error::EngineError;
use crate::memory::value::{Collation, Document, Value, compare_with, num};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rank {
    Sparse,
    Dense,
    Number,
}

impl Rank {
    pub fn find(name: &str) -> Option<Self> {
        match name {
            "$rank" => Some(Self::Sparse),
            "$denseRank" => Some(Self::Dense),
            "$documentNumber" => Some(Self::Number),
            _ => None,
        }
    }

    pub fn check(
        self,
        name: &str,
        argument: &Bson,
        window: Option<&Bson>,
        sort: &[SortPart],
    ) -> Result<(), EngineError> {
        if window.is_some() {
            return Err(EngineError::location(
                5_371_601,
                "Rank style window functions take no other arguments",
            ));
        }
        if !matches!(argument, Bson::Document(d) if d.is_empty()) {
            return Err(EngineError::location(
                5_371_603,
                format!("{name} must be specified with '{{}}' as the value"),
            ));
        }
        if sort.len() != 1 {
            return Err(EngineError::location(
                5_371_602,
                format!(
                    "{name} must be specified with a top level sortBy expression with exactly one element"
                ),
            ));
        }
        Ok(())
    }

    pub fn run(
        self,
        partition: &[Document],
        sort: &[SortPart],
        collation: Option<&Collation>,
    ) -> Vec<Value> {
        let mut previous: Option<Vec<Value>> = None;
        let (mut rank, mut dense) = (0, 0);
        let mut out = Vec::with_capacity(partition.len());
        for (i, doc) in partition.iter().enumerate() {
            if self == Self::Number {
                out.push(Value::int(num::len_i64(i + 1)));
                continue;
            }
            let key: Vec<Value> = sort.iter().map(|s| s.value(doc)).collect();
            let tie = previous.as_ref().is_some_and(|p| {
                p.iter()
                    .zip(&key)
                    .all(|(a, b)| compare_with(a.view(), b.view(), collation).is_eq())
            });
            if !tie {
                rank = i + 1;
                dense += 1;
                previous = Some(key);
            }
            out.push(Value::int(num::len_i64(if self == Self::Sparse {
                rank
            } else {
                dense
            })));
        }
        out
    }
}
