//! What is true of a world: loops over its rows, no SQL.

use std::collections::BTreeMap;

use super::tally::{Group, Query, Rows, Rule, Truth, alias, series};
use super::zones::{local, midnight};
use super::{Call, Contact, DAY, Task, Tenant, World};

const OUTCOMES: Rule =
    Rule::Listed(&["answered", "completed", "no_answer", "voicemail", "busy", "failed", "unknown"], "unknown");
const ACTIONS: Rule = Rule::Listed(&["none", "confirmed", "cancelled", "rescheduled"], "unknown");
pub const DAYS: Rule = Rule::Listed(&["0", "1", "2", "3", "4", "5", "6"], "unknown");
pub const HOURS: Rule = Rule::Listed(
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
pub const ONE: Option<f64> = Some(1.0);
/// Smaller groups of patients are never shown.
const OF_PATIENTS: f64 = 5.0;

impl Tenant {
    pub fn is_medical(&self) -> bool {
        !NOT_MEDICAL.contains(&self.business_type.unwrap_or_default())
    }
}

impl Call {
    pub fn reached(&self) -> bool {
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
pub struct View<'a> {
    pub world: &'a World,
    pub now: i64,
    pub truth: Truth,
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

    /// Smaller groups of a tenant are not shown.
    pub fn minimum(&self, tenant: usize) -> f64 {
        let of_patients = self.tenants.get(tenant).is_some_and(Tenant::is_medical);
        if of_patients { self.minimum_group.max(OF_PATIENTS) } else { self.minimum_group }
    }

    pub fn zone(&self, tenant: usize) -> &'static str {
        self.tenants.get(tenant).and_then(|tenant| tenant.zone).unwrap_or_default()
    }

    /// Calls by their session.
    pub fn sessions(&self) -> BTreeMap<&str, &Call> {
        self.calls.iter().map(|call| (call.session.as_str(), call)).collect()
    }
}

impl View<'_> {
    /// Whether a tenant's window holds a time.
    pub fn holds(&self, window: &str, tenant: usize, time: i64) -> bool {
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
    pub fn of_contacts(
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
        let windows = ["today", "yesterday", "24h", "7d", "30d", "prev_7d", "prev_30d", "90d", "365d", "prev_90d"];
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
    pub fn put(&mut self, family: &str, tenant: usize, labels: &[(&str, &str)], value: f64) {
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
        for window in ["30d", "90d"] {
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

    pub fn by_state(
        &mut self,
        family: &'static str,
        labels: Vec<(&'static str, Rule)>,
        own: &'static [&'static str],
        rows: &Rows,
    ) {
        let query = Query { labels, group: Group::Row, zeros: true, not_medical: false, families: vec![(family, own)] };
        query.show(self.world, None, rows, &mut self.truth);
    }
}
