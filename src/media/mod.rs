//! RTP streams: found, measured, bound to calls. Knows time only from its arguments, and does no I/O.

mod batch;
mod binding;
mod candidates;
mod delay;
mod home;
mod interval;
mod key;
mod numbers;
mod pattern;
mod payload;
mod playout;
mod problems;
mod relay;
mod report;
mod reports;
mod round_trips;
mod rtcp_numbers;
mod sequence;
mod sessions;
mod share;
mod slots;
mod stream;
mod sundry;
mod table;

use std::collections::VecDeque;
use std::sync::Arc;

use crate::agenda::Agenda;
use crate::site::Site;
use crate::time::Timestamp;
use crate::wire::multiplex::Protocol;
use crate::wire::{Datagram, Endpoint, Point};

use batch::Waiting;
use binding::Bindings;
use candidates::Candidates;
use delay::Delay;
use playout::Role;
use relay::Relays;
use round_trips::Reports;
use sequence::{Arrival, Settled};
use slots::Slots;
use stream::{Stream, Tells};
use table::Table;

pub use candidates::Arrived;
pub use key::Key;
pub use numbers::{FAIR_MOS, FAMILIES, GOOD_MOS, Numbers};
pub use numbers::{JITTER_BOUNDS, LOSS_BOUNDS, MOS_BOUNDS, ROUND_TRIP_BOUNDS};
pub use pattern::{BurstGap, GMIN, Pattern};
pub use playout::{Buffer, Settings as PlayoutSettings};
pub use problems::{Problem, Problems};
pub use relay::RelayReport;
pub use report::StreamReport;
pub use reports::{EndpointReports, ExtendedReport};
pub use round_trips::{RoundTrip, RoundTrips};
pub use rtcp_numbers::FAMILIES as RTCP_FAMILIES;
pub use share::Share;
pub use sundry::FAMILIES as SUNDRY_FAMILIES;

/// After a call's end its last packets may still be on the way; a stream that is silent for so long has ended with it.
const LINGER_NANOS: i64 = 2_000_000_000;
/// A candidate that is silent for so long is forgotten.
const CANDIDATE_NANOS: i64 = 5_000_000_000;

/// So many calls ahead the memory of the next one is asked for.
const AHEAD: usize = 8;

/// What the configuration says of media.
#[derive(Clone, Debug)]
pub struct Settings {
    pub interval_nanos: i64,
    pub idle_nanos: i64,
    pub max_streams: usize,
    pub max_candidates: usize,
    /// Label sets of one family of metrics.
    pub max_series: usize,
    pub assumed_delay_seconds: f64,
    pub playout: PlayoutSettings,
    pub late_media_nanos: i64,
    pub media_timeout_nanos: i64,
    /// A conversation whose media is missing for so long is over.
    pub media_silence_nanos: i64,
    pub packet_loss_concealment: bool,
    /// Keep a report of every stream that ended (`analyze`); off where nobody takes them away.
    pub keep_reports: bool,
}

/// All media state of one worker.
#[derive(Debug)]
pub struct Media {
    settings: Settings,
    site: Arc<Site>,
    streams: Table,
    /// Packets under way.
    batch: Vec<Waiting>,
    candidates: Candidates,
    bindings: Bindings,
    agenda: Agenda,
    /// Calls that ended, in that order.
    ended: VecDeque<(Timestamp, u64)>,
    /// Conversations that their silence has ended.
    silent: Vec<(u64, Timestamp)>,
    relays: Relays,
    /// Streams without a call, by the endpoints that a later SDP may announce.
    unbound: Slots,
    pub numbers: Numbers,
    pub evicted_streams: u64,
    /// Packets that were seen before at another point of their way, by capture interface.
    copies: Vec<u64>,
    reports: Vec<StreamReport>,
    sender_reports: Reports,
    /// Until when not all streams were followed.
    partial_until: Timestamp,
    /// Answered calls of which nothing is to be heard; for signalling to fetch.
    mute: Vec<u64>,
    /// Of calls that are over.
    problems: Vec<(u64, Problems)>,
    endpoint_reports: EndpointReports,
}

impl Media {
    pub fn new(settings: Settings, site: Arc<Site>) -> Media {
        Media {
            numbers: Numbers::new(settings.max_series),
            streams: Table::new(settings.max_streams),
            batch: Vec::with_capacity(batch::UNDER_WAY),
            candidates: Candidates::new(settings.max_candidates),
            sender_reports: Reports::new(settings.max_streams),
            partial_until: Timestamp::MIN,
            mute: Vec::new(),
            problems: Vec::new(),
            endpoint_reports: EndpointReports::default(),
            settings,
            site,
            bindings: Bindings::default(),
            agenda: Agenda::default(),
            ended: VecDeque::new(),
            silent: Vec::new(),
            relays: Relays::default(),
            unbound: Slots::default(),
            evicted_streams: 0,
            copies: Vec::new(),
            reports: Vec::new(),
        }
    }

    /// Counts a further packet of a known stream.
    #[inline(always)]
    fn packet(&mut self, at: u32, arrived: &Arrived) {
        let Arrived { now, ref packet, point } = *arrived;
        let Some(mut stream) = self.streams.get_mut(at) else { return };
        let mut role = Role::Media { marker: packet.marker };
        if point != stream.usual || now >= stream.interval_end || packet.payload_type != stream.payload_type {
            let Some(looked_at) = self.look_at(at, arrived) else { return };
            role = looked_at;
            let Some(again) = self.streams.get_mut(at) else { return };
            stream = again;
        }
        let Some(cell) = self.numbers.cells.get_mut(stream.cell as usize) else { return };
        cell.packets += 1;
        cell.payload_bytes += u64::from(packet.payload_length);
        let (settled, burst) = (&mut cell.settled, &mut cell.burst);
        let playout = &self.settings.playout;
        let (arrival, discarded) =
            stream.update(now, packet, role, playout, settled, &mut |run| burst.observe(run as f64));
        cell.discarded += u64::from(discarded);
        match arrival {
            Arrival::InOrder => {}
            Arrival::Duplicate => cell.duplicated += 1,
            Arrival::Reordered => cell.reordered += 1,
            Arrival::Stray | Arrival::Restart => {}
        }
        let tells = stream.tells != Tells::Nothing && packet.payload_type == stream.payload_type;
        if stream.may_be_relayed {
            self.relay(now, at, packet, arrival, role == Role::Aside);
        }
        if tells {
            self.told(at, packet);
        }
    }

    /// What a packet is that is not quite like those before it: of a new interval, from elsewhere, of another payload type.
    /// `None` for a copy of one that was seen.
    #[cold]
    fn look_at(&mut self, at: u32, arrived: &Arrived) -> Option<Role> {
        let Arrived { now, ref packet, point } = *arrived;
        let stream = self.streams.get_mut(at)?;
        if point != stream.usual && stream.is_copy(point, packet.sequence) {
            self.count_copy(point);
            return None;
        }
        if now >= stream.interval_end {
            close_interval(stream, now, &self.settings, &mut self.numbers);
        }
        let is_aside = packet.payload_type != stream.payload_type && self.is_aside(at, packet);
        Some(if is_aside { Role::Aside } else { Role::Media { marker: packet.marker } })
    }

    /// A datagram on a media port that is neither RTP nor RTCP.
    pub fn multiplexed(&mut self, datagram: &Datagram<'_>, protocol: Protocol) {
        let direction = self.site.direction(datagram.source.ip, datagram.destination.ip);
        self.numbers.sundry.count_multiplexed(protocol, direction);
    }

    /// Whether SDP announced T.38 at this endpoint.
    pub fn receives_fax(&self, at: Endpoint) -> bool {
        self.bindings.receives_fax(at)
    }

    /// How many copies of packets that were seen before each capture interface saw since the last call of this.
    pub fn take_copies(&mut self) -> Vec<u64> {
        std::mem::take(&mut self.copies)
    }

    fn count_copy(&mut self, point: Point) {
        let interface = point.interface();
        if self.copies.len() <= interface {
            self.copies.resize(interface + 1, 0);
        }
        self.copies[interface] += 1;
    }

    /// A packet of no known stream: SDP announced it, or it must convince first.
    #[cold]
    fn unknown(&mut self, key: Key, arrived: Arrived) {
        if self.announced(&key, arrived.packet.payload_type).is_some() {
            let mut packets = self.candidates.take(&key);
            packets.push(arrived);
            self.start(key, &packets);
        } else if let Some(packets) = self.candidates.offer(key, arrived) {
            self.start(key, &packets);
        }
    }

    /// Begins a stream with its first packets.
    fn start(&mut self, key: Key, packets: &[Arrived]) {
        let Some((begin, rest)) = packets.split_first() else { return };
        if self.streams.is_full()
            && let Some(at) = self.streams.pick_for_eviction()
        {
            self.evicted_streams += 1;
            self.end(at);
        }
        let Arrived { now, packet: first, .. } = *begin;
        let interval_end = now.moved(self.settings.interval_nanos);
        let at = self.streams.insert(Stream::new(key, *begin, interval_end, &self.settings.playout));
        self.bind(at, self.call_of(&key).unwrap_or(0));
        self.identify(at, first.payload_type);
        self.begin_relaying(at);
        let Some(stream) = self.streams.get_mut(at) else { return };
        stream.round_trips.to_source.is_here = self.site.is_local(key.source_ip);
        stream.round_trips.to_destination.is_here = self.site.is_local(key.destination_ip);
        let cell = &mut self.numbers.cells[stream.cell as usize];
        cell.started += 1;
        cell.packets += 1;
        cell.payload_bytes += u64::from(first.payload_length);
        cell.encrypted += u64::from(stream.is_encrypted);
        self.may_be_events(at, packets.iter().map(|arrived| arrived.packet));
        if self.streams.get(at).is_some_and(|stream| stream.tells != Tells::Nothing) {
            self.told(at, &first);
        }
        self.relay(now, at, &first, Arrival::InOrder, false);
        for arrived in rest {
            self.packet(at, arrived);
        }
    }

    /// Closes what time has closed: intervals, idle streams, calls that ended. Called about once a second.
    pub fn tick(&mut self, now: Timestamp) {
        for at in 0..self.streams.slots() {
            let Some(stream) = self.streams.get_mut(at) else { continue };
            if now >= stream.interval_end {
                close_interval(stream, now, &self.settings, &mut self.numbers);
            }
            let idle = now.nanos_since(stream.last_arrival);
            let ended = match self.bindings.call(stream.call) {
                // While the call lives, its stream may be on hold.
                Some(call) => call.ended.is_some() && idle > LINGER_NANOS,
                None => idle > self.settings.idle_nanos,
            };
            if ended {
                self.end(at);
            }
        }
        self.look_for_problems(now);
        self.sender_reports.expire(now);
        self.candidates.expire(now.moved(-CANDIDATE_NANOS));
        let lingered = now.moved(-LINGER_NANOS);
        while let Some((_, call)) = self.ended.pop_front_if(|(at, _)| *at < lingered) {
            if let Some((_, later)) = self.ended.get(AHEAD) {
                self.bindings.fetch(*later);
            }
            match self.bindings.call(call).filter(|known| known.ended.is_some()) {
                Some(known) if known.streams.is_empty() => self.bindings.remove(call),
                Some(_) => self.ended.push_back((now, call)),
                None => {}
            }
        }
    }

    /// Ends a stream: what is left of it is counted, and its report kept where somebody wants it.
    fn end(&mut self, at: u32) {
        let relay = self.end_relaying(at);
        let Some(mut stream) = self.streams.remove(at) else { return };
        let Some(cell) = self.numbers.cells.get_mut(stream.cell as usize) else { return };
        let (settled, burst) = (&mut cell.settled, &mut cell.burst);
        stream.sequence.close(settled, &mut |run| burst.observe(run as f64));
        cell.active = cell.active.saturating_sub(1);
        let now = stream.last_arrival;
        close_interval(&mut stream, now, &self.settings, &mut self.numbers);
        let report = StreamReport { relay, ..StreamReport::new(&stream, &self.settings) };
        if let Some(known) = self.bindings.call_mut(stream.call) {
            known.streams.retain(|other| *other != at);
            if let Some(party) = stream.toward.filter(|_| !stream.is_video) {
                known.sides.of(party).hear(stream.first_arrival, stream.last_arrival);
            }
            known.worst_mos = min_mos(known.worst_mos, report.rating.map(|rating| rating.mos));
        } else {
            self.forget_unbound(&stream.key, at);
        }
        if self.settings.keep_reports {
            self.reports.push(report);
        }
    }

    /// From now on only some streams are followed, or all again: ends those that are none of them.
    pub fn follow(&mut self, now: Timestamp, share: Share) {
        self.settle();
        for at in 0..self.streams.slots() {
            if self.streams.get(at).is_some_and(|stream| !share.has(&stream.key)) {
                self.end(at);
            }
        }
        self.partial_until = if share == Share::ALL { now } else { Timestamp::MAX };
    }

    /// The capture is over: ends every stream.
    pub fn finish(&mut self) {
        self.settle();
        for at in 0..self.streams.slots() {
            self.end(at);
        }
        for call in self.bindings.calls() {
            self.bindings.remove(call);
        }
    }

    /// The problems of the calls that ended since the last call of this.
    pub fn take_problems(&mut self) -> Vec<(u64, Problems)> {
        std::mem::take(&mut self.problems)
    }

    /// The answered calls that were found to have no media since the last call of this.
    pub fn take_mute(&mut self) -> Vec<u64> {
        std::mem::take(&mut self.mute)
    }

    /// Reports of the streams that ended since the last call.
    pub fn take_reports(&mut self) -> Vec<StreamReport> {
        std::mem::take(&mut self.reports)
    }

    /// Lets tables grow no further, while memory is short.
    pub fn hold(&mut self, on: bool) {
        self.streams.hold(on);
        self.candidates.hold(on);
    }

    /// Entries in each table, for `sidetone_tracked_entries`.
    pub fn tracked(&self) -> [(&'static str, usize); 4] {
        [
            ("streams", self.streams.len()),
            ("stream_candidates", self.candidates.len()),
            ("relay_links", self.relays.len()),
            ("sender_reports", self.sender_reports.len()),
        ]
    }

    /// Entries that gave way at the cap of each table.
    pub fn evicted(&self) -> [(&'static str, u64); 3] {
        [
            ("streams", self.evicted_streams),
            ("stream_candidates", self.candidates.evicted),
            ("sender_reports", self.sender_reports.evicted()),
        ]
    }
}

/// MOS over the life of a stream that goes on, up to its last packet.
fn lifetime_mos(stream: &Stream, settings: &Settings) -> Option<f64> {
    let mut whole = stream.clone();
    whole.sequence.close(&mut Settled::default(), &mut |_| {});
    StreamReport::new(&whole, settings).rating.map(|rating| rating.mos)
}

fn min_mos(a: Option<f64>, b: Option<f64>) -> Option<f64> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (one, other) => one.or(other),
    }
}

fn close_interval(stream: &mut Stream, now: Timestamp, settings: &Settings, numbers: &mut Numbers) {
    let Some(interval) = stream.close_interval(now, settings.interval_nanos, &settings.playout) else { return };
    let round_trip = stream.round_trips.latest();
    let delay = Delay::new(round_trip, interval.buffer_seconds, settings);
    let rating = report::rating(stream, settings, interval.missed_ratio, interval.burst_ratio, delay.seconds);
    numbers.observe(stream.cell, &interval, rating.map(|rating| (rating.mos, delay)));
    if let Some(seconds) = round_trip {
        numbers.observe_end_to_end(stream.cell, seconds);
    }
}
