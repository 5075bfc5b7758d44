//! What the generators of packs have in common: chance, times, windows, and the series that have to be shown.

use std::collections::BTreeMap;
use std::fmt::Write as _;

pub const DAY: i64 = 86_400;
/// For so long after `now` the truth stays true: nothing happens that near behind a whole number of days ago.
pub const LASTS: i64 = 900;

/// SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014).
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    pub fn within(&mut self, from: i64, to: i64) -> i64 {
        from + (self.next() % (to - from) as u64) as i64
    }

    /// True once in `times`.
    pub fn once_in(&mut self, times: u64) -> bool {
        self.next().is_multiple_of(times)
    }

    pub fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    /// A text, none where it is "NULL".
    pub fn word(&mut self, of: &[&'static str]) -> Option<&'static str> {
        Some(self.pick(of)).filter(|word| *word != "NULL")
    }

    /// A time, mostly of the last days, now and then years ago or ahead.
    pub fn time(&mut self, now: i64) -> i64 {
        let (from, to) = self.pick(&[
            (0, 1),
            (0, 2),
            (0, 7),
            (0, 14),
            (0, 30),
            (0, 60),
            (30, 90),
            (60, 200),
            (90, 380),
            (200, 760),
            (-3, 0),
        ]);
        settled(now - self.within(from * DAY, to * DAY), now)
    }
}

/// Keeps away from the edges of windows that move with the clock.
pub fn settled(time: i64, now: i64) -> i64 {
    match (time - now).rem_euclid(DAY) {
        0..LASTS => time - LASTS,
        _ => time,
    }
}

/// Days since 1970 to year, month, day, and back (H. Hinnant: chrono-compatible low-level date algorithms).
pub fn civil(days: i64) -> (i64, i64, i64) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    (yoe + era * 400 + i64::from(month <= 2), month, doy - (153 * mp + 2) / 5 + 1)
}

pub fn days(year: i64, month: i64, day: i64) -> i64 {
    let y = year - i64::from(month <= 2);
    let era = y.div_euclid(400);
    let yoe = y.rem_euclid(400);
    let doy = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
    era * 146_097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719_468
}

/// `2026-11-22 07:00:00`, UTC.
pub fn stamp(time: i64) -> String {
    let (year, month, day) = civil(time.div_euclid(DAY));
    let second = time.rem_euclid(DAY);
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60)
}

/// Zones whose offset does not change, and London.
const ZONES: [(&str, i64); 9] = [
    ("UTC", 0),
    ("Europe/London", 0),
    ("Africa/Lagos", 3600),
    ("Asia/Kolkata", 19_800),
    ("Asia/Kathmandu", 20_700),
    ("Asia/Tokyo", 32_400),
    ("Pacific/Kiritimati", 50_400),
    ("America/Phoenix", -25_200),
    ("Pacific/Pago_Pago", -39_600),
];

/// Those that have no midnight soon.
pub fn zones(now: i64) -> Vec<&'static str> {
    let is_calm = |zone: &&str| {
        let second = (now + offset(zone, now)).rem_euclid(DAY);
        (10..DAY - LASTS - 300).contains(&second)
    };
    ZONES.iter().map(|(zone, _)| *zone).filter(is_calm).collect()
}

/// Seconds east of UTC.
pub fn offset(zone: &str, at: i64) -> i64 {
    if zone == "Europe/London" {
        // Summer time: from 01:00 UTC of the last Sunday of March until that of October (directive 2000/84/EC, and the UK's order of 2002).
        let (year, ..) = civil(at.div_euclid(DAY));
        let last_sunday = |month| {
            let last = days(year, month, 31);
            (last - (last + 4).rem_euclid(7)) * DAY + 3600
        };
        return if (last_sunday(3)..last_sunday(10)).contains(&at) { 3600 } else { 0 };
    }
    ZONES.iter().find(|(name, _)| *name == zone).expect("a zone of the list").1
}

/// When a day begins where a zone is.
pub fn midnight(zone: &str, local_day: i64) -> i64 {
    let near = local_day * DAY - offset(zone, local_day * DAY);
    local_day * DAY - offset(zone, near)
}

pub fn local_day(zone: &str, at: i64) -> i64 {
    (at + offset(zone, at)).div_euclid(DAY)
}

#[derive(Clone, Copy)]
pub struct Window {
    pub name: &'static str,
    pub from: i64,
    pub to: i64,
}

impl Window {
    pub fn has(&self, time: i64) -> bool {
        self.from <= time && time < self.to
    }
}

/// The windows of these names, as they are at `now` where `zone` is.
pub fn windows(names: &[&'static str], zone: &str, now: i64) -> Vec<Window> {
    let today = local_day(zone, now);
    let (year, month, _) = civil(today);
    let window = |name: &'static str| {
        let (from, to) = match name {
            "today" => (midnight(zone, today), now),
            "yesterday" => (midnight(zone, today - 1), midnight(zone, today)),
            "month" => (midnight(zone, days(year, month, 1)), now),
            "24h" => (now - DAY, now),
            "prev_24h" => (now - 2 * DAY, now - DAY),
            _ => {
                let count: i64 =
                    name.trim_start_matches("prev_").trim_end_matches('d').parse().expect("a number of days");
                let to = if name.starts_with("prev_") { now - count * DAY } else { now };
                (to - count * DAY, to)
            }
        };
        Window { name, from, to }
    };
    names.iter().map(|name| window(name)).collect()
}

/// What a listed label makes of a text.
pub fn listed<'a>(text: Option<&'a str>, list: &[&str], missing: &'a str) -> &'a str {
    match text {
        None | Some("") => missing,
        Some(text) if list.contains(&text) => text,
        Some(_) => "other",
    }
}

/// What a label of any value makes of it; the generators have one telephone number and one long text among theirs.
pub fn any(text: Option<&str>) -> &str {
    match text {
        None | Some("") => "unknown",
        Some(text) if text.starts_with('+') || text.split(' ').count() > 5 => "other",
        Some(text) => text,
    }
}

/// Series by name and labels.
pub struct Truth {
    pack: &'static str,
    /// Value, and of how many it tells where small groups are withheld.
    series: BTreeMap<String, (f64, Option<usize>)>,
}

impl Truth {
    pub fn new(pack: &'static str) -> Truth {
        Truth { pack, series: BTreeMap::new() }
    }

    fn key(&self, family: &str, labels: &[(&str, &str)]) -> String {
        let mut all: Vec<(&str, &str)> = labels.iter().copied().filter(|(_, value)| !value.is_empty()).collect();
        all.push(("pack", self.pack));
        all.sort_unstable();
        let mut key = format!("{family}{{");
        for (at, (name, value)) in all.iter().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            write!(key, "{comma}{name}=\"{value}\"").expect("a text");
        }
        key + "}"
    }

    /// Adds to a series.
    pub fn add(&mut self, family: &str, labels: &[(&str, &str)], value: f64) {
        self.series.entry(self.key(family, labels)).or_default().0 += value;
    }

    /// Adds to a series of which small groups are withheld.
    pub fn add_group(&mut self, family: &str, labels: &[(&str, &str)], value: f64, group: usize) {
        let series = self.series.entry(self.key(family, labels)).or_default();
        series.0 += value;
        series.1 = Some(series.1.unwrap_or_default() + group);
    }

    pub fn max(&mut self, family: &str, labels: &[(&str, &str)], value: f64) {
        let series = self.series.entry(self.key(family, labels)).or_insert((value, None));
        series.0 = series.0.max(value);
    }

    pub fn finish(self, minimum_group: usize) -> BTreeMap<String, f64> {
        let is_shown = |group: &Option<usize>| group.is_none_or(|group| group == 0 || group >= minimum_group);
        self.series
            .into_iter()
            .filter(|(_, (_, group))| is_shown(group))
            .map(|(key, (value, _))| (key, value))
            .collect()
    }
}

/// Rows in COPY's text format.
#[derive(Default)]
pub struct Rows(pub String);

impl Rows {
    pub fn row(&mut self, cells: &[&dyn Cell]) {
        for (at, cell) in cells.iter().enumerate() {
            if at > 0 {
                self.0.push('\t');
            }
            cell.write(&mut self.0);
        }
        self.0.push('\n');
    }
}

pub trait Cell {
    fn write(&self, out: &mut String);
}

impl Cell for i64 {
    fn write(&self, out: &mut String) {
        write!(out, "{self}").expect("a text");
    }
}

impl Cell for &str {
    fn write(&self, out: &mut String) {
        out.push_str(&self.replace('\\', "\\\\").replace('\t', "\\t").replace('\n', "\\n"));
    }
}

impl Cell for String {
    fn write(&self, out: &mut String) {
        self.as_str().write(out);
    }
}

/// Unix seconds as a time stamp.
pub struct At(pub i64);

impl Cell for At {
    fn write(&self, out: &mut String) {
        out.push_str(&stamp(self.0));
    }
}

/// Hundredths as a decimal number.
pub struct Cents(pub i64);

impl Cell for Cents {
    fn write(&self, out: &mut String) {
        let sign = if self.0 < 0 { "-" } else { "" };
        write!(out, "{sign}{}.{:02}", self.0.abs() / 100, self.0.abs() % 100).expect("a text");
    }
}

impl<T: Cell> Cell for Option<T> {
    fn write(&self, out: &mut String) {
        match self {
            Some(cell) => cell.write(out),
            None => out.push_str("\\N"),
        }
    }
}
