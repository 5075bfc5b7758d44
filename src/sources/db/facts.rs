//! From what a server answers to series: tables of (column of the answer -> family), and nothing else.

use std::collections::BTreeMap;

use super::families::{CONNECTIONS, CONNECTIONS_MAX};
use crate::numbers::{Family, Kind, Labels, fixed};
use crate::sources::Readings;

/// One question to a server.
pub struct Part {
    /// What the log calls it.
    pub what: &'static str,
    /// SQL, or a command; `{limit}` stands for the most tables.
    pub query: &'static str,
    pub facts: &'static [Fact],
    /// What the account lacks where it may not ask; `{user}` stands for its name.
    pub grant: &'static str,
    /// Which servers are asked.
    pub asks: fn(&About) -> bool,
    /// Brings the rows into the form that the facts are about.
    pub shape: fn(Vec<Row>) -> Vec<Row>,
    /// A second question, and what its rows add to those of the first.
    pub beside: Option<(&'static str, Join)>,
}

/// Adds to the rows of one answer what those of another say.
pub type Join = fn(&mut [Row], &[Row]);

impl Part {
    /// A question to all servers of an engine, whose rows are as the facts are.
    pub const fn new(what: &'static str, query: &'static str, facts: &'static [Fact]) -> Part {
        Part { what, query, facts, grant: "", asks: |_| true, shape: |rows| rows, beside: None }
    }

    pub const fn granted_by(self, grant: &'static str) -> Part {
        Part { grant, ..self }
    }

    pub const fn asked(self, asks: fn(&About) -> bool) -> Part {
        Part { asks, ..self }
    }

    pub const fn shaped(self, shape: fn(Vec<Row>) -> Vec<Row>) -> Part {
        Part { shape, ..self }
    }

    pub const fn beside(self, query: &'static str, join: Join) -> Part {
        Part { beside: Some((query, join)), ..self }
    }

    /// Whether it is about the sizes of tables, which cost more and change slowly.
    pub fn is_slow(&self) -> bool {
        self.query.contains("{limit}")
    }
}

/// What a server is, as far as questions depend on it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// As PostgreSQL counts: 150004 is 15.4, and 101106 is 10.11.6.
    pub version: u32,
    pub is_mariadb: bool,
    /// Whether it counts statements: PostgreSQL's pg_stat_statements, MySQL's performance_schema.
    pub counts_statements: bool,
}

/// One number of a row.
pub struct Fact {
    pub column: &'static str,
    pub family: &'static Family,
    /// Those behind engine and database.
    pub labels: &'static [Label],
    /// Of the family's unit in the column's.
    pub factor: f64,
    /// A counter of the server that falls when it forgets a part of what it has counted.
    pub forgets: bool,
}

/// Where the value of a label comes from.
pub enum Label {
    Is(&'static str),
    Of(&'static str),
}

impl Fact {
    pub const fn new(column: &'static str, family: &'static Family) -> Fact {
        Fact { column, family, labels: &[], factor: 1.0, forgets: false }
    }

    pub const fn with(self, labels: &'static [Label]) -> Fact {
        Fact { labels, ..self }
    }

    pub const fn times(self, factor: f64) -> Fact {
        Fact { factor, ..self }
    }

    pub const fn forgetful(self) -> Fact {
        Fact { forgets: true, ..self }
    }

    /// Connections of a server as a whole, in one state.
    pub const fn connections(column: &'static str, labels: &'static [Label]) -> Fact {
        Fact::new(column, CONNECTIONS).with(labels)
    }

    pub const fn connections_max(column: &'static str) -> Fact {
        Fact::new(column, CONNECTIONS_MAX).with(&[Label::Is("server")])
    }
}

/// A row of an answer: names and values, all as text.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Row(pub Vec<(String, Option<String>)>);

impl Row {
    /// Whether there is such a column.
    pub fn has(&self, column: &str) -> bool {
        self.0.iter().any(|(name, _)| name == column)
    }

    pub fn text(&self, column: &str) -> Option<&str> {
        self.0.iter().find(|(name, _)| name == column)?.1.as_deref()
    }

    /// A number, or a word that means yes or no.
    pub fn number(&self, column: &str) -> Option<f64> {
        let text = self.text(column)?;
        match text {
            "Yes" | "yes" | "up" | "online" | "t" => Some(1.0),
            "No" | "no" | "down" | "f" | "Connecting" | "Preparing" => Some(0.0),
            _ => text.parse().ok().filter(|number: &f64| number.is_finite()),
        }
    }

    /// The sum of some columns, as far as they are there.
    pub fn sum(&self, columns: &[&str]) -> f64 {
        columns.iter().filter_map(|column| self.number(column)).sum()
    }

    pub fn set(&mut self, column: &str, value: impl ToString) {
        self.0.push((column.to_owned(), Some(value.to_string())));
    }
}

/// Rows of a name and a value each, as one row: as long as no name is there twice.
pub fn pivot(rows: Vec<Row>) -> Vec<Row> {
    let pair = |row: Row| {
        let mut cells = row.0.into_iter().map(|(_, value)| value);
        Some((cells.next()??, cells.next()?))
    };
    vec![Row(rows.into_iter().filter_map(pair).collect())]
}

/// What one sample has found, series by series.
#[derive(Default)]
pub struct Tally {
    sums: BTreeMap<(&'static str, Labels), (&'static Family, f64, bool)>,
}

impl Tally {
    /// Takes the facts of an answer; rows with the same labels are added up.
    pub fn add(&mut self, part: &Part, rows: Vec<Row>) {
        for row in (part.shape)(rows) {
            for fact in part.facts {
                if let (Some(number), Some(labels)) = (row.number(fact.column), labels(fact, &row)) {
                    let sum = self.sums.entry((fact.family.name, labels)).or_insert((fact.family, 0.0, fact.forgets));
                    sum.1 += number * fact.factor;
                }
            }
        }
    }

    /// Hands everything on, behind the labels that all series of the server have.
    pub fn tell(self, first: &Labels, memory: &mut Memory, out: &mut Readings) {
        for ((name, labels), (family, mut sum, forgets)) in self.sums {
            if forgets {
                sum = memory.grown(name, sum);
            }
            // Counters of servers are never negative; a difference of two that were read apart may be.
            if family.kind == Kind::Counter {
                sum = sum.max(0.0);
            }
            out.add(family, [first.as_slice(), &labels].concat(), sum);
        }
    }
}

fn labels(fact: &Fact, row: &Row) -> Option<Labels> {
    let label = |label: &Label| match label {
        Label::Is(value) => Some(fixed(value)),
        Label::Of(column) => Some(row.text(column)?.to_owned().into()),
    };
    fact.labels.iter().map(label).collect()
}

/// Counters of a server that forgets: what it has forgotten is still counted here.
#[derive(Default)]
pub struct Memory(BTreeMap<&'static str, (f64, f64)>);

impl Memory {
    fn grown(&mut self, name: &'static str, now: f64) -> f64 {
        let (last, total) = self.0.entry(name).or_insert((now, now));
        *total += (now - *last).max(0.0);
        *last = now;
        *total
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::db::families::{QUERIES, TABLE_BYTES};

    static PART: Part = Part::new(
        "a part",
        "",
        &[
            Fact::new("calls", QUERIES).forgetful(),
            Fact::new("kib", TABLE_BYTES).with(&[Label::Of("table")]).times(1024.0),
        ],
    );

    fn row(cells: &[(&str, Option<&str>)]) -> Row {
        Row(cells.iter().map(|(name, value)| ((*name).to_owned(), value.map(str::to_owned))).collect())
    }

    fn told(rows: Vec<Row>, memory: &mut Memory) -> Vec<String> {
        let (mut tally, mut out) = (Tally::default(), Readings::default());
        tally.add(&PART, rows);
        tally.tell(&vec![fixed("e"), fixed("d")], memory, &mut out);
        out.values().iter().map(|reading| format!("{} {:?}", reading.labels.join(","), reading.value)).collect()
    }

    #[test]
    fn rows_become_series() {
        let mut memory = Memory::default();
        let rows = vec![
            row(&[("calls", Some("5")), ("kib", Some("2")), ("table", Some("a"))]),
            row(&[("calls", Some("7")), ("kib", None), ("table", Some("b"))]),
            row(&[("kib", Some("2")), ("table", None)]),
            row(&[("kib", Some("x")), ("table", Some("c"))]),
        ];
        assert_eq!(told(rows, &mut memory), ["e,d CounterFloat(12.0)", "e,d,a Gauge(2048.0)"]);
        assert_eq!(told(vec![row(&[("calls", Some("4"))])], &mut memory), ["e,d CounterFloat(12.0)"]);
        assert_eq!(told(vec![row(&[("calls", Some("6"))])], &mut memory), ["e,d CounterFloat(14.0)"]);
        assert_eq!(told(vec![row(&[("calls", Some("NaN"))])], &mut memory), [] as [&str; 0]);
    }

    #[test]
    fn names_and_values_become_one_row() {
        let rows = vec![row(&[("n", Some("a")), ("v", Some("1"))]), row(&[("n", None), ("v", Some("2"))]), row(&[])];
        assert_eq!(pivot(rows), [row(&[("a", Some("1"))])]);
    }
}
