//! Frames and messages built byte by byte: small ones of every kind, and the parts to build floods and calls from.

use std::net::{IpAddr, SocketAddr};

use sidetone::wire::LinkType;

/// A frame, and the datagram's payload that is in it.
pub struct Fixture {
    pub name: &'static str,
    pub link: LinkType,
    pub frame: Vec<u8>,
    pub payload: Vec<u8>,
}

pub fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

/// An IPv4 or IPv6 packet with a UDP datagram in it.
pub fn udp(source: SocketAddr, destination: SocketAddr, payload: &[u8]) -> Vec<u8> {
    let mut segment = Vec::with_capacity(payload.len() + 8);
    segment.extend(source.port().to_be_bytes());
    segment.extend(destination.port().to_be_bytes());
    segment.extend((payload.len() as u16 + 8).to_be_bytes());
    segment.extend([0, 0]);
    segment.extend(payload);
    match (source.ip(), destination.ip()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            let mut packet = vec![0x45, 0];
            packet.extend((segment.len() as u16 + 20).to_be_bytes());
            packet.extend([0, 0, 0x40, 0, 64, 17, 0, 0]);
            packet.extend(from.octets());
            packet.extend(to.octets());
            packet.extend(segment);
            packet
        }
        (IpAddr::V6(from), IpAddr::V6(to)) => ipv6(from.octets(), to.octets(), 17, &segment),
        _ => panic!("one IP version a packet"),
    }
}

fn ipv6(from: [u8; 16], to: [u8; 16], next: u8, rest: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x60, 0, 0, 0];
    packet.extend((rest.len() as u16).to_be_bytes());
    packet.extend([next, 64]);
    packet.extend(from);
    packet.extend(to);
    packet.extend(rest);
    packet
}

/// The packet with all the extension headers that may stand before UDP: hop-by-hop, routing, an atomic fragment,
/// authentication, destination options.
pub fn with_extensions(packet: &[u8]) -> Vec<u8> {
    let mut rest = Vec::new();
    rest.extend([43, 0, 1, 4, 0, 0, 0, 0]);
    rest.extend([44, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    rest.extend([51, 0, 0, 0, 0, 0, 0, 7]);
    rest.extend([60, 1, 0, 0, 0, 0, 0, 9, 0, 0, 0, 1]);
    rest.extend([17, 0, 1, 4, 0, 0, 0, 0]);
    rest.extend(&packet[40..]);
    let (mut from, mut to) = ([0; 16], [0; 16]);
    from.copy_from_slice(&packet[8..24]);
    to.copy_from_slice(&packet[24..40]);
    ipv6(from, to, 0, &rest)
}

fn ether_type(packet: &[u8]) -> [u8; 2] {
    if packet[0] >> 4 == 4 { [0x08, 0x00] } else { [0x86, 0xdd] }
}

pub fn ethernet(packet: &[u8]) -> Vec<u8> {
    [&[2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2][..], &ether_type(packet), packet].concat()
}

/// The packet under each link layer that is read, tagged ones included.
pub fn links(packet: &[u8]) -> Vec<(&'static str, LinkType, Vec<u8>)> {
    let kind = ether_type(packet);
    let v4 = packet[0] >> 4 == 4;
    let macs = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
    let mac = |rest: &[&[u8]]| [&macs[..], &rest.concat(), packet].concat();
    let ppp: [u8; 2] = if v4 { [0x00, 0x21] } else { [0x00, 0x57] };
    let session = [&[0x11, 0, 0, 9][..], &(packet.len() as u16 + 2).to_be_bytes(), &ppp].concat();
    let family: u8 = if v4 { 2 } else { 30 };
    let sll = [&[0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0][..], &kind, packet].concat();
    let sll2 = [&kind[..], &[0, 0, 0, 0, 0, 3, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0], packet].concat();
    vec![
        ("ethernet", LinkType::ETHERNET, ethernet(packet)),
        ("vlan", LinkType::ETHERNET, mac(&[&[0x81, 0, 0, 5], &kind])),
        ("qinq", LinkType::ETHERNET, mac(&[&[0x88, 0xa8, 0, 5, 0x81, 0, 0, 6], &kind])),
        ("pppoe", LinkType::ETHERNET, mac(&[&[0x88, 0x64], &session])),
        ("vlan with pppoe", LinkType::ETHERNET, mac(&[&[0x81, 0, 0, 5, 0x88, 0x64], &session])),
        ("sll", LinkType::LINUX_SLL, sll),
        ("sll2", LinkType::LINUX_SLL2, sll2),
        ("null", LinkType::NULL, [&[family, 0, 0, 0][..], packet].concat()),
        ("loop", LinkType::LOOP, [&[0, 0, 0, family][..], packet].concat()),
        ("raw", LinkType::RAW, packet.to_vec()),
        ("raw bsd", LinkType::RAW_BSD, packet.to_vec()),
        ("raw openbsd", LinkType::RAW_OPENBSD, packet.to_vec()),
        if v4 { ("ipv4", LinkType::IPV4, packet.to_vec()) } else { ("ipv6", LinkType::IPV6, packet.to_vec()) },
    ]
}

/// An RTP packet with `payload` bytes of payload.
pub fn rtp(payload_type: u8, sequence: u16, timestamp: u32, ssrc: u32, payload: usize) -> Vec<u8> {
    let mut packet = vec![0x80, payload_type];
    packet.extend(sequence.to_be_bytes());
    packet.extend(timestamp.to_be_bytes());
    packet.extend(ssrc.to_be_bytes());
    packet.resize(12 + payload, 0xd5);
    packet
}

/// RTP with two CSRCs, a header extension of two words, and three bytes of padding.
pub fn rtp_with_everything() -> Vec<u8> {
    let mut packet = rtp(0x80, 4711, 160_000, 0x1234_5678, 0);
    packet[0] = 0xb2;
    packet.extend([0, 0, 0, 1, 0, 0, 0, 2]);
    packet.extend([0xbe, 0xde, 0, 2, 0x10, 7, 0x20, 8, 0, 0, 0, 0]);
    packet.extend([0xd5; 20]);
    packet.extend([0, 0, 3]);
    packet
}

/// One RTCP packet: header, and `words` 32-bit words of `fill`.
pub fn rtcp_packet(count: u8, number: u8, words: u16, fill: u8) -> Vec<u8> {
    let mut packet = vec![0x80 | count, number];
    packet.extend(words.to_be_bytes());
    packet.resize(4 + 4 * usize::from(words), fill);
    packet
}

/// SR with a report block, SDES, APP, RTPFB, PSFB, XR, BYE.
pub fn rtcp_compound() -> Vec<u8> {
    let mut compound = rtcp_packet(1, 200, 12, 0x11);
    compound.extend([0x81, 202, 0, 3, 0, 0, 0, 9, 1, 4, b'u', b'@', b'h', b'x', 0, 0]);
    for (count, number, words) in [(1, 204, 3), (1, 205, 3), (1, 206, 2), (0, 207, 4), (1, 203, 1)] {
        compound.extend(rtcp_packet(count, number, words, 0x22));
    }
    compound
}

/// A session description: two audio codecs and telephone events, video, and T.38.
pub fn sdp(address: IpAddr, port: u16) -> String {
    let family = if address.is_ipv4() { "IP4" } else { "IP6" };
    format!(
        "v=0\r\no=- 1 1 IN {family} {address}\r\ns=-\r\nc=IN {family} {address}\r\nt=0 0\r\n\
         m=audio {port} RTP/AVP 0 8 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\na=sendrecv\r\n\
         m=video {} RTP/AVPF 96\r\na=rtpmap:96 VP8/90000\r\nm=image 0 udptl t38\r\n",
        port + 2
    )
}

/// A message of a call, with a body if there is one.
pub fn message(start: &str, call: &Call, cseq: &str, to_tag: &str, body: &str) -> Vec<u8> {
    let content = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
    format!(
        "{start}\r\nVia: SIP/2.0/UDP {};branch=z9hG4bK-{}-{cseq}\r\nFrom: \"Alice\" <sip:alice@a.example>;tag=a-{}\r\n\
         To: <sip:bob@b.example>{to_tag}\r\nCall-ID: {}\r\nCSeq: {cseq}\r\nContact: <sip:alice@{}>\r\n{content}\
         Content-Length: {}\r\n\r\n{body}",
        call.caller,
        call.id,
        call.id,
        call.id,
        call.caller,
        body.len()
    )
    .into_bytes()
}

/// Two parties, their signalling and media ports.
#[derive(Clone)]
pub struct Call {
    pub id: String,
    pub caller: SocketAddr,
    pub callee: SocketAddr,
    pub caller_media: SocketAddr,
    pub callee_media: SocketAddr,
}

/// Which end sends.
#[derive(Clone, Copy, PartialEq)]
pub enum From {
    Caller,
    Callee,
}

impl Call {
    pub fn v4(id: &str) -> Call {
        Call {
            id: id.to_owned(),
            caller: address("192.0.2.10:5060"),
            callee: address("192.0.2.20:5060"),
            caller_media: address("192.0.2.10:20000"),
            callee_media: address("192.0.2.20:30000"),
        }
    }

    pub fn v6(id: &str) -> Call {
        Call {
            id: id.to_owned(),
            caller: address("[2001:db8::10]:5060"),
            callee: address("[2001:db8::20]:5060"),
            caller_media: address("[2001:db8::10]:20000"),
            callee_media: address("[2001:db8::20]:30000"),
        }
    }

    fn offer(&self) -> String {
        sdp(self.caller_media.ip(), self.caller_media.port())
    }

    fn answer(&self) -> String {
        sdp(self.callee_media.ip(), self.callee_media.port())
    }

    pub fn invite(&self) -> Vec<u8> {
        message("INVITE sip:bob@b.example SIP/2.0", self, "1 INVITE", "", &self.offer())
    }

    pub fn ringing(&self) -> Vec<u8> {
        message("SIP/2.0 180 Ringing", self, "1 INVITE", ";tag=b", "")
    }

    pub fn ok(&self) -> Vec<u8> {
        message("SIP/2.0 200 OK", self, "1 INVITE", ";tag=b", &self.answer())
    }

    pub fn request(&self, method: &str, cseq: u32) -> Vec<u8> {
        let start = format!("{method} sip:bob@b.example SIP/2.0");
        message(&start, self, &format!("{cseq} {method}"), ";tag=b", "")
    }

    /// A signalling packet.
    pub fn signal(&self, from: From, message: &[u8]) -> Vec<u8> {
        match from {
            From::Caller => udp(self.caller, self.callee, message),
            From::Callee => udp(self.callee, self.caller, message),
        }
    }

    /// A media packet.
    pub fn media(&self, from: From, packet: &[u8]) -> Vec<u8> {
        match from {
            From::Caller => udp(self.caller_media, self.callee_media, packet),
            From::Callee => udp(self.callee_media, self.caller_media, packet),
        }
    }

    /// The whole call as IP packets, ten media packets each way.
    pub fn packets(&self) -> Vec<Vec<u8>> {
        let mut packets = vec![
            self.signal(From::Caller, &self.invite()),
            self.signal(From::Callee, &self.ringing()),
            self.signal(From::Callee, &self.ok()),
            self.signal(From::Caller, &self.request("ACK", 1)),
        ];
        for n in 0..10u16 {
            let timestamp = u32::from(n) * 160;
            packets.push(self.media(From::Caller, &rtp(0, 65530u16.wrapping_add(n), timestamp, 0xaaaa_0001, 160)));
            packets.push(self.media(From::Callee, &rtp(0, n, timestamp, 0xbbbb_0001, 160)));
        }
        packets.push(self.media(From::Caller, &rtcp_compound()));
        packets.push(self.signal(From::Caller, &self.request("BYE", 2)));
        packets.push(self.signal(From::Callee, &message("SIP/2.0 200 OK", self, "2 BYE", ";tag=b", "")));
        packets
    }
}

/// A message with everything that real wires do to it: keep-alive bytes before it, compact names, folds, odd case, LF only,
/// several values in one Via, a quoted display name with a fake tag, bytes that are no UTF-8.
pub fn odd_invite() -> Vec<u8> {
    b"\r\n\r\nINVITE sip:bob@b.example;x=\xff\xfe SIP/2.0\nv: SIP/2.0/UDP 192.0.2.10;branch=z9hG4bK1,\n SIP/2.0/TCP \
      198.51.100.7;branch=z9hG4bK2\nf:\n \"A;tag=x<,\\\" \xc3\x28\"\n <sip:alice;tag=y@a.example>;tag=a-odd\n\
      T : sip:bob@b.example\ni:odd@\xe9\nCSEQ: 0017\n\tINVITE\nm: *\nX-Nul: \0\0\nc: APPLICATION/SDP;x=y\nl: 56\n\n\
      v=0\nc=IN IP4 192.0.2.10\nm=audio 20000/2 RTP/AVP 18 4 97\n"
        .to_vec()
}

fn multipart() -> Vec<u8> {
    let body = format!(
        "--b\r\nContent-Type: text/plain\r\n\r\nhello\r\n--b\r\nContent-Type: application/sdp\r\n\r\n{}\r\n--b--\r\n",
        sdp(address("192.0.2.10:1").ip(), 20000)
    );
    let head = "INVITE sip:bob@b.example SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.10;branch=z9hG4bKm\r\nFrom: <sip:a@a>;tag=m\r\n\
                To: <sip:b@b>\r\nCall-ID: multi\r\nCSeq: 1 INVITE\r\nContent-Type: multipart/mixed;boundary=b\r\n";
    format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

/// The payloads that the parsers and the core are tried with.
pub fn payloads() -> Vec<(&'static str, Vec<u8>)> {
    let call = Call::v4("fixture@192.0.2.10");
    let register = message("REGISTER sip:a.example SIP/2.0", &call, "7 REGISTER", "", "");
    let granted = message("SIP/2.0 200 OK", &call, "7 REGISTER", ";tag=r", "");
    vec![
        ("INVITE with SDP", call.invite()),
        ("200 with SDP", call.ok()),
        ("INVITE as no RFC likes it", odd_invite()),
        ("INVITE with a multipart body", multipart()),
        ("REGISTER", register),
        ("200 to REGISTER", granted),
        ("BYE", call.request("BYE", 2)),
        ("RTP", rtp(0, 1, 160, 0xcafe_0001, 32)),
        ("RTP with CSRCs, extension, padding", rtp_with_everything()),
        ("RTCP compound", rtcp_compound()),
    ]
}

/// Every payload in Ethernet and IPv4, and two of them under every link layer in both IP versions.
pub fn fixtures() -> Vec<Fixture> {
    let mut all = Vec::new();
    let (v4, v6) = (Call::v4("fixture@192.0.2.10"), Call::v6("fixture@2001:db8::10"));
    for (name, payload) in payloads() {
        let media = name.starts_with("RT");
        let packet = if media { v4.media(From::Caller, &payload) } else { v4.signal(From::Caller, &payload) };
        all.push(Fixture { name, link: LinkType::ETHERNET, frame: ethernet(&packet), payload });
    }
    for call in [&v4, &v6] {
        let payloads = [call.request("OPTIONS", 3), rtp_with_everything()];
        let packets = [call.signal(From::Caller, &payloads[0]), call.media(From::Caller, &payloads[1])];
        for (payload, packet) in payloads.iter().zip(&packets) {
            for (name, link, frame) in links(packet) {
                all.push(Fixture { name, link, frame, payload: payload.clone() });
            }
        }
    }
    let payload = v6.request("OPTIONS", 3);
    let packet = with_extensions(&v6.signal(From::Caller, &payload));
    all.push(Fixture { name: "IPv6 with extensions", link: LinkType::IPV6, frame: packet, payload });
    all
}
