//! AWS's own command line, asked for single values.

use std::io::Write;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::sam::in_region;
use crate::services::Python;

/// The `aws` of target/tools-python. As whom, where and of which endpoint it asks say AWS's own variables and files.
pub(super) struct Aws<'a>(pub(super) &'a Python);

impl Aws<'_> {
    /// What `aws` answers, as text; nothing where it names nothing.
    pub(super) fn ask(&self, arguments: &[&str]) -> Result<Option<String>> {
        let mut aws = Command::new(self.0.program("aws"));
        let output = in_region(aws.args(arguments)).args(["--output", "text"]).env("AWS_PAGER", "").output();
        let output = output.context("cannot start `aws`")?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "`aws {} {}` says: {}", arguments[0], arguments[1], said.trim());
        let answer = String::from_utf8(output.stdout)?.trim().to_owned();
        Ok(Some(answer).filter(|answer| !answer.is_empty() && answer != "None"))
    }

    /// The same, and nothing where AWS answers that there is no such thing, in these words.
    pub(super) fn find(&self, arguments: &[&str], missing: &str) -> Result<Option<String>> {
        match self.ask(arguments) {
            Err(error) if error.to_string().contains(missing) => Ok(None),
            answer => answer,
        }
    }

    /// Lets Docker push to the registry of the account.
    pub(super) fn log_docker_in(&self, registry: &str) -> Result<()> {
        let password = self.ask(&["ecr", "get-login-password"])?.context("AWS gives no password for its registry")?;
        let mut docker = Command::new("docker")
            .args(["login", "--username", "AWS", "--password-stdin", registry])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .context("cannot start `docker`")?;
        docker.stdin.take().expect("stdin is piped").write_all(password.as_bytes())?;
        let status = docker.wait()?;
        ensure!(status.success(), "`docker login {registry}` ended with {status}");
        Ok(())
    }
}
