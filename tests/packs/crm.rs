//! Contacts, campaigns and messages of a CRM, and what /metrics has to show of them: worked out in plain loops.

use std::collections::BTreeMap;

use super::world::{At, Cents, DAY, LASTS, Random, Rows, Truth, any, listed, offset, settled, windows, zones};

pub struct Size {
    pub contacts: usize,
    pub messages: usize,
    pub campaigns: usize,
}

type Word = Option<&'static str>;

struct Contact {
    email: Word,
    name: Word,
    country: Word,
    created: i64,
    /// Custom fields; all missing: the column is NULL.
    source: Word,
    segment: Word,
    score: Word,
    health: Word,
    has_fields: bool,
}

struct Message {
    contact: usize,
    kind: Word,
    direction: Word,
    status: Word,
    length: Option<i64>,
    at: i64,
}

struct Chat {
    contact: usize,
    status: Word,
    operator: Word,
    deleted: Option<i64>,
}

struct Snapshot {
    campaign: usize,
    name: Word,
    status: Word,
    scheduled: Option<i64>,
    /// Total, delivered, read, replied, failed.
    counts: [i64; 5],
    at: i64,
}

struct Detail {
    campaign: usize,
    template: Word,
    test: Word,
    variant: Word,
    spend: Option<i64>,
    revenue: Option<i64>,
    currency: Word,
}

pub struct World {
    contacts: Vec<Contact>,
    /// By contact, in time.
    messages: Vec<Message>,
    chats: Vec<Chat>,
    snapshots: Vec<Snapshot>,
    details: Vec<Detail>,
    syncs: Vec<(&'static str, i64)>,
    /// Of days and hours.
    pub zone: &'static str,
}

const STAGES: [&str; 5] = ["total", "delivered", "read", "replied", "failed"];

pub const TABLES: [&str; 6] =
    ["crm_contacts", "crm_messages", "crm_chats", "crm_campaign_metrics", "crm_campaign_details", "crm_sync_runs"];

/// The rows of all tables.
pub fn generate(seed: u64, now: i64, size: &Size) -> World {
    let mut random = Random(seed);
    let mut world = World {
        contacts: Vec::new(),
        messages: Vec::new(),
        chats: Vec::new(),
        snapshots: Vec::new(),
        details: Vec::new(),
        syncs: Vec::new(),
        zone: zones(now)[3],
    };
    for at in 0..size.contacts {
        let contact = contact(&mut random, now, at);
        world.contacts.push(contact);
        if random.once_in(2) {
            let deleted = random.once_in(8).then(|| random.time(now));
            let status = random.word(&["open", "Open", "pending", "resolved", "", "NULL"]);
            let operator = random.word(&["blue", "red", "ghost", "", "NULL"]);
            world.chats.push(Chat { contact: at, status, operator, deleted });
        }
    }
    for at in 0..size.contacts {
        // Some never wrote.
        if at % 7 != 3 {
            world.talk(&mut random, now, at, size.messages / size.contacts);
        }
    }
    for at in 0..size.campaigns {
        world.campaign(&mut random, now, at);
    }
    for dataset in ["contacts", "Campaigns", "campaigns", "custom_fields", "nonsense"] {
        for hours in 1..5 {
            world.syncs.push((dataset, now - hours * 3600 - random.within(0, 600)));
        }
    }
    world
}

fn contact(random: &mut Random, now: i64, at: usize) -> Contact {
    Contact {
        email: random.word(&["ann@example.com", "", "  ", "NULL"]),
        name: random.word(&["Ann \"A\" O'Neil", "B\\C\tD", "", " ", "NULL"]),
        // Few live where four others do not.
        country: if at < 4 { Some("LI") } else { random.word(&["IN", "GB", "US", "971", "", "NULL"]) },
        created: random.time(now),
        source: random.word(&["website", "Website", "referral", "", "NULL"]),
        segment: if at < 3 {
            Some("founders")
        } else {
            random.word(&["gold", "VIP \u{e9}lite", "silver", "+44 20 7946 0018", "", "NULL"])
        },
        score: random.word(&["0", "9", "10", "89", "90", "100", "250", "abc", "7.5", "-3", "", "NULL"]),
        health: if at < 2 { Some("45") } else { random.word(&["0", "19", "20", "79", "80", "100", "good", "NULL"]) },
        has_fields: !random.once_in(10),
    }
}

impl World {
    /// Messages of one chat: questions, answers of all speeds, silence.
    fn talk(&mut self, random: &mut Random, now: i64, contact: usize, most: usize) {
        let mut at = random.time(now);
        for _ in 0..random.below(2 * most) + 1 {
            let pause = random.pick(&[
                5,
                30,
                60,
                61,
                240,
                300,
                301,
                1500,
                1800,
                1801,
                3500,
                3600,
                3601,
                20_000,
                DAY - 1,
                DAY,
                2 * DAY,
                9 * DAY,
                40 * DAY,
            ]);
            at += pause;
            if (at - now).rem_euclid(DAY) < LASTS {
                at += LASTS;
            }
            self.messages.push(Message {
                contact,
                kind: random.word(&["text", "Text", "image", "audio", "template", "poll", "", "NULL"]),
                direction: random
                    .word(&["inbound", "Inbound", "inbound", "outbound", "outbound", "OUTBOUND", "system", "NULL"]),
                status: random.word(&["sent", "delivered", "read", "Read", "failed", "queued", "", "NULL"]),
                length: (!random.once_in(6)).then(|| random.within(0, 900)),
                at,
            });
            // Two at the same time now and then.
            if random.once_in(30) {
                let direction = random.word(&["inbound", "outbound"]);
                self.messages.push(Message { contact, kind: None, direction, status: None, length: Some(1), at });
            }
        }
    }

    fn campaign(&mut self, random: &mut Random, now: i64, campaign: usize) {
        let name = random.word(&[
            "Welcome Series",
            "Product Launch",
            "Monthly Newsletter",
            "Re-engagement",
            "Spring \"26\"",
            "Summer",
            "Autumn",
            "",
            "NULL",
            "a name that tells a whole story",
        ]);
        let scheduled = (!random.once_in(4)).then(|| random.time(now));
        let first = settled(now - random.within(1, 200) * DAY / 2, now);
        let mut counts = [random.within(0, 9000), 0, 0, 0, 0];
        for step in 0..random.below(6) as i64 + 1 {
            counts = [
                counts[0],
                counts[1] + random.within(0, 900),
                counts[2] + random.within(0, 400),
                counts[3] + 7,
                counts[4] + random.within(0, 9),
            ];
            let status = random.word(&["active", "completed", "Completed", "completed", "draft", "", "NULL"]);
            self.snapshots.push(Snapshot { campaign, name, status, scheduled, counts, at: first + step * 300 });
        }
        if !campaign.is_multiple_of(3) {
            self.details.push(Detail {
                campaign,
                template: random.word(&["hello_v1", "hello_v2", "", "NULL"]),
                test: random.word(&["subject line", "NULL", "", "image"]),
                variant: random.word(&["A", "B", "NULL"]),
                spend: random.once_in(2).then(|| random.within(0, 500_000)),
                revenue: random.once_in(2).then(|| random.within(0, 900_000)),
                currency: random.word(&["EUR", "eur", "USD", "", "NULL"]),
            });
        }
    }

    /// The rows of a table, in the text format that COPY and LOAD DATA share.
    pub fn copy(&self, table: &str) -> String {
        let mut out = Rows::default();
        let chat = |at: usize| format!("c{at:06}");
        let campaign = |at: usize| format!("k{at:04}");
        match table {
            "crm_contacts" => {
                for (at, row) in self.contacts.iter().enumerate() {
                    let Contact { email, name, country, created, .. } = row;
                    let (number, created) = (format!("+44770090{at:04}"), At(*created));
                    out.row(&[&chat(at), &number, email, name, country, &created, &created, &row.fields()]);
                }
            }
            "crm_messages" => {
                for (at, row) in self.messages.iter().enumerate() {
                    let Message { kind, direction, status, length, .. } = row;
                    out.row(&[&format!("m{at:08}"), &chat(row.contact), kind, direction, status, length, &At(row.at)]);
                }
            }
            "crm_chats" => {
                for row in &self.chats {
                    out.row(&[&chat(row.contact), &row.status, &row.operator, &row.deleted.map(At)]);
                }
            }
            "crm_campaign_metrics" => {
                for row in &self.snapshots {
                    let [total, delivered, read, replied, failed] = &row.counts;
                    let Snapshot { name, status, scheduled, at, .. } = row;
                    let (id, scheduled) = (campaign(row.campaign), scheduled.map(At));
                    out.row(&[&id, name, status, &scheduled, total, delivered, read, replied, failed, &At(*at)]);
                }
            }
            "crm_campaign_details" => {
                for row in &self.details {
                    let Detail { template, test, variant, spend, revenue, currency, .. } = row;
                    let (spend, revenue) = (spend.map(Cents), revenue.map(Cents));
                    out.row(&[&campaign(row.campaign), template, test, variant, &spend, &revenue, currency]);
                }
            }
            "crm_sync_runs" => {
                for (dataset, at) in &self.syncs {
                    out.row(&[dataset, &At(*at)]);
                }
            }
            other => panic!("no table {other}"),
        }
        out.0
    }

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

impl Contact {
    /// The custom fields as JSON; a score is a number or a text.
    fn fields(&self) -> Option<String> {
        let quoted = |word: &str| format!("\"{}\"", word.replace('\\', "\\\\").replace('"', "\\\""));
        let all = [
            ("source", self.source),
            ("segment", self.segment),
            ("lead_score", self.score),
            ("health_score", self.health),
        ];
        let shown: Vec<String> =
            all.into_iter().filter_map(|(name, word)| Some(format!("\"{name}\": {}", quoted(word?)))).collect();
        self.has_fields.then(|| format!("{{{}}}", shown.join(", ")))
    }
}

/// Weekday (0 is Monday) and hour of the pack's zone.
fn week_hour(at: i64, zone: &str) -> (String, String) {
    let here = at + offset(zone, at);
    // 1970-01-01 was a Thursday.
    ((here.div_euclid(DAY) + 3).rem_euclid(7).to_string(), format!("{:02}", here.rem_euclid(DAY) / 3600))
}
