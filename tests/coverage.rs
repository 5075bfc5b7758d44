//! docs/coverage.md: what serves each row of the mission's inventory. It is made from the inventory, and may point at nothing that is not there.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn text(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Names of all families: the program's, and those that packs declare themselves.
fn families() -> BTreeSet<String> {
    let output = Command::new(env!("CARGO_BIN_EXE_sidetone")).args(["metrics", "--format", "json"]).output();
    let json: serde_json::Value = serde_json::from_slice(&output.expect("sidetone runs").stdout).expect("JSON");
    let names =
        json.as_array().expect("a list").iter().map(|family| family["name"].as_str().expect("a name").to_owned());
    let packs = fs::read_dir(root().join("config/packs")).expect("packs").map(|entry| entry.expect("a pack").path());
    let texts: String = packs.filter_map(|pack| fs::read_to_string(pack.join("pack.toml")).ok()).collect();
    let own = texts.lines().filter_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"'));
    names.chain(own.filter(|name| name.starts_with("business_")).map(str::to_owned)).collect()
}

/// Files of rules: the common ones, and those of packs.
fn rule_files() -> Vec<PathBuf> {
    let list = |folder: PathBuf| fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let packs = list(root().join("config/packs")).filter(|pack| pack.is_dir()).flat_map(list);
    let all = list(root().join("alerts")).chain(packs);
    all.filter(|file| file.to_string_lossy().ends_with(".rules.yml")).collect()
}

/// Names of all recordings.
fn recordings() -> BTreeSet<String> {
    let texts: String = rule_files().iter().map(|file| fs::read_to_string(file).expect("rules")).collect();
    let records = texts.lines().filter_map(|line| line.trim().strip_prefix("- record: ").map(str::to_owned));
    records.collect()
}

/// Families that a dashboard asks for, by its title.
fn drawn() -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(root().join("dashboards")).expect("dashboards") {
        let text = fs::read_to_string(entry.expect("a dashboard").path()).expect("text");
        let json: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        let title = json["title"].as_str().unwrap_or_default().to_owned();
        for word in words(&text) {
            all.entry(word).or_insert_with(|| title.clone());
        }
    }
    all
}

fn words(text: &str) -> impl Iterator<Item = String> + '_ {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    text.split(move |c: char| !is_word(c)).filter(|word| word.contains(['_', ':'])).map(str::to_owned)
}

/// A row of the inventory: number, figure, way, what the inventory has for it, panel.
struct Row {
    number: String,
    figure: String,
    way: String,
    wanted: String,
}

/// The rows; nothing where the inventory is not at hand.
fn inventory() -> Option<Vec<Row>> {
    let shared = std::env::var_os("SIDETONE_SHARED").map_or_else(|| root().join("../shared"), PathBuf::from);
    let file = shared.join("mission/INVENTORY.md");
    let Ok(text) = fs::read_to_string(&file) else {
        assert!(std::env::var_os("SIDETONE_SHARED").is_none(), "{} is not there", file.display());
        println!("skipped: {} is not there", file.display());
        return None;
    };
    let body = text.split("# Metric catalogue").next().expect("rows");
    let seeds = ["CF-", "WA-", "VC-", "AR-", "CRM-"];
    let lines = body
        .lines()
        .filter_map(|line| line.strip_prefix("| "))
        .filter(|line| seeds.iter().any(|seed| line.starts_with(seed)));
    let rows = lines.map(|line| {
        let cells: Vec<String> =
            line.replace("\\|", "\u{1}").split(" | ").map(|cell| cell.replace('\u{1}', "|")).collect();
        Row {
            number: cells[0].clone(),
            figure: cells[1].clone(),
            way: cells[3].trim().to_owned(),
            wanted: cells[4].clone(),
        }
    });
    Some(rows.collect())
}

/// Two columns of a list: a word, and the rest of its line.
fn pairs(file: &str) -> BTreeMap<String, String> {
    let lines = text(file);
    let lines = lines.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    lines.map(|line| line.split_once(' ').expect("two columns")).map(|(a, b)| (a.to_owned(), b.to_owned())).collect()
}

/// What serves rows.
struct Served {
    families: BTreeSet<String>,
    recordings: BTreeSet<String>,
    names: BTreeMap<String, String>,
    unserved: BTreeMap<String, String>,
    /// Rows whose text names nothing.
    rows: BTreeMap<String, String>,
}

impl Served {
    fn read() -> Served {
        Served {
            families: families(),
            recordings: recordings(),
            names: pairs("tests/coverage/names.txt"),
            unserved: pairs("tests/coverage/unserved.txt"),
            rows: pairs("tests/coverage/rows.txt"),
        }
    }

    fn family(&self, word: &str) -> Option<String> {
        let stems = ["_sum", "_count", "_bucket"].iter().filter_map(|end| word.strip_suffix(end));
        let mut all = std::iter::once(word).chain(stems);
        all.find_map(|word| {
            let name = self.names.get(word).map_or(word, String::as_str);
            self.families.contains(name).then(|| name.to_owned())
        })
    }

    /// Families and rules that a row needs, those of the rows that it refers to included.
    fn of(&self, row: &Row, all: &BTreeMap<&str, &Row>, depth: usize) -> BTreeSet<String> {
        if let Some(names) = self.rows.get(&row.number) {
            return names.split(' ').map(str::to_owned).collect();
        }
        let mut found = BTreeSet::new();
        for word in words(&row.wanted) {
            if self.recordings.contains(&word) {
                found.insert(word);
            } else if let Some(family) = self.family(&word) {
                found.insert(family);
            }
        }
        if found.is_empty() && depth < 4 {
            let numbers = row.wanted.split(|c: char| !c.is_ascii_alphanumeric() && !"-.".contains(c));
            for number in numbers.map(|word| word.trim_end_matches('.')).filter(|word| word.contains('-')) {
                // CF-1.3 is all of CF-1.3.1 to CF-1.3.7.
                let section = format!("{number}.");
                let meant = all.iter().filter(|(other, _)| **other == number || other.starts_with(&section));
                meant.for_each(|(_, other)| found.extend(self.of(other, all, depth + 1)));
            }
        }
        found
    }

    fn reason(&self, row: &Row) -> Option<String> {
        words(&row.wanted).find_map(|word| self.unserved.get(&word).cloned())
    }
}

/// The table as it must be.
fn table(rows: &[Row]) -> String {
    let (served, drawn) = (Served::read(), drawn());
    let all: BTreeMap<&str, &Row> = rows.iter().map(|row| (row.number.as_str(), row)).collect();
    let mut out = "| row | figure | way | served by | shown on |\n| --- | --- | --- | --- | --- |\n".to_owned();
    for row in rows {
        let found = served.of(row, &all, 0);
        let list = found.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        let by = match (row.way.starts_with('X'), found.is_empty(), served.reason(row)) {
            (true, _, _) => format!("no metric: {}", row.wanted.replace('|', "\\|")),
            (false, false, _) => list,
            (false, true, Some(reason)) => format!("not served: {reason}"),
            // The other test complains.
            (false, true, None) => "nothing".to_owned(),
        };
        let board = found.iter().find_map(|name| drawn.get(name)).map_or("", String::as_str);
        out += &format!("| {} | {} | {} | {by} | {board} |\n", row.number, row.figure.replace('|', "\\|"), row.way);
    }
    out
}

#[test]
fn the_table_is_what_the_inventory_and_the_program_say() {
    let Some(rows) = inventory() else { return };
    assert!(rows.len() > 1000, "only {} rows", rows.len());
    let shipped = text("docs/coverage.md");
    let (introduction, rest) = shipped.split_once("| row |").expect("a table");
    let table = table(&rows);
    if format!("| row |{rest}") == table {
        return;
    }
    if std::env::var_os("UPDATE_DOCS").is_some() {
        return fs::write(root().join("docs/coverage.md"), introduction.to_owned() + &table)
            .expect("docs/coverage.md is written");
    }
    panic!("docs/coverage.md is not what the inventory and `sidetone metrics` say; UPDATE_DOCS=1 writes it anew");
}

#[test]
fn no_row_points_at_nothing() {
    let (families, recordings) = (families(), recordings());
    let mut problems = Vec::new();
    let shipped = text("docs/coverage.md");
    let rows: Vec<Vec<&str>> =
        shipped.lines().filter_map(|line| line.strip_prefix("| ")).map(|line| line.split(" | ").collect()).collect();
    for cells in rows.iter().skip(1).filter(|cells| cells.len() >= 4 && !cells[0].starts_with('-')) {
        let (number, way, by) = (cells[0], cells[2], cells[3]);
        let is_said = ["no metric: ", "not served: "].iter().any(|word| by.starts_with(word));
        let names: Vec<&str> = by.split('`').skip(1).step_by(2).collect();
        if !is_said && names.is_empty() {
            problems.push(format!("{number}: nothing serves it"));
        }
        if by.starts_with("no metric: ") != way.starts_with('X') {
            problems.push(format!("{number}: way {way}, and {by}"));
        }
        let missing =
            names.iter().filter(|name| !is_said && !families.contains(**name) && !recordings.contains(**name));
        problems.extend(missing.map(|name| format!("{number}: {name} is neither a family nor a rule")));
    }
    assert!(rows.len() > 1000, "only {} rows", rows.len());
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}
