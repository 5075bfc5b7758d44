//! A worker's numbers as a scrape sees them.

use std::sync::Arc;

use crate::numbers::Collection;
use crate::site::Site;
use crate::{call, connections, labels, media};

use super::numbers::{self, InterfaceNumbers};
use super::{Engine, FAMILIES, HepNumbers, Share};

/// A copy of all numbers of a worker, to be merged and rendered elsewhere.
#[derive(Clone, Debug)]
pub struct Snapshot {
    site: Arc<Site>,
    interfaces: Vec<InterfaceNumbers>,
    hep: HepNumbers,
    calls: call::Numbers,
    media: media::Numbers,
    connections: connections::Numbers,
    share: Share,
    is_held: bool,
    tracked: Vec<(&'static str, usize)>,
    evicted: Vec<(&'static str, u64)>,
}

impl Snapshot {
    /// Adds this worker's numbers to those of others.
    pub fn collect(&self, out: &mut Collection) {
        for family in FAMILIES.iter().chain(labels::FAMILIES) {
            out.declare(family);
        }
        for interface in &self.interfaces {
            interface.collect(out);
        }
        numbers::collect_limits(self.share, self.is_held, out);
        self.hep.collect(out);
        self.calls.collect(&self.site, out);
        self.connections.collect(out);
        self.media.collect(&self.site, out);
        numbers::collect_tables(self.tracked.iter().copied(), self.evicted.iter().copied(), out);
    }
}

impl Engine {
    /// Copies the numbers out; peaks start anew.
    pub fn snapshot(&mut self) -> Snapshot {
        self.settle_media();
        let snapshot = Snapshot {
            site: Arc::clone(&self.site),
            interfaces: self.shown_interfaces(),
            hep: self.hep.clone(),
            calls: self.signalling.numbers.clone(),
            media: self.media.numbers.clone(),
            connections: self.connections.numbers(),
            share: self.share,
            is_held: self.is_held,
            tracked: self.tracked(),
            evicted: self.evicted(),
        };
        self.signalling.numbers.reset_peaks();
        snapshot
    }

    fn tracked(&self) -> Vec<(&'static str, usize)> {
        let own = [("fragments", self.fragments.waiting()), ("seen_twice", self.twice.len())];
        let rest = self.signalling.tracked().into_iter().chain(self.media.tracked());
        own.into_iter().chain(self.connections.tracked()).chain(rest).collect()
    }

    fn evicted(&self) -> Vec<(&'static str, u64)> {
        let own = [("fragments", self.fragments.evicted), ("seen_twice", self.twice.evicted)];
        let rest = self.signalling.evicted().into_iter().chain(self.media.evicted());
        own.into_iter().chain(self.connections.evicted()).chain(rest).collect()
    }
}
