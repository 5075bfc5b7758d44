//! The vocabulary: families that packs speak of. They are named at run time and live until the program ends.

use std::collections::BTreeMap;
use std::sync::{LazyLock, Mutex, PoisonError};

use toml::Spanned;

use super::privacy;
use crate::config::section::{Document, Section};
use crate::config::value::{self, Checked, Value, fault};
use crate::numbers::{Family, Kind};

/// What the program is built with.
const SHIPPED: &str = include_str!("../../../config/packs/families.toml");
/// The labels that every family begins with.
pub const OWN_LABELS: usize = 2;
const PACK: &str = "pack";
const TENANT: &str = "tenant";
/// Most families of all packs together.
const MAX_FAMILIES: usize = 1000;
/// Most bounds of a histogram.
const MAX_BOUNDS: usize = 40;

/// A family, and the bounds of its buckets where it is a histogram.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Metric {
    pub family: &'static Family,
    pub bounds: &'static [f64],
}

impl Metric {
    /// The labels behind `pack` and `tenant`.
    pub fn labels(&self) -> &'static [&'static str] {
        &self.family.labels[OWN_LABELS..]
    }
}

/// All families by name.
#[derive(Clone, Debug, Default)]
pub struct Vocabulary(BTreeMap<String, Metric>);

impl Vocabulary {
    /// The families that the program is built with.
    pub fn shipped() -> Vocabulary {
        static READ: LazyLock<Vocabulary> = LazyLock::new(|| {
            let mut all = Vocabulary::default();
            // A test reads it for faults.
            all.read(&mut Document::parse(SHIPPED, None));
            all
        });
        READ.clone()
    }

    /// Some families.
    pub fn of(metrics: impl Iterator<Item = Metric>) -> Vocabulary {
        Vocabulary(metrics.map(|metric| (metric.family.name.to_owned(), metric)).collect())
    }

    pub fn get(&self, name: &str) -> Option<Metric> {
        self.0.get(name).copied()
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Metric> {
        self.0.values()
    }

    /// Reads `[[families]]`.
    pub(in crate::config) fn read(&mut self, document: &mut Document<'_>) {
        let found = document.sections("families", |section| family(section));
        for (place, metric) in found.into_iter().flatten() {
            let name = metric.family.name;
            match self.0.get(name) {
                Some(known)
                    if known.family.kind != metric.family.kind || known.family.labels != metric.family.labels =>
                {
                    let message =
                        format!("`families.name` {name} is there already, of another type or with other labels");
                    document.complain(place, message, "choose another name");
                }
                Some(_) => {}
                None if self.0.len() >= MAX_FAMILIES => {
                    let message = format!("more than {MAX_FAMILIES} families");
                    document.complain(place, message, "one family with a label is better than many");
                }
                None => {
                    self.0.insert(name.to_owned(), metric);
                }
            }
        }
    }
}

type Found = Option<(std::ops::Range<usize>, Metric)>;

fn family(section: &mut Section<'_, '_>) -> Found {
    let kinds = [("counter", Kind::Counter), ("gauge", Kind::Gauge), ("histogram", Kind::Histogram)];
    let name: String = section.take_required("name", "\"business_orders_total\"", family_name);
    let kind = section.take("type", None, |typed| value::choice(typed, &kinds).map(Some));
    let labels = section.take("labels", Vec::new(), label_names);
    let help = section.take_required("help", "\"Orders.\"", value::text);
    let bounds = section.take("bounds", Vec::new(), bounds);
    let Some(kind) = kind else {
        section.complain(
            section.place("type"),
            "`families.type` is missing",
            "add type = \"counter\", \"gauge\" or \"histogram\"",
        );
        return None;
    };
    if name.is_empty() {
        return None;
    }
    section.require(
        (kind == Kind::Counter) == name.ends_with("_total"),
        ["name", "type"],
        "must end in _total if it is a counter, and only then",
        "Prometheus' naming conventions want it",
    );
    section.require(
        (kind == Kind::Histogram) != bounds.is_empty(),
        ["bounds", "type"],
        "is for histograms, which need it",
        "add bounds = [1, 5, 10]",
    );
    Some((section.place("name"), interned(&name, kind, &labels, &help, &bounds)))
}

/// One for each text: reading a configuration again takes no more memory.
fn interned(name: &str, kind: Kind, labels: &[String], help: &str, bounds: &[f64]) -> Metric {
    static KNOWN: Mutex<BTreeMap<String, Metric>> = Mutex::new(BTreeMap::new());
    let key = format!("{name} {kind:?} {labels:?} {help} {bounds:?}");
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    *known.entry(key).or_insert_with(|| {
        let leak = |text: &str| -> &'static str { Box::leak(text.to_owned().into_boxed_str()) };
        let all: Vec<&'static str> = [PACK, TENANT].into_iter().chain(labels.iter().map(|label| leak(label))).collect();
        let family =
            Family { name: leak(name), kind, unit: unit(leak(name)), labels: Vec::leak(all), help: leak(help) };
        Metric { family: Box::leak(Box::new(family)), bounds: Vec::leak(bounds.to_vec()) }
    })
}

/// The base unit that the name ends with.
fn unit(name: &'static str) -> &'static str {
    const UNITS: [&str; 5] = ["seconds", "bytes", "meters", "ratio", "decibels"];
    let stem = name.strip_suffix("_total").unwrap_or(name);
    UNITS.into_iter().find(|unit| stem.strip_suffix(unit).is_some_and(|rest| rest.ends_with('_'))).unwrap_or("")
}

fn family_name(value: Value<'_>) -> Checked<String> {
    let span = value.span();
    let name = value::string(value)?;
    let is_plain = name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'));
    match name.starts_with("business_") && is_plain && name.len() <= 100 {
        true => Ok(name),
        false => fault(span, "is no name of a family", "begin it with business_, and use a-z, 0-9 and _"),
    }
}

fn label_names(value: Value<'_>) -> Checked<Vec<String>> {
    let items = value::list(value, "names of labels", "\"channel\"")?;
    Ok(value::plain(value::distinct(value::each(items, label_name)?)?))
}

fn label_name(value: Value<'_>) -> Checked<String> {
    let span = value.span();
    let name = value::string(value)?;
    let is_plain = name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'));
    if !is_plain || !name.starts_with(|c: char| c.is_ascii_lowercase()) || name.len() > 60 {
        return fault(span, "is no name of a label", "use a-z, 0-9 and _");
    }
    if [PACK, TENANT, "le", "quantile", "instance", "job"].contains(&name.as_str()) {
        return fault(span, format!("is {name:?}, which is set by others"), "choose another name");
    }
    privacy::check_name(&Spanned::new(span, name.clone()))?;
    Ok(name)
}

fn bounds(value: Value<'_>) -> Checked<Vec<f64>> {
    let span = value.span();
    let items = value::list(value, "numbers", "1, 5, 10")?;
    let bounds = value::plain(value::each(items, value::number)?);
    let rises = bounds.windows(2).all(|pair| pair[0] < pair[1]);
    match rises && bounds.len() <= MAX_BOUNDS {
        true => Ok(bounds),
        false => fault(
            span,
            format!("must be at most {MAX_BOUNDS} numbers that rise"),
            "write them in order, as in [1, 5, 10]",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shipped_has_no_faults() {
        let mut document = Document::parse(SHIPPED, None);
        let mut all = Vocabulary::default();
        all.read(&mut document);
        document.finish("families.toml", ()).unwrap_or_else(|error| panic!("{error}"));
        assert!(all.iter().count() > 200);
        assert_eq!(all.get("business_message_response_seconds").map(|metric| metric.family.unit), Some("seconds"));
        assert_eq!(all.get("business_staff_task_seconds_total").map(|metric| metric.family.unit), Some("seconds"));
    }
}
