//! rtpengine's ng protocol: bencoded dictionaries over UDP, with a cookie before each.
//! https://rtpengine.readthedocs.io/en/latest/ng_control_protocol.html

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::{Map, Value, json};

pub struct Control {
    socket: UdpSocket,
    asked: AtomicU32,
}

impl Control {
    pub fn new(rtpengine: SocketAddr) -> Control {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket");
        socket.connect(rtpengine).expect("an address");
        socket.set_read_timeout(Some(Duration::from_secs(10))).expect("a time-out");
        Control { socket, asked: AtomicU32::new(0) }
    }

    /// Sends a command; fails unless rtpengine does it.
    pub fn ask(&self, command: &str, mut arguments: Value) -> Value {
        arguments["command"] = json!(command);
        // A cookie that rtpengine has seen, from whomever, is a repetition for it: it repeats its answer.
        let port = self.socket.local_addr().expect("an address").port();
        let cookie = format!("{port}-{} ", self.asked.fetch_add(1, Ordering::Relaxed));
        let mut message = cookie.clone().into_bytes();
        encode(&arguments, &mut message);
        self.socket.send(&message).expect("sent");
        let mut buffer = vec![0; 65_536];
        let length = self.socket.recv(&mut buffer).expect("an answer");
        let mut rest = buffer[..length].strip_prefix(cookie.as_bytes()).expect("our cookie");
        let answer = decode(&mut rest);
        let done = ["ok", "pong"].iter().any(|word| answer["result"] == *word);
        assert!(done, "{command}: {answer}");
        answer
    }
}

/// What rtpengine counted of the RTP from a party.
#[derive(Debug)]
pub struct Received {
    pub packets: u64,
    /// Headers and payloads.
    pub bytes: u64,
    pub errors: u64,
}

/// `None` where a call (the answer to `query`) has no such party.
pub fn received_from(call: &Value, party: SocketAddr) -> Option<Received> {
    let tags = call["tags"].as_object().into_iter().flat_map(Map::values);
    let streams = tags
        .flat_map(|tag| tag["medias"].as_array().into_iter().flatten())
        .flat_map(|media| media["streams"].as_array().into_iter().flatten());
    let mut found = streams.filter(|stream| {
        let endpoint = &stream["endpoint"];
        endpoint["address"] == party.ip().to_string() && endpoint["port"] == party.port()
    });
    let stats = &found.next()?["stats"];
    let count = |key: &str| stats[key].as_u64();
    Some(Received { packets: count("packets")?, bytes: count("bytes")?, errors: count("errors")? })
}

fn encode(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::String(text) => {
            out.extend(format!("{}:", text.len()).bytes());
            out.extend(text.bytes());
        }
        Value::Number(number) => out.extend(format!("i{number}e").bytes()),
        Value::Array(items) => {
            out.push(b'l');
            items.iter().for_each(|item| encode(item, out));
            out.push(b'e');
        }
        Value::Object(members) => {
            out.push(b'd');
            for (key, member) in members {
                encode(&Value::String(key.clone()), out);
                encode(member, out);
            }
            out.push(b'e');
        }
        Value::Null | Value::Bool(_) => panic!("no such thing in bencode: {value}"),
    }
}

fn decode(rest: &mut &[u8]) -> Value {
    match rest[0] {
        b'i' => {
            *rest = &rest[1..];
            let number: i64 = take_until(rest, b'e').parse().expect("a number");
            json!(number)
        }
        b'l' => {
            *rest = &rest[1..];
            let mut items = Vec::new();
            while rest[0] != b'e' {
                items.push(decode(rest));
            }
            *rest = &rest[1..];
            Value::Array(items)
        }
        b'd' => {
            *rest = &rest[1..];
            let mut members = Map::new();
            while rest[0] != b'e' {
                let key = decode(rest).as_str().expect("a key").to_owned();
                members.insert(key, decode(rest));
            }
            *rest = &rest[1..];
            Value::Object(members)
        }
        _ => {
            let length: usize = take_until(rest, b':').parse().expect("a length");
            let (text, after) = rest.split_at(length);
            *rest = after;
            json!(String::from_utf8_lossy(text))
        }
    }
}

fn take_until<'a>(rest: &mut &'a [u8], end: u8) -> &'a str {
    let at = rest.iter().position(|byte| *byte == end).expect("an end");
    let text = std::str::from_utf8(&rest[..at]).expect("ASCII");
    *rest = &rest[at + 1..];
    text
}
