//! A mail server that stalls: the mail waits, and nothing else does.

use fastrand::Rng;

use crate::harness::until;
use crate::scene::Scene;

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_server_that_says_nothing_holds_nothing_but_its_mails() {
    stall("--silent").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_server_that_stalls_after_the_message_holds_nothing_but_its_mails() {
    stall("--slow").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_of_a_worker_that_was_killed_is_sent_again_as_the_same_mail() {
    let mut scene = Scene::open(&end_to_end::mysql_server(), &["--slow"]).await;
    scene.happen(8, 1).await;
    scene.put_on_the_queues(&mut Rng::with_seed(1)).await;
    let worker = scene.worker();
    until("a mail is with the server", async || (!scene.smtp.taken().is_empty()).then_some(())).await;
    worker.kill().await;
    let uncertain = "SELECT COUNT(*) FROM mail_recipients WHERE state = 'sending' AND attempts = 1";
    assert_eq!(scene.number(uncertain).await, 1, "nobody has said that it arrived");
    scene.end_claims_of_the_dead().await;
    let worker = scene.worker();
    until("it is with the server again", async || (scene.smtp.taken().len() == 2).then_some(())).await;
    scene.smtp.release().await;
    until("every mail is sent", async || scene.is_done().await.then_some(())).await;
    worker.end().await;
    let (_, again) = scene.check("a worker killed while it sent", 1).await;
    assert_eq!(again, 1);
}

/// One worker and a mail server that stalls. Two more backlogs come meanwhile, and the server comes to itself in the end.
async fn stall(how: &str) {
    let mut rng = Rng::with_seed(3);
    let mut scene = Scene::open(&end_to_end::mysql_server(), &[how]).await;
    let worker = scene.worker();
    for seed in 0..3 {
        scene.happen(8, seed).await;
        scene.put_on_the_queues(&mut rng).await;
        let deliveries = i64::try_from(scene.admitted().deliveries.len()).unwrap();
        until("it is taken in, read and told", async || {
            let waits = scene
                .number("SELECT (SELECT COUNT(*) FROM due WHERE next_at IS NOT NULL) + (SELECT COUNT(*) FROM pending)");
            let taken_in = scene.number("SELECT COUNT(*) FROM deliveries").await;
            (scene.queue_is_empty().await && taken_in == deliveries && waits.await == 0).then_some(())
        })
        .await;
    }
    assert_eq!(scene.number("SELECT COUNT(*) FROM mail_recipients WHERE state = 'sent'").await, 0, "never success");
    assert_eq!(scene.number("SELECT COUNT(*) FROM mail_recipients WHERE state = 'sending'").await, 1);
    let claim = "SELECT MAX(next_at) FROM mail_recipients WHERE state = 'sending'";
    let first = scene.number(claim).await;
    until("the claim is renewed", async || (scene.number(claim).await > first).then_some(())).await;
    scene.smtp.release().await;
    until("every mail is sent", async || scene.is_done().await.then_some(())).await;
    worker.end().await;
    scene.check(how, 0).await;
}
