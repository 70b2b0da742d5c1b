//! Places of the fields of transport headers, counted from the header's first byte.

/// TCP (RFC 9293 section 3.1).
pub(crate) mod tcp {
    use std::ops::Range;

    pub(crate) const SOURCE_PORT: Range<usize> = 0..2;
    pub(crate) const DESTINATION_PORT: Range<usize> = 2..4;
    pub(crate) const SEQ: Range<usize> = 4..8;
    pub(crate) const ACK: Range<usize> = 8..12;
    /// Four bits of data offset, then the twelve flags.
    pub(crate) const OFFSET_AND_FLAGS: Range<usize> = 12..14;
    pub(crate) const WINDOW: Range<usize> = 14..16;
    pub(crate) const CHECKSUM: Range<usize> = 16..18;
    pub(crate) const URGENT_POINTER: Range<usize> = 18..20;
}

/// UDP (RFC 768).
pub(crate) mod udp {
    use std::ops::Range;

    pub(crate) const SOURCE_PORT: Range<usize> = 0..2;
    pub(crate) const DESTINATION_PORT: Range<usize> = 2..4;
    pub(crate) const LENGTH: Range<usize> = 4..6;
    pub(crate) const CHECKSUM: Range<usize> = 6..8;
}

/// ICMP (RFC 792) and ICMPv6 (RFC 4443). Only echo messages have an identifier and sequence number.
pub(crate) mod icmp {
    use std::ops::Range;

    pub(crate) const TYPE: usize = 0;
    pub(crate) const CODE: usize = 1;
    pub(crate) const CHECKSUM: Range<usize> = 2..4;
    pub(crate) const IDENTIFIER: Range<usize> = 4..6;
    pub(crate) const SEQUENCE_NUMBER: Range<usize> = 6..8;
}
