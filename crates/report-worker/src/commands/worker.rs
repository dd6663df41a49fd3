//! `closing-bell worker`: polls SQS and does the rest.

use std::process::ExitCode;

use jiff::Timestamp;

use super::print;
use super::watch::{self, Watch};
use super::work::{self, Ending};
use crate::config::{Environment, WorkerConfig};
use crate::cycle;
use crate::queue::{Queue, Sqs};
use crate::store::Store;

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// Run one cycle and end
    #[arg(long)]
    once: bool,
    /// With --once: print what the cycle did as JSON
    #[arg(long, requires = "once")]
    json: bool,
}

/// Works until Ctrl-C or SIGTERM, or for one cycle. A cycle with problems exits with 1.
pub(super) async fn run(args: Args, environment: &Environment, clock: fn() -> Timestamp) -> anyhow::Result<ExitCode> {
    let ending = Ending::listen()?;
    let config = ending.or(WorkerConfig::read(environment)).await?;
    let queue_url = config.queue_url.clone();
    let database = config.work.database.now();
    let store = ending.or(Store::open_to_work(&database)).await?.with_login(&config.work.database);
    let queue = Queue::Sqs(Sqs::connect(config.queue_url, config.dead_letter_queue_url).await);
    let interval = config.work.poll_interval;
    let app = work::app(store, queue, config.work, clock()).await?;
    if !args.once {
        let watch = Watch::worker(config.heartbeat, &queue_url, interval, clock());
        work::keep_working(&app, interval, clock, watch, &ending).await;
        tracing::info!("ended as asked; nothing was left half done");
        return Ok(ExitCode::SUCCESS);
    }
    let cycle = async {
        let mut summary = cycle::run_once(&app, clock()).await;
        cycle::finish(&app, &mut summary).await;
        summary
    };
    let (summary, _) = work::to_its_end(&app, cycle, &ending).await;
    watch::log(&summary);
    if args.json {
        print(&serde_json::to_string(&summary)?)?;
    }
    Ok(if summary.problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
