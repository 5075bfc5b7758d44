//! What /metrics has to show of the rows, worked out in plain loops and not by SQL.

use std::collections::{BTreeMap, BTreeSet};

use super::super::world::{DAY, Truth, Window, any, civil, listed, windows};
use super::{Amount, Campaign, Word, World};

impl World {
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
