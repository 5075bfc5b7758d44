//! What the operator says of how attempts end, and by what calls that belong together are known.

use std::collections::BTreeSet;

use serde::Deserialize;
use toml::de::{DeValue, ValueDeserializer};

use crate::call::Outcome;

use super::Peer;
use super::net::{foreign, known_peer};
use super::report::Fault;
use super::section::{Document, Section};
use super::value::{Checked, Value, choice, distinct, each, fault, found, list, plain};

/// Most rules: each refused attempt is compared with all of them.
const MAX_RULES: usize = 100;
/// Most patterns and names of a list, for the same reason.
const MAX_WORDS: usize = 32;
/// Longest pattern or name, in bytes.
const MAX_WORD: usize = 64;

/// How attempts end that a final response refused with this status or cause; the first rule that matches wins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutcomeRule {
    /// Status codes, 300 to 699; empty: any.
    pub statuses: Vec<u16>,
    /// Causes of ITU-T Q.850 in a Reason header field (RFC 3326), 1 to 127; empty: any, or none at all.
    pub causes: Vec<u8>,
    /// A configured peer, at either end of the call.
    pub peer: Option<String>,
    /// What is counted.
    pub outcome: Outcome,
}

/// The outcomes that a refusal can mean; the others need an answered call, or one without end.
const OF_REFUSALS: [Outcome; 10] = [
    Outcome::NoAnswer,
    Outcome::Busy,
    Outcome::Cancelled,
    Outcome::Rejected,
    Outcome::Blocked,
    Outcome::NotFound,
    Outcome::Redirected,
    Outcome::Voicemail,
    Outcome::NetworkFailure,
    Outcome::ServerFailure,
];

pub(super) fn read(document: &mut Document<'_>, peers: &[Peer]) -> Vec<OutcomeRule> {
    let mut count = 0;
    document.sections("outcomes", |section| {
        count += 1;
        if count == MAX_RULES + 1 {
            let message = format!("`outcomes` has more than {MAX_RULES} sections");
            section.complain(section.place("outcome"), message, "list all codes with the same outcome in one section");
        }
        rule(section, peers)
    })
}

fn rule(section: &mut Section<'_, '_>, peers: &[Peer]) -> OutcomeRule {
    let outcomes = OF_REFUSALS.map(|outcome| (outcome.name(), outcome));
    let outcome = section.take_required("outcome", "\"blocked\"", |typed| choice(typed, &outcomes).map(Some));
    let rule = OutcomeRule {
        statuses: section.take("status", Vec::new(), statuses),
        causes: section.take("cause", Vec::new(), causes),
        peer: section.take("peer", None, |typed| known_peer(&typed, peers).map(Some)),
        outcome: outcome.unwrap_or(Outcome::Rejected),
    };
    section.require_one_of(["status", "cause"], "[603]");
    rule
}

fn statuses(value: Value<'_>) -> Checked<Vec<u16>> {
    numbers(value, "status codes", "603", |number| match u16::try_from(number) {
        Ok(401 | 407) => Err(("a challenge and ends no attempt", "delete it")),
        Ok(code @ 300..=699) => Ok(code),
        _ => Err(("no final status code of a refusal", "write codes from 300 to 699")),
    })
}

fn causes(value: Value<'_>) -> Checked<Vec<u8>> {
    // ITU-T Q.850 clause 2.1: a cause value has seven bits, and none is 0.
    numbers(value, "causes of Q.850", "21", |number| match u8::try_from(number) {
        Ok(cause @ 1..=127) => Ok(cause),
        _ => Err(("no cause of Q.850", "write causes from 1 to 127")),
    })
}

/// Whole numbers, at least one, none twice; `valid` says what is wrong with one, and what to do.
fn numbers<T: Ord + ToString>(
    value: Value<'_>,
    of: &str,
    example: &str,
    valid: impl Fn(i64) -> Result<T, (&'static str, &'static str)>,
) -> Checked<Vec<T>> {
    let whole = value.span();
    let items = list(value, of, example)?;
    if items.is_empty() {
        let hint = format!("write at least one, as in [{example}], or delete the line");
        return fault(whole, "is an empty list", hint);
    }
    let number = |item: Value<'_>| {
        let number = match item.get_ref() {
            DeValue::Integer(_) => i64::deserialize(ValueDeserializer::from(item.clone())).ok(),
            _ => None,
        };
        let (wrong, hint) = match number.map(&valid) {
            Some(Ok(number)) => return Ok(number),
            Some(Err(wrong)) => wrong,
            None => ("no whole number", "write numbers without quotes"),
        };
        fault(item.span(), format!("holds {}, which is {wrong}", found(item.get_ref())), hint)
    };
    distinct(each(items, number)?).map(plain)
}

/// Patterns for the user part or the host of a URI: `*` stands for any characters.
pub(super) fn targets(value: Value<'_>) -> Checked<Vec<String>> {
    words(value, "patterns", "voicemail", |word| {
        word.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'@') && word.bytes().any(|byte| byte != b'*')
    })
}

/// Reasons of a Diversion header field (RFC 5806 section 4: words, of which it names eleven).
pub(super) fn reasons(value: Value<'_>) -> Checked<Vec<String>> {
    words(value, "diversion reasons", "no-answer", is_token)
}

/// Names of SIP header fields.
pub(super) fn header_names(value: Value<'_>) -> Checked<Vec<String>> {
    words(value, "header field names", "Session-ID", is_token)
}

/// RFC 3261 section 25.1, token.
fn is_token(word: &str) -> bool {
    word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&byte))
}

/// A list, which may be empty, of words that are not told apart by case.
pub(super) fn words(value: Value<'_>, of: &str, example: &str, valid: impl Fn(&str) -> bool) -> Checked<Vec<String>> {
    let whole = value.span();
    let items = list(value, of, &format!("\"{example}\""))?;
    if items.len() > MAX_WORDS {
        return fault(whole, format!("lists more than {MAX_WORDS} {of}"), "write fewer; each costs time for each call");
    }
    let one = of.trim_end_matches('s');
    let words = each(items, |item| match item.get_ref().as_str() {
        Some(word) if (1..=MAX_WORD).contains(&word.len()) && valid(word) => Ok(word.to_owned()),
        _ => foreign(&item, one, format!("write each alone, as in \"{example}\"")),
    })?;
    let mut seen = BTreeSet::new();
    match words.iter().find(|word| !seen.insert(word.get_ref().to_lowercase())) {
        Some(twice) => {
            let message = format!("lists {:?} twice", twice.get_ref());
            Err(vec![Fault::new(twice.span(), message, "delete one of them; case does not matter")])
        }
        None => Ok(plain(words)),
    }
}
