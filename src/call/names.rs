//! What a call is called: its Call-ID and its parties, in one piece of memory.

use std::borrow::Cow;

use crate::wire::sip;

/// The longest name of a party that is kept, bytes.
const MAX_PARTY: usize = 128;

/// Call-ID, and the user parts of the From and To URIs, or the hosts where there are none.
#[derive(Clone, Debug, Default)]
pub struct Names {
    text: Box<[u8]>,
    /// Where the caller's and the callee's name begin.
    caller: u16,
    callee: u16,
}

impl Names {
    pub fn new(call_id: &[u8], from: &[u8], to: &[u8]) -> Names {
        let (caller, callee) = (party(from), party(to));
        let text = [call_id, caller.as_bytes(), callee.as_bytes()].concat();
        // A Call-ID is no longer than 512 bytes.
        let place = |at: usize| u16::try_from(at).unwrap_or(u16::MAX);
        Names { text: text.into(), caller: place(call_id.len()), callee: place(call_id.len() + caller.len()) }
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

/// Who a From or To value names: user part or number, else the host.
fn party(value: &[u8]) -> Cow<'_, str> {
    let uri = sip::uri_of(value);
    let user = sip::user_of(uri);
    let name = if user.is_empty() { sip::host_of(uri) } else { user };
    let name = &name[..name.len().min(MAX_PARTY)];
    match std::str::from_utf8(name) {
        Ok(plain) if name.iter().all(|b| (b' '..=b'~').contains(b)) => Cow::Borrowed(plain),
        // Control characters would reach the terminal of whoever reads a report.
        _ => {
            let name = String::from_utf8_lossy(name);
            Cow::Owned(name.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect())
        }
    }
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
