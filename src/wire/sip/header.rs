//! Parts of header values: parameters, URIs, numbers. Folds (CR, LF) are white space everywhere.

use super::super::scan::{self, digits, find, find_last, trim, trim_start};
use super::Method;

/// The first of several values in a Via header field, up to a comma outside quotes and angle brackets, and its branch.
#[inline]
pub(super) fn via(values: &[u8]) -> (&[u8], Option<&[u8]>) {
    match plain_branch(values) {
        Some(branch) => (values, Some(branch)),
        None => any_via(values),
    }
}

/// The branch of the only value in a Via header field, where it is the first parameter and nothing is quoted.
#[inline]
fn plain_branch(values: &[u8]) -> Option<&[u8]> {
    const ENDS: [u8; 3] = [b';', b',', b'"'];
    let content = values[scan::find_of(values, ENDS)?..].strip_prefix(b";branch=")?;
    let (branch, rest) = content.split_at(scan::find_of(content, ENDS).unwrap_or(content.len()));
    let is_bare = *branch.first()? > b' ' && *branch.last()? > b' ';
    (is_bare && !scan::has_either(rest, b',', b'"')).then_some(branch)
}

fn any_via(values: &[u8]) -> (&[u8], Option<&[u8]>) {
    if !scan::has_either(values, b',', b'"') {
        return (values, among(values, Name::BRANCH));
    }
    let first = match find(values, b',') {
        None => values,
        Some(_) => values[..find_outside(values, b',').unwrap_or(values.len())].trim_ascii_end(),
    };
    match find(first, b'"') {
        None => (first, among(first, Name::BRANCH)),
        Some(_) => (first, hidden_parameter(first, Name::BRANCH)),
    }
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

/// A name of a header parameter, at most 16 bytes.
#[derive(Clone, Copy, Debug)]
pub struct Name {
    key: u128,
    length: usize,
}

impl Name {
    pub const TAG: Name = Name::new(b"tag");
    pub const BRANCH: Name = Name::new(b"branch");

    pub const fn new(name: &[u8]) -> Name {
        assert!(name.len() <= 16);
        Name { key: scan::name(name), length: name.len() }
    }

    /// Whether a text begins with it.
    #[inline(always)]
    fn begins(self, text: &[u8]) -> bool {
        scan::folded_start(text, self.length) == self.key
    }
}

/// A header parameter's value (`tag`, `branch`, `expires`), without quotes.
pub fn parameter(value: &[u8], name: Name) -> Option<&[u8]> {
    // The parameters of what has an address in brackets stand behind it.
    match find_last(value, b'>') {
        Some(bracket) if bracket + 1 == value.len() => None,
        Some(bracket) if find(&value[bracket..], b'"').is_none() => among(&value[bracket..], name),
        None if find(value, b'"').is_none() => among(value, name),
        _ => hidden_parameter(value, name),
    }
}

/// The tag of a From or To value: mostly all that stands behind the address.
pub fn tag_of(value: &[u8]) -> Option<&[u8]> {
    // That of a request which begins a dialog has none.
    if value.last() == Some(&b'>') {
        return None;
    }
    match scan::find_last_of(value, [b'>', b'"', b';']) {
        Some(at) if at > 0 && value[at - 1] == b'>' && value[at..].starts_with(b";tag=") => {
            Some(trim(&value[at + 5..]))
        }
        _ => parameter(value, Name::TAG),
    }
}

/// One of the parameters, each with a semicolon before it.
#[inline(always)]
fn among(mut rest: &[u8], name: Name) -> Option<&[u8]> {
    loop {
        rest = &rest[find(rest, b';')? + 1..];
        let is_named = name.begins(rest);
        match rest.get(name.length..) {
            Some([b'=', content @ ..]) if is_named => return Some(trim(up_to(content, b';'))),
            // Few write white space around a name, or nothing behind it.
            _ if is_named || rest.first().is_some_and(|&first| first <= b' ') => {
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
fn hidden_parameter(value: &[u8], name: Name) -> Option<&[u8]> {
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
fn content(piece: &[u8], name: Name) -> Option<&[u8]> {
    let (key, content) = match find(piece, b'=') {
        Some(at) => (&piece[..at], &piece[at + 1..]),
        None => (piece, &piece[..0]),
    };
    let key = trim(key);
    let content = (key.len() == name.length && name.begins(key)).then(|| trim(content))?;
    Some(content.strip_prefix(b"\"").and_then(|c| c.strip_suffix(b"\"")).unwrap_or(content))
}

/// The URI of a From, To or Contact value: between angle brackets, or the value up to its parameters.
pub fn uri_of(value: &[u8]) -> &[u8] {
    match plain_address(value) {
        Some(address) => up_to(address, b'>').trim_ascii(),
        None => any_uri_of(value),
    }
}

fn any_uri_of(value: &[u8]) -> &[u8] {
    let Some(open) = outside_quotes(value, b'<') else {
        return value[..outside_quotes(value, b';').unwrap_or(value.len())].trim_ascii();
    };
    // Parameters come behind the address: what stands in brackets there is none.
    match outside_quotes(&value[..open], b';') {
        Some(end) => value[..end].trim_ascii(),
        None => up_to(&value[open + 1..], b'>').trim_ascii(),
    }
}

/// What stands behind the `<` of a value that begins with it, or with a name in quotes that nothing is escaped in.
fn plain_address(value: &[u8]) -> Option<&[u8]> {
    let behind_name = match value.strip_prefix(b"\"") {
        Some(name) => {
            let (name, rest) = name.split_at(find(name, b'"')?);
            trim_start(rest[1..].strip_prefix(b" ").filter(|_| find(name, b'\\').is_none())?)
        }
        None => value,
    };
    behind_name.strip_prefix(b"<")
}

/// Where a byte stands first outside of quotes.
fn outside_quotes(value: &[u8], wanted: u8) -> Option<usize> {
    let mut from = 0;
    loop {
        let at = from + find(&value[from..], wanted)?;
        let Some(open) = find(&value[from..at], b'"') else { return Some(at) };
        from += open + 1;
        from += closing_quote(&value[from..])? + 1;
    }
}

/// Where a quoted string ends (RFC 3261 section 25.1): at a quote without a backslash before it that is not itself escaped.
fn closing_quote(quoted: &[u8]) -> Option<usize> {
    let mut from = 0;
    loop {
        let at = from + find(&quoted[from..], b'"')?;
        let backslashes = quoted[..at].iter().rev().take_while(|&&b| b == b'\\').count();
        if backslashes % 2 == 0 {
            return Some(at);
        }
        from = at + 1;
    }
}

/// Scheme cut off: `user@host`, or the number of a tel URI.
fn without_scheme(uri: &[u8]) -> &[u8] {
    if let Some((b"sip:", rest)) = uri.split_first_chunk() {
        return rest;
    }
    match find(uri, b':') {
        Some(at) if uri[..at].iter().all(u8::is_ascii_alphanumeric) => &uri[at + 1..],
        _ => uri,
    }
}

/// The user part of a SIP URI, or a tel URI's number; empty where there is none.
pub fn user_of(uri: &[u8]) -> &[u8] {
    let rest = without_scheme(uri);
    if let Some(at) = find(rest, b'@') {
        return up_to(&rest[..at], b':');
    }
    if uri.len() > 4 && uri[..4].eq_ignore_ascii_case(b"tel:") {
        return up_to(rest, b';');
    }
    &[]
}

/// The host part of a SIP URI, port and parameters cut off.
pub fn host_of(uri: &[u8]) -> &[u8] {
    let rest = without_scheme(uri);
    let rest = &rest[find(rest, b'@').map_or(0, |at| at + 1)..];
    if rest.first() == Some(&b'[') {
        return &rest[..find(rest, b']').map_or(rest.len(), |at| at + 1)];
    }
    &rest[..rest.iter().position(|&b| matches!(b, b':' | b';' | b'?')).unwrap_or(rest.len())]
}

/// A number that fills the value (to its first parameter) and fits 32 bits.
pub(super) fn number(value: &[u8]) -> Option<u32> {
    let (number, rest) = digits(value.trim_ascii_start())?;
    matches!(rest.trim_ascii_start(), [] | [b';', ..]).then_some(number)
}

/// `CSeq: 4711 INVITE`; the number fits 32 bits (RFC 3261 section 8.1.1.5).
pub(super) fn cseq(value: &[u8]) -> Option<(u32, Method)> {
    let (number, rest) = digits(value)?;
    let method = match rest {
        // Most have one space, and nothing behind the method.
        [b' ', method @ ..] if method.first() > Some(&b' ') && method.last() > Some(&b' ') => method,
        _ => rest.trim_ascii(),
    };
    (!method.is_empty() && method.len() < rest.len()).then(|| (number, Method::from_bytes(method)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// What is usual is read as it would be if it were not.
        #[test]
        fn plain_values_are_read_as_all_others(pieces in prop::collection::vec(prop::sample::select(vec![
            "SIP/2.0/UDP a:5060", ";branch=", ";tag=", "<sip:a@b>", "<sip:a@b", "\"A. B\" ", "\"", "\\", "<", ">", ";", ",", "=", " ", "\r\n ",
            "tag", "branch", "x", "z9hG4bK45c505b2726e8b06", "received=192.0.2.1", ";rport",
        ]), 0..12)) {
            let text = pieces.concat();
            let value = text.as_bytes();
            prop_assert_eq!(tag_of(value), parameter(value, Name::TAG));
            prop_assert_eq!(uri_of(value), any_uri_of(value));
            let first = match find(value, b',') {
                Some(_) => value[..find_outside(value, b',').unwrap_or(value.len())].trim_ascii_end(),
                None => value,
            };
            let branch = match find(first, b'"') {
                Some(_) => hidden_parameter(first, Name::BRANCH),
                None => among(first, Name::BRANCH),
            };
            prop_assert_eq!(via(value), (first, branch));
        }
    }
}
