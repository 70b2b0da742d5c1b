//! How packets are lifted: the settings that every verb which reads captures for their actions has.

use serde::{Deserialize, Serialize};
use tracecodec::action::{ActionSchema, Hosts, PAPER_SCHEMA, SCHEMA_VERSION, Services};
use tracecodec::flow::MAX_SLOTS;
use tracecodec::lift::{LiftCounts, Lifter};
use tracecodec_nn::Codec;

use crate::error::Error;
use crate::monitor::{Monitor, Warning};

/// How packets are lifted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Lifting {
    /// Version of the action schema: 1 is the paper's. `None`: the codec's, or else the latest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schema: Option<u32>,
    /// What is kept of hosts.
    pub hosts: Hosts,
    /// What is kept of services.
    pub services: Services,
    /// Slots for live flows; if all are taken, the flow that was silent longest loses its slot.
    pub slots: usize,
}

impl Default for Lifting {
    fn default() -> Self {
        Self {
            schema: None,
            hosts: Hosts::default(),
            services: Services::default(),
            slots: MAX_SLOTS,
        }
    }
}

impl Lifting {
    /// Refuses a number of slots that is out of range.
    ///
    /// # Errors
    /// If it is 0 or too large.
    pub fn check(&self) -> Result<(), Error> {
        match self.slots {
            1..=MAX_SLOTS => Ok(()),
            slots => Err(Error::refused(
                format!("{slots} slots"),
                format!("slots number from 1 to {}", MAX_SLOTS),
            )),
        }
    }

    /// What lifted actions keep.
    ///
    /// # Errors
    /// If the version of the schema is unknown, or lacks hosts and services that are to be kept.
    pub fn kept(&self) -> Result<ActionSchema, Error> {
        self.kept_in(self.schema.unwrap_or(SCHEMA_VERSION))
    }

    /// What actions for a codec keep.
    ///
    /// # Errors
    /// If the codec carries another version of the schema than the one that is set, or lacks hosts
    /// and services that are to be kept.
    pub fn kept_for(&self, codec: &Codec) -> Result<ActionSchema, Error> {
        let version = codec.config().schema_version;
        match self.schema {
            Some(schema) if schema != version => Err(Error::refused(
                format!("the codec carries version {version} of the action schema, not {schema}"),
                "leave `schema` out, or name a codec that was trained with that version",
            )),
            _ if version == PAPER_SCHEMA && self.keeps_ends() => Err(Error::refused(
                "the codec carries the paper's action schema, which has neither hosts nor services",
                "roundtrip keeps them with `oracle`; codecs that train now makes carry them",
            )),
            _ => self.kept_in(version),
        }
    }

    fn keeps_ends(&self) -> bool {
        self.hosts != Hosts::default() || self.services != Services::default()
    }

    fn kept_in(&self, version: u32) -> Result<ActionSchema, Error> {
        let kept = ActionSchema {
            version,
            hosts: self.hosts,
            services: self.services,
        };
        if !kept.is_known() {
            return Err(Error::refused(
                format!("there is no version {version} of the action schema"),
                "the versions are 1, which is the paper's, and 2",
            ));
        }
        if version == PAPER_SCHEMA && kept != ActionSchema::PAPER {
            return Err(Error::refused(
                "the paper's action schema, version 1, has neither hosts nor services",
                "leave `hosts` and `services` out, or take version 2 and a codec trained with it",
            ));
        }
        Ok(kept)
    }

    /// Warns of flows and hosts that lost their slot.
    pub(crate) fn warn(&self, counts: &LiftCounts, monitor: &mut dyn Monitor) {
        if counts.evictions > 0 {
            let message = format!(
                "{} slots were too few: {} flows lost theirs, and each that went on is split",
                counts.peak_slots, counts.evictions
            );
            monitor.warn(&Warning::new(message).with_hint("name more `slots`"));
        }
        if counts.host_evictions > 0 {
            let message = format!(
                "{} hosts were too many: {} lost their slot, and each that came back is another host",
                counts.hosts, counts.host_evictions
            );
            monitor.warn(&Warning::new(message).with_hint("take a shorter part of the capture"));
        }
    }

    /// A lifter for a codec: TCP option layouts that its dictionary lacks get numbers after its
    /// own.
    ///
    /// # Errors
    /// Errors of [`kept_for`](Self::kept_for).
    pub fn lifter_for(&self, codec: &Codec) -> Result<Lifter, Error> {
        let profiles = codec.option_profiles().clone().thaw();
        Ok(Lifter::new(self.kept_for(codec)?, self.slots, profiles))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Stopping;

    #[test]
    fn test_lost_slots_are_told() {
        let mut monitor = Stopping::never();
        let lifting = Lifting::default();
        lifting.warn(&LiftCounts::default(), &mut monitor);
        assert!(monitor.warnings.is_empty());
        let counts = LiftCounts {
            evictions: 3,
            peak_slots: 10,
            host_evictions: 1,
            ..LiftCounts::default()
        };
        lifting.warn(&counts, &mut monitor);
        assert_eq!(monitor.warnings.len(), 2);
    }

    #[test]
    fn test_the_papers_schema_has_no_hosts() {
        let lifting = Lifting {
            schema: Some(PAPER_SCHEMA),
            ..Lifting::default()
        };
        assert_eq!(lifting.kept().unwrap(), ActionSchema::PAPER);
        let with_hosts = Lifting {
            hosts: Hosts::Graph,
            ..lifting
        };
        let error = with_hosts.kept().unwrap_err();
        assert!(error.hint().is_some_and(|hint| hint.contains("`hosts`")));
        let unknown = Lifting {
            schema: Some(3),
            ..Lifting::default()
        };
        assert!(unknown.kept().is_err());
    }
}
