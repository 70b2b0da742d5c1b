//! Reconstruction accuracy: which fields of which packets are reproduced. The context is counted
//! separately: it helps the decoder, and no part of it reaches the capture.

use serde::Serialize;
use tracecodec::action::Action;
use tracecodec::action::schema::{FIELD_COUNT, FIELDS, Field, Group, QUANTITIES, Quantity};

/// Counts of one field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct FieldCount {
    /// Packets in which the field is active.
    pub active: u64,
    /// Packets in which the field is active and reproduced.
    pub correct: u64,
}

impl FieldCount {
    /// Share of active fields that are reproduced; 1 if the field is never active.
    pub fn share(self) -> f64 {
        match self.active {
            0 => 1.0,
            active => self.correct as f64 / active as f64,
        }
    }
}

/// Reconstruction accuracy of a sequence of packets, under the activity masks of the original.
#[derive(Debug, Clone, PartialEq)]
pub struct Accuracy {
    /// Number of packets compared.
    pub packets: u64,
    /// Packets whose discrete fields are all reproduced, context aside.
    pub exact: u64,
    /// Packets whose time is reproduced to the nanosecond.
    pub time_exact: u64,
    /// Counts for each field, in the order of the schema. Fields that the codec leaves out count as
    /// never active.
    pub fields: Vec<FieldCount>,
    carried: [bool; FIELD_COUNT],
}

impl Accuracy {
    /// An empty count, for a codec that carries these fields.
    pub fn carrying(carries: impl Fn(&Field) -> bool) -> Self {
        Self {
            packets: 0,
            exact: 0,
            time_exact: 0,
            fields: vec![FieldCount::default(); FIELD_COUNT],
            carried: FIELDS.map(|field| carries(&field)),
        }
    }

    /// The accuracy of `decoded`, packet by packet.
    pub fn new(original: &[Action], decoded: &[Action]) -> Self {
        let mut accuracy = Self::carrying(|_| true);
        accuracy.add(original, decoded);
        accuracy
    }

    /// Adds more packets, compared one by one. If one side has more packets, its excess is not
    /// counted.
    pub fn add(&mut self, original: &[Action], decoded: &[Action]) {
        for (original, decoded) in original.iter().zip(decoded) {
            self.record(original, decoded);
        }
    }

    fn record(&mut self, original: &Action, decoded: &Action) {
        let (values, back) = (original.field_values(), decoded.field_values());
        let mut exact = true;
        for (i, field) in FIELDS.iter().enumerate() {
            if self.carried[i] && field.quantity().is_active(original) {
                let correct = values[i] == back[i];
                self.fields[i].active += 1;
                self.fields[i].correct += u64::from(correct);
                exact &= correct || field.quantity().group == Group::Context;
            }
        }
        self.packets += 1;
        self.exact += u64::from(exact);
        self.time_exact += u64::from(original.delta_t == decoded.delta_t);
    }

    /// Share of active fields that are reproduced, context aside: the paper's "action accuracy".
    pub fn mean(&self) -> f64 {
        self.sum(|quantity| quantity.group != Group::Context)
            .share()
    }

    /// Share of active fields of one group of the schema that are reproduced.
    pub fn group(&self, group: Group) -> f64 {
        self.sum(|quantity| quantity.group == group).share()
    }

    /// For each quantity, its name and the share of its active fields that are reproduced.
    pub fn quantities(&self) -> impl Iterator<Item = (&'static str, f64)> + '_ {
        QUANTITIES.iter().map(|quantity| {
            let share = self.sum(|other| other.name == quantity.name).share();
            (quantity.name, share)
        })
    }

    /// Share of packets whose discrete fields are all reproduced, context aside.
    pub fn exact_share(&self) -> f64 {
        FieldCount {
            active: self.packets,
            correct: self.exact,
        }
        .share()
    }

    fn sum(&self, keep: impl Fn(&Quantity) -> bool) -> FieldCount {
        let mut sum = FieldCount::default();
        let fields = self.fields.iter().zip(FIELDS);
        for (count, _) in fields.filter(|(_, field)| keep(field.quantity())) {
            sum.active += count.active;
            sum.correct += count.correct;
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracecodec::action::Proto;

    #[test]
    fn test_inactive_fields_do_not_count() {
        let udp = Action {
            proto: Proto::Udp,
            ttl_res: 64,
            ..Action::default()
        };
        let wrong = Action { ttl_res: 63, ..udp };
        let accuracy = Accuracy::new(&[udp, udp], &[udp, wrong]);
        let counts = accuracy.fields.iter().zip(FIELDS);
        let active: u64 = counts
            .filter(|(_, field)| field.quantity().group != Group::Context)
            .map(|(count, _)| count.active)
            .sum();
        assert_eq!(accuracy.mean(), 1.0 - 1.0 / active as f64);
        assert_eq!(
            (accuracy.packets, accuracy.exact, accuracy.time_exact),
            (2, 1, 2)
        );
        assert_eq!(accuracy.group(Group::Tcp), 1.0);
        assert!(accuracy.group(Group::Packet) < 1.0);
        let mut without = Accuracy::carrying(|field| field.quantity().name != "ttl_res");
        without.add(&[udp, udp], &[udp, wrong]);
        assert_eq!((without.mean(), without.exact), (1.0, 2));
    }
}
