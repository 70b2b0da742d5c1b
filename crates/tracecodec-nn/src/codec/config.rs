//! The shape of a codec.

use serde::{Deserialize, Serialize};

use crate::error::Error;

/// What reads the tokens of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EncoderKind {
    /// The paper's: a compact Transformer encoder over the tokens of one packet.
    Transformer,
    /// A residual MLP over the sum of the tokens.
    ResidualMlp,
}

/// How the fields of a packet become tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TokenLayout {
    /// The paper's: one token a field.
    Field,
    /// One token a group of fields, their embeddings summed.
    Group,
}

/// The shape of a codec. Everything that decides the names and shapes of its weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CodecConfig {
    /// Dimensions of the latent. Default 64.
    pub d_latent: usize,
    /// What reads the tokens. Default `residual-mlp`.
    pub encoder: EncoderKind,
    /// How fields become tokens. Default `group`.
    pub tokens: TokenLayout,
    /// Width of the Transformer's tokens. Default 64.
    pub d_model: usize,
    /// Transformer blocks. Default 2.
    pub layers: usize,
    /// Attention heads; they divide `d_model`. Default 4.
    pub heads: usize,
    /// Width of the MLP encoder and of the decoder's trunks. Default 256.
    pub width: usize,
    /// Residual blocks of the MLP encoder. Default 2.
    pub encoder_blocks: usize,
    /// Residual blocks of each of the decoder's trunks. Default 1.
    pub decoder_blocks: usize,
    /// Hexadecimal mantissa digits of the time: 3 keep 12 bits, an error below 0.02 %. Default 3, at most 7.
    pub time_digits: u8,
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
            time_digits: 3,
        }
    }
}

impl CodecConfig {
    /// Whether a codec of this shape can be built.
    ///
    /// # Errors
    /// If a setting is out of its range.
    pub fn check(&self) -> Result<(), Error> {
        for (name, value, most) in [
            ("d_latent", self.d_latent, 4096),
            ("d_model", self.d_model, 4096),
            ("heads", self.heads, 64),
            ("width", self.width, 4096),
            ("layers", self.layers + 1, 65),
            ("encoder_blocks", self.encoder_blocks + 1, 65),
            ("decoder_blocks", self.decoder_blocks + 1, 65),
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
