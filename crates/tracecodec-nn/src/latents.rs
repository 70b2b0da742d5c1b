//! Latents, and the artifact that holds them: a safetensors file with the tensors `mu` and `log_var`, each
//! `[packets, dim]` in f32. Everything else about them stands in the manifest beside it.

use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use crate::error::Error;
use crate::files;
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
        let sum: f64 = self
            .mu
            .iter()
            .zip(&self.log_var)
            .map(|(&mu, &log_var)| {
                let (mu, log_var) = (f64::from(mu), f64::from(log_var));
                0.5 * (mu * mu + log_var.exp() - 1.0 - log_var)
            })
            .sum();
        sum / self.packets().max(1) as f64
    }
}

/// Writes the artifact.
///
/// # Errors
/// If the file cannot be written.
pub fn write(path: &Path, latents: &Latents) -> Result<(), Error> {
    let shape = vec![latents.packets(), latents.dim];
    let bytes =
        |values: &[f32]| -> Vec<u8> { values.iter().flat_map(|x| x.to_le_bytes()).collect() };
    let (mu, log_var) = (bytes(&latents.mu), bytes(&latents.log_var));
    let view =
        |data| TensorView::new(Dtype::F32, shape.clone(), data).map_err(|e| Error::format(path, e));
    let tensors = [("mu", view(&mu)?), ("log_var", view(&log_var)?)];
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

/// Reads the means alone, which is all that decoding needs; `log_var` stays empty.
///
/// # Errors
/// If the file cannot be read, or has no matrix of f32 named `mu`.
pub fn read_means(path: &Path) -> Result<Latents, Error> {
    let bytes = files::read(path)?;
    let file = SafeTensors::deserialize(&bytes).map_err(|e| Error::format(path, e))?;
    let (dim, mu) = matrix(&file, path, "mu")?;
    Ok(Latents {
        mu,
        log_var: Vec::new(),
        dim,
    })
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
        write(&path, &latents).unwrap();
        assert_eq!(read(&path).unwrap(), latents);
        let first = std::fs::read(&path).unwrap();
        write(&path, &latents).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), first);
    }

    #[test]
    fn test_truncated_file_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("latents.safetensors");
        write(&path, &Latents::new(4)).unwrap();
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
}
