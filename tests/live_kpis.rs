//! The counts from which RFC 6076's indicators and those of ITU-T E.411 and E.425 are made, over traffic that was counted by hand.

#[path = "live/common.rs"]
mod common;
#[path = "live/ladder.rs"]
mod ladder;
#[path = "live/scenes.rs"]
mod scenes;
#[path = "live/sipp.rs"]
mod sipp;

use std::time::Duration;

use scenes::Play;

// Counted by hand in live/scenes/kpis.txt, calls times what each of them does.

/// Attempts by their final status; the answered ones are 5 + 3 + 2 + 1 + 2.
const FINALS: [(&str, f64); 16] = [
    ("200", 13.0),
    ("302", 2.0),
    ("401", 1.0),
    ("402", 1.0),
    ("403", 1.0),
    ("404", 3.0),
    ("408", 1.0),
    ("480", 2.0),
    ("486", 4.0),
    ("487", 3.0),
    ("500", 1.0),
    ("503", 2.0),
    ("504", 1.0),
    ("600", 1.0),
    ("603", 1.0),
    // Nobody answered.
    ("timeout", 2.0),
];
/// INVITEs that were challenged and sent again are none of their own.
const ATTEMPTS: f64 = 39.0;
const ANSWERS: f64 = 13.0;
/// All answered calls had a BYE, all but one of these an answer.
const BYES: f64 = 13.0;
const BYES_ANSWERED: f64 = 12.0;
/// 5 x 1.0 s, and 0.5 s for each of the other eight.
const TALKED: f64 = 9.0;
/// That rang: all answered ones, 2 of 480, 3 of 487. All after 0.1 s, but for 0.2 s of those three that were challenged.
const RANG: f64 = 18.0;
const RANG_SECONDS: f64 = 2.1;
/// Refused in the sense of RFC 6076 section 4.3.2 (4xx but 401, 402, 407, then 5xx, 6xx): 15 after 0.1 s, 5 after 0.5 s.
const REFUSED: f64 = 20.0;
const REFUSED_SECONDS: f64 = 4.0;
const REGISTRATIONS: f64 = 9.0;
const REGISTERED: f64 = 6.0;
const REGISTERED_SECONDS: f64 = 0.8;

/// Indicators: section, name, numerator, denominator, value.
const INDICATORS: [(&str, &str, f64, f64, f64); 12] = [
    ("RFC 6076 section 4.1", "RRD, seconds", REGISTERED_SECONDS, REGISTERED, 0.133_333),
    // 403, 503, and silence, of all attempts.
    ("RFC 6076 section 4.2", "IRA", 3.0, REGISTRATIONS, 0.333_333),
    ("RFC 6076 section 4.3.1", "SRD of successful requests, seconds", RANG_SECONDS, RANG, 0.116_667),
    ("RFC 6076 section 4.3.2", "SRD of failed requests, seconds", REFUSED_SECONDS, REFUSED, 0.2),
    ("RFC 6076 section 4.5.1", "SDT, seconds; ACD", TALKED, BYES, 0.692_308),
    // Without 3xx, 401, 402 and 407: two, one and one of them (answered challenges are no attempts).
    ("RFC 6076 section 4.6", "SER", ANSWERS, ATTEMPTS - 4.0, 0.371_429),
    // 200, 480, 486, 600, 603.
    ("RFC 6076 section 4.7", "SEER", 13.0 + 2.0 + 4.0 + 1.0 + 1.0, ATTEMPTS - 4.0, 0.6),
    // 408, 500, 503, 504, and silence, which is a 408 to the caller (RFC 3261 section 8.1.3.1).
    ("RFC 6076 section 4.8", "ISA", 1.0 + 1.0 + 2.0 + 1.0 + 2.0, ATTEMPTS, 0.179_487),
    // From INVITE to an answered BYE.
    ("RFC 6076 section 4.9", "SCR", BYES_ANSWERED, ATTEMPTS, 0.307_692),
    ("ITU-T E.411", "ASR over all attempts; ABR", ANSWERS, ATTEMPTS, 0.333_333),
    // Redirected attempts are followed by others of their own.
    ("ITU-T E.411", "ASR without redirected attempts", ANSWERS, ATTEMPTS - 2.0, 0.351_351),
    // Answered, busy (486, 600), not answered (480, given up), rejected by the terminal (603).
    ("ITU-T E.425", "NER, of the terminal's own refusals only 603", 13.0 + 5.0 + 5.0 + 1.0, ATTEMPTS, 0.615_385),
];

#[test]
fn the_indicators_are_what_their_counts_make_them() {
    for (section, name, numerator, denominator, value) in INDICATORS {
        assert!((numerator / denominator - value).abs() < 1e-6, "{section}: {name}");
    }
    assert_eq!(FINALS.iter().map(|(_, count)| count).sum::<f64>(), ATTEMPTS);
}

#[test]
fn the_counts_of_the_indicators() {
    let text = include_str!("live/scenes/kpis.txt");
    let calls = "setup_timeout = \"3s\"";
    // A BYE or a REGISTER that nobody answers is given up after 64 * T1 (RFC 3261 section 17.1.2.2).
    let Some(end) = scenes::play(&Play { calls, patience: Duration::from_secs(40), ..Play::of(text) }) else { return };
    let sum = |family: &str| end.sum(family, &[]);
    let finals = FINALS.iter().map(|(code, count)| ((*code).to_owned(), *count)).collect();
    assert_eq!(end.by("call_final_status_total", "code"), finals);
    for (family, count) in [
        ("call_attempts_total", ATTEMPTS),
        ("call_answers_total", ANSWERS),
        ("call_duration_seconds_count", BYES),
        ("call_disconnect_delay_seconds_count", BYES_ANSWERED),
        ("call_disconnect_timeouts_total", BYES - BYES_ANSWERED),
        ("call_setup_delay_seconds_count", RANG),
        ("call_failure_delay_seconds_count", REFUSED),
        ("sip_registration_attempts_total", REGISTRATIONS),
        ("sip_registration_delay_seconds_count", REGISTERED),
        ("sip_registration_ineffective_attempts_total", 3.0),
    ] {
        assert_eq!(sum(family), count, "{family}");
    }
    for (family, least) in [
        ("call_duration_seconds_sum", TALKED),
        ("call_setup_delay_seconds_sum", RANG_SECONDS),
        ("sip_registration_delay_seconds_sum", REGISTERED_SECONDS),
        ("call_failure_delay_seconds_sum", REFUSED_SECONDS),
    ] {
        let seconds = sum(family);
        // What this machine adds to SIPp's pauses.
        assert!((least - 0.05..least + 2.0).contains(&seconds), "{family} is {seconds}, not {least}");
    }
}
