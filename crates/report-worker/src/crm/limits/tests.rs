//! The limiter's rules one by one, in a time that is told.

use super::*;

/// A limiter in a time that is told in milliseconds.
struct Bench {
    limiter: Limiter,
    zero: Instant,
}

impl Bench {
    fn new() -> Self {
        let limiter = Limiter::new(Windows::default(), fastrand::Rng::with_seed(7));
        Self { limiter, zero: Instant::now() }
    }

    fn at(&self, ms: u64) -> Instant {
        self.zero + Duration::from_millis(ms)
    }

    /// Makes calls that are answered at once and well, until none may be made.
    fn calls(&mut self, budget: Budget, ms: u64) -> u32 {
        let now = self.at(ms);
        let mut calls = 0;
        while let Entry::Go(ticket) = self.limiter.enter(budget, now) {
            self.limiter.answered(ticket, Some(None), now);
            self.limiter.end();
            calls += 1;
        }
        calls
    }
}

#[test]
fn searches_are_five_in_a_second() {
    let mut bench = Bench::new();
    let calls = [0, 999, 1_000, 1_500, 2_000].map(|ms| bench.calls(Budget::Search, ms));
    assert_eq!(calls, [5, 0, 5, 0, 5]);
    assert_eq!(bench.calls(Budget::Associations, 2_000), 150, "other limits are not touched");
}

#[test]
fn a_429_is_waited_out_longer_each_time_and_halves_what_no_header_tells() {
    let mut bench = Bench::new();
    let pause = Duration::from_millis(200);
    let refuse = |bench: &mut Bench, retry_after, ms| {
        let now = bench.at(ms);
        bench.limiter.refused(Budget::Search, retry_after, pause, now);
        let Entry::At(until) = bench.limiter.enter(Budget::Search, now) else { panic!("it may not go on at once") };
        u64::try_from((until - now).as_millis()).unwrap()
    };
    assert_eq!(bench.calls(Budget::Search, 0), 5);
    let first = refuse(&mut bench, None, 0);
    assert!((200..=300).contains(&first), "{first} ms");
    assert_eq!(refuse(&mut bench, None, 0), first, "calls that were under way together are refused together");
    let second = refuse(&mut bench, None, first + 1);
    assert!((400..=600).contains(&second), "{second} ms");
    let told = refuse(&mut bench, Some(Duration::from_secs(4)), first + second + 2);
    assert!((4_000..=6_000).contains(&told), "{told} ms");
    // Half of the five for a second, and one more in each that goes well.
    let begin = first + second + told + 3;
    let calls = [0, 1_000, 2_000, 3_000, 4_000].map(|ms| {
        let now = bench.at(begin + ms);
        let calls = bench.calls(Budget::Search, begin + ms);
        bench.limiter.searches.went_well(now);
        calls
    });
    assert_eq!(calls, [2, 3, 4, 5, 5]);
}

#[test]
fn who_is_told_to_stay_away_asks_nothing_until_then() {
    let mut bench = Bench::new();
    let now = bench.at(0);
    assert!(bench.limiter.close(Duration::from_secs(3_600), true, now));
    assert!(!bench.limiter.close(Duration::from_secs(60), false, now), "it is said once, and the longer wait holds");
    for budget in [Budget::Ordinary, Budget::Associations, Budget::Search] {
        let closed = bench.limiter.enter(budget, bench.at(3_599_999));
        assert!(matches!(closed, Entry::Closed(Closed { daily: true, .. })), "{closed:?}");
        assert!(bench.calls(budget, 3_600_000) > 0);
    }
}

#[test]
fn a_search_leaves_the_places_to_those_who_wait() {
    let mut bench = Bench::new();
    let now = bench.at(0);
    let mut search = |waiting| {
        bench.limiter.waiting = waiting;
        bench.limiter.enter(Budget::Search, now)
    };
    assert_eq!(search(PLACES), Entry::AfterAnother);
    assert!(matches!(search(PLACES - 1), Entry::Go(_)));
    assert_eq!(search(PLACES - 1), Entry::AfterAnother);
    assert!(matches!(bench.limiter.enter(Budget::Associations, now), Entry::Go(_)));
}

#[test]
fn without_headers_the_least_that_hubspot_allows_is_assumed() {
    let mut bench = Bench::new();
    let now = bench.at(0);
    let Entry::Go(first) = bench.limiter.enter(Budget::Ordinary, now) else { panic!("the first call finds out") };
    assert_eq!(bench.limiter.enter(Budget::Ordinary, now), Entry::AfterAnother);
    bench.limiter.answered(first, Some(None), now);
    bench.limiter.end();
    assert_eq!(bench.calls(Budget::Ordinary, 0), 99);
    assert_eq!(bench.calls(Budget::Ordinary, 10_000), 100);
}
