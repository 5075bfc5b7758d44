//! Hold (RFC 3264 section 8.4): who of the parties has put the other on hold, and for how long.

use crate::time::Timestamp;
use crate::wire::sdp::{self, MediaType};
use crate::wire::sip::Party;

/// What a description lets its sender do with sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Way {
    sends: bool,
    receives: bool,
}

impl Way {
    /// Of the accepted sections of sound together; `None` where there is none, as with T.38.
    fn of(sections: &[sdp::Media]) -> Option<Way> {
        let sound = || sections.iter().filter(|media| media.media_type == MediaType::Audio && media.port != 0);
        // 0.0.0.0 is a hold of old: nothing can be received there. The name of a host is none.
        let reachable = |media: &sdp::Media| media.receives_at.is_none_or(|at| !at.ip.is_unspecified());
        sound().next()?;
        Some(Way {
            sends: sound().any(|media| media.sends),
            receives: sound().any(|media| media.receives && (reachable(media) || !media.candidates.is_empty())),
        })
    }
}

/// What a description is to those before it (RFC 3264).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// In a request: an offer.
    Request,
    /// In a response: an answer, or an offer where the request had none.
    Response,
    /// In an ACK: the answer to an offer in a response.
    Ack,
}

/// The hold of one call.
#[derive(Clone, Copy, Debug, Default)]
pub struct Hold {
    /// An offer within the call that is not answered yet.
    offer: Option<(Party, Way)>,
    by: [bool; 2],
    since: Option<Timestamp>,
    /// Time on hold that is over, nanoseconds.
    pub nanos: i64,
}

impl Hold {
    /// A party describes its media within the call. True where who holds whom has changed.
    pub fn described(&mut self, party: Party, turn: Turn, sections: &[sdp::Media]) -> bool {
        let Some(way) = Way::of(sections) else { return false };
        let offered = self.offer.take_if(|(offerer, _)| turn != Turn::Request && *offerer != party);
        let Some((offerer, offer)) = offered else {
            if turn != Turn::Ack {
                self.offer = Some((party, way));
            }
            return false;
        };
        let before = self.by;
        self.by[offerer as usize] = !offer.receives;
        // Where nothing was to be sent, not receiving is no hold of one's own.
        if offer.sends {
            self.by[party as usize] = !way.receives;
        }
        before != self.by
    }

    /// The offer was refused: all stays as it was (RFC 3261 section 14.1).
    pub fn refused(&mut self) {
        self.offer = None;
    }

    pub fn is_on(&self) -> bool {
        self.by != [false; 2]
    }

    pub fn begin(&mut self, now: Timestamp) {
        self.since = Some(now);
    }

    /// Ends a hold; gives its seconds.
    pub fn end(&mut self, now: Timestamp) -> Option<f64> {
        let nanos = now.nanos_since(self.since.take()?).max(0);
        self.nanos += nanos;
        Some(nanos as f64 / 1e9)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sound(direction: &str) -> Vec<sdp::Media> {
        sdp::parse(format!("v=0\r\nc=IN IP4 192.0.2.1\r\nm=audio 4000 RTP/AVP 0\r\na={direction}\r\n").as_bytes())
    }

    fn exchange(hold: &mut Hold, offer: (Party, &str), answer: &str) -> bool {
        hold.described(offer.0, Turn::Request, &sound(offer.1));
        hold.described(offer.0.other(), Turn::Response, &sound(answer));
        hold.is_on()
    }

    #[test]
    fn each_party_may_hold_and_resume() {
        let mut hold = Hold::default();
        assert!(exchange(&mut hold, (Party::Caller, "sendonly"), "recvonly"));
        assert_eq!(hold.by, [true, false]);
        assert!(exchange(&mut hold, (Party::Callee, "inactive"), "inactive"));
        assert_eq!(hold.by, [true, true]);
        // Resuming while the other still holds.
        assert!(exchange(&mut hold, (Party::Callee, "sendrecv"), "sendonly"));
        assert_eq!(hold.by, [true, false]);
        assert!(!exchange(&mut hold, (Party::Caller, "sendrecv"), "sendrecv"));
    }

    #[test]
    fn what_is_refused_or_only_listens_is_no_hold() {
        let mut hold = Hold::default();
        hold.described(Party::Caller, Turn::Request, &sound("sendonly"));
        hold.refused();
        assert!(!hold.is_on());
        assert!(!exchange(&mut hold, (Party::Caller, "recvonly"), "sendonly"));
        let old = sdp::parse(b"v=0\r\nc=IN IP4 0.0.0.0\r\nm=audio 4000 RTP/AVP 0\r\n");
        hold.described(Party::Callee, Turn::Request, &old);
        assert!(hold.described(Party::Caller, Turn::Response, &sound("sendrecv")) && hold.is_on());
    }

    #[test]
    fn an_offer_may_come_in_the_response_and_answers_twice() {
        let mut hold = Hold::default();
        hold.described(Party::Callee, Turn::Response, &sound("inactive"));
        assert!(hold.described(Party::Caller, Turn::Ack, &sound("inactive")) && hold.by == [false, true]);
        assert!(!exchange(&mut hold, (Party::Callee, "sendrecv"), "sendrecv"));
        // The same answer on the next hop of a proxy is nobody's offer.
        hold.described(Party::Caller, Turn::Response, &sound("sendrecv"));
        assert!(exchange(&mut hold, (Party::Callee, "sendonly"), "recvonly") && hold.by == [false, true]);
    }

    #[test]
    fn its_time_adds_up() {
        let at = |seconds: i64| Timestamp::from_nanos(seconds * 1_000_000_000);
        let mut hold = Hold::default();
        hold.begin(at(10));
        assert_eq!(hold.end(at(14)), Some(4.0));
        assert_eq!(hold.end(at(15)), None);
        hold.begin(at(20));
        assert_eq!((hold.end(at(21)), hold.nanos), (Some(1.0), 5_000_000_000));
    }
}
