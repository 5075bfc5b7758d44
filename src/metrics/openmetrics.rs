//! The numbers of the workers, and everything beside them, as OpenMetrics text by `prometheus-client`.

use std::borrow::Cow;
use std::fmt::{Error, Write};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, LabelSetEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit};

use crate::numbers::{Collection, Family, Histogram, Kind, Labels, Value};
use crate::sources::Blocks;

/// The merged numbers of all workers, ready to be encoded once.
#[derive(Debug)]
pub struct Workers(Vec<(&'static Family, Vec<(Labels, Value)>)>);

impl Workers {
    pub fn new(collection: Collection) -> Workers {
        Workers(collection.into_sorted().collect())
    }
}

impl Collector for Workers {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), Error> {
        for (family, series) in &self.0 {
            encode_family(&mut encoder, family, series)?;
        }
        Ok(())
    }
}

/// Name, unit and type as prometheus-client wants them: it appends unit, `_total` and `_info` by itself.
fn head(family: &Family) -> (&'static str, Option<Unit>, MetricType) {
    let metric_type = match family.kind {
        Kind::Counter => MetricType::Counter,
        Kind::Gauge => MetricType::Gauge,
        Kind::Histogram => MetricType::Histogram,
        Kind::Info => MetricType::Info,
        Kind::Untyped => MetricType::Unknown,
    };
    let ending = match family.kind {
        Kind::Counter => "_total",
        Kind::Info => "_info",
        Kind::Gauge | Kind::Histogram | Kind::Untyped => "",
    };
    let name = family.name.strip_suffix(ending).unwrap_or(family.name);
    let suffix = format!("_{}", family.unit);
    let unit = (!family.unit.is_empty() && name.ends_with(&suffix)).then(|| Unit::Other(family.unit.to_owned()));
    let name = if unit.is_some() { name.strip_suffix(&suffix).unwrap_or(name) } else { name };
    (name, unit, metric_type)
}

fn encode_family(encoder: &mut DescriptorEncoder, family: &Family, series: &[(Labels, Value)]) -> Result<(), Error> {
    let (name, unit, metric_type) = head(family);
    let mut metric = encoder.encode_descriptor(name, family.help, unit.as_ref(), metric_type)?;
    let mut start = String::new();
    for (labels, value) in series {
        let pairs = family.labels.iter().copied().zip(labels.iter().map(AsRef::as_ref));
        let Some(last) = render_labels(pairs, &mut start) else {
            // An empty label set would be written as `{}`.
            encode_value(&mut metric, value)?;
            continue;
        };
        let labels = Rendered { start: &start, last };
        if family.kind == Kind::Info {
            metric.encode_info(&labels)?;
        } else {
            encode_value(&mut metric.encode_family(&labels)?, value)?;
        }
    }
    Ok(())
}

/// Writes everything before the last value, and gives that value; None where there is no label.
fn render_labels<'v>(
    mut pairs: impl DoubleEndedIterator<Item = (&'static str, &'v str)>,
    start: &mut String,
) -> Option<&'v str> {
    start.clear();
    let (last_name, last) = pairs.next_back()?;
    for (name, value) in pairs {
        start.extend([name, "=\"", &escaped(value), "\","]);
    }
    start.push_str(last_name);
    Some(last)
}

/// The labels of one series, rendered once for all scrapes. Labels without a value are left out.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LabelText {
    text: Box<str>,
    /// Where the last value begins.
    last: u32,
}

impl LabelText {
    pub fn new<'v>(pairs: impl DoubleEndedIterator<Item = (&'static str, &'v str)>) -> LabelText {
        let mut text = String::new();
        let last = render_labels(pairs.filter(|(_, value)| !value.is_empty()), &mut text).unwrap_or_default();
        let start = text.len() as u32;
        text.push_str(last);
        LabelText { text: text.into(), last: start }
    }
}

/// The value of one series of [`Blocks`].
pub enum Shown<'a> {
    Plain(f64),
    Histogram(&'a Histogram),
}

impl Collector for Blocks {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), Error> {
        self.each(|family, series| {
            let (name, unit, metric_type) = head(family);
            let mut metric = encoder.encode_descriptor(name, family.help, unit.as_ref(), metric_type)?;
            for (labels, shown) in series {
                let (start, last) = labels.text.split_at(labels.last as usize);
                if start.is_empty() {
                    encode_shown(&mut metric, family, &shown)?;
                } else {
                    encode_shown(&mut metric.encode_family(&Rendered { start, last })?, family, &shown)?;
                }
            }
            Ok(())
        })
    }
}

fn encode_shown(encoder: &mut MetricEncoder, family: &Family, shown: &Shown<'_>) -> Result<(), Error> {
    match (shown, family.kind) {
        (Shown::Plain(number), Kind::Counter) => encoder.encode_counter::<NoLabelSet, _, f64>(number, None),
        (Shown::Plain(number), _) => encoder.encode_gauge(number),
        (Shown::Histogram(histogram), _) => encode_histogram(encoder, histogram),
    }
}

fn encode_histogram(encoder: &mut MetricEncoder, histogram: &Histogram) -> Result<(), Error> {
    let buckets: Vec<(f64, u64)> = histogram.buckets().collect();
    encoder.encode_histogram::<NoLabelSet>(histogram.sum(), histogram.count(), &buckets, None)
}

/// All labels as if they were one, whose name is everything before the last value: prometheus-client encodes the labels of a histogram
/// anew for each bucket, which takes most of a scrape.
struct Rendered<'a> {
    start: &'a str,
    last: &'a str,
}

impl EncodeLabelSet for Rendered<'_> {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> Result<(), Error> {
        let mut label = encoder.encode_label();
        let mut key = label.encode_label_key()?;
        key.write_str(self.start)?;
        let mut value = key.encode_label_value()?;
        value.write_str(self.last)?;
        value.finish()
    }
}

/// A label value as OpenMetrics wants it (1.0.0, escaped-string); most need nothing.
fn escaped(value: &str) -> Cow<'_, str> {
    match value.contains(['\\', '"', '\n']) {
        true => value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n").into(),
        false => value.into(),
    }
}

fn encode_value(encoder: &mut MetricEncoder, value: &Value) -> Result<(), Error> {
    match value {
        Value::Counter(count) => encoder.encode_counter::<NoLabelSet, _, u64>(count, None),
        Value::CounterFloat(sum) => encoder.encode_counter::<NoLabelSet, _, f64>(sum, None),
        Value::Gauge(level) => encoder.encode_gauge(level),
        Value::Histogram(histogram) => encode_histogram(encoder, histogram),
    }
}

/// OpenMetrics 1.0 text of the collectors, `# EOF` included.
pub fn render(collectors: Vec<Box<dyn Collector>>) -> Result<String, Error> {
    let mut registry = Registry::default();
    for collector in collectors {
        registry.register_collector(collector);
    }
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numbers::{Histogram, fixed};

    static WAIT: Family = Family::histogram("wait_seconds", "seconds", &["peer", "agent"], "Waits.");

    #[test]
    fn labels_are_those_of_prometheus_client() {
        for odd in ["plain", "", "a\"b\\c\nd", "\\\\n", "é{}=,"] {
            let mut collection = Collection::default();
            let mut histogram = Histogram::new(&[0.5]);
            histogram.observe(0.25);
            collection.add(&WAIT, vec![fixed(odd), fixed(odd)], Value::Histogram(histogram));
            let ours = render(vec![Box::new(Workers::new(collection))]).expect("a String takes everything");

            let mut registry = Registry::default();
            let family = prometheus_client::metrics::family::Family::<
                Vec<(&'static str, &'static str)>,
                prometheus_client::metrics::histogram::Histogram,
            >::new_with_constructor(|| {
                prometheus_client::metrics::histogram::Histogram::new([0.5])
            });
            family.get_or_create(&vec![("peer", odd), ("agent", odd)]).observe(0.25);
            registry.register_with_unit("wait", "Waits", Unit::Seconds, family);
            let mut theirs = String::new();
            prometheus_client::encoding::text::encode(&mut theirs, &registry).expect("a String takes everything");
            assert_eq!(ours, theirs);
        }
    }
}
