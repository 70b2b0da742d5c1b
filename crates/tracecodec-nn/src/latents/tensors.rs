//! Reading and writing the tensors of a file of latents.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

use half::bf16;
use safetensors::tensor::{Dtype, Metadata, TensorInfo, TensorView};
use tracecodec::output::Output;
use tracecodec::pcap;

use super::Latents;
use crate::error::Error;
use crate::files;
use crate::weights::numbers;

/// Bytes of the header's length, with which a file begins; the header is padded to a multiple.
const LENGTH: usize = size_of::<u64>();

/// Largest header that is read, as in the reference implementation of the format.
const LARGEST_HEADER: u64 = 100_000_000;

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
/// If the file cannot be written.
///
/// # Panics
/// If the draw has another shape.
pub fn write(path: &Path, latents: &Latents, sample: Option<&[f32]>) -> Result<(), Error> {
    let mut writer = Writer::create(path, latents.packets(), latents.dim, sample.is_some())?;
    writer.write(latents, sample)?;
    writer.finish()
}

/// Writes latents as they are made, so that they need not be in memory together. The tensors lie
/// one after the other in the file: each batch is written to its place in all of them.
#[derive(Debug)]
pub struct Writer {
    path: PathBuf,
    output: Output,
    dim: usize,
    /// First byte of each tensor, in the order of the file: `log_var`, `mu`, and `sample` if there
    /// is a draw.
    starts: Vec<u64>,
    /// Rows of all, and rows so far.
    rows: usize,
    written: usize,
}

impl Writer {
    /// Begins a file of so many rows of so many dimensions; a missing folder is created.
    ///
    /// # Errors
    /// If the file cannot be written, or is a pipe.
    pub fn create(path: &Path, rows: usize, dim: usize, is_sampled: bool) -> Result<Self, Error> {
        let size = 4 * rows * dim;
        let names = ["log_var", "mu", "sample"];
        let tensors = (0..2 + usize::from(is_sampled)).map(|i| {
            let info = TensorInfo {
                dtype: Dtype::F32,
                shape: vec![rows, dim],
                data_offsets: (i * size, (i + 1) * size),
            };
            (names[i].to_string(), info)
        });
        let metadata =
            Metadata::new(None, tensors.collect()).map_err(|e| Error::format(path, e))?;
        let mut header = serde_json::to_vec(&metadata).map_err(|e| Error::format(path, e))?;
        header.resize(header.len().next_multiple_of(LENGTH), b' ');
        let data = LENGTH + header.len();
        let mut output = files::create(path)?;
        let head = [&(header.len() as u64).to_le_bytes(), &header[..]].concat();
        if output.rewind().is_err() {
            return Err(Error::latents(
                path,
                "a pipe, but latents are written to several places of a file by turns",
                "name a file",
            ));
        }
        output.write_all(&head).map_err(Error::io(path))?;
        let starts = metadata.offset_keys();
        let starts = starts.iter().filter_map(|name| metadata.info(name));
        Ok(Self {
            path: path.to_path_buf(),
            output,
            dim,
            starts: starts
                .map(|info| (data + info.data_offsets.0) as u64)
                .collect(),
            rows,
            written: 0,
        })
    }

    /// Writes the next rows, with their draw if the file has one.
    ///
    /// # Errors
    /// If the file cannot be written.
    ///
    /// # Panics
    /// If the rows have other dimensions than the file, are too many for it, or a draw is missing
    /// or not asked for.
    pub fn write(&mut self, latents: &Latents, sample: Option<&[f32]>) -> Result<(), Error> {
        let tensors = [Some(&latents.log_var[..]), Some(&latents.mu), sample];
        let tensors: Vec<&[f32]> = tensors.into_iter().flatten().collect();
        assert_eq!(tensors.len(), self.starts.len(), "the tensors of the file");
        let count = latents.packets();
        assert!(self.written + count <= self.rows, "rows of the file");
        for (&start, values) in self.starts.iter().zip(tensors) {
            assert_eq!(values.len(), count * self.dim, "rows of the file's width");
            let bytes: Vec<u8> = values.iter().flat_map(|x| x.to_le_bytes()).collect();
            let place = start + (4 * self.written * self.dim) as u64;
            let sought = self.output.seek(SeekFrom::Start(place));
            let written = sought.and_then(|_| self.output.write_all(&bytes));
            written.map_err(Error::io(&self.path))?;
        }
        self.written += count;
        Ok(())
    }

    /// Puts the finished file in its place.
    ///
    /// # Errors
    /// If rows are missing, or the file cannot be moved.
    pub fn finish(self) -> Result<(), Error> {
        if self.written < self.rows {
            return Err(Error::format(&self.path, "rows are missing"));
        }
        self.output.finish().map_err(Error::io(&self.path))
    }
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
    let mut file = File::open(path).map_err(Error::io(path))?;
    let (data, metadata) = header(path, &mut file)?;
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

/// Reads the header of a file: the place of its first byte of data, and what tensors there are.
fn header(path: &Path, file: &mut File) -> Result<(usize, Metadata), Error> {
    let size = file.metadata().map_err(Error::io(path))?.len();
    let mut head = Vec::new();
    let read = Read::by_ref(file)
        .take(LENGTH as u64)
        .read_to_end(&mut head);
    read.map_err(Error::io(path))?;
    let length = head
        .first_chunk()
        .map_or(0, |bytes| u64::from_le_bytes(*bytes));
    let read = file.take(length.min(LARGEST_HEADER)).read_to_end(&mut head);
    read.map_err(Error::io(path))?;
    let metadata: Metadata = match head.get(LENGTH..).map(serde_json::from_slice) {
        Some(Ok(metadata)) => metadata,
        Some(Err(error)) => return Err(not_latents(path, &head, error)),
        None => return Err(not_latents(path, &head, "it has no header")),
    };
    if (head.len() + metadata.data_len()) as u64 != size {
        return Err(Error::format(path, "it is cut off"));
    }
    Ok((head.len(), metadata))
}

/// The error of a file that is not in the safetensors format.
fn not_latents(path: &Path, head: &[u8], reason: impl ToString) -> Error {
    match pcap::file_kind(&head[..head.len().min(HEAD)]) {
        Some(kind) if kind != pcap::SAFETENSORS => Error::latents(
            path,
            format!("no latents: this is {kind}"),
            "a safetensors file is needed, with a matrix mu that has a row for each packet",
        ),
        _ => Error::format(path, reason),
    }
}

/// A matrix in a file of latents, whose rows are read as they are needed.
#[derive(Debug)]
pub(crate) struct StoredRows {
    path: PathBuf,
    file: File,
    name: String,
    dtype: Dtype,
    /// Its first byte.
    start: u64,
    rows: usize,
    columns: usize,
}

impl StoredRows {
    /// Opens the rows to decode.
    ///
    /// # Errors
    /// If the file cannot be read or is of another kind, or if it has no such matrix of
    /// floating-point numbers.
    pub(crate) fn open(path: &Path, points: Points) -> Result<Self, Error> {
        let mut file = seekable(path)?;
        let (data, metadata) = header(path, &mut file)?;
        let name = match points {
            Points::Means => rows(&metadata, path)?,
            Points::Sample => "sample".to_string(),
        };
        let Some(info) = metadata.info(&name) else {
            return Err(Error::NoSample(path.to_path_buf()));
        };
        let Some(&[rows, columns]) = info.shape.as_array().filter(|[_, dim]| *dim > 0) else {
            return Err(Error::latents(
                path,
                format!(
                    "`{name}` has the shape {:?}, but [packets, dimensions] is needed, a row for each packet",
                    info.shape
                ),
                "reshape it, or store the packets of each trace in a file of their own",
            ));
        };
        let stored = Self {
            path: path.to_path_buf(),
            file,
            name,
            dtype: info.dtype,
            start: (data + info.data_offsets.0) as u64,
            rows,
            columns,
        };
        // Fails if the numbers are of another type.
        stored.read(0..0)?;
        Ok(stored)
    }

    /// Number of rows.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns.
    pub(crate) fn columns(&self) -> usize {
        self.columns
    }

    /// Reads some rows, row-major in f32. Floating-point numbers of 16 and 64 bits are converted.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub(crate) fn read(&self, rows: Range<usize>) -> Result<Vec<f32>, Error> {
        let row = self.columns * self.dtype.bitsize() / 8;
        let mut bytes = vec![0; rows.len() * row];
        let mut file = &self.file;
        let place = self.start + (rows.start * row) as u64;
        let sought = file.seek(SeekFrom::Start(place));
        let read = sought.and_then(|_| file.read_exact(&mut bytes));
        read.map_err(Error::io(&self.path))?;
        let shape = vec![rows.len(), self.columns];
        let view = TensorView::new(self.dtype, shape, &bytes);
        let view = view.map_err(|e| Error::format(&self.path, e))?;
        singles(&view).ok_or_else(|| {
            Error::latents(
                &self.path,
                format!(
                    "`{}` is {:?}, but F32, F64, F16 or BF16 is needed",
                    self.name, self.dtype
                ),
                "convert it to floating-point numbers of 32 bits",
            )
        })
    }
}

/// A file in which rows can be found again; of a pipe, a copy.
fn seekable(path: &Path) -> Result<File, Error> {
    let file = File::open(path).map_err(Error::io(path))?;
    let metadata = file.metadata().map_err(Error::io(path))?;
    if metadata.is_file() {
        return Ok(file);
    }
    if metadata.is_dir() {
        return Err(Error::latents(
            path,
            "a folder, not a file of latents",
            "name one of its .safetensors files",
        ));
    }
    let bytes = files::read(path)?;
    let copy = tempfile::tempfile().and_then(|mut copy| {
        copy.write_all(&bytes)?;
        copy.rewind()?;
        Ok(copy)
    });
    copy.map_err(Error::io(path))
}

/// The tensor of rows: the one with a name of [`ROWS`], or the only one of the file.
fn rows(metadata: &Metadata, path: &Path) -> Result<String, Error> {
    let mut names = metadata.offset_keys();
    names.sort_unstable();
    let named = ROWS
        .iter()
        .find(|row| names.iter().any(|name| name == *row));
    match (named, &names[..]) {
        (Some(name), _) => Ok((*name).to_string()),
        (None, [only]) => Ok(only.clone()),
        (None, names) => {
            let held: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
            let held = if held.is_empty() {
                "no tensor".to_string()
            } else {
                held.join(", ")
            };
            Err(Error::latents(
                path,
                format!("no tensor `mu` or `latents`: the file holds {held}"),
                "name the matrix that has a row for each packet mu",
            ))
        }
    }
}

/// The numbers of a tensor; `None` if they are no floating-point numbers.
fn singles(view: &TensorView<'_>) -> Option<Vec<f32>> {
    match view.dtype() {
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
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Columns and numbers of all rows to decode.
    fn read_points(path: &Path, points: Points) -> Result<(usize, Vec<f32>), Error> {
        let rows = StoredRows::open(path, points)?;
        Ok((rows.columns(), rows.read(0..rows.rows())?))
    }

    #[test]
    fn test_batches_are_written_as_the_reference_writes_all() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("latents.safetensors");
        let all = Latents {
            mu: (0..14).map(|x| x as f32).collect(),
            log_var: (0..14).map(|x| -0.5 * x as f32).collect(),
            dim: 2,
        };
        let sample = all.sample(3);
        for sample in [None, Some(&sample[..])] {
            let mut writer = Writer::create(&path, 7, 2, sample.is_some()).unwrap();
            for rows in [0..8, 8..14] {
                let batch = Latents {
                    mu: all.mu[rows.clone()].to_vec(),
                    log_var: all.log_var[rows.clone()].to_vec(),
                    dim: 2,
                };
                writer
                    .write(&batch, sample.map(|sample| &sample[rows]))
                    .unwrap();
            }
            writer.finish().unwrap();
            let bytes = |values: &[f32]| -> Vec<u8> {
                values.iter().flat_map(|x| x.to_le_bytes()).collect()
            };
            let mut tensors = vec![("mu", bytes(&all.mu)), ("log_var", bytes(&all.log_var))];
            tensors.extend(sample.map(|sample| ("sample", bytes(sample))));
            let views = tensors
                .iter()
                .map(|(name, data)| (name, TensorView::new(Dtype::F32, vec![7, 2], data).unwrap()));
            let reference = safetensors::serialize(views, None).unwrap();
            assert_eq!(std::fs::read(&path).unwrap(), reference);
            let rows = StoredRows::open(&path, Points::Means).unwrap();
            assert_eq!(
                (rows.rows(), rows.read(2..4).unwrap()),
                (7, all.mu[4..8].to_vec())
            );
        }
        std::fs::remove_file(&path).unwrap();
        let writer = Writer::create(&path, 7, 2, false).unwrap();
        assert!(writer.finish().is_err());
        assert!(!path.exists());
    }

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
    #[cfg(unix)]
    fn test_a_folder_is_refused_and_a_pipe_is_copied() {
        let directory = tempfile::tempdir().unwrap();
        let error = read_points(directory.path(), Points::Means).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("a folder, not a file of latents"),
            "{error}"
        );
        let path = directory.path().join("mine.safetensors");
        write_rows(&path, 1, &1.0_f32.to_le_bytes()).unwrap();
        let pipe = directory.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(made.unwrap().success());
        std::thread::scope(|scope| {
            scope.spawn(|| std::fs::read(&pipe).unwrap());
            let error = Writer::create(&pipe, 1, 1, false).unwrap_err();
            assert!(error.to_string().contains("a pipe"), "{error}");
        });
        std::thread::scope(|scope| {
            scope.spawn(|| std::fs::copy(&path, &pipe).unwrap());
            let read = read_points(&pipe, Points::Means);
            assert_eq!(read.unwrap(), (1, vec![1.0]));
        });
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
