//! SIP OPTIONS (RFC 3261 section 11) over UDP, TCP and TLS, built and read with rsip.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use rsip::headers::{Accept, CallId, ContentLength, MaxForwards, UntypedHeader as _, UserAgent};
use rsip::message::HeadersExt as _;
use rsip::param::{Branch, OtherParam, Tag};
use rsip::typed::{CSeq, Contact, From, To, Via};
use rsip::{Auth, Host, HostWithPort, Method, Param, Request, Response, Scheme, Transport, Uri, Version};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UdpSocket;

use super::dial;
use super::sheet::{FAMILIES, SIP_PHASES, SIP_STATUS, Sheet};
use super::{answer, random};
use crate::config::{Probe as Settings, SipTransport, Target};
use crate::sources::net::Stream;
use crate::sources::{Failure, Reason};

/// RFC 3261 section 17.1.2.2: Timer E begins with T1 and doubles up to T2.
const T1: Duration = Duration::from_millis(500);
const T2: Duration = Duration::from_secs(4);
/// RFC 3261 section 8.1.1.7.
const MAGIC_COOKIE: &str = "z9hG4bK";

pub async fn ask(settings: &Settings, target: &Target, sheet: &mut Sheet) -> Result<(), Failure> {
    let (response, time) = match settings.sip.transport {
        SipTransport::Udp => by_udp(settings, target, sheet).await?,
        SipTransport::Tcp | SipTransport::Tls => by_stream(settings, target, sheet).await?,
    };
    sheet.phase(&FAMILIES[SIP_PHASES], "rtt", time);
    let code = response.status_code.code();
    sheet.set(&FAMILIES[SIP_STATUS], f64::from(code));
    answer::status(settings, code)
}

async fn by_udp(settings: &Settings, target: &Target, sheet: &mut Sheet) -> Result<(Response, Duration), Failure> {
    let (server, resolve) = dial::resolve(settings, target, sheet).await?;
    sheet.phase(&FAMILIES[SIP_PHASES], "resolve", resolve);
    let broken = |error: std::io::Error| Failure::new(Reason::Connect, format_args!("{server}: {error}"));
    let any: IpAddr = if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0)).await.map_err(broken)?;
    // A connected socket knows its own address, and hears that a port is closed.
    socket.connect(server).await.map_err(broken)?;
    let options = Options::new(settings, target, socket.local_addr().map_err(broken)?);
    let bytes = options.request.to_string().into_bytes();
    let mut buffer = vec![0; usize::from(u16::MAX)];
    let started = Instant::now();
    let mut wait = T1;
    socket.send(&bytes).await.map_err(broken)?;
    // Ends with the probe's timeout.
    loop {
        match tokio::time::timeout(wait, socket.recv(&mut buffer)).await {
            Ok(Ok(n)) => match options.final_response(&buffer[..n])? {
                Some(response) => return Ok((response, started.elapsed())),
                // A provisional response: Timer E goes on at T2.
                None => wait = T2,
            },
            Ok(Err(error)) => return Err(broken(error)),
            Err(_) => {
                socket.send(&bytes).await.map_err(broken)?;
                wait = (wait * 2).min(T2);
            }
        }
    }
}

async fn by_stream(settings: &Settings, target: &Target, sheet: &mut Sheet) -> Result<(Response, Duration), Failure> {
    let encrypted = settings.sip.transport == SipTransport::Tls;
    let mut line = dial::connect(settings, target, encrypted, sheet).await?;
    sheet.phase(&FAMILIES[SIP_PHASES], "resolve", line.steps.resolve);
    sheet.phase(&FAMILIES[SIP_PHASES], "connect", line.steps.connect);
    if let Some(tls) = line.steps.tls {
        sheet.phase(&FAMILIES[SIP_PHASES], "tls", tls);
    }
    let options = Options::new(settings, target, line.local);
    let broken = |error: std::io::Error| Failure::io("the connection", &error);
    let started = Instant::now();
    line.stream.write_all(options.request.to_string().as_bytes()).await.map_err(broken)?;
    line.stream.flush().await.map_err(broken)?;
    let mut heard = Vec::new();
    loop {
        let message = next_message(&mut *line.stream, &mut heard, settings.max_answer as usize).await?;
        if let Some(response) = options.final_response(&message)? {
            return Ok((response, started.elapsed()));
        }
    }
}

/// The next message of a stream: RFC 3261 section 18.3, Content-Length says where the body ends.
async fn next_message(stream: &mut dyn Stream, heard: &mut Vec<u8>, most: usize) -> Result<Vec<u8>, Failure> {
    let odd = |what: &str| Failure::new(Reason::Answer, format_args!("the answer {what}"));
    let mut piece = [0; 4096];
    loop {
        // Keep-alives (RFC 5626 section 4.4.1) come between messages.
        let blank = heard.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        heard.drain(..blank);
        if let Some(end) = memchr::memmem::find(heard, b"\r\n\r\n") {
            let whole =
                end + 4 + body_length(&heard[..end]).ok_or_else(|| odd("has no Content-Length that can be read"))?;
            if whole > most {
                return Err(odd("is too long"));
            }
            if heard.len() >= whole {
                return Ok(heard.drain(..whole).collect());
            }
        }
        if heard.len() > most {
            return Err(odd("is too long"));
        }
        let n = stream.read(&mut piece).await.map_err(|error| Failure::io("the connection", &error))?;
        if n == 0 {
            return Err(odd("ends early"));
        }
        heard.extend_from_slice(&piece[..n]);
    }
}

fn body_length(head: &[u8]) -> Option<usize> {
    let head = String::from_utf8_lossy(head);
    let value = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let name = name.trim();
        // "l" is the compact form (RFC 3261 section 20.14).
        (name.eq_ignore_ascii_case("Content-Length") || name.eq_ignore_ascii_case("l")).then_some(value)
    });
    value.map_or(Some(0), |value| value.trim().parse().ok())
}

/// One request, and what its responses must repeat.
struct Options {
    request: Request,
    call_id: String,
    tag: String,
}

impl Options {
    fn new(settings: &Settings, target: &Target, local: SocketAddr) -> Options {
        let (transport, param) = match settings.sip.transport {
            SipTransport::Udp => (Transport::Udp, None),
            SipTransport::Tcp => (Transport::Tcp, Some(Param::Transport(Transport::Tcp))),
            SipTransport::Tls => (Transport::Tls, Some(Param::Transport(Transport::Tls))),
        };
        let uri = |user: Option<&str>, place: HostWithPort, params: Vec<Param>| Uri {
            scheme: Some(Scheme::Sip),
            auth: user.map(|user| Auth { user: user.to_owned(), password: None }),
            host_with_port: place,
            params,
            ..Uri::default()
        };
        let theirs = place(target.host(), Some(target.port()));
        let ours = place(&local.ip().to_string(), Some(local.port()));
        let request_uri = uri(settings.sip.user.as_deref(), theirs.clone(), param.clone().into_iter().collect());
        let (branch, tag) = (format!("{MAGIC_COOKIE}{:08x}", random() as u32), format!("{:08x}", random() as u32));
        let call_id = format!("{:016x}@{}", random(), local.ip());
        let domain = place(target.host(), None);
        let via = Via {
            version: Version::V2,
            transport,
            uri: Uri { scheme: None, host_with_port: ours.clone(), ..Uri::default() },
            // RFC 3581: answers come back through a NAT.
            params: vec![Param::Other(OtherParam::new("rport"), None), Param::Branch(Branch::new(branch))],
        };
        let from = From {
            display_name: None,
            uri: uri(Some("sidetone"), place(&local.ip().to_string(), None), Vec::new()),
            params: vec![Param::Tag(Tag::new(tag.as_str()))],
        };
        let to =
            To { display_name: None, uri: uri(settings.sip.user.as_deref(), domain, Vec::new()), params: Vec::new() };
        let contact = Contact {
            display_name: None,
            uri: uri(Some("sidetone"), ours, param.into_iter().collect()),
            params: Vec::new(),
        };
        let headers: Vec<rsip::Header> = vec![
            via.into(),
            MaxForwards::default().into(),
            from.into(),
            to.into(),
            CallId::new(call_id.as_str()).into(),
            CSeq { seq: 1, method: Method::Options }.into(),
            contact.into(),
            Accept::new("application/sdp").into(),
            UserAgent::new(concat!("sidetone/", env!("CARGO_PKG_VERSION"))).into(),
            ContentLength::new("0").into(),
        ];
        let request = Request {
            method: Method::Options,
            uri: request_uri,
            version: Version::V2,
            headers: headers.into(),
            body: Vec::new(),
        };
        Options { request, call_id, tag }
    }

    /// The final response in these bytes; none for a provisional one, and for what answers something else.
    fn final_response(&self, bytes: &[u8]) -> Result<Option<Response>, Failure> {
        let odd = |error: &dyn std::fmt::Display| {
            Failure::new(Reason::Answer, format_args!("the answer cannot be read: {error}"))
        };
        let response = Response::try_from(bytes).map_err(|error| odd(&error))?;
        let call_id = response.call_id_header().map_err(|error| odd(&error))?;
        if call_id.value() != self.call_id || response.status_code.code() < 200 {
            return Ok(None);
        }
        // RFC 3261 section 8.2.6.2: a response has the From of its request, and a tag of its own in To.
        let tag = response.from_header().and_then(|from| from.tag()).map_err(|error| odd(&error))?;
        match tag.is_some_and(|tag| tag.value() == self.tag) {
            true => Ok(Some(response)),
            false => Err(odd(&"its From is not the request's")),
        }
    }
}

/// rsip writes an IPv6 address without the brackets that a URI needs: as a domain it stays as it is.
fn place(host: &str, port: Option<u16>) -> HostWithPort {
    let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    HostWithPort { host: Host::Domain(host.into()), port: port.map(Into::into) }
}
