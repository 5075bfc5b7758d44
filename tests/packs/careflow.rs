//! A CareFlow whose numbers are known: its tables, and every series that they must become.

use std::collections::{BTreeMap, BTreeSet};

use crate::ground::{DAY, Dice, SLACK, SMALL, Times, Truth, Zone, closed, row, stamp};

pub struct Size {
    pub users: i64,
    pub sessions: i64,
    pub calls: i64,
}

const STATUSES: [&str; 7] =
    ["completed", "no_answer", "busy", "network_failure", "server_failure", "blocked", "voicemail"];
const DIRECTIONS: [&str; 5] = ["internal", "inbound_pstn", "outbound_pstn", "inbound_mobile", "outbound_mobile"];
const LENGTHS: [&str; 3] = ["under_1m", "1m_to_30m", "over_30m"];
const FEATURES: [&str; 8] = [
    "dial_pad",
    "contact_list",
    "call_history",
    "recording_play",
    "voicemail",
    "settings",
    "notification_response",
    "conference",
];
const BANDS: [&str; 5] = ["0-19", "20-39", "40-59", "60-79", "80+"];
const CHANGES: [&str; 3] = ["trial_started", "converted", "churned"];

struct User {
    created: i64,
    deleted: Option<i64>,
    locked: Option<i64>,
    zone: Option<&'static str>,
    language: Option<&'static str>,
}

struct Session {
    user: Option<i64>,
    started: i64,
    ended: Option<i64>,
    country: Option<&'static str>,
    city: Option<String>,
    device: Option<&'static str>,
    os: Option<&'static str>,
    browser: Option<&'static str>,
    version: Option<&'static str>,
    method: Option<&'static str>,
}

struct Call {
    started: i64,
    answered: Option<i64>,
    seconds: Option<i64>,
    status: Option<&'static str>,
    direction: Option<&'static str>,
    caller: Option<i64>,
    callee: Option<i64>,
    caller_zone: Option<&'static str>,
    callee_zone: Option<&'static str>,
}

/// Something that has a kind, and an amount in the smallest part that its column keeps.
struct Amount {
    time: i64,
    kind: Option<&'static str>,
    class: Option<&'static str>,
    amount: i64,
    currency: &'static str,
}

struct Subscription {
    trial: Option<i64>,
    paid: Option<i64>,
    ended: Option<i64>,
    monthly: i64,
    currency: &'static str,
}

struct Recording {
    created: i64,
    deleted: Option<i64>,
    bytes: i64,
    original: Option<i64>,
    seconds: Option<i64>,
}

pub struct World {
    now: i64,
    pub zone: Zone,
    users: Vec<User>,
    sessions: Vec<Session>,
    calls: Vec<Call>,
    features: Vec<(i64, &'static str, i64)>,
    ratings: Vec<(i64, i64, i64)>,
    costs: Vec<Amount>,
    accounts: Vec<(Option<i64>, Option<i64>, &'static str)>,
    charges: Vec<Amount>,
    payments: Vec<Amount>,
    subscriptions: Vec<Subscription>,
    recordings: Vec<Recording>,
    plays: Vec<(Option<i64>, i64)>,
    blocked: Vec<Option<i64>>,
    consents: Vec<(&'static str, Option<&'static str>)>,
    requests: Vec<(Option<&'static str>, i64, Option<i64>)>,
}

pub fn generate(seed: u64, now: i64, size: &Size) -> World {
    let mut dice = Dice::new(seed);
    let zone = Zone::quiet(now);
    let mut world = World {
        now,
        zone,
        users: (0..size.users).map(|n| user(&mut dice, now, n)).collect(),
        sessions: Vec::new(),
        calls: Vec::new(),
        features: Vec::new(),
        ratings: Vec::new(),
        costs: Vec::new(),
        accounts: Vec::new(),
        charges: Vec::new(),
        payments: Vec::new(),
        subscriptions: Vec::new(),
        recordings: Vec::new(),
        plays: Vec::new(),
        blocked: Vec::new(),
        consents: Vec::new(),
        requests: Vec::new(),
    };
    world.use_it(&mut dice, size);
    world.pay_for_it(&mut dice, size);
    world.keep_it(&mut dice, size);
    world
}

/// A time of the past, more of them near.
fn past(dice: &mut Dice, times: &mut Times, now: i64, days: i64) -> i64 {
    let reach = if dice.percent(30) { DAY } else { days * DAY };
    times.take(now - dice.below(reach))
}

fn user(dice: &mut Dice, now: i64, n: i64) -> User {
    let created = crate::ground::settled(now, now - dice.below(1_000 * DAY));
    User {
        created,
        deleted: dice.percent(3).then(|| created + dice.below(now - created + 1)),
        locked: match dice.below(40) {
            0 => Some(now + SLACK + dice.below(DAY)),
            1 => Some(now - dice.below(DAY)),
            _ => None,
        },
        // Three people of Malta, whom nobody may recognise.
        zone: match n {
            7..10 => Some("Europe/Malta"),
            _ => dice.pick(&[Some("Europe/London"), Some("Europe/Berlin"), Some("America/New_York"), Some(""), None]),
        },
        language: match n {
            7..10 => Some("mt"),
            _ => dice.pick(&[Some("en"), Some("de"), Some("fr"), Some("es"), None]),
        },
    }
}

impl World {
    fn use_it(&mut self, dice: &mut Dice, size: &Size) {
        let (now, zone) = (self.now, self.zone);
        let mut times = Times::new(now);
        let fixed = [
            zone.midnight(now),
            zone.midnight(now) - 1,
            zone.week(now),
            zone.week(now) - 1,
            zone.month(now),
            zone.month(now) - 1,
        ];
        for n in 0..size.sessions {
            // Each edge of a day, a week and a month once; a fourth of the users was not there for seven days.
            let user = (!dice.percent(5)).then(|| dice.below(size.users));
            let started = match fixed.get(n as usize) {
                Some(edge) => times.take(*edge),
                None if user.is_some_and(|user| user % 4 == 0) => times.take(now - 8 * DAY - dice.below(170 * DAY)),
                None => past(dice, &mut times, now, 200),
            };
            self.sessions.push(session(dice, user, started));
        }
        let mut times = Times::new(now);
        for n in 0..size.calls {
            let days = if dice.percent(2) { 800 } else { 70 };
            let started = match fixed.get(n as usize) {
                Some(edge) => times.take(*edge),
                None => past(dice, &mut times, now, days),
            };
            self.calls.push(call(dice, started, size.users));
        }
        let mut times = Times::new(now);
        for _ in 0..size.users * 3 {
            let user = dice.below(size.users);
            let feature = if dice.percent(3) { "karaoke" } else { dice.pick(&FEATURES[..7]) };
            self.features.push((user, feature, past(dice, &mut times, now, 40)));
        }
        // Four users have tried conferences: too few to be shown.
        for user in 0..4 {
            self.features.push((user, FEATURES[7], times.take(now - 3_000 - user * 60)));
        }
        for _ in 0..size.users / 5 {
            self.ratings.push((dice.below(size.users), 1 + dice.below(5), past(dice, &mut times, now, 60)));
        }
    }

    fn pay_for_it(&mut self, dice: &mut Dice, size: &Size) {
        let now = self.now;
        let mut times = Times::new(now);
        let classes = [
            Some("inbound_pstn"),
            Some("outbound_pstn"),
            Some("mobile"),
            Some("toll_free"),
            Some("international"),
            Some("premium"),
            Some("satellite"),
            None,
        ];
        let categories = [
            Some("pstn"),
            Some("pstn"),
            Some("sms"),
            Some("api"),
            Some("storage"),
            Some("bandwidth"),
            Some("coffee"),
            None,
        ];
        let currencies = ["USD", "USD", "EUR"];
        for _ in 0..size.users {
            let kind = dice.pick(&categories);
            let class = if kind == Some("pstn") { dice.pick(&classes) } else { None };
            let time = past(dice, &mut times, now, 500);
            self.costs.push(Amount {
                time,
                kind,
                class,
                amount: dice.below(900_000),
                currency: dice.pick(&currencies),
            });
        }
        for _ in 0..size.users {
            let credit = (!dice.percent(5)).then(|| dice.below(10_000));
            let outstanding = (!dice.percent(5)).then(|| dice.below(5_000));
            self.accounts.push((credit, outstanding, dice.pick(&currencies)));
            let kind =
                dice.pick(&[Some("usage"), Some("subscription"), Some("one_time"), Some("refund"), Some("gift"), None]);
            let time = past(dice, &mut times, now, 500);
            self.charges.push(Amount {
                time,
                kind,
                class: None,
                amount: dice.below(20_000),
                currency: dice.pick(&currencies),
            });
            let kind = dice.pick(&[Some("recurring"), Some("recurring"), Some("one_time"), None]);
            let time = past(dice, &mut times, now, 800);
            self.payments.push(Amount {
                time,
                kind,
                class: None,
                amount: dice.below(20_000),
                currency: dice.pick(&currencies),
            });
            let begun = past(dice, &mut times, now, 300);
            let mut later = |dice: &mut Dice, chance, from: i64| {
                dice.percent(chance).then(|| times.take(from + dice.below((now - SLACK - from).max(1))))
            };
            let trial = dice.percent(80).then_some(begun);
            let paid = later(dice, 60, begun);
            let ended = later(dice, 30, paid.unwrap_or(begun));
            self.subscriptions.push(Subscription {
                trial,
                paid,
                ended,
                monthly: dice.below(9_000),
                currency: dice.pick(&currencies),
            });
        }
    }

    fn keep_it(&mut self, dice: &mut Dice, size: &Size) {
        let now = self.now;
        let mut times = Times::new(now);
        for _ in 0..size.calls / 4 {
            let created = past(dice, &mut times, now, 500);
            let bytes = 10_000 + dice.below(5_000_000);
            self.recordings.push(Recording {
                created,
                deleted: dice.percent(20).then_some(now),
                bytes,
                original: (!dice.percent(10)).then(|| bytes * 8),
                seconds: (!dice.percent(5)).then(|| dice.below(3_600)),
            });
            self.plays.push(((!dice.percent(5)).then(|| dice.below(size.users)), past(dice, &mut times, now, 60)));
        }
        for n in 0..60 {
            self.blocked.push(match n % 3 {
                0 => None,
                1 => Some(now + SLACK + dice.below(DAY)),
                _ => Some(now - dice.below(DAY)),
            });
        }
        for _ in 0..size.users {
            let kind = dice.pick(&["recording", "marketing", "analytics", "data_processing", "horoscope"]);
            self.consents.push((kind, dice.pick(&[Some("granted"), Some("granted"), Some("denied"), None])));
        }
        // Four withdrew: too few to be shown.
        self.consents.extend([("marketing", Some("withdrawn")); 4]);
        for _ in 0..50 {
            let asked = past(dice, &mut times, now, 90);
            let kind = dice.pick(&[Some("deletion"), Some("deletion"), Some("rectification"), None]);
            self.requests.push((kind, asked, dice.percent(60).then(|| asked + dice.below(now - asked + 1))));
        }
    }

    /// The rows of a table in COPY's text format.
    pub fn copy(&self, table: &str) -> String {
        let number = |number: i64| Some(number.to_string());
        let time = |time: i64| Some(stamp(time));
        let text = |text: Option<&str>| text.map(str::to_owned);
        let money = |amount: i64, digits: u32| {
            let unit = 10_i64.pow(digits);
            Some(format!("{}.{:0width$}", amount / unit, amount % unit, width = digits as usize))
        };
        let each = 0_i64..;
        match table {
            "users" => each
                .zip(&self.users)
                .map(|(id, u)| {
                    row(&[
                        number(id),
                        time(u.created),
                        u.deleted.and_then(time),
                        u.locked.and_then(time),
                        text(u.zone),
                        text(u.language),
                    ])
                })
                .collect(),
            "sessions" => each
                .zip(&self.sessions)
                .map(|(id, s)| {
                    row(&[
                        number(id),
                        s.user.and_then(number),
                        time(s.started),
                        s.ended.and_then(time),
                        text(s.country),
                        s.city.clone(),
                        text(s.device),
                        text(s.os),
                        text(s.browser),
                        text(s.version),
                        text(s.method),
                    ])
                })
                .collect(),
            "calls" => each
                .zip(&self.calls)
                .map(|(id, c)| {
                    row(&[
                        number(id),
                        time(c.started),
                        c.answered.and_then(time),
                        c.seconds.and_then(number),
                        text(c.status),
                        text(c.direction),
                        c.caller.and_then(number),
                        c.callee.and_then(number),
                        text(c.caller_zone),
                        text(c.callee_zone),
                    ])
                })
                .collect(),
            "feature_uses" => {
                self.features.iter().map(|(u, f, t)| row(&[number(*u), text(Some(f)), time(*t)])).collect()
            }
            "ratings" => self.ratings.iter().map(|(u, s, t)| row(&[number(*u), number(*s), time(*t)])).collect(),
            "costs" => self
                .costs
                .iter()
                .map(|c| row(&[text(c.kind), text(c.class), money(c.amount, 4), text(Some(c.currency)), time(c.time)]))
                .collect(),
            "billing_accounts" => each
                .zip(&self.accounts)
                .map(|(id, (credit, outstanding, currency))| {
                    let cents = |amount: &Option<i64>| amount.and_then(|amount| money(amount, 2));
                    row(&[number(id), cents(credit), cents(outstanding), text(Some(currency))])
                })
                .collect(),
            "charges" | "payments" => each
                .zip(if table == "charges" { &self.charges } else { &self.payments })
                .map(|(id, p)| {
                    row(&[number(id), text(p.kind), money(p.amount, 2), text(Some(p.currency)), time(p.time)])
                })
                .collect(),
            "subscriptions" => each
                .zip(&self.subscriptions)
                .map(|(id, s)| {
                    let when = [s.trial, s.paid, s.ended].map(|at| at.and_then(time));
                    let [trial, paid, ended] = when;
                    row(&[number(id), trial, paid, ended, money(s.monthly, 2), text(Some(s.currency))])
                })
                .collect(),
            "recordings" => each
                .zip(&self.recordings)
                .map(|(id, r)| {
                    let deleted = r.deleted.and_then(time);
                    row(&[
                        number(id),
                        time(r.created),
                        deleted,
                        number(r.bytes),
                        r.original.and_then(number),
                        r.seconds.and_then(number),
                    ])
                })
                .collect(),
            "recording_plays" => {
                each.zip(&self.plays).map(|(id, (u, t))| row(&[number(id), u.and_then(number), time(*t)])).collect()
            }
            "blocked_addresses" => each
                .zip(&self.blocked)
                .map(|(id, until)| row(&[Some(format!("192.0.2.{id}")), until.and_then(time)]))
                .collect(),
            "consents" => each
                .zip(&self.consents)
                .map(|(id, (kind, state))| row(&[number(id), text(Some(kind)), text(*state)]))
                .collect(),
            "privacy_requests" => each
                .zip(&self.requests)
                .map(|(id, (kind, asked, done))| row(&[number(id), text(*kind), time(*asked), done.and_then(time)]))
                .collect(),
            _ => panic!("no table {table}"),
        }
    }

    /// What /metrics must show, from the generated things themselves.
    pub fn truth(&self, now: i64) -> BTreeMap<String, f64> {
        let mut truth = Truth::of("careflow");
        for window in ["today", "yesterday", "24h", "prev_24h", "7d", "prev_7d", "30d", "prev_30d", "90d", "365d"] {
            self.truth_of_calls(&mut truth, window, now);
        }
        for window in ["today", "24h", "7d", "30d"] {
            self.truth_of_lengths(&mut truth, window, now);
        }
        for window in ["7d", "30d"] {
            self.truth_of_parties(&mut truth, window, now);
            self.truth_of_demographics(&mut truth, window, now);
            self.truth_of_features(&mut truth, window, now);
        }
        for window in ["24h", "7d", "30d"] {
            let period = self.zone.window(window, now);
            let apart = |call: &&Call| {
                let known = |zone: Option<&'static str>| zone.filter(|zone| !zone.is_empty());
                matches!((known(call.caller_zone), known(call.callee_zone)), (Some(one), Some(other)) if one != other)
            };
            let calls = self.calls.iter().filter(|call| period.contains(&call.started)).filter(apart).count();
            truth.set("business_window_cross_timezone_calls", &[("window", window)], calls as f64);
            let listeners: BTreeSet<i64> =
                self.plays.iter().filter(|play| period.contains(&play.1)).filter_map(|play| play.0).collect();
            truth.set("business_window_recording_listeners", &[("window", window)], listeners.len() as f64);
        }
        for window in ["24h", "prev_24h", "7d", "prev_7d", "30d", "prev_30d", "90d", "prev_90d"] {
            self.truth_of_users(&mut truth, window, now);
        }
        self.truth_of_health(&mut truth, now);
        self.truth_of_money(&mut truth, now);
        self.truth_of_state(&mut truth, now);
        truth.series
    }

    fn truth_of_calls(&self, truth: &mut Truth, window: &str, now: i64) {
        let period = self.zone.window(window, now);
        for call in self.calls.iter().filter(|call| period.contains(&call.started)) {
            let outcome = ("outcome", closed(call.status, &STATUSES));
            let direction = ("direction", closed(call.direction, &DIRECTIONS));
            // A call of no seconds has no talk: the pack's mapping of its column says so.
            let seconds = call.seconds.filter(|seconds| *seconds != 0);
            let window = ("window", window);
            truth.add("business_window_calls", &[window, outcome, direction], 1.0);
            truth.add("business_window_timed_calls", &[window, outcome], f64::from(u8::from(seconds.is_some())));
            truth.add("business_window_call_talk_seconds", &[window, outcome], seconds.unwrap_or(0) as f64);
            let length = match seconds {
                None => continue,
                Some(0..60) => LENGTHS[0],
                Some(1_801..) => LENGTHS[2],
                Some(_) => LENGTHS[1],
            };
            truth.add("business_window_calls_by_length", &[window, ("length", length)], 1.0);
        }
        let window = [("window", window)];
        truth.zeros("business_window_calls", &window, &[("outcome", &STATUSES), ("direction", &DIRECTIONS)]);
        truth.zeros("business_window_timed_calls", &window, &[("outcome", &STATUSES)]);
        truth.zeros("business_window_call_talk_seconds", &window, &[("outcome", &STATUSES)]);
        truth.zeros("business_window_calls_by_length", &window, &[("length", &LENGTHS)]);
    }

    fn truth_of_lengths(&self, truth: &mut Truth, window: &str, now: i64) {
        let period = self.zone.window(window, now);
        let calls = self.calls.iter().filter(|call| period.contains(&call.started));
        let mut lengths: Vec<i64> = calls.filter_map(|call| call.seconds).filter(|seconds| *seconds != 0).collect();
        lengths.sort_unstable();
        let Some(last) = lengths.len().checked_sub(1) else { return };
        let median = (lengths[last / 2] + lengths[last.div_ceil(2)]) as f64 / 2.0;
        let window = [("window", window)];
        truth.set("business_window_call_duration_median_seconds", &window, median);
        truth.set("business_window_call_duration_max_seconds", &window, lengths[last] as f64);
        truth.set("business_window_call_duration_min_seconds", &window, lengths[0] as f64);
    }

    fn truth_of_parties(&self, truth: &mut Truth, window: &str, now: i64) {
        let period = self.zone.window(window, now);
        let calls: Vec<&Call> = self.calls.iter().filter(|call| period.contains(&call.started)).collect();
        let mut parties: BTreeMap<&str, BTreeMap<(i64, i64), i64>> = BTreeMap::new();
        for call in &calls {
            let mut count = |role, party| *parties.entry(role).or_default().entry(party).or_default() += 1;
            if let Some(caller) = call.caller {
                count("caller", (caller, 0));
            }
            if let Some(callee) = call.callee {
                count("callee", (callee, 0));
            }
            if let (Some(one), Some(other)) = (call.caller, call.callee) {
                count("pair", (one.min(other), one.max(other)));
            }
        }
        for (role, parties) in parties.iter().filter(|(_, parties)| parties.len() as i64 >= SMALL) {
            let mut counts: Vec<i64> = parties.values().copied().collect();
            counts.sort_unstable_by(|one, other| other.cmp(one));
            for k in [10, 100] {
                let busiest: i64 = counts.iter().take(k).sum();
                let labels = [("window", window), ("role", role), ("k", &k.to_string())];
                truth.set("business_window_top_party_share_ratio", &labels, busiest as f64 / calls.len() as f64);
            }
            if *role == "pair" {
                truth.set("business_window_call_pairs", &[("window", window)], counts.len() as f64);
            }
        }
    }

    fn truth_of_demographics(&self, truth: &mut Truth, window: &str, now: i64) {
        let period = self.zone.window(window, now);
        let mut latest: BTreeMap<i64, &Session> = BTreeMap::new();
        for session in self.sessions.iter().filter(|session| period.contains(&session.started)) {
            let Some(user) = session.user else { continue };
            let known = latest.entry(user).or_insert(session);
            if session.started > known.started {
                *known = session;
            }
        }
        let parts = |version: &str| -> Option<Vec<i64>> {
            let parts: Option<Vec<i64>> = version.split('.').map(|part| part.parse().ok()).collect();
            parts.filter(|parts| parts.len() <= 3)
        };
        let mut versions: Vec<Vec<i64>> = latest.values().filter_map(|session| parts(session.version?)).collect();
        versions.sort_unstable_by(|one, other| other.cmp(one));
        versions.dedup();
        versions.truncate(10);
        let mut groups: BTreeMap<(&str, &str, String), i64> = BTreeMap::new();
        for (user, session) in &latest {
            let user = &self.users[*user as usize];
            let open = |value: Option<&str>| value.filter(|value| !value.is_empty()).unwrap_or("unknown").to_owned();
            let listed =
                |value: Option<&str>, list: &[&str]| closed(value.map(str::to_lowercase).as_deref(), list).to_owned();
            let version = match session.version {
                None | Some("") => "unknown",
                Some(version) if parts(version).is_some_and(|parts| versions.contains(&parts)) => version,
                Some(_) => "other",
            };
            let methods = ["password", "google", "apple", "facebook", "microsoft", "sso", "sms"];
            let groups_of_this = [
                ("country", "country", open(session.country)),
                ("city", "city", open(session.city.as_deref())),
                ("device", "device_type", listed(session.device, &["mobile", "tablet", "desktop"])),
                ("os", "os", listed(session.os, &["ios", "android", "windows", "macos", "linux"])),
                ("browser", "browser", listed(session.browser, &["chrome", "safari", "firefox", "edge"])),
                ("app_version", "version", version.to_owned()),
                ("login_method", "method", closed(session.method, &methods).to_owned()),
                ("timezone", "timezone", open(user.zone)),
                ("language", "language", open(user.language)),
            ];
            for group in groups_of_this {
                *groups.entry(group).or_default() += 1;
            }
        }
        // The fifty largest cities; the villages together are large enough.
        let mut cities: Vec<(String, i64)> = groups
            .iter()
            .filter(|((family, _, _), _)| *family == "city")
            .map(|((_, _, city), users)| (city.clone(), *users))
            .collect();
        cities.retain(|(city, _)| city != "unknown");
        cities.sort_by_key(|(_, users)| -users);
        for (city, users) in cities.into_iter().skip(50) {
            groups.remove(&("city", "city", city));
            *groups.entry(("city", "city", "other".to_owned())).or_default() += users;
        }
        for ((family, label, value), users) in groups {
            truth.group(&format!("business_window_users_by_{family}"), &[("window", window), (label, &value)], users);
        }
    }

    fn truth_of_features(&self, truth: &mut Truth, window: &str, now: i64) {
        let period = self.zone.window(window, now);
        let mut users: BTreeMap<&str, BTreeSet<i64>> = BTreeMap::new();
        for (user, feature, time) in &self.features {
            if period.contains(time) {
                users.entry(closed(Some(feature), &FEATURES)).or_default().insert(*user);
            }
        }
        for (feature, users) in users {
            truth.group(
                "business_window_feature_users",
                &[("window", window), ("feature", feature)],
                users.len() as i64,
            );
        }
        truth.zeros("business_window_feature_users", &[("window", window)], &[("feature", &FEATURES)]);
    }

    fn truth_of_users(&self, truth: &mut Truth, window: &str, now: i64) {
        let period = self.zone.window(window, now);
        let before = period.start - (period.end - period.start)..period.start;
        let mut active: BTreeMap<i64, i64> = BTreeMap::new();
        let mut earlier: BTreeSet<i64> = BTreeSet::new();
        for session in &self.sessions {
            let Some(user) = session.user else { continue };
            if period.contains(&session.started) {
                *active.entry(user).or_default() += 1;
            } else if before.contains(&session.started) {
                earlier.insert(user);
            }
        }
        let new = self.users.iter().filter(|user| period.contains(&user.created)).count();
        let window = [("window", window)];
        truth.set("business_window_users", &window, active.len() as f64);
        truth.set(
            "business_window_returning_users",
            &window,
            active.values().filter(|sessions| **sessions >= 2).count() as f64,
        );
        truth.set(
            "business_window_churned_users",
            &window,
            earlier.iter().filter(|user| !active.contains_key(user)).count() as f64,
        );
        truth.set("business_window_new_users", &window, new as f64);
    }

    fn truth_of_health(&self, truth: &mut Truth, now: i64) {
        let period = now - 30 * DAY..now;
        let mean = |values: &[f64]| (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64);
        let mut bands: BTreeMap<usize, i64> = BTreeMap::new();
        let mut sessions: BTreeMap<i64, Vec<&Session>> = BTreeMap::new();
        for session in self.sessions.iter().filter(|session| period.contains(&session.started)) {
            if let Some(user) = session.user {
                sessions.entry(user).or_default().push(session);
            }
        }
        let mut made: BTreeMap<i64, i64> = BTreeMap::new();
        let mut waits: BTreeMap<i64, Vec<f64>> = BTreeMap::new();
        for call in self.calls.iter().filter(|call| period.contains(&call.started)) {
            if let Some(caller) = call.caller {
                *made.entry(caller).or_default() += 1;
            }
            if let (Some(callee), Some(answered)) = (call.callee, call.answered) {
                waits.entry(callee).or_default().push((answered - call.started) as f64);
            }
        }
        let mut features: BTreeMap<i64, BTreeSet<&str>> = BTreeMap::new();
        for (user, feature, _) in self.features.iter().filter(|(_, _, time)| period.contains(time)) {
            features.entry(*user).or_default().insert(feature);
        }
        let mut ratings: BTreeMap<i64, Vec<f64>> = BTreeMap::new();
        for (user, score, _) in self.ratings.iter().filter(|(_, _, time)| period.contains(time)) {
            ratings.entry(*user).or_default().push(*score as f64);
        }
        for (user, sessions) in sessions {
            let lengths: Vec<f64> = sessions.iter().filter_map(|s| Some((s.ended? - s.started) as f64)).collect();
            let parts = [
                Some((sessions.len() as f64 / 20.0).min(1.0)),
                Some((made.get(&user).copied().unwrap_or(0) as f64 / 20.0).min(1.0)),
                Some((features.get(&user).map_or(0, BTreeSet::len) as f64 / 8.0).min(1.0)),
                waits.get(&user).and_then(|waits| mean(waits)).map(|wait| ((30.0 - wait) / 25.0).clamp(0.0, 1.0)),
                mean(&lengths).map(|length| (length / 600.0).min(1.0)),
                ratings.get(&user).and_then(|scores| mean(scores)).map(|score| (score - 1.0) / 4.0),
            ];
            let known: Vec<f64> = parts.into_iter().flatten().collect();
            let score = (mean(&known).expect("three parts") * 1e8).round() / 1e6;
            *bands.entry(((score / 20.0) as usize).min(4)).or_default() += 1;
        }
        for (band, users) in bands {
            truth.group("business_users_by_health", &[("band", BANDS[band])], users);
        }
        truth.zeros("business_users_by_health", &[], &[("band", &BANDS)]);
    }

    fn truth_of_money(&self, truth: &mut Truth, now: i64) {
        let categories = ["pstn", "sms", "api", "storage", "bandwidth"];
        let classes = ["inbound_pstn", "outbound_pstn", "mobile", "toll_free", "international", "premium"];
        // Whole parts are summed, so that the sum is as exact as that of the database.
        let mut parts: BTreeMap<(&str, &str, &str, &str, &str), i64> = BTreeMap::new();
        for window in ["today", "month", "24h", "7d", "prev_7d", "30d", "prev_30d", "90d", "365d"] {
            let period = self.zone.window(window, now);
            for cost in self.costs.iter().filter(|cost| period.contains(&cost.time)) {
                let category = closed(cost.kind, &categories);
                *parts.entry(("business_window_cost", window, "category", category, cost.currency)).or_default() +=
                    cost.amount;
                if cost.kind == Some("pstn") {
                    let class = closed(cost.class, &classes);
                    *parts.entry(("business_window_call_cost", window, "class", class, cost.currency)).or_default() +=
                        cost.amount;
                }
            }
        }
        for window in ["today", "month", "7d", "30d", "prev_30d", "90d", "365d"] {
            let period = self.zone.window(window, now);
            for charge in self.charges.iter().filter(|charge| period.contains(&charge.time)) {
                let kind = closed(charge.kind, &["usage", "subscription", "one_time", "refund"]);
                *parts.entry(("business_window_charges", window, "kind", kind, charge.currency)).or_default() +=
                    charge.amount * 100;
            }
        }
        let windows = [
            "today",
            "month",
            "24h",
            "prev_24h",
            "7d",
            "prev_7d",
            "30d",
            "prev_30d",
            "90d",
            "prev_90d",
            "365d",
            "prev_365d",
        ];
        for window in windows {
            let period = self.zone.window(window, now);
            for payment in self.payments.iter().filter(|payment| period.contains(&payment.time)) {
                let kind = closed(payment.kind, &["recurring", "one_time"]);
                *parts.entry(("business_window_revenue", window, "kind", kind, payment.currency)).or_default() +=
                    payment.amount * 100;
            }
        }
        for ((family, window, label, value, currency), amount) in parts {
            truth.set(family, &[("window", window), (label, value), ("currency", currency)], amount as f64 / 1e4);
        }
        for currency in ["USD", "EUR"] {
            let accounts = self.accounts.iter().filter(|account| account.2 == currency);
            let credit: i64 = accounts.clone().filter_map(|account| account.0).sum();
            let outstanding: i64 = accounts.filter_map(|account| account.1).sum();
            truth.set("business_user_credits", &[("currency", currency)], credit as f64 / 1e2);
            truth.set("business_outstanding_balance", &[("currency", currency)], outstanding as f64 / 1e2);
            let pays =
                |s: &&Subscription| s.paid.is_some_and(|paid| paid <= now) && s.ended.is_none_or(|ended| ended > now);
            let paying = self.subscriptions.iter().filter(|s| s.currency == currency).filter(pays);
            truth.set("business_mrr", &[("currency", currency)], paying.map(|s| s.monthly).sum::<i64>() as f64 / 1e2);
        }
        for window in ["7d", "30d", "prev_30d", "90d"] {
            self.truth_of_subscriptions(truth, window, now);
        }
    }

    fn truth_of_subscriptions(&self, truth: &mut Truth, window: &str, now: i64) {
        let period = self.zone.window(window, now);
        let within = |time: Option<i64>| time.is_some_and(|time| period.contains(&time));
        let mut lost: BTreeMap<&str, i64> = BTreeMap::new();
        for s in &self.subscriptions {
            let churned = within(s.ended) && s.paid.is_some_and(|paid| Some(paid) < s.ended);
            for (change, is_so) in CHANGES.into_iter().zip([within(s.trial), within(s.paid), churned]) {
                if is_so {
                    truth.add("business_window_customer_changes", &[("window", window), ("change", change)], 1.0);
                }
            }
            if churned {
                *lost.entry(s.currency).or_default() += s.monthly;
            }
        }
        for (currency, amount) in lost {
            truth.set(
                "business_window_churned_revenue",
                &[("window", window), ("currency", currency)],
                amount as f64 / 1e2,
            );
        }
        truth.zeros("business_window_customer_changes", &[("window", window)], &[("change", &CHANGES)]);
    }

    fn truth_of_state(&self, truth: &mut Truth, now: i64) {
        for (period, from) in
            [("day", self.zone.midnight(now)), ("week", self.zone.week(now)), ("month", self.zone.month(now))]
        {
            let active = self.sessions.iter().filter(|s| (from..now).contains(&s.started)).filter_map(|s| s.user);
            truth.set("business_active_users", &[("period", period)], active.collect::<BTreeSet<i64>>().len() as f64);
        }
        let users = self.users.iter().filter(|user| user.deleted.is_none());
        truth.set("business_users", &[], users.clone().count() as f64);
        truth.set(
            "business_locked_accounts",
            &[],
            users.filter(|user| user.locked.is_some_and(|until| until > now)).count() as f64,
        );
        let kept: Vec<&Recording> = self.recordings.iter().filter(|recording| recording.deleted.is_none()).collect();
        let sum = |of: &dyn Fn(&Recording) -> i64| kept.iter().map(|recording| of(recording)).sum::<i64>() as f64;
        truth.set("business_recordings", &[], kept.len() as f64);
        truth.set("business_recording_storage_bytes", &[], sum(&|recording| recording.bytes));
        truth.set(
            "business_recording_original_bytes",
            &[],
            sum(&|recording| recording.original.unwrap_or(recording.bytes)),
        );
        truth.set("business_recording_audio_seconds", &[], sum(&|recording| recording.seconds.unwrap_or(0)));
        if let Some(oldest) = kept.iter().map(|recording| recording.created).min() {
            truth.set("business_recording_oldest_timestamp_seconds", &[], oldest as f64);
        }
        let blocked = self.blocked.iter().filter(|until| until.is_none_or(|until| until > now)).count();
        truth.set("business_blocked_addresses", &[], blocked as f64);
        let mut consents: BTreeMap<(&str, &str), i64> = BTreeMap::new();
        for (kind, state) in &self.consents {
            let kind = closed(Some(kind), &["recording", "marketing", "analytics", "data_processing"]);
            *consents.entry((kind, closed(*state, &["granted", "denied", "withdrawn"]))).or_default() += 1;
        }
        for ((kind, state), users) in consents {
            truth.group("business_consents", &[("kind", kind), ("state", state)], users);
        }
        for (kind, _, done) in &self.requests {
            if done.is_none() {
                truth.add("business_privacy_requests_open", &[("kind", closed(*kind, &["deletion", "export"]))], 1.0);
            }
        }
        truth.zeros("business_privacy_requests_open", &[], &[("kind", &["deletion", "export"])]);
        let calls = self.calls.iter().filter(|call| call.started < now - 730 * DAY).count();
        let sessions = self.sessions.iter().filter(|session| session.started < now - 365 * DAY).count();
        let recordings = kept.iter().filter(|recording| recording.created < now - 365 * DAY).count();
        for (dataset, overdue) in [("calls", calls), ("sessions", sessions), ("recordings", recordings)] {
            truth.set("business_retention_overdue_records", &[("dataset", dataset)], overdue as f64);
        }
    }
}

fn session(dice: &mut Dice, user: Option<i64>, started: i64) -> Session {
    let place = user.unwrap_or(0) % 1_000;
    Session {
        user,
        started,
        ended: (!dice.percent(10)).then(|| started + dice.below(1_500)),
        country: match user {
            Some(7..10) => Some("MT"),
            _ => [Some("GB"), Some("DE"), Some("US"), Some("FR"), Some(""), None][(place % 6) as usize],
        },
        // As many cities as are shown, and villages in which few live.
        city: match place {
            0..950 => Some(format!("City {:02}", place % 50)),
            950..960 => Some(String::new()),
            960..970 => None,
            _ => Some(format!("Village {place}")),
        },
        device: dice.pick(&[Some("mobile"), Some("Mobile"), Some("desktop"), Some("tablet"), Some("fridge"), None]),
        os: dice.pick(&[Some("iOS"), Some("android"), Some("windows"), Some("macos"), Some("beos"), None]),
        browser: dice.pick(&[Some("Chrome"), Some("safari"), Some("firefox"), Some("lynx"), Some(""), None]),
        version: dice.pick(&[
            Some("1.0"),
            Some("1.1"),
            Some("1.2"),
            Some("1.9"),
            Some("1.10"),
            Some("2.0.0"),
            Some("2.0.1"),
            Some("2.1"),
            Some("2.10"),
            Some("3"),
            Some("3.0.1"),
            Some("3.1"),
            Some("4.0-beta"),
            Some("10.2.31.4"),
            Some(""),
            None,
        ]),
        method: dice.pick(&[Some("password"), Some("google"), Some("apple"), Some("carrier_pigeon"), None]),
    }
}

fn call(dice: &mut Dice, started: i64, users: i64) -> Call {
    let status = dice.pick(&[
        Some("completed"),
        Some("completed"),
        Some("completed"),
        Some("no_answer"),
        Some("busy"),
        Some("network_failure"),
        Some("server_failure"),
        Some("blocked"),
        Some("voicemail"),
        Some("teleported"),
        Some(""),
        None,
    ]);
    let talks = matches!(status, Some("completed" | "voicemail"));
    let zones = [Some("Europe/London"), Some("Europe/Berlin"), Some("America/New_York"), Some(""), None];
    // Some parties are busier than others.
    let party = |dice: &mut Dice| match dice.below(10) {
        0 => None,
        1..4 => Some(dice.below(20)),
        4..6 => Some(1_000_000 + dice.below(5_000)),
        _ => Some(dice.below(users)),
    };
    Call {
        started,
        answered: talks.then(|| started + dice.below(40)),
        seconds: match talks {
            true => Some(dice.pick(&[0, 1, 59, 60, 61, 300, 301, 1_799, 1_800, 1_801, 5_000])),
            false => dice.percent(20).then_some(0),
        },
        status,
        direction: dice.pick(&[
            Some("internal"),
            Some("inbound_pstn"),
            Some("outbound_pstn"),
            Some("inbound_mobile"),
            Some("outbound_mobile"),
            Some("sideways"),
            Some(""),
            None,
        ]),
        caller: party(dice),
        callee: party(dice),
        caller_zone: dice.pick(&zones),
        callee_zone: dice.pick(&zones),
    }
}
