//! Organisations, their calls, leads, deals, money and campaigns, made by chance; what /metrics has to show of them is in `truth`.

use super::world::{DAY, Random, local_day, midnight, settled, zones};

#[path = "revenue/rows.rs"]
mod rows;
#[path = "revenue/truth.rs"]
mod truth;

pub struct Size {
    pub tenants: usize,
    pub calls: usize,
    /// Leads; of everything else there are fewer.
    pub leads: usize,
}

type Word = Option<&'static str>;

pub struct Tenant {
    pub id: String,
    pub slug: String,
    pub zone: Word,
}

struct Call {
    tenant: usize,
    at: i64,
    outcome: Word,
    seconds: Option<i64>,
    handler: Word,
    assistant: Word,
    region: Word,
    result: Word,
}

struct Lead {
    tenant: usize,
    at: i64,
    stage: Word,
    source: Word,
    /// In tenths.
    score: Option<i64>,
    activities: Option<i64>,
    converted: Option<i64>,
}

struct Deal {
    tenant: usize,
    opened: i64,
    closed: Option<i64>,
    stage: Word,
    cents: Option<i64>,
    currency: Word,
    team: Word,
}

struct Customer {
    tenant: usize,
    at: i64,
}

struct Payment {
    tenant: usize,
    at: i64,
    customer: Option<i64>,
    kind: Word,
    cents: i64,
    currency: Word,
    region: Word,
    product: Word,
}

struct Subscription {
    tenant: usize,
    started: i64,
    ended: Option<i64>,
    cents: i64,
    currency: Word,
}

/// A forecast (word: horizon), a cost (category).
struct Amount {
    tenant: usize,
    at: i64,
    word: Word,
    cents: i64,
    currency: Word,
}

struct Attribution {
    tenant: usize,
    at: i64,
    model: Word,
    source: Word,
    cents: i64,
    currency: Word,
}

struct Campaign {
    tenant: usize,
    at: i64,
    name: Word,
    status: Word,
    spend: Option<i64>,
    revenue: Option<i64>,
    currency: Word,
    leads: Option<i64>,
    customers: Option<i64>,
}

struct Outcome {
    campaign: usize,
    variant: Word,
    /// Total, delivered, read, replied, failed, converted.
    counts: [Option<i64>; 6],
}

struct Goal {
    tenant: usize,
    name: Word,
    target: i64,
}

pub struct World {
    /// The last is in no table of organisations, the two before it have no rows.
    pub tenants: Vec<Tenant>,
    calls: Vec<Call>,
    leads: Vec<Lead>,
    deals: Vec<Deal>,
    customers: Vec<Customer>,
    payments: Vec<Payment>,
    subscriptions: Vec<Subscription>,
    forecasts: Vec<Amount>,
    costs: Vec<Amount>,
    attributions: Vec<Attribution>,
    campaigns: Vec<Campaign>,
    outcomes: Vec<Outcome>,
    goals: Vec<Goal>,
    /// Of organisations that have none.
    pub zone: &'static str,
}

const CURRENCIES: [&str; 8] = ["EUR", "EUR", "EUR", "EUR", "USD", "usd", "", "NULL"];
const REGIONS: [&str; 7] = ["north-america", "europe", "Saint-\u{c9}tienne", "O\"Higgins \\ south", "asia", "", "NULL"];
const SOURCES: [&str; 8] = ["website", "referral", "campaign", "Campaign", "phone", "+44 20 7946 0018", "", "NULL"];
const STAGES: [&str; 9] =
    ["new", "contacted", "qualified", "Qualified", "opportunity", "customer", "lost", "frozen", "NULL"];
const CAMPAIGNS: [&str; 9] = [
    "Welcome Series",
    "Product Launch",
    "Monthly Newsletter",
    "Re-engagement",
    "Spring",
    "Summer 2026",
    "Autumn",
    "",
    "a name that tells a whole story",
];

pub const TABLES: [&str; 13] = [
    "organisations",
    "calls",
    "leads",
    "deals",
    "customers",
    "payments",
    "subscriptions",
    "forecasts",
    "costs",
    "attributions",
    "campaigns",
    "campaign_results",
    "goals",
];

/// The rows of all tables.
pub fn generate(seed: u64, now: i64, size: &Size) -> World {
    let mut random = Random(seed);
    let zones = zones(now);
    let tenant = |number: usize| Tenant {
        id: format!("org_{number}"),
        slug: format!("org-{number}"),
        zone: (number % 5 != 4).then(|| zones[number % zones.len()]),
    };
    let mut world = World {
        tenants: (0..=size.tenants).map(tenant).collect(),
        calls: Vec::new(),
        leads: Vec::new(),
        deals: Vec::new(),
        customers: Vec::new(),
        payments: Vec::new(),
        subscriptions: Vec::new(),
        forecasts: Vec::new(),
        costs: Vec::new(),
        attributions: Vec::new(),
        campaigns: Vec::new(),
        outcomes: Vec::new(),
        goals: Vec::new(),
        zone: zones[1],
    };
    for _ in 0..size.calls {
        let call = world.call(&mut random, now);
        world.calls.push(call);
    }
    world.edges(&mut random, now);
    for _ in 0..size.leads {
        let lead = world.lead(&mut random, now);
        world.leads.push(lead);
    }
    world.money(&mut random, now, size.leads);
    world.marketing(&mut random, now, size.leads);
    world
}

impl World {
    fn some_tenant(&self, random: &mut Random) -> usize {
        // Few are of the last, which nobody knows.
        match random.once_in(200) {
            true => self.tenants.len() - 1,
            false => random.below(self.tenants.len() - 3),
        }
    }

    fn call(&self, random: &mut Random, now: i64) -> Call {
        Call {
            tenant: self.some_tenant(random),
            at: random.time(now),
            outcome: random.word(&[
                "answered",
                "answered",
                "completed",
                "completed",
                "Completed",
                "no_answer",
                "voicemail",
                "busy",
                "failed",
                "",
                "NULL",
                "lost",
            ]),
            seconds: (!random.once_in(4)).then(|| random.within(0, 1200)),
            handler: random.word(&["ai", "ai", "human", "mixed", "", "NULL", "robot"]),
            assistant: random.word(&["Sales EN", "Sales FR", "Support", "", "NULL"]),
            region: random.word(&REGIONS),
            result: random.word(&["lead", "qualified", "customer", "NULL", "NULL", "", "refund"]),
        }
    }

    /// Calls at the midnight of each organisation, and a second before.
    fn edges(&mut self, random: &mut Random, now: i64) {
        for tenant in 0..self.tenants.len() - 3 {
            let zone = self.tenants[tenant].zone.unwrap_or(self.zone);
            let today = local_day(zone, now);
            for at in [
                midnight(zone, today),
                midnight(zone, today) - 1,
                midnight(zone, today - 1),
                midnight(zone, today - 1) - 1,
            ] {
                let call = self.call(random, now);
                self.calls.push(Call { tenant, at, ..call });
            }
        }
    }

    fn lead(&self, random: &mut Random, now: i64) -> Lead {
        let at = random.time(now);
        let converted =
            random.once_in(3).then(|| settled(at + random.within(3600, 60 * DAY), now)).filter(|time| *time > at);
        Lead {
            tenant: self.some_tenant(random),
            at,
            stage: random.word(&STAGES),
            source: random.word(&SOURCES),
            score: (!random.once_in(5)).then(|| random.within(-50, 1100)),
            activities: (!random.once_in(5)).then(|| random.within(0, 8)),
            converted,
        }
    }

    fn money(&mut self, random: &mut Random, now: i64, count: usize) {
        for _ in 0..count {
            let (tenant, opened) = (self.some_tenant(random), random.time(now));
            let closed = (!random.once_in(3)).then(|| settled(opened + random.within(DAY, 90 * DAY), now));
            let stages: &[&str] = match closed {
                Some(_) => &["won", "won", "Lost", "lost", "proposal"],
                None => &["proposal", "negotiation", "Negotiation", "", "NULL"],
            };
            self.deals.push(Deal {
                tenant,
                opened,
                closed,
                stage: random.word(stages),
                cents: (!random.once_in(10))
                    .then(|| random.pick(&[99_999, 100_000, 499_999, 2_500_050, 10_000_000, 70_000])),
                currency: random.word(&CURRENCIES),
                team: random.word(&["north", "south", "", "NULL"]),
            });
            self.customers.push(Customer { tenant, at: opened });
            let customer = self.customers.len() as i64;
            for _ in 0..random.below(5) {
                let late = random.within(0, 300 * DAY);
                self.payments.push(Payment {
                    tenant,
                    at: settled(opened + if random.once_in(2) { late } else { random.within(0, 20 * DAY) }, now),
                    customer: (!random.once_in(20)).then_some(customer),
                    kind: random.word(&["recurring", "recurring", "one_time", "One_Time", "gift", "NULL"]),
                    cents: random.within(-5_000, 100_000),
                    currency: random.word(&CURRENCIES),
                    region: random.word(&REGIONS),
                    product: random.word(&["enterprise", "starter", "", "NULL"]),
                });
            }
            self.subscriptions.push(Subscription {
                tenant,
                started: opened,
                ended: random.once_in(2).then(|| settled(opened + random.within(DAY, 400 * DAY), now)),
                cents: random.within(0, 50_000),
                currency: random.word(&CURRENCIES),
            });
            self.costs.push(Amount {
                tenant,
                at: random.time(now),
                word: random.word(&["telephony", "Staff", "marketing", "", "NULL"]),
                cents: random.within(0, 90_000),
                currency: random.word(&CURRENCIES),
            });
        }
        for tenant in 0..self.tenants.len() - 3 {
            for step in 0..6 {
                // One each day, the last tomorrow.
                self.forecasts.push(Amount {
                    tenant,
                    at: settled(now - (4 - step) * DAY, now),
                    word: random.word(&["30d", "90d", "90D", "365d", "later"]),
                    cents: random.within(0, 9_000_000),
                    currency: random.word(&["EUR", "eur", "USD"]),
                });
            }
        }
    }

    fn marketing(&mut self, random: &mut Random, now: i64, count: usize) {
        for _ in 0..count / 2 {
            self.attributions.push(Attribution {
                tenant: self.some_tenant(random),
                at: random.time(now),
                model: random.word(&["linear", "First_Touch", "last_touch", "markov", "NULL"]),
                source: random.word(&SOURCES),
                cents: random.within(0, 90_000),
                currency: random.word(&CURRENCIES),
            });
        }
        for tenant in 0..self.tenants.len() - 3 {
            for at in 0..(tenant as i64 % 4) * 6 {
                let is_tie = random.once_in(4);
                self.campaigns.push(Campaign {
                    tenant,
                    at: settled(now - if is_tie { 40 } else { at * 17 + random.within(0, 9) } * DAY, now),
                    name: random.word(&CAMPAIGNS),
                    status: random.word(&["active", "Active", "completed", "draft", "paused", "archived", "NULL"]),
                    spend: random.once_in(2).then(|| random.within(0, 500_000)),
                    revenue: random.once_in(2).then(|| random.within(0, 900_000)),
                    currency: random.word(&CURRENCIES),
                    leads: random.once_in(2).then(|| random.within(0, 90)),
                    customers: random.once_in(2).then(|| random.within(0, 30)),
                });
                let campaign = self.campaigns.len() - 1;
                let variants: &[&str] =
                    random.pick(&[&["NULL"][..], &["A"], &["A", "B"], &["A", "B", "NULL"], &["A", "", "B"], &[]]);
                for variant in variants {
                    let counts = std::array::from_fn(|_| (!random.once_in(8)).then(|| random.within(0, 5000)));
                    let variant = Some(*variant).filter(|variant| *variant != "NULL");
                    self.outcomes.push(Outcome { campaign, variant, counts });
                }
            }
            for name in ["calls", "Calls", "leads", "deals_won", "happiness"].into_iter().skip(tenant % 5) {
                self.goals.push(Goal { tenant, name: Some(name), target: random.within(1, 100_000) });
            }
        }
    }
}
