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
    at: Vec<u64>,
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
                        outcome.at.push(now_ms);
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
                        let latest = (answered_ms - now_ms).min(400);
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

#[test]
fn figures() {
    for latency_ms in [20..80, 50..300, 300..900, 500..2000] {
        for workers in [1, 2, 3, 5, 10] {
            let world = World {
                max: 190,
                begin_ms: (0..workers).map(|n| n * 7).collect(),
                latency_ms: latency_ms.clone(),
                warm_up_ms: 30_000,
                end_ms: 330_000,
            };
            for seed in 0..1 {
                let o = world.run(seed);
                println!(
                    "{latency_ms:?} n={workers} sat={} refused={}/{} {:?}",
                    o.saturation(190, 300_000),
                    o.refused,
                    o.calls,
                    o.answered
                );
                println!(
                    "   {:?}",
                    o.at.iter().fold(std::collections::BTreeMap::new(), |mut m, x| {
                        *m.entry(x / 1000).or_insert(0) += 1;
                        m
                    })
                );
            }
        }
    }
}
