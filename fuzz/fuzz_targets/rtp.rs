#![no_main]

libfuzzer_sys::fuzz_target!(|payload: &[u8]| sidetone_fuzz::parsers::rtp(payload));
