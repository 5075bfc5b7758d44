//! What the tables take in memory: counted by the allocator, on the thread that runs the test.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use sidetone::config::Config;
use sidetone::wire::sip::MAX_CALL_ID;

use crate::harness::{Core, MILLISECOND, SECOND, START, small};
use crate::packets::{Call, From, address, message, rtp, udp};

/// The system's allocator, with a count of what is live.
struct Counting;

thread_local! {
    static LIVE: Cell<isize> = const { Cell::new(0) };
}

fn count(bytes: isize) {
    // A thread that ends frees its last memory when its count is gone already.
    let _ = LIVE.try_with(|live| live.set(live.get() + bytes));
}

// SAFETY: every call goes to the system's allocator as it came; only a number is kept beside it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Bytes that this thread has allocated and not freed.
pub fn live() -> isize {
    LIVE.with(Cell::get)
}

/// The promises of the design, bytes.
const A_STREAM: f64 = 1024.0;
const A_CALL: f64 = 4096.0;

/// Numbers of entries just above a power of two (where a table that doubles has just doubled) and in between.
const ENTRIES: [u32; 4] = [1000, 2049, 6000, 16_385];

fn roomy() -> Config {
    let mut config = Config::default();
    config.media.max_streams = 100_000;
    config.calls.max_calls = 100_000;
    config.calls.max_transactions = 1_000_000;
    config
}

/// Bytes that `fill` adds to a core, an entry.
fn bytes_each(entries: u32, prepare: impl FnOnce(&mut Core), fill: impl FnOnce(&mut Core)) -> f64 {
    let mut core = Core::new(&roomy(), false);
    prepare(&mut core);
    let before = live();
    fill(&mut core);
    (live() - before) as f64 / f64::from(entries)
}

fn endpoint(network: u8, n: u32) -> std::net::SocketAddr {
    address(&format!("10.{network}.{}.{}:{}", n >> 8 & 255, n & 255, 10_000 + (n >> 16) * 2))
}

/// A call of its own: media endpoints that no other call has.
fn numbered(n: u32) -> Call {
    Call { caller_media: endpoint(1, n), callee_media: endpoint(2, n), ..Call::v4(&format!("call-{n}@192.0.2.10")) }
}

fn set_up(core: &mut Core, call: &Call) {
    core.packet(START, &call.signal(From::Caller, &call.invite()));
    core.packet(START, &call.signal(From::Callee, &call.ringing()));
    core.packet(START, &call.signal(From::Callee, &call.ok()));
}

#[test]
fn a_stream_of_a_call_takes_at_most_one_kib() {
    for entries in ENTRIES {
        let calls: Vec<Call> = (0..entries / 2).map(numbered).collect();
        let each = bytes_each(
            entries,
            |core| calls.iter().for_each(|call| set_up(core, call)),
            |core| {
                for call in &calls {
                    core.packet(START, &call.media(From::Caller, &rtp(0, 1, 160, 0xaaaa, 160)));
                    core.packet(START, &call.media(From::Callee, &rtp(0, 1, 160, 0xbbbb, 160)));
                }
                assert_eq!(core.scrape().tracked("streams"), calls.len() * 2);
            },
        );
        println!("{entries} streams of calls: {each:.0} bytes each");
        assert!(each <= A_STREAM, "{entries} streams of calls: {each:.0} bytes each");
    }
}

#[test]
fn a_stream_without_a_call_takes_at_most_one_kib() {
    for entries in ENTRIES {
        let each = bytes_each(
            entries,
            |_| {},
            |core| {
                for n in 0..entries {
                    for sequence in 0..4 {
                        let packet = rtp(0, sequence, u32::from(sequence) * 160, 0xaaaa, 160);
                        core.packet(START, &udp(endpoint(1, n), endpoint(2, n), &packet));
                    }
                }
                assert_eq!(core.scrape().tracked("streams"), entries as usize);
            },
        );
        println!("{entries} streams without call: {each:.0} bytes each");
        assert!(each <= A_STREAM, "{entries} streams without call: {each:.0} bytes each");
    }
}

#[test]
fn a_call_takes_at_most_four_kib() {
    for entries in ENTRIES {
        let each = bytes_each(entries, |_| {}, |core| (0..entries).for_each(|n| set_up(core, &numbered(n))));
        println!("{entries} calls: {each:.0} bytes each");
        assert!(each <= A_CALL, "{entries} calls: {each:.0} bytes each");
    }
}

/// A session description with as many sections and payload types as one message may bring.
pub fn greedy_sdp(n: u32) -> String {
    let types: String = (96..128).map(|payload_type| format!(" {payload_type}")).collect();
    let address = endpoint(3, n).ip();
    let section = |at: u32| format!("m=audio {} RTP/AVP{types}\r\na=rtcp:{}\r\n", 1024 + at * 2, 9000 + at);
    format!("v=0\r\nc=IN IP4 {address}\r\n{}", (0..20).map(section).collect::<String>())
}

/// The longest Call-ID, names without end, all the media that a description can hold: in the INVITE and in the answer.
fn greedy_call(n: u32) -> [Vec<u8>; 2] {
    let mut call = Call::v4(&format!("{n:0>width$}", width = MAX_CALL_ID));
    call.caller = endpoint(1, n);
    let long = "é".repeat(400);
    let offer = message("INVITE sip:b@b SIP/2.0", &call, "1 INVITE", "", &greedy_sdp(2 * n));
    let offer =
        String::from_utf8_lossy(&offer).replace("alice@", &format!("{long}@")).replace("bob@", &format!("{long}@"));
    let answer = message("SIP/2.0 200 OK", &call, "1 INVITE", ";tag=b", &greedy_sdp(2 * n + 1));
    [call.signal(From::Caller, offer.as_bytes()), call.signal(From::Callee, &answer)]
}

#[test]
fn a_call_that_wants_all_it_can_get_takes_at_most_four_kib() {
    for entries in [1000, 2049] {
        let each = bytes_each(
            entries,
            |_| {},
            |core| {
                for n in 0..entries {
                    greedy_call(n).iter().for_each(|packet| core.packet(START, packet));
                }
                assert_eq!(core.scrape().tracked("calls"), entries as usize);
            },
        );
        println!("{entries} greedy calls: {each:.0} bytes each");
        assert!(each <= A_CALL, "{entries} greedy calls: {each:.0} bytes each");
    }
}

/// Runs `flood` for packets 0 to `count`, 100,000 a second, on full tables, and gives how much memory the second half of it
/// added, bytes.
fn growth(count: u32, mut flood: impl FnMut(u32) -> Vec<Vec<u8>>) -> isize {
    let mut core = Core::new(&small(), false);
    let mut half = 0;
    for n in 0..count {
        if n == count / 2 {
            half = live();
        }
        for packet in flood(n) {
            core.packet(START + i64::from(n) * MILLISECOND / 100, &packet);
        }
    }
    live() - half
}

/// No table is left out of the caps: what enters after all of them are full displaces what was there.
const MAX_GROWTH: isize = 64 << 10;

#[test]
fn invites_with_greedy_descriptions_do_not_pile_up() {
    let grown = growth(4000, |n| greedy_call(n).to_vec());
    assert!(grown <= MAX_GROWTH, "2,000 calls past the cap of 100 left {grown} bytes behind");
}

#[test]
fn descriptions_after_the_end_of_a_call_do_not_pile_up() {
    let mut core = Core::new(&small(), false);
    let mut sizes = Vec::new();
    for round in 0..20u32 {
        for n in 0..100 {
            let call = numbered(round * 100 + n);
            let now = START + i64::from(round) * 100 * SECOND;
            core.packet(now, &call.signal(From::Caller, &call.invite()));
            core.packet(now, &call.signal(From::Callee, &call.ok()));
            core.packet(now, &call.signal(From::Caller, &call.request("BYE", 2)));
            // The answer of another branch, which was on its way when the call ended.
            let late = message("SIP/2.0 183 Progress", &call, "1 INVITE", ";tag=other", &greedy_sdp(round * 100 + n));
            core.packet(now, &call.signal(From::Callee, &late));
        }
        (40..46).for_each(|second| core.tick(START + (i64::from(round) * 100 + second) * SECOND));
        assert_eq!(core.scrape().tracked("calls"), 0, "all calls are over and forgotten");
        sizes.push(live());
    }
    let grown = sizes[19] - sizes[9];
    assert!(grown <= MAX_GROWTH, "1,000 calls that are forgotten left {grown} bytes behind");
}

/// A packet of each kind that makes a new entry somewhere.
fn newcomers(n: u32) -> [Vec<u8>; 4] {
    let call = Call::v4(&format!("newcomer-{n}"));
    let phone =
        Call { caller: address(&format!("198.51.100.7:{}", 1024 + n % 60_000)), ..Call::v4(&format!("phone-{n}")) };
    let options = Call::v4(&format!("options-{n}"));
    let flow = rtp(0, 1, 160, 0x1000_0000 + n, 160);
    [
        call.signal(From::Caller, &call.invite()),
        phone.signal(From::Caller, &message("REGISTER sip:a.example SIP/2.0", &phone, "1 REGISTER", "", "")),
        options.signal(From::Caller, &message("OPTIONS sip:b@b SIP/2.0", &options, "1 OPTIONS", "", "")),
        udp(address(&format!("198.51.100.9:{}", 1024 + n % 60_000)), address("192.0.2.20:31000"), &flow),
    ]
}

/// Tables have room for 100,000 of each, and grow no further nevertheless; a real call that runs through it keeps its numbers.
#[test]
fn while_memory_is_short_nothing_grows() {
    let mut core = Core::new(&roomy(), false);
    let call = Call::v4("real");
    core.packet(START, &call.signal(From::Caller, &call.invite()));
    core.packet(START, &call.signal(From::Callee, &call.ok()));
    let mut sent = 0u16;
    let mut flood = |core: &mut Core, numbers: std::ops::Range<u32>| {
        for n in numbers {
            let time = START + i64::from(n) * MILLISECOND;
            newcomers(n).iter().for_each(|packet| core.packet(time, packet));
            if n % 20 == 0 {
                sent += 1;
                core.packet(time, &call.media(From::Caller, &rtp(0, sent, u32::from(sent) * 160, 7, 160)));
            }
        }
    };
    flood(&mut core, 0..3000);
    core.hold(true);
    let (before, tables) = (live(), core.scrape());
    flood(&mut core, 3000..30_000);
    let after = live();
    flood(&mut core, 30_000..60_000);
    let (later, now) = (live(), core.scrape());
    for table in ["calls", "stream_candidates", "registration_attempts", "transactions"] {
        assert!(now.tracked(table) <= tables.tracked(table).max(64), "{table}: {}", now.tracked(table));
    }
    assert!(now.evicted("calls") > 20_000 && now.evicted("registration_attempts") > 20_000);
    // What is small has caps of its own, and comes to them.
    assert!(after - before < 3 << 20 && later - after < 512 << 10, "{before}, {after}, {later} bytes");
    core.hold(false);
    flood(&mut core, 60_000..65_000);
    assert!(core.scrape().tracked("calls") > tables.tracked("calls"), "it grows again");
    core.tick(START + 70_000 * MILLISECOND);
    let end = core.scrape();
    assert_eq!((end.sum("rtp_packets_total", ""), end.sum("rtp_packets_lost_total", "")), (f64::from(sent), 0.0));
}
