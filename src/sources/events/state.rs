//! What events have come to: series, deliveries, tracks. Changed by entries alone, so that a restart finds it as it was.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use foldhash::fast::RandomState;
use jiff::Zoned;

use super::entry::{Entry, Members, Track};
use crate::config::{Metric, PERIOD, Vocabulary};
use crate::generations::Generations;
use crate::metrics::LabelText;
use crate::numbers::{Histogram, Kind};
use crate::sources::business::{Block, Number, Series, Tops};
use crate::time::Timestamp;

const OTHER: &str = "other";
/// Where the tenants of a pack stand among the places of values that labels have taken.
pub const TENANT_PLACE: usize = usize::MAX;

/// One series; its number is its place.
struct Row {
    family: String,
    /// None: the packs that are included now do not know it. It is kept for the day when they do.
    metric: Option<Metric>,
    labels: Vec<Arc<str>>,
    cell: Cell,
}

enum Cell {
    Number(f64),
    Histogram(Histogram),
    Distinct {
        period: i32,
        members: Members,
    },
    /// A histogram that nobody knows the bounds of.
    Buckets {
        counts: Vec<u64>,
        sum: f64,
    },
}

/// Everything that is kept.
pub struct State {
    vocabulary: Vocabulary,
    rows: Vec<Row>,
    places: HashMap<(String, Vec<Arc<str>>), u32, RandomState>,
    words: HashMap<String, Arc<str>, RandomState>,
    /// What labels of any value have taken, by family, tenant and place.
    tops: HashMap<(String, Arc<str>, usize), Tops, RandomState>,
    delivered: Generations<u128, ()>,
    pub tracks: HashMap<u128, Track, RandomState>,
    /// When each track has been silent for too long, milliseconds.
    deadlines: BTreeSet<(i64, u128)>,
    /// After how long that is, by rule.
    idle: HashMap<u64, i64>,
    pub secret: Option<[u8; 32]>,
    max_series: usize,
    /// How often a series became `other` because there were too many.
    pub overflow: u64,
}

/// What bounds a state.
pub struct Bounds {
    pub max_series: usize,
    pub max_deliveries: usize,
    pub delivery_memory_nanos: i64,
}

impl State {
    pub fn new(vocabulary: Vocabulary, bounds: &Bounds, idle: HashMap<u64, i64>) -> State {
        State {
            vocabulary,
            rows: Vec::new(),
            places: HashMap::default(),
            words: HashMap::default(),
            tops: HashMap::default(),
            delivered: Generations::new(bounds.max_deliveries, bounds.delivery_memory_nanos),
            tracks: HashMap::default(),
            deadlines: BTreeSet::new(),
            idle,
            secret: None,
            max_series: bounds.max_series,
            overflow: 0,
        }
    }

    fn word(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.words.get(text) {
            return Arc::clone(known);
        }
        let word: Arc<str> = text.into();
        self.words.insert(text.to_owned(), Arc::clone(&word));
        word
    }

    /// The number of a series, which begins where it is not there; past the budget its open labels are `other`.
    pub fn series(&mut self, metric: Metric, labels: &[&str], open: &[bool], out: &mut Vec<Entry>) -> u32 {
        let mut words: Vec<Arc<str>> = labels.iter().map(|label| self.word(label)).collect();
        let mut key = (metric.family.name.to_owned(), words.clone());
        if let Some(place) = self.places.get(&key) {
            return *place;
        }
        if self.rows.len() >= self.max_series {
            let other = self.word(OTHER);
            for (word, _) in words.iter_mut().zip(open).filter(|(_, is_open)| **is_open) {
                *word = Arc::clone(&other);
            }
            self.overflow += 1;
            key.1.clone_from(&words);
            if let Some(place) = self.places.get(&key) {
                return *place;
            }
        }
        let labels = words.iter().map(|word| word.to_string()).collect();
        self.does(Entry::Series { family: key.0, labels }, out);
        self.rows.len() as u32 - 1
    }

    /// Whether a value of a label of any value has a series of its own.
    pub fn top(&mut self, family: &str, tenant: &str, place: usize, value: &str, most: usize) -> bool {
        let tenant = self.word(tenant);
        let tops = self.tops.entry((family.to_owned(), tenant, place)).or_default();
        crate::sources::business::matching(tops, value, most)
    }

    /// Changes the state, and notes what is to be written.
    pub fn does(&mut self, entry: Entry, out: &mut Vec<Entry>) {
        out.push(entry.clone());
        self.apply(entry);
    }

    pub fn apply(&mut self, entry: Entry) {
        match entry {
            Entry::Series { family, labels } => self.begin(family, &labels),
            Entry::Add { series, value } => self.number(series, |number| *number += value),
            Entry::Set { series, value } => self.number(series, |number| *number = value),
            Entry::Observe { series, value } => {
                if let Some(Cell::Histogram(histogram)) = self.cell(series) {
                    histogram.observe(value);
                }
            }
            Entry::Distinct { series, period, hash } => {
                if let Some(Cell::Distinct { period: own, members }) = self.cell(series) {
                    if period > *own {
                        (*own, *members) = (period, Members::default());
                    }
                    if period == *own {
                        members.insert(hash);
                    }
                }
            }
            Entry::Delivered { at, id } => self.deliver(at, id),
            Entry::Deliveries { at, ids } => ids.into_iter().for_each(|id| self.deliver(at, id)),
            Entry::Track { key, track } => self.follow(key, track.map(|track| *track)),
            Entry::Buckets { series, counts, sum } => {
                if let Some(row) = self.rows.get_mut(series as usize) {
                    let known = row.metric.and_then(|metric| Histogram::restored(metric.bounds, &counts, sum));
                    row.cell = known.map_or(Cell::Buckets { counts, sum }, Cell::Histogram);
                }
            }
            Entry::Members { series, period, members } => {
                if let Some(row) = self.rows.get_mut(series as usize) {
                    row.cell = Cell::Distinct { period, members };
                }
            }
            Entry::Secret(secret) => self.secret = Some(secret),
        }
    }

    fn begin(&mut self, family: String, labels: &[String]) {
        let labels: Vec<Arc<str>> = labels.iter().map(|label| self.word(label)).collect();
        let known = self.vocabulary.get(&family);
        let metric = known.filter(|metric| metric.family.labels.len() == labels.len());
        let cell = match metric {
            Some(metric) if metric.family.kind == Kind::Histogram => Cell::Histogram(Histogram::new(metric.bounds)),
            Some(metric) if metric.labels().contains(&PERIOD) => {
                Cell::Distinct { period: i32::MIN, members: Members::default() }
            }
            _ => Cell::Number(0.0),
        };
        for (place, label) in labels.iter().enumerate().filter(|(_, label)| ***label != *OTHER) {
            let tenant = labels.get(1).map_or_else(|| Arc::clone(label), Arc::clone);
            self.tops.entry((family.clone(), tenant, place)).or_default().insert(label.to_string());
        }
        if let [pack, tenant, ..] = labels.as_slice() {
            let nobody = self.word("");
            self.tops.entry((pack.to_string(), nobody, TENANT_PLACE)).or_default().insert(tenant.to_string());
        }
        self.places.insert((family.clone(), labels.clone()), self.rows.len() as u32);
        self.rows.push(Row { family, metric, labels, cell });
    }

    fn deliver(&mut self, at: i64, id: u128) {
        let at = Timestamp::from_nanos(at.saturating_mul(1_000_000_000));
        self.delivered.turn(at);
        self.delivered.put(id, ());
    }

    fn cell(&mut self, series: u32) -> Option<&mut Cell> {
        self.rows.get_mut(series as usize).map(|row| &mut row.cell)
    }

    fn number(&mut self, series: u32, change: impl FnOnce(&mut f64)) {
        match self.cell(series) {
            Some(Cell::Number(number)) => change(number),
            // A gauge with the label period that somebody sets.
            Some(cell @ Cell::Distinct { period: i32::MIN, .. }) => {
                let mut number = 0.0;
                change(&mut number);
                *cell = Cell::Number(number);
            }
            _ => {}
        }
    }

    fn follow(&mut self, key: u128, track: Option<Track>) {
        if let Some(before) = self.tracks.remove(&key) {
            self.deadlines.remove(&(self.deadline(&before), key));
        }
        // Whose rule is gone, nobody can end.
        if let Some(track) = track.filter(|track| self.idle.contains_key(&track.rule)) {
            self.deadlines.insert((self.deadline(&track), key));
            self.tracks.insert(key, track);
        }
    }

    fn deadline(&self, track: &Track) -> i64 {
        track.last.saturating_add(self.idle.get(&track.rule).copied().unwrap_or(0))
    }

    /// The track that has been silent for longest, if that was too long at `now`.
    pub fn silent(&self, now: i64) -> Option<u128> {
        self.deadlines.first().filter(|(deadline, _)| *deadline <= now).map(|(_, key)| *key)
    }

    /// The track that will be the first to have been silent for too long.
    pub fn most_silent(&self) -> Option<u128> {
        self.deadlines.first().map(|(_, key)| *key)
    }

    pub fn is_delivered(&self, id: u128) -> bool {
        self.delivered.get(&id).is_some()
    }

    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Everything, as entries that make it again.
    pub fn entries(&self) -> Vec<Entry> {
        let mut all: Vec<Entry> = self.secret.map(Entry::Secret).into_iter().collect();
        for (number, row) in self.rows.iter().enumerate() {
            let series = number as u32;
            let labels = row.labels.iter().map(|label| label.to_string()).collect();
            all.push(Entry::Series { family: row.family.clone(), labels });
            all.push(match &row.cell {
                Cell::Number(value) => Entry::Set { series, value: *value },
                Cell::Distinct { period, members } => {
                    Entry::Members { series, period: *period, members: members.clone() }
                }
                Cell::Histogram(histogram) => {
                    let counts = histogram.buckets().map(|(_, count)| count).collect();
                    Entry::Buckets { series, counts, sum: histogram.sum() }
                }
                Cell::Buckets { counts, sum } => Entry::Buckets { series, counts: counts.clone(), sum: *sum },
            });
        }
        let at = self.delivered.turned().nanos() / 1_000_000_000;
        all.push(Entry::Deliveries { at, ids: self.delivered.keys().copied().collect() });
        let tracks = self.tracks.iter();
        all.extend(tracks.map(|(key, track)| Entry::Track { key: *key, track: Some(Box::new(track.clone())) }));
        all
    }

    /// The series as they are shown; `period` is the number of a period now, by the pack and its name.
    pub fn blocks(&self, period: impl Fn(&str, &str) -> i32) -> Vec<Block> {
        let mut blocks: HashMap<&'static str, Block> = HashMap::new();
        for row in &self.rows {
            let Some(metric) = row.metric else { continue };
            let number = match &row.cell {
                Cell::Number(number) => Number::Plain(*number),
                Cell::Histogram(histogram) => Number::Histogram(Box::new(histogram.clone())),
                Cell::Distinct { period: own, members } => {
                    let place = metric.family.labels.iter().position(|label| *label == PERIOD);
                    let name = place.map_or("", |place| &*row.labels[place]);
                    // A period in which nobody has come yet.
                    let is_now = *own == period(&row.labels[0], name);
                    Number::Plain(if is_now { members.count() as f64 } else { 0.0 })
                }
                Cell::Buckets { .. } => continue,
            };
            let values = row.labels.iter().map(|label| &**label).collect::<Vec<_>>();
            let labels = LabelText::new(metric.family.labels.iter().copied().zip(values));
            let block =
                blocks.entry(metric.family.name).or_insert_with(|| Block { family: metric.family, series: Vec::new() });
            block.series.push(Series { labels, number });
        }
        blocks.into_values().collect()
    }
}

/// The number of the period that a time is in: days and weeks since the first of January 1970, months since the year 0.
pub fn period(name: &str, at: &Zoned) -> i32 {
    let date = at.date();
    let epoch = jiff::civil::date(1970, 1, 1);
    let days = date.since(epoch).map_or(0, |span| span.get_days());
    match name {
        // The first Monday was the fifth.
        "week" => (days - 4).div_euclid(7),
        "month" => i32::from(date.year()) * 12 + i32::from(date.month()),
        _ => days,
    }
}

/// Names of periods.
pub const PERIODS: [&str; 3] = ["day", "week", "month"];
