//! What the parts of the packet path cost, and a scrape. How to run it: `benches/README.md`.

use std::hint::black_box;
use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use flate2::Compression;
use flate2::write::GzEncoder;
use sidetone::config::Config;
use sidetone::connections::{Connections, Settings as Bounds};
use sidetone::engine::{Engine, Settings, Snapshot};
use sidetone::media::Pattern;
use sidetone::metrics::exposition::openmetrics_to_text;
use sidetone::metrics::{Workers, render};
use sidetone::numbers::Collection;
use sidetone::quality::codec::CodecId;
use sidetone::quality::{Conditions, rate};
use sidetone::site::{PeerId, Site};
use sidetone::time::Timestamp;
use sidetone::wire::{Decoded, Ip, LinkType, decode, rtp, sdp, sip};

#[allow(dead_code)] // shared with tests/hostile.rs
#[path = "../tests/hostile/packets.rs"]
mod packets;

use packets::{Call, From, address, ethernet, udp};

const MILLISECOND: i64 = 1_000_000;

/// From a frame to the fields of its RTP packet, and to the payload of a frame that is none.
fn decoding(criterion: &mut Criterion) {
    let call = Call::v4("bench");
    let media = ethernet(&call.media(From::Caller, &packets::rtp(0, 1, 160, 7, 160)));
    let v6 = ethernet(&Call::v6("bench").media(From::Caller, &packets::rtp(0, 1, 160, 7, 160)));
    let read = |frame: &[u8]| {
        let datagram = decode(LinkType::ETHERNET, frame).ok()?.datagram()?;
        rtp::Packet::parse(datagram.payload, datagram.length)
    };
    assert!(read(&media).is_some() && read(&v6).is_some());
    let mut group = criterion.benchmark_group("decode");
    group.throughput(Throughput::Elements(1));
    group.bench_function("rtp over ipv4", |b| b.iter(|| read(black_box(&media))));
    group.bench_function("rtp over ipv6", |b| b.iter(|| read(black_box(&v6))));
    group.finish();
}

/// An INVITE of 1 kB, as a phone sends it.
fn invite() -> Vec<u8> {
    let mut call = Call::v4("3c26700d86a4-yw2ftb8g2dgr@192.0.2.10");
    call.caller_media = address("192.0.2.10:49170");
    let invite = String::from_utf8(call.invite()).expect("text");
    let more = "Max-Forwards: 70\r\nUser-Agent: Phone/1.2.3 (build 4567)\r\nAllow: INVITE, ACK, CANCEL, BYE, REFER, OPTIONS, NOTIFY\r\n\
                Supported: timer, 100rel, replaces, from-change\r\nSession-Expires: 3600;refresher=uas\r\nMin-SE: 90\r\n\
                P-Preferred-Identity: <sip:alice@a.example>\r\n\
                Route: <sip:edge-1.a.example;transport=udp;lr>, <sip:core-7.a.example;transport=udp;lr>\r\n\
                Accept: application/sdp, message/sipfrag\r\n";
    invite.replacen("Content-Type", &format!("{more}Content-Type"), 1).into_bytes()
}

fn signalling(criterion: &mut Criterion) {
    let invite = invite();
    println!("the INVITE has {} bytes", invite.len());
    let mut group = criterion.benchmark_group("sip");
    group.throughput(Throughput::Bytes(invite.len() as u64));
    group.bench_function("scan an INVITE", |b| b.iter(|| sip::parse(black_box(&invite)).is_ok()));
    group.throughput(Throughput::Elements(1));
    let Ok(sip::Content::Message(message)) = sip::parse(&invite) else { panic!("no message") };
    group.bench_function("tags and branch", |b| {
        b.iter(|| {
            let values =
                [(message.from, sip::Name::TAG), (message.to, sip::Name::TAG), (message.via, sip::Name::BRANCH)];
            values.map(|(value, name)| sip::parameter(black_box(value), name).is_some())
        });
    });
    group.bench_function("its SDP", |b| b.iter(|| sdp::parse(black_box(message.body)).len()));
    group.finish();
}

fn engine(config: &Config, site: Site) -> Engine {
    let mut engine = Engine::new(Settings::new(config, false), Arc::new(site));
    engine.add_interface("bench");
    engine
}

/// TCP segments: a SIP message each, a fifth of one each, and those of a connection that has nothing to do with SIP.
fn connections(criterion: &mut Criterion) {
    let invite = invite();
    let packet = |port: u16, sequence: u32, payload: &[u8]| {
        let mut segment = [40_000u16.to_be_bytes(), port.to_be_bytes()].concat();
        segment.extend(sequence.to_be_bytes());
        segment.extend([0, 0, 0, 1, 0x50, 0x10, 0xff, 0xff, 0, 0, 0, 0]);
        segment.extend(payload);
        let mut frame = ethernet(&udp(address("192.0.2.10:1"), address("192.0.2.20:1"), &segment[8..]));
        // As long as a datagram of eight bytes less: the header of TCP stands where that of UDP did.
        frame[23] = 6;
        frame[34..].copy_from_slice(&segment);
        frame
    };
    let mut group = criterion.benchmark_group("connections");
    group.throughput(Throughput::Elements(1));
    let other = [0x17; 1_400];
    for (name, port, size, payload) in [
        ("a message a segment", 5060, invite.len(), &invite[..]),
        ("a message in five segments, a segment", 5060, invite.len().div_ceil(5), &invite),
        ("a segment of another protocol", 443, other.len(), &other),
    ] {
        let mut connections =
            Connections::new(Bounds { max_flows: 1000, max_buffered_bytes: 1 << 20, idle_nanos: i64::MAX });
        let pieces: Vec<&[u8]> = payload.chunks(size).collect();
        let mut frames: Vec<Vec<u8>> = pieces.iter().map(|piece| packet(port, 0, piece)).collect();
        let (mut sequence, mut n, mut messages) = (0u32, 0, 0);
        group.bench_function(name, |b| {
            b.iter(|| {
                let at = n % frames.len();
                let frame = &mut frames[at];
                frame[38..42].copy_from_slice(&sequence.to_be_bytes());
                sequence = sequence.wrapping_add(pieces[at].len() as u32);
                n += 1;
                let Ok(Decoded::Segment(segment)) = decode(LinkType::ETHERNET, frame) else { panic!("no segment") };
                let carried = connections.segment(Timestamp::from_nanos(n as i64), &segment, port == 5060);
                messages += black_box(&carried).len();
            });
        });
        // Nothing ran where the command line asks for other benchmarks.
        assert_eq!(messages > 0, port == 5060 && n > 0);
    }
    group.finish();
}

fn endpoint(network: u8, n: usize) -> SocketAddr {
    address(&format!("10.{network}.{}.{}:20000", n >> 8 & 255, n & 255))
}

/// Whose an address is, among a thousand peers with five networks each: on the path of every message and new stream.
fn peers(criterion: &mut Criterion) {
    let networks = |n: u32| -> Vec<ipnet::IpNet> {
        let (a, b) = (n >> 8 & 255, n & 255);
        let text = ["10.A.B.0/24", "10.A.B.128/25", "172.16.A.B/32", "2001:db8:A:B::/64", "2001:db8:A:B:1::/80"];
        let filled = text.map(|text| text.replace('A', &a.to_string()).replace('B', &b.to_string()));
        filled.iter().map(|text| text.parse().expect("a network")).collect()
    };
    let named: Vec<_> = (0..1000).map(|n| (format!("peer-{n}"), networks(n))).collect();
    let site = Site::new(vec!["192.0.2.0/24".parse().expect("a network")], &named);
    let mut group = criterion.benchmark_group("site");
    for (kind, template) in [("IPv4", "10.A.B.200"), ("IPv6", "2001:db8:A:B:1::7"), ("nobody's", "11.A.B.200")] {
        let addresses: Vec<Ip> = (0..1000u32)
            .map(|n| n * 617 % 1000)
            .map(|n| template.replace('A', &(n >> 8).to_string()).replace('B', &(n & 255).to_string()))
            .map(|text| text.parse::<std::net::IpAddr>().expect("an address").into())
            .collect();
        group.throughput(Throughput::Elements(addresses.len() as u64));
        let ours = Ip::v4([192, 0, 2, 1]);
        group.bench_function(BenchmarkId::new("direction and peer among 5,000 networks", kind), |b| {
            b.iter(|| addresses.iter().filter(|ip| site.place(**ip, black_box(ours)).1 != PeerId::OTHER).count());
        });
    }
    group.finish();
}

/// Packets of many streams in turn, as they come off a wire: every packet meets a stream that was not touched for long.
/// Speech (PCMU) runs through the playout buffers, video (H.263) does not: the difference is what they cost.
fn streams(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("engine");
    for (kind, payload_type, count) in
        [("speech", 0u8, 200usize), ("video", 34, 200), ("speech", 0, 20_000), ("video", 34, 20_000)]
    {
        let mut engine = engine(&Config::default(), Site::default());
        let mut frames: Vec<Vec<u8>> = (0..count)
            .map(|n| {
                ethernet(&udp(endpoint(1, n), endpoint(2, n), &packets::rtp(payload_type, 0, 0, n as u32 + 99, 160)))
            })
            .collect();
        let (mut sequence, mut now) = (0u16, 1_700_000_000_000 * MILLISECOND);
        let mut round = |engine: &mut Engine, frames: &mut [Vec<u8>]| {
            sequence = sequence.wrapping_add(1);
            for frame in frames {
                // Sequence number and timestamp: 14 + 20 + 8 bytes before the RTP header.
                frame[44..46].copy_from_slice(&sequence.to_be_bytes());
                frame[46..50].copy_from_slice(&(u32::from(sequence) * 160).to_be_bytes());
                now += 20 * MILLISECOND / count as i64;
                engine.frame(0, Timestamp::from_nanos(now), LinkType::ETHERNET, frame.len() as u32, frame);
            }
        };
        (0..8).for_each(|_| round(&mut engine, &mut frames));
        group.throughput(Throughput::Elements(count as u64));
        group.bench_function(BenchmarkId::new(format!("RTP packets of {kind} streams"), count), |b| {
            b.iter(|| round(&mut engine, &mut frames));
        });
    }
    group.finish();
}

/// Bursts and gaps at 2 % loss, a block of 64 packets at a time, as streams do it.
fn loss_pattern(criterion: &mut Criterion) {
    let mut state = 7u64;
    let words: Vec<u64> = (0..1024)
        .map(|_| {
            let bits = (0..64).map(|bit| {
                // Knuth's linear congruential generator (MMIX).
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                u64::from(state >> 33 < (1 << 31) / 50) << bit
            });
            bits.fold(0, |word, bit| word | bit)
        })
        .collect();
    let mut group = criterion.benchmark_group("loss pattern");
    group.throughput(Throughput::Elements(64 * words.len() as u64));
    group.bench_function("2 % lost", |b| {
        b.iter(|| {
            let mut pattern = Pattern::default();
            words.iter().for_each(|word| pattern.block(*word, 0, 64));
            pattern.losses
        });
    });
    group.finish();
}

fn e_model(criterion: &mut Criterion) {
    let profile = CodecId::from_encoding(b"g729").profile(None, true).expect("a codec with a model");
    let conditions = Conditions { loss_ratio: 0.02, burst_ratio: 1.4, delay_seconds: 0.15, echo: true };
    criterion.bench_function("e-model", |b| b.iter(|| rate(black_box(&profile), black_box(&conditions))));
}

/// What a scrape takes, step by step: the worker's own part (it reads no frames meanwhile), merging and encoding, text 0.0.4, gzip.
fn scrape(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("scrape");
    for peers in [6, 420] {
        let mut engine = with_peers(peers);
        let openmetrics = |snapshot: &Snapshot| {
            let mut collection = Collection::default();
            snapshot.collect(&mut collection);
            render(vec![Box::new(Workers::new(collection))]).expect("a String takes everything")
        };
        let snapshot = engine.snapshot();
        let text = openmetrics(&snapshot);
        let series = text.lines().filter(|line| !line.starts_with('#')).count();
        group.throughput(Throughput::Elements(series as u64));
        let id = |step| BenchmarkId::new(step, series);
        group.bench_function(id("snapshot, series"), |b| b.iter(|| engine.snapshot()));
        group.bench_function(id("merge, series"), |b| {
            b.iter(|| {
                let mut collection = Collection::default();
                snapshot.collect(&mut collection);
                Workers::new(collection)
            });
        });
        group.bench_function(id("merge and encode, series"), |b| b.iter(|| openmetrics(&snapshot)));
        group.bench_function(id("to text 0.0.4, series"), |b| b.iter(|| openmetrics_to_text(black_box(&text))));
        group.bench_function(id("gzip, series"), |b| {
            b.iter(|| {
                let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
                encoder.write_all(text.as_bytes()).and_then(|()| encoder.finish()).expect("in memory")
            });
        });
    }
    group.finish();
}

/// An engine that has seen a stream from and to each of some peers.
fn with_peers(count: usize) -> Engine {
    let named: Vec<_> =
        (0..count).map(|n| (format!("peer-{n}"), vec![ipnet::IpNet::from(endpoint(1, n).ip())])).collect();
    let mut engine = engine(&Config::default(), Site::new(vec!["10.2.0.0/16".parse().expect("a network")], &named));
    for sequence in 0..200u16 {
        let now = Timestamp::from_nanos(i64::from(sequence) * 100 * MILLISECOND);
        for n in 0..count {
            for (source, destination) in [(endpoint(1, n), endpoint(2, 1)), (endpoint(2, 1), endpoint(1, n))] {
                let packet = packets::rtp(8, sequence, u32::from(sequence) * 160, 99, 160);
                let frame = ethernet(&udp(source, destination, &packet));
                engine.frame(0, now, LinkType::ETHERNET, frame.len() as u32, &frame);
            }
        }
    }
    engine
}

criterion_group!(benches, decoding, signalling, connections, peers, streams, loss_pattern, e_model, scrape);
criterion_main!(benches);
