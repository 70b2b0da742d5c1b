//! The tables: from the manifests of steps to means over seeds, the paper's numbers beside them.

use std::collections::BTreeMap;

use serde_json::Value;
use tracecodec::metrics::Role;
use tracecodec::raw::Diagnostics;
use tracecodec::shard::ShardManifest;

use super::paper;
use super::plan::{Arm, BASELINES, CODEC, ORACLE, Part};
use super::step::Manifest;
use crate::plot::number::{count, hundredths, short, superscript};
use crate::plot::table::{Cell, Source, Table};

/// What the steps found: their manifests by name. A step that is not done has none.
pub(super) type Found = BTreeMap<String, Manifest>;

/// A column of numbers.
struct Column {
    head: &'static str,
    better: Better,
    measure: Measure,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Better {
    Low,
    High,
    Neither,
}

/// Where a number stands.
#[derive(Clone, Copy)]
enum Measure {
    /// A metric of the evaluation, by its key.
    Metric(&'static str),
    /// A mean over the packets of a codec's captures, by its key.
    Codec(&'static str, f64),
    /// The rows of a baseline: invalid, accuracy of categories, error of numbers.
    Rows(fn(&Diagnostics) -> Option<f64>, &'static str),
    /// A figure of the two-sample test, by its key.
    TwoSample(&'static str),
    /// A figure of the audits of all captures, and what it is called there.
    Audit(fn(&[Value]) -> Option<f64>, &'static str),
    /// A count of the audits, likewise.
    Count(fn(&[Value]) -> Option<f64>, &'static str),
    /// A figure of the training, by the first of some keys that it has.
    Training(&'static [&'static str]),
    /// Seconds of the training.
    TrainingSeconds,
    /// Packets a second, there and back.
    Pace,
}

const fn low(head: &'static str, key: &'static str) -> Column {
    column(head, Better::Low, Measure::Metric(key))
}

const fn high(head: &'static str, key: &'static str) -> Column {
    column(head, Better::High, Measure::Metric(key))
}

const fn column(head: &'static str, better: Better, measure: Measure) -> Column {
    Column {
        head,
        better,
        measure,
    }
}

impl Column {
    /// A number as the column shows it: with two decimals, as the paper has them; large ones in
    /// short, and counts as they are.
    fn shown(&self, value: f64) -> String {
        let is_count = matches!(
            self.measure,
            Measure::Count(..) | Measure::Training(&["steps"])
        );
        if is_count && value.fract() == 0.0 {
            count(value as u64)
        } else {
            shown(value)
        }
    }

    /// The mean of some numbers and, if they differ as they are shown, the smallest and the
    /// largest.
    fn spread(&self, numbers: &[Source]) -> String {
        let values = || numbers.iter().map(|number| number.value);
        let middle = self.shown(mean(numbers).unwrap_or_default());
        let low = self.shown(values().min_by(f64::total_cmp).unwrap_or_default());
        let high = self.shown(values().max_by(f64::total_cmp).unwrap_or_default());
        if low == high {
            middle
        } else {
            format!("{middle} ({low}–{high})")
        }
    }
}

const FIDELITY: [Column; 6] = [
    low("TCP event dist. (pp)\u{a0}↓", "tcp_event_pp"),
    low("Count (%)\u{a0}↓", "count_pct"),
    low("Proto (%)\u{a0}↓", "proto_pct"),
    low("IAT (%)\u{a0}↓", "iat_paper_pct"),
    low("Flow cnt. (%)\u{a0}↓", "flow_count_pct"),
    low("Flow dur. (%)\u{a0}↓", "flow_duration_paper_pct"),
];

const ABLATION: [Column; 6] = [
    column(
        "Action (%)\u{a0}↑",
        Better::High,
        Measure::Codec("action_accuracy", 100.0),
    ),
    low("TCP event dist. (pp)\u{a0}↓", "tcp_event_pp"),
    low("IAT (%)\u{a0}↓", "iat_paper_pct"),
    low("Flow cnt. (%)\u{a0}↓", "flow_count_pct"),
    low("Flow dur. (%)\u{a0}↓", "flow_duration_paper_pct"),
    column(
        "KL rate (nats/pkt)",
        Better::Neither,
        Measure::Codec("kl_nats", 1.0),
    ),
];

const ROWS: [Column; 3] = [
    column(
        "Inv. row (%)\u{a0}↓",
        Better::Low,
        Measure::Rows(
            |all| all.rows().rate().map(|rate| 100.0 * rate),
            "invalid_row_rate",
        ),
    ),
    column(
        "Cat. acc. (%)\u{a0}↑",
        Better::High,
        Measure::Rows(
            |all| all.matches().accuracy().map(|share| 100.0 * share),
            "categorical_accuracy",
        ),
    ),
    column(
        "Num. err.\u{a0}↓",
        Better::Low,
        Measure::Rows(|all| all.deviations().mean(), "numerical_error"),
    ),
];

const INTERFACE: [Column; 6] = [
    high("Usable suffixes (%)\u{a0}↑", "usable_suffixes_pct"),
    high("Valid pkt coverage (%)\u{a0}↑", "valid_coverage_pct"),
    low("CA IAT TV (%)\u{a0}↓", "ca_iat_ms_pct"),
    low("CA pkt-size TV (%)\u{a0}↓", "ca_packet_size_pct"),
    low("CA flow-pkts TV (%)\u{a0}↓", "ca_packets_per_flow_pct"),
    low("CA sess-dur TV (%)\u{a0}↓", "ca_session_duration_ms_pct"),
];

const HOSTS: [Column; 6] = [
    low("Hosts (%)\u{a0}↓", "host_count_pct"),
    low("Fan-out (%)\u{a0}↓", "fan_out_pct"),
    low("Fan-in (%)\u{a0}↓", "fan_in_pct"),
    low("Flows per pair (%)\u{a0}↓", "flows_per_pair_pct"),
    low("Services (%)\u{a0}↓", "service_pct"),
    low("Transition (0 to 1)\u{a0}↓", "transition_tv"),
];

const SURVIVAL: [Column; 4] = [
    column(
        "Rows searched",
        Better::Neither,
        Measure::Count(
            |captures| Some(identifiers(captures).count() as f64),
            "identifiers",
        ),
    ),
    column(
        "Rows beyond chance\u{a0}↓",
        Better::Low,
        Measure::Count(
            |captures| {
                let beyond = |row: &&Value| row["beyond_chance"] == true;
                Some(identifiers(captures).filter(beyond).count() as f64)
            },
            "identifiers, beyond_chance",
        ),
    ),
    column(
        "Flows found again (%)",
        Better::Neither,
        Measure::Audit(
            |captures| matched(captures, "flows"),
            "flows, matched of unique",
        ),
    ),
    column(
        "Hosts found again (%)",
        Better::Neither,
        Measure::Audit(
            |captures| matched(captures, "hosts"),
            "hosts, matched of unique",
        ),
    ),
];

const USE: [Column; 10] = [
    column(
        "Two-sample AUC\u{a0}↓",
        Better::Low,
        Measure::TwoSample("auc"),
    ),
    column(
        "AUC without time\u{a0}↓",
        Better::Low,
        Measure::TwoSample("auc_without_time"),
    ),
    low("IAT, log (%)\u{a0}↓", "iat_log_pct"),
    low("Packet size (%)\u{a0}↓", "packet_size_pct"),
    low("Packets per flow (%)\u{a0}↓", "packets_per_flow_pct"),
    low("Flow dur., log (%)\u{a0}↓", "flow_duration_log_pct"),
    low("Flow cnt. (%)\u{a0}↓", "flow_count_pct"),
    low("Proto (%)\u{a0}↓", "proto_pct"),
    low("TCP event dist. (pp)\u{a0}↓", "tcp_event_pp"),
    low("Burstiness (%)\u{a0}↓", "burstiness_pct"),
];

const SPEED: [Column; 4] = [
    column(
        "Optimiser steps",
        Better::Neither,
        Measure::Training(&["steps"]),
    ),
    column("Training (s)", Better::Neither, Measure::TrainingSeconds),
    column(
        "Training (packets/s)",
        Better::Neither,
        Measure::Training(&["packets_per_second", "rows_per_second"]),
    ),
    column("There and back (packets/s)", Better::Neither, Measure::Pace),
];

/// All tables of one dataset, each with the part in whose section it stands, in the order of the
/// page; without those that have no row.
pub(super) fn of_dataset<'a>(
    dataset: &str,
    arms: &'a [Arm],
    found: &'a Found,
) -> Vec<(Part, Table)> {
    let of = |parts: &[Part]| {
        let arms = arms.iter();
        let arms = arms.filter(|arm| arm.dataset == dataset && parts.contains(&arm.part));
        arms.collect::<Vec<_>>()
    };
    let rows = |title: &str, about: &str, arms: &[&'a Arm], columns: &'static [Column]| Rows {
        title: format!("{title} on {dataset}"),
        about: about.to_string(),
        methods: by_method(arms),
        columns,
        found,
        paper: BTreeMap::new(),
    };
    let fidelity = of(&[Part::Fidelity]);
    let learned = |arm: &Arm| BASELINES.iter().any(|(_, method)| *method == arm.method);
    let ours = |arm: &Arm| arm.method == ORACLE || arm.method.starts_with(CODEC);
    let pick = |keep: &dyn Fn(&Arm) -> bool| -> Vec<&'a Arm> {
        fidelity.iter().filter(|arm| keep(arm)).copied().collect()
    };
    let mut ablations = pick(&|arm| arm.method == CODEC);
    ablations.extend(of(&[Part::Ablation]));
    let mut both = fidelity.clone();
    both.extend(of(&[Part::Rendering]));
    let tables = [
        (
            Part::Fidelity,
            rows(
                "Table 3 (and 10). Decoded captures",
                "The test split there and back. TraceCodec's latents are the encoder's means; \
                 refined, each is moved until it decodes to its packet. The oracles learn nothing: \
                 packet actions, and raw rows.",
                &fidelity,
                &FIDELITY,
            )
            .beside(paper::FIDELITY),
        ),
        (
            Part::Fidelity,
            rows(
                "Table 5 (and 11). What each part is worth",
                "Codecs trained without a part, with the same budget. Latents are means.",
                &ablations,
                &ABLATION,
            )
            .beside(paper::ABLATION),
        ),
        (
            Part::Fidelity,
            rows(
                "Table 9. Rows before they are packets",
                "Rows that are no packet; of the others, the share of categories and the mean error \
                 of numbers in the units of their fields.",
                &pick(&learned),
                &ROWS,
            )
            .beside(paper::ROWS),
        ),
        (
            Part::Fidelity,
            rows(
                "Table R. The compiler's part",
                "No state: packet actions rendered as if each were the first of its flow. Lowered: \
                 what the raw fields rendered, lifted and lowered by the compiler.",
                &both,
                &FIDELITY,
            ),
        ),
        (
            Part::Fidelity,
            rows(
                "Table H. Hosts, services and TCP transitions",
                "Hosts and services are kept by packet actions alone; raw fields render what \
                 addresses and ports they decode to.",
                &pick(&|arm| ours(arm) || learned(arm)),
                &HOSTS,
            ),
        ),
        (
            Part::Fidelity,
            rows(
                "Table P. What of the originals survives",
                "Addresses, ports, numbers and other identifiers of the test split, searched for in \
                 what each method wrote: a row a kind, way to search and capture, and those that \
                 are found more often than by chance. Flows are found again by the gaps and sizes \
                 of their first ten packets, hosts by their degrees: of those like no other. That \
                 is behaviour, which a codec is to keep.",
                &fidelity,
                &SURVIVAL,
            ),
        ),
        (
            Part::Interface,
            rows(
                "Table 4 (and 12). Latent interface",
                "Windows of the test split, continued by one kind of generator trained with the \
                 same budget on each representation. Means over windows.",
                &of(&[Part::Interface]),
                &INTERFACE,
            )
            .beside(paper::INTERFACE),
        ),
        (
            Part::Generation,
            rows(
                "Table U. Continuations of the capture",
                "Each beside the last tenth, which no generator read. The area under the curve is \
                 that of a classifier of sessions: 0.5 if it cannot tell them apart.",
                &of(&[Part::Generation]),
                &USE,
            ),
        ),
    ];
    let tables = tables
        .into_iter()
        .filter(|(_, rows)| !rows.methods.is_empty());
    tables.map(|(part, rows)| (part, rows.table())).collect()
}

/// The table of times, which are no result: they differ from run to run.
pub(super) fn speed(dataset: &str, arms: &[Arm], found: &Found) -> Table {
    let arms = arms.iter().filter(|arm| {
        arm.dataset == dataset && matches!(arm.part, Part::Fidelity | Part::Ablation)
    });
    Rows {
        title: format!("Table S. Speed on {dataset}"),
        about: "Wall-clock times of the machine that ran it.".to_string(),
        methods: by_method(&arms.collect::<Vec<_>>()),
        columns: &SPEED,
        found,
        paper: BTreeMap::new(),
    }
    .table()
}

/// The paper's Table 6: shards and packets of each split.
pub(super) fn datasets(names: &[String], found: &Found) -> Table {
    let head = [
        "Dataset",
        "Shards",
        "Train",
        "Validation",
        "Test",
        "Packets, train",
        "Packets, validation",
        "Packets, test",
        "TCP (%)",
        "UDP (%)",
        "ICMP (%)",
    ];
    let mut table = Table::new("Table 6. Datasets", head.map(str::to_string));
    table.caption =
        "The paper's: CICIDS2017 Monday, 2,397 shards (1,919, 239, 239), 10.32, 0.68 and \
                     0.66 million packets, 91.5, 8.0 and 0.02 %; MAWI 202004071400, 13,102 shards \
                     (10,482, 1,310, 1,310), 93.71, 6.58 and 8.26 million, 49.2, 17.5 and 30.3 %."
            .to_string();
    for name in names {
        let step = format!("{name}/shard");
        let Some(manifest) = found.get(&step) else {
            continue;
        };
        let Ok(shards) = serde_json::from_value::<ShardManifest>(manifest.outcome.clone()) else {
            continue;
        };
        let [train, validation, test, all] = shards.table6();
        let splits = [train, validation, test];
        let counts = [all.shards]
            .into_iter()
            .chain(splits.map(|split| split.shards))
            .chain(splits.map(|split| split.packets))
            .map(|number| (number as f64, count(number)));
        let shares = all.percentages().into_iter().take(3);
        let shares = shares.map(|share| (share, hundredths(share)));
        let cells = counts
            .chain(shares)
            .zip(&head[1..])
            .map(|((value, text), what)| {
                Cell::number(text).from(vec![Source {
                    step: step.clone(),
                    what: format!("outcome, as Table 6: {what}"),
                    value,
                }])
            });
        table.row(
            [Cell::text(name)]
                .into_iter()
                .chain(cells.collect::<Vec<_>>()),
        );
    }
    table
}

/// Arms by method, in the order of the first of each.
fn by_method<'a>(arms: &[&'a Arm]) -> Vec<(&'a str, Vec<&'a Arm>)> {
    let mut methods: Vec<(&str, Vec<&Arm>)> = Vec::new();
    for arm in arms {
        match methods.iter_mut().find(|(method, _)| *method == arm.method) {
            Some((_, of)) => of.push(arm),
            None => methods.push((&arm.method, vec![arm])),
        }
    }
    methods
}

/// A table to be filled: a row a method.
struct Rows<'a> {
    title: String,
    about: String,
    methods: Vec<(&'a str, Vec<&'a Arm>)>,
    columns: &'a [Column],
    found: &'a Found,
    /// The paper's numbers by method, a pair a column: on CICIDS2017, and on MAWI.
    paper: BTreeMap<&'static str, Vec<[f64; 2]>>,
}

impl<'a> Rows<'a> {
    /// The rows with the paper's numbers beside them.
    fn beside<const N: usize>(self, rows: &[paper::Row<N>]) -> Self {
        let paper = rows.iter().map(|row| {
            let pairs = row.cicids.into_iter().zip(row.mawi);
            (
                row.method,
                pairs.map(|(cicids, mawi)| [cicids, mawi]).collect(),
            )
        });
        Self {
            paper: paper.collect(),
            ..self
        }
    }

    fn table(&self) -> Table {
        let is_beside = !self.paper.is_empty();
        let heads = self.columns.iter().flat_map(|column| {
            let theirs = is_beside.then(|| "the paper*".to_string());
            [column.head.to_string()].into_iter().chain(theirs)
        });
        let mut table = Table::new(&self.title, ["Method".to_string()].into_iter().chain(heads));
        let best: Vec<_> = self
            .columns
            .iter()
            .map(|column| self.best(column))
            .collect();
        for (method, arms) in &self.methods {
            let mut cells = vec![Cell::text(method)];
            for (index, column) in self.columns.iter().enumerate() {
                let numbers = self.numbers(arms, column);
                cells.push(match mean(&numbers) {
                    Some(value) => {
                        let is_best = competes(arms) && best[index] == Some(column.shown(value));
                        Cell::number(column.spread(&numbers))
                            .best(is_best)
                            .from(numbers)
                    }
                    None => table.none(&self.reason(arms, column)),
                });
                if is_beside {
                    cells.push(self.papers(method, index));
                }
            }
            table.row(cells);
        }
        table.caption = self.caption(is_beside, best.iter().any(Option::is_some));
        table
    }

    fn caption(&self, is_beside: bool, is_marked: bool) -> String {
        let mut caption = self.about.clone();
        if self.methods.iter().any(|(_, arms)| arms.len() > 1) {
            caption += " Means over seeds, and the smallest and the largest value.";
        }
        if is_marked {
            caption += " Marked: the best of the learned methods.";
        }
        if is_beside {
            caption += " *The paper's numbers on its captures, CICIDS2017 Monday / MAWI 202004071400: \
                        other captures and budgets than here.";
        }
        caption
    }

    /// The paper's numbers of a method in a column.
    fn papers(&self, method: &str, index: usize) -> Cell {
        let text = |number: f64| {
            if number.is_nan() {
                "–".to_string()
            } else {
                shown(number)
            }
        };
        Cell::number(match self.paper.get(method) {
            Some(columns) => columns[index].map(text).join(" / "),
            None => String::new(),
        })
    }

    /// The best mean of a column, as it is shown; `None` if fewer than two methods compete.
    fn best(&self, column: &Column) -> Option<String> {
        let methods = self.methods.iter().filter(|(_, arms)| competes(arms));
        let means: Vec<f64> = methods
            .filter_map(|(_, arms)| mean(&self.numbers(arms, column)))
            .collect();
        if means.len() < 2 {
            return None;
        }
        let best = match column.better {
            Better::Low => means.into_iter().min_by(f64::total_cmp),
            Better::High => means.into_iter().max_by(f64::total_cmp),
            Better::Neither => None,
        };
        best.map(|best| column.shown(best))
    }

    /// The numbers of a method in a column, one a seed.
    fn numbers(&self, arms: &[&Arm], column: &Column) -> Vec<Source> {
        let numbers = arms
            .iter()
            .filter_map(|arm| column.measure.of(arm, self.found));
        numbers.collect()
    }

    /// Why a method has no number in a column.
    fn reason(&self, arms: &[&Arm], column: &Column) -> String {
        let is_done = |arm: &&&Arm| self.found.contains_key(&arm.evaluation);
        let Some(arm) = arms.iter().find(is_done) else {
            return "the step has not been run, or failed".to_string();
        };
        let Measure::Metric(key) = column.measure else {
            return "it does not apply".to_string();
        };
        let outcome = &self.found[&arm.evaluation].outcome;
        let reason = outcome["reasons"][key].as_str();
        reason.unwrap_or("there is nothing to compare").to_string()
    }
}

impl Measure {
    /// The number of an arm, if it has one.
    fn of(self, arm: &Arm, found: &Found) -> Option<Source> {
        let outcome = |step: &'_ str| found.get(step).map(|manifest| &manifest.outcome);
        let number = |step: &str, what: String, value: f64| Source {
            step: step.to_string(),
            what,
            value,
        };
        match self {
            Self::Metric(key) => {
                let outcome = outcome(&arm.evaluation)?;
                let (place, metrics) = match &arm.contestant {
                    None => ("metrics".to_string(), &outcome["metrics"]),
                    Some(name) => {
                        let contestants = outcome["contestants"].as_array()?;
                        let own = contestants
                            .iter()
                            .find(|contestant| contestant["label"] == **name)?;
                        (format!("{name}: metrics"), &own["metrics"])
                    }
                };
                Some(number(
                    &arm.evaluation,
                    format!("{place}.{key}"),
                    metrics[key].as_f64()?,
                ))
            }
            Self::Codec(key, factor) => {
                let way = arm.way.as_deref()?;
                let value = factor * mean_over_packets(outcome(way)?, key)?;
                let what = format!("{factor} × the mean of codec.{key} over packets");
                Some(number(way, what, value))
            }
            Self::Rows(of, what) => {
                let way = arm.way.as_deref()?;
                let captures = outcome(way)?["captures"].as_array()?;
                let mut all = Diagnostics::default();
                for capture in captures {
                    all.merge(&serde_json::from_value(capture["diagnostics"].clone()).ok()?);
                }
                Some(number(
                    way,
                    format!("diagnostics.{what} of all captures"),
                    of(&all)?,
                ))
            }
            Self::TwoSample(key) => {
                let step = arm.classifier.as_deref()?;
                let value = outcome(step)?["generated"]["two_sample"][key]["value"].as_f64()?;
                Some(number(step, format!("generated.two_sample.{key}"), value))
            }
            Self::Audit(of, what) | Self::Count(of, what) => {
                let step = arm.audit.as_deref()?;
                let value = of(outcome(step)?["captures"].as_array()?)?;
                Some(number(step, format!("{what}, of all captures"), value))
            }
            Self::Training(keys) => {
                let step = arm.training.as_deref()?;
                let outcome = outcome(step)?;
                let key = keys.iter().find(|key| outcome[**key].is_number())?;
                Some(number(step, key.to_string(), outcome[*key].as_f64()?))
            }
            Self::TrainingSeconds => {
                let step = arm.training.as_deref()?;
                Some(number(
                    step,
                    "seconds".to_string(),
                    found.get(step)?.seconds,
                ))
            }
            Self::Pace => {
                let way = arm.way.as_deref()?;
                let packets = packets(outcome(way)?)? / found.get(way)?.seconds.max(1e-9);
                Some(number(
                    way,
                    "packets or rows / seconds".to_string(),
                    packets,
                ))
            }
        }
    }
}

/// The identifiers of all audited captures, a row for each kind and way to search.
fn identifiers(captures: &[Value]) -> impl Iterator<Item = &Value> {
    let rows = captures.iter();
    rows.flat_map(|capture| capture["identifiers"].as_array().into_iter().flatten())
}

/// Percentage of the flows or hosts like no other that are found again, over all audited captures.
fn matched(captures: &[Value], what: &str) -> Option<f64> {
    let sum = |key: &str| {
        let counts = captures.iter().map(|capture| capture[what][key].as_f64());
        counts.sum::<Option<f64>>()
    };
    let (matched, unique) = (sum("matched")?, sum("unique")?);
    (unique > 0.0).then(|| 100.0 * matched / unique)
}

/// Packets or rows of all captures of a folder.
fn packets(outcome: &Value) -> Option<f64> {
    let captures = outcome["captures"].as_array()?.iter();
    let of = |capture: &Value| {
        let counts = [
            &capture["actions"],
            &capture["rows"],
            &capture["diagnostics"]["rows"]["rows"],
        ];
        counts.into_iter().find_map(Value::as_f64)
    };
    captures.map(of).sum()
}

/// Mean of a figure of the codec over the packets of all captures.
fn mean_over_packets(outcome: &Value, key: &str) -> Option<f64> {
    let (mut sum, mut packets) = (0.0, 0.0);
    for capture in outcome["captures"].as_array()? {
        let Some(value) = capture["codec"][key].as_f64() else {
            continue;
        };
        let own = capture["actions"].as_f64()?;
        sum += own * value;
        packets += own;
    }
    (packets > 0.0).then(|| sum / packets)
}

fn mean(numbers: &[Source]) -> Option<f64> {
    let sum: f64 = numbers.iter().map(|number| number.value).sum();
    (!numbers.is_empty()).then(|| sum / numbers.len() as f64)
}

/// A number with two decimals, as the paper has them; large ones in short.
fn shown(value: f64) -> String {
    if value.abs() >= 1e6 {
        let exponent = value.abs().log10().floor();
        let raised = superscript(exponent as i32);
        format!("{:.2}×10{raised}", value / 10_f64.powf(exponent))
    } else if value.abs() >= 1000.0 {
        short(value)
    } else {
        hundredths(value)
    }
}

/// Whether a method's numbers may be marked as best.
fn competes(arms: &[&Arm]) -> bool {
    arms.iter().all(|arm| arm.role == Role::Method)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::run::experiment::plan::{Dataset, Plan};

    const COLUMNS: [Column; 1] = [low("Count", "count_pct")];

    fn numbers(values: &[f64]) -> Vec<Source> {
        let source = |&value: &f64| Source {
            step: String::new(),
            what: String::new(),
            value,
        };
        values.iter().map(source).collect()
    }

    #[test]
    fn test_numbers_are_means_with_their_spread() {
        let spread = |values: &[f64]| COLUMNS[0].spread(&numbers(values));
        assert_eq!(spread(&[1.0, 2.0, 4.5]), "2.50 (1.00–4.50)");
        assert_eq!(spread(&[0.001, 0.002]), "<0.01");
        let spread = |values: &[f64]| SURVIVAL[0].spread(&numbers(values));
        assert_eq!(spread(&[26.0]), "26");
        assert_eq!(spread(&[1.0, 2.0]), "1.50 (1–2)");
        let values = [0.0, 12.345, 5_222.77, 4.12e8];
        assert_eq!(values.map(shown), ["0.00", "12.35", "5,223", "4.12×10⁸"]);
    }

    #[test]
    fn test_references_and_what_was_not_run_are_never_best() {
        let budget = crate::run::experiment::Config::default();
        let dataset = Dataset {
            name: "a".to_string(),
            packets: 50_000,
        };
        let plan = Plan::new(&[dataset], &budget.whole_budget().unwrap());
        let arms: Vec<_> = plan
            .arms
            .iter()
            .filter(|arm| arm.part == Part::Fidelity)
            .collect();
        let evaluated = |method: &str, value: f64| {
            let arm = arms.iter().find(|arm| arm.method == method).unwrap();
            let manifest = json!({
                "format": "", "version": 1, "tool": "", "step": arm.evaluation, "key": "",
                "verb": "evaluate", "settings": {}, "inputs": {}, "outputs": [], "warnings": [],
                "outcome": {"metrics": {"count_pct": value}}, "seconds": 1.0,
                "machine": {"system": "", "cores": 1},
            });
            (
                arm.evaluation.clone(),
                serde_json::from_value(manifest).unwrap(),
            )
        };
        let found = [("Oracle", 0.0), (CODEC, 2.0), ("TVAE", 1.0)];
        let found = found.map(|(method, value)| evaluated(method, value));
        let rows = Rows {
            title: "t".to_string(),
            about: String::new(),
            methods: by_method(&arms),
            columns: &COLUMNS,
            found: &found.into_iter().collect(),
            paper: BTreeMap::new(),
        };
        let markdown = rows.table().markdown();
        for line in [
            "| Oracle | 0.00 |",
            "| TraceCodec | 2.00 |",
            "| TVAE | **1.00** |",
            "| TTVAE | –<sup>a</sup> |",
            "the step has not been run, or failed",
        ] {
            assert!(markdown.contains(line), "{line}: {markdown}");
        }
    }
}
