//! Choices: from a number, or from a list of bytes that can be made shorter and smaller.

/// A small generator of random numbers, the same everywhere.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Dice(seed.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) % sides.max(1)
    }

    pub fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.roll(n as u64)).expect("small")
    }
}

/// Choices that a list of bytes makes: a shorter list of smaller bytes makes a simpler thing.
pub struct Choices<'a> {
    list: &'a [u8],
    at: usize,
    /// Literals are such as look like something else.
    pub hostile: bool,
}

impl<'a> Choices<'a> {
    pub fn new(list: &'a [u8]) -> Self {
        Choices {
            list,
            at: 0,
            hostile: false,
        }
    }

    /// A number below `n`; 0 when the list is used up.
    pub fn pick(&mut self, n: usize) -> usize {
        let choice = self.list.get(self.at).copied().unwrap_or(0);
        self.at += 1;
        usize::from(choice) % n.max(1)
    }

    pub fn one_of<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.pick(of.len())].clone()
    }

    /// True once in `n` times; never when the list is used up.
    pub fn rarely(&mut self, n: usize) -> bool {
        self.pick(n) == n - 1
    }
}
