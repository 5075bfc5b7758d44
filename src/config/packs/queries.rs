//! `[[queries]]`: what a pack asks a database.

use std::collections::BTreeSet;
use std::time::Duration;

use super::families::{Metric, Vocabulary};
use super::labels::{self, Label, LabelRule};
use super::sql::Statement;
use super::{Reading, metric};
use crate::config::databases::{distinct, name};
use crate::config::section::{Document, Section};
use crate::config::value::{self, Checked, Value, fault};
use crate::numbers::Kind;

/// The label of what is asked once a window.
pub const WINDOW: &str = "window";
/// Most queries of a pack.
const MAX_QUERIES: usize = 500;
const MAX_ROWS: usize = 200_000;

/// One question.
#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    pub name: String,
    pub sql: Statement,
    pub mysql: Option<Statement>,
    pub clickhouse: Option<Statement>,
    pub windows: Vec<Window>,
    pub interval: Duration,
    /// How often windows of more than a day are asked for.
    pub long_interval: Option<Duration>,
    /// For one run of one window.
    pub timeout: Duration,
    pub labels: Vec<Label>,
    pub values: Vec<Column>,
    pub group_size: Option<String>,
    /// What becomes of the sizes of rows of one series.
    pub group_merge: Merge,
    pub zeros: bool,
    pub has_tenant: bool,
    /// Whether the medical profile may see it.
    pub medical: bool,
    pub max_rows: usize,
}

/// A column that is a family.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    pub column: String,
    pub metric: Metric,
    pub merge: Merge,
    /// For each of the metric's labels, which of the query's it is; none: it stays empty.
    pub places: Vec<Option<Place>>,
}

/// Where a label of a series comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    Window,
    /// One of the query's labels.
    Label(usize),
    /// Always the same for this column.
    Fixed(String),
}

/// What becomes of rows of one series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Merge {
    Sum,
    Max,
    Min,
    /// The first stays.
    Keep,
}

const MERGES: [(&str, Merge); 4] =
    [("sum", Merge::Sum), ("max", Merge::Max), ("min", Merge::Min), ("none", Merge::Keep)];

/// A time that ends now, or that ended when such a time began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Window {
    Today,
    Yesterday,
    Month,
    /// So many days.
    Last(u16),
    /// As many days before.
    Before(u16),
}

impl Window {
    pub const ALL: [(&'static str, Window); 13] = [
        ("today", Window::Today),
        ("yesterday", Window::Yesterday),
        ("month", Window::Month),
        ("24h", Window::Last(1)),
        ("7d", Window::Last(7)),
        ("30d", Window::Last(30)),
        ("90d", Window::Last(90)),
        ("365d", Window::Last(365)),
        ("prev_24h", Window::Before(1)),
        ("prev_7d", Window::Before(7)),
        ("prev_30d", Window::Before(30)),
        ("prev_90d", Window::Before(90)),
        ("prev_365d", Window::Before(365)),
    ];

    /// The value of the label.
    pub fn name(self) -> &'static str {
        Window::ALL.iter().find(|(_, window)| *window == self).map_or("", |(name, _)| name)
    }

    /// Whether it is of more than two days.
    pub fn is_long(self) -> bool {
        matches!(self, Window::Month | Window::Last(2..) | Window::Before(2..))
    }

    /// Whether it begins at somebody's midnight.
    pub fn has_zone(self) -> bool {
        matches!(self, Window::Today | Window::Yesterday | Window::Month)
    }
}

/// Reads the queries of a file.
pub(super) fn read(document: &mut Document<'_>, reading: &Reading<'_>, names: &mut BTreeSet<String>) -> Vec<Query> {
    document.sections("queries", |section| query(section, reading, names)).into_iter().flatten().collect()
}

fn query(section: &mut Section<'_, '_>, reading: &Reading<'_>, names: &mut BTreeSet<String>) -> Option<Query> {
    let own = section.take_required("name", "\"calls\"", name);
    distinct(section, &own, names);
    if names.len() > MAX_QUERIES {
        section.complain(
            section.place("name"),
            format!("a pack of more than {MAX_QUERIES} queries"),
            "make two packs of it",
        );
    }
    let words = &reading.words;
    let mut statement = |key| section.take(key, None, |typed| sql(typed, words).map(Some));
    let (sql, mysql, clickhouse) = (statement("sql"), statement("mysql"), statement("clickhouse"));
    section.require_one_of(["sql", "mysql"], "\"SELECT ...\"");
    let windows = section.take("windows", Vec::new(), windows);
    let labels = labels::read(section, reading.lists);
    let query = Query {
        name: own,
        sql: sql.or_else(|| mysql.clone()).unwrap_or_default(),
        mysql,
        clickhouse,
        interval: section.take("interval", Duration::from_secs(60), interval),
        long_interval: section.take("long_interval", None, |typed| interval(typed).map(Some)),
        timeout: section.take("timeout", Duration::from_secs(10), |typed| {
            value::duration(typed, Duration::from_millis(100)..=Duration::from_secs(300))
        }),
        values: values(section, reading.vocabulary, &labels, !windows.is_empty()),
        windows,
        labels,
        group_size: section.take("group_size", None, |typed| value::text(typed).map(Some)),
        group_merge: section.take("group_merge", Merge::Sum, |typed| value::choice(typed, &MERGES[..2])),
        zeros: section.take("zeros", false, value::boolean),
        has_tenant: section.take("tenant", true, value::boolean) && reading.has_tenants,
        medical: section.take("medical", true, value::boolean),
        max_rows: section.take("max_rows", 20_000, |typed| value::count(typed, 1..=MAX_ROWS)),
    };
    for label in query.labels.iter().filter(|label| matches!(label.rule, LabelRule::Time(_))) {
        let message = format!("`labels.{}` is of an event's time, and a row has none", label.name);
        section.complain(section.place("labels"), message, "let the statement give the hour as a column");
    }
    let is_windowed = query.sql.parameters.iter().any(|parameter| *parameter != super::sql::Parameter::Now);
    section.require(
        is_windowed != query.windows.is_empty(),
        ["windows", "sql"],
        "and the parameters :from and :to need one another",
        "write windows = [\"24h\"] where the statement has :from and :to",
    );
    section.require(
        query.medical || reading.has_tenants || !reading.is_medical,
        ["medical", "name"],
        "is false in a pack of the medical profile: the query never runs",
        "delete the query",
    );
    (!query.values.is_empty()).then_some(query)
}

fn interval(value: Value<'_>) -> Checked<Duration> {
    value::duration(value, Duration::from_secs(1)..=Duration::from_secs(24 * 3600))
}

fn sql(value: Value<'_>, words: &std::collections::BTreeMap<String, String>) -> Checked<Statement> {
    let span = value.span();
    let text = value::text(value)?;
    Statement::parse(&text, words).or_else(|(message, hint)| fault(span, message, hint))
}

fn windows(value: Value<'_>) -> Checked<Vec<Window>> {
    let items = value::list(value, "windows", "\"today\", \"30d\"")?;
    let checked = value::each(items, |item| value::choice(item, &Window::ALL))?;
    let mut all = value::plain(checked);
    all.sort_unstable();
    all.dedup();
    Ok(all)
}

fn values(section: &mut Section<'_, '_>, known: &Vocabulary, labels: &[Label], is_windowed: bool) -> Vec<Column> {
    let found = section.tables("values", "values", |section| {
        let column = section.take_required("column", "\"calls\"", value::text);
        let merge = section.take("merge", Merge::Sum, |typed| value::choice(typed, &MERGES));
        let metric = section.take("metric", None, |typed| metric(typed, known).map(Some))?;
        if metric.family.kind == Kind::Histogram {
            section.complain(
                section.place("metric"),
                "`values.metric` is a histogram, which no column is",
                "name a gauge or a counter",
            );
        }
        let has_window = metric.labels().contains(&WINDOW);
        section.require(
            has_window == is_windowed,
            ["metric", "column"],
            "has the label window if the query has windows, and only then",
            "name another family, or change `windows`",
        );
        let own = super::texts(section, "labels");
        for name in own.keys().filter(|name| !metric.labels().contains(&name.as_str())) {
            let message = format!("`values.labels.{name}` is no label of {}", metric.family.name);
            section.complain(section.place("labels"), message, format!("its labels: {}", metric.labels().join(", ")));
        }
        let place = |name: &&str| match (*name, own.get(*name)) {
            (_, Some(value)) => Some(Place::Fixed(value.clone())),
            (WINDOW, None) => Some(Place::Window),
            (name, None) => labels.iter().position(|label| label.name == name).map(Place::Label),
        };
        let places = metric.labels().iter().map(place).collect();
        Some(Column { column, metric, merge, places })
    });
    if found.is_empty() {
        section.complain(
            section.place("values"),
            "`queries.values` is missing",
            "add values = [{ column = \"calls\", metric = \"business_calls\" }]",
        );
    }
    let all: Vec<Column> = found.into_iter().flatten().collect();
    for (at, label) in labels.iter().enumerate() {
        let is_used = all.iter().any(|column| column.places.contains(&Some(Place::Label(at))));
        if !is_used && !all.is_empty() {
            let message = format!("`labels.{}` is a label of none of the query's families", label.name);
            section.complain(section.place("labels"), message, "delete it, or name a family that has it");
        }
    }
    all
}
