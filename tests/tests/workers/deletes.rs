//! Deletes: only of what is in the books; and SQS answers a batch of them with 200 and says in it which entries failed.

use fastrand::Rng;

use crate::harness::until;
use crate::scene::Scene;

#[tokio::test(flavor = "multi_thread")]
async fn a_message_whose_delete_failed_comes_again_and_adds_nothing() {
    let mut scene = Scene::open(&end_to_end::mysql_server(), &[]).await;
    scene.proxy.shorten_visibility(1);
    scene.happen(10, 3).await;
    scene.put_on_the_queues(&mut Rng::with_seed(3)).await;
    scene.proxy.fail_deletes(7);
    let worker = scene.worker();
    until("the entries have failed", async || (scene.proxy.deletes_to_fail() == 0).then_some(())).await;
    until("everything is told", async || scene.is_done().await.then_some(())).await;
    let log = worker.log();
    let warnings = log.matches("could not be deleted; it will come again").count();
    assert_eq!(warnings, 7, "each failed entry is told, and no other:\n{log}");
    worker.end().await;
    assert!(scene.proxy.most_receives_of_a_message() >= 2, "they came again");
    scene.check("failed deletes", 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_deleted_is_in_the_books_already() {
    let mut scene = Scene::open(&end_to_end::mysql_server(), &[]).await;
    scene.proxy.shorten_visibility(1);
    scene.happen(10, 4).await;
    scene.put_on_the_queues(&mut Rng::with_seed(4)).await;
    scene.proxy.hold_deletes(true);
    let worker = scene.worker();
    until("a delete is on its way", async || (scene.proxy.deletes_held() > 0).then_some(())).await;
    worker.kill().await;
    assert!(scene.deliveries_in_the_books().await > 0, "had the delete arrived, they would be nowhere");
    scene.proxy.hold_deletes(false);
    scene.end_claims_of_the_dead().await;
    let worker = scene.worker();
    until("everything is told", async || scene.is_done().await.then_some(())).await;
    worker.end().await;
    scene.check("held deletes", 1).await;
}
