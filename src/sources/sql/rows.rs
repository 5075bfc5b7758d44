//! From rows to series: labels, merging, small groups, zeros.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::tenants::Roster;
use crate::config::{Column, Label, LabelPlace, LabelRule, MINIMUM_GROUP, Merge, Pack, Query, Values, Window};
use crate::metrics::LabelText;
use crate::sources::business::{Block, Labeller, Number, Series, Tops, matching};
use crate::sources::db::Answer;
use crate::sources::{Failure, Reason};

const OTHER: &str = "other";
/// The same fault in many rows is said so often.
const MAX_FAULTS: usize = 5;

/// The values of the labels of one series, tenant and window first.
pub type Key = Vec<Arc<str>>;

/// What one series has come to.
#[derive(Clone, Copy)]
struct Sum {
    value: f64,
    /// Of how many people or things it tells, where the query says.
    group: f64,
}

const ZERO: Sum = Sum { value: 0.0, group: 0.0 };

/// All series of one sample of a query.
pub struct Sheet<'a> {
    pack: &'a Pack,
    query: &'a Query,
    roster: Option<&'a Roster>,
    columns: Vec<HashMap<Key, Sum>>,
    /// Each text once.
    words: HashMap<String, Arc<str>>,
    pub faults: Vec<Failure>,
    /// Groups that were too small.
    pub withheld: u64,
    /// Values that looked like a person.
    pub refused: u64,
}

impl<'a> Sheet<'a> {
    pub fn new(pack: &'a Pack, query: &'a Query, roster: Option<&'a Roster>) -> Sheet<'a> {
        let columns = query.values.iter().map(|_| HashMap::new()).collect();
        Sheet { pack, query, roster, columns, words: HashMap::new(), faults: Vec::new(), withheld: 0, refused: 0 }
    }

    fn word(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.words.get(text) {
            return Arc::clone(known);
        }
        let word: Arc<str> = text.into();
        self.words.insert(text.to_owned(), Arc::clone(&word));
        word
    }

    fn complain(&mut self, text: impl std::fmt::Display) {
        if self.faults.len() < MAX_FAULTS {
            let fault = Failure::new(Reason::Answer, text);
            if !self.faults.contains(&fault) {
                self.faults.push(fault);
            }
        }
    }

    /// Adds the rows of one window; `is_of` says whose they may be.
    pub fn add(
        &mut self,
        window: Option<Window>,
        rows: &[Answer],
        is_of: impl Fn(&str) -> bool,
    ) -> Result<(), Failure> {
        if let Some(row) = rows.first() {
            self.check(row)?;
        }
        // What is large for one tenant may be small beside another's.
        let mut tops: HashMap<Arc<str>, Vec<Tops>> = HashMap::new();
        let mut order: Vec<&Answer> = rows.iter().collect();
        if self.query.labels.iter().any(is_open) {
            // The largest have labels of their own.
            let columns = &self.query.values;
            let size = |row: &Answer| columns.iter().find_map(|column| row.number(&column.column)).unwrap_or(0.0);
            order.sort_by(|a, b| size(b).total_cmp(&size(a)));
        }
        for row in order {
            let Some(tenant) = self.tenant(row, &is_of) else { continue };
            let of_tenant = tops.entry(Arc::clone(&tenant)).or_default();
            of_tenant.resize_with(self.query.labels.len(), Tops::new);
            let Some(labels) = self.labels(row, of_tenant) else { continue };
            self.count(row, &tenant, window, &labels);
        }
        Ok(())
    }

    /// Whether the answer has the columns that are asked for.
    fn check(&self, row: &Answer) -> Result<(), Failure> {
        let tenant = self.query.has_tenant.then_some("tenant");
        let labels = self.query.labels.iter().filter_map(|label| match &label.rule {
            LabelRule::From(from) => Some(from.name.as_str()),
            _ => None,
        });
        let values = self.query.values.iter().map(|column| column.column.as_str());
        let mut wanted = tenant.into_iter().chain(labels).chain(values).chain(self.query.group_size.as_deref());
        match wanted.find(|column| !row.has(column)) {
            Some(column) => Err(Failure::new(Reason::Answer, format_args!("there is no column {column}"))),
            None => Ok(()),
        }
    }

    /// The tenant's label; None for rows that do not count here.
    fn tenant(&mut self, row: &Answer, is_of: &impl Fn(&str) -> bool) -> Option<Arc<str>> {
        if !self.query.has_tenant {
            return Some(self.word(""));
        }
        let id = row.text("tenant").unwrap_or_default();
        if !is_of(id) {
            return None;
        }
        match self.roster.and_then(|roster| roster.known.get(id)) {
            Some(tenant) if tenant.medical && !self.query.medical => None,
            Some(tenant) => Some(Arc::clone(&tenant.label)),
            // Whose tenant nobody knows may be anybody's patients.
            None if !self.query.medical => None,
            None => Some(self.word(OTHER)),
        }
    }

    fn labels(&mut self, row: &Answer, tops: &mut [Tops]) -> Option<Vec<Arc<str>>> {
        let raw = |name: &str| row.text(name).map(Cow::Borrowed);
        let mut labeller = Labeller { raw, at: None, refused: 0 };
        let mut labels = Vec::with_capacity(self.query.labels.len());
        let query = self.query;
        for (label, tops) in query.labels.iter().zip(tops) {
            let value = labeller.value(&label.rule, |value, most| matching(tops, value, most));
            labels.push(value);
        }
        self.refused += labeller.refused;
        labels.into_iter().map(|label| label.map(|label| self.word(&label))).collect()
    }

    fn count(&mut self, row: &Answer, tenant: &Arc<str>, window: Option<Window>, labels: &[Arc<str>]) {
        let query = self.query;
        let group = query.group_size.as_deref().map_or(f64::INFINITY, |column| row.number(column).unwrap_or(0.0));
        let window = self.word(window.map_or("", Window::name));
        for (at, column) in query.values.iter().enumerate() {
            let Some(text) = row.text(&column.column) else { continue };
            let Some(value) = text.parse().ok().filter(|value: &f64| value.is_finite()) else {
                let shown: String = text.chars().take(20).collect();
                self.complain(format_args!("column {}: {shown:?} is no number", column.column));
                continue;
            };
            let empty = self.word("");
            let place = |place: &Option<LabelPlace>| match place {
                Some(LabelPlace::Window) => Arc::clone(&window),
                Some(LabelPlace::Label(at)) => labels.get(*at).map_or_else(|| Arc::clone(&empty), Arc::clone),
                Some(LabelPlace::Fixed(value)) => value.as_str().into(),
                None => Arc::clone(&empty),
            };
            let is_other = **tenant == *OTHER || labels.iter().any(|label| **label == *OTHER);
            if column.merge == Merge::Keep && is_other {
                continue;
            }
            let key: Key = std::iter::once(Arc::clone(tenant)).chain(column.places.iter().map(place)).collect();
            let sum = Sum { value, group };
            self.columns[at]
                .entry(key)
                .and_modify(|before| *before = merged(column.merge, query.group_merge, *before, sum))
                .or_insert(sum);
        }
    }

    /// The series, without groups that are too small and with the zeros that are wanted; `last` are counters' values before.
    pub fn finish(mut self, windows: &[Option<Window>], last: &mut HashMap<Key, f64>) -> Finished {
        let minimum = self.pack.minimum_group as f64;
        let medical = self.medical();
        let is_small = |key: &Key, sum: &Sum| {
            let minimum = if medical.contains(&key[0]) { minimum.max(MINIMUM_GROUP as f64) } else { minimum };
            sum.group > 0.0 && sum.group < minimum
        };
        let mut blocks = Vec::new();
        for (at, column) in self.query.values.iter().enumerate() {
            let mut series = std::mem::take(&mut self.columns[at]);
            if self.query.zeros && column.merge == Merge::Sum {
                self.zeros(column, windows, &mut series);
            }
            let small = series.iter().filter(|(key, sum)| is_small(key, sum)).count() as u64;
            self.withheld += if at == 0 { small } else { 0 };
            series.retain(|key, sum| !is_small(key, sum));
            if column.metric.family.kind == crate::numbers::Kind::Counter {
                self.only_grow(column, &mut series, last);
            }
            blocks.push(Block { family: column.metric.family, series: self.rendered(column, series) });
        }
        Finished { blocks, faults: self.faults, withheld: self.withheld, refused: self.refused }
    }

    fn only_grow(&mut self, column: &Column, series: &mut HashMap<Key, Sum>, last: &mut HashMap<Key, f64>) {
        for (key, sum) in series.iter_mut() {
            let whole: Key = std::iter::once(column.column.as_str().into()).chain(key.iter().cloned()).collect();
            let before = last.entry(whole).or_insert(sum.value);
            if sum.value < *before {
                let text = format!("column {}: a counter has fallen from {before} to {}", column.column, sum.value);
                self.complain(text);
                sum.value = *before;
            }
            *before = sum.value;
        }
    }

    fn rendered(&self, column: &Column, series: HashMap<Key, Sum>) -> Vec<Series> {
        let names = column.metric.family.labels;
        let pack = self.pack.name.as_str();
        let mut all: Vec<(Key, Sum)> = series.into_iter().collect();
        all.sort_by(|a, b| a.0.cmp(&b.0));
        let render = |(key, sum): (Key, Sum)| {
            let values = std::iter::once(pack).chain(key.iter().map(|value| &**value)).collect::<Vec<_>>();
            let labels = LabelText::new(names.iter().copied().zip(values));
            Series { labels, number: Number::Plain(sum.value) }
        };
        all.into_iter().map(render).collect()
    }

    /// Sees to it that each listed value of each label is there once, for each tenant and window.
    fn zeros(&mut self, column: &Column, windows: &[Option<Window>], series: &mut HashMap<Key, Sum>) {
        let mut lists = Vec::new();
        for place in &column.places {
            let declared = match place {
                Some(LabelPlace::Label(at)) => self.query.labels[*at].rule.declared(),
                Some(LabelPlace::Fixed(value)) => vec![value.clone()],
                Some(LabelPlace::Window) | None => vec![String::new()],
            };
            lists.push(declared.iter().map(|value| self.word(value)).collect::<Vec<_>>());
        }
        // A label that may have any value has none that is known to be missing.
        if lists.iter().any(Vec::is_empty) {
            return;
        }
        let at_window = column.places.iter().position(|place| *place == Some(LabelPlace::Window));
        let window_of = |key: &Key| at_window.map(|at| Arc::clone(&key[at + 1]));
        let mut seen = HashSet::new();
        for key in series.keys() {
            for (at, value) in key.iter().enumerate() {
                seen.insert((Arc::clone(&key[0]), window_of(key), at, Arc::clone(value)));
            }
        }
        let first: Key = lists.iter().map(|list| Arc::clone(&list[0])).collect();
        for tenant in self.everybody() {
            for window in windows {
                let mut base = [&[Arc::clone(&tenant)], first.as_slice()].concat();
                if let Some(at) = at_window {
                    base[at + 1] = self.word(window.map_or("", Window::name));
                }
                let of = window_of(&base);
                for (at, list) in lists.iter().enumerate().filter(|(at, _)| Some(*at) != at_window) {
                    let is_there = |value: &&Arc<str>| {
                        !seen.contains(&(Arc::clone(&tenant), of.clone(), at + 1, Arc::clone(value)))
                    };
                    for value in list.iter().filter(is_there) {
                        let mut key = base.clone();
                        key[at + 1] = Arc::clone(value);
                        series.entry(key).or_insert(ZERO);
                    }
                }
                if !seen.contains(&(Arc::clone(&tenant), of, 0, Arc::clone(&tenant))) {
                    series.entry(base).or_insert(ZERO);
                }
            }
        }
    }

    /// The labels of those who treat patients.
    fn medical(&self) -> HashSet<Arc<str>> {
        let known = self.roster.into_iter().flat_map(|roster| roster.known.values());
        known.filter(|tenant| tenant.medical).map(|tenant| Arc::clone(&tenant.label)).collect()
    }

    /// The labels of all tenants that this query tells of.
    fn everybody(&mut self) -> Vec<Arc<str>> {
        let (true, Some(roster)) = (self.query.has_tenant, self.roster) else {
            return vec![self.word("")];
        };
        let is_shown = |label: &&Arc<str>| {
            self.query.medical || roster.known.values().any(|tenant| tenant.label == **label && !tenant.medical)
        };
        roster.labels.iter().filter(is_shown).cloned().collect()
    }
}

/// What a sample has come to.
pub struct Finished {
    pub blocks: Vec<Block>,
    pub faults: Vec<Failure>,
    pub withheld: u64,
    pub refused: u64,
}

/// Whether a label may have any value.
fn is_open(label: &Label) -> bool {
    matches!(&label.rule, LabelRule::From(from) if matches!(from.values, Values::Top(_)))
}

fn merged(values: Merge, groups: Merge, before: Sum, new: Sum) -> Sum {
    let merge = |merge: Merge, before: f64, new: f64| match merge {
        Merge::Sum => before + new,
        Merge::Max => before.max(new),
        Merge::Min => before.min(new),
        Merge::Keep => before,
    };
    Sum { value: merge(values, before.value, new.value), group: merge(groups, before.group, new.group) }
}
