//! What a caller hears, as arithmetic: the E-model and the codec table. No clock, no I/O, no allocation.

pub mod codec;
pub mod emodel;

pub use codec::{Codec, CodecId, MediaKind, static_payload};
pub use emodel::{Conditions, Impairment, Rating, Satisfaction, rate};
