//! Numbers that look like chance and are the same again for the same seed.

/// `SplitMix64`, as in <https://prng.di.unimi.it/splitmix64.c>: the state is a counter, so an action's numbers need only its
/// number, whatever was drawn before it.
#[derive(Clone, Debug)]
pub struct Chance(u64);

const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

impl Chance {
    /// The numbers of one action.
    pub fn of(seed: u64, action: u64) -> Self {
        let mut this = Self(seed);
        Self(this.next() ^ action.wrapping_mul(STEP))
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(STEP);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From 0 up to, and without, `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }

    /// An index into something of this length.
    pub fn index(&mut self, length: usize) -> usize {
        let end = u64::try_from(length).unwrap_or(u64::MAX);
        usize::try_from(self.below(end)).unwrap_or_default()
    }

    pub fn one_of<'all, T>(&mut self, all: &'all [T]) -> Option<&'all T> {
        let index = self.index(all.len());
        all.get(index)
    }
}

#[cfg(test)]
mod tests {
    use super::Chance;

    #[test]
    fn an_action_has_the_same_numbers_again_and_another_one_has_others() {
        let numbers = |seed, action| {
            let mut chance = Chance::of(seed, action);
            [chance.next(), chance.next(), chance.next()]
        };
        assert_eq!(numbers(1, 7), numbers(1, 7));
        assert_ne!(numbers(1, 7), numbers(1, 8));
        assert_ne!(numbers(1, 7), numbers(2, 7));
        let mut chance = Chance::of(1, 1);
        assert!((0..1_000).all(|_| chance.below(6) < 6));
    }
}
