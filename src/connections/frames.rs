//! SIP over WebSocket (RFC 7118): one message each WebSocket message, whole or in frames (RFC 6455 section 5.4).

use std::borrow::Cow;

use crate::wire::Transport;
use crate::wire::sip::framing::{self, Head, MAX_BODY, MAX_HEAD, Opening, begins_message};
use crate::wire::sip::{self, Method};
use crate::wire::websocket::{self, Frame, Header, Opcode};

use super::Sink;
use super::held::{Held, feed};
use super::numbers::{Protocol, Reason};

const MAX_MESSAGE: usize = MAX_HEAD + MAX_BODY;
/// The start line has to stand in so many bytes of a frame that is taken for one without having seen what came before.
const MAX_LINE: usize = 8 << 10;
/// Enough of a payload to know that it is no SIP: the longest method, and what follows it.
const A_GLANCE: usize = 40;

#[derive(Clone, Copy, Debug)]
enum State {
    /// In the HTTP head, of which so many bytes have been looked at, the last of them in the line that begins at `line`.
    Upgrade { line: usize, searched: usize },
    /// Where a frame begins.
    Frames,
    /// So many bytes of a frame of which others are lost are still to come.
    Rest(usize),
    /// Somewhere: the next frame has to be found.
    Lost,
}

/// A message in several frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Open {
    None,
    Gathering,
    /// It was handed over cut: what still comes of it is passed over.
    Damaged,
}

/// One direction of a WebSocket connection.
#[derive(Debug)]
pub struct Frames {
    state: State,
    /// The beginning of what is not whole yet.
    buffer: Vec<u8>,
    message: Vec<u8>,
    open: Open,
    /// The sub-protocol says so.
    is_sip: bool,
    /// Frames had to be looked for: what was found may have been none.
    was_lost: bool,
    was_compressed: bool,
    refused: Option<Protocol>,
}

impl Frames {
    /// From the HTTP request, or the response, on.
    pub fn behind_upgrade() -> Frames {
        Frames {
            state: State::Upgrade { line: 0, searched: 0 },
            buffer: Vec::new(),
            message: Vec::new(),
            open: Open::None,
            is_sip: false,
            was_lost: false,
            was_compressed: false,
            refused: None,
        }
    }

    /// From anywhere on.
    pub fn in_the_middle() -> Frames {
        Frames { state: State::Lost, was_lost: true, ..Frames::behind_upgrade() }
    }

    /// What this is in place of readable SIP.
    pub fn refused(&self) -> Option<Protocol> {
        self.refused
    }

    /// Whether both ends said that they speak SIP.
    pub fn is_sip(&self) -> bool {
        self.is_sip
    }

    /// Memory that is held, bytes.
    pub fn bytes(&self) -> usize {
        self.buffer.capacity() + self.message.capacity()
    }

    /// Takes bytes that follow those before.
    pub fn data<'a>(&mut self, bytes: Cow<'a, [u8]>, sink: &mut Sink<'a, '_>) {
        let mut buffer = std::mem::take(&mut self.buffer);
        feed(&mut buffer, bytes, |held| self.read(held, sink));
        self.buffer = buffer;
    }

    /// Reads what is whole, and says how many bytes are done with.
    fn read<'a>(&mut self, held: &Held<'_, 'a>, sink: &mut Sink<'a, '_>) -> usize {
        let mut at = 0;
        while self.refused.is_none() {
            let rest = &held.bytes[at..];
            at += match self.state {
                State::Upgrade { line, searched } => match self.upgrade(rest, line, searched) {
                    Some(count) => count,
                    None => break,
                },
                State::Rest(0) => {
                    self.state = State::Frames;
                    0
                }
                State::Rest(_) | State::Frames | State::Lost if rest.is_empty() => break,
                State::Rest(count) => {
                    let here = count.min(rest.len());
                    self.state = State::Rest(count - here);
                    here
                }
                State::Frames => match websocket::header(rest) {
                    Header::Incomplete => break,
                    Header::Frame(frame) if frame.length > MAX_MESSAGE => self.stray(sink),
                    Header::Broken => self.stray(sink),
                    Header::Frame(frame) if rest.len() < frame.header + frame.length => break,
                    Header::Frame(frame) => {
                        let end = frame.header + frame.length;
                        let payload = &rest[frame.header..end];
                        self.frame(&frame, payload, || held.part(at + frame.header..at + end), sink);
                        end
                    }
                },
                State::Lost => match find(rest) {
                    Place::Frame(start) => {
                        self.state = State::Frames;
                        start
                    }
                    Place::Keep(0) => break,
                    Place::Keep(start) => start,
                },
            };
        }
        at
    }

    /// The HTTP head: how many bytes are done with, or none while there are too few.
    fn upgrade(&mut self, bytes: &[u8], line: usize, searched: usize) -> Option<usize> {
        let begins = |with: &[u8]| bytes.iter().zip(with).all(|(a, b)| a == b);
        if bytes.is_empty() {
            return None;
        }
        if !begins(b"GET ") && !begins(b"HTTP/") {
            // The capture began behind it.
            (self.state, self.was_lost) = (State::Lost, true);
            return Some(0);
        }
        match framing::head(bytes, line, searched, false) {
            Head::Whole(end) => match websocket::upgrade(&bytes[..end]) {
                Some(upgrade) => {
                    (self.is_sip, self.state) = (upgrade.is_sip, State::Frames);
                    return Some(end);
                }
                None => self.refused = Some(Protocol::Other),
            },
            Head::Incomplete(_) if bytes.len() > MAX_HEAD => self.refused = Some(Protocol::Other),
            Head::Incomplete(line) => self.state = State::Upgrade { line, searched: bytes.len() },
            Head::Broken(_) => {}
        }
        None
    }

    /// What stands here is no frame.
    fn stray(&mut self, sink: &mut Sink<'_, '_>) -> usize {
        if sink.is_proven() || self.is_sip || self.was_lost {
            self.lose(Reason::Garbage, sink);
        } else {
            self.refused = Some(Protocol::Other);
        }
        0
    }

    fn frame<'a>(&mut self, frame: &Frame, payload: &[u8], copy: impl Fn() -> Cow<'a, [u8]>, sink: &mut Sink<'a, '_>) {
        match (frame.opcode, self.open) {
            (Opcode::Control, _) | (Opcode::Continuation, Open::None) => {}
            (Opcode::Continuation, Open::Damaged) if frame.is_final => self.open = Open::None,
            (Opcode::Continuation, Open::Damaged) => {}
            _ if frame.is_compressed => self.compressed(frame, sink),
            (Opcode::Continuation, Open::Gathering) => self.gather(frame, payload, sink),
            (Opcode::Data, _) if frame.is_final && !frame.is_masked() => self.message(copy(), sink),
            (Opcode::Data, _) => {
                self.message.clear();
                self.gather(frame, payload, sink);
            }
        }
    }

    /// A message that is not read. Others of the same connection may be: each is compressed or not (RFC 7692 section 6).
    fn compressed(&mut self, frame: &Frame, sink: &mut Sink<'_, '_>) {
        if self.was_lost {
            return self.lose(Reason::Garbage, sink);
        }
        if !sink.is_proven() {
            self.refused = Some(Protocol::CompressedWebSocket);
            return;
        }
        if !std::mem::replace(&mut self.was_compressed, true) {
            sink.numbers.unreadable(Protocol::CompressedWebSocket);
        }
        self.open = if frame.is_final { Open::None } else { Open::Damaged };
    }

    /// Adds a frame to the message; RFC 6455 section 5.4 lets a message have any number.
    fn gather(&mut self, frame: &Frame, payload: &[u8], sink: &mut Sink<'_, '_>) {
        frame.unmask_into(payload, &mut self.message);
        self.open = if frame.is_final { Open::None } else { Open::Gathering };
        if frame.is_final {
            let message = std::mem::take(&mut self.message);
            self.message(Cow::Owned(message), sink);
        } else if self.message.len() > MAX_MESSAGE {
            self.message = Vec::new();
            self.open = Open::Damaged;
        }
    }

    fn message<'a>(&mut self, bytes: Cow<'a, [u8]>, sink: &mut Sink<'a, '_>) {
        let idle = bytes.iter().all(|byte| matches!(byte, b'\r' | b'\n'));
        if idle {
            return;
        }
        if self.is_sip || sink.is_proven() || begins_message(&bytes) {
            if sip::looks_like_text(&bytes) {
                sink.message(Transport::Ws, bytes, false);
            }
        } else if !self.was_lost {
            self.refused = Some(Protocol::Other);
        }
    }

    fn lose(&mut self, reason: Reason, sink: &mut Sink<'_, '_>) {
        sink.resynchronised(reason);
        self.damaged(sink);
        (self.state, self.open, self.was_lost) = (State::Lost, Open::None, true);
    }

    /// The message that is gathered will not be whole.
    fn damaged(&mut self, sink: &mut Sink<'_, '_>) {
        let message = std::mem::take(&mut self.message);
        if begins_message(&message) {
            sink.message(Transport::Ws, Cow::Owned(message), true);
        }
    }

    /// So many bytes that follow those before were not captured.
    pub fn lost(&mut self, count: usize, sink: &mut Sink<'_, '_>) {
        let buffer = std::mem::take(&mut self.buffer);
        let frame = match (self.state, websocket::header(&buffer)) {
            (State::Rest(rest), _) if count <= rest => {
                self.state = State::Rest(rest - count);
                return;
            }
            (State::Lost, _) => return,
            (State::Frames, Header::Frame(frame)) if frame.length <= MAX_MESSAGE => frame,
            _ => return self.lose(Reason::Gap, sink),
        };
        let rest = (frame.header + frame.length).saturating_sub(buffer.len());
        if frame.opcode != Opcode::Control && !frame.is_compressed {
            if frame.opcode == Opcode::Data {
                (self.open, self.message) = (Open::Gathering, Vec::new());
            }
            if self.open == Open::Gathering {
                frame.unmask_into(&buffer[frame.header..], &mut self.message);
                self.damaged(sink);
            }
            self.open = if frame.is_final { Open::None } else { Open::Damaged };
        }
        self.state = State::Rest(rest.saturating_sub(count));
        if count > rest {
            self.lose(Reason::Gap, sink);
        }
    }

    /// Nothing follows any more.
    pub fn end(&mut self, sink: &mut Sink<'_, '_>) {
        self.buffer = Vec::new();
        self.damaged(sink);
        (self.state, self.open) = (State::Lost, Open::None);
    }
}

/// Where a frame with SIP in it is.
enum Place {
    Frame(usize),
    /// Nowhere yet; what stands before this place is of no use.
    Keep(usize),
}

fn find(bytes: &[u8]) -> Place {
    let (mut possible, mut text) = (bytes.len(), Vec::new());
    for (at, first) in bytes.iter().enumerate() {
        if matches!(first, 0x01 | 0x02 | 0x81 | 0x82) {
            match has_sip(&bytes[at..], &mut text) {
                Some(true) => return Place::Frame(at),
                None => possible = possible.min(at),
                Some(false) => {}
            }
        }
    }
    Place::Keep(possible)
}

/// Whether a data frame stands here whose payload begins as a SIP message does; `None` where there are too few bytes. `text` is
/// where it is unmasked.
fn has_sip(bytes: &[u8], text: &mut Vec<u8>) -> Option<bool> {
    let frame = match websocket::header(bytes) {
        Header::Incomplete => return None,
        Header::Frame(frame) if frame.opcode == Opcode::Data && !frame.is_compressed && frame.length <= MAX_MESSAGE => {
            frame
        }
        _ => return Some(false),
    };
    let payload = &bytes[frame.header..bytes.len().min(frame.header + frame.length)];
    for part in [A_GLANCE, MAX_LINE] {
        text.clear();
        frame.unmask_into(&payload[..payload.len().min(part)], text);
        match framing::opening(text) {
            Opening::Start => return Some(is_known(text)),
            Opening::Broken | Opening::Nothing => return Some(false),
            Opening::Incomplete => {}
        }
    }
    // The start line may go on in the rest of the frame, if there is one.
    if payload.len() < frame.length.min(MAX_LINE) { None } else { Some(false) }
}

/// Whether a start line has a method that is known, or none: where `I` is taken for a length, `NVITE` is another.
fn is_known(text: &[u8]) -> bool {
    let method = text.split(|&byte| byte == b' ').next().unwrap_or(&[]);
    text.starts_with(b"SIP/") || Method::from_bytes(method) != Method::Other
}

/// Whether a segment begins with a frame that has a SIP message in it.
pub fn begins_with_sip(bytes: &[u8]) -> bool {
    has_sip(bytes, &mut Vec::new()) == Some(true)
}
