//! Options of Multipath TCP (RFC 8684; version 0: RFC 6824): what of them is layout.

/// Kind of the TCP option.
pub(crate) const KIND: u8 = 30;

/// Subtypes of the option.
pub(crate) mod subtype {
    pub(crate) const MP_CAPABLE: u8 = 0;
    pub(crate) const MP_JOIN: u8 = 1;
    pub(crate) const DSS: u8 = 2;
    pub(crate) const ADD_ADDR: u8 = 3;
    pub(crate) const REMOVE_ADDR: u8 = 4;
    pub(crate) const MP_PRIO: u8 = 5;
    pub(crate) const MP_FAIL: u8 = 6;
    pub(crate) const MP_FASTCLOSE: u8 = 7;
    pub(crate) const MP_TCPRST: u8 = 8;
}

/// Flags of a data sequence signal: which fields it has, and whether they have eight bytes (RFC
/// 8684 section 3.3).
pub(crate) mod dss {
    pub(crate) const ACK: u8 = 1;
    pub(crate) const LONG_ACK: u8 = 2;
    pub(crate) const MAPPING: u8 = 4;
    pub(crate) const LONG_SEQ: u8 = 8;
}

/// Number of leading bytes of a whole option that belong to its layout: kind, length, subtype and
/// the bits beside it, and the flags that say which fields follow. `None` if the subtype cannot
/// have this length.
pub(crate) fn layout_len(option: &[u8]) -> Option<usize> {
    use subtype::{
        ADD_ADDR, DSS, MP_CAPABLE, MP_FAIL, MP_FASTCLOSE, MP_JOIN, MP_PRIO, MP_TCPRST, REMOVE_ADDR,
    };
    let &[_, len, first, ..] = option else {
        return None;
    };
    let is_legal = match (first >> 4, first & 0xf) {
        (MP_CAPABLE, 0) => matches!(len, 12 | 20),
        (MP_CAPABLE, _) => matches!(len, 4 | 12 | 20 | 22 | 24),
        (MP_JOIN, _) => matches!(len, 12 | 16 | 24),
        (DSS, _) => len >= 4 && fits_dss(option[3], len),
        // An IP version in version 0, the flag of an echo in version 1; with or without a port of
        // two bytes and an HMAC of eight.
        (ADD_ADDR, 4) => matches!(len, 8 | 10 | 16 | 18),
        (ADD_ADDR, 6) => matches!(len, 20 | 22 | 28 | 30),
        (ADD_ADDR, 0 | 1) => matches!(len, 8 | 10 | 16 | 18 | 20 | 22 | 28 | 30),
        (ADD_ADDR, _) => false,
        (REMOVE_ADDR, _) => len >= 4,
        (MP_PRIO, _) => matches!(len, 3 | 4),
        (MP_FAIL | MP_FASTCLOSE, _) => len == 12,
        (MP_TCPRST, _) => len == 4,
        _ => true,
    };
    is_legal.then_some(match first >> 4 {
        MP_CAPABLE | DSS => 4,
        _ => 3,
    })
}

/// Whether a data sequence signal with these flags can have this length.
fn fits_dss(flags: u8, len: u8) -> bool {
    let long = |flag| if flags & flag != 0 { 8 } else { 4 };
    let ack = if flags & dss::ACK != 0 {
        long(dss::LONG_ACK)
    } else {
        0
    };
    // Sequence number, subflow sequence number, length; a checksum, if that was agreed on.
    if flags & dss::MAPPING == 0 {
        len == 4 + ack
    } else {
        let fixed = 4 + ack + long(dss::LONG_SEQ) + 4 + 2;
        len == fixed || len == fixed + 2
    }
}
