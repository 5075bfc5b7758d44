//! Where the wall clock stands beside the time that the core is given, which nobody sets: for what a person reads off a clock.

use super::{Engine, InterfaceNumbers};

impl Engine {
    /// The wall clock is `nanos` ahead of the time of the frames from now on, since somebody set it.
    pub fn clock_was_set(&mut self, nanos: i64) {
        self.set_nanos = nanos;
        self.signalling.clock_was_set(nanos);
    }

    /// The numbers of the interfaces, with the wall clock's times.
    pub(super) fn shown_interfaces(&self) -> Vec<InterfaceNumbers> {
        let mut shown = self.interfaces.clone();
        for interface in shown.iter_mut().filter(|interface| interface.packets > 0) {
            interface.last_packet = interface.last_packet.moved(self.set_nanos);
        }
        shown
    }
}
