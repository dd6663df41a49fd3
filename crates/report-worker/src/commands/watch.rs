//! What one can see of a worker after each cycle: a line in the log, a line of metrics, a heartbeat, and a fact in the books.

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::work::pause;
use crate::cycle::{App, Summary};
use crate::heartbeat::Heartbeat;
use crate::metrics::{Line, Unit};
use crate::status_page::{Cycle, Progress};

/// While there is nothing to do, one line an hour says that somebody is at work; each idle cycle is a line of level debug.
const QUIET_LINE_EVERY: SignedDuration = SignedDuration::from_hours(1);

/// The steps that fail because of HubSpot, and not of the books.
const ASK_HUBSPOT: [&str; 4] = ["account", "opening balance", "enrich", "reconcile"];

/// The fact in the books about the last cycle that had something to do.
pub(super) const LAST_WORK: &str = "last_work";

/// The last cycle that had something to do, of whichever worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LastWork {
    /// When it ended, UTC.
    pub(super) at: Timestamp,
    /// How long it took, in milliseconds.
    pub(super) duration_ms: u64,
    /// What HubSpot said last, if this worker has asked it since it was started.
    pub(super) hubspot: Option<HubSpot>,
}

/// What HubSpot said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HubSpot {
    /// When, UTC.
    pub(super) at: Timestamp,
    /// What went wrong; `None` means that it answered.
    pub(super) problem: Option<String>,
}

/// Watches a worker from its start to its end.
pub(super) struct Watch {
    interval: Duration,
    file: PathBuf,
    heartbeat: Heartbeat,
    /// True once it has been said that the heartbeat cannot be written.
    file_failed: bool,
    /// The queue's name, by which the metrics of two installations are told apart; `None` where nobody reads them.
    metrics_of: Option<String>,
    /// What the status page is told, where there is one.
    progress: Option<Progress>,
    hubspot: Option<HubSpot>,
    idle_cycles: u64,
    last_line_at: Timestamp,
}

impl Watch {
    /// Of `local`, which writes no metrics.
    pub(super) fn local(heartbeat: PathBuf, interval: Duration, now: Timestamp) -> Self {
        let mut watch = Self {
            interval,
            file: heartbeat,
            heartbeat: Heartbeat::starting(interval, now),
            file_failed: false,
            metrics_of: None,
            progress: None,
            hubspot: None,
            idle_cycles: 0,
            last_line_at: now,
        };
        watch.write_heartbeat();
        watch
    }

    /// The same, which tells the status page as well.
    pub(super) fn telling(self, progress: Progress) -> Self {
        Self { progress: Some(progress), ..self }
    }

    /// Of `worker`. Its metrics go to stdout, which a container's log driver takes; a terminal is spared them.
    pub(super) fn worker(heartbeat: PathBuf, queue_url: &str, interval: Duration, now: Timestamp) -> Self {
        let watched = !io::stdout().is_terminal();
        let metrics_of = watched.then(|| queue_url.rsplit('/').next().unwrap_or_default().to_owned());
        Self { metrics_of, ..Self::local(heartbeat, interval, now) }
    }

    /// To be called once after each cycle, when it has ended.
    pub(super) async fn cycle_finished(&mut self, app: &App, summary: &Summary, now: Timestamp) {
        self.log(summary, now);
        let problems = u64::try_from(summary.problems.len()).unwrap_or(u64::MAX);
        self.heartbeat.finished(duration_ms(summary), problems, self.interval, now);
        self.write_heartbeat();
        if let Some(progress) = &self.progress {
            progress.cycle_finished(told(summary, self.interval, now), self.interval, now);
        }
        if let Some(queue) = &self.metrics_of {
            let waiting = waiting(app, summary, now).await;
            for line in metrics(queue, summary, waiting, now) {
                // Where stdout is closed nobody reads them, and the work goes on.
                let _ = writeln!(io::stdout(), "{line}");
            }
        }
        self.remember(app, summary, now).await;
    }

    /// Takes the heartbeat away: the worker has ended as asked.
    pub(super) fn end(self) {
        Heartbeat::remove(&self.file);
    }

    /// One line per cycle that did something, and one an hour that says that nothing was to do.
    fn log(&mut self, summary: &Summary, now: Timestamp) {
        if !summary.is_idle() {
            log(summary);
            (self.idle_cycles, self.last_line_at) = (0, now);
            return;
        }
        self.idle_cycles += 1;
        tracing::debug!(duration_ms = duration_ms(summary), "a cycle is done; nothing was to do");
        if now.duration_since(self.last_line_at) >= QUIET_LINE_EVERY {
            tracing::info!(cycles = self.idle_cycles, "nothing was to do in the last hour");
            (self.idle_cycles, self.last_line_at) = (0, now);
        }
    }

    fn write_heartbeat(&mut self) {
        match self.heartbeat.write(&self.file) {
            Ok(()) => self.file_failed = false,
            Err(_) if self.file_failed => {}
            Err(error) => {
                let error = format!("{:#}", anyhow::Error::from(error));
                tracing::warn!(error, "`health` will say no; set TMPDIR to a folder that may be written");
                self.file_failed = true;
            }
        }
    }

    /// Leaves a note for `status`, which may run on another machine. An idle cycle leaves none, so that the books may sleep.
    async fn remember(&mut self, app: &App, summary: &Summary, now: Timestamp) {
        let of_hubspot = |problem: &&String| ASK_HUBSPOT.iter().any(|step| problem.starts_with(&format!("{step}: ")));
        let trouble = summary.problems.iter().find(of_hubspot);
        if trouble.is_some() || summary.records_read > 0 {
            self.hubspot = Some(HubSpot { at: now, problem: trouble.cloned() });
        }
        // Where something else failed it may be the books, and the next cycle should not wait for them twice.
        if summary.is_idle() || !summary.problems.iter().all(|problem| of_hubspot(&problem)) {
            return;
        }
        let work = LastWork { at: now, duration_ms: duration_ms(summary), hubspot: self.hubspot.clone() };
        if let Err(error) = app.store.set_fact(LAST_WORK, &work).await {
            tracing::debug!(error = format!("{:#}", anyhow::Error::from(error)), "`status` will not know this cycle");
        }
    }
}

/// The line about a cycle that did something.
pub(super) fn log(summary: &Summary) {
    tracing::info!(
        deliveries = summary.deliveries,
        events = summary.events,
        repeated_events = summary.repeated_events,
        set_aside = summary.set_aside,
        dead_letters = summary.dead_letters,
        records_read = summary.records_read,
        changes = summary.changes,
        reports = summary.reports,
        mails_sent = summary.mails_sent,
        mails_given_up = summary.mails_given_up,
        deliveries_deleted = summary.deliveries_deleted,
        problems = summary.problems.len(),
        durations_ms = ?summary.durations_ms,
        "a cycle is done"
    );
}

/// What the status page is told of a cycle.
pub(super) fn told(summary: &Summary, interval: Duration, now: Timestamp) -> Cycle {
    let next_at =
        SignedDuration::try_from(pause(summary, interval, now)).ok().and_then(|pause| now.checked_add(pause).ok());
    Cycle {
        duration_ms: duration_ms(summary),
        records_read: summary.records_read,
        problems: summary.problems.clone(),
        next_at,
    }
}

fn duration_ms(summary: &Summary) -> u64 {
    summary.durations_ms.get("cycle").copied().unwrap_or_default()
}

/// How many messages wait, if that can be said. What a receive has just found empty is not counted: an idle cycle makes no
/// further call. Nor is a queue that has just failed.
async fn waiting(app: &App, summary: &Summary, now: Timestamp) -> Option<u64> {
    if summary.is_idle() {
        return Some(0);
    }
    if summary.problems_by_step().contains_key("take in") {
        return None;
    }
    app.queue.waiting(now).await.ok()
}

/// The metrics of a cycle: one line, and one more for each step that had problems.
///
/// `waiting` messages are what a worker can know of the backlog. How many workers share it only ECS knows, so the backlog per
/// task is divided where it is used: all workers write the same figure, hence its maximum over the running tasks.
fn metrics(queue: &str, summary: &Summary, waiting: Option<u64>, now: Timestamp) -> Vec<Line> {
    let line = Line::new("a cycle is done", now)
        .of("queue", queue)
        .metric("Heartbeat", Unit::Count, 1)
        .metric("CycleTime", Unit::Milliseconds, duration_ms(summary))
        .happened("Deliveries", summary.deliveries)
        .happened("Events", summary.events)
        .happened("RepeatedEvents", summary.repeated_events)
        .happened("SetAside", summary.set_aside)
        .happened("DeadLetters", summary.dead_letters)
        .happened("RecordsRead", summary.records_read)
        .happened("Changes", summary.changes)
        .happened("Reports", summary.reports)
        .happened("MailsSent", summary.mails_sent)
        .happened("MailsGivenUp", summary.mails_given_up)
        .happened("Problems", summary.problems.len() as u64)
        .with("durations_ms", serde_json::json!(summary.durations_ms));
    let line = match waiting {
        Some(waiting) => line.metric("QueueDepth", Unit::Count, waiting),
        None => line,
    };
    let by_step = summary.problems_by_step().into_iter().map(|(step, count)| {
        Line::new("a step failed", now).of("queue", queue).of("step", step).metric("Problems", Unit::Count, count)
    });
    std::iter::once(line).chain(by_step).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary(problems: &[&str]) -> Summary {
        Summary {
            problems: problems.iter().map(|problem| (*problem).to_owned()).collect(),
            durations_ms: [("take_in", 30), ("cycle", 41)].into(),
            ..Summary::default()
        }
    }

    fn lines(summary: &Summary, waiting: Option<u64>) -> String {
        let lines = metrics("bell", summary, waiting, "2026-11-23T08:00:00Z".parse().unwrap());
        lines.iter().map(|line| format!("{line}\n")).collect()
    }

    #[test]
    fn an_idle_cycle_is_a_heartbeat_and_its_duration() {
        insta::assert_snapshot!(lines(&summary(&[]), Some(0)), @r#"{"CycleTime":41,"Heartbeat":1,"QueueDepth":0,"_aws":{"CloudWatchMetrics":[{"Dimensions":[["queue"]],"Metrics":[{"Name":"Heartbeat","Unit":"Count"},{"Name":"CycleTime","Unit":"Milliseconds"},{"Name":"QueueDepth","Unit":"Count"}],"Namespace":"ClosingBell"}],"Timestamp":1795420800000},"durations_ms":{"cycle":41,"take_in":30},"message":"a cycle is done","queue":"bell"}"#);
    }

    #[test]
    fn what_happened_is_a_metric_each_and_problems_also_by_step() {
        let summary = Summary {
            deliveries: 2,
            events: 9,
            mails_sent: 1,
            ..summary(&["send: away", "enrich: 500", "send: late"])
        };
        insta::assert_snapshot!(lines(&summary, None), @r#"
        {"CycleTime":41,"Deliveries":2,"Events":9,"Heartbeat":1,"MailsSent":1,"Problems":3,"_aws":{"CloudWatchMetrics":[{"Dimensions":[["queue"]],"Metrics":[{"Name":"Heartbeat","Unit":"Count"},{"Name":"CycleTime","Unit":"Milliseconds"},{"Name":"Deliveries","Unit":"Count"},{"Name":"Events","Unit":"Count"},{"Name":"MailsSent","Unit":"Count"},{"Name":"Problems","Unit":"Count"}],"Namespace":"ClosingBell"}],"Timestamp":1795420800000},"durations_ms":{"cycle":41,"take_in":30},"message":"a cycle is done","queue":"bell"}
        {"Problems":1,"_aws":{"CloudWatchMetrics":[{"Dimensions":[["queue","step"]],"Metrics":[{"Name":"Problems","Unit":"Count"}],"Namespace":"ClosingBell"}],"Timestamp":1795420800000},"message":"a step failed","queue":"bell","step":"enrich"}
        {"Problems":2,"_aws":{"CloudWatchMetrics":[{"Dimensions":[["queue","step"]],"Metrics":[{"Name":"Problems","Unit":"Count"}],"Namespace":"ClosingBell"}],"Timestamp":1795420800000},"message":"a step failed","queue":"bell","step":"send"}
        "#);
    }

    #[test]
    fn every_metric_of_a_line_is_a_number_in_it() {
        let summary = Summary { dead_letters: 3, ..summary(&["take in: away"]) };
        for line in metrics("bell", &summary, Some(7), Timestamp::UNIX_EPOCH) {
            let line: serde_json::Value = serde_json::from_str(&line.to_string()).unwrap();
            let directive = &line["_aws"]["CloudWatchMetrics"][0];
            assert!(
                directive["Metrics"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .all(|metric| line[metric["Name"].as_str().unwrap()].is_u64())
            );
            assert!(
                directive["Dimensions"][0]
                    .as_array()
                    .unwrap()
                    .iter()
                    .all(|name| line[name.as_str().unwrap()].is_string())
            );
        }
    }
}
