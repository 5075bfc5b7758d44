//! The rows of the codec table, and where each value comes from.
//!
//! Streams are rated only by a pair of Ie and Bpl from the same conditions. G.113 App. IV gives Bpl,WB for listening with
//! two ears only, so the wideband pairs take their Ie,WB from there too (Tables IV.3 and IV.4), not from Table IV.1 (one
//! ear). An Ie,WB that stands alone is of two ears as well wherever Table IV.3 has one.

use super::codec::{Codec, Layout, MediaKind, Mode};
use super::rating::{Impairment, Model};

use MediaKind::{Audio, ComfortNoise, Event, Other, Video};
use Model::{Fullband, Narrowband, Wideband};

/// A mode with a published pair of Ie and Bpl.
const fn rated(name: &'static str, model: Model, ie: f64, bpl: f64, source: &'static str) -> Mode {
    Mode { name, model, impairment: Some(Impairment { ie, bpl }), without_plc: None, ie_alone: None, source }
}

/// A mode with a published Ie and no Bpl.
const fn without_bpl(name: &'static str, model: Model, ie: f64, source: &'static str) -> Mode {
    Mode { name, model, impairment: None, without_plc: None, ie_alone: Some(ie), source }
}

/// A mode without either; `missing` says what there is.
const fn unrated(name: &'static str, model: Model, missing: &'static str) -> Mode {
    Mode { name, model, impairment: None, without_plc: None, ie_alone: None, source: missing }
}

const fn g711(name: &'static str) -> Mode {
    Mode {
        name,
        model: Narrowband,
        impairment: Some(Impairment { ie: 0.0, bpl: 25.1 }),
        without_plc: Some(Impairment { ie: 0.0, bpl: 4.3 }),
        ie_alone: None,
        source: "G.113 Table I.4: Ie 0; Bpl 25.1 with the concealment of G.711 App. I, 4.3 without any",
    }
}

const G729: &str = "G.113 Table I.1: Ie 10 (no VAD); Bpl 19.0 of Table I.4, measured on G.729A + VAD";
const NO_AMR: &str = "G.113 has no AMR; the Ie of 3GPP's tests have no Bpl beside them";
const UNVERIFIED_WB: &str = "G.113 App. IV lists it; no Ie,WB or Bpl,WB could be verified";
const G722_WB: &str =
    "G.113 (11/2007) App. IV, Table IV.1, one ear (from memory: no second copy was found); no Bpl,WB in Table IV.4";
const NO_EVS: &str = "G.113 Table V.1 has EVS at 9.6 to 48 kbit/s only";
const EVS: &str = "G.113 (09/2024) Tables V.1, V.3 with Erratum 1: super-wideband coding, two ears";
const NOTHING: &str = "no value found in G.113";
const NO_ILBC: &str = "no value found in G.113; an Ie of 0 stands elsewhere, without an origin that could be verified";

static PCMU: [Mode; 1] = [g711("pcmu")];
static PCMA: [Mode; 1] = [g711("pcma")];
static G729_PLAIN: [Mode; 1] = [rated("g729", Narrowband, 10.0, 19.0, G729)];
static G729_A: [Mode; 1] = [rated("g729a", Narrowband, 10.0, 19.0, G729)];
static G729_AB: [Mode; 1] = [rated("g729ab", Narrowband, 11.0, 19.0, "G.113 Table I.4: G.729A + VAD, Ie 11, Bpl 19.0")];
static G723: [Mode; 2] = [
    rated("g723-63", Narrowband, 15.0, 16.1, "G.113 Table I.4: G.723.1 + VAD at 6.3 kbit/s, Ie 15, Bpl 16.1"),
    rated(
        "g723-53",
        Narrowband,
        19.0,
        16.1,
        "G.113 Table I.1: Ie 19; Bpl 16.1 of Table I.4 is that of 6.3 kbit/s, whose concealment it shares",
    ),
];
static GSM: [Mode; 1] = [rated(
    "gsm",
    Narrowband,
    20.0,
    10.0,
    "G.113 Table I.1: GSM 06.10, Ie 20; Bpl 10.0 of Table I.4 is that of GSM-EFR",
)];
static GSM_EFR: [Mode; 1] = [rated("gsm-efr", Narrowband, 5.0, 10.0, "G.113 Table I.4: GSM 06.60, Ie 5, Bpl 10.0")];
static GSM_HR: [Mode; 1] = [without_bpl("gsm-hr", Narrowband, 23.0, "G.113 Table I.1: Ie 23; no Bpl in Table I.4")];
static G726_16: [Mode; 1] = [without_bpl("g726-16", Narrowband, 50.0, "G.113 Table I.1: Ie 50; no Bpl in Table I.4")];
static G726_24: [Mode; 1] = [without_bpl("g726-24", Narrowband, 25.0, "G.113 Table I.1: Ie 25; no Bpl in Table I.4")];
static G726_32: [Mode; 1] = [without_bpl("g726-32", Narrowband, 7.0, "G.113 Table I.1: Ie 7; no Bpl in Table I.4")];
static G726_40: [Mode; 1] = [without_bpl("g726-40", Narrowband, 2.0, "G.113 Table I.1: Ie 2; no Bpl in Table I.4")];
static G728: [Mode; 1] = [without_bpl("g728", Narrowband, 7.0, "G.113 Table I.1: Ie 7; no Bpl in Table I.4")];
static G729_D: [Mode; 1] = [unrated("g729d", Narrowband, NOTHING)];
static G729_E: [Mode; 1] = [unrated("g729e", Narrowband, NOTHING)];
static ILBC: [Mode; 2] = [unrated("ilbc-20", Narrowband, NO_ILBC), unrated("ilbc-30", Narrowband, NO_ILBC)];
static SPEEX: [Mode; 1] = [unrated("speex", Narrowband, NOTHING)];
/// In the order of RFC 4867's frame types.
static AMR: [Mode; 8] = [
    unrated("amr-4.75", Narrowband, NO_AMR),
    unrated("amr-5.15", Narrowband, NO_AMR),
    unrated("amr-5.9", Narrowband, NO_AMR),
    unrated("amr-6.7", Narrowband, NO_AMR),
    without_bpl(
        "amr-7.4",
        Narrowband,
        10.0,
        "RFC 4867, 3.1: the 7.4 kbit/s mode is the IS-641 codec; its value in G.113 Table I.1: Ie 10; no Bpl in Table I.4",
    ),
    unrated("amr-7.95", Narrowband, NO_AMR),
    unrated("amr-10.2", Narrowband, NO_AMR),
    rated(
        "amr-12.2",
        Narrowband,
        5.0,
        10.0,
        "3GPP TS 26.071: the 12.2 kbit/s mode is the GSM-EFR codec; its values in G.113 Table I.4: Ie 5, Bpl 10.0",
    ),
];
/// In the order of RFC 4867's frame types.
static AMR_WB: [Mode; 9] = [
    without_bpl(
        "amr-wb-6.6",
        Wideband,
        56.0,
        "G.113 Table IV.3, two ears: Ie,WB 56 (IV.1, one ear: 41); no Bpl,WB in Table IV.4",
    ),
    without_bpl(
        "amr-wb-8.85",
        Wideband,
        41.0,
        "G.113 Table IV.3, two ears: Ie,WB 41 (IV.1, one ear: 26); no Bpl,WB in Table IV.4",
    ),
    rated("amr-wb-12.65", Wideband, 20.0, 4.3, "G.113 (09/2024) Tables IV.3, IV.4: G.722.2 at 12.65 kbit/s, two ears"),
    without_bpl(
        "amr-wb-14.25",
        Wideband,
        10.0,
        "G.113 Table IV.1, one ear: Ie,WB 10; none for two in IV.3, no Bpl,WB in IV.4",
    ),
    without_bpl(
        "amr-wb-15.85",
        Wideband,
        17.0,
        "G.113 Table IV.3, two ears: Ie,WB 17 (IV.1, one ear: 7); no Bpl,WB in Table IV.4",
    ),
    without_bpl(
        "amr-wb-18.25",
        Wideband,
        5.0,
        "G.113 Table IV.1, one ear: Ie,WB 5; none for two in IV.3, no Bpl,WB in IV.4",
    ),
    without_bpl(
        "amr-wb-19.85",
        Wideband,
        3.0,
        "G.113 Table IV.1, one ear: Ie,WB 3; none for two in IV.3, no Bpl,WB in IV.4",
    ),
    rated("amr-wb-23.05", Wideband, 8.0, 4.6, "G.113 (09/2024) Tables IV.3, IV.4: G.722.2 at 23.05 kbit/s, two ears"),
    rated("amr-wb-23.85", Wideband, 10.0, 4.9, "G.113 (09/2024) Tables IV.3, IV.4: G.722.2 at 23.85 kbit/s, two ears"),
];
/// In the order of the bit rates of TS 26.445, Table A.4.
static EVS_PRIMARY: [Mode; 12] = [
    unrated("evs-2.8", Fullband, NO_EVS),
    unrated("evs-7.2", Fullband, NO_EVS),
    unrated("evs-8", Fullband, NO_EVS),
    rated("evs-9.6", Fullband, 22.7, 13.0, EVS),
    rated("evs-13.2", Fullband, 17.1, 11.7, EVS),
    rated("evs-16.4", Fullband, 10.8, 10.3, EVS),
    rated("evs-24.4", Fullband, 7.2, 11.4, EVS),
    rated("evs-32", Fullband, 8.7, 9.3, EVS),
    rated("evs-48", Fullband, 10.2, 9.6, EVS),
    unrated("evs-64", Fullband, NO_EVS),
    unrated("evs-96", Fullband, NO_EVS),
    unrated("evs-128", Fullband, NO_EVS),
];
static G722: [Mode; 3] = [
    without_bpl("g722-64", Wideband, 13.0, G722_WB),
    without_bpl("g722-56", Wideband, 20.0, G722_WB),
    without_bpl("g722-48", Wideband, 31.0, G722_WB),
];
static G722_1: [Mode; 2] =
    [without_bpl("g7221-24", Wideband, 19.0, G722_WB), without_bpl("g7221-32", Wideband, 13.0, G722_WB)];
static G729_1: [Mode; 1] = [unrated("g7291", Wideband, UNVERIFIED_WB)];
static OPUS: [Mode; 1] = [unrated(
    "opus",
    Fullband,
    "G.113 has no value for it; values derived with instruments (P.863) exist for single bit rates, on scales that differ",
)];

/// A row without modes.
const fn known(name: &'static str, aliases: &'static [&'static str], clock: u32, media: MediaKind) -> Codec {
    let clock_rate_hz = if clock == FROM_SDP { None } else { Some(clock) };
    let (layout, modes) = (Layout::Opaque, &[]);
    Codec { name, aliases, clock_rate_hz, media, frame_seconds: None, layout, modes, default_mode: 0 }
}

/// The encoding has no fixed clock: only `a=rtpmap` tells.
const FROM_SDP: u32 = 0;

/// Rows 0 and 1 are [`super::CodecId::UNKNOWN`] and `OTHER`; frame times from RFC 3551 section 4.5 unless said.
pub(super) static TABLE: [Codec; 72] = [
    known("unknown", &[], FROM_SDP, Other),
    known("other", &[], FROM_SDP, Other),
    Codec { modes: &PCMU, ..known("pcmu", &["G711U"], 8_000, Audio) },
    Codec { modes: &PCMA, ..known("pcma", &["G711A"], 8_000, Audio) },
    Codec {
        frame_seconds: Some(0.010),
        layout: Layout::G729,
        modes: &G729_PLAIN,
        ..known("g729", &["G.729"], 8_000, Audio)
    },
    Codec {
        // Annex A is the same bit stream with a cheaper search; G.113 has no value of its own for it without VAD.
        frame_seconds: Some(0.010),
        layout: Layout::G729,
        modes: &G729_A,
        ..known("g729a", &["G.729A"], 8_000, Audio)
    },
    Codec {
        frame_seconds: Some(0.010),
        layout: Layout::G729,
        modes: &G729_AB,
        ..known("g729ab", &["G.729AB", "G729B", "G.729B"], 8_000, Audio)
    },
    Codec {
        frame_seconds: Some(0.030),
        layout: Layout::G723,
        modes: &G723,
        ..known("g723", &["G7231", "G.723", "G.723.1"], 8_000, Audio)
    },
    Codec { frame_seconds: Some(0.020), modes: &GSM, ..known("gsm", &["GSM-FR"], 8_000, Audio) },
    Codec { frame_seconds: Some(0.020), modes: &GSM_EFR, ..known("gsm-efr", &[], 8_000, Audio) },
    Codec { frame_seconds: Some(0.020), modes: &GSM_HR, ..known("gsm-hr", &["GSM-HR-08"], 8_000, Audio) }, // RFC 5993
    Codec { modes: &G722, ..known("g722", &[], 8_000, Audio) }, // sampled at 16 kHz, RTP clock 8 kHz: RFC 3551 4.5.2
    Codec { frame_seconds: Some(0.020), modes: &G722_1, ..known("g7221", &["G722.1"], FROM_SDP, Audio) }, // RFC 5577: 16 or 32 kHz
    known("g719", &[], 48_000, Audio),                                                                    // RFC 5404
    Codec { modes: &G726_16, ..known("g726-16", &["AAL2-G726-16"], 8_000, Audio) },
    Codec { modes: &G726_24, ..known("g726-24", &["AAL2-G726-24"], 8_000, Audio) },
    Codec { modes: &G726_32, ..known("g726-32", &["AAL2-G726-32", "G721"], 8_000, Audio) },
    Codec { modes: &G726_40, ..known("g726-40", &["AAL2-G726-40"], 8_000, Audio) },
    Codec { frame_seconds: Some(0.0025), modes: &G728, ..known("g728", &[], 8_000, Audio) },
    Codec { frame_seconds: Some(0.020), modes: &G729_1, ..known("g7291", &["G729.1"], 16_000, Audio) }, // RFC 4749
    Codec { frame_seconds: Some(0.010), modes: &G729_D, ..known("g729d", &[], 8_000, Audio) },
    Codec { frame_seconds: Some(0.010), modes: &G729_E, ..known("g729e", &[], 8_000, Audio) },
    Codec { modes: &OPUS, ..known("opus", &[], 48_000, Audio) }, // RFC 7587: always 48 kHz
    Codec {
        frame_seconds: Some(0.020), // RFC 4867
        layout: Layout::Amr,
        modes: &AMR,
        default_mode: 7,
        ..known("amr", &["AMR-NB"], 8_000, Audio)
    },
    Codec {
        frame_seconds: Some(0.020), // RFC 4867
        layout: Layout::AmrWb,
        modes: &AMR_WB,
        default_mode: 2,
        ..known("amr-wb", &[], 16_000, Audio)
    },
    known("amr-wb+", &[], 72_000, Audio), // RFC 4352
    Codec {
        frame_seconds: Some(0.020), // 3GPP TS 26.445 A.3
        layout: Layout::Evs,
        modes: &EVS_PRIMARY,
        default_mode: 6,
        ..known("evs", &[], 16_000, Audio)
    },
    Codec { layout: Layout::Ilbc, modes: &ILBC, default_mode: 1, ..known("ilbc", &[], 8_000, Audio) }, // RFC 3952: 20 or 30 ms
    Codec { frame_seconds: Some(0.020), modes: &SPEEX, ..known("speex", &[], FROM_SDP, Audio) }, // RFC 5574: 8, 16 or 32 kHz
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

const _: () = assert!(TABLE.len() <= u8::MAX as usize + 1);
