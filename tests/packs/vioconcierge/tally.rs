//! From rows to series, as docs/packs.md says it: labels, merging, small groups, zeros.

use std::collections::{BTreeMap, BTreeSet};

use super::World;

/// Every series and its value.
pub type Truth = BTreeMap<String, f64>;

/// How the value of a label comes about.
#[derive(Clone)]
pub enum Rule {
    Fixed(&'static str),
    /// Only these, others are `other`; what is missing.
    Listed(&'static [&'static str], &'static str),
    /// Only these; others, and what is missing, are `unknown`.
    Closed(&'static [&'static str]),
    Mapped(&'static [(&'static str, &'static str)]),
    /// The first so many of each tenant's largest rows.
    Top(usize),
}

/// Which group a row tells of.
#[derive(Clone, Copy, PartialEq)]
pub enum Group {
    None,
    /// The row itself.
    Row,
    /// All rows of the tenant and window.
    Tenant,
}

/// What a query shows.
pub struct Query {
    pub labels: Vec<(&'static str, Rule)>,
    pub group: Group,
    pub zeros: bool,
    /// Not of medical tenants, nor of those that nobody knows.
    pub not_medical: bool,
    /// Families and their labels, one a value.
    pub families: Vec<(&'static str, &'static [&'static str])>,
}

/// What is known of one row: how many things it was made of, and its values.
#[derive(Clone, Default)]
struct Row {
    count: f64,
    values: Vec<Option<f64>>,
}

/// The rows of one window, by tenant and the texts of the labels.
#[derive(Default)]
pub struct Rows(BTreeMap<(usize, Vec<Option<String>>), Row>);

impl Rows {
    /// Adds one thing; a value that is None adds nothing to what there is.
    pub fn add(&mut self, tenant: usize, texts: &[Option<&str>], values: &[Option<f64>]) {
        // An empty text says as little as none.
        let texts = texts.iter().map(|text| text.filter(|text| !text.is_empty()).map(str::to_owned)).collect();
        let row = self.0.entry((tenant, texts)).or_default();
        row.count += 1.0;
        row.values.resize(values.len(), None);
        for (sum, value) in row.values.iter_mut().zip(values) {
            *sum = match (*sum, *value) {
                (Some(sum), Some(value)) => Some(sum + value),
                (sum, value) => sum.or(value),
            };
        }
    }
}

#[derive(Clone, Copy)]
struct Sum {
    value: f64,
    group: f64,
}

impl Query {
    /// Adds the series of one window, or of none.
    pub fn show(&self, world: &World, window: Option<&str>, rows: &Rows, truth: &mut Truth) {
        let mut of_tenant: BTreeMap<usize, f64> = BTreeMap::new();
        rows.0.iter().for_each(|((tenant, _), row)| *of_tenant.entry(*tenant).or_default() += row.count);
        let mut order: Vec<_> = rows.0.iter().filter(|((tenant, _), _)| self.is_shown(world, *tenant)).collect();
        order.sort_by(|a, b| b.1.values[0].unwrap_or(0.0).total_cmp(&a.1.values[0].unwrap_or(0.0)));
        let mut tops: BTreeMap<usize, Vec<BTreeSet<String>>> = BTreeMap::new();
        let mut sums: Vec<BTreeMap<(String, Vec<String>), Sum>> = vec![BTreeMap::new(); self.families.len()];
        for ((tenant, texts), row) in order {
            let tops = tops.entry(*tenant).or_insert_with(|| vec![BTreeSet::new(); self.labels.len()]);
            let values = self.values(texts, tops);
            let group = match self.group {
                Group::None => f64::INFINITY,
                Group::Row => row.count,
                Group::Tenant => of_tenant[tenant],
            };
            for (at, (_, labels)) in self.families.iter().enumerate() {
                let Some(value) = row.values[at] else { continue };
                let key = (alias(world, *tenant), self.chosen(labels, &values));
                let sum = sums[at].entry(key).or_insert(Sum { value: 0.0, group: 0.0 });
                sum.value += value;
                sum.group = if self.group == Group::Tenant { sum.group.max(group) } else { sum.group + group };
            }
        }
        let minimum = |alias: &str| {
            world.minimum(world.tenants.iter().position(|tenant| tenant.alias == alias).unwrap_or(usize::MAX))
        };
        let is_shown = |alias: &str, sum: &Sum| sum.group == 0.0 || sum.group >= minimum(alias);
        for ((family, labels), mut sums) in self.families.iter().zip(sums) {
            if self.zeros {
                self.fill(world, labels, &mut sums);
            }
            for ((tenant, values), sum) in sums.into_iter().filter(|((tenant, _), sum)| is_shown(tenant, sum)) {
                let mut all =
                    vec![("pack", "vioconcierge"), ("tenant", tenant.as_str()), ("window", window.unwrap_or(""))];
                all.extend(labels.iter().copied().zip(values.iter().map(String::as_str)));
                truth.insert(series(family, &mut all), sum.value);
            }
        }
    }

    fn is_shown(&self, world: &World, tenant: usize) -> bool {
        !self.not_medical || world.tenants.get(tenant).is_some_and(|tenant| !tenant.is_medical())
    }

    fn values(&self, texts: &[Option<String>], tops: &mut [BTreeSet<String>]) -> Vec<String> {
        let mut texts = texts.iter();
        let value = |((_, rule), top): (&(&str, Rule), &mut BTreeSet<String>)| {
            if let Rule::Fixed(value) = rule {
                return (*value).to_owned();
            }
            let text = texts.next().expect("a text for each label").as_deref();
            match (rule, text) {
                (Rule::Listed(_, missing), None) => (*missing).to_owned(),
                (_, None) => "unknown".to_owned(),
                (Rule::Closed(list), Some(text)) => (if list.contains(&text) { text } else { "unknown" }).to_owned(),
                (Rule::Listed(list, _), Some(text)) if list.contains(&text) => text.to_owned(),
                (Rule::Mapped(map), Some(text)) => {
                    map.iter().find(|pair| pair.0 == text).map_or("other", |pair| pair.1).to_owned()
                }
                (Rule::Top(most), Some(text))
                    if text.split(' ').count() <= 5 && (top.contains(text) || top.len() < *most) =>
                {
                    top.insert(text.to_owned());
                    text.to_owned()
                }
                _ => "other".to_owned(),
            }
        };
        self.labels.iter().zip(tops).map(value).collect()
    }

    /// The values of the labels that a family has.
    fn chosen(&self, labels: &[&str], values: &[String]) -> Vec<String> {
        let at = |label: &&str| self.labels.iter().position(|(name, _)| name == label).expect("a label");
        labels.iter().map(|label| values[at(label)].clone()).collect()
    }

    /// Each value that is known of beforehand, once, for each tenant: the other labels at their first.
    fn fill(&self, world: &World, labels: &[&str], sums: &mut BTreeMap<(String, Vec<String>), Sum>) {
        let known = |label: &&str| -> Vec<&str> {
            match &self.labels.iter().find(|(name, _)| name == label).expect("a label").1 {
                Rule::Fixed(value) => vec![value],
                Rule::Listed(list, _) | Rule::Closed(list) => list.to_vec(),
                Rule::Mapped(map) => map.iter().map(|pair| pair.1).collect(),
                Rule::Top(_) => Vec::new(),
            }
        };
        let lists: Vec<Vec<&str>> = labels.iter().map(known).collect();
        let first: Vec<String> = lists.iter().map(|list| list[0].to_owned()).collect();
        for tenant in world.tenants.iter().map(|tenant| &tenant.alias) {
            let there: Vec<Vec<String>> =
                sums.keys().filter(|(of, _)| of == tenant).map(|(_, values)| values.clone()).collect();
            if there.is_empty() {
                sums.insert((tenant.clone(), first.clone()), Sum { value: 0.0, group: 0.0 });
            }
            for (at, list) in lists.iter().enumerate() {
                for value in list.iter().filter(|value| there.iter().all(|values| values[at] != **value)) {
                    let mut values = first.clone();
                    values[at] = (*value).to_owned();
                    sums.entry((tenant.clone(), values)).or_insert(Sum { value: 0.0, group: 0.0 });
                }
            }
        }
    }
}

/// What a tenant is called; those that nobody knows are `other`.
pub fn alias(world: &World, tenant: usize) -> String {
    world.tenants.get(tenant).map_or_else(|| "other".to_owned(), |tenant| tenant.alias.clone())
}

/// A series with its labels sorted; empty ones are left out.
pub fn series(family: &str, labels: &mut Vec<(&str, &str)>) -> String {
    labels.retain(|(_, value)| !value.is_empty());
    labels.sort_unstable();
    let shown: Vec<String> = labels.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
    format!("{family}{{{}}}", shown.join(","))
}
