use std::net::Ipv4Addr;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::config::Config;
use crate::media::candidates::Arrived;
use crate::site::Site;
use crate::wire::{Ip, Point};

pub fn key(ssrc: u32) -> Key {
    let ip = Ip::v4(Ipv4Addr::LOCALHOST.octets());
    Key { source_ip: ip, destination_ip: ip, source_port: 1, destination_port: 2, ssrc }
}

/// A few streams that may all come in and go out.
struct Streams {
    media: Media,
    sent: [u16; 4],
}

impl Streams {
    fn new() -> Streams {
        let mut settings = crate::engine::Settings::new(&Config::default(), false).media;
        settings.interval_nanos = i64::MAX;
        let mut streams = Streams { media: Media::new(settings, Arc::new(Site::new(Vec::new(), &[]))), sent: [0; 4] };
        for n in 0..4 {
            let arrived = streams.next(n, 0, Timestamp::from_nanos(0));
            streams.media.start(key(n as u32), &[arrived]);
        }
        streams
    }

    /// The next packet of a stream. Mostly the second says what the first said, and the fourth what the third said.
    fn next(&mut self, n: usize, kind: u8, now: Timestamp) -> Arrived {
        let sequence = self.sent[n];
        self.sent[n] += 1;
        let head = match kind {
            0..200 => ((u64::from(sequence) << 2) | (n as u64 / 2)).wrapping_mul(0x0102_0304_0506_0708),
            200..210 => 0xd5d5_d5d5_d5d5_d5d5,
            _ => u64::from(kind % 8) << 40 | 1,
        };
        let timestamp = u32::from(sequence) * 160;
        let packet =
            Packet { ssrc: n as u32, timestamp, sequence, payload_type: 8, marker: false, payload_length: 160, head };
        Arrived { now, packet, point: Point::default() }
    }

    /// The same as [`Media::relay`] without its short way.
    fn relay_the_long_way(&mut self, at: u32, arrived: &Arrived) {
        self.media.streams.get_mut(at).unwrap().may_be_relayed = false;
        self.media.packet(at, arrived);
        self.media.relay_one(arrived.now, at, &arrived.packet, false);
        let stream = self.media.streams.get_mut(at).unwrap();
        stream.may_be_relayed = stream.relay.is_active();
    }

    fn shown(&self) -> String {
        let roles: Vec<Role> = (0..4).map(|at| self.media.streams.get(at).unwrap().relay).collect();
        let recent: Vec<&Option<Seen>> = self.media.relays.recent.iter().filter(|seen| seen.is_some()).collect();
        format!("{roles:?} {recent:?} {:?}", self.media.relays.links)
    }
}

proptest! {
    #[test]
    fn looking_in_vain_is_looking(steps in prop::collection::vec((0..4usize, any::<u8>(), 0..30i64), 0..400)) {
        let (mut short, mut long) = (Streams::new(), Streams::new());
        let mut now = Timestamp::from_nanos(0);
        for (n, kind, millis) in steps {
            now = now.moved(millis * 1_000_000);
            let at = n as u32;
            let arrived = short.next(n, kind, now);
            short.media.packet(at, &arrived);
            let arrived = long.next(n, kind, now);
            long.relay_the_long_way(at, &arrived);
        }
        prop_assert_eq!(short.shown(), long.shown());
    }
}
