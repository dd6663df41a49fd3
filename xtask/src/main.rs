//! `cargo xtask`: brings up what the tests need, runs them, takes it down; and the checks that CI makes.
//!
//! Built before everything else, so it stays small: std, anyhow and a reader for template.yaml.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "this is a command: progress on stderr, help on stdout")]

mod bench;
mod checks;
mod cost;
mod deploy;
mod docker;
mod machine;
mod mariadb;
mod package;
mod sam;
mod server;
mod services;
mod soak;
mod steps;
mod system;
mod template;
mod test;

use std::env;
use std::process::ExitCode;

const HELP: &str = "\
cargo xtask: what a plain cargo line cannot do

Usage: cargo xtask <TASK>

  test [FILTER…]             bring up an SQS API, a MariaDB server and a Python environment, run every test (or those
                             whose name contains a FILTER), take it all down
  test --system [FILTER…]    the heavier tests, as root: the demo's mails in a real browser, and `deploy` with the real SAM
                             onto an AWS of this machine, its tasks in a Docker engine of its own
  soak [--rounds N] [--seed S]
                             long searches, by hand: N rounds beginning with seed S
  bench door [--quick] [--json]
                             measure the door beside a bare Lambda and a Node Lambda: start, latency, CPU, memory, size,
                             signature checks; --quick does half as much
  bench worker [--quick] [--json]
                             measure the worker with backlogs of 100,000 and 1,000,000 events beside an SQS consumer in
                             Node: CPU, memory, size of the books, use of HubSpot's limits; --quick does a fifth
  bench reports [--quick] [--json]
                             measure the report of a month out of a year of 1,000,000 changes, with mail and workbook: time,
                             memory, and how both grow; --quick does a fifth
  check                      formatting, lints, docs, the rules of the house, template.yaml, and what may be built from
  cost [--events-per-month N] [--set PARAMETER=VALUE]…
                             what the stack of template.yaml costs a month, line by line, with 10,000 events or N
  deploy [--stack NAME] [--image IMAGE] [--set PARAMETER=VALUE]…
                             make or update the stack in AWS: build door and image, push, `sam deploy`, look at it with
                             `closing-bell doctor`, print the URL for HubSpot. The first time: --set OwnerEmail=…
                             --set MailFrom=… --set MailTo=…
  package [--arm64] [zip|image|image-files]
                             build what ships, for x86_64 or on an arm64 machine for that, each with the list of its
                             parts, and hold the sizes against the budgets: the Lambda's zip, and the worker's image if
                             a Docker engine answers; image-files only lays out in target/image what is in that

Exit code: 0 done; 1 failed; 2 wrong usage; a failed test run passes on cargo's own.
";

/// A command line that is understood.
#[derive(Debug, PartialEq)]
enum Task {
    Help,
    Test { system: bool, filters: Vec<String> },
    Soak(soak::Search),
    Bench(bench::Bench),
    Check,
    Cost(cost::Question),
    Deploy(deploy::Deployment),
    Package(package::Artefact),
}

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let task = match parse(&arguments) {
        Ok(task) => task,
        Err(problem) => {
            eprintln!("error: {problem}\n\n{HELP}");
            return ExitCode::from(2);
        }
    };
    let outcome = match task {
        Task::Help => {
            print!("{HELP}");
            Ok(())
        }
        Task::Test { system: false, filters } => test::run(&filters),
        Task::Test { system: true, filters } => system::run(&filters),
        Task::Soak(search) => soak::run(&search),
        Task::Bench(bench) => bench::run(&bench),
        Task::Check => checks::run(),
        Task::Cost(question) => cost::run(&question),
        Task::Deploy(deployment) => deploy::run(&deployment),
        Task::Package(artefact) => package::run(artefact),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => steps::exit_code(&error),
    }
}

fn parse(arguments: &[String]) -> Result<Task, String> {
    let Some((task, rest)) = arguments.split_first() else {
        return Err("no task is named".to_owned());
    };
    match task.as_str() {
        "help" | "--help" | "-h" => Ok(Task::Help),
        "test" => parse_test(rest),
        "soak" => parse_soak(rest).map(Task::Soak),
        "bench" => parse_bench(rest).map(Task::Bench),
        "check" => match rest.first() {
            None => Ok(Task::Check),
            Some(argument) => Err(format!("`check` takes no arguments, and `{argument}` is one")),
        },
        "cost" => parse_cost(rest).map(Task::Cost),
        "deploy" => parse_deploy(rest).map(Task::Deploy),
        "package" => parse_package(rest).map(Task::Package),
        _ => Err(format!("there is no task `{task}`")),
    }
}

fn parse_test(arguments: &[String]) -> Result<Task, String> {
    let (options, filters): (Vec<_>, Vec<_>) =
        arguments.iter().cloned().partition(|argument| argument.starts_with('-'));
    match options.iter().find(|option| *option != "--system") {
        None => Ok(Task::Test { system: !options.is_empty(), filters }),
        Some(option) => Err(format!("`test` has no option `{option}`")),
    }
}

fn parse_soak(arguments: &[String]) -> Result<soak::Search, String> {
    let mut search = soak::Search::default();
    let mut rest = arguments.iter();
    while let Some(option) = rest.next() {
        let wanted = match option.as_str() {
            "--rounds" => &mut search.rounds,
            "--seed" => &mut search.seed,
            _ => return Err(format!("`soak` has no option `{option}`")),
        };
        let number = rest.next().and_then(|text| text.parse().ok());
        *wanted = Some(number.ok_or_else(|| format!("`{option}` needs a whole number after it"))?);
    }
    Ok(search)
}

fn parse_package(arguments: &[String]) -> Result<package::Artefact, String> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (architecture, rest) = match words.as_slice() {
        ["--arm64", rest @ ..] => (package::Architecture::Arm64, rest),
        rest => (package::Architecture::X86_64, rest),
    };
    match rest {
        [] => Ok(package::Artefact::All(architecture)),
        ["zip"] => Ok(package::Artefact::Zip(architecture)),
        ["image"] => Ok(package::Artefact::Image(architecture)),
        ["image-files"] if arguments.len() == 1 => Ok(package::Artefact::ImageFiles),
        _ => Err(format!("`package` takes `--arm64`, then what to build or nothing, not `{}`", words.join(" "))),
    }
}

fn parse_cost(arguments: &[String]) -> Result<cost::Question, String> {
    let mut question = cost::Question { events_per_month: cost::USUAL_EVENTS, parameters: Vec::new() };
    let mut rest = arguments.iter();
    while let Some(option) = rest.next() {
        let value = rest.next();
        match option.as_str() {
            "--events-per-month" => {
                let number = value.and_then(|text| text.parse().ok());
                question.events_per_month =
                    number.ok_or_else(|| format!("`{option}` needs a whole number after it"))?;
            }
            "--set" => question.parameters.push(parameter(value)?),
            _ => return Err(format!("`cost` has no option `{option}`")),
        }
    }
    Ok(question)
}

fn parse_deploy(arguments: &[String]) -> Result<deploy::Deployment, String> {
    let stack = deploy::USUAL_STACK.to_owned();
    let mut deployment = deploy::Deployment { stack, image: None, parameters: Vec::new() };
    let mut rest = arguments.iter();
    while let Some(option) = rest.next() {
        let value = rest.next();
        let given = || value.cloned().ok_or_else(|| format!("`{option}` needs a name after it"));
        match option.as_str() {
            "--stack" => deployment.stack = given()?,
            "--image" => deployment.image = Some(given()?),
            "--set" => deployment.parameters.push(parameter(value)?),
            _ => return Err(format!("`deploy` has no option `{option}`")),
        }
    }
    Ok(deployment)
}

/// `PARAMETER=VALUE`, of the template.
fn parameter(text: Option<&String>) -> Result<(String, String), String> {
    let pair = text.and_then(|text| text.split_once('=')).filter(|(name, _)| !name.is_empty());
    let (name, value) = pair.ok_or("`--set` needs a PARAMETER=VALUE after it")?;
    Ok((name.to_owned(), value.to_owned()))
}

fn parse_bench(arguments: &[String]) -> Result<bench::Bench, String> {
    let Some((name, options)) = arguments.split_first() else {
        return Err("`bench` needs to know what to measure".to_owned());
    };
    let what = match name.as_str() {
        "door" => bench::What::Door,
        "reports" => bench::What::Reports,
        "worker" => bench::What::Worker,
        _ => return Err(format!("there is no bench `{name}`")),
    };
    let mut bench = bench::Bench { what, quick: false, json: false };
    for option in options {
        match option.as_str() {
            "--quick" => bench.quick = true,
            "--json" => bench.json = true,
            _ => return Err(format!("`bench {name}` has no option `{option}`")),
        }
    }
    Ok(bench)
}

#[cfg(test)]
mod tests {
    use super::package::{Architecture, Artefact};
    use super::*;

    fn parsed(line: &str) -> Result<Task, String> {
        parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn every_task_is_understood() {
        let filters = vec!["door".to_owned(), "queue".to_owned()];
        assert_eq!(parsed("--help"), Ok(Task::Help));
        assert_eq!(parsed("test"), Ok(Task::Test { system: false, filters: vec![] }));
        assert_eq!(parsed("test door queue"), Ok(Task::Test { system: false, filters: filters.clone() }));
        assert_eq!(parsed("test door --system queue"), Ok(Task::Test { system: true, filters }));
        assert_eq!(parsed("soak --seed 7"), Ok(Task::Soak(soak::Search { rounds: None, seed: Some(7) })));
        assert_eq!(
            parsed("soak --rounds 40 --seed 7"),
            Ok(Task::Soak(soak::Search { rounds: Some(40), seed: Some(7) }))
        );
        let bench = |what, quick, json| Ok(Task::Bench(bench::Bench { what, quick, json }));
        assert_eq!(parsed("bench door"), bench(bench::What::Door, false, false));
        assert_eq!(parsed("bench worker --quick"), bench(bench::What::Worker, true, false));
        assert_eq!(parsed("bench reports"), bench(bench::What::Reports, false, false));
        assert_eq!(parsed("bench door --json --quick"), bench(bench::What::Door, true, true));
        let deploy = |stack: &str, image: Option<&str>, parameters| {
            let (stack, image) = (stack.to_owned(), image.map(str::to_owned));
            Ok(Task::Deploy(deploy::Deployment { stack, image, parameters }))
        };
        assert_eq!(parsed("deploy"), deploy("closing-bell", None, vec![]));
        let owner = ("OwnerEmail".to_owned(), "a=b@example.com".to_owned());
        let line = "deploy --stack bell --set OwnerEmail=a=b@example.com --image bell:7";
        assert_eq!(parsed(line), deploy("bell", Some("bell:7"), vec![owner]));
        assert_eq!(parsed("check"), Ok(Task::Check));
        let cost = |events_per_month, parameters| Ok(Task::Cost(cost::Question { events_per_month, parameters }));
        assert_eq!(parsed("cost"), cost(10_000, vec![]));
        let workers = ("Workers".to_owned(), "2".to_owned());
        assert_eq!(parsed("cost --set Workers=2 --events-per-month 7"), cost(7, vec![workers]));
        let package = |artefact| Ok(Task::Package(artefact));
        assert_eq!(parsed("package"), package(Artefact::All(Architecture::X86_64)));
        assert_eq!(parsed("package zip"), package(Artefact::Zip(Architecture::X86_64)));
        assert_eq!(parsed("package --arm64 image"), package(Artefact::Image(Architecture::Arm64)));
        assert_eq!(parsed("package image-files"), package(Artefact::ImageFiles));
    }

    #[test]
    fn wrong_usage_is_named() {
        for (line, problem) in [
            ("", "no task is named"),
            ("dance", "there is no task `dance`"),
            ("bench", "`bench` needs to know what to measure"),
            ("bench window", "there is no bench `window`"),
            ("bench door --fast", "`bench door` has no option `--fast`"),
            ("bench door 15", "`bench door` has no option `15`"),
            ("test --sytem", "`test` has no option `--sytem`"),
            ("check fmt", "`check` takes no arguments, and `fmt` is one"),
            ("package --x86", "`package` takes `--arm64`, then what to build or nothing, not `--x86`"),
            (
                "package --arm64 image-files",
                "`package` takes `--arm64`, then what to build or nothing, not `--arm64 image-files`",
            ),
            ("soak --rounds", "`--rounds` needs a whole number after it"),
            ("soak --seed -1", "`--seed` needs a whole number after it"),
            ("cost --events-per-month many", "`--events-per-month` needs a whole number after it"),
            ("cost --set Workers", "`--set` needs a PARAMETER=VALUE after it"),
            ("cost 7", "`cost` has no option `7`"),
            ("deploy --image", "`--image` needs a name after it"),
            ("deploy --set =x", "`--set` needs a PARAMETER=VALUE after it"),
            ("deploy now", "`deploy` has no option `now`"),
            ("soak 40", "`soak` has no option `40`"),
        ] {
            assert_eq!(parsed(line), Err(problem.to_owned()), "cargo xtask {line}");
        }
    }
}
