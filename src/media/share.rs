//! Which streams are followed where all of them are too many.

use super::Key;

/// Streams of one in 2^n pairs of endpoints, so that both directions of a conversation are followed, or neither.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Share(u8);

impl Share {
    pub const ALL: Share = Share(0);
    /// One in 64: what is left then costs nothing beside reading the frames.
    const LEAST: u8 = 6;

    pub fn of_halvings(halvings: u8) -> Share {
        Share(halvings.min(Share::LEAST))
    }

    pub fn halvings(self) -> u8 {
        self.0
    }

    pub fn half(self) -> Share {
        Share::of_halvings(self.0 + 1)
    }

    pub fn double(self) -> Share {
        Share(self.0.saturating_sub(1))
    }

    /// The streams that are followed, of all.
    pub fn ratio(self) -> f64 {
        1.0 / f64::from(1u32 << self.0)
    }

    /// Whether it holds what has this sum of [`Key::pair`].
    #[inline]
    pub fn has(self, key: &Key) -> bool {
        self.0 == 0 || key.pair().wrapping_mul(Share::MIX) >> Share::SHIFT < self.parts()
    }

    /// The sum of a pair is mixed by this, and shifted so that one of 64 parts is left: few steps, as the kernel does the same.
    pub const MIX: u32 = 0x9e37_79b1;
    pub const SHIFT: u32 = 32 - Share::LEAST as u32;

    /// How many of the 64 parts are followed.
    pub fn parts(self) -> u32 {
        1 << (Share::LEAST - self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Ip;

    fn key(call: u32) -> Key {
        let [.., a, b, c] = call.to_be_bytes();
        Key {
            source_ip: Ip::v4([10, a, b, c]),
            destination_ip: Ip::v4([192, 0, 2, 1]),
            source_port: 10_000,
            destination_port: 20_000 + (call % 5000) as u16 * 2,
            ssrc: call,
        }
    }

    fn back(key: Key) -> Key {
        Key {
            source_ip: key.destination_ip,
            destination_ip: key.source_ip,
            source_port: key.destination_port,
            destination_port: key.source_port,
            ssrc: !key.ssrc,
        }
    }

    #[test]
    fn a_share_is_about_its_part_and_both_directions_of_it() {
        let mut share = Share::ALL;
        let mut before = 20_000;
        for halvings in 1..=6 {
            share = share.half();
            let followed = (0..20_000).filter(|call| share.has(&key(*call))).count();
            let expected = 20_000 >> halvings;
            assert!(followed.abs_diff(expected) < expected / 4, "{followed} of 20,000 at {share:?}");
            assert!((0..20_000).all(|call| share.has(&key(call)) == share.has(&back(key(call)))));
            assert!(
                (0..20_000).all(|call| share.double().has(&key(call)) || !share.has(&key(call))),
                "part of the larger"
            );
            assert!(followed < before);
            before = followed;
        }
        assert_eq!((share.half(), share.ratio()), (share, 1.0 / 64.0));
        assert_eq!((0..6).fold(share, |share, _| share.double()), Share::ALL);
    }
}
