//! Money, hours and callbacks, counted by hand: calls as they pass on the wire in, metrics out.

#[allow(dead_code)]
#[path = "hostile/harness.rs"]
mod harness;
#[allow(dead_code)]
#[path = "hostile/packets.rs"]
mod packets;

use std::net::SocketAddr;
use std::sync::Arc;

use sidetone::config::Config;
use sidetone::engine::{self, Engine, Settings};
use sidetone::metrics::exposition::openmetrics_to_text;
use sidetone::metrics::{Workers, render};
use sidetone::numbers::Collection;
use sidetone::time::Timestamp;
use sidetone::wire::LinkType;

use harness::{START, Samples};
use packets::{address, ethernet, udp};

const CONFIG: &str = r#"
    site.local_networks = ["10.0.0.0/8"]
    site.time_zone = "Asia/Kathmandu"
    numbering.country_code = "44"
    calls.callback_window = "1h"
    calls.max_duration = "2h"
    peers = [{ name = "carrier-a", networks = ["192.0.2.0/24"] }, { name = "carrier-b", networks = ["198.51.100.0/24"] }]
    rates = [
        { class = "outbound_pstn", currency = "EUR", per_minute = 0.02, prefix = ["+44"], direction = "outbound" },
        { class = "outbound_pstn", currency = "EUR", per_minute = 0.01, prefix = ["+44"], direction = "outbound", peer = "carrier-b" },
        { class = "mobile", currency = "EUR", per_minute = 0.1, prefix = ["+447"], minimum = "60s", increment = "60s", setup_fee = 0.05, unanswered_fee = 0.001 },
        { class = "toll_free", currency = "GBP", per_minute = 0.06, prefix = ["+44800"], direction = "inbound" },
    ]
"#;

const PBX: &str = "10.0.0.1:5060";
const PHONE: &str = "10.0.0.2:5060";
const CARRIER_A: &str = "192.0.2.1:5060";
const CARRIER_B: &str = "198.51.100.1:5060";

/// How an attempt goes on.
#[derive(Clone, Copy)]
enum End {
    /// Answered 5 s after the INVITE, ended so many milliseconds later.
    Bye(i64),
    /// Answered, and its end is not seen.
    Lost,
    /// Refused 5 s after the INVITE.
    Refused(u16),
}

struct Scene {
    /// Nanoseconds after the start, frame.
    frames: Vec<(i64, Vec<u8>)>,
}

impl Scene {
    /// An attempt that begins so many seconds after the start.
    fn call(&mut self, second: i64, (from, to): (&str, &str), (caller, callee): (&str, &str), end: End) {
        let (from, to) = (address(from), address(to));
        let id = self.frames.len();
        let mut say = |milliseconds: i64, (from, to): (SocketAddr, SocketAddr), first: &str, cseq: &str, tag: &str| {
            let text = format!(
                "{first}\r\nVia: SIP/2.0/UDP {from};branch=z9hG4bK{id}-{}\r\nFrom: <sip:{caller}@a.example>;tag=a\r\n\
                 To: <sip:{callee}@b.example>{tag}\r\nCall-ID: {id}@a.example\r\nCSeq: {cseq}\r\nContent-Length: 0\r\n\r\n",
                &cseq[..1],
            );
            let at = (second * 1000 + milliseconds) * 1_000_000;
            self.frames.push((at, ethernet(&udp(from, to, text.as_bytes()))));
        };
        let (forth, back) = ((from, to), (to, from));
        say(0, forth, &format!("INVITE sip:{callee}@b.example SIP/2.0"), "1 INVITE", "");
        say(100, back, "SIP/2.0 180 Ringing", "1 INVITE", ";tag=b");
        let tail = ";tag=b";
        match end {
            End::Refused(code) => {
                say(5000, back, &format!("SIP/2.0 {code} No"), "1 INVITE", tail);
                say(5010, forth, &format!("ACK sip:{callee}@b.example SIP/2.0"), "1 ACK", tail);
            }
            End::Lost | End::Bye(_) => {
                say(5000, back, "SIP/2.0 200 OK", "1 INVITE", tail);
                say(5010, forth, &format!("ACK sip:{callee}@b.example SIP/2.0"), "1 ACK", tail);
            }
        }
        if let End::Bye(after) = end {
            say(5000 + after, forth, &format!("BYE sip:{callee}@b.example SIP/2.0"), "2 BYE", tail);
            say(5020 + after, back, "SIP/2.0 200 OK", "2 BYE", tail);
        }
    }

    fn run(mut self, config: &str, until_second: i64) -> Samples {
        let config = Config::parse(config, "business.toml").unwrap_or_else(|error| panic!("{error}"));
        let site = engine::site(&config, config.site.local_networks.clone());
        let mut engine = Engine::new(Settings::new(&config, false), Arc::new(site));
        let file = engine.add_interface("file");
        self.frames.sort_by_key(|(nanos, _)| *nanos);
        for (nanos, frame) in &self.frames {
            let time = Timestamp::from_nanos(START + nanos);
            engine.frame(file, time, LinkType::ETHERNET, frame.len() as u32, frame);
        }
        engine.tick(Timestamp::from_nanos(START + until_second * 1_000_000_000));
        let mut collection = Collection::default();
        engine.snapshot().collect(&mut collection);
        let text = render(vec![Box::new(Workers::new(collection))]).expect("a String takes everything");
        let samples = Samples::parse(&openmetrics_to_text(&text));
        samples.check();
        samples
    }
}

fn scene() -> Scene {
    Scene { frames: Vec::new() }
}

#[track_caller]
fn check(samples: &Samples, table: &[(&str, &str, f64)]) {
    for (family, labels, expected) in table {
        let found = samples.sum(family, labels);
        assert!((found - expected).abs() < 1e-9, "{family} {labels}: {found}, not {expected}");
    }
}

#[test]
fn calls_cost_what_the_rates_say() {
    let (out, ours) = ((PBX, CARRIER_A), "02079460100");
    let mut scene = scene();
    // 61 s in minutes of 0.10, and 0.05 for the connection: 0.25.
    scene.call(0, out, (ours, "07700900123"), End::Bye(61_000));
    // 90 s at 0.02 a minute: 0.03; by the other carrier at 0.01: 0.015.
    scene.call(10, out, (ours, "+44 20 7946 0123".replace(' ', "").as_str()), End::Bye(90_000));
    scene.call(20, (PBX, CARRIER_B), (ours, "00442079460123"), End::Bye(90_000));
    // 29.5 s are 30: 0.03.
    scene.call(30, (CARRIER_A, PBX), ("anonymous", "+448001234567"), End::Bye(29_500));
    // An attempt that nobody answered: 0.001.
    scene.call(40, out, (ours, "+447700900456"), End::Refused(486));
    // Without a price.
    scene.call(50, out, (ours, "+4930123456"), End::Bye(10_000));
    scene.call(60, out, (ours, "+4930123456"), End::Refused(404));
    scene.call(70, (PHONE, PBX), ("100", "200"), End::Bye(10_000));
    scene.call(80, (PHONE, PBX), ("100", "alice"), End::Bye(10_000));
    scene.call(90, out, (ours, "02079460123"), End::Lost);
    let samples = scene.run(CONFIG, 3 * 3600);
    check(
        &samples,
        &[
            ("call_attempts_total", "", 10.0),
            ("call_cost_total", "currency=\"EUR\",class=\"mobile\"", 0.251),
            ("call_cost_total", "currency=\"EUR\",class=\"outbound_pstn\"", 0.045),
            ("call_cost_total", "currency=\"GBP\",class=\"toll_free\"", 0.03),
            ("call_cost_total", "", 0.326),
            ("call_rated_total", "class=\"mobile\"", 1.0),
            ("call_rated_total", "class=\"outbound_pstn\"", 2.0),
            ("call_rated_total", "class=\"toll_free\"", 1.0),
            ("call_billed_seconds_total", "class=\"mobile\"", 120.0),
            ("call_billed_seconds_total", "class=\"outbound_pstn\"", 180.0),
            ("call_billed_seconds_total", "class=\"toll_free\"", 30.0),
            ("call_unrated_total", "direction=\"outbound\",reason=\"no_rate\"", 1.0),
            ("call_unrated_total", "direction=\"outbound\",reason=\"end_unknown\"", 1.0),
            ("call_unrated_total", "direction=\"internal\",reason=\"not_international\"", 1.0),
            ("call_unrated_total", "direction=\"internal\",reason=\"no_number\"", 1.0),
            ("call_unrated_total", "", 4.0),
        ],
    );
}

#[test]
fn a_call_costs_when_it_ends_and_without_rates_never() {
    let mut open = scene();
    open.call(0, (PBX, CARRIER_A), ("100", "02079460123"), End::Bye(3_600_000));
    open.frames.truncate(4);
    check(&open.run(CONFIG, 3600), &[("call_answers_total", "", 1.0), ("call_cost_total", "", 0.0)]);
    let mut free = scene();
    free.call(0, (PBX, CARRIER_A), ("100", "02079460123"), End::Bye(60_000));
    check(&free.run("", 100), &[("call_answers_total", "", 1.0), ("call_unrated_total", "", 0.0)]);
}

/// The start is a Monday, 05:45 in Kathmandu.
#[test]
fn attempts_are_counted_in_their_hour_of_the_site() {
    let out = (PBX, CARRIER_A);
    let mut scene = scene();
    scene.call(0, out, ("100", "02079460123"), End::Bye(1_800_000));
    scene.call(899, out, ("100", "02079460123"), End::Refused(486));
    scene.call(900, out, ("100", "02079460123"), End::Refused(486));
    scene.call(18 * 3600 + 899, out, ("100", "02079460123"), End::Refused(486));
    scene.call(18 * 3600 + 900, out, ("100", "02079460123"), End::Refused(486));
    let samples = scene.run(CONFIG, 20 * 3600);
    check(
        &samples,
        &[
            ("call_attempts_by_hour_total", "weekday=\"monday\",hour=\"5\"", 2.0),
            ("call_attempts_by_hour_total", "weekday=\"monday\",hour=\"6\"", 1.0),
            ("call_attempts_by_hour_total", "weekday=\"monday\",hour=\"23\"", 1.0),
            ("call_attempts_by_hour_total", "weekday=\"tuesday\",hour=\"0\"", 1.0),
            ("call_attempts_by_hour_total", "", 5.0),
        ],
    );
}

#[test]
fn missed_calls_are_returned_by_either_party() {
    let (out, incoming, inside) = ((PBX, CARRIER_A), (CARRIER_A, PBX), (PHONE, PBX));
    let ours = "02079460100";
    let mut scene = scene();
    // Rung back, by another way to dial the number: 1.
    scene.call(0, incoming, ("+4915112345678", ours), End::Refused(480));
    scene.call(100, out, ("+442079460100", "004915112345678"), End::Bye(1000));
    // Called twice in vain, and again: 2. A third time: none.
    scene.call(200, incoming, ("+4915187654321", ours), End::Refused(486));
    scene.call(300, incoming, ("+4915187654321", ours), End::Refused(487));
    scene.call(400, incoming, ("+4915187654321", ours), End::Bye(1000));
    scene.call(500, incoming, ("+4915187654321", ours), End::Bye(1000));
    // Rung back in vain, later with success: both were missed, 2.
    scene.call(600, inside, ("alice", "bob"), End::Refused(480));
    scene.call(700, inside, ("Bob", "alice"), End::Refused(486));
    scene.call(800, inside, ("bob", "alice"), End::Bye(1000));
    // Who says nothing of himself cannot be told from others.
    scene.call(900, incoming, ("anonymous", ours), End::Refused(486));
    scene.call(1000, incoming, ("anonymous", ours), End::Bye(1000));
    // Refused is not missed; after more than an hour it is too late.
    scene.call(1100, incoming, ("+4915100000001", ours), End::Refused(603));
    scene.call(1200, incoming, ("+4915100000001", ours), End::Bye(1000));
    scene.call(1300, incoming, ("+4915100000002", ours), End::Refused(486));
    scene.call(1300 + 3602, incoming, ("+4915100000002", ours), End::Bye(1000));
    let samples = scene.run(CONFIG, 6000);
    check(&samples, &[("call_callbacks_total", "", 5.0)]);
    let outcomes = |outcome: &str| samples.sum("call_outcomes_total", &format!("outcome=\"{outcome}\""));
    assert_eq!(outcomes("no_answer") + outcomes("busy") + outcomes("cancelled"), 7.0);
    assert_eq!((samples.tracked("missed_calls"), samples.evicted("missed_calls")), (0, 0), "an hour has passed");
}

#[test]
fn a_flood_of_missed_calls_stays_within_its_cap() {
    let mut scene = scene();
    for n in 0..500 {
        scene.call(n / 10, (CARRIER_A, PBX), (&format!("+4915112{n:06}"), "02079460100"), End::Refused(486));
    }
    let samples = scene.run(&format!("calls.max_missed_calls = 100\n{CONFIG}"), 60);
    assert_eq!((samples.tracked("missed_calls"), samples.evicted("missed_calls")), (100, 400));
}
