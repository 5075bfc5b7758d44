//! One call: an INVITE dialog from its first attempt to its end.

use crate::time::Timestamp;
use crate::wire::Endpoint;

use super::numbers::CellKey;
use super::outcome::{EndedBy, Outcome};

/// Where a call stands; the values of the `state` label, but for `Ended`, which no live call has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Setup,
    Ringing,
    Answered,
    Ended,
}

impl State {
    /// Row of the live calls' numbers.
    pub(super) const fn index(self) -> Option<usize> {
        match self {
            State::Setup => Some(0),
            State::Ringing => Some(1),
            State::Answered => Some(2),
            State::Ended => None,
        }
    }
}

/// A call, from its first INVITE to half a minute after its end.
#[derive(Clone, Debug)]
pub struct Call {
    /// Number of the call within this run; what streams are bound by.
    pub serial: u64,
    pub call_id: Box<[u8]>,
    /// User part of the From and To URIs, or the host where there is none.
    pub caller: Box<str>,
    pub callee: Box<str>,
    /// First hop of the first INVITE.
    pub source: Endpoint,
    pub destination: Endpoint,
    pub key: CellKey,
    pub state: State,
    /// Fingerprint of the caller's From tag.
    pub caller_tag: u64,
    /// CSeq of the last INVITE of the attempt: after a challenge it is sent again with a higher one.
    pub cseq: u32,
    /// Fingerprint of that INVITE's Via branch on the first hop.
    pub branch: u64,
    pub started: Timestamp,
    /// The last transmission of the attempt's INVITE.
    pub invited: Timestamp,
    /// First 18x or 2xx.
    pub set_up: Option<Timestamp>,
    pub answered: Option<Timestamp>,
    pub ended: Option<Timestamp>,
    pub last_message: Timestamp,
    pub final_status: Option<u16>,
    /// Any provisional response, 100 included.
    pub proceeding: bool,
    pub cancelled: bool,
    pub outcome: Option<Outcome>,
    pub ended_by: Option<EndedBy>,
    /// MOS of its worst stream when it ended.
    pub mos: Option<f64>,
}

impl Call {
    /// Whether the attempt was refused for lack of credentials and waits to be sent again.
    pub fn is_challenged(&self) -> bool {
        self.state != State::Ended && matches!(self.final_status, Some(401 | 407))
    }
}
