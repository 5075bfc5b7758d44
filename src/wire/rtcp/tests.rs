use super::*;

// SR of 0x11111111 with one block on 0x22222222, then SDES.
const COMPOUND: &[u8] = &[
    0x81, 0xc8, 0, 12, 0x11, 0x11, 0x11, 0x11, 0xb4, 0x4d, 0xb7, 0x05, 0x20, 0, 0, 0, 0, 0x02, 0x71, 0, 0, 0, 0x01,
    0xf4, 0, 0x01, 0x38, 0x80, 0x22, 0x22, 0x22, 0x22, 0x40, 0xff, 0xff, 0xfe, 0, 0x01, 0, 0x64, 0, 0, 0, 0x50, 0xb7,
    0x05, 0x20, 0, 0, 0x05, 0x40, 0, 0x81, 0xca, 0, 3, 0x11, 0x11, 0x11, 0x11, 1, 2, b'a', b'b', 0, 0, 0, 0,
];

fn read(bytes: &[u8]) -> Compound<'_> {
    Compound::read(bytes, bytes.len()).expect("RTCP")
}

/// The only packet of a datagram that is whole.
fn single(bytes: &[u8]) -> Packet<'_> {
    let compound = read(bytes);
    assert_eq!(compound.form, Form::Plain);
    let packets: Vec<Packet<'_>> = compound.packets().collect();
    assert_eq!(packets.len(), 1);
    packets[0]
}

fn packet(count: u8, number: u8, body: &[u8]) -> Vec<u8> {
    let words = (body.len() / 4) as u16;
    [&[0x80 | count, number][..], &words.to_be_bytes(), body].concat()
}

#[test]
fn a_compound_packet_is_walked_and_read() {
    let compound = read(COMPOUND);
    let packets: Vec<Packet<'_>> = compound.packets().collect();
    let kinds: Vec<PacketType> = packets.iter().map(|packet| packet.kind).collect();
    assert_eq!(kinds, [PacketType::SenderReport, PacketType::SourceDescription]);
    assert_eq!(packets[0].sender(), Some(0x1111_1111));
    let info = packets[0].sender_info().unwrap();
    assert_eq!((info.ntp_middle, info.packets, info.octets), (0xb705_2000, 500, 80_000));
    let blocks: Vec<ReportBlock> = packets[0].report_blocks().collect();
    assert_eq!(blocks.len(), 1);
    assert_eq!((blocks[0].ssrc, blocks[0].fraction_lost, blocks[0].cumulative_lost), (0x2222_2222, 64, -2));
    assert_eq!((blocks[0].last_sr, blocks[0].delay_since_last_sr, blocks[0].jitter), (0xb705_2000, 0x54000, 80));
    assert_eq!(compound.form, Form::Plain);
    assert!(packets.iter().all(|packet| packet.problem().is_none()));
}

#[test]
fn what_follows_the_packets_marks_srtcp() {
    // E flag, index 1, and a tag of 80 bits; and as RFC 7714 has it, the tag first.
    for end in [&[0x80, 0, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10][..], &[[7; 16].as_slice(), &[0x80, 0, 0, 1]].concat()] {
        let encrypted = [COMPOUND, end].concat();
        let compound = read(&encrypted);
        assert_eq!(compound.form, Form::Encrypted);
        assert_eq!(compound.packets().count(), 1, "only the first header is clear");
        let reduced = [&packet(1, 206, &[1; 8]), end].concat();
        assert_eq!(read(&reduced).form, Form::Encrypted);
    }
}

#[test]
fn ciphertext_that_looks_like_a_header_is_still_ciphertext() {
    let mut encrypted = COMPOUND[..52].to_vec();
    // Where SDES was, chance gives version 2, type 201 and a length beyond the end.
    encrypted.extend([0x9f, 201, 0xff, 0xff, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
    assert_eq!(read(&encrypted).form, Form::Malformed(Malformed::Length));
    encrypted.extend([0x80, 0, 0, 9, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    assert_eq!(read(&encrypted).form, Form::Encrypted);
}

#[test]
fn a_datagram_that_does_not_add_up_is_not_believed() {
    let cases = [
        (COMPOUND[..60].to_vec(), Malformed::Length),
        ([COMPOUND, &[0; 2]].concat(), Malformed::Trailing),
        ([COMPOUND, &[0; 7]].concat(), Malformed::Trailing),
        (vec![0x80, 200, 0xff, 0xff, 1, 2, 3, 4], Malformed::Length),
    ];
    for (bytes, reason) in cases {
        assert_eq!(read(&bytes).form, Form::Malformed(reason), "{bytes:?}");
    }
    for bytes in [&[0x80, 199, 0, 0][..], &[0x40, 200, 0, 0], &[0x80, 200, 0], &[]] {
        assert!(Compound::read(bytes, bytes.len()).is_none(), "{bytes:?}");
    }
}

#[test]
fn what_the_capture_cut_off_is_not_missing() {
    let cut = Compound::read(&COMPOUND[..60], COMPOUND.len()).unwrap();
    assert_eq!(cut.form, Form::Plain, "all headers are there, and their lengths add up");
    let packets: Vec<Packet<'_>> = cut.packets().collect();
    assert_eq!((packets.len(), packets[0].report_blocks().count()), (2, 1));
    assert!(packets.iter().all(|packet| packet.problem().is_none()));
    let cut = Compound::read(&COMPOUND[..54], COMPOUND.len()).unwrap();
    assert_eq!(cut.form, Form::Malformed(Malformed::Truncated));
}

#[test]
fn padding_is_taken_off() {
    let mut padded = packet(0, 201, &[0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 8]);
    padded[0] |= 0x20;
    assert_eq!((single(&padded).bytes.len(), single(&padded).problem()), (8, None));
    for wrong in [0, 3, 16, 255] {
        *padded.last_mut().unwrap() = wrong;
        assert_eq!(single(&padded).problem(), Some(Malformed::Padding), "{wrong}");
    }
}

#[test]
fn counts_that_lie_are_noticed() {
    assert_eq!(single(&packet(2, 201, &[0; 28])).problem(), Some(Malformed::Contents));
    assert_eq!(single(&packet(2, 201, &[0; 28])).report_blocks().count(), 1);
    // One block, and an extension of the profile's behind it.
    assert_eq!(single(&packet(1, 201, &[0; 40])).problem(), None);
    assert_eq!(single(&packet(1, 201, &[0; 40])).report_blocks().count(), 1);
    assert_eq!(single(&packet(3, 203, &[0; 8])).problem(), Some(Malformed::Contents));
    assert_eq!(single(&packet(0, 204, &[0; 4])).problem(), Some(Malformed::Contents));
    assert_eq!(single(&packet(1, 202, &[0, 0, 0, 1, 1, 200, 0, 0])).problem(), Some(Malformed::Contents));
    assert_eq!(single(&packet(2, 202, &[0, 0, 0, 1, 1, 1, b'a', 0])).problem(), Some(Malformed::Contents));
    assert_eq!(single(&packet(1, 202, &[0, 0, 0, 1, 1, 2, b'a', b'b'])).problem(), None);
    assert_eq!(single(&packet(0, 202, &[])).problem(), None);
}

#[test]
fn feedback_is_told_apart_by_its_format() {
    let cases = [
        (1, 205, &[0, 7, 0x80, 0x01, 0, 9, 0, 0][..], "nack", 4),
        (15, 205, &[0, 1, 0, 1, 0, 0, 0, 0], "transport_cc", 0),
        (2, 205, &[], "other", 0),
        (1, 206, &[], "pli", 0),
        (2, 206, &[0; 4], "sli", 0),
        (4, 206, &[0, 0, 0, 1, 5, 0, 0, 0], "fir", 0),
        (15, 206, b"REMB\x01\x02\x03\x04\0\0\0\x01", "remb", 0),
        (15, 206, b"MINE", "application", 0),
    ];
    for (format, number, information, name, nacked) in cases {
        let bytes = packet(format, number, &[&[0, 0, 0, 1, 0, 0, 0, 2], information].concat());
        let feedback = single(&bytes).feedback().unwrap();
        assert_eq!((feedback.kind.name(), feedback.nacked()), (name, nacked));
        assert_eq!(single(&bytes).problem(), None, "{name}");
    }
    assert_eq!(single(&packet(1, 205, &[0; 8])).problem(), Some(Malformed::Feedback), "a NACK of nothing");
    assert_eq!(single(&packet(1, 206, &[0; 4])).problem(), Some(Malformed::Feedback), "no media SSRC");
    assert!(single(&packet(1, 203, &[0; 12])).feedback().is_none());
}

/// A VoIP metrics block on 0x01020304, its bytes all different.
const METRICS: [u8; 36] = [
    7, 0, 0, 8, 1, 2, 3, 4, 64, 32, 128, 16, 0x01, 0xe0, 0x23, 0x28, 0, 120, 0, 60, 0xec, 0xba, 55, 16, 88, 127, 42,
    40, 0xf2, 0, 0, 40, 0, 80, 0, 120,
];

#[test]
fn voip_metrics_come_in_base_units() {
    let report = packet(0, 207, &[&[0, 0, 0, 9][..], &METRICS].concat());
    let metrics = single(&report).xr_blocks().next().unwrap().voip_metrics().unwrap();
    assert_eq!(
        metrics,
        VoipMetrics {
            ssrc: 0x0102_0304,
            loss_ratio: 0.25,
            discard_ratio: 0.125,
            burst_density: 0.5,
            gap_density: 0.0625,
            burst_seconds: 0.48,
            gap_seconds: 9.0,
            round_trip_seconds: Some(0.12),
            end_system_delay_seconds: 0.06,
            signal_level: Some(-20),
            noise_level: Some(-70),
            echo_return_loss: Some(55),
            gmin: 16,
            r_factor: Some(88),
            external_r_factor: None,
            mos_lq: Some(4.2),
            mos_cq: Some(4.0),
            concealment: Some("standard"),
            adaptive: Some(true),
            adjustment_rate: 2,
            buffer_nominal_seconds: 0.04,
            buffer_maximum_seconds: 0.08,
            buffer_limit_seconds: 0.12,
        }
    );
}

#[test]
fn what_is_unavailable_or_not_allowed_is_no_value() {
    let mut block = METRICS;
    block[16..18].fill(0);
    block[20..28].fill(127);
    block[28] = 0x10;
    let report = packet(0, 207, &[&[0, 0, 0, 9][..], &block].concat());
    let metrics = single(&report).xr_blocks().next().unwrap().voip_metrics().unwrap();
    assert_eq!((metrics.signal_level, metrics.noise_level, metrics.echo_return_loss), (None, None, None));
    assert_eq!((metrics.r_factor, metrics.external_r_factor), (None, None));
    assert_eq!((metrics.mos_lq, metrics.mos_cq, metrics.round_trip_seconds), (None, None, None));
    assert_eq!((metrics.concealment, metrics.adaptive), (None, None));
    for (at, value) in [(24, 101), (25, 255), (26, 9), (27, 51)] {
        block[at] = value;
    }
    let report = packet(0, 207, &[&[0, 0, 0, 9][..], &block].concat());
    let metrics = single(&report).xr_blocks().next().unwrap().voip_metrics().unwrap();
    assert_eq!((metrics.r_factor, metrics.external_r_factor, metrics.mos_lq, metrics.mos_cq), (None, None, None, None));
}

#[test]
fn every_block_is_walked_and_unknown_ones_are_passed_over() {
    let body: Vec<u8> = [
        &[0, 0, 0, 9][..],
        &[1, 0, 0, 3, 0, 0, 0, 1, 0, 1, 0, 9, 0x40, 0x05, 0, 0],
        &[2, 0, 0, 2, 0, 0, 0, 1, 0, 1, 0, 1],
        &[3, 0, 0, 2, 0, 0, 0, 1, 0, 1, 0, 1],
        &[200, 7, 0, 1, 0xff, 0xff, 0xff, 0xff],
        &[4, 0, 0, 2, 0xb4, 0x4d, 0xb7, 0x05, 0x80, 0x01, 0, 0],
        &[5, 0, 0, 6, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0, 5, 0, 0, 0, 6],
        &[6, 0xa8, 0, 9, 0, 0, 0, 1, 0xff, 0xf0, 0, 0x10, 0, 0, 0, 3, 0, 0, 0, 4],
        &[0, 0, 0, 1, 0, 0, 0, 9, 0, 0, 0, 5, 0, 0, 0, 2, 60, 64, 62, 1],
        &METRICS,
    ]
    .concat();
    let report = packet(0, 207, &body);
    assert_eq!(single(&report).problem(), None);
    let blocks: Vec<Block<'_>> = single(&report).xr_blocks().collect();
    let names: Vec<&str> = blocks.iter().map(|block| block.kind.name()).collect();
    let expected = ["loss_rle", "duplicate_rle", "packet_receipt_times", "other", "receiver_reference_time", "dlrr"];
    assert_eq!(names[..6], expected);
    assert_eq!(names[6..], ["statistics_summary", "voip_metrics"]);
    assert_eq!(blocks[4].reference_time(), Some(0xb705_8001));
    let delays: Vec<Delay> = blocks[5].delays().collect();
    assert_eq!(delays[1], Delay { ssrc: 4, last_rr: 5, delay_since_last_rr: 6 });
    let summary = blocks[6].summary().unwrap();
    assert_eq!((summary.expected, summary.lost, summary.duplicates), (32, Some(3), None));
    assert_eq!((summary.jitter.unwrap().mean, summary.jitter.unwrap().max), (5, 9));
    assert_eq!(summary.hops.unwrap().max, 64);
}

#[test]
fn block_lengths_that_lie_end_the_walk() {
    for (body, read) in [
        (&[7, 0, 0, 9, 1, 2, 3, 4][..], 0),
        (&[4, 0, 0, 1, 0, 0, 0, 0], 1),
        (&[5, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0], 1),
        (&[6, 0xff, 0, 0], 1),
        (&[9, 0, 0, 0, 9, 0, 0xff, 0xff], 1),
    ] {
        let report = packet(0, 207, &[&[0, 0, 0, 9], body].concat());
        assert_eq!(single(&report).problem(), Some(Malformed::XrBlock), "{body:?}");
        let blocks: Vec<Block<'_>> = single(&report).xr_blocks().collect();
        assert_eq!(blocks.len(), read, "{body:?}");
        for block in blocks {
            assert!(block.voip_metrics().is_none() && block.summary().is_none() && block.reference_time().is_none());
            assert_eq!(block.delays().count(), 0);
        }
    }
}
