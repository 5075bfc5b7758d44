//! The rule files and their unit tests in alerts/, as YAML.

use std::fs;
use std::path::{Path, PathBuf};

use saphyr::{LoadableYamlNode as _, Yaml};

/// A recording rule.
pub struct Recording {
    pub place: String,
    pub name: String,
    pub expression: String,
}

/// An alerting rule.
pub struct Alert {
    pub place: String,
    pub name: String,
    pub expression: String,
    pub severity: String,
    /// Key and text.
    pub annotations: Vec<(String, String)>,
}

impl Alert {
    pub fn annotation(&self, key: &str) -> &str {
        self.annotations.iter().find(|(name, _)| name == key).map_or("", |(_, text)| text)
    }
}

#[derive(Default)]
pub struct Rules {
    pub recordings: Vec<Recording>,
    pub alerts: Vec<Alert>,
}

/// One check of an alert in a unit test: which severities have to fire then.
pub struct Check {
    pub alert: String,
    pub severities: Vec<String>,
}

/// Files of a folder whose names end so, in the order of their names.
pub fn files(folder: &str, end: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.retain(|file| file.to_str().is_some_and(|name| name.ends_with(end)));
    files.sort();
    assert!(!files.is_empty(), "no *{end} in {}", folder.display());
    files
}

/// The name of a file without its folder.
pub fn name_of(file: &Path) -> &str {
    file.file_name().and_then(|name| name.to_str()).expect("a name in UTF-8")
}

/// Hands the first document of a YAML file to `read`.
fn document<T>(file: &Path, read: impl FnOnce(&Yaml) -> T) -> T {
    let text = fs::read_to_string(file).expect("a readable file");
    let documents = Yaml::load_from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    read(documents.first().expect("a document"))
}

fn list<'a, 'b>(node: &'a Yaml<'b>, key: &str) -> &'a [Yaml<'b>] {
    node.as_mapping_get(key).and_then(|value| value.as_vec()).map_or(&[], Vec::as_slice)
}

fn text(node: &Yaml, key: &str) -> Option<String> {
    Some(node.as_mapping_get(key)?.as_str()?.trim().to_owned())
}

/// Files of all packs, or of that folder of each, whose names end so.
pub fn pack_files(folder: &str, end: &str) -> Vec<PathBuf> {
    let packs = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/packs");
    let packs = fs::read_dir(packs).expect("packs").map(|pack| pack.expect("a pack").path().join(folder));
    let entries =
        packs.filter_map(|pack| fs::read_dir(pack).ok()).flatten().map(|entry| entry.expect("an entry").path());
    let mut files: Vec<PathBuf> =
        entries.filter(|path| path.to_str().is_some_and(|name| name.ends_with(end))).collect();
    files.sort();
    files
}

/// All rules of alerts/*.rules.yml.
pub fn read() -> Rules {
    read_files(&files("alerts", ".rules.yml"))
}

/// All rules of packs.
pub fn read_packs() -> Rules {
    read_files(&pack_files("", ".rules.yml"))
}

fn read_files(files: &[PathBuf]) -> Rules {
    let mut rules = Rules::default();
    for file in files {
        document(file, |root| {
            for rule in list(root, "groups").iter().flat_map(|group| list(group, "rules")) {
                add(&mut rules, name_of(file), rule);
            }
        });
    }
    rules
}

fn add(rules: &mut Rules, file: &str, rule: &Yaml) {
    let expression = text(rule, "expr").unwrap_or_else(|| panic!("{file}: a rule without expr"));
    if let Some(name) = text(rule, "record") {
        rules.recordings.push(Recording { place: format!("{file}, {name}"), name, expression });
        return;
    }
    let name = text(rule, "alert").unwrap_or_else(|| panic!("{file}: neither record nor alert: {expression}"));
    let severity = rule.as_mapping_get("labels").and_then(|labels| text(labels, "severity")).unwrap_or_default();
    let annotations = rule.as_mapping_get("annotations").and_then(|node| node.as_mapping()).into_iter().flatten();
    let annotations = annotations.filter_map(|(key, value)| Some((key.as_str()?.into(), value.as_str()?.into())));
    let place = format!("{file}, {name} ({severity})");
    rules.alerts.push(Alert { place, name, expression, severity, annotations: annotations.collect() });
}

/// Files of unit tests: of the common rules, and of packs.
pub fn tests() -> Vec<PathBuf> {
    [files("alerts/tests", ".test.yml"), pack_files("tests", ".test.yml")].concat()
}

/// All checks of alerts in unit tests.
pub fn checks() -> Vec<Check> {
    let mut checks = Vec::new();
    for file in tests() {
        document(&file, |root| {
            for check in list(root, "tests").iter().flat_map(|test| list(test, "alert_rule_test")) {
                let firing = list(check, "exp_alerts").iter();
                let severities = firing.filter_map(|alert| text(alert.as_mapping_get("exp_labels")?, "severity"));
                let alert = text(check, "alertname").expect("an alertname");
                checks.push(Check { alert, severities: severities.collect() });
            }
        });
    }
    checks
}
