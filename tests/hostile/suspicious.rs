//! Attacks and frauds with hand-counted truth: each incident once, the innocent never, and a flood hides nobody.

use std::net::SocketAddr;

use sidetone::config::{Config, Peer};

use crate::harness::{Core, MILLISECOND, Random, SECOND, START};
use crate::packets::{address, rtp, sdp, udp};

const SERVER: &str = "192.0.2.20:5060";
const ATTACKER: &str = "203.0.113.66:5071";
const KINDS: [&str; 6] =
    ["registration_scan", "invite_burst", "auth_failures", "scanner_agent", "false_answer", "short_calls"];

/// What happens at a server, in its time.
struct Scene {
    core: Core,
    now: i64,
    number: u32,
}

impl Scene {
    fn new(change: impl FnOnce(&mut Config)) -> Scene {
        let mut config = Config::default();
        config.suspicious.invite_burst = 10;
        config.suspicious.auth_failures = 5;
        config.suspicious.short_calls = 4;
        change(&mut config);
        Scene { core: Core::of(&config), now: START, number: 0 }
    }

    fn wait(&mut self, seconds: i64) {
        for _ in 0..seconds {
            self.now += SECOND;
            self.core.tick(self.now);
        }
    }

    fn put(&mut self, from: SocketAddr, to: SocketAddr, bytes: &[u8]) {
        self.now += MILLISECOND;
        self.core.packet(self.now, &udp(from, to, bytes));
    }

    /// A request of a new dialog, and the responses to it.
    fn ask(&mut self, from: &str, method: &str, user: &str, fields: &str, statuses: &[&str]) {
        self.number += 1;
        let (from, server) = (address(from), address(SERVER));
        self.put(
            from,
            server,
            text(&format!("{method} sip:{user}@a SIP/2.0"), self.number, method, user, fields).as_bytes(),
        );
        for status in statuses {
            let answer = text(&format!("SIP/2.0 {status}"), self.number, method, user, "");
            self.put(server, from, answer.as_bytes());
        }
    }

    /// Counts by kind, in the order of `KINDS`.
    fn counts(&mut self) -> [u32; 6] {
        let samples = self.core.scrape();
        samples.check();
        KINDS.map(|kind| samples.sum("sip_suspicious_total", &format!("kind=\"{kind}\"")) as u32)
    }
}

fn text(start: &str, number: u32, method: &str, user: &str, fields: &str) -> String {
    // An answer to a BYE or a call is that of its own dialog.
    let tag = if start.starts_with("SIP/") { ";tag=to" } else { "" };
    format!(
        "{start}\r\nVia: SIP/2.0/UDP x;branch=z9hG4bK{number}\r\nFrom: <sip:caller@a>;tag={number}\r\n\
         To: <sip:{user}@a>{tag}\r\nCall-ID: {number}\r\nCSeq: 1 {method}\r\n{fields}\r\n"
    )
}

#[test]
fn a_scan_is_one_incident_a_window() {
    let mut scene = Scene::new(|_| {});
    let scan = |scene: &mut Scene, from: &str, users: std::ops::Range<u32>| {
        users.for_each(|user| scene.ask(from, "REGISTER", &format!("{user}"), "", &["401 Unauthorized"]));
    };
    scan(&mut scene, ATTACKER, 0..19);
    // The same users again are no others.
    scan(&mut scene, ATTACKER, 0..19);
    assert_eq!(scene.counts(), [0; 6]);
    scan(&mut scene, ATTACKER, 19..20);
    assert_eq!(scene.counts(), [1, 0, 0, 0, 0, 0]);
    scan(&mut scene, ATTACKER, 20..200);
    assert_eq!(scene.counts()[0], 1);
    scan(&mut scene, "203.0.113.67:5060", 0..19);
    assert_eq!(scene.counts()[0], 1);
    scan(&mut scene, "[2001:db8::66]:5060".replace("[2001:db8::66]", "203.0.113.68").as_str(), 0..20);
    assert_eq!(scene.counts()[0], 2);
    scene.wait(61);
    scan(&mut scene, ATTACKER, 0..20);
    assert_eq!(scene.counts(), [3, 0, 0, 0, 0, 0]);
}

#[test]
fn an_office_that_registers_all_its_phones_is_no_scan() {
    let mut scene = Scene::new(|_| {});
    for round in 0..3 {
        for user in 0..100 {
            let user = format!("{user}");
            scene.ask(ATTACKER, "REGISTER", &user, "", &["401 Unauthorized"]);
            let statuses = ["100 Trying", "200 OK"];
            scene.ask(ATTACKER, "REGISTER", &user, "Authorization: Digest a\r\nContact: <sip:x@y>\r\n", &statuses);
        }
        scene.wait(20);
        assert_eq!(scene.counts(), [0; 6], "round {round}");
    }
}

#[test]
fn calls_by_the_dozen_are_one_burst() {
    let mut scene = Scene::new(|_| {});
    for n in 0..9 {
        scene.ask(ATTACKER, "INVITE", &format!("{n}"), "", &["404 Not Found"]);
    }
    // Repetitions, and the same call behind a proxy, are no more calls.
    let repeated = text("INVITE sip:8@a SIP/2.0", 9, "INVITE", "8", "");
    for _ in 0..20 {
        scene.put(address(ATTACKER), address(SERVER), repeated.as_bytes());
        scene.put(address(SERVER), address("192.0.2.30:5060"), repeated.replace("z9hG4bK", "z9hG4bKp").as_bytes());
    }
    assert_eq!(scene.counts(), [0; 6]);
    scene.ask(ATTACKER, "INVITE", "9", "", &["404 Not Found"]);
    assert_eq!(scene.counts(), [0, 1, 0, 0, 0, 0]);
    (0..500).for_each(|n| scene.ask(ATTACKER, "INVITE", &format!("{n}"), "", &["404 Not Found"]));
    assert_eq!(scene.counts(), [0, 1, 0, 0, 0, 0]);
    // Slowly, it is none.
    for n in 0..50 {
        scene.ask("203.0.113.90:5060", "INVITE", &format!("{n}"), "", &["404 Not Found"]);
        scene.wait(7);
    }
    assert_eq!(scene.counts(), [0, 1, 0, 0, 0, 0]);
}

#[test]
fn refused_credentials_are_failures_unless_their_nonce_was_old() {
    let mut scene = Scene::new(|_| {});
    let with = "Proxy-Authorization: Digest username=\"a\"\r\n";
    // Challenges to who has shown none are nothing.
    (0..50).for_each(|_| scene.ask(ATTACKER, "REGISTER", "a", "", &["401 Unauthorized"]));
    // Four failures, and one that a good answer makes up for.
    (0..4).for_each(|_| scene.ask(ATTACKER, "INVITE", "a", with, &["407 Proxy Authentication Required"]));
    scene.ask(ATTACKER, "REGISTER", "a", with, &["200 OK"]);
    scene.ask(ATTACKER, "SUBSCRIBE", "a", with, &["403 Forbidden"]);
    assert_eq!(scene.counts(), [0; 6]);
    for n in 0..20 {
        scene.number += 1;
        let (from, server) = (address(ATTACKER), address(SERVER));
        let number = scene.number;
        scene.put(from, server, text("OPTIONS sip:a@a SIP/2.0", number, "OPTIONS", "a", with).as_bytes());
        let challenge = format!("WWW-Authenticate: Digest realm=\"a, b\", nonce=\"{n}\", stale=TRUE\r\n");
        scene.put(server, from, text("SIP/2.0 401 Unauthorized", number, "OPTIONS", "a", &challenge).as_bytes());
    }
    assert_eq!(scene.counts(), [0; 6]);
    scene.ask(ATTACKER, "REGISTER", "a", with, &["401 Unauthorized"]);
    assert_eq!(scene.counts(), [0, 0, 1, 0, 0, 0]);
    (0..100).for_each(|_| scene.ask(ATTACKER, "REGISTER", "a", with, &["403 Forbidden"]));
    assert_eq!(scene.counts(), [0, 0, 1, 0, 0, 0]);
}

#[test]
fn who_says_that_it_is_a_scanner_is_one() {
    let mut scene = Scene::new(|_| {});
    for from in ["203.0.113.1:5060", "203.0.113.2:5060"] {
        for agent in ["friendly-scanner", "SIPVicious", "sipcli/v1.8", "VaxSIPUserAgent/3.1", "pplsip"] {
            scene.ask(from, "OPTIONS", "100", &format!("User-Agent: {agent}\r\n"), &[]);
        }
    }
    scene.ask("203.0.113.3:5060", "OPTIONS", "100", "User-Agent: Yealink SIP-T46S 66.84.0.15\r\n", &[]);
    scene.ask("203.0.113.4:5060", "OPTIONS", "100", "", &[]);
    assert_eq!(scene.counts(), [0, 0, 0, 2, 0, 0]);
    scene.wait(61);
    scene.ask("203.0.113.1:5060", "REGISTER", "100", "user-agent: FRIENDLY-SCANNER\r\n", &[]);
    assert_eq!(scene.counts(), [0, 0, 0, 3, 0, 0]);
}

/// A call that is answered and talks for some seconds, with or without voices.
fn talk(scene: &mut Scene, caller: &str, seconds: i64, voices: bool) {
    scene.number += 1;
    let (from, server, number) = (address(caller), address(SERVER), scene.number);
    let port = |side: u16| {
        SocketAddr::new(if side == 0 { from.ip() } else { server.ip() }, 20_000 + number as u16 * 4 + side * 2)
    };
    let body = |side: u16| {
        let body = sdp(port(side).ip(), port(side).port());
        format!("Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}", body.len())
    };
    let whole = |start: &str, method: &str, rest: &str| {
        let text = text(start, number, method, "bob", "");
        let text = text.strip_suffix("\r\n").unwrap_or_default().to_owned();
        if rest.is_empty() { text + "\r\n" } else { text + rest }
    };
    scene.put(from, server, whole("INVITE sip:bob@a SIP/2.0", "INVITE", &body(0)).as_bytes());
    scene.put(server, from, whole("SIP/2.0 200 OK", "INVITE", &body(1)).as_bytes());
    for second in 0..seconds * i64::from(voices) {
        for n in 0..10u16 {
            let sequence = second as u16 * 10 + n;
            for (to, ssrc) in [(1, 7), (0, 8)] {
                let packet = rtp(0, sequence, u32::from(sequence) * 160, ssrc + number * 16, 160);
                scene.put(port(1 - to), port(to), &packet);
            }
        }
        scene.wait(1);
    }
    scene.wait(seconds * i64::from(!voices));
    let bye = whole("BYE sip:bob@a SIP/2.0", "BYE", "")
        .replace("CSeq: 1", "CSeq: 2")
        .replace("<sip:bob@a>", "<sip:bob@a>;tag=to");
    scene.put(from, server, bye.replace("z9hG4bK", "z9hG4bKb").as_bytes());
}

#[test]
fn answers_without_a_voice_are_false() {
    let mut scene = Scene::new(|_| {});
    talk(&mut scene, "198.51.100.1:5060", 15, true);
    assert_eq!(scene.counts(), [0; 6]);
    talk(&mut scene, "198.51.100.1:5060", 15, false);
    assert_eq!(scene.counts(), [0, 0, 0, 0, 1, 0]);
    // The same answerer within a minute.
    talk(&mut scene, "198.51.100.2:5060", 15, false);
    assert_eq!(scene.counts(), [0, 0, 0, 0, 1, 0]);
    scene.wait(60);
    // Found at the end of the call.
    talk(&mut scene, "198.51.100.3:5060", 6, false);
    assert_eq!(scene.counts(), [0, 0, 0, 0, 2, 0]);
}

#[test]
fn a_caller_that_hangs_up_at_once_again_and_again() {
    let mut scene = Scene::new(|config| (config.suspicious.false_answers, config.suspicious.invite_burst) = (0, 0));
    (0..3).for_each(|_| talk(&mut scene, ATTACKER, 2, false));
    talk(&mut scene, ATTACKER, 6, false);
    assert_eq!(scene.counts(), [0; 6]);
    talk(&mut scene, ATTACKER, 4, false);
    assert_eq!(scene.counts(), [0, 0, 0, 0, 0, 1]);
    (0..6).for_each(|_| talk(&mut scene, ATTACKER, 1, false));
    assert_eq!(scene.counts(), [0, 0, 0, 0, 0, 1]);
}

#[test]
fn who_is_trusted_may() {
    let trusted = "203.0.113.66/32".parse().expect("a network");
    let peer = Peer { name: "carrier".to_owned(), networks: vec![trusted], capacity: None };
    let attack = |scene: &mut Scene| {
        for user in 0..30 {
            let fields = "User-Agent: friendly-scanner\r\nAuthorization: Digest a\r\n";
            scene.ask(ATTACKER, "REGISTER", &format!("{user}"), fields, &["403 Forbidden"]);
            scene.ask(ATTACKER, "INVITE", &format!("{user}"), fields, &["404 Not Found"]);
        }
        (0..5).for_each(|_| talk(scene, ATTACKER, 1, false));
        scene.counts()
    };
    let mut plain = Scene::new(|_| {});
    assert_eq!(attack(&mut plain), [1, 1, 1, 1, 0, 1]);
    let mut by_address = Scene::new(|config| config.suspicious.trusted = vec![trusted]);
    assert_eq!(attack(&mut by_address), [0; 6]);
    let mut local = Scene::new(|config| config.site.local_networks = vec![trusted]);
    assert_eq!(attack(&mut local), [0; 6]);
    let mut distrusted = Scene::new(|config| {
        config.site.local_networks = vec![trusted];
        config.suspicious.trust_local = false;
    });
    assert_eq!(attack(&mut distrusted), [1, 1, 1, 1, 0, 1]);
    // Short calls come through carriers: being one is no excuse.
    let mut carrier = Scene::new(|config| config.peers = vec![peer.clone()]);
    assert_eq!(attack(&mut carrier), [0, 0, 0, 0, 0, 1]);
    let mut distrusted = Scene::new(|config| {
        config.peers = vec![peer.clone()];
        config.suspicious.trust_peers = false;
    });
    assert_eq!(attack(&mut distrusted), [1, 1, 1, 1, 0, 1]);
    let mut off = Scene::new(|config| {
        let off = &mut config.suspicious;
        (off.registration_scan, off.invite_burst, off.auth_failures, off.false_answers, off.short_calls) =
            (0, 0, 0, 0, 0);
        off.scanner_agents.clear();
    });
    assert_eq!(attack(&mut off), [0; 6]);
}

/// A hundred thousand spoofed sources while three attackers work at ten messages a second each.
#[test]
fn a_flood_of_strangers_hides_no_attacker() {
    let mut scene = Scene::new(|config| config.suspicious.max_sources = 1000);
    let mut random = Random::new(4);
    for step in 0..100u32 {
        scene.ask("203.0.113.1:5060", "REGISTER", &format!("{step}"), "", &["401 Unauthorized"]);
        scene.ask("203.0.113.2:5060", "INVITE", &format!("{step}"), "", &["404 Not Found"]);
        scene.ask("203.0.113.3:5060", "REGISTER", "1", "Authorization: Digest a\r\n", &["401 Unauthorized"]);
        scene.now += 80 * MILLISECOND;
        for _ in 0..1000 {
            let source = SocketAddr::from((std::net::Ipv4Addr::from(random.next() as u32 | 1 << 24), 5060));
            scene.number += 1;
            let method = if scene.number.is_multiple_of(2) { "REGISTER" } else { "INVITE" };
            let fields = "Authorization: Digest a\r\n";
            let message = text(&format!("{method} sip:a@a SIP/2.0"), scene.number, method, "a", fields);
            scene.core.packet(scene.now, &udp(source, address(SERVER), message.as_bytes()));
        }
    }
    assert_eq!(scene.counts(), [1, 1, 1, 0, 0, 0]);
    let samples = scene.core.scrape();
    for (table, cap) in [("suspicious_sources", 2000), ("credentials", 20_000)] {
        assert!(samples.tracked(table) <= cap, "{table}: {}", samples.tracked(table));
        assert!(samples.evicted(table) > 0, "{table}: nothing gave way");
    }
}
