//! Reading and writing the tensors of a file of latents.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use half::bf16;
use safetensors::SafeTensorError;
use safetensors::tensor::{Dtype, Metadata, SafeTensors, TensorView};
use tracecodec::pcap;

use super::Latents;
use crate::error::Error;
use crate::files;
use crate::weights::numbers;

/// Names of the tensor of rows to decode: in files of `encode`, and in latent sequences.
const ROWS: [&str; 2] = ["mu", "latents"];

/// Number of first bytes by which a file of another kind is recognised.
const HEAD: usize = 512;

/// The tensor of a file that is decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Points {
    /// The means: the tensor `mu`, or `latents` in sequences, or else the only tensor of the file.
    #[default]
    Means,
    /// A draw from each posterior: the tensor `sample`.
    Sample,
}

/// Writes `mu` and `log_var`, and, if a draw from each posterior ([`Latents::sample`]) is given,
/// `sample`.
///
/// # Errors
/// If the file cannot be written, or if the draw has another shape.
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

/// Writes rows of latents that were made elsewhere, given as little-endian f32.
///
/// # Errors
/// If the bytes are no whole number of rows, or the file cannot be written.
pub fn write_rows(path: &Path, columns: usize, rows: &[u8]) -> Result<(), Error> {
    let count = rows.len().checked_div(4 * columns).unwrap_or(0);
    let view = TensorView::new(Dtype::F32, vec![count, columns], rows);
    let view = view.map_err(|e| Error::format(path, e))?;
    let file = safetensors::serialize([(ROWS[0], view)], None);
    files::write(path, &file.map_err(|e| Error::format(path, e))?)
}

/// For each matrix of f32 in a file of latents: its first byte in the file, its rows and columns.
///
/// # Errors
/// If the file cannot be read, or is of another kind.
pub fn layout(path: &Path) -> Result<BTreeMap<String, (usize, usize, usize)>, Error> {
    // Only the header is read: its length in 8 bytes, then as much JSON.
    let mut file = File::open(path).map_err(Error::io(path))?;
    let size = file.metadata().map_err(Error::io(path))?.len();
    let mut head = Vec::new();
    let read = Read::by_ref(&mut file).take(8).read_to_end(&mut head);
    read.map_err(Error::io(path))?;
    let length = head
        .first_chunk()
        .map_or(0, |bytes| u64::from_le_bytes(*bytes));
    head.clear();
    let read = file.take(length.min(size)).read_to_end(&mut head);
    read.map_err(Error::io(path))?;
    let metadata: Metadata = serde_json::from_slice(&head).map_err(|e| Error::format(path, e))?;
    let data = 8 + head.len();
    if (data + metadata.data_len()) as u64 != size {
        return Err(Error::format(path, "it is cut off"));
    }
    let tensors = metadata.tensors().into_iter();
    Ok(tensors
        .filter_map(|(name, tensor)| match tensor.shape[..] {
            [rows, columns] if tensor.dtype == Dtype::F32 => {
                Some((name, (data + tensor.data_offsets.0, rows, columns)))
            }
            _ => None,
        })
        .collect())
}

/// Reads the rows to decode, row-major in f32, and their number of columns. Floating-point numbers
/// of 16 and 64 bits are converted.
///
/// # Errors
/// If the file cannot be read or is of another kind, or if it has no such matrix.
pub fn read_points(path: &Path, points: Points) -> Result<(usize, Vec<f32>), Error> {
    let bytes = files::read(path)?;
    let file = SafeTensors::deserialize(&bytes).map_err(|e| not_latents(path, &bytes, e))?;
    let (name, view) = match points {
        Points::Means => rows(&file, path)?,
        Points::Sample => match file.tensor("sample") {
            Ok(view) => ("sample".to_string(), view),
            Err(_) => return Err(Error::NoSample(path.to_path_buf())),
        },
    };
    matrix(&name, &view, path)
}

/// The error of a file that is not in the safetensors format.
fn not_latents(path: &Path, bytes: &[u8], error: SafeTensorError) -> Error {
    match pcap::file_kind(&bytes[..bytes.len().min(HEAD)]) {
        Some(kind) if kind != pcap::SAFETENSORS => Error::latents(
            path,
            format!("no latents: this is {kind}"),
            "a safetensors file is needed, with a matrix mu that has a row for each packet",
        ),
        _ => Error::format(path, error),
    }
}

/// The tensor of rows: the one with a name of [`ROWS`], or the only one of the file.
fn rows<'a>(file: &SafeTensors<'a>, path: &Path) -> Result<(String, TensorView<'a>), Error> {
    let mut names = file.names();
    names.sort_unstable();
    let named = ROWS.into_iter().find(|name| names.contains(name));
    let only = || (names.len() == 1).then(|| names[0]);
    let Some(name) = named.or_else(only) else {
        let held: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
        let held = if held.is_empty() {
            "no tensor".to_string()
        } else {
            held.join(", ")
        };
        return Err(Error::latents(
            path,
            format!("no tensor `mu` or `latents`: the file holds {held}"),
            "name the matrix that has a row for each packet mu",
        ));
    };
    let view = file.tensor(name).map_err(|e| Error::format(path, e))?;
    Ok((name.to_string(), view))
}

/// Number of columns and the values, row-major, of a matrix.
fn matrix(name: &str, view: &TensorView<'_>, path: &Path) -> Result<(usize, Vec<f32>), Error> {
    let (dtype, shape) = (view.dtype(), view.shape());
    let Some(&[_, dim]) = shape.as_array().filter(|[_, dim]| *dim > 0) else {
        return Err(Error::latents(
            path,
            format!(
                "`{name}` has the shape {shape:?}, but [packets, dimensions] is needed, a row for each packet"
            ),
            "reshape it, or store the packets of each trace in a file of their own",
        ));
    };
    let values = match dtype {
        Dtype::F64 => {
            let (doubles, _) = view.data().as_chunks::<8>();
            let single = |&double| f64::from_le_bytes(double) as f32;
            Some(doubles.iter().map(single).collect())
        }
        Dtype::BF16 => {
            let (halves, _) = view.data().as_chunks::<2>();
            let single = |&half| bf16::from_le_bytes(half).to_f32();
            Some(halves.iter().map(single).collect())
        }
        _ => numbers(view),
    };
    let values = values.ok_or_else(|| {
        Error::latents(
            path,
            format!("`{name}` is {dtype:?}, but F32, F64, F16 or BF16 is needed"),
            "convert it to floating-point numbers of 32 bits",
        )
    })?;
    Ok((dim, values))
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
        assert_eq!(
            read_points(&path, Points::Means).unwrap(),
            (2, latents.mu.clone())
        );
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
    }

    #[test]
    fn test_rows_and_their_layout() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("mine.safetensors");
        let rows = [1.0_f32, -2.0, 3.5, 0.0];
        let bytes: Vec<u8> = rows.iter().flat_map(|x| x.to_le_bytes()).collect();
        write_rows(&path, 2, &bytes).unwrap();
        assert_eq!(
            read_points(&path, Points::Means).unwrap(),
            (2, rows.to_vec())
        );
        let found = layout(&path).unwrap();
        let (first, count, columns) = found["mu"];
        assert_eq!((count, columns, found.len()), (2, 2, 1));
        let file = std::fs::read(&path).unwrap();
        assert_eq!(file[first..], bytes);
        std::fs::write(&path, &file[..file.len() - 1]).unwrap();
        assert!(layout(&path).is_err());
        assert!(write_rows(&path, 3, &bytes).is_err());
    }

    #[test]
    fn test_truncated_file_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("latents.safetensors");
        write(&path, &Latents::new(4), None).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
        let read = read_points(&path, Points::Means);
        assert!(matches!(read, Err(Error::Format { .. })));
    }

    /// Writes a file of tensors with these names, all of one shape and content.
    fn write_tensors(path: &Path, dtype: Dtype, shape: &[usize], data: &[u8], names: &[&str]) {
        let view = || TensorView::new(dtype, shape.to_vec(), data).unwrap();
        let tensors = names.iter().map(|name| (*name, view()));
        let file = safetensors::serialize(tensors, None).unwrap();
        std::fs::write(path, file).unwrap();
    }

    #[test]
    fn test_rows_of_other_names_and_types() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("mine.safetensors");
        let expected = (2, vec![1.0, -2.0, 3.5, 0.0]);
        let values = [1.0_f64, -2.0, 3.5, 0.0];
        let bytes = |to: &dyn Fn(f64) -> Vec<u8>| -> Vec<u8> {
            values.iter().flat_map(|&value| to(value)).collect()
        };
        let f64s = bytes(&|x| x.to_le_bytes().to_vec());
        let f32s = bytes(&|x| (x as f32).to_le_bytes().to_vec());
        let f16s = bytes(&|x| half::f16::from_f64(x).to_le_bytes().to_vec());
        let bf16s = bytes(&|x| bf16::from_f64(x).to_le_bytes().to_vec());
        for (dtype, data) in [
            (Dtype::F64, &f64s),
            (Dtype::F32, &f32s),
            (Dtype::F16, &f16s),
            (Dtype::BF16, &bf16s),
        ] {
            for names in [&["mu", "other"][..], &["latents", "other"], &["z"]] {
                write_tensors(&path, dtype, &[2, 2], data, names);
                let found = read_points(&path, Points::Means).unwrap();
                assert_eq!(found, expected, "{dtype:?} {names:?}");
            }
        }
    }

    #[test]
    fn test_errors_name_what_is_there_and_what_is_needed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("mine.safetensors");
        let error = || read_points(&path, Points::Means).unwrap_err().to_string();
        let data = [0; 48];
        write_tensors(&path, Dtype::F32, &[2, 2, 3], &data, &["mu"]);
        assert!(error().contains("`mu` has the shape [2, 2, 3], but [packets, dimensions]"));
        write_tensors(&path, Dtype::F32, &[4, 3], &data, &["b", "a"]);
        assert!(error().contains("the file holds `a`, `b`"));
        write_tensors(&path, Dtype::I64, &[2, 3], &data, &["mu"]);
        assert!(error().contains("`mu` is I64, but F32"));
    }

    #[test]
    fn test_files_of_other_kinds_are_named() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.pcap");
        for (bytes, kind) in [
            (&b"\xd4\xc3\xb2\xa1\x02\0\x04\0\0\0\0\0"[..], "a capture"),
            (b"\x0a\x0d\x0d\x0a\x1c\0\0\0\x4d\x3c\x2b\x1a", "a capture"),
            (b"PAR1\x15\0\x15\0", "a Parquet file"),
            (b"\x1f\x8b\x08\0\0\0\0\0", "gzip-compressed"),
            (b"{\"format\": \"tracecodec.latents\"}", "JSON"),
            (b"PK\x03\x04\x14\0\0\0", "a ZIP archive"),
            (b"\x93NUMPY\x01\0\x76\0", "a NumPy array"),
        ] {
            std::fs::write(&path, bytes).unwrap();
            let error = read_points(&path, Points::Means).unwrap_err().to_string();
            assert!(error.ends_with(&format!("this is {kind}")), "{error}");
        }
    }
}
