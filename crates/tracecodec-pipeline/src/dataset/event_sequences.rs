//! What autoregressive generators learn from: the event sequences of flows, in memory.

use std::collections::BTreeSet;
use std::mem;
use std::path::Path;

use tracecodec::action::{Action, ActionSchema, OptionProfiles};
use tracecodec::artifact::SourceEntry;
use tracecodec::shard::{Split, SplitWeights};
use tracecodec_nn::generator::autoregressive::{Autoregressive, Data, EventSequences};

use super::{DataSet, Part};
use crate::disclosure::Disclosure;
use crate::error::Error;
use crate::files::{ReadPolicy, folder};
use crate::monitor::Monitor;

/// Takes a data set into memory, about 300 bytes a packet. Shards have their split; of a file the
/// first packets are for training and the next for validation, in the sharder's proportions, and
/// the rest is only lifted. Everything is kept that this version of the action schema can keep.
/// Files are labelled by their names if `label_by_name` is set. If the training begins with another
/// generator, its labels and its option layouts come first.
///
/// # Errors
/// If a part cannot be read, there are too many labels, or the monitor stops it.
pub(crate) fn prepare(
    set: &DataSet,
    version: u32,
    label_by_name: bool,
    from: Option<&Autoregressive>,
    read: &ReadPolicy,
    disclosure: &Disclosure,
    monitor: &mut dyn Monitor,
) -> Result<Data, Error> {
    let label = |part: &Part| match part.split {
        Some(_) => part.label.clone(),
        None => {
            let name = part.path.file_name().map(Path::new);
            name.filter(|_| label_by_name).map(folder::name)
        }
    };
    let labelled = set.shards(Split::Train).chain(set.files());
    let labels: BTreeSet<String> = labelled.filter_map(label).collect();
    let known = from.map_or_else(Vec::new, |from| from.labels().to_vec());
    let new = labels.into_iter().filter(|label| !known.contains(label));
    let labels: Vec<_> = known.iter().cloned().chain(new).collect();
    if labels.len() > Autoregressive::MAX_LABELS {
        return Err(Error::refused(
            format!("{} labels", labels.len()),
            format!(
                "a generator distinguishes at most {}",
                Autoregressive::MAX_LABELS
            ),
        ));
    }
    let mut reading = Reading {
        schema: ActionSchema::whole(version),
        read,
        profiles: from.map_or_else(OptionProfiles::new, |from| {
            from.option_profiles().clone().thaw()
        }),
        sources: Vec::new(),
    };
    let [mut training, mut validation] = [(); 2].map(|()| EventSequences::new(version, &labels));
    for shard in set.shards(Split::Train) {
        let actions = reading.actions(shard, monitor)?;
        take(&mut training, label(shard).as_deref(), &actions);
    }
    let weights = SplitWeights::default();
    let all = u64::from(weights.train + weights.validation + weights.test);
    for file in set.files() {
        let actions = reading.actions(file, monitor)?;
        let share = |weight: u32| (actions.len() as u64 * u64::from(weight) / all) as usize;
        let (first, rest) = actions.split_at(share(weights.train));
        let label = label(file);
        take(&mut training, label.as_deref(), first);
        take(
            &mut validation,
            label.as_deref(),
            &rest[..share(weights.validation)],
        );
    }
    // Layouts that only the validation packets of shards have are kept by their length.
    reading.profiles = mem::take(&mut reading.profiles).freeze();
    for shard in set.shards(Split::Validation) {
        let actions = reading.actions(shard, monitor)?;
        take(&mut validation, label(shard).as_deref(), &actions);
    }
    Ok(Data {
        training,
        validation,
        profiles: reading.profiles,
        sources: disclosure.sources(reading.sources),
    })
}

fn take(sequences: &mut EventSequences, label: Option<&str>, actions: &[Action]) {
    sequences.begin(label);
    actions.iter().for_each(|action| sequences.push(action));
    sequences.end();
}

/// Captures that are lifted one after the other, with one dictionary.
struct Reading<'a> {
    schema: ActionSchema,
    read: &'a ReadPolicy,
    profiles: OptionProfiles,
    sources: Vec<SourceEntry>,
}

impl Reading<'_> {
    fn actions(&mut self, part: &Part, monitor: &mut dyn Monitor) -> Result<Vec<Action>, Error> {
        let profiles = mem::take(&mut self.profiles);
        let mut actions = Vec::new();
        let lifted = part.lift(self.read, self.schema, profiles, monitor, |action, _| {
            actions.push(*action);
            Ok(())
        })?;
        self.sources.push(lifted.source);
        self.profiles = lifted.profiles;
        Ok(actions)
    }
}
