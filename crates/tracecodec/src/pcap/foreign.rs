//! Files that are often taken for a capture, so that an error can say what they are.

use crate::error::CaptureFault;

/// A kind of file that this crate does not read.
struct Foreign {
    /// The first bytes.
    magic: &'static [u8],
    /// What it is, as in "this is …".
    name: &'static str,
    /// What to do with it.
    hint: &'static str,
}

const CONVERT: &str = "convert it first: editcap -F nsecpcap FILE OUT.pcap";
const DECOMPRESS: &str =
    "decompress it first, or pipe the decompressed bytes in and give - as the file";
const NOT_TRAFFIC: &str = "a pcap or pcapng file is needed";

const FOREIGN: &[Foreign] = &[
    row(b"snoop\0\0\0", "a snoop capture", CONVERT),
    row(b"GMBU", "a Network Monitor 1 capture", CONVERT),
    row(b"RTSS", "a Network Monitor 1 capture", CONVERT),
    row(b"TRSNIFF data", "a Sniffer capture", CONVERT),
    row(b"XCP\0", "a NetXRay capture", CONVERT),
    row(b"\x7fver", "an EtherPeek or OmniPeek capture", CONVERT),
    row(b"\x1c\0\x01\xab", "an Ixia lcap capture", CONVERT),
    row(b"\x1c\0\x01\xac", "an Ixia lcap capture", CONVERT),
    row(b"\xfd7zXZ\0", "xz-compressed", DECOMPRESS),
    row(b"BZh", "bzip2-compressed", DECOMPRESS),
    row(b"\x04\x22\x4d\x18", "lz4-compressed", DECOMPRESS),
    row(b"PK\x03\x04", "a ZIP archive", DECOMPRESS),
    row(b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", DECOMPRESS),
    row(b"PAR1", "a Parquet file", NOT_TRAFFIC),
    row(b"{", "JSON", NOT_TRAFFIC),
    row(b"[", "JSON", NOT_TRAFFIC),
];

const TEXT: Foreign = row(b"", "text", NOT_TRAFFIC);

const fn row(magic: &'static [u8], name: &'static str, hint: &'static str) -> Foreign {
    Foreign { magic, name, hint }
}

/// What to say of a file that starts with `head`, which is no capture.
pub(super) fn not_a_capture(head: &[u8]) -> CaptureFault {
    let foreign = recognise(head);
    CaptureFault::NotACapture {
        name: foreign.map(|foreign| foreign.name),
        hint: foreign.map_or(NOT_TRAFFIC, |foreign| foreign.hint),
    }
}

/// The kind of file that starts with `head`, if it is a known one.
fn recognise(head: &[u8]) -> Option<&'static Foreign> {
    let known = FOREIGN.iter().find(|row| head.starts_with(row.magic));
    known.or_else(|| is_text(head).then_some(&TEXT))
}

fn is_text(head: &[u8]) -> bool {
    let printable = |byte: &u8| matches!(byte, b' '..=b'~' | b'\n' | b'\r' | b'\t');
    !head.is_empty() && head.iter().all(printable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_recognise() {
        let name = |head: &[u8]| recognise(head).map(|foreign| foreign.name);
        assert_eq!(name(b"snoop\0\0\0\0\0\0\x02"), Some("a snoop capture"));
        assert_eq!(name(b"{\"a\": 1}"), Some("JSON"));
        assert_eq!(name(b"hello\n"), Some("text"));
        assert_eq!(name(b"\0\x01\x02\x03"), None);
    }
}
