//! The KPIs of alerts/kpis.rules.yml over attempts of every ending, each with what elsewhere makes them wrong: promtool evaluates
//! the shipped rules over what the agent shows of this ladder. docs/kpis.md has the formulas.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::common;
use crate::ladder::{put, wait};
use crate::legs::between;
use crate::scene::Seen;

/// Ten calls from west to east that are answered. They talk for 10 s, 20 s, ... 90 s; the last one loses its BYE after 90 s.
const ANSWERED: [&str; 10] = [
    // Everything is sent twice.
    "0 A>B INVITE 1
    400 A>B INVITE 1
    500 B>A 180 INVITE 1
    900 B>A 180 INVITE 1
    1500 B>A 200 INVITE 1
    1900 B>A 200 INVITE 1
    1910 A>B ACK 1
    1920 A>B ACK 1
    11500 A>B BYE 2
    11800 A>B BYE 2
    11900 B>A 200 BYE 2
    11910 B>A 200 BYE 2",
    // The proxy and then the callee want credentials, and a longer session interval.
    "0 A>B INVITE 1
    40 B>A 407 INVITE 1
    50 A>B ACK 1
    60 A>B INVITE 2 new
    100 B>A 401 INVITE 2
    110 A>B ACK 2
    120 A>B INVITE 3 new
    160 B>A 422 INVITE 3 | Min-SE: 1800
    170 A>B ACK 3
    180 A>B INVITE 4 new | Session-Expires: 1800
    500 B>A 180 INVITE 4
    1500 B>A 200 INVITE 4
    1510 A>B ACK 4
    21500 A>B BYE 5
    21600 B>A 200 BYE 5",
    // Re-INVITEs: one for hold, one refused, two at once.
    "0 A>B INVITE 1 sdp=sendrecv
    500 B>A 180 INVITE 1
    1500 B>A 200 INVITE 1 sdp=sendrecv
    1510 A>B ACK 1
    3000 A>B INVITE 12 sdp=sendonly
    3010 B>A 200 INVITE 12 sdp=recvonly
    3020 A>B ACK 12
    4000 A>B INVITE 13 sdp=sendrecv
    4010 B>A 488 INVITE 13
    4020 A>B ACK 13
    5000 A>B INVITE 14 sdp=sendrecv
    5001 B>A INVITE 11 ft=b tt=a sdp=sendrecv
    5010 B>A 491 INVITE 14
    5011 A>B 491 INVITE 11 ft=b tt=a
    5020 A>B ACK 14
    5021 B>A ACK 11 ft=b tt=a
    31500 B>A BYE 12 ft=b tt=a
    31600 A>B 200 BYE 12 ft=b tt=a",
    // PRACK, UPDATE, INFO, OPTIONS, and a REFER that is refused.
    "0 A>B INVITE 1 sdp=sendrecv | Require: 100rel
    500 B>A 183 INVITE 1 sdp=sendrecv | RSeq: 1
    510 A>B PRACK 2 | RAck: 1 1 INVITE
    520 B>A 200 PRACK 2
    600 A>B UPDATE 3 sdp=sendrecv
    610 B>A 200 UPDATE 3 sdp=sendrecv
    1500 B>A 200 INVITE 1
    1510 A>B ACK 1
    2000 A>B INFO 14
    2010 B>A 500 INFO 14
    2100 A>B OPTIONS 15
    2110 B>A 200 OPTIONS 15
    3000 B>A REFER 11 ft=b tt=a | Refer-To: <sip:carol@c.example>
    3010 A>B 603 REFER 11 ft=b tt=a
    41500 A>B BYE 16
    41600 B>A 200 BYE 16",
    // A proxy forks; one branch is refused, the other answers.
    "0 A>P INVITE 1
    5 P>A 100 INVITE 1
    10 P>C INVITE 1 br=south
    11 P>B INVITE 1
    500 B>P 180 INVITE 1
    500 P>A 180 INVITE 1
    900 C>P 503 INVITE 1 tt=c br=south
    901 P>C ACK 1 tt=c br=south
    1500 B>P 200 INVITE 1
    1500 P>A 200 INVITE 1
    1510 A>P ACK 1
    1511 P>B ACK 1
    51500 A>P BYE 2
    51501 P>B BYE 2
    51599 B>P 200 BYE 2
    51600 P>A 200 BYE 2",
    // The other side had already forgotten the call.
    "0 A>B INVITE 1
    500 B>A 180 INVITE 1
    1500 B>A 200 INVITE 1
    1510 A>B ACK 1
    61500 A>B BYE 2
    61600 B>A 481 BYE 2",
    // A voicemail answers.
    "0 A>B INVITE 1 uri=sip:voicemail@b.example
    500 B>A 180 INVITE 1
    1500 B>A 200 INVITE 1
    1510 A>B ACK 1
    71500 A>B BYE 2
    71600 B>A 200 BYE 2",
    // Nobody answers the BYE.
    "0 A>B INVITE 1
    500 B>A 180 INVITE 1
    1500 B>A 200 INVITE 1
    1510 A>B ACK 1
    81500 A>B BYE 2
    82000 A>B BYE 2
    83000 A>B BYE 2",
    // The network ends it.
    "0 A>B INVITE 1
    500 B>A 180 INVITE 1
    1500 B>A 200 INVITE 1
    1510 A>B ACK 1
    91500 B>A BYE 1 ft=b tt=a | Reason: Q.850;cause=41
    91600 A>B 200 BYE 1 ft=b tt=a",
    // Its BYE is lost, and it never rang.
    "0 A>B INVITE 1
    1500 B>A 200 INVITE 1 | Session-Expires: 90;refresher=uac
    1510 A>B ACK 1",
];

/// And 17 attempts that are not, in 16 dialogs.
const UNANSWERED: [&str; 7] = [
    // A redirection, and the attempt that follows it: 302, then 486.
    "0 A>B INVITE 1
    300 B>A 302 INVITE 1 | Contact: <sip:bob@b.example>
    310 A>B ACK 1
    400 A>B INVITE 2 new
    700 B>A 486 INVITE 2
    710 A>B ACK 2",
    // Credentials, and then 486.
    "0 A>B INVITE 1
    300 B>A 401 INVITE 1
    310 A>B ACK 1
    400 A>B INVITE 2 new
    500 A>B INVITE 2 new
    900 B>A 486 INVITE 2
    950 B>A 486 INVITE 2
    960 A>B ACK 2",
    // The caller gives up.
    "0 A>B INVITE 1
    500 B>A 180 INVITE 1
    2000 A>B CANCEL 1
    2010 B>A 200 CANCEL 1
    2100 B>A 487 INVITE 1
    2110 A>B ACK 1",
    // No credentials come.
    "0 A>B INVITE 1 \n 300 B>A 401 INVITE 1 \n 310 A>B ACK 1",
    // What is asked for is money.
    "0 A>B INVITE 1 \n 300 B>A 402 INVITE 1 \n 310 A>B ACK 1",
    // Silence.
    "0 A>B INVITE 1 \n 500 A>B INVITE 1 \n 1500 A>B INVITE 1 \n 3500 A>B INVITE 1",
    // It rings, and nobody comes.
    "0 A>B INVITE 1 \n 20 B>A 100 INVITE 1 \n 500 B>A 180 INVITE 1",
];

/// The others: refused after 0.3 s with these.
const REFUSED: [u16; 9] = [480, 600, 603, 404, 488, 408, 500, 503, 504];

/// Two attempts from west to south: one is answered, one refused with 503.
const SOUTH: [&str; 2] = [
    "0 A>C INVITE 1
    500 C>A 180 INVITE 1
    1500 C>A 200 INVITE 1
    1510 A>C ACK 1
    11500 A>C BYE 2
    11600 C>A 200 BYE 2",
    "0 A>C INVITE 1 \n 300 C>A 503 INVITE 1 \n 310 A>C ACK 1",
];

/// Registrations at east: two succeed (after 0.25 s with a challenge; after 0.15 s, sent twice), 403, 503, silence, and a challenge
/// that is not answered.
const REGISTRATIONS: [&str; 6] = [
    "0 A>B REGISTER 1 | Contact: <sip:a@192.0.2.10>;expires=3600
    100 B>A 401 REGISTER 1
    150 A>B REGISTER 2 | Contact: <sip:a@192.0.2.10>;expires=3600 | Authorization: Digest username=\"a\", nonce=\"1\"
    250 B>A 200 REGISTER 2 | Contact: <sip:a@192.0.2.10>;expires=3600",
    "0 A>B REGISTER 1 | Contact: <sip:b@192.0.2.10>;expires=3600
    100 A>B REGISTER 1 | Contact: <sip:b@192.0.2.10>;expires=3600
    150 B>A 200 REGISTER 1 | Contact: <sip:b@192.0.2.10>;expires=3600",
    "0 A>B REGISTER 1 | Contact: <sip:c@192.0.2.10> \n 100 B>A 403 REGISTER 1",
    "0 A>B REGISTER 1 | Contact: <sip:d@192.0.2.10> \n 100 B>A 503 REGISTER 1",
    "0 A>B REGISTER 1 | Contact: <sip:e@192.0.2.10> \n 500 A>B REGISTER 1 | Contact: <sip:e@192.0.2.10>",
    "0 A>B REGISTER 1 | Contact: <sip:f@192.0.2.10> \n 100 B>A 401 REGISTER 1",
];

/// What a person counts: the KPI, then of the trunk west to east, then of all (29 attempts, 11 of them answered).
const TRUTH: [(&str, f64, f64); 17] = [
    // SER: 10 of 27 without 302, 401 and 402; 11 of 29.
    ("call_established:ratio", 10.0 / 24.0, 11.0 / 26.0),
    // SEER: and 480, 600, 603, and 486 twice.
    ("call_establishment_effective:ratio", 15.0 / 24.0, 16.0 / 26.0),
    // ISA: 408, 500, 503, 504, silence; in the south 503.
    ("call_ineffective:ratio", 5.0 / 27.0, 6.0 / 29.0),
    // SCR: 6 completed and a voicemail; not the two that were dropped, nor the one whose BYE nobody answered.
    ("call_completed:ratio", 7.0 / 27.0, 8.0 / 29.0),
    // ASR, NER (480, 486 twice, 600, 603, 488, 401, 402, the cancel, the one that rang), ABR.
    ("call_answers:ratio", 10.0 / 26.0, 11.0 / 28.0),
    ("call_effective:ratio", 20.0 / 26.0, 21.0 / 28.0),
    ("call_attempts:answered_ratio", 10.0 / 27.0, 11.0 / 29.0),
    // SRD: 11 rang after 0.5 s, one was answered after 1.5 s; 0.4 of the last bucket from 1 to 1.5 s make the 95th percentile.
    ("call_setup_delay_seconds:mean", 7.0 / 12.0, 7.5 / 13.0),
    ("call_setup_delay_seconds:p95", 1.2, 1.175),
    // 10 failed after 0.3 s, one with credentials after 0.9 s, the cancelled one after 2.1 s.
    ("call_failure_delay_seconds:mean", 0.5, 6.3 / 13.0),
    // SDD: seven BYEs were answered after 0.1 s, one that was sent twice after 0.4 s.
    ("call_disconnect_delay_seconds:mean", 1.1 / 8.0, 1.2 / 9.0),
    ("call_disconnect_timeouts:ratio", 1.0 / 9.0, 1.0 / 10.0),
    // SDT: 10 s to 90 s; the lost one lasted as long as its session timer.
    ("call_duration_seconds:mean", 50.0, 46.0),
    ("call_lost_duration_seconds:mean", 90.0, 90.0),
    // ACD.
    ("call_length_seconds:mean", 54.0, 50.0),
    ("call_outcomes:dropped_ratio", 0.2, 2.0 / 11.0),
    ("call_failure_delay_seconds:p95", 2.4, 2.35),
];

/// The same of registrations, for all: RRD and IRA (403, 503, silence).
const REGISTERED: [(&str, f64); 2] =
    [("sip_registration_delay_seconds:mean", 0.2), ("sip_registration_attempts:ineffective_ratio", 0.5)];

/// A ladder of its own Call-ID that begins later.
fn shifted(ladder: &str, number: usize) -> String {
    let later = 10 * number;
    let lines = ladder.lines().map(str::trim).map(|line| {
        let (time, rest) = line.split_once(' ').expect("a time");
        let (rest, headers) =
            rest.split_once('|').map_or((rest, String::new()), |(rest, more)| (rest, format!("|{more}")));
        format!("{} {rest} id=call{number} {headers}\n", time.parse::<usize>().expect("milliseconds") + later)
    });
    lines.collect()
}

fn played() -> Seen {
    let refused = REFUSED
        .map(|code| format!("0 A>B INVITE 1 \n 20 B>A 100 INVITE 1 \n 300 B>A {code} INVITE 1 \n 310 A>B ACK 1"));
    let ladders = ANSWERED.into_iter().chain(UNANSWERED).chain(refused.iter().map(String::as_str));
    let mut scene = between();
    for (number, ladder) in ladders.chain(SOUTH).chain(REGISTRATIONS).enumerate() {
        put(&mut scene, &shifted(ladder, number));
    }
    wait(scene, 300).run()
}

/// The exposition as a unit test of the rules: all series appear at zero and then have their values.
fn unit_test(seen: &Seen) -> String {
    const TARGET: &str = "job=\"sidetone\",instance=\"sip1:10060\"";
    const EAST: &str = "direction=\"transit\",origin=\"west\",destination=\"east\"";
    let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join("alerts/kpis.rules.yml");
    let mut yaml = format!("rule_files: ['{}']\nevaluation_interval: 1m\ntests:\n- interval: 1m\n", rules.display());
    yaml += "  input_series:\n";
    for (series, value) in &seen.samples.0 {
        if let Some((name, labels)) =
            series.split_once('{').filter(|(name, _)| name.starts_with("call_") || name.starts_with("sip_reg"))
        {
            writeln!(yaml, "  - {{ series: '{name}{{{TARGET},{labels}', values: '0x4 {value}x60' }}")
                .expect("a String");
        }
    }
    yaml += "  promql_expr_test:\n";
    // A ten-thousandth is finer than any mistake in counting, and coarser than the arithmetic.
    let mut check = |level: &str, name: &str, window: &str, labels: &str, value: f64| {
        let at = if window == "5m" { "8m" } else { "60m" };
        let value = (value * 10_000.0).round() / 10_000.0;
        let own = labels.replace(TARGET, "");
        writeln!(
            yaml,
            "  - {{ eval_time: {at}, expr: 'round({level}:{name}_rate{window}{{{}}}, 0.0001)', exp_samples: [{{ labels: '{{{labels}}}', value: {value:?} }}] }}",
            own.trim_start_matches(',')
        )
        .expect("a String");
    };
    for window in ["5m", "1h"] {
        for (name, east, all) in TRUTH {
            check("trunk", name, window, &format!("{TARGET},{EAST}"), east);
            check("instance", name, window, TARGET, all);
        }
        for (name, all) in REGISTERED {
            check("instance", name, window, TARGET, all);
        }
    }
    yaml
}

#[test]
fn the_kpis_of_hand_counted_attempts() {
    let seen = played();
    let outcomes = [
        ("completed", 8.0),
        ("voicemail", 1.0),
        ("dropped", 2.0),
        ("redirected", 1.0),
        ("busy", 3.0),
        ("no_answer", 2.0),
        ("rejected", 4.0),
        ("cancelled", 1.0),
        ("not_found", 1.0),
        ("network_failure", 5.0),
        ("server_failure", 1.0),
    ];
    seen.ended(29.0, &outcomes);
    seen.counts(&[("call_answers_total", "", 11.0), ("call_half_seen_total", "", 0.0), ("call_active", "", 0.0)]);
    let Some(promtool) = common::find_program("promtool") else {
        return common::skip("no promtool here");
    };
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("ladder.test.yml");
    fs::write(&file, unit_test(&seen)).expect("a file");
    let output = Command::new(promtool).args(["test", "rules"]).arg(&file).output().expect("promtool starts");
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
}
