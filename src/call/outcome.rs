//! How a call attempt ends: the one table from final status to outcome.

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

    /// The outcome of an attempt that a final status of 300 or more ended (RFC 3261 section 21).
    pub const fn from_status(code: u16, rang: bool) -> Outcome {
        match code {
            300..=399 => Outcome::Redirected,
            // 404 Not Found, 410 Gone, 484 Address Incomplete, 485 Ambiguous, 604 Does Not Exist Anywhere.
            404 | 410 | 484 | 485 | 604 => Outcome::NotFound,
            // A request that timed out after ringing found nobody; before it, no way there.
            408 if rang => Outcome::NoAnswer,
            408 => Outcome::NetworkFailure,
            // Temporarily Unavailable: not logged in, or did not pick up.
            480 => Outcome::NoAnswer,
            486 | 600 => Outcome::Busy,
            487 => Outcome::Cancelled,
            // 607 Unwanted (RFC 8197), 608 Rejected by analytics (RFC 8688).
            607 | 608 => Outcome::Blocked,
            // Service Unavailable, Server Time-out: no way through, as RFC 3263 section 4.3 takes a 503.
            503 | 504 => Outcome::NetworkFailure,
            // 603 Decline is the callee's own choice.
            500..=602 | 605..=699 => Outcome::ServerFailure,
            _ => Outcome::Rejected,
        }
    }
}

/// Who ended a call, as seen on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
