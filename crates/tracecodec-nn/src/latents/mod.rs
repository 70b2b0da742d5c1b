//! Latents, and the artifact that holds them (`tracecodec.latents`): a safetensors file with the
//! tensors `mu` and `log_var`, optionally `sample`, each `[packets, dim]` in f32, and a manifest
//! beside it.

mod labels;
mod manifest;
mod tensors;

pub use labels::RowLabels;
pub use manifest::{EntropyNats, LatentManifest, Refinement};
pub(crate) use tensors::StoredRows;
pub use tensors::{Points, Writer, layout, write, write_rows};

use rand_chacha::ChaCha8Rng;

use crate::random::{Purpose, normals, stream};

/// Gaussian posteriors of a sequence of packets.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Latents {
    /// Means, row-major.
    pub mu: Vec<f32>,
    /// Logarithms of the variances, row-major.
    pub log_var: Vec<f32>,
    /// Number of dimensions of a latent.
    pub dim: usize,
}

impl Latents {
    /// Posteriors of no packets.
    pub fn new(dim: usize) -> Self {
        Self {
            dim,
            ..Self::default()
        }
    }

    /// Number of packets.
    pub fn packets(&self) -> usize {
        self.mu.len().checked_div(self.dim).unwrap_or(0)
    }

    /// KL divergence from the unit Gaussian in nats a packet; 0 without packets.
    pub fn kl(&self) -> f64 {
        if self.packets() == 0 {
            return 0.0;
        }
        self.divergence_after(0.0) / self.packets() as f64
    }

    /// KL divergence from the unit Gaussian in nats, summed over all packets, and added to that of
    /// packets before.
    pub fn divergence_after(&self, before: f64) -> f64 {
        let dimensions = self.mu.iter().zip(&self.log_var);
        dimensions.fold(before, |sum, (&mu, &log_var)| sum + divergence(mu, log_var))
    }

    /// One draw from each posterior, z = mu + exp(log_var / 2) · noise, row-major. The noise of a
    /// row depends on the seed and the row's number alone.
    pub fn sample(&self, seed: u64) -> Vec<f32> {
        Sampler::new(seed).sample(self)
    }

    /// Means displaced by scaled noise, mu + scale · exp(log_var / 2) · noise, row-major.
    pub(crate) fn displaced(&self, noise: &[f32], scale: f32) -> Vec<f32> {
        let posteriors = self.mu.iter().zip(&self.log_var);
        posteriors
            .zip(noise)
            .map(|((mu, log_var), noise)| mu + scale * (0.5 * log_var).exp() * noise)
            .collect()
    }
}

/// Draws from posteriors, batch by batch. The noise of a row depends on the seed and the row's
/// number alone if every batch but the last has an even number of values.
#[derive(Debug)]
pub struct Sampler(ChaCha8Rng);

impl Sampler {
    /// Draws that this seed determines.
    pub fn new(seed: u64) -> Self {
        Self(stream(seed, Purpose::Sample, 0))
    }

    /// One draw from each of the next posteriors, row-major.
    pub fn sample(&mut self, latents: &Latents) -> Vec<f32> {
        let noise = normals(&mut self.0, latents.mu.len());
        latents.displaced(&noise, 1.0)
    }
}

/// KL divergence of one dimension's posterior from the unit Gaussian, in nats:
/// (mu² + exp(log_var) - 1 - log_var) / 2.
pub(crate) fn divergence(mu: f32, log_var: f32) -> f64 {
    let (mu, log_var) = (f64::from(mu), f64::from(log_var));
    0.5 * (mu * mu + log_var.exp() - 1.0 - log_var)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_sample_has_the_moments_of_the_posterior() {
        let packets = 20_000;
        let latents = Latents {
            mu: vec![3.0; packets],
            log_var: vec![0.25_f32.ln(); packets],
            dim: 1,
        };
        let sample = latents.sample(0);
        let mean = sample.iter().sum::<f32>() / packets as f32;
        let spread = sample.iter().map(|z| (z - mean).powi(2)).sum::<f32>() / packets as f32;
        assert!((mean - 3.0).abs() < 0.02 && (spread - 0.25).abs() < 0.01);
        assert_eq!(sample, latents.sample(0));
        assert_ne!(sample, latents.sample(1));
        let first = Latents {
            mu: vec![3.0; 7],
            log_var: vec![0.25_f32.ln(); 7],
            dim: 1,
        };
        assert_eq!(first.sample(0), sample[..7]);
    }

    #[test]
    fn test_kl_of_the_prior_is_zero() {
        let latents = Latents {
            mu: vec![0.0; 6],
            log_var: vec![0.0; 6],
            dim: 3,
        };
        assert_eq!(latents.kl(), 0.0);
    }

    #[test]
    fn test_kl_of_no_packet_is_no_negative_zero() {
        assert_eq!(format!("{:.1}", Latents::new(4).kl()), "0.0");
    }
}
