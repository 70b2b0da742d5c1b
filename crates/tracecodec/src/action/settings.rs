//! What the actions of a trace keep: the version of the schema, and hosts and services.

use serde::{Deserialize, Serialize};

use crate::choice::Choice;

/// Version of the schema with everything that [`QUANTITIES`](super::schema::QUANTITIES) lists.
pub const SCHEMA_VERSION: u32 = 2;

/// Version of the paper's schema: 65,536 slots for flows, and nothing of hosts and services.
pub const PAPER_SCHEMA: u32 = 1;

/// What is kept of the hosts of a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Hosts {
    /// Nothing: every flow has two hosts of its own.
    #[default]
    Flow,
    /// Which flows share a host.
    Graph,
}

impl Choice for Hosts {
    const WHAT: &'static str = "hosts";

    const TABLE: &'static [(Self, &'static str, &'static str)] = &[
        (
            Self::Flow,
            "flow",
            "every flow has two hosts of its own, so that flows cannot be linked",
        ),
        (
            Self::Graph,
            "graph",
            "flows that share a host still share one: scans and servers stay, and with them who talks to whom",
        ),
    ];
}

/// What is kept of the services of a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Services {
    /// Nothing: ports have no meaning.
    #[default]
    None,
    /// Ports of the table of services stay, and other ports of a host map one to one.
    Class,
}

impl Choice for Services {
    const WHAT: &'static str = "services";

    const TABLE: &'static [(Self, &'static str, &'static str)] = &[
        (Self::None, "none", "ports have no meaning"),
        (
            Self::Class,
            "class",
            "well-known ports stay as they are, and other ports of a host map one to one",
        ),
    ];
}

/// What the actions of a trace keep. Every artifact with actions states it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Stated", into = "Stated")]
pub struct ActionSchema {
    /// Version of the schema: [`SCHEMA_VERSION`] or [`PAPER_SCHEMA`].
    pub version: u32,
    /// What is kept of hosts. The paper's schema keeps nothing.
    pub hosts: Hosts,
    /// What is kept of services. The paper's schema keeps nothing.
    pub services: Services,
}

/// The schema as artifacts state it: of the paper's schema, the version alone.
#[derive(Serialize, Deserialize)]
struct Stated {
    #[serde(default = "own_version")]
    schema_version: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hosts: Option<Hosts>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    services: Option<Services>,
}

fn own_version() -> u32 {
    SCHEMA_VERSION
}

impl From<Stated> for ActionSchema {
    fn from(stated: Stated) -> Self {
        Self {
            version: stated.schema_version,
            hosts: stated.hosts.unwrap_or_default(),
            services: stated.services.unwrap_or_default(),
        }
    }
}

impl From<ActionSchema> for Stated {
    fn from(schema: ActionSchema) -> Self {
        let is_papers = schema.version == PAPER_SCHEMA;
        Self {
            schema_version: schema.version,
            hosts: (!is_papers).then_some(schema.hosts),
            services: (!is_papers).then_some(schema.services),
        }
    }
}

impl ActionSchema {
    /// The paper's schema.
    pub const PAPER: Self = Self {
        version: PAPER_SCHEMA,
        hosts: Hosts::Flow,
        services: Services::None,
    };

    /// Everything that a version can keep.
    pub const fn whole(version: u32) -> Self {
        if version == PAPER_SCHEMA {
            return Self::PAPER;
        }
        Self {
            version,
            hosts: Hosts::Graph,
            services: Services::Class,
        }
    }

    /// Longest payload that `l4_payload_len` can state in any version.
    pub const MAX_PAYLOAD: u32 = 0xf_ffff;

    /// Largest number of slots that `flow_token` can number in any version.
    pub const MAX_SLOTS: usize = 1 << 24;

    /// Largest number of slots that `flow_token` can number.
    pub const fn max_slots(self) -> usize {
        if self.version == PAPER_SCHEMA {
            1 << 16
        } else {
            Self::MAX_SLOTS
        }
    }

    /// Whether this program knows the version.
    pub const fn is_known(self) -> bool {
        matches!(self.version, PAPER_SCHEMA | SCHEMA_VERSION)
    }

    /// Longest payload that `l4_payload_len` can state.
    pub const fn max_payload(self) -> u32 {
        if self.version == PAPER_SCHEMA {
            0xffff
        } else {
            Self::MAX_PAYLOAD
        }
    }
}

impl Default for ActionSchema {
    fn default() -> Self {
        Self {
            version: SCHEMA_VERSION,
            hosts: Hosts::default(),
            services: Services::default(),
        }
    }
}
