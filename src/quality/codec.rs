//! What an encoding is: one row a codec, one profile a mode of it, and RFC 3551's static payload types.
//!
//! A mode without an [`Impairment`] has no published pair of Ie and Bpl: its streams get no MOS, never a guess.

use std::sync::LazyLock;

use super::rating::{Impairment, Model};
use super::table::TABLE;

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

/// How a payload shows the mode that it was coded in; see [`super::mode::carried`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// It does not, or there is one mode only.
    Opaque,
    /// RFC 4867, eight modes.
    Amr,
    /// RFC 4867, nine modes.
    AmrWb,
    /// 3GPP TS 26.445 Annex A.
    Evs,
    /// RFC 3551, section 4.5.3.
    G723,
    /// RFC 3551, section 4.5.6: one mode, but silence can be told from speech.
    G729,
    /// RFC 3952, section 3.1: by length.
    Ilbc,
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
    /// How packets show their mode.
    pub layout: Layout,
    /// The modes, in the order of the numbers that [`super::mode::carried`] gives them. None: nothing is published at all.
    pub modes: &'static [Mode],
    /// What the bare name means: the mode of the calculator, and of streams that need not show theirs.
    pub default_mode: u8,
}

/// One mode of a codec, a bit rate as a rule.
#[derive(Debug)]
pub struct Mode {
    /// The name on the command line, e.g. `amr-12.2`.
    pub name: &'static str,
    /// The Recommendation that rates it.
    pub model: Model,
    /// Ie and Bpl with the packet loss concealment that receivers have.
    pub impairment: Option<Impairment>,
    /// Ie and Bpl without concealment, where that differs.
    pub without_plc: Option<Impairment>,
    /// Ie where it is published and no Bpl beside it: for the calculator, while nothing is lost.
    pub ie_alone: Option<f64>,
    /// Where Ie and Bpl come from; without them, what is published and what is missing.
    pub source: &'static str,
}

/// What the E-models need to know of a stream's coding.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Profile {
    /// The mode's name.
    pub name: &'static str,
    /// The Recommendation that rates it.
    pub model: Model,
    /// Ie and Bpl on that model's scale.
    pub impairment: Impairment,
    /// Where they come from.
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
        /// Names and aliases, by their length.
        static NAMES: LazyLock<Vec<Vec<(&'static str, CodecId)>>> = LazyLock::new(|| {
            let rows = (0..=u8::MAX).zip(&TABLE).skip(2);
            let mut names = Vec::new();
            for (row, codec) in rows {
                for name in [codec.name].into_iter().chain(codec.aliases.iter().copied()) {
                    names.resize(names.len().max(name.len() + 1), Vec::new());
                    names[name.len()].push((name, CodecId(row)));
                }
            }
            names
        });
        let mut alike = NAMES.get(encoding.len()).into_iter().flatten();
        let first = |name: &[u8]| name.first().map(|first| first | 0x20);
        let begins = |name: &str| first(name.as_bytes()) == first(encoding);
        // Most write it as it is written here.
        let is = |name: &str| name.as_bytes() == encoding || name.as_bytes().eq_ignore_ascii_case(encoding);
        let same = alike.find(|(name, _)| begins(name) && is(name));
        same.map_or(Self::OTHER, |(_, id)| *id)
    }

    /// The id and clock rate (Hz) of a static payload type (RFC 3551, section 6).
    pub fn from_static_payload(pt: u8) -> Option<(CodecId, u32)> {
        static KNOWN: LazyLock<[Option<(CodecId, u32)>; 128]> = LazyLock::new(|| {
            let known = |pt| static_payload(pt).map(|(name, clock)| (CodecId::from_encoding(name.as_bytes()), clock));
            std::array::from_fn(|pt| u8::try_from(pt).ok().and_then(known))
        });
        KNOWN.get(usize::from(pt)).copied().flatten()
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

    /// Whether packets of this encoding show a mode that decides its rating: only then [`super::mode::carried`] is worth a call.
    pub fn has_modes(self) -> bool {
        let codec = self.codec();
        codec.layout != Layout::Opaque && codec.modes.len() > 1
    }

    /// What rates a stream whose packets showed `mode`, with or without packet loss concealment; `None`: no MOS.
    pub fn profile(self, mode: Option<u8>, plc: bool) -> Option<Profile> {
        let codec = self.codec();
        let index = match mode {
            Some(mode) => mode,
            None if codec.needs_mode() => return None,
            None => codec.default_mode,
        };
        codec.modes.get(usize::from(index))?.profile(plc)
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
    /// Whether a stream has no rating before a packet has shown its mode: the modes are up to a MOS apart, and encryption
    /// or a missing `a=fmtp` can hide them. G.723.1's two are close, and its name alone means 6.3 kbit/s.
    pub fn needs_mode(&self) -> bool {
        matches!(self.layout, Layout::Amr | Layout::AmrWb | Layout::Evs | Layout::Ilbc)
    }

    /// The mode that the bare name means to the calculator.
    pub fn default_mode(&self) -> Option<&'static Mode> {
        self.modes.get(usize::from(self.default_mode))
    }
}

impl Mode {
    /// Ie and Bpl, with or without packet loss concealment. Where concealment is part of the decoder both are the same.
    pub fn profile(&self, plc: bool) -> Option<Profile> {
        let impairment = match (plc, self.without_plc) {
            (false, Some(bare)) => bare,
            _ => self.impairment?,
        };
        Some(Profile { name: self.name, model: self.model, impairment, source: self.source })
    }

    /// Ie without a Bpl, for [`super::rating::Conditions`] without loss and for no others: not for streams, whose MOS
    /// would vanish in exactly the bad minutes.
    pub fn profile_without_loss(&self) -> Option<Profile> {
        // Bpl has no part where Ppl is 0 (G.107 7-29); 0 hides no loss, so that a mistake would rate too badly.
        let impairment = Impairment { ie: self.ie_alone?, bpl: 0.0 };
        Some(Profile { name: self.name, model: self.model, impairment, source: self.source })
    }
}

/// The row of an encoding name or alias, in any case.
pub fn lookup(encoding: &str) -> Option<&'static Codec> {
    match CodecId::from_encoding(encoding.as_bytes()) {
        CodecId::OTHER => None,
        id => Some(id.codec()),
    }
}

/// The mode that a name on the command line means: a mode's own name, or a codec's default mode. In any case.
/// `Err` for a codec of which nothing is published.
pub fn find_mode(name: &str) -> Option<Result<&'static Mode, &'static Codec>> {
    let of_mode = modes().map(|(_, mode)| mode).find(|mode| mode.name.eq_ignore_ascii_case(name));
    match of_mode {
        Some(mode) => Some(Ok(mode)),
        None => lookup(name).map(|codec| codec.default_mode().ok_or(codec)),
    }
}

/// Every mode with its codec, in the order of the table.
pub fn modes() -> impl Iterator<Item = (&'static Codec, &'static Mode)> {
    TABLE.iter().flat_map(|codec| codec.modes.iter().map(move |mode| (codec, mode)))
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
