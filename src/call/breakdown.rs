//! Calls by what sent them and by the country that they go to.

use crate::labels::{Labels, Series};
use crate::numbers::{Collection, Family, Value, fixed};
use crate::site::Direction;

use super::agents::{self, Names};
use super::dialog::Call;
use super::outcome::Outcome;

static BY_AGENT: Family = Family::counter(
    "call_outcomes_by_agent_total",
    "",
    &["agent", "outcome"],
    "Ended call attempts by the family of the caller's User-Agent ([[user_agents]]; none: it has none) and outcome.",
);
static BY_COUNTRY: Family = Family::counter(
    "call_outcomes_by_country_total",
    "",
    &["country", "direction", "outcome"],
    "Ended call attempts by the country (ISO 3166-1) of the number that was called and outcome; only with labels.countries.",
);

/// The families of this file, in the order of the catalogue.
pub static FAMILIES: &[&Family] = &[&BY_AGENT, &BY_COUNTRY];

type Outcomes = [u64; Outcome::ALL.len()];

/// A country's name; `other` past the budget.
type Destination = (&'static str, Direction);

impl Labels for agents::Family {
    fn other(self) -> agents::Family {
        agents::Family::OTHER
    }
}

impl Labels for Destination {
    fn other(self) -> Destination {
        ("other", self.1)
    }
}

/// What was counted.
#[derive(Clone, Debug)]
pub struct Numbers {
    pub names: Names,
    agents: Series<agents::Family, Outcomes>,
    /// Only where countries are told apart.
    countries: Option<Series<Destination, Outcomes>>,
}

impl Numbers {
    pub fn new(settings: &super::Settings) -> Numbers {
        Numbers {
            names: settings.agents.names(),
            agents: Series::new(settings.max_series),
            countries: settings.countries.then(|| Series::new(settings.max_series)),
        }
    }

    /// An attempt has ended.
    pub fn count_end(&mut self, call: &Call, outcome: Outcome) {
        if !self.names.is_empty() {
            self.agents.row(call.agent, Outcomes::default)[outcome as usize] += 1;
        }
        if let Some(countries) = &mut self.countries {
            let destination = (call.country.name(), call.key.direction);
            countries.row(destination, Outcomes::default)[outcome as usize] += 1;
        }
    }

    pub fn collect(&self, out: &mut Collection) {
        for family in FAMILIES {
            out.declare(family);
        }
        self.agents.collect_overflow(&BY_AGENT, out);
        for (agent, outcomes) in self.agents.iter() {
            for (outcome, count) in Outcome::ALL.into_iter().zip(outcomes) {
                let labels = vec![agents::label(&self.names, *agent), fixed(outcome.name())];
                out.add(&BY_AGENT, labels, Value::Counter(*count));
            }
        }
        let Some(countries) = &self.countries else { return };
        countries.collect_overflow(&BY_COUNTRY, out);
        for ((country, direction), outcomes) in countries.iter() {
            for (outcome, count) in Outcome::ALL.into_iter().zip(outcomes) {
                let labels = vec![fixed(country), fixed(direction.name()), fixed(outcome.name())];
                out.add(&BY_COUNTRY, labels, Value::Counter(*count));
            }
        }
    }
}
