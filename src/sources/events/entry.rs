//! What an event changes, as it is written down and done: the same when it happens and when it is read again after a restart.

use std::collections::HashSet;

use cardinality_estimator::CardinalityEstimator;
use serde::{Deserialize, Serialize};

/// One change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Entry {
    /// A series begins; its number is how many there were before.
    Series {
        family: String,
        labels: Vec<String>,
    },
    Add {
        series: u32,
        value: f64,
    },
    Set {
        series: u32,
        value: f64,
    },
    Observe {
        series: u32,
        value: f64,
    },
    /// A value that is to be counted once a period.
    Distinct {
        series: u32,
        period: i32,
        hash: u64,
    },
    /// A delivery that has been counted.
    Delivered {
        at: i64,
        id: u128,
    },
    Track {
        key: u128,
        track: Option<Box<Track>>,
    },
    /// The rest stands in snapshots alone.
    Deliveries {
        at: i64,
        ids: Vec<u128>,
    },
    Buckets {
        series: u32,
        counts: Vec<u64>,
        sum: f64,
    },
    Members {
        series: u32,
        period: i32,
        members: Members,
    },
    /// What ids are hashed with.
    Secret([u8; 32]),
}

/// What belongs together, as far as it has come.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Track {
    /// Which rule it follows: hash of its pack and name, so that it finds it again in another configuration.
    pub rule: u64,
    pub tenant: String,
    /// Values of the rule's labels, by name.
    pub labels: Vec<(String, String)>,
    /// Values of the labels of its last event.
    pub last_labels: Vec<String>,
    /// Milliseconds.
    pub first: i64,
    pub last: i64,
    pub events: u32,
    /// Since when each wait waits.
    pub waiting: Vec<Option<i64>>,
    /// Whether each wait has been answered once.
    pub answered: Vec<bool>,
}

/// Different values: all of them while they are few, then an estimate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Members {
    Exact(HashSet<u64>),
    /// HyperLogLog with 2^14 registers: a standard error of 0.8 %.
    About(Box<CardinalityEstimator<u64, wyhash::WyHash, 14, 6>>),
}

/// More are estimated.
const MAX_EXACT: usize = 10_000;

impl Default for Members {
    fn default() -> Self {
        Members::Exact(HashSet::new())
    }
}

impl Members {
    pub fn insert(&mut self, hash: u64) {
        match self {
            Members::Exact(known) if known.len() < MAX_EXACT || known.contains(&hash) => {
                known.insert(hash);
            }
            Members::Exact(known) => {
                let mut about = Box::new(CardinalityEstimator::new());
                known.iter().chain([&hash]).for_each(|hash| about.insert_hash(*hash));
                *self = Members::About(about);
            }
            Members::About(about) => about.insert_hash(hash),
        }
    }

    pub fn count(&self) -> usize {
        match self {
            Members::Exact(known) => known.len(),
            Members::About(about) => about.estimate(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_exact_and_then_nearly() {
        let mut members = Members::default();
        let hash = |n: u64| {
            use std::hash::BuildHasher as _;
            foldhash::quality::FixedState::with_seed(7).hash_one(n)
        };
        for n in 0..10_000_u64 {
            members.insert(hash(n));
            members.insert(hash(n));
        }
        assert_eq!(members.count(), 10_000);
        for n in 0..200_000_u64 {
            members.insert(hash(n));
        }
        let off = (members.count() as f64 / 200_000.0 - 1.0).abs();
        assert!(off < 0.025, "three standard errors, not {off}");
        let bytes = postcard::to_stdvec(&members).expect("bytes");
        assert!(bytes.len() < 50_000, "{} bytes", bytes.len());
        assert_eq!(postcard::from_bytes::<Members>(&bytes).expect("members").count(), members.count());
    }
}
