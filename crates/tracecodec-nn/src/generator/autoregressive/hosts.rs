//! Hosts of openings, as the generator learns and draws them: relative to the hosts before.
//!
//! Slots of hosts are names without a meaning that another trace has. What repeats is how they are
//! chosen: the opener is one that opened flows before, or not; the responder is a peer of the
//! opener, or another host of the service, or new. So an opening has four *links*, each a class of
//! [`CLASSES`]: none, or a place in a list that only the openings before it determine.

use std::collections::HashMap;

use rand::{Rng, RngExt};
use tracecodec::action::{Action, Family, HostKind, Proto};

use super::events::CLASSES;

/// Number of links of an opening, which are numbered as follows.
pub(super) const LINKS: usize = 4;

/// The opener among the hosts that opened flows, the latest first.
const OPENER: usize = 0;

/// The responder among the opener's peers for the service, the latest first.
const PEER: usize = 1;

/// The responder among the hosts that answered for the service, the latest first; unless it is a
/// peer.
const RESPONDER: usize = 2;

/// The responder's port among the ports of that host that are no service's, the latest first.
const PORT: usize = 3;

/// Link to something that is in no list: a host or a port not met before.
const NEW: u8 = 0;

/// Link to a host that was met in another role only.
const OTHER_ROLE: u8 = 1;

/// Draws of a responder that is neither the opener nor one of its peers.
const DRAWS: usize = 16;

/// Largest number of hosts or ports in a list; the oldest beyond do not count as met.
const REMEMBERED: usize = 1 << 14;

/// Largest number of hosts; the slot of a new one beyond is that of the oldest.
const SLOTS: usize = 1 << 16;

/// Places are told to a factor of two: the first, the second, the third and fourth, and so on; the
/// last class has all places beyond.
fn class(place: usize) -> u8 {
    let bits = (usize::BITS - place.leading_zeros()) as u8;
    (OTHER_ROLE + 1 + bits).min(CLASSES as u8 - 1)
}

/// A place of a class in a list of this length, drawn evenly; the last one if the list is too short
/// for the class. None if the list is empty, or the class is none of places.
fn place(class: u8, length: usize, rng: &mut impl Rng) -> Option<usize> {
    let bits = class.checked_sub(OTHER_ROLE + 1)?;
    let first = (1_usize << bits) >> 1;
    let is_last = usize::from(class) == CLASSES - 1;
    let end = if is_last {
        length
    } else {
        length.min(1 << bits)
    };
    match length.checked_sub(1)? {
        _ if first < end => Some(rng.random_range(first..end)),
        last => Some(last),
    }
}

/// Things by how lately they were used; the latest is the last.
#[derive(Debug, Clone, Default)]
struct Recent(Vec<u16>);

impl Recent {
    fn place(&self, item: u16) -> Option<usize> {
        self.0.iter().rev().position(|&other| other == item)
    }

    fn at(&self, place: usize) -> u16 {
        self.0[self.0.len() - 1 - place]
    }

    fn take(&mut self, item: u16) {
        if let Some(place) = self.place(item) {
            self.0.remove(self.0.len() - 1 - place);
        }
        self.0.push(item);
        if self.0.len() > REMEMBERED {
            self.0.remove(0);
        }
    }

    fn forget(&mut self, item: u16) {
        self.0.retain(|&other| other != item);
    }
}

/// Whether a link is active, given those before it and whether the responder's port has a number.
pub(super) fn is_active(link: usize, links: &[u8], has_free_port: bool) -> bool {
    match link {
        PEER => links[OPENER] != NEW,
        RESPONDER => links[PEER] == NEW,
        PORT => has_free_port && (links[PEER] != NEW || links[RESPONDER] != NEW),
        _ => true,
    }
}

/// The hosts of the openings so far.
#[derive(Debug, Clone, Default)]
pub(super) struct Hosts {
    /// Family of the host in each slot.
    families: Vec<Option<Family>>,
    /// Hosts that opened flows, by family.
    openers: [Recent; 2],
    /// Hosts that answered, by family, protocol and service.
    responders: HashMap<(Family, Proto, u8), Recent>,
    /// Responders of an opener, by protocol and service.
    peers: HashMap<(u16, Proto, u8), Recent>,
    /// Numbers of a responder's ports that are no service's.
    ports: HashMap<(u16, Proto), Recent>,
    /// Slot of the next new host.
    next: usize,
}

impl Hosts {
    /// The links of an opening, before it is taken.
    pub(super) fn links(&self, opening: &Action) -> [u8; LINKS] {
        let family = opening.ip_family;
        let of_host = |slot: u16, list: Option<usize>| match list {
            Some(place) => class(place),
            None if self.family(slot) == Some(family) => OTHER_ROLE,
            None => NEW,
        };
        let (orig, resp) = (opening.orig_host, opening.resp_host);
        let is_new = |side: u8| opening.host_evt & side != 0;
        let mut links = [NEW; LINKS];
        if !is_new(1) {
            links[OPENER] = of_host(orig, self.openers[family as usize].place(orig));
        }
        if is_new(2) {
            return links;
        }
        let (_, proto, service) = key(opening);
        let peer = self.peers.get(&(orig, proto, service));
        match peer
            .and_then(|peers| peers.place(resp))
            .filter(|_| !is_new(1))
        {
            Some(place) => links[PEER] = class(place),
            None => {
                let responders = self.responders.get(&key(opening));
                let place = responders.and_then(|responders| responders.place(resp));
                links[RESPONDER] = of_host(resp, place);
            }
        }
        if has_free_port(opening) {
            let ports = self.ports.get(&(resp, proto));
            let place = ports.and_then(|ports| ports.place(opening.resp_port));
            links[PORT] = place.map_or(NEW, class);
        }
        links
    }

    /// Adds an opening.
    pub(super) fn take(&mut self, opening: &Action) {
        let family = opening.ip_family;
        let (orig, resp) = (opening.orig_host, opening.resp_host);
        for (slot, side) in [(orig, 1), (resp, 2)] {
            if opening.host_evt & side != 0 || self.family(slot) != Some(family) {
                self.place(slot, family);
            }
        }
        let (_, proto, service) = key(opening);
        self.openers[family as usize].take(orig);
        self.responders.entry(key(opening)).or_default().take(resp);
        self.peers
            .entry((orig, proto, service))
            .or_default()
            .take(resp);
        if has_free_port(opening) {
            let ports = self.ports.entry((resp, proto)).or_default();
            ports.take(opening.resp_port);
        }
    }

    /// An opening with the hosts and the port of these links. Where no host or port has a link, one
    /// is new.
    pub(super) fn linked(
        &self,
        opening: &Action,
        links: [u8; LINKS],
        rng: &mut impl Rng,
    ) -> Action {
        let family = opening.ip_family;
        let (_, proto, service) = key(opening);
        let of = |list: Option<&Recent>, link: u8, rng: &mut _| {
            let list = list?;
            Some(list.at(place(link, list.0.len(), rng)?))
        };
        // A host of which a kind is drawn was not met before.
        let is_known = |kind: HostKind| kind == HostKind::default();
        let orig = match links[OPENER] {
            _ if !is_known(opening.orig_kind) => None,
            OTHER_ROLE => self.any(family, rng),
            link => of(Some(&self.openers[family as usize]), link, rng),
        };
        let peers = orig.and_then(|orig| self.peers.get(&(orig, proto, service)));
        let peer = of(peers, links[PEER], rng);
        let resp = match (peer, links[RESPONDER]) {
            _ if !is_known(opening.resp_kind) => None,
            (Some(peer), _) => Some(peer),
            (None, OTHER_ROLE) => self.any(family, rng).filter(|&resp| Some(resp) != orig),
            (None, link) => {
                let responders = self.responders.get(&key(opening));
                let is_peer = |resp: u16| peers.is_some_and(|peers| peers.place(resp).is_some());
                let mut draws = (0..DRAWS).filter_map(|_| of(responders, link, rng));
                let mut drawn = None;
                let fits = draws.find(|&resp| {
                    drawn = Some(resp).filter(|resp| Some(*resp) != orig).or(drawn);
                    drawn == Some(resp) && !is_peer(resp)
                });
                // If all that were drawn are peers, one of them is.
                fits.or(drawn)
            }
        };
        let mut next = self.next;
        let mut slot = |known: Option<u16>| {
            known.unwrap_or_else(|| {
                next += 1;
                ((next - 1) % SLOTS) as u16
            })
        };
        let (orig_host, resp_host) = (slot(orig), slot(resp));
        let host_evt = u8::from(orig.is_none()) | u8::from(resp.is_none()) << 1;
        let of_new = |known: Option<u16>, kind| known.map_or(kind, |_| HostKind::default());
        Action {
            host_evt,
            orig_host,
            resp_host,
            orig_kind: of_new(orig, opening.orig_kind),
            resp_kind: of_new(resp, opening.resp_kind),
            resp_port: self.port(opening, resp, links[PORT], rng),
            ..*opening
        }
    }

    /// Number of the responder's port by its link.
    fn port(&self, opening: &Action, resp: Option<u16>, link: u8, rng: &mut impl Rng) -> u16 {
        if !has_free_port(opening) {
            return 0;
        }
        let ports = resp.and_then(|resp| self.ports.get(&(resp, opening.proto)));
        let Some(ports) = ports else { return 0 };
        match place(link, ports.0.len(), rng) {
            Some(place) => ports.at(place),
            None => ports.0.iter().max().map_or(0, |most| most.wrapping_add(1)),
        }
    }

    fn family(&self, slot: u16) -> Option<Family> {
        *self.families.get(usize::from(slot))?
    }

    /// Puts a new host into a slot.
    fn place(&mut self, slot: u16, family: Family) {
        let at = usize::from(slot);
        if self.families.len() <= at {
            self.families.resize(at + 1, None);
        }
        if self.families[at].replace(family).is_some() {
            self.openers.iter_mut().for_each(|list| list.forget(slot));
            self.responders
                .values_mut()
                .for_each(|list| list.forget(slot));
            self.peers.retain(|(orig, _, _), _| *orig != slot);
            self.peers.values_mut().for_each(|list| list.forget(slot));
            self.ports.retain(|(resp, _), _| *resp != slot);
        }
        // Slots are given in order, and again from the first when all are taken.
        if at == self.next % SLOTS || at > self.next {
            self.next = self.next.max(at) + 1;
        }
    }

    /// Any host of a family, as long as hosts of the family are not rare.
    fn any(&self, family: Family, rng: &mut impl Rng) -> Option<u16> {
        let mut draws = (0..DRAWS).filter(|_| !self.families.is_empty()).map(|_| {
            let slot = rng.random_range(0..self.families.len()) as u16;
            (self.family(slot) == Some(family)).then_some(slot)
        });
        draws.find_map(|slot| slot)
    }
}

/// What a responder answers for.
fn key(opening: &Action) -> (Family, Proto, u8) {
    (opening.ip_family, opening.proto, opening.resp_service)
}

/// Whether the responder's port is no service's, so that it has a number.
fn has_free_port(opening: &Action) -> bool {
    has_ports(opening.proto) && opening.resp_service == 0
}

/// Whether packets of the protocol have ports.
pub(super) fn has_ports(proto: Proto) -> bool {
    matches!(proto, Proto::Tcp | Proto::Udp)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, stream};

    /// An opening between hosts, of which those in `host_evt` were not met before.
    fn opening(host_evt: u8, orig_host: u16, resp_host: u16, resp_service: u8) -> Action {
        Action {
            host_evt,
            orig_host,
            resp_host,
            resp_service,
            ..Action::default()
        }
    }

    #[test]
    fn test_places_survive_classes() {
        let mut rng = stream(0, Purpose::Trace, 0);
        for at in 0..20_000 {
            let drawn = place(class(at), 20_000, &mut rng).unwrap();
            assert_eq!(class(drawn), class(at));
        }
        assert_eq!([0, 1, 2, 3, 4].map(class), [2, 3, 4, 4, 5]);
        assert_eq!(place(class(5), 4, &mut rng), Some(3));
        assert_eq!(place(class(5), 0, &mut rng), None);
        assert_eq!(place(NEW, 4, &mut rng), None);
    }

    #[test]
    fn test_links_of_openings() {
        let mut hosts = Hosts::default();
        for (opening, expected) in [
            (opening(3, 0, 1, 7), [NEW, NEW, NEW, NEW]),
            // The same two, then another opener of the same server.
            (opening(0, 0, 1, 7), [2, 2, NEW, NEW]),
            (opening(1, 2, 1, 7), [NEW, NEW, 2, NEW]),
            // A host that only answered so far opens a flow to one that only opened flows.
            (opening(0, 1, 2, 7), [OTHER_ROLE, NEW, OTHER_ROLE, NEW]),
            // A peer for one service is none for another. Ports without a service have numbers.
            (opening(0, 0, 1, 0), [4, NEW, OTHER_ROLE, NEW]),
            (opening(0, 0, 1, 0), [2, 2, NEW, 2]),
        ] {
            assert_eq!(hosts.links(&opening), expected, "{opening:?}");
            hosts.take(&opening);
        }
    }

    /// Whatever the links, the opening is legal: hosts that are not new are known. The link of a
    /// known opener is the one that was asked for.
    #[test]
    fn test_openings_have_their_links() {
        let mut rng = stream(1, Purpose::Trace, 0);
        let mut hosts = Hosts::default();
        let mut known = 0;
        for _ in 0..3_000 {
            let drawn = opening(0, 0, 0, rng.random_range(0..3));
            let links: [u8; LINKS] = std::array::from_fn(|_| rng.random_range(0..5));
            let openers = hosts.openers[0].0.len();
            let opening = hosts.linked(&drawn, links, &mut rng);
            let family = opening.ip_family;
            assert!(opening.host_evt & 1 != 0 || hosts.family(opening.orig_host) == Some(family));
            assert!(opening.host_evt & 2 != 0 || hosts.family(opening.resp_host) == Some(family));
            let back = hosts.links(&opening);
            if links[OPENER] > OTHER_ROLE && opening.host_evt & 1 == 0 {
                let last = openers.checked_sub(1).map_or(NEW, class);
                assert_eq!(back[OPENER], links[OPENER].min(last));
                known += 1;
            }
            hosts.take(&opening);
        }
        assert!(known > 1_000, "{known}");
    }

    #[test]
    fn test_slots_come_back_when_all_are_taken() {
        let mut hosts = Hosts::default();
        let mut rng = stream(2, Purpose::Trace, 0);
        for _ in 0..SLOTS / 2 + 1 {
            let opening = hosts.linked(&Action::default(), [NEW; LINKS], &mut rng);
            assert_eq!(opening.host_evt, 3);
            hosts.take(&opening);
        }
        // The first two hosts are forgotten; the others are known.
        assert_eq!(hosts.next, SLOTS + 2);
        assert_eq!(hosts.links(&opening(0, 0, 1, 0)), [2, 2, NEW, 2]);
        let last = u16::MAX - 1;
        assert_eq!(hosts.links(&opening(0, last, last + 1, 0))[..2], [3, 2]);
        assert_eq!(hosts.links(&opening(0, 2, 3, 0))[OPENER], OTHER_ROLE);
    }
}
