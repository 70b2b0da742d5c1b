//! Gradient-boosted trees, and how well they tell two classes apart.
//!
//! The trees are those of `forust`, which grows them as XGBoost does, on one thread each, so that
//! the same rows give the same trees on any machine.

use forust_ml::gradientbooster::GrowPolicy;
use forust_ml::{GradientBooster, Matrix};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

use crate::error::Error;
use crate::jobs;
use crate::monitor::Monitor;

/// Parts of a cross-validation: each is scored by trees that learned from the others.
pub(crate) const FOLDS: usize = 5;

/// Resamples of a bootstrap.
const RESAMPLES: usize = 1000;

/// Rows of features, and for each whether it is of the second class. A missing value is NaN.
///
/// A row of the second class follows each row of the first, and both are scored by the same trees:
/// if two classes hold the same rows in one order, no tree has seen the twin of a row that it
/// scores.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rows<'a> {
    /// Features of each row.
    pub(crate) features: Vec<&'a [f64]>,
    /// Whether the row is of the second class.
    pub(crate) is_second: Vec<bool>,
}

/// A number with the interval that holds it in 95 % of the resamples of a bootstrap.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Interval {
    /// The number.
    pub value: f64,
    /// The 2.5th percentile of the resamples.
    pub low: f64,
    /// The 97.5th percentile of the resamples.
    pub high: f64,
}

impl<'a> Rows<'a> {
    /// Adds a row of each class.
    pub(crate) fn push(&mut self, first: &'a [f64], second: &'a [f64]) {
        self.features.extend([first, second]);
        self.is_second.extend([false, true]);
    }

    /// The fold in which a row is scored.
    fn fold(row: usize) -> usize {
        row / 2 % FOLDS
    }

    /// The values of some columns of some rows, column by column.
    fn columns(&self, columns: &[usize], rows: &[usize]) -> Vec<f64> {
        let column = |column: &usize| {
            rows.iter()
                .map(|row| self.features[*row][*column])
                .collect::<Vec<_>>()
        };
        columns.iter().flat_map(column).collect()
    }

    /// The rows of a fold, each with its log odds of the second class by trees that learned from
    /// the other rows.
    fn score_fold(&self, columns: &[usize], fold: usize) -> Result<Vec<(usize, f64)>, Error> {
        let (test, train): (Vec<usize>, Vec<usize>) =
            (0..self.features.len()).partition(|row| Self::fold(*row) == fold);
        let labels: Vec<f64> = train
            .iter()
            .map(|row| f64::from(u8::from(self.is_second[*row])))
            .collect();
        let (data, tests) = (self.columns(columns, &train), self.columns(columns, &test));
        let booster = fit(&Matrix::new(&data, train.len(), columns.len()), &labels)?;
        let scores = booster.predict(&Matrix::new(&tests, test.len(), columns.len()), false);
        Ok(test.into_iter().zip(scores).collect())
    }
}

/// Trees of the default size of LightGBM and scikit-learn: 100 trees of up to 31 leaves.
fn fit(data: &Matrix<'_, f64>, labels: &[f64]) -> Result<GradientBooster, Error> {
    let mut booster = GradientBooster::default()
        .set_iterations(100)
        .set_learning_rate(0.1)
        .set_max_leaves(31)
        .set_max_depth(usize::MAX)
        .set_parallel(false);
    booster.grow_policy = GrowPolicy::LossGuide;
    booster
        .fit_unweighted(data, labels, None)
        .map_err(|error| Error::refused(format!("classifier: {error}"), ""))?;
    Ok(booster)
}

/// Cross-validated scores of the rows (log odds of the second class) for each set of columns, on
/// the given number of threads (0: as many as there are cores).
///
/// # Errors
/// If the trees cannot be grown, or the monitor stops it.
pub(crate) fn cross_validate(
    rows: &Rows<'_>,
    column_sets: &[Vec<usize>],
    jobs: usize,
    monitor: &mut dyn Monitor,
) -> Result<Vec<Vec<f64>>, Error> {
    let tasks: Vec<_> = (0..column_sets.len())
        .flat_map(|set| (0..FOLDS).map(move |fold| (set, fold)))
        .collect();
    let folds = jobs::each(
        &tasks,
        jobs,
        "training classifiers",
        monitor,
        |(set, fold), _| rows.score_fold(&column_sets[*set], *fold),
    )?;
    let mut scores = vec![vec![0.0; rows.features.len()]; column_sets.len()];
    for ((set, _), scored) in tasks.into_iter().zip(folds) {
        for (row, score) in scored {
            scores[set][row] = score;
        }
    }
    Ok(scores)
}

/// A session's features with the number of its class.
pub(crate) type Example<'a> = (&'a [f64], usize);

/// The class of each test example beside the one that trees predict, which learned each class
/// against all others from the training examples. A class without training examples is never
/// predicted.
pub(crate) fn predict(
    training: &[Example<'_>],
    tests: &[Example<'_>],
    classes: usize,
) -> Result<Vec<(usize, usize)>, Error> {
    let width = training.first().map_or(0, |(features, _)| features.len());
    let columns = |examples: &[Example<'_>]| -> Vec<f64> {
        let column = |at| examples.iter().map(move |(features, _)| features[at]);
        (0..width).flat_map(column).collect()
    };
    let (data, test_data) = (columns(training), columns(tests));
    let mut best = vec![(f64::NEG_INFINITY, 0); tests.len()];
    for class in 0..classes {
        let labels: Vec<_> = training
            .iter()
            .map(|(_, of)| f64::from(u8::from(*of == class)))
            .collect();
        if tests.is_empty() || !labels.contains(&1.0) {
            continue;
        }
        let booster = fit(&Matrix::new(&data, training.len(), width), &labels)?;
        let scores = booster.predict(&Matrix::new(&test_data, tests.len(), width), false);
        for (best, score) in best.iter_mut().zip(scores) {
            if score > best.0 {
                *best = (score, class);
            }
        }
    }
    let truths = tests.iter().map(|(_, class)| *class);
    Ok(truths
        .zip(best.into_iter().map(|(_, class)| class))
        .collect())
}

/// Mean over the classes of the F1 score, from pairs of a true and a predicted class, with an
/// interval from resamples of the pairs. A class that is neither there nor predicted has 0.
pub(crate) fn macro_f1(pairs: &[(usize, usize)], classes: usize, seed: u64) -> Interval {
    let score = |pairs: &mut dyn Iterator<Item = (usize, usize)>| {
        let mut hits = vec![0_u64; classes];
        let mut named = vec![0_u64; classes];
        for (truth, predicted) in pairs {
            named[truth] += 1;
            named[predicted] += 1;
            hits[truth] += u64::from(truth == predicted);
        }
        let f1 = hits.iter().zip(&named);
        let f1 = f1.map(|(hits, named)| 2.0 * *hits as f64 / (*named).max(1) as f64);
        f1.sum::<f64>() / classes as f64
    };
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let resamples = (0..RESAMPLES)
        .map(|_| score(&mut (0..pairs.len()).map(|_| pairs[rng.random_range(0..pairs.len())])));
    interval(score(&mut pairs.iter().copied()), resamples.collect())
}

/// The mean of some values, with an interval from resamples of them.
pub(crate) fn mean(values: &[f64], seed: u64) -> Option<Interval> {
    let count = values.len();
    if count == 0 {
        return None;
    }
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let resamples = (0..RESAMPLES).map(|_| {
        let drawn = (0..count).map(|_| values[rng.random_range(0..count)]);
        drawn.sum::<f64>() / count as f64
    });
    let mean = values.iter().sum::<f64>() / count as f64;
    Some(interval(mean, resamples.collect()))
}

/// Area under the ROC curve: how probable it is that a row of the second class has a higher score
/// than one of the first; ties count half. 0.5 if a class is empty.
pub(crate) fn auc(scores: &[f64], is_second: &[bool]) -> f64 {
    weighted_auc(&ranked(scores, is_second), |_| 1)
}

/// The area under the ROC curve, with an interval from resamples of the rows of each class.
pub(crate) fn auc_interval(scores: &[f64], is_second: &[bool], seed: u64) -> Interval {
    let ranked = ranked(scores, is_second);
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let classes = [false, true].map(|class| {
        let rows = ranked.iter().enumerate();
        let rows = rows.filter(|(_, (_, is_second))| *is_second == class);
        rows.map(|(at, _)| at).collect::<Vec<_>>()
    });
    let resamples = (0..RESAMPLES).map(|_| {
        let mut weights = vec![0_u32; ranked.len()];
        for rows in &classes {
            for _ in rows {
                weights[rows[rng.random_range(0..rows.len())]] += 1;
            }
        }
        weighted_auc(&ranked, |at| weights[at])
    });
    interval(weighted_auc(&ranked, |_| 1), resamples.collect())
}

/// A number with the percentiles of its resamples.
pub(crate) fn interval(value: f64, mut resamples: Vec<f64>) -> Interval {
    resamples.sort_unstable_by(f64::total_cmp);
    let at = |share: f64| {
        let place = share * resamples.len().saturating_sub(1) as f64;
        resamples
            .get(place.round() as usize)
            .copied()
            .unwrap_or(value)
    };
    Interval {
        value,
        low: at(0.025),
        high: at(0.975),
    }
}

/// Scores and classes in the order of the scores.
fn ranked(scores: &[f64], is_second: &[bool]) -> Vec<(f64, bool)> {
    let mut ranked: Vec<_> = scores
        .iter()
        .copied()
        .zip(is_second.iter().copied())
        .collect();
    ranked.sort_by(|a, b| a.0.total_cmp(&b.0));
    ranked
}

/// The area under the ROC curve of ranked rows, each as often as its weight says.
fn weighted_auc(ranked: &[(f64, bool)], weight: impl Fn(usize) -> u32) -> f64 {
    let (mut below, mut seconds, mut wins) = (0.0, 0.0, 0.0);
    let mut at = 0;
    for tied in ranked.chunk_by(|a, b| a.0 == b.0) {
        let mut here = [0.0; 2];
        for (_, is_second) in tied {
            here[usize::from(*is_second)] += f64::from(weight(at));
            at += 1;
        }
        wins += here[1] * (below + here[0] / 2.0);
        below += here[0];
        seconds += here[1];
    }
    if below == 0.0 || seconds == 0.0 {
        0.5
    } else {
        wins / (below * seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::monitor::Silent;

    #[test]
    fn test_the_area_counts_pairs_and_ties_half() {
        let second = [false, false, true, true];
        assert_eq!(auc(&[1.0, 2.0, 3.0, 4.0], &second), 1.0);
        assert_eq!(auc(&[4.0, 3.0, 2.0, 1.0], &second), 0.0);
        assert_eq!(auc(&[1.0, 2.0, 2.0, 3.0], &second), 0.875);
        assert_eq!(auc(&[1.0; 4], &second), 0.5);
        assert_eq!(auc(&[1.0], &[true]), 0.5);
    }

    #[test]
    fn test_the_interval_holds_the_area_and_narrows_with_rows() {
        let of = |rows: usize| {
            let scores: Vec<_> = (0..rows).map(|row| (row * 7 % 10) as f64).collect();
            let second: Vec<_> = (0..rows).map(|row| row % 10 < 4).collect();
            auc_interval(&scores, &second, 0)
        };
        let (few, many) = (of(40), of(4000));
        assert!(few.low < few.value && few.value < few.high, "{few:?}");
        assert!(many.high - many.low < (few.high - few.low) / 4.0);
        assert_eq!(of(40), few);
    }

    #[test]
    fn test_macro_f1_is_the_mean_over_classes() {
        // Class 0: precision 2/3, recall 1; class 1: precision 1, recall 1/2; class 2: 0.
        let pairs = [(0, 0), (0, 0), (1, 0), (1, 1)];
        let two = macro_f1(&pairs, 2, 0);
        assert!((two.value - (0.8 + 2.0 / 3.0) / 2.0).abs() < 1e-12);
        assert!((macro_f1(&pairs, 3, 0).value - two.value * 2.0 / 3.0).abs() < 1e-12);
        assert!(two.low < two.value && two.value < two.high);
    }

    #[test]
    fn test_predictions_are_of_classes_that_were_learned() {
        let values: Vec<[f64; 1]> = (0..300).map(|row| [f64::from(row % 3)]).collect();
        let examples: Vec<Example<'_>> = values
            .iter()
            .map(|values| (&values[..], values[0] as usize))
            .collect();
        let right = predict(&examples, &examples, 3).unwrap();
        assert!(right.iter().all(|(truth, predicted)| truth == predicted));
        let two: Vec<_> = examples.iter().copied().filter(|of| of.1 < 2).collect();
        let without = predict(&two, &examples, 3).unwrap();
        assert!(without.iter().all(|(_, predicted)| *predicted < 2));
        assert_eq!(macro_f1(&without, 3, 0).value * 3.0, 1.0 + 2.0 / 3.0);
    }

    /// Rows of two classes that differ in the first of three columns, by the given shift.
    fn areas(shift: f64) -> Vec<f64> {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let values: Vec<[f64; 3]> = (0..1000)
            .map(|row| {
                let mut draw = || rng.random::<f64>();
                let missing = if row % 3 == 0 { f64::NAN } else { draw() };
                [draw() + shift * f64::from(row % 2), draw(), missing]
            })
            .collect();
        let mut rows = Rows::default();
        for pair in values.chunks_exact(2) {
            rows.push(&pair[0], &pair[1]);
        }
        let sets = [vec![0, 1, 2], vec![0], vec![1], vec![2]];
        let scores = cross_validate(&rows, &sets, 0, &mut Silent).unwrap();
        scores.iter().map(|of| auc(of, &rows.is_second)).collect()
    }

    #[test]
    fn test_trees_find_the_column_that_differs() {
        let (apart, equal) = (areas(0.5), areas(0.0));
        assert!(apart[0] > 0.8 && apart[1] > 0.8, "{apart:?}");
        for area in apart[2..].iter().chain(&equal) {
            assert!((area - 0.5).abs() < 0.07, "{apart:?} {equal:?}");
        }
        assert_eq!(areas(0.5), apart);
    }
}
