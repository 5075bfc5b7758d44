//! Legs of one call behind a B2BUA: dialogs of different Call-IDs, joined where a header says that they belong together.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;

use crate::generations::Generations;
use crate::time::Timestamp;
use crate::wire::sip::{FieldName, Message};

use super::dialog::Call;
use super::table::Table;

/// A B2BUA calls the other side at once, or after an announcement; within one to two of these.
const LIFETIME_NANOS: i64 = 60_000_000_000;
/// A value that is longer names nothing.
const MAX_VALUE: usize = 256;

/// What the headers of the first INVITEs of the last 60 to 120 s said.
#[derive(Debug)]
pub struct Legs {
    headers: Vec<FieldName>,
    hasher: RandomState,
    /// Fingerprint of a header and its value, and the call that brought it first.
    values: Generations<u64, u64>,
}

impl Legs {
    pub fn new(headers: Vec<Box<[u8]>>, capacity: usize) -> Legs {
        let headers = headers.into_iter().map(FieldName::new).collect();
        Legs { headers, hasher: RandomState::default(), values: Generations::new(capacity, LIFETIME_NANOS) }
    }

    pub fn expire(&mut self, now: Timestamp) {
        self.values.expire(now);
    }

    pub fn len(&self) -> usize {
        self.values.len()
    }

    pub fn evicted(&self) -> u64 {
        self.values.evicted
    }

    /// The first INVITE of the new call `serial`, with the fingerprint of its Call-ID: gives the call that it is another leg of.
    pub fn join(
        &mut self,
        now: Timestamp,
        (serial, call_id): (u64, u64),
        message: &Message<'_>,
        calls: &Table,
    ) -> Option<u64> {
        if self.headers.is_empty() {
            return None;
        }
        self.values.turn(now);
        let goes_on = |at: u32| calls.get(at).filter(|call| call.ended.is_none());
        let mut joined = None;
        for (number, header) in self.headers.iter().enumerate() {
            let key_of = |value: u64| self.hasher.hash_one((number, value));
            let alike = |key: u64| self.values.get(&key).and_then(|serial| goes_on(calls.by_serial(*serial)?));
            // The leg that names this one may be seen before it: at another interface, or in a mirror.
            let naming = alike(key_of(call_id));
            joined = joined.or(naming.map(Call::root));
            let value = message.named(header).and_then(|value| identity(header.as_bytes(), value));
            // X-CID and its like name the Call-ID of the other leg.
            let Some(value) = value.map(|value| calls.fingerprint(value)) else { continue };
            let named = calls.find(value).and_then(goes_on).filter(|call| call.serial != serial);
            let key = key_of(value);
            match named.or_else(|| alike(key)) {
                Some(call) => joined = joined.or(Some(call.root())),
                None => self.values.put(key, serial),
            }
        }
        joined
    }
}

/// The part of a header's value that is the same on all legs.
fn identity<'a>(header: &[u8], value: &'a [u8]) -> Option<&'a [u8]> {
    let mut parts = value.split(|&b| b == b';').map(<[u8]>::trim_ascii);
    let own = match header.eq_ignore_ascii_case(b"P-Charging-Vector") {
        // RFC 7315 section 5.6: the parameters may come in any order.
        true => {
            parts
                .find_map(|part| {
                    part.split_at_checked(11).filter(|(name, _)| name.eq_ignore_ascii_case(b"icid-value="))
                })?
                .1
        }
        // RFC 7989 section 5: the sender's UUID, then `;remote=`.
        false => parts.next()?,
    };
    let own = own.strip_prefix(b"\"").and_then(|own| own.strip_suffix(b"\"")).unwrap_or(own);
    // The null UUID says that nobody knows one yet.
    let says_nothing = own.iter().all(|&b| b == b'0' || b == b'-');
    (!says_nothing && own.len() <= MAX_VALUE).then_some(own)
}

#[cfg(test)]
mod tests {
    use super::identity;

    #[test]
    fn what_the_legs_have_in_common() {
        let of = |header: &str, value: &'static str| identity(header.as_bytes(), value.as_bytes());
        assert_eq!(of("Session-ID", "ab30;remote=0000"), Some(&b"ab30"[..]));
        assert_eq!(of("Session-ID", "00000000000000000000000000000000;remote=ab30"), None);
        assert_eq!(of("X-CID", " 17@host "), Some(&b"17@host"[..]));
        assert_eq!(of("P-Charging-Vector", "orig-ioi=a; icid-value=\"1234\";x=y"), Some(&b"1234"[..]));
        assert_eq!(of("P-Charging-Vector", "orig-ioi=a"), None);
    }
}
