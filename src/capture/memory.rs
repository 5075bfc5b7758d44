//! How much memory the program takes, beside how much it may: what comes to it by the network decides how full its tables get.

use std::fs;

use tracing::{info, warn};

/// Of what it may take, the part below which tables may grow again: a table that lets go gives little back at once.
const RELIEF: f64 = 0.9;

#[derive(Debug)]
pub struct Memory {
    limit: u64,
    is_short: bool,
}

impl Memory {
    pub fn new(limit: u64) -> Memory {
        Memory { limit, is_short: false }
    }

    /// Looks at it once a second; tells when it becomes short, and when it is no more.
    pub fn second(&mut self) -> Option<bool> {
        // Without /proc nothing is known, and the caps of the tables have to do.
        let taken = resident()?;
        let is_short = taken > if self.is_short { (self.limit as f64 * RELIEF) as u64 } else { self.limit };
        if is_short == self.is_short {
            return None;
        }
        self.is_short = is_short;
        let (taken, limit) = (taken >> 20, self.limit >> 20);
        match is_short {
            true => {
                warn!("{taken} MiB of memory are taken, {limit} MiB may be (limits.memory): tables grow no further")
            }
            false => info!("{taken} MiB of memory are taken, {limit} MiB may be: tables may grow again"),
        }
        Some(is_short)
    }
}

/// Resident memory, bytes (proc(5), /proc/self/statm).
fn resident() -> Option<u64> {
    let sizes = fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = sizes.split(' ').nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_short_above_the_limit_and_no_more_well_below() {
        let taken = resident().expect("/proc is there");
        assert!(taken > 1 << 20, "{taken} bytes");
        let mut memory = Memory::new(taken / 2);
        assert_eq!((memory.second(), memory.second()), (Some(true), None));
        memory.limit = taken;
        assert_eq!(memory.second(), None, "not yet well below");
        memory.limit = taken * 4;
        assert_eq!((memory.second(), memory.second()), (Some(false), None));
    }
}
