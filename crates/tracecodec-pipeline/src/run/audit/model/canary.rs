//! Canaries: made-up sessions that shadow models learn a number of times, and whether they are
//! known afterwards.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;
use tracecodec::action::{Action, FlowEvent};
use tracecodec_nn::generator::Drawing;
use tracecodec_nn::generator::autoregressive::{Autoregressive, EventSequences};

use super::pool::Pool;
use crate::error::Error;

/// How often canaries are inserted.
pub(super) const REPETITIONS: [u32; 4] = [1, 4, 16, 64];

/// Canaries of each number of repetitions.
const EACH: usize = 3;

/// Made-up sessions like the canaries that no model learns from.
const REFERENCES: usize = 255;

/// Packets of a canary.
const PACKETS: usize = 16;

/// Packets of a canary that a generated flow must begin with.
const BEGINNING: usize = 8;

/// Packets that each shadow model generates.
const GENERATED: usize = 20_000;

/// What became of canaries that were inserted so often.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Exposure {
    /// How often each was inserted; 0: not at all.
    pub repetitions: u32,
    /// Pairs of a canary and a model.
    pub pairs: u64,
    /// Mean exposure in bits: the base-2 logarithm of 256 over the canary's rank by likelihood
    /// among 255 others that the model never saw. 8 is the most; chance gives 1.4.
    pub bits: f64,
    /// Generated flows that begin with the first 8 packets of one of them: direction, TCP flags and
    /// payload length.
    pub generated: u64,
}

/// The canaries, and others like them.
pub(super) struct Canaries {
    canaries: Vec<Vec<Action>>,
    references: Vec<Vec<Action>>,
    found: Vec<Exposure>,
}

impl Canaries {
    /// Canaries made from TCP sessions of the pool: their flags in their order, with random payload
    /// lengths and gaps. `None` if the pool has no such session.
    pub(super) fn new(pool: &Pool, seed: u64) -> Option<Self> {
        let templates: Vec<&[Action]> = pool.whole(PACKETS).collect();
        if templates.is_empty() {
            return None;
        }
        let mut rng = ChaCha8Rng::seed_from_u64(seed ^ 0xca_4a71e5);
        let mut make = |count: usize| {
            let made = (0..count).map(|_| {
                let template = templates[rng.random_range(0..templates.len())];
                let mut actions = template[..PACKETS].to_vec();
                for action in &mut actions[1..] {
                    if action.l4_payload_len > 0 {
                        action.l4_payload_len = rng.random_range(1..=1400);
                    }
                    // From 1 µs to 1 s, evenly by its logarithm.
                    action.delta_t = 10_f64.powf(rng.random_range(3.0..9.0)) as i64;
                }
                actions
            });
            made.collect()
        };
        Some(Self {
            canaries: make(EACH * REPETITIONS.len()),
            references: make(REFERENCES),
            found: [0]
                .into_iter()
                .chain(REPETITIONS)
                .map(|repetitions| Exposure {
                    repetitions,
                    ..Exposure::default()
                })
                .collect(),
        })
    }

    /// How often a model learns a canary: every other model learns it.
    fn repetitions(canary: usize, shadow: usize) -> u32 {
        if (canary + shadow).is_multiple_of(2) {
            REPETITIONS[canary % REPETITIONS.len()]
        } else {
            0
        }
    }

    /// Adds the canaries of a shadow model to what it learns from.
    pub(super) fn insert(&self, shadow: usize, sequences: &mut EventSequences) {
        for (number, canary) in self.canaries.iter().enumerate() {
            for _ in 0..Self::repetitions(number, shadow) {
                super::pool::push(sequences, canary);
            }
        }
    }

    /// Asks a shadow model for the canaries.
    pub(super) fn ask(
        &mut self,
        shadow: usize,
        model: &Autoregressive,
        pool: &Pool,
    ) -> Result<(), Error> {
        let nats = |actions: &Vec<Action>| model.nats_of_flows(&pool.alone(actions)).nats;
        let others: Vec<f64> = self.references.iter().map(nats).collect();
        let generated = beginnings(model)?;
        for (number, canary) in self.canaries.iter().enumerate() {
            let repetitions = Self::repetitions(number, shadow);
            let nats = nats(canary);
            let rank = 1 + others.iter().filter(|other| **other < nats).count();
            let beginning = beginning(canary);
            let exposure = self
                .found
                .iter_mut()
                .find(|exposure| exposure.repetitions == repetitions)
                .expect("every number of repetitions has an entry");
            exposure.pairs += 1;
            exposure.bits += ((1 + others.len()) as f64 / rank as f64).log2();
            exposure.generated +=
                generated.iter().filter(|made| **made == beginning).count() as u64;
        }
        Ok(())
    }

    /// What became of them.
    pub(super) fn finish(self) -> Vec<Exposure> {
        let mean = |exposure: Exposure| Exposure {
            bits: exposure.bits / exposure.pairs.max(1) as f64,
            ..exposure
        };
        self.found.into_iter().map(mean).collect()
    }
}

/// How a flow begins, without times: direction, control event and payload length of each packet.
type Beginning = Vec<(u8, u8, u32)>;

/// Direction, flags and payload length of the first packets.
fn beginning(actions: &[Action]) -> Beginning {
    let first = actions.iter().take(BEGINNING);
    first
        .map(|action| {
            (
                action.dir as u8,
                action.tcp_ctrl as u8,
                action.l4_payload_len,
            )
        })
        .collect()
}

/// The beginnings of flows that a model generates from nothing.
fn beginnings(model: &Autoregressive) -> Result<Vec<Beginning>, Error> {
    let mut trace = model.generate(&Drawing::default())?;
    let mut made: Vec<Vec<Action>> = Vec::new();
    let mut slots = std::collections::BTreeMap::new();
    let mut count = 0;
    while count < GENERATED {
        let batch = trace.batch();
        if batch.is_empty() {
            break;
        }
        for action in batch {
            count += 1;
            if action.flow_evt == FlowEvent::Open {
                slots.insert(action.flow_token, made.len());
                made.push(Vec::new());
            }
            if let Some(flow) = slots.get(&action.flow_token) {
                made[*flow].push(action);
            }
        }
    }
    Ok(made.iter().map(|actions| beginning(actions)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::ReadPolicy;
    use crate::monitor::Silent;
    use crate::testing::data;

    #[test]
    fn test_canaries_that_no_model_learned_are_not_exposed() {
        let model = Autoregressive::embedded();
        let profiles = model.option_profiles().clone();
        let mut pool = Pool::new(model.schema().version, model.labels(), profiles);
        let captures = [data("example.pcap")];
        pool.add(&captures, true, &ReadPolicy::default(), &mut Silent)
            .unwrap();
        pool.draw(2, 0);
        let mut canaries = Canaries::new(&pool, 0).unwrap();
        let before = pool.traces(|session| session.included[0]);
        let mut after = before.clone();
        canaries.insert(0, &mut after);
        let inserted: u32 = (0..canaries.canaries.len())
            .map(|canary| Canaries::repetitions(canary, 0))
            .sum();
        assert_eq!(
            after.packets() - before.packets(),
            u64::from(inserted) * PACKETS as u64
        );
        canaries.ask(0, &model, &pool).unwrap();
        let found = canaries.finish();
        assert_eq!(found.len(), 1 + REPETITIONS.len());
        for exposure in found.iter().filter(|exposure| exposure.pairs > 0) {
            assert!(
                exposure.bits < 6.0 && exposure.generated == 0,
                "{exposure:?}"
            );
        }
    }
}
