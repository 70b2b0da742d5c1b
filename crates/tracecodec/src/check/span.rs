//! Bytes whose end the capture may have cut.

use super::Fault;

/// Bytes on the wire, with the captured part of them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span<'a> {
    /// Captured bytes: at most `len`.
    pub(super) data: &'a [u8],
    /// Number of bytes on the wire.
    pub(super) len: usize,
}

impl<'a> Span<'a> {
    /// The first `len` bytes.
    ///
    /// # Errors
    /// [`Fault::TooShort`] if fewer were on the wire, [`Fault::HeaderCut`] if fewer were captured.
    pub(super) fn header(self, len: usize) -> Result<&'a [u8], Fault> {
        if len > self.len {
            return Err(Fault::TooShort);
        }
        self.data.get(..len).ok_or(Fault::HeaderCut)
    }

    /// The first `N` bytes, with the errors of [`Span::header`].
    pub(super) fn fixed<const N: usize>(self) -> Result<&'a [u8; N], Fault> {
        let header = self.header(N)?;
        header.first_chunk().ok_or(Fault::HeaderCut)
    }

    /// The bytes after the first `len`.
    pub(super) fn skip(self, len: usize) -> Self {
        Self {
            data: self.data.get(len..).unwrap_or(&[]),
            len: self.len.saturating_sub(len),
        }
    }

    /// At most the first `len` bytes.
    pub(super) fn limit(self, len: usize) -> Self {
        Self {
            data: &self.data[..self.data.len().min(len)],
            len: self.len.min(len),
        }
    }

    /// All bytes, if all were captured.
    pub(super) fn whole(self) -> Option<&'a [u8]> {
        (self.data.len() == self.len).then_some(self.data)
    }
}

/// The big-endian word at `at`, which must lie inside `bytes`.
pub(super) fn word(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}
