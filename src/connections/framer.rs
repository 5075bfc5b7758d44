//! SIP over TCP: bytes in their order to messages (RFC 3261 section 18.3).

use std::borrow::Cow;

use crate::wire::Transport;
use crate::wire::sip::Malformed;
use crate::wire::sip::framing::{self, Found, Head, Length, MAX_HEAD, Opening, begins_message};

use super::Sink;
use super::held::{Held, feed};
use super::numbers::Reason;

/// Bytes without any start line after which a connection that never had one is none of SIP.
const MAX_STRANGE: usize = 64 << 10;

/// How much a message has to look like one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Doubt {
    /// It begins where the one before it ended.
    None,
    /// It begins where the capture begins: its fields have to look like fields.
    Slight,
    /// It was found by its start line, which other messages may quote: it needs all mandatory fields too.
    Full,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// The first byte, or the first that was captured.
    Start(Doubt),
    /// Behind a message.
    Between,
    /// In a head, of which so many bytes have been looked at, the last of them in the line that begins at `line`.
    Head { doubt: Doubt, line: usize, searched: usize },
    /// In a body; the whole message has so many bytes.
    Body(usize),
    /// So many bytes of a message that was handed over cut are still to come.
    Rest(usize),
    /// Somewhere: the next message has to be found.
    Lost,
}

/// One direction of a connection that carries SIP.
#[derive(Debug)]
pub struct Framer {
    state: State,
    /// The beginning of what is not whole yet.
    buffer: Vec<u8>,
    /// Bytes in vain, while nothing was SIP.
    strange: usize,
    refused: bool,
}

/// What to do with the bytes at hand.
enum Step {
    /// There are too few.
    Wait,
    Pass(usize),
    /// So many are a message, with or without a usable Content-Length.
    Message(usize, Length),
}

impl Framer {
    /// `from_start`: the connection's first byte comes next. `on_sip_port`: it is expected to be SIP.
    pub fn new(from_start: bool, on_sip_port: bool) -> Framer {
        let doubt = match (on_sip_port, from_start) {
            (true, true) => Doubt::None,
            (true, false) => Doubt::Slight,
            (false, _) => Doubt::Full,
        };
        Framer { state: State::Start(doubt), buffer: Vec::new(), strange: 0, refused: false }
    }

    /// Whether this is no SIP: then [`Self::take`] has what it is.
    pub fn is_refused(&self) -> bool {
        self.refused
    }

    /// Whether no message has begun, so that another protocol may begin instead.
    pub fn is_open(&self) -> bool {
        match self.state {
            State::Start(_) => self.buffer.is_empty(),
            State::Lost => true,
            _ => false,
        }
    }

    /// Memory that is held, bytes.
    pub fn bytes(&self) -> usize {
        self.buffer.capacity()
    }

    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.buffer)
    }

    /// Takes bytes that follow those before.
    pub fn data<'a>(&mut self, bytes: Cow<'a, [u8]>, sink: &mut Sink<'a, '_>) {
        let mut buffer = std::mem::take(&mut self.buffer);
        feed(&mut buffer, bytes, |held| self.read(held, sink));
        self.buffer = buffer;
    }

    /// Hands over what is whole, and says how many bytes are done with.
    fn read<'a>(&mut self, held: &Held<'_, 'a>, sink: &mut Sink<'a, '_>) -> usize {
        let mut at = 0;
        while !self.refused {
            match self.step(&held.bytes[at..], sink) {
                Step::Wait => break,
                Step::Pass(count) => at += count,
                Step::Message(length, header) => {
                    sink.message(Transport::Tcp, held.part(at..at + length), false);
                    if header == Length::Missing {
                        sink.malformed(Malformed::ContentLength);
                    }
                    at += length;
                }
            }
        }
        at
    }

    fn step(&mut self, bytes: &[u8], sink: &mut Sink<'_, '_>) -> Step {
        match self.state {
            State::Start(doubt) => self.opening(bytes, doubt, sink),
            State::Between => self.opening(bytes, Doubt::None, sink),
            State::Head { doubt, line, searched } => self.head(bytes, doubt, (line, searched), sink),
            State::Body(whole) if bytes.len() >= whole => {
                self.state = State::Between;
                Step::Message(whole, Length::Known(whole))
            }
            State::Body(_) => Step::Wait,
            State::Rest(0) => {
                self.state = State::Between;
                Step::Pass(0)
            }
            State::Rest(_) if bytes.is_empty() => Step::Wait,
            State::Rest(rest) => {
                let here = rest.min(bytes.len());
                self.state = State::Rest(rest - here);
                Step::Pass(here)
            }
            State::Lost => match framing::find_start(bytes) {
                Found::Start(at) => {
                    self.state = State::Head { doubt: Doubt::Full, line: 0, searched: 0 };
                    Step::Pass(at)
                }
                Found::Keep(0) => Step::Wait,
                Found::Keep(from) => {
                    self.strange += from;
                    self.refused = !sink.is_proven() && self.strange > MAX_STRANGE;
                    Step::Pass(from)
                }
            },
        }
    }

    /// Where a message should begin.
    fn opening(&mut self, bytes: &[u8], doubt: Doubt, sink: &mut Sink<'_, '_>) -> Step {
        // Empty lines before a message (RFC 3261 section 7.5), and what keeps connections alive (RFC 5626 section 3.5.1).
        let idle = bytes.iter().take_while(|byte| matches!(byte, b'\r' | b'\n' | 0)).count();
        if idle > 0 {
            return Step::Pass(idle);
        }
        match framing::opening(bytes) {
            Opening::Incomplete => Step::Wait,
            Opening::Start => {
                self.state = State::Head { doubt, line: 0, searched: 0 };
                Step::Pass(0)
            }
            _ if doubt == Doubt::Slight => {
                self.state = State::Lost;
                Step::Pass(0)
            }
            Opening::Broken => {
                sink.malformed(Malformed::StartLine);
                self.lose(Reason::Garbage, sink)
            }
            Opening::Nothing if sink.is_proven() => self.lose(Reason::Garbage, sink),
            Opening::Nothing => {
                self.refused = true;
                Step::Wait
            }
        }
    }

    fn head(&mut self, bytes: &[u8], doubt: Doubt, (line, searched): (usize, usize), sink: &mut Sink<'_, '_>) -> Step {
        let end = match framing::head(bytes, line, searched, doubt != Doubt::None) {
            Head::Whole(end) if end <= MAX_HEAD => end,
            Head::Incomplete(line) if bytes.len() <= MAX_HEAD => {
                self.state = State::Head { doubt, line, searched: bytes.len() };
                return Step::Wait;
            }
            // A message that begins before a broken line, or with a head that is too long, has the same in its own head.
            Head::Broken(line) => return self.disappointed(line, sink),
            Head::Whole(end) => return self.disappointed(end, sink),
            Head::Incomplete(_) => return self.disappointed(bytes.len(), sink),
        };
        let believed = match doubt {
            Doubt::None => true,
            Doubt::Slight => framing::is_whole_start(&bytes[..end]),
            Doubt::Full => framing::is_plausible(&bytes[..end]),
        };
        if !believed {
            return self.disappointed(end, sink);
        }
        match framing::body_length(&bytes[..end]) {
            Length::Known(body) => {
                self.state = State::Body(end + body);
                Step::Pass(0)
            }
            length => self.unmeasured(bytes, end, length),
        }
    }

    /// What was taken for a message is none, and before `from` none begins.
    fn disappointed(&mut self, from: usize, sink: &mut Sink<'_, '_>) -> Step {
        let from = match self.state {
            State::Head { doubt: Doubt::None, .. } => {
                self.lose(Reason::Garbage, sink);
                from
            }
            // It was not looked for: one may begin within its first line.
            State::Head { doubt: Doubt::Slight, .. } => 0,
            _ => from,
        };
        self.strange += from;
        self.state = State::Lost;
        Step::Pass(from)
    }

    /// A message whose end nothing tells: it goes to the next start line, or to the end of what was sent together.
    fn unmeasured(&mut self, bytes: &[u8], end: usize, length: Length) -> Step {
        let rest = &bytes[end..];
        let idle = rest.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        let body = match (framing::find_start(&rest[idle..]), framing::opening(&rest[idle..])) {
            (Found::Start(0), _) | (Found::Keep(_), Opening::Incomplete | Opening::Start) => {
                self.state = State::Between;
                return Step::Message(end, length);
            }
            (Found::Start(at), _) => idle + at,
            (Found::Keep(_), _) => rest.len(),
        };
        self.state = State::Lost;
        Step::Message(end + body, length)
    }

    fn lose(&mut self, reason: Reason, sink: &mut Sink<'_, '_>) -> Step {
        sink.resynchronised(reason);
        self.state = State::Lost;
        Step::Pass(0)
    }

    /// So many bytes that follow those before were not captured; `cut`: they were cut off a segment that was.
    pub fn lost(&mut self, count: usize, cut: bool, sink: &mut Sink<'_, '_>) {
        let buffer = self.take();
        match self.state {
            State::Rest(rest) if count <= rest => self.state = State::Rest(rest - count),
            State::Body(whole) => {
                let rest = whole - buffer.len();
                sink.message(Transport::Tcp, Cow::Owned(buffer), true);
                self.state = State::Rest(rest.saturating_sub(count));
                if count > rest {
                    self.lose(Reason::Gap, sink);
                }
            }
            State::Lost => {}
            State::Head { .. } if cut && begins_message(&buffer) => {
                sink.message(Transport::Tcp, Cow::Owned(buffer), true);
                self.lose(Reason::Gap, sink);
            }
            _ => {
                self.lose(Reason::Gap, sink);
            }
        }
    }

    /// Nothing follows any more; `cut`: more may have been sent. A message with a whole head is worth having, and one that its
    /// sender did not end.
    pub fn end(&mut self, cut: bool, sink: &mut Sink<'_, '_>) {
        let buffer = self.take();
        match self.state {
            State::Body(_) => sink.message(Transport::Tcp, Cow::Owned(buffer), cut),
            State::Head { doubt: Doubt::None | Doubt::Slight, .. } if !cut && begins_message(&buffer) => {
                sink.message(Transport::Tcp, Cow::Owned(buffer), cut);
            }
            _ => {}
        }
        self.state = State::Between;
    }
}
