//! A GPU compared with the CPU: tiny networks on any adapter that wgpu finds, software Vulkan
//! included.

#![cfg(feature = "wgpu")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::ops::ControlFlow;
use std::process::Command;

use tracecodec::action::context::Contexts;
use tracecodec::action::{Action, FlowEvent, OptionProfiles, Proto};
use tracecodec::choice::Choice;
use tracecodec::shard::Split;
use tracecodec_nn::codec::training::{Data, Validation};
use tracecodec_nn::generator::flow_matching::{self, FlowMatching, FlowMatchingConfig, Solver};
use tracecodec_nn::generator::{Representation, Sequences, SequencesWriter};
use tracecodec_nn::train::{Progress, Report, Session};
use tracecodec_nn::{
    Accuracy, Codec, CodecConfig, CodecSettings, Device, EncoderKind, RefineConfig, TokenLayout,
    TrainConfig, train,
};

/// Actions of a few flows that take turns.
fn actions(count: u64) -> Vec<Action> {
    let action = |i| {
        Action {
            flow_token: (i % 8) as u32,
            flow_evt: match i < 8 {
                true => FlowEvent::Open,
                false => FlowEvent::Continue,
            },
            proto: [Proto::Tcp, Proto::Udp][(i % 2) as usize],
            tcp_win: 0x100 * (1 + i % 7) as u16,
            ttl_res: 64 - (i % 5) as u8,
            l4_payload_len: 100 * (i % 3) as u32,
            delta_t: 1000i64 << (i % 5),
            ..Action::default()
        }
        .without_inactive()
    };
    let mut contexts = Contexts::default();
    (0..count)
        .map(action)
        .map(|action| Action {
            context: contexts.next(&action),
            ..action
        })
        .collect()
}

fn tiny() -> CodecConfig {
    CodecConfig {
        d_latent: 16,
        encoder: EncoderKind::ResidualMlp,
        tokens: TokenLayout::Group,
        d_model: 8,
        layers: 1,
        heads: 2,
        width: 64,
        encoder_blocks: 1,
        decoder_blocks: 1,
        time_digits: 2,
        ..CodecConfig::default()
    }
}

fn trained(device: Device, steps: u64) -> (Codec, Report<Validation>) {
    let actions = actions(100);
    let data = Data::new(actions.clone(), actions, OptionProfiles::new().freeze());
    let config = TrainConfig {
        steps,
        batch: 32,
        micro_batch: 8,
        learning_rate: 1e-2,
        validations: 4,
        ..TrainConfig::default()
    };
    let settings = CodecSettings {
        model: tiny(),
        train: config,
    };
    let directory = tempfile::tempdir().unwrap();
    let go_on = |_: &Progress<'_, Validation>| ControlFlow::Continue(());
    let session = Session {
        device,
        ..Session::new(directory.path())
    };
    train(&settings, &data, &session, go_on).unwrap()
}

fn farthest(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    assert!(a.iter().chain(b).all(|x| x.is_finite()));
    let distances = a.iter().zip(b).map(|(a, b)| (a - b).abs());
    distances.fold(0.0, f32::max)
}

#[test]
fn test_device_trains_to_the_same_losses() {
    let (_, cpu) = trained(Device::Cpu, 20);
    let (_, gpu) = trained(Device::Wgpu, 20);
    assert_eq!(cpu.validations.len(), gpu.validations.len());
    assert!(cpu.validations[3].loss < 0.8 * cpu.validations[0].loss);
    for (cpu, gpu) in cpu.validations.iter().zip(&gpu.validations) {
        for (cpu, gpu) in [(cpu.loss, gpu.loss), (cpu.training_loss, gpu.training_loss)] {
            assert!((cpu - gpu).abs() < 1e-3 * cpu, "{cpu} {gpu}");
        }
    }
}

#[test]
fn test_device_encodes_and_decodes_alike() {
    let actions = actions(100);
    let (cpu, _) = trained(Device::Cpu, 150);
    let latents = cpu.encode(&actions);
    let decoded = cpu.decode(&latents.mu);
    assert!(Accuracy::new(&actions, &decoded).mean() > 0.9);
    let digest = cpu.digest();
    let gpu = cpu.with_device(Device::Wgpu).unwrap();
    assert_eq!(gpu.digest(), digest);
    let own = gpu.encode(&actions);
    assert!(farthest(&own.mu, &latents.mu) < 1e-3);
    assert!(farthest(&own.log_var, &latents.log_var) < 1e-3);
    assert_eq!(gpu.decode(&latents.mu), decoded);
    assert_eq!(gpu.decode(&[]), []);
}

#[test]
fn test_device_refines() {
    let mut actions = actions(20);
    // Values that the model has seldom or never seen.
    for action in actions.iter_mut().step_by(3) {
        (action.ttl_res, action.ip_tos, action.tcp_seq_delta) = (201, 0x5b, 0xdead);
        *action = action.without_inactive();
    }
    let gpu = Codec::embedded().with_device(Device::Wgpu).unwrap();
    let refined = gpu.encode_refined(&actions, RefineConfig::default());
    assert!(refined.moved > 0);
    assert_eq!(refined.left, 0);
    assert_eq!(refined.decoded, actions);
    assert_eq!(gpu.decode(&refined.latents.mu), actions);
}

#[test]
fn test_device_trains_and_samples_flow_matching_alike() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = SequencesWriter::create(folder.path(), 2).unwrap();
    for split in [Split::Train, Split::Validation] {
        writer.begin(split, split.name(), None);
        for row in 0..100 {
            let phase = std::f32::consts::TAU * row as f32 / 16.0;
            writer.push(&[phase.sin(), phase.cos()]).unwrap();
        }
    }
    let representation = Representation::Baseline {
        model: "tvae".to_string(),
        blake3: "0".to_string(),
        d_latent: 2,
    };
    writer.finish(&representation).unwrap();
    let sequences = Sequences::open(folder.path()).unwrap();
    let models = [Device::Cpu, Device::Wgpu].map(|device| {
        let mut config = FlowMatchingConfig::small();
        let network = &mut config.model;
        (network.layers, network.width, network.heads) = (1, 16, 2);
        (network.prefix, network.suffix) = (8, 8);
        let train = &mut config.train;
        (train.steps, train.batch, train.micro_batch) = (8, 8, 2);
        (train.validations, train.stride) = (2, 4);
        let directory = tempfile::tempdir().unwrap();
        let go_on = |_: &Progress<'_, _>| ControlFlow::Continue(());
        let session = Session {
            device,
            ..Session::new(directory.path())
        };
        let trained = flow_matching::train(&config, &sequences, &session, go_on).unwrap();
        (directory, trained.1.validations)
    });
    let losses = [0, 1].map(|i| {
        let losses = models[i].1.iter().flat_map(|v| [v.loss, v.training_loss]);
        losses.map(|loss| loss as f32).collect::<Vec<_>>()
    });
    assert!(farthest(&losses[0], &losses[1]) < 1e-3, "{losses:?}");
    let samples = [Device::Cpu, Device::Wgpu].map(|device| {
        let generator = FlowMatching::load(models[0].0.path()).unwrap();
        let generator = generator.with_device(device).unwrap();
        let prefix: Vec<f32> = (0..16).map(|i| (i as f32).sin()).collect();
        generator.sample(&prefix, None, &Solver::default(), 0, 0)
    });
    assert!(farthest(&samples[0], &samples[1]) < 1e-3);
}

/// Environment variable of the process that must find no adapter.
const CHILD: &str = "TRACECODEC_TEST_NO_ADAPTER";

#[test]
fn test_device_without_an_adapter() {
    if std::env::var_os(CHILD).is_some() {
        let error = Device::Wgpu.check().unwrap_err();
        let message = error.to_string();
        assert!(message.starts_with("device wgpu: no adapter"), "{message}");
        assert!(error.hint().unwrap().contains("`device` cpu"), "{error}");
        return;
    }
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "test_device_without_an_adapter"])
        .env(CHILD, "1")
        .env("VK_DRIVER_FILES", "/dev/null")
        .env("VK_ICD_FILENAMES", "/dev/null")
        .env("__EGL_VENDOR_LIBRARY_FILENAMES", "/dev/null")
        .status();
    assert!(status.unwrap().success());
}
