//! Labels on their way from packet comments to packet comments, beside batches of actions.

use std::collections::VecDeque;

use tracecodec::pcap::{Label, Packet};

/// Labels of the actions of a batch, as packet comments, by the action's place in the batch.
#[derive(Debug, Default)]
pub(super) struct BatchLabels(VecDeque<(usize, String)>);

impl BatchLabels {
    /// Notes the label of the packet, if it has one, for the action at a place.
    pub(super) fn note(&mut self, place: usize, packet: &Packet<'_>) {
        let label = Label::of_comment(packet.comment);
        self.0.extend(label.map(|label| (place, label.to_string())));
    }

    /// Takes the comment of the action at a place; empty if it has none. Places are asked for in
    /// order.
    pub(super) fn take(&mut self, place: usize) -> String {
        let comment = self.0.pop_front_if(|(noted, _)| *noted == place);
        comment.map(|(_, comment)| comment).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use tracecodec::pcap::{Format, Label, Reader, Writer};
    use tracecodec::shard::{ShardManifest, Split};

    use crate::monitor::Silent;
    use crate::run::generator::sequences;
    use crate::run::{compile, decode, encode, generate, lift, roundtrip, shard};
    use crate::testing::data;

    const COMMENTS: [&str; 5] = ["7,web", "", "8,mail,d=e", "look, here", "7,web"];

    /// The example, with a comment on each packet in turn.
    fn commented(path: &Path) {
        let mut reader = Reader::open(data("example.pcap")).unwrap();
        let mut writer = Writer::create(path, Format::of_path(path)).unwrap();
        let mut comments = COMMENTS.into_iter().cycle();
        while let Some(packet) = reader.next() {
            let mut packet = packet.unwrap();
            packet.comment = comments.next().unwrap();
            writer.write(&packet).unwrap();
        }
        writer.finish().unwrap();
    }

    /// The label of each packet, as a packet comment.
    fn labels(path: &Path) -> Vec<String> {
        let mut reader = Reader::open(path).unwrap();
        let mut labels = Vec::new();
        while let Some(packet) = reader.next() {
            let label = Label::of_comment(packet.unwrap().comment);
            labels.push(label.map_or_else(String::new, |label| label.to_string()));
        }
        labels
    }

    fn assert_labelled(path: &Path) {
        let mut reader = Reader::open(path).unwrap();
        let mut expected = ["7,web", "", "8,mail", "", "7,web"].into_iter().cycle();
        while let Some(packet) = reader.next() {
            assert_eq!(packet.unwrap().comment, expected.next().unwrap());
        }
        assert_eq!(reader.packets(), 4000);
    }

    #[test]
    fn test_labels_survive_in_actions_in_latents_and_on_the_way() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        commented(&path("in.pcapng"));
        let lifting = lift::Config {
            inputs: vec![path("in.pcapng")],
            output: path("a.parquet"),
            ..lift::Config::default()
        };
        lift::run(&lifting, &mut Silent).unwrap();
        let compiling = compile::Config {
            input: path("a.parquet"),
            output: path("compiled.pcapng"),
            ..compile::Config::default()
        };
        compile::run(&compiling, &mut Silent).unwrap();
        assert_labelled(&path("compiled.pcapng"));
        for oracle in [true, false] {
            let config = roundtrip::Config {
                oracle,
                refine: false,
                ..roundtrip::Config::new(path("in.pcapng"), path("trip.pcapng"))
            };
            roundtrip::run(&config, &mut Silent).unwrap();
            assert_labelled(&path("trip.pcapng"));
        }
        let encoding = encode::Config {
            refine: false,
            ..encode::Config::new(path("in.pcapng"), path("z.safetensors"))
        };
        encode::run(&encoding, &mut Silent).unwrap();
        let decode = |input: PathBuf, output: &str| {
            let decoding = decode::Config {
                input,
                output: path(output),
                ..decode::Config::default()
            };
            decode::run(&decoding, &mut Silent).unwrap();
        };
        decode(path("z.safetensors"), "decoded.pcapng");
        assert_labelled(&path("decoded.pcapng"));
        decode(path("z.safetensors"), "decoded.parquet");
        let compiling = compile::Config {
            input: path("decoded.parquet"),
            ..compiling
        };
        compile::run(&compiling, &mut Silent).unwrap();
        assert_labelled(&path("compiled.pcapng"));

        let sharding = shard::Config {
            inputs: vec![path("in.pcapng")],
            output: path("shards"),
            ..shard::Config::default()
        };
        shard::run(&sharding, &mut Silent).unwrap();
        let sequences = sequences::Config {
            shards: vec![path("shards")],
            output: path("sequences"),
            ..sequences::Config::default()
        };
        sequences::run(&sequences, &mut Silent).unwrap();
        decode(path("sequences/train.safetensors"), "rows.pcapng");
        // Shards hold whole sessions, so that their packets have another order.
        let manifest = ShardManifest::read(path("shards/manifest.json")).unwrap();
        let mut expected = Vec::new();
        for shard in manifest
            .shards
            .iter()
            .filter(|shard| shard.split == Split::Train)
        {
            expected.extend(labels(&path("shards").join(&shard.file)));
        }
        assert!(expected.len() > 2_000);
        assert_eq!(labels(&path("rows.pcapng")), expected);
    }

    #[test]
    fn test_latents_and_generators_make_a_capture_a_session() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let encoding = encode::Config {
            refine: false,
            ..encode::Config::new(data("example.pcap"), path("z.safetensors"))
        };
        encode::run(&encoding, &mut Silent).unwrap();
        let decoding = decode::Config {
            input: path("z.safetensors"),
            output: path("decoded"),
            split_flows: true,
            ..decode::Config::default()
        };
        let decoded = decode::run(&decoding, &mut Silent).unwrap().packets;
        let generating = generate::Config {
            output: path("generated"),
            split_flows: true,
            packets: Some(500),
            ..generate::Config::default()
        };
        let generated = generate::run(&generating, &mut Silent).unwrap();
        for (name, expected) in [("decoded", decoded), ("generated", generated.packets)] {
            let files = std::fs::read_dir(path(name)).unwrap();
            let (mut captures, mut packets) = (0, 0);
            for file in files {
                let mut reader = Reader::open(file.unwrap().path()).unwrap();
                while reader.next().transpose().unwrap().is_some() {}
                captures += 1;
                packets += reader.packets();
            }
            assert!(captures > 10, "{name}: {captures}");
            assert_eq!(packets, expected, "{name}");
        }
    }
}
