//! `closing-bell doctor` as a task of its own beside the worker: it sees what the worker sees, the books included.

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::Outputs;
use super::aws::Aws;

/// A task takes a minute to start, the doctor twenty seconds, and a database that sleeps another minute.
const PATIENCE: Duration = Duration::from_secs(300);
const LOOK_AGAIN: Duration = Duration::from_secs(3);
/// Logs arrive a little after the task has ended.
const LOGS_PATIENCE: Duration = Duration::from_secs(30);

/// Runs it with the worker's network and task definition, prints what it says, and fails as it does.
pub(super) fn run(aws: &Aws<'_>, outputs: &Outputs) -> Result<()> {
    let (cluster, service) = (outputs.get("ClusterName")?, outputs.get("ServiceName")?);
    let (subnets, group) = (outputs.get("WorkerSubnets")?, outputs.get("WorkerSecurityGroup")?);
    let (definition, url) = (outputs.get("WorkerTaskArn")?, outputs.get("WebhookUrl")?);
    let query = "services[0].networkConfiguration.awsvpcConfiguration.assignPublicIp";
    let services = ["ecs", "describe-services", "--cluster", cluster, "--services", service, "--query", query];
    let address = aws.ask(&services)?.with_context(|| format!("there is no service {service}"))?;
    let network =
        format!("awsvpcConfiguration={{subnets=[{subnets}],securityGroups=[{group}],assignPublicIp={address}}}");
    let overrides = format!(r#"{{"containerOverrides":[{{"name":"worker","command":["doctor","--url","{url}"]}}]}}"#);
    let run = ["ecs", "run-task", "--cluster", cluster, "--task-definition", definition, "--launch-type", "FARGATE"];
    let how = ["--network-configuration", &network, "--overrides", &overrides, "--query", "tasks[0].taskArn"];
    let task = aws.ask(&[&run[..], &how].concat())?.context("AWS starts no task for the doctor")?;

    let of_task = |query: &str| {
        aws.ask(&[
            "ecs",
            "describe-tasks",
            "--cluster",
            cluster,
            "--tasks",
            &task,
            "--query",
            &format!("tasks[0].{query}"),
        ])
    };
    let began = Instant::now();
    while of_task("lastStatus")?.as_deref() != Some("STOPPED") {
        ensure!(began.elapsed() < PATIENCE, "the doctor has not ended within {} s: task {task}", PATIENCE.as_secs());
        sleep(LOOK_AGAIN);
    }
    let id = task.rsplit('/').next().unwrap_or_default();
    match said(aws, outputs.get("WorkerLogs")?, &format!("worker/worker/{id}"))? {
        Some(said) => eprintln!("{said}"),
        None => eprintln!("    it has written nothing"),
    }
    match of_task("containers[0].exitCode")?.as_deref() {
        Some("0") => Ok(()),
        Some(code) => bail!("the doctor ended with {code}: what it found is written above, each with what to do"),
        None => bail!("the doctor did not run: {}", of_task("stoppedReason")?.unwrap_or_default()),
    }
}

/// What a task has written into its log.
fn said(aws: &Aws<'_>, group: &str, stream: &str) -> Result<Option<String>> {
    let began = Instant::now();
    loop {
        let events = ["logs", "get-log-events", "--log-group-name", group, "--log-stream-name", stream];
        let how = ["--start-from-head", "--query", "join('\n', events[].message)"];
        let said = aws.find(&[&events[..], &how].concat(), "ResourceNotFoundException")?;
        if said.is_some() || began.elapsed() >= LOGS_PATIENCE {
            return Ok(said);
        }
        sleep(LOOK_AGAIN);
    }
}
