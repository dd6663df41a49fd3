//! `cargo xtask soak`: long searches, started by hand.

use anyhow::Result;

use crate::machine::cargo;
use crate::steps::{Steps, succeed};

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
    steps.step("build", "Build the programs, optimised", || {
        succeed(&mut cargo(&["build", "--workspace", "--exclude", "xtask", "--bins", "--locked", "--release"]))
    })?;
    steps.step("search", "Search", || {
        let mut tests = cargo(&["test", "--workspace", "--locked", "--release", "--features", "end-to-end/soak"]);
        tests.args(["--test", "soak", "--", "--nocapture"]);
        let variables = [("CLOSING_BELL_SOAK_ROUNDS", search.rounds), ("CLOSING_BELL_SOAK_SEED", search.seed)];
        for (variable, number) in variables {
            match number {
                Some(number) => tests.env(variable, number.to_string()),
                None => tests.env_remove(variable),
            };
        }
        succeed(&mut tests)
    })
}
