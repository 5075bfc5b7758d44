//! Where facts become numbers in a registry: the catalogue, the encoding, the agent's own numbers.

pub mod exposition;
pub mod facade;
mod openmetrics;
pub mod process;

pub use crate::numbers::{Family, Kind};
pub use openmetrics::{LabelText, Shown, Workers, render};

/// Every family that this program can expose, in the order of the contract's chapters.
pub fn catalogue() -> Vec<&'static Family> {
    let mut all: Vec<&'static Family> = Vec::new();
    all.extend(crate::engine::FAMILIES);
    all.extend(crate::engine::HEP_FAMILIES);
    all.extend(crate::capture::hep::FAMILIES);
    all.extend(crate::capture::worker::FAMILIES);
    all.extend(crate::labels::FAMILIES);
    all.extend(crate::call::FAMILIES);
    all.extend(crate::call::CALL_FAMILIES);
    all.extend(crate::call::REGISTRATION_FAMILIES);
    all.extend(crate::call::BREAKDOWN_FAMILIES);
    all.extend(crate::call::SUSPICIOUS_FAMILIES);
    all.extend(crate::call::VOICE_REPORT_FAMILIES);
    all.extend(crate::call::BUSINESS_FAMILIES);
    all.extend(crate::call::COST_FAMILIES);
    all.extend(crate::connections::FAMILIES);
    all.extend(crate::media::FAMILIES);
    all.extend(crate::media::SUNDRY_FAMILIES);
    all.extend(crate::media::RTCP_FAMILIES);
    all.extend(crate::sources::table().flat_map(|row| row.families));
    all.extend(crate::app::FAMILIES);
    all.extend(crate::sources::FAMILIES);
    all.extend(&crate::sources::sql::FAMILIES);
    all.extend(&crate::sources::events::FAMILIES);
    all.extend(crate::serve::FAMILIES);
    all.extend(facade::FAMILIES);
    all.extend(process::FAMILIES);
    all.extend(crate::config::Vocabulary::shipped().iter().map(|metric| metric.family));
    all
}
