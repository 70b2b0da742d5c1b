//! The Internet checksum (RFC 1071).

use std::ops::Range;

use super::field;

/// Adds big-endian 16-bit words to a running sum; an odd last byte counts as the high half of a
/// word.
pub fn sum(bytes: &[u8]) -> u32 {
    let mut words = bytes.chunks_exact(2);
    let mut sum: u64 = words
        .by_ref()
        .map(|word| u64::from(u16::from_be_bytes([word[0], word[1]])))
        .sum();
    if let [last] = words.remainder() {
        sum += u64::from(*last) << 8;
    }
    fold(sum)
}

/// Folds a wide sum, so that sums can be added without overflow.
pub fn fold(mut sum: u64) -> u32 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u32
}

/// The checksum field for a sum over everything that it covers, with the field itself as 0.
pub fn finish(sum: u32) -> u16 {
    !(fold(sum.into()) as u16)
}

/// Writes the checksum field of a transport header. A UDP checksum of 0 means "none", so all ones
/// are written in its place (RFC 768); in one's complement both are the same number.
pub(crate) fn put(header: &mut [u8], place: Range<usize>, sum: u32) {
    let checksum = match finish(sum) {
        0 if place == field::udp::CHECKSUM => 0xffff,
        checksum => checksum,
    };
    header[place].copy_from_slice(&checksum.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_example_of_rfc_1071() {
        let bytes = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];
        assert_eq!(sum(&bytes), 0xddf2);
        assert_eq!(finish(sum(&bytes)), !0xddf2);
    }

    #[test]
    fn test_odd_length() {
        assert_eq!(sum(&[0x12, 0x34, 0x56]), 0x1234 + 0x5600);
    }
}
