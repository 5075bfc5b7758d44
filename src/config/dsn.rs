//! The URL of a database: what is wrong with it is said without the password that may be in it.

use super::databases::{Engine, TlsMode};
use super::hep::Secret;
use super::value::nearest;

/// What an URL says; what it leaves out is empty.
#[derive(Debug)]
pub(super) struct Url {
    pub engine: Engine,
    pub user: String,
    pub password: Option<Secret>,
    pub host: String,
    pub port: Option<u16>,
    pub database: String,
    pub tls: Option<TlsMode>,
    pub ca_file: Option<String>,
}

/// What is wrong, and what to do about it.
type Wrong = (String, &'static str);

const SCHEMES: [(&str, Engine); 7] = [
    ("postgresql", Engine::Postgresql),
    ("postgres", Engine::Postgresql),
    ("pgbouncer", Engine::Pgbouncer),
    ("mysql", Engine::Mysql),
    ("mariadb", Engine::Mysql),
    ("redis", Engine::Redis),
    ("rediss", Engine::Redis),
];

const FORM: &str = "write \"postgresql://USER@HOST:PORT/DATABASE\", or mysql, pgbouncer, redis in front of ://";

pub(super) fn parse(text: &str) -> Result<Url, Wrong> {
    let (scheme, rest) = text.split_once("://").ok_or(("is no URL of a database".to_owned(), FORM))?;
    let known = SCHEMES.iter().find(|(name, _)| *name == scheme);
    let (_, engine) = known.ok_or_else(|| unknown_scheme(scheme))?;
    if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(("holds a blank".to_owned(), "write a blank in a password as %20"));
    }
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, tail) = rest.split_at(end);
    if tail.contains('@') && !authority.contains('@') {
        return Err((
            "has an @ behind a /, ? or #, which end the host".to_owned(),
            "in a user or password write / as %2F, ? as %3F and # as %23",
        ));
    }
    let (login, place) = authority.rsplit_once('@').unwrap_or(("", authority));
    if login.contains('@') {
        return Err(("has more than one @".to_owned(), "in a user or password write @ as %40"));
    }
    let (user, password) = login.split_once(':').map_or((login, None), |(user, password)| (user, Some(password)));
    let (host, port) = host_and_port(place)?;
    let (path, query) = tail.split_once('?').unwrap_or((tail, ""));
    let mut url = Url {
        engine: *engine,
        user: decoded(user)?,
        password: password.map(decoded).transpose()?.filter(|text| !text.is_empty()).map(Secret::new),
        host: decoded(host)?,
        port,
        database: decoded(path.trim_start_matches('/'))?,
        tls: (scheme == "rediss").then_some(TlsMode::VerifyFull),
        ca_file: None,
    };
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        parameter(pair, &mut url)?;
    }
    Ok(url)
}

fn unknown_scheme(scheme: &str) -> Wrong {
    let names = SCHEMES.map(|(name, _)| name);
    let hint = match nearest(scheme, &names) {
        Some("postgresql" | "postgres") => "did you mean postgresql://?",
        Some("mysql" | "mariadb") => "did you mean mysql://?",
        Some("redis" | "rediss") => "did you mean redis://?",
        _ => FORM,
    };
    ("begins with a word that is no engine".to_owned(), hint)
}

fn host_and_port(place: &str) -> Result<(&str, Option<u16>), Wrong> {
    let split = match place.strip_prefix('[') {
        Some(rest) => {
            let closed = rest.split_once(']');
            closed.ok_or(("has a [ without ]".to_owned(), "write an IPv6 address as in [::1]"))?
        }
        None => place.find(':').map_or((place, ""), |at| place.split_at(at)),
    };
    match split {
        ("", "") => Ok(("", None)),
        ("", _) => Err(("has no host".to_owned(), FORM)),
        (host, "") => Ok((host, None)),
        (host, port) => {
            let port = port.strip_prefix(':').and_then(|port| port.parse().ok()).filter(|port| *port > 0);
            // What stands there may be a password: it is not repeated.
            let wrong = (
                "has a port that is no number from 1 to 65535".to_owned(),
                "behind USER:PASSWORD comes @HOST, and an IPv6 address stands in [brackets]",
            );
            port.map(|port| (host, Some(port))).ok_or(wrong)
        }
    }
}

fn parameter(pair: &str, url: &mut Url) -> Result<(), Wrong> {
    let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
    match key {
        "sslmode" | "ssl-mode" => {
            let mode = TlsMode::NAMES.iter().find(|(name, _)| value.eq_ignore_ascii_case(name));
            let (_, mode) = mode.ok_or((
                "has an unknown sslmode".to_owned(),
                "write disable, prefer, require, verify-ca or verify-full",
            ))?;
            url.tls = Some(*mode);
        }
        "sslrootcert" | "ssl-ca" => url.ca_file = Some(decoded(value)?),
        _ => {
            return Err((
                "has a parameter that is not known here".to_owned(),
                "behind the ? stand sslmode and sslrootcert; all else are keys of the section",
            ));
        }
    }
    Ok(())
}

/// RFC 3986 section 2.1.
fn decoded(text: &str) -> Result<String, Wrong> {
    let wrong = || ("has a % without two hexadecimal digits".to_owned(), "write % itself as %25");
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        bytes.extend_from_slice(before.as_bytes());
        let digits = after.get(..2).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        let digits = digits.ok_or_else(wrong)?;
        bytes.push(u8::from_str_radix(digits, 16).map_err(|_| wrong())?);
        rest = &after[2..];
    }
    bytes.extend_from_slice(rest.as_bytes());
    String::from_utf8(bytes).map_err(|_| ("is no UTF-8 behind its % signs".to_owned(), "write % itself as %25"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_an_url() {
        let url =
            parse("postgres://me:p%40ss%2Fw%25@[::1]:5433/calls?sslmode=verify-full&sslrootcert=/a").expect("valid");
        assert_eq!((url.engine, url.user.as_str(), url.host.as_str()), (Engine::Postgresql, "me", "::1"));
        assert_eq!((url.port, url.database.as_str()), (Some(5433), "calls"));
        assert_eq!((url.tls, url.ca_file.as_deref()), (Some(TlsMode::VerifyFull), Some("/a")));
        assert_eq!(url.password.expect("one").bytes(), b"p@ss/w%");
        let url = parse("mysql://me@%2Frun%2Fmysqld.sock/").expect("valid");
        assert_eq!((url.host.as_str(), url.database.as_str(), url.password), ("/run/mysqld.sock", "", None));
        assert_eq!(parse("rediss://h").expect("valid").tls, Some(TlsMode::VerifyFull));
    }

    #[test]
    fn no_message_repeats_a_password() {
        for text in [
            "postgresql://u:hunter2",
            "postgresql://u:hunter2/x@h/d",
            "postgresql://u:hunter2@x@h/d",
            "postgresql://u:hunter2%@h/d",
            "postgresql://u:hunter2 @h/d",
            "postgresql://u:hunter2@h:port/d",
            "postgresql://u:x@h/d?password=hunter2",
            "postgresql://u:x@h/d?sslmode=hunter2",
            "hunter2://u:x@h/d",
            "u:hunter2@h/d",
            "postgresql://u:x@:hunter2/d",
            "postgresql://u:x@[hunter2/d",
        ] {
            let (message, hint) = parse(text).expect_err(text);
            assert!(!message.contains("hunter2") && !hint.contains("hunter2"), "{message}");
        }
    }
}
