//! DNS: one question to one server (RFC 1035), and whether the answers are those that were expected.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;
use std::time::Instant;

use hickory_proto::op::{Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::{Name, RecordType};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};

use super::dial;
use super::sheet::{DNS_ADDITIONAL, DNS_ANSWERS, DNS_AUTHORITY, DNS_PHASES, DNS_SUCCEEDED, FAMILIES, Sheet};
use crate::config::{Probe as Settings, Target};
use crate::sources::{Failure, Reason};

/// Datagrams that are not the answer and are passed over: anybody may send some.
const MAX_STRANGERS: usize = 100;

pub async fn ask(settings: &Settings, target: &Target, sheet: &mut Sheet) -> Result<(), Failure> {
    let (server, resolve) = dial::resolve(settings, target, sheet).await?;
    sheet.phase(&FAMILIES[DNS_PHASES], "resolve", resolve);
    sheet.set(&FAMILIES[DNS_SUCCEEDED], 0.0);
    let question = question(settings)?;
    let bytes =
        question.to_vec().map_err(|error| Failure::new(Reason::Answer, format_args!("the question: {error}")))?;
    let answer = match settings.dns.over_tcp {
        true => by_tcp(server, &bytes, sheet).await?,
        false => by_udp(server, &bytes, &question, sheet).await?,
    };
    if !belongs(&question, &answer) {
        return Err(Failure::new(Reason::Answer, "the answer is to another question"));
    }
    sheet.set(&FAMILIES[DNS_SUCCEEDED], 1.0);
    let sections =
        [(DNS_ANSWERS, &answer.answers), (DNS_AUTHORITY, &answer.authorities), (DNS_ADDITIONAL, &answer.additionals)];
    for (at, records) in sections {
        sheet.set(&FAMILIES[at], records.len() as f64);
    }
    judge(settings, &answer)
}

fn question(settings: &Settings) -> Result<Message, Failure> {
    let odd = |error: &dyn std::fmt::Display| Failure::new(Reason::Answer, format_args!("the question: {error}"));
    let mut name = Name::from_str(&settings.dns.query).map_err(|error| odd(&error))?;
    name.set_fqdn(true);
    let record = RecordType::from_str(&settings.dns.record).map_err(|error| odd(&error))?;
    let mut message = Message::query();
    message.metadata.message_type = MessageType::Query;
    message.metadata.op_code = OpCode::Query;
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(name, record));
    Ok(message)
}

fn belongs(question: &Message, answer: &Message) -> bool {
    answer.metadata.id == question.metadata.id
        && answer.metadata.message_type == MessageType::Response
        && answer.queries.first().is_none_or(|query| Some(query) == question.queries.first())
}

async fn by_udp(server: SocketAddr, bytes: &[u8], question: &Message, sheet: &mut Sheet) -> Result<Message, Failure> {
    let broken = |error: std::io::Error| Failure::new(Reason::Connect, format_args!("{server}: {error}"));
    let started = Instant::now();
    let any: SocketAddr =
        if server.is_ipv4() { (Ipv4Addr::UNSPECIFIED, 0).into() } else { (Ipv6Addr::UNSPECIFIED, 0).into() };
    let socket = UdpSocket::bind(any).await.map_err(broken)?;
    socket.connect(server).await.map_err(broken)?;
    sheet.phase(&FAMILIES[DNS_PHASES], "connect", started.elapsed());
    let started = Instant::now();
    socket.send(bytes).await.map_err(broken)?;
    let mut buffer = vec![0; usize::from(u16::MAX)];
    for _ in 0..MAX_STRANGERS {
        let n = socket.recv(&mut buffer).await.map_err(broken)?;
        let datagram = &buffer[..n];
        // RFC 5452 section 9.1: what has another number is no answer to this question.
        if datagram.get(..2) != Some(&question.metadata.id.to_be_bytes()) {
            continue;
        }
        sheet.phase(&FAMILIES[DNS_PHASES], "request", started.elapsed());
        return read(datagram);
    }
    Err(Failure::new(Reason::Answer, "only answers to other questions"))
}

async fn by_tcp(server: SocketAddr, bytes: &[u8], sheet: &mut Sheet) -> Result<Message, Failure> {
    let broken = |error: std::io::Error| Failure::new(Reason::Connect, format_args!("{server}: {error}"));
    let started = Instant::now();
    let mut stream = TcpStream::connect(server).await.map_err(broken)?;
    sheet.phase(&FAMILIES[DNS_PHASES], "connect", started.elapsed());
    let started = Instant::now();
    // RFC 1035 section 4.2.2: two bytes of length in front.
    let length = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
    stream.write_all(&[&length.to_be_bytes(), bytes].concat()).await.map_err(broken)?;
    let length = stream.read_u16().await.map_err(broken)?;
    let mut answer = vec![0; usize::from(length)];
    stream.read_exact(&mut answer).await.map_err(broken)?;
    sheet.phase(&FAMILIES[DNS_PHASES], "request", started.elapsed());
    read(&answer)
}

fn read(bytes: &[u8]) -> Result<Message, Failure> {
    Message::from_vec(bytes)
        .map_err(|error| Failure::new(Reason::Answer, format_args!("the answer cannot be read: {error}")))
}

fn judge(settings: &Settings, answer: &Message) -> Result<(), Failure> {
    let code = answer.metadata.response_code;
    if code != ResponseCode::NoError {
        return Err(Failure::new(Reason::Refused, format_args!("the server answers {code}")));
    }
    let found: Vec<String> = answer.answers.iter().map(|record| record.data.to_string()).collect();
    if found.is_empty() {
        return Err(Failure::new(Reason::Answer, format_args!("no {} record", settings.dns.record)));
    }
    // A name may be written with its final dot or without.
    let same = |wanted: &str, text: &str| text.trim_end_matches('.').eq_ignore_ascii_case(wanted.trim_end_matches('.'));
    match settings.dns.answers.iter().find(|wanted| !found.iter().any(|text| same(wanted, text))) {
        Some(wanted) => {
            Err(Failure::new(Reason::Answer, format_args!("{wanted} is not among the answers {}", found.join(", "))))
        }
        None => Ok(()),
    }
}
