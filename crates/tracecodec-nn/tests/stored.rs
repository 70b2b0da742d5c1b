//! Files of latents, and what is taken from their descriptions.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use tracecodec::action::float::Tick;
use tracecodec::action::{Action, OptionLayout, OptionProfiles, Proto};
use tracecodec::pcap::Timestamp;
use tracecodec::shard::Split;
use tracecodec_nn::generator::{
    Representation, SequencesWriter, Statistics, latents_and_steps, rows_of_packets,
};
use tracecodec_nn::latents::{self, LatentManifest};
use tracecodec_nn::{
    Codec, CodecConfig, Corrected, Error, Latents, ReadLatents, StoredLatents, Verdict,
};

const DIM: usize = 8;

/// A codec of fresh weights: it decodes any numbers to some packets.
fn codec(seed: u64) -> Codec {
    let config = CodecConfig {
        d_latent: DIM,
        d_model: 8,
        layers: 1,
        heads: 2,
        width: 16,
        encoder_blocks: 1,
        decoder_blocks: 1,
        ..CodecConfig::default()
    };
    Codec::new(&config, seed).unwrap()
}

fn actions(count: i64) -> Vec<Action> {
    let action = |i| Action {
        proto: Proto::Udp,
        delta_t: 1_000 * i,
        ttl_res: 64,
        ..Action::default()
    };
    (0..count).map(action).collect()
}

/// Two option layouts, one of them more than the codec's.
fn profiles() -> OptionProfiles {
    let mut profiles = OptionProfiles::new();
    profiles.intern(OptionLayout::of(&[2, 4, 5, 180]));
    profiles.freeze()
}

fn representation(codec: &Codec) -> Representation {
    Representation::Codec {
        model: "mine".to_string(),
        blake3: codec.digest(),
        d_latent: DIM,
        option_profiles: profiles().to_hex(),
    }
}

fn decoded(stored: &StoredLatents, codec: &Codec) -> Vec<Action> {
    let mut actions = Vec::new();
    let each = |batch: &[Action]| {
        actions.extend(batch);
        Ok::<(), Error>(())
    };
    stored.decode(codec, each).unwrap();
    actions
}

fn write_manifest(path: &Path, keys: Value) {
    fs::write(path, keys.to_string()).unwrap();
}

#[test]
fn test_another_name_decodes_like_the_file_that_was_encoded() {
    let folder = tempfile::tempdir().unwrap();
    let of = |name: &str| folder.path().join(name);
    let codec = codec(1);
    let encoded = codec.encoder(Tick::Microsecond).encode(&actions(20));
    let (first, mine) = (of("z.safetensors"), of("mine.safetensors"));
    latents::write(&first, &encoded, None).unwrap();
    latents::write(&mine, &encoded, None).unwrap();
    let manifest = json!({
        "format": LatentManifest::FORMAT, "version": 1, "model_blake3": codec.digest(),
        "epoch_ns": 5_000_000_000_i64, "tick": "microsecond", "option_profiles": profiles().to_hex(),
        "packets": 20,
    });
    write_manifest(&LatentManifest::path(&first), manifest);
    let read = |path: &Path, like: Option<&str>| {
        let how = ReadLatents {
            like: like.map(of),
            ..ReadLatents::default()
        };
        StoredLatents::read(path, &how, &codec)
    };
    let original = read(&first, None).unwrap();
    let without = read(&mine, None).unwrap();
    assert_eq!(without.epoch(), Timestamp(0));
    assert_eq!(without.option_profiles().to_hex(), [""; 0]);
    assert_ne!(decoded(&without, &codec), decoded(&original, &codec));
    for like in ["z.safetensors", "z.safetensors.json"] {
        let stored = read(&mine, Some(like)).unwrap();
        assert_eq!(stored.epoch(), Timestamp(5_000_000_000));
        assert_eq!(stored.option_profiles().to_hex(), profiles().to_hex());
        assert_eq!(decoded(&stored, &codec), decoded(&original, &codec));
    }
    // Another number of packets is no contradiction, but it is beside the file itself.
    let part = codec.encoder(Tick::Microsecond).encode(&actions(7));
    latents::write(&mine, &part, None).unwrap();
    assert_eq!(read(&mine, Some("z.safetensors")).unwrap().packets(), 7);
    latents::write(&first, &part, None).unwrap();
    let error = read(&first, None).unwrap_err().to_string();
    assert!(
        error.contains("7 packets, but its manifest says 20"),
        "{error}"
    );
    let error = read(&first, Some("mine.safetensors")).unwrap_err();
    assert!(
        error.to_string().contains("no manifest beside it"),
        "{error}"
    );
}

#[test]
fn test_rows_of_sequences_decode_with_their_times() {
    let folder = tempfile::tempdir().unwrap();
    let codec = codec(1);
    let mut writer = SequencesWriter::create(folder.path(), DIM + 1).unwrap();
    let sequences = [actions(9), actions(5)];
    let mut expected = Vec::new();
    for (i, actions) in sequences.iter().enumerate() {
        let encoded = codec.encode(actions);
        let rows = rows_of_packets(&encoded, actions);
        writer.begin(Split::Test, &format!("{i}.pcap"), None);
        writer.push(&rows).unwrap();
        // Each sequence is decoded by itself.
        let (latents, steps) = latents_and_steps(&rows, DIM + 1);
        let mut decoded = codec.decode(&latents);
        let times = decoded.iter_mut().zip(steps);
        times.for_each(|(action, step)| action.delta_t = step);
        expected.extend(decoded);
    }
    writer.finish(&representation(&codec)).unwrap();
    let path = folder.path().join("test.safetensors");
    let read = |path: &Path, how| StoredLatents::read(path, &how, &codec);
    let stored = read(&path, ReadLatents::default()).unwrap();
    assert_eq!(stored.packets(), 14);
    assert_eq!(stored.option_profiles().to_hex(), profiles().to_hex());
    let decoded_rows = decoded(&stored, &codec);
    assert_eq!(decoded_rows, expected);
    for (action, original) in decoded_rows.iter().zip(sequences.iter().flatten()) {
        let off = (action.delta_t - original.delta_t).abs();
        assert!(off <= 1, "{} {}", action.delta_t, original.delta_t);
    }
    // Another file, of rows on the scale of a model.
    let mine = tempfile::tempdir().unwrap();
    let elsewhere = mine.path().join("mine.safetensors");
    let manifest = tracecodec_nn::generator::Sequences::open(folder.path()).unwrap();
    let Statistics { mean, .. } = manifest.manifest().statistics.clone();
    let normal = Latents {
        mu: vec![0.0; DIM + 1],
        log_var: vec![0.0; DIM + 1],
        dim: DIM + 1,
    };
    latents::write(&elsewhere, &normal, None).unwrap();
    let how = |like: Option<&Path>| ReadLatents {
        like: like.map(Path::to_path_buf),
        normalised: true,
        ..ReadLatents::default()
    };
    let restored = read(&elsewhere, how(Some(folder.path()))).unwrap();
    let (latents, _) = latents_and_steps(&mean, DIM + 1);
    assert_eq!(
        decoded(&restored, &codec)[0].ttl_res,
        codec.decode(&latents)[0].ttl_res
    );
    let error = read(&elsewhere, how(None)).unwrap_err().to_string();
    assert!(error.contains("no description of sequences"), "{error}");
}

#[test]
fn test_what_the_codec_did_not_make_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("z.safetensors");
    let codec = codec(1);
    let write = |dim: usize| {
        let latents = Latents {
            mu: vec![0.5; 2 * dim],
            log_var: vec![0.0; 2 * dim],
            dim,
        };
        latents::write(&path, &latents, None).unwrap();
    };
    let error = || {
        let read = StoredLatents::read(&path, &ReadLatents::default(), &codec);
        read.unwrap_err().to_string()
    };
    write(DIM + 2);
    let dimensions = error();
    assert!(
        dimensions.contains("10 dimensions, but the codec has 8, or 9 with a time channel"),
        "{dimensions}"
    );
    write(DIM);
    let description = LatentManifest::path(&path);
    let keys = json!({"format": LatentManifest::FORMAT, "version": 1, "model_blake3": "ab"});
    write_manifest(&description, keys);
    assert!(error().ends_with("encoded by another codec"));
    fs::remove_file(&description).unwrap();
    let mut writer = SequencesWriter::create(folder.path(), DIM).unwrap();
    writer.begin(Split::Train, "a.pcap", None);
    writer.push(&[0.0; DIM]).unwrap();
    let baseline = Representation::Baseline {
        model: "tvae".to_string(),
        blake3: "ab".to_string(),
        d_latent: DIM,
    };
    writer.finish(&baseline).unwrap();
    assert!(error().contains("rows of tvae"));
}

#[test]
fn test_verdict_follows_the_share_of_corrected_packets() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("z.safetensors");
    let codec = codec(1);
    let encoded = codec.encode(&actions(100));
    latents::write(&path, &encoded, None).unwrap();
    let verdict = |flows| {
        let stored = StoredLatents::read(&path, &ReadLatents::default(), &codec).unwrap();
        stored.verdict(Corrected {
            flows,
            acknowledgments: 99,
        })
    };
    assert_eq!(verdict(10), Verdict::Consistent);
    assert_eq!(verdict(11), Verdict::Inconsistent);
    let keys =
        json!({"format": LatentManifest::FORMAT, "version": 1, "model_blake3": codec.digest()});
    write_manifest(&LatentManifest::path(&path), keys);
    assert_eq!(verdict(11), Verdict::InconsistentOfThisCodec);
    assert!(verdict(10).explain().is_none() && verdict(11).explain().is_some());
}
