//! Which family of devices or programs a User-Agent belongs to, by pattern; no name of the wire becomes a label.

use std::borrow::Cow;
use std::hash::BuildHasher;
use std::sync::Arc;

use foldhash::fast::RandomState;

use crate::generations::Generations;
use crate::numbers::fixed;
use crate::time::Timestamp;

use super::voicemail::matches;

/// Names that are remembered with what they are: a site has some dozens, a flood of random ones only turns the table over.
const MAX_KNOWN: usize = 2048;
const KNOWN_NANOS: i64 = 600_000_000_000;

/// What the configuration says of agents; `*` stands for any characters.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Name and pattern; the first that matches wins.
    pub families: Vec<(Box<str>, Box<str>)>,
    pub scanners: Vec<Box<str>>,
}

impl Settings {
    /// The values of the `agent` label, each once, in the order of the families.
    pub fn names(&self) -> Names {
        let mut names: Vec<Box<str>> = Vec::new();
        for (name, _) in &self.families {
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
        names.into()
    }
}

/// A family of agents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Family(u16);

impl Family {
    /// There is no User-Agent header field.
    pub const NONE: Family = Family(u16::MAX);
    /// No pattern matches.
    pub const OTHER: Family = Family(u16::MAX - 1);
}

/// What a User-Agent is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Agent {
    pub family: Family,
    pub is_scanner: bool,
}

impl Agent {
    pub const NONE: Agent = Agent { family: Family::NONE, is_scanner: false };
}

/// The values of the `agent` label, each once.
pub type Names = Arc<[Box<str>]>;

/// All patterns, and what they gave.
#[derive(Debug)]
pub struct Agents {
    hasher: RandomState,
    patterns: Vec<(Family, Box<str>)>,
    scanners: Vec<Box<str>>,
    known: Generations<u64, Agent>,
}

impl Agents {
    pub fn new(settings: &Settings) -> Agents {
        let names = settings.names();
        let family =
            |name: &str| names.iter().position(|known| **known == *name).map_or(Family::OTHER, |at| Family(at as u16));
        let patterns = settings.families.iter().map(|(name, pattern)| (family(name), pattern.clone())).collect();
        Agents {
            hasher: RandomState::default(),
            patterns,
            scanners: settings.scanners.clone(),
            known: Generations::new(MAX_KNOWN, KNOWN_NANOS),
        }
    }

    pub fn expire(&mut self, now: Timestamp) {
        self.known.expire(now);
    }

    pub fn len(&self) -> usize {
        self.known.len()
    }

    pub fn evicted(&self) -> u64 {
        self.known.evicted
    }

    /// What the value of a User-Agent header field is.
    pub fn of(&mut self, now: Timestamp, user_agent: &[u8]) -> Agent {
        if user_agent.is_empty() || self.patterns.is_empty() && self.scanners.is_empty() {
            return Agent::NONE;
        }
        let key = self.hasher.hash_one(user_agent);
        if let Some(agent) = self.known.get(&key) {
            return *agent;
        }
        let fits = |pattern: &str| matches(pattern.as_bytes(), user_agent);
        let family =
            self.patterns.iter().find(|(_, pattern)| fits(pattern)).map_or(Family::OTHER, |(family, _)| *family);
        let agent = Agent { family, is_scanner: self.scanners.iter().any(|pattern| fits(pattern)) };
        self.known.turn(now);
        self.known.insert(key, agent);
        agent
    }
}

/// The value of the `agent` label.
pub fn label(names: &Names, family: Family) -> Cow<'static, str> {
    match names.get(usize::from(family.0)) {
        Some(name) => Cow::Owned(name.to_string()),
        None if family == Family::NONE => fixed("none"),
        None => fixed("other"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_pattern_that_matches_wins() {
        let family = |name: &str, pattern: &str| (Box::from(name), Box::from(pattern));
        let settings = Settings {
            families: vec![
                family("yealink-t46", "Yealink SIP-T46*"),
                family("yealink", "Yealink*"),
                family("asterisk", "*asterisk*"),
                family("yealink", "W60B*"),
            ],
            scanners: vec![Box::from("friendly-scanner*")],
        };
        let mut agents = Agents::new(&settings);
        let names = settings.names();
        let mut name = |text: &str| {
            let agent = agents.of(Timestamp::default(), text.as_bytes());
            (label(&names, agent.family).into_owned(), agent.is_scanner)
        };
        for _ in 0..2 {
            for (text, expected) in [
                ("Yealink SIP-T46S 66.84.0.15", ("yealink-t46", false)),
                ("YEALINK SIP-T23G", ("yealink", false)),
                ("W60B 77.83.0.85", ("yealink", false)),
                ("FPBX-15.0(Asterisk 16)", ("asterisk", false)),
                ("Fritz!OS", ("other", false)),
                ("friendly-scanner", ("other", true)),
                ("", ("none", false)),
            ] {
                assert_eq!(name(text), (expected.0.to_owned(), expected.1), "{text}");
            }
        }
    }
}
