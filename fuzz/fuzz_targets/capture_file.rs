#![no_main]

use std::fs::File;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::path::Path;

use rustix::fs::{MemfdFlags, memfd_create};
use sidetone::capture::file::{CaptureFile, MAX_FRAME};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut file = File::from(memfd_create("capture", MemfdFlags::CLOEXEC).expect("memory"));
    file.write_all(bytes).expect("memory");
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    let Ok(mut capture) = CaptureFile::open(Path::new(&path)) else { return };
    while let Ok(Some(frame)) = capture.next() {
        assert!(frame.data.len() <= MAX_FRAME as usize);
    }
    assert!(matches!(capture.next(), Ok(None)), "it is over once it is");
});
