//! The messages of RFC 4475 and RFC 5118, each on a connection of its own: what a datagram tells of them, TCP tells too.

use std::fs;

use sidetone::wire::sip::framing::{Length, body_length};
use sidetone::wire::sip::{self, Content, Malformed};

use crate::build::*;
use crate::support::shared_dir;

/// What is to be seen of a message: its start line and what is wrong with it, or why it is none.
fn seen(bytes: &[u8]) -> String {
    match sip::parse(bytes) {
        Ok(Content::Message(message)) => format!("{:?} {:?}", message.start, message.problem),
        Ok(Content::KeepAlive) => "nothing".to_owned(),
        Err(reason) => reason.reason().to_owned(),
    }
}

#[test]
fn torture_messages_over_tcp() {
    let Some(shared) = shared_dir() else { return };
    let mut messages = 0;
    for entry in fs::read_dir(shared.join("captures/torture")).expect("torture messages") {
        let path = entry.expect("an entry").path();
        if path.extension().is_none_or(|extension| extension != "dat") {
            continue;
        }
        messages += 1;
        let bytes = fs::read(&path).expect("a message");
        for (handshake, size) in [(true, 1), (true, 100), (true, 60_000), (false, 60_000)] {
            let name = format!("{} {handshake} {size}", path.display());
            let mut capture = Capture::new();
            if handshake {
                capture.segments(&line().handshake());
            }
            for (n, chunk) in bytes.chunks(size).enumerate() {
                capture.segment(&line().data(0, n * size, chunk));
            }
            capture.segment(&Tcp { flags: FIN | ACK, ..line().data(0, bytes.len(), b"") });
            let wanted = seen(&bytes);
            // A start line that is none is said as such; what only the capture's beginning could excuse is not.
            if wanted == Malformed::StartLine.reason() {
                let said: &[&str] = if handshake { &["start_line"] } else { &[] };
                assert_eq!((&capture.malformed[..], capture.got.len()), (said, 0), "{name}");
                continue;
            }
            assert_eq!(capture.got.iter().map(|got| seen(&got.text)).collect::<Vec<_>>(), [wanted], "{name}");
            let bare = body_length(&bytes) == Length::Missing;
            assert_eq!(capture.malformed, if bare { vec!["content_length"] } else { vec![] }, "{name}");
        }
    }
    assert!(messages >= 32, "{messages} torture messages");
}
