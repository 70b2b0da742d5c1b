//! The kinds of capture file.

use std::fmt;
use std::path::Path;

/// Format of a capture file: compression, container and time step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Format {
    /// Container of the packets.
    pub container: Container,
    /// The file's time step.
    pub precision: Precision,
    /// Compression of the container.
    pub compression: Compression,
}

/// Container of a capture file's packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Container {
    /// Classic pcap: a header, then one record a packet; one link type a file.
    #[default]
    Pcap,
    /// Sections of blocks; link type and time unit belong to an interface.
    PcapNg,
}

/// A file's time step, in the two classes that matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Precision {
    /// A microsecond or coarser.
    Micros,
    /// Finer than a microsecond.
    #[default]
    Nanos,
}

/// Compression of a capture file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Compression {
    /// No compression.
    #[default]
    None,
    /// gzip (RFC 1952), of one or several members.
    Gzip,
    /// Zstandard (RFC 8878).
    Zstd,
}

impl Format {
    /// Format that a file name asks for: `.pcapng` means pcapng, anything else classic pcap; a
    /// final `.gz` or `.zst` means compression. The time step is always a nanosecond.
    pub fn of_path(path: impl AsRef<Path>) -> Self {
        let path = path.as_ref();
        let (compression, path) = match extension(path).as_deref() {
            Some("gz") => (Compression::Gzip, path.with_extension("")),
            Some("zst") => (Compression::Zstd, path.with_extension("")),
            _ => (Compression::None, path.to_path_buf()),
        };
        let container = match extension(&path).as_deref() {
            Some("pcapng") => Container::PcapNg,
            _ => Container::Pcap,
        };
        Self {
            container,
            precision: Precision::Nanos,
            compression,
        }
    }
}

fn extension(path: &Path) -> Option<String> {
    Some(path.extension()?.to_str()?.to_ascii_lowercase())
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}", self.container, self.precision)?;
        match self.compression {
            Compression::None => Ok(()),
            compression => write!(f, ", {compression}"),
        }
    }
}

impl fmt::Display for Container {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pcap => "pcap",
            Self::PcapNg => "pcapng",
        })
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Micros => "microseconds",
            Self::Nanos => "nanoseconds",
        })
    }
}

impl Compression {
    /// Name of the compression.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "uncompressed",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_of_path() {
        let shown = |path| Format::of_path(path).to_string();
        assert_eq!(shown("a.pcap"), "pcap, nanoseconds");
        assert_eq!(shown("-"), "pcap, nanoseconds");
        assert_eq!(shown("x.y/a.pcapng.zst"), "pcapng, nanoseconds, zstd");
        assert_eq!(shown("a.PCAP.GZ"), "pcap, nanoseconds, gzip");
    }
}
