//! The tables: the paper's table 3, all metrics, and the latent-interface test.

use tracecodec::metrics::{Evaluation, METRICS, Metric, Role, Unit};

use super::dataset::Dataset;
use crate::plot::number::{count, hundredths, short};
use crate::plot::table::{Cell, Table};

/// Columns of the main table, with the paper's headings.
const MAIN: [(&str, &str); 6] = [
    ("tcp_event_pp", "TCP event dist. (pp)\u{a0}↓"),
    ("count_pct", "Count (%)\u{a0}↓"),
    ("proto_pct", "Proto (%)\u{a0}↓"),
    ("iat_paper_pct", "IAT (%)\u{a0}↓"),
    ("flow_count_pct", "Flow cnt. (%)\u{a0}↓"),
    ("flow_duration_paper_pct", "Flow dur. (%)\u{a0}↓"),
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
    let evaluations: Vec<_> = dataset.evaluations().collect();
    let mut table = methods(
        &evaluations,
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

/// The metrics of Appendix D on suffixes, for evaluations of the continuation benchmark; `None` if
/// there are no such evaluations.
pub(super) fn latent_interface(dataset: &Dataset) -> Option<Table> {
    let continued: Vec<_> = dataset
        .evaluations()
        .filter(|method| method.continuation.is_some())
        .collect();
    if continued.is_empty() {
        return None;
    }
    let title = format!("Latent interface on {}", dataset.name);
    let mut table = methods(&continued, &title, &LATENT_INTERFACE);
    let cases: Vec<_> = continued
        .iter()
        .map(|method| format!("{} of {}", count(method.cases.len() as u64), method.label))
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

/// A row for each method, with the best one's number marked if several compete.
fn methods(methods: &[&Evaluation], title: &str, columns: &[(&str, &str)]) -> Table {
    let head = columns.iter().map(|(_, heading)| (*heading).to_string());
    let mut table = Table::new(title, std::iter::once("Method".to_string()).chain(head));
    let metrics: Vec<&Metric> = columns.iter().filter_map(|(key, _)| metric(key)).collect();
    let several = methods.iter().filter(|method| competes(method)).count() > 1;
    let best: Vec<Option<String>> = metrics.iter().map(|metric| best(methods, metric)).collect();
    for method in methods {
        let cells: Vec<_> = metrics
            .iter()
            .zip(&best)
            .map(|(metric, best)| match (metric.measure)(method) {
                Ok(value) => {
                    let text = hundredths(value);
                    let is_best = several && competes(method) && best.as_ref() == Some(&text);
                    Cell::number(text).best(is_best)
                }
                Err(reason) => table.none(reason),
            })
            .collect();
        table.row(std::iter::once(Cell::text(&method.label)).chain(cells));
    }
    if several {
        table.caption = marked(methods);
    }
    table
}

/// The note that explains the mark of the best number.
fn marked(methods: &[&Evaluation]) -> String {
    let others: Vec<_> = methods
        .iter()
        .filter(|method| method.role() != Role::Method)
        .map(|method| method.label.as_str())
        .collect();
    if others.is_empty() {
        " Marked: the best of the methods.".to_string()
    } else {
        let others = others.join(" and ");
        format!(" Marked: the best of the learned methods, all but {others}.")
    }
}

fn metric(key: &str) -> Option<&'static Metric> {
    METRICS.iter().find(|metric| metric.key == key)
}

/// Whether a method's numbers may be marked as best. Controls and references are there to compare
/// with; a capture without packets has no wrong events, having none.
fn competes(method: &Evaluation) -> bool {
    method.role() == Role::Method && method.decoded.packets > 0
}

/// The best number of the methods that compete, as the table shows it.
fn best(methods: &[&Evaluation], metric: &Metric) -> Option<String> {
    let values = methods
        .iter()
        .filter(|method| competes(method))
        .filter_map(|method| (metric.measure)(method).ok());
    let best = if metric.unit == Unit::SharePercent {
        values.max_by(f64::total_cmp)
    } else {
        values.min_by(f64::total_cmp)
    };
    best.map(hundredths)
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
        assert_eq!(values.map(hundredths), ["0.00", "<0.01", "0.01", "12.35"]);
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
        assert!(latent_interface(&dataset).is_none(), "no continuations");
        let learned = Dataset {
            methods: vec![method("x", 9), method("y", 8)],
            ..dataset
        };
        let markdown = main(&learned).markdown();
        assert!(markdown.contains("Marked: the best of the methods."));
    }

    #[test]
    fn test_controls_of_a_continuation_are_not_marked() {
        let method = |label: &str, role, coverage: u64| {
            let case = serde_json::json!({
                "prefix": 4, "suffix": 4, "stride": 2, "seed": 1, "constrained": true,
                "prefix_only": false, "solver": null, "models": [],
            });
            let mut method = Evaluation {
                label: label.to_string(),
                role: Some(role),
                continuation: Some(serde_json::from_value(case).unwrap()),
                ..Evaluation::default()
            };
            method.reference.packets = 10;
            method.decoded.packets = coverage;
            (Style::Method(0), method)
        };
        let dataset = Dataset {
            name: "a".to_string(),
            slug: "a".to_string(),
            methods: vec![
                method("codec", Role::Reference, 10),
                method("later", Role::Control, 10),
                method("own", Role::Method, 9),
                method("other", Role::Method, 8),
            ],
            warnings: Vec::new(),
        };
        let markdown = main(&dataset).markdown();
        assert!(
            markdown.contains("| own | –<sup>a</sup> | **10.00** |"),
            "{markdown}"
        );
        assert!(markdown.contains("all but codec and later."), "{markdown}");
        assert!(latent_interface(&dataset).is_some());
    }
}
