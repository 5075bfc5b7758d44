//! When to look at which entry of a table next: nobody looks at all of them each second.

use crate::time::Timestamp;

/// Nothing is noted for later than this: what has left its table by then stands here for no longer.
const HORIZON_NANOS: i64 = 60_000_000_000;

/// One for each second up to the horizon, and some for what is noted a little late.
const SECONDS: usize = 64;
const NANOS_A_SECOND: i64 = 1_000_000_000;

/// Forgotten entries that are not worth tidying up for.
const TIDY: usize = 256;

/// Times to look at entries, by their numbers. The entry itself keeps the time that holds; others for it are passed over.
#[derive(Debug)]
pub struct Agenda {
    /// What is due in each second, the seconds of a minute in turn.
    seconds: [Vec<(Timestamp, u64)>; SECONDS],
    /// The second up to which all that was due has been handed out.
    reached: i64,
    noted: usize,
}

impl Default for Agenda {
    fn default() -> Self {
        Agenda { seconds: [const { Vec::new() }; SECONDS], reached: 0, noted: 0 }
    }
}

impl Agenda {
    /// Notes when to look at an entry, unless that is sooner already.
    pub fn look(&mut self, now: Timestamp, at: Timestamp, entry: u64, look_at: &mut Option<Timestamp>) {
        let at = at.min(now.moved(HORIZON_NANOS));
        if look_at.is_none_or(|there| at < there) {
            *look_at = Some(at);
            // What is over already is due at once.
            self.second(second(at).max(self.reached)).push((at, entry));
            self.noted += 1;
        }
    }

    fn second(&mut self, second: i64) -> &mut Vec<(Timestamp, u64)> {
        &mut self.seconds[second.rem_euclid(SECONDS as i64) as usize]
    }

    /// Forgets what is noted for entries that have left their table, or was noted sooner, where they may be more than the entries of the table.
    pub fn tidy(&mut self, table: usize, holds: impl Fn(Timestamp, u64) -> bool) {
        if self.noted > 2 * table + TIDY {
            for noted in &mut self.seconds {
                noted.retain(|(at, entry)| holds(*at, *entry));
                noted.shrink_to(noted.len() + TIDY / SECONDS);
            }
            self.noted = self.seconds.iter().map(Vec::len).sum();
        }
    }

    /// The entries to look at now, in the order of their times, each with the time that was noted. All at once: what is noted
    /// meanwhile waits for the next time, even at the end of all times.
    pub fn due(&mut self, now: Timestamp) -> Vec<(Timestamp, u64)> {
        let until = second(now);
        // A clock that was set back: what was noted before waits until its time comes again.
        let from = self.reached.min(until).max(until.saturating_sub(SECONDS as i64 - 1));
        let mut due = Vec::new();
        for passed in from..=until {
            due.extend(self.second(passed).extract_if(.., |(at, _)| *at <= now));
        }
        self.reached = until;
        self.noted -= due.len();
        // They are mostly in order, or a few rows that are.
        due.sort();
        due
    }
}

fn second(at: Timestamp) -> i64 {
    at.nanos().div_euclid(NANOS_A_SECOND)
}

/// Whether the time that was noted is the one that holds; then none is noted any more.
pub fn is_current(look_at: &mut Option<Timestamp>, at: Timestamp) -> bool {
    look_at.take_if(|there| *there == at).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_nanos(seconds * 1_000_000_000)
    }

    #[test]
    fn the_soonest_time_holds() {
        let (mut agenda, mut first, mut second) = (Agenda::default(), None, None);
        agenda.look(at(0), at(30), 1, &mut first);
        agenda.look(at(0), at(20), 2, &mut second);
        agenda.look(at(0), at(10), 1, &mut first);
        agenda.look(at(0), at(15), 1, &mut first);
        assert_eq!(agenda.due(at(9)), []);
        assert_eq!(agenda.due(at(25)), [(at(10), 1), (at(20), 2)]);
        assert!(is_current(&mut first, at(10)) && is_current(&mut second, at(20)));
        assert_eq!(agenda.due(at(40)), [(at(30), 1)]);
        assert!(!is_current(&mut first, at(30)), "another was sooner, and is done");
    }

    #[test]
    fn what_is_far_off_is_looked_at_before() {
        let (mut agenda, mut look_at) = (Agenda::default(), None);
        agenda.look(at(0), at(100_000), 1, &mut look_at);
        assert_eq!(agenda.due(at(61)), [(at(60), 1)]);
    }
}
