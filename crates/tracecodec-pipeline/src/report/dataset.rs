//! Evaluations of one dataset side by side, with their reference.

use tracecodec::metrics::{Evaluation, TraceSummary};

use crate::error::Error;
use crate::plot::mark::Style;

/// A dataset: all evaluations against one reference.
pub(crate) struct Dataset {
    /// Name of the dataset.
    pub(crate) name: String,
    /// Name of the dataset in file names and links, unique on the page.
    pub(crate) slug: String,
    /// One evaluation or more, each with a look of its own.
    pub(super) methods: Vec<(Style, Evaluation)>,
    /// Warnings: why the comparison is doubtful.
    pub(crate) warnings: Vec<String>,
}

/// The captures of a dataset, beside each other.
pub(super) type Series<'a, T = TraceSummary> = crate::plot::series::Series<'a, T>;

impl Dataset {
    /// Summary of the reference.
    pub(super) fn reference(&self) -> &TraceSummary {
        &self.methods[0].1.reference
    }

    /// The evaluations in the order in which they were named.
    pub(super) fn evaluations(&self) -> impl Iterator<Item = &Evaluation> {
        self.methods.iter().map(|(_, evaluation)| evaluation)
    }

    /// The reference, then each method.
    pub(super) fn series(&self) -> Vec<Series<'_>> {
        let reference = Series {
            name: "Reference",
            style: Style::Reference,
            data: self.reference(),
        };
        let methods = self.methods.iter().map(|(style, evaluation)| Series {
            name: &evaluation.label,
            style: *style,
            data: &evaluation.decoded,
        });
        std::iter::once(reference).chain(methods).collect()
    }

    /// The analyser that found the TCP events; all analysers, if evaluations differ.
    pub(super) fn analyzers(&self) -> String {
        let mut names: Vec<&str> = Vec::new();
        for (_, evaluation) in &self.methods {
            if !names.contains(&evaluation.analyzer.as_str()) {
                names.push(&evaluation.analyzer);
            }
        }
        names.join(" and ")
    }

    fn warn(&mut self) {
        let first = &self.methods[0].1;
        let mut warnings = Vec::new();
        for (_, other) in &self.methods[1..] {
            if other.reference != first.reference {
                warnings.push(format!(
                    "{} was evaluated on another reference than {}; figures show that of {}",
                    other.label, first.label, first.label
                ));
            }
            if other.analyzer != first.analyzer {
                warnings.push(format!(
                    "TCP events of {} are by {}, but those of {} by {}",
                    other.label, other.analyzer, first.label, first.analyzer
                ));
            }
        }
        self.warnings = warnings;
    }
}

/// Groups evaluations by dataset. Both stand in the order in which they were named; a label looks
/// the same in all datasets, whatever the order.
pub(crate) fn datasets(evaluations: Vec<Evaluation>) -> Result<Vec<Dataset>, Error> {
    let evaluations: Vec<_> = evaluations.into_iter().map(presentable).collect();
    let styles = Style::of_labels(
        evaluations
            .iter()
            .map(|evaluation| evaluation.label.as_str()),
    );
    let looks: Vec<_> = evaluations
        .iter()
        .map(|evaluation| styles[evaluation.label.as_str()])
        .collect();
    let mut datasets: Vec<Dataset> = Vec::new();
    for method in looks.into_iter().zip(evaluations) {
        let name = &method.1.dataset;
        match datasets.iter_mut().find(|dataset| dataset.name == *name) {
            Some(dataset) => dataset.methods.push(method),
            None => {
                let slug = slug(name, &datasets);
                datasets.push(Dataset {
                    name: name.clone(),
                    slug,
                    methods: vec![method],
                    warnings: Vec::new(),
                });
            }
        }
    }
    for dataset in &mut datasets {
        check_labels(dataset)?;
        dataset.warn();
    }
    Ok(datasets)
}

/// The evaluation with names that can be shown anywhere.
fn presentable(evaluation: Evaluation) -> Evaluation {
    Evaluation {
        label: presentable_name(&evaluation.label),
        dataset: presentable_name(&evaluation.dataset),
        analyzer: presentable_name(&evaluation.analyzer),
        ..evaluation
    }
}

/// A name in one line, without characters that control a terminal or the direction of text;
/// "unnamed" if it is empty.
pub(super) fn presentable_name(name: &str) -> String {
    let name: String = name
        .trim()
        .chars()
        .map(|c| match c {
            c if c.is_whitespace() && c != '\u{a0}' => ' ',
            '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                '\u{fffd}'
            }
            c if c.is_control() => '\u{fffd}',
            c => c,
        })
        .collect();
    if name.is_empty() {
        "unnamed".to_string()
    } else {
        name
    }
}

fn check_labels(dataset: &Dataset) -> Result<(), Error> {
    let labels = dataset.methods.iter().map(|(_, method)| &method.label);
    let mut seen: Vec<&String> = Vec::new();
    for label in labels {
        if seen.contains(&label) {
            return Err(Error::refused(
                format!("two evaluations of {label} on {}", dataset.name),
                "name methods apart with the setting `label` of evaluate; merge adds up evaluations of parts",
            ));
        }
        seen.push(label);
    }
    Ok(())
}

/// Bytes of a name for files at most, without the number that may follow: far from what file
/// systems allow, as figures add theirs.
const SLUG: usize = 60;

/// A name for files and links, different from the others': small letters, digits and hyphens.
pub(super) fn slug(name: &str, others: &[Dataset]) -> String {
    let words = name.split(|c: char| !c.is_ascii_alphanumeric());
    let words: Vec<_> = words
        .filter(|word| !word.is_empty())
        .map(str::to_ascii_lowercase)
        .collect();
    let base = if words.is_empty() {
        "dataset".to_string()
    } else {
        // ASCII alone: each character is a byte.
        let mut base = words.join("-");
        base.truncate(SLUG);
        base.trim_end_matches('-').to_string()
    };
    let free = |slug: &String| others.iter().all(|other| other.slug != *slug);
    let numbered = (2..).map(|n| format!("{base}-{n}"));
    let mut candidates = std::iter::once(base.clone()).chain(numbered);
    candidates.find(free).expect("numbers do not end")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evaluation(dataset: &str, label: &str) -> Evaluation {
        Evaluation {
            label: label.to_string(),
            dataset: dataset.to_string(),
            ..Evaluation::default()
        }
    }

    #[test]
    fn test_datasets_keep_the_order_and_get_slugs_apart() {
        let pairs = [("B 1", "x"), ("a", "x"), ("b-1", "y"), ("B 1", "y")];
        let evaluations = pairs.map(|(dataset, label)| evaluation(dataset, label));
        let datasets = datasets(evaluations.to_vec()).unwrap();
        let described = datasets.iter().map(|dataset| {
            let names: Vec<_> = dataset.series().iter().map(|s| s.name).collect();
            (dataset.slug.as_str(), names.join(" "))
        });
        assert_eq!(
            described.collect::<Vec<_>>(),
            [
                ("b-1", "Reference x y".to_string()),
                ("a", "Reference x".to_string()),
                ("b-1-2", "Reference y".to_string())
            ]
        );
    }

    #[test]
    fn test_long_names_get_short_slugs_apart() {
        let name = |end: &str| format!("{}{end}", "é long".repeat(100));
        let evaluations = ["a", "b"].map(|end| evaluation(&name(end), "x"));
        let datasets = datasets(evaluations.to_vec()).unwrap();
        let slugs: Vec<_> = datasets.iter().map(|dataset| &dataset.slug).collect();
        assert_eq!(slugs[0].len(), 59, "{slugs:?}");
        assert_eq!(*slugs[1], format!("{}-2", slugs[0]));
    }

    #[test]
    fn test_names_can_be_shown() {
        let names = ["a\n b", "\u{1b}[31mred", " \t", "", "\u{202e}x"];
        assert_eq!(
            names.map(presentable_name),
            ["a  b", "\u{fffd}[31mred", "unnamed", "unnamed", "\u{fffd}x"]
        );
        let datasets = datasets(vec![evaluation("", "")]).unwrap();
        assert_eq!(datasets[0].name, "unnamed");
        assert_eq!(datasets[0].series()[1].name, "unnamed");
    }

    #[test]
    fn test_one_label_twice_is_refused_and_other_references_are_told() {
        let twice = vec![evaluation("a", "x"), evaluation("a", "x")];
        assert!(datasets(twice).is_err());
        let mut other = evaluation("a", "y");
        other.reference.packets = 1;
        other.analyzer = "tshark 4".to_string();
        let datasets = datasets(vec![evaluation("a", "x"), other]).unwrap();
        assert_eq!(datasets[0].warnings.len(), 2);
    }
}
