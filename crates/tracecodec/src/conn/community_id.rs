//! Community ID, version 1 with seed 0: one name for a flow in all tools
//! (<https://github.com/corelight/community-id-spec>).

use std::net::IpAddr;

use sha1_smol::Sha1;

use crate::wire::ip_proto;

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The Community ID of a flow with these endpoints; the protocol decides what is hashed of them.
/// ICMP has its type and code in place of ports. `None` for SCTP, whose ports are not read.
pub fn community_id(endpoints: [(IpAddr, u16); 2], proto: u8) -> Option<String> {
    let ports = match proto {
        132 => return None,
        ip_proto::TCP | ip_proto::UDP => Some(endpoints.map(|(_, port)| port)),
        ip_proto::ICMP | ip_proto::ICMPV6 => Some(endpoints.map(|(_, port)| port)),
        _ => None,
    };
    let mut ends = [0, 1];
    let is_icmp = matches!(proto, ip_proto::ICMP | ip_proto::ICMPV6);
    let has_reply = || counterpart(proto, endpoints[0].1) == Some(endpoints[1].1);
    if endpoints[0] > endpoints[1] && (!is_icmp || has_reply()) {
        ends = [1, 0];
    }
    let mut hash = Sha1::new();
    hash.update(&0_u16.to_be_bytes());
    for end in ends {
        match endpoints[end].0 {
            IpAddr::V4(address) => hash.update(&address.octets()),
            IpAddr::V6(address) => hash.update(&address.octets()),
        }
    }
    hash.update(&[proto, 0]);
    for port in ports
        .into_iter()
        .flat_map(|ports| ends.map(|end| ports[end]))
    {
        hash.update(&port.to_be_bytes());
    }
    Some(format!("1:{}", base64(&hash.digest().bytes())))
}

/// Type of the ICMP message that answers, or is answered by, a message of this type.
pub(super) fn counterpart(proto: u8, icmp_type: u16) -> Option<u16> {
    let pairs: &[(u16, u16)] = if proto == ip_proto::ICMP {
        &[(8, 0), (13, 14), (15, 16), (10, 9), (17, 18)]
    } else {
        &[
            (128, 129),
            (133, 134),
            (135, 136),
            (130, 131),
            (139, 140),
            (144, 145),
        ]
    };
    pairs.iter().find_map(|&(request, reply)| {
        if icmp_type == request {
            Some(reply)
        } else {
            (icmp_type == reply).then_some(request)
        }
    })
}

/// Base64 with padding (RFC 4648 section 4).
fn base64(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let byte = |at: usize| u32::from(chunk.get(at).copied().unwrap_or(0));
        let word = byte(0) << 16 | byte(1) << 8 | byte(2);
        for digit in 0..4 {
            if digit <= chunk.len() {
                let index = word >> (18 - 6 * digit) & 63;
                text.push(BASE64[index as usize].into());
            } else {
                text.push('=');
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(source: (&str, u16), destination: (&str, u16), proto: u8) -> Option<String> {
        let end = |(address, port): (&str, u16)| (address.parse().unwrap(), port);
        community_id([end(source), end(destination)], proto)
    }

    /// Values of the specification's baseline for its captures.
    #[test]
    fn test_both_directions_have_the_id_of_the_specification() {
        let tcp = "1:LQU9qZlK+B5F3KDmev6m5PMibrg=";
        let (client, server) = (("128.232.110.120", 34855), ("66.35.250.204", 80));
        assert_eq!(id(client, server, 6).as_deref(), Some(tcp));
        assert_eq!(id(server, client, 6).as_deref(), Some(tcp));
        let udp = "1:d/FP5EW3wiY1vCndhwleRRKHowQ=";
        let (client, server) = (("192.168.1.52", 54585), ("8.8.8.8", 53));
        assert_eq!(id(client, server, 17).as_deref(), Some(udp));
    }

    #[test]
    fn test_a_request_and_its_reply_share_an_id_and_errors_have_a_direction() {
        let (a, b) = ("192.168.0.89", "192.168.0.1");
        let request = id((a, 8), (b, 0), 1);
        assert_eq!(request.as_deref(), Some("1:X0snYXpgwiv9TZtqg64sgzUn6Dk="));
        assert_eq!(request, id((b, 0), (a, 8), 1));
        let one_way = id((a, 20), (b, 1), 1);
        assert_eq!(one_way.as_deref(), Some("1:tz/fHIDUHs19NkixVVoOZywde+I="));
        let (a, b) = ("fe80::200:86ff:fe05:80da", "fe80::260:97ff:fe07:69ea");
        let solicitation = id((a, 135), (b, 136), 58);
        assert_eq!(
            solicitation.as_deref(),
            Some("1:dGHyGvjMfljg6Bppwm3bg0LO8TY=")
        );
    }

    #[test]
    fn test_other_protocols_are_hashed_without_ports_and_sctp_not_at_all() {
        assert_eq!(
            id(("10.0.0.1", 7), ("10.0.0.2", 9), 47),
            id(("10.0.0.2", 0), ("10.0.0.1", 0), 47)
        );
        assert_eq!(id(("10.0.0.1", 7), ("10.0.0.2", 9), 132), None);
    }
}
