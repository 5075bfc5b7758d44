//! What a call is called: its Call-ID and its parties, in one piece of memory.

use std::borrow::Cow;

use smallvec::SmallVec;

use crate::wire::sip::{self, Name};

/// The longest name of a party that is kept, bytes.
const MAX_PARTY: usize = 128;

/// Bytes that they mostly fit.
const USUAL: usize = 80;

/// Call-ID, and the user parts of the From and To URIs, or the hosts where there are none.
#[derive(Clone, Debug, Default)]
pub struct Names {
    text: SmallVec<[u8; USUAL]>,
    /// Where the caller's and the callee's name begin.
    caller: u16,
    callee: u16,
}

impl Names {
    pub fn new(call_id: &[u8], from: &[u8], to: &[u8]) -> Names {
        let (caller, callee) = (party(from), party(to));
        let mut text = SmallVec::new();
        text.reserve_exact(call_id.len() + caller.len() + callee.len());
        for part in [call_id, &caller, &callee] {
            text.extend_from_slice(part);
        }
        // A Call-ID is no longer than 512 bytes.
        let place = |at: usize| u16::try_from(at).unwrap_or(u16::MAX);
        Names { text, caller: place(call_id.len()), callee: place(call_id.len() + caller.len()) }
    }

    pub fn call_id(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(self.part(0, self.caller.into()))
    }

    pub fn caller(&self) -> &str {
        std::str::from_utf8(self.part(self.caller.into(), self.callee.into())).unwrap_or_default()
    }

    pub fn callee(&self) -> &str {
        std::str::from_utf8(self.part(self.callee.into(), self.text.len())).unwrap_or_default()
    }

    fn part(&self, from: usize, to: usize) -> &[u8] {
        self.text.get(from..to).unwrap_or_default()
    }
}

/// A number without the parameters that a SIP URI keeps in its user part (RFC 3261 section 19.1.6, RFC 3966 section 3); to a name
/// they belong (section 19.1.3).
fn subscriber<'a>(user: &'a [u8], uri: &[u8]) -> &'a [u8] {
    let Some(end) = user.iter().position(|&b| b == b';') else { return user };
    // An escaped plus sign, or none, and digits with their visual separators.
    let digits = user[..end].strip_prefix(b"%2B").or(user[..end].strip_prefix(b"%2b")).unwrap_or(&user[..end]);
    let is_number = end > 0 && digits.iter().all(|b| b.is_ascii_digit() || b"+-.()*#".contains(b))
        || sip::parameter(user, Name::new(b"phone-context")).is_some()
        || sip::parameter(uri, Name::new(b"user")).is_some_and(|kind| kind.eq_ignore_ascii_case(b"phone"));
    if is_number { &user[..end] } else { user }
}

/// Who a From or To value names: user part or number, else the host.
fn party(value: &[u8]) -> Cow<'_, [u8]> {
    let uri = sip::uri_of(value);
    let user = subscriber(sip::user_of(uri), uri);
    let name = if user.is_empty() { sip::host_of(uri) } else { user };
    let name = &name[..name.len().min(MAX_PARTY)];
    if name.iter().all(|b| (b' '..=b'~').contains(b)) {
        return Cow::Borrowed(name);
    }
    // Control characters would reach the terminal of whoever reads a report.
    let name = String::from_utf8_lossy(name);
    let shown = name.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c });
    Cow::Owned(shown.collect::<String>().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_found_again() {
        let names = Names::new(b"a84b@host", b"\"A\" <sip:+4930@a.example>;tag=1", b"<sip:b.example>");
        assert_eq!((&*names.call_id(), names.caller(), names.callee()), ("a84b@host", "+4930", "b.example"));
        let names = Names::new(b"\xff", b"<sip:a\x07\xfc@a.example>", b"");
        assert_eq!((&*names.call_id(), names.caller(), names.callee()), ("\u{fffd}", "a\u{fffd}\u{fffd}", ""));
    }
}
