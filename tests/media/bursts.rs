//! Bursts and gaps of RFC 3611 section 4.7.2 and appendix A.2, and the burst ratio of G.107.

use proptest::prelude::*;
use serde_json::Value;
use sidetone::media::Pattern;

use crate::cases::cases;
use crate::scene::{Flow, Scene, count, float, ms, near};
use crate::support::{items, shared_dir};

const GMIN: u64 = 16;

fn flow() -> Flow {
    Flow::new("192.0.2.10:20000", "192.0.2.20:30000", 0xcafe_0002, 0)
}

/// RFC 3611 appendix A.2, transcribed: the counters of a four-state Markov model, as each packet's fate is known.
#[derive(Default, Debug, PartialEq)]
struct Markov {
    pkt: u64,
    lost: u64,
    loss_count: u64,
    c11: u64,
    c13: u64,
    c14: u64,
    c22: u64,
    c23: u64,
    c33: u64,
}

impl Markov {
    fn of(received: impl Iterator<Item = bool>) -> Markov {
        let mut model = Markov::default();
        for received in received {
            if received { model.pkt += 1 } else { model.lose() }
        }
        model
    }

    fn lose(&mut self) {
        self.loss_count += 1;
        if self.pkt >= GMIN {
            if self.lost == 1 {
                self.c14 += 1
            } else {
                self.c13 += 1
            }
            self.lost = 1;
            self.c11 += self.pkt;
        } else {
            self.lost += 1;
            if self.pkt == 0 {
                self.c33 += 1;
            } else {
                self.c23 += 1;
                self.c22 += self.pkt - 1;
            }
        }
        self.pkt = 0;
    }

    fn ctotal(&self) -> u64 {
        let (c31, c32) = (self.c13, self.c23);
        self.c11 + self.c14 + self.c13 + self.c22 + self.c23 + c31 + c32 + self.c33
    }

    /// Burst density, gap density, burst length and gap length in packets.
    fn metrics(&self) -> (f64, f64, f64, f64) {
        let (c31, c32) = (self.c13 as f64, self.c23 as f64);
        let in_bursts = c31 + c32 + self.c33 as f64;
        let p32 = if in_bursts < 1.0 { 0.0 } else { c32 / in_bursts };
        let p23 = if self.c22 + self.c23 < 1 { 1.0 } else { 1.0 - self.c22 as f64 / (self.c22 + self.c23) as f64 };
        let gap = self.c11 + self.c14;
        let gap_density = if gap == 0 { 0.0 } else { self.c14 as f64 / gap as f64 };
        let bursts = self.c13.max(1) as f64;
        let gap_length = (self.c11 + self.c14 + self.c13) as f64 / bursts;
        (p23 / (p23 + p32), gap_density, self.ctotal() as f64 / bursts - gap_length, gap_length)
    }
}

fn received(pattern: &str) -> impl Iterator<Item = bool> + '_ {
    pattern.bytes().map(|packet| packet == b'1')
}

fn pattern_of(fates: impl Iterator<Item = bool>) -> Pattern {
    let mut pattern = Pattern::default();
    fates.for_each(|received| if received { pattern.receive(1) } else { pattern.lose(1) });
    pattern
}

/// Mean length of the runs of losses over that of random loss, as G.107 clause 7.5 has it.
fn burst_ratio(fates: &[bool]) -> f64 {
    let lost = fates.iter().filter(|received| !**received).count() as f64;
    let runs = fates.iter().enumerate().filter(|(n, received)| !**received && (*n == 0 || fates[n - 1])).count() as f64;
    if runs == 0.0 { 1.0 } else { (lost / runs * (1.0 - lost / fates.len() as f64)).max(1.0) }
}

/// Packets of which those that are not received are lost, or 200 ms late.
fn wire(fates: &[bool], late: bool) -> Value {
    let mut scene = Scene::new();
    for (n, received) in (0u64..).zip(fates) {
        if *received || late {
            let delay = if *received { 0.0 } else { 200.0 };
            scene.rtp(ms(20.0 * n as f64 + delay), &flow(), n, n * 160);
        }
    }
    scene.run().stream(&flow()).clone()
}

#[test]
fn shared_vectors_counter_by_counter() {
    let Some(dir) = shared_dir() else { return };
    let text = std::fs::read_to_string(dir.join("captures/vectors.json")).expect("captures/vectors.json");
    let vectors: Value = serde_json::from_str(&text).expect("JSON");
    let vectors = items(&vectors["burst_gap_rfc3611"]);
    assert!(vectors.len() >= 5, "the vectors of RFC 3611");
    for vector in vectors {
        let (id, pattern) = (&vector["id"], vector["pattern"].as_str().expect("a pattern"));
        let want = |field: &str| vector["expected"][field].as_u64().unwrap_or_else(|| panic!("{id} {field}"));
        let got = pattern_of(received(pattern));
        assert_eq!(vector["gmin"], GMIN, "{id}");
        let small = [("c13", got.c13), ("c14", got.c14), ("c22", got.c22), ("c23", got.c23), ("c33", got.c33)];
        for (field, got) in small {
            assert_eq!(u64::from(got), want(field), "{id} {field}");
        }
        // Of a stream without loss the vectors count nothing; what follows the last loss is in no counter.
        assert_eq!((got.c11, got.received), (want("c11"), want("received_after_the_last_loss")), "{id}");
        assert_eq!(u64::from(got.losses), want("lost"), "{id} lost");
        let Some(found) = got.burst_gap() else {
            assert_eq!(want("lost"), 0, "{id}");
            continue;
        };
        let packet = vector["ms_per_packet"].as_f64().expect("milliseconds");
        near(found.burst_packets * packet, float(vector, "/expected/burst_duration_ms"), 1e-9);
        near(found.gap_packets * packet, float(vector, "/expected/gap_duration_ms"), 1e-9);
        // 256ths, of which 256 does not fit in 8 bits.
        assert_eq!((found.burst_density * 256.0).min(255.0) as u64, want("burst_density_256"), "{id}");
        assert_eq!((found.gap_density * 256.0).min(255.0) as u64, want("gap_density_256"), "{id}");
        let fates: Vec<bool> = received(pattern).collect();
        near(burst_ratio(&fates), float(vector, "/expected/burst_ratio_g107").max(1.0), 1e-6);
        if fates[0] && fates[fates.len() - 1] {
            [false, true].into_iter().for_each(|late| compare(&fates, &wire(&fates, late)));
        }
    }
}

/// What a stream's report says of its pattern, against the transcription.
fn compare(fates: &[bool], stream: &Value) {
    let model = Markov::of(fates.iter().copied());
    let lost = model.loss_count;
    assert_eq!(count(stream, "lost") + count(stream, "discarded"), lost, "missed");
    if lost == 0 {
        assert_eq!(stream["burst_gap"], Value::Null);
        return;
    }
    let (burst_density, gap_density, burst, gap) = model.metrics();
    assert_eq!(stream.pointer("/burst_gap/gmin"), Some(&GMIN.into()));
    assert_eq!(stream.pointer("/burst_gap/bursts"), Some(&model.c13.into()));
    near(float(stream, "/burst_gap/burst_density"), burst_density, 1e-12);
    near(float(stream, "/burst_gap/gap_density"), gap_density, 1e-12);
    near(float(stream, "/burst_gap/burst_seconds"), burst * 0.02, 1e-9);
    near(float(stream, "/burst_gap/gap_seconds"), gap * 0.02, 1e-9);
    near(float(stream, "/burst_gap/burst_ratio"), burst_ratio(fates), 1e-9);
    near(float(stream, "/burst_gap/missed_ratio"), lost as f64 / fates.len() as f64, 1e-12);
}

#[test]
fn what_is_late_joins_the_pattern_of_what_is_lost() {
    // Two lost, two late, two lost: a burst of six for the listener, two runs of two on the wire.
    let mut scene = Scene::new();
    for n in (0..200u64).filter(|n| ![100, 101, 104, 105].contains(n)) {
        let delay = if [102, 103].contains(&n) { 90.0 } else { 0.0 };
        scene.rtp(ms(20.0 * n as f64 + delay), &flow(), n, n * 160);
    }
    let seen = scene.run();
    let stream = seen.stream(&flow());
    assert_eq!((count(stream, "lost"), count(stream, "discarded")), (4, 2));
    assert_eq!((float(stream, "/loss_bursts/count"), float(stream, "/loss_bursts/longest")), (2.0, 2.0));
    near(float(stream, "/loss_bursts/burst_ratio"), 2.0 * (1.0 - 4.0 / 200.0), 1e-12);
    near(float(stream, "/burst_gap/burst_ratio"), 6.0 * (1.0 - 6.0 / 200.0), 1e-12);
    near(float(stream, "/burst_gap/burst_density"), 1.0, 1e-12);
    near(float(stream, "/burst_gap/burst_seconds"), 0.12, 1e-12);
    // The histogram is the wire's, the burst counters are the listener's.
    assert_eq!(seen.sum("rtp_loss_burst_packets_count", ""), 2.0);
    assert_eq!(seen.sum("rtp_loss_burst_packets_sum", ""), 4.0);
    assert_eq!(seen.sum("rtp_bursts_total", ""), 1.0);
    assert_eq!(seen.sum("rtp_burst_packets_total", ""), 6.0);
    assert_eq!(seen.sum("rtp_burst_lost_packets_total", ""), 6.0);
}

#[test]
fn the_same_loss_in_bursts_costs_more_than_alone() {
    let alone: Vec<bool> = (0..2000).map(|n| n % 40 != 20).collect();
    let bursts: Vec<bool> = (0..2000).map(|n| n % 400 < 200 || n % 400 >= 210).collect();
    let (alone, bursts) = (wire(&alone, false), wire(&bursts, false));
    assert_eq!(count(&alone, "lost"), count(&bursts, "lost"));
    // G.107 (7-29): Ie,eff = 95 Ppl / (Ppl / BurstR + Bpl), of 2.5 % with BurstR 1 and 9.75, Bpl 25.1.
    let apart = float(&alone, "/r_factor") - float(&bursts, "/r_factor");
    near(apart, 95.0 * 2.5 / (2.5 / 9.75 + 25.1) - 95.0 * 2.5 / (2.5 + 25.1), 1e-6);
}

fn fates() -> impl Strategy<Value = Vec<bool>> {
    let run = prop_oneof![3 => 1..6usize, 2 => 14..19usize, 1 => 19..150usize];
    prop::collection::vec((run, prop_oneof![4 => 1..4usize, 1 => 4..200usize]), 1..12).prop_map(|runs| {
        let mut fates: Vec<bool> = Vec::new();
        for (received, lost) in runs {
            fates.extend(std::iter::repeat_n(true, received));
            fates.extend(std::iter::repeat_n(false, lost));
        }
        // Enough of a stream to be believed, and an end that is seen.
        fates.splice(0..0, [true; 4]);
        fates.push(true);
        fates
    })
}

proptest! {
    #![proptest_config(cases(200))]

    #[test]
    fn any_pattern_is_counted_as_the_rfc_does(fates in prop::collection::vec(prop::bool::weighted(0.8), 0..600)) {
        let (got, want) = (pattern_of(fates.iter().copied()), Markov::of(fates.iter().copied()));
        let counters = [got.c13, got.c14, got.c22, got.c23, got.c33].map(u64::from);
        prop_assert_eq!(counters, [want.c13, want.c14, want.c22, want.c23, want.c33]);
        prop_assert_eq!((got.c11, got.received, u64::from(got.losses)), (want.c11, want.pkt, want.loss_count));
        if let Some(found) = got.burst_gap() {
            let (burst_density, gap_density, burst, gap) = want.metrics();
            prop_assert!((found.burst_density - burst_density).abs() < 1e-12);
            prop_assert!((found.gap_density - gap_density).abs() < 1e-12);
            prop_assert!((found.burst_packets - burst).abs() < 1e-9);
            prop_assert!((found.gap_packets - gap).abs() < 1e-9);
        }
    }

    #[test]
    fn real_packets_give_the_same_pattern_whether_lost_or_late(fates in fates()) {
        compare(&fates, &wire(&fates, false));
        // Late ones only where no more than 10 in a row are: behind more, the buffer follows the longer way.
        if !fates.windows(11).any(|run| run.iter().all(|received| !received)) {
            compare(&fates, &wire(&fates, true));
        }
    }
}
