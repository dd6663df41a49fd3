//! Long searches, by hand: `cargo xtask soak --rounds N --seed S`.
#![expect(clippy::unwrap_used, reason = "a test says what is wrong by failing")]

#[path = "../chain/crash.rs"]
mod crash;
#[path = "../chain/harness.rs"]
mod harness;
#[path = "../audit/judge.rs"]
mod judge;
#[path = "../workers/kills.rs"]
mod kills;
#[path = "../audit/life.rs"]
mod life;
#[path = "../audit/people.rs"]
mod people;
#[path = "../workers/scene.rs"]
#[expect(dead_code, reason = "stalls and outages are played in the short tests only")]
mod scene;
#[path = "../workers/sqs_proxy.rs"]
#[expect(dead_code, reason = "failed deletes are played in the short tests only")]
mod sqs_proxy;
#[path = "../cycle/world.rs"]
#[expect(dead_code, reason = "the tests of cycle ask for more")]
mod world;

use std::ops::Range;

use crash::{Round, play};

const RECORDS: usize = 250;
const KILLS: usize = 12;

/// Writes of the life whose reports are recomputed, over two years. A sixth of them finds nothing to change: more than
/// 100,000 are left.
const CHANGES: usize = 120_000;

/// What keeps the books of that life.
const ENGINE: report_worker::store::Engine = report_worker::store::Engine::Sqlite;

/// What was asked for on the command line, or ten rounds.
fn seeds() -> Range<u64> {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("xtask gives numbers"));
    let first = number("CLOSING_BELL_SOAK_SEED").unwrap_or(1);
    first..first + number("CLOSING_BELL_SOAK_ROUNDS").unwrap_or(10)
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_workers_at_random_moments() {
    for seed in seeds() {
        for workers in [1, 2, 5, 10] {
            let round = kills::Round { seed, workers, records: RECORDS, ends: KILLS.max(workers * 2) };
            println!("{round:?}");
            println!("{}", kills::play(round).await);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_at_random_moments() {
    for seed in seeds() {
        let figures = play(Round { seed, records: RECORDS, kills: KILLS }).await;
        println!("seed {seed}, {RECORDS} records, {KILLS} kills: {figures}");
    }
}

#[tokio::test]
async fn recompute_every_figure_of_every_report() {
    for seed in seeds() {
        let mut folder = tempfile::tempdir().unwrap();
        // Whoever looks for the cause of a difference needs what happened, with all mails.
        folder.disable_cleanup(true);
        println!("{}", life::live(life::Life { seed, changes: CHANGES, days: 731 }, folder.path()).await);
        println!(
            "{}",
            judge::judge(folder.path()).unwrap_or_else(|differences| panic!("{differences}\nin {folder:?}"))
        );
        folder.disable_cleanup(false);
    }
}
