//! What the sender of a soak sent, counted while it was sent, by the rules of docs/measuring.md.

use std::collections::BTreeMap;

use crate::common::Samples;

/// What all packets together have to count.
#[derive(Debug, Default)]
pub struct Ledger {
    pub frames: u64,
    pub bytes: u64,
    pub requests: BTreeMap<&'static str, u64>,
    pub responses: BTreeMap<&'static str, u64>,
    pub retransmissions: u64,
    pub attempts: u64,
    pub answers: u64,
    pub outcomes: BTreeMap<&'static str, u64>,
    /// Registrations that were accepted; each ends by itself.
    pub registrations: u64,
    pub streams: u64,
    pub rtp: u64,
    pub expected: u64,
    pub lost: u64,
    pub duplicates: u64,
    pub reordered: u64,
}

/// Bytes of payload in each RTP packet: 20 ms of G.711.
pub const PAYLOAD: usize = 160;

/// The packets of one stream in the order in which they were sent.
#[derive(Debug, Default)]
pub struct Track {
    highest: Option<u32>,
    lowest: u32,
    seen: Vec<u64>,
    distinct: u64,
    duplicates: u64,
    reordered: u64,
}

impl Track {
    /// The packet at this place of the stream was sent.
    pub fn sent(&mut self, place: u32) {
        let (word, bit) = (place as usize / 64, 1 << (place % 64));
        if self.seen.len() <= word {
            self.seen.resize(word + 1, 0);
        }
        let is_new = self.seen[word] & bit == 0;
        self.seen[word] |= bit;
        self.lowest = if self.highest.is_none() { place } else { self.lowest.min(place) };
        match (is_new, self.highest) {
            (false, _) => self.duplicates += 1,
            (true, Some(highest)) if place < highest => self.reordered += 1,
            _ => {}
        }
        self.distinct += u64::from(is_new);
        self.highest = self.highest.max(Some(place));
    }
}

impl Ledger {
    /// A stream is over.
    pub fn close(&mut self, track: &Track) {
        let Some(highest) = track.highest else { return };
        let expected = u64::from(highest - track.lowest) + 1;
        self.streams += 1;
        self.rtp += track.distinct + track.duplicates;
        self.expected += expected;
        self.lost += expected - track.distinct;
        self.duplicates += track.duplicates;
        self.reordered += track.reordered;
    }

    /// Each number beside what the agent counted: what, sent, counted.
    pub fn beside(&self, end: &Samples) -> Vec<(String, u64, f64)> {
        let mut rows = Vec::new();
        let mut row = |what: &str, sent: u64, family: &str, labels: &[(&str, &str)]| {
            rows.push((what.to_owned(), sent, end.sum(family, labels) + 0.0));
        };
        let st1 = [("interface", super::NEAR)];
        row("frames", self.frames, "capture_packets_total", &st1);
        row("bytes", self.bytes, "capture_bytes_total", &st1);
        for (name, sent) in &self.requests {
            row(name, *sent, "sip_requests_total", &[("method", name)]);
        }
        row("all requests", self.requests.values().sum(), "sip_requests_total", &[]);
        for (code, sent) in &self.responses {
            row(code, *sent, "sip_responses_total", &[("code", code)]);
        }
        row("all responses", self.responses.values().sum(), "sip_responses_total", &[]);
        row("retransmissions", self.retransmissions, "sip_retransmissions_total", &[]);
        row("call attempts", self.attempts, "call_attempts_total", &[]);
        row("answers", self.answers, "call_answers_total", &[]);
        for (outcome, sent) in &self.outcomes {
            row(outcome, *sent, "call_outcomes_total", &[("outcome", outcome)]);
        }
        row("all outcomes", self.outcomes.values().sum(), "call_outcomes_total", &[]);
        let completed = self.outcomes.get("completed").copied().unwrap_or(0);
        row("durations", completed, "call_duration_seconds_count", &[]);
        row("registrations", self.registrations, "sip_registration_attempts_total", &[("result", "success")]);
        row("all registration attempts", self.registrations, "sip_registration_attempts_total", &[]);
        row("bindings that ran out", self.registrations, "sip_registrations_total", &[("kind", "expired")]);
        row("RTP streams", self.streams, "rtp_streams_started_total", &[]);
        row("RTP packets", self.rtp, "rtp_packets_total", &[]);
        row("RTP payload bytes", self.rtp * PAYLOAD as u64, "rtp_payload_bytes_total", &[]);
        row("RTP expected", self.expected, "rtp_packets_expected_total", &[]);
        row("RTP lost", self.lost, "rtp_packets_lost_total", &[]);
        row("RTP duplicates", self.duplicates, "rtp_packets_duplicated_total", &[]);
        row("RTP reordered", self.reordered, "rtp_packets_reordered_total", &[]);
        for family in NEVER {
            row(family, 0, family, &[]);
        }
        rows
    }
}

/// What nothing that is sent here may raise, and what has to be over.
const NEVER: [&str; 14] = [
    "capture_dropped_packets_total",
    "capture_undecoded_frames_total",
    "capture_seen_twice_packets_total",
    "sidetone_evicted_entries_total",
    "sidetone_label_overflow_total",
    "sip_malformed_messages_total",
    "call_media_problems_total",
    "call_half_seen_total",
    "call_lost_duration_seconds_count",
    "call_disconnect_timeouts_total",
    "call_active",
    "rtp_streams_active",
    "sip_registrations_active",
    "rtp_multiplexed_datagrams_total",
];

#[test]
fn a_track_counts_as_the_rules_say() {
    let mut track = Track::default();
    for place in [0, 1, 3, 2, 2, 6, 7, 7, 5] {
        track.sent(place);
    }
    let mut ledger = Ledger::default();
    ledger.close(&track);
    assert_eq!((ledger.rtp, ledger.expected, ledger.lost, ledger.duplicates, ledger.reordered), (9, 8, 1, 2, 2));
}
