//! Sequence number arithmetic (RFC 9293 section 3.4).

use std::ops::{Add, AddAssign, Sub};

/// A TCP sequence number; all arithmetic is modulo 2^32.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct SeqNumber(pub u32);

impl SeqNumber {
    /// Whether `self` comes after `other`, by less than half the number space.
    pub fn is_after(self, other: SeqNumber) -> bool {
        self - other > 0
    }
}

impl Add<u32> for SeqNumber {
    type Output = SeqNumber;

    fn add(self, len: u32) -> SeqNumber {
        SeqNumber(self.0.wrapping_add(len))
    }
}

impl AddAssign<u32> for SeqNumber {
    fn add_assign(&mut self, len: u32) {
        *self = *self + len;
    }
}

impl Sub<u32> for SeqNumber {
    type Output = SeqNumber;

    fn sub(self, len: u32) -> SeqNumber {
        SeqNumber(self.0.wrapping_sub(len))
    }
}

impl Sub for SeqNumber {
    type Output = i32;

    /// The signed distance from `other` to `self`.
    fn sub(self, other: SeqNumber) -> i32 {
        self.0.wrapping_sub(other.0) as i32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_comparison_wraps() {
        assert!(SeqNumber(5).is_after(SeqNumber(u32::MAX - 5)));
        assert!(!SeqNumber(u32::MAX - 5).is_after(SeqNumber(5)));
        assert_eq!(SeqNumber(2) - SeqNumber(u32::MAX), 3);
    }
}
