//! The order of the training examples.
//!
//! An epoch permutes the chunks of the data, takes a pool of them at a time, and permutes the
//! examples of the pool. Files are thus read in runs, no more than two pools are in memory, and
//! examples of all files are mixed in every pool.

use std::ops::Range;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;

use super::task::Examples;
use crate::error::Error;
use crate::random::{Purpose, shuffle, stream};

/// Number of examples of a run of validation examples.
const RUN: u64 = 256;

/// An endless sequence of examples in which every example occurs once an epoch. A thread of its own
/// reads the next pool while one is used.
#[derive(Debug)]
pub(super) struct Order<T> {
    pools: Receiver<Result<Vec<T>, Error>>,
    pool: std::vec::IntoIter<T>,
}

impl<T: Send + 'static> Order<T> {
    /// The order for a seed, with pools of at least `shuffle_pool` examples, after `taken`
    /// examples; there must be examples.
    pub(super) fn after(
        taken: u64,
        examples: &Arc<impl Examples<Example = T>>,
        seed: u64,
        shuffle_pool: usize,
    ) -> Self {
        let examples = Arc::clone(examples);
        // Without room in the channel, the thread holds one finished pool until it is taken: one
        // pool is in use, and one is ahead.
        let (sender, pools) = sync_channel(0);
        thread::spawn(move || {
            let (mut pools, used) = Pools::after(taken, examples.as_ref(), seed, shuffle_pool);
            let first = pools.read().map(|mut pool| pool.split_off(used));
            let mut sent = sender.send(first);
            while sent.is_ok() {
                sent = sender.send(pools.read());
            }
        });
        let pool = Vec::new().into_iter();
        Self { pools, pool }
    }

    /// The next examples.
    ///
    /// # Errors
    /// If a file cannot be read.
    pub(super) fn take(&mut self, count: usize) -> Result<Vec<T>, Error> {
        let mut taken = Vec::with_capacity(count);
        loop {
            taken.extend(self.pool.by_ref().take(count - taken.len()));
            if taken.len() == count {
                return Ok(taken);
            }
            let pool = self.pools.recv();
            self.pool = pool
                .expect("the thread reads until its receiver is gone")?
                .into_iter();
        }
    }
}

/// The pools of all epochs. Each pool is a function of seed, epoch and its number in the epoch.
struct Pools<'a, E> {
    examples: &'a E,
    seed: u64,
    epoch: u64,
    /// Number of chunks of a pool.
    size: usize,
    /// Chunks in the order of the epoch.
    chunks: Vec<u32>,
    /// Number of the epoch's pools that were read.
    at: usize,
}

impl<'a, E: Examples> Pools<'a, E> {
    /// The pools after `taken` examples, and how many examples of the first pool are among them.
    fn after(taken: u64, examples: &'a E, seed: u64, shuffle_pool: usize) -> (Self, usize) {
        let mut pools = Self {
            examples,
            seed,
            epoch: taken / examples.len(),
            size: shuffle_pool.div_ceil(examples.chunk() as usize),
            chunks: Vec::new(),
            at: 0,
        };
        pools.permute_chunks();
        let mut used = taken % examples.len();
        let mut next = length(&pools.runs());
        while used >= next {
            used -= next;
            pools.at += 1;
            next = length(&pools.runs());
        }
        (pools, used as usize)
    }

    fn permute_chunks(&mut self) {
        self.chunks = (0..self.examples.len().div_ceil(self.examples.chunk()) as u32).collect();
        let mut rng = stream(self.seed, Purpose::Order, self.epoch);
        shuffle(&mut rng, &mut self.chunks);
        self.at = 0;
    }

    /// Number of pools of an epoch.
    fn count(&self) -> usize {
        self.chunks.len().div_ceil(self.size)
    }

    /// Runs of the next pool's examples, ascending.
    fn runs(&self) -> Vec<Range<u64>> {
        let chunks = self.chunks.chunks(self.size).nth(self.at);
        let mut chunks = chunks.unwrap_or_default().to_vec();
        chunks.sort_unstable();
        let first = chunks
            .into_iter()
            .map(|chunk| u64::from(chunk) * self.examples.chunk());
        first
            .map(|first| first..self.examples.len().min(first + self.examples.chunk()))
            .collect()
    }

    /// Reads the examples of the next pool.
    fn read(&mut self) -> Result<Vec<E::Example>, Error> {
        if self.at == self.count() {
            self.epoch += 1;
            self.permute_chunks();
        }
        let place = self.epoch * self.count() as u64 + self.at as u64;
        let mut pool = self.examples.read(&self.runs())?;
        shuffle(&mut stream(self.seed, Purpose::Pool, place), &mut pool);
        self.at += 1;
        Ok(pool)
    }
}

/// Number of examples of some runs.
fn length(runs: &[Range<u64>]) -> u64 {
    runs.iter().map(|run| run.end - run.start).sum()
}

/// Runs of at most `count` examples in all, spread evenly over `examples` examples.
pub(crate) fn spread(examples: u64, count: u64) -> Vec<Range<u64>> {
    let runs = examples.div_ceil(RUN).min(count.div_ceil(RUN)).max(1);
    let length = count.min(examples) / runs;
    (0..runs)
        .map(|run| run * (examples - length) / runs.saturating_sub(1).max(1))
        .map(|first| first..first + length)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::task::CHUNK;

    /// Three chunks and a part of one: pools of two chunks, and of one chunk and the part.
    const EXAMPLES: usize = 3 * CHUNK as usize + 10;
    const POOL: usize = 2 * CHUNK as usize;

    /// Examples whose value is their own number.
    struct Numbers(u64);

    impl Examples for Numbers {
        type Example = u64;

        fn len(&self) -> u64 {
            self.0
        }

        fn read(&self, runs: &[Range<u64>]) -> Result<Vec<u64>, Error> {
            Ok(runs.iter().cloned().flatten().collect())
        }
    }

    fn order(taken: usize, pool: usize) -> Order<u64> {
        let examples = Arc::new(Numbers(EXAMPLES as u64));
        Order::after(taken as u64, &examples, 3, pool)
    }

    fn after(taken: usize, count: usize) -> Vec<u64> {
        order(taken, POOL).take(count).unwrap()
    }

    #[test]
    fn test_order_goes_on() {
        let all = after(0, 2 * EXAMPLES + 100);
        for taken in [
            1,
            100,
            POOL - 1,
            POOL,
            POOL + 1,
            EXAMPLES - 1,
            EXAMPLES,
            2 * EXAMPLES,
        ] {
            let more = after(taken, 90);
            assert_eq!(more, all[taken..taken + 90], "{taken}");
        }
    }

    #[test]
    fn test_steps_do_not_matter() {
        let mut order = order(0, POOL);
        let steps: Vec<_> = (0..100).flat_map(|_| order.take(123).unwrap()).collect();
        assert_eq!(steps, after(0, 12_300));
    }

    #[test]
    fn test_every_example_once_an_epoch() {
        let mut first = after(0, 2 * EXAMPLES);
        let second = first.split_off(EXAMPLES);
        assert_ne!(first, second);
        for mut epoch in [first, second] {
            assert!(!epoch.is_sorted());
            epoch.sort_unstable();
            assert!(epoch.into_iter().eq(0..EXAMPLES as u64));
        }
    }

    #[test]
    fn test_pool_is_of_whole_chunks() {
        let all = after(0, EXAMPLES);
        let mut of_pool: Vec<_> = all[..POOL].iter().map(|i| i / CHUNK).collect();
        of_pool.sort_unstable();
        of_pool.dedup();
        assert!(of_pool.len() <= 3, "{of_pool:?}");
        assert_eq!(after(0, 10), order(0, POOL - 1).take(10).unwrap());
    }

    #[test]
    fn test_small_data_are_shuffled_whole() {
        let mut order = order(0, 131_072);
        let early = order.take(100).unwrap();
        for chunk in 0..3 {
            assert!(early.iter().any(|i| i / CHUNK == chunk), "{early:?}");
        }
    }

    #[test]
    fn test_spread_is_even_and_bounded() {
        for (packets, count) in [(100, 64), (64, 100)] {
            assert_eq!(spread(packets, count), vec![Range { start: 0, end: 64 }]);
        }
        assert_eq!(spread(10_000, 512), [0..256, 9_744..10_000]);
        assert_eq!(spread(10_000, 600), [0..200, 4_900..5_100, 9_800..10_000]);
        assert_eq!(spread(600, 600), [0..200, 200..400, 400..600]);
    }
}
