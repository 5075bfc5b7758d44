use super::*;

fn run(numbers: impl IntoIterator<Item = u16>) -> (Sequence, Vec<Arrival>, Settled, Vec<u64>) {
    let mut numbers = numbers.into_iter();
    let mut sequence = Sequence::new(numbers.next().unwrap());
    let (mut settled, mut bursts) = (Settled::default(), Vec::new());
    let arrivals =
        numbers.map(|n| sequence.arrive(n, true, false, &mut settled, &mut |run| bursts.push(run))).collect();
    sequence.close(&mut settled, &mut |run| bursts.push(run));
    (sequence, arrivals, settled, bursts)
}

fn count(arrivals: &[Arrival], kind: Arrival) -> usize {
    arrivals.iter().filter(|a| **a == kind).count()
}

#[test]
fn wrap_is_no_loss() {
    let (sequence, _, settled, _) = run((65500..=65535).chain(0..100));
    assert_eq!((sequence.expected(), sequence.lost()), (136, 0));
    assert_eq!(settled, Settled { expected: 136, lost: 0 });
}

#[test]
fn a_duplicate_hides_no_loss_and_a_late_packet_is_none() {
    let (sequence, arrivals, settled, bursts) = run([0, 1, 1, 3, 4, 2, 7, 8, 7]);
    assert_eq!((sequence.expected(), sequence.unique(), sequence.lost()), (9, 7, 2));
    assert_eq!(count(&arrivals, Arrival::Duplicate), 2);
    assert_eq!(count(&arrivals, Arrival::Reordered), 1);
    assert_eq!(settled, Settled { expected: 9, lost: 2 });
    assert_eq!(bursts, [2]);
}

#[test]
fn what_was_seen_is_known() {
    let (sequence, ..) = run((65500..=65535).chain(0..100).filter(|n| n % 7 != 3).chain([30_000]));
    for number in (65500..=65535).chain(0..100) {
        assert_eq!(sequence.has_seen(number), number % 7 != 3, "{number}");
    }
    assert!(sequence.has_seen(30_000), "a stray");
    for number in [65499, 100, 101, 29_999, 30_001] {
        assert!(!sequence.has_seen(number), "{number}");
    }
}

#[test]
fn swapped_at_the_start_lowers_the_base_even_over_a_block() {
    let (sequence, arrivals, ..) = run([64, 63, 65]);
    assert_eq!((sequence.expected(), sequence.lost()), (3, 0));
    assert_eq!(arrivals[0], Arrival::Reordered);
}

#[test]
fn the_largest_dropout_is_loss_and_one_more_is_a_restart() {
    assert_eq!(run((0..10).chain(3008..3020)).0.lost(), 2998);
    let (sequence, arrivals, ..) = run((0..10).chain(3009..3020));
    assert_eq!((sequence.expected(), sequence.lost()), (21, 0));
    assert_eq!(arrivals[9..11], [Arrival::Stray, Arrival::Restart]);
}

#[test]
fn a_sender_that_starts_over_loses_nothing() {
    let (sequence, _, settled, _) = run((40000..40050).chain(5..60));
    assert_eq!((sequence.expected(), sequence.unique()), (105, 105));
    assert_eq!(settled, Settled { expected: 105, lost: 0 });
}

#[test]
fn a_lone_stray_costs_nothing() {
    let (sequence, ..) = run([30000].into_iter().chain(100..130));
    assert_eq!((sequence.expected(), sequence.lost()), (31, 0));
    let (sequence, arrivals, ..) = run((0..50).chain([20000]).chain(50..99));
    assert_eq!((sequence.expected(), sequence.lost()), (99, 0));
    assert_eq!(count(&arrivals, Arrival::Stray), 1);
}

#[test]
fn a_packet_later_than_the_settling_is_taken_off_the_next_losses() {
    let numbers = (0..300).filter(|n| *n != 10).chain([10]).chain(300..500).chain(502..600);
    let (sequence, _, settled, _) = run(numbers);
    assert_eq!((sequence.lost(), settled.lost), (2, 2));
}

#[test]
fn runs_cross_blocks() {
    let (sequence, .., bursts) = run((0..60).chain(70..200).chain(203..400));
    assert_eq!(bursts, [10, 3]);
    assert_eq!(sequence.runs(), Runs { count: 2, longest: 10, lost: 13 });
}

proptest::proptest! {
    #[test]
    fn the_short_way_of_the_next_number_is_the_long_one(first: u16, steps: Vec<(u16, bool, bool)>) {
        let (mut short, mut long) = (Sequence::new(first), Sequence::new(first));
        let (mut settled, mut bursts) = ([Settled::default(); 2], [vec![], vec![]]);
        let mut number = first;
        for (step, forward, late) in steps {
            // Mostly the next, now and then a little behind or ahead, rarely far away.
            let steps = [1, 1, 1, 1, 1, 1, 2, 5, 65_535, 0, 65_500, step % 4000, step];
            number = number.wrapping_add(steps[usize::from(step) % steps.len()]);
            let one = short.arrive(number, forward, late, &mut settled[0], &mut |run| bursts[0].push(run));
            let other = long.jump(number, forward, late, &mut settled[1], &mut |run| bursts[1].push(run));
            proptest::prop_assert_eq!(one, other);
            proptest::prop_assert_eq!(format!("{short:?}"), format!("{long:?}"));
        }
        proptest::prop_assert_eq!(settled[0], settled[1]);
        proptest::prop_assert_eq!(&bursts[0], &bursts[1]);
    }
}
