//! The codecs that the generator speaks.

/// One row of the codec table; values of RFC 3551 table 4 and, for Opus, RFC 7587 section 4.1.
#[derive(Debug, PartialEq, Eq)]
pub struct Codec {
    /// Lower case, as in the contract.
    pub name: &'static str,
    /// As in SDP, after `a=rtpmap:N `.
    pub rtpmap: &'static str,
    pub payload_type: u8,
    pub clock_rate_hz: u32,
    /// 0: the size varies.
    bytes_per_second: u32,
    /// Packet times in use, milliseconds.
    pub ptimes: &'static [u32],
}

pub const PCMU: Codec = Codec {
    name: "pcmu",
    rtpmap: "PCMU/8000",
    payload_type: 0,
    clock_rate_hz: 8000,
    bytes_per_second: 8000,
    ptimes: &[10, 20, 30, 40, 60],
};
pub const PCMA: Codec = Codec { name: "pcma", rtpmap: "PCMA/8000", payload_type: 8, ..PCMU };
pub const G729: Codec = Codec { name: "g729", rtpmap: "G729/8000", payload_type: 18, bytes_per_second: 1000, ..PCMU };
/// 33 bytes every 20 ms (RFC 3551 section 4.5.8.1).
pub const GSM: Codec =
    Codec { name: "gsm", rtpmap: "GSM/8000", payload_type: 3, bytes_per_second: 1650, ptimes: &[20, 40, 60], ..PCMU };
/// 16 kHz audio on an RTP clock of 8000 (RFC 3551 section 4.5.2).
pub const G722: Codec = Codec { name: "g722", rtpmap: "G722/8000", payload_type: 9, ..PCMU };
pub const OPUS: Codec = Codec {
    name: "opus",
    rtpmap: "opus/48000/2",
    payload_type: 111,
    clock_rate_hz: 48000,
    bytes_per_second: 0,
    ptimes: &[10, 20, 40, 60],
};

impl Codec {
    /// RTP clock ticks of one packet.
    pub fn ticks(&self, ptime_ms: u32) -> u32 {
        self.clock_rate_hz / 1000 * ptime_ms
    }

    /// Payload bytes of packet `index`.
    pub fn payload_length(&self, ptime_ms: u32, index: u32) -> usize {
        match self.bytes_per_second {
            0 => 40 + (index.wrapping_mul(2_654_435_761) >> 25) as usize, // 40 to 167 bytes, as voice varies
            rate => (rate * ptime_ms / 1000) as usize,
        }
    }

    /// Dynamic payload types mean nothing without SDP (RFC 3551 section 3).
    pub fn is_static(&self) -> bool {
        self.payload_type < 96
    }
}
