//! The limiter against a model of HubSpot's windows, in a time of its own: nothing here waits.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::ops::Range;

use proptest::prelude::*;

use super::*;

/// How many calls one worker has to make at once in these tests, as many as the reading of records makes.
const CALLERS: usize = 12;

const WINDOW_MS: u64 = 10_000;

/// HubSpot's side: calls in a rolling window, counted at the moment that lies between sending and answer.
#[derive(Debug)]
struct HubSpot {
    max: usize,
    counted: VecDeque<u64>,
}

impl HubSpot {
    /// Counts a call; gives what is left, or `None` for a 429.
    fn count(&mut self, at_ms: u64) -> Option<u64> {
        while self.counted.front().is_some_and(|&first| first + WINDOW_MS <= at_ms) {
            self.counted.pop_front();
        }
        if self.counted.len() >= self.max {
            return None;
        }
        self.counted.push_back(at_ms);
        Some((self.max - self.counted.len()) as u64)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    /// A worker looks whether it may call.
    Look { worker: usize },
    /// A call reaches HubSpot, and is answered later.
    Count { worker: usize, number: u64, answered_ms: u64 },
    /// An answer reaches the worker: what is left, or nothing for a 429.
    Answer { worker: usize, number: u64, remaining: Option<u64> },
}

/// What came of a simulation.
#[derive(Debug, Clone, Default)]
struct Outcome {
    /// Calls answered per worker after the warm-up.
    answered: Vec<u64>,
    /// Calls refused, the warm-up included.
    refused: u64,
    /// All calls.
    calls: u64,
}

impl Outcome {
    /// The calls answered of a thousand that were allowed.
    fn saturation(&self, max: usize, span_ms: u64) -> u64 {
        self.answered.iter().sum::<u64>() * 1_000 * WINDOW_MS / (max as u64 * span_ms)
    }
}

/// What is simulated.
struct World {
    max: usize,
    /// When each worker begins.
    begin_ms: Vec<u64>,
    /// How long an answer takes.
    latency_ms: Range<u64>,
    warm_up_ms: u64,
    end_ms: u64,
}

impl World {
    fn run(&self, seed: u64) -> Outcome {
        let mut rng = fastrand::Rng::with_seed(seed);
        let zero = Instant::now();
        let at = |ms| zero + Duration::from_millis(ms);
        let mut hubspot = HubSpot { max: self.max, counted: VecDeque::new() };
        let mut limiters: Vec<Limiter> =
            self.begin_ms.iter().map(|_| Limiter::new(Duration::from_secs(1), rng.fork())).collect();
        let mut outcome = Outcome { answered: vec![0; limiters.len()], ..Outcome::default() };
        let mut events: BinaryHeap<Reverse<(u64, Event)>> = BinaryHeap::new();
        let begins = self.begin_ms.iter().enumerate();
        events.extend(begins.map(|(worker, &ms)| Reverse((ms, Event::Look { worker }))));
        let mut look_at_ms = self.begin_ms.clone();
        while let Some(Reverse((now_ms, event))) = events.pop() {
            if now_ms >= self.end_ms {
                break;
            }
            let worker = match event {
                Event::Look { worker } if look_at_ms[worker] == now_ms => worker,
                // It has looked meanwhile.
                Event::Look { .. } => continue,
                Event::Count { worker, number, answered_ms } => {
                    let remaining = hubspot.count(now_ms);
                    events.push(Reverse((answered_ms, Event::Answer { worker, number, remaining })));
                    continue;
                }
                Event::Answer { worker, number, remaining } => {
                    let limiter = &mut limiters[worker];
                    let ticket = Ticket { budget: Budget::Ordinary, number };
                    let told = remaining.map(|remaining| Told {
                        max: self.max as u64,
                        remaining,
                        interval: Duration::from_millis(WINDOW_MS),
                    });
                    limiter.answered(ticket, Some(told), at(now_ms));
                    limiter.end();
                    if told.is_none() {
                        outcome.refused += 1;
                        limiter.refused(Budget::Ordinary, None, Duration::from_secs(2), at(now_ms));
                    } else {
                        limiter.ordinary.went_well(at(now_ms));
                        outcome.answered[worker] += u64::from(now_ms >= self.warm_up_ms);
                    }
                    worker
                }
            };
            let limiter = &mut limiters[worker];
            while limiter.under_way < CALLERS {
                match limiter.enter(Budget::Ordinary, at(now_ms)) {
                    Entry::Go(Ticket { number, .. }) => {
                        outcome.calls += 1;
                        let answered_ms = now_ms + rng.u64(self.latency_ms.clone());
                        let latest = (answered_ms - now_ms).min(300);
                        let counted_ms = now_ms + rng.u64(0..=latest);
                        events.push(Reverse((counted_ms, Event::Count { worker, number, answered_ms })));
                    }
                    Entry::At(next) => {
                        let next_ms = u64::try_from((next - zero).as_millis()).unwrap() + 1;
                        look_at_ms[worker] = next_ms;
                        events.push(Reverse((next_ms, Event::Look { worker })));
                        break;
                    }
                    Entry::AfterAnother => break,
                    Entry::Closed(_) => unreachable!("nobody closes"),
                }
            }
        }
        outcome
    }
}

/// Workers that begin within milliseconds of one another, and are watched for five minutes after their first half.
fn together(workers: u64, latency_ms: Range<u64>) -> World {
    let begin_ms = (0..workers).map(|worker| worker * 7).collect();
    World { max: 190, begin_ms, latency_ms, warm_up_ms: 30_000, end_ms: 330_000 }
}

const WATCHED_MS: u64 = 300_000;

#[test]
fn one_worker_uses_what_is_allowed_and_meets_no_429() {
    for latency_ms in [20..80, 50..300, 300..900] {
        let outcome = together(1, latency_ms.clone()).run(1);
        let saturation = outcome.saturation(190, WATCHED_MS);
        println!("1 worker, answers in {latency_ms:?} ms: {saturation} per mille");
        assert!(saturation >= 950, "{saturation} per mille at {latency_ms:?} ms");
        assert_eq!(outcome.refused, 0);
    }
}

#[test]
fn several_workers_share_what_is_allowed() {
    for (latency_ms, most) in [(20..80, 10), (50..300, 10), (300..900, 5)] {
        for workers in [2, 3, 5, 10].into_iter().filter(|&workers| workers <= most) {
            let outcome = together(workers, latency_ms.clone()).run(workers);
            let saturation = outcome.saturation(190, WATCHED_MS);
            let Outcome { refused, calls, answered } = &outcome;
            println!("{workers} workers, {latency_ms:?} ms: {saturation} per mille, {refused}/{calls} {answered:?}");
            assert!(saturation >= 800, "{workers} workers: {saturation} per mille at {latency_ms:?} ms");
            assert!(refused * 1_000 < *calls, "{workers} workers: {refused} of {calls} refused at {latency_ms:?} ms");
            let (least, most) = (answered.iter().min().unwrap(), answered.iter().max().unwrap());
            assert!(least * 2 > *most, "{workers} workers share unfairly: {answered:?}");
        }
    }
}

#[test]
fn a_worker_that_comes_later_gets_its_share() {
    let world = World { begin_ms: vec![0, 60_000], warm_up_ms: 120_000, end_ms: 420_000, ..together(2, 50..300) };
    let outcome = world.run(3);
    assert!(outcome.saturation(190, WATCHED_MS) >= 800 && outcome.refused * 1_000 < outcome.calls, "{outcome:?}");
    assert!(outcome.answered[1] * 3 > outcome.answered[0] * 2, "{outcome:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_worker_that_is_alone_is_never_refused(
        max in 1_usize..300,
        fastest_ms in 0_u64..1_500,
        spread_ms in 1_u64..2_000,
        seed: u64,
    ) {
        let latency_ms = fastest_ms..fastest_ms + spread_ms;
        let outcome = World { max, latency_ms, end_ms: 60_000, ..together(1, 0..1) }.run(seed);
        prop_assert_eq!(outcome.refused, 0);
        prop_assert!(outcome.calls >= 5, "it calls at all: {}", outcome.calls);
    }
}

/// A limiter in a time that is told in milliseconds.
struct Bench {
    limiter: Limiter,
    zero: Instant,
}

impl Bench {
    fn new() -> Self {
        let limiter = Limiter::new(Duration::from_secs(1), fastrand::Rng::with_seed(7));
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
