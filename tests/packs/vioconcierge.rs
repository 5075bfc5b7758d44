//! A made-up VioConcierge: tenants on many clocks, their contacts, calls and reminders, with every fault that is known of the real one.
//! `facts` says what /metrics has to show of it, without a database.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::fmt::{Display, Write as _};

#[path = "vioconcierge/book.rs"]
mod book;
#[path = "vioconcierge/facts.rs"]
pub mod facts;
#[path = "vioconcierge/people.rs"]
mod people;
#[path = "vioconcierge/state.rs"]
mod state;
#[path = "vioconcierge/tally.rs"]
mod tally;
#[path = "vioconcierge/webhooks.rs"]
pub mod webhooks;
#[path = "vioconcierge/zones.rs"]
pub mod zones;

pub const HOUR: i64 = 3_600;
pub const DAY: i64 = zones::DAY;

/// How much of everything.
pub struct Size {
    pub tenants: usize,
    pub contacts: usize,
    pub calls: usize,
    pub tasks: usize,
}

#[derive(Clone, Default)]
pub struct Tenant {
    pub id: String,
    pub alias: String,
    pub business_type: Option<&'static str>,
    pub zone: Option<&'static str>,
    pub retell: Option<&'static str>,
    pub calcom: Option<&'static str>,
    pub calendly: Option<&'static str>,
    pub value: Option<f64>,
    pub currency: &'static str,
    pub baseline: Option<f64>,
    pub hourly_cost: Option<f64>,
    pub goal: Option<i64>,
    pub hours: Option<&'static str>,
}

#[derive(Clone, Default)]
pub struct Contact {
    pub id: i64,
    /// Which of the tenants; one beyond them is in no configuration.
    pub tenant: usize,
    pub name: Option<String>,
    pub phone: Option<String>,
    pub email: Option<&'static str>,
    pub owner: Option<&'static str>,
    pub instructions: Option<&'static str>,
    pub time: Option<i64>,
    pub status: Option<&'static str>,
    pub kind: Option<&'static str>,
    pub minutes: Option<i64>,
    pub risk: Option<f64>,
    pub source: Option<&'static str>,
    pub created: i64,
}

#[derive(Clone, Default)]
pub struct Call {
    pub session: String,
    pub contact: Option<i64>,
    pub tenant: usize,
    pub status: Option<&'static str>,
    pub outcome: Option<&'static str>,
    pub action: Option<&'static str>,
    pub seconds: Option<i64>,
    pub sentiment: Option<&'static str>,
    pub method: Option<&'static str>,
    pub time: i64,
}

#[derive(Clone, Default)]
pub struct Task {
    pub tenant: usize,
    pub session: Option<String>,
    pub due: i64,
    pub status: Option<&'static str>,
    pub retries: Option<i64>,
    pub hours: Option<&'static str>,
    pub completed: Option<i64>,
}

pub struct Consent {
    pub contact: i64,
    pub kind: &'static str,
    pub state: Option<&'static str>,
}

pub struct World {
    /// Smaller groups are not shown, and never those of medical tenants below 5.
    pub minimum_group: f64,
    pub tenants: Vec<Tenant>,
    pub contacts: Vec<Contact>,
    pub calls: Vec<Call>,
    pub tasks: Vec<Task>,
    pub consents: Vec<Consent>,
}

pub use people::generate;

impl World {
    /// The id of a tenant; those beyond the configured ones have one too.
    pub fn tenant_id(at: usize) -> String {
        format!("5e1f0000-0000-4000-8000-{at:012x}")
    }

    /// The rows of a table for COPY, as text.
    pub fn copy(&self, table: &str) -> String {
        let mut out = String::new();
        match table {
            "tenant_config" => self.tenants.iter().for_each(|tenant| line(&mut out, &tenant_row(tenant))),
            "contacts" => self.contacts.iter().for_each(|contact| line(&mut out, &contact_row(contact))),
            "call_sessions" => {
                self.calls.iter().enumerate().for_each(|(at, call)| line(&mut out, &call_row(at, call)));
            }
            "follow_up_tasks" => {
                self.tasks.iter().enumerate().for_each(|(at, task)| line(&mut out, &task_row(at, task)));
            }
            "consents" => self.consents.iter().for_each(|consent| {
                line(&mut out, &[consent.contact.to_string(), consent.kind.to_owned(), text(consent.state), null()]);
            }),
            _ => panic!("no table {table}"),
        }
        out
    }
}

fn null() -> String {
    "\\N".to_owned()
}

fn text<T: Display>(value: Option<T>) -> String {
    value.map_or_else(null, |value| value.to_string())
}

/// A time as PostgreSQL reads it: seconds after 1970 in UTC.
fn time(value: Option<i64>) -> String {
    let civil = |seconds: i64| {
        let (day, rest) = (seconds.div_euclid(DAY), seconds.rem_euclid(DAY));
        let (year, month, day) = zones::date(day);
        format!("{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02}+00", rest / 3600, rest / 60 % 60, rest % 60)
    };
    value.map_or_else(null, civil)
}

fn line(out: &mut String, cells: &[String]) {
    let _ = writeln!(out, "{}", cells.join("\t"));
}

fn tenant_row(tenant: &Tenant) -> [String; 13] {
    [
        tenant.id.clone(),
        tenant.alias.clone(),
        text(tenant.business_type),
        text(tenant.retell),
        text(tenant.calcom),
        text(tenant.calendly),
        text(tenant.value),
        text(tenant.hours),
        text(tenant.zone),
        tenant.currency.to_owned(),
        text(tenant.baseline),
        text(tenant.hourly_cost),
        text(tenant.goal),
    ]
}

fn contact_row(contact: &Contact) -> [String; 15] {
    [
        contact.id.to_string(),
        World::tenant_id(contact.tenant),
        text(contact.name.as_ref()),
        text(contact.phone.as_ref()),
        text(contact.email),
        text(contact.owner),
        text(contact.instructions),
        time(contact.time),
        text(contact.status),
        text(contact.kind),
        text(contact.minutes),
        text(contact.risk),
        text(contact.source),
        time(Some(contact.created)),
        null(),
    ]
}

fn call_row(at: usize, call: &Call) -> [String; 14] {
    [
        at.to_string(),
        call.session.clone(),
        text(call.contact),
        World::tenant_id(call.tenant),
        "Jo Patient".to_owned(),
        "+44 20 7946 0123".to_owned(),
        text(call.status),
        text(call.outcome),
        text(call.action),
        text(call.seconds),
        text(call.sentiment),
        text(call.method),
        time(Some(call.time)),
        format!("call_{at:x}"),
    ]
}

fn task_row(at: usize, task: &Task) -> [String; 11] {
    [
        at.to_string(),
        World::tenant_id(task.tenant),
        null(),
        text(task.session.as_ref()),
        time(Some(task.due)),
        text(task.status),
        "t".to_owned(),
        text(task.retries),
        text(task.hours),
        time(task.completed),
        null(),
    ]
}
