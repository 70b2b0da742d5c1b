//! The generators through the public API.

#![allow(clippy::unwrap_used, reason = "test code may fail loudly")]

use std::ops::ControlFlow;
use std::path::Path;

use tracecodec::action::{
    Action, Control, Direction, FlowEvent, OptionProfiles, Proto, SCHEMA_VERSION,
};
use tracecodec_nn::Error;
use tracecodec_nn::generator::autoregressive::{
    Autoregressive, AutoregressiveConfig, Data, EventSequences, Shape, Shapes, TraceGenerator,
    TrainConfig, Validation, train,
};
use tracecodec_nn::generator::{Drawing, Generator};
use tracecodec_nn::train::{Progress, Session};

/// A trace of requests and responses: a request of 32 bytes every 64 µs, and its response of 256
/// bytes 1,024 µs later.
fn questions(count: u32, label: Option<&str>, labels: &[String]) -> EventSequences {
    let mut packets = Vec::new();
    for number in 0..count {
        let asked = 64_000 * i64::from(number);
        let question = Action {
            flow_token: number,
            flow_evt: FlowEvent::Open,
            proto: Proto::Udp,
            ttl_res: 64,
            l4_payload_len: 32,
            ..Action::default()
        };
        let answer = Action {
            flow_evt: FlowEvent::Continue,
            dir: Direction::Resp,
            l4_payload_len: 256,
            ..question
        };
        packets.push((asked, question));
        packets.push((asked + 1_024_000, answer));
    }
    // One packet long after all others, so that their flows are known to be over.
    let last = Action {
        flow_token: count,
        flow_evt: FlowEvent::Open,
        proto: Proto::Udp,
        ttl_res: 64,
        l4_payload_len: 32,
        ..Action::default()
    };
    packets.push((100_000_000_000, last));
    packets.sort_by_key(|(time, _)| *time);
    let mut courses = EventSequences::new(SCHEMA_VERSION, labels);
    courses.begin(label);
    let mut clock = 0;
    for (time, packet) in packets {
        courses.push(&Action {
            delta_t: time - clock,
            ..packet
        });
        clock = time;
    }
    courses.end();
    courses
}

fn data() -> Data {
    let labels = ["questions".to_string()];
    Data {
        training: questions(600, Some("questions"), &labels),
        validation: questions(100, Some("questions"), &labels),
        profiles: OptionProfiles::new(),
        sources: Vec::new(),
    }
}

fn config(steps: u64) -> AutoregressiveConfig {
    let shape = |width, hidden| Shape {
        width,
        layers: 1,
        hidden,
    };
    AutoregressiveConfig {
        model: Shapes {
            openings: shape(8, 8),
            packets: shape(16, 16),
            clock: shape(8, 8),
        },
        train: TrainConfig {
            steps,
            batch: 8,
            micro_batch: 4,
            learning_rate: 1e-2,
            validations: 4,
            validation_spans: 8,
            ..TrainConfig::default()
        },
    }
}

fn go_on(_: &Progress<'_, Validation>) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

fn trained(directory: &Path, steps: u64) -> Autoregressive {
    let (generator, _) = train(
        &config(steps),
        None,
        &data(),
        &Session::new(directory),
        go_on,
    )
    .unwrap();
    generator
}

fn drawn(generator: &Autoregressive, drawing: &Drawing, packets: usize) -> Vec<Action> {
    let mut trace = generator.generate(drawing).unwrap();
    let mut actions = Vec::new();
    while actions.len() < packets {
        actions.extend(trace.batch());
    }
    actions.truncate(packets);
    actions
}

#[test]
fn test_a_trace_is_like_what_was_learned() {
    let directory = tempfile::tempdir().unwrap();
    let generator = trained(directory.path(), 300);
    assert_eq!(generator.labels(), ["questions"]);
    let actions = drawn(&generator, &Drawing::default(), 2_000);
    let questions = actions.iter().filter(|a| a.flow_evt == FlowEvent::Open);
    let sizes: Vec<u32> = actions
        .iter()
        .filter(|action| action.dir == Direction::Resp)
        .map(|action| action.l4_payload_len)
        .collect();
    let right = sizes.iter().filter(|&&size| size == 256).count();
    assert!(right as f64 > 0.95 * sizes.len() as f64, "{sizes:?}");
    let share = questions.count() as f64 / actions.len() as f64;
    assert!((share - 0.5).abs() < 0.05, "{share}");
    assert!(actions.iter().all(|action| action.delta_t >= 0));
}

#[test]
fn test_a_trace_depends_on_its_seed_alone() {
    let directory = tempfile::tempdir().unwrap();
    let generator = trained(directory.path(), 20);
    let with = |seed, threads| {
        let drawing = Drawing {
            seed,
            threads,
            label: Some("questions".to_string()),
            ..Drawing::default()
        };
        drawn(&generator, &drawing, 3_000)
    };
    let first = with(7, 1);
    assert_eq!(with(7, 3), first);
    assert_ne!(with(8, 1), first);
    let stored = Autoregressive::load(directory.path()).unwrap();
    let drawing = Drawing {
        seed: 7,
        label: Some("questions".to_string()),
        ..Drawing::default()
    };
    assert_eq!(drawn(&stored, &drawing, 3_000), first);
}

#[test]
fn test_a_continuation_goes_on_with_the_flows_that_are_open() {
    let directory = tempfile::tempdir().unwrap();
    let generator = trained(directory.path(), 300);
    let mut trace = generator.generate(&Drawing::default()).unwrap();
    let question = |flow_token, delta_t| Action {
        flow_token,
        flow_evt: FlowEvent::Open,
        proto: Proto::Udp,
        ttl_res: 64,
        l4_payload_len: 32,
        delta_t,
        ..Action::default()
    };
    for slot in 0..10 {
        trace.follow(&question(slot, 64_000));
    }
    let actions = trace.batch();
    let answered = (0..10).filter(|slot| {
        let mut of = actions.iter().filter(|action| action.flow_token == *slot);
        of.next().is_some_and(|first| first.dir == Direction::Resp)
    });
    assert!(answered.count() >= 8);
    // Slots of flows that are open are not opened.
    let mut open: Vec<u32> = (0..10).collect();
    for action in &actions {
        match action.flow_evt {
            FlowEvent::Open => {
                assert!(action.flow_token >= 10 || !open.contains(&action.flow_token))
            }
            _ => open.retain(|slot| *slot != action.flow_token),
        }
    }
}

#[test]
fn test_a_followed_trace_tells_its_label() {
    let generator = Autoregressive::embedded();
    let of = |label: Option<&String>| Drawing {
        label: label.cloned(),
        ..Drawing::default()
    };
    for label in generator.labels() {
        let followed = drawn(&generator, &of(Some(label)), 20_000);
        let goes_on = |told: Option<&String>| {
            let mut trace = generator.generate(&of(told)).unwrap();
            followed.iter().for_each(|action| trace.follow(action));
            let batch = trace.batch();
            (trace.label().map(str::to_string), batch)
        };
        // The label that is found gives the same trace as the label that is given.
        let (found, batch) = goes_on(None);
        assert_eq!(found.as_ref(), Some(label));
        assert_eq!(goes_on(Some(label)), (found, batch));
        let other = generator.labels().iter().find(|other| *other != label);
        assert_eq!(goes_on(other).0.as_ref(), other);
    }
    // Without a prefix, a trace has the label that is given, or none.
    let mut trace = generator.generate(&Drawing::default()).unwrap();
    trace.batch();
    assert_eq!(trace.label(), None);
}

#[test]
fn test_what_contradicts_a_flow_is_counted_where_it_is_masked() {
    let directory = tempfile::tempdir().unwrap();
    let generator = trained(directory.path(), 1);
    let settled = |constrained| {
        let mut trace = generator
            .generate(&Drawing {
                constrained,
                ..Drawing::default()
            })
            .unwrap();
        trace.batch();
        trace.corrected()
    };
    assert!(settled(true) > 0);
    assert_eq!(settled(false), 0);
}

#[test]
fn test_training_goes_on_to_the_same_weights() {
    let [whole, cut] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    trained(whole.path(), 12);
    let stop = |progress: &Progress<'_, Validation>| match progress.step {
        7 => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    };
    let session = Session::new(cut.path());
    let stopped = train(&config(12), None, &data(), &session, stop);
    assert!(matches!(stopped, Err(Error::Interrupted(7))));
    let session = Session {
        resume: true,
        ..session
    };
    train(&config(12), None, &data(), &session, go_on).unwrap();
    let weights = |folder: &Path| std::fs::read(folder.join("weights.safetensors")).unwrap();
    assert_eq!(weights(whole.path()), weights(cut.path()));
    let digest = |folder: &Path| Autoregressive::load(folder).unwrap().digest();
    assert_eq!(digest(whole.path()), digest(cut.path()));
    assert_ne!(digest(whole.path()), Generator::embedded().digest());
}

#[test]
fn test_what_is_not_there_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let generator = trained(directory.path(), 2);
    let drawing = Drawing {
        label: Some("answers".to_string()),
        ..Drawing::default()
    };
    let error = generator.generate(&drawing).unwrap_err();
    assert_eq!(error.to_string(), "no label `answers`");
    assert!(error.hint().unwrap().contains("questions"));
    let path = directory.path().join("weights.safetensors");
    let mut bytes = std::fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&path, bytes).unwrap();
    assert!(matches!(
        Autoregressive::load(directory.path()),
        Err(Error::Digest { .. })
    ));
    let nothing = Data {
        training: EventSequences::new(SCHEMA_VERSION, &[]),
        ..data()
    };
    let error = train(
        &config(1),
        None,
        &nothing,
        &Session::new(directory.path()),
        go_on,
    );
    assert!(matches!(error, Err(Error::NoData("training"))));
}

#[test]
fn test_handshakes_are_openings() {
    let mut courses = EventSequences::new(SCHEMA_VERSION, &[]);
    courses.begin(None);
    for (slot, tcp_ctrl) in [(0, Control::Syn), (1, Control::Ack), (2, Control::Syn)] {
        courses.push(&Action {
            flow_token: slot,
            flow_evt: FlowEvent::Open,
            tcp_ctrl,
            ..Action::default()
        });
    }
    courses.end();
    assert_eq!((courses.packets(), courses.openings()), (3, 2));
}

/// Follows questions and their answers, which have this many bytes.
fn followed(generator: &Autoregressive, payload: u32) -> TraceGenerator<'_> {
    let mut trace = generator.generate(&Drawing::default()).unwrap();
    for flow_token in 0..100 {
        let question = Action {
            flow_token,
            flow_evt: FlowEvent::Open,
            proto: Proto::Udp,
            ttl_res: 64,
            l4_payload_len: 32,
            delta_t: 64_000,
            ..Action::default()
        };
        trace.follow(&question);
        trace.follow(&Action {
            flow_evt: FlowEvent::Continue,
            dir: Direction::Resp,
            l4_payload_len: payload,
            delta_t: 1_024_000,
            ..question
        });
    }
    trace.batch();
    trace
}

#[test]
fn test_an_unfamiliar_trace_is_told_from_a_familiar_one() {
    let directory = tempfile::tempdir().unwrap();
    trained(directory.path(), 300);
    let generator = Autoregressive::load(directory.path()).unwrap();
    let of = |payload| followed(&generator, payload).familiarity().unwrap();
    assert!(!of(256).is_unfamiliar(), "{:?}", of(256));
    assert!(of(999).is_unfamiliar(), "{:?}", of(999));
}

#[test]
fn test_fine_tuning_keeps_labels_and_learns_another() {
    let [first, second] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let generator = trained(first.path(), 300);
    let labels = ["questions", "new"].map(str::to_string);
    let more = Data {
        training: questions(300, Some("new"), &labels),
        validation: questions(100, Some("new"), &labels),
        ..data()
    };
    let tuned = |config: &AutoregressiveConfig, directory: &Path| {
        let session = Session::new(directory);
        train(config, Some(&generator), &more, &session, go_on)
    };
    let short = AutoregressiveConfig {
        train: config(2).train,
        ..AutoregressiveConfig::fine_tuning(&generator)
    };
    let (tuned_generator, report) = tuned(&short, second.path()).unwrap();
    assert_eq!(tuned_generator.labels(), labels);
    assert_eq!(
        tuned_generator.rate(Some("questions")),
        generator.rate(Some("questions"))
    );
    assert!(tuned_generator.rate(Some("new")).is_some());
    // Two steps from fresh weights would hardly learn anything.
    let [fresh, _] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let (_, anew) = train(&config(2), None, &more, &Session::new(fresh.path()), go_on).unwrap();
    assert!(
        report.best.loss < 0.7 * anew.best.loss,
        "{:?} {:?}",
        report.best,
        anew.best
    );

    let other = AutoregressiveConfig {
        model: Shapes::default(),
        ..short
    };
    let third = tempfile::tempdir().unwrap();
    assert!(matches!(
        tuned(&other, third.path()),
        Err(Error::OtherShapes)
    ));
}
