//! `cargo xtask test`: the services, every test of the workspace, and no snapshot left undecided.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::machine::{cargo, install, program, root};
use crate::mariadb::MariaDb;
use crate::services::{Aws, Python, test_python};
use crate::steps::{Steps, succeed};

pub(crate) fn run(filters: &[String]) -> Result<()> {
    let mut steps = Steps::of("test");
    let outcome = run_steps(&mut steps, filters);
    steps.summarise();
    outcome
}

fn run_steps(steps: &mut Steps, filters: &[String]) -> Result<()> {
    let python = python(steps)?;
    let office = steps.step("LibreOffice", "Find LibreOffice", libreoffice)?;
    build_programs(steps)?;
    let aws = steps.step("SQS", "Start an SQS API on 127.0.0.1", || Aws::queues(&python))?;
    let mariadb = steps.step("MariaDB", "Start a MariaDB server on 127.0.0.1", || MariaDb::start(2))?;
    let tests = steps.step("tests", "Run the tests", || {
        let mut tests = cargo(&["test", "--workspace", "--locked", "--no-fail-fast", "--"]);
        tests.args(filters).env("INSTA_UPDATE", "no").env(PYTHON_VARIABLE, python.path());
        tests.env("CLOSING_BELL_TEST_SOFFICE", &office);
        succeed(against(&aws, mariadb.lend(&mut tests)))
    });
    drop((aws, mariadb));
    let snapshots = steps.step("snapshots", "Look for undecided snapshots", || no_undecided_snapshot(root()));
    tests.and(snapshots)
}

/// Where the tests find the Python that has the packages of tests/services/requirements.txt.
pub(crate) const PYTHON_VARIABLE: &str = "CLOSING_BELL_TEST_PYTHON";

fn python(steps: &mut Steps) -> Result<Python> {
    steps.step("Python", "Make the Python environment in target/test-python", test_python)
}

/// The program that adds up the workbooks once more.
fn libreoffice() -> Result<PathBuf> {
    if program("soffice").is_none() {
        install(&["libreoffice-calc"], "LibreOffice")?;
    }
    program("soffice").context("the package libreoffice-calc is installed, but soffice is not there")
}

/// The end-to-end tests start these by name, which cargo does not see: it builds only the programs of the package under test.
/// Always the whole workspace, so that every task builds each dependency once, with the same features.
pub(crate) fn build_programs(steps: &mut Steps) -> Result<()> {
    steps.step("build", "Build the programs", || {
        succeed(&mut cargo(&["build", "--workspace", "--exclude", "xtask", "--bins", "--locked"]))
    })
}

/// The AWS SDK speaks to `aws`, whatever account the developer's shell is logged in to.
pub(crate) fn against<'a>(aws: &Aws, command: &'a mut Command) -> &'a mut Command {
    for variable in ["AWS_ENDPOINT_URL_SQS", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "AWS_PROFILE", "AWS_SESSION_TOKEN"]
    {
        command.env_remove(variable);
    }
    command
        .env("AWS_ENDPOINT_URL", aws.url())
        .env("AWS_REGION", "us-east-1")
        .env("AWS_ACCESS_KEY_ID", "nobody")
        .env("AWS_SECRET_ACCESS_KEY", "nothing")
}

/// insta writes these beside the tests when a result is new and nobody has said that it is right.
fn no_undecided_snapshot(folder: &Path) -> Result<()> {
    let mut found = Vec::new();
    collect_undecided(folder, &mut found)?;
    found.sort();
    let names: Vec<_> = found.iter().map(|file| file.display().to_string()).collect();
    ensure!(names.is_empty(), "undecided snapshots: accept or delete {}", names.join(", "));
    Ok(())
}

fn collect_undecided(folder: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        if entry.file_type()?.is_dir() {
            if name != "target" && name != ".git" {
                collect_undecided(&entry.path(), found)?;
            }
        } else if [".snap.new", ".pending-snap"].iter().any(|end| name.to_string_lossy().ends_with(end)) {
            found.push(entry.path());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::target;

    #[test]
    fn undecided_snapshots_are_found_at_any_depth() {
        let folder = target(&format!("undecided-snapshots-{}", std::process::id()));
        fs::create_dir_all(folder.join("a/b")).unwrap();
        fs::create_dir_all(folder.join("target")).unwrap();
        fs::write(folder.join("a/decided.snap"), "").unwrap();
        fs::write(folder.join("target/built.snap.new"), "").unwrap();
        assert!(no_undecided_snapshot(&folder).is_ok());
        fs::write(folder.join("a/b/mail.snap.new"), "").unwrap();
        fs::write(folder.join("a/.report.rs.pending-snap"), "").unwrap();
        let error = no_undecided_snapshot(&folder).unwrap_err().to_string();
        fs::remove_dir_all(&folder).unwrap();
        assert!(error.ends_with("mail.snap.new") && error.contains(".report.rs.pending-snap"), "{error}");
    }
}
