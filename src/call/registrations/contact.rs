//! Who is registered where, as fingerprints: no name and no address is kept.

use std::hash::{BuildHasher, Hash, Hasher};

use foldhash::fast::RandomState;

use crate::wire::sip::{Message, Name, host_of, parameter, uri_of, user_of, values};

/// One value of a Contact header field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contact {
    pub key: u64,
    /// Its own `expires` parameter, seconds.
    pub expires: Option<u32>,
}

/// The contacts of a message, at most `most`, and whether that is all of them; a `*` is none.
pub fn contacts(hasher: &RandomState, message: &Message<'_>, most: usize) -> (Vec<Contact>, bool) {
    let mut all = message.headers(b"contact", Some(b'm')).flat_map(values).filter(|value| *value != b"*");
    let read = all.by_ref().take(most).map(|value| Contact { key: contact(hasher, value), expires: expires(value) });
    let read = read.collect();
    (read, all.next().is_none())
}

/// `Contact: *`, which removes all bindings (RFC 3261 section 10.2.2).
pub fn is_for_all(message: &Message<'_>) -> bool {
    message.contact.trim_ascii() == b"*"
}

/// Seconds; a malformed value, or one beyond 32 bits, is none (RFC 3261 section 20.19, RFC 4475 section 3.1.2.4).
fn expires(contact: &[u8]) -> Option<u32> {
    let digits = parameter(contact, Name::new(b"expires")).filter(|digits| !digits.is_empty())?;
    digits.iter().try_fold(0u32, |sum, digit| {
        let digit = digit.checked_sub(b'0').filter(|digit| *digit <= 9)?;
        sum.checked_mul(10)?.checked_add(u32::from(digit))
    })
}

/// An address of record: user and host of the To URI, its parameters left out (RFC 3261 section 10.3, point 5).
pub fn address_of_record(hasher: &RandomState, to: &[u8]) -> u64 {
    let uri = uri_of(to);
    let mut hash = hasher.build_hasher();
    user_of(uri).hash(&mut hash);
    hash_lower(host_of(uri), &mut hash);
    hash.finish()
}

/// A binding is its contact's URI, or instance and flow where both are told (RFC 5626 section 6).
fn contact(hasher: &RandomState, value: &[u8]) -> u64 {
    let mut hash = hasher.build_hasher();
    match (parameter(value, Name::new(b"+sip.instance")), parameter(value, Name::new(b"reg-id"))) {
        (Some(instance), Some(flow)) => {
            hash_lower(instance, &mut hash);
            flow.hash(&mut hash);
        }
        _ => {
            // RFC 3261 section 19.1.4: only the user part minds its case.
            let uri = uri_of(value);
            let user = uri.iter().position(|b| *b == b'@').unwrap_or(0);
            uri[..user].hash(&mut hash);
            hash_lower(&uri[user..], &mut hash);
        }
    }
    hash.finish()
}

fn hash_lower(bytes: &[u8], hash: &mut impl Hasher) {
    let mut lower = [0; 64];
    for chunk in bytes.chunks(lower.len()) {
        let part = &mut lower[..chunk.len()];
        part.copy_from_slice(chunk);
        part.make_ascii_lowercase();
        part.hash(hash);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_record_are_compared_without_their_decoration() {
        let hasher = RandomState::default();
        let aor = |to: &str| address_of_record(&hasher, to.as_bytes());
        let plain = aor("<sip:alice@a.example>");
        assert_eq!(plain, aor("\"Alice, at home\" <sip:alice@A.Example;user=phone>;tag=7"));
        assert_eq!(plain, aor("sip:alice@a.example;tag=8"));
        assert_eq!(plain, aor("<sips:alice:secret@a.example:5061>"));
        assert_ne!(plain, aor("<sip:Alice@a.example>"));
        assert_ne!(plain, aor("<sip:alice@b.example>"));
    }

    #[test]
    fn contacts_are_compared_by_uri_or_by_instance_and_flow() {
        let hasher = RandomState::default();
        let key = |value: &str| contact(&hasher, value.as_bytes());
        let plain = key("<sip:alice@192.0.2.7:5062;transport=udp>");
        assert_eq!(plain, key("\"A\" <sip:alice@192.0.2.7:5062;transport=UDP>;q=0.5;expires=60"));
        assert_ne!(plain, key("<sip:alice@192.0.2.7:5063;transport=udp>"));
        assert_ne!(plain, key("<sip:ALICE@192.0.2.7:5062;transport=udp>"));
        let flow = |at: &str, id: u8| format!("<sip:{at}>;reg-id={id};+sip.instance=\"<urn:uuid:00F-1>\"");
        assert_eq!(key(&flow("a@192.0.2.7", 1)), key(&flow("b@198.51.100.9", 1).to_lowercase()));
        assert_ne!(key(&flow("a@192.0.2.7", 1)), key(&flow("a@192.0.2.7", 2)));
        // GRUU without outbound: an instance alone does not make two contacts one (RFC 5627).
        let instance = |at: &str| format!("<sip:{at}>;+sip.instance=\"<urn:uuid:00F-1>\"");
        assert_ne!(key(&instance("a@192.0.2.7")), key(&instance("a@192.0.2.8")));
    }

    #[test]
    fn expiry_is_a_number_of_32_bits_or_none() {
        let table = [
            ("<sip:a@b>;expires=60", Some(60)),
            ("<sip:a@b>;expires=\"61\"", Some(61)),
            ("sip:a@b;EXPIRES=0", Some(0)),
            ("<sip:a@b>;expires=4294967295", Some(u32::MAX)),
            ("<sip:a@b>;expires=36893488147419103232", None),
            ("<sip:a@b>;expires=", None),
            ("<sip:a@b>;expires=-1", None),
            ("<sip:a@b>;expires=soon", None),
            ("<sip:a@b;expires=9>", None),
            ("<sip:a@b>", None),
        ];
        for (value, expected) in table {
            assert_eq!(expires(value.as_bytes()), expected, "{value}");
        }
    }
}
