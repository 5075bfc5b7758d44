//! TCP segments and SCTP packets in any order: ports, flags, sequence number and length from the input, a payload behind them.
#![no_main]

use sidetone::wire::LinkType;
use sidetone_fuzz::harness::{Core, MILLISECOND, START, small};

/// An IPv4 packet between two hosts of documentation, in either direction.
fn packet(protocol: u8, back: bool, inside: &[u8]) -> Vec<u8> {
    let length = (20 + inside.len()) as u16;
    let (mut source, mut destination) = ([192, 0, 2, 1], [192, 0, 2, 2]);
    if back {
        std::mem::swap(&mut source, &mut destination);
    }
    let mut packet = vec![0x45, 0];
    packet.extend(length.to_be_bytes());
    packet.extend([0, 0, 0x40, 0, 64, protocol, 0, 0]);
    packet.extend(source);
    packet.extend(destination);
    packet.extend(inside);
    packet
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut core = Core::new(&small(), true);
    let (mut rest, mut now, mut next) = (bytes, START, [0u32; 4]);
    // Kind, direction and flow; flags; how far from what is expected the number is; length.
    while let Some(([kind, flags, low, high, long, short], behind)) = rest.split_first_chunk::<6>() {
        let length = usize::from(u16::from_be_bytes([*long, *short])).min(behind.len()).min(40_000);
        let (payload, behind) = behind.split_at(length);
        rest = behind;
        now += i64::from(kind >> 4) * MILLISECOND;
        let (back, flow) = (kind & 1 == 1, usize::from(kind & 3));
        let (client, server) = ((40_000 + u16::from(kind >> 1 & 1)).to_be_bytes(), 5060u16.to_be_bytes());
        let ports = if back { [server, client] } else { [client, server] }.concat();
        let number = next[flow].wrapping_add(i32::from(i16::from_le_bytes([*low, *high])) as u32);
        let frame = if kind & 4 == 0 {
            let mut segment = ports;
            segment.extend(number.to_be_bytes());
            segment.extend(next[flow ^ 1].to_be_bytes());
            segment.extend([0x50, *flags, 0xff, 0xff, 0, 0, 0, 0]);
            segment.extend(payload);
            next[flow] = number.wrapping_add(payload.len() as u32 + u32::from(flags & 3 != 0));
            packet(6, back, &segment)
        } else {
            let mut chunk = ports;
            chunk.extend([1, 2, 3, 4, 0, 0, 0, 0, 0, *flags]);
            chunk.extend((16 + payload.len() as u16).to_be_bytes());
            chunk.extend(number.to_be_bytes());
            chunk.extend([0; 8]);
            chunk.extend(payload);
            next[flow] = number.wrapping_add(1);
            packet(132, back, &chunk)
        };
        core.frame(now, LinkType::RAW, &frame);
    }
    core.finish();
});
