//! `cargo xtask check`: what must hold before anything runs.

mod house;
mod source;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail, ensure};

use crate::machine::{cargo, root};
use crate::steps::{Steps, succeed};

/// What the door in AWS never links: it decides and enqueues, and everything else is the worker's.
const FENCED_OFF: [&str; 6] = ["sqlx", "lettre", "reqwest", "axum", "minijinja", "rust_xlsxwriter"];

/// All checks run, so that one look shows everything; the first that failed decides the exit code.
pub(crate) fn run() -> Result<()> {
    let mut steps = Steps::of("check");
    let outcomes = [
        steps.step("house", "The rules of the house", || house(root())),
        steps.step("fence", "What the Lambda links", fence),
        steps.step("fmt", "Formatting", || succeed(&mut cargo(&["fmt", "--all", "--check"]))),
        steps.step("clippy", "Lints", || {
            // All features: the system and soak tests are behind theirs.
            let scope = ["clippy", "--workspace", "--all-targets", "--all-features", "--locked"];
            succeed(cargo(&scope).args(["--", "-D", "warnings"]))
        }),
        steps.step("docs", "Documentation", || {
            let scope = ["doc", "--workspace", "--no-deps", "--document-private-items", "--locked"];
            succeed(cargo(&scope).env("RUSTDOCFLAGS", "-D warnings"))
        }),
        steps.step("production", "The worker as it ships, without the demo", || {
            succeed(&mut cargo(&["check", "--package", "report-worker", "--no-default-features", "--locked"]))
        }),
    ];
    steps.summarise();
    outcomes.into_iter().collect()
}

/// Reads every source file of the crates and prints what breaks a rule, as `file:line: what`.
fn house(root: &Path) -> Result<()> {
    let mut files = Vec::new();
    for entry in fs::read_dir(root.join("crates"))? {
        collect_sources(&entry?.path().join("src"), &mut files)?;
    }
    files.sort();
    let mut count = 0;
    for file in &files {
        let path = file.strip_prefix(root)?.to_string_lossy();
        for violation in house::violations(&path, &fs::read_to_string(file)?) {
            eprintln!("{path}:{}: {}", violation.line, violation.text);
            count += 1;
        }
    }
    if count > 0 {
        bail!("places that break a rule of the house: {count}");
    }
    Ok(())
}

fn collect_sources(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect_sources(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Ok(())
}

/// Asks cargo what validator-lambda is linked from.
fn fence() -> Result<()> {
    let output = cargo(&["tree", "--package", "validator-lambda", "--edges", "normal", "--prefix", "none", "--locked"])
        .output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr).trim_end());
    let tree = String::from_utf8_lossy(&output.stdout);
    let crossed = over_the_fence(&tree);
    ensure!(crossed.is_empty(), "validator-lambda links {}", crossed.join(", "));
    Ok(())
}

/// The fenced-off packages in a tree with one `name version …` a line.
fn over_the_fence(tree: &str) -> Vec<&'static str> {
    let linked = |name: &&str| tree.lines().any(|line| line.split(' ').next() == Some(name));
    FENCED_OFF.into_iter().filter(linked).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lambda_links_nothing_of_the_worker() {
        assert_eq!(over_the_fence("validator-lambda v0.1.0 (…)\naxum-core v0.5.6\nhttp v1.4.0"), [""; 0]);
        assert_eq!(over_the_fence("lambda_http v1.3.0\naxum v0.8.9\nsqlx v0.9.0 (*)"), ["sqlx", "axum"]);
    }
}
