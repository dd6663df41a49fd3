//! What the end-to-end tests share: the programs as they are built, run in an environment that holds nothing else.

mod conformance;
mod day;
mod figures;
mod local;
mod mail;
mod mysql;
mod smtp_server;
mod sqs;

use std::path::PathBuf;
use std::process::Stdio;

use tokio::io::AsyncWriteExt;
use tokio::process::Command;

pub use self::conformance::failing_cases;
pub use self::day::Day;
pub use self::figures::{Figures, Sums};
pub use self::local::{Local, now_ms, secret, signal, status};
pub use self::mail::{Mail, Row, Section, mails_in};
pub use self::mysql::{mysql_database, mysql_database_on, mysql_server};
pub use self::smtp_server::{SmtpServer, Taken};
pub use self::sqs::{Aws, Queues, aws_variables};

/// The Python that has the packages of tests/services.
///
/// # Panics
/// If nobody has prepared it.
pub fn python() -> std::ffi::OsString {
    std::env::var_os("CLOSING_BELL_TEST_PYTHON").expect("run `cargo xtask test`")
}

/// The path of one of our programs, beside the tests' own.
///
/// # Panics
/// If it has not been built.
pub fn program(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a test knows where it lies");
    let folder = test.ancestors().nth(2).expect("tests lie in target/PROFILE/deps");
    let program = folder.join(name);
    assert!(program.exists(), "{name} has not been built: run `cargo xtask test`");
    program
}

/// Runs a program with no environment but PATH and what the caller adds, never at a terminal, and not past its test.
pub fn command(name: &str) -> Command {
    let mut command = Command::new(program(name));
    command.env_clear().envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

/// What a program that has ended leaves.
#[derive(Debug)]
pub struct Ended {
    /// The exit code; none if a signal ended it.
    pub code: Option<i32>,
    /// Its results.
    pub stdout: String,
    /// Its logs and errors.
    pub stderr: String,
}

/// Runs the command to its end with `input` on stdin.
///
/// # Panics
/// If it cannot be started or writes something else than text.
pub async fn run(mut command: Command, input: &[u8]) -> Ended {
    let mut child = command.stdin(Stdio::piped()).spawn().expect("the program was found");
    let mut stdin = child.stdin.take().expect("stdin is piped");
    let write = async move {
        // A program that refuses its arguments ends without reading.
        let _ = stdin.write_all(input).await;
    };
    let ((), output) = tokio::join!(write, child.wait_with_output());
    let output = output.expect("the program can be waited for");
    let text = |bytes| String::from_utf8(bytes).expect("programs write UTF-8");
    Ended { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}
