//! Random messages, cut and mixed up at random.

use proptest::prelude::*;

use crate::build::*;

/// What a sender puts into the stream.
#[derive(Clone, Debug)]
pub enum Item {
    Message(Vec<u8>),
    /// CRLF, once or twice.
    KeepAlive(usize),
}

/// Bodies that look like what stands around them, among others.
fn body() -> impl Strategy<Value = Vec<u8>> {
    let text = |text: &'static str| Just(text.as_bytes().to_vec());
    prop_oneof![
        Just(Vec::new()),
        text("v=0\r\nc=IN IP4 192.0.2.1\r\nm=audio 4000 RTP/AVP 0\r\n"),
        text("SIP/2.0 200 OK\r\n"),
        text("SIP/2.0 100 Trying\r\n\r\n"),
        text("INVITE sip:b@b SIP/2.0\r\nVia: SIP/2.0/TCP h\r\nSubject: and no end"),
        text("Call-ID: 1\r\nCSeq: 1 BYE\r\n\r\nBYE sip:b SIP/2.0\r\n"),
        text("no line end"),
        text("\r\n\r\n\r\n"),
        prop::collection::vec(any::<u8>(), 0..3000),
        prop::collection::vec(prop::sample::select(b"\r\n: SIP/2.0AZ".to_vec()), 0..200),
    ]
}

fn length_field() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["Content-Length: ", "l:", "content-length :\r\n\t", "L :  ", "Content-Length:\r\n "])
}

/// A message with all its mandatory fields, and a Content-Length that holds.
pub fn message(n: usize) -> impl Strategy<Value = Vec<u8>> {
    (prop::sample::select(vec!["INVITE", "BYE", "NOTIFY", "200", "183"]), length_field(), body()).prop_map(
        move |(what, field, body)| {
            let field = format!("{field}{}", body.len());
            match what.parse::<u16>() {
                Ok(code) => with_head(&format!("SIP/2.0 {code} OK"), "INVITE", n, &field, &body),
                Err(_) => with_head(&format!("{what} sip:b@b SIP/2.0"), what, n, &field, &body),
            }
        },
    )
}

pub fn messages(count: std::ops::Range<usize>) -> impl Strategy<Value = Vec<Vec<u8>>> {
    count.prop_flat_map(|count| (0..count).map(message).collect::<Vec<_>>())
}

fn items() -> impl Strategy<Value = Vec<Item>> {
    (messages(1..12), prop::collection::vec(prop::option::of(1..3usize), 12)).prop_map(|(messages, keep_alives)| {
        let pairs = messages.into_iter().zip(keep_alives);
        pairs
            .flat_map(|(message, alive)| [Some(Item::Message(message)), alive.map(Item::KeepAlive)])
            .flatten()
            .collect()
    })
}

pub fn stream(items: &[Item]) -> Vec<u8> {
    let bytes = |item: &Item| match item {
        Item::Message(message) => message.clone(),
        Item::KeepAlive(times) => b"\r\n".repeat(*times),
    };
    items.iter().flat_map(bytes).collect()
}

/// How a stream is sent and seen: sizes of segments, how far the beginning of each reaches back, which are sent twice, and
/// how far each is displaced.
#[derive(Clone, Debug)]
pub struct Way {
    pub sizes: Vec<usize>,
    pub overlaps: Vec<usize>,
    pub copies: Vec<bool>,
    pub shifts: Vec<usize>,
    pub handshake: bool,
    pub first: u32,
}

pub fn way() -> impl Strategy<Value = Way> {
    let size = prop_oneof![1..20usize, 1..1500usize, Just(1460), 1..60_000usize];
    let list = 1..40usize;
    (
        prop::collection::vec(size, list.clone()),
        prop::collection::vec(prop_oneof![3 => Just(0usize), 1 => 1..200usize], list.clone()),
        prop::collection::vec(prop::bool::weighted(0.2), list.clone()),
        prop::collection::vec(0..6usize, list),
        any::<bool>(),
        prop_oneof![any::<u32>(), u32::MAX - 3000..=u32::MAX],
    )
        .prop_map(|(sizes, overlaps, copies, shifts, handshake, first)| Way {
            sizes,
            overlaps,
            copies,
            shifts,
            handshake,
            first,
        })
}

impl Way {
    pub fn line(&self) -> Line {
        Line { first: [self.first, self.first.wrapping_mul(7)], ..line() }
    }

    /// Where the segments begin and end.
    pub fn cuts(&self, length: usize) -> Vec<(usize, usize)> {
        let (mut at, mut cuts) = (0, Vec::new());
        for n in 0.. {
            let end = (at + self.sizes[n % self.sizes.len()]).min(length);
            if at == length {
                break;
            }
            cuts.push((at.saturating_sub(self.overlaps[n % self.overlaps.len()]), end));
            at = end;
        }
        cuts
    }

    /// The segments of a stream in the order in which they are seen.
    pub fn segments(&self, stream: &[u8], side: usize) -> Vec<Tcp> {
        let mut places = Vec::new();
        for (n, cut) in self.cuts(stream.len()).into_iter().enumerate() {
            // Without SYN nothing tells that something came before the first segment that is seen.
            let shift = if n == 0 && !self.handshake { 0 } else { 1 + self.shifts[n % self.shifts.len()] };
            places.push((n + shift, cut));
            if self.copies[n % self.copies.len()] {
                places.push((n + shift + n % 4, cut));
            }
        }
        places.sort_by_key(|(place, _)| *place);
        places.into_iter().map(|(_, (from, to))| self.line().data(side, from, &stream[from..to])).collect()
    }

    pub fn begin(&self) -> Capture {
        let mut capture = Capture::new();
        if self.handshake {
            capture.segments(&self.line().handshake());
        }
        capture
    }
}

fn only_messages(items: &[Item]) -> Vec<&[u8]> {
    items.iter().filter_map(|item| if let Item::Message(message) = item { Some(&message[..]) } else { None }).collect()
}

/// Runs of bytes that were captured.
fn captured(cuts: &[(usize, usize)], lost: &[bool], length: usize) -> Vec<bool> {
    let mut there = vec![false; length];
    for (n, (from, to)) in cuts.iter().enumerate() {
        if !lost[n % lost.len()] {
            there[*from..*to].fill(true);
        }
    }
    there
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_message_comes_out_once_and_in_order(items in items(), way in way(), side in 0..2usize) {
        let stream = stream(&items);
        let mut capture = way.begin();
        for segment in way.segments(&stream, side) {
            capture.segment(&segment);
        }
        capture.whole(&only_messages(&items));
        prop_assert!(capture.malformed.is_empty());
        let numbers = capture.connections.numbers();
        prop_assert_eq!((numbers.lost_bytes, numbers.buffered), (0, 0));
        capture.finish();
        capture.whole(&only_messages(&items));
    }

    /// Both directions at once, with honest acknowledgments in between.
    #[test]
    fn two_directions_do_not_disturb_each_other(one in items(), two in items(), way in way()) {
        let way = Way { handshake: true, ..way };
        let streams = [stream(&one), stream(&two)];
        let mut capture = way.begin();
        let mut received = [0usize; 2];
        let mut seen = [vec![false; streams[0].len() + 1], vec![false; streams[1].len() + 1]];
        let segments = [way.segments(&streams[0], 0), way.segments(&streams[1], 1)];
        for n in 0..segments[0].len().max(segments[1].len()) {
            for side in 0..2 {
                let Some(segment) = segments[side].get(n) else { continue };
                let mut segment = segment.clone();
                segment.acknowledgment = way.line().first[1 - side].wrapping_add(received[1 - side] as u32);
                capture.segment(&segment);
                let from = segment.sequence.wrapping_sub(way.line().first[side]) as usize;
                seen[side][from..from + segment.payload.len()].fill(true);
                received[side] = seen[side].iter().take_while(|there| **there).count();
                capture.segment(&way.line().ack(1 - side, 0, received[side]));
            }
        }
        for (side, items) in [(way.line().client, &one), (way.line().server, &two)] {
            let got: Vec<&[u8]> = capture.got.iter().filter(|got| got.from == side).map(|got| &got.text[..]).collect();
            prop_assert!(got == only_messages(items), "{} of {}", got.len(), only_messages(items).len());
        }
        prop_assert!(capture.got.iter().all(|got| !got.cut));
    }

    /// What lies wholly outside of the gaps comes out, and nothing that was never sent.
    #[test]
    fn loss_costs_what_it_hits(
        items in items(),
        way in way(),
        lost in prop::collection::vec(prop::bool::weighted(0.15), 1..40),
        answers in any::<bool>(),
    ) {
        let stream = stream(&items);
        // What reaches back behind a gap that was given up, or before the first byte that was seen, comes too late.
        let way = Way { overlaps: vec![0], ..way };
        let cuts = way.cuts(stream.len());
        let there = captured(&cuts, &lost, stream.len());
        let mut capture = way.begin();
        for (n, (from, to)) in cuts.iter().enumerate() {
            if !lost[n % lost.len()] {
                capture.segment(&way.line().data(0, *from, &stream[*from..*to]));
            }
            if answers {
                capture.segment(&way.line().ack(1, 0, *to));
            }
            if n % 50 == 49 {
                capture.wait(SECOND);
            }
        }
        capture.wait(10 * SECOND);
        capture.finish();
        let messages = only_messages(&items);
        // Which message each of those that came out is, one behind the other.
        let mut next = 0;
        for got in &capture.got {
            let is = |message: &&[u8]| if got.cut { message.starts_with(&got.text) } else { **message == got.text };
            let found = messages[next..].iter().position(is);
            prop_assert!(found.is_some(), "never sent: {:?} cut {}", String::from_utf8_lossy(&got.text), got.cut);
            next += found.unwrap_or_default() + 1;
        }
        let mut at = 0;
        for item in &items {
            let length = self::stream(std::slice::from_ref(item)).len();
            if let Item::Message(message) = item
                && there[at..at + length].iter().all(|there| *there)
            {
                let is_there = capture.got.iter().any(|got| got.text == *message && !got.cut);
                prop_assert!(is_there, "missed: {:?} in {:?}", String::from_utf8_lossy(message), capture.texts());
            }
            at += length;
        }
    }

    /// Any bytes at all in any segments, with any flags.
    #[test]
    fn nothing_breaks_it(
        segments in prop::collection::vec(
            (any::<bool>(), any::<u8>(), any::<u16>(), any::<u16>(), odd_payload(), 0..80usize),
            1..80,
        ),
    ) {
        let mut capture = Capture::new();
        for (from_server, flags, sequence, acknowledgment, payload, captured) in segments {
            let mut segment = line().data(usize::from(from_server), usize::from(sequence), &payload);
            segment.acknowledgment = segment.acknowledgment.wrapping_add(u32::from(acknowledgment));
            segment.flags = flags;
            let packet = segment.packet();
            capture.packet_cut(&packet, if captured < 44 { packet.len() } else { captured });
        }
        capture.wait(SECOND);
        capture.finish();
        prop_assert_eq!(capture.connections.numbers().buffered, 0);
    }
}

fn odd_payload() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..60),
        message(1),
        message(2).prop_map(|message| message[..message.len() / 2].to_vec()),
        Just(b"GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n".to_vec()),
        Just(vec![0x81, 0xfe, 0xff, 0xff, 1, 2, 3, 4, 5]),
        Just(b"\x81\x0dA b SIP/2.0\r\n".to_vec()),
        Just(b"SIP/2.0 200 OK\r\n".to_vec()),
    ]
}
