use super::*;
use crate::call::Plan;

const EUR: &str = "EUR";

fn rate(class: Class, prefixes: &[&str], per_minute: u64) -> Rate {
    Rate {
        class,
        currency: Currency::new(EUR).expect("a currency"),
        direction: None,
        prefixes: prefixes.iter().map(|prefix| prefix.as_bytes().into()).collect(),
        peer: None,
        per_minute,
        setup_fee: 0,
        unanswered_fee: 0,
        minimum: 1,
        increment: 1,
    }
}

fn site() -> Site {
    let network = |text: &str| vec![text.parse().expect("a network")];
    let peers = [("a".to_owned(), network("192.0.2.0/24")), ("b".to_owned(), network("198.51.100.0/24"))];
    Site::new(Vec::new(), &peers)
}

fn key(direction: Direction, origin: &str, destination: &str) -> CellKey {
    let peer = |name: &str| site().named(name).unwrap_or(PeerId::OTHER);
    CellKey { direction, origin: peer(origin), destination: peer(destination) }
}

fn called(user: &str) -> Called {
    Number::parse(user.as_bytes(), &Plan::new(Some("44"), "00", "0")).map_or(Called::Name, Called::Number)
}

/// The series of some calls, without those at 0.
fn series(rates: &[Rate], calls: &[(CellKey, &str, Talk)]) -> Vec<String> {
    let table = Rates::new(rates, &site());
    let mut numbers = Numbers::new(rates);
    for (key, callee, talk) in calls {
        table.count(*key, called(callee), *talk, &mut numbers);
    }
    let mut out = Collection::default();
    numbers.collect(&mut out);
    let all = out.into_sorted().flat_map(|(family, series)| {
        series.into_iter().filter_map(|(labels, value)| match value {
            Value::Counter(count) if count > 0 => Some(format!("{} {} {count}", family.name, labels.join(","))),
            Value::CounterFloat(sum) if sum > 0.0 => Some(format!("{} {} {sum}", family.name, labels.join(","))),
            _ => None,
        })
    });
    all.collect()
}

const SECOND: u64 = 1_000_000_000;

/// Minimum, increment; nanoseconds of the call; what a carrier's bill says.
#[test]
fn minimum_and_increment_round_up() {
    let table = [
        (60, 60, 0, 60),
        (60, 60, 1, 60),
        (60, 60, 60 * SECOND, 60),
        (60, 60, 60 * SECOND + 1, 120),
        (60, 60, 119 * SECOND, 120),
        (30, 6, 12 * SECOND, 30),
        (30, 6, 30 * SECOND, 30),
        (30, 6, 31 * SECOND, 36),
        (30, 6, 36 * SECOND, 36),
        (30, 6, 37 * SECOND, 42),
        (1, 1, 0, 1),
        (1, 1, SECOND / 10, 1),
        (1, 1, 89 * SECOND + SECOND / 2, 90),
        (0, 1, 0, 0),
        (0, 60, 1, 60),
        (6, 6, 7 * SECOND, 12),
    ];
    for (minimum, increment, nanos, expected) in table {
        let rate = Rate { minimum, increment, ..rate(Class::Mobile, &[], 0) };
        assert_eq!(rate.billed_seconds(nanos), expected, "{minimum}/{increment} of {nanos} ns");
    }
}

#[test]
fn the_longest_prefix_wins_then_the_peer_then_the_direction() {
    let mut rates = vec![
        rate(Class::International, &[], 1),
        rate(Class::OutboundPstn, &["44"], 2),
        rate(Class::Mobile, &["447", "4475"], 3),
        rate(Class::OutboundPstn, &["44"], 4),
        rate(Class::OutboundPstn, &["44"], 5),
        rate(Class::InboundPstn, &["44"], 6),
    ];
    rates[3].direction = Some(Direction::Outbound);
    rates[4].peer = Some("a".to_owned());
    rates[5].direction = Some(Direction::Inbound);
    let table = Rates::new(&rates, &site());
    let found = |key, user: &str| match called(user) {
        Called::Number(number) => table.find(&number, key).map(|rate| rate.per_minute),
        Called::Name => None,
    };
    let out_b = key(Direction::Outbound, "", "b");
    assert_eq!(found(out_b, "+4930123456"), Some(1));
    assert_eq!(found(out_b, "02079460123"), Some(4));
    assert_eq!(found(out_b, "07511223344"), Some(3));
    assert_eq!(found(out_b, "100"), Some(1), "a short number has no prefix");
    assert_eq!(found(key(Direction::Outbound, "", "a"), "02079460123"), Some(5));
    assert_eq!(found(key(Direction::Outbound, "", "a"), "07911223344"), Some(3), "a longer prefix than the peer's");
    assert_eq!(found(key(Direction::Outbound, "a", ""), "02079460123"), Some(4), "the peer is on the near side");
    assert_eq!(found(key(Direction::Inbound, "a", ""), "02079460123"), Some(5));
    assert_eq!(found(key(Direction::Inbound, "b", ""), "02079460123"), Some(6));
    assert_eq!(found(key(Direction::Internal, "", ""), "02079460123"), Some(2));
    assert_eq!(found(key(Direction::Transit, "b", "a"), "02079460123"), Some(5));
}

/// Three calls, counted by hand: 90 s at 0.02 is 0.03; 61 s at 0.10 in minutes is 0.20 and 0.05 for the connection; 10 s at 1.2 is 0.20.
#[test]
fn money_is_exact() {
    let mut mobile = rate(Class::Mobile, &["447"], 100_000);
    (mobile.setup_fee, mobile.minimum, mobile.increment, mobile.unanswered_fee) = (50_000, 60, 60, 1_500);
    let mut premium = rate(Class::Premium, &["44900"], 1_200_000);
    premium.currency = Currency::new("GBP").expect("a currency");
    let rates = [rate(Class::OutboundPstn, &["44"], 20_000), mobile, premium];
    let out = key(Direction::Outbound, "", "a");
    let calls = [
        (out, "02079460123", Talk::Nanos(90 * SECOND)),
        (out, "+447700900123", Talk::Nanos(61 * SECOND)),
        (out, "0044 900 123456", Talk::Nanos(10 * SECOND)),
        (out, "07700900123", Talk::None),
        (out, "02079460123", Talk::None),
    ];
    let expected = [
        "call_cost_total EUR,mobile 0.2515",
        "call_cost_total EUR,outbound_pstn 0.03",
        "call_cost_total GBP,premium 0.2",
        "call_rated_total mobile 1",
        "call_rated_total outbound_pstn 1",
        "call_rated_total premium 1",
        "call_billed_seconds_total mobile 120",
        "call_billed_seconds_total outbound_pstn 90",
        "call_billed_seconds_total premium 10",
    ];
    let mut found = series(&rates, &calls);
    found.sort();
    let mut expected = expected.map(str::to_owned);
    expected.sort();
    assert_eq!(found, expected);
}

#[test]
fn what_has_no_cost_says_why() {
    let rates = [rate(Class::OutboundPstn, &["44"], 20_000)];
    let (out, inside) = (key(Direction::Outbound, "", ""), key(Direction::Internal, "", ""));
    let calls = [
        (out, "+4930123456", Talk::Nanos(SECOND)),
        (out, "+4930123456", Talk::None),
        (out, "02079460123", Talk::Unknown),
        (inside, "100", Talk::Nanos(SECOND)),
        (inside, "alice", Talk::Nanos(SECOND)),
        (inside, "alice", Talk::Unknown),
        (inside, "alice", Talk::None),
    ];
    let expected = [
        "call_unrated_total internal,no_number 2",
        "call_unrated_total internal,not_international 1",
        "call_unrated_total outbound,end_unknown 1",
        "call_unrated_total outbound,no_rate 1",
    ];
    assert_eq!(series(&rates, &calls), expected);
}

#[test]
fn without_rates_nothing_is_counted_and_with_them_all_starts_at_zero() {
    let call = (key(Direction::Outbound, "", ""), "+4930123456", Talk::Nanos(SECOND));
    assert_eq!(series(&[], &[call]), [""; 0]);
    let mut out = Collection::default();
    Numbers::new(&[rate(Class::Mobile, &[], 1)]).collect(&mut out);
    let counts: Vec<usize> = out.into_sorted().map(|(_, series)| series.len()).collect();
    assert_eq!(counts, [1, 1, 1, 16]);
    let unknown = Rate { peer: Some("nobody".to_owned()), ..rate(Class::Mobile, &[], 1) };
    assert!(Rates::new(&[unknown], &site()).is_empty());
}

proptest::proptest! {
    /// The sum is the sum of its parts, and no price or time overflows or takes away.
    #[test]
    fn sums_are_sums(
        calls in proptest::collection::vec((proptest::prelude::any::<u64>(), 0..1_000_000_000_000_u64), 1..20),
        minimum in 0..3600_u32,
        increment in 1..3600_u32,
        fee in 0..1_000_000_000_000_u64,
    ) {
        let mut numbers = Numbers::default();
        let mut sum = 0_u64;
        let mut before = 0;
        for (nanos, per_minute) in calls {
            let rate = Rate { minimum, increment, setup_fee: fee, ..rate(Class::Mobile, &[], per_minute) };
            let seconds = rate.billed_seconds(nanos);
            proptest::prop_assert!(seconds >= u64::from(minimum) && u128::from(seconds) * u128::from(SECOND) >= u128::from(nanos));
            proptest::prop_assert!(seconds < nanos / SECOND + u64::from(minimum) + u64::from(increment) + 1);
            let price = rate.price(seconds);
            numbers.add(&rate, price);
            sum = sum.saturating_add(price);
            let total = numbers.cost.values().sum::<u64>();
            proptest::prop_assert!(total == sum && total >= before);
            before = total;
        }
    }

    /// A price a minute in millionths, for whole minutes, is that price: to the last digit.
    #[test]
    fn whole_minutes_cost_their_price(per_minute in 0..10_000_000_u64, minutes in 1..10_000_u64) {
        let rate = rate(Class::Mobile, &[], per_minute);
        let price = rate.price(rate.billed_seconds(minutes * 60 * SECOND));
        proptest::prop_assert_eq!(price, per_minute * minutes * 60);
        // Sixty calls of a second are one of a minute: nothing was rounded.
        proptest::prop_assert_eq!(rate.price(rate.billed_seconds(SECOND)) * 60, rate.price(rate.billed_seconds(60 * SECOND)));
    }
}
