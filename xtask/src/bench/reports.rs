//! `cargo xtask bench reports`.

use std::process::Command;

use anyhow::Result;

use super::{Bench, build, program};
use crate::steps::{Steps, succeed};

/// The profile that ships.
const PROFILE: &str = "dist";

pub(super) fn run(steps: &mut Steps, bench: &Bench) -> Result<()> {
    steps.step("bench", "Build the measurements with the reports as they ship", || {
        build("bench-reports", PROFILE, &[])
    })?;
    steps.step("measure", "Measure", || {
        let mut measure = Command::new(program(PROFILE, "bench-reports"));
        measure.args(bench.quick.then_some("--quick")).args(bench.json.then_some("--json"));
        succeed(&mut measure)
    })
}
