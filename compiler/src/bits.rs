//! Sets of small numbers.

/// The first 64 in place, which is all that most plans have; the others in words of their own.
#[derive(Debug, Clone, Default)]
pub(crate) struct Bits {
    first: u64,
    others: Vec<u64>,
}

impl Bits {
    /// The word of a number after the first one, and the bit in it.
    fn slot(id: u32) -> (Option<usize>, u64) {
        (((id / 64) as usize).checked_sub(1), 1 << (id % 64))
    }

    fn word(&self, word: Option<usize>) -> u64 {
        match word {
            None => self.first,
            Some(i) => self.others.get(i).copied().unwrap_or(0),
        }
    }

    /// Adds a number; whether it is new.
    pub(crate) fn insert(&mut self, id: u32) -> bool {
        let (word, bit) = Self::slot(id);
        let word = match word {
            None => &mut self.first,
            Some(i) => {
                if i >= self.others.len() {
                    self.others.resize(i + 1, 0);
                }
                match self.others.get_mut(i) {
                    Some(word) => word,
                    None => return false,
                }
            }
        };
        let fresh = *word & bit == 0;
        *word |= bit;
        fresh
    }

    /// Takes a number out.
    pub(crate) fn remove(&mut self, id: u32) {
        let (word, bit) = Self::slot(id);
        let word = match word {
            None => Some(&mut self.first),
            Some(i) => self.others.get_mut(i),
        };
        if let Some(word) = word {
            *word &= !bit;
        }
    }

    /// Whether a number is in it.
    pub(crate) fn contains(&self, id: u32) -> bool {
        let (word, bit) = Self::slot(id);
        self.word(word) & bit != 0
    }

    /// Adds those of another set.
    pub(crate) fn union(&mut self, other: &Bits) {
        self.first |= other.first;
        if other.others.len() > self.others.len() {
            self.others.resize(other.others.len(), 0);
        }
        for (a, b) in self.others.iter_mut().zip(&other.others) {
            *a |= b;
        }
    }

    /// Keeps those that another set has too.
    pub(crate) fn intersect(&mut self, other: &Bits) {
        self.first &= other.first;
        for (i, a) in self.others.iter_mut().enumerate() {
            *a &= other.word(Some(i));
        }
    }

    /// Takes out those of another set.
    pub(crate) fn subtract(&mut self, other: &Bits) {
        self.first &= !other.first;
        for (a, b) in self.others.iter_mut().zip(&other.others) {
            *a &= !b;
        }
    }

    /// Whether it has none.
    pub(crate) fn is_empty(&self) -> bool {
        self.first == 0 && self.others.iter().all(|w| *w == 0)
    }

    /// In their order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        let words = std::iter::once(self.first).chain(self.others.iter().copied());
        words.zip(0_u32..).flat_map(|(mut word, i)| {
            std::iter::from_fn(move || {
                let bit = word.trailing_zeros();
                // Clears the lowest bit; there is none left in 0.
                word &= word.checked_sub(1)?;
                Some(i * 64 + bit)
            })
        })
    }
}

impl PartialEq for Bits {
    fn eq(&self, other: &Self) -> bool {
        let n = self.others.len().max(other.others.len());
        self.first == other.first && (0..n).all(|i| self.word(Some(i)) == other.word(Some(i)))
    }
}

impl Eq for Bits {}
