//! Property tests: what was built is what is read; what is no message at all is taken without a word.

#![allow(clippy::disallowed_methods)] // whether a parser takes time in proportion is a matter of the clock on the wall

use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use proptest::prelude::*;
use sidetone::quality::codec::CodecId;
use sidetone::wire::rtcp::{Compound, Form, Malformed};
use sidetone::wire::sip::{self, Content, Method, Start};
use sidetone::wire::{Endpoint, LinkType, decode, rtp, sdp};

use crate::built::spec;
use crate::cases::cases;
use crate::harness::{Core, START, small};
use crate::packets::{self, ethernet, links, rtcp_packet, udp};
use crate::parsers;

/// Pieces that messages are made of, in no order.
const PIECES: [&[u8]; 36] = [
    b"INVITE sip:a@b SIP/2.0\r\n",
    b"SIP/2.0 200 OK\r\n",
    b"Via",
    b"v",
    b"From",
    b"To",
    b"Call-ID",
    b"CSeq",
    b"Contact",
    b"Content-Type",
    b"application/sdp",
    b"multipart/mixed",
    b"Content-Length",
    b":",
    b";",
    b",",
    b"=",
    b"<",
    b">",
    b"\"",
    b"\\",
    b" ",
    b"\t",
    b"\r\n",
    b"\n",
    b"\r",
    b"\0",
    b"\xff",
    b"v=0\r\n",
    b"m=audio ",
    b"c=IN IP4 ",
    b"a=rtpmap:",
    b"4711",
    b"/",
    b"@",
    b"[::1]",
];

fn soup() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(prop::sample::select(&PIECES[..]), 0..120).prop_map(|pieces| pieces.concat())
}

fn flow() -> impl Strategy<Value = (SocketAddr, SocketAddr)> {
    let v4 = (any::<[u8; 4]>(), any::<[u8; 4]>()).prop_map(|(a, b)| (IpAddr::from(a), IpAddr::from(b)));
    let v6 = (any::<[u8; 16]>(), any::<[u8; 16]>()).prop_map(|(a, b)| (IpAddr::from(a), IpAddr::from(b)));
    let ports = (any::<u16>(), any::<u16>());
    (prop_oneof![v4, v6], ports).prop_map(|((a, b), (p, q))| (SocketAddr::new(a, p), SocketAddr::new(b, q)))
}

/// One section of a description: type, port, address of its own, payload types with the names that `rtpmap` gives them.
type Section = (&'static str, u16, Option<[u8; 4]>, Vec<(u8, Option<&'static str>)>);

fn section() -> impl Strategy<Value = Section> {
    let kind = prop::sample::select(vec!["audio", "video", "image"]);
    let name = prop::option::of(prop::sample::select(vec!["PCMU/8000", "opus/48000/2", "X-NEW/16000"]));
    let formats = prop::collection::btree_map(0..128u8, name, 0..12).prop_map(|map| map.into_iter().collect());
    (kind, any::<u16>(), prop::option::of(any::<[u8; 4]>()), formats)
}

fn description(sections: &[Section], end: &str) -> String {
    let mut text =
        format!("v=0{end}o=- 1 1 IN IP4 0.0.0.0{end}s= {end}c=IN IP4 192.0.2.9/127{end}b=AS:64{end}t=0 0{end}");
    for (kind, port, address, formats) in sections {
        let types: String = formats.iter().map(|(number, _)| format!(" {number}")).collect();
        text += &format!("m={kind} {port} RTP/AVP{types}{end}i=x{end}");
        if let Some([a, b, c, d]) = address {
            text += &format!("c=IN IP4 {a}.{b}.{c}.{d}{end}");
        }
        for (number, name) in formats.iter().filter_map(|(number, name)| Some((number, (*name)?))) {
            text += &format!("a=rtpmap:{number} {name}{end}a=fmtp:{number} x=y{end}");
        }
    }
    text
}

proptest! {
    #![proptest_config(cases(400))]

    #[test]
    fn a_message_is_read_as_it_was_built(spec in spec()) {
        let bytes = spec.bytes();
        let Ok(Content::Message(message)) = sip::parse(&bytes) else { panic!("no message") };
        match (message.start, &spec.request) {
            (Start::Request { method, uri }, Some(name)) => {
                prop_assert_eq!(method, Method::from_bytes(name.as_bytes()));
                prop_assert_eq!(uri, b"sip:u@h;p=1");
            }
            (Start::Response { code }, None) => prop_assert_eq!(code, spec.code),
            (start, _) => prop_assert!(false, "{start:?}"),
        }
        let call_id = if spec.call_id.len() > sip::MAX_CALL_ID { &[][..] } else { &spec.call_id };
        prop_assert_eq!(message.call_id, call_id);
        prop_assert_eq!(message.cseq, Some((spec.cseq, Method::from_bytes(spec.method().as_bytes()))));
        prop_assert_eq!(sip::parameter(message.from, sip::Name::TAG), Some(spec.from_tag.as_bytes()));
        prop_assert_eq!(sip::parameter(message.to, sip::Name::TAG), spec.to_tag.as_ref().map(|tag| tag.as_bytes()));
        prop_assert_eq!(sip::parameter(message.via, sip::Name::BRANCH), Some(spec.branch.as_bytes()));
        prop_assert_eq!(message.body, &spec.body_read()[..]);
        prop_assert_eq!(message.problem, spec.problem());
        prop_assert!(sip::looks_like_text(&bytes) && sip::has_start_line(&bytes));
    }

    #[test]
    fn a_description_is_read_as_it_was_built(
        sections in prop::collection::vec(section(), 0..20),
        end in prop::sample::select(vec!["\r\n", "\n"]),
    ) {
        let media = sdp::parse(description(&sections, end).as_bytes());
        prop_assert_eq!(media.len(), sections.len().min(16));
        for (media, (kind, port, address, formats)) in media.iter().zip(&sections) {
            let wanted_type = match *kind {
                "audio" => sdp::MediaType::Audio,
                "video" => sdp::MediaType::Video,
                _ => sdp::MediaType::Other,
            };
            let ip = IpAddr::from(address.unwrap_or([192, 0, 2, 9])).into();
            let receives_at = (*port != 0).then_some(Endpoint { ip, port: *port });
            prop_assert_eq!((media.media_type, media.rtp, media.receives_at), (wanted_type, true, receives_at));
            let wanted = formats.iter().map(|(number, name)| {
                let (codec, clock) = match name {
                    Some(name) => {
                        let (name, clock) = name.split_once('/').expect("a clock");
                        (CodecId::from_encoding(name.as_bytes()), clock.split('/').next().and_then(|c| c.parse().ok()))
                    }
                    None => CodecId::from_static_payload(*number).map_or((CodecId::UNKNOWN, Some(0)), |(c, r)| (c, Some(r))),
                };
                (*number, codec, clock.expect("a number"))
            });
            let read: Vec<_> = media.formats.iter().map(|f| (f.payload_type, f.codec, f.clock_rate)).collect();
            prop_assert_eq!(read, wanted.collect::<Vec<_>>());
        }
    }

    #[test]
    fn an_rtp_packet_is_read_as_it_was_built(
        fields in (0..128u8, any::<bool>(), any::<u16>(), any::<u32>(), any::<u32>()),
        csrcs in 0..16usize,
        extension in prop::option::of(0..20u16),
        padding in prop::option::of(1..40u8),
        payload in 0..300usize,
    ) {
        let (payload_type, marker, sequence, timestamp, ssrc) = fields;
        // Types that RTCP has (RFC 5761 section 4) are told from RTP before.
        let marker = marker && !(64..96).contains(&payload_type);
        let mut bytes = packets::rtp(payload_type | u8::from(marker) << 7, sequence, timestamp, ssrc, 0);
        bytes[0] |= csrcs as u8 | u8::from(extension.is_some()) << 4 | u8::from(padding.is_some()) << 5;
        bytes.resize(12 + 4 * csrcs, 0);
        if let Some(words) = extension {
            bytes.extend([0xbe, 0xde]);
            bytes.extend(words.to_be_bytes());
            bytes.resize(bytes.len() + 4 * usize::from(words), 0);
        }
        bytes.resize(bytes.len() + payload, 0xd5);
        if let Some(count) = padding {
            bytes.resize(bytes.len() + usize::from(count) - 1, 0);
            bytes.push(count);
        }
        prop_assert_eq!(rtp::kind(&bytes), rtp::Kind::Rtp);
        let payload_length = payload as u32;
        let head = (0..payload.min(8)).map(|at| 0xd5 << (56 - 8 * at)).sum();
        let packet = rtp::Packet { ssrc, timestamp, sequence, payload_type, marker, payload_length, head };
        prop_assert_eq!(rtp::Packet::parse(&bytes, bytes.len()), Some(packet));
    }

    #[test]
    fn an_rtcp_compound_is_read_as_it_was_built(
        first in 200..=207u8,
        rest in prop::collection::vec((192..=223u8, 0..32u8, 0..30u16), 0..12),
        tail in prop::collection::vec(0..128u8, 0..20),
    ) {
        let mut bytes = rtcp_packet(0, first, 2, 0x33);
        for (number, count, words) in &rest {
            bytes.extend(rtcp_packet(*count, *number, *words, 0x44));
        }
        // What does not start with version 2 ends the compound.
        bytes.extend(&tail);
        let names = ["SR", "RR", "SDES", "BYE", "APP", "RTPFB", "PSFB", "XR"];
        let name = |number: u8| names.get(usize::from(number.wrapping_sub(200))).copied().unwrap_or("other");
        let mut wanted: Vec<_> =
            std::iter::once(first).chain(rest.iter().map(|(number, ..)| *number)).map(name).collect();
        let form = match tail.len() {
            0 => Form::Plain,
            1..8 => Form::Malformed(Malformed::Trailing),
            // Long enough for SRTCP's end: what is behind the first header may be ciphertext.
            _ => Form::Encrypted,
        };
        if form == Form::Encrypted {
            wanted.truncate(1);
        }
        let compound = Compound::read(&bytes, bytes.len()).expect("RTCP");
        prop_assert_eq!(compound.form, form);
        prop_assert_eq!(compound.packets().map(|packet| packet.kind.name()).collect::<Vec<_>>(), wanted);
        prop_assert_eq!(rtp::kind(&bytes), rtp::Kind::Rtcp);
    }

    #[test]
    fn a_datagram_is_found_as_it_was_built(
        (source, destination) in flow(),
        payload in prop::collection::vec(any::<u8>(), 0..100),
        layer in 0..13usize,
        trailer in 0..30usize,
    ) {
        let (name, link, mut frame) = links(&udp(source, destination, &payload)).swap_remove(layer);
        // Short Ethernet frames are filled up.
        frame.resize(frame.len() + trailer, 0xee);
        let decoded = decode(link, &frame).unwrap_or_else(|reason| panic!("{name}: {reason}"));
        let datagram = decoded.datagram().expect("a whole datagram");
        let endpoint = |at: SocketAddr| Endpoint { ip: at.ip().into(), port: at.port() };
        prop_assert_eq!(datagram.source, endpoint(source));
        prop_assert_eq!(datagram.destination, endpoint(destination));
        prop_assert_eq!((datagram.payload, datagram.length), (&payload[..], payload.len()));
    }

    #[test]
    fn arbitrary_bytes_break_no_parser(bytes in prop::collection::vec(any::<u8>(), 0..600), link in any::<u8>()) {
        parsers::all(&bytes);
        parsers::frame(LinkType(link.into()), &bytes);
        parsers::frame(LinkType::ETHERNET, &bytes);
        parsers::frame(LinkType::LINUX_SLL2, &bytes);
    }

    #[test]
    fn pieces_of_messages_in_no_order_break_no_parser(bytes in soup(), start in any::<bool>()) {
        parsers::all(&bytes);
        let head: &[u8] = if start { PIECES[0] } else { PIECES[1] };
        parsers::all(&[head, &bytes].concat());
    }
}

proptest! {
    #![proptest_config(cases(60))]

    #[test]
    fn the_core_takes_whatever_comes(
        datagrams in prop::collection::vec((any::<i64>(), flow(), prop_oneof![soup(), spec().prop_map(|spec| spec.bytes())]), 1..40),
        whole in any::<bool>(),
    ) {
        let mut core = Core::new(&small(), true);
        for (n, (time, (source, destination), payload)) in datagrams.iter().enumerate() {
            let time = if whole { *time } else { START + n as i64 };
            let payload = &payload[..payload.len().min(65_000)];
            let source = SocketAddr::new(source.ip(), 5060);
            core.frame(time, LinkType::ETHERNET, &ethernet(&udp(source, *destination, payload)));
        }
        core.finish();
    }
}

/// Time of one call, seconds: the best of some, other programs run on this machine too.
fn best(mut body: impl FnMut()) -> f64 {
    let times = (0..7).map(|_| {
        let began = Instant::now();
        body();
        began.elapsed().as_secs_f64()
    });
    times.fold(f64::INFINITY, f64::min)
}

/// Sixteen times the bytes, about sixteen times the time, whatever is repeated: nothing is looked at again and again.
#[test]
fn parsers_take_time_in_proportion_to_the_bytes() {
    let heads: [&[u8]; 5] = [
        b"",
        PIECES[0],
        b"INVITE sip:a SIP/2.0\nFrom: \"",
        b"INVITE sip:a SIP/2.0\nVia: <",
        b"v=0\r\nm=audio 1 RTP/AVP 0\r\n",
    ];
    for head in heads {
        for piece in PIECES.iter().copied().chain([
            &b"\r\n "[..],
            b";tag",
            b"\"\\",
            b"From: a\n",
            b"a=rtpmap:0 x/1\n",
            b"m=audio 1 RTP/AVP 0\n",
            b" 0",
        ]) {
            let message = |length: usize| [head, &piece.repeat(length / piece.len())].concat();
            let (short, long) = (message(4_000), message(64_000));
            let (few, many) = (best(|| parsers::all(&short)), best(|| parsers::all(&long)));
            // Five times, and what a clock cannot tell.
            assert!(
                many <= 16.0 * 5.0 * few + 1e-4,
                "{:?} {:?}: {few:.6} s, {many:.6} s",
                head.escape_ascii().to_string(),
                piece.escape_ascii().to_string()
            );
        }
    }
}
