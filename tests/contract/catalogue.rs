//! What `sidetone metrics` lists, and which labels a series of it has.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

/// Labels that Prometheus adds to whatever it scrapes.
const TARGET: [&str; 2] = ["job", "instance"];
/// What Prometheus itself provides.
const SYNTHETIC: [(&str, &[&str]); 2] =
    [("up", &["job", "instance"]), ("ALERTS", &["alertname", "alertstate", "severity", "job", "instance"])];

pub type Names = BTreeSet<String>;

/// A family: its type, and the labels that the agent gives it.
pub struct Family {
    pub kind: String,
    pub labels: Names,
}

/// All families by name.
pub struct Catalogue(pub BTreeMap<String, Family>);

/// Standard output of `sidetone ARGUMENTS`.
pub fn sidetone(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_sidetone")).args(arguments).output().expect("the program starts");
    assert!(output.status.success(), "sidetone {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

impl Catalogue {
    pub fn read() -> Self {
        let text = sidetone(&["metrics", "--format", "json"]);
        let entries: Vec<Value> = serde_json::from_str(&text).expect("JSON");
        let families = entries.iter().map(|entry| {
            let labels = entry["labels"].as_array().expect("labels").iter();
            let labels = labels.map(|label| label.as_str().expect("a label").to_owned()).collect();
            let kind = entry["type"].as_str().expect("a type").to_owned();
            (entry["name"].as_str().expect("a name").to_owned(), Family { kind, labels })
        });
        Catalogue(families.collect())
    }

    /// The family that the series `name` belongs to: a histogram's series have suffixes.
    pub fn family_of<'a>(&self, name: &'a str) -> Option<&'a str> {
        let stem = ["_bucket", "_sum", "_count"].iter().find_map(|suffix| name.strip_suffix(suffix));
        match (self.0.get(name), stem) {
            (Some(family), _) => (family.kind != "histogram").then_some(name),
            (None, Some(stem)) => (self.0.get(stem)?.kind == "histogram").then_some(stem),
            (None, None) => None,
        }
    }

    /// Labels of the series `name` as Prometheus stores it.
    pub fn labels_of(&self, name: &str) -> Option<Names> {
        if let Some((_, labels)) = SYNTHETIC.iter().find(|(synthetic, _)| *synthetic == name) {
            return Some(labels.iter().map(ToString::to_string).collect());
        }
        let mut labels = self.0.get(self.family_of(name)?)?.labels.clone();
        labels.extend(TARGET.map(String::from));
        if name.ends_with("_bucket") {
            labels.insert("le".to_owned());
        }
        Some(labels)
    }
}
