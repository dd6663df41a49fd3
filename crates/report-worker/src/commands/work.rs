//! What `local`, `worker` and `demo` share: putting the parts together, and cycle after cycle.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use jiff::Timestamp;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::watch::Watch;
use crate::config::{CrmConfig, WorkConfig};
use crate::crm::{Crm, CrmSettings};
use crate::cycle::{self, App, Settings, Summary};
use crate::mailer::Mailer;
use crate::queue::Queue;
use crate::store::Store;

/// The shortest pause between two cycles when something is due at once.
const SHORTEST_PAUSE: Duration = Duration::from_millis(200);

/// Puts the parts together.
pub(super) async fn app(store: Store, queue: Queue, config: WorkConfig, now: Timestamp) -> anyhow::Result<App> {
    tracing::info!(version = crate::VERSION, "starting");
    let CrmConfig { api_url, api_version, access_token } = config.crm;
    let crm = Crm::new(CrmSettings {
        extra_properties: config.reports.properties(),
        ..CrmSettings::new(api_url, api_version, access_token)
    })?;
    let interrupted = store.take_up_interrupted_mails(now).await?;
    if interrupted > 0 {
        tracing::warn!(interrupted, "mails were being sent when the last process ended; they are sent again");
    }
    if let Mailer::Directory(outbox) = &*config.mail.mailer.now() {
        tracing::info!(folder = %outbox.folder().display(), "mails are written to a folder and not sent");
    }
    let settings = Settings {
        keys: config.keys,
        mail_from: config.mail.from,
        definitions: Arc::new(config.reports),
        mail_to: config.mail.to,
        owner: config.mail.owner,
        zone: config.zone,
        quiet: config.quiet,
        reading_turn: cycle::READING_TURN,
        taking_in_turn: cycle::TAKING_IN_TURN,
        deliveries_kept_for: config.deliveries_kept_for,
    };
    Ok(App::new(queue, store, crm, config.mail.mailer, settings))
}

/// Runs cycles until a signal ends it, and the running one with it, within seconds. Missed ticks never pile up, since each
/// pause begins when a cycle ends.
pub(super) async fn keep_working(
    app: &App,
    interval: Duration,
    clock: fn() -> Timestamp,
    mut watch: Watch,
    ending: &Ending,
) {
    loop {
        let (summary, ended) = to_its_end(app, cycle::run_when_due(app, clock()), ending).await;
        watch.cycle_finished(app, &summary, clock()).await;
        if ended {
            break;
        }
        tokio::select! {
            () = tokio::time::sleep(pause(&summary, interval, clock())) => {}
            () = ending.asked() => break,
        }
    }
    app.stop();
    cycle::finish(app, &mut Summary::default()).await;
    watch.end();
}

/// Runs a cycle; one that is asked to end does so within seconds. Tells what it did, and whether it was asked.
pub(super) async fn to_its_end(app: &App, cycle: impl Future<Output = Summary>, ending: &Ending) -> (Summary, bool) {
    tokio::pin!(cycle);
    tokio::select! {
        summary = &mut cycle => (summary, false),
        () = ending.asked() => {
            app.stop();
            (cycle.await, true)
        }
    }
}

/// Until the next tick, or until something is due before it.
pub(super) fn pause(summary: &Summary, interval: Duration, now: Timestamp) -> Duration {
    // After trouble the next try waits for the tick: whatever is away should not be asked without end.
    let Some(next) = summary.next_at.filter(|_| summary.problems.is_empty()) else { return interval };
    Duration::try_from(next.duration_since(now)).unwrap_or_default().clamp(SHORTEST_PAUSE.min(interval), interval)
}

/// Whether the process was asked to end. It is listened for from the start: the first process of a container, which this one is
/// there, does not end by a signal that it does not listen for, and one that comes between two who listen is heard by neither.
#[derive(Clone)]
pub(super) struct Ending(watch::Receiver<bool>);

impl Ending {
    /// Begins to listen.
    pub(super) fn listen() -> anyhow::Result<Self> {
        let stopped = stopped()?;
        let (asked, ending) = watch::channel(false);
        tokio::spawn(async move {
            stopped.await;
            asked.send_replace(true);
        });
        Ok(Self(ending))
    }

    /// Resolves when the process is asked to end, or was.
    pub(super) async fn asked(&self) {
        // The sender goes only after it has said so, or with everything else.
        let _ = self.0.clone().wait_for(|asked| *asked).await;
    }

    /// Waits for what has to be there before anything can begin: a database that sleeps may take a minute.
    pub(super) async fn or<T, E>(&self, starting: impl Future<Output = Result<T, E>>) -> anyhow::Result<T>
    where
        anyhow::Error: From<E>,
    {
        tokio::select! {
            outcome = starting => Ok(outcome?),
            () = self.asked() => bail!("ended as asked, before the books were open; nothing was begun"),
        }
    }
}

/// Resolves when the process is asked to end: Ctrl-C, or SIGTERM from systemd or a container's engine.
pub(super) fn stopped() -> anyhow::Result<impl Future<Output = ()>> {
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for Ctrl-C")?;
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_is_asked_to_end_hears_it_whenever_he_listens() {
        let ending = Ending::listen().unwrap();
        let other = ending.clone();
        let this = std::process::id().to_string();
        assert!(std::process::Command::new("kill").args(["-s", "TERM", &this]).status().unwrap().success());
        for ending in [&ending, &ending, &other] {
            tokio::time::timeout(Duration::from_secs(60), ending.asked()).await.expect("it was asked before");
        }
        let nothing_begins = ending.or(std::future::pending::<anyhow::Result<()>>()).await.unwrap_err();
        assert_eq!(nothing_begins.to_string(), "ended as asked, before the books were open; nothing was begun");
    }

    #[test]
    fn the_pause_ends_when_something_is_due_and_trouble_waits_for_the_tick() {
        let now = Timestamp::UNIX_EPOCH;
        let minute = Duration::from_secs(60);
        let due_in = |seconds: i64| Summary {
            next_at: Some(now + jiff::SignedDuration::from_secs(seconds)),
            ..Summary::default()
        };
        assert_eq!(pause(&Summary::default(), minute, now), minute);
        assert_eq!(pause(&due_in(2), minute, now), Duration::from_secs(2));
        assert_eq!(pause(&due_in(600), minute, now), minute);
        assert_eq!(pause(&due_in(-5), minute, now), SHORTEST_PAUSE);
        let troubled = Summary { problems: vec!["send: away".into()], ..due_in(-5) };
        assert_eq!(pause(&troubled, minute, now), minute);
    }
}
