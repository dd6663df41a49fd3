//! `closing-bell doctor`: looks at everything that has to be right around the program, and changes none of it. A line for
//! each check, and one fix for each problem. What cannot be checked says why, and stops nothing else.

mod books;
mod certificate;
mod hubspot;
mod mail;
mod queue;
mod reports;
mod url;

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::bail;
use hubspot_webhook::door::TargetUrls;
use jiff::Timestamp;
use serde::Serialize;

use super::operator::count;
use super::print;
use crate::config::{Environment, Parts, Problem, Role};

/// How long one check may take. All that go over the network go side by side.
const PATIENCE: Duration = Duration::from_secs(10);

/// Something is wrong, and was not repaired.
const WRONG: u8 = 3;
/// The configuration is wrong.
const WRONG_CONFIGURATION: u8 = 2;

/// Less room than this on a disk is a warning, in bytes: a busy month of deliveries.
const LITTLE_ROOM: u64 = 1_000_000_000;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Reads the environment of `worker` if QUEUE_URL is set, else that of `local`, and changes nothing. \
                        Exit code: 0 nothing is wrong (there may be warnings), 1 the result could not be printed, \
                        2 the configuration or the usage is wrong, 3 something else is wrong."
)]
pub(super) struct Args {
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
    /// A URL that HubSpot posts to, in place of WEBHOOK_URLS; behind API Gateway the one that the deployment printed
    #[arg(long, value_name = "URL", value_parser = target_url)]
    url: Vec<String>,
    /// Post a signed test delivery to each URL, of portal 999999999, which the worker sets aside
    #[arg(long)]
    ring: bool,
}

fn target_url(text: &str) -> Result<String, String> {
    TargetUrls::new([text]).map(|_| text.to_owned()).map_err(|error| error.to_string())
}

/// How something stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum State {
    Ok,
    /// It works, and will not for ever, or not as well as it should.
    Warning,
    Wrong,
    NotChecked,
}

impl State {
    const ALL: [Self; 4] = [Self::Wrong, Self::Warning, Self::NotChecked, Self::Ok];

    fn words(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Wrong => "wrong",
            Self::NotChecked => "not checked",
        }
    }
}

/// One check. A problem has exactly one fix, in the imperative; nothing else has any.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Check {
    check: &'static str,
    state: State,
    told: String,
    fix: Option<String>,
}

impl Check {
    fn ok(check: &'static str, told: impl Into<String>) -> Self {
        Self { check, state: State::Ok, told: line(told), fix: None }
    }

    fn warning(check: &'static str, told: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { check, state: State::Warning, told: line(told), fix: Some(line(fix)) }
    }

    fn wrong(check: &'static str, told: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { check, state: State::Wrong, told: line(told), fix: Some(line(fix)) }
    }

    fn not_checked(check: &'static str, why: impl Into<String>) -> Self {
        Self { check, state: State::NotChecked, told: line(why), fix: None }
    }
}

/// In one line: what servers say may have more, and what would steer a terminal.
fn line(text: impl Into<String>) -> String {
    text.into().chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// An error with all its causes.
fn chain(error: impl Into<anyhow::Error>) -> String {
    format!("{:#}", error.into())
}

/// The cause at the end of an error's chain: what a library wraps around it is not for readers.
fn root(error: &(impl std::error::Error + 'static)) -> String {
    anyhow::Chain::new(error).last().map(ToString::to_string).unwrap_or_default()
}

/// Makes every check that can be made, and prints them.
pub(super) async fn run(args: Args, environment: &Environment, clock: fn() -> Timestamp) -> anyhow::Result<ExitCode> {
    let parts = Parts::read(environment).await;
    let urls = if args.url.is_empty() { parts.urls.clone() } else { args.url };
    let now = clock();
    let ((hubspot, account), reports, url, queue, (books, held), mail) = tokio::join!(
        hubspot::checks(parts.crm.as_ref(), parts.zone.as_ref(), clock),
        reports::checks(parts.reports.as_ref(), parts.crm.as_ref()),
        url::checks(&urls, parts.secrets.as_deref(), args.ring, now),
        queue::checks(parts.queue.as_ref(), now),
        books::checks(parts.books.as_ref(), now),
        mail::checks(parts.mail.as_ref(), parts.reports.as_ref(), now),
    );
    let mut checks = configuration(parts.role, &parts.problems);
    checks.extend(hubspot);
    checks.push(hubspot::same_account(account.as_ref(), held.as_ref()));
    checks.extend(url::signatures(&urls, parts.secrets.as_deref(), parts.keys.as_ref(), now));
    checks.extend(url);
    checks.extend(queue);
    checks.extend(books);
    checks.extend(mail);
    checks.extend(reports);
    print(&if args.json { serde_json::to_string(&checks)? } else { words(&checks) })?;
    Ok(exit_code(&parts.problems, &checks))
}

fn exit_code(problems: &[Problem], checks: &[Check]) -> ExitCode {
    match checks.iter().any(|check| check.state == State::Wrong) {
        _ if !problems.is_empty() => ExitCode::from(WRONG_CONFIGURATION),
        true => ExitCode::from(WRONG),
        false => ExitCode::SUCCESS,
    }
}

/// What `local` or `worker` would say before it starts, a line each.
fn configuration(role: Role, problems: &[Problem]) -> Vec<Check> {
    const NAME: &str = "configuration";
    let command = match role {
        Role::Local => "local",
        Role::Worker => "worker",
    };
    if problems.is_empty() {
        return vec![Check::ok(NAME, format!("`{command}` would start with it"))];
    }
    let told = |Problem { variable, what, is_transient }: &Problem| {
        if let Some(meaning) = what.strip_prefix("not set; ") {
            let fix = format!("Set {variable} for `{command}`: {meaning}");
            return Check::wrong(NAME, format!("{variable} is not set"), fix);
        }
        let fix = if *is_transient {
            "Let this machine reach AWS Secrets Manager, then run doctor again".to_owned()
        } else if variable.starts_with("REPORTS_FILE") && what.contains(": ") {
            format!("Correct it there, then start `{command}` again: the file is read at its start")
        } else if variable.ends_with("_ARN") {
            format!("Paste the value into this secret in AWS Secrets Manager, or correct {variable}")
        } else {
            format!("Correct {variable} for `{command}`")
        };
        Check::wrong(NAME, format!("{variable}: {what}"), fix)
    };
    problems.iter().map(told).collect()
}

/// A line for each check and one under it for its fix, and how many there are.
fn words(checks: &[Check]) -> String {
    let mut lines = Vec::new();
    for Check { check, state, told, fix } in checks {
        lines.push(format!("{check:<15} {:<12} {told}", state.words()));
        lines.extend(fix.iter().map(|fix| format!("{:<15} {:<12} {fix}", "", "└ fix")));
    }
    let number = |state| checks.iter().filter(|check| check.state == state).count();
    let numbers = State::ALL.map(|state| (number(state), state.words()));
    let told: Vec<String> =
        numbers.iter().filter(|(number, _)| *number > 0).map(|(number, words)| format!("{number} {words}")).collect();
    let all = count(checks.len().try_into().unwrap_or(u64::MAX), "check");
    format!("{}\n\n{all}: {}", lines.join("\n"), told.join(", "))
}

/// Waits as long as a check may take.
async fn within<T, E: Into<anyhow::Error>>(answer: impl Future<Output = Result<T, E>>) -> anyhow::Result<T> {
    match tokio::time::timeout(PATIENCE, answer).await {
        Ok(answer) => answer.map_err(Into::into),
        Err(_) => bail!("no answer within {} seconds", PATIENCE.as_secs()),
    }
}

/// How much room there is beside a file.
fn room(check: &'static str, file: &Path) -> Check {
    let folder = folder_of(file);
    match rustix::fs::statvfs(folder) {
        Ok(disk) => judge_room(check, folder, disk.f_bavail.saturating_mul(disk.f_frsize)),
        Err(error) => Check::not_checked(check, format!("the disk of {} cannot be asked: {error}", folder.display())),
    }
}

fn judge_room(check: &'static str, folder: &Path, free: u64) -> Check {
    let told = format!("{} MB are free in {}", free / 1_000_000, folder.display());
    if free < LITTLE_ROOM {
        return Check::warning(
            check,
            told,
            "Make room on this disk, at least 1 GB; once it is full nothing is accepted",
        );
    }
    Check::ok(check, told)
}

/// The folder that a file is in.
fn folder_of(file: &Path) -> &Path {
    file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Writes a file there and takes it away again.
fn try_to_write_into(folder: &Path) -> std::io::Result<()> {
    let file = folder.join(format!(".closing-bell-doctor-{:016x}", fastrand::u64(..)));
    std::fs::File::create_new(&file)?;
    std::fs::remove_file(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_problem_of_the_configuration_is_a_line() {
        let problem = |variable, what: &str| Problem { variable, what: what.to_owned(), is_transient: false };
        let problems = [
            problem("MAIL_FROM", "not set; the sender's address"),
            problem("POLL_INTERVAL", "not a duration"),
            problem("SMTP_URL_ARN", "AWS Secrets Manager has no value for arn:x"),
            Problem {
                is_transient: true,
                ..problem("DATABASE_URL_ARN", "AWS Secrets Manager cannot be asked for arn:y")
            },
        ];
        let checks = configuration(Role::Worker, &problems);
        insta::assert_snapshot!(words(&checks), @"
        configuration   wrong        MAIL_FROM is not set
                        └ fix        Set MAIL_FROM for `worker`: the sender's address
        configuration   wrong        POLL_INTERVAL: not a duration
                        └ fix        Correct POLL_INTERVAL for `worker`
        configuration   wrong        SMTP_URL_ARN: AWS Secrets Manager has no value for arn:x
                        └ fix        Paste the value into this secret in AWS Secrets Manager, or correct SMTP_URL_ARN
        configuration   wrong        DATABASE_URL_ARN: AWS Secrets Manager cannot be asked for arn:y
                        └ fix        Let this machine reach AWS Secrets Manager, then run doctor again

        4 checks: 4 wrong
        ");
        assert_eq!(configuration(Role::Local, &[])[0].told, "`local` would start with it");
    }

    #[test]
    fn the_exit_code_is_that_of_the_worst() {
        let [well, warned, wrong] =
            [Check::ok("a", "b"), Check::warning("a", "b", "c"), Check::wrong("a", "b", "c")].map(|check| [check]);
        let problem = [Problem { variable: "MAIL_TO", what: String::new(), is_transient: false }];
        let code = |problems: &[Problem], checks: &[Check]| format!("{:?}", exit_code(problems, checks));
        let expected = |code: u8| format!("{:?}", ExitCode::from(code));
        assert_eq!(
            [code(&[], &well), code(&[], &warned), code(&[], &wrong), code(&problem, &wrong)],
            [0, 0, 3, 2].map(expected)
        );
    }

    #[test]
    fn a_disk_that_is_nearly_full_is_told() {
        let of = |free| judge_room("disk", Path::new("/data"), free);
        insta::assert_snapshot!(words(&[of(LITTLE_ROOM), of(LITTLE_ROOM - 1)]), @"
        disk            ok           1000 MB are free in /data
        disk            warning      999 MB are free in /data
                        └ fix        Make room on this disk, at least 1 GB; once it is full nothing is accepted

        2 checks: 1 warning, 1 ok
        ");
        assert_eq!(room("disk", Path::new("/no/such/file")).state, State::NotChecked);
        assert_eq!(folder_of(Path::new("queue.sqlite")), Path::new("."));
    }

    #[test]
    fn what_a_server_says_is_one_line() {
        assert_eq!(Check::ok("a", "550 no\r\n\u{1b}[2J").told, "550 no   [2J");
    }
}
