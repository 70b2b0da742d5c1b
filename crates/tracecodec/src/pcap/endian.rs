//! Byte order, which a classic capture chooses for the file and pcapng for each section.

/// Order of the bytes of an integer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Endian {
    Little,
    Big,
}

impl Endian {
    /// The two bytes at `at`, which the caller knows to be there.
    pub(super) fn u16(self, bytes: &[u8], at: usize) -> u16 {
        let bytes = take(bytes, at);
        match self {
            Self::Little => u16::from_le_bytes(bytes),
            Self::Big => u16::from_be_bytes(bytes),
        }
    }

    /// The four bytes at `at`, which the caller knows to be there.
    pub(super) fn u32(self, bytes: &[u8], at: usize) -> u32 {
        let bytes = take(bytes, at);
        match self {
            Self::Little => u32::from_le_bytes(bytes),
            Self::Big => u32::from_be_bytes(bytes),
        }
    }

    /// The eight bytes at `at`, which the caller knows to be there.
    pub(super) fn i64(self, bytes: &[u8], at: usize) -> i64 {
        let bytes = take(bytes, at);
        match self {
            Self::Little => i64::from_le_bytes(bytes),
            Self::Big => i64::from_be_bytes(bytes),
        }
    }
}

fn take<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let bytes = bytes[at..at + N].try_into();
    bytes.expect("a slice of N bytes is an array of N bytes")
}
