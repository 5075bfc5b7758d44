//! `[labels]`: how many series there may be.

use super::section::Document;
use super::value;

/// Label sources and their bounds.
#[derive(Clone, Debug, PartialEq)]
pub struct Labels {
    /// Label sets of one family; further ones count as `other`.
    pub max_series: usize,
    /// Whether calls and registrations are counted by family of User-Agent.
    pub agents: bool,
    /// Whether calls are counted by the country of the number that is called.
    pub countries: bool,
}

impl Default for Labels {
    fn default() -> Self {
        Labels { max_series: 2000, agents: true, countries: false }
    }
}

pub(super) fn labels(document: &mut Document<'_>) -> Labels {
    let default = Labels::default();
    document.section("labels", |section| Labels {
        max_series: section.take("max_series", default.max_series, |typed| value::count(typed, 100..=100_000)),
        agents: section.take("agents", default.agents, value::boolean),
        countries: section.take("countries", default.countries, value::boolean),
    })
}
