//! The codec and its training through the public API: tiny networks, made-up actions.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use tracecodec::action::context::Contexts;
use tracecodec::action::float::Tick;
use tracecodec::action::schema::{FIELDS, Group};
use tracecodec::action::{
    AckReference, Action, ActionSchema, Control, Direction, FlowEvent, OptionLayout,
    OptionProfiles, Proto, SCHEMA_VERSION,
};
use tracecodec::artifact::ActionsWriter;
use tracecodec::compile::{CompileConfig, Compiler};
use tracecodec::lift::{LiftCounts, Lifter};
use tracecodec::pcap::Timestamp;
use tracecodec::tcp::flags;
use tracecodec_nn::codec::training::{self, Data, Rows, Validation};
use tracecodec_nn::codec::{AckBase, ContextSource};
use tracecodec_nn::train::{Progress, Report, Session};
use tracecodec_nn::{
    Accuracy, Codec, CodecConfig, CodecSettings, Constraints, Corrected, EncoderKind, Error,
    Precision, ProbeConfig, RefineConfig, TokenLayout, TrainConfig, probe,
};

/// Actions of a few flows that take turns, of all four protocols: enough structure to learn in
/// seconds.
fn actions(count: u64) -> Vec<Action> {
    let mut contexts = Contexts::default();
    (0..count)
        .map(|i| {
            let flow = [0, 1, 2, 3, 3, 2, 1][(i % 7) as usize];
            let proto = [Proto::Tcp, Proto::Udp, Proto::Icmp, Proto::Other];
            let proto = proto[flow];
            Action {
                flow_token: flow as u32,
                flow_evt: match i < 4 {
                    true => FlowEvent::Open,
                    false => FlowEvent::Continue,
                },
                proto,
                tcp_win: 0x100 * (1 + flow as u16),
                ttl_res: 64 - flow as u8,
                l4_payload_len: 100 * (i % 3) as u32,
                ip_proto: 47,
                icmp_type: 8,
                delta_t: 1000 << (i % 5),
                ..Action::default()
            }
            .without_inactive()
        })
        .map(|action| Action {
            context: contexts.next(&action),
            ..action
        })
        .collect()
}

fn profiles() -> OptionProfiles {
    let mut profiles = OptionProfiles::new();
    profiles.intern(OptionLayout::of(&[2, 4, 5, 180]));
    profiles.freeze()
}

fn data() -> Data {
    Data::new(actions(100), actions(64), profiles())
}

fn tiny(encoder: EncoderKind, tokens: TokenLayout) -> CodecConfig {
    CodecConfig {
        d_latent: 8,
        encoder,
        tokens,
        d_model: 8,
        layers: 1,
        heads: 2,
        width: 16,
        encoder_blocks: 1,
        decoder_blocks: 1,
        time_digits: 2,
        ..CodecConfig::default()
    }
}

fn variants() -> [CodecConfig; 5] {
    let plain = tiny(EncoderKind::ResidualMlp, TokenLayout::Group);
    [
        CodecConfig {
            context: ContextSource::Latent,
            omit: ["tcp_win", "ctx_gap_b"].map(String::from).to_vec(),
            ..plain.clone()
        },
        CodecConfig {
            ack: AckBase::LastAck,
            ..plain.clone()
        },
        plain,
        tiny(EncoderKind::Transformer, TokenLayout::Group),
        tiny(EncoderKind::Transformer, TokenLayout::Field),
    ]
}

fn settings() -> TrainConfig {
    TrainConfig {
        steps: 6,
        batch: 32,
        micro_batch: 8,
        validations: 2,
        validation_packets: 64,
        ..TrainConfig::default()
    }
}

fn go_on(_: &Progress<'_, Validation>) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

fn train(
    config: &TrainConfig,
    shape: &CodecConfig,
    data: &Data,
    folder: &Path,
    resume: bool,
    progress: impl FnMut(&Progress<'_, Validation>) -> ControlFlow<()>,
) -> Result<(Codec, Report<Validation>), Error> {
    let session = Session {
        resume,
        ..Session::new(folder)
    };
    training::train(&with_shape(config, shape), data, &session, progress)
}

fn with_shape(config: &TrainConfig, shape: &CodecConfig) -> CodecSettings {
    CodecSettings {
        model: shape.clone(),
        train: config.clone(),
    }
}

fn run(config: &TrainConfig, shape: &CodecConfig, directory: &Path) -> (Codec, Report<Validation>) {
    train(config, shape, &data(), directory, false, go_on).unwrap()
}

#[test]
fn test_shapes_of_every_variant() {
    for shape in variants() {
        let codec = Codec::new(&shape, 1).unwrap();
        let latents = codec.encode(&actions(300));
        assert_eq!((latents.packets(), latents.dim), (300, 8));
        assert_eq!(latents.mu.len(), latents.log_var.len());
        assert_eq!(codec.decode(&latents.mu).len(), 300);
        assert_eq!(codec.encode(&[]).packets(), 0);
        assert!(codec.decode(&[]).is_empty());
    }
}

#[test]
fn test_any_latent_decodes_to_a_legal_action() {
    let codec = Codec::new(&variants()[0], 1).unwrap();
    let z = [f32::NAN, f32::INFINITY, -1e30, 0.0, 1e30, -0.0, 5.0, -5.0];
    for action in codec.decode(&z) {
        assert_eq!(action, action.without_inactive());
        assert_eq!(
            Action::from_field_values(&action.field_values(), action.delta_t),
            action
        );
    }
}

#[test]
fn test_decoded_packets_belong_to_flows_that_are_open() {
    let codec = Codec::new(&tiny(EncoderKind::ResidualMlp, TokenLayout::Group), 1).unwrap();
    let z: Vec<f32> = (0..8 * 2_000).map(|i| 40.0 * (i as f32).sin()).collect();
    let mut open = std::collections::HashMap::new();
    let (mut continued, mut opened) = (0, 0);
    for action in codec.decode(&z) {
        let kind = (action.proto, action.ip_family);
        match action.flow_evt {
            FlowEvent::Open => {
                assert_eq!(action.dir, Direction::Orig);
                open.insert(action.flow_token, kind);
                opened += 1;
            }
            FlowEvent::Continue | FlowEvent::Reopen => {
                assert_eq!(open.get(&action.flow_token), Some(&kind), "{action:?}");
                continued += 1;
            }
        }
    }
    assert!(continued > 100 && opened > 3, "{continued} {opened}");
}

/// Acknowledgments that lie beyond what the peer had sent, in the capture that actions compile to.
fn acknowledged_too_much(actions: &[Action]) -> usize {
    let profiles = profiles();
    let mut compiler = Compiler::new(CompileConfig::default(), Timestamp(0));
    let mut lifter = Lifter::new(ActionSchema::default(), 1 << 16, OptionProfiles::new());
    let mut sent = std::collections::HashSet::new();
    let mut beyond = 0;
    for action in actions {
        let packet = compiler.compile(action, &profiles);
        let action = lifter.lift(&packet).unwrap();
        let (slot, dir) = (action.flow_token, action.role());
        if action.flow_evt != FlowEvent::Continue {
            sent.retain(|&(other, _)| other != slot);
        }
        if action.proto != Proto::Tcp {
            continue;
        }
        let acknowledges = flags::of(&action) & flags::ACK != 0;
        if acknowledges && sent.contains(&(slot, dir.reverse())) {
            beyond += usize::from(action.tcp_ack_adv > i32::MAX as u32);
        }
        sent.insert((slot, dir));
    }
    beyond
}

#[test]
fn test_strict_decoding_acknowledges_only_what_was_sent() {
    let z: Vec<f32> = (0..8 * 1_500).map(|i| 40.0 * (i as f32).sin()).collect();
    for ack in [AckBase::PeerNext, AckBase::LastAck] {
        let shape = CodecConfig {
            ack,
            ..tiny(EncoderKind::ResidualMlp, TokenLayout::Group)
        };
        // Random weights of which many acknowledge what was never sent.
        let mut codecs = (1..20).map(|seed| Codec::new(&shape, seed).unwrap());
        let codec = codecs.find(|codec| acknowledged_too_much(&codec.decode(&z)) > 100);
        let codec = codec.unwrap().with_constraints(Constraints::Strict);
        let strict = codec.decode(&z);
        assert_eq!(acknowledged_too_much(&strict), 0);

        let codec = codec.with_threads(3);
        let mut decoder = codec.decoder(Tick::Nanosecond);
        let mut pieces = Vec::new();
        for piece in z.chunks(8 * 7) {
            pieces.extend(decoder.decode(piece));
        }
        assert_eq!(pieces, strict);
        assert!(decoder.corrected().acknowledgments > 100);
    }
}

#[test]
fn test_strict_decoding_leaves_what_agrees() {
    let codec = Codec::embedded();
    let actions = connection();
    let refined = codec.encode_refined(&actions, RefineConfig::default());
    assert_eq!(refined.left, 0);
    let codec = codec.with_constraints(Constraints::Strict);
    let mut decoder = codec.decoder(Tick::Nanosecond);
    assert_eq!(decoder.decode(&refined.latents.mu), refined.decoded);
    assert_eq!(decoder.corrected(), Corrected::default());
    // A capture that misses packets decodes from the encoder's latents, strict or not.
    let missed = pieces_of_a_connection();
    let refined = codec.encode_refined(&missed, RefineConfig::default());
    assert_eq!(
        refined,
        Codec::embedded().encode_refined(&missed, RefineConfig::default())
    );
}

/// A connection from its SYN on, in which one segment is acknowledged late.
fn connection() -> Vec<Action> {
    use Direction::{Orig, Resp};
    let segment = |tcp_ctrl, dir, l4_payload_len, tcp_ack_adv| Action {
        tcp_ctrl,
        dir,
        l4_payload_len,
        tcp_ack_adv,
        tcp_win: 501,
        ttl_res: 64,
        delta_t: 1_000_000,
        ..Action::default()
    };
    let syn = Action {
        flow_evt: FlowEvent::Open,
        tcp_ack_unseen: AckReference::Zero,
        ..segment(Control::Syn, Orig, 0, 0)
    };
    let mut contexts = Contexts::default();
    let actions = [
        syn,
        segment(Control::SynAck, Resp, 0, 0),
        segment(Control::Ack, Orig, 0, 0),
        segment(Control::Ack, Orig, 1_000, 0),
        segment(Control::Ack, Orig, 1_000, 0),
        segment(Control::Ack, Resp, 0, 1_000),
        segment(Control::Ack, Resp, 300, 0),
        segment(Control::Fin, Orig, 0, 0),
    ];
    let actions = actions.map(|action| Action {
        context: contexts.next(&action),
        ..action
    });
    actions.to_vec()
}

#[test]
fn test_results_do_not_depend_on_pieces_or_threads() {
    let actions = actions(600);
    for shape in variants() {
        let codec = Codec::new(&shape, 1).unwrap().with_threads(2);
        let whole = codec.encode(&actions);
        let decoded = codec.decode(&whole.mu);
        let codec = codec.with_threads(3);
        assert_eq!(codec.decode(&whole.mu), decoded);
        let codec = codec.with_threads(1);
        let mut encoder = codec.encoder(Tick::Nanosecond);
        let mut decoder = codec.decoder(Tick::Nanosecond);
        let (mut mu, mut pieces) = (Vec::new(), Vec::new());
        for piece in actions.chunks(7) {
            let latents = encoder.encode(piece);
            pieces.extend(decoder.decode(&latents.mu));
            mu.extend(latents.mu);
        }
        assert_eq!((mu, pieces), (whole.mu, decoded), "{shape:?}");
    }
}

#[test]
fn test_context_of_the_latent_needs_no_company() {
    let shape = CodecConfig {
        context: ContextSource::Latent,
        ..tiny(EncoderKind::ResidualMlp, TokenLayout::Group)
    };
    let codec = Codec::new(&shape, 1).unwrap();
    let latents = codec.encode(&actions(600));
    let one = &latents.mu[301 * 8..302 * 8];
    assert_eq!(codec.decode(one), codec.decode(&latents.mu)[301..302]);
}

/// Names and bytes of the files in a folder.
fn contents(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut files: Vec<_> = entries
        .map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_string();
            (name, std::fs::read(path).unwrap())
        })
        .collect();
    files.sort();
    files
}

#[test]
fn test_interrupted_training_goes_on_to_the_same_bytes() {
    let shape = &variants()[0];
    let config = TrainConfig {
        steps: 12,
        validations: 4,
        ..settings()
    };
    let whole = tempfile::tempdir().unwrap();
    let (_, report) = run(&config, shape, whole.path());
    let data = data();
    // Before the first validation, at one, between two, and at the end.
    for stops in [vec![1], vec![3], vec![2, 7, 8], vec![12]] {
        let parts = tempfile::tempdir().unwrap();
        let mut resume = false;
        for &stop in &stops {
            let stopped =
                train(
                    &config,
                    shape,
                    &data,
                    parts.path(),
                    resume,
                    |progress| match progress.step == stop {
                        true => ControlFlow::Break(()),
                        false => ControlFlow::Continue(()),
                    },
                );
            assert!(matches!(stopped, Err(Error::Interrupted(step)) if step == stop));
            resume = true;
        }
        let (_, resumed) = train(&config, shape, &data, parts.path(), true, go_on).unwrap();
        assert_eq!(resumed.validations, report.validations);
        assert_eq!(contents(parts.path()), contents(whole.path()), "{stops:?}");
    }
}

/// Writes actions into a file.
fn file(path: PathBuf, actions: &[Action]) -> Rows {
    let mut writer = ActionsWriter::create(&path, ActionSchema::default()).unwrap();
    for action in actions {
        writer.write(action).unwrap();
    }
    let counts = LiftCounts::default();
    writer.finish(None, &profiles(), &counts).unwrap();
    Rows::all(path).unwrap()
}

#[test]
fn test_files_and_memory_give_the_same_bytes() {
    let shape = &variants()[0];
    let config = TrainConfig {
        steps: 200,
        shuffle_pool: 4096,
        ..settings()
    };
    let all = actions(5000);
    let (training, validation) = all.split_at(4600);
    let folder = tempfile::tempdir().unwrap();
    let files = [&all[..2300], &all[2300..]].map(<[Action]>::to_vec);
    let first = file(folder.path().join("first"), &files[0]);
    let (second, last) = file(folder.path().join("second"), &files[1]).split_last(400);
    let sources = [
        Data::new(training.to_vec(), validation.to_vec(), profiles()),
        Data::open(&[first, second], &[last]).unwrap(),
    ];
    let [memory, files] = sources.map(|data| {
        let directory = tempfile::tempdir().unwrap();
        train(&config, shape, &data, directory.path(), false, go_on).unwrap();
        contents(directory.path())
    });
    assert_eq!(memory, files);
}

#[test]
fn test_file_that_vanishes_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("actions");
    let rows = file(path.clone(), &actions(5000));
    let (training, validation) = rows.split_last(10);
    let data = Data::open(&[training], &[validation]).unwrap();
    let config = TrainConfig {
        steps: 1000,
        shuffle_pool: 1,
        ..settings()
    };
    let remove = |_: &Progress<'_, Validation>| {
        let _ = std::fs::remove_file(&path);
        ControlFlow::Continue(())
    };
    let error = train(&config, &variants()[0], &data, folder.path(), false, remove).unwrap_err();
    assert!(matches!(error, Error::Trace(_)), "{error}");
    assert!(error.to_string().contains("actions"), "{error}");
}

#[test]
fn test_checkpoint_of_another_training_is_refused() {
    let shape = &variants()[0];
    let directory = tempfile::tempdir().unwrap();
    let data = data();
    let stop = |progress: &Progress<'_, Validation>| {
        if progress.step > 0 {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    };
    train(&settings(), shape, &data, directory.path(), false, stop).unwrap_err();
    let other = TrainConfig {
        seed: 99,
        ..settings()
    };
    let error = train(&other, shape, &data, directory.path(), true, go_on).unwrap_err();
    assert!(matches!(error, Error::OtherRun(_)), "{error}");
    let less = Data::new(actions(99), actions(64), profiles());
    let error = train(&settings(), shape, &less, directory.path(), true, go_on).unwrap_err();
    assert!(matches!(error, Error::OtherRun(_)), "{error}");
    let path = directory.path().join("checkpoint.safetensors");
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    let error = train(&settings(), shape, &data, directory.path(), true, go_on).unwrap_err();
    assert!(matches!(error, Error::Format { .. }), "{error}");
}

#[test]
fn test_training_does_not_depend_on_threads() {
    for shape in variants() {
        let weights: Vec<Vec<u8>> = [1, 2, 2]
            .map(|threads| {
                let directory = tempfile::tempdir().unwrap();
                let session = Session {
                    threads: Some(threads),
                    ..Session::new(directory.path())
                };
                let settings = with_shape(&settings(), &shape);
                training::train(&settings, &data(), &session, go_on).unwrap();
                [
                    "weights.safetensors",
                    "model.json",
                    "history.jsonl",
                    "manifest.json",
                ]
                .iter()
                .flat_map(|name| std::fs::read(directory.path().join(name)).unwrap())
                .collect()
            })
            .to_vec();
        assert_eq!(weights[0], weights[1], "one thread and two");
        assert_eq!(weights[1], weights[2], "two runs");
    }
}

#[test]
fn test_training_learns() {
    let directory = tempfile::tempdir().unwrap();
    let config = TrainConfig {
        steps: 300,
        learning_rate: 1e-2,
        augmentation: serde_json::from_str(r#"{"packets": 0.0}"#).unwrap(),
        ..settings()
    };
    let shape = CodecConfig {
        d_latent: 16,
        width: 64,
        ..tiny(EncoderKind::ResidualMlp, TokenLayout::Group)
    };
    let (codec, report) = run(&config, &shape, directory.path());
    let actions = actions(64);
    let decoded = codec.decode(&codec.encode(&actions).mu);
    let accuracy = Accuracy::new(&actions, &decoded);
    assert!(accuracy.mean() > 0.99, "{report:?}");
    assert_eq!(report.best.accuracy, accuracy.mean());
    assert_eq!(accuracy.fields.len(), FIELDS.len());
}

#[test]
fn test_checkpoint_round_trip() {
    let directory = tempfile::tempdir().unwrap();
    let (codec, _) = run(&settings(), &variants()[1], directory.path());
    let back = Codec::load(directory.path()).unwrap();
    assert_eq!(back.config(), codec.config());
    assert_eq!(back.option_profiles().to_hex(), profiles().to_hex());
    assert_eq!(back.encode(&actions(9)), codec.encode(&actions(9)));
    let history = std::fs::read_to_string(directory.path().join("history.jsonl")).unwrap();
    assert_eq!(history.lines().count(), 2);
    let manifest = std::fs::read_to_string(directory.path().join("manifest.json")).unwrap();
    let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
    assert_eq!(manifest["training_packets"], 100);
    assert_eq!(manifest["option_profiles"][0], "020405b4");
}

#[test]
fn test_half_precision_is_half_as_large() {
    let directory = tempfile::tempdir().unwrap();
    let codec = Codec::new(&variants()[0], 1).unwrap();
    let path = directory.path().join("weights.safetensors");
    codec.save(directory.path(), Precision::Full).unwrap();
    let full = std::fs::metadata(&path).unwrap().len();
    codec.save(directory.path(), Precision::Half).unwrap();
    assert!(std::fs::metadata(&path).unwrap().len() < full * 6 / 10);
    let back = Codec::load(directory.path()).unwrap();
    let (a, b) = (codec.encode(&actions(9)), back.encode(&actions(9)));
    let farthest =
        a.mu.iter()
            .zip(b.mu)
            .map(|(a, b)| (a - b).abs())
            .fold(0.0, f32::max);
    assert!(farthest > 0.0 && farthest < 0.01, "{farthest}");
}

#[test]
fn test_embedded_model() {
    let codec = Codec::embedded();
    let actions = actions(64);
    let decoded = codec.decode(&codec.encode(&actions).mu);
    let accuracy = Accuracy::new(&actions, &decoded);
    assert!(accuracy.mean() > 0.9, "{accuracy:?}");
}

#[test]
fn test_one_wrong_latent_does_not_put_off_those_after_it() {
    let codec = Codec::embedded();
    let clean = codec.encode(&actions(400)).mu;
    let right = codec.decode(&clean);
    let dim = codec.config().d_latent;
    for row in 0..40 {
        let mut z = clean.clone();
        for (i, value) in z[row * dim..(row + 1) * dim].iter_mut().enumerate() {
            *value = ((7 * row + i) as f32).sin();
        }
        let decoded = codec.decode(&z);
        let flow = |action: &Action| (action.flow_token, action.proto);
        let wrong = (right.iter().zip(&decoded)).filter(|(a, b)| flow(a) != flow(b));
        assert!(wrong.count() < 40, "row {row}");
    }
}

/// Ordinary packets, every third with values that the embedded model has seldom or never seen.
fn odd_actions() -> Vec<Action> {
    let mut actions = actions(90);
    for (i, action) in actions.iter_mut().enumerate().step_by(3) {
        action.ttl_res = 201;
        action.ip_tos = 0x5b;
        action.tcp_win = 0x9c3f - i as u16;
        action.tcp_seq_delta = 0xdead;
        *action = action.without_inactive();
    }
    actions
}

#[test]
fn test_refinement_brings_odd_packets_back() {
    let codec = Codec::embedded();
    let actions = odd_actions();
    let refined = codec.encode_refined(&actions, RefineConfig::default());
    assert!(refined.moved >= 3, "{}", refined.moved);
    assert_eq!(refined.left, 0);
    assert_eq!(Accuracy::new(&actions, &refined.decoded).exact, 90);
    assert!(Accuracy::new(&actions, &refined.before).exact < 90);
    // The latents alone decode to the same.
    assert_eq!(codec.decode(&refined.latents.mu), refined.decoded);
    let plain = codec.encode(&actions);
    assert_eq!(refined.latents.log_var, plain.log_var);
    assert_eq!(refined.before, codec.decode(&plain.mu));
    // A packet that decodes from its mean is not touched.
    let untouched = refined
        .latents
        .mu
        .chunks(plain.dim)
        .zip(plain.mu.chunks(plain.dim));
    let untouched = untouched
        .filter(|(refined, plain)| refined == plain)
        .count();
    assert_eq!(untouched as u64, 90 - refined.moved);
}

/// A connection of which only pieces were captured: after minutes of silence, both sides' numbers
/// have advanced by megabytes.
fn pieces_of_a_connection() -> Vec<Action> {
    let mut contexts = Contexts::default();
    let first = Action {
        flow_evt: FlowEvent::Open,
        tcp_ack_unseen: AckReference::PeerUnseen,
        tcp_win: 10_045,
        ttl_res: 110,
        l4_payload_len: 1_452,
        ..Action::default()
    };
    let after = |seconds: i64, tcp_seq_delta, acked: u32, ttl_res| Action {
        delta_t: seconds * 1_000_000_000,
        flow_evt: FlowEvent::Continue,
        tcp_ack_unseen: AckReference::PeerNext,
        tcp_ack_adv: acked.wrapping_neg(),
        tcp_seq_delta,
        ttl_res,
        ..first
    };
    let actions = [
        first,
        after(61, 10_304, 91_197, 188),
        after(1_637, 1_230_592, 10_866_722, 182),
        after(126, 92_736, 819_336, 195),
        after(686, 515_200, 4_546_896, 128),
        after(397, 295_872, 2_608_617, 109),
        after(1_606, 1_204_096, 10_615_418, 158),
    ];
    let actions = actions.map(|action| Action {
        context: contexts.next(&action),
        ..action
    });
    actions.to_vec()
}

#[test]
fn test_refinement_of_rare_values_in_number() {
    let actions = pieces_of_a_connection();
    let refined = Codec::embedded().encode_refined(&actions, RefineConfig::default());
    assert!(refined.left < 5, "{}", refined.left);
    // Of a packet that does not come back whole, at least the symbols come back that other packets
    // depend on.
    for (action, decoded) in actions.iter().zip(&refined.decoded) {
        let off = (action.delta_t - decoded.delta_t).abs();
        assert!(off <= action.delta_t >> 8, "{action:?}: {decoded:?}");
        assert_eq!(action.l4_payload_len, decoded.l4_payload_len);
    }
}

#[test]
fn test_refinement_does_not_depend_on_pieces_or_threads() {
    let mut actions = odd_actions();
    // Openings are computed apart from the other packets of a piece.
    for (slot, action) in actions.iter_mut().enumerate().step_by(4) {
        action.flow_evt = FlowEvent::Open;
        (action.host_evt, action.orig_host) = (1, 0x1234 + slot as u16);
        action.resp_port = 0x55 * slot as u16;
        *action = action.without_inactive();
    }
    let config = RefineConfig::default();
    let codec = Codec::embedded().with_threads(1);
    let whole = codec.encode_refined(&actions, config);
    let mut encoder = codec.encoder(Tick::Nanosecond);
    let (mut mu, mut decoded) = (Vec::new(), Vec::new());
    for piece in actions.chunks(7) {
        let refined = encoder.encode_refined(piece, config, &mut || Ok(()));
        let refined = refined.unwrap();
        mu.extend(refined.latents.mu);
        decoded.extend(refined.decoded);
    }
    assert_eq!((&mu, &decoded), (&whole.latents.mu, &whole.decoded));
    let codec = codec.with_threads(3);
    assert_eq!(codec.encode_refined(&actions, config), whole);
}

#[test]
fn test_refinement_hears_a_stop() {
    let codec = Codec::new(&variants()[0], 1).unwrap().with_threads(2);
    let mut asked = 0;
    let mut ask = || {
        asked += 1;
        if asked < 5 {
            Ok(())
        } else {
            Err(Error::Stopped)
        }
    };
    let mut encoder = codec.encoder(Tick::Nanosecond);
    let stopped = encoder.encode_refined(&actions(20), RefineConfig::default(), &mut ask);
    assert!(matches!(stopped, Err(Error::Stopped)));
    assert_eq!(asked, 5);
}

#[test]
fn test_refinement_that_fails_keeps_the_closest() {
    let codec = Codec::new(&variants()[0], 1).unwrap();
    let config = RefineConfig {
        steps: 3,
        ..RefineConfig::default()
    };
    let actions = actions(20);
    let refined = codec.encode_refined(&actions, config);
    assert!(refined.left > 0);
    assert_eq!(codec.decode(&refined.latents.mu), refined.decoded);
    // Coarse fields come first: later packets depend on them.
    let accuracy = |decoded: &[Action]| Accuracy::new(&actions, decoded).group(Group::Coarse);
    assert!(accuracy(&refined.decoded) >= accuracy(&refined.before));
}

/// Saves a fresh codec, damages one file, and returns the error of loading it.
fn spoiled(file: &str, spoil: impl Fn(Vec<u8>) -> Vec<u8>) -> Error {
    let directory = tempfile::tempdir().unwrap();
    Codec::new(&variants()[0], 1)
        .unwrap()
        .save(directory.path(), Precision::Full)
        .unwrap();
    let path = directory.path().join(file);
    std::fs::write(&path, spoil(std::fs::read(&path).unwrap())).unwrap();
    Codec::load(directory.path()).unwrap_err()
}

fn replace(from: &str, to: &str) -> impl Fn(Vec<u8>) -> Vec<u8> {
    move |bytes| {
        let text = String::from_utf8(bytes).unwrap();
        assert!(text.contains(from));
        text.replace(from, to).into_bytes()
    }
}

#[test]
fn test_bad_checkpoints_are_clear_errors() {
    let version = format!("\"schema_version\": {SCHEMA_VERSION}");
    let error = spoiled("model.json", replace(&version, "\"schema_version\": 999"));
    assert!(
        matches!(error, Error::SchemaVersion { found: 999, .. }),
        "{error}"
    );
    assert!(error.hint().is_some());
    let error = spoiled("weights.safetensors", |bytes| {
        bytes[..bytes.len() / 2].to_vec()
    });
    assert!(matches!(error, Error::Format { .. }), "{error}");
    let error = spoiled("weights.safetensors", |_| Vec::new());
    assert!(matches!(error, Error::Format { .. }), "{error}");
    let error = spoiled("model.json", |bytes| bytes[..bytes.len() / 2].to_vec());
    assert!(matches!(error, Error::Format { .. }), "{error}");
    let error = spoiled("model.json", replace("\"width\": 16", "\"width\": 32"));
    assert!(matches!(error, Error::Tensor { .. }), "{error}");
    let error = spoiled("model.json", replace("\"heads\": 2", "\"heads\": 0"));
    assert!(
        matches!(error, Error::Config { name: "heads", .. }),
        "{error}"
    );
    let error = spoiled("weights.safetensors", |mut bytes| {
        *bytes.last_mut().unwrap() ^= 1;
        bytes
    });
    assert!(matches!(error, Error::Digest { .. }), "{error}");
    let error = Codec::load(Path::new("/nonexistent")).unwrap_err();
    assert!(matches!(error, Error::NoModel { .. }), "{error}");
    let generator = concat!(env!("CARGO_MANIFEST_DIR"), "/built-in/generator");
    let error = Codec::load(Path::new(generator)).unwrap_err();
    assert!(matches!(error, Error::OtherKind { .. }), "{error}");
}

#[test]
fn test_bad_settings_are_clear_errors() {
    let directory = tempfile::tempdir().unwrap();
    let data = Data::new(Vec::new(), actions(64), profiles());
    let shape = &variants()[0];
    let error = train(&settings(), shape, &data, directory.path(), false, go_on).unwrap_err();
    assert!(matches!(error, Error::NoData("training")), "{error}");
    let config = TrainConfig {
        micro_batch: 7,
        ..settings()
    };
    let error = train(&config, shape, &data, directory.path(), false, go_on).unwrap_err();
    assert!(
        matches!(error, Error::Config { name: "batch", .. }),
        "{error}"
    );
    let config = TrainConfig {
        shuffle_pool: 0,
        ..settings()
    };
    let error = train(&config, shape, &data, directory.path(), false, go_on).unwrap_err();
    assert!(error.to_string().contains("shuffle_pool = 0"), "{error}");
}

#[test]
fn test_probe_of_the_embedded_model() {
    let codec = Codec::embedded();
    let config = ProbeConfig {
        packets: 128,
        seed: 1,
    };
    let trace = actions(400);
    let mut parts = 0;
    let count = || {
        parts += 1;
        ControlFlow::Continue(())
    };
    let found = probe(&codec, &trace, config, count).unwrap();
    assert_eq!(found.packets, 128);
    assert_eq!(parts, probe::PARTS + codec.config().d_latent);

    // Without noise the packets decode as from the means; with noise, fields are lost.
    let fields: Vec<f64> = found.noise.iter().map(|noise| noise.fields).collect();
    assert!(fields[0] > 0.9 && fields[4] < fields[0], "{fields:?}");

    for pairs in [&found.neighbours, &found.random_pairs] {
        let [first, middle, last] = [0, 4, 8].map(|i| pairs.points[i]);
        assert_eq!((first.packets, last.packets), (Some(1.0), Some(1.0)));
        assert!(middle.fields < Some(1.0) && middle.fields > Some(0.3));
        assert!(pairs.changes >= Some(1.0) && pairs.changes <= Some(8.0));
    }
    assert!(found.neighbours.distance < found.random_pairs.distance);

    let nats: f64 = found.dimensions.iter().map(|d| d.kl_nats).sum();
    assert!((nats - found.kl_nats).abs() < 1e-6 * nats);
    assert!(found.dimensions[0].kl_nats >= found.dimensions[1].kl_nats);
    let changes = |step: usize| -> f64 {
        let moves = found.dimensions.iter().map(|d| &d.moves[step]);
        moves.flat_map(|moved| moved.changed.values()).sum()
    };
    assert!(0.0 < changes(0) && changes(0) < changes(1));
}

#[test]
fn test_probe_does_not_depend_on_threads_but_on_the_seed() {
    for shape in variants() {
        let trace = actions(150);
        let measure = |threads, seed| {
            let codec = Codec::new(&shape, 3).unwrap().with_threads(threads);
            let config = ProbeConfig { packets: 70, seed };
            probe(&codec, &trace, config, || ControlFlow::Continue(())).unwrap()
        };
        assert_eq!(measure(1, 5), measure(3, 5));
        assert_ne!(measure(1, 5).random_pairs, measure(1, 6).random_pairs);
    }
}

#[test]
fn test_probe_of_too_little() {
    for packets in 0..2 {
        let config = ProbeConfig { packets, seed: 0 };
        let codec = Codec::new(&variants()[0], 0).unwrap();
        let found = probe(&codec, &actions(3), config, || ControlFlow::Continue(())).unwrap();
        assert_eq!((found.packets, found.neighbours.pairs), (packets, 0));
        assert_eq!(found.random_pairs.changes, None);
    }
}
