//! ITU-T G.107.2 (06/2019; 03/2023), the fullband E-model, written from its formulas.
//!
//! R = Ro,FB - Is,FB - Id,FB - Ie,eff,FB + A (clause 7.1) on a scale that ends at 148. Echo is not part of it: Id,FB is
//! what absolute delay does. The 2023 edition can lower Ro,FB for noise, which a passive monitor does not hear.

use super::emodel::{absolute_delay, effective_impairment};
use super::rating::{Model, Parts, Rating};

/// Ro,FB (clause 7.2).
pub(super) const RO: f64 = 148.0;
/// R is divided by this before Annex A's polynomial, and Idd multiplied by it (clause 7.4).
pub(super) const STRETCH: f64 = 1.48;
/// The scale that Ie,eff,FB lives on (clause 7.5).
pub(super) const IE_SCALE: f64 = 132.0;

/// Every input that has an effect, by its symbol in the Recommendation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Parameters {
    /// Ta: absolute delay, ms.
    pub ta: f64,
    /// mT: shortest delay that is perceived, ms (clause 7.4).
    pub mt: f64,
    /// sT: delay sensitivity of the conversation (clause 7.4).
    pub st: f64,
    /// Ie,FB: fullband equipment impairment factor.
    pub ie: f64,
    /// Bpl,FB: fullband packet-loss robustness factor.
    pub bpl: f64,
    /// Ppl: packet-loss probability, per cent.
    pub ppl: f64,
    /// BurstR: burst ratio, see [`Parameters::rating`].
    pub burst_r: f64,
    /// A: advantage factor.
    pub a: f64,
}

impl Parameters {
    /// The defaults of clause 7.7.
    pub const DEFAULT: Parameters =
        Parameters { ta: 0.0, mt: 100.0, st: 1.0, ie: 0.0, bpl: 4.3, ppl: 0.0, burst_r: 1.0, a: 0.0 };

    /// Clause 7.1 and Annex A. Clause 7.5 knows random loss only; BurstR enters as in 7-29 of G.107, and is 1 there.
    pub fn rating(&self) -> Rating {
        let parts = Parts {
            ro: RO,
            is: 0.0, // clause 7.3
            idte: 0.0,
            idle: 0.0,
            idd: STRETCH * absolute_delay(self.ta, self.mt, self.st),
            ie_eff: effective_impairment(self.ie, self.bpl, self.ppl, self.burst_r, IE_SCALE),
            advantage: self.a,
        };
        Rating::new(Model::Fullband, parts)
    }
}
