#![no_main]

use sidetone_fuzz::harness::{Core, START, small};
use sidetone_fuzz::steps;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut core = Core::new(&small(), true);
    let mut now = START;
    for step in steps(bytes) {
        now = now.saturating_add(step.later);
        core.frame(now, step.link, step.frame);
    }
    core.tick(now.saturating_add(100_000_000_000));
    core.finish();
});
