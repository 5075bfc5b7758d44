//! One entry to the three E-models, and the scale on which their results can be added up.
//!
//! The R scale of G.107 is extended, not rescaled, by G.107.1 and G.107.2: a clean narrowband connection is 93.2 on all
//! three, a clean wideband one 129, a clean fullband one 148. What narrowband loses on the longer scales is put into
//! impairment factors (G.113: Ie,WB of G.711 is 36; Ie,FB is Ie,WB + 19). So R compares across models. MOS does not: each
//! Recommendation maps its own R maximum to 4.5. [`Rating::mos`] is therefore Annex B of G.107 on R as it is.

use std::fmt;

use super::codec::Profile;
use super::{emodel, fullband, wideband};

/// MOS at and above R = 100 (G.107, equation B-4).
const MOS_MAX: f64 = 4.5;
/// MOS at and below R = 0 (equation B-4); its polynomial dips below this for small R, and no MOS does.
const MOS_MIN: f64 = 1.0;
/// The range of R that Annex B gives a meaning to.
const ANNEX_B_MAX: f64 = 100.0;
/// Delays beyond this are taken as this: Table 2 of G.107 ends at 0.5 s, and at 60 s every rating has long been 0.
const MAX_DELAY_MS: f64 = 60_000.0;
/// Burst ratios beyond this are taken as this: Table 2 of G.107 ends at 8.
pub const MAX_BURST_RATIO: f64 = 1000.0;

/// The Recommendation that rates an encoding, which follows from the band of speech that it carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Model {
    /// ITU-T G.107: 300 to 3400 Hz.
    Narrowband,
    /// ITU-T G.107.1: 50 to 7000 Hz.
    Wideband,
    /// ITU-T G.107.2: 20 to 20 000 Hz; super-wideband (50 to 14 000 Hz) is rated on it too.
    Fullband,
}

impl Model {
    /// The Recommendation's number.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Narrowband => "G.107",
            Self::Wideband => "G.107.1",
            Self::Fullband => "G.107.2",
        }
    }

    /// The band of speech.
    pub fn band(self) -> &'static str {
        match self {
            Self::Narrowband => "narrowband",
            Self::Wideband => "wideband",
            Self::Fullband => "super-wideband",
        }
    }

    /// The top of the R scale: G.107 Annex B; G.107.1 clause 7.2; G.107.2 clause 7.2.
    pub fn r_max(self) -> f64 {
        match self {
            Self::Narrowband => ANNEX_B_MAX,
            Self::Wideband => wideband::RO,
            Self::Fullband => fullband::RO,
        }
    }

    /// The scale that Ie,eff lives on: a codec's Ie can only fill it up (G.107 7-29; G.107.1 7-15; G.107.2 clause 7.5).
    pub fn ie_max(self) -> f64 {
        match self {
            Self::Narrowband | Self::Wideband => emodel::IE_SCALE,
            Self::Fullband => fullband::IE_SCALE,
        }
    }

    /// What R is divided by before Annex B's polynomial: 1; 1.29 (G.107.1 Annex A, A-1); 1.48 (G.107.2 Annex A).
    fn stretch(self) -> f64 {
        match self {
            Self::Narrowband => 1.0,
            Self::Wideband => wideband::STRETCH,
            Self::Fullband => fullband::STRETCH,
        }
    }
}

/// A codec's two constants (ITU-T G.113, appendices I, IV and V), on the scale of its model.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Impairment {
    /// Ie: what the codec costs without any loss.
    pub ie: f64,
    /// Bpl: how well it hides a lost packet; higher is better.
    pub bpl: f64,
}

/// What the network did to the stream.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Conditions {
    /// Packets that the listener did not get, 0 to 1.
    pub loss_ratio: f64,
    /// BurstR: mean length of the loss bursts over that of random loss. 1 is random, more is bursty. Below 1 (loss more
    /// even than random) counts as 1: Table 2 gives the range 1 to 8 and 7.5 defines BurstR for random and bursty loss only.
    pub burst_ratio: f64,
    /// One-way delay from mouth to ear, seconds.
    pub delay_seconds: f64,
    /// True: T = Ta = delay and Tr = 2 delay, with talker and listener echo at the default TELR and WEPL.
    /// False: only Ta = delay, as if all echo were cancelled. The fullband model knows no echo either way.
    pub echo: bool,
}

impl Conditions {
    /// No loss, no delay.
    pub const PERFECT: Conditions = Conditions { loss_ratio: 0.0, burst_ratio: 1.0, delay_seconds: 0.0, echo: false };
}

/// What each part of R = Ro - Is - Id - Ie,eff + A comes to (G.107 7-1, and clause 7.1 of the other two).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Parts {
    /// Ro: basic signal-to-noise ratio.
    pub ro: f64,
    /// Is: what comes with the voice itself, loudness, sidetone, quantizing.
    pub is: f64,
    /// Idte: talker echo.
    pub idte: f64,
    /// Idle: listener echo.
    pub idle: f64,
    /// Idd: too long an absolute delay, even without echo.
    pub idd: f64,
    /// Ie,eff: codec and packet loss.
    pub ie_eff: f64,
    /// A: advantage of access, 0 by default.
    pub advantage: f64,
}

/// R, MOS, and what each part took.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rating {
    /// The Recommendation that was applied.
    pub model: Model,
    /// Transmission rating factor R, 0 to [`Model::r_max`].
    pub r_factor: f64,
    /// Mean opinion score on the common, narrowband scale, 1 to 4.5: Annex B of G.107 on R. This one may be summed.
    pub mos: f64,
    /// Mean opinion score as the model's own Recommendation defines it, 1 to 4.5; compares only within the model.
    pub mos_model_scale: f64,
    /// Id = Idte + Idle + Idd: what delay does.
    pub id: f64,
    /// The terms of the sum.
    pub parts: Parts,
}

impl Rating {
    pub(super) fn new(model: Model, parts: Parts) -> Rating {
        let id = parts.idte + parts.idle + parts.idd;
        let r_factor = (parts.ro - parts.is - id - parts.ie_eff + parts.advantage).clamp(0.0, model.r_max());
        let (mos, mos_model_scale) = (mos_from_r(r_factor), mos_from_r(r_factor / model.stretch()));
        Rating { model, r_factor, mos, mos_model_scale, id, parts }
    }

    /// The class that users of such a connection fall into.
    pub fn satisfaction(&self) -> Satisfaction {
        Satisfaction::from_r(self.r_factor)
    }
}

/// Rates a stream coded as `profile` says under `conditions`, everything else at the defaults of the profile's model.
pub fn rate(profile: &Profile, conditions: &Conditions) -> Rating {
    let delay_ms = within(conditions.delay_seconds * 1000.0, 0.0, MAX_DELAY_MS);
    let echo_ms = if conditions.echo { delay_ms } else { 0.0 };
    let ie = within(profile.impairment.ie, 0.0, profile.model.ie_max());
    let bpl = profile.impairment.bpl.max(0.0);
    let ppl = 100.0 * within(conditions.loss_ratio, 0.0, 1.0);
    let burst_r = within(conditions.burst_ratio, 1.0, MAX_BURST_RATIO);
    match profile.model {
        Model::Narrowband => emodel::Parameters {
            ie,
            bpl,
            ppl,
            burst_r,
            t: echo_ms,
            tr: 2.0 * echo_ms,
            ta: delay_ms,
            ..emodel::Parameters::DEFAULT
        }
        .rating(),
        Model::Wideband => wideband::Parameters {
            ie,
            bpl,
            ppl,
            burst_r,
            t: echo_ms,
            tr: 2.0 * echo_ms,
            ta: delay_ms,
            ..wideband::Parameters::DEFAULT
        }
        .rating(),
        Model::Fullband => {
            fullband::Parameters { ie, bpl, ppl, burst_r, ta: delay_ms, ..fullband::Parameters::DEFAULT }.rating()
        }
    }
}

/// `value` held in a range; what is not a number counts as the worst, so that it never makes a rating good.
fn within(value: f64, best: f64, worst: f64) -> f64 {
    if value.is_nan() { worst } else { value.clamp(best, worst) }
}

/// MOS of a rating factor (G.107 Annex B, equation B-4).
pub fn mos_from_r(r: f64) -> f64 {
    let r = r.clamp(0.0, ANNEX_B_MAX);
    let mos = 1.0 + 0.035 * r + r * (r - 60.0) * (100.0 - r) * 7e-6;
    mos.clamp(MOS_MIN, MOS_MAX)
}

/// What users think of a connection (G.107 Annex B, Table B.1; below 50: G.109, "not recommended").
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Satisfaction {
    /// R of 90 and more.
    VerySatisfied,
    /// R of 80 to 90.
    Satisfied,
    /// R of 70 to 80.
    SomeUsersDissatisfied,
    /// R of 60 to 70.
    ManyUsersDissatisfied,
    /// R of 50 to 60.
    NearlyAllUsersDissatisfied,
    /// R below 50.
    NotRecommended,
}

impl Satisfaction {
    /// The class of a rating factor of any of the models; Table B.1 gives the lower limits.
    pub fn from_r(r: f64) -> Self {
        match r {
            r if r >= 90.0 => Self::VerySatisfied,
            r if r >= 80.0 => Self::Satisfied,
            r if r >= 70.0 => Self::SomeUsersDissatisfied,
            r if r >= 60.0 => Self::ManyUsersDissatisfied,
            r if r >= 50.0 => Self::NearlyAllUsersDissatisfied,
            _ => Self::NotRecommended,
        }
    }

    /// Table B.1's wording.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::VerySatisfied => "Very satisfied",
            Self::Satisfied => "Satisfied",
            Self::SomeUsersDissatisfied => "Some users dissatisfied",
            Self::ManyUsersDissatisfied => "Many users dissatisfied",
            Self::NearlyAllUsersDissatisfied => "Nearly all users dissatisfied",
            Self::NotRecommended => "Not recommended",
        }
    }
}

impl fmt::Display for Satisfaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
