//! What a pcapng capture says beside its packets.

use serde::Serialize;

/// Most texts of a kind that are kept, so that memory does not grow with the file.
const KEPT: usize = 100;

/// What a pcapng capture says beside its packets. Texts are kept once each, the first 100 of a
/// kind.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Notes {
    /// Programs that wrote the sections (shb_userappl).
    pub applications: Vec<String>,
    /// Comments of the sections.
    pub comments: Vec<String>,
    /// Interfaces that have a name or a description.
    pub interfaces: Vec<InterfaceNote>,
    /// Name Resolution Blocks: names of the hosts.
    pub name_resolution_blocks: u64,
    /// Decryption Secrets Blocks, such as keys of TLS sessions.
    pub secrets_blocks: u64,
}

/// Name and description of an interface.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct InterfaceNote {
    /// Name (if_name); empty if there is none.
    pub name: String,
    /// Description (if_description); empty if there is none.
    pub description: String,
}

/// Adds a text or an interface that is not empty and not there yet.
pub(super) fn keep<T: Default + PartialEq>(kept: &mut Vec<T>, note: T) {
    if kept.len() < KEPT && note != T::default() && !kept.contains(&note) {
        kept.push(note);
    }
}
