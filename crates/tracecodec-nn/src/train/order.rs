//! The order of the training packets: a fresh permutation every epoch.

use crate::random::{Purpose, permutation, stream};

/// An endless sequence of packet numbers in which every packet comes once an epoch.
#[derive(Debug)]
pub(super) struct Order {
    seed: u64,
    packets: usize,
    epoch: u64,
    order: Vec<u32>,
    at: usize,
}

impl Order {
    /// The order of this many packets under a seed.
    pub(super) fn new(seed: u64, packets: usize) -> Self {
        let order = permutation(&mut stream(seed, Purpose::Order, 0), packets);
        Self {
            seed,
            packets,
            epoch: 0,
            order,
            at: 0,
        }
    }

    /// The order after so many packets were taken.
    pub(super) fn after(seed: u64, packets: usize, taken: u64) -> Self {
        let (epoch, at) = (taken / packets as u64, taken % packets as u64);
        Self {
            epoch,
            order: permutation(&mut stream(seed, Purpose::Order, epoch), packets),
            at: at as usize,
            seed,
            packets,
        }
    }

    /// The next packets; there must be at least one packet in all.
    pub(super) fn take(&mut self, count: usize) -> Vec<u32> {
        let mut taken = Vec::with_capacity(count);
        while taken.len() < count {
            if self.at == self.order.len() {
                self.epoch += 1;
                let mut rng = stream(self.seed, Purpose::Order, self.epoch);
                self.order = permutation(&mut rng, self.packets);
                self.at = 0;
            }
            let end = self.order.len().min(self.at + count - taken.len());
            taken.extend(&self.order[self.at..end]);
            self.at = end;
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_order_goes_on() {
        for taken in [0, 4, 10, 25, 30] {
            let mut order = Order::new(3, 10);
            order.take(taken as usize);
            assert_eq!(
                order.take(17),
                Order::after(3, 10, taken).take(17),
                "{taken}"
            );
        }
    }

    #[test]
    fn test_every_packet_once_an_epoch() {
        let mut order = Order::new(3, 10);
        let mut drawn = [order.take(4), order.take(13), order.take(3)].concat();
        let second = drawn.split_off(10);
        assert_ne!(drawn, second);
        for mut epoch in [drawn, second] {
            epoch.sort_unstable();
            assert!(epoch.into_iter().eq(0..10));
        }
    }
}
