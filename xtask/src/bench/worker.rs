//! `cargo xtask bench worker`.

use std::process::Command;

use anyhow::Result;

use super::{Bench, build, node, program};
use crate::services::{Aws, test_python};
use crate::steps::{Steps, succeed};

/// The profile that ships.
const PROFILE: &str = "dist";

pub(super) fn run(steps: &mut Steps, bench: &Bench) -> Result<()> {
    steps.step("tools", "Look for node and npm", node::tools)?;
    let python = steps.step("Python", "Make the Python environment in target/test-python", test_python)?;
    let node = steps.step("Node", "Make Node's consumer in target/bench-worker/node", || node::ready("worker"))?;
    steps.step("worker", "Build closing-bell as it ships", || {
        build("report-worker", PROFILE, &["--no-default-features"])
    })?;
    // The account is simulated in it, and how fast that is changes nothing that is measured.
    steps.step("bench", "Build the measurements", || build("bench-worker", "release", &[]))?;
    let aws = steps.step("SQS", "Start an SQS API on 127.0.0.1", || Aws::queues(&python))?;
    steps.step("measure", "Measure", || {
        let mut measure = Command::new(program("release", "bench-worker"));
        measure.arg("--worker").arg(program(PROFILE, "closing-bell")).arg("--node").arg(node);
        measure.env("AWS_ENDPOINT_URL", aws.url());
        measure.args(bench.quick.then_some("--quick")).args(bench.json.then_some("--json"));
        succeed(&mut measure)
    })
}
