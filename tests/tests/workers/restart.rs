//! The database server goes away in the middle, once as it is asked to and once without a word.

use std::time::Duration;

use fastrand::Rng;

use crate::harness::until;
use crate::mariadb::MariaDb;
use crate::scene::Scene;

/// How long the database is away each time.
const OUTAGE: Duration = Duration::from_secs(3);

/// A message is received once, and once more for each time that the books went away under it.
const MOST_RECEIVES: u64 = 3;

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_goes_away_costs_nothing_and_nobody() {
    let mut rng = Rng::with_seed(6);
    let mut mariadb = MariaDb::start().await;
    let mut scene = Scene::open(&mariadb.url(), &[]).await;
    scene.simulator.faults().arm("slow-api:100ms".parse().unwrap());
    scene.proxy.drip();
    scene.happen(40, 6).await;
    scene.put_on_the_queues(&mut rng).await;
    let deliveries = i64::try_from(scene.admitted().deliveries.len()).unwrap();
    let before = scene.progress().await;
    let workers = [scene.worker(), scene.worker()];
    // In the middle of taking in, and in the middle of reading.
    for (name, moment) in [("KILL", deliveries / 3), ("TERM", deliveries + 10)] {
        until("the moment has come", async || (scene.progress().await - before >= moment).then_some(())).await;
        mariadb.stop(name).await;
        scene.happen(4, 100 + moment.unsigned_abs()).await;
        scene.put_on_the_queues(&mut rng).await;
        let receives = scene.proxy.receives();
        tokio::time::sleep(OUTAGE).await;
        // What was under way when it stopped: four receives at once each, and a look to be sure.
        let meanwhile = scene.proxy.receives() - receives;
        assert!(meanwhile <= 10, "{meanwhile} receives without a place for what they bring");
        mariadb.resume().await;
    }
    until("both go on by themselves", async || {
        // What was being read when the books went away stays claimed for three minutes.
        (scene.is_done().await || scene.all_is_claimed().await).then_some(())
    })
    .await;
    let most = scene.proxy.most_receives_of_a_message();
    assert!(most <= MOST_RECEIVES, "a message was received {most} times");
    for worker in workers {
        worker.end().await;
    }
    scene.end_claims_of_the_dead().await;
    let worker = scene.worker();
    until("everything is told", async || scene.is_done().await.then_some(())).await;
    worker.end().await;
    scene.check("a restarted database", 2).await;
}
