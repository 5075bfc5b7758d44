//! Hides what may be a secret where a report repeats what was typed. Each hidden character leaves a star, so that carets stay in place.

/// Keys whose values are secrets, or are where people type them.
const SECRET_KEYS: [&str; 8] = ["password", "passwd", "pwd", "secret", "token", "authorization", "headers", "api-key"];

/// Stars in place of the passwords of URLs.
pub(super) fn url(text: &str) -> String {
    let mut hidden = Vec::new();
    for (at, mark) in text.match_indices("://") {
        let start = at + mark.len();
        // A password may hold anything that its writer forgot to encode; only the end of the string ends it for certain.
        let end = text[start..].find(['"', '\'', '`']).map_or(text.len(), |length| start + length);
        hidden.extend(password(&text[start..end]).map(|(from, to)| (start + from, start + to)));
    }
    // The scheme was forgotten.
    if let (true, Some(end)) = (hidden.is_empty() && !text.contains("://"), text.rfind('@')) {
        let start = text[..end].rfind(['"', '\'']).map_or(0, |quote| quote + 1);
        hidden.extend(text[start..end].find(':').map(|colon| (start + colon + 1, end)));
    }
    stars(text, &hidden)
}

/// Where the password is in what follows the scheme.
fn password(rest: &str) -> Option<(usize, usize)> {
    if let Some(at) = rest.rfind('@') {
        let colon = rest[..at].find(':')?;
        return Some((colon + 1, at));
    }
    // The host was forgotten: what should be a port is none.
    let host = rest.rfind(']').map_or(0, |at| at + 1);
    let colon = host + rest[host..].find(':')? + 1;
    let port = rest[colon..].split(['/', '?', '#']).next().unwrap_or_default();
    (!port.bytes().all(|byte| byte.is_ascii_digit())).then_some((colon, rest.len()))
}

/// Stars in place of all secrets of a line of a configuration.
pub(super) fn line(text: &str) -> String {
    let lower = text.to_ascii_lowercase();
    let secret = SECRET_KEYS.iter().filter_map(|key| {
        let at = lower.find(key)?;
        // Lists of names of header fields are no secrets.
        let is_other = *key == "headers" && lower[..at].ends_with('_');
        let after = at + key.len();
        let rest = lower.get(after..)?.trim_start_matches(['"', '\'']).trim_start();
        let value = rest.strip_prefix('=').filter(|_| !is_other)?;
        Some((text.len() - value.len(), text.len()))
    });
    stars(&url(text), &secret.collect::<Vec<_>>())
}

fn stars(text: &str, hidden: &[(usize, usize)]) -> String {
    let is_hidden = |at: usize, c: char| c != ' ' && hidden.iter().any(|(from, to)| (*from..*to).contains(&at));
    let mut at = 0;
    text.chars()
        .map(|c| {
            let shown = if is_hidden(at, c) { '*' } else { c };
            at += c.len_utf8();
            shown
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_stars_and_places_stay() {
        for (typed, shown) in [
            ("url = \"mysql://me:pässword@h/d\"", "url = \"mysql://me:********@h/d\""),
            ("postgresql://u:p@ss/w#r?d@h:5/d", "postgresql://u:**********@h:5/d"),
            ("postgresql://u@h:5432/d", "postgresql://u@h:5432/d"),
            ("redis://u:secret", "redis://u:******"),
            ("redis://[::1]:6379/0", "redis://[::1]:6379/0"),
            ("http://h:8080/a", "http://h:8080/a"),
            ("url = \"me:a@b@h/d\"", "url = \"me:***@h/d\""),
        ] {
            assert_eq!(url(typed), shown);
        }
        for (typed, shown) in [
            ("password = \"hunter 2\"", "password = ******* **"),
            ("x = { name = \"a\", Password=\"b\" }", "x = { name = \"a\", Password=*** *"),
            ("password_file = \"/etc/p\"", "password_file = \"/etc/p\""),
            ("headers = { Cookie = \"a\" }", "headers = * ****** * *** *"),
        ] {
            assert_eq!(line(typed), shown);
        }
    }
}
