//! Latents, and the artifact that holds them: a safetensors file with the tensors `mu` and `log_var`, where it was asked for also
//! `sample`, each `[packets, dim]` in f32. Everything else about them stands in the manifest beside it.

use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use crate::error::Error;
use crate::files;
use crate::random::{Purpose, normals, stream};
use crate::weights::floats;

/// Gaussian posteriors of a sequence of packets.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Latents {
    /// Means, row-major.
    pub mu: Vec<f32>,
    /// Logarithms of the variances, row-major.
    pub log_var: Vec<f32>,
    /// Numbers a packet.
    pub dim: usize,
}

impl Latents {
    /// No packets yet.
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

    /// Divergence from the unit Gaussian in nats a packet; 0 where there is no packet.
    pub fn kl(&self) -> f64 {
        if self.packets() == 0 {
            return 0.0;
        }
        let dimensions = self.mu.iter().zip(&self.log_var);
        let sum: f64 = dimensions
            .map(|(&mu, &log_var)| divergence(mu, log_var))
            .sum();
        sum / self.packets() as f64
    }

    /// One draw from each posterior, z = mu + exp(log_var / 2) · noise, row-major. A row's noise depends on the seed and its number
    /// alone.
    pub fn sample(&self, seed: u64) -> Vec<f32> {
        let noise = normals(&mut stream(seed, Purpose::Sample, 0), self.mu.len());
        self.displaced(&noise, 1.0)
    }

    /// mu + scale · exp(log_var / 2) · noise, row-major.
    pub(crate) fn displaced(&self, noise: &[f32], scale: f32) -> Vec<f32> {
        let posteriors = self.mu.iter().zip(&self.log_var);
        posteriors
            .zip(noise)
            .map(|((mu, log_var), noise)| mu + scale * (0.5 * log_var).exp() * noise)
            .collect()
    }
}

/// Divergence of one dimension's posterior from the unit Gaussian, in nats: (mu² + exp(log_var) - 1 - log_var) / 2.
pub(crate) fn divergence(mu: f32, log_var: f32) -> f64 {
    let (mu, log_var) = (f64::from(mu), f64::from(log_var));
    0.5 * (mu * mu + log_var.exp() - 1.0 - log_var)
}

/// Which tensor of the artifact is decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Points {
    /// `mu`, the means.
    Means,
    /// `sample`, a draw from each posterior.
    Sample,
}

/// Writes the artifact, with a draw from each posterior where there is one ([`Latents::sample`]).
///
/// # Errors
/// If the file cannot be written, or the draw is of another shape.
pub fn write(path: &Path, latents: &Latents, sample: Option<&[f32]>) -> Result<(), Error> {
    let shape = vec![latents.packets(), latents.dim];
    let bytes =
        |values: &[f32]| -> Vec<u8> { values.iter().flat_map(|x| x.to_le_bytes()).collect() };
    let (mu, log_var) = (bytes(&latents.mu), bytes(&latents.log_var));
    let sample = sample.map(bytes);
    let view =
        |data| TensorView::new(Dtype::F32, shape.clone(), data).map_err(|e| Error::format(path, e));
    let mut tensors = vec![("mu", view(&mu)?), ("log_var", view(&log_var)?)];
    if let Some(sample) = &sample {
        tensors.push(("sample", view(sample)?));
    }
    let file = safetensors::serialize(tensors, None).map_err(|e| Error::format(path, e))?;
    files::write(path, &file)
}

/// Reads the artifact.
///
/// # Errors
/// If the file cannot be read, or does not hold two matrices of one shape.
pub fn read(path: &Path) -> Result<Latents, Error> {
    let bytes = files::read(path)?;
    let file = SafeTensors::deserialize(&bytes).map_err(|e| Error::format(path, e))?;
    let ((dim, mu), (log_var_dim, log_var)) =
        (matrix(&file, path, "mu")?, matrix(&file, path, "log_var")?);
    if dim != log_var_dim || mu.len() != log_var.len() {
        return Err(Error::format(path, "`mu` and `log_var` differ in shape"));
    }
    Ok(Latents { mu, log_var, dim })
}

/// Reads the points to decode alone, row-major, and their number of columns.
///
/// # Errors
/// If the file cannot be read, or has no matrix of f32 of that name.
pub fn read_points(path: &Path, points: Points) -> Result<(usize, Vec<f32>), Error> {
    let bytes = files::read(path)?;
    let file = SafeTensors::deserialize(&bytes).map_err(|e| Error::format(path, e))?;
    match points {
        Points::Means => matrix(&file, path, "mu"),
        Points::Sample if file.tensor("sample").is_err() => {
            Err(Error::NoSample(path.to_path_buf()))
        }
        Points::Sample => matrix(&file, path, "sample"),
    }
}

/// A matrix by its name: its number of columns and its values, row by row.
fn matrix(file: &SafeTensors<'_>, path: &Path, name: &str) -> Result<(usize, Vec<f32>), Error> {
    let view = file.tensor(name).map_err(|e| Error::format(path, e))?;
    match (view.dtype(), view.shape()) {
        (Dtype::F32, &[_, dim]) if dim > 0 => Ok((dim, floats(view.data()).collect())),
        (dtype, shape) => Err(Error::format(
            path,
            format!("`{name}` is {dtype:?} {shape:?}, not a matrix of f32"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_round_trip() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("latents.safetensors");
        let latents = Latents {
            mu: vec![1.0, -2.0, 3.5, 0.0],
            log_var: vec![-6.0, -5.0, 0.0, 1.0],
            dim: 2,
        };
        write(&path, &latents, None).unwrap();
        assert_eq!(read(&path).unwrap(), latents);
        let first = std::fs::read(&path).unwrap();
        write(&path, &latents, None).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), first);
    }

    #[test]
    fn test_sample_is_read_where_it_was_written() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("latents.safetensors");
        let latents = Latents {
            mu: vec![1.0, -2.0, 3.5, 0.0],
            log_var: vec![-6.0; 4],
            dim: 2,
        };
        write(&path, &latents, None).unwrap();
        let missing = read_points(&path, Points::Sample);
        assert!(matches!(missing, Err(Error::NoSample(_))));
        let sample = latents.sample(3);
        write(&path, &latents, Some(&sample)).unwrap();
        assert_eq!(read_points(&path, Points::Sample).unwrap(), (2, sample));
        assert_eq!(
            read_points(&path, Points::Means).unwrap(),
            (2, latents.mu.clone())
        );
        assert_eq!(read(&path).unwrap(), latents);
    }

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
    fn test_truncated_file_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("latents.safetensors");
        write(&path, &Latents::new(4), None).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
        assert!(matches!(read(&path), Err(Error::Format { .. })));
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
