//! TCP flags (RFC 9293 section 3.1, RFC 3168, RFC 9768), and how the action splits them: the coarse
//! event in `tcp_ctrl`, the rest in `tcp_flag_bits`.

use crate::action::{Action, Control};

/// FIN.
pub const FIN: u16 = 0x001;
/// SYN.
pub const SYN: u16 = 0x002;
/// RST.
pub const RST: u16 = 0x004;
/// PSH.
pub const PSH: u16 = 0x008;
/// ACK.
pub const ACK: u16 = 0x010;
/// URG.
pub const URG: u16 = 0x020;
/// ECE.
pub const ECE: u16 = 0x040;
/// CWR.
pub const CWR: u16 = 0x080;
/// AE, formerly the nonce sum.
pub const AE: u16 = 0x100;
/// The three reserved bits.
pub const RESERVED: u16 = 0xe00;

/// Bit of `tcp_flag_bits`: the ACK flag is missing though `tcp_ctrl` implies it.
pub const MISSING_ACK: u16 = 0x20;

/// Each bit of `tcp_flag_bits`, with the flag that it stands for.
const BITS: [(u16, u16); 5] = [
    (0x01, PSH),
    (0x02, URG),
    (0x04, ECE),
    (0x08, CWR),
    (0x10, AE),
];

/// The bits of `tcp_flag_bits` that have a meaning.
const KNOWN_BITS: u16 = 0x73f;

/// Whether a segment with these flags opens a connection: SYN without ACK.
pub fn opens(flags: u16) -> bool {
    flags & (SYN | ACK) == SYN
}

/// Sequence numbers that SYN and FIN take in addition to the payload (RFC 9293 section 3.4). SYN
/// and FIN together take one, as Wireshark counts.
pub fn sequence_len(flags: u16) -> u32 {
    u32::from(flags & (SYN | FIN) != 0)
}

/// The flag bits of a TCP action's header.
pub fn of(action: &Action) -> u16 {
    join(action.tcp_ctrl, action.tcp_flag_bits)
}

/// Splits the twelve flag bits of a header into the coarse event and `tcp_flag_bits`.
pub fn split(flags: u16) -> (Control, u16) {
    let control = match (flags & SYN != 0, flags & FIN != 0, flags & RST != 0) {
        (false, false, false) => Control::Ack,
        (true, false, false) if flags & ACK != 0 => Control::SynAck,
        (true, false, false) => Control::Syn,
        (false, true, false) => Control::Fin,
        (false, false, true) => Control::Rst,
        (true, true, false) => Control::SynFin,
        (true, false, true) => Control::SynRst,
        (false, true, true) => Control::FinRst,
        (true, true, true) => Control::SynFinRst,
    };
    let mut bits = (flags & RESERVED) >> 1;
    for (bit, flag) in BITS {
        if flags & flag != 0 {
            bits |= bit;
        }
    }
    if control != Control::Syn && flags & ACK == 0 {
        bits |= MISSING_ACK;
    }
    (control, bits)
}

/// The flag bits of a header; the inverse of [`split`]. Bits without a meaning are ignored.
pub fn join(control: Control, bits: u16) -> u16 {
    let mut flags = control_flags(control) | (bits << 1 & RESERVED);
    for (bit, flag) in BITS {
        if bits & bit != 0 {
            flags |= flag;
        }
    }
    let implies_ack = !matches!(control, Control::Syn);
    if implies_ack && canonical_bits(control, bits) & MISSING_ACK == 0 {
        flags |= ACK;
    }
    flags
}

/// `bits` without the bits that have no meaning with this event.
pub fn canonical_bits(control: Control, bits: u16) -> u16 {
    match control {
        Control::Syn | Control::SynAck => bits & KNOWN_BITS & !MISSING_ACK,
        _ => bits & KNOWN_BITS,
    }
}

fn control_flags(control: Control) -> u16 {
    match control {
        Control::Ack => 0,
        Control::Syn | Control::SynAck => SYN,
        Control::Fin => FIN,
        Control::Rst => RST,
        Control::SynFin => SYN | FIN,
        Control::SynRst => SYN | RST,
        Control::FinRst => FIN | RST,
        Control::SynFinRst => SYN | FIN | RST,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_every_flag_word_survives() {
        for flags in 0..0x1000 {
            let (control, bits) = split(flags);
            assert_eq!(bits, canonical_bits(control, bits));
            assert_eq!(join(control, bits), flags, "{flags:#05x}");
        }
    }

    #[test]
    fn test_numbers_that_flags_take() {
        assert_eq!([ACK, PSH | ACK, RST].map(sequence_len), [0; 3]);
        assert_eq!(
            [SYN, SYN | ACK, FIN | ACK, SYN | FIN].map(sequence_len),
            [1; 4]
        );
    }

    #[test]
    fn test_a_syn_without_ack_opens() {
        assert!([SYN, SYN | ECE | CWR, SYN | FIN].into_iter().all(opens));
        assert!(![ACK, SYN | ACK, FIN, RST].into_iter().any(opens));
    }
}
