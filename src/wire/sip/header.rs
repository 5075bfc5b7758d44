//! Parts of header values: parameters, URIs, numbers. Folds (CR, LF) are white space everywhere.

use memchr::memrchr;

use super::super::scan::{find, trim};
use super::Method;

/// The first of several values in one header: up to a comma outside quotes and angle brackets.
pub(super) fn first_value(value: &[u8]) -> &[u8] {
    if find(value, b',').is_none() {
        return value;
    }
    value[..find_outside(value, b',').unwrap_or(value.len())].trim_ascii_end()
}

/// The values of one header field: commas outside quotes and angle brackets divide them. Empty ones are left out.
pub fn values(field: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(field);
    let next = move || {
        let all = rest?;
        let end = find_outside(all, b',');
        rest = end.map(|at| &all[at + 1..]);
        Some(all[..end.unwrap_or(all.len())].trim_ascii())
    };
    std::iter::from_fn(next).filter(|value| !value.is_empty())
}

/// Where `wanted` stands outside of quoted strings and `<...>`.
fn find_outside(value: &[u8], wanted: u8) -> Option<usize> {
    let (mut quoted, mut angle, mut escaped) = (false, false, false);
    for (at, &b) in value.iter().enumerate() {
        match b {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ if quoted => {}
            b'<' => angle = true,
            b'>' => angle = false,
            _ if b == wanted && !angle => return Some(at),
            _ => {}
        }
    }
    None
}

/// A header parameter's value (`tag`, `branch`, `expires`), without quotes.
#[inline]
pub fn parameter<'a>(value: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    // The parameters of what has an address in brackets stand behind it.
    let mut rest = memrchr(b'>', value).map_or(value, |bracket| &value[bracket + 1..]);
    if find(rest, b'"').is_some() {
        return hidden_parameter(value, name);
    }
    loop {
        rest = &rest[find(rest, b';')? + 1..];
        match rest.split_at_checked(name.len()) {
            Some((key, [b'=', content @ ..])) if key.eq_ignore_ascii_case(name) => {
                return Some(trim(up_to(content, b';')));
            }
            // Few write white space around a name, or nothing behind it.
            Some((key, _)) if trim(key).len() < key.len() || key.eq_ignore_ascii_case(name) => {
                if let Some(content) = content(up_to(rest, b';'), name) {
                    return Some(content);
                }
            }
            _ => {}
        }
    }
}

/// What stands before the first `end`.
#[inline]
fn up_to(bytes: &[u8], end: u8) -> &[u8] {
    &bytes[..find(bytes, end).unwrap_or(bytes.len())]
}

/// As [`parameter`], of whatever comes.
#[cold]
fn hidden_parameter<'a>(value: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let mut rest = &value[find_outside(value, b';')? + 1..];
    loop {
        let end = find_outside(rest, b';');
        if let Some(content) = content(&rest[..end.unwrap_or(rest.len())], name) {
            return Some(content);
        }
        rest = &rest[end? + 1..];
    }
}

/// The value of `name=value`, if it is that name.
fn content<'a>(piece: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let (key, content) = match find(piece, b'=') {
        Some(at) => (&piece[..at], &piece[at + 1..]),
        None => (piece, &piece[..0]),
    };
    let content = trim(key).eq_ignore_ascii_case(name).then(|| trim(content))?;
    Some(content.strip_prefix(b"\"").and_then(|c| c.strip_suffix(b"\"")).unwrap_or(content))
}

/// The URI of a From, To or Contact value: between angle brackets, or the value up to its parameters.
pub fn uri_of(value: &[u8]) -> &[u8] {
    let mut quoted = false;
    for (at, &b) in value.iter().enumerate() {
        match b {
            b'"' => quoted = !quoted,
            b'<' if !quoted => {
                let inside = &value[at + 1..];
                return inside[..inside.iter().position(|&b| b == b'>').unwrap_or(inside.len())].trim_ascii();
            }
            b';' if !quoted => return value[..at].trim_ascii(),
            _ => {}
        }
    }
    value.trim_ascii()
}

/// Scheme cut off: `user@host`, or the number of a tel URI.
fn without_scheme(uri: &[u8]) -> &[u8] {
    match uri.iter().position(|&b| b == b':') {
        Some(at) if uri[..at].iter().all(u8::is_ascii_alphanumeric) => &uri[at + 1..],
        _ => uri,
    }
}

/// The user part of a SIP URI, or a tel URI's number; empty where there is none.
pub fn user_of(uri: &[u8]) -> &[u8] {
    let rest = without_scheme(uri);
    if let Some(at) = rest.iter().position(|&b| b == b'@') {
        let user = &rest[..at];
        return &user[..user.iter().position(|&b| b == b':').unwrap_or(user.len())];
    }
    if uri.len() > 4 && uri[..4].eq_ignore_ascii_case(b"tel:") {
        return &rest[..rest.iter().position(|&b| b == b';').unwrap_or(rest.len())];
    }
    &[]
}

/// The host part of a SIP URI, port and parameters cut off.
pub fn host_of(uri: &[u8]) -> &[u8] {
    let rest = without_scheme(uri);
    let rest = &rest[rest.iter().position(|&b| b == b'@').map_or(0, |at| at + 1)..];
    if rest.first() == Some(&b'[') {
        return &rest[..rest.iter().position(|&b| b == b']').map_or(rest.len(), |at| at + 1)];
    }
    &rest[..rest.iter().position(|&b| matches!(b, b':' | b';' | b'?')).unwrap_or(rest.len())]
}

/// A number that fills the value (to its first parameter) and fits 32 bits.
pub(super) fn number(value: &[u8]) -> Option<u32> {
    let (number, rest) = digits(value.trim_ascii_start())?;
    matches!(rest.trim_ascii_start(), [] | [b';', ..]).then_some(number)
}

/// The digits at the beginning, at least one, and what is behind them.
#[inline]
fn digits(text: &[u8]) -> Option<(u32, &[u8])> {
    let (mut number, mut rest) = (None, text);
    while let [digit @ b'0'..=b'9', more @ ..] = rest {
        number = Some(number.unwrap_or(0u32).checked_mul(10)?.checked_add(u32::from(digit - b'0'))?);
        rest = more;
    }
    Some((number?, rest))
}

/// `CSeq: 4711 INVITE`; the number fits 32 bits (RFC 3261 section 8.1.1.5).
pub(super) fn cseq(value: &[u8]) -> Option<(u32, Method)> {
    let (number, rest) = digits(value)?;
    let method = rest.trim_ascii();
    (!method.is_empty() && method.len() < rest.len()).then(|| (number, Method::from_bytes(method)))
}
