#![no_main]

use sidetone::wire::websocket::{self, Header};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    websocket::upgrade(bytes);
    websocket::may_upgrade(bytes);
    if let Header::Frame(frame) = websocket::header(bytes) {
        let mut out = Vec::new();
        frame.unmask_into(bytes, &mut out);
        assert_eq!(out.len(), bytes.len());
    }
});
