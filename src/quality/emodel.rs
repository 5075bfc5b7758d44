//! ITU-T G.107 (06/2015), the E-model, written from its formulas.
//!
//! R = Ro - Is - Id - Ie,eff + A (equation 7-1), and Annex B turns R into MOS. Every input that a passive monitor
//! cannot know keeps the default of Table 2.

use std::fmt;

/// The range of R that Annex B gives a meaning to.
const R_MAX: f64 = 100.0;
/// MOS at and above R = 100 (equation B-4).
const MOS_MAX: f64 = 4.5;
/// MOS at and below R = 0 (equation B-4); its polynomial dips below this for small R, and no MOS does.
const MOS_MIN: f64 = 1.0;
/// Delays beyond this are taken as this: Table 2 ends at 0.5 s, and at 60 s every rating has long been 0.
const MAX_DELAY_MS: f64 = 60_000.0;
/// Burst ratios beyond this are taken as this: Table 2 ends at 8.
pub const MAX_BURST_RATIO: f64 = 1000.0;
/// The scale that Ie,eff lives on (equation 7-29): a codec's Ie can only fill it up.
const IE_SCALE: f64 = 95.0;
/// Talker echo of a shorter delay is sidetone, and impairs nothing (7.4: "for values of T < 1 ms").
const ECHO_MIN_MS: f64 = 1.0;

/// A codec's two constants (ITU-T G.113 Appendix I).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Impairment {
    /// Ie: what the codec costs without any loss, 0 to 95.
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
    /// False: only Ta = delay, as if all echo were cancelled.
    pub echo: bool,
}

impl Conditions {
    /// No loss, no delay.
    pub const PERFECT: Conditions = Conditions { loss_ratio: 0.0, burst_ratio: 1.0, delay_seconds: 0.0, echo: false };
}

/// R, MOS, and what each part of equation 7-1 took.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rating {
    /// Transmission rating factor R, 0 to 100.
    pub r_factor: f64,
    /// Mean opinion score, 1 to 4.5 (Annex B).
    pub mos: f64,
    /// Ro: basic signal-to-noise ratio (7.2).
    pub ro: f64,
    /// Is: what comes with the voice itself, loudness, sidetone, quantizing (7.3).
    pub is: f64,
    /// Id = Idte + Idle + Idd: what delay does (7.4).
    pub id: f64,
    /// Idte: talker echo.
    pub idte: f64,
    /// Idle: listener echo.
    pub idle: f64,
    /// Idd: too long an absolute delay, even without echo.
    pub idd: f64,
    /// Ie,eff: codec and packet loss (7.5).
    pub ie_eff: f64,
    /// A: advantage of access (7.6), 0 by default.
    pub advantage: f64,
}

impl Rating {
    /// The class that users of such a connection fall into.
    pub fn satisfaction(&self) -> Satisfaction {
        Satisfaction::from_r(self.r_factor)
    }
}

/// Rates a stream of `codec` under `conditions`, everything else at the defaults of Table 2.
pub fn rate(codec: &Impairment, conditions: &Conditions) -> Rating {
    let delay_ms = within(conditions.delay_seconds * 1000.0, 0.0, MAX_DELAY_MS);
    let echo_ms = if conditions.echo { delay_ms } else { 0.0 };
    Parameters {
        ie: within(codec.ie, 0.0, IE_SCALE),
        bpl: codec.bpl.max(0.0),
        ppl: 100.0 * within(conditions.loss_ratio, 0.0, 1.0),
        burst_r: within(conditions.burst_ratio, 1.0, MAX_BURST_RATIO),
        t: echo_ms,
        tr: 2.0 * echo_ms,
        ta: delay_ms,
        ..Parameters::DEFAULT
    }
    .rating()
}

/// Every input of the E-model by its symbol in Table 2. Values outside that table's ranges have no defined meaning.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Parameters {
    /// Send loudness rating, dB.
    pub slr: f64,
    /// Receive loudness rating, dB.
    pub rlr: f64,
    /// Sidetone masking rating, dB.
    pub stmr: f64,
    /// Listener sidetone rating, dB; STMR + Dr.
    pub lstr: f64,
    /// D-value of the telephone, send side.
    pub ds: f64,
    /// D-value of the telephone, receive side; enters through LSTR.
    pub dr: f64,
    /// Talker echo loudness rating, dB.
    pub telr: f64,
    /// Weighted echo path loss, dB.
    pub wepl: f64,
    /// T: mean one-way delay of the echo path, ms.
    pub t: f64,
    /// Tr: round-trip delay in a four-wire loop, ms.
    pub tr: f64,
    /// Ta: absolute delay in echo-free connections, ms.
    pub ta: f64,
    /// Number of quantization distortion units.
    pub qdu: f64,
    /// Ie: equipment impairment factor.
    pub ie: f64,
    /// Bpl: packet-loss robustness factor.
    pub bpl: f64,
    /// Ppl: packet-loss probability, per cent.
    pub ppl: f64,
    /// BurstR: burst ratio.
    pub burst_r: f64,
    /// Nc: circuit noise referred to the 0 dBr point, dBm0p.
    pub nc: f64,
    /// Nfor: noise floor at the receive side, dBmp.
    pub nfor: f64,
    /// Ps: room noise at the send side, dB(A).
    pub ps: f64,
    /// Pr: room noise at the receive side, dB(A).
    pub pr: f64,
    /// A: advantage factor.
    pub a: f64,
    /// sT: delay sensitivity of the conversation (7.4, Table 1).
    pub st: f64,
    /// mT: shortest delay that a user of this sensitivity perceives, ms (7.4, Table 1).
    pub mt: f64,
}

impl Parameters {
    /// Table 2, column "default value"; sT and mT from Table 1, class "default".
    pub const DEFAULT: Parameters = Parameters {
        slr: 8.0,
        rlr: 2.0,
        stmr: 15.0,
        lstr: 18.0,
        ds: 3.0,
        dr: 3.0,
        telr: 65.0,
        wepl: 110.0,
        t: 0.0,
        tr: 0.0,
        ta: 0.0,
        qdu: 1.0,
        ie: 0.0,
        bpl: 4.3,
        ppl: 0.0,
        burst_r: 1.0,
        nc: -70.0,
        nfor: -64.0,
        ps: 35.0,
        pr: 35.0,
        a: 0.0,
        st: 1.0,
        mt: 100.0,
    };

    /// Equation 7-1 and Annex B.
    pub fn rating(&self) -> Rating {
        let no = self.no();
        let ro = 15.0 - 1.5 * (self.slr + no); // 7-2
        let ist = self.ist();
        let is = self.iolr(no) + ist + self.iq(ro); // 7-8
        let (idte, idle, idd) = (self.idte(no, ist), self.idle(ro), self.idd());
        let id = idte + idle + idd; // 7-18
        let ie_eff = self.ie_eff();
        let r_factor = (ro - is - id - ie_eff + self.a).clamp(0.0, R_MAX);
        Rating { r_factor, mos: mos_from_r(r_factor), ro, is, id, idte, idle, idd, ie_eff, advantage: self.a }
    }

    /// Overall loudness rating between the two ends, dB.
    fn olr(&self) -> f64 {
        self.slr + self.rlr
    }

    /// No: the power sum of all noise sources at the 0 dBr point, dBm0p (7-3 to 7-7).
    fn no(&self) -> f64 {
        let send_room = self.ps - self.slr - self.ds - 100.0 + 0.004 * (self.ps - self.olr() - self.ds - 14.0).powi(2); // 7-4
        let pre = self.pr + 10.0 * (1.0 + power((10.0 - self.lstr) / 10.0)).log10(); // 7-6
        let receive_room = self.rlr - 121.0 + pre + 0.008 * (pre - 35.0).powi(2); // 7-5
        let floor = self.nfor + self.rlr; // 7-7
        10.0 * [self.nc, send_room, receive_room, floor].map(|level| power(level / 10.0)).iter().sum::<f64>().log10() // 7-3
    }

    /// Iolr: too low an overall loudness rating (7-9, 7-10).
    fn iolr(&self, no: f64) -> f64 {
        let x = (self.olr() + 0.2 * (64.0 + no - self.rlr)) / 8.0;
        20.0 * ((1.0 + x.powi(8)).powf(1.0 / 8.0) - x)
    }

    /// Ist: sidetone that is not at its optimum (7-11, 7-12).
    fn ist(&self) -> f64 {
        let stmr_o = -10.0 * (power(-self.stmr / 10.0) + (-self.t / 4.0).exp() * power(-self.telr / 10.0)).log10();
        12.0 * (1.0 + ((stmr_o - 13.0) / 6.0).powi(8)).powf(1.0 / 8.0)
            - 28.0 * (1.0 + ((stmr_o + 1.0) / 19.4).powi(35)).powf(1.0 / 35.0)
            - 13.0 * (1.0 + ((stmr_o - 3.0) / 33.0).powi(13)).powf(1.0 / 13.0)
            + 29.0
    }

    /// Iq: quantizing distortion (7-13 to 7-17).
    fn iq(&self, ro: f64) -> f64 {
        let q = 37.0 - 15.0 * self.qdu.log10();
        let g = 1.07 + 0.258 * q + 0.0602 * q * q;
        let y = (ro - 100.0) / 15.0 + 46.0 / 8.4 - g / 9.0;
        let z = 46.0 / 30.0 - g / 40.0;
        15.0 * (1.0 + power(y) + power(z)).log10()
    }

    /// Idte: talker echo (7-19 to 7-22, and 7-23, 7-24 for an unusual sidetone).
    fn idte(&self, no: f64, ist: f64) -> f64 {
        if self.t < ECHO_MIN_MS {
            return 0.0;
        }
        let t = self.t;
        let masked = if self.stmr < 9.0 { ist / 2.0 } else { 0.0 }; // 7-23
        let terv =
            self.telr - 40.0 * ((1.0 + t / 10.0) / (1.0 + t / 150.0)).log10() + 6.0 * (-0.3 * t * t).exp() + masked; // 7-22
        let roe = -1.5 * (no - self.rlr); // 7-20
        let re = 80.0 + 2.5 * (terv - 14.0); // 7-21
        let half = (roe - re) / 2.0;
        let idte = (half + (half * half + 100.0).sqrt() - 1.0) * (1.0 - (-t).exp()); // 7-19
        if self.stmr > 20.0 { idte.hypot(ist) } else { idte } // 7-24
    }

    /// Idle: listener echo (7-25, 7-26).
    fn idle(&self, ro: f64) -> f64 {
        let rle = 10.5 * (self.wepl + 7.0) * (self.tr + 1.0).powf(-0.25);
        let half = (ro - rle) / 2.0;
        half + (half * half + 169.0).sqrt()
    }

    /// Idd: absolute delay (7-27, 7-28).
    fn idd(&self) -> f64 {
        if self.ta <= self.mt {
            return 0.0;
        }
        let x = (self.ta / self.mt).log2();
        let exponent = 6.0 * self.st;
        let bend = |v: f64| (1.0 + v.powf(exponent)).powf(1.0 / exponent);
        25.0 * (bend(x) - 3.0 * bend(x / 3.0) + 2.0)
    }

    /// Ie,eff: the codec, and what packet loss adds to it (7-29). Ppl is in per cent.
    fn ie_eff(&self) -> f64 {
        if self.ppl <= 0.0 {
            return self.ie;
        }
        self.ie + (IE_SCALE - self.ie) * self.ppl / (self.ppl / self.burst_r + self.bpl)
    }
}

/// `value` held in a range; what is not a number counts as the worst, so that it never makes a rating good.
fn within(value: f64, best: f64, worst: f64) -> f64 {
    if value.is_nan() { worst } else { value.clamp(best, worst) }
}

/// Ten to the power of `x`.
fn power(x: f64) -> f64 {
    10f64.powf(x)
}

/// MOS of a rating factor (Annex B, equation B-4).
pub fn mos_from_r(r: f64) -> f64 {
    let r = r.clamp(0.0, R_MAX);
    let mos = 1.0 + 0.035 * r + r * (r - 60.0) * (100.0 - r) * 7e-6;
    mos.clamp(MOS_MIN, MOS_MAX)
}

/// What users think of a connection (Annex B, Table B.1; below 50: G.109, "not recommended").
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
    /// The class of a rating factor; Table B.1 gives the lower limits.
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
