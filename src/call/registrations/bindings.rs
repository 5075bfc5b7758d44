//! Who can be reached now: addresses of record and their contacts, each until what its registrar granted is over.

use std::collections::HashMap;
use std::time::Duration;

use foldhash::fast::RandomState;

use crate::expiring::Expiring;
use crate::site::PeerId;
use crate::time::Timestamp;

use super::contact::Contact;
use super::numbers::{Change, Numbers};

/// For a grant that names no time, or none that can be read (RFC 3261 sections 10.2.1.1, 20.19).
const DEFAULT_EXPIRES: u32 = 3600;

/// Contacts of one address of record: those of a registrar that grants but never lists must not pile up.
const MAX_OF_ONE_USER: usize = 64;

/// An accepted REGISTER, and what its 2xx says.
#[derive(Debug)]
pub struct Accepted<'a> {
    pub aor: u64,
    pub peer: PeerId,
    /// Contacts of the request; none where it only asked.
    pub requested: &'a [Contact],
    /// `Contact: *`.
    pub for_all: bool,
    /// All bindings that the registrar has now (RFC 3261 section 10.3, point 8).
    pub listed: &'a [Contact],
    /// Nothing was left out of `listed`.
    pub complete: bool,
    /// The 2xx's Expires header field.
    pub expires: Option<u32>,
}

#[derive(Debug)]
struct User {
    peer: PeerId,
    contacts: Vec<u64>,
}

/// At most `capacity` bindings.
#[derive(Debug)]
pub struct Bindings {
    /// By address of record and contact; at which peer it counts.
    table: Expiring<(u64, u64), PeerId>,
    users: HashMap<u64, User, RandomState>,
}

impl Bindings {
    pub fn new(capacity: usize) -> Bindings {
        Bindings { table: Expiring::new(capacity), users: HashMap::default() }
    }

    pub fn len(&self) -> usize {
        self.table.len()
    }

    pub fn hold(&mut self, on: bool) {
        self.table.hold(on);
    }

    pub fn evicted(&self) -> u64 {
        self.table.evicted
    }

    /// Follows what the registrar says.
    pub fn accept(&mut self, now: Timestamp, accepted: &Accepted<'_>, numbers: &mut Numbers) {
        let Accepted { aor, peer, requested, listed, .. } = *accepted;
        let grant = |contact: &Contact| {
            let asked = requested.iter().find(|asked| asked.key == contact.key);
            let said = if listed.is_empty() { None } else { contact.expires };
            let asked = asked.and_then(|asked| asked.expires);
            said.or(accepted.expires).or(asked).unwrap_or(DEFAULT_EXPIRES)
        };
        // A registrar that lists nothing although it was asked for something grants what was asked.
        let granted = if listed.is_empty() { requested } else { listed };
        let removed = |key: u64| requested.iter().any(|asked| asked.key == key && asked.expires == Some(0));
        // A proxy or the registrar may have rewritten the contacts: then those it lists first stand for those that were asked for.
        let mut rewritten = requested
            .iter()
            .filter(|asked| asked.expires != Some(0) && !granted.iter().any(|contact| contact.key == asked.key))
            .count();
        let mut others = 0;
        let mut now_known = Vec::with_capacity(granted.len());
        for contact in granted.iter().filter(|contact| !(listed.is_empty() && removed(contact.key))) {
            let seconds = grant(contact);
            if seconds == 0 {
                continue;
            }
            now_known.push(contact.key);
            let until = now + Duration::from_secs(u64::from(seconds));
            let asked = requested.iter().any(|asked| asked.key == contact.key);
            let known = self.table.contains(&(aor, contact.key));
            let change = match (known, asked) {
                (true, true) => Some(Change::Refresh),
                (true, false) => None,
                (false, true) => Some(Change::New),
                (false, false) if rewritten > 0 => {
                    rewritten -= 1;
                    Some(Change::New)
                }
                (false, false) => Some(Change::Listed),
            };
            others += usize::from(change.is_none());
            match known {
                true => self.keep((aor, contact.key), until, asked.then_some(peer), numbers),
                false => self.add((aor, contact.key), until, peer, numbers),
            }
            if let Some(change) = change {
                numbers.cell(peer).count_change(change);
            }
        }
        for _ in 0..rewritten.min(others) {
            numbers.cell(peer).count_change(Change::Refresh);
        }
        self.forget_others(accepted, &now_known, &removed, numbers);
        self.move_user(aor, peer, numbers);
    }

    /// What is not among `known` is no binding any more.
    fn forget_others(
        &mut self,
        accepted: &Accepted<'_>,
        known: &[u64],
        removed: &impl Fn(u64) -> bool,
        numbers: &mut Numbers,
    ) {
        let Some(user) = self.users.get(&accepted.aor) else { return };
        // Without a list, only what was removed is known to be gone.
        let told = accepted.complete && (accepted.requested.is_empty() || !accepted.listed.is_empty());
        let gone = |key: &u64| !known.contains(key) && (told || accepted.for_all || removed(*key));
        let gone: Vec<u64> = user.contacts.iter().copied().filter(gone).collect();
        for key in gone {
            let change = if accepted.for_all || removed(key) { Change::Removal } else { Change::Dropped };
            self.remove((accepted.aor, key), change, numbers);
        }
    }

    fn add(&mut self, key: (u64, u64), until: Timestamp, peer: PeerId, numbers: &mut Numbers) {
        if let Some((evicted, of)) = self.table.insert(key, until, peer) {
            self.left(evicted, of, numbers);
        }
        numbers.cell(peer).active += 1;
        let user = self.users.entry(key.0).or_insert_with(|| {
            numbers.cell(peer).users += 1;
            User { peer, contacts: Vec::with_capacity(1) }
        });
        user.contacts.push(key.1);
        if user.contacts.len() > MAX_OF_ONE_USER {
            let oldest = user.contacts[0];
            self.remove((key.0, oldest), Change::Dropped, numbers);
        }
    }

    /// Keeps a binding, at the peer that refreshed it.
    fn keep(&mut self, key: (u64, u64), until: Timestamp, refreshed: Option<PeerId>, numbers: &mut Numbers) {
        self.table.live_until(&key, until);
        if let Some(peer) = refreshed
            && let Some(at) = self.table.get_mut(&key)
            && *at != peer
        {
            let before = std::mem::replace(at, peer);
            lower(&mut numbers.cell(before).active);
            numbers.cell(peer).active += 1;
        }
    }

    fn remove(&mut self, key: (u64, u64), change: Change, numbers: &mut Numbers) {
        if let Some(peer) = self.table.remove(&key) {
            numbers.cell(peer).count_change(change);
            self.left(key, peer, numbers);
        }
    }

    /// A binding is out of the table.
    fn left(&mut self, (aor, contact): (u64, u64), peer: PeerId, numbers: &mut Numbers) {
        lower(&mut numbers.cell(peer).active);
        let Some(user) = self.users.get_mut(&aor) else { return };
        user.contacts.retain(|other| *other != contact);
        if user.contacts.is_empty() {
            lower(&mut numbers.cell(user.peer).users);
            self.users.remove(&aor);
        }
    }

    fn move_user(&mut self, aor: u64, peer: PeerId, numbers: &mut Numbers) {
        if let Some(user) = self.users.get_mut(&aor).filter(|user| user.peer != peer) {
            let before = std::mem::replace(&mut user.peer, peer);
            lower(&mut numbers.cell(before).users);
            numbers.cell(peer).users += 1;
        }
    }

    /// Ends what has run out.
    pub fn expire(&mut self, now: Timestamp, numbers: &mut Numbers) {
        while let Some((key, peer)) = self.table.pop_due(now) {
            numbers.cell(peer).count_change(Change::Expired);
            self.left(key, peer, numbers);
        }
    }
}

fn lower(gauge: &mut u64) {
    *gauge = gauge.saturating_sub(1);
}
