//! `[[probes]]`: services of others that are asked from time to time, or on demand.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use regex::bytes::{Regex, RegexBuilder};
use toml::Spanned;
use url::Url;

use super::net;
use super::section::{Document, Section};
use super::value::{self, Checked, Value};

/// One service that is asked.
#[derive(Clone, Debug, PartialEq)]
pub struct Probe {
    /// The label `probe`, and the `module` of a request to `/probe`.
    pub name: String,
    pub kind: ProbeKind,
    /// None: only what `/probe` names.
    pub target: Option<Target>,
    /// Patterns (`*` stands for any characters) of the `HOST:PORT` that `/probe` may name; empty: none.
    pub allowed_targets: Vec<String>,
    pub interval: Duration,
    /// For one attempt.
    pub timeout: Duration,
    /// Further attempts before it counts as failed.
    pub retries: usize,
    pub ip: IpVersion,
    pub tls: ProbeTls,
    pub http: Http,
    /// Sent first: TCP and TLS.
    pub send: Option<String>,
    /// What the answer, banner or body must hold.
    pub matches: Option<Pattern>,
    /// What it must not hold.
    pub refuses: Option<Pattern>,
    pub dns: Dns,
    pub sip: Sip,
    /// Status codes that are as they should be: HTTP and SIP.
    pub status: Vec<(u16, u16)>,
    /// Bytes of an answer that are read.
    pub max_answer: u32,
}

/// A regular expression that was compiled when it was read.
#[derive(Clone, Debug)]
pub struct Pattern(pub Regex);

impl PartialEq for Pattern {
    fn eq(&self, other: &Pattern) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

/// How a service is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProbeKind {
    Http,
    Tcp,
    Tls,
    Dns,
    Icmp,
    Sip,
}

impl ProbeKind {
    pub const ALL: [(&'static str, ProbeKind); 6] = [
        ("http", ProbeKind::Http),
        ("tcp", ProbeKind::Tcp),
        ("tls", ProbeKind::Tls),
        ("dns", ProbeKind::Dns),
        ("icmp", ProbeKind::Icmp),
        ("sip", ProbeKind::Sip),
    ];

    /// The label `kind`.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, kind)| *kind == self).map_or("", |(name, _)| name)
    }
}

/// Whom to ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    Url(Url),
    /// IPv6 addresses without their brackets.
    Host {
        host: String,
        port: u16,
    },
}

impl Target {
    /// Reads a target of this kind; the fault says what is expected.
    pub fn parse(kind: ProbeKind, transport: SipTransport, text: &str) -> Result<Target, &'static str> {
        if kind == ProbeKind::Http {
            let url = Url::parse(text).map_err(|_| "a URL such as \"https://example.com/health\"")?;
            if !url.username().is_empty() || url.password().is_some() {
                return Err("a URL without user and password: authorization_file holds them");
            }
            return match url.scheme() {
                "http" | "https" if url.has_host() => Ok(Target::Url(url)),
                _ => Err("a URL that begins with http:// or https://"),
            };
        }
        let default = match (kind, transport) {
            (ProbeKind::Dns, _) => Some(53),
            (ProbeKind::Icmp, _) => Some(0),
            (ProbeKind::Tls, _) => Some(443),
            // RFC 3261 section 19.1.2
            (ProbeKind::Sip, SipTransport::Tls) => Some(5061),
            (ProbeKind::Sip, _) => Some(5060),
            _ => None,
        };
        let text = if kind == ProbeKind::Sip { text.strip_prefix("sip:").unwrap_or(text) } else { text };
        host_and_port(text, default).ok_or("HOST:PORT, such as \"sip.example.com:5060\" or \"[2001:db8::1]:5060\"")
    }

    pub fn host(&self) -> &str {
        match self {
            Target::Url(url) => url.host_str().unwrap_or_default().trim_matches(['[', ']']),
            Target::Host { host, .. } => host,
        }
    }

    pub fn port(&self) -> u16 {
        match self {
            Target::Url(url) => url.port_or_known_default().unwrap_or(0),
            Target::Host { port, .. } => *port,
        }
    }
}

fn host_and_port(text: &str, default: Option<u16>) -> Option<Target> {
    let is_name = |host: &str| {
        let fits = |c: char| c.is_ascii_alphanumeric() || ".-_:%".contains(c);
        !host.is_empty() && host.len() <= 253 && host.chars().all(fits)
    };
    let (host, port) = if let Some(rest) = text.strip_prefix('[') {
        let (host, rest) = rest.split_once(']')?;
        let port = if rest.is_empty() { None } else { Some(rest.strip_prefix(':')?) };
        (host, port)
    } else if text.matches(':').count() > 1 {
        (text, None)
    } else {
        text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port)))
    };
    let port = match port {
        Some(port) => port.parse().ok().filter(|port| *port > 0)?,
        None => default?,
    };
    is_name(host).then(|| Target::Host { host: host.to_owned(), port })
}

/// Which addresses of a name are asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IpVersion {
    /// IPv4 if there is one, else IPv6.
    #[default]
    Any,
    V4,
    V6,
}

/// How certificates are judged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProbeTls {
    /// The name that the certificate must have; none: the target's.
    pub server_name: Option<String>,
    /// PEM: who may have signed it; none: the system's authorities.
    pub ca_file: Option<PathBuf>,
    pub insecure: bool,
}

/// A request by HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Http {
    pub method: String,
    /// Names and values.
    pub headers: Vec<(String, String)>,
    /// Holds the value of the Authorization header.
    pub authorization_file: Option<PathBuf>,
    pub body: Option<String>,
    /// Redirects that are followed.
    pub redirects: usize,
    /// JSON pointer (RFC 6901) of a value in the answer.
    pub json: Option<String>,
    /// States that the value may have, where it is a word.
    pub states: Vec<String>,
}

impl Default for Http {
    fn default() -> Self {
        Http {
            method: "GET".to_owned(),
            headers: Vec::new(),
            authorization_file: None,
            body: None,
            redirects: 5,
            json: None,
            states: Vec::new(),
        }
    }
}

/// A question to a name server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dns {
    pub query: String,
    /// Type of the record, as in `A`.
    pub record: String,
    pub over_tcp: bool,
    /// What must be among the answers.
    pub answers: Vec<String>,
}

impl Default for Dns {
    fn default() -> Self {
        Dns { query: String::new(), record: "A".to_owned(), over_tcp: false, answers: Vec::new() }
    }
}

/// An OPTIONS request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sip {
    pub transport: SipTransport,
    /// User part of the Request-URI; none: without one.
    pub user: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SipTransport {
    #[default]
    Udp,
    Tcp,
    Tls,
}

/// Most probes: each is a series of each of its families, and a connection an interval.
const MAX_PROBES: usize = 1000;
/// Largest regular expression, compiled, bytes.
const MAX_PATTERN: usize = 1 << 20;
const RECORDS: [&str; 10] = ["A", "AAAA", "CNAME", "MX", "NAPTR", "NS", "PTR", "SOA", "SRV", "TXT"];

/// Keys that only some kinds know.
const ONLY: [(&[&str], &[ProbeKind], &str); 6] = [
    (&["query", "record", "over_tcp", "answers"], &[ProbeKind::Dns], "dns"),
    (&["transport", "user"], &[ProbeKind::Sip], "sip"),
    (&["method", "headers", "authorization_file", "body", "redirects", "json", "states"], &[ProbeKind::Http], "http"),
    (&["status"], &[ProbeKind::Http, ProbeKind::Sip], "http or sip"),
    (&["send"], &[ProbeKind::Tcp, ProbeKind::Tls], "tcp or tls"),
    (&["match", "not_match"], &[ProbeKind::Http, ProbeKind::Tcp, ProbeKind::Tls], "http, tcp or tls"),
];

/// Reads each section.
/// Reads the probes of a file; `names` are those of the files before it.
pub(super) fn read(document: &mut Document<'_>, names: &mut BTreeSet<String>) -> Vec<Probe> {
    document.sections("probes", |section| {
        if names.len() == MAX_PROBES {
            let message = format!("`probes` has more than {MAX_PROBES} sections");
            section.complain(section.place("name"), message, "spread them over several agents");
        }
        let probe = probe(section);
        if !probe.name.is_empty() && !names.insert(probe.name.clone()) {
            let message = format!("`probes.name` {:?} is taken by a probe further up", probe.name);
            section.complain(section.place("name"), message, "choose another name");
        }
        probe
    })
}

fn probe(section: &mut Section<'_, '_>) -> Probe {
    let seconds = Duration::from_secs;
    let tls = ProbeTls::default();
    let name = section.take_required("name", "\"crm-api\"", net::peer_name);
    let kind = section.take_required("kind", "\"http\"", |typed| value::choice(typed, &ProbeKind::ALL).map(Some));
    let kind = kind.unwrap_or(ProbeKind::Http);
    let sip = sip(section);
    let target = section.take("target", None, |typed| target(typed, kind, sip.transport));
    let allowed_targets = section.take("allowed_targets", Vec::new(), texts);
    let default_status = if kind == ProbeKind::Sip { (200, 699) } else { (200, 299) };
    let probe = Probe {
        name,
        kind,
        target,
        allowed_targets,
        interval: section.take("interval", seconds(30), |typed| value::duration(typed, seconds(1)..=seconds(86_400))),
        timeout: section
            .take("timeout", seconds(5), |typed| value::duration(typed, Duration::from_millis(10)..=seconds(60))),
        retries: section.take("retries", 1, |typed| value::count(typed, 0..=10)),
        ip: section.take("ip", IpVersion::Any, |typed| {
            value::choice(typed, &[("any", IpVersion::Any), ("v4", IpVersion::V4), ("v6", IpVersion::V6)])
        }),
        tls: ProbeTls {
            server_name: section.take("server_name", tls.server_name, |typed| value::text(typed).map(Some)),
            ca_file: section.take("ca_file", tls.ca_file, path),
            insecure: section.take("insecure", tls.insecure, value::boolean),
        },
        http: http(section),
        send: section.take("send", None, |typed| value::string(typed).map(Some)),
        matches: section.take("match", None, pattern),
        refuses: section.take("not_match", None, pattern),
        dns: dns(section),
        sip,
        status: section.take("status", vec![default_status], statuses),
        max_answer: section.take("max_answer", 1 << 20, |typed| value::bytes(typed, 1024..=64 << 20)),
    };
    fits(section, &probe);
    probe
}

/// What must fit together.
fn fits(section: &mut Section<'_, '_>, probe: &Probe) {
    for (keys, kinds, named) in ONLY {
        for key in keys.iter().filter(|_| !kinds.contains(&probe.kind)) {
            let message = format!("is only for probes of kind {named}");
            let is_typed = section.is_typed(key);
            section.require(!is_typed, [key, "kind"], &message, "delete it, or change the kind");
        }
    }
    let has_target = probe.target.is_some() || !probe.allowed_targets.is_empty();
    let faulty = !section.is_valid("target") || !section.is_valid("allowed_targets");
    if !has_target && !faulty {
        section.require_one_of(["target", "allowed_targets"], "\"https://example.com/health\"");
    }
    if probe.kind == ProbeKind::Dns && probe.dns.query.is_empty() && section.is_valid("query") {
        let place = section.place("kind");
        section.complain(place, "`probes.query` is missing", "add query = \"example.com\"");
    }
    section.require(
        probe.http.states.is_empty() || probe.http.json.is_some(),
        ["states", "json"],
        "needs `probes.json`",
        "name the value that they are states of, as in json = \"/status\"",
    );
    let all = probe.timeout.saturating_mul(u32::try_from(probe.retries).unwrap_or(u32::MAX).saturating_add(1));
    section.require(
        all <= probe.interval,
        ["timeout", "interval"],
        "times the attempts is longer than `probes.interval`",
        "make interval (default 30s) longer, or timeout (default 5s) shorter, or retries (default 1) fewer",
    );
}

fn http(section: &mut Section<'_, '_>) -> Http {
    let default = Http::default();
    Http {
        method: section.take("method", default.method, |typed| {
            let methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"].map(|method| (method, method));
            value::choice(typed, &methods).map(str::to_owned)
        }),
        headers: section.take("headers", default.headers, headers),
        authorization_file: section.take("authorization_file", default.authorization_file, path),
        body: section.take("body", default.body, |typed| value::string(typed).map(Some)),
        redirects: section.take("redirects", default.redirects, |typed| value::count(typed, 0..=20)),
        json: section.take("json", default.json, |typed| {
            let span = typed.span();
            let pointer = value::string(typed)?;
            match pointer.is_empty() || pointer.starts_with('/') {
                true => Ok(Some(pointer)),
                false => value::fault(span, "is no JSON pointer (RFC 6901)", "begin it with /, as in \"/status/code\""),
            }
        }),
        states: section.take("states", default.states, texts),
    }
}

fn dns(section: &mut Section<'_, '_>) -> Dns {
    let default = Dns::default();
    Dns {
        query: section.take("query", default.query, value::text),
        record: section.take("record", default.record, |typed| {
            value::choice(typed, &RECORDS.map(|record| (record, record))).map(str::to_owned)
        }),
        over_tcp: section.take("over_tcp", default.over_tcp, value::boolean),
        answers: section.take("answers", default.answers, texts),
    }
}

fn sip(section: &mut Section<'_, '_>) -> Sip {
    let transports = [("udp", SipTransport::Udp), ("tcp", SipTransport::Tcp), ("tls", SipTransport::Tls)];
    Sip {
        transport: section.take("transport", SipTransport::Udp, |typed| value::choice(typed, &transports)),
        user: section.take("user", None, |typed| {
            let span = typed.span();
            let user = value::text(typed)?;
            let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.!~*'()&=+$,;?/%".contains(&byte);
            match user.bytes().all(fits) {
                true => Ok(Some(user)),
                false => value::fault(
                    span,
                    "is no user part of a SIP URI (RFC 3261 section 25.1)",
                    "write it without @ and spaces",
                ),
            }
        }),
    }
}

fn target(value: Value<'_>, kind: ProbeKind, transport: SipTransport) -> Checked<Option<Target>> {
    let span = value.span();
    let text = value::text(value)?;
    match Target::parse(kind, transport, &text) {
        Ok(target) => Ok(Some(target)),
        Err(expected) => value::fault(span, format!("must be {expected}, not {}", value::quoted(&text)), "write it so"),
    }
}

fn path(value: Value<'_>) -> Checked<Option<PathBuf>> {
    value::text(value).map(|text| Some(PathBuf::from(text)))
}

fn texts(value: Value<'_>) -> Checked<Vec<String>> {
    let items = value::list(value, "strings", "\"example.com:443\"")?;
    Ok(value::plain(value::distinct(value::each(items, value::text)?)?))
}

fn pattern(value: Value<'_>) -> Checked<Option<Pattern>> {
    let span = value.span();
    let text = value::string(value)?;
    match RegexBuilder::new(&text).size_limit(MAX_PATTERN).build() {
        Ok(regex) => Ok(Some(Pattern(regex))),
        Err(error) => {
            let said = error.to_string();
            let last = said.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
            value::fault(
                span,
                format!("is no regular expression: {last}"),
                "write what stands for itself with \\ in front",
            )
        }
    }
}

/// Codes and ranges of codes, as in `[200, "300-399"]`.
fn statuses(value: Value<'_>) -> Checked<Vec<(u16, u16)>> {
    let whole = value.span();
    let items = value::list(value, "status codes", "200, \"300-399\"")?;
    if items.is_empty() {
        return value::fault(whole, "lists no status code", "delete the line to get the default");
    }
    let found = value::each(items, |item| {
        let span = item.span();
        let text = value::found(item.get_ref());
        let text = text.trim_matches('"');
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let code = |text: &str| text.trim().parse::<u16>().ok().filter(|code| (100..=699).contains(code));
        match code(first).zip(code(last)).filter(|(first, last)| first <= last) {
            Some(range) => Ok(range),
            None => value::fault(span, format!("holds {text}, which is no status code"), "write 200, or \"200-299\""),
        }
    })?;
    Ok(found.into_iter().map(Spanned::into_inner).collect())
}

/// `Name: value`.
fn headers(value: Value<'_>) -> Checked<Vec<(String, String)>> {
    let items = value::list(value, "headers", "\"Accept: application/json\"")?;
    let found = value::each(items, |item| {
        let span = item.span();
        let text = value::text(item)?;
        let pair = text.split_once(':').map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned()));
        let is_header = |name: &str, value: &str| {
            hyper::header::HeaderName::from_bytes(name.as_bytes()).is_ok()
                && hyper::header::HeaderValue::from_str(value).is_ok()
        };
        match pair.filter(|(name, value)| is_header(name, value)) {
            Some(pair) => Ok(pair),
            None => value::fault(span, "holds something that is no header", "write \"Name: value\""),
        }
    })?;
    Ok(found.into_iter().map(Spanned::into_inner).collect())
}
