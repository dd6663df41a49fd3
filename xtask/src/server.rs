//! Servers that the tests use, each ended by its own id.

use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

use anyhow::{Context, Result};

/// `$0` becomes the server; beside it waits a shell that sends it the signal `$1` when stdin closes, be it that xtask is done or
/// that it was killed.
const UNTIL_STDIN_CLOSES: &str =
    r#"signal=$1; shift; exec 3<&0; { read -r _ <&3; kill -s "$signal" $$; } & exec "$0" "$@" </dev/null 3<&-"#;

/// A server that runs. It ends when this value is dropped, and also when xtask is killed.
pub(crate) struct Server(Child);

impl Server {
    /// Starts it by its program, arguments and variables; what it says goes to the end of the file `log`. `signal` is how it is ended.
    pub(crate) fn start(command: &Command, signal: &str, log: &Path) -> Result<Self> {
        let log = File::options().create(true).append(true).open(log)?;
        let server = Command::new("sh")
            .args(["-c", UNTIL_STDIN_CLOSES])
            .arg(command.get_program())
            .arg(signal)
            .args(command.get_args())
            .envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))))
            .stdin(Stdio::piped())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("cannot start `sh`")?;
        Ok(Self(server))
    }

    /// Whether it has ended, and how.
    pub(crate) fn ended(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.0.try_wait()?)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        // It fails only when the server has been waited for already.
        let _ = self.0.wait();
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::process::ExitStatusExt;

    use super::*;
    use crate::machine::target;

    #[test]
    fn a_program_ends_when_its_starter_does() {
        let log = target(&format!("server-{}.log", std::process::id()));
        for (signal, number) in [("KILL", 9), ("TERM", 15)] {
            let mut program = Command::new("sh");
            program.args(["-c", "sleep 0.2; echo alive; exec sleep 600"]);
            let mut server = Server::start(&program, signal, &log).unwrap();
            while fs::read(&log).unwrap() != b"alive\n" {
                assert_eq!(server.ended().unwrap(), None);
            }
            drop(server.0.stdin.take());
            assert_eq!(server.0.wait().unwrap().signal(), Some(number));
            fs::remove_file(&log).unwrap();
        }
    }
}
