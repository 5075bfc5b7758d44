//! How a call attempt ends: the one table from final status, Q.850 cause and timer to outcome.

use crate::site::PeerId;

/// The values of the `outcome` label; each attempt ends in exactly one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Outcome {
    Completed = 0,
    NoAnswer,
    Busy,
    Cancelled,
    Rejected,
    Blocked,
    NotFound,
    Redirected,
    Voicemail,
    NetworkFailure,
    ServerFailure,
    Dropped,
    Unknown,
}

impl Outcome {
    pub const ALL: [Outcome; 13] = [
        Outcome::Completed,
        Outcome::NoAnswer,
        Outcome::Busy,
        Outcome::Cancelled,
        Outcome::Rejected,
        Outcome::Blocked,
        Outcome::NotFound,
        Outcome::Redirected,
        Outcome::Voicemail,
        Outcome::NetworkFailure,
        Outcome::ServerFailure,
        Outcome::Dropped,
        Outcome::Unknown,
    ];

    /// The value of the `outcome` label.
    pub const fn name(self) -> &'static str {
        match self {
            Outcome::Completed => "completed",
            Outcome::NoAnswer => "no_answer",
            Outcome::Busy => "busy",
            Outcome::Cancelled => "cancelled",
            Outcome::Rejected => "rejected",
            Outcome::Blocked => "blocked",
            Outcome::NotFound => "not_found",
            Outcome::Redirected => "redirected",
            Outcome::Voicemail => "voicemail",
            Outcome::NetworkFailure => "network_failure",
            Outcome::ServerFailure => "server_failure",
            Outcome::Dropped => "dropped",
            Outcome::Unknown => "unknown",
        }
    }
}

/// What a row of the table asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Final status from, to.
    Status(u16, u16),
    /// Final status, after a 18x.
    Rang(u16),
    /// Q.850 cause in a Reason header (RFC 3326) beside a status that gateways give for many causes ([`is_vague`]).
    Cause(u8, u8),
    /// BYE with this Q.850 cause.
    ByeCause(u8, u8),
    /// BYE with `Reason: SIP;cause=`.
    ByeStatus(u16),
    /// What no message says.
    Event(Event),
}

/// How a call ends without a final status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    Bye,
    ByeAtVoicemail,
    ByeBeforeAnswer,
    CancelAndSilence,
    NoResponse,
    OnlyProvisional,
    ChallengeUnanswered,
    DialogUnknown,
    SessionExpired,
    MediaSilent,
    BegunAgain,
    MaximumDuration,
    Evicted,
}

impl Event {
    /// As the documentation calls it.
    pub const fn text(self) -> &'static str {
        match self {
            Event::Bye => "answered, and BYE",
            Event::ByeAtVoicemail => "answered by a voicemail, and BYE",
            Event::ByeBeforeAnswer => "BYE before a final answer",
            Event::CancelAndSilence => "CANCEL, and no final answer in time",
            Event::NoResponse => "no response in `calls.setup_timeout`",
            Event::OnlyProvisional => "no final answer in `calls.ring_timeout`",
            Event::ChallengeUnanswered => "401, 407, 422 or 494, and no INVITE after it in `calls.setup_timeout`",
            Event::DialogUnknown => "under way when first seen, and 481 to an INVITE or UPDATE within it",
            Event::SessionExpired => "answered, and no refresh in Session-Expires and 32 s more",
            Event::MediaSilent => "answered, media came, and none for `calls.media_silence`",
            Event::BegunAgain => "answered, and another call under the same Call-ID",
            Event::MaximumDuration => "answered, and no end in `calls.max_duration`",
            Event::Evicted => "forgotten at `calls.max_calls`",
        }
    }
}

/// A row: the first that fits decides.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    pub when: When,
    pub outcome: Outcome,
    pub source: &'static str,
}

const fn row(when: When, outcome: Outcome, source: &'static str) -> Row {
    Row { when, outcome, source }
}

/// The table. Configured rules (`[[outcomes]]`) go before it. A CANCEL of the caller goes before all statuses but 2xx.
pub const TABLE: &[Row] = &[
    // A cause is asked only beside a status that does not say enough; it then goes before the status.
    row(When::Cause(1, 1), Outcome::NotFound, "unallocated number"),
    row(When::Cause(2, 3), Outcome::NetworkFailure, "no route"),
    row(When::Cause(17, 17), Outcome::Busy, "user busy"),
    row(When::Cause(18, 20), Outcome::NoAnswer, "no user responding, no answer, subscriber absent"),
    row(When::Cause(21, 21), Outcome::Rejected, "call rejected"),
    row(When::Cause(22, 22), Outcome::NotFound, "number changed"),
    row(When::Cause(23, 23), Outcome::Redirected, "redirection to new destination"),
    row(When::Cause(26, 26), Outcome::Cancelled, "non-selected user clearing"),
    row(When::Cause(27, 27), Outcome::NetworkFailure, "destination out of order"),
    row(When::Cause(28, 28), Outcome::NotFound, "invalid number format"),
    row(When::Cause(29, 29), Outcome::Rejected, "facility rejected"),
    row(When::Cause(34, 47), Outcome::NetworkFailure, "resources, circuits, congestion"),
    row(When::Cause(52, 55), Outcome::Blocked, "outgoing or incoming calls barred"),
    row(When::Cause(102, 102), Outcome::NetworkFailure, "recovery on timer expiry"),
    row(When::Status(300, 399), Outcome::Redirected, "RFC 3261 section 21.3"),
    row(When::Status(404, 404), Outcome::NotFound, "Not Found"),
    row(When::Rang(408), Outcome::NoAnswer, "Request Timeout: it rang, and nobody came"),
    row(When::Status(408, 408), Outcome::NetworkFailure, "Request Timeout: no way there"),
    row(When::Status(410, 410), Outcome::NotFound, "Gone"),
    row(When::Status(480, 480), Outcome::NoAnswer, "Temporarily Unavailable: not logged in, or did not pick up"),
    row(When::Status(484, 485), Outcome::NotFound, "Address Incomplete, Ambiguous"),
    row(When::Status(486, 486), Outcome::Busy, "Busy Here"),
    row(When::Status(487, 487), Outcome::Cancelled, "Request Terminated"),
    row(When::Status(400, 499), Outcome::Rejected, "RFC 3261 section 21.4"),
    row(When::Status(503, 504), Outcome::NetworkFailure, "Service Unavailable, Server Time-out: RFC 3263 section 4.3"),
    row(When::Status(500, 599), Outcome::ServerFailure, "RFC 3261 section 21.5"),
    row(When::Status(600, 600), Outcome::Busy, "Busy Everywhere"),
    row(When::Status(603, 603), Outcome::Rejected, "Decline: the callee's own choice"),
    row(When::Status(604, 604), Outcome::NotFound, "Does Not Exist Anywhere"),
    row(When::Status(606, 606), Outcome::Rejected, "Not Acceptable"),
    row(When::Status(607, 608), Outcome::Blocked, "Unwanted (RFC 8197), Rejected by analytics (RFC 8688)"),
    row(When::Status(600, 699), Outcome::ServerFailure, "RFC 3261 section 21.6"),
    row(When::ByeCause(27, 27), Outcome::Dropped, "destination out of order"),
    row(When::ByeCause(34, 47), Outcome::Dropped, "resources, circuits, network out of order"),
    row(When::ByeCause(102, 102), Outcome::Dropped, "recovery on timer expiry"),
    row(When::ByeStatus(408), Outcome::Dropped, "session timer, or media of the other side lost (RFC 4028 section 10)"),
    row(When::ByeStatus(503), Outcome::Dropped, "service lost"),
    row(When::ByeStatus(504), Outcome::Dropped, "server lost"),
    row(When::Event(Event::ByeAtVoicemail), Outcome::Voicemail, "see below"),
    row(When::Event(Event::Bye), Outcome::Completed, "RFC 3261 section 15"),
    row(When::Event(Event::ByeBeforeAnswer), Outcome::Cancelled, "RFC 3261 section 15"),
    row(When::Event(Event::CancelAndSilence), Outcome::Cancelled, "RFC 3261 section 9.1"),
    row(When::Event(Event::ChallengeUnanswered), Outcome::Rejected, "RFC 3261 section 22"),
    row(When::Event(Event::NoResponse), Outcome::NetworkFailure, "Timer B, RFC 3261 section 17.1.1.2"),
    row(When::Event(Event::OnlyProvisional), Outcome::NoAnswer, "Timer C, RFC 3261 section 16.6"),
    row(When::Event(Event::DialogUnknown), Outcome::Dropped, "RFC 3261 section 12.2.1.2"),
    row(When::Event(Event::SessionExpired), Outcome::Dropped, "RFC 4028 section 10"),
    row(When::Event(Event::MediaSilent), Outcome::Dropped, "the BYE was lost, or never sent"),
    row(When::Event(Event::BegunAgain), Outcome::Dropped, "the BYE was lost, or never sent"),
    row(When::Event(Event::MaximumDuration), Outcome::Dropped, "the BYE was lost, or never sent"),
    row(When::Event(Event::Evicted), Outcome::Unknown, "more calls than the table holds"),
];

/// Whether gateways give this status for so many causes that a Q.850 cause beside it tells more (RFC 3398 section 7.2.4.1).
const fn is_vague(code: u16) -> bool {
    matches!(code, 400 | 403 | 408 | 480 | 488 | 500 | 502 | 503 | 504 | 603 | 606)
}

/// A configured rule: what it does not name fits everything.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    pub status: Vec<u16>,
    pub cause: Vec<u8>,
    /// Where the call came from, or where it went.
    pub peer: Option<PeerId>,
    pub outcome: Outcome,
}

/// A final answer and what came with it.
#[derive(Clone, Copy, Debug)]
pub struct Refusal {
    pub code: u16,
    pub cause: Option<u8>,
    pub rang: bool,
    pub peers: [PeerId; 2],
}

/// The outcome of an attempt that a final status of 300 or more ended.
pub fn of_refusal(rules: &[Rule], refusal: &Refusal) -> Outcome {
    let fits = |rule: &&Rule| {
        (rule.status.is_empty() || rule.status.contains(&refusal.code))
            && (rule.cause.is_empty() || refusal.cause.is_some_and(|cause| rule.cause.contains(&cause)))
            && rule.peer.is_none_or(|peer| refusal.peers.contains(&peer))
    };
    let cause = refusal.cause.filter(|_| is_vague(refusal.code));
    rules.iter().find(fits).map(|rule| rule.outcome).unwrap_or_else(|| {
        look_up(|when| match when {
            When::Cause(first, last) => cause.is_some_and(|cause| (first..=last).contains(&cause)),
            When::Status(first, last) => (first..=last).contains(&refusal.code),
            When::Rang(code) => refusal.rang && code == refusal.code,
            _ => false,
        })
    })
}

/// The outcome of an answered call that a BYE ended.
pub fn of_bye(reason: Reason, voicemail: bool) -> Outcome {
    look_up(|when| match when {
        When::ByeCause(first, last) => reason.cause.is_some_and(|cause| (first..=last).contains(&cause)),
        When::ByeStatus(code) => reason.status == Some(code),
        When::Event(Event::ByeAtVoicemail) => voicemail,
        When::Event(Event::Bye) => true,
        _ => false,
    })
}

pub fn of_event(event: Event) -> Outcome {
    look_up(|when| when == When::Event(event))
}

fn look_up(fits: impl Fn(When) -> bool) -> Outcome {
    TABLE.iter().find(|row| fits(row.when)).map_or(Outcome::Unknown, |row| row.outcome)
}

/// What Reason headers (RFC 3326) say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reason {
    /// Of the protocol Q.850.
    pub cause: Option<u8>,
    /// Of the protocol SIP.
    pub status: Option<u16>,
}

impl Reason {
    /// The class of what is said.
    pub fn class(self) -> Option<Cause> {
        self.cause.map(Cause::of_q850).or(self.status.map(Cause::of_status))
    }
}

/// Classes of Q.850 causes (table 1 of Q.850); the values of the `cause` label.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Cause {
    #[default]
    Normal = 0,
    ResourceUnavailable,
    ServiceUnavailable,
    NotImplemented,
    InvalidMessage,
    ProtocolError,
    Interworking,
}

impl Cause {
    pub const ALL: [Cause; 7] = [
        Cause::Normal,
        Cause::ResourceUnavailable,
        Cause::ServiceUnavailable,
        Cause::NotImplemented,
        Cause::InvalidMessage,
        Cause::ProtocolError,
        Cause::Interworking,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Cause::Normal => "normal",
            Cause::ResourceUnavailable => "resource_unavailable",
            Cause::ServiceUnavailable => "service_unavailable",
            Cause::NotImplemented => "not_implemented",
            Cause::InvalidMessage => "invalid_message",
            Cause::ProtocolError => "protocol_error",
            Cause::Interworking => "interworking",
        }
    }

    /// The class is in the upper three of the seven bits (Q.850 section 2.2.5); 0 and 1 are both normal events.
    pub const fn of_q850(value: u8) -> Cause {
        match value >> 4 {
            0 | 1 => Cause::Normal,
            2 => Cause::ResourceUnavailable,
            3 => Cause::ServiceUnavailable,
            4 => Cause::NotImplemented,
            5 => Cause::InvalidMessage,
            6 => Cause::ProtocolError,
            _ => Cause::Interworking,
        }
    }

    /// The class of the cause that RFC 3398 section 8.2.6.1 gives for a final status.
    pub const fn of_status(code: u16) -> Cause {
        match code {
            // 41 temporary failure, 38 network out of order.
            400 | 481 | 500 | 502 | 503 => Cause::ResourceUnavailable,
            // 63 service or option not available.
            405 => Cause::ServiceUnavailable,
            // 79 service or option not implemented.
            406 | 415 | 501 => Cause::NotImplemented,
            // 102 recovery on timer expiry.
            408 | 504 => Cause::ProtocolError,
            // 127 interworking; 488 and 606 depend on a Warning that few send.
            413 | 414 | 416 | 420 | 421 | 423 | 488 | 505 | 513 | 606 => Cause::Interworking,
            _ => Cause::Normal,
        }
    }
}

/// Who ended a call, as seen on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EndedBy {
    Caller,
    Callee,
    Timeout,
    CaptureEnd,
}

impl EndedBy {
    pub const fn name(self) -> &'static str {
        match self {
            EndedBy::Caller => "caller",
            EndedBy::Callee => "callee",
            EndedBy::Timeout => "timeout",
            EndedBy::CaptureEnd => "capture_end",
        }
    }
}
