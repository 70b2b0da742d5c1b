//! What the compiler remembers of a flow whose payload is shaped, and the payload itself.

use std::net::Ipv4Addr;
use std::ops::Range;

use super::{Datagram, LATER, Message, Messages, Protocol, Question, Seed, Side, Stream};
use crate::action::{Direction, Proto};
use crate::service::{self, Service};
use crate::tcp::SeqNumber;

/// Datagrams of a client whose length is remembered until the answer.
const REMEMBERED: usize = 4;

/// Ports at which clients wait for answers: DHCP's and DHCPv6's.
const PORTS_OF_CLIENTS: [u16; 2] = [68, 546];

/// A flow whose payload is shaped.
#[derive(Debug)]
pub(in crate::compile) struct Shape {
    protocol: Protocol,
    service: Service,
    /// The side that is the client.
    client: Direction,
    flow: Seed,
    /// Hosts, opener first.
    hosts: [Host; 2],
    speakers: [Speaker; 2],
}

/// A host, as payload knows it.
#[derive(Debug, Clone, Copy)]
pub(in crate::compile) struct Host {
    pub(in crate::compile) seed: Seed,
    /// Its address in the output, unless that is one of IPv6.
    pub(in crate::compile) ipv4: Option<Ipv4Addr>,
}

/// What is known of one side.
#[derive(Debug, Clone, Copy, Default)]
struct Speaker {
    /// Sequence number of the first byte of its stream, once it was seen.
    start: Option<SeqNumber>,
    /// Datagrams so far.
    datagrams: u32,
    /// Length of its first segment or datagram with payload, and of the other side's at that time.
    firsts: Option<(u32, u32)>,
    /// Lengths of its segments behind the first, as far as each starts where the one before ends.
    later: [u16; LATER],
    /// Bytes of its stream so far, lost ones included, and those before the other side's first.
    sent: u32,
    before_peer: u32,
    /// Whether a segment was lost or left out, so that an analyser may have lost the stream's
    /// messages.
    has_lost: bool,
    /// Lengths of its latest datagrams, by the low bits of their number.
    latest: [u16; REMEMBERED],
}

/// What became of a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::compile) enum Written {
    /// It was appended.
    Shaped,
    /// The protocol has no message or segment of this length; nothing was appended.
    Impossible,
}

impl Shape {
    /// The shape of a flow over a transport protocol between two hosts, opener first, whose ports
    /// have these services; `None` if neither service can be shaped.
    pub(in crate::compile) fn new(
        proto: Proto,
        services: [Option<Service>; 2],
        flow: Seed,
        hosts: [Host; 2],
    ) -> Option<Self> {
        let [orig, resp] = services;
        let of = |service: Service| Some((service, Protocol::of(service, proto)?));
        let ((service, protocol), other) = match (resp.and_then(of), orig.and_then(of)) {
            (Some(found), _) => (found, Direction::Orig),
            (None, Some(found)) => (found, Direction::Resp),
            (None, None) => return None,
        };
        let client = if PORTS_OF_CLIENTS.contains(&service::port(service)) {
            other.reverse()
        } else {
            other
        };
        Some(Self {
            protocol,
            service,
            client,
            flow,
            hosts,
            speakers: Default::default(),
        })
    }

    /// Appends the payload of a packet, whose first byte has this sequence number (TCP).
    pub(in crate::compile) fn append(
        &mut self,
        dir: Direction,
        seq: SeqNumber,
        len: usize,
        frame: &mut Vec<u8>,
    ) -> Written {
        let speaker = &mut self.speakers[dir as usize];
        let start = speaker.start.get_or_insert(seq);
        if len == 0 {
            return Written::Shaped;
        }
        // Some senders do not count their SYN.
        if speaker.firsts.is_none() && start.is_after(seq) {
            *start = seq;
        }
        let place = u64::from(seq.0.wrapping_sub(start.0));
        match self.protocol {
            Protocol::Stream(stream) => {
                let side = self.side(dir, len, place);
                let messages = (stream.messages)(&side);
                if self.is_left_out(stream, &side, &messages, dir, place..place + len as u64) {
                    return Written::Impossible;
                }
                append_stream(stream, &side, &messages, place, len, frame);
                Written::Shaped
            }
            Protocol::Datagram(datagram) => self.append_datagram(datagram, dir, len, frame),
        }
    }

    /// Whether analysers would call a segment malformed: it is too short, or one before it was lost
    /// or left out and it starts amid the start of a message. Counts the segment's bytes.
    fn is_left_out(
        &mut self,
        stream: &Stream,
        side: &Side,
        messages: &Messages,
        dir: Direction,
        places: Range<u64>,
    ) -> bool {
        let peer_first = self.first(dir.reverse());
        let speaker = &mut self.speakers[dir as usize];
        let [at, end, sent] = [places.start as u32, places.end as u32, speaker.sent].map(SeqNumber);
        if end.is_after(sent) {
            speaker.sent = end.0;
        }
        if peer_first == 0 {
            speaker.before_peer = speaker.sent;
        }
        speaker.has_lost |= at.is_after(sent);
        let starts_amid = || {
            let (message, start) = messages.at(places.start);
            let mut start_bytes = Vec::new();
            (stream.write)(side, message, &mut start_bytes);
            (1..start_bytes.len() as u64).contains(&(places.start - start))
        };
        let len = places.end - places.start;
        let ends_early = || {
            let (_, start) = messages.at(places.end);
            (1..stream.shortest_end).contains(&(places.end - start))
        };
        let is_short = len < stream.shortest_segment || stream.shortest_end > 1 && ends_early();
        let is_left_out = is_short || speaker.has_lost && starts_amid();
        speaker.has_lost |= is_left_out;
        is_left_out
    }

    fn append_datagram(
        &mut self,
        datagram: &Datagram,
        dir: Direction,
        len: usize,
        frame: &mut Vec<u8>,
    ) -> Written {
        let side = self.side(dir, len, 0);
        let speaker = &mut self.speakers[dir as usize];
        let number = speaker.datagrams;
        let slot = number as usize % REMEMBERED;
        speaker.datagrams = number.wrapping_add(1);
        speaker.latest[slot] = len as u16;
        let asker = &self.speakers[dir.reverse() as usize];
        let is_known = (1..=REMEMBERED as u32).contains(&asker.datagrams.wrapping_sub(number));
        let question: Question = is_known.then(|| Message {
            number,
            len: asker.latest[slot].into(),
        });
        let message = Message {
            number,
            len: len as u32,
        };
        let before = frame.len();
        if (datagram.0)(&side, question, message, frame) {
            debug_assert_eq!(frame.len() - before, len, "{side:?} {question:?}");
            Written::Shaped
        } else {
            frame.truncate(before);
            Written::Impossible
        }
    }

    /// Length of the first segment of a side, 0 until it was sent.
    fn first(&self, dir: Direction) -> u32 {
        self.speakers[dir as usize]
            .firsts
            .map_or(0, |(first, _)| first)
    }

    /// The side that sends a payload of this length at this place. Its first segment is as long as
    /// this one, or ends where this one starts if that was lost or comes later.
    fn side(&mut self, dir: Direction, len: usize, place: u64) -> Side {
        let peer_now = self.first(dir.reverse());
        let speaker = &mut self.speakers[dir as usize];
        let (first, peer_first) = *speaker.firsts.get_or_insert_with(|| {
            let first = if place == 0 { len as u32 } else { place as u32 };
            (first, peer_now)
        });
        if let Some(next) = speaker.later.iter().position(|&later| later == 0) {
            let before = speaker.later[..next].iter().copied().map(u32::from);
            let end = first.saturating_add(before.sum());
            if end == speaker.sent && u64::from(end) == place {
                speaker.later[next] = len.try_into().unwrap_or(0);
            }
        }
        let later = speaker.later;
        let before_peer = if peer_now == 0 {
            u32::MAX
        } else {
            speaker.before_peer
        };
        let is_client = dir == self.client;
        let client = self.hosts[self.client as usize].seed;
        let server = self.hosts[self.client.reverse() as usize].seed;
        Side {
            is_client,
            service: self.service.name(),
            flow: self.flow,
            client,
            server,
            address: self.hosts[dir as usize].ipv4,
            first,
            peer_first,
            later,
            before_peer,
        }
    }
}

/// Appends a part of a stream.
fn append_stream(
    stream: &Stream,
    side: &Side,
    messages: &Messages,
    place: u64,
    len: usize,
    frame: &mut Vec<u8>,
) {
    let (mut at, end) = (place, place + len as u64);
    let mut start_bytes = Vec::new();
    while at < end {
        let (message, start) = messages.at(at);
        let message_end = end.min(start + u64::from(message.len));
        if at - start < u64::from(stream.longest_start) {
            start_bytes.clear();
            (stream.write)(side, message, &mut start_bytes);
            let until = start_bytes.len().min((message_end - start) as usize);
            let part = start_bytes
                .get((at - start) as usize..until)
                .unwrap_or_default();
            frame.extend_from_slice(part);
            at += part.len() as u64;
        }
        stream
            .filler
            .append(side.flow, at, (message_end - at) as usize, frame);
        at = message_end;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    /// Bytes of a stream that are looked at.
    const LONG: u32 = 20_000;

    fn host(seed: u64) -> Host {
        let ipv4 = Some(Ipv4Addr::new(10, 0, 0, seed as u8));
        Host {
            seed: Seed(seed),
            ipv4,
        }
    }

    /// Flows of every service that has a shape over a protocol, with either end as the server.
    fn shapes(proto: Proto, seed: u64) -> Vec<Shape> {
        let services = (0..=u8::MAX).filter_map(Service::of_number);
        let services = services.filter(|service| service.runs_over(proto));
        let ends = services.flat_map(|service| [[None, Some(service)], [Some(service), None]]);
        ends.filter_map(|ends| {
            Shape::new(proto, ends, Seed(seed), [host(seed ^ 1), host(seed ^ 2)])
        })
        .collect()
    }

    /// What a segment carries, unless it is left out.
    fn payload(shape: &mut Shape, dir: Direction, place: u32, len: u32) -> Option<Vec<u8>> {
        let mut frame = Vec::new();
        let seq = SeqNumber(0xffff_0000) + place;
        let written = shape.append(dir, seq, len as usize, &mut frame);
        let is_shaped = written == Written::Shaped;
        assert_eq!(frame.len(), if is_shaped { len as usize } else { 0 });
        is_shaped.then_some(frame)
    }

    proptest! {
        /// Both sides start with a segment of some length; then come parts in any order.
        #[test]
        fn test_a_stream_is_the_same_however_it_is_cut(
            seed in any::<u64>(),
            firsts in (prop_oneof![1u32..400, 1u32..70_000], prop_oneof![1u32..400, 1u32..70_000]),
            parts in vec((0..LONG, 1u32..2_000), 1..6),
        ) {
            for mut shape in shapes(Proto::Tcp, seed) {
                let sides = [(Direction::Orig, firsts.0), (Direction::Resp, firsts.1)];
                let starts = sides.map(|(dir, first)| payload(&mut shape, dir, 0, first));
                for ((dir, _), start) in sides.into_iter().zip(starts) {
                    // A segment is left out where it would end just behind the start of a message.
                    let mut lengths = LONG + 2_000..LONG + 2_100;
                    let whole = lengths.find_map(|len| payload(&mut shape, dir, 0, len));
                    let whole = whole.expect("a long segment");
                    let start = start.unwrap_or_default();
                    let both = start.len().min(whole.len());
                    prop_assert_eq!(&start[..both], &whole[..both]);
                    for &(place, len) in &parts {
                        let range = place as usize..(place + len) as usize;
                        if let Some(part) = payload(&mut shape, dir, place, len) {
                            prop_assert_eq!(&part[..], &whole[range], "{:?}", shape.service);
                        }
                    }
                }
            }
        }

        /// Lengths are kept, or the datagram is left out; two flows like each other agree.
        #[test]
        fn test_datagrams_have_their_length(
            seed in any::<u64>(),
            datagrams in vec((any::<bool>(), prop_oneof![0usize..100, 0usize..1500, 0usize..65_500]), 1..10),
        ) {
            for (mut shape, mut same) in shapes(Proto::Udp, seed).into_iter().zip(shapes(Proto::Udp, seed)) {
                for &(is_orig, len) in &datagrams {
                    let dir = if is_orig { Direction::Orig } else { Direction::Resp };
                    let [mut frame, mut frame_of_same] = [vec![1], vec![1]];
                    let written = shape.append(dir, SeqNumber(0), len, &mut frame);
                    let is_whole = written == Written::Shaped;
                    prop_assert_eq!(frame.len(), 1 + if is_whole { len } else { 0 });
                    prop_assert_eq!(same.append(dir, SeqNumber(0), len, &mut frame_of_same), written);
                    prop_assert_eq!(frame, frame_of_same);
                }
            }
        }
    }

    /// Some senders start their data at the number of their SYN.
    #[test]
    fn test_data_that_start_with_the_number_of_the_syn() {
        let start = |syn: Option<u32>| {
            let http = service::of(Proto::Tcp, 80);
            let mut shape = Shape::new(Proto::Tcp, [None, http], Seed(0), [host(1), host(2)])
                .expect("HTTP has a shape");
            let mut frame = Vec::new();
            if let Some(behind_syn) = syn {
                shape.append(Direction::Orig, SeqNumber(behind_syn), 0, &mut frame);
            }
            shape.append(Direction::Orig, SeqNumber(7), 100, &mut frame);
            frame
        };
        assert_eq!(start(Some(8)), start(Some(7)));
        assert_eq!(start(None), start(Some(7)));
    }

    /// An analyser that has lost the messages would take such a segment for a message.
    #[test]
    fn test_after_a_loss_no_segment_starts_amid_the_start_of_a_message() {
        let begin = || {
            let http = service::of(Proto::Tcp, 80);
            let hosts = [host(1), host(2)];
            let mut shape = Shape::new(Proto::Tcp, [None, http], Seed(0), hosts).unwrap();
            payload(&mut shape, Direction::Resp, 0, 600).expect("a response");
            shape
        };
        let mut whole = begin();
        let stream = payload(&mut whole, Direction::Resp, 0, LONG).expect("responses");
        let mut starts = stream.windows(8).enumerate().skip(4_000);
        let (at, _) = starts.find(|(_, bytes)| bytes == b"\r\nServer").unwrap();
        let amid = |shape: &mut Shape| payload(shape, Direction::Resp, at as u32, 500);
        assert!(amid(&mut whole).is_some());
        let mut lossy = begin();
        // The segment behind the loss is in the middle of a body.
        assert!(payload(&mut lossy, Direction::Resp, at as u32 - 150, 100).is_some());
        assert!(payload(&mut lossy, Direction::Resp, at as u32 - 50, 50).is_some());
        assert!(amid(&mut lossy).is_none());
    }

    #[test]
    fn test_memory_of_a_flow() {
        assert!(size_of::<Shape>() <= 160, "{}", size_of::<Shape>());
    }

    #[test]
    fn test_services_without_a_shape() {
        let bgp = service::of(Proto::Tcp, 179);
        assert!(bgp.is_some());
        let hosts = [host(0), host(1)];
        assert!(Shape::new(Proto::Tcp, [None, bgp], Seed(0), hosts).is_none());
        assert!(Shape::new(Proto::Tcp, [None, None], Seed(0), hosts).is_none());
    }
}
