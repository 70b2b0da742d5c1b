//! What the latents between those of two packets decode to.

use std::collections::BTreeMap;

use rand::RngExt;
use serde::Serialize;
use tracecodec::action::Action;
use tracecodec::action::schema::{FIELD_COUNT, FIELDS, Group};

use super::{Ordered, Probed, Tally, mean_distance};
use crate::random::{Purpose, stream};

/// Number of steps from one end to the other.
const STEPS: usize = 8;

/// Decoding of the latents (1 - t) mu_a + t mu_b for pairs of packets a, b. The *ends* are what
/// mu_a and mu_b decode to. If the codec takes the context from the flow's past, the context is the
/// one of the nearer end: of b from t = 1/2 on. Context and time do not count as fields here.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Interpolation {
    /// Number of pairs of packets.
    pub pairs: usize,
    /// Mean of |mu_b - mu_a|, in standard deviations of the prior; `None` without pairs.
    pub distance: Option<f64>,
    /// The points from t = 0 to t = 1.
    pub points: Vec<Point>,
    /// Number of the eight steps of t that change some field, on average over the pairs whose ends
    /// differ in a field: 1 is a single switch from a to b.
    pub changes: Option<f64>,
    /// For each ordered quantity, by name: its place relative to the ends for t inside (0, 1).
    pub between: BTreeMap<&'static str, Between>,
}

/// Shares at one t, over all pairs. A field counts if it is active in the decoded packet; an end
/// has a value of the field if it is active in that end.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Point {
    /// Position between the ends.
    pub t: f64,
    /// Share of fields whose value is that of one of the ends, not a third one.
    pub fields: Option<f64>,
    /// Share of fields with the value of an end, among the fields that are active in both ends with
    /// one value.
    pub agreeing_fields: Option<f64>,
    /// Share of fields with the value of an end, among the fields that are active in both ends with
    /// two values.
    pub differing_fields: Option<f64>,
    /// Share of packets that equal one of the ends in every field.
    pub packets: Option<f64>,
}

/// Place of an ordered quantity relative to the ends, over the pairs whose ends differ in it. Only
/// values of packets count in which it is active, as in both ends.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Between {
    /// Number of values that count.
    pub values: u64,
    /// Share of values that are the one of an end.
    pub at_an_end: Option<f64>,
    /// Share of values strictly between the ends.
    pub inside: Option<f64>,
    /// Share of values outside the ends.
    pub outside: Option<f64>,
}

impl Probed<'_> {
    /// Pairs of each packet and the next one of its run with the same protocol and direction.
    pub(super) fn neighbours(&self) -> Vec<(usize, usize)> {
        let kind = |i: usize| (self.actions[i].proto, self.actions[i].dir);
        let next = |i: usize, end: usize| (i + 1..end).find(|&j| kind(i) == kind(j));
        self.runs
            .iter()
            .flat_map(|run| run.clone().map(move |i| (i, run.end)))
            .filter_map(|(i, end)| next(i, end).map(|j| (i, j)))
            .collect()
    }

    /// Pairs of each packet and a random other one.
    pub(super) fn random_pairs(&self, seed: u64) -> Vec<(usize, usize)> {
        let mut rng = stream(seed, Purpose::Probe, 1);
        let packets = self.actions.len();
        if packets < 2 {
            return Vec::new();
        }
        (0..packets)
            .map(|i| (i, (i + rng.random_range(1..packets)) % packets))
            .collect()
    }
}

pub(super) fn measure(probed: &Probed<'_>, pairs: &[(usize, usize)]) -> Interpolation {
    let ways: Vec<Vec<Action>> = (0..=STEPS)
        .map(|step| decode(probed, pairs, step))
        .collect();
    let carried: Vec<usize> = (0..FIELD_COUNT)
        .filter(|&i| {
            let quantity = FIELDS[i].quantity();
            quantity.group != Group::Context && probed.decodes(quantity)
        })
        .collect();
    let points = (0..=STEPS).map(|step| point(&ways, &carried, step));
    let between = probed
        .ordered()
        .map(|quantity| (quantity.name, between(&ways, quantity)));
    Interpolation {
        pairs: pairs.len(),
        distance: mean_distance(
            &latents(probed, pairs, 0),
            &latents(probed, pairs, STEPS),
            probed.latents.dim,
        ),
        points: points.collect(),
        changes: changes(&ways, &carried),
        between: between.collect(),
    }
}

/// The latents of all pairs at one step, row-major.
fn latents(probed: &Probed<'_>, pairs: &[(usize, usize)], step: usize) -> Vec<f32> {
    let t = step as f32 / STEPS as f32;
    let mut z = Vec::with_capacity(pairs.len() * probed.latents.dim);
    for &(a, b) in pairs {
        let ends = probed.mean(a).iter().zip(probed.mean(b));
        z.extend(ends.map(|(a, b)| (1.0 - t) * a + t * b));
    }
    z
}

/// Actions that the latents of all pairs at one step decode to.
fn decode(probed: &Probed<'_>, pairs: &[(usize, usize)], step: usize) -> Vec<Action> {
    let z = latents(probed, pairs, step);
    let nearer = pairs.iter().map(|&(a, b)| {
        let nearer = if 2 * step < STEPS { a } else { b };
        probed.actions[nearer]
    });
    probed
        .codec
        .decode_in_context(&z, &nearer.collect::<Vec<_>>())
}

fn point(ways: &[Vec<Action>], carried: &[usize], step: usize) -> Point {
    let [mut fields, mut agreeing, mut differing, mut packets] = [Tally::default(); 4];
    let ends = ways[0].iter().zip(&ways[STEPS]);
    for ((a, b), at) in ends.zip(&ways[step]) {
        let [of_a, of_b, here] = [a, b, at].map(Action::field_values);
        for &i in carried {
            let quantity = FIELDS[i].quantity();
            if !quantity.is_active(at) {
                continue;
            }
            let (in_a, in_b) = (quantity.is_active(a), quantity.is_active(b));
            let hit = in_a && here[i] == of_a[i] || in_b && here[i] == of_b[i];
            fields.add(hit);
            if in_a && in_b {
                let tally = if of_a[i] == of_b[i] {
                    &mut agreeing
                } else {
                    &mut differing
                };
                tally.add(hit);
            }
        }
        packets.add(same(at, a, carried) || same(at, b, carried));
    }
    Point {
        t: step as f64 / STEPS as f64,
        fields: fields.share(),
        agreeing_fields: agreeing.share(),
        differing_fields: differing.share(),
        packets: packets.share(),
    }
}

/// Whether two packets have the same fields. Inactive fields are 0 in both.
fn same(a: &Action, b: &Action, carried: &[usize]) -> bool {
    let (of_a, of_b) = (a.field_values(), b.field_values());
    carried.iter().all(|&i| of_a[i] == of_b[i])
}

fn changes(ways: &[Vec<Action>], carried: &[usize]) -> Option<f64> {
    let differ: Vec<usize> = (0..ways[0].len())
        .filter(|&pair| !same(&ways[0][pair], &ways[STEPS][pair], carried))
        .collect();
    let changes = |&pair: &usize| {
        let steps = ways.windows(2);
        steps
            .filter(|step| !same(&step[0][pair], &step[1][pair], carried))
            .count()
    };
    let sum: usize = differ.iter().map(changes).sum();
    (!differ.is_empty()).then(|| sum as f64 / differ.len() as f64)
}

fn between(ways: &[Vec<Action>], quantity: &Ordered) -> Between {
    let [mut at_an_end, mut inside, mut outside] = [Tally::default(); 3];
    for way in &ways[1..STEPS] {
        let ends = ways[0].iter().zip(&ways[STEPS]);
        for ((a, b), at) in ends.zip(way) {
            let [of_a, of_b, here] = [a, b, at].map(quantity.get);
            let active =
                [a, b, at].map(|action| quantity.active.covers(action.proto, action.flow_evt));
            if of_a != of_b && active == [true; 3] {
                let is_end = here == of_a || here == of_b;
                let is_inside = !is_end && of_a.min(of_b) < here && here < of_a.max(of_b);
                at_an_end.add(is_end);
                inside.add(is_inside);
                outside.add(!is_end && !is_inside);
            }
        }
    }
    Between {
        values: at_an_end.all,
        at_an_end: at_an_end.share(),
        inside: inside.share(),
        outside: outside.share(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::ORDERED;
    use super::*;
    use tracecodec::action::Proto;

    /// The packets of one pair with these windows, from end to end.
    fn way(windows: [u16; STEPS + 1]) -> Vec<Vec<Action>> {
        let packet = |tcp_win| Action {
            tcp_win,
            ..Action::default()
        };
        windows.map(|window| vec![packet(window)]).to_vec()
    }

    fn carried() -> Vec<usize> {
        (0..FIELD_COUNT).collect()
    }

    #[test]
    fn test_a_switch_has_no_third_value() {
        let ways = way([0x10, 0x10, 0x10, 0x10, 0x20, 0x20, 0x20, 0x20, 0x20]);
        let middle = point(&ways, &carried(), 4);
        assert_eq!((middle.fields, middle.packets), (Some(1.0), Some(1.0)));
        assert_eq!(changes(&ways, &carried()), Some(1.0));
        let between = between(&ways, &ORDERED[2]);
        assert_eq!((between.values, between.at_an_end), (7, Some(1.0)));
    }

    #[test]
    fn test_values_between_and_beyond() {
        let ways = way([0x10, 0x18, 0x18, 0x18, 0x18, 0x18, 0x05, 0x20, 0x20]);
        let between = between(&ways, &ORDERED[2]);
        let shares = [between.at_an_end, between.inside, between.outside];
        assert_eq!(shares, [1.0, 5.0, 1.0].map(|n| Some(n / 7.0)));
        assert_eq!(changes(&ways, &carried()), Some(3.0));
        // The third digit of the window is the one of an end; the fourth is of neither end, though
        // both ends agree in it.
        let middle = point(&ways, &carried(), 4);
        assert_eq!(middle.differing_fields, Some(1.0));
        assert!(middle.agreeing_fields < Some(1.0));
        assert_eq!(middle.packets, Some(0.0));
    }

    #[test]
    fn test_inactive_fields_of_an_end_are_no_value() {
        let mut ways = way([0; STEPS + 1]);
        ways[0][0].proto = Proto::Udp;
        ways[STEPS][0].proto = Proto::Udp;
        let middle = point(&ways, &carried(), 4);
        assert!(middle.fields < Some(1.0));
        assert_eq!(between(&ways, &ORDERED[2]).values, 0);
        assert_eq!(changes(&way([1; STEPS + 1]), &carried()), None);
    }
}
