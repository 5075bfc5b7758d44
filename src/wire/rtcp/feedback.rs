//! RTCP feedback (RFC 4585 section 6): what receivers ask of senders.
//!
//! ```text
//! |V=2|P|   FMT   |      type     |             length            |
//! |                     SSRC of who asks                          |
//! |                     SSRC of the media                         |
//! :                     feedback control information              :
//! ```

use super::{PacketType, half};

/// What feedback is about; the values of the `kind` label. IANA "FMT Values for RTPFB Payload Types", "... PSFB ...".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum FeedbackKind {
    Nack = 0,
    TemporaryRateRequest,
    TemporaryRateNotice,
    CongestionControl,
    TransportWide,
    PictureLoss,
    SliceLoss,
    ReferencePicture,
    FullIntraRequest,
    TradeOffRequest,
    TradeOffNotice,
    BackChannel,
    MaximumBitrate,
    Application,
    Other,
}

impl FeedbackKind {
    pub const ALL: [FeedbackKind; 15] = [
        FeedbackKind::Nack,
        FeedbackKind::TemporaryRateRequest,
        FeedbackKind::TemporaryRateNotice,
        FeedbackKind::CongestionControl,
        FeedbackKind::TransportWide,
        FeedbackKind::PictureLoss,
        FeedbackKind::SliceLoss,
        FeedbackKind::ReferencePicture,
        FeedbackKind::FullIntraRequest,
        FeedbackKind::TradeOffRequest,
        FeedbackKind::TradeOffNotice,
        FeedbackKind::BackChannel,
        FeedbackKind::MaximumBitrate,
        FeedbackKind::Application,
        FeedbackKind::Other,
    ];

    /// RFC 4585 sections 6.2 and 6.3, RFC 5104 section 4.3 (TMMBR, FIR, TSTR, VBCM), RFC 8888 (CCFB); 15 of RTPFB is transport-wide
    /// congestion control (draft-holmer-rmcat-transport-wide-cc-extensions), 15 of PSFB the application's own.
    fn new(packet: PacketType, format: u8, information: &[u8]) -> FeedbackKind {
        match (packet, format) {
            (PacketType::TransportFeedback, 1) => FeedbackKind::Nack,
            (PacketType::TransportFeedback, 3) => FeedbackKind::TemporaryRateRequest,
            (PacketType::TransportFeedback, 4) => FeedbackKind::TemporaryRateNotice,
            (PacketType::TransportFeedback, 11) => FeedbackKind::CongestionControl,
            (PacketType::TransportFeedback, 15) => FeedbackKind::TransportWide,
            (PacketType::PayloadFeedback, 1) => FeedbackKind::PictureLoss,
            (PacketType::PayloadFeedback, 2) => FeedbackKind::SliceLoss,
            (PacketType::PayloadFeedback, 3) => FeedbackKind::ReferencePicture,
            (PacketType::PayloadFeedback, 4) => FeedbackKind::FullIntraRequest,
            (PacketType::PayloadFeedback, 5) => FeedbackKind::TradeOffRequest,
            (PacketType::PayloadFeedback, 6) => FeedbackKind::TradeOffNotice,
            (PacketType::PayloadFeedback, 7) => FeedbackKind::BackChannel,
            // draft-alvestrand-rmcat-remb section 2.2.
            (PacketType::PayloadFeedback, 15) if information.starts_with(b"REMB") => FeedbackKind::MaximumBitrate,
            (PacketType::PayloadFeedback, 15) => FeedbackKind::Application,
            _ => FeedbackKind::Other,
        }
    }

    /// The abbreviation that the RFCs use.
    pub const fn name(self) -> &'static str {
        match self {
            FeedbackKind::Nack => "nack",
            FeedbackKind::TemporaryRateRequest => "tmmbr",
            FeedbackKind::TemporaryRateNotice => "tmmbn",
            FeedbackKind::CongestionControl => "ccfb",
            FeedbackKind::TransportWide => "transport_cc",
            FeedbackKind::PictureLoss => "pli",
            FeedbackKind::SliceLoss => "sli",
            FeedbackKind::ReferencePicture => "rpsi",
            FeedbackKind::FullIntraRequest => "fir",
            FeedbackKind::TradeOffRequest => "tstr",
            FeedbackKind::TradeOffNotice => "tstn",
            FeedbackKind::BackChannel => "vbcm",
            FeedbackKind::MaximumBitrate => "remb",
            FeedbackKind::Application => "application",
            FeedbackKind::Other => "other",
        }
    }
}

/// One feedback packet.
#[derive(Clone, Copy, Debug)]
pub struct Feedback<'a> {
    pub kind: FeedbackKind,
    information: &'a [u8],
}

const HEADER: usize = 12;
/// A packet identifier and a mask of the 16 that follow it (RFC 4585 section 6.2.1).
const NACK_ENTRY: usize = 4;

impl<'a> Feedback<'a> {
    pub(super) fn read(packet: PacketType, format: u8, bytes: &'a [u8]) -> Option<Feedback<'a>> {
        if !matches!(packet, PacketType::TransportFeedback | PacketType::PayloadFeedback) {
            return None;
        }
        let information = bytes.get(HEADER..)?;
        Some(Feedback { kind: FeedbackKind::new(packet, format, information), information })
    }

    /// Packets that a generic NACK asks for again; zero in all others.
    pub fn nacked(&self) -> u64 {
        if self.kind != FeedbackKind::Nack {
            return 0;
        }
        let entries = self.information.chunks_exact(NACK_ENTRY);
        entries.filter_map(|entry| half(entry, 2)).map(|mask| 1 + u64::from(mask.count_ones())).sum()
    }

    /// Whether there is as much information as the format needs at least.
    pub(super) fn is_whole(&self) -> bool {
        let least = match self.kind {
            FeedbackKind::Nack | FeedbackKind::SliceLoss | FeedbackKind::ReferencePicture => 4,
            // RFC 5104 sections 4.2 and 4.3: an SSRC and a word each; TMMBN may be empty.
            FeedbackKind::TemporaryRateRequest
            | FeedbackKind::FullIntraRequest
            | FeedbackKind::TradeOffRequest
            | FeedbackKind::TradeOffNotice
            | FeedbackKind::BackChannel
            | FeedbackKind::TransportWide
            | FeedbackKind::MaximumBitrate => 8,
            FeedbackKind::TemporaryRateNotice
            | FeedbackKind::CongestionControl
            | FeedbackKind::PictureLoss
            | FeedbackKind::Application
            | FeedbackKind::Other => 0,
        };
        self.information.len() >= least
    }
}
