//! The ways of a call from its INVITE to its end.

use super::call::{Call, MS, Media, Script, T1_NS};
use super::dialog::{Side, Transaction};
use super::profile::Scenario;
use super::truth::seconds;

/// RFC 3261 section 17.1.1.2: timer B, 64 T1.
const TIMER_B_NS: u64 = 64 * T1_NS;

impl Script<'_> {
    /// Plays the whole call; `media_ns` is the time for which its streams last, 0 for a call without media.
    pub fn play(mut self, scenario: Scenario, media_ns: u64) -> Call {
        if scenario == Scenario::Unanswered {
            return self.unanswered();
        }
        self.invite();
        match scenario {
            Scenario::Answered => return self.answered(media_ns),
            Scenario::Busy => self.refused(486, "Busy Here", "busy", 300),
            Scenario::NotFound => self.refused(404, "Not Found", "not_found", 0),
            Scenario::Unavailable => self.refused(503, "Service Unavailable", "network_failure", 0),
            Scenario::ServerError => self.refused(500, "Server Internal Error", "server_failure", 0),
            Scenario::Declined => self.refused(603, "Decline", "rejected", 500),
            Scenario::NoAnswer => self.refused(480, "Temporarily Unavailable", "no_answer", 1000),
            Scenario::Redirected => self.refused(302, "Moved Temporarily", "redirected", 0),
            Scenario::Cancelled | Scenario::Unanswered => self.cancelled(),
        }
        self.finish(None)
    }

    fn finish(self, media: Option<Media>) -> Call {
        Call { dialog: self.dialog, messages: self.messages, media, truth: self.truth, visible_until_ns: self.now_ns }
    }

    /// INVITE, perhaps challenged and sent again with credentials, and 100.
    fn invite(&mut self) {
        let offer = self.sdp(Side::Caller);
        self.ask(self.invite, false, offer.clone());
        self.maybe_repeat();
        if self.rng.chance(self.profile.challenge) {
            self.wait(1, 20);
            let mut challenge = self.dialog.response(self.invite, 407, "Proxy Authentication Required", None);
            challenge.headers.push(("Proxy-Authenticate", "Digest realm=\"sip.example\", nonce=\"4f2a\"".to_string()));
            self.say(Side::Callee, challenge);
            self.wait(1, 20);
            self.acknowledge_failure();
            self.wait(1, 5);
            self.invite = self.dialog.begin("INVITE", Side::Caller, &mut self.rng);
            let mut again = self.dialog.request(self.invite, false, offer);
            let credentials = "Digest username=\"line\", realm=\"sip.example\", nonce=\"4f2a\", response=\"0d\"";
            again.headers.push(("Proxy-Authorization", credentials.to_string()));
            self.say(Side::Caller, again);
            self.maybe_repeat();
        }
        if self.rng.chance(900) {
            self.wait(1, 8);
            self.reply(self.invite, 100, "Trying", None);
        }
    }

    /// The ACK of a failure belongs to the INVITE's transaction: same branch (RFC 3261 section 17.1.1.3).
    fn acknowledge_failure(&mut self) {
        self.ask(Transaction { method: "ACK", ..self.invite }, true, None);
    }

    fn ring(&mut self) {
        self.wait(30, 700);
        self.truth.setup_delay_seconds = self.since_start();
        if self.rng.chance(self.profile.early_media) {
            let answer = self.sdp(Side::Callee);
            self.reply(self.invite, 183, "Session Progress", answer);
            self.early_media_ns = Some(self.now_ns + self.rng.between(MS, 30 * MS));
        } else {
            self.reply(self.invite, 180, "Ringing", None);
        }
        self.wait(300, 2500);
    }

    fn refused(&mut self, code: u16, reason: &str, outcome: &str, rings: u32) {
        if self.rng.chance(rings) {
            self.ring();
            self.early_media_ns = None;
        }
        self.wait(5, 300);
        self.reply(self.invite, code, reason, None);
        self.maybe_repeat();
        self.wait(1, 30);
        self.acknowledge_failure();
        self.conclude(outcome, Some(code), "callee");
    }

    fn conclude(&mut self, outcome: &str, final_status: Option<u16>, ended_by: &str) {
        self.truth.outcome = outcome.to_string();
        self.truth.final_status = final_status;
        self.truth.ended_by = ended_by.to_string();
    }

    fn cancelled(&mut self) {
        self.ring();
        let cancel = Transaction { method: "CANCEL", ..self.invite };
        self.ask(cancel, false, None);
        self.maybe_repeat();
        self.wait(1, 20);
        self.reply(cancel, 200, "OK", None);
        self.wait(1, 20);
        self.reply(self.invite, 487, "Request Terminated", None);
        self.maybe_repeat();
        self.wait(1, 20);
        self.acknowledge_failure();
        self.conclude("cancelled", Some(487), "caller");
    }

    /// Nobody is there: timer A doubles until timer B fires (RFC 3261 section 17.1.1.2).
    fn unanswered(mut self) -> Call {
        let (start_ns, offer) = (self.now_ns, self.sdp(Side::Caller));
        self.ask(self.invite, false, offer);
        let mut interval_ns = T1_NS;
        while self.now_ns + interval_ns < start_ns + TIMER_B_NS {
            self.now_ns += interval_ns;
            self.repeat();
            interval_ns *= 2;
        }
        self.conclude("network_failure", None, "timeout");
        self.now_ns = start_ns + 3 * TIMER_B_NS;
        self.finish(None)
    }

    fn answered(mut self, media_ns: u64) -> Call {
        if self.rng.chance(850) {
            self.ring();
        } else {
            self.wait(300, 1500);
        }
        let answered_ns = self.now_ns;
        self.truth.answer_delay_seconds = self.since_start();
        self.truth.setup_delay_seconds = self.truth.setup_delay_seconds.or(self.truth.answer_delay_seconds);
        let answer = self.sdp(Side::Callee);
        self.reply(self.invite, 200, "OK", answer);
        self.maybe_repeat();
        self.wait(3, 40);
        // The ACK of a 2xx is a transaction of its own (RFC 3261 section 13.2.2.4).
        let ack = Transaction { method: "ACK", branch: self.rng.next(), ..self.invite };
        self.ask(ack, true, None);
        if self.rng.chance(self.profile.retransmit / 2) {
            self.wait(3, 40);
            self.repeat();
        }
        let media = self.media(answered_ns, media_ns);
        let talk_end_ns = match &media {
            Some(media) => {
                let lasts_ns = u64::from(media.packets) * u64::from(media.ptime_ms) * MS;
                media.caller_start_ns.max(media.callee_start_ns) + lasts_ns
            }
            None => self.now_ns + self.rng.between(1000 * MS, 5000 * MS),
        };
        if self.rng.chance(self.profile.reinvite) && talk_end_ns > self.now_ns + 500 * MS {
            self.refresh();
        }
        // The last packets may still be on their way when the BYE is seen.
        let earliest_ns = self.now_ns + 20 * MS;
        self.now_ns = (talk_end_ns + self.rng.between(0, 300 * MS)).saturating_sub(60 * MS).max(earliest_ns);
        self.hang_up(answered_ns);
        self.finish(media)
    }

    fn media(&mut self, answered_ns: u64, media_ns: u64) -> Option<Media> {
        if media_ns == 0 {
            return None;
        }
        let caller_start_ns = self.now_ns + self.rng.between(MS, 30 * MS);
        // The callee's first packets may overtake its 200: the caller's address is known from the offer.
        let callee_start_ns = self.early_media_ns.unwrap_or(answered_ns + self.rng.between(0, 30 * MS) - 5 * MS);
        let packets = (media_ns / (u64::from(self.ptime_ms) * MS)).max(16) as u32;
        Some(Media {
            codec: self.codec,
            ptime_ms: self.ptime_ms,
            rtcp_mux: self.rtcp_mux,
            caller_start_ns,
            callee_start_ns,
            packets,
        })
    }

    /// A re-INVITE that changes nothing, as session timers send it (RFC 4028).
    fn refresh(&mut self) {
        self.wait(100, 300);
        let side = if self.rng.chance(500) { Side::Caller } else { Side::Callee };
        let again = self.dialog.begin("INVITE", side, &mut self.rng);
        let other = if side == Side::Caller { Side::Callee } else { Side::Caller };
        let (offer, answer) = (self.sdp(side), self.sdp(other));
        self.ask(again, true, offer);
        self.wait(5, 30);
        self.reply(again, 200, "OK", answer);
        self.wait(5, 30);
        let ack = Transaction { method: "ACK", branch: self.rng.next(), ..again };
        self.ask(ack, true, None);
    }

    fn hang_up(&mut self, answered_ns: u64) {
        let (side, name) = if self.rng.chance(500) { (Side::Caller, "caller") } else { (Side::Callee, "callee") };
        let bye = self.dialog.begin("BYE", side, &mut self.rng);
        let (from, to) = (self.resolution.floor(answered_ns), self.resolution.floor(self.now_ns));
        self.truth.duration_seconds = Some(seconds(to - from));
        self.ask(bye, true, None);
        self.maybe_repeat();
        self.wait(3, 40);
        self.reply(bye, 200, "OK", None);
        self.conclude("completed", Some(200), name);
    }
}
