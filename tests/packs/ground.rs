//! What the generators of packs stand on: dice, a time zone, windows, and the series that come of it.

use std::collections::{BTreeMap, BTreeSet};

use crate::rng::Rng;

pub const DAY: i64 = 86_400;
/// For how long after it was made the truth of a world stays as it is: nothing lies where a window's edge passes meanwhile.
pub const SLACK: i64 = 1_200;
/// Smaller groups are withheld.
pub const SMALL: i64 = 5;
/// How many days ago windows begin, those before them, and those before these.
const EDGES: [i64; 14] = [0, 1, 2, 3, 7, 14, 21, 30, 60, 90, 180, 270, 365, 730];

/// Chance, in the signed numbers that times are.
pub struct Dice(Rng);

impl Dice {
    pub fn new(seed: u64) -> Dice {
        Dice(Rng::new(seed, 0))
    }

    /// 0 to `bound` - 1.
    pub fn below(&mut self, bound: i64) -> i64 {
        self.0.below(bound as u64) as i64
    }

    pub fn percent(&mut self, chance: u32) -> bool {
        self.0.chance(10 * chance)
    }

    pub fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        *self.0.pick(of)
    }
}

/// `time`, or a while before it, where no edge of a window comes by within `SLACK` of `now`.
pub fn settled(now: i64, time: i64) -> i64 {
    let passes = |time: i64| EDGES.iter().any(|days| (0..=SLACK).contains(&(time - (now - days * DAY))));
    let mut time = time;
    while passes(time) {
        time -= SLACK;
    }
    time
}

/// Times that are settled, and each only once.
pub struct Times {
    now: i64,
    taken: BTreeSet<i64>,
}

impl Times {
    pub fn new(now: i64) -> Times {
        Times { now, taken: BTreeSet::new() }
    }

    pub fn take(&mut self, time: i64) -> i64 {
        let mut time = settled(self.now, time);
        while !self.taken.insert(time) {
            time = settled(self.now, time - 1);
        }
        time
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Zone {
    /// With summer time.
    Berlin,
    /// Without.
    Phoenix,
}

impl Zone {
    /// One in which no day begins within `SLACK` of `now`, before or after.
    pub fn quiet(now: i64) -> Zone {
        let berlin = (now + Zone::Berlin.offset(now)).rem_euclid(DAY);
        if (SLACK..DAY - SLACK).contains(&berlin) { Zone::Berlin } else { Zone::Phoenix }
    }

    pub fn name(self) -> &'static str {
        match self {
            Zone::Berlin => "Europe/Berlin",
            Zone::Phoenix => "America/Phoenix",
        }
    }

    pub fn offset(self, time: i64) -> i64 {
        match self {
            Zone::Phoenix => -7 * 3_600,
            Zone::Berlin => {
                // Directive 2000/84/EC: from 01:00 UTC of the last Sunday in March to that of October.
                let (year, _, _) = civil(time.div_euclid(DAY));
                let change = |month| last_sunday(year, month) * DAY + 3_600;
                if (change(3)..change(10)).contains(&time) { 7_200 } else { 3_600 }
            }
        }
    }

    /// When the local day began.
    pub fn midnight(self, time: i64) -> i64 {
        self.day_begins((time + self.offset(time)).div_euclid(DAY))
    }

    /// When the local week began, on Monday.
    pub fn week(self, time: i64) -> i64 {
        let day = (time + self.offset(time)).div_euclid(DAY);
        self.day_begins(day - weekday(day))
    }

    pub fn month(self, time: i64) -> i64 {
        let (year, month, _) = civil((time + self.offset(time)).div_euclid(DAY));
        self.day_begins(days(year, month, 1))
    }

    /// 0 (Monday) to 6, and 00 to 23.
    pub fn weekday_and_hour(self, time: i64) -> (String, String) {
        let local = time + self.offset(time);
        (weekday(local.div_euclid(DAY)).to_string(), format!("{:02}", local.rem_euclid(DAY) / 3_600))
    }

    /// The moment at which a local day begins.
    fn day_begins(self, day: i64) -> i64 {
        let near = day * DAY - self.offset(day * DAY);
        day * DAY - self.offset(near)
    }

    /// The bounds of a window that ends now.
    pub fn window(self, name: &str, now: i64) -> std::ops::Range<i64> {
        let midnight = self.midnight(now);
        let length = |name: &str| match name {
            "24h" => DAY,
            days => days.strip_suffix('d').and_then(|days| days.parse::<i64>().ok()).expect("a window") * DAY,
        };
        match name {
            "today" => midnight..now,
            "yesterday" => self.midnight(midnight - 1)..midnight,
            "month" => self.month(now)..now,
            _ => match name.strip_prefix("prev_") {
                Some(name) => now - 2 * length(name)..now - length(name),
                None => now - length(name)..now,
            },
        }
    }
}

/// 0 is Monday; day 0, the first of January 1970, was a Thursday.
fn weekday(day: i64) -> i64 {
    (day + 3).rem_euclid(7)
}

fn last_sunday(year: i64, month: i64) -> i64 {
    let last = days(year, month, 31);
    last - (weekday(last) + 1) % 7
}

/// Days since 1970 of a date in the Gregorian calendar.
fn days(year: i64, month: i64, day: i64) -> i64 {
    // Years that begin in March, so that the leap day is the last one.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + (153 * month + 2) / 5 + day
        - 1
        - 719_468
}

fn civil(day: i64) -> (i64, i64, i64) {
    let mut year = 1970 + day.div_euclid(366);
    while days(year + 1, 1, 1) <= day {
        year += 1;
    }
    let month = (1..=12).rev().find(|month| days(year, *month, 1) <= day).expect("a month");
    (year, month, day - days(year, month, 1) + 1)
}

/// A time as PostgreSQL reads it.
pub fn stamp(time: i64) -> String {
    let (year, month, day) = civil(time.div_euclid(DAY));
    let second = time.rem_euclid(DAY);
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02}+00", second / 3_600, second / 60 % 60, second % 60)
}

/// A row in COPY's text format; `None` is NULL.
pub fn row(cells: &[Option<String>]) -> String {
    let cell = |cell: &Option<String>| match cell {
        Some(text) => text.replace('\\', "\\\\").replace('\t', "\\t").replace('\n', "\\n"),
        None => "\\N".to_owned(),
    };
    cells.iter().map(cell).collect::<Vec<_>>().join("\t") + "\n"
}

/// A value of a label that has a list.
pub fn closed<'a>(value: Option<&'a str>, list: &[&'a str]) -> &'a str {
    match value {
        None | Some("") => "unknown",
        Some(value) if list.contains(&value) => value,
        Some(_) => "other",
    }
}

/// Series as /metrics shows them.
pub struct Truth {
    pack: &'static str,
    pub series: BTreeMap<String, f64>,
    /// What is there, and too small to be shown.
    withheld: BTreeSet<String>,
}

impl Truth {
    pub fn of(pack: &'static str) -> Truth {
        Truth { pack, series: BTreeMap::new(), withheld: BTreeSet::new() }
    }

    pub fn add(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        *self.series.entry(self.key(name, labels)).or_default() += value;
    }

    pub fn set(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        self.series.insert(self.key(name, labels), value);
    }

    /// A group: shown, unless there is a chance to recognise somebody in it.
    pub fn group(&mut self, name: &str, labels: &[(&str, &str)], size: i64) {
        if size >= SMALL {
            self.set(name, labels, size as f64);
        } else {
            self.withheld.insert(self.key(name, labels));
        }
    }

    /// The zeros of a family with lists: a value that no series has, once, the other labels at their first values.
    pub fn zeros(&mut self, name: &str, fixed: &[(&str, &str)], lists: &[(&str, &[&str])]) {
        for (label, list) in lists {
            for value in *list {
                let has = |key: &String| {
                    let parts = || fixed.iter().map(|(l, v)| (*l, *v)).chain([(*label, *value)]);
                    key.starts_with(&format!("{name}{{")) && parts().all(|(l, v)| key.contains(&format!("{l}=\"{v}\"")))
                };
                if !self.series.keys().chain(&self.withheld).any(has) {
                    let others =
                        lists.iter().filter(|(other, _)| other != label).map(|(other, list)| (*other, list[0]));
                    let labels: Vec<(&str, &str)> =
                        fixed.iter().copied().chain(others).chain([(*label, *value)]).collect();
                    self.add(name, &labels, 0.0);
                }
            }
        }
    }

    fn key(&self, name: &str, labels: &[(&str, &str)]) -> String {
        let mut labels: Vec<(&str, &str)> = labels.iter().copied().chain([("pack", self.pack)]).collect();
        labels.sort_unstable();
        let labels: Vec<String> = labels.iter().map(|(label, value)| format!("{label}=\"{value}\"")).collect();
        format!("{name}{{{}}}", labels.join(","))
    }
}
