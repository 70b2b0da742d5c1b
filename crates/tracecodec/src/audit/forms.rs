//! Addresses in the forms in which they may stand anywhere in a packet.

use std::net::IpAddr;

/// Where a pattern stands for an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Form {
    Bytes,
    Text,
}

/// A sequence of bytes that is an address in one of its forms.
#[derive(Debug)]
pub(super) struct Pattern {
    /// Number of the address among those of the original, in order.
    pub(super) identifier: usize,
    pub(super) form: Form,
    /// Bytes that are not 0.
    pub(super) bytes: i32,
}

/// The forms of all addresses but the bytes of IPv4. An IPv6 address with fewer than five bytes
/// that are not 0 and a MAC with fewer than four are searched as text alone.
pub(super) fn patterns(addresses: &[IpAddr], macs: &[[u8; 6]]) -> (Vec<Pattern>, Vec<Vec<u8>>) {
    let (mut patterns, mut texts) = (Vec::new(), Vec::new());
    let mut add = |identifier, form, bytes: Vec<u8>| {
        let set = bytes.iter().filter(|byte| **byte != 0).count() as i32;
        let least = if bytes.len() == 16 { 5 } else { 4 };
        if form == Form::Text || set >= least {
            patterns.push(Pattern {
                identifier,
                form,
                bytes: set,
            });
            texts.push(bytes);
        }
    };
    for (identifier, address) in addresses.iter().enumerate() {
        if let IpAddr::V6(address) = address {
            add(identifier, Form::Bytes, address.octets().to_vec());
        }
        add(identifier, Form::Text, address.to_string().into_bytes());
    }
    for (number, mac) in macs.iter().enumerate() {
        let identifier = addresses.len() + number;
        add(identifier, Form::Bytes, mac.to_vec());
        // The interface identifier that RFC 4291 makes of a MAC.
        let [a, b, c, d, e, f] = *mac;
        let extended = vec![a ^ 2, b, c, 0xff, 0xfe, d, e, f];
        add(identifier, Form::Bytes, extended);
        let [colons, hyphens] = [':', '-'].map(|separator| text(mac, separator));
        let dotted = format!("{a:02x}{b:02x}.{c:02x}{d:02x}.{e:02x}{f:02x}");
        for lower in [colons, hyphens, dotted] {
            let upper = lower.to_uppercase();
            if upper != lower {
                add(identifier, Form::Text, upper.into_bytes());
            }
            add(identifier, Form::Text, lower.into_bytes());
        }
    }
    (patterns, texts)
}

/// The bytes of a MAC as text.
pub(super) fn text(mac: &[u8; 6], separator: char) -> String {
    let bytes: Vec<String> = mac.iter().map(|byte| format!("{byte:02x}")).collect();
    bytes.join(&separator.to_string())
}

/// Whether a text stands by itself, so that 10.0.0.1 is not found in 10.0.0.17.
pub(super) fn is_whole(data: &[u8], start: usize, end: usize) -> bool {
    let goes_on = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_hexdigit());
    !goes_on(start.checked_sub(1).and_then(|at| data.get(at))) && !goes_on(data.get(end))
}
