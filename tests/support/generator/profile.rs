//! What a generated capture is made of.

use super::codec::{Codec, G722, G729, GSM, OPUS, PCMA, PCMU};
use super::impair::Class;

/// The way of one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scenario {
    Answered,
    Busy,
    NotFound,
    Unavailable,
    ServerError,
    Declined,
    Cancelled,
    /// Rings, then 480.
    NoAnswer,
    Redirected,
    /// No response at all: the caller gives up after timer B.
    Unanswered,
}

/// Probabilities are per mille, weights are relative.
#[derive(Debug)]
pub struct Profile {
    pub name: &'static str,
    pub about: &'static str,
    pub scenarios: &'static [(Scenario, u32)],
    pub classes: &'static [(Class, u32)],
    pub codecs: &'static [&'static Codec],
    /// Every packet time of the codec, else 20 ms.
    pub any_ptime: bool,
    /// Each of the unusual ways to write a message.
    pub style: u32,
    pub retransmit: u32,
    pub challenge: u32,
    pub early_media: u32,
    pub reinvite: u32,
    /// Sender restarts, wraps of sequence number and time stamp, telephone events.
    pub restart: u32,
    pub wrap: u32,
    pub event: u32,
    /// DNS, STUN, T.38 and garbage between the calls.
    pub noise: bool,
    pub signalling: bool,
    /// One call after the other, all on the same two media ports.
    pub reuse_ports: bool,
    /// Nothing but one stream from one side to the other.
    pub single_stream: bool,
}

const STATIC_CODECS: &[&Codec] = &[&PCMU, &PCMA, &G729, &GSM, &G722];
const ALL_CODECS: &[&Codec] = &[&PCMU, &PCMA, &G729, &GSM, &G722, &OPUS];
const ALL_CLASSES: &[(Class, u32)] = &[
    (Class::Clean, 30),
    (Class::Loss, 15),
    (Class::Bursts, 15),
    (Class::Jitter, 15),
    (Class::Reorder, 10),
    (Class::Duplicates, 5),
    (Class::Everything, 10),
];
const ALL_SCENARIOS: &[(Scenario, u32)] = &[
    (Scenario::Answered, 60),
    (Scenario::Busy, 8),
    (Scenario::NotFound, 5),
    (Scenario::Unavailable, 4),
    (Scenario::ServerError, 3),
    (Scenario::Declined, 3),
    (Scenario::Cancelled, 7),
    (Scenario::NoAnswer, 6),
    (Scenario::Redirected, 2),
    (Scenario::Unanswered, 2),
];

const CLEAN: Profile = Profile {
    name: "clean",
    about: "answered PCMU calls, nothing lost, plain messages",
    scenarios: &[(Scenario::Answered, 1)],
    classes: &[(Class::Clean, 1)],
    codecs: &[&PCMU],
    any_ptime: false,
    style: 0,
    retransmit: 0,
    challenge: 0,
    early_media: 0,
    reinvite: 0,
    restart: 0,
    wrap: 0,
    event: 0,
    noise: false,
    signalling: true,
    reuse_ports: false,
    single_stream: false,
};

const MIXED: Profile = Profile {
    name: "mixed",
    about: "every outcome, codec and impairment, DTMF, retransmissions, noise",
    scenarios: ALL_SCENARIOS,
    classes: ALL_CLASSES,
    codecs: ALL_CODECS,
    any_ptime: true,
    style: 100,
    retransmit: 80,
    challenge: 150,
    early_media: 200,
    reinvite: 100,
    restart: 30,
    wrap: 150,
    event: 150,
    noise: true,
    ..CLEAN
};

pub static PROFILES: [Profile; 8] = [
    CLEAN,
    MIXED,
    Profile {
        name: "load",
        about: "answered PCMU calls, a third of their streams healthy, for measurements of speed",
        classes: ALL_CLASSES,
        ..CLEAN
    },
    Profile {
        name: "media",
        about: "answered calls with all impairments at once, restarts and wraps",
        scenarios: &[(Scenario::Answered, 1)],
        classes: &[(Class::Everything, 2), (Class::Reorder, 1), (Class::Duplicates, 1)],
        restart: 400,
        wrap: 600,
        event: 400,
        ..MIXED
    },
    Profile {
        name: "signalling",
        about: "every call outcome, written in every way, much of it sent again",
        scenarios: &[
            (Scenario::Answered, 4),
            (Scenario::Busy, 2),
            (Scenario::NotFound, 2),
            (Scenario::Unavailable, 2),
            (Scenario::ServerError, 2),
            (Scenario::Declined, 2),
            (Scenario::Cancelled, 3),
            (Scenario::NoAnswer, 2),
            (Scenario::Redirected, 2),
            (Scenario::Unanswered, 1),
        ],
        classes: &[(Class::Clean, 1)],
        style: 350,
        retransmit: 400,
        challenge: 300,
        early_media: 400,
        reinvite: 300,
        ..MIXED
    },
    Profile {
        name: "reuse",
        about: "calls one after the other on the same two media ports",
        classes: &[(Class::Clean, 1), (Class::Loss, 1), (Class::Duplicates, 1)],
        noise: false,
        reuse_ports: true,
        ..MIXED
    },
    Profile {
        name: "media-only",
        about: "streams with static payload types and no signalling, between noise",
        codecs: STATIC_CODECS,
        signalling: false,
        ..MIXED
    },
    Profile {
        name: "sipp-audio",
        about: "one PCMU stream, 3 % loss and 8 ms jitter, for SIPp's play_pcap_audio",
        classes: &[(Class::Audible, 1)],
        signalling: false,
        single_stream: true,
        ..CLEAN
    },
];

impl Profile {
    pub fn named(name: &str) -> Option<&'static Profile> {
        PROFILES.iter().find(|profile| profile.name == name)
    }
}
