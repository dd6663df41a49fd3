//! The stack, deployed by `sam` and looked at by the APIs of AWS and by Docker.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use end_to_end::Aws;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::Command;
use tokio::time::{Instant, sleep};

/// When something has not happened after this long, it never will. What a killed worker had in hand comes back after three
/// minutes.
const PATIENCE: Duration = Duration::from_mins(5);

/// Looks until there is something to see.
pub(crate) async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(seen) = look().await {
            return seen;
        }
        assert!(Instant::now() < deadline, "not seen within {} s: {what}", PATIENCE.as_secs());
        sleep(Duration::from_millis(200)).await;
    }
}

/// The stack of template.yaml in an account of its own.
pub(crate) struct Stack {
    pub(crate) aws: Aws,
    outputs: BTreeMap<String, String>,
}

/// What `cargo xtask deploy` leaves.
#[derive(Debug)]
pub(crate) struct Deployed {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// What a command that ran as a task of its own leaves.
#[derive(Debug)]
pub(crate) struct Task {
    pub(crate) code: i64,
    pub(crate) log: String,
}

impl Stack {
    pub(crate) fn new() -> Self {
        Self { aws: Aws::find(), outputs: BTreeMap::new() }
    }

    /// `cargo xtask deploy` with these options.
    pub(crate) async fn deploy(&mut self, options: &[&str]) -> Deployed {
        let xtask = std::env::var_os("CLOSING_BELL_TEST_XTASK").expect("run `cargo xtask test --system`");
        let mut xtask = Command::new(xtask);
        xtask.arg("deploy").args(options).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut xtask = xtask.spawn().unwrap();
        let mut lines = BufReader::new(xtask.stderr.take().unwrap()).lines();
        let mut stderr = String::new();
        while let Some(line) = lines.next_line().await.unwrap() {
            let line = line + "\n";
            // Also for whoever waits for the test.
            io::stderr().write_all(line.as_bytes()).unwrap();
            stderr.push_str(&line);
        }
        let output = xtask.wait_with_output().await.unwrap();
        let (code, stdout) = (output.status.code(), String::from_utf8(output.stdout).unwrap());
        let mut listed = sam(&["list", "stack-outputs", "--stack-name", "closing-bell", "--output", "json"]);
        let listed: Vec<Value> = serde_json::from_str(&told(&mut listed).await).unwrap();
        let text = |output: &Value, name: &str| output[name].as_str().unwrap().to_owned();
        self.outputs = listed.iter().map(|it| (text(it, "OutputKey"), text(it, "OutputValue"))).collect();
        Deployed { code, stdout, stderr }
    }

    /// `sam delete`.
    pub(crate) async fn delete(&self) {
        told(&mut sam(&["delete", "--stack-name", "closing-bell", "--no-prompts"])).await;
    }

    pub(crate) fn output(&self, name: &str) -> &str {
        self.outputs.get(name).unwrap_or_else(|| panic!("no output {name}: {:?}", self.outputs))
    }

    /// The URL of the door on this machine. The one of the outputs is the same gateway's in the real AWS.
    pub(crate) fn door(&self) -> String {
        let url = self.output("GatewayUrl").strip_prefix("https://").unwrap();
        let (id, path) = (url.split_once('.').unwrap().0, url.split_once('/').unwrap().1);
        format!("{}/_aws/execute-api/{id}/{path}", endpoint())
    }

    /// Pastes the value of a secret.
    pub(crate) async fn paste(&self, output: &str, value: &str) {
        self.aws.change_secret(self.output(output), value).await;
    }

    /// Pushes the image that was deployed under another tag, too; answers with its name there. It stays in the registry alone.
    pub(crate) async fn push_again(&self, tag: &str) -> String {
        let name = format!("{}:{tag}", self.output("WorkerRepositoryUri"));
        docker(&["tag", "closing-bell:latest", &name]).await;
        docker(&["push", "--quiet", &name]).await;
        docker(&["rmi", &name]).await;
        name
    }

    /// The workers' containers that run, each with the revision of its task definition.
    pub(crate) async fn workers(&self) -> BTreeMap<String, String> {
        let label = "com.amazonaws.ecs.container-name=worker";
        let format = "{{.ID}} {{.Label \"com.amazonaws.ecs.task-definition-version\"}}";
        let listed = docker(&["ps", "--filter", &format!("label={label}"), "--format", format]).await;
        listed.lines().filter_map(|line| line.split_once(' ')).map(|(id, of)| (id.into(), of.into())).collect()
    }

    /// Waits until so many workers run and no older ones besides; gives their containers.
    pub(crate) async fn settled(&self, workers: usize) -> BTreeSet<String> {
        let revision = self.output("WorkerTaskArn").rsplit(':').next().unwrap();
        until(&format!("{workers} workers of revision {revision}"), async || {
            let running = self.workers().await;
            let right = running.len() == workers && running.values().all(|of| of == revision);
            right.then(|| running.into_keys().collect())
        })
        .await
    }

    /// Runs a command of `closing-bell` beside the worker, as infra/RUNBOOK.md says.
    pub(crate) async fn run(&self, command: &[&str]) -> Task {
        let network = json!({ "awsvpcConfiguration": {
            "subnets": self.output("WorkerSubnets").split(',').collect::<Vec<_>>(),
            "securityGroups": [self.output("WorkerSecurityGroup")], "assignPublicIp": "ENABLED",
        } });
        let overrides = json!({ "containerOverrides": [{ "name": "worker", "command": command }] });
        let asked = json!({
            "cluster": self.output("ClusterName"), "taskDefinition": self.output("WorkerTaskArn"), "launchType": "FARGATE",
            "networkConfiguration": network, "overrides": overrides,
        });
        let started = self.ecs("RunTask", asked).await;
        let arn = started["tasks"][0]["taskArn"].as_str().unwrap_or_else(|| panic!("{started}")).to_owned();
        let asked = json!({ "cluster": self.output("ClusterName"), "tasks": [arn] });
        let code = until(&format!("{command:?} ends"), async || {
            let task = self.ecs("DescribeTasks", asked.clone()).await["tasks"][0].clone();
            (task["lastStatus"] == "STOPPED").then(|| task["containers"][0]["exitCode"].as_i64())
        })
        .await;
        let stream = format!("worker/worker/{}", arn.rsplit('/').next().unwrap());
        let asked =
            json!({ "logGroupName": self.output("WorkerLogs"), "logStreamName": stream, "startFromHead": true });
        let log = self.aws.call("Logs_20140328.GetLogEvents", "1.1", asked).await;
        let lines = log["events"].as_array().unwrap().iter().map(|event| event["message"].as_str().unwrap());
        let log = lines.collect::<Vec<_>>().join("\n");
        Task { code: code.unwrap_or_else(|| panic!("{command:?} has not run: {log}")), log }
    }

    async fn ecs(&self, action: &str, body: Value) -> Value {
        self.aws.call(&format!("AmazonEC2ContainerServiceV20141113.{action}"), "1.1", body).await
    }
}

/// Where all APIs are.
fn endpoint() -> String {
    std::env::var("AWS_ENDPOINT_URL").expect("run `cargo xtask test --system`")
}

/// The real SAM, at the root of the checkout.
fn sam(arguments: &[&str]) -> Command {
    let mut sam = Command::new(std::env::var_os("CLOSING_BELL_TEST_SAM").expect("run `cargo xtask test --system`"));
    sam.args(arguments).current_dir(root()).env("SAM_CLI_TELEMETRY", "0").kill_on_drop(true);
    sam.env("AWS_DEFAULT_REGION", std::env::var_os("AWS_REGION").unwrap());
    sam
}

/// What somebody types at the root of the checkout who has AWS's own variables set, what is pasted after it, and what comes out.
pub(crate) async fn typed(lines: &str, pasted: &str) -> String {
    let mut shell = Command::new("sh");
    shell.args(["-ec", lines]).current_dir(root()).env("AWS_DEFAULT_REGION", std::env::var_os("AWS_REGION").unwrap());
    shell.env("SAM_CLI_TELEMETRY", "0").stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
    let mut shell = shell.spawn().unwrap();
    shell.stdin.take().unwrap().write_all(pasted.as_bytes()).await.unwrap();
    let output = shell.wait_with_output().await.unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{lines}: {said}");
    said
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

pub(crate) async fn docker(arguments: &[&str]) -> String {
    told(Command::new("docker").args(arguments)).await
}

/// What a program says that has to succeed.
async fn told(command: &mut Command) -> String {
    let output = command.kill_on_drop(true).output().await.unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{command:?}: {}\n{stdout}\n{stderr}", output.status);
    stdout
}
