//! Other programs as judges of a capture.

mod run;
pub(crate) mod tshark;

use std::path::Path;

use anyhow::Result;
use serde::Serialize;

pub(crate) use run::version;

/// Complaints that are told; the rest is counted.
const TOLD: usize = 5;

/// A program, and how it is asked.
pub(crate) struct Tool {
    /// Name of the program.
    pub(crate) name: &'static str,
    /// Argument that makes it tell its version.
    version: &'static str,
    /// Its judgment of a plain capture; the folder is for what it writes.
    judge: fn(&Path, &Path) -> Result<Complaints>,
}

/// The programs that `check --tools` asks, as far as they are installed.
pub(crate) const TOOLS: [Tool; 6] = [
    Tool {
        name: "tshark",
        version: "--version",
        judge: run::tshark,
    },
    Tool {
        name: "capinfos",
        version: "--version",
        judge: run::capinfos,
    },
    Tool {
        name: "tcpdump",
        version: "--version",
        judge: run::tcpdump,
    },
    // Of tcpreplay's suite the one that needs no interface: it reads every packet and tells clients from servers.
    Tool {
        name: "tcpprep",
        version: "--version",
        judge: run::tcpprep,
    },
    Tool {
        name: "zeek",
        version: "--version",
        judge: run::zeek,
    },
    Tool {
        name: "suricata",
        version: "-V",
        judge: run::suricata,
    },
];

/// What a program complains of.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Complaints {
    count: u64,
    first: Vec<String>,
}

impl Complaints {
    fn add(&mut self, complaint: impl Into<String>) {
        self.count += 1;
        if self.first.len() < TOLD {
            self.first.push(complaint.into());
        }
    }
}

/// How a program judged a capture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Verdict {
    /// It ran, and complained of nothing.
    Clean,
    /// It complained.
    Complaints,
    /// It is installed, but did not do its work.
    CouldNotRun,
    /// It is not installed.
    NotInstalled,
}

/// What a program said of a capture.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Opinion {
    /// Name of the program.
    pub(crate) tool: &'static str,
    /// Its verdict.
    pub(crate) verdict: Verdict,
    /// How often it complained.
    pub(crate) complaints: u64,
    /// Its first complaints, or why it could not run.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) told: Vec<String>,
}

impl Tool {
    /// First line of what it tells of its version; none where it is not installed.
    pub(crate) fn version(&self) -> Option<String> {
        version(self.name, self.version)
    }

    /// Asks it about a plain capture.
    ///
    /// # Errors
    /// If there is no room for what it writes.
    pub(crate) fn judge(&self, capture: &Path) -> Result<Opinion> {
        let folder = tempfile::tempdir()?;
        let (verdict, complaints) = match (self.judge)(capture, folder.path()) {
            Ok(complaints) if complaints.count == 0 => (Verdict::Clean, complaints),
            Ok(complaints) => (Verdict::Complaints, complaints),
            Err(error) => (
                Verdict::CouldNotRun,
                Complaints {
                    count: 0,
                    first: vec![format!("{error:#}")],
                },
            ),
        };
        Ok(Opinion {
            tool: self.name,
            verdict,
            complaints: complaints.count,
            told: complaints.first,
        })
    }

    /// What is said where it is not installed.
    pub(crate) fn absent(&self) -> Opinion {
        Opinion {
            tool: self.name,
            verdict: Verdict::NotInstalled,
            complaints: 0,
            told: Vec::new(),
        }
    }
}
