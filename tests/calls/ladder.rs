//! A ladder diagram as text: who sends what to whom, and when.

use std::net::SocketAddr;

use crate::packets::address;
use crate::scene::{Scene, Seen, body, ms};

/// Signalling address of a party: `A` calls, `B` and `C` are called, `P` and `Q` stand between.
fn endpoint(party: &str) -> SocketAddr {
    let host = match party {
        "A" => "192.0.2.10",
        "B" => "198.51.100.20",
        "C" => "203.0.113.30",
        "P" => "10.0.0.1",
        "Q" => "10.0.0.2",
        _ => panic!("no party {party}"),
    };
    address(&format!("{host}:5060"))
}

/// What a line says besides its time, hop and start line, with what holds where it says nothing.
struct Options<'a> {
    call_id: &'a str,
    from_tag: &'a str,
    to_tag: Option<&'a str>,
    branch: String,
    sdp: Option<&'a str>,
    port: u16,
    client: Option<u16>,
    uri: &'a str,
    headers: Vec<String>,
}

/// Puts the messages of a ladder into a scene. A line is
///
///     MILLISECONDS FROM>TO METHOD CSEQ [option=value ...] [| Header: value | ...]
///     MILLISECONDS FROM>TO CODE METHOD CSEQ ...
///
/// Options: `id` (Call-ID), `ft` and `tt` (From and To tag; a and b), `new` (no To tag), `br` (branch, of the hop, CSeq and call), `sdp`
/// (direction, `hold` for 0.0.0.0, or `named` for a host's name), `port` (of the sender's sound), `client` (port of whoever sends the request), `uri`. A time with a plus is later than the line before.
pub fn put(scene: &mut Scene, ladder: &str) {
    let mut now = 0.0;
    for line in ladder.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (line, headers) = line.split_once('|').unwrap_or((line, ""));
        let headers =
            headers.split('|').map(str::trim).filter(|header| !header.is_empty()).map(str::to_owned).collect();
        let mut words = line.split_whitespace();
        let mut next = || words.next().unwrap_or_else(|| panic!("too short: {line}"));
        let time = next();
        now = match time.strip_prefix('+') {
            Some(later) => now + later.parse::<f64>().expect("milliseconds"),
            None => time.parse().expect("milliseconds"),
        };
        let (from, to) = next().split_once('>').expect("FROM>TO");
        let first = next();
        let code: Option<u16> = first.parse().ok();
        let method = if code.is_some() { next() } else { first };
        let cseq = next();
        let hop = if from < to { format!("{from}{to}") } else { format!("{to}{from}") };
        // A CANCEL and the ACK of a refusal are of the INVITE's transaction on this hop.
        let of = if matches!(method, "CANCEL" | "ACK") { "INVITE" } else { method };
        let is_initial = matches!(method, "INVITE" | "CANCEL" | "REGISTER")
            && cseq.len() == 1
            && code.is_none_or(|code| code == 100);
        let mut options = Options {
            call_id: "call-1",
            from_tag: "a",
            to_tag: (!is_initial).then_some("b"),
            branch: String::new(),
            sdp: None,
            port: 0,
            client: None,
            uri: "sip:bob@b.example",
            headers,
        };
        for option in words {
            let (name, value) = option.split_once('=').unwrap_or((option, ""));
            match name {
                "id" => options.call_id = value,
                "ft" => options.from_tag = value,
                "tt" => options.to_tag = Some(value),
                "new" => options.to_tag = None,
                "br" => options.branch = format!("z9hG4bK{value}"),
                "sdp" => options.sdp = Some(value),
                "port" => options.port = value.parse().expect("a port"),
                "client" => options.client = Some(value.parse().expect("a port")),
                "uri" => options.uri = value,
                _ => panic!("no option {name}: {line}"),
            }
        }
        if options.branch.is_empty() {
            options.branch = format!("z9hG4bK{hop}{cseq}{of}{}", options.call_id);
        }
        let start = match code {
            Some(code) => format!("SIP/2.0 {code} Reason"),
            None => format!("{method} {} SIP/2.0", options.uri),
        };
        let (mut from, mut to) = (endpoint(from), endpoint(to));
        if let Some(port) = options.client {
            let asking = if code.is_some() { &mut to } else { &mut from };
            asking.set_port(port);
        }
        scene.put(ms(now), from, to, &message(&start, &format!("{cseq} {method}"), from, &options));
    }
}

fn message(start: &str, cseq: &str, from: SocketAddr, options: &Options<'_>) -> Vec<u8> {
    let body = options.sdp.map_or(String::new(), |direction| description(from, direction, options.port));
    let content = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
    let to_tag = options.to_tag.map_or(String::new(), |tag| format!(";tag={tag}"));
    let headers: String = options.headers.iter().map(|header| format!("{header}\r\n")).collect();
    format!(
        "{start}\r\nVia: SIP/2.0/UDP {from};branch={}\r\nFrom: Alice <sip:alice@a.example>;tag={}\r\n\
         To: Bob <sip:bob@b.example>{to_tag}\r\nCall-ID: {}\r\nCSeq: {cseq}\r\n{headers}{content}Content-Length: {}\r\n\r\n{body}",
        options.branch,
        options.from_tag,
        options.call_id,
        body.len()
    )
    .into_bytes()
}

/// Where a party's sound comes to: its own address, port 20000 unless said.
pub fn sound_at(party: &str, port: u16) -> SocketAddr {
    SocketAddr::new(endpoint(party).ip(), if port == 0 { 20_000 } else { port })
}

fn description(from: SocketAddr, direction: &str, port: u16) -> String {
    let (ip, direction) = match direction {
        "hold" => ("0.0.0.0".to_owned(), "sendrecv"),
        "named" => ("pc33.atlanta.example".to_owned(), "sendrecv"),
        direction => (from.ip().to_string(), direction),
    };
    let port = if port == 0 { 20_000 } else { port };
    body(&ip, &format!("m=audio {port} RTP/AVP 0\r\na={direction}\r\n"))
}

/// Plays a ladder alone, on a host that knows no address as its own.
pub fn play(ladder: &str) -> Seen {
    let mut scene = Scene::new();
    put(&mut scene, ladder);
    scene.run()
}

/// Plays a ladder, and lets so many seconds pass behind it.
pub fn play_and_wait(ladder: &str, seconds: i64) -> Seen {
    wait(with(Scene::new(), ladder), seconds).run()
}

pub fn with(mut scene: Scene, ladder: &str) -> Scene {
    put(&mut scene, ladder);
    scene
}

/// Time goes on until so many seconds after the start.
pub fn wait(mut scene: Scene, seconds: i64) -> Scene {
    for second in 1..=seconds {
        scene.pause(second * 1_000_000_000);
    }
    scene
}

impl Seen {
    /// That of the families that are named, these and no other series are above zero: `family{label="value",...} count`.
    #[track_caller]
    pub fn counts(&self, want: &[(&str, &str, f64)]) {
        for (family, label, count) in want {
            assert_eq!(self.sum(family, label), *count, "{family} with {label:?}");
        }
        for (family, ..) in want {
            let listed: f64 = want.iter().filter(|(other, ..)| other == family).map(|(.., count)| count).sum();
            assert_eq!(self.sum(family, ""), listed, "{family} has more than what is listed");
        }
    }

    /// How the attempts of a ladder ended, as `call_outcomes_total` and the JSON of one call say.
    #[track_caller]
    pub fn ended(&self, attempts: f64, outcomes: &[(&str, f64)]) {
        self.counts(&[("call_attempts_total", "", attempts)]);
        let outcomes: Vec<(String, f64)> =
            outcomes.iter().map(|(outcome, count)| (format!("outcome=\"{outcome}\""), *count)).collect();
        let want: Vec<(&str, &str, f64)> =
            outcomes.iter().map(|(label, count)| ("call_outcomes_total", label.as_str(), *count)).collect();
        self.counts(&want);
    }
}
