//! Workers that are killed and ended at random moments while they drain a backlog together.

use std::time::{Duration, Instant};

use end_to_end::mysql_server;
use fastrand::Rng;

use crate::harness::until;
use crate::scene::{Scene, Worker};

/// A round: what happens in the account, how many workers there are and when they die, all by the seed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Round {
    pub(crate) seed: u64,
    pub(crate) workers: usize,
    pub(crate) records: usize,
    /// How many workers are killed, or asked to end, and replaced.
    pub(crate) ends: usize,
}

/// Messages of a killed worker come back after this, in seconds; in earnest it is two minutes.
const VISIBILITY_SECONDS: u64 = 2;

/// Plays a round, checks it, and says what happened.
pub(crate) async fn play(round: Round) -> String {
    let began = Instant::now();
    let mut rng = Rng::with_seed(round.seed);
    let server = mysql_server();
    let mut scene = Scene::open(&server, &["--pause", "0.1"]).await;
    scene.proxy.shorten_visibility(VISIBILITY_SECONDS);
    scene.proxy.drip();
    // Otherwise a few calls read all there is, and nobody is killed in the middle.
    scene.simulator.faults().arm("slow-api:20ms".parse().unwrap());
    scene.simulator.faults().arm("duplicate-deliveries:10".parse().unwrap());
    scene.happen(round.records, round.seed).await;
    scene.put_on_the_queues(&mut rng).await;

    let deliveries = i64::try_from(scene.admitted().deliveries.len()).unwrap();
    let records = i64::try_from(round.records).unwrap();
    let before = scene.progress().await;
    // From the first delivery to the mails.
    let mut moments: Vec<i64> = (0..round.ends).map(|_| before + rng.i64(..deliveries + records + 4)).collect();
    moments.sort_unstable();
    let mut workers: Vec<Worker> = (0..round.workers).map(|_| scene.worker()).collect();
    let (mut killed, mut asked) = (0, 0);
    for moment in moments {
        until("the next worker is to end", async || {
            // What the dead have claimed stays theirs for minutes, and there may be nothing else to do.
            (scene.progress().await >= moment || scene.all_is_claimed().await).then_some(())
        })
        .await;
        // A step is seen when it is done; the worker dies in the middle of the next one.
        tokio::time::sleep(Duration::from_millis(rng.u64(..100))).await;
        let chosen = workers.swap_remove(rng.usize(..workers.len()));
        if rng.u8(..3) > 0 {
            chosen.kill().await;
            killed += 1;
        } else {
            chosen.end().await;
            asked += 1;
        }
        workers.push(scene.worker());
    }
    until("the queue is empty", async || scene.queue_is_empty().await.then_some(())).await;
    for worker in workers {
        worker.end().await;
    }
    scene.end_claims_of_the_dead().await;
    let workers: Vec<Worker> = (0..round.workers).map(|_| scene.worker()).collect();
    until("everything is told", async || scene.is_done().await.then_some(())).await;
    for worker in workers {
        worker.end().await;
    }
    let (mails, again) = scene.check(&format!("{round:?}"), killed).await;
    format!(
        "{deliveries} deliveries; {killed} workers killed, {asked} asked to end; {mails} mails, {again} of them sent again to \
         somebody; {:.1} s",
        began.elapsed().as_secs_f32()
    )
}
