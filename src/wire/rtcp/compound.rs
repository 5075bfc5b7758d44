//! A datagram's worth of RTCP: whether it is whole, encrypted or broken, and its packets in order.

use super::{Malformed, Packet};

/// An index of 32 bits and the shortest tag in use, 32 bits (RFC 3711 sections 3.4 and 4.2).
const SHORTEST_SRTCP_END: usize = 8;
/// Where SRTCP's index stands, counted from the end: before a tag of 80 bits (RFC 3711 section 5.2), or last (RFC 7714 section 9.2).
const SRTCP_INDEX: [usize; 2] = [14, 4];

/// Whether what a datagram holds may be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Its packets fill it to the last byte (RFC 3550 A.2).
    Plain,
    /// SRTCP: of the first packet the first eight bytes are clear, nothing else is to be read.
    Encrypted,
    /// The packets before the fault hold together; none of their numbers is believed.
    Malformed(Malformed),
}

/// A datagram that starts as RTCP does.
#[derive(Clone, Copy, Debug)]
pub struct Compound<'a> {
    pub form: Form,
    bytes: &'a [u8],
}

impl<'a> Compound<'a> {
    /// Looks through a datagram of `length` bytes of which `bytes` were captured. One that starts with none of the types 200
    /// to 207 is no RTCP (RFC 3550 section 6.1, RFC 5506 section 4.1): DNS answers to a client port come here.
    pub fn read(bytes: &'a [u8], length: usize) -> Option<Compound<'a>> {
        let first = bytes.first_chunk::<4>()?;
        let fits = packet_length(*first) <= length;
        (first[0] >> 6 == 2 && is_common(first[1])).then_some(())?;
        let form = if fits { form(bytes, length) } else { Form::Malformed(Malformed::Length) };
        Some(Compound { form, bytes })
    }

    /// The packets in order, up to the first that does not hold together; of an encrypted datagram the first.
    pub fn packets(&self) -> impl Iterator<Item = Packet<'a>> + use<'a> {
        let visible = match self.form {
            Form::Encrypted => 1,
            _ => usize::MAX,
        };
        Packets { rest: self.bytes, may_be_cut: self.form == Form::Plain }.take(visible)
    }
}

fn packet_length(header: [u8; 4]) -> usize {
    (usize::from(u16::from_be_bytes([header[2], header[3]])) + 1) * 4
}

/// The types that a datagram may begin with.
fn is_common(number: u8) -> bool {
    (200..=207).contains(&number)
}

/// RFC 5761 section 4: version 2, and a type that is no RTP payload type's.
fn is_header(header: [u8; 4]) -> bool {
    header[0] >> 6 == 2 && (192..=223).contains(&header[1])
}

/// RFC 3550 A.2: the lengths of the packets add up to the length of the datagram. SRTCP (RFC 3711 section 3.4) encrypts what is
/// behind the first eight bytes and adds an index and a tag, so that they do not.
fn form(bytes: &[u8], length: usize) -> Form {
    let mut at = 0;
    while at < length {
        let rest = length - at;
        let header = bytes.get(at..).and_then(|rest| rest.first_chunk::<4>());
        let Some(header) = header else {
            let cut = rest >= 4;
            return Form::Malformed(if cut { Malformed::Truncated } else { Malformed::Trailing });
        };
        if is_header(*header) && packet_length(*header) <= rest {
            at += packet_length(*header);
            continue;
        }
        let indexed = SRTCP_INDEX.iter().any(|back| {
            // The flag that says "encrypted", and a count of packets that no call reaches the end of.
            rest >= *back && bytes.get(length - back) == Some(&0x80)
        });
        return match rest {
            _ if is_header(*header) && is_common(header[1]) && !indexed => Form::Malformed(Malformed::Length),
            SHORTEST_SRTCP_END.. => Form::Encrypted,
            _ => Form::Malformed(Malformed::Trailing),
        };
    }
    Form::Plain
}

struct Packets<'a> {
    rest: &'a [u8],
    /// The lengths are known to add up: what is missing was cut by the capture.
    may_be_cut: bool,
}

impl<'a> Iterator for Packets<'a> {
    type Item = Packet<'a>;

    fn next(&mut self) -> Option<Packet<'a>> {
        let header = *self.rest.first_chunk::<4>()?;
        let length = packet_length(header);
        if !is_header(header) || (length > self.rest.len() && !self.may_be_cut) {
            self.rest = &[];
            return None;
        }
        let (bytes, rest) = self.rest.split_at(length.min(self.rest.len()));
        self.rest = rest;
        Some(Packet::new(header, bytes, length))
    }
}
