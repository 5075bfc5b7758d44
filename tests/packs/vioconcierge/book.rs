//! What is true of contacts and their appointments.

use std::collections::{BTreeMap, BTreeSet};

use super::Contact;
use super::facts::{DAYS, HOURS, ONE, View};
use super::tally::{Group, Query, Rows, Rule};
use super::zones::local;

const STATUSES: Rule =
    Rule::Closed(&["confirmed", "pending", "cancelled", "rescheduled", "completed", "attended", "no_show", "unknown"]);

impl View<'_> {
    pub fn appointments(&mut self) {
        let query = |family| Query {
            labels: vec![("status", STATUSES)],
            group: Group::Row,
            zeros: true,
            not_medical: false,
            families: vec![(family, &["status"])],
        };
        let windows = ["7d", "30d", "90d", "365d", "prev_7d", "prev_30d", "prev_90d"];
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

    pub fn kinds_of_appointments(&mut self) {
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

    pub fn reschedules(&mut self) {
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

    pub fn contacts(&mut self) {
        let sources = Rule::Listed(&["manual", "calcom", "calendly", "csv_import", "api"], "manual");
        let query = |labels, group, families| Query {
            labels,
            group,
            zeros: group == Group::Tenant,
            not_medical: false,
            families,
        };
        let all = query(Vec::new(), Group::Row, vec![("business_contacts", &[])]);
        let mut rows = Rows::default();
        self.world.contacts.iter().for_each(|contact| rows.add(contact.tenant, &[], &[ONE]));
        all.show(self.world, None, &rows, &mut self.truth);
        let new = query(vec![("source", sources)], Group::Tenant, vec![("business_window_new_contacts", &["source"])]);
        let windows = ["today", "7d", "30d", "90d", "365d", "prev_7d", "prev_30d", "prev_90d"];
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

    pub fn fields(&mut self) {
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
        let known = |tenant: usize| tenant < self.world.tenants.len();
        let is_shown = |tenant: usize, of: f64| known(tenant) && of >= self.world.minimum(tenant);
        for (tenant, of) in self.crowd().into_iter().filter(|(tenant, of)| is_shown(*tenant, *of)) {
            for (field, count) in FIELDS.iter().zip(counts[&tenant]) {
                self.put("business_contact_field_completeness_ratio", tenant, &[("field", field)], count / of);
            }
        }
    }

    pub fn duplicates(&mut self) {
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
            if numbers.values().sum::<f64>() >= self.world.minimum(tenant) {
                self.put("business_contact_duplicate_groups", tenant, &[], several.len() as f64);
                self.put("business_contacts_in_duplicate_groups", tenant, &[], several.iter().sum());
            }
        }
    }

    pub fn responsiveness(&mut self) {
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

    pub fn consents(&mut self) {
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
}
