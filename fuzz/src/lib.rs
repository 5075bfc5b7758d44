//! What the fuzz targets share: the tests' own harness, and how bytes stand for frames in time.

#[allow(dead_code)]
#[path = "../../tests/capture_files/fixtures.rs"]
pub mod capture_files;
#[allow(dead_code)]
#[path = "../../tests/hostile/harness.rs"]
pub mod harness;
#[allow(dead_code)]
#[path = "../../tests/hostile/packets.rs"]
pub mod packets;
#[allow(dead_code)]
#[path = "../../tests/hostile/parsers.rs"]
pub mod parsers;

use sidetone::wire::LinkType;

/// All link layers that are read.
pub const LINKS: [LinkType; 10] = [
    LinkType::ETHERNET,
    LinkType::RAW,
    LinkType::NULL,
    LinkType::LOOP,
    LinkType::LINUX_SLL,
    LinkType::LINUX_SLL2,
    LinkType::IPV4,
    LinkType::IPV6,
    LinkType::RAW_BSD,
    LinkType::RAW_OPENBSD,
];

/// A frame, and how much later than the one before it came, nanoseconds: less than nothing where a clock was set back.
pub struct Step<'a> {
    pub later: i64,
    pub link: LinkType,
    pub frame: &'a [u8],
}

/// Reads steps as [`write`] writes them, until the bytes end: time (shift and sign, then factor), link layer, length, frame.
pub fn steps(mut bytes: &[u8]) -> impl Iterator<Item = Step<'_>> {
    std::iter::from_fn(move || {
        let ([time, factor, link, high, low], rest) = bytes.split_first_chunk::<5>()?;
        let length = usize::from(u16::from_be_bytes([*high, *low])).min(rest.len());
        let (frame, rest) = rest.split_at(length);
        bytes = rest;
        let later = i64::from(*factor) << (time & 31);
        let link = LINKS[usize::from(*link) % LINKS.len()];
        Some(Step { later: if time & 32 == 0 { later } else { -later }, link, frame })
    })
}

/// One step, a millisecond or so after the one before.
pub fn write(link: LinkType, frame: &[u8], out: &mut Vec<u8>) {
    let link = LINKS.iter().position(|known| *known == link).unwrap_or_default();
    out.extend([20, 1, link as u8]);
    out.extend((frame.len() as u16).to_be_bytes());
    out.extend(frame);
}
