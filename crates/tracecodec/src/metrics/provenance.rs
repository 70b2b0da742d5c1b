//! Provenance: where the decoded captures of an evaluation come from, as far as it is known.

use serde::{Deserialize, Serialize};

/// Role of decoded captures in a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// A method that is compared.
    Method,
    /// Traffic that no method made, for comparison: a prefix once more, or another suffix.
    Control,
    /// A bound that no method exceeds: the original after parts that learn nothing.
    Reference,
}

impl Role {
    /// The role that a label stands for, if an evaluation does not name its role.
    pub(super) fn of_label(label: &str) -> Self {
        match label.to_lowercase().as_str() {
            "repeat" | "later" => Self::Control,
            "real" => Self::Reference,
            label if label.contains("oracle") => Self::Reference,
            _ => Self::Method,
        }
    }
}

/// How the continuation benchmark made the decoded captures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Continuation {
    /// Packets of a prefix.
    pub prefix: u64,
    /// Packets of a suffix.
    pub suffix: u64,
    /// Packets from the start of one window to the start of the next.
    pub stride: u64,
    /// Seed of every random stream; `None` if the contestant draws nothing, or if seeds differ.
    pub seed: Option<u64>,
    /// Whether packets were made to agree with the state of their flows; `None` if the contestant
    /// draws nothing.
    pub constrained: Option<bool>,
    /// Whether the contestant saw nothing before the prefix; `None` if the contestant draws
    /// nothing.
    pub prefix_only: Option<bool>,
    /// Solver of flow matching; `None` if flow matching was not used.
    pub solver: Option<SolverEntry>,
    /// Models that were used.
    pub models: Vec<ModelEntry>,
}

/// A solver of flow matching.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SolverEntry {
    /// Name of the method.
    pub method: String,
    /// Steps of the method.
    pub steps: u64,
}

/// A model that contributed to decoded captures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelEntry {
    /// Kind of the model, such as `generator`.
    pub kind: String,
    /// Folder of the model, or `built in`.
    pub name: String,
    /// BLAKE3 digest of the weights.
    pub blake3: String,
}

impl Continuation {
    /// The continuation that both share; its seed is `None` if their seeds differ. `None` if they
    /// differ otherwise.
    pub(super) fn common(self, other: &Self) -> Option<Self> {
        let seed = self.seed.filter(|_| self.seed == other.seed);
        let both = Self { seed, ..self };
        (both
            == Self {
                seed,
                ..other.clone()
            })
        .then_some(both)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_roles_of_labels() {
        let labels = [
            "Raw-Oracle",
            "later",
            "repeat",
            "real",
            "realistic",
            "codec",
        ];
        use Role::{Control, Method, Reference};
        assert_eq!(
            labels.map(Role::of_label),
            [Reference, Control, Control, Reference, Method, Method]
        );
    }

    #[test]
    fn test_what_continuations_have_in_common() {
        let one = Continuation {
            prefix: 4,
            suffix: 4,
            stride: 2,
            seed: Some(1),
            constrained: Some(true),
            prefix_only: Some(false),
            solver: None,
            models: Vec::new(),
        };
        assert_eq!(one.clone().common(&one), Some(one.clone()));
        let reseeded = Continuation {
            seed: Some(2),
            ..one.clone()
        };
        let common = one.clone().common(&reseeded);
        assert_eq!(common.map(|common| common.seed), Some(None));
        let shorter = Continuation {
            suffix: 2,
            ..one.clone()
        };
        assert_eq!(one.common(&shorter), None);
    }
}
