//! The shape of a codec.

use serde::{Deserialize, Serialize};
use tracecodec::action::Proto;
use tracecodec::action::schema::{Field, QUANTITIES, Quantity};
use tracecodec::action::{FlowEvent, PAPER_SCHEMA, SCHEMA_VERSION};
use tracecodec::choice::Choice;

use super::symbols::{Stage, Symbols};
use crate::error::Error;

/// Which network reads the tokens of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EncoderKind {
    /// The paper's encoder: a compact Transformer over the tokens of one packet.
    Transformer,
    /// A residual MLP over the sum of the tokens.
    #[serde(alias = "mlp")]
    ResidualMlp,
}

impl Choice for EncoderKind {
    const WHAT: &'static str = "encoder";

    const TABLE: &'static [(Self, &'static str, &'static str)] = &[
        (
            Self::ResidualMlp,
            "residual-mlp",
            "A residual perceptron over summed embeddings",
        ),
        (
            Self::Transformer,
            "transformer",
            "The paper's compact Transformer over field tokens",
        ),
    ];

    const ALIASES: &'static [(Self, &'static str)] = &[(Self::ResidualMlp, "mlp")];
}

/// How the fields of a packet become tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TokenLayout {
    /// The paper's layout: one token a field.
    Field,
    /// One token a group of fields, their embeddings summed.
    Group,
}

impl Choice for TokenLayout {
    const WHAT: &'static str = "token layout";

    const TABLE: &'static [(Self, &'static str, &'static str)] = &[
        (Self::Group, "group", "One token for each group of fields"),
        (
            Self::Field,
            "field",
            "One token for each field, as in the paper",
        ),
    ];
}

/// Source of the flow-local context that the details are decoded with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ContextSource {
    /// The latent carries the context, as in the paper; each packet is decoded by itself.
    Latent,
    /// State-aware decoding: the context is derived from the packets decoded before, in order, and
    /// costs no rate.
    Flow,
}

/// The number that `tcp_ack_adv` is relative to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AckBase {
    /// The peer's next expected number, as in the action schema: `tcp_ack_adv` is how much is still
    /// outstanding.
    PeerNext,
    /// The last acknowledgment of the same direction: `tcp_ack_adv` is how much it advances.
    LastAck,
}

/// Shape of a codec: everything that decides the names and shapes of its weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CodecConfig {
    /// Dimensions of the latent. Default 64.
    pub d_latent: usize,
    /// Which network reads the tokens. Default `residual-mlp`.
    pub encoder: EncoderKind,
    /// How fields become tokens. Default `group`.
    pub tokens: TokenLayout,
    /// Width of the Transformer's tokens. Default 64.
    pub d_model: usize,
    /// Number of Transformer blocks. Default 2.
    pub layers: usize,
    /// Number of attention heads, a divisor of `d_model`. Default 4.
    pub heads: usize,
    /// Width of the MLP encoder and of the decoder's trunks. Default 256.
    pub width: usize,
    /// Number of residual blocks of the MLP encoder. Default 2.
    pub encoder_blocks: usize,
    /// Number of residual blocks of each trunk of the decoder. Default 1.
    pub decoder_blocks: usize,
    /// Hexadecimal mantissa digits of the time: 3 keep 12 bits, an error below 0.03 %. Default 4,
    /// at most 7.
    pub time_digits: u8,
    /// Source of the context. Default `flow`.
    pub context: ContextSource,
    /// The number that acknowledgments are relative to. Default `peer-next`.
    pub ack: AckBase,
    /// Names of quantities of the action schema that the codec leaves out: they decode to 0.
    /// Default: no names.
    pub omit: Vec<String>,
    /// Version of the action schema whose quantities the codec carries: 1 is the paper's. Default
    /// 2.
    pub schema_version: u32,
}

impl Default for CodecConfig {
    fn default() -> Self {
        Self {
            d_latent: 64,
            encoder: EncoderKind::ResidualMlp,
            tokens: TokenLayout::Group,
            d_model: 64,
            layers: 2,
            heads: 4,
            width: 256,
            encoder_blocks: 2,
            decoder_blocks: 1,
            time_digits: 4,
            context: ContextSource::Flow,
            ack: AckBase::PeerNext,
            omit: Vec::new(),
            schema_version: SCHEMA_VERSION,
        }
    }
}

impl CodecConfig {
    /// Whether the codec carries a field of the action schema.
    pub fn carries(&self, field: &Field) -> bool {
        field.is_in(self.schema_version) && !self.omits(field.quantity())
    }

    /// Whether the codec leaves the quantity of this name out.
    pub(crate) fn omits_named(&self, name: &str) -> bool {
        let mut quantities = QUANTITIES.iter();
        quantities.any(|quantity| quantity.name == name && self.omits(quantity))
    }

    /// Whether the codec leaves a quantity out.
    pub(crate) fn omits(&self, quantity: &Quantity) -> bool {
        quantity.vocabulary_in(self.schema_version).is_none()
            || self.omit.iter().any(|name| name == quantity.name)
    }

    /// Negative log-likelihood, in nats, of a TCP packet whose every symbol is guessed uniformly;
    /// the symbols of the time are weighted by `lambda_time`. No packet has more symbols, and every
    /// decoder that learned anything costs less.
    pub fn guessing_nats(&self, lambda_time: f64) -> f64 {
        let symbols = Symbols::new(self);
        let guessed = symbols.all().iter().map(|symbol| {
            let weight = match symbol.stage {
                Stage::Given => 0.0,
                Stage::Time => lambda_time,
                Stage::Coarse | Stage::Detail | Stage::Opening => {
                    f64::from(symbol.active.covers(Proto::Tcp, FlowEvent::Open))
                }
            };
            weight * (symbol.size as f64).ln()
        });
        guessed.sum()
    }

    /// Lower bound of the number of weights of a codec of this shape: the weights of its blocks.
    pub(super) fn least_weights(&self) -> usize {
        let encoder = match self.encoder {
            EncoderKind::Transformer => 4 * self.layers * self.d_model * self.d_model,
            EncoderKind::ResidualMlp => 4 * self.encoder_blocks * self.width * self.width,
        };
        encoder + 8 * self.decoder_blocks * self.width * self.width
    }

    /// Checks that a codec of this shape can be built.
    ///
    /// # Errors
    /// If a setting is out of its range.
    pub fn check(&self) -> Result<(), Error> {
        for (name, value, most) in [
            ("d_latent", self.d_latent, 4096),
            ("d_model", self.d_model, 4096),
            ("heads", self.heads, 64),
            ("width", self.width, 4096),
            ("layers", self.layers.saturating_add(1), 65),
            ("encoder_blocks", self.encoder_blocks.saturating_add(1), 65),
            ("decoder_blocks", self.decoder_blocks.saturating_add(1), 65),
        ] {
            if value == 0 || value > most {
                return Err(Error::Config {
                    name,
                    value: value.to_string(),
                    reason: "out of range",
                });
            }
        }
        if !self.d_model.is_multiple_of(self.heads) {
            return Err(Error::Config {
                name: "heads",
                value: self.heads.to_string(),
                reason: "must divide d_model",
            });
        }
        let can_omit = |name: &String| {
            let mut names = QUANTITIES.iter().map(|quantity| quantity.name);
            name != "proto" && names.any(|known| known == name)
        };
        if let Some(name) = self.omit.iter().find(|name| !can_omit(name)) {
            return Err(Error::Config {
                name: "omit",
                value: name.clone(),
                reason: "must name quantities of the action schema other than `proto`",
            });
        }
        if !matches!(self.schema_version, PAPER_SCHEMA | SCHEMA_VERSION) {
            return Err(Error::Config {
                name: "schema_version",
                value: self.schema_version.to_string(),
                reason: "1, the paper's schema, or 2",
            });
        }
        if self.time_digits > 7 {
            return Err(Error::Config {
                name: "time_digits",
                value: self.time_digits.to_string(),
                reason: "at most 7",
            });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Symbols of a codec of the paper's schema: 40 hexadecimal digits, `tcp_ctrl` with 9 classes,
    /// `proto` with 4, `flow_evt`, `tcp_ack_unseen` and `tcp_seq_delta_sign` with 3, `ip_family`
    /// and `dir` with 2; the time has a sign, a digit below 4 and 5 digits.
    #[test]
    fn test_guessing_nats() {
        let ln = |classes: f64| classes.ln();
        let fields = 40.0 * ln(16.0) + ln(9.0) + ln(4.0) + 3.0 * ln(3.0) + 2.0 * ln(2.0);
        let time = ln(3.0) + ln(4.0) + 5.0 * ln(16.0);
        let config = CodecConfig {
            schema_version: PAPER_SCHEMA,
            ..CodecConfig::default()
        };
        for lambda_time in [0.0, 1.0, 2.0] {
            let nats = config.guessing_nats(lambda_time);
            assert!(
                (nats - (fields + lambda_time * time)).abs() < 1e-9,
                "{nats}"
            );
        }
    }
}
