//! Link layers: where the outermost IP header of a frame starts.

use super::SkipReason;
use crate::pcap::LinkType;

/// EtherTypes that lead to IP.
pub(crate) mod ethertype {
    use crate::action::Family;

    pub(in crate::wire) const IPV4: u16 = 0x0800;
    pub(in crate::wire) const IPV6: u16 = 0x86dd;
    pub(super) const VLAN: u16 = 0x8100;
    pub(super) const QINQ: u16 = 0x88a8;
    pub(super) const QINQ_OLD: u16 = 0x9100;
    pub(in crate::wire) const MPLS: u16 = 0x8847;
    pub(in crate::wire) const MPLS_MULTICAST: u16 = 0x8848;
    /// Ethernet within GRE or Geneve ("Transparent Ethernet Bridging", RFC 1701).
    pub(in crate::wire) const TRANSPARENT_ETHERNET: u16 = 0x6558;
    /// PPP within GRE (RFC 2637).
    pub(in crate::wire) const PPP: u16 = 0x880b;
    pub(super) const PPPOE_SESSION: u16 = 0x8864;
    /// IEEE 802.1ah provider backbone bridges: a service tag, followed by a whole Ethernet header.
    pub(super) const PBB: u16 = 0x88e7;
    /// Cisco FabricPath: a tag, followed by a whole Ethernet header. Its frames keep their
    /// checksum.
    pub(super) const FABRICPATH: u16 = 0x8903;
    /// Cisco MetaData (security group tags).
    pub(super) const CISCO_METADATA: u16 = 0x8909;
    /// Cisco VN-Tag.
    pub(super) const VNTAG: u16 = 0x8926;

    /// The EtherType of IP of a family.
    pub(crate) fn ip(family: Family) -> u16 {
        match family {
            Family::V4 => IPV4,
            Family::V6 => IPV6,
        }
    }
}

/// Limit of nested tags and encapsulations that are followed in a frame.
const MAX_TAGS: usize = 16;

/// What follows in a frame, as the link layer names it.
#[derive(Clone, Copy)]
enum Next {
    /// An EtherType.
    Ether(u16),
    /// A PPP protocol field follows.
    Ppp,
    /// IP.
    Ip(Says),
    /// 802.2 LLC follows.
    Llc,
}

/// What a link layer says of the version of the IP packet in it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Says {
    /// An EtherType says version 4. (Version 6 is read wherever it stands, as Wireshark does.)
    V4,
    /// Version 6 and nothing else.
    V6,
    /// Version 4 or 6. PPP and loopback that say IPv4 count as this, as Wireshark reads them.
    Either,
    /// Nothing. What MPLS labels carry is IP only if its first half byte is a version of IP.
    Nothing,
}

impl Says {
    /// Whether an IP version contradicts the link layer.
    fn is_against(self, version: u8) -> bool {
        match self {
            Says::V4 => version != 4,
            Says::V6 => version != 6,
            Says::Either => !matches!(version, 4 | 6),
            Says::Nothing => false,
        }
    }
}

/// Place of the IP packet in a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IpPlace {
    /// Where the IP header starts.
    pub offset: usize,
    /// Bytes of link-layer checksum at the end of the frame, as far as the link layer says; they do
    /// not belong to the IP packet.
    pub trailer: usize,
    /// Where the IP packet must end by a length of the link layer, if it has one.
    pub end: Option<usize>,
}

/// Finds the outermost IP header.
///
/// # Errors
/// [`SkipReason::UnsupportedLink`], [`SkipReason::NonIp`], [`SkipReason::MalformedHeader`], or
/// [`SkipReason::CutHeader`] if the capture cut the link header.
pub fn find_ip(link: LinkType, data: &[u8]) -> Result<IpPlace, SkipReason> {
    let (place, says) = locate(link, data)?;
    match (byte(data, place.offset)? >> 4, says) {
        (4, Says::V6) => Err(SkipReason::MalformedHeader),
        (4 | 6, _) => Ok(place),
        _ => Err(SkipReason::NonIp),
    }
}

/// Whether the link layer says IP and the version in the packet contradicts it.
pub(crate) fn has_wrong_version(link: LinkType, data: &[u8]) -> bool {
    locate(link, data).is_ok_and(|(place, says)| {
        byte(data, place.offset).is_ok_and(|first| says.is_against(first >> 4))
    })
}

/// Where IP starts by the link layer, and what the link layer says of its version.
fn locate(link: LinkType, data: &[u8]) -> Result<(IpPlace, Says), SkipReason> {
    let (next, at) = match link {
        LinkType::ETHERNET => ethernet(data, 12)?,
        LinkType::RAW | LinkType::RAW_BSD | LinkType::RAW_OPENBSD | LinkType::IPV4 => {
            (Next::Ip(Says::Either), 0)
        }
        LinkType::IPV6 => (Next::Ip(Says::V6), 0),
        LinkType::NULL | LinkType::LOOP => (null(data)?, 4),
        LinkType::LINUX_SLL => linux_cooked(data, word(data, 2)?, 14, 16)?,
        LinkType::LINUX_SLL2 => linux_cooked(data, word(data, 8)?, 0, 20)?,
        LinkType::PPP => (Next::Ppp, 0),
        LinkType::PPP_SERIAL | LinkType::C_HDLC => hdlc(data)?,
        LinkType::PPP_ETHER => (Next::Ppp, 6),
        LinkType::IEEE802_11 => ieee802_11(data, 0)?,
        LinkType::IEEE802_11_RADIOTAP => ieee802_11(data, little(data, 2)?.into())?,
        LinkType::PPI => ppi(data)?,
        LinkType::PRISM => ieee802_11(data, 144)?,
        LinkType::MPLS => (Next::Ether(ethertype::MPLS), 0),
        LinkType::NFLOG => return nflog(data),
        LinkType::PKTAP | LinkType::PKTAP_USER2 => return pktap(data),
        _ => return Err(SkipReason::UnsupportedLink),
    };
    follow(data, next, at)
}

/// Follows tags and encapsulations to the IP header.
fn follow(data: &[u8], mut next: Next, mut at: usize) -> Result<(IpPlace, Says), SkipReason> {
    let (mut trailer, mut end) = (0, None);
    for _ in 0..MAX_TAGS {
        (next, at) = match next {
            Next::Ip(says) => {
                let place = IpPlace {
                    offset: at,
                    trailer,
                    end,
                };
                return Ok((place, says));
            }
            Next::Ppp => ppp(data, at)?,
            Next::Llc => llc(data, at)?,
            Next::Ether(ethertype::IPV4) => (Next::Ip(Says::V4), at),
            Next::Ether(ethertype::IPV6) => (Next::Ip(Says::V6), at),
            Next::Ether(ethertype::VLAN | ethertype::QINQ | ethertype::QINQ_OLD) => {
                ethernet(data, at + 2)?
            }
            Next::Ether(ethertype::MPLS | ethertype::MPLS_MULTICAST) => mpls(data, at)?,
            Next::Ether(ethertype::PPPOE_SESSION) => {
                end = Some(at + 6 + usize::from(word(data, at + 4)?));
                (Next::Ppp, at + 6)
            }
            Next::Ether(ethertype::PBB) => ethernet(data, at + 4 + 12)?,
            Next::Ether(ethertype::FABRICPATH) => {
                trailer = 4;
                ethernet(data, at + 2 + 12)?
            }
            Next::Ether(ethertype::CISCO_METADATA) => ethernet(data, at + 6)?,
            Next::Ether(ethertype::VNTAG) => ethernet(data, at + 4)?,
            Next::Ether(_) => return Err(SkipReason::NonIp),
        };
    }
    Err(SkipReason::NonIp)
}

pub(super) fn byte(data: &[u8], at: usize) -> Result<u8, SkipReason> {
    data.get(at).copied().ok_or(SkipReason::CutHeader)
}

pub(super) fn word(data: &[u8], at: usize) -> Result<u16, SkipReason> {
    Ok(u16::from_be_bytes([byte(data, at)?, byte(data, at + 1)?]))
}

fn little(data: &[u8], at: usize) -> Result<u16, SkipReason> {
    word(data, at).map(u16::swap_bytes)
}

/// Reads an EtherType at `at`, or an 802.3 length (below 0x600) with LLC behind it.
fn ethernet(data: &[u8], at: usize) -> Result<(Next, usize), SkipReason> {
    Ok(match word(data, at)? {
        0..0x600 => (Next::Llc, at + 2),
        ethertype => (Next::Ether(ethertype), at + 2),
    })
}

/// 802.2 LLC: SNAP with an EtherType (RFC 1042), or IP's own service access point 0x06.
fn llc(data: &[u8], at: usize) -> Result<(Next, usize), SkipReason> {
    match (byte(data, at)?, byte(data, at + 1)?, byte(data, at + 2)?) {
        (0xaa, 0xaa, 0x03) => match (byte(data, at + 3)?, word(data, at + 4)?) {
            (0, 0) => Ok((Next::Ether(word(data, at + 6)?), at + 8)),
            _ => Err(SkipReason::NonIp),
        },
        (0x06, 0x06, 0x03) => Ok((Next::Ip(Says::Either), at + 3)),
        _ => Err(SkipReason::NonIp),
    }
}

/// Follows MPLS labels (RFC 3032) to the bottom of the stack. What they carry is IP if its first
/// half byte is a version of IP (RFC 4928).
fn mpls(data: &[u8], mut at: usize) -> Result<(Next, usize), SkipReason> {
    while byte(data, at + 2)? & 1 == 0 {
        at += 4;
    }
    Ok((Next::Ip(Says::Nothing), at + 4))
}

/// The PPP protocol field (RFC 1661), with or without address and control, compressed or not.
fn ppp(data: &[u8], mut at: usize) -> Result<(Next, usize), SkipReason> {
    if byte(data, at)? == 0xff && byte(data, at + 1)? == 0x03 {
        at += 2;
    }
    let (protocol, at) = match byte(data, at)? {
        odd if odd & 1 == 1 => (odd.into(), at + 1),
        _ => (word(data, at)?, at + 2),
    };
    match protocol {
        0x0021 => Ok((Next::Ip(Says::Either), at)),
        0x0057 => Ok((Next::Ip(Says::V6), at)),
        0x0281 | 0x0283 => Ok((Next::Ether(ethertype::MPLS), at)),
        _ => Err(SkipReason::NonIp),
    }
}

/// PPP in HDLC-like framing (RFC 1662), or Cisco HDLC with an EtherType.
fn hdlc(data: &[u8]) -> Result<(Next, usize), SkipReason> {
    match byte(data, 0)? {
        0x0f | 0x8f => Ok((Next::Ether(word(data, 2)?), 4)),
        _ => Ok((Next::Ppp, 0)),
    }
}

/// BSD loopback: an address family in the capturing host's byte order.
fn null(data: &[u8]) -> Result<Next, SkipReason> {
    let family = data
        .first_chunk()
        .map(|bytes| u32::from_be_bytes(*bytes))
        .ok_or(SkipReason::CutHeader)?;
    let family = if family > 0xffff {
        family.swap_bytes()
    } else {
        family
    };
    match family {
        // AF_INET is 2 everywhere; AF_INET6 is 10 on Linux, 24 on NetBSD and OpenBSD, 28 on
        // FreeBSD, 30 on Darwin.
        2 => Ok(Next::Ip(Says::Either)),
        10 | 24 | 28 | 30 => Ok(Next::Ip(Says::V6)),
        _ => Err(SkipReason::NonIp),
    }
}

/// Linux cooked captures: the protocol is an EtherType unless the hardware type says otherwise.
fn linux_cooked(
    data: &[u8],
    hardware: u16,
    protocol: usize,
    header: usize,
) -> Result<(Next, usize), SkipReason> {
    /// ARPHRD_FRAD and ARPHRD_NETLINK, with which the protocol field is not an EtherType.
    const NO_ETHERTYPE: [u16; 2] = [770, 824];
    if NO_ETHERTYPE.contains(&hardware) {
        return Err(SkipReason::NonIp);
    }
    Ok(match word(data, protocol)? {
        0x0004 => (Next::Llc, header),
        ethertype => (Next::Ether(ethertype), header),
    })
}

/// IEEE 802.11 data frames that are not encrypted, with LLC behind the header.
fn ieee802_11(data: &[u8], at: usize) -> Result<(Next, usize), SkipReason> {
    let (control, flags) = (byte(data, at)?, byte(data, at + 1)?);
    let (frame_type, subtype) = (control >> 2 & 3, control >> 4);
    // Data frames are type 2. Bit 2 of the subtype says "no data"; the protected flag hides the
    // body.
    if frame_type != 2 || subtype & 4 != 0 || flags & 0x40 != 0 {
        return Err(SkipReason::NonIp);
    }
    // More fragments follow, or this fragment is not the first.
    if flags & 4 != 0 || byte(data, at + 22)? & 0xf != 0 {
        return Err(SkipReason::Fragment);
    }
    let four_addresses = if flags & 3 == 3 { 6 } else { 0 };
    let quality_of_service = if subtype & 8 != 0 { 2 } else { 0 };
    let high_throughput = if subtype & 8 != 0 && flags & 0x80 != 0 {
        4
    } else {
        0
    };
    Ok((
        Next::Llc,
        at + 24 + four_addresses + quality_of_service + high_throughput,
    ))
}

/// The per-packet information (PPI) header: its data link type follows its own length.
fn ppi(data: &[u8]) -> Result<(Next, usize), SkipReason> {
    let header = usize::from(little(data, 2)?);
    match little(data, 4)? {
        105 => ieee802_11(data, header),
        1 => ethernet(data, header + 12),
        _ => Err(SkipReason::NonIp),
    }
}

/// Linux netfilter log: a header of four bytes, then attributes (length, type, value, padding to
/// four bytes) in the byte order of the capturing host. One of them is the packet.
fn nflog(data: &[u8]) -> Result<(IpPlace, Says), SkipReason> {
    const PACKET_HEADER: u16 = 1;
    const PAYLOAD: u16 = 9;
    let mut next = match byte(data, 0)? {
        2 => Some(Next::Ip(Says::Either)),
        10 => Some(Next::Ip(Says::V6)),
        _ => None,
    };
    // Types are below 256: in the other byte order, they are not.
    let read = if word(data, 6)? & 0x7f00 == 0 {
        word
    } else {
        little
    };
    let mut at = 4;
    loop {
        let (len, value) = (usize::from(read(data, at)?), at + 4);
        if len < 4 {
            return Err(SkipReason::NonIp);
        }
        match read(data, at + 2)? & 0x7fff {
            PACKET_HEADER => next = Some(Next::Ether(word(data, value)?)),
            PAYLOAD => {
                let (place, says) = follow(data, next.ok_or(SkipReason::NonIp)?, value)?;
                let end = Some(at + len);
                return Ok((IpPlace { end, ..place }, says));
            }
            _ => {}
        }
        at += len.next_multiple_of(4);
    }
}

/// PKTAP: the header's own length, record type and link type of the packet behind the header, all
/// in little endian, then names of interface and process.
fn pktap(data: &[u8]) -> Result<(IpPlace, Says), SkipReason> {
    const SMALLEST_HEADER: usize = 108;
    const PACKET: u32 = 1;
    let field = |at: usize| {
        let bytes = data.get(at..at + 4).and_then(|bytes| bytes.first_chunk());
        let bytes = bytes.ok_or(SkipReason::CutHeader)?;
        Ok(u32::from_le_bytes(*bytes))
    };
    let (header, kind, link) = (field(0)? as usize, field(4)?, field(8)?);
    if kind != PACKET || header < SMALLEST_HEADER {
        return Err(SkipReason::NonIp);
    }
    let link = LinkType(u16::try_from(link).map_err(|_| SkipReason::UnsupportedLink)?);
    if matches!(link, LinkType::PKTAP | LinkType::PKTAP_USER2) {
        return Err(SkipReason::UnsupportedLink);
    }
    let inner = data.get(header..).ok_or(SkipReason::CutHeader)?;
    let (place, says) = locate(link, inner)?;
    let place = IpPlace {
        offset: header + place.offset,
        end: place.end.map(|end| header + end),
        ..place
    };
    Ok((place, says))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(link: LinkType, header: &[u8]) {
        let place = |header: &[u8]| Some(header.len());
        let whole = |version: u8| {
            find_ip(link, &[header, &[version << 4]].concat())
                .ok()
                .map(|place| place.offset)
        };
        assert!(whole(4) == place(header) || whole(6) == place(header));
        for cut in 0..header.len() {
            assert!(find_ip(link, &header[..cut]).is_err());
        }
    }

    fn ether(rest: &[u8]) -> Vec<u8> {
        [&[0; 12], rest].concat()
    }

    #[test]
    fn test_ethernet_with_tags_and_labels() {
        check(LinkType::ETHERNET, &ether(&[0x08, 0x00]));
        check(LinkType::ETHERNET, &ether(&[0x81, 0x00, 0, 7, 0x08, 0x00]));
        check(
            LinkType::ETHERNET,
            &ether(&[0x88, 0xa8, 0, 7, 0x81, 0x00, 0, 7, 0x86, 0xdd]),
        );
        check(
            LinkType::ETHERNET,
            &ether(&[0x88, 0x47, 0, 0, 0, 9, 0, 0, 1, 9]),
        );
        check(
            LinkType::ETHERNET,
            &ether(&[0x88, 0x64, 0x11, 0, 0, 1, 0, 9, 0x00, 0x21]),
        );
        check(
            LinkType::ETHERNET,
            &ether(&[0, 50, 0xaa, 0xaa, 3, 0, 0, 0, 0x08, 0x00]),
        );
    }

    #[test]
    fn test_other_links() {
        check(LinkType::RAW, &[]);
        check(LinkType::NULL, &[2, 0, 0, 0]);
        check(LinkType::NULL, &[0, 0, 0, 30]);
        check(LinkType::LOOP, &[0, 0, 0, 2]);
        check(LinkType::PPP, &[0xff, 0x03, 0x00, 0x21]);
        check(LinkType::PPP, &[0x21]);
        check(LinkType::C_HDLC, &[0x0f, 0, 0x08, 0x00]);
        check(LinkType::LINUX_SLL, &[&[0; 14][..], &[0x08, 0x00]].concat());
        check(
            LinkType::LINUX_SLL2,
            &[&[0x08, 0x00][..], &[0; 18]].concat(),
        );
    }

    #[test]
    fn test_wireless_data() {
        let llc = [0xaa, 0xaa, 3, 0, 0, 0, 0x08, 0x00];
        let quality_of_service = [&[0x88, 0x01][..], &[0; 24], &llc].concat();
        check(LinkType::IEEE802_11, &quality_of_service);
        let radiotap = [&[0, 0, 8, 0, 0, 0, 0, 0][..], &quality_of_service].concat();
        check(LinkType::IEEE802_11_RADIOTAP, &radiotap);
        let protected = [&[0x88, 0x41][..], &[0; 60]].concat();
        assert_eq!(
            find_ip(LinkType::IEEE802_11, &protected),
            Err(SkipReason::NonIp)
        );
    }

    #[test]
    fn test_pppoe_length_ends_the_packet() {
        let frame = [
            &ether(&[0x88, 0x64, 0x11, 0, 0, 1, 0, 42, 0x00, 0x21])[..],
            &[0x45; 60],
        ]
        .concat();
        let place = find_ip(LinkType::ETHERNET, &frame).unwrap();
        assert_eq!(place.end, Some(place.offset + 40));
    }

    /// An NFLOG header up to the packet, of `len` bytes.
    fn netfilter_log(family: u8, hardware_protocol: Option<[u8; 2]>, len: u16) -> Vec<u8> {
        let mut header = vec![family, 0, 0, 100];
        if let Some([high, low]) = hardware_protocol {
            header.extend([8, 0, 1, 0, high, low, 3, 0]);
        }
        // A prefix of two bytes, padded to four.
        header.extend([6, 0, 10, 0, b'p', 0, 0, 0]);
        header.extend((4 + len).to_le_bytes());
        header.extend([9, 0]);
        header
    }

    #[test]
    fn test_netfilter_log() {
        check(LinkType::NFLOG, &netfilter_log(2, None, 20));
        check(LinkType::NFLOG, &netfilter_log(10, None, 40));
        check(LinkType::NFLOG, &netfilter_log(7, Some([0x08, 0x00]), 20));
        let big_endian = [2, 0, 0, 100, 0, 6, 0, 10, b'p', 0, 0, 0, 0, 24, 0, 9];
        check(LinkType::NFLOG, &big_endian);
        let frame = [&netfilter_log(2, None, 30)[..], &[0x45; 32]].concat();
        let place = find_ip(LinkType::NFLOG, &frame).unwrap();
        assert_eq!(place.end, Some(place.offset + 30));
        for (family, protocol) in [(7, None), (2, Some([0x08, 0x06]))] {
            let frame = [&netfilter_log(family, protocol, 20)[..], &[0x45; 20]].concat();
            assert_eq!(find_ip(LinkType::NFLOG, &frame), Err(SkipReason::NonIp));
        }
    }

    /// A PKTAP header of 112 bytes.
    fn process_tap(kind: u8, link: u16) -> Vec<u8> {
        let mut header = vec![0; 112];
        (header[0], header[4]) = (112, kind);
        header[8..10].copy_from_slice(&link.to_le_bytes());
        header
    }

    #[test]
    fn test_process_tap() {
        let ethernet = [process_tap(1, 1), ether(&[0x08, 0x00])].concat();
        check(LinkType::PKTAP, &ethernet);
        check(LinkType::PKTAP_USER2, &ethernet);
        check(LinkType::PKTAP, &process_tap(1, 12));
        check(
            LinkType::PKTAP,
            &[process_tap(1, 0), vec![2, 0, 0, 0]].concat(),
        );
        let skipped = |kind, link| {
            let frame = [&process_tap(kind, link)[..], &[0x45; 20]].concat();
            find_ip(LinkType::PKTAP, &frame)
        };
        assert_eq!(skipped(0, 12), Err(SkipReason::NonIp));
        assert_eq!(skipped(1, 258), Err(SkipReason::UnsupportedLink));
    }

    #[test]
    fn test_what_is_not_ip() {
        assert_eq!(
            find_ip(LinkType::ETHERNET, &ether(&[0x08, 0x06, 0, 1])),
            Err(SkipReason::NonIp)
        );
        assert_eq!(
            find_ip(LinkType(147), &[0; 64]),
            Err(SkipReason::UnsupportedLink)
        );
        assert_eq!(
            find_ip(LinkType::ETHERNET, &[0; 3]),
            Err(SkipReason::CutHeader)
        );
    }
}
