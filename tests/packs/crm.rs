//! Contacts, campaigns and messages of a CRM, made by chance; what /metrics has to show of them is in `truth`.

use super::world::{At, Cents, DAY, LASTS, Random, Rows, settled, zones};

#[path = "crm/truth.rs"]
mod truth;

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
