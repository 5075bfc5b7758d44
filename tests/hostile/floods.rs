//! Floods through the core with small tables: the caps hold, what gives way is counted, a packet at the end of a flood costs
//! no more than one at its beginning, and a real call that runs through it keeps its numbers.

#![allow(clippy::disallowed_methods)] // what a packet costs is a matter of the clock on the wall

use std::time::Instant;

use serde_json::Value;
use sidetone::config::Config;

use crate::harness::{Core, MILLISECOND, Random, START, small};
use crate::memory::greedy_sdp;
use crate::packets::{Call, From, address, message, rtcp_packet, rtp, udp};

/// Packets whose time is taken together.
const BATCH: usize = 20;
/// What the last tenth of a flood may cost, against the first.
const MAX_RATIO: f64 = 5.0;

/// Mean time of a packet, seconds, without the slowest quarter: other programs run on this machine too.
pub fn cost(core: &mut Core, count: usize, time: impl Fn(usize) -> i64, packet: impl Fn(usize) -> Vec<u8>) -> f64 {
    let mut batches = Vec::new();
    for first in (0..count).step_by(BATCH) {
        let packets: Vec<Vec<u8>> = (first..first + BATCH).map(&packet).collect();
        let began = Instant::now();
        for (at, bytes) in packets.iter().enumerate() {
            core.packet(time(first + at), bytes);
        }
        batches.push(began.elapsed().as_secs_f64() / BATCH as f64);
    }
    batches.sort_by(f64::total_cmp);
    batches.truncate(batches.len() * 3 / 4);
    batches.iter().sum::<f64>() / batches.len() as f64
}

/// Floods a core with `count` packets, 100,000 a second.
fn flood(core: &mut Core, count: usize, packet: impl Fn(usize) -> Vec<u8>) {
    let tenth = count / 10;
    let part = |core: &mut Core, part: usize| {
        let first = part * tenth;
        cost(core, tenth, |n| START + (first + n) as i64 * MILLISECOND / 100, |n| packet(first + n))
    };
    let first = part(core, 0);
    for middle in 1..9 {
        part(core, middle);
    }
    let last = part(core, 9);
    println!("first tenth {:.2} us a packet, last tenth {:.2} us", first * 1e6, last * 1e6);
    assert!(last <= MAX_RATIO * first, "the last packets cost {:.1} times what the first did", last / first);
}

fn random(seed: usize) -> u64 {
    Random::new(seed as u64 + 1).next()
}

/// A port that media may have.
fn port(seed: usize) -> u16 {
    1024 + random(seed) as u16 % 60_000
}

/// A flow that becomes believable with every fourth packet, from and to the ports that are given.
fn flow(n: usize, source: u16, destination: u16) -> Vec<u8> {
    let (ssrc, sequence) = (random(n / 4) as u32 | 16, (n % 4) as u16);
    let packet = rtp(0, sequence, u32::from(sequence) * 160, ssrc, 160);
    udp(address(&format!("198.51.100.9:{source}")), address(&format!("192.0.2.20:{destination}")), &packet)
}

fn large() -> Config {
    let mut config = Config::default();
    config.media.max_streams = 10_000;
    config.media.max_candidates = 4096;
    config.calls.max_calls = 5_000;
    config.calls.max_transactions = 20_000;
    config.calls.max_registrations = 5_000;
    config
}

/// At the cap, never above it, and what gave way was counted.
fn assert_full(core: &mut Core, table: &str, cap: usize) {
    let samples = core.scrape();
    let (tracked, evicted) = (samples.tracked(table), samples.evicted(table));
    assert!(tracked <= cap, "{table}: {tracked} entries, the cap is {cap}");
    assert!(tracked > cap / 3, "{table}: the flood did not fill it: {tracked} of {cap}");
    assert!(evicted > 0, "{table}: nothing gave way?");
}

#[test]
fn streams_between_random_ports() {
    let config = large();
    let mut core = Core::new(&config, false);
    flood(&mut core, 120_000, |n| flow(n, port(n / 4), 20_000));
    assert_full(&mut core, "streams", config.media.max_streams);
}

/// As behind a conference bridge that has one port for everybody.
#[test]
fn streams_between_two_ports_that_no_description_announced() {
    let config = large();
    let mut core = Core::new(&config, false);
    flood(&mut core, 120_000, |n| flow(n, 40_000, 40_002));
    assert_full(&mut core, "streams", config.media.max_streams);
}

#[test]
fn streams_to_a_port_that_a_call_announced() {
    let config = large();
    let mut core = Core::new(&config, false);
    let call = Call::v4("announced");
    core.packet(START, &call.signal(From::Caller, &call.invite()));
    core.packet(START, &call.signal(From::Callee, &call.ok()));
    flood(&mut core, 60_000, |n| call.media(From::Caller, &rtp(0, 1, 160, random(n) as u32, 160)));
    assert_full(&mut core, "streams", config.media.max_streams);
}

#[test]
fn flows_of_one_packet() {
    let config = large();
    let mut core = Core::new(&config, false);
    flood(&mut core, 60_000, |n| flow(n * 4, port(n), 20_000));
    assert_full(&mut core, "stream_candidates", config.media.max_candidates);
    assert_eq!(core.scrape().tracked("streams"), 0);
}

#[test]
fn calls() {
    let config = large();
    let mut core = Core::new(&config, false);
    flood(&mut core, 30_000, |n| {
        let call = Call::v4(&format!("{:x}@flood", random(n)));
        call.signal(From::Caller, &call.invite())
    });
    assert_full(&mut core, "calls", config.calls.max_calls);
}

/// Each call announces sixteen endpoints, while the table of candidates is full.
#[test]
fn calls_with_thousands_of_media_lines() {
    let config = large();
    let mut core = Core::new(&config, false);
    for n in 0..5000 {
        core.packet(START, &flow(n * 4, port(n), 20_000));
    }
    let lines: String = (0..2000).map(|at| format!("m=audio {} RTP/AVP 0\n", at + 1024)).collect();
    flood(&mut core, 7_500, |n| {
        let call = Call::v4(&format!("{:x}@greedy", random(n)));
        let body = greedy_sdp(n as u32) + &lines;
        call.signal(From::Caller, &message("INVITE sip:b@b SIP/2.0", &call, "1 INVITE", "", &body))
    });
    assert_full(&mut core, "calls", config.calls.max_calls);
}

/// A re-INVITE after the other into one call, each with new endpoints.
#[test]
fn one_call_that_moves_its_media_without_end() {
    let config = large();
    let mut core = Core::new(&config, false);
    let call = Call::v4("restless");
    core.packet(START, &call.signal(From::Caller, &call.invite()));
    core.packet(START, &call.signal(From::Callee, &call.ok()));
    flood(&mut core, 10_000, |n| {
        let cseq = format!("{} INVITE", n + 2);
        let body = greedy_sdp(n as u32);
        call.signal(From::Caller, &message("INVITE sip:b@b SIP/2.0", &call, &cseq, ";tag=b", &body))
    });
    assert_eq!(core.scrape().tracked("calls"), 1);
}

#[test]
fn transactions() {
    let config = large();
    let mut core = Core::new(&config, false);
    let call = Call::v4("branches");
    flood(&mut core, 60_000, |n| {
        let options = message("OPTIONS sip:b@b SIP/2.0", &call, "1 OPTIONS", "", "");
        let branch = format!("branch=z9hG4bK{:x}", random(n));
        let options = String::from_utf8_lossy(&options).replace("branch=z9hG4bK", &branch);
        call.signal(From::Caller, options.as_bytes())
    });
    assert_full(&mut core, "transactions", config.calls.max_transactions);
    assert_eq!(core.scrape().sum("sip_retransmissions_total", ""), 0.0);
}

/// A scan with random users, half of them accepted: attempts that stay open, and bindings.
#[test]
fn registrations() {
    let config = large();
    let mut core = Core::new(&config, false);
    flood(&mut core, 60_000, |n| {
        let call = Call {
            caller: address(&format!("198.51.100.7:{}", 1024 + n % 60_000)),
            ..Call::v4(&format!("r{}", n / 2))
        };
        let start = if n % 4 == 1 { "SIP/2.0 200 OK" } else { "REGISTER sip:a.example SIP/2.0" };
        let text = message(start, &call, "1 REGISTER", "", "");
        let text = String::from_utf8_lossy(&text).replace("bob@", &format!("{:x}@", random(n / 2)));
        call.signal(if n % 4 == 1 { From::Callee } else { From::Caller }, text.as_bytes())
    });
    assert_full(&mut core, "registration_attempts", config.calls.max_registrations);
    assert_full(&mut core, "registrations", config.calls.max_registrations);
    let samples = core.scrape();
    assert_eq!(samples.sum("sip_registrations_active", ""), samples.tracked("registrations") as f64);
}

/// Each is remembered until a receiver might answer it.
#[test]
fn sender_reports() {
    let config = large();
    let mut core = Core::new(&config, false);
    flood(&mut core, 60_000, |n| {
        let mut report = rtcp_packet(0, 200, 6, 0);
        report[4..20].copy_from_slice(&[random(n).to_be_bytes(), random(n + 1).to_be_bytes()].concat());
        udp(address("198.51.100.9:40001"), address("192.0.2.20:40003"), &report)
    });
    assert_full(&mut core, "sender_reports", config.media.max_streams);
}

/// What the flood sends between two media packets of the genuine call.
fn noise(n: usize) -> Vec<u8> {
    let call = Call::v4(&format!("{:x}@noise", random(n)));
    match n % 5 {
        0 => flow(n / 5, 40_000, 40_002),
        1 => flow(n * 4, port(n), 20_000),
        2 => call.signal(From::Caller, &call.invite()),
        3 => call.signal(From::Caller, &message("REGISTER sip:a SIP/2.0", &call, "1 REGISTER", "", "")),
        _ => call.signal(From::Caller, &message("OPTIONS sip:a SIP/2.0", &call, "1 OPTIONS", "", "")),
    }
}

/// Every hundred milliseconds a phone asks, and is answered twenty later.
fn registration(n: u16) -> Option<Vec<u8>> {
    let call = Call::v4(&format!("phone-{}", n / 5));
    match n % 5 {
        0 => Some(call.signal(From::Caller, &message("REGISTER sip:a SIP/2.0", &call, "1 REGISTER", "", ""))),
        1 => Some(call.signal(From::Callee, &message("SIP/2.0 200 OK", &call, "1 REGISTER", ";tag=r", ""))),
        _ => None,
    }
}

/// The caller's stream loses 5 of 500 packets and repeats 3; the callee's is whole.
#[test]
fn a_call_in_the_middle_of_it_all_keeps_its_numbers() {
    let mut core = Core::new(&small(), true);
    let call = Call::v4("genuine");
    let (mut now, mut sent) = (START, 0);
    let mut step = |core: &mut Core, packets: &[Vec<u8>]| {
        packets.iter().for_each(|packet| core.packet(now, packet));
        for _ in 0..40 {
            now += MILLISECOND / 2;
            sent += 1;
            core.packet(now, &noise(sent));
        }
    };
    step(&mut core, &[call.signal(From::Caller, &call.invite())]);
    step(&mut core, &[call.signal(From::Callee, &call.ringing())]);
    step(&mut core, &[call.signal(From::Callee, &call.ok())]);
    for n in 0..500u16 {
        let timestamp = u32::from(n) * 160;
        let caller = call.media(From::Caller, &rtp(0, 65_300u16.wrapping_add(n), timestamp, 0xaaaa, 160));
        let mut packets = vec![call.media(From::Callee, &rtp(0, n, timestamp, 0xbbbb, 160))];
        let copies = if n % 100 == 50 { 0 } else { 1 + usize::from(n % 150 == 149) };
        packets.extend(std::iter::repeat_n(caller, copies));
        packets.extend(registration(n));
        step(&mut core, &packets);
    }
    step(&mut core, &[call.signal(From::Caller, &call.request("BYE", 2))]);

    let config = small();
    let samples = core.scrape();
    for (table, cap) in [
        ("streams", config.media.max_streams),
        ("stream_candidates", config.media.max_candidates),
        ("calls", config.calls.max_calls),
        ("transactions", config.calls.max_transactions),
        ("registration_attempts", config.calls.max_registrations),
    ] {
        assert!(samples.tracked(table) <= cap, "{table}: {} entries", samples.tracked(table));
        assert!(samples.evicted(table) > 0, "{table}: nothing gave way");
    }
    let json = core.finish();
    assert_eq!(json["registrations"]["successes"], 100);
    let all = |name: &str| json[name].as_array().expect("a list").clone();
    let calls: Vec<Value> = all("calls").into_iter().filter(|other| other["call_id"] == "genuine").collect();
    assert_eq!(calls.len(), 1);
    assert_eq!((&calls[0]["outcome"], &calls[0]["ended_by"]), (&"completed".into(), &"caller".into()));
    let duration = calls[0]["duration_seconds"].as_f64().expect("a duration");
    assert!((duration - 501.0 * 0.02).abs() < 1e-6, "{duration} s");
    let streams: Vec<Value> = all("streams").into_iter().filter(|stream| stream["call_id"] == "genuine").collect();
    assert_eq!(streams.len(), 2);
    for stream in streams {
        let counts = ["packets", "expected", "lost", "duplicates", "reordered"].map(|name| stream[name].as_u64());
        let want = if stream["ssrc"] == "0x0000aaaa" { [498, 500, 5, 3, 0] } else { [500, 500, 0, 0, 0] };
        assert_eq!(counts, want.map(Some), "{stream}");
        assert_eq!(stream["codec"], "pcmu");
    }
}
