//! Label values that strangers choose, or that multiply: no more series than the budget, and what is past it is counted all the same.

use std::collections::BTreeSet;

use sidetone::config::{Config, Peer};

use crate::harness::{Core, MILLISECOND, Random, START, Samples};
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

/// The acceptance test of issue 4: ten thousand random addresses, agents and numbers make no new series beyond the budget.
#[test]
fn ten_thousand_addresses_agents_and_numbers_make_no_series_of_their_own() {
    let mut config = peers(20);
    config.labels.countries = true;
    let mut core = Core::of(&config);
    let mut random = Random::new(11);
    let strange = |core: &mut Core, n: usize, random: &mut Random| {
        let source = std::net::Ipv4Addr::from(random.next() as u32);
        let call = Call { caller: (source, 5060).into(), ..Call::v4(&format!("{n}")) };
        let number = 100_000_000_000 + random.next() % 900_000_000_000;
        let agent = format!("User-Agent: Device-{:x}/{}\r\nContact", random.next(), n % 7);
        let method = ["INVITE", "REGISTER", "OPTIONS", "SUBSCRIBE"][n % 4];
        let start = format!("{method} sip:+{number}@b.example SIP/2.0");
        let request = message(&start, &call, &format!("1 {method}"), "", "");
        let request =
            String::from_utf8_lossy(&request).replacen("Contact", &agent, 1).replace("bob@", &format!("{number}@"));
        let status = format!("SIP/2.0 {} Strange", 200 + random.below(500));
        let answer = message(&status, &call, &format!("1 {method}"), ";tag=b", "");
        let answer = String::from_utf8_lossy(&answer).replace("bob@", &format!("{number}@"));
        let now = START + n as i64 * 10 * MILLISECOND;
        core.packet(now, &call.signal(From::Caller, request.as_bytes()));
        core.packet(now + MILLISECOND, &call.signal(From::Callee, answer.as_bytes()));
    };
    let count = |core: &mut Core| {
        let samples = core.scrape();
        samples.check();
        let families = samples.families();
        families.into_iter().map(|family| (label_sets(&samples, &family, &["le"]).len(), family)).collect::<Vec<_>>()
    };
    (0..10_000).for_each(|n| strange(&mut core, n, &mut random));
    core.tick(START + 200_000 * MILLISECOND);
    let after = count(&mut core);
    // What one row of labels fans out to: outcomes and states; the other labels of a full family are closed lists.
    let outcomes = 14;
    for (sets, family) in &after {
        let most = match family.as_str() {
            "call_outcomes_total" | "call_outcomes_by_country_total" => (BUDGET + 4) * outcomes,
            "call_outcomes_by_agent_total" => 40 * outcomes,
            _ => 2 * BUDGET,
        };
        assert!(*sets <= most, "{family} has {sets} label sets");
    }
    // Twice as many strangers are not more series.
    (10_000..20_000).for_each(|n| strange(&mut core, n, &mut random));
    core.tick(START + 400_000 * MILLISECOND);
    let twice = count(&mut core);
    let grown: Vec<_> = twice.iter().zip(&after).filter(|(now, before)| now.0 > before.0 + BUDGET / 10).collect();
    assert!(grown.is_empty(), "{grown:?}");
    let samples = core.scrape();
    assert_eq!(samples.sum("sip_requests_total", ""), 20_000.0);
    assert_eq!(samples.sum("call_outcomes_by_country_total", ""), samples.sum("call_outcomes_total", ""));
    assert_eq!(samples.sum("call_outcomes_by_agent_total", "agent=\"other\""), samples.sum("call_outcomes_total", ""));
    assert_eq!(
        samples.sum("sip_registration_attempts_by_agent_total", "agent=\"other\""),
        samples.sum("sip_registration_attempts_total", "")
    );
    assert!(samples.sum("sidetone_label_overflow_total", "family=\"call_outcomes_by_country_total\"") > 0.0);
    assert!(samples.sum("call_outcomes_by_country_total", "country=\"US\"") > 0.0);
    let known = config.calls.max_calls;
    assert!(samples.tracked("calls") <= known && samples.tracked("agents") <= 2048);
    // Neither a number, nor an address, nor an agent is to be found in any label.
    let text = samples.text();
    assert!(!text.contains("Device-") && !text.contains("bob") && !text.contains("alice"));
}
