//! Several `closing-bell worker` processes on one MariaDB and one SQS queue, and everything around them that may die, stall
//! or talk nonsense while they drain it.
#![expect(clippy::unwrap_used, reason = "a test says what is wrong by failing")]

mod deletes;
#[path = "../chain/harness.rs"]
mod harness;
mod kills;
mod mariadb;
mod restart;
mod scene;
mod sqs_proxy;
mod stalls;
mod unkind;

#[tokio::test(flavor = "multi_thread")]
async fn a_backlog_survives_whatever_ends_its_workers() {
    for (workers, ends) in [(1, 4), (5, 8)] {
        let round = kills::Round { seed: 20_261_123, workers, records: 40, ends };
        println!("{round:?}");
        println!("{}", kills::play(round).await);
    }
}
