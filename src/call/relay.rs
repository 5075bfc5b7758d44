//! SIP messages that come into this host and go out of it again: how long a proxy on it took.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;

use crate::generations::Generations;
use crate::site::Site;
use crate::time::Timestamp;
use crate::wire::sip::{Message, Method, Start};
use crate::wire::{Endpoint, Ip};

use super::marks::Marks;

/// What has not left after one to two of these is not on its way any more: a proxy answers within Timer F, 32 s, at the latest.
const LIFETIME_NANOS: i64 = 16_000_000_000;

/// A message on its way through this host: small, as there are a few for each call.
#[derive(Clone, Copy, Debug)]
struct Passing {
    to: Ip,
    /// Microseconds: 32 bits of them are more than an hour.
    at: u32,
    /// Fingerprint of the sender's address and port.
    from: u32,
}

/// The messages of the last 16 to 32 s, whatever hop they were on.
#[derive(Debug)]
pub struct Relays {
    hasher: RandomState,
    messages: Generations<u64, Passing>,
}

impl Relays {
    pub fn new(capacity: usize) -> Relays {
        Relays { hasher: RandomState::default(), messages: Generations::new(capacity, LIFETIME_NANOS) }
    }

    pub fn len(&self) -> usize {
        self.messages.len()
    }

    pub fn evicted(&self) -> u64 {
        self.messages.evicted
    }

    /// A message that was not on this hop before; gives its stay where it leaves this host, seconds.
    pub fn see(
        &mut self,
        now: Timestamp,
        (from, to): (Endpoint, Endpoint),
        message: &Message<'_>,
        marks: &Marks,
        site: &Site,
    ) -> Option<f64> {
        // Each hop makes its own 100 and, for a refusal, its own ACK (RFC 3261 sections 16.7, 17.1.1.3).
        let own = match message.start {
            Start::Request { method, .. } => method == Method::Ack,
            Start::Response { code } => code == 100,
        };
        if own {
            return None;
        }
        self.messages.turn(now);
        let place = |at: Endpoint| self.hasher.hash_one(at) as u32;
        let passing = Passing { to: to.ip, at: micros(now), from: place(from) };
        let receiver = place(to);
        let Some(before) = self.messages.get_mut(&marks.message) else {
            self.messages.insert(marks.message, passing);
            return None;
        };
        let stays = site.is_passed_on(before.to, from.ip) && receiver != before.from;
        let entered = std::mem::replace(before, passing);
        let stay = passing.at.wrapping_sub(entered.at).cast_signed().max(0);
        stays.then(|| f64::from(stay) / 1e6)
    }
}

fn micros(at: Timestamp) -> u32 {
    at.nanos().div_euclid(1000) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::sip::{self, Content};

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_nanos(1_700_000_000_000_000_000 + millis * 1_000_000)
    }

    fn endpoint(host: u8) -> Endpoint {
        Endpoint { ip: Ip::v4([192, 0, 2, host]), port: 5060 }
    }

    fn see(relays: &mut Relays, millis: i64, hop: (u8, u8), start: &str, cseq: &str) -> Option<f64> {
        let text = format!("{start}\r\nCall-ID: c\r\nCSeq: {cseq}\r\nFrom: <sip:a@a>;tag=1\r\nTo: <sip:b@b>\r\n\r\n");
        let Ok(Content::Message(message)) = sip::parse(text.as_bytes()) else { panic!("no message") };
        let marks = Marks::of(&message, &relays.hasher);
        relays.see(at(millis), (endpoint(hop.0), endpoint(hop.1)), &message, &marks, &Site::default())
    }

    #[test]
    fn what_goes_on_tells_its_stay() {
        let mut relays = Relays::new(16);
        let invite = "INVITE sip:b@b SIP/2.0";
        assert_eq!(see(&mut relays, 0, (1, 2), invite, "1 INVITE"), None);
        let seconds = see(&mut relays, 4, (2, 3), invite, "1 INVITE").unwrap();
        assert!((seconds - 0.004).abs() < 1e-9, "{seconds}");
        assert_eq!(see(&mut relays, 5, (3, 2), "SIP/2.0 180 Ringing", "1 INVITE"), None);
        assert!(see(&mut relays, 6, (2, 1), "SIP/2.0 180 Ringing", "1 INVITE").is_some());
        // Another transaction is another message.
        assert_eq!(see(&mut relays, 7, (2, 3), invite, "2 INVITE"), None);
    }

    #[test]
    fn what_each_hop_makes_itself_is_not_passed_on() {
        let mut relays = Relays::new(16);
        for (start, cseq) in [("ACK sip:b@b SIP/2.0", "1 ACK"), ("SIP/2.0 100 Trying", "1 INVITE")] {
            assert_eq!(see(&mut relays, 0, (1, 2), start, cseq), None);
            assert_eq!(see(&mut relays, 1, (2, 3), start, cseq), None, "{start}");
        }
        // Back to where it came from is no way through.
        assert_eq!(see(&mut relays, 0, (1, 2), "BYE sip:b@b SIP/2.0", "3 BYE"), None);
        assert_eq!(see(&mut relays, 1, (2, 1), "BYE sip:b@b SIP/2.0", "3 BYE"), None);
    }
}
