//! Random streams, each determined by the run's seed, a purpose and a place.

use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Purpose of a random stream.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Purpose {
    /// Initial weights.
    Weights = 1,
    /// Order of the chunks of the training packets.
    Order = 2,
    /// Augmentation and posterior noise of one micro-batch.
    Batch = 3,
    /// Order of the packets of one pool.
    Pool = 4,
    /// A draw from the posterior of every packet.
    Sample = 5,
    /// Noise, and pairs of packets, of a probe of the latents.
    Probe = 6,
    /// Samples that an encoding is fitted to.
    Fit = 7,
    /// Draws of the modes that numbers are encoded in, outside a training.
    Modes = 8,
    /// Noise that a sequence is generated from.
    Noise = 9,
    /// Values that dropout drops in one piece of a batch.
    Dropout = 10,
    /// Noise and times that are the same in every validation of a generator.
    Judgement = 11,
    /// Openings (place 0), flows (from 1 on) and the clock (2⁵⁶ - 1) of a generated trace.
    Trace = 12,
    /// Shifts of the flows of a trace that a generator learns from, or continues (place 0).
    Jitter = 13,
}

/// The random stream of a seed, a purpose and a place within it (an epoch, a pool, a micro-batch).
pub(crate) fn stream(seed: u64, purpose: Purpose, place: u64) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(place << 8 | purpose as u64);
    rng
}

/// Standard normal numbers (Box and Muller).
pub(crate) fn normals(rng: &mut impl Rng, count: usize) -> Vec<f32> {
    let mut normals = Vec::with_capacity(count + 1);
    while normals.len() < count {
        let radius = (-2.0 * (1.0 - rng.random::<f32>()).ln()).sqrt();
        let (sin, cos) = (std::f32::consts::TAU * rng.random::<f32>()).sin_cos();
        normals.extend([radius * cos, radius * sin]);
    }
    normals.truncate(count);
    normals
}

/// Permutes items, every order being equally likely (Fisher and Yates).
pub(crate) fn shuffle<T>(rng: &mut impl Rng, items: &mut [T]) {
    for last in (1..items.len()).rev() {
        items.swap(last, rng.random_range(0..=last));
    }
}

/// A random index, weighted; the last one if the weights have no positive sum.
pub(crate) fn weighted(rng: &mut impl Rng, weights: &[f64]) -> usize {
    let mut left = rng.random::<f64>() * weights.iter().sum::<f64>();
    let drawn = weights.iter().position(|weight| {
        left -= weight;
        left < 0.0
    });
    drawn.unwrap_or(weights.len().saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_streams_are_repeatable_and_differ() {
        let draw = |purpose, place| normals(&mut stream(7, purpose, place), 4);
        assert_eq!(draw(Purpose::Batch, 1), draw(Purpose::Batch, 1));
        assert_ne!(draw(Purpose::Batch, 1), draw(Purpose::Batch, 2));
        assert_ne!(draw(Purpose::Batch, 1), draw(Purpose::Order, 1));
    }

    #[test]
    fn test_normals_have_unit_variance() {
        let draws = normals(&mut stream(0, Purpose::Batch, 0), 100_001);
        let mean = draws.iter().sum::<f32>() / draws.len() as f32;
        let square = draws.iter().map(|x| x * x).sum::<f32>() / draws.len() as f32;
        assert!(
            mean.abs() < 0.01 && (square - 1.0).abs() < 0.02,
            "{mean} {square}"
        );
    }

    #[test]
    fn test_shuffle_keeps_every_item() {
        let mut items: Vec<u32> = (0..100).collect();
        shuffle(&mut stream(0, Purpose::Order, 0), &mut items);
        assert_ne!(items[..10], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
        items.sort_unstable();
        assert!(items.into_iter().eq(0..100));
    }

    #[test]
    fn test_weighted_draws_keep_the_shares() {
        let mut rng = stream(0, Purpose::Probe, 0);
        let mut drawn = [0; 4];
        for _ in 0..10_000 {
            drawn[weighted(&mut rng, &[1.0, 0.0, 2.0, 1.0])] += 1;
        }
        assert_eq!(drawn[1], 0);
        for (count, share) in drawn.into_iter().zip([0.25, 0.0, 0.5, 0.25]) {
            assert!(
                (f64::from(count) / 10_000.0 - share).abs() < 0.02,
                "{drawn:?}"
            );
        }
        assert_eq!(weighted(&mut rng, &[0.0, 0.0]), 1);
        assert_eq!(weighted(&mut rng, &[]), 0);
    }
}
