//! Kinds of files by their first bytes, so that an error can say what a file is.

use super::classic::Classic;
use super::ng::Section;
use crate::error::CaptureFault;

/// A kind of file that this crate does not read.
struct Foreign {
    /// The first bytes.
    magic: &'static [u8],
    /// What the file is, as in "this is …".
    name: &'static str,
    /// What to do with the file.
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
    row(b"\x93NUMPY", "a NumPy array", NOT_TRAFFIC),
    row(b"{", "JSON", NOT_TRAFFIC),
    row(b"[", "JSON", NOT_TRAFFIC),
];

const TEXT: Foreign = row(b"", "text", NOT_TRAFFIC);

/// Kind of a safetensors file.
pub const SAFETENSORS: &str = "a safetensors file";

const LATENTS: Foreign = row(b"", SAFETENSORS, NOT_TRAFFIC);

/// Compressions that captures are read from.
const COMPRESSED: [(&[u8], &str); 2] = [
    (b"\x1f\x8b", "gzip-compressed"),
    (b"\x28\xb5\x2f\xfd", "Zstandard-compressed"),
];

/// What a file that begins with `head` is, as in "this is …"; `None` if its kind is unknown.
pub fn file_kind(head: &[u8]) -> Option<&'static str> {
    if Classic::recognises(head) || Section::recognises(head) {
        return Some("a capture");
    }
    let compressed = COMPRESSED.iter().find(|(magic, _)| head.starts_with(magic));
    compressed
        .map(|(_, name)| *name)
        .or_else(|| recognise(head).map(|foreign| foreign.name))
}

const fn row(magic: &'static [u8], name: &'static str, hint: &'static str) -> Foreign {
    Foreign { magic, name, hint }
}

/// The error for a file that begins with `head` and is not a capture.
pub(super) fn not_a_capture(head: &[u8]) -> CaptureFault {
    let foreign = recognise(head);
    CaptureFault::NotACapture {
        name: foreign.map(|foreign| foreign.name),
        hint: foreign.map_or(NOT_TRAFFIC, |foreign| foreign.hint),
    }
}

/// The kind of file that begins with `head`, if it is a known one.
fn recognise(head: &[u8]) -> Option<&'static Foreign> {
    let known = FOREIGN.iter().find(|row| head.starts_with(row.magic));
    known
        .or_else(|| is_safetensors(head).then_some(&LATENTS))
        .or_else(|| is_text(head).then_some(&TEXT))
}

/// Whether the file begins like safetensors: with the length of a JSON header, then that header.
fn is_safetensors(head: &[u8]) -> bool {
    matches!(head, [_, _, _, _, 0, 0, 0, 0, b'{', ..])
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
        let header = b"\x78\0\0\0\0\0\0\0{\"mu\":";
        assert_eq!(name(header), Some("a safetensors file"));
        assert_eq!(file_kind(header), Some("a safetensors file"));
        assert_eq!(file_kind(b"\xd4\xc3\xb2\xa1\x02\0"), Some("a capture"));
        assert_eq!(file_kind(b"\x1f\x8b\x08\0"), Some("gzip-compressed"));
    }
}
