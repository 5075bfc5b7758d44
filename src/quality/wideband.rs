//! ITU-T G.107.1 (06/2019 with Corrigendum 1, 01/2020), the wideband E-model, written from its formulas.
//!
//! R = Ro,WB - Is,WB - Id,WB - Ie,eff,WB + A (7-1) on a scale that ends at 129. Noise, loudness and quantizing are "for
//! further study" there, so Ro,WB and Is,WB are constants (7-2, 7-3).

use super::emodel::{IE_SCALE, absolute_delay, echo_loss_by_delay, effective_impairment, listener_echo, talker_echo};
use super::rating::{Model, Parts, Rating};

/// Ro,WB (7-2).
pub(super) const RO: f64 = 129.0;
/// R is divided by this before Annex B's polynomial, and Idd multiplied by it (7-13).
pub(super) const STRETCH: f64 = 1.29;

/// Shorter delays cost nothing (7.4).
const DELAY_MS: f64 = 100.0;

/// Every input that has an effect, by its symbol in Table 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Parameters {
    /// Send loudness rating, dB.
    pub slr: f64,
    /// Receive loudness rating, dB.
    pub rlr: f64,
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
    /// Ie,WB: wideband equipment impairment factor.
    pub ie: f64,
    /// Bpl,WB: wideband packet-loss robustness factor.
    pub bpl: f64,
    /// Ppl: packet-loss probability, per cent.
    pub ppl: f64,
    /// BurstR: burst ratio, see [`Parameters::rating`].
    pub burst_r: f64,
    /// A: advantage factor.
    pub a: f64,
}

impl Parameters {
    /// Table 1, column "default value".
    pub const DEFAULT: Parameters = Parameters {
        slr: 8.0,
        rlr: 2.0,
        telr: 65.0,
        wepl: 110.0,
        t: 0.0,
        tr: 0.0,
        ta: 0.0,
        ie: 0.0,
        bpl: 4.3,
        ppl: 0.0,
        burst_r: 1.0,
        a: 0.0,
    };

    /// Equation 7-1 and Annex A. Equation 7-15 knows random loss only; BurstR enters it as in 7-29 of G.107, and is 1 there.
    pub fn rating(&self) -> Rating {
        let parts = Parts {
            ro: RO,
            is: 0.0, // 7-3
            idte: self.idte(),
            idle: listener_echo(RO, self.wepl, self.tr), // 7-11, 7-12
            idd: STRETCH * absolute_delay(self.ta, DELAY_MS, 1.0), // 7-13, 7-14
            ie_eff: effective_impairment(self.ie, self.bpl, self.ppl, self.burst_r, IE_SCALE), // 7-15
            advantage: self.a,
        };
        Rating::new(Model::Wideband, parts)
    }

    /// Idte,WB: talker echo (7-5 to 7-10).
    fn idte(&self) -> f64 {
        if self.t <= 0.0 {
            return 0.0;
        }
        // 7-6 is written with a noise level that the wideband model leaves undefined. Of G.107 (7-2, 7-20) follows
        // Roe = Ro - 15 + 1.5 (SLR + RLR): 129 at the defaults, the constant that ITU-T G.1070 uses too.
        let roe = RO - 15.0 + 1.5 * (self.slr + self.rlr);
        let k = if self.t < 100.0 { 0.08 * self.t + 10.0 } else { 18.0 }; // 7-9, 7-10
        let terv = self.telr + k + echo_loss_by_delay(self.t); // 7-8
        let re = 80.0 + 3.0 * (terv - 14.0); // 7-7
        talker_echo(roe, re, self.t) // 7-5
    }
}
