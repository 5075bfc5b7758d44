//! What /metrics has to show of the rows, worked out in plain loops and not by SQL.

use std::collections::BTreeMap;

use super::super::world::{DAY, Truth, any, listed, offset, windows};
use super::{Snapshot, Word, World};

const STAGES: [&str; 5] = ["total", "delivered", "read", "replied", "failed"];

impl World {
    /// All series that /metrics has to show from `now` until a quarter of an hour later.
    pub fn truth(&self, now: i64) -> BTreeMap<String, f64> {
        let mut truth = Truth::new("crm");
        self.contacts_truth(&mut truth, now);
        self.silence_truth(&mut truth, now);
        self.campaigns_truth(&mut truth, now);
        self.details_truth(&mut truth, now);
        self.messages_truth(&mut truth, now);
        self.responses_truth(&mut truth, now);
        truth.finish(5)
    }

    fn contacts_truth(&self, truth: &mut Truth, now: i64) {
        const SCORES: [&str; 10] =
            ["0-9", "10-19", "20-29", "30-39", "40-49", "50-59", "60-69", "70-79", "80-89", "90-100"];
        const HEALTH: [&str; 5] = ["0-19", "20-39", "40-59", "60-79", "80-100"];
        let names = [
            "today",
            "yesterday",
            "month",
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
        let all = windows(&names, self.zone, now);
        let is_there = |word: Word| f64::from(u8::from(word.is_some_and(|word| !word.trim_matches(' ').is_empty())));
        // Digits alone are a score.
        let number = |word: Word| {
            word.filter(|word| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit()))
                .and_then(|word| word.parse::<usize>().ok())
        };
        for contact in &self.contacts {
            truth.add("business_contacts", &[], 1.0);
            truth.add("business_contacts_with_email", &[], is_there(contact.email));
            truth.add("business_contacts_named", &[], is_there(contact.name));
            truth.add_group("business_contacts_by_country", &[("country", any(contact.country))], 1.0, 1);
            let field = |word: Word| word.filter(|_| contact.has_fields);
            let (segment, source) = (any(field(contact.segment)), any(field(contact.source)));
            truth.add_group("business_contacts_by_segment", &[("segment", segment)], 1.0, 1);
            if let Some(score) = number(field(contact.score)) {
                truth.add_group("business_leads_by_score", &[("band", SCORES[(score / 10).min(9)])], 1.0, 1);
            }
            if let Some(health) = number(field(contact.health)) {
                truth.add_group("business_contacts_by_health", &[("band", HEALTH[(health / 20).min(4)])], 1.0, 1);
            }
            for window in all.iter().filter(|window| window.has(contact.created)) {
                let at = ("window", window.name);
                truth.add("business_window_new_contacts", &[at, ("source", source)], 1.0);
                if ["30d", "90d", "prev_30d", "prev_90d"].contains(&window.name) {
                    truth.add_group("business_window_new_contacts_by_segment", &[at, ("segment", segment)], 1.0, 1);
                }
            }
        }
        SCORES.iter().for_each(|band| truth.add("business_leads_by_score", &[("band", band)], 0.0));
        HEALTH.iter().for_each(|band| truth.add("business_contacts_by_health", &[("band", band)], 0.0));
        for chat in self.chats.iter().filter(|chat| chat.deleted.is_none()) {
            let status = chat.status.map(str::to_lowercase);
            truth.add("business_contacts_by_chat_status", &[("status", any(status.as_deref()))], 1.0);
            let is_open = status.is_some_and(|status| status == "open" || status == "pending");
            if let (true, Some(operator @ ("blue" | "red"))) = (is_open, chat.operator) {
                truth.add(
                    "business_agent_chats_assigned",
                    &[("agent", if operator == "blue" { "Blue" } else { "Red" })],
                    1.0,
                );
            }
        }
    }

    fn silence_truth(&self, truth: &mut Truth, now: i64) {
        let mut times: Vec<Vec<i64>> = self.contacts.iter().map(|_| Vec::new()).collect();
        self.messages.iter().for_each(|message| times[message.contact].push(message.at));
        let spoke = |contact: usize, from: i64, to: i64| times[contact].iter().any(|at| (from..to).contains(at));
        let silent = (0..times.len())
            .filter(|at| self.contacts[*at].created < now - 30 * DAY && !spoke(*at, now - 30 * DAY, i64::MAX));
        truth.add("business_contacts_inactive", &[("days", "30")], silent.count() as f64);
        for window in windows(&["30d", "90d", "prev_30d", "prev_90d"], self.zone, now) {
            let (from, to) = (window.from - 30 * DAY, window.to - 30 * DAY);
            let is_lost = |at: &usize| {
                let created = self.contacts[*at].created;
                let was_there = (from..to).contains(&created) || (created < to && spoke(*at, from, to));
                was_there && !spoke(*at, to, window.to)
            };
            let lost = (0..times.len()).filter(is_lost).count();
            truth.add("business_window_contacts_lost", &[("window", window.name), ("reason", "inactive")], lost as f64);
            let deleted = self.chats.iter().filter(|chat| chat.deleted.is_some_and(|at| window.has(at))).count();
            truth.add(
                "business_window_contacts_lost",
                &[("window", window.name), ("reason", "deleted")],
                deleted as f64,
            );
        }
        for dataset in ["contacts", "campaigns", "custom_fields"] {
            let newest = self.syncs.iter().filter(|(name, _)| name.to_lowercase() == dataset).map(|(_, at)| *at).max();
            truth.add(
                "business_sync_last_success_timestamp_seconds",
                &[("dataset", dataset)],
                newest.expect("a run") as f64,
            );
        }
        let newest = self.snapshots.iter().map(|snapshot| snapshot.at).max().expect("a snapshot");
        truth.add("business_sync_last_success_timestamp_seconds", &[("dataset", "campaign_reports")], newest as f64);
    }

    /// The newest snapshot of each campaign, and whether it is one of the 50 newest campaigns.
    fn newest(&self) -> BTreeMap<usize, (&Snapshot, bool)> {
        let mut newest: BTreeMap<usize, (&Snapshot, i64)> = BTreeMap::new();
        for snapshot in &self.snapshots {
            let (last, began) = newest.entry(snapshot.campaign).or_insert((snapshot, snapshot.at));
            *began = snapshot.at.min(*began);
            if snapshot.at > last.at {
                *last = snapshot;
            }
        }
        let place = |campaign: usize, began: i64| {
            newest.iter().filter(|(other, (_, time))| (*time, **other) > (began, campaign)).count()
        };
        newest.iter().map(|(campaign, (last, began))| (*campaign, (*last, place(*campaign, *began) < 50))).collect()
    }

    fn campaigns_truth(&self, truth: &mut Truth, now: i64) {
        let long = windows(&["90d", "365d"], self.zone, now);
        for (snapshot, is_own) in self.newest().into_values() {
            let status = snapshot.status.map(str::to_lowercase);
            let campaign = ("campaign", if is_own { any(snapshot.name) } else { "other" });
            truth.add("business_campaigns", &[("status", any(status.as_deref()))], 1.0);
            for (stage, count) in STAGES.into_iter().zip(snapshot.counts) {
                truth.add("business_campaign_recipients", &[campaign, ("stage", stage)], count as f64);
            }
            let Some(scheduled) = snapshot.scheduled else { continue };
            if is_own {
                truth.max("business_campaign_scheduled_timestamp_seconds", &[campaign], scheduled as f64);
            }
            if status.as_deref() != Some("completed") {
                continue;
            }
            let (weekday, hour) = week_hour(scheduled, self.zone);
            for window in long.iter().filter(|window| window.has(scheduled)) {
                for (stage, count) in STAGES.into_iter().zip(snapshot.counts).take(4) {
                    let labels = [("window", window.name), ("weekday", &weekday), ("hour", &hour), ("stage", stage)];
                    truth.add("business_window_campaign_recipients_by_hour", &labels, count as f64);
                }
            }
        }
    }

    fn details_truth(&self, truth: &mut Truth, now: i64) {
        let newest = self.newest();
        for detail in &self.details {
            let (snapshot, is_own) = newest[&detail.campaign];
            let currency = detail.currency.map(str::to_uppercase);
            let campaign = ("campaign", if is_own { any(snapshot.name) } else { "other" });
            let labels = [campaign, ("currency", any(currency.as_deref()))];
            if let Some(cents) = detail.spend {
                truth.add("business_campaign_spend", &labels, cents as f64 / 100.0);
            }
            if let Some(cents) = detail.revenue {
                truth.add("business_campaign_revenue", &labels, cents as f64 / 100.0);
            }
            for (stage, count) in STAGES.into_iter().zip(snapshot.counts) {
                if let Some(test) = detail.test.filter(|test| !test.is_empty()) {
                    let labels = [("campaign", test), ("variant", any(detail.variant)), ("stage", stage)];
                    truth.add("business_campaign_variant_recipients", &labels, count as f64);
                }
                let Some(template) = detail.template.filter(|template| !template.is_empty()) else { continue };
                for window in windows(&["30d", "90d"], self.zone, now) {
                    if snapshot.scheduled.is_some_and(|at| window.has(at)) {
                        let labels = [("window", window.name), ("template", template), ("stage", stage)];
                        truth.add("business_window_template_recipients", &labels, count as f64);
                    }
                }
            }
        }
    }

    fn messages_truth(&self, truth: &mut Truth, now: i64) {
        const TYPES: [&str; 10] = [
            "text",
            "image",
            "video",
            "audio",
            "document",
            "sticker",
            "location",
            "template",
            "interactive",
            "unknown",
        ];
        const STATUSES: [&str; 7] = ["pending", "sent", "delivered", "read", "received", "failed", "unknown"];
        let all = windows(&["today", "24h", "7d", "30d", "prev_24h", "prev_7d", "prev_30d"], self.zone, now);
        for message in &self.messages {
            let lower = |word: Word| word.map(str::to_lowercase);
            let (flow, kind, status) = (lower(message.direction), lower(message.kind), lower(message.status));
            let direction = ("direction", listed(flow.as_deref(), &["inbound", "outbound", "unknown"], "unknown"));
            for window in all.iter().filter(|window| window.has(message.at)) {
                let labels = [("window", window.name), ("channel", "whatsapp"), direction];
                let with = |label| [labels[0], labels[1], labels[2], label];
                truth.add("business_window_messages", &with(("type", listed(kind.as_deref(), &TYPES, "unknown"))), 1.0);
                truth.add(
                    "business_window_messages_by_status",
                    &with(("status", listed(status.as_deref(), &STATUSES, "unknown"))),
                    1.0,
                );
                if let Some(length) = message.length {
                    truth.add("business_window_message_characters", &labels, length as f64);
                }
                if ["7d", "30d"].contains(&window.name) && direction.1 == "inbound" {
                    let (weekday, hour) = week_hour(message.at, self.zone);
                    let labels = [labels[0], ("activity", "message"), ("weekday", &weekday), ("hour", &hour)];
                    truth.add("business_window_activity_by_hour", &labels, 1.0);
                }
            }
        }
    }

    fn responses_truth(&self, truth: &mut Truth, now: i64) {
        let mut chats: BTreeMap<usize, Vec<(i64, bool)>> = BTreeMap::new();
        for message in &self.messages {
            if let Some(direction @ ("inbound" | "outbound")) = message.direction.map(str::to_lowercase).as_deref() {
                chats.entry(message.contact).or_default().push((message.at, direction == "inbound"));
            }
        }
        // Messages of the same time stay in the order of their ids.
        chats.values_mut().for_each(|chat| chat.sort_by_key(|(at, _)| *at));
        for window in windows(&["24h", "7d", "30d", "prev_24h", "prev_7d", "prev_30d"], self.zone, now) {
            let at = [("window", window.name), ("channel", "whatsapp")];
            for family in ["response_seconds", "responses"]
                .into_iter()
                .flat_map(|end| [format!("business_window_message_{end}"), format!("business_window_first_{end}")])
            {
                if family != "business_window_message_responses" {
                    truth.add(&family, &at, 0.0);
                }
            }
            truth.add("business_window_conversations", &at, 0.0);
            for within in ["1m", "5m", "30m", "1h", "longer"] {
                truth.add("business_window_message_responses", &[at[0], at[1], ("within", within)], 0.0);
            }
            for chat in chats.values() {
                let mut last: Option<(i64, bool)> = None;
                // The question that waits: since when, and whether it opened the conversation.
                let mut asked: Option<(i64, bool)> = None;
                for &(time, inbound) in
                    chat.iter().filter(|(time, _)| (window.from - 7 * DAY..window.to).contains(time))
                {
                    let begins = last.is_none_or(|(before, _)| time - before >= DAY);
                    let is_shown = time >= window.from;
                    if begins {
                        asked = None;
                        truth.add("business_window_conversations", &at, f64::from(u8::from(is_shown)));
                    }
                    if inbound {
                        asked = asked.or(Some((time, begins)));
                    } else if let Some((since, is_first)) = asked.take().filter(|_| is_shown) {
                        let waited = time - since;
                        let within = ["1m", "5m", "30m", "1h", "longer"]
                            [[60, 300, 1800, 3600].iter().filter(|most| **most < waited).count()];
                        truth.add("business_window_message_responses", &[at[0], at[1], ("within", within)], 1.0);
                        truth.add("business_window_message_response_seconds", &at, waited as f64);
                        if is_first {
                            truth.add("business_window_first_responses", &at, 1.0);
                            truth.add("business_window_first_response_seconds", &at, waited as f64);
                        }
                    }
                    last = Some((time, inbound));
                }
            }
        }
    }
}

/// Weekday (0 is Monday) and hour of the pack's zone.
fn week_hour(at: i64, zone: &str) -> (String, String) {
    let here = at + offset(zone, at);
    // 1970-01-01 was a Thursday.
    ((here.div_euclid(DAY) + 3).rem_euclid(7).to_string(), format!("{:02}", here.rem_euclid(DAY) / 3600))
}
