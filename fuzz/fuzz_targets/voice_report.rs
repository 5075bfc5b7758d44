#![no_main]

use sidetone::wire::voice_report;

libfuzzer_sys::fuzz_target!(|body: &[u8]| {
    voice_report::is_report(body);
    if let Some(report) = voice_report::parse(body) {
        assert!(report.texts().all(|(_, text)| text.len() <= 4 * body.len()));
    }
    voice_report::find(b"multipart/mixed; boundary=x", body);
});
