//! Whole reports about three real captures, as they were when somebody last read them: text, JSON, exposition.
//! `UPDATE_GOLDEN=1 cargo test --test golden` writes them anew; read the difference before you commit it.

mod support;

use std::fs;
use std::path::Path;

use support::{analyze, shared_dir, stdout_of};

/// A B2BUA with RTCP both ways; lost packets; telephone events between the speech.
const CAPTURES: [&str; 3] =
    ["voipshark--SIP-RTP-Normal_Call_two_parties", "asterisk--CARRIER_G711U", "asterisk--ulaw-rfc4733"];
const FORMATS: [(&str, &str); 3] = [("text", "txt"), ("json", "json"), ("prometheus", "prom")];
/// What depends on the build and not on the capture.
const OF_THE_BUILD: &str = "sidetone_build_info";

#[test]
fn reports_are_what_they_were() {
    let Some(shared) = shared_dir() else { return };
    let mut changed = Vec::new();
    for name in CAPTURES {
        let capture = shared.join("captures").join(name).with_extension("pcap");
        for (format, extension) in FORMATS {
            let printed = stdout_of(&analyze(format, &capture, b""), &capture);
            let report = settle(&printed.replace(&capture.display().to_string(), &format!("{name}.pcap")));
            let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(format!("{name}.{extension}"));
            if std::env::var_os("UPDATE_GOLDEN").is_some() {
                fs::write(&golden, &report).expect("a golden file");
            }
            let before = fs::read_to_string(&golden).unwrap_or_default();
            changed.extend(first_difference(&before, &report).map(|at| format!("{}: {at}", golden.display())));
        }
    }
    assert!(changed.is_empty(), "changed; UPDATE_GOLDEN=1 writes them anew:\n{}", changed.join("\n"));
}

/// Numbers with the digits that every C library agrees on, and no line about the build.
fn settle(report: &str) -> String {
    let mut settled = String::new();
    for line in report.lines().filter(|line| !line.contains(OF_THE_BUILD)) {
        let mut rest = line;
        while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
            let number = &rest[start..];
            let end = number.find(|c: char| !(c.is_ascii_digit() || ".e-+".contains(c))).unwrap_or(number.len());
            settled.push_str(&rest[..start]);
            settled.push_str(&rounded(&number[..end]));
            rest = &number[end..];
        }
        settled.push_str(rest);
        settled.push('\n');
    }
    settled
}

fn rounded(number: &str) -> String {
    match number.parse::<f64>() {
        Ok(value) if number.len() > 12 && number.contains('.') => format!("{value:.6}"),
        _ => number.to_owned(),
    }
}

fn first_difference(before: &str, now: &str) -> Option<String> {
    let number = before.lines().zip(now.lines()).take_while(|(before, now)| before == now).count();
    let line = |text: &str| text.lines().nth(number).unwrap_or("(nothing)").to_owned();
    (before != now).then(|| format!("line {}\n  was {}\n  is  {}", number + 1, line(before), line(now)))
}
