//! Cuts synthetic captures into shards and checks the sharder's promises.

#![allow(
    clippy::unwrap_used,
    reason = "clippy exempts test functions, but not their helpers"
)]

use std::collections::BTreeMap;
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use tempfile::TempDir;
use tracecodec::Error;
use tracecodec::artifact::{SourceFile, document};
use tracecodec::choice::Choice;
use tracecodec::flow::session::Sessions;
use tracecodec::pcap::{Format, LinkType, Packet, Timestamp, Writer};
use tracecodec::shard::{ShardConfig, ShardManifest, ShardSize, Sharder, Split, SplitWeights};
use tracecodec::wire;

const SECOND: i64 = 1_000_000_000;

/// A packet of the tests: time, link type and bytes.
type Frame = (i64, u16, Vec<u8>);

/// A UDP packet of one of 256 flows. Each packet has a payload of its own.
fn udp(time: i64, flow: u8, mark: u32) -> Frame {
    let mut data = vec![0x45, 0, 0, 32, 0, 0, 0, 0, 64, 17, 0, 0];
    data.extend([10, 0, 0, 1, 10, 0, 0, 2, 4, flow, 0, 53, 0, 12, 0, 0]);
    data.extend(mark.to_be_bytes());
    (time, LinkType::RAW.0, data)
}

/// A TCP packet of one of 256 flows.
fn tcp(time: i64, flow: u8, seq: u32, flags: u8) -> Frame {
    let mut data = vec![0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0, 0];
    data.extend([10, 0, 0, 1, 10, 0, 0, 2, 4, flow, 0, 80]);
    data.extend(seq.to_be_bytes());
    data.extend([0, 0, 0, 0, 0x50, flags, 1, 0, 0, 0, 0, 0]);
    (time, LinkType::IPV4.0, data)
}

/// A frame that is no IP packet.
fn noise(time: i64) -> Frame {
    (time, LinkType::RAW.0, vec![0xff; 30])
}

fn write(path: &Path, frames: &[Frame]) {
    let mut writer = Writer::create(path, Format::of_path(path)).unwrap();
    for (time, link, data) in frames {
        let packet = Packet {
            time: Timestamp(*time),
            link: LinkType(*link),
            wire_len: data.len() as u32,
            data,
            ..Packet::default()
        };
        writer.write(&packet).unwrap();
    }
    writer.finish().unwrap();
}

fn read(path: &Path) -> Vec<Frame> {
    let mut source = SourceFile::open(path).unwrap();
    let mut frames = Vec::new();
    while let Some(packet) = source.next() {
        let packet = packet.unwrap();
        frames.push((packet.time.0, packet.link.0, packet.data.to_vec()));
    }
    frames
}

fn parse(frame: &Frame) -> Option<wire::Headers<'_>> {
    let packet = Packet {
        time: Timestamp(frame.0),
        link: LinkType(frame.1),
        wire_len: frame.2.len() as u32,
        data: &frame.2,
        ..Packet::default()
    };
    wire::parse(&packet).ok()
}

fn by_packets(packets: u64) -> ShardConfig {
    ShardConfig {
        size: ShardSize::Packets(packets),
        ..ShardConfig::default()
    }
}

/// Cuts captures into shards; `progress` hears of the shards that are counted.
fn cut_until(
    inputs: &[PathBuf],
    output: &Path,
    config: &ShardConfig,
    progress: &mut dyn FnMut(usize, usize) -> ControlFlow<()>,
) -> Result<ShardManifest, Error> {
    let mut sharder = Sharder::create(output, config.clone())?;
    let mut sources = Vec::new();
    for input in inputs {
        let mut source = SourceFile::open(input)?;
        while let Some(packet) = source.next() {
            sharder.add(&packet?)?;
        }
        sources.push(source.finish(None)?);
    }
    sharder.finish(sources, progress)
}

fn cut(inputs: &[PathBuf], output: &Path, config: &ShardConfig) -> Result<ShardManifest, Error> {
    cut_until(
        inputs,
        output,
        config,
        &mut |_, _| ControlFlow::Continue(()),
    )
}

/// Writes a capture, cuts it, and returns the folder of the shards.
fn run(frames: &[Frame], config: &ShardConfig) -> (TempDir, ShardManifest) {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("in.pcapng");
    write(&input, frames);
    let manifest = cut(&[input], &folder.path().join("out"), config).unwrap();
    (folder, manifest)
}

/// All files under a folder, with their bytes.
fn tree(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(tree(&path));
        } else {
            let bytes = fs::read(&path).unwrap();
            files.insert(path, bytes);
        }
    }
    files
}

/// All files under a folder with their bytes, by their paths within it.
fn relative(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let files = tree(folder).into_iter();
    files
        .map(|(path, bytes)| (path.strip_prefix(folder).unwrap().to_path_buf(), bytes))
        .collect()
}

/// Checks every promise about one run over these frames.
fn check(frames: &[Frame], folder: &Path, manifest: &ShardManifest) {
    let mut expected: Vec<Vec<Frame>> = vec![Vec::new(); manifest.shards.len()];
    let mut sessions: Sessions = Sessions::new();
    let shards: Vec<Vec<Frame>> = manifest
        .shards
        .iter()
        .map(|shard| read(&folder.join(&shard.file)))
        .collect();
    let mut shard_of_session = BTreeMap::new();
    let mut next = vec![0; shards.len()];
    for frame in frames {
        let Some(headers) = parse(frame) else {
            continue;
        };
        let id = sessions.observe(&headers, Timestamp(frame.0)).id;
        // All frames differ, so the shard whose next frame this is took it.
        let shard = (0..shards.len())
            .find(|&shard| shards[shard].get(next[shard]) == Some(frame))
            .expect("every frame in scope is in some shard, in order");
        next[shard] += 1;
        expected[shard].push(frame.clone());
        assert_eq!(*shard_of_session.entry(id).or_insert(shard), shard);
    }
    assert_eq!(shards, expected);
    assert!(manifest.shards.is_sorted_by_key(|shard| shard.split));
    let sum: u64 = manifest.shards.iter().map(|s| s.census.packets).sum();
    assert_eq!(sum, manifest.totals.packets);
    for shard in &manifest.shards {
        let path = folder.join(&shard.file);
        assert_eq!(document::digest(&path).unwrap(), shard.blake3);
        assert!(shard.file.starts_with(shard.split.name()));
        assert!(shard.census.max_concurrent_sessions <= shard.census.sessions);
    }
    let written = ShardManifest::read(folder.join(ShardManifest::FILE_NAME)).unwrap();
    assert_eq!(&written, manifest);
}

fn frames() -> impl Strategy<Value = Vec<Frame>> {
    let step = prop_oneof![
        6 => 0..SECOND,
        2 => SECOND..50 * SECOND,
        1 => 50 * SECOND..200 * SECOND,
    ];
    let packet = (step, 0u8..8, 0u8..10, any::<u8>());
    proptest::collection::vec(packet, 0..200).prop_map(|packets| {
        let mut time = SECOND;
        let numbered = packets.into_iter().enumerate();
        let frames = numbered.map(|(i, (step, flow, kind, flags))| {
            // No two frames are alike.
            time += step + 1;
            match kind {
                0 => noise(time),
                1..=4 => udp(time, flow, i as u32),
                5 => tcp(time, flow, i as u32 * 1_000, 0x02),
                _ => tcp(time, flow, i as u32 * 10, flags & 0x17),
            }
        });
        frames.collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn test_promises(frames in frames(), packets in 1u64..40) {
        let (folder, manifest) = run(&frames, &by_packets(packets));
        check(&frames, &folder.path().join("out"), &manifest);
    }
}

#[test]
fn test_long_session_stays_in_its_first_shard() {
    let mut frames = Vec::new();
    for i in 0..100 {
        let time = i64::from(i) * SECOND;
        frames.push(udp(time, 0, i));
        frames.push(udp(time + 1, 1 + i as u8, i));
    }
    let (folder, manifest) = run(&frames, &by_packets(10));
    check(&frames, &folder.path().join("out"), &manifest);
    // The first shard takes the 100 packets of the long session and five short sessions; each other
    // shard takes ten short ones.
    let packets: Vec<u64> = manifest.shards.iter().map(|s| s.census.packets).collect();
    assert_eq!(packets, [105, 10, 10, 10, 10, 10, 10, 10, 10, 10, 5]);
    assert_eq!(manifest.of_split(Split::Train).count(), 9);
    assert_eq!(manifest.of_split(Split::Test).count(), 1);
    let first = &manifest.shards[0].census;
    assert_eq!((first.start_ns, first.end_ns), (Some(0), Some(99 * SECOND)));
    assert_eq!((first.sessions, first.flows), (6, 6));
    assert_eq!(first.max_concurrent_sessions, 2);
    assert_eq!(first.bytes, 105 * 32);
}

#[test]
fn test_size_in_seconds() {
    let frames: Vec<Frame> = (0..90)
        .map(|i| udp(i64::from(i) * SECOND / 3, i as u8, i))
        .collect();
    let config = ShardConfig {
        size: ShardSize::Seconds(10),
        ..ShardConfig::default()
    };
    let (_folder, manifest) = run(&frames, &config);
    let packets: Vec<u64> = manifest.shards.iter().map(|s| s.census.packets).collect();
    assert_eq!(packets, [30, 30, 30]);
    let splits: Vec<Split> = manifest.shards.iter().map(|s| s.split).collect();
    assert_eq!(splits, Split::ALL);
}

#[test]
fn test_label() {
    let frames: Vec<Frame> = (0..30).map(|i| udp(i64::from(i), i as u8, i)).collect();
    let (folder, plain) = run(&frames, &by_packets(10));
    let labelled = ShardConfig {
        label: Some("web".to_string()),
        ..by_packets(10)
    };
    let (other, manifest) = run(&frames, &labelled);
    assert_eq!(manifest.shards, plain.shards);
    let text = |folder: &TempDir| {
        fs::read_to_string(folder.path().join("out").join(ShardManifest::FILE_NAME)).unwrap()
    };
    assert!(!text(&folder).contains("label"));
    assert!(text(&other).contains(r#""label": "web""#));
    let path = other.path().join("out").join(ShardManifest::FILE_NAME);
    assert_eq!(ShardManifest::read(path).unwrap(), manifest);
}

#[test]
fn test_several_files_are_one_stream() {
    let frames: Vec<Frame> = (0..60)
        .map(|i| udp(i64::from(i) * SECOND, (i % 9) as u8, i))
        .collect();
    let (whole, one) = run(&frames, &by_packets(7));
    let folder = tempfile::tempdir().unwrap();
    let inputs = ["a.pcap", "b.pcapng", "c.pcap.zst"].map(|name| folder.path().join(name));
    for (input, part) in inputs.iter().zip(frames.chunks(20)) {
        write(input, part);
    }
    let parts = cut(&inputs, &folder.path().join("out"), &by_packets(7)).unwrap();
    assert_eq!(parts.shards, one.shards);
    assert_eq!(parts.totals, one.totals);
    assert_eq!(parts.sources.len(), 3);
    for (source, input) in parts.sources.iter().zip(&inputs) {
        assert_eq!(source.blake3, document::digest(input).unwrap());
        assert_eq!(source.packets, 20);
    }
    drop(whole);
}

#[test]
fn test_same_input_same_bytes() {
    let frames: Vec<Frame> = (0..200)
        .map(|i| tcp(i64::from(i) * SECOND, (i % 70) as u8, i, 0x10))
        .collect();
    let (first, _) = run(&frames, &by_packets(20));
    let (second, _) = run(&frames, &by_packets(20));
    let trees = [&first, &second].map(|folder| relative(&folder.path().join("out")));
    assert_eq!(trees[0], trees[1]);
    assert!(trees[0].len() > 5);
}

#[test]
fn test_out_of_scope_is_counted() {
    let frames = [noise(0), udp(1, 0, 0), noise(2)];
    let (_folder, manifest) = run(&frames, &by_packets(5));
    assert_eq!(manifest.totals.packets_read, 3);
    assert_eq!(manifest.totals.packets, 1);
    assert_eq!(manifest.totals.skipped.values().sum::<u64>(), 2);
}

#[test]
fn test_nothing_in_scope() {
    let (folder, manifest) = run(&[], &by_packets(5));
    assert_eq!(manifest.shards, []);
    assert_eq!(tree(&folder.path().join("out")).len(), 1);
}

#[test]
fn test_damage_leaves_no_folder() {
    let folder = tempfile::tempdir().unwrap();
    let (whole, cut_off) = (
        folder.path().join("in.pcap"),
        folder.path().join("cut.pcap"),
    );
    write(&whole, &[udp(0, 0, 0), udp(1, 1, 1), udp(2, 2, 2)]);
    let bytes = fs::read(&whole).unwrap();
    fs::write(&cut_off, &bytes[..bytes.len() - 5]).unwrap();
    let output = folder.path().join("out");
    let error = cut(&[cut_off], &output, &by_packets(5)).unwrap_err();
    assert!(matches!(error, Error::Capture { .. }), "{error}");
    assert!(!output.exists());
}

#[test]
fn test_folder_is_not_taken_from_others() {
    let folder = tempfile::tempdir().unwrap();
    let input = [folder.path().join("in.pcap")];
    write(&input[0], &[udp(0, 0, 0)]);
    let output = folder.path().join("out");
    fs::create_dir(&output).unwrap();
    fs::write(output.join("letter.txt"), "dear").unwrap();
    let overwrite = ShardConfig {
        overwrite: true,
        ..by_packets(1)
    };
    let error = cut(&input, &output, &overwrite).unwrap_err();
    assert!(matches!(error, Error::ForeignFolder(_)), "{error}");
    assert_eq!(tree(&output).len(), 1);
}

#[test]
fn test_overwrite_replaces_shards_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let input = [folder.path().join("in.pcap")];
    let frames: Vec<Frame> = (0..9).map(|i| udp(i.into(), i as u8, i)).collect();
    write(&input[0], &frames);
    let output = folder.path().join("out");
    cut(&input, &output, &by_packets(1)).unwrap();
    fs::write(output.join("test/notes.txt"), "mine").unwrap();
    let error = cut(&input, &output, &by_packets(9)).unwrap_err();
    assert!(matches!(error, Error::FolderInUse(_)), "{error}");
    let overwrite = ShardConfig {
        overwrite: true,
        ..by_packets(9)
    };
    cut(&input, &output, &overwrite).unwrap();
    let names: Vec<PathBuf> = relative(&output).into_keys().collect();
    let expected = [
        "manifest.json",
        "test/notes.txt",
        "train/shard-00000.pcapng",
    ];
    assert_eq!(names, expected.map(PathBuf::from));
}

#[test]
fn test_failure_keeps_the_older_shards() {
    let folder = tempfile::tempdir().unwrap();
    let input = [
        folder.path().join("in.pcap"),
        folder.path().join("bad.pcap"),
    ];
    write(&input[0], &[udp(0, 0, 0)]);
    fs::write(&input[1], "no capture").unwrap();
    let output = folder.path().join("out");
    cut(&input[..1], &output, &by_packets(1)).unwrap();
    let before = tree(&output);
    let overwrite = ShardConfig {
        overwrite: true,
        ..by_packets(1)
    };
    cut(&input, &output, &overwrite).unwrap_err();
    assert_eq!(tree(&output), before);
}

#[test]
fn test_interrupted_run_is_replaced_on_request() {
    let folder = tempfile::tempdir().unwrap();
    let input = [folder.path().join("in.pcap")];
    write(&input[0], &[udp(0, 0, 0)]);
    let output = folder.path().join("out");
    fs::create_dir_all(output.join(".part")).unwrap();
    fs::write(output.join(".part/shard-00000.pcapng"), "half").unwrap();
    let error = cut(&input, &output, &by_packets(1)).unwrap_err();
    assert!(matches!(error, Error::UnfinishedFolder(_)), "{error}");
    let overwrite = ShardConfig {
        overwrite: true,
        ..by_packets(1)
    };
    cut(&input, &output, &overwrite).unwrap();
    assert_eq!(tree(&output).len(), 2);
}

#[test]
fn test_stop_leaves_the_folder_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let input = [folder.path().join("in.pcap")];
    write(&input[0], &[udp(0, 0, 0), udp(1, 1, 0)]);
    let output = folder.path().join("out");
    let mut heard = Vec::new();
    let outcome = cut_until(&input, &output, &by_packets(1), &mut |shards, of| {
        heard.push((shards, of));
        ControlFlow::Break(())
    });
    assert!(matches!(outcome, Err(Error::Stopped)));
    assert_eq!(heard, [(1, 2)]);
    assert!(!output.exists());
}

#[test]
fn test_useless_configurations() {
    let input = [PathBuf::from("/no/such")];
    let error = cut(&input, Path::new("/no/such"), &by_packets(0)).unwrap_err();
    assert!(matches!(error, Error::ShardConfig(_)));
    let weightless = ShardConfig {
        split: SplitWeights {
            train: 0,
            validation: 0,
            test: 0,
        },
        ..by_packets(1)
    };
    let unnamed = ShardConfig {
        label: Some(String::new()),
        ..by_packets(1)
    };
    for config in [weightless, unnamed] {
        let error = cut(&input, Path::new("/no/such"), &config).unwrap_err();
        assert!(matches!(error, Error::ShardConfig(_)));
    }
}

#[test]
fn test_comments_and_interface_names_stay() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("shards");
    let mut sharder = Sharder::create(&output, ShardConfig::default()).unwrap();
    let (time, link, data) = udp(0, 1, 0);
    let packet = Packet {
        time: Timestamp(time),
        link: LinkType(link),
        wire_len: data.len() as u32,
        data: &data,
        comment: "42,web",
        interface: "en0",
    };
    sharder.add(&packet).unwrap();
    let progress = &mut |_, _| ControlFlow::Continue(());
    let manifest = sharder.finish(Vec::new(), progress).unwrap();
    let mut source = SourceFile::open(output.join(&manifest.shards[0].file)).unwrap();
    assert_eq!(source.next().unwrap().unwrap(), packet);
}
