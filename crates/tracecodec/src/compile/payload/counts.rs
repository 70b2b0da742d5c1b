//! What became of the payload of packets, by service.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Written;
use crate::service::{Service, TABLE};

/// Packets with payload of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PayloadCount {
    /// Packets whose payload is shaped.
    pub shaped: u64,
    /// Packets whose payload was left out: the service has no shape, or no message of this length.
    pub omitted: u64,
}

/// What became of the payload of TCP and UDP packets whose payload was to be shaped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PayloadCounts {
    /// By the number of the service, less 1.
    by_service: [PayloadCount; TABLE.len()],
    /// Packets with synthetic payload, since no port of theirs is a service's.
    pub synthetic: u64,
}

impl Default for PayloadCounts {
    fn default() -> Self {
        Self {
            by_service: [PayloadCount::default(); TABLE.len()],
            synthetic: 0,
        }
    }
}

impl PayloadCounts {
    /// The counts of services that occurred, by their name.
    pub fn by_service(&self) -> BTreeMap<&'static str, PayloadCount> {
        let mut all: BTreeMap<_, PayloadCount> = BTreeMap::new();
        for (row, count) in TABLE.iter().zip(&self.by_service) {
            if *count != PayloadCount::default() {
                let sum = all.entry(row.name).or_default();
                sum.shaped += count.shaped;
                sum.omitted += count.omitted;
            }
        }
        all
    }

    /// Counts a packet with payload.
    pub(in crate::compile) fn add(&mut self, service: Option<Service>, written: Written) {
        let Some(service) = service else {
            self.synthetic += 1;
            return;
        };
        let count = &mut self.by_service[usize::from(service.number()) - 1];
        match written {
            Written::Shaped => count.shaped += 1,
            Written::Impossible => count.omitted += 1,
        }
    }
}
