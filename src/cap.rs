//! How many entries a table may have.

/// What the configuration says, or no more than there are while memory is short.
#[derive(Clone, Copy, Debug)]
pub struct Cap {
    configured: usize,
    held: usize,
}

impl Cap {
    /// At least `least`, which is what the table cannot do without.
    pub fn new(configured: usize, least: usize) -> Cap {
        Cap { configured: configured.max(least), held: usize::MAX }
    }

    #[inline]
    pub fn most(self) -> usize {
        self.configured.min(self.held)
    }

    /// Lets a table of so many entries grow no further, or again as far as the configuration says.
    pub fn hold(&mut self, entries: usize, on: bool) {
        self.held = match on {
            // A table that was held before stays as it was.
            true => self.held.min(entries.max(MIN_HELD)),
            false => usize::MAX,
        };
    }
}

/// A table that was empty when memory ran short can still do its work.
const MIN_HELD: usize = 64;
