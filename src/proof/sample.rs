//! Draws some of many at random, while they go by: those whose keyed hashes are the smallest.

use std::collections::BinaryHeap;
use std::hash::{BuildHasher, Hash, RandomState};

/// Some of those that were offered, each as likely as any other.
#[derive(Debug)]
pub struct Sample<T> {
    size: usize,
    key: RandomState,
    drawn: BinaryHeap<(u64, T)>,
}

impl<T: Hash + Ord> Sample<T> {
    /// `size` of them, or all where there are no more.
    pub fn new(size: usize) -> Self {
        Self { size, key: RandomState::new(), drawn: BinaryHeap::new() }
    }

    /// Offers one.
    pub fn offer(&mut self, item: T) {
        self.drawn.push((self.key.hash_one(&item), item));
        if self.drawn.len() > self.size {
            self.drawn.pop();
        }
    }

    /// Those that were drawn.
    pub fn finish(self) -> Vec<T> {
        self.drawn.into_iter().map(|(_, item)| item).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_has_its_size_and_none_twice_and_draws_from_everywhere() {
        let mut drawn_from = [0; 10];
        for _ in 0..200 {
            let mut sample = Sample::new(50);
            (0..1000).for_each(|n| sample.offer(n));
            let mut drawn = sample.finish();
            drawn.sort_unstable();
            drawn.dedup();
            assert_eq!(drawn.len(), 50);
            drawn.iter().for_each(|n| drawn_from[n / 100] += 1);
        }
        // A thousand each, were chance fair to the last.
        assert!(drawn_from.iter().all(|count| (700..1300).contains(count)), "{drawn_from:?}");
    }

    #[test]
    fn of_few_all_are_drawn() {
        let mut sample = Sample::new(5);
        (0..3).for_each(|n| sample.offer(n));
        let mut drawn = sample.finish();
        drawn.sort_unstable();
        assert_eq!(drawn, [0, 1, 2]);
        let mut nothing = Sample::new(0);
        nothing.offer(1);
        assert!(nothing.finish().is_empty());
    }
}
