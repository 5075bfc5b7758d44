//! Packets that a mirror sends in HEP: the same way as captured ones, from where they are unpacked.

use std::time::Duration;

use crate::numbers::{Collection, Family, Value, fixed};
use crate::time::Timestamp;
use crate::wire::hep::{self, Content, Mirrored, Packet, Refused, Version};
use crate::wire::sip;
use crate::wire::{Datagram, Endpoint, Point};

use super::Engine;

/// A mirror whose clock is farther from ours than this, either way, has a wrong one, or kept its packets back.
const MAX_SKEW: Duration = Duration::from_secs(5);

static PACKETS: Family = Family::counter(
    "hep_packets_total",
    "",
    &["version", "content"],
    "HEP packets taken, by what they mirror; of log lines and other content nothing else is read.",
);
pub static REJECTED: Family = Family::counter(
    "hep_rejected_packets_total",
    "",
    &["reason"],
    "HEP packets not taken: from whom they may not come (not_allowed, authentication), or not to be read (the other reasons).",
);
static SKEWED: Family = Family::counter(
    "hep_skewed_packets_total",
    "",
    &[],
    "HEP packets taken at their time of arrival, as the mirror's time was more than 5 s away from it.",
);
/// The families of this file, in the order of the catalogue.
pub static FAMILIES: &[&Family] = &[&PACKETS, &REJECTED, &SKEWED];

/// What is counted of HEP.
#[derive(Clone, Debug, Default)]
pub struct HepNumbers {
    packets: [[u64; Content::ALL.len()]; Version::ALL.len()],
    /// Those of captured datagrams; a listener counts its own.
    rejected: [u64; Refused::ALL.len()],
    skewed: u64,
}

impl HepNumbers {
    pub fn collect(&self, out: &mut Collection) {
        for family in FAMILIES {
            out.declare(family);
        }
        for (version, contents) in Version::ALL.into_iter().zip(self.packets) {
            for (content, count) in Content::ALL.into_iter().zip(contents) {
                out.add(&PACKETS, vec![fixed(version.name()), fixed(content.name())], Value::Counter(count));
            }
        }
        for (reason, count) in Refused::ALL.into_iter().zip(self.rejected) {
            out.add(&REJECTED, vec![fixed(reason.reason())], Value::Counter(count));
        }
        out.add(&SKEWED, Vec::new(), Value::Counter(self.skewed));
    }
}

impl Engine {
    /// Takes a packet that a listener received at `arrival` from a mirror; `interface` is the listener's number.
    pub fn mirrored(&mut self, interface: usize, arrival: Timestamp, packet: &Mirrored<'_>) {
        // The clock goes by arrival: a mirror's own clock must not age anybody's entries.
        if arrival >= self.next_tick {
            self.tick(arrival);
        }
        let Some(numbers) = self.interfaces.get_mut(interface) else { return };
        numbers.packets += 1;
        numbers.bytes += packet.packet_length as u64;
        numbers.last_packet = arrival;
        self.unpacked(arrival, packet);
    }

    /// HEP in a captured datagram: the traffic of a mirror, recorded.
    #[cold]
    pub(super) fn captured_hep(&mut self, arrival: Timestamp, datagram: &Datagram<'_>) {
        match Packet::parse(datagram.payload).and_then(|packet| packet.open()) {
            Ok(packet) => self.unpacked(arrival, &packet),
            Err(reason) => self.hep.rejected[reason as usize] += 1,
        }
    }

    fn unpacked(&mut self, arrival: Timestamp, packet: &Mirrored<'_>) {
        self.hep.packets[packet.version as usize][packet.content as usize] += 1;
        let now = self.time_of(arrival, packet.time);
        let Some((from, to)) = packet.ends else { return };
        match packet.content {
            Content::Sip => self.mirrored_message(now, (from, to), packet),
            Content::Rtcp | Content::RtcpJson => {
                let (payload, length) = (&*packet.payload, packet.length);
                // A report speaks of the packets before it.
                self.media.settle();
                self.media
                    .rtcp(now, &Datagram { source: from, destination: to, payload, length, point: Point::default() });
            }
            Content::VoiceReport => self.signalling.voice_report(now, (from, to), &packet.payload),
            Content::Log | Content::Other => {}
        }
    }

    /// Where the mirror's clock is about right, its time is nearer to what happened than the arrival here.
    fn time_of(&mut self, arrival: Timestamp, told: Option<Timestamp>) -> Timestamp {
        match told.map(|told| told.moved(self.set_nanos.saturating_neg())) {
            Some(told) if told > arrival + MAX_SKEW || told < arrival - MAX_SKEW => {
                self.hep.skewed += 1;
                arrival
            }
            Some(told) => told,
            None => arrival,
        }
    }

    /// A message that is captured on the wire as well comes here a second time.
    fn mirrored_message(&mut self, now: Timestamp, ends: (Endpoint, Endpoint), packet: &Mirrored<'_>) {
        let via = match sip::parse(&packet.payload) {
            Ok(sip::Content::Message(message)) => message.via,
            _ => &[],
        };
        let transport = hep::transport(packet.ip_protocol, via);
        let cut = packet.payload.len() < packet.length;
        self.message(now, ends, transport, &packet.payload, cut);
    }
}
