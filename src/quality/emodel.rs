//! ITU-T G.107 (06/2015), the narrowband E-model, written from its formulas.
//!
//! R = Ro - Is - Id - Ie,eff + A (equation 7-1). Every input that a passive monitor cannot know keeps the default of
//! Table 2. Terms that the wideband and fullband models share are functions here.

use super::rating::{Model, Parts, Rating};

/// The scale that Ie,eff lives on (equation 7-29).
pub(super) const IE_SCALE: f64 = 95.0;
/// Talker echo of a shorter delay is sidetone, and impairs nothing (7.4: "for values of T < 1 ms").
const ECHO_MIN_MS: f64 = 1.0;

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
        let parts = Parts {
            ro,
            is: self.iolr(no) + ist + self.iq(ro), // 7-8
            idte: self.idte(no, ist),
            idle: listener_echo(ro, self.wepl, self.tr),
            idd: absolute_delay(self.ta, self.mt, self.st),
            ie_eff: effective_impairment(self.ie, self.bpl, self.ppl, self.burst_r, IE_SCALE),
            advantage: self.a,
        };
        Rating::new(Model::Narrowband, parts)
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
        let masked = if self.stmr < 9.0 { ist / 2.0 } else { 0.0 }; // 7-23
        let terv = self.telr + echo_loss_by_delay(self.t) + masked; // 7-22
        let roe = -1.5 * (no - self.rlr); // 7-20
        let re = 80.0 + 2.5 * (terv - 14.0); // 7-21
        let idte = talker_echo(roe, re, self.t); // 7-19
        if self.stmr > 20.0 { idte.hypot(ist) } else { idte } // 7-24
    }
}

/// Idle: listener echo (7-25, 7-26).
pub(super) fn listener_echo(ro: f64, wepl: f64, tr: f64) -> f64 {
    let rle = 10.5 * (wepl + 7.0) * (tr + 1.0).powf(-0.25);
    let half = (ro - rle) / 2.0;
    half + (half * half + 169.0).sqrt()
}

/// Idd: absolute delay (7-27, 7-28).
pub(super) fn absolute_delay(ta: f64, mt: f64, st: f64) -> f64 {
    if ta <= mt {
        return 0.0;
    }
    let x = (ta / mt).log2();
    let exponent = 6.0 * st;
    let bend = |v: f64| (1.0 + v.powf(exponent)).powf(1.0 / exponent);
    25.0 * (bend(x) - 3.0 * bend(x / 3.0) + 2.0)
}

/// Ie,eff: the codec, and what packet loss adds to it (7-29). Ppl is in per cent.
pub(super) fn effective_impairment(ie: f64, bpl: f64, ppl: f64, burst_r: f64, scale: f64) -> f64 {
    if ppl <= 0.0 {
        return ie;
    }
    ie + (scale - ie) * ppl / (ppl / burst_r + bpl)
}

/// The common form of talker echo (7-19): what is left of `roe` against the echo's own rating `re`. Where the echo is far
/// below hearing the formula turns slightly negative (-0.11 at 1 to 4 ms); an impairment never adds quality, so it ends at 0.
pub(super) fn talker_echo(roe: f64, re: f64, t: f64) -> f64 {
    let half = (roe - re) / 2.0;
    ((half + (half * half + 100.0).sqrt() - 1.0) * (1.0 - (-t).exp())).max(0.0)
}

/// How much of the talker's echo loss delay takes away (the delay terms of 7-22).
pub(super) fn echo_loss_by_delay(t: f64) -> f64 {
    -40.0 * ((1.0 + t / 10.0) / (1.0 + t / 150.0)).log10() + 6.0 * (-0.3 * t * t).exp()
}

/// Ten to the power of `x`.
fn power(x: f64) -> f64 {
    10f64.powf(x)
}
