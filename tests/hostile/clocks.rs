//! Time stamps as broken captures have them: backwards, zero, the ends of the number range, hopping.

use std::time::Duration;

use sidetone::config::Config;

use crate::floods::cost;
use crate::harness::{Core, MILLISECOND, Random, SECOND, START, small};
use crate::packets::{Call, From, address, message, rtp, udp};

const EXTREMES: [i64; 10] =
    [i64::MIN, i64::MIN + 1, i64::MIN / 2, -SECOND, -1, 0, 1, i64::MAX / 2, i64::MAX - 1, i64::MAX];

/// A call, a registration and its expiry: everything that reckons with time.
fn packets() -> Vec<Vec<u8>> {
    let call = Call::v4("clock");
    let mut packets = call.packets();
    let register = message("REGISTER sip:a SIP/2.0", &call, "7 REGISTER", "", "");
    let granted = message("SIP/2.0 200 OK\r\nExpires: 4294967295", &call, "7 REGISTER", ";tag=r", "");
    packets.push(call.signal(From::Caller, &register));
    packets.push(call.signal(From::Callee, &granted));
    for sequence in 0..8 {
        let packet = rtp(8, sequence, u32::from(sequence) * 160, 0xdddd, 160);
        packets.push(udp(address("198.51.100.1:4000"), address("198.51.100.2:4000"), &packet));
    }
    packets
}

#[test]
fn time_stamps_at_the_ends_of_the_range_break_nothing() {
    let packets = packets();
    for seed in 0..400 {
        let mut random = Random::new(seed);
        let mut core = Core::new(&small(), true);
        for (at, packet) in packets.iter().enumerate() {
            let usual = START + at as i64 * 20 * MILLISECOND;
            let odd = EXTREMES[random.below(EXTREMES.len())];
            core.packet(if random.below(3) == 0 { odd } else { usual }, packet);
            if random.below(4) == 0 {
                core.tick(EXTREMES[random.below(EXTREMES.len())]);
            }
        }
        core.finish();
    }
}

#[test]
fn one_extreme_time_stamp_for_a_whole_capture_breaks_nothing() {
    for time in EXTREMES {
        let mut core = Core::new(&small(), true);
        packets().iter().for_each(|packet| core.packet(time, packet));
        let json = core.finish();
        assert_eq!(json["calls"][0]["outcome"], "completed", "at {time}");
        assert_eq!(json["streams"].as_array().map(Vec::len), Some(3), "at {time}");
    }
}

/// The order of the packets is the order of the file, whatever their clock says: counts stay, and no duration is negative.
#[test]
fn a_clock_that_runs_backwards_keeps_the_counts() {
    for step in [-MILLISECOND, -20 * MILLISECOND, -2 * SECOND, -3600 * SECOND] {
        let mut core = Core::new(&Config::default(), true);
        for (at, packet) in packets().iter().enumerate() {
            core.packet(START + at as i64 * step, packet);
        }
        let json = core.finish();
        assert_eq!(json["calls"][0]["outcome"], "completed", "step {step}");
        for stream in json["streams"].as_array().expect("streams") {
            assert_eq!((&stream["lost"], &stream["duplicates"]), (&0.into(), &0.into()), "step {step}");
        }
    }
}

/// Two interfaces whose clocks differ by ten seconds in one file: not every packet may cost a sweep of all tables.
#[test]
fn a_clock_that_hops_costs_no_sweep_a_packet() {
    let mut config = Config::default();
    config.media.idle_timeout = Duration::from_secs(3600);
    let mut core = Core::new(&config, false);
    for n in 0..5000u16 {
        for sequence in 0..4 {
            let packet = rtp(0, sequence, u32::from(sequence) * 160, 0xaaaa, 160);
            core.packet(START, &udp(address(&format!("10.0.0.1:{}", 2000 + n)), address("10.0.0.2:4000"), &packet));
        }
    }
    let stream = |n: usize| {
        let packet = rtp(0, 4 + n as u16, n as u32 * 160, 0xaaaa, 160);
        udp(address("10.0.0.1:2000"), address("10.0.0.2:4000"), &packet)
    };
    let steady = cost(&mut core, 1000, |n| START + n as i64 * MILLISECOND, stream);
    let hopping = cost(&mut core, 1000, |n| START + (n as i64 % 2) * 10 * SECOND, stream);
    assert!(hopping <= 5.0 * steady, "a packet costs {:.0} times as much", hopping / steady);
}
