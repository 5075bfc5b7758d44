use std::sync::Arc;

use metrics::{counter, describe_counter, describe_gauge, gauge, histogram, with_local_recorder};
use prometheus_client::encoding::text::encode;

use super::*;

const DECLARED: &[Family] = &[Family {
    name: "declared_total",
    kind: Kind::Counter,
    unit: "",
    labels: &["path"],
    help: "A \"declared\" counter\nwith a\\b.",
}];

fn scrape(facade: &Arc<Facade>) -> String {
    let mut registry = prometheus_client::registry::Registry::default();
    registry.register_collector(Box::new(Arc::clone(facade)));
    let mut out = String::new();
    encode(&mut out, &registry).expect("writing into a String");
    out
}

fn facade() -> Arc<Facade> {
    Arc::new(Facade::new(DECLARED, &[("wait_seconds", &[0.1, 1.0])]))
}

#[test]
fn golden_families_in_order_each_once() {
    let facade = facade();
    with_local_recorder(&facade, || {
        describe_gauge!("level", "How full.");
        describe_counter!("calls_total", "Calls.");
        counter!("declared_total", "path" => "/b").increment(2);
        counter!("declared_total", "path" => "/a").increment(1);
        counter!("calls", "b" => "2", "a" => "1").increment(1);
        counter!("calls", "a" => "1", "b" => "2").increment(1);
        gauge!("level").set(-1.5);
        for value in [0.1, 0.5, 7.0, f64::NAN, f64::INFINITY] {
            histogram!("wait_seconds").record(value);
        }
    });
    let golden = r#"# HELP calls Calls.
# TYPE calls counter
calls_total{a="1",b="2"} 2
# HELP declared A \"declared\" counter\nwith a\\b.
# TYPE declared counter
declared_total{path="/a"} 1
declared_total{path="/b"} 2
# HELP level How full.
# TYPE level gauge
level -1.5
# HELP wait_seconds Recorded at run time, without a description.
# TYPE wait_seconds histogram
wait_seconds_sum 7.6
wait_seconds_count 3
wait_seconds_bucket{le="0.1"} 1
wait_seconds_bucket{le="1.0"} 2
wait_seconds_bucket{le="+Inf"} 3
"#;
    let out = scrape(&facade);
    assert!(out.starts_with(golden), "{out}");
    assert_eq!(out, scrape(&facade), "a second scrape says the same");
}

#[test]
fn what_is_not_valid_is_refused_and_counted() {
    let facade = facade();
    with_local_recorder(&facade, || {
        for name in ["", "a b", "1st", "a\n", "ä", "_total"] {
            counter!(name).increment(1);
        }
        for label in ["", "a-b", "__name__", "a:b", "a\"", "1"] {
            gauge!("g", label => "x").set(1.0);
        }
        gauge!("g", "a" => "1", "a" => "2").set(1.0);
        histogram!("h", "le" => "1").record(1.0);
        counter!("kinds").increment(1);
        gauge!("kinds").set(1.0);
        counter!("sidetone_metrics_refused").increment(1);
        (0..MAX_SERIES_PER_FAMILY + 5).for_each(|i| gauge!("many", "i" => i.to_string()).set(1.0));
        (0..3).for_each(|_| gauge!("many", "i" => "0").set(1.0));
    });
    let out = scrape(&facade);
    for (reason, count) in [("invalid_name", 6), ("invalid_label", 8), ("kind_conflict", 2), ("series_limit", 5)] {
        let line = format!("sidetone_metrics_refused_total{{reason=\"{reason}\"}} {count}\n");
        assert!(out.contains(&line), "{line}{}", out.lines().filter(|l| l.contains("refused")).collect::<String>());
    }
    assert_eq!(out.lines().filter(|line| line.starts_with("many{")).count(), MAX_SERIES_PER_FAMILY);
    assert!(!out.lines().any(|line| line.starts_with("g{") || line.starts_with("h{")));
}

#[test]
fn label_values_may_be_anything() {
    let facade = facade();
    with_local_recorder(&facade, || counter!("x", "v" => "a\"b\\c\nd").increment(1));
    assert!(scrape(&facade).contains("x_total{v=\"a\\\"b\\\\c\\nd\"} 1\n"), "{}", scrape(&facade));
}
