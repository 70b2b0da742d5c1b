//! The card of a codec.

use std::fmt::Write as _;

use tracecodec_nn::codec::ContextSource;
use tracecodec_nn::codec::training::Manifest;
use tracecodec_nn::{CodecConfig, EncoderKind, Precision, TokenLayout};

use super::{sources, table};
use crate::plot::number::{count, short};

/// The card, as Markdown; `digest` is [`Codec::digest`](tracecodec_nn::Codec::digest), which
/// manifests of latents name.
pub fn of_codec(manifest: &Manifest, digest: &str) -> String {
    [
        about(manifest),
        shape(manifest, digest),
        data(manifest),
        training(manifest),
        validation(manifest),
        USE.to_string(),
        limits(manifest),
    ]
    .join("\n")
}

fn about(manifest: &Manifest) -> String {
    format!(
        "# A codec of packet actions\n\n\
         It maps each packet of a capture, as a *packet action*, to a continuous latent of {} numbers, and latents back to packet actions, \
         from which a legal capture between synthetic endpoints is compiled. Trained by {} on version {} of the action schema.\n",
        manifest.origin.codec.d_latent, manifest.tool, manifest.origin.schema_version
    )
}

fn shape(manifest: &Manifest, digest: &str) -> String {
    let codec = &manifest.origin.codec;
    let precision = match manifest.origin.training.precision {
        Precision::Full => "32 bits each",
        Precision::Half => "16 bits each",
    };
    table(
        "Shape",
        &[
            ("Encoder", encoder(codec)),
            (
                "Decoder",
                format!(
                    "trunks of residual blocks for coarse fields, details and time; blocks: {}, width: {}, half of it for time",
                    codec.decoder_blocks, codec.width
                ),
            ),
            ("Latent", format!("{} numbers a packet", codec.d_latent)),
            ("Context", context(codec).to_string()),
            (
                "Weights",
                format!("{}, {precision}", count(manifest.weight_count as u64)),
            ),
            (
                "BLAKE3 of `weights.safetensors`",
                manifest.weights_blake3.clone(),
            ),
            (
                "BLAKE3 of the weights with 32 bits each, `model_blake3` beside latents",
                digest.to_string(),
            ),
        ],
    )
}

fn encoder(codec: &CodecConfig) -> String {
    match codec.encoder {
        EncoderKind::ResidualMlp => format!(
            "residual MLP; blocks: {}, width: {}",
            codec.encoder_blocks, codec.width
        ),
        EncoderKind::Transformer => format!(
            "Transformer; blocks: {}, heads: {}, width: {}, one token a {}",
            codec.layers,
            codec.heads,
            codec.d_model,
            match codec.tokens {
                TokenLayout::Field => "field",
                TokenLayout::Group => "group of fields",
            }
        ),
    }
}

fn context(codec: &CodecConfig) -> &'static str {
    match codec.context {
        ContextSource::Latent => "carried by the latent: each packet decodes by itself",
        ContextSource::Flow => "follows from the packets before: a trace decodes in order",
    }
}

fn data(manifest: &Manifest) -> String {
    let origin = &manifest.origin;
    let packets = [origin.training_packets, origin.validation_packets];
    sources(packets, &origin.sources)
}

fn training(manifest: &Manifest) -> String {
    let training = &manifest.origin.training;
    let seen = manifest.steps.saturating_mul(training.batch as u64);
    let passes = seen as f64 / manifest.origin.training_packets.max(1) as f64;
    let augmentation = &training.augmentation;
    table(
        "Training",
        &[
            (
                "Steps",
                format!(
                    "{} of {} packets: {} passes over the data",
                    count(manifest.steps),
                    count(training.batch as u64),
                    short(passes)
                ),
            ),
            (
                "Optimiser",
                format!(
                    "AdamW, learning rate up to {}, weight decay {}, gradients clipped to {}",
                    training.learning_rate, training.weight_decay, training.clip
                ),
            ),
            (
                "Objective",
                format!(
                    "cross-entropy of fields + {} × of time + {} × KL divergence",
                    training.lambda_time, training.beta
                ),
            ),
            (
                "Augmentation",
                format!(
                    "{} of packets; of their groups of fields {} mixed, {} drawn at random",
                    augmentation.packets, augmentation.mix, augmentation.random
                ),
            ),
            ("Seed", training.seed.to_string()),
        ],
    )
}

fn validation(manifest: &Manifest) -> String {
    let best = &manifest.best;
    let packets = manifest
        .origin
        .validation_packets
        .min(manifest.origin.training.validation_packets as u64);
    let title = format!(
        "Validation\n\nOn {} packets that were not trained on, means of the posterior, not refined, after step {}",
        count(packets),
        count(best.step)
    );
    table(
        &title,
        &[
            (
                "Active fields right",
                format!("{:.3} %", 100.0 * best.accuracy),
            ),
            (
                "Whole packets right, time aside",
                format!("{:.3} %", 100.0 * best.exact),
            ),
            ("Rate", format!("{} nats a packet", short(best.kl))),
            (
                "Surprise at fields",
                format!("{} nats a packet", short(best.fields)),
            ),
            (
                "Surprise at time",
                format!("{} nats a packet", short(best.time)),
            ),
            ("Objective", format!("{} nats a packet", short(best.loss))),
        ],
    )
}

const USE: &str = "## Use

In the place of `MODEL` the folder of this file:

    tracecodec encode in.pcap --model MODEL -o z.safetensors
    tracecodec decode z.safetensors --model MODEL -o out.pcap
    tracecodec roundtrip in.pcap out.pcap --model MODEL
    tracecodec evaluate in.pcap out.pcap
";

fn limits(manifest: &Manifest) -> String {
    let mut text = format!(
        "## Limits\n\n\
         - Its dictionary has {} layouts of TCP options. Others come back with the dictionary that the manifest of the latents carries.\n\
         - Traffic unlike its data may come back worse than the figures above: measure on your own captures.\n\
         - Times are kept with {} hexadecimal digits, not exactly.\n",
        count(manifest.origin.option_profiles.len() as u64),
        manifest.origin.codec.time_digits
    );
    if !manifest.origin.codec.omit.is_empty() {
        let names = manifest.origin.codec.omit.join("`, `");
        let _ = writeln!(text, "- It leaves out `{names}`: they decode to 0.");
    }
    text + "- It is no anonymisation in the sense of a law: endpoints and payloads do not survive, but timing, lengths and behaviour do, and \
            can tell much about whoever is behind them.\n\
            - Whether training data can be told by its weights was not measured. `tracecodec audit --model` measures it for generators: docs/privacy.md of \
            the repository has the method.\n"
}

#[cfg(test)]
mod tests {
    use super::super::{FILE, FILES};
    use super::*;
    use tracecodec_nn::Codec;

    /// The manifest of a training with as many sources.
    fn manifest(sources: usize) -> Manifest {
        let source =
            serde_json::json!({"name": "a|b.pcap", "blake3": "ab12", "bytes": 9, "packets": 1200});
        serde_json::from_value(serde_json::json!({
            "format": "tracecodec.training", "version": 1, "tool": "tracecodec 0.1.0", "schema_version": 1,
            "codec": {"omit": ["ip_tos", "tcp_win"]},
            "training": {"steps": 6000},
            "option_profiles": ["020405b4", "0101"],
            "sources": vec![source; sources],
            "training_packets": 128000, "validation_packets": 300, "steps": 1000,
            "best": {"step": 900, "loss": 1.5, "fields": 0.25, "time": 0.001, "kl": 105.2, "accuracy": 0.9995, "exact": 0.98,
                "training_loss": 2.5},
            "weight_count": 1757840, "weights_blake3": "cd34",
        }))
        .unwrap()
    }

    #[test]
    fn test_card() {
        insta::assert_snapshot!(of_codec(&manifest(1), "ef56"));
    }

    /// Run with `UPDATE_DOCS=1` to write it anew.
    #[test]
    fn test_card_of_the_shipped_model_follows_from_its_manifest_and_weights() {
        let folder = std::path::Path::new(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../tracecodec-nn/built-in/codec"
        ));
        let digest = Codec::load(folder).unwrap().digest();
        let card = of_codec(&Manifest::read(folder).unwrap(), &digest);
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(folder.join(FILE), &card).unwrap();
        }
        assert_eq!(std::fs::read_to_string(folder.join(FILE)).unwrap(), card);
    }

    #[test]
    fn test_long_lists_of_files_are_cut() {
        let card = of_codec(&manifest(FILES), "");
        assert!(!card.contains("more, which"), "{card}");
        let card = of_codec(&manifest(FILES + 3), "");
        assert!(card.contains("\nand 3 more, which `manifest.json` lists."));
        assert_eq!(card.matches("a\\|b.pcap").count(), FILES);
    }
}
