//! When there is more traffic than this program can read, and how much of the media it follows then: signalling comes by a ring of
//! its own and is read first, so what has to be less is media.

use crate::media::Share;

/// Of a second's frames, lost ones that are too many: one in a thousand. Fewer are a hiccup of the host.
const TOO_MANY: u64 = 1000;
/// Seconds without trouble before twice as much is followed, and the most that it comes to where that was too much again and again.
const PATIENCE: u32 = 10;
const MOST_PATIENCE: u32 = 320;

/// Looks at each second what was lost in it.
#[derive(Debug)]
pub struct Overload {
    share: Share,
    /// Seconds since the last change or trouble.
    calm: u32,
    patience: u32,
    /// Whether the last change was to follow more.
    is_tried: bool,
}

impl Default for Overload {
    fn default() -> Overload {
        Overload { share: Share::ALL, calm: 0, patience: PATIENCE, is_tried: false }
    }
}

impl Overload {
    pub fn share(&self) -> Share {
        self.share
    }

    /// A second has passed in which so many frames were read and lost. Gives the share from now on, where it changes.
    pub fn second(&mut self, read: u64, lost: u64) -> Option<Share> {
        let before = self.share;
        if lost.saturating_mul(TOO_MANY) > read.saturating_add(lost) {
            if self.is_tried {
                self.patience = (self.patience * 2).min(MOST_PATIENCE);
            }
            (self.share, self.calm, self.is_tried) = (self.share.half(), 0, false);
        } else {
            self.calm += 1;
            if self.calm >= self.patience {
                self.calm = 0;
                self.is_tried = self.share != Share::ALL;
                match self.share {
                    Share::ALL => self.patience = PATIENCE,
                    share => self.share = share.double(),
                }
            }
        }
        (self.share != before).then_some(self.share)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seconds of a host that can read only so many frames, offered so many; the share at the end, and how often it changed.
    fn pass(overload: &mut Overload, seconds: u32, offered: f64, possible: f64) -> (Share, u32) {
        let mut changes = 0;
        for _ in 0..seconds {
            let wanted = offered * overload.share().ratio();
            let lost = (wanted - possible).max(0.0);
            changes += u32::from(overload.second((wanted - lost) as u64, lost as u64).is_some());
        }
        (overload.share(), changes)
    }

    #[test]
    fn it_finds_what_can_be_followed_and_returns_to_all() {
        let mut overload = Overload::default();
        assert_eq!(pass(&mut overload, 60, 1e5, 1e6), (Share::ALL, 0));
        assert_eq!(pass(&mut overload, 2, 3.5e6, 1e6).0, Share::of_halvings(2));
        let (share, changes) = pass(&mut overload, 3600, 3.5e6, 1e6);
        assert!(share.halvings() >= 1, "{share:?}");
        assert!(changes <= 2 * 3600 / MOST_PATIENCE + 14, "{changes} changes in an hour");
        assert_eq!(pass(&mut overload, 1000, 1e5, 1e6).0, Share::ALL);
        assert_eq!(pass(&mut overload, MOST_PATIENCE, 1e5, 1e6).0, Share::ALL);
        assert_eq!(overload.patience, PATIENCE);
    }

    #[test]
    fn a_hiccup_changes_nothing_and_a_flood_has_an_end() {
        let mut overload = Overload::default();
        assert_eq!(overload.second(100_000, 90), None);
        assert_eq!(overload.second(0, 0), None);
        for _ in 0..20 {
            overload.second(0, 1 << 40);
        }
        assert_eq!(overload.share(), Share::of_halvings(u8::MAX));
    }
}
