//! What calls cost: a rate for each dialled number, in exact arithmetic.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

use foldhash::fast::RandomState;

use crate::numbers::{Collection, Family, Value, fixed};
use crate::site::{Direction, PeerId, Site};

use super::cell::CellKey;
use super::number::Number;

/// Money is counted in sixtieths of a millionth of the currency: a price a minute in millionths, for a second. Nothing is rounded.
const PER_UNIT: f64 = 60_000_000.0;
const NANOS: u64 = 1_000_000_000;

static COST: Family = Family::counter(
    "call_cost_total",
    "",
    &["currency", "class"],
    "What ended calls cost by the configured rates, in whole currency units.",
);
static RATED: Family =
    Family::counter("call_rated_total", "", &["class"], "Answered calls that ended and have a cost.");
static BILLED_SECONDS: Family = Family::counter(
    "call_billed_seconds_total",
    "seconds",
    &["class"],
    "Seconds that were paid for: after minimum and increment.",
);
static UNRATED: Family = Family::counter(
    "call_unrated_total",
    "",
    &["direction", "reason"],
    "Answered calls that ended and have no cost, although rates are configured.",
);

/// The families of this file, in the order of the catalogue.
pub static FAMILIES: &[&Family] = &[&COST, &RATED, &BILLED_SECONDS, &UNRATED];

/// The values of the `class` label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Class {
    InboundPstn = 0,
    OutboundPstn,
    Mobile,
    TollFree,
    International,
    Premium,
}

impl Class {
    pub const ALL: [Class; 6] =
        [Class::InboundPstn, Class::OutboundPstn, Class::Mobile, Class::TollFree, Class::International, Class::Premium];

    pub const fn name(self) -> &'static str {
        match self {
            Class::InboundPstn => "inbound_pstn",
            Class::OutboundPstn => "outbound_pstn",
            Class::Mobile => "mobile",
            Class::TollFree => "toll_free",
            Class::International => "international",
            Class::Premium => "premium",
        }
    }
}

/// A currency by its code of ISO 4217, three capital letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Currency([u8; 3]);

impl Default for Currency {
    /// ISO 4217: no currency.
    fn default() -> Currency {
        Currency(*b"XXX")
    }
}

impl Currency {
    pub fn new(code: &str) -> Option<Currency> {
        let code: [u8; 3] = code.as_bytes().try_into().ok()?;
        code.iter().all(u8::is_ascii_uppercase).then_some(Currency(code))
    }

    fn code(self) -> String {
        self.0.map(char::from).iter().collect()
    }
}

/// What calls to some numbers cost. Prices are millionths of the currency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rate {
    pub class: Class,
    pub currency: Currency,
    /// Calls in this direction; `None`: in any.
    pub direction: Option<Direction>,
    /// First digits of international numbers, country code included; empty: all numbers, local and short ones too.
    pub prefixes: Vec<Box<[u8]>>,
    /// Calls from (inbound) or to (outbound) this configured peer, or with it at either end; `None`: with anybody.
    pub peer: Option<String>,
    pub per_minute: u64,
    /// Of each answered call.
    pub setup_fee: u64,
    /// Of each attempt that was not answered.
    pub unanswered_fee: u64,
    /// Seconds: the first part of a call, which is paid for whole.
    pub minimum: u32,
    /// Seconds: each further part, likewise; at least 1.
    pub increment: u32,
}

impl Rate {
    /// Seconds to pay for of an answered call that took some time.
    fn billed_seconds(&self, nanos: u64) -> u64 {
        let (minimum, increment) = (u64::from(self.minimum), u64::from(self.increment.max(1)));
        let beyond = nanos.saturating_sub(minimum * NANOS).div_ceil(increment * NANOS);
        minimum + beyond * increment
    }

    /// The price of an answered call, in sixtieths of millionths.
    fn price(&self, billed_seconds: u64) -> u64 {
        self.per_minute.saturating_mul(billed_seconds).saturating_add(self.setup_fee.saturating_mul(60))
    }
}

/// How far a call came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Talk {
    /// It was not answered.
    None,
    /// Nanoseconds from answer to BYE.
    Nanos(u64),
    /// It was answered, and its end was not seen.
    Unknown,
}

/// Who is called: the number that is paid for, in either direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Called {
    Number(Number),
    /// A name, or nothing that can be read.
    Name,
}

/// Why an answered call has no cost; the values of the `reason` label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unrated {
    NoRate = 0,
    NotInternational,
    NoNumber,
    EndUnknown,
}

const REASONS: [&str; 4] = ["no_rate", "not_international", "no_number", "end_unknown"];

/// What was counted of money.
#[derive(Clone, Debug, Default)]
pub struct Numbers {
    /// In sixtieths of millionths; every pair that a rate can give is there from the start.
    cost: BTreeMap<(Currency, Class), u64>,
    rated: [u64; Class::ALL.len()],
    billed_seconds: [u64; Class::ALL.len()],
    unrated: [[u64; REASONS.len()]; Direction::ALL.len()],
}

impl Numbers {
    pub fn new(rates: &[Rate]) -> Numbers {
        Numbers { cost: rates.iter().map(|rate| ((rate.currency, rate.class), 0)).collect(), ..Numbers::default() }
    }

    fn add(&mut self, rate: &Rate, price: u64) {
        let sum = self.cost.entry((rate.currency, rate.class)).or_default();
        *sum = sum.saturating_add(price);
    }

    pub fn collect(&self, out: &mut Collection) {
        for family in FAMILIES {
            out.declare(family);
        }
        if self.cost.is_empty() {
            return;
        }
        for ((currency, class), sum) in &self.cost {
            let labels = vec![currency.code().into(), fixed(class.name())];
            out.add(&COST, labels, Value::CounterFloat(*sum as f64 / PER_UNIT));
        }
        for class in Class::ALL.into_iter().filter(|class| self.cost.keys().any(|(_, priced)| priced == class)) {
            out.add(&RATED, vec![fixed(class.name())], Value::Counter(self.rated[class as usize]));
            out.add(&BILLED_SECONDS, vec![fixed(class.name())], Value::Counter(self.billed_seconds[class as usize]));
        }
        for (direction, counts) in Direction::ALL.into_iter().zip(self.unrated) {
            for (reason, count) in REASONS.into_iter().zip(counts) {
                out.add(&UNRATED, vec![fixed(direction.name()), fixed(reason)], Value::Counter(count));
            }
        }
    }
}

/// All rates, by prefix.
#[derive(Debug, Default)]
pub struct Rates {
    rates: Vec<(Rate, Option<PeerId>)>,
    /// Indices of the rates of a prefix; those for all numbers stand under the empty one.
    by_prefix: HashMap<Box<[u8]>, Vec<usize>, RandomState>,
    longest: usize,
}

impl Rates {
    /// Rates of a peer that the site does not know match nothing.
    pub fn new(rates: &[Rate], site: &Site) -> Rates {
        let mut table = Rates::default();
        for rate in rates {
            let peer = match rate.peer.as_deref().map(|name| site.named(name)) {
                Some(None) => continue,
                Some(known) => known,
                None => None,
            };
            let at = table.rates.len();
            table.rates.push((rate.clone(), peer));
            let all_numbers = rate.prefixes.is_empty().then(Box::default);
            for prefix in rate.prefixes.iter().cloned().chain(all_numbers) {
                table.longest = table.longest.max(prefix.len());
                table.by_prefix.entry(prefix).or_default().push(at);
            }
        }
        table
    }

    pub fn is_empty(&self) -> bool {
        self.rates.is_empty()
    }

    /// The rate with the longest prefix; of equal ones a peer's own, then one for the direction, then the first.
    fn find(&self, number: &Number, key: CellKey) -> Option<&Rate> {
        let digits = if number.is_international() { number.digits() } else { &[] };
        (0..=digits.len().min(self.longest)).rev().find_map(|length| {
            let rates = self.by_prefix.get(&digits[..length])?.iter().filter_map(|at| self.rates.get(*at));
            let fitting = rates.filter(|(rate, peer)| fits(rate.direction, *peer, key));
            fitting.min_by_key(|(rate, peer)| Reverse((peer.is_some(), rate.direction.is_some()))).map(|(rate, _)| rate)
        })
    }

    /// Adds what a call cost that has ended.
    pub fn count(&self, key: CellKey, called: Called, talk: Talk, numbers: &mut Numbers) {
        if self.is_empty() {
            return;
        }
        let rate = match called {
            Called::Number(number) => self.find(&number, key).ok_or(match number.is_international() {
                true => Unrated::NoRate,
                false => Unrated::NotInternational,
            }),
            Called::Name => Err(Unrated::NoNumber),
        };
        match (rate, talk) {
            (Ok(rate), Talk::None) => numbers.add(rate, rate.unanswered_fee.saturating_mul(60)),
            (Err(_), Talk::None) => {}
            (Ok(rate), Talk::Nanos(nanos)) => {
                let seconds = rate.billed_seconds(nanos);
                numbers.add(rate, rate.price(seconds));
                numbers.rated[rate.class as usize] += 1;
                numbers.billed_seconds[rate.class as usize] += seconds;
            }
            (Ok(_), Talk::Unknown) => numbers.unrated[key.direction as usize][Unrated::EndUnknown as usize] += 1,
            (Err(reason), _) => numbers.unrated[key.direction as usize][reason as usize] += 1,
        }
    }
}

/// Whether a rate is for calls in this direction, with this far side.
fn fits(direction: Option<Direction>, peer: Option<PeerId>, key: CellKey) -> bool {
    let is_far_side = |peer| match key.direction {
        Direction::Inbound => key.origin == peer,
        Direction::Outbound => key.destination == peer,
        Direction::Internal | Direction::Transit => key.origin == peer || key.destination == peer,
    };
    direction.is_none_or(|direction| direction == key.direction) && peer.is_none_or(is_far_side)
}

#[cfg(test)]
mod tests;
