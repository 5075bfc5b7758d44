//! RTCP: packets by type, round trips, and what receivers report of the streams that we see.

use crate::site::Direction;
use crate::time::Timestamp;
use crate::wire::rtcp::{Block, BlockKind, Compound, Form, Packet, ReportBlock, Summary, VoipMetrics};
use crate::wire::{Datagram, Endpoint};

use super::key::Key;
use super::round_trips::{Report, RoundTrip};
use super::{Media, candidates};

/// Reports of each kind that are kept to be shown; more are counted, and only left out of the list.
const MAX_KEPT: usize = 100_000;

/// What one endpoint said of another's stream in an extended report.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ExtendedReport<T> {
    pub reporter: u32,
    pub time: Timestamp,
    pub said: T,
}

/// What was measured from RTCP and what endpoints reported in it, in order of arrival.
#[derive(Clone, Debug, Default)]
pub struct EndpointReports {
    pub round_trips: Vec<RoundTrip>,
    pub voip_metrics: Vec<ExtendedReport<VoipMetrics>>,
    pub summaries: Vec<ExtendedReport<Summary>>,
    /// How many were not kept.
    pub left_out: u64,
}

impl EndpointReports {
    fn keep<T>(list: &mut Vec<T>, left_out: &mut u64, one: T) {
        if list.len() < MAX_KEPT {
            list.push(one);
        } else {
            *left_out += 1;
        }
    }
}

/// A packet that is read, and where it was seen.
#[derive(Clone, Copy)]
struct Context {
    now: Timestamp,
    from: Endpoint,
    to: Endpoint,
    sender: u32,
}

impl Media {
    /// Counts the RTCP packets of a datagram and takes in what they report; encrypted and broken ones report nothing.
    pub fn rtcp(&mut self, now: Timestamp, datagram: &Datagram<'_>) {
        let (from, to) = (datagram.source, datagram.destination);
        let Some(compound) = Compound::read(datagram.payload, datagram.length) else { return };
        if compound.form != Form::Plain && candidates::is_other_protocol(from.port, to.port) {
            return;
        }
        let direction = self.site.direction(from.ip, to.ip);
        match compound.form {
            Form::Plain => {}
            Form::Encrypted => self.numbers.reported.count_encrypted(direction),
            Form::Malformed(reason) => self.numbers.reported.count_malformed(reason),
        }
        for packet in compound.packets() {
            self.numbers.count_rtcp(packet.kind, direction);
            if compound.form != Form::Plain {
                continue;
            }
            match (packet.problem(), packet.sender()) {
                (Some(reason), _) => self.numbers.reported.count_malformed(reason),
                (None, Some(sender)) => self.report(&Context { now, from, to, sender }, direction, &packet),
                (None, None) => {}
            }
        }
    }

    fn report(&mut self, at: &Context, direction: Direction, packet: &Packet<'_>) {
        if let Some(info) = packet.sender_info() {
            self.clock_sent(at, info.ntp_middle);
        }
        for block in packet.report_blocks() {
            self.reported(at, &block);
        }
        for block in packet.xr_blocks() {
            self.numbers.reported.count_block(block.kind);
            self.extended(at, &block);
        }
        if let Some(feedback) = packet.feedback() {
            self.numbers.reported.count_feedback(&feedback, direction);
        }
    }

    /// A sender's report or a receiver's reference time passes: from here on its answer is awaited.
    fn clock_sent(&mut self, at: &Context, ntp_middle: u32) {
        let report = Report { ssrc: at.sender, ntp_middle, from: at.from.ip, to: at.to.ip };
        self.sender_reports.sent(at.now, report);
    }

    /// The answer to the clock that `about` sent comes back; `delay` is how long its sender kept it, in 1/65536 s. No clock
    /// is zero.
    fn clock_answered(&mut self, at: &Context, about: u32, ntp_middle: u32, delay: u32) {
        let (from, to) = (at.to, at.from);
        let report = Report { ssrc: about, ntp_middle, from: from.ip, to: to.ip };
        if ntp_middle != 0
            && let Some(seconds) = self.sender_reports.answered(at.now, &report, (at.sender, delay))
        {
            self.round_trip_measured(at.now, (from, to), about, at.sender, seconds);
        }
    }

    /// What a receiver says of the stream that comes to it, on the way from it to the sender.
    fn reported(&mut self, at: &Context, block: &ReportBlock) {
        self.clock_answered(at, block.ssrc, block.last_sr, block.delay_since_last_sr);
        let found = self.stream_of(at.to, at.from, block.ssrc).and_then(|slot| self.streams.get(slot));
        let Some(stream) = found else { return };
        if let Some(cell) = self.numbers.cells.get_mut(stream.cell as usize) {
            cell.observe_reported(f64::from(block.fraction_lost) / 256.0, f64::from(block.jitter), stream.clock_rate);
        }
    }

    /// What RFC 3611 adds to it.
    fn extended(&mut self, at: &Context, block: &Block<'_>) {
        let (direction, peer) = self.site.place(at.to.ip, at.from.ip);
        match block.kind {
            BlockKind::ReferenceTime => {
                if let Some(ntp_middle) = block.reference_time() {
                    self.clock_sent(at, ntp_middle);
                }
            }
            BlockKind::Delays => {
                for delay in block.delays() {
                    self.clock_answered(at, delay.ssrc, delay.last_rr, delay.delay_since_last_rr);
                }
            }
            BlockKind::VoipMetrics => {
                let Some(said) = block.voip_metrics() else { return };
                self.numbers.reported.extended(direction, peer).observe_metrics(&said);
                if self.settings.keep_reports {
                    let report = ExtendedReport { reporter: at.sender, time: at.now, said };
                    let kept = &mut self.endpoint_reports;
                    EndpointReports::keep(&mut kept.voip_metrics, &mut kept.left_out, report);
                }
            }
            BlockKind::Summary => {
                let Some(said) = block.summary() else { return };
                let found = self.stream_of(at.to, at.from, said.ssrc).and_then(|slot| self.streams.get(slot));
                let clock_rate = found.map_or(0, |stream| stream.clock_rate);
                self.numbers.reported.extended(direction, peer).observe_summary(&said, clock_rate);
                if self.settings.keep_reports {
                    let report = ExtendedReport { reporter: at.sender, time: at.now, said };
                    let kept = &mut self.endpoint_reports;
                    EndpointReports::keep(&mut kept.summaries, &mut kept.left_out, report);
                }
            }
            BlockKind::LossRuns | BlockKind::DuplicateRuns | BlockKind::ReceiptTimes | BlockKind::Other => {}
        }
    }

    /// A round trip from here to `ends.1` and back, `reporter` there answering the clock that `about` sent from `ends.0`: the far
    /// half of the way of the stream `about`, and the near half of the way of the stream that `reporter` sends.
    pub(super) fn round_trip_measured(
        &mut self,
        now: Timestamp,
        ends: (Endpoint, Endpoint),
        about: u32,
        reporter: u32,
        seconds: f64,
    ) {
        let (from, to) = ends;
        let (direction, peer) = self.site.place(from.ip, to.ip);
        self.numbers.round_trip(direction, peer).observe(seconds);
        if let Some(stream) = self.stream_of(from, to, about).and_then(|slot| self.streams.get_mut(slot)) {
            stream.round_trips.to_destination.observe(seconds);
        }
        if let Some(stream) = self.stream_of(to, from, reporter).and_then(|slot| self.streams.get_mut(slot)) {
            stream.round_trips.to_source.observe(seconds);
        }
        if self.settings.keep_reports {
            let kept = &mut self.endpoint_reports;
            let one = RoundTrip { ssrc: about, reporter, time: now, seconds };
            EndpointReports::keep(&mut kept.round_trips, &mut kept.left_out, one);
        }
    }

    /// The stream with this SSRC between two endpoints of RTCP, which has the port after the media's (RFC 3550 section 11), or
    /// the same (RFC 5761); or else, where SDP said another (RFC 3605) or media leaves from another port than it is received
    /// at, among the streams of the call that announced either end.
    fn stream_of(&self, from: Endpoint, to: Endpoint, ssrc: u32) -> Option<u32> {
        for (source_port, destination_port) in
            [(1, 1), (0, 0), (1, 0), (0, 1)].map(|(a, b)| (from.port.wrapping_sub(a), to.port.wrapping_sub(b)))
        {
            let key = Key { source_ip: from.ip, destination_ip: to.ip, source_port, destination_port, ssrc };
            if let Some(slot) = self.streams.find(&key) {
                return Some(slot);
            }
        }
        let before = |at: Endpoint| Endpoint { port: at.port.wrapping_sub(1), ..at };
        let ends = [to, from, before(to), before(from)];
        let announced = ends.into_iter().find_map(|at| self.bindings.endpoint(at))?;
        let of_call = self.bindings.call(announced.call)?.streams.iter();
        let matching = of_call.filter_map(|slot| {
            let key = self.streams.get(*slot).map(|stream| stream.key).filter(|key| key.ssrc == ssrc)?;
            let ends = [key.source_ip == from.ip, key.destination_ip == to.ip];
            Some((ends.into_iter().filter(|same| *same).count(), *slot))
        });
        matching.filter(|(ends, _)| *ends > 0).max().map(|(_, slot)| slot)
    }

    /// What RTCP told since the last call.
    pub fn take_endpoint_reports(&mut self) -> EndpointReports {
        std::mem::take(&mut self.endpoint_reports)
    }
}
