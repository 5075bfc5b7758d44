//! What is true of tenants, their settings, and rows that cannot be.

use std::collections::BTreeSet;

use super::DAY;
use super::facts::{ONE, View};
use super::tally::{Group, Query, Rows, Rule, series};

impl View<'_> {
    pub fn settings(&mut self) {
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

    pub fn tenants(&mut self) {
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

    pub fn inconsistencies(&mut self) {
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

    pub fn retention(&mut self) {
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
