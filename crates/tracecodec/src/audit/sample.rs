//! Distinct values with their counts, thinned by their hashes so that memory is bounded.

use hashbrown::HashMap;

/// Most values that a sample holds: about 16 MB.
const LIMIT: usize = 1 << 20;

/// Distinct values of a stream. Beyond a limit, values whose hash does not begin with enough zeros
/// are dropped, and dropped from all that follows: what is left is a random part of the values.
#[derive(Debug, Clone)]
pub(super) struct Sample {
    counts: HashMap<u64, u32>,
    /// Zeros with which the hashes of kept values begin.
    zeros: u32,
    limit: usize,
    /// Low bits of values that the hash leaves out: values that differ in them alone are kept or
    /// dropped together.
    unit: u32,
}

impl Default for Sample {
    fn default() -> Self {
        Self::of_at_most(LIMIT)
    }
}

/// A hash whose leading bits are even over values in a row.
#[inline]
pub(super) fn hash(value: u64) -> u64 {
    (value ^ value >> 29).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

impl Sample {
    /// A sample of at most so many values.
    pub(super) fn of_at_most(limit: usize) -> Self {
        Self {
            counts: HashMap::new(),
            zeros: 0,
            limit,
            unit: 0,
        }
    }

    /// A sample whose values are kept or dropped together if they differ in so many low bits alone.
    pub(super) fn of_units(unit: u32, limit: usize) -> Self {
        Self {
            unit,
            ..Self::of_at_most(limit)
        }
    }

    /// Counts a value.
    #[inline]
    pub(super) fn add(&mut self, value: u64) {
        if self.keeps(value) {
            let count = self.counts.entry(value).or_insert(0);
            *count = count.saturating_add(1);
            while self.counts.len() > self.limit {
                let zeros = self.zeros + 1;
                self.thin(zeros);
            }
        }
    }

    #[inline]
    pub(super) fn keeps(&self, value: u64) -> bool {
        hash(value >> self.unit).leading_zeros() >= self.zeros
    }

    fn thin(&mut self, zeros: u32) {
        self.zeros = self.zeros.max(zeros);
        let (zeros, unit) = (self.zeros, self.unit);
        self.counts
            .retain(|value, _| hash(*value >> unit).leading_zeros() >= zeros);
    }

    pub(super) fn len(&self) -> usize {
        self.counts.len()
    }

    /// Values that were seen for each one that is kept.
    pub(super) fn scale(&self) -> f64 {
        f64::from(self.zeros).exp2()
    }

    pub(super) fn contains(&self, value: u64) -> bool {
        self.counts.contains_key(&value)
    }

    /// Values and counts, in no particular order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u64, u32)> {
        self.counts.iter().map(|(value, count)| (*value, *count))
    }

    /// Values that are in both, of how many, and how many were expected if each value were another
    /// one of its class: a class has a name and a size.
    pub(super) fn overlap(&self, other: &Self, class: impl Fn(u64) -> (u64, f64)) -> Overlap {
        let (mut mine, mut theirs) = (self.clone(), other.clone());
        let zeros = mine.zeros.max(theirs.zeros);
        mine.thin(zeros);
        theirs.thin(zeros);
        let mut density: HashMap<u64, f64> = HashMap::new();
        for (value, _) in theirs.iter() {
            *density.entry(class(value).0).or_default() += theirs.scale();
        }
        let mut overlap = Overlap::default();
        // Sums over a set, whose order makes a difference only to the last bits of `expected`.
        let mut values: Vec<u64> = mine.iter().map(|(value, _)| value).collect();
        values.sort_unstable();
        for value in values {
            let (name, size) = class(value);
            overlap.searched += 1;
            overlap.found += u64::from(theirs.contains(value));
            overlap.expected += (density.get(&name).copied().unwrap_or(0.0) / size).min(1.0);
        }
        overlap
    }
}

/// Values of one set that are in another.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub(super) struct Overlap {
    pub(super) searched: u64,
    pub(super) found: u64,
    pub(super) expected: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(values: impl Iterator<Item = u64>) -> Sample {
        let mut sample = Sample::of_at_most(1000);
        values.for_each(|value| sample.add(value));
        sample
    }

    #[test]
    fn test_a_thinned_sample_estimates_how_many_there_were() {
        let thinned = sample((0..100_000).map(|i| i * i));
        assert!(thinned.len() <= 1000);
        let estimate = thinned.len() as f64 * thinned.scale();
        assert!((estimate / 100_000.0 - 1.0).abs() < 0.2, "{estimate}");
    }

    #[test]
    fn test_what_is_expected_is_the_density_of_the_class() {
        // Half of the numbers of the class 0..256 are there, and none of the others.
        let there = sample((0..256).step_by(2));
        let searched = sample([2, 3, 4, 900, 901].into_iter());
        let overlap = searched.overlap(&there, |value| (value >> 8, 256.0));
        assert_eq!(overlap.searched, 5);
        assert_eq!(overlap.found, 2);
        assert_eq!(overlap.expected, 1.5);
    }
}
