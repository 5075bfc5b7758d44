//! What the payload types of a stream mean, and what a payload tells beside its speech: DTMF, the codec's mode.

use crate::quality::codec::{CodecId, MediaKind};
use crate::quality::mode;
use crate::wire::rtp::Packet;
use crate::wire::sdp::Format;

use super::Media;
use super::key::Key;
use super::numbers::CellKey;
use super::stream::{NO_PAYLOAD_TYPE, Tells};

/// So many packets in a row are no event and no pause any more: a second of 20 ms.
const MOST_UNEXPLAINED: u8 = 50;

impl Media {
    /// What the payload of a stream's own packet tells.
    #[cold]
    pub(super) fn told(&mut self, at: u32, packet: &Packet) {
        let Some(stream) = self.streams.get(at) else { return };
        match stream.tells {
            Tells::Nothing => {}
            Tells::Events => self.event(at, packet),
            Tells::Modes { octet_aligned } => {
                let (head, length) = packet.head_bytes();
                let codec = stream.codec;
                let mode = mode::carried(
                    codec,
                    octet_aligned,
                    head.get(..length).unwrap_or(&[]),
                    packet.payload_length as usize,
                );
                // Silence has no mode of its own: the speech before it goes on after it.
                if let Some(stream) = self.streams.get_mut(at).filter(|_| mode.is_some()) {
                    stream.mode = mode;
                }
            }
        }
    }

    /// A packet of another payload type than the stream's: one that stands beside the media, or a change of the media.
    #[cold]
    pub(super) fn is_aside(&mut self, at: u32, packet: &Packet) -> bool {
        let Some(stream) = self.streams.get(at) else { return false };
        let aside = packet.payload_type == stream.side_payload_type || self.payload_type_changed(at, packet);
        if aside && self.is_the_media_now(at, packet) {
            return false;
        }
        if aside && self.streams.get(at).is_some_and(|stream| stream.side_is_event) {
            self.event(at, packet);
        }
        aside
    }

    /// A payload type that nobody explained stands beside the media as long as there is media: then it is the media, and its
    /// codec not known.
    fn is_the_media_now(&mut self, at: u32, packet: &Packet) -> bool {
        let Some(key) = self.streams.get(at).filter(|stream| !stream.side_is_event).map(|stream| stream.key) else {
            return false;
        };
        if self.format(&key, packet.payload_type).codec != CodecId::UNKNOWN {
            return false;
        }
        let Some(stream) = self.streams.get_mut(at) else { return false };
        let (run, last) = stream.unexplained;
        let goes_on = packet.sequence.wrapping_sub(last) <= 2;
        stream.unexplained = (if goes_on { run.saturating_add(1) } else { 1 }, packet.sequence);
        if stream.unexplained.0 < MOST_UNEXPLAINED {
            return false;
        }
        (stream.payload_type, stream.side_payload_type) = (packet.payload_type, NO_PAYLOAD_TYPE);
        self.identify(at, packet.payload_type);
        true
    }

    /// Counts a telephone event by one of its packets.
    fn event(&mut self, at: u32, packet: &Packet) {
        let Some(stream) = self.streams.get_mut(at) else { return };
        let (head, length) = packet.head_bytes();
        let code = head.first().copied().filter(|_| length > 0 && !stream.is_encrypted);
        if stream.event(packet.timestamp, code) {
            let direction = self.site.direction(stream.key.source_ip, stream.key.destination_ip);
            self.numbers.sundry.count_dtmf(direction);
        }
    }

    /// A stream of unknown codec whose packets are all telephone events (nobody announced them) tells digits.
    pub(super) fn may_be_events(&mut self, at: u32, mut packets: impl Iterator<Item = Packet>) {
        if let Some(stream) = self.streams.get_mut(at)
            && stream.codec == CodecId::UNKNOWN
            && packets.all(|packet| looks_like_event(&packet))
        {
            stream.tells = Tells::Events;
        }
    }

    /// What a payload type means in a stream: by the receiver's SDP, by the sender's, by RFC 3551.
    pub(super) fn format(&self, key: &Key, payload_type: u8) -> Format {
        let told = [key.destination(), key.source()].into_iter().find_map(|at| {
            let formats = &self.bindings.endpoint(at)?.formats;
            formats.iter().find(|f| f.payload_type == payload_type && f.clock_rate != 0)
        });
        told.copied().unwrap_or_else(|| Format::of_static(payload_type))
    }

    #[cold]
    fn payload_type_changed(&mut self, at: u32, packet: &Packet) -> bool {
        let payload_type = packet.payload_type;
        let Some(stream) = self.streams.get(at) else { return false };
        let codec = self.format(&stream.key, payload_type).codec;
        let known = stream.codec != CodecId::UNKNOWN && !is_aside(stream.codec);
        if known && codec.name() == "red" {
            // The media itself, and what it repeats (RFC 2198).
            return false;
        }
        let aside = known && (is_aside(codec) || is_repair(codec) || codec == CodecId::UNKNOWN);
        let Some(stream) = self.streams.get_mut(at) else { return false };
        if aside {
            // Events, comfort noise and repair come and go between the media packets; the stream stays what it is.
            stream.side_payload_type = payload_type;
            stream.side_is_event =
                codec.media() == MediaKind::Event || codec == CodecId::UNKNOWN && looks_like_event(packet);
            return true;
        }
        stream.payload_type = payload_type;
        self.identify(at, payload_type);
        false
    }

    /// Sets codec, clock and the labels that follow from them.
    pub(super) fn identify(&mut self, at: u32, payload_type: u8) {
        let Some(stream) = self.streams.get(at) else { return };
        let Format { codec, clock_rate, encrypted, octet_aligned, .. } = self.format(&stream.key, payload_type);
        let (direction, peer) = self.site.place(stream.key.source_ip, stream.key.destination_ip);
        let cell = self.numbers.cell(CellKey { codec, direction, peer });
        let Some(stream) = self.streams.get_mut(at) else { return };
        if stream.is_counted {
            let old = &mut self.numbers.cells[stream.cell as usize];
            old.active = old.active.saturating_sub(1);
        }
        stream.is_counted = true;
        stream.mode = stream.mode.filter(|_| stream.codec == codec);
        stream.cell = cell;
        stream.set_format(codec, clock_rate);
        stream.is_encrypted = encrypted;
        stream.tells = match codec.media() {
            MediaKind::Event => Tells::Events,
            _ if codec.has_modes() && !encrypted => Tells::Modes { octet_aligned },
            _ => Tells::Nothing,
        };
        let played = clock_rate != 0 && (codec.media() == MediaKind::Audio || codec == CodecId::OTHER);
        if played && !stream.is_played {
            stream.playout.begin(stream.last_arrival.nanos());
        }
        stream.is_played = played;
        self.numbers.cells[cell as usize].active += 1;
    }
}

/// Telephone events and comfort noise: packets between those of the media itself.
fn is_aside(codec: CodecId) -> bool {
    matches!(codec.media(), MediaKind::Event | MediaKind::ComfortNoise)
}

/// Packets that mend the stream whose SSRC they may share: RFC 4588, RFC 5109, RFC 8627.
fn is_repair(codec: CodecId) -> bool {
    matches!(codec.name(), "rtx" | "ulpfec" | "flexfec")
}

/// RFC 4733 section 2.3: four bytes, of which the first is a digit and the second has a bit that is always zero.
fn looks_like_event(packet: &Packet) -> bool {
    let [code, flags, ..] = packet.head.to_be_bytes();
    packet.payload_type >= 96 && packet.payload_length == 4 && code < 16 && flags & 0x40 == 0
}
