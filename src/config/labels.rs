//! `[labels]`: how many series there may be.

use super::section::Document;
use super::value;

/// Label sources and their bounds.
#[derive(Clone, Debug, PartialEq)]
pub struct Labels {
    /// Label sets of one family; further ones count as `other`.
    pub max_series: usize,
}

impl Default for Labels {
    fn default() -> Self {
        Labels { max_series: 2000 }
    }
}

pub(super) fn labels(document: &mut Document<'_>) -> Labels {
    let default = Labels::default();
    document.section("labels", |section| Labels {
        max_series: section.take("max_series", default.max_series, |typed| value::count(typed, 100..=100_000)),
    })
}
