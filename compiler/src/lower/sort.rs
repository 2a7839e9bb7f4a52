//! Order.

use super::Lowerer;
use super::scope::Val;
use crate::error::Result;
use crate::mql::{Expr, SortOrder, Stage};
use crate::plan::{ArrayFact, Scalar, SortKey};
use crate::queryset::NullsOrder;
use crate::schema::StorageFamily;

impl Lowerer<'_> {
    pub fn sort(&mut self, keys: &[SortKey]) -> Result<()> {
        let sort = self.sort_keys(keys)?;
        if !sort.is_empty() {
            self.push(Stage::Sort(sort))?;
        }
        Ok(())
    }

    /// Paths to sort by; computed keys are set before.
    pub fn sort_keys(&mut self, keys: &[SortKey]) -> Result<Vec<(String, SortOrder)>> {
        let mut places = Vec::with_capacity(keys.len());
        for key in keys {
            places.push(match is_random(std::slice::from_ref(key)) {
                true => None,
                false => Some(self.placed(&key.scalar, "order")?),
            });
        }
        self.sort_by_places(keys, places)
    }

    /// The same where the keys have been placed already; a random one has no place.
    pub fn sort_by_places(
        &mut self,
        keys: &[SortKey],
        places: Vec<Option<Val>>,
    ) -> Result<Vec<(String, SortOrder)>> {
        let mut sort: Vec<(String, SortOrder)> = Vec::with_capacity(keys.len());
        let mut computed: Vec<(String, Expr)> = Vec::new();
        for (key, place) in keys.iter().zip(places) {
            let order = if key.desc {
                SortOrder::Desc
            } else {
                SortOrder::Asc
            };
            let Some(val) = place else {
                let name = self.fresh("order")?;
                computed.push((name.clone(), Expr::named("$rand", [])));
                sort.push((name, order));
                continue;
            };
            if val.literal().is_some() {
                continue;
            }
            let Some(path) = val.path() else { continue };
            if let Some(test) = self.null_key(&val, key) {
                let name = self.fresh(&format!("{}_null", path.replace('.', "_")))?;
                computed.push((name.clone(), test));
                // NULL first: true before false is descending.
                let first = key.nulls == Some(NullsOrder::First);
                sort.push((
                    name,
                    if first {
                        SortOrder::Desc
                    } else {
                        SortOrder::Asc
                    },
                ));
            }
            if val.array != ArrayFact::No {
                // An array would be sorted by its least or greatest element; inside a document it is a whole.
                let name = self.fresh("order")?;
                // Of an array, null and missing are the same NULL; of JSON they are not.
                let value = if val.nullable
                    && val.family() != StorageFamily::Json
                    && val.expr.may_be_missing()
                {
                    Expr::list("$ifNull", [val.expr, Expr::null()])
                } else {
                    val.expr
                };
                let whole = Expr::Document(vec![("v".to_owned(), value)]);
                computed.push((name.clone(), whole));
                sort.push((name, order));
                continue;
            }
            if !sort.iter().any(|(p, _)| *p == path) {
                sort.push((path, order));
            }
        }
        if !computed.is_empty() {
            self.push(Stage::Set(computed))?;
        }
        Ok(sort)
    }

    /// A test for NULL that must be sorted by first, where the server would put NULL elsewhere.
    fn null_key(&self, val: &Val, key: &SortKey) -> Option<Expr> {
        let natural = if key.desc {
            NullsOrder::Last
        } else {
            NullsOrder::First
        };
        match key.nulls {
            Some(wanted) if wanted != natural && val.nullable => Some(val.is_null()),
            _ => None,
        }
    }
}

/// A random order.
pub(super) fn is_random(keys: &[SortKey]) -> bool {
    matches!(keys, [SortKey { scalar: Scalar::Call(call), .. }] if call.function == "Random")
}
