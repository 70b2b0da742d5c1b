//! The tables: the paper's table 3, all metrics, and the latent-interface test.

use tracecodec::metrics::{Evaluation, METRICS, Metric, Unit};

use super::dataset::Dataset;
use crate::plot::number::{count, short};
use crate::plot::table::{Cell, Table};

/// Columns of the main table, with the paper's headings.
const MAIN: [(&str, &str); 6] = [
    ("tcp_event_pp", "TCP event dist. (pp)\u{a0}↓"),
    ("count_pct", "Count (%)\u{a0}↓"),
    ("proto_pct", "Proto (%)\u{a0}↓"),
    ("iat_ms_pct", "IAT (%)\u{a0}↓"),
    ("flow_count_pct", "Flow cnt. (%)\u{a0}↓"),
    ("flow_duration_ms_pct", "Flow dur. (%)\u{a0}↓"),
];

/// Columns of the latent-interface table.
const LATENT_INTERFACE: [(&str, &str); 8] = [
    ("usable_suffixes_pct", "Usable suffixes (%)\u{a0}↑"),
    ("valid_coverage_pct", "Valid pkt coverage (%)\u{a0}↑"),
    ("ca_iat_ms_pct", "CA IAT TV, ms (%)\u{a0}↓"),
    ("ca_iat_log_pct", "CA IAT TV, log (%)\u{a0}↓"),
    ("ca_packet_size_pct", "CA pkt-size TV (%)\u{a0}↓"),
    ("ca_packets_per_flow_pct", "CA flow-pkts TV (%)\u{a0}↓"),
    (
        "ca_session_duration_ms_pct",
        "CA sess-dur TV, ms (%)\u{a0}↓",
    ),
    (
        "ca_session_duration_log_pct",
        "CA sess-dur TV, log (%)\u{a0}↓",
    ),
];

/// The paper's table 3.
pub(super) fn main(dataset: &Dataset) -> Table {
    let mut table = methods(
        dataset,
        &format!("Decoded-PCAP fidelity on {}", dataset.name),
        &MAIN,
    );
    let reference = dataset.reference();
    table.caption = format!(
        "Reference: {} packets in {} sessions. TCP events by the {} analyzer. Times by the millisecond, retransmissions by field.{}",
        count(reference.packets),
        count(reference.sessions),
        dataset.analyzers(),
        table.caption
    );
    table
}

/// What Appendix D measures on suffixes; none if all evaluations are of one case.
pub(super) fn latent_interface(dataset: &Dataset) -> Option<Table> {
    let mut cases = dataset.methods.iter().map(|(_, method)| method.cases.len());
    if !cases.any(|cases| cases > 1) {
        return None;
    }
    let title = format!("Latent interface on {}", dataset.name);
    let mut table = methods(dataset, &title, &LATENT_INTERFACE);
    let cases = dataset.methods.iter();
    let cases: Vec<_> = cases
        .map(|(_, method)| format!("{} of {}", count(method.cases.len() as u64), method.label))
        .collect();
    table.caption = format!(
        "Means over cases: {}. What is missing is charged (coverage-adjusted, CA).{}",
        cases.join(", "),
        table.caption
    );
    Some(table)
}

/// All metrics, one a row.
pub(super) fn complete(dataset: &Dataset) -> Table {
    let labels = dataset
        .methods
        .iter()
        .map(|(_, method)| method.label.clone());
    let head = ["Metric".to_string(), "Unit".to_string()];
    let mut table = Table::new(
        &format!("All metrics on {}", dataset.name),
        head.into_iter().chain(labels),
    );
    for metric in METRICS {
        let cells: Vec<_> = dataset
            .methods
            .iter()
            .map(|(_, method)| match (metric.measure)(method) {
                Ok(value) => Cell::number(short(value)),
                Err(reason) => table.none(reason),
            })
            .collect();
        let head = [Cell::text(metric.title), Cell::text(unit(metric.unit))];
        table.row(head.into_iter().chain(cells));
    }
    table
}

fn unit(unit: Unit) -> &'static str {
    match unit {
        Unit::ErrorPercent => "% ↓",
        Unit::ErrorPoints => "pp ↓",
        Unit::Distance => "0 to 1 ↓",
        Unit::SharePercent => "% ↑",
        Unit::Property => "",
    }
}

/// A row for each method, with the best learned one's number marked where there are several.
fn methods(dataset: &Dataset, title: &str, columns: &[(&str, &str)]) -> Table {
    let head = columns.iter().map(|(_, heading)| (*heading).to_string());
    let mut table = Table::new(title, std::iter::once("Method".to_string()).chain(head));
    let metrics: Vec<&Metric> = columns.iter().filter_map(|(key, _)| metric(key)).collect();
    let learned = dataset
        .methods
        .iter()
        .filter(|(_, method)| competes(method));
    let several = learned.count() > 1;
    let best: Vec<Option<String>> = metrics.iter().map(|metric| best(dataset, metric)).collect();
    for (_, method) in &dataset.methods {
        let cells: Vec<_> = metrics
            .iter()
            .zip(&best)
            .map(|(metric, best)| match (metric.measure)(method) {
                Ok(value) => {
                    let text = hundredth(value);
                    let is_best = several && competes(method) && best.as_ref() == Some(&text);
                    Cell::number(text).best(is_best)
                }
                Err(reason) => table.none(reason),
            })
            .collect();
        table.row(std::iter::once(Cell::text(&method.label)).chain(cells));
    }
    if several {
        table.caption = marked(dataset);
    }
    table
}

/// What the mark of the best says.
fn marked(dataset: &Dataset) -> String {
    let methods = dataset.methods.iter().map(|(_, method)| method);
    let references = methods.filter(|method| !is_learned(method));
    let references: Vec<_> = references.map(|method| method.label.as_str()).collect();
    if references.is_empty() {
        " Marked: the best of the methods.".to_string()
    } else {
        let references = references.join(" and ");
        format!(" Marked: the best of the learned methods, all but {references}.")
    }
}

fn metric(key: &str) -> Option<&'static Metric> {
    METRICS.iter().find(|metric| metric.key == key)
}

/// The Oracle has no learned part. It is known by its label.
fn is_learned(method: &Evaluation) -> bool {
    !method.label.to_lowercase().contains("oracle")
}

/// Whether a method's numbers may be marked as best. Those of a capture without packets may not: it
/// has no wrong events, having none.
fn competes(method: &Evaluation) -> bool {
    is_learned(method) && method.decoded.packets > 0
}

/// The best number of the learned methods, as the table shows it.
fn best(dataset: &Dataset, metric: &Metric) -> Option<String> {
    let learned = dataset.methods.iter().map(|(_, method)| method);
    let values = learned
        .filter(|method| competes(method))
        .filter_map(|method| (metric.measure)(method).ok());
    let best = if metric.unit == Unit::SharePercent {
        values.max_by(f64::total_cmp)
    } else {
        values.min_by(f64::total_cmp)
    };
    best.map(hundredth)
}

/// Two decimals, as the paper has them; what is not zero does not look like it.
fn hundredth(value: f64) -> String {
    if value > 0.0 && value < 0.005 {
        "<0.01".to_string()
    } else {
        format!("{value:.2}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plot::mark::Style;

    #[test]
    fn test_columns_are_metrics() {
        for (key, _) in MAIN.iter().chain(&LATENT_INTERFACE) {
            assert!(metric(key).is_some(), "{key}");
        }
    }

    #[test]
    fn test_what_is_not_zero_does_not_look_like_it() {
        let values = [0.0, 0.004, 0.006, 12.345];
        assert_eq!(values.map(hundredth), ["0.00", "<0.01", "0.01", "12.35"]);
    }

    #[test]
    fn test_neither_the_oracle_nor_nothing_is_best() {
        let method = |label: &str, packets| {
            let mut method = Evaluation {
                label: label.to_string(),
                ..Evaluation::default()
            };
            method.reference.packets = 10;
            method.decoded.packets = packets;
            (Style::Method(0), method)
        };
        let dataset = Dataset {
            name: "a".to_string(),
            slug: "a".to_string(),
            methods: vec![
                method("the Oracle", 10),
                method("x", 9),
                method("y", 8),
                method("nothing", 0),
            ],
            warnings: Vec::new(),
        };
        let markdown = main(&dataset).markdown();
        assert!(
            markdown.contains("| x | –<sup>a</sup> | **10.00** |"),
            "{markdown}"
        );
        assert_eq!(markdown.matches("**").count(), 2, "{markdown}");
        assert!(markdown.contains("Marked: the best of the learned methods, all but the Oracle."));
        let learned = Dataset {
            methods: vec![method("x", 9), method("y", 8)],
            ..dataset
        };
        let markdown = main(&learned).markdown();
        assert!(markdown.contains("Marked: the best of the methods."));
    }
}
