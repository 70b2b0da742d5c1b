//! Actions files that are small, and state a billion rows or pages of many gigabytes: memory stays
//! bounded. The files are put together by hand, since no writer makes them.

#![allow(clippy::unwrap_used, reason = "test code may fail loudly")]

use std::fs;
use std::path::Path;

use tempfile::TempDir;
use tracecodec::action::SCHEMA_VERSION;
use tracecodec::action::schema::QUANTITIES;
use tracecodec::artifact::actions::{DELTA_T, LABEL_COLUMNS};
use tracecodec::artifact::{ActionsReader, Labels};

/// Types of Thrift's compact protocol, as Parquet's headers have them.
const I32: u8 = 5;
const I64: u8 = 6;
const BINARY: u8 = 8;
const LIST: u8 = 9;
const STRUCT: u8 = 12;

/// Rows of each column.
const ROWS: u64 = 1_000_000_000;

fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

/// A struct of fields: number, type and value.
fn structure(fields: &[(u8, u8, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut last = 0;
    for (number, kind, value) in fields {
        bytes.push((number - last) << 4 | kind);
        bytes.extend(value);
        last = *number;
    }
    bytes.push(0);
    bytes
}

/// A number of 32 or 64 bits, which is not negative.
fn number(value: u64) -> Vec<u8> {
    varint(value << 1)
}

fn text(text: &str) -> Vec<u8> {
    [varint(text.len() as u64), text.as_bytes().to_vec()].concat()
}

fn list(kind: u8, items: &[Vec<u8>]) -> Vec<u8> {
    [
        vec![0xf0 | kind],
        varint(items.len() as u64),
        items.concat(),
    ]
    .concat()
}

/// A page of so many values, and the header before it.
fn page(kind: u64, encoding: u64, values: u64, uncompressed: usize, body: &[u8]) -> Vec<u8> {
    let about = [
        (1, I32, number(values)),
        (2, I32, number(encoding)),
        (3, I32, number(3)),
        (4, I32, number(3)),
    ];
    let (field, fields) = if kind == 0 {
        (5, &about[..])
    } else {
        (7, &about[..2])
    };
    let header = structure(&[
        (1, I32, number(kind)),
        (2, I32, number(uncompressed as u64)),
        (3, I32, number(body.len() as u64)),
        (field, STRUCT, structure(fields)),
    ]);
    [&header, body].concat()
}

/// Pages of a column: where they lie, whether a dictionary is first, and their codec.
#[derive(Clone, Copy)]
struct Chunk {
    at: usize,
    len: usize,
    has_dictionary: bool,
    codec: u64,
}

/// Writes a file in which all numbers are one chunk, and all labels another.
fn write(path: &Path, rows: u64, chunks: [&[u8]; 2], has_dictionary: bool, codec: u64) {
    let numbers = Chunk {
        at: 4,
        len: chunks[0].len(),
        has_dictionary,
        codec,
    };
    let labels = Chunk {
        at: 4 + chunks[0].len(),
        len: chunks[1].len(),
        has_dictionary: false,
        codec: 0,
    };
    let names = QUANTITIES.iter().map(|quantity| quantity.name);
    let columns = names
        .chain([DELTA_T])
        .map(|name| (name, 1, numbers))
        .chain(LABEL_COLUMNS.map(|name| (name, 6, labels)));
    let columns: Vec<(&str, u64, Chunk)> = columns.collect();
    let root = structure(&[
        (4, BINARY, text("x")),
        (5, I32, number(columns.len() as u64)),
    ]);
    let element = |(name, kind, _): &(&str, u64, Chunk)| {
        structure(&[
            (1, I32, number(*kind)),
            (3, I32, number(u64::from(*kind == 6))),
            (4, BINARY, text(name)),
        ])
    };
    let column = |(name, kind, chunk): &(&str, u64, Chunk)| {
        let mut fields = vec![
            (1, I32, number(*kind)),
            (2, LIST, list(I32, &[number(8)])),
            (3, LIST, list(BINARY, &[text(name)])),
            (4, I32, number(chunk.codec)),
            (5, I64, number(rows)),
            (6, I64, number(chunk.len as u64)),
            (7, I64, number(chunk.len as u64)),
            (9, I64, number(chunk.at as u64)),
        ];
        if chunk.has_dictionary {
            fields.push((11, I64, number(chunk.at as u64)));
        }
        structure(&[
            (2, I64, number(chunk.at as u64)),
            (3, STRUCT, structure(&fields)),
        ])
    };
    let group = structure(&[
        (
            1,
            LIST,
            list(STRUCT, &columns.iter().map(column).collect::<Vec<_>>()),
        ),
        (2, I64, number(1)),
        (3, I64, number(rows)),
    ]);
    let pair =
        |key: &str, value: &str| structure(&[(1, BINARY, text(key)), (2, BINARY, text(value))]);
    let version = SCHEMA_VERSION.to_string();
    let metadata = [
        pair("tracecodec.schema_version", &version),
        pair("tracecodec.option_profiles", "[]"),
    ];
    let elements = [vec![root], columns.iter().map(element).collect()].concat();
    let footer = structure(&[
        (1, I32, number(1)),
        (2, LIST, list(STRUCT, &elements)),
        (3, I64, number(rows)),
        (4, LIST, list(STRUCT, &[group])),
        (5, LIST, list(STRUCT, &metadata)),
    ]);
    let length = (footer.len() as u32).to_le_bytes();
    let file = [b"PAR1", chunks[0], chunks[1], &footer, &length, b"PAR1"].concat();
    fs::write(path, file).unwrap();
}

/// A page of labels that are all null: one run of levels.
fn no_labels() -> Vec<u8> {
    let levels = [varint(ROWS << 1), vec![0]].concat();
    let body = [(levels.len() as u32).to_le_bytes().to_vec(), levels].concat();
    page(0, 0, ROWS, body.len(), &body)
}

/// The most memory that the process has taken, in bytes, where the system says it.
fn peak_memory() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM"))?;
    let kilobytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kilobytes << 10)
}

#[test]
fn test_a_billion_rows_of_one_run_take_the_memory_of_a_batch() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a.parquet");
    let dictionary = page(2, 0, 1, 4, &[0; 4]);
    let run = [vec![1], varint(ROWS << 1), vec![0]].concat();
    let run = page(0, 8, ROWS, run.len(), &run);
    write(
        &path,
        ROWS,
        [&[dictionary, run].concat(), &no_labels()],
        true,
        0,
    );
    assert!(fs::metadata(&path).unwrap().len() < 20_000);
    let mut reader = ActionsReader::open(&path).unwrap();
    assert_eq!(reader.rows(), ROWS);
    for action in reader.by_ref().take(100_000) {
        action.unwrap();
    }
    reader.seek(ROWS / 1_000).unwrap();
    assert!(reader.next().unwrap().is_ok());
    let mut labels = Labels::open(&path).unwrap().unwrap();
    for _ in 0..100_000 {
        assert_eq!(labels.next_label().unwrap(), None);
    }
    let memory = peak_memory();
    assert!(memory.is_none_or(|memory| memory < 200 << 20), "{memory:?}");
}

#[test]
fn test_pages_of_many_gigabytes_are_refused() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a.parquet");
    // As many columns as there are have a page each, of 64 MiB.
    let bytes = 64 << 20;
    let body = zstd::encode_all(&vec![0; bytes][..], 1).unwrap();
    let rows = bytes as u64 / 4;
    let numbers = page(0, 0, rows, bytes, &body);
    write(&path, rows, [&numbers, &no_labels()], false, 6);
    let mut reader = ActionsReader::open(&path).unwrap();
    let error = reader.next().unwrap().unwrap_err().to_string();
    assert!(error.contains("pages take more than 1024 MiB"), "{error}");
    assert!(reader.next().is_none());
    let memory = peak_memory();
    assert!(
        memory.is_none_or(|memory| memory < 1_300 << 20),
        "{memory:?}"
    );
}
