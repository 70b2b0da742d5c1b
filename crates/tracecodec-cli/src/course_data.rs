//! Training data of the autoregressive generator as the command is given them, folders of shards and captures.

use std::path::{Path, PathBuf};

use anyhow::Result;
use tracecodec::action::{Action, OptionProfiles};
use tracecodec::artifact::SourceEntry;
use tracecodec::flow::MAX_SLOTS;
use tracecodec::lift::Lifter;
use tracecodec::shard::{Split, SplitWeights};
use tracecodec_nn::generator::autoregressive::{Autoregressive, Courses, Data};

use crate::args::ReadArgs;
use crate::failure::Hint;
use crate::folder;
use crate::input::Input;
use crate::shards::{Capture, Shards};

/// Takes everything into memory, about 300 bytes a packet. Shards have their split; of a capture the first packets are for training and the next
/// for validation, in the sharder's proportions, and the rest is left alone. Captures are labelled by their names where `by_name` says so.
pub(crate) fn prepare(paths: &[PathBuf], by_name: bool, read: ReadArgs) -> Result<Data> {
    let (folders, files): (Vec<_>, Vec<_>) = paths.iter().partition(|path| path.is_dir());
    let shards = Shards::read(&folders)?;
    let name = |path: &Path| {
        let name = path.file_name().map(Path::new);
        name.filter(|_| by_name).map(folder::name)
    };
    let labelled = shards.of(Split::Train).into_iter();
    let mut labels: Vec<String> = labelled.filter_map(|shard| shard.label).collect();
    labels.extend(files.iter().filter_map(|path| name(path)));
    labels.sort();
    labels.dedup();
    if labels.len() > Autoregressive::MAX_LABELS {
        return Err(Hint::error(
            format!("{} labels", labels.len()),
            format!(
                "a generator tells at most {} apart",
                Autoregressive::MAX_LABELS
            ),
        ));
    }
    let mut reading = Reading {
        read,
        profiles: OptionProfiles::new(),
        sources: Vec::new(),
    };
    let [mut training, mut validation] = [(); 2].map(|()| Courses::new(&labels));
    for shard in shards.of(Split::Train) {
        let actions = reading.actions(&shard)?;
        take(&mut training, shard.label.as_deref(), &actions);
    }
    let weights = SplitWeights::default();
    let all = u64::from(weights.train + weights.validation + weights.test);
    for path in files {
        let actions = reading.actions(&Capture::of(path))?;
        let share = |weight: u32| (actions.len() as u64 * u64::from(weight) / all) as usize;
        let (first, rest) = actions.split_at(share(weights.train));
        let label = name(path);
        take(&mut training, label.as_deref(), first);
        take(
            &mut validation,
            label.as_deref(),
            &rest[..share(weights.validation)],
        );
    }
    // Layouts that only the validation packets of shards have are kept by their length.
    reading.profiles = std::mem::take(&mut reading.profiles).freeze();
    for shard in shards.of(Split::Validation) {
        let actions = reading.actions(&shard)?;
        take(&mut validation, shard.label.as_deref(), &actions);
    }
    Ok(Data {
        training,
        validation,
        profiles: reading.profiles,
        sources: reading.sources,
    })
}

fn take(courses: &mut Courses, label: Option<&str>, actions: &[Action]) {
    courses.begin(label);
    actions.iter().for_each(|action| courses.push(action));
    courses.end();
}

/// Captures that are lifted one after the other, with one dictionary.
struct Reading {
    read: ReadArgs,
    profiles: OptionProfiles,
    sources: Vec<SourceEntry>,
}

impl Reading {
    fn actions(&mut self, capture: &Capture) -> Result<Vec<Action>> {
        let profiles = std::mem::take(&mut self.profiles);
        let mut lifter = Lifter::new(MAX_SLOTS, profiles);
        let mut input = Input::open(&capture.path, self.read)?;
        let mut actions = Vec::new();
        input.for_each(|packet| {
            // Out of scope is no error: lift counts it.
            actions.extend(lifter.lift(packet).ok());
            Ok(())
        })?;
        let source = input.finish()?;
        capture.check(&source)?;
        self.sources.push(source);
        self.profiles = lifter.into_profiles();
        Ok(actions)
    }
}
