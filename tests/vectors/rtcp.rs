//! RTCP: packets byte by byte, round trips by every way that they can be measured, loss of an interval.

use serde_json::{Value, json};
use sidetone::wire::rtcp::{Block, Compound, Form};

use crate::support::{Differences, items};
use crate::{BASE_NS, Frame, address, number, report, rtp, sample, vectors};

const CALLER: u32 = 0x1111_1111;
const CALLEE: u32 = 0x2222_2222;

fn rtcp(count: u8, number: u8, words: &[u32]) -> Vec<u8> {
    let mut packet = vec![0x80 | count, number];
    packet.extend((words.len() as u16).to_be_bytes());
    words.iter().for_each(|word| packet.extend(word.to_be_bytes()));
    packet
}

/// A sender report whose NTP time has these middle bits, and an empty source description.
fn sender_report(ssrc: u32, ntp_middle: u32) -> Vec<u8> {
    let ntp = [0xb44d_0000 | ntp_middle >> 16, ntp_middle << 16 | 0x4321];
    let mut compound = rtcp(0, 200, &[ssrc, ntp[0], ntp[1], 160, 1, 160]);
    compound.extend(rtcp(0, 202, &[]));
    compound
}

/// A receiver report with one block.
fn receiver_report(ssrc: u32, about: u32, lsr: u32, dlsr: u32) -> Vec<u8> {
    rtcp(1, 201, &[ssrc, about, 0, 100, 16, lsr, dlsr])
}

/// An empty RR with a receiver reference time behind it (RFC 3611 section 4.4).
fn reference_time(ssrc: u32, ntp_middle: u32) -> Vec<u8> {
    let block = [0x0400_0002, 0xb44d_0000 | ntp_middle >> 16, ntp_middle << 16];
    [rtcp(0, 201, &[ssrc]), rtcp(0, 207, &[ssrc, block[0], block[1], block[2]])].concat()
}

/// The answer to it among others (section 4.5).
fn delay_since(ssrc: u32, about: u32, lrr: u32, dlrr: u32) -> Vec<u8> {
    [rtcp(0, 201, &[ssrc]), rtcp(0, 207, &[ssrc, 0x0500_0006, 7, 8, 9, about, lrr, dlrr])].concat()
}

fn hexadecimal(value: &Value) -> u32 {
    let text = value.as_str().and_then(|text| text.strip_prefix("0x")).expect("a hexadecimal number");
    u32::from_str_radix(text, 16).expect("32 bits")
}

fn bytes(hex: &Value) -> Vec<u8> {
    let hex = hex.as_str().expect("hexadecimal bytes").as_bytes();
    let digit = |c: &u8| (*c as char).to_digit(16).expect("a digit") as u8;
    hex.chunks(2).map(|pair| digit(&pair[0]) << 4 | digit(&pair[1])).collect()
}

#[test]
fn packets_are_read_as_the_vectors_say() {
    let Some(vectors) = vectors() else { return };
    let mut differences = Differences::default();
    for vector in items(&vectors["rtcp_packets"]) {
        let (id, datagram) = (vector["id"].as_str().unwrap_or_default(), bytes(&vector["hex"]));
        let expected = &vector["expected"];
        let compound = Compound::read(&datagram, datagram.len()).unwrap_or_else(|| panic!("{id}: no RTCP"));
        assert_eq!(compound.form, Form::Plain, "{id}");
        let packets: Vec<_> = compound.packets().collect();
        assert!(packets.iter().all(|packet| packet.problem().is_none()), "{id}");
        let types: Vec<&str> = packets.iter().map(|packet| packet.kind.name()).collect();
        differences.equal(&format!("{id} types"), &json!(types), expected["types"].clone());
        if let Some(info) = packets[0].sender_info() {
            let ntp = expected["ntp"].as_str().unwrap_or_default().replace('.', "");
            let said = [packets[0].sender().map(u64::from), Some(info.packets.into()), Some(info.octets.into())];
            let wanted = ["sender_ssrc", "sr_packets", "sr_octets"].map(|name| expected[name].as_u64());
            assert_eq!((said, format!("{:08x}", info.ntp_middle)), (wanted, ntp[4..12].to_owned()), "{id}");
        }
        let blocks = packets.iter().flat_map(|packet| packet.report_blocks());
        let blocks: Vec<Value> = blocks
            .map(|block| {
                json!({"ssrc": block.ssrc, "fraction_256": block.fraction_lost, "cumulative_lost": block.cumulative_lost,
                    "ext_highest": block.extended_highest, "jitter": block.jitter})
            })
            .collect();
        differences.equal(&format!("{id} blocks"), &json!(blocks), json!(items(&expected["blocks"])));
        let blocks: Vec<Block<'_>> = packets.iter().flat_map(|packet| packet.xr_blocks()).collect();
        let numbers: Vec<usize> = blocks.iter().map(|block| block.kind as usize + 1).collect();
        differences.equal(&format!("{id} XR blocks"), &json!(numbers), json!(items(&expected["xr_blocks"])));
        let delay = blocks.iter().flat_map(|block| block.delays()).next();
        let delay = delay.map(|one| json!({"ssrc": one.ssrc, "lrr": one.last_rr, "dlrr": one.delay_since_last_rr}));
        differences.equal(&format!("{id} DLRR"), &json!(delay), expected["dlrr"].clone());

        let frame = Frame { ns: BASE_NS, from: address(10, 35_001), to: address(20, 34_001), payload: datagram };
        let counted = &report(&[frame])["rtcp"]["packets"];
        for name in types {
            differences.equal(&format!("{id} counted {name}"), &counted[name], 1);
        }
    }
    differences.finish();
}

#[test]
fn a_round_trip_is_what_the_answer_leaves_of_the_time() {
    let Some(vectors) = vectors() else { return };
    let mut differences = Differences::default();
    for vector in items(&vectors["rtcp_round_trip"]) {
        let [arrival, lsr, dlsr] = ["arrival_ntp_middle32", "lsr", "dlsr"].map(|name| hexadecimal(&vector[name]));
        let away_ns = u64::from(arrival.wrapping_sub(lsr)) * 1_000_000_000 / 65_536;
        let (a, b) = (address(10, 35_001), address(20, 34_001));
        let by = [
            ("LSR", sender_report(CALLER, lsr), receiver_report(CALLEE, CALLER, lsr, dlsr)),
            ("DLRR", reference_time(CALLER, lsr), delay_since(CALLEE, CALLER, lsr, dlsr)),
        ];
        for (way, sent, answer) in by {
            let what = format!("{} by {way}", vector["id"]);
            let frames = [
                Frame { ns: BASE_NS, from: a, to: b, payload: sent },
                Frame { ns: BASE_NS + away_ns, from: b, to: a, payload: answer.clone() },
                // The same datagram again is a copy of it, and no other round trip.
                Frame { ns: BASE_NS + away_ns + 9_000, from: b, to: a, payload: answer },
            ];
            let found = report(&frames)["rtcp"]["round_trips"].clone();
            differences.equal(&format!("{what}, how many"), &json!(items(&found).len()), 1);
            differences.near(&what, &found[0]["seconds"], vector["rtt_s"].as_f64(), 17e-6);
            differences.equal(&what, &found[0]["ssrc"], json!(format!("0x{CALLER:08x}")));
            differences.equal(&what, &found[0]["reporter_ssrc"], json!(format!("0x{CALLEE:08x}")));
            let count = "rtcp_round_trip_seconds_count{direction=\"transit\",peer=\"other\"}";
            assert_eq!(sample(&frames, count), Some(1.0), "{what}");
        }
    }
    differences.finish();
}

/// Where the two parties send and receive RTCP.
#[derive(Clone, Copy, Debug)]
enum Ports {
    /// RFC 3550 section 11.
    Next,
    /// RFC 5761.
    Same,
    /// RFC 3605, with what SDP says of it.
    Told(&'static str),
}

impl Ports {
    fn of_rtcp(self, media: u16, told: u16) -> u16 {
        match self {
            Ports::Next => media + 1,
            Ports::Same => media,
            Ports::Told(_) => told,
        }
    }
}

const CALLER_PORT: u16 = 31_000;
const CALLEE_PORT: u16 = 41_000;
const CALLER_RTCP: u16 = 51_001;
const CALLEE_RTCP: u16 = 52_001;

/// INVITE and 200 that announce the ports of RTCP.
fn dialog(address_of_rtcp: &str) -> Vec<Frame> {
    let message = |line: &str, host: u8, port: u16, rtcp: u16| {
        let body = format!(
            "v=0\r\no=- 1 1 IN IP4 192.0.2.{host}\r\ns=-\r\nc=IN IP4 192.0.2.{host}\r\nt=0 0\r\n\
             m=audio {port} RTP/AVP 0\r\na=rtcp:{rtcp}{}\r\n",
            address_of_rtcp.replace("HOST", &host.to_string())
        );
        format!(
            "{line}\r\nVia: SIP/2.0/UDP 192.0.2.10;branch=z9hG4bKr\r\nFrom: <sip:a@192.0.2.10>;tag=a\r\nTo: <sip:b@192.0.2.20>\r\n\
             Call-ID: rtcp\r\nCSeq: 1 INVITE\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .into_bytes()
    };
    let (a, b) = (address(10, 5060), address(20, 5060));
    let invite = message("INVITE sip:b@192.0.2.20 SIP/2.0", 10, CALLER_PORT, CALLER_RTCP);
    let ok = message("SIP/2.0 200 OK", 20, CALLEE_PORT, CALLEE_RTCP);
    vec![Frame { ns: BASE_NS, from: a, to: b, payload: invite }, Frame { ns: BASE_NS, from: b, to: a, payload: ok }]
}

/// Both streams and their reports as a tap between them sees them.
fn at_a_tap(vector: &Value, ports: Ports, extended: bool) -> Vec<Frame> {
    let after = |name: &str| BASE_NS + (vector[name].as_f64().expect("seconds") * 1e9) as u64;
    let units = |name: &str| (vector[name].as_f64().expect("seconds") * 65_536.0) as u32;
    let mut frames = match ports {
        Ports::Told(place) => dialog(place),
        Ports::Next | Ports::Same => Vec::new(),
    };
    let (a, b) = (address(10, CALLER_PORT), address(20, CALLEE_PORT));
    for n in 0..1_100 {
        let ns = BASE_NS + 1_000_000 + n * 20_000_000;
        frames.push(Frame { ns, from: a, to: b, payload: rtp(0, n, n * 160, CALLER) });
        frames.push(Frame { ns, from: b, to: a, payload: rtp(0, n, n * 160, CALLEE) });
    }
    let a = address(10, ports.of_rtcp(CALLER_PORT, CALLER_RTCP));
    let b = address(20, ports.of_rtcp(CALLEE_PORT, CALLEE_RTCP));
    let clock = if extended { reference_time } else { sender_report };
    let answer = if extended { delay_since } else { receiver_report };
    let (lsr_a, lsr_b) = (0xb705_2000, 0x0123_4567);
    let dlsr = [units("rr_dlsr_s"), units("rr2_dlsr_s")];
    for (name, from, to, payload) in [
        ("sr_from_a_seen_s", a, b, clock(CALLER, lsr_a)),
        ("rr_from_b_seen_s", b, a, answer(CALLEE, CALLER, lsr_a, dlsr[0])),
        ("sr_from_b_seen_s", b, a, clock(CALLEE, lsr_b)),
        ("rr_from_a_seen_s", a, b, answer(CALLER, CALLEE, lsr_b, dlsr[1])),
    ] {
        frames.push(Frame { ns: after(name), from, to, payload });
    }
    frames.sort_by_key(|frame| frame.ns);
    frames
}

#[test]
fn a_tap_sees_both_sides_and_their_sum() {
    let Some(vectors) = vectors() else { return };
    let mut differences = Differences::default();
    for vector in items(&vectors["rtcp_round_trip_at_a_tap"]) {
        let to_a = vector["rtt_tap_to_a_s"].as_f64();
        let to_b = vector["rtt_tap_to_b_s"].as_f64();
        let sum = vector["rtt_end_to_end_s"].as_f64();
        let told = [Ports::Told(""), Ports::Told(" IN IP4 192.0.2.HOST")];
        for ports in [Ports::Next, Ports::Same].into_iter().chain(told) {
            for extended in [false, true] {
                let what = format!("{} {ports:?} {}", vector["id"], if extended { "DLRR" } else { "DLSR" });
                let found = report(&at_a_tap(vector, ports, extended));
                let streams = items(&found["streams"]);
                assert_eq!(streams.len(), 2, "{what}");
                for stream in streams {
                    let caller = stream["ssrc"] == json!(format!("0x{CALLER:08x}"));
                    let trip = &stream["round_trip_seconds"];
                    // Half a unit of DLSR for each side, and what 32-bit floats leave off.
                    let (source, destination) = if caller { (to_a, to_b) } else { (to_b, to_a) };
                    differences.near(&format!("{what} {} source", stream["ssrc"]), &trip["to_source"], source, 16e-6);
                    let to_destination = format!("{what} {} destination", stream["ssrc"]);
                    differences.near(&to_destination, &trip["to_destination"], destination, 16e-6);
                    differences.near(&format!("{what} sum"), &trip["end_to_end"], sum, 32e-6);
                    differences.near(&format!("{what} last sum"), &trip["end_to_end_last"], sum, 32e-6);
                }
                let reported = sample(
                    &at_a_tap(vector, ports, extended),
                    "rtcp_reported_loss_ratio_count{codec=\"pcmu\",direction=\"transit\",peer=\"other\"}",
                );
                assert_eq!(reported.unwrap_or(0.0), if extended { 0.0 } else { 2.0 }, "{what}: the streams are found");
            }
        }
    }
    differences.finish();
}

/// Two intervals of a stream: what was expected and received before the last report, and since.
#[test]
fn loss_of_an_interval_is_that_of_its_own_packets() {
    let Some(vectors) = vectors() else { return };
    for vector in items(&vectors["rtcp_interval_loss"]) {
        let [prior, received_prior, now, received_now] =
            ["expected_prior", "received_prior", "expected_now", "received_now"].map(|name| number(&vector[name]));
        let received = received_now - received_prior;
        let lost = number(&vector["lost_interval"]);
        assert_eq!(prior, received_prior, "{}: loss before the interval is not built here", vector["id"]);
        // 5 s of 20 ms are the first interval.
        let mut sequences: Vec<(u64, u64)> = (0..prior).map(|n| (n * 5000 / prior, n)).collect();
        sequences.extend((0..received).map(|n| (5000 + n * 20, prior + n)));
        // What is lost at the end of an interval shows when a later packet comes.
        if lost > 0 {
            sequences.push((5000 + (now - prior) * 20, now));
        }
        let frames: Vec<Frame> = sequences
            .iter()
            .map(|(ms, sequence)| Frame {
                ns: BASE_NS + ms * 1_000_000,
                from: address(10, 35_000),
                to: address(20, 34_000),
                payload: rtp(0, *sequence, sequence * 160, 0xcafe),
            })
            .collect();
        let series = |end: &str| format!("rtp_loss_ratio_{end}{{codec=\"pcmu\",direction=\"transit\",peer=\"other\"}}");
        let intervals = if received + lost > 0 { 2.0 } else { 1.0 };
        assert_eq!(sample(&frames, &series("count")), Some(intervals), "{}", vector["id"]);
        let ratio = if lost > 0 { lost as f64 / (now - prior + 1) as f64 } else { 0.0 };
        let sum = sample(&frames, &series("sum")).expect("a sum");
        assert!((sum - ratio).abs() < 1e-9, "{}: {sum}, not {ratio}", vector["id"]);
    }
}
