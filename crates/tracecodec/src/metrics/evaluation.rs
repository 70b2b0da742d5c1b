//! An evaluation: the summaries of reference and decoded captures, and the metrics derived from
//! them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Case, Continuation, METRICS, Role, TraceSummary};
use crate::artifact::{SourceEntry, TOOL};
use crate::error::{Error, OtherVersion};

/// `format` of an evaluation's JSON.
pub const FORMAT: &str = "tracecodec-evaluation";

/// `version` of an evaluation's JSON.
pub const VERSION: u32 = 1;

/// How faithful decoded captures are to their references, for one pair of captures or for many.
/// Evaluations of different pairs merge.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// What was evaluated; names the row in reports.
    pub label: String,
    /// Name of the reference. Evaluations of one dataset stand side by side in reports.
    pub dataset: String,
    /// Which analyser found the TCP events: `native`, or a version of `tshark`.
    pub analyzer: String,
    /// Role in comparisons, if the evaluation names it; [`role`](Self::role) gives it in any case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// How the continuation benchmark made the decoded captures, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub continuation: Option<Continuation>,
    /// Summary of the references.
    pub reference: TraceSummary,
    /// Summary of the decoded captures.
    pub decoded: TraceSummary,
    /// The pairs of captures, by name.
    pub cases: Vec<Case>,
}

/// Keys that every evaluation's JSON begins with.
#[derive(Debug, Deserialize)]
struct Head {
    format: String,
    version: u32,
}

/// An evaluation as JSON holds it: with the metrics, which derive from the rest.
#[derive(Debug, Serialize)]
struct Document<'a> {
    format: &'static str,
    version: u32,
    tool: &'static str,
    metrics: BTreeMap<&'static str, Option<f64>>,
    /// Why each metric that is null has no number.
    reasons: BTreeMap<&'static str, &'static str>,
    #[serde(flatten)]
    evaluation: &'a Evaluation,
}

impl Evaluation {
    /// The evaluation of one pair of captures. Without `requested`, the number of requested packets
    /// is that of the reference.
    pub fn of_pair(
        name: String,
        (reference_file, reference): (SourceEntry, TraceSummary),
        (decoded_file, decoded): (SourceEntry, TraceSummary),
        requested: Option<u64>,
    ) -> Self {
        let case = Case::new(
            name,
            (reference_file, &reference),
            (decoded_file, &decoded),
            requested,
        );
        Self {
            cases: vec![case],
            reference,
            decoded,
            ..Self::default()
        }
    }

    /// Role in comparisons: the one that the evaluation names, otherwise the one that its label
    /// stands for.
    pub fn role(&self) -> Role {
        self.role.unwrap_or_else(|| Role::of_label(&self.label))
    }

    /// Adds the pairs of another evaluation. Label, dataset and analyser stay. Role and
    /// continuation stay only if both evaluations share them; a merged continuation of several
    /// seeds names no seed.
    pub fn merge(&mut self, other: Self) {
        self.reference.merge(&other.reference);
        self.decoded.merge(&other.decoded);
        if self.cases.is_empty() {
            (self.role, self.continuation) = (other.role, other.continuation.clone());
        } else if !other.cases.is_empty() {
            self.role = self.role.filter(|_| self.role == other.role);
            let both = self.continuation.take().zip(other.continuation.as_ref());
            self.continuation = both.and_then(|(own, other)| own.common(other));
        }
        self.cases.extend(other.cases);
        // Sorted, so that the order of merging makes no difference.
        self.cases.sort_by(|a, b| a.order().cmp(&b.order()));
    }

    /// All metrics, by the keys of [`METRICS`].
    pub fn metrics(&self) -> BTreeMap<&'static str, Result<f64, &'static str>> {
        METRICS
            .iter()
            .map(|metric| (metric.key, (metric.measure)(self)))
            .collect()
    }

    /// The evaluation's JSON, which includes the metrics that derive from the rest.
    pub fn document(&self) -> impl Serialize + '_ {
        let measured = self.metrics();
        let reasons = measured.iter();
        Document {
            format: FORMAT,
            version: VERSION,
            tool: TOOL,
            reasons: reasons
                .filter_map(|(&key, value)| Some((key, value.err()?)))
                .collect(),
            metrics: measured
                .into_iter()
                .map(|(key, value)| (key, value.ok()))
                .collect(),
            evaluation: self,
        }
    }

    /// Reads an evaluation from JSON. Its metrics are measured again, not read.
    ///
    /// # Errors
    /// If the text is not an evaluation of this version, or its counts contradict each other.
    pub fn from_json(text: &str) -> Result<Self, Error> {
        let malformed = Error::NotAnEvaluation;
        let Head { format, version } = serde_json::from_str(text).map_err(malformed)?;
        if format != FORMAT || version != VERSION {
            return Err(Error::OtherEvaluation(OtherVersion {
                format,
                version,
                expected: FORMAT,
                expected_version: VERSION,
            }));
        }
        let evaluation: Self = serde_json::from_str(text).map_err(malformed)?;
        for summary in [&evaluation.reference, &evaluation.decoded] {
            summary.check().map_err(Error::InconsistentEvaluation)?;
        }
        Ok(evaluation)
    }
}
