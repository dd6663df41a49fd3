//! `cargo xtask test --system`: the heavier tests, with programs of the machine that no other test needs. The mails in a real
//! browser; and everything that `sam deploy` makes, on an AWS of this machine.

use std::env;
use std::path::Path;

use anyhow::{Result, ensure};

use crate::docker::{self, Engine};
use crate::machine::{cargo, install, target};
use crate::mariadb::MariaDb;
use crate::sam::sam;
use crate::services::{Aws, test_python, tools};
use crate::steps::{Steps, succeed};
use crate::test::{PYTHON_VARIABLE, against, build_programs};

/// Where Debian puts the browser that opens the mails.
const CHROMIUM: &str = "/usr/bin/chromium";

/// How long MariaDB's certificate is good, in days: more than the three weeks from which on the doctor warns.
const CERTIFICATE_DAYS: u32 = 60;

pub(crate) fn run(filters: &[String]) -> Result<()> {
    let mut steps = Steps::of("test --system");
    let outcome = run_steps(&mut steps, filters);
    steps.summarise();
    outcome
}

fn run_steps(steps: &mut Steps, filters: &[String]) -> Result<()> {
    steps.step("Chromium", "Find Chromium", chromium)?;
    let python = steps.step("Python", "Make the Python environment in target/test-python", test_python)?;
    let tools = steps.step("tools", "Make the Python environment in target/tools-python", tools)?;
    steps.step("template", "Validate template.yaml", || succeed(sam(&tools)?.args(["validate", "--lint"])))?;
    build_programs(steps)?;
    let start_mariadb = || MariaDb::start(CERTIFICATE_DAYS);
    let mariadb = steps.step("MariaDB", "Start a MariaDB server on 127.0.0.1", start_mariadb)?;
    let aws = steps.step("AWS", "Start an AWS on 127.0.0.1", || Aws::everything(&python))?;
    let engine = steps.step("Docker", "Start a Docker engine of its own", || Engine::start(aws.url()))?;
    let tests = steps.step("tests", "Run the system tests", || {
        let mut tests = cargo(&["test", "--workspace", "--locked", "--features", "end-to-end/system"]);
        tests.args(["--test", "system", "--", "--nocapture"]).args(filters).env("CLOSING_BELL_CHROMIUM", CHROMIUM);
        tests.env(PYTHON_VARIABLE, python.path()).env("CLOSING_BELL_TEST_SAM", tools.program("sam"));
        tests.env("CLOSING_BELL_TEST_XTASK", env::current_exe()?);
        tests.env("DOCKER_HOST", docker::host()).env("DOCKER_CONFIG", target("test-docker/config"));
        succeed(against(&aws, mariadb.lend(&mut tests)))
    });
    // First what starts containers, then what they run in.
    drop(aws);
    drop(engine);
    tests
}

fn chromium() -> Result<()> {
    if !Path::new(CHROMIUM).exists() {
        // A browser without a font shows boxes, and brings none of its own.
        install(&["chromium", "fonts-dejavu-core"], CHROMIUM)?;
    }
    ensure!(Path::new(CHROMIUM).exists(), "the package chromium is installed, but {CHROMIUM} is not there");
    Ok(())
}
