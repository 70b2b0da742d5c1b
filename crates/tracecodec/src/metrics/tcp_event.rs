//! TCP event distance: how often each of the eight diagnostic events occurs per TCP packet.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::tcp::events::{Event, EventSet};

/// Packets by event, in the order of [`Event::ALL`]. In JSON an object with the names of the
/// events.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "BTreeMap<String, u64>", into = "BTreeMap<String, u64>")]
pub struct EventCounts([u64; Event::ALL.len()]);

impl EventCounts {
    /// Events and counts, in the order of reports.
    pub fn named(&self) -> impl Iterator<Item = (Event, u64)> {
        Event::ALL.into_iter().zip(self.0)
    }

    /// Number of packets with an event.
    pub fn count(&self, event: Event) -> u64 {
        self.0[event as usize]
    }

    fn add(&mut self, event: Event) {
        self.0[event as usize] += 1;
    }

    fn merge(&mut self, other: &Self) {
        for (count, more) in self.0.iter_mut().zip(other.0) {
            *count += more;
        }
    }
}

impl TryFrom<BTreeMap<String, u64>> for EventCounts {
    type Error = String;

    fn try_from(counts: BTreeMap<String, u64>) -> Result<Self, String> {
        let mut events = Self::default();
        for (name, count) in counts {
            let event = Event::ALL
                .into_iter()
                .find(|event| event.name() == name)
                .ok_or_else(|| format!("no TCP event {name}"))?;
            events.0[event as usize] = count;
        }
        Ok(events)
    }
}

impl From<EventCounts> for BTreeMap<String, u64> {
    fn from(counts: EventCounts) -> Self {
        counts
            .named()
            .map(|(event, count)| (event.name().to_string(), count))
            .collect()
    }
}

/// Packets with TCP events, by both ways of counting.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TcpEvents {
    /// Counted as by a filter on the field: a fast or spurious retransmission is a retransmission,
    /// too.
    pub fields: EventCounts,
    /// One event a packet, by [`EventSet::exclusive`].
    pub exclusive: EventCounts,
}

impl TcpEvents {
    /// Counts a packet's events.
    pub fn add(&mut self, events: EventSet) {
        events.iter().for_each(|event| self.fields.add(event));
        if let Some(event) = events.exclusive() {
            self.exclusive.add(event);
        }
    }

    /// Adds the counts of other packets.
    pub fn merge(&mut self, other: &Self) {
        self.fields.merge(&other.fields);
        self.exclusive.merge(&other.exclusive);
    }
}

/// Distance Σ |ĉ / max(N̂, 1) − c / max(N, 1)| over the events, where N and N̂ are the numbers of
/// TCP packets. (Paper, Appendix D.)
pub(super) fn distance(
    (reference, tcp): (&EventCounts, u64),
    (decoded, decoded_tcp): (&EventCounts, u64),
) -> f64 {
    let rate = |count: u64, tcp: u64| count as f64 / tcp.max(1) as f64;
    let rates = reference.0.into_iter().zip(decoded.0);
    rates
        .map(|(count, decoded)| (rate(decoded, decoded_tcp) - rate(count, tcp)).abs())
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_distance_by_hand() {
        let mut reference = TcpEvents::default();
        let mut decoded = TcpEvents::default();
        let fast = [Event::Retransmission, Event::FastRetransmission];
        reference.add(fast.into_iter().collect());
        decoded.add([Event::DuplicateAck].into_iter().collect());
        // Of 10 and 20 TCP packets: 1/10 and 1/10 are missing, 1/20 is superfluous.
        let distance_of = |counts: fn(&TcpEvents) -> &EventCounts| {
            distance((counts(&reference), 10), (counts(&decoded), 20))
        };
        assert!((distance_of(|events| &events.fields) - 0.25).abs() < 1e-12);
        // A fast retransmission counts once.
        assert!((distance_of(|events| &events.exclusive) - 0.15).abs() < 1e-12);
    }

    #[test]
    fn test_json_names_the_events() {
        let mut events = TcpEvents::default();
        events.add([Event::ZeroWindow].into_iter().collect());
        let json = serde_json::to_string(&events.fields).unwrap();
        assert!(json.contains("\"zero_window\":1"), "{json}");
        assert_eq!(
            serde_json::from_str::<EventCounts>(&json).unwrap(),
            events.fields
        );
        assert!(serde_json::from_str::<EventCounts>("{\"window_full\":1}").is_err());
    }
}
