//! `cargo xtask bench …`: builds what is measured as it ships and what it is compared to, and runs the measurements.

mod door;
mod node;
mod reports;
mod worker;

use std::path::PathBuf;

use anyhow::Result;

use crate::machine::{cargo, target};
use crate::steps::{Steps, succeed};

/// One run of measurements.
#[derive(Debug, PartialEq)]
pub(crate) struct Bench {
    pub(crate) what: What,
    /// Less of everything.
    pub(crate) quick: bool,
    pub(crate) json: bool,
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum What {
    Door,
    Reports,
    Worker,
}

pub(crate) fn run(bench: &Bench) -> Result<()> {
    let mut steps = Steps::of("bench");
    let outcome = match bench.what {
        What::Door => door::run(&mut steps, bench),
        What::Reports => reports::run(&mut steps, bench),
        What::Worker => worker::run(&mut steps, bench),
    };
    steps.summarise();
    outcome
}

/// One package at a time: together they would link each other's features.
fn build(package: &str, profile: &str, more: &[&str]) -> Result<()> {
    let line = ["build", "--profile", profile, "--package", package, "--bins", "--locked"];
    succeed(cargo(&line).args(more))
}

fn program(profile: &str, name: &str) -> PathBuf {
    target(profile).join(name)
}
