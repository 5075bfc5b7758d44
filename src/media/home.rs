//! Where a stream is seen first: copies of its packets from other points of their way are told from duplicates on the wire.

use crate::wire::Point;

/// Packets from elsewhere in a row after which the stream has moved, and after which copies of lent ones are awaited no more.
const PATIENCE: u8 = 64;

/// The point that a stream's packets come from, and what came from elsewhere.
#[derive(Clone, Copy, Debug)]
pub struct Home {
    point: Point,
    /// Packets from elsewhere that were new: their copies are still to come from home.
    lent: u8,
    /// New packets from elsewhere since the last one from home.
    away: u8,
    /// Packets from home since the last new one from elsewhere.
    waited: u8,
}

impl Home {
    pub const fn new(point: Point) -> Home {
        Home { point, lent: 0, away: 0, waited: 0 }
    }

    /// The point that needs no further question.
    pub fn usual(&self) -> Point {
        if self.lent == 0 { self.point } else { Point::NOWHERE }
    }

    /// Whether a packet from this point, whose number was seen before or not, is a copy.
    pub fn is_copy(&mut self, point: Point, seen: bool) -> bool {
        if point != self.point {
            if !seen {
                self.came_from_elsewhere(point);
            }
            return seen;
        }
        let is_copy = seen && self.lent > 0;
        self.away = 0;
        self.waited = self.waited.saturating_add(1);
        self.lent = if self.waited >= PATIENCE { 0 } else { self.lent - u8::from(is_copy) };
        is_copy
    }

    fn came_from_elsewhere(&mut self, point: Point) {
        self.away += 1;
        if self.away >= PATIENCE {
            *self = Home::new(point);
        } else {
            (self.lent, self.waited) = ((self.lent + 1).min(PATIENCE), 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn there() -> Point {
        Point::default()
    }

    fn here() -> Point {
        Point::default().on(1)
    }

    #[test]
    fn copies_are_told_from_duplicates() {
        let mut home = Home::new(there());
        assert!(!home.is_copy(there(), true), "a duplicate on the wire");
        assert!(home.is_copy(here(), true));
        assert_eq!(home.usual(), there());
        // The copy is first once.
        assert!(!home.is_copy(here(), false));
        assert_eq!(home.usual(), Point::NOWHERE);
        assert!(home.is_copy(there(), true));
        assert!(!home.is_copy(there(), true), "a duplicate again");
        assert_eq!(home.usual(), there());
    }

    #[test]
    fn what_was_lost_at_home_is_not_awaited_for_ever() {
        let mut home = Home::new(there());
        assert!(!home.is_copy(here(), false));
        for _ in 0..PATIENCE {
            assert!(!home.is_copy(there(), false));
        }
        assert!(!home.is_copy(there(), true), "a duplicate, not the copy of what never came");
    }

    #[test]
    fn home_moves_when_it_is_silent() {
        let mut home = Home::new(there());
        for _ in 0..PATIENCE {
            assert!(!home.is_copy(here(), false));
        }
        assert!(!home.is_copy(here(), true));
        assert!(home.is_copy(there(), true));
    }
}
