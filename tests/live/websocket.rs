//! A SIP caller over WebSocket (RFC 6455, RFC 7118): there is none in Debian that a test could drive.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};

use crate::common::PATIENCE;

/// RFC 6455 section 5.2.
const FIN: u8 = 0x80;
const CONTINUATION: u8 = 0;
const TEXT: u8 = 1;
const MASKED: u8 = 0x80;

/// A connection whose handshake is done.
pub struct WebSocket {
    stream: TcpStream,
    input: BufReader<TcpStream>,
    host: IpAddr,
    sent: u8,
}

impl WebSocket {
    /// Connects from an address of the loopback.
    pub fn connect(from: IpAddr, to: SocketAddr) -> WebSocket {
        let stream = connect_from(from, to);
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let mut input = BufReader::new(stream.try_clone().expect("a socket"));
        let mut socket_stream = stream.try_clone().expect("a socket");
        // The key and its answer are the example of RFC 6455 section 1.3.
        write!(
            socket_stream,
            "GET / HTTP/1.1\r\nHost: {to}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: sip\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        .expect("a request");
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(input.read_line(&mut head).expect("an answer") > 0, "closed after {head}");
        }
        assert!(head.contains(" 101 ") && head.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{head}");
        WebSocket { stream, input, host: from, sent: 0 }
    }

    /// Sends a message in so many frames, masked as a client's are, each with another key.
    pub fn send(&mut self, message: &str, frames: usize) {
        let mut chunks = message.as_bytes().chunks(message.len().div_ceil(frames)).peekable();
        let mut opcode = TEXT;
        while let Some(chunk) = chunks.next() {
            let fin = if chunks.peek().is_none() { FIN } else { 0 };
            self.sent = self.sent.wrapping_add(37);
            let key = [self.sent, 0xa5, 0x5a, self.sent.rotate_left(3)];
            let mut frame = vec![fin | opcode];
            match u16::try_from(chunk.len()).expect("a short message") {
                length @ ..126 => frame.push(MASKED | length as u8),
                length => {
                    frame.push(MASKED | 126);
                    frame.extend(length.to_be_bytes());
                }
            }
            frame.extend(key);
            frame.extend(chunk.iter().zip(key.iter().cycle()).map(|(byte, mask)| byte ^ mask));
            self.stream.write_all(&frame).expect("a frame is sent");
            opcode = CONTINUATION;
        }
    }

    /// The next message; the server sends each in one frame.
    pub fn receive(&mut self) -> String {
        let mut head = [0; 2];
        self.input.read_exact(&mut head).expect("a frame");
        assert!(head[0] & FIN != 0 && head[1] & MASKED == 0, "{head:?}");
        let mut length = usize::from(head[1]);
        if length == 126 {
            let mut long = [0; 2];
            self.input.read_exact(&mut long).expect("a length");
            length = usize::from(u16::from_be_bytes(long));
        }
        let mut payload = vec![0; length];
        self.input.read_exact(&mut payload).expect("a payload");
        String::from_utf8(payload).expect("text")
    }

    /// Makes a call that the callee ends, by a refusal or by BYE; gives the final status.
    pub fn call(&mut self, call_id: &str, callee: SocketAddr) -> String {
        let (host, me) = (self.host, "caller.invalid");
        let request = |method: &str, branch: &str, route: &str, to: &str| {
            format!(
                "{method} sip:callee@{callee} SIP/2.0\r\nVia: SIP/2.0/WS {me};branch=z9hG4bK-{call_id}-{branch}\r\nMax-Forwards: 70\r\n\
                 {route}From: <sip:caller@{host}>;tag=a-{call_id}\r\nTo: {to}\r\nCall-ID: {call_id}\r\nCSeq: 1 {method}\r\n\
                 Contact: <sip:caller@{me};transport=ws>\r\nContent-Length: 0\r\n\r\n"
            )
        };
        self.send(&request("INVITE", "invite", "", &format!("<sip:callee@{callee}>")), 3);
        let answer = loop {
            let message = self.receive();
            if !message.starts_with("SIP/2.0 1") {
                break message;
            }
        };
        let status = answer.split(' ').nth(1).expect("a status").to_owned();
        let to = header(&answer, "To").join("");
        let route: Vec<String> =
            header(&answer, "Record-Route").iter().rev().map(|uri| format!("Route: {uri}\r\n")).collect();
        // RFC 3261 section 17.1.1.3: the ACK of a refusal is the proxy's alone.
        let (branch, route) = if status == "200" { ("ack", route.concat()) } else { ("invite", String::new()) };
        self.send(&request("ACK", branch, &route, &to), 1);
        if status == "200" {
            let bye = self.receive();
            assert!(bye.starts_with("BYE "), "{bye}");
            let kept = ["Via", "From", "To", "Call-ID", "CSeq"]
                .map(|name| header(&bye, name).iter().map(|value| format!("{name}: {value}\r\n")).collect::<String>());
            self.send(&format!("SIP/2.0 200 OK\r\n{}Content-Length: 0\r\n\r\n", kept.concat()), 2);
        }
        status
    }
}

/// The standard library does not bind a socket before it connects.
fn connect_from(from: IpAddr, to: SocketAddr) -> TcpStream {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().expect("a runtime");
    let stream = runtime.block_on(async {
        let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
        socket.bind(SocketAddr::from((from, 0))).expect("an address of the loopback");
        socket.connect(to).await.expect("a connection")
    });
    let stream = stream.into_std().expect("a socket");
    stream.set_nonblocking(false).expect("a socket that blocks");
    stream
}

/// The values of a header field, each on a line of its own or separated by commas.
fn header(message: &str, name: &str) -> Vec<String> {
    let lines = message.split("\r\n").filter_map(|line| line.split_once(':'));
    let values = lines.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim());
    let split = |value: &str| match name {
        "Record-Route" => value.split(',').map(|one| one.trim().to_owned()).collect(),
        _ => vec![value.to_owned()],
    };
    values.flat_map(split).collect()
}
