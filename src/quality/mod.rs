//! What a caller hears, as arithmetic: the three E-models and the codec table. No clock, no I/O, no allocation.

pub mod codec;
pub mod emodel;
pub mod fullband;
pub mod mode;
pub mod rating;
mod table;
pub mod wideband;

pub use codec::{Codec, CodecId, MediaKind, Profile, static_payload};
pub use rating::{Conditions, Impairment, Model, Rating, Satisfaction, rate};
