//! Effect of each dimension of the latent.

use std::collections::BTreeMap;

use serde::Serialize;
use tracecodec::action::Action;
use tracecodec::action::schema::{QUANTITIES, Quantity};

use super::{Probed, Tally};
use crate::error::Error;
use crate::latents::divergence;

/// Lengths of the moves, in standard deviations of the prior.
const STEPS: [f32; 3] = [0.5, 1.0, 2.0];

/// Divergence, spread and effect of one dimension of the latent.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Dimension {
    /// Number of the dimension, from 0.
    pub dimension: usize,
    /// Mean KL divergence of the dimension's posterior from the prior, in nats a packet.
    pub kl_nats: f64,
    /// The dimension's share of the KL divergence of the whole latent.
    pub kl_share: f64,
    /// Standard deviation of the dimension's means.
    pub spread: f64,
    /// Effect of moving along the dimension.
    pub moves: Vec<Move>,
}

/// Effect of moving one dimension of the mean by `step` up, and by `step` down.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Move {
    /// Length of the move, in standard deviations of the prior.
    pub step: f32,
    /// For each quantity of the action schema, and `delta_t`: the share of moves after which it
    /// decodes to another value than at the mean. Only packets in which the quantity is active at
    /// the mean count; a quantity that never is, is left out.
    pub changed: BTreeMap<&'static str, f64>,
}

impl Move {
    /// Quantities that change at all, with their shares: the most frequent first, equal ones by
    /// name.
    pub fn most(&self) -> Vec<(&'static str, f64)> {
        let changed = self.changed.iter().map(|(&name, &share)| (name, share));
        let mut most: Vec<_> = changed.filter(|(_, share)| *share > 0.0).collect();
        most.sort_by(|(_, a), (_, b)| b.total_cmp(a));
        most
    }
}

pub(super) fn measure(
    probed: &Probed<'_>,
    mut step: impl FnMut() -> Result<(), Error>,
) -> Result<Vec<Dimension>, Error> {
    let latents = &probed.latents;
    let still = probed.decode(&latents.mu);
    let all_nats = latents.kl();
    let mut dimensions = (0..latents.dim)
        .map(|dimension| {
            step()?;
            let kl_nats = kl(probed, dimension);
            Ok(Dimension {
                dimension,
                kl_nats,
                kl_share: if all_nats > 0.0 {
                    kl_nats / all_nats
                } else {
                    0.0
                },
                spread: spread(probed, dimension),
                moves: STEPS
                    .map(|step| moved(probed, &still, dimension, step))
                    .to_vec(),
            })
        })
        .collect::<Result<Vec<_>, Error>>()?;
    dimensions.sort_by(|a, b| b.kl_nats.total_cmp(&a.kl_nats));
    Ok(dimensions)
}

fn kl(probed: &Probed<'_>, dimension: usize) -> f64 {
    let latents = &probed.latents;
    let posteriors = latents.mu.iter().zip(&latents.log_var);
    let sum: f64 = posteriors
        .skip(dimension)
        .step_by(latents.dim)
        .map(|(&mu, &log_var)| divergence(mu, log_var))
        .sum();
    sum / latents.packets().max(1) as f64
}

fn spread(probed: &Probed<'_>, dimension: usize) -> f64 {
    let latents = &probed.latents;
    let means = latents.mu.iter().skip(dimension).step_by(latents.dim);
    let (mut sum, mut squares) = (0.0, 0.0);
    for &mu in means {
        sum += f64::from(mu);
        squares += f64::from(mu).powi(2);
    }
    let packets = latents.packets().max(1) as f64;
    (squares / packets - (sum / packets).powi(2))
        .max(0.0)
        .sqrt()
}

fn moved(probed: &Probed<'_>, still: &[Action], dimension: usize, step: f32) -> Move {
    let mut tallies: Vec<(Value, Tally)> = values(probed)
        .map(|value| (value, Tally::default()))
        .collect();
    for by in [step, -step] {
        let mut z = probed.latents.mu.clone();
        for mu in z.iter_mut().skip(dimension).step_by(probed.latents.dim) {
            *mu += by;
        }
        for (still, moved) in still.iter().zip(probed.decode(&z)) {
            for (value, tally) in &mut tallies {
                if value.is_active(still) {
                    tally.add(value.differs(still, &moved));
                }
            }
        }
    }
    let shares = tallies
        .iter()
        .filter_map(|(value, tally)| Some((value.name(), tally.share()?)));
    Move {
        step,
        changed: shares.collect(),
    }
}

/// Quantities that can change in a packet.
#[derive(Clone, Copy)]
enum Value {
    Quantity(&'static Quantity),
    Time,
}

fn values(probed: &Probed<'_>) -> impl Iterator<Item = Value> {
    QUANTITIES
        .iter()
        .filter(|quantity| probed.decodes(quantity))
        .map(Value::Quantity)
        .chain([Value::Time])
}

impl Value {
    fn name(self) -> &'static str {
        match self {
            Self::Quantity(quantity) => quantity.name,
            Self::Time => "delta_t",
        }
    }

    fn is_active(self, action: &Action) -> bool {
        match self {
            Self::Quantity(quantity) => quantity.is_active(action),
            Self::Time => true,
        }
    }

    fn differs(self, a: &Action, b: &Action) -> bool {
        match self {
            Self::Quantity(quantity) => (quantity.get)(a) != (quantity.get)(b),
            Self::Time => a.delta_t != b.delta_t,
        }
    }
}
