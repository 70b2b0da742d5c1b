//! Input and output of the model: the fields of the action schema and the time, cut into *symbols*
//! of at most 32 values.
//!
//! A digit or small class of the schema is one symbol. A class of 256 values (`ttl_res`) is two
//! hexadecimal digits. The time is the sign of its [`TimeCode`], two hexadecimal digits of the
//! binary exponent and `time_digits` digits of the mantissa: digits that occur in common steps
//! compose the rare ones.

use rand::{Rng, RngExt};
use tracecodec::action::float::TimeCode;
use tracecodec::action::schema::{Active, FIELDS, FieldValues, Group, Quantity};
use tracecodec::action::{Action, FlowEvent, Proto};

use super::{CodecConfig, ContextSource, TokenLayout};

/// The stage of the staged decoder that writes a symbol (the paper, section 3.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Coarse fields, and context that the latent carries, from the latent alone.
    Coarse,
    /// Context that is derived from the packets before, and is not predicted.
    Given,
    /// TCP and packet details, from the latent, the context and the coarse fields.
    Detail,
    /// Hosts and services of a packet that opens a flow, from its latent by heads of their own.
    Opening,
    /// The time, from the latent by its own head.
    Time,
}

/// The part of an action that a symbol stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    /// A whole field, by its index in [`FIELDS`].
    Field(usize),
    /// Four bits of a field of more than 16 values, shifted right by this number.
    Nibble(usize, u8),
    /// The sign of the time step: 0 if the step is zero, 1 forwards, 2 backwards.
    Sign,
    /// Four bits of the time's binary exponent, shifted right by this number.
    Exponent(u8),
    /// A mantissa digit of the time, most significant first.
    Mantissa(u8),
}

/// One symbol of an action.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Symbol {
    source: Source,
    /// Number of values.
    pub(crate) size: usize,
    /// Stage that predicts the symbol.
    pub(crate) stage: Stage,
    /// Packets in which the symbol has a meaning.
    pub(crate) active: Active,
    /// Index of its token group in [`GROUPS`].
    pub(crate) group: usize,
}

/// Token groups in the schema's order: a name, and the quantities whose embeddings are summed into
/// one token. The last group is the time.
pub(crate) const GROUPS: &[(&str, &[&str])] = &[
    ("flow", &["flow_token", "flow_evt"]),
    ("kind", &["proto", "ip_family", "dir", "tcp_ctrl"]),
    ("flags", &["tcp_flag_bits", "tcp_opt_profile"]),
    ("window", &["tcp_win"]),
    ("ack", &["tcp_ack_unseen", "tcp_ack_adv"]),
    ("seq", &["tcp_seq_delta_sign", "tcp_seq_delta"]),
    (
        "ip",
        &[
            "ttl_res",
            "ip_tos",
            "ip_proto",
            "ip_ext",
            "ip_df_clear",
            "ip_id",
        ],
    ),
    (
        "icmp",
        &[
            "icmp_type",
            "icmp_code",
            "icmp_quote",
            "icmp_quote_token",
            "icmp_param",
        ],
    ),
    ("length", &["l4_payload_len"]),
    (
        "hosts",
        &[
            "host_evt",
            "orig_host",
            "resp_host",
            "orig_kind",
            "resp_kind",
        ],
    ),
    (
        "services",
        &[
            "orig_service",
            "resp_service",
            "resp_port",
            "orig_port_kept",
        ],
    ),
    (
        "context",
        &[
            "ctx_gap_b",
            "ctx_pkt_count_b",
            "ctx_last_payload_b",
            "ctx_ack_streak_b",
            "ctx_last_dir",
        ],
    ),
    ("time", &[]),
];

/// Number of symbols of the time's sign and binary exponent.
const MAGNITUDE: usize = 3;

/// The largest binary exponent of a time step.
const LARGEST_EXPONENT: u8 = 62;

/// All symbols in the order of the schema, then the time.
#[derive(Debug, Clone)]
pub(crate) struct Symbols {
    symbols: Vec<Symbol>,
    /// Indices of the symbols `proto` and `flow_evt`; the latter may be left out.
    proto: usize,
    event: Option<usize>,
    time_digits: u8,
}

impl Symbols {
    /// The symbols of the schema that a codec of this shape carries.
    pub(crate) fn new(config: &CodecConfig) -> Self {
        let time_digits = config.time_digits;
        let mut symbols: Vec<Symbol> = (0..FIELDS.len())
            .filter(|&field| config.carries(&FIELDS[field]))
            .flat_map(|field| field_symbols(field, config.context))
            .collect();
        let time = |source, size| Symbol {
            source,
            size,
            stage: Stage::Time,
            active: Active::Always,
            group: GROUPS.len() - 1,
        };
        symbols.push(time(Source::Sign, 3));
        symbols.push(time(Source::Exponent(4), 4));
        symbols.push(time(Source::Exponent(0), 16));
        symbols.extend((0..time_digits).map(|digit| time(Source::Mantissa(digit), 16)));
        let place = |name| symbols.iter().position(|symbol| symbol.name() == name);
        Self {
            proto: place("proto").expect("`proto` cannot be left out"),
            event: place("flow_evt"),
            symbols,
            time_digits,
        }
    }

    /// The symbols.
    pub(crate) fn all(&self) -> &[Symbol] {
        &self.symbols
    }

    /// Whether a stage predicts any symbol.
    pub(crate) fn has(&self, stage: Stage) -> bool {
        self.symbols.iter().any(|symbol| symbol.stage == stage)
    }

    /// Number of symbols.
    pub(crate) fn len(&self) -> usize {
        self.symbols.len()
    }

    /// Lengths of the runs of symbols whose embeddings are summed into one token.
    pub(crate) fn runs(&self, layout: TokenLayout) -> Vec<usize> {
        self.symbols
            .chunk_by(|a, b| match layout {
                TokenLayout::Group => a.group == b.group,
                TokenLayout::Field => a.field() == b.field(),
            })
            .map(<[Symbol]>::len)
            .collect()
    }

    /// Appends the symbols of an action.
    pub(crate) fn encode_into(&self, action: &Action, into: &mut Vec<u8>) {
        let fields = action.field_values();
        let time = TimeCode::encode(action.delta_t, self.time_digits);
        into.extend(self.symbols.iter().map(|symbol| match symbol.source {
            Source::Field(field) => fields[field] as u8,
            Source::Nibble(field, shift) => (fields[field] >> shift & 0xf) as u8,
            Source::Sign => time.sign().rem_euclid(3) as u8,
            Source::Exponent(shift) => time.binary_exponent() >> shift & 0xf,
            Source::Mantissa(digit) => {
                (time.mantissa >> (4 * (self.time_digits - 1 - digit)) & 0xf) as u8
            }
        }));
    }

    /// The action that these symbols spell.
    pub(crate) fn action(&self, values: &[u8]) -> Action {
        let mut fields: FieldValues = [0; FIELDS.len()];
        let (mut sign, mut exponent, mut mantissa) = (0, 0, 0);
        for (symbol, &value) in self.symbols.iter().zip(values) {
            match symbol.source {
                Source::Field(field) => fields[field] = value.into(),
                Source::Nibble(field, shift) => fields[field] |= u16::from(value) << shift,
                Source::Sign => sign = [0, 1, -1][usize::from(value.min(2))],
                Source::Exponent(shift) => exponent |= value << shift,
                Source::Mantissa(_) => mantissa = mantissa << 4 | u32::from(value),
            }
        }
        let time = TimeCode::of(sign, exponent, mantissa);
        Action::from_field_values(&fields, time.decode(self.time_digits))
    }

    /// Writes the context symbols of an action into a row, if context is not predicted
    /// ([`Stage::Given`]).
    pub(crate) fn give(&self, action: &Action, row: &mut [u8]) {
        let mut values = Vec::with_capacity(self.len());
        self.encode_into(action, &mut values);
        self.copy_given(&values, row);
    }

    /// Copies the [`Stage::Given`] symbols from one row to another.
    pub(crate) fn copy_given(&self, from: &[u8], to: &mut [u8]) {
        for ((symbol, from), to) in self.symbols.iter().zip(from).zip(to) {
            if symbol.stage == Stage::Given {
                *to = *from;
            }
        }
    }

    /// Sets the symbols that have no meaning in the row's packet to 0.
    pub(crate) fn clear_inactive(&self, row: &mut [u8]) {
        let (proto, event) = self.path(row);
        for (value, symbol) in row.iter_mut().zip(&self.symbols) {
            if !symbol.active.covers(proto, event) {
                *value = 0;
            }
        }
    }

    /// The actions of rows of symbols.
    pub(crate) fn actions(&self, rows: &[u8]) -> impl Iterator<Item = Action> {
        rows.chunks_exact(self.len()).map(|row| self.action(row))
    }

    /// Draws a new sign and exponent of the time, mostly near the ones in the row: rarely trained
    /// values are rarely decoded by mistake, and a wrong exponent shifts the whole clock. Sometimes
    /// the step becomes negative, zero, or of any size.
    pub(crate) fn draw_magnitude(&self, row: &mut [u8], rng: &mut impl Rng) {
        let first = self.len() - usize::from(self.time_digits) - MAGNITUDE;
        let [sign, high, low] = &mut row[first..][..MAGNITUDE] else {
            return;
        };
        let mut exponent = *high << 4 | *low;
        match rng.random_range(0..16) {
            0 => *sign = 0,
            1 => {
                *sign = rng.random_range(1..=2);
                exponent = rng.random_range(0..=LARGEST_EXPONENT);
            }
            2 => *sign = 2,
            _ => {
                let near = exponent.saturating_sub(4)..=(exponent + 4).min(LARGEST_EXPONENT);
                exponent = rng.random_range(near);
            }
        }
        if *sign == 0 {
            exponent = 0;
        }
        (*high, *low) = (exponent >> 4, exponent & 0xf);
    }

    /// Indices of the symbols of a quantity, most significant first; none if the codec leaves it
    /// out.
    pub(crate) fn of(&self, quantity: &str) -> impl Iterator<Item = usize> {
        let all = self.symbols.iter().enumerate();
        all.filter(move |(_, symbol)| symbol.name() == quantity)
            .map(|(i, _)| i)
    }

    /// Whether the symbols of a group belong to openings alone.
    pub(crate) fn is_of_openings(&self, group: usize) -> bool {
        let mut all = self.symbols.iter();
        all.any(|symbol| symbol.group == group && symbol.stage == Stage::Opening)
    }

    /// Turns a row into a packet that opens a flow.
    pub(crate) fn make_opening(&self, row: &mut [u8]) {
        if let Some(event) = self.event {
            row[event] = FlowEvent::Open as u8;
        }
    }

    /// Whether the row's packet opens a flow.
    pub(crate) fn is_opening(&self, row: &[u8]) -> bool {
        self.path(row).1 == FlowEvent::Open
    }

    /// Protocol and flow event of a row of symbols, on which the activity of the others depends.
    pub(crate) fn path(&self, row: &[u8]) -> (Proto, FlowEvent) {
        let event = self.event.map_or(0, |event| row[event]);
        (proto_of(row[self.proto]), event_of(event))
    }
}

impl Symbol {
    /// A value of the symbol, drawn uniformly.
    pub(crate) fn draw(&self, rng: &mut impl Rng) -> u8 {
        rng.random_range(0..self.size as u8)
    }

    /// Whether the symbol is part of the time's sign or binary exponent, which are drawn together.
    pub(crate) fn is_magnitude(&self) -> bool {
        matches!(self.source, Source::Sign | Source::Exponent(_))
    }

    /// Whether a wrong value affects later packets, too: flows and contexts depend on coarse
    /// fields, the clock on the size of a step.
    pub(crate) fn is_far_reaching(&self) -> bool {
        self.stage == Stage::Coarse || self.is_magnitude()
    }

    /// Whether both symbols are hexadecimal digits of one quantity.
    pub(crate) fn is_digit_beside(&self, other: &Self) -> bool {
        let digit = |symbol: &Self| symbol.size == 16 && symbol.field().is_some();
        digit(self) && digit(other) && self.name() == other.name()
    }

    fn field(&self) -> Option<usize> {
        match self.source {
            Source::Field(field) | Source::Nibble(field, _) => Some(field),
            Source::Sign | Source::Exponent(_) | Source::Mantissa(_) => None,
        }
    }

    fn name(&self) -> &'static str {
        self.field()
            .map_or("delta_t", |field| FIELDS[field].quantity().name)
    }
}

/// The protocol that a `proto` symbol stands for.
pub(crate) fn proto_of(value: u8) -> Proto {
    [Proto::Tcp, Proto::Udp, Proto::Icmp, Proto::Other][usize::from(value.min(3))]
}

/// The flow event that a `flow_evt` symbol stands for.
pub(crate) fn event_of(value: u8) -> FlowEvent {
    [FlowEvent::Continue, FlowEvent::Open, FlowEvent::Reopen][usize::from(value.min(2))]
}

fn field_symbols(field: usize, context: ContextSource) -> Vec<Symbol> {
    let quantity = FIELDS[field].quantity();
    let symbol = |source, size| Symbol {
        source,
        size,
        stage: stage(quantity, context),
        active: quantity.active,
        group: GROUPS
            .iter()
            .position(|(_, names)| names.contains(&quantity.name))
            .expect("every quantity has a token group"),
    };
    match usize::from(FIELDS[field].size()) {
        size if size > 16 && quantity.group != Group::Context => vec![
            symbol(Source::Nibble(field, 4), size.div_ceil(16)),
            symbol(Source::Nibble(field, 0), 16),
        ],
        size => vec![symbol(Source::Field(field), size)],
    }
}

/// The stage that predicts a quantity. If the context is derived from the flow, a quantity that it
/// is derived from must be coarse.
fn stage(quantity: &Quantity, context: ContextSource) -> Stage {
    match (quantity.group, context) {
        (Group::Context, ContextSource::Flow) => Stage::Given,
        (Group::Packet, ContextSource::Flow) if quantity.name == "l4_payload_len" => Stage::Coarse,
        (Group::Coarse | Group::Context, _) => Stage::Coarse,
        (Group::Tcp | Group::Packet, _) => Stage::Detail,
        (Group::Opening, _) => Stage::Opening,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::batch::tests::action;

    #[test]
    fn test_groups_are_runs_of_the_schema() {
        let symbols = Symbols::new(&CodecConfig::default());
        assert_eq!(symbols.runs(TokenLayout::Group).len(), GROUPS.len());
        assert_eq!(
            symbols.runs(TokenLayout::Field).len(),
            FIELDS.len() + 1,
            "one token a field, and the time"
        );
    }

    #[test]
    fn test_symbols_fit_their_vocabulary() {
        let symbols = Symbols::new(&CodecConfig {
            time_digits: 7,
            ..CodecConfig::default()
        });
        let mut values = Vec::new();
        symbols.encode_into(&action(3), &mut values);
        for (symbol, value) in symbols.all().iter().zip(values) {
            assert!(usize::from(value) < symbol.size, "{symbol:?}");
            assert!(symbol.size <= 32);
        }
    }

    #[test]
    fn test_actions_survive_symbols() {
        let symbols = Symbols::new(&CodecConfig {
            time_digits: 7,
            ..CodecConfig::default()
        });
        for seed in 0..200 {
            let mut values = Vec::new();
            symbols.encode_into(&action(seed), &mut values);
            assert_eq!(symbols.action(&values), action(seed));
        }
    }
}
