//! RTCP: packets by type, round trips, and what receivers report of the streams that we see.

use crate::time::Timestamp;
use crate::wire::Datagram;
use crate::wire::rtcp::{self, ReportBlock};

use super::Media;
use super::round_trips::{Report, RoundTrip};
use super::stream::Key;

impl Media {
    /// Counts the RTCP packets of a datagram and takes in what they report; encrypted ones report nothing.
    pub fn rtcp(&mut self, now: Timestamp, datagram: &Datagram<'_>) {
        let direction = self.site.direction(datagram.source.ip, datagram.destination.ip);
        let readable = rtcp::Packets::are_whole(datagram.payload);
        for packet in rtcp::Packets::new(datagram.payload) {
            self.numbers.count_rtcp(packet.kind, direction);
            let (true, Some(sender)) = (readable, packet.sender()) else { continue };
            if let Some(info) = packet.sender_info() {
                let (from, to) = (datagram.source.ip, datagram.destination.ip);
                self.sender_reports.sent(now, Report { ssrc: sender, ntp_middle: info.ntp_middle, from, to });
            }
            for block in packet.report_blocks() {
                self.reported(now, datagram, sender, &block);
            }
        }
    }

    /// What a receiver says of the stream that comes to it, on the way from it to the sender.
    fn reported(&mut self, now: Timestamp, datagram: &Datagram<'_>, reporter: u32, block: &ReportBlock) {
        let (from, to) = (datagram.destination, datagram.source);
        let (direction, peer) = self.site.place(from.ip, to.ip);
        if block.last_sr != 0 {
            let report = Report { ssrc: block.ssrc, ntp_middle: block.last_sr, from: from.ip, to: to.ip };
            if let Some(seconds) = self.sender_reports.answered(now, &report, block.delay_since_last_sr) {
                self.numbers.round_trip(direction, peer).observe(seconds);
                if self.settings.keep_reports {
                    self.round_trips.push(RoundTrip { ssrc: block.ssrc, reporter, time: now, seconds });
                }
            }
        }
        // RTCP has the port after the media's, or the same (RFC 3550 section 11, RFC 5761).
        let stream = [1, 0].into_iter().find_map(|offset| {
            let key = Key {
                source_ip: from.ip,
                destination_ip: to.ip,
                source_port: from.port.wrapping_sub(offset),
                destination_port: to.port.wrapping_sub(offset),
                ssrc: block.ssrc,
            };
            self.streams.get(self.streams.find(&key)?)
        });
        let Some(stream) = stream else { return };
        if let Some(cell) = self.numbers.cells.get_mut(stream.cell as usize) {
            cell.observe_reported(f64::from(block.fraction_lost) / 256.0, f64::from(block.jitter), stream.clock_rate);
        }
    }

    /// Round trips measured since the last call.
    pub fn take_round_trips(&mut self) -> Vec<RoundTrip> {
        std::mem::take(&mut self.round_trips)
    }
}
