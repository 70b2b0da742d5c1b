//! Flow matching on the latents of a codec, as a generator of packet actions.

use tracecodec::action::Action;
use tracecodec::action::float::Tick;

use super::drawing::Drawing;
use super::flow_matching::{FlowMatching, Request, Solver};
use super::representation::{Representation, latents_and_steps, rows_of_packets};
use crate::codec::{Codec, Constraints, TraceDecoder, TraceEncoder};
use crate::device::Device;
use crate::error::Error;

/// Packets of a followed trace that are encoded at once.
const FOLLOWED: usize = 8_192;

/// Longest time step that a sampled channel may hold, a day, in nanoseconds.
const LONGEST_STEP: i64 = 24 * 3_600 * 1_000_000_000;

/// A flow-matching generator, and the codec whose latents it samples.
#[derive(Debug)]
pub struct LatentGenerator {
    matching: FlowMatching,
    codec: Codec,
    solver: Solver,
}

impl LatentGenerator {
    /// Joins a generator and a codec.
    ///
    /// # Errors
    /// If the generator's rows are not latents of this codec.
    pub fn new(matching: FlowMatching, codec: Codec, solver: Solver) -> Result<Self, Error> {
        let digest = codec.digest();
        match matching.representation() {
            Representation::Codec { blake3, .. } if *blake3 == digest => Ok(Self {
                matching,
                codec,
                solver,
            }),
            Representation::Baseline { model, .. } => Err(Error::BaselineLatents(model.clone())),
            other => Err(Error::OtherRepresentation {
                expected: other.digest().to_string(),
                found: digest,
            }),
        }
    }

    /// Moves the sampling of latents to another device.
    ///
    /// # Errors
    /// If this build lacks the device's feature, or the machine has no such device.
    pub fn with_device(mut self, device: Device) -> Result<Self, Error> {
        self.matching = self.matching.with_device(device)?;
        Ok(self)
    }

    /// BLAKE3 digest of the weights of flow matching; the codec has its own.
    pub fn digest(&self) -> String {
        self.matching.digest()
    }

    /// The codec.
    pub fn codec(&self) -> &Codec {
        &self.codec
    }

    /// A new trace, or, after [`follow`](LatentTrace::follow), the continuation of the followed
    /// trace.
    ///
    /// # Errors
    /// If the label is not one of the generator's.
    pub fn generate(&self, drawing: &Drawing) -> Result<LatentTrace<'_>, Error> {
        drawing.known_label(self.matching.labels())?;
        Ok(LatentTrace {
            generator: self,
            drawing: drawing.clone(),
            coders: None,
            followed: Vec::new(),
            rows: Vec::new(),
            place: 0,
            corrected_before: 0,
        })
    }
}

/// Generates a trace window by window. Memory is that of a window and of the flows that are open.
#[derive(Debug)]
pub struct LatentTrace<'a> {
    generator: &'a LatentGenerator,
    drawing: Drawing,
    /// Encoder and decoder; None before the first packets, which decide the tick.
    coders: Option<Coders<'a>>,
    /// Followed packets that are not yet encoded.
    followed: Vec<Action>,
    /// Rows of the prefix of the next window.
    rows: Vec<f32>,
    /// Number of windows so far.
    place: u64,
    /// Packets of the followed trace that were made to agree with their flow's state.
    corrected_before: u64,
}

/// Encoder and decoder of the trace.
#[derive(Debug)]
struct Coders<'a> {
    encoder: TraceEncoder<'a>,
    decoder: TraceDecoder<'a>,
}

impl<'a> Coders<'a> {
    fn new(codec: &'a Codec, tick: Tick, constrained: bool) -> Self {
        let constraints = if constrained {
            Constraints::Strict
        } else {
            Constraints::None
        };
        Self {
            encoder: codec.encoder(tick),
            decoder: codec.decoder_with(tick, constraints),
        }
    }
}

impl<'a> LatentTrace<'a> {
    /// Follows the next packet of the trace that is to be continued.
    pub fn follow(&mut self, action: &Action) {
        self.followed.push(*action);
        if self.followed.len() == FOLLOWED {
            self.encode_followed();
        }
    }

    /// The packets of the next window, in order.
    pub fn batch(&mut self) -> Vec<Action> {
        self.encode_followed();
        let matching = &self.generator.matching;
        let request = Request {
            prefix: &self.rows,
            label: self.drawing.label.as_deref(),
            place: self.place,
        };
        let is_first = self.rows.is_empty();
        let solver = &self.generator.solver;
        let sampled = matching.sample_all(&[request], solver, self.drawing.seed);
        self.place += 1;
        let rows = sampled.concat();
        let channels = matching.channels();
        let (latents, steps) = latents_and_steps(&rows, channels);
        let mut actions = self.coders(&[]).decoder.decode(&latents);
        for (action, step) in actions.iter_mut().zip(steps) {
            // The time channel has no jumps between digits, as the times of latents do.
            action.delta_t = step.clamp(0, LONGEST_STEP);
        }
        if let (true, Some(first)) = (is_first, actions.first_mut()) {
            first.delta_t = 0;
        }
        // The prefix of the next window are the encoder's latents of the packets that were emitted,
        // not the sampled ones.
        self.encode(&actions);
        actions
    }

    /// The label that was asked for.
    pub fn label(&self) -> Option<&str> {
        self.drawing.label.as_deref()
    }

    /// Packets so far that contradicted their flow's state, and were made to agree.
    pub fn corrected(&self) -> u64 {
        self.count() - self.corrected_before
    }

    fn count(&self) -> u64 {
        let corrected = self
            .coders
            .as_ref()
            .map(|coders| coders.decoder.corrected());
        corrected.map_or(0, |corrected| corrected.flows + corrected.acknowledgments)
    }

    /// Encoder and decoder. If they have not started, the trace's first packets decide the tick;
    /// for a new trace there are none.
    fn coders(&mut self, first: &[Action]) -> &mut Coders<'a> {
        let codec = &self.generator.codec;
        let constrained = self.drawing.constrained;
        self.coders.get_or_insert_with(|| {
            let tick = Tick::of(first.iter().map(|action| action.delta_t));
            Coders::new(codec, tick, constrained)
        })
    }

    fn encode_followed(&mut self) {
        let followed = std::mem::take(&mut self.followed);
        if followed.is_empty() {
            return;
        }
        let latents = self.encode(&followed);
        // The decoder learns which flows are open.
        self.coders(&followed).decoder.decode(&latents);
        self.corrected_before = self.count();
    }

    /// Encodes packets as rows of the next prefix, and returns their latents.
    fn encode(&mut self, actions: &[Action]) -> Vec<f32> {
        let latents = self.coders(actions).encoder.encode(actions);
        self.rows.extend(rows_of_packets(&latents, actions));
        let matching = &self.generator.matching;
        let kept = matching.prefix() * matching.channels();
        let surplus = self.rows.len().saturating_sub(kept);
        self.rows.drain(..surplus);
        latents.mu
    }
}
