//! The numbers of the workers, and everything beside them, as OpenMetrics text by `prometheus-client`.

use std::fmt::Error;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit};

use crate::numbers::{Collection, Family, Kind, Labels, Value};

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

fn encode_family(encoder: &mut DescriptorEncoder, family: &Family, series: &[(Labels, Value)]) -> Result<(), Error> {
    let metric_type = match family.kind {
        Kind::Counter => MetricType::Counter,
        Kind::Gauge => MetricType::Gauge,
        Kind::Histogram => MetricType::Histogram,
        Kind::Info => MetricType::Info,
    };
    // prometheus-client appends unit, `_total` and `_info` by itself.
    let name = family.name.trim_end_matches("_total").trim_end_matches("_info");
    let suffix = format!("_{}", family.unit);
    let unit = (!family.unit.is_empty() && name.ends_with(&suffix)).then(|| Unit::Other(family.unit.to_owned()));
    let name = if unit.is_some() { name.trim_end_matches(suffix.as_str()) } else { name };
    let mut metric = encoder.encode_descriptor(name, family.help, unit.as_ref(), metric_type)?;
    for (labels, value) in series {
        let labels: Vec<(&str, &str)> = family.labels.iter().copied().zip(labels.iter().map(AsRef::as_ref)).collect();
        if family.kind == Kind::Info {
            metric.encode_info(&labels)?;
        } else if labels.is_empty() {
            // An empty label set would be written as `{}`.
            encode_value(&mut metric, value)?;
        } else {
            encode_value(&mut metric.encode_family(&labels)?, value)?;
        }
    }
    Ok(())
}

fn encode_value(encoder: &mut MetricEncoder, value: &Value) -> Result<(), Error> {
    match value {
        Value::Counter(count) => encoder.encode_counter::<NoLabelSet, _, u64>(count, None),
        Value::CounterFloat(sum) => encoder.encode_counter::<NoLabelSet, _, f64>(sum, None),
        Value::Gauge(level) => encoder.encode_gauge(level),
        Value::Histogram(histogram) => {
            let buckets: Vec<(f64, u64)> = histogram.buckets().collect();
            encoder.encode_histogram::<NoLabelSet>(histogram.sum(), histogram.count(), &buckets, None)
        }
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
