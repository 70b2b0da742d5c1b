//! Train on generated, test on real: whether classifiers of real traffic can learn from generated.

use std::collections::BTreeMap;

use serde::Serialize;
use tracecodec::metrics::SessionSample;

use super::{FEWEST, draw};
use crate::classifier::{self, Example, FOLDS, Interval};
use crate::error::Error;
use crate::jobs;
use crate::monitor::Monitor;

/// Percent of the training sessions that are generated ones.
const MIXTURES: [u64; 4] = [0, 10, 50, 100];

/// How well classifiers know what real sessions are, after they learned from mixtures of real and
/// other sessions. Macro F1: the mean over classes of the harmonic mean of precision and recall.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Transfer {
    /// The classes that are told apart, each with its real sessions that take part.
    pub classes: BTreeMap<String, u64>,
    /// Trained on mixtures, tested on real sessions.
    pub on_real: Vec<Mixture>,
    /// Trained on real sessions, tested on the others.
    pub from_real: Interval,
}

/// Macro F1 after training on a mixture.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Mixture {
    /// Percent of the training sessions that are not of the real traffic.
    pub percent: u64,
    /// Macro F1 on real sessions that took no part in the training.
    pub macro_f1: Interval,
}

/// Sessions of a class, with the traffic that they are of.
type Class<'a> = Vec<&'a SessionSample>;

/// Measures classifiers of classes of sessions. Classes with few real
/// sessions are left out; `None` if fewer than two are left, or the other traffic has none of them.
///
/// # Errors
/// If trees cannot be grown, or the monitor stops it.
pub(super) fn measure(
    [real, other]: [&BTreeMap<String, Class<'_>>; 2],
    settings: &super::Config,
    monitor: &mut dyn Monitor,
) -> Result<Option<Transfer>, Error> {
    let kept = real.iter().filter(|(_, sessions)| sessions.len() >= FEWEST);
    let most = settings.sessions / kept.clone().count().max(1);
    let mut classes = BTreeMap::new();
    let mut drawn: [Vec<Class<'_>>; 2] = Default::default();
    for (name, sessions) in kept {
        let of = [Some(sessions), other.get(name)];
        for (drawn, sessions) in drawn.iter_mut().zip(of) {
            let sessions = sessions.map_or(&[][..], Vec::as_slice);
            drawn.push(draw(sessions, most.min(sessions.len()), settings.seed));
        }
        classes.insert(name.clone(), most.min(sessions.len()) as u64);
    }
    if classes.len() < 2 || drawn[1].iter().all(Vec::is_empty) {
        return Ok(None);
    }
    let [real, other] = drawn;
    let tasks: Vec<_> = (0..=MIXTURES.len())
        .flat_map(|task| (0..FOLDS).map(move |fold| (task, fold)))
        .collect();
    let stage = "training classifiers of classes";
    let known = jobs::each(&tasks, settings.jobs, stage, monitor, |(task, fold), _| {
        let tested = if *task < MIXTURES.len() {
            &real
        } else {
            &other
        };
        let percent = MIXTURES.get(*task).copied().unwrap_or(0);
        let training = mixture(&real, &other, percent, *fold);
        let tests = of_fold(tested, |place| place % FOLDS == *fold);
        classifier::predict(&training, &tests, real.len())
    })?;
    let score = |task: usize| {
        let predictions = known[task * FOLDS..(task + 1) * FOLDS].concat();
        classifier::macro_f1(&predictions, real.len(), settings.seed)
    };
    let on_real = MIXTURES.iter().enumerate().map(|(task, percent)| Mixture {
        percent: *percent,
        macro_f1: score(task),
    });
    Ok(Some(Transfer {
        classes,
        on_real: on_real.collect(),
        from_real: score(MIXTURES.len()),
    }))
}

/// The sessions of each class, at places that are chosen, with the number of the class.
fn of_fold<'a>(classes: &[Class<'a>], is_chosen: impl Fn(usize) -> bool) -> Vec<Example<'a>> {
    let numbered = classes.iter().enumerate();
    let examples = numbered.flat_map(|(class, sessions)| {
        let chosen = sessions.iter().enumerate();
        let chosen = chosen.filter(|(place, _)| is_chosen(*place));
        chosen.map(move |(_, session)| (&session.features[..], class))
    });
    examples.collect()
}

/// Training sessions of all folds but one. In each class a share of the real ones gives way to as
/// many others, or to fewer if there are fewer.
fn mixture<'a>(
    real: &[Class<'a>],
    other: &[Class<'a>],
    percent: u64,
    fold: usize,
) -> Vec<Example<'a>> {
    let mut examples = Vec::new();
    for (class, (real, other)) in real.iter().zip(other).enumerate() {
        let training = |sessions: &Class<'a>| -> Class<'a> {
            let places = sessions.iter().enumerate();
            let kept = places.filter(|(place, _)| place % FOLDS != fold);
            kept.map(|(_, session)| *session).collect()
        };
        let (real, other) = (training(real), training(other));
        let replaced = (real.len() as u64 * percent).div_ceil(100) as usize;
        let mixed = real[replaced..].iter().chain(other.iter().take(replaced));
        examples.extend(mixed.map(|session| (&session.features[..], class)));
    }
    examples
}
