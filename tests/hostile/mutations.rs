//! Every fixture truncated at every length and with every bit flipped, through the parsers and through the core.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use sidetone::config::Config;
use sidetone::wire::rtcp::{Compound, Form};
use sidetone::wire::sip::{self, Content};
use sidetone::wire::{LinkType, decode, rtp};

use crate::harness::{Core, MILLISECOND, SECOND, START, small};
use crate::packets::{Call, Fixture, ethernet, fixtures, links};
use crate::parsers;

/// Runs `body`; when it panics, says for which input.
pub fn naming<T>(what: impl Fn() -> String, body: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|panic| {
        println!("the input was {}", what());
        std::panic::resume_unwind(panic)
    })
}

/// What was done to a fixture.
#[derive(Clone, Copy)]
pub enum Mutation {
    CutTo(usize),
    BitFlipped(usize),
}

impl fmt::Display for Mutation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Mutation::CutTo(length) => write!(f, "cut to {length} bytes"),
            Mutation::BitFlipped(bit) => write!(f, "bit {bit} flipped"),
        }
    }
}

/// Calls `each` with the bytes cut at every length, and with every bit flipped.
pub fn mutated(bytes: &[u8], mut each: impl FnMut(Mutation, &[u8])) {
    for length in 0..bytes.len() {
        each(Mutation::CutTo(length), &bytes[..length]);
    }
    let mut flipped = bytes.to_vec();
    for bit in 0..bytes.len() * 8 {
        flipped[bit / 8] ^= 1 << (bit % 8);
        each(Mutation::BitFlipped(bit), &flipped);
        flipped[bit / 8] ^= 1 << (bit % 8);
    }
}

#[test]
fn fixtures_are_what_they_say() {
    for Fixture { name, link, frame, payload } in fixtures() {
        let decoded = decode(link, &frame).unwrap_or_else(|reason| panic!("{name}: {reason}"));
        let datagram = decoded.datagram().expect("a whole datagram");
        assert_eq!((datagram.payload, datagram.length), (&payload[..], payload.len()), "{name}");
        let read = match rtp::kind(&payload) {
            rtp::Kind::Rtp => rtp::Packet::parse(&payload, payload.len()).is_some(),
            rtp::Kind::Rtcp => Compound::read(&payload, payload.len())
                .is_some_and(|compound| compound.form == Form::Plain && compound.packets().count() == 7),
            rtp::Kind::Other => matches!(sip::parse(&payload), Ok(Content::Message(m)) if m.problem.is_none()),
        };
        assert!(read, "{name} is not read");
    }
}

#[test]
fn parsers_take_every_truncation_and_bit_flip() {
    for Fixture { name, link, frame, payload } in fixtures() {
        mutated(&frame, |how, bytes| naming(|| format!("{name}, frame {how}"), || parsers::frame(link, bytes)));
        mutated(&payload, |how, bytes| naming(|| format!("{name}, payload {how}"), || parsers::all(bytes)));
    }
}

#[test]
fn parsers_take_a_frame_of_every_link_type_number() {
    let fixture = &fixtures()[0];
    for number in 0..=u16::MAX {
        parsers::frame(LinkType(number), &fixture.frame[..number as usize % 80]);
    }
}

#[test]
fn the_core_takes_every_truncation_and_bit_flip() {
    for Fixture { name, link, frame, .. } in fixtures() {
        naming(
            || name.to_owned(),
            || {
                let mut core = Core::new(&small(), true);
                let mut now = START;
                mutated(&frame, |how, bytes| {
                    now += MILLISECOND;
                    naming(|| how.to_string(), || core.frame(now, link, bytes));
                });
                core.tick(now + SECOND);
                core.finish();
            },
        );
    }
}

/// A snap length cuts the frame, but the length on the wire stays what it was.
#[test]
fn the_core_takes_a_call_cut_by_every_snap_length() {
    let packets: Vec<Vec<u8>> = Call::v4("snapped").packets().iter().map(|packet| ethernet(packet)).collect();
    for snap in 0..packets.iter().map(Vec::len).max().unwrap_or(0) {
        let mut core = Core::new(&small(), true);
        for (at, frame) in packets.iter().enumerate() {
            core.frame(START + at as i64 * 20 * MILLISECOND, LinkType::ETHERNET, &frame[..frame.len().min(snap)]);
        }
        let json = core.finish();
        // The RTP header is all that a stream needs: 14 + 20 + 8 + 12 bytes.
        let streams = json["streams"].as_array().map_or(0, Vec::len);
        assert_eq!(streams, if snap >= 54 { 2 } else { 0 }, "snap length {snap}");
    }
}

/// One packet of a call is broken, the rest is as it was: state that a broken message made meets good ones.
#[test]
fn a_call_survives_each_of_its_packets_broken() {
    for call in [Call::v4("broken"), Call::v6("broken")] {
        let packets = call.packets();
        let media = 4..packets.len() - 4;
        for victim in (0..packets.len()).filter(|at| !media.contains(at)) {
            let mut variant = 0;
            mutated(&packets[victim], |how, bytes| {
                variant += 1;
                // All variants of all packets take too long without optimisation; a prime step meets every kind of byte.
                if variant % 19 == 0 {
                    naming(|| format!("packet {victim} {how}"), || one_broken(&packets, victim, bytes));
                }
            });
        }
    }
}

fn one_broken(packets: &[Vec<u8>], victim: usize, broken: &[u8]) {
    let mut core = Core::new(&small(), true);
    for (at, packet) in packets.iter().enumerate() {
        let bytes = if at == victim { broken } else { packet };
        core.packet(START + at as i64 * 10 * MILLISECOND, bytes);
    }
    core.tick(START + 100 * SECOND);
    core.finish();
}

#[test]
fn a_whole_call_under_every_link_layer_is_one_call() {
    for call in [Call::v4("linked"), Call::v6("linked")] {
        let layers = links(&call.packets()[0]).len();
        for layer in 0..layers {
            let mut core = Core::new(&Config::default(), true);
            for (at, packet) in call.packets().iter().enumerate() {
                let (_, link, frame) = &links(packet)[layer];
                core.frame(START + at as i64 * 10 * MILLISECOND, *link, frame);
            }
            let json = core.finish();
            assert_eq!(json["calls"][0]["outcome"], "completed", "layer {layer}");
            assert_eq!(json["streams"].as_array().map(Vec::len), Some(2), "layer {layer}");
            assert_eq!(json["rtcp"]["packets"]["XR"], 1, "layer {layer}");
        }
    }
}
