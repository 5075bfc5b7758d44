//! When windows begin and end.

use jiff::civil::Time;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _, Zoned};

use crate::config::Window;

/// From, and up to but without.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bounds {
    pub from: Timestamp,
    pub to: Timestamp,
}

const DAY: i64 = 24 * 3600;

/// The bounds of a window at `now`, where the clocks show what `zone` says. Days that are counted have 24 hours.
pub fn bounds(window: Window, now: Timestamp, zone: &TimeZone) -> Bounds {
    let before = |days: i64| now.saturating_sub((days * DAY).seconds()).unwrap_or(Timestamp::MIN);
    let here = now.to_zoned(zone.clone());
    match window {
        Window::Today => Bounds { from: midnight(&here, 0), to: now },
        Window::Yesterday => Bounds { from: midnight(&here, 1), to: midnight(&here, 0) },
        Window::Month => Bounds { from: midnight(&here, i64::from(here.day()) - 1), to: now },
        Window::Last(days) => Bounds { from: before(days.into()), to: now },
        Window::Before(days) => Bounds { from: before(2 * i64::from(days)), to: before(days.into()) },
    }
}

/// The first moment of the day so many days before; where clocks jump over midnight, what follows it.
fn midnight(here: &Zoned, days: i64) -> Timestamp {
    let date = here.date().saturating_sub(days.days());
    match date.to_datetime(Time::midnight()).to_zoned(here.time_zone().clone()) {
        Ok(zoned) => zoned.timestamp(),
        Err(_) => here.timestamp(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    #[test]
    fn days_are_those_of_the_zone() {
        let tokyo = TimeZone::get("Asia/Tokyo").expect("a zone");
        let now = at("2026-11-22T16:30:00Z");
        let today = Bounds { from: at("2026-11-22T15:00:00Z"), to: now };
        assert_eq!(bounds(Window::Today, now, &tokyo), today);
        let yesterday = Bounds { from: at("2026-11-21T15:00:00Z"), to: at("2026-11-22T15:00:00Z") };
        assert_eq!(bounds(Window::Yesterday, now, &tokyo), yesterday);
        assert_eq!(bounds(Window::Month, now, &tokyo).from, at("2026-10-31T15:00:00Z"));
        assert_eq!(bounds(Window::Last(1), now, &tokyo), Bounds { from: at("2026-11-21T16:30:00Z"), to: now });
        let before = Bounds { from: at("2026-11-08T16:30:00Z"), to: at("2026-11-15T16:30:00Z") };
        assert_eq!(bounds(Window::Before(7), now, &tokyo), before);
    }

    #[test]
    fn days_of_a_change_of_clocks_are_longer_or_shorter() {
        let london = TimeZone::get("Europe/London").expect("a zone");
        let now = at("2026-03-30T09:00:00Z");
        let yesterday = Bounds { from: at("2026-03-29T00:00:00Z"), to: at("2026-03-29T23:00:00Z") };
        assert_eq!(bounds(Window::Yesterday, now, &london), yesterday);
        // In Havana midnight is skipped on the day that summer time begins.
        let havana = TimeZone::get("America/Havana").expect("a zone");
        let now = at("2026-03-08T12:00:00Z");
        assert_eq!(bounds(Window::Today, now, &havana).from, at("2026-03-08T05:00:00Z"));
    }
}
