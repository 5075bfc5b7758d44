//! What the core does with less than everything.

use crate::media::Share;

use super::Engine;

impl Engine {
    /// While memory is short tables grow no further: what is new takes the place of what is least worth, and is counted as evicted.
    pub fn hold(&mut self, on: bool) {
        self.is_held = on;
        self.connections.hold(on);
        self.signalling.hold(on);
        self.media.hold(on);
    }

    /// Counts frames that were read of streams that are not followed for now.
    pub fn left_out(&mut self, interface: usize, packets: u64, bytes: u64) {
        if let Some(numbers) = self.interfaces.get_mut(interface) {
            numbers.packets += packets;
            numbers.bytes += bytes;
        }
    }

    /// From now on only these streams are followed; the others end here, and no silence of theirs counts.
    pub fn follow(&mut self, share: Share) {
        self.share = share;
        self.media.follow(self.now, share);
    }
}
