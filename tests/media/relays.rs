//! What a relay adds between the stream that comes into it and the one that goes out: which two belong together, how long each
//! packet stayed, and which never came out. Never a guess.

use std::net::SocketAddr;

use proptest::prelude::*;
use serde_json::Value;

use crate::cases::cases;
use crate::harness::{Random, SECOND};
use crate::packets::{Call, address, message};
use crate::scene::{Flow, Scene, Seen, float, ms, near, rtp, sound, speech};

const PACKET: i64 = 20_000_000;
const HOST: &str = "10.0.0.1/32";

/// A stream on its way through the host.
#[derive(Clone)]
struct Way {
    talker: u64,
    enters: Flow,
    leaves: Flow,
    /// What the host adds to sequence numbers and timestamps.
    renumbered: (u64, u64),
}

/// From the caller at `ports` of both parties, through ports of the host, to the callee; and the way back.
fn ways(ports: u16) -> [Way; 2] {
    let (a, b) = (format!("192.0.2.10:{}", 20_000 + ports), format!("192.0.2.20:{}", 40_000 + ports));
    let (host_a, host_b) = (format!("10.0.0.1:{}", 30_000 + 4 * ports), format!("10.0.0.1:{}", 30_002 + 4 * ports));
    let ssrc = 0x1000_0000 + u32::from(ports);
    let way = |from: &str, into: &str, out: &str, to: &str, ssrc| Way {
        talker: u64::from(ssrc),
        enters: Flow::new(from, into, ssrc, 0),
        leaves: Flow::new(out, to, ssrc, 0),
        renumbered: (0, 0),
    };
    [way(&a, &host_a, &host_b, &b, ssrc), way(&b, &host_b, &host_a, &a, ssrc + 0x1000_0000)]
}

impl Way {
    /// The same through a host that gives it its own SSRC.
    fn with_ssrc(mut self) -> Way {
        self.leaves.ssrc ^= 0x0fff_ffff;
        self
    }

    /// The same through a host that numbers anew.
    fn renumbered(self) -> Way {
        Way { renumbered: (23_456, 987_654_321), ..self.with_ssrc() }
    }

    fn enter(&self, scene: &mut Scene, at: i64, n: u64) {
        let payload = speech(self.talker, n, 160);
        scene.put(at, self.enters.from, self.enters.to, &rtp(&self.enters, n, n * 160, false, &payload));
    }

    fn leave(&self, scene: &mut Scene, at: i64, n: u64) {
        let (flow, (sequence, timestamp)) = (&self.leaves, self.renumbered);
        let packet = rtp(flow, n + sequence, n * 160 + timestamp, false, &speech(self.talker, n, 160));
        scene.put(at, flow.from, flow.to, &packet);
    }

    /// Packets 0 to `end`, each of which stays as long as `stay` says, nanoseconds, or does not come out.
    fn pass(&self, scene: &mut Scene, end: u64, stay: impl Fn(u64) -> Option<i64>) {
        for n in 0..end {
            self.enter(scene, n as i64 * PACKET, n);
            if let Some(stay) = stay(n) {
                self.leave(scene, n as i64 * PACKET + stay, n);
            }
        }
    }
}

fn host() -> Scene {
    Scene::at_home(&[HOST])
}

/// A call whose signalling passes through the host: the session descriptions that the host rewrote name its own ports.
fn signal(scene: &mut Scene, at: i64, id: &str, ways: &[Way; 2], second_id: Option<&str>) -> Call {
    let [there, back] = ways;
    let proxy = address("10.0.0.1:5060");
    let first = Call { callee: proxy, ..Call::v4(id) };
    let second = Call { id: second_id.unwrap_or(id).to_owned(), caller: proxy, ..Call::v4(id) };
    let hop = |call: &Call, message: Vec<u8>| {
        let text = String::from_utf8(message).expect("text");
        text.replace("branch=z9hG4bK-", &format!("branch=z9hG4bK-{}-", call.caller.ip())).into_bytes()
    };
    let mut say =
        |at: i64, call: &Call, from: SocketAddr, to: SocketAddr, start: &str, tag: &str, media: SocketAddr| {
            scene.put(at, from, to, &hop(call, message(start, call, "1 INVITE", tag, &sound(media, ""))));
        };
    let (invite, ok) = ("INVITE sip:bob@b.example SIP/2.0", "SIP/2.0 200 OK");
    say(at, &first, first.caller, proxy, invite, "", there.enters.from);
    say(at + ms(1.0), &second, proxy, second.callee, invite, "", back.enters.to);
    say(at + ms(100.0), &second, second.callee, proxy, ok, ";tag=b", back.enters.from);
    say(at + ms(101.0), &first, proxy, first.caller, ok, ";tag=b", there.enters.to);
    first
}

/// What the host added to a stream that leaves it; `None` where it was matched with nothing.
struct Added {
    packets: u64,
    lost: u64,
    mean: f64,
    max: f64,
}

fn added(seen: &Seen, way: &Way) -> Option<Added> {
    let stream = seen.stream(&way.leaves);
    let relay = &stream["relay"];
    if relay.is_null() {
        return None;
    }
    let from = &seen.streams()[relay["from"].as_u64().expect("an index") as usize];
    let source = (from["source"].as_str(), from["destination"].as_str(), from["ssrc"].as_str());
    let (a, b, ssrc) = (way.enters.from.to_string(), way.enters.to.to_string(), format!("0x{:08x}", way.enters.ssrc));
    assert_eq!(source, (Some(&*a), Some(&*b), Some(&*ssrc)), "matched with another's stream");
    Some(Added {
        packets: relay["packets"].as_u64().expect("a count"),
        lost: relay["lost"].as_u64().expect("a count"),
        mean: float(relay, "/delay_seconds/mean"),
        max: float(relay, "/delay_seconds/max"),
    })
}

#[track_caller]
fn matched(seen: &Seen, way: &Way, packets: std::ops::RangeInclusive<u64>, lost: u64, mean: f64) -> Added {
    let added = added(seen, way).unwrap_or_else(|| panic!("not matched: {:#}", seen.report["streams"]));
    assert!(packets.contains(&added.packets), "{} packets, not {packets:?}", added.packets);
    assert_eq!(added.lost, lost, "lost in the host");
    near(added.mean, mean, 2e-6);
    added
}

#[test]
fn a_relay_that_keeps_the_numbering_is_followed_both_ways() {
    for scene in [host(), Scene::new()] {
        let ways = ways(0);
        let mut scene = scene;
        ways.iter().for_each(|way| way.pass(&mut scene, 1000, |_| Some(ms(5.0))));
        let seen = scene.run();
        for way in &ways {
            // Without signalling, a stream is looked for from its fourth packet on.
            let added = matched(&seen, way, 997..=1000, 0, 0.005);
            near(added.max, 0.005, 2e-6);
            assert_eq!(seen.stream(&way.enters)["relay"], Value::Null);
        }
        let packets = seen.sum("rtp_relayed_packets_total", "");
        assert!((1994.0..=2000.0).contains(&packets));
        assert_eq!(seen.sum("rtp_relay_delay_seconds_count", ""), packets);
        near(seen.sum("rtp_relay_delay_seconds_sum", ""), packets * 0.005, 1e-2);
        assert_eq!(seen.sum("rtp_relay_lost_packets_total", ""), 0.0);
    }
}

#[test]
fn another_ssrc_changes_nothing_within_a_call() {
    for mut scene in [host(), Scene::new()] {
        let ways = ways(0).map(Way::with_ssrc);
        signal(&mut scene, -SECOND, "ssrc", &ways, None);
        ways.iter().for_each(|way| way.pass(&mut scene, 1000, |n| (n % 10 != 5).then_some(ms(0.5))));
        let seen = scene.run();
        for way in &ways {
            matched(&seen, way, 900..=900, 100, 0.0005);
        }
    }
}

#[test]
fn what_a_b2bua_numbers_anew_is_known_by_its_payload() {
    // Two Call-IDs, one, none.
    for ids in [Some(("in", "out")), Some(("one", "one")), None] {
        let ways = ways(0).map(Way::renumbered);
        let mut scene = host();
        if let Some((first, second)) = ids {
            signal(&mut scene, -SECOND, first, &ways, Some(second));
        }
        ways.iter().for_each(|way| way.pass(&mut scene, 1000, |n| (n % 10 != 5 || n < 100).then_some(ms(2.0))));
        let seen = scene.run();
        for way in &ways {
            matched(&seen, way, 880..=910, 90, 0.002);
        }
    }
}

#[test]
fn addresses_and_ports_may_be_rewritten_at_will() {
    // The caller sends from behind NAT, from another port than it announced; the host latches on to it.
    let mut ways = ways(0);
    let nat = address("203.0.113.77:50123");
    (ways[0].enters.from, ways[1].leaves.to) = (nat, nat);
    for change in [|way: Way| way, Way::with_ssrc, Way::renumbered] {
        let ways = ways.clone().map(change);
        let mut announced = self::ways(0);
        announced[1].leaves.to = announced[0].enters.from;
        let mut scene = host();
        signal(&mut scene, -SECOND, "nat", &announced, None);
        ways.iter().for_each(|way| way.pass(&mut scene, 1000, |_| Some(ms(1.0))));
        let seen = scene.run();
        for way in &ways {
            matched(&seen, way, 980..=1000, 0, 0.001);
        }
    }
}

#[test]
fn what_is_dropped_inside_is_counted_packet_by_packet() {
    for change in [|way: Way| way, Way::renumbered] {
        let way = change(ways(0)[0].clone());
        let mut scene = host();
        let dropped = |n: u64| n > 100 && (n % 10 == 5 || (300..310).contains(&n) || n == 997);
        way.pass(&mut scene, 1000, |n| (!dropped(n)).then_some(ms(3.0)));
        let seen = scene.run();
        let lost = (0..1000).filter(|n| dropped(*n)).count() as u64;
        matched(&seen, &way, 1000 - lost - 20..=1000 - lost, lost, 0.003);
        assert_eq!(seen.sum("rtp_relay_lost_packets_total", ""), lost as f64);
        // What never came in was not lost here.
        assert_eq!(seen.stream(&way.enters)["lost"], 0);
    }
}

#[test]
fn what_was_lost_before_is_not_lost_in_the_host() {
    let way = ways(0)[0].clone();
    let mut scene = host();
    for n in (0..1000u64).filter(|n| n % 7 != 3) {
        way.enter(&mut scene, n as i64 * PACKET, n);
        way.leave(&mut scene, n as i64 * PACKET + ms(1.0), n);
    }
    let seen = scene.run();
    let passed = (0..1000u64).filter(|n| n % 7 != 3).count() as u64;
    matched(&seen, &way, passed - 3..=passed, 0, 0.001);
}

#[test]
fn a_relay_may_reorder_and_stall() {
    for change in [|way: Way| way, Way::renumbered] {
        let way = change(ways(0)[0].clone());
        // Every 20th packet stays 70 ms, and is overtaken by three.
        let mut scene = host();
        way.pass(&mut scene, 1000, |n| Some(if n > 100 && n % 20 == 10 { ms(70.0) } else { ms(1.0) }));
        let slow = (101..1000).filter(|n| n % 20 == 10).count() as f64;
        let seen = scene.run();
        let all = added(&seen, &way).expect("matched");
        assert_eq!(all.lost, 0);
        near(all.max, 0.070, 2e-6);
        near(all.mean * all.packets as f64, slow * 0.07 + (all.packets as f64 - slow) * 0.001, 2e-3);
        // For 300 ms nothing comes out, then all of it in order.
        let mut scene = host();
        way.pass(&mut scene, 1000, |n| Some(if (500..515).contains(&n) { (515 - n as i64) * PACKET } else { ms(1.0) }));
        let seen = scene.run();
        let all = added(&seen, &way).expect("matched");
        assert_eq!((all.lost, all.packets > 980), (0, true));
        near(all.max, 0.300, 2e-6);
    }
}

#[test]
fn a_relay_that_dies_for_two_seconds_loses_what_came_in_them() {
    for change in [|way: Way| way, Way::with_ssrc, Way::renumbered] {
        let ways = ways(0).map(change);
        let mut scene = host();
        signal(&mut scene, -SECOND, "dies", &ways, None);
        ways.iter().for_each(|way| way.pass(&mut scene, 1000, |n| (!(500..600).contains(&n)).then_some(ms(1.0))));
        let seen = scene.run();
        for way in &ways {
            matched(&seen, way, 880..=900, 100, 0.001);
        }
    }
}

#[test]
fn a_relay_that_never_comes_back_loses_all_that_follows() {
    let ways = ways(0);
    let mut scene = host();
    signal(&mut scene, -SECOND, "dead", &ways, None);
    ways.iter().for_each(|way| way.pass(&mut scene, 1000, |n| (n < 500).then_some(ms(1.0))));
    let seen = scene.run();
    for way in &ways {
        let added = added(&seen, way).expect("matched");
        // The last few may still have been on their way.
        assert!((468..=500).contains(&added.lost), "{}", added.lost);
    }
}

#[test]
fn what_comes_in_after_the_call_is_not_expected_to_leave() {
    for change in [|way: Way| way, Way::renumbered] {
        let ways = ways(0).map(change);
        let mut scene = host();
        let call = signal(&mut scene, -SECOND, "over", &ways, None);
        ways.iter().for_each(|way| way.pass(&mut scene, 575, |n| (n < 500).then_some(ms(1.0))));
        scene.bye(500 * PACKET - ms(5.0), &call);
        let seen = scene.run();
        for way in &ways {
            matched(&seen, way, 480..=500, 0, 0.001);
        }
    }
}

#[test]
fn an_outgoing_packet_may_be_read_before_the_incoming_one() {
    for change in [|way: Way| way, Way::with_ssrc, Way::renumbered] {
        let ways = ways(0).map(change);
        let mut scene = host();
        signal(&mut scene, -SECOND, "order", &ways, None);
        for way in &ways {
            for n in 0..1000u64 {
                way.leave(&mut scene, n as i64 * PACKET + ms(1.0), n);
                way.enter(&mut scene, n as i64 * PACKET, n);
            }
        }
        let seen = scene.read_early(ms(2.0), |frame| frame[26..30] == [10, 0, 0, 1]).run();
        for way in &ways {
            matched(&seen, way, 980..=1000, 0, 0.001);
        }
    }
}

#[test]
fn calls_with_the_same_ssrc_and_numbering_are_not_mixed_up() {
    // As SIPp plays one file in all calls: SSRC, numbers, timestamps and payloads are the same everywhere.
    let same = |way: Way, ssrc: u32, change: fn(Way) -> Way| {
        let mut way = way;
        (way.enters.ssrc, way.leaves.ssrc, way.talker) = (ssrc, ssrc, u64::from(ssrc));
        change(way)
    };
    for (change, with_calls) in
        [(std::convert::identity as fn(Way) -> Way, true), (Way::with_ssrc, true), (std::convert::identity, false)]
    {
        let mut scene = host();
        let mut all = Vec::new();
        for call in 0..4 {
            let [there, back] = ways(call * 10);
            let ways = [same(there, 0x0abc_0001, change), same(back, 0x0abc_0002, change)];
            if with_calls {
                signal(&mut scene, -SECOND, &format!("sipp {call}"), &ways, None);
            }
            // All begin within 2 ms; each call is relayed at its own speed.
            for way in &ways {
                for n in 0..500u64 {
                    let at = n as i64 * PACKET + i64::from(call) * ms(0.5);
                    way.enter(&mut scene, at, n);
                    way.leave(&mut scene, at + ms(5.0) + i64::from(call) * ms(1.0), n);
                }
            }
            all.push(ways);
        }
        let seen = scene.run();
        for (call, ways) in all.iter().enumerate() {
            for way in ways {
                // `added` asserts that none is matched with another's.
                match added(&seen, way) {
                    Some(added) => near(added.mean, 0.005 + 0.001 * call as f64, 2e-6),
                    None => assert!(!with_calls, "the signalling tells which is which"),
                }
            }
        }
    }
}

#[test]
fn what_goes_back_to_its_sender_is_no_relay() {
    let way = ways(0)[0].clone();
    let echo = Way { leaves: Flow { from: way.enters.to, to: way.enters.from, ..way.enters.clone() }, ..way };
    for change in [|way: Way| way, Way::renumbered] {
        let echo = change(echo.clone());
        let mut scene = host();
        echo.pass(&mut scene, 500, |_| Some(ms(1.0)));
        assert!(added(&scene.run(), &echo).is_none());
    }
}

#[test]
fn what_this_host_sent_and_gets_back_is_no_relay() {
    // A prompt of the host's own; the far end sends it back from another port to another port, after a moment.
    for change in [|way: Way| way, Way::renumbered] {
        for away in [0.2, 5.0, 50.0] {
            let way = change(ways(0)[0].clone());
            let mut scene = host();
            for n in 0..1000u64 {
                way.leave(&mut scene, n as i64 * PACKET, n);
                way.enter(&mut scene, n as i64 * PACKET + ms(away), n);
            }
            let seen = scene.run();
            assert!(added(&seen, &way).is_none(), "{away} ms");
            assert_eq!(seen.sum("rtp_relayed_packets_total", ""), 0.0);
            assert_eq!(seen.sum("rtp_relay_lost_packets_total", ""), 0.0);
        }
    }
}

#[test]
fn silence_and_other_words_are_matched_with_nothing() {
    // Both ways, and two calls, are digital silence with numbers of their own; and a transcoder's payload is another.
    let ways = ways(0).map(Way::renumbered);
    let mut scene = host();
    for n in 0..500u64 {
        for way in &ways {
            let (at, silence) = (n as i64 * PACKET, [0xff; 160]);
            let (enters, leaves, (sequence, timestamp)) = (&way.enters, &way.leaves, way.renumbered);
            scene.put(at, enters.from, enters.to, &rtp(enters, n, n * 160, false, &silence));
            let out = rtp(leaves, n + sequence, n * 160 + timestamp, false, &silence);
            scene.put(at + ms(1.0), leaves.from, leaves.to, &out);
        }
    }
    let seen = scene.run();
    ways.iter().for_each(|way| assert!(added(&seen, way).is_none()));
    let mut scene = host();
    for way in &ways {
        let transcoded = Way { talker: way.talker + 7, ..way.clone() };
        (0..500u64).for_each(|n| way.enter(&mut scene, n as i64 * PACKET, n));
        (0..500u64).for_each(|n| transcoded.leave(&mut scene, n as i64 * PACKET + ms(1.0), n));
    }
    let seen = scene.run();
    ways.iter().for_each(|way| assert!(added(&seen, way).is_none()));
    assert_eq!(seen.sum("rtp_relayed_packets_total", ""), 0.0);
}

#[test]
fn streams_that_only_pass_this_host_s_wire_are_no_relay() {
    // In and out of somebody else's relay, seen by a host whose addresses are others.
    let ways = ways(0);
    let mut scene = Scene::at_home(&["10.0.0.99/32"]);
    ways.iter().for_each(|way| way.pass(&mut scene, 500, |_| Some(ms(1.0))));
    let seen = scene.run();
    ways.iter().for_each(|way| assert!(added(&seen, way).is_none()));
}

#[test]
fn the_direction_of_what_is_added_is_the_outgoing_stream_s() {
    let way = ways(0)[0].clone();
    let mut scene = host();
    way.pass(&mut scene, 500, |n| (n % 10 != 5).then_some(ms(1.0)));
    let seen = scene.run();
    assert_eq!(seen.sum("rtp_relay_delay_seconds_count", "direction=\"outbound\""), 447.0);
    assert_eq!(seen.sum("rtp_relay_lost_packets_total", "direction=\"outbound\""), 50.0);
}

proptest! {
    #![proptest_config(cases(40))]

    /// Random drops and stays in two calls at once, numbering kept or not: all that came in is out, or lost.
    #[test]
    fn every_packet_is_accounted_for(seed in any::<u64>(), drops in 0..20usize, longest in 1..100usize, anew: bool) {
        let mut random = Random::new(seed);
        let mut scene = host();
        let ways: Vec<Way> = ways(0).into_iter().chain(ways(50)).map(|way| if anew { way.renumbered() } else { way }).collect();
        let mut truth = Vec::new();
        for way in &ways {
            let fates: Vec<Option<i64>> = (0..800u64).map(|n| {
                let lost = n > 50 && n < 790 && random.below(100) < drops;
                (!lost).then(|| ms(random.below(longest * 10) as f64 / 10.0))
            }).collect();
            truth.push((fates.iter().flatten().count() as u64, fates.iter().filter(|fate| fate.is_none()).count() as u64));
            way.pass(&mut scene, 800, |n| fates[n as usize]);
        }
        let seen = scene.run();
        for (way, (passed, lost)) in ways.iter().zip(truth) {
            let added = added(&seen, way);
            prop_assert!(added.is_some(), "not matched");
            let added = added.unwrap();
            prop_assert_eq!(added.lost, lost);
            // What was inside before the two were known to be one.
            let missed = if anew { 40 } else { 24 };
            prop_assert!(added.packets <= passed && added.packets + missed >= passed, "{} of {}", added.packets, passed);
            prop_assert!(added.max <= longest as f64 / 1000.0 + 1e-6);
        }
    }
}
