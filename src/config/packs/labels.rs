//! Where the value of a label comes from.

use std::collections::BTreeMap;

use toml::Spanned;
use toml::de::DeValue;

use super::privacy;
use crate::config::section::Section;
use crate::config::value::{self, Checked, Value, fault};

/// Most values that one label is given.
const MAX_VALUES: usize = 500;
/// What a missing value and one that is not listed become where nothing else is said.
pub const MISSING: &str = "unknown";
pub const OTHER: &str = "other";

/// One label of a series.
#[derive(Clone, Debug, PartialEq)]
pub struct Label {
    pub name: String,
    pub rule: LabelRule,
}

/// Where its value comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum LabelRule {
    Fixed(String),
    From(From),
    /// Of the event's time, in the pack's zone.
    Time(TimePart),
}

/// A column or a property, and what becomes of its values.
#[derive(Clone, Debug, PartialEq)]
pub struct From {
    pub name: String,
    pub values: Values,
    pub missing: String,
    pub other: String,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    Listed(Vec<String>),
    /// The first so many.
    Top(usize),
    Mapped(BTreeMap<String, String>),
    /// Patterns, of which the first that matches wins.
    Grouped(Vec<(String, String)>),
    /// Only these, by what stands for them.
    Alias(BTreeMap<String, String>),
    /// Lower bounds, rising.
    Bands(Vec<f64>),
    Present {
        present: String,
        absent: String,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimePart {
    Hour,
    Weekday,
}

impl LabelRule {
    /// The values that it is known to take, the first in place of the others.
    pub fn declared(&self) -> Vec<String> {
        match self {
            LabelRule::Fixed(value) => vec![value.clone()],
            LabelRule::Time(_) => Vec::new(),
            LabelRule::From(from) => match &from.values {
                Values::Listed(values) => values.clone(),
                Values::Mapped(map) => distinct(map.values()),
                Values::Grouped(groups) => distinct(groups.iter().map(|(_, group)| group)),
                Values::Present { present, absent } => vec![present.clone(), absent.clone()],
                Values::Bands(bounds) => (0..bounds.len()).map(|at| band(bounds, at)).collect(),
                Values::Top(_) | Values::Alias(_) => Vec::new(),
            },
        }
    }
}

fn distinct<'a>(values: impl Iterator<Item = &'a String>) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for value in values {
        if !all.contains(value) {
            all.push(value.clone());
        }
    }
    all
}

/// The name of the band that begins with a bound: `0-9`, `10-19`, `20+`; where bounds are no whole numbers `0.5-1`.
pub fn band(bounds: &[f64], at: usize) -> String {
    match (bounds.get(at), bounds.get(at + 1)) {
        (Some(low), Some(high)) if low.fract() == 0.0 && high.fract() == 0.0 => format!("{low}-{}", high - 1.0),
        (Some(low), Some(high)) => format!("{low}-{high}"),
        (Some(low), None) => format!("{low}+"),
        (None, _) => OTHER.to_owned(),
    }
}

/// Aliases of staff, by the name of their list.
pub(super) type Aliases = BTreeMap<String, BTreeMap<String, String>>;

/// Patterns and what they stand for, by the name of their list.
pub(super) type Groups = BTreeMap<String, Vec<(String, String)>>;

/// What labels may refer to.
#[derive(Clone, Copy)]
pub(super) struct Lists<'a> {
    pub aliases: &'a Aliases,
    pub groups: &'a Groups,
}

/// Reads `labels = { ... }`.
pub(super) fn read(section: &mut Section<'_, '_>, lists: Lists<'_>) -> Vec<Label> {
    let mut all = Vec::new();
    for (name, value) in section.entries("labels") {
        if let Some(rule) = rule(section, &name, value, lists) {
            all.push(Label { name: name.into_inner(), rule });
        }
    }
    all
}

fn rule<'i>(
    section: &mut Section<'_, 'i>,
    name: &Spanned<String>,
    value: Value<'i>,
    lists: Lists<'_>,
) -> Option<LabelRule> {
    let checked = match value.get_ref() {
        DeValue::String(_) => value::text(value).map(LabelRule::Fixed),
        DeValue::Array(_) => value_names(value).and_then(|values| {
            privacy::check_name(name)?;
            let from = From {
                name: name.get_ref().clone(),
                values: Values::Listed(values),
                missing: MISSING.to_owned(),
                other: OTHER.to_owned(),
            };
            Ok(LabelRule::From(from))
        }),
        _ => return section.table("labels", "label", value, |label| described(label, lists)).flatten(),
    };
    match checked {
        Ok(rule) => Some(rule),
        Err(faults) => {
            for found in faults {
                section.complain(found.span, format!("`labels.{}` {}", name.get_ref(), found.message), found.hint);
            }
            None
        }
    }
}

fn described(section: &mut Section<'_, '_>, lists: Lists<'_>) -> Option<LabelRule> {
    let parts = [("hour", TimePart::Hour), ("weekday", TimePart::Weekday)];
    if let Some(part) = section.take("time", None, |typed| value::choice(typed, &parts).map(Some)) {
        return Some(LabelRule::Time(part));
    }
    let name: Spanned<String> = section.take_required("from", "\"country\"", |typed| {
        let span = typed.span();
        value::text(typed).map(|text| Some(Spanned::new(span, text)))
    })?;
    let listed = section.take("values", None, |typed| value_names(typed).map(Some));
    let top = section.take("top", None, |typed| value::count(typed, 1..=MAX_VALUES).map(Some));
    let mapped = words(section, "map").map(|map| Values::Mapped(map.into_iter().collect()));
    let grouped = groups(section, lists.groups).map(Values::Grouped);
    let bands = section.take("bands", None, |typed| numbers(typed).map(Some));
    let alias: Option<String> = section.take("alias", None, |typed| value::text(typed).map(Some));
    let present = section.take("present", None, |typed| value::text(typed).map(Some));
    let absent = section.take("absent", None, |typed| value::text(typed).map(Some));
    let is_person = alias.is_some() || present.is_some();
    let missing = section.take("missing", MISSING.to_owned(), value::text);
    let other = section.take("other", OTHER.to_owned(), value::text);
    if let (false, Err(faults)) = (is_person, privacy::check_name(&name)) {
        faults
            .into_iter()
            .for_each(|fault| section.complain(fault.span, format!("`label.from` {}", fault.message), fault.hint));
    }
    let alias = alias.map(|list| Values::Alias(lists.aliases.get(&list).cloned().unwrap_or_default()));
    let present =
        present.map(|present| Values::Present { present, absent: absent.unwrap_or_else(|| "false".to_owned()) });
    let ways =
        [listed.map(Values::Listed), top.map(Values::Top), mapped, grouped, bands.map(Values::Bands), alias, present];
    let mut ways = ways.into_iter().flatten();
    let Some(values) = ways.next() else {
        let message = "a label that may have any value";
        section.complain(
            name.span(),
            message,
            "add values = [...], top = 50, map = { }, groups = { }, bands = [...], alias or present",
        );
        return None;
    };
    if ways.next().is_some() {
        section.complain(
            name.span(),
            "a label has two ways to its value",
            "keep one of values, top, map, groups, bands, alias, present",
        );
    }
    Some(LabelRule::From(From { name: name.into_inner(), values, missing, other }))
}

/// Patterns, or the name of a list of them.
fn groups(section: &mut Section<'_, '_>, known: &Groups) -> Option<Vec<(String, String)>> {
    if !section.is_text("groups") {
        return words(section, "groups");
    }
    section.take("groups", None, |typed| {
        let span = typed.span();
        let name = value::text(typed)?;
        let names = known.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
        match known.get(&name) {
            Some(list) => Ok(Some(list.clone())),
            None => fault(span, format!("names {name:?}, which is no list of [groups]"), format!("known: {names}")),
        }
    })
}

/// Pairs of words in the order of the file.
fn words(section: &mut Section<'_, '_>, key: &'static str) -> Option<Vec<(String, String)>> {
    let entries = section.entries(key);
    if entries.is_empty() {
        return None;
    }
    let mut entries: Vec<_> = entries;
    entries.sort_by_key(|(name, _)| name.span().start);
    let mut all = Vec::new();
    for (name, typed) in entries.into_iter().take(MAX_VALUES) {
        match value::text(typed) {
            Ok(text) => all.push((name.into_inner(), text)),
            Err(faults) => faults
                .into_iter()
                .for_each(|fault| section.complain(fault.span, format!("`label.{key}` {}", fault.message), fault.hint)),
        }
    }
    Some(all)
}

fn value_names(value: Value<'_>) -> Checked<Vec<String>> {
    let span = value.span();
    let items = value::list(value, "values", "\"web\", \"app\"")?;
    let values = value::plain(value::distinct(value::each(items, value::text)?)?);
    match values.len() {
        1..=MAX_VALUES => Ok(values),
        _ => fault(span, format!("must have 1 to {MAX_VALUES} values"), "list those that are worth a series"),
    }
}

fn numbers(value: Value<'_>) -> Checked<Vec<f64>> {
    let span = value.span();
    let items = value::list(value, "numbers", "0, 10, 20")?;
    let bounds = value::plain(value::each(items, value::number)?);
    match !bounds.is_empty() && bounds.len() <= 100 && bounds.windows(2).all(|pair| pair[0] < pair[1]) {
        true => Ok(bounds),
        false => fault(span, "must be numbers that rise", "write the lower bound of each band, as in [0, 10, 20]"),
    }
}
