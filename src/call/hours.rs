//! The hours in which calls are attempted, by the clock on the site's wall.

use jiff::tz::TimeZone;

use crate::time::Timestamp;

const DAY: i64 = 86_400;
const HOUR: i64 = 3_600;
/// 1 January 1970 was a Thursday, the fourth day of a week that begins with Monday (ISO 8601).
const FIRST_WEEKDAY: i64 = 3;

/// The site's clock: its offset from UTC is looked up once between two of the zone's changes.
#[derive(Debug)]
pub struct Clock {
    zone: TimeZone,
    /// Seconds east of Greenwich, for the Unix seconds from `from` to before `until`.
    offset: i64,
    from: i64,
    until: i64,
}

/// A weekday, 0 for Monday, and an hour of the day.
pub type WallHour = (usize, usize);

impl Clock {
    pub fn new(zone: TimeZone) -> Clock {
        Clock { zone, offset: 0, from: 0, until: 0 }
    }

    /// What it shows at a time.
    pub fn hour(&mut self, time: Timestamp) -> WallHour {
        let seconds = time.nanos().div_euclid(1_000_000_000);
        if !(self.from..self.until).contains(&seconds) {
            self.look_up(seconds);
        }
        let local = seconds + self.offset;
        let weekday = (local.div_euclid(DAY) + FIRST_WEEKDAY).rem_euclid(7);
        // Both remainders are small and not negative.
        (weekday as usize, (local.rem_euclid(DAY) / HOUR) as usize)
    }

    fn look_up(&mut self, seconds: i64) {
        // Nanoseconds in 64 bits end in 2262, long before jiff's years do.
        let Ok(time) = jiff::Timestamp::from_second(seconds) else { return };
        let just_after = jiff::Timestamp::from_second(seconds + 1).unwrap_or(time);
        let second = |change: jiff::tz::TimeZoneTransition<'_>| change.timestamp().as_second();
        self.offset = i64::from(self.zone.to_offset(time).seconds());
        self.from = self.zone.preceding(just_after).next().map_or(i64::MIN, second);
        self.until = self.zone.following(time).next().map_or(i64::MAX, second);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MONDAY: usize = 0;
    const FRIDAY: usize = 4;
    const SATURDAY: usize = 5;
    const SUNDAY: usize = 6;

    fn clock(zone: &str) -> Clock {
        Clock::new(jiff::tz::TimeZoneDatabase::bundled().get(zone).expect("a zone"))
    }

    /// `2026-03-29T00:59:59Z`
    fn at(text: &str) -> Timestamp {
        Timestamp::from_nanos(
            i64::try_from(text.parse::<jiff::Timestamp>().expect("a time").as_nanosecond()).expect("64 bits"),
        )
    }

    fn check(zone: &str, table: &[(&str, WallHour)]) {
        let mut forwards = clock(zone);
        let mut backwards = clock(zone);
        for (time, expected) in table {
            assert_eq!(forwards.hour(at(time)), *expected, "{time} in {zone}");
        }
        // HEP and several interfaces bring times in any order.
        for (time, expected) in table.iter().rev() {
            assert_eq!(backwards.hour(at(time)), *expected, "{time} in {zone}, backwards");
        }
    }

    #[test]
    fn london_goes_an_hour_ahead_in_spring_and_back_in_autumn() {
        check(
            "Europe/London",
            &[
                ("2026-01-01T00:00:00Z", (3, 0)),
                ("2026-03-29T00:59:59.999999999Z", (SUNDAY, 0)),
                ("2026-03-29T01:00:00Z", (SUNDAY, 2)),
                ("2026-06-30T22:59:59Z", (1, 23)),
                ("2026-06-30T23:00:00Z", (2, 0)),
                // 01:30 comes twice: both are hour 1.
                ("2026-10-25T00:30:00Z", (SUNDAY, 1)),
                ("2026-10-25T01:00:00Z", (SUNDAY, 1)),
                ("2026-10-25T01:30:00Z", (SUNDAY, 1)),
                ("2026-10-25T02:00:00Z", (SUNDAY, 2)),
            ],
        );
    }

    #[test]
    fn new_york_is_behind() {
        check(
            "America/New_York",
            &[
                ("2026-03-08T06:59:59Z", (SUNDAY, 1)),
                ("2026-03-08T07:00:00Z", (SUNDAY, 3)),
                ("2026-11-01T05:30:00Z", (SUNDAY, 1)),
                ("2026-11-01T06:30:00Z", (SUNDAY, 1)),
                ("2026-11-01T07:30:00Z", (SUNDAY, 2)),
                ("2026-11-02T03:00:00Z", (SUNDAY, 22)),
                ("2026-11-02T05:00:00Z", (MONDAY, 0)),
            ],
        );
    }

    #[test]
    fn lord_howe_shifts_by_half_an_hour() {
        // UTC+10:30, and UTC+11 from October to April.
        check(
            "Australia/Lord_Howe",
            &[
                ("2026-04-04T14:59:59Z", (SUNDAY, 1)),
                ("2026-04-04T15:00:00Z", (SUNDAY, 1)),
                ("2026-04-04T15:29:59Z", (SUNDAY, 1)),
                ("2026-04-04T15:30:00Z", (SUNDAY, 2)),
                ("2026-10-03T15:29:59Z", (SUNDAY, 1)),
                ("2026-10-03T15:30:00Z", (SUNDAY, 2)),
            ],
        );
    }

    #[test]
    fn kathmandu_is_three_quarters_of_an_hour_off() {
        let table = [("2026-05-01T18:14:59Z", (FRIDAY, 23)), ("2026-05-01T18:15:00Z", (SATURDAY, 0))];
        check("Asia/Kathmandu", &table);
        check("UTC", &[("1969-12-31T23:59:59Z", (2, 23)), ("1970-01-01T00:00:00Z", (3, 0))]);
    }

    proptest::proptest! {
        /// What the cache says is what the zone says, in whatever order times come.
        #[test]
        fn the_cache_changes_nothing(times in proptest::collection::vec(0..4_000_000_000_i64, 1..50)) {
            for zone in ["Europe/London", "Australia/Lord_Howe", "Asia/Kathmandu", "Africa/Casablanca", "America/Sao_Paulo"] {
                let mut cached = clock(zone);
                for second in &times {
                    let zoned = jiff::Timestamp::from_second(*second).expect("a time").to_zoned(cached.zone.clone());
                    let expected = (zoned.weekday().to_monday_zero_offset() as usize, zoned.hour() as usize);
                    let found = cached.hour(Timestamp::from_nanos(second * 1_000_000_000 + 7));
                    proptest::prop_assert_eq!(found, expected, "{} in {}", second, zone);
                }
            }
        }
    }
}
