//! Header fields (RFC 3261 section 7.3): from lines to names and values.

use super::super::scan::{self, Places, find, trim_end, trim_start};

/// A header field.
#[derive(Debug, PartialEq)]
pub(super) struct Field<'a> {
    pub name: &'a [u8],
    /// The name as [`scan::name`] has it; 0 where it is longer.
    key: u128,
    /// Its [`place`].
    place: usize,
    pub value: &'a [u8],
}

/// The header fields that are read of every message.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Known {
    Via,
    From,
    To,
    CallId,
    CSeq,
    Contact,
    ContentLength,
    ContentType,
    Expires,
    UserAgent,
    Credentials,
}

/// Their names, and the compact forms (RFC 3261 section 7.3.3), but for the one that is longer than 16 bytes.
const NAMES: [(&[u8], Known); 18] = [
    (b"via", Known::Via),
    (b"v", Known::Via),
    (b"from", Known::From),
    (b"f", Known::From),
    (b"to", Known::To),
    (b"t", Known::To),
    (b"call-id", Known::CallId),
    (b"i", Known::CallId),
    (b"cseq", Known::CSeq),
    (b"contact", Known::Contact),
    (b"m", Known::Contact),
    (b"content-length", Known::ContentLength),
    (b"l", Known::ContentLength),
    (b"content-type", Known::ContentType),
    (b"c", Known::ContentType),
    (b"expires", Known::Expires),
    (b"user-agent", Known::UserAgent),
    (b"authorization", Known::Credentials),
];

/// Places of [`KNOWN`].
const PLACES: usize = 64;

/// The known names of up to 16 bytes, each at its place.
static KNOWN: [(u128, Option<Known>); PLACES] = {
    let (mut known, mut at) = ([(u128::MAX, None); PLACES], 0);
    while at < NAMES.len() {
        let (name, field) = NAMES[at];
        let row = &mut known[place_of(name)];
        assert!(row.1.is_none(), "two names at one place");
        *row = (scan::name(name), Some(field));
        at += 1;
    }
    known
};

/// One of 64 places for a name, by its first 16 bytes as [`scan::name`] has them; the factor keeps the known names apart, and those
/// that are looked for from those that are usual.
#[inline(always)]
const fn place(key: u128) -> usize {
    let folded = (key >> 64) as u64 ^ key as u64;
    (folded.wrapping_mul(0x95e6_561b_9a3f_8fbd) >> 58) as usize
}

const fn place_of(name: &[u8]) -> usize {
    place(scan::name(name))
}

/// One of 64 bits for a name: what has another bit is another name.
pub(super) const fn mark(name: &[u8]) -> u64 {
    1 << place_of(name)
}

impl Field<'_> {
    /// The [`mark`] of its name.
    #[inline(always)]
    pub fn mark(&self) -> u64 {
        1 << self.place
    }

    /// Which of the known ones it is.
    #[inline(always)]
    pub fn known(&self) -> Option<Known> {
        let (key, known) = KNOWN[self.place];
        if key == self.key {
            return known;
        }
        // The only one that has no key.
        let is_long = self.key == 0 && self.name.eq_ignore_ascii_case(b"proxy-authorization");
        is_long.then_some(Known::Credentials)
    }
}

/// The header fields; when they are done, the body begins at `from`.
pub(super) struct Fields<'a> {
    text: &'a [u8],
    /// Where the next line begins.
    pub from: usize,
    ends: Places<'a, b'\n'>,
}

impl<'a> Fields<'a> {
    /// Of a text that begins with a header field.
    pub fn of(text: &'a [u8]) -> Fields<'a> {
        Fields { text, from: 0, ends: Places::of(text) }
    }

    /// Of a message; gives its first line.
    #[inline]
    pub fn of_message(text: &'a [u8]) -> (&'a [u8], Fields<'a>) {
        let mut ends = Places::of(text);
        let end = ends.next().unwrap_or(text.len());
        (trim_end(&text[..end]), Fields { text, from: (end + 1).min(text.len()), ends })
    }

    #[inline(always)]
    pub fn read(&mut self) -> Option<Field<'a>> {
        loop {
            let start = self.from;
            let end = self.ends.next().unwrap_or(self.text.len());
            if let Some(field) = plain(self.text, start, end) {
                self.from = end + 1;
                return Some(field);
            }
            if end.wrapping_sub(start) == 1 && self.text.get(start) == Some(&b'\r') {
                self.from = (end + 1).min(self.text.len());
                return None;
            }
            match self.any(start, end) {
                Line::Field(field) => return Some(field),
                Line::Other => {}
                Line::Empty => return None,
            }
        }
    }

    /// The line from `start` to `end`, whatever it is like.
    #[inline(never)]
    fn any(&mut self, start: usize, mut end: usize) -> Line<'a> {
        let text = self.text;
        let mut line = trim_end(&text[start..end]);
        if line.is_empty() {
            self.from = (end + 1).min(text.len());
            return Line::Empty;
        }
        // Further lines that are folded onto it (RFC 3261 section 7.3.1).
        if let Some(b' ' | b'\t') = text.get(end + 1) {
            while let Some(b' ' | b'\t') = text.get(end + 1) {
                end = self.ends.next().unwrap_or(text.len());
            }
            line = trim_end(&text[start..end]);
        }
        self.from = (end + 1).min(text.len());
        let Some(colon) = find(line, b':') else { return Line::Other };
        let (name, value) = (trim_end(&line[..colon]), trim_start(&line[colon + 1..]));
        let start = scan::folded_start(name, name.len());
        let key = if name.len() <= 16 { start } else { 0 };
        Line::Field(Field { name, key, place: place(start), value })
    }
}

enum Line<'a> {
    Field(Field<'a>),
    /// It has no colon.
    Other,
    /// The one between header and body.
    Empty,
}

/// A field as nearly all are written: a name of less than 16 bytes, a colon, a space, a value, CRLF, and nothing folded onto it.
#[inline(always)]
fn plain(text: &[u8], start: usize, end: usize) -> Option<Field<'_>> {
    let text = text.get(start..)?;
    let (word, (line, [_, next, ..])) = (text.first_chunk()?, text.split_at_checked(end - start)?) else { return None };
    let [line @ .., b'\r'] = line else { return None };
    let colon = scan::find_near(word, b':')?;
    let (name, [_, b' ', value @ ..]) = line.split_at_checked(colon)? else { return None };
    let (before, first, last) = (*name.last()?, *value.first()?, *value.last()?);
    // White space, or what else is rare there.
    if before <= b' ' || first <= b' ' || last <= b' ' || matches!(next, b' ' | b'\t') {
        return None;
    }
    let key = scan::folded(word, colon);
    Some(Field { name, key, place: place(key), value })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// All fields, each line read as if it were an odd one.
    fn slowly(text: &[u8]) -> Vec<Field<'_>> {
        let (mut fields, mut all) = (Fields::of(text), Vec::new());
        loop {
            let (start, end) = (fields.from, fields.ends.next().unwrap_or(text.len()));
            match fields.any(start, end) {
                Line::Field(field) => all.push(field),
                Line::Other => {}
                Line::Empty => return all,
            }
        }
    }

    #[test]
    fn known_names_are_known_in_any_case_and_others_are_not() {
        for (name, known) in NAMES {
            for name in [name.to_vec(), name.to_ascii_uppercase()] {
                let line = [&name, &b": x\r\n\r\n"[..], &[b'x'; 16]].concat();
                let field = Fields::of(&line).read().expect("a field");
                assert_eq!((field.name, field.known(), field.value), (&name[..], Some(known), &b"x"[..]));
                let longer = [b"x", &line[..]].concat();
                assert_eq!(Fields::of(&longer).read().and_then(|field| field.known()), None);
            }
        }
    }

    proptest! {
        #[test]
        fn plain_lines_are_read_as_all_others(pieces in prop::collection::vec(prop::sample::select(vec![
            "Via", "v", "Call-ID", "Content-Length", "Proxy-Authorization", ":", ": ", " ", "\t", "\r\n", "\n", "\r", "x", "\"", "\u{1}", "",
            ": 1\r\n", "To: <sip:a@b>\r\n", "Supported: replaces, timer\r\n",
        ]), 0..40)) {
            let text = pieces.concat();
            let mut fields = Fields::of(text.as_bytes());
            let read: Vec<Field<'_>> = std::iter::from_fn(|| fields.read()).collect();
            prop_assert_eq!(read, slowly(text.as_bytes()));
        }
    }
}
