//! The card of an autoregressive generator.

use std::fmt::Write as _;

use tracecodec_nn::generator::autoregressive::{Autoregressive, HeldOut, Manifest, Shape};

use super::{sources, table};
use crate::plot::number::{count, short};

/// The card, as Markdown.
pub fn of_generator(manifest: &Manifest, generator: &Autoregressive) -> String {
    let origin = &manifest.origin;
    let packets = [origin.training_packets, origin.validation_packets];
    [
        about(manifest, generator),
        shape(manifest, generator),
        sources(packets, &origin.sources),
        training(manifest),
        validation(manifest, generator.held_out()),
        USE.to_string(),
        LIMITS.to_string(),
    ]
    .join("\n")
}

fn about(manifest: &Manifest, generator: &Autoregressive) -> String {
    let mut text = format!(
        "# A generator of traffic\n\n\
         It draws packet actions, from which a legal capture between synthetic endpoints is compiled: from nothing, or as the continuation of \
         a capture. When flows begin, what a flow sends given its packets so far, and when packets leave are a network each. Trained by {} on \
         version {} of the action schema.\n",
        manifest.tool,
        generator.schema().version
    );
    let labels = generator.labels().iter().map(|label| {
        let rate = generator.rate(Some(label));
        let rate = rate.map_or_else(String::new, |rate| {
            format!(" ({} packets/s)", count(rate.round() as u64))
        });
        format!("`{label}`{rate}")
    });
    let labels: Vec<_> = labels.collect();
    if !labels.is_empty() {
        let _ = writeln!(text, "\nLabels: {}.", labels.join(", "));
    }
    text
}

fn shape(manifest: &Manifest, generator: &Autoregressive) -> String {
    let shapes = &manifest.origin.training.model;
    let of = |shape: &Shape| {
        format!(
            "gated linear recurrence; layers: {}, width: {}, hidden: {}",
            shape.layers, shape.width, shape.hidden
        )
    };
    table(
        "Shape",
        &[
            ("Openings", of(&shapes.openings)),
            ("Packets of a flow", of(&shapes.packets)),
            ("Clock", of(&shapes.clock)),
            ("Weights", count(generator.weight_count() as u64)),
            (
                "BLAKE3 of `weights.safetensors`",
                manifest.weights_blake3.clone(),
            ),
        ],
    )
}

fn training(manifest: &Manifest) -> String {
    let settings = &manifest.origin.training.train;
    let from = manifest.origin.from.as_ref();
    table(
        "Training",
        &[
            (
                "Begins with",
                from.map_or_else(
                    || "fresh weights".to_string(),
                    |from| format!("the generator {from}"),
                ),
            ),
            (
                "Steps",
                format!(
                    "{} of {} spans of events each",
                    count(manifest.steps),
                    settings.batch
                ),
            ),
            (
                "Optimiser",
                format!(
                    "AdamW, learning rate up to {}, weight decay {}, gradients clipped to {}",
                    settings.learning_rate, settings.weight_decay, settings.clip
                ),
            ),
            ("Seed", settings.seed.to_string()),
        ],
    )
}

fn validation(manifest: &Manifest, held_out: Option<HeldOut>) -> String {
    let best = &manifest.best;
    let mut rows = vec![
        ("All of it", format!("{} nats a packet", short(best.loss))),
        (
            "A packet, given those of its flow before it",
            format!("{} nats", short(best.packets)),
        ),
        (
            "An opening, given those before it",
            format!("{} nats", short(best.openings)),
        ),
        (
            "A step of the clock, given those before it and the plan",
            format!("{} nats", short(best.clock)),
        ),
    ];
    if let Some(held_out) = held_out {
        rows.push((
            "A prefix counts as unfamiliar from",
            format!(
                "{} nats a packet on; held-out data have {}",
                short(held_out.unfamiliar),
                short(held_out.mean)
            ),
        ));
    }
    let title = format!(
        "Validation\n\nSurprise at packets that were not trained on, after step {}",
        count(best.step)
    );
    table(&title, &rows)
}

const USE: &str = "## Use

In the place of `MODEL` the folder of this file:

    tracecodec generate --model MODEL --packets 100000 -o out.pcap
    tracecodec generate --model MODEL --prefix in.pcap --packets 10000 -o next.pcap
    tracecodec generator train mine.pcap --from-model MODEL -o mine
";

const LIMITS: &str = "## Limits

- It makes traffic like its data. A prefix unlike them is told; its continuation looks more like the data than like the prefix.
- A classifier tells generated sessions from real ones: `tracecodec classify` says how well, and by what.
- What it remembers of single sessions depends on its data and its training: `tracecodec audit --model` measures it, and docs/privacy.md of the \
repository has what was measured of the built-in generator. It is not trained with differential privacy.
";

#[cfg(test)]
mod tests {
    use super::super::FILE;
    use super::*;

    /// Run with `UPDATE_DOCS=1` to write it anew.
    #[test]
    fn test_card_of_the_shipped_generator_follows_from_its_manifest_and_weights() {
        let folder = std::path::Path::new(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../tracecodec-nn/built-in/generator"
        ));
        let generator = Autoregressive::load(folder).unwrap();
        let card = of_generator(&Manifest::read(folder).unwrap(), &generator);
        assert!(card.contains("`crowd` (6,012 packets/s)"), "{card}");
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(folder.join(FILE), &card).unwrap();
        }
        assert_eq!(std::fs::read_to_string(folder.join(FILE)).unwrap(), card);
    }
}
