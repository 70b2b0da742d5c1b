//! A Parquet file, whatever its contents.

use std::fs::File;
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;

use parquet::errors::ParquetError;
use parquet::file::reader::SerializedFileReader;

use crate::error::{ActionsFault, Error};

/// Opens a Parquet file.
pub(super) fn open(path: &Path) -> Result<SerializedFileReader<File>, Error> {
    let file = File::open(path).map_err(Error::io(path))?;
    let file = guarded(|| SerializedFileReader::new(file));
    file.map_err(|_| Error::actions(path)(ActionsFault::NotParquet))
}

/// Runs a step of the Parquet library, which panics on some damaged files instead of returning an
/// error.
pub(super) fn guarded<T>(
    step: impl FnOnce() -> Result<T, ParquetError>,
) -> Result<T, ParquetError> {
    panic::catch_unwind(AssertUnwindSafe(step)).unwrap_or_else(|_| {
        let cause = "the file contradicts itself".to_string();
        Err(ParquetError::General(cause))
    })
}
