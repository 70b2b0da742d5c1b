//! Protocol distance: compares the shares of TCP, UDP, ICMP and the rest.

use super::Histogram;
use crate::action::ProtocolMix;

/// Total variation of the protocols' shares; `None` if either capture has no packets.
pub(super) fn distance(reference: &ProtocolMix, decoded: &ProtocolMix) -> Option<f64> {
    histogram(reference).total_variation(&histogram(decoded))
}

fn histogram(mix: &ProtocolMix) -> Histogram {
    (0..).zip([mix.tcp, mix.udp, mix.icmp, mix.other]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_distance_by_hand() {
        let reference = ProtocolMix {
            tcp: 6,
            udp: 3,
            icmp: 1,
            other: 0,
        };
        let decoded = ProtocolMix {
            tcp: 8,
            udp: 10,
            icmp: 0,
            other: 2,
        };
        // Shares .6 .3 .1 0 against .4 .5 0 .1: ½ (.2 + .2 + .1 + .1).
        let distance_between = distance(&reference, &decoded).unwrap();
        assert!((distance_between - 0.3).abs() < 1e-12, "{distance_between}");
        assert_eq!(distance(&reference, &ProtocolMix::default()), None);
    }
}
