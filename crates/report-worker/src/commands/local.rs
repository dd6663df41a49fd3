//! `closing-bell local`: endpoint, embedded queue and worker in one process.

use std::net::SocketAddr;
use std::process::ExitCode;

use anyhow::Context;
use jiff::Timestamp;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::watch::Watch;
use super::work::{self, Ending};
use crate::config::{Environment, LocalConfig, QueueConfig};
use crate::endpoint::{self, Endpoint};
use crate::queue::{Embedded, EmbeddedSettings, Queue};
use crate::status_page::{Progress, StatusPage};
use crate::store::Store;

/// Listens and works until Ctrl-C or SIGTERM.
pub(super) async fn run(environment: &Environment, clock: fn() -> Timestamp) -> anyhow::Result<ExitCode> {
    let ending = Ending::listen()?;
    let config = ending.or(LocalConfig::read(environment)).await?;
    // The port and the books first: whoever has them is at work on the same files, and nothing of his may be taken up.
    let listener = TcpListener::bind(config.listen)
        .await
        .with_context(|| format!("cannot listen on {}; is another program there? (LISTEN)", config.listen))?;
    let database = config.work.database.now();
    let store = ending.or(Store::open_to_work(&database)).await?.with_login(&config.work.database);
    let queue = Embedded::open(&config.queue_file, EmbeddedSettings::default()).await?;
    let interrupted = queue.take_up_interrupted(clock()).await?;
    if interrupted > 0 {
        tracing::warn!(
            interrupted,
            "deliveries were being taken in when the last process ended; they are taken up again"
        );
    }
    let queue = Queue::Embedded(queue);
    let interval = config.work.poll_interval;
    let heartbeat = QueueConfig::File(config.queue_file.clone()).heartbeat();
    let progress = Progress::starting(interval, clock());
    let page = StatusPage {
        books: config.work.database.clone(),
        queue_file: config.queue_file,
        progress: progress.clone(),
        zone: config.work.zone.clone(),
        password: config.status_page.password,
        clock,
    };
    let endpoint = Endpoint { keys: config.work.keys.clone(), urls: config.urls, queue: queue.clone(), clock };
    let app = work::app(store, queue, config.work, clock()).await?;
    tracing::info!(listen = %listener.local_addr()?, path = "/webhooks/hubspot", "listening for HubSpot's webhooks");
    let showing = show(page, config.status_page.listen).await;
    let stop = ending.clone();
    let serving = axum::serve(listener, endpoint::router(endpoint));
    let serving = tokio::spawn(serving.with_graceful_shutdown(async move { stop.asked().await }).into_future());
    let watch = Watch::local(heartbeat, interval, clock()).telling(progress);
    work::keep_working(&app, interval, clock, watch, &ending).await;
    // Whoever is being answered gets the answer; a caller that never finishes is not waited for.
    serving.abort();
    showing.inspect(JoinHandle::abort);
    tracing::info!("ended as asked; nothing was left half done");
    Ok(ExitCode::SUCCESS)
}

/// Opens the status page. Where that cannot be, the work goes on without it.
async fn show(page: StatusPage, listen: SocketAddr) -> Option<JoinHandle<()>> {
    let bound = TcpListener::bind(listen).await.and_then(|listener| Ok((listener.local_addr()?, listener)));
    match bound {
        Ok((address, listener)) => {
            tracing::info!(url = %format_args!("http://{address}/"), "the status page is open");
            Some(tokio::spawn(page.serve(listener)))
        }
        Err(error) => {
            tracing::warn!(%listen, %error, "there is no status page; is another program there? (STATUS_LISTEN)");
            None
        }
    }
}
