//! Writing captures: times that the format cannot hold are counted, the file appears whole.

use std::path::Path;

use tracecodec::output::FileKind;
use tracecodec::pcap::{Format, Packet, Precision, Timestamp, Writer};

use super::claim;
use crate::error::Error;
use crate::monitor::{Monitor, Warning};

/// A capture being written. If it is dropped before [`CaptureWriter::finish`], nothing of it is
/// left.
pub struct CaptureWriter {
    writer: Writer,
    packets: u64,
    times_out_of_range: u64,
}

impl CaptureWriter {
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
            writer: Writer::create(path, format)?,
            packets: 0,
            times_out_of_range: 0,
        })
    }

    /// Writes a packet. A time that the format cannot hold (before 1970, or after 2106 in pcap)
    /// becomes the nearest time that it can hold, and is counted.
    ///
    /// # Errors
    /// If the packet cannot be written.
    pub fn write(&mut self, packet: &Packet<'_>) -> Result<(), Error> {
        self.packets += 1;
        let written = match self.writer.write(packet) {
            Err(tracecodec::Error::TimeOutOfRange(_)) => {
                self.times_out_of_range += 1;
                let time = packet
                    .time
                    .clamp(Timestamp(0), Timestamp::new(u32::MAX.into(), 0));
                self.writer.write(&Packet { time, ..*packet })
            }
            written => written,
        };
        Ok(written?)
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
        if self.times_out_of_range > 0 {
            monitor.warn(&Warning::new(format!(
                "{} packets have a time that the format cannot hold, and got the nearest; pcapng holds more",
                self.times_out_of_range
            )));
        }
        Ok(self.writer.finish()?)
    }
}
