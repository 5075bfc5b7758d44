//! The E-models against reference vectors, against the Recommendations' own figures, and their properties.

mod support;

use proptest::prelude::*;
use sidetone::quality::codec::{self, CodecId, Layout, MediaKind, Profile, static_payload};
use sidetone::quality::emodel::Parameters;
use sidetone::quality::mode::{HEADER_BYTES, carried};
use sidetone::quality::rating::{Conditions, Impairment, Model, Rating, Satisfaction, mos_from_r, rate};

/// Tolerances of the vectors, which have four decimals.
const R_TOLERANCE: f64 = 0.05;
const MOS_TOLERANCE: f64 = 0.01;

/// The shared vectors, where this checkout has them.
fn vectors() -> Option<String> {
    let path = support::shared_dir()?.join("captures/emodel-vectors.csv");
    Some(std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display())))
}

fn id(encoding: &str) -> CodecId {
    CodecId::from_encoding(encoding.as_bytes())
}

/// The name and the concealment that a vector's codec column means here.
fn table_row(vector_codec: &str) -> (&'static str, bool) {
    match vector_codec {
        "G.711" => ("pcma", false),
        "G.711+PLC" => ("pcmu", true),
        "G.729" => ("g729", true),
        "G.729A+VAD" => ("g729ab", true),
        "G.723.1-6.3" => ("g723", true),
        "GSM-EFR" => ("gsm-efr", true),
        "GSM-FR" => ("gsm", true),
        other => panic!("no row for {other}"),
    }
}

#[test]
fn every_vector_is_reproduced_from_the_codec_table() {
    let Some(csv) = vectors() else { return };
    let mut seen = 0;
    for line in csv.lines().skip(1).filter(|l| !l.is_empty()) {
        let field: Vec<&str> = line.split(',').collect();
        let number = |i: usize| field[i].parse::<f64>().unwrap_or_else(|e| panic!("field {i} of {line}: {e}"));
        let (name, plc) = table_row(field[1]);
        let profile = id(name).profile(None, plc).expect("a codec with a model");
        assert_eq!((profile.impairment.ie, profile.impairment.bpl), (number(2), number(3)), "{line}");
        let rating = rate(
            &profile,
            &Conditions {
                loss_ratio: number(4) / 100.0,
                burst_ratio: number(5),
                delay_seconds: number(7) / 1000.0,
                echo: field[6] == "full",
            },
        );
        for (got, column, tolerance) in [
            (rating.parts.ie_eff, 8, R_TOLERANCE),
            (rating.id, 9, R_TOLERANCE),
            (rating.r_factor, 10, R_TOLERANCE),
            (rating.mos, 11, MOS_TOLERANCE),
        ] {
            assert!((got - number(column)).abs() <= tolerance, "column {column}: {got} in {line}");
        }
        seen += 1;
    }
    assert_eq!(seen, 57);
}

#[test]
fn all_defaults_give_the_r_that_the_recommendation_states() {
    // G.107 clause 7.7: "R = 93.2" with every default value.
    let rating = Parameters::DEFAULT.rating();
    assert!((rating.r_factor - 93.2).abs() < 0.05, "{rating:?}");
    assert!((rating.mos - 4.41).abs() < 0.005, "{rating:?}");
    assert_eq!(rating.satisfaction(), Satisfaction::VerySatisfied);
}

#[test]
fn mos_follows_table_b_1() {
    // The table prints 4.03 where equation B-4 gives 4.024.
    for (r, mos) in [(90.0, 4.34), (80.0, 4.03), (70.0, 3.60), (60.0, 3.10), (50.0, 2.58)] {
        assert!((mos_from_r(r) - mos).abs() < MOS_TOLERANCE, "R {r}: {}", mos_from_r(r));
    }
    for (r, mos) in [(-5.0, 1.0), (0.0, 1.0), (3.0, 1.0), (100.0, 4.5), (120.0, 4.5)] {
        assert_eq!(mos_from_r(r), mos, "R {r}");
    }
}

#[test]
fn satisfaction_follows_table_b_1() {
    for (r, text) in [
        (90.0, "Very satisfied"),
        (89.9, "Satisfied"),
        (79.9, "Some users dissatisfied"),
        (69.9, "Many users dissatisfied"),
        (59.9, "Nearly all users dissatisfied"),
        (49.9, "Not recommended"),
    ] {
        assert_eq!(Satisfaction::from_r(r).to_string(), text);
    }
}

fn rated(name: &str, loss_ratio: f64, delay_seconds: f64, echo: bool) -> Rating {
    let mode = codec::find_mode(name).and_then(Result::ok).expect("a name");
    let profile = mode.profile(true).expect("a model");
    rate(&profile, &Conditions { loss_ratio, burst_ratio: 1.0, delay_seconds, echo })
}

/// G.107.1 worked by hand from its equations; no vectors are published.
#[test]
fn wideband_follows_g_107_1() {
    let close = |got: f64, want: f64| assert!((got - want).abs() < 0.0006, "{got} is not {want}");
    // Defaults: 129 less the listener echo of Tr = 0 (7-11); ITU-T's own calculator shows 128.8 and MOS 4.50.
    let clean = sidetone::quality::wideband::Parameters::DEFAULT.rating();
    close(clean.r_factor, 128.8463);
    close(clean.mos_model_scale, 4.4992);
    // 7-15: 20 + 75 * 2 / (2 + 4.3).
    let lossy = rated("amr-wb-12.65", 0.02, 0.0, false);
    close(lossy.parts.ie_eff, 43.8095);
    close(lossy.r_factor, 128.8463 - 43.8095);
    // R / 1.29 = 65.920, then B-4.
    close(lossy.mos_model_scale, 3.4003);
    // 7-13 at twice mT: 1.29 times 3.0444.
    close(rated("amr-wb", 0.0, 0.2, false).parts.idd, 3.9273);
    // T = 150 ms: K = 18, TERV = 46.876, Re = 178.63, Roe = 129; T = 50 ms: K = 14, TERV = 52.872, Re = 196.61.
    close(rated("amr-wb", 0.0, 0.15, true).parts.idte, 0.9392);
    close(rated("amr-wb", 0.0, 0.05, true).parts.idte, 0.4480);
    close(rated("amr-wb", 0.0, 0.05, true).parts.idle, 0.6521);
    close(rated("amr-wb", 0.0, 0.005, true).parts.idte, 0.0);
}

/// G.107.2 worked by hand from its clauses; no vectors are published.
#[test]
fn fullband_follows_g_107_2() {
    let close = |got: f64, want: f64| assert!((got - want).abs() < 0.0006, "{got} is not {want}");
    let clean = rated("evs-24.4", 0.0, 0.1, true);
    close(clean.r_factor, 148.0 - 7.2);
    close(clean.mos_model_scale, 4.4436); // R / 1.48 = 95.135
    // 7.2 + 124.8 * 2 / (2 + 11.4); 1.48 times 3.0444.
    let lossy = rated("evs", 0.02, 0.2, true);
    close(lossy.parts.ie_eff, 25.8269);
    close(lossy.parts.idd, 4.5057);
    close(lossy.r_factor, 117.6674);
    close(lossy.mos_model_scale, 4.0052); // R / 1.48 = 79.505
    assert_eq!((lossy.parts.idte, lossy.parts.idle), (0.0, 0.0), "the fullband model knows no echo");
    assert_eq!(lossy.model.as_str(), "G.107.2");
}

#[test]
fn the_common_scale_is_annex_b_on_the_r_that_all_models_share() {
    for name in ["pcmu", "amr-wb-12.65", "evs-9.6"] {
        for loss in [0.0, 0.01, 0.05, 0.2, 1.0] {
            let rating = rated(name, loss, 0.25, true);
            assert_eq!(rating.mos, mos_from_r(rating.r_factor));
            assert!(rating.mos >= rating.mos_model_scale, "{name}: the longer scale puts the same R lower");
            let same = rating.model == Model::Narrowband;
            assert_eq!(
                rating.mos == rating.mos_model_scale,
                same || rating.mos == 1.0 && rating.mos_model_scale == 1.0
            );
        }
    }
    assert_eq!(rated("amr-wb", 0.0, 0.0, true).mos, 4.5, "R of 100 and more");
}

#[test]
fn payloads_show_their_mode() {
    let mode = |name, aligned, first: &[u8], length| carried(id(name), aligned, first, length);
    // RFC 4867 section 4.3: one AMR frame of 6.7 kbit/s, bandwidth efficient, CMR 15: 10 + 134 bits, 18 bytes.
    assert_eq!(mode("amr", false, &[0xf1, 0xc0], 18), Some(3));
    assert_eq!(mode("amr", false, &[0xf1, 0xc0], 28), None, "a tag of encryption: the length does not fit");
    assert_eq!(mode("amr", true, &[0xf0, 0x3c], 33), Some(7), "12.2 kbit/s: 2 + 31 bytes");
    assert_eq!(mode("amr", false, &[0xf3, 0xc0], 32), Some(7), "12.2 kbit/s: 10 + 244 bits");
    assert_eq!(mode("amr", true, &[0xf0, 0x44], 7), None, "SID");
    assert_eq!(mode("amr", true, &[0xf0, 0x7c], 2), None, "no data");
    assert_eq!(mode("amr", true, &[0xf0, 0xc4, 0x3c], 2 + 1 + 5 + 31), Some(7), "SID, then speech");
    assert_eq!(mode("amr-wb", true, &[0xf0, 0x14], 2 + 32), Some(2), "12.65 kbit/s");
    assert_eq!(mode("amr-wb", false, &[0xf1, 0x40], 33), Some(2), "10 + 253 bits");
    assert_eq!(mode("amr-wb", false, &[0xf4, 0x40], 61), Some(8), "23.85: 10 + 477 bits");
    assert_eq!(mode("amr-wb", true, &[0xf0, 0x4c], 7), None, "SID");
    assert_eq!(mode("amr-wb", true, &[0xf0, 0x5c], 7), None, "a reserved type");
    assert_eq!(mode("g723", false, &[0x00], 24), Some(0));
    assert_eq!(mode("g723", false, &[0x01], 20), Some(1));
    assert_eq!(mode("g723", false, &[0x01], 44), Some(1), "5.3, then 6.3");
    assert_eq!(mode("g723", false, &[0x02], 4), None, "SID");
    assert_eq!(mode("g723", false, &[0x00], 20), None, "too short");
    assert_eq!((mode("ilbc", false, &[], 38), mode("ilbc", false, &[], 100)), (Some(0), Some(1)));
    assert_eq!((mode("ilbc", false, &[], 950), mode("ilbc", false, &[], 0)), (None, None));
    assert_eq!((mode("g729", false, &[], 20), mode("g729", false, &[], 12)), (Some(0), Some(0)));
    assert_eq!((mode("g729", false, &[], 2), mode("g729", false, &[], 0)), (None, None), "SID, nothing");
    assert_eq!(mode("evs", false, &[0x12], 61), Some(6), "compact, 24.4 kbit/s");
    assert_eq!(mode("evs", false, &[0x06], 62), Some(6), "header-full");
    assert_eq!(mode("evs", false, &[0x9f, 0x04], 35), Some(4), "header-full with a mode request, 13.2 kbit/s");
    assert_eq!(mode("evs", false, &[0x12], 32), None, "compact AMR-WB IO");
    assert_eq!(mode("evs", false, &[0x0c], 7), Some(0), "2.8 kbit/s");
    assert_eq!((mode("evs", false, &[0x8c], 7), mode("evs", false, &[0x00], 6)), (None, None), "SIDs");
    assert_eq!(mode("opus", false, &[0xf8], 80), None);
}

#[test]
fn g711_under_loss_as_published() {
    // G.113 App. I values in equation 7-29: with concealment and without, 2, 5 and 10 % random loss.
    for (percent, concealed, bare) in [(2.0, 4.23, 3.26), (5.0, 3.92, 2.17), (10.0, 3.41, 1.48)] {
        for (plc, mos) in [(true, concealed), (false, bare)] {
            let profile = id("PCMU").profile(None, plc).expect("G.711 has a model");
            let rating = rate(&profile, &Conditions { loss_ratio: percent / 100.0, ..Conditions::PERFECT });
            assert!((rating.mos - mos).abs() < MOS_TOLERANCE, "{percent} % plc {plc}: {rating:?}");
        }
    }
}

#[test]
fn unusual_sidetone_takes_the_other_branches_of_7_4() {
    let rating = |stmr: f64| Parameters { stmr, lstr: stmr + 3.0, t: 100.0, ..Parameters::DEFAULT }.rating();
    let (loud, usual, quiet) = (rating(8.0), rating(15.0), rating(22.0));
    assert!(loud.parts.idte < usual.parts.idte, "7-23: loud sidetone masks echo: {loud:?} {usual:?}");
    assert!(quiet.parts.idte > usual.parts.idte, "7-24: no sidetone, more annoyance: {quiet:?} {usual:?}");
}

#[test]
fn names_aliases_and_ids_agree() {
    let mut names: Vec<&str> = CodecId::all().map(CodecId::name).collect();
    for id in CodecId::all().skip(2) {
        let codec = id.codec();
        assert_eq!(codec.name, codec.name.to_lowercase());
        names.extend(codec.aliases);
        for name in codec.aliases.iter().chain([&codec.name]) {
            for spelling in [name.to_uppercase(), name.to_lowercase()] {
                assert_eq!(CodecId::from_encoding(spelling.as_bytes()), id, "{spelling}");
            }
        }
    }
    let all = names.len();
    names.sort_by_key(|n| n.to_lowercase());
    names.dedup_by_key(|n| n.to_lowercase());
    assert_eq!(names.len(), all, "no name twice");
    assert_eq!(CodecId::all().count(), CodecId::COUNT);
    assert_eq!((CodecId::UNKNOWN.name(), CodecId::OTHER.name()), ("unknown", "other"));
}

#[test]
fn what_is_not_known_has_no_model() {
    for name in ["opus", "G722", "iLBC", "g726-32", "speex", "h264", "telephone-event", "unknown", "other"] {
        let id = id(name);
        assert!((0..=u8::MAX).all(|mode| id.profile(Some(mode), true).is_none()), "{name}");
        assert!(id.profile(None, true).is_none(), "{name}");
    }
    for name in ["", "x-private", "unknown", "\u{fc}", "pcmu "] {
        assert_eq!(CodecId::from_encoding(name.as_bytes()), CodecId::OTHER, "{name}");
        assert!(codec::lookup(name).is_none() && codec::find_mode(name).is_none(), "{name}");
    }
    assert_eq!(CodecId::from_encoding(b"telephone-event").media(), MediaKind::Event);
    assert_eq!(CodecId::from_encoding(b"CN").media(), MediaKind::ComfortNoise);
    assert_eq!(CodecId::from_encoding(b"VP8").media(), MediaKind::Video);
}

#[test]
fn a_stream_that_hides_its_mode_is_not_rated_where_modes_are_far_apart() {
    for name in ["amr", "amr-wb", "evs", "ilbc"] {
        assert!(id(name).has_modes() && id(name).profile(None, true).is_none(), "{name}");
    }
    assert_eq!(id("g723").profile(None, true).map(|p| p.name), Some("g723-63"));
    assert_eq!(id("g723").profile(Some(1), true).map(|p| p.name), Some("g723-53"));
    assert!(!id("pcmu").has_modes() && !id("g729").has_modes() && !id("g722").has_modes());
    assert!(id("amr").profile(Some(4), true).is_none(), "no Bpl, no rating");
    assert!(id("amr").profile(Some(8), true).is_none(), "no such mode");
}

#[test]
fn the_calculator_knows_the_names_of_the_contract() {
    for (name, mode) in [
        ("pcmu", "pcmu"),
        ("G711A", "pcma"),
        ("g729", "g729"),
        ("g729ab", "g729ab"),
        ("g723", "g723-63"),
        ("g723-53", "g723-53"),
        ("gsm", "gsm"),
        ("gsm-efr", "gsm-efr"),
        ("ilbc", "ilbc-30"),
        ("g722", "g722-64"),
        ("opus", "opus"),
        ("amr", "amr-12.2"),
        ("AMR-WB", "amr-wb-12.65"),
        ("amr-wb-6.6", "amr-wb-6.6"),
        ("evs", "evs-24.4"),
    ] {
        let found = codec::find_mode(name).and_then(Result::ok);
        assert_eq!(found.map(|m| m.name), Some(mode), "{name}");
    }
    assert!(matches!(codec::find_mode("isac"), Some(Err(_))), "a name, and nothing else");
}

#[test]
fn every_mode_says_where_its_values_come_from() {
    let mut names: Vec<&str> = codec::modes().map(|(_, mode)| mode.name).collect();
    for (codec, mode) in codec::modes() {
        assert!(!mode.source.is_empty(), "{}", mode.name);
        assert!(mode.without_plc.is_none() || mode.impairment.is_some(), "{}", mode.name);
        assert!(
            mode.name == codec.name || codec::lookup(mode.name).is_none(),
            "{}: a mode, and another codec",
            mode.name
        );
        if let Some(ie) = mode.ie_alone {
            assert!(mode.impairment.is_none(), "{}: one Ie", mode.name);
            assert!((0.0..mode.model.ie_max()).contains(&ie) && mode.source.contains("G.113"), "{}", mode.name);
        }
        let Some(impairment) = mode.impairment else { continue };
        assert!((0.0..mode.model.ie_max()).contains(&impairment.ie) && impairment.bpl > 0.0, "{}", mode.name);
        assert!(mode.source.contains("G.113"), "{}", mode.name);
    }
    for id in CodecId::all() {
        let codec = id.codec();
        assert!(codec.modes.is_empty() || codec.default_mode().is_some(), "{}", codec.name);
    }
    names.sort_unstable();
    let all = names.len();
    names.dedup();
    assert_eq!(names.len(), all, "no mode twice");
}

#[test]
fn an_ie_alone_rates_what_lost_nothing_and_no_stream() {
    let mut alone = Vec::new();
    for id in CodecId::all() {
        for (number, mode) in (0u8..).zip(id.codec().modes).filter(|(_, mode)| mode.ie_alone.is_some()) {
            let ie = mode.ie_alone.expect("filtered");
            for plc in [true, false] {
                assert_eq!(id.profile(Some(number), plc), None, "{}: a stream", mode.name);
                assert_eq!(mode.profile(plc), None, "{}", mode.name);
            }
            let profile = mode.profile_without_loss().expect("an Ie");
            let rating = rate(&profile, &Conditions::PERFECT);
            assert_eq!((rating.model, rating.parts.ie_eff), (mode.model, ie), "{}", mode.name);
            // R = Ro - Is - Id - Ie,eff + A, and without loss Ie,eff is Ie (G.107 7-1, 7-29; G.107.1 7-1, 7-15).
            let parts = &rating.parts;
            let clean = if mode.model == Model::Narrowband { 93.2 } else { 129.0 };
            assert!((parts.ro - parts.is - rating.id - clean).abs() < 0.2, "{}: {rating:?}", mode.name);
            assert!(
                (rating.r_factor - (parts.ro - parts.is - rating.id - ie)).abs() < 1e-9,
                "{}: {rating:?}",
                mode.name
            );
            alone.push((mode.name, ie));
        }
    }
    let expected = [
        ("gsm-hr", 23.0),
        ("g722-64", 13.0),
        ("g722-56", 20.0),
        ("g722-48", 31.0),
        ("g7221-24", 19.0),
        ("g7221-32", 13.0),
        ("g726-16", 50.0),
        ("g726-24", 25.0),
        ("g726-32", 7.0),
        ("g726-40", 2.0),
        ("g728", 7.0),
        ("amr-7.4", 10.0),
        ("amr-wb-6.6", 56.0),
        ("amr-wb-8.85", 41.0),
        ("amr-wb-14.25", 10.0),
        ("amr-wb-15.85", 17.0),
        ("amr-wb-18.25", 5.0),
        ("amr-wb-19.85", 3.0),
    ];
    assert_eq!(alone, expected);
    for (_, mode) in codec::modes().filter(|(_, mode)| mode.ie_alone.is_none()) {
        assert_eq!(mode.profile_without_loss(), None, "{}: it has a pair, or nothing", mode.name);
    }
}

#[test]
fn static_payload_types_are_those_of_rfc_3551() {
    let known: Vec<u8> = (0..=255).filter(|&pt| static_payload(pt).is_some()).collect();
    assert_eq!(known, [0, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 25, 26, 28, 31, 32, 33, 34]);
    for pt in known {
        let (name, clock) = static_payload(pt).expect("filtered");
        let (id, id_clock) = CodecId::from_static_payload(pt).expect("filtered");
        assert_eq!((id.name(), id_clock), (name, clock), "{pt} is in the codec table under its own name");
        assert!(id.codec().clock_rate_hz.is_none_or(|c| c == clock), "{name}");
    }
    assert_eq!(static_payload(9), Some(("g722", 8_000)));
    assert_eq!(static_payload(34), Some(("h263", 90_000)));
}

/// A float that may be anything, not-a-number and infinity included, with the sensible range well represented.
fn any_input(sensible: f64) -> impl Strategy<Value = f64> {
    prop_oneof![3 => 0.0..=sensible, 1 => proptest::num::f64::ANY]
}

fn modelled() -> impl Strategy<Value = Profile> {
    let all: Vec<_> =
        codec::modes().flat_map(|(_, mode)| [mode.profile(true), mode.profile(false)]).flatten().collect();
    assert!([Model::Narrowband, Model::Wideband, Model::Fullband].iter().all(|m| all.iter().any(|p| p.model == *m)));
    proptest::sample::select(all)
}

fn model() -> impl Strategy<Value = Model> {
    proptest::sample::select(vec![Model::Narrowband, Model::Wideband, Model::Fullband])
}

fn in_range(rating: &Rating) -> bool {
    let parts = &rating.parts;
    (0.0..=rating.model.r_max()).contains(&rating.r_factor)
        && [rating.mos, rating.mos_model_scale].iter().all(|mos| (1.0..=4.5).contains(mos))
        && [parts.ro, parts.is, parts.idte, parts.idle, parts.idd, parts.ie_eff, rating.id]
            .iter()
            .all(|p| p.is_finite())
        && [parts.idte, parts.idle, parts.idd].iter().all(|p| *p >= 0.0)
}

proptest! {
    #[test]
    fn any_input_gives_a_rating_in_range(
        model in model(), ie in any_input(132.0), bpl in any_input(40.0), loss_ratio in any_input(1.0),
        burst_ratio in any_input(8.0), delay_seconds in any_input(1.0), echo: bool,
    ) {
        let profile = Profile { name: "", model, impairment: Impairment { ie, bpl }, source: "" };
        let rating = rate(&profile, &Conditions { loss_ratio, burst_ratio, delay_seconds, echo });
        prop_assert!(in_range(&rating), "{:?}", rating);
    }

    #[test]
    fn more_of_anything_bad_never_raises_mos(
        profile in modelled(), loss_ratio in 0.0..=1.0, burst_ratio in 0.0..=20.0, echo: bool,
        delay_seconds in prop_oneof![0.0..=2.0, 0.0..=0.02],
        more_loss in 0.0..=1.0, more_burst in 0.0..=20.0, more_delay in prop_oneof![0.0..=2.0, 0.0..=0.02],
    ) {
        let base = Conditions { loss_ratio, burst_ratio, delay_seconds, echo };
        let before = rate(&profile, &base);
        for worse in [
            Conditions { loss_ratio: loss_ratio + more_loss, ..base },
            Conditions { burst_ratio: burst_ratio + more_burst, ..base },
            Conditions { delay_seconds: delay_seconds + more_delay, ..base },
        ] {
            let after = rate(&profile, &worse);
            prop_assert!(in_range(&after), "{:?}", after);
            prop_assert!(after.r_factor <= before.r_factor + 1e-9, "R: {:?} is better than {:?}", worse, base);
            prop_assert!(after.mos <= before.mos + 1e-9, "{:?} is better than {:?}", worse, base);
            prop_assert!(after.mos_model_scale <= before.mos_model_scale + 1e-9, "{:?} is better than {:?}", worse, base);
        }
    }

    #[test]
    fn parameters_within_table_2_give_a_rating(
        slr in 0.0..=18.0, rlr in -5.0..=14.0, stmr in 10.0..=20.0, telr in 5.0..=65.0, wepl in 5.0..=110.0,
        qdu in 1.0..=14.0, nc in -80.0..=-40.0, ps in 35.0..=85.0, pr in 35.0..=85.0, t in 0.0..=500.0,
    ) {
        let set = Parameters { slr, rlr, stmr, lstr: stmr + 3.0, telr, wepl, qdu, nc, ps, pr, t, tr: 2.0 * t, ta: t, ..Parameters::DEFAULT };
        let rating = set.rating();
        prop_assert!((0.0..=100.0).contains(&rating.r_factor) && rating.id.is_finite() && rating.parts.is.is_finite(), "{:?}", rating);
    }

    #[test]
    fn any_bytes_are_some_encoding(name in proptest::collection::vec(any::<u8>(), 0..40)) {
        let id = CodecId::from_encoding(&name);
        prop_assert!(id.index() < CodecId::COUNT && !id.name().is_empty());
    }

    #[test]
    fn any_payload_has_a_mode_of_its_codec_or_none(
        codec in proptest::sample::select(CodecId::all().collect::<Vec<_>>()), octet_aligned: bool,
        first in proptest::collection::vec(any::<u8>(), 0..=HEADER_BYTES), more in 0usize..2000,
    ) {
        let mode = carried(codec, octet_aligned, &first, first.len() + more);
        prop_assert!(mode.is_none_or(|m| usize::from(m) < codec.codec().modes.len()), "{}: {:?}", codec.name(), mode);
        prop_assert!(mode.is_none() || codec.codec().layout != Layout::Opaque, "{}", codec.name());
    }
}
