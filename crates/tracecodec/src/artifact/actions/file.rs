//! A Parquet file, whatever its contents.

use std::fs::File;
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parquet::column::page::{Page, PageMetadata, PageReader};
use parquet::column::reader::{ColumnReader, get_column_reader};
use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, RowGroupReader, SerializedFileReader};

use crate::error::{ActionsFault, Error};

/// Rows that are decoded at once.
pub(super) const BATCH: usize = 8_192;

/// Most bytes of decompressed pages of a row group that are in memory at once: 1 GiB. A page that
/// was compressed a thousandfold can be larger than all memory.
const MOST_OF_PAGES: usize = 1 << 30;

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

/// A row group whose pages share a budget of memory.
pub(super) struct Group<'a> {
    group: Box<dyn RowGroupReader + 'a>,
    /// Bytes of the pages in memory.
    pages: Arc<AtomicUsize>,
}

impl<'a> Group<'a> {
    pub(super) fn open(
        file: &'a SerializedFileReader<File>,
        number: usize,
    ) -> Result<Self, ParquetError> {
        Ok(Self {
            group: file.get_row_group(number)?,
            pages: Arc::default(),
        })
    }

    /// Number of rows, as the footer states it.
    pub(super) fn rows(&self) -> Result<usize, ParquetError> {
        Ok(usize::try_from(self.group.metadata().num_rows())?)
    }

    /// The values of a column.
    pub(super) fn column(&self, number: usize) -> Result<ColumnReader, ParquetError> {
        let description = self.group.metadata().schema_descr().column(number);
        let pages = Pages {
            pages: self.group.get_column_page_reader(number)?,
            budget: self.pages.clone(),
            held: 0,
        };
        Ok(get_column_reader(description, Box::new(pages)))
    }
}

/// Pages of a column, the last of which is in memory.
struct Pages {
    pages: Box<dyn PageReader>,
    budget: Arc<AtomicUsize>,
    held: usize,
}

impl Pages {
    /// Takes a page's bytes from the budget, in place of those of the page before it. Dictionaries
    /// stay in memory.
    fn counted(&mut self, page: Option<Page>) -> Result<Option<Page>, ParquetError> {
        let bytes = page.as_ref().map_or(0, |page| page.buffer().len());
        let all = self.budget.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if all > MOST_OF_PAGES {
            let cause = format!("its pages take more than {} MiB", MOST_OF_PAGES >> 20);
            return Err(ParquetError::General(cause));
        }
        if !matches!(page, Some(Page::DictionaryPage { .. })) {
            self.budget.fetch_sub(self.held, Ordering::Relaxed);
            self.held = bytes;
        }
        Ok(page)
    }
}

impl Iterator for Pages {
    type Item = Result<Page, ParquetError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.get_next_page().transpose()
    }
}

impl PageReader for Pages {
    fn get_next_page(&mut self) -> Result<Option<Page>, ParquetError> {
        let page = self.pages.get_next_page()?;
        self.counted(page)
    }

    fn peek_next_page(&mut self) -> Result<Option<PageMetadata>, ParquetError> {
        self.pages.peek_next_page()
    }

    fn skip_next_page(&mut self) -> Result<(), ParquetError> {
        self.pages.skip_next_page()
    }

    fn supports_deferred_dictionary(&self) -> bool {
        self.pages.supports_deferred_dictionary()
    }

    fn take_deferred_dictionary(&mut self) -> Result<Option<Page>, ParquetError> {
        let page = self.pages.take_deferred_dictionary()?;
        self.counted(page)
    }

    fn at_record_boundary(&mut self) -> Result<bool, ParquetError> {
        self.pages.at_record_boundary()
    }
}
