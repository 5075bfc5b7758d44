//! Clocks of places, without a zone database: what the truth takes for local time is not what the agent or PostgreSQL computes.

pub const DAY: i64 = 86_400;

#[derive(Clone, Copy)]
enum Summer {
    None,
    /// From the last Sunday of March to that of October, at 01:00 UTC.
    Europe,
    /// From the second Sunday of March to the first of November, at 02:00 local time.
    America,
}

/// Name, seconds east of Greenwich in winter, summer time.
const ZONES: [(&str, i64, Summer); 11] = [
    ("Europe/London", 0, Summer::Europe),
    ("Europe/Berlin", 3_600, Summer::Europe),
    ("America/New_York", -18_000, Summer::America),
    ("America/Los_Angeles", -28_800, Summer::America),
    ("America/Phoenix", -25_200, Summer::None),
    ("Asia/Kolkata", 19_800, Summer::None),
    ("Asia/Kathmandu", 20_700, Summer::None),
    ("Asia/Tokyo", 32_400, Summer::None),
    ("Pacific/Kiritimati", 50_400, Summer::None),
    ("Pacific/Pago_Pago", -39_600, Summer::None),
    ("UTC", 0, Summer::None),
];

/// The names, for a generator to choose from.
pub fn names() -> impl Iterator<Item = &'static str> {
    ZONES.iter().map(|zone| zone.0)
}

/// Seconds east of Greenwich at `time`; a name that is none is London's, as the pack's own zone is in these tests.
pub fn offset(name: &str, time: i64) -> i64 {
    let (_, winter, summer) = ZONES.iter().find(|zone| zone.0.eq_ignore_ascii_case(name)).copied().unwrap_or(ZONES[0]);
    let year = year_of(time + winter);
    let (from, to) = match summer {
        Summer::None => return winter,
        Summer::Europe => (sunday(year, 3, -1) * DAY + 3_600, sunday(year, 10, -1) * DAY + 3_600),
        Summer::America => {
            (sunday(year, 3, 2) * DAY + 7_200 - winter, sunday(year, 11, 1) * DAY + 7_200 - winter - 3_600)
        }
    };
    winter + if (from..to).contains(&time) { 3_600 } else { 0 }
}

/// The midnight with which the day of `time` began there.
pub fn midnight(name: &str, time: i64) -> i64 {
    let day = (time + offset(name, time)).div_euclid(DAY) * DAY;
    day - offset(name, day - offset(name, time))
}

/// The local day as a number, the weekday (0 is Monday) and the hour.
pub fn local(name: &str, time: i64) -> (i64, i64, i64) {
    let local = time + offset(name, time);
    let day = local.div_euclid(DAY);
    // 1 January 1970 was a Thursday.
    (day, (day + 3).rem_euclid(7), local.rem_euclid(DAY) / 3_600)
}

/// Days from 1970 to the first of a month.
fn days(year: i64, month: i64) -> i64 {
    const BEFORE: [i64; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
    let past = year - 1;
    let leaps = past / 4 - past / 100 + past / 400 - (1969 / 4 - 1969 / 100 + 1969 / 400);
    let is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    (year - 1970) * 365 + leaps + BEFORE[month as usize - 1] + i64::from(is_leap && month > 2)
}

fn year_of(time: i64) -> i64 {
    let day = time.div_euclid(DAY);
    let guess = 1970 + day / 366;
    (guess..).take_while(|year| days(*year, 1) <= day).last().unwrap_or(guess)
}

/// The `n`th Sunday of a month as a day; -1 is the last one.
fn sunday(year: i64, month: i64, n: i64) -> i64 {
    let next = if month == 12 { days(year + 1, 1) } else { days(year, month + 1) };
    // The weekday of day 0 is 3, and 6 is Sunday.
    let first = (days(year, month)..).find(|day| (day + 3).rem_euclid(7) == 6).expect("a Sunday");
    if n > 0 {
        first + 7 * (n - 1)
    } else {
        (next - 7..next).find(|day| (day + 3).rem_euclid(7) == 6).expect("a Sunday")
    }
}

/// Year, month and day of a day.
pub fn date(day: i64) -> (i64, i64, i64) {
    let year = year_of(day * DAY);
    let month = (1..=12).rev().find(|month| days(year, *month) <= day).unwrap_or(1);
    (year, month, day - days(year, month) + 1)
}
