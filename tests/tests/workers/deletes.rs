//! SQS answers a batch of deletes with 200 and says in it which entries failed.

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
