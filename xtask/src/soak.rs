//! `cargo xtask soak`: long searches, started by hand.

use anyhow::Result;

use crate::machine::cargo;
use crate::mariadb::MariaDb;
use crate::services::{Aws, test_python};
use crate::steps::{Steps, succeed};
use crate::test::{PYTHON_VARIABLE, against};

/// How long to search and where to begin; what is not said here, the search itself decides.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Search {
    pub(crate) rounds: Option<u64>,
    pub(crate) seed: Option<u64>,
}

pub(crate) fn run(search: &Search) -> Result<()> {
    let mut steps = Steps::of("soak");
    let outcome = run_steps(&mut steps, search);
    steps.summarise();
    outcome
}

fn run_steps(steps: &mut Steps, search: &Search) -> Result<()> {
    let python = steps.step("Python", "Make the Python environment in target/test-python", test_python)?;
    steps.step("build", "Build the programs, optimised", || {
        succeed(&mut cargo(&["build", "--workspace", "--exclude", "xtask", "--bins", "--locked", "--release"]))
    })?;
    let aws = steps.step("SQS", "Start an SQS API on 127.0.0.1", || Aws::queues(&python))?;
    let mariadb = steps.step("MariaDB", "Start a MariaDB server on 127.0.0.1", || MariaDb::start(2))?;
    steps.step("search", "Search", || {
        let mut tests = cargo(&["test", "--workspace", "--locked", "--release", "--features", "end-to-end/soak"]);
        // One search after the other: each has the machine to itself.
        tests.args(["--test", "soak", "--", "--nocapture", "--test-threads", "1"]);
        tests.env(PYTHON_VARIABLE, python.path());
        let variables = [("CLOSING_BELL_SOAK_ROUNDS", search.rounds), ("CLOSING_BELL_SOAK_SEED", search.seed)];
        for (variable, number) in variables {
            match number {
                Some(number) => tests.env(variable, number.to_string()),
                None => tests.env_remove(variable),
            };
        }
        succeed(against(&aws, mariadb.lend(&mut tests)))
    })
}
