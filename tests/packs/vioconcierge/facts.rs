//! What is true of a world: loops over its rows, no SQL.

use std::collections::{BTreeMap, BTreeSet};

use super::tally::{Group, Query, Rows, Rule, Truth, alias, series};
use super::zones::{local, midnight};
use super::{Call, Contact, DAY, Task, Tenant, World};

const OUTCOMES: Rule =
    Rule::Listed(&["answered", "completed", "no_answer", "voicemail", "busy", "failed", "unknown"], "unknown");
const ACTIONS: Rule = Rule::Listed(&["none", "confirmed", "cancelled", "rescheduled"], "unknown");
const STATUSES: Rule =
    Rule::Closed(&["confirmed", "pending", "cancelled", "rescheduled", "completed", "attended", "no_show", "unknown"]);
const DAYS: Rule = Rule::Listed(&["0", "1", "2", "3", "4", "5", "6"], "unknown");
const HOURS: Rule = Rule::Listed(
    &[
        "00", "01", "02", "03", "04", "05", "06", "07", "08", "09", "10", "11", "12", "13", "14", "15", "16", "17",
        "18", "19", "20", "21", "22", "23",
    ],
    "unknown",
);
/// Businesses that treat nobody.
const NOT_MEDICAL: [&str; 12] = [
    "automotive",
    "beauty",
    "consulting",
    "education",
    "fitness",
    "hair_salon",
    "legal",
    "pet_grooming",
    "real_estate",
    "restaurant",
    "salon",
    "spa",
];
const ONE: Option<f64> = Some(1.0);

impl Tenant {
    pub fn is_medical(&self) -> bool {
        !NOT_MEDICAL.contains(&self.business_type.unwrap_or_default())
    }
}

impl Call {
    fn reached(&self) -> bool {
        matches!(self.outcome, Some("answered" | "completed"))
    }

    /// What it did to the appointment.
    fn did(&self) -> Option<&str> {
        self.action.filter(|action| !action.is_empty()).or(Some("none"))
    }

    fn length(&self) -> Option<f64> {
        self.seconds.filter(|seconds| *seconds > 0).map(|seconds| seconds as f64)
    }
}

/// A world as it looks at one time.
struct View<'a> {
    world: &'a World,
    now: i64,
    truth: Truth,
}

impl World {
    /// Every series of the pack that /metrics shows at `now`.
    pub fn truth(&self, now: i64) -> Truth {
        let mut view = View { world: self, now, truth: Truth::new() };
        view.calls();
        view.call_kinds();
        view.appointments();
        view.kinds_of_appointments();
        view.reschedules();
        view.reminders();
        view.queue();
        view.results();
        view.contacts();
        view.fields();
        view.duplicates();
        view.responsiveness();
        view.consents();
        view.settings();
        view.tenants();
        view.inconsistencies();
        view.retention();
        view.truth
    }

    fn zone(&self, tenant: usize) -> &'static str {
        self.tenants.get(tenant).and_then(|tenant| tenant.zone).unwrap_or_default()
    }

    /// Calls by their session.
    fn sessions(&self) -> BTreeMap<&str, &Call> {
        self.calls.iter().map(|call| (call.session.as_str(), call)).collect()
    }
}

impl View<'_> {
    /// Whether a tenant's window holds a time.
    fn holds(&self, window: &str, tenant: usize, time: i64) -> bool {
        let today = || midnight(self.world.zone(tenant), self.now);
        let span = |days: &str| match days {
            "24h" => DAY,
            days => days.trim_end_matches('d').parse::<i64>().expect("days") * DAY,
        };
        match (window, window.strip_prefix("prev_")) {
            ("today", _) => (today()..self.now).contains(&time),
            ("yesterday", _) => (midnight(self.world.zone(tenant), today() - 1)..today()).contains(&time),
            (_, Some(days)) => (self.now - 2 * span(days)..self.now - span(days)).contains(&time),
            (days, None) => (self.now - span(days)..self.now).contains(&time),
        }
    }

    /// Shows a query of calls in some windows.
    fn of_calls(&mut self, query: &Query, windows: &[&str], add: impl Fn(&mut Rows, &Call)) {
        for window in windows {
            let mut rows = Rows::default();
            let within = self.world.calls.iter().filter(|call| self.holds(window, call.tenant, call.time));
            within.for_each(|call| add(&mut rows, call));
            query.show(self.world, Some(window), &rows, &mut self.truth);
        }
    }

    /// The same of contacts, by a time of theirs.
    fn of_contacts(
        &mut self,
        query: &Query,
        windows: &[&str],
        time: impl Fn(&Contact) -> Option<i64>,
        add: impl Fn(&mut Rows, &Contact),
    ) {
        for window in windows {
            let mut rows = Rows::default();
            let is_in = |contact: &&Contact| time(contact).is_some_and(|time| self.holds(window, contact.tenant, time));
            self.world.contacts.iter().filter(is_in).for_each(|contact| add(&mut rows, contact));
            query.show(self.world, Some(window), &rows, &mut self.truth);
        }
    }

    fn calls(&mut self) {
        let labels = vec![("outcome", OUTCOMES), ("action", ACTIONS)];
        let query = |group, families| Query {
            labels: labels.clone(),
            group,
            zeros: group == Group::Tenant,
            not_medical: false,
            families,
        };
        let counted = query(Group::Tenant, vec![("business_window_calls", &["outcome", "action"])]);
        let windows =
            ["today", "yesterday", "24h", "7d", "30d", "prev_7d", "prev_30d", "90d", "365d", "prev_90d", "prev_365d"];
        self.of_calls(&counted, &windows, |rows, call| rows.add(call.tenant, &[call.outcome, call.did()], &[ONE]));
        let timed = query(
            Group::Row,
            vec![
                ("business_window_timed_calls", &["outcome", "action"]),
                ("business_window_call_talk_seconds", &["outcome", "action"]),
            ],
        );
        self.of_calls(&timed, &["today", "24h", "7d", "30d", "90d", "365d"], |rows, call| {
            if call.length().is_some() {
                rows.add(call.tenant, &[call.outcome, call.did()], &[ONE, call.length()]);
            }
        });
    }

    fn call_kinds(&mut self) {
        const STATES: Rule = Rule::Listed(
            &[
                "initiating",
                "initiated",
                "ringing",
                "answered",
                "in_progress",
                "completed",
                "failed",
                "error",
                "unknown",
            ],
            "unknown",
        );
        const LIVE: [&str; 4] = ["initiating", "ringing", "answered", "in_progress"];
        const HANDLERS: Rule = Rule::Mapped(&[("automated", "ai"), ("manual", "human"), ("mixed", "mixed")]);
        const MOODS: Rule = Rule::Listed(&["positive", "neutral", "negative"], "unknown");
        let states = Query {
            labels: vec![("status", STATES)],
            group: Group::Tenant,
            zeros: true,
            not_medical: false,
            families: vec![("business_window_calls_by_status", &["status"])],
        };
        self.of_calls(&states, &["today", "24h"], |rows, call| rows.add(call.tenant, &[call.status], &[ONE]));
        let live = Query {
            labels: vec![("status", Rule::Listed(&LIVE, "unknown"))],
            group: Group::None,
            zeros: true,
            not_medical: false,
            families: vec![("business_calls_active", &["status"])],
        };
        let mut rows = Rows::default();
        let recent = self.now - 600..=self.now;
        let is_live =
            |call: &&Call| recent.contains(&call.time) && call.status.is_some_and(|status| LIVE.contains(&status));
        self.world.calls.iter().filter(is_live).for_each(|call| rows.add(call.tenant, &[call.status], &[ONE]));
        live.show(self.world, None, &rows, &mut self.truth);
        let handlers = Query {
            labels: vec![("handler", HANDLERS), ("sentiment", MOODS)],
            group: Group::Tenant,
            zeros: true,
            not_medical: false,
            families: vec![
                ("business_window_calls_by_handler", &["handler"]),
                ("business_window_calls_by_sentiment", &["sentiment"]),
            ],
        };
        self.of_calls(&handlers, &["7d", "30d", "90d", "365d"], |rows, call| {
            let mood = call.sentiment.map(str::to_lowercase).filter(|mood| !mood.is_empty() && mood != "unknown");
            let rated = if mood.is_some() { 1.0 } else { 0.0 };
            rows.add(call.tenant, &[call.method, mood.as_deref()], &[ONE, Some(rated)]);
        });
        let world = self.world;
        let hours = Query {
            labels: vec![("activity", Rule::Fixed("call")), ("weekday", DAYS), ("hour", HOURS)],
            group: Group::Tenant,
            zeros: false,
            not_medical: false,
            families: vec![("business_window_activity_by_hour", &["activity", "weekday", "hour"])],
        };
        self.of_calls(&hours, &["24h"], |rows, call| {
            let (_, weekday, hour) = local(world.zone(call.tenant), call.time);
            rows.add(call.tenant, &[Some(&weekday.to_string()), Some(&format!("{hour:02}"))], &[ONE]);
        });
    }

    fn appointments(&mut self) {
        let query = |family| Query {
            labels: vec![("status", STATUSES)],
            group: Group::Row,
            zeros: true,
            not_medical: false,
            families: vec![(family, &["status"])],
        };
        let windows = ["7d", "30d", "90d", "365d", "prev_7d", "prev_30d", "prev_90d", "prev_365d"];
        let add = |rows: &mut Rows, contact: &Contact| rows.add(contact.tenant, &[contact.status], &[ONE]);
        self.of_contacts(&query("business_window_appointments"), &windows, |contact| contact.time, add);
        let made = |contact: &Contact| contact.time.map(|_| contact.created);
        self.of_contacts(&query("business_window_new_appointments"), &["today", "7d", "30d", "90d"], made, add);
        let (mut rows, mut risks) = (Rows::default(), Rows::default());
        for contact in self.world.contacts.iter().filter(|contact| contact.time >= Some(self.now)) {
            add(&mut rows, contact);
            if let Some(risk) = contact.risk {
                let band = ["0-19", "20-39", "40-59", "60-79", "80+"][((risk * 5.0) as usize).min(4)];
                risks.add(contact.tenant, &[Some(band)], &[ONE]);
            }
        }
        query("business_appointments_upcoming").show(self.world, None, &rows, &mut self.truth);
        let bands = Rule::Listed(&["0-19", "20-39", "40-59", "60-79", "80+"], "unknown");
        let by_risk = Query {
            labels: vec![("band", bands)],
            group: Group::Row,
            zeros: false,
            not_medical: false,
            families: vec![("business_appointments_by_risk", &["band"])],
        };
        by_risk.show(self.world, None, &risks, &mut self.truth);
    }

    fn kinds_of_appointments(&mut self) {
        let query = Query {
            labels: vec![("type", Rule::Top(10))],
            group: Group::Row,
            zeros: false,
            not_medical: true,
            families: vec![
                ("business_window_appointments_by_type", &["type"]),
                ("business_window_appointment_planned_seconds", &["type"]),
            ],
        };
        self.of_contacts(
            &query,
            &["30d", "365d"],
            |contact| Some(contact.created),
            |rows, contact| {
                let kind = contact.kind.map(|kind| kind.trim().to_lowercase()).filter(|kind| !kind.is_empty());
                if let Some(kind) = kind {
                    rows.add(
                        contact.tenant,
                        &[Some(&kind)],
                        &[ONE, contact.minutes.map(|minutes| minutes as f64 * 60.0)],
                    );
                }
            },
        );
    }

    fn reschedules(&mut self) {
        let contacts: BTreeMap<i64, &Contact> =
            self.world.contacts.iter().map(|contact| (contact.id, contact)).collect();
        let moved = self.world.calls.iter().filter(|call| call.action == Some("rescheduled"));
        let moved = moved.filter(|call| self.holds("90d", call.tenant, call.time));
        let moved: BTreeSet<(usize, i64)> = moved.filter_map(|call| Some((call.tenant, call.contact?))).collect();
        let mut rows = Rows::default();
        for (tenant, contact) in moved {
            let Some(time) = contacts.get(&contact).and_then(|contact| contact.time) else { continue };
            let (_, weekday, hour) = local(self.world.zone(tenant), time);
            rows.add(tenant, &[Some(&weekday.to_string()), Some(&format!("{hour:02}"))], &[ONE]);
        }
        let query = Query {
            labels: vec![("weekday", DAYS), ("hour", HOURS)],
            group: Group::Row,
            zeros: false,
            not_medical: false,
            families: vec![("business_window_reschedules_by_hour", &["weekday", "hour"])],
        };
        query.show(self.world, Some("90d"), &rows, &mut self.truth);
    }

    fn reminders(&mut self) {
        let states =
            Rule::Listed(&["pending", "in_progress", "completed", "failed", "cancelled", "unknown"], "unknown");
        let query = Query {
            labels: vec![("status", states)],
            group: Group::Tenant,
            zeros: true,
            not_medical: false,
            families: vec![
                ("business_window_reminders", &["status"]),
                ("business_window_reminders_executed", &[]),
                ("business_window_reminder_delay_seconds", &[]),
            ],
        };
        let sessions = self.world.sessions();
        for window in ["24h", "7d", "30d", "90d", "365d"] {
            let mut rows = Rows::default();
            for task in self.world.tasks.iter().filter(|task| self.holds(window, task.tenant, task.due)) {
                let call = task.session.as_deref().and_then(|session| sessions.get(session));
                let late = call.map_or(0, |call| (call.time - task.due).max(0));
                let called = if call.is_some() { 1.0 } else { 0.0 };
                rows.add(task.tenant, &[task.status], &[ONE, Some(called), Some(late as f64)]);
            }
            query.show(self.world, Some(window), &rows, &mut self.truth);
        }
    }

    fn queue(&mut self) {
        let mut counts: Vec<[f64; 4]> = vec![[0.0; 4]; self.world.tenants.len()];
        let known = |task: &&Task| task.status == Some("pending") && task.tenant < self.world.tenants.len();
        for task in self.world.tasks.iter().filter(known) {
            let zone = self.world.zone(task.tenant);
            let days = local(zone, task.due).0 - local(zone, self.now).0;
            let is = [task.due <= self.now + DAY, task.due <= self.now, days == 0, days == 1];
            counts[task.tenant].iter_mut().zip(is).for_each(|(count, is)| *count += f64::from(u8::from(is)));
        }
        let families =
            ["pending", "due_now", "due_today", "due_tomorrow"].map(|part| format!("business_reminders_{part}"));
        for (tenant, counts) in counts.iter().enumerate() {
            for (family, count) in families.iter().zip(counts) {
                self.put(family, tenant, &[], *count);
            }
        }
    }

    /// A series of a tenant as it stands.
    fn put(&mut self, family: &str, tenant: usize, labels: &[(&str, &str)], value: f64) {
        let alias = alias(self.world, tenant);
        let mut all = vec![("pack", "vioconcierge"), ("tenant", alias.as_str())];
        all.extend(labels);
        self.truth.insert(series(family, &mut all), value);
    }

    fn results(&mut self) {
        let leads = Rule::Listed(
            &["1", "2", "3", "4", "6", "8", "12", "18", "24", "36", "48", "72", "96", "120", "168"],
            "unknown",
        );
        let outcomes = Rule::Listed(
            &["answered", "completed", "no_answer", "voicemail", "busy", "failed", "not_called", "unknown"],
            "unknown",
        );
        let query = Query {
            labels: vec![
                ("lead_hours", leads),
                ("attempt", Rule::Listed(&["first", "retry"], "unknown")),
                ("outcome", outcomes),
                ("action", ACTIONS),
            ],
            group: Group::Tenant,
            zeros: false,
            not_medical: false,
            families: vec![
                ("business_window_reminder_calls", &["lead_hours", "outcome", "action"]),
                ("business_window_reminder_call_talk_seconds", &["lead_hours"]),
                ("business_window_reminder_timed_calls", &["lead_hours"]),
                ("business_window_reminder_attempts", &["attempt", "action"]),
            ],
        };
        let sessions = self.world.sessions();
        for window in ["7d", "30d", "90d"] {
            let mut rows = Rows::default();
            let is_done = |task: &&Task| task.completed.is_some_and(|time| self.holds(window, task.tenant, time));
            for task in self.world.tasks.iter().filter(is_done) {
                let call = task.session.as_deref().and_then(|session| sessions.get(session)).copied();
                let attempt = if task.retries > Some(0) { "retry" } else { "first" };
                let lead = task.hours.map(|hours| hours.trim_end_matches(".0"));
                let (outcome, action) =
                    call.map_or((Some("not_called"), Some("none")), |call| (call.outcome, call.did()));
                let length = call.and_then(Call::length).filter(|_| lead.is_some());
                let values = [lead.and(ONE), length, length.and(ONE), call.and(ONE)];
                rows.add(task.tenant, &[lead, Some(attempt), outcome, action], &values);
            }
            query.show(self.world, Some(window), &rows, &mut self.truth);
        }
    }

    fn contacts(&mut self) {
        let sources = Rule::Listed(&["manual", "calcom", "calendly", "csv_import", "api"], "manual");
        let query = |labels, zeros, families| Query { labels, group: Group::Row, zeros, not_medical: false, families };
        let all = query(Vec::new(), false, vec![("business_contacts", &[])]);
        let mut rows = Rows::default();
        self.world.contacts.iter().for_each(|contact| rows.add(contact.tenant, &[], &[ONE]));
        all.show(self.world, None, &rows, &mut self.truth);
        let new = query(vec![("source", sources)], true, vec![("business_window_new_contacts", &["source"])]);
        let windows = ["today", "7d", "30d", "90d", "365d", "prev_7d", "prev_30d", "prev_90d", "prev_365d"];
        self.of_contacts(
            &new,
            &windows,
            |contact| Some(contact.created),
            |rows, contact| {
                rows.add(contact.tenant, &[contact.source], &[ONE]);
            },
        );
    }

    /// How many contacts each tenant has, those that nobody configured too.
    fn crowd(&self) -> BTreeMap<usize, f64> {
        let mut counts = BTreeMap::new();
        self.world.contacts.iter().for_each(|contact| *counts.entry(contact.tenant).or_default() += 1.0);
        counts
    }

    fn fields(&mut self) {
        const FIELDS: [&str; 7] =
            ["name", "phone", "email", "appointment_time", "appointment_type", "owner_name", "special_instructions"];
        let filled = |text: Option<&str>| text.is_some_and(|text| !text.trim().is_empty());
        let mut counts: BTreeMap<usize, [f64; 7]> = BTreeMap::new();
        for contact in &self.world.contacts {
            let is = [
                filled(contact.name.as_deref()),
                filled(contact.phone.as_deref()),
                filled(contact.email),
                contact.time.is_some(),
                filled(contact.kind),
                filled(contact.owner),
                filled(contact.instructions),
            ];
            let count = counts.entry(contact.tenant).or_default();
            count.iter_mut().zip(is).for_each(|(count, is)| *count += f64::from(u8::from(is)));
        }
        for (tenant, of) in self.crowd().into_iter().filter(|(_, of)| *of >= 5.0) {
            for (field, count) in FIELDS.iter().zip(counts[&tenant]) {
                self.put("business_contact_field_completeness_ratio", tenant, &[("field", field)], count / of);
            }
        }
    }

    fn duplicates(&mut self) {
        let mut held: BTreeMap<usize, BTreeMap<String, f64>> = BTreeMap::new();
        for contact in &self.world.contacts {
            let digits: String =
                contact.phone.iter().flat_map(|phone| phone.chars()).filter(|c| !" ()-./".contains(*c)).collect();
            if !digits.is_empty() {
                *held.entry(contact.tenant).or_default().entry(digits).or_default() += 1.0;
            }
        }
        for (tenant, numbers) in held {
            let several: Vec<f64> = numbers.values().copied().filter(|held| *held > 1.0).collect();
            if numbers.values().sum::<f64>() >= 5.0 {
                self.put("business_contact_duplicate_groups", tenant, &[], several.len() as f64);
                self.put("business_contacts_in_duplicate_groups", tenant, &[], several.iter().sum());
            }
        }
    }

    fn responsiveness(&mut self) {
        const LEVELS: [&str; 4] = ["uncontacted", "low_responsive", "responsive", "highly_responsive"];
        let mut best: BTreeMap<i64, usize> = BTreeMap::new();
        for call in &self.world.calls {
            let level = match (call.reached(), call.outcome) {
                (true, _) if call.action == Some("confirmed") => 3,
                (true, _) => 2,
                (_, Some("no_answer" | "voicemail")) => 1,
                _ => 0,
            };
            let known = best.entry(call.contact.unwrap_or(0)).or_default();
            *known = level.max(*known);
        }
        let mut rows = Rows::default();
        for contact in &self.world.contacts {
            let level = best.get(&contact.id).copied().unwrap_or(0);
            rows.add(contact.tenant, &[Some(LEVELS[level])], &[ONE]);
        }
        self.by_state(
            "business_contacts_by_responsiveness",
            vec![("level", Rule::Listed(&LEVELS, "unknown"))],
            &["level"],
            &rows,
        );
    }

    fn by_state(
        &mut self,
        family: &'static str,
        labels: Vec<(&'static str, Rule)>,
        own: &'static [&'static str],
        rows: &Rows,
    ) {
        let query = Query { labels, group: Group::Row, zeros: true, not_medical: false, families: vec![(family, own)] };
        query.show(self.world, None, rows, &mut self.truth);
    }

    fn consents(&mut self) {
        let voice = self.world.consents.iter().filter(|consent| consent.kind == "voice");
        let said: BTreeMap<i64, &str> = voice.filter_map(|consent| Some((consent.contact, consent.state?))).collect();
        let mut rows = Rows::default();
        for contact in &self.world.contacts {
            let state = said.get(&contact.id).copied().filter(|state| !state.is_empty()).unwrap_or("missing");
            rows.add(contact.tenant, &[Some(state)], &[ONE]);
        }
        let states = Rule::Listed(&["granted", "denied", "withdrawn", "missing"], "unknown");
        self.by_state(
            "business_consents",
            vec![("kind", Rule::Fixed("voice")), ("state", states)],
            &["kind", "state"],
            &rows,
        );
    }

    fn settings(&mut self) {
        let world = self.world;
        for (at, tenant) in world.tenants.iter().enumerate() {
            let currency = [("currency", tenant.currency)];
            if let Some(value) = tenant.value.filter(|value| *value != 0.0) {
                self.put("business_appointment_value", at, &currency, value);
            }
            let baseline = tenant.baseline.filter(|share| *share > 0.0 && *share <= 1.0).unwrap_or(0.25);
            self.put("business_baseline_no_show_ratio", at, &[], baseline);
            if let Some(cost) = tenant.hourly_cost.or((tenant.currency == "GBP").then_some(15.0)) {
                self.put("business_staff_hourly_cost", at, &currency, cost);
            }
            if let Some(goal) = tenant.goal {
                self.put("business_goal", at, &[("goal", "daily_calls")], goal as f64);
            }
        }
    }

    fn tenants(&mut self) {
        let mut count = |family: &str, label: (&str, &str), by: bool| {
            let mut all = vec![("pack", "vioconcierge"), label];
            *self.truth.entry(series(family, &mut all)).or_default() += f64::from(u8::from(by));
        };
        let set = |text: Option<&str>| text.is_some_and(|text| !text.is_empty());
        for tenant in &self.world.tenants {
            let business = tenant.business_type.filter(|business| !business.is_empty()).unwrap_or("unknown");
            count("business_tenants", ("business_type", business), true);
            for (feature, is) in [
                ("retell", set(tenant.retell)),
                ("calcom", set(tenant.calcom)),
                ("calendly", set(tenant.calendly)),
                ("appointment_value", tenant.value > Some(0.0)),
                ("follow_up", tenant.hours.is_some_and(|hours| hours != "{}")),
                ("time_zone", set(tenant.zone)),
            ] {
                count("business_tenant_feature_enabled", ("feature", feature), is);
            }
        }
    }

    fn inconsistencies(&mut self) {
        const CHECKS: [&str; 6] = [
            "action_without_answer",
            "negative_length",
            "future_call",
            "call_without_contact",
            "completed_without_call",
            "outcome_before_appointment",
        ];
        let (world, now) = (self.world, self.now);
        let contacts: BTreeSet<i64> = world.contacts.iter().map(|contact| contact.id).collect();
        let sessions = world.sessions();
        let recent = now - 30 * DAY..now;
        let mut rows = Rows::default();
        for call in &world.calls {
            let did = matches!(call.action, Some("confirmed" | "cancelled" | "rescheduled"));
            let is_recent = recent.contains(&call.time);
            for (check, found) in [
                ("action_without_answer", is_recent && did && !call.reached()),
                ("negative_length", is_recent && call.seconds < Some(0) && call.seconds.is_some()),
                ("future_call", call.time > now + 60),
                ("call_without_contact", is_recent && call.contact.is_none_or(|id| !contacts.contains(&id))),
            ] {
                if found {
                    rows.add(call.tenant, &[Some(check)], &[ONE]);
                }
            }
        }
        for task in world.tasks.iter().filter(|task| task.completed.is_some_and(|time| recent.contains(&time))) {
            let has_call = task.session.as_deref().is_some_and(|session| sessions.contains_key(session));
            if task.status == Some("completed") && !has_call {
                rows.add(task.tenant, &[Some("completed_without_call")], &[ONE]);
            }
        }
        for contact in world.contacts.iter().filter(|contact| contact.time >= Some(now)) {
            if matches!(contact.status, Some("no_show" | "completed" | "attended")) {
                rows.add(contact.tenant, &[Some("outcome_before_appointment")], &[ONE]);
            }
        }
        self.counted("business_data_inconsistencies", ("check", &CHECKS), &rows);
    }

    fn counted(&mut self, family: &'static str, label: (&'static str, &'static [&'static str]), rows: &Rows) {
        let own: &'static [&'static str] = if label.0 == "check" { &["check"] } else { &["dataset"] };
        let query = Query {
            labels: vec![(label.0, Rule::Listed(label.1, "unknown"))],
            group: Group::None,
            zeros: true,
            not_medical: false,
            families: vec![(family, own)],
        };
        query.show(self.world, None, rows, &mut self.truth);
    }

    fn retention(&mut self) {
        let (world, limit) = (self.world, self.now - 730 * DAY);
        let mut rows = Rows::default();
        let mut add = |tenant, dataset, is_old: bool| {
            if is_old {
                rows.add(tenant, &[Some(dataset)], &[ONE]);
            }
        };
        world.calls.iter().for_each(|call| add(call.tenant, "calls", call.time < limit));
        for contact in &world.contacts {
            add(contact.tenant, "contacts", contact.created < limit && contact.time.unwrap_or(contact.created) < limit);
        }
        world.tasks.iter().for_each(|task| add(task.tenant, "reminders", task.due < limit));
        self.counted("business_retention_overdue_records", ("dataset", &["calls", "contacts", "reminders"]), &rows);
    }
}
