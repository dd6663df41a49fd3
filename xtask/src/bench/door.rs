//! `cargo xtask bench door`.

use std::process::Command;

use anyhow::Result;

use super::{Bench, build, node, program};
use crate::machine::install;
use crate::services::test_python;
use crate::steps::{Steps, succeed};

/// The profile that ships. All that is written in Rust is measured in it.
const PROFILE: &str = "door";

pub(super) fn run(steps: &mut Steps, bench: &Bench) -> Result<()> {
    steps.step("tools", "Look for openssl, node and npm", tools)?;
    let python = steps.step("Python", "Make the Python environment in target/test-python", test_python)?;
    let node = steps.step("Node", "Make Node's function in target/bench-door/node", || node::ready("door"))?;
    steps.step("door", "Build validator-lambda as it ships", || build("validator-lambda", PROFILE, &[]))?;
    steps.step("bench", "Build the bare Lambda and the measurements", || build("bench-door", PROFILE, &[]))?;
    steps.step("measure", "Measure", || {
        let mut measure = Command::new(program(PROFILE, "bench-door"));
        measure.arg("--lambda").arg(program(PROFILE, "validator-lambda"));
        measure.arg("--python").arg(python.path()).arg("--node").arg(node);
        measure.args(bench.quick.then_some("--quick")).args(bench.json.then_some("--json"));
        succeed(&mut measure)
    })
}

fn tools() -> Result<()> {
    if node::version("openssl", "version").is_err() {
        install(&["openssl"], "`openssl`")?;
    }
    node::tools()
}
