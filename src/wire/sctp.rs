//! SCTP packets (RFC 9260 section 3): the common header, and the chunks that carry data.

use super::{Endpoint, Ip, Point, Undecoded, be16, be32};

const HEADER: usize = 12;
const CHUNK_HEADER: usize = 4;
// Chunk types: DATA (RFC 9260 section 3.3.1), I-DATA (RFC 8260 section 2.1).
const DATA: u8 = 0;
const DATA_HEADER: usize = 16;
const I_DATA: u8 = 64;
const I_DATA_HEADER: usize = 20;

/// One SCTP packet, borrowed from its frame.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    pub source: Endpoint,
    pub destination: Endpoint,
    pub verification_tag: u32,
    /// What was captured of the chunks.
    pub chunks: &'a [u8],
    /// Where it was seen.
    pub point: Point,
}

/// A piece of a user message, or all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Data<'a> {
    /// Transmission sequence number: one a chunk, whatever its stream.
    pub tsn: u32,
    /// The first piece of its message, the last; both where there is only one (the B and E flags).
    pub is_first: bool,
    pub is_last: bool,
    /// Pieces of one message have the same.
    pub message: MessageId,
    /// Pieces of one message are numbered one by one in this.
    pub piece: u32,
    /// What was captured.
    pub payload: &'a [u8],
    /// Length on the wire; more than `payload.len()` where the capture cut the packet.
    pub length: usize,
}

/// What the pieces of a message have in common: stream, order, and the message's number where that identifies it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageId {
    stream: u16,
    is_unordered: bool,
    /// Of I-DATA the message identifier; of DATA the stream sequence number, which unordered messages have not.
    number: Option<u32>,
    is_interleaved: bool,
}

impl<'a> Packet<'a> {
    ///  0                   1                   2                   3
    /// |          Source Port          |       Destination Port        |
    /// |                      Verification Tag                         |
    /// |                           Checksum                            |
    pub(super) fn parse(
        bytes: &'a [u8],
        (source, destination): (Ip, Ip),
        point: Point,
    ) -> Result<Packet<'a>, Undecoded> {
        let Some(header) = bytes.first_chunk::<HEADER>() else { return Err(Undecoded::Truncated) };
        let port = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
        if port(0) == 0 || port(2) == 0 {
            return Err(Undecoded::SctpHeader);
        }
        Ok(Packet {
            source: Endpoint { ip: source, port: port(0) },
            destination: Endpoint { ip: destination, port: port(2) },
            verification_tag: u32::from_be_bytes([header[4], header[5], header[6], header[7]]),
            chunks: &bytes[HEADER..],
            point,
        })
    }

    /// The chunks that carry data; other chunks are passed over, a length that cannot be ends the packet.
    pub fn data(&self) -> impl Iterator<Item = Data<'a>> + use<'a> {
        let mut rest = self.chunks;
        std::iter::from_fn(move || {
            loop {
                let (kind, flags) = (*rest.first()?, *rest.get(1)?);
                let length = usize::from(be16(rest, 2)?);
                if length < CHUNK_HEADER {
                    return None;
                }
                let chunk = &rest[..length.min(rest.len())];
                // Chunks are padded to four bytes; the padding is not in the length (RFC 9260 section 3.2).
                rest = rest.get(length.next_multiple_of(4)..).unwrap_or(&[]);
                let data = match kind {
                    DATA => Data::parse(flags, chunk, length),
                    I_DATA => Data::parse_interleaved(flags, chunk, length),
                    _ => None,
                };
                if data.is_some() {
                    return data;
                }
            }
        })
    }
}

impl<'a> Data<'a> {
    /// |   Type = 0    |  Res  |I|U|B|E|            Length             |
    /// |                              TSN                              |
    /// |      Stream Identifier        |    Stream Sequence Number     |
    /// |                  Payload Protocol Identifier                  |
    fn parse(flags: u8, chunk: &'a [u8], length: usize) -> Option<Data<'a>> {
        // A DATA chunk without data is a protocol violation (RFC 9260 section 3.3.1).
        let payload = chunk.get(DATA_HEADER..).filter(|_| length > DATA_HEADER)?;
        let tsn = be32(chunk, 4)?;
        let is_unordered = flags & 4 != 0;
        let number = (!is_unordered).then_some(u32::from(be16(chunk, 10)?));
        Some(Data {
            tsn,
            is_first: flags & 2 != 0,
            is_last: flags & 1 != 0,
            message: MessageId { stream: be16(chunk, 8)?, is_unordered, number, is_interleaved: false },
            piece: tsn,
            payload,
            length: length - DATA_HEADER,
        })
    }

    /// |   Type = 64   |  Res  |I|U|B|E|            Length             |
    /// |                              TSN                              |
    /// |      Stream Identifier        |           Reserved            |
    /// |                      Message Identifier                       |
    /// |    Payload Protocol Identifier / Fragment Sequence Number     |
    fn parse_interleaved(flags: u8, chunk: &'a [u8], length: usize) -> Option<Data<'a>> {
        let payload = chunk.get(I_DATA_HEADER..).filter(|_| length > I_DATA_HEADER)?;
        let is_first = flags & 2 != 0;
        let message = MessageId {
            stream: be16(chunk, 8)?,
            is_unordered: flags & 4 != 0,
            number: Some(be32(chunk, 12)?),
            is_interleaved: true,
        };
        Some(Data {
            tsn: be32(chunk, 4)?,
            is_first,
            is_last: flags & 1 != 0,
            message,
            // The first piece has the protocol identifier in that place, and the number 0.
            piece: if is_first { 0 } else { be32(chunk, 16)? },
            payload,
            length: length - I_DATA_HEADER,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(chunks: &[u8]) -> Packet<'_> {
        let end = Endpoint { ip: Ip::v4([1; 4]), port: 5060 };
        Packet { source: end, destination: end, verification_tag: 7, chunks, point: Point::default() }
    }

    fn chunk(kind: u8, flags: u8, length: u16, rest: &[u8]) -> Vec<u8> {
        [&[kind, flags][..], &length.to_be_bytes(), rest].concat()
    }

    const IDS: [u8; 12] = [0, 0, 0, 9, 0, 3, 0, 4, 0, 0, 0, 0];

    #[test]
    fn data_is_found_between_other_chunks_and_padding() {
        let bundle = [
            chunk(3, 0, 16, &[0; 12]),
            chunk(0, 3, 17, &[&IDS[..], b"a", &[0; 3]].concat()),
            chunk(0x81, 0, 5, &[1, 0, 0, 0]),
            chunk(0, 6, 18, &[&IDS[..], b"bc"].concat()),
        ]
        .concat();
        let found: Vec<_> = packet(&bundle).data().map(|data| (data.payload, data.is_first, data.is_last)).collect();
        assert_eq!(found, [(&b"a"[..], true, true), (b"bc", true, false)]);
    }

    #[test]
    fn interleaved_data_is_numbered_within_its_message() {
        let ids = [0, 0, 0, 9, 0, 3, 0, 0, 0, 0, 0, 5, 0, 0, 0, 46];
        let bundle = [chunk(64, 2, 21, &[&ids[..], b"a\0\0\0"].concat()), chunk(64, 1, 21, &[&ids[..], b"b"].concat())];
        let found: Vec<_> = bundle.iter().flat_map(|chunk| packet(chunk).data()).collect();
        assert_eq!((found[0].piece, found[1].piece), (0, 46));
        assert_eq!(found[0].message, found[1].message);
    }

    #[test]
    fn lengths_that_cannot_be_end_the_packet() {
        for broken in [
            chunk(0, 3, 0, &IDS),
            chunk(0, 3, 3, &IDS),
            chunk(0, 3, 16, &IDS),
            chunk(0, 3, 15, &IDS[..11]),
            chunk(64, 3, 20, &[0; 16]),
            vec![0, 3, 0],
        ] {
            assert_eq!(packet(&broken).data().next(), None, "{broken:?}");
        }
        // The capture has ten bytes less than the chunk.
        let cut = chunk(0, 3, 30, &[&IDS[..], b"half"].concat());
        let data = packet(&cut).data().next().map(|data| (data.payload, data.length));
        assert_eq!(data, Some((&b"half"[..], 14)));
    }
}
