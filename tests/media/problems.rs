//! What is wrong with the media of a call, and what only looks like it.

use std::net::SocketAddr;

use crate::harness::SECOND;
use crate::packets::{Call, From, address, message};
use crate::scene::{Flow, Scene, Seen, body, ms, sound};

const NONE: [&str; 0] = [];

/// Sound of both sides, from and to these seconds after the start; the call is answered at 0, and ends.
struct Plan {
    caller: Option<(i64, i64)>,
    callee: Option<(i64, i64)>,
    ends: i64,
}

fn talk(scene: &mut Scene, flow: &Flow, span: Option<(i64, i64)>) {
    let Some((from, to)) = span else { return };
    let (first, end) = ((from + 1000) as u64 * 50, (to + 1000) as u64 * 50);
    scene.talk(from * SECOND, flow, first, end);
}

fn planned(mut scene: Scene, id: &str, plan: &Plan) -> Seen {
    let call = Call::v4(id);
    scene.answer(0, &call);
    talk(&mut scene, &Flow::of_caller(&call), plan.caller);
    talk(&mut scene, &Flow::of_callee(&call), plan.callee);
    scene.bye(plan.ends * SECOND, &call);
    (0..plan.ends).for_each(|second| scene.pause(second * SECOND + ms(400.0)));
    scene.run()
}

fn problems(caller: Option<(i64, i64)>, callee: Option<(i64, i64)>, ends: i64) -> Vec<String> {
    let seen = planned(Scene::new(), "plan", &Plan { caller, callee, ends });
    let found: Vec<String> = seen.problems("plan").into_iter().map(str::to_owned).collect();
    assert_eq!(seen.sum("call_media_problems_total", ""), found.len() as f64, "each problem once a call");
    for problem in &found {
        assert_eq!(seen.sum("call_media_problems_total", &format!("problem=\"{problem}\"")), 1.0);
    }
    found
}

#[test]
fn each_problem_by_its_name() {
    assert_eq!(problems(Some((0, 30)), Some((0, 30)), 30), NONE);
    assert_eq!(problems(None, None, 30), ["no_media"]);
    assert_eq!(problems(Some((0, 30)), None, 30), ["one_way"]);
    assert_eq!(problems(None, Some((0, 30)), 30), ["one_way"]);
    assert_eq!(problems(Some((4, 30)), Some((4, 30)), 30), ["late_media"]);
    assert_eq!(problems(Some((0, 30)), Some((5, 30)), 30), ["late_media"]);
    assert_eq!(problems(Some((0, 15)), Some((0, 30)), 30), ["media_timeout"]);
    assert_eq!(problems(Some((0, 30)), Some((0, 15)), 30), ["media_timeout"]);
    assert_eq!(problems(Some((0, 15)), Some((0, 15)), 30), ["media_timeout"]);
    assert_eq!(problems(Some((5, 15)), Some((5, 15)), 30), ["late_media", "media_timeout"]);
}

#[test]
fn below_the_thresholds_nothing_is_wrong() {
    // late_media 3 s, media_timeout 10 s.
    assert_eq!(problems(Some((2, 30)), Some((2, 30)), 30), NONE);
    assert_eq!(problems(Some((0, 21)), Some((0, 30)), 30), NONE);
    assert_eq!(problems(None, None, 2), NONE);
    assert_eq!(problems(Some((0, 2)), None, 2), NONE);
    assert_eq!(problems(None, None, 4), ["no_media"], "long enough to have said hello");
}

#[test]
fn thresholds_are_configured() {
    let seconds = std::time::Duration::from_secs;
    let change = |late, timeout| {
        Scene::new().configured(|config| (config.calls.late_media, config.calls.media_timeout) = (late, timeout))
    };
    let plan = Plan { caller: Some((4, 12)), callee: Some((0, 20)), ends: 20 };
    assert_eq!(planned(change(seconds(5), seconds(9)), "a", &plan).problems("a"), NONE);
    assert_eq!(planned(change(seconds(1), seconds(7)), "b", &plan).problems("b"), ["late_media", "media_timeout"]);
}

#[test]
fn direction_is_the_call_s() {
    for (networks, want) in
        [(["192.0.2.20/32"], "inbound"), (["192.0.2.10/32"], "outbound"), (["192.0.2.0/24"], "internal")]
    {
        let plan = Plan { caller: Some((0, 20)), callee: None, ends: 20 };
        let seen = planned(Scene::at_home(&networks), "plan", &plan);
        let labels = format!("direction=\"{want}\",problem=\"one_way\"");
        let swapped = format!("problem=\"one_way\",direction=\"{want}\"");
        let found = seen.sum("call_media_problems_total", &labels) + seen.sum("call_media_problems_total", &swapped);
        assert_eq!(found, 1.0, "{want}");
        assert_eq!(seen.problems("plan"), ["one_way"]);
    }
}

#[test]
fn a_site_that_the_media_does_not_touch_says_nothing_of_it() {
    let plan = Plan { caller: None, callee: None, ends: 30 };
    assert_eq!(planned(Scene::at_home(&["203.0.113.0/24"]), "elsewhere", &plan).problems("elsewhere"), NONE);
    assert_eq!(planned(Scene::at_home(&["192.0.2.20/32"]), "here", &plan).problems("here"), ["no_media"]);
    // What is seen of it is judged.
    let plan = Plan { caller: Some((0, 30)), callee: None, ends: 30 };
    assert_eq!(planned(Scene::at_home(&["203.0.113.0/24"]), "seen", &plan).problems("seen"), ["one_way"]);
}

#[test]
fn a_call_that_nobody_answered_is_not_judged() {
    let call = Call::v4("ringing");
    let mut scene = Scene::new();
    scene.invite(0, &call, 1, &sound(call.caller_media, ""));
    scene.respond(SECOND, &call, 1, "183 Session Progress", &sound(call.callee_media, ""));
    scene.respond(40 * SECOND, &call, 1, "486 Busy Here", "");
    (0..60).for_each(|second| scene.pause(second * SECOND));
    assert_eq!(scene.run().problems("ringing"), NONE);
}

#[test]
fn early_media_is_media() {
    let call = Call::v4("early");
    let mut scene = Scene::new();
    scene.invite(0, &call, 1, &sound(call.caller_media, ""));
    scene.respond(SECOND, &call, 1, "183 Session Progress", &sound(call.callee_media, ""));
    // The ringing tone is heard before the answer at 20 s, the caller only after it.
    talk(&mut scene, &Flow::of_callee(&call), Some((1, 40)));
    talk(&mut scene, &Flow::of_caller(&call), Some((20, 40)));
    scene.respond(20 * SECOND, &call, 1, "200 OK", &sound(call.callee_media, ""));
    scene.bye(40 * SECOND, &call);
    assert_eq!(scene.run().problems("early"), NONE);
    // An offer in the 200, the answer in the ACK.
    let call = Call::v4("late offer");
    let mut scene = Scene::new();
    scene.invite(0, &call, 1, "");
    scene.respond(SECOND, &call, 1, "200 OK", &sound(call.callee_media, ""));
    let answer = sound(call.caller_media, "");
    scene.signal(ms(1200.0), &call, From::Caller, &message("ACK sip:b@b SIP/2.0", &call, "1 ACK", ";tag=b", &answer));
    talk(&mut scene, &Flow::of_callee(&call), Some((2, 20)));
    scene.bye(20 * SECOND, &call);
    assert_eq!(scene.run().problems("late offer"), ["one_way"]);
}

/// A call whose caller makes an offer with these lines at 10 s and takes it back at 40 s; the sound of both parties meanwhile.
fn held(there: &str, back: &str, to_zero: bool, caller: bool, callee: bool) -> Vec<String> {
    let call = Call::v4("held");
    let mut scene = Scene::new();
    scene.answer(0, &call);
    let hold = sound(call.caller_media, there);
    let hold = if to_zero { hold.replace("c=IN IP4 192.0.2.10", "c=IN IP4 0.0.0.0") } else { hold };
    scene.agree(10 * SECOND, &call, 2, &hold, &sound(call.callee_media, back));
    scene.agree(40 * SECOND, &call, 3, &sound(call.caller_media, ""), &sound(call.callee_media, ""));
    for (flow, during) in [(Flow::of_caller(&call), caller), (Flow::of_callee(&call), callee)] {
        for n in (0..3000u64).filter(|n| during || !(500..2005).contains(n)) {
            // A held phone's numbers go on where they stopped; its timestamps go on with time.
            let sequence = if during || n < 500 { n } else { n - 1505 };
            scene.rtp(n as i64 * ms(20.0), &flow, sequence, n * 160);
        }
    }
    scene.bye(60 * SECOND, &call);
    (0..60).for_each(|second| scene.pause(second * SECOND));
    scene.run().problems("held").into_iter().map(str::to_owned).collect()
}

#[test]
fn what_is_on_hold_is_let_alone() {
    // RFC 3264 section 8.4: sendonly with music, sendonly without, inactive, and the 0.0.0.0 of RFC 2543.
    assert_eq!(held("a=sendonly\r\n", "a=recvonly\r\n", false, true, false), NONE, "music");
    assert_eq!(held("a=sendonly\r\n", "a=recvonly\r\n", false, false, false), NONE, "silence");
    assert_eq!(held("a=inactive\r\n", "a=inactive\r\n", false, false, false), NONE, "inactive");
    assert_eq!(held("", "", true, false, false), NONE, "0.0.0.0");
    assert_eq!(held("a=sendonly\r\n", "a=recvonly\r\n", true, false, false), NONE, "both");
    // And without hold it is none.
    assert_eq!(held("", "", false, true, false), ["media_timeout"]);
}

#[test]
fn media_that_does_not_come_back_after_hold_has_stopped() {
    let call = Call::v4("gone");
    let mut scene = Scene::new();
    scene.answer(0, &call);
    talk(&mut scene, &Flow::of_caller(&call), Some((0, 10)));
    talk(&mut scene, &Flow::of_callee(&call), Some((0, 10)));
    let (hold, held) = (sound(call.caller_media, "a=inactive\r\n"), sound(call.callee_media, "a=inactive\r\n"));
    scene.agree(10 * SECOND, &call, 2, &hold, &held);
    scene.agree(30 * SECOND, &call, 3, &sound(call.caller_media, ""), &sound(call.callee_media, ""));
    (0..60).for_each(|second| scene.pause(second * SECOND));
    let seen = scene.run();
    assert_eq!(seen.problems("gone"), ["media_timeout"]);
}

#[test]
fn an_announcement_is_one_way_by_agreement() {
    for (offer, answer, heard) in [("a=recvonly\r\n", "a=sendonly\r\n", true), ("a=recvonly\r\n", "", true)] {
        let call = Call::v4("announcement");
        let mut scene = Scene::new();
        scene.agree(0, &call, 1, &sound(call.caller_media, offer), &sound(call.callee_media, answer));
        talk(&mut scene, &Flow::of_callee(&call), heard.then_some((0, 30)));
        scene.bye(30 * SECOND, &call);
        assert_eq!(scene.run().problems("announcement"), NONE);
    }
    // If it is not heard, there is no media.
    let call = Call::v4("mute");
    let mut scene = Scene::new();
    let (offer, answer) = (sound(call.caller_media, "a=recvonly\r\n"), sound(call.callee_media, "a=sendonly\r\n"));
    scene.agree(0, &call, 1, &offer, &answer);
    scene.bye(30 * SECOND, &call);
    assert_eq!(scene.run().problems("mute"), ["no_media"]);
}

#[test]
fn media_may_move_to_a_new_port() {
    let call = Call::v4("moved");
    let moved =
        Call { caller_media: address("192.0.2.99:22222"), callee_media: address("192.0.2.20:33333"), ..call.clone() };
    let mut scene = Scene::new();
    scene.answer(0, &call);
    scene.agree(10 * SECOND, &call, 2, &sound(moved.caller_media, ""), &sound(moved.callee_media, ""));
    talk(&mut scene, &Flow::of_caller(&call), Some((0, 10)));
    talk(&mut scene, &Flow::of_callee(&call), Some((0, 10)));
    talk(&mut scene, &Flow { ssrc: 5001, ..Flow::of_caller(&moved) }, Some((10, 60)));
    talk(&mut scene, &Flow { ssrc: 5002, ..Flow::of_callee(&moved) }, Some((10, 60)));
    scene.bye(60 * SECOND, &call);
    let seen = scene.run();
    assert_eq!(seen.problems("moved"), NONE);
    assert_eq!(seen.call("moved")["streams"].as_array().map(Vec::len), Some(4));
}

#[test]
fn a_party_behind_nat_is_heard_from_where_it_is() {
    // Both announce what nobody can reach; the relay latches on, and sends from the port that it announced.
    let call = Call { caller_media: address("10.0.0.5:4000"), ..Call::v4("nat") };
    let mut scene = Scene::new();
    scene.answer(0, &call);
    let nat = Call { caller_media: address("203.0.113.9:61000"), ..call.clone() };
    talk(&mut scene, &Flow::of_caller(&nat), Some((0, 30)));
    talk(&mut scene, &Flow::of_callee(&nat), Some((0, 30)));
    scene.bye(30 * SECOND, &call);
    let seen = scene.run();
    assert_eq!(seen.problems("nat"), NONE);
    assert_eq!(seen.call("nat")["streams"].as_array().map(Vec::len), Some(2));
}

#[test]
fn keys_are_missing_only_where_nobody_gave_any() {
    let savp = |at: SocketAddr, profile: &str, lines: &str| {
        body(&at.ip().to_string(), &format!("m=audio {} {profile} 0\r\n{lines}", at.port()))
    };
    let crypto = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj\r\n";
    let fingerprint = "a=fingerprint:sha-256 AA:BB:CC\r\na=setup:actpass\r\n";
    let zrtp = "a=zrtp-hash:1.10 fe30efd02423cb054e50efd0248742ac7a52c8f91bc2df881ae642c371ba46df\r\n";
    let mikey = "a=key-mgmt:mikey AQAFgM0XflABAAAAAAAAAAAAAAsAyONQ6gAAAAAJAAAQ\r\n";
    let cases = [
        ("RTP/SAVP", "", true),
        ("RTP/SAVPF", "", true),
        ("UDP/TLS/RTP/SAVPF", "", true),
        ("RTP/SAVP", crypto, false),
        ("UDP/TLS/RTP/SAVPF", fingerprint, false),
        ("RTP/SAVP", zrtp, false),
        ("RTP/SAVP", mikey, false),
        ("RTP/AVP", "", false),
        ("RTP/AVP", crypto, false),
    ];
    for (profile, lines, missing) in cases {
        let call = Call::v4("keys");
        let mut scene = Scene::new();
        let (offer, answer) = (savp(call.caller_media, profile, lines), savp(call.callee_media, profile, lines));
        scene.agree(0, &call, 1, &offer, &answer);
        talk(&mut scene, &Flow::of_caller(&call), Some((0, 5)));
        talk(&mut scene, &Flow::of_callee(&call), Some((0, 5)));
        scene.bye(5 * SECOND, &call);
        let want: &[&str] = if missing { &["srtp_without_keys"] } else { &[] };
        assert_eq!(scene.run().problems("keys"), want, "{profile} {lines}");
    }
    // Keys above the first section are for all (RFC 8122 section 5).
    let call = Call::v4("session keys");
    let mut scene = Scene::new();
    let of = |at: SocketAddr| savp(at, "UDP/TLS/RTP/SAVP", "").replace("m=audio", &format!("{fingerprint}m=audio"));
    scene.agree(0, &call, 1, &of(call.caller_media), &of(call.callee_media));
    scene.bye(SECOND, &call);
    assert_eq!(scene.run().problems("session keys"), NONE);
}

#[test]
fn sound_that_was_refused_or_replaced_by_pictures_is_not_missed() {
    // Both sides agree on video alone.
    let call = Call::v4("no audio");
    let mut scene = Scene::new();
    let of = |at: SocketAddr| {
        let (port, video) = (0, at.port() + 2);
        let sections = format!("m=audio {port} RTP/AVP 0\r\nm=video {video} RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\n");
        body(&at.ip().to_string(), &sections)
    };
    scene.agree(0, &call, 1, &of(call.caller_media), &of(call.callee_media));
    scene.bye(30 * SECOND, &call);
    assert_eq!(scene.run().problems("no audio"), NONE);
    // A second audio section that is refused (RFC 3264 section 6) takes nothing from the first.
    let call = Call::v4("second audio");
    let mut scene = Scene::new();
    let of = |at: SocketAddr, second: u16| format!("{}m=audio {second} RTP/AVP 8\r\n", sound(at, ""));
    scene.agree(0, &call, 1, &of(call.caller_media, 24_000), &of(call.callee_media, 0));
    talk(&mut scene, &Flow::of_caller(&call), Some((0, 30)));
    scene.bye(30 * SECOND, &call);
    assert_eq!(scene.run().problems("second audio"), ["one_way"]);
}

#[test]
fn two_legs_that_share_their_media_are_one_conversation() {
    // A B2BUA that leaves the media to the parties: both Call-IDs name the same endpoints.
    for networks in [&[][..], &["192.0.2.0/24"]] {
        let first = Call::v4("leg a");
        let second = Call { id: "leg b".to_owned(), caller: address("192.0.2.30:5060"), ..first.clone() };
        let mut scene = Scene::at_home(networks);
        scene.answer(0, &first);
        scene.answer(ms(10.0), &second);
        talk(&mut scene, &Flow::of_caller(&first), Some((0, 30)));
        talk(&mut scene, &Flow::of_callee(&first), Some((0, 30)));
        scene.bye(30 * SECOND, &second);
        scene.bye(30 * SECOND + ms(5.0), &first);
        let seen = scene.run();
        assert_eq!((seen.problems("leg a"), seen.problems("leg b")), (vec![], vec![]), "{networks:?}");
    }
}

#[test]
fn a_re_invite_that_is_refused_changes_nothing() {
    // RFC 3261 section 14.1: the session goes on as if it had not been sent.
    let call = Call::v4("refused");
    let mut scene = Scene::new();
    scene.answer(0, &call);
    talk(&mut scene, &Flow::of_caller(&call), Some((0, 10)));
    talk(&mut scene, &Flow::of_callee(&call), Some((0, 10)));
    scene.invite(5 * SECOND, &call, 2, &sound(call.caller_media, "a=inactive\r\n"));
    scene.respond(5 * SECOND + ms(20.0), &call, 2, "488 Not Acceptable Here", "");
    (0..60).for_each(|second| scene.pause(second * SECOND));
    assert_eq!(scene.run().problems("refused"), ["media_timeout"]);
}

#[test]
fn a_fork_that_refuses_takes_nothing_back() {
    let call = Call::v4("fork");
    let other_hop = |message: Vec<u8>, branch: &str| {
        let text = String::from_utf8(message).expect("text");
        text.replace("branch=z9hG4bK-", &format!("branch=z9hG4bK-{branch}-")).into_bytes()
    };
    let invite = message("INVITE sip:bob@b SIP/2.0", &call, "1 INVITE", "", &sound(call.caller_media, ""));
    let busy = message("SIP/2.0 486 Busy Here", &call, "1 INVITE", ";tag=c", "");
    let proxy = address("192.0.2.15:5060");
    let phones = [address("192.0.2.20:5060"), address("192.0.2.21:5060")];
    let mut scene = Scene::new();
    scene.put(0, call.caller, proxy, &invite);
    for (phone, branch) in phones.iter().zip(["p", "q"]) {
        scene.put(ms(1.0), proxy, *phone, &other_hop(invite.clone(), branch));
    }
    scene.put(SECOND, phones[1], proxy, &other_hop(busy, "q"));
    let ok = message("SIP/2.0 200 OK", &call, "1 INVITE", ";tag=b", &sound(call.callee_media, ""));
    scene.put(2 * SECOND, phones[0], proxy, &other_hop(ok.clone(), "p"));
    scene.put(2 * SECOND + ms(1.0), proxy, call.caller, &ok);
    talk(&mut scene, &Flow::of_callee(&call), Some((2, 20)));
    (0..20).for_each(|second| scene.pause(second * SECOND));
    let seen = scene.run();
    assert_eq!(seen.call("fork")["final_status"], 200);
    assert_eq!(seen.problems("fork"), ["one_way"]);
}
