//! Long searches, by hand: `cargo xtask soak --rounds N --seed S`.
#![expect(clippy::unwrap_used, reason = "a test says what is wrong by failing")]

#[path = "../chain/crash.rs"]
mod crash;
#[path = "../chain/harness.rs"]
mod harness;

use crash::{Round, play};

const RECORDS: usize = 250;
const KILLS: usize = 12;

#[tokio::test(flavor = "multi_thread")]
async fn kill_at_random_moments() {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("xtask gives numbers"));
    let rounds = number("CLOSING_BELL_SOAK_ROUNDS").unwrap_or(10);
    let first = number("CLOSING_BELL_SOAK_SEED").unwrap_or(1);
    for seed in first..first + rounds {
        let figures = play(Round { seed, records: RECORDS, kills: KILLS }).await;
        println!("seed {seed}, {RECORDS} records, {KILLS} kills: {figures}");
    }
}
