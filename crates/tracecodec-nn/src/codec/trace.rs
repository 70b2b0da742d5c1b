//! A trace on its way through the codec: what encoder and decoder keep in mind from one packet to the next.

use tracecodec::action::Action;
use tracecodec::action::context::Contexts;
use tracecodec::action::float::StepCoder;

use super::{Codec, ContextSource};
use crate::latents::Latents;

/// Encodes a trace in order. How it is cut into pieces makes no difference.
#[derive(Debug, Clone)]
pub struct TraceEncoder<'a> {
    pub(super) codec: &'a Codec,
    steps: StepCoder,
    contexts: Contexts,
    /// What the encoder's means decode to, and what the refined latents do.
    pub(super) decoders: [TraceDecoder<'a>; 2],
}

/// Decodes a trace in order. How it is cut into pieces makes no difference.
#[derive(Debug, Clone)]
pub struct TraceDecoder<'a> {
    codec: &'a Codec,
    contexts: Contexts,
}

impl<'a> TraceEncoder<'a> {
    /// An encoder at the start of a trace.
    pub(super) fn new(codec: &'a Codec) -> Self {
        Self {
            codec,
            steps: StepCoder::new(codec.config.time_digits),
            contexts: Contexts::default(),
            decoders: [codec.decoder(), codec.decoder()],
        }
    }

    /// The posterior of each of the next packets.
    pub fn encode(&mut self, actions: &[Action]) -> Latents {
        let codable = self.codable(actions);
        self.codec.posterior(&codable)
    }

    /// The next packets as a perfect decoder would give them back: time steps to the codec's resolution, without errors that add up,
    /// and the context that follows from them.
    pub(super) fn codable(&mut self, actions: &[Action]) -> Vec<Action> {
        let codable = actions.iter().map(|action| {
            let delta_t = self.steps.next(action.delta_t);
            let mut action = Action { delta_t, ..*action };
            if self.codec.config.context == ContextSource::Flow {
                action.context = self.contexts.next(&action);
            }
            action
        });
        codable.collect()
    }
}

impl<'a> TraceDecoder<'a> {
    /// A decoder at the start of a trace.
    pub(super) fn new(codec: &'a Codec) -> Self {
        Self {
            codec,
            contexts: Contexts::default(),
        }
    }

    /// The most likely packet of each of the next latents; `z` holds rows of `d_latent` numbers, and a last row that is cut short is
    /// ignored. Total: any numbers decode to some action.
    pub fn decode(&mut self, z: &[f32]) -> Vec<Action> {
        let contexts = &mut self.contexts;
        self.codec.decode_with(z, |_, action| contexts.next(action))
    }
}
