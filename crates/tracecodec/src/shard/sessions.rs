//! A capture for each session, in one folder, with one open file at a time.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::Path;

use crate::action::Proto;
use crate::error::Error;
use crate::flow::session::Sessions;
use crate::output::OutputFolder;
use crate::pcap::{Packet, PcapNgEncoder};
use crate::wire;

/// Bytes that wait in memory, over all sessions, before all are appended to their files.
const BUFFERED: usize = 16 << 20;

/// Writes packets as one pcapng capture a session, named by the number of the session, from 1 in
/// the order of first packets, and its protocol: `000001-tcp.pcapng`. In each capture the client
/// comes first: the sender of the first packet opened the session.
///
/// Memory grows with the live sessions. The folder appears in [`finish`](Self::finish); if the
/// writer is dropped earlier, nothing is left.
pub struct SessionFiles {
    folder: OutputFolder,
    sessions: Sessions<u64>,
    live: BTreeMap<u64, SessionFile>,
    buffered: usize,
    /// The encoder of a capture without packets.
    encoder: PcapNgEncoder,
}

struct SessionFile {
    name: String,
    encoder: PcapNgEncoder,
    waiting: Vec<u8>,
}

impl SessionFiles {
    /// Begins a folder at a path, which must be absent or an empty folder.
    ///
    /// # Errors
    /// If the folder cannot be made.
    pub fn create(path: &Path) -> Result<Self, Error> {
        Ok(Self {
            folder: OutputFolder::create(path)?,
            sessions: Sessions::new(),
            live: BTreeMap::new(),
            buffered: 0,
            encoder: PcapNgEncoder::default(),
        })
    }

    /// States in the section headers which program wrote the captures and what they are. Only
    /// before the first packet.
    pub fn describe(&mut self, application: &str, comment: &str) {
        self.encoder.describe(application, comment);
    }

    /// Appends a packet to the capture of its session. A packet out of scope has none, and is left
    /// out.
    ///
    /// # Errors
    /// If the capture cannot be written.
    pub fn write(&mut self, packet: &Packet<'_>) -> Result<(), Error> {
        let Ok(headers) = wire::parse(packet) else {
            return Ok(());
        };
        let mut over = Vec::new();
        let (session, id) = self
            .sessions
            .observe_with(&headers, packet.time, |id| over.push(id));
        *id = session.id;
        for id in over {
            self.close(id)?;
        }
        let file = self.live.entry(session.id).or_insert_with(|| SessionFile {
            name: file_name(session.id, headers.transport.proto()),
            encoder: self.encoder.clone(),
            waiting: Vec::new(),
        });
        let before = file.waiting.len();
        file.encoder.encode(packet, &mut file.waiting)?;
        self.buffered += file.waiting.len() - before;
        if self.buffered > BUFFERED {
            self.flush()?;
        }
        Ok(())
    }

    /// Number of sessions, and so of captures, so far.
    pub fn count(&self) -> u64 {
        self.sessions.count()
    }

    /// Writes what is left and moves the folder to its place.
    ///
    /// # Errors
    /// If a capture cannot be written, or the folder not moved.
    pub fn finish(mut self) -> Result<(), Error> {
        self.flush()?;
        Ok(self.folder.finish()?)
    }

    /// Appends all waiting bytes to their files.
    fn flush(&mut self) -> Result<(), Error> {
        for file in self.live.values_mut() {
            file.flush(self.folder.part())?;
        }
        self.buffered = 0;
        Ok(())
    }

    fn close(&mut self, id: u64) -> Result<(), Error> {
        if let Some(mut file) = self.live.remove(&id) {
            self.buffered -= file.waiting.len();
            file.flush(self.folder.part())?;
        }
        Ok(())
    }
}

impl SessionFile {
    fn flush(&mut self, folder: &Path) -> Result<(), Error> {
        let waiting = std::mem::take(&mut self.waiting);
        if waiting.is_empty() {
            return Ok(());
        }
        let path = folder.join(&self.name);
        let mut options = File::options();
        let file = options.append(true).create(true).open(&path);
        file.and_then(|mut file| file.write_all(&waiting))
            .map_err(Error::io(&path))
    }
}

fn file_name(id: u64, proto: Proto) -> String {
    let proto = match proto {
        Proto::Tcp => "tcp",
        Proto::Udp => "udp",
        Proto::Icmp => "icmp",
        Proto::Other => "other",
    };
    format!("{:06}-{proto}.pcapng", id + 1)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::pcap::{PacketBuf, Reader};

    fn example() -> Vec<PacketBuf> {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../data/example.pcap");
        let mut reader = Reader::open(path).unwrap();
        let mut packets = Vec::new();
        while let Some(packet) = reader.next() {
            packets.push(PacketBuf::from(&packet.unwrap()));
        }
        packets
    }

    #[test]
    fn test_every_session_has_a_capture_with_its_packets_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("flows");
        let mut files = SessionFiles::create(&path).unwrap();
        let packets = example();
        let mut sessions = Sessions::<()>::new();
        let mut expected: BTreeMap<u64, Vec<&PacketBuf>> = BTreeMap::new();
        for packet in &packets {
            files.write(&packet.as_packet()).unwrap();
            if let Ok(headers) = wire::parse(&packet.as_packet()) {
                let session = sessions.observe(&headers, packet.time);
                expected.entry(session.id).or_default().push(packet);
            }
        }
        assert_eq!(files.count(), expected.len() as u64);
        assert!(!path.exists());
        files.finish().unwrap();
        let mut names: Vec<_> = fs::read_dir(&path)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names.len(), expected.len());
        for (name, (id, packets)) in names.iter().zip(&expected) {
            assert!(name.starts_with(&format!("{:06}-", id + 1)), "{name}");
            let mut reader = Reader::open(path.join(name)).unwrap();
            for packet in packets {
                let read = reader.next().unwrap().unwrap();
                assert_eq!(
                    (read.time, read.data),
                    (packet.time, packet.data.as_slice())
                );
            }
            assert!(reader.next().is_none());
        }
    }

    #[test]
    fn test_a_dropped_writer_leaves_nothing_and_a_full_folder_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let mut files = SessionFiles::create(&folder.path().join("flows")).unwrap();
        files.write(&example()[0].as_packet()).unwrap();
        files.flush().unwrap();
        drop(files);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        fs::write(folder.path().join("mine"), "").unwrap();
        assert!(SessionFiles::create(folder.path()).is_err());
    }
}
