//! Where a filter finds what a link layer carries, by libpcap's rules (`gencode.c` of libpcap
//! 1.10).
//!
//! They are simpler than those of [`crate::wire`]: no encapsulation is followed but the VLAN tags
//! that the expression itself names.

use crate::pcap::{LinkType, Packet};

/// EtherTypes of what filters name.
pub(super) mod ethertype {
    pub(in super::super) const IPV4: u16 = 0x0800;
    pub(in super::super) const ARP: u16 = 0x0806;
    pub(in super::super) const RARP: u16 = 0x8035;
    pub(in super::super) const IPV6: u16 = 0x86dd;
    /// IEEE 802.1Q, 802.1ad, and the older Q-in-Q.
    pub(in super::super) const TAGS: [u16; 3] = [0x8100, 0x88a8, 0x9100];
}

/// The frame ends before a byte that a test looks at. As in BPF, the whole filter then fails,
/// negated or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cut;

/// How a link layer names what it carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Names {
    /// Two bytes at this place are an EtherType.
    EtherType(usize),
    /// Two bytes at this place are a PPP protocol number.
    Ppp(usize),
    /// An EtherType behind LLC and an organisation code (RFC 1042), which are not looked at.
    Snap,
    /// Four bytes are an address family; only loopback of the capturing host has its byte order.
    Family { of_host: bool },
    /// A NLPID behind a Frame Relay header of two bytes (RFC 2427).
    FrameRelay,
    /// IP by the version nibble.
    Version,
    /// Always this EtherType.
    Always(u16),
    /// Nothing that filters know, such as 802.11 control frames or USB.
    Nothing,
}

/// A captured frame, and where its link layer puts things.
pub(super) struct Frame<'a> {
    data: &'a [u8],
    wire_len: u32,
    link: Result<Link, Cut>,
    has_tags: bool,
}

/// What the link layer of a frame says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Link {
    names: Names,
    /// Where the payload starts, LLC included.
    payload: usize,
}

impl<'a> Frame<'a> {
    /// Looks at the link layer. A Per-Packet Information header must lead to 802.11, whatever is
    /// asked.
    pub(super) fn new(packet: &Packet<'a>) -> Result<Self, Cut> {
        const IEEE802_11: u32 = 105;
        let data = packet.data;
        if packet.link == LinkType::PPI && word(data, 4)?.swap_bytes() != IEEE802_11 {
            return Err(Cut);
        }
        let has_tags = matches!(
            packet.link,
            LinkType::ETHERNET
                | LinkType::NETANALYZER
                | LinkType::NETANALYZER_TRANSPARENT
                | LinkType::IEEE802_11
                | LinkType::PRISM
                | LinkType::IEEE802_11_AVS
                | LinkType::IEEE802_11_RADIOTAP
        );
        Ok(Self {
            data,
            wire_len: packet.wire_len,
            link: locate(packet.link, data),
            has_tags,
        })
    }

    /// Bytes on the wire.
    pub(super) fn wire_len(&self) -> u32 {
        self.wire_len
    }

    /// Whether the link layer can have VLAN tags.
    pub(super) fn has_tags(&self) -> bool {
        self.has_tags
    }

    /// Whether the link layer carries an EtherType, behind so many VLAN tags.
    pub(super) fn carries(&self, ethertype: u16, tags: usize) -> Result<bool, Cut> {
        let shift = self.shift(tags);
        let Link { names, payload } = self.link?;
        Ok(match names {
            Names::EtherType(at) => self.half(at + shift)? == ethertype,
            Names::Ppp(at) => self.half(at)? == ppp_protocol(ethertype),
            Names::Snap => self.half(payload + shift + 6)? == ethertype,
            Names::Family { of_host } => self.is_of_family(ethertype, of_host)?,
            Names::FrameRelay => match ethertype {
                ethertype::IPV4 => self.half(2)? == 0x03cc,
                ethertype::IPV6 => self.half(2)? == 0x038e,
                _ => false,
            },
            Names::Version => match ethertype {
                ethertype::IPV4 => self.byte(0)? >> 4 == 4,
                ethertype::IPV6 => self.byte(0)? >> 4 == 6,
                _ => false,
            },
            Names::Always(always) => always == ethertype,
            Names::Nothing => false,
        })
    }

    /// Where the network layer starts, behind so many VLAN tags.
    pub(super) fn network(&self, tags: usize) -> Result<usize, Cut> {
        let Link { names, payload } = self.link?;
        let snap = if names == Names::Snap { 8 } else { 0 };
        Ok(payload + snap + self.shift(tags))
    }

    fn shift(&self, tags: usize) -> usize {
        if self.has_tags { 4 * tags } else { 0 }
    }

    /// Whether the address family is that of an EtherType. Capturing hosts differ in that of IPv6.
    fn is_of_family(&self, ethertype: u16, of_host: bool) -> Result<bool, Cut> {
        let families: &[u32] = match ethertype {
            ethertype::IPV4 => &[2],
            ethertype::IPV6 => &[24, 28, 30],
            _ => return Ok(false),
        };
        let family = self.word(0)?;
        let is_swapped = of_host && family > 0xffff;
        Ok(families.contains(&if is_swapped {
            family.swap_bytes()
        } else {
            family
        }))
    }

    pub(super) fn byte(&self, at: usize) -> Result<u8, Cut> {
        byte(self.data, at)
    }

    pub(super) fn half(&self, at: usize) -> Result<u16, Cut> {
        half(self.data, at)
    }

    pub(super) fn word(&self, at: usize) -> Result<u32, Cut> {
        word(self.data, at)
    }
}

fn byte(data: &[u8], at: usize) -> Result<u8, Cut> {
    data.get(at).copied().ok_or(Cut)
}

fn half(data: &[u8], at: usize) -> Result<u16, Cut> {
    bytes(data, at).map(u16::from_be_bytes)
}

fn word(data: &[u8], at: usize) -> Result<u32, Cut> {
    bytes(data, at).map(u32::from_be_bytes)
}

fn bytes<const N: usize>(data: &[u8], at: usize) -> Result<[u8; N], Cut> {
    let from = data.get(at..).ok_or(Cut)?;
    from.first_chunk().copied().ok_or(Cut)
}

/// The PPP protocol number of an EtherType; what has none is compared as it is.
fn ppp_protocol(ethertype: u16) -> u16 {
    match ethertype {
        ethertype::IPV4 => 0x0021,
        ethertype::IPV6 => 0x0057,
        other => other,
    }
}

/// Where libpcap finds the type and the payload of a link type.
fn locate(link: LinkType, data: &[u8]) -> Result<Link, Cut> {
    let (names, payload) = match link {
        LinkType::ETHERNET => (Names::EtherType(12), 14),
        LinkType::NETANALYZER => (Names::EtherType(16), 18),
        LinkType::NETANALYZER_TRANSPARENT => (Names::EtherType(24), 26),
        LinkType::LINUX_SLL => (Names::EtherType(14), 16),
        LinkType::LINUX_SLL2 => (Names::EtherType(0), 20),
        LinkType::C_HDLC => (Names::EtherType(2), 4),
        LinkType::APPLE_IP_OVER_IEEE1394 => (Names::EtherType(16), 18),
        LinkType::PPP | LinkType::PPP_SERIAL | LinkType::PPP_PPPD => (Names::Ppp(2), 4),
        LinkType::PPP_ETHER => (Names::Ppp(6), 8),
        LinkType::NULL => (Names::Family { of_host: true }, 4),
        LinkType::LOOP => (Names::Family { of_host: false }, 4),
        LinkType::RAW | LinkType::RAW_BSD | LinkType::RAW_OPENBSD => (Names::Version, 0),
        LinkType::IPV4 => (Names::Always(ethertype::IPV4), 0),
        LinkType::IPV6 => (Names::Always(ethertype::IPV6), 0),
        LinkType::FRELAY => (Names::FrameRelay, 0),
        LinkType::FDDI => (Names::Snap, 13),
        LinkType::IEEE802_5 => (Names::Snap, 14),
        LinkType::ATM_RFC1483 => (Names::Snap, 0),
        LinkType::IP_OVER_FC => (Names::Snap, 16),
        LinkType::IEEE802_11 => return wireless(data, 0),
        LinkType::IEEE802_11_RADIOTAP => return radiotap(data),
        LinkType::PPI => return wireless(data, half(data, 2)?.swap_bytes().into()),
        LinkType::IEEE802_11_AVS => return wireless(data, word(data, 4)? as usize),
        // Drivers write an AVS header with its magic number in place of the Prism header, too.
        LinkType::PRISM if word(data, 0)? & 0xffff_f000 == 0x8021_1000 => {
            return wireless(data, word(data, 4)? as usize);
        }
        LinkType::PRISM => return wireless(data, 144),
        _ => (Names::Nothing, 0),
    };
    Ok(Link { names, payload })
}

/// The payload of an 802.11 frame at `at`. Four addresses and encryption are not looked at.
fn wireless(data: &[u8], at: usize) -> Result<Link, Cut> {
    let control = byte(data, at)?;
    let quality_of_service = if control & 0x80 != 0 { 2 } else { 0 };
    Ok(Link {
        // A data frame has bit 3 set and bit 2 clear.
        names: match control & 0x0c {
            0x08 => Names::Snap,
            _ => Names::Nothing,
        },
        payload: at + 24 + quality_of_service,
    })
}

/// An 802.11 frame behind a radiotap header, which may say that the frame's header is padded.
fn radiotap(data: &[u8]) -> Result<Link, Cut> {
    /// Presence of the time stamp, of the flags, and of a further word of presence.
    const TSFT: u32 = 1;
    const FLAGS: u32 = 1 << 1;
    const MORE: u32 = 1 << 31;
    const PADDED: u8 = 0x20;
    let mut link = wireless(data, half(data, 2)?.swap_bytes().into())?;
    if link.names == Names::Nothing {
        return Ok(link);
    }
    let present = word(data, 4)?.swap_bytes();
    if present & (FLAGS | MORE) == FLAGS {
        let flags = byte(data, if present & TSFT != 0 { 16 } else { 8 })?;
        if flags & PADDED != 0 {
            link.payload = link.payload.next_multiple_of(4);
        }
    }
    Ok(link)
}
