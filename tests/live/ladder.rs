//! A scene of SIP between two parties, told as a ladder of messages beside what is true of it, and the two SIPp scenarios that
//! play it.
//!
//!     scene NAME: what it shows
//!     direction inbound         else outbound: the caller is on this host
//!     calls 3                   else 2
//!     only caller               the other side is played by other scenes (behind a proxy that forks)
//!     > INVITE sdp              the caller sends it, the callee receives it
//!     < 183                     the callee sends it
//!     + RSeq: 1                 a further header field of the message above
//!     ~ 300                     milliseconds that the next sender waits
//!     = cancelled               what is true of each call: see `Truth`
//!
//! Behind a request's method or a response's status (and the method that it answers, where that is not the last request):
//! `sdp`, or `sdp=inactive|sendonly|recvonly|zero` (RFC 3264's hold, RFC 2543's hold); `tag=X`, the callee's tag (X is b,
//! unless it forks); `user=X`, whom the Request-URI names, or `uri=X`, all of it; `inside`, a request of a dialog that began
//! before the scene; `leg=X`, another dialog, with a Call-ID, user and tags of its
//! own; `again`, the same bytes as the last message of that name; `auth`, a challenge for SIPp's [authentication]. `> RTP` plays media.pcap in the background. Messages that
//! cross are told in the order in which the wire between the parties has them.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::collections::HashMap;
use std::fmt::Write;
use std::net::SocketAddr;

/// One scene: steps, and what each of its calls must show.
#[derive(Debug, Default)]
pub struct Scene {
    pub name: String,
    pub direction: String,
    pub calls: u16,
    /// The one side that is played, where it is not both.
    pub only: Option<usize>,
    steps: Vec<Step>,
    pub truth: Truth,
}

/// What one call of a scene counts for.
#[derive(Clone, Debug, Default)]
pub struct Truth {
    /// The outcome of each attempt of the call.
    pub outcomes: Vec<String>,
    /// `side/cause` of each `release=`; the cause is `?` where nothing settles it.
    pub releases: Vec<String>,
    /// The other words, `KEY=NUMBER`, as in `answers=1`.
    pub numbers: HashMap<String, f64>,
}

impl Truth {
    /// The number that was told, or else 0.
    pub fn number(&self, key: &str) -> f64 {
        self.numbers.get(key).copied().unwrap_or(0.0)
    }
}

/// A line of the ladder. Parties are 0, the caller, and 1, the callee.
#[derive(Debug, Default)]
struct Step {
    sender: usize,
    pause_ms: u32,
    /// Method or status.
    name: String,
    /// The method that a response answers, where it is told.
    answers: Option<String>,
    options: HashMap<String, String>,
    headers: Vec<String>,
}

/// The scenes of a text.
pub fn parse(text: &str) -> Vec<Scene> {
    let mut scenes = Vec::new();
    let mut pause_ms = 0;
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (word, rest) = line.split_once(' ').unwrap_or_else(|| panic!("one word alone: {line}"));
        if word == "scene" {
            let name = rest.split(':').next().unwrap_or(rest).to_owned();
            scenes.push(Scene { name, direction: "outbound".to_owned(), calls: 2, ..Scene::default() });
            continue;
        }
        let scene = scenes.last_mut().unwrap_or_else(|| panic!("before the first scene: {line}"));
        match word {
            "direction" => scene.direction = rest.to_owned(),
            "calls" => scene.calls = rest.parse().expect("a number of calls"),
            "only" => scene.only = Some(usize::from(rest == "callee")),
            "~" => pause_ms = rest.parse().expect("milliseconds"),
            "+" => scene.steps.last_mut().expect("a message above").headers.push(rest.to_owned()),
            "=" => scene.truth = truth(rest),
            _ => scene.steps.push(step(word, rest, std::mem::take(&mut pause_ms))),
        }
    }
    scenes
}

fn truth(text: &str) -> Truth {
    let mut truth = Truth::default();
    for word in text.split_whitespace() {
        match word.split_once('=') {
            None => truth.outcomes.push(word.to_owned()),
            Some(("release", release)) => truth.releases.push(release.to_owned()),
            Some((key, number)) => {
                truth.numbers.insert(key.to_owned(), number.parse().unwrap_or_else(|_| panic!("no number: {word}")));
            }
        }
    }
    truth
}

fn step(arrow: &str, rest: &str, pause_ms: u32) -> Step {
    let sender = match arrow {
        ">" => 0,
        "<" => 1,
        _ => panic!("no arrow: {arrow} {rest}"),
    };
    let mut step = Step { sender, pause_ms, ..Step::default() };
    let mut words = rest.split_whitespace();
    step.name = words.next().expect("a message").to_owned();
    for word in words {
        match word.split_once('=') {
            Some((key, value)) => step.options.insert(key.to_owned(), value.to_owned()),
            None if word.chars().all(char::is_uppercase) => step.answers.replace(word.to_owned()),
            None => step.options.insert(word.to_owned(), String::new()),
        };
    }
    step
}

/// Two Via header fields, the proxy's and the other party's, into variables.
const KEEP_VIA: &str = "<action><ereg regexp=\".*\" search_in=\"hdr\" header=\"Via:\" occurrence=\"1\" assign_to=\"1\"/>\
     <ereg regexp=\".*\" search_in=\"hdr\" header=\"Via:\" occurrence=\"2\" assign_to=\"2\"/></action>";
/// SIPp refuses variables that nothing reads: a callee may never answer.
const KEPT_VIA: &str = "<Reference variables=\"1,2\"/>\n";

/// Where a scene is played: what the parties call themselves, and over what.
#[derive(Clone, Copy, Debug)]
pub struct Stage {
    pub parties: [SocketAddr; 2],
    /// Where the caller sends all of it: the callee, or else a proxy, which puts in Via and Record-Route, and answers 100.
    pub remote: SocketAddr,
    /// As in Via: `UDP` or `TCP`.
    pub transports: [&'static str; 2],
}

impl Stage {
    pub fn is_proxied(&self) -> bool {
        self.remote != self.parties[1]
    }
}

/// The SIPp scenarios of the caller and of the callee.
pub fn scenarios(scene: &Scene, stage: &Stage) -> [String; 2] {
    let mut writer = Writer { stage, dialogs: HashMap::new(), branches: 0, xml: [String::new(), String::new()] };
    for step in &scene.steps {
        writer.step(step);
    }
    writer.xml.map(|mut elements| {
        if elements.contains(KEEP_VIA) {
            elements.push_str(KEPT_VIA);
        }
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<scenario name=\"{}\">\n{elements}</scenario>\n",
            scene.name
        )
    })
}

/// A request as its answers see it.
#[derive(Clone, Debug, Default)]
struct Request {
    cseq: u32,
    branch: u32,
    is_refused: bool,
}

#[derive(Debug, Default)]
struct Dialog {
    /// Of the caller's and the callee's requests.
    cseq: [u32; 2],
    /// The last request of each party and method.
    requests: HashMap<(usize, String), Request>,
    last_method: [String; 2],
    /// Messages by sender and name, for `again`.
    sent: HashMap<(usize, String), String>,
    is_answered: bool,
}

struct Writer<'a> {
    stage: &'a Stage,
    dialogs: HashMap<String, Dialog>,
    branches: u32,
    xml: [String; 2],
}

impl Writer<'_> {
    fn step(&mut self, step: &Step) {
        if step.name == "RTP" {
            let play = "<nop><action><exec play_pcap_audio=\"media.pcap\"/></action></nop>\n";
            return self.xml[step.sender].push_str(play);
        }
        if step.pause_ms > 0 {
            writeln!(self.xml[step.sender], "<pause milliseconds=\"{}\"/>", step.pause_ms).expect("a string");
        }
        let message = self.message(step);
        let retrans = if step.options.contains_key("retrans") { " retrans=\"500\"" } else { "" };
        let lines = message.replace('\n', "\n  ");
        write!(self.xml[step.sender], "<send{retrans}><![CDATA[\n  {lines}\n]]></send>\n").expect("a string");
        // What SIPp has had already it answers by itself, as before.
        if !step.options.contains_key("again") {
            self.receive(step);
        }
    }

    fn receive(&mut self, step: &Step) {
        let xml = &mut self.xml[1 - step.sender];
        let is_response = is_status(&step.name);
        if is_response && self.stage.is_proxied() {
            xml.push_str("<recv response=\"100\" optional=\"true\"/>\n");
        }
        let kind = if is_response { "response" } else { "request" };
        let challenge = if step.options.contains_key("auth") { " auth=\"true\"" } else { "" };
        let route = if self.stage.is_proxied() { " rrs=\"true\"" } else { "" };
        // The answer to an INVITE may come after other requests, such as a CANCEL.
        let keep = match self.stage.is_proxied() && step.name == "INVITE" {
            true => KEEP_VIA,
            false => "",
        };
        writeln!(xml, "<recv {kind}=\"{}\"{challenge}{route}>{keep}</recv>", step.name).expect("a string");
    }

    fn message(&mut self, step: &Step) -> String {
        let leg = step.options.get("leg").cloned().unwrap_or_default();
        let key = (step.sender, step.name.clone());
        if step.options.contains_key("again") {
            let sent = self.dialogs.get(&leg).and_then(|dialog| dialog.sent.get(&key));
            return sent.unwrap_or_else(|| panic!("never sent: {step:?}")).clone();
        }
        let text = if is_status(&step.name) { self.response(step, &leg) } else { self.request(step, &leg) };
        self.dialogs.entry(leg).or_default().sent.insert(key, text.clone());
        text
    }

    fn request(&mut self, step: &Step, leg: &str) -> String {
        let (method, sender) = (step.name.as_str(), step.sender);
        let dialog = self.dialogs.entry(leg.to_owned()).or_default();
        let invite = dialog.requests.get(&(sender, "INVITE".to_owned())).cloned().unwrap_or_default();
        // RFC 3261 sections 9.1, 17.1.1.3, 13.2.2.4: CANCEL and the ACK of a refusal are in the INVITE's transaction.
        let is_same = method == "CANCEL" || method == "ACK" && invite.is_refused;
        if !is_same {
            self.branches += 1;
        }
        let branch = if is_same { invite.branch } else { self.branches };
        let cseq = if matches!(method, "ACK" | "CANCEL") { invite.cseq } else { dialog.cseq[sender] + 1 };
        dialog.cseq[sender] = cseq.max(dialog.cseq[sender]);
        dialog.requests.insert((sender, method.to_owned()), Request { cseq, branch, is_refused: false });
        if method != "ACK" {
            dialog.last_method[sender] = method.to_owned();
        }
        dialog.is_answered |= step.options.contains_key("inside");
        let is_outside =
            matches!(method, "CANCEL" | "REGISTER") || matches!(method, "INVITE" | "OPTIONS") && !dialog.is_answered;

        let own = self.stage.parties[sender];
        let whom = step.options.get("user").map_or(["callee", "caller"][sender], String::as_str);
        let target = if method == "REGISTER" { String::new() } else { format!("{whom}@") };
        let uri = step.options.get("uri").cloned();
        let uri = uri.unwrap_or_else(|| format!("sip:{target}{}", self.stage.parties[1 - sender]));
        let (from, to) = self.sides(step, leg, method, is_outside);
        let route = if self.stage.is_proxied() && !is_outside { "[routes]\n" } else { "" };
        let transport = self.stage.transports[sender];
        let mut text = format!(
            "{method} {uri} SIP/2.0\nVia: SIP/2.0/{transport} {own};branch=z9hG4bK-[call_id]-{branch}\n\
             Max-Forwards: 70\n{route}From: {}\nTo: {}\nCall-ID: {leg}{}[call_id]\nCSeq: {cseq} {method}\n",
            [&from, &to][sender],
            [&to, &from][sender],
            if leg.is_empty() { "" } else { "///" },
        );
        self.finish(&mut text, step);
        text
    }

    fn response(&mut self, step: &Step, leg: &str) -> String {
        let asker = 1 - step.sender;
        let dialog = self.dialogs.entry(leg.to_owned()).or_default();
        let method = step.answers.clone().unwrap_or_else(|| dialog.last_method[asker].clone());
        let request =
            dialog.requests.get_mut(&(asker, method.clone())).unwrap_or_else(|| panic!("no {method}: {step:?}"));
        if method == "INVITE" && step.name.as_str() >= "200" {
            request.is_refused = step.name.as_str() >= "300";
            dialog.is_answered |= step.name.starts_with('2');
        }
        let Request { cseq, branch, .. } = *request;
        let via = match self.stage.is_proxied() {
            true if method == "INVITE" => "Via:[$1]\nVia:[$2]\n[last_Record-Route:]".to_owned(),
            true => "[last_Via:]\n[last_Record-Route:]".to_owned(),
            false => {
                let transport = self.stage.transports[asker];
                format!("Via: SIP/2.0/{transport} {};branch=z9hG4bK-[call_id]-{branch}", self.stage.parties[asker])
            }
        };
        let (from, to) = self.sides(step, leg, &method, step.name == "100");
        let mut text = format!(
            "SIP/2.0 {} Response\n{via}\nFrom: {}\nTo: {}\nCall-ID: {leg}{}[call_id]\nCSeq: {cseq} {method}\n",
            step.name,
            [&from, &to][asker],
            [&to, &from][asker],
            if leg.is_empty() { "" } else { "///" },
        );
        self.finish(&mut text, step);
        text
    }

    /// From and To of the caller's requests; `untagged`: without the callee's tag.
    fn sides(&self, step: &Step, leg: &str, method: &str, untagged: bool) -> (String, String) {
        let [caller, callee] = self.stage.parties;
        let tag = step.options.get("tag").map_or("b", String::as_str);
        let from = format!("<sip:caller{leg}@{caller}>;tag=a{leg}-[call_id]");
        let tag = if untagged { String::new() } else { format!(";tag={tag}{leg}-[call_id]") };
        // RFC 3261 section 10.2: To of a REGISTER is the address of record.
        let to = match method {
            "REGISTER" => format!("<sip:[call_id]@{}>{tag}", callee.ip()),
            _ => format!("<sip:callee@{callee}>{tag}"),
        };
        (from, to)
    }

    /// The rest of the header, and the body.
    fn finish(&self, text: &mut String, step: &Step) {
        let own = self.stage.parties[step.sender];
        let transport = match self.stage.transports[step.sender] {
            "UDP" => String::new(),
            other => format!(";transport={}", other.to_lowercase()),
        };
        let has_contact = !matches!(step.name.as_str(), "100" | "REGISTER")
            && !step.headers.iter().any(|header| header.starts_with("Contact:"));
        if has_contact {
            writeln!(text, "Contact: <sip:{}@{own}{transport}>", ["caller", "callee"][step.sender]).expect("a string");
        }
        for header in &step.headers {
            writeln!(text, "{header}").expect("a string");
        }
        let Some(kind) = step.options.get("sdp") else {
            text.push_str("Content-Length: 0\n");
            return;
        };
        let (address, direction) = match kind.as_str() {
            "" => ("[media_ip]", "sendrecv"),
            "zero" => ("0.0.0.0", "sendrecv"),
            direction => ("[media_ip]", direction),
        };
        write!(
            text,
            "Content-Type: application/sdp\nContent-Length: [len]\n\nv=0\no=- 1 1 IN IP4 [media_ip]\ns=-\n\
             c=IN IP4 {address}\nt=0 0\nm=audio [auto_media_port] RTP/AVP 8\na=rtpmap:8 PCMA/8000\na={direction}\n"
        )
        .expect("a string");
    }
}

fn is_status(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_digit())
}
