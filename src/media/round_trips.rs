//! Round trips from LSR and DLSR (RFC 3550 section 6.4.1), and from a receiver's reference time and DLRR (RFC 3611 sections 4.4
//! and 4.5), measured where we stand: from the passing of a clock to the passing of the answer, less the time that it was kept.

use crate::generations::Generations;
use crate::time::Timestamp;
use crate::wire::Ip;

/// Reports older than one to two of these are forgotten; RTCP intervals are rarely above a minute.
const LIFETIME_NANOS: i64 = 60_000_000_000;
/// DLSR comes in 1/65536 s: where the receiver is this host, rounding alone may give a little less than nothing.
const ROUNDING_NANOS: i64 = 1_000_000;

/// A sender's report, or a receiver's reference time, on its hop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Report {
    pub ssrc: u32,
    /// The middle 32 bits of its NTP time.
    pub ntp_middle: u32,
    pub from: Ip,
    pub to: Ip,
}

/// Round trip to a receiver, as a report block told it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RoundTrip {
    /// Whose media was reported.
    pub ssrc: u32,
    pub reporter: u32,
    pub time: Timestamp,
    pub seconds: f64,
}

/// Round trips from here to either end of a stream and back (RFC 3550 section 6.4.1, RFC 3611 section 4.5).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RoundTrips {
    pub to_source: Side,
    pub to_destination: Side,
}

/// Round trips to one end, seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Side {
    last: f32,
    sum: f32,
    count: u32,
    /// The end is this very host: what was not measured to it is nothing.
    pub is_here: bool,
}

impl Side {
    pub fn observe(&mut self, seconds: f64) {
        self.last = seconds as f32;
        self.sum += self.last;
        self.count = self.count.saturating_add(1);
    }

    fn last(&self) -> Option<f64> {
        (self.count > 0).then(|| f64::from(self.last))
    }

    /// Mean of all, seconds; `None` where none was measured.
    pub fn mean(&self) -> Option<f64> {
        (self.count > 0).then(|| f64::from(self.sum) / f64::from(self.count))
    }
}

impl RoundTrips {
    /// Mean round trip from end to end, seconds; `None` until both sides are known.
    pub fn end_to_end(&self) -> Option<f64> {
        self.sum(Side::mean)
    }

    /// The last round trips of both sides together, seconds.
    pub fn latest(&self) -> Option<f64> {
        self.sum(Side::last)
    }

    fn sum(&self, of: fn(&Side) -> Option<f64>) -> Option<f64> {
        let (source, destination) = (of(&self.to_source), of(&self.to_destination));
        let or_here = |seconds: Option<f64>, side: &Side| seconds.or(side.is_here.then_some(0.0));
        source.or(destination)?;
        Some(or_here(source, &self.to_source)? + or_here(destination, &self.to_destination)?)
    }
}

/// When sender reports passed, at most `capacity` of them.
#[derive(Debug)]
pub struct Reports(Generations<Report, Sent>);

#[derive(Clone, Copy, Debug)]
struct Sent {
    at: Timestamp,
    /// Who answered last, and how long that answer says the report was kept.
    answer: Option<(u32, u32)>,
}

impl Reports {
    pub fn new(capacity: usize) -> Reports {
        Reports(Generations::new(capacity, LIFETIME_NANOS))
    }

    pub fn expire(&mut self, now: Timestamp) {
        self.0.expire(now);
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn evicted(&self) -> u64 {
        self.0.evicted
    }

    /// A sender's report passes. The first of two equal reports is the one that the receiver's clock runs from.
    pub fn sent(&mut self, now: Timestamp, report: Report) {
        self.0.turn(now);
        self.0.insert(report, Sent { at: now, answer: None });
    }

    /// A receiver's answer to `report` passes the other way: who answers, and the delay that it says, in 1/65536 s. A receiver
    /// that claims to have kept the report for longer than it was away tells nothing; nor does a copy of an answer.
    pub fn answered(&mut self, now: Timestamp, report: &Report, answer: (u32, u32)) -> Option<f64> {
        let sent = self.0.get_mut(report)?;
        if sent.answer.replace(answer) == Some(answer) {
            return None;
        }
        let kept = i64::from(answer.1) * 1_000_000_000 / 65_536;
        let nanos = now.nanos_since(sent.at).saturating_sub(kept);
        (nanos >= -ROUNDING_NANOS).then(|| nanos.max(0) as f64 / 1e9)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        Report { ssrc: 1, ntp_middle: 7, from: Ip::v4([1; 4]), to: Ip::v4([2; 4]) }
    }

    fn at(seconds: f64) -> Timestamp {
        Timestamp::from_nanos((seconds * 1e9) as i64)
    }

    #[test]
    fn the_time_that_the_receiver_kept_the_report_is_taken_off() {
        let mut reports = Reports::new(16);
        reports.sent(at(10.0), report());
        let answer = (9, (2.5 * 65_536.0) as u32);
        let seconds = reports.answered(at(12.54), &report(), answer).unwrap();
        assert!((seconds - 0.04).abs() < 16e-6, "{seconds}");
        assert_eq!(reports.answered(at(12.54), &Report { ssrc: 2, ..report() }, (9, 0)), None);
        // The same answer again is a copy; a later one measures anew.
        assert_eq!(reports.answered(at(12.60), &report(), answer), None);
        assert!(reports.answered(at(15.04), &report(), (9, 5 * 65_536)).is_some());
    }

    #[test]
    fn a_delay_longer_than_the_time_that_passed_is_nonsense() {
        let mut reports = Reports::new(16);
        reports.sent(at(1.0), report());
        assert_eq!(reports.answered(at(1.5), &report(), (9, 65_536)), None);
        // -16 units of 1/65536 s: rounding.
        assert_eq!(reports.answered(at(1.5), &report(), (9, 32_768 + 16)), Some(0.0));
    }
}
