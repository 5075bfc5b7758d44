//! The clock of what is captured live: it begins as the wall clock and is never set, so that whoever sets the wall clock, by an hour in
//! either direction, ends no call and keeps none alive.

#![allow(clippy::disallowed_methods)] // The capture side of the program is where clocks belong.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::time::Timestamp;

/// A wall clock that is off by more than this was set; less is the time between two readings.
const SET_NANOS: i64 = 500_000_000;
/// A look at both clocks that takes longer was interrupted, and tells nothing.
const UNDISTURBED: Duration = Duration::from_millis(20);
/// No frame is stamped later than now, nor waits longer than this to be read: such stamps are from before or after a step.
const AHEAD_NANOS: i64 = 1_000_000_000;
const BEHIND_NANOS: i64 = 60_000_000_000;

#[derive(Debug)]
pub struct Clock {
    began: Instant,
    from: Timestamp,
    steps: Steps,
}

/// What is known of the wall clock at the last look.
#[derive(Clone, Copy, Debug)]
struct Steps {
    now: Timestamp,
    /// How far the wall clock was set ahead since the start, nanoseconds; negative where it was set back.
    set_nanos: i64,
}

impl Clock {
    pub fn new() -> Clock {
        let from = wall_clock();
        Clock { began: Instant::now(), from, steps: Steps { now: from, set_nanos: 0 } }
    }

    /// Looks at both clocks; tells whether the wall clock was set since the last time.
    pub fn look(&mut self) -> bool {
        let passed = self.began.elapsed();
        let wall = wall_clock();
        if self.began.elapsed() - passed > UNDISTURBED {
            return false;
        }
        self.steps.look(self.from + passed, wall)
    }

    /// The time at the last look.
    pub fn now(&self) -> Timestamp {
        self.steps.now
    }

    /// How far the wall clock was set ahead since the start, nanoseconds.
    pub fn set_nanos(&self) -> i64 {
        self.steps.set_nanos
    }

    /// The time of what the wall clock stamped.
    pub fn time_of(&self, stamp: Timestamp) -> Timestamp {
        self.steps.time_of(stamp)
    }
}

impl Steps {
    fn look(&mut self, now: Timestamp, wall: Timestamp) -> bool {
        self.now = now;
        let set_nanos = wall.nanos_since(now);
        let is_set = set_nanos.saturating_sub(self.set_nanos).saturating_abs() > SET_NANOS;
        if is_set {
            self.set_nanos = set_nanos;
        }
        is_set
    }

    fn time_of(&self, stamp: Timestamp) -> Timestamp {
        let time = stamp.moved(self.set_nanos.saturating_neg());
        let ahead = time.nanos_since(self.now);
        if (-BEHIND_NANOS..=AHEAD_NANOS).contains(&ahead) { time } else { self.now }
    }
}

fn wall_clock() -> Timestamp {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_nanos(i64::try_from(now.as_nanos()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLISECOND: i64 = 1_000_000;
    const SECOND: i64 = 1_000 * MILLISECOND;
    const HOUR: i64 = 3_600 * SECOND;

    fn at(nanos: i64) -> Timestamp {
        Timestamp::from_nanos(1_700_000_000 * SECOND + nanos)
    }

    #[test]
    fn a_wall_clock_that_is_set_moves_no_frame() {
        for step in [HOUR, -HOUR, 20 * SECOND, -20 * SECOND] {
            let mut steps = Steps { now: at(0), set_nanos: 0 };
            assert!(!steps.look(at(SECOND), at(SECOND + 3)), "two readings are never at once");
            assert_eq!(steps.time_of(at(SECOND - 20 * MILLISECOND)), at(SECOND - 20 * MILLISECOND));
            // Stamped after the step, read before it is known.
            let early = steps.time_of(at(SECOND + MILLISECOND + step));
            assert!(early.nanos_since(at(SECOND)).abs() <= 20 * SECOND, "{step}");
            assert!(steps.look(at(2 * SECOND), at(2 * SECOND + step)), "{step}");
            assert_eq!(steps.set_nanos, step);
            assert_eq!(steps.time_of(at(2 * SECOND - 5 + step)), at(2 * SECOND - 5));
            // Stamped before the step, read after it is known.
            let late = steps.time_of(at(SECOND + 2 * MILLISECOND));
            assert!(late.nanos_since(at(2 * SECOND)).abs() <= 21 * SECOND, "{step}");
            assert!(!steps.look(at(3 * SECOND), at(3 * SECOND + step - 7)), "it is set once");
            // And back again.
            assert!(steps.look(at(4 * SECOND), at(4 * SECOND)));
            assert_eq!(steps.time_of(at(4 * SECOND - 5)), at(4 * SECOND - 5));
        }
    }

    #[test]
    fn a_frame_that_waited_keeps_its_time() {
        let mut steps = Steps { now: at(0), set_nanos: 0 };
        steps.look(at(40 * SECOND), at(40 * SECOND));
        assert_eq!(steps.time_of(at(SECOND)), at(SECOND), "the program was stopped for a while");
    }

    #[test]
    fn it_begins_as_the_wall_clock_and_goes_on() {
        let mut clock = Clock::new();
        let first = clock.now();
        assert!(wall_clock().nanos_since(first).abs() < HOUR);
        std::thread::sleep(Duration::from_millis(2));
        assert!(!clock.look());
        assert!(clock.now().nanos_since(first) >= 2 * MILLISECOND && clock.set_nanos() == 0);
    }
}
