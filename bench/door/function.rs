//! One Lambda function as a process of its own, and what Linux counts of it.

use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use bench_measured::process;
use serde_json::Value;
use tokio::process::{Child, Command};
use tokio::time::{sleep_until, timeout};

use crate::aws::{Authority, Aws, SECRET, SECRET_ARN};
use crate::runtime_api::{Event, Moment, RuntimeApi};

/// How long anything is waited for; what takes longer has failed. Longer than [`crate::lambda::CUT_OFF`].
const PATIENCE: Duration = Duration::from_secs(60);

/// Who is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Peer {
    /// `validator-lambda`.
    Ours,
    /// The bare Lambda in Rust, which neither checks nor queues.
    Echo,
    /// HubSpot's official client and the AWS SDK on Node.
    Node,
}

impl Peer {
    pub(crate) const ALL: [Self; 3] = [Self::Ours, Self::Echo, Self::Node];

    /// Whether it puts each delivery on SQS.
    pub(crate) fn queues(self) -> bool {
        self != Self::Echo
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Ours => "ours",
            Self::Echo => "echo",
            Self::Node => "node",
        })
    }
}

/// Where the client secret is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum SecretIn {
    Environment,
    /// One more TLS connection before the first answer.
    SecretsManager,
}

impl SecretIn {
    pub(crate) const BOTH: [Self; 2] = [Self::Environment, Self::SecretsManager];
}

/// What the functions are started from.
pub(crate) struct Workshop {
    /// target/bench-door: what is made for a run, and the functions' logs.
    pub(crate) folder: PathBuf,
    /// The binary of `validator-lambda`.
    pub(crate) ours: PathBuf,
    pub(crate) echo: PathBuf,
    /// The folder that Node's function is zipped from.
    pub(crate) node: PathBuf,
    pub(crate) authority: Authority,
}

/// The folder of the peers' sources.
pub(crate) fn sources() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

impl Workshop {
    fn command(&self, peer: Peer) -> Command {
        match peer {
            Peer::Ours => Command::new(&self.ours),
            Peer::Echo => Command::new(&self.echo),
            Peer::Node => {
                let mut node = Command::new("node");
                node.arg(sources().join("node/runtime.mjs")).arg(self.node.join("index.mjs"));
                node
            }
        }
    }
}

/// A running function. It is killed with this value.
pub(crate) struct Function {
    peer: Peer,
    started: Instant,
    child: Child,
    pid: u32,
    api: RuntimeApi,
    log: PathBuf,
}

/// One answer: when the event was given, when its answer was there, and the answer.
pub(crate) struct Answer {
    pub(crate) given: Instant,
    pub(crate) at: Instant,
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) fn latency(&self) -> Duration {
        self.at - self.given
    }

    /// The HTTP status that the gateway would pass on.
    pub(crate) fn status(&self) -> Option<u64> {
        self.body["statusCode"].as_u64()
    }
}

impl Function {
    /// Starts `peer` with the environment that Lambda gives, and nothing else of this one.
    pub(crate) async fn start(workshop: &Workshop, peer: Peer, secret: SecretIn, aws: &Aws) -> Result<Self> {
        let api = RuntimeApi::start().await?;
        let log = workshop.folder.join(format!("{peer}.log"));
        File::create(&log)?;
        let output = File::options().append(true).open(&log)?;
        let mut command = workshop.command(peer);
        command
            .env_clear()
            .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
            .env("AWS_LAMBDA_RUNTIME_API", api.address.to_string())
            .env("AWS_LAMBDA_FUNCTION_NAME", "door")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
            .env("AWS_LAMBDA_LOG_GROUP_NAME", "/aws/lambda/door")
            .env("AWS_LAMBDA_LOG_STREAM_NAME", "2026/11/22/[$LATEST]1")
            .env("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand")
            .env("AWS_REGION", "eu-central-1")
            .env("AWS_ACCESS_KEY_ID", "nobody")
            .env("AWS_SECRET_ACCESS_KEY", "nothing")
            .env("AWS_SESSION_TOKEN", "none")
            .env("AWS_ENDPOINT_URL", aws.url())
            .env("QUEUE_URL", aws.queue_url())
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .kill_on_drop(true);
        match secret {
            SecretIn::Environment => command.env("HUBSPOT_CLIENT_SECRETS", SECRET),
            SecretIn::SecretsManager => command.env("HUBSPOT_CLIENT_SECRETS_ARN", SECRET_ARN),
        };
        match peer {
            Peer::Node => command.env("NODE_EXTRA_CA_CERTS", &workshop.authority.root),
            _ => command.env("AWS_CA_BUNDLE", &workshop.authority.roots),
        };
        let started = Instant::now();
        let child = command.spawn().with_context(|| format!("cannot start {peer}"))?;
        let pid = child.id().context("the function has ended at once")?;
        Ok(Self { peer, started, child, pid, api, log })
    }

    /// Time from the start of the process.
    pub(crate) fn since_start(&self, moment: Instant) -> Duration {
        moment - self.started
    }

    /// Waits until the function asks for its first event.
    pub(crate) async fn asks(&mut self) -> Result<Instant> {
        loop {
            if let Moment::Asked(at) = self.moment().await? {
                return Ok(at);
            }
        }
    }

    /// Gives it one event, and waits for the answer.
    pub(crate) async fn answer(&mut self, body: String, now_ms: i64) -> Result<Answer> {
        self.api.events.send(Event { body, now_ms }).ok().context("the Runtime API has ended")?;
        let mut given = None;
        loop {
            match self.moment().await? {
                Moment::Asked(_) => {}
                Moment::Given(at) => given = Some(at),
                Moment::Answered(at, body) => {
                    let given = given.context("answered what it was not asked")?;
                    return Ok(Answer { given, at, body: serde_json::from_slice(&body)? });
                }
                Moment::Failed(error) => bail!("{} failed: {error}", self.peer),
            }
        }
    }

    /// As [`Function::answer`], and the answer has to be the right one.
    pub(crate) async fn accept(&mut self, body: String, now_ms: i64) -> Result<Answer> {
        let answer = self.answer(body, now_ms).await?;
        let right = if self.peer.queues() { answer.status() == Some(200) } else { answer.body["body"].is_string() };
        ensure!(right, "{} did not accept a good delivery; {} says why", self.peer, self.log.display());
        Ok(answer)
    }

    async fn moment(&mut self) -> Result<Moment> {
        let patience = sleep_until((Instant::now() + PATIENCE).into());
        tokio::select! {
            moment = self.api.moments.recv() => moment.context("the Runtime API has ended"),
            status = self.child.wait() => bail!("{} ended with {}; {} says why", self.peer, status?, self.log.display()),
            () = patience => bail!("{} gave no sign of life for {} s", self.peer, PATIENCE.as_secs()),
        }
    }

    /// CPU time so far, user and system, of all threads that still run.
    ///
    /// The scheduler's own count in nanoseconds: `/proc/PID/stat` counts in steps of 10 ms.
    pub(crate) fn cpu(&self) -> Result<Duration> {
        process::cpu_of_threads(self.pid)
    }

    /// The most memory it has had, in bytes.
    pub(crate) fn peak_memory(&self) -> Result<u64> {
        process::peak_memory(self.pid)
    }

    /// Ends the process and waits until it is gone.
    pub(crate) async fn end(mut self) -> Result<()> {
        timeout(PATIENCE, self.child.kill()).await??;
        Ok(())
    }
}
