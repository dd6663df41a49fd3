//! Every figure of every report, worked out once more by a program that knows nothing but what people wrote into the account:
//! Python, its decimals, and openpyxl.
#![expect(clippy::unwrap_used, reason = "a test says what is wrong by failing")]

mod judge;
mod life;
mod people;
#[path = "../cycle/world.rs"]
#[expect(dead_code, reason = "the tests of cycle ask for more")]
mod world;

use std::fs;

/// What keeps the books.
const ENGINE: report_worker::store::Engine = report_worker::store::Engine::Sqlite;

#[tokio::test]
async fn every_figure_of_every_report_is_recomputed() {
    let folder = tempfile::tempdir().unwrap();
    println!("{}", life::live(life::Life { seed: 1, changes: 1_500, days: 61 }, folder.path()).await);
    println!("{}", judge::judge(folder.path()).unwrap_or_else(|differences| panic!("{differences}")));
    // It does find what is wrong: one amount of all that was written is another one.
    let file = folder.path().join("truth.jsonl");
    let truth = fs::read_to_string(&file).unwrap();
    let at = truth.rfind("\"dealstage\":\"closedwon\"").unwrap();
    let amount = truth[..at].rfind("\"amount\":\"").unwrap() + 10;
    fs::write(&file, format!("{}1{}", &truth[..amount], &truth[amount..])).unwrap();
    assert!(judge::judge(folder.path()).is_err(), "one amount is another one, and nothing differs");
}
