//! The start of a synthetic message: what a payload holds before it is zeros alone.

/// Length of the longest start: an IPv6 and a TCP header.
pub(super) const LONGEST_START: usize = 60;

/// The bytes of a message up to its last that is not 0.
#[derive(Clone, Copy)]
pub(super) struct Message {
    bytes: [u8; LONGEST_START],
    len: usize,
}

impl Default for Message {
    fn default() -> Self {
        Self {
            bytes: [0; LONGEST_START],
            len: 0,
        }
    }
}

impl Message {
    /// Appends bytes.
    pub(super) fn put(&mut self, bytes: &[u8]) {
        let end = self.len + bytes.len();
        self.bytes[self.len..end].copy_from_slice(bytes);
        self.len = end;
    }

    /// The bytes so far.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}
