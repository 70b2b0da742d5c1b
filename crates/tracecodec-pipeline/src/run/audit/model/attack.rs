//! Membership inference: which sessions a model learned from, by how likely it finds them.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

use crate::classifier::Interval;

/// Resamples of a bootstrap over sessions.
const RESAMPLES: usize = 500;

/// Rates of false positives at which attacks are stated.
const FALSE_POSITIVES: [f64; 2] = [0.01, 0.001];

/// How well an attack tells sessions that a model learned from and others apart.
#[derive(Debug, Clone, Serialize)]
pub struct Attack {
    /// The models that are attacked: `shadows`, each in its turn, or `model`. `control` asks the
    /// shadow models without a session whether `model` learned from it: they cannot know, so that
    /// what they tell is how its data differ from those that were held out.
    pub target: &'static str,
    /// The score: `likelihood` of a packet under the model; `difference` to the mean under models
    /// without the session; `deviation`, the same in standard deviations of those.
    pub score: &'static str,
    /// Sessions: `all`, or the `likeliest`, `middle` and `rarest` third by their likelihood under
    /// models without them.
    pub group: &'static str,
    /// Pairs of a model and a session that it learned from.
    pub members: u64,
    /// Pairs of a model and another session.
    pub others: u64,
    /// Different sessions that are no member of some model: no rate of false positives below one
    /// over this number can be told.
    pub other_sessions: u64,
    /// Area under the ROC curve.
    pub auc: Interval,
    /// Rates of true positives at rates of false positives.
    pub rates: Vec<Rate>,
}

/// A rate of true positives.
#[derive(Debug, Clone, Serialize)]
pub struct Rate {
    /// Rate of false positives that was asked for.
    pub false_positives: f64,
    /// Rate of true positives, with the interval of 95 % of a bootstrap over sessions; `None` if
    /// there are too few sessions to tell.
    pub true_positives: Option<Interval>,
}

/// A session under a model.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pair {
    /// Number of the session.
    pub(super) session: usize,
    /// Whether the model learned from it.
    pub(super) is_member: bool,
    /// By score: the more, the likelier a member.
    pub(super) scores: [f64; 3],
    /// Nats a packet under models without the session.
    pub(super) rarity: f64,
}

const SCORES: [&str; 3] = ["likelihood", "difference", "deviation"];

/// Attacks on a target by all scores and groups.
pub(super) fn attacks(target: &'static str, pairs: &[Pair], seed: u64) -> Vec<Attack> {
    let mut rarities: Vec<f64> = pairs.iter().map(|pair| pair.rarity).collect();
    rarities.sort_by(f64::total_cmp);
    let third = |part: usize| rarities.get(rarities.len() * part / 3).copied();
    let bounds = [
        f64::NEG_INFINITY,
        third(1).unwrap_or(0.0),
        third(2).unwrap_or(0.0),
        f64::INFINITY,
    ];
    let mut attacks = Vec::new();
    for (score, name) in SCORES.into_iter().enumerate() {
        attacks.push(attack(target, name, "all", pairs, score, seed));
        for (group, bounds) in ["likeliest", "middle", "rarest"]
            .into_iter()
            .zip(bounds.windows(2))
        {
            let within = |pair: &&Pair| (bounds[0]..bounds[1]).contains(&pair.rarity);
            let pairs: Vec<Pair> = pairs.iter().filter(within).copied().collect();
            attacks.push(attack(target, name, group, &pairs, score, seed));
        }
    }
    attacks
}

/// The attack that cannot know.
pub(super) fn control(pairs: &[Pair], seed: u64) -> Attack {
    let blind = pairs.iter().map(|pair| Pair {
        scores: [-pair.rarity; 3],
        ..*pair
    });
    attack(
        "control",
        SCORES[0],
        "all",
        &blind.collect::<Vec<_>>(),
        0,
        seed,
    )
}

fn attack(
    target: &'static str,
    score: &'static str,
    group: &'static str,
    pairs: &[Pair],
    at: usize,
    seed: u64,
) -> Attack {
    let mut sessions: Vec<Vec<(bool, f64)>> = Vec::new();
    let mut sorted: Vec<&Pair> = pairs.iter().collect();
    sorted.sort_by_key(|pair| pair.session);
    for of_session in sorted.chunk_by(|a, b| a.session == b.session) {
        let scored = of_session
            .iter()
            .map(|pair| (pair.is_member, pair.scores[at]));
        sessions.push(scored.collect());
    }
    let whole = Measured::of(sessions.iter());
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let resamples: Vec<Measured> = (0..RESAMPLES)
        .map(|_| {
            let drawn = (0..sessions.len()).map(|_| &sessions[rng.random_range(0..sessions.len())]);
            Measured::of(drawn)
        })
        .collect();
    let interval = |of: &dyn Fn(&Measured) -> f64| {
        let mut values: Vec<f64> = resamples.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        let quantile = |share: f64| values[((values.len() - 1) as f64 * share) as usize];
        Interval {
            value: of(&whole),
            low: quantile(0.025),
            high: quantile(0.975),
        }
    };
    let has_other = |session: &&Vec<(bool, f64)>| session.iter().any(|(is_member, _)| !is_member);
    let other_sessions = sessions.iter().filter(has_other).count() as u64;
    let rates = FALSE_POSITIVES.into_iter().enumerate();
    Attack {
        target,
        score,
        group,
        members: whole.members,
        others: whole.others,
        other_sessions,
        auc: interval(&|measured| measured.auc),
        rates: rates
            .map(|(place, false_positives)| Rate {
                false_positives,
                true_positives: (other_sessions as f64 * false_positives >= 1.0)
                    .then(|| interval(&|measured| measured.true_positives[place])),
            })
            .collect(),
    }
}

/// What scores of members and others amount to.
struct Measured {
    members: u64,
    others: u64,
    auc: f64,
    true_positives: [f64; FALSE_POSITIVES.len()],
}

impl Measured {
    fn of<'a>(sessions: impl Iterator<Item = &'a Vec<(bool, f64)>>) -> Self {
        let mut pairs: Vec<(bool, f64)> = sessions.flatten().copied().collect();
        // The highest score first; of equal scores, others before members.
        pairs.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        let members = pairs.iter().filter(|(is_member, _)| *is_member).count() as u64;
        let others = pairs.len() as u64 - members;
        let (mut seen, mut false_seen, mut wins) = (0_u64, 0_u64, 0.0);
        let mut true_positives = [0.0; FALSE_POSITIVES.len()];
        for (is_member, _) in &pairs {
            if *is_member {
                seen += 1;
            } else {
                false_seen += 1;
                wins += seen as f64;
            }
            for (rate, most) in true_positives.iter_mut().zip(FALSE_POSITIVES) {
                if false_seen as f64 <= most * others as f64 {
                    *rate = seen as f64 / members.max(1) as f64;
                }
            }
        }
        Self {
            members,
            others,
            auc: wins / (members * others).max(1) as f64,
            true_positives,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sessions with a score for a model that learned from each, and for one that did not.
    fn pairs(gain: f64) -> Vec<Pair> {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let mut pairs = Vec::new();
        for session in 0..2000 {
            for is_member in [false, true] {
                let score = rng.random::<f64>() + if is_member { gain } else { 0.0 };
                pairs.push(Pair {
                    session,
                    is_member,
                    scores: [score; 3],
                    rarity: rng.random(),
                });
            }
        }
        pairs
    }

    #[test]
    fn test_members_without_a_gain_are_not_told_apart() {
        let attacks = attacks("shadows", &pairs(0.0), 0);
        let all = &attacks[0];
        assert!(all.auc.low < 0.5 && all.auc.high > 0.5, "{:?}", all.auc);
        let rate = all.rates[0].true_positives.unwrap();
        assert!(rate.low <= 0.011 && rate.high >= 0.009, "{rate:?}");
        assert_eq!(attacks.len(), 12);
    }

    #[test]
    fn test_members_with_a_gain_are_told_apart() {
        let attacks = attacks("shadows", &pairs(0.5), 0);
        // Uniform scores that are shifted by a half: 1 - (1 - 0.5)^2 / 2.
        assert!((attacks[0].auc.value - 0.875).abs() < 0.02);
        let rate = attacks[0].rates[0].true_positives.unwrap();
        assert!((rate.value - 0.51).abs() < 0.03, "{rate:?}");
    }

    #[test]
    fn test_what_cannot_be_told_is_left_out() {
        let pairs: Vec<Pair> = pairs(0.5).into_iter().take(400).collect();
        let rates = &attacks("shadows", &pairs, 0)[0].rates;
        assert!(rates[0].true_positives.is_some() && rates[1].true_positives.is_none());
    }
}
