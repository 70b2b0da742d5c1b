//! What packets cost without a model of the traffic, as a codec reads them: printed beside its rate.

use serde::{Deserialize, Serialize};
use tracecodec::action::Action;
use tracecodec::action::entropy::Entropy;
use tracecodec::action::float::Tick;
use tracecodec::action::schema::Group;
use tracecodec_nn::Codec;
use tracecodec_nn::codec::{ContextSource, Past};

/// The entropy of the packets so far, in what the codec's latents carry: its quantities, its time steps.
pub(crate) struct CodecEntropy {
    past: Past,
    entropy: Entropy,
}

/// Nats a packet of a memoryless source.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct EntropyNats {
    /// Plug-in entropy of whole records: too low on little data.
    pub(crate) plug_in: f64,
    /// An adaptive code's length: an upper bound.
    pub(crate) code_length: f64,
}

impl CodecEntropy {
    /// No packets yet.
    pub(crate) fn new(codec: &Codec) -> Self {
        let config = codec.config();
        Self {
            past: Past::new(config, Tick::Nanosecond),
            entropy: Entropy::new(
                |quantity| {
                    let follows =
                        config.context == ContextSource::Flow && quantity.group == Group::Context;
                    !follows && config.omit.iter().all(|name| name != quantity.name)
                },
                config.time_digits,
            ),
        }
    }

    /// Takes the next packets of the trace.
    pub(crate) fn add(&mut self, actions: &[Action]) {
        for action in actions {
            self.entropy.add(&self.past.codable(action));
        }
    }

    /// The figures so far.
    pub(crate) fn nats(&self) -> EntropyNats {
        EntropyNats {
            plug_in: self.entropy.plug_in(),
            code_length: self.entropy.code_length(),
        }
    }
}

impl EntropyNats {
    /// The summary line's part on them.
    pub(crate) fn text(self) -> String {
        format!(
            " (without a model: entropy {:.1}, code {:.1})",
            self.plug_in, self.code_length
        )
    }
}
