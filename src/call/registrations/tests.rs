use super::numbers::Change;
use super::*;
use crate::wire::sip::{self, Content, Start};

const PHONE: &str = "<sip:alice@192.0.2.7:5062>";
const TABLET: &str = "<sip:alice@192.0.2.8>";

/// A registrar's host as it is seen: what passes, and what came of it.
struct Desk {
    registrations: Registrations,
    numbers: Numbers,
    now: Timestamp,
}

impl Desk {
    fn new(capacity: usize) -> Desk {
        let now = Timestamp::from_nanos(1_700_000_000_000_000_000);
        Desk { registrations: Registrations::new(capacity), numbers: Numbers::new(100), now }
    }

    /// Time passes, second by second, as the core sees it.
    fn wait(&mut self, seconds: u64) {
        for _ in 0..seconds {
            self.now = self.now + Duration::from_secs(1);
            self.registrations.tick(self.now, &mut self.numbers);
        }
    }

    fn see(&mut self, peer: PeerId, text: &str) {
        let Ok(Content::Message(message)) = sip::parse(text.as_bytes()) else { panic!("no message: {text}") };
        assert_eq!(message.problem, None, "{text}");
        self.now = self.now + Duration::from_millis(10);
        match message.start {
            Start::Request { .. } => {
                self.registrations.request(self.now, (peer, Agent::NONE), &message, &mut self.numbers)
            }
            Start::Response { code } => self.registrations.response(self.now, code, &message, &mut self.numbers),
        };
    }

    /// REGISTER of `who` and a response to it, on one hop.
    fn ask(&mut self, who: &str, cseq: u32, asked: &str, status: &str, said: &str) {
        self.see(PeerId::OTHER, &register(who, cseq, "a", asked));
        self.see(PeerId::OTHER, &answer(who, cseq, "a", status, said));
    }

    /// Successes, unauthorized, rejected, time-outs.
    fn results(&mut self) -> [u64; 4] {
        self.numbers.cell(PeerId::OTHER).results()
    }

    /// Bindings and users that are there now; the books have to balance.
    fn active(&mut self) -> (u64, u64) {
        let totals = self.numbers.totals();
        let count = |wanted| totals.changes().find(|(change, _)| *change == wanted).map_or(0, |(_, n)| n);
        let came = count(Change::New) + count(Change::Listed);
        let went = count(Change::Removal) + count(Change::Expired) + count(Change::Dropped);
        assert_eq!(came, totals.active + went + self.registrations.evicted().1, "{totals:?}");
        assert_eq!(totals.active as usize, self.registrations.lengths().1);
        (totals.active, totals.users)
    }

    fn changes(&self) -> [u64; 6] {
        let mut all = self.numbers.totals().changes().map(|(_, n)| n).collect::<Vec<_>>().into_iter();
        std::array::from_fn(|_| all.next().expect("six kinds"))
    }
}

fn head(who: &str, cseq: u32, branch: &str) -> String {
    format!(
        "Via: SIP/2.0/UDP 192.0.2.7;branch=z9hG4bK-{who}-{cseq}-{branch}\r\nFrom: <sip:boss@a.example>;tag=1\r\n\
         To: <sip:{who}@a.example>\r\nCall-ID: {who}@192.0.2.7\r\nCSeq: {cseq} REGISTER\r\n"
    )
}

fn register(who: &str, cseq: u32, branch: &str, fields: &str) -> String {
    format!("REGISTER sip:a.example SIP/2.0\r\n{}{fields}\r\n", head(who, cseq, branch))
}

fn answer(who: &str, cseq: u32, branch: &str, status: &str, fields: &str) -> String {
    format!("SIP/2.0 {status}\r\n{}{fields}\r\n", head(who, cseq, branch))
}

fn contact(uri: &str, seconds: u32) -> String {
    format!("Contact: {uri};expires={seconds}\r\n")
}

const NEW: usize = 0;
const REFRESH: usize = 1;
const REMOVAL: usize = 2;
const EXPIRED: usize = 3;
const DROPPED: usize = 4;
const LISTED: usize = 5;

#[test]
fn a_binding_lives_as_long_as_was_granted() {
    let mut desk = Desk::new(100);
    desk.ask("alice", 1, &contact(PHONE, 3600), "200 OK", &contact(PHONE, 60));
    assert_eq!((desk.active(), desk.results()), ((1, 1), [1, 0, 0, 0]));
    desk.wait(50);
    desk.ask("alice", 2, &contact(PHONE, 3600), "200 OK", &contact(PHONE, 60));
    desk.wait(59);
    assert_eq!(desk.active(), (1, 1));
    desk.wait(2);
    assert_eq!(desk.active(), (0, 0));
    assert_eq!(desk.changes(), [1, 1, 0, 1, 0, 0]);
}

#[test]
fn who_grants_says_how_long_then_who_asks_then_the_rfc() {
    for (asked, said, lives) in [
        ("Contact: <sip:a@b>\r\nExpires: 300\r\n", "Contact: <sip:a@b>\r\nExpires: 100\r\n", 100),
        ("Contact: <sip:a@b>\r\nExpires: 300\r\n", "Contact: <sip:a@b>;expires=40\r\nExpires: 100\r\n", 40),
        ("Contact: <sip:a@b>\r\nExpires: 300\r\n", "Contact: <sip:a@b>\r\n", 300),
        ("Contact: <sip:a@b>;expires=200\r\nExpires: 300\r\n", "", 200),
        ("Contact: <sip:a@b>\r\n", "", 3600),
        // RFC 4475 section 3.1.2.4: no number of 32 bits is no number.
        ("Contact: <sip:a@b>;expires=36893488147419103232\r\nExpires: 36893488147419103232\r\n", "", 3600),
        ("Contact: <sip:a@b>\r\n", "Contact: <sip:a@b>;expires=-7\r\nExpires: x\r\n", 3600),
    ] {
        let mut desk = Desk::new(10);
        desk.ask("a", 1, asked, "200 OK", said);
        desk.wait(lives - 1);
        assert_eq!(desk.active(), (1, 1), "{asked}{said}");
        desk.wait(2);
        assert_eq!(desk.active(), (0, 0), "{asked}{said}");
    }
    // The longest that can be said is 136 years, and no overflow.
    let mut desk = Desk::new(10);
    desk.now = Timestamp::from_nanos(i64::MAX - 10_000_000_000);
    desk.ask("a", 1, "Contact: <sip:a@b>;expires=4294967295\r\n", "200 OK", "");
    assert_eq!(desk.active(), (1, 1));
}

#[test]
fn the_list_of_the_registrar_is_the_truth() {
    let mut desk = Desk::new(100);
    desk.ask("alice", 1, &contact(PHONE, 600), "200 OK", &contact(PHONE, 600));
    // A second device: both are listed, in one field and in two.
    let both = format!("Contact: {PHONE};expires=590, {TABLET};expires=600\r\n");
    desk.ask("alice", 2, &contact(TABLET, 600), "200 OK", &both);
    assert_eq!((desk.active(), desk.changes()[NEW]), ((2, 1), 2));
    // The tablet is gone from the list, and a third device that was never seen is in it.
    let listed = contact(PHONE, 600) + &contact("<sip:alice@192.0.2.99>", 30);
    desk.ask("alice", 3, &contact(PHONE, 600), "200 OK", &listed);
    assert_eq!(desk.active(), (2, 1));
    assert_eq!(desk.changes(), [2, 1, 0, 0, 1, 1]);
    desk.wait(40);
    assert_eq!((desk.active(), desk.changes()[EXPIRED]), ((1, 1), 1));
}

#[test]
fn several_contacts_in_one_register() {
    let mut desk = Desk::new(100);
    let both = format!("Contact: {PHONE}, {TABLET};expires=30\r\nExpires: 600\r\n");
    desk.ask("alice", 1, &both, "200 OK", &format!("m: {PHONE};expires=600\r\nm: {TABLET};expires=30\r\n"));
    assert_eq!((desk.active(), desk.changes()[NEW]), ((2, 1), 2));
    // One is refreshed, the other taken away.
    let mixed = contact(PHONE, 600) + &contact(TABLET, 0);
    desk.ask("alice", 2, &mixed, "200 OK", &contact(PHONE, 600));
    assert_eq!(desk.active(), (1, 1));
    assert_eq!(desk.changes(), [2, 1, 1, 0, 0, 0]);
}

#[test]
fn removals_by_expires_by_contact_and_of_all() {
    let bound = |desk: &mut Desk| {
        let both = contact(PHONE, 600) + &contact(TABLET, 600);
        desk.ask("alice", 1, &both, "200 OK", &both);
        desk.ask("bob", 1, &contact("<sip:bob@192.0.2.9>", 600), "200 OK", &contact("<sip:bob@192.0.2.9>", 600));
        assert_eq!(desk.active(), (3, 2));
    };
    let header = format!("Contact: {PHONE}\r\nExpires: 0\r\n");
    let cases = [
        // What is asked, what is said, bindings and users after it, removals.
        (contact(PHONE, 0), contact(TABLET, 600), (2, 2), 1),
        (contact(PHONE, 0), contact(PHONE, 0) + &contact(TABLET, 600), (2, 2), 1),
        // A registrar that lists nothing: only what was asked for is gone.
        (contact(PHONE, 0), String::new(), (2, 2), 1),
        (header, String::new(), (2, 2), 1),
        ("Contact: *\r\nExpires: 0\r\n".to_owned(), String::new(), (1, 1), 2),
        // It does not obey.
        ("Contact: *\r\nExpires: 0\r\n".to_owned(), contact(TABLET, 600), (2, 2), 1),
        // What is not there cannot be removed.
        (contact("<sip:alice@192.0.2.250>", 0), contact(PHONE, 600) + &contact(TABLET, 600), (3, 2), 0),
    ];
    for (asked, said, left, removals) in cases {
        let mut desk = Desk::new(100);
        bound(&mut desk);
        desk.ask("alice", 2, &asked, "200 OK", &said);
        assert_eq!((desk.active(), desk.changes()[REMOVAL]), (left, removals), "{asked} {said}");
        assert_eq!(desk.results(), [3, 0, 0, 0]);
    }
}

#[test]
fn asking_for_the_bindings_makes_none() {
    let mut desk = Desk::new(100);
    desk.ask("alice", 1, "", "200 OK", "");
    assert_eq!((desk.active(), desk.results()), ((0, 0), [1, 0, 0, 0]));
    desk.ask("alice", 2, "", "200 OK", &contact(PHONE, 600));
    assert_eq!((desk.active(), desk.changes()[LISTED]), ((1, 1), 1));
    // The registrar knows nobody any more.
    desk.ask("alice", 3, "", "200 OK", "");
    assert_eq!((desk.active(), desk.changes()[DROPPED]), ((0, 0), 1));
}

#[test]
fn challenges_and_short_intervals_are_part_of_an_attempt() {
    let mut desk = Desk::new(100);
    let asked = contact(PHONE, 30);
    let with = format!("{asked}Authorization: Digest x\r\n");
    desk.ask("alice", 1, &asked, "401 Unauthorized", "");
    // Nonces that are stale again and again.
    for cseq in 2..6 {
        desk.wait(1);
        desk.ask("alice", cseq, &with, "407 Proxy Authentication Required", "");
    }
    desk.ask("alice", 6, &with, "423 Interval Too Brief", "Min-Expires: 60\r\n");
    desk.wait(1);
    desk.ask("alice", 7, &contact(PHONE, 60), "200 OK", &contact(PHONE, 60));
    assert_eq!((desk.results(), desk.active()), ([1, 0, 0, 0], (1, 1)));
    let cell = desk.numbers.cell(PeerId::OTHER);
    // From the first REGISTER: five seconds of waiting, and 10 ms from each message to the next.
    assert!((cell.delay.sum() - 5.13).abs() < 1e-6, "{}", cell.delay.sum());
    assert_eq!((cell.delay.count(), cell.ineffective), (1, 0));
}

#[test]
fn how_attempts_end() {
    let asked = contact(PHONE, 600);
    for (status, results, ineffective) in [
        ("200 OK", [1, 0, 0, 0], 0),
        ("302 Moved Temporarily", [0, 0, 1, 0], 0),
        ("402 Payment Required", [0, 0, 1, 0], 0),
        ("403 Forbidden", [0, 1, 0, 0], 1),
        ("404 Not Found", [0, 0, 1, 0], 1),
        ("503 Service Unavailable", [0, 0, 1, 0], 1),
        ("603 Decline", [0, 0, 1, 0], 1),
        // These wait for more, in vain.
        ("100 Trying", [0, 0, 0, 1], 1),
        ("401 Unauthorized", [0, 1, 0, 0], 0),
        ("407 Proxy Authentication Required", [0, 1, 0, 0], 0),
        ("423 Interval Too Brief", [0, 0, 1, 0], 1),
    ] {
        let mut desk = Desk::new(100);
        desk.ask("alice", 1, &asked, status, "");
        desk.wait(33);
        assert_eq!(desk.results(), results, "{status}");
        assert_eq!(desk.numbers.totals().ineffective, ineffective, "{status}");
        assert_eq!(desk.registrations.lengths().0, 0);
    }
}

#[test]
fn an_answer_that_nobody_answers_has_timed_out() {
    let mut desk = Desk::new(100);
    let asked = contact(PHONE, 600);
    desk.ask("alice", 1, &asked, "401 Unauthorized", "");
    desk.see(PeerId::OTHER, &register("alice", 2, "a", &format!("{asked}Authorization: Digest x\r\n")));
    desk.wait(31);
    assert_eq!(desk.results(), [0; 4]);
    desk.wait(2);
    assert_eq!(desk.results(), [0, 0, 0, 1]);
}

#[test]
fn a_phone_with_a_wrong_password_fails_again_and_again() {
    let mut desk = Desk::new(100);
    let asked = contact(PHONE, 600);
    for round in 0..5 {
        desk.ask("alice", 2 * round + 1, &asked, "401 Unauthorized", "");
        let with = format!("{asked}Authorization: Digest x\r\n");
        desk.ask("alice", 2 * round + 2, &with, "401 Unauthorized", "");
        desk.wait(20);
    }
    assert_eq!(desk.results(), [0, 4, 0, 0]);
    desk.registrations.finish(desk.now, &mut desk.numbers);
    assert_eq!(desk.results(), [0, 5, 0, 0]);
}

#[test]
fn a_proxy_on_this_host_adds_neither_attempts_nor_bindings() {
    let mut desk = Desk::new(100);
    let asked = contact(PHONE, 600);
    for (cseq, fields) in [(1, asked.clone()), (2, format!("{asked}Authorization: Digest x\r\n"))] {
        desk.see(PeerId::OTHER, &register("alice", cseq, "a", &fields));
        desk.see(PeerId::OTHER, &register("alice", cseq, "proxy", &fields));
        // Another branch of the proxy finds nobody; only what the phone hears counts.
        desk.see(PeerId::OTHER, &answer("alice", cseq, "proxy-2", "503 Service Unavailable", ""));
        let status = if cseq == 1 { "401 Unauthorized" } else { "200 OK" };
        desk.see(PeerId::OTHER, &answer("alice", cseq, "proxy", status, &contact("<sip:edge@10.0.0.1>", 600)));
        assert_eq!(desk.active(), (0, 0));
        desk.see(PeerId::OTHER, &answer("alice", cseq, "a", status, &asked));
    }
    assert_eq!((desk.results(), desk.active()), ([1, 0, 0, 0], (1, 1)));
    assert_eq!(desk.changes()[NEW], 1);
}

#[test]
fn contacts_that_are_rewritten_on_the_way_stand_for_what_was_asked() {
    let mut desk = Desk::new(100);
    let alias = "<sip:alice@192.0.2.7:5062;alias=203.0.113.5~1024~1>";
    desk.ask("alice", 1, &contact(PHONE, 600), "200 OK", &contact(alias, 600));
    assert_eq!((desk.active(), desk.changes()), ((1, 1), [1, 0, 0, 0, 0, 0]));
    desk.ask("alice", 2, &contact(PHONE, 600), "200 OK", &contact(alias, 600));
    assert_eq!((desk.active(), desk.changes()[REFRESH]), ((1, 1), 1));
}

#[test]
fn flows_of_one_instance_are_bindings_of_their_own() {
    let mut desk = Desk::new(100);
    let flow = |at: &str, id: u8| {
        format!("Contact: <sip:alice@{at}>;reg-id={id};+sip.instance=\"<urn:uuid:1>\";expires=600\r\n")
    };
    desk.ask("alice", 1, &flow("192.0.2.7", 1), "200 OK", &flow("192.0.2.7", 1));
    let listed = flow("192.0.2.7", 1) + &flow("192.0.2.7", 2);
    desk.ask("alice", 2, &flow("192.0.2.7", 2), "200 OK", &listed);
    assert_eq!(desk.active(), (2, 1));
    // The first flow comes back from another address, as RFC 5626 wants it: no third binding.
    let listed = flow("198.51.100.1", 1) + &flow("192.0.2.7", 2);
    desk.ask("alice", 3, &flow("198.51.100.1", 1), "200 OK", &listed);
    assert_eq!((desk.active(), desk.changes()), ((2, 1), [2, 1, 0, 0, 0, 0]));
}

#[test]
fn a_third_party_registers_the_user_of_the_to_field() {
    let mut desk = Desk::new(100);
    // All REGISTERs here are from sip:boss@a.example.
    for who in ["alice", "bob", "carol"] {
        let contact = contact(&format!("<sip:{who}@192.0.2.7>"), 600);
        desk.ask(who, 1, &contact, "200 OK", &contact);
    }
    assert_eq!(desk.active(), (3, 3));
}

#[test]
fn lines_that_share_a_call_id_are_attempts_of_their_own() {
    let mut desk = Desk::new(100);
    let shared = |text: String| text.replace("Call-ID: bob@", "Call-ID: alice@");
    desk.see(PeerId::OTHER, &register("alice", 1, "a", &contact(PHONE, 600)));
    desk.see(PeerId::OTHER, &shared(register("bob", 2, "a", &contact(TABLET, 600))));
    desk.see(PeerId::OTHER, &shared(answer("bob", 2, "a", "404 Not Found", "")));
    desk.see(PeerId::OTHER, &answer("alice", 1, "a", "200 OK", &contact(PHONE, 600)));
    assert_eq!((desk.results(), desk.active()), ([1, 0, 1, 0], (1, 1)));
}

#[test]
fn a_phone_that_moves_takes_its_binding_to_the_other_peer() {
    let mut desk = Desk::new(100);
    let home = PeerId::OTHER;
    let away =
        crate::site::Site::new(Vec::new(), &[("away".to_owned(), vec!["10.0.0.0/8".parse().expect("a network")])])
            .peer(crate::wire::Ip::v4([10, 0, 0, 1]));
    assert_ne!(home, away);
    for (cseq, peer) in [(1, home), (2, away), (3, away)] {
        desk.see(peer, &register("alice", cseq, "a", &contact(PHONE, 60)));
        desk.see(peer, &answer("alice", cseq, "a", "200 OK", &contact(PHONE, 60)));
    }
    let gauges = |desk: &mut Desk, peer| {
        let cell = desk.numbers.cell(peer);
        (cell.active, cell.users)
    };
    assert_eq!((gauges(&mut desk, home), gauges(&mut desk, away)), ((0, 0), (1, 1)));
    desk.wait(61);
    assert_eq!((gauges(&mut desk, home), gauges(&mut desk, away)), ((0, 0), (0, 0)));
}

#[test]
fn at_the_cap_the_binding_that_is_nearest_to_its_end_gives_way() {
    let mut desk = Desk::new(3);
    for (who, seconds) in [("a", 300), ("b", 100), ("c", 200), ("d", 400), ("e", 50)] {
        let contact = contact(&format!("<sip:{who}@192.0.2.7>"), seconds);
        desk.ask(who, 1, &contact, "200 OK", &contact);
        assert!(desk.active().0 <= 3);
    }
    // b went for d, c for e.
    assert_eq!((desk.active(), desk.registrations.evicted()), ((3, 3), (0, 2)));
    desk.wait(60);
    assert_eq!(desk.active(), (2, 2));
    desk.wait(250);
    assert_eq!(desk.active(), (1, 1));
}

#[test]
fn contacts_of_one_user_do_not_pile_up_where_nobody_lists_them() {
    let mut desk = Desk::new(1000);
    for n in 0..200 {
        desk.ask("alice", n + 1, &contact(&format!("<sip:alice@192.0.2.7:{n}>"), 3600), "200 OK", "");
    }
    assert_eq!((desk.active(), desk.changes()[DROPPED]), ((64, 1), 136));
}

/// Expiry costs what expires, not what is there: a sweep of 50,000 bindings a second would be seen here.
#[test]
#[allow(clippy::disallowed_methods)] // the clock on the wall is what it is about
fn a_tick_costs_nothing_where_nothing_is_due() {
    let mut desk = Desk::new(50_000);
    for n in 0..50_000 {
        let contact = contact("<sip:a@192.0.2.7>", 100_000 + n);
        desk.ask(&n.to_string(), 1, &contact, "200 OK", &contact);
    }
    assert_eq!(desk.active().0, 50_000);
    let began = std::time::Instant::now();
    desk.wait(10_000);
    let each = began.elapsed().as_secs_f64() / 10_000.0;
    assert!(each < 20e-6, "{:.1} us a tick", each * 1e6);
}
