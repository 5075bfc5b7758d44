//! An interface by name, with its rings open, or closed and to be tried again.

#![allow(clippy::disallowed_methods)] // The capture side of the program is where clocks belong.

use std::time::Instant;

use pcap::Error;
use tracing::{debug, warn};

use crate::config::Capture as Config;
use crate::media::Share;

use super::filter::Part;
use super::live::{Drops, Group, Interface, LiveError};

/// A part of an interface's frames that this thread reads, and who else has a share of it.
#[derive(Clone)]
pub struct Wanted {
    pub part: Part,
    pub group: Option<Group>,
}

pub struct Slot {
    pub name: String,
    /// Number in the core.
    pub index: usize,
    wanted: Vec<Wanted>,
    /// What is wanted of media.
    share: Share,
    /// One for each part; none while it is closed.
    rings: Vec<Interface>,
    retry: Instant,
    /// Drops of the times that it was open before.
    drops_before: Drops,
}

impl Slot {
    /// Closed, to be opened at once.
    pub fn new(name: &str, index: usize, wanted: Vec<Wanted>) -> Slot {
        let (name, retry, drops_before) = (name.to_owned(), Instant::now(), Drops::default());
        Slot { name, index, wanted, share: Share::ALL, rings: Vec::new(), retry, drops_before }
    }

    pub fn is_open(&self) -> bool {
        !self.rings.is_empty()
    }

    pub fn rings(&self) -> &[Interface] {
        &self.rings
    }

    pub fn ring(&mut self, at: usize) -> Option<&mut Interface> {
        self.rings.get_mut(at)
    }

    /// Opens all rings, or none.
    pub fn open(&mut self, config: &Config) -> Result<(), LiveError> {
        self.retry = Instant::now() + config.reopen_interval;
        let open =
            |wanted: &Wanted| Interface::open(&self.name, config, (wanted.part, self.share), wanted.group.as_ref());
        self.rings = self.wanted.iter().map(open).collect::<Result<_, _>>()?;
        Ok(())
    }

    /// From now on takes this share of media, and leaves the rest to the kernel.
    pub fn follow(&mut self, config: &Config, share: Share) {
        if self.share == share {
            return;
        }
        self.share = share;
        for (ring, wanted) in self.rings.iter_mut().zip(&self.wanted) {
            if wanted.part == Part::Media
                && let Err(error) = ring.follow(config, share)
            {
                warn!(interface = %self.name, "cannot change which media the kernel hands over: {error}");
            }
        }
    }

    /// Whether it was closed, it was time to try again, and it is open now.
    pub fn reopen(&mut self, config: &Config) -> bool {
        if self.is_open() || Instant::now() < self.retry {
            return false;
        }
        let opened = self.open(config);
        if let Err(error) = &opened {
            debug!(interface = %self.name, "still not there: {error}");
        }
        opened.is_ok()
    }

    /// A ring broke: without one of them the others say only a part.
    pub fn close(&mut self, config: &Config, error: &Error) {
        warn!(interface = %self.name, "capture ended: {error}; trying again every {:?}", config.reopen_interval);
        self.drops_before = self.drops();
        self.rings.clear();
        self.retry = Instant::now() + config.reopen_interval;
    }

    /// All frames lost so far.
    pub fn drops(&mut self) -> Drops {
        let mut all = self.drops_before;
        for (at, ring) in self.rings.iter_mut().enumerate() {
            let drops = ring.drops();
            all.kernel += drops.kernel;
            // What the card lost, each ring says of all.
            all.interface += if at == 0 { drops.interface } else { 0 };
        }
        all
    }
}
