//! One call: its messages with their times and the truth about it, and the hand that writes them.

use super::codec::Codec;
use super::dialog::{Dialog, Side, Transaction};
use super::pcap::Resolution;
use super::profile::Profile;
use super::rng::Rng;
use super::sip::{Kind, Message, Sdp, Style};
use super::truth::{CallTruth, seconds};

pub(super) const MS: u64 = 1_000_000;
/// RFC 3261 section 17.1.1.2: T1, the first retransmission interval of a request over UDP.
pub(super) const T1_NS: u64 = 500 * MS;

/// A SIP message on the wire.
#[derive(Clone, Debug)]
pub struct Timed {
    pub ns: u64,
    pub from: Side,
    pub bytes: Vec<u8>,
    pub kind: Kind,
    pub retransmission: bool,
}

/// What the call's media is.
#[derive(Clone, Copy, Debug)]
pub struct Media {
    pub codec: &'static Codec,
    pub ptime_ms: u32,
    pub rtcp_mux: bool,
    /// When the caller's and the callee's streams start.
    pub caller_start_ns: u64,
    pub callee_start_ns: u64,
    pub packets: u32,
}

/// A planned call.
pub struct Call {
    pub dialog: Dialog,
    pub messages: Vec<Timed>,
    pub media: Option<Media>,
    pub truth: CallTruth,
    /// The capture has to last until then for the truth to be visible.
    pub visible_until_ns: u64,
}

/// Writes the messages of a call one after the other.
pub struct Script<'a> {
    pub(super) profile: &'a Profile,
    pub(super) resolution: Resolution,
    pub(super) rng: Rng,
    pub(super) now_ns: u64,
    pub(super) dialog: Dialog,
    pub(super) messages: Vec<Timed>,
    pub(super) truth: CallTruth,
    pub(super) invite: Transaction,
    pub(super) codec: &'static Codec,
    pub(super) ptime_ms: u32,
    pub(super) rtcp_mux: bool,
    pub(super) media_level: bool,
    pub(super) terse: bool,
    pub(super) early_media_ns: Option<u64>,
}

impl<'a> Script<'a> {
    pub fn new(profile: &'a Profile, resolution: Resolution, mut dialog: Dialog, start_ns: u64, mut rng: Rng) -> Self {
        let codec = *rng.pick(profile.codecs);
        let ptime_ms = if profile.any_ptime { *rng.pick(codec.ptimes) } else { 20 };
        let truth = CallTruth {
            call_id: dialog.call_id.clone(),
            caller: dialog.caller.user.clone(),
            callee: dialog.callee.user.clone(),
            source: dialog.caller.signalling.to_string(),
            destination: dialog.callee.signalling.to_string(),
            started_at_ns: resolution.floor(start_ns),
            ..CallTruth::default()
        };
        let invite = dialog.begin("INVITE", Side::Caller, &mut rng);
        let mut flip = || profile.style > 0 && rng.chance(300);
        let (rtcp_mux, media_level, terse) = (flip(), flip(), flip());
        Script {
            profile,
            resolution,
            now_ns: start_ns,
            dialog,
            messages: Vec::new(),
            truth,
            invite,
            codec,
            ptime_ms,
            rtcp_mux,
            media_level,
            terse,
            early_media_ns: None,
            rng,
        }
    }

    pub(super) fn wait(&mut self, low_ms: u64, high_ms: u64) {
        self.now_ns += self.rng.between(low_ms * MS, high_ms * MS);
    }

    pub(super) fn say(&mut self, from: Side, message: Message) {
        let style = Style::draw(&mut self.rng, self.profile.style);
        let (ns, bytes) = (self.resolution.floor(self.now_ns), message.render(style));
        self.messages.push(Timed { ns, from, bytes, kind: message.kind, retransmission: false });
    }

    pub(super) fn ask(&mut self, transaction: Transaction, tagged: bool, body: Option<String>) {
        let message = self.dialog.request(transaction, tagged, body);
        self.say(transaction.from, message);
    }

    pub(super) fn reply(&mut self, transaction: Transaction, code: u16, reason: &str, body: Option<String>) {
        let message = self.dialog.response(transaction, code, reason, body);
        let from = if transaction.from == Side::Caller { Side::Callee } else { Side::Caller };
        self.say(from, message);
    }

    /// Sends the last message again, byte for byte.
    pub(super) fn repeat(&mut self) {
        if let Some(last) = self.messages.last() {
            let again = Timed { ns: self.resolution.floor(self.now_ns), retransmission: true, ..last.clone() };
            self.messages.push(again);
        }
    }

    /// In some calls the last message is lost behind the capture point and comes once or twice more.
    pub(super) fn maybe_repeat(&mut self) {
        if self.rng.chance(self.profile.retransmit) {
            self.now_ns += T1_NS + self.rng.below(3 * MS);
            self.repeat();
            if self.rng.chance(300) {
                self.now_ns += 2 * T1_NS + self.rng.below(3 * MS);
                self.repeat();
            }
        }
    }

    pub(super) fn since_start(&self) -> Option<f64> {
        Some(seconds(self.resolution.floor(self.now_ns) - self.truth.started_at_ns))
    }

    pub(super) fn sdp(&mut self, side: Side) -> Option<String> {
        let session = self.rng.below(1 << 40);
        let mut codecs = vec![self.codec];
        if side == Side::Caller {
            codecs.extend(self.profile.codecs.iter().filter(|codec| codec.name != self.codec.name));
        }
        let sdp = Sdp {
            address: self.dialog.party(side).media,
            session,
            codecs: &codecs,
            ptime_ms: self.ptime_ms,
            rtcp_mux: self.rtcp_mux,
            media_level: self.media_level,
            terse: self.terse,
        };
        Some(sdp.text())
    }
}
