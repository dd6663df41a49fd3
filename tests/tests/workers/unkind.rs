//! HubSpot is unkind in every way in turn while two workers drain a backlog.

use fastrand::Rng;

use crate::harness::until;
use crate::scene::Scene;

/// Each meets a backlog of its own. 500, 502, 503 and 504 come in turn; garbage is a page of HTML and half a text in turn;
/// only incomplete reads can come as 207, or as 200 with errors in it. Who waits for the answer that never comes does so while
/// the other goes on.
const UNKINDNESS: [&[&str]; 7] = [
    &["timeout:1"],
    &["rate-limit:1"],
    &["server-error:4"],
    &["partial-read:2", "partial-207:2"],
    &["partial-read:2", "errors-in-200:2"],
    &["garbage:2"],
    &["locked:2"],
];

#[tokio::test(flavor = "multi_thread")]
async fn whatever_hubspot_answers_the_books_are_right_in_the_end_and_nothing_is_asked_for_ever() {
    let mut rng = Rng::with_seed(4);
    let mut scene = Scene::open(&end_to_end::mysql_server(), &[]).await;
    let workers = [scene.worker(), scene.worker()];
    for (seed, unkindness) in UNKINDNESS.into_iter().enumerate() {
        unkindness.iter().for_each(|fault| scene.simulator.faults().arm(fault.parse().unwrap()));
        scene.happen(12, seed as u64).await;
        scene.put_on_the_queues(&mut rng).await;
        until(&format!("{unkindness:?}"), async || scene.simulator.faults().are_used_up().then_some(())).await;
    }
    until("everything is told", async || scene.is_done().await.then_some(())).await;
    until("HubSpot is left alone", async || {
        let (calls, receives) = (scene.simulator.counters().api_calls, scene.proxy.receives());
        until("some cycles are over", async || (scene.proxy.receives() >= receives + 6).then_some(())).await;
        (scene.simulator.counters().api_calls == calls).then_some(())
    })
    .await;
    for worker in workers {
        worker.end().await;
    }
    scene.check("an unkind HubSpot", 0).await;
}
