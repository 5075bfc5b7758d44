//! What is true of a generated capture: counted while it is written, from what was sent, never from what was parsed.
//! The counting rules are those of the contract for `sidetone analyze --format json`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Truth {
    pub profile: String,
    pub seed: u64,
    pub link: String,
    /// Frames in the file, and their bytes without the pcap record headers.
    pub packets: u64,
    pub bytes: u64,
    pub first_packet_ns: u64,
    pub last_packet_ns: u64,
    pub sip: SipTruth,
    /// RTCP packets by type, those inside compound datagrams counted one by one.
    pub rtcp_packets: BTreeMap<String, u64>,
    pub round_trips: Vec<RoundTrip>,
    /// Datagrams that are neither SIP nor RTP nor RTCP.
    pub noise_datagrams: u64,
    pub calls: Vec<CallTruth>,
    pub streams: Vec<StreamTruth>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct SipTruth {
    pub requests: BTreeMap<String, u64>,
    pub responses: BTreeMap<String, u64>,
    /// Messages sent again, byte for byte, among those above.
    pub retransmissions: u64,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct CallTruth {
    pub call_id: String,
    /// User parts of From and To.
    pub caller: String,
    pub callee: String,
    /// Addresses of the first INVITE.
    pub source: String,
    pub destination: String,
    pub started_at_ns: u64,
    /// First INVITE to first 18x or 2xx.
    pub setup_delay_seconds: Option<f64>,
    /// First INVITE to 2xx.
    pub answer_delay_seconds: Option<f64>,
    /// 2xx to BYE.
    pub duration_seconds: Option<f64>,
    pub outcome: String,
    pub final_status: Option<u16>,
    pub ended_by: String,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct StreamTruth {
    /// As in the contract: `0x` and eight hexadecimal digits.
    pub ssrc: String,
    pub source: String,
    pub destination: String,
    pub call_id: Option<String>,
    /// What was done to the stream, for failure messages.
    pub class: String,
    pub codec: String,
    pub payload_type: u8,
    pub clock_rate_hz: u32,
    pub first_packet_ns: u64,
    pub last_packet_ns: u64,
    pub packets: u64,
    pub payload_bytes: u64,
    pub expected: u64,
    pub lost: u64,
    pub duplicates: u64,
    pub reordered: u64,
    pub restarts: u64,
    pub jitter_seconds: Jitter,
    pub gap_seconds: Gap,
    pub loss_bursts: Bursts,
}

/// RFC 3550 A.8 in seconds.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Jitter {
    pub last: f64,
    pub mean: f64,
    pub max: f64,
}

/// Time between one arrival and the next, in seconds.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Gap {
    pub mean: f64,
    pub max: f64,
}

/// Runs of consecutive sequence numbers that never arrived.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Bursts {
    pub count: u64,
    pub longest: u64,
}

/// What the report block of one SR says about the way there and back (RFC 3550 section 6.4.1).
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct RoundTrip {
    /// The SSRC whose sender report is answered, and that of the answer's sender.
    pub ssrc: String,
    pub reporter_ssrc: String,
    pub time_ns: u64,
    pub seconds: f64,
}

/// Nanoseconds as seconds.
pub fn seconds(ns: u64) -> f64 {
    ns as f64 / 1e9
}

/// An SSRC as the contract writes it.
pub fn ssrc_text(ssrc: u32) -> String {
    format!("0x{ssrc:08x}")
}
