//! Labels of the packets whose latents a file has, as its manifest states them.

use serde::{Deserialize, Serialize};
use tracecodec::pcap::Label;

/// Labels of rows, as runs of rows with one label, in order. Rows outside of all runs have none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RowLabels(Vec<Run>);

/// Consecutive rows with one label.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Run {
    /// Number of the first row, from 0.
    first: u64,
    /// Number of rows.
    rows: u64,
    sample_id: String,
    label: String,
}

impl RowLabels {
    /// Whether no row has a label.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Labels a row that comes after all rows with a label.
    pub fn push(&mut self, row: u64, label: Label<'_>) {
        match self.0.last_mut() {
            Some(run) if run.end() == row && run.label() == label => run.rows += 1,
            _ => self.0.push(Run {
                first: row,
                rows: 1,
                sample_id: label.sample_id.to_string(),
                label: label.label.to_string(),
            }),
        }
    }

    /// Adds the labels of other rows, which come after all rows with a label: `first` is the number
    /// of their first row.
    pub(crate) fn extend(&mut self, first: u64, labels: &Self) {
        let moved = |run: &Run| Run {
            first: first.saturating_add(run.first),
            ..run.clone()
        };
        self.0.extend(labels.0.iter().map(moved));
    }

    /// The label of a row.
    pub fn of(&self, row: u64) -> Option<Label<'_>> {
        let after = self.0.partition_point(|run| run.first <= row);
        let run = &self.0[after.checked_sub(1)?];
        (row < run.end()).then(|| run.label())
    }
}

impl Run {
    fn end(&self) -> u64 {
        self.first.saturating_add(self.rows)
    }

    fn label(&self) -> Label<'_> {
        Label {
            sample_id: &self.sample_id,
            label: &self.label,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_rows_have_their_labels() {
        let of = |row: u64| match row {
            2..5 => Some(("1", "web")),
            5 | 9 => Some(("2", "web")),
            6 => Some(("2", "mail")),
            _ => None,
        };
        let mut labels = RowLabels::default();
        assert!(labels.is_empty());
        for row in 0..12 {
            if let Some((sample_id, label)) = of(row) {
                labels.push(row, Label { sample_id, label });
            }
        }
        assert_eq!(labels.0.len(), 4);
        let mut moved = RowLabels::default();
        moved.extend(100, &labels);
        for row in 0..12 {
            let found = |label: Label<'_>| (label.sample_id.to_string(), label.label.to_string());
            let expected = of(row).map(|(id, label)| (id.to_string(), label.to_string()));
            assert_eq!(labels.of(row).map(found), expected);
            assert_eq!(moved.of(row + 100).map(found), expected);
        }
        let text = serde_json::to_string(&labels).unwrap();
        assert!(text.starts_with(r#"[{"first":2,"rows":3,"sample_id":"1","label":"web"}"#));
        assert_eq!(serde_json::from_str::<RowLabels>(&text).unwrap(), labels);
    }

    #[test]
    fn test_any_runs_can_be_read() {
        let runs = r#"[{"first":5,"rows":18446744073709551615,"sample_id":"","label":""},
                       {"first":1,"rows":0,"sample_id":"1","label":"x"}]"#;
        let labels: RowLabels = serde_json::from_str(runs).unwrap();
        for row in [0, 1, 5, u64::MAX] {
            let _ = labels.of(row);
        }
    }
}
