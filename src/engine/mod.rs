//! The core of one worker: frames in, state and numbers out. No clock, no I/O, no lock, no allocation a media packet.

mod batch;
mod business;
mod clock;
mod hep;
mod limits;
mod numbers;
mod settings;
mod snapshot;
mod suspicious;
mod twice;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::call::{self, Call, Effect, SeenReport, Signalling};
use crate::connections::{self, Carried, Connections};
use crate::media::{self, Arrived, EndpointReports, Media, Problems, StreamReport};
use crate::site::Site;
use crate::time::Timestamp;
use crate::wire::fragments::{Assembly, Fragment, Fragments};
use crate::wire::multiplex::{self, Protocol};
use crate::wire::rtp::{self, Kind};
use crate::wire::sip::{self, Content, Malformed, Method};
use crate::wire::{self, Datagram, Decoded, Endpoint, LinkType, Point, Transport, Undecoded};

pub use crate::media::Share;
pub use batch::{Batch, Rtp};
pub use hep::{FAMILIES as HEP_FAMILIES, HepNumbers, REJECTED as HEP_REJECTED};
pub use numbers::{DROPPED, FAMILIES, InterfaceNumbers};
pub use settings::{Settings, site};
pub use snapshot::Snapshot;

use twice::Twice;

/// How often timers and intervals of quiet streams are looked after.
const TICK: Duration = Duration::from_secs(1);
/// Frames from the past before their clock is believed: a sweep of the tables costs as much as thousands of frames.
const MAX_BEHIND: u32 = 1024;

/// The state that one worker owns alone. Several workers share nothing: a scrape adds up their snapshots.
#[derive(Debug)]
pub struct Engine {
    site: Arc<Site>,
    sip_ports: Box<[bool]>,
    interfaces: Vec<InterfaceNumbers>,
    fragments: Fragments,
    connections: Connections,
    hep: HepNumbers,
    read_hep: bool,
    twice: Twice,
    signalling: Signalling,
    media: Media,
    /// The streams that are followed.
    share: Share,
    /// Whether tables grow no further.
    is_held: bool,
    effects: Vec<Effect>,
    next_tick: Timestamp,
    now: Timestamp,
    /// Frames since the last tick whose time lay before it.
    behind: u32,
    /// How far the wall clock is ahead of the frames' time, nanoseconds.
    set_nanos: i64,
}

impl Engine {
    pub fn new(settings: Settings, site: Arc<Site>) -> Engine {
        let mut sip_ports = vec![false; 1 << 16];
        for range in &settings.sip_ports {
            sip_ports[usize::from(range.first)..=usize::from(range.last)].fill(true);
        }
        Engine {
            signalling: Signalling::new(settings.call, Arc::clone(&site)),
            media: Media::new(settings.media, Arc::clone(&site)),
            site,
            sip_ports: sip_ports.into(),
            interfaces: Vec::new(),
            fragments: Fragments::default(),
            connections: Connections::new(settings.connections),
            hep: HepNumbers::default(),
            read_hep: settings.read_hep,
            share: Share::ALL,
            is_held: false,
            effects: Vec::new(),
            twice: Twice::default(),
            next_tick: Timestamp::default(),
            now: Timestamp::default(),
            behind: 0,
            set_nanos: 0,
        }
    }

    /// Adds a capture interface; its number is what [`Self::frame`] wants.
    pub fn add_interface(&mut self, name: &str) -> usize {
        self.interfaces.push(InterfaceNumbers::new(name.to_owned()));
        self.interfaces.len() - 1
    }

    /// The numbers of an interface that only the capture knows: drops, up or down.
    pub fn interface(&mut self, interface: usize) -> Option<&mut InterfaceNumbers> {
        self.interfaces.get_mut(interface)
    }

    /// Takes a frame as captured; `original_length` is its length on the wire.
    #[inline(always)]
    pub fn frame(&mut self, interface: usize, time: Timestamp, link: LinkType, original_length: u32, frame: &[u8]) {
        if !self.count(interface, time, original_length) {
            return;
        }
        if link == LinkType::ETHERNET
            && let Some((mut datagram, packet)) = wire::plain::rtp(frame)
        {
            datagram.point = datagram.point.on(interface);
            return self.media.rtp(time, &datagram, &packet);
        }
        self.decode(interface, time, link, frame);
    }

    /// Any frame, whatever is in it.
    #[inline(never)]
    fn decode(&mut self, interface: usize, time: Timestamp, link: LinkType, frame: &[u8]) {
        if link == LinkType::ETHERNET
            && let Some(mut datagram) = wire::plain::datagram(frame)
            && rtp::kind(datagram.payload) == Kind::Other
            && sip::looks_like_text(datagram.payload)
        {
            datagram.point = datagram.point.on(interface);
            return self.text(time, &datagram);
        }
        // In place: a copy of a datagram that was just put together costs more than reading it.
        match &mut wire::decode(link, frame) {
            Ok(Decoded::Datagram(datagram)) => {
                datagram.point = datagram.point.on(interface);
                self.datagram(time, datagram);
            }
            Ok(other) => {
                other.captured_on(interface);
                self.other(interface, time, other);
            }
            Err(reason) => self.undecoded(interface, *reason, 1),
        }
    }

    /// The same of an RTP packet that was read elsewhere, on another thread perhaps.
    #[inline]
    pub fn rtp(&mut self, interface: usize, time: Timestamp, original_length: u32, rtp: &Rtp) {
        if self.count(interface, time, original_length) {
            self.media.take(rtp.key, Arrived { now: time, packet: rtp.packet, point: rtp.point });
        }
    }

    /// Counts a frame, and does before what its time makes due. False where there is no such interface.
    #[inline(always)]
    fn count(&mut self, interface: usize, time: Timestamp, original_length: u32) -> bool {
        if time >= self.next_tick {
            self.tick(time);
        } else if time < self.now - TICK {
            self.step_back(time);
        }
        let Some(numbers) = self.interfaces.get_mut(interface) else { return false };
        numbers.packets += 1;
        numbers.bytes += u64::from(original_length);
        numbers.last_packet = time;
        true
    }

    fn undecoded(&mut self, interface: usize, reason: Undecoded, frames: u64) {
        if let Some(numbers) = self.interfaces.get_mut(interface) {
            numbers.undecoded[reason as usize] += frames;
        }
    }

    /// What is no datagram: rare beside media.
    #[cold]
    fn other(&mut self, interface: usize, now: Timestamp, decoded: &Decoded<'_>) {
        match decoded {
            Decoded::Datagram(datagram) => self.datagram(now, datagram),
            Decoded::Fragment(fragment) => self.fragment(interface, now, fragment),
            Decoded::Segment(segment) => {
                let expected = self.is_sip_port(segment.source.port) || self.is_sip_port(segment.destination.port);
                let carried = self.connections.segment(now, segment, expected);
                self.carried(carried);
            }
            Decoded::Sctp(packet) => {
                let expected = self.is_sip_port(packet.source.port) || self.is_sip_port(packet.destination.port);
                let carried = self.connections.packet(now, packet, expected);
                self.carried(carried);
            }
        }
    }

    /// What a connection carried, in its order.
    fn carried(&mut self, carried: Vec<Carried<'_>>) {
        for Carried { time, from, to, content } in carried {
            match content {
                connections::Content::Message { transport, bytes, cut } => {
                    self.message(time, (from, to), transport, &bytes, cut);
                }
                connections::Content::Malformed(reason) => self.signalling.malformed(reason),
            }
        }
    }

    /// Fragments count as decoded until it is clear that their datagram will never be whole.
    fn fragment(&mut self, interface: usize, now: Timestamp, fragment: &Fragment<'_>) {
        match self.fragments.take(now, interface, fragment) {
            Assembly::Waiting => {}
            Assembly::SeenTwice => self.seen_twice(interface, 1),
            Assembly::Refused(frames) => self.undecoded(interface, Undecoded::Fragment, frames),
            Assembly::Whole(segment) => match wire::reassembled(fragment, &segment) {
                Ok(decoded) => self.other(interface, now, &decoded),
                Err(reason) => self.undecoded(interface, reason, 1),
            },
        }
        self.count_lost_fragments();
    }

    fn seen_twice(&mut self, interface: usize, packets: u64) {
        if let Some(numbers) = self.interfaces.get_mut(interface) {
            numbers.seen_twice += packets;
        }
    }

    /// Whether a datagram is the copy of one that was seen at another point of its way; then it is counted as that.
    fn is_copy(&mut self, now: Timestamp, datagram: &Datagram<'_>) -> bool {
        let is_copy = self.twice.is_copy(now, datagram);
        if is_copy {
            self.seen_twice(datagram.point.interface(), 1);
        }
        is_copy
    }

    /// Settles the packets under way, and counts the copies among all that came.
    fn settle_media(&mut self) {
        self.media.settle();
        for (interface, packets) in self.media.take_copies().into_iter().enumerate() {
            self.seen_twice(interface, packets);
        }
    }

    fn count_lost_fragments(&mut self) {
        for (interface, frames) in self.fragments.take_lost() {
            self.undecoded(interface, Undecoded::Fragment, frames);
        }
    }

    #[inline(always)]
    fn datagram(&mut self, now: Timestamp, datagram: &Datagram<'_>) {
        match rtp::kind(datagram.payload) {
            Kind::Rtp => {
                if let Some(packet) = rtp::Packet::parse(datagram.payload, datagram.length) {
                    self.media.rtp(now, datagram, &packet);
                }
            }
            Kind::Rtcp => {
                if self.is_copy(now, datagram) {
                    return;
                }
                // A report speaks of the packets before it.
                self.media.settle();
                self.media.rtcp(now, datagram);
            }
            Kind::Other if sip::looks_like_text(datagram.payload) => self.text(now, datagram),
            Kind::Other => {
                let fax = || self.media.receives_fax(datagram.destination).then_some(Protocol::T38);
                let protocol = multiplex::protocol(datagram.payload, datagram.length).or_else(fax);
                if let Some(protocol) = protocol.filter(|_| !self.is_copy(now, datagram)) {
                    self.media.multiplexed(datagram, protocol);
                }
            }
        }
    }

    /// SIP is taken on its ports whatever it looks like, elsewhere only with a start line that says so.
    fn text(&mut self, now: Timestamp, datagram: &Datagram<'_>) {
        if self.read_hep && wire::hep::is_version_3(datagram.payload) {
            self.captured_hep(now, datagram);
            return;
        }
        let expected = self.is_sip_port(datagram.source.port) || self.is_sip_port(datagram.destination.port);
        if !expected && !sip::has_start_line(datagram.payload) {
            return;
        }
        let mut content = sip::parse(datagram.payload);
        // Of messages the signalling knows which were there before.
        let is_message = matches!(&content, Ok(Content::Message(message)) if message.is_usable());
        if !is_message && self.is_copy(now, datagram) {
            return;
        }
        let cut = datagram.payload.len() < datagram.length;
        let ends = (datagram.source, datagram.destination);
        if !self.content(now, ends, (Transport::Udp, Some(datagram.point)), &mut content, cut) {
            self.seen_twice(datagram.point.interface(), 1);
        }
    }

    fn is_sip_port(&self, port: u16) -> bool {
        self.sip_ports.get(usize::from(port)).copied().unwrap_or(false)
    }

    /// One SIP message from whatever carried it; `cut`: the capture has not all of it.
    fn message(&mut self, now: Timestamp, ends: (Endpoint, Endpoint), transport: Transport, bytes: &[u8], cut: bool) {
        self.content(now, ends, (transport, None), &mut sip::parse(bytes), cut);
    }

    /// False for the copy of a message that was just seen at another point of its way.
    #[inline(always)]
    fn content(
        &mut self,
        now: Timestamp,
        ends: (Endpoint, Endpoint),
        (transport, point): (Transport, Option<Point>),
        // In place: a copy of a message costs as much as a look-up.
        content: &mut Result<Content<'_>, Malformed>,
        cut: bool,
    ) -> bool {
        match content {
            Ok(Content::Message(message)) => {
                // What signalling says of streams holds from here on, not for the packets before it.
                self.media.settle();
                if cut && message.problem == Some(Malformed::ContentLength) {
                    message.problem = None;
                }
                // Media is told of descriptions and ends; it is long since this call's was looked at.
                let concerns_media =
                    !message.body.is_empty() || message.cseq.is_some_and(|(_, method)| method == Method::Bye);
                let media = &self.media;
                let found = |call| {
                    if concerns_media {
                        media.fetch(call);
                    }
                };
                let is_new = self.signalling.message(now, ends, transport, point, message, found);
                self.pass_on(now);
                return is_new;
            }
            Ok(Content::KeepAlive) => {}
            Err(reason) => self.signalling.malformed(*reason),
        }
        true
    }

    /// Hands what the signalling learned to the media side. Both meet only here.
    fn pass_on(&mut self, now: Timestamp) {
        if !self.signalling.has_effects() {
            return;
        }
        // Taken out and put back, so that its memory serves each time.
        let mut effects = std::mem::take(&mut self.effects);
        self.signalling.next_effects(&mut effects);
        for effect in effects.drain(..) {
            match effect {
                Effect::Describe { call, direction, party, sections } => {
                    self.media.describe(now, call, direction, party, &sections);
                }
                Effect::Offered { call } => self.media.offered(call),
                Effect::Settled { call, agreed } => self.media.settled(call, agreed),
                Effect::Answered { call } => self.media.answered(now, call),
                Effect::Joined { leg, call } => self.media.joined(leg, call),
                Effect::Ended { call } => {
                    let mos = self.media.call_ended(now, call);
                    self.signalling.rated(call, mos);
                    self.hear_mute(now);
                }
            }
        }
        self.effects = effects;
    }

    /// A clock that was set back is followed after some frames; where two clocks alternate, the later one leads.
    #[cold]
    fn step_back(&mut self, time: Timestamp) {
        self.behind += 1;
        if self.behind >= MAX_BEHIND {
            self.tick(time);
        }
    }

    /// Does what time makes due. Where no frames come, whoever captures calls it with its clock.
    pub fn tick(&mut self, now: Timestamp) {
        self.settle_media();
        (self.now, self.next_tick, self.behind) = (now, now + TICK, 0);
        self.fragments.expire(now);
        self.twice.tick(now);
        self.count_lost_fragments();
        let carried = self.connections.tick(now);
        self.carried(carried);
        self.signalling.tick(now);
        self.pass_on(now);
        self.media.tick(now);
        for (call, last) in self.media.take_silent() {
            self.signalling.media_lost(call, last);
        }
        self.pass_on(now);
        self.hear_mute(now);
    }

    /// A call that was answered without a voice is signalling's to judge.
    fn hear_mute(&mut self, now: Timestamp) {
        for call in self.media.take_mute() {
            self.signalling.false_answer(now, call);
        }
    }

    /// The capture is over: gives every call and stream that was kept, and settles the numbers.
    pub fn finish(&mut self) -> Analysis {
        let last = self.interfaces.iter().map(|interface| interface.last_packet).max().unwrap_or_default();
        self.settle_media();
        self.fragments.finish();
        self.count_lost_fragments();
        let carried = self.connections.finish(last);
        self.carried(carried);
        let calls = self.signalling.finish(last);
        let last_packets = calls.iter().map(|call| self.media.last_packet(call.serial)).collect();
        self.pass_on(last);
        self.media.finish();
        Analysis {
            calls,
            last_media: last_packets,
            streams: self.media.take_reports(),
            problems: self.media.take_problems().into_iter().collect(),
            endpoint_reports: self.media.take_endpoint_reports(),
            voice_reports: self.signalling.take_voice_reports(),
            interfaces: self.interfaces.clone(),
            signalling: self.signalling.numbers.clone(),
            media: self.media.numbers.clone(),
        }
    }
}

/// Everything that a capture held.
#[derive(Debug)]
pub struct Analysis {
    pub calls: Vec<Call>,
    /// When the last media packet of each call came.
    pub last_media: Vec<Option<Timestamp>>,
    pub streams: Vec<StreamReport>,
    /// What was wrong with the media of calls, by serial.
    pub problems: HashMap<u64, Problems>,
    pub endpoint_reports: EndpointReports,
    /// Voice quality reports (RFC 6035), and how many there was no room for.
    pub voice_reports: (Vec<SeenReport>, u64),
    pub interfaces: Vec<InterfaceNumbers>,
    pub signalling: call::Numbers,
    pub media: media::Numbers,
}
