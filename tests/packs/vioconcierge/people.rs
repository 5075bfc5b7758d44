//! Makes the world up.

use super::zones::{self, midnight};
use super::{Call, Consent, Contact, DAY, HOUR, Size, Task, Tenant, World};

/// Tenants with rows of their own instead of chance: none at all, 3 of each, 5 of each, 4 of each.
const SPECIAL: [usize; 4] = [0, 3, 5, 4];
/// Days after which a row leaves a window, or may be kept no longer.
const EDGES: [i64; 9] = [1, 7, 14, 30, 60, 90, 180, 365, 730];

/// Words to choose from: `-` is NULL, and '' an empty text.
const BUSINESSES: &str = "medical salon dental fitness hair_salon - legal veterinary spa ''";
const OUTCOMES: &str = "answered answered answered answered answered answered completed completed no_answer no_answer no_answer voicemail busy failed -";
const ACTIONS: &str = "confirmed confirmed confirmed confirmed confirmed cancelled rescheduled rescheduled - -";
const PAST: &str =
    "completed completed completed attended confirmed confirmed no_show cancelled rescheduled pending - lost";
const AHEAD: &str = "confirmed confirmed pending pending pending rescheduled '' no_show";
/// The last few are rare, so that they are not among the ten largest.
const KINDS: [Option<&str>; 16] = [
    Some("check-up"),
    Some("Haircut"),
    Some("haircut "),
    Some("consultation"),
    Some("colour"),
    Some("massage"),
    Some("training"),
    Some("follow-up"),
    Some("cleaning"),
    Some("review"),
    Some("lesson"),
    Some("manicure"),
    None,
    Some(" "),
    Some("first visit of somebody who was referred by a friend"),
    Some("rare kind"),
];
const SOURCES: &str = "manual manual calcom calcom calendly csv_import api - fax";
const CONSENTS: &str = "granted granted granted denied withdrawn '' - asked";
/// Hours before the appointment, as different tenants have them.
const LEADS: [&str; 5] = ["24 2", "24 24.0 48", "2 -", "72 24", "1 5 -"];

/// SplitMix64 (Steele, Lea and Flood, 2014).
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// Below `limit`.
    fn below(&mut self, limit: i64) -> i64 {
        (self.next() % limit.max(1) as u64) as i64
    }

    fn one_in(&mut self, n: i64) -> bool {
        self.below(n) == 0
    }

    fn share(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn word(&mut self, from: &'static str) -> Option<&'static str> {
        word(from, self.below(1 << 20) as usize)
    }

    /// One in eight rows of one in eight tenants has what nobody expects.
    fn mostly(&mut self, tenant: usize, usual: &'static str, odd: &'static str) -> Option<&'static str> {
        let is_odd = tenant % 8 == 5 && self.one_in(8);
        self.word(if is_odd { odd } else { usual })
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as i64) as usize]
    }
}

/// One of the words, going round.
fn word(from: &'static str, at: usize) -> Option<&'static str> {
    let found = from.split(' ').nth(at % from.split(' ').count())?;
    match found {
        "-" => None,
        "''" => Some(""),
        word => Some(word),
    }
}

/// The same world for the same seed, time and size.
pub fn generate(seed: u64, now: i64, size: &Size) -> World {
    assert!(size.tenants > 2 * SPECIAL.len(), "too few tenants");
    let mut chance = Chance(seed);
    let mut world = World {
        minimum_group: 5.0,
        tenants: (0..size.tenants).map(|at| tenant(at, &mut chance)).collect(),
        contacts: Vec::new(),
        calls: Vec::new(),
        tasks: Vec::new(),
        consents: Vec::new(),
    };
    for _ in 0..size.contacts {
        let at = crowd(size.tenants, &mut chance);
        let made = contact(&world, at, now, &mut chance);
        world.contacts.push(made);
    }
    for _ in 0..size.calls {
        let made = call(&world, now, &mut chance);
        world.calls.push(made);
    }
    few(&mut world, now, &mut chance);
    edges(&mut world, now);
    for at in 0..size.tasks.min(world.calls.len()) {
        let made = task(&world.calls[at], &mut chance);
        world.tasks.push(made);
    }
    waiting(&mut world, now, &mut chance);
    consents(&mut world, &mut chance);
    world
}

/// Some tenants have much, most have little; one in 300 rows is of a tenant that nobody configured.
fn crowd(tenants: usize, chance: &mut Chance) -> usize {
    if chance.one_in(300) {
        return tenants;
    }
    let rest = (tenants - SPECIAL.len()) as f64;
    SPECIAL.len() + ((chance.share().powf(1.6) * rest) as usize).min(tenants - SPECIAL.len() - 1)
}

fn tenant(at: usize, chance: &mut Chance) -> Tenant {
    let zones: Vec<&str> = zones::names().collect();
    let zone = match at % 16 {
        13 => None,
        14 => Some("Mars/Olympus_Mons"),
        15 => Some("europe/berlin"),
        _ => Some(zones[at % zones.len()]),
    };
    Tenant {
        id: World::tenant_id(at),
        alias: format!("tenant-{at:03}"),
        business_type: word(BUSINESSES, at),
        zone,
        retell: chance.word("agent_1 agent_2 '' -"),
        calcom: chance.word("cal_live_secret - ''"),
        calendly: chance.word("eyJ.secret -"),
        value: chance.pick(&[Some(80.5), Some(120.0), Some(0.0), None]),
        currency: chance.pick(&["GBP", "GBP", "EUR", "USD"]),
        baseline: chance.pick(&[None, None, Some(0.3), Some(0.0), Some(30.0), Some(1.0)]),
        hourly_cost: chance.pick(&[None, None, Some(21.5)]),
        goal: chance.pick(&[None, Some(40)]),
        hours: chance.word("{24,2} {} -"),
    }
}

/// Moves a time away from where it would change sides while a test runs.
fn settled(now: i64, time: i64) -> i64 {
    let is_near = |edge: &i64| (now - edge * DAY - time).abs() < HOUR / 2;
    if EDGES.iter().any(is_near) { time - HOUR } else { time }
}

/// How long ago, up to two years and more, mostly not long.
fn ago(now: i64, chance: &mut Chance) -> i64 {
    settled(now, now - 2400 - (chance.share().powf(2.4) * 760.0 * DAY as f64) as i64)
}

fn contact(world: &World, tenant: usize, now: i64, chance: &mut Chance) -> Contact {
    let created = ago(now, chance);
    let ahead = created + HOUR + chance.below(45 * DAY);
    let time = (!chance.one_in(9)).then(|| settled(now, ahead));
    let time = time.map(|time| if (time - now).abs() < HOUR / 2 { time + HOUR } else { time });
    let is_past = time.is_some_and(|time| time < now);
    // One in twelve has the number of somebody else of the tenant, written in another way.
    let line = if chance.one_in(12) { chance.below(20) } else { 1000 + world.contacts.len() as i64 };
    let ways = [format!("+44 20 7946 {line:04}"), format!("+44207946{line:04}"), format!("+44 (20) 7946-{line:04}")];
    let phone = match chance.below(14) {
        0 => None,
        1 => Some(String::new()),
        2 => Some(" ".to_owned()),
        n => Some(ways[n as usize % 3].clone()),
    };
    Contact {
        id: 1 + world.contacts.len() as i64,
        tenant,
        name: chance.pick(&[Some("Jo Patient"), Some("Sam Patient"), Some(""), None]).map(str::to_owned),
        phone,
        email: chance.pick(&[Some("jo@example.com"), Some(" "), None]),
        owner: chance.pick(&[Some("Dr Smith"), None]),
        instructions: chance.pick(&[Some("bring the form"), Some(""), None, None]),
        time,
        status: if is_past { chance.word(PAST) } else { chance.word(AHEAD) },
        kind: kind(tenant, chance),
        minutes: chance.pick(&[Some(30), Some(45), Some(60), None]),
        risk: chance.pick(&[None, None, Some(0.0), Some(0.15), Some(0.5), Some(0.81), Some(1.0)]),
        source: chance.word(SOURCES),
        created,
    }
}

/// Rare kinds come once in a while, so that no tenant has as many of one as of the common ones.
fn kind(tenant: usize, chance: &mut Chance) -> Option<&'static str> {
    let common = KINDS.len() - 5;
    if tenant % 7 == 3 && chance.one_in(60) {
        return KINDS[common + chance.below(5) as usize];
    }
    KINDS[chance.below(common as i64) as usize]
}

fn call(world: &World, now: i64, chance: &mut Chance) -> Call {
    let whom = &world.contacts[chance.below(world.contacts.len() as i64) as usize];
    let contact = match chance.below(200) {
        0 => None,
        1 => Some(-1),
        _ => Some(whom.id),
    };
    let outcome = chance.mostly(whom.tenant, OUTCOMES, "'' hung_up");
    let reached = matches!(outcome, Some("answered" | "completed"));
    let seconds = match chance.below(600) {
        0 => Some(-5),
        n if n < 60 => None,
        n if n < 90 => Some(0),
        _ if reached => Some(20 + chance.below(280)),
        _ => Some(chance.pick(&[0, 0, 12])),
    };
    let status = match outcome {
        Some("failed") => chance.word("failed error"),
        _ => chance.mostly(whom.tenant, "completed", "- '' queued"),
    };
    Call {
        session: format!("s{}", world.calls.len()),
        contact,
        tenant: whom.tenant,
        status,
        outcome,
        action: match reached || chance.one_in(150) {
            true => chance.mostly(whom.tenant, ACTIONS, "'' undecided"),
            false => None,
        },
        seconds,
        sentiment: chance.mostly(whom.tenant, "Positive positive Neutral Negative Unknown -", "'' angry"),
        method: chance.mostly(whom.tenant, "automated automated automated automated manual", "mixed - '' robot"),
        time: ago(now, chance),
    }
}

/// Rows of the tenants that have a number of each, and what stands at the edge of now.
fn few(world: &mut World, now: i64, chance: &mut Chance) {
    for (tenant, &rows) in SPECIAL.iter().enumerate() {
        for n in 0..rows {
            let mut made = contact(world, tenant, now, chance);
            made.created = now - 5 * HOUR;
            made.time = Some(now - 3 * HOUR);
            made.status = if n == 0 { Some("no_show") } else { Some("completed") };
            let contact = made.id;
            world.contacts.push(made);
            let mut made = call(world, now, chance);
            (made.tenant, made.contact, made.time) = (tenant, Some(contact), now - 4 * HOUR);
            (made.outcome, made.action) =
                (Some("answered"), if n == 0 { Some("cancelled") } else { Some("confirmed") });
            world.calls.push(made);
        }
    }
    let live = ["initiating", "initiated", "ringing", "answered", "in_progress", "completed"];
    for tenant in SPECIAL.len()..world.tenants.len() {
        for (n, status) in live.iter().enumerate().take(tenant % 7) {
            let mut made = call(world, now, chance);
            let time = if tenant % 5 == 4 { now - 1500 } else { now - 40 - 20 * n as i64 };
            (made.tenant, made.status, made.outcome, made.action, made.time) =
                (tenant, Some(*status), None, None, time);
            world.calls.push(made);
        }
        if tenant % 40 == 9 {
            let mut made = call(world, now, chance);
            (made.tenant, made.time) = (tenant, now + 2 * HOUR);
            world.calls.push(made);
        }
    }
}

/// What happened at the first second of today, and at the last of yesterday, where the tenant is.
fn edges(world: &mut World, now: i64) {
    for tenant in SPECIAL.len()..world.tenants.len() {
        let zone = world.tenants[tenant].zone.unwrap_or_default();
        let today = midnight(zone, now);
        for time in [today, today - 1, midnight(zone, today - 1), midnight(zone, today - 1) - 1] {
            let contact = Contact {
                id: 1 + world.contacts.len() as i64,
                tenant,
                time: Some(now - 20 * DAY - HOUR),
                status: Some("completed"),
                source: Some("api"),
                created: time,
                ..Contact::default()
            };
            let call = Call {
                session: format!("s{}", world.calls.len()),
                contact: Some(contact.id),
                tenant,
                status: Some("completed"),
                outcome: Some("answered"),
                action: Some("confirmed"),
                seconds: Some(60),
                sentiment: Some("Positive"),
                method: Some("automated"),
                time,
            };
            world.contacts.push(contact);
            world.calls.push(call);
        }
    }
}

/// The reminder that a call came of.
fn task(call: &Call, chance: &mut Chance) -> Task {
    let late = chance.pick(&[0, 3, 20, 45, 59, 60, 90, 300, -30]);
    Task {
        tenant: call.tenant,
        // One in forty was done and not called; its call is somebody else's.
        session: (!chance.one_in(40)).then(|| call.session.clone()),
        due: call.time - late,
        status: match call.status {
            Some("failed") => Some("failed"),
            _ => {
                chance.mostly(call.tenant, "completed completed completed failed cancelled", "in_progress - '' skipped")
            }
        },
        retries: chance.pick(&[Some(0), Some(0), Some(0), None, Some(1), Some(2)]),
        hours: chance.word(LEADS[call.tenant % LEADS.len()]),
        completed: (!chance.one_in(20)).then(|| call.time + 30),
    }
}

/// What is still to be called: long overdue, later today, tomorrow, at midnight, next week.
fn waiting(world: &mut World, now: i64, chance: &mut Chance) {
    for tenant in 1..=world.tenants.len() {
        let zone = world.tenants.get(tenant).and_then(|tenant| tenant.zone).unwrap_or_default();
        let tomorrow = midnight(zone, midnight(zone, now) + 26 * HOUR);
        let after = midnight(zone, tomorrow + 26 * HOUR);
        let times = [
            -3 * DAY,
            -2 * HOUR,
            HOUR,
            4 * HOUR,
            12 * HOUR,
            23 * HOUR,
            25 * HOUR,
            33 * HOUR,
            47 * HOUR,
            49 * HOUR,
            80 * HOUR,
        ];
        let near = times.map(|time| now + time + HOUR / 4);
        for due in near.into_iter().chain([tomorrow, tomorrow - 1, after, after - 1]) {
            if chance.one_in(3) {
                continue;
            }
            let hours = chance.word(LEADS[tenant % LEADS.len()]);
            world.tasks.push(Task { tenant, due, status: Some("pending"), hours, ..Task::default() });
        }
    }
}

fn consents(world: &mut World, chance: &mut Chance) {
    for contact in &world.contacts {
        if !chance.one_in(4) {
            world.consents.push(Consent { contact: contact.id, kind: "voice", state: chance.word(CONSENTS) });
        }
        if chance.one_in(5) {
            world.consents.push(Consent { contact: contact.id, kind: "sms", state: Some("denied") });
        }
    }
}
