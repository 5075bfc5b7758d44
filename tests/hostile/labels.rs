//! Label values that strangers choose, or that multiply: no more series than the budget, and what is past it is counted all the same.

use std::collections::BTreeSet;

use sidetone::config::{Config, Peer};

use crate::harness::{Core, MILLISECOND, START, Samples};
use crate::packets::{Call, From, address, message};

/// As small as the configuration allows.
const BUDGET: usize = 100;

fn peers(count: usize) -> Config {
    let mut config = Config::default();
    config.labels.max_series = BUDGET;
    let peer = |n: usize| Peer {
        name: format!("peer-{n}"),
        networks: vec![format!("10.{n}.0.0/16").parse().expect("a network")],
        capacity: (n == 3).then_some(120),
    };
    config.peers = (0..count).map(peer).collect();
    config
}

fn call(n: usize, from: usize, to: usize) -> Call {
    Call {
        caller: address(&format!("10.{from}.0.1:5060")),
        callee: address(&format!("10.{to}.0.2:5060")),
        ..Call::v4(&format!("call-{n}"))
    }
}

/// Sets of label values of a family, `le` and the like left out.
pub fn label_sets(samples: &Samples, family: &str, without: &[&str]) -> BTreeSet<String> {
    let series = samples.series(family);
    let kept = |label: &&str| !without.iter().any(|name| label.starts_with(&format!("{name}=")));
    series.iter().map(|labels| labels.split(',').filter(kept).collect::<Vec<_>>().join(",")).collect()
}

#[test]
fn origin_by_destination_stays_within_the_budget() {
    let config = peers(60);
    let mut core = Core::of(&config);
    let mut calls = 0;
    let mut dial = |core: &mut Core, from: usize, to: usize| {
        calls += 1;
        let call = call(calls, from, to);
        for (from, text) in [
            (From::Caller, call.invite()),
            (From::Callee, message(&format!("SIP/2.0 {} No", 430 + calls % 150), &call, "1 INVITE", ";tag=b", "")),
        ] {
            core.packet(START + calls as i64 * MILLISECOND, &call.signal(from, &text));
        }
    };
    dial(&mut core, 7, 9);
    (0..60).for_each(|from| (0..60).for_each(|to| dial(&mut core, from, to)));
    // Whoever was there before the rush keeps its series.
    dial(&mut core, 7, 9);
    // What some of these codes ask for may still come: such attempts are counted when a second has passed.
    core.tick(START + 10_000 * MILLISECOND);
    let samples = core.scrape();
    samples.check();
    assert_eq!(samples.sum("call_attempts_total", ""), 3602.0);
    assert_eq!(samples.sum("call_attempts_total", "origin=\"peer-7\",destination=\"peer-9\""), 3.0);
    let overflow = |family: &str| samples.sum("sidetone_label_overflow_total", &format!("family=\"{family}\""));
    let sets = label_sets(&samples, "call_attempts_total", &[]);
    // All of the budget, and the one row that has room for the rest: here all calls are in transit.
    assert_eq!(sets.len(), BUDGET + 1);
    let others = samples.sum("call_attempts_total", "origin=\"other\",destination=\"other\"");
    assert_eq!(overflow("call_attempts_total"), others);
    assert!(others > 3000.0, "{others}");
    for (family, without) in [("sip_responses_total", &[][..]), ("call_outcomes_total", &["outcome"])] {
        let sets = label_sets(&samples, family, without);
        assert!((BUDGET..=BUDGET + 4).contains(&sets.len()), "{family}: {} label sets", sets.len());
    }
    assert_eq!(samples.sum("sip_responses_total", ""), 3602.0);
    assert!(samples.sum("sip_responses_total", "code=\"other\"") == overflow("sip_responses_total"));
    assert_eq!(samples.sum("call_capacity", "peer=\"peer-3\""), 120.0);
    assert_eq!(samples.series("call_capacity").len(), 1);
    // The report for people and programs is not made from label sets.
    let report = core.finish();
    let responses: u64 =
        report["sip"]["responses"].as_object().expect("codes").values().filter_map(|n| n.as_u64()).sum();
    assert_eq!((responses, report["sip"]["responses"].get("other")), (3602, None));
}

#[test]
fn streams_of_all_peers_stay_within_the_budget() {
    let config = peers(200);
    let mut core = Core::of(&config);
    for n in 0..200 {
        for sequence in 0..4u16 {
            let packet = crate::packets::rtp(0, sequence, u32::from(sequence) * 160, n as u32 + 16, 160);
            let (from, to) = (address("198.51.100.7:20000"), address(&format!("10.{n}.0.2:30000")));
            core.packet(START, &crate::packets::udp(from, to, &packet));
        }
    }
    let samples = core.scrape();
    samples.check();
    assert_eq!((samples.sum("rtp_packets_total", ""), samples.sum("rtp_streams_active", "")), (800.0, 200.0));
    assert_eq!(label_sets(&samples, "rtp_packets_total", &[]).len(), BUDGET + 1);
    assert_eq!(samples.sum("rtp_packets_total", "peer=\"other\""), 400.0);
    core.finish();
}
