//! The E-model against reference vectors, against G.107's own figures, and its properties.

mod support;

use proptest::prelude::*;
use sidetone::quality::codec::{self, CodecId, MediaKind, static_payload};
use sidetone::quality::emodel::{Conditions, Impairment, Parameters, Satisfaction, mos_from_r, rate};

/// Tolerances of the vectors, which have four decimals.
const R_TOLERANCE: f64 = 0.05;
const MOS_TOLERANCE: f64 = 0.01;

/// The shared vectors, where this checkout has them.
fn vectors() -> Option<String> {
    let path = support::shared_dir()?.join("captures/emodel-vectors.csv");
    Some(std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display())))
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
        let impairment = codec::lookup(name).and_then(|c| c.impairment(plc)).expect("a codec with a model");
        assert_eq!((impairment.ie, impairment.bpl), (number(2), number(3)), "{line}");
        let rating = rate(
            impairment,
            &Conditions {
                loss_ratio: number(4) / 100.0,
                burst_ratio: number(5),
                delay_seconds: number(7) / 1000.0,
                echo: field[6] == "full",
            },
        );
        for (got, column, tolerance) in [
            (rating.ie_eff, 8, R_TOLERANCE),
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

#[test]
fn g711_under_loss_as_published() {
    // G.113 App. I values in equation 7-29: with concealment and without, 2, 5 and 10 % random loss.
    for (percent, concealed, bare) in [(2.0, 4.23, 3.26), (5.0, 3.92, 2.17), (10.0, 3.41, 1.48)] {
        for (plc, mos) in [(true, concealed), (false, bare)] {
            let impairment = codec::lookup("PCMU").and_then(|c| c.impairment(plc)).expect("G.711 has a model");
            let rating = rate(impairment, &Conditions { loss_ratio: percent / 100.0, ..Conditions::PERFECT });
            assert!((rating.mos - mos).abs() < MOS_TOLERANCE, "{percent} % plc {plc}: {rating:?}");
        }
    }
}

#[test]
fn unusual_sidetone_takes_the_other_branches_of_7_4() {
    let rating = |stmr: f64| Parameters { stmr, lstr: stmr + 3.0, t: 100.0, ..Parameters::DEFAULT }.rating();
    let (loud, usual, quiet) = (rating(8.0), rating(15.0), rating(22.0));
    assert!(loud.idte < usual.idte, "7-23: loud sidetone masks echo: {loud:?} {usual:?}");
    assert!(quiet.idte > usual.idte, "7-24: no sidetone, more annoyance: {quiet:?} {usual:?}");
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
        assert_eq!(codec.impairment.is_none(), codec.source.is_empty(), "{}: a value has a source", codec.name);
        assert!(codec.impairment.is_none() || codec.clock_rate_hz == Some(8_000), "{}: narrowband only", codec.name);
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
    for name in ["opus", "G722", "AMR-WB", "iLBC", "h264", "telephone-event", "unknown", "other"] {
        assert!(CodecId::from_encoding(name.as_bytes()).impairment(true).is_none(), "{name}");
    }
    for name in ["", "x-private", "unknown", "\u{fc}", "pcmu "] {
        assert_eq!(CodecId::from_encoding(name.as_bytes()), CodecId::OTHER, "{name}");
        assert!(codec::lookup(name).is_none(), "{name}");
    }
    assert_eq!(CodecId::from_encoding(b"telephone-event").media(), MediaKind::Event);
    assert_eq!(CodecId::from_encoding(b"CN").media(), MediaKind::ComfortNoise);
    assert_eq!(CodecId::from_encoding(b"VP8").media(), MediaKind::Video);
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

fn modelled() -> impl Strategy<Value = &'static Impairment> {
    let all: Vec<_> = CodecId::all().flat_map(|id| [id.impairment(true), id.impairment(false)]).flatten().collect();
    proptest::sample::select(all)
}

proptest! {
    #[test]
    fn any_input_gives_a_rating_in_range(
        ie in any_input(95.0), bpl in any_input(40.0), loss_ratio in any_input(1.0), burst_ratio in any_input(8.0),
        delay_seconds in any_input(1.0), echo: bool,
    ) {
        let rating = rate(&Impairment { ie, bpl }, &Conditions { loss_ratio, burst_ratio, delay_seconds, echo });
        prop_assert!((0.0..=100.0).contains(&rating.r_factor), "{:?}", rating);
        prop_assert!((1.0..=4.5).contains(&rating.mos), "{:?}", rating);
        let parts = [rating.ro, rating.is, rating.id, rating.idte, rating.idle, rating.idd, rating.ie_eff];
        prop_assert!(parts.iter().all(|p| p.is_finite()), "{:?}", rating);
    }

    #[test]
    fn more_of_anything_bad_never_raises_mos(
        codec in modelled(), loss_ratio in 0.0..=1.0, burst_ratio in 0.0..=20.0, delay_seconds in 0.0..=2.0, echo: bool,
        more_loss in 0.0..=1.0, more_burst in 0.0..=20.0, more_delay in 0.0..=2.0,
    ) {
        let base = Conditions { loss_ratio, burst_ratio, delay_seconds, echo };
        let mos = rate(codec, &base).mos;
        for worse in [
            Conditions { loss_ratio: loss_ratio + more_loss, ..base },
            Conditions { burst_ratio: burst_ratio + more_burst, ..base },
            Conditions { delay_seconds: delay_seconds + more_delay, ..base },
        ] {
            prop_assert!(rate(codec, &worse).mos <= mos + 1e-9, "{:?} is better than {:?}", worse, base);
        }
    }

    #[test]
    fn parameters_within_table_2_give_a_rating(
        slr in 0.0..=18.0, rlr in -5.0..=14.0, stmr in 10.0..=20.0, telr in 5.0..=65.0, wepl in 5.0..=110.0,
        qdu in 1.0..=14.0, nc in -80.0..=-40.0, ps in 35.0..=85.0, pr in 35.0..=85.0, t in 0.0..=500.0,
    ) {
        let set = Parameters { slr, rlr, stmr, lstr: stmr + 3.0, telr, wepl, qdu, nc, ps, pr, t, tr: 2.0 * t, ta: t, ..Parameters::DEFAULT };
        let rating = set.rating();
        prop_assert!((0.0..=100.0).contains(&rating.r_factor) && rating.id.is_finite() && rating.is.is_finite(), "{:?}", rating);
    }

    #[test]
    fn any_bytes_are_some_encoding(name in proptest::collection::vec(any::<u8>(), 0..40)) {
        let id = CodecId::from_encoding(&name);
        prop_assert!(id.index() < CodecId::COUNT && !id.name().is_empty());
    }
}
