//! Writing captures: times that the format cannot hold are counted, the file appears whole.

use std::path::Path;

use tracecodec::artifact::{TOOL, document};
use tracecodec::choice::Choice;
use tracecodec::compile::{PayloadPolicy, SplitCounts, Splitter};
use tracecodec::output::FileKind;
use tracecodec::pcap::{Format, Packet, Precision, Timestamp, Writer};
use tracecodec::shard::SessionFiles;

use super::claim;
use crate::error::Error;
use crate::monitor::{Monitor, Warning, counted};

/// Nanoseconds in a day.
const DAY: i64 = 86_400_000_000_000;

/// What synthetic packets were made from, as their capture says.
#[derive(Debug, Clone)]
pub enum Origin<'a> {
    /// It is not said.
    Undisclosed,
    /// A file, of which the digest is said; of a pipe, it is not said.
    File(&'a Path),
    /// A generator of this digest.
    Generator(String),
}

/// A capture being written, or a folder of captures, one a session. If it is dropped before
/// [`CaptureWriter::finish`], nothing of it is left.
pub struct CaptureWriter {
    writer: Target,
    packets: u64,
    /// Whole days that are added to every time, since pcap cannot hold the first.
    days: i64,
    times_out_of_range: u64,
    splitter: Option<Splitter>,
}

enum Target {
    Capture(Writer),
    Sessions(SessionFiles),
}

impl Target {
    fn write(&mut self, packet: &Packet<'_>) -> Result<(), tracecodec::Error> {
        match self {
            Self::Capture(writer) => writer.write(packet),
            Self::Sessions(files) => files.write(packet),
        }
    }

    fn is_pcapng(&self) -> bool {
        match self {
            Self::Capture(writer) => writer.is_pcapng(),
            Self::Sessions(_) => true,
        }
    }

    fn describe(&mut self, application: &str, comment: &str) {
        match self {
            Self::Capture(writer) => writer.describe(application, comment),
            Self::Sessions(files) => files.describe(application, comment),
        }
    }
}

impl CaptureWriter {
    /// Begins a capture, or a folder of captures, one a session, if `split_flows`.
    ///
    /// # Errors
    /// If the capture or the folder cannot be created; also for microseconds in a folder, whose
    /// captures are pcapng.
    pub fn of(path: &Path, microseconds: bool, split_flows: bool) -> Result<Self, Error> {
        if !split_flows {
            return Self::create(path, microseconds);
        }
        if microseconds {
            return Err(Error::refused(
                "`split_flows` writes pcapng, whose times are nanoseconds",
                "leave out the setting for microseconds",
            ));
        }
        claim::folder(path)?;
        claim::empty_folder(path)?;
        Ok(Self {
            writer: Target::Sessions(SessionFiles::create(path)?),
            packets: 0,
            days: 0,
            times_out_of_range: 0,
            splitter: None,
        })
    }

    /// Begins a capture. The name says format and compression; `-` is stdout.
    ///
    /// # Errors
    /// If the name is that of another kind of file, or the file cannot be created.
    pub fn create(path: &Path, microseconds: bool) -> Result<Self, Error> {
        claim::named_as(path, FileKind::Capture)?;
        let mut format = Format::of_path(path);
        if microseconds {
            format.precision = Precision::Micros;
        }
        Ok(Self {
            writer: Target::Capture(Writer::create(path, format)?),
            packets: 0,
            days: 0,
            times_out_of_range: 0,
            splitter: None,
        })
    }

    /// Says in the section header of a pcapng capture that its packets are synthetic, which program
    /// made them, from what, and with which payload. Classic pcap has no place for it.
    ///
    /// # Errors
    /// If the file that they are made from cannot be read.
    pub fn synthetic(mut self, origin: &Origin<'_>, payload: PayloadPolicy) -> Result<Self, Error> {
        if self.writer.is_pcapng() {
            let packets = match origin {
                Origin::File(path) if path.is_file() => {
                    let digest = document::digest(path)?;
                    format!("synthetic packets, made from a file of BLAKE3 digest {digest}")
                }
                Origin::Generator(digest) => {
                    format!("synthetic packets, made by a generator of BLAKE3 digest {digest}")
                }
                _ => "synthetic packets".to_string(),
            };
            let comment = format!("{packets}, payload {}", payload.name());
            self.writer.describe(TOOL, &comment);
        }
        Ok(self)
    }

    /// Splits segments that are longer than an MTU.
    pub fn splitting(mut self, splitter: Option<Splitter>) -> Self {
        self.splitter = splitter;
        self
    }

    /// What was split; `None` without an MTU.
    pub fn split(&self) -> Option<SplitCounts> {
        self.splitter.as_ref().map(Splitter::counts)
    }

    /// Writes a packet, or the segments that take its place. If pcap cannot hold the first packet's
    /// time (before 1970, or after 2106), the capture begins on 1970-01-01 instead, at the same
    /// time of the day. Any other time that pcap cannot hold becomes the nearest that it can hold,
    /// and is counted.
    ///
    /// # Errors
    /// If the packet cannot be written.
    pub fn write(&mut self, packet: &Packet<'_>) -> Result<(), Error> {
        let Some(mut splitter) = self.splitter.take() else {
            return self.write_whole(packet);
        };
        let written = splitter.split(packet, |part| self.write_whole(part));
        self.splitter = Some(splitter);
        written
    }

    fn write_whole(&mut self, packet: &Packet<'_>) -> Result<(), Error> {
        let is_first = self.packets == 0;
        self.packets += 1;
        match self.writer.write(&self.shifted(packet)) {
            Err(tracecodec::Error::TimeOutOfRange(_)) => {}
            written => return Ok(written?),
        }
        if is_first {
            self.days = -packet.time.0.div_euclid(DAY);
            return Ok(self.writer.write(&self.shifted(packet))?);
        }
        self.times_out_of_range += 1;
        let packet = self.shifted(packet);
        let latest = Timestamp::new(u32::MAX.into(), 0);
        let time = packet.time.clamp(Timestamp(0), latest);
        Ok(self.writer.write(&Packet { time, ..packet })?)
    }

    /// The packet at the time at which it is written.
    fn shifted<'a>(&self, packet: &Packet<'a>) -> Packet<'a> {
        let time = packet.time.add_nanos(self.days * DAY);
        Packet { time, ..*packet }
    }

    /// Packets written.
    pub fn packets(&self) -> u64 {
        self.packets
    }

    /// Writes what is left and puts the file in its place. Warns of times that were out of range.
    ///
    /// # Errors
    /// If the file cannot be written to its end.
    pub fn finish(self, monitor: &mut dyn Monitor) -> Result<(), Error> {
        const HINT: &str = "pcapng holds every time from 1677 to 2262";
        if self.days != 0 {
            let days = self.days.abs();
            let whence = if self.days > 0 {
                "before 1970, and is written as"
            } else {
                "after 2106, and is written as"
            };
            let later = if self.days > 0 { "later" } else { "earlier" };
            let warning = format!(
                "the capture begins {whence} if it were {} {later}: pcap holds 1970 to 2106",
                counted(days.unsigned_abs(), "day")
            );
            monitor.warn(&Warning::new(warning).with_hint(HINT));
        }
        if self.times_out_of_range > 0 {
            let warning = format!(
                "{} with a time that pcap cannot hold: the nearest was written",
                counted(self.times_out_of_range, "packet")
            );
            monitor.warn(&Warning::new(warning).with_hint(HINT));
        }
        let counts = self.split().unwrap_or_default();
        if counts.whole > 0 {
            let packets = counted(counts.whole, "packet");
            let warning = format!("{packets} longer than the MTU, but no TCP: written as they are");
            monitor.warn(&Warning::new(warning));
        }
        match self.writer {
            Target::Capture(writer) => Ok(writer.finish()?),
            Target::Sessions(files) => Ok(files.finish()?),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Stopping;
    use tracecodec::pcap::{LinkType, Reader};

    /// Writes packets at some times. Returns the times as they are read back, and the warnings.
    fn written(name: &str, times: &[i64]) -> (Vec<i64>, Vec<String>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        let mut writer = CaptureWriter::create(&path, false).unwrap();
        for &nanos in times {
            let packet = Packet {
                time: Timestamp(nanos),
                link: LinkType::RAW,
                wire_len: 1,
                data: b"E",
                ..Packet::default()
            };
            writer.write(&packet).unwrap();
        }
        let mut monitor = Stopping::never();
        writer.finish(&mut monitor).unwrap();
        let mut reader = Reader::open(&path).unwrap();
        let mut read = Vec::new();
        while let Some(packet) = reader.next() {
            read.push(packet.unwrap().time.0);
        }
        let warnings = monitor.warnings.into_iter();
        (read, warnings.map(|warning| warning.message).collect())
    }

    #[test]
    fn test_a_synthetic_capture_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let comment = |origin: &Origin<'_>| {
            let path = folder.path().join("a.pcapng");
            let writer = CaptureWriter::create(&path, false).unwrap();
            let writer = writer.synthetic(origin, PayloadPolicy::Shaped).unwrap();
            writer.finish(&mut Stopping::never()).unwrap();
            let mut reader = Reader::open(&path).unwrap();
            assert!(reader.next().is_none());
            assert_eq!(reader.notes().applications, [TOOL]);
            reader.notes().comments.concat()
        };
        const UNDISCLOSED: &str = "synthetic packets, payload shaped";
        assert_eq!(comment(&Origin::Undisclosed), UNDISCLOSED);
        let file = folder.path().join("source");
        std::fs::write(&file, "source").unwrap();
        let digest = document::digest(&file).unwrap();
        assert!(comment(&Origin::File(&file)).contains(&digest));
        let generated = comment(&Origin::Generator("ab12".to_string()));
        assert!(generated.ends_with(" ab12, payload shaped"));
        assert_eq!(comment(&Origin::File(Path::new("-"))), UNDISCLOSED);
    }

    #[test]
    fn test_a_capture_out_of_pcaps_range_keeps_relative_times() {
        let (times, warnings) = written("a.pcap", &[-DAY - 2, -DAY - 1, 5]);
        assert_eq!(times, [DAY - 2, DAY - 1, 2 * DAY + 5]);
        let warning = "the capture begins before 1970, and is written as if it were 2 days later: \
                       pcap holds 1970 to 2106";
        assert_eq!(warnings, [warning]);
        let late = (1 << 32) * 1_000_000_000;
        let (times, warnings) = written("a.pcap", &[late, late + 7]);
        assert_eq!((times[0] / DAY, times[1] - times[0]), (0, 7));
        assert!(warnings[0].contains("days earlier"), "{warnings:?}");
    }

    #[test]
    fn test_a_step_out_of_pcaps_range_becomes_the_nearest_time() {
        let (times, warnings) = written("a.pcap", &[5, -1, 6]);
        assert_eq!(times, [5, 0, 6]);
        let warning = "1 packet with a time that pcap cannot hold: the nearest was written";
        assert_eq!(warnings, [warning]);
        let times = [-1, i64::MIN, i64::MAX];
        assert_eq!(written("a.pcapng", &times), (times.to_vec(), Vec::new()));
    }
}
