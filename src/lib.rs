//! Sidetone: what SIP calls and RTP streams are like, from the wire to Prometheus.
//!
//! The modules stand in the order in which the data flows; ARCHITECTURE.md walks through them.

#![deny(unsafe_code)]

mod agenda;
mod arrivals;
mod cap;
mod expiring;
mod fetch;
mod generations;
mod index;
pub mod time;

pub mod capture;
pub mod wire;

pub mod call;
pub mod connections;
pub mod media;
pub mod quality;
pub mod site;

pub mod engine;
pub mod labels;
pub mod numbers;

pub mod metrics;
pub mod report;
pub mod serve;
pub mod sources;

pub mod app;
pub mod cli;
pub mod config;
