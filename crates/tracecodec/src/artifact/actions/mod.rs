//! Packet actions as a Parquet file: one row an action, one column for each quantity of the schema
//! and for `delta_t`.
//!
//! Key-value metadata hold what a compiler needs in addition to the rows: schema version, epoch and
//! option profiles.

#[cfg(feature = "arrow")]
mod batches;
mod columns;
mod file;
mod labels;
mod metadata;
mod reader;
mod writer;

#[cfg(feature = "arrow")]
pub use batches::{ActionBatches, BatchesReader, BatchesWriter};
pub use labels::{LabelBuf, Labels};
pub use reader::ActionsReader;
pub use writer::ActionsWriter;
pub(crate) use writer::failed as output_failed;

/// Column of the time step.
pub const DELTA_T: &str = "delta_t";

/// Columns of labels, which files have that were lifted from captures with labels.
pub const LABEL_COLUMNS: [&str; 2] = ["sample_id", "label"];

/// Column of record batches that holds their metadata, in each row the same JSON object: for tools
/// that keep columns alone.
pub const METADATA_COLUMN: &str = "tracecodec_metadata";

/// Rows of a row group, which the writer holds in memory: about 14 MiB.
pub const ROW_GROUP: usize = 131_072;

/// Metadata keys.
pub mod key {
    /// Version of the action schema, decimal.
    pub const SCHEMA_VERSION: &str = "tracecodec.schema_version";
    /// What is kept of [`Hosts`](crate::action::Hosts). Absent in files of the paper's schema.
    pub const HOSTS: &str = "tracecodec.hosts";
    /// What is kept of [`Services`](crate::action::Services). Absent in files of the paper's
    /// schema.
    pub const SERVICES: &str = "tracecodec.services";
    /// Time of the first action in ns since 1970, decimal. Absent if there are no actions.
    pub const EPOCH: &str = "tracecodec.epoch_ns";
    /// Option profiles 11 and up: a JSON array of options areas in hexadecimal.
    pub const OPTION_PROFILES: &str = "tracecodec.option_profiles";
    /// Counts of the lift: a JSON object.
    pub const COUNTS: &str = "tracecodec.counts";
}

#[cfg(test)]
mod tests {
    use super::columns::{column_type, group};
    use super::*;
    use crate::action::schema::QUANTITIES;
    use crate::action::{Action, ActionSchema, OptionLayout, OptionProfiles, SCHEMA_VERSION};
    use crate::error::Error;
    use crate::lift::LiftCounts;
    use crate::output::Output;
    use crate::pcap::Timestamp;
    use parquet::basic::{LogicalType, Type as Physical};
    use parquet::file::metadata::KeyValue;
    use parquet::file::writer::SerializedFileWriter;
    use parquet::schema::types::Type;
    use proptest::prelude::*;
    use std::fs;
    use std::path::{Path, PathBuf};
    use std::sync::Arc;
    use tempfile::TempDir;

    /// Actions with a value within its vocabulary for each quantity.
    fn actions() -> impl Strategy<Value = Vec<Action>> {
        let action = (
            proptest::collection::vec(any::<u32>(), QUANTITIES.len()),
            any::<i64>(),
        );
        let action = action.prop_map(|(values, delta_t)| {
            let mut action = Action {
                delta_t,
                ..Action::default()
            };
            for (quantity, value) in QUANTITIES.iter().zip(values) {
                let size = u64::from(quantity.vocabulary.max()) + 1;
                (quantity.set)(&mut action, (u64::from(value) % size) as u32);
            }
            action
        });
        proptest::collection::vec(action, 0..300)
    }

    fn profiles() -> OptionProfiles {
        let mut profiles = OptionProfiles::new();
        profiles.intern(OptionLayout::of(&[2, 4, 5, 180]));
        profiles
    }

    fn write(path: &Path, actions: &[Action]) {
        let mut writer = ActionsWriter::create(path, ActionSchema::default()).unwrap();
        for action in actions {
            writer.write(action).unwrap();
        }
        let epoch = (!actions.is_empty()).then_some(Timestamp(-5));
        let counts = LiftCounts::default();
        writer.finish(epoch, &profiles(), &counts).unwrap();
    }

    fn read(path: &Path) -> Result<Vec<Action>, Error> {
        ActionsReader::open(path)?.collect()
    }

    /// A file of `count` different actions, in a folder that lives as long as the guard.
    fn sample(count: u32) -> (TempDir, PathBuf, Vec<Action>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.parquet");
        let action = |i: u32| Action {
            flow_token: i % 7,
            tcp_seq_delta: i.wrapping_mul(2_654_435_761),
            l4_payload_len: i % 1_460,
            delta_t: i64::from(i) - 100,
            ..Action::default()
        };
        let actions: Vec<Action> = (0..count).map(action).collect();
        write(&path, &actions);
        (folder, path, actions)
    }

    /// A file of this one column and this metadata.
    fn foreign(path: &Path, column: Arc<Type>, metadata: &[(&str, &str)]) {
        let output = Output::create(path).unwrap();
        let schema = group("x", vec![column]);
        let mut file = SerializedFileWriter::new(output, schema, Arc::default()).unwrap();
        for (key, value) in metadata {
            let entry = KeyValue::new(key.to_string(), value.to_string());
            file.append_key_value_metadata(entry);
        }
        file.into_inner().unwrap().finish().unwrap();
    }

    fn opening_error(path: &Path) -> String {
        let error = ActionsReader::open(path).err().unwrap().to_string();
        let prefix = format!("{}: ", path.display());
        error.strip_prefix(&prefix).unwrap().to_string()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn test_round_trip(actions in actions()) {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("a.parquet");
            write(&path, &actions);
            let clean: Vec<Action> = actions.iter().map(|a| a.without_inactive()).collect();
            prop_assert_eq!(read(&path).unwrap(), clean);
        }

        #[test]
        fn test_damage_is_an_error_or_values_of_the_vocabulary(at in 0usize..20_000, byte in any::<u8>()) {
            let (_folder, path, actions) = sample(500);
            let mut bytes = fs::read(&path).unwrap();
            let at = at % bytes.len();
            bytes[at] = byte;
            fs::write(&path, bytes).unwrap();
            if let Ok(read) = read(&path) {
                prop_assert!(read.len() <= actions.len());
            }
        }
    }

    #[test]
    fn test_several_row_groups() {
        let (_folder, path, actions) = sample(ROW_GROUP as u32 + 10);
        let reader = ActionsReader::open(&path).unwrap();
        assert_eq!(reader.rows(), ROW_GROUP as u64 + 10);
        assert_eq!(reader.epoch(), Some(Timestamp(-5)));
        assert_eq!(reader.profiles().to_hex(), profiles().to_hex());
        assert_eq!(reader.map(Result::unwrap).collect::<Vec<_>>(), actions);
    }

    #[test]
    fn test_seek() {
        let (_folder, path, actions) = sample(ROW_GROUP as u32 + 30_000);
        let mut reader = ActionsReader::open(&path).unwrap();
        let rows = [150_000, 20_000, 0, 19_999, 8_191, ROW_GROUP - 1, ROW_GROUP];
        for row in rows.into_iter().chain([actions.len() - 1, 60_001]) {
            reader.seek(row as u64).unwrap();
            let read: Vec<_> = reader.by_ref().take(9_000).map(Result::unwrap).collect();
            assert!(read == actions[row..][..read.len()], "{row}");
            assert_eq!(read.len(), 9_000.min(actions.len() - row));
        }
        for beyond in [actions.len() as u64, u64::MAX] {
            reader.seek(beyond).unwrap();
            assert!(reader.next().is_none());
        }
    }

    #[test]
    fn test_no_actions() {
        let (_folder, path, _) = sample(0);
        assert_eq!(read(&path).unwrap(), []);
        assert_eq!(ActionsReader::open(&path).unwrap().epoch(), None);
    }

    #[test]
    fn test_same_actions_same_bytes() {
        let (_folder, first, _) = sample(1_000);
        let (_other, second, _) = sample(1_000);
        assert_eq!(fs::read(first).unwrap(), fs::read(second).unwrap());
    }

    #[test]
    fn test_excess_values_saturate() {
        let (_folder, path, _) = sample(0);
        let mut action = Action::default();
        action.context.gap_b = 255;
        write(&path, &[action]);
        action.context.gap_b = 31;
        assert_eq!(read(&path).unwrap(), [action]);
    }

    #[test]
    fn test_cut_files() {
        let (_folder, path, _) = sample(500);
        let bytes = fs::read(&path).unwrap();
        for len in (0..bytes.len()).step_by(97) {
            fs::write(&path, &bytes[..len]).unwrap();
            assert_eq!(opening_error(&path), "not a Parquet file, or cut off");
        }
    }

    #[test]
    fn test_other_files() {
        let (_folder, path, _) = sample(0);
        let width = LogicalType::integer(32, false);
        let token = column_type("flow_token", Physical::INT32, width);
        foreign(&path, token.clone(), &[]);
        let missing = format!(
            "no metadata tracecodec.schema_version of packet actions, and no manifest {}.json",
            path.display()
        );
        assert_eq!(opening_error(&path), missing);
        foreign(&path, token.clone(), &[(key::SCHEMA_VERSION, "999")]);
        assert_eq!(
            opening_error(&path),
            format!("schema version 999, but this version reads {SCHEMA_VERSION}")
        );
        let version = SCHEMA_VERSION.to_string();
        let good = [
            (key::SCHEMA_VERSION, version.as_str()),
            (key::OPTION_PROFILES, "[]"),
        ];
        foreign(&path, token, &good);
        assert_eq!(opening_error(&path), "no column flow_evt");
        let delta_t = column_type(DELTA_T, Physical::INT64, LogicalType::integer(64, true));
        foreign(&path, delta_t, &good);
        assert_eq!(opening_error(&path), "no column flow_token");
    }

    #[test]
    fn test_value_out_of_vocabulary() {
        let (_folder, path, _) = sample(0);
        let mut writer = ActionsWriter::create(&path, ActionSchema::default()).unwrap();
        writer.write(&Action::default()).unwrap();
        writer.write(&Action::default()).unwrap();
        writer.columns.quantities[1][1] = 3;
        let counts = LiftCounts::default();
        writer.finish(None, &profiles(), &counts).unwrap();
        let mut reader = ActionsReader::open(&path).unwrap();
        assert_eq!(reader.next().unwrap().unwrap(), Action::default());
        reader.seek(1).unwrap();
        let error = reader.next().unwrap().unwrap_err().to_string();
        let row = "a.parquet: row 2: flow_evt is 3, but at most 2 is allowed";
        assert!(error.ends_with(row), "{error}");
        assert!(reader.next().is_none());
    }
}
