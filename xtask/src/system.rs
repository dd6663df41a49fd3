//! `cargo xtask test --system`: the heavier tests, with programs of the machine that no other test needs.

use std::path::Path;

use anyhow::{Result, ensure};

use crate::machine::{cargo, install};
use crate::steps::{Steps, succeed};
use crate::test::build_programs;

/// Where Debian puts the browser that opens the mails.
const CHROMIUM: &str = "/usr/bin/chromium";

pub(crate) fn run(filters: &[String]) -> Result<()> {
    let mut steps = Steps::of("test --system");
    let outcome = run_steps(&mut steps, filters);
    steps.summarise();
    outcome
}

fn run_steps(steps: &mut Steps, filters: &[String]) -> Result<()> {
    steps.step("Chromium", "Find Chromium", chromium)?;
    build_programs(steps)?;
    steps.step("tests", "Run the system tests", || {
        let mut tests = cargo(&["test", "--workspace", "--locked", "--features", "end-to-end/system"]);
        succeed(tests.args(["--test", "system", "--"]).args(filters).env("CLOSING_BELL_CHROMIUM", CHROMIUM))
    })
}

fn chromium() -> Result<()> {
    if !Path::new(CHROMIUM).exists() {
        // A browser without a font shows boxes, and brings none of its own.
        install(&["chromium", "fonts-dejavu-core"], CHROMIUM)?;
    }
    ensure!(Path::new(CHROMIUM).exists(), "the package chromium is installed, but {CHROMIUM} is not there");
    Ok(())
}
