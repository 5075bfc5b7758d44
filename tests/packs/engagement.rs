//! An engagement platform whose numbers are known: its tables, and every series that they must become.

use std::collections::{BTreeMap, BTreeSet};

use crate::ground::{DAY, Dice, Times, Truth, Zone, closed, row, settled, stamp};

pub struct Size {
    pub users: i64,
    pub sessions: i64,
    pub chats: i64,
}

/// The funnels as the pack ships them: what a step is, and the path with which it begins.
type Step = (&'static str, &'static str, &'static str);
const FUNNELS: [(&str, &[Step]); 3] = [
    (
        "mri",
        &[
            ("landing", "page_view", "=/mri"),
            ("slots", "page_view", "/mri/slots"),
            ("details", "page_view", "=/mri/details"),
            ("booked", "session.converted", ""),
        ],
    ),
    (
        "tot",
        &[
            ("landing", "page_view", "=/tot"),
            ("details", "page_view", "=/tot/details"),
            ("booked", "session.converted", ""),
        ],
    ),
    (
        "nil",
        &[
            ("landing", "page_view", "=/nil"),
            ("details", "page_view", "=/nil/details"),
            ("booked", "session.converted", ""),
        ],
    ),
];
const CHANNELS: [&str; 2] = ["web", "whatsapp"];
const PRESENCE: [&str; 4] = ["online", "busy", "away", "offline"];
/// Who may be shown, and as whom.
pub const ALIASES: [(&str, &str); 2] = [("a-7", "desk-one"), ("a-8", "desk-two")];

struct Event {
    name: &'static str,
    channel: Option<&'static str>,
    time: i64,
    user: Option<i64>,
    session: Option<String>,
    path: Option<&'static str>,
}

struct Conversation {
    channel: Option<&'static str>,
    status: &'static str,
    agent: Option<&'static str>,
}

pub struct World {
    pub zone: Zone,
    users: Vec<i64>,
    events: Vec<Event>,
    conversations: Vec<Conversation>,
    agents: Vec<Option<&'static str>>,
}

pub fn generate(seed: u64, now: i64, size: &Size) -> World {
    let mut dice = Dice::new(seed);
    let zone = Zone::quiet(now);
    let users = (0..size.users).map(|_| settled(now, now - dice.below(120 * DAY))).collect();
    let mut world = World { zone, users, events: Vec::new(), conversations: Vec::new(), agents: Vec::new() };
    let mut times = Times::new(now);
    // The edges of a day, once each.
    let edges = [zone.midnight(now), zone.midnight(now) - 1];
    for n in 0..size.sessions {
        let edge = edges.get(n as usize).copied().filter(|edge| *edge < now - 600);
        let begun = edge.unwrap_or_else(|| past(&mut dice, now));
        let user = dice.percent(60).then(|| dice.below(size.users));
        world.visit(&mut dice, &mut times, n, begun, user);
    }
    for n in 0..size.chats {
        let begun = past(&mut dice, now);
        world.chat(&mut dice, &mut times, n, begun, writer(n, size.users));
    }
    for _ in 0..size.chats / 10 {
        world.conversations.push(Conversation {
            channel: dice.pick(&[Some("whatsapp"), Some("whatsapp"), Some("web"), Some("fax"), None]),
            status: dice.pick(&["open", "queued", "resolved", "resolved"]),
            agent: dice.pick(&[Some("a-7"), Some("a-8"), Some("a-9"), None]),
        });
    }
    world.agents =
        (0..40).map(|_| dice.pick(&[Some("online"), Some("busy"), Some("asleep"), Some("offline"), None])).collect();
    world
}

/// A beginning of the past, more of them near; what begins then has ended by now.
fn past(dice: &mut Dice, now: i64) -> i64 {
    let reach = if dice.percent(30) { DAY } else { 70 * DAY };
    now - 600 - dice.below(reach)
}

fn writer(n: i64, users: i64) -> Option<i64> {
    (n % 7 != 0).then_some(n % users)
}

impl World {
    /// A walk over pages, in the order of a funnel or not.
    fn visit(&mut self, dice: &mut Dice, times: &mut Times, n: i64, begun: i64, user: Option<i64>) {
        let pages = [
            "/",
            "/mri",
            "/mri/slots",
            "/mri/slots/tuesday",
            "/mri/details",
            "/tot",
            "/tot/details",
            "/nil",
            "/nil/details",
            "/mri/detailsX",
        ];
        let session = Some(format!("web-{n}"));
        let mut time = times.take(begun);
        let mut add = |name, time, path: Option<&'static str>, session: Option<String>| {
            self.events.push(Event { name, channel: Some("web"), time, user, session, path });
        };
        add("session.start", time, None, session.clone());
        let ordered = ["/mri", "/mri/slots", "/mri/details"];
        let steps = if dice.percent(50) { 3 } else { dice.below(6) };
        for step in 0..steps {
            time = times.take(time + 2 + dice.below(40));
            let path = if steps == 3 && dice.percent(80) { ordered[step as usize] } else { dice.pick(&pages) };
            // Some views lost their session on the way.
            add("page_view", time, Some(path), session.clone().filter(|_| step % 5 != 4));
        }
        if dice.percent(40) {
            time = times.take(time + 2 + dice.below(40));
            add("session.converted", time, None, session);
        }
    }

    fn chat(&mut self, dice: &mut Dice, times: &mut Times, n: i64, begun: i64, user: Option<i64>) {
        let session = Some(format!("wa-{n}"));
        let mut time = times.take(begun);
        for turn in 0..1 + dice.below(5) {
            let name = if turn % 2 == 0 { "message.received" } else { "message.sent" };
            let channel =
                if dice.percent(97) { Some("whatsapp") } else { dice.pick(&[Some("carrier pigeon"), Some(""), None]) };
            self.events.push(Event { name, channel, time, user, session: session.clone(), path: None });
            time = times.take(time + 2 + dice.below(40));
        }
    }

    /// The rows of a table in COPY's text format.
    pub fn copy(&self, table: &str) -> String {
        let number = |number: i64| Some(number.to_string());
        let time = |time: i64| Some(stamp(time));
        let text = |text: Option<&str>| text.map(str::to_owned);
        let each = 0_i64..;
        match table {
            "users" => each.zip(&self.users).map(|(id, seen)| row(&[number(id), time(*seen), None])).collect(),
            "events" => each
                .zip(&self.events)
                .map(|(id, e)| {
                    let properties = e.path.map_or_else(|| "{}".to_owned(), |path| format!("{{\"path\": \"{path}\"}}"));
                    row(&[
                        number(id),
                        text(Some(e.name)),
                        text(e.channel),
                        time(e.time),
                        e.user.and_then(number),
                        e.session.clone(),
                        Some(properties),
                    ])
                })
                .collect(),
            "conversations" => each
                .zip(&self.conversations)
                .map(|(id, c)| row(&[number(id), text(c.channel), text(Some(c.status)), text(c.agent)]))
                .collect(),
            "agents" => each.zip(&self.agents).map(|(id, presence)| row(&[number(id), text(*presence)])).collect(),
            _ => panic!("no table {table}"),
        }
    }

    /// What /metrics must show, from the generated things themselves.
    pub fn truth(&self, now: i64) -> BTreeMap<String, f64> {
        let mut truth = Truth::of("engagement");
        for window in ["today", "24h", "7d", "prev_7d", "30d", "prev_30d"] {
            self.truth_of_users(&mut truth, window, now);
        }
        for window in ["today", "24h", "prev_24h", "7d", "prev_7d", "30d", "prev_30d"] {
            let period = self.zone.window(window, now);
            let new = self.users.iter().filter(|seen| period.contains(seen)).count();
            truth.set("business_window_new_users", &[("window", window)], new as f64);
        }
        for window in ["24h", "7d", "prev_7d", "30d", "prev_30d"] {
            self.truth_of_funnels(&mut truth, window, now);
        }
        let period = self.zone.window("30d", now);
        for event in self.events.iter().filter(|event| period.contains(&event.time)) {
            let activity = match event.name {
                "session.start" => "session",
                "message.received" | "message.sent" => "message",
                _ => continue,
            };
            let (weekday, hour) = self.zone.weekday_and_hour(event.time);
            let labels = [("window", "30d"), ("activity", activity), ("weekday", &weekday), ("hour", &hour)];
            truth.add("business_window_activity_by_hour", &labels, 1.0);
        }
        self.truth_of_state(&mut truth);
        truth.series
    }

    fn truth_of_users(&self, truth: &mut Truth, window: &str, now: i64) {
        let period = self.zone.window(window, now);
        // Channels that share a name are counted each: a user of two unlisted channels is twice in other.
        let mut users: BTreeMap<Option<&str>, BTreeSet<i64>> = BTreeMap::new();
        for event in self.events.iter().filter(|event| period.contains(&event.time)) {
            let known = users.entry(event.channel).or_default();
            known.extend(event.user);
        }
        for (channel, users) in users {
            let channel = closed(channel, &CHANNELS);
            truth.add("business_window_users", &[("window", window), ("channel", channel)], users.len() as f64);
        }
        truth.zeros("business_window_users", &[("window", window)], &[("channel", &CHANNELS)]);
    }

    fn truth_of_funnels(&self, truth: &mut Truth, window: &str, now: i64) {
        let period = self.zone.window(window, now);
        let mut visits: BTreeMap<&str, Vec<&Event>> = BTreeMap::new();
        for event in self.events.iter().filter(|event| period.contains(&event.time)) {
            if let Some(session) = &event.session {
                visits.entry(session).or_default().push(event);
            }
        }
        for (journey, steps) in FUNNELS {
            let mut reached = vec![0_u32; steps.len()];
            for events in visits.values_mut() {
                events.sort_by_key(|event| event.time);
                let mut at = 0;
                for event in events.iter() {
                    let Some((_, name, path)) = steps.get(at) else { break };
                    let here = event.path.unwrap_or("");
                    let fits = match path.strip_prefix('=') {
                        Some(path) => here == path,
                        None => here.starts_with(path),
                    };
                    if event.name == *name && fits {
                        reached[at] += 1;
                        at += 1;
                    }
                }
            }
            for ((step, _, _), sessions) in steps.iter().zip(reached) {
                let labels = [("window", window), ("journey", journey), ("step", *step)];
                truth.set("business_window_funnel_sessions", &labels, f64::from(sessions));
            }
        }
    }

    fn truth_of_state(&self, truth: &mut Truth) {
        for conversation in &self.conversations {
            let channel = [("channel", closed(conversation.channel, &CHANNELS))];
            match conversation.status {
                // A channel with chats of one kind has none of the other.
                "open" | "queued" => {
                    truth.add("business_chats_open", &channel, f64::from(u8::from(conversation.status == "open")));
                    truth.add("business_chats_queued", &channel, f64::from(u8::from(conversation.status == "queued")));
                }
                _ => {}
            }
            let alias = ALIASES.iter().find(|(agent, _)| conversation.agent == Some(agent));
            if let (Some((_, alias)), "open") = (alias, conversation.status) {
                truth.add("business_agent_chats_assigned", &[("agent", alias)], 1.0);
            }
        }
        truth.zeros("business_chats_open", &[], &[("channel", &CHANNELS)]);
        truth.zeros("business_chats_queued", &[], &[("channel", &CHANNELS)]);
        for presence in &self.agents {
            truth.add("business_agents", &[("status", closed(*presence, &PRESENCE))], 1.0);
        }
        truth.zeros("business_agents", &[], &[("status", &PRESENCE)]);
    }
}
