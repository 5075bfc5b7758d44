//! `include`, `[[packs]]`: folders that turn databases and events of a product into `business_*` metrics.

mod events;
mod families;
mod labels;
mod privacy;
mod queries;
mod shapes;
mod sources;
mod sql;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::tz::TimeZone;
use toml::Spanned;

use super::databases::{distinct, few, interval, name};
use super::probes::{self, Probe};
use super::report::ConfigError;
use super::section::{Document, Section};
use super::value::{self, Checked, Value, fault};
use super::{Database, zone};

pub use events::{Condition, PERIOD, Rule, TIMESTAMP, Track, Update, Wait, Wants};
pub use families::{Metric, OWN_LABELS, Vocabulary};
pub use labels::{From, Label, LabelRule, TimePart, Values, band};
pub use queries::{Column, Merge, Place, Query, Window};
pub use shapes::{Shape, Signature};
pub use sources::{EventSource, Events, Key};
pub use sql::{Parameter, Statement};

/// What a folder of a pack holds, in the order in which it is read.
const FILES: [&str; 3] = ["pack.toml", "queries.toml", "events.toml"];
/// Smaller groups of people are not shown, where nothing else is said.
pub const MINIMUM_GROUP: usize = 5;

/// Everything that is counted for the business.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Business {
    pub packs: Vec<Pack>,
    pub events: Events,
    pub sources: Vec<EventSource>,
}

/// One product.
#[derive(Clone, Debug, PartialEq)]
pub struct Pack {
    pub name: String,
    /// The `[[databases]]` that its queries ask.
    pub database: Option<String>,
    pub time_zone: TimeZone,
    pub medical: bool,
    pub minimum_group: usize,
    pub tenants: Option<Tenants>,
    pub queries: Vec<Query>,
    pub rules: Vec<Rule>,
    pub tracks: Vec<Track>,
    pub shapes: Vec<Shape>,
}

impl Pack {
    /// Every family that its rules and tracks change.
    pub fn metrics(&self) -> impl Iterator<Item = Metric> {
        let of_tracks = |track: &Track| {
            let own =
                [&track.started, &track.ended, &track.idled, &track.duration, &track.events, &track.first, &track.last];
            let own: Vec<Metric> = own.into_iter().flatten().map(|update| update.metric).collect();
            let waits = track.waits.iter().flat_map(|wait| std::iter::once(&wait.update).chain(&wait.count));
            own.into_iter().chain(waits.map(|update| update.metric)).collect::<Vec<_>>()
        };
        self.rules.iter().map(|rule| rule.update.metric).chain(self.tracks.iter().flat_map(of_tracks))
    }
}

/// Whose rows there are.
#[derive(Clone, Debug, PartialEq)]
pub struct Tenants {
    pub sql: Statement,
    pub interval: Duration,
    pub max: usize,
    /// Only these, by what stands for them; empty: all.
    pub aliases: BTreeMap<String, String>,
}

/// What a section of a pack needs to know.
struct Reading<'a> {
    vocabulary: &'a Vocabulary,
    words: BTreeMap<String, String>,
    lists: labels::Lists<'a>,
    has_tenants: bool,
    is_medical: bool,
}

/// What `[[packs]]` says of a pack.
#[derive(Clone, Default)]
struct Settings {
    name: String,
    place: std::ops::Range<usize>,
    database: Option<String>,
    time_zone: Option<TimeZone>,
    medical: Option<bool>,
    minimum_group: Option<usize>,
    words: BTreeMap<String, String>,
    aliases: labels::Aliases,
    groups: labels::Groups,
    tenants: BTreeMap<String, String>,
    /// Queries that are not asked.
    without: Vec<Spanned<String>>,
}

/// What the main file says of packs, before they are read.
pub(super) struct Wanted {
    include: Vec<Spanned<String>>,
    settings: Vec<Settings>,
    events: Events,
    sources: Vec<sources::Typed>,
}

/// Packs, the probes that came with them, and the faults of their files.
pub(super) struct Included {
    pub business: Business,
    pub probes: Vec<Probe>,
    /// Of all files.
    probe_names: BTreeSet<String>,
    /// What no pack has, though `[[packs]] without` names it.
    unknown: Vec<Spanned<String>>,
    pub faults: Vec<ConfigError>,
}

/// Reads what the main file says.
pub(super) fn read(document: &mut Document<'_>, databases: &[Database]) -> Wanted {
    let include = document.root("include", Vec::new(), |typed| {
        let items = value::list(typed, "folders or files", "\"packs/careflow\"")?;
        value::distinct(value::each(items, value::text)?)
    });
    let (mut names, mut count) = (BTreeSet::new(), 0);
    let settings = document.sections("packs", |section| {
        few(section, &mut count);
        settings(section, databases, &mut names)
    });
    let (events, sources) = sources::read(document);
    Wanted { include, settings, events, sources }
}

fn settings(section: &mut Section<'_, '_>, databases: &[Database], names: &mut BTreeSet<String>) -> Settings {
    let own = section.take_required("name", "\"careflow\"", name);
    distinct(section, &own, names);
    let database = section.take("database", None, |typed| {
        let span = typed.span();
        let named = name(typed)?;
        let known: Vec<&str> = databases.iter().map(|database| database.name.as_str()).collect();
        match known.contains(&named.as_str()) {
            true => Ok(Some(named)),
            false => fault(
                span,
                format!("is {named:?}, and no [[databases]] has that name"),
                format!("known: {}", known.join(", ")),
            ),
        }
    });
    let words = texts(section, "names");
    let typed = section.entries("aliases");
    let aliases = lists(section, "aliases", typed).into_iter().map(|(list, pairs)| (list, pairs.into_iter().collect()));
    let aliases = aliases.collect();
    let typed = section.entries("groups");
    Settings {
        name: own,
        place: section.place("name"),
        database,
        time_zone: section.take("time_zone", None, |typed| zone::time_zone(typed).map(Some)),
        medical: section.take("medical", None, |typed| value::boolean(typed).map(Some)),
        minimum_group: section.take("minimum_group", None, |typed| minimum(typed).map(Some)),
        words,
        aliases,
        groups: lists(section, "groups", typed),
        tenants: texts(section, "tenants"),
        without: section.take("without", Vec::new(), |typed| {
            let items = value::list(typed, "names of queries", "\"agents\"")?;
            value::each(items, name)
        }),
    }
}

/// Pairs in the order of the file, by the names of their lists.
fn lists<'i>(section: &mut Section<'_, 'i>, key: &str, typed: Vec<(Spanned<String>, Value<'i>)>) -> labels::Groups {
    let each = typed.into_iter().filter_map(|(list, typed)| {
        let found = section.table(key, "list", typed, |section| pairs(section.rest()));
        found.map(|found| (list.into_inner(), found))
    });
    each.collect()
}

fn pairs(mut entries: Vec<(Spanned<String>, Value<'_>)>) -> Vec<(String, String)> {
    entries.sort_by_key(|(name, _)| name.span().start);
    let text = |(name, typed): (Spanned<String>, Value<'_>)| {
        let shown = typed.get_ref().as_str().map_or_else(|| value::found(typed.get_ref()), str::to_owned);
        (name.into_inner(), shown)
    };
    entries.into_iter().map(text).collect()
}

fn minimum(value: Value<'_>) -> Checked<usize> {
    value::count(value, 0..=1000)
}

/// The table `key` as texts.
fn texts(section: &mut Section<'_, '_>, key: &'static str) -> BTreeMap<String, String> {
    plain(section.entries(key))
}

fn plain(entries: Vec<(Spanned<String>, Value<'_>)>) -> BTreeMap<String, String> {
    pairs(entries).into_iter().collect()
}

/// Reads the folders and files that `wanted` names, from the folder `base`; `probe_names` are those of the main file.
pub(super) fn include(
    document: &mut Document<'_>,
    wanted: Wanted,
    base: &Path,
    site: &TimeZone,
    probe_names: BTreeSet<String>,
) -> Included {
    let mut included = Included {
        business: Business::default(),
        probes: Vec::new(),
        probe_names,
        unknown: Vec::new(),
        faults: Vec::new(),
    };
    let mut vocabulary = Vocabulary::default();
    if !wanted.include.is_empty() {
        vocabulary = Vocabulary::shipped();
    }
    for named in &wanted.include {
        let path = base.join(named.get_ref());
        match files(&path) {
            Ok(files) => read_pack(&files, &wanted.settings, site, &mut vocabulary, &mut included),
            Err(message) => {
                let hint = "name a folder with a pack.toml, or a file; relative paths begin at the folder of this file";
                document.complain(named.span(), format!("`include` names {}: {message}", path.display()), hint);
            }
        }
    }
    let known: Vec<&str> = included.business.packs.iter().map(|pack| pack.name.as_str()).collect();
    if included.faults.is_empty() {
        for settings in wanted.settings.iter().filter(|settings| !known.contains(&settings.name.as_str())) {
            let message = format!("`packs.name` is {:?}, and no pack of that name is included", settings.name);
            let hint = format!("add include = [\"packs/{}\"] above the first section", settings.name);
            document.complain(settings.place.clone(), message, hint);
        }
        for unknown in &included.unknown {
            let message = format!("`packs.without` names {:?}, which is no query of the pack", unknown.get_ref());
            document.complain(unknown.span(), message, "sidetone check says nothing of those that it knows");
        }
        included.business.sources = sources::finish(document, wanted.sources, &included.business.packs);
    }
    included.business.events = wanted.events;
    included
}

fn files(path: &Path) -> Result<Vec<PathBuf>, String> {
    if path.is_file() {
        return Ok(vec![path.to_owned()]);
    }
    let found: Vec<PathBuf> = FILES.iter().map(|file| path.join(file)).filter(|file| file.is_file()).collect();
    match (found.is_empty(), path.is_dir()) {
        (false, _) => Ok(found),
        (true, true) => Err(format!("that folder has none of {}", FILES.join(", "))),
        (true, false) => Err("there is no such folder or file".to_owned()),
    }
}

/// What the files of one pack hold, as far as they are read.
#[derive(Default)]
struct Draft {
    settings: Settings,
    name: String,
    medical: bool,
    minimum_group: usize,
    words: BTreeMap<String, String>,
    groups: labels::Groups,
    tenants: Option<Tenants>,
    queries: Vec<Query>,
    rules: Vec<Rule>,
    tracks: Vec<Track>,
    shapes: Vec<Shape>,
}

fn read_pack(
    files: &[PathBuf],
    settings: &[Settings],
    site: &TimeZone,
    vocabulary: &mut Vocabulary,
    included: &mut Included,
) {
    let (mut draft, mut query_names, mut taken) = (Draft::default(), BTreeSet::new(), false);
    for path in files {
        let shown = path.display().to_string();
        let text = match super::read_file(path) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(source) => {
                included.faults.push(ConfigError::Unreadable { path: path.clone(), source });
                continue;
            }
        };
        let mut document = Document::parse(&text, None);
        taken |= head(&mut document, settings, site, &mut draft);
        vocabulary.read(&mut document);
        body(&mut document, &mut draft, vocabulary, &mut query_names);
        let probes = probes::read(&mut document, &mut included.probe_names);
        match document.finish(&shown, probes) {
            Ok(probes) => included.probes.extend(probes),
            Err(fault) => included.faults.push(fault),
        }
    }
    if taken && !draft.name.is_empty() {
        included.unknown.extend(draft.unknown());
        included.business.packs.push(draft.finish(site));
    }
}

/// Reads `[pack]`, `[names]` and `[tenants]`; says whether there is a pack.
fn head(document: &mut Document<'_>, settings: &[Settings], site: &TimeZone, draft: &mut Draft) -> bool {
    let (found, medical, minimum_group) = document.section("pack", |section| {
        let found: Option<String> = section.take("name", None, |typed| name(typed).map(Some));
        let medical = section.take("medical", false, value::boolean);
        let minimum = section.take("minimum_group", MINIMUM_GROUP, minimum);
        section.require(
            !medical || minimum >= MINIMUM_GROUP,
            ["minimum_group", "medical"],
            "is below 5 in the medical profile",
            "groups of fewer than 5 patients are never shown",
        );
        (found, medical, minimum)
    });
    let words = document.section("names", |section| plain(section.rest()));
    let groups = document.section("groups", |section| {
        let typed = section.rest();
        lists(section, "groups", typed)
    });
    if let Some(name) = &found {
        draft.name.clone_from(name);
        (draft.medical, draft.minimum_group) = (medical, minimum_group);
        if let Some(own) = settings.iter().find(|settings| settings.name == *name) {
            draft.settings = own.clone();
        }
    }
    draft.words.extend(words);
    draft.groups.extend(groups);
    let Settings { words, groups, time_zone, .. } = draft.settings.clone();
    let zone = time_zone.unwrap_or_else(|| site.clone());
    draft.words.insert("zone".to_owned(), format!("'{}'", zone.iana_name().unwrap_or("UTC")));
    draft.words.extend(words);
    draft.groups.extend(groups);
    let words = &draft.words;
    let aliases = draft.settings.tenants.clone();
    let tenants = document.section("tenants", |section| {
        let sql = section.take("sql", None, |typed| {
            let span = typed.span();
            let text = value::text(typed)?;
            Statement::parse(&text, words).map(Some).or_else(|(message, hint)| fault(span, message, hint))
        });
        let interval = section.take("interval", Duration::from_secs(300), interval);
        let max = section.take("max", 200, |typed| value::count(typed, 1..=10_000));
        sql.map(|sql| Tenants { sql, interval, max, aliases })
    });
    draft.tenants = draft.tenants.take().or(tenants);
    found.is_some()
}

/// Reads what the pack asks and counts.
fn body(document: &mut Document<'_>, draft: &mut Draft, vocabulary: &Vocabulary, names: &mut BTreeSet<String>) {
    let (aliases, groups) = (draft.settings.aliases.clone(), draft.groups.clone());
    let reading = Reading {
        vocabulary,
        words: draft.words.clone(),
        lists: labels::Lists { aliases: &aliases, groups: &groups },
        has_tenants: draft.tenants.is_some(),
        is_medical: draft.settings.medical.unwrap_or(draft.medical),
    };
    draft.queries.extend(queries::read(document, &reading, names));
    draft.rules.extend(events::rules(document, &reading));
    draft.tracks.extend(events::tracks(document, &reading));
    draft.shapes.extend(shapes::read(document));
}

impl Draft {
    /// Names of `without` that are no queries.
    fn unknown(&self) -> Vec<Spanned<String>> {
        let is_known = |name: &&Spanned<String>| self.queries.iter().any(|query| query.name == *name.get_ref());
        self.settings.without.iter().filter(|name| !is_known(name)).cloned().collect()
    }

    fn finish(self, site: &TimeZone) -> Pack {
        let medical = self.settings.medical.unwrap_or(self.medical);
        let is_asked = |query: &Query| self.settings.without.iter().all(|name| *name.get_ref() != query.name);
        let queries = self.queries.into_iter().filter(is_asked).collect();
        let wanted = self.settings.minimum_group.unwrap_or(self.minimum_group);
        Pack {
            name: self.name,
            database: self.settings.database,
            time_zone: self.settings.time_zone.unwrap_or_else(|| site.clone()),
            medical,
            // Never below for patients, whatever is configured.
            minimum_group: if medical { wanted.max(MINIMUM_GROUP) } else { wanted },
            tenants: self.tenants,
            queries,
            rules: self.rules,
            tracks: self.tracks,
            shapes: self.shapes,
        }
    }
}

/// A family by its name.
fn metric(value: Value<'_>, known: &Vocabulary) -> Checked<Metric> {
    let span = value.span();
    let name = value::string(value)?;
    match known.get(&name) {
        Some(metric) => Ok(metric),
        None => {
            let names: Vec<&str> = known.names().collect();
            let hint = match value::nearest(&name, &names) {
                Some(near) => format!("did you mean \"{near}\"?"),
                None => "declare it with [[families]], or take one of docs/metrics.md".to_owned(),
            };
            fault(span, format!("names {name:?}, which is no family"), hint)
        }
    }
}
