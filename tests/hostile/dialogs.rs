//! Good messages in orders that no phone sends: whatever the state machines make of them, their books have to balance.

use proptest::prelude::*;

use crate::cases::cases;
use crate::harness::{Core, MILLISECOND, SECOND, START, small};
use crate::packets::{Call, From, address, message, rtcp_compound, rtp};

/// One thing that happens in one of a few calls.
#[derive(Clone, Debug)]
struct Event {
    call: u8,
    callee_sends: bool,
    /// Method or status line.
    start: &'static str,
    cseq: u32,
    cseq_method: &'static str,
    to_tag: &'static str,
    sdp: bool,
    /// RTP or RTCP instead of SIP: payload type, sequence number.
    media: Option<(u8, u16)>,
    pause: i64,
}

fn event() -> impl Strategy<Value = Event> {
    let starts = [
        "INVITE", "ACK", "BYE", "CANCEL", "REGISTER", "UPDATE", "OPTIONS", "100", "180", "183", "200", "302", "401",
        "407", "408", "486", "487", "503", "699",
    ];
    let methods = ["INVITE", "INVITE", "INVITE", "BYE", "CANCEL", "REGISTER", "UPDATE"];
    // Moments, retransmissions, time-outs, steps back.
    let pauses = vec![
        0,
        MILLISECOND,
        500 * MILLISECOND,
        3 * SECOND,
        40 * SECOND,
        500 * SECOND,
        13 * 3600 * SECOND,
        -SECOND,
        -60 * SECOND,
    ];
    let media =
        prop_oneof![3 => Just(None), 1 => (prop::sample::select(vec![0u8, 8, 101, 200]), 0..40u16).prop_map(Some)];
    let who = (0..3u8, any::<bool>());
    let what = (prop::sample::select(starts.to_vec()), 1..4u32, prop::sample::select(methods.to_vec()));
    let how = (prop::sample::select(vec!["", ";tag=b", ";tag=c"]), any::<bool>(), media, prop::sample::select(pauses));
    (who, what, how).prop_map(|((call, callee_sends), (start, cseq, cseq_method), (to_tag, sdp, media, pause))| Event {
        call,
        callee_sends,
        start,
        cseq,
        cseq_method,
        to_tag,
        sdp,
        media,
        pause,
    })
}

fn packet(event: &Event) -> Vec<u8> {
    let from = if event.callee_sends { From::Callee } else { From::Caller };
    let mut call = Call::v4(&format!("dialog-{}", event.call));
    // Two calls share their media ports, one has its own.
    if event.call == 2 {
        (call.caller_media, call.callee_media) = (address("192.0.2.10:22000"), address("192.0.2.20:32000"));
    }
    match event.media {
        Some((200, _)) => return call.media(from, &rtcp_compound()),
        Some((number, sequence)) => {
            return call.media(from, &rtp(number, sequence, u32::from(sequence) * 160, u32::from(event.call), 160));
        }
        None => {}
    }
    let (start, method) = match event.start.parse::<u16>() {
        Ok(code) => (format!("SIP/2.0 {code} Reason"), event.cseq_method),
        Err(_) => (format!("{} sip:bob@b.example SIP/2.0", event.start), event.start),
    };
    let media = if event.callee_sends { call.callee_media } else { call.caller_media };
    let body = if event.sdp { crate::packets::sdp(media.ip(), media.port()) } else { String::new() };
    call.signal(from, &message(&start, &call, &format!("{} {method}", event.cseq), event.to_tag, &body))
}

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn the_books_balance_in_any_order(events in prop::collection::vec(event(), 1..80), tables in 1..4usize) {
        let mut config = small();
        // Tables of one to three entries: every message may push another call out.
        if tables < 3 {
            (config.calls.max_calls, config.media.max_streams, config.media.max_candidates) = (tables, tables, tables);
            (config.calls.max_registrations, config.calls.max_transactions) = (tables, 16);
        }
        let mut core = Core::new(&config, true);
        let mut now = START;
        for (at, event) in events.iter().enumerate() {
            now += event.pause;
            core.packet(now, &packet(event));
            if at % 10 == 9 {
                core.scrape().check();
            }
        }
        core.tick(now + 24 * 3600 * SECOND);
        core.finish();
    }
}
