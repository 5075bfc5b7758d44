//! All parsers of what comes from the network; what they give has to lie within what they got. The fuzz targets use them too.

use sidetone::wire::rtcp::{Compound, Form};
use sidetone::wire::sip::{self, Content};
use sidetone::wire::{Decoded, LinkType, decode, hep, rtp, sdp};

/// What `wire::sdp` keeps of a description, which bounds what a description can cost.
const MAX_MEDIA: usize = 16;
const MAX_FORMATS: usize = 32;

/// All parsers of payloads; what they give has to lie within what they got.
pub fn all(payload: &[u8]) {
    sip(payload);
    sdp(payload);
    rtp(payload);
    rtcp(payload);
    hep(payload);
}

pub fn sip(payload: &[u8]) {
    sip::looks_like_text(payload);
    sip::has_start_line(payload);
    if let Ok(Content::Message(message)) = sip::parse(payload) {
        let values = [message.from, message.to, message.via, message.contact];
        for value in values {
            for name in [&b"tag"[..], b"branch", b"expires", b"nothing"].map(sip::Name::new) {
                assert!(sip::parameter(value, name).is_none_or(|found| found.len() < value.len()));
            }
            let uri = sip::uri_of(value);
            assert!(sip::user_of(uri).len() <= uri.len() && sip::host_of(uri).len() <= uri.len());
        }
        assert!(message.call_id.len() <= sip::MAX_CALL_ID);
        assert!(message.body.len() < payload.len());
        if let Some(description) = sdp::find(message.content_type, message.body) {
            sdp(description);
        }
    }
}

pub fn rtp(payload: &[u8]) {
    rtp::kind(payload);
    for length in [payload.len(), payload.len() + 1, payload.len() + 60_000] {
        if let Some(packet) = rtp::Packet::parse(payload, length) {
            assert!(packet.payload_length as usize + 12 <= length);
        }
    }
}

/// As a datagram and as the beginning of a stream.
pub fn hep(payload: &[u8]) {
    if let Ok(Some(length)) = hep::stream_length(payload) {
        assert!((6..=hep::MAX_LENGTH).contains(&length));
    }
    let Ok(packet) = hep::Packet::parse(payload) else { return };
    if let Ok(open) = packet.open() {
        assert!(open.payload.len() <= hep::MAX_PAYLOAD.max(payload.len()));
        assert!(open.payload.len() <= open.length);
        if open.content == hep::Content::RtcpJson {
            assert_eq!(Compound::read(&open.payload, open.payload.len()).map(|read| read.form), Some(Form::Plain));
            rtcp(&open.payload);
        }
    }
}

/// Walks everything that a datagram holds, as if it were whole and as if the capture had cut it.
pub fn rtcp(payload: &[u8]) {
    for length in [payload.len(), payload.len() + 4, payload.len() + 60_000] {
        let Some(compound) = Compound::read(payload, length) else { continue };
        let packets: Vec<_> = compound.packets().collect();
        assert!(packets.len() <= payload.len() / 4);
        assert!(compound.form != Form::Plain || !packets.is_empty());
        for packet in packets {
            packet.sender();
            packet.sender_info();
            packet.problem();
            assert!(packet.report_blocks().count() <= 31);
            assert!(packet.feedback().is_none_or(|feedback| feedback.nacked() <= 17 * payload.len() as u64 / 4));
            for block in packet.xr_blocks() {
                assert!(block.delays().count() <= payload.len() / 12);
                let ratio = |value: f64| (0.0..1.0).contains(&value);
                let known = block.voip_metrics();
                assert!(known.is_none_or(|said| ratio(said.loss_ratio) && said.mos_cq.is_none_or(|mos| mos <= 5.0)));
                block.summary();
                block.reference_time();
            }
        }
    }
}

pub fn sdp(description: &[u8]) {
    let media = sdp::parse(description);
    assert!(media.len() <= MAX_MEDIA && media.iter().all(|media| media.formats.len() <= MAX_FORMATS));
    // What others of the kind were read before changes nothing.
    let mut seen = sdp::Seen::new();
    let others = || description.split(|b| *b == 0).chain([description]);
    assert!(others().chain(others()).all(|one| seen.parse(one) == sdp::parse(one)));
}

pub fn frame(link: LinkType, frame: &[u8]) {
    if let Some(datagram) = decode(link, frame).ok().and_then(Decoded::datagram) {
        assert!(datagram.payload.len() <= datagram.length && datagram.payload.len() < frame.len());
        all(datagram.payload);
    }
}
