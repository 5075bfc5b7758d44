//! The codec table: one row an RTP encoding, and RFC 3551's static payload types.
//!
//! A row without an [`Impairment`] is a known name without a narrowband model value: it gets no MOS, never a guess.

use super::emodel::Impairment;

/// What an encoding carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MediaKind {
    /// Speech or music.
    Audio,
    /// Moving or still pictures.
    Video,
    /// DTMF and other telephone events (RFC 4733).
    Event,
    /// Comfort noise (RFC 3389).
    ComfortNoise,
    /// Redundancy, repair, fax, data, and what is not known.
    Other,
}

/// One row of the table.
#[derive(Debug)]
pub struct Codec {
    /// The label value and the name on the command line: the encoding name in lower case.
    pub name: &'static str,
    /// Further encoding names seen in SDP for the same thing; compared without regard to case.
    pub aliases: &'static [&'static str],
    /// RTP clock rate, Hz; `None` where only the SDP can tell.
    pub clock_rate_hz: Option<u32>,
    /// What it carries.
    pub media: MediaKind,
    /// Time that one frame holds, seconds; `None` if sample based, variable or no speech.
    pub frame_seconds: Option<f64>,
    /// Ie and Bpl with the packet loss concealment that receivers have.
    pub impairment: Option<Impairment>,
    /// Ie and Bpl without concealment, where that differs.
    pub without_plc: Option<Impairment>,
    /// Where Ie and Bpl come from.
    pub source: &'static str,
}

/// An encoding as an index into the closed list of names: a label value, and a look-up without hashing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CodecId(u8);

impl CodecId {
    /// Nobody said what this is: a dynamic payload type without SDP.
    pub const UNKNOWN: CodecId = CodecId(0);
    /// Named in SDP, but by a name outside the list.
    pub const OTHER: CodecId = CodecId(1);
    /// Ids are below this.
    pub const COUNT: usize = TABLE.len();

    /// The id of an encoding name as it stands in SDP (`a=rtpmap`), in any case; [`Self::OTHER`] if not in the list.
    pub fn from_encoding(encoding: &[u8]) -> CodecId {
        let same = |name: &&str| name.as_bytes().eq_ignore_ascii_case(encoding);
        let row = TABLE.iter().skip(2).position(|c| same(&c.name) || c.aliases.iter().any(same));
        row.and_then(|i| u8::try_from(i + 2).ok()).map_or(Self::OTHER, CodecId)
    }

    /// The id and clock rate (Hz) of a static payload type (RFC 3551, section 6).
    pub fn from_static_payload(pt: u8) -> Option<(CodecId, u32)> {
        static_payload(pt).map(|(name, clock)| (Self::from_encoding(name.as_bytes()), clock))
    }

    /// The row of the table.
    pub fn codec(self) -> &'static Codec {
        TABLE.get(usize::from(self.0)).unwrap_or(&TABLE[0])
    }

    /// The label value.
    pub fn name(self) -> &'static str {
        self.codec().name
    }

    /// What the encoding carries.
    pub fn media(self) -> MediaKind {
        self.codec().media
    }

    /// Ie and Bpl, with or without packet loss concealment; `None`: no model, no MOS.
    pub fn impairment(self, plc: bool) -> Option<&'static Impairment> {
        self.codec().impairment(plc)
    }

    /// The position in the list, below [`Self::COUNT`].
    pub fn index(self) -> usize {
        usize::from(self.0)
    }

    /// Every id, in the order of the table.
    pub fn all() -> impl Iterator<Item = CodecId> {
        (0..=u8::MAX).take(Self::COUNT).map(CodecId)
    }
}

impl Codec {
    /// Ie and Bpl, with or without packet loss concealment. Where concealment is part of the decoder both are the same.
    pub fn impairment(&self, plc: bool) -> Option<&Impairment> {
        match (plc, &self.without_plc) {
            (false, Some(bare)) => Some(bare),
            _ => self.impairment.as_ref(),
        }
    }
}

/// The row of an encoding name or alias, in any case.
pub fn lookup(encoding: &str) -> Option<&'static Codec> {
    match CodecId::from_encoding(encoding.as_bytes()) {
        CodecId::OTHER => None,
        id => Some(id.codec()),
    }
}

/// The codecs that have a model, in the order of the table.
pub fn with_model() -> impl Iterator<Item = &'static Codec> {
    TABLE.iter().filter(|c| c.impairment.is_some())
}

/// Encoding name in lower case and clock rate (Hz) of a static payload type: RFC 3551 section 6, tables 4 and 5.
/// Reserved and unassigned types (1, 2, 19 to 24, 27, 29, 30) are `None`.
pub fn static_payload(pt: u8) -> Option<(&'static str, u32)> {
    Some(match pt {
        0 => ("pcmu", 8_000),
        3 => ("gsm", 8_000),
        4 => ("g723", 8_000),
        5 => ("dvi4", 8_000),
        6 => ("dvi4", 16_000),
        7 => ("lpc", 8_000),
        8 => ("pcma", 8_000),
        9 => ("g722", 8_000), // the RTP clock is half the sampling rate: section 4.5.2
        10 | 11 => ("l16", 44_100),
        12 => ("qcelp", 8_000),
        13 => ("cn", 8_000),
        14 => ("mpa", 90_000),
        15 => ("g728", 8_000),
        16 => ("dvi4", 11_025),
        17 => ("dvi4", 22_050),
        18 => ("g729", 8_000),
        25 => ("celb", 90_000),
        26 => ("jpeg", 90_000),
        28 => ("nv", 90_000),
        31 => ("h261", 90_000),
        32 => ("mpv", 90_000),
        33 => ("mp2t", 90_000),
        34 => ("h263", 90_000),
        _ => return None,
    })
}

const G711: Option<Impairment> = Some(Impairment { ie: 0.0, bpl: 25.1 });
const G711_BARE: Option<Impairment> = Some(Impairment { ie: 0.0, bpl: 4.3 });
const G711_SOURCE: &str = "ITU-T G.113 App. I: Ie 0; Bpl 25.1 with G.711 App. I concealment, 4.3 without";
const G729: Option<Impairment> = Some(Impairment { ie: 10.0, bpl: 19.0 });
const G729_SOURCE: &str = "ITU-T G.113 App. I: Ie 10 (G.729, no VAD), Bpl 19.0 (G.729A + VAD)";

/// A row without a model.
const fn known(name: &'static str, aliases: &'static [&'static str], clock: u32, media: MediaKind) -> Codec {
    let clock_rate_hz = if clock == FROM_SDP { None } else { Some(clock) };
    Codec { name, aliases, clock_rate_hz, media, frame_seconds: None, impairment: None, without_plc: None, source: "" }
}

/// The encoding has no fixed clock: only `a=rtpmap` tells.
const FROM_SDP: u32 = 0;

use MediaKind::{Audio, ComfortNoise, Event, Other, Video};

/// Rows 0 and 1 are [`CodecId::UNKNOWN`] and [`CodecId::OTHER`]; frame times from RFC 3551 section 4.5 unless said.
static TABLE: [Codec; 73] = [
    known("unknown", &[], FROM_SDP, Other),
    known("other", &[], FROM_SDP, Other),
    Codec { impairment: G711, without_plc: G711_BARE, source: G711_SOURCE, ..known("pcmu", &["G711U"], 8_000, Audio) },
    Codec { impairment: G711, without_plc: G711_BARE, source: G711_SOURCE, ..known("pcma", &["G711A"], 8_000, Audio) },
    Codec {
        frame_seconds: Some(0.010),
        impairment: G729,
        source: G729_SOURCE,
        ..known("g729", &["G.729"], 8_000, Audio)
    },
    Codec {
        // Annex A is the same bit stream with a cheaper search; G.113 has no value of its own for it without VAD.
        frame_seconds: Some(0.010),
        impairment: G729,
        source: G729_SOURCE,
        ..known("g729a", &["G.729A"], 8_000, Audio)
    },
    Codec {
        frame_seconds: Some(0.010),
        impairment: Some(Impairment { ie: 11.0, bpl: 19.0 }),
        source: "ITU-T G.113 App. I: G.729A + VAD, Ie 11, Bpl 19.0",
        ..known("g729ab", &["G.729AB", "G729B", "G.729B"], 8_000, Audio)
    },
    Codec {
        frame_seconds: Some(0.030),
        impairment: Some(Impairment { ie: 15.0, bpl: 16.1 }),
        source: "ITU-T G.113 App. I: G.723.1 + VAD at 6.3 kbit/s, Ie 15, Bpl 16.1",
        ..known("g723", &["G7231", "G.723", "G.723.1", "G723-63"], 8_000, Audio)
    },
    Codec {
        frame_seconds: Some(0.030),
        impairment: Some(Impairment { ie: 19.0, bpl: 16.1 }),
        source: "ITU-T G.113 App. I: G.723.1 at 5.3 kbit/s, Ie 19; Bpl 16.1 is that of 6.3 kbit/s, whose concealment it shares",
        ..known("g723-53", &[], 8_000, Audio)
    },
    Codec {
        frame_seconds: Some(0.020),
        impairment: Some(Impairment { ie: 20.0, bpl: 10.0 }),
        source: "ITU-T G.113 App. I: GSM 06.10 full rate, Ie 20; Bpl 10.0 is that of GSM-EFR",
        ..known("gsm", &["GSM-FR"], 8_000, Audio)
    },
    Codec {
        frame_seconds: Some(0.020),
        impairment: Some(Impairment { ie: 5.0, bpl: 10.0 }),
        source: "ITU-T G.113 App. I: GSM 06.60 enhanced full rate, Ie 5, Bpl 10.0",
        ..known("gsm-efr", &[], 8_000, Audio)
    },
    known("gsm-hr", &["GSM-HR-08"], 8_000, Audio), // RFC 5993
    known("g722", &[], 8_000, Audio),              // sampled at 16 kHz, RTP clock 8 kHz: RFC 3551 4.5.2
    known("g7221", &["G722.1"], FROM_SDP, Audio),  // RFC 5577: 16 or 32 kHz
    known("g719", &[], 48_000, Audio),             // RFC 5404
    known("g726-16", &["AAL2-G726-16"], 8_000, Audio),
    known("g726-24", &["AAL2-G726-24"], 8_000, Audio),
    known("g726-32", &["AAL2-G726-32", "G721"], 8_000, Audio),
    known("g726-40", &["AAL2-G726-40"], 8_000, Audio),
    known("g728", &[], 8_000, Audio),
    known("g7291", &["G729.1"], 16_000, Audio), // RFC 4749
    known("g729d", &[], 8_000, Audio),
    known("g729e", &[], 8_000, Audio),
    known("opus", &[], 48_000, Audio), // RFC 7587: always 48 kHz
    Codec { frame_seconds: Some(0.020), ..known("amr", &["AMR-NB"], 8_000, Audio) }, // RFC 4867
    Codec { frame_seconds: Some(0.020), ..known("amr-wb", &[], 16_000, Audio) }, // RFC 4867
    known("amr-wb+", &[], 72_000, Audio), // RFC 4352
    Codec { frame_seconds: Some(0.020), ..known("evs", &[], 16_000, Audio) }, // 3GPP TS 26.445 A.3
    known("ilbc", &[], 8_000, Audio),  // RFC 3952: frames of 20 or 30 ms
    known("speex", &[], FROM_SDP, Audio), // RFC 5574: 8, 16 or 32 kHz
    known("isac", &[], FROM_SDP, Audio),
    known("silk", &[], FROM_SDP, Audio),
    known("bv16", &[], 8_000, Audio),  // RFC 4298
    known("bv32", &[], 16_000, Audio), // RFC 4298
    known("evrc", &["EVRC0", "EVRC1", "EVRCB", "EVRCB0", "EVRCB1"], 8_000, Audio), // RFC 3558, RFC 4788
    known("vmr-wb", &[], 16_000, Audio), // RFC 4348
    known("qcelp", &[], 8_000, Audio),
    known("lpc", &[], 8_000, Audio),
    known("dvi4", &[], FROM_SDP, Audio), // 8, 11.025, 16 or 22.05 kHz
    known("l8", &[], FROM_SDP, Audio),
    known("l16", &[], FROM_SDP, Audio),
    known("l24", &[], FROM_SDP, Audio),                 // RFC 3190
    known("mpa", &["MPA-ROBUST"], 90_000, Audio),       // RFC 2250, RFC 5219
    known("mp4a-latm", &[], FROM_SDP, Audio),           // RFC 6416
    known("mpeg4-generic", &[], FROM_SDP, Audio),       // RFC 3640
    known("ac3", &["EAC3"], FROM_SDP, Audio),           // RFC 4184, RFC 4598
    known("clearmode", &[], 8_000, Other),              // RFC 4040
    known("telephone-event", &[], FROM_SDP, Event),     // RFC 4733: the clock of the audio beside it
    known("tone", &[], FROM_SDP, Event),                // RFC 4733 section 3
    known("cn", &[], FROM_SDP, ComfortNoise),           // RFC 3389: the clock of the audio beside it
    known("red", &[], FROM_SDP, Other),                 // RFC 2198
    known("rtx", &[], FROM_SDP, Other),                 // RFC 4588
    known("ulpfec", &[], FROM_SDP, Other),              // RFC 5109
    known("flexfec", &["FLEXFEC-03"], FROM_SDP, Other), // RFC 8627
    known("t38", &[], FROM_SDP, Other),                 // RFC 4612
    known("h261", &[], 90_000, Video),
    known("h263", &[], 90_000, Video),
    known("h263-1998", &["H263-2000"], 90_000, Video), // RFC 4629
    known("h264", &["H264-SVC"], 90_000, Video),       // RFC 6184, RFC 6190
    known("h265", &[], 90_000, Video),                 // RFC 7798
    known("h266", &[], 90_000, Video),                 // RFC 9328
    known("vp8", &[], 90_000, Video),                  // RFC 7741
    known("vp9", &[], 90_000, Video),                  // RFC 9628
    known("av1", &["AV1X"], 90_000, Video),            // AOM "RTP Payload Format For AV1"
    known("mp4v-es", &[], 90_000, Video),              // RFC 6416
    known("mpv", &[], 90_000, Video),
    known("mp2t", &[], 90_000, Video),
    known("mp1s", &[], 90_000, Video),
    known("mp2p", &[], 90_000, Video),
    known("jpeg", &[], 90_000, Video),
    known("jpeg2000", &[], 90_000, Video), // RFC 5371
    known("celb", &[], 90_000, Video),
    known("nv", &[], 90_000, Video),
];

const _: () = assert!(CodecId::COUNT <= u8::MAX as usize + 1);
