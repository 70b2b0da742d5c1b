//! Encoding and decoding of a trace: the state that encoder and decoder keep from one packet to the
//! next.

use tracecodec::action::Action;
use tracecodec::action::context::Contexts;
use tracecodec::action::float::{StepCoder, Tick};

use super::ack_bounds::AckBounds;
use super::acknowledgment::Acknowledgments;
use super::decoder::FirstStages;
use super::heads::gather_rows;
use super::open_flows::OpenFlows;
use super::{AckBase, Codec, CodecConfig, Constraints, ContextSource, Corrected};
use crate::latents::Latents;

/// Encodes a trace in order. The result does not depend on how the trace is cut into pieces.
#[derive(Debug, Clone)]
pub struct TraceEncoder<'a> {
    pub(super) codec: &'a Codec,
    past: Past,
    /// Decoder of the encoder's means.
    pub(super) means: TraceDecoder<'a>,
    /// Decoder of the refined latents, from the first batch on in which refinement moved one.
    pub(super) refined: Option<TraceDecoder<'a>>,
}

/// Decodes a trace in order. The result does not depend on how the trace is cut into pieces.
#[derive(Debug, Clone)]
pub struct TraceDecoder<'a> {
    codec: &'a Codec,
    contexts: Contexts,
    open_flows: Option<OpenFlows>,
    ack_bounds: Option<AckBounds>,
    tick: Tick,
    acknowledgments: Acknowledgments,
}

/// State of the encoder after the packets so far.
#[derive(Debug, Clone)]
pub struct Past {
    steps: StepCoder,
    context: ContextSource,
    contexts: Contexts,
    ack: AckBase,
    acknowledgments: Acknowledgments,
}

impl Past {
    /// The start of a trace.
    pub fn new(config: &CodecConfig, tick: Tick) -> Self {
        Self {
            steps: StepCoder::new(config.time_digits, tick),
            context: config.context,
            contexts: Contexts::default(),
            ack: config.ack,
            acknowledgments: Acknowledgments::default(),
        }
    }

    /// The next packet as the network reads it, and as a perfect decoder would return it: its time
    /// step to the codec's resolution, without errors that add up; the context derived from such
    /// steps; its acknowledgment relative to the codec's [`AckBase`].
    pub fn codable(&mut self, action: &Action) -> Action {
        let mut codable = *action;
        codable.delta_t = self.steps.next(action.delta_t);
        if self.context == ContextSource::Flow {
            codable.context = self.contexts.next(&codable);
        }
        match self.ack {
            AckBase::PeerNext => codable,
            AckBase::LastAck => self.acknowledgments.after_last(&codable),
        }
    }
}

impl<'a> TraceEncoder<'a> {
    /// An encoder at the start of a trace.
    pub(super) fn new(codec: &'a Codec, tick: Tick) -> Self {
        let constraints = codec.constraints.min(Constraints::Flows);
        Self {
            codec,
            past: Past::new(&codec.config, tick),
            means: TraceDecoder::new(codec, tick, constraints),
            refined: None,
        }
    }

    /// The posteriors of the next packets.
    pub fn encode(&mut self, actions: &[Action]) -> Latents {
        let codable = self.codable(actions);
        self.codec.posterior(&codable)
    }

    /// Packets so far whose latent, refined or not, decodes to a packet that was corrected to agree
    /// with the open flows. Encoding never constrains acknowledgments: those of a capture are kept.
    pub fn corrected(&self) -> Corrected {
        self.refined.as_ref().unwrap_or(&self.means).corrected()
    }

    pub(super) fn codable(&mut self, actions: &[Action]) -> Vec<Action> {
        actions
            .iter()
            .map(|action| self.past.codable(action))
            .collect()
    }
}

impl<'a> TraceDecoder<'a> {
    /// A decoder at the start of a trace.
    pub(super) fn new(codec: &'a Codec, tick: Tick, constraints: Constraints) -> Self {
        let decoder = &codec.network().decoder;
        let constraints = match codec.config.context {
            ContextSource::Flow => constraints,
            ContextSource::Latent => Constraints::None,
        };
        let open_flows = (constraints >= Constraints::Flows)
            .then(|| OpenFlows::new(&codec.symbols, decoder.coarse_heads()))
            .flatten();
        let ack_bounds = (constraints >= Constraints::Strict)
            .then(|| AckBounds::new(&codec.symbols, decoder.detail_heads(), codec.config.ack));
        Self {
            codec,
            contexts: Contexts::default(),
            open_flows,
            ack_bounds,
            tick,
            acknowledgments: Acknowledgments::default(),
        }
    }

    /// The most likely packet of each of the next latents; `z` holds rows of `d_latent` numbers,
    /// and an incomplete last row is ignored. Total: any numbers decode to some action.
    pub fn decode(&mut self, z: &[f32]) -> Vec<Action> {
        let codable = self.codable(z);
        self.actions(codable)
    }

    /// Counts of the packets so far that were corrected.
    pub fn corrected(&self) -> Corrected {
        Corrected {
            flows: self.open_flows.as_ref().map_or(0, OpenFlows::corrected),
            acknowledgments: self.ack_bounds.as_ref().map_or(0, AckBounds::corrected),
        }
    }

    /// The packets of the next latents, in the terms of [`Past::codable`].
    fn codable(&mut self, z: &[f32]) -> Vec<Action> {
        let mut stages = self.codec.first_stages(z);
        self.follow(&mut stages);
        let bounds = self.ack_bounds.as_mut();
        let columns = bounds.as_ref().map_or(&[][..], |bounds| bounds.columns());
        let (rows, logits) = self.codec.details(z, &stages.rows, columns);
        let mut actions: Vec<Action> = self.codec.symbols.actions(&rows).collect();
        if let Some(bounds) = bounds {
            bounds.correct(&mut actions, &logits);
        }
        actions
    }

    /// As [`TraceDecoder::codable`], given what the latents decode to in their true context: only
    /// the rows in `stale`, whose latents have changed since, are computed again. Not for
    /// [`Constraints::Strict`].
    pub(super) fn codable_again(
        &mut self,
        z: &[f32],
        mut stages: FirstStages,
        mut stale: Vec<usize>,
    ) -> Vec<Action> {
        let codec = self.codec;
        let (d_latent, width) = (codec.config.d_latent, codec.symbols.len());
        let again = codec.first_stages(&gather_rows(z, d_latent, &stale));
        scatter(&again.rows, width, &stale, &mut stages.rows);
        scatter(&again.logits, codec.logits(), &stale, &mut stages.logits);
        stale.extend(self.follow(&mut stages));
        stale.sort_unstable();
        stale.dedup();
        let known = gather_rows(&stages.rows, width, &stale);
        let (details, _) = codec.details(&gather_rows(z, d_latent, &stale), &known, &[]);
        scatter(&details, width, &stale, &mut stages.rows);
        codec.symbols.actions(&stages.rows).collect()
    }

    /// Corrects rows of the first stages that contradict the open flows, writes the derived context
    /// into all rows, and returns the indices of the rows that changed.
    fn follow(&mut self, stages: &mut FirstStages) -> Vec<usize> {
        let mut changed = Vec::new();
        if self.codec.config.context == ContextSource::Latent {
            return changed;
        }
        let symbols = &self.codec.symbols;
        let heads = self.codec.network().decoder.coarse_heads();
        let rows = stages.rows.chunks_exact_mut(symbols.len());
        let logits = stages.logits.chunks_exact(heads.width());
        for (i, (row, logits)) in rows.zip(logits).enumerate() {
            let mut action = symbols.action(row);
            let corrected = self
                .open_flows
                .as_mut()
                .is_some_and(|flows| flows.next(row, action.delta_t, logits, heads));
            if corrected {
                symbols.clear_inactive(row);
                action = symbols.action(row);
            }
            let context = self.contexts.next(&action);
            if corrected || context != action.context {
                action.context = context;
                symbols.give(&action, row);
                changed.push(i);
            }
        }
        changed
    }

    /// Converts actions from the terms of [`Past::codable`] to those of the schema.
    pub(super) fn actions(&mut self, mut codable: Vec<Action>) -> Vec<Action> {
        for action in &mut codable {
            action.delta_t = self.tick.ceil(action.delta_t);
        }
        if self.codec.config.ack == AckBase::LastAck {
            for action in &mut codable {
                *action = self.acknowledgments.before_peer_next(action);
            }
        }
        codable
    }
}

/// Writes rows to their places in a matrix of this width.
fn scatter<T: Copy>(from: &[T], width: usize, rows: &[usize], matrix: &mut [T]) {
    for (from, row) in from.chunks_exact(width).zip(rows) {
        matrix[row * width..(row + 1) * width].copy_from_slice(from);
    }
}
