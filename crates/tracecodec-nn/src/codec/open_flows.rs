//! State-aware decoding of the flow: a packet that contradicts the open flows is corrected to the
//! likeliest packet that agrees with them.
//!
//! One wrong digit of a slot's number sends a packet to a slot where no flow is open, or a flow of
//! another protocol, and the compiler would have to open a flow there that the trace never had. The
//! decoder knows which flows are open, as a grammar knows which words may follow: among the choices
//! of slot, event, protocol and family that agree with the open flows it takes the one of the
//! largest joint likelihood.
//!
//! A packet that continues or reopens a flow agrees if its slot holds a flow of its protocol and
//! family. A packet that opens a flow agrees if it comes from the opener and takes a slot that the
//! [flow table](tracecodec::flow::FlowTable) may assign: the next unused one, one that has long
//! been silent, or the one that has been silent longest. Every trace that was lifted from its start
//! agrees throughout.
//!
//! One wrong latent must not spoil all packets after it: an opening may leave out a few slots,
//! whose own openings were missed, and the first packet of such a slot opens it.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::Range;

use tracecodec::action::{Direction, FlowEvent, Proto};
use tracecodec::flow::{self, Lifetime, MAX_SLOTS};

use super::heads::Heads;
use super::symbols::Symbols;

/// A protocol and an address family, as their symbols.
type Kind = [u8; 2];

/// Silence after which a slot may be assigned again: the flow table's shortest, minus a minute
/// because decoded time steps are rounded.
const IDLE: i64 = Lifetime::Passing.idle() - flow::IDLE;

/// Slots that an opening may leave out, as if their own openings had been missed.
const MISSED: usize = 4;

/// The open flows of a trace so far.
#[derive(Debug, Clone)]
pub(super) struct OpenFlows {
    fields: Fields,
    clock: i64,
    packets: u64,
    /// The flow in each slot; `None` if its opening was missed.
    slots: Vec<Option<OpenFlow>>,
    /// Each slot once, keyed by the number of one of its packets. If that packet is not the slot's
    /// latest, the slot is still to be moved back.
    longest_silent: BinaryHeap<Reverse<(u64, usize)>>,
    corrected: u64,
}

#[derive(Debug, Clone)]
struct OpenFlow {
    kind: Kind,
    /// Clock at the latest packet.
    last_seen: i64,
    last_packet: u64,
}

/// The symbols that determine a packet's flow.
#[derive(Debug, Clone)]
struct Fields {
    digits: Vec<Field>,
    event: Field,
    kind: [Field; 2],
    direction: Field,
}

/// A symbol, and the columns of its logits.
#[derive(Debug, Clone)]
struct Field {
    symbol: usize,
    columns: Range<usize>,
}

impl Field {
    fn value(&self, row: &[u8]) -> u8 {
        row[self.symbol]
    }

    fn set(&self, row: &mut [u8], value: u8) {
        row[self.symbol] = value;
    }

    fn logit(&self, logits: &[f32], value: u8) -> f32 {
        logits[self.columns.start + usize::from(value)]
    }
}

impl Fields {
    /// `None` if the codec leaves one of the symbols out.
    fn new(symbols: &Symbols, heads: &Heads) -> Option<Self> {
        let fields = |name| -> Option<Vec<Field>> {
            let field = |symbol| {
                heads
                    .columns_of(symbol)
                    .map(|columns| Field { symbol, columns })
            };
            symbols.of(name).map(field).collect()
        };
        let field = |name| fields(name)?.pop();
        Some(Self {
            digits: fields("flow_token").filter(|digits| !digits.is_empty())?,
            event: field("flow_evt")?,
            kind: [field("proto")?, field("ip_family")?],
            direction: field("dir")?,
        })
    }

    fn slot(&self, row: &[u8]) -> usize {
        let digits = self.digits.iter();
        digits.fold(0, |slot, digit| slot << 4 | usize::from(digit.value(row)))
    }

    fn kind(&self, row: &[u8]) -> Kind {
        self.kind.each_ref().map(|field| field.value(row))
    }

    fn write(&self, row: &mut [u8], slot: usize, event: FlowEvent, kind: Kind) {
        for (i, digit) in self.digits.iter().rev().enumerate() {
            digit.set(row, (slot >> (4 * i) & 0xf) as u8);
        }
        for (field, value) in self.kind.iter().zip(kind) {
            field.set(row, value);
        }
        self.event.set(row, event as u8);
        if event == FlowEvent::Open {
            self.direction.set(row, Direction::Orig as u8);
        }
    }

    fn slot_logit(&self, logits: &[f32], slot: usize) -> f32 {
        let digits = self.digits.iter().rev().enumerate();
        digits
            .map(|(i, digit)| digit.logit(logits, (slot >> (4 * i) & 0xf) as u8))
            .sum()
    }

    fn kind_logit(&self, logits: &[f32], kind: Kind) -> f32 {
        let fields = self.kind.iter().zip(kind);
        fields
            .map(|(field, value)| field.logit(logits, value))
            .sum()
    }
}

impl OpenFlows {
    /// No flow is open yet. `None` if the codec leaves out a symbol that determines flows.
    pub(super) fn new(symbols: &Symbols, heads: &Heads) -> Option<Self> {
        Some(Self {
            fields: Fields::new(symbols, heads)?,
            clock: 0,
            packets: 0,
            slots: Vec::new(),
            longest_silent: BinaryHeap::new(),
            corrected: 0,
        })
    }

    /// Number of packets that were corrected.
    pub(super) fn corrected(&self) -> u64 {
        self.corrected
    }

    /// Adds the next packet, which comes `delta_t` nanoseconds after the last, and corrects it if
    /// it contradicts the open flows. Returns whether it was corrected.
    pub(super) fn next(
        &mut self,
        row: &mut [u8],
        delta_t: i64,
        logits: &[f32],
        heads: &Heads,
    ) -> bool {
        self.clock += delta_t.clamp(0, flow::IDLE);
        self.packets += 1;
        let agrees = self.agrees(row);
        if !agrees {
            self.correct(row, logits, heads);
        }
        self.take(row);
        !agrees
    }

    fn take(&mut self, row: &[u8]) {
        let (slot, kind) = (self.fields.slot(row), self.fields.kind(row));
        let flow = OpenFlow {
            kind,
            last_seen: self.clock,
            last_packet: self.packets,
        };
        if self.slots.len() <= slot {
            self.slots.resize(slot + 1, None);
        }
        if self.slots[slot].replace(flow).is_none() {
            self.longest_silent.push(Reverse((self.packets, slot)));
        }
    }

    fn agrees(&mut self, row: &[u8]) -> bool {
        let slot = self.fields.slot(row);
        if self.fields.event.value(row) == FlowEvent::Open as u8 {
            return self.fields.direction.value(row) == Direction::Orig as u8
                && (self.can_open(slot) || self.longest_silent() == Some(slot));
        }
        self.held(slot)
            .is_some_and(|held| held.kind == self.fields.kind(row))
    }

    /// The flow in a slot; `None` if the slot is unused or its opening was missed.
    fn held(&self, slot: usize) -> Option<&OpenFlow> {
        self.slots.get(slot)?.as_ref()
    }

    /// Whether a slot is among the next unused ones, or has long been silent.
    fn can_open(&self, slot: usize) -> bool {
        match self.held(slot) {
            Some(held) => self.clock - held.last_seen > IDLE,
            None => slot <= self.slots.len() + MISSED,
        }
    }

    fn longest_silent(&mut self) -> Option<usize> {
        loop {
            let Reverse((packet, slot)) = *self.longest_silent.peek()?;
            let latest = self.held(slot)?.last_packet;
            if packet == latest {
                return Some(slot);
            }
            self.longest_silent.pop();
            self.longest_silent.push(Reverse((latest, slot)));
        }
    }

    /// Writes the likeliest packet that agrees. If the opening of the packet's slot was missed, the
    /// packet becomes that opening instead.
    fn correct(&mut self, row: &mut [u8], logits: &[f32], heads: &Heads) {
        self.corrected += 1;
        let slot = self.fields.slot(row);
        if self.slots.get(slot).is_some_and(Option::is_none) {
            let kind = self.fields.kind(row);
            return self.fields.write(row, slot, FlowEvent::Open, kind);
        }
        heads.most_likely(logits, row);
        let (slot, event, kind) = self.likeliest(self.fields.kind(row), logits);
        self.fields.write(row, slot, event, kind);
    }

    /// The slot, event and kind of the largest joint logit among the choices that agree; a new flow
    /// is of the kind `opened`.
    fn likeliest(&mut self, opened: Kind, logits: &[f32]) -> (usize, FlowEvent, Kind) {
        let longest_silent = self.longest_silent();
        let fields = &self.fields;
        let event = |event: FlowEvent| fields.event.logit(logits, event as u8);
        let direction = |dir: Direction| fields.direction.logit(logits, dir as u8);
        let opens =
            fields.kind_logit(logits, opened) + event(FlowEvent::Open) + direction(Direction::Orig);
        let either_way = direction(Direction::Orig).max(direction(Direction::Resp));
        let goes_on = |kind: Kind| {
            let can_reopen = kind[0] == Proto::Tcp as u8;
            if can_reopen && event(FlowEvent::Reopen) > event(FlowEvent::Continue) {
                FlowEvent::Reopen
            } else {
                FlowEvent::Continue
            }
        };
        let mut best = (f32::NEG_INFINITY, (0, FlowEvent::Open, opened));
        let mut take = |logit: f32, choice| {
            if logit > best.0 {
                best = (logit, choice);
            }
        };
        for slot in 0..(self.slots.len() + 1 + MISSED).min(MAX_SLOTS) {
            let named = fields.slot_logit(logits, slot);
            if self.can_open(slot) || longest_silent == Some(slot) {
                take(named + opens, (slot, FlowEvent::Open, opened));
            }
            if let Some(&OpenFlow { kind, .. }) = self.held(slot) {
                let continues = fields.kind_logit(logits, kind) + event(goes_on(kind)) + either_way;
                take(named + continues, (slot, goes_on(kind), kind));
            }
        }
        best.1
    }
}
