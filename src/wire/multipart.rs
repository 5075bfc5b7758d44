//! Bodies of several parts (RFC 2046 section 5.1, RFC 5621), of which one type is wanted.

use memchr::memchr;
use memchr::memmem::Finder;

use super::sip::{Name, parameter};

/// RFC 2046 section 5.1.1: a boundary has at most 70 characters.
const MAX_BOUNDARY: usize = 70;

/// The body if it is of the wanted type, or its first part that is.
pub fn part<'a>(content_type: &[u8], body: &'a [u8], wanted: &[u8]) -> Option<&'a [u8]> {
    let mime = media_type(content_type);
    if mime.eq_ignore_ascii_case(wanted) {
        return Some(body);
    }
    if !is_multipart(mime) {
        return None;
    }
    let boundary =
        parameter(content_type, Name::new(b"boundary")).filter(|b| !b.is_empty() && b.len() <= MAX_BOUNDARY)?;
    // A delimiter begins a line, be it the first.
    let delimiter = [b"\n--", boundary].concat();
    let finder = Finder::new(&delimiter);
    let mut rest = match body.strip_prefix(&delimiter[1..]) {
        Some(rest) => rest,
        None => &body[finder.find(body)? + delimiter.len()..],
    };
    loop {
        // A last part that nothing ends is taken to the end; behind the closing delimiter is none.
        let end = finder.find(rest);
        if rest.starts_with(b"--") {
            return None;
        }
        if let Some(content) = content(&rest[..end.unwrap_or(rest.len())], wanted) {
            return Some(content);
        }
        rest = &rest[end? + delimiter.len()..];
    }
}

/// The type of a Content-Type, without its parameters.
pub fn media_type(content_type: &[u8]) -> &[u8] {
    content_type.split(|&b| b == b';').next().unwrap_or(&[]).trim_ascii()
}

pub fn is_multipart(media_type: &[u8]) -> bool {
    media_type.len() >= 10 && media_type[..10].eq_ignore_ascii_case(b"multipart/")
}

/// A part from behind its delimiter to before the next: the rest of that line, headers, an empty line, the content.
fn content<'a>(part: &'a [u8], wanted: &[u8]) -> Option<&'a [u8]> {
    let mut rest = part.get(memchr(b'\n', part)? + 1..)?;
    let mut is_wanted = false;
    loop {
        let end = memchr(b'\n', rest)?;
        let line = rest[..end].trim_ascii();
        rest = &rest[end + 1..];
        if line.is_empty() {
            return is_wanted.then_some(rest);
        }
        if let Some(colon) = memchr(b':', line) {
            let name = line[..colon].trim_ascii();
            let is_type = name.eq_ignore_ascii_case(b"content-type") || name.eq_ignore_ascii_case(b"c");
            is_wanted |= is_type && media_type(&line[colon + 1..]).eq_ignore_ascii_case(wanted);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TYPE: &[u8] = b"Multipart/Mixed; boundary=\"b.1\"";

    #[test]
    fn the_part_of_the_wanted_type_is_found() {
        let body = b"preamble\r\n--b.1\r\nContent-Type: text/plain\r\n\r\na: application/x\r\n--b.1\r\nC :  Application/X ;y=z\r\n\
                     X: y\r\n\r\nwanted\r\n--b.1--\r\nContent-Type: application/z\r\n\r\nno\r\n";
        assert_eq!(part(TYPE, body, b"application/x"), Some(&b"wanted\r"[..]));
        assert_eq!(part(TYPE, body, b"application/z"), None, "behind the last delimiter");
        let unended = b"--b.1\nc: application/x\n\nwanted --b.1\n";
        assert_eq!(part(TYPE, unended, b"application/x"), Some(&b"wanted --b.1\n"[..]), "nothing ends it");
        assert_eq!(part(b"multipart/mixed", body, b"application/x"), None, "no boundary");
        assert_eq!(part(b"APPLICATION/X;q", b"all", b"application/x"), Some(&b"all"[..]));
        assert_eq!(part(b"text/plain", b"all", b"application/x"), None);
    }
}
