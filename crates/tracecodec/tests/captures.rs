//! Reads every capture of the test collection and compares with its catalogue.

mod common;

use std::fs;
use std::path::Path;

use tracecodec::pcap::{ReadError, Reader};

/// Packets of a file, and the error that ended it.
fn count(path: &Path) -> (u64, Option<ReadError>) {
    let mut reader = match Reader::open(path) {
        Ok(reader) => reader,
        Err(error) => return (0, Some(error)),
    };
    while let Some(packet) = reader.next() {
        if let Err(error) = packet {
            assert!(reader.next().is_none(), "{}: not fused", path.display());
            return (reader.packets(), Some(error));
        }
    }
    (reader.packets(), None)
}

#[test]
fn test_catalog() {
    let Some(data) = common::data() else { return };
    let catalog = fs::read_to_string(data.join("catalog.tsv")).unwrap();
    for line in catalog.lines().skip(1) {
        let columns: Vec<&str> = line.split('\t').collect();
        let (path, packets, damage) = (columns[0], columns[7], columns[columns.len() - 1]);
        let (count, error) = count(&data.join(path));
        if packets != count.to_string() || damage.is_empty() != error.is_none() {
            let error = error.map_or_else(String::new, |error| error.to_string());
            println!("{path}\t{packets}\t{damage}\t{count}\t{error}");
        }
    }
}
