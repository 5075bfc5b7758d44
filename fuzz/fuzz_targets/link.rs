#![no_main]

use sidetone_fuzz::{parsers, steps};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    for step in steps(bytes) {
        parsers::frame(step.link, step.frame);
    }
});
