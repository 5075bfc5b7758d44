//! IP packets put into tunnels: each function takes a whole IP packet and gives another one around it.

/// An IPv4 packet with a right header checksum.
pub fn ipv4(protocol: u8, hops: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x45, 0];
    packet.extend((20 + payload.len() as u16).to_be_bytes());
    packet.extend([0, 1, 0, 0, hops, protocol, 0, 0, 198, 51, 100, 1, 198, 51, 100, 2]);
    let sum: u32 = packet.chunks(2).map(|word| u32::from(u16::from_be_bytes([word[0], word[1]]))).sum();
    packet[10..12].copy_from_slice(&(!((sum & 0xffff) + (sum >> 16)) as u16).to_be_bytes());
    packet.extend(payload);
    packet
}

pub fn ipv6(next: u8, hops: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x60, 0, 0, 0];
    packet.extend((payload.len() as u16).to_be_bytes());
    packet.extend([next, hops]);
    packet.extend([0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
    packet.extend([0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2]);
    packet.extend(payload);
    packet
}

pub fn in_udp(source: u16, destination: u16, payload: &[u8]) -> Vec<u8> {
    let length = (8 + payload.len() as u16).to_be_bytes();
    let datagram = [&source.to_be_bytes()[..], &destination.to_be_bytes(), &length, &[0, 0], payload].concat();
    ipv4(17, 64, &datagram)
}

fn is_v4(packet: &[u8]) -> bool {
    packet[0] >> 4 == 4
}

fn ethertype(packet: &[u8]) -> [u8; 2] {
    if is_v4(packet) { [0x08, 0x00] } else { [0x86, 0xdd] }
}

fn ppp(packet: &[u8]) -> u8 {
    if is_v4(packet) { 0x21 } else { 0x57 }
}

/// A frame with the packet in it, tagged or not by `choice`, padded where it is short.
fn frame(choice: usize, packet: &[u8]) -> Vec<u8> {
    let macs = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
    let kind = ethertype(packet);
    let mut frame = match choice % 5 {
        0 => [&macs[..], &[0x81, 0, 0, 5], &kind, packet].concat(),
        1 => [&macs[..], &[0x88, 0xa8, 0, 5, 0x81, 0, 0, 6], &kind, packet].concat(),
        2 => {
            let length = (packet.len() as u16 + 2).to_be_bytes();
            [&macs[..], &[0x88, 0x64, 0x11, 0, 0, 9], &length, &[0, ppp(packet)], packet].concat()
        }
        _ => [&macs[..], &kind, packet].concat(),
    };
    frame.resize(frame.len().max(60), 0);
    frame
}

/// How many ways to wrap there are.
pub const KINDS: usize = 24;

/// The packet in a tunnel of this kind, in which `choice` says what a frame is like.
pub fn wrap(kind: usize, choice: usize, packet: &[u8]) -> Vec<u8> {
    let number = if is_v4(packet) { 4 } else { 41 };
    let kind_of = ethertype(packet);
    let framed = frame(choice, packet);
    let gre = |head: &[u8], rest: &[u8]| ipv4(47, 64, &[head, rest].concat());
    match kind {
        0 => ipv4(number, 64, packet),
        1 => ipv6(number, 64, packet),
        2 => gre(&[&[0, 0][..], &kind_of].concat(), packet),
        3 => gre(&[&[0xb0, 0][..], &kind_of, &[1, 2, 0, 0, 0, 0, 0, 7, 0, 0, 0, 1]].concat(), packet),
        4 => gre(&[0x20, 0, 0x65, 0x58, 0, 0, 42, 0], &framed),
        5 => gre(&[0, 0, 0x88, 0xbe], &framed),
        6 => gre(&[0x10, 0, 0x88, 0xbe, 0, 0, 0, 1, 0x10, 5, 0, 1, 0, 0, 0, 2], &framed),
        7 => gre(&[0x10, 0, 0x22, 0xeb, 0, 0, 0, 1, 0x20, 5, 0, 1, 0, 0, 0, 9, 0, 0, 0, 0], &framed),
        8 => {
            let head = [0x10, 0, 0x22, 0xeb, 0, 0, 0, 1, 0x20, 5, 0, 1, 0, 0, 0, 9, 0, 0, 0, 1];
            gre(&[&head[..], &[0; 8]].concat(), &framed)
        }
        9 => gre(&[0x30, 0x01, 0x88, 0x0b, 0, 30, 0, 5, 0, 0, 0, 1, 0xff, 3, 0, ppp(packet)], packet),
        10 => gre(&[0, 0, 0x88, 0x47, 0, 1, 1, 64], packet),
        11 => ipv6(47, 64, &[&[0, 0][..], &kind_of, packet].concat()),
        12 => in_udp(50_000, 4789, &[&[8, 0, 0, 0, 0, 0, 42, 0][..], &framed].concat()),
        13 => in_udp(50_000, 8472, &[&[0x88, 0, 0, 1, 0, 0, 42, 0][..], &framed].concat()),
        14 => in_udp(50_000, 4790, &[&[0x0c, 0, 0, if number == 4 { 1 } else { 2 }, 0, 0, 42, 0][..], packet].concat()),
        15 => in_udp(50_000, 6081, &[&[1, 0, 0x65, 0x58, 0, 0, 42, 0, 1, 2, 3, 0][..], &framed].concat()),
        16 => in_udp(50_000, 6081, &[&[0, 0][..], &kind_of, &[0, 0, 42, 0], packet].concat()),
        17 => {
            let length = (packet.len() as u16).to_be_bytes();
            in_udp(2152, 2152, &[&[0x30, 255][..], &length, &[0, 0, 0, 9], packet].concat())
        }
        18 => {
            let length = (packet.len() as u16 + 8).to_be_bytes();
            let optional = [0, 0, 0, 9, 0, 0, 0, 0x85, 1, 0, 9, 0];
            in_udp(2152, 2152, &[&[0x34, 255][..], &length, &optional, packet].concat())
        }
        19 => ipv4(137, 64, &[&[0, 1, 0, 64, 0, 2, 1, 64][..], packet].concat()),
        20 => in_udp(50_000, 6635, &[&[0, 1, 1, 64, 0, 0, 0, 7][..], &framed].concat()),
        21 => in_udp(50_000, 1701, &[&[0, 2, 0, 1, 0, 2, 0xff, 3, 0, ppp(packet)][..], packet].concat()),
        22 => ipv4(115, 64, &[&[0, 0, 0, 9, 0x5a, 0x5a, 0x5a, 0x5a][..], &framed].concat()),
        _ => in_udp(1701, 1701, &[&[0, 3, 0, 0, 0, 0, 0, 9][..], &framed].concat()),
    }
}
