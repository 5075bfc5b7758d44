//! Organisations, their calls, leads, deals, money and campaigns, and what /metrics has to show of them: worked out in plain loops.

use std::collections::{BTreeMap, BTreeSet};

use super::world::{
    At, Cents, DAY, Random, Rows, Truth, Window, any, civil, listed, local_day, midnight, settled, windows, zones,
};

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

    /// The rows of a table for COPY ... FROM STDIN.
    pub fn copy(&self, table: &str) -> String {
        let mut out = Rows::default();
        let id = |at: usize| at as i64 + 1;
        let of = |tenant: usize| self.tenants[tenant].id.as_str();
        match table {
            "organisations" => {
                for tenant in &self.tenants[..self.tenants.len() - 1] {
                    out.row(&[&tenant.id, &tenant.slug, &tenant.zone]);
                }
            }
            "calls" => {
                for (at, call) in self.calls.iter().enumerate() {
                    let Call { tenant, outcome, seconds, handler, assistant, region, result, .. } = call;
                    out.row(&[
                        &id(at),
                        &of(*tenant),
                        &At(call.at),
                        outcome,
                        seconds,
                        handler,
                        assistant,
                        region,
                        result,
                    ]);
                }
            }
            "leads" => {
                for (at, lead) in self.leads.iter().enumerate() {
                    let score = lead.score.map(|tenths| Cents(tenths * 10));
                    let Lead { stage, source, activities, converted, .. } = lead;
                    out.row(&[
                        &id(at),
                        &of(lead.tenant),
                        &At(lead.at),
                        stage,
                        source,
                        &score,
                        activities,
                        &converted.map(At),
                    ]);
                }
            }
            "deals" => {
                for (at, deal) in self.deals.iter().enumerate() {
                    let Deal { opened, closed, stage, cents, currency, team, .. } = deal;
                    out.row(&[
                        &id(at),
                        &of(deal.tenant),
                        &At(*opened),
                        &closed.map(At),
                        stage,
                        &cents.map(Cents),
                        currency,
                        team,
                    ]);
                }
            }
            "customers" => {
                for (at, customer) in self.customers.iter().enumerate() {
                    out.row(&[&id(at), &of(customer.tenant), &At(customer.at)]);
                }
            }
            "payments" => {
                for (at, payment) in self.payments.iter().enumerate() {
                    let Payment { customer, kind, cents, currency, region, product, .. } = payment;
                    out.row(&[
                        &id(at),
                        &of(payment.tenant),
                        &At(payment.at),
                        customer,
                        kind,
                        &Cents(*cents),
                        currency,
                        region,
                        product,
                    ]);
                }
            }
            "subscriptions" => {
                for (at, row) in self.subscriptions.iter().enumerate() {
                    out.row(&[
                        &id(at),
                        &of(row.tenant),
                        &At(row.started),
                        &row.ended.map(At),
                        &Cents(row.cents),
                        &row.currency,
                    ]);
                }
            }
            "forecasts" | "costs" => {
                let rows = if table == "costs" { &self.costs } else { &self.forecasts };
                for (at, row) in rows.iter().enumerate() {
                    out.row(&[&id(at), &of(row.tenant), &At(row.at), &row.word, &Cents(row.cents), &row.currency]);
                }
            }
            "attributions" => {
                for (at, row) in self.attributions.iter().enumerate() {
                    out.row(&[
                        &id(at),
                        &of(row.tenant),
                        &At(row.at),
                        &row.model,
                        &row.source,
                        &Cents(row.cents),
                        &row.currency,
                    ]);
                }
            }
            "campaigns" => {
                for (at, campaign) in self.campaigns.iter().enumerate() {
                    let Campaign { name, status, spend, revenue, currency, leads, customers, .. } = campaign;
                    let (spend, revenue) = (spend.map(Cents), revenue.map(Cents));
                    out.row(&[
                        &id(at),
                        &of(campaign.tenant),
                        &At(campaign.at),
                        name,
                        status,
                        &spend,
                        &revenue,
                        currency,
                        leads,
                        customers,
                    ]);
                }
            }
            "campaign_results" => {
                for row in &self.outcomes {
                    let [total, delivered, read, replied, failed, converted] = &row.counts;
                    out.row(&[&id(row.campaign), &row.variant, total, delivered, read, replied, failed, converted]);
                }
            }
            "goals" => {
                for goal in &self.goals {
                    out.row(&[&of(goal.tenant), &goal.name, &goal.target]);
                }
            }
            other => panic!("no table {other}"),
        }
        out.0
    }

    /// All series that /metrics has to show from `now` until a quarter of an hour later.
    pub fn truth(&self, now: i64) -> BTreeMap<String, f64> {
        let mut truth = Truth::new("revenue");
        self.calls_truth(&mut truth, now);
        self.leads_truth(&mut truth, now);
        self.deals_truth(&mut truth, now);
        self.money_truth(&mut truth, now);
        self.campaigns_truth(&mut truth);
        self.cohorts_truth(&mut truth, now);
        truth.finish(5)
    }

    fn label(&self, tenant: usize) -> &str {
        if tenant == self.tenants.len() - 1 { "other" } else { &self.tenants[tenant].slug }
    }

    /// The windows of each organisation.
    fn windows(&self, names: &[&'static str], now: i64) -> Vec<Vec<Window>> {
        let last = self.tenants.len() - 1;
        let zone = |at: usize| self.tenants[at].zone.filter(|_| at != last).unwrap_or(self.zone);
        (0..=last).map(|at| windows(names, zone(at), now)).collect()
    }

    /// A zero for each of these values that a known organisation has not.
    fn zeros(&self, truth: &mut Truth, family: &str, names: &[&'static str], label: &str, values: &[&str]) {
        for tenant in &self.tenants[..self.tenants.len() - 1] {
            for window in names {
                for value in values {
                    truth.add(family, &[("tenant", &tenant.slug), ("window", window), (label, value)], 0.0);
                }
            }
        }
    }

    fn calls_truth(&self, truth: &mut Truth, now: i64) {
        const OUTCOMES: [&str; 7] = ["answered", "completed", "no_answer", "voicemail", "busy", "failed", "unknown"];
        let names = [
            "today",
            "yesterday",
            "24h",
            "7d",
            "30d",
            "90d",
            "365d",
            "prev_24h",
            "prev_7d",
            "prev_30d",
            "prev_90d",
            "prev_365d",
        ];
        let all = self.windows(&names, now);
        let results = ["24h", "7d", "30d", "90d", "prev_30d"];
        for call in &self.calls {
            let tenant = ("tenant", self.label(call.tenant));
            let lower = |word: Word| word.map(str::to_lowercase);
            let (outcome, handler, result) = (lower(call.outcome), lower(call.handler), lower(call.result));
            let outcome = ("outcome", listed(outcome.as_deref(), &OUTCOMES, "unknown"));
            for window in all[call.tenant].iter().filter(|window| window.has(call.at)) {
                let at = ("window", window.name);
                truth.add("business_window_calls", &[tenant, at, outcome], 1.0);
                if window.name != "yesterday" {
                    truth.add(
                        "business_window_timed_calls",
                        &[tenant, at],
                        f64::from(u8::from(call.seconds.is_some())),
                    );
                    if let Some(seconds) = call.seconds {
                        truth.add("business_window_call_talk_seconds", &[tenant, at], seconds as f64);
                    }
                }
                if let Some(assistant) =
                    call.assistant.filter(|name| !name.is_empty() && ["7d", "30d"].contains(&window.name))
                {
                    truth.add(
                        "business_window_calls_by_assistant",
                        &[tenant, at, outcome, ("assistant", assistant)],
                        1.0,
                    );
                }
                if results.contains(&window.name) {
                    let handler = listed(handler.as_deref(), &["ai", "human", "mixed", "unknown"], "unknown");
                    truth.add("business_window_calls_by_handler", &[tenant, at, ("handler", handler)], 1.0);
                    let result = listed(result.as_deref(), &["lead", "qualified", "customer", "none"], "none");
                    truth.add("business_window_call_conversions", &[tenant, at, ("result", result)], 1.0);
                }
                if window.name == "30d" {
                    let labels = [tenant, at, outcome, ("region", any(call.region))];
                    truth.add_group("business_window_calls_by_region", &labels, 1.0, 1);
                }
            }
        }
        self.zeros(truth, "business_window_calls", &names, "outcome", &OUTCOMES);
        self.zeros(
            truth,
            "business_window_calls_by_handler",
            &results,
            "handler",
            &["ai", "human", "mixed", "unknown"],
        );
        self.zeros(
            truth,
            "business_window_call_conversions",
            &results,
            "result",
            &["lead", "qualified", "customer", "none"],
        );
    }

    fn leads_truth(&self, truth: &mut Truth, now: i64) {
        const STAGES: [&str; 7] = ["new", "contacted", "qualified", "opportunity", "customer", "lost", "unknown"];
        const BANDS: [&str; 10] =
            ["0-9", "10-19", "20-29", "30-39", "40-49", "50-59", "60-69", "70-79", "80-89", "90-100"];
        let all = self.windows(
            &["today", "24h", "7d", "30d", "90d", "365d", "prev_24h", "prev_7d", "prev_30d", "prev_90d", "prev_365d"],
            now,
        );
        let is_long = |name: &str| !["today", "24h", "prev_24h"].contains(&name);
        // Sum and count by tenant and window, of scores and of times.
        let mut means: BTreeMap<(&str, usize, &str), (f64, f64)> = BTreeMap::new();
        let mut mean = |family, tenant, window, value: f64| {
            let (sum, count) = means.entry((family, tenant, window)).or_default();
            *sum += value;
            *count += 1.0;
        };
        for lead in &self.leads {
            let tenant = ("tenant", self.label(lead.tenant));
            let stage = lead.stage.map(str::to_lowercase);
            let band = lead.score.map(|tenths| BANDS[tenths.div_euclid(100).clamp(0, 9) as usize]);
            for window in all[lead.tenant].iter().filter(|window| window.has(lead.at)) {
                let at = ("window", window.name);
                let labels =
                    [tenant, at, ("stage", listed(stage.as_deref(), &STAGES, "unknown")), ("source", any(lead.source))];
                truth.add("business_window_leads", &labels, 1.0);
                if is_long(window.name) {
                    if let Some(tenths) = lead.score {
                        mean("business_window_lead_score_mean", lead.tenant, window.name, tenths as f64 / 10.0);
                    }
                    if let Some(activities) = lead.activities {
                        truth.add("business_window_lead_activities", &[tenant, at], activities as f64);
                    }
                    let is_engaged = lead.activities.is_some_and(|activities| activities > 0);
                    truth.add("business_window_engaged_leads", &[tenant, at], f64::from(u8::from(is_engaged)));
                }
                if let Some(band) = band.filter(|_| window.name == "90d") {
                    let result =
                        stage.as_deref().filter(|stage| ["customer", "lost"].contains(stage)).unwrap_or("open");
                    truth.add("business_window_leads_by_score", &[tenant, at, ("band", band), ("result", result)], 1.0);
                }
            }
            if let Some(converted) = lead.converted {
                for window in all[lead.tenant].iter().filter(|window| is_long(window.name) && window.has(converted)) {
                    mean(
                        "business_window_lead_conversion_mean_seconds",
                        lead.tenant,
                        window.name,
                        (converted - lead.at) as f64,
                    );
                }
            }
            if let Some(band) = band {
                truth.add("business_leads_by_score", &[tenant, ("band", band)], 1.0);
            }
        }
        for ((family, tenant, window), (sum, count)) in means {
            // A mean of several tenants that share a label is nobody's.
            if tenant + 1 == self.tenants.len() {
                continue;
            }
            truth.add(family, &[("tenant", self.label(tenant)), ("window", window)], sum / count);
        }
        self.zeros(truth, "business_leads_by_score", &[""], "band", &BANDS);
    }

    fn deals_truth(&self, truth: &mut Truth, now: i64) {
        const BANDS: [&str; 7] =
            ["0-999", "1000-4999", "5000-9999", "10000-49999", "50000-99999", "100000+", "unknown"];
        let all =
            self.windows(&["today", "7d", "30d", "90d", "365d", "prev_7d", "prev_30d", "prev_90d", "prev_365d"], now);
        for deal in &self.deals {
            let tenant = ("tenant", self.label(deal.tenant));
            let stage = deal.stage.map(str::to_lowercase).unwrap_or_default();
            let currency = deal.currency.map(str::to_uppercase);
            let currency = ("currency", any(currency.as_deref()));
            let Some(closed) = deal.closed else {
                if let Some(cents) = deal.cents {
                    truth.add(
                        "business_pipeline_value",
                        &[tenant, ("stage", any(Some(&stage))), currency],
                        cents as f64 / 100.0,
                    );
                }
                continue;
            };
            if stage != "won" && stage != "lost" {
                continue;
            }
            let result = ("result", stage.as_str());
            for window in all[deal.tenant].iter().filter(|window| window.has(closed)) {
                let at = ("window", window.name);
                truth.add("business_window_deals", &[tenant, at, result], 1.0);
                truth.add("business_window_deal_cycle_seconds", &[tenant, at, result], (closed - deal.opened) as f64);
                if let Some(cents) = deal.cents {
                    truth.add("business_window_deal_value", &[tenant, at, result, currency], cents as f64 / 100.0);
                }
                if ["30d", "90d"].contains(&window.name) {
                    truth.add("business_window_deals_by_team", &[tenant, at, result, ("team", any(deal.team))], 1.0);
                }
            }
            if stage == "won" && (now - 365 * DAY..now).contains(&closed) {
                let bounds = [100_000, 500_000, 1_000_000, 5_000_000, 10_000_000];
                let band = deal.cents.map_or(6, |cents| bounds.iter().filter(|bound| **bound <= cents).count());
                truth.add("business_deals_by_size", &[tenant, ("band", BANDS[band])], 1.0);
            }
        }
        self.zeros(truth, "business_deals_by_size", &[""], "band", &BANDS);
    }

    fn money_truth(&self, truth: &mut Truth, now: i64) {
        let names = [
            "today",
            "yesterday",
            "24h",
            "7d",
            "30d",
            "90d",
            "365d",
            "prev_24h",
            "prev_7d",
            "prev_30d",
            "prev_90d",
            "prev_365d",
        ];
        let all = self.windows(&names, now);
        let upper = |word: Word| word.map(str::to_uppercase);
        type Payer<'a> = (usize, &'a str, &'a str, Option<String>);
        let mut payers: BTreeMap<Payer<'_>, (f64, BTreeSet<i64>)> = BTreeMap::new();
        for payment in &self.payments {
            let (tenant, amount) = (("tenant", self.label(payment.tenant)), payment.cents as f64 / 100.0);
            let (kind, money) = (payment.kind.map(str::to_lowercase), upper(payment.currency));
            let currency = ("currency", any(money.as_deref()));
            for window in all[payment.tenant].iter().filter(|window| window.has(payment.at)) {
                let at = ("window", window.name);
                let kind = listed(kind.as_deref(), &["recurring", "one_time", "unknown"], "unknown");
                truth.add("business_window_revenue", &[tenant, at, currency, ("kind", kind)], amount);
                if ["30d", "90d"].contains(&window.name) {
                    let product = ("product", any(payment.product));
                    truth.add("business_window_revenue_by_product", &[tenant, at, currency, product], amount);
                    // NULL and "" are two groups of rows, and one series.
                    let of = (payment.tenant, window.name, payment.region.unwrap_or("NULL"), money.clone());
                    let (sum, customers) = payers.entry(of).or_default();
                    *sum += amount;
                    customers.extend(payment.customer);
                }
            }
        }
        for ((tenant, window, region, money), (sum, customers)) in payers {
            let region = any(Some(region).filter(|region| *region != "NULL"));
            let labels = [
                ("tenant", self.label(tenant)),
                ("window", window),
                ("region", region),
                ("currency", any(money.as_deref())),
            ];
            truth.add_group("business_window_revenue_by_region", &labels, sum, customers.len());
        }
        for row in &self.subscriptions {
            if row.started <= now && row.ended.is_none_or(|ended| ended > now) {
                let money = upper(row.currency);
                let labels = [("tenant", self.label(row.tenant)), ("currency", any(money.as_deref()))];
                truth.add("business_mrr", &labels, row.cents as f64 / 100.0);
            }
        }
        self.amounts_truth(truth, now, &all);
    }

    fn amounts_truth(&self, truth: &mut Truth, now: i64, all: &[Vec<Window>]) {
        let cost_windows = ["today", "24h", "7d", "30d", "90d", "365d", "prev_30d"];
        let upper = |word: Word| word.map(str::to_uppercase);
        for cost in &self.costs {
            let (money, category) = (upper(cost.currency), cost.word.map(str::to_lowercase));
            for window in
                all[cost.tenant].iter().filter(|window| cost_windows.contains(&window.name) && window.has(cost.at))
            {
                let labels = [
                    ("tenant", self.label(cost.tenant)),
                    ("window", window.name),
                    ("category", any(category.as_deref())),
                    ("currency", any(money.as_deref())),
                ];
                truth.add("business_window_cost", &labels, cost.cents as f64 / 100.0);
            }
        }
        let models = ["first_touch", "last_touch", "linear", "time_decay", "position_based", "unknown"];
        for row in &self.attributions {
            let (money, model) = (upper(row.currency), row.model.map(str::to_lowercase));
            for window in
                all[row.tenant].iter().filter(|window| ["30d", "90d"].contains(&window.name) && window.has(row.at))
            {
                let labels = [
                    ("tenant", self.label(row.tenant)),
                    ("window", window.name),
                    ("model", listed(model.as_deref(), &models, "unknown")),
                    ("source", any(row.source)),
                    ("currency", any(money.as_deref())),
                ];
                truth.add("business_window_attributed_revenue", &labels, row.cents as f64 / 100.0);
            }
        }
        let mut newest: BTreeMap<(usize, String, String), &Amount> = BTreeMap::new();
        for row in self.forecasts.iter().filter(|row| row.at <= now) {
            let horizon = row.word.map(str::to_lowercase).unwrap_or_default();
            let place = newest.entry((row.tenant, horizon, upper(row.currency).unwrap_or_default())).or_insert(row);
            if row.at > place.at {
                *place = row;
            }
        }
        for ((tenant, horizon, money), row) in newest {
            let horizon = ("horizon", listed(Some(&horizon), &["30d", "90d", "365d", "unknown"], "unknown"));
            let labels = [("tenant", self.label(tenant)), horizon, ("currency", any(Some(&money)))];
            truth.add("business_revenue_forecast", &labels, row.cents as f64 / 100.0);
        }
        for goal in &self.goals {
            let name = goal.name.map(str::to_lowercase);
            let name =
                listed(name.as_deref(), &["calls", "leads", "qualified_leads", "deals_won", "unknown"], "unknown");
            truth.max("business_goal", &[("tenant", self.label(goal.tenant)), ("goal", name)], goal.target as f64);
        }
    }

    fn campaigns_truth(&self, truth: &mut Truth) {
        const STAGES: [&str; 6] = ["total", "delivered", "read", "replied", "failed", "converted"];
        let mut names: Vec<&str> = Vec::new();
        let mut is_own = Vec::new();
        for (at, campaign) in self.campaigns.iter().enumerate() {
            let newer =
                |(other, b): &(usize, &Campaign)| b.tenant == campaign.tenant && (b.at, *other) > (campaign.at, at);
            let place = self.campaigns.iter().enumerate().filter(newer).count();
            names.push(if place < 10 { any(campaign.name) } else { "other" });
            is_own.push(place < 10);
            let currency = campaign.currency.map(str::to_uppercase);
            let status = campaign.status.map(str::to_lowercase);
            let status = listed(
                status.as_deref(),
                &["draft", "scheduled", "active", "paused", "completed", "unknown"],
                "unknown",
            );
            let (tenant, name) = (("tenant", self.label(campaign.tenant)), ("campaign", names[at]));
            truth.add("business_campaigns", &[tenant, ("status", status)], 1.0);
            let currency = ("currency", any(currency.as_deref()));
            for (family, labels, value) in [
                (
                    "business_campaign_spend",
                    &[tenant, name, currency][..],
                    campaign.spend.map(|cents| cents as f64 / 100.0),
                ),
                (
                    "business_campaign_revenue",
                    &[tenant, name, currency],
                    campaign.revenue.map(|cents| cents as f64 / 100.0),
                ),
                ("business_campaign_leads", &[tenant, name], campaign.leads.map(|count| count as f64)),
                ("business_campaign_customers", &[tenant, name], campaign.customers.map(|count| count as f64)),
            ] {
                if let Some(value) = value {
                    truth.add(family, labels, value);
                }
            }
        }
        for outcome in &self.outcomes {
            let at = outcome.campaign;
            let variants = self.outcomes.iter().filter(|other| other.campaign == at && other.variant.is_some()).count();
            let (tenant, name) = (("tenant", self.label(self.campaigns[at].tenant)), ("campaign", names[at]));
            for (stage, count) in STAGES.into_iter().zip(outcome.counts) {
                let Some(count) = count else { continue };
                truth.add("business_campaign_recipients", &[tenant, name, ("stage", stage)], count as f64);
                if variants > 1 && is_own[at] && stage != "read" && stage != "failed" {
                    let labels = [tenant, name, ("variant", any(outcome.variant)), ("stage", stage)];
                    truth.add("business_campaign_variant_recipients", &labels, count as f64);
                }
            }
        }
    }

    fn cohorts_truth(&self, truth: &mut Truth, now: i64) {
        let month = |time: i64| {
            let (year, month, _) = civil(time.div_euclid(DAY));
            year * 12 + month
        };
        let mut active: BTreeSet<(i64, usize, i64, i64)> = BTreeSet::new();
        for payment in &self.payments {
            let Some(id) = payment.customer else { continue };
            let customer = &self.customers[id as usize - 1];
            let (cohort, age) = (month(now) - month(customer.at), month(payment.at) - month(customer.at));
            if (0..12).contains(&cohort) && payment.at >= customer.at && payment.at <= now {
                active.insert((id, customer.tenant, cohort, age));
            }
        }
        for (_, tenant, cohort, age) in active {
            let (cohort, age) = (cohort.to_string(), age.to_string());
            let labels = [("tenant", self.label(tenant)), ("cohort", &cohort), ("age", &age)];
            truth.add_group("business_cohort_active_users", &labels, 1.0, 1);
        }
    }
}
