//! How much of a packet survives noise on its latent.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Ordered, Probed, Tally, mean_distance};
use crate::accuracy::Accuracy;
use crate::random::{Purpose, normals, stream};
use tracecodec::action::Action;

/// Scales of the noise, in standard deviations of the posterior.
const SCALES: [f32; 5] = [0.0, 0.25, 0.5, 1.0, 2.0];

/// Fidelity of what mu + scale · exp(log_var / 2) · noise decodes to, with the same standard normal
/// noise for every scale.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Noise {
    /// Scale of the noise, in standard deviations of the posterior.
    pub scale: f32,
    /// Mean distance from mu, in standard deviations of the prior; `None` without packets.
    pub distance: Option<f64>,
    /// Share of active fields that are reproduced, context aside.
    pub fields: f64,
    /// Share of packets whose discrete fields are all reproduced, context aside.
    pub packets: f64,
    /// Errors of each ordered quantity, by name.
    pub wrong: BTreeMap<&'static str, Wrong>,
}

/// Errors of one quantity, over the packets in which it is active and whose protocol is reproduced.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Wrong {
    /// Share of these packets in which the quantity is wrong; `None` without packets.
    pub share: Option<f64>,
    /// Median error where the quantity is wrong: |x' - x| in its unit, for `delta_t`
    /// |x' - x| / max(|x|, 1 ns). `None` if it is never wrong.
    pub median_error: Option<f64>,
}

pub(super) fn measure(probed: &Probed<'_>, seed: u64) -> Vec<Noise> {
    let mut rng = stream(seed, Purpose::Probe, 0);
    let noise = normals(&mut rng, probed.latents.mu.len());
    let at = |scale| {
        let z = probed.latents.displaced(&noise, scale);
        let decoded = probed.decode(&z);
        let mut accuracy = Accuracy::carrying(|field| probed.codec.config().carries(field));
        accuracy.add(&probed.actions, &decoded);
        let wrong = probed
            .ordered()
            .map(|quantity| (quantity.name, wrong(quantity, &probed.actions, &decoded)));
        Noise {
            scale,
            distance: mean_distance(&probed.latents.mu, &z, probed.latents.dim),
            fields: accuracy.mean(),
            packets: accuracy.exact_share(),
            wrong: wrong.collect(),
        }
    };
    SCALES.map(at).to_vec()
}

fn wrong(quantity: &Ordered, actions: &[Action], decoded: &[Action]) -> Wrong {
    let mut tally = Tally::default();
    let mut errors = Vec::new();
    for (action, decoded) in actions.iter().zip(decoded) {
        if action.proto == decoded.proto && quantity.active.covers(action.proto, action.flow_evt) {
            let error = error(quantity, action, decoded);
            tally.add(error > 0.0);
            errors.extend((error > 0.0).then_some(error));
        }
    }
    Wrong {
        share: tally.share(),
        median_error: median(errors),
    }
}

fn error(quantity: &Ordered, action: &Action, decoded: &Action) -> f64 {
    let (value, decoded) = ((quantity.get)(action), (quantity.get)(decoded));
    let error = value.abs_diff(decoded) as f64;
    if quantity.relative {
        error / value.unsigned_abs().max(1) as f64
    } else {
        error
    }
}

/// Median of the values: the middle one, or the mean of the two in the middle.
fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let last = values.len().checked_sub(1)?;
    Some((values[last / 2] + values[last.div_ceil(2)]) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::super::ORDERED;
    use super::*;
    use tracecodec::action::Proto;

    #[test]
    fn test_median() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median(Vec::new()), None);
    }

    #[test]
    fn test_errors_are_relative_for_the_time_and_absolute_elsewhere() {
        let packet = |delta_t, l4_payload_len| Action {
            proto: Proto::Udp,
            delta_t,
            l4_payload_len,
            ..Action::default()
        };
        let actions = [packet(1000, 10), packet(0, 20), packet(-500, 30)];
        let decoded = [packet(1500, 10), packet(3, 27), packet(-500, 30)];
        let wrong = ORDERED.map(|quantity| wrong(&quantity, &actions, &decoded));
        let of = |share, median_error| Wrong {
            share,
            median_error,
        };
        assert_eq!(wrong[0], of(Some(2.0 / 3.0), Some(1.75)));
        assert_eq!(wrong[1], of(Some(1.0 / 3.0), Some(7.0)));
        assert_eq!(wrong[2], of(None, None));
    }
}
