//! Frames on their way to the core, read as far as that takes no state: another thread may do it, and they may wait for those of
//! other interfaces without being kept whole.

use std::collections::VecDeque;

use crate::media::{Key, Share};
use crate::time::Timestamp;
use crate::wire::rtp::{self, Kind};
use crate::wire::{self, Decoded, LinkType, Point};

use super::Engine;

/// A frame's place in its batch.
#[derive(Clone, Copy, Debug)]
struct Item {
    time: Timestamp,
    /// Length on the wire.
    length: u32,
    content: Content,
}

#[derive(Clone, Copy, Debug)]
enum Content {
    Rtp(Rtp),
    /// What the core has to read itself: its bytes lie in the batch.
    Frame {
        link: LinkType,
        captured: u32,
    },
}

/// An RTP packet, and all that the core needs of it.
#[derive(Clone, Copy, Debug)]
pub struct Rtp {
    pub key: Key,
    pub packet: rtp::Packet,
    pub point: Point,
}

/// Frames of one interface, in the order in which they came.
#[derive(Debug, Default)]
pub struct Batch {
    interface: usize,
    items: VecDeque<Item>,
    bytes: Vec<u8>,
    /// Where the bytes of the first frame that has any begin.
    start: usize,
    /// Frames that are no part of the share, and their bytes on the wire.
    left_out: (u64, u64),
}

impl Batch {
    pub fn on(interface: usize) -> Batch {
        Batch { interface, ..Batch::default() }
    }

    /// The memory of a spent batch, for another.
    pub fn now_on(self, interface: usize) -> Batch {
        Batch { interface, ..self }
    }

    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// All that were taken in, those that are left out included.
    pub fn frames(&self) -> u64 {
        self.items.len() as u64 + self.left_out.0
    }

    /// Memory that what waits here takes, about.
    pub fn size(&self) -> usize {
        self.items.len() * size_of::<Item>() + self.bytes.len() - self.start
    }

    /// Frames that there is memory for.
    pub fn room(&self) -> usize {
        self.items.capacity()
    }

    /// When the first frame was captured.
    #[inline]
    pub fn time(&self) -> Option<Timestamp> {
        self.items.front().map(|item| item.time)
    }

    /// Gives all frames other times.
    pub fn retime(&mut self, time_of: impl Fn(Timestamp) -> Timestamp) {
        for item in &mut self.items {
            item.time = time_of(item.time);
        }
    }

    /// Takes a frame in, unless it is a packet of a stream outside the share; `length` is its length on the wire.
    #[inline]
    pub fn put(&mut self, share: Share, time: Timestamp, link: LinkType, length: u32, frame: &[u8]) {
        let content = match rtp(self.interface, link, frame) {
            Some(rtp) if share.has(&rtp.key) => Content::Rtp(rtp),
            Some(_) => {
                self.left_out = (self.left_out.0 + 1, self.left_out.1 + u64::from(length));
                return;
            }
            None => {
                self.bytes.extend_from_slice(frame);
                Content::Frame { link, captured: frame.len() as u32 }
            }
        };
        self.items.push_back(Item { time, length, content });
    }

    /// Tells the core of what was left out.
    pub fn settle(&mut self, engine: &mut Engine) {
        let (packets, bytes) = std::mem::take(&mut self.left_out);
        engine.left_out(self.interface, packets, bytes);
    }

    /// Hands the first frame to the core.
    #[inline]
    pub fn hand_on(&mut self, engine: &mut Engine) {
        let Some(Item { time, length, content }) = self.items.pop_front() else { return };
        match content {
            Content::Rtp(rtp) => engine.rtp(self.interface, time, length, &rtp),
            Content::Frame { link, captured } => {
                let end = self.start + captured as usize;
                engine.frame(self.interface, time, link, length, self.bytes.get(self.start..end).unwrap_or_default());
                self.start = end;
                if end == self.bytes.len() {
                    self.bytes.clear();
                    self.start = 0;
                }
            }
        }
    }
}

/// An RTP packet, where a frame holds all of one.
#[inline]
fn rtp(interface: usize, link: LinkType, frame: &[u8]) -> Option<Rtp> {
    if link == LinkType::ETHERNET
        && let Some((datagram, packet)) = wire::plain::rtp(frame)
    {
        return Some(Rtp { key: Key::of(&datagram, packet.ssrc), packet, point: datagram.point.on(interface) });
    }
    let Ok(Decoded::Datagram(datagram)) = wire::decode(link, frame) else { return None };
    if rtp::kind(datagram.payload) != Kind::Rtp {
        return None;
    }
    let packet = rtp::Packet::parse(datagram.payload, datagram.length)?;
    Some(Rtp { key: Key::of(&datagram, packet.ssrc), packet, point: datagram.point.on(interface) })
}
