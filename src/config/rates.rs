//! What calls cost.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeValue, ValueDeserializer};

use crate::call::{Class, Currency, Rate};
use crate::site::Direction;

use super::Peer;
use super::net::{foreign, known_peer};
use super::section::{Document, Section};
use super::value::{self, Checked, Value, choice, distinct, each, fault, found, list, mismatch, string};

/// Most rates; each may have many prefixes.
const MAX_RATES: usize = 1000;
/// ITU-T E.164 clause 6.2.1: no number is longer.
const MAX_PREFIX: usize = 15;
/// Highest price: above that of a minute in any currency, and far below what overflows.
const MAX_PRICE: f64 = 1e6;
/// Prices are kept in millionths.
const MILLION: f64 = 1e6;
const HOUR: Duration = Duration::from_secs(3600);
const SECOND: Duration = Duration::from_secs(1);

/// What a call is matched by: prefix, direction, peer. No two rates may have the same.
type Places = BTreeSet<(String, Option<&'static str>, Option<String>)>;

pub(super) fn read(document: &mut Document<'_>, peers: &[Peer]) -> Vec<Rate> {
    let mut places = Places::new();
    let mut count = 0;
    document.sections("rates", |section| {
        count += 1;
        if count == MAX_RATES + 1 {
            let message = format!("`rates` has more than {MAX_RATES} sections");
            section.complain(section.place("class"), message, "list all prefixes with the same price in one section");
        }
        rate(section, peers, &mut places)
    })
}

fn rate(section: &mut Section<'_, '_>, peers: &[Peer], places: &mut Places) -> Rate {
    let classes = Class::ALL.map(|class| (class.name(), class));
    let mut directions = vec![("any", None)];
    directions.extend(Direction::ALL.map(|direction| (direction.name(), Some(direction))));
    let class = section.take_required("class", "\"mobile\"", |typed| choice(typed, &classes).map(Some));
    let prefixes = section.take("prefix", Vec::new(), prefixes);
    let rate = Rate {
        class: class.unwrap_or(Class::OutboundPstn),
        currency: section.take_required("currency", "\"EUR\"", currency),
        direction: section.take("direction", None, |typed| choice(typed, &directions)),
        prefixes: prefixes.iter().map(|prefix| prefix.get_ref().as_bytes().into()).collect(),
        peer: section.take("peer", None, |typed| known_peer(&typed, peers).map(Some)),
        per_minute: section.take_required("per_minute", "0.01", price),
        setup_fee: section.take("setup_fee", 0, price),
        unanswered_fee: section.take("unanswered_fee", 0, price),
        minimum: section.take("minimum", 1, |typed| seconds(typed, Duration::ZERO)),
        increment: section.take("increment", 1, |typed| seconds(typed, SECOND)),
    };
    let mut place =
        |prefix: &str| places.insert((prefix.to_owned(), rate.direction.map(Direction::name), rate.peer.clone()));
    let hint = "delete one of them, or tell them apart by direction or peer";
    if prefixes.is_empty() && section.is_valid("prefix") && !place("") {
        let message = "`rates` has another section for all numbers, with this direction and peer";
        section.complain(section.place("prefix"), message, hint);
    }
    for prefix in &prefixes {
        if !place(prefix.get_ref()) {
            let message = format!(
                "`rates.prefix` lists +{}, which another rate has for this direction and peer",
                prefix.get_ref()
            );
            section.complain(prefix.span(), message, hint);
        }
    }
    rate
}

fn currency(value: Value<'_>) -> Checked<Currency> {
    let code = string(value.clone())?;
    let hint = match Currency::new(&code.to_uppercase()) {
        Some(_) => format!("\"{}\"?", code.to_uppercase()),
        None => "write its code of ISO 4217, as in \"EUR\"".to_owned(),
    };
    Currency::new(&code).map_or_else(|| mismatch(&value, "three capital letters", hint), Ok)
}

/// First digits of international numbers, at least of one, none twice.
fn prefixes(value: Value<'_>) -> Checked<Vec<Spanned<String>>> {
    let whole = value.span();
    let items = list(value, "prefixes", "\"+44\"")?;
    if items.is_empty() {
        return fault(
            whole,
            "is an empty list",
            "write at least one, as in [\"+44\"], or delete the line for all numbers",
        );
    }
    distinct(each(items, prefix)?)
}

fn prefix(value: Value<'_>) -> Checked<String> {
    let hint = "write the country code first, as in \"+44\" or \"+447\"";
    let Some(typed) = value.get_ref().as_str() else { return foreign(&value, "prefix", hint) };
    let digits = typed.strip_prefix('+').unwrap_or(typed);
    let valid = (1..=MAX_PREFIX).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    if valid && !digits.starts_with('0') {
        return Ok(digits.to_owned());
    }
    foreign(&value, "prefix of an international number", hint)
}

/// A price, in millionths of the currency.
fn price(value: Value<'_>) -> Checked<u64> {
    let price = match value.get_ref() {
        DeValue::Integer(_) => i64::deserialize(ValueDeserializer::from(value.clone())).ok().map(|price| price as f64),
        DeValue::Float(_) => f64::deserialize(ValueDeserializer::from(value.clone())).ok(),
        _ => None,
    };
    let hint = match value.get_ref().as_str().map(str::parse::<f64>) {
        Some(Ok(price)) => format!("write {price} without quotes"),
        _ => "write it in whole units of the currency, as in 0.0125".to_owned(),
    };
    let Some(price) = price else { return mismatch(&value, "a price", hint) };
    if !(0.0..=MAX_PRICE).contains(&price) {
        let nearest = if price > 0.0 { MAX_PRICE } else { 0.0 };
        return mismatch(&value, &format!("a price from 0 to {MAX_PRICE}"), format!("the nearest is {nearest}"));
    }
    let millionths = price * MILLION;
    // A decimal number is not exact in binary; six digits behind the point are told from seven by far less than this.
    if (millionths - millionths.round()).abs() > 0.01 {
        let nearest = format!("the nearest is {}", millionths.round() / MILLION);
        return mismatch(&value, "a price with at most six digits behind the point", nearest);
    }
    Ok(millionths.round() as u64)
}

/// Whole seconds, up to an hour.
fn seconds(value: Value<'_>, least: Duration) -> Checked<u32> {
    let duration = value::duration(value.clone(), least..=HOUR)?;
    match u32::try_from(duration.as_secs()) {
        Ok(seconds) if duration.subsec_nanos() == 0 => Ok(seconds),
        _ => fault(
            value.span(),
            format!("must be whole seconds, not {}", found(value.get_ref())),
            "write \"1s\" or more",
        ),
    }
}
