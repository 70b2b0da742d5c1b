//! A section of the page: tables and figures of one dataset, or of all trainings.

use super::dataset::Dataset;
use super::{dynamics, hosts, interleaving, protocol_state, tables, temporal, transitions};
use crate::plot::figure::Figure;
use crate::plot::table::Table;

/// What the page, the folder of figures and the files of tables are made from.
pub(crate) struct Section {
    pub(crate) name: String,
    /// The section's name in file names and links, unique on the page.
    pub(crate) slug: String,
    /// Warnings: why the comparison is doubtful.
    pub(crate) warnings: Vec<String>,
    /// Tables that are shown, the main one first.
    pub(crate) tables: Vec<Table>,
    /// Table that the page shows folded, if there is one.
    pub(super) complete: Option<Complete>,
    /// Figures in the order of the page.
    pub(crate) figures: Vec<Figure>,
}

/// A table of all numbers.
pub(super) struct Complete {
    /// Label that unfolds the table.
    pub(super) name: &'static str,
    pub(super) table: Table,
}

impl Section {
    /// All tables, the main one first.
    pub(crate) fn all_tables(&self) -> impl Iterator<Item = &Table> {
        let complete = self.complete.iter().map(|complete| &complete.table);
        self.tables.iter().chain(complete)
    }

    /// A section of tables alone.
    pub(crate) fn of_tables(name: &str, slug: &str, tables: Vec<Table>) -> Self {
        Self {
            name: name.to_string(),
            slug: slug.to_string(),
            warnings: Vec::new(),
            tables,
            complete: None,
            figures: Vec::new(),
        }
    }
}

impl From<Dataset> for Section {
    fn from(dataset: Dataset) -> Self {
        let latent_interface = tables::latent_interface(&dataset);
        Self {
            tables: [tables::main(&dataset)]
                .into_iter()
                .chain(latent_interface)
                .collect(),
            complete: Some(Complete {
                name: "All metrics",
                table: tables::complete(&dataset),
            }),
            figures: [
                protocol_state::figure(&dataset),
                transitions::figure(&dataset),
                interleaving::figure(&dataset),
                temporal::figure(&dataset),
            ]
            .into_iter()
            .chain(dynamics::figure(&dataset))
            .chain(hosts::figure(&dataset))
            .collect(),
            name: dataset.name,
            slug: dataset.slug,
            warnings: dataset.warnings,
        }
    }
}
