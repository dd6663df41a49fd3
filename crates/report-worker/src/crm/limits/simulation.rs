//! The limiter against a model of HubSpot's windows, in a time of its own: nothing here waits.
//!
//! What is asserted is how much of the limit workers use, and how seldom they are refused, whatever their number, the
//! latency, the limit, the moment at which HubSpot counts a call, and the account's other integrations.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::ops::RangeInclusive;

use proptest::prelude::*;

use super::super::bulk::READINGS;
use super::*;

const WINDOW_MS: u64 = 10_000;

/// How long answers take.
#[derive(Debug, Clone)]
struct Latency {
    ms: RangeInclusive<u64>,
    /// Whether one in a hundred takes one to four seconds more.
    heavy_tail: bool,
}

const LATENCIES: [Latency; 5] = [
    Latency { ms: 16..=24, heavy_tail: true },
    Latency { ms: 80..=120, heavy_tail: true },
    Latency { ms: 240..=360, heavy_tail: true },
    Latency { ms: 300..=900, heavy_tail: false },
    Latency { ms: 300..=900, heavy_tail: true },
];

impl Latency {
    fn draw(&self, rng: &mut fastrand::Rng) -> u64 {
        let tail = self.heavy_tail && rng.u8(0..100) == 0;
        rng.u64(self.ms.clone()) + if tail { rng.u64(1_000..4_000) } else { 0 }
    }
}

/// When HubSpot counts a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Counts {
    /// Between being sent and 300 ms later.
    OnArrival,
    /// Within the last 10 ms before its answer.
    OnCompletion,
}

/// HubSpot's side: calls in a rolling window.
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
    /// An integration that knows nothing of limits makes a call.
    Foreign,
}

/// What came of a simulation.
#[derive(Debug, Clone, Default)]
struct Outcome {
    /// Calls answered per worker after the warm-up.
    answered: Vec<u64>,
    /// Calls of other integrations after the warm-up.
    foreign: u64,
    /// Calls answered in each ten seconds from the beginning.
    by_window: Vec<u64>,
    /// Calls refused, the warm-up included.
    refused: u64,
    /// All calls.
    calls: u64,
}

/// What is simulated.
#[derive(Debug, Clone)]
struct World {
    max: usize,
    /// When each worker begins, and when it dies.
    lives_ms: Vec<(u64, u64)>,
    latency: Latency,
    counts: Counts,
    /// How much of the limit other integrations use, at random moments, per cent.
    foreign: u64,
    warm_up_ms: u64,
    end_ms: u64,
}

impl World {
    /// Workers that begin within milliseconds of one another, and are watched from half a minute on: one alone for five
    /// minutes, since it calls in waves, several for two.
    fn together(workers: u64, max: usize, latency: Latency) -> Self {
        let lives_ms = (0..workers).map(|worker| (worker * 7, u64::MAX)).collect();
        let counts = Counts::OnArrival;
        let end_ms = if workers == 1 { 330_000 } else { 150_000 };
        Self { max, lives_ms, latency, counts, foreign: 0, warm_up_ms: 30_000, end_ms }
    }

    /// The calls answered of a thousand that others leave.
    fn saturation(&self, outcome: &Outcome) -> u64 {
        let allowed = self.max as u64 * (self.end_ms - self.warm_up_ms) / WINDOW_MS;
        outcome.answered.iter().sum::<u64>() * 1_000 / (allowed - outcome.foreign)
    }

    fn run(&self, seed: u64) -> Outcome {
        let mut rng = fastrand::Rng::with_seed(seed);
        let zero = Instant::now();
        let at = |ms| zero + Duration::from_millis(ms);
        let mut hubspot = HubSpot { max: self.max, counted: VecDeque::new() };
        let mut limiters: Vec<Limiter> =
            self.lives_ms.iter().map(|_| Limiter::new(Windows::default(), rng.fork())).collect();
        let windows = usize::try_from(self.end_ms / WINDOW_MS).unwrap();
        let mut outcome =
            Outcome { answered: vec![0; limiters.len()], by_window: vec![0; windows], ..Outcome::default() };
        let mut events: BinaryHeap<Reverse<(u64, Event)>> = BinaryHeap::new();
        let mut look_at_ms: Vec<u64> = self.lives_ms.iter().map(|&(begin_ms, _)| begin_ms).collect();
        events.extend(look_at_ms.iter().enumerate().map(|(worker, &ms)| Reverse((ms, Event::Look { worker }))));
        if self.foreign > 0 {
            events.push(Reverse((0, Event::Foreign)));
        }
        while let Some(Reverse((now_ms, event))) = events.pop() {
            if now_ms >= self.end_ms {
                break;
            }
            let worker = match event {
                Event::Look { worker } if look_at_ms[worker] == now_ms => worker,
                // It has looked meanwhile.
                Event::Look { .. } => continue,
                Event::Foreign => {
                    let counted = hubspot.count(now_ms).is_some();
                    outcome.foreign += u64::from(counted && now_ms >= self.warm_up_ms);
                    let pause_ms = WINDOW_MS * 100 / (self.max as u64 * self.foreign);
                    events.push(Reverse((now_ms + exponential(&mut rng, pause_ms), Event::Foreign)));
                    continue;
                }
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
                        outcome.by_window[usize::try_from(now_ms / WINDOW_MS).unwrap()] += 1;
                    }
                    worker
                }
            };
            let limiter = &mut limiters[worker];
            while now_ms < self.lives_ms[worker].1 && limiter.under_way < READINGS {
                match limiter.enter(Budget::Ordinary, at(now_ms)) {
                    Entry::Go(Ticket { number, .. }) => {
                        outcome.calls += 1;
                        let answered_ms = now_ms + self.latency.draw(&mut rng);
                        let counted_ms = match self.counts {
                            Counts::OnArrival => now_ms + rng.u64(0..=(answered_ms - now_ms).min(300)),
                            Counts::OnCompletion => answered_ms - rng.u64(0..=(answered_ms - now_ms).min(10)),
                        };
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

/// The time until the next of events that know nothing of one another and are so many milliseconds apart on average: in
/// each millisecond one is as likely.
fn exponential(rng: &mut fastrand::Rng, mean_ms: u64) -> u64 {
    (0..).find(|_| rng.u64(0..=mean_ms) == 0).unwrap()
}

/// Prints one line of the table for one to ten workers, and checks each by `check`.
fn table_row(name: &str, world: impl Fn(u64) -> World, check: impl Fn(u64, &World, &Outcome)) {
    let mut row = format!("{name:<34}");
    for workers in [1, 2, 3, 5, 10] {
        let world = world(workers);
        let outcome = world.run(workers);
        let refused = outcome.refused * 100_000 / outcome.calls;
        row += &format!(" | {:3} {refused:4}", world.saturation(&outcome));
        check(workers, &world, &outcome);
    }
    println!("{row}");
}

/// The targets: 95 % of the limit with one worker, 80 % with several, less than one 429 in a thousand calls.
fn meets_the_targets(workers: u64, world: &World, outcome: &Outcome) {
    let saturation = world.saturation(outcome);
    let least = if workers == 1 { 950 } else { 800 };
    assert!(saturation >= least, "{workers} workers: {saturation} per mille in {world:?}");
    let Outcome { refused, calls, .. } = outcome;
    assert!(refused * 1_000 < *calls, "{workers} workers: {refused} of {calls} refused in {world:?}");
}

#[test]
fn the_limit_is_used_whatever_it_is_and_however_many_share_it() {
    println!("per mille of the limit and 429s in 100,000 calls, for 1, 2, 3, 5 and 10 workers");
    for (max, step) in [(100, 2), (190, 1), (250, 2)] {
        for latency in LATENCIES.into_iter().step_by(step) {
            let name = format!("{max} in 10 s, {:?} ms{}", latency.ms, if latency.heavy_tail { ", tail" } else { "" });
            table_row(
                &name,
                |workers| World::together(workers, max, latency.clone()),
                |workers, world, outcome| {
                    meets_the_targets(workers, world, outcome);
                    let (least, most) =
                        (outcome.answered.iter().min().unwrap(), outcome.answered.iter().max().unwrap());
                    assert!(least * 4 > *most, "shared unfairly: {outcome:?} in {world:?}");
                },
            );
        }
    }
}

#[test]
fn the_first_seconds_are_used() {
    println!("per mille of the limit in the first 10 s of one worker; in the first 30 s of 2, 3, 5 and 10");
    for latency in LATENCIES {
        let mut row = format!("{latency:?}:");
        for workers in [1, 2, 3, 5, 10] {
            let outcome = World { end_ms: 30_000, ..World::together(workers, 190, latency.clone()) }.run(workers);
            let windows = if workers == 1 { 1 } else { 3 };
            let used = outcome.by_window[..windows].iter().sum::<u64>() * 1_000 / (190 * windows as u64);
            row += &format!(" {used}");
            assert!(used >= 750, "{workers} workers: {used} per mille of the first {windows} windows, {latency:?}");
            assert_eq!(outcome.refused, 0, "{workers} workers, {latency:?}");
        }
        println!("{row}");
    }
}

#[test]
fn a_hubspot_that_counts_what_it_has_answered_refuses_no_more() {
    for latency in LATENCIES.into_iter().step_by(2) {
        table_row(
            &format!("counted on completion, {:?} ms", latency.ms),
            |workers| World { counts: Counts::OnCompletion, ..World::together(workers, 190, latency.clone()) },
            |workers, world, outcome| {
                let saturation = world.saturation(outcome);
                // A lone worker takes calls that were counted seconds late for calls of others.
                assert!(
                    saturation >= if workers == 1 { 700 } else { 800 },
                    "{workers} workers: {saturation} per mille in {world:?}"
                );
                assert!(outcome.refused * 1_000 < outcome.calls, "{workers} workers: {outcome:?} in {world:?}");
            },
        );
    }
}

#[test]
fn what_other_integrations_leave_is_used() {
    for foreign in [20, 50] {
        for latency in LATENCIES.into_iter().step_by(2) {
            table_row(
                &format!("others use {foreign} %, {:?} ms", latency.ms),
                |workers| World { foreign, ..World::together(workers, 190, latency.clone()) },
                |workers, world, outcome| {
                    let saturation = world.saturation(outcome);
                    assert!(saturation >= 650, "{workers} workers: {saturation} per mille in {world:?}");
                    // Half of the limit used by chance: nobody foresees it, and ten workers react to it all at once.
                    let most = match (foreign, workers) {
                        (50, 10) => 20,
                        (50, _) => 2,
                        _ => 1,
                    };
                    let (refused, calls) = (outcome.refused, outcome.calls);
                    assert!(refused * 1_000 < calls * most, "{workers} workers: {refused} of {calls} in {world:?}");
                },
            );
        }
    }
}

#[test]
fn workers_come_and_go() {
    for latency in LATENCIES {
        let lives_ms = vec![(0, u64::MAX), (60_000, u64::MAX), (60_500, 150_000)];
        let world = World { lives_ms, warm_up_ms: 180_000, end_ms: 420_000, ..World::together(3, 190, latency) };
        let outcome = world.run(3);
        println!("{:?}: {:?}", world.latency, outcome.by_window);
        meets_the_targets(3, &world, &outcome);
        assert!(outcome.by_window.iter().skip(1).all(|&calls| calls >= 100), "{outcome:?} in {world:?}");
        assert!(outcome.answered[1] * 2 > outcome.answered[0], "the second gets its share: {outcome:?} in {world:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn a_worker_that_is_alone_is_never_refused(
        max in prop_oneof![1_usize..6, 6_usize..300],
        fastest_ms in 0_u64..1_500,
        spread_ms in 1_u64..2_000,
        seed: u64,
    ) {
        let latency = Latency { ms: fastest_ms..=fastest_ms + spread_ms, heavy_tail: false };
        let outcome = World { end_ms: 60_000, ..World::together(1, max, latency) }.run(seed);
        prop_assert_eq!(outcome.refused, 0);
        prop_assert!(outcome.calls >= 5, "it calls at all: {}", outcome.calls);
    }
}
