//! `audit --model`: what a generator remembers of the sessions that it learned from.
//!
//! Shadow models learn from random halves of the sessions. A session that a model learned from is
//! likelier under it than under models that did not: by how much, and how surely that tells
//! members, is measured.

mod attack;
mod canary;
mod pool;

use std::fs;
use std::path::PathBuf;
use std::time::Instant;

use serde::{Deserialize, Serialize};
use tracecodec::action::SCHEMA_VERSION;
use tracecodec::artifact::document::digest;
use tracecodec_nn::Device;
use tracecodec_nn::generator::autoregressive::{
    self, Autoregressive, AutoregressiveConfig, Data, FlowNats,
};
use tracecodec_nn::model::{CHECKPOINT, Kind};

pub use attack::{Attack, Rate};
pub use canary::Exposure;

use crate::error::Error;
use crate::files::{ReadPolicy, claim, document, folder};
use crate::jobs;
use crate::model::ModelName;
use crate::monitor::{Monitor, Warning};
use crate::training::{self, Training};
use attack::{Pair, attacks, control};
use canary::Canaries;
use pool::Pool;

/// Name of the file that states what the shadow models of a folder learned from.
const PLAN: &str = "audit.json";

/// What to audit.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Generator to audit; `None`: the shadow models alone.
    pub model: Option<ModelName>,
    /// Captures that it learned from, and folders of captures.
    pub data: Vec<PathBuf>,
    /// Captures like them that it did not learn from. The model cannot be audited without.
    pub held_out: Vec<PathBuf>,
    /// Folder of the shadow models. If it holds some of the same settings, they are not trained
    /// again.
    pub output: PathBuf,
    /// Number of shadow models, which is even.
    pub shadows: usize,
    /// Optimiser steps of each shadow model.
    pub steps: u64,
    /// Most sessions that models are asked about.
    pub sessions: usize,
    /// Insert canaries into what shadow models learn from.
    pub canaries: bool,
    /// Seed of all draws.
    pub seed: u64,
    /// Threads on the CPU; `None`: as many as there are cores. The result does not depend on them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threads: Option<usize>,
    /// How captures are read.
    #[serde(flatten)]
    pub read: ReadPolicy,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            model: None,
            data: Vec::new(),
            held_out: Vec::new(),
            output: PathBuf::new(),
            shadows: 16,
            steps: 200,
            sessions: 1000,
            canaries: true,
            seed: 0,
            threads: None,
            read: ReadPolicy::default(),
        }
    }
}

/// What was found.
#[derive(Debug, Serialize)]
pub struct Outcome {
    /// Sessions of all captures.
    pub sessions: u64,
    /// Sessions that models were asked about.
    pub asked: u64,
    /// Number of shadow models.
    pub shadows: usize,
    /// Optimiser steps of each.
    pub steps: u64,
    /// Nats a packet of sessions under shadow models that learned from them, then under those that
    /// did not.
    pub nats: [f64; 2],
    /// Attacks on the shadow models, and on the model.
    pub attacks: Vec<Attack>,
    /// Canaries by how often they were inserted; empty without.
    pub canaries: Vec<Exposure>,
}

/// Trains the shadow models, and attacks them and the model.
///
/// # Errors
/// If a setting is wrong, data cannot be read, the folder holds something else, or the monitor
/// stops it: the same run again then goes on.
pub fn run(config: &Config, monitor: &mut dyn Monitor) -> Result<Outcome, Error> {
    config.check()?;
    let target = config.model.as_ref();
    let target = target.map(ModelName::load_autoregressive).transpose()?;
    let mut pool = match &target {
        Some(model) => Pool::new(
            model.schema().version,
            model.labels(),
            model.option_profiles().clone(),
        ),
        None => Pool::new(SCHEMA_VERSION, &[], Default::default()),
    };
    let [members, others] =
        [&config.data, &config.held_out].map(|paths| folder::captures_of(paths, monitor));
    let (members, others) = (members?, others?);
    pool.add(&members, true, &config.read, monitor)?;
    pool.add(&others, false, &config.read, monitor)?;
    pool.draw(config.shadows, config.seed);
    config.plan(&[members, others].concat())?;
    let mut canaries = config
        .canaries
        .then(|| Canaries::new(&pool, config.seed))
        .flatten();
    let scored = pool.scored(config.sessions);
    let numbers: Vec<usize> = (0..config.shadows).collect();
    let mut nats = Vec::new();
    for shadow in numbers {
        let started = Instant::now();
        let model = config.shadow(shadow, &mut pool, canaries.as_ref(), monitor)?;
        nats.push(config.ask(&model, &scored, monitor)?);
        if let Some(canaries) = &mut canaries {
            canaries.ask(shadow, &model, &pool)?;
        }
        if shadow == 0 {
            let seconds = started.elapsed().as_secs_f64() * (config.shadows - 1) as f64;
            monitor.warn(&Warning::new(format!(
                "the other {} shadow models take about {:.0} minutes",
                config.shadows - 1,
                (seconds / 60.0).ceil()
            )));
        }
    }
    let included = |number: usize, shadow: usize| pool.sessions[number].included[shadow];
    let mut means = [FlowNats::default(); 2];
    for (shadow, nats) in nats.iter().enumerate() {
        for ((number, _), flow) in scored.iter().zip(nats) {
            let mean = &mut means[usize::from(!included(*number, shadow))];
            mean.nats += flow.nats;
            mean.packets += flow.packets;
        }
    }
    let of_session =
        |place: usize| -> Vec<f64> { nats.iter().map(|nats| mean(nats[place])).collect() };
    let mut pairs = Vec::new();
    let mut on_model = Vec::new();
    let asked = match &target {
        Some(model) => config.ask(model, &scored, monitor)?,
        None => Vec::new(),
    };
    for (place, (number, _)) in scored.iter().enumerate() {
        let nats = of_session(place);
        let without = |but: Option<usize>| -> Vec<f64> {
            let shadows = (0..nats.len()).filter(|shadow| !included(*number, *shadow));
            let shadows = shadows.filter(|shadow| Some(*shadow) != but);
            shadows.map(|shadow| nats[shadow]).collect()
        };
        for (shadow, own) in nats.iter().enumerate() {
            let is_member = included(*number, shadow);
            pairs.push(pair(*number, is_member, *own, &without(Some(shadow))));
        }
        if let Some(own) = asked.get(place) {
            let is_member = pool.sessions[*number].is_member;
            on_model.push(pair(*number, is_member, mean(*own), &without(None)));
        }
    }
    let mut attacks_found = attacks("shadows", &pairs, config.seed);
    if target.is_some() {
        attacks_found.extend(attacks("model", &on_model, config.seed));
        attacks_found.push(control(&on_model, config.seed));
    }
    Ok(Outcome {
        sessions: pool.sessions.len() as u64,
        asked: scored.len() as u64,
        shadows: config.shadows,
        steps: config.steps,
        nats: means.map(mean),
        attacks: attacks_found,
        canaries: canaries.map_or_else(Vec::new, Canaries::finish),
    })
}

/// Nats a packet.
fn mean(flows: FlowNats) -> f64 {
    flows.nats / flows.packets.max(1) as f64
}

/// A session under a model, given its nats a packet there and under models without it.
fn pair(session: usize, is_member: bool, own: f64, without: &[f64]) -> Pair {
    let count = without.len() as f64;
    let rarity = without.iter().sum::<f64>() / count;
    let squares = without.iter().map(|nats| (nats - rarity).powi(2));
    let deviation = (squares.sum::<f64>() / (count - 1.0).max(1.0)).sqrt();
    let difference = rarity - own;
    Pair {
        session,
        is_member,
        scores: [-own, difference, difference / deviation.max(1e-3)],
        rarity,
    }
}

impl Config {
    fn check(&self) -> Result<(), Error> {
        if self.shadows < 4 || !self.shadows.is_multiple_of(2) {
            return Err(Error::refused(
                format!("{} `shadows`", self.shadows),
                "an even number from 4 on: each session is in half of them",
            ));
        }
        if self.model.is_some() && self.held_out.is_empty() {
            return Err(Error::refused(
                "a model cannot be audited without captures that it did not learn from",
                "name some as `held_out`",
            ));
        }
        claim::folder(&self.output)
    }

    /// Writes what the shadow models learn from, or refuses a folder in which they learned from
    /// something else.
    fn plan(&self, captures: &[PathBuf]) -> Result<(), Error> {
        let digests = captures.iter().map(digest);
        let digests = digests.collect::<Result<Vec<_>, _>>()?;
        let mut settings = serde_json::to_value(self).expect("settings have string keys");
        if let Some(settings) = settings.as_object_mut() {
            for key in ["data", "held_out", "output", "threads", "sessions"] {
                settings.remove(key);
            }
            settings.insert("captures".to_string(), digests.into());
        }
        let path = self.output.join(PLAN);
        match document::read_text(&path) {
            Ok(text) if serde_json::from_str(&text).ok() == Some(settings.clone()) => Ok(()),
            Ok(_) => Err(Error::exists(
                format!(
                    "{}: shadow models of other data or settings",
                    path.display()
                ),
                "choose a new folder",
            )),
            Err(_) => {
                fs::create_dir_all(&self.output)
                    .map_err(|error| Error::io("cannot create", &self.output, error))?;
                document::write(&path, &settings)
            }
        }
    }

    /// A shadow model: the one that is there, or a new one.
    fn shadow(
        &self,
        number: usize,
        pool: &mut Pool,
        canaries: Option<&Canaries>,
        monitor: &mut dyn Monitor,
    ) -> Result<Autoregressive, Error> {
        let output = self.output.join(format!("shadow-{number:02}"));
        let resume = output.join(CHECKPOINT).exists();
        if Kind::Generator.is_in(&output) && !resume {
            return Ok(Autoregressive::load(&output)?);
        }
        let mut settings = AutoregressiveConfig::default();
        (settings.train.steps, settings.train.seed) = (self.steps, number as u64);
        let mut training =
            pool.traces(|session| session.included[number] && !session.is_validation);
        if let Some(canaries) = canaries {
            canaries.insert(number, &mut training);
        }
        let data = Data {
            training,
            validation: pool.traces(|session| session.is_validation),
            profiles: pool.profiles.clone(),
            sources: Vec::new(),
        };
        let run = Training {
            threads: self.threads,
            resume,
            ..Training::new(output)
        };
        let progress = training::progress(monitor, "spans");
        let session = run.session(Device::Cpu);
        let (model, _) = autoregressive::train(&settings, None, &data, &session, progress)?;
        Ok(model)
    }

    /// How likely a model finds each session.
    fn ask(
        &self,
        model: &Autoregressive,
        scored: &[(usize, autoregressive::EventSequences)],
        monitor: &mut dyn Monitor,
    ) -> Result<Vec<FlowNats>, Error> {
        let parts: Vec<_> = scored.chunks(64).collect();
        let threads = self.threads.unwrap_or(0);
        let asked = jobs::each(&parts, threads, "asking a model", monitor, |part, _| {
            let flows = part.iter().map(|(_, flow)| model.nats_of_flows(flow));
            Ok(flows.collect::<Vec<_>>())
        })?;
        Ok(asked.concat())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::monitor::Silent;
    use crate::testing::data;

    #[test]
    fn test_shadow_models_are_trained_once() {
        let folder = tempfile::tempdir().unwrap();
        let config = Config {
            model: Some(ModelName::BuiltIn),
            data: vec![data("example.pcap")],
            held_out: vec![data("example.pcap")],
            output: folder.path().join("shadows"),
            shadows: 4,
            steps: 2,
            sessions: 20,
            canaries: false,
            ..Config::default()
        };
        let outcome = run(&config, &mut Silent).unwrap();
        assert!(outcome.asked >= 10 && outcome.asked <= 20);
        assert_eq!(outcome.attacks.len(), 25);
        assert_eq!(outcome.attacks[0].members, 2 * outcome.asked);
        let again = run(&config, &mut Silent).unwrap();
        assert_eq!(
            serde_json::to_string(&outcome).unwrap(),
            serde_json::to_string(&again).unwrap()
        );
        let other = Config {
            steps: 3,
            ..config.clone()
        };
        assert!(run(&other, &mut Silent).unwrap_err().hint().is_some());
        let odd = Config {
            shadows: 5,
            ..config
        };
        assert!(
            run(&odd, &mut Silent)
                .unwrap_err()
                .to_string()
                .contains("shadows")
        );
    }
}
