//! The tensors of a file of latents.

use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use super::Latents;
use crate::error::Error;
use crate::files;
use crate::weights::floats;

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
    fn test_truncated_file_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("latents.safetensors");
        write(&path, &Latents::new(4), None).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
        assert!(matches!(read(&path), Err(Error::Format { .. })));
    }
}
