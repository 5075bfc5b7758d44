//! What a HEP packet mirrors, and what carried it.

use crate::wire::rtp::{self, Kind};
use crate::wire::{Transport, sip, voice_report};

/// The values of the `content` label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Content {
    Sip = 0,
    Rtcp,
    RtcpJson,
    /// The body of a voice quality report (RFC 6035) without its SIP message.
    VoiceReport,
    Log,
    /// DNS, CDRs, RTP, other JSON: counted, not read.
    Other,
}

impl Content {
    pub const ALL: [Content; 6] =
        [Content::Sip, Content::Rtcp, Content::RtcpJson, Content::VoiceReport, Content::Log, Content::Other];

    pub const fn name(self) -> &'static str {
        match self {
            Content::Sip => "sip",
            Content::Rtcp => "rtcp",
            Content::RtcpJson => "rtcp_json",
            Content::VoiceReport => "voice_report",
            Content::Log => "log",
            Content::Other => "other",
        }
    }

    /// Whether it went between two endpoints that matter.
    pub(super) fn has_ends(self) -> bool {
        !matches!(self, Content::Log | Content::Other)
    }

    /// By the packet's type (HEP3 specification, chunk 11), and where that leaves it open by the payload's first bytes: versions 1
    /// and 2 have no type, type 5 is JSON or bytes, and of reports each sender has its own type (captagent 99, heplify 35).
    pub(super) fn of(protocol_type: Option<u8>, payload: &[u8]) -> Content {
        let is_json = payload.trim_ascii_start().starts_with(b"{");
        let is_rtcp = rtp::kind(payload) == Kind::Rtcp;
        match protocol_type {
            Some(1) => Content::Sip,
            Some(5) | None if is_json => Content::RtcpJson,
            Some(5) | None if is_rtcp => Content::Rtcp,
            // OpenSIPS: 86 what the script logs, 87 and 88 commands from outside, 89 transport, 96 control.
            Some(100 | 86..=89 | 96) => Content::Log,
            _ if voice_report::is_report(payload) => Content::VoiceReport,
            _ if sip::has_start_line(payload) => Content::Sip,
            None => Content::Sip,
            _ => Content::Other,
        }
    }
}

/// What carried a SIP message: UDP and SCTP as the mirror says, everything on TCP as the message's own topmost Via says. For TLS
/// and WebSocket there is no IP protocol, and senders differ: Kamailio gives 22 for both, OpenSIPS 22 and 50, Sofia-SIP 22 and
/// 6, Asterisk 6. The Via names the transport that the message was sent over (RFC 3261 section 18.1.1), the same in its response.
pub fn transport(ip_protocol: Option<u8>, via: &[u8]) -> Transport {
    let named = via_transport(via);
    match ip_protocol {
        Some(17) => Transport::Udp,
        Some(132) => Transport::Sctp,
        Some(6) => named.filter(|t| is_on_tcp(*t)).unwrap_or(Transport::Tcp),
        Some(22) => named.filter(|t| is_on_tcp(*t) && *t != Transport::Tcp).unwrap_or(Transport::Tls),
        Some(50) => named.filter(|t| matches!(t, Transport::Ws | Transport::Wss)).unwrap_or(Transport::Ws),
        _ => named.unwrap_or(Transport::Udp),
    }
}

fn is_on_tcp(transport: Transport) -> bool {
    !matches!(transport, Transport::Udp | Transport::Sctp)
}

/// `SIP/2.0/TLS host...`; white space may stand around the slashes (RFC 3261 section 25.1).
fn via_transport(via: &[u8]) -> Option<Transport> {
    let rest = via.splitn(3, |b| *b == b'/').nth(2)?.trim_ascii_start();
    let end = rest.iter().position(|b| !b.is_ascii_alphanumeric()).unwrap_or(rest.len());
    Transport::ALL.into_iter().find(|transport| rest[..end].eq_ignore_ascii_case(transport.name().as_bytes()))
}
