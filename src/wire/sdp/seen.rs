//! Descriptions that were read before: one program's mostly differ in nothing but address and port.

use super::{Formats, Media, Session, endpoint, parse_lines};
use crate::wire::scan;

/// Sections that are remembered, and the longest one.
const MOST: usize = 16;
const LONGEST: usize = 1024;

/// The sections that came last, each once.
#[derive(Debug, Default)]
pub struct Seen {
    sections: Vec<Known>,
    /// The one that gives way next.
    oldest: usize,
    /// How many are remembered.
    most: usize,
}

/// A section, read.
#[derive(Debug)]
struct Known {
    kind: Box<[u8]>,
    rest: Box<[u8]>,
    media: Media,
}

/// The text of a section up to the end of its description, without its port.
pub(super) struct Section<'a> {
    kind: &'a [u8],
    port: u16,
    rest: &'a [u8],
}

impl<'a> Section<'a> {
    /// `value` is what stands behind the `m=` of its first line, `rest` that line and all behind it.
    pub fn of(value: &'a [u8], rest: &'a [u8]) -> Option<Section<'a>> {
        // What begins with a space has its kind behind it.
        let (kind, behind) = value.split_at(scan::find(value, b' ').filter(|at| *at > 0)?);
        let (port, behind) = scan::digits(&behind[1..])?;
        let rest = rest.get(2 + value.len() - behind.len()..)?;
        Some(Section { kind, port: u16::try_from(port).ok()?, rest })
    }
}

impl Seen {
    pub fn new() -> Seen {
        Seen { most: MOST, ..Seen::default() }
    }

    /// Remembers none.
    pub(super) fn none() -> Seen {
        Seen::default()
    }

    /// As [`super::parse`], sooner where all but address and port was seen before.
    pub fn parse(&mut self, body: &[u8]) -> Vec<Media> {
        // Lines end with LF, CR before it or not; where there is no LF, with CR.
        match scan::find(body, b'\n') {
            Some(_) => parse_lines::<b'\n'>(body, self),
            None => parse_lines::<b'\r'>(body, &mut Seen::none()),
        }
    }

    /// The section, if it was seen before.
    pub(super) fn again(&self, section: &Section<'_>, session: &Session) -> Option<Media> {
        let Section { kind, port, rest } = *section;
        let known = self.sections.iter().find(|known| *known.rest == *rest && *known.kind == *kind)?;
        let formats = Formats::from_slice(&known.media.formats);
        let receives_at = endpoint(session.address, port);
        // What would belong to its address it has not.
        Some(Media { port, receives_at, candidates: Vec::new(), rtcp: None, formats, ..known.media })
    }

    /// Remembers a section, if nothing else in it belongs to its address: that shows only where it has one.
    pub(super) fn keep(&mut self, section: &Section<'_>, media: &Media) {
        let is_bare = media.receives_at.is_some() && media.rtcp.is_none() && media.candidates.is_empty();
        if self.most == 0 || !is_bare || section.rest.len() > LONGEST {
            return;
        }
        let known = Known { kind: section.kind.into(), rest: section.rest.into(), media: media.clone() };
        if self.sections.len() < self.most {
            self.sections.push(known);
        } else if let Some(oldest) = self.sections.get_mut(self.oldest) {
            *oldest = known;
            self.oldest = (self.oldest + 1) % self.most;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::parse;
    use super::*;

    #[test]
    fn what_needs_an_address_is_not_taken_from_a_section_without_one() {
        let (section, mut seen) = ("m=audio 4000 RTP/AVP 0\r\na=rtcp:5000\r\n", Seen::new());
        for body in [section.to_owned(), format!("c=IN IP4 192.0.2.1\r\n{section}")] {
            assert_eq!(seen.parse(body.as_bytes()), parse(body.as_bytes()));
        }
    }

    proptest! {
        #[test]
        fn what_was_seen_changes_nothing(bodies in prop::collection::vec(prop::collection::vec(prop::sample::select(vec![
            "v=0\r\n", "c=IN IP4 192.0.2.1\r\n", "c=IN IP4 192.0.2.2\n", "m=audio 4000 RTP/AVP 0 101\r\n", "m=audio 4002 RTP/AVP 0 101\r\n",
            "m=video 4000 RTP/AVP 0 101\r\n", "m=audio 4000/2 RTP/SAVP 8\r\n", "m=audio 99999 RTP/AVP 0\r\n", "m=audio\r\n", "m= 5 RTP/AVP 0\r",
            "m= 5 7 RTP/AVP 0 101\r\n", "m= 5 9 RTP/AVP 0 101\r\n", "m=audio  4000 RTP/AVP 0\r\n", "m=audio 0 RTP/AVP 0 101\r\n",
            "a=sendonly\r\n", "a=rtpmap:101 telephone-event/8000\r\n", "a=rtcp:5000\r\n", "a=crypto:1 x\r\n", "a=inactive\r", "",
            "a=candidate:1 1 UDP 2130706431 192.0.2.1 8998 typ host\r\n",
        ]), 0..5), 0..40)) {
            let mut seen = Seen::new();
            for body in bodies {
                let body = body.concat();
                prop_assert_eq!(seen.parse(body.as_bytes()), parse(body.as_bytes()));
            }
            prop_assert!(seen.sections.len() <= MOST);
        }
    }
}
