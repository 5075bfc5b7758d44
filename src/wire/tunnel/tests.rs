use crate::wire::{Decoded, LinkType, Point, Undecoded, decode};

/// An IPv4 packet with a right header checksum.
fn ip(protocol: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x45, 0];
    packet.extend((20 + payload.len() as u16).to_be_bytes());
    packet.extend([0, 1, 0, 0, 64, protocol, 0, 0, 198, 51, 100, 1, 198, 51, 100, 2]);
    let sum: u32 = packet.chunks(2).map(|word| u32::from(u16::from_be_bytes([word[0], word[1]]))).sum();
    packet[10..12].copy_from_slice(&(!((sum & 0xffff) + (sum >> 16)) as u16).to_be_bytes());
    packet.extend(payload);
    packet
}

fn ip6(next: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x60, 0, 0, 0];
    packet.extend((payload.len() as u16).to_be_bytes());
    packet.extend([next, 64]);
    packet.extend([0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
    packet.extend([0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2]);
    packet.extend(payload);
    packet
}

fn udp(source: u16, destination: u16, payload: &[u8]) -> Vec<u8> {
    let length = (8 + payload.len() as u16).to_be_bytes();
    [&source.to_be_bytes()[..], &destination.to_be_bytes(), &length, &[0, 0], payload].concat()
}

fn in_udp(port: u16, payload: &[u8]) -> Vec<u8> {
    ip(17, &udp(50_000, port, payload))
}

fn ethernet(ethertype: u16, payload: &[u8]) -> Vec<u8> {
    [&[2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2][..], &ethertype.to_be_bytes(), payload].concat()
}

/// What is to be found.
fn inner() -> Vec<u8> {
    ip(17, &udp(5060, 5062, b"inside"))
}

fn found(packet: &[u8]) -> Result<(Vec<u8>, Point), Undecoded> {
    match decode(LinkType::RAW, packet)? {
        Decoded::Datagram(datagram) => Ok((datagram.payload.to_vec(), datagram.point)),
        other => panic!("no datagram: {other:?}"),
    }
}

#[track_caller]
fn finds(packet: &[u8]) -> Point {
    let (payload, point) = found(packet).expect("a datagram");
    assert_eq!(payload, b"inside");
    point
}

/// It is no tunnel: the datagram stays what it is.
#[track_caller]
fn stays(packet: &[u8]) {
    let (payload, _) = found(packet).expect("a datagram");
    assert_eq!(payload, packet[28..]);
}

fn with_mac(head: &[u8]) -> Vec<u8> {
    [head, &ethernet(0x0800, &inner())].concat()
}

fn with_ip(head: &[u8]) -> Vec<u8> {
    [head, &inner()].concat()
}

#[test]
fn ip_in_ip() {
    let v6 = ip6(17, &udp(5060, 5062, b"inside"));
    let points = [
        finds(&inner()),
        finds(&ip(4, &inner())),
        finds(&ip(41, &v6)),
        finds(&ip6(4, &inner())),
        finds(&ip6(41, &v6)),
        finds(&ip(
            51,
            &[&[4, 4, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9][..], &inner()].concat(),
        )),
    ];
    assert_ne!(points[0], points[1]);
    assert_eq!(found(&ip(4, &[0x45])).unwrap_err(), Undecoded::Truncated);
    assert_eq!(found(&ip(4, &ip(1, b"icmp"))).unwrap_err(), Undecoded::OtherProtocol);
}

#[test]
fn tunnels_inside_each_other_end() {
    let nested = |layers| (0..layers).fold(inner(), |packet, _| ip(4, &packet));
    finds(&nested(6));
    assert_eq!(found(&nested(7)).unwrap_err(), Undecoded::Tunnel);
}

#[test]
fn gre_with_each_of_its_fields() {
    let first = finds(&ip(47, &with_ip(&[0, 0, 8, 0])));
    finds(&ip(47, &with_ip(&[0x80, 0, 8, 0, 1, 2, 0, 0])));
    let key = finds(&ip(47, &with_ip(&[0x20, 0, 8, 0, 0, 0, 0, 7])));
    let other = finds(&ip(47, &with_ip(&[0x20, 0, 8, 0, 0, 0, 0, 8])));
    let all = finds(&ip(47, &with_ip(&[0xb0, 0, 8, 0, 1, 2, 0, 0, 0, 0, 0, 7, 0, 0, 0, 1])));
    assert_eq!(key, all, "checksum and sequence number are no part of the way");
    assert!(key != other && key != first);
    finds(&ip6(47, &[&[0, 0, 0x86, 0xdd][..], &ip6(17, &udp(1, 2, b"inside"))].concat()));
    // NVGRE, VLAN and MPLS.
    finds(&ip(47, &with_mac(&[0x20, 0, 0x65, 0x58, 0, 0, 5, 1])));
    finds(&ip(47, &[&[0, 0, 0x65, 0x58][..], &ethernet(0x8100, &with_ip(&[0, 7, 8, 0]))].concat()));
    finds(&ip(47, &with_ip(&[0, 0, 0x88, 0x47, 0, 1, 0x01, 64])));
    for broken in [[0x40, 0, 8, 0], [0, 2, 8, 0], [0, 1, 8, 0]] {
        assert_eq!(found(&ip(47, &with_ip(&broken))).unwrap_err(), Undecoded::Tunnel);
    }
    assert_eq!(found(&ip(47, &[0x20, 0, 8, 0, 1])).unwrap_err(), Undecoded::Truncated);
    assert_eq!(found(&ip(47, &[0, 0, 0x20, 0, 1])).unwrap_err(), Undecoded::NotIp);
}

#[test]
fn pptp_carries_ppp() {
    let ppp = |head: &[u8]| {
        ip(47, &with_ip(&[&[0x30, 0x81, 0x88, 0x0b, 0, 30, 0, 5, 0, 0, 0, 1, 0, 0, 0, 2], head].concat()))
    };
    finds(&ppp(&[0xff, 0x03, 0x00, 0x21]));
    finds(&ppp(&[0x00, 0x21]));
    finds(&ppp(&[0x21]));
    assert_eq!(found(&ip(47, &[0x20, 0x81, 0x88, 0x0b, 0, 0, 0, 5, 0, 0, 0, 1])).unwrap_err(), Undecoded::NotIp);
    assert_eq!(found(&ppp(&[0xc0, 0x21])).unwrap_err(), Undecoded::NotIp);
}

#[test]
fn erspan_of_all_types() {
    finds(&ip(47, &with_mac(&[0, 0, 0x88, 0xbe])));
    finds(&ip(47, &with_mac(&[0x10, 0, 0x88, 0xbe, 0, 0, 0, 1, 0x10, 5, 0x18, 1, 0, 0, 0, 2])));
    let third = |flags: u8, o: u8, rest: &[u8]| {
        let head = [0x10, 0, 0x22, 0xeb, 0, 0, 0, 1, 0x20, 5, 0, 1, 0, 0, 0, 9, 0, 0, flags, o];
        ip(47, &[&head[..], rest].concat())
    };
    finds(&third(0, 0, &with_mac(&[])));
    finds(&third(0, 1, &with_mac(&[7; 8])));
    finds(&third(2 << 2, 0, &inner()));
}

#[test]
fn vxlan_and_its_extension() {
    let plain = [8, 0, 0, 0, 0, 0, 42, 0];
    finds(&in_udp(4789, &with_mac(&plain)));
    finds(&in_udp(8472, &with_mac(&plain)));
    finds(&in_udp(4789, &with_mac(&[0x88, 0, 0, 5, 0, 0, 42, 0])));
    finds(&in_udp(4790, &with_ip(&[0x0c, 0, 0, 1, 0, 0, 42, 0])));
    finds(&in_udp(4790, &with_mac(&[0x0c, 0, 0, 3, 0, 0, 42, 0])));
    // Any other port, a flag that is not its own, a packet that does not fill the frame.
    stays(&in_udp(4788, &with_mac(&plain)));
    stays(&in_udp(4789, &with_mac(&[9, 0, 0, 0, 0, 0, 42, 0])));
    stays(&in_udp(4789, &[&with_mac(&plain)[..], &[0; 100]].concat()));
    let mut broken = with_mac(&plain);
    broken[8 + 14 + 10] ^= 1;
    stays(&in_udp(4789, &broken));
}

#[test]
fn geneve_with_options() {
    finds(&in_udp(6081, &with_mac(&[0, 0, 0x65, 0x58, 0, 0, 42, 0])));
    finds(&in_udp(6081, &with_mac(&[2, 0x40, 0x65, 0x58, 0, 0, 42, 0, 1, 2, 3, 1, 0, 0, 0, 0])));
    finds(&in_udp(6081, &with_ip(&[0, 0, 8, 0, 0, 0, 42, 0])));
    stays(&in_udp(6081, &with_ip(&[0, 0x80, 8, 0, 0, 0, 42, 0])));
    stays(&in_udp(6081, &with_ip(&[0x40, 0, 8, 0, 0, 0, 42, 0])));
}

#[test]
fn gtp_with_sequence_numbers_and_extension_headers() {
    let gtp = |flags: u8, kind: u8, optional: &[u8], payload: &[u8]| {
        let length = (optional.len() + payload.len()) as u16;
        let head = [&[flags, kind][..], &length.to_be_bytes(), &[0, 0, 0, 9]].concat();
        in_udp(2152, &[&head, optional, payload].concat())
    };
    finds(&gtp(0x30, 255, &[], &inner()));
    finds(&gtp(0x32, 255, &[0, 1, 0, 0], &inner()));
    // A PDU session container (TS 38.415), then a PDCP number.
    finds(&gtp(0x34, 255, &[0, 0, 0, 0x85, 1, 0x10, 9, 0xc0, 1, 0, 1, 0], &inner()));
    finds(&gtp(0x30, 255, &[], &ip6(17, &udp(1, 2, b"inside"))));
    finds(&gtp(0x30, 255, &[], &ethernet(0x0800, &inner())));
    stays(&gtp(0x30, 254, &[], &inner()));
    stays(&gtp(0x20, 255, &[], &inner()));
    stays(&gtp(0x34, 255, &[0, 0, 0, 0x85, 0, 0x10, 9, 0], &inner()));
    stays(&gtp(0x30, 255, &[], b"neither IP nor Ethernet"));
}

#[test]
fn mpls_with_ip_and_pseudowires() {
    let labels = [0, 1, 0x00, 64, 0, 2, 0x01, 64];
    let on_wire =
        |payload: &[u8]| decode(LinkType::ETHERNET, &ethernet(0x8847, payload)).map(|d| d.datagram().is_some());
    assert_eq!(on_wire(&with_ip(&labels)), Ok(true));
    assert_eq!(on_wire(&[&labels[..], &ip6(17, &udp(1, 2, b"inside"))].concat()), Ok(true));
    assert_eq!(on_wire(&with_mac(&labels)), Ok(true));
    assert_eq!(on_wire(&with_mac(&[&labels[..], &[0, 0, 0, 1]].concat())), Ok(true));
    // A frame to a station whose address begins like an IP packet.
    let mut frame = ethernet(0x0800, &inner());
    frame[0] = 0x46;
    assert_eq!(on_wire(&[&labels[..], &frame].concat()), Ok(true));
    assert_eq!(on_wire(&[0; 100]).unwrap_err(), Undecoded::Tunnel);
    assert_eq!(on_wire(&[&labels[..], &[0x45, 0]].concat()).unwrap_err(), Undecoded::Truncated);
    finds(&ip(137, &with_ip(&labels)));
    finds(&in_udp(6635, &with_mac(&labels)));
    stays(&in_udp(6635, &[&labels[..], b"something else"].concat()));
}

#[test]
fn l2tp_of_both_versions() {
    let least = [0, 2, 0, 1, 0, 2];
    finds(&in_udp(1701, &with_ip(&[&least[..], &[0xff, 3, 0, 0x21]].concat())));
    finds(&in_udp(1701, &with_ip(&[&least[..], &[0x21]].concat())));
    finds(&ip(17, &udp(1701, 50_000, &with_ip(&[&least[..], &[0, 0x21]].concat()))));
    let length = (14 + 2 + 2 + inner().len()) as u16;
    let full = [&[0x4b, 2][..], &length.to_be_bytes(), &[0, 1, 0, 2, 0, 5, 0, 6, 0, 2, 9, 9, 0, 0x21]].concat();
    finds(&in_udp(1701, &with_ip(&full)));
    stays(&in_udp(1701, &[&with_ip(&full)[..], &[0; 4]].concat()));
    stays(&in_udp(1701, &with_ip(&[0xc0, 2, 0, 1, 0, 2, 0, 0x21])));
    for before in [0, 4, 8, 12] {
        let frame = with_mac(&vec![0x5a; before]);
        finds(&ip(115, &[&[0, 0, 0, 9][..], &frame].concat()));
        finds(&in_udp(1701, &[&[0, 3, 0, 0, 0, 0, 0, 9][..], &frame].concat()));
    }
    assert_eq!(found(&ip(115, &with_mac(&[0; 4]))).unwrap_err(), Undecoded::NotIp);
}

/// Ports are no proof: media may use each of them.
#[test]
fn rtp_on_the_ports_of_tunnels_stays_rtp() {
    for port in [1701, 2152, 4789, 4790, 6081, 6635, 8472] {
        for csrcs in 0..16u8 {
            let mut rtp = vec![0x80 | csrcs, 0x08, 0, 1, 0, 0, 0, 160, 0, 0, 0, 99];
            rtp.resize(12 + 4 * usize::from(csrcs) + 160, 0x45);
            stays(&in_udp(port, &rtp));
            stays(&ip(17, &udp(port, 20_000, &rtp)));
        }
    }
}
