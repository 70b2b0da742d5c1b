//! Sampler of a process: it draws one event of a sequence at a time.
//!
//! It computes the same as [`network`](super::network) without tensors: an event needs a
//! few thousand short loops, and a library call for each would cost more than its arithmetic. A
//! test compares the two.
//!
//! Every weight of a layer is read for every event, which takes longer than the arithmetic. So
//! events of several sequences are taken side by side where there are several: weights that were
//! read serve all of them. The sums of a sequence are the same in any company.

use std::array::from_fn;
use std::mem::take;
use std::ops::Range;

use rand::{Rng, RngExt};
use tracecodec_tensor::{exp, vectorised};

use super::config::Shape;
use super::events::CLASSES;
use crate::codec::encoder::offsets;
use crate::weights::Weights;

/// Term that the RMS norm adds to the mean square.
const EPSILON: f32 = 1e-5;

/// Outputs that a loop sums side by side, for each of up to [`SIDE`] sequences: few enough for the
/// registers of most processors, and so many that their adders are always busy.
const LANES: usize = 16;

/// Sequences whose events are taken side by side.
const SIDE: usize = 4;

/// A linear layer. Its outputs are taken in blocks of [`LANES`], the last of which may be padded
/// with zeros.
#[derive(Debug)]
struct Linear {
    inputs: usize,
    /// For each block its weights of each input.
    weights: Vec<[f32; LANES]>,
    /// For each block its biases.
    bias: Vec<[f32; LANES]>,
}

impl Linear {
    /// A layer of these weights, `[inputs, outputs]`, and biases.
    fn new(weights: &[f32], bias: &[f32]) -> Self {
        let block = |values: &[f32], number: usize| {
            let mut block = [0.0; LANES];
            let values = &values[number * LANES..];
            let length = values.len().min(LANES);
            block[..length].copy_from_slice(&values[..length]);
            block
        };
        let rows = || weights.chunks_exact(bias.len());
        let blocks = 0..bias.len().div_ceil(LANES);
        let of_rows = |number: usize| rows().map(move |row| block(row, number));
        Self {
            inputs: rows().len(),
            weights: blocks.clone().flat_map(of_rows).collect(),
            bias: blocks.map(|number| block(bias, number)).collect(),
        }
    }

    /// Passes each place of the outputs and the layer's output there to `write`, for each of some
    /// inputs.
    #[inline(always)]
    fn apply<const N: usize>(
        &self,
        x: &[Vec<f32>; N],
        out: &mut [Vec<f32>; N],
        write: impl Fn(&mut f32, f32),
    ) {
        let x = x.each_ref().map(Vec::as_slice);
        let blocks = self.weights.chunks_exact(self.inputs).zip(&self.bias);
        for (block, (weights, bias)) in blocks.enumerate() {
            let sums = weighted_sums(bias, x, weights);
            for (out, sums) in out.iter_mut().zip(sums) {
                for (out, sum) in out[block * LANES..].iter_mut().zip(sums) {
                    write(out, sum);
                }
            }
        }
    }
}

/// The biases plus each input times its weights, for each of some inputs. Not inlined, because the
/// compiler then keeps the sums in vector registers, whatever becomes of them.
#[inline(never)]
fn weighted_sums<const N: usize>(
    bias: &[f32; LANES],
    inputs: [&[f32]; N],
    weights: &[[f32; LANES]],
) -> [[f32; LANES]; N] {
    vectorised(
        #[inline(always)]
        || {
            let inputs = inputs.map(|x| &x[..weights.len()]);
            let mut sums = [*bias; N];
            for (place, weights) in weights.iter().enumerate() {
                for (sums, x) in sums.iter_mut().zip(inputs) {
                    let x = x[place];
                    for (sum, weight) in sums.iter_mut().zip(weights) {
                        *sum += x * weight;
                    }
                }
            }
            sums
        },
    )
}

#[derive(Debug)]
struct Layer {
    norm: Range<usize>,
    gates: Linear,
    output: Linear,
    inner_norm: Range<usize>,
    up: Linear,
    down: Linear,
}

/// A process's weights, and the methods that draw with them.
#[derive(Debug)]
pub(super) struct Sampler<'a> {
    weights: &'a [f32],
    shape: &'a Shape,
    input_offsets: Vec<usize>,
    earlier_offsets: Vec<usize>,
    sizes: Vec<usize>,
    embedding: Range<usize>,
    layers: Vec<Layer>,
    norm: Range<usize>,
    known: Linear,
    earlier: Range<usize>,
    heads: Range<usize>,
    bias: Range<usize>,
    copying: Range<usize>,
}

/// Memory of a process: its state after the events of a sequence so far.
#[derive(Debug, Clone, Default)]
pub(super) struct Memory {
    /// One number for each layer and channel; empty before the first event.
    layers: Vec<f32>,
    /// Hidden layer from which the next event's symbols are predicted.
    known: Vec<f32>,
}

/// The values that a symbol may be drawn from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Choice {
    /// The value that the symbol may repeat; [`CLASSES`] is no value.
    pub(super) repeated: u8,
    /// Mask of the values that the symbol can have in any state of the flow.
    pub(super) possible: u16,
    /// Mask of the values that agree with the state of the flow; at least one of them is possible.
    pub(super) allowed: u16,
}

impl Choice {
    /// Mask of the values that are possible and allowed.
    fn can_be(self) -> u16 {
        self.possible & self.allowed
    }
}

/// A drawn event.
pub(super) struct Drawn {
    /// Row of the event.
    pub(super) row: Vec<u8>,
    /// Whether a symbol was drawn again because it contradicted the state of the flow.
    pub(super) corrected: bool,
}

impl<'a> Sampler<'a> {
    /// The process of this name among the weights. It reads symbols of `inputs` values and predicts
    /// symbols of `sizes` values.
    pub(super) fn new(
        name: &str,
        weights: &'a Weights,
        shape: &'a Shape,
        inputs: &[usize],
        sizes: Vec<usize>,
    ) -> Self {
        let range = |part: &str| {
            let range = weights.range(&format!("{name}.{part}"));
            range.unwrap_or_else(|| panic!("the network has `{part}`"))
        };
        let values = |part: &str| &weights.values[range(part)];
        let linear = |part: &str| {
            Linear::new(
                values(&format!("{part}.weight")),
                values(&format!("{part}.bias")),
            )
        };
        let layer = |number: usize| {
            let at = |part: &str| format!("blocks.{number}.{part}");
            Layer {
                norm: range(&at("norm")),
                gates: linear(&at("gates")),
                output: linear(&at("output")),
                inner_norm: range(&at("feed_forward.norm")),
                up: linear(&at("feed_forward.up")),
                down: linear(&at("feed_forward.down")),
            }
        };
        Self {
            input_offsets: offsets(inputs.iter().copied()).0,
            earlier_offsets: offsets(sizes.iter().copied()).0,
            sizes,
            embedding: range("embedding"),
            layers: (0..shape.layers).map(layer).collect(),
            norm: range("norm"),
            known: linear("known"),
            earlier: range("told"),
            heads: range("heads"),
            bias: range("bias"),
            copying: range("copying"),
            weights: &weights.values,
            shape,
        }
    }

    /// Updates the memory by the row of the next event.
    pub(super) fn take(&self, memory: &mut Memory, row: &[u8]) {
        self.take_some([memory], [row]);
    }

    /// Updates the memories of some sequences, each by the row of its next event.
    pub(super) fn take_all<'m>(
        &self,
        memories: impl IntoIterator<Item = &'m mut Memory>,
        rows: &[Vec<u8>],
    ) {
        let mut memories = memories.into_iter();
        let mut next = || memories.next().expect("a memory for each row");
        let (fours, rest) = rows.as_chunks::<SIDE>();
        for rows in fours {
            self.take_some::<SIDE>(from_fn(|_| next()), rows.each_ref().map(Vec::as_slice));
        }
        let (twos, rest) = rest.as_chunks::<2>();
        for rows in twos {
            self.take_some::<2>(from_fn(|_| next()), rows.each_ref().map(Vec::as_slice));
        }
        for row in rest {
            self.take(next(), row);
        }
    }

    fn take_some<const N: usize>(&self, memories: [&mut Memory; N], rows: [&[u8]; N]) {
        vectorised(
            #[inline(always)]
            || self.take_vectorised(memories, rows),
        );
    }

    #[inline(always)]
    fn take_vectorised<const N: usize>(&self, mut memories: [&mut Memory; N], rows: [&[u8]; N]) {
        let width = self.shape.width;
        let of_width = |times: usize| from_fn::<_, N, _>(|_| vec![0.0; times * width]);
        let [mut x, mut normed, mut inner, mut gates] = [1, 1, 2, 3].map(of_width);
        for (x, row) in x.iter_mut().zip(rows) {
            for (&value, offset) in row.iter().zip(&self.input_offsets) {
                let at = self.embedding.start + (offset + usize::from(value)) * width;
                add(x, &self.weights[at..at + width]);
            }
        }
        for memory in &mut memories {
            memory.layers.resize(self.layers.len() * width, 0.0);
        }
        for (number, layer) in self.layers.iter().enumerate() {
            self.norm(&layer.norm, &x, &mut normed);
            layer
                .gates
                .apply(&normed, &mut gates, |out, sum| *out = sum);
            for ((memory, gates), out) in memories.iter_mut().zip(&gates).zip(&mut normed) {
                recur(gates, &mut memory.layers[number * width..][..width], out);
            }
            layer.output.apply(&normed, &mut x, |out, sum| *out += sum);
            self.norm(&layer.inner_norm, &x, &mut normed);
            layer
                .up
                .apply(&normed, &mut inner, |out, sum| *out = sum.max(0.0));
            layer.down.apply(&inner, &mut x, |out, sum| *out += sum);
        }
        self.norm(&self.norm, &x, &mut normed);
        let mut known = memories.each_mut().map(|memory| take(&mut memory.known));
        known
            .iter_mut()
            .for_each(|known| known.resize(self.shape.hidden, 0.0));
        self.known.apply(&normed, &mut known, |out, sum| *out = sum);
        for (memory, known) in memories.into_iter().zip(known) {
            memory.known = known;
        }
    }

    /// Draws the next event. `choice` returns the values that a symbol can have, given the row so
    /// far; None if the symbol is inactive and stays 0.
    pub(super) fn draw(
        &self,
        memory: &Memory,
        rng: &mut impl Rng,
        mut choice: impl FnMut(usize, &[u8]) -> Option<Choice>,
    ) -> Drawn {
        let mut corrected = false;
        let row = self.spell(memory, |symbol, row, logits| {
            let choice = choice(symbol, row)?;
            let logits = logits(choice.repeated);
            let any = any_of(self.sizes[symbol]);
            let mut value = choose(&logits, any, rng);
            if choice.can_be() >> value & 1 == 0 {
                corrected |= choice.allowed >> value & 1 == 0;
                value = choose(&logits, choice.can_be() & any, rng);
            }
            Some(value)
        });
        Drawn { row, corrected }
    }

    /// Negative log-likelihood in nats that the next event has the symbols with which `row` begins.
    /// `choice` returns the values that a symbol can have, given the row so far; None if the symbol
    /// is inactive. A value that it excludes costs infinitely many nats.
    pub(super) fn cost(
        &self,
        memory: &Memory,
        row: &[u8],
        mut choice: impl FnMut(usize, &[u8]) -> Option<Choice>,
    ) -> f64 {
        let mut nats = 0.0;
        self.spell(memory, |symbol, before, logits| {
            let choice = choice(symbol, before)?;
            let (value, size) = (row[symbol], self.sizes[symbol]);
            nats += nats_of(&logits(choice.repeated)[..size], value, choice.can_be());
            Some(value)
        });
        nats
    }

    /// Fills the row of the next event symbol by symbol. `value` returns the value of a symbol,
    /// given the row so far and a function from the value that may be repeated to logits; None if
    /// the symbol is inactive and stays 0.
    fn spell(
        &self,
        memory: &Memory,
        mut value: impl FnMut(usize, &[u8], &dyn Fn(u8) -> [f32; CLASSES]) -> Option<u8>,
    ) -> Vec<u8> {
        let mut row = vec![0; self.sizes.len()];
        let (mut hidden, mut rectified) = (memory.known.clone(), memory.known.clone());
        for symbol in 0..self.sizes.len() {
            for (rectified, &x) in rectified.iter_mut().zip(&hidden) {
                *rectified = if x > 0.0 { x } else { 0.0 };
            }
            let logits = |repeated| self.logits(symbol, &rectified, repeated);
            if let Some(value) = value(symbol, &row, &logits) {
                row[symbol] = value;
            }
            self.emit(symbol, row[symbol], &mut hidden);
        }
        row
    }

    /// Adds a symbol's value to the hidden layer of the symbols after it.
    fn emit(&self, symbol: usize, value: u8, hidden: &mut [f32]) {
        let at =
            self.earlier.start + (self.earlier_offsets[symbol] + usize::from(value)) * hidden.len();
        add(hidden, &self.weights[at..at + hidden.len()]);
    }

    /// Logits of a symbol, given the rectified hidden layer.
    fn logits(&self, symbol: usize, rectified: &[f32], repeated: u8) -> [f32; CLASSES] {
        const { assert!(CLASSES == LANES) };
        let of = |range: &Range<usize>| self.weights[range.clone()].as_chunks().0;
        let heads = &of(&self.heads)[symbol * rectified.len()..][..rectified.len()];
        let [mut logits] = weighted_sums(&of(&self.bias)[symbol], [rectified], heads);
        if usize::from(repeated) < CLASSES {
            let at = self.copying.start + (symbol * CLASSES + usize::from(repeated)) * CLASSES;
            add(&mut logits, &self.weights[at..at + CLASSES]);
        }
        logits
    }

    /// Normalises each by its root mean square.
    #[inline(always)]
    fn norm<const N: usize>(
        &self,
        gamma: &Range<usize>,
        x: &[Vec<f32>; N],
        out: &mut [Vec<f32>; N],
    ) {
        let gamma = &self.weights[gamma.clone()];
        for (out, x) in out.iter_mut().zip(x) {
            let square = square(x) / x.len() as f32;
            let scale = 1.0 / (square + EPSILON).sqrt();
            for ((out, x), gamma) in out.iter_mut().zip(x).zip(gamma) {
                *out = x * scale * gamma;
            }
        }
    }
}

/// Updates the memory of a layer by its gates, `[input gate, candidate, output gate]`, and writes
/// what the output gate lets through.
#[inline(always)]
fn recur(gates: &[f32], memory: &mut [f32], out: &mut [f32]) {
    let (gate, rest) = gates.split_at(memory.len());
    let (candidate, output_gate) = rest.split_at(memory.len());
    let inputs = gate.iter().zip(candidate).zip(output_gate);
    for ((h, out), ((gate, candidate), output_gate)) in memory.iter_mut().zip(out).zip(inputs) {
        let gate = sigmoid(*gate);
        *h = (1.0 - gate) * *h + gate * candidate;
        *out = *h * output_gate * sigmoid(*output_gate);
    }
}

/// The sum of squares, in lanes.
#[inline(always)]
fn square(x: &[f32]) -> f32 {
    let (eights, rest) = x.as_chunks::<8>();
    let mut sums = [0.0; 8];
    for eight in eights {
        sums.iter_mut()
            .zip(eight)
            .for_each(|(sum, x)| *sum += x * x);
    }
    sums.iter().sum::<f32>() + rest.iter().map(|x| x * x).sum::<f32>()
}

#[inline(always)]
fn add(x: &mut [f32], y: &[f32]) {
    x.iter_mut().zip(y).for_each(|(x, y)| *x += y);
}

#[inline(always)]
fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// Mask of the values of a symbol with so many.
fn any_of(size: usize) -> u16 {
    u16::MAX >> (CLASSES - size)
}

/// Draws a value in proportion to the exponential of its logit, among the values of a mask.
fn choose(logits: &[f32; CLASSES], can_be: u16, rng: &mut impl Rng) -> u8 {
    let among: [bool; CLASSES] = from_fn(|value| can_be >> value & 1 == 1);
    let mut most = f32::NEG_INFINITY;
    for (&logit, among) in logits.iter().zip(among) {
        most = if among && logit > most { logit } else { most };
    }
    let mut weights = logits.map(|logit| exp(logit - most));
    for (weight, among) in weights.iter_mut().zip(among) {
        *weight = if among { *weight } else { 0.0 };
    }
    let mut left = rng.random::<f32>() * weights.iter().sum::<f32>();
    let drawn = weights.iter().position(|weight| {
        left -= weight;
        left < 0.0
    });
    // If rounding leaves a rest, the likeliest value is taken.
    let likeliest = || (0..CLASSES).find(|&value| among[value] && logits[value] == most);
    // Weights of a damaged model may give logits that are no numbers.
    let first = || (0..CLASSES).find(|&value| among[value]);
    drawn.or_else(likeliest).or_else(first).unwrap_or(0) as u8
}

/// Negative log-likelihood of a value in nats, among the values of a mask.
fn nats_of(logits: &[f32], value: u8, can_be: u16) -> f64 {
    let can_be = |value: usize| can_be >> value & 1 == 1;
    if !can_be(value.into()) {
        return f64::INFINITY;
    }
    let among = (0..logits.len()).filter(|&value| can_be(value));
    let logits_of = among.map(|value| f64::from(logits[value]));
    let most = logits_of.clone().fold(f64::NEG_INFINITY, f64::max);
    let total: f64 = logits_of.map(|logit| (logit - most).exp()).sum();
    let nats = most + total.ln() - f64::from(logits[usize::from(value)]);
    // If logits are not finite, no value is likely.
    if nats.is_finite() {
        nats
    } else {
        f64::INFINITY
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tracecodec::action::SCHEMA_VERSION;
    use tracecodec_tensor::{Device, Module, Visitor};

    use super::*;
    use crate::codec::batch::tests::action;
    use crate::generator::autoregressive::event_sequences::{row_sizes, row_width};
    use crate::generator::autoregressive::events::Events;
    use crate::generator::autoregressive::network::{Process, SpanBatch};
    use crate::generator::autoregressive::past::Past;
    use crate::random::{Purpose, normals, stream};

    /// A row that a process reads, of arbitrary values.
    fn row(events: &Events, seed: u64) -> Vec<u8> {
        let mut row = Vec::new();
        events.encode_into(&action(seed), &mut row);
        row.resize(row_width(events), (seed % 2) as u8);
        row
    }

    #[test]
    fn test_what_is_drawn_is_allowed_whatever_the_logits() {
        let mut rng = stream(0, Purpose::Weights, 0);
        for logit in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, 0.0] {
            assert_eq!(choose(&[logit; CLASSES], 0b100, &mut rng), 2, "{logit}");
        }
    }

    #[derive(Clone, Debug)]
    struct One {
        packets: Process,
    }

    impl Module for One {
        fn visit(&mut self, visitor: &mut impl Visitor) {
            visitor.part("packets", &mut self.packets);
        }
    }

    #[test]
    fn test_the_sampler_computes_what_the_network_does() {
        let (events, shape) = (
            Events::new(SCHEMA_VERSION),
            Shape {
                width: 12,
                layers: 2,
                hidden: 8,
            },
        );
        let (inputs, sizes) = (row_sizes(events.sizes(), 1), events.sizes());
        let device = Device::cpu();
        let mut rng = stream(0, Purpose::Weights, 0);
        let network = Process::new(&shape, &inputs, &sizes, &mut rng, &device);
        let mut weights = Weights::of(&One { packets: network });
        let values = normals(&mut rng, weights.values.len());
        weights.values = Arc::new(values.iter().map(|weight| 0.3 * weight).collect());
        let network = Process::new(&shape, &inputs, &sizes, &mut rng, &device);
        let network = weights.load(One { packets: network }, &device).packets;

        let rows: Vec<Vec<u8>> = (0..7).map(|seed| row(&events, seed)).collect();
        let symbols = events.len();
        let direction = events.position("dir");
        let sampler = Sampler::new("packets", &weights, &shape, &inputs, sizes.clone());
        let mut past = Past::default();
        let (mut memory, mut batch) = (
            Memory::default(),
            SpanBatch {
                spans: 1,
                ..SpanBatch::default()
            },
        );
        let (mut sampled, mut cost) = (Vec::new(), 0.0);
        for (row, next) in rows.iter().zip(&rows[1..]) {
            sampler.take(&mut memory, row);
            past.take(&row[..symbols], &events);
            let role = events.action(next).role() as usize;
            let copied = |symbol: usize| past.value(symbol, (symbol > direction).then_some(role));
            cost += sampler.cost(&memory, next, |symbol, before| {
                assert_eq!(before[..symbol], next[..symbol]);
                Some(Choice {
                    repeated: copied(symbol),
                    possible: u16::MAX,
                    allowed: u16::MAX,
                })
            });
            let mut hidden = memory.known.clone();
            for (symbol, &value) in next[..symbols].iter().enumerate() {
                let copied = copied(symbol);
                batch.copies.push(copied);
                let rectified: Vec<_> = hidden.iter().map(|x| x.max(0.0)).collect();
                sampled.push(sampler.logits(symbol, &rectified, copied));
                sampler.emit(symbol, value, &mut hidden);
            }
            batch.inputs.extend(row);
            batch.keep.push(f32::from(u8::from(!batch.keep.is_empty())));
            batch.targets.extend(&next[..symbols]);
        }
        let logits: Vec<f32> = network.logits(&batch).into_values();
        let predicted = rows.len() - 1;
        let mut nats = 0.0;
        for (at, sampled) in sampled.iter().enumerate() {
            let (event, symbol) = (at / symbols, at % symbols);
            let at = (symbol * predicted + event) * CLASSES;
            let logits = &logits[at..at + sizes[symbol]];
            nats += nats_of(logits, rows[event + 1][symbol], u16::MAX);
            for (class, logit) in logits.iter().enumerate() {
                assert!(
                    (logit - sampled[class]).abs() < 1e-4 * (1.0 + logit.abs()),
                    "{symbol} {logit} {}",
                    sampled[class]
                );
            }
        }
        assert!((cost - nats).abs() < 1e-3 * nats, "{cost} {nats}");
    }

    #[test]
    fn test_a_value_costs_its_share_of_those_that_can_be() {
        let logits = [0.0, 3.0_f32.ln(), 90.0];
        let near = |nats: f64, share: f64| assert!((nats + share.ln()).abs() < 1e-6, "{nats}");
        near(nats_of(&logits, 0, 0b011), 0.25);
        near(nats_of(&logits, 1, 0b011), 0.75);
        near(nats_of(&logits, 1, 0b010), 1.0);
        assert_eq!(nats_of(&logits, 2, 0b011), f64::INFINITY);
        assert_eq!(nats_of(&[f32::NAN, 1.0], 1, 0b11), f64::INFINITY);
    }

    #[test]
    fn test_values_are_drawn_by_their_likelihood_among_those_that_can_be() {
        let mut rng = stream(0, Purpose::Trace, 0);
        let mut logits = [0.0; CLASSES];
        logits[1..3].copy_from_slice(&[3.0_f32.ln(), 100.0]);
        let mut drawn = [0; 3];
        for _ in 0..8_000 {
            drawn[usize::from(choose(&logits, 0b011, &mut rng))] += 1;
        }
        assert!(
            (f64::from(drawn[1]) / 8_000.0 - 0.75).abs() < 0.02,
            "{drawn:?}"
        );
        assert_eq!(drawn[2], 0);
    }
}
