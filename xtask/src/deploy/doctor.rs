//! `closing-bell doctor` as a task of its own beside the worker: it sees what the worker sees, the books included.

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::aws::Aws;

/// A task takes a minute to start, the doctor twenty seconds, and a database that sleeps another minute.
const PATIENCE: Duration = Duration::from_secs(300);
const LOOK_AGAIN: Duration = Duration::from_secs(3);
/// Logs arrive a little after the task has ended.
const LOGS_PATIENCE: Duration = Duration::from_secs(30);

/// Runs it with the service's network and task definition, prints what it says, and fails as it does.
pub(super) fn run(aws: &Aws<'_>, url: &str, output: impl Fn(&str) -> Result<String>) -> Result<()> {
    let (cluster, service) = (output("ClusterName")?, output("ServiceName")?);
    let of_service = |query: &str| {
        let query = format!("services[0].{query}");
        let services = ["ecs", "describe-services", "--cluster", &cluster, "--services", &service];
        let answer = aws.ask(&[&services[..], &["--query", &query]].concat())?;
        answer.with_context(|| format!("the service {service} has no {query}"))
    };
    let network = "networkConfiguration.awsvpcConfiguration";
    let listed = |what: &str| of_service(&format!("{network}.{what}")).map(|all| all.replace(char::is_whitespace, ","));
    let network = format!(
        "awsvpcConfiguration={{subnets=[{}],securityGroups=[{}],assignPublicIp={}}}",
        listed("subnets")?,
        listed("securityGroups")?,
        of_service(&format!("{network}.assignPublicIp"))?
    );
    let overrides = format!(r#"{{"containerOverrides":[{{"name":"worker","command":["doctor","--url","{url}"]}}]}}"#);
    let definition = of_service("taskDefinition")?;
    let run = ["ecs", "run-task", "--cluster", &cluster, "--task-definition", &definition, "--launch-type", "FARGATE"];
    let how = ["--network-configuration", &network, "--overrides", &overrides, "--query", "tasks[0].taskArn"];
    let task = aws.ask(&[&run[..], &how].concat())?.context("AWS starts no task for the doctor")?;

    let of_task = |query: &str| {
        aws.ask(&[
            "ecs",
            "describe-tasks",
            "--cluster",
            &cluster,
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
    match said(aws, &output("WorkerLogs")?, &format!("worker/worker/{id}"))? {
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
