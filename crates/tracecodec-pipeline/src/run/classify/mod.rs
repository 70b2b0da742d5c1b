//! `classify`: whether a classifier can tell generated sessions from real ones, and whether
//! generated sessions can stand in for real ones.

mod transfer;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use tracecodec::metrics::{
    Beginnings, Neighbourhoods, SESSION_FEATURES, SessionSample, SessionSampler,
};

use crate::classifier::{self, FOLDS, Interval, Rows};
use crate::error::Error;
use crate::files::capture::Capture;
use crate::files::{ReadPolicy, claim, folder};
use crate::monitor::{Monitor, Progress, Warning};

pub use transfer::{Mixture, Transfer};

/// Sessions that a cross-validation needs of each class.
const FEWEST: usize = 4 * FOLDS;

/// What to compare, and how.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Config {
    /// Real traffic that no generator learned from: a capture, or a folder of captures; `-` is
    /// stdin.
    pub real: PathBuf,
    /// Generated traffic, likewise.
    pub generated: PathBuf,
    /// Another piece of real traffic, which is measured as the generated is: as good as a generator
    /// can be.
    #[serde(default)]
    pub later: Option<PathBuf>,
    /// What the generator learned from: whether sessions are copies of those is measured.
    #[serde(default)]
    pub training: Option<PathBuf>,
    /// Most sessions of each class that a classifier sees, drawn at random.
    #[serde(default = "most_sessions")]
    pub sessions: usize,
    /// Seed of every draw.
    #[serde(default)]
    pub seed: u64,
    /// Classifiers that are trained at once; 0: as many as there are cores.
    #[serde(default)]
    pub jobs: usize,
    /// How captures are read.
    #[serde(flatten)]
    pub read: ReadPolicy,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            real: PathBuf::new(),
            generated: PathBuf::new(),
            later: None,
            training: None,
            sessions: most_sessions(),
            seed: 0,
            jobs: 0,
            read: ReadPolicy::default(),
        }
    }
}

/// The default of `sessions`.
fn most_sessions() -> usize {
    4000
}

/// How far generated traffic, and other real traffic, can be told from real traffic.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Outcome {
    /// Sessions of the real traffic.
    pub real_sessions: u64,
    /// How many of them begin as training sessions do: none of them is a copy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub real_copied: Option<Copied>,
    /// The generated traffic.
    pub generated: Contestant,
    /// The other piece of real traffic.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub later: Option<Contestant>,
}

/// Traffic beside the real one.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Contestant {
    /// Its sessions.
    pub sessions: u64,
    /// Whether a classifier can tell it from the real one.
    pub two_sample: TwoSample,
    /// Mean number of real sessions in whose neighbourhood a session lies, over five. About 1 for
    /// other real traffic, less if sessions are unlike real ones.
    pub density: Option<Interval>,
    /// Share of the real sessions that have one of these in their neighbourhood.
    pub coverage: Option<Interval>,
    /// How many sessions begin as training sessions do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub copied: Option<Copied>,
    /// Whether classifiers of networks can learn from it: the captures of a folder are the classes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub networks: Option<Transfer>,
    /// Whether classifiers of services can learn from it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub services: Option<Transfer>,
}

/// Shares of the sessions that are long enough whose first packets occur, without their times, at
/// the beginning of a training session.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Copied {
    /// The first 8 packets.
    pub first_8: Option<Interval>,
    /// The first 16 packets.
    pub first_16: Option<Interval>,
}

/// Sessions by the capture that they are of.
type Captures = BTreeMap<String, Vec<SessionSample>>;

/// A classifier two-sample test: areas under the cross-validated ROC curve of a classifier of
/// sessions. 0.5 if it cannot tell the two apart, 1 if it always can.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TwoSample {
    /// Sessions of each of the two classes.
    pub sessions_per_class: u64,
    /// By all features.
    pub auc: Interval,
    /// By the features that are no times.
    pub auc_without_time: Interval,
    /// By each feature alone, the most telling first.
    pub features: Vec<FeatureAuc>,
}

/// How far one feature alone tells two classes apart.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FeatureAuc {
    /// Name of the feature.
    pub name: &'static str,
    /// Area under the cross-validated ROC curve.
    pub auc: f64,
}

/// Tests whether sessions of the generated traffic can be told from sessions of the real one.
///
/// # Errors
/// If a capture cannot be read or has too few sessions, or the monitor stops it.
pub fn run(config: &Config, monitor: &mut dyn Monitor) -> Result<Outcome, Error> {
    let more = [&config.later, &config.training].into_iter().flatten();
    let inputs: Vec<_> = [&config.real, &config.generated]
        .into_iter()
        .chain(more)
        .collect();
    claim::stdin_once(&inputs.into_iter().cloned().collect::<Vec<_>>())?;
    if config.sessions < FEWEST {
        return Err(Error::refused(
            format!("{} sessions of each class are too few", config.sessions),
            format!("`sessions` of {FEWEST} or more"),
        ));
    }
    let mut read = |path: &Path| captures(path, &config.read, monitor);
    let real = read(&config.real)?;
    let generated = read(&config.generated)?;
    let later = config.later.as_deref().map(&mut read).transpose()?;
    let training = config.training.as_deref().map(read).transpose()?;
    let training = training.map(|captures| {
        let sessions: Vec<_> = captures.into_values().flatten().collect();
        [8, 16].map(|packets| Beginnings::new(&sessions, packets))
    });
    let training = training.as_ref();
    warn_of_networks(&real, &generated, monitor);
    Ok(Outcome {
        real_sessions: real.values().map(|of| of.len() as u64).sum(),
        real_copied: training.map(|of| Copied::of(of, &real, config.seed)),
        generated: contest(&real, &generated, training, config, monitor)?,
        later: later
            .map(|later| contest(&real, &later, training, config, monitor))
            .transpose()?,
    })
}

/// Warns of networks that the generated captures, which have names, lack.
fn warn_of_networks(real: &Captures, generated: &Captures, monitor: &mut dyn Monitor) {
    let are_named = |captures: &Captures| captures.len() > 1;
    if !are_named(real) || !are_named(generated) {
        return;
    }
    for name in real.keys().filter(|name| !generated.contains_key(*name)) {
        let warning = Warning::new(format!("{name}: no generated capture has this name"));
        monitor.warn(&warning.with_hint("captures of one network have one name in both folders"));
    }
}

/// The sessions of a capture, or of each capture of a folder.
fn captures(path: &Path, read: &ReadPolicy, monitor: &mut dyn Monitor) -> Result<Captures, Error> {
    let paths = if path.is_dir() {
        let captures = folder::captures(path, monitor)?;
        let named = captures
            .into_iter()
            .map(|capture| (capture.name(), capture.path));
        named.collect()
    } else {
        vec![(String::new(), path.to_path_buf())]
    };
    let mut sessions = Captures::new();
    for (name, path) in paths {
        let mut sampler = SessionSampler::new();
        let mut capture = Capture::open(&path, read)?;
        capture.for_each(monitor, |packet| {
            sampler.observe(packet);
            Ok(())
        })?;
        sessions.entry(name).or_default().extend(sampler.finish());
    }
    let count = sessions.values().map(Vec::len).sum::<usize>();
    if count < FEWEST {
        return Err(Error::refused(
            format!(
                "{}: {count} sessions, too few for a classifier",
                path.display()
            ),
            format!("a capture of {FEWEST} sessions or more"),
        ));
    }
    Ok(sessions)
}

/// Measures traffic beside the real one.
fn contest(
    real: &Captures,
    other: &Captures,
    training: Option<&[Beginnings; 2]>,
    config: &Config,
    monitor: &mut dyn Monitor,
) -> Result<Contestant, Error> {
    let all = [real, other].map(|captures| captures.values().flatten().collect::<Vec<_>>());
    let (two_sample, [density, coverage]) = {
        let count = all[0].len().min(all[1].len()).min(config.sessions);
        let drawn = [&all[0], &all[1]].map(|sessions| draw(sessions, count, config.seed));
        let two_sample = two_sample(&drawn, config, monitor)?;
        monitor.step(&Progress {
            stage: "comparing neighbourhoods",
            ..Progress::default()
        })?;
        (two_sample, neighbourhoods(&drawn, config.seed))
    };
    let networks = [real, other].map(|captures| {
        let networks = captures.iter();
        let networks = networks.map(|(name, sessions)| (name.clone(), sessions.iter().collect()));
        networks.collect()
    });
    let services = [&all[0], &all[1]].map(|sessions| by_service(sessions));
    Ok(Contestant {
        sessions: all[1].len() as u64,
        two_sample,
        density,
        coverage,
        copied: training.map(|of| Copied::of(of, other, config.seed)),
        networks: transfer::measure([&networks[0], &networks[1]], config, monitor)?,
        services: transfer::measure([&services[0], &services[1]], config, monitor)?,
    })
}

/// The sessions of each service; those of no well-known port are left out.
fn by_service<'a>(sessions: &[&'a SessionSample]) -> BTreeMap<String, Vec<&'a SessionSample>> {
    let mut services: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for session in sessions {
        if let Some(service) = session.service {
            let name = service.name().to_string();
            services.entry(name).or_default().push(*session);
        }
    }
    services
}

impl Copied {
    fn of([eight, sixteen]: &[Beginnings; 2], captures: &Captures, seed: u64) -> Self {
        let share = |beginnings: &Beginnings| {
            let copied = captures.values().flat_map(|of| beginnings.copied(of));
            let copied: Vec<_> = copied.map(|of| f64::from(u8::from(of))).collect();
            classifier::mean(&copied, seed)
        };
        Self {
            first_8: share(eight),
            first_16: share(sixteen),
        }
    }
}

/// Density and coverage of the real sessions by the others.
fn neighbourhoods([real, other]: &[Vec<&SessionSample>; 2], seed: u64) -> [Option<Interval>; 2] {
    let points = |sessions: &[&'_ SessionSample]| -> Vec<[f64; SESSION_FEATURES.len()]> {
        sessions.iter().map(|session| session.features).collect()
    };
    let (real, other) = (points(real), points(other));
    let of = Neighbourhoods::of(
        &real.iter().map(|of| &of[..]).collect::<Vec<_>>(),
        &other.iter().map(|of| &of[..]).collect::<Vec<_>>(),
    );
    let covered: Vec<_> = of
        .is_covered
        .iter()
        .map(|covered| f64::from(u8::from(*covered)))
        .collect();
    [&of.density, &covered].map(|values| classifier::mean(values, seed))
}

fn two_sample(
    [real, other]: &[Vec<&SessionSample>; 2],
    config: &Config,
    monitor: &mut dyn Monitor,
) -> Result<TwoSample, Error> {
    let mut rows = Rows::default();
    for (real, other) in real.iter().zip(other) {
        rows.push(&real.features, &other.features);
    }
    let all = 0..SESSION_FEATURES.len();
    let without_time = all
        .clone()
        .filter(|column| !SESSION_FEATURES[*column].is_time);
    let mut sets = vec![all.clone().collect(), without_time.collect()];
    sets.extend(all.map(|column| vec![column]));
    let scores = classifier::cross_validate(&rows, &sets, config.jobs, monitor)?;
    let interval =
        |set: usize| classifier::auc_interval(&scores[set], &rows.is_second, config.seed);
    let alone = SESSION_FEATURES.iter().zip(&scores[2..]);
    let mut features: Vec<_> = alone
        .map(|(feature, scores)| FeatureAuc {
            name: feature.name,
            auc: classifier::auc(scores, &rows.is_second),
        })
        .collect();
    features.sort_by(|a, b| b.auc.total_cmp(&a.auc));
    Ok(TwoSample {
        sessions_per_class: real.len() as u64,
        auc: interval(0),
        auc_without_time: interval(1),
        features,
    })
}

/// Some of the sessions, drawn without replacement (Fisher and Yates): of as many sessions, the
/// same ones.
fn draw<'a>(sessions: &[&'a SessionSample], count: usize, seed: u64) -> Vec<&'a SessionSample> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut drawn = sessions.to_vec();
    for at in 0..count {
        drawn.swap(at, rng.random_range(at..sessions.len()));
    }
    drawn.truncate(count);
    drawn
}

#[cfg(test)]
mod tests {
    use tracecodec::pcap::{Format, Packet, Timestamp, Writer};

    use super::*;
    use crate::monitor::Silent;
    use crate::testing::{Stopping, data};

    /// Of which packets the tests are made: few enough for a second of work.
    fn config() -> Config {
        let mut config = Config {
            real: data("train/enterprise.pcap.zst"),
            generated: data("train/enterprise.pcap.zst"),
            ..Config::default()
        };
        config.read.selection.first = Some(4000);
        config
    }

    /// A copy of the real capture with packets up to a second late.
    fn delayed(folder: &Path) -> PathBuf {
        let path = folder.join("delayed.pcap");
        let mut writer = Writer::create(&path, Format::of_path(&path)).unwrap();
        let mut capture = Capture::open(&config().real, &config().read).unwrap();
        let each = |packet: &Packet<'_>| {
            let nanos = packet.time.0;
            let late = Packet {
                time: Timestamp(nanos + nanos % 1_000_003 * 1000),
                ..*packet
            };
            Ok(writer.write(&late)?)
        };
        capture.for_each(&mut Silent, each).unwrap();
        writer.finish().unwrap();
        path
    }

    #[test]
    fn test_a_capture_cannot_be_told_from_itself() {
        let outcome = run(&config(), &mut Silent).unwrap();
        let test = &outcome.generated.two_sample;
        assert_eq!(outcome.real_sessions, outcome.generated.sessions);
        assert_eq!(test.auc.value, 0.5);
        assert_eq!(test.auc_without_time.value, 0.5);
        assert!(test.features.iter().all(|feature| feature.auc == 0.5));
    }

    #[test]
    fn test_other_times_are_found_by_features_of_time_alone() {
        let folder = tempfile::tempdir().unwrap();
        let config = Config {
            generated: delayed(folder.path()),
            later: Some(config().real),
            ..config()
        };
        let outcome = run(&config, &mut Silent).unwrap();
        let test = &outcome.generated.two_sample;
        assert!(test.auc.value > 0.95, "{test:?}");
        assert!(test.auc.low <= test.auc.value && test.auc.value <= test.auc.high);
        assert_eq!(test.auc_without_time.value, 0.5);
        let first = &test.features[0];
        assert!(
            first.name.starts_with("gap_") && first.auc > 0.8,
            "{first:?}"
        );
        assert_eq!(outcome.later.unwrap().two_sample.auc.value, 0.5);
    }

    #[test]
    fn test_the_outcome_is_the_same_on_any_number_of_threads() {
        let folder = tempfile::tempdir().unwrap();
        let on = |jobs: usize| {
            let config = Config {
                generated: delayed(folder.path()),
                sessions: 60,
                jobs,
                ..config()
            };
            run(&config, &mut Silent).unwrap()
        };
        assert_eq!(on(1), on(3));
    }

    /// A copy of a shipped capture's first packets.
    fn head(path: &Path, from: &str, first: u64) {
        let mut read = ReadPolicy::default();
        read.selection.first = Some(first);
        let mut writer = Writer::create(path, Format::of_path(path)).unwrap();
        let mut capture = Capture::open(&data(from), &read).unwrap();
        capture
            .for_each(&mut Silent, |packet| Ok(writer.write(packet)?))
            .unwrap();
        writer.finish().unwrap();
    }

    #[test]
    fn test_classes_are_learned_from_what_has_them() {
        let folder = tempfile::tempdir().unwrap();
        let [real, swapped] = ["real", "swapped"].map(|name| folder.path().join(name));
        for (folder, names) in [(&real, ["a", "b"]), (&swapped, ["b", "a"])] {
            std::fs::create_dir(folder).unwrap();
            let captures = ["train/enterprise.pcap.zst", "train/crowd.pcap.zst"];
            for (name, capture) in names.iter().zip(captures) {
                head(&folder.join(format!("{name}.pcap")), capture, 8000);
            }
        }
        let config = Config {
            real: real.clone(),
            generated: swapped,
            later: Some(real),
            sessions: 300,
            ..Config::default()
        };
        let outcome = run(&config, &mut Silent).unwrap();
        let f1 = |of: &Contestant| {
            let networks = of.networks.as_ref().unwrap();
            let values = networks.on_real.iter().map(|of| of.macro_f1.value);
            (values.collect::<Vec<_>>(), networks.from_real.value)
        };
        // Wrong names mislead the more of them there are; the same captures do not.
        let (swapped, reverse) = f1(&outcome.generated);
        assert!(
            swapped[0] > 0.7 && swapped[3] < 0.3 && reverse < 0.3,
            "{swapped:?} {reverse}"
        );
        let (same, reverse) = f1(outcome.later.as_ref().unwrap());
        assert_eq!(same[0], swapped[0]);
        assert!(same[3] > 0.7 && reverse > 0.7, "{same:?} {reverse}");
    }

    #[test]
    fn test_copies_are_counted_and_neighbourhoods_are_covered() {
        let folder = tempfile::tempdir().unwrap();
        let other = folder.path().join("other.pcap");
        head(&other, "train/backbone.pcap.zst", 4000);
        let config = Config {
            training: Some(other.clone()),
            generated: other,
            ..config()
        };
        let outcome = run(&config, &mut Silent).unwrap();
        let first_8 = |copied: &Option<Copied>| copied.as_ref().unwrap().first_8.unwrap().value;
        assert_eq!(first_8(&outcome.generated.copied), 1.0);
        assert!(first_8(&outcome.real_copied) < 0.9);
        let other = outcome.generated.coverage.unwrap().value;
        let config = Config {
            training: None,
            generated: config.real.clone(),
            ..config
        };
        let outcome = run(&config, &mut Silent).unwrap();
        assert_eq!(outcome.real_copied, None);
        assert_eq!(outcome.generated.coverage.unwrap().value, 1.0);
        assert!(other < 0.9, "{other}");
    }

    #[test]
    fn test_too_few_sessions_are_refused_and_a_stop_is_obeyed() {
        let mut few = config();
        few.read.selection.first = Some(20);
        let error = run(&few, &mut Silent).unwrap_err();
        assert!(error.to_string().contains("too few"), "{error}");
        let error = run(
            &Config {
                sessions: 3,
                ..config()
            },
            &mut Silent,
        )
        .unwrap_err();
        assert!(error.hint().unwrap().contains("`sessions`"));
        let mut all = config();
        all.read.selection.first = None;
        let stopped = run(&all, &mut Stopping::after(1));
        assert!(matches!(stopped, Err(Error::Interrupted)));
    }
}
