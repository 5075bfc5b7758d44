//! What is over leaves its table although nothing comes any more that would push it out.

use sidetone::config::Config;

use crate::harness::{Core, SECOND, START};
use crate::packets::{Call, From, address, message, rtcp_compound, rtp, udp};

/// Something for every table that a few packets can fill.
fn fill(core: &mut Core) {
    let mut time = START;
    let mut next = || {
        time += 20_000_000;
        time
    };
    for n in 0..50 {
        let mut call = Call::v4(&format!("drain-{n}"));
        call.caller_media.set_port(20_000 + n);
        call.callee_media.set_port(30_000 + n);
        for packet in call.packets() {
            core.packet(next(), &packet);
        }
        let said = |start: &str, cseq: &str, to_tag: &str, body: &str| {
            let more = format!(
                "{cseq}\r\nUser-Agent: phone {n}\r\nSession-ID: {n:032x};remote=0\r\nAuthorization: Digest realm=\"a\"\r\nExpires: 60"
            );
            message(start, &Call { id: format!("other-{n}"), ..call.clone() }, &more, to_tag, body)
        };
        for (from, packet) in [
            (From::Caller, said("REGISTER sip:a SIP/2.0", "7 REGISTER", "", "")),
            (From::Callee, said("SIP/2.0 200 OK", "7 REGISTER", ";tag=r", "")),
            (From::Caller, said("INVITE sip:+4930123@b.example SIP/2.0", "8 INVITE", "", "")),
            (From::Callee, said("SIP/2.0 486 Busy Here", "8 INVITE", ";tag=b", "")),
            (From::Caller, said("ACK sip:+4930123@b.example SIP/2.0", "8 ACK", ";tag=b", "")),
            (From::Caller, said("OPTIONS sip:b SIP/2.0", "9 OPTIONS", "", "")),
        ] {
            core.packet(next(), &call.signal(from, &packet));
        }
        let (stranger, other) = (address(&format!("198.51.100.1:{}", 4000 + n)), address("198.51.100.2:4000"));
        for sequence in 0..8 {
            core.packet(next(), &udp(stranger, other, &rtp(0, sequence, u32::from(sequence) * 160, 0xdddd, 160)));
        }
        core.packet(next(), &udp(stranger, other, &rtcp_compound()));
    }
}

#[test]
fn every_table_is_empty_when_all_is_over() {
    let mut core = Core::new(&Config { calls: short(), ..Config::default() }, false);
    fill(&mut core);
    let full = core.scrape();
    for table in [
        "calls",
        "transactions",
        "passing_messages",
        "leg_headers",
        "registrations",
        "agents",
        "credentials",
        "suspicious_sources",
        "missed_calls",
        "streams",
        "seen_twice",
        "sender_reports",
    ] {
        assert!(full.sum("sidetone_tracked_entries", &format!("table=\"{table}\"")) > 0.0, "nothing is in {table}");
    }
    // User-Agents are known for two times ten minutes.
    for second in 0..1300 {
        core.tick(START + (30 + second) * SECOND);
    }
    let empty = core.scrape();
    let left: Vec<_> =
        empty.0.iter().filter(|(series, n)| series.starts_with("sidetone_tracked_entries") && **n > 0.0).collect();
    assert!(left.is_empty(), "{left:?}");
    assert_eq!(empty.sum("sidetone_evicted_entries_total", ""), 0.0);
}

/// A missed call is waited for no longer than the test.
fn short() -> sidetone::config::Calls {
    let mut calls = Config::default().calls;
    calls.callback_window = std::time::Duration::from_secs(60);
    calls
}
