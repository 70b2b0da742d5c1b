//! The plan: every step of an experiment, and which of them are the rows of which table.

use serde_json::{Value, json};
use tracecodec::metrics::Role;

use super::budget::Budget;
use super::step::Step;

/// The raw-field baselines: their names as models, and as methods in tables.
pub(super) const BASELINES: [(&str, &str); 4] = [
    ("tvae", "TVAE"),
    ("tabsyn-vae", "TabSyn-VAE"),
    ("goggle", "GOGGLE"),
    ("ttvae", "TTVAE"),
];

/// The codecs without a part: their names as configurations, and as methods in tables.
pub(super) const ABLATIONS: [(&str, &str); 3] = [
    ("no-kl", "w/o KL"),
    ("no-fine-timing", "w/o fine timing"),
    ("no-tcp-state", "w/o TCP state cues"),
];

/// Packet actions, lowered with nothing learned in between.
pub(super) const ORACLE: &str = "Oracle";

/// Raw rows, rendered with nothing learned in between.
pub(super) const RAW_ORACLE: &str = "Raw oracle";

/// Name of the codec as a method: latents are the encoder's means.
pub(super) const CODEC: &str = "TraceCodec";

/// Name of the codec whose latents are moved until they decode to their packets.
pub(super) const REFINED: &str = "TraceCodec, refined";

/// A capture of an experiment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Dataset {
    pub(super) name: String,
    /// Packets of the capture.
    pub(super) packets: u64,
}

/// The steps of an experiment, each behind those that it reads.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) steps: Vec<Step>,
    pub(super) arms: Vec<Arm>,
}

/// Where the result of a method stands.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Arm {
    pub(super) dataset: String,
    pub(super) part: Part,
    /// Name of the method in tables.
    pub(super) method: String,
    /// Whether it is a method, or something to compare methods with.
    pub(super) role: Role,
    /// Step that evaluates it.
    pub(super) evaluation: String,
    /// Name of the contestant, if the step evaluates several.
    pub(super) contestant: Option<String>,
    /// Step that makes the captures.
    pub(super) way: Option<String>,
    /// Step that trains the model.
    pub(super) training: Option<String>,
    /// Step that tries to tell the captures from real ones.
    pub(super) classifier: Option<String>,
    /// Step that searches the captures for identifiers of the originals.
    pub(super) audit: Option<String>,
}

/// Which comparison a result belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// Test shards through a method and back (Table 3).
    Fidelity,
    /// Codecs without a part (Tables 5 and 11).
    Ablation,
    /// Packet actions rendered without the compiler's state, raw fields lowered by the compiler.
    Rendering,
    /// Continuations by one kind of generator on each representation (Tables 4 and 12).
    Interface,
    /// Continuations of whole captures.
    Generation,
}

impl Plan {
    /// The index of the step of a name.
    pub(super) fn index(&self, name: &str) -> usize {
        let index = self.steps.iter().position(|step| step.name == name);
        index.expect("a plan names its own steps")
    }

    /// The plan for some captures within a budget.
    pub(super) fn new(datasets: &[Dataset], budget: &Budget) -> Self {
        let mut plan = Self::default();
        for dataset in datasets {
            Of {
                plan: &mut plan,
                name: &dataset.name,
                packets: match budget.shard.first {
                    0 => dataset.packets,
                    first => first.min(dataset.packets),
                },
                budget,
            }
            .add();
        }
        plan
    }
}

/// The part of a plan that is about one dataset.
struct Of<'a> {
    plan: &'a mut Plan,
    name: &'a str,
    packets: u64,
    budget: &'a Budget,
}

/// Share of a capture's packets that is for training.
const TRAINING: f64 = 0.8;

/// Share of a capture's packets that is for tests.
const TEST: f64 = 0.1;

impl Of<'_> {
    fn add(&mut self) {
        let mut shard = json!({
            "inputs": [format!("@{{capture:{}}}", self.name)],
            "output": "@{}/shards",
            "packets": self.budget.shard.packets,
        });
        limit(&mut shard, 0, self.budget.shard.first);
        self.step("shard", "shard", shard, self.seconds_of(1.0, 300_000.0));
        self.oracles();
        for &seed in &self.budget.seeds {
            self.codecs(seed);
            for (model, method) in BASELINES {
                let steps = self.budget.baselines.get(model).copied().unwrap_or(0);
                if steps > 0 {
                    self.baseline(model, method, steps, seed);
                }
            }
        }
        if self.budget.interface.steps > 0 {
            self.interface();
        }
        if !self.budget.generation.seeds.is_empty() {
            self.generation();
        }
    }

    /// The test split through actions and through raw rows, with nothing learned.
    fn oracles(&mut self) {
        let before = self.plan.arms.len();
        let seconds = self.seconds_of(TEST, 300_000.0);
        let oracle = json!({"oracle": true});
        self.there_and_back("oracle", ORACLE, Part::Fidelity, oracle, seconds);
        let stateless = json!({"oracle": true, "stateless": true});
        let method = "Oracle, no state";
        self.there_and_back(
            "oracle-stateless",
            method,
            Part::Rendering,
            stateless,
            seconds,
        );
        let way = self.step(
            "raw-oracle/reconstruct",
            "baseline oracle",
            json!({"input": self.test(), "output": "@{}/decoded"}),
            seconds,
        );
        self.judge("raw-oracle", RAW_ORACLE, Part::Fidelity, way.clone());
        self.lowered("raw-oracle", "Raw oracle, lowered", &way);
        for arm in &mut self.plan.arms[before..] {
            arm.role = Role::Reference;
        }
    }

    /// The codec of a seed, and those without a part.
    fn codecs(&mut self, seed: u64) {
        let training = self.codec("codec", json!({}), seed);
        let folder = format!("@{{{training}}}/codec");
        let seconds = self.seconds_of(TEST, 20_000.0);
        let kinds = [
            ("means", CODEC, Part::Fidelity, json!({"refine": false})),
            ("refined", REFINED, Part::Fidelity, json!({})),
            (
                "stateless",
                "TraceCodec, no state",
                Part::Rendering,
                json!({"refine": false, "stateless": true}),
            ),
        ];
        for (kind, method, part, mut settings) in kinds {
            settings["model"] = json!(folder);
            let name = format!("codec/seed-{seed}/{kind}");
            self.there_and_back(&name, method, part, settings, seconds);
            self.arm().training = Some(training.clone());
        }
        for (variant, method) in ABLATIONS {
            if self.budget.ablations.get(variant) != Some(&true) {
                continue;
            }
            let training = self.codec(variant, without(variant), seed);
            let settings = json!({"model": format!("@{{{training}}}/codec"), "refine": false});
            let name = format!("{variant}/seed-{seed}");
            self.there_and_back(&name, method, Part::Ablation, settings, seconds);
            self.arm().training = Some(training);
        }
    }

    /// The training of a codec.
    fn codec(&mut self, variant: &str, settings: Value, seed: u64) -> String {
        let steps = self.budget.codec.steps;
        let settings = json!({
            "data": [self.shards()],
            "output": "@{}/codec",
            "steps": steps,
            "seed": seed,
            "settings": settings,
        });
        let seconds = self.seconds_of(TRAINING, 300_000.0) + steps as f64 * 0.06;
        self.step(
            &format!("{variant}/seed-{seed}/train"),
            "train",
            settings,
            seconds,
        )
    }

    /// A raw-field baseline: trained, there and back, and its captures lowered by the compiler.
    fn baseline(&mut self, model: &str, method: &str, steps: u64, seed: u64) {
        let name = format!("{model}/seed-{seed}");
        let settings = json!({
            "shards": [self.shards()],
            "output": format!("@{{}}/{model}"),
            "model": model,
            "steps": steps,
            "seed": seed,
        });
        let (a_step, rows) = match model {
            "tvae" => (0.04, 60_000.0),
            "tabsyn-vae" => (0.8, 3_000.0),
            "ttvae" => (0.4, 2_000.0),
            _ => (0.005, 10_000.0),
        };
        let training = self.step(
            &format!("{name}/train"),
            "baseline train",
            settings,
            self.seconds_of(TRAINING, 300_000.0) + steps as f64 * a_step,
        );
        let way = self.step(
            &format!("{name}/reconstruct"),
            "baseline reconstruct",
            json!({
                "input": self.test(),
                "output": "@{}/decoded",
                "model": format!("@{{{training}}}/{model}"),
            }),
            self.seconds_of(TEST, rows),
        );
        self.judge(&name, method, Part::Fidelity, way.clone());
        self.arm().training = Some(training);
        self.lowered(&name, &format!("{method}, lowered"), &way);
    }

    /// Packets that a method made of raw fields, through lift and compile.
    fn lowered(&mut self, name: &str, method: &str, way: &str) {
        let settings = json!({
            "input": format!("@{{{way}}}/decoded"),
            "output": "@{}/decoded",
            "oracle": true,
            "payload": "truncate",
        });
        let name = format!("{name}/lowered");
        let seconds = self.seconds_of(TEST, 300_000.0);
        let way = self.step(&format!("{name}/roundtrip"), "roundtrip", settings, seconds);
        self.judge(&name, method, Part::Rendering, way);
    }

    /// One generator for each representation, and how well each continues held-out windows.
    fn interface(&mut self) {
        let interface = &self.budget.interface;
        let seed = self.budget.seeds[0];
        let codec = format!("@{{{}/codec/seed-{seed}/train}}/codec", self.name);
        let mut representations = vec![("codec", CODEC)];
        // The decoders of the other two need more than a row's latent (the paper, appendix E.4).
        let standalone = BASELINES
            .iter()
            .filter(|(model, _)| model.starts_with("t") && *model != "ttvae");
        let trained = standalone.filter(|(model, _)| {
            self.budget
                .baselines
                .get(*model)
                .is_some_and(|&steps| steps > 0)
        });
        representations.extend(trained);
        let mut contestants = vec![codec.clone(), "later".to_string(), "repeat".to_string()];
        let others = [
            (
                "codec",
                "no generator: TraceCodec's latents",
                Role::Reference,
            ),
            ("later", "other real suffixes", Role::Control),
            ("repeat", "the prefix again", Role::Control),
        ];
        let others = others.map(|(name, method, role)| (name.to_string(), method, role, None));
        let mut methods = Vec::from(others);
        for (representation, method) in representations {
            let name = format!("interface/{representation}");
            let baseline = format!(
                "@{{{}/{representation}/seed-{seed}/train}}/{representation}",
                self.name
            );
            let mut settings = json!({"shards": [self.shards()], "output": "@{}/sequences"});
            if representation == "codec" {
                settings["model"] = json!(codec);
            } else {
                settings["baseline"] = json!(baseline);
            }
            let seconds = self.seconds_of(1.0, 50_000.0);
            let sequences = self.step(
                &format!("{name}/sequences"),
                "generator sequences",
                settings,
                seconds,
            );
            let label = format!("flow-matching-{representation}");
            let settings = json!({
                "data": [format!("@{{{sequences}}}/sequences")],
                "output": format!("@{{}}/{label}"),
                "steps": interface.steps,
                "seed": seed,
                "preset": interface.preset,
            });
            let training = self.step(
                &format!("{name}/train"),
                "generator train",
                settings,
                interface.steps as f64 * 0.6,
            );
            let decoder = if representation == "codec" {
                &codec
            } else {
                &baseline
            };
            contestants.push(format!("@{{{training}}}/{label}@{decoder}"));
            methods.push((label, method, Role::Method, Some(training)));
        }
        for &seed in &self.budget.seeds.clone() {
            let settings = json!({
                "contestants": contestants,
                "shards": [self.shards()],
                "output": "@{}/evaluations",
                "dataset": format!("{}, windows continued", self.name),
                "prefix": interface.prefix,
                "suffix": interface.suffix,
                "stride": interface.stride,
                "cases": interface.cases,
                "seed": seed,
            });
            let cases = (interface.cases * interface.suffix * contestants.len() as u64) as f64;
            let name = format!("interface/continuation/seed-{seed}");
            let evaluation = self.step(&name, "generator continuation", settings, cases / 1_000.0);
            for (contestant, method, role, training) in &methods {
                let arm = self.push(Part::Interface, method, evaluation.clone());
                arm.role = *role;
                arm.contestant = Some(contestant.clone());
                arm.training = training.clone();
            }
        }
    }

    /// Continuations of the tenth before the last, compared with the last.
    fn generation(&mut self) {
        let tenth = self.packets / 10;
        let before = self.tenth("before", self.packets - 2 * tenth);
        let last = self.tenth("last", self.packets - tenth);
        self.told("generation/before", "the tenth before", &last, &before);
        self.arm().role = Role::Control;
        let generation = self.budget.generation.clone();
        let mut model = "built-in".to_string();
        if generation.steps > 0 {
            let settings = json!({
                "data": [self.shards()],
                "output": "@{}/generator",
                "steps": generation.steps,
                "seed": self.budget.seeds[0],
            });
            let seconds = generation.steps as f64 * 0.7;
            let training = self.step("generation/train", "generator train", settings, seconds);
            model = format!("@{{{training}}}/generator");
        }
        for seed in generation.seeds {
            let name = format!("generation/seed-{seed}");
            let settings = json!({
                "prefix": before,
                "packets": tenth.max(1),
                "seed": seed,
                "model": model,
                "payload": "truncate",
                "output": "@{}/generated.pcap",
            });
            let seconds = self.seconds_of(0.2, 20_000.0);
            let way = self.step(&format!("{name}/generate"), "generate", settings, seconds);
            let generated = format!("@{{{way}}}/generated.pcap");
            self.told(&name, "continued", &last, &generated);
            self.arm().way = Some(way);
        }
    }

    /// A tenth of the capture behind so many packets, through packet actions and back.
    fn tenth(&mut self, name: &str, skip: u64) -> String {
        let mut settings = json!({
            "input": format!("@{{capture:{}}}", self.name),
            "output": format!("@{{}}/{name}.pcap"),
            "oracle": true,
            "hosts": "graph",
            "services": "class",
            "payload": "truncate",
        });
        limit(&mut settings, skip, self.packets / 10);
        let seconds = self.seconds_of(1.0, 1_000_000.0);
        let step = self.step(
            &format!("generation/{name}"),
            "roundtrip",
            settings,
            seconds,
        );
        format!("@{{{step}}}/{name}.pcap")
    }

    /// A capture beside the last tenth: its metrics, and whether it can be told from it.
    fn told(&mut self, name: &str, method: &str, last: &str, capture: &str) {
        let dataset = format!("{}, continued", self.name);
        let seconds = self.seconds_of(0.2, 200_000.0);
        let evaluation = self.evaluate(name, method, &dataset, last, capture, seconds);
        let settings = json!({"real": last, "generated": capture});
        let classifier = self.step(&format!("{name}/classify"), "classify", settings, 15.0);
        let arm = self.push(Part::Generation, method, evaluation);
        arm.classifier = Some(classifier);
    }

    /// The test split through packet actions or latents and back, with hosts and services.
    fn there_and_back(
        &mut self,
        name: &str,
        method: &str,
        part: Part,
        mut settings: Value,
        seconds: f64,
    ) {
        settings["input"] = json!(self.test());
        settings["output"] = json!("@{}/decoded");
        settings["hosts"] = json!("graph");
        settings["services"] = json!("class");
        settings["payload"] = json!("truncate");
        let way = self.step(&format!("{name}/roundtrip"), "roundtrip", settings, seconds);
        self.judge(name, method, part, way);
    }

    /// The captures that a step made of the test split, evaluated.
    fn judge(&mut self, name: &str, method: &str, part: Part, way: String) {
        let decoded = format!("@{{{way}}}/decoded");
        let dataset = match part {
            Part::Rendering => format!("{}, rendered otherwise", self.name),
            _ => self.name.to_string(),
        };
        let seconds = self.seconds_of(TEST, 100_000.0);
        let test = self.test();
        let evaluation = self.evaluate(name, method, &dataset, &test, &decoded, seconds);
        let audit = (part == Part::Fidelity).then(|| {
            let settings = json!({"original": test, "decoded": decoded});
            self.step(&format!("{name}/audit"), "audit", settings, seconds)
        });
        let arm = self.push(part, method, evaluation);
        arm.way = Some(way);
        arm.audit = audit;
    }

    fn evaluate(
        &mut self,
        name: &str,
        method: &str,
        dataset: &str,
        reference: &str,
        decoded: &str,
        seconds: f64,
    ) -> String {
        let settings = json!({
            "reference": reference,
            "decoded": decoded,
            "label": method,
            "dataset": dataset,
            "output": "@{}/evaluation.json",
        });
        self.step(&format!("{name}/evaluate"), "evaluate", settings, seconds)
    }

    fn push(&mut self, part: Part, method: &str, evaluation: String) -> &mut Arm {
        self.plan.arms.push(Arm {
            dataset: self.name.to_string(),
            part,
            method: method.to_string(),
            role: Role::Method,
            evaluation,
            contestant: None,
            way: None,
            training: None,
            classifier: None,
            audit: None,
        });
        self.arm()
    }

    /// The result that was added last.
    fn arm(&mut self) -> &mut Arm {
        self.plan.arms.last_mut().expect("one was added")
    }

    /// Adds a step, and returns its full name.
    fn step(&mut self, name: &str, verb: &'static str, settings: Value, seconds: f64) -> String {
        let name = format!("{}/{name}", self.name);
        self.plan.steps.push(Step {
            name: name.clone(),
            verb,
            settings,
            seconds,
        });
        name
    }

    /// Seconds for a share of the packets at a rate, and half a second to begin.
    fn seconds_of(&self, share: f64, packets_per_second: f64) -> f64 {
        0.5 + self.packets as f64 * share / packets_per_second
    }

    fn shards(&self) -> String {
        format!("@{{{}/shard}}/shards", self.name)
    }

    fn test(&self) -> String {
        format!("{}/test", self.shards())
    }
}

/// Limits what is read of a capture, if there is a limit.
fn limit(settings: &mut Value, skip: u64, first: u64) {
    if first > 0 {
        settings["first"] = json!(first);
    }
    if skip > 0 {
        settings["skip"] = json!(skip);
    }
}

/// What the configuration of a codec without a part sets: `configs/VARIANT.json`.
fn without(variant: &str) -> Value {
    match variant {
        "no-kl" => json!({"train": {"beta": 0.0}}),
        "no-fine-timing" => json!({"codec": {"time_digits": 0}}),
        "no-tcp-state" => json!({"codec": {"omit": [
            "tcp_ack_unseen", "tcp_ack_adv", "tcp_seq_delta_sign", "tcp_seq_delta",
        ]}}),
        _ => unreachable!("every ablation is above"),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::run::by_name::Verb;
    use crate::run::experiment::Config;

    fn plan(budget: &Budget) -> Plan {
        let dataset = |name: &str| Dataset {
            name: name.to_string(),
            packets: 50_000,
        };
        Plan::new(&[dataset("a"), dataset("b")], budget)
    }

    #[test]
    fn test_steps_stand_behind_what_they_read_and_have_verbs() {
        let mut budget = Config::default().whole_budget().unwrap();
        budget.generation.steps = 1;
        budget.seeds = vec![0, 1];
        let plan = plan(&budget);
        let mut seen = BTreeSet::new();
        for step in &plan.steps {
            assert!(Verb::named(step.verb).is_ok(), "{}", step.verb);
            assert!(
                step.steps().all(|name| seen.contains(&name)),
                "{}",
                step.name
            );
            assert!(seen.insert(step.name.clone()), "{} twice", step.name);
            assert!(step.seconds > 0.0);
        }
        for arm in &plan.arms {
            let steps = [&arm.way, &arm.training, &arm.classifier, &arm.audit]
                .into_iter()
                .flatten();
            assert!(
                steps
                    .chain([&arm.evaluation])
                    .all(|name| seen.contains(name)),
                "{arm:?}"
            );
        }
    }

    #[test]
    fn test_a_method_of_no_steps_is_left_out() {
        let mut budget = Config::default().whole_budget().unwrap();
        let whole = plan(&budget).steps.len();
        budget.baselines.insert("tvae".to_string(), 0);
        let named = |plan: &Plan| {
            plan.steps
                .iter()
                .filter(|step| step.name.contains("tvae"))
                .count()
        };
        let less = plan(&budget);
        assert!(less.steps.len() < whole);
        assert_eq!(
            named(&less),
            less.steps
                .iter()
                .filter(|step| step.name.contains("ttvae"))
                .count()
        );
    }

    #[test]
    fn test_ablations_are_the_shipped_configurations() {
        for (variant, _) in ABLATIONS {
            let path = format!(
                "{}/../../configs/{variant}.json",
                env!("CARGO_MANIFEST_DIR")
            );
            let text = std::fs::read_to_string(&path).unwrap();
            let settings: Value = serde_json::from_str(&text).unwrap();
            assert_eq!(without(variant), settings, "{variant}");
        }
    }
}
