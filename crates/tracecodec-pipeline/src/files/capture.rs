//! Reading captures: the one loop of all verbs, with progress, damage and order as asked.

use std::path::Path;

use serde::{Deserialize, Serialize};
use tracecodec::artifact::{SourceEntry, SourceFile};
use tracecodec::pcap::{Format, Notes, Packet, PacketBuf};
use tracecodec::select::Selection;
use tracecodec::wire::{self, Tunnels};

use crate::error::Error;
use crate::monitor::{Monitor, Progress, Warning};

/// Packets between two reports of progress.
const PROGRESS_STEP: u64 = 4096;

/// Bytes that are digested between two reports of progress.
const DIGEST_STEP: u64 = 1 << 20;

/// Packets that must be shorter than their IP header says before the capture looks as if it had
/// been cut: a crafted packet or two are no sign of that.
const LEAST_SHORTER: u64 = 10;

/// Packets at the start of a capture of which it is counted how many are shorter than their IP
/// header says.
const LENGTHS_SAMPLED: u64 = 1000;

/// How captures are read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ReadPolicy {
    /// If a capture is damaged, keep the packets before the damage, with a warning, instead of
    /// failing.
    pub lenient: bool,
    /// Order packets by time first; packets of one time keep their order. Keeps the whole capture
    /// in memory.
    pub sort: bool,
    /// If a packet's IP header states more bytes than the capture says that were on the wire,
    /// believe the header.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub trust_ip_length: bool,
    /// Which packet of a tunnel is read.
    #[serde(skip_serializing_if = "Tunnels::is_outer")]
    pub tunnels: Tunnels,
    /// Which packets are read, in the order of the file.
    #[serde(flatten)]
    pub selection: Selection,
}

impl ReadPolicy {
    /// Reads the packets of a selection, in the order of the file, and fails at damage.
    pub fn of(selection: &Selection) -> Self {
        Self {
            selection: selection.clone(),
            ..Self::default()
        }
    }

    /// Whether a program that reads the whole file sees other packets, or other lengths of them.
    pub(crate) fn changes_file(&self) -> bool {
        self.trust_ip_length || !self.selection.is_everything()
    }
}

/// A capture being read.
pub struct Capture {
    source: SourceFile,
    /// Stage of progress: each capture has its own, since the count of bytes begins anew.
    stage: String,
    /// Bytes of the file; `None` for a pipe.
    size: Option<u64>,
    policy: ReadPolicy,
    damage: Option<tracecodec::Error>,
}

impl Capture {
    /// Opens a capture file; `-` is stdin.
    ///
    /// # Errors
    /// If the path is a folder, or no capture that can be read.
    pub fn open(path: &Path, policy: &ReadPolicy) -> Result<Self, Error> {
        let name = path.display().to_string();
        if path.is_dir() {
            return Err(Error::refused(
                format!("{name}: a folder, not a capture"),
                "name a file in it",
            ));
        }
        let metadata = std::fs::metadata(path).ok();
        Ok(Self {
            source: SourceFile::open(path)?,
            stage: format!("reading {name}"),
            size: metadata
                .filter(|file| file.is_file())
                .map(|file| file.len()),
            policy: policy.clone(),
            damage: None,
        })
    }

    /// Format of the capture.
    pub fn format(&self) -> Format {
        self.source.format()
    }

    /// What the capture says beside its packets, as far as it has been read.
    pub fn notes(&self) -> Notes {
        self.source.notes()
    }

    /// Hands every packet to `each`. Damage ends the capture: with a warning if the policy is
    /// lenient, else as the error that is returned after all packets before it were handed over.
    ///
    /// # Errors
    /// If the capture is damaged, `each` fails, or the monitor stops it.
    pub fn for_each(
        &mut self,
        monitor: &mut dyn Monitor,
        mut each: impl FnMut(&Packet<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.for_each_monitored(monitor, |packet, _| each(packet))
    }

    /// As [`for_each`](Self::for_each) for an `each` that may take so long that it needs the
    /// monitor, too.
    ///
    /// # Errors
    /// As those of `for_each`.
    pub fn for_each_monitored(
        &mut self,
        monitor: &mut dyn Monitor,
        mut each: impl FnMut(&Packet<'_>, &mut dyn Monitor) -> Result<(), Error>,
    ) -> Result<(), Error> {
        if !self.policy.sort {
            return self.read(monitor, each);
        }
        let mut packets = Vec::new();
        let outcome = self.read(monitor, |packet, _| {
            packets.push(PacketBuf::from(packet));
            Ok(())
        });
        if let Err(Error::Interrupted) = outcome {
            return outcome;
        }
        packets.sort_by_key(|packet| packet.time);
        for (packet, number) in packets.iter().zip(1..) {
            each(&packet.as_packet(), monitor)?;
            if number % PROGRESS_STEP == 0 {
                self.report(monitor)?;
            }
        }
        outcome
    }

    /// Hands every packet to `each` in the order of the file.
    fn read(
        &mut self,
        monitor: &mut dyn Monitor,
        mut each: impl FnMut(&Packet<'_>, &mut dyn Monitor) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let selection = self.policy.selection.clone();
        let mut selector = selection.selector();
        let mut until_report = PROGRESS_STEP;
        let mut taken = 0_u64;
        let mut shorter = 0_u64;
        while !selector.is_done()
            && let Some(next) = self.source.next()
        {
            match next {
                Ok(packet) => {
                    if selector.takes(&packet) {
                        taken += 1;
                        let longer = if self.policy.trust_ip_length || taken <= LENGTHS_SAMPLED {
                            wire::longer_by_ip(&packet)
                        } else {
                            None
                        };
                        let packet = match longer {
                            Some(wire_len) if self.policy.trust_ip_length => {
                                Packet { wire_len, ..packet }
                            }
                            longer => {
                                shorter += u64::from(longer.is_some());
                                packet
                            }
                        };
                        each(&self.policy.tunnels.packet(packet), monitor)?;
                    }
                }
                Err(error) if self.policy.lenient => {
                    monitor.warn(&Warning::new(error.to_string()));
                    self.damage = Some(error);
                    break;
                }
                Err(error) => return Err(error.into()),
            }
            until_report -= 1;
            if until_report == 0 {
                until_report = PROGRESS_STEP;
                self.report(monitor)?;
            }
        }
        if shorter >= LEAST_SHORTER && shorter * 2 > taken.min(LENGTHS_SAMPLED) {
            let warning = format!(
                "{}: {shorter} of the first {} packets are shorter on the wire than their IP header \
                 says, as if a tool had cut them and lost their lengths",
                self.stage,
                taken.min(LENGTHS_SAMPLED)
            );
            let hint = "`trust_ip_length` takes lengths from the IP header";
            monitor.warn(&Warning::new(warning).with_hint(hint));
        }
        if taken == 0 && !selection.is_everything() {
            monitor.warn(&Warning::new(format!(
                "{}: no packet is selected, of {} that were read",
                self.stage,
                self.source.packets()
            )));
        }
        Ok(())
    }

    fn report(&self, monitor: &mut dyn Monitor) -> Result<(), Error> {
        monitor.step(&Progress {
            stage: &self.stage,
            done: self.source.bytes(),
            total: self.size,
            detail: &format!("{} packets", self.source.packets()),
        })
    }

    /// The damage that ended the capture early, if the policy is lenient.
    pub fn damage(&self) -> Option<&tracecodec::Error> {
        self.damage.as_ref()
    }

    /// The capture's entry in manifests, which holds the digest of the whole file: what a selection
    /// left unread is read now.
    ///
    /// # Errors
    /// If the rest of the file cannot be read, or the monitor stops it.
    pub fn finish(mut self, monitor: &mut dyn Monitor) -> Result<SourceEntry, Error> {
        while self.source.digest_on(DIGEST_STEP)? {
            self.report(monitor)?;
        }
        let entry = self.source.finish(self.damage.as_ref())?;
        let selection = Some(self.policy.selection);
        Ok(SourceEntry {
            tunnels: self.policy.tunnels,
            selection: selection.filter(|selection| !selection.is_everything()),
            ..entry
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Stopping, data};
    use tracecodec::pcap::{LinkType, Writer};

    /// Reads a capture in the order of time. Returns how many packets were handed over, and how the
    /// capture ended.
    fn read_sorted(monitor: &mut Stopping) -> (u64, Result<(), Error>) {
        let policy = ReadPolicy {
            sort: true,
            ..ReadPolicy::default()
        };
        let mut packets = 0;
        let path = data("train/crowd.pcap.zst");
        let mut capture = Capture::open(&path, &policy).unwrap();
        let outcome = capture.for_each(monitor, |_| {
            packets += 1;
            Ok(())
        });
        (packets, outcome)
    }

    #[test]
    fn test_a_sorted_capture_stops_while_it_is_read_and_while_it_is_handed_over() {
        let mut monitor = Stopping::never();
        let (all, outcome) = read_sorted(&mut monitor);
        assert!(outcome.is_ok() && all > PROGRESS_STEP);
        for (report, expected) in [(1, 0), (monitor.reports, all - all % PROGRESS_STEP)] {
            let (packets, outcome) = read_sorted(&mut Stopping::after(report));
            assert!(matches!(outcome, Err(Error::Interrupted)));
            assert_eq!(packets, expected);
        }
    }

    #[test]
    fn test_lengths_that_a_tool_lost_come_from_the_ip_header() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cut.pcap");
        // Three UDP packets of 1000 bytes and one of 28, cut at 28 bytes, four times.
        let mut writer = Writer::create(&path, Format::of_path(&path)).unwrap();
        for len in [1000_u16, 1000, 28, 1000].repeat(4) {
            let [high, low] = len.to_be_bytes();
            let mut data = vec![0x45, 0, high, low, 0, 0, 0, 0, 64, 17, 0, 0];
            data.extend([192, 0, 2, 1, 192, 0, 2, 2, 0, 53, 0, 53, 0, 0, 0, 0]);
            let packet = Packet {
                link: LinkType::RAW,
                wire_len: 28,
                data: &data,
                ..Packet::default()
            };
            writer.write(&packet).unwrap();
        }
        writer.finish().unwrap();
        let read = |trust_ip_length| {
            let policy = ReadPolicy {
                trust_ip_length,
                ..ReadPolicy::default()
            };
            let mut monitor = Stopping::never();
            let mut lengths = Vec::new();
            let mut capture = Capture::open(&path, &policy).unwrap();
            let each = |packet: &Packet<'_>| {
                lengths.push(wire::parse(packet).unwrap().payload_len);
                Ok(())
            };
            capture.for_each(&mut monitor, each).unwrap();
            (lengths, monitor.warnings.len())
        };
        assert_eq!(read(false), (vec![0; 16], 1));
        assert_eq!(read(true), ([972, 972, 0, 972].repeat(4), 0));
    }

    #[test]
    fn test_a_selection_of_nothing_warns() {
        let mut policy = ReadPolicy::default();
        policy.selection.skip = 1_000_000;
        let mut monitor = Stopping::never();
        let mut capture = Capture::open(&data("example.pcap"), &policy).unwrap();
        capture.for_each(&mut monitor, |_| Ok(())).unwrap();
        assert_eq!(monitor.warnings.len(), 1);
        assert!(
            monitor.warnings[0]
                .message
                .ends_with("no packet is selected, of 4000 that were read")
        );
    }

    #[test]
    fn test_the_digest_is_of_the_whole_file_and_can_be_stopped() {
        let path = data("train/crowd.pcap.zst");
        let finish = |first: Option<u64>, monitor: &mut Stopping| {
            let mut policy = ReadPolicy::default();
            policy.selection.first = first;
            let mut capture = Capture::open(&path, &policy).unwrap();
            capture
                .for_each(&mut Stopping::never(), |_| Ok(()))
                .unwrap();
            capture.finish(monitor)
        };
        let one = finish(Some(1), &mut Stopping::never()).unwrap();
        let all = finish(None, &mut Stopping::never()).unwrap();
        assert_eq!((&one.blake3, one.bytes), (&all.blake3, all.bytes));
        assert!(one.selection.is_some() && all.selection.is_none());
        let stopped = finish(Some(1), &mut Stopping::after(1));
        assert!(matches!(stopped, Err(Error::Interrupted)));
    }
}
