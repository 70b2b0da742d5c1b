//! IPv4 identifications (RFC 791, RFC 6864): how a sender chooses them, as lift recognises it and
//! compile realises it.

use crate::action::Identification;

/// Largest distance of a counter's values in two packets of a flow. A host that counts over all
/// its flows sends other packets between them.
const LARGEST_STEP: u16 = 2048;

/// Whether a counter that stood at `last` may have reached `id`.
fn follows(id: u16, last: u16) -> bool {
    (1..=LARGEST_STEP).contains(&id.wrapping_sub(last))
}

/// The identifications of one direction of a flow so far.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Identifications {
    /// Number of packets so far, counted up to 2: two packets show how the sender chooses.
    packets: u8,
    choice: Identification,
    last: u16,
}

impl Identifications {
    /// Adds the identification of the next packet, after the host's latest one, which is `None` if
    /// it is unknown. Returns how the sender chooses from now on.
    pub(crate) fn observe(&mut self, id: u16, host_last: Option<u16>) -> Identification {
        let follows_host = host_last.is_some_and(|last| follows(id, last));
        let follows_flow = follows(id, self.last);
        let change = match (self.packets, self.choice) {
            (0, _) if id == 0 => Identification::FromZero,
            (0, _) if follows_host => Identification::ByHost,
            (0, _) => Identification::ByFlow,
            (1, _) if id == 0 => Identification::Zero,
            (1, Identification::FromZero) if !follows_flow => Identification::ByFlow,
            (1, Identification::FromZero) => Identification::AsBefore,
            (1, Identification::ByFlow) if follows_flow => Identification::AsBefore,
            (1, Identification::ByHost) if follows_host => Identification::AsBefore,
            (1, _) => Identification::Random,
            _ => Identification::AsBefore,
        };
        self.add(change, id);
        change
    }

    /// The identification of the next packet, from whose on the sender chooses as `change` says.
    /// `flow_count` is the number of packets of the flow so far, `draw` gives random numbers.
    pub(crate) fn next(
        &mut self,
        change: Identification,
        host_last: Option<u16>,
        flow_count: u16,
        mut draw: impl FnMut() -> u16,
    ) -> u16 {
        let changes = change != Identification::AsBefore;
        let last = self.last;
        let is_first = self.packets == 0;
        // A number that no counter could have reached, so that it is recognised as what it is, and
        // whose successor is not 0.
        let mut fresh = || {
            let mut id = draw();
            while matches!(id, 0 | u16::MAX)
                || host_last.is_some_and(|last| follows(id, last))
                || !is_first && follows(id, last)
            {
                id = id.wrapping_add(LARGEST_STEP + 1);
            }
            id
        };
        let id = match if changes { change } else { self.choice } {
            Identification::AsBefore => flow_count,
            Identification::Zero => 0,
            Identification::FromZero if changes => 0,
            Identification::ByFlow if changes => fresh(),
            Identification::FromZero | Identification::ByFlow => last.wrapping_add(1),
            Identification::ByHost => match host_last {
                Some(last) => last.wrapping_add(1).max(1),
                None if is_first => fresh(),
                None => last.wrapping_add(1),
            },
            Identification::Random => fresh(),
        };
        self.add(change, id);
        id
    }

    fn add(&mut self, change: Identification, id: u16) {
        if change != Identification::AsBefore {
            self.choice = change;
        }
        self.packets = (self.packets + 1).min(2);
        self.last = id;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Identification::{AsBefore, ByFlow, ByHost, FromZero, Random, Zero};

    fn observed(ids: &[u16], host_last: Option<u16>) -> Vec<Identification> {
        let mut state = Identifications::default();
        let mut last = host_last;
        let step = |&id: &u16| {
            let seen = state.observe(id, last);
            last = last.map(|_| id);
            seen
        };
        ids.iter().map(step).collect()
    }

    #[test]
    fn test_ways_to_choose() {
        assert_eq!(observed(&[0, 0, 0], None), [FromZero, Zero, AsBefore]);
        assert_eq!(observed(&[0, 1, 2], None), [FromZero, AsBefore, AsBefore]);
        // A Linux host answers a SYN with 0, and then counts from a random number.
        assert_eq!(
            observed(&[0, 40_000, 40_001], None),
            [FromZero, ByFlow, AsBefore]
        );
        assert_eq!(observed(&[7, 8, 9], None), [ByFlow, AsBefore, AsBefore]);
        assert_eq!(observed(&[7, 30_000, 9], None), [ByFlow, Random, AsBefore]);
        assert_eq!(observed(&[110, 190], Some(100)), [ByHost, AsBefore]);
        assert_eq!(observed(&[110, 9], Some(100)), [ByHost, Random]);
    }

    #[test]
    fn test_what_is_chosen_is_recognised() {
        let ways = [FromZero, ByFlow, ByHost];
        let later = [AsBefore, Zero, ByFlow, Random];
        for (seed, host) in [(0, None), (17, Some(0)), (999, Some(65_535)), (5, Some(40))] {
            for first in ways
                .into_iter()
                .filter(|&way| way != ByHost || host.is_some())
            {
                for second in later
                    .into_iter()
                    .filter(|&way| way != ByFlow || first == FromZero || first == AsBefore)
                {
                    if (first, second) == (FromZero, Random) {
                        continue;
                    }
                    let (mut sender, mut seen) = Default::default();
                    check(
                        &mut sender,
                        &mut seen,
                        &[first, second, AsBefore],
                        seed,
                        host,
                    );
                }
            }
        }
    }

    fn check(
        sender: &mut Identifications,
        seen: &mut Identifications,
        ways: &[Identification],
        seed: u16,
        mut host: Option<u16>,
    ) {
        for (i, &way) in ways.iter().enumerate() {
            let id = sender.next(way, host, 0, || seed.wrapping_mul(i as u16 + 1));
            assert_eq!(seen.observe(id, host), way, "{ways:?} {i} {host:?}");
            host = host.map(|_| id);
        }
    }
}
